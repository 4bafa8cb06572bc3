"""What values of the landmark losses are normal, and why.

98 points in a crop of 112 pixels have 196 coordinates, here from 16 to 96 pixels. A network whose
bias has not grown yet answers 0. The mean face, which is all that can be known without looking,
errs by a normal deviation of 6 pixels in each coordinate, as on the faces of the chapter. Angles
deviate by 0.3 radians (17°) from the frontal pose, which is 0.
"""

import math
from typing import Any

import torch

from lossbook.registry import Normal, State

_FACES, _POINTS, _ATTRIBUTES = 256, 98, 6
_NUMBERS = 2 * _POINTS
_LOW, _HIGH, _DEVIATION, _TURN = 16.0, 96.0, 6.0, 0.3
_CENTRE = (_LOW + _HIGH) / 2
_FACE = (
    f"{_POINTS} points in a crop of 112 px, coordinates from {_LOW:g} to {_HIGH:g} px, off the "
    f"mean face by {_DEVIATION:g} px. The network answers 0, chance the mean face."
)
_POSE = (
    f"Three angles, normal around 0 with a deviation of {_TURN} rad. The network answers 0, chance "
    f"the pose of another face."
)
_RARE = f"{_ATTRIBUTES} attributes that all occur in the batch; the answer does not enter."
_ALL = (
    f"{_FACE} Independent of that, angles with a deviation of {_TURN} rad, the network answering "
    f"0, chance another face's; and {_ATTRIBUTES} attributes that all occur in the batch."
)

Arguments = tuple[tuple[Any, ...], dict[str, Any]]


def _points(state: State, generator: torch.Generator) -> Arguments:
    mean = torch.linspace(_LOW, _HIGH, _NUMBERS).expand(_FACES, -1)
    target = mean + _DEVIATION * torch.randn(mean.shape, generator=generator)
    return (torch.zeros_like(target) if state == "start" else mean, target), {}


def _angles(state: State, generator: torch.Generator) -> Arguments:
    values, target = _TURN * torch.randn(2, _FACES, 3, generator=generator)
    return (torch.zeros_like(target) if state == "start" else values, target), {}


def _attributes(state: State, generator: torch.Generator) -> Arguments:
    return ((torch.rand(_FACES, _ATTRIBUTES, generator=generator) < 0.2).float(),), {}


def _per_face(state: State, generator: torch.Generator) -> Arguments:
    return _points(state, generator)[0], {"reduction": "batchmean"}


def _faces(state: State, generator: torch.Generator) -> Arguments:
    inputs = [made(state, generator)[0] for made in (_points, _angles, _attributes)]
    return tuple(tensor for some in inputs for tensor in some), {}


# Every error of the start is in the linear branch; C is wing_constant() for w = 10, epsilon = 2.
# The means over the normal deviation are integrals of the loss times its density.
_C = 10 - 10 * math.log(1 + 10 / 2)
SMOOTH_L1 = (
    Normal(
        "smooth_l1_loss",
        "px",
        "batchmean",
        _FACE,
        _NUMBERS * (_CENTRE - 0.5),
        _NUMBERS * 4.30944,
        inputs=_per_face,
    ),
)
WING = (
    Normal(
        "wing_loss",
        "px",
        "batchmean",
        _FACE,
        _NUMBERS * (_CENTRE - _C),
        _NUMBERS * 10.88688,
        inputs=_per_face,
    ),
)

# The mean of cos(x) over a normal x of variance v is exp(-v / 2); of a difference of two v is twice
# as large.
_OF_START, _OF_CHANCE = 3 * (1 - math.exp(-(_TURN**2) / 2)), 3 * (1 - math.exp(-(_TURN**2)))
POSE = (Normal("pose_weight", "1", "mean", _POSE, _OF_START, _OF_CHANCE, inputs=_angles),)

# Each attribute has the weight n / (its count) on that many of n faces: 1 on average.
ATTRIBUTES = (
    Normal(
        "attribute_weight",
        "1",
        "mean",
        _RARE,
        float(_ATTRIBUTES),
        float(_ATTRIBUTES),
        inputs=_attributes,
    ),
)

# Of evenly spaced coordinates the variance is span² (n + 1) / (12 (n - 1)).
_SPREAD = (_HIGH - _LOW) ** 2 * (_NUMBERS + 1) / (12 * (_NUMBERS - 1))
_SQUARES = (_NUMBERS * (_CENTRE**2 + _SPREAD + _DEVIATION**2), _NUMBERS * _DEVIATION**2)
PFLD = (
    Normal(
        "weighted",
        "px²",
        "mean",
        _ALL,
        _OF_START * _ATTRIBUTES * _SQUARES[0],
        _OF_CHANCE * _ATTRIBUTES * _SQUARES[1],
        inputs=_faces,
    ),
    Normal("l2", "px²", "mean", _ALL, *_SQUARES, inputs=_faces),
)
