"""Losses for hand pose: 2D and 3D keypoints, vertices, MANO prior, auxiliary, and their sum."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from lossbook import checks
from lossbook.hands.shapes import from_root, is_points
from lossbook.reduction import (
    Reduction,
    check_reduction,
    elementwise_loss,
    reduce_loss,
    working_dtype,
)
from lossbook.terms import LossTerms

_NAMES = ("pred", "target", "confidence")


def keypoint_2d_loss(
    pred: Float[Tensor, "batch points 2"],
    target: Float[Tensor, "batch points _"],
    *,
    confidence: Float[Tensor, "batch points"] | None = None,
    reduction: Reduction = "sum",
) -> Tensor:
    r"""Confidence-weighted L1 between 2D keypoints.

    .. math::
        \mathcal L_{2D} = \sum_{b,n} c_{bn} \,\lVert J_{bn} - \hat J_{bn} \rVert_1

    The confidence multiplies the loss. A point of confidence 0 contributes nothing, whatever it
    holds, NaN included.

    Args:
        pred: predicted keypoints, shape ``(B, N, 2)``; any number of points. The source
            normalises the hand's crop to [-0.5, 0.5].
        target: true keypoints in the same unit, shape ``(B, N, 2)``, or ``(B, N, 3)`` with the
            confidence as last column.
        confidence: shape ``(B, N)``, from 0 to 1, in place of the column. With neither, every
            confidence is 1; a coordinate is never taken for it.
        reduction: ``"sum"`` (default, as in the source: over batch, points and coordinates),
            ``"batchmean"`` (that over the batch size: recommended, as the size of the batch then
            does not change the loss), ``"mean"`` (over the sum of the confidences, counted
            once for each coordinate) or ``"none"``.

    Returns:
        A scalar, or shape ``(B, N, 2)`` for ``"none"``, in the unit of the coordinates. Its dtype
        is that of the coordinates.

    Raises:
        TypeError: for integer tensors, or tensors mixed with float64.
        ValueError: for shapes that do not fit, a confidence given twice, an unknown reduction.

    Example:
        >>> import torch
        >>> pred = torch.zeros(1, 21, 2)
        >>> target = torch.full((1, 21, 3), 0.5)  # x, y, confidence
        >>> keypoint_2d_loss(pred, target)  # 21 points, 2 coordinates, 0.5 * 0.5
        tensor(10.5000)

    References:
        Source note: ``src/losses/loss.py`` of Eric-Lin-HKUSTGZ/UTNet, after Pavlakos et al.,
        *Reconstructing Hands in 3D with Transformers* (HaMeR), CVPR 2024.
        Derived in :doc:`/book/hands`.
    """
    target, confidence = _keypoints(pred, target, confidence, dimensions=2)
    if checks.checking_values(pred, target, confidence):
        counted = _check_visible(pred, target, confidence)
        _check_normalized(pred, target, counted)
    return _weighted_l1(pred, target, confidence, reduction)


def keypoint_3d_loss(
    pred: Float[Tensor, "batch points 3"],
    target: Float[Tensor, "batch points _"],
    *,
    root: int = 0,
    confidence: Float[Tensor, "batch points"] | None = None,
    reduction: Reduction = "sum",
) -> Tensor:
    r"""Confidence-weighted L1 between 3D joints, each measured from its own root joint.

    .. math::
        \mathcal L_{3D} = \sum_{b,n} c_{bn} \,\lVert (J_{bn} - J_{br}) - (\hat J_{bn} -
        \hat J_{br}) \rVert_1

    A translation of the whole hand costs nothing. The row of the root is 0 by construction, so
    its own confidence has no effect; the root is needed even if it is occluded. It receives the
    negative sum of the other joints' gradients. A hand whose root has confidence 0 and a label
    that is NaN or infinite contributes nothing.

    Args:
        pred: predicted joints, shape ``(B, N, 3)``; any number of joints.
        target: true joints, shape ``(B, N, 3)``, or ``(B, N, 4)`` with the confidence as last
            column, in the same unit. The source uses millimetres, HaMeR and WiLoR metres; the
            loss is a thousand times larger in millimetres.
        root: index of the joint to measure from; 0, the wrist, in the source.
        confidence: shape ``(B, N)``, from 0 to 1, in place of the column. With neither, every
            confidence is 1.
        reduction: ``"sum"`` (default, as in the source), ``"batchmean"`` (recommended),
            ``"mean"`` (over the sum of the confidences, the root's included, counted once for
            each coordinate) or ``"none"``.

    Returns:
        A scalar, or shape ``(B, N, 3)`` for ``"none"``, in the unit of the joints. Its dtype is
        that of the joints: a float16 sum of a batch in millimetres soon exceeds 65504 and is
        infinite, so sum in float32 or metres.

    Raises:
        TypeError: for integer tensors, tensors mixed with float64, or a root that is no integer.
        ValueError: for shapes that do not fit, a root that does not exist, a confidence given
            twice, an unknown reduction.

    Example:
        >>> import torch
        >>> pred = torch.zeros(1, 21, 3)
        >>> pred[:, 4] = 7.0  # the thumb's tip, 7 mm off along each axis
        >>> moved = torch.full((1, 21, 3), 300.0)  # the true hand is somewhere else
        >>> keypoint_3d_loss(pred, moved)
        tensor(21.)

    References:
        Source note: ``src/losses/loss.py`` of Eric-Lin-HKUSTGZ/UTNet, after HaMeR and WiLoR.
        Derived in :doc:`/book/hands`.
    """
    target, confidence = _keypoints(pred, target, confidence, dimensions=3)
    checks.index(pred.shape[1], root=root)
    if checks.checking_values(pred, target, confidence):
        counted = _check_visible(pred, target, confidence, root)
        _check_sizes(pred, target, counted, root)
    if confidence is not None:
        # A hand whose hidden root holds no number cannot be measured: none of its joints counts.
        known = (confidence[:, root] != 0) | target[:, root].isfinite().all(1)
        confidence = confidence.where(known[:, None], 0)
    # From the root in float32 at least: half precision would round away small differences.
    dtype = checks.same_dtype(pred=pred, target=target)
    working = working_dtype(dtype)
    pred, target = (from_root(points.to(working), root) for points in (pred, target))
    return _weighted_l1(pred, target, confidence, reduction).to(dtype)


def vertex_loss(
    pred: Float[Tensor, "batch vertices 3"],
    target: Float[Tensor, "batch vertices 3"],
    *,
    reduction: Reduction = "sum",
) -> Tensor:
    r"""L1 between mesh vertices.

    .. math::
        \mathcal L_{vert} = \sum_{b,v} \lVert V_{bv} - \hat V_{bv} \rVert_1

    The source weighs this term and gives no formula for it; the one here is that of the joints,
    without a root: subtract the root joint from both meshes first, unless their position counts.

    Args:
        pred: predicted vertices, shape ``(B, V, 3)``; MANO has 778.
        target: true vertices, same shape and unit.
        reduction: ``"sum"`` (default, as for the joints), ``"batchmean"``, ``"mean"`` or
            ``"none"``.

    Returns:
        A scalar, or the shape of ``pred`` for ``"none"``, in the unit of the vertices.

    Raises:
        TypeError: for integer tensors, or tensors mixed with float64.
        ValueError: for other or different shapes, an unknown reduction.

    Example:
        >>> import torch
        >>> vertex_loss(torch.zeros(2, 778, 3), torch.ones(2, 778, 3), reduction="batchmean")
        tensor(2334.)

    References:
        The term ``w_3d_vert`` of :class:`HandLoss`. Derived in :doc:`/book/hands`.
    """
    checks.floating(pred=pred, target=target)
    checks.shape("(B, V, 3)", is_points(3), pred=pred, target=target)
    return _weighted_l1(pred, target, None, reduction)


def mano_prior_loss(
    betas: Float[Tensor, "batch betas"],
    hand_pose: Float[Tensor, "batch joints 3 3"] | None = None,
    *,
    shape_weight: float = 1.0,
    pose_weight: float = 0.0,
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

    Returns:
        Terms ``"shape_prior"`` and, if ``hand_pose`` is given, ``"pose_prior"``, without unit.

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
    checks.number(shape_weight=shape_weight, pose_weight=pose_weight)
    checks.floating(betas=betas)
    checks.shape("(B, K)", lambda s: len(s) == 2 and s[1] > 0, betas=betas)
    if checks.checking_values(betas):
        _check_betas(betas=betas)
    weights = {"shape_prior": shape_weight}
    if hand_pose is None:
        if pose_weight > 0:
            raise ValueError(
                f"pose_weight is {pose_weight} but hand_pose is missing; pass the rotation "
                f"matrices (B, J, 3, 3), or pose_weight=0"
            )
        return LossTerms({"shape_prior": _mean_square(betas, betas.dtype)}, weights)
    checks.floating(hand_pose=hand_pose)
    checks.shape(
        "(B, J, 3, 3)",
        lambda s: len(s) == 4 and s[1] > 0 and s[2:] == (3, 3),
        hand_pose=hand_pose,
    )
    checks.same_batch(betas=betas, hand_pose=hand_pose)
    dtype = checks.same_dtype(betas=betas, hand_pose=hand_pose)
    if checks.checking_values(hand_pose):
        checks.finite(hand_pose=hand_pose)
        checks.rotations(hand_pose=hand_pose)
    identity = torch.eye(3, dtype=working_dtype(dtype), device=hand_pose.device)
    # A mean over all nine entries, times nine, is the mean of the matrices' squared norms.
    pose_prior = 9 * _mean_square(hand_pose - identity, dtype)
    terms = {"shape_prior": _mean_square(betas, dtype), "pose_prior": pose_prior}
    return LossTerms(terms, weights | {"pose_prior": pose_weight})


def auxiliary_loss(
    coarse_pose: Float[Tensor, "batch pose"],
    coarse_shape: Float[Tensor, "batch shape"],
    pose_gt: Float[Tensor, "batch pose"],
    shape_gt: Float[Tensor, "batch shape"],
) -> Float[Tensor, ""]:
    r"""Squared error of the first stage's pose and shape.

    .. math::
        \mathcal L_{aux} = \operatorname{mean}\bigl((\theta^c - \hat\theta)^2\bigr)
        + \operatorname{mean}\bigl((\beta^c - \hat\beta)^2\bigr)

    Not yet weighted: the source writes its weight inside this loss and again in the total;
    :class:`HandLoss` applies it once. Axis-angles jump at half a turn: two rotations next to each
    other can be :math:`2\pi` apart in this loss.

    Args:
        coarse_pose: axis-angles in radians, shape ``(B, P)``; 48 in the source (3 of the wrist
            and 45 of the joints).
        coarse_shape: shape parameters, shape ``(B, S)``; 10 in the source.
        pose_gt: true axis-angles, shape of ``coarse_pose``.
        shape_gt: true shape parameters, shape of ``coarse_shape``.

    Returns:
        A scalar, radians squared plus a number without unit.

    Raises:
        TypeError: for integer tensors, or tensors mixed with float64.
        ValueError: for shapes that do not fit.

    Example:
        >>> import torch
        >>> auxiliary_loss(torch.zeros(4, 48), torch.zeros(4, 10),
        ...                torch.full((4, 48), 0.5), torch.full((4, 10), 2.0))
        tensor(4.2500)

    References:
        Source note: ``src/losses/loss.py`` of Eric-Lin-HKUSTGZ/UTNet.
        Derived in :doc:`/book/hands`.
    """
    poses = {"coarse_pose": coarse_pose, "pose_gt": pose_gt}
    shapes = {"coarse_shape": coarse_shape, "shape_gt": shape_gt}
    everything = poses | shapes
    checks.floating(**everything)
    checks.shape("(B, P)", lambda s: len(s) == 2 and s[1] > 0, **everything)
    for pair in (poses, shapes):
        checks.same_shape(**pair)
    checks.same_batch(coarse_pose=coarse_pose, coarse_shape=coarse_shape)
    dtype = checks.same_dtype(**everything)
    if checks.checking_values(*everything.values()):
        checks.finite(**everything)
        checks.radians(pose_gt=pose_gt)
        _check_betas(shape_gt=shape_gt)
    working = working_dtype(dtype)
    pose = _mean_square(coarse_pose.to(working) - pose_gt.to(working), working)
    shape = _mean_square(coarse_shape.to(working) - shape_gt.to(working), working)
    return (pose + shape).to(dtype)


@dataclass(frozen=True)
class HandLossWeights:
    """The five weights of :class:`HandLoss`; those left out are the source's code's.

    Attributes:
        w_2d: of the 2D keypoints.
        w_3d_joint: of the 3D joints.
        w_3d_vert: of the vertices.
        w_prior: of MANO's prior.
        w_aux: of the first stage.

    Raises:
        TypeError: for a weight that is no Python number.
        ValueError: for a weight that is negative or not finite.

    Example:
        >>> HandLossWeights.config()
        HandLossWeights(w_2d=0.01, w_3d_joint=0.05, w_3d_vert=0.0, w_prior=0.001, w_aux=0.001)
    """

    w_2d: float = 1.0
    w_3d_joint: float = 1.0
    w_3d_vert: float = 0.5
    w_prior: float = 0.01
    w_aux: float = 0.1

    def __post_init__(self) -> None:
        checks.number(**asdict(self))

    @classmethod
    def code(cls) -> "HandLossWeights":
        """The defaults of the source's code: 1, 1, 0.5, 0.01 and 0.1."""
        return cls()

    @classmethod
    def config(cls) -> "HandLossWeights":
        """The source's configuration file: 0.01, 0.05, 0, 0.001 and 0.001."""
        return cls(w_2d=0.01, w_3d_joint=0.05, w_3d_vert=0.0, w_prior=0.001, w_aux=0.001)

    def by_term(self) -> dict[str, float]:
        """The weights under the names of the terms."""
        return {name.removeprefix("w_"): weight for name, weight in asdict(self).items()}


