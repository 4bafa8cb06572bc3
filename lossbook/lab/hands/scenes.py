"""The objects to move that show hands: a log that is mixed anew, joints, depth, root, rotations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import sympy as sp
import torch
from numpy.typing import NDArray

from lossbook.hands import HandLossWeights, symbolic
from lossbook.lab.hands.kinematics import FINGERS, Hand, finger_pose
from lossbook.lab.hands.labels import confidence, pulls
from lossbook.lab.hands.pictures import hand_panel, hand_row, losses, skeleton, units
from lossbook.lab.page.formulas import Number
from lossbook.lab.page.marks import Mark
from lossbook.lab.page.objects import (
    Arrow,
    Axis,
    Button,
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


def some_hand(bend: float = 1.0) -> NDArray[np.float64]:
    """A hand that is about to take something: 21 joints in millimetres, the wrist at 0.

    Args:
        bend: how far the fingers are bent; 0 is an open hand.
    """
    flexion = torch.tensor(
        [[[0.3, 0.3, 0.3], [0.5, 0.7, 0.4], [0.7, 0.8, 0.5], [0.8, 0.9, 0.5], [0.9, 0.9, 0.5]]]
    )
    pose = torch.zeros(1, 48)
    pose[:, 3:] = finger_pose(bend * flexion, torch.tensor([[0.2, 0.1, 0.0, -0.1, -0.2]]))
    joints = np.asarray(Hand()(pose, torch.zeros(1, 10))[0].double()) * 1000
    return np.asarray(np.round(joints - joints[0], 1))


def _over_truth(
    true: Places, found: Places, names: tuple[str, str] = ("true hand", "predicted hand")
) -> list[Mark]:
    """A predicted hand, thin, over the true one."""
    return [
        *skeleton(true, "label", label=names[0], width=5),
        *skeleton(found, "predicted hand", label=names[1], width=2),
    ]


def mixer() -> Scene:
    """The terms of a logged step under other weights, units and reductions."""
    w_2d, w_3d, _, w_prior, _ = symbolic.WEIGHTS
    metres, averaged = sp.Symbol("metres", integer=True), sp.Symbol("averaged", integer=True)
    count = sp.Piecewise((BATCH, averaged > 0), (1, True))
    unit = sp.Piecewise((sp.Rational(1, 1000), metres > 0), (1, True))
    terms = {
        "2D points": w_2d * LOGGED["2d"] / count,
        "3D joints": w_3d * LOGGED["3d_joint"] * unit / count,
        "shape prior": w_prior * LOGGED["prior"],
    }
    looks = dict(zip(terms, ("2d", "3d_joint", "prior"), strict=True))
    total = sp.Add(*terms.values())

    def preset(weights: HandLossWeights) -> dict[sp.Symbol, float]:
        return {w_2d: weights.w_2d, w_3d: weights.w_3d_joint, w_prior: weights.w_prior}

    file = HandLossWeights.config()
    return Scene(
        "mixer",
        "The first step of the log",
        {
            w_2d: Range(0.001, 100, file.w_2d, label="weight of 2D", log=True),
            w_3d: Range(0.001, 10, file.w_3d_joint, label="weight of 3D", log=True),
            w_prior: Range(0.00001, 10, file.w_prior, label="weight of the prior", log=True),
            metres: Choice("3D joints in", ("millimetres", "metres")),
            averaged: Switch(f"2D and 3D as means over {BATCH} hands"),
        },
        [
            bars(
                terms,
                Axis(1e-3, 1e5, log=True, ticks=[1e-3, 0.1, 10, 1e3, 1e5]),
                title="Weight times term",
                looks=looks,
                format="4",
            ),
            bars(
                {name: term / total for name, term in terms.items()},
                Axis(0, 1),
                title="Share of the total",
                looks=looks,
                format=".1%",
            ),
        ],
        [
            (
                "The total is {total:5}. The 2D term is {ratio:2} times the 3D term.",
                {"total": total, "ratio": terms["2D points"] / terms["3D joints"]},
            )
        ],
        [
            Button("configuration file", preset(file)),
            Button("code", preset(HandLossWeights.code())),
        ],
    )


def anatomy() -> Scene:
    """A hand with its 21 joints, which can be turned."""
    joints = some_hand(0.2)
    turn = sp.Symbol("turn", real=True)
    angle = turn * sp.pi / 180
    places = [(float(x) * sp.cos(angle) + float(z) * sp.sin(angle), float(y)) for x, y, z in joints]
    names = {chain[-1]: f"{chain[-1]} {finger}" for finger, chain in FINGERS.items()}
    names[0] = "0 wrist"
    # Between two fingers there is room for one number.
    to_the_left = {*FINGERS["pinky"], FINGERS["ring"][-1]}
    numbers = [
        Text(
            place,
            names.get(n, str(n)),
            shift=(0, 18) if n == 0 else (0, -14) if n == 12 else (-7 if left else 7, 0),
            anchor="middle" if n in (0, 12) else "end" if left else "start",
        )
        for n, place in enumerate(places)
        for left in (n in to_the_left,)
    ]
    return Scene(
        "anatomy",
        "21 joints",
        {turn: Range(-45, 45, 0, 1, "°", "turned by", fps=20)},
        [
            Panel(
                [*skeleton(places, "label", label="a joint"), *numbers],
                Axis(-135, 135),
                Axis(24, -205),
                equal=True,
                frame=False,
            )
        ],
    )


def depth() -> Scene:
    """Two hands that differ in depth alone: what the picture says, and what the side says."""
    joints = some_hand()
    k, turn = sp.Symbol("k", real=True), sp.Symbol("turn", real=True)
    angle = turn * sp.pi / 180

    def seen(factor: sp.Expr | Number, by: sp.Expr | Number) -> Places:
        return [
            (float(x) * sp.cos(by) + factor * float(z) * sp.sin(by), float(y)) for x, y, z in joints
        ]

    def drawn(by: sp.Expr | Number) -> list[Mark]:
        return _over_truth(seen(1, by), seen(k, by))

    axes = (Axis(-164, 92), Axis(12, -145))
    in_space = sp.Add(*(sp.Abs(k * float(z) - float(z)) for _, _, z in joints))
    return Scene(
        "depth",
        "One picture, many hands",
        {
            k: Range(-1, 2, 0.4, 0.05, label="predicted depth, in multiples of the true depth"),
            turn: Range(0, 90, 70, 1, "°", "right view turned by"),
        },
        [
            Panel(drawn(0), *axes, "In the picture", equal=True, frame=False),
            Panel(drawn(angle), *axes, "The same, turned", equal=True, frame=False),
        ],
        [
            (
                "Sum of the errors: 0 mm in the picture, {space:.0f} mm in space.",
                {"space": in_space},
            )
        ],
    )


def root() -> Scene:
    """A label whose wrist is wrong, and what a loss that measures from it sees."""
    joints = some_hand(0.2)[:, :2]
    u, which = sp.Symbol("u", real=True), sp.Symbol("which", integer=True)
    right = [(float(x), float(y)) for x, y in joints]
    label: list[Place] = [(right[0][0] + u, right[0][1])]
    label += right[1:]
    # Measured from the wrist, all others move; from the knuckle, nothing but the wrist is off.
    moved = sp.Piecewise((0, which > 0), (u, True))
    aligned = [(x - moved, y) for x, y in label]
    names = ("label, its wrist wrong", "prediction, right")

    def measured_from(joint: int) -> sp.Expr:
        errors = (
            (p - right[joint][0]) - (x - label[joint][0])
            for (x, _), (p, _) in zip(label, right, strict=True)
        )
        return sp.Add(*map(sp.Abs, errors))

    axes = (Axis(-85, 117), Axis(14, -196))

    return Scene(
        "root",
        "Only the wrist is wrong",
        {
            u: Range(-40, 40, 20, 1, "mm", "error of the label's wrist"),
            which: Choice("measured from", ("the wrist", "the middle knuckle, 9")),
        },
        [
            Panel(_over_truth(drawn, right, names), *axes, title, equal=True, frame=False)
            for drawn, title in (
                (label, "Label and prediction"),
                (aligned, "What the loss compares"),
            )
        ],
        [
            (
                "The loss is {a:.0f} mm measured from the wrist, {b:.0f} mm from the knuckle.",
                {"a": measured_from(0), "b": measured_from(9)},
            )
        ],
    )


def rotations() -> Scene:
    """A label that turns across 180°, the number that is stored of it, and two losses."""
    joints = some_hand(0.2)[:, :2]
    found, true, along = sp.symbols("found true along", real=True)

    def radians(degrees: sp.Expr) -> sp.Expr:
        return degrees * sp.pi / 180

    def turned(degrees: sp.Expr) -> Places:
        cos, sin = sp.cos(radians(degrees)), sp.sin(radians(degrees))
        return [
            (float(x) * cos - float(y) * sin, float(x) * sin + float(y) * cos) for x, y in joints
        ]

    def way(degrees: sp.Expr, radius: float) -> Places:
        """From upright to a stored rotation."""
        angles = [radians(degrees) * n / 30 for n in range(31)]
        return [(radius * sp.sin(a), -radius * sp.cos(a)) for a in angles]

    def losses(label: sp.Expr) -> dict[str, sp.Expr]:
        theta, other = symbolic.theta, symbolic.theta_gt
        axis_angle = {theta: radians(label), other: radians(found)}
        matrix = {theta: radians(found), other: radians(label)}
        return {
            "axis-angle": symbolic.AXIS_ANGLE_DISTANCE.subs(axis_angle),
            "rotation matrix": symbolic.POSE_DISTANCE.subs(matrix),
        }

    stored = symbolic.WRAPPED.subs(symbolic.theta, radians(true)) * 180 / sp.pi
    here = losses(true)
    # By the prediction.
    slopes = {
        "axis-angle": 2 * radians(found - stored),
        "rotation matrix": 4 * sp.sin(radians(found - true)),
    }
    high, broad = 222, 240
    tip = turned(found)[12]
    arrows: list[Mark] = []
    for (name, slope), out in zip(slopes.items(), (1.02, 1.09), strict=True):
        # At the middle finger's tip; each turns the hand the way that its loss falls.
        start = (tip[0] * out, tip[1] * out)
        pull = -12 * slope / sp.sqrt(start[0] ** 2 + start[1] ** 2)
        arrows.append(Arrow(start, (-start[1] * pull, start[0] * pull), look=name, width=3))
    return Scene(
        "rotations",
        "The label turns across 180°",
        {
            true: Range(120, 240, 175, 1, "°", "the label is turned by"),
            found: Range(0, 180, 170, 1, "°", "the prediction by"),
        },
        [
            Panel(
                [
                    Line(way(stored, 70), look="label", width=3, solid=True),
                    Line(way(found, 52), look="predicted hand", width=1.5, solid=True),
                    *_over_truth(turned(true), turned(found), ("label", "prediction")),
                    *arrows,
                    Text((-236, -205), "label, stored: {s:.0f}°", {"s": stored}),
                    Text((-236, -175), "prediction: {p:.0f}°", {"p": found}),
                ],
                Axis(-broad, broad),
                Axis(high, -high),
                equal=True,
                frame=False,
            ),
            Panel(
                [
                    *(
                        Curve(loss, along, look=name, label=name, span=(120, 240))
                        for name, loss in reversed(losses(along).items())  # the dashed one above
                    ),
                    *(Dots([(true, loss)], look=name, size=5) for name, loss in here.items()),
                ],
                Axis(120, 240, "rotation of the label [°]", ticks=[120, 150, 180, 210, 240]),
                Axis(0, 42, "loss", ticks=[0, 10, 20, 30, 40]),
                "Loss of the same prediction",
                height=240,
            ),
        ],
        [
            (
                "The loss is {a:.2f axis-angle} with axis-angles and {m:.2f rotation matrix} with "
                "matrices.",
                {"a": here["axis-angle"], "m": here["rotation matrix"]},
            )
        ],
        [
            Button("across the seam", {true: 185, found: 170}),
            Button("half a turn", {true: 180, found: 0}),
        ],
    )
