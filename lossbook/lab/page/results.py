"""Results of several seeds: means, confidence intervals and the table that compares arms."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import stats

from lossbook.lab.page.formulas import Array, Number
from lossbook.lab.page.tables import significant

Numbers: TypeAlias = Sequence[Number] | npt.NDArray[Any]


def mean_interval(values: Numbers, confidence: Number = 0.95) -> tuple[float, float]:
    """Mean and half-width of Student's confidence interval for it.

    Args:
        values: At least two independent results, one per seed.
        confidence: Probability in (0, 1).

    Returns:
        The mean and the half-width, in the unit of `values`.

    Raises:
        ValueError: If there are fewer than two values, one is not finite, or `confidence` is not
            in (0, 1).
    """
    numbers = finite(values)
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie in (0, 1), got {confidence:g}")
    if numbers.size < 2:
        raise ValueError(f"an interval needs at least 2 values, got {numbers.size}")
    error = float(numbers.std(ddof=1)) / math.sqrt(numbers.size)
    quantile = float(stats.t.ppf((1 + confidence) / 2, numbers.size - 1))
    return float(numbers.mean()), quantile * error


def paired_interval(a: Numbers, b: Numbers, confidence: Number = 0.95) -> tuple[float, float]:
    """Mean and half-width of the interval for the difference `a` - `b` of paired results.

    Args:
        a: Results, one per seed.
        b: Results of the same seeds in the same order.
        confidence: Probability in (0, 1).

    Returns:
        The mean difference and the half-width.

    Raises:
        ValueError: As for :func:`mean_interval`, or if the lengths differ.
    """
    first, second = finite(a), finite(b)
    if first.size != second.size:
        raise ValueError(f"paired results need equal lengths, got {first.size} and {second.size}")
    return mean_interval(first - second, confidence)


def shared_interval(
    gaps: Numbers, ratio: Number, confidence: Number = 0.95
) -> tuple[float, float, float]:
    """Mean, half-width and p-value of differences between trainings that share training data.

    The resampled t-test of Nadeau and Bengio, *Inference for the generalization error*, Machine
    Learning 52 (2003): the variance of the mean is that of independent values times
    ``1 + n ratio``. It was derived for random splits, and is approximate for the folds of one.

    Args:
        gaps: At least two differences, one per training.
        ratio: Test units over training units of each training; 0 for none that are shared.
        confidence: Probability in (0, 1).

    Returns:
        The mean, the half-width, and the p-value of no difference.

    Raises:
        ValueError: As for :func:`mean_interval`, or if `ratio` is negative.
    """
    if not ratio >= 0:
        raise ValueError(f"ratio must not be negative, got {ratio:g}")
    mean, plain = mean_interval(gaps, confidence)
    numbers = finite(gaps)
    widened = math.sqrt(1 + numbers.size * ratio)
    error = float(numbers.std(ddof=1)) / math.sqrt(numbers.size) * widened
    if not error:
        return mean, 0.0, float(not mean)
    chance = 2 * float(stats.t.sf(abs(mean) / error, numbers.size - 1))
    return mean, widened * plain, chance


def holm(chances: Sequence[float]) -> list[float]:
    """Holm's correction of p-values, for a family of comparisons.

    Args:
        chances: One p-value a comparison.

    Returns:
        Corrected p-values in the same order: below 0.05 in all that are held for real, the chance
        that one of them is not is at most 0.05.
    """
    corrected = [0.0] * len(chances)
    largest = 0.0
    for rank, index in enumerate(sorted(range(len(chances)), key=chances.__getitem__)):
        largest = max(largest, min(1.0, (len(chances) - rank) * chances[index]))
        corrected[index] = largest
    return corrected


@dataclass(frozen=True)
class Comparison:
    """Two arms on the same folds, as :func:`compare` gives it.

    Attributes:
        metric: Its name.
        arm: The first.
        other: The second.
        difference: Mean of the first minus the second.
        half: Half-width of Student's 95 % interval for it.
        chance: Its p-value, corrected by Holm's rule over all comparisons made together.
    """

    metric: str
    arm: str
    other: str
    difference: float
    half: float
    chance: float

    def within(self, margin: Number) -> bool:
        """Whether the whole interval lies within a margin on either side of 0."""
        return abs(self.difference) + self.half < margin


def compare(
    results: Mapping[str, Mapping[str, Numbers]], pairs: Sequence[tuple[str, str, str]]
) -> list[Comparison]:
    """Compare arms in pairs, fold by fold, as one family.

    Args:
        results: By metric and arm, one number a fold, in the same order.
        pairs: Metric, arm and other arm.

    Raises:
        ValueError: As for :func:`paired_interval`.
    """
    found, chances = [], []
    for metric, arm, other in pairs:
        first, second = (finite(results[metric][name]) for name in (arm, other))
        found.append((metric, arm, other, *paired_interval(first, second)))
        chances.append(float(stats.ttest_rel(first, second).pvalue))
    return [Comparison(*row, p) for row, p in zip(found, holm(chances), strict=True)]


def finite(values: Numbers) -> Array:
    """A flat float64 array of finite numbers; anything else is a ``ValueError``."""
    numbers = np.asarray(values, dtype=np.float64)
    if numbers.ndim != 1:
        raise ValueError(f"expected a flat list of numbers, got shape {numbers.shape}")
    if not np.isfinite(numbers).all():
        raise ValueError(f"every result must be finite, got {numbers.tolist()}")
    return numbers


def written(mean: float, half: float, sign: str = "") -> str:
    """A mean and its half-width with the digits that mean anything; `sign` may be ``"+"``."""
    if half == 0:
        return f"{_signed(significant(mean, 3), sign)} ± 0"
    # Two digits of the uncertainty decide how many of the mean mean anything.
    decimals = max(0, 1 - math.floor(math.log10(float(f"{half:.1e}"))))
    return f"{mean:{sign}.{decimals}f} ± {half:.{decimals}f}"


def _signed(number: str, sign: str) -> str:
    return number if number.startswith("-") or not sign else sign + number
