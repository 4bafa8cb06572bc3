"""What can be drawn in a panel of a scene; every number may be a formula of what is moved."""

from __future__ import annotations

import base64
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import sympy
from PIL import Image

from lossbook.lab.page import strokes
from lossbook.lab.page.formulas import Number
from lossbook.lab.page.numbered import Path, Stems
from lossbook.lab.page.palette import legible
from lossbook.lab.page.pieces import pieces
from lossbook.lab.page.sheet import Formula, Look, Place, Sheet, dashes, hues, live, looks_of
from lossbook.lab.page.strokes import pixel, plain

pointer_x, pointer_y = sympy.symbols("pointer_x pointer_y", real=True)
"""Where the reader drags a handle to, for `Handle.moves`."""
_READ = 4.5
"""Contrast of text, as in `legible`."""


@dataclass(frozen=True)
class Curve(Look):
    """A formula over one variable; a jump is a gap between an open end and a filled one.

    Attributes:
        expr: The height.
        variable: The symbol along the horizontal axis.
        span: First and last value of `variable`; by default the whole axis.
        breaks: Where the formula breaks, if that cannot be found from it.
        width: Of the line, in pixels.
    """

    expr: Formula
    variable: sympy.Symbol
    span: tuple[Number, Number] | None = None
    breaks: tuple[sympy.Expr, ...] = ()
    width: Number = 2.5

    def draw(self, sheet: Sheet) -> str:
        """Markup of the first picture."""
        made = sheet.program.curve(pieces(self.expr, self.variable, self.breaks))
        first, last = self.span or sorted((sheet.x.first, sheet.x.last))
        drawn = strokes.curve(made.f, made.breaks, (first, last), sheet.x, sheet.y)
        moving = ""
        if sheet.program.moves(self.expr):
            code = (made.javascript, made.breaks_javascript, plain(first), plain(last))
            moving = sheet.moving("curve", *code)
        dash = dashes(self.name, sheet.looks, self.width)
        hue = legible(sheet.looks[self.name]["color"])
        return (
            f'<g {sheet.stroke(self.name, self.width)}{moving}><path{dash} d="{drawn.path}"/>'
            f'<path class="open" fill="#fff" stroke-width="1.6" d="{drawn.open_ends}"/>'
            f'<path class="f" fill="{hue}" stroke-width="1" d="{drawn.filled_ends}"/></g>'
        )


@dataclass(frozen=True)
class Line(Look):
    """A line through places.

    Attributes:
        places: Pairs of formulas.
        closed: Whether the last is joined to the first.
        width: In pixels.
        solid: Whether it is drawn without the look's dashes.
    """

    places: Sequence[Place]
    closed: bool = False
    width: Number = 2
    solid: bool = False

    def draw(self, sheet: Sheet) -> str:
        """Markup of the first picture."""
        path = strokes.line(map(sheet.pixels, self.places), closed=self.closed)
        moving = ""
        if sheet.moves(self.places):
            moving = sheet.moving("line", str(int(self.closed)), f"[{sheet.indices(self.places)}]")
        dash = "" if self.solid else dashes(self.name, sheet.looks, self.width)
        return f'<path {sheet.stroke(self.name, self.width)}{dash}{moving} d="{path}"/>'


@dataclass(frozen=True)
class Bar(Look):
    """A broad bar between two places, without dashes.

    Attributes:
        start: One end.
        stop: The other.
        width: In pixels.
    """

    start: Place
    stop: Place
    width: Number = 16

    def draw(self, sheet: Sheet) -> str:
        """Markup of the first picture."""
        ends = (self.start, self.stop)
        moving = sheet.moving("line", "0", f"[{sheet.indices(ends)}]") if sheet.moves(ends) else ""
        path = strokes.line(map(sheet.pixels, ends))
        return f'<path {sheet.stroke(self.name, self.width)}{moving} d="{path}"/>'


