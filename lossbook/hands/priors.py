"""Losses of a hand model's parameters: MANO's prior, the first stage's parameters, rotations."""

from typing import Any, Literal, get_args

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from lossbook import checks
from lossbook.calls import weight_by_name
from lossbook.hands import values
from lossbook.hands.shapes import advise_matrices
from lossbook.kernels import square, squared
from lossbook.masking import without_gaps
from lossbook.reduction import (
    Reduction,
    apply,
    check_reduction,
    reduce_loss,
    reduced_if_finite,
    widened,
    working_dtype,
)
from lossbook.terms import LossTerms

Weight = Float[Tensor, "..."] | Bool[Tensor, "..."]
AuxiliaryForm = Literal["documented", "rotation"]
RotationForm = Literal["chordal", "geodesic"]


@weight_by_name
def mano_prior_loss(
    betas: Float[Tensor, "batch betas"],
    hand_pose: Float[Tensor, "batch joints 3 3"] | None = None,
    *,
    shape_weight: float = 1.0,
    pose_weight: float = 0.0,
    weight: Weight | None = None,
) -> LossTerms:
    r"""Pulls MANO's parameters towards the mean hand, flat and unbent.

    .. math::
        \mathcal L_{prior} = w_{shape} \operatorname{mean}(\beta^2)
        + w_{pose} \operatorname{mean}_{b,j} \lVert R_{bj} - I \rVert_F^2

    For a rotation by the angle :math:`\theta` the pose prior is :math:`4 (1 - \cos\theta)`,
    between 0 and 8. The source writes its formula with sums and its code with means; the code
    counts, so the shape prior is a tenth of :math:`\lVert\beta\rVert^2`.

    Args:
        betas: shape parameters, shape ``(B, K)``; MANO has 10, each a standard normal.
        hand_pose: rotation matrices, shape ``(B, J, 3, 3)``; MANO has 15 joints. Optional as
            long as ``pose_weight`` is 0.
        shape_weight: of the shape prior, at least 0.
        pose_weight: of the pose prior, at least 0; 0 (off) in the source.
        weight: of each sample, float, or bool as a mask, shape ``(B,)``; the means are weighted.

    Returns:
        Terms ``"shape_prior"`` and, if ``hand_pose`` is given, ``"pose_prior"``, without unit;
        float32 for half precision.

    Raises:
        TypeError: for integer tensors, tensors mixed with float64, or weights that are no numbers.
        ValueError: for shapes that do not fit, a negative weight, or a pose weight without a pose.

    Example:
        >>> import torch
        >>> half_turn = torch.diag(torch.tensor([1.0, -1.0, -1.0])).expand(1, 15, 3, 3)
        >>> prior = mano_prior_loss(torch.full((1, 10), 2.0), half_turn, pose_weight=0.1)
        >>> print(prior)
        term         value  weight  contribution  share
        shape_prior      4       1             4   83 %
        pose_prior       8     0.1           0.8   17 %
        total                                4.8  100 %

    References:
        Romero et al., *Embodied Hands* (MANO), SIGGRAPH Asia 2017. Source note:
        ``src/losses/loss.py`` of Eric-Lin-HKUSTGZ/UTNet. Derived in :doc:`/book/hands`.
    """
    return LossTerms._trusted(
        *prior_terms(
            betas, hand_pose, shape_weight=shape_weight, pose_weight=pose_weight, weight=weight
        )
    )


