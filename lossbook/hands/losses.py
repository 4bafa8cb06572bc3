"""Losses of points of a hand: 2D keypoints, 3D joints, mesh vertices."""

import math
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from lossbook import checks
from lossbook.calls import weight_by_name
from lossbook.hands import values
from lossbook.hands.shapes import advise_arranged, advise_points, is_points
from lossbook.kernels import absolute, magnitude
from lossbook.masking import cleared, holds_gaps, kept
from lossbook.reduction import (
    Reduction,
    apply,
    check_reduction,
    count_of,
    elementwise_loss,
    widened,
)

Weight = Float[Tensor, "..."] | Bool[Tensor, "..."]
Confidence = Weight | Literal["last"]


@weight_by_name
def keypoint_2d_loss(
    input: Float[Tensor, "batch points 2"],
    target: Float[Tensor, "batch points _"],
    *,
    confidence: Confidence | None = None,
    weight: Weight | None = None,
    reduction: Reduction = "sum",
) -> Tensor:
    r"""Confidence-weighted L1 between 2D keypoints.

    .. math::
        \mathcal L_{2D} = \sum_{b,n} c_{bn} \,\lVert \hat J_{bn} - J_{bn} \rVert_1

    The confidence multiplies the loss. A point of confidence 0 contributes nothing, whatever it
    holds, NaN included.

    Args:
        input: predicted keypoints, shape ``(B, N, 2)``; any number of points. The source
            normalises the hand's crop to [-0.5, 0.5].
        target: true keypoints in the same unit, shape ``(B, N, 2)``; ``(B, N, 3)`` only with
            ``confidence="last"``.
        confidence: from 0 to 1, shape ``(B, N)``, or another form that
            :func:`lossbook.checks.fit_weight` takes; ``"last"`` for the last column of
            ``target``, as in the source. None: every confidence is 1. Nothing is guessed.
        weight: a further factor, float, or bool as a mask, of the same forms: ``(B,)`` is a mask
            of the samples that have a label.
        reduction: ``"sum"`` (default, as in the source: over batch, points and coordinates),
            ``"batchmean"`` (that over the batch size: recommended, as the size of the batch then
            does not change the loss), ``"mean"`` (over the sum of the confidences, counted
            once for each coordinate) or ``"none"``.

    Returns:
        A scalar, or shape ``(B, N, 2)`` for ``"none"``, in the unit of the coordinates. Its dtype
        is that of the coordinates; reduced, it is float32 for half precision.

    Raises:
        TypeError: for integer tensors, or tensors mixed with float64.
        ValueError: for shapes that do not fit, a column that is not named, an unknown reduction.

    Example:
        >>> import torch
        >>> input = torch.zeros(1, 21, 2)
        >>> target = torch.full((1, 21, 3), 0.5)  # x, y, confidence
        >>> keypoint_2d_loss(input, target, confidence="last")  # 21 points, 2 * 0.5 * 0.5
        tensor(10.5000)

    References:
        Source note: ``src/losses/loss.py`` of Eric-Lin-HKUSTGZ/UTNet, after Pavlakos et al.,
        *Reconstructing Hands in 3D with Transformers* (HaMeR), CVPR 2024.
        Derived in :doc:`/book/hands`.
    """
    return keypoint_loss(
        input, target, 2, confidence=confidence, weight=weight, reduction=reduction
    )


