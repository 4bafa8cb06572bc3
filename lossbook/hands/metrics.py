"""How hand pose is scored: joint error, the same after alignment, and the PCK curve's area."""

from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from lossbook import checks
from lossbook.calls import weight_by_name
from lossbook.hands.shapes import advise_arranged, from_root, is_points
from lossbook.reduction import widened
from lossbook.scoring import Weight, check_points, lengths, passed, point_weight, visible_mean

Joints = Float[Tensor, "batch joints 3"]
AreaReduction = Literal["mean", "none"]


@weight_by_name
def mpjpe(
    input: Joints, target: Joints, *, root: int | None = 0, weight: Weight | None = None
) -> Float[Tensor, " batch"]:
    r"""Mean per-joint position error of each hand.

    .. math::
        e_b = \frac{1}{\sum_n w_{bn}} \sum_n w_{bn} \,\lVert (\hat J_{bn} - \hat J_{br}) -
        (J_{bn} - J_{br}) \rVert_2

    Args:
        input: predicted joints, shape ``(B, N, 3)``.
        target: true joints, same shape and unit.
        root: joint that both hands are moved onto first; ``None`` leaves them where they are.
            The root's own error is then 0, and the mean is over all N joints, as usual. To leave
            the root out of the mean, subtract it yourself and pass ``root=None`` with a weight.
        weight: visibility of the joints or another weight, boolean or at least 0; shape ``(B,)``,
            ``(B, N)``, ``(B, N, 1)`` or ``(1, N)``. What has weight 0 contributes nothing, NaN
            included.

    Returns:
        Shape ``(B,)``, in the unit of the joints: metres in, metres out. float32 for half
        precision. A hand with NaN has NaN. So has a hand without a visible joint, or whose root
        is not visible: nothing can be measured from there, and 0 would be a perfect score.

        Over uneven batches add up hands, not batch means:
        ``torchmetrics.MeanMetric(nan_strategy="ignore").update(mpjpe(input, target))`` does, and
        passes over hands without an error.

    Raises:
        TypeError: for integer tensors, tensors mixed with float64, or a root that is no integer.
        ValueError: for other or different shapes, a root that does not exist, or a weight that
            does not fit.

    Example:
        >>> import torch
        >>> target = torch.zeros(1, 21, 3)
        >>> input = target.clone()
        >>> input[0, 8] = torch.tensor([30.0, 40.0, 0.0])  # one fingertip is 50 mm off
        >>> mpjpe(input, target)
        tensor([2.3810])
        >>> visible = torch.ones(1, 21, dtype=torch.bool)
        >>> visible[0, 11:] = False
        >>> mpjpe(input, target, weight=visible)  # 50 mm over 11 joints
        tensor([4.5455])

    References:
        Ionescu et al., *Human3.6M*, TPAMI 2014; for hands, Zimmermann et al., *FreiHAND*,
        ICCV 2019.
    """
    input, target, weight = _prepare(input, target, root, weight)
    return visible_mean(lengths(input - target), weight)


@weight_by_name
def pa_mpjpe(
    input: Joints, target: Joints, *, weight: Weight | None = None
) -> Float[Tensor, " batch"]:
    r"""Mean per-joint position error after the best similarity transform of each prediction.

    Rotation, translation and scale are those of (weighted) least squares: Procrustes analysis,
    through a singular value decomposition. A mirror image is not a rotation: it is not aligned
    away.

    Args:
        input: predicted joints, shape ``(B, N, 3)``, in any unit.
        target: true joints, same shape.
        weight: as for :func:`mpjpe`; it weighs the joints in the alignment as in the mean. A
            joint of weight 0 takes part in neither.

    Returns:
        Shape ``(B,)``, in the unit of ``target``, float32 for half precision; a score, not meant
        to be differentiated. If all predicted joints coincide, they are moved to the target's
        mean. One or two visible joints can always be aligned: their error is 0. A hand with NaN
        or infinity has NaN, and so has one without a visible joint. For uneven batches see
        :func:`mpjpe`.

    Raises:
        TypeError: for integer tensors, or tensors mixed with float64.
        ValueError: for other or different shapes, or a weight that does not fit.

    Example:
        >>> import torch
        >>> target = torch.randn(2, 21, 3)
        >>> turn = torch.tensor([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
        >>> bool((pa_mpjpe(1000 * target @ turn + 7, target) < 1e-4).all())
        True

    References:
        Umeyama, *Least-squares estimation of transformation parameters between two point patterns*,
        TPAMI 1991.
    """
    input, target, weight = _prepare(input, target, None, weight)
    if weight is None:
        weight = torch.ones_like(target[..., 0])
    finite = (input.isfinite() & target.isfinite()).all(-1).all(-1)
    # The decomposition refuses NaN; such hands are aligned as zeros and marked at the end.
    input, target = (points.where(finite[:, None, None], 0) for points in (input, target))
    with torch.autocast(input.device.type, enabled=False):
        errors = visible_mean(lengths(_align(input, target, weight) - target), weight)
    return errors.where(finite, torch.nan)


