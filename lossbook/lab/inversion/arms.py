"""What is compared: the note's baseline, its schemes, its recipes, and controls of them.

All that has a λ(t) has it at the same largest value, `LARGEST`; features are compared at length 1
but for ``"baseline, raw"``.
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

__all__ = ["ARMS", "GUIDED", "LARGEST", "Arm"]

LARGEST = 0.1
"""λ at the end, in units of a pixel's squared error from -1 to 1."""


class Arm(NamedTuple):
    """One thing that is compared.

    Attributes:
        loss: makes the loss for a training of so many steps; None for pixels alone.
        plain: whether the network does not look at the noisy picture.
        raw: whether features are compared with templates that are as long as SFace makes them.
    """

    loss: Callable[[int], InversionLoss] | None
    plain: bool = False
    raw: bool = False


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


ARMS: Mapping[str, Arm] = {
    "pixel": Arm(None),
    "constant 0.01": Arm(partial(_constant, 0.01)),
    "constant 0.1": Arm(partial(_constant, 0.1)),
    "constant 1": Arm(partial(_constant, 1.0)),
    "baseline": Arm(partial(_recipe, "baseline")),
    "baseline, raw": Arm(partial(_recipe, "baseline", normalized=False), raw=True),
    "A": Arm(partial(_recipe, "A")),
    "A, unclamped": Arm(partial(_recipe, "A", clamp=False)),
    "B": Arm(partial(_recipe, "B")),
    "B, uncertainty": Arm(_uncertainty),
    "C": Arm(partial(_recipe, "C")),
    "C, centre": Arm(partial(_recipe, "C", center_weight=LARGEST)),
    "D": Arm(partial(_recipe, "D")),
    "D, residual": Arm(partial(_recipe, "D", guidance_form="residual")),
    "D, cosine": Arm(partial(_recipe, "D", guidance_form="cosine", guidance_weight=LARGEST)),
    "E": Arm(_staged),
    "compromise": Arm(partial(_scheduled, "compromise", combined_schedule)),
    "light": Arm(partial(_scheduled, "light", sigmoid_schedule)),
    "high precision": Arm(partial(_recipe, "high_precision")),
    "decoder, pixel": Arm(None, plain=True),
    "decoder, constant 0.1": Arm(partial(_constant, 0.1), plain=True),
}
"""Twenty-one arms."""

GUIDED = ("pixel", "baseline", "D", "D, residual")
"""Arms whose faces are made once more, guided by SFace while they are made."""
