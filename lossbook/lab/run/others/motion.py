"""Other people's losses of motions."""

from types import SimpleNamespace

import torch
import torch.nn.functional as F
from torch import Tensor

from lossbook.lab.run.others.entry import Entry, Names, Source, Tensors, normal, shares
from lossbook.motion import DITTO_PARTS

SOURCES = {
    "ditto": Source("Ditto", "wangjia184/ditto-talkinghead", branch="train"),
    "edge": Source("EDGE", "Stanford-TML/EDGE"),
    "mdm": Source("MDM", "GuyTevet/motion-diffusion-model"),
}

_DITTO = "MotionDiT/src/models/modules/diffusion.py"
_MASKED = {"diffusion/nn.py": ("sum_flat",), "utils/loss_util.py": ("diff_l2", "masked_l2")}


def _head(batch: int, generator: torch.Generator) -> Tensors:
    return {
        "motion": normal(batch, 80, 265, generator=generator),
        "target": normal(batch, 80, 265, generator=generator),
        "cond_frame": normal(batch, 265, generator=generator),
        "dim_weights": shares(265, generator=generator),
    }


def _diffusion(motion: Tensor, **options: object) -> SimpleNamespace:
    """What their method asks of itself: a network that answers with a given motion."""
    return SimpleNamespace(
        model=lambda *given, **more: motion,
        q_sample=lambda x_start, t, noise: x_start,
        cond_drop_prob=0.0,
        predict_epsilon=False,
        loss_fn=F.mse_loss,
        **options,
    )


def _ditto(given: Tensors) -> Names:
    diffusion = _diffusion(
        given["motion"],
        part_w_dict={name: list(part) for name, part in DITTO_PARTS.items()},
        dim_ws=given["dim_weights"],
        use_last_frame_loss=True,
        use_reg_loss=True,
    )
    return {"self": diffusion, "cond": None, "t": None}


def _dance(batch: int, generator: torch.Generator) -> Tensors:
    return {name: normal(batch, 150, 151, generator=generator) for name in ("motion", "target")}


def _edge(given: Tensors) -> Names:
    motion = given["motion"]
    body = SimpleNamespace(forward=lambda angles, root: motion.new_zeros(*motion.shape[:2], 24, 3))
    diffusion = _diffusion(motion, smpl=body, p2_loss_weight=motion.new_ones(1000))
    return {"self": diffusion, "cond": None, "t": torch.zeros(len(motion), dtype=torch.int64)}


def _text(batch: int, generator: torch.Generator) -> Tensors:
    lengths = torch.randint(20, 61, (batch,), generator=generator)
    lengths[0] = 60
    mask = (torch.arange(60) < lengths[:, None]).double()
    return {
        "motion": normal(batch, 263, 1, 60, generator=generator),
        "target": normal(batch, 263, 1, 60, generator=generator),
        "mask": mask[:, None, None],
        "lengths": lengths,
    }


ENTRIES = (
    Entry(
        "ditto p_losses",
        "ditto",
        "MotionDiffusion.p_losses",
        {_DITTO: ("MotionDiffusion.p_losses",)},
        theirs="p_losses(self, target, cond_frame, cond, t)[0]",
        ours="loss = MotionLoss(dim_weights=dim_weights, use_reg_loss=True)\n"
        "loss(motion, target, cond_frame)",
        inputs=_head,
        also=_ditto,
        wanted=("motion",),
        differs="Theirs makes the noise and calls the network inside of the loss; ours takes what "
        "the network answered. `use_last_frame_loss` is on in ours, as in their `train.sh`, and "
        "off in their class. Theirs has no mask for padded clips.",
    ),
    Entry(
        "edge p_losses",
        "edge",
        "GaussianDiffusion.p_losses",
        {"model/utils.py": ("extract",), "model/diffusion.py": ("GaussianDiffusion.p_losses",)},
        theirs="sum(p_losses(self, target, cond, t)[1][:2])",
        ours="everything = {'all': (0, 151, 1)}\nbody = {'body': (0, 147, 1)}\n"
        "p = pva_loss(motion, target, parts=everything)['all_P']\n"
        "v = pva_loss(motion[..., 4:], target[..., 4:], parts=body)['body_V']\n"
        "0.636 * p + 2.964 * v",
        inputs=_dance,
        also=_edge,
        wanted=("motion",),
        stands_in={
            # In "b ... -> b (...)" einops has nothing to reduce: each axis stays.
            "reduce": lambda values, pattern, how: values.flatten(1),
            "ax_from_6v": lambda values: values,
        },
        differs="The first two of its four terms. V leaves out the four contact labels, and there "
        "is no A. Its joints by forward kinematics and its sliding feet have no counterpart here.",
    ),
    Entry(
        "mdm masked_l2",
        "mdm",
        "masked_l2",
        _MASKED,
        theirs="masked_l2(target, motion, mask).mean()",
        ours="a, b = motion[:, :, 0].mT, target[:, :, 0].mT\n"
        "weight = mask[:, 0, 0] * 60 / lengths[:, None]\n"
        "parts = {'all': (0, 263, 1)}\n"
        "pva_loss(a, b, parts=parts, weight=weight, reduction='batchmean')['all_P']",
        inputs=_text,
        wanted=("motion",),
        differs="Frames are its last axis. It averages within each clip and then over clips, so "
        "a frame of a short clip counts more; the weight does that in ours.",
    ),
    Entry(
        "mdm masked_l2, velocities",
        "mdm",
        "masked_l2",
        _MASKED,
        theirs="masked_l2(target.diff(), motion.diff(), mask[..., 1:]).mean()",
        ours="a, b = motion[:, :, 0].mT, target[:, :, 0].mT\n"
        "weight = mask[:, 0, 0] * 59 / (lengths[:, None] - 1)\n"
        "parts = {'all': (0, 263, 1)}\n"
        "pva_loss(a, b, parts=parts, weight=weight, reduction='batchmean')['all_V']",
        inputs=_text,
        wanted=("motion",),
        differs="As `lambda_vel` has it, which is 0 for text to motion. Its `training_losses` "
        "leaves out the last feature there. There is no A.",
    ),
    Entry(
        "mdm masked_l2, lengths",
        "mdm",
        "masked_l2",
        _MASKED,
        theirs="masked_l2(target, motion, mask).mean()",
        ours="a, b = motion[:, :, 0].mT, target[:, :, 0].mT\n"
        "pva_loss(a, b, parts={'all': (0, 263, 1)}, lengths=lengths)['all_P']",
        inputs=_text,
        wanted=("motion",),
        agrees=False,
        differs="With `lengths=` alone ours weighs frames alike, theirs clips. Neither is wrong: "
        "they estimate different means.",
    ),
)
