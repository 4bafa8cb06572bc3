"""How what has weight 0 is kept out of a loss on the CPU without working it out twice."""

import math

import torch
from torch import Tensor

__all__ = [
    "MANY",
    "cleared",
    "for_both_coordinates",
    "holds_gaps",
    "kept",
    "kept_whole",
    "weighted_total",
    "without_gaps",
]

MANY = 20_000
"""So many numbers, from which on a smaller product pays for one more operation."""
# Samples of a larger batch that are looked at for NaN, at least half as many.
_LOOKED_AT = 128


def holds_gaps(target: Tensor) -> bool:
    """Whether there seems to be a NaN or infinity among readable labels.

    Of a large batch a part is looked at, and a sum may overflow: by this a caller may choose
    between ways to one result, and no more.
    """
    target = target.detach() if target.requires_grad else target
    if target.numel() > MANY and target.shape[0] > _LOOKED_AT:
        target = target[:: 1 + target.shape[0] // _LOOKED_AT]
    return not math.isfinite(target.sum().item())


def without_gaps(target: Tensor, weight: Tensor) -> Tensor:
    """Readable labels, with 0 for what has weight 0 if any of them is NaN or infinite."""
    return cleared(target, weight.bool()) if holds_gaps(target) else target


def cleared(values: Tensor, present: Tensor) -> Tensor:
    """Readable values where a mask that broadcasts is True, and 0 where it is not.

    Of some thousand by their bits: for the shapes at hand ``torch.where`` takes two to ten times as
    long on a CPU.
    """
    if values.numel() < 4096 or not _is_plain(values):
        return torch.where(present, values, 0)
    whole = torch.int64 if values.dtype is torch.float64 else torch.int32
    if (
        whole is torch.int32
        and values.shape[-1:] == (2,)
        and present.shape[-1:] == (1,)
        and values.stride(-1) == 1
        and values.storage_offset() % 2 == 0
        and not any(stride % 2 for stride in values.stride()[:-1])
    ):
        # Both coordinates of a point at once.
        whole = torch.int64
    # All bits of a number are 1 in -1.
    kept = values.view(whole) & present.to(whole).neg_()
    return kept.view(values.dtype)


def _is_plain(values: Tensor) -> bool:
    """Whether no derivative and no subclass asks for more than the bits of a tensor."""
    return (
        type(values) is Tensor
        and not values.requires_grad
        and torch.autograd.forward_ad._current_level < 0
    )


def weighted_total(losses: Tensor, weight: Tensor) -> Tensor:
    """The sum of losses times a constant weight that broadcasts, by the fewest passes."""
    if (
        losses.numel() >= MANY
        and losses.ndim > 1
        and weight.numel() == weight.shape[0] == losses.shape[0]
    ):
        # Of samples: as many products.
        return torch.dot(losses.flatten(1).sum(1), weight.flatten())
    return (losses * for_both_coordinates(weight, losses)).sum()


def for_both_coordinates(weight: Tensor, losses: Tensor) -> Tensor:
    """Write the weight of each point out for its two coordinates, where there are many.

    Two tensors of one shape are multiplied at full speed, of these two shapes a pair at a time.
    """
    if losses.numel() < MANY or losses.shape[-1] != 2 or weight.shape != (*losses.shape[:-1], 1):
        return weight
    # A complex number is such a pair, and the fastest way to write one.
    return torch.view_as_real(torch.complex(weight, weight)).squeeze(-2)


def kept_whole(weight: Tensor, losses: Tensor) -> Tensor:
    """In compiled code for a CPU, write a constant weight of points out for their coordinates.

    Read once for two or three of them, it would take the compiler's long vectors from all that it
    is a factor of. A GPU reads a small weight as fast, and needs no memory for it.
    """
    if not losses.is_cpu or losses.ndim < 3 or losses.shape[-1] >= 8 or weight.requires_grad:
        return weight
    if weight.shape[-1] != 1 or weight.shape[-2] == 1:
        return weight
    return kept(weight.expand_as(losses))


def kept(values: Tensor) -> Tensor:
    """In compiled code, have values kept, and not worked out anew wherever they are used.

    Worked out in each place, they would take the compiler's long vectors from it.
    """
    whole = values.contiguous()
    return torch.as_strided(whole, whole.shape, whole.stride())
