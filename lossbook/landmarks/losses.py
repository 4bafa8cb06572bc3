"""The losses for facial landmarks as functions: SmoothL1, Wing and PFLD."""

import math
from typing import TypeAlias

import torch
import torch.distributed as dist
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from lossbook import checks
from lossbook.kernels import squared
from lossbook.landmarks.shapes import Landmarks, check_landmarks
from lossbook.reduction import Reduction, elementwise_loss, widened, working_dtype
from lossbook.terms import LossTerms

Group: TypeAlias = "dist.ProcessGroup | str | None"
"""Ranks that share a batch: ``"world"`` for all, a process group or its name, None for one."""


def smooth_l1_loss(
    input: Float[Tensor, "*shape"],
    target: Float[Tensor, "*shape"],
    *,
    beta: float = 1.0,
    weight: Float[Tensor, "..."] | Bool[Tensor, "..."] | None = None,
    reduction: Reduction = "batchmean",
) -> Tensor:
    r"""Quadratic for errors up to ``beta``, linear beyond.

    .. math::
        \ell(x) = \begin{cases} x^2 / 2\beta & |x| \le \beta \\ |x| - \beta/2 & |x| > \beta
        \end{cases} \qquad x = \text{input} - \text{target}

    This is :func:`torch.nn.functional.smooth_l1_loss` with the shape checks, the weight and the
    ``"batchmean"`` of this package. Value and slope are continuous at ``beta``; the second
    derivative jumps by :math:`1/\beta`.

    Args:
        input: predicted coordinates, any shape; ``(B, 2N)`` or ``(B, N, 2)`` for landmarks.
        target: true coordinates, same shape and unit.
        beta: where the quadratic part ends, in the unit of the coordinates. 0 gives L1.
        weight: multiplies the loss; float, or bool as a mask. Its shape is that of ``input`` or
            a leading part of it, with 1 for a dimension that it does not tell apart: ``(B,)``
            weighs samples, ``(B, N)`` or ``(1, N)`` points of ``(B, N, 2)``. An element of weight
            0 contributes nothing, even where it is NaN.
        reduction: ``"batchmean"`` (default, as in the source: summed over coordinates, averaged
            over the batch, that is the first dimension), ``"sum"``, ``"mean"`` or ``"none"``.

    Returns:
        A scalar, or the shape of ``input`` for ``"none"``; the unit of the coordinates for large
        errors. Its dtype is that of the inputs; reduced, it is float32 for half precision.

    Raises:
        TypeError: for integer tensors, tensors mixed with float64, or a ``beta`` that is no
            Python number.
        ValueError: for different shapes, a negative ``beta``, an unknown reduction.

    Example:
        >>> import torch
        >>> x = torch.tensor([[0.5, 3.0]])
        >>> smooth_l1_loss(x, torch.zeros_like(x))  # 0.5**2 / 2 + 3 - 0.5
        tensor(2.6250)

    References:
        Girshick, *Fast R-CNN*, ICCV 2015. Source note: ``smoothL1`` of SmlCoke/PFLD.
        Derived in :doc:`/book/landmarks`.
    """
    checks.number(beta=beta)

    def kernel(input: Tensor, target: Tensor, reduction: str) -> Tensor:
        checks.representable(input.dtype, beta=beta)
        if beta > 0 and torch.compiler.is_compiling():
            # Of torch's own there would be a graph for each beta.
            error = (input - target).abs()
            near = error.clamp(max=beta)
            losses = near / beta * (error - near / 2)
            return losses.sum() if reduction == "sum" else losses
        return F.smooth_l1_loss(input, target, reduction=reduction, beta=beta)

    return elementwise_loss(kernel, input, target, weight=weight, reduction=reduction)


