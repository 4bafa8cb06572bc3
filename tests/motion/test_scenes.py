"""The chapter's objects to move say what torch says, before a browser moves them."""

import math
from functools import cache
from string import Formatter

import numpy as np
import objects
import pytest
import sympy as sp
import torch
from objects import SHOWN

from lossbook.lab.motion import logs, scenes, waves
from lossbook.lab.motion.bins import to_logits
from lossbook.lab.motion.clips import load_face_mesh, load_sign_heads, load_talking_head
from lossbook.lab.motion.heads import outline
from lossbook.lab.motion.model import _mixed
from lossbook.lab.page.formulas import evaluate
from lossbook.lab.page.objects import Arrow, Bar, Clip, Dots, Line, Scene, Stems, Text
from lossbook.lab.page.palette import colour
from lossbook.lab.run.devices import threads
from lossbook.motion import pva_loss
from lossbook.motion.metrics import motion_metrics

FRAMES = 24


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    with threads(1):
        yield


@pytest.fixture(scope="module")
def disturb():
    return waves.disturb(objects.some_yaw().tolist())


@pytest.fixture
def measured(generator, monkeypatch):
    """P, V and A of any error, in place of the recorded ones."""
    terms = objects._pva(torch.randn(24, generator=generator, dtype=torch.float64))
    monkeypatch.setattr(objects, "recorded_terms", lambda: terms)
    return dict(zip("PVA", terms.tolist(), strict=True))


@cache
def function(formula, symbols, arrays):
    return evaluate(formula, symbols, {base: np.array(values) for base, values in arrays})


def value(scene, formula, state, **more):
    """A formula of a scene where its symbols have these values."""
    return values(scene, formula, state, **more).item()


def values(scene, formula, state, **more):
    """All at once, where one of the symbols has several values."""
    symbols = (*scene.controls, *(sp.Symbol(name, integer=True) for name in more))
    numbers = [state.get(s.name, c.value) for s, c in scene.controls.items()]
    arrays = tuple((base, tuple(values)) for base, values in scene.arrays.items())
    return function(sp.sympify(formula), symbols, arrays)(*numbers, *more.values())


def shown(scene, state):
    """The moving numbers of a scene, in the order in which they stand on the page."""
    told = [(mark.template, mark.values) for panel in scene.panels for mark in panel.marks
            if isinstance(mark, Text)]  # fmt: skip
    told += [sentence for sentence in scene.sentences if not isinstance(sentence, str)]
    found = []
    for template, values in told:
        for _, name, _, _ in Formatter().parse(template):
            if name and set(scene.controls) & sp.sympify(values[name]).free_symbols:
                found.append(value(scene, values[name], state))
    return found


def stems(scene, state):
    """The heights of the stems of each panel that has some."""
    found = []
    for panel in scene.panels:
        for mark in panel.marks:
            if isinstance(mark, Stems):
                first, last = mark.span
                name, at = mark.variable.name, np.arange(first, last + 1, dtype=np.float64)
                try:
                    heights = values(scene, mark.expr, state, **{name: at})
                except ValueError:  # numpy chooses between numbers and arrays one by one only
                    heights = [value(scene, mark.expr, state, **{name: one}) for one in at]
                found.append(torch.tensor(np.asarray(heights)))
    return found


def agree(scene, state):
    full = {symbol.name: control.value for symbol, control in scene.controls.items()} | state
    expected = torch.as_tensor(SHOWN[scene.name](full), dtype=torch.float64)
    found = torch.tensor(shown(scene, state), dtype=torch.float64)
    torch.testing.assert_close(found, expected, atol=1e-9, rtol=1e-9, equal_nan=True)


def presets(scene):
    """The first state, and those of the buttons."""
    return [{}, *({s.name: v for s, v in button.sets.items()} for button in scene.buttons)]


# P, V and A of a formula


@pytest.mark.parametrize("frames", [3, 13, 24])
def test_terms_of_a_wave_are_those_of_torch(frames, generator):
    t = sp.Symbol("t", integer=True)
    for _ in range(3):
        size, turn, phase, slope = torch.rand(4, generator=generator, dtype=torch.float64).tolist()
        wave = size * sp.cos(3 * turn * t + phase) + slope * t / 10
        at = torch.arange(1, frames + 1, dtype=torch.float64)
        error = size * (3 * turn * at + phase).cos() + slope * at / 10
        target = torch.randn(1, frames, 1, generator=generator, dtype=torch.float64)
        expected = pva_loss(target + error[None, :, None], target, parts={"x": (0, 1, 1.0)})
        for name, formula in waves.terms_of(wave, t, frames).items():
            assert float(evaluate(formula, [t])(0)) == pytest.approx(expected[f"x_{name}"].item())