@weight_by_name
def keypoint_3d_loss(
    input: Float[Tensor, "batch points 3"],
    target: Float[Tensor, "batch points _"],
    *,
    root: int | None = 0,
    confidence: Confidence | None = None,
    weight: Weight | None = None,
    reduction: Reduction = "sum",
) -> Tensor:
    r"""Confidence-weighted L1 between 3D joints, each measured from its own root joint.

    .. math::
        \mathcal L_{3D} = \sum_{b,n} c_{bn} \,\lVert (\hat J_{bn} - \hat J_{br}) -
        (J_{bn} - J_{br}) \rVert_1

    A translation of the whole hand costs nothing. The row of the root is 0 by construction, so
    its own confidence has no effect; the root is needed even if it is occluded. It receives the
    negative sum of the other joints' gradients. A hand whose root has confidence 0 and a label
    that is NaN or infinite contributes nothing, also to what a mean divides by;
    :func:`lossbook.check_values` tells of it.

    Args:
        input: predicted joints, shape ``(B, N, 3)``; any number of joints.
        target: true joints in the same unit, shape ``(B, N, 3)``; ``(B, N, 4)`` only with
            ``confidence="last"``. The source uses millimetres, HaMeR and WiLoR metres; the
            loss is a thousand times larger in millimetres.
        root: index of the joint to measure from; 0, the wrist, in the source. ``None`` leaves
            both hands where they are.
        confidence: as in :func:`keypoint_2d_loss`.
        weight: a further factor, float, or bool as a mask, of the same forms: ``(B,)`` is a mask
            of the samples that have a label.
        reduction: ``"sum"`` (default, as in the source), ``"batchmean"`` (recommended),
            ``"mean"`` (over the sum of the confidences, the root's included, counted once for
            each coordinate) or ``"none"``.

    Returns:
        A scalar, or shape ``(B, N, 3)`` for ``"none"``, in the unit of the joints. Its dtype is
        that of the joints; reduced, it is float32 for half precision, as the sum of a batch in
        millimetres soon exceeds the 65504 of float16.

    Raises:
        TypeError: for integer tensors, tensors mixed with float64, or a root that is no integer.
        ValueError: for shapes that do not fit, a root that does not exist, a column that is not
            named, an unknown reduction.

    Example:
        >>> import torch
        >>> input = torch.zeros(1, 21, 3)
        >>> input[:, 4] = 7.0  # the thumb's tip, 7 mm off along each axis
        >>> moved = torch.full((1, 21, 3), 300.0)  # the true hand is somewhere else
        >>> keypoint_3d_loss(input, moved)
        tensor(21.)

    References:
        Source note: ``src/losses/loss.py`` of Eric-Lin-HKUSTGZ/UTNet, after HaMeR and WiLoR.
        Derived in :doc:`/book/hands`.
    """
    return keypoint_loss(
        input, target, 3, root=root, confidence=confidence, weight=weight, reduction=reduction
    )


@weight_by_name
def vertex_loss(
    input: Float[Tensor, "batch vertices 3"],
    target: Float[Tensor, "batch vertices 3"],
    *,
    weight: Weight | None = None,
    reduction: Reduction = "sum",
) -> Tensor:
    r"""L1 between mesh vertices.

    .. math::
        \mathcal L_{vert} = \sum_{b,v} \lVert \hat V_{bv} - V_{bv} \rVert_1

    The source note weighs this term and gives no formula for it. Its public code has the mean of
    squares, ``F.mse_loss(input, target)``; this has the form of the joints' loss, without a root:
    subtract the root joint from both meshes first, unless their position counts.

    Args:
        input: predicted vertices, shape ``(B, V, 3)``; MANO has 778.
        target: true vertices, same shape and unit.
        weight: float, or bool as a mask; ``(B,)`` weighs samples, ``(B, V)`` vertices.
        reduction: ``"sum"`` (default, as for the joints), ``"batchmean"``, ``"mean"`` or
            ``"none"``.

    Returns:
        A scalar, or the shape of ``input`` for ``"none"``, in the unit of the vertices; reduced,
        it is float32 for half precision.

    Raises:
        TypeError: for integer tensors, or tensors mixed with float64.
        ValueError: for other or different shapes, a weight that does not fit, an unknown reduction.

    Example:
        >>> import torch
        >>> vertex_loss(torch.zeros(2, 778, 3), torch.ones(2, 778, 3), reduction="batchmean")
        tensor(2334.)

    References:
        The term ``w_3d_vert`` of :class:`HandLoss`; :doc:`/book/hands` leaves it out.
    """
    return mesh_loss(input, target, weight=weight, reduction=reduction)