def wing_constant(w: float, epsilon: float) -> float:
    r"""The constant that makes Wing continuous: :math:`C = w\,(1 - \ln(1 + w/\epsilon))`.

    Raises:
        TypeError: if ``w`` or ``epsilon`` is not a Python number.
        ValueError: if one is not positive and finite.

    Example:
        >>> round(wing_constant(10.0, 2.0), 4)
        -7.9176

    References:
        The constant of :func:`wing_loss`. Derived in :doc:`/book/landmarks`.
    """
    checks.number(exclusive=True, w=w, epsilon=epsilon)
    return w * (1.0 - math.log1p(w / epsilon))


def wing_loss(
    input: Float[Tensor, "*shape"],
    target: Float[Tensor, "*shape"],
    *,
    w: float = 10.0,
    epsilon: float = 2.0,
    weight: Float[Tensor, "..."] | Bool[Tensor, "..."] | None = None,
    reduction: Reduction = "batchmean",
) -> Tensor:
    r"""Logarithmic for errors below ``w``, linear beyond.

    .. math::
        \ell(x) = \begin{cases} w \ln(1 + |x|/\epsilon) & |x| < w \\ |x| - C & |x| \ge w
        \end{cases} \qquad C = w\,(1 - \ln(1 + w/\epsilon))

    The slope falls from :math:`w/\epsilon` at 0 to :math:`w/(w+\epsilon)` just below ``w`` and is
    1 from there on: small errors pull harder than large ones. ``w`` and ``epsilon`` are lengths.
    The defaults are meant for pixels; for coordinates in [0, 1] the linear part is out of reach
    and the loss is close to :math:`(w/\epsilon)\,|x|`.

    Args:
        input: predicted coordinates, any shape; ``(B, 2N)`` or ``(B, N, 2)`` for landmarks.
        target: true coordinates, same shape and unit.
        w: where the linear part begins, in the unit of the coordinates.
        epsilon: curvature of the logarithmic part, same unit. Small values make the gradient
            near 0 large.
        weight: multiplies the loss; float, or bool as a mask. Its shape is that of ``input`` or
            a leading part of it, with 1 for a dimension that it does not tell apart: ``(B,)``
            weighs samples, ``(B, N)`` or ``(1, N)`` points of ``(B, N, 2)``. An element of weight
            0 contributes nothing, even where it is NaN.
        reduction: ``"batchmean"`` (default, as in the source: summed over points and
            coordinates, averaged over the batch, that is the first dimension), ``"sum"``,
            ``"mean"`` or ``"none"``.

    Returns:
        A scalar, or the shape of ``input`` for ``"none"``. Its dtype is that of the inputs;
        reduced, it is float32 for half precision. At 0 the gradient is 0, the middle of the
        kink; at ``w`` it is 1, as in the source.

    Raises:
        TypeError: for integer tensors, tensors mixed with float64, or hyperparameters that are
            no Python numbers.
        ValueError: for different shapes, ``w`` or ``epsilon`` not positive, an unknown reduction.

    Example:
        >>> import torch
        >>> x = torch.tensor([[1.0, -20.0]])
        >>> wing_loss(x, torch.zeros_like(x), reduction="none")
        tensor([[ 4.0547, 27.9176]])

    References:
        Feng et al., *Wing Loss for Robust Facial Landmark Localisation with Convolutional Neural
        Networks*, CVPR 2018. Source note: ``wing_loss`` of SmlCoke/PFLD.
        Derived in :doc:`/book/landmarks`.
    """
    checks.number(exclusive=True, w=w, epsilon=epsilon)

    # Near and far add up to |x|, and each has a gradient where the other has none: a difference
    # |x| - near would cancel in the gradient, and a `where` evaluate both branches everywhere.
    def kernel(input: Tensor, target: Tensor, reduction: str) -> Tensor:
        sizes = {"w": w, "epsilon": epsilon, "1 / epsilon": 1 / epsilon, "w / epsilon": w / epsilon}
        checks.representable(input.dtype, **sizes)
        error = (input - target).abs()
        near = torch.log1p(F.hardtanh(error, -w, w).div_(epsilon))
        far = error.clamp(min=w).sub_(w)
        if reduction == "sum":
            return w * near.sum() + far.sum()
        return w * near + far

    loss = elementwise_loss(kernel, input, target, weight=weight, reduction=reduction)
    if checks.checking_values(input, target, weight):
        _explain_reach(input, target, weight, w, epsilon)
    return loss