@weight_by_name
def auxiliary_loss(
    pose: Float[Tensor, "batch pose"],
    shape: Float[Tensor, "batch shape"],
    pose_target: Float[Tensor, "batch pose"],
    shape_target: Float[Tensor, "batch shape"],
    *,
    form: AuxiliaryForm = "documented",
    weight: Weight | None = None,
) -> Float[Tensor, ""]:
    r"""Squared error of the first stage's pose and shape.

    .. math::
        \mathcal L_{aux} = \operatorname{mean}\bigl((\hat\theta^c - \theta)^2\bigr)
        + \operatorname{mean}\bigl((\hat\beta^c - \beta)^2\bigr)

    Not yet weighted: the source writes its weight inside this loss and again in the total;
    :class:`HandLoss` applies it once. Axis-angles jump at half a turn: two rotations next to each
    other can be :math:`2\pi` apart in this loss. With ``form="rotation"`` the first mean is that of
    :func:`rotation_loss` between the rotations that the axis-angles stand for, which does not jump.

    Args:
        pose: axis-angles in radians, shape ``(B, P)``; 48 in the source (3 of the wrist and 45
            of the joints).
        shape: shape parameters, shape ``(B, S)``; 10 in the source.
        pose_target: true axis-angles, shape of ``pose``.
        shape_target: true shape parameters, shape of ``shape``.
        form: ``"documented"`` (default), or ``"rotation"``: ``P`` is then a multiple of 3.
        weight: of each sample, float, or bool as a mask, shape ``(B,)``; the means are weighted.

    Returns:
        A scalar, radians squared (or a squared chordal distance, without unit) plus a number
        without unit; float32 for half precision.

    Raises:
        TypeError: for integer tensors, or tensors mixed with float64.
        ValueError: for shapes that do not fit, or an unknown form.

    Example:
        >>> import torch
        >>> auxiliary_loss(torch.zeros(4, 48), torch.zeros(4, 10),
        ...                torch.full((4, 48), 0.5), torch.full((4, 10), 2.0))
        tensor(4.2500)

    References:
        Source note: ``src/losses/loss.py`` of Eric-Lin-HKUSTGZ/UTNet.
        Derived in :doc:`/book/hands`.
    """
    return first_stage_loss(pose, shape, pose_target, shape_target, form=form, weight=weight)


@weight_by_name
def rotation_loss(
    input: Float[Tensor, "batch *joints 3 3"],
    target: Float[Tensor, "batch *joints 3 3"],
    *,
    form: RotationForm = "chordal",
    weight: Weight | None = None,
    reduction: Reduction = "mean",
) -> Tensor:
    r"""Distance between rotation matrices: the squared chord, or the angle.

    .. math::
        \ell_{chordal} = \lVert R - \hat R \rVert_F^2 = 4\,(1 - \cos\theta)
        \qquad \ell_{geodesic} = \theta

    where :math:`\theta` is the angle of :math:`R^\top \hat R`. The chord is smooth everywhere and
    pulls less and less beyond a quarter turn, not at all at half a turn. The angle pulls with the
    same force all the way. It is computed as an arc tangent, so that value and gradient are finite
    at 0 and at :math:`\pi`, where the arc cosine's gradient is not; between equal matrices, and at
    exactly half a turn, the gradient is 0. In float32 the angle is right to 5e-7, where the arc
    sine of the chord is off by 9e-4 next to :math:`\pi`. What that costs is the axis: with its
    gradient, on a CPU the arc sine is 1.3 times as fast for some hundred rotations and 1.8 times
    for many, and compiled as fast for many. The angle of a rotation does not depend on those beside
    it, and compiled it is the same, also where a matrix is not quite a rotation.

    Args:
        input: predicted rotation matrices, shape ``(B, 3, 3)`` or ``(B, J, 3, 3)``; for instance
            from 6 numbers by ``roma.special_gramschmidt``.
        target: true rotation matrices, same shape.
        form: ``"chordal"`` (default) or ``"geodesic"``.
        weight: float, or bool as a mask; ``(B,)`` weighs samples, ``(B, J)`` rotations.
        reduction: ``"mean"`` (default), ``"batchmean"``, ``"sum"`` or ``"none"``.

    Returns:
        A scalar, or the shape of ``input`` without its last two dimensions for ``"none"``. From 0
        to 8 without unit, or from 0 to :math:`\pi` radians; reduced, it is float32 for half
        precision.

    Raises:
        TypeError: for integer tensors, or tensors mixed with float64.
        ValueError: for other or different shapes, an unknown form or reduction.

    Example:
        >>> import torch
        >>> half_turn = torch.diag(torch.tensor([1.0, -1.0, -1.0]))[None]
        >>> rotation_loss(half_turn, torch.eye(3)[None])
        tensor(8.)
        >>> rotation_loss(half_turn, torch.eye(3)[None], form="geodesic")
        tensor(3.1416)

    References:
        Hartley et al., *Rotation Averaging*, IJCV 2013. Derived in :doc:`/book/hands`.
    """
    check_form(form, RotationForm)
    dtype = _gate(input, target)
    check_reduction(reduction)
    fitted = None if weight is None else checks.fit_weight(weight, input[..., 0, 0], of="input")
    if checks.checking_values(input, target, weight):
        values.check_rotations(*_only(fitted, input, target), weight)
    first, second = widened(dtype, input, target)
    if form == "chordal" and reduction != "none":
        quick = _quick_chords(first, second, fitted, reduction, dtype)
        if quick is not None:
            return quick
    losses = (_chordal if form == "chordal" else _angle)(*_only(fitted, first, second))
    if fitted is not None:
        fitted = fitted.expand_as(losses)
    result = reduce_loss(losses, reduction, weight=fitted)
    return result.to(dtype) if reduction == "none" else result


