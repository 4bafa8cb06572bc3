"""The formulas of the translation losses in sympy, for the page, the objects and the tests."""

from typing import Any

import sympy as sp

from lossbook.symbolic import B, b, fill

# Logits of one real and of one fake sample, and one that the discriminator gives to everything.
r, f, c = sp.symbols("r f c", real=True)
real_logit, fake_logit = sp.IndexedBase("r"), sp.IndexedBase("f")

HINGE_REAL = sp.Max(0, 1 - r)
HINGE_FAKE = sp.Max(0, 1 + f)
HINGE = HINGE_REAL + HINGE_FAKE
"""Of the discriminator."""
BEYOND = sp.Max(0, r - 1) + sp.Max(0, -f - 1)
"""How far both logits are beyond their margins: the hinge is 2 - (r - f) + this."""
GENERATOR_HINGE = -f
NON_SATURATING = sp.log(1 + sp.exp(-r)) + sp.log(1 + sp.exp(f))
"""Of the discriminator, as in StarGAN v2's own code."""
GENERATOR_NON_SATURATING = sp.log(1 + sp.exp(-f))
PAIRED = sp.log(1 + sp.exp(f - r))
"""Relativistic: of a real sample and a fake one together."""
GENERATOR_PAIRED = sp.log(1 + sp.exp(r - f))

D_HINGE = sp.Sum(sp.Max(0, 1 - real_logit[b]) + sp.Max(0, 1 + fake_logit[b]), (b, 1, B)) / B
G_ADVERSARIAL = -sp.Sum(fake_logit[b], (b, 1, B)) / B


def at_equal(loss: sp.Expr, logit: Any = 0) -> sp.Expr:
    """A loss where the real and the fake logit are the same.

    Args:
        loss: of `r` and `f`.
        logit: of everything.
    """
    return loss.subs({r: logit, f: logit})


# Distances. In the trainer all of them are taken between latents that were multiplied by s.
x, y = sp.symbols("x y", real=True)
s, sigma = sp.symbols("s sigma", positive=True)
L1 = sp.Abs(x - y)
first, second = map(sp.IndexedBase, ("x", "y"))
n, M = sp.symbols("n M", integer=True, positive=True)
"""Counter and number of all numbers of a batch."""
MEAN_L1 = sp.Sum(sp.Abs(first[n] - second[n]), (n, 1, M)) / M
"""Style, cycle, identity and diversity."""

d, m = sp.symbols("d m", nonnegative=True)
CLAMPED = sp.Min(d, m)
"""The diversity with a margin, d being its mean over the batch."""
e = sp.Symbol("e", real=True)
weight_ds, decay = sp.symbols("w_ds T", positive=True)
DIVERSITY_WEIGHT = weight_ds * (1 - sp.Min(1, sp.Max(0, (e - 1) / decay)))
"""Full at epoch 1, 0 from epoch T + 1 on."""


def expected_l1() -> sp.Expr:
    """The mean distance of two independent normal numbers of one mean and deviation sigma."""
    z = sp.Symbol("z", real=True)
    spread = sp.sqrt(2) * sigma  # of their difference
    density = sp.exp(-(z**2) / (2 * spread**2)) / sp.sqrt(2 * sp.pi * spread**2)
    return sp.integrate(2 * z * density, (z, 0, sp.oo))


# R1 ----------------------------------------------------------------------------------------------

# Steps between two penalties, steps of an epoch, weight of R1 and its value where it is computed.
interval, steps = sp.symbols("I N", integer=True, positive=True)
w = sp.Symbol("w_r1", nonnegative=True)
r1_value = sp.Symbol("R_1", nonnegative=True)

FIRES_RESTARTED = sp.floor(steps / interval)
"""Penalties of an epoch whose steps are counted from 1 anew, where ``step % I == 0``."""
FIRES_FROM_ZERO = sp.ceiling(steps / interval)
"""The same where they are counted from 0."""
FIRES_GLOBAL = sp.floor(e * steps / interval) - sp.floor((e - 1) * steps / interval)
"""Where they are counted from 1 through all epochs: N / I on average."""


