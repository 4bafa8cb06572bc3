"""λ(t): the four schedules against their formulas, of numbers, tensors and arrays."""

import math

import numpy as np
import pytest
import sympy as sp
import torch

from lossbook.inversion import (
    LambdaSchedule,
    combined_schedule,
    linear_schedule,
    sigmoid_schedule,
    staged_schedule,
    symbolic,
)

SIGMOID = symbolic.SIGMOID_SCHEDULE.subs({symbolic.steepness: 10, symbolic.midpoint: 0.5})
SCHEDULES = {
    "linear": (linear_schedule, symbolic.LINEAR_SCHEDULE),
    "sigmoid": (sigmoid_schedule, SIGMOID),
    "staged": (staged_schedule, symbolic.STAGED_SCHEDULE),
    "combined": (combined_schedule, symbolic.COMBINED_SCHEDULE),
    "smooth": (lambda t, total: combined_schedule(t, total, smooth=True), symbolic.SMOOTH_SCHEDULE),
}
EACH = pytest.mark.parametrize("name", SCHEDULES)


@EACH
@pytest.mark.parametrize("total", [1, 1.0, 300, 7.5])
def test_a_schedule_is_its_formula(name, total):
    schedule, formula = SCHEDULES[name]
    exact = sp.lambdify(symbolic.share, formula, "math")
    for share in (0, 0.1, 0.2, 0.329, 0.331, 0.5, 0.669, 0.671, 0.8, 1):
        # The documented piece divides by 0.33, the last stage being as long as that.
        assert schedule(share * total, total) == pytest.approx(exact(share), abs=1e-12)


@EACH
def test_numbers_tensors_and_arrays_give_their_own_kind(name):
    schedule, _ = SCHEDULES[name]
    times = [0, 20, 33, 66, 67, 100]
    expected = [schedule(t, 100) for t in times]
    assert all(type(value) is float for value in expected)
    of_tensor = schedule(torch.tensor(times), 100)
    assert of_tensor.dtype == torch.float32
    assert of_tensor.tolist() == pytest.approx(expected, abs=1e-6)
    column = schedule(torch.tensor(times, dtype=torch.float64)[:, None], 100)
    assert column.shape == (6, 1)
    assert column.flatten().tolist() == pytest.approx(expected, abs=1e-12)
    for array in (np.array(times), np.array(times, dtype=np.float64).reshape(2, 3)):
        found = schedule(array, 100)
        assert isinstance(found, np.ndarray)
        assert found.shape == array.shape
        assert found.flatten().tolist() == pytest.approx(expected, abs=1e-12)
    assert schedule(np.int64(20), 100) == pytest.approx(expected[1])
    assert schedule(np.float64(20), 100) == pytest.approx(expected[1])
    half = schedule(torch.tensor(times, dtype=torch.float16), 100)
    assert half.dtype == torch.float16


@EACH
def test_before_and_beyond_the_training_it_keeps_its_value(name):
    schedule, _ = SCHEDULES[name]
    assert schedule(-5, 10) == schedule(0, 10)
    assert schedule(50, 10) == schedule(10, 10)
    assert schedule(torch.tensor([-5.0, 50.0]), 10).tolist() == pytest.approx(
        [schedule(0, 10), schedule(10, 10)], abs=1e-6
    )


def test_the_sigmoid_neither_starts_at_zero_nor_ends_at_one():
    assert sigmoid_schedule(0, 1, k=5) == pytest.approx(0.0759, abs=1e-4)
    assert sigmoid_schedule(1, 1, k=5) == pytest.approx(0.9241, abs=1e-4)
    assert sigmoid_schedule(0, 1) == pytest.approx(0.0067, abs=1e-4)
    assert sigmoid_schedule(1, 1) == pytest.approx(0.9933, abs=1e-4)
    assert sigmoid_schedule(20, 100, midpoint=0.2) == 0.5


@pytest.mark.parametrize("total", [3, 100, 300, 1000, 12_345])
def test_stages_are_half_open(total):
    for end, before, after in ((0.33, 0.1, 0.5), (0.67, 0.5, 1.0)):
        start = math.ceil(end * total - 1e-9)
        assert staged_schedule(start, total) == after
        assert staged_schedule(start - 1, total) == before
        narrow = torch.tensor([start - 1.0, start], dtype=torch.float32)
        assert staged_schedule(narrow, total).tolist() == pytest.approx([before, after])
    assert staged_schedule(0, total, levels=(0.0, 0.2, 0.4)) == 0
    assert staged_schedule(total, total, levels=(0.0, 0.2, 0.4)) == 0.4


def one_sided(formula, stage):
    """The value on both sides of where a stage ends, 0 or 1."""
    place, pieces = symbolic.STAGES[stage], [piece for piece, _ in formula.args]
    return [float(piece.subs(symbolic.share, place)) for piece in pieces[stage : stage + 2]]