def prior_terms(
    betas: Tensor,
    hand_pose: Tensor | None,
    *,
    shape_weight: float,
    pose_weight: float,
    weight: Weight | None,
    names: tuple[str, str] = ("betas", "hand_pose"),
    monitor: bool = True,
) -> tuple[dict[str, Tensor], dict[str, float | Tensor]]:
    """Terms and weights of :func:`mano_prior_loss`, under the names that the caller gave.

    Without ``monitor`` a pose prior of weight 0 is not computed.
    """
    checks.number(shape_weight=shape_weight, pose_weight=pose_weight)
    if not (checks.alike(betas) and _is_vector(betas.shape)):
        checks.floating(**{names[0]: betas})
        checks.shape("(B, K)", _is_vector, **{names[0]: betas})
    dtype = betas.dtype
    if hand_pose is None:
        if pose_weight > 0:
            raise ValueError(
                f"pose_weight is {pose_weight} but {names[1]} is missing; pass the rotation "
                f"matrices (B, J, 3, 3), or pose_weight=0"
            )
    elif not (
        checks.alike(betas, hand_pose)
        and _is_pose(hand_pose.shape)
        and hand_pose.shape[0] == betas.shape[0]
    ):
        named = {names[0]: betas, names[1]: hand_pose}
        checks.floating(**named)
        checks.shape("(B, J, 3, 3)", _is_pose, advise_matrices, **{names[1]: hand_pose})
        checks.same_batch(**named)
        dtype = checks.same_dtype(**named)
    working = working_dtype(dtype)
    fitted = _of_samples(weight, betas)
    if checks.checking_values(betas, hand_pose, weight):
        values.check_prior(betas, hand_pose, weight, fitted, names)

    options: dict[str, Any] = {"weight": fitted, "reduction": "mean", "dtype": working}
    terms = {"shape_prior": apply(square, *widened(dtype, betas), **options)}
    weights: dict[str, float | Tensor] = {"shape_prior": shape_weight}
    if hand_pose is not None and (monitor or pose_weight > 0):
        # One row a hand: a sum over nine numbers at a time would be slow.
        rows = hand_pose.to(working).flatten(1)
        identity = torch.eye(3, dtype=working, device=rows.device).flatten()
        centre = identity.repeat(hand_pose.shape[1]).expand_as(rows)
        # A mean over all nine entries, times nine, is the mean of the matrices' squared norms.
        terms["pose_prior"] = 9 * apply(squared, rows, centre, **options)
        weights["pose_prior"] = pose_weight
    return terms, weights


