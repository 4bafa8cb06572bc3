"""A Dirac-GAN to step, in its three forms, says what torch says."""

import math

import pytest
import torch
from objects_at import At, agree, marks, presets
from objects_translation import largest, orbit

from lossbook.lab.page.numbered import Path
from lossbook.lab.page.objects import Bar, Dots, Handle, Line, Text
from lossbook.lab.run.devices import threads
from lossbook.lab.translation import dirac as gan


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    with threads(1):
        yield


@pytest.fixture(scope="module")
def dirac():
    return gan.dirac()


ORBITS = [
    {},
    {"on": 0},
    {"on": 0, "alternating": 1, "steps": 59},
    {"w_r1": 0.02, "interval": 0},
    {"w_r1": 1, "interval": 0, "steps": 60},
    {"w_r1": 1, "interval": 2},
    {"w_r1": 1, "interval": 2, "alternating": 1, "theta_0": -2.5, "psi_0": 3},
    {"w_r1": 3, "interval": 1},
    {"w_r1": 100, "interval": 0, "alternating": 1},
    {"w_r1": 0.1, "interval": 2, "eta": 0.3, "theta_0": 1, "psi_0": -1},
    {"w_r1": 0.06, "interval": 2, "eta": 0.2},
    {"theta_0": 0, "psi_0": 0, "steps": 0},
]


@pytest.mark.parametrize("state", [{"on": 1} | state for state in ORBITS])
def test_a_dirac_gan_is_what_torch_makes_of_it(dirac, state):
    at = agree(dirac, state)
    states, hinges = (torch.tensor(found, dtype=torch.float64) for found in orbit(at.state))
    steps, every = round(at.state["steps"]), 4 ** round(at.state["interval"])
    way, computed, _, *logs, _, means = marks(dirac, Path)
    exact = {"atol": 1e-9, "rtol": 1e-9}
    torch.testing.assert_close(at.places(way), states[: steps + 1], **exact)
    torch.testing.assert_close(at.places(marks(dirac, Dots)[1])[0], states[steps], **exact)
    fires = torch.arange(1, steps + 1) % every == 0
    seen = at.places(computed)
    assert torch.equal(~seen[:, 0].isnan(), fires & bool(at.state["on"]))
    torch.testing.assert_close(seen[seen[:, 0].isfinite()], states[:steps][seen[:, 0].isfinite()])
    r1 = states[:steps, 1].square() * fires * at.state["on"]
    for mark, expected in zip(logs, (r1, states[:steps, 0].abs(), hinges[:steps]), strict=True):
        found = at.places(mark)
        assert torch.equal(found[:, 0], torch.arange(1, steps + 1, dtype=torch.float64))
        torch.testing.assert_close(found[:, 1], expected, **exact)
    full = steps // gan.EPOCH
    expected = hinges[: full * gan.EPOCH].reshape(full, gan.EPOCH).mean(1)
    torch.testing.assert_close(at.places(means)[:full, 1], expected, **exact)


SMALLER = {
    "circle": [
        {},
        {"w_r1": 0.3},
        {"w_r1": 1, "steps": 600},
        {"steps": 0},
        {"each": 20, "steps": 199},
    ],
    "lazy": [{}, {"interval": 2}, {"w_r1": 0.3, "interval": 1, "steps": 90}, {"w_r1": 0.001}],
}


@pytest.mark.parametrize(("name", "state"), [(n, s) for n, some in SMALLER.items() for s in some])
def test_the_smaller_objects_are_parts_of_it(dirac, name, state):
    scene = getattr(gan, name)()
    at = agree(scene, state)
    usual = {"theta_0": 1, "psi_0": 0, "on": 1, "interval": 0, "eta": 0.1, "alternating": 0}
    whole = At(dirac, usual | at.state)
    way = marks(scene, Path)[0]
    expected = whole.places(marks(dirac, Path)[0])
    torch.testing.assert_close(at.places(way), expected, atol=1e-9, rtol=1e-9)
    for button in presets(scene)[1:]:
        agree(scene, {name: at.value(value) for name, value in button.items()})


def test_playing_ends_at_the_last_step():
    scene = gan.circle()
    (play,) = (button for button in scene.buttons if button.label == "Play")
    ((steps, onward),) = play.sets.items()
    assert play.times == gan.STEPS >= 100  # from a hundred on it is a motion
    for at, wanted in ((0, 1), (gan.STEPS - 1, gan.STEPS), (gan.STEPS, gan.STEPS)):
        assert At(scene, {steps.name: at}).value(onward) == wanted


def test_a_penalty_can_be_too_strong_for_the_fake_to_arrive(dirac):
    found = {}
    for weight in (1, 5):
        at = At(dirac, {"on": 1, "interval": 0, "w_r1": weight, "steps": 60})
        way = at.places(marks(dirac, Path)[0])
        found[weight] = round(at.shown()[1], 2), round(way[:, 1].abs().max().item(), 2)
    assert found == {1: (0.01, 0.39), 5: (0.55, 0.1)}


