"""The one place where "none", "mean", "sum" and "batchmean" are decided."""

import math
from collections.abc import Callable
from typing import Literal, get_args

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from lossbook import checks
from lossbook.advice import instead_of_reduction
from lossbook.checks import working_dtype
from lossbook.kernels import absolute, magnitude
from lossbook.masking import kept_whole, weighted_total, without_gaps

__all__ = [
    "REDUCTIONS",
    "Kernel",
    "Reduction",
    "apply",
    "check_reduction",
    "elementwise_loss",
    "reduce_loss",
    "widened",
    "working_dtype",
]

Reduction = Literal["none", "mean", "sum", "batchmean"]
"""The type of ``reduction=``: one of four names, see :func:`~lossbook.reduction.reduce_loss`."""
REDUCTIONS: tuple[str, ...] = get_args(Reduction)
"""The four names, to be checked against."""


def check_reduction(reduction: str) -> None:
    """Check the name of a reduction.

    Raises:
        ValueError: if it is not one of the four.
    """
    if reduction not in REDUCTIONS:
        raise ValueError(
            f"reduction must be one of {', '.join(REDUCTIONS)}; got {reduction!r}"
            f"{instead_of_reduction(reduction, REDUCTIONS)}"
        )


def reduce_loss(
    losses: Float[Tensor, "*shape"],
    reduction: Reduction,
    *,
    weight: Float[Tensor, "*shape"] | None = None,
) -> Tensor:
    r"""Reduce elementwise losses.

    ========== ==============================================================================
    reduction  result
    ========== ==============================================================================
    none       the (weighted) losses, shape ``(*shape)``
    sum        their sum
    mean       their sum over the number of elements, or over the sum of the weights
    batchmean  their sum over the size of the first dimension, as in
               :func:`torch.nn.functional.kl_div`; a 0-dimensional loss is a batch of one
    ========== ==============================================================================

    A mean over nothing (an empty batch, or all weights 0) is 0 with zero gradient. What is
    reduced is float32 for half-precision losses: a sum may be larger than they can hold.

    In data-parallel training each rank divides by its own weights, and the average of the ranks'
    means is not the mean over all ranks. It becomes that mean if each rank's is multiplied by
    :func:`lossbook.rank_share` of its weights. A ``"batchmean"`` needs that, with
    ``torch.ones(batch)`` as weights, only where the sizes of the batches differ; a ``"sum"`` only
    the number of ranks as a factor.

    Args:
        losses: elementwise losses, any shape.
        reduction: one of the four names.
        weight: multiplies the losses; same shape.

    Raises:
        ValueError: for an unknown reduction, or a weight of another shape.
    """
    check_reduction(reduction)
    if weight is not None:
        checks.same_shape(losses=losses, weight=weight)
        losses = losses * weight
    if reduction == "none":
        return losses
    return _divide(losses.sum(dtype=working_dtype(losses.dtype)), reduction, losses, weight)


Kernel = Callable[..., Tensor]
"""A formula of one or two tensors and of a reduction; see :mod:`lossbook.kernels`."""


def elementwise_loss(
    kernel: Kernel,
    input: Float[Tensor, "*shape"],
    target: Float[Tensor, "*shape"],
    *,
    weight: Float[Tensor, "..."] | Bool[Tensor, "..."] | None = None,
    reduction: Reduction,
    names: tuple[str, str, str] = ("input", "target", "weight"),
) -> Tensor:
    """The gate of a loss of two tensors of one shape; then its kernel and the reduction.

    Args:
        kernel: the formula; 0 where input and target are equal.
        input: predictions, any shape.
        target: same shape.
        weight: multiplies the losses, never the inputs; see :func:`lossbook.checks.fit_weight`
            for its shape. What has weight 0 contributes nothing, whatever it holds, NaN included;
            on the CPU a NaN or infinity there in the prediction costs a second evaluation, in the
            target one more pass over it.
        reduction: see :func:`reduce_loss`.
        names: what the errors call the three tensors.

    Returns:
        The losses in the inputs' dtype, or reduced. Half precision is computed in float32, and
        what is reduced stays float32.

    Raises:
        TypeError: for anything but floating-point tensors, or float64 beside a narrower dtype.
        ValueError: for different shapes, a weight that does not fit, an unknown reduction.
    """
    dtype = checks.pair(input, target, names[:2])
    check_reduction(reduction)
    fitted = None
    if weight is not None:
        fitted = checks.fit_weight(weight, input, name=names[2], of=names[0])
    if checks.checking_values(input, target, weight):
        _look(input, target, weight, fitted, names)
    input, target = widened(dtype, input, target)
    masks = weight is not None and weight.dtype is torch.bool
    return apply(
        kernel, input, target, weight=fitted, masks=masks, reduction=reduction, dtype=dtype
    )


