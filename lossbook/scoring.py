"""What metrics share, and PFLD: lengths, weights of points, means, passed thresholds."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from lossbook import checks
from lossbook.checks import working_dtype

Weight = Float[Tensor, "..."] | Bool[Tensor, "..."]


def lengths(vectors: Float[Tensor, "*shape d"]) -> Float[Tensor, "*shape"]:
    """Euclidean lengths, without squares that overflow or vanish.

    The derivatives of a vector that is 0 are 0, of first and of second order.
    """
    largest = vectors.detach().abs().amax(-1, keepdim=True)
    scale = largest.where((largest > 0) & largest.isfinite(), 1)
    square = (vectors / scale).square().sum(-1)
    # The root's slope at 0 is infinite, so the root is not taken there; NaN differs from 0.
    moved = square != 0
    return square.where(moved, 1).sqrt().where(moved, 0) * scale.squeeze(-1)


def point_weight(
    weight: Weight, points: Float[Tensor, "batch points d"], *, of: str
) -> Float[Tensor, "batch points"]:
    """Bring a visibility, or another weight of points, into the shape ``(B, N)``.

    Args:
        weight: boolean or floating-point; ``(B,)``, ``(B, N)``, ``(B, N, 1)`` or ``(1, N)``.
        points: what it belongs to.
        of: what the errors call the points.

    Raises:
        TypeError: for anything but a floating-point or boolean tensor.
        ValueError: for a shape that does not fit, one value for each coordinate, or another
            device.
    """
    if (
        isinstance(weight, Tensor)
        and (weight.dtype is torch.bool or weight.is_floating_point())
        and weight.shape == points.shape[:2]
        and weight.device == points.device
    ):
        # As it nearly always comes.
        return weight.to(working_dtype(points.dtype))
    batch, count, dimensions = points.shape
    if isinstance(weight, Tensor) and (
        weight.shape[2:] == (dimensions,) or weight.shape == (batch, count * dimensions)
    ):
        raise ValueError(
            f"weight must have one value a point, as (B,), (B, N), (B, N, 1) or (1, N), got "
            f"{tuple(weight.shape)}, one a coordinate; pass "
            f"weight.reshape(-1, {count}, {dimensions})[..., 0], or of a mask .all(-1)"
        )
    fitted = checks.fit_weight(weight, points, of=of).squeeze(-1)
    return fitted if weight.shape == (batch, count) else fitted.expand(batch, count)


def visible_mean(
    values: Float[Tensor, "batch n"], weight: Float[Tensor, "batch n"] | None
) -> Float[Tensor, " batch"]:
    """Mean over the second dimension; NaN where all weights are 0, as nothing was measured.

    Values of weight 0 must be finite.
    """
    if weight is None:
        return values.mean(1)
    return (values * (weight / weight.sum(1, keepdim=True))).sum(1)


def passed(errors: Float[Tensor, "*shape"], start: float, stop: float) -> Float[Tensor, "*shape"]:
    """The share of the thresholds from ``start`` to ``stop`` that an error does not exceed.

    NaN exceeds all of them.
    """
    part = 1 - (errors - start) / (stop - start)
    return torch.where(errors <= start, 1, part.where(errors < stop, 0))


def check_points(weight: Tensor | None, **points: Tensor) -> None:
    """Look at the values that count, inside :func:`lossbook.check_values`.

    Args:
        weight: shape ``(B, N)``; None counts all.
        points: shape ``(B, N, d)`` each.

    Raises:
        ValueError: for a weight that is negative, NaN or infinite, or points that count and hold
            NaN or infinities.
    """
    if weight is not None:
        checks.finite(weight=weight)
        if bool((weight < 0).any()):
            raise ValueError(
                f"weight must not be negative, its smallest value is {weight.min().item():.4g}; "
                f"0 leaves a point out"
            )
        checks.no_visibility(weight=weight)
        visible = weight != 0
        points = {name: tensor.where(visible[..., None], 0) for name, tensor in points.items()}
        hidden = int((~visible.any(1)).sum())
        if hidden:
            checks.warn(
                f"nothing is visible in {hidden} of {len(weight)} samples: they have no error, "
                f"and NaN stands for it"
            )
    checks.finite(checks.MASK, **points)