# A disturbed clip


@pytest.mark.parametrize("alone", [0, 1])
@pytest.mark.parametrize("hertz", [0.0, 0.5, 3.0, 12.5])
def test_what_is_shown_of_a_disturbed_clip_is_what_torch_says(disturb, alone, hertz):
    for size in (0, 0.1, 2):
        agree(disturb, {"alone": alone, "size": size, "hertz": hertz})


def test_all_disturbances_have_the_same_position_error(disturb):
    for size in (0.5, 2.0):
        for alone, hertz in ((0, 0), (1, 3), (0, 0.5), (0, 3.25), (0, 7), (0, 12.5)):
            p, v, a, *_ = shown(disturb, {"alone": alone, "size": size, "hertz": hertz})
            assert p == pytest.approx(size**2)
            assert (v > 0 and a > 0) if alone or hertz else (v < 1e-12 and a < 1e-12)


def test_the_frame_that_is_disturbed_alone_stands_out_by_the_root_of_all(disturb):
    p, v, a, *_ = shown(disturb, {"alone": 1, "size": 1.5})
    square = 1.5**2 * FRAMES
    assert [p, v, a] == pytest.approx(
        [square / FRAMES, 2 * square / (FRAMES - 1), 6 * square / (FRAMES - 2)]
    )


def test_a_tremble_of_every_other_frame_costs_four_and_sixteen_times_as_much(disturb):
    tremble = presets(disturb)[-1]
    assert shown(disturb, tremble)[-2:] == pytest.approx([4, 16])


def error_of(alone, hertz):
    at = torch.arange(FRAMES, dtype=torch.float64)
    error = (at == 11).double() if alone else (2 * math.pi * hertz / 25 * at).cos()
    return error / error.square().mean().sqrt()


@pytest.mark.parametrize(("alone", "hertz"), [(0, 0), (1, 3), (0, 0.5), (0, 3), (0, 12.5)])
def test_the_spectrum_of_the_error_adds_up_to_p(disturb, alone, hertz):
    state = {"alone": alone, "size": 2, "hertz": hertz}
    (power,) = stems(disturb, state)
    assert power.sum().item() == pytest.approx(4)
    assert power.sum().item() == pytest.approx(shown(disturb, state)[0])
    error = 2 * error_of(alone, hertz)[None, :, None]
    found = motion_metrics(error, torch.zeros_like(error), fps=25.0)
    torch.testing.assert_close(power, found.spectrum[0])
    # The ticks stand where the frequencies are.
    axis = disturb.panels[1].x
    places = [at for at in axis.ticks if at in range(len(power))]
    assert places
    for at in places:
        assert float(axis.ticks[at]) == pytest.approx(found.frequencies[int(at)].item())


def test_losses_of_all_sizes_are_seen_and_a_loss_of_nothing_has_no_bar(disturb):
    axis = disturb.panels[2].x
    assert axis.log
    bars = marks_of(disturb, Bar)
    for state in ({}, {"hertz": 3, "size": 3}, {"hertz": 12.5, "size": 3}, {"alone": 1, "size": 3}):
        lengths = [value(disturb, bar.stop[0], state) for bar in bars]
        assert all(axis.start < length < axis.stop for length in lengths)
    v, a = (value(disturb, bar.stop[0], {"hertz": 0}) for bar in bars[1:])
    assert v == a == 0


def test_the_name_of_a_slider_fits_beside_the_longest_number(disturb):
    assert max(len(control.label) for control in disturb.controls.values()) <= 20


# A sum of waves


def line(scene, number, state):
    """The heights of a line of the first panel that has as many."""
    mark = [mark for panel in scene.panels for mark in panel.marks if isinstance(mark, Line)][
        number
    ]
    return torch.tensor([value(scene, y, state) for _, y in mark.places], dtype=torch.float64)