@dataclass(frozen=True)
class Arrow(Look):
    """An arrow from a place, by a distance in the axes' units.

    Attributes:
        start: Where it begins.
        by: How far it goes along either axis.
        width: In pixels.
    """

    start: Place
    by: Place
    width: Number = 2.5

    def draw(self, sheet: Sheet) -> str:
        """Markup of the first picture."""
        x, y = map(sympy.sympify, self.start)
        ends = (self.start, (x + self.by[0], y + self.by[1]))
        moving = sheet.moving("arrow", f"[{sheet.indices(ends)}]") if sheet.moves(ends) else ""
        path = strokes.arrow(*map(sheet.pixels, ends))
        attributes = sheet.stroke(self.name, self.width)
        return f'<path {attributes} stroke-linejoin="round"{moving} d="{path}"/>'


@dataclass(frozen=True)
class Dots(Look):
    """Places that are not to be dragged.

    Attributes:
        places: Pairs of formulas.
        size: Radius in pixels.
        faint: Whether they are drawn as a background to others.
        hollow: Whether they are rings, through which others can be seen.
    """

    places: Sequence[Place]
    size: Number = 4
    faint: bool = False
    hollow: bool = False

    def draw(self, sheet: Sheet) -> str:
        """Markup of the first picture."""
        path = "".join(strokes.circle(*sheet.pixels(place), self.size) for place in self.places)
        moving = ""
        if sheet.moves(self.places):
            moving = sheet.moving("dots", plain(self.size), f"[{sheet.indices(self.places)}]")
        faint = ' fill-opacity="0.7"' if self.faint else ""
        paint = sheet.stroke(self.name, 2.5) if self.hollow else sheet.fill(self.name)
        return f'<path {paint}{faint}{moving} d="{path}"/>'


@dataclass(frozen=True)
class Clip(Look):
    """Points that a table holds frame by frame, and lines that join them.

    Attributes:
        table: Their places, (frames, points, 2); NaN where one is missing. They are kept to a
            four-thousandth of the axes, in 4 bytes each.
        frame: The number of the frame, counted from 1; the nearest that there is.
        lines: Each a list of points, counted from 0.
        size: Radius of the points in pixels; 0 draws the lines only.
        width: Of the lines, in pixels.
    """

    table: npt.ArrayLike
    frame: Formula
    lines: Sequence[Sequence[int]] = ()
    size: Number = 0
    width: Number = 2

    def draw(self, sheet: Sheet) -> str:
        """Markup of the first picture."""
        table = np.asarray(self.table, dtype=np.float64)
        if table.ndim != 3 or table.shape[2] != 2 or not table.size:
            raise ValueError(f"expected a table (frames, points, 2), got {table.shape}")
        frames, points, _ = table.shape
        if not all(0 <= point < points for line in self.lines for point in line):
            raise ValueError(f"lines join points 0 to {points - 1}")
        packed, placed = [], []
        at = min(frames, max(1, math.floor(sheet.program.value(self.frame) + 0.5))) - 1
        for along, scale in enumerate((sheet.x, sheet.y)):
            pixels = [scale(float(value)) for value in table[..., along].ravel()]
            if any(math.isfinite(p) and not -0.5 <= p <= scale.pixels + 0.5 for p in pixels):
                raise ValueError("a clip must stay between the ends of its axes in all frames")
            inside = [min(scale.pixels, max(0, p)) if math.isfinite(p) else p for p in pixels]
            packed.append(strokes.pack(inside, scale.pixels))
            frame = packed[-1][2 * points * at : 2 * points * (at + 1)]
            placed.append(strokes.unpack(frame, scale.pixels))
        where = list(zip(*placed, strict=True))
        path = "".join(strokes.line([where[point] for point in line]) for line in self.lines)
        dots = "".join(strokes.circle(x, y, self.size) for x, y in where) if self.size else ""
        moving = ""
        if sheet.program.moves(self.frame):
            joined = json.dumps(
                [list(map(int, line)) for line in self.lines], separators=(",", ":")
            )
            texts = f'["{packed[0]}","{packed[1]}"]'
            frame = str(sheet.program.index(self.frame))
            moving = sheet.moving("clip", texts, str(points), joined, plain(self.size), frame)
        hue = legible(sheet.looks[self.name]["color"])
        dash = dashes(self.name, sheet.looks, self.width)
        return (
            f'<g {sheet.stroke(self.name, self.width)} stroke-linejoin="round"{moving}>'
            f'<path{dash} d="{path}"/><path class="f" fill="{hue}" stroke="none" d="{dots}"/></g>'
        )


