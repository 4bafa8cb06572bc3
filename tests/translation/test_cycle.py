"""A heavier cycle: what differs from steady, and what a run measures."""

import dataclasses

import pytest
import torch

from lossbook.lab.run.devices import threads
from lossbook.lab.translation import cycle, experiment, starts
from lossbook.lab.translation.arms import ARMS, STEPS_PER_EPOCH
from lossbook.lab.translation.letters import Split, split

QUICK = cycle.RECORDED.replace(steps=STEPS_PER_EPOCH, batch_size=2, autoencoder_steps=3)


@pytest.mark.parametrize(("arm", "weight"), [("cycle times 10", 10.0), ("cycle times 2", 2.0)])
def test_nothing_but_the_weight_of_the_cycle_differs_from_steady(arm, weight):
    ours, steady = cycle.CYCLES[arm], ARMS["steady"]
    assert ours.generator["w_cyc"] == weight
    kept = {name: value for name, value in ours.generator.items() if name != "w_cyc"}
    assert dataclasses.replace(ours, generator=kept) == steady


@pytest.fixture
def few(letters, monkeypatch):
    part = split(letters, 0)
    some = Split(
        torch.cat([part.training[:3], part.training[-3:]]),
        torch.cat([part.unseen[:4], part.unseen[-4:]]),
    )
    for module in (cycle, experiment):
        monkeypatch.setattr(module, "split", lambda letters, fold: some)
    monkeypatch.setattr(experiment, "_SHOWN_TESTS", (0, 1))


def test_a_weight_of_1_is_the_training_of_the_experiment(letters, few, monkeypatch):
    monkeypatch.setitem(cycle.CYCLES, "as ever", ARMS["steady"])
    with threads(1):
        ours = cycle.run("as ever", 0, QUICK, letters, progress=False)
        theirs = experiment.run("steady", 0, QUICK, letters, progress=False)
        heavy = cycle.run("cycle times 10", 0, QUICK, letters, progress=False)
        far = cycle.baseline(0, letters, QUICK)
    assert ours.log == theirs.log != heavy.log
    assert {name: ours.scores[name] for name in theirs.scores} == theirs.scores
    assert set(ours.scores) - set(theirs.scores) == {"id", "real above fake"}
    shared = experiment.prepare(letters, cycle.split(letters, 0), 0, QUICK.autoencoder_steps)
    assert far == starts.apart(shared, letters, 0)


def test_the_record_is_that_of_the_code():
    """If not: `python -m lossbook.lab.translation.cycle --record`, or `--refactored "why"`."""
    found = cycle.load_record()
    assert cycle.EXPERIMENT.stale(found) == []
    assert max(found.values("cycle times 10")) < min(experiment.load_record().values("identity"))
