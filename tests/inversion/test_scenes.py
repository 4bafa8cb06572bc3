"""The chapter's objects to move say what torch says, before a browser moves them."""

from functools import cache
from string import Formatter

import pytest
import sympy as sp
import torch
from objects_inversion import SHOWN, flowed, of_feature, schedule, vector

from lossbook.inversion import SigmoidTaskWeights, UncertaintyWeights, symbolic
from lossbook.lab.inversion import scenes
from lossbook.lab.page.formulas import derivative, evaluate
from lossbook.lab.page.objects import Arrow, Curve, Dots, Handle, Line, Text
from lossbook.lab.page.pieces import pieces
from lossbook.lab.page.strokes import minimum
from lossbook.lab.run.devices import threads


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    with threads(1):
        yield


# What the page says ------------------------------------------------------------------------------


@cache
def function(formula, symbols):
    return evaluate(formula, symbols)


def state_of(scene, state):
    """The values of all symbols by symbol, minima among them."""
    known = {symbol: state.get(symbol.name, c.value) for symbol, c in scene.controls.items()}
    for symbol, least in scene.minima.items():
        known[symbol] = place_of(least, known)
    return known


def place_of(least, known):
    """Where a formula is least, found as the first picture finds it."""
    made = []
    for whole in minimized(least.expr, least.variable, tuple(known)):
        numbers = tuple(known.values())
        made.append(lambda x, m, whole=whole, numbers=numbers: float(whole(x, m, *numbers)))
    return minimum(*made, [], (least.start, least.stop))


@cache
def minimized(formula, variable, symbols):
    parts = [pieces(one, variable) for one in (formula, derivative(formula, variable))]
    return [function(part.formula, (part.variable, part.inside, *symbols)) for part in parts]


def value(scene, formula, state):
    """A formula of a scene where its symbols have these values."""
    return values_of(scene, [formula], state)[0]


def values_of(scene, formulas, state):
    known = state_of(scene, state)
    return [float(function(sp.sympify(f), tuple(known))(*known.values())) for f in formulas]


def shown(scene, state):
    """The moving numbers of a scene, in the order in which they stand on the page."""
    told = [(mark.template, mark.values) for mark in marks(scene, Text)]
    told += [sentence for sentence in scene.sentences if not isinstance(sentence, str)]
    live = {*scene.controls, *scene.minima}
    formulas = [
        values[name]
        for template, values in told
        for _, name, _, _ in Formatter().parse(template)
        if name and live & sp.sympify(values[name]).free_symbols
    ]
    return values_of(scene, formulas, state)


def marks(scene, kind):
    return [mark for panel in scene.panels for mark in panel.marks if isinstance(mark, kind)]


def places(scene, mark, state):
    numbers = values_of(scene, [along for place in mark.places for along in place], state)
    return torch.tensor(numbers, dtype=torch.float64).reshape(-1, 2)


def agree(scene, state):
    full = {symbol.name: control.value for symbol, control in scene.controls.items()} | state
    expected = torch.as_tensor(SHOWN[scene.name](full), dtype=torch.float64)
    found = torch.tensor(shown(scene, state), dtype=torch.float64)
    torch.testing.assert_close(found, expected, atol=1e-9, rtol=1e-9)


def presets(scene):
    """The first state, and those of the buttons."""
    return [{}, *({s.name: v for s, v in button.sets.items()} for button in scene.buttons)]


# A feature on its circle -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def circle():
    return scenes.circle()


NAMES = tuple(scenes.LOOKS)
PLACES = [
    {"angle": angle, "r": length, "tau": tau}
    for angle, length, tau in [
        (0, 1, 0.1), (0, 1.8, 0.05), (-180, 0.4, 1), (180, 1.8, 0.05), (75, 1.4, 0.1),
        (-30, 0.4, 0.05), (110, 1, 0.05), (151, 1, 1), (20, 1, 0.07), (-98, 0.65, 0.3),
    ]
]  # fmt: skip
MOVED = [*PLACES, {"n1": -180, "n2": 179}, {"n1": 0, "n2": -179}, {"n1": 180, "n2": -1, "angle": 0}]