@dataclass(frozen=True, eq=False)
class HandPrediction:
    """What a hand network says. Every field is optional: a loss needs only its own.

    A data loader collates dictionaries: let it, and build ``HandTarget(**batch)`` from one.

    Attributes:
        keypoints_2d: ``(B, N, 2)``, normalised to the crop, [-0.5, 0.5].
        keypoints_3d: ``(B, N, 3)``, in the unit of the target.
        vertices: ``(B, V, 3)``, in the unit of the target.
        betas: ``(B, 10)``, MANO's shape parameters.
        hand_pose: ``(B, 15, 3, 3)``, rotation matrices.
        coarse_pose: ``(B, 48)``, axis-angles of the first stage, radians.
        coarse_shape: ``(B, 10)``, shape parameters of the first stage.
    """

    keypoints_2d: Float[Tensor, "batch points 2"] | None = None
    keypoints_3d: Float[Tensor, "joint_batch joints 3"] | None = None
    vertices: Float[Tensor, "vertex_batch vertices 3"] | None = None
    betas: Float[Tensor, "prior_batch betas"] | None = None
    hand_pose: Float[Tensor, "prior_batch rotations 3 3"] | None = None
    coarse_pose: Float[Tensor, "coarse_batch pose"] | None = None
    coarse_shape: Float[Tensor, "coarse_batch shape"] | None = None


