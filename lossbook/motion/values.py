"""What the motion losses see inside ``check_values``, and how they say it."""

import math

import torch
from torch import Tensor

from lossbook import checks
from lossbook.motion.letters import nothing_counts
from lossbook.motion.terms import Request, hidden_dims

# Real motion at 25 frames a second has 0.4 to 0.5, independent frames have 2.
_UNEVEN, _FRAMES = 1.5, 8
# A hundred times the size: as degrees beside radians, or pixels beside shares of a picture.
_APART = 1e4


def look(
    request: Request,
    weight: Tensor | None,
    dim_weights: Tensor | None,
    lengths: Tensor | None = None,
) -> None:
    """Look at the values; what has weight 0 may hold anything.

    Raises:
        ValueError: for weights that are negative, numbers that count and are not finite, or
            lengths that no clip has.
    """
    _look_at_letters(request)
    if request.target is not None:
        checks.not_swapped(("input", "target"), request.input, request.target)
    if weight is not None:
        checks.weights(weight=weight)
        _look_for_lengths(weight, request.input.shape[1])
    if lengths is not None:
        look_at_lengths(lengths, request.input.shape[1])
    if dim_weights is not None:
        checks.weights(dim_weights=dim_weights)
    absent = None if request.weight is None else request.weight == 0
    if absent is not None:
        _look_at_padding(absent)
    # R knows no weights of dimensions.
    unused = None if request.absolute else hidden_dims(request)

    def counted(values: Tensor) -> Tensor:
        values = values if absent is None else values.masked_fill(absent, 0)
        return values if unused is None else values.masked_fill(unused, 0)

    # Of the first frame alone, only that one counts.
    whole = request.target is not None or bool(request.absolute)
    input = counted(request.input)
    checks.finite(checks.MASK, input=input if whole else input[:, :1])
    if request.cond_frame is not None:
        first = counted(request.cond_frame[:, None].expand_as(request.input))[:, 0]
        checks.finite(checks.MASK, cond_frame=first)
        if request.target is not None:
            look_at_frame(request.cond_frame, request.target)
    if request.target is not None:
        target = counted(request.target)
        checks.finite(checks.MASK, target=target)
        _look_at_target(request, target.detach(), absent)


def _look_at_letters(request: Request) -> None:
    if request.weights is not None:
        given = {"PVA": request.target, "L": request.cond_frame, "R": request.absolute or None}
        letters = "".join(name for name, value in given.items() if value is not None)
        said = nothing_counts(request.weights, letters)
        if said:
            checks.warn(said)


def look_at_frame(cond_frame: Tensor, target: Tensor) -> None:
    """Warn of the first frame of the clip in the place of the one before; at rest they agree."""
    if cond_frame.any() and torch.equal(cond_frame, target[:, 0]):
        checks.warn(
            "cond_frame equals target[:, 0], and is to be the frame before it: cut the clips a "
            "frame longer, and of these pass clips[:, 0] as cond_frame, clips[:, 1:] as target"
        )


def look_at_lengths(lengths: Tensor, frames: int) -> None:
    """Look for lengths that no clip has.

    Raises:
        ValueError: with the first of them.
    """
    wrong = lengths[(lengths < 0) | (lengths > frames)]
    if len(wrong):
        raise ValueError(f"lengths must lie from 0 to the {frames} frames, found {wrong[0].item()}")


def _look_for_lengths(weight: Tensor, frames: int) -> None:
    """Whole numbers of which the largest is about that of the frames were hardly meant to weigh."""
    if weight.ndim != 1 or not weight.is_floating_point() or not weight.numel() or frames < 4:
        return
    low, high = weight.min().item(), weight.max().item()
    if low < high and frames / 2 < high <= frames and torch.equal(weight, weight.round()):
        checks.warn(
            f"weight holds whole numbers up to {high:g}, of {frames} frames, as the lengths of "
            f"clips: they weigh the clips and hide no padding; pass lengths=weight.long()"
        )


