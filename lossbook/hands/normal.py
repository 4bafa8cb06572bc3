"""What values of the hand losses are normal, and why.

A normal variable of deviation s has the mean size s √(2/π), the difference of two independent ones
√2 times that. Of a rotation that is uniform among all, the angle θ has the density (1 - cos θ) / π:
the mean of its cosine is -1/2 and that of the angle itself π/2 + 2/π. The squared chord to it is
4 (1 - cos θ), 6 on average, and that between two such rotations is distributed alike.
"""

import math
from typing import Any

import torch
from torch import Tensor

from lossbook.registry import Normal, State

_HANDS, _JOINTS, _VERTICES, _ROTATIONS, _SHAPES = 256, 21, 778, 15, 10
_CROP, _REACH, _BEND = 0.2, 40.0, 0.4
_SIZE = math.sqrt(2 / math.pi)
_OF_2D = (
    f"{_JOINTS} visible points, normal around the crop's centre with a deviation of {_CROP} of its "
    f"side. The network answers the centre, chance another hand."
)
_OF_3D = (
    f"{_JOINTS - 1} visible joints beside the root, normal around it with a deviation of "
    f"{_REACH:g} mm. The network answers the root for each, chance another hand."
)
_OF_MESH = (
    f"{_VERTICES} vertices, normal around the origin with a deviation of {_REACH:g} mm. The "
    f"network answers the origin, chance another hand."
)
_OF_PRIOR = (
    "The network answers the mean hand, chance MANO's own shapes, of variance 1, and rotations "
    "that are uniform among all."
)
_OF_AUX = (
    f"Axis-angles of {3 * _ROTATIONS + 3} numbers with a deviation of {_BEND} rad, {_SHAPES} "
    f"shape parameters of variance 1. The network answers 0, chance another hand."
)
_OF_TURNS = "Rotations uniform among all. The network answers the identity, chance another hand."

_PER_HAND = {"reduction": "batchmean"}

Arguments = tuple[tuple[Any, ...], dict[str, Any]]


def _pair(state: State, generator: torch.Generator, *shape: int) -> tuple[Tensor, Tensor]:
    values, target = torch.randn(2, _HANDS, *shape, generator=generator)
    return torch.zeros_like(target) if state == "start" else values, target


def _points(state: State, generator: torch.Generator) -> Arguments:
    values, target = _pair(state, generator, _JOINTS, 2)
    return (_CROP * values, _CROP * target), dict(_PER_HAND)


def _joints(state: State, generator: torch.Generator) -> Arguments:
    pair = [_REACH * points for points in _pair(state, generator, _JOINTS, 3)]
    for points in pair:
        points[:, 0] = 0
    return tuple(pair), dict(_PER_HAND)


def _vertices(state: State, generator: torch.Generator) -> Arguments:
    values, target = _pair(state, generator, _VERTICES, 3)
    return (_REACH * values, _REACH * target), dict(_PER_HAND)


def _rotations(generator: torch.Generator) -> Tensor:
    """Uniform among all, from unit quaternions that are uniform on their sphere."""
    turns = torch.randn(_HANDS, _ROTATIONS, 4, generator=generator)
    w, x, y, z = (turns / turns.norm(dim=-1, keepdim=True)).unbind(-1)
    rows = (
        (1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)),
        (2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)),
        (2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)),
    )
    return torch.stack([torch.stack(row, -1) for row in rows], -2)


def _answer(state: State, generator: torch.Generator) -> Tensor:
    turns = _rotations(generator)
    return torch.eye(3).expand_as(turns) if state == "start" else turns


def _mean_hand(state: State, generator: torch.Generator) -> Arguments:
    betas, _ = _pair(state, generator, _SHAPES)
    return (betas, _answer(state, generator)), {}


def _first_stage(state: State, generator: torch.Generator) -> Arguments:
    pose, pose_target = _pair(state, generator, 3 * _ROTATIONS + 3)
    shape, shape_target = _pair(state, generator, _SHAPES)
    return (_BEND * pose, shape, _BEND * pose_target, shape_target), {}


def _turns(state: State, generator: torch.Generator) -> Arguments:
    return (_answer(state, generator), _rotations(generator)), {}


def _angles(state: State, generator: torch.Generator) -> Arguments:
    return _turns(state, generator)[0], {"form": "geodesic"}


def _hand(state: State, generator: torch.Generator) -> Arguments:
    made = {
        ("input_2d", "target_2d"): _points,
        ("input_3d", "target_3d"): _joints,
        ("input_vertices", "target_vertices"): _vertices,
        ("betas", "hand_pose"): _mean_hand,
        ("pose", "shape", "pose_target", "shape_target"): _first_stage,
    }
    inputs: dict[str, Any] = {"reduction": "batchmean"}
    for names, make in made.items():
        inputs |= dict(zip(names, make(state, generator)[0], strict=True))
    visible = torch.ones(_HANDS, _JOINTS)
    return (), inputs | {"confidence_2d": visible, "confidence_3d": visible}


def _of_lengths(
    name: str, unit: str, given: str, numbers: int, deviation: float, inputs: Any
) -> Normal:
    start = numbers * deviation * _SIZE
    return Normal(name, unit, "batchmean", given, start, math.sqrt(2) * start, inputs=inputs)


def _of_means(
    name: str, given: str, start: float, chance: float, inputs: Any, unit: str = "1"
) -> Normal:
    return Normal(name, unit, "mean", given, start, chance, inputs=inputs)


_2D = ("side of the crop", _OF_2D, 2 * _JOINTS, _CROP)
_3D = ("mm", _OF_3D, 3 * (_JOINTS - 1), _REACH)
_MESH = ("mm", _OF_MESH, 3 * _VERTICES, _REACH)
_AUX = _BEND**2 + 1

KEYPOINT_2D = (_of_lengths("keypoint_2d_loss", *_2D, _points),)
KEYPOINT_3D = (_of_lengths("keypoint_3d_loss", *_3D, _joints),)
VERTEX = (_of_lengths("vertex_loss", *_MESH, _vertices),)
PRIOR = (
    _of_means("shape_prior", _OF_PRIOR, 0.0, 1.0, _mean_hand),
    _of_means("pose_prior", _OF_PRIOR, 0.0, 6.0, _mean_hand),
)
AUXILIARY = (_of_means("auxiliary_loss", _OF_AUX, _AUX, 2 * _AUX, _first_stage),)
ROTATION = (
    _of_means("rotation_loss", _OF_TURNS, 6.0, 6.0, _turns),
    _of_means(
        "rotation_loss",
        f"form='geodesic'. {_OF_TURNS}",
        math.pi / 2 + 2 / math.pi,
        math.pi / 2 + 2 / math.pi,
        _angles,
        unit="rad",
    ),
)
HAND = (
    _of_lengths("2d", *_2D, _hand),
    _of_lengths("3d_joint", *_3D, _hand),
    _of_lengths("3d_vert", *_MESH, _hand),
    _of_means("prior", _OF_PRIOR, 0.0, 1.0, _hand),
    _of_means("aux", _OF_AUX, _AUX, 2 * _AUX, _hand),
)
