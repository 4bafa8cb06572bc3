"""What many objects to move have, by a name of its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import sympy

from lossbook.lab.page.controls import Button
from lossbook.lab.page.formulas import Number
from lossbook.lab.page.marks import Dots, Line, Mark
from lossbook.lab.page.panels import Axis, Panel, bars
from lossbook.lab.page.sheet import Formula


def series(
    values: Iterable[Formula],
    *,
    first: Formula = 1,
    look: str = "",
    label: str = "",
    width: Number = 2,
    solid: bool = False,
) -> Line:
    """A line through numbers that are counted: one for each frame or step.

    Args:
        values: Their heights, in the unit of the vertical axis.
        first: Where the first stands on the horizontal axis; the next are 1 apart.
        look: Name in the palette; by default the label.
        label: Entry of the legend.
        width: In pixels.
        solid: Whether it is drawn without the look's dashes.
    """
    places = [(first + k, value) for k, value in enumerate(values)]
    return Line(places, look=look, label=label, width=width, solid=solid)


def dotted(
    values: Iterable[Formula],
    *,
    first: Formula = 1,
    look: str = "",
    label: str = "",
    width: Number = 2,
    size: Number = 2.5,
) -> tuple[Line, Dots]:
    """Such a line, without dashes, with a dot at each number, so that they can be counted.

    Args:
        values: As for `series`.
        first: As for `series`.
        look: As for `series`.
        label: As for `series`.
        width: Of the line, in pixels.
        size: Radius of the dots in pixels.
    """
    line = series(values, first=first, look=look, label=label, width=width, solid=True)
    return line, Dots(line.places, look=look or label, size=size)


def cursor(at: Formula, along: Axis) -> Line:
    """A thin upright line that shows which frame or step is seen.

    Args:
        at: Its place on the horizontal axis.
        along: The vertical axis, from end to end of which it goes.
    """
    return Line([(at, along.start), (at, along.stop)], look="neutral", width=1)


def view(marks: Sequence[Mark], x: Axis, y: Axis, title: str = "") -> Panel:
    """A panel without axes, in which a unit is as long either way: a photograph, a hand, a circle.

    Args:
        marks: What is drawn, the last on top.
        x: From the left edge to the right.
        y: From the lower edge to the upper.
        title: What it shows.
    """
    return Panel(marks, x, y, title, equal=True, frame=False)


def shares(
    parts: Mapping[str, Formula],
    title: str,
    *,
    looks: Mapping[str, str] | None = None,
    format: str = ".1%",  # noqa: A002
) -> Panel:
    """Bars of what each part is of the sum of all.

    Args:
        parts: Formulas by name, none below 0, the first on top.
        title: What it shows.
        looks: Names in the palette by name; by default the names themselves.
        format: Of the numbers, as in a sentence.
    """
    whole = sympy.Add(*parts.values())
    each = {name: part / whole for name, part in parts.items()}
    return bars(each, Axis(0, 1), title=title, looks=looks, format=format)


def presets(
    symbols: Sequence[sympy.Symbol], values: Mapping[str, Sequence[Number]]
) -> list[Button]:
    """Buttons in a row, each of which sets the same symbols.

    Args:
        symbols: What is set.
        values: For each button, by what it says, the symbols' new values in their order.

    Raises:
        ValueError: If a button has not one value for each symbol.
    """
    return [Button(label, dict(zip(symbols, at, strict=True))) for label, at in values.items()]