def first_stage_loss(
    pose: Tensor,
    shape: Tensor,
    pose_target: Tensor,
    shape_target: Tensor,
    *,
    form: AuxiliaryForm,
    weight: Weight | None,
    names: tuple[str, str, str, str] = ("pose", "shape", "pose_target", "shape_target"),
) -> Tensor:
    """:func:`auxiliary_loss` under the names that the caller gave its tensors."""
    check_form(form, AuxiliaryForm)
    tensors = (pose, shape, pose_target, shape_target)
    fits = checks.alike(*tensors) and (
        _is_vector(pose.shape)
        and _is_vector(shape.shape)
        and pose.shape == pose_target.shape
        and shape.shape == shape_target.shape
        and pose.shape[0] == shape.shape[0]
    )
    if not fits:
        named = dict(zip(names, tensors, strict=True))
        checks.floating(**named)
        checks.shape("(B, P)", _is_vector, **named)
        checks.same_shape(**{names[0]: pose, names[2]: pose_target})
        checks.same_shape(**{names[1]: shape, names[3]: shape_target})
        checks.same_batch(**{names[0]: pose, names[1]: shape})
        checks.same_dtype(**named)
    fitted = _of_samples(weight, pose)
    if checks.checking_values(*tensors, weight):
        values.check_first_stage(dict(zip(names, tensors, strict=True)), weight)

    def mean_square(input: Tensor, target: Tensor) -> Tensor:
        pair = widened(input.dtype, input, target)
        return apply(squared, *pair, weight=fitted, reduction="mean", dtype=pair[0].dtype)

    of_shape = mean_square(shape, shape_target)
    if form == "documented":
        return of_shape + mean_square(pose, pose_target)
    if pose.shape[1] % 3:
        raise ValueError(
            f"{names[0]} must hold axis-angles of 3 numbers each for form='rotation', got "
            f"{tuple(pose.shape)}"
        )
    if fitted is not None:
        # Before they become rotations: the gradient of a masked NaN would be NaN after.
        absent = fitted == 0
        pose, pose_target = (angles.masked_fill(absent, 0) for angles in (pose, pose_target))
    turns, turns_target = (_rotations(angles) for angles in (pose, pose_target))
    return of_shape + rotation_loss(turns, turns_target, weight=weight)


def _of_samples(weight: Weight | None, of: Tensor) -> Tensor | None:
    """A weight of each sample as a column."""
    if weight is None:
        return None
    return checks.fit_weight(weight, of[:, :1], of="the batch")


