"""Objects to move of translation: a cipher, a log of fixed networks, two rows of logits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import NormalDist

import numpy as np
import sympy as sp
import torch
from numpy.typing import NDArray
from torch import Tensor

from lossbook.lab.page.formulas import Number
from lossbook.lab.page.marks import Mark
from lossbook.lab.page.objects import (
    Arrow,
    Axis,
    Bar,
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
    presets,
    view,
)
from lossbook.lab.translation.dirac import either
from lossbook.lab.translation.letters import ALPHABET, load_letters
from lossbook.translation import symbolic

__all__ = ["cipher", "log_terms", "two_logits"]

FACES = ("lato 400", "gentium-book-plus 400")
"""In which the cipher is written, of either domain."""

OFFERED = "AGKORSTZ"
"""Letters to move on in the alphabet."""

RAW: Mapping[str, float] = {"sty": 0.2, "cyc": 0.5, "id": 0.2, "ds": 0.6, "r1": 0.1}
"""What the log's terms are of networks that do not change; their weights, but that of ds, are 1."""
EPOCHS = 40
DECAY, INTERVAL = 20, 16
"""Epochs in which the weight of the diversity falls to 0, and the number of steps from one R1 to
the next."""
SPREAD = tuple(round(NormalDist().inv_cdf((k - 0.5) / 12), 6) for k in range(1, 13))
"""Twelve logits of mean 0 and spread 1, as evenly as a normal distribution has them."""


_COUNTER = sp.Symbol("counter", integer=True, nonnegative=True)
"""Whether steps are counted through all epochs."""


def _generator(diversity: sp.Expr) -> sp.Expr:
    """The generator's loss in an epoch, with this weight of the diversity."""
    terms = (sp.S.Zero, *(sp.nsimplify(RAW[name]) for name in ("sty", "cyc", "id", "ds")))
    shown = dict(zip(symbolic.TERMS, terms, strict=True))
    weights = dict.fromkeys(symbolic.WEIGHTS[:-1], sp.Integer(1))
    return symbolic.GENERATOR.xreplace(shown | weights | {symbolic.WEIGHTS[-1]: diversity})


def _fixed(formula: sp.Expr) -> sp.Expr:
    """With what cannot be set."""
    return formula.subs({symbolic.decay: DECAY, symbolic.interval: INTERVAL})


_RUN = symbolic.steps * EPOCHS
_IN_ALL = _fixed(
    either(_COUNTER, EPOCHS * symbolic.FIRES_RESTARTED, sp.floor(_RUN / symbolic.interval))
)
"""Steps with R1, of all."""
_R1 = sp.nsimplify(RAW["r1"])
_MEAN = _R1 * _IN_ALL / _RUN
"""What the log says of R1, on average."""
_FULL = sp.floor((symbolic.steps + symbolic.interval - 1) / symbolic.interval)
_MOST = _fixed(_R1 * either(_COUNTER, symbolic.FIRES_RESTARTED, _FULL) / symbolic.steps)
"""What the log says of R1 in the epoch in which it is computed most often."""
_REST, _G_LOSS = _generator(sp.S.Zero), _fixed(_generator(symbolic.DIVERSITY_WEIGHT))
_SUMS = (
    "g_loss goes from {a:.2f generator} in epoch 1 to {b:.2f generator} in epoch "
    "40. R1 adds {p:.3f r1} to d_loss on average."
)
_COUNTED = "R1 is computed in {n:.0f} of {all:.0f} steps. On average the log shows {mean:.4f r1}."


def log_terms() -> Scene:
    """Forty epochs of the log of networks that do not change.

    Every logit is 0, every other term as in `RAW`. What moves are the weight of the diversity and
    how often R1 is computed.
    """
    many = symbolic.steps
    first, last = (_G_LOSS.subs(symbolic.e, epoch) for epoch in (1, EPOCHS))
    fires = either(_COUNTER, symbolic.FIRES_RESTARTED, symbolic.FIRES_GLOBAL)
    values = {symbolic.r1_value: _R1, symbolic.w: 1}
    logged, paid = (_fixed(of(fires)).subs(values) for of in (symbolic.logged, symbolic.paid))
    return Scene(
        "log-terms",
        "A log that moves by itself",
        {
            symbolic.weight_ds: Range(0, 4, 2, 0.1, label="weight λ at first"),
            many: Range(4, 200, 100, 1, label="steps of an epoch"),
            _COUNTER: Choice("step counter", ("anew each epoch", "runs on")),
        },
        [_of_generator(last), _of_discriminator(paid), _of_r1(logged)],
        [
            (_SUMS, {"a": first, "b": last, "p": INTERVAL * _MEAN}),
            (_COUNTED, {"n": _IN_ALL, "all": _RUN, "mean": _MEAN}),
        ],
        presets((many, _COUNTER), {"12 steps an epoch": (12, 0), "12, counted on": (12, 1)}),
    )