@dataclass(frozen=True, eq=False)
class HandTarget:
    """What is known of the true hand. Every field is optional.

    Attributes:
        keypoints_2d: ``(B, N, 2)``, or ``(B, N, 3)`` with the confidence as last column.
        keypoints_3d: ``(B, N, 3)``, or ``(B, N, 4)`` with the confidence as last column;
            millimetres in the source.
        vertices: ``(B, V, 3)``.
        pose: ``(B, 48)``, axis-angles in radians.
        shape: ``(B, 10)``.
    """

    keypoints_2d: Float[Tensor, "batch points _"] | None = None
    keypoints_3d: Float[Tensor, "joint_batch joints _"] | None = None
    vertices: Float[Tensor, "vertex_batch vertices 3"] | None = None
    pose: Float[Tensor, "coarse_batch pose"] | None = None
    shape: Float[Tensor, "coarse_batch shape"] | None = None


for _dataclass in (HandPrediction, HandTarget):
    torch.export.register_dataclass(
        _dataclass, serialized_type_name=f"lossbook.hands.{_dataclass.__name__}"
    )

# What each term is computed from: fields of the prediction, fields of the target.
_NEEDS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "2d": (("keypoints_2d",), ("keypoints_2d",)),
    "3d_joint": (("keypoints_3d",), ("keypoints_3d",)),
    "3d_vert": (("vertices",), ("vertices",)),
    "prior": (("betas",), ()),
    "aux": (("coarse_pose", "coarse_shape"), ("pose", "shape")),
}