def logged(fires: sp.Expr) -> sp.Expr:
    """The mean over an epoch of a penalty that is logged as 0 where it is not computed."""
    return r1_value * fires / steps


def paid(fires: sp.Expr) -> sp.Expr:
    """The mean over an epoch of what the penalty adds to the loss, being multiplied by I."""
    return w * interval * logged(fires)


gradient_, ahead_, behind_ = map(sp.IndexedBase, ("g", "D^{+}", "D^{-}"))
R1 = sp.Sum(gradient_[b, n] ** 2, (n, 1, M), (b, 1, B)) / B
"""Of a batch, of M numbers each."""
APPROXIMATE_R1 = sp.Sum(((ahead_[b] - behind_[b]) / (2 * sigma)) ** 2, (b, 1, B)) / B
"""From the logits a normal step of size sigma ahead and behind."""


def r1(logit: sp.Expr, *inputs: sp.Symbol) -> sp.Expr:
    """The squared length of a logit's gradient, without the half of StarGAN v2.

    Args:
        logit: what the discriminator says.
        inputs: the numbers that it looks at.
    """
    return sp.Add(*(sp.diff(logit, one) ** 2 for one in inputs))


def r1_of_scaled(logit: sp.Expr, one: sp.Symbol) -> sp.Expr:
    """R1 of a discriminator that says of s·x what the given one says of x.

    Args:
        logit: of the given discriminator, in `one`.
        one: the number that it looks at.
    """
    scaled = sp.Symbol("z", real=True)
    return r1(logit.subs(one, scaled / s), scaled).subs(scaled, s * one).doit()


# The Dirac-GAN: the data is 0, the generator's only sample is theta, the logit of x is psi · x. ---

theta, psi = sp.symbols("theta psi", real=True)
eta = sp.Symbol("eta", positive=True)
LOGIT = psi * x
DIRAC_D = HINGE.subs({r: LOGIT.subs(x, 0), f: LOGIT.subs(x, theta)})
"""The discriminator's loss: 2 + psi·theta until the fake is beyond its margin, then 1."""
DIRAC_G = GENERATOR_HINGE.subs(f, LOGIT.subs(x, theta))
DIRAC_INSIDE = 2 + psi * theta
"""`DIRAC_D` inside the margin, where every step is a matrix."""


def dirac_step(
    weight: Any = 0, *, alternating: bool = False, inside: bool = False
) -> tuple[sp.Expr, sp.Expr]:
    """Where a step of size eta takes theta and psi.

    Args:
        weight: of R1 in this step: w·I where it is computed, else 0.
        alternating: whether the generator already sees the new discriminator.
        inside: whether the fake is taken to be inside its margin.
    """
    loss = (DIRAC_INSIDE if inside else DIRAC_D) + weight * r1(LOGIT, x)
    new_psi = psi - eta * _slope(loss, psi)
    new_theta = theta - eta * _slope(DIRAC_G, theta)
    return new_theta.subs(psi, new_psi) if alternating else new_theta, new_psi


def _slope(loss: sp.Expr, by: sp.Symbol) -> sp.Expr:
    """The derivative, which torch takes as 0 at the corner of a relu."""
    return sp.diff(loss, by).replace(
        sp.Heaviside, lambda at, *_: sp.Piecewise((1, at > 0), (0, True))
    )


def dirac_matrix(weight: Any = 0, *, alternating: bool = False) -> sp.Matrix:
    """The step inside the margin, of (theta, psi)."""
    after = dirac_step(weight, alternating=alternating, inside=True)
    return sp.Matrix(after).jacobian((theta, psi))


