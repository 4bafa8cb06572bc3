"""Results by person."""

import pytest

from lossbook.lab.landmarks import experiment
from lossbook.lab.landmarks.data import split_by_subject
from lossbook.lab.landmarks.people import by_person


@pytest.fixture(scope="module")
def record():
    return experiment.load_record()


def test_every_person_is_there_once_and_the_mean_is_that_of_the_faces(faces, record):
    found = by_person(record, faces, arms=("L2", "Wing"))
    assert list(found) == ["L2", "Wing"]
    for arm, people in found.items():
        units = record.units(arm)
        assert len(people) == 40
        # Ten faces each, so that both means are the same.
        assert sum(people) / 40 == pytest.approx(sum(units) / 400)


def test_a_person_is_who_was_tested(faces, record):
    found = by_person(record, faces, "rare", ("PFLD",))["PFLD"]
    errors = {}
    for result in (one for one in record.results if one.arm == "PFLD"):
        _, test = split_by_subject(faces, result.fold)
        for index, error in zip(test.tolist(), result.units["nme"], strict=True):
            if faces.attributes[index].any():
                errors.setdefault(int(faces.subject[index]), []).append(error)
    assert found == pytest.approx([sum(errors[n]) / len(errors[n]) for n in sorted(errors)])


def test_an_unknown_kind_and_a_part_of_the_folds_are_refused(faces, record):
    with pytest.raises(ValueError, match="all, rare, common, got 'odd'"):
        by_person(record, faces, "odd")
    part = record.replace(
        config=record.config.replace(folds=(0, 1)),
        results=tuple(one for one in record.results if one.fold < 2),
        baseline=record.baseline[:2],
    )
    with pytest.raises(ValueError, match="tests 160 of 400 faces"):
        by_person(part, faces)
