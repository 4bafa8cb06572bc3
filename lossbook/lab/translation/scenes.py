"""The objects to move of translation: a Dirac-GAN, a log of fixed networks, two rows of logits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from statistics import NormalDist
from typing import Any

import numpy as np
import sympy as sp

from lossbook.lab.page.formulas import Number
from lossbook.lab.page.marks import Mark
from lossbook.lab.page.objects import (
    Axis,
    Bar,
    Button,
    Choice,
    Curve,
    Dots,
    Handle,
    Line,
    Panel,
    Path,
    Range,
    Recurrence,
    Scene,
    Stems,
    Switch,
    Text,
    bars,
    pointer_x,
)
from lossbook.translation import symbolic

__all__ = ["dirac", "log_terms", "two_logits"]

STEPS = 600
"""Of a Dirac-GAN."""
EPOCH = 60
"""Steps of a Dirac-GAN of which the log keeps the mean."""
TURN = 63
"""Steps of a Dirac-GAN in which it turns once, and that are drawn at first."""
MOST = 10**6
"""How far the numbers of a Dirac-GAN go; one that explodes is kept there."""
INTERVALS = tuple(4**k for k in range(3))
RAW: Mapping[str, float] = {"sty": 0.2, "cyc": 0.5, "id": 0.2, "ds": 0.6, "r1": 0.1}
"""What the log's terms are of networks that do not change; their weights, but that of ds, are 1."""
EPOCHS = 40
SPREAD = tuple(round(NormalDist().inv_cdf((k - 0.5) / 12), 6) for k in range(1, 13))
"""Twelve logits of mean 0 and spread 1, as evenly as a normal distribution has them."""


# Of the Dirac-GAN: where it starts, what is chosen, how many steps, and its states so far.
_START = sp.symbols("theta_0 psi_0", real=True)
_ON, _CHOSEN, _LATER = sp.symbols("on interval alternating", integer=True, nonnegative=True)
_SO_FAR, _K = sp.symbols("steps k", integer=True, nonnegative=True)
_THETA, _PSI, _SUM = map(sp.IndexedBase, ("theta", "psi", "sum"))
_EVERY = sp.Integer(4) ** _CHOSEN
_FIRES = sp.Eq(sp.Mod(_K, _EVERY), 0)


_PENALTIES: Mapping[str, Sequence[Number]] = {
    "no R1": (0,),
    "R1 too weak": (1, 0.02, 0, 0, 0.1),
    "w = 1, every step": (1, 1, 0),
    "w = 1, every 16": (1, 1, 2),
}
"""Whether R1 is on, its weight, how often it is computed; the kind of updates, and their size."""


