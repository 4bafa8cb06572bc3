"""How hand pose is scored: joint error, the same after alignment, and the PCK curve's area."""

import torch
from jaxtyping import Float
from torch import Tensor

from lossbook import checks
from lossbook.hands.shapes import from_root, is_points
from lossbook.reduction import working_dtype

Joints = Float[Tensor, "batch joints 3"]


def mpjpe(pred: Joints, target: Joints, *, root: int | None = 0) -> Float[Tensor, " batch"]:
    r"""Mean per-joint position error of each hand.

    Args:
        pred: predicted joints, shape ``(B, N, 3)``.
        target: true joints, same shape and unit.
        root: joint that both hands are moved onto first; ``None`` leaves them where they are.
            The root's own error is then 0, and the mean is over all N joints, as usual.

    Returns:
        Shape ``(B,)``, in the unit of the joints: metres in, metres out. A hand with NaN has NaN.

    Raises:
        TypeError: for integer tensors, tensors mixed with float64, or a root that is no integer.
        ValueError: for other or different shapes, or a root that does not exist.

    Example:
        >>> import torch
        >>> target = torch.zeros(1, 21, 3)
        >>> pred = target.clone()
        >>> pred[0, 8] = torch.tensor([30.0, 40.0, 0.0])  # one fingertip is 50 mm off
        >>> mpjpe(pred, target)
        tensor([2.3810])

    References:
        Ionescu et al., *Human3.6M*, TPAMI 2014; for hands, Zimmermann et al., *FreiHAND*,
        ICCV 2019.
    """
    pred, target, dtype = _prepare(pred, target, root)
    return _distances(pred, target).mean(1).to(dtype)


def pa_mpjpe(pred: Joints, target: Joints) -> Float[Tensor, " batch"]:
    r"""Mean per-joint position error after the best similarity transform of each prediction.

    Rotation, translation and scale are those of least squares (Procrustes analysis, through a
    singular value decomposition). A mirror image is not a rotation: it is not aligned away.

    Args:
        pred: predicted joints, shape ``(B, N, 3)``, in any unit.
        target: true joints, same shape.

    Returns:
        Shape ``(B,)``, in the unit of ``target``; a score, not meant to be differentiated. If
        all predicted joints coincide, they are moved to the target's mean. A hand with NaN or
        infinity has NaN.

    Raises:
        TypeError: for integer tensors, or tensors mixed with float64.
        ValueError: for other or different shapes.

    Example:
        >>> import torch
        >>> target = torch.randn(2, 21, 3)
        >>> turn = torch.tensor([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
        >>> bool((pa_mpjpe(1000 * target @ turn + 7, target) < 1e-4).all())
        True

    References:
        Gower, *Generalized Procrustes analysis*, Psychometrika 1975; Umeyama, *Least-squares
        estimation of transformation parameters between two point patterns*, TPAMI 1991.
    """
    pred, target, dtype = _prepare(pred, target, None)
    finite = (pred.isfinite() & target.isfinite()).all(-1).all(-1)
    # The decomposition refuses NaN; such hands are aligned as zeros and marked at the end.
    pred, target = (points.where(finite[:, None, None], 0) for points in (pred, target))
    with torch.autocast(pred.device.type, enabled=False):
        errors = _distances(_align(pred, target), target).mean(1)
    return torch.where(finite, errors, torch.nan).to(dtype)


