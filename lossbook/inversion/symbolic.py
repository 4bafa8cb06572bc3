"""The formulas of the inversion losses in sympy: the page, the objects and the tests use these."""

from collections.abc import Sequence
from typing import Any

import sympy as sp

from lossbook.symbolic import B, b, fill, k

# A hat marks what is rebuilt. Of a batch: D numbers of a feature, K negatives, P pixels.
D, K, P = sp.symbols("D K P", integer=True, positive=True)
d, p = sp.symbols("d p", integer=True, positive=True)
x = sp.Symbol("x", real=True)
feature, template_, center_ = map(sp.IndexedBase, (r"\hat{f}", "t", "c"))
match, noise = map(sp.IndexedBase, ("c^{+}", "c^{-}"))
loss_pull, similarity_pull = map(sp.IndexedBase, ("g", "s"))
m = sp.Symbol("m", nonnegative=True)
tau = sp.Symbol("tau", positive=True)

PIXEL = x**2
FEATURE_L2 = sp.Sum((feature[b, d] - template_[b, d]) ** 2, (d, 1, D), (b, 1, B)) / B
CENTER = sp.Sum((feature[b, d] - center_[b, d]) ** 2, (d, 1, D), (b, 1, B)) / B
UNCLAMPED = noise[b, k] - match[b] + m
COSINE_MARGIN = sp.Sum(sp.Max(0, UNCLAMPED), (b, 1, B)) / B
"""Of one negative a sample, ``k`` being the one that was chosen."""
INFO_NCE = (
    sp.Sum(sp.log(1 + sp.Sum(sp.exp((noise[b, k] - match[b]) / tau), (k, 1, K))), (b, 1, B)) / B
)
GUIDANCE = (
    sp.Sum(sp.sqrt(sp.Sum((loss_pull[b, p] - similarity_pull[b, p]) ** 2, (p, 1, P))), (b, 1, B))
    / B
)
TERMS = sp.symbols("L_pixel L_feat L_center L_guidance", real=True)
WEIGHTS = sp.symbols("lambda lambda_center lambda_guidance", nonnegative=True)
TOTAL = sp.Add(
    TERMS[0],
    *(weight * term for weight, term in zip(WEIGHTS, TERMS[1:], strict=True)),
    evaluate=False,
)

# A weight that is learned, for a loss L.
omega, log_variance = sp.symbols("omega s", real=True)
L = sp.Symbol("L", positive=True)
SIGMOID_TASK = L / (1 + sp.exp(-omega))
REGRESSION = sp.exp(-log_variance) * L / 2 + log_variance / 2
CLASSIFICATION = sp.exp(-log_variance) * L + log_variance / 2

# λ as a function of the share of the training that has passed.
share = sp.Symbol("t", real=True)
steepness, midpoint = sp.symbols("k t_mid", positive=True)
LINEAR_SCHEDULE = share
SIGMOID_SCHEDULE = 1 / (1 + sp.exp(-steepness * (share - midpoint)))
STAGES = (sp.Rational(33, 100), sp.Rational(67, 100))


def _staged(early: sp.Expr, middle: sp.Expr, late: sp.Expr) -> sp.Expr:
    return sp.Piecewise((early, share < STAGES[0]), (middle, share < STAGES[1]), (late, True))


def combined_pieces(width: Any) -> tuple[sp.Expr, ...]:
    """The three pieces of the combined schedule; sigmoids in the middle of their stages.

    Args:
        width: of both sigmoids, as a share of the training.
    """
    first, second = STAGES
    middles = (first / 2, (first + second) / 2)
    low, high = (1 / (1 + sp.exp(-(share - middle) / width)) for middle in middles)
    return low / 10, high / 2, 1 - sp.exp(-(share - second) / first) / 2


def joined_pieces(pieces: Sequence[sp.Expr]) -> tuple[sp.Expr, ...]:
    """Pieces, shifted and stretched so that each begins where the one before ends.

    Args:
        pieces: as `combined_pieces` gives them.
    """
    stages = (sp.Integer(0), *STAGES, sp.Integer(1))
    levels = (sp.Integer(0), sp.Rational(1, 10), sp.Rational(1, 2), sp.Integer(1))
    joined = []
    for n, piece in enumerate(pieces):
        first, last = (piece.subs(share, end) for end in stages[n : n + 2])
        low, high = levels[n : n + 2]
        joined.append(low + (high - low) * (piece - first) / (last - first))
    return tuple(joined)


STAGED_SCHEDULE = _staged(sp.Rational(1, 10), sp.Rational(1, 2), sp.Integer(1))
_PIECES = combined_pieces(sp.Rational(1, 10))
COMBINED_SCHEDULE = _staged(*_PIECES)
SMOOTH_SCHEDULE = _staged(*joined_pieces(_PIECES))


def pixel(input: Any, target: Any) -> sp.Expr:
    """Twin of one pixel of :func:`lossbook.inversion.pixel_loss`."""
    return PIXEL.subs(x, input - target)


