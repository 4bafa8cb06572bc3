"""A reader of curves: a few rules that were made from some logs, and tried on others."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from lossbook.lab.translation.arms import KINDS
from lossbook.lab.translation.experiment import Result

__all__ = ["HEALTHY", "Finding", "confusion", "diagnose"]

HEALTHY = "healthy"

_LAST = 5
"""Epochs that a rule takes the mean of."""

_READ = ("d_loss", "logit_gap", "cyc", "ds", "r1 when computed")
"""The curves that the rules look at."""


@dataclass(frozen=True)
class Finding:
    """What a log shows.

    Attributes:
        kind: of the fault.
        because: the number that gave it away.
    """

    kind: str
    because: str


def diagnose(log: Mapping[str, Sequence[float]]) -> list[Finding]:
    """Read a log of latents of standard deviation 1; no finding is a healthy one.

    Args:
        log: a number an epoch of each of the note's curves and of those that it lacks.

    Raises:
        ValueError: for a log that lacks a curve, or a curve that is empty.
    """
    missing = [name for name in _READ if not log.get(name)]
    if missing:
        raise ValueError(f"log must hold a number an epoch of {', '.join(missing)}")
    for name in _READ:
        if not all(map(math.isfinite, log[name])):
            return [Finding("diverged", f"{name} is not finite")]
    end = {name: statistics.fmean(log[name][-_LAST:]) for name in _READ}
    lowest = min(log["d_loss"])
    found = []
    if lowest < 0:
        found.append(Finding("no relu", f"d_loss falls to {lowest:.1f}: a hinge never does"))
    elif end["logit_gap"] < -0.5:
        found.append(Finding("dead discriminator", f"the logit gap ends at {end['logit_gap']:.1f}"))
    elif end["cyc"] > 1.13:
        found.append(
            Finding("content lost", f"cyc ends at {end['cyc']:.2f}; unrelated letters have 1.7")
        )
    elif end["ds"] < 0.1:
        found.append(Finding("collapsed", f"ds ends at {end['ds']:.3f}"))
    elif end["r1 when computed"] < 0.05:
        found.append(
            Finding("smothered discriminator", f"r1 ends at {end['r1 when computed']:.3f}")
        )
    return found


def confusion(results: Iterable[Result]) -> dict[tuple[str, str], int]:
    """Count what is said of logs whose fault is known.

    Args:
        results: of arms in `KINDS`.

    Returns:
        Numbers of logs by what they are and what is said of them.
    """
    counts: dict[tuple[str, str], int] = {}
    for result in results:
        found = diagnose(result.log)
        said = found[0].kind if found else HEALTHY
        key = KINDS[result.arm], said
        counts[key] = counts.get(key, 0) + 1
    return counts