def test_as_documented_the_combined_schedule_jumps_and_does_not_reach_one():
    jumps = [one_sided(symbolic.COMBINED_SCHEDULE, stage) for stage in (0, 1)]
    assert jumps[0] == pytest.approx([0.0839, 0.0772], abs=1e-4)
    assert jumps[1] == pytest.approx([0.4228, 0.5000], abs=1e-4)
    narrow = [combined_schedule(t, 100, widths=(0.05, 0.05)) for t in (33 - 1e-9, 33)]
    assert narrow == pytest.approx([0.0964, 0.0161], abs=1e-4)
    assert combined_schedule(100, 100) == pytest.approx(1 - 0.5 / math.e)


def test_made_smooth_it_is_continuous_rises_and_goes_from_zero_to_one():
    for stage, level in enumerate((0.1, 0.5)):
        assert one_sided(symbolic.SMOOTH_SCHEDULE, stage) == pytest.approx([level, level])
    for options in ({}, {"widths": (0.03, 0.4)}, {"midpoints": (0.0, 0.6)}):
        times = torch.linspace(0, 1, 20_001, dtype=torch.float64)
        values = combined_schedule(times, 1, smooth=True, **options)
        assert values[0].item() == pytest.approx(0, abs=1e-15)
        assert values[-1].item() == pytest.approx(1, abs=1e-15)
        assert (values.diff() > 0).all()
        assert values.diff().max() < 0.002
        ends = combined_schedule(torch.tensor([0.33, 0.67]).double(), 1, smooth=True, **options)
        assert ends.tolist() == pytest.approx([0.1, 0.5], abs=1e-6)


@EACH
@pytest.mark.own_errors
def test_bad_times_and_options_are_refused(name):
    schedule, _ = SCHEDULES[name]
    for total in (0, -1, math.inf):
        with pytest.raises(ValueError, match="total must be finite and greater than 0"):
            schedule(1, total)
    with pytest.raises(TypeError, match=r"total must be a Python number, got Tensor; .*float"):
        schedule(1, torch.tensor(10))
    with pytest.raises(TypeError, match="t must be a Python number, got str"):
        schedule("1", 10)
    with pytest.raises(ValueError, match="t must be finite, got nan"):
        schedule(math.nan, 10)


@pytest.mark.own_errors
def test_options_of_the_wrong_form_are_refused():
    with pytest.raises(ValueError, match="levels must be 3 numbers, got 2"):
        staged_schedule(0, 1, levels=(0.1, 0.5))
    with pytest.raises(TypeError, match="each of widths must be a Python number, got str"):
        combined_schedule(0, 1, widths=(0.1, "0.1"))
    with pytest.raises(ValueError, match="widths must be finite and greater than 0, got 0"):
        combined_schedule(0, 1, widths=(0.1, 0.0))
    with pytest.raises(TypeError, match="midpoints must be 2 numbers, got float"):
        combined_schedule(0, 1, midpoints=0.5)
    with pytest.raises(TypeError, match="smooth must be True or False"):
        combined_schedule(0, 1, smooth=1)
    with pytest.raises(TypeError, match="k must be a Python number, got Tensor"):
        sigmoid_schedule(0, 1, k=torch.tensor(5.0))


# Steps ------------------------------------------------------------------------------------------


def test_a_schedule_steps_and_goes_on_from_a_checkpoint():
    schedule = LambdaSchedule("sigmoid", 100, k=5)
    assert schedule.value == sigmoid_schedule(0, 100, k=5)
    for t in range(1, 5):
        assert schedule.step() == schedule.value == sigmoid_schedule(t, 100, k=5)
    other = LambdaSchedule("sigmoid", 100, k=5)
    other.load_state_dict(schedule.state_dict())
    assert other.step() == schedule.step()
    assert other.step(70) == sigmoid_schedule(70, 100, k=5)
    assert repr(other) == "LambdaSchedule('sigmoid', 100, k=5)"


def test_any_function_of_time_and_total_is_a_schedule():
    schedule = LambdaSchedule(lambda t, total: 0.5 * (1 - math.cos(math.pi * t / total)), 10)
    assert schedule.step(5) == pytest.approx(0.5)
    assert LambdaSchedule(linear_schedule, 10, maximum=3.0).step(5) == 1.5


@pytest.mark.own_errors
def test_a_schedule_that_there_is_not_is_refused():
    with pytest.raises(ValueError, match="no schedule 'stages'; did you mean staged"):
        LambdaSchedule("stages", 10)
    with pytest.raises(TypeError, match="schedule must be a name or a function.*got float"):
        LambdaSchedule(0.5, 10)
    with pytest.raises(ValueError, match="total must be"):
        LambdaSchedule("linear", 0)
    with pytest.raises(ValueError, match="schedule must be finite and at least 0, got -1"):
        LambdaSchedule(lambda t, total: -1.0, 10)
