"""Other people's losses of facial landmarks."""

import torch

from lossbook.lab.run.others.entry import Entry, Names, Source, Tensors, normal, shares

SOURCES = {
    "pfld-pytorch": Source("PFLD-pytorch", "polarisZhao/PFLD-pytorch"),
    "pfld-note": Source("PFLD of the source note", "SmlCoke/PFLD"),
    "mmpose": Source("mmpose", "open-mmlab/mmpose"),
}

_PFLD = "pfld/loss.py"
_MMPOSE = "mmpose/models/losses/regression_loss.py"


def _faces(batch: int, generator: torch.Generator) -> Tensors:
    # In pixels: about half of the errors lie beyond Wing's border of 10.
    target = 112 * shares(batch, 98, 2, generator=generator)
    return {
        "landmarks": target + 15 * normal(batch, 98, 2, generator=generator),
        "target": target,
        "weight": shares(batch, 98, 1, generator=generator),
    }


def _flat_faces(batch: int, generator: torch.Generator) -> Tensors:
    found = _faces(batch, generator)
    return {name: found[name].flatten(1) for name in ("landmarks", "target")}


def _pfld(batch: int, generator: torch.Generator) -> Tensors:
    attributes = (shares(batch, 6, generator=generator) < 0.4).double()
    return {
        **_flat_faces(batch, generator),
        "angles": normal(batch, 3, generator=generator) / 3,
        "angles_target": normal(batch, 3, generator=generator) / 3,
        "attributes": attributes,
    }


def _turned(batch: int, generator: torch.Generator) -> Tensors:
    found = _pfld(batch, generator)
    for name in ("angles", "angles_target"):
        found[name] = 20 * normal(batch, 3, generator=generator)  # degrees
    return found


def _masked(batch: int, generator: torch.Generator) -> Tensors:
    found = _faces(batch, generator)
    return found | {"weight": (found["weight"] < 0.7).double()}


def _with_a_gap(given: Tensors) -> Names:
    gap, hidden = given["target"].detach().clone(), given["weight"].clone()
    gap[:, 0], hidden[:, 0] = torch.nan, 0.0
    return {"gap": gap, "hidden": hidden}