def arrows(scene, state):
    """Where the arrows of the losses begin, and how far they go; all unless `state` chooses."""
    state = {"shown": 0} | state
    return {
        name: torch.tensor(
            [[value(scene, along, state) for along in place] for place in (mark.start, mark.by)],
            dtype=torch.float64,
        )
        for name, mark in zip(NAMES, marks(scene, Arrow), strict=True)
    }


def test_what_is_shown_of_a_feature_is_what_torch_says(circle):
    for state in [*presets(circle), *MOVED]:
        agree(circle, state)


@pytest.mark.parametrize("number", range(len(NAMES) + 1))
def test_an_arrow_is_minus_the_gradient_that_torch_finds(circle, number):
    for state in MOVED[:: 1 + (number > 0)]:
        state = {"shown": number} | state
        full = {s.name: c.value for s, c in circle.controls.items()} | state
        _, pulls = of_feature(full)
        feature = vector(full["angle"], full["r"])[0]
        for order, (name, (start, by)) in enumerate(arrows(circle, state).items(), 1):
            drawn = number in (0, order)
            longer = scenes._LENGTHEN * (full["tau"] if name == "C" else 1) * drawn
            torch.testing.assert_close(by, longer * pulls[name], atol=1e-9, rtol=1e-9)
            if number == order:
                torch.testing.assert_close(start, feature)
            elif not number:  # side by side along the radius
                beside = start - feature
                assert beside.norm() < 0.2
                assert (beside @ vector(full["angle"] + 90)[0]).abs() < 1e-12


def test_what_looks_at_directions_pulls_along_the_tangent_and_less_from_afar(circle):
    for state in PLACES:
        outward = vector(state["angle"])[0]
        near, far = (arrows(circle, {**state, "r": r}) for r in (0.5, 1.5))
        for name in ("normalised L2", "A", "C"):
            assert abs(near[name][1] @ outward) < 1e-12
            torch.testing.assert_close(near[name][1], 3 * far[name][1], atol=1e-12, rtol=1e-9)
    # Right way, too long: raw L2 alone and the center pull.
    right = arrows(circle, {"angle": 0, "r": 1.8})
    assert right["raw L2"][1].tolist() == pytest.approx([-1.6 * scenes._LENGTHEN, 0])
    assert right["normalised L2"][1].abs().max() == right["A"][1].abs().max() == 0


def test_a_is_silent_where_the_margin_holds_and_c_is_not(circle):
    held = presets(circle)[1]
    full = {s.name: c.value for s, c in circle.controls.items()} | held
    values, pulls = of_feature(full)
    assert values["A"] == 0 and pulls["A"].norm() == 0 and pulls["C"].norm() > 1e-3
    found = arrows(circle, held)
    assert found["A"][1].abs().max() == 0 < found["C"][1].norm()


def test_c_looks_at_the_hardest_negative_alone_when_it_is_cold(circle):
    cold, warm = (shown(circle, {"tau": tau})[:2] for tau in (0.05, 1))
    assert cold[0] > 0.999 and 0.6 < warm[0] < 0.75
    between = shown(circle, presets(circle)[3])[:2]
    assert between == pytest.approx([0.5, 0.5], abs=0.01)
    # Times its temperature it is then A without the margin.
    pulls = arrows(circle, {"tau": 0.05, "angle": 90})
    torch.testing.assert_close(pulls["C"][1], pulls["A"][1], atol=1e-3, rtol=1e-3)


def test_no_feature_is_as_near_to_one_negative_as_to_the_other(circle):
    first, second, angle = (
        {s.name: c for s, c in circle.controls.items()}[name] for name in ("n1", "n2", "angle")
    )
    assert first.start % 2 == 0 and second.start % 2 == 1 and first.step == second.step == 2
    assert angle.start % 1 == 0 and angle.step == 1
    for button in circle.buttons:
        sets = {s.name: v for s, v in button.sets.items()}
        assert sets.get("n1", 0) % 2 == 0 and sets.get("n2", 1) % 2 == 1


