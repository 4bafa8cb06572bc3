"""Pictures of hands that stand still: a skeleton, hands side by side, which loss sees what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from lossbook.lab.hands.kinematics import FINGERS
from lossbook.lab.page.charts import Chart
from lossbook.lab.page.diagrams import Box, diagram
from lossbook.lab.page.formulas import Number
from lossbook.lab.page.marks import Mark
from lossbook.lab.page.objects import Arrow, Axis, Bar, Dots, Line, Panel, Text
from lossbook.lab.page.sheet import Place

__all__ = ["hand_panel", "hand_row", "losses", "skeleton", "units"]

Places = Sequence[Place]

_CALLED = {
    "label": "label",
    "predicted hand": "prediction",
    "noisy input": "input of the network, with noise",
}
"""What a reader is told of a look."""


def skeleton(places: Places, look: str, *, label: str = "", width: Number = 3) -> list[Mark]:
    """A line from the wrist through each finger, and a dot for each joint."""
    lines = [
        Line([places[0], *(places[i] for i in chain)], look=look, width=width, solid=True)
        for chain in FINGERS.values()
    ]
    called = label or _CALLED.get(look, look)
    return [*lines, Dots(places, look=look, label=called, size=width + 0.5)]


_NEEDS = {
    "aux": "pose and\nshape",
    "prior": "none",
    "3d_joint": "joints in\nspace",
    "2d": "2D points",
}
_CHAIN = {
    "picture": "picture,\ndepth map",
    "coarse": "coarse\nhand",
    "final": "final\nhand",
    "joints": "21 joints\nin space",
    "points": "points in\npicture",
}
_LOSSES = {
    "aux": "auxiliary\nloss",
    "prior": "shape\nprior",
    "3d_joint": "3D loss",
    "2d": "2D loss",
}


def losses() -> Chart:
    """The two stages, the loss of each result, and the label that it needs."""
    boxes = {name: Box(text, column, 0) for column, (name, text) in enumerate(_CHAIN.items())}
    for column, (name, text) in enumerate(_LOSSES.items(), 1):
        boxes[name] = Box(text, column, 1.15, name)
    arrows = [*pairwise(_CHAIN), *zip([*_CHAIN][1:], _LOSSES, strict=True)]
    title = "Below each result is its loss, and below that the label it needs"
    (panel,) = diagram(title, boxes, arrows).panels
    marks = [*panel.marks, Text((0, 2.2), "label:", anchor="middle")]
    for column, (name, label) in enumerate(_NEEDS.items(), 1):
        lines = label.split("\n")
        if name != "prior":
            marks.append(Arrow((column, 1.9), (0, -0.38), look="neutral", width=1.5))
        for n, line in enumerate(lines):
            shift = (0, 19 * (n - (len(lines) - 1) / 2))
            marks.append(Text((column, 2.2), line, anchor="middle", shift=shift))
    return Chart(title, [replace(panel, marks=marks, y=Axis(2.55, -0.45), height=265)])


def hand_row(hands: Sequence[tuple[str, Mapping[str, NDArray[np.float64]]]]) -> Panel:
    """Hands side by side in one panel, each with a title, y downwards.

    Args:
        hands: title and places by look, ``(21, 2)`` between -0.5 and 0.5.
    """
    marks: list[Mark] = []
    for number, (title, clouds) in enumerate(hands):
        away = 1.1 * number
        square = [(away + x, y) for x, y in ((-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5))]
        marks.append(Line(square, look="neutral", width=1, closed=True))
        for order, (look, points) in enumerate(clouds.items()):
            places = [(away + float(a), float(b)) for a, b in points]
            marks += skeleton(places, look, width=3 if order == 0 else 1.5)
        marks.append(Text((away - 0.5, -0.57), title, anchor="start"))
    axes = (Axis(-0.52, 1.1 * len(hands) - 0.58), Axis(0.53, -0.68))
    return Panel(marks, *axes, equal=True, frame=False, wide=True)


def hand_panel(
    clouds: Mapping[str, NDArray[np.float64]], title: str, *, half: float = 0.5
) -> Panel:
    """Hands over each other, y downwards.

    Args:
        clouds: by look, ``(21, 2)``.
        title: above them.
        half: half the width of what is shown, in the unit of the points.
    """
    marks: list[Mark] = []
    for order, (look, points) in enumerate(clouds.items()):
        marks += skeleton(
            [(float(a), float(b)) for a, b in points], look, width=4 if order == 0 else 2
        )
    frame = Line(
        [(-half, -half), (half, -half), (half, half), (-half, half)],
        look="neutral",
        width=1,
        closed=True,
    )
    axes = (Axis(-half, half), Axis(half, -half))
    return Panel([frame, *marks], *axes, title, equal=True, frame=False)


_HEADS = (
    "loss share,\nUTNet's log",
    "pull share,\nour network",
    "2D error,\nreal hands",
    "3D error,\nmade hands",
)


def units(rows: Mapping[str, tuple[float, float, float, float]]) -> Panel:
    """Two ways to train: shares of the loss and of the pull, and the errors that they lead to.

    Args:
        rows: by unit, shares of 2D in the loss and in the pull, 2D error in per cent of the crop
            and 3D error in millimetres.
    """
    marks: list[Mark] = [
        Text((1 + column, -0.75), line, shift=(0, 19 * n))
        for column, head in enumerate(_HEADS)
        for n, line in enumerate(head.split("\n"))
    ]
    longest = 0.85
    most = [max(row[column] for row in rows.values()) for column in (2, 3)]
    for y, (unit, found) in enumerate(rows.items()):
        marks.append(Text((0, y), unit))
        for column, share in enumerate(found[:2], 1):
            border = column + longest * share
            marks += [
                Bar((column, y), (border, y), look="2d", label="2D"),
                Bar((border, y), (column + longest, y), look="3d_joint", label="3D"),
                Text((column, y), f"{100 * share:.1f} : {100 - 100 * share:.1f}", shift=(0, 22)),
            ]
        for column, error, end, sign in zip((3, 4), found[2:], most, ("%", "mm"), strict=True):
            far = (column + longest * error / end, y)
            marks += [
                Bar((column, y), far, look="neutral", label="error"),
                Text((column, y), f"{error:.1f} {sign}", shift=(0, 22)),
            ]
    below = len(rows) - 0.4
    return Panel(
        marks, Axis(0, 5), Axis(below, -0.9), frame=False, wide=True, height=80 + 75 * len(rows)
    )
