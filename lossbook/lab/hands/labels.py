"""The objects to move that show labels: how wide their errors are, and which of two is heard."""

from __future__ import annotations

from collections.abc import Mapping

import sympy as sp

from lossbook.hands import symbolic
from lossbook.lab.page.objects import (
    Arrow,
    Axis,
    Button,
    Choice,
    Curve,
    Dots,
    Line,
    Panel,
    Range,
    Scene,
    Switch,
    Text,
    bars,
)

__all__ = ["CROP_A_MM", "STUCK", "TIP_LABELS", "confidence", "pulls"]

TIP_LABELS: Mapping[str, float] = {"3d": 0.0, "2d": 6.0}
"""Where two labels want a fingertip, in millimetres along a line."""
CROP_A_MM = 0.004
"""Of the crop's side, what a millimetre is in the picture."""
LET_GO_MM = 0.1
"""How far before its label a fingertip that was let go is drawn."""
ARROW_MM = 800
"""How long the arrow of a pull of 1 per mm would be, in millimetres."""
LONGEST = 0.006
"""The pull at which an arrow is cut: just longer than that of 2D."""
STUCK = 0.05
"""The value of a term that cannot get smaller."""


def confidence() -> Scene:
    """How wide errors of a confidence are, and what an error costs."""
    x, c, at = symbolic.x, symbolic.c, sp.Symbol("at", real=True)
    chosen = sp.Symbol("chosen", positive=True)
    whole = symbolic.LAPLACE_NLL.subs(symbolic.s, 1)
    weighted = symbolic.WEIGHTED_L1
    density = sp.exp(-whole)
    across = Axis(-20, 20, "error x, in units of s")
    here = {x: at}
    by_confidence = {x: at, c: chosen}
    cheapest = 1 / sp.Max(1, sp.Abs(at))
    least = whole.subs({x: at, c: cheapest})
    return Scene(
        "confidence",
        "A confidence is a width",
        {
            c: Range(0.05, 1, 0.5, 0.05, label="confidence"),
            at: Range(-12, 12, 2, 0.1, "s", "an error of"),
        },
        [
            Panel(
                [
                    Curve(
                        density.subs(c, 1), x, look="neutral", width=1, label="thin: confidence 1"
                    ),
                    Curve(density, x, look="neutral", label="thick: the chosen one"),
                    Dots([(at, density.subs(here))], look="neutral", size=5),
                ],
                across,
                Axis(0, 0.52),
                "How often such an error comes",
            ),
            Panel(
                [
                    Curve(
                        weighted.subs(by_confidence),
                        chosen,
                        look="weighted L1",
                        span=(0.02, 1),
                        label="weighted L1, c |x|",
                    ),
                    Curve(
                        whole.subs(by_confidence),
                        chosen,
                        look="Laplace",
                        span=(0.02, 1),
                        label="\N{MINUS SIGN}ln p",
                    ),
                    Dots([(c, weighted.subs(here))], look="weighted L1", size=5),
                    Dots([(c, whole.subs(here))], look="Laplace", size=5),
                    Dots([(cheapest, least)], look="Laplace", size=9, hollow=True),
                ],
                Axis(0, 1, "confidence c"),
                Axis(0, 13),
                "What it costs at each confidence",
            ),
        ],
        [
            (
                "Labels of this confidence err by {mean:.1f} s on average. The error costs "
                "{a:.2f weighted L1} with the weighted L1 and {b:.2f Laplace} with "
                "\N{MINUS SIGN}ln p.",
                {"mean": 1 / c, "a": weighted.subs(here), "b": whole.subs(here)},
            )
        ],
        [Button("sure", {c: 1}), Button("hidden", {c: 0.1, at: 10})],
    )


def pulls() -> Scene:
    """One fingertip between two labels: who has the value, who has the slope, and who gets it."""
    x = sp.Symbol("x", real=True)
    metres, stuck = sp.Symbol("metres", integer=True), sp.Symbol("stuck", integer=True)
    unit = sp.Piecewise((sp.Rational(1, 1000), metres > 0), (1, True))
    values = {
        "3D": unit * sp.Abs(x - TIP_LABELS["3d"]),
        "2D": CROP_A_MM * sp.Abs(x - TIP_LABELS["2d"]),
        "third": sp.Piecewise((STUCK, stuck > 0), (0, True)),
    }
    slopes = {name: value.diff(x) for name, value in values.items()}
    whole = sp.Add(*values.values())
    pull = sp.Add(*map(sp.Abs, slopes.values()))
    looks = {"3D": "3d_joint", "2D": "2d", "third": "neutral"}
    # Where the sum is least, but for a little: on the label itself a loss has no slope.
    first, last = sorted(TIP_LABELS.values())
    near = {first: first + LET_GO_MM, last: last - LET_GO_MM}

    def ends(metres_: int) -> float:
        here = whole.subs({metres: metres_, stuck: 0})
        return near[min(near, key=lambda place: float(here.subs(x, place)))]

    end = sp.Piecewise((ends(1), metres > 0), (ends(0), True))
    arrows = [
        Arrow((x, y), (-ARROW_MM * cut, 0), look=looks[name], label=f"pull of {name}")
        for name, y in (("3D", 0.45), ("2D", -0.45))
        for cut in (sp.Max(-LONGEST, sp.Min(LONGEST, slopes[name])),)
    ]
    labels = [
        mark
        for name, key, y in (("3D", "3d", 0.9), ("2D", "2d", -0.9))
        for mark in (
            Dots([(TIP_LABELS[key], 0)], look=looks[name], size=6),
            Text((TIP_LABELS[key], y), f"{name} label", anchor="middle", shift=(0, 4)),
        )
    ]
    return Scene(
        "pulls",
        "A fingertip between two labels",
        {
            x: Range(-5, 11, 1, 0.1, "mm", "the fingertip is at"),
            metres: Choice("3D in", ("millimetres", "metres"), 1),
            stuck: Switch("a third term, which cannot get smaller"),
        },
        [
            Panel(
                [
                    Line([(-7.5, 0), (13.5, 0)], look="neutral", solid=True, width=1),
                    *labels,
                    *arrows,
                    Dots([(x, 0)], look="predicted hand", label="predicted fingertip", size=7),
                ],
                Axis(-8, 14),
                Axis(-1.2, 1.2),
                frame=False,
                wide=True,
                height=130,
            ),
            bars(
                {name: value / whole for name, value in values.items()},
                Axis(0, 1),
                title="Share of the loss",
                looks=looks,
                format=".0%",
            ),
            bars(
                {name: sp.Abs(slope) / pull for name, slope in slopes.items()},
                Axis(0, 1),
                title="Share of the pull",
                looks=looks,
                format=".0%",
            ),
        ],
        [
            (
                "Per millimetre the loss of 3D changes by {a:.4f}, that of 2D by {b:.4f}. "
                f"Arrows are cut at {LONGEST}.",
                {"a": sp.Abs(slopes["3D"]), "b": sp.Abs(slopes["2D"])},
            )
        ],
        [Button("let go", {x: end})],
    )