def _only(fitted: Tensor | None, input: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Both rotations, with the identity for those of weight 0, where there are any."""
    if fitted is None or (checks.readable(fitted) and bool(fitted.all())):
        return input, target
    present = (fitted != 0)[..., None, None]
    identity = torch.eye(3, device=fitted.device)
    return (
        input.where(present, identity.to(input.dtype)),
        target.where(present, identity.to(target.dtype)),
    )


def _chordal(input: Tensor, target: Tensor) -> Tensor:
    return squared(input, target, "none").sum((-2, -1))


def _quick_chords(
    input: Tensor,
    target: Tensor,
    fitted: Tensor | None,
    reduction: Reduction,
    dtype: torch.dtype,
) -> Tensor | None:
    """The reduced chords by torch's fused operation, unless there is a NaN to hide."""
    if fitted is None:
        result = apply(squared, input, target, weight=None, reduction=reduction, dtype=dtype)
        # A mean over all nine entries, times nine, is the mean of the squared norms.
        return 9 * result if reduction == "mean" else result
    if fitted.requires_grad or not checks.readable(input, target, fitted):
        return None
    # On the CPU it costs nothing to see whether there was a NaN to hide at all.
    losses = _chordal(input, without_gaps(target, fitted[..., None, None]))
    return reduced_if_finite(losses, fitted, reduction)


# Rotations from which on it pays on a CPU to bring their entries next to each other.
_MANY = 4096


def _angle(input: Tensor, target: Tensor) -> Tensor:
    """The angle between rotations, from twice its sine and twice its cosine.

    One formula for every rotation, whatever stands beside it: also of matrices that are not quite
    rotations the angle is the same in any batch, and in compiled code.
    """
    many = input.is_cpu and input.numel() >= 9 * _MANY
    if many or torch.compiler.is_compiling():
        return _angle_by_entries(input, target)
    # The rows' cross products add up to the axis of R^T R', 2 sin(angle) long.
    axis = torch.linalg.cross(input, target, dim=-1).sum(-2)
    cosine = (input * target).sum((-2, -1)) - 1
    return torch.atan2(torch.linalg.vector_norm(axis, dim=-1), cosine)


def _angle_by_entries(input: Tensor, target: Tensor) -> Tensor:
    # The same without sums over three or nine numbers, which the compiler makes loops of, and torch
    # is slow at: twice as fast for many. Only entries next to each other make long vectors; the
    # compiler writes them so joint by joint, and torch all together (in three dimensions: of two,
    # it takes twice as long).
    compiled = torch.compiler.is_compiling()
    first, second = (
        (m.flatten(-2) if compiled else m.reshape(1, -1, 9)).mT.contiguous().unbind(-2)
        for m in (input, target)
    )
    axis: list[Any] = [None] * 3
    double_cosine: Any = -1
    for row in (0, 3, 6):
        a, b = first[row : row + 3], second[row : row + 3]
        for k, (i, j) in enumerate(((1, 2), (2, 0), (0, 1))):
            turn = a[i] * b[j] - a[j] * b[i]
            axis[k] = axis[k] + turn if row else turn
            double_cosine = a[k] * b[k] + double_cosine
    square = axis[0] * axis[0] + axis[1] * axis[1] + axis[2] * axis[2]
    turned = square > 0
    double_sine = torch.where(turned, torch.where(turned, square, 1).sqrt(), 0)
    return torch.atan2(double_sine, double_cosine).view(input.shape[:-2])


def _rotations(axis_angles: Tensor) -> Tensor:
    """Rotation matrices ``(B, J, 3, 3)`` of axis-angles ``(B, 3 J)``, by Rodrigues' formula."""
    batch, numbers = axis_angles.shape
    vectors = axis_angles.to(working_dtype(axis_angles.dtype)).reshape(batch, numbers // 3, 3)
    square = vectors.square().sum(-1)[..., None, None]
    # Near 0 the two coefficients are their series: a quotient's gradient would be NaN.
    small = square < 1e-4
    safe = torch.where(small, 1, square)
    angle = safe.sqrt()
    sine = torch.where(small, 1 - square / 6 + square.square() / 120, angle.sin() / angle)
    half = angle / 2
    cosine = torch.where(
        small, 0.5 - square / 24 + square.square() / 720, 2 * half.sin().square() / safe
    )
    x, y, z = vectors.unbind(-1)
    zero = torch.zeros_like(x)
    cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1)
    cross = cross.reshape(batch, numbers // 3, 3, 3)
    outer = vectors[..., :, None] * vectors[..., None, :]
    identity = torch.eye(3, dtype=vectors.dtype, device=vectors.device)
    rotations: Tensor = identity + sine * cross + cosine * (outer - square * identity)
    return rotations


def check_form(form: str, forms: object, name: str = "form") -> None:
    """Check that an option names one of some forms, a ``Literal``.

    Raises:
        ValueError: with the known ones.
    """
    known = get_args(forms)
    if form not in known:
        raise ValueError(f"{name} must be one of {', '.join(known)}; got {form!r}")


def _gate(input: Tensor, target: Tensor) -> torch.dtype:
    """Check rotation matrices that fit; the dtype of both."""
    if checks.alike(input, target) and _are_matrices(input.shape) and input.shape == target.shape:
        return input.dtype
    named = {"input": input, "target": target}
    checks.floating(**named)
    checks.shape("(B, 3, 3) or (B, J, 3, 3)", _are_matrices, advise_matrices, **named)
    return checks.pair(input, target)


def _are_matrices(shape: tuple[int, ...]) -> bool:
    return len(shape) in (3, 4) and shape[-2:] == (3, 3)


def _is_vector(shape: tuple[int, ...]) -> bool:
    return len(shape) == 2 and shape[1] > 0


def _is_pose(shape: tuple[int, ...]) -> bool:
    return len(shape) == 4 and shape[1] > 0 and shape[2:] == (3, 3)
