"""Other first weights on the same letters, and the faults of two networks."""

import dataclasses

import pytest
import torch

from lossbook.lab.run.devices import threads
from lossbook.lab.translation import experiment, starts
from lossbook.lab.translation.arms import ARMS, STEPS_PER_EPOCH
from lossbook.lab.translation.letters import ALPHABET, Split, split
from lossbook.lab.translation.model import Mapping
from lossbook.lab.translation.training import Corpus, Settings, train

QUICK = starts.RECORDED.replace(steps=STEPS_PER_EPOCH, batch_size=2, autoencoder_steps=3)


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    with threads(1):
        yield


def trained(arm):
    quick = Settings(batch_size=2)
    latents = torch.randn(4, 26, 4, 4, 4, generator=torch.Generator().manual_seed(0))
    corpus = Corpus(latents, torch.tensor([0, 1, 0, 1]))
    return train(arm, corpus, steps=STEPS_PER_EPOCH, settings=quick, progress=False)


def test_a_blind_discriminator_is_at_2_and_has_no_slope():
    found = trained(ARMS["blind D"])
    assert found.log["d_loss"] == pytest.approx([2.0], abs=1e-6)
    assert found.log["logit_gap"] == pytest.approx([0.0], abs=1e-6)
    assert found.log["r1"] == [0.0]
    x, y = torch.randn(3, 4, 4, 4), torch.zeros(3, dtype=torch.long)
    assert found.networks.discriminator(x, y).unique().numel() == 1


@pytest.mark.long
def test_the_mapping_network_has_a_rate_of_its_own():
    still = dataclasses.replace(ARMS["steady"], rate_of_f=0.0)
    torch.manual_seed(0)
    first, slow, usual = Mapping(), trained(still), trained(ARMS["steady"])
    assert usual.log != slow.log
    moved = [
        sum((p - q).abs().sum() for p, q in zip(one.parameters(), other.parameters(), strict=True))
        for one, other in (
            (slow.networks.mapping, trained(still).networks.mapping),
            (slow.networks.mapping, usual.networks.mapping),
        )
    ]
    assert moved[0] == 0 < moved[1]
    assert {p.shape for p in first.parameters()} == {
        p.shape for p in slow.networks.mapping.parameters()
    }


def test_a_run_reads_every_letter_and_measures_what_no_curve_has(letters, monkeypatch):
    part = split(letters, 0)
    few = Split(
        torch.cat([part.training[:3], part.training[-3:]]),
        torch.cat([part.unseen[:4], part.unseen[-4:]]),
    )
    monkeypatch.setattr(starts, "split", lambda letters, fold: few)
    monkeypatch.setattr(experiment, "_SHOWN_TESTS", (0, 1))
    found = starts.run("steady", 3, QUICK, letters, progress=False)
    assert [len(row) for row in found.read] == [26, 26]
    assert set("".join(found.read)) <= set(ALPHABET)
    assert found.scores["id"] > 0
    assert 0 <= found.scores["real above fake"] <= 1
    assert found.log["id"] == (0.0,)  # the term has no weight here
    assert 0 < starts.baseline(0, letters, QUICK) < 3


def test_the_record_is_that_of_the_code():
    """If not: `python -m lossbook.lab.translation.starts --record`, or `--refactored "why"`."""
    assert starts.EXPERIMENT.stale(starts.load_record()) == []


def test_the_first_start_is_the_first_fold_of_the_experiment():
    ours = {(r.arm, r.fold): r.scores for r in starts.load_record().results}
    for result in experiment.load_record().results:
        if result.fold == starts.FOLD and result.arm in starts.RECORDED.arms:
            same = ours[result.arm, result.fold]
            assert same["content"] == pytest.approx(result.scores["content"], abs=1e-4)