def test_waves_rebuild_a_clip_and_say_what_they_hold():
    motion = objects.some_yaw().double()
    scene = waves.rebuild(motion.numpy())
    tones = torch.fft.rfft(motion)
    for many in (0, 1, 2, 7, 12):
        agree(scene, {"many": many})
        kept = torch.where(torch.arange(13) <= many, tones, torch.zeros_like(tones))
        expected = torch.fft.irfft(kept, n=FRAMES)
        torch.testing.assert_close(line(scene, 1, {"many": many}), expected, atol=1e-4, rtol=0)
    power, used = stems(scene, {"many": 12})
    torch.testing.assert_close(power, used)
    assert power.sum().item() == pytest.approx(motion.var(correction=0).item(), rel=1e-4)
    _, used = stems(scene, {"many": 3})
    assert used.count_nonzero() == 3
    assert power.max() < scene.panels[1].y.stop < 2 * power.max()
    # The offset is in the sum and not among the waves, and the scene says so.
    assert "mean" in scene.panels[0].marks[1].label and "mean" in scene.panels[1].title
    assert "mean" in scene.sentences[0][0]


# A point that goes round


@pytest.mark.parametrize("hertz", [0.5, 2.5, 6.25, 12.5])
def test_the_chord_is_the_step_of_the_wave(hertz):
    scene = waves.circle()
    for frame in (1, 4, 13):
        agree(scene, {"hertz": hertz, "frame": frame})
        chord, shadow = (
            line(scene, 2, {"hertz": hertz, "frame": frame}),
            line(scene, 6, {"hertz": hertz, "frame": frame}),
        )
        torch.testing.assert_close(chord, shadow)
        heights = line(scene, 5, {"hertz": hertz})
        torch.testing.assert_close(chord, heights[frame - 1 : frame + 1])
        for dotted, height in zip((3, 4), chord, strict=True):
            level = line(scene, dotted, {"hertz": hertz, "frame": frame})
            torch.testing.assert_close(level, height.expand(2))


def test_a_tremble_goes_up_and_down_and_its_chord_is_a_diameter():
    scene = waves.circle()
    _, tremble = (state for state in presets(scene) if state)
    heights = line(scene, 5, tremble)
    alternating = (-1.0) ** torch.arange(len(heights), dtype=torch.float64)
    torch.testing.assert_close(heights, alternating)
    for frame in (1, 2, 13):
        step = line(scene, 6, tremble | {"frame": frame}).diff().item()
        assert step == pytest.approx(2 * (-1) ** frame)
        across = [value(scene, x, tremble | {"frame": frame})
                  for x, _ in scene.panels[0].marks[2].places]  # fmt: skip
        assert across == pytest.approx([0, 0])


@pytest.mark.parametrize("hertz", [0.5, 2.5, 12.5])
def test_steps_of_a_wave_are_a_wave_again_as_high_as_the_filter_says(hertz):
    scene = waves.circle()
    wave, steps, their_steps = (line(scene, at, {"hertz": hertz}) for at in (7, 8, 9))
    torch.testing.assert_close(wave, line(scene, 5, {"hertz": hertz}))
    torch.testing.assert_close(steps, wave.diff())
    torch.testing.assert_close(their_steps, wave.diff(n=2))
    between = [value(scene, x, {}) for x, _ in scene.panels[2].marks[2].places]
    assert between[:2] == pytest.approx([1.5, 2.5])
    # Of a wave the value twice apart and the second difference differ by a factor only.
    square = 4 * math.sin(math.pi * hertz / 25) ** 2
    torch.testing.assert_close(their_steps, -square * wave[1:-1])
    axis = scene.panels[2].y
    assert axis.start < their_steps.min() and their_steps.max() < axis.stop


# A clip under noise


@pytest.mark.parametrize("level", [0, 0.35, 0.5, 1])
def test_a_clip_is_buried_in_noise_as_in_training(level):
    truth = objects.some_yaw().double()
    scene = waves.noise(truth.numpy())
    agree(scene, {"u": level})
    clip = (truth - truth.mean()) / truth.std(correction=0)
    noise = torch.tensor(np.random.default_rng(1).standard_normal(FRAMES))
    noise /= noise.std(correction=0)  # so that the shares of the variance are those that are said
    expected = _mixed(clip[None, :, None], noise[None, :, None], torch.tensor([level]).double())
    torch.testing.assert_close(line(scene, 0, {}), clip, atol=1e-4, rtol=0)
    torch.testing.assert_close(line(scene, 1, {"u": level}), expected.flatten(), atol=2e-4, rtol=0)


# Three weights


