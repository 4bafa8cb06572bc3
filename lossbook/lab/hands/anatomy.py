"""A hand in space to turn, to bend and to lengthen, and what a camera makes of it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import sympy as sp
import torch
from numpy.typing import NDArray

from lossbook.lab.hands.kinematics import FINGERS, Hand, finger_pose
from lossbook.lab.hands.pictures import skeleton
from lossbook.lab.page.marks import Mark
from lossbook.lab.page.objects import Axis, Dots, Line, Range, Scene, Text, view
from lossbook.lab.page.sheet import Place

__all__ = ["anatomy", "posed", "some_hand"]

Places = Sequence[Place]
_Joints = Sequence[tuple[sp.Expr, sp.Expr, sp.Expr]]


def some_hand(bend: float = 1.0) -> NDArray[np.float64]:
    """A hand that is about to take something: 21 joints in millimetres, the wrist at 0.

    Args:
        bend: how far the fingers are bent; 0 is an open hand.
    """
    return np.round(_hand(bend * _FLEXION, torch.zeros(10), spread=0.1), 1)


_FLEXION = torch.tensor(
    [[0.3, 0.3, 0.3], [0.5, 0.7, 0.4], [0.7, 0.8, 0.5], [0.8, 0.9, 0.5], [0.9, 0.9, 0.5]]
)
"""Of each finger's joints, in radians."""


def _hand(
    flexion: torch.Tensor, shape: torch.Tensor, *, spread: float = 0.0
) -> NDArray[np.float64]:
    """A hand's joints in millimetres, the index finger spread by so many radians."""
    pose = torch.zeros(1, 48)
    pose[:, 3:] = finger_pose(flexion[None], torch.tensor([[0.2, spread, 0.0, -0.1, -0.2]]))
    joints = Hand().double()(pose.double(), shape[None].double())[0]
    return np.asarray(1000 * (joints - joints[0]))


def posed(bend: sp.Expr, longer: sp.Expr) -> _Joints:
    """A nearly open hand of which one number of the pose and one of the shape can be changed.

    Each joint moves on a circle with the one and on a line with the other, so a few hands fix it.

    Args:
        bend: of the index finger's first joint, in radians.
        longer: the middle finger's length, in standard deviations from the mean.

    Returns:
        Millimetres, 21 times x, y and z.
    """
    flexion, shape = 0.2 * _FLEXION, torch.zeros(10)

    def bent(angle: float) -> NDArray[np.float64]:
        changed = flexion.clone()
        changed[1, 0] = angle
        return _hand(changed, shape)

    straight, half, behind = (bent(n * math.pi / 2) for n in range(3))
    middle = (straight + behind) / 2
    lengthened = shape.clone()
    lengthened[3] = 1.0
    along = _hand(flexion, lengthened) - _hand(flexion, shape)
    return [
        tuple(
            m + c * sp.cos(bend) + s * sp.sin(bend) + a * longer
            for m, c, s, a in zip(*values, strict=True)
        )
        for values in zip(
            *(
                np.round(part, 2).tolist()
                for part in (middle, straight - middle, half - middle, along)
            ),
            strict=True,
        )
    ]


_CAMERA, _MIDDLE = (-150, 78), (15, -95)
"""Where the camera is drawn, and the point of the hand's plane that it looks at."""
_FAR, _SHARE = 900, 0.4
"""How far that point is from the camera [mm], and where on this way the picture stands."""


def anatomy() -> Scene:
    """A hand with its 21 joints, one number of its pose and one of its shape, and its picture."""
    turn, bend, longer = sp.symbols("turn bend longer", real=True)
    joints, pictured = _through_camera(posed(bend * sp.pi / 180, longer), turn * sp.pi / 180)
    x, y = (c + _SHARE * (m - c) for c, m in zip(_CAMERA, _MIDDLE, strict=True))
    square = [(x + a, y + b) for a, b in ((-44, -44), (44, -44), (44, 44), (-44, 44))]
    rays = [Line([_CAMERA, joints[n]], look="neutral", width=1) for n in (0, 4, 17)]
    marks: list[Mark] = [
        *rays,
        Line(square, look="neutral", width=1.5, closed=True, solid=True),
        *skeleton(pictured, "predicted hand", label="21 points in the picture", width=1.5),
        *skeleton(joints, "label", label="21 joints in space"),
        *_numbers(joints, bend <= 35),
        Dots([_CAMERA], look="neutral", size=6),
        Text(_CAMERA, "camera", shift=(10, 5)),
        Text((x + 44, y - 44), "picture", shift=(0, -7), anchor="end"),
    ]
    return Scene(
        "anatomy",
        "58 numbers make 21 joints, and a camera makes the picture",
        {
            turn: Range(-20, 20, 0, 1, "°", "the hand is turned by (3 numbers of the pose)"),
            bend: Range(0, 50, 10, 1, "°", "index finger bent by (1 of 45 more)"),
            longer: Range(
                -2, 2, 0, 0.1, label="length of the middle finger (1 of 10 of the shape)"
            ),
        },
        [view(marks, Axis(-158, 132), Axis(92, -215))],
    )


def _through_camera(joints: _Joints, angle: sp.Expr) -> tuple[Places, Places]:
    """A hand in space, turned about an upright axis and seen askew, and its picture.

    What lies deeper is drawn further along the line from the camera to the middle.
    """
    cos, sin = sp.cos(angle), sp.sin(angle)
    in_space, pictured = [], []
    for x, y, z in joints:
        nearer = _FAR / (_FAR + z * cos - x * sin)
        away = (x * cos + z * sin - _MIDDLE[0], y - _MIDDLE[1])
        ways = [m - c for c, m in zip(_CAMERA, _MIDDLE, strict=True)]
        seen = [way / nearer + a for way, a in zip(ways, away, strict=True)]
        in_space.append((_CAMERA[0] + seen[0], _CAMERA[1] + seen[1]))
        share = _SHARE * nearer
        pictured.append((_CAMERA[0] + share * seen[0], _CAMERA[1] + share * seen[1]))
    return in_space, pictured


def _numbers(places: Places, apart: sp.Basic) -> list[Text]:
    """The numbers of the joints, and the names of wrist and fingertips.

    Where the joints of the index finger are not `apart`, two of its numbers are left out.
    """
    names = {chain[-1]: f"{chain[-1]} {finger}" for finger, chain in FINGERS.items()}
    names[0] = "0 wrist"
    beneath_and_above = {0: (0, 18), 12: (0, -14)}
    # Between two fingers there is room for one number.
    to_the_left = {*FINGERS["pinky"], FINGERS["ring"][-1]}
    texts = []
    for n, place in enumerate(places):
        if n in FINGERS["index"][1:3]:
            place = (sp.Piecewise((place[0], apart), (sp.nan, True)), place[1])
        shift, anchor = ((-6, 0), "end") if n in to_the_left else ((6, 0), "start")
        if n in beneath_and_above:
            shift, anchor = beneath_and_above[n], "middle"
        texts.append(Text(place, names.get(n, str(n)), shift=shift, anchor=anchor))
    return texts