def test_the_feature_and_the_negatives_are_dragged_and_have_names(circle):
    handles = marks(circle, Handle)
    assert [h.title or h.label for h in handles] == ["negative 1", "negative 2", "feature"]
    assert [[s.name for s in h.moves] for h in handles] == [["n1"], ["n2"], ["angle", "r"]]
    limit = circle.panels[0].x.stop
    assert max(c.stop for s, c in circle.controls.items() if s.name == "r") < limit
    assert limit > 1.4  # the names of the negatives


# Weights that are learned ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def learned():
    return scenes.task_weights()


def test_the_flow_of_a_sigmoid_weight_is_solved():
    omega, loss = symbolic.omega, symbolic.L
    slope = symbolic.SIGMOID_TASK.diff(omega)
    passed = (2 * omega + 2 * sp.sinh(omega)) / loss
    assert sp.simplify((passed.diff(omega) * slope - 1).rewrite(sp.exp)) == 0
    assert passed.subs(omega, 0) == 0


def test_the_flow_of_an_uncertainty_is_solved():
    s, loss, t, rate = symbolic.log_variance, symbolic.L, *sp.symbols("t eta", positive=True)
    found = sp.log(loss + (1 - loss) * sp.exp(-rate * t / 2))
    pace = -rate * symbolic.REGRESSION.diff(s).subs(s, found)
    assert sp.simplify(found.diff(t) - pace) == 0
    assert found.subs(t, 0) == 0
    assert sp.limit(found.subs({loss: 4, rate: 1}), t, sp.oo) == sp.log(4)


LEARNED = [
    {"L_pixel": pixel, "L_feat": feat, "step": step}
    for pixel, feat, step in [
        (0.1, 4, 300), (0.01, 10, 1), (0.01, 10, 10_000), (10, 0.01, 10_000), (1, 1, 37.2),
        (0.01, 0.01, 500),
    ]
]  # fmt: skip


@pytest.mark.parametrize("state", LEARNED)
def test_what_is_shown_of_learned_weights_is_what_torch_says(learned, state):
    agree(learned, state)


