"""Elementwise formulas that several losses share, as torch's own fused operations.

A kernel takes input and target of one shape and dtype, or an error, and ``"none"``, ``"sum"`` or
``"mean"``. It checks nothing. It is 0, with a gradient of 0, where there is no error.
"""

from collections.abc import Callable

import torch
from torch import Tensor

# What the functions of torch.nn.functional call: these broadcast first, which takes half as long as
# all the rest of a small loss.
_smooth_l1: Callable[..., Tensor] = torch._C._nn.smooth_l1_loss
_mse: Callable[..., Tensor] = torch._C._nn.mse_loss
_CODES = {"none": 0, "mean": 1, "sum": 2}


def absolute(input: Tensor, target: Tensor, reduction: str) -> Tensor:
    """Absolute error."""
    return magnitude(input - target, reduction)


def smooth(input: Tensor, target: Tensor, reduction: str, beta: float) -> Tensor:
    """SmoothL1."""
    return _smooth_l1(input, target, _CODES[reduction], beta)


def magnitude(error: Tensor, reduction: str) -> Tensor:
    """Absolute value of an error that is there already."""
    return reduced(error.abs(), reduction)


def squared(input: Tensor, target: Tensor, reduction: str) -> Tensor:
    """Squared error."""
    return _mse(input, target, _CODES[reduction])


def square(error: Tensor, reduction: str) -> Tensor:
    """Square of an error that is there already."""
    return reduced(error * error, reduction)


def reduced(losses: Tensor, reduction: str) -> Tensor:
    """Elementwise losses, or their sum or mean."""
    if reduction == "none":
        return losses
    return losses.sum() if reduction == "sum" else losses.mean()
