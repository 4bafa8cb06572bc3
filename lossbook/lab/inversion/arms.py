"""What is compared: the note's baseline, its schemes, its recipes, and controls of them.

All that has a λ(t) has it at the same largest value, `LARGEST`, but for the arms that end in
another; features are compared at length 1 but for ``"baseline, raw"``.

The guidance term has the weight 1, of which the note gives no number. With features at length 1 the
loss is L = 2 - 2 sim, so the documented form ‖∇L - ∇sim‖ is 3‖∇sim‖ and the residual one, ‖∇L +
∇sim‖, is ‖∇sim‖: the same term at a third of its weight. The cosine form is 0 there, whatever the
picture, so it has an arm with scheme A only, where it is not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

from lossbook.inversion import (
    InversionLoss,
    LambdaSchedule,
    UncertaintyWeights,
    combined_schedule,
    sigmoid_schedule,
)

__all__ = ["ARMS", "GUIDED", "LARGEST", "MATCHED", "RAW_LENGTH", "Arm"]

LARGEST = 0.1
"""λ at the end, in units of a pixel's squared error from -1 to 1."""


class Arm(NamedTuple):
    """One thing that is compared.

    Attributes:
        loss: makes the loss for a training of so many steps; None for pixels alone.
        plain: whether the network does not look at the noisy picture.
        raw: whether features are compared with templates that are as long as SFace makes them.
        scratch: whether the training starts from the mean face and random weights, with the loss
            that is compared from its first step.
        weight_rate: Adam's, of the weights that the loss itself learns.
    """

    loss: Callable[[int], InversionLoss] | None
    plain: bool = False
    raw: bool = False
    scratch: bool = False
    weight_rate: float = 1e-3


def _constant(weight: float, steps: int) -> InversionLoss:
    return InversionLoss(lambda_schedule=weight, normalized=True)


def _recipe(name: str, steps: int, **options: Any) -> InversionLoss:
    """A preset with the common largest λ."""
    if name != "B":
        options.setdefault("lambda_schedule", LambdaSchedule("linear", steps, maximum=LARGEST))
    return InversionLoss.preset(name, total=steps, **{"normalized": True} | options)


def _staged(steps: int) -> InversionLoss:
    levels = tuple(LARGEST * level for level in (0.1, 0.5, 1.0))
    return _recipe("E", steps, lambda_schedule=LambdaSchedule("staged", steps, levels=levels))


def _scaled(schedule: Callable[[Any, Any], Any], t: int | float, total: int | float) -> float:
    return LARGEST * float(schedule(t, total))


def _scheduled(name: str, schedule: Callable[[Any, Any], Any], steps: int) -> InversionLoss:
    """A preset whose λ(t) has no largest value of its own."""
    return _recipe(name, steps, lambda_schedule=LambdaSchedule(partial(_scaled, schedule), steps))


def _uncertainty(steps: int) -> InversionLoss:
    return _recipe("B", steps, task_weights=UncertaintyWeights(("pixel", "feat")))


def _linear(maximum: float, name: str, steps: int) -> InversionLoss:
    """A preset with another largest λ."""
    return _recipe(name, steps, lambda_schedule=LambdaSchedule("linear", steps, maximum=maximum))


def _raw(maximum: float, steps: int) -> InversionLoss:
    schedule = LambdaSchedule("linear", steps, maximum=maximum)
    return _recipe("baseline", steps, lambda_schedule=schedule, normalized=False)


ARMS: Mapping[str, Arm] = {
    "pixel": Arm(None),
    "constant 0.01": Arm(partial(_constant, 0.01)),
    "constant 0.1": Arm(partial(_constant, 0.1)),
    "constant 1": Arm(partial(_constant, 1.0)),
    "baseline": Arm(partial(_recipe, "baseline")),
    "baseline, raw": Arm(partial(_recipe, "baseline", normalized=False), raw=True),
    "A": Arm(partial(_recipe, "A")),
    "A, λ 1": Arm(partial(_linear, 1.0, "A")),
    "A, unclamped": Arm(partial(_recipe, "A", clamp=False)),
    "B": Arm(partial(_recipe, "B")),
    "B, fast": Arm(partial(_recipe, "B"), weight_rate=0.1),
    "B, uncertainty": Arm(_uncertainty),
    "B, uncertainty, fast": Arm(_uncertainty, weight_rate=0.1),
    "A and B": Arm(partial(_recipe, "B", feature="cosine_margin")),
    "C": Arm(partial(_recipe, "C")),
    "C, λ 0.01": Arm(partial(_linear, 0.01, "C")),
    "C, centre": Arm(partial(_recipe, "C", center_weight=LARGEST)),
    "D": Arm(partial(_recipe, "D")),
    "D, residual": Arm(partial(_recipe, "D", guidance_form="residual")),
    "E": Arm(_staged),
    "compromise": Arm(partial(_scheduled, "compromise", combined_schedule)),
    "light": Arm(partial(_scheduled, "light", sigmoid_schedule)),
    "high precision": Arm(partial(_recipe, "high_precision")),
    "high precision, cosine": Arm(partial(_recipe, "high_precision", guidance_form="cosine")),
    "decoder, pixel": Arm(None, plain=True),
    "decoder, constant 0.1": Arm(partial(_constant, 0.1), plain=True),
    "scratch, pixel": Arm(None, scratch=True),
    "scratch, constant 1": Arm(partial(_constant, 1.0), scratch=True),
}
"""Twenty-eight arms."""

RAW_LENGTH = 12.47
"""Mean length of SFace's templates before they are brought to length 1."""

MATCHED: Mapping[str, Arm] = {
    "raw, matched": Arm(
        partial(_raw, LARGEST / RAW_LENGTH**2),
        raw=True,
    ),
}
"""Raw L2 falls by 2·‖f‖·‖t‖ where the cosine rises by 1, normalised L2 by 2. With a λ so much
smaller both pull alike along the cosine."""

GUIDED: Mapping[str, tuple[float, ...]] = {
    "pixel": (0.25, 0.5, 1.0),
    "baseline": (0.5,),
    "A": (0.5,),
    "D": (0.5,),
    "D, residual": (0.5,),
}
"""Arms whose faces are made once more, guided by SFace while they are made, and how strongly; see
`lossbook.lab.inversion.model.rebuild`."""
