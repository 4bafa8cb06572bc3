"""Labels of one coordinate that disagree, to drag, and the answer that each loss prefers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import sympy as sp

from lossbook.lab.page.formulas import derivative
from lossbook.lab.page.marks import Mark
from lossbook.lab.page.objects import (
    Axis,
    Curve,
    Dots,
    Handle,
    Line,
    Minimum,
    Panel,
    Range,
    Scene,
    pointer_x,
    presets,
)
from lossbook.landmarks import symbolic

__all__ = ["LOSSES", "few_labels", "labels"]

x = symbolic.x
LOSSES: Mapping[str, sp.Expr] = {
    "L2": symbolic.L2,
    "L1": symbolic.L1,
    "SmoothL1": symbolic.SMOOTH_L1.subs(symbolic.beta, 1),
    "Wing": symbolic.WING.subs({symbolic.w: 10, symbolic.epsilon: 2}),
}
"""Of one coordinate's error in pixels, with the documented parameters."""


def labels() -> Scene:
    """Seven labels of one coordinate, which are dragged, and the best answer for each loss."""
    return _labels("labels", costs=True)


def few_labels() -> Scene:
    """The same without the curves, for a small place."""
    return _labels("few-labels", costs=False)


_GIVEN = sp.symbols("l1:8", real=True)
_START = (-1.5, -1.2, -1, 0, 1, 2, 8)
"""Each loss has an answer of its own: 1.0 (L2), 0 (L1), −1 (Wing)."""
_CAMPS = (0, 0, 0, 5, 6, 8, 10)
_ANSWER, _WORST = sp.symbols("answer worst", real=True)
"""Any answer, and that which costs most with Wing."""
_BEST = {loss: sp.Symbol(f"best_{loss}", real=True) for loss in ("L2", "Wing", "SmoothL1", "L1")}
_TOTALS = {
    loss: sp.Add(*(LOSSES[loss].subs(x, _ANSWER - label) for label in _GIVEN)) / 7 for loss in _BEST
}
_BEST_ANSWERS = (
    "The best answer: {L2:.1f L2} px for L2, {L1:.1f L1} px for L1, {SmoothL1:.1f SmoothL1} px for"
    " SmoothL1, {Wing:.1f Wing} px for Wing."
)


def _labels(name: str, *, costs: bool) -> Scene:
    numbered = enumerate(zip(_GIVEN, _START, strict=True), 1)
    minima = {at: Minimum(_TOTALS[loss], _ANSWER, -4, 21) for loss, at in _BEST.items()}
    if costs:
        minima[_WORST] = Minimum(-_TOTALS["Wing"], _ANSWER, -4, 21)
    return Scene(
        name,
        "Seven labels, one answer",
        {label: Range(-3, 20, at, 0.1, "px", f"label {n}") for n, (label, at) in numbered},
        [_dragged(wide=True), _costs()] if costs else [_dragged(wide=False)],
        [(_BEST_ANSWERS, _BEST)],
        presets(_GIVEN, {"two camps": _CAMPS}),
        minima=minima,
    )


def _dragged(*, wide: bool) -> Panel:
    """The labels, each in its row, and the answers."""
    marks: list[Mark] = [
        Line([(at, 0.4), (at, 7.6)], look=loss, label=f"{loss}'s answer", width=3)
        for loss, at in _BEST.items()
    ]
    for n, label in enumerate(_GIVEN):
        title = f"label {n + 1}"
        marks.append(Handle(label, 7 - n, {label: pointer_x}, look="ground truth", title=title))
    return Panel(
        marks,
        Axis(-4, 21, "place [px]"),
        Axis(0.3, 7.7, "label", ticks={float(7 - n): f"{n + 1}." for n in range(7)}),
        "Drag a label. A line is a loss's answer",
        height=300 if wide else 270,
        wide=wide,
        letters=5 * wide,
    )


def _costs() -> Panel:
    """What each answer costs with Wing, where it dips, and where it is least."""
    total, least = _TOTALS["Wing"], _BEST["Wing"]
    low, high = (total.subs(_ANSWER, end) for end in (least, _WORST))
    height = (total - low) / (high - low)
    dips = [(_if_dip(at, _GIVEN), height.subs(_ANSWER, at)) for at in _GIVEN]
    marks: list[Mark] = [
        Curve(height, _ANSWER, look="Wing"),
        Dots(dips, look="Wing", label="dip", size=6, hollow=True),
        Dots([(least, 0)], look="Wing", label="lowest dip", size=7),
    ]
    across = Axis(-4, 21, "place [px]")
    up = Axis(-0.06, 1.04, "cost", ticks={0: "least", 1: "most"})
    return Panel(marks, across, up, "What an answer costs with Wing", height=250, wide=True)


def _if_dip(place: sp.Symbol, given: Sequence[sp.Symbol]) -> sp.Expr:
    """A label's place if Wing's slope changes its sign there, otherwise one far outside."""
    slope, jump = sp.Integer(0), sp.Integer(0)
    for label in given:
        apart = place - label
        same = sp.Piecewise((1, sp.Abs(apart) < sp.Rational(1, 100)), (0, True))
        slope += (1 - same) * derivative(LOSSES["Wing"], x).subs(x, apart)
        jump += 5 * same
    return place + 500 * (1 + sp.sign(sp.Abs(slope) - jump))
