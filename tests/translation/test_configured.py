"""The note as its code configures it: how batches are drawn, and what is recorded."""

import itertools

import pytest
import torch

from lossbook.lab.run.devices import threads
from lossbook.lab.translation import configured, experiment, training
from lossbook.lab.translation.arms import ARMS, CONFIGURED, STEPS_PER_EPOCH
from lossbook.lab.translation.letters import ALPHABET, Split, split
from lossbook.lab.translation.training import Corpus, Settings, batches, train
from lossbook.translation import DiscriminatorLoss, GeneratorLoss

QUICK = configured.RECORDED.replace(steps=STEPS_PER_EPOCH, batch_size=2, autoencoder_steps=3)


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    with threads(1):
        yield


def corpus(domains):
    latents = torch.randn(6, 26, 4, 4, 4, generator=torch.Generator().manual_seed(0))
    return Corpus(latents, torch.arange(6) % domains)


@pytest.mark.parametrize("domains", [2, 3])
def test_their_target_is_never_the_source_and_every_other_domain_is_one(domains):
    drawn = [
        pair
        for batch in itertools.islice(batches(corpus(domains), 0, 16, as_theirs=True), 20)
        for pair in zip(batch.y_src.tolist(), batch.y_trg.tolist(), strict=True)
    ]
    assert set(drawn) == set(itertools.permutations(range(domains), 2))
    ours = next(batches(corpus(domains), 0, 64))
    assert (ours.y_src == ours.y_trg).any() and ours.z_1 is None


def test_their_three_noises_are_draws_of_their_own():
    batch = next(batches(corpus(2), 0, 16, as_theirs=True))
    for one, other in itertools.combinations((batch.z_trg, batch.z_1, batch.z_2), 2):
        assert (one != other).all()


@pytest.mark.parametrize("name", [*CONFIGURED, "documented"])
def test_their_step_of_all_networks_has_one_batch(name, monkeypatch):
    arm = (ARMS | CONFIGURED)[name]
    drawn = []

    def counted(*args, **options):
        for batch in batches(*args, **options):
            drawn.append(batch)
            yield batch

    monkeypatch.setattr(training, "batches", counted)
    train(arm, corpus(2), steps=3, settings=Settings(batch_size=2), progress=False)
    assert len(drawn) == (3 if name in CONFIGURED else 6)


def test_the_two_differ_in_the_weight_of_the_identity_alone():
    ours, without = (CONFIGURED[name] for name in ("configured", "configured, no identity"))
    of_g, of_d = GeneratorLoss(**ours.generator), DiscriminatorLoss(**ours.discriminator)
    assert (of_g.w_adv, of_g.w_sty, of_g.w_ds, of_g.w_cyc, of_g.w_id) == (1, 1, 1, 1, 1)
    assert (of_g.ds_margin, of_g.ds_decay_epochs, of_d.w_r1, of_d.r1_interval) == (1.5, 20, 2, 16)
    assert ours.rate_of_f == 0.01
    assert without.generator == dict(ours.generator) | {"w_id": 0.0}
    assert without.discriminator == ours.discriminator and without.rate_of_f == ours.rate_of_f


def test_a_run_is_scored_as_in_the_experiment_and_read(letters, monkeypatch):
    part = split(letters, 1)
    few = Split(
        torch.cat([part.training[:3], part.training[-3:]]),
        torch.cat([part.unseen[:4], part.unseen[-4:]]),
    )
    monkeypatch.setattr(configured, "split", lambda letters, fold: few)
    monkeypatch.setattr(experiment, "_SHOWN_TESTS", (0, 1))
    found = configured.run("configured, no identity", 2, QUICK, letters, progress=False)
    assert [len(row) for row in found.read] == [26, 26]
    assert set("".join(found.read)) <= set(ALPHABET)
    assert set(found.scores) == {*found.units, "id", "real above fake"}
    assert found.scores["id"] > 0 and found.log["id"] == (0.0,)
    assert found.shown
    assert 0 < configured.baseline(1, letters, QUICK) < 3


def test_the_record_is_that_of_the_code():
    """If not: `python -m lossbook.lab.translation.configured --record`, or `--refactored "why"`."""
    assert configured.EXPERIMENT.stale(configured.load_record()) == []


def test_arms_and_folds_are_those_that_are_declared():
    found = {(r.arm, r.fold) for r in configured.load_record().results}
    assert found == set(itertools.product(CONFIGURED, experiment.RECORDED.folds))
