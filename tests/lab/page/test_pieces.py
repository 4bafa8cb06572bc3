import numpy as np
import pytest
import sympy

from lossbook.hands import symbolic as hands
from lossbook.lab.page.formulas import derivative, evaluate
from lossbook.lab.page.pieces import gradient_pieces, pieces
from lossbook.landmarks import symbolic as landmarks

x, w, epsilon, beta = landmarks.x, landmarks.w, landmarks.epsilon, landmarks.beta
VALUES = {w: 7, epsilon: sympy.Rational(1, 5), beta: 2, hands.theta_gt: 1, hands.c: 3}
FORMULAS = {
    "Wing": (landmarks.WING, x),
    "SmoothL1": (landmarks.SMOOTH_L1, x),
    "axis-angle": (hands.AXIS_ANGLE_DISTANCE, hands.theta),
    "weighted L1": (hands.WEIGHTED_L1, hands.x),
    "hinge": (sympy.Max(0, 1 - x) + sympy.Min(x, w) ** 2, x),
    "steps": (sympy.Heaviside(x - 2) + sympy.sign(x**2 - 9), x),
}
each_formula = pytest.mark.parametrize(("expr", "variable"), FORMULAS.values(), ids=FORMULAS)


def limits(parts, cut, cuts):
    """Both one-sided limits, each from the middle of its piece."""
    f = evaluate(parts.formula.subs(VALUES), [parts.variable, parts.inside])
    edges = sorted({-50.0, 50.0, *cuts})
    i = edges.index(cut)
    left, right = (edges[i - 1] + cut) / 2, (cut + edges[i + 1]) / 2
    return float(f(cut, left)), float(f(cut, right))


@each_formula
@pytest.mark.parametrize("taken", [pieces, gradient_pieces])
def test_both_limits_at_every_break_are_those_of_sympy(expr, variable, taken):
    parts = taken(expr, variable)
    original = (expr if taken is pieces else derivative(expr, variable)).subs(VALUES)
    exact = {sympy.sympify(b).subs(VALUES) for b in parts.breaks}
    cuts = [float(b) for b in exact]
    assert cuts or parts.formula == 0
    near = sympy.Rational(1, 10**9)
    for cut in exact:
        found = limits(parts, float(cut), cuts)
        expected = [original.subs(variable, cut + side * near).evalf(30) for side in (-1, 1)]
        np.testing.assert_allclose(found, [float(e) for e in expected], atol=1e-6)


@each_formula
def test_inside_its_own_piece_the_formula_is_unchanged(expr, variable):
    parts = pieces(expr, variable)
    grid = np.linspace(-12, 12, 97) + 0.01
    split = evaluate(parts.formula.subs(VALUES), [parts.variable, parts.inside])(grid, grid)
    np.testing.assert_allclose(split, evaluate(expr.subs(VALUES), [variable])(grid), rtol=1e-14)


@pytest.mark.parametrize(("sharpness", "slope"), [(2, 5), (sympy.Rational(1, 5), 50)])
def test_gradient_of_wing_jumps_by_exactly_w_over_epsilon_on_either_side_of_zero(sharpness, slope):
    parts = gradient_pieces(landmarks.WING.subs({w: 10, epsilon: sharpness}), x)
    at_zero = evaluate(parts.formula, [parts.variable, parts.inside])
    assert at_zero(0, -1) == -slope
    assert at_zero(0, 1) == slope


def test_breaks_are_formulas_that_move_with_the_parameters():
    assert {w, -w, sympy.S.Zero} <= set(pieces(landmarks.WING, x).breaks)
    assert pieces(hands.POSE_DISTANCE, hands.theta).breaks == ()


def test_breaks_of_a_sum_are_those_of_its_parts():
    point, k = sympy.IndexedBase("p"), sympy.Symbol("k", integer=True)
    total = sympy.Sum(sympy.Abs(x - point[k]), (k, 1, 3))
    assert set(pieces(total, x).breaks) == {point[1], point[2], point[3]}


def test_a_pole_is_a_break():
    assert pieces(1 / (x - w), x).breaks == (w,)


def test_a_condition_without_a_simple_solution_needs_its_breaks_named():
    waves = sympy.Piecewise((1, sympy.sin(x) > 0), (0, True))
    with pytest.raises(ValueError, match="name the breaks"):
        pieces(waves, x)
    assert pieces(waves, x, (sympy.S.Zero, sympy.pi)).breaks == (sympy.S.Zero, sympy.pi)


def test_a_sum_must_not_count_with_what_is_drawn_along():
    k = sympy.Symbol("k", integer=True)
    with pytest.raises(ValueError, match="a sum counts with k"):
        pieces(sympy.exp(k) / sympy.Sum(sympy.exp(k), (k, 1, 3)), k, (sympy.S.Zero,))
