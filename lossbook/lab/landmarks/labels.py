"""Labels of one coordinate that disagree, to drag, and the answer that each loss prefers."""

from __future__ import annotations

from collections.abc import Mapping

import sympy as sp

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
    start = (-1.5, -1, -0.5, 0, 0.5, 1, 8)
    camps = (0, 0, 0, 5, 6, 8, 10)
    answer = sp.Symbol("answer", real=True)
    best = {loss: sp.Symbol(f"best_{loss}", real=True) for loss in ("L2", "Wing", "L1")}
    totals = {
        loss: sp.Add(*(LOSSES[loss].subs(x, answer - label) for label in given)) / 7
        for loss in best
    }
    across = Axis(-4, 12, "place [px]")
    lines = [
        Line([(at, 0.4), (at, 7.6)], look=loss, label=loss, width=3) for loss, at in best.items()
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
            "Drag a label",
            height=230 if costs else 270,
            wide=costs,
        )
    ]
    if costs:
        curves: list[Mark] = []
        for loss in ("L1", "Wing"):
            least = (best[loss], totals[loss].subs(answer, best[loss]))
            curves += [Curve(totals[loss], answer, look=loss), Dots([least], look=loss, size=5)]
        up = Axis(0, 24, "mean loss [px]")
        panels.append(
            Panel(
                curves,
                across,
                up,
                "What an answer costs (L2, in px², is not drawn)",
                height=190,
                wide=True,
            )
        )
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
        minima={at: Minimum(totals[loss], answer, -4, 12) for loss, at in best.items()},
    )
