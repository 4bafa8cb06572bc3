"""What is drawn at whole numbers: frames, frequencies, steps of a training."""

from __future__ import annotations

import math
from dataclasses import dataclass

import sympy

from lossbook.lab.page import strokes
from lossbook.lab.page.formulas import Number
from lossbook.lab.page.pieces import Pieces
from lossbook.lab.page.sheet import Formula, Look, Place, Sheet, dashes
from lossbook.lab.page.strokes import pixel, plain


@dataclass(frozen=True)
class Stems(Look):
    """A formula at whole numbers: frames, frequencies, bins. Each is a bar from zero.

    Attributes:
        expr: The height.
        variable: The whole number.
        span: Its first and last value.
        width: Of a bar, in pixels.
    """

    expr: Formula
    variable: sympy.Symbol
    span: tuple[int, int]
    width: Number = 5

    def draw(self, sheet: Sheet) -> str:
        """Markup of the first picture."""
        # Only whole numbers are asked for, so nothing need be known of what lies between.
        formula = sympy.sympify(self.expr)
        made = sheet.program.curve(Pieces(formula, self.variable, sympy.Dummy("m"), ()))
        base = sheet.y(strokes.base_of(sheet.y))
        path = ""
        for k in range(self.span[0], self.span[1] + 1):
            path += strokes.line([(sheet.x(k), base), (sheet.x(k), sheet.y(made.f(k, k)))])
        moving = ""
        if sheet.program.moves(self.expr):
            moving = sheet.moving("stems", pixel(base), made.javascript, *map(str, self.span))
        return f'<path {sheet.stroke(self.name, self.width)}{moving} d="{path}"/>'


@dataclass(frozen=True)
class Path(Look):
    """Places that are numbered: the way of a training, a curve of its log.

    Where a formula is no number the line has a gap, and a dot is left out.

    Attributes:
        place: Two formulas of the number, which may use the entries of a `Recurrence`.
        variable: The number.
        span: The first and the last; they may be formulas, such as the steps so far.
        size: Radius of dots in pixels; with 0 a line joins the places.
        width: Of the line, in pixels.
        solid: Whether it is drawn without the look's dashes.
    """

    place: Place
    variable: sympy.Symbol
    span: tuple[Formula, Formula]
    size: Number = 0
    width: Number = 2
    solid: bool = False

    def draw(self, sheet: Sheet) -> str:
        """Markup of the first picture."""
        program = sheet.program
        first, last = (math.floor(program.value(end) + 0.5) for end in self.span)
        found = program.places(self.place, self.variable, range(first, last + 1))
        points = [(sheet.x(x), sheet.y(y)) for x, y in found]
        dots = "".join(strokes.circle(x, y, self.size) for x, y in points) if self.size else ""
        moving = ""
        if program.moves(*self.place, *self.span):
            made = program.function(list(map(sympy.sympify, self.place)), {self.variable: "k"})
            ends = (str(program.index(end)) for end in self.span)
            moving = sheet.moving("path", plain(self.size), made, *ends)
        if self.size:
            return f'<path {sheet.fill(self.name)}{moving} d="{dots}"/>'
        dash = "" if self.solid else dashes(self.name, sheet.looks, self.width)
        paint = f'{sheet.stroke(self.name, self.width)} stroke-linejoin="round"'
        return f'<path {paint}{dash}{moving} d="{strokes.line(points)}"/>'