class HandLoss(nn.Module):
    r"""UTNet's total loss for hand pose: the weighted sum of up to five terms.

    .. math::
        \mathcal L = w_{2D} \mathcal L_{2D} + w_{3D} \mathcal L_{3D} + w_{vert} \mathcal L_{vert}
        + w_{prior} \mathcal L_{prior} + w_{aux} \mathcal L_{aux}

    The terms are those of :func:`keypoint_2d_loss`, :func:`keypoint_3d_loss`,
    :func:`vertex_loss`, :func:`mano_prior_loss` and :func:`auxiliary_loss`. A term whose inputs
    are missing is absent. Terms may come from different samples: pass as ``keypoints_3d`` only
    the rows that have a 3D label.

    Args:
        weights: :meth:`HandLossWeights.code` (the default), :meth:`HandLossWeights.config`, or
            your own. The source documents both sets, and they differ.
        root: index of the root joint.
        reduction: of the 2D, 3D and vertex terms: ``"sum"`` (default, as in the source),
            ``"batchmean"`` (recommended: with a sum, the batch size shifts the balance to the
            other two terms, which are means) or ``"mean"``.
        shape_weight: of the shape prior, inside the prior.
        pose_weight: of the pose prior, inside the prior; it then needs ``hand_pose``.

    Raises:
        TypeError: for weights of another type, or options that are no numbers.
        ValueError: for an unknown reduction, ``"none"``, or a negative weight.

    Example:
        >>> import torch
        >>> loss = HandLoss(HandLossWeights.config())(
        ...     HandPrediction(keypoints_2d=torch.zeros(2, 21, 2), betas=torch.ones(2, 10)),
        ...     HandTarget(keypoints_2d=torch.full((2, 21, 2), 0.25)),
        ... )
        >>> print(loss)
        term   value  weight  contribution  share
        2d        21    0.01          0.21  100 %
        prior      1   0.001         0.001    0 %
        total                        0.211  100 %

    References:
        Source note: ``src/losses/loss.py`` of Eric-Lin-HKUSTGZ/UTNet.
        Derived in :doc:`/book/hands`.
    """

    def __init__(
        self,
        weights: HandLossWeights | None = None,
        *,
        root: int = 0,
        reduction: Reduction = "sum",
        shape_weight: float = 1.0,
        pose_weight: float = 0.0,
    ) -> None:
        super().__init__()
        weights = HandLossWeights.code() if weights is None else weights
        if not isinstance(weights, HandLossWeights):
            raise TypeError(
                f"weights must be HandLossWeights, got {type(weights).__name__}; "
                f"use HandLossWeights.code(), .config() or HandLossWeights(w_2d=..., ...)"
            )
        check_reduction(reduction)
        if reduction == "none":
            raise ValueError("reduction must be sum, mean or batchmean: the terms are scalars")
        checks.index(None, root=root)
        checks.number(shape_weight=shape_weight, pose_weight=pose_weight)
        self.weights = weights
        self.root = root
        self.reduction = reduction
        self.shape_weight = shape_weight
        self.pose_weight = pose_weight

    def forward(self, prediction: HandPrediction, target: HandTarget) -> LossTerms:
        """Compute the terms whose inputs are there.

        Args:
            prediction: what the network says.
            target: what is known.

        Returns:
            Terms ``"2d"``, ``"3d_joint"``, ``"3d_vert"``, ``"prior"`` and ``"aux"``, raw, as far
            as they can be computed, with their weights.

        Raises:
            TypeError: for other types.
            ValueError: if no term can be computed, naming what is missing, or for shapes that do
                not fit.
        """
        _check_types(prediction, target)
        _check_dtypes(prediction, target)
        if prediction.betas is None and prediction.hand_pose is not None and self.pose_weight > 0:
            raise ValueError(
                f"prior: pose_weight is {self.pose_weight} but prediction.betas is missing; "
                f"pass the shape parameters too, or pose_weight=0"
            )
        terms: dict[str, Tensor] = {}
        for name, (of_prediction, of_target) in _NEEDS.items():
            inputs = [getattr(prediction, field) for field in of_prediction]
            inputs += [getattr(target, field) for field in of_target]
            if all(value is not None for value in inputs):
                try:
                    terms[name] = self._term(name, *inputs, hand_pose=prediction.hand_pose)
                except (TypeError, ValueError) as error:
                    # The functions call their arguments pred and target: say of which term.
                    raise type(error)(f"{name}: {error}") from error
        if not terms:
            raise ValueError(_nothing_to_compute(prediction, target))
        weights = self.weights.by_term()
        return LossTerms(terms, {name: weights[name] for name in terms})

    def _term(self, name: str, *inputs: Tensor, hand_pose: Tensor | None) -> Tensor:
        if name == "2d":
            return keypoint_2d_loss(*inputs, reduction=self.reduction)
        if name == "3d_joint":
            return keypoint_3d_loss(*inputs, root=self.root, reduction=self.reduction)
        if name == "3d_vert":
            return vertex_loss(*inputs, reduction=self.reduction)
        if name == "aux":
            return auxiliary_loss(*inputs)
        (betas,) = inputs
        weights = {"shape_weight": self.shape_weight, "pose_weight": self.pose_weight}
        return mano_prior_loss(betas, hand_pose, **weights).total

    def extra_repr(self) -> str:
        """The options, for printing."""
        return (
            f"weights={self.weights}, root={self.root}, reduction={self.reduction}, "
            f"shape_weight={self.shape_weight}, pose_weight={self.pose_weight}"
        )


