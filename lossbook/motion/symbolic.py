"""The formulas of the motion losses in sympy: the page, the objects and the tests use these."""

from collections.abc import Mapping
from typing import Any

import sympy as sp

from lossbook.motion.parts import DITTO_PARTS
from lossbook.symbolic import B, b, fill

# B clips of T frames. Of a part: its dimensions s + 1 to q, counted from 1.
T, s, q = sp.symbols("T s q", integer=True, positive=True)
t, d = sp.symbols("t d", integer=True, positive=True)
error, motion, start_error, weight = map(sp.IndexedBase, ("e", "x", r"\epsilon", "w"))
coefficient = sp.Symbol("lambda", nonnegative=True)

_DIFFERENCES = (
    error[b, t, d],
    error[b, t + 1, d] - error[b, t, d],
    error[b, t + 2, d] - 2 * error[b, t + 1, d] + error[b, t, d],
)


def _mean_square(order: int) -> sp.Expr:
    """Weighted mean of the squared differences of an order, over one part."""
    square = weight[d] * _DIFFERENCES[order] ** 2
    return sp.Sum(square, (d, s + 1, q), (t, 1, T - order), (b, 1, B)) / (B * (T - order) * (q - s))


POSITION, VELOCITY, ACCELERATION = (_mean_square(order) for order in range(3))
PVA = POSITION + VELOCITY + ACCELERATION
LAST_FRAME = sp.Sum(weight[d] * start_error[b, d] ** 2, (d, s + 1, q), (b, 1, B)) / (B * (q - s))
REGULARIZATION = (
    coefficient
    * sp.Sum(sp.Abs(motion[b, t, d]), (d, s + 1, q), (t, 1, T), (b, 1, B))
    / (B * T * (q - s))
)

TERMS = sp.symbols("P V A L R", real=True)
"""Of one part."""
TOTAL = sp.Add(*TERMS, evaluate=False)

# What each term weighs an error of one frequency with, in radians a frame.
omega = sp.Symbol("omega", real=True)
POSITION_GAIN = sp.Integer(1)
VELOCITY_GAIN = 4 * sp.sin(omega / 2) ** 2
ACCELERATION_GAIN = VELOCITY_GAIN**2

# The same, from the autocorrelation of a stationary error one and two frames apart.
rho_1, rho_2 = sp.symbols("rho_1 rho_2", real=True)
VELOCITY_RATIO = 2 * (1 - rho_1)
"""V over P."""
ACCELERATION_RATIO = 6 - 8 * rho_1 + 2 * rho_2
"""A over P."""


def pva(
    input: Any,
    target: Any,
    *,
    parts: Mapping[str, Any] = DITTO_PARTS,
    dim_weights: Any = None,
    formula: sp.Expr = PVA,
) -> sp.Expr:
    """Twin of the total of :func:`lossbook.motion.pva_loss`, or of some other sum of its terms."""
    values = {error: input - target, weight: _weights(dim_weights, input.shape[-1])}
    total = sp.Integer(0)
    for start, stop, factor in parts.values():
        sizes = {"B": len(input), "T": input.shape[1], "s": start, "q": stop}
        total += factor * fill(formula, values, **sizes)
    return total


def last_frame(
    input: Any,
    cond_frame: Any,
    *,
    parts: Mapping[str, Any] = DITTO_PARTS,
    dim_weights: Any = None,
    only: Any = None,
) -> sp.Expr:
    """Twin of the total of :func:`lossbook.motion.last_frame_loss`."""
    weights = _weights(dim_weights, input.shape[-1])
    values = {start_error: input[:, 0] - cond_frame, weight: weights}
    total = sp.Integer(0)
    for name, (start, stop, factor) in parts.items():
        if only is None or name in only:
            total += factor * fill(LAST_FRAME, values, B=len(input), s=start, q=stop)
    return total


def motion_l1(
    input: Any,
    *,
    parts: Mapping[str, Any] = DITTO_PARTS,
    coefficients: Any = None,
    only: Any = None,
) -> sp.Expr:
    """Twin of the total of :func:`lossbook.motion.motion_l1`; coefficients as a mapping."""
    total = sp.Integer(0)
    for name, (start, stop, _) in parts.items():
        factor = (coefficients or {}).get(name, 0 if name == "scale" else sp.Rational(1, 10000))
        if only is None or name in only:
            sizes = {"B": len(input), "T": input.shape[1], "s": start, "q": stop}
            formula = REGULARIZATION.subs(coefficient, factor)
            total += fill(formula, {motion: input}, **sizes)
    return total


def total(
    input: Any,
    target: Any,
    cond_frame: Any,
    *,
    parts: Mapping[str, Any] = DITTO_PARTS,
    dim_weights: Any = None,
    use_last_frame_loss: bool = True,
    use_reg_loss: bool = False,
    weights: Mapping[str, Any] | None = None,
    coefficients: Any = None,
    only: Any = None,
) -> sp.Expr:
    """Twin of the total of :class:`lossbook.motion.MotionLoss`."""
    factors = dict.fromkeys("PVALR", 1) | dict(weights or {})
    squares = (POSITION, VELOCITY, ACCELERATION)
    formula = sum(factors[letter] * of for letter, of in zip("PVA", squares, strict=True))
    found = pva(input, target, parts=parts, dim_weights=dim_weights, formula=formula)
    if use_last_frame_loss:
        found += factors["L"] * last_frame(
            input, cond_frame, parts=parts, dim_weights=dim_weights, only=only
        )
    if use_reg_loss:
        found += factors["R"] * motion_l1(input, parts=parts, coefficients=coefficients, only=only)
    return found


def _weights(dim_weights: Any, dimensions: int) -> Mapping[tuple[int], Any]:
    """The weight of each dimension, 1 without any."""
    numbers = [1] * dimensions if dim_weights is None else dim_weights.tolist()
    return {(index,): number for index, number in enumerate(numbers)}
