"""The cards of the motion chapter."""

from typing import Any

import torch
from torch import Tensor

from lossbook.motion import normal
from lossbook.motion.losses import last_frame_loss, motion_l1, pva_loss
from lossbook.motion.modules import LastFrameLoss, MotionL1, MotionLoss, PVALoss
from lossbook.motion.parts import Part, Parts
from lossbook.registry import Card, Inputs
from lossbook.terms import LossTerms

_NOTE = "wangjia184/ditto-talkinghead (source note)"
_DITTO = ("Li et al. 2024, arXiv:2411.19509", _NOTE)
_FLOAT64 = torch.float64

# Four dimensions instead of 265, for tests.
_PARTS = Parts({"scale": Part(0, 1, 0.5), "pitch": Part(1, 3, 2.0), "exp": Part(3, 4)})
_OTHERS = Parts({"exp": Part(1, 4, 0.25), "scale": Part(0, 1)})
_OVERLAPPING = Parts({"all": Part(0, 4, 0.5), "exp": Part(2, 3)}, overlap=True)
_WEIGHTS = torch.tensor([0.5, 2.0, 0.0, 3.0], dtype=_FLOAT64)
_SMALL = {"parts": _PARTS}
_COEFFICIENTS = {"scale": 0.5, "exp": 0.25}


def _random(generator: torch.Generator, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=generator, dtype=_FLOAT64)


def _clips(batch: int, generator: torch.Generator) -> Inputs:
    target = _random(generator, batch, 3, 4).cumsum(1)
    return {"input": target + _random(generator, batch, 3, 4), "target": target}


def _start(batch: int, generator: torch.Generator) -> Inputs:
    return {
        "input": _random(generator, batch, 3, 4).cumsum(1),
        "cond_frame": _random(generator, batch, 4),
    }


def _prediction(batch: int, generator: torch.Generator) -> Inputs:
    return {"input": _random(generator, batch, 3, 4)}


def _clips_and_start(batch: int, generator: torch.Generator) -> Inputs:
    return _clips(batch, generator) | {"cond_frame": _random(generator, batch, 4)}


def _no_clip_counts(inputs: Inputs) -> Inputs:
    """Every clip of weight 0, its last input NaN."""
    name, values = list(inputs.items())[-1]
    weight = torch.zeros(values.shape[0], dtype=values.dtype)
    return inputs | {name: torch.full_like(values, torch.nan), "weight": weight}


def _right_clips(inputs: Inputs) -> Inputs:
    """A prediction without an error, which the condition begins."""
    target = inputs["target"]
    return inputs | {"input": target.clone(), "cond_frame": target[:, 0].clone()}


def _right_start(inputs: Inputs) -> Inputs:
    """A clip that begins as the condition says."""
    rest = inputs["input"][:, 1:]
    return inputs | {"input": torch.cat([inputs["cond_frame"][:, None], rest], 1)}


def _at_rest(inputs: Inputs) -> Inputs:
    return inputs | {"input": torch.zeros_like(inputs["input"])}


def _zeros(*shape: int) -> Tensor:
    return torch.zeros(shape, dtype=_FLOAT64)


def _motion_loss(**arguments: Any) -> LossTerms:
    """The total loss as a function of everything by name."""
    inputs = {
        name: arguments.pop(name)
        for name in ("input", "target", "cond_frame", "weight")
        if name in arguments
    }
    loss: LossTerms = MotionLoss(**arguments)(**inputs)
    return loss