@weight_by_name
def pck_auc(
    input: Joints,
    target: Joints,
    *,
    start: float = 0.0,
    stop: float = 50.0,
    root: int | None = 0,
    weight: Weight | None = None,
    reduction: AreaReduction = "mean",
) -> Float[Tensor, "..."]:
    r"""Area under the curve of the percentage of correct keypoints, between two thresholds.

    PCK is the share of joints whose error is at most a threshold. Its area is exact, without
    bins: a joint with error :math:`e` adds
    :math:`\operatorname{clip}((\text{stop} - e) / (\text{stop} - \text{start}), 0, 1)`.

    Args:
        input: predicted joints, shape ``(B, N, 3)``.
        target: true joints, same shape and unit.
        start: lower threshold, in the unit of the joints.
        stop: upper threshold, same unit. The defaults are 0 to 50 mm: **for joints in metres
            pass** ``stop=0.05``.
        root: as for :func:`mpjpe`. The root's own error is 0 and counts as correct.
        weight: as for :func:`mpjpe`. Joints of weight 0 do not count, nor do hands whose root is
            not visible.
        reduction: ``"mean"`` over the joints that count, or ``"none"``: one area a hand.

    Returns:
        A scalar between 0 and 1, or shape ``(B,)``; float32 for half precision. A joint whose
        error is NaN is not correct. A mean over no joint is NaN.

        The mean over a data set weighs each hand by its visible joints. A mean of the batches'
        areas does not: with uneven batches, or masks, it is another number. Accumulate instead,
        here with torchmetrics::

            area = torchmetrics.MeanMetric(nan_strategy="ignore")
            for input, target, visible in batches:
                areas = pck_auc(input, target, weight=visible, reduction="none")
                area.update(areas, weight=visible.sum(1))
            area.compute()

    Raises:
        TypeError: for integer tensors, tensors mixed with float64, or thresholds that are no
            numbers.
        ValueError: for other or different shapes, no hands to take the mean over, a root that
            does not exist, a weight that does not fit, thresholds that are negative or not in
            order or beyond what the dtype holds, or an unknown reduction.

    Example:
        >>> import torch
        >>> target = torch.zeros(1, 4, 3)
        >>> input = target.clone()
        >>> input[0, 1:, 0] = torch.tensor([10.0, 40.0, 90.0])
        >>> pck_auc(input, target)  # (1 + 0.8 + 0.2 + 0) / 4
        tensor(0.5000)
        >>> visible = torch.tensor([[True, True, True, False]])
        >>> pck_auc(input, target, weight=visible)  # (1 + 0.8 + 0.2) / 3
        tensor(0.6667)

    References:
        Zimmermann and Brox, *Learning to Estimate 3D Hand Pose from Single RGB Images*, ICCV
        2017 (20 to 50 mm); *FreiHAND*, ICCV 2019 (0 to 50 mm).
    """
    checks.number(start=start, stop=stop)
    if not start < stop:
        raise ValueError(
            f"start must lie below stop, got {start} and {stop}; swap them, or for joints in "
            f"metres give both in metres"
        )
    if reduction not in get_args(AreaReduction):
        raise ValueError(
            f"reduction must be one of {', '.join(get_args(AreaReduction))}; got {reduction!r}"
        )
    input, target, weight = _prepare(input, target, root, weight)
    if reduction == "mean" and not len(input):
        raise ValueError(
            "pck_auc needs at least one hand for a mean, got an empty batch; skip it, or pass "
            "reduction='none'"
        )
    checks.representable(input.dtype, stop=stop)
    if checks.checking_values(target):
        _check_thresholds(target, stop)
    correct = passed(lengths(input - target), start, stop)
    if reduction == "none":
        return visible_mean(correct, weight)
    if weight is not None:
        weight = weight.reshape(1, -1)
    return visible_mean(correct.reshape(1, -1), weight)[0]