def _look_at_padding(absent: Tensor) -> None:
    """Padding stands behind a clip: what counts at the end only was hardly meant.

    A full clip has no padding, so of an inverted mask nothing in it counts. Clips that are padded
    in front pass where one of them is full.
    """
    counted = ~absent.all(2)
    starts_late = ~counted[:, :-1] & counted[:, 1:]
    ends_early = counted[:, :-1] & ~counted[:, 1:]
    if bool(starts_late.any()) and not bool(counted[:, 0].any() | ends_early.any()):
        checks.warn(
            "weight counts the end of clips and no beginning, as a mask of padding would "
            "(key_padding_mask of torch): it is True where a frame counts; pass ~weight, unless "
            "the padding stands in front"
        )


def _look_at_target(request: Request, target: Tensor, absent: Tensor | None) -> None:
    # Not every device has float64. Divided first, so that no square overflows.
    target = target.cpu().double()
    largest = target.abs().max().item() if target.numel() else 0.0
    if largest == 0:
        return
    target = target / largest
    seen = torch.ones_like(target, dtype=torch.bool)
    seen = seen if absent is None else seen & ~absent.cpu()
    _look_at_time(target, seen)
    _look_at_scales(request, _spread(request, target, seen), largest)


def _spread(request: Request, target: Tensor, seen: Tensor) -> Tensor:
    """The weighted variance of each dimension: what an answer of its mean would leave of P."""
    counts = seen.sum((0, 1)).clamp_min(1)
    mean = target.sum((0, 1)) / counts
    spread = (target - mean).where(seen, 0).square().sum((0, 1)) / counts
    # A constant has only its rounding.
    spread = spread.where(spread > 1e-12 * mean.square(), 0)
    return spread if request.dim_weights is None else spread * request.dim_weights.detach().cpu()


def _look_at_time(target: Tensor, seen: Tensor) -> None:
    """Frames that are in order resemble their neighbours."""
    frames = seen.sum(1)
    both = seen[:, 1:] & seen[:, :-1]
    mean = target.sum(1, keepdim=True) / frames.clamp_min(1)[:, None]
    within = (target - mean).where(seen, 0).square().sum(1) / (frames - 1).clamp_min(1)
    steps = target.diff(dim=1).where(both, 0).square().sum(1) / both.sum(1).clamp_min(1)
    judged = (frames >= _FRAMES) & (both.sum(1) >= _FRAMES // 2) & (within > 0)
    if int(judged.sum()) < _FRAMES:
        return
    ratio = (steps[judged] / within[judged]).median().item()
    if ratio > _UNEVEN:
        checks.warn(
            f"neighbouring frames of target differ as much as frames far apart (by {ratio:.2g} "
            f"times the variance of a clip; 2 is chance): it may be noise, or are the frames "
            f"shuffled, or is it (T, B, D)? If so, sort them, or pass target.transpose(0, 1)"
        )


def _look_at_scales(request: Request, spread: Tensor, scale: float) -> None:
    """Squares: a part or a dimension that is a hundred times as large is all that is trained."""
    sizes = {}
    for name, part in zip(request.layout.names, request.layout.parts, strict=True):
        of_part = spread[part.start : part.stop]
        if part.weight > 0 and bool((of_part > 0).any()):
            sizes[name] = part.weight * of_part.mean().item()
            moving = of_part[of_part > 0]
            middle, most = moving.median().item(), moving.max().item()
            if most > _APART * middle:
                dimension = part.start + int(of_part.argmax())
                checks.warn(
                    f"in the part {name!r} dimension {dimension} of target spreads "
                    f"{math.sqrt(most / middle):.3g} times as far as the middle one, weights "
                    f"included: the loss sees little else; standardise the dimensions, or weigh "
                    f"them by dim_weights"
                )
                return
    if not sizes:
        return
    small, large = min(sizes, key=sizes.__getitem__), max(sizes, key=sizes.__getitem__)
    if sizes[large] > _APART * sizes[small]:
        far, near = (scale * math.sqrt(sizes[name]) for name in (large, small))
        checks.warn(
            f"target spreads by {far:.3g} in the part {large!r} and by {near:.3g} in {small!r}, "
            f"weights included: the total sees little else than {large!r}; are angles in degrees? "
            f"Standardise the dimensions, or give {large!r} a smaller weight"
        )
