import math

import numpy as np
import pytest
from scipy import integrate, stats

from lossbook.lab.page.results import (
    compare,
    holm,
    mean_interval,
    paired_interval,
    shared_interval,
)


def student_probability(quantile: float, freedom: int) -> float:
    factor = math.gamma((freedom + 1) / 2) / (
        math.sqrt(freedom * math.pi) * math.gamma(freedom / 2)
    )
    density = lambda t: factor * (1 + t * t / freedom) ** (-(freedom + 1) / 2)  # noqa: E731
    return 2 * integrate.quad(density, 0, quantile)[0]


@pytest.mark.parametrize("confidence", [0.5, 0.95, 0.99])
def test_interval_is_students(confidence):
    values = [4.8, 5.1, 5.0, 4.6, 5.3]
    mean, half = mean_interval(values, confidence)
    assert mean == pytest.approx(sum(values) / 5)
    deviation = math.sqrt(sum((v - mean) ** 2 for v in values) / 4)
    quantile = half / (deviation / math.sqrt(5))
    assert student_probability(quantile, 4) == pytest.approx(confidence)


def test_trainings_that_share_nothing_have_students_interval_and_test():
    gaps = [0.3, -0.1, 0.4, 0.2, 0.5]
    mean, half, chance = shared_interval(gaps, 0)
    assert (mean, half) == pytest.approx(mean_interval(gaps))
    assert chance == pytest.approx(stats.ttest_1samp(gaps, 0).pvalue)


def test_trainings_that_share_data_are_less_sure():
    gaps = [0.3, -0.1, 0.4, 0.2, 0.5]
    # Five folds: each tests a quarter as many units as it trains on.
    _, half, chance = shared_interval(gaps, 1 / 4)
    assert half == pytest.approx(mean_interval(gaps)[1] * math.sqrt((1 / 5 + 1 / 4) / (1 / 5)))
    deviation = math.sqrt(sum((v - 0.26) ** 2 for v in gaps) / 4)
    t = 0.26 / (deviation * math.sqrt(1 / 5 + 1 / 4))
    assert student_probability(t, 4) == pytest.approx(1 - chance)


@pytest.mark.parametrize(("gap", "chance"), [(0.0, 1), (0.5, 0)])
def test_equal_differences_leave_no_doubt(gap, chance):
    assert shared_interval([gap] * 3, 0.25) == (gap, 0, chance)


def test_less_than_no_data_cannot_be_shared():
    with pytest.raises(ValueError, match="ratio must not be negative, got -1"):
        shared_interval([1.0, 2.0], -1)


def test_pairing_removes_what_the_seeds_share():
    a, b = [1.0, 5.0, 9.0], [0.9, 4.8, 8.7]
    mean, half = paired_interval(a, b)
    assert mean == pytest.approx(0.2)
    assert half == pytest.approx(mean_interval([0.1, 0.2, 0.3])[1])
    assert half < mean_interval(a)[1] / 10


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mean_interval([1.0]), "at least 2 values, got 1"),
        (lambda: mean_interval([1.0, float("nan")]), "finite"),
        (lambda: mean_interval(np.ones((1, 2))), "flat"),
        (lambda: mean_interval([1.0, 2.0], 1.0), "confidence"),
        (lambda: paired_interval([1.0, 2.0], [1.0]), "equal lengths, got 2 and 1"),
    ],
)
def test_statistics_refuse_what_has_no_interval(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_holm_multiplies_the_smallest_by_how_many_there_are():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == [1.0, 1.0]


def test_a_comparison_is_paired_by_fold_and_corrected_over_the_family():
    results = {"error": {"a": [1.0, 2.0, 3.0], "b": [1.5, 2.6, 3.4], "c": [3.0, 1.0, 2.0]}}
    first, second = compare(results, [("error", "a", "b"), ("error", "a", "c")])
    assert (first.difference, first.half) == paired_interval([1, 2, 3], [1.5, 2.6, 3.4])
    alone = stats.ttest_rel([1, 2, 3], [1.5, 2.6, 3.4]).pvalue
    assert first.chance == pytest.approx(2 * alone) and second.chance == 1.0
    assert first.within(0.8) and not first.within(0.7)