def test_what_is_shown_of_three_weights_is_what_torch_says(measured):
    scene = waves.filters(measured)
    states = [
        *presets(scene),
        {"w_P": 0.35, "w_V": 2.0, "w_A": 0.0},
        dict.fromkeys(("w_P", "w_V", "w_A"), 0),
    ]
    for state in states:
        agree(scene, state)


def test_the_shares_are_of_all_and_of_the_weights_that_count(measured):
    scene = waves.filters(measured)
    for state in presets(scene):
        assert sum(shown(scene, state)[:3]) == pytest.approx(1)
    # The default weights, and one alone.
    first, *alone = (shown(scene, state)[:3] for state in presets(scene))
    assert min(first) > 0
    assert alone == [pytest.approx([float(i == j) for j in range(3)]) for i in range(3)]


def test_an_offset_weighs_as_p_says_and_a_tremble_twenty_one_times_as_much(measured):
    assert shown(waves.filters(measured), {})[3:] == pytest.approx([1, 21])


def test_slow_errors_are_heard_by_p_and_fast_ones_by_a():
    frames = torch.arange(24, dtype=torch.float64)
    drift, flip = (frames - 11.5) / 12, (-1.0) ** frames
    slow, fast = (dict(zip("PVA", objects._pva(e).tolist(), strict=True)) for e in (drift, flip))
    assert shown(waves.filters(slow), {})[0] > 0.9
    assert shown(waves.filters(fast), {})[:3] == pytest.approx([1 / 21, 4 / 21, 16 / 21])


# Bins


@pytest.mark.parametrize("theta", [-15, 0, 12, 15])
def test_what_is_shown_of_66_bins_is_what_torch_says(theta):
    scene = scenes.bins()
    for state in [*presets(scene), {"bin": 1, "push": -2}, {"bin": 66, "push": 2, "shift": -4}]:
        agree(scene, {"theta": theta} | state)


def test_the_bins_are_drawn_as_the_laboratory_encodes_them():
    scene = scenes.bins()
    logits, _, shares, _ = stems(scene, {"theta": 15, "push": 0})
    expected = to_logits(torch.tensor(15.0, dtype=torch.float64))
    near = slice(scenes._NEAR[0] - 1, scenes._NEAR[1])
    torch.testing.assert_close(logits - logits.mean(), expected[near] - expected[near].mean())
    torch.testing.assert_close(shares, expected.softmax(0)[near])
    assert 1 - shares.sum() < 1e-2  # what is not drawn has next to no share
    axis = scene.panels[0].y
    lowest, *_ = stems(scene, {"theta": -15, "shift": -4, "bin": 47, "push": -2})
    assert axis.start < lowest.min()
    shifted, _, same, _ = stems(scene, {"theta": 15, "shift": 3, "push": 0})
    torch.testing.assert_close(shifted, logits + 3)
    torch.testing.assert_close(same, shares)
    pushed, alone, *_ = stems(scene, {"theta": 15, "bin": 26, "push": 1.5})
    assert (pushed - logits).nonzero().flatten().tolist() == [6]
    assert alone.nonzero().flatten().tolist() == [6] and alone[6] == pushed[6]
    expected[41] += 2
    _, _, after, coloured = stems(scene, {"theta": 15, "bin": 42, "push": 2})
    torch.testing.assert_close(after, expected.softmax(0)[near])
    place = 41 - near.start
    assert coloured.nonzero().flatten().tolist() == [place] and coloured[place] == after[place]
    # A share that is higher than the axis is written there, and only such a one.
    (over,) = (mark for mark in scene.panels[1].marks if isinstance(mark, Text))
    top = scene.panels[1].y.stop
    for state in [*presets(scene), {"theta": 1.5, "bin": 34, "push": 2}]:
        *_, share = stems(scene, state)
        height = value(scene, over.place[1], state)
        assert (height == top) if share.max() > top else math.isnan(height)
    assert share.max() > 0.45


def test_which_bin_is_pushed_and_by_how_much_stand_side_by_side():
    names = [symbol.name for symbol in scenes.bins().controls]
    assert names[:2] == ["bin", "push"]  # so that no row ends between them


def test_a_shift_of_all_bins_costs_most_and_turns_nothing():
    scene = scenes.bins()
    _, all_bins, far, near = (shown(scene, state)[-2:] for state in presets(scene))
    assert all_bins[0] == pytest.approx(16)
    assert far[0] == near[0] == pytest.approx(4 / 66)
    assert all_bins[1] < 1e-3 < far[1] + 1e-3
    assert near[1] > 1
    assert near[1] > 10 * far[1]


