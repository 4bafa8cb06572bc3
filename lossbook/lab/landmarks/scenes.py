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
    pointer_x,
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
    many = sp.Symbol("many", integer=True)
    error = 98 * ERROR / many
    right = [(float(a), float(b)) for a, b in true]

    def panel(title: str, places: Sequence[tuple[sp.Expr, sp.Expr]]) -> Panel:
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

    alike = [(p + ERROR * s, q + ERROR * t) for (p, q), (s, t) in zip(true, sign, strict=True)]
    gathered = []
    for rank, (p, q), (s, t) in zip(order, true, sign, strict=True):
        off = sp.Piecewise((error, many > int(rank)), (0, True))
        gathered.append((float(p) + int(s) * off, float(q) + int(t) * off))
    ratio = {
        name: many * loss.subs(x, error) / (98 * loss.subs(x, sp.Float(ERROR)))
        for name, loss in LOSSES.items()
    }
    axis = Axis(
        0.1,
        20,
        "loss of the right face / loss of the left face",
        log=True,
        ticks=[0.1, 0.3, 1, 3, 10],
    )
    compared = bars(ratio, axis, format=".2f", base=1, wide=True)
    same = (ratio["L1"], len(ratio) - 1 - list(ratio).index("L1"))
    below = [
        Text((0.1, -1.1), "← prefers the right face", shift=(-40, 0)),
        Text((20, -1.1), "prefers the left face →", anchor="end", shift=(60, 0)),
    ]
    compared = replace(
        compared,
        marks=[*compared.marks, Dots([same], look="L1", size=3), *below],
        y=replace(compared.y, start=-1.5),
        height=float(compared.height) + 30,
    )
    return Scene(
        "spread",
        "Two faces, equally wrong",
        {many: Range(7, 98, 10, 1, label="how many points are wrong on the right")},
        [
            panel("all points off", alike),
            panel("the slider's points off", gathered),
            compared,
        ],
        [
            (
                "On the right both coordinates of {n:.0f} points are off by {e:.1f} px, and the "
                "others are right. Lines join neighbouring points.",
                {"n": many, "e": error},
            ),
            "Move the slider: the fewer points are wrong, the more the losses disagree.",
        ],
    )


def prices() -> Chart:
    """What an error of one coordinate costs with L1 and Wing."""
    curves = [
        Curve(LOSSES[name], x, look=name, label=name, span=(0, 12)) for name in ("L1", "Wing")
    ]
    axes = (Axis(0, 12, "error of one coordinate [px]"), Axis(0, 20, "cost: the loss [px]"))
    return Chart(
        "With Wing the first pixel of an error costs most",
        [Panel(curves, *axes, height=210, wide=True)],
    )


def landmark(faces: Faces, index: int, point: int = 76) -> Scene:
    """A predicted landmark that is dragged, and how hard each loss pulls it back.

    Args:
        faces: as `load_faces` gives them.
        index: whose face.
        point: which of the 98; a corner of the mouth.
    """
    picture, true = face(faces, index)
    a, b = (round(float(v), 1) for v in true[point])
    u = sp.Symbol("u", real=True)
    slope = {name: derivative(loss, x) for name, loss in LOSSES.items()}
    pull = {name: of.subs(x, sp.Abs(u)) for name, of in slope.items()}
    beside = {"L2": -2.6, "Wing": -0.9, "L1": 0.9, "SmoothL1": 2.6}
    written = {"L2": (9, -10), "Wing": (9, -10), "L1": (9, 11), "SmoothL1": (36, 11)}
    near = [(float(p), float(q)) for p, q in true]

    def inside(by: sp.Expr) -> sp.Expr:
        """An arrow's length, cut so that its head stays in the picture."""
        return sp.Max(-17 - u, sp.Min(17 - u, by))

    axes = (Axis(a - 18, a + 18), Axis(b + 18, b - 18))
    photograph: list[Mark] = [
        picture,
        *outline(near, "ground truth"),
        Dots([(a, b)], look="ground truth", label="true point", size=6, hollow=True),
        *(
            Arrow((a + u, b + row), (inside(-2 * slope[name].subs(x, u)), 0), look=name, label=name)
            for name, row in beside.items()
        ),
        Handle(a + u, b, {u: pointer_x - a}, look=PREDICTED, label="predicted point"),
    ]
    chart: list[Mark] = [
        Line([(sp.Abs(u), 0), (sp.Abs(u), 6)], look="neutral", width=1, solid=True),
        *(Curve(of, x, look=name, span=(0.001, 15)) for name, of in slope.items()),
        *(Dots([(sp.Abs(u), of)], look=name, size=5) for name, of in pull.items()),
        *(
            Text((sp.Abs(u), sp.Min(of, 5.6)), "{v:.1f}", {"v": of}, look=name, shift=written[name])
            for name, of in pull.items()
        ),
    ]
    return Scene(
        "landmark",
        "Drag the corner of the mouth",
        {u: Range(-14, 14, 5, 0.1, "px", "error to the right")},
        [
            Panel(photograph, *axes, equal=True, frame=False),
            Panel(
                chart,
                Axis(0, 15, "error [px]"),
                Axis(0, 6),
                "How hard each loss pulls: its slope",
                height=360,
                right=24,
            ),
        ],
        [
            (
                "The point is {r:.1f} px off. A pull of 1 is drawn 2 px long, so an arrow may "
                "reach beyond the label; L2's ends at the edge.",
                {"r": sp.Abs(u)},
            )
        ],
        [Button("nearly right", {u: 0.5}), Button("far off", {u: 12.8})],
    )


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
            )
        ],
    )


