"""Angles as 66 logits and back: the way in which head-pose networks, and Ditto's motion, say them.

A bin is 3 degrees wide, the first is centred at -97.5 and the last at 97.5. An angle is read off
as the mean of the centres under the softmax of the logits, as in Hopenet (Ruiz et al., 2018) and in
LivePortrait, whose motion Ditto learns.

The other way is not one thing: many logits have the same mean. `to_logits` gives those of a normal
density around the angle, of a chosen width. What a network says looks similar, and is its own.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["BINS", "SPACING", "WIDTH", "centres", "sensitivity", "to_degrees", "to_logits"]

BINS = 66
SPACING = 3.0
"""Degrees from the centre of a bin to that of the next."""
WIDTH = 10.0
"""Standard deviation of the density, in degrees."""


def centres(like: Tensor | None = None) -> Float[Tensor, " bins"]:
    """The centres of the bins in degrees: -97.5, -94.5, ..., 97.5.

    Args:
        like: a tensor whose dtype and device they get.
    """
    dtype, device = (None, None) if like is None else (like.dtype, like.device)
    return SPACING * (torch.arange(BINS, dtype=dtype, device=device) - (BINS - 1) / 2)


def to_logits(
    angles: Float[Tensor, "*shape"], *, width: float = WIDTH
) -> Float[Tensor, "*shape bins"]:
    r"""Logits of a normal density around each angle, with mean 0 over the bins.

    .. math::
        \ell_k = -\frac{(c_k - \theta)^2}{2\sigma^2} + \text{const}

    Args:
        angles: degrees; from about -60 to 60, beyond which the density is cut off.
        width: σ in degrees.

    Returns:
        One more dimension, of 66 logits.
    """
    logits = -((centres(angles) - angles[..., None]) ** 2) / (2 * width**2)
    return logits - logits.mean(-1, keepdim=True)


def to_degrees(logits: Float[Tensor, "*shape bins"]) -> Float[Tensor, "*shape"]:
    r"""Read angles off: :math:`\theta = \sum_k c_k \operatorname{softmax}(\ell)_k`.

    Args:
        logits: 66 for each angle; a constant added to all of them changes nothing.

    Returns:
        Degrees.
    """
    return logits.softmax(-1) @ centres(logits)


def sensitivity(logits: Float[Tensor, "*shape bins"]) -> Float[Tensor, "*shape bins"]:
    r"""Degrees by which the angle moves for each unit of a logit: :math:`p_k (c_k - \theta)`.

    Args:
        logits: 66 for each angle.
    """
    shares = logits.softmax(-1)
    return shares * (centres(logits) - to_degrees(logits)[..., None])
