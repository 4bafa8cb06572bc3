"""Guidance at inference, template by template."""

import pytest

from lossbook.lab.inversion import guided
from lossbook.lab.inversion.experiment import means
from lossbook.lab.inversion.faces import split
from lossbook.lab.inversion.guided import EXPERIMENT, RECORDED, load_record
from lossbook.lab.inversion.people import by_person
from lossbook.lab.run.devices import threads


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    with threads(1):
        yield


def test_a_result_has_each_template_at_each_strength(faces, monkeypatch):
    small = split(faces, 1)
    few = small._replace(seen=small.seen[:1], unseen=small.unseen[:2])
    monkeypatch.setattr(guided, "split", lambda faces, fold: few)
    config = RECORDED.replace(
        arms=("pixel",), folds=(0, 1), strengths=(0.0, 0.5),
        steps=1, batch_size=2, first_steps=1, first_batch_size=2,
    )  # fmt: skip
    found = guided.run("pixel", 1, config, faces, progress=False)
    assert means(found.units) == dict(found.scores)
    for strength in ("0", "0.5"):
        assert len(found.units[f"seen rmse, {strength}"]) == 1
        assert len(found.units[f"unseen attacked_far, {strength}"]) == 2
    assert set(found.shown) == set()
    # The gradient of the attacked system brings faces nearer to the person, as it sees them.
    near, far = (found.scores[f"unseen attacked_far, {s}"] for s in ("0.5", "0"))
    assert near < far


def test_the_record_is_that_of_the_code():
    """If not: `python -m lossbook.lab.inversion.guided --record`, or `--refactored "why"`."""
    record = load_record()
    assert EXPERIMENT.stale(record) == []
    assert {len(result.shown) for result in record.results if result.fold == 0} == {5}


def test_every_person_is_a_stranger_once(faces):
    found = by_person(load_record(), faces, "unseen judge_far, 0.5", ["pixel"])
    assert len(found["pixel"]) == len(set(faces.subject.tolist())) == 40