def pose_weight(
    angles: Float[Tensor, "batch 3"],
    angles_target: Float[Tensor, "batch 3"],
    *,
    degrees: bool = False,
) -> Float[Tensor, " batch"]:
    r"""PFLD's weight for the error of the head pose.

    .. math::
        p_b = \sum_{k=1}^{3} \bigl(1 - \cos(\theta_{bk} - \hat\theta_{bk})\bigr)

    Computed as :math:`2\sin^2`, which keeps its digits where :math:`1-\cos` loses them.

    Args:
        angles: predicted Euler angles, shape ``(B, 3)``, in radians. The order does not matter
            as long as both tensors share it; the source's is pitch, yaw, roll.
        angles_target: true Euler angles, same shape and unit.
        degrees: whether both tensors are in degrees.

    Returns:
        Shape ``(B,)``, from 0 (perfect pose) to 6; float32 for half precision, which would round
        a small weight to 0.

    Raises:
        TypeError: for integer tensors or tensors mixed with float64.
        ValueError: for any shape but ``(B, 3)``, or different batch sizes.

    Example:
        >>> import torch
        >>> pose_weight(torch.tensor([[0.0, 90.0, 0.0]]), torch.zeros(1, 3), degrees=True)
        tensor([1.0000])

    References:
        The pose factor of :func:`pfld_loss`. Derived in :doc:`/book/landmarks`.
    """
    dtype = _check_angles(angles, angles_target, degrees)
    angles, angles_target = widened(dtype, angles, angles_target)
    return _pose(angles - angles_target, degrees)


def attribute_weight(
    attributes: Float[Tensor, "batch attributes"],
    *,
    group: Group = None,
) -> Float[Tensor, " batch"]:
    r"""PFLD's weight for rare attributes: the sum of the inverse frequencies a sample has.

    .. math::
        q_b = \sum_c \frac{a_{bc}}{\operatorname{mean}_{b'} a_{b'c}}

    Its mean over the batch is the number of attributes that occur in the batch. A sample without
    any attribute has weight 0.

    Args:
        attributes: 0 or 1, shape ``(B, C)``; any choice and number of attributes. They are
            constants: no gradient flows to them.
        group: ranks over which the frequencies are taken: ``"world"`` for all of them, or a
            process group; by default those of the local batch. Without gradients (validation)
            no rank waits for another, and the frequencies are local.

    Returns:
        Shape ``(B,)``; float32 for half precision.

    Raises:
        TypeError: for integer or boolean tensors, or a group that is none.
        ValueError: for any shape but ``(B, C)`` with C of at least 1.
        RuntimeError: for a group while ``torch.distributed`` is not initialised.

    Example:
        >>> import torch
        >>> attribute_weight(torch.tensor([[1.0, 1.0], [1.0, 0.0], [1.0, 0.0], [0.0, 0.0]]))
        tensor([5.3333, 1.3333, 1.3333, 0.0000])

    References:
        The attribute factor of :func:`pfld_loss`. Derived in :doc:`/book/landmarks`.
    """
    _check_attributes(attributes)
    constant = attributes.detach().to(working_dtype(attributes.dtype))
    return _rarity(constant, *_totals(constant, None, _resolved(group)))


