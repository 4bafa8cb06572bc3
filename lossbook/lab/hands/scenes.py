"""The objects to move that show hands: a log that is mixed anew, joints, depth, root, rotations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import sympy as sp
from numpy.typing import NDArray

from lossbook.hands import HandLossWeights, symbolic
from lossbook.lab.hands.anatomy import anatomy, some_hand
from lossbook.lab.hands.labels import confidence, own_confidence, pulls
from lossbook.lab.hands.pictures import hand_panel, hand_row, losses, skeleton, units
from lossbook.lab.page.formulas import Number
from lossbook.lab.page.marks import Mark
from lossbook.lab.page.objects import (
    Arrow,
    Axis,
    Choice,
    Curve,
    Dots,
    Line,
    Panel,
    Range,
    Scene,
    Switch,
    Text,
    bars,
    presets,
    shares,
    view,
)
from lossbook.lab.page.sheet import Place

__all__ = [
    "BATCH",
    "LOGGED",
    "TOTAL",
    "anatomy",
    "confidence",
    "depth",
    "hand_panel",
    "hand_row",
    "losses",
    "mixer",
    "own_confidence",
    "pulls",
    "root",
    "rotations",
    "some_hand",
    "units",
]

LOGGED: Mapping[str, float] = {"2d": 334.8019, "3d_joint": 73632.9062, "prior": 70.4138}
"""The terms of the first step of a training, as the note prints them; its fourth, aux, is 0."""
TOTAL = 3826.6260
"""The total that the note prints beside them."""
BATCH = 32
"""Hands in the batch, for a mean in place of a sum: UTNet's file has it, the log does not say."""

Places = Sequence[Place]


def _over_truth(
    true: Places, found: Places, names: tuple[str, str] = ("true hand", "predicted hand")
) -> list[Mark]:
    """A predicted hand, thin, over the true one."""
    return [
        *skeleton(true, "label", label=names[0], width=5),
        *skeleton(found, "predicted hand", label=names[1], width=2),
    ]


_W_2D, _W_3D, _, _W_PRIOR, _ = symbolic.WEIGHTS
_METRES, _AVERAGED = sp.symbols("metres averaged", integer=True)
_COUNT = sp.Piecewise((BATCH, _AVERAGED > 0), (1, True))
_UNIT = sp.Piecewise((sp.Rational(1, 1000), _METRES > 0), (1, True))
_TERMS = {
    "2D points": _W_2D * LOGGED["2d"] / _COUNT,
    "3D joints": _W_3D * LOGGED["3d_joint"] * _UNIT / _COUNT,
    "shape prior": _W_PRIOR * LOGGED["prior"],
}


def mixer() -> Scene:
    """The terms of a logged step under other weights, units and reductions."""
    looks = dict(zip(_TERMS, LOGGED, strict=True))
    axis = Axis(1e-3, 1e5, log=True, ticks=[1e-3, 0.1, 10, 1e3, 1e5])
    said = "The total is {total:5}. The 2D term is {ratio:2} times the 3D term."
    ratio = _TERMS["2D points"] / _TERMS["3D joints"]
    file, code = HandLossWeights.config(), HandLossWeights.code()
    weights = {"config": file, "code": code}
    return Scene(
        "mixer",
        "The first step of the log",
        {
            _W_2D: Range(0.001, 100, file.w_2d, label="weight of 2D", log=True),
            _W_3D: Range(0.001, 10, file.w_3d_joint, label="weight of 3D", log=True),
            _W_PRIOR: Range(0.00001, 10, file.w_prior, label="weight of the prior", log=True),
            _METRES: Choice("3D joints in", ("millimetres", "metres")),
            _AVERAGED: Switch(f"2D and 3D as means over {BATCH} hands"),
        },
        [
            bars(_TERMS, axis, title="Weight times term", looks=looks, format="4"),
            shares(_TERMS, "Share of the total", looks=looks),
        ],
        [(said, {"total": sp.Add(*_TERMS.values()), "ratio": ratio})],
        presets(
            (_W_2D, _W_3D, _W_PRIOR),
            {name: (w.w_2d, w.w_3d_joint, w.w_prior) for name, w in weights.items()},
        ),
    )


