"""The objects to move that show faces: errors spread or gathered, one landmark, labels, weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import sympy as sp
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from lossbook.lab.landmarks.attributes import ATTRIBUTES
from lossbook.lab.landmarks.crops import crop
from lossbook.lab.landmarks.labels import LOSSES, few_labels, labels
from lossbook.lab.landmarks.model import SIZE
from lossbook.lab.landmarks.orl import Faces
from lossbook.lab.page.charts import Chart
from lossbook.lab.page.formulas import derivative
from lossbook.lab.page.marks import Mark
from lossbook.lab.page.objects import (
    Arrow,
    Axis,
    Bar,
    Button,
    Curve,
    Dots,
    Handle,
    Line,
    Panel,
    Picture,
    Range,
    Scene,
    Switch,
    Text,
    Trail,
    bars,
    cursor,
    pointer_x,
    presets,
    view,
)
from lossbook.lab.page.sheet import Place
from lossbook.landmarks import symbolic

__all__ = [
    "LOSSES",
    "OUTLINE",
    "face",
    "few_labels",
    "labels",
    "landmark",
    "prices",
    "product",
    "shown",
    "spread",
    "weights",
]

x = symbolic.x
OUTLINE: Sequence[tuple[range, bool]] = (
    (range(33), False),
    (range(33, 42), True),
    (range(42, 51), True),
    (range(51, 55), False),
    (range(55, 60), False),
    (range(60, 68), True),
    (range(68, 76), True),
    (range(76, 88), True),
    (range(88, 96), True),
)
"""Which of the 98 points are joined, and whether in a ring: contour, brows, nose, eyes, mouth."""

PREDICTED = "detected"
"""Look of predicted points on a photograph; that of a prediction has the colour of Wing."""

CREDIT = "Photograph: ORL, AT&T Laboratories Cambridge; not under the book's licence."

ERROR = 1.5
"""Mean absolute error of each coordinate of both faces of the puzzle, in pixels."""


def face(faces: Faces, index: int, *, size: int = SIZE) -> tuple[Picture, NDArray[np.float64]]:
    """A photograph as the network sees it, and its 98 points in pixels of the crop.

    Args:
        faces: as `load_faces` gives them.
        index: which.
        size: side of the crop.
    """
    one = torch.tensor([index])
    view = crop(faces.images[one], faces.landmarks[one], faces.angles[one], size=size)
    return _photograph(view.images[0, 0]), view.landmarks[0].double().numpy()


def _photograph(image: Float[Tensor, "side side"]) -> Picture:
    """A square crop, between 0 and 1, in its own pixels."""
    grey = (image.clamp(0, 1) * 255).round().to(torch.uint8).numpy()
    return Picture(grey, (0, len(image)), (0, len(image)))


def outline(points: Sequence[Place], look: str) -> list[Mark]:
    """Thin lines through 98 places.

    Args:
        points: their places.
        look: name in the palette.
    """
    return [
        Line([points[i] for i in part], look=look, closed=ring, width=1.2, solid=True)
        for part, ring in OUTLINE
    ]


_MANY = sp.Symbol("many", integer=True)
"""Points that are wrong on the right."""
_OFF = 98 * ERROR / _MANY
"""By how much, in pixels, along either axis."""
_OTHERS_RIGHT = (
    "On the right both coordinates of {n:.0f} points are off by {e:.1f} px, and the "
    "others are right. Lines join neighbouring points."
)


def spread(faces: Faces, index: int) -> Scene:
    """The same error on all points, and gathered on few of them.

    Args:
        faces: as `load_faces` gives them.
        index: whose face.
    """
    picture, true = face(faces, index)
    generator = np.random.default_rng(1)
    order = generator.permutation(98)
    sign = generator.choice([-1, 1], (98, 2))
    right = [(float(a), float(b)) for a, b in true]
    alike = [(p + ERROR * s, q + ERROR * t) for (p, q), (s, t) in zip(true, sign, strict=True)]
    gathered = []
    for rank, (p, q), (s, t) in zip(order, right, sign, strict=True):
        off = sp.Piecewise((_OFF, int(rank) < _MANY), (0, True))
        gathered.append((p + int(s) * off, q + int(t) * off))
    return Scene(
        "spread",
        "Two faces, equally wrong",
        {_MANY: Range(7, 98, 10, 1, label="how many points are wrong on the right")},
        [
            _wrong("all points off", picture, right, alike),
            _wrong("the slider's points off", picture, right, gathered),
            _preferred(),
        ],
        [
            (_OTHERS_RIGHT, {"n": _MANY, "e": _OFF}),
            "Move the slider: the fewer points are wrong, the more the losses disagree.",
            CREDIT,
        ],
    )


def _wrong(title: str, picture: Picture, right: Sequence[Place], places: Sequence[Place]) -> Panel:
    """A face with its true points, and with predicted ones that are wrong."""
    marks = [
        picture,
        *outline(right, "ground truth"),
        *outline(places, PREDICTED),
        Dots(places, look=PREDICTED, label="predicted points", size=2),
        Dots(right, look="ground truth", label="true points", size=2),
    ]
    # With a frame, if an empty one: frameless panels stand in pairs on a phone, too small here.
    across, down = Axis(6, 106, ticks={}), Axis(112, 12, ticks={})
    return Panel(marks, across, down, title, equal=True)


def _preferred() -> Panel:
    """How much larger each loss is on the right than on the left, and what that prefers."""
    ratio = {
        name: _MANY * loss.subs(x, _OFF) / (98 * loss.subs(x, sp.Float(ERROR)))
        for name, loss in LOSSES.items()
    }
    label = "loss of the right face / loss of the left face"
    axis = Axis(0.1, 20, label, log=True, ticks=[0.1, 0.3, 1, 3, 10])
    compared = bars(ratio, axis, format=".2f", base=1, wide=True)
    same = (ratio["L1"], len(ratio) - 1 - list(ratio).index("L1"))
    marks = [
        *compared.marks,
        Dots([same], look="L1", size=3),
        Text((0.1, -1.1), "← prefers the right face", shift=(-40, 0)),
        Text((20, -1.1), "prefers the left face →", anchor="end", shift=(60, 0)),
    ]
    up, height = replace(compared.y, start=-1.5), float(compared.height) + 30
    return replace(compared, marks=marks, y=up, height=height)


def prices() -> Chart:
    """What an error of one coordinate costs with L1, SmoothL1 and Wing."""
    curves = [
        Curve(LOSSES[name], x, look=name, label=name, span=(0, 12))
        for name in ("L1", "SmoothL1", "Wing")
    ]
    axes = (Axis(0, 12, "error of one coordinate [px]"), Axis(0, 20, "cost: the loss [px]"))
    return Chart(
        "With Wing the first pixel of an error costs most",
        [Panel(curves, *axes, height=210, wide=True)],
    )


_U = sp.Symbol("u", real=True)
"""How far the landmark is to the right of the true one."""
_SLOPE = {name: derivative(loss, x) for name, loss in LOSSES.items()}
_PULLS = (
    "The point is {r:.1f} px off. A pull of 1 is drawn 2 px long, so an arrow may "
    "reach beyond the label; L2's ends at the edge."
)


def landmark(faces: Faces, index: int, point: int = 76) -> Scene:
    """A predicted landmark that is dragged, and how hard each loss pulls it back.

    Args:
        faces: as `load_faces` gives them.
        index: whose face.
        point: which of the 98; a corner of the mouth.
    """
    return Scene(
        "landmark",
        "Drag the corner of the mouth",
        {_U: Range(-14, 14, 5, 0.1, "px", "error to the right")},
        [_dragged(*face(faces, index), point), _pulling()],
        [(_PULLS, {"r": sp.Abs(_U)}), CREDIT],
        presets([_U], {"nearly right": [0.5], "far off": [12.8]}),
    )


def _dragged(picture: Picture, true: NDArray[np.float64], point: int) -> Panel:
    """The surroundings of a landmark, and the predicted one with what pulls at it."""
    a, b = (round(float(v), 1) for v in true[point])
    marks: list[Mark] = [
        picture,
        *outline([(float(p), float(q)) for p, q in true], "ground truth"),
        Dots([(a, b)], look="ground truth", label="true point", size=6, hollow=True),
    ]
    for name, row in {"L2": -2.6, "Wing": -0.9, "L1": 0.9, "SmoothL1": 2.6}.items():
        # Cut so that the arrow's head stays in the picture.
        by = sp.Max(-17 - _U, sp.Min(17 - _U, -2 * _SLOPE[name].subs(x, _U)))
        marks.append(Arrow((a + _U, b + row), (by, 0), look=name, label=name))
    handle = Handle(a + _U, b, {_U: pointer_x - a}, look=PREDICTED, label="predicted point")
    return view([*marks, handle], Axis(a - 18, a + 18), Axis(b + 18, b - 18))


def _pulling() -> Panel:
    """The slopes of the losses, and how large they are at the error."""
    error, up = sp.Abs(_U), Axis(0, 6)
    pull = {name: slope.subs(x, error) for name, slope in _SLOPE.items()}
    beside = {"L2": (9, -10), "Wing": (9, -10), "L1": (9, 11), "SmoothL1": (36, 11)}
    marks: list[Mark] = [
        cursor(error, up),
        *(Curve(slope, x, look=name, span=(0.001, 15)) for name, slope in _SLOPE.items()),
        *(Dots([(error, of)], look=name, size=5) for name, of in pull.items()),
    ]
    for name, of in pull.items():
        place = (error, sp.Min(of, 5.6))
        marks.append(Text(place, "{v:.1f}", {"v": of}, look=name, shift=beside[name]))
    title = "How hard each loss pulls: its slope"
    return Panel(marks, Axis(0, 15, "error [px]"), up, title, height=360, right=24)


def weights(faces: Faces, chosen: Sequence[int]) -> Scene:
    """Six faces, the attributes that they have, and what PFLD weighs them with.

    Args:
        faces: as `load_faces` gives them.
        chosen: six of them, with one attribute or none; each class must occur.

    Raises:
        ValueError: if a face has more than one attribute, or one that is not shown.
    """
    angle = sp.Symbol("angle", nonnegative=True)
    classes = ("large pose", "expression", "ordinary")
    counted = dict(zip(classes, sp.symbols("pose expression ordinary", integer=True), strict=True))
    kinds = [_class(faces, index) for index in chosen]
    p = symbolic.POSE_ERROR.subs(symbolic.theta, angle * sp.pi / 180)
    w = [p * counted[kind] * sp.Rational(len(kinds), kinds.count(kind)) for kind in kinds]
    marks: list[Mark] = []
    for n, (index, kind) in enumerate(zip(chosen, kinds, strict=True)):
        picture, _ = face(faces, index)
        marks.append(Picture(picture.image, (n + 0.06, n + 0.94), (11, 7.6)))
        marks.append(Bar((n + 0.5, 0), (n + 0.5, w[n]), look="PFLD", width=44))
        marks.append(Text((n + 0.5, w[n]), "{w:.2f}", {"w": w[n]}, anchor="middle", shift=(0, -10)))
        marks.append(Text((n + 0.5, 0), kind, anchor="middle", shift=(0, 13)))
    return Scene(
        "weights",
        "What PFLD weighs six faces with: tick the classes that count",
        {
            angle: Range(0, 90, 90, 1, "°", "error of the yaw of all six"),
            **{at: Switch(kind, kind != "ordinary") for kind, at in counted.items()},
        },
        [Panel(marks, Axis(0, 6), Axis(-0.9, 11), height=345, wide=True, frame=False)],
        [
            (
                "A bar is p · q. p is {p:.2f}. The mean of the six weights is {m:.2f}.",
                {"p": p, "m": sp.Add(*w) / len(w)},
            ),
            CREDIT.replace("Photograph:", "Photographs:"),
        ],
    )


def _class(faces: Faces, index: int) -> str:
    """The one attribute of a face as the picture names it, or that it has none."""
    has = [name for name, at in zip(ATTRIBUTES, faces.attributes[index], strict=True) if at]
    named = {(): "ordinary", ("pose",): "large pose", ("expression",): "expression"}
    if tuple(has) not in named:
        raise ValueError(f"face {index} has {' and '.join(has)}, which the picture does not show")
    return named[tuple(has)]


_ANGLE, _SQUARE = sp.Symbol("angle", nonnegative=True), sp.Symbol("D", nonnegative=True)
_THETA = _ANGLE * sp.pi / 180
_KEPT = _SQUARE + 8 * sp.log(sp.cos(_THETA / 2))
"""What many small steps do not change."""
_TURNED = _THETA - _SQUARE * sp.sin(_THETA) / 100
_DESCENT = {
    # The angle by its slope; D as if the step were many small ones, on the path.
    _ANGLE: _TURNED * 180 / sp.pi,
    _SQUARE: _KEPT - 8 * sp.log(sp.cos(_TURNED / 2)),
}
_LOSS = symbolic.POSE_ERROR.subs(symbolic.theta, _THETA) * _SQUARE


def product() -> Scene:
    """Two errors that are multiplied, as gradient descent makes them smaller."""
    said = "The angle is off by {angle:.1f}°, D is {square:.2f}, the loss is {loss:.3f}."
    return Scene(
        "product",
        "Two errors that are multiplied",
        {
            _ANGLE: Range(0, 130, 60, 0.1, "°", "error of the angle"),
            _SQUARE: Range(0, 4, 3, 0.001, "", "squared error of the points, D"),
        },
        [_descent(), _pulls_of_both()],
        [
            (said, {"angle": _ANGLE, "square": _SQUARE, "loss": _LOSS}),
            "Drag the dot to start elsewhere. The bars: at the angle, per radian, and at one "
            "coordinate that is √D off.",
        ],
        [
            Button("400 steps", _DESCENT, times=400),
            Button("points win", {_ANGLE: 120, _SQUARE: 2}),
        ],
    )


def _descent() -> Panel:
    """The two errors, the way that they went and, once there, the path and its end."""
    at, done = sp.Symbol("at", nonnegative=True), sp.Rational(1, 100) > _LOSS
    path = _KEPT - 8 * sp.log(sp.cos(at * sp.pi / 360))
    way = sp.Piecewise((path, done), (sp.nan, True))
    left, turn = sp.Max(_KEPT, 0), 360 / sp.pi * sp.acos(sp.exp(sp.Min(_KEPT, 0) / 8))
    still = sp.Piecewise((turn, _KEPT < 0), (0, True))
    end = (sp.Piecewise((still, done), (sp.nan, True)), left)
    told, numbers = "{still:.0f}°, D = {left:.2f}", {"still": still, "left": left}
    marks: list[Mark] = [
        Curve(way, at, look="neutral", label="path of the descent", span=(0, 130)),
        Trail((_ANGLE, _SQUARE), look="PFLD"),
        Dots([end], look=PREDICTED, label="where it ends", size=11, hollow=True),
        Text(end, told, numbers, shift=(16, -24)),
        Handle(_ANGLE, _SQUARE, look="PFLD", label="now"),
    ]
    across, up = Axis(0, 130, "error of the angle [°]"), Axis(0, 4, "D: squared error of points")
    return Panel(marks, across, up, height=290, wide=True)


def _pulls_of_both() -> Panel:
    """How hard the product pulls at the angle and at the points."""
    pulls = {
        "the angle": (_SQUARE * sp.sin(_THETA), "PFLD"),
        "the points": (2 * sp.sqrt(_SQUARE) * (1 - sp.cos(_THETA)), PREDICTED),
    }
    marks: list[Mark] = []
    for row, (of, look) in zip((1, 0), pulls.values(), strict=True):
        marks.append(Bar((0, row), (of, row), look=look, width=14))
        marks.append(Text((of, row), "{v:.2f}", {"v": of}, look=look, shift=(8, 4)))
    names = {float(row): name for row, name in zip((1, 0), pulls, strict=True)}
    across, up = Axis(0, 6.5, "pull"), Axis(-0.6, 1.6, ticks=names)
    return Panel(marks, across, up, "How hard the product pulls", height=120, wide=True, letters=10)


def shown(
    image: Float[Tensor, "side side"], points: Mapping[str, Float[Tensor, "98 2"]], title: str
) -> Panel:
    """A crop with points on it; of two clouds, large, with a line from each point to its other.

    Args:
        image: between 0 and 1.
        points: by name, ``"labels"`` or ``"predictions"``; pixels of the crop.
        title: above it.
    """
    marks: list[Mark] = [_photograph(image)]
    places = {name: [(float(a), float(b)) for a, b in cloud] for name, cloud in points.items()}
    looks = {"labels": "ground truth", "predictions": PREDICTED}
    pairs = list(zip(*places.values(), strict=True)) if len(places) == 2 else []
    marks += [Line(pair, look=PREDICTED, width=1, solid=True) for pair in pairs]
    for name, cloud in places.items():
        marks.append(Dots(cloud, look=looks[name], label=name, size=2 if pairs else 1.6))
    # An empty frame keeps pairs from standing side by side on a phone, too small to be read.
    axes = (Axis(6, 106, ticks={}), Axis(112, 12, ticks={}))
    return Panel(marks, *axes, title, equal=True, frame=bool(pairs), small=not pairs)