# A log that is read


# Log of the heads' six parts: antgroup/ditto-talkinghead, issue 83, epoch 9.
DITTO = {
    "scale": (0.2695, 0.5878),
    "pitch": (0.2857, 0.6038),
    "yaw": (0.2534, 0.5427),
    "roll": (0.2532, 0.5589),
    "t": (0.1017, 0.178),
    "exp": (0.3013, 0.671),
}
SLOW = 4 * math.sin(math.pi / 48) ** 2
"""V / P of a wave that takes 48 frames."""
IMPOSSIBLE = [(4, 0), (0, 16), (2, 0), (2, 16), (3.3, 1.1), (1, 0.99), (1, 4.01), (4, 15.99)]
"""V / P and A / P of no steady error."""


def ratios(log):
    return dict(zip(("V_P", "A_P"), log, strict=True))


def marks_of(scene, kind):
    return [mark for panel in scene.panels for mark in panel.marks if isinstance(mark, kind)]


@pytest.fixture(scope="module")
def reader():
    return logs.reader({"yaw": (0.44, 0.61), "exp": (1.2, 2.5)}, {"walk": (0.02, 0.03)})


@pytest.fixture
def undrawn(monkeypatch):
    """Scenes of which only the declaration is made: of the reader, that is a tenth of the time."""
    monkeypatch.setattr(Scene, "__post_init__", lambda scene: None)


def test_what_is_read_off_a_log_is_what_torch_says(reader):
    assert len(presets(reader)) == 6
    edges = [(0, 0), (1.2, 1.44), (1.2, 4.8), (2, 4), (3.3, 13.2), *IMPOSSIBLE]
    for state in [*presets(reader), *map(ratios, edges)]:
        agree(reader, state)


def test_noise_has_nothing_in_common_and_a_tremble_changes_its_sign(reader):
    _, noise, tremble, *_ = presets(reader)
    assert shown(reader, noise) == pytest.approx([0, 0, 1 / 3])
    assert shown(reader, tremble) == pytest.approx([-1, 1, 1])


def test_an_error_with_memory_is_read_back_from_its_ratios(reader, generator):
    error = torch.randn(40_000, generator=generator, dtype=torch.float64)
    for at in range(1, len(error)):
        error[at] += 0.7 * error[at - 1]
    clips = error[None, :, None]
    terms = pva_loss(clips, torch.zeros_like(clips), parts={"x": (0, 1, 1.0)}).terms
    state = {f"{letter}_P": (terms[f"x_{letter}"] / terms["x_P"]).item() for letter in "VA"}
    *alike, most = shown(reader, state)
    assert alike == pytest.approx([0.7, 0.49], abs=0.02)
    # What trembles of it, by the tones next to half the frame rate.
    power = torch.fft.rfft(error).abs().square()
    assert power[-2000:].sum() / power.sum() < most


@pytest.mark.parametrize(
    "log",
    [
        (2, 6), (4, 16), (0, 0), (SLOW, SLOW**2), (0.02, 0.03), (1, 1.05), (1.2, 3), (2.8, 8.2),
        (0.5, 1.5), *DITTO.values(),
    ],
)  # fmt: skip
def test_the_error_that_is_drawn_would_log_what_is_read(reader, log):
    (mark,) = marks_of(reader, Stems)
    assert mark.span == (1, 2 * logs._TONES)
    (bars,) = stems(reader, ratios(log))
    # Differences of a wave that goes on as it began.
    p = bars.square().mean().item()
    v = (bars - bars.roll(1)).square().mean().item() / p
    a = (bars - 2 * bars.roll(1) + bars.roll(2)).square().mean().item() / p
    assert p == pytest.approx(1)
    assert (v, a) == pytest.approx(log, rel=0.04, abs=1e-7)
    axis = reader.panels[-1].y
    assert axis.start < bars.min() and bars.max() < axis.stop


def test_the_drawn_tremble_is_up_and_down(reader):
    (bars,) = stems(reader, ratios((4, 16)))
    torch.testing.assert_close(bars.abs(), torch.ones_like(bars), atol=1e-3, rtol=0)
    assert (bars[1:] * bars[:-1] < 0).all()