def _turned_about(
    joints: NDArray[np.float64], angle: sp.Expr | Number, depth: sp.Expr | Number = 1
) -> Places:
    """A hand in space from the front, turned about an upright axis.

    Args:
        joints: in millimetres, ``(21, 3)``.
        angle: in radians.
        depth: what all depths are multiplied by.
    """
    cos, sin = sp.cos(angle), sp.sin(angle)
    return [(float(x) * cos + depth * float(z) * sin, float(y)) for x, y, z in joints]


def depth() -> Scene:
    """Two hands that differ in depth alone: what the picture says, and what the side says."""
    joints = some_hand()
    k, turn = sp.symbols("k turn", real=True)
    # An empty frame: on a phone the views stand beneath each other, large enough to be seen.
    axes = (Axis(-130, 92, ticks={}), Axis(12, -145, ticks={}))

    def seen(angle: sp.Expr | Number) -> list[Mark]:
        return _over_truth(_turned_about(joints, angle), _turned_about(joints, angle, k))

    in_space = sp.Add(*(sp.Abs(k * float(z) - float(z)) for _, _, z in joints))
    said = "Sum of the errors: 0 mm in the picture, {space:.0f} mm in space."
    return Scene(
        "depth",
        "One picture, many hands",
        {
            k: Range(-1, 1.5, 0.4, 0.05, label="predicted depth, in multiples of the true depth"),
            turn: Range(0, 90, 70, 1, "°", "second view turned by"),
        },
        [
            Panel(seen(0), *axes, "In the picture", equal=True),
            Panel(seen(turn * sp.pi / 180), *axes, "The same, turned", equal=True),
        ],
        [(said, {"space": in_space})],
    )


def root() -> Scene:
    """A label whose wrist is wrong, and what a loss that measures from it sees."""
    u, which = sp.Symbol("u", real=True), sp.Symbol("which", integer=True)
    right = [(float(x), float(y)) for x, y in some_hand(0.2)[:, :2]]
    label = [(right[0][0] + u, right[0][1]), *right[1:]]
    # Measured from the wrist, all others move; from the knuckle, nothing but the wrist is off.
    moved = sp.Piecewise((0, which > 0), (u, True))
    aligned = [(x - moved, y) for x, y in label]
    losses = {"a": _from_root(right, label, 0), "b": _from_root(right, label, 9)}
    names, axes = ("label, its wrist wrong", "prediction, right"), (Axis(-85, 117), Axis(14, -196))
    said = "The loss is {a:.0f} mm measured from the wrist, {b:.0f} mm from the knuckle."
    return Scene(
        "root",
        "Only the wrist is wrong",
        {
            u: Range(-40, 40, 20, 1, "mm", "error of the label's wrist"),
            which: Choice("measured from", ("the wrist", "the middle knuckle, 9")),
        },
        [
            view(_over_truth(label, right, names), *axes, "Label and prediction"),
            view(_over_truth(aligned, right, names), *axes, "What the loss compares"),
        ],
        [(said, losses)],
    )


def _from_root(hand: Places, label: Places, root: int) -> sp.Expr:
    """The sum of the errors across, measured from a joint."""
    errors = (
        (p - hand[root][0]) - (x - label[root][0])
        for (x, _), (p, _) in zip(label, hand, strict=True)
    )
    return sp.Add(*map(sp.Abs, errors))


_FOUND, _TRUE, _ALONG = sp.symbols("found true along", real=True)
"""By how much prediction and label are turned, in degrees, and any prediction."""


def _radians(degrees: sp.Expr) -> sp.Expr:
    return degrees * sp.pi / 180


_STORED = symbolic.WRAPPED.subs(symbolic.theta, _radians(_TRUE)) * 180 / sp.pi
"""What is stored of the label."""
_SLOPES = {
    "axis-angle": 2 * _radians(_FOUND - _STORED),
    "rotation matrix": 4 * sp.sin(_radians(_FOUND - _TRUE)),
    "geodesic": sp.sign(sp.sin(_radians(_FOUND - _TRUE))),
}
"""Of each loss, by the prediction."""


