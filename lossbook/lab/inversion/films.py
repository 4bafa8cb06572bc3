"""Pictures that follow a slider: noise that SFace accepts, a face in the making, guided faces."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import numpy as np
import sympy as sp
from numpy.typing import NDArray

from lossbook.lab.inversion.model import SIGMAS, STEERED
from lossbook.lab.inversion.noise import CLIMB
from lossbook.lab.inversion.pictures import coarse, unpack
from lossbook.lab.page.marks import Mark
from lossbook.lab.page.objects import (
    Axis,
    Button,
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

__all__ = ["climb", "generation", "guidance"]

_SIDE = 112


def climb(accepted: Mapping[str, float]) -> Scene:
    """Noise after some gradient steps, and what two systems say of it.

    Args:
        accepted: from which cosine on SFace accepts (``"cosine"``), and up to which distance dlib
            does (``"distance"``).
    """
    recorded = json.loads(CLIMB.read_text(encoding="utf-8"))
    steps = recorded["steps"]
    # Which of the recorded steps is chosen; they are not equally far apart.
    step = sp.Symbol("step", integer=True, nonnegative=True)
    number = step + 1
    cosine, distance, done = map(sp.IndexedBase, ("cosine", "distance", "done"))
    here, far = cosine[number], distance[number]
    noise = Picture(unpack(recorded["shown"], _SIDE), (0, _SIDE), (0, _SIDE), frame=number)
    # Room at both sides keeps it low: on a phone picture, curve and slider are seen together.
    picture = view([noise], Axis(-_SIDE / 2, 1.5 * _SIDE), Axis(_SIDE, 0))
    doors = {"door": accepted["cosine"], "near": accepted["distance"]}
    return Scene(
        "noise-climbs",
        "Forty gradient steps on noise",
        {step: Choice("after gradient step", tuple(map(str, steps)))},
        [
            picture,
            _cosines(recorded["every cosine"], accepted["cosine"], (done[number], here)),
        ],
        [(_ACCEPTED, {"step": done[number], "cosine": here, "distance": far, **doors})],
        arrays={cosine: recorded["cosine"], distance: recorded["distance"], done: steps},
    )


_ACCEPTED = (
    "Step {step:.0f}: SFace's cosine is {cosine:.3f feat} (accepted above "
    "{door:.2f}). dlib's distance is {distance:.2f} (accepted below {near:.2f})."
)


def _cosines(every: Sequence[float], door: float, here: Place) -> Panel:
    """SFace's cosine after each step, where it stands now, and from where on it accepts."""
    marks: list[Mark] = [
        Line([(-1, door), (41, door)], look="neutral", label=f"accepted above {door:.2f}", width=1),
        series(every, first=0, look="feat", label="SFace's cosine with the template", solid=True),
        Dots([here], look="feat", size=5),
    ]
    across = Axis(-1, 41, "gradient step", ticks=[0, 10, 20, 30, 40])
    return Panel(marks, across, Axis(0, 1.05, "cosine", ticks=[0, 0.5, 1]), height=240)


Film = tuple[NDArray[np.uint8], NDArray[np.uint8]]
"""The pictures before the first step and after each, and the faces that are predicted in each."""
Judged = Sequence[tuple[float, float]]
"""SFace's cosine and dlib's distance of each predicted face."""
_LEVELS = 16
_PACE = 40
"""In how many parts a step of the film is played; a part takes 12 ms."""


