"""The panels of a scene: axes that stay where they are, and the marks between them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from matplotlib.ticker import MaxNLocator

from lossbook.lab.page.formulas import Number
from lossbook.lab.page.marks import OVER_THE_EDGE, Bar, Mark, Text
from lossbook.lab.page.program import Program
from lossbook.lab.page.sheet import Formula, Looks, Sheet
from lossbook.lab.page.strokes import Scale, base_of, pixel, plain

_WIDE, _USUAL, _SMALL = 600, 360, 220


@dataclass(frozen=True)
class Axis:
    """One axis. It never changes, so that a curve that changes is seen to.

    Attributes:
        start: Value at the left or lower end; larger than `stop` where values run the other way.
        stop: Value at the other end.
        label: Name and unit.
        log: Whether equal ratios are equal distances.
        ticks: Where there are marks, or their texts by place; by default round numbers.
    """

    start: Number
    stop: Number
    label: str = ""
    log: bool = False
    ticks: Sequence[Number] | Mapping[Number, str] | None = None

    def __post_init__(self) -> None:
        ends = (self.start, self.stop)
        if not all(map(math.isfinite, ends)) or self.start == self.stop:
            raise ValueError(f"an axis needs two different ends, got {ends}")
        if self.log and not min(ends) > 0:
            raise ValueError(f"a logarithmic axis needs ends above 0, got {ends}")

    def marked(self) -> dict[float, str]:
        """The texts of its ticks by place."""
        if isinstance(self.ticks, Mapping):
            return {float(at): text for at, text in self.ticks.items()}
        low, high = sorted((float(self.start), float(self.stop)))
        if self.ticks is not None:
            places = [float(at) for at in self.ticks]
        elif self.log:
            exponents = range(math.ceil(math.log10(low)), math.floor(math.log10(high)) + 1)
            places = [10.0**exponent for exponent in exponents]
        else:
            places = list(MaxNLocator(nbins=5, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high))
        slack = 1e-9 * (high - low)
        return {at: _tick(at, self.log) for at in places if low - slack <= at <= high + slack}


def _tick(at: float, log: bool) -> str:
    exponent = round(math.log10(at)) if log else 0
    if not -3 < exponent < 4 and math.isclose(at, 10.0**exponent):
        return "10" + "".join("⁰¹²³⁴⁵⁶⁷⁸⁹⁻"["0123456789-".index(digit)] for digit in str(exponent))
    return f"{at + 0.0:g}".replace("-", "−")


@dataclass(frozen=True)
class Panel:
    """A picture with two axes.

    Attributes:
        marks: What is drawn, the last on top.
        x: The horizontal axis.
        y: The vertical axis; ``Axis(112, 0)`` for pictures, whose rows run downwards.
        title: What it shows.
        height: In pixels, where the panel is 360 wide; ignored if `equal`.
        equal: Whether a unit is as long along either axis.
        wide: Whether it takes the whole width of the page.
        small: Whether it is one of many, drawn 220 wide.
        frame: Whether the axes are drawn.
        right: Pixels that stay free beside it.
        letters: For texts of how many letters there is room at the left, at least; so that panels
            beneath each other begin at the same place.
    """

    marks: Sequence[Mark]
    x: Axis
    y: Axis
    title: str = ""
    height: Number = 250
    equal: bool = False
    wide: bool = False
    frame: bool = True
    right: Number = 14
    small: bool = False
    letters: int = 0

    def draw(self, program: Program, number: int, looks: Looks, fallback: str) -> Drawn:
        """Draw the first picture; `fallback` describes it if there is no title."""
        width = _WIDE if self.wide else _SMALL if self.small else _USUAL
        left = self._margin() if self.frame else 8.0
        top = 12 + 18 * bool(self.title)
        inner = width - left - self.right * (1.6 if self.wide else 1)
        across = abs(self.x.stop - self.x.start)
        below = (22 + 18 * bool(self.x.label)) if self.frame else 8
        if self.equal:
            height = inner * abs(self.y.stop - self.y.start) / across
        else:
            height = float(self.height) - top - below
        x = Scale(float(self.x.start), float(self.x.stop), inner, self.x.log)
        y = Scale(float(self.y.stop), float(self.y.start), height, self.y.log)
        sheet = Sheet(program, number, x, y, looks)
        under = "".join(m.draw(sheet) for m in self.marks if not isinstance(m, OVER_THE_EDGE))
        over = "".join(m.draw(sheet) for m in self.marks if isinstance(m, OVER_THE_EDGE))
        name = self.title or " against ".join(filter(None, (self.y.label, self.x.label)))
        labels = dict.fromkeys(m.label for m in self.marks if m.label)
        described = ": ".join(filter(None, (name or fallback, ", ".join(labels))))
        kind = " wide" * self.wide + " bare" * (not self.frame)
        svg = (
            f'<svg class="panel{kind}" role="img" '
            f'aria-label="{escape(described)}" '
            f'viewBox="0 0 {width} {plain(round(top + height + below, 1))}">'
            f'<g transform="translate({pixel(left)},{top})">{self._axes(x, y, looks)}'
            f'<svg class="clip" width="{pixel(inner)}" height="{pixel(height)}">{under}</svg>'
            f"{over}</g></svg>"
        )
        scales = f"{{x:{x.javascript()},y:{y.javascript()},left:{pixel(left)},top:{top}}}"
        return Drawn(svg, scales, sheet.marks, sheet.handles)

    def _margin(self) -> float:
        """Room for the texts left of the panel; those of a wide one grow on a phone."""
        letters = max([self.letters, *map(len, self.y.marked().values())])
        return (1.6 if self.wide else 1) * (14.0 + 7 * letters + 18 * bool(self.y.label))

    def _axes(self, x: Scale, y: Scale, looks: Looks) -> str:
        wide, high = pixel(x.pixels), pixel(y.pixels)
        parts = []
        if self.title:
            parts.append(f'<text y="-10" font-weight="600">{escape(self.title)}</text>')
        if not self.frame:
            return "".join(parts)
        grid = ""
        for index, (at, text) in enumerate(self.x.marked().items()):
            here = pixel(x(at))
            grid += f"M{here},0V{high}"
            rare = ' class="rare"' if index % 2 else ""
            parts.append(
                f'<text{rare} text-anchor="middle" x="{here}" y="{pixel(y.pixels + 16)}">'
                f"{escape(text)}</text>"
            )
        for at, text in self.y.marked().items():
            here = pixel(y(at))
            if not isinstance(self.y.ticks, Mapping):
                grid += f"M0,{here}H{wide}"
            parts.append(
                f'<text text-anchor="end" x="-7" y="{here}" dy="0.35em">{escape(text)}</text>'
            )
        if self.x.label:
            parts.append(
                f'<text text-anchor="middle" x="{pixel(x.pixels / 2)}" '
                f'y="{pixel(y.pixels + 35)}">{escape(self.x.label)}</text>'
            )
        if self.y.label:
            away = pixel(12 - self._margin())
            parts.append(
                f'<text text-anchor="middle" transform="translate({away},'
                f'{pixel(y.pixels / 2)}) rotate(-90)">{escape(self.y.label)}</text>'
            )
        zeros = "".join(
            f"M0,{pixel(scale(0))}H{wide}" if scale is y else f"M{pixel(scale(0))},0V{high}"
            for scale, axis in ((x, self.x), (y, self.y))
            if not (scale.log or isinstance(axis.ticks, Mapping))
            and min(scale.first, scale.last) <= 0 <= max(scale.first, scale.last)
        )
        return (
            f'<path class="grid" stroke="#888" fill="none" stroke-opacity="0.22" d="{grid}"/>'
            f'<path class="grid" stroke="#888" fill="none" stroke-opacity="0.8" d="{zeros}"/>'
            f'<g class="axis">{"".join(parts)}</g>'
        )


@dataclass(frozen=True)
class Drawn:
    """A panel's markup and what ``scene.js`` must know of it."""

    svg: str
    scales: str
    marks: list[str]
    handles: list[str]