def _of_rotations(found: sp.Expr) -> dict[str, sp.Expr]:
    """Three losses of a prediction that is turned by so many degrees."""
    theta, other = symbolic.theta, symbolic.theta_gt
    axis_angle = {theta: _radians(_TRUE), other: _radians(found)}
    matrix = {theta: _radians(found), other: _radians(_TRUE)}
    return {
        "axis-angle": symbolic.AXIS_ANGLE_DISTANCE.subs(axis_angle),
        "rotation matrix": symbolic.POSE_DISTANCE.subs(matrix),
        "geodesic": symbolic.GEODESIC_DISTANCE.subs(matrix),
    }


def rotations() -> Scene:
    """A label that turns across 180°, the number that is stored of it, and three losses."""
    found = _of_rotations(_FOUND)
    said = (
        "The loss is {a:.2f axis-angle} with axis-angles, {m:.2f rotation matrix} with matrices"
        " and {g:.2f geodesic} as the angle between the two."
    )
    return Scene(
        "rotations",
        "The label turns across 180°",
        {
            _TRUE: Range(120, 240, 175, 1, "°", "the label is turned by"),
            _FOUND: Range(0, 180, 170, 1, "°", "the prediction by"),
        },
        [_turning(), _jumping()],
        [(said, dict(zip("amg", found.values(), strict=True)))],
        presets((_TRUE, _FOUND), {"across the seam": (185, 170), "half a turn": (180, 0)}),
    )


def _turning() -> Panel:
    """Label and prediction, how far each is turned as it is stored, and where the losses pull."""
    joints = some_hand(0.2)[:, :2]
    true, found = _in_picture(joints, _TRUE), _in_picture(joints, _FOUND)
    marks: list[Mark] = [
        Line(_way(_STORED, 70), look="label", width=3, solid=True),
        Line(_way(_FOUND, 52), look="predicted hand", width=1.5, solid=True),
        *_over_truth(true, found, ("label", "prediction")),
        *_pulls_at(found[12]),
        Text((-236, -205), "label, stored: {s:.0f}°", {"s": _STORED}),
        Text((-236, -175), "prediction: {p:.0f}°", {"p": _FOUND}),
    ]
    return view(marks, Axis(-240, 240), Axis(222, -222))


def _in_picture(joints: NDArray[np.float64], degrees: sp.Expr) -> Places:
    """A hand that is turned in the picture."""
    cos, sin = sp.cos(_radians(degrees)), sp.sin(_radians(degrees))
    return [(float(x) * cos - float(y) * sin, float(x) * sin + float(y) * cos) for x, y in joints]


def _way(degrees: sp.Expr, radius: Number) -> Places:
    """From upright to a stored rotation."""
    angles = [_radians(degrees) * n / 30 for n in range(31)]
    return [(radius * sp.sin(a), -radius * sp.cos(a)) for a in angles]


def _pulls_at(tip: Place) -> list[Arrow]:
    """At the middle finger's tip; each turns the hand the way that its loss falls."""
    arrows = []
    for (name, slope), out in zip(_SLOPES.items(), (1.02, 1.09, 1.16), strict=True):
        start = (tip[0] * out, tip[1] * out)
        # Longer for a stronger pull, but neither too short nor too long to be seen.
        length = 12 + 6 * sp.log(1 + 10 * sp.Abs(slope))
        size = sp.Piecewise((0, sp.Abs(slope) < 1e-6), (length, True))
        pull = -sp.sign(slope) * size / sp.sqrt(start[0] ** 2 + start[1] ** 2)
        arrows.append(Arrow(start, (-start[1] * pull, start[0] * pull), look=name, width=3))
    return arrows


def _jumping() -> Panel:
    """The three losses over the prediction; the axis-angle's leaps as the label passes 180°."""
    every, here = _of_rotations(_ALONG), _of_rotations(_FOUND)
    marks: list[Mark] = [
        *(
            Curve(loss, _ALONG, look=name, label=name, span=(0, 180))
            for name, loss in reversed(every.items())  # the dashed one above
        ),
        *(Dots([(_FOUND, loss)], look=name, size=5) for name, loss in here.items()),
    ]
    across = Axis(0, 180, "rotation of the prediction [°]", ticks=[0, 45, 90, 135, 180])
    return Panel(marks, across, Axis(0, 40, "loss"), "What each prediction costs", height=330)
