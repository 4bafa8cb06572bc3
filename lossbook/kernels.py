"""Elementwise formulas that several losses share, as torch's own fused operations.

A kernel takes input and target of one shape and dtype, or an error, and ``"none"`` or ``"sum"``. It
checks nothing. It is 0, with a gradient of 0, where there is no error.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

# The smallest normal number of float32. Below it SmoothL1 is a parabola, above it |x| to the last
# digit: one pass each way, where a difference, an absolute value and a sign take two and three.
_NOWHERE = 1.1754943508222875e-38


def absolute(input: Tensor, target: Tensor, reduction: str) -> Tensor:
    """Absolute error."""
    if torch.compiler.is_compiling():
        return magnitude(input - target, reduction)
    return F.smooth_l1_loss(input, target, reduction=reduction, beta=_NOWHERE)


def magnitude(error: Tensor, reduction: str) -> Tensor:
    """Absolute value of an error that is there already."""
    return error.abs().sum() if reduction == "sum" else error.abs()


def squared(input: Tensor, target: Tensor, reduction: str) -> Tensor:
    """Squared error."""
    return F.mse_loss(input, target, reduction=reduction)