def _keypoints(
    pred: Tensor, target: Tensor, confidence: Tensor | None, *, dimensions: int
) -> tuple[Tensor, Tensor | None]:
    """Check the arguments; return the target's coordinates and the confidence, if there is one."""
    checks.floating(pred=pred, target=target)
    d = dimensions
    checks.shape(f"(B, N, {d})", is_points(d), pred=pred)
    with_column = f"(B, N, {d}), or (B, N, {d + 1}) with the confidence as last column"
    checks.shape(with_column, is_points(d, d + 1), target=target)
    if confidence is not None:
        checks.floating(confidence=confidence)
        checks.shape("(B, N)", lambda s: len(s) == 2, confidence=confidence)
        if target.shape[2] == d + 1:
            raise ValueError(
                f"confidence is given twice: as an argument and as the last column of target "
                f"{tuple(target.shape)}; leave one out"
            )
    elif target.shape[2] == d + 1:
        target, confidence = target[..., :d], target[..., d]
    shapes = {"pred": pred.shape, "target": target.shape}
    shapes |= {} if confidence is None else {"confidence": confidence.shape}
    if any(shape[:2] != pred.shape[:2] for shape in shapes.values()):
        listed = ", ".join(f"{name} {tuple(shape)}" for name, shape in shapes.items())
        raise ValueError(f"batch and number of points must agree, got {listed}")
    return target, confidence


