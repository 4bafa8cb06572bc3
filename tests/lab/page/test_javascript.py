import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
import sympy
import torch
from sympy.codegen.cfunctions import expm1, log1p

from lossbook.lab.page.formulas import derivative, evaluate
from lossbook.lab.page.javascript import SUM, javascript, javascript_block
from lossbook.lab.page.pieces import gradient_pieces, pieces
from lossbook.landmarks import symbolic, wing_loss

x, w, epsilon = sympy.symbols("x w epsilon")
WING = sympy.Piecewise(
    (w * sympy.log(1 + sympy.Abs(x) / epsilon), sympy.Abs(x) < w),
    (sympy.Abs(x) - w + w * sympy.log(1 + w / epsilon), True),
)
needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="needs node")


def run(program):
    code = f"console.log(JSON.stringify({program}))"
    shown = subprocess.run(["node", "-e", SUM + code], capture_output=True, text=True, check=True)
    return json.loads(shown.stdout)


FORMULAS = [
    WING,
    derivative(WING, x),
    log1p(sympy.Abs(x) / w) + expm1(-epsilon * x),
    sympy.cos(x) * sympy.exp(-w * x / 10) + sympy.sign(x) * sympy.pi,
    sympy.Max(x, w, 0) - sympy.Min(x, epsilon) + sympy.Heaviside(x) * sympy.Catalan,
    sympy.Piecewise((1, sympy.And(x > 0, x < w)), (sympy.tanh(x) + sympy.E, True)),
    sympy.sqrt(x**2 + epsilon) ** w,
]


@needs_node
@pytest.mark.parametrize("expr", FORMULAS)
def test_javascript_computes_what_lambdify_computes(expr):
    code = javascript(expr, {x: "x", w: "p0", epsilon: "p1"})
    points = [[a, b, c] for a in (-7.3, -1, 0, 0.5, 5, 20) for b in (2, 5.5) for c in (0.5, 3)]
    shown = run(f"{points}.map(([x, p0, p1]) => {code})")
    expected = evaluate(expr, [x, w, epsilon])(*np.array(points).T)
    np.testing.assert_allclose(shown, expected, rtol=1e-12, atol=1e-15)


@needs_node
def test_pieces_compute_what_torch_computes_on_either_side_of_every_break():
    inner, value = pieces(symbolic.WING, symbolic.x), {"w": 10.0, "epsilon": 0.2}
    slopes = gradient_pieces(symbolic.WING, symbolic.x)
    grid = [-25, -10, -9.5, -1e-3, 0, 1e-3, 4, 10, 24]
    sides = [(at, at + side) for at in grid for side in (-1e-9, 1e-9)]
    for parts, order in ((inner, 0), (slopes, 1)):
        names = {parts.variable: "x", parts.inside: "m", symbolic.w: "w", symbolic.epsilon: "e"}
        code = javascript(parts.formula, names)
        shown = run(f"{[list(s) for s in sides]}.map(([x, m]) => ((w, e) => {code})(10, 0.2))")
        points = torch.tensor([m for _, m in sides], dtype=torch.float64, requires_grad=True)
        loss = wing_loss(points, torch.zeros_like(points), reduction="none", **value)
        (gradient,) = torch.autograd.grad(loss.sum(), points)
        expected = (loss, gradient)[order].detach()
        # Torch is asked beside the break, by 1e-9, which changes a value by 5e-8 at most.
        np.testing.assert_allclose(shown, expected, atol=3e-7)


@needs_node
def test_a_block_computes_common_parts_once_and_sums_whole():
    point, k, j = sympy.IndexedBase("p"), *sympy.symbols("in i", integer=True)
    total = sympy.Sum(sympy.Abs(x - point[k]) * j, (k, 1, 3), (j, 1, 2))
    exprs = [total, sympy.sqrt(total**2 + w), 2 * sympy.sqrt(total**2 + w), total + (1 + w) ** 2]
    code = javascript_block(exprs, {x: "s[0]", w: "s[1]", point: "d0"})
    assert code.count("Math.sqrt") == 1 and code.count("S(1,3") == 1
    shown = run(f"[[0.5, 2], [-1, 3]].map((s) => {{const d0 = [, 1, -2, 5]; {code}}})")
    for state, row in zip(([0.5, 2], [-1, 3]), shown, strict=True):
        expected = [evaluate(e, [x, w], {point: [1, -2, 5]})(*state) for e in exprs]
        np.testing.assert_allclose(row, expected, rtol=1e-14)


def test_what_javascript_does_not_have_is_refused():
    with pytest.raises(ValueError, match="JavaScript has no erf"):
        javascript(sympy.erf(x), {x: "x"})
    with pytest.raises(ValueError, match="default condition"):
        javascript(sympy.Piecewise((x, x < 0)), {x: "x"})


@pytest.mark.spawns
def test_counters_of_one_name_keep_their_order_whatever_the_hash():
    code = (
        "import sympy\n"
        "from lossbook.lab.page.javascript import javascript\n"
        "a, b = sympy.Symbol('t', integer=True), sympy.Symbol('t', positive=True)\n"
        "s = sympy.Sum(sympy.Sum(a * b, (a, 1, 3)), (b, 1, 4))\n"
        "print(javascript(s, {}))"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | {"PYTHONHASHSEED": str(seed)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in range(4)
    }
    assert len(found) == 1
