"""The formulas of the hand losses in sympy: the page, the sliders and the tests use these."""

from typing import Any

import sympy as sp

from lossbook.hands.containers import HandLossWeights
from lossbook.symbolic import B, N, b, fill, k, n

# Of one coordinate, or of one rotation.
x, theta, theta_gt = sp.symbols("x theta theta_gt", real=True)
c, s = sp.symbols("c s", positive=True)

WEIGHTED_L1 = c * sp.Abs(x)
LAPLACE_DENSITY = c / (2 * s) * sp.exp(-c * sp.Abs(x) / s)
LAPLACE_NLL = c * sp.Abs(x) / s - sp.log(c / (2 * s))

# Of a whole batch: B hands, N points, J rotations, K shape and P pose parameters. A hat marks a
# prediction.
J, K, P, r = sp.symbols("J K P r", integer=True, positive=True)
j, i, p, q = sp.symbols("j i p q", integer=True, positive=True)
point, point_gt, conf = map(sp.IndexedBase, (r"\hat{J}", "J", "c"))
vertex, vertex_gt = map(sp.IndexedBase, (r"\hat{V}", "V"))
beta, rotation = map(sp.IndexedBase, (r"\hat{\beta}", r"\hat{R}"))
theta_c, theta_true = map(sp.IndexedBase, (r"\hat{\theta}^c", r"\theta"))
beta_c, beta_true = map(sp.IndexedBase, (r"\hat{\beta}^c", r"\beta"))
w_shape, w_pose = sp.symbols("w_shape w_pose", nonnegative=True)


def weighted_error(error: sp.Expr) -> sp.Expr:
    """A point's error in coordinate ``k``, weighted by the point's confidence."""
    return WEIGHTED_L1.subs({c: conf[b, n], x: error})


_FROM_ROOT = (point[b, n, k] - point[b, r, k]) - (point_gt[b, n, k] - point_gt[b, r, k])
KEYPOINT_2D = sp.Sum(
    weighted_error(point[b, n, k] - point_gt[b, n, k]), (k, 1, 2), (n, 1, N), (b, 1, B)
)
KEYPOINT_3D = sp.Sum(weighted_error(_FROM_ROOT), (k, 1, 3), (n, 1, N), (b, 1, B))
VERTEX = sp.Sum(sp.Abs(vertex[b, n, k] - vertex_gt[b, n, k]), (k, 1, 3), (n, 1, N), (b, 1, B))

SHAPE_PRIOR = sp.Sum(beta[b, i] ** 2, (i, 1, K), (b, 1, B)) / (B * K)
_FROM_IDENTITY = (rotation[b, j, p, q] - sp.KroneckerDelta(p, q)) ** 2
POSE_PRIOR = sp.Sum(_FROM_IDENTITY, (p, 1, 3), (q, 1, 3), (j, 1, J), (b, 1, B)) / (B * J)
MANO_PRIOR = w_shape * SHAPE_PRIOR + w_pose * POSE_PRIOR

_POSE_ERROR = sp.Sum((theta_c[b, i] - theta_true[b, i]) ** 2, (i, 1, P), (b, 1, B))
_SHAPE_ERROR = sp.Sum((beta_c[b, i] - beta_true[b, i]) ** 2, (i, 1, K), (b, 1, B))
AUXILIARY = _POSE_ERROR / (B * P) + _SHAPE_ERROR / (B * K)

TERMS = sp.symbols("L_2D L_3D L_vert L_prior L_aux", real=True)
WEIGHTS = sp.symbols("w_2D w_3D w_vert w_prior w_aux", nonnegative=True)
TOTAL = sp.Add(*(w * term for w, term in zip(WEIGHTS, TERMS, strict=True)), evaluate=False)

rotation_true = sp.IndexedBase("R")
CHORDAL = sp.Sum(
    (rotation[b, j, p, q] - rotation_true[b, j, p, q]) ** 2,
    (p, 1, 3),
    (q, 1, 3),
    (j, 1, J),
    (b, 1, B),
) / (B * J)

# The two pose priors, for rotations about one axis.
POSE_DISTANCE = 4 * (1 - sp.cos(theta - theta_gt))
"""Squared Frobenius distance of two rotations about one axis."""

WRAPPED = sp.Piecewise(
    (theta + 2 * sp.pi, theta <= -sp.pi), (theta, theta <= sp.pi), (theta - 2 * sp.pi, True)
)
"""The angle that an axis-angle stands for, from -pi to pi, for angles up to a full turn."""

GEODESIC_DISTANCE = sp.Abs(WRAPPED.subs(theta, theta - theta_gt))
"""The angle between two rotations about one axis, less than a full turn apart."""

AXIS_ANGLE_DISTANCE = (WRAPPED - theta_gt) ** 2
"""Squared difference of the axis-angles of the same two rotations."""


def rodrigues(axis: sp.Matrix, angle: sp.Expr) -> sp.Matrix:
    """Rotation matrix by an angle about a unit axis."""
    x1, x2, x3 = axis
    cross = sp.Matrix([[0, -x3, x2], [x3, 0, -x1], [-x2, x1, 0]])
    return sp.eye(3) + sp.sin(angle) * cross + (1 - sp.cos(angle)) * cross**2