def pfld_loss(
    landmarks: Landmarks,
    landmarks_target: Landmarks,
    angles: Float[Tensor, "batch 3"],
    angles_target: Float[Tensor, "batch 3"],
    attributes: Float[Tensor, "batch attributes"] | None = None,
    *,
    degrees: bool = False,
    pose_bias: float = 0.0,
    attribute_bias: float = 0.0,
    weight: Float[Tensor, "..."] | Bool[Tensor, "..."] | None = None,
    group: Group = None,
) -> LossTerms:
    r"""Squared landmark error, weighted by the pose error and by how rare the sample is.

    .. math::
        \mathcal L = \operatorname{mean}_b \bigl[ (\beta_p + p_b)\,(\beta_a + q_b)\,
        \lVert \mathbf x_b - \hat{\mathbf x}_b \rVert_2^2 \bigr]

    with :math:`p_b` from :func:`pose_weight` and :math:`q_b` from :func:`attribute_weight`. With
    both biases 0 (the default) this is the documented loss. It is then exactly 0 for a sample
    with a perfect pose estimate, and for a sample without attributes. ``pose_bias=1`` and
    ``attribute_bias=1`` keep such samples in training. A sample of weight 0 adds nothing to
    ``"weighted"``, even where its landmarks are NaN; the monitor ``"l2"`` shows the NaN.

    Args:
        landmarks: predicted coordinates, shape ``(B, 2N)`` or ``(B, N, 2)``.
        landmarks_target: true coordinates, same shape and unit.
        angles: predicted Euler angles, shape ``(B, 3)``, in radians.
        angles_target: true Euler angles, same shape and unit.
        attributes: 0 or 1, shape ``(B, C)``. Without any, that factor is 1.
        degrees: whether the angles are in degrees. The cosine needs the truth here: an error of
            44 degrees taken for radians costs 0.00016.
        pose_bias: added to every pose weight, at least 0.
        attribute_bias: added to every attribute weight, at least 0.
        weight: of each sample, float or bool, shape ``(B,)``. Both means and the frequencies are
            weighted with it: a sample of weight 2 counts as two, one of weight 0 as none, NaN
            included.
        group: ranks of data-parallel training: ``"world"``, or a process group. Frequencies and
            the mean are then those of the global batch, so that gradients averaged over the ranks
            (as ``DistributedDataParallel`` does) are those of one process with the whole batch.
            Without gradients (validation) no rank waits for another, and all is local.

    Returns:
        Terms ``"weighted"`` (weight 1: the loss) and ``"l2"`` (weight 0: the unweighted mean of
        the squared distances, a monitor), in the squared unit of the coordinates; float32 for
        half precision.

    Raises:
        TypeError: for integer tensors, tensors mixed with float64, biases that are no numbers, a
            group that is none.
        ValueError: for shapes or devices that do not fit, or a negative bias.
        RuntimeError: for a group while ``torch.distributed`` is not initialised.

    Example:
        >>> import torch
        >>> landmarks = torch.ones(2, 98, 2)
        >>> angles = torch.tensor([[0.0, torch.pi, 0.0], [0.0, 0.0, 0.0]])
        >>> loss = pfld_loss(landmarks, torch.zeros(2, 98, 2), angles, torch.zeros(2, 3),
        ...                  attributes=torch.ones(2, 1))
        >>> print(loss)
        term      value  weight  contribution  share
        weighted    196       1           196  100 %
        l2          196       0             0    0 %
        total                             196  100 %

    References:
        Guo et al., *PFLD: A Practical Facial Landmark Detector*, 2019, arXiv:1902.10859. Source
        note: ``PFLDLoss`` of SmlCoke/PFLD, whose rewritten formula this is. Derived in
        :doc:`/book/landmarks`.
    """
    checks.number(pose_bias=pose_bias, attribute_bias=attribute_bias)
    check_landmarks(landmarks=landmarks, landmarks_target=landmarks_target)
    _check_angles(angles, angles_target, degrees)
    batches = {"landmarks": landmarks, "angles": angles}
    if attributes is not None:
        _check_attributes(attributes)
        batches["attributes"] = attributes
    checks.same_batch(**batches)
    checks.same_device(**batches)
    dtype = checks.same_dtype(
        landmarks=landmarks,
        landmarks_target=landmarks_target,
        angles=angles,
        angles_target=angles_target,
    )
    working = working_dtype(dtype)
    checks.representable(working, pose_bias=pose_bias, attribute_bias=attribute_bias)
    ranks = _resolved(group)
    points, points_target = landmarks.flatten(1), landmarks_target.flatten(1)
    points, points_target, angles, angles_target = widened(
        dtype, points, points_target, angles, angles_target
    )
    constant = None if attributes is None else attributes.detach().to(working)
    if weight is not None:
        weight = checks.fit_weight(weight, points[:, 0], of="the batch").detach()
        absent = (weight == 0)[:, None]
        points, points_target = (p.masked_fill(absent, 0) for p in (points, points_target))
        angles, angles_target = (a.masked_fill(absent, 0) for a in (angles, angles_target))
        constant = None if constant is None else constant.masked_fill(absent, 0)

    pose = _pose(angles - angles_target, degrees)
    pose = pose + pose_bias if pose_bias else pose
    counts, samples = _totals(points[:, :0] if constant is None else constant, weight, ranks)
    factor, rarity = pose, None
    if constant is not None:
        rarity = _rarity(constant, counts, samples)
        rarity = rarity + attribute_bias if attribute_bias else rarity
        factor = pose * rarity
    if checks.checking_values(landmarks, landmarks_target, factor):
        counted = (factor != 0)[:, None]
        checks.finite(
            landmarks=landmarks.flatten(1).where(counted, 0),
            landmarks_target=landmarks_target.flatten(1).where(counted, 0),
        )
        _explain_zero_weights(pose, torch.ones_like(pose) if rarity is None else rarity)

    # Averaged over the ranks, as their gradients are, this is the mean over all samples.
    count = samples if ranks is None else samples / dist.get_world_size(ranks)
    count = torch.where(count != 0, count, 1) if isinstance(count, Tensor) else max(count, 1)

    def mean(values: Tensor) -> Tensor:
        return (values if weight is None else values * weight).sum() / count

    distance = squared(points, points_target, "none").sum(1)
    weighted = mean(factor * distance)
    if not (checks.readable(weighted) and math.isfinite(weighted.detach())):
        # A sample of factor 0 stays at 0 even where its distance is infinite or NaN. Elsewhere its
        # second derivative counts, which compiled code does not have: there one pass is spared.
        hidden = factor == 0
        if not torch.compiler.is_compiling():
            hidden = hidden & ~distance.isfinite()
        hidden = hidden[:, None]
        points, points_target = (p.masked_fill(hidden, 0) for p in (points, points_target))
        weighted = mean(factor * squared(points, points_target, "none").sum(1))
    return LossTerms(
        terms={"weighted": weighted, "l2": mean(distance)},
        weights={"weighted": 1.0, "l2": 0.0},
    )


