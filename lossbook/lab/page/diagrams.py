"""Boxes and arrows: what a network gives, and which term of a loss looks at what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lossbook.lab.page.charts import Chart
from lossbook.lab.page.formulas import Number
from lossbook.lab.page.marks import Arrow, Line, Mark, Text
from lossbook.lab.page.panels import Axis, Panel

_HALF_WIDTH, _HALF_HEIGHT = 0.41, 0.36
_LINE = 19
"""Pixels from one line of text to the next."""


@dataclass(frozen=True)
class Box:
    """One box of a diagram.

    Attributes:
        text: In it; its lines have nine letters at most, for phones.
        column: From 0, left to right.
        row: From 0, downwards; halves are allowed.
        look: Of its border, a name in the palette.
    """

    text: str
    column: Number
    row: Number
    look: str = "neutral"


def diagram(title: str, boxes: Mapping[str, Box], arrows: Sequence[tuple[str, str]]) -> Chart:
    """Draw boxes and the arrows between them.

    Args:
        title: What it shows.
        boxes: By name.
        arrows: From which box to which; to another column, or down within one.

    Raises:
        ValueError: If an arrow names no box, or leads from a box to itself.
    """
    for pair in arrows:
        if not set(pair) <= set(boxes) or pair[0] == pair[1]:
            raise ValueError(f"no arrow from {pair[0]!r} to {pair[1]!r} among {', '.join(boxes)}")
    marks: list[Mark] = []
    for box in boxes.values():
        left, right = box.column - _HALF_WIDTH, box.column + _HALF_WIDTH
        top, bottom = box.row - _HALF_HEIGHT, box.row + _HALF_HEIGHT
        corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
        marks.append(Line(corners, look=box.look, closed=True, solid=True))
        lines = box.text.split("\n")
        for number, line in enumerate(lines):
            down = _LINE * (number - (len(lines) - 1) / 2)
            marks.append(Text((box.column, box.row), line, anchor="middle", shift=(0, down)))
    for start, stop in arrows:
        marks.append(_arrow(boxes[start], boxes[stop]))
    columns = max(box.column for box in boxes.values())
    rows = max(box.row for box in boxes.values())
    panel = Panel(
        marks,
        Axis(-0.45, columns + 0.45),
        Axis(rows + 0.45, -0.45),
        height=30 + 78 * (rows + 0.9),
        wide=True,
        frame=False,
    )
    return Chart(title, [panel])


def _arrow(start: Box, stop: Box) -> Arrow:
    if start.column == stop.column:
        tail = (start.column, start.row + _HALF_HEIGHT)
        head = (stop.column, stop.row - _HALF_HEIGHT)
    else:
        side = _HALF_WIDTH if start.column < stop.column else -_HALF_WIDTH
        tail = (start.column + side, start.row)
        head = (stop.column - side, stop.row)
    return Arrow(tail, (head[0] - tail[0], head[1] - tail[1]), look="neutral", width=1.5)
