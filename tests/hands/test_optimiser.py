"""The trainings with the optimiser of UTNet's code."""

import pytest

from lossbook.lab.hands import experiment, optimiser
from lossbook.lab.hands.data import load_hands
from lossbook.lab.run.devices import threads

QUICK = optimiser.RECORDED.replace(steps=3, synthetic=4, real=4, test=20)


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    with threads(1):
        yield


@pytest.fixture(scope="module")
def hands():
    return load_hands()


def test_without_decay_and_clipping_it_is_the_main_experiment(hands):
    plain = QUICK.replace(weight_decay=0.0, clip_norm=1e30)
    found = optimiser.run("code, mm", 1, plain, hands, progress=False)
    settings = experiment.RECORDED.replace(steps=3, synthetic=4, real=4, test=20)
    main = experiment.run("code, mm", 1, settings, hands, progress=False)
    assert found.units == main.units
    assert found.scores["mpjpe"] == main.mpjpe and found.scores["clipped"] == 0


@pytest.mark.parametrize("change", [{"weight_decay": 10.0}, {"clip_norm": 1e30}])
def test_decay_and_clipping_each_change_a_training(hands, change):
    both, one = (
        optimiser.run("code, mm", 0, config, hands, progress=False).scores["mpjpe"]
        for config in (QUICK, QUICK.replace(**change))
    )
    assert both != one


def test_what_was_clipped_is_counted(hands):
    found = optimiser.run("code, mm", 0, QUICK, hands, progress=False).scores
    assert found["clipped"] == 1 and found["norm"] > 100


def test_decay_and_clipping_are_those_of_the_public_code():
    assert (optimiser.RECORDED.weight_decay, optimiser.RECORDED.clip_norm) == (1e-4, 1.0)
    same = dict(experiment.RECORDED) | {"arms": (), "shares": ()}
    mine = dict(optimiser.RECORDED) | {"arms": (), "shares": ()}
    assert {name: mine[name] for name in same} == same


def test_the_record_is_that_of_the_code():
    """If not: `python -m lossbook.lab.hands.optimiser --record`, or `--refactored "why"`."""
    record = optimiser.load_record()
    assert optimiser.EXPERIMENT.stale(record) == []
    assert len(record.results) == 20
    assert record.baseline == experiment.load_record().baseline
