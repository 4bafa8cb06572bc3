"""The chapter's objects to move say what torch says, before a browser moves them."""

import numpy as np
import pytest
import sympy as sp
import torch
from objects_at import At, agree, marks, presets
from objects_inversion import flowed, schedule

from lossbook.inversion import SigmoidTaskWeights, UncertaintyWeights, symbolic
from lossbook.lab.inversion import scenes
from lossbook.lab.page.objects import Curve, Dots, Handle, Line
from lossbook.lab.page.pieces import pieces
from lossbook.lab.run.devices import threads


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    with threads(1):
        yield


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
    {"L_pixel": pixel, "L_feat": feat, "step": step, "adam": 0}
    for pixel, feat, step in [
        (0.1, 4, 300), (0.01, 10, 1), (0.01, 10, 10_000), (10, 0.01, 10_000), (1, 1, 37.2),
        (0.01, 0.01, 500),
    ]
]  # fmt: skip


@pytest.mark.parametrize("state", [*LEARNED, *({**state, "adam": 1} for state in LEARNED)])
def test_what_is_shown_of_learned_weights_is_what_torch_says(learned, state):
    agree(learned, state)


@pytest.mark.parametrize("alone", [0, 1])
@pytest.mark.parametrize("state", LEARNED[:4])
def test_the_curves_are_the_flow_at_every_time(learned, state, alone):
    """Of weight times loss, and where it is chosen of the weight."""
    losses, at = (state["L_pixel"], state["L_feat"]), At(learned, state | {"alone": alone})
    for panel, kind in zip(learned.panels, (SigmoidTaskWeights, UncertaintyWeights), strict=True):
        lines = [mark for mark in panel.marks if isinstance(mark, Line)][1:]
        for line, loss in zip(lines, losses, strict=True):
            found = at.places(line)
            assert (found.diff(dim=0)[:, 0] > 0).all()
            inside = found[found[:, 0] <= 10_000]
            # The curve begins at the left edge and ends at the right one.
            assert found[0, 0] <= 1 and found[-1, 0] >= 10_000
            some = inside[:: max(1, len(inside) // 4)]
            expected = flowed(kind(("one",)), {"one": loss}, some[:, 0].tolist())
            expected = torch.tensor(expected, dtype=torch.float64)[:, 0] * loss ** (1 - alone)
            torch.testing.assert_close(some[:, 1], expected, atol=0, rtol=1e-9)
    for panel, told in zip(learned.panels, (slice(1, 3), slice(3, 5)), strict=True):
        dots = [mark for mark in panel.marks if isinstance(mark, Dots)]
        for dot, weight, loss in zip(dots, at.shown()[told], losses, strict=True):
            ((across, up),) = at.places(dot).tolist()
            assert (across, up) == (
                pytest.approx(state["step"]),
                pytest.approx(weight * loss ** (1 - alone)),
            )
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
    assert At(learned, state).shown()[1:5] == pytest.approx(found, rel=close)


@pytest.mark.parametrize("losses", [(0.1, 3.0), (0.01, 10.0)])
def test_with_adam_both_weights_are_one_curve_which_torch_draws(losses):
    weights = SigmoidTaskWeights()
    terms = dict(zip(("pixel", "feat"), map(torch.tensor, losses), strict=True))
    optimizer = torch.optim.Adam(weights.parameters(), lr=scenes.ADAM_RATE)
    steps, kept = scenes.under_adam()
    for step in range(1, 3001):
        optimizer.zero_grad()
        weights(terms).backward()
        optimizer.step()
        if step in (10, 100, 1000, 3000):
            found = [weights(terms).weights[name].item() for name in terms]
            kept_here = np.exp(np.interp(np.log(step), np.log(steps), np.log(kept)))
            assert found == pytest.approx([kept_here] * 2, rel=2e-3)
    last = [scenes.under_adam(loss)[1][-1] for loss in losses]
    assert last == pytest.approx([kept[-1]] * 2, rel=0.02) and kept[-1] < 0.01


def test_documented_weights_decay_and_kendalls_come_to_rest(learned):
    before, after = (At(learned, {"step": step}).shown() for step in (1000, 10_000))
    assert after[1] < before[1] / 5 and after[2] < before[2] / 5
    assert before[3:5] == pytest.approx(before[5:7]) and after[3:5] == pytest.approx(after[5:7])
    # Both shares come to be equal: 1 / (rate * step) each, and a half each.
    assert after[7:9] == pytest.approx([1e-3] * 2, rel=0.1)
    assert after[9:] == pytest.approx([0.5, 0.5])


# λ(u) --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=[True, False])
def composed(request):
    return scenes.schedules(documented=request.param)


def chosen(scene):
    """Every schedule that the scene has, with three of its shapes."""
    (options,) = [c.options for s, c in scene.controls.items() if s.name == "schedule"]
    return [
        {"schedule": number, "k": k, "t_mid": middle, "k_width": width, "L_feat": feat}
        for number in range(len(options))
        for k, middle, width, feat in [
            (10, 0.5, 0.1, 10),
            (1, 0.1, 0.02, 0.01),
            (20, 0.9, 0.3, 1000),
        ]
    ]


def of_torch(scene, state, share):
    return schedule(At(scene, state).state, share)


def test_what_is_shown_of_a_schedule_is_what_torch_says(composed):
    for state in [*presets(composed), *chosen(composed)]:
        for time in (0, 0.2, 0.32, 0.33, 0.5, 0.66, 0.67, 1):
            agree(composed, {**state, "time": time})


def test_the_curve_is_the_schedule_with_both_limits_where_it_jumps(composed):
    (curve,) = marks(composed, Curve)
    parts = pieces(curve.expr, curve.variable)
    breaks = [float(edge) for edge in parts.breaks if edge.is_number]
    assert sorted(breaks) == pytest.approx([0.33, 0.67])
    for state in chosen(composed):
        at = At(composed, state)
        whole = at.program.curve(parts).f
        for share in (0, 0.1, 0.3299, 0.33, 0.3301, 0.5, 0.6699, 0.67, 0.7, 1):
            found = whole(share, share)
            assert found == pytest.approx(of_torch(composed, state, share), abs=1e-12)
            assert composed.panels[0].y.start <= found <= composed.panels[0].y.stop
        limits = [whole(end, inside)
                  for end, insides in ((0.33, (0.2, 0.4)), (0.67, (0.5, 0.8)))
                  for inside in insides]  # fmt: skip
        assert at.shown()[4:] == pytest.approx(limits, abs=1e-12)
        jumps = [limits[1] - limits[0], limits[3] - limits[2]]
        if composed.name == "more-schedules":
            assert jumps == pytest.approx([0, 0], abs=1e-12)
        elif state["schedule"] == 0:
            assert jumps == pytest.approx([0.4, 0.5])
        else:  # downwards at the first, unless the sigmoids are so broad that they hardly bend
            assert (jumps[0] < 0) == (state["k_width"] < 0.2) and jumps[1] > 0


def test_the_point_is_on_the_curve_at_every_time(composed):
    (handle,) = marks(composed, Handle)
    for state in chosen(composed):
        for time in (0, 0.33, 0.5, 0.67, 1):
            at = At(composed, {**state, "time": time})
            found = [at.value(along) for along in (handle.x, handle.y)]
            assert found == pytest.approx([time, of_torch(composed, state, time)], abs=1e-12)


def test_of_the_documented_widths_the_pieces_are_those_of_the_chapter(composed):
    smooth = composed.name == "more-schedules"
    formula = symbolic.SMOOTH_SCHEDULE if smooth else symbolic.COMBINED_SCHEDULE
    (curve,) = marks(composed, Curve)
    exact = sp.lambdify(symbolic.share, formula, "math")
    for share in (0, 0.2, 0.4, 0.6, 0.8, 1):
        state = {"schedule": 2 if smooth else 1, "k_width": 0.1}
        found = At(composed, state).value(curve.expr.subs(curve.variable, share))
        assert found == pytest.approx(exact(share), abs=1e-12)


def test_narrow_pieces_fall_where_the_second_stage_begins():
    scene = scenes.schedules()
    first, narrow, wide = (At(scene, state).shown()[4:6] for state in presets(scene))
    assert first == narrow and narrow[0] - narrow[1] > 0.08 > 0.01 > wide[0] - wide[1] > 0
