"""For whom else the judge takes guided faces of strangers."""

import statistics

import pytest
import torch

from lossbook.lab.inversion import controls, crossed
from lossbook.lab.inversion.experiment import recognisers
from lossbook.lab.inversion.faces import enlarge, split
from lossbook.lab.inversion.people import by_person
from lossbook.lab.run.devices import threads


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    with threads(1):
        yield


def test_the_record_agrees_with_the_controls_on_the_own_person(faces):
    found = crossed.load_crossed()
    record = controls.load_record()
    assert len(found) == len(crossed.STARTS) * len(crossed.STRENGTHS)
    for start in crossed.STARTS:
        for strength in crossed.STRENGTHS:
            expected = by_person(record, faces, f"unseen judge_II_0.001, {strength:g}", [start])[
                start
            ]
            own = found[f"{start}, {strength:g}"]["own"]
            assert own == pytest.approx(expected, abs=0.02)
            assert statistics.fmean(own) == pytest.approx(statistics.fmean(expected), abs=2e-3)


def test_the_record_is_what_the_faces_of_a_person_give(faces):
    which = split(faces, 0).unseen[8:10]
    assert len(faces.subject[which].unique()) == 2
    pictures = crossed.made("mean face", 0.5, faces, 0, which)
    found = crossed.accepted(pictures, faces, which)
    judged = recognisers()[1](enlarge(pictures.clamp(-1, 1)))
    far = torch.cdist(judged, faces.judge)
    for at, photograph in enumerate(which.tolist()):
        own = [i for i in range(400) if faces.subject[i] == faces.subject[photograph]]
        others = [i for i in range(400) if i not in own]
        near = -crossed.threshold("judge", faces, crossed.FMR)
        taken = [i for i in range(400) if far[at, i] < near]
        assert found["own"][at] == pytest.approx(
            sum(i in taken for i in own if i != photograph) / 9
        )
        assert found["others"][at] == pytest.approx(sum(i in taken for i in others) / 390)
        people = {int(faces.subject[i]) for i in taken if i in others}
        assert found["people"][at] == pytest.approx(len(people) / 39)


def test_the_photograph_of_another_person_is_counted_with_the_others(faces):
    # A photograph under the name of another person: all that accepts it is "others".
    pictures = torch.nn.functional.interpolate(faces.pictures[:1] * 2 - 1, size=56, mode="area")
    other = torch.nonzero(faces.subject != faces.subject[0])[0]
    found = crossed.accepted(pictures, faces, other)
    assert found["own"] == [0]
    assert found["others"][0] >= 9 / 390 and found["people"][0] >= 1 / 39