def feature_l2(
    features: Any, template: Any, *, squared: bool = True, normalized: bool = False
) -> sp.Expr:
    """Twin of :func:`lossbook.inversion.feature_l2_loss`."""
    if normalized:
        features, template = _units(features), _units(template)
    values, sizes = {feature: features, template_: template}, {"D": features.shape[1]}
    if squared:
        return fill(FEATURE_L2, values, B=len(features), **sizes)
    rows = zip(features, template, strict=True)
    return sum(_length(f - t) for f, t in rows) / sp.Integer(len(features))


def center(features: Any, centers: Any, *, normalized: bool = False) -> sp.Expr:
    """Twin of :func:`lossbook.inversion.center_loss`."""
    if normalized:
        features, centers = _units(features), _units(centers)
    values = {feature: features, center_: centers}
    return fill(CENTER, values, B=len(features), D=features.shape[1])


def cosine_margin(
    features: Any,
    template: Any,
    negatives: Any,
    *,
    margin: Any = 0.35,
    mining: str = "hardest",
    clamp: bool = True,
) -> sp.Expr:
    """Twin of :func:`lossbook.inversion.cosine_margin_loss`, without the random mining."""
    total = sp.Integer(0)
    for f, t, others in zip(features, template, _of_each(negatives, len(features)), strict=True):
        found = [cosine(f, n) for n in others]
        if mining == "hardest":
            found = [sp.Max(*found)]
        elif mining == "mean":
            found = [sum(found) / sp.Integer(len(found))]
        for one in found:
            formula = sp.Max(0, UNCLAMPED) if clamp else UNCLAMPED
            values = {match[b]: cosine(f, t), noise[b, k]: one, m: sp.nsimplify(margin)}
            total += formula.xreplace(values) / len(found)
    return total / len(features)


def info_nce(
    features: Any, template: Any, negatives: Any, *, temperature: Any = 0.07, tile: Any = None
) -> sp.Expr:
    """Twin of :func:`lossbook.inversion.info_nce_loss`."""
    del tile
    total = sp.Integer(0)
    for f, t, others in zip(features, template, _of_each(negatives, len(features)), strict=True):
        found = sp.Array([[cosine(f, n) for n in others]])
        values = {match: sp.Array([cosine(f, t)]), noise: found}
        formula = INFO_NCE.subs(tau, sp.nsimplify(temperature))
        total += fill(formula, values, B=1, K=len(others))
    return total / len(features)


def guidance(loss_gradient: Any, similarity_gradient: Any, *, form: str = "documented") -> sp.Expr:
    """Twin of :func:`lossbook.inversion.guidance_consistency_loss`, of both gradients."""
    first, second = (each.reshape(len(each), -1) for each in (loss_gradient, similarity_gradient))
    if form == "cosine":
        rows = zip(first, second, strict=True)
        return sum(1 + cosine(f, s) for f, s in rows) / sp.Integer(len(first))
    values = {loss_pull: first, similarity_pull: second if form == "documented" else -second}
    return fill(GUIDANCE, values, B=len(first), P=first.shape[1])


def inversion(
    input: Any,
    target: Any,
    features: Any,
    template: Any,
    negatives: Any,
    centers: Any,
    *,
    feature: str = "cosine_margin",
    lambda_schedule: Any = 1,
    center_weight: Any = 0.5,
    normalized: bool = False,
    temperature: Any = 0.07,
    **options: Any,
) -> sp.Expr:
    """Twin of the total of :class:`lossbook.inversion.InversionLoss`, with a number for λ."""
    error = (input - target).reshape(-1)
    terms = [
        sum(pixel(one, sp.Integer(0)) for one in error) / sp.Integer(len(error)),
        sp.Integer(0),
        center(features, centers, normalized=normalized),
        sp.Integer(0),
    ]
    if feature == "l2":
        terms[1] = feature_l2(features, template, normalized=normalized)
    elif feature == "info_nce":
        terms[1] = info_nce(features, template, negatives, temperature=temperature)
    else:
        terms[1] = cosine_margin(features, template, negatives, **options)
    numbers = (sp.nsimplify(lambda_schedule), sp.nsimplify(center_weight), sp.Integer(0))
    values = dict(zip(TERMS, terms, strict=True)) | dict(zip(WEIGHTS, numbers, strict=True))
    return TOTAL.xreplace(values)


def cosine(first: Any, second: Any) -> sp.Expr:
    """Of two rows of expressions."""
    return sum(first * second) / (_length(first) * _length(second))


def _length(row: Any) -> sp.Expr:
    return sp.sqrt(sum(row * row))


def _units(rows: Any) -> Any:
    units = rows.copy()
    for i, row in enumerate(rows):
        units[i] = row / _length(row)
    return units


def _of_each(negatives: Any, batch: int) -> Any:
    """The negatives of each sample."""
    return negatives if negatives.ndim == 3 else [negatives] * batch