def bars(
    values: Mapping[str, Formula],
    axis: Axis,
    *,
    title: str = "",
    looks: Mapping[str, str] | None = None,
    format: str = "3",  # noqa: A002
    wide: bool = False,
    base: Number | None = None,
) -> Panel:
    """A panel of horizontal bars, with the numbers beside them.

    Args:
        values: Formulas by name, the first on top.
        axis: What the lengths mean.
        title: What it shows.
        looks: Names in the palette by name; by default the names themselves.
        format: Of the numbers, as in a sentence.
        wide: Whether it takes the whole width of the page.
        base: Where bars begin; by default at 0, or at the nearest end of the axis.

    Returns:
        A panel for a scene.
    """
    count = len(values)
    rows = {count - 1 - index: name for index, name in enumerate(values)}
    marks: list[Mark] = []
    if base is None:
        base = base_of(Scale(float(axis.start), float(axis.stop), 1, axis.log))
    for row, name in rows.items():
        look = (looks or {}).get(name, name)
        marks.append(Bar((base, row), (values[name], row), look=look))
        template = "{v:" + format + "}"
        marks.append(Text((axis.stop, row), template, {"v": values[name]}, shift=(8, 0)))
    return Panel(
        marks,
        x=axis,
        y=Axis(-0.6, count - 0.4, ticks={float(row): name for row, name in rows.items()}),
        title=title,
        height=30 + 30 * count + 22 + 18 * bool(axis.label),
        right=64,
        wide=wide,
    )
