"""The circle of each idea says what torch says, before a browser moves it."""

import pytest
import torch
from objects_at import At, agree, marks, presets
from objects_inversion import of_feature, vector

from lossbook.lab.inversion import scenes
from lossbook.lab.page.objects import Arrow, Handle, Line
from lossbook.lab.run.devices import threads


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    with threads(1):
        yield


@pytest.fixture(scope="module")
def circles():
    return {idea: scenes.circle(idea) for idea in scenes.IDEAS}


PLACES = [
    {"angle": angle, "r": length, "tau": tau}
    for angle, length, tau in [
        (0, 1, 0.1), (0, 1.55, 0.05), (-180, 0.4, 1), (180, 1.55, 0.05), (75, 1.4, 0.1),
        (-30, 0.4, 0.05), (110, 1, 0.05), (151, 1, 1), (20, 1, 0.07), (-98, 0.65, 0.3),
    ]
]  # fmt: skip
MOVED = [*PLACES, {"n1": -180, "n2": 179}, {"n1": 0, "n2": -179}, {"n1": 180, "n2": -1, "angle": 0}]


def arrows(scene, idea, state):
    """Where the arrows of the losses begin, and how far they go."""
    at = At(scene, state)
    return {
        name: torch.tensor(
            [[at.value(along) for along in place] for place in (mark.start, mark.by)],
            dtype=torch.float64,
        )
        for name, mark in zip(scenes.IDEAS[idea].losses, marks(scene, Arrow), strict=True)
    }


@pytest.mark.parametrize("idea", scenes.IDEAS)
def test_what_is_shown_of_a_feature_is_what_torch_says(circles, idea):
    for state in [*presets(circles[idea]), *MOVED]:
        agree(circles[idea], state)


@pytest.mark.parametrize("idea", scenes.IDEAS)
def test_an_arrow_is_minus_the_gradient_that_torch_finds(circles, idea):
    scene = circles[idea]
    for state in MOVED:
        full = At(scene, state).state
        _, pulls = of_feature(full, tuple(scenes.IDEAS[idea].losses))
        feature = vector(full["angle"], full.get("r", 1.0))[0]
        for name, (start, by) in arrows(scene, idea, state).items():
            longer = scenes.LENGTHEN * (full["tau"] if name == "C" else 1)
            torch.testing.assert_close(by, longer * pulls[name], atol=1e-9, rtol=1e-9)
            # Side by side along the radius.
            beside = scenes.IDEAS[idea].losses[name] * vector(full["angle"])[0]
            torch.testing.assert_close(start - feature, beside, atol=1e-12, rtol=0)


def test_what_looks_at_directions_pulls_along_the_tangent_and_less_from_afar(circles):
    for state in PLACES:
        outward = vector(state["angle"])[0]
        near, far = (arrows(circles["all"], "all", {**state, "r": r}) for r in (0.5, 1.5))
        for name in ("normalised L2", "A", "C"):
            assert abs(near[name][1] @ outward) < 1e-12
            torch.testing.assert_close(near[name][1], 3 * far[name][1], atol=1e-12, rtol=1e-9)


def test_at_first_the_feature_is_too_long_and_only_raw_l2_pulls(circles):
    at_first = arrows(circles["length"], "length", {})
    assert at_first["raw L2"][1].tolist() == pytest.approx([-scenes.LENGTHEN, 0])
    assert at_first["normalised L2"][1].abs().max() == 0
    assert At(circles["length"], {}).shown()[:2] == pytest.approx([1, 0])


def test_a_is_silent_where_the_margin_holds_and_normalised_l2_and_c_are_not(circles):
    _, held, near = presets(circles["margin"])
    assert held == {"angle": 25, "n1": 110}
    # A rival that is near pushes the feature off its own template, away from the rival.
    assert near == {"angle": 0, "n1": 40}
    assert arrows(circles["margin"], "margin", near)["A"][1][1] < -0.1
    found = arrows(circles["margin"], "margin", held)
    assert found["A"][1].abs().max() == 0 < found["normalised L2"][1].norm()
    found = arrows(circles["temperature"], "temperature", held)
    assert found["A"][1].abs().max() == 0 < found["C"][1].norm()


@pytest.mark.parametrize("rival", [110, -110, 30, -40, 178, -180, 2])
def test_the_arc_is_where_a_is_0(circles, rival):
    arc = At(circles["margin"], {"n1": rival}).places(marks(circles["margin"], Line)[0])
    assert arc.norm(dim=1).tolist() == pytest.approx([1] * len(arc))
    turns = torch.rad2deg(torch.atan2(arc[:, 1], arc[:, 0]))
    silent = [
        angle
        for angle in range(-180, 180)
        if of_feature({"angle": angle, "n1": rival}, ("A",))[0]["A"] == 0
    ]
    first, last = turns[0].item(), turns[-1].item()
    wide = (last - first) % 360
    assert len(silent) == pytest.approx(wide, abs=1.01)
    for angle in silent:
        assert (angle - first) % 360 <= wide
    # A rival that is close leaves no such place.
    assert (rival in (2,)) == (not silent)


def test_c_looks_at_the_most_similar_rival_alone_when_it_is_cold(circles):
    scene = circles["temperature"]
    cold, warm = (At(scene, {"tau": tau}).shown()[:2] for tau in (0.05, 1))
    assert cold[0] > 0.999 and 0.6 < warm[0] < 0.75
    between = At(scene, presets(scene)[1]).shown()[:2]
    assert between == pytest.approx([0.5, 0.5], abs=0.01)
    # Rivals on both sides cancel where it is warm; A, and a cold C, push at the second one.
    sides = presets(scene)[2]
    assert sides == {"angle": 0, "tau": 1, "n1": 40, "n2": -61}
    for tau, pushed in ((1, 0.006), (0.1, -0.516)):
        pulls = arrows(scene, "temperature", {**sides, "tau": tau})
        assert pulls["C"][1][1] / tau / scenes.LENGTHEN == pytest.approx(pushed, abs=1e-3)
        assert pulls["A"][1][1] / scenes.LENGTHEN == pytest.approx(-0.643, abs=1e-3)
    # Times its temperature it is then A without the margin.
    pulls = arrows(scene, "temperature", {"tau": 0.05, "angle": 90})
    torch.testing.assert_close(pulls["C"][1], pulls["A"][1], atol=1e-3, rtol=1e-3)


def test_no_feature_is_as_near_to_one_rival_as_to_the_other(circles):
    for idea in ("temperature", "all"):
        first, second, angle = (
            {s.name: c for s, c in circles[idea].controls.items()}[n] for n in ("n1", "n2", "angle")
        )
        assert first.start % 2 == 0 and second.start % 2 == 1 and first.step == second.step == 2
        assert angle.start % 1 == 0 and angle.step == 1
        for sets in presets(circles[idea]):
            assert sets.get("n1", 0) % 2 == 0 and sets.get("n2", 1) % 2 == 1


def test_each_idea_adds_what_is_dragged(circles):
    rivals = [["rival 1", "rival 2"][:n] for n in (0, 1, 2, 2)]
    for (idea, scene), expected in zip(circles.items(), rivals, strict=True):
        handles = marks(scene, Handle)
        assert [h.title or h.label for h in handles] == [*expected, "feature"]
        free = {"r"} & {s.name for s in scene.controls}
        assert [s.name for s in handles[-1].moves] == ["angle", *free]
        assert bool(free) == (idea in ("length", "all"))
        limit = scene.panels[0].x.stop
        assert max([c.stop for s, c in scene.controls.items() if s.name == "r"], default=1) < limit
        assert limit > 1.25  # the names of the rivals