def _class(faces: Faces, index: int) -> str:
    """The one attribute of a face as the picture names it, or that it has none."""
    has = [name for name, at in zip(ATTRIBUTES, faces.attributes[index], strict=True) if at]
    named = {(): "ordinary", ("pose",): "large pose", ("expression",): "expression"}
    if tuple(has) not in named:
        raise ValueError(f"face {index} has {' and '.join(has)}, which the picture does not show")
    return named[tuple(has)]


def product() -> Scene:
    """Two errors that are multiplied, as gradient descent makes them smaller."""
    angle, square = sp.Symbol("angle", nonnegative=True), sp.Symbol("D", nonnegative=True)
    theta = angle * sp.pi / 180
    kept = square + 8 * sp.log(sp.cos(theta / 2))
    loss = symbolic.POSE_ERROR.subs(symbolic.theta, theta) * square
    turned = theta - square * sp.sin(theta) / 100
    step = {
        # The angle by its slope; D as if the step were many small ones, on the path.
        angle: turned * 180 / sp.pi,
        square: square + 8 * sp.log(sp.cos(theta / 2)) - 8 * sp.log(sp.cos(turned / 2)),
    }
    at = sp.Symbol("at", nonnegative=True)
    done = loss < sp.Rational(1, 100)
    path = kept - 8 * sp.log(sp.cos(at * sp.pi / 360))
    way = sp.Piecewise((path, done), (sp.nan, True))
    left = sp.Max(kept, 0)
    still = sp.Piecewise((360 / sp.pi * sp.acos(sp.exp(sp.Min(kept, 0) / 8)), kept < 0), (0, True))
    seen = sp.Piecewise((still, done), (sp.nan, True))
    return Scene(
        "product",
        "Two errors that are multiplied",
        {
            angle: Range(0, 130, 60, 0.1, "°", "error of the angle"),
            square: Range(0, 4, 3, 0.001, "", "squared error of the points, D"),
        },
        [
            Panel(
                [
                    Curve(way, at, look="neutral", label="path of the descent", span=(0, 130)),
                    Trail((angle, square), look="PFLD"),
                    Dots(
                        [(seen, left)], look=PREDICTED, label="where it ends", size=11, hollow=True
                    ),
                    Text(
                        (seen, left),
                        "{still:.0f}°, D = {left:.2f}",
                        {"still": still, "left": left},
                        shift=(16, -24),
                    ),
                    Handle(angle, square, look="PFLD", label="now"),
                ],
                Axis(0, 130, "error of the angle [°]"),
                Axis(0, 4, "D"),
                height=290,
                wide=True,
            )
        ],
        [
            (
                "The angle is off by {angle:.1f}°, D is {square:.2f}, the loss is {loss:.3f}.",
                {"angle": angle, "square": square, "loss": loss},
            ),
            "D is the squared error of the points. Drag the dot to start elsewhere.",
        ],
        [
            Button("400 steps", step, times=400),
            Button("points win", {angle: 120, square: 2}),
        ],
    )


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
