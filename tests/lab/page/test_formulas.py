import numpy as np
import pytest
import sympy

from lossbook.lab.page.formulas import derivative, equation, evaluate

x, w, epsilon = sympy.symbols("x w epsilon")
WING = sympy.Piecewise(
    (w * sympy.log(1 + sympy.Abs(x) / epsilon), sympy.Abs(x) < w),
    (sympy.Abs(x) - w + w * sympy.log(1 + w / epsilon), True),
)


def test_equation_is_typeset_and_has_a_plain_text():
    shown = equation(r"\ell(x)", x**2 / 2)
    assert shown._repr_latex_() == r"$$\ell(x) = \frac{x^{2}}{2}$$"
    assert repr(shown) == r"\ell(x) = x**2/2"


@pytest.mark.parametrize(
    ("expr", "at", "slope"),
    [
        (sympy.Abs(x), -3.0, -1.0),
        (sympy.Abs(x), 0.0, 0.0),
        (sympy.sign(x) * x**2, -3.0, 6.0),
        (sympy.Max(x, 0), 2.0, 1.0),
        (sympy.Max(x, 0), -2.0, 0.0),
        (sympy.Heaviside(x), 0.0, 0.0),
        (sympy.sqrt(x**2 + 9), 4.0, 0.8),
        (WING.subs({w: 10, epsilon: 2}), 3.0, 10 / 5),
    ],
)
def test_derivative_exists_almost_everywhere_for_symbols_without_assumptions(expr, at, slope):
    assert evaluate(derivative(expr, x), [x])(at) == pytest.approx(slope)


def test_derivative_that_sympy_does_not_know_is_an_error():
    with pytest.raises(ValueError, match="no derivative"):
        derivative(sympy.Function("f")(x), x)


def test_a_constant_is_evaluated_over_the_whole_grid():
    np.testing.assert_array_equal(evaluate(sympy.Integer(3), [x])(np.zeros(4)), np.full(4, 3.0))


def test_entries_of_an_array_count_from_one():
    point, k = sympy.IndexedBase("p"), sympy.Symbol("k", integer=True)
    total = sympy.Sum((x - point[k]) ** 2, (k, 1, 3))
    values = evaluate(total, [x], {point: [1, 2, 4]})(np.array([0.0, 1.0]))
    np.testing.assert_array_equal(values, [21, 10])