def keypoint_2d(input: Any, target: Any, confidence: Any) -> sp.Expr:
    """Twin of :func:`lossbook.hands.keypoint_2d_loss`."""
    values = {point: input, point_gt: target, conf: confidence}
    return fill(KEYPOINT_2D, values, B=len(input), N=input.shape[1])


def keypoint_3d(input: Any, target: Any, confidence: Any, *, root: int = 0) -> sp.Expr:
    """Twin of :func:`lossbook.hands.keypoint_3d_loss`."""
    values = {point: input, point_gt: target, conf: confidence}
    return fill(KEYPOINT_3D, values, B=len(input), N=input.shape[1], r=root + 1)


def vertices(input: Any, target: Any) -> sp.Expr:
    """Twin of :func:`lossbook.hands.vertex_loss`."""
    return fill(VERTEX, {vertex: input, vertex_gt: target}, B=len(input), N=input.shape[1])


def mano_prior(
    betas: Any, hand_pose: Any, *, shape_weight: Any = 1, pose_weight: Any = 0
) -> sp.Expr:
    """Twin of the total of :func:`lossbook.hands.mano_prior_loss`."""
    weighted = MANO_PRIOR.subs({w_shape: shape_weight, w_pose: pose_weight})
    values = {beta: betas, rotation: hand_pose}
    return fill(weighted, values, B=len(betas), K=betas.shape[1], J=hand_pose.shape[1])


def auxiliary(
    pose: Any, shape: Any, pose_target: Any, shape_target: Any, *, form: str = "documented"
) -> sp.Expr:
    """Twin of :func:`lossbook.hands.auxiliary_loss`."""
    values = {theta_c: pose, theta_true: pose_target, beta_c: shape, beta_true: shape_target}
    sizes = {"B": len(pose), "P": pose.shape[1], "K": shape.shape[1]}
    if form == "documented":
        return fill(AUXILIARY, values, **sizes)
    turns = [_matrices(angles) for angles in (pose, pose_target)]
    return fill(_SHAPE_ERROR / (B * K), values, **sizes) + _mean_distance(
        turns[0], turns[1], "chordal"
    )


def _matrices(axis_angles: Any) -> list[sp.Matrix]:
    """The rotation matrices of an array of axis-angles, three numbers each."""
    found = []
    for numbers in axis_angles.reshape(-1, 3):
        vector = sp.Matrix(numbers)
        angle = sp.sqrt(vector.dot(vector))
        found.append(rodrigues(vector / angle, angle))
    return found


def rotations(input: Any, target: Any, *, form: str = "chordal") -> sp.Expr:
    """Twin of :func:`lossbook.hands.rotation_loss`, for arrays of matrices; the mean."""
    matrices = [list(map(sp.Matrix, turns.reshape(-1, 3, 3))) for turns in (input, target)]
    return _mean_distance(matrices[0], matrices[1], form)


def _mean_distance(input: list[sp.Matrix], target: list[sp.Matrix], form: str) -> sp.Expr:
    distances = [_distance(*pair, form) for pair in zip(input, target, strict=True)]
    return sum(distances) / sp.Integer(len(distances))


def _distance(first: sp.Matrix, second: sp.Matrix, form: str) -> sp.Expr:
    if form == "chordal":
        return sum(entry**2 for entry in first - second)
    product = first.T * second
    skew = product - product.T
    sine = sp.sqrt(skew[2, 1] ** 2 + skew[0, 2] ** 2 + skew[1, 0] ** 2)
    return sp.atan2(sine, product.trace() - 1)


def hand(
    *,
    weights: Any = None,
    use_vertex_loss: bool = True,
    use_aux_loss: bool = True,
    root: int = 0,
    shape_weight: Any = 1,
    pose_weight: Any = 0,
    **inputs: Any,
) -> sp.Expr:
    """Twin of the total of :class:`lossbook.hands.HandLoss`, with every term.

    ``weights`` are :class:`lossbook.hands.HandLossWeights` or a mapping, by default those of the
    code.
    """
    flat, solid, mesh = (
        {role: inputs.pop(f"{role}_{name}") for role in ("input", "target")}
        for name in ("2d", "3d", "vertices")
    )
    betas, hand_pose = inputs.pop("betas"), inputs.pop("hand_pose")
    terms = (
        keypoint_2d(**flat, confidence=inputs.pop("confidence_2d")),
        keypoint_3d(**solid, confidence=inputs.pop("confidence_3d"), root=root),
        vertices(**mesh) if use_vertex_loss else sp.Integer(0),
        mano_prior(betas, hand_pose, shape_weight=shape_weight, pose_weight=pose_weight),
        auxiliary(**inputs) if use_aux_loss else sp.Integer(0),
    )
    numbers: tuple[Any, ...] = (1, 1, *(sp.Rational(1, n) for n in (2, 100, 10)))
    if weights is not None:
        numbers = tuple(HandLossWeights.of(weights).by_term().values())
    values = dict(zip(TERMS, terms, strict=True)) | dict(zip(WEIGHTS, numbers, strict=True))
    return TOTAL.xreplace(values)