def _check_angles(angles: Tensor, angles_target: Tensor, degrees: bool) -> torch.dtype:
    checks.flag(degrees=degrees)
    dtype = checks.pair(angles, angles_target, ("angles", "angles_target"))
    if angles.ndim != 2 or angles.shape[1] != 3:
        raise ValueError(
            f"angles must have shape (B, 3): pitch, yaw, roll, got {tuple(angles.shape)}"
        )
    if checks.checking_values(angles, angles_target):
        checks.finite(angles=angles, angles_target=angles_target)
        if not degrees:
            checks.radians(angles=angles, angles_target=angles_target)
    return dtype


def _check_attributes(attributes: Tensor) -> None:
    checks.floating(attributes=attributes)
    checks.shape(
        "(B, C) with C attributes of 0 or 1",
        lambda shape: len(shape) == 2 and shape[1] > 0,
        attributes=attributes,
    )
    if checks.checking_values(attributes):
        checks.finite(attributes=attributes)
        checks.zero_or_one(attributes=attributes)


def _pose(difference: Tensor, degrees: bool) -> Tensor:
    """Sum of 1 - cos as 2 sin^2 of the half: half precision and small angles keep their digits."""
    sine = (difference * (math.pi / 360 if degrees else 0.5)).sin()
    return 2 * squared(sine, sine.new_zeros(()).expand_as(sine), "none").sum(1)