_BAD_PARTS: tuple[tuple[dict[str, Any], type[Exception], str], ...] = (
    ({"parts": {"a": (0, 3, 1.0), "b": (2, 4, 1.0)}}, ValueError, "'a' and 'b' overlap"),
    ({"parts": {"a": (0, 2, 1.0), "b": (3, 4, 1.0)}}, ValueError, "dimension 2 belongs to no"),
    ({"parts": {"a": (0, 7, 1.0)}}, ValueError, r"\(B, T, 7\)"),
    ({"parts": {"a": (4, 0, 1.0)}}, ValueError, "'a' is reversed"),
    ({"parts": {"a": (0, 4, -1.0)}}, ValueError, "weight of the part 'a'"),
    ({"parts": {"a": (0, 4)}}, TypeError, r"'a' must be \[start, stop, weight\]"),
    ({"parts": [(0, 4, 1.0)]}, TypeError, "parts must be a mapping"),
)
_BAD_WEIGHTS: tuple[tuple[dict[str, Any], type[Exception], str], ...] = (
    ({"weight": _zeros(6)}, ValueError, "weight must have the shape of input"),
    ({"weight": _zeros(5, 2)}, ValueError, r"got \(5, 2\)"),
    ({"weight": _zeros(5, 3).long()}, TypeError, "weight must be a floating-point or boolean"),
)
_BAD_DIM_WEIGHTS: tuple[tuple[dict[str, Any], type[Exception], str], ...] = (
    ({"dim_weights": _zeros(5)}, ValueError, r"dim_weights must have shape \(4,\), got \(5,\)"),
    ({"dim_weights": _zeros(1, 1, 4)}, ValueError, r"dim_weights.flatten\(\)"),
    ({"dim_weights": _zeros(4).long()}, TypeError, "dim_weights must be a floating-point"),
)
_BAD_CLIPS: tuple[tuple[dict[str, Any], type[Exception], str], ...] = (
    ({"input": _zeros(5, 3, 5)}, ValueError, r"pass others as parts="),
    ({"input": _zeros(3, 4)}, ValueError, r"input\[None\]|batch"),
    ({"input": _zeros(5, 4, 3)}, ValueError, r"transpose it with input.mT"),
    ({"input": _zeros(5, 0, 4)}, ValueError, r"\(5, 0, 4\)"),
)
_SHORT: tuple[dict[str, Any], type[Exception], str] = (
    {"input": _zeros(5, 2, 4), "target": _zeros(5, 2, 4)},
    ValueError,
    "at least 3 frames.*short_clips='zero'",
)
_NO_PART: tuple[tuple[dict[str, Any], type[Exception], str], ...] = (
    ({"only": "expp"}, ValueError, "'expp', which is no part; did you mean 'exp'"),
    ({"only": ()}, ValueError, "only names no part"),
    ({"only": 1}, TypeError, "only must be the name of a part"),
)

