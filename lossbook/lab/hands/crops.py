"""Crop coordinates, those of WiLoR and HaMeR.

The crop is a square around the hand, its side is 1, its centre the origin; x grows to the right and
y downwards, so both lie in [-0.5, 0.5].
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from lossbook import checks

__all__ = ["CROP", "to_crop"]

CROP = 1.25
"""Side of the crop over the longer side of the hand's bounding box."""


def to_crop(
    points: Float[Tensor, "batch 21 2"],
    *,
    factor: float = CROP,
    generator: torch.Generator | None = None,
) -> Float[Tensor, "batch 21 2"]:
    """Express keypoints in the coordinates of a crop around them.

    Args:
        points: in any unit, y downwards.
        factor: side of the crop over the longer side of the bounding box.
        generator: of the CPU. If given, the crop is not exact, as one from a detector of hands is
            not: its side is up to 10 % smaller or larger, then the hand lies up to 5 % of the side
            off its centre in both directions.

    Returns:
        Crop coordinates, within [-0.5, 0.5].

    Raises:
        ValueError: if ``factor`` is not positive.
    """
    checks.number(exclusive=True, factor=factor)
    low, high = points.amin(1, keepdim=True), points.amax(1, keepdim=True)
    side = factor * (high - low).amax(2, keepdim=True).clamp_min(torch.finfo(points.dtype).tiny)
    crops = (points - (low + high) / 2) / side
    if generator is None:
        return crops
    even = 2 * torch.rand(len(points), 1, 3, generator=generator).to(points) - 1
    return crops / (1 + 0.1 * even[..., :1]) + 0.05 * even[..., 1:]
