import json
import shutil
import subprocess

import numpy as np
import pytest
import sympy
from sympy.codegen.cfunctions import expm1, log1p

from lossbook.lab.page.formulas import derivative, equation, evaluate, javascript

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


FORMULAS = [
    WING,
    derivative(WING, x),
    log1p(sympy.Abs(x) / w) + expm1(-epsilon * x),
    sympy.cos(x) * sympy.exp(-w * x / 10) + sympy.sign(x) * sympy.pi,
    sympy.Max(x, w, 0) - sympy.Min(x, epsilon) + sympy.Heaviside(x) * sympy.Catalan,
    sympy.Piecewise((1, sympy.And(x > 0, x < w)), (sympy.tanh(x) + sympy.E, True)),
    sympy.sqrt(x**2 + epsilon) ** w,
]


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
@pytest.mark.parametrize("expr", FORMULAS)
def test_javascript_computes_what_lambdify_computes(expr):
    code = javascript(expr, {x: "x", w: "p0", epsilon: "p1"})
    points = [[a, b, c] for a in (-7.3, -1, 0, 0.5, 5, 20) for b in (2, 5.5) for c in (0.5, 3)]
    program = f"console.log(JSON.stringify({points}.map(([x, p0, p1]) => {code})))"
    shown = subprocess.run(["node", "-e", program], capture_output=True, text=True, check=True)
    expected = evaluate(expr, [x, w, epsilon])(*np.array(points).T)
    np.testing.assert_allclose(json.loads(shown.stdout), expected, rtol=1e-12, atol=1e-15)