def _totals(
    attributes: Tensor, weight: Tensor | None, ranks: "dist.ProcessGroup | None"
) -> tuple[Tensor, Tensor | int]:
    """How many samples have each attribute, shape (C,), and how many samples there are."""
    counts = (attributes if weight is None else attributes * weight[:, None]).sum(0)
    samples = attributes.shape[0] if weight is None else weight.sum()
    if ranks is None:
        return counts, samples
    totals = torch.cat([counts, torch.as_tensor(samples).to(counts).reshape(1)])
    dist.all_reduce(totals, group=ranks)
    return totals[:-1], totals[-1]


def _rarity(attributes: Tensor, counts: Tensor, samples: Tensor | int) -> Tensor:
    # An attribute that nobody has is 0 in every row: what its count is replaced by is no matter.
    return (attributes * (samples / torch.where(counts != 0, counts, 1))).sum(1)


def check_group(group: Group) -> None:
    """Check that an option names a group of ranks, one that there is.

    Raises:
        TypeError: saying what may be passed.
        ValueError: for a name that no group has.
    """
    _check_kind(group)
    if isinstance(group, str) and group != "world" and not _is_registered(group):
        started = dist.is_available() and dist.is_initialized()
        raise ValueError(
            f"group must be None, 'world' or a process group, got {group!r}, which "
            f"{'no process group is called' if started else 'cannot be one yet'}; pass 'world' "
            f"for all ranks"
        )


def _check_kind(group: Group) -> None:
    known = group is None or isinstance(group, str)
    if not known and not (dist.is_available() and isinstance(group, dist.ProcessGroup)):
        raise TypeError(
            f"group must be None, 'world' or a process group, got {type(group).__name__}; "
            f"torch.distributed.group.WORLD is None before init_process_group(): pass 'world'"
        )


def _is_registered(name: str) -> bool:
    if not (dist.is_available() and dist.is_initialized()):
        return False
    return name in dist.distributed_c10d._world.pg_names.values()


def _resolved(group: Group) -> "dist.ProcessGroup | None":
    """The process group to reduce over; None for none, and where no gradient is wanted."""
    _check_kind(group)
    if group is None or not torch.is_grad_enabled():
        return None
    if not (dist.is_available() and dist.is_initialized()):
        raise RuntimeError(
            "group is given, but torch.distributed is not initialised; call "
            "torch.distributed.init_process_group() first, or leave group out on one process"
        )
    if not isinstance(group, str):
        return group
    if group == "world":
        return dist.group.WORLD
    return dist.distributed_c10d._resolve_process_group(group)  # type: ignore[attr-defined, arg-type]


def _explain_reach(
    input: Tensor, target: Tensor, weight: Tensor | None, w: float, epsilon: float
) -> None:
    """Between coordinates within [-1, 1] an error is at most 2."""
    if not input.numel() or w <= 2 or epsilon < 1:
        return
    if weight is not None:
        counted = checks.fit_weight(weight, input) != 0
        input, target = input.where(counted, 0), target.where(counted, 0)
    reach, truth = (points.detach().abs().max().item() for points in (input, target))
    if reach <= 1 and 0 < truth <= 1:
        checks.warn(
            f"input and target lie within [-1, 1], where no error reaches w={w:g} and wing_loss is "
            f"close to {w / epsilon:g} |x|: its defaults are pixels; for normalised coordinates "
            f"divide w and epsilon by the size of the image"
        )


def _explain_zero_weights(pose: Tensor, rarity: Tensor) -> None:
    if not pose.numel() or bool((pose * rarity).any()):
        return
    if not bool(rarity.any()):
        reason = "no sample of this batch has an attribute; attribute_bias=1 keeps them in training"
    elif not bool(pose.any()):
        reason = "the estimated pose is perfect; pose_bias=1 keeps such samples in training"
    else:
        reason = (
            "every sample of this batch has a perfect pose or no attribute; "
            "pose_bias=1 and attribute_bias=1 keep them in training"
        )
    checks.warn(f"the weighted loss is exactly 0 and trains nothing: {reason}")