def _weighted_l1(
    pred: Tensor, target: Tensor, confidence: Tensor | None, reduction: Reduction
) -> Tensor:
    return elementwise_loss(
        lambda a, b: (a - b).abs(),
        pred,
        target,
        weight=confidence,
        reduction=reduction,
        names=_NAMES,
    )


def _mean_square(values: Tensor, dtype: torch.dtype) -> Tensor:
    squares = values.to(working_dtype(values.dtype)).square()
    return reduce_loss(squares, "mean", dtype=dtype)


def _check_types(prediction: HandPrediction, target: HandTarget) -> None:
    for value, kind in ((prediction, HandPrediction), (target, HandTarget)):
        if not isinstance(value, kind):
            known = ", ".join(field.name for field in fields(kind))
            raise TypeError(
                f"expected a {kind.__name__}, got {type(value).__name__}; "
                f"build one with {kind.__name__}(...), its fields are {known}"
            )


def _check_dtypes(prediction: HandPrediction, target: HandTarget) -> None:
    """The total adds all terms up: a float64 field would promote it."""
    tensors = {
        f"{side}.{name}": value
        for side, values in (("prediction", prediction), ("target", target))
        for name, value in vars(values).items()
        if isinstance(value, Tensor) and value.is_floating_point()
    }
    if tensors:
        checks.same_dtype(**tensors)