def dirac() -> Scene:
    """A Dirac-GAN in the plane of its two numbers, with what its log says.

    The real data is a point at 0, the fake a point at θ, the discriminator says ψx of x. The hinge
    is the true one, which pushes no more where the fake is beyond its margin; the window of R1's
    weight is that of the steps within it.
    """
    eta, weight = symbolic.eta, symbolic.w
    here = {symbolic.theta: _THETA[_K], symbolic.psi: _PSI[_K]}
    counted = sp.Piecewise((_ON * weight * _EVERY, _FIRES), (0, True))
    ways = [symbolic.dirac_step(counted, alternating=way) for way in (False, True)]
    theta, psi = (_either(_LATER, *way).xreplace(here) for way in zip(*ways, strict=True))
    hinge = symbolic.DIRAC_D.xreplace(here)
    orbit = Recurrence(
        {_THETA: _START[0], _PSI: _START[1], _SUM: 0},
        {_THETA: _kept(theta), _PSI: _kept(psi), _SUM: _SUM[_K] + hinge},
        _K,
        STEPS + 1,
    )
    given = {symbolic.interval: _EVERY, weight: _ON * weight}
    matrix = (_of_both(f) for f in (symbolic.dirac_trace, symbolic.dirac_determinant))
    sizes = (symbolic.largest_eigenvalue(*of, slack=1e-10) for of in zip(*matrix, strict=True))
    largest = _either(_LATER, *(size.subs(given, simultaneous=True) for size in sizes))
    window = [_either(_LATER, *ends) for ends in zip(*_of_both(symbolic.dirac_window), strict=True)]
    epoch, full = sp.Symbol("epoch", integer=True, positive=True), sp.floor(_SO_FAR / EPOCH)
    mean = (_SUM[EPOCH * epoch + 1] - _SUM[EPOCH * (epoch - 1) + 1]) / EPOCH
    means = ((epoch - sp.Rational(1, 2)) * EPOCH, mean)
    logged = sp.Piecewise((_PSI[_K] ** 2, _FIRES & (_ON > 0)), (0, True))

    def curve(height: sp.Expr, label: str, look: str, width: Number) -> Path:
        place = (_K, height)
        return Path(place, _K, (1, _SO_FAR), label=label, look=look, width=width, solid=True)

    log = Panel(
        [
            curve(logged, "r1 as logged", "r1", 1.5),
            curve(sp.Abs(_THETA[_K]), "distance |θ|", "generator", 2),
            curve(hinge, "hinge of D", "neutral", 1),
            Path(means, epoch, (1, full), look="discriminator", width=2.5, solid=True),
            Path(means, epoch, (1, full), look="discriminator", size=4.5, label="mean of 60 steps"),
        ],
        Axis(0, STEPS, "step"),
        Axis(0, 5),
        "The log, and the distance |θ|, which no log shows",
        height=230,
        wide=True,
    )
    mine = [end.subs(symbolic.interval, _EVERY) for end in window]
    there = sp.sqrt(sp.sign(mine[1] - mine[0]))  # no number where there is no such weight
    last_mean = mean.subs(epoch, sp.Max(full, 1))
    set_by = (_ON, weight, _CHOSEN, _LATER, eta)
    return Scene(
        "dirac",
        "Step a Dirac-GAN",
        {
            _START[0]: Range(-3, 3, 1, 0.05, label="start at θ"),
            _START[1]: Range(-3, 3, 0, 0.05, label="ψ"),
            _ON: Switch("R1", False),
            weight: Range(0.001, 100, 0.3, label="weight w of R1", log=True),
            _CHOSEN: Choice("R1 every … steps", tuple(map(str, INTERVALS)), 1),
            eta: Range(0.02, 0.3, 0.1, 0.01, label="step size η"),
            _LATER: Choice("updates", ("simultaneous", "alternating")),
            _SO_FAR: Range(0, STEPS, TURN, 1, label="steps", fps=60),
        },
        [_plane(largest), _windows(window), log],
        [
            (
                "After {n:.0f} steps the fake is {far:2 generator} away from the data. Over the "
                "last full 60 steps the hinge loss of D was {d:3 discriminator} on average.",
                {
                    "n": _SO_FAR,
                    "far": sp.Abs(_THETA[_SO_FAR + 1]),
                    "d": sp.Piecewise((last_mean, full > 0), (sp.nan, True)),
                },
            ),
            (
                "From one R1 step to the next, the largest eigenvalue is {rho:.3f}. The orbit "
                "converges if it is below 1: for weights from {low:.3f r1} to {high:.3f r1}.",
                {"rho": largest, "low": there * mine[0], "high": there * mine[1]},
            ),
        ],
        [
            Button(label, {_SO_FAR: STEPS} | dict(zip(set_by, at, strict=False)))
            for label, at in _PENALTIES.items()
        ],
        recurrences=[orbit],
    )


