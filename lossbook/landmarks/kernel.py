"""What PFLD's loss computes, once its gate has let the tensors through. Nothing is checked here."""

import math
from typing import NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor

from lossbook import checks
from lossbook.kernels import squared
from lossbook.landmarks.groups import share_totals
from lossbook.masking import MANY, cleared, for_both_coordinates, holds_gaps, kept


class Batch(NamedTuple):
    """What a loss is computed from, in the dtype to compute in; the attributes are constants."""

    points: Tensor
    points_target: Tensor
    angles: Tensor
    angles_target: Tensor
    attributes: Tensor | None


class Weights(NamedTuple):
    """Weights of the samples, ``(B,)``, and of the points, ``(B, N)``, where these differ."""

    of_samples: Tensor | None
    of_points: Tensor | None


NO_WEIGHTS = Weights(None, None)


class Factors(NamedTuple):
    """The factors of the samples, ``(B,)``, and what their sums are divided by; None for a mean.

    Beside a rarity, that of the pose is halved and the rarity doubled.
    """

    pose: Tensor
    rarity: Tensor | None
    divisor: Tensor | int | float | None


# The compiler of torch 2.8 traces neither a property nor `_replace` of a named tuple.
def product_of(factors: Factors) -> Tensor:
    """Both factors together."""
    return factors.pose if factors.rarity is None else factors.pose * factors.rarity


def hide_absent(batch: Batch, weights: Weights) -> Batch:
    """Without what samples of weight 0 hold beside their points."""
    if weights.of_samples is None:
        return batch
    absent = (weights.of_samples == 0)[:, None]
    attributes = batch.attributes
    return Batch(
        batch.points,
        batch.points_target,
        batch.angles.masked_fill(absent, 0),
        batch.angles_target.masked_fill(absent, 0),
        None if attributes is None else attributes.masked_fill(absent, 0),
    )


def mend_labels(batch: Batch, weights: Weights) -> Batch:
    """Readable labels without the NaN of what has weight 0; what else holds one keeps it."""
    present = weights.of_samples
    if present is None or not checks.readable(batch.points_target, batch.angles_target, present):
        return batch
    if holds_gaps(batch.points_target):
        points, of_points = batch.points_target, weights.of_points
        if of_points is not None:
            faces = cleared(points.reshape(*of_points.shape, 2), of_points.bool().unsqueeze(-1))
            points = faces.view(points.shape)
        else:
            shape = (-1,) + (1,) * (points.ndim - 1)
            points = cleared(points, present.bool().view(shape))
        batch = batch._replace(points_target=points)
    if holds_gaps(batch.angles_target):
        known, attributes = present.bool().unsqueeze(-1), batch.attributes
        if attributes is not None and checks.readable(attributes):
            attributes = cleared(attributes, known)
        angles = cleared(batch.angles_target, known)
        batch = batch._replace(angles_target=angles, attributes=attributes)
    return batch


def find_factors(
    batch: Batch,
    weight: Tensor | None,
    degrees: bool,
    pose_bias: float,
    attribute_bias: float,
    ranks: "dist.ProcessGroup | None",
) -> Factors:
    """The factors of the samples, with the biases; of all ranks, what is counted."""
    pose = _half_turn(batch.angles - batch.angles_target, degrees, weighs_points=True)
    attributes = batch.attributes
    # Ranks count their samples together, also without attributes.
    present = pose.detach()[:, None][:, :0] if attributes is None else attributes
    counts, samples = totals(present, weight, ranks)
    rarity = None
    if attributes is None:
        pose = 2 * pose
        pose = pose + pose_bias if pose_bias else pose
    else:
        pose = pose + pose_bias / 2 if pose_bias else pose
        rarity = rarity_of(attributes, counts, 2 * samples)
        rarity = rarity + 2 * attribute_bias if attribute_bias else rarity
    divisor: Tensor | int | float | None = None
    if isinstance(samples, Tensor):
        # Averaged over the ranks, as their gradients are, this is the mean over all samples.
        samples = samples if ranks is None else samples / dist.get_world_size(ranks)
        divisor = samples.masked_fill(samples.logical_not(), 1)
    elif weight is not None or not samples:
        divisor = samples or 1
    return Factors(pose, rarity, divisor)


