"""SmoothL1, Wing and PFLD: three losses for facial landmarks."""

import math

import torch
import torch.distributed as dist
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from lossbook import checks
from lossbook.landmarks.shapes import Landmarks, check_landmarks
from lossbook.reduction import (
    Reduction,
    check_reduction,
    elementwise_loss,
    reduce_loss,
    working_dtype,
)
from lossbook.terms import LossTerms


def smooth_l1_loss(
    input: Float[Tensor, "*shape"],
    target: Float[Tensor, "*shape"],
    *,
    beta: float = 1.0,
    weight: Float[Tensor, "..."] | None = None,
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
        weight: non-negative, multiplies the loss; the shape of ``input`` or a leading part of
            it, so ``(B,)`` weighs samples and ``(B, N)`` points of ``(B, N, 2)``. An element of
            weight 0 contributes nothing, even where it is NaN.
        reduction: ``"batchmean"`` (default, as in the source: summed over coordinates, averaged
            over the batch, that is the first dimension), ``"sum"``, ``"mean"`` or ``"none"``.

    Returns:
        A scalar, or the shape of ``input`` for ``"none"``; the unit of the coordinates for large
        errors. Its dtype is that of the inputs.

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
    return elementwise_loss(
        lambda a, b: F.smooth_l1_loss(a, b, reduction="none", beta=beta),
        input,
        target,
        weight=weight,
        reduction=reduction,
    )


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
    weight: Float[Tensor, "..."] | None = None,
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
        weight: non-negative, multiplies the loss; the shape of ``input`` or a leading part of
            it, so ``(B,)`` weighs samples and ``(B, N)`` points of ``(B, N, 2)``. An element of
            weight 0 contributes nothing, even where it is NaN.
        reduction: ``"batchmean"`` (default, as in the source: summed over points and
            coordinates, averaged over the batch, that is the first dimension), ``"sum"``,
            ``"mean"`` or ``"none"``.

    Returns:
        A scalar, or the shape of ``input`` for ``"none"``. Its dtype is that of the inputs. At
        0 the gradient is 0, the middle of the kink; at ``w`` it is 1, as in the source.

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

    # One branch instead of two: a `where` over both would evaluate each at the other's points.
    # With near = min(|x|, w) the linear part is w ln(1 + w/epsilon) + |x| - w = |x| - C.
    def wing(a: Tensor, b: Tensor) -> Tensor:
        error = (a - b).abs()
        near = error.where(error < w, w)
        return w * torch.log1p(near / epsilon) + (error - near)

    return elementwise_loss(wing, input, target, weight=weight, reduction=reduction)


def pose_weight(
    angles: Float[Tensor, "batch 3"],
    angles_gt: Float[Tensor, "batch 3"],
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
        angles_gt: true Euler angles, same shape and unit.
        degrees: whether both tensors are in degrees.

    Returns:
        Shape ``(B,)``, from 0 (perfect pose) to 6.

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
    weight = _pose(angles, angles_gt, degrees)
    return weight.to(checks.same_dtype(angles=angles, angles_gt=angles_gt))


def _pose(angles: Tensor, angles_gt: Tensor, degrees: bool) -> Tensor:
    """The pose weight in the dtype it is computed in: half precision would round it to 0."""
    checks.flag(degrees=degrees)
    checks.floating(angles=angles, angles_gt=angles_gt)
    checks.shape(
        "(B, 3): pitch, yaw, roll",
        lambda s: len(s) == 2 and s[1] == 3,
        angles=angles,
        angles_gt=angles_gt,
    )
    checks.same_shape(angles=angles, angles_gt=angles_gt)
    dtype = checks.same_dtype(angles=angles, angles_gt=angles_gt)
    if checks.checking_values(angles, angles_gt):
        checks.finite(angles=angles, angles_gt=angles_gt)
        if not degrees:
            checks.radians(angles=angles, angles_gt=angles_gt)
    working = working_dtype(dtype)
    difference = angles.to(working) - angles_gt.to(working)
    if degrees:
        difference = torch.deg2rad(difference)
    return (2 * torch.sin(difference / 2).square()).sum(1)


def attribute_weight(
    attributes: Float[Tensor, "batch attributes"],
    *,
    group: "dist.ProcessGroup | None" = None,
) -> Float[Tensor, " batch"]:
    r"""PFLD's weight for rare attributes: the sum of the inverse frequencies a sample has.

    .. math::
        q_b = \sum_c \frac{a_{bc}}{\operatorname{mean}_{b'} a_{b'c}}

    Its mean over the batch is the number of attributes that occur in the batch. A sample without
    any attribute has weight 0.

    Args:
        attributes: 0 or 1, shape ``(B, C)``; any choice and number of attributes. They are
            constants: no gradient flows to them.
        group: process group over whose ranks the frequencies are taken, e.g.
            ``torch.distributed.group.WORLD``; by default those of the local batch.

    Returns:
        Shape ``(B,)``.

    Raises:
        TypeError: for integer or boolean tensors.
        ValueError: for any shape but ``(B, C)`` with C of at least 1.

    Example:
        >>> import torch
        >>> attribute_weight(torch.tensor([[1.0, 1.0], [1.0, 0.0], [1.0, 0.0], [0.0, 0.0]]))
        tensor([5.3333, 1.3333, 1.3333, 0.0000])

    References:
        The attribute factor of :func:`pfld_loss`. Derived in :doc:`/book/landmarks`.
    """
    constant = _checked_attributes(attributes)
    return _rarity(constant, _totals(constant, group)).to(attributes.dtype)


def pfld_loss(
    landmarks: Landmarks,
    landmarks_gt: Landmarks,
    angles: Float[Tensor, "batch 3"],
    angles_gt: Float[Tensor, "batch 3"],
    attributes: Float[Tensor, "batch attributes"],
    *,
    degrees: bool = False,
    pose_bias: float = 0.0,
    attribute_bias: float = 0.0,
    group: "dist.ProcessGroup | None" = None,
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
        landmarks_gt: true coordinates, same shape and unit.
        angles: predicted Euler angles, shape ``(B, 3)``, in radians.
        angles_gt: true Euler angles, same shape and unit.
        attributes: 0 or 1, shape ``(B, C)``.
        degrees: whether the angles are in degrees. The cosine needs the truth here: an error of
            44 degrees taken for radians costs 0.00016.
        pose_bias: added to every pose weight, at least 0.
        attribute_bias: added to every attribute weight, at least 0.
        group: process group of data-parallel training. Frequencies and the mean are then those
            of the global batch, so that gradients averaged over the ranks (as
            ``DistributedDataParallel`` does) are those of one process with the whole batch.

    Returns:
        Terms ``"weighted"`` (weight 1: the loss) and ``"l2"`` (weight 0: the unweighted mean of
        the squared distances, a monitor), in the squared unit of the coordinates and the dtype
        of the landmarks.

    Raises:
        TypeError: for integer tensors, tensors mixed with float64, biases that are no numbers.
        ValueError: for shapes that do not fit, or a negative bias.

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
    check_landmarks(landmarks=landmarks, landmarks_gt=landmarks_gt)
    dtype = checks.same_dtype(landmarks=landmarks, landmarks_gt=landmarks_gt)
    working = working_dtype(dtype)
    pose = pose_bias + _pose(angles, angles_gt, degrees).to(working)
    constant = _checked_attributes(attributes)
    checks.same_batch(landmarks=landmarks, angles=angles, attributes=constant)
    totals = _totals(constant, group)
    rarity = attribute_bias + _rarity(constant, totals).to(working)
    weight = pose * rarity
    if checks.checking_values(landmarks, landmarks_gt, weight):
        checks.finite(landmarks=landmarks, landmarks_gt=landmarks_gt)
        _explain_zero_weights(pose, rarity)

    error = (landmarks.to(working) - landmarks_gt.to(working)).flatten(1)
    distance = error.square().sum(1)
    # A sample of weight 0 stays at 0 even where its distance is infinite or NaN.
    counts = (weight != 0) | distance.isfinite()
    weighted = weight * error.where(counts[:, None], 0).square().sum(1)

    def mean(values: Tensor) -> Tensor:
        result = reduce_loss(values, "mean")
        if group is not None:
            share = values.shape[0] * dist.get_world_size(group) / totals[-1].clamp(min=1)
            result = result * share
        return result.to(dtype)

    return LossTerms(
        terms={"weighted": mean(weighted), "l2": mean(distance)},
        weights={"weighted": 1.0, "l2": 0.0},
    )


def _checked_attributes(attributes: Tensor) -> Tensor:
    """The attributes, checked, as constants in the dtype to compute in."""
    checks.floating(attributes=attributes)
    checks.shape(
        "(B, C) with C attributes of 0 or 1",
        lambda shape: len(shape) == 2 and shape[1] > 0,
        attributes=attributes,
    )
    if checks.checking_values(attributes):
        checks.finite(attributes=attributes)
        checks.zero_or_one(attributes=attributes)
    return attributes.detach().to(working_dtype(attributes.dtype))


def _totals(attributes: Tensor, group: "dist.ProcessGroup | None") -> Tensor:
    """How many samples have each attribute, and last the number of samples; shape (C + 1,)."""
    counts = attributes.sum(0)
    totals = torch.cat([counts, counts.new_full((1,), attributes.shape[0])])
    if group is not None:
        dist.all_reduce(totals, group=group)
    return totals


def _rarity(attributes: Tensor, totals: Tensor) -> Tensor:
    counts, samples = totals[:-1], totals[-1]
    present = counts > 0
    inverse_frequency = torch.where(present, samples / counts.where(present, 1), 0)
    return (attributes * inverse_frequency).sum(1)


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


class WingLoss(nn.Module):
    """:func:`wing_loss` as a module; the hyperparameters are its arguments.

    Raises:
        TypeError: if ``w`` or ``epsilon`` is not a Python number.
        ValueError: if one is not positive, or for an unknown reduction.

    Example:
        >>> import torch
        >>> WingLoss(w=5.0)(torch.tensor([[1.0]]), torch.tensor([[0.0]]))
        tensor(2.0273)
    """

    def __init__(
        self, *, w: float = 10.0, epsilon: float = 2.0, reduction: Reduction = "batchmean"
    ) -> None:
        super().__init__()
        checks.number(exclusive=True, w=w, epsilon=epsilon)
        check_reduction(reduction)
        self.w = w
        self.epsilon = epsilon
        self.reduction = reduction

    def forward(
        self,
        input: Float[Tensor, "*shape"],
        target: Float[Tensor, "*shape"],
        weight: Float[Tensor, "..."] | None = None,
    ) -> Tensor:
        """See :func:`wing_loss`."""
        return wing_loss(
            input,
            target,
            w=self.w,
            epsilon=self.epsilon,
            weight=weight,
            reduction=self.reduction,
        )

    def extra_repr(self) -> str:
        """The hyperparameters, for printing."""
        return f"w={self.w}, epsilon={self.epsilon}, reduction={self.reduction!r}"


class PFLDLoss(nn.Module):
    """:func:`pfld_loss` as a module; the options are its arguments.

    Raises:
        TypeError: if a bias is not a Python number.
        ValueError: if a bias is negative.

    Example:
        >>> import torch
        >>> loss = PFLDLoss(pose_bias=1.0, attribute_bias=1.0)
        >>> points, angles = torch.ones(1, 196), torch.zeros(1, 3)
        >>> loss(points, 0 * points, angles, angles, torch.zeros(1, 6)).total
        tensor(196.)
    """

    def __init__(
        self,
        *,
        degrees: bool = False,
        pose_bias: float = 0.0,
        attribute_bias: float = 0.0,
        group: "dist.ProcessGroup | None" = None,
    ) -> None:
        super().__init__()
        checks.flag(degrees=degrees)
        checks.number(pose_bias=pose_bias, attribute_bias=attribute_bias)
        self.degrees = degrees
        self.pose_bias = pose_bias
        self.attribute_bias = attribute_bias
        self.group = group

    def forward(
        self,
        landmarks: Landmarks,
        landmarks_gt: Landmarks,
        angles: Float[Tensor, "batch 3"],
        angles_gt: Float[Tensor, "batch 3"],
        attributes: Float[Tensor, "batch attributes"],
    ) -> LossTerms:
        """See :func:`pfld_loss`."""
        return pfld_loss(
            landmarks,
            landmarks_gt,
            angles,
            angles_gt,
            attributes,
            degrees=self.degrees,
            pose_bias=self.pose_bias,
            attribute_bias=self.attribute_bias,
            group=self.group,
        )

    def extra_repr(self) -> str:
        """The options, for printing."""
        return (
            f"degrees={self.degrees}, pose_bias={self.pose_bias}, "
            f"attribute_bias={self.attribute_bias}, group={self.group}"
        )
