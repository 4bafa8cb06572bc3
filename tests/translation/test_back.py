"""There and back: what is recorded of the translations of translations."""

import pytest
import torch

from lossbook.lab.run.devices import threads
from lossbook.lab.translation import back
from lossbook.lab.translation.arms import STEPS_PER_EPOCH
from lossbook.lab.translation.letters import Split, split
from lossbook.lab.translation.pictures import unpack

QUICK = back.RECORDED.replace(steps=STEPS_PER_EPOCH, batch_size=2, autoencoder_steps=3)


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    with threads(1):
        yield


def test_a_run_reads_the_letters_after_either_way(letters, monkeypatch):
    part = split(letters, 2)
    few = Split(
        torch.cat([part.training[:3], part.training[-3:]]),
        torch.cat([part.unseen[:2], part.unseen[-2:]]),
    )
    monkeypatch.setattr(back, "split", lambda letters, fold: few)
    found = back.run("documented", 2, QUICK, letters, progress=False)
    assert set(found.scores) == {"there", "back"}
    assert all(0 <= share <= 1 for share in found.scores.values())
    rows = unpack(found.shown)
    assert rows.shape == (3, 32, 26 * 32)
    baseline = back.baseline(2, letters, QUICK)
    assert 0 <= baseline.read <= 1 and 0 < baseline.apart < 3


def test_the_record_is_that_of_the_code():
    """If not: `python -m lossbook.lab.translation.back --record`, or `--refactored "why"`."""
    assert back.EXPERIMENT.stale(back.load_record()) == []


def test_the_letters_are_lost_and_come_back():
    (found,) = back.load_record().results
    (baseline,) = back.load_record().baseline
    assert found.scores["there"] < 0.05 and 0.8 < found.scores["back"] < baseline.read
    content, there, again = unpack(found.shown).astype(float)
    assert abs(again - content).mean() < 0.5 * abs(there - content).mean()
