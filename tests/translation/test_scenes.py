"""The chapter's objects to move say what torch says, before a browser moves them."""

import math
from functools import cache
from string import Formatter

import pytest
import sympy as sp
import torch
from objects_translation import SHOWN, epochs, largest, orbit

from lossbook.lab.page.formulas import evaluate
from lossbook.lab.page.objects import Bar, Curve, Dots, Handle, Line, Path, Stems, Text
from lossbook.lab.page.program import Program
from lossbook.lab.run.devices import threads
from lossbook.lab.translation import scenes
from lossbook.translation import d_hinge_loss


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    with threads(1):
        yield


# What the page says ------------------------------------------------------------------------------


class At:
    """A scene where its symbols have some values."""

    def __init__(self, scene, state):
        start = {symbol: state.get(symbol.name, c.value) for symbol, c in scene.controls.items()}
        self.state = {symbol.name: value for symbol, value in start.items()}
        self.scene = scene
        self.program = Program(start, scene.minima, scene.arrays, scene.recurrences)

    def value(self, formula):
        return self.program.value(formula)

    def places(self, mark):
        """Of dots and lines, and of the numbered places that are drawn."""
        if isinstance(mark, Path):
            first, last = (round(self.value(end)) for end in mark.span)
            found = self.program.places(mark.place, mark.variable, range(first, last + 1))
        else:
            found = [tuple(map(self.value, place)) for place in mark.places]
        return torch.tensor(found, dtype=torch.float64).reshape(-1, 2)

    def shown(self):
        """The moving numbers, in the order in which they stand on the page."""
        told = [(mark.template, mark.values) for mark in marks(self.scene, Text)]
        told += [sentence for sentence in self.scene.sentences if not isinstance(sentence, str)]
        formulas = [
            values[name]
            for template, values in told
            for _, name, _, _ in Formatter().parse(template)
            if name and self.program.moves(values[name])
        ]
        return [self.value(formula) for formula in formulas]


def marks(scene, kind):
    return [mark for panel in scene.panels for mark in panel.marks if isinstance(mark, kind)]


def agree(scene, state):
    at = At(scene, state)
    expected = torch.as_tensor(SHOWN[scene.name](at.state), dtype=torch.float64)
    found = torch.tensor(at.shown(), dtype=torch.float64)
    torch.testing.assert_close(found, expected, atol=1e-9, rtol=1e-9, equal_nan=True)
    return at


def presets(scene):
    """The first state, and those of the buttons."""
    return [{}, *({s.name: v for s, v in button.sets.items()} for button in scene.buttons)]


def labelled(scene, label):
    (mark,) = (mark for panel in scene.panels for mark in panel.marks if mark.label == label)
    return mark


# A Dirac-GAN -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def dirac():
    return scenes.dirac()


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
    way, computed = (mark for mark in marks(dirac, Path)[:2])
    exact = {"atol": 1e-9, "rtol": 1e-9}
    torch.testing.assert_close(at.places(way), states[: steps + 1], **exact)
    torch.testing.assert_close(at.places(marks(dirac, Dots)[1])[0], states[steps], **exact)
    fires = torch.arange(1, steps + 1) % every == 0
    seen = at.places(computed)
    assert torch.equal(~seen[:, 0].isnan(), fires & bool(at.state["on"]))
    torch.testing.assert_close(seen[seen[:, 0].isfinite()], states[:steps][seen[:, 0].isfinite()])
    logs = [labelled(dirac, label) for label in ("distance |θ|", "hinge of D", "r1 as logged")]
    r1 = states[:steps, 1].square() * fires * at.state["on"]
    for mark, expected in zip(logs, (states[:steps, 0].abs(), hinges[:steps], r1), strict=True):
        found = at.places(mark)
        assert torch.equal(found[:, 0], torch.arange(1, steps + 1, dtype=torch.float64))
        torch.testing.assert_close(found[:, 1], expected, **exact)
    full = steps // scenes.EPOCH
    means = hinges[: full * scenes.EPOCH].reshape(full, scenes.EPOCH).mean(1)
    torch.testing.assert_close(
        at.places(labelled(dirac, "mean of 60 steps"))[:full, 1], means, **exact
    )


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
    words = {
        mark.template.split(maxsplit=3)[3]: all(map(math.isfinite, map(at.value, mark.place)))
        for mark in marks(dirac, Text)
    }
    weight, every = at.state["on"] * at.state["w_r1"], 4 ** round(at.state["interval"])
    size = largest(weight, every, at.state["eta"], at.state["alternating"] > 0).item()
    expected = "circles" if abs(size - 1) < 1e-9 else "settles" if size < 1 else "spirals out"
    assert [word for word, shown in words.items() if shown] == [expected]


@pytest.mark.parametrize(("eta", "alternating"), [(0.1, 0), (0.1, 1), (0.2, 0), (0.02, 0)])
@pytest.mark.long
def test_a_bar_spans_the_weights_with_which_it_settles(dirac, eta, alternating):
    for bar, every in zip(marks(dirac, Bar), scenes.INTERVALS, strict=True):
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
    dot = marks(dirac, Dots)[-1]
    for state, place in (
        ({"on": 1, "w_r1": 3, "interval": 2}, (3, 0)),
        ({"on": 0, "interval": 0}, (0.001, 2)),
    ):
        assert At(dirac, state).places(dot)[0].tolist() == pytest.approx(place)


