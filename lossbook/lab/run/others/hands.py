"""Other people's losses of hands."""

import torch
from torch import Tensor

from lossbook.lab.run.others.entry import Entry, Names, Source, Tensors, normal, shares

SOURCES = {
    "hamer": Source("HaMeR", "geopavlakos/hamer"),
    "wilor": Source("WiLoR", "rolpotamias/WiLoR"),
    "utnet": Source("UTNet", "Eric-Lin-HKUSTGZ/UTNet"),
}

_HAMER, _WILOR, _UTNET = "hamer/models/losses.py", "wilor/models/losses.py", "src/losses/loss.py"


def _flat(batch: int, generator: torch.Generator) -> Tensors:
    target = shares(batch, 21, 3, generator=generator)  # x, y, confidence
    error = normal(batch, 21, 2, generator=generator) / 20
    return {"keypoints": target[..., :2] - 0.5 + error, "target": target}


def _deep(batch: int, generator: torch.Generator) -> Tensors:
    target = normal(batch, 21, 4, generator=generator) / 10  # metres
    target[..., 3] = shares(batch, 21, generator=generator)
    error = normal(batch, 21, 3, generator=generator) / 100
    return {"joints": target[..., :3] + error, "target": target}


def _rotations(vectors: Tensor) -> Tensor:
    found: Tensor = torch.linalg.qr(vectors.reshape(*vectors.shape[:-1], 3, 3))[0]
    turned: Tensor = found * torch.linalg.det(found)[..., None, None]
    return turned


def _pose(batch: int, generator: torch.Generator) -> Tensors:
    pose, target = (_rotations(normal(batch, 15, 9, generator=generator)) for _ in range(2))
    return {
        "pose": pose,
        "target": target,
        "has_pose": (shares(batch, generator=generator) < 0.7).double(),
    }


def _meshes(batch: int, generator: torch.Generator) -> Tensors:
    return {name: normal(batch, 778, 3, generator=generator) for name in ("vertices", "target")}


def _parameters(batch: int, generator: torch.Generator) -> Tensors:
    return {
        "betas": normal(batch, 10, generator=generator),
        "hand_pose": _rotations(normal(batch, 15, 9, generator=generator)),
    }


def _first_stage(batch: int, generator: torch.Generator) -> Tensors:
    return {
        name: normal(batch, size, generator=generator)
        for name, size in {"pose": 48, "shape": 10, "pose_target": 48, "shape_target": 10}.items()
    }


def _everything(batch: int, generator: torch.Generator) -> Tensors:
    flat, deep = _flat(batch, generator), _deep(batch, generator)
    stage = _first_stage(batch, generator)
    return {
        "keypoints_2d": flat["keypoints"],
        "target_2d": flat["target"],
        "keypoints_3d": deep["joints"],
        "target_3d": deep["target"],
        "betas": normal(batch, 10, generator=generator),
        **stage,
    }


def _by_name(given: Tensors) -> Names:
    return {
        "predictions": {
            "keypoints_2d": given["keypoints_2d"],
            "keypoints_3d": given["keypoints_3d"],
            "mano_params": {"betas": given["betas"]},
            "coarse_pose": given["pose"],
            "coarse_shape": given["shape"],
        },
        "targets": {
            "keypoints_2d": given["target_2d"],
            "keypoints_3d": given["target_3d"],
            "mano_pose": given["pose_target"],
            "mano_shape": given["shape_target"],
        },
        "prediction": {
            "keypoints_2d": given["keypoints_2d"],
            "keypoints_3d": given["keypoints_3d"],
            "betas": given["betas"],
            "coarse_pose": given["pose"],
            "coarse_shape": given["shape"],
        },
        "target": {
            "keypoints_2d": given["target_2d"][..., :2],
            "confidence_2d": given["target_2d"][..., 2],
            "keypoints_3d": given["target_3d"][..., :3],
            "confidence_3d": given["target_3d"][..., 3],
            "pose": given["pose_target"],
            "shape": given["shape_target"],
        },
    }