ENTRIES = (
    Entry(
        "pfld-pytorch wing_loss",
        "pfld-pytorch",
        "wing_loss",
        {_PFLD: ("wing_loss",)},
        theirs="wing_loss(target, landmarks, N_LANDMARK=98)",
        ours="wing_loss(landmarks, target)",
        inputs=_flat_faces,
        wanted=("landmarks",),
        differs="Theirs takes the label first, and the number of points (106 by default). "
        "The reduction is the same: summed over a face, averaged over faces.",
    ),
    Entry(
        "pfld-pytorch smoothL1",
        "pfld-pytorch",
        "smoothL1",
        {_PFLD: ("smoothL1",)},
        theirs="smoothL1(target, landmarks, beta=1)",
        ours="smooth_l1_loss(landmarks, target, beta=1.0)",
        inputs=_flat_faces,
        wanted=("landmarks",),
        differs="The label comes first. It sums over the last dimension alone: of `(B, N, 2)` it "
        "is a mean over points too, ours over faces only.",
    ),
    Entry(
        "pfld-pytorch PFLDLoss",
        "pfld-pytorch",
        "PFLDLoss",
        {_PFLD: ("PFLDLoss",)},
        theirs="loss = PFLDLoss()\n"
        "loss(attributes, target, angles_target, angles, landmarks, len(landmarks))",
        ours="five = attributes[:, 1:6]\npfld_loss(landmarks, target, angles, angles_target, five)",
        inputs=_pfld,
        wanted=("landmarks", "angles"),
        stands_in={"device": torch.device("cpu")},
        differs="It reads columns 1 to 5 of WFLW's six attributes and drops the first, the pose; "
        "pass `attributes` whole to count all six. Its frequencies are float32 whatever "
        "the inputs. Both are 0 for a face without an attribute; ours has `attribute_bias=1` "
        "against that.",
        shows={
            "the loss of faces whose one attribute is the first": (
                "first = torch.eye(6)[:1].expand(len(landmarks), 6)\n"
                "PFLDLoss()(first, target, angles_target, angles, landmarks, len(landmarks))[0]",
                "first = torch.eye(6)[:1].expand(len(landmarks), 6)\n"
                "pfld_loss(landmarks, target, angles, angles_target, first).total",
            ),
        },
    ),
    Entry(
        "pfld-pytorch PFLDLoss, degrees",
        "pfld-pytorch",
        "PFLDLoss",
        {_PFLD: ("PFLDLoss",)},
        theirs="loss = PFLDLoss()\n"
        "loss(attributes, target, angles_target, angles, landmarks, len(landmarks))",
        ours="five = attributes[:, 1:6]\n"
        "pfld_loss(landmarks, target, angles, angles_target, five, degrees=True)",
        inputs=_turned,
        wanted=("landmarks", "angles"),
        stands_in={"device": torch.device("cpu")},
        agrees=False,
        differs="Its labels come from OpenCV's projection matrix, in degrees, and `torch.cos` "
        "takes them for radians: an error of 6.28 degrees costs nothing. `degrees=True` says what "
        "they are.",
        shows={
            "the loss where every angle is off by 2π degrees": (
                "off = torch.full_like(angles, 2 * torch.pi)\n"
                "PFLDLoss()(attributes, target, off, 0 * off, landmarks, len(landmarks))[0]",
                "off = torch.full_like(angles, 2 * torch.pi)\n"
                "pfld_loss(landmarks, target, 0 * off, off, attributes, degrees=True).total",
            ),
        },
    ),
    Entry(
        "pfld-note LandmarkLoss",
        "pfld-note",
        "LandmarkLoss",
        {"utils/loss.py": ("wing_loss", "LandmarkLoss")},
        theirs="LandmarkLoss(98)(target, landmarks)",
        ours="wing_loss(landmarks, target)",
        inputs=_flat_faces,
        wanted=("landmarks",),
        differs="The label comes first.",
    ),
    Entry(
        "mmpose WingLoss",
        "mmpose",
        "WingLoss",
        {_MMPOSE: ("WingLoss",)},
        theirs="WingLoss(omega=10.0, epsilon=2.0)(landmarks, target)",
        ours="wing_loss(landmarks, target, w=10.0, epsilon=2.0)",
        inputs=_faces,
        wanted=("landmarks",),
        differs="`omega` is `w`. The reduction is the same. mmpose also has Soft Wing, RLE and "
        "heat maps, which this package does not.",
    ),
    Entry(
        "mmpose WingLoss, mask",
        "mmpose",
        "WingLoss",
        {_MMPOSE: ("WingLoss",)},
        theirs="WingLoss(use_target_weight=True)(landmarks, target, weight)",
        ours="wing_loss(landmarks, target, weight=weight)",
        inputs=_masked,
        wanted=("landmarks",),
        differs="With weights of 0 and 1 both leave the same points out. A label of NaN makes "
        "theirs NaN even where its weight is 0.",
        also=_with_a_gap,
        shows={
            "the loss where the label of a hidden point is NaN": (
                "WingLoss(use_target_weight=True)(landmarks, gap, hidden)",
                "wing_loss(landmarks, gap, weight=hidden)",
            ),
        },
    ),
    Entry(
        "mmpose WingLoss, soft weights",
        "mmpose",
        "WingLoss",
        {_MMPOSE: ("WingLoss",)},
        theirs="WingLoss(use_target_weight=True)(landmarks, target, weight)",
        ours="wing_loss(landmarks, target, weight=weight)",
        inputs=_faces,
        wanted=("landmarks",),
        agrees=False,
        differs="Theirs multiplies the points by the weight, before the logarithm; ours the loss. "
        "A weight of 2 should be worth the same point twice.",
        shows={
            "how much more a weight of 2 costs than a weight of 1": (
                "loss = WingLoss(use_target_weight=True)\n"
                "one = torch.ones_like(weight)\n"
                "loss(landmarks, target, 2 * one) / loss(landmarks, target, one)",
                "one = torch.ones_like(weight)\n"
                "wing_loss(landmarks, target, weight=2 * one)"
                " / wing_loss(landmarks, target, weight=one)",
            ),
        },
    ),
    Entry(
        "mmpose SmoothL1Loss",
        "mmpose",
        "SmoothL1Loss",
        {_MMPOSE: ("SmoothL1Loss",)},
        theirs="SmoothL1Loss()(landmarks, target)",
        ours="smooth_l1_loss(landmarks, target, reduction='mean')",
        inputs=_faces,
        wanted=("landmarks",),
        differs="A mean over all coordinates, so 196 times smaller than our default for 98 points. "
        "Its weights go into the points, as in its `WingLoss`.",
    ),
    Entry(
        "mmpose SoftWeightSmoothL1Loss",
        "mmpose",
        "SoftWeightSmoothL1Loss",
        {_MMPOSE: ("SoftWeightSmoothL1Loss",)},
        theirs="SoftWeightSmoothL1Loss(use_target_weight=True, beta=2.0)"
        "(landmarks, target, weight)",
        ours="smooth_l1_loss(landmarks, target, beta=2.0, weight=weight, reduction='batchmean')"
        " / target[0].numel()",
        inputs=_faces,
        wanted=("landmarks",),
        differs="Here mmpose multiplies the loss, as we do, and divides by all coordinates. Our "
        "`reduction='mean'` divides by the sum of the weights.",
    ),
)
