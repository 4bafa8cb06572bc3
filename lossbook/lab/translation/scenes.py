"""Objects to move of translation: a cipher, a log of fixed networks, two rows of logits."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import NormalDist

import numpy as np
import sympy as sp
import torch

from lossbook.lab.page.formulas import Number
from lossbook.lab.page.marks import Mark
from lossbook.lab.page.objects import (
    Axis,
    Button,
    Choice,
    Curve,
    Handle,
    Line,
    Panel,
    Path,
    Picture,
    Range,
    Scene,
    Text,
    bars,
    pointer_x,
)
from lossbook.lab.translation.letters import ALPHABET, load_letters
from lossbook.translation import symbolic

__all__ = ["cipher", "log_terms", "two_logits"]

FACES = ("lato 400", "gentium-book-plus 400")
"""In which the cipher is written, of either domain."""

RAW: Mapping[str, float] = {"sty": 0.2, "cyc": 0.5, "id": 0.2, "ds": 0.6, "r1": 0.1}
"""What the log's terms are of networks that do not change; their weights, but that of ds, are 1."""
EPOCHS = 40
SPREAD = tuple(round(NormalDist().inv_cdf((k - 0.5) / 12), 6) for k in range(1, 13))
"""Twelve logits of mean 0 and spread 1, as evenly as a normal distribution has them."""


def _either(which: sp.Symbol, first: sp.Expr, second: sp.Expr) -> sp.Expr:
    return sp.Piecewise((first, which < 1), (second, True))