def _plane(largest: sp.Expr) -> Panel:
    """The orbit, where R1 was computed on it, and what it does near the equilibrium."""
    edge = [0.3333, *(k / 20 for k in range(7, 61))]
    computed = sp.Piecewise((_THETA[_K], _FIRES & (_ON > 0)), (sp.nan, True))
    # The place of a word that is wrong is no number; more than nine digits are not asked for.
    off = sp.Float(1e-9)
    words = {
        "near 0 it settles": 1 - largest - off,
        "near 0 it circles": off - sp.Abs(largest - 1),
        "near 0 it spirals out": largest - 1 - off,
    }
    marks: list[Mark] = [
        Line([(sign * at, -sign / at) for at in edge], look="baseline", width=1.5, label="margin")
        for sign in (1, -1)
    ]
    marks += [
        Path((_THETA[_K], _PSI[_K]), _K, (1, _SO_FAR + 1), look="neutral", width=1.5),
        Path((computed, _PSI[_K]), _K, (1, _SO_FAR), look="r1", size=2.5, label="R1 computed"),
        Dots([(0, 0)], look="ground truth", size=5, label="equilibrium"),
        Dots([(_THETA[_SO_FAR + 1], _PSI[_SO_FAR + 1])], look="generator", size=5, label="now"),
        Handle(*_START, look="neutral", label="start"),
    ]
    marks += [Text((-2.9, -2.7 * sp.sqrt(sp.sign(true))), word) for word, true in words.items()]
    across, up = Axis(-3, 3, "fake θ, the real data being at 0"), Axis(-3, 3, "slope ψ of D")
    return Panel(marks, across, up, equal=True)


def _windows(ends: Sequence[sp.Expr]) -> Panel:
    """The weights with which it settles near the equilibrium, for each interval."""
    axis, top = Axis(0.001, 100, "weight of R1", log=True), len(INTERVALS) - 1
    bounds: list[Mark] = []
    for row, every in enumerate(INTERVALS):
        lower, upper = (end.subs(symbolic.interval, every) for end in ends)
        first = sp.Max(lower, sp.Float(axis.start))
        last = sp.Max(first, sp.Min(upper, axis.stop))  # no bar where there is no such weight
        bounds.append(Bar((first, top - row), (last, top - row), look="r1"))
    chosen = sp.Piecewise((symbolic.w, _ON > 0), (axis.start, True))
    bounds.append(Dots([(chosen, top - _CHOSEN)], look="discriminator", size=6))
    rows: dict[Number, str] = {top - row: f"{every}" for row, every in enumerate(INTERVALS)}
    up = Axis(-0.6, top + 0.6, "R1 every … steps", ticks=rows)
    return Panel(bounds, axis, up, "Weights for which the orbit converges", height=210)


def _kept(number: sp.Expr) -> sp.Expr:
    return sp.Max(-MOST, sp.Min(MOST, number))


def _of_both(formula: Callable[..., Any]) -> list[Any]:
    """Of simultaneous updates, and of alternating ones."""
    return [formula(alternating=way) for way in (False, True)]


def _either(which: sp.Symbol, first: sp.Expr, second: sp.Expr) -> sp.Expr:
    return sp.Piecewise((first, which < 1), (second, True))