def _epochs(height: sp.Expr, look: str, width: Number = 2) -> Path:
    """A line over the epochs; only the baseline is dotted."""
    place, solid = (symbolic.e, height), look != "baseline"
    return Path(place, symbolic.e, (1, EPOCHS), look=look, solid=solid, width=width)


def _curve(height: sp.Expr, look: str) -> list[Mark]:
    """A line over the epochs, with a dot at each."""
    dots = Path((symbolic.e, height), symbolic.e, (1, EPOCHS), look=look, size=2.5)
    return [_epochs(height, look), dots]


def _word(at: sp.Expr | Number, text: str, look: str, up: int = -11, **values: sp.Expr) -> Text:
    """What a line is, at its end."""
    return Text((EPOCHS, at), text, values, look=look, anchor="end", shift=(0, up))


_ACROSS = Axis(0, EPOCHS + 1, "epoch")


def _of_generator(last: sp.Expr) -> Panel:
    """g_loss, which is `last` in the last epoch, and what it would be without the diversity."""
    marks: list[Mark] = [
        _epochs(_REST, "baseline"),
        *_curve(_G_LOSS, "generator"),
        _word(_REST, "dotted: without ds", "neutral"),
        _word(last, "g_loss", "generator", 14),
    ]
    return Panel(marks, _ACROSS, Axis(-2, 2), "Loss of the generator", height=300, wide=True)


def _of_discriminator(paid: sp.Expr) -> Panel:
    """d_loss, and the hinge alone: their distance is what is paid for R1."""
    hinge = symbolic.at_equal(symbolic.HINGE, sp.S.Zero)
    marks: list[Mark] = [
        _epochs(hinge, "neutral", 1.5),
        *_curve(hinge + paid, "discriminator"),
        _word(hinge, "hinge: 2; above it: the penalty", "neutral", 14),
        _word(hinge + INTERVAL * _MOST, "d_loss", "discriminator", -14),
    ]
    return Panel(marks, _ACROSS, Axis(1.8, 2.9), "Loss of the discriminator", height=190)


def _of_r1(logged: sp.Expr) -> Panel:
    """R1 as the log has it, and as it is."""
    marks: list[Mark] = [
        Line([(0, _R1), (EPOCHS, _R1)], look="neutral", width=1.5),
        Text((1, _R1), f"R1 itself: {RAW['r1']:g}", shift=(0, -11)),
        *_curve(logged, "r1"),
        _word(_MOST, "logged: {v:1}", "r1", -14, v=_MEAN),
    ]
    up = Axis(-0.008, 0.125, ticks=[0, 0.05, 0.1])
    return Panel(marks, _ACROSS, up, "r1 as logged, mean of each epoch", height=190)


_LOGITS = {
    "broad": (2.25, -2.25, 4, 4),
    "0.8 to all": (0.8, 0.8, 0, 0),
    "shifted threshold": (2.5, 1, 0.8, 0),
    "wrong way round": (-0.5, 0.5, 0.2, 0.2),
}
"""The means of the real and of the fake logits, and their spreads."""


_NAMES = ("real", "fake")
_MIDDLES = sp.symbols("real fake", real=True)
_SPREADS = sp.symbols("spread_real spread_fake", nonnegative=True)
_Z, _K = sp.IndexedBase("z"), sp.Symbol("k", integer=True, positive=True)
_ROWS = [middle + spread * _Z[_K] for middle, spread in zip(_MIDDLES, _SPREADS, strict=True)]
"""The k-th logit of either kind."""
_HINGES = ((symbolic.HINGE_REAL, symbolic.r), (symbolic.HINGE_FAKE, symbolic.f))
"""What one logit of either kind costs, and its symbol."""
_COSTS = [hinge.subs(symbol, row) for (hinge, symbol), row in zip(_HINGES, _ROWS, strict=True)]
_RIGHT = (
    "d_loss is {d:.2f discriminator}. D is right, by the sign of the logit, "
    "for {right:.0%} of the letters. The gap between the means is {gap:.2f}. "
    "{learn:.0%} of the logits have a gradient; the others lie beyond their margin."
)