@dataclass(frozen=True)
class Trail(Look):
    """Where a place has been since the reader began to press a button that steps.

    Attributes:
        place: A pair of formulas.
        width: Of the line, in pixels.
    """

    place: Place
    width: Number = 1.5

    def draw(self, sheet: Sheet) -> str:
        """Markup of the first picture: no way yet."""
        moving = sheet.moving("trail", sheet.indices([self.place]))
        return f'<path {sheet.stroke(self.name, self.width)}{moving} d=""/>'


@dataclass(frozen=True)
class Text(Look):
    """Words in the panel, with numbers that follow what is moved; without a look black.

    Attributes:
        place: Where they stand.
        template: As for the sentences of a scene, ``"{loss:.1f} px"``.
        values: Formulas by name.
        anchor: ``"start"``, ``"middle"`` or ``"end"``.
        shift: Pixels to the right and downwards.
    """

    place: Place
    template: str
    values: Mapping[str, Formula] = field(default_factory=dict)
    anchor: str = "start"
    shift: tuple[Number, Number] = (0, 0)

    def names(self) -> list[str]:
        """The looks that are used."""
        return [self.look] * bool(self.look) + looks_of(self.template)

    def draw(self, sheet: Sheet) -> str:
        """Markup of the first picture."""
        words = live(self.template, self.values, sheet.program, sheet.looks, element="tspan")
        paint = ""
        if self.look:
            hue = legible(sheet.looks[self.look]["color"], contrast=_READ)
            paint = f' class="k f" {hues(self.look, sheet.looks, contrast=_READ)} fill="{hue}"'
        return _at(self.place, sheet, "", (
            f'<text{paint} text-anchor="{self.anchor}" x="{self.shift[0]:g}" y="{self.shift[1]:g}" '
            f'dy="0.35em">{words}</text>'
        ))  # fmt: skip


@dataclass(frozen=True)
class Handle(Look):
    """A point that the reader drags, or moves with the arrow keys.

    Attributes:
        x: Where it is; a symbol of the scene is moved as the point is.
        y: Likewise. ``Handle(x, loss)`` is dragged along the curve of ``loss``.
        moves: What else follows the pointer, as formulas of ``pointer_x`` and
            ``pointer_y``; on a circle ``{angle: atan2(pointer_y, pointer_x)}``.
        title: What a screen reader calls it; by default the label.
    """

    x: Formula
    y: Formula
    moves: Mapping[sympy.Symbol, sympy.Expr] | None = None
    title: str = ""

    def moved(self, sheet: Sheet) -> dict[sympy.Symbol, sympy.Expr]:
        """The symbols that it moves, and how they follow the pointer."""
        moved = dict(self.moves or {})
        if self.moves is None:
            for place, at in ((self.x, pointer_x), (self.y, pointer_y)):
                if place in sheet.program.state:
                    moved.setdefault(place, at)
        if not 1 <= len(moved) <= 2 or not set(moved) <= set(sheet.program.state):
            raise ValueError(f"a handle moves one or two symbols of its scene, got {moved}")
        return moved

    def draw(self, sheet: Sheet) -> str:
        """Markup of the first picture."""
        program, moved = sheet.program, self.moved(sheet)
        states = list(program.state)
        arguments = {pointer_x: "p", pointer_y: "q"}
        sheet.handles.append(
            f"[{sheet.number},{sheet.indices([(self.x, self.y)])},"
            f"{[states.index(symbol) for symbol in moved]},"
            f"{program.function(list(moved.values()), arguments)}]"
        )
        hue = legible(sheet.looks[self.name]["color"])
        title = self.title or self.label or " and ".join(symbol.name for symbol in moved)
        attributes = f' data-handle aria-label="{escape(title)}" {sheet.fill(self.name)}'
        return _at((self.x, self.y), sheet, attributes, (
            f'<circle r="22" fill-opacity="0"/><circle class="halo" r="13" fill-opacity="0.16"/>'
            f'<circle class="knob" r="6.5" fill="{hue}" stroke="#fff" stroke-width="1.5"/>'
        ))  # fmt: skip


