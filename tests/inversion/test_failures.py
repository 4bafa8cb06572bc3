"""The six logs of the chapter: what each case changes, and that the record belongs to the code."""

import pytest
import torch

from lossbook.inversion import cosine_margin_loss
from lossbook.lab.inversion import failures
from lossbook.lab.inversion.experiment import recognisers
from lossbook.lab.inversion.faces import enlarge, split
from lossbook.lab.inversion.failures import CASES, CURVES, EXPERIMENT, HEALTHY, load_record
from lossbook.lab.inversion.systems import features
from lossbook.lab.inversion.training import batches, scratch
from lossbook.lab.run.devices import threads


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    with threads(1):
        yield


@pytest.fixture(scope="module")
def terms(faces):
    """The terms of each case before its first step."""
    part, network = split(faces, 0), recognisers()[0]
    batch = next(batches(faces, part.training, 0, size=4))
    clean = scratch(faces, part, True, 0)(batch.noisy, batch.sigma, batch.template)
    clean = clean.detach().requires_grad_()
    found = features(network, enlarge(clean))
    made = {case: CASES[case]()(clean, batch, found) for case in CASES}
    return made, found.detach(), batch


def test_pixels_are_the_same_and_the_fault_is_in_what_it_names(terms):
    made, found, batch = terms
    good = made[HEALTHY]
    assert good["feat"] == cosine_margin_loss(found, batch.template, batch.negatives)
    for case, loss in made.items():
        assert loss["pixel"] == good["pixel"], case
    assert made["silent"]["feat"] < good["feat"] - 0.1
    # Ten negatives of 128 numbers, normalised along the ten: 3.6 times the cosine.
    assert made["wrong axis"]["feat"] > good["feat"] + 0.2
    assert made["cold"]["feat"] > 20
    assert made["wrong sign"]["guidance"] > 0
    assert dict(made["collapse"].weights) == {"pixel": 0.5, "feat": 0.5}


def test_learned_weights_move_and_nothing_else_does(faces):
    config = failures.RECORDED.replace(steps=2, batch_size=2, arms=("collapse",))
    result = failures.run("collapse", 0, config, faces, progress=False)
    assert set(result.curves) == set(CURVES)
    first, last = (result.curves["total"][at] for at in (0, 1))
    # The mean of both steps; the second has weights of sigmoid(-0.1).
    terms = [result.curves["pixel"][at] + result.curves["feat"][at] for at in (0, 1)]
    assert first == pytest.approx(terms[0] / 2, rel=1e-4)
    assert last < terms[1] / 2


def test_the_record_is_that_of_the_code():
    """If not: `python -m lossbook.lab.inversion.failures --record`, or `--refactored "why"`."""
    record = load_record()
    assert EXPERIMENT.stale(record) == []
    assert set(record.config.arms) == set(CASES)
    for result in record.results:
        assert {len(curve) for curve in result.curves.values()} == {record.config.steps}


def test_what_checks_say_is_text(faces):
    assert failures.spoken(faces, HEALTHY) == ""


def test_a_case_is_repeatable(faces):
    config = failures.RECORDED.replace(steps=1, batch_size=2, arms=("silent",))
    first, again = (failures.run("silent", 0, config, faces, progress=False) for _ in range(2))
    assert first.curves == again.curves
    assert all(torch.isfinite(torch.tensor(curve)).all() for curve in first.curves.values())