def _mean(formula: sp.Expr) -> sp.Expr:
    """Over the logits of one kind."""
    return sp.Sum(formula, (_K, 1, len(SPREAD))) / len(SPREAD)


def _share(*conditions: sp.Basic) -> sp.Expr:
    """Of the logits, that meet the condition of their kind."""
    found = [_mean(sp.Piecewise((1, one), (0, True))) for one in conditions]
    return sp.Add(*found) / len(found)


def two_logits() -> Scene:
    """Twelve real and twelve fake logits, and the many ways in which d_loss is 2.

    The hinge is 2 - gap + what lies beyond the margins, so that at 2 these are equal.
    """
    d_loss, gap = sp.Add(*map(_mean, _COSTS)), _MIDDLES[0] - _MIDDLES[1]
    right = _share(_ROWS[0] > 0, _ROWS[1] <= 0)
    learning = _share(_ROWS[0] < 1, _ROWS[1] > -1)
    means = {
        middle: Range(-3, 3, 0, 0.05, label=f"mean of the {name} logits")
        for name, middle in zip(_NAMES, _MIDDLES, strict=True)
    }
    spreads = {
        spread: Range(0, 5, 0.5, 0.1, label=f"spread of the {name} logits")
        for name, spread in zip(_NAMES, _SPREADS, strict=True)
    }
    return Scene(
        "two-logits",
        "What makes d_loss 2",
        means | spreads,
        [_rows(), _sum(d_loss, gap)],
        [(_RIGHT, {"d": d_loss, "right": right, "gap": gap, "learn": learning})],
        presets((*_MIDDLES, *_SPREADS), _LOGITS),
        arrays={_Z: np.array(SPREAD)},
    )


def _rows() -> Panel:
    """The logits of either kind, on the curve of their loss and in a row that is dragged."""
    logit = sp.Symbol("logit", real=True)
    marks: list[Mark] = []
    for name, row, cost, (hinge, symbol) in zip(_NAMES, _ROWS, _COSTS, _HINGES, strict=True):
        curve = hinge.subs(symbol, logit)
        marks.append(Curve(curve, logit, look=name, label=f"loss of a {name}"))
        marks.append(Path((row, cost), _K, (1, len(SPREAD)), look=name, size=4))
    for name, row, middle, height in zip(_NAMES, _ROWS, _MIDDLES, (-1.4, -2.9), strict=True):
        title = f"mean of the {name} logits"
        marks += [
            Line([(-10, height), (10, height)], look="neutral", width=0.75),
            Path((row, height), _K, (1, len(SPREAD)), look=name, size=4),
            Text((-10, height), name, look=name, shift=(4, -10)),
            Handle(middle, height, {middle: pointer_x}, look=name, title=title),
        ]
    up = Axis(-3.5, 10, "loss of one logit", ticks=[0, 2, 4, 6, 8, 10])
    return Panel(marks, Axis(-10, 10, "logit"), up, "Drag both rows of logits", height=330)


def _sum(d_loss: sp.Expr, gap: sp.Expr) -> Panel:
    """The sum of two losses as 2, from which the gap leads down, and what lies beyond up."""
    beyond = _mean(symbolic.BEYOND.subs({symbolic.r: _ROWS[0], symbolic.f: _ROWS[1]}))
    rows: list[tuple[str, sp.Expr | Number, sp.Expr | Number, str, str, sp.Expr | Number]] = [
        ("2", 0, 2, "neutral", "{v:.2f}", 2),
        ("− gap", 2, 2 - gap, "neutral", "{v:.2f}", -gap),
        ("+ beyond", 2 - gap, d_loss, "neutral", "{v:.2f}", beyond),
        ("= d_loss", 0, d_loss, "discriminator", "{v:.2f}", d_loss),
    ]
    axis, top = Axis(-4, 8, ticks=[-4, -2, 0, 2, 4, 6, 8]), len(rows) - 1
    # Each bar begins where the one above it ends.
    marks: list[Mark] = [
        Line([(stop, top - at), (stop, top - at - 1)], look="neutral", width=1, solid=True)
        for at, (_, _, stop, *_) in enumerate(rows[:-1])
    ]
    for at, (_, start, stop, look, template, value) in enumerate(rows):
        marks.append(Bar((start, top - at), (stop, top - at), look=look))
        marks.append(Text((axis.stop, top - at), template, {"v": value}, shift=(8, 0)))
    names: dict[float, str] = {float(top - at): name for at, (name, *_) in enumerate(rows)}
    up = Axis(-0.6, top + 0.6, ticks=names)
    return Panel(marks, axis, up, "d_loss = 2 − gap + beyond", height=220, right=64)