CARDS = (
    Card(
        name="pva_loss",
        chapter="motion",
        summary="Squared error of position, velocity and acceleration, part by part.",
        function=pva_loss,
        formula="lossbook.motion.symbolic:PVA",
        twin="lossbook.motion.symbolic:pva",
        plain="lossbook.motion.plain:pva",
        module=PVALoss,
        kind="terms",
        inputs=_clips,
        small=_SMALL,
        differentiable=("input", "target"),
        hyperparameters=(
            {},
            {"dim_weights": _WEIGHTS},
            {"parts": _OTHERS, "dim_weights": _WEIGHTS},
            {"parts": _OVERLAPPING},
        ),
        masked=_no_clip_counts,
        degree=2,
        bad=(
            *_BAD_CLIPS,
            *_BAD_PARTS,
            *_BAD_WEIGHTS,
            *_BAD_DIM_WEIGHTS,
            ({"target": _zeros(5, 6, 4)}, ValueError, "same shape"),
            ({"target": None}, TypeError, "target is missing"),
            _SHORT,
            ({"short_clips": "skip"}, ValueError, "error, zero; got 'skip'"),
        ),
        units="motion in any unit; result in its square, a frame and a frame squared",
        defaults="Ditto's six parts of 265 dimensions, all weights 1: the source note",
        references=_DITTO,
        normal=normal.PVA,
    ),
    Card(
        name="last_frame_loss",
        chapter="motion",
        summary="Squared error of the first predicted frame against the condition.",
        function=last_frame_loss,
        formula="lossbook.motion.symbolic:LAST_FRAME",
        twin="lossbook.motion.symbolic:last_frame",
        plain="lossbook.motion.plain:last_frame",
        module=LastFrameLoss,
        kind="terms",
        inputs=_start,
        small=_SMALL,
        differentiable=("input", "cond_frame"),
        hyperparameters=(
            {},
            {"dim_weights": _WEIGHTS, "only": ("exp", "pitch")},
            {"only": ("exp",)},
            {"parts": _OTHERS},
        ),
        masked=_no_clip_counts,
        perfect=_right_start,
        degree=2,
        bad=(
            *_BAD_CLIPS,
            *_BAD_PARTS,
            *_BAD_WEIGHTS,
            *_BAD_DIM_WEIGHTS,
            *_NO_PART,
            ({"cond_frame": _zeros(5, 5)}, ValueError, r"cond_frame must have shape \(B, 4\)"),
            ({"cond_frame": _zeros(5, 1, 4)}, ValueError, r"pass cond_frame\[:, 0\]"),
            ({"cond_frame": _zeros(4, 4)}, ValueError, "batch size: .* cond_frame has 4"),
            ({"cond_frame": None}, TypeError, "cond_frame is missing"),
        ),
        units="motion in any unit; result in its square",
        defaults="all parts, all weights 1: the code of the source; its note's table has exp only",
        references=_DITTO,
        normal=normal.LAST_FRAME,
    ),
    Card(
        name="motion_l1",
        chapter="motion",
        summary="Mean absolute value of a motion, part by part.",
        function=motion_l1,
        formula="lossbook.motion.symbolic:REGULARIZATION",
        twin="lossbook.motion.symbolic:motion_l1",
        plain="lossbook.motion.plain:motion_l1",
        module=MotionL1,
        kind="terms",
        inputs=_prediction,
        small=_SMALL,
        differentiable=("input",),
        hyperparameters=(
            {},
            {"coefficients": _COEFFICIENTS},
            {"only": ("exp",)},
            {"parts": _OTHERS},
        ),
        masked=_no_clip_counts,
        perfect=_at_rest,
        bad=(
            *_BAD_CLIPS,
            *_BAD_PARTS,
            *_BAD_WEIGHTS,
            *_NO_PART,
            ({"coefficients": -1.0}, ValueError, "coefficients must be"),
            ({"coefficients": 0}, ValueError, "above 0 for a part at least"),
            ({"coefficients": {"exp": "1"}}, TypeError, "the coefficient of 'exp'"),
            ({"coefficients": {"expp": 1.0}}, ValueError, "'expp', which is no part"),
        ),
        units="motion in any unit, so is the result",
        defaults="λ = 0 for scale, 1e-4 for the others: the source note",
        references=_DITTO,
        normal=normal.L1,
    ),
    Card(
        name="MotionLoss",
        chapter="motion",
        summary="The plain sum of the terms of a motion.",
        function=_motion_loss,
        public=MotionLoss,
        formula="lossbook.motion.symbolic:TOTAL",
        twin="lossbook.motion.symbolic:total",
        plain="lossbook.motion.plain:motion",
        module=MotionLoss,
        kind="terms",
        inputs=_clips_and_start,
        small=_SMALL,
        differentiable=("input", "target", "cond_frame"),
        hyperparameters=(
            {},
            {"use_last_frame_loss": False, "parts": _OTHERS},
            {"use_reg_loss": True, "coefficients": _COEFFICIENTS, "dim_weights": _WEIGHTS},
            {"only": ("exp",)},
            {"use_reg_loss": True, "weights": {"P": 0.0, "V": 0.5, "R": 100.0}},
        ),
        masked=_no_clip_counts,
        perfect=_right_clips,
        degree=2,
        bad=(
            *_BAD_CLIPS,
            *_BAD_PARTS,
            *_BAD_WEIGHTS,
            *_BAD_DIM_WEIGHTS,
            *_NO_PART,
            _SHORT,
            ({"cond_frame": None}, ValueError, "cond_frame is missing.*use_last_frame_loss=False"),
            ({"use_reg_loss": 1}, TypeError, "use_reg_loss must be True or False"),
            ({"use_reg_loss": True, "coefficients": 0.0}, ValueError, "above 0 for a part"),
            ({"weights": {"X": 1.0}}, ValueError, "'X', which is no letter; there are P, V, A, L"),
            ({"weights": {"P": -1.0}}, ValueError, r"weights\['P'\] must be finite and at least 0"),
            ({"weights": 2.0}, TypeError, "weights must be a mapping from letters"),
        ),
        units="those of the terms",
        defaults="P, V, A and L, without R: the source's train.sh",
        references=_DITTO,
        normal=normal.MOTION,
    ),
)
