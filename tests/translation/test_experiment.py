"""Networks, training, scores, diagnosis and the records."""

import pytest
import torch

from lossbook.lab.run.devices import threads
from lossbook.lab.translation import experiment
from lossbook.lab.translation.arms import ARMS, KINDS, STEPS_PER_EPOCH
from lossbook.lab.translation.diagnosis import HEALTHY, confusion, diagnose
from lossbook.lab.translation.experiment import EXPERIMENT, LIVE, RECORDED, load_record
from lossbook.lab.translation.letters import Split, split
from lossbook.lab.translation.model import (
    NOISE,
    STYLE,
    Discriminator,
    Generator,
    Mapping,
    StyleEncoder,
)
from lossbook.lab.translation.pictures import unpack
from lossbook.lab.translation.scores import COLUMNS, ask, score
from lossbook.lab.translation.training import Corpus, Settings, batches, train, unclipped
from lossbook.translation import DiscriminatorLoss, Networks

QUICK = RECORDED.replace(steps=STEPS_PER_EPOCH, batch_size=2, autoencoder_steps=3)


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    with threads(1):
        yield


@pytest.fixture(scope="module")
def small(letters):
    """Few styles, so that autoencoder and judges are soon trained."""
    part = split(letters, 0)
    kept = torch.cat([part.training[:3], part.training[-3:]])
    held = torch.cat([part.unseen[:4], part.unseen[-4:]])
    return experiment.prepare(letters, Split(kept, held), 0, 3)


def corpus():
    latents = torch.arange(5.0)[:, None, None, None, None].expand(5, 26, 4, 4, 4)
    return Corpus(latents, torch.tensor([0, 1, 0, 1, 1]))


def test_batches_draw_of_the_domains_that_they_name():
    stream = batches(corpus(), 0, 64)
    drawn = [next(stream) for _ in range(20)]
    for batch in drawn:
        for latents, label in ((batch.content, batch.y_src), (batch.x_ref, batch.y_trg)):
            is_serif = torch.isin(latents[:, 0, 0, 0], torch.tensor([1.0, 3.0, 4.0]))
            assert torch.equal(is_serif.long(), label)
    seen = torch.cat([batch.content[:, 0, 0, 0] for batch in drawn]).unique()
    assert seen.tolist() == [0, 1, 2, 3, 4]
    again = batches(corpus(), 0, 64)
    assert torch.equal(next(again).z_2, drawn[0].z_2)


def test_the_networks_have_the_shapes_of_the_chapter():
    x, y = torch.randn(3, 4, 4, 4), torch.tensor([0, 1, 1])
    style = StyleEncoder()(x, y)
    assert style.shape == Mapping()(torch.randn(3, NOISE), y).shape == (3, STYLE)
    assert Generator()(x, style).shape == x.shape
    assert Discriminator()(x, y).shape == (3, 1)


def test_a_label_chooses_the_head():
    network = Discriminator()
    x = torch.randn(1, 4, 4, 4).expand(2, -1, -1, -1)
    first, second = network(x, torch.tensor([0, 1]))
    assert not torch.equal(first, second)


def test_without_its_relu_the_hinge_is_two_less_the_gap():
    torch.manual_seed(0)
    networks = Networks(Generator(), StyleEncoder(), Mapping(), Discriminator())
    batch = next(batches(corpus(), 0, 8))
    terms = unclipped(networks, batch)
    torch.testing.assert_close(terms.total, 2 - terms["logit_gap"])
    hinge = DiscriminatorLoss(monitor=True)(networks, batch, step=1)
    torch.testing.assert_close(terms["logit_gap"], hinge["logit_gap"])


@pytest.mark.long
def test_training_is_repeatable_and_a_frozen_discriminator_stays():
    quick = Settings(batch_size=2)
    runs = [
        train(ARMS[arm], corpus(), steps=STEPS_PER_EPOCH, settings=quick, progress=False)
        for arm in ("frozen D", "frozen D", "steady")
    ]
    assert runs[0].log == runs[1].log != runs[2].log
    assert set(runs[0].log) >= {"d_loss", "r1", "g_loss", "g_adv", "sty", "ds", "cyc", "id"}
    torch.manual_seed(0)
    same = [
        torch.equal(a, b)
        for a, b in zip(
            runs[0].networks.discriminator.parameters(),
            runs[1].networks.discriminator.parameters(),
            strict=True,
        )
    ]
    assert all(same)