def widened(dtype: torch.dtype, *tensors: Tensor) -> tuple[Tensor, ...]:
    """Bring tensors, whose common dtype this is, into the dtype to compute in."""
    working = working_dtype(dtype)
    for tensor in tensors:
        if tensor.dtype is not working:
            return tuple(t if t.dtype is working else t.to(working) for t in tensors)
    return tensors


def apply(
    kernel: Kernel,
    *tensors: Float[Tensor, "*shape"],
    weight: Float[Tensor, "..."] | None,
    masks: bool = False,
    reduction: Reduction,
    dtype: torch.dtype,
    mend: Callable[[Tensor], Tensor] | None = None,
) -> Tensor:
    """Apply a kernel, weigh the losses and reduce them. Nothing is checked here.

    Args:
        kernel: see :func:`elementwise_loss`.
        tensors: what it takes, in one shape and one dtype, float32 or float64.
        weight: in the same dtype, and broadcasting against them.
        masks: whether the weight is 0 and 1 only: what is left then needs no product with it.
        reduction: see :func:`reduce_loss`.
        dtype: of the result for ``"none"``.
        mend: from the weight one without what else must not count; asked only where that may
            matter, where the result would not be finite or may not be looked at.
    """
    if weight is None:
        if reduction == "none":
            return kernel(*tensors, "none").to(dtype)
        if reduction == "mean" and not torch.compiler.is_compiling() and tensors[0].numel():
            return kernel(*tensors, "mean")
        return _divide(kernel(*tensors, "sum"), reduction, tensors[0])
    if reduction != "none" and not weight.requires_grad and checks.readable(*tensors, weight):
        # On the CPU it costs nothing to see whether there was a NaN to mask at all. It nearly
        # always is a label's: these are cleared first.
        if len(tensors) == 2:
            tensors = tensors[0], without_gaps(tensors[1], weight)
        quick = reduced_if_finite(kernel(*tensors, "none"), weight, reduction)
        if quick is not None:
            return quick
    weight = weight if mend is None else mend(weight)
    # Every kernel is a function of the difference.
    error = tensors[0] if len(tensors) == 1 else tensors[0] - tensors[1]
    factor = weight
    if torch.compiler.is_compiling() and (kernel is not magnitude or error.shape[-1:] == (2,)):
        factor = kept_whole(weight, error)
    hidden = factor == 0
    if kernel is absolute or kernel is magnitude:
        # The sign of NaN is 0 in torch, so no NaN gets into the gradient of |x|: masked at the end,
        # compiled code is nearly as fast as without a mask.
        sizes = error.abs()
        if torch.compiler.is_compiling() and reduction != "none" and factor.shape[-1:] == (1,):
            # What shares a weight is added first, which the compiler turns into longer vectors.
            sizes = sizes.sum(-1, keepdim=True) if error.shape[-1] < 8 else sizes
        losses = (sizes if masks else sizes * factor).masked_fill(hidden, 0)
    else:
        error = error.masked_fill(hidden, 0)
        rest = (error.new_zeros(()).expand_as(error),) * (len(tensors) - 1)
        losses = kernel(error, *rest, "none")
        losses = losses if masks else losses * factor
    if reduction == "none":
        return losses.to(dtype)
    return _divide(losses.sum(), reduction, tensors[0], weight)


def reduced_if_finite(losses: Tensor, weight: Tensor, reduction: Reduction) -> Tensor | None:
    """Readable losses times a constant weight that broadcasts, reduced; None where one is NaN."""
    total = weighted_total(losses, weight)
    if not math.isfinite(total.item()):
        return None
    if reduction != "mean":
        return _divide(total, reduction, losses)
    return total / (weight.sum().item() * _repeats(weight, losses) or 1)


def _divide(
    total: Tensor, reduction: Reduction, losses: Tensor, weight: Tensor | None = None
) -> Tensor:
    """Turn the sum of some losses, or of what has their shape, into what was asked for."""
    if reduction == "sum":
        return total
    if reduction == "mean" and weight is not None:
        count = count_of(weight, losses, total.dtype)
        return total / torch.where(count != 0, count, 1)
    if reduction == "mean":
        return total / max(losses.numel(), 1)
    return total / max(losses.shape[0], 1) if losses.ndim else total


def count_of(weight: Tensor, losses: Tensor, dtype: torch.dtype | None = None) -> Tensor:
    """What a weighted mean divides by: a weight counts once for each loss that it multiplies."""
    return weight.sum(dtype=dtype) * _repeats(weight, losses)


def _repeats(weight: Tensor, losses: Tensor) -> int:
    return losses.numel() // max(weight.numel(), 1)


def _look(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None,
    fitted: Tensor | None,
    names: tuple[str, str, str],
) -> None:
    """Look at the values, inside ``check_values``; what has weight 0 may hold anything."""
    checks.not_swapped(names[:2], input, target)
    if weight is not None and fitted is not None:
        checks.weights(**{names[2]: weight})
        present = fitted != 0
        input, target = input.where(present, 0), target.where(present, 0)
    checks.finite(checks.MASK, **{names[0]: input, names[1]: target})
