"""Each of the chapter's ill trainings shows in its log what it is said to show."""

import pytest
import torch

from lossbook.lab.motion import failures
from lossbook.lab.motion.clips import load_sign_heads
from lossbook.lab.motion.failures import CASES, HEALTHY, SHIFTED, bits, failure_logs, spoken
from lossbook.lab.motion.model import SETTINGS, train
from lossbook.lab.motion.windows import clip_windows, split_by_language, standard
from lossbook.lab.run.devices import threads
from lossbook.motion import DITTO_PARTS


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    with threads(1):
        yield


@pytest.fixture(scope="module")
def windows():
    heads = load_sign_heads()
    training, _ = split_by_language(heads, 0)
    return clip_windows(heads, training, standard(heads, training))


@pytest.fixture(scope="module")
def histories():
    """What was trained to make the logs, in the order of the cases.

    The last, float64 weights, is not trained again: ours does with it what it does without.
    """
    return []


@pytest.fixture(scope="module")
def logs(windows, histories):
    def remember(*arguments, **options):
        trained = train(*arguments, **options)
        histories.append(trained[1])
        return trained

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(failures, "train", remember)
        return failure_logs(windows, steps=60)


def last(logs, case, curve="exp_P"):
    return logs[case][curve][-1]


@pytest.mark.long
def test_every_case_has_every_curve(logs):
    assert tuple(logs) == tuple(CASES)
    curves = ("exp_P", "exp_V / exp_P", "exp_L", "exp_R", "scale_P", "bits of the total")
    for found in logs.values():
        assert tuple(found) == curves
        assert {len(values) for values in found.values()} == {60}


@pytest.mark.long
def test_the_healthy_one_learns(logs):
    good = logs[HEALTHY]
    assert good["exp_P"][-1] < 0.75 * good["exp_P"][9]
    assert good["exp_V / exp_P"][-1] < 0.7
    assert not any(good["exp_R"])


@pytest.mark.long
def test_where_r_dominates_the_network_stays_at_zero(logs):
    assert last(logs, "R dominates") > 1.4 * last(logs, HEALTHY)
    assert last(logs, "R dominates") > 0.75
    assert last(logs, "R dominates", "exp_R") > 0


@pytest.mark.long
def test_the_frame_before_another_window_cannot_be_met(logs):
    assert last(logs, "L against P", "exp_L") > 2 * last(logs, HEALTHY, "exp_L")
    assert last(logs, "L against P") > last(logs, HEALTHY)


@pytest.mark.long
def test_ranges_off_by_one_show_at_the_start_in_the_only_dimension_of_scale(logs):
    shifted, good = (sum(logs[c]["scale_P"][:10]) for c in ("ranges off by one", HEALTHY))
    assert shifted > 1.5 * good
    # Everything is there, each in the part before: the larger parts look as they should.
    assert last(logs, "ranges off by one") == pytest.approx(last(logs, HEALTHY), rel=0.1)


@pytest.mark.long
def test_frames_in_another_order_jump(logs):
    assert last(logs, "shuffled time", "exp_V / exp_P") > 1.3
    assert last(logs, "shuffled time") > 1.5 * last(logs, HEALTHY)


@pytest.mark.long
def test_weights_in_float64_double_the_bits_and_nothing_else(logs):
    wide, good = logs["float64 weights"], logs[HEALTHY]
    assert set(wide["bits of the total"]) == {64}
    assert all(set(logs[c]["bits of the total"]) == {32} for c in CASES if c != "float64 weights")
    assert {**wide, "bits of the total": 0} == {**good, "bits of the total": 0}
    assert bits(torch.float64) == 64
    assert bits(torch.float32) == bits(torch.bfloat16) == 32


@pytest.mark.long
def test_curves_are_the_mean_of_ten_steps(logs, histories):
    for found, history in zip(list(logs.values())[:-1], histories, strict=True):
        raw = history.log
        means = [sum(raw["exp_P"][max(0, i - 9) : i + 1]) / min(10, i + 1) for i in range(60)]
        assert found["exp_P"] == pytest.approx(means)
        sums = [sum(raw[f"exp_{letter}"][-10:]) for letter in "VP"]
        assert found["exp_V / exp_P"][-1] == pytest.approx(sums[0] / sums[1])


@pytest.mark.long
def test_the_cases_train_as_the_recorded_arms_do(histories, logs):
    assert len(histories) == len(logs) - 1
    for history in histories:
        assert max(history.log["learning_rate"]) == pytest.approx(SETTINGS.learning_rate, rel=0.01)


def test_shifted_parts_are_one_dimension_late_and_cover_all():
    assert SHIFTED.dimensions == DITTO_PARTS.dimensions
    assert list(SHIFTED["scale"]) == [0, 2, 1]
    assert list(SHIFTED["pitch"]) == [2, 68, 1]
    assert list(SHIFTED["exp"]) == [203, 265, 1]


@pytest.mark.parametrize("case", CASES)
def test_check_values_says_something_of_shuffled_time_only(case, windows):
    said = spoken(windows, case)
    assert ("are the frames shuffled" in said) == (case == "shuffled time")
    assert bool(said) == (case == "shuffled time")