def means(batch: Batch, weights: Weights, factors: Factors) -> tuple[Tensor, Tensor]:
    """The weighted loss and the mean squared distance, NaN where anything is."""
    squares = squared(batch.points, batch.points_target, "none")
    (of_samples, of_points), (pose, rarity, divisor) = weights, factors
    if of_samples is None or divisor is None:
        distance = _distance(squares)
        weighted = product_of(factors) * distance
        return _mean(weighted, weights, factors), _mean(distance, weights, factors)
    # Constants meet before autograd looks on, where they are few.
    if of_points is None:
        distance, share = _distance(squares), of_samples / divisor
        constant = share if rarity is None else share * rarity
        return torch.dot(pose * constant, distance), torch.dot(share, distance)
    squares = squares if squares.ndim == 3 else squares.reshape(*of_points.shape, 2)
    few = of_points.numel() < MANY
    of_points = (of_points / divisor if few else of_points).unsqueeze(-1)
    distance = _distance(squares * for_both_coordinates(of_points, squares))
    terms = torch.dot(product_of(factors), distance), distance.sum()
    return terms if few else (terms[0] / divisor, terms[1] / divisor)


def _distance(squares: Tensor) -> Tensor:
    return squares.sum(tuple(range(1, squares.ndim)))


def safe_means(batch: Batch, weights: Weights, factors: Factors) -> tuple[Tensor, Tensor]:
    """The same, to which what has weight 0 or a factor of 0 adds nothing, NaN included."""
    error, spread = batch.points - batch.points_target, None
    if weights.of_samples is not None:
        error = error.flatten(1)
        spread = by_coordinate(weights)
        hidden = weights.of_samples[:, None] if spread is None else spread
        error = error.masked_fill(hidden == 0, 0)

    def add(squares: Tensor) -> Tensor:
        squares = squares if spread is None else squares * spread
        return squares.flatten(1).sum(1)

    distance = add(error * error)
    # A sample of factor 0 stays at 0 even where its distance is infinite or NaN. Elsewhere its
    # second derivative counts, which compiled code does not have: there one pass is spared.
    product = product_of(factors)
    hidden = product == 0
    if not torch.compiler.is_compiling():
        hidden = hidden & ~distance.isfinite()
    hidden = hidden[:, None] if error.ndim == 2 else hidden[:, None, None]
    seen = error.masked_fill(hidden, 0)
    weighted = product * add(seen * seen)
    return _mean(weighted, weights, factors), _mean(distance, weights, factors)


def by_coordinate(weights: Weights) -> Tensor | None:
    """The weights of points once for each coordinate, ``(B, 2N)``."""
    of_points = weights.of_points
    return None if of_points is None else of_points[..., None].expand(-1, -1, 2).flatten(1)


def _mean(values: Tensor, weights: Weights, factors: Factors) -> Tensor:
    # A weight of points is in the distances already.
    if weights.of_samples is not None and weights.of_points is None:
        values = values * weights.of_samples
    return values.mean() if factors.divisor is None else values.sum() / factors.divisor


def turn(difference: Tensor, degrees: bool) -> Tensor:
    """Sum of 1 - cos as 2 sin^2 of the half: half precision and small angles keep their digits."""
    return 2 * _half_turn(difference, degrees)


def _half_turn(difference: Tensor, degrees: bool, *, weighs_points: bool = False) -> Tensor:
    sine = (difference * (math.pi / 360 if degrees else 0.5)).sin()
    parts = sine * sine
    if weighs_points and torch.compiler.is_compiling():
        # The compiler would work a sum of three out again for every point.
        return kept(parts.sum(1))
    return parts.sum(1)


def totals(
    attributes: Tensor, weight: Tensor | None, ranks: "dist.ProcessGroup | None"
) -> tuple[Tensor, Tensor | int | float]:
    """How many samples have each attribute, shape (C,), and how many samples there are."""
    counts = (attributes if weight is None else attributes * weight.unsqueeze(1)).sum(0)
    samples = attributes.shape[0] if weight is None else weight.sum()
    if ranks is not None:
        return share_totals(counts, samples, ranks)
    if isinstance(samples, Tensor) and not samples.requires_grad and checks.readable(samples):
        return counts, samples.item()
    return counts, samples


def rarity_of(attributes: Tensor, counts: Tensor, samples: Tensor | int | float) -> Tensor:
    """The sum of the inverse frequencies of what a sample has."""
    # An attribute that nobody has is 0 in every row: what its count is replaced by is no matter.
    return (attributes / counts.masked_fill(counts.logical_not(), 1)).sum(1) * samples