def _at(place: Place, sheet: Sheet, attributes: str, inside: str) -> str:
    """A group that stands at a place, or at the panel's nearest edge."""
    x, y = sheet.pixels(place)
    moving = sheet.moving("at", sheet.indices([place])) if sheet.moves([place]) else ""
    if not (math.isfinite(x) and math.isfinite(y)):
        return f'<g{attributes}{moving} visibility="hidden">{inside}</g>'
    x, y = min(sheet.x.pixels, max(0.0, x)), min(sheet.y.pixels, max(0.0, y))
    return f'<g{attributes}{moving} transform="translate({pixel(x)},{pixel(y)})">{inside}</g>'


@dataclass(frozen=True)
class Picture:
    """A grey photograph, beneath what is drawn after it, or one of many, which a formula chooses.

    Attributes:
        image: (height, width), whole numbers from 0 to 255; of many (pictures, height, width).
        x: Left and right edge.
        y: Upper and lower edge.
        frame: The number of the picture, counted from 1; the nearest that there is.
        label: None, as no legend names it.
        name: No look is used.
    """

    image: npt.ArrayLike
    x: tuple[Number, Number]
    y: tuple[Number, Number]
    frame: Formula | None = None
    label: str = field(default="", init=False)
    name: str = field(default="neutral", init=False)

    def names(self) -> list[str]:
        """No looks are used."""
        return []

    def draw(self, sheet: Sheet) -> str:
        """Markup of the first picture."""
        pixels = np.asarray(self.image)
        if pixels.ndim != 2 + (self.frame is not None) or pixels.dtype != np.uint8:
            what = "a picture (" if self.frame is None else "pictures (number, "
            raise ValueError(
                f"expected {what}height, width) of uint8, got {pixels.dtype} {pixels.shape}"
            )
        if self.frame is None:
            return self._drawn(pixels, sheet)
        at = min(len(pixels), max(1, math.floor(sheet.program.value(self.frame) + 0.5))) - 1
        seen = [' visibility="hidden"' * (k != at) for k in range(len(pixels))]
        moving = ""
        if sheet.program.moves(self.frame):
            moving = sheet.moving("film", str(sheet.program.index(self.frame)))
        images = map(self._drawn, pixels, [sheet] * len(pixels), seen)
        return f"<g{moving}>{''.join(images)}</g>"

    def _drawn(self, pixels: npt.NDArray[np.uint8], sheet: Sheet, seen: str = "") -> str:
        left, right, top, bottom = *map(sheet.x, self.x), *map(sheet.y, self.y)
        packed = io.BytesIO()
        Image.fromarray(pixels).save(packed, "PNG", optimize=True)
        data = base64.b64encode(packed.getvalue()).decode("ascii")
        return (
            f'<image x="{pixel(left)}" y="{pixel(top)}" width="{pixel(right - left)}" '
            f'height="{pixel(bottom - top)}" preserveAspectRatio="none"{seen} '
            f'href="data:image/png;base64,{data}"/>'
        )


Mark: TypeAlias = (
    Curve | Stems | Path | Line | Bar | Arrow | Dots | Clip | Trail | Text | Handle | Picture
)
OVER_THE_EDGE = (Text, Handle)
"""Marks that are not cut off at the panel's edge."""