def test_where_no_steady_error_logs_this_nothing_is_drawn_and_the_panel_says_so(reader):
    *names, words = marks_of(reader, Text)
    assert [name.template for name in names] == ["yaw", "exp", "walk"]
    assert words.template == "no steady error logs this"
    (here,) = (mark for mark in marks_of(reader, Dots) if mark.label == "chosen")

    def drawn(log):
        state = ratios(log)
        said, dot = (
            [value(reader, at, state) for at in place] for place in (words.place, *here.places)
        )
        (bars,) = stems(reader, state)
        return [all(map(math.isfinite, place)) for place in (said, dot, bars.tolist())]

    for log in IMPOSSIBLE:
        assert drawn(log) == [True, False, False]
        assert stems(reader, ratios(log))[0].isnan().all()
        assert all(map(math.isnan, shown(reader, ratios(log))))
    for log in ((4, 16), (0, 0), (2, 4), (2, 8), (1.2, 1.44), *DITTO.values()):
        assert drawn(log) == [False, True, True]
        assert max(map(abs, shown(reader, ratios(log)))) <= 1 + 1e-9


def test_the_motion_itself_has_its_dots_and_its_buttons(reader, undrawn):
    names = [button.label for button in reader.buttons]
    assert names == ["dice", "flip", "yaw", "exp", "walk"]
    labels = {mark.label: mark for mark in marks_of(reader, Dots) if mark.label}
    (itself,) = labels["the motion itself"].places
    assert itself == pytest.approx((0.99, (0.03 - 6 + 8 * 0.99) / 2))
    assert "the motion itself" not in [m.label for m in marks_of(logs.reader(DITTO), Dots)]
    # Nothing covers the others, and all differ.
    assert labels["chosen"].hollow and labels["Ditto's parts"].size <= 3
    assert len({colour(mark.name) for mark in labels.values()}) == len(labels) == 3


# The same by V alone


@pytest.fixture(scope="module")
def ruler():
    return logs.ruler({"early": 0.3, "late": 0.35}, {"walk": 0.02})


def test_what_the_ruler_says_is_what_torch_says(ruler):
    assert len(presets(ruler)) == 7
    for state in [*presets(ruler), {"V_P": 0.013}, {"V_P": 3.4}]:
        agree(ruler, state)


@pytest.mark.parametrize("ratio", [0, 0.02, 0.3, 1, 2, 3.1, 4])
def test_the_error_of_the_ruler_would_log_its_ratio(ruler, ratio):
    (bars,) = stems(ruler, {"V_P": ratio})
    p = bars.square().mean().item()
    assert p == pytest.approx(1)
    found = (bars - bars.roll(1)).square().mean().item() / p
    assert found == pytest.approx(ratio, rel=0.04, abs=1e-7)
    axis = ruler.panels[-1].y
    assert axis.start < bars.min() and bars.max() < axis.stop


def test_every_epoch_has_a_dot_on_the_ruler_and_a_name_and_an_arrow_to_the_next(ruler):
    labels = {mark.label: mark for mark in marks_of(ruler, Dots) if mark.label}
    assert [x for x, _ in labels["Ditto's face"].places] == [0.3, 0.35]
    assert [x for x, _ in labels["ours"].places] == [0.02]
    names = {mark.template: mark.place[0] for mark in marks_of(ruler, Text)}
    assert (names["early"], names["late"], names["walk"]) == (0.3, 0.35, 0.02)
    assert (names["offset"], names["dice"], names["flip"]) == (0, 2, 4)
    (arrow,) = marks_of(ruler, Arrow)
    assert arrow in ruler.panels[1].marks and arrow.start[0] == 0.3
    assert arrow.start[0] + arrow.by[0] == pytest.approx(0.35)
    buttons = ["offset", "dice", "flip", "early", "late", "walk"]
    assert [button.label for button in ruler.buttons] == buttons
    # One epoch alone has its name over its dot, and no arrow.
    alone = logs.ruler({"only": 0.3})
    (name,) = (mark for mark in marks_of(alone, Text) if mark.template == "only")
    assert name.anchor == "middle" and name.place[0] == 0.3 and not marks_of(alone, Arrow)
    # Your own dot is in the enlarged part while it is there.
    ((across, _),) = [mark for mark in ruler.panels[1].marks if isinstance(mark, Dots)][-1].places
    assert value(ruler, across, {"V_P": 0.3}) == 0.3
    assert value(ruler, across, {"V_P": 1}) == 1 and math.isnan(value(ruler, across, {"V_P": 1.01}))