def _prepare(
    input: Tensor, target: Tensor, root: int | None, weight: Tensor | None
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Check the joints; return them in the dtype to compute in, measured from the root.

    Joints of weight 0 are 0. A hand with a hidden root has weights of 0 only.
    """
    dtype = checks.pair(input, target)
    if input.ndim == 2 and input.shape[1] == 3:
        raise ValueError(
            f"input must have shape (B, N, 3), got {tuple(input.shape)}; for one hand pass "
            f"input[None] and target[None]"
        )
    checks.shape("(B, N, 3)", is_points(3), advise_arranged(3), input=input)
    if root is not None:
        checks.index(input.shape[1], root=root)
    if weight is not None:
        weight = point_weight(weight, input, of="input")
    if checks.checking_values(input, target, weight):
        check_points(weight, input=input, target=target)
        if root is not None and weight is not None:
            _check_root(weight, root)
    input, target = widened(dtype, input, target)
    if root is not None:
        input, target = from_root(input, root), from_root(target, root)
    if weight is not None:
        if root is not None:
            weight = weight.where(weight[:, root : root + 1] != 0, 0)
        visible = (weight != 0)[..., None]
        input, target = input.where(visible, 0), target.where(visible, 0)
    return input, target, weight


def _align(input: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Move, turn and scale each prediction onto its target."""
    total = weight.sum(1, keepdim=True)
    share = (weight / total.where(total != 0, 1))[..., None]
    centre = 2 * (target / 2 * share).sum(1, keepdim=True)
    # Both are brought to size 1, so that neither metres nor millimetres lose digits.
    a, _ = _normalize(input, share)
    b, size = _normalize(target, share)
    u, s, vt = torch.linalg.svd((a * share).mT @ b)
    # With a reflection as best fit, the weakest direction is turned instead.
    sign = torch.ones_like(s)
    sign[:, 2] = torch.where(torch.linalg.det(u @ vt) < 0, -1, 1)
    rotation = (u * sign[:, None]) @ vt
    scale = (s * sign).sum(-1)[:, None, None]
    aligned: Tensor = size * scale * (a @ rotation) + centre
    return aligned


def _normalize(points: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
    """Centre the points and divide by their size, in two steps: a square may overflow."""
    half = points / 2
    centred = half - (half * share).sum(1, keepdim=True)
    # What is hidden has no place in the size, and is far off where the hand is far from 0.
    largest = centred.abs().where(share != 0, 0).amax((1, 2), keepdim=True)
    scaled = (centred / largest.where(largest != 0, 1)).where(share != 0, 0)
    size = (scaled.square() * share).sum((1, 2), keepdim=True).sqrt()
    return scaled / size.where(size != 0, 1), 2 * largest * size


# Inside check_values ----------------------------------------------------------------------------


def _check_root(weight: Tensor, root: int) -> None:
    lost = int(((weight[:, root] == 0) & (weight != 0).any(1)).sum())
    if lost:
        checks.warn(
            f"the root, joint {root}, has weight 0 in {lost} of {len(weight)} hands: their other "
            f"joints cannot be measured from it and do not count; choose another root, or pass "
            f"root=None"
        )


def _check_thresholds(target: Tensor, stop: float) -> None:
    extent = target.abs().amax().item() if target.numel() else 0.0
    if stop > 20 * extent > 0:
        checks.warn(
            f"stop is {stop:g}, but the joints reach no further than {extent:.3g}: are they in "
            f"metres and the thresholds in millimetres?"
        )
    if extent > 500 * stop:
        checks.warn(
            f"stop is {stop:g}, but the joints reach as far as {extent:.3g}: are they in "
            f"millimetres and the thresholds in metres?"
        )