def test_an_interval_longer_than_an_epoch_is_never_due():
    never = DiscriminatorLoss(**ARMS["R1 never due"].discriminator)
    assert not any(never.computes_r1(step) for step in range(1, RECORDED.steps + 1))


def test_a_question_has_a_reference_of_another_letter_and_an_own_family(letters):
    unseen = split(letters, 1).unseen
    asked = ask(letters, unseen, 1)
    assert [test.target for test in asked] == unseen.tolist()
    for test in asked:
        domain = letters.domain
        assert domain[test.source] != domain[test.target] == domain[test.other]
        assert letters.family[test.other] != letters.family[test.target]
        assert not (test.reference == torch.arange(26)).any()


def test_the_truth_has_no_error_and_the_other_typeface_is_not_nearer(letters, small):
    found = score(letters, small.asked, small.judge, lambda test: letters.images[test.target])
    assert set(found["error"]) == {0.0}
    assert set(found["nearer"]) == {1.0}
    other = score(letters, small.asked, small.judge, lambda test: letters.images[test.other])
    assert set(other["nearer"]) == {0.0}


def test_one_style_for_all_has_no_spread(letters, small):
    found = score(
        letters, small.asked, small.judge,
        lambda test: letters.images[test.source],
        lambda test, z: letters.images[test.target],
    )  # fmt: skip
    assert set(found) == set(COLUMNS)
    assert set(found["spread"]) == {0.0}


def test_a_run_scores_every_style_that_is_asked_for(letters, small, monkeypatch):
    monkeypatch.setattr(experiment, "split", lambda letters, fold: small.part)
    monkeypatch.setattr(experiment, "_SHOWN_TESTS", (0, 1))
    found = experiment.run("documented", 0, QUICK, letters, progress=False)
    assert {len(values) for values in found.units.values()} == {8}
    assert unpack(found.shown).shape == (6, 32, 128)
    assert len(found.log["d_loss"]) == 1


def test_a_picture_that_is_none_is_refused():
    with pytest.raises(ValueError, match="letters of 32 x 32"):
        unpack(
            "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg=="
        )


def test_the_record_is_that_of_the_code():
    """If not: `python -m lossbook.lab.translation.experiment --record`, or `--refactored "why"`."""
    assert EXPERIMENT.stale(load_record()) == []


def test_the_live_run_is_a_short_one_of_the_record():
    assert set(LIVE.arms) <= set(RECORDED.arms)
    assert LIVE.steps <= RECORDED.steps / 4
    assert EXPERIMENT.config is RECORDED


def test_a_penalty_that_is_never_due_is_none():
    """Two arms that differ in their settings alone, not in what they do."""
    results = {(r.arm, r.fold): r for r in load_record().results}
    for fold in RECORDED.folds:
        assert results["no R1", fold].units == results["R1 never due", fold].units


def healthy(**changed):
    log = {
        "d_loss": [1.9] * 6, "logit_gap": [0.1] * 6, "cyc": [0.7] * 6, "ds": [0.4] * 6,
        "r1 when computed": [0.2] * 6,
    }  # fmt: skip
    return log | {name: [value] * 6 for name, value in changed.items()}


@pytest.mark.parametrize(
    ("changed", "kind"),
    [
        ({"d_loss": -1.0}, "no relu"),
        ({"logit_gap": -3.0, "d_loss": 5.0}, "dead discriminator"),
        ({"cyc": 1.5}, "content lost"),
        ({"ds": 0.01}, "collapsed"),
        ({"r1 when computed": 0.01}, "smothered discriminator"),
    ],
)
def test_a_rule_for_each_fault(changed, kind):
    assert diagnose(healthy()) == []
    assert [finding.kind for finding in diagnose(healthy(**changed))] == [kind]


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_log_that_is_not_finite_is_no_healthy_one(number):
    assert [finding.kind for finding in diagnose(healthy(cyc=number))] == ["diverged"]


@pytest.mark.parametrize("log", [{}, healthy() | {"ds": []}])
def test_a_log_without_a_curve_is_refused(log):
    with pytest.raises(ValueError, match="log must hold a number an epoch of .*ds"):
        diagnose(log)


def test_the_confusion_counts_every_log_once():
    results = [r for r in load_record().results if r.arm in KINDS]
    counts = confusion(results)
    assert sum(counts.values()) == len(results)
    assert {kind for kind, _ in counts} == {HEALTHY, *KINDS.values()}
