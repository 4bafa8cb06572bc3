import math

import pytest

from lossbook.hands import HandLoss
from lossbook.lab.hands import experiment
from lossbook.lab.hands.data import load_hands, split_by_clip
from lossbook.lab.hands.failures import (
    CASES,
    HEALTHY,
    TRAINED,
    failure_batch,
    failure_logs,
    spoken,
)
from lossbook.lab.hands.model import ARMS, BALANCED, SETTINGS, batches
from lossbook.lab.run.devices import threads


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    with threads(1):
        yield


@pytest.fixture(scope="module")
def hands():
    return load_hands()


def log(case, hands):
    return HandLoss(BALANCED, reduction="batchmean")(*failure_batch(case, hands)).log()


def test_the_healthy_case_is_the_balanced_arm(hands):
    batch = next(batches(hands, split_by_clip(hands, 0)[0], 0))
    prediction, target = failure_batch(HEALTHY, hands)
    assert (target.keypoints_3d == batch.joints).all()
    assert ARMS["balanced"].weights == BALANCED
    assert experiment.RECORDED.rate("balanced") == SETTINGS.learning_rate
    assert prediction.coarse_pose.requires_grad


def test_failures_change_the_terms_they_should(hands):
    good = log(HEALTHY, hands)
    assert all(math.isfinite(value) and value >= 0 for value in good.values())
    for case, term in {
        "millimetres": "3d_joint",
        "2D in pixels": "2d",
        "wrong camera": "2d",
        "y as confidence": "2d",
        "no hand model": "3d_joint",
        "metres for millimetres": "3d_joint",
        "NaN pose": "aux",
    }.items():
        bad = log(case, hands)
        assert bad[term] != good[term]
        same = set(good) - {term, "total"} - ({"2d"} if case == "no hand model" else set())
        assert all(bad[name] == good[name] for name in same), case


def test_failures_are_what_their_names_say(hands):
    good = log(HEALTHY, hands)
    assert log("millimetres", hands)["3d_joint"] == pytest.approx(1000 * good["3d_joint"])
    assert log("2D in pixels", hands)["2d"] > 100 * good["2d"]
    assert log("wrong camera", hands)["2d"] > 1.3 * good["2d"]
    assert log("y as confidence", hands)["2d"] < good["2d"]
    assert math.isnan(log("NaN pose", hands)["aux"])
    batch = next(batches(hands, split_by_clip(hands, 0)[0], 0))
    missing = log("no hand model", hands)["3d_joint"]
    # Not 0: it is the size of the true hands.
    assert missing == pytest.approx(batch.joints.abs().sum().item() / len(batch.joints), rel=1e-5)
    mixed = log("metres for millimetres", hands)["3d_joint"]
    assert mixed == pytest.approx(1000 * missing, rel=0.01)


def test_a_detached_first_stage_hears_nothing_of_the_auxiliary_loss(hands):
    prediction, _ = failure_batch("detached", hands)
    assert not prediction.coarse_pose.requires_grad
    assert not prediction.coarse_shape.requires_grad
    assert prediction.betas.requires_grad


def test_another_start_gives_another_healthy_log(hands):
    first, second = (
        failure_logs(hands, cases=[HEALTHY], steps=3, seed=seed)[HEALTHY]["2d"] for seed in (0, 1)
    )
    assert len(first) == len(second) == 3 and first != second


@pytest.mark.long
def test_failures_show_in_training(hands):
    logs = failure_logs(hands, steps=60)
    assert tuple(logs) == TRAINED
    good = logs[HEALTHY]
    assert good["mpjpe"][-1] < 0.7 * good["mpjpe"][0]
    assert good["aux"][-1] < good["aux"][0]
    assert logs["detached"]["aux"][-1] > logs["detached"]["aux"][0]
    assert logs["wrong camera"]["2d"][-1] > 1.5 * good["2d"][-1]
    assert logs["y as confidence"]["2d"][-1] < 0
    assert logs["millimetres"]["prior"][-1] > 10 * good["prior"][-1]
    for case in logs:
        expected = log(case, hands)
        assert logs[case]["2d"][0] == pytest.approx(expected["2d"], rel=1e-4)


def test_checks_speak_of_what_a_batch_can_show(hands):
    said = {case: spoken(hands, case) for case in CASES}
    silent = {case for case, text in said.items() if not text}
    assert silent == {HEALTHY, "millimetres", "wrong camera"}
    assert "no graph" in said["detached"]
    assert "256" in said["2D in pixels"]
    assert "was a coordinate taken for it?" in said["y as confidence"]
    assert "was the hand model loaded" in said["no hand model"]
    assert "millimetres" in said["metres for millimetres"]
    assert "(0, 0)" in said["NaN pose"]


def test_unknown_failures_are_refused(hands):
    with pytest.raises(ValueError, match="case must be one of healthy"):
        failure_batch("bad luck", hands)
