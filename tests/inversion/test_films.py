"""Pictures that follow a slider are those that were recorded, each with its numbers."""

import json

import numpy as np
import pytest
import torch
from objects_at import agree, marks
from objects_inversion import judged_in_the_making

from lossbook.lab.inversion import films, guided
from lossbook.lab.inversion.experiment import load_record, recognisers
from lossbook.lab.inversion.faces import split
from lossbook.lab.inversion.model import SIGMAS, STEERED
from lossbook.lab.inversion.noise import CLIMB, STEPS, accepted_noise, greys
from lossbook.lab.inversion.pictures import coarse, unpack
from lossbook.lab.inversion.systems import similarity, threshold
from lossbook.lab.page.objects import Picture


@pytest.fixture(scope="module")
def recorded():
    return json.loads(CLIMB.read_text(encoding="utf-8"))


def test_the_record_is_what_the_first_steps_give(faces, recorded):
    network, judge = recognisers()
    person = int(split(faces, 0).unseen[0])
    noise, cosines = accepted_noise(network, faces.attacked[person], steps=STEPS[5])
    assert STEPS[5] == 5 and recorded["steps"] == list(STEPS)
    assert recorded["every cosine"][: len(cosines)] == pytest.approx(cosines, abs=0.02)
    assert [recorded["every cosine"][s] for s in STEPS] == pytest.approx(recorded["cosine"])
    assert abs(unpack(recorded["shown"], 112)[5].astype(int) - greys(noise)).max() <= 17
    with torch.no_grad():
        found = -similarity("judge", judge(noise), faces.judge[person : person + 1]).item()
    assert recorded["distance"][5] == pytest.approx(found, abs=0.01)


def test_sface_accepts_the_noise_after_three_steps_and_dlib_never(faces, recorded):
    taken = [cosine > threshold("attacked", faces, 1e-3) for cosine in recorded["cosine"]]
    assert taken == [step >= 3 for step in STEPS]
    assert min(recorded["distance"]) > -threshold("judge", faces, 1e-3)


def test_the_noise_has_one_picture_a_step():
    scene = films.climb({"cosine": 0.411, "distance": 0.504})
    for number in range(len(STEPS)):
        agree(scene, {"step": number})
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
        assert (photograph.image == coarse(unpack(truth)[3 + at])).all()
        expected = [coarse(unpack(shown.shown[s])[3 + at]) for s in strengths]
        assert all((a == b).all() for a, b in zip(film.image, expected, strict=True))
        assert photograph.x == film.x


def test_a_face_in_the_making_shows_each_step_and_is_guided_in_the_last_four():
    # Every frame has a grey level of its own; a guided one is the plain one until it is guided.
    levels = [17 * level for level in range(16)]
    steps, first = len(SIGMAS) - 1, len(SIGMAS) - len(STEERED)
    after = np.array(levels[: steps + 1], dtype=np.uint8)
    said = after[1:]
    late = np.where(np.arange(steps + 1) >= first, 255, after).astype(np.uint8)
    late_said = np.where(np.arange(1, steps + 1) > first, 238, said).astype(np.uint8)
    films_of = [
        tuple(np.broadcast_to(film[:, None, None], (len(film), 56, 56)) for film in pair)
        for pair in ((after, said), (late, late_said))
    ]
    photograph = np.zeros((56, 56), np.uint8)
    judged, doors = judged_in_the_making(), {"cosine": 0.411, "distance": 0.504}
    scene = films.generation(photograph, *films_of, judged, doors)
    now, predicted, still = marks(scene, Picture)
    assert still.frame is None
    for guided_too in (0, 1):
        for step in range(steps + 1):
            at = agree(scene, {"step": step, "guided": guided_too})
            seen = [p.image[round(at.value(p.frame)) - 1][0, 0] for p in (now, predicted)]
            pictures, faces_said = films_of[guided_too]
            assert seen[0] == pictures[step][0, 0]
            assert seen[1] == (128 // 17 * 17 + 17 if step == 0 else faces_said[step - 1][0, 0])
    # It is played in small steps, of which the nearest whole one is shown, and ends with the last.
    for between, whole in ((4.4, 4), (4.6, 5)):
        at = agree(scene, {"step": between})
        assert round(at.value(now.frame)) == whole + 1
    play = next(button for button in scene.buttons if button.label == "Play")
    (onward,), (symbol,) = play.sets.values(), play.sets
    reached = 0
    for _ in range(play.times - 1):
        reached = onward.subs(symbol, reached)
    assert play.times >= 100 and reached < steps == onward.subs(symbol, reached)
    assert onward.subs(symbol, steps) == steps
    with pytest.raises(ValueError, match="expected 13 pictures"):
        films.generation(
            photograph, (films_of[0][0][1:], films_of[0][1]), films_of[1], judged, doors
        )


def test_guidance_lifts_sfaces_cosine_over_its_threshold_and_not_dlibs(faces):
    doors = [threshold(system, faces, 1e-3) for system in ("attacked", "judge")]
    plain, guided_ones = judged_in_the_making()
    first = len(SIGMAS) - len(STEERED)
    # What is predicted in a step does not know its own guidance yet.
    assert plain[:first] == guided_ones[:first]
    assert plain[-1][0] < doors[0] < guided_ones[-1][0]
    assert min(distance for film in (plain, guided_ones) for _, distance in film) > -doors[1]


def test_fewer_grey_levels_are_near_the_old_ones():
    greys = np.arange(256, dtype=np.uint8).reshape(16, 16)
    few = coarse(greys)
    assert len(np.unique(few)) == 32 and few[0, 0] == 0 and few[-1, -1] == 255
    assert abs(few.astype(int) - greys).max() <= 5
