"""The one place where "none", "mean", "sum" and "batchmean" are decided."""

from collections.abc import Callable
from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from lossbook import checks

Reduction = Literal["none", "mean", "sum", "batchmean"]
REDUCTIONS: tuple[str, ...] = get_args(Reduction)


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
    dtype: torch.dtype | None = None,
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

    A mean over nothing (an empty batch, or all weights 0) is 0 with zero gradient.

    Args:
        losses: elementwise losses, any shape.
        reduction: one of the four names.
        weight: multiplies the losses; same shape.
        dtype: of the result; by default that of ``losses``. Sums over half precision are
            added up in float32 before they are cast.

    Raises:
        ValueError: for an unknown reduction, or a weight of another shape.
    """
    check_reduction(reduction)
    dtype = losses.dtype if dtype is None else dtype
    if weight is not None:
        checks.same_shape(losses=losses, weight=weight)
        losses = losses * weight
    if reduction == "none":
        return losses.to(dtype)
    working = working_dtype(losses.dtype)
    total = losses.sum(dtype=working)
    if reduction == "mean" and weight is not None:
        count = weight.sum(dtype=working)
        total = total / torch.where(count > 0, count, 1)
    elif reduction == "mean":
        total = total / max(losses.numel(), 1)
    elif reduction == "batchmean":
        total = total / max(losses.shape[0], 1) if losses.ndim else total
    return total.to(dtype)


def elementwise_loss(
    core: Callable[[Tensor, Tensor], Tensor],
    input: Float[Tensor, "*shape"],
    target: Float[Tensor, "*shape"],
    *,
    weight: Float[Tensor, "..."] | None = None,
    reduction: Reduction,
    names: tuple[str, str, str] = ("input", "target", "weight"),
) -> Tensor:
    """Check two tensors, apply an elementwise formula to them and reduce the result.

    Args:
        core: the formula, from two tensors of one shape to the losses in that shape.
        input: predictions, any shape.
        target: same shape.
        weight: multiplies the losses, never the inputs. Its shape is that of ``input`` or a
            leading part of it: ``(B,)`` weighs samples, ``(B, N)`` points. What has weight 0
            contributes nothing, whatever it holds, NaN included.
        reduction: see :func:`reduce_loss`.
        names: what the errors call the three tensors.

    Returns:
        The loss in the inputs' dtype. Half precision is computed in float32 in between.

    Raises:
        TypeError: for anything but floating-point tensors, or float64 beside a narrower dtype.
        ValueError: for different shapes, a weight that does not fit, an unknown reduction.
    """
    pair = names[:2]
    checks.floating(**dict(zip(pair, (input, target), strict=True)))
    checks.same_shape(**dict(zip(pair, (input, target), strict=True)))
    check_reduction(reduction)
    dtype = checks.same_dtype(**dict(zip(pair, (input, target), strict=True)))
    working = working_dtype(dtype)
    if weight is not None:
        checks.floating(**{names[2]: weight})
        if checks.checking_values(weight):
            checks.weights(**{names[2]: weight})
        weight = _expand_weight(weight, input, names).to(working)
        present = weight != 0
        input, target = input.where(present, 0), target.where(present, 0)
    if checks.checking_values(input, target):
        checks.finite(**dict(zip(pair, (input, target), strict=True)))
    return reduce_loss(
        core(input.to(working), target.to(working)), reduction, weight=weight, dtype=dtype
    )


def _expand_weight(weight: Tensor, input: Tensor, names: tuple[str, str, str]) -> Tensor:
    if weight.shape != input.shape[: weight.ndim]:
        raise ValueError(
            f"{names[2]} must have the shape of {names[0]} {tuple(input.shape)} or a leading part "
            f"of it, got {tuple(weight.shape)}"
        )
    trailing = (1,) * (input.ndim - weight.ndim)
    return weight.reshape(weight.shape + trailing).expand_as(input)