def keypoint_loss(
    input: Tensor,
    target: Tensor,
    dimensions: int,
    *,
    root: int | None = None,
    confidence: Confidence | None = None,
    weight: Weight | None = None,
    reduction: Reduction,
    names: tuple[str, str, str] = ("input", "target", "confidence"),
) -> Tensor:
    """The keypoint losses under the names that the caller gave its tensors.

    See :func:`keypoint_2d_loss`, and :func:`keypoint_3d_loss` for a root.
    """
    labels = target
    target, confidence, dtype = _gate(input, target, confidence, dimensions, names)
    check_reduction(reduction)
    factor, certain, present = _factors(input, root, confidence, weight, names)

    def mend(given: Tensor) -> Tensor:
        if root is not None and torch.compiler.is_compiling():
            return given
        whole = _careful(given if factor is None else factor, certain, present)
        return whole if root is None else _with_known_roots(whole, target, root)

    if checks.checking_values(input, target, confidence, weight):
        counted = None if factor is None else _careful(factor, certain, present)
        values.check_keypoints(input, target, confidence, weight, counted, root, dimensions, names)

    # From the root in float32 at least: half precision would round away small differences.
    first, second = widened(dtype, input, target)
    quick = factor
    if factor is not None and root is not None and torch.compiler.is_compiling():
        quick = _careful(factor, certain, present)
        if quick is not factor and not quick.requires_grad:
            quick = kept(quick)
        quick, second = _traced_without_gaps(quick, second, root)
    elif (
        factor is not None
        and reduction != "none"
        and not factor.requires_grad
        and checks.readable(first, second, factor)
        # With the confidences beside them labels lie in one piece, which is faster to look at.
        and holds_gaps(labels)
    ):
        quick = _careful(factor, certain, present) if holds_gaps(factor) else factor
        quick, second = _without_gaps(quick, second, root)
    error = first - second
    if root is not None:
        # One difference of the hands instead of two from the roots: fewer passes over memory.
        origin = error[:, root : root + 1]
        error = error - (_rows(origin, error.shape[1]) if torch.compiler.is_compiling() else origin)
    return apply(magnitude, error, weight=quick, reduction=reduction, dtype=dtype, mend=mend)


def _gate(
    input: Tensor,
    target: Tensor,
    confidence: Confidence | None,
    dimensions: int,
    names: tuple[str, str, str],
) -> tuple[Tensor, Weight | None, torch.dtype]:
    """Check points that fit; the target's points, the confidence, and the dtype of both."""
    if (
        checks.alike(input, target)
        and not isinstance(confidence, str)
        and input.shape == target.shape
        and is_points(dimensions)(input.shape)
    ):
        return target, confidence, input.dtype
    if (
        isinstance(confidence, str)
        and confidence == "last"
        and checks.alike(input, target)
        and is_points(dimensions)(input.shape)
        and target.shape == (*input.shape[:2], dimensions + 1)
    ):
        return target[..., :dimensions], target[..., dimensions], input.dtype
    checks.floating(**{names[0]: input, names[1]: target})
    expected, matches = f"(B, N, {dimensions})", is_points(dimensions)
    checks.shape(expected, matches, advise_points(dimensions), **{names[0]: input})
    target, confidence = _part(target, confidence, dimensions, names)
    return target, confidence, checks.pair(input, target, names[:2])


def keypoint_count(
    input: Tensor,
    target: Tensor,
    dimensions: int,
    *,
    root: int | None,
    confidence: Confidence | None,
    weight: Weight | None,
    names: tuple[str, str, str],
) -> Tensor | int:
    """What the mean of :func:`keypoint_loss` divides by: hands of an unknown root do not count."""
    target, confidence, _ = _gate(input, target, confidence, dimensions, names)
    factor, certain, present = _factors(input, root, confidence, weight, names)
    if factor is None:
        return input.numel()
    whole = _careful(factor, certain, present)
    return count_of(whole if root is None else _with_known_roots(whole, target, root), input)


def _factors(
    input: Tensor,
    root: int | None,
    confidence: Weight | None,
    weight: Weight | None,
    names: tuple[str, str, str],
) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
    """What the losses are multiplied by, and the confidence and the weight that it is made of."""
    if root is not None:
        checks.index(input.shape[1], root=root)
    factor = certain = present = None
    if confidence is not None:
        factor = certain = checks.fit_weight(confidence, input, name=names[2], of=names[0])
    if weight is not None:
        factor = present = checks.fit_weight(weight, input, of=names[0])
        factor = factor if certain is None else certain * factor
    return factor, certain, present


def _careful(factor: Tensor, certain: Tensor | None, present: Tensor | None) -> Tensor:
    """The product of a confidence and a weight, which leaves out a confidence of NaN."""
    if certain is None or present is None:
        return factor
    return certain.where(present != 0, 0) * present