def log_terms() -> Scene:
    """Forty epochs of the log of networks that do not change.

    Every logit is 0, every other term as in `RAW`. What moves are the weight of the diversity and
    how often R1 is computed.
    """
    e, every, many = symbolic.e, symbolic.interval, symbolic.steps
    runs_on = sp.Symbol("counter", integer=True, nonnegative=True)
    raw = {name: sp.nsimplify(value) for name, value in RAW.items()}
    terms = (sp.S.Zero, raw["sty"], raw["cyc"], raw["id"], raw["ds"])
    shown = dict(zip(symbolic.TERMS, terms, strict=True))
    shown |= dict.fromkeys(symbolic.WEIGHTS[:-1], sp.Integer(1))
    rest = symbolic.GENERATOR.xreplace(shown | {symbolic.WEIGHTS[-1]: sp.S.Zero})
    g_loss = symbolic.GENERATOR.xreplace(shown | {symbolic.WEIGHTS[-1]: symbolic.DIVERSITY_WEIGHT})
    fires = _either(runs_on, symbolic.FIRES_RESTARTED, symbolic.FIRES_GLOBAL)
    values = {symbolic.r1_value: raw["r1"], symbolic.w: 1}
    logged, paid = (of(fires).subs(values) for of in (symbolic.logged, symbolic.paid))
    hinge = symbolic.at_equal(symbolic.HINGE, sp.S.Zero)
    in_all = _either(runs_on, EPOCHS * symbolic.FIRES_RESTARTED, sp.floor(EPOCHS * many / every))
    mean = raw["r1"] * in_all / (EPOCHS * many)
    span, across = (1, EPOCHS), Axis(0, EPOCHS + 1, "epoch")

    def curve(height: sp.Expr, look: str) -> list[Mark]:
        return [
            Path((e, height), e, span, look=look, solid=True, width=2),
            Path((e, height), e, span, look=look, size=2.5),
        ]

    def word(at: sp.Expr | Number, text: str, look: str, up: int = -11, **values: sp.Expr) -> Text:
        return Text((EPOCHS, at), text, values, look=look, anchor="end", shift=(0, up))

    return Scene(
        "log-terms",
        "A log that moves by itself",
        {
            symbolic.weight_ds: Range(0, 4, 2, 0.1, label="w_ds"),
            symbolic.decay: Range(1, 40, 20, 1, "epochs", "decay of λ_ds"),
            every: Range(1, 32, 16, 1, label="R1 interval I"),
            many: Range(4, 200, 100, 1, label="steps of an epoch N"),
            runs_on: Choice("step counter", ("starts again each epoch", "runs on")),
        },
        [
            Panel(
                [
                    Path((e, rest), e, span, look="baseline", width=2),
                    *curve(g_loss, "generator"),
                    word(rest, "dotted: without ds", "neutral"),
                    word(g_loss.subs(e, EPOCHS), "g_loss", "generator", 14),
                ],
                across,
                Axis(-2, 2),
                "Loss of the generator",
                height=230,
                wide=True,
            ),
            Panel(
                [
                    Path((e, hinge), e, span, look="neutral", width=1.5),
                    *curve(hinge + paid, "discriminator"),
                    word(hinge, "hinge: 2; the distance is R1", "neutral", 14),
                    word(hinge + every * mean, "d_loss", "discriminator"),
                ],
                across,
                Axis(1.8, 2.9),
                "Loss of the discriminator",
                height=190,
            ),
            Panel(
                [
                    Line([(0, raw["r1"]), (EPOCHS, raw["r1"])], look="neutral", width=1.5),
                    word(raw["r1"], "R1 itself: 0.1", "", -11),
                    *curve(logged, "r1"),
                    word(mean, "logged: {v:1}", "r1", v=mean),
                ],
                across,
                Axis(-0.008, 0.125, ticks=[0, 0.05, 0.1]),
                "r1 as logged, mean of each epoch",
                height=190,
            ),
        ],
        [
            (
                "g_loss goes from {a:.2f generator} in epoch 1 to {b:.2f generator} in epoch "
                "40. R1 adds {p:.3f r1} to d_loss on average.",
                {"a": g_loss.subs(e, 1), "b": g_loss.subs(e, EPOCHS), "p": every * mean},
            ),
            (
                "R1 is computed in {n:.0f} of {all:.0f} steps. On average the log shows "
                "{mean:.4f r1}.",
                {"n": in_all, "all": EPOCHS * many, "mean": mean},
            ),
        ],
        [
            Button("12 steps an epoch", {many: 12, every: 16, runs_on: 0}),
            Button("12, counted on", {many: 12, every: 16, runs_on: 1}),
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
                {
                    "loss of reals": real,
                    "loss of fakes": fake,
                    "sum = d_loss": real + fake,
                    "gap": gap,
                    "beyond": beyond,
                },
                Axis(-4, 8, ticks=[-4, -2, 0, 2, 4, 6, 8]),
                title="d_loss = 2 − gap + beyond",
                looks={
                    "loss of reals": "real",
                    "loss of fakes": "fake",
                    "sum = d_loss": "discriminator",
                    "gap": "neutral",
                    "beyond": "neutral",
                },
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


def cipher() -> Scene:
    """Letters that are moved on in the alphabet, and back: cyc sees the way back, not the way."""
    letters, many = load_letters(), len(ALPHABET)
    faces = [letters.images[letters.names.index(name), :, 0] for name in FACES]
    grey = [(255 - 255 * face).round().to(torch.uint8).numpy() for face in faces]
    letter, there, back = sp.symbols("letter there back", integer=True)
    made = sp.Mod(letter - 1 + there, many) + 1
    again = sp.Mod(made - 1 + back, many) + 1
    sans, serif = map(sp.IndexedBase, ("sans", "serif"))
    off = [(face[:, None] - face).square().mean((2, 3)).sqrt() for face in faces]
    apart = [each.flatten().tolist() for each in off]
    row = many * (letter - 1)
    cyc, id_, error = 100 * sans[row + again], 100 * sans[row + made], 100 * serif[row + made]
    marks: list[Mark] = []
    drawn = {"content": letter, "translation": made, "and back": again}
    for at, (name, number) in enumerate(drawn.items()):
        marks.append(Text((80 * at + 32, 6), name, anchor="middle"))
        marks.append(Picture(grey[at % 2], (80 * at, 80 * at + 64), (14, 78), number))
    return Scene(
        "cipher",
        "A cipher: every letter is moved on in the alphabet",
        {
            letter: Range(1, many, 18, 1, label="letter (1 = A, 18 = R)"),
            there: Range(0, many - 1, 1, 1, label="shift there"),
            back: Range(1 - many, 0, 0, 1, label="shift back"),
        },
        [
            Panel(marks, Axis(0, 224), Axis(80, 0), equal=True, frame=False),
            bars(
                {"cyc": cyc, "error": error, "id": id_},
                Axis(0, 60, "% of black to white"),
                looks={"cyc": "generator", "error": "neutral", "id": "truth"},
                format=".0f",
            ),
        ],
        buttons=[Button("R → S → R", {letter: 18, there: 1, back: -1})],
        arrays={sans: np.round(apart[0], 4), serif: np.round(apart[1], 4)},
    )