def log_terms() -> Scene:
    """Forty epochs of the log of networks that do not change.

    Every logit is c, every other term as in `RAW`. What moves are the weight of the diversity and
    how often R1 is computed.
    """
    e, every, many = symbolic.e, symbolic.interval, symbolic.steps
    runs_on = sp.Symbol("counter", integer=True, nonnegative=True)
    raw = {name: sp.nsimplify(value) for name, value in RAW.items()}
    fake = symbolic.GENERATOR_HINGE.subs(symbolic.f, symbolic.c)
    terms = (2 * fake, raw["sty"], raw["cyc"], raw["id"], raw["ds"])
    shown = dict(zip(symbolic.TERMS, terms, strict=True))
    shown |= dict.fromkeys(symbolic.WEIGHTS[:-1], sp.Integer(1))
    rest = symbolic.GENERATOR.xreplace(shown | {symbolic.WEIGHTS[-1]: sp.S.Zero})
    g_loss = symbolic.GENERATOR.xreplace(shown | {symbolic.WEIGHTS[-1]: symbolic.DIVERSITY_WEIGHT})
    fires = _either(runs_on, symbolic.FIRES_RESTARTED, symbolic.FIRES_GLOBAL)
    values = {symbolic.r1_value: raw["r1"], symbolic.w: 1}
    logged, paid = (of(fires).subs(values) for of in (symbolic.logged, symbolic.paid))
    hinge = symbolic.at_equal(symbolic.HINGE, symbolic.c)
    in_all = _either(runs_on, EPOCHS * symbolic.FIRES_RESTARTED, sp.floor(EPOCHS * many / every))
    mean = raw["r1"] * in_all / (EPOCHS * many)
    span, across = (1, EPOCHS), Axis(0, EPOCHS + 1, "epoch")
    return Scene(
        "log-terms",
        "A log that moves by itself",
        {
            symbolic.weight_ds: Range(0, 4, 2, 0.1, label="w_ds"),
            symbolic.decay: Range(1, 40, 20, 1, "epochs", "decay of λ_ds"),
            symbolic.c: Range(-1.5, 1.5, 0, 0.05, label="every logit c"),
            every: Range(1, 32, 16, 1, label="R1 interval I"),
            many: Range(4, 200, 100, 1, label="steps of an epoch N"),
            runs_on: Choice("step counter", ("starts again each epoch", "runs on")),
        },
        [
            Panel(
                [
                    Path((e, rest), e, span, look="baseline", width=2, label="g_loss without ds"),
                    Path((e, g_loss), e, span, look="generator", solid=True, width=1.5),
                    Path((e, g_loss), e, span, look="generator", size=2.5, label="g_loss"),
                ],
                across,
                Axis(-5, 5),
                "Loss of the generator",
            ),
            Panel(
                [
                    Path((e, hinge), e, span, look="neutral", width=1.5, label="hinge"),
                    Path((e, hinge + paid), e, span, look="discriminator", solid=True, width=1.5),
                    Path(
                        (e, hinge + paid), e, span, look="discriminator", size=2.5, label="d_loss"
                    ),
                ],
                across,
                Axis(1.5, 3),
                "Loss of the discriminator",
            ),
            Panel(
                [
                    Line([(0, raw["r1"]), (EPOCHS, raw["r1"])], look="neutral", width=1.5),
                    Text((EPOCHS, raw["r1"]), "where it is computed", anchor="end", shift=(0, -11)),
                    Stems(logged, e, span, look="r1", label="r1 in the log", width=6),
                ],
                across,
                Axis(0, 0.12),
                "r1 as logged, mean of each epoch",
                height=190,
                wide=True,
            ),
        ],
        [
            (
                "g_loss goes from {a:.2f generator} in epoch 1 to {b:.2f generator} in epoch "
                "40. The hinge loss of D is {h:.2f}, and R1 adds {p:.3f r1} on average.",
                {
                    "a": g_loss.subs(e, 1),
                    "b": g_loss.subs(e, EPOCHS),
                    "h": hinge,
                    "p": every * mean,
                },
            ),
            (
                "R1 is computed in {n:.0f} of {all:.0f} steps and is 0.1 each time. On average "
                "the log shows {mean:.4f r1}.",
                {"n": in_all, "all": EPOCHS * many, "mean": mean},
            ),
        ],
        [
            Button("every logit 0.9", {symbolic.c: 0.9}),
            Button("every logit 1.4", {symbolic.c: 1.4}),
            Button("12 steps an epoch", {symbolic.c: 0, many: 12, every: 16, runs_on: 0}),
            Button("12, counted on", {symbolic.c: 0, many: 12, every: 16, runs_on: 1}),
        ],
    )


_LOGITS = {
    "broad": (2.25, -2.25, 4, 4),
    "0.8 to all": (0.8, 0.8, 0, 0),
    "every fake fools it": (2.5, 1, 0.8, 0),
    "wrong way round": (-0.5, 0.5, 0.2, 0.2),
}
"""The means of the real and of the fake logits, and their spreads."""