def _with_known_roots(factor: Tensor, target: Tensor, root: int) -> Tensor:
    """A hand whose hidden root holds no number cannot be measured: none of it counts."""
    seen = (factor.expand(-1, target.shape[1], -1)[:, root] != 0).any(1)
    known = seen | target[:, root].isfinite().all(1)
    return factor.where(known[:, None, None], 0)


def _without_gaps(factor: Tensor, target: Tensor, root: int | None) -> tuple[Tensor, Tensor]:
    """Labels without what a constant factor hides, and that factor for them.

    Where this is no way to the result, the NaN of a label stays, for which :func:`apply` looks.
    """
    if root is None or factor.shape[1] != target.shape[1]:
        return factor, cleared(target, factor.bool())
    if factor.shape[2] != 1:
        return factor, target
    held = factor.expand(target.shape[0], -1, -1).bool()
    # Times 0 a number is 0, and NaN else. A hidden root is measured from, if it is known.
    known = (target[:, root] * 0).sum(1, keepdim=True) == 0
    held.select(1, root).logical_or_(known)
    return factor * known.unsqueeze(-1), cleared(target, held)


def _traced_without_gaps(factor: Tensor, target: Tensor, root: int) -> tuple[Tensor, Tensor]:
    """The same in compiled code, which is twice as fast with the labels cleared.

    Neither any(), all() nor isfinite(): the compiler would give each a loop of its own.
    """
    held = factor != 0
    if factor.shape[1] != target.shape[1]:
        return factor, target.masked_fill(~held, 0)
    known = held[:, root, 0] if factor.shape[2] == 1 else held[:, root].any(1)
    x, y, z = (target[:, root].abs() < math.inf).unbind(1)
    known = (known | (x & y & z))[:, None, None]
    is_root = torch.arange(target.shape[1], device=target.device)[:, None] == root
    return factor.where(known, 0), target.masked_fill(~(held | (known & is_root)), 0)


def mesh_loss(
    input: Tensor,
    target: Tensor,
    *,
    weight: Weight | None,
    reduction: Reduction,
    names: tuple[str, str, str] = ("input", "target", "weight"),
) -> Tensor:
    """:func:`vertex_loss` under the names that the caller gave its tensors."""
    named = {names[0]: input, names[1]: target}
    checks.floating(**named)
    checks.shape("(B, V, 3)", is_points(3), advise_arranged(3), **named)
    return elementwise_loss(
        absolute, input, target, weight=weight, reduction=reduction, names=names
    )


def _part(
    target: Tensor, confidence: Confidence | None, d: int, names: tuple[str, str, str]
) -> tuple[Tensor, Weight | None]:
    """Take the confidence out of the target, where the caller says that it is there."""
    if isinstance(confidence, str):
        if confidence != "last":
            raise ValueError(
                f"{names[2]} must be a tensor, None, or 'last' for the last column of {names[1]}, "
                f"got {confidence!r}"
            )
        expected = f"(B, N, {d + 1}), the confidence last, for {names[2]}='last'"
        checks.shape(expected, is_points(d + 1), **{names[1]: target})
        return target[..., :d], target[..., d]
    if confidence is None and is_points(d + 1)(tuple(target.shape)):
        said = f"pass {names[1]}[..., :{d}], and {names[1]}[..., {d}] as {names[2]}"
        if names[2] == "confidence":
            said = "say confidence='last', or pass it apart"
        raise ValueError(
            f"{names[1]} must have shape (B, N, {d}), got {tuple(target.shape)}; if its last "
            f"column is the confidence, {said}; if not, drop it with {names[1]}[..., :{d}]"
        )
    checks.shape(f"(B, N, {d})", is_points(d), advise_points(d), **{names[1]: target})
    return target, confidence


def _rows(root: Tensor, count: int) -> Tensor:
    """In compiled code, the root's row once for each point.

    It is repeated in steps of at most seven. The gradient is then summed in such steps too, which
    the compiler writes out: a longer sum it turns into one parallel loop *per hand*.
    """
    if count < 8:
        return root.expand(-1, count, -1)
    groups = _rows(root, (count + 6) // 7)
    return groups.unsqueeze(2).expand(-1, -1, 7, -1).flatten(1, 2)[:, :count]
