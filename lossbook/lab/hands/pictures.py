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
from lossbook.lab.page.objects import Arrow, Axis, Dots, Line, Panel, Text
from lossbook.lab.page.sheet import Place

__all__ = ["hand_panel", "hand_row", "losses", "skeleton"]

Places = Sequence[Place]


def skeleton(places: Places, look: str, *, label: str = "", width: Number = 3) -> list[Mark]:
    """A line from the wrist through each finger, and a dot for each joint."""
    lines = [
        Line([places[0], *(places[i] for i in chain)], look=look, width=width, solid=True)
        for chain in FINGERS.values()
    ]
    return [*lines, Dots(places, look=look, label=label or look, size=width + 0.5)]


def losses() -> Chart:
    """The two stages, the loss of each result, and the label that it needs."""
    needs = {
        "aux": "pose and\nshape",
        "prior": "none",
        "3d_joint": "joints in\nspace",
        "2d": "2D points",
    }
    boxes = {
        "picture": Box("picture", 0, 0),
        "coarse": Box("coarse\nhand", 1, 0),
        "final": Box("final\nhand", 2, 0),
        "joints": Box("21 joints\nin space", 3, 0),
        "points": Box("points in\npicture", 4, 0),
        "aux": Box("auxiliary\nloss", 1, 1.15, "aux"),
        "prior": Box("shape\nprior", 2, 1.15, "prior"),
        "3d_joint": Box("3D loss", 3, 1.15, "3d_joint"),
        "2d": Box("2D loss", 4, 1.15, "2d"),
    }
    chain = ["picture", "coarse", "final", "joints", "points"]
    arrows = [*pairwise(chain), *zip(chain[1:], needs, strict=True)]
    chart = diagram(
        "Below each result is its loss, and below that the label it needs", boxes, arrows
    )
    (panel,) = chart.panels
    marks = [*panel.marks, Text((0, 2.2), "label:", anchor="middle")]
    for name, label in needs.items():
        column, lines = boxes[name].column, label.split("\n")
        if name != "prior":
            marks.append(Arrow((column, 1.9), (0, -0.38), look="neutral", width=1.5))
        marks += [
            Text((column, 2.2), line, anchor="middle", shift=(0, 19 * (n - (len(lines) - 1) / 2)))
            for n, line in enumerate(lines)
        ]
    return Chart(chart.title, [replace(panel, marks=marks, y=Axis(2.55, -0.45), height=265)])


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
