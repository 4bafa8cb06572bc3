"""Numbers that follow from one another, and places that are numbered."""

import re

import numpy as np
import pytest
import sympy

from lossbook.lab.page.formulas import evaluate
from lossbook.lab.page.javascript import javascript
from lossbook.lab.page.objects import Axis, Panel, Path, Range, Recurrence, Scene
from lossbook.lab.page.program import Program

u = sympy.Symbol("u", real=True)
k = sympy.Symbol("k", integer=True)
a, b = sympy.IndexedBase("a"), sympy.IndexedBase("b")
TURN = Recurrence({a: u, b: 0}, {a: a[k] - b[k] / 10, b: b[k] + a[k] / 10 + k}, k, 9)


def turned(start, count):
    """Entries of both, by a loop."""
    rows = [(start, 0.0)]
    for step in range(1, count):
        x, y = rows[-1]
        rows.append((x - y / 10, y + x / 10 + step))
    return np.array(rows)


def drawn(mark, **more):
    axis = Axis(-40, 40)
    made = Scene("small", "Small", {u: Range(-2, 2, 1)}, [Panel([mark], axis, axis)], **more)
    return made.markup


def points(path):
    return np.array(re.findall(r"[ML](-?[\d.]+),(-?[\d.]+)", path), dtype=float)


def test_what_recurs_is_an_array_that_formulas_use_and_that_moves():
    program = Program({u: 1.5}, {}, {}, [TURN])
    expected = turned(1.5, 9)
    for index in (1, 2, 9):
        found = [program.value(base[index]) for base in (a, b)]
        np.testing.assert_allclose(found, expected[index - 1], rtol=1e-15)
    assert program.value(sympy.Sum(b[k], (k, 1, 9))) == pytest.approx(expected[:, 1].sum())
    assert program.moves(a[3]) and not program.moves(k, 3)


def test_a_later_recurrence_uses_an_earlier_one():
    c = sympy.IndexedBase("c")
    total = Recurrence({c: a[1]}, {c: c[k] + a[k + 1]}, k, 9)
    program = Program({u: 1.5}, {}, {}, [TURN, total])
    assert program.value(c[9]) == pytest.approx(turned(1.5, 9)[:, 0].sum())


def test_numbered_places_are_joined_or_dotted():
    (way,) = re.findall(
        r' d="(M[^"]*L[^"]*)"', drawn(Path((a[k], b[k]), k, (1, 9)), recurrences=[TURN])
    )[-1:]
    expected = turned(1, 9)
    found = points(way)
    scale = np.polyfit(expected[:, 1], found[:, 1], 1)
    np.testing.assert_allclose(np.polyval(scale, expected[:, 1]), found[:, 1], atol=0.06)
    dots = drawn(Path((a[k], b[k]), k, (2, 4), size=3), recurrences=[TURN])
    assert dots.count("a3,3 0 1 0 6,0") == 3


def test_a_place_that_is_no_number_is_a_gap():
    even = sympy.Piecewise((k, sympy.Eq(sympy.Mod(k, 2), 0)), (sympy.nan, True))
    assert drawn(Path((even, u), k, (1, 8), size=3)).count("a3,3 0 1 0 6,0") == 4
    broken = sympy.Piecewise((k, sympy.Ne(k, 5)), (sympy.nan, True))
    (way,) = re.findall(r' d="(M[^"]*L[^"]*)"', drawn(Path((broken, u), k, (1, 8))))[-1:]
    assert way.count("M") == 2 and way.count("L") == 5


def test_a_span_may_move():
    way = drawn(Path((k, 0), k, (0, sympy.floor(u))))
    assert '["path",0,0,' in way and "recurrences" not in way


def test_what_recurs_needs_a_start_and_a_step_for_each():
    with pytest.raises(ValueError, match="a start and a step for each"):
        Recurrence({a: 0, b: 0}, {a: a[k]}, k, 4)
    with pytest.raises(ValueError, match="unknown symbols"):
        Program({u: 1}, {}, {}, [Recurrence({a: 0}, {a: a[k - 1]}, k, 4)])


def test_no_number_and_infinity_are_javascripts():
    formula = sympy.Piecewise((sympy.nan, u < 0), (sympy.oo, u < 1), (u, True))
    code = javascript(formula, {u: "u"})
    assert "NaN" in code and "Infinity" in code
    assert np.isnan(evaluate(formula, [u])(-1)) and np.isinf(evaluate(formula, [u])(0.5))
