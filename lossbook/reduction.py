"""The one place where "none", "mean", "sum" and "batchmean" are decided."""

from collections.abc import Callable
from functools import reduce
from typing import Literal, get_args

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from lossbook import checks

Reduction = Literal["none", "mean", "sum", "batchmean"]
REDUCTIONS: tuple[str, ...] = get_args(Reduction)
_HALF = (torch.float16, torch.bfloat16)


def check_reduction(reduction: str) -> None:
    """Check the name of a reduction.

    Raises:
        ValueError: if it is not one of the four.
    """
    if reduction not in REDUCTIONS:
        raise ValueError(f"reduction must be one of {', '.join(REDUCTIONS)}; got {reduction!r}")


def working_dtype(dtype: torch.dtype) -> torch.dtype:
    """The dtype to compute and add up in: float32 for half precision, else the dtype itself."""
    return torch.promote_types(dtype, torch.float32)


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


Kernel = Callable[[Tensor], "Tensor | tuple[tuple[float, Tensor], ...]"]
"""From errors to losses in their shape, or to addends of the losses with a factor each.

Addends are added up one by one, which spares the passes over memory that would join them.
"""


def elementwise_loss(
    kernel: Kernel,
    input: Float[Tensor, "*shape"],
    target: Float[Tensor, "*shape"],
    *,
    weight: Float[Tensor, "..."] | Bool[Tensor, "..."] | None = None,
    reduction: Reduction,
    native: Callable[[Tensor, Tensor, str], Tensor] | None = None,
    names: tuple[str, str, str] = ("input", "target", "weight"),
) -> Tensor:
    """The gate of a loss of ``input - target``; then its kernel and the reduction.

    Args:
        kernel: the formula, as a function of the error; 0 at 0.
        input: predictions, any shape.
        target: same shape.
        weight: multiplies the losses, never the inputs; see :func:`lossbook.checks.fit_weight`
            for its shape. What has weight 0 contributes nothing, whatever it holds, NaN included.
        reduction: see :func:`reduce_loss`.
        native: the same formula as torch has it, of input, target and ``"none"`` or ``"sum"``; it
            spares a pass where there is no weight.
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
    fitted = (
        None if weight is None else checks.fit_weight(weight, input, name=names[2], of=names[0])
    )
    if checks.checking_values(input, target, weight):
        _look(input, target, weight, fitted, names)
    if input.dtype != target.dtype or dtype in _HALF:
        working = working_dtype(dtype)
        input, target = input.to(working), target.to(working)
    if native is not None and fitted is None:
        if reduction == "none":
            return native(input, target, "none").to(dtype)
        return _divide(native(input, target, "sum"), reduction, input)
    return reduce_errors(kernel, input - target, weight=fitted, reduction=reduction, dtype=dtype)


def reduce_errors(
    kernel: Kernel,
    error: Float[Tensor, "*shape"],
    *,
    weight: Float[Tensor, "..."] | None,
    reduction: Reduction,
    dtype: torch.dtype,
    mend: Callable[[Tensor], Tensor] | None = None,
) -> Tensor:
    """Apply a kernel to errors, weigh the losses and reduce them. Nothing is checked here.

    Args:
        kernel: see :func:`elementwise_loss`.
        error: float32 or float64.
        weight: in the same dtype, and broadcasting against ``error``.
        reduction: see :func:`reduce_loss`.
        dtype: of the result for ``"none"``.
        mend: takes out of the weight what else must not count; asked only where it may matter,
            that is, where the result would not be finite or may not be looked at.
    """
    if weight is None:
        if reduction == "none":
            return _joined(kernel(error)).to(dtype)
        return _divide(_added_up(kernel(error)), reduction, error)
    if reduction != "none" and not weight.requires_grad and checks.readable(error, weight):
        # On the CPU it costs nothing to see whether there was a NaN to mask at all.
        total = (_joined(kernel(error)) * weight).sum()
        if bool(total.isfinite()):
            return _divide(total, reduction, error, weight)
    weight = weight if mend is None else mend(weight)
    losses = _joined(kernel(error.masked_fill(weight == 0, 0))) * weight
    if reduction == "none":
        return losses.to(dtype)
    return _divide(losses.sum(), reduction, error, weight)


def _divide(
    total: Tensor, reduction: Reduction, losses: Tensor, weight: Tensor | None = None
) -> Tensor:
    """Turn the sum of some losses, or of what has their shape, into what was asked for."""
    if reduction == "mean" and weight is not None:
        repeats = losses.numel() // max(weight.numel(), 1)
        count = weight.sum(dtype=total.dtype) * repeats
        return total / torch.where(count > 0, count, 1)
    if reduction == "mean":
        return total / max(losses.numel(), 1)
    if reduction == "batchmean" and losses.ndim:
        return total / max(losses.shape[0], 1)
    return total


def _joined(losses: "Tensor | tuple[tuple[float, Tensor], ...]") -> Tensor:
    if isinstance(losses, Tensor):
        return losses
    return reduce(torch.add, [factor * addend for factor, addend in losses])


def _added_up(losses: "Tensor | tuple[tuple[float, Tensor], ...]") -> Tensor:
    if isinstance(losses, Tensor):
        return losses.sum()
    return reduce(torch.add, [factor * addend.sum() for factor, addend in losses])


def _look(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None,
    fitted: Tensor | None,
    names: tuple[str, str, str],
) -> None:
    """Look at the values, inside ``check_values``; what has weight 0 may hold anything."""
    if weight is not None and fitted is not None:
        checks.weights(**{names[2]: weight})
        present = fitted != 0
        input, target = input.where(present, 0), target.where(present, 0)
    checks.finite(**{names[0]: input, names[1]: target})
