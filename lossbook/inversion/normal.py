"""What values of the inversion losses are normal, and why.

Templates of different people are taken to point anywhere on the sphere of D = 128 numbers, each
number a standard normal one before it is normalised. The cosine of two of them has mean 0 and
variance 1/D. A network that is not trained, and an answer that belongs to another person, are as
likely to resemble one template as the other: to what looks at directions alone both are the same.
"""

import math
from typing import Any

import torch
from torch import Tensor

from lossbook.registry import Normal, State

_FACES, _DIMS, _NEGATIVES, _PIXELS = 128, 128, 64, 56 * 56
_MARGIN, _TEMPERATURE = 0.35, 0.07
# The mean of the largest of 64 standard normal numbers, from its integral.
_LARGEST_OF_64 = 2.3438
_PICTURES = (
    "Pixels standardised. The network answers 0, the mean picture; chance is another picture."
)
_RAW = (
    f"Templates of {_DIMS} numbers of mean 0 and variance 1. The network's features are 0, chance "
    f"those of another person."
)
_TURNED = (
    f"Features and templates point anywhere among {_DIMS} dimensions. The network's features are "
    f"independent of the template, and so are those of another person."
)
_OTHERS = (
    f"Features, template and {_NEGATIVES} negatives point anywhere among {_DIMS} dimensions, "
    f"whether of a network that is not trained or of another person."
)
_PULLS = (
    f"Both gradients independent in every one of {_PIXELS} pixels, of variance 1. At the start the "
    "loss is one minus the similarity, so that one gradient is minus the other."
)
_OF_ALL = f"Raw L2 features, λ = 1. {_PICTURES} {_RAW}"

Arguments = tuple[tuple[Any, ...], dict[str, Any]]


def _pair(state: State, generator: torch.Generator, *shape: int) -> tuple[Tensor, Tensor]:
    values, target = torch.randn(2, _FACES, *shape, generator=generator)
    return torch.zeros_like(target) if state == "start" else values, target


def _pictures(state: State, generator: torch.Generator) -> Arguments:
    return _pair(state, generator, _PIXELS), {}


def _features(state: State, generator: torch.Generator) -> Arguments:
    return _pair(state, generator, _DIMS), {}


def _directions(state: State, generator: torch.Generator) -> Arguments:
    return _pair("chance", generator, _DIMS), {"normalized": True}


def _people(state: State, generator: torch.Generator) -> Arguments:
    features, template = _pair("chance", generator, _DIMS)
    negatives = torch.randn(_FACES, _NEGATIVES, _DIMS, generator=generator)
    return (features, template, negatives), {}


def _gradients(state: State, generator: torch.Generator) -> Arguments:
    first, second = _pair("chance", generator, _PIXELS)
    return (first, -first if state == "start" else second), {}


def _all(state: State, generator: torch.Generator) -> Arguments:
    names = ("input", "target", "features", "template")
    tensors = (*_pictures(state, generator)[0], *_features(state, generator)[0])
    options: dict[str, Any] = {"feature": "l2", "center_weight": 0.0}
    return (), dict(zip(names, tensors, strict=True)) | options


def _row(name: str, unit: str, given: str, start: float, chance: float, inputs: Any) -> Normal:
    return Normal(name, unit, "mean", given, start, chance, inputs=inputs)


_HINGE = _LARGEST_OF_64 / math.sqrt(_DIMS) + _MARGIN
# The logarithm of a sum of 64 log-normal numbers, over another one, to second order.
_SPREAD = 1 / (_DIMS * _TEMPERATURE**2)
_NCE = (
    math.log(_NEGATIVES) + _SPREAD / 2 - (math.exp(_SPREAD) - 1) / (2 * _NEGATIVES) + 1 / _NEGATIVES
)
# The mean length of a standard normal vector.
_LENGTH = math.sqrt(_PIXELS - 0.5)

PIXEL = (_row("pixel_loss", "variance of a pixel", _PICTURES, 1.0, 2.0, _pictures),)
FEATURE_L2 = (
    _row("feature_l2_loss", "variance of a number", _RAW, float(_DIMS), 2.0 * _DIMS, _features),
    _row("feature_l2_loss", "1", f"normalized=True. {_TURNED}", 2.0, 2.0, _directions),
)
CENTER = (
    _row("center_loss", "variance of a number", _RAW, float(_DIMS), 2.0 * _DIMS, _features),
    _row("center_loss", "1", f"normalized=True. {_TURNED}", 2.0, 2.0, _directions),
)
COSINE_MARGIN = (_row("cosine_margin_loss", "1", _OTHERS, _HINGE, _HINGE, _people),)
INFO_NCE = (_row("info_nce_loss", "nats", _OTHERS, _NCE, _NCE, _people),)
GUIDANCE = (
    _row(
        "guidance_consistency_loss",
        "deviation of a gradient",
        _PULLS,
        2 * _LENGTH,
        math.sqrt(2) * _LENGTH,
        _gradients,
    ),
)
INVERSION = (
    _row("pixel", "variance of a pixel", _OF_ALL, 1.0, 2.0, _all),
    _row("feat", "variance of a number", _OF_ALL, float(_DIMS), 2.0 * _DIMS, _all),
)
