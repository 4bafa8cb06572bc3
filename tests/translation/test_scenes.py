"""The chapter's objects to move say what torch says, before a browser moves them."""

from functools import cache

import pytest
import sympy as sp
import torch
from objects_at import At, agree, marks, presets
from objects_translation import epochs

from lossbook.lab.page.numbered import Path
from lossbook.lab.page.objects import Bar, Curve, Handle, Picture, Text
from lossbook.lab.run.devices import threads
from lossbook.lab.translation import scenes
from lossbook.lab.translation.letters import ALPHABET
from lossbook.translation import d_hinge_loss


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    with threads(1):
        yield


# A log of fixed networks -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def log():
    return scenes.log_terms()


LOGS = [
    {"w_ds": 4},
    {"w_ds": 0, "N": 4},
    {"N": 15},
    {"N": 16},
    {"N": 31, "counter": 1},
    {"N": 200, "counter": 1},
]


def lines(scene, look):
    """The curve of this colour, and its dots."""
    return [mark for mark in marks(scene, Path) if mark.look == look]


def test_the_log_is_what_a_trainer_of_fixed_networks_writes(log):
    for state in [*presets(log), *LOGS]:
        at = agree(log, state)
        rows, hinge = epochs(at.state)
        expected = torch.tensor(rows, dtype=torch.float64)
        for look, column in (("generator", 0), ("discriminator", 1), ("r1", 2)):
            for mark in lines(log, look):
                found = at.places(mark)[:, 1]
                torch.testing.assert_close(found, expected[:, column], atol=1e-12, rtol=0)
        (flat,) = lines(log, "neutral")
        assert at.places(flat)[:, 1].tolist() == [hinge] * 40 == [2] * 40


def test_r1_is_never_computed_where_short_epochs_are_counted_anew(log):
    anew, on = (At(log, {"N": 12, "counter": counter}).shown() for counter in (0, 1))
    *_, paid, computed, steps, mean = anew
    assert (paid, computed, steps, mean) == (0, 0, 480, 0)
    assert on[-3] == 30 and on[-4] == pytest.approx(0.1)


def test_the_sentences_name_the_numbers_that_are_set(log):
    told = " ".join(template for template, _ in log.sentences)
    assert f"in epoch {scenes.EPOCHS}." in told
    assert f"R1 itself: {scenes.RAW['r1']}" in [mark.template for mark in marks(log, Text)]


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
        down, beyond, d_loss = At(logits, state).shown()[:3]
        assert d_loss == pytest.approx(2 + down + beyond, abs=1e-12)
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


def test_at_first_d_knows_nothing_and_the_steps_lead_from_2_to_d_loss(logits):
    # No logit lies beyond its margin, so that d_loss is 2 - gap.
    assert At(logits, {}).shown()[:4] == pytest.approx([0, 0, 2, 2], abs=1e-12)
    for state in presets(logits):
        at = At(logits, state)
        steps = [[at.value(end[0]) for end in (b.start, b.stop)] for b in marks(logits, Bar)]
        down, beyond, d_loss = at.shown()[:3]
        found = [stop - start for start, stop in steps]
        assert found == pytest.approx([2, down, beyond, d_loss], abs=1e-12)
        assert [start for start, _ in steps] == pytest.approx([0, 2, 2 + down, 0], abs=1e-12)


def test_three_of_the_buttons_are_worlds_of_a_d_loss_of_2(logits):
    alive, constant, fooled, wrong = (At(logits, state).shown() for state in presets(logits)[1:])
    assert [world[3] for world in (alive, constant, fooled)] == pytest.approx([2, 2, 2], abs=0.005)
    # What tells them apart: how many are right, the gap, how many have a gradient.
    assert [world[4] for world in (alive, constant, fooled)] == [0.75, 0.5, 0.5]
    assert [world[5] for world in (alive, constant, fooled)] == pytest.approx([4.5, 0, 1.5])
    assert [world[6] for world in (alive, constant, fooled)] == pytest.approx([10 / 24, 1, 0.5])
    # The threshold alone is wrong: each real logit lies above each fake one.
    shifted = At(logits, presets(logits)[3])
    reals, fakes = (shifted.places(path)[:, 0] for path in marks(logits, Path)[:2])
    assert reals.min() > fakes.max()
    # A gap below 0 is not among them: the hinge is at least 2 - gap.
    assert wrong[3] == pytest.approx(3) and wrong[4] == 0


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


# A cipher ----------------------------------------------------------------------------------------


def test_a_cipher_costs_no_cycle_if_it_is_undone_and_is_wrong_all_the_same():
    cipher = scenes.cipher()
    for state in [*presets(cipher), {"letter": 7, "there": 25, "back": 3}]:
        agree(cipher, state)
    for letter in range(len(scenes.OFFERED)):
        for there in range(26):
            state = {"letter": letter, "there": there, "back": there}
            cyc, error, of_id = At(cipher, state).shown()
            assert cyc == 0 and (error > 2) == (of_id > 2) == (there > 0)
    assert At(cipher, {"there": 1, "back": 0}).shown()[0] > 2
    r_to_s = At(cipher, {"letter": scenes.OFFERED.index("R"), "there": 1, "back": 1})
    assert [round(v) for v in r_to_s.shown()] == [0, 30, 35]
    # Content, translation, and back; below, in its own style and what would be correct.
    drawn = [r_to_s.value(mark.frame) for mark in marks(cipher, Picture)]
    assert "".join(ALPHABET[round(number) - 1] for number in drawn) == "RSRSR"
