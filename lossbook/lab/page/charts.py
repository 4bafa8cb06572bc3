"""Pictures that stand still: panels under a title with a legend, the numbers folded beneath."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from html import escape

from lossbook.lab.page.marks import Clip, Curve, Dots, Handle, Line, Mark
from lossbook.lab.page.numbered import Path
from lossbook.lab.page.palette import legible, styles
from lossbook.lab.page.panels import Panel
from lossbook.lab.page.program import Program
from lossbook.lab.page.sheet import Looks, dashes, hues
from lossbook.lab.page.shown import Shown
from lossbook.lab.page.strokes import circle
from lossbook.lab.page.tables import Table


@dataclass(frozen=True)
class Chart(Shown):
    """Panels and table, which a notebook shows; drawn for light and dark pages alike.

    Attributes:
        title: What it shows.
        panels: What is drawn, side by side where there is room.
        table: The numbers, folded beneath.
    """

    title: str
    panels: Sequence[Panel]
    table: Table | None = None

    def __repr__(self) -> str:
        return self.title if self.table is None else f"{self.title}\n{self.table!r}"

    @cached_property
    def markup(self) -> str:
        """HTML for a page that loads ``scene.css``; the same on every run."""
        marks = [mark for panel in self.panels for mark in panel.marks]
        looks = styles(["neutral", *(name for mark in marks for name in mark.names())])
        program = Program({}, {}, {})
        drawn = "".join(p.draw(program, 0, looks, self.title).svg for p in self.panels)
        numbers = ""
        if self.table is not None:
            numbers = f"<details><summary>The numbers</summary>{self.table.html()}</details>"
        above = heading(self.title, marks, looks)
        return (
            f'<figure class="lossbook-scene" aria-label="{escape(self.title)}">{above}'
            f'<div class="panels">{drawn}</div>{numbers}</figure>'
        )


def heading(title: str, marks: Iterable[Mark], looks: Looks) -> str:
    """Title and legend."""
    legend = ""
    labels = {mark.label: mark for mark in marks if mark.label}
    for label, mark in labels.items():
        width, shape = _entry(mark, looks)
        legend += (
            f'<span class="entry"><svg width="{width}" height="12" aria-hidden="true">'
            f"<path {shape}/></svg>{escape(label)}</span>"
        )
    first = "" if title in labels else f"<b>{escape(title)}</b>"
    return f"<figcaption>{first}{legend}</figcaption>"


def _entry(mark: Mark, looks: Looks) -> tuple[int, str]:
    """Width and path of a legend's sign, which is drawn as the mark is."""
    look = mark.name
    hue, paint = legible(looks[look]["color"]), hues(look, looks)
    if isinstance(mark, Dots) and mark.hollow:
        return 12, (
            f'class="k s" {paint} fill="none" stroke="{hue}" stroke-width="2.5" '
            f'd="{circle(6, 6, 4.5)}"'
        )
    if isinstance(mark, (Dots, Handle)) or (
        (isinstance(mark, Path) or (isinstance(mark, Clip) and not mark.lines)) and mark.size
    ):
        return 12, f'class="k f" {paint} fill="{hue}" d="{circle(6, 6, 5)}"'
    # Bars, stems, arrows and trails are never dashed.
    broken = isinstance(mark, (Curve, Clip)) or (isinstance(mark, (Line, Path)) and not mark.solid)
    dash = dashes(look, looks, 2.5) if broken else ""
    return 26, f'class="k s" {paint}{dash} stroke="{hue}" stroke-width="2.5" d="M0,6H26"'