def cipher() -> Scene:
    """Letters that are moved on in the alphabet, and back: cyc sees the way back, not the way."""
    letters, many = load_letters(), len(ALPHABET)
    faces = [letters.images[letters.names.index(name), :, 0] for name in FACES]
    chosen, there, back = sp.symbols("letter there back", integer=True)
    offered, sans, serif = map(sp.IndexedBase, ("offered", "sans", "serif"))
    letter = offered[chosen + 1]
    made = sp.Mod(letter - 1 + there, many) + 1
    again = sp.Mod(made - 1 - back, many) + 1
    row = many * (letter - 1)
    off = {"cyc": sans[row + again], "error": serif[row + made], "id": sans[row + made]}
    looks = {"cyc": "cyc", "error": "neutral", "id": "truth"}
    return Scene(
        "cipher",
        "A cipher: every letter is moved on in the alphabet",
        {
            chosen: Choice("letter", tuple(OFFERED), OFFERED.index("R")),
            there: Range(0, many - 1, 1, 1, label="shift there by"),
            back: Range(0, many - 1, 0, 1, label="shift back by"),
        },
        [
            _letters(faces, letter, made, again),
            bars(_percent(off), Axis(0, 60, "% of black to white"), looks=looks, format=".0f"),
        ],
        buttons=presets((chosen, there, back), {"R → S → R": (OFFERED.index("R"), 1, 1)}),
        arrays={
            offered: np.array([ALPHABET.index(name) + 1.0 for name in OFFERED]),
            sans: _apart(faces[0]),
            serif: _apart(faces[1]),
        },
    )


def _percent(shares: Mapping[str, sp.Expr]) -> dict[str, sp.Expr]:
    return {name: 100 * share for name, share in shares.items()}


def _letters(faces: Sequence[Tensor], letter: sp.Expr, made: sp.Expr, again: sp.Expr) -> Panel:
    """What is drawn, and between which two pictures each bar measures."""
    sans, serif = [(255 - 255 * face).round().to(torch.uint8).numpy() for face in faces]
    marks: list[Mark] = [
        Line([(32, 13), (32, 7), (98, 7)], look="cyc", solid=True, width=1.5),
        Line([(126, 7), (192, 7), (192, 13)], look="cyc", solid=True, width=1.5),
        Text((112, 7), "cyc", look="cyc", anchor="middle"),
    ]
    marks += [Arrow((left, 59), (12, 0), look="neutral", width=1.5) for left in (66, 146)]
    for left, name, look in ((32, "id", "truth"), (112, "error", "neutral")):
        marks.append(Line([(left, 93), (left, 109)], look=look, solid=True, width=1.5))
        marks.append(Text((left, 101), name, look=look, shift=(7, 0)))
    top, low = (27, 91), (111, 175)
    for across, down, name, up, face, number in (
        (0, top, "content", 20, sans, letter),
        (80, top, "translation", 20, serif, made),
        (160, top, "and back", 20, sans, again),
        (0, low, "in its own style", 182, sans, made),
        (80, low, "correct", 182, serif, letter),
    ):
        marks.append(Text((across + 32, up), name, anchor="middle"))
        marks.append(Picture(face, (across, across + 64), down, number))
    return view(marks, Axis(-4, 228), Axis(188, 0))


def _apart(face: Tensor) -> NDArray[np.float64]:
    """Root mean square of the difference of any two letters, ``(letters * letters,)``."""
    off = (face[:, None] - face).square().mean((2, 3)).sqrt()
    return np.round(off.flatten().tolist(), 4)
