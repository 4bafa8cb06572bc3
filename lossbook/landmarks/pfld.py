"""PFLD's loss and its two factors, as functions."""

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from lossbook import checks
from lossbook.calls import weight_by_name
from lossbook.landmarks.kernel import (
    NO_WEIGHTS,
    Batch,
    Factors,
    Weights,
    by_coordinate,
    find_factors,
    hide_absent,
    means,
    mend_labels,
    product_of,
    rarity_of,
    safe_means,
    totals,
    turn,
)
from lossbook.landmarks.shapes import Landmarks, check_landmarks, is_landmarks
from lossbook.ranks import Group, resolve_group
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
    return turn(angles - angles_target, degrees)


def attribute_weight(
    attributes: Float[Tensor, "batch attributes"] | Bool[Tensor, "batch attributes"],
    *,
    group: Group = None,
) -> Float[Tensor, " batch"]:
    r"""PFLD's weight for rare attributes: the sum of the inverse frequencies a sample has.

    .. math::
        q_b = \sum_c \frac{a_{bc}}{\operatorname{mean}_{b'} a_{b'c}}

    Its mean over the batch is the number of attributes that occur in the batch. A sample without
    any attribute has weight 0.

    Args:
        attributes: 0 or 1, or booleans, shape ``(B, C)``; any choice and number of attributes.
            They are constants: no gradient flows to them.
        group: ranks over which the frequencies are taken: ``"world"`` for all of them, or a
            process group; by default those of the local batch. Without gradients (validation)
            no rank waits for another, and the frequencies are local. All ranks need the same
            number of attributes; see :func:`pfld_loss`.

    Returns:
        Shape ``(B,)``; float32 for half precision.

    Raises:
        TypeError: for integer tensors, or a group that is none.
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
    return rarity_of(constant, *totals(constant, None, resolve_group(group)))


@weight_by_name
def pfld_loss(
    landmarks: Landmarks,
    landmarks_target: Landmarks,
    angles: Float[Tensor, "batch 3"],
    angles_target: Float[Tensor, "batch 3"],
    attributes: Float[Tensor, "batch attributes"] | Bool[Tensor, "batch attributes"] | None = None,
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
        attributes: 0 or 1, or booleans, shape ``(B, C)``. Without any, that factor is 1.
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
            NaN included. A learned weight gets the gradient of all it enters, the frequencies and
            what the means are divided by too; not beside a ``group``.
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
        ValueError: for shapes or devices that do not fit, a negative bias, ranks that differ in
            their number of attributes, or a learned weight beside a group.
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
    constant = None if attributes is None else _constant(attributes, working)
    batch = Batch(points, points_target, angles, angles_target, constant)
    weights = NO_WEIGHTS if weight is None else _weights(weight, batch.points)
    learned = weight is not None and weight.requires_grad
    if learned and ranks is not None:
        raise ValueError(
            "weight must be constant where ranks share their totals, got one that requires a "
            "gradient; pass weight.detach(), or leave group out"
        )

    def factors(batch: Batch) -> Factors:
        return find_factors(batch, weights.of_samples, degrees, pose_bias, attribute_bias, ranks)

    # On the CPU a look at the result tells whether there was a NaN to hide at all. The ranks of a
    # group would not all find one, and they exchange their totals once.
    # What a learned weight of 0 hides has no part in its gradient, which a NaN would enter.
    looks = not learned and checks.readable(landmarks) and not checks.checking_values()
    hides_late = looks and ranks is None
    batch = mend_labels(batch, weights) if hides_late else hide_absent(batch, weights)
    _look_at_angles(batch.angles, batch.angles_target, degrees)
    if batch.attributes is not None:
        _look_at_attributes(batch.attributes)
    found = factors(batch)
    if checks.checking_values(landmarks, landmarks_target, found.pose, found.rarity):
        _look_at_landmarks(batch, weights, found)
    if looks:
        terms = means(batch, weights, found)
        if checks.readable(terms[0]) and math.isfinite(terms[0].item()):
            return _named(terms)
        if hides_late and weight is not None:
            batch = hide_absent(batch, weights)
            found = factors(batch)
    return _named(safe_means(batch, weights, found))


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
        and (
            attributes is None
            or (attributes.shape[0] == landmarks.shape[0] and attributes.device == landmarks.device)
        )
    ):
        return landmarks.dtype
    check_landmarks(landmarks=landmarks, landmarks_target=landmarks_target)
    _check_angles(angles, angles_target, attributes)
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


def _check_angles(
    angles: Tensor, angles_target: Tensor, attributes: Tensor | None = None
) -> torch.dtype:
    def advise(name: str, shape: tuple[int, ...]) -> str:
        early = attributes is not None and attributes.shape[1] == 3 and len(shape) == 2
        return "attributes stand last, behind angles and angles_target" if early else ""

    for name, given in (("angles", angles), ("angles_target", angles_target)):
        # Before their dtype: attributes in their place may be of any.
        if isinstance(given, Tensor):
            checks.shape("(B, 3): pitch, yaw, roll", _are_angles, advise, **{name: given})
    return checks.pair(angles, angles_target, ("angles", "angles_target"))


def _are_angles(shape: tuple[int, ...]) -> bool:
    return len(shape) == 2 and shape[1] == 3


def _check_attributes(attributes: Tensor) -> None:
    if checks.alike(attributes) and attributes.ndim == 2 and attributes.shape[1]:
        return
    if not (isinstance(attributes, Tensor) and attributes.dtype is torch.bool):
        checks.floating(attributes=attributes)
    checks.shape(
        "(B, C) with C attributes of 0 or 1",
        lambda shape: len(shape) == 2 and shape[1] > 0,
        attributes=attributes,
    )


def _weights(weight: Tensor, points: Tensor) -> Weights:
    faces = points.reshape(points.shape[0], -1, 2) if points.ndim == 2 else points
    of_points = point_weight(weight, faces, of="landmarks")
    if checks.checking_values(weight):
        checks.weights(weight=weight)
    if weight.ndim < 2 or weight.shape[1] == 1:
        return Weights(of_points[:, 0], None)
    return Weights(of_points.amax(1), of_points)


def _constant(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    tensor = tensor.detach() if tensor.requires_grad else tensor
    return tensor if tensor.dtype is dtype else tensor.to(dtype)


def _named(terms: tuple[Tensor, Tensor]) -> LossTerms:
    return LossTerms._trusted({"weighted": terms[0], "l2": terms[1]}, {"weighted": 1.0, "l2": 0.0})


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


def _look_at_landmarks(batch: Batch, weights: Weights, factors: Factors) -> None:
    checks.not_swapped(("landmarks", "landmarks_target"), batch.points, batch.points_target)
    points, points_target = batch.points.flatten(1), batch.points_target.flatten(1)
    counted = (product_of(factors) != 0)[:, None]
    if weights.of_samples is not None:
        spread = by_coordinate(weights)
        present = weights.of_samples[:, None] if spread is None else spread
        counted = counted & (present != 0)
    checks.finite(
        checks.MASK,
        landmarks=points.where(counted, 0),
        landmarks_target=points_target.where(counted, 0),
    )
    if weights.of_samples is None or bool(weights.of_samples.any()):
        rarity = factors.rarity
        _explain_zero_weights(
            factors.pose, torch.ones_like(factors.pose) if rarity is None else rarity
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