def test_other_parts_of_the_log_have_a_dot_and_neither_name_nor_button(reader, undrawn):
    more = logs.reader({"exp": (1.2, 2.5)}, others=[(0.44, 0.61)])
    of = [{mark.label: mark for mark in marks_of(r, Dots)}["Ditto's parts"] for r in (reader, more)]
    assert sorted(of[0].places) == sorted(of[1].places)
    assert [button.label for button in more.buttons] == ["dice", "flip", "exp"]


@pytest.mark.parametrize(
    ("log", "shown_there"), [((0.2, 0.5), True), ((2, 6), False), ((4, 16), False)]
)
def test_your_log_is_drawn_in_the_corner_while_it_is_there(reader, log, shown_there):
    corner = reader.panels[1]
    mark = [mark for mark in corner.marks if isinstance(mark, Dots)][-1]
    ((across, up),) = mark.places
    found = value(reader, across, ratios(log)), value(reader, up, ratios(log))
    assert math.isfinite(found[0]) == shown_there
    if shown_there:
        assert found == pytest.approx((0.9, (0.5 - 6 + 7.2) / 2))
        assert (
            corner.x.start < found[0] < corner.x.stop and corner.y.start < found[1] < corner.y.stop
        )


# Heads


def test_heads_turn_over_the_truth_and_the_sentence_counts_the_frames():
    talker, mesh = load_talking_head(), load_face_mesh()
    euler = talker.euler[:12]
    faces = {"prediction": outline(euler + 3, mesh), "position": outline(euler, mesh)}
    yaw = {"ground truth": euler[:, 1].tolist(), "prediction": (euler[:, 1] + 3).tolist()}
    truth = outline(euler, mesh)
    scene = scenes.heads(
        "two", "Two heads", faces, yaw, truth=truth, fps=24.0, span=(-20.0, 20.0),
        sentence="Frame {frame} of 12.",
    )  # fmt: skip
    (control,) = scene.controls.values()
    assert (control.start, control.stop, control.fps) == (1, 12, 24)
    assert shown(scene, {"frame": 7}) == [7]
    for panel, face in zip(scene.panels, faces.values(), strict=False):
        beneath, above = (mark.table for mark in panel.marks if isinstance(mark, Clip))
        assert np.array_equal(beneath, truth)
        assert np.array_equal(above, face)
    labels = {m.look: m.label for m in scene.panels[-1].marks if isinstance(m, Line) and m.label}
    assert labels == {"ground truth": "truth", "prediction": "prediction"}
    legend = scene.markup.partition("</figcaption>")[0]
    assert legend.count('class="entry"') == 2 and "stroke-dasharray" not in legend
    steps = scenes.heads(
        "steps", "Steps", faces, yaw, truth=truth, fps=24.0, span=(-20.0, 20.0), steps=True
    )
    assert len({panel._margin() for panel in steps.panels[-2:]}) == 1
    silent = scenes.heads("one", "One", faces, yaw, truth=truth, fps=24.0, span=(-20.0, 20.0))
    assert silent.sentences == []


@pytest.mark.parametrize("clip", [0, 300])
def test_a_clip_is_drawn_with_its_points_and_numbers_that_do_not_move(clip):
    heads = load_sign_heads()
    scene = scenes.anatomy(heads, load_face_mesh(), clip)
    count = int((heads.clip == clip).sum())
    (control,) = scene.controls.values()
    assert (control.start, control.stop) == (1, count)
    face, points = (mark.table for mark in scene.panels[0].marks)
    assert face.shape[0] == points.shape[0] == count
    assert points.shape[1] == 21
    assert shown(scene, {}) == SHOWN["anatomy"]({}) == []
    for panel in scene.panels[1:]:
        looks = {kind: [m.look for m in panel.marks[1:] if isinstance(m, kind)]
                 for kind in (Line, Text)}  # fmt: skip
        assert looks[Line] == looks[Text]
        heights = sorted(m.place[1] for m in panel.marks if isinstance(m, Text))
        lines = sorted(m.places[-1][1] for m in panel.marks[1:] if isinstance(m, Line))
        size = panel.y.stop - panel.y.start
        assert (np.diff(heights) > 0.08 * size).all()
        assert np.mean(heights) == pytest.approx(np.mean(lines), abs=1e-2)
        assert np.abs(np.subtract(heights, lines)).max() < 0.16 * size