def dirac_map(every: int, *, alternating: bool = False) -> sp.Matrix:
    """So many steps, the last of them with R1: B·A^(I-1).

    Args:
        every: the interval, a number; for the closed forms see `dirac_trace`.
        alternating: as for `dirac_step`.
    """
    plain, penalised = (dirac_matrix(k, alternating=alternating) for k in (0, w * every))
    return penalised * plain ** (every - 1)


def turn(*, alternating: bool = False) -> sp.Expr:
    """The angle by which a step without R1 turns; of alternating updates for eta below 2."""
    return 2 * sp.asin(eta / 2) if alternating else sp.atan(eta)


def dirac_determinant(*, alternating: bool = False) -> sp.Expr:
    """Of I steps, for every I."""
    penalty = 2 * eta * w * interval
    if alternating:
        return 1 - penalty
    return (1 + eta**2 - penalty) * (1 + eta**2) ** (interval - 1)


def dirac_trace(*, alternating: bool = False) -> sp.Expr:
    """Of I steps, for every I."""
    penalty, phi = 2 * eta * w * interval, turn(alternating=alternating)
    if alternating:
        last = sp.cos((interval - sp.Rational(1, 2)) * phi) / sp.cos(phi / 2)
        return 2 * sp.cos(interval * phi) - penalty * last
    length = (1 + eta**2) ** ((interval - 1) / sp.Integer(2))
    return length * (
        (2 - penalty) * sp.cos((interval - 1) * phi) - 2 * eta * sp.sin((interval - 1) * phi)
    )


def largest_eigenvalue(trace: sp.Expr, determinant: sp.Expr, *, slack: Any = 0) -> sp.Expr:
    """Its size, of a matrix of two rows.

    Args:
        trace: of the matrix.
        determinant: likewise.
        slack: below which the square of their distance is taken for 0, as where both are one it
            is a rounding error.
    """
    apart = trace**2 - 4 * determinant
    return sp.Piecewise(
        (sp.sqrt(determinant), apart < slack), ((sp.Abs(trace) + sp.sqrt(apart)) / 2, True)
    )


def settles(trace: sp.Expr, determinant: sp.Expr) -> sp.Basic:
    """Jury's condition: both eigenvalues are inside the unit circle."""
    return sp.And(sp.Abs(trace) < 1 + determinant, determinant < 1)


def dirac_window(*, alternating: bool = False) -> tuple[sp.Expr, sp.Expr]:
    """Between which weights w the orbit settles; between none if the first is the larger.

    Jury's three conditions are linear in w. The lower end comes from the determinant, the upper
    end from the two with the trace, whichever is the stricter.
    """
    phi, last = turn(alternating=alternating), interval - 1
    if alternating:
        lower = sp.Integer(0)
        ends = [
            (
                2 * side(interval * phi / 2) * sp.cos(phi / 2),
                side(last * phi / 2),
                side(interval * phi / 2),
            )
            for side in (sp.cos, sp.sin)
        ]
        uppers = [(top / below, below * sign > 0) for top, below, sign in ends]
    else:
        square = 1 + eta**2
        lower = square - square**-last
        length, all_of_it = (square ** (k / sp.Integer(2)) for k in (last, interval))
        uppers = []
        for sign in (1, -1):
            below = length * (length + sign * sp.cos(last * phi))
            top = 1 + all_of_it**2 + sign * 2 * all_of_it * sp.cos(interval * phi)
            uppers.append((top / below, below > 0))
    bounds = [sp.Piecewise((bound, counts), (sp.oo, True)) for bound, counts in uppers]
    return lower / (2 * eta * interval), sp.Min(*bounds) / (2 * eta * interval)


# Totals ------------------------------------------------------------------------------------------

