import math

import pytest

from lossbook.hands import HandLoss, HandLossWeights
from lossbook.lab.hands import experiment
from lossbook.lab.hands.data import load_hands, split_by_clip
from lossbook.lab.hands.failures import FAILURES, failure_batch, failure_logs
from lossbook.lab.hands.model import SETTINGS, batches
from lossbook.lab.run.devices import threads


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    with threads(1):
        yield


@pytest.fixture(scope="module")
def hands():
    return load_hands()


def log(case, hands):
    return HandLoss(HandLossWeights.code())(*failure_batch(case, hands)).log()


def test_failures_change_the_terms_they_should(hands):
    good = log("as documented", hands)
    assert all(math.isfinite(value) and value >= 0 for value in good.values())
    for case, term in {
        "2D in pixels": "2d",
        "no hand model": "3d_joint",
        "metres for millimetres": "3d_joint",
        "y as confidence": "2d",
        "NaN pose": "aux",
    }.items():
        bad = log(case, hands)
        assert bad[term] != good[term]
        same = set(good) - {term, "total"} - ({"2d"} if case == "no hand model" else set())
        assert all(bad[name] == good[name] for name in same), case


def test_failures_are_what_their_names_say(hands):
    good = log("as documented", hands)
    assert log("2D in pixels", hands)["2d"] > 100 * good["2d"]
    assert log("y as confidence", hands)["2d"] < good["2d"]
    assert math.isnan(log("NaN pose", hands)["aux"])
    assert log("exploding prior", hands)["prior"] > 2000
    batch = next(batches(hands, split_by_clip(hands, 0)[0], 0))
    missing = log("no hand model", hands)["3d_joint"]
    # Not 0: it is the size of the true hands.
    assert missing == pytest.approx(1000 * batch.joints.abs().sum().item(), rel=1e-5)
    assert log("metres for millimetres", hands)["3d_joint"] == pytest.approx(missing, rel=0.01)


def test_some_failures_show_in_training(hands):
    logs = failure_logs(hands, steps=25)
    assert tuple(logs) == tuple(case for case in FAILURES if case != "NaN pose")
    good = logs["as documented"].log
    assert good["3d_joint"][-1] < 0.9 * good["3d_joint"][0]
    assert good["mpjpe"][-1] < 0.9 * good["mpjpe"][0]
    # Without a hand model nothing reaches the network through the joints.
    stream = batches(hands, split_by_clip(hands, 0)[0], 0)
    sizes = [1000 * next(stream).joints.abs().sum().item() for _ in range(25)]
    assert logs["no hand model"].log["3d_joint"] == pytest.approx(sizes, rel=1e-4)
    for case in logs:
        expected = log(case, hands)
        assert logs[case].log["total"][0] == pytest.approx(expected["total"], rel=1e-4)


def test_unknown_failures_are_refused(hands):
    with pytest.raises(ValueError, match="case must be one of as documented"):
        failure_batch("bad luck", hands)


def test_the_failures_train_at_the_rate_of_the_arm():
    assert experiment.RECORDED.rate("code, mm") == SETTINGS.learning_rate
