"""The formulas of the landmark losses in sympy: the page, the sliders and the tests use these."""

from typing import Any

import sympy as sp

x = sp.Symbol("x", real=True)
w, epsilon, beta = sp.symbols("w epsilon beta", positive=True)
theta = sp.Symbol("theta", real=True)
frequency = sp.Symbol("f", positive=True)

L1 = sp.Abs(x)
L2 = x**2
SMOOTH_L1 = sp.Piecewise((x**2 / (2 * beta), sp.Abs(x) <= beta), (sp.Abs(x) - beta / 2, True))
WING_CONSTANT = w * (1 - sp.log(1 + w / epsilon))
WING = sp.Piecewise(
    (w * sp.log(1 + sp.Abs(x) / epsilon), sp.Abs(x) < w), (sp.Abs(x) - WING_CONSTANT, True)
)
POSE_WEIGHT = 1 - sp.cos(theta)
PFLD_WEIGHT = POSE_WEIGHT / frequency


def smooth_l1(input: Any, target: Any, *, beta: Any = 1.0) -> sp.Expr:
    """Twin of :func:`lossbook.landmarks.smooth_l1_loss`, for one element."""
    return SMOOTH_L1.subs({x: input - target, sp.Symbol("beta", positive=True): beta})


def wing(input: Any, target: Any, *, w: Any = 10.0, epsilon: Any = 2.0) -> sp.Expr:
    """Twin of :func:`lossbook.landmarks.wing_loss`, for one element."""
    return WING.subs(
        {
            x: input - target,
            sp.Symbol("w", positive=True): w,
            sp.Symbol("epsilon", positive=True): epsilon,
        }
    )


def pose_of_sample(angles: Any, angles_gt: Any, *, degrees: bool = False) -> sp.Expr:
    """The pose weight of one sample, from two sequences of three angles."""
    unit = sp.pi / 180 if degrees else 1
    return sum(
        POSE_WEIGHT.subs(theta, unit * (angle - angle_gt))
        for angle, angle_gt in zip(angles, angles_gt, strict=True)
    )


def pose(angles: Any, angles_gt: Any, *, degrees: bool = False) -> sp.Expr:
    """Twin of :func:`lossbook.landmarks.pose_weight`, summed over the batch."""
    return sum(
        pose_of_sample(*sample, degrees=degrees) for sample in zip(angles, angles_gt, strict=True)
    )


def rarity_of_samples(attributes: Any) -> list[sp.Expr]:
    """The attribute weight of each sample: a sum of inverse frequencies."""
    frequencies = [sp.Add(*column) / len(attributes) for column in zip(*attributes, strict=True)]
    return [
        sp.Add(*[a / f for a, f in zip(sample, frequencies, strict=True) if f != 0])
        for sample in attributes
    ]


def rarity(attributes: Any) -> sp.Expr:
    """Twin of :func:`lossbook.landmarks.attribute_weight`, summed over the batch."""
    return sp.Add(*rarity_of_samples(attributes))


def pfld(
    landmarks: Any,
    landmarks_gt: Any,
    angles: Any,
    angles_gt: Any,
    attributes: Any,
    *,
    degrees: bool = False,
    pose_bias: Any = 0,
    attribute_bias: Any = 0,
) -> sp.Expr:
    """Twin of the total of :func:`lossbook.landmarks.pfld_loss`."""
    losses = []
    for b, rare in enumerate(rarity_of_samples(attributes)):
        pose_error = pose_of_sample(angles[b], angles_gt[b], degrees=degrees)
        errors = (landmarks[b] - landmarks_gt[b]).ravel()
        distance = sp.Add(*[L2.subs(x, error) for error in errors])
        losses.append((pose_bias + pose_error) * (attribute_bias + rare) * distance)
    return sp.Add(*losses) / len(losses)