TERMS = sp.symbols("adv sty cyc id ds", real=True)
WEIGHTS = sp.symbols("w_adv w_sty w_cyc w_id lambda_ds", nonnegative=True)
GENERATOR = sp.Add(
    *(weight * term for weight, term in zip(WEIGHTS[:-1], TERMS[:-1], strict=True)),
    -WEIGHTS[-1] * TERMS[-1],
    evaluate=False,
)
"""The diversity is taken off."""
d_ref, d_lat = sp.symbols("d_ref d_lat", real=True)
DISCRIMINATOR = sp.Add((d_ref + d_lat) / 2, w * interval * r1_value, evaluate=False)
"""In a step with R1; in the others without its last term."""


# Twins of the losses -----------------------------------------------------------------------------


def d_hinge(real_logits: Any, fake_logits: Any) -> sp.Expr:
    """Twin of :func:`lossbook.translation.d_hinge_loss`, for batches of any two sizes."""
    return _mean(HINGE_REAL, r=real_logits) + _mean(HINGE_FAKE, f=fake_logits)


def g_adversarial(fake_logits: Any) -> sp.Expr:
    """Twin of :func:`lossbook.translation.g_adversarial_loss`."""
    return _mean(GENERATOR_HINGE, f=fake_logits)


def d_logistic(real_logits: Any, fake_logits: Any) -> sp.Expr:
    """Twin of :func:`lossbook.translation.d_logistic_loss`."""
    fooled = GENERATOR_NON_SATURATING
    return _mean(fooled.subs(f, r), r=real_logits) + _mean(fooled.subs(f, -f), f=fake_logits)


def g_logistic(fake_logits: Any) -> sp.Expr:
    """Twin of :func:`lossbook.translation.g_logistic_loss`."""
    return _mean(GENERATOR_NON_SATURATING, f=fake_logits)


def d_relativistic(real_logits: Any, fake_logits: Any) -> sp.Expr:
    """Twin of :func:`lossbook.translation.d_relativistic_loss`."""
    return _mean(PAIRED, r=real_logits, f=fake_logits)


def g_relativistic(real_logits: Any, fake_logits: Any) -> sp.Expr:
    """Twin of :func:`lossbook.translation.g_relativistic_loss`."""
    return _mean(GENERATOR_PAIRED, r=real_logits, f=fake_logits)


def l1(input: Any, target: Any) -> sp.Expr:
    """Twin of one number of the style, cycle and identity losses."""
    return L1.subs({x: input, y: target}, simultaneous=True)


def mean_l1(input: Any, target: Any) -> sp.Expr:
    """Twin of the style, cycle and identity losses, of arrays."""
    values = {first: input.reshape(-1), second: target.reshape(-1)}
    return fill(MEAN_L1, values, M=input.size)


def diversity(fake_1: Any, fake_2: Any, *, margin: Any = None, margin_of: str = "batch") -> sp.Expr:
    """Twin of :func:`lossbook.translation.diversity_loss`."""
    if margin is None:
        return mean_l1(fake_1, fake_2)
    both = (fake_1[None], fake_2[None]) if margin_of == "batch" else (fake_1, fake_2)
    pairs = zip(*(each.reshape(len(each), -1) for each in both), strict=True)
    found = [CLAMPED.subs({d: mean_l1(*pair), m: sp.nsimplify(margin)}) for pair in pairs]
    return sp.Add(*found) / len(found)


def diversity_weight(epoch: Any, w_ds: Any, decay_epochs: Any) -> sp.Expr:
    """Twin of :func:`lossbook.translation.diversity_weight`."""
    return DIVERSITY_WEIGHT.subs({e: epoch, weight_ds: w_ds, decay: decay_epochs})


def _mean(loss: sp.Expr, **logits: Any) -> sp.Expr:
    """Of a loss of `r` and `f`, over arrays of both."""
    rows = zip(*(values.reshape(-1) for values in logits.values()), strict=True)
    symbols = [{"r": r, "f": f}[name] for name in logits]
    found = [loss.xreplace(dict(zip(symbols, map(sp.sympify, row), strict=True))) for row in rows]
    return sp.Add(*found) / len(found)
