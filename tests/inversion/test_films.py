"""Pictures that follow a slider are those that were recorded, each with its numbers."""

import json

import pytest
import torch
from objects_at import agree, marks

from lossbook.lab.inversion import films, guided
from lossbook.lab.inversion.experiment import load_record, recognisers
from lossbook.lab.inversion.faces import split
from lossbook.lab.inversion.noise import CLIMB, STEPS, accepted_noise, greys
from lossbook.lab.inversion.pictures import unpack
from lossbook.lab.inversion.systems import similarity, threshold
from lossbook.lab.page.objects import Picture


@pytest.fixture(scope="module")
def recorded():
    return json.loads(CLIMB.read_text(encoding="utf-8"))


def test_the_record_is_what_the_first_steps_give(faces, recorded):
    network, judge = recognisers()
    person = int(split(faces, 0).unseen[0])
    noise, cosines = accepted_noise(network, faces.attacked[person], steps=STEPS[1])
    assert recorded["steps"] == list(STEPS)
    assert recorded["every cosine"][: len(cosines)] == pytest.approx(cosines, abs=0.02)
    assert [recorded["every cosine"][s] for s in STEPS] == pytest.approx(recorded["cosine"])
    assert abs(unpack(recorded["shown"], 112)[1].astype(int) - greys(noise)).max() <= 17
    with torch.no_grad():
        found = -similarity("judge", judge(noise), faces.judge[person : person + 1]).item()
    assert recorded["distance"][1] == pytest.approx(found, abs=0.01)


def test_sface_accepts_the_noise_after_five_steps_and_dlib_never(faces, recorded):
    taken = [cosine > threshold("attacked", faces, 1e-3) for cosine in recorded["cosine"]]
    assert taken == [False, *[True] * 8]
    assert min(recorded["distance"]) > -threshold("judge", faces, 1e-3)


def test_the_noise_has_one_picture_a_step():
    scene = films.climb({"cosine": 0.411, "distance": 0.504})
    for step in STEPS:
        agree(scene, {"step": step})
    (noise,) = marks(scene, Picture)
    assert len(noise.image) == len(STEPS)


def test_guided_faces_stand_beneath_their_photographs():
    (shown,) = [r for r in guided.load_record().results if r.arm == "pixel" and r.shown]
    strengths = list(shown.shown)
    counts = {
        name: {
            s: [round(9 * shown.units[f"unseen {system}_II_0.001, {s}"][at]) for at in (0, 10, 24)]
            for s in strengths
        }
        for name, system in (("SFace", "attacked"), ("dlib", "judge"))
    }
    truth = load_record().baseline[0].shown["truth"]
    scene = films.guidance(truth, shown.shown, counts)
    for strength in range(len(strengths)):
        agree(scene, {"strength": strength})
    drawn = marks(scene, Picture)
    assert [picture.frame is None for picture in drawn] == [True, False] * 3
    for at, (photograph, film) in enumerate(zip(drawn[::2], drawn[1::2], strict=True)):
        assert (photograph.image == unpack(truth)[3 + at]).all()
        expected = [unpack(shown.shown[s])[3 + at] for s in strengths]
        assert all((a == b).all() for a, b in zip(film.image, expected, strict=True))
        assert photograph.x == film.x
