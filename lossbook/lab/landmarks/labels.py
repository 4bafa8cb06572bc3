"""Labels of one coordinate that disagree, to drag, and the answer that each loss prefers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import sympy as sp

from lossbook.lab.page.formulas import derivative
from lossbook.lab.page.marks import Mark
from lossbook.lab.page.objects import (
    Axis,
    Button,
    Curve,
    Dots,
    Handle,
    Line,
    Minimum,
    Panel,
    Range,
    Scene,
    pointer_x,
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


def _labels(name: str, *, costs: bool) -> Scene:
    given = sp.symbols("l1:8", real=True)
    # Each loss has an answer of its own: 1.0 (L2), 0 (L1), −1 (Wing).
    start = (-1.5, -1.2, -1, 0, 1, 2, 8)
    camps = (0, 0, 0, 5, 6, 8, 10)
    answer = sp.Symbol("answer", real=True)
    best = {loss: sp.Symbol(f"best_{loss}", real=True) for loss in ("L2", "Wing", "L1")}
    totals = {
        loss: sp.Add(*(LOSSES[loss].subs(x, answer - label) for label in given)) / 7
        for loss in best
    }
    across = Axis(-4, 12, "place [px]")
    lines = [
        Line([(at, 0.4), (at, 7.6)], look=loss, label=f"{loss}'s answer", width=3)
        for loss, at in best.items()
    ]
    dragged = [
        Handle(label, 7 - n, {label: pointer_x}, look="ground truth", title=f"label {n + 1}")
        for n, label in enumerate(given)
    ]
    rows = Axis(0.3, 7.7, "label", ticks={float(7 - n): f"{n + 1}." for n in range(7)})
    panels = [
        Panel(
            [*lines, *dragged],
            across,
            rows,
            "Drag a label. A line is a loss's answer",
            height=300 if costs else 270,
            wide=costs,
            letters=5 * costs,
        )
    ]
    minima = {at: Minimum(totals[loss], answer, -4, 12) for loss, at in best.items()}
    if costs:
        total, least, worst = totals["Wing"], best["Wing"], sp.Symbol("worst", real=True)
        minima[worst] = Minimum(-total, answer, -4, 12)
        low, high = (total.subs(answer, end) for end in (least, worst))
        height = (total - low) / (high - low)
        seen = [(_if_dip(at, given), height.subs(answer, at)) for at in given]
        curves: list[Mark] = [
            Curve(height, answer, look="Wing"),
            Dots(seen, look="Wing", label="dip", size=6, hollow=True),
            Dots([(least, 0)], look="Wing", label="lowest dip", size=7),
        ]
        up = Axis(-0.06, 1.04, "cost", ticks={0: "least", 1: "most"})
        title = "What an answer costs with Wing"
        panels.append(Panel(curves, across, up, title, height=250, wide=True))
    return Scene(
        name,
        "Seven labels, one answer",
        {
            label: Range(-3, 11, at, 0.1, "px", f"label {n + 1}")
            for n, (label, at) in enumerate(zip(given, start, strict=True))
        },
        panels,
        [
            (
                "The best answer: {L2:.1f L2} px for L2, {L1:.1f L1} px for L1, "
                "{Wing:.1f Wing} px for Wing.",
                best,
            )
        ],
        [Button("two camps", dict(zip(given, camps, strict=True)))],
        minima=minima,
    )


def _if_dip(place: sp.Symbol, given: Sequence[sp.Symbol]) -> sp.Expr:
    """A label's place if Wing's slope changes its sign there, otherwise one far outside."""
    slope, jump = sp.Integer(0), sp.Integer(0)
    for label in given:
        apart = place - label
        same = sp.Piecewise((1, sp.Abs(apart) < sp.Rational(1, 100)), (0, True))
        slope += (1 - same) * derivative(LOSSES["Wing"], x).subs(x, apart)
        jump += 5 * same
    return place + 500 * (1 + sp.sign(sp.Abs(slope) - jump))
