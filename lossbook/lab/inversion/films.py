"""Pictures that follow a slider: noise that SFace comes to accept, and faces that it guides."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace

import sympy as sp

from lossbook.lab.inversion.noise import CLIMB
from lossbook.lab.inversion.pictures import unpack
from lossbook.lab.page.marks import Mark
from lossbook.lab.page.objects import (
    Axis,
    Choice,
    Dots,
    Line,
    Panel,
    Picture,
    Range,
    Scene,
    Text,
    series,
    view,
)
from lossbook.lab.page.sheet import Place

__all__ = ["climb", "guidance"]

_SIDE = 112


def climb(accepted: Mapping[str, float]) -> Scene:
    """Noise after some gradient steps, and what two systems say of it.

    Args:
        accepted: from which cosine on SFace accepts (``"cosine"``), and up to which distance dlib
            does (``"distance"``).
    """
    recorded = json.loads(CLIMB.read_text(encoding="utf-8"))
    steps = recorded["steps"]
    step = sp.Symbol("step", integer=True, nonnegative=True)
    number = step / steps[1] + 1
    cosine, distance = sp.IndexedBase("cosine"), sp.IndexedBase("distance")
    here, far = cosine[number], distance[number]
    noise = Picture(unpack(recorded["shown"], _SIDE), (0, _SIDE), (0, _SIDE), frame=number)
    picture = view([noise], Axis(0, _SIDE), Axis(_SIDE, 0))
    doors = {"door": accepted["cosine"], "near": accepted["distance"]}
    return Scene(
        "noise-climbs",
        "Forty gradient steps on noise",
        {step: Range(0, steps[-1], 0, steps[1], label="gradient step, in fives", fps=2)},
        [
            replace(picture, small=True),
            _cosines(recorded["every cosine"], accepted["cosine"], (step, here)),
        ],
        [(_ACCEPTED, {"step": step, "cosine": here, "distance": far, **doors})],
        arrays={cosine: recorded["cosine"], distance: recorded["distance"]},
    )


_ACCEPTED = (
    "After {step:.0f} steps SFace's cosine is {cosine:.4f feat} (accepted above "
    "{door:.2f}). dlib's distance is {distance:.2f} (accepted below {near:.2f})."
)


def _cosines(every: Sequence[float], door: float, here: Place) -> Panel:
    """SFace's cosine after each step, where it stands now, and from where on it accepts."""
    marks: list[Mark] = [
        Line([(-1, door), (41, door)], look="neutral", label="accepted above", width=1),
        series(every, first=0, look="feat", label="SFace's cosine with the template", solid=True),
        Dots([here], look="feat", size=5),
    ]
    across = Axis(-1, 41, "gradient step", ticks=[0, 10, 20, 30, 40])
    return Panel(marks, across, Axis(0, 1.05, "cosine", ticks=[0, 0.5, 1]), height=310)


def guidance(
    photographs: str, guided: Mapping[str, str], counts: Mapping[str, Mapping[str, Sequence[int]]]
) -> Scene:
    """Faces of strangers, guided by SFace as strongly as is chosen.

    Args:
        photographs: of six people, as a record has them; the last three are shown.
        guided: the faces by strength, likewise.
        counts: by system and strength, with how many of the nine other photographs of the person
            each of the three faces is accepted.
    """
    chosen = sp.Symbol("strength", integer=True, nonnegative=True)
    films = [unpack(row)[3:] for row in guided.values()]
    people = unpack(photographs)[3:]
    marks: list[Mark] = [Text((0, 5), "photograph"), Text((0, 73), "rebuilt from its template")]
    arrays = {}
    for at, face in enumerate(people):
        left = 64 * at
        edges = (left, left + 56)
        marks.append(Picture(face, edges, (10, 66)))
        film = [row[at] for row in films]
        marks.append(Picture(film, edges, (78, 134), frame=chosen + 1))
        for line, (system, by_strength) in enumerate(counts.items()):
            column = sp.IndexedBase(f"{system}{at}")
            arrays[column] = [by_strength[strength][at] for strength in guided]
            told = f"{system} {{n:.0f}} of 9"
            place = (left + 28, 139 + 7 * line)
            marks.append(Text(place, told, {"n": column[chosen + 1]}, anchor="middle"))
    names = tuple("none" if strength == "0" else strength for strength in guided)
    return Scene(
        "guidance",
        "Three strangers: guide the same network by SFace",
        {chosen: Choice("strength of guidance", names)},
        [Panel(marks, Axis(0, 184), Axis(151, 0), equal=True, wide=True, frame=False)],
        arrays=arrays,
    )
