"""What chapters do with the log of a training before they show it."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["smooth"]


def smooth(values: Sequence[float], width: int = 10) -> list[float]:
    """The mean of each step and those before it.

    Args:
        values: one a step.
        width: steps that a mean is taken over; the first have fewer.
    """
    parts = [values[max(0, at - width + 1) : at + 1] for at in range(len(values))]
    return [sum(part) / len(part) for part in parts]