def _points(source: str, file: str, rest: str) -> tuple[Entry, Entry]:
    return (
        Entry(
            f"{source} Keypoint2DLoss",
            source,
            "Keypoint2DLoss",
            {file: ("Keypoint2DLoss",)},
            theirs="Keypoint2DLoss()(keypoints, target)",
            ours="keypoint_2d_loss(keypoints, target, confidence='last')",
            inputs=_flat,
            wanted=("keypoints",),
            differs="A sum over the batch in both: it grows with the batch, unless you pass "
            f"`reduction='batchmean'` to ours. {rest}",
        ),
        Entry(
            f"{source} Keypoint3DLoss",
            source,
            "Keypoint3DLoss",
            {file: ("Keypoint3DLoss",)},
            theirs="Keypoint3DLoss()(joints, target, pelvis_id=0)",
            ours="keypoint_3d_loss(joints, target, confidence='last', root=0)",
            inputs=_deep,
            wanted=("joints",),
            differs="`pelvis_id` is `root`; `root=None` leaves the hands where they are. A label "
            "of NaN makes theirs NaN, whatever its confidence.",
            shows={
                "the loss where a joint of confidence 0 is NaN": (
                    "Keypoint3DLoss()(joints, hidden)",
                    "keypoint_3d_loss(joints, hidden, confidence='last')",
                ),
            },
            also=_with_a_gap,
        ),
    )


def _with_a_gap(given: Tensors) -> Names:
    hidden = given["target"].detach().clone()
    hidden[:, 4] = torch.tensor([torch.nan, torch.nan, torch.nan, 0.0], dtype=hidden.dtype)
    return {"hidden": hidden}


ENTRIES = (
    *_points("hamer", _HAMER, "Theirs also has `loss_type='l2'`, ours L1 alone."),
    Entry(
        "hamer ParameterLoss",
        "hamer",
        "ParameterLoss",
        {_HAMER: ("ParameterLoss",)},
        theirs="ParameterLoss()(pose.flatten(1), target.flatten(1), has_pose)",
        ours="rotation_loss(pose, target, weight=has_pose, reduction='sum')",
        inputs=_pose,
        wanted=("pose",),
        differs="A sum of squares, over nine numbers a joint, which for rotations is our chordal "
        "form. It also takes the shape's ten numbers, for which ours is `auxiliary_loss`, a mean.",
    ),
    *_points("wilor", _WILOR, "The file is HaMeR's, character for character."),
    *_points("utnet", _UTNET, "The source of our chapter."),
    Entry(
        "utnet Vertex3DLoss",
        "utnet",
        "Vertex3DLoss",
        {_UTNET: ("Vertex3DLoss",)},
        theirs="Vertex3DLoss()(vertices, target)",
        ours="vertex_loss(vertices, target)",
        inputs=_meshes,
        wanted=("vertices",),
        agrees=False,
        differs="The mean of *squares*; ours is the sum of absolute errors, like the joints'. "
        "Theirs is torch's `mse_loss`.",
    ),
    Entry(
        "utnet MANOParameterPrior",
        "utnet",
        "MANOParameterPrior",
        {_UTNET: ("MANOParameterPrior",)},
        theirs="sum(MANOParameterPrior(pose_weight=0.5)(betas, hand_pose).values())",
        ours="mano_prior_loss(betas, hand_pose, pose_weight=0.5)",
        inputs=_parameters,
        wanted=("betas", "hand_pose"),
        differs="Theirs returns weighted terms in a dictionary; ours `LossTerms`: raw terms, their "
        "weights, the total. With float64 inputs theirs mixes in a float32 identity, without harm.",
    ),
    Entry(
        "utnet AuxiliaryLoss",
        "utnet",
        "AuxiliaryLoss",
        {_UTNET: ("AuxiliaryLoss",)},
        theirs="AuxiliaryLoss(weight=0.1)(pose, shape, pose_target, shape_target)",
        ours="0.1 * auxiliary_loss(pose, shape, pose_target, shape_target)",
        inputs=_first_stage,
        wanted=("pose", "shape"),
        differs="Theirs has the weight inside; in `HandLoss` it is `w_aux`.",
    ),
    Entry(
        "utnet UTNetLoss",
        "utnet",
        "UTNetLoss",
        {
            _UTNET: (
                "Keypoint2DLoss",
                "Keypoint3DLoss",
                "Vertex3DLoss",
                "MANOParameterPrior",
                "AuxiliaryLoss",
                "UTNetLoss",
            )
        },
        theirs="UTNetLoss(w_2d=0.01, w_3d_joint=0.05, w_prior=0.001, w_aux=0.001, "
        "use_vertex_loss=False)(predictions, targets)['total_loss']",
        ours="HandLoss(HandLossWeights.config())(prediction, target)",
        inputs=_everything,
        wanted=("keypoints_2d", "keypoints_3d", "betas", "pose", "shape"),
        also=_by_name,
        differs="The confidence has a field of its own. A term whose input is missing is left out "
        "by theirs without a word, and is an error in ours unless `optional` names it.",
    ),
)
