"""The objects to move that show labels: how wide their errors are, and which of two is heard."""

from __future__ import annotations

from collections.abc import Mapping

import sympy as sp

from lossbook.hands import symbolic
from lossbook.lab.page.marks import Mark
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
    shares,
)

__all__ = ["CROP_A_MM", "STUCK", "TIP_LABELS", "confidence", "own_confidence", "pulls"]

TIP_LABELS: Mapping[str, float] = {"3d": 0.0, "2d": 6.0}
"""Where two labels want a fingertip, in millimetres along a line."""
CROP_A_MM = 0.004
"""Of the crop's side, what a millimetre is in the picture."""
LET_GO_MM = 0.1
"""How far before its label a fingertip that was let go is drawn."""
PACE_MM = 0.08
"""How far it goes in a step: one label's pull alone does not grow or fade on the way."""
ARROW_MM = 800
"""How long the arrow of a pull of 1 per mm would be, in millimetres."""
LONGEST = 0.006
"""The pull at which an arrow is cut: just longer than that of 2D."""
STUCK = 0.05
"""The value of a term that cannot get smaller."""


_X, _C, _AT = symbolic.x, symbolic.c, sp.Symbol("at", real=True)
"""Any error, the chosen confidence, and the error that is looked at."""
_ANY = sp.Symbol("chosen", positive=True)
"""Any confidence."""
_WHOLE = symbolic.LAPLACE_NLL.subs(symbolic.s, 1)
_MEAN = "Labels of this confidence err by {mean:.1f} s on average."
_COSTS = (
    "With this confidence the error costs {a:.2f weighted L1} by c |x| and "
    "{b:.2f Laplace} by \N{MINUS SIGN}ln p."
)


def confidence() -> Scene:
    """How wide the errors of a confidence are."""
    chosen = {_C: Range(0.05, 1, 0.5, 0.05, label="confidence c")}
    told = [(_MEAN, {"mean": 1 / _C})]
    return Scene("confidence", "A confidence is a width", chosen, [_how_often()], told)


def _how_often() -> Panel:
    """The density of errors, with the chosen confidence and with the largest."""
    density = sp.exp(-_WHOLE)
    one = density.subs(_C, 1)
    average = [(sign / _C, density.subs(_X, sign / _C)) for sign in (-1, 1)]
    marks: list[Mark] = [
        Curve(one, _X, look="baseline", width=1.5, label="confidence 1"),
        Curve(density, _X, look="neutral", label="the chosen confidence"),
        Dots(average, look="neutral", size=5, label="its average error, s / c"),
    ]
    across = Axis(-20, 20, "error x, in units of s")
    up = Axis(0, 0.52, "density · s")
    return Panel(marks, across, up, "How often such an error comes", wide=True, height=300)


def own_confidence() -> Scene:
    """What an error costs at each confidence, for a network that may choose."""
    weighted, whole = symbolic.WEIGHTED_L1.subs(_X, _AT), _WHOLE.subs(_X, _AT)
    return Scene(
        "own-confidence",
        "The network chooses the confidence",
        {
            _C: Range(0.05, 1, 0.8, 0.05, label="confidence c"),
            _AT: Range(0, 12, 6, 0.1, "× s", "its error is"),
        },
        [_at_each_confidence()],
        [(_COSTS, {"a": weighted, "b": whole})],
    )


def _at_each_confidence() -> Panel:
    """What the error costs, where the chosen confidence is, and which would be the cheapest."""
    losses = {
        "weighted L1": (symbolic.WEIGHTED_L1, "weighted L1, c |x|"),
        "Laplace": (_WHOLE, "\N{MINUS SIGN}ln p"),
    }
    marks: list[Mark] = []
    for look, (loss, label) in losses.items():
        cost = loss.subs({_X: _AT, _C: _ANY})
        marks.append(Curve(cost, _ANY, look=look, span=(0.02, 1), label=label))
    for look, (loss, _) in losses.items():
        marks.append(Dots([(_C, loss.subs(_X, _AT))], look=look, size=5))
    cheapest = 1 / sp.Max(1, sp.Abs(_AT))
    least = _WHOLE.subs({_X: _AT, _C: cheapest})
    ring = Dots([(cheapest, least)], look="Laplace", size=9, hollow=True, label="cheapest")
    marks.append(ring)
    across, up = Axis(0, 1.04, "confidence c", ticks=[0, 0.5, 1]), Axis(0, 13, "cost, s = 1")
    return Panel(marks, across, up, "What it costs at each confidence", wide=True, height=300)


