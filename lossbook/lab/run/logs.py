"""What chapters do with the log of a training before they show it, and what checks say of it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

from lossbook import check_values

__all__ = ["smooth", "what_checks_say"]


def smooth(values: Sequence[float], width: int = 10) -> list[float]:
    """The mean of each step and those before it.

    Args:
        values: one a step.
        width: steps that a mean is taken over; the first have fewer.
    """
    parts = [values[max(0, at - width + 1) : at + 1] for at in range(len(values))]
    return [sum(part) / len(part) for part in parts]


def what_checks_say(loss: Callable[[], Any]) -> str:
    """Compute a loss under ``check_values()``.

    Args:
        loss: computes it.

    Returns:
        The warnings, or the error that ended it; empty if there is none.
    """
    with warnings.catch_warnings(record=True) as caught, check_values():
        warnings.simplefilter("always")
        try:
            loss()
        except ValueError as error:
            return str(error)
    return " ".join(str(warning.message) for warning in caught)
