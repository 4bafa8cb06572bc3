"""PFLD's loss and its two factors, as functions."""

import math

import torch
import torch.distributed as dist
from jaxtyping import Bool, Float
from torch import Tensor

from lossbook import checks
from lossbook.kernels import squared
from lossbook.landmarks.groups import Group, resolve_group, share_totals
from lossbook.landmarks.shapes import Landmarks, check_landmarks, is_landmarks
from lossbook.reduction import widened, working_dtype
from lossbook.scoring import point_weight
from lossbook.terms import LossTerms


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
    checks.flag(degrees=degrees)
    dtype = _check_angles(angles, angles_target)
    _look_at_angles(angles, angles_target, degrees)
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
            no rank waits for another, and the frequencies are local. All ranks need the same
            number of attributes; see :func:`pfld_loss`.

    Returns:
        Shape ``(B,)``; float32 for half precision.

    Raises:
        TypeError: for integer or boolean tensors, or a group that is none.
        ValueError: for any shape but ``(B, C)`` with C of at least 1, or ranks that differ in C.
        RuntimeError: for a group while ``torch.distributed`` is not initialised.

    Example:
        >>> import torch
        >>> attribute_weight(torch.tensor([[1.0, 1.0], [1.0, 0.0], [1.0, 0.0], [0.0, 0.0]]))
        tensor([5.3333, 1.3333, 1.3333, 0.0000])

    References:
        The attribute factor of :func:`pfld_loss`. Derived in :doc:`/book/landmarks`.
    """
    _check_attributes(attributes)
    _look_at_attributes(attributes)
    constant = attributes.detach().to(working_dtype(attributes.dtype))
    return _rarity(constant, *_totals(constant, None, resolve_group(group)))


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
    ``attribute_bias=1`` keep such samples in training. A sample whose factor is 0 adds nothing to
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
        weight: float or bool. ``(B,)`` weighs samples: both means and the frequencies are weighted
            with it, so that a sample of weight 2 counts as two. ``(B, N)``, ``(B, N, 1)`` or
            ``(1, N)`` weighs points, as their visibility does: the squared distance becomes
            :math:`\sum_n w_{bn} \lVert x_{bn} - \hat x_{bn} \rVert_2^2`, not divided by the
            visible points, since a point then pulls as hard as it does among visible ones; and the
            sample counts as much as its heaviest point. What has weight 0 contributes nothing,
            NaN included.
        group: ranks of data-parallel training: ``"world"``, or a process group. Frequencies and
            the mean are then those of the global batch, so that gradients averaged over the ranks
            (as ``DistributedDataParallel`` does) are those of one process with the whole batch.
            Without gradients (validation) no rank waits for another, and all is local. Ranks must
            have the same number of attributes, or none on any. If not, every rank raises on the
            CPU; on a GPU, which is not waited for, and in compiled code the loss is NaN on every
            rank, and :func:`lossbook.check_values` tells why.

    Returns:
        Terms ``"weighted"`` (weight 1: the loss) and ``"l2"`` (weight 0: the unweighted mean of
        the squared distances, a monitor), in the squared unit of the coordinates; float32 for
        half precision.

    Raises:
        TypeError: for integer tensors, tensors mixed with float64, biases that are no numbers, a
            group that is none.
        ValueError: for shapes or devices that do not fit, a negative bias, or ranks that differ in
            their number of attributes.
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
    checks.flag(degrees=degrees)
    dtype = _gate(landmarks, landmarks_target, angles, angles_target, attributes)
    working = working_dtype(dtype)
    checks.representable(working, pose_bias=pose_bias, attribute_bias=attribute_bias)
    ranks = resolve_group(group)
    points, points_target, angles, angles_target = widened(
        dtype, landmarks, landmarks_target, angles, angles_target
    )
    constant = None if attributes is None else attributes.detach().to(working)
    by_coordinate = None
    if weight is not None:
        points, points_target = points.flatten(1), points_target.flatten(1)
        weight, by_coordinate = _weights(weight, points)
        absent = (weight == 0)[:, None]
        hidden = absent if by_coordinate is None else by_coordinate == 0
        points, points_target = (p.masked_fill(hidden, 0) for p in (points, points_target))
        angles, angles_target = (a.masked_fill(absent, 0) for a in (angles, angles_target))
        constant = None if constant is None else constant.masked_fill(absent, 0)
    _look_at_angles(angles, angles_target, degrees)
    if constant is not None:
        _look_at_attributes(constant)

    pose = _pose(angles - angles_target, degrees, weighs_points=True)
    pose = pose + pose_bias if pose_bias else pose
    present = points.flatten(1)[:, :0] if constant is None else constant
    counts, samples = _totals(present, weight, ranks)
    factor, rarity = pose, None
    if constant is not None:
        rarity = _rarity(constant, counts, samples)
        rarity = rarity + attribute_bias if attribute_bias else rarity
        factor = pose * rarity
    if checks.checking_values(landmarks, landmarks_target, factor):
        counted = (factor != 0)[:, None]
        checks.finite(
            landmarks=points.flatten(1).where(counted, 0),
            landmarks_target=points_target.flatten(1).where(counted, 0),
        )
        if weight is None or bool(weight.any()):
            _explain_zero_weights(pose, torch.ones_like(pose) if rarity is None else rarity)

    count: Tensor | int | None = None
    if isinstance(samples, Tensor):
        # Averaged over the ranks, as their gradients are, this is the mean over all samples.
        samples = samples if ranks is None else samples / dist.get_world_size(ranks)
        count = samples.masked_fill(samples == 0, 1)
    elif samples == 0:
        count = 1

    # A weight of points is in the distances already.
    outside = weight if by_coordinate is None else None

    def mean(values: Tensor) -> Tensor:
        values = values if outside is None else values * outside
        return values.mean() if count is None else values.sum() / count

    def add(squares: Tensor) -> Tensor:
        if by_coordinate is not None:
            squares = squares * by_coordinate
        return squares.flatten(1).sum(1)

    distance = add(squared(points, points_target, "none"))
    weighted = mean(factor * distance)
    if not (checks.readable(weighted) and math.isfinite(weighted.detach())):
        # A sample of factor 0 stays at 0 even where its distance is infinite or NaN. Elsewhere its
        # second derivative counts, which compiled code does not have: there one pass is spared.
        hidden = factor == 0
        if not torch.compiler.is_compiling():
            hidden = hidden & ~distance.isfinite()
        hidden = hidden[:, None] if points.ndim == 2 else hidden[:, None, None]
        error = (points - points_target).masked_fill(hidden, 0)
        weighted = mean(factor * add(error * error))
    return LossTerms._trusted(
        {"weighted": weighted, "l2": mean(distance)}, {"weighted": 1.0, "l2": 0.0}
    )


def _gate(
    landmarks: Tensor,
    landmarks_target: Tensor,
    angles: Tensor,
    angles_target: Tensor,
    attributes: Tensor | None,
) -> torch.dtype:
    """Check that the tensors fit; the dtype of all but the attributes, which are constants."""
    if attributes is not None:
        _check_attributes(attributes)
    if (
        checks.alike(landmarks, landmarks_target, angles, angles_target)
        and is_landmarks(landmarks.shape)
        and landmarks.shape == landmarks_target.shape
        and angles.shape == angles_target.shape == (landmarks.shape[0], 3)
        and (attributes is None or attributes.shape[0] == landmarks.shape[0])
        and (attributes is None or attributes.device == landmarks.device)
    ):
        return landmarks.dtype
    check_landmarks(landmarks=landmarks, landmarks_target=landmarks_target)
    _check_angles(angles, angles_target)
    batches = {"landmarks": landmarks, "angles": angles}
    if attributes is not None:
        batches["attributes"] = attributes
    checks.same_batch(**batches)
    checks.same_device(**batches)
    return checks.same_dtype(
        landmarks=landmarks,
        landmarks_target=landmarks_target,
        angles=angles,
        angles_target=angles_target,
    )


def _check_angles(angles: Tensor, angles_target: Tensor) -> torch.dtype:
    dtype = checks.pair(angles, angles_target, ("angles", "angles_target"))
    if angles.ndim != 2 or angles.shape[1] != 3:
        raise ValueError(
            f"angles must have shape (B, 3): pitch, yaw, roll, got {tuple(angles.shape)}"
        )
    return dtype


def _check_attributes(attributes: Tensor) -> None:
    checks.floating(attributes=attributes)
    checks.shape(
        "(B, C) with C attributes of 0 or 1",
        lambda shape: len(shape) == 2 and shape[1] > 0,
        attributes=attributes,
    )


def _weights(weight: Tensor, points: Tensor) -> tuple[Tensor, Tensor | None]:
    """The weights of the samples, ``(B,)``, and of the coordinates, ``(B, 2N)``, if they differ."""
    faces = points.reshape(points.shape[0], points.shape[1] // 2, 2)
    of_points = point_weight(weight, faces, of="landmarks").detach()
    if checks.checking_values(weight):
        checks.weights(weight=weight)
    if weight.ndim < 2 or weight.shape[1] == 1:
        return of_points[:, 0], None
    return of_points.amax(1), of_points[..., None].expand(-1, -1, 2).flatten(1)


def _pose(difference: Tensor, degrees: bool, *, weighs_points: bool = False) -> Tensor:
    """Sum of 1 - cos as 2 sin^2 of the half: half precision and small angles keep their digits."""
    sine = (difference * (math.pi / 360 if degrees else 0.5)).sin()
    parts = sine * (sine + sine)
    if weighs_points and torch.compiler.is_compiling():
        # The compiler works a sum of three out again for every point; a running sum it keeps.
        return parts.cumsum(1)[:, -1]
    return parts.sum(1)


def _totals(
    attributes: Tensor, weight: Tensor | None, ranks: "dist.ProcessGroup | None"
) -> tuple[Tensor, Tensor | int]:
    """How many samples have each attribute, shape (C,), and how many samples there are."""
    counts = (attributes if weight is None else attributes * weight[:, None]).sum(0)
    samples = attributes.shape[0] if weight is None else weight.sum()
    return (counts, samples) if ranks is None else share_totals(counts, samples, ranks)


def _rarity(attributes: Tensor, counts: Tensor, samples: Tensor | int) -> Tensor:
    # An attribute that nobody has is 0 in every row: what its count is replaced by is no matter.
    return (attributes / counts.masked_fill(counts == 0, 1)).sum(1) * samples


# Inside check_values ----------------------------------------------------------------------------


def _look_at_angles(angles: Tensor, angles_target: Tensor, degrees: bool) -> None:
    if checks.checking_values(angles, angles_target):
        checks.finite(angles=angles, angles_target=angles_target)
        if not degrees:
            checks.radians(angles=angles, angles_target=angles_target)


def _look_at_attributes(attributes: Tensor) -> None:
    if checks.checking_values(attributes):
        checks.finite(attributes=attributes)
        checks.zero_or_one(attributes=attributes)


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