def test_the_dotted_line_is_where_the_fake_is_beyond_its_margin(dirac):
    for line in marks(dirac, Line)[:2]:
        for theta, psi in line.places:
            assert theta * psi == pytest.approx(-1)
    (handle,) = marks(dirac, Handle)
    assert {handle.x, handle.y} <= set(dirac.controls)


# A log of fixed networks -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def log():
    return scenes.log_terms()


LOGS = [
    {"w_ds": 4, "T": 1, "c": -1},
    {"w_ds": 0, "T": 40, "c": 1.5, "I": 1, "N": 4},
    {"c": 0.35, "I": 7, "N": 30, "counter": 1},
    {"c": -1.25, "I": 32, "N": 31},
    {"I": 32, "N": 31, "counter": 1},
    {"I": 25, "N": 200, "counter": 1, "T": 7},
]


def test_the_log_is_what_a_trainer_of_fixed_networks_writes(log):
    for state in [*presets(log), *LOGS]:
        at = agree(log, state)
        rows, hinge = epochs(at.state)
        expected = torch.tensor(rows, dtype=torch.float64)
        for label, column in (("g_loss", 0), ("d_loss", 1)):
            found = at.places(labelled(log, label))[:, 1]
            torch.testing.assert_close(found, expected[:, column], atol=1e-12, rtol=0)
        (stems,) = marks(log, Stems)
        symbols = [stems.variable, *log.controls]
        heights = evaluate(stems.expr, symbols)
        for epoch in range(1, scenes.EPOCHS + 1):
            found = float(heights(epoch, *at.program.state.values()))
            assert found == pytest.approx(rows[epoch - 1][2], abs=1e-12)
        assert at.places(labelled(log, "hinge"))[:, 1].tolist() == pytest.approx([hinge] * 40)


def test_the_hinge_is_2_for_every_logit_within_the_margins(log):
    for c in (-1, -0.9, 0, 0.55, 1):
        assert At(log, {"c": c}).shown()[2] == pytest.approx(2)
    assert At(log, {"c": 1.5}).shown()[2] == pytest.approx(2.5)


def test_r1_is_never_computed_where_short_epochs_are_counted_anew(log):
    anew, on = (At(log, {"N": 12, "counter": counter}).shown() for counter in (0, 1))
    assert anew[3:5] == [0, 0] and on[4] == 30 and on[3] == pytest.approx(0.1)


def test_the_sentences_name_the_numbers_that_are_set(log):
    told = " ".join(template for template, _ in log.sentences)
    assert f"in epoch {scenes.EPOCHS}." in told and f"is {scenes.RAW['r1']} each time" in told


# Two rows of logits ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def logits():
    return scenes.two_logits()


ROWS = [
    {"real": -3, "fake": 3, "spread_real": 4, "spread_fake": 4},
    {"real": 1, "fake": -1, "spread_real": 0, "spread_fake": 0},
    {"real": 0, "fake": 0, "spread_real": 0, "spread_fake": 0},
    {"real": -0.35, "fake": 0.7, "spread_real": 1.1, "spread_fake": 2.6},
]


def test_two_rows_of_logits_have_the_hinge_of_the_library(logits):
    for state in [*presets(logits), *ROWS]:
        at = agree(logits, state)
        d_loss, gap, beyond = At(logits, state).shown()[2:5]
        assert d_loss == pytest.approx(2 - gap + beyond, abs=1e-12)
        curves, rows = marks(logits, Path)[:2], marks(logits, Path)[2:]
        for on_curve, in_row, name in zip(curves, rows, ("real", "fake"), strict=True):
            spread = torch.tensor(scenes.SPREAD, dtype=torch.float64)
            expected = at.state[name] + at.state[f"spread_{name}"] * spread
            places = at.places(on_curve)
            torch.testing.assert_close(places[:, 0], expected)
            torch.testing.assert_close(at.places(in_row)[:, 0], expected)
            far = torch.tensor(99.0, dtype=torch.float64)
            for logit, height in places.tolist():
                one = torch.tensor(logit, dtype=torch.float64)
                pair = (one, -far) if name == "real" else (far, one)
                assert height == pytest.approx(d_hinge_loss(*pair).item())


def test_three_of_the_buttons_are_worlds_of_a_d_loss_of_2(logits):
    alive, constant, fooled, wrong = (At(logits, state).shown() for state in presets(logits)[1:])
    assert [world[5] for world in (alive, constant, fooled)] == pytest.approx([2, 2, 2], abs=0.005)
    # What tells them apart: how many are right, the gap, how many have a gradient.
    assert [world[6] for world in (alive, constant, fooled)] == [0.75, 0.5, 0.5]
    assert [world[7] for world in (alive, constant, fooled)] == pytest.approx([4.5, 0, 1.5])
    assert [world[8] for world in (alive, constant, fooled)] == pytest.approx([10 / 24, 1, 0.5])
    # A gap below 0 is not among them: the hinge is at least 2 - gap.
    assert wrong[5] == pytest.approx(3) and wrong[6] == 0


@cache
def height(curve):
    return sp.lambdify(curve.variable, curve.expr, "math")


def test_the_rows_are_dragged_along_the_axis_and_have_names(logits):
    handles = marks(logits, Handle)
    assert [h.title for h in handles] == ["mean of the real logits", "mean of the fake logits"]
    assert [[s.name for s in h.moves] for h in handles] == [["real"], ["fake"]]
    real, fake = marks(logits, Curve)
    for logit in (-3, -1, 0, 1, 4):
        assert height(real)(logit) == max(0, 1 - logit)
        assert height(fake)(logit) == max(0, 1 + logit)