def generation(
    photograph: NDArray[np.uint8],
    plain: Film,
    guided: Film,
    judged: tuple[Judged, Judged],
    accepted: Mapping[str, float],
) -> Scene:
    """A face in the making: what is left of the noise after each step, and what is predicted.

    A button plays it in many small steps and ends with the last one; the nearest step is shown.

    Args:
        photograph: of the person.
        plain: without guidance.
        guided: with guidance in the last steps.
        judged: what two systems say of the faces that are predicted, and at last of the finished
            one, without and with guidance.
        accepted: as `climb` has it.

    Raises:
        ValueError: if a film has not one picture a step.
    """
    if {len(film) for film, _ in (plain, guided)} != {len(SIGMAS)}:
        raise ValueError(
            f"expected {len(SIGMAS)} pictures, and a prediction for each but the first"
        )
    step = sp.Symbol("step", nonnegative=True)
    steered = sp.Symbol("guided", integer=True, nonnegative=True)
    noise, cosine, distance = map(sp.IndexedBase, ("noise", "cosine", "distance"))
    onward = {step: sp.Min(step + sp.Rational(1, _PACE), len(SIGMAS) - 1)}
    whole = sp.floor(step + sp.Rational(1, 2))
    said = _after_the_first(whole, steered, cosine, distance)
    doors = {"door": accepted["cosine"], "near": accepted["distance"]}
    return Scene(
        "generation",
        "A face in the making",
        {
            step: Range(0, len(SIGMAS) - 1, 1, 1, label="step"),
            steered: Choice("guidance in the last four steps", ("off", "on")),
        },
        [_making(photograph, plain, guided, whole, steered)],
        [(_LEFT, {"step": whole, "noise": noise[whole + 1]}), (_PREDICTED, said | doors)],
        [Button("Play", onward, _PACE * (len(SIGMAS) - 1)), Button("Back to the noise", {step: 0})],
        arrays={noise: list(SIGMAS), cosine: _of(judged, 0), distance: _of(judged, 1)},
    )


def _of(judged: tuple[Judged, Judged], number: int) -> list[float]:
    """What one of the two systems says, of the first film and then of the second."""
    return [each[number] for film in judged for each in film]


def _after_the_first(
    step: sp.Expr, steered: sp.Symbol, cosine: sp.IndexedBase, distance: sp.IndexedBase
) -> dict[str, sp.Expr]:
    """What both systems say of the prediction; nothing is predicted before the first step."""
    at = step + (len(SIGMAS) - 1) * steered
    return {
        name: sp.Piecewise((column[at], step > 0), (sp.nan, True))
        for name, column in (("cosine", cosine), ("distance", distance))
    }


def _making(
    photograph: NDArray[np.uint8], plain: Film, guided: Film, step: sp.Expr, steered: sp.Symbol
) -> Panel:
    """The noisy picture and the prediction, which move, beside the photograph."""
    panel: list[Mark] = []
    # A guided film differs after its first guided step, in what is predicted one step later.
    empty = np.full_like(plain[1][:1], 128)
    films = (plain[0], guided[0]), (np.concatenate([empty, plain[1]]), guided[1])
    titles = ("the picture", "the prediction", "the photograph")
    for at, (title, film) in enumerate(zip(titles, (*films, None), strict=True)):
        edges, below = (64 * at, 64 * at + 56), (11, 67)
        panel.append(Text((64 * at, 5), title))
        if film is None:
            panel.append(Picture(coarse(photograph, _LEVELS), edges, below))
            continue
        own = len(STEERED) - at
        shown = coarse(np.concatenate([film[0], film[1][-own:]]), _LEVELS)
        late = sp.Piecewise((own, step > len(SIGMAS) - 1 - own), (0, True))
        panel.append(Picture(shown, edges, below, frame=step + 1 + steered * late))
    return Panel(panel, Axis(0, 184), Axis(70, 0), equal=True, wide=True, frame=False)


_LEFT = (
    "After {step:.0f} of twelve steps the noise in the picture has a standard deviation of "
    "{noise:.2f}; pixels run from −1 to 1."
)
_PREDICTED = (
    "The prediction, and in step 12 the face: SFace's cosine is {cosine:.2f feat} (accepted above "
    "{door:.2f}), and dlib's distance {distance:.2f} (accepted below {near:.2f})."
)


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
    films = [coarse(unpack(row)[3:]) for row in guided.values()]
    people = coarse(unpack(photographs)[3:])
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
        {chosen: Choice("strength", names)},
        [Panel(marks, Axis(0, 184), Axis(151, 0), equal=True, wide=True, frame=False)],
        arrays=arrays,
    )
