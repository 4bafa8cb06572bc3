"""Losses of points of a hand: 2D keypoints, 3D joints, mesh vertices."""

<<<<<<< HEAD
from typing import Any, Literal
=======
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
>>>>>>> metrics

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from lossbook import checks
<<<<<<< HEAD
from lossbook.hands import values
from lossbook.hands.shapes import is_points
from lossbook.kernels import absolute, magnitude
=======
from lossbook.hands.shapes import from_root, is_points
>>>>>>> metrics
from lossbook.reduction import (
    Reduction,
    apply,
    check_reduction,
    elementwise_loss,
    widened,
)

Weight = Float[Tensor, "..."] | Bool[Tensor, "..."]
Confidence = Weight | Literal["last"]


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
        \mathcal L_{2D} = \sum_{b,n} c_{bn} \,\lVert J_{bn} - \hat J_{bn} \rVert_1

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
        \mathcal L_{3D} = \sum_{b,n} c_{bn} \,\lVert (J_{bn} - J_{br}) - (\hat J_{bn} -
        \hat J_{br}) \rVert_1

    A translation of the whole hand costs nothing. The row of the root is 0 by construction, so
    its own confidence has no effect; the root is needed even if it is occluded. It receives the
    negative sum of the other joints' gradients. A hand whose root has confidence 0 and a label
    that is NaN or infinite contributes nothing.

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


def vertex_loss(
    input: Float[Tensor, "batch vertices 3"],
    target: Float[Tensor, "batch vertices 3"],
    *,
    weight: Weight | None = None,
    reduction: Reduction = "sum",
) -> Tensor:
    r"""L1 between mesh vertices.

    .. math::
        \mathcal L_{vert} = \sum_{b,v} \lVert V_{bv} - \hat V_{bv} \rVert_1

    The source weighs this term and gives no formula for it; the one here is that of the joints,
    without a root: subtract the root joint from both meshes first, unless their position counts.

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
        The term ``w_3d_vert`` of :class:`HandLoss`. Derived in :doc:`/book/hands`.
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
<<<<<<< HEAD
    checks.floating(**{names[0]: input, names[1]: target})
    checks.shape(f"(B, N, {dimensions})", is_points(dimensions), **{names[0]: input})
    target, confidence = _part(target, confidence, dimensions, names)
    dtype = checks.pair(input, target, names[:2])
    check_reduction(reduction)
    if root is not None:
        checks.index(input.shape[1], root=root)
    factor = None
=======
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
>>>>>>> metrics
    if confidence is not None:
        factor = checks.fit_weight(confidence, input, name=names[2], of=names[0])
    if weight is not None:
        fitted = checks.fit_weight(weight, input, of=names[0])
        factor = fitted if factor is None else factor.where(fitted != 0, 0) * fitted
    if checks.checking_values(input, target, confidence, weight):
        values.check_keypoints(input, target, confidence, factor, root, dimensions, names)

    # From the root in float32 at least: half precision would round away small differences.
    first, second = widened(dtype, input, target)
    options: dict[str, Any] = {"weight": factor, "reduction": reduction, "dtype": dtype}
    if root is None:
        return apply(absolute, first, second, **options)

    def with_known_roots(factor: Tensor) -> Tensor:
        """A hand whose hidden root holds no number cannot be measured: none of it counts."""
        seen = (factor.expand(-1, input.shape[1], -1)[:, root] != 0).any(1)
        known = seen | target[:, root].isfinite().all(1)
        return factor.where(known[:, None, None], 0)

    # One difference of the hands instead of two from the roots: fewer passes over memory.
    error = first - second
    error = error - _rows(error[:, root : root + 1], error.shape[1])
    return apply(magnitude, error, mend=with_known_roots, **options)


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
    checks.shape("(B, V, 3)", is_points(3), **named)
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
        raise ValueError(
            f"{names[1]} must have shape (B, N, {d}), got {tuple(target.shape)}; if its last "
            f"column is the confidence, say confidence='last' or pass it apart; if not, drop it "
            f"with {names[1]}[..., :{d}]"
        )
    checks.shape(f"(B, N, {d})", is_points(d), **{names[1]: target})
    return target, confidence


def _rows(root: Tensor, count: int) -> Tensor:
    """The root's row, once for each point.

    Compiled, it is repeated in steps of at most seven. The gradient is then summed in such steps
    too, which the compiler writes out: a longer sum it turns into one parallel loop *per hand*.
    """
    if count < 8 or not torch.compiler.is_compiling():
        return root.expand(-1, count, -1)
    groups = _rows(root, (count + 6) // 7)
    return groups.unsqueeze(2).expand(-1, -1, 7, -1).flatten(1, 2)[:, :count]
