"""What the inversion losses ask of their features, templates and negatives."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from lossbook import checks

Features = Float[Tensor, "batch dims"]
Negatives = Float[Tensor, "batch negatives dims"] | Float[Tensor, "negatives dims"]
Weight = Float[Tensor, "..."] | Bool[Tensor, "..."]


def check_pair(features: Tensor, other: Tensor, name: str) -> torch.dtype:
    """Check features and what each of them is compared with.

    Args:
        features: of a batch.
        other: one row for each of them.
        name: what the caller calls that.

    Returns:
        The dtype of a result in their shape.

    Raises:
        TypeError: for anything but floating-point tensors, or float64 beside a narrower dtype.
        ValueError: for shapes or devices that do not fit.
    """
    if (
        checks.alike(features, other)
        and features.ndim == 2
        and features.shape[1] > 0
        and features.shape == other.shape
    ):
        return features.dtype
    named = {"features": features, name: other}
    if name == "centers" and _are_labels(other):
        raise TypeError(
            f"centers must be the center of each sample's class, (B, D), got {other.dtype} of "
            f"shape {tuple(other.shape)}, as labels are; pass centers[labels]"
        )
    checks.floating(**named)

    def advise(which: str, shape: tuple[int, ...]) -> str:
        return f"pass {which}.flatten(1)" if len(shape) > 2 else ""

    checks.shape("(B, D)", _are_rows, advise, features=features)
    checks.shape("(B, D)", _are_rows, advise, **{name: other})
    if name == "centers" and other.shape[0] != features.shape[0]:
        raise ValueError(
            f"features and centers must have the same batch size: features has "
            f"{tuple(features.shape)}, centers {tuple(other.shape)}; of one center a class pass "
            f"centers[labels]"
        )
    checks.same_shape(**named)
    return checks.same_dtype(**named)


def check_negatives(features: Tensor, template: Tensor, negatives: Tensor) -> torch.dtype:
    """Check features, their templates and what they are not to resemble.

    Returns:
        The dtype of a result in their shape.

    Raises:
        TypeError: for anything but floating-point tensors, or float64 beside a narrower dtype.
        ValueError: for shapes or devices that do not fit.
    """
    if checks.alike(features, template, negatives) and _fit(features, template, negatives):
        return features.dtype
    checks.floating(features=features, template=template, negatives=negatives)
    check_pair(features, template, "template")
    dims = features.shape[1]

    def fits(shape: tuple[int, ...]) -> bool:
        return len(shape) in (2, 3) and shape[-2] > 0 and shape[-1] == dims

    def advise(name: str, shape: tuple[int, ...]) -> str:
        if len(shape) in (2, 3) and shape[-2] == dims and shape[-1] > 0:
            return f"transpose it with {name}.mT"
        if len(shape) in (2, 3) and shape[-2] == 0:
            return "there is nothing to compare with; draw at least one negative"
        if len(shape) in (2, 3):
            return (
                f"features have {dims} numbers and negatives {shape[-1]}: take both from one "
                f"recogniser"
            )
        return ""

    if not fits(tuple(negatives.shape)):
        expected = f"(B, K, {dims}) or, for the same negatives in every sample, (K, {dims})"
        checks.shape(expected, fits, advise, negatives=negatives)
    if negatives.ndim == 3:
        checks.same_batch(features=features, negatives=negatives)
    return checks.same_dtype(features=features, template=template, negatives=negatives)


def _fit(features: Tensor, template: Tensor, negatives: Tensor) -> bool:
    if features.ndim != 2 or features.shape != template.shape or features.shape[1] == 0:
        return False
    shape = negatives.shape
    if len(shape) == 3:
        return shape[0] == features.shape[0] and shape[1] > 0 and shape[2] == features.shape[1]
    return len(shape) == 2 and shape[0] > 0 and shape[1] == features.shape[1]


def _are_labels(value: object) -> bool:
    if not isinstance(value, Tensor) or value.is_floating_point() or value.dtype is torch.bool:
        return False
    return value.ndim == 1 or (value.ndim == 2 and value.shape[1] == 1)


def _are_rows(shape: tuple[int, ...]) -> bool:
    return len(shape) == 2 and shape[1] > 0


def of_samples(weight: Weight | None, like: Tensor) -> Tensor | None:
    """A weight of each sample, shape ``(B, 1)``, in the dtype that ``like`` is computed in.

    Raises:
        TypeError: for anything but a floating-point or boolean tensor.
        ValueError: for a shape or device that does not fit.
    """
    if weight is None:
        return None
    return checks.fit_weight(weight, like.flatten(1)[:, :1], of="the batch")