def pck_auc(
    pred: Joints,
    target: Joints,
    *,
    start: float = 0.0,
    stop: float = 50.0,
    root: int | None = 0,
) -> Float[Tensor, ""]:
    r"""Area under the curve of the percentage of correct keypoints, between two thresholds.

    PCK is the share of joints whose error is at most a threshold. Its area is exact, without
    bins: a joint with error :math:`e` adds
    :math:`\operatorname{clip}((\text{stop} - e) / (\text{stop} - \text{start}), 0, 1)`.

    Args:
        pred: predicted joints, shape ``(B, N, 3)``.
        target: true joints, same shape and unit.
        start: lower threshold, in the unit of the joints.
        stop: upper threshold, same unit. The defaults are 0 to 50 mm: **for joints in metres
            pass** ``stop=0.05``.
        root: as for :func:`mpjpe`. The root's own error is 0 and counts as correct.

    Returns:
        A scalar between 0 and 1. A joint whose error is NaN is not correct.

    Raises:
        TypeError: for integer tensors, tensors mixed with float64, or thresholds that are no
            numbers.
        ValueError: for other or different shapes, no hands, a root that does not exist, or
            thresholds that are negative or not in order.

    Example:
        >>> import torch
        >>> target = torch.zeros(1, 4, 3)
        >>> pred = target.clone()
        >>> pred[0, 1:, 0] = torch.tensor([10.0, 40.0, 90.0])
        >>> pck_auc(pred, target)  # (1 + 0.8 + 0.2 + 0) / 4
        tensor(0.5000)

    References:
        Zimmermann and Brox, *Learning to Estimate 3D Hand Pose from Single RGB Images*, ICCV
        2017 (20 to 50 mm); *FreiHAND*, ICCV 2019 (0 to 50 mm).
    """
    checks.number(start=start, stop=stop)
    if not start < stop:
        raise ValueError(f"start must lie below stop, got {start} and {stop}")
    pred, target, dtype = _prepare(pred, target, root)
    if not len(pred):
        raise ValueError("pck_auc needs at least one hand, got an empty batch")
    if checks.checking_values(pred, target):
        extent = target.detach().abs().amax().item()
        if stop > 20 * extent > 0:
            checks.warn(
                f"stop is {stop:g}, but the joints reach no further than {extent:.3g}: are they in "
                f"metres and the thresholds in millimetres?"
            )
    correct = ((stop - _distances(pred, target)) / (stop - start)).clamp(0, 1)
    return torch.where(correct.isnan(), 0, correct).mean().to(dtype)


def _prepare(pred: Tensor, target: Tensor, root: int | None) -> tuple[Tensor, Tensor, torch.dtype]:
    """Check the joints; return them in the dtype to compute in, measured from the root."""
    checks.floating(pred=pred, target=target)
    checks.shape("(B, N, 3)", is_points(3), pred=pred, target=target)
    checks.same_shape(pred=pred, target=target)
    dtype = checks.same_dtype(pred=pred, target=target)
    if root is not None:
        checks.index(pred.shape[1], root=root)
    if checks.checking_values(pred, target):
        checks.finite(pred=pred, target=target)
    hands = [points.to(working_dtype(dtype)) for points in (pred, target)]
    if root is not None:
        hands = [from_root(points, root) for points in hands]
    return hands[0], hands[1], dtype


def _distances(pred: Tensor, target: Tensor) -> Tensor:
    """Distances, without squares that overflow."""
    difference = pred - target
    largest = difference.abs().amax(-1, keepdim=True)
    scaled = difference / torch.where(largest == 0, 1, largest)
    distances: Tensor = torch.linalg.vector_norm(scaled, dim=-1) * largest.squeeze(-1)
    return distances


def _align(pred: Tensor, target: Tensor) -> Tensor:
    """Move, turn and scale each prediction onto its target."""
    centre = target.mean(1, keepdim=True)
    # Both are brought to size 1, so that neither metres nor millimetres lose digits.
    a, _ = _normalize(pred)
    b, size = _normalize(target)
    u, s, vt = torch.linalg.svd(a.mT @ b)
    # With a reflection as best fit, the weakest direction is turned instead.
    sign = torch.ones_like(s)
    sign[:, 2] = torch.where(torch.linalg.det(u @ vt) < 0, -1, 1)
    rotation = (u * sign[:, None]) @ vt
    scale = (s * sign).sum(-1)[:, None, None]
    aligned: Tensor = size * scale * (a @ rotation) + centre
    return aligned


def _normalize(points: Tensor) -> tuple[Tensor, Tensor]:
    """Centre the points and divide by their size, in two steps: a square may overflow."""
    half = points / 2
    centred = half - half.mean(1, keepdim=True)
    largest = centred.abs().amax((1, 2), keepdim=True)
    scaled = centred / torch.where(largest == 0, 1, largest)
    size = torch.linalg.matrix_norm(scaled, keepdim=True)
    return scaled / torch.where(size == 0, 1, size), 2 * largest * size
