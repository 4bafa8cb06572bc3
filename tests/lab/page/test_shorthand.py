"""Names for what many objects to move have."""

import pytest
import sympy

from lossbook.lab.page.objects import Axis, Bar, Button, Dots, Line, Panel, Text
from lossbook.lab.page.program import Program
from lossbook.lab.page.shorthand import cursor, dotted, presets, series, shares, view

u, v = sympy.symbols("u v", real=True)


def test_a_series_stands_at_whole_numbers_or_from_wherever_it_is_told():
    assert series([4, u, 6.5], look="Wing", label="loss", width=1, solid=True) == Line(
        [(1, 4), (2, u), (3, 6.5)], look="Wing", label="loss", width=1, solid=True
    )
    assert series(iter([4, u]), first=1.5) == Line([(1.5, 4), (2.5, u)])
    half = sympy.Rational(3, 2)
    assert series([u, v], first=half).places == [(half, u), (half + 1, v)]


def test_dots_stand_at_the_numbers_of_their_line():
    line, dots = dotted([4, u], first=2, look="Wing", label="loss", width=3, size=5)
    assert line == series([4, u], first=2, look="Wing", label="loss", width=3, solid=True)
    assert dots == Dots([(2, 4), (3, u)], look="Wing", size=5)
    # One entry in the legend, and one colour, also where the label is the look.
    line, dots = dotted([4, u], label="Wing")
    assert (line.name, dots.name, dots.label) == ("Wing", "Wing", "")


def test_a_cursor_goes_from_end_to_end_of_its_axis():
    assert cursor(u, Axis(3, -2)).places == [(u, 3), (u, -2)]


def test_a_view_has_one_unit_and_no_axes():
    across, down = Axis(0, 4), Axis(2, 0)
    made = view([Dots([(u, 1)])], across, down, "A photograph")
    assert made == Panel([Dots([(u, 1)])], across, down, "A photograph", equal=True, frame=False)


def test_shares_are_of_the_sum():
    panel = shares({"L1": u, "L2": 3 * v}, "Who decides?", format=".0%")
    program = Program({u: 2, v: 2}, {}, {})
    ends = [mark.stop[0] for mark in panel.marks if isinstance(mark, Bar)]
    assert list(map(program.value, ends)) == [0.25, 0.75]
    assert {mark.template for mark in panel.marks if isinstance(mark, Text)} == {"{v:.0%}"}
    assert panel.title == "Who decides?" and panel.y.marked() == {1: "L1", 0: "L2"}


def test_presets_set_the_same_symbols():
    assert presets((u, v), {"near": (1, 0), "far": (9, 8)}) == [
        Button("near", {u: 1, v: 0}),
        Button("far", {u: 9, v: 8}),
    ]
    with pytest.raises(ValueError, match="shorter"):
        presets((u, v), {"near": (1,)})