def _nothing_to_compute(prediction: HandPrediction, target: HandTarget) -> str:
    missing = {
        name: [f"prediction.{f}" for f in of_prediction if getattr(prediction, f) is None]
        + [f"target.{f}" for f in of_target if getattr(target, f) is None]
        for name, (of_prediction, of_target) in _NEEDS.items()
    }
    listed = "; ".join(f"{name} lacks {', '.join(fields)}" for name, fields in missing.items())
    return f"no term can be computed: {listed}"


# Inside check_values ----------------------------------------------------------------------------


def _check_visible(
    pred: Tensor, target: Tensor, confidence: Tensor | None, root: int | None = None
) -> Bool[Tensor, "batch points"]:
    """Look for NaN in points that count and in their roots; return which points count."""
    if confidence is None:
        counted = torch.ones(pred.shape[:2], dtype=torch.bool, device=pred.device)
    else:
        checks.confidences(confidence=confidence)
        counted = confidence != 0
        if root is not None and bool((~counted[:, root] & counted.any(1)).any()):
            checks.warn(
                f"the root, point {root}, has confidence 0 in some samples, "
                f"yet every other joint is measured from it"
            )
    needed = counted.clone()
    if root is not None:
        needed[:, root] |= counted.any(1)
    needed = needed[..., None]
    checks.finite(pred=pred.where(needed, 0), target=target.where(needed, 0))
    return counted


def _check_normalized(pred: Tensor, target: Tensor, counted: Tensor) -> None:
    """Labels may lie a little outside of the crop, an untrained prediction far more."""
    for name, points, limit in (("pred", pred, 10.0), ("target", target, 1.0)):
        if not points.numel():
            return
        visible = points.detach().where(counted[..., None], 0)
        low, high = visible.min().item(), visible.max().item()
        largest = max(-low, high)
        if largest > limit:
            raise ValueError(
                f"{name} reaches {largest:.4g}, but 2D keypoints are normalised to [-0.5, 0.5] "
                f"of the crop; divide pixels by the crop's side and subtract 0.5"
            )
        if name == "target" and low >= 0 and high > 0.5:
            checks.warn(
                f"target reaches from {low:.4g} to {high:.4g}: is it normalised to [0, 1]? 2D "
                f"keypoints are expected in [-0.5, 0.5]; subtract 0.5"
            )


def _check_sizes(pred: Tensor, target: Tensor, counted: Tensor, root: int) -> None:
    """Compare the hands' sizes: a thousand apart is a unit, 0 is a hand model not loaded."""
    judged = counted.sum(1) > 1
    if not bool(judged.any()):
        return
    sizes = {}
    for name, points in (("pred", pred), ("target", target)):
        relative = from_root(points.detach(), root).abs().where(counted[..., None], 0)
        sizes[name] = relative.amax((1, 2))[judged]
    for name, other in (("pred", "target"), ("target", "pred")):
        empty = int(((sizes[name] == 0) & (sizes[other] > 0)).sum())
        if empty:
            checks.warn(
                f"all joints of {name} lie on its root in {empty} of {len(sizes[name])} hands: was "
                f"the hand model loaded, is there a label?"
            )
            return
    medians = {name: size.median().item() for name, size in sizes.items()}
    small, large = sorted(medians, key=lambda name: medians[name])
    if medians[large] > 100 * medians[small]:
        checks.warn(
            f"{large} extends {medians[large]:.4g} from its root and {small} {medians[small]:.4g}: "
            f"is one in millimetres and the other in metres, or is the network untrained?"
        )


def _check_betas(**tensors: Tensor) -> None:
    for name, betas in tensors.items():
        checks.finite(**{name: betas})
        if not betas.numel():
            continue
        squares = betas.detach().to(working_dtype(betas.dtype)).square()
        size = squares.mean(1).amax().sqrt().item()
        if size > 3:
            checks.warn(
                f"{name} has a root mean square of {size:.3g} in a sample; MANO's shape parameters "
                f"are standard normal, so this is no hand: lower the learning rate or scale the "
                f"shape head down"
            )
