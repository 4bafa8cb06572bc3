"""One panel while it is drawn: where things are, how they look, what the page is to move."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from string import Formatter
from typing import Any, TypeAlias

import sympy

from lossbook.lab.page.formulas import Number
from lossbook.lab.page.palette import legible
from lossbook.lab.page.program import Program
from lossbook.lab.page.strokes import Scale, write

Formula: TypeAlias = sympy.Expr | Number
Place: TypeAlias = tuple[Formula, Formula]
Looks: TypeAlias = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Look:
    """What all marks have.

    Attributes:
        label: Entry of the legend.
        look: Name in the palette; by default the label.
    """

    label: str = ""
    look: str = ""

    def names(self) -> list[str]:
        """The looks that are used."""
        return [self.look or self.label or "neutral"]

    @property
    def name(self) -> str:
        """The mark's own look."""
        return self.names()[0]


def hues(look: str, looks: Looks, *, contrast: Number = 3.0) -> str:
    """The attribute that holds a colour for light and for dark pages."""
    hue = looks[look]["color"]
    # A thin line of a contrast of 3 is hardly seen on a dark page.
    dark = max(contrast, 4.5)
    return (
        f'style="--c:{legible(hue, contrast=contrast)};'
        f'--d:{legible(hue, dark=True, contrast=dark)}"'
    )


def dashes(look: str, looks: Looks, width: Number) -> str:
    """The attribute that breaks a line up, if the look has dashes."""
    pattern = looks[look]["linestyle"]
    if isinstance(pattern, str):
        return ""
    lengths = " ".join(f"{part * width:g}" for part in pattern[1])
    return f' stroke-dasharray="{lengths}"'


def live(
    template: str,
    values: Mapping[str, Formula],
    program: Program,
    looks: Looks,
    *,
    element: str = "b",
) -> str:
    """Markup of a sentence whose numbers follow what is moved.

    ``{name}`` is a number with three significant digits, ``{name:2}`` one with two,
    ``{name:.1f}`` one with one decimal, ``{name:.0%}`` a percentage, and ``{name:.1f Wing}`` has
    the colour of Wing.
    """
    parts = []
    for text, name, spec, _ in Formatter().parse(template):
        parts.append(escape(text))
        if name is None:
            continue
        if name not in values:
            raise ValueError(f"{template!r} has no value for {name!r}, only {', '.join(values)}")
        digits, _, look = (spec or "").partition(" ")
        kind = {"f": "f", "%": "p"}.get(digits[-1:], "g")
        how = kind + (digits.strip(".f%") or "3")
        formula = values[name]
        data = f' class="k" {hues(look, looks)}' if look else ""
        if program.moves(formula):
            data += f' data-value="{program.index(formula)}" data-how="{how}"'
        parts.append(f"<{element}{data}>{write(program.value(formula), how)}</{element}>")
    return "".join(parts)


def looks_of(template: str) -> list[str]:
    """The looks that a sentence's numbers have."""
    specs = (spec or "" for _, _, spec, _ in Formatter().parse(template))
    return [spec.partition(" ")[2] for spec in specs if " " in spec]


class Sheet:
    """What a mark needs to draw itself, and where it says what the page is to move."""

    def __init__(self, program: Program, number: int, x: Scale, y: Scale, looks: Looks) -> None:
        self.program, self.number, self.x, self.y, self.looks = program, number, x, y, looks
        self.marks: list[str] = []
        self.handles: list[str] = []

    def pixels(self, place: Place) -> tuple[Number, Number]:
        """Where a place is in the first picture."""
        return self.x(self.program.value(place[0])), self.y(self.program.value(place[1]))

    def indices(self, places: Sequence[Place]) -> str:
        """The places among the numbers that the page computes."""
        return ",".join(str(self.program.index(formula)) for place in places for formula in place)

    def moves(self, places: Sequence[Place]) -> bool:
        """Whether a place is moved with what the reader moves."""
        return self.program.moves(*(formula for place in places for formula in place))

    def moving(self, kind: str, *arguments: str) -> str:
        """Say that the page moves an element; returns the attribute to give to it."""
        self.marks.append(f'["{kind}",{self.number},{",".join(arguments)}]')
        return " data-mark"

    def stroke(self, look: str, width: Number) -> str:
        """Attributes of lines, which can be seen without the style sheet too."""
        return (
            f'class="k s" {hues(look, self.looks)} fill="none" '
            f'stroke="{legible(self.looks[look]["color"])}" stroke-width="{width:g}"'
        )

    def fill(self, look: str) -> str:
        """Attributes of filled shapes."""
        hue = legible(self.looks[look]["color"])
        return f'class="k f" {hues(look, self.looks)} fill="{hue}"'