@pytest.mark.parametrize("state", LEARNED[:4])
def test_the_curves_are_the_flow_at_every_time(learned, state):
    losses = (state["L_pixel"], state["L_feat"])
    for panel, kind in zip(learned.panels, (SigmoidTaskWeights, UncertaintyWeights), strict=True):
        lines = [mark for mark in panel.marks if isinstance(mark, Line)][1:]
        for line, loss in zip(lines, losses, strict=True):
            found = places(learned, line, state)
            assert (found.diff(dim=0)[:, 0] > 0).all()
            inside = found[found[:, 0] <= 10_000]
            # The curve begins at the left edge and ends at the right one.
            assert found[0, 0] <= 1 and found[-1, 0] >= 10_000
            some = inside[:: max(1, len(inside) // 4)]
            expected = flowed(kind(("one",)), {"one": loss}, some[:, 0].tolist())
            expected = torch.tensor(expected, dtype=torch.float64)[:, 0]
            torch.testing.assert_close(some[:, 1], expected, atol=0, rtol=1e-9)
    for panel, at in zip(learned.panels, (slice(1, 3), slice(3, 5)), strict=True):
        dots = [mark for mark in panel.marks if isinstance(mark, Dots)]
        for dot, weight in zip(dots, shown(learned, state)[at], strict=True):
            ((across, up),) = places(learned, dot, state).tolist()
            assert (across, up) == (pytest.approx(state["step"]), pytest.approx(weight))
            assert panel.y.start < up < panel.y.stop


@pytest.mark.parametrize(
    ("state", "close"), [(LEARNED[0], 0.02), ({"L_pixel": 1, "L_feat": 0.25, "step": 1000}, 0.01)]
)
def test_the_flow_is_what_gradient_descent_does(learned, state, close):
    losses = {name: torch.tensor(float(state[f"L_{name}"])) for name in ("pixel", "feat")}
    found = []
    for weights in (SigmoidTaskWeights(), UncertaintyWeights()):
        optimizer = torch.optim.SGD(weights.parameters(), lr=scenes.RATE)
        for _ in range(state["step"]):
            optimizer.zero_grad()
            weights(losses).backward()
            optimizer.step()
        found += [weights(losses).weights[name].item() for name in losses]
    assert shown(learned, state)[1:5] == pytest.approx(found, rel=close)


def test_documented_weights_decay_and_kendalls_come_to_rest(learned):
    before, after = (shown(learned, {"step": step}) for step in (1000, 10_000))
    assert after[1] < before[1] / 5 and after[2] < before[2] / 5
    assert before[3:5] == pytest.approx(before[5:7]) and after[3:5] == pytest.approx(after[5:7])
    # Both shares come to be equal: 1 / (rate * step) each, and a half each.
    assert after[7:9] == pytest.approx([1e-3] * 2, rel=0.1)
    assert after[9:] == pytest.approx([0.5, 0.5])


# λ(t) --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def composed():
    return scenes.schedules()


CHOSEN = [
    {"schedule": number, "k": k, "t_mid": middle, "k_width": width, "L_feat": feat}
    for number in range(5)
    for k, middle, width, feat in [(10, 0.5, 0.1, 10), (1, 0.1, 0.02, 0.01), (20, 0.9, 0.3, 1000)]
]


def test_what_is_shown_of_a_schedule_is_what_torch_says(composed):
    for state in [*presets(composed), *CHOSEN]:
        for time in (0, 0.2, 0.32, 0.33, 0.5, 0.66, 0.67, 1):
            agree(composed, {**state, "time": time})


@pytest.mark.parametrize("state", CHOSEN)
def test_the_curve_is_the_schedule_with_both_limits_where_it_jumps(composed, state):
    (curve,) = marks(composed, Curve)
    parts = pieces(curve.expr, curve.variable)
    breaks = [float(edge) for edge in parts.breaks if edge.is_number]
    assert sorted(breaks) == pytest.approx([0.33, 0.67])
    at = {s: state.get(s.name, c.value) for s, c in composed.controls.items()}
    whole = function(parts.formula, (parts.variable, parts.inside, *at))
    for share in (0, 0.1, 0.3299, 0.33, 0.3301, 0.5, 0.6699, 0.67, 0.7, 1):
        found = float(whole(share, share, *at.values()))
        assert found == pytest.approx(schedule(state, share), abs=1e-12)
        assert composed.panels[0].y.start <= found <= composed.panels[0].y.stop
    limits = [float(whole(end, inside, *at.values()))
              for end, insides in ((0.33, (0.2, 0.4)), (0.67, (0.5, 0.8)))
              for inside in insides]  # fmt: skip
    assert shown(composed, state)[4:] == pytest.approx(limits, abs=1e-12)
    jumps = [limits[1] - limits[0], limits[3] - limits[2]]
    if state["schedule"] in (0, 1, 4):
        assert jumps == pytest.approx([0, 0], abs=1e-12)
    elif state["schedule"] == 2:
        assert jumps == pytest.approx([0.4, 0.5])
    else:  # downwards at the first, unless the sigmoids are so broad that they hardly bend
        assert (jumps[0] < 0) == (state["k_width"] < 0.2) and jumps[1] > 0


def test_the_point_is_on_the_curve_at_every_time(composed):
    (handle,) = marks(composed, Handle)
    for state in CHOSEN:
        for time in (0, 0.33, 0.5, 0.67, 1):
            full = {**state, "time": time}
            found = [value(composed, along, full) for along in (handle.x, handle.y)]
            assert found == pytest.approx([time, schedule(state, time)], abs=1e-12)


def test_of_the_documented_widths_the_pieces_are_those_of_the_chapter(composed):
    documented = {3: symbolic.COMBINED_SCHEDULE, 4: symbolic.SMOOTH_SCHEDULE}
    (curve,) = marks(composed, Curve)
    for number, formula in documented.items():
        exact = sp.lambdify(symbolic.share, formula, "math")
        for share in (0, 0.2, 0.4, 0.6, 0.8, 1):
            state = {"schedule": number, "k_width": 0.1}
            found = value(composed, curve.expr.subs(curve.variable, share), state)
            assert found == pytest.approx(exact(share), abs=1e-12)


def test_narrow_pieces_fall_where_the_second_stage_begins(composed):
    *_, narrow = presets(composed)
    left, right = shown(composed, narrow)[4:6]
    assert left - right > 0.08