_TIP = sp.Symbol("x", real=True)
_METRES, _STUCK = sp.symbols("metres stuck", integer=True)
_UNIT = sp.Piecewise((sp.Rational(1, 1000), _METRES > 0), (1, True))
_VALUES = {
    "3D": _UNIT * sp.Abs(_TIP - TIP_LABELS["3d"]),
    "2D": CROP_A_MM * sp.Abs(_TIP - TIP_LABELS["2d"]),
    "third": sp.Piecewise((STUCK, _STUCK > 0), (0, True)),
}
_SLOPES = {name: value.diff(_TIP) for name, value in _VALUES.items()}
_LOOKS = {"3D": "3d_joint", "2D": "2d", "third": "neutral"}
_CHANGES = "Per millimetre the loss of 3D changes by {a:.4f}, that of 2D by {b:.4f}."


def pulls() -> Scene:
    """One fingertip between two labels: who has the value, who has the slope, and who gets it."""
    sizes = {name: sp.Abs(slope) for name, slope in _SLOPES.items()}
    end = sp.Piecewise((_let_go(1), _METRES > 0), (_let_go(0), True))
    return Scene(
        "pulls",
        "A fingertip between two labels",
        {
            _TIP: Range(-5, 11, 1, 0.1, "mm", "the fingertip is at"),
            _METRES: Choice("3D in", ("millimetres", "metres"), 1),
            _STUCK: Switch("a third term, which cannot get smaller"),
        },
        [
            _between(),
            shares(_VALUES, "Share of the loss", looks=_LOOKS, format=".0%"),
            shares(sizes, "Share of the pull", looks=_LOOKS, format=".0%"),
        ],
        [(_CHANGES, {"a": sizes["3D"], "b": sizes["2D"]})],
        [Button("let go", {_TIP: _TIP + sp.Max(-PACE_MM, sp.Min(PACE_MM, end - _TIP))}, times=200)],
    )


def _let_go(metres: int) -> float:
    """Where the sum is least, but for a little: on the label itself a loss has no slope."""
    first, last = sorted(TIP_LABELS.values())
    near = {first: first + LET_GO_MM, last: last - LET_GO_MM}
    whole = sp.Add(*_VALUES.values()).subs({_METRES: metres, _STUCK: 0})
    return near[min(near, key=lambda place: float(whole.subs(_TIP, place)))]


def _between() -> Panel:
    """The fingertip between its labels, and how hard each pulls."""
    marks: list[Mark] = [Line([(-7.5, 0), (13.5, 0)], look="neutral", solid=True, width=1)]
    for name, y in (("3D", 0.9), ("2D", -0.9)):
        at = TIP_LABELS[name.lower()]
        marks.append(Dots([(at, 0)], look=_LOOKS[name], size=6))
        marks.append(Text((at, y), f"{name} label", anchor="middle", shift=(0, 4)))
    for name, y in (("3D", 0.45), ("2D", -0.45)):
        pull = sp.Max(-LONGEST, sp.Min(LONGEST, _SLOPES[name]))
        by = (-ARROW_MM * pull, 0)
        marks.append(Arrow((_TIP, y), by, look=_LOOKS[name], label=f"pull of {name}"))
    # Written where the arrow is cut.
    cut = sp.Piecewise((_TIP, sp.Abs(_SLOPES["3D"]) > LONGEST), (sp.nan, True))
    told = {"r": sp.Abs(_SLOPES["3D"] / _SLOPES["2D"])}
    marks.append(Text((cut, 0.45), "cut: {r:.0f} × 2D", told, look=_LOOKS["3D"], shift=(10, 4)))
    tip = Dots([(_TIP, 0)], look="predicted hand", label="predicted fingertip", size=8, hollow=True)
    marks.append(tip)
    return Panel(marks, Axis(-8, 14), Axis(-1.2, 1.2), frame=False, wide=True, height=130)