def test_the_fake_is_on_the_line_and_short_epochs_show_the_circle():
    scene = gan.circle()
    spans = {}
    for each in (10, 20, 50, 60, 200, 100):
        at = At(scene, {"each": each, "steps": 600})
        means = at.places(marks(scene, Path)[3])
        assert means[:, 0].tolist() == [each * (k + 0.5) for k in range(600 // each)]
        spans[each] = [round(m, 2) for m in (means[:, 1].min().item(), means[:, 1].max().item())]
    assert spans == {
        **{10: [1.06, 2.97], 20: [1.38, 2.52], 60: [1.83, 2.07]},
        **{50: [1.72, 2.19], 100: [1.95, 2.01], 200: [1.95, 1.99]},
    }
    steps = at.places(marks(scene, Path)[1])
    assert [round(v, 1) for v in (steps[:, 1].min().item(), steps[:, 1].max().item())] == [1, 3.2]
    (level,) = (mark for mark in scene.panels[2].marks if isinstance(mark, Line))
    assert {height for _, height in level.places} == {2}
    short, turned = (At(scene, state) for state in presets(scene)[-2:])
    shown = short.places(marks(scene, Path)[3])[:, 1]
    assert [round(m, 2) for m in (shown.min().item(), shown.max().item())] == spans[20]
    assert (turned.state["steps"], turned.state["w_r1"]) == (600, 0.3)
    assert turned.places(marks(scene, Path)[1])[-1, 1].item() == pytest.approx(2)
    game, orbit, _ = scene.panels
    line, fake = game.marks[0], game.marks[4]
    ((theta, logit),) = at.places(fake).tolist()
    (_, (_, slope)) = at.places(line).tolist()
    assert isinstance(line, Line) and logit == pytest.approx(theta * slope / 3)
    (now,) = at.places(orbit.marks[-1]).tolist()
    assert now == pytest.approx([theta, slope / 3])


@pytest.mark.long
def test_the_mean_of_the_hinge_is_near_2_whatever_the_orbit_does(dirac):
    far, means = [], []
    for state in presets(dirac)[1:]:
        _, distance, mean, *_ = At(dirac, state).shown()
        far.append(distance)
        means.append(mean)
    # None, too weak, every step, every 16 steps.
    assert max(far[0], far[3]) > 1.5 and far[2] < 1e-6
    assert means == pytest.approx([2, 2, 2, 2], abs=0.2)


@pytest.mark.parametrize("state", ORBITS)
@pytest.mark.long
def test_the_word_is_that_of_the_largest_eigenvalue(dirac, state):
    at = At(dirac, state)
    said = ("near 0", "the penalty")
    words = {
        mark.template: all(map(math.isfinite, map(at.value, mark.place)))
        for mark in marks(dirac, Text)
        if mark.template.startswith(said)
    }
    weight, every = at.state["on"] * at.state["w_r1"], 4 ** round(at.state["interval"])
    size = largest(weight, every, at.state["eta"], at.state["alternating"] > 0).item()
    if abs(size - 1) < 1e-9:
        expected = "near 0 it circles"
    elif size < 1:
        expected = "near 0 it settles"
    elif size > largest(weight / 1.01, every, at.state["eta"], at.state["alternating"] > 0):
        expected = "the penalty overshoots"  # less of it would do less harm
    else:
        expected = "near 0 it spirals out"
    assert len(words) == 4
    assert [word for word, shown in words.items() if shown] == [expected]


@pytest.mark.parametrize(("eta", "alternating"), [(0.1, 0), (0.1, 1), (0.2, 0), (0.02, 0)])
@pytest.mark.long
def test_a_bar_spans_the_weights_with_which_it_settles(dirac, eta, alternating):
    for bar, every in zip(marks(dirac, Bar), gan.INTERVALS, strict=True):
        at = At(dirac, {"eta": eta, "alternating": alternating})
        first, last = at.value(bar.start[0]), at.value(bar.stop[0])
        around = [first * 0.99, first * 1.01, last * 0.99, last * 1.01]
        settles = largest(around, every, eta, alternating > 0) < 1
        if (eta, every) == (0.2, 16):
            assert first == last and not settles.any()
        else:
            at_edge = first == dirac.panels[1].x.start
            assert settles.tolist() == [at_edge, True, True, False]


@pytest.mark.long
def test_the_dot_among_the_windows_is_what_is_chosen(dirac):
    dot = marks(dirac, Path)[2]
    for state, place in (
        ({"on": 1, "w_r1": 3, "interval": 2}, (3, 0)),
        ({"on": 0, "interval": 0}, (math.nan, 2)),  # there is none
    ):
        assert At(dirac, state).places(dot)[0].tolist() == pytest.approx(place, nan_ok=True)


def test_the_dotted_line_is_where_the_fake_is_beyond_its_margin(dirac):
    for line in marks(dirac, Line)[:2]:
        for theta, psi in line.places:
            assert theta * psi == pytest.approx(-1)
    (handle,) = marks(dirac, Handle)
    assert {handle.x, handle.y} <= set(dirac.controls)
