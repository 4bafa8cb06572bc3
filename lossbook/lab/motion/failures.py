"""Six short trainings with Ditto's total: one healthy, five that go wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from lossbook.lab.motion.model import SETTINGS, Batch, batches, train
from lossbook.lab.motion.windows import Windows
from lossbook.lab.run.logs import smooth, what_checks_say
from lossbook.motion import DITTO_PARTS, MotionLoss, Parts, plain
from lossbook.terms import LossTerms

__all__ = ["CASES", "HEALTHY", "SHIFTED", "Case", "bits", "failure_logs", "spoken"]

HEALTHY = "healthy"
SHIFTED = Parts(
    {
        name: part._replace(start=part.start + (part.start > 0), stop=min(part.stop + 1, 265))
        for name, part in DITTO_PARTS.items()
    }
)
"""Each part begins one dimension late: scale has a logit of the pitch, and so on."""


class Case(NamedTuple):
    """What is done to a batch, and the loss that sees it."""

    spoil: Callable[[Batch], Batch]
    loss: MotionLoss
    weights: torch.dtype = torch.float32


def _as_it_is(batch: Batch) -> Batch:
    return batch


def _other_condition(batch: Batch) -> Batch:
    """The frame before another window, for the loss only."""
    return batch._replace(cond=batch.cond.roll(1, 0))


def _shuffled(batch: Batch) -> Batch:
    """The frames of all windows in one order that is not theirs."""
    frames = batch.motion.shape[1]
    order = torch.randperm(frames, generator=torch.Generator().manual_seed(1))
    return batch._replace(motion=batch.motion[:, order])


_AS_MEANT = Case(_as_it_is, MotionLoss())
CASES: Mapping[str, Case] = {
    HEALTHY: _AS_MEANT,
    "R dominates": Case(_as_it_is, MotionLoss(use_reg_loss=True, coefficients=10.0)),
    "L against P": Case(_other_condition, MotionLoss()),
    "ranges off by one": Case(_as_it_is, MotionLoss(parts=SHIFTED)),
    "shuffled time": Case(_shuffled, MotionLoss()),
    "float64 weights": _AS_MEANT._replace(weights=torch.float64),
}


def failure_logs(
    windows: Windows, *, steps: int = 150, seed: int = 0, device: torch.device | str = "cpu"
) -> dict[str, dict[str, list[float]]]:
    """Train a little with the documented total, as it is meant and in five ways that go wrong.

    Args:
        windows: to train on.
        steps: optimiser steps of each run.
        seed: of all six runs.
        device: where to train.

    Returns:
        For each case, smoothed over ten steps: ``exp_P``, ``exp_V / exp_P``, ``exp_L``, ``exp_R``,
        ``scale_P`` and ``bits of the total``, see `bits`.
    """
    settings = SETTINGS.replace(steps=steps)
    found: dict[str, dict[str, list[float]]] = {}
    for name, case in CASES.items():
        width = {"bits of the total": [float(bits(case.weights))] * steps}
        if found and case[:2] == _AS_MEANT[:2]:  # ours trains the same, whatever the width
            found[name] = found[HEALTHY] | width
            continue

        def loss(prediction: Tensor, batch: Batch, case: Case = case) -> LossTerms:
            spoiled = case.spoil(batch)
            terms: LossTerms = case.loss(prediction, spoiled.motion, spoiled.cond)
            return terms

        _, history = train(
            loss, windows, seed=seed, settings=settings, device=device, progress=False
        )
        log = {term: smooth(values) for term, values in history.log.items()}
        ratio = [v / p for v, p in zip(log["exp_V"], log["exp_P"], strict=True)]
        found[name] = {
            "exp_P": log["exp_P"],
            "exp_V / exp_P": ratio,
            "exp_L": log["exp_L"],
            "exp_R": log.get("exp_R", [0.0] * steps),
            "scale_P": log["scale_P"],
        } | width
    return found


def spoken(windows: Windows, case: str) -> str:
    """What ``check_values()`` says of one batch of a case; empty if it says nothing.

    Args:
        windows: to draw from.
        case: a name in `CASES`.
    """
    spoil, loss, _ = CASES[case]
    batch = spoil(next(batches(windows, 0)))
    return what_checks_say(lambda: loss(torch.zeros_like(batch.motion), batch.motion, batch.cond))


def bits(dtype: torch.dtype) -> int:
    """Bits of each number of the total of plain code, whose weights have a dtype.

    Args:
        dtype: of the weights of the dimensions; the motion is float32.
    """
    motion = torch.zeros(2, 1, 3, DITTO_PARTS.dimensions)
    weights = torch.ones(DITTO_PARTS.dimensions, dtype=dtype)
    total = plain.motion(motion[0], motion[1], motion[1, :, 0], dim_weights=weights)
    return 8 * total.dtype.itemsize
