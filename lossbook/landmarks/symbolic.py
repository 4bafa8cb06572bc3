"""The formulas of the landmark losses in sympy: the page, the sliders and the tests use these."""

from typing import Any

import sympy as sp

from lossbook.symbolic import B, N, b, fill, k, n

x, theta = sp.symbols("x theta", real=True)
w, epsilon, beta, frequency = sp.symbols("w epsilon beta f", positive=True)

L1 = sp.Abs(x)
L2 = x**2
SMOOTH_L1 = sp.Piecewise((x**2 / (2 * beta), sp.Abs(x) <= beta), (sp.Abs(x) - beta / 2, True))
WING_CONSTANT = w * (1 - sp.log(1 + w / epsilon))
WING = sp.Piecewise(
    (w * sp.log(1 + sp.Abs(x) / epsilon), sp.Abs(x) < w), (sp.Abs(x) - WING_CONSTANT, True)
)
POSE_ERROR = 1 - sp.cos(theta)

# Of a whole batch: B faces, C attributes, N points. b, c, k, n count from 1.
C = sp.Symbol("C", integer=True, positive=True)
other, c = sp.symbols("i c", integer=True, positive=True)
pose_bias, attribute_bias = sp.symbols("beta_p beta_a", nonnegative=True)
angle_error, attribute, coordinate_error = map(sp.IndexedBase, (r"\theta", "a", "x"))

POSE_WEIGHT = sp.Sum(POSE_ERROR.subs(theta, angle_error[b, k]), (k, 1, 3))
FREQUENCY = sp.Sum(attribute[other, c], (other, 1, B)) / B
ATTRIBUTE_WEIGHT = sp.Sum(attribute[b, c] / FREQUENCY, (c, 1, C))
SQUARED_DISTANCE = sp.Sum(L2.subs(x, coordinate_error[b, n]), (n, 1, 2 * N))


def pfld_formula(pose_weight: sp.Expr, attribute_weight: sp.Expr) -> sp.Expr:
    """PFLD as a function of its two weights: the mean over the batch of their product."""
    return sp.Sum(pose_weight * attribute_weight * SQUARED_DISTANCE, (b, 1, B)) / B


PFLD = pfld_formula(POSE_WEIGHT, ATTRIBUTE_WEIGHT)
PFLD_BIASED = pfld_formula(pose_bias + POSE_WEIGHT, attribute_bias + ATTRIBUTE_WEIGHT)


def smooth_l1(input: Any, target: Any, *, beta: Any = 1.0) -> sp.Expr:
    """Twin of :func:`lossbook.landmarks.smooth_l1_loss`, for one element."""
    return SMOOTH_L1.subs({x: input - target, sp.Symbol("beta", positive=True): beta})


def wing(input: Any, target: Any, *, w: Any = 10.0, epsilon: Any = 2.0) -> sp.Expr:
    """Twin of :func:`lossbook.landmarks.wing_loss`, for one element."""
    parameters = {"w": w, "epsilon": epsilon}
    named = {sp.Symbol(name, positive=True): value for name, value in parameters.items()}
    return WING.subs({x: input - target} | named)


def pose(angles: Any, angles_target: Any, *, degrees: bool = False) -> sp.Expr:
    """Twin of :func:`lossbook.landmarks.pose_weight`, summed over the batch."""
    values = {angle_error: _radians(angles - angles_target, degrees)}
    return fill(sp.Sum(POSE_WEIGHT, (b, 1, B)), values, B=len(angles))


def rarity(attributes: Any) -> sp.Expr:
    """Twin of :func:`lossbook.landmarks.attribute_weight`, summed over the batch."""
    present = _present(attributes)
    total = sp.Sum(ATTRIBUTE_WEIGHT, (b, 1, B))
    return fill(total, {attribute: present}, B=len(present), C=present.shape[1])


def pfld(
    landmarks: Any,
    landmarks_target: Any,
    angles: Any,
    angles_target: Any,
    attributes: Any,
    *,
    degrees: bool = False,
    pose_bias: Any = 0,
    attribute_bias: Any = 0,
) -> sp.Expr:
    """Twin of the total of :func:`lossbook.landmarks.pfld_loss`."""
    present = _present(attributes)
    errors = (landmarks - landmarks_target).reshape(len(landmarks), -1)
    values = {
        angle_error: _radians(angles - angles_target, degrees),
        attribute: present,
        coordinate_error: errors,
    }
    biased = pfld_formula(pose_bias + POSE_WEIGHT, attribute_bias + ATTRIBUTE_WEIGHT)
    return fill(biased, values, B=len(errors), C=present.shape[1], N=errors.shape[1] // 2)


def _radians(angles: Any, degrees: bool) -> Any:
    return angles * sp.pi / 180 if degrees else angles


def _present(attributes: Any) -> Any:
    """The columns that occur in the batch; the others have no frequency to divide by."""
    return attributes[:, [any(a != 0 for a in column) for column in attributes.T]]