def two_logits() -> Scene:
    """Twelve real and twelve fake logits, and the many ways in which d_loss is 2.

    The hinge is 2 - gap + what lies beyond the margins, so that at 2 these are equal.
    """
    middles = sp.symbols("real fake", real=True)
    spreads = sp.symbols("spread_real spread_fake", nonnegative=True)
    z, k = sp.IndexedBase("z"), sp.Symbol("k", integer=True, positive=True)
    count = len(SPREAD)
    rows = [mid + spread * z[k] for mid, spread in zip(middles, spreads, strict=True)]
    halves = [
        half.subs(symbol, row)
        for half, symbol, row in zip(
            (symbolic.HINGE_REAL, symbolic.HINGE_FAKE), (symbolic.r, symbolic.f), rows, strict=True
        )
    ]

    def mean(formula: sp.Expr) -> sp.Expr:
        return sp.Sum(formula, (k, 1, count)) / count

    def share(*conditions: sp.Basic) -> sp.Expr:
        found = [mean(sp.Piecewise((1, one), (0, True))) for one in conditions]
        return sp.Add(*found) / len(found)

    real, fake = map(mean, halves)
    beyond = mean(symbolic.BEYOND.subs({symbolic.r: rows[0], symbolic.f: rows[1]}))
    logit = sp.Symbol("logit", real=True)
    lines = [
        half.subs(symbol, logit)
        for half, symbol in ((symbolic.HINGE_REAL, symbolic.r), (symbolic.HINGE_FAKE, symbolic.f))
    ]
    names = {"real": -1.4, "fake": -2.9}
    marks: list[Mark] = []
    for name, row, half, line in zip(names, rows, halves, lines, strict=True):
        marks.append(Curve(line, logit, look=name, label=f"loss of a {name}"))
        marks.append(Path((row, half), k, (1, count), look=name, size=4))
    for (name, height), row, middle in zip(names.items(), rows, middles, strict=True):
        marks.append(Line([(-10, height), (10, height)], look="neutral", width=0.75))
        marks.append(Path((row, height), k, (1, count), look=name, size=4))
        marks.append(Text((-10, height), name, look=name, shift=(4, -10)))
        title = f"mean of the {name} logits"
        marks.append(Handle(middle, height, {middle: pointer_x}, look=name, title=title))
    gap = middles[0] - middles[1]
    correct, learning = (rows[0] > 0, rows[1] <= 0), (rows[0] < 1, rows[1] > -1)
    return Scene(
        "two-logits",
        "What makes d_loss 2",
        {
            middles[0]: Range(-3, 3, 0, 0.05, label="mean of the real logits"),
            middles[1]: Range(-3, 3, 0, 0.05, label="mean of the fake logits"),
            spreads[0]: Range(0, 5, 0.3, 0.1, label="spread of the real logits"),
            spreads[1]: Range(0, 5, 0.3, 0.1, label="spread of the fake logits"),
        },
        [
            Panel(
                marks,
                Axis(-10, 10, "logit"),
                Axis(-3.5, 10, "loss of one logit", ticks=[0, 2, 4, 6, 8, 10]),
                "Drag both rows of logits",
                height=330,
            ),
            bars(
                {"real": real, "fake": fake, "d_loss": real + fake, "gap": gap, "beyond": beyond},
                Axis(-4, 8, ticks=[-4, -2, 0, 2, 4, 6, 8]),
                title="d_loss = 2 − gap + beyond",
                looks={"d_loss": "discriminator", "gap": "neutral", "beyond": "neutral"},
                format=".2f",
            ),
        ],
        [
            (
                "d_loss is {d:.2f discriminator}. D is right, by the sign of the logit, "
                "for {right:.0%} of the letters. The gap between the means is {gap:.2f}. "
                "{learn:.0%} of the logits have a gradient; the others lie beyond their margin.",
                {"d": real + fake, "right": share(*correct), "gap": gap, "learn": share(*learning)},
            )
        ],
        [
            Button(label, dict(zip((*middles, *spreads), at, strict=True)))
            for label, at in _LOGITS.items()
        ],
        arrays={z: np.array(SPREAD)},
    )
