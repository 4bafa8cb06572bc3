"""A feature on its circle, which is dragged: the same picture for each idea, with what it adds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import sympy as sp

from lossbook.inversion import symbolic
from lossbook.lab.page.controls import Control
from lossbook.lab.page.formulas import Number, derivative
from lossbook.lab.page.marks import Mark
from lossbook.lab.page.objects import (
    Arrow,
    Axis,
    Button,
    Dots,
    Handle,
    Line,
    Panel,
    Range,
    Scene,
    Text,
    bars,
    pointer_x,
    pointer_y,
    view,
)
from lossbook.lab.page.scene import Sentence

__all__ = ["CENTER", "IDEAS", "LENGTHEN", "LOOKS", "MARGIN", "circle"]

MARGIN = 0.35
"""Of scheme A, as documented."""
CENTER = (0.65, -0.35)
"""Where the center of the person's features lies, the template being at (1, 0)."""
LENGTHEN = 0.4
"""How long the arrow of a pull of 1 is."""
LOOKS: Mapping[str, str] = {
    "raw L2": "raw L2",
    "normalised L2": "normalised L2",
    "A": "cosine margin",
    "C": "InfoNCE",
    "center": "center",
}
"""The losses that pull at a feature, and their names in the palette."""

_CALLED = {"A": "margin", "C": "line-up", "center": "centre"}


@dataclass(frozen=True)
class Idea:
    """What one of the pictures has.

    Attributes:
        name: Of the scene.
        title: Of the scene.
        losses: Those that pull, each with where its arrow begins, along the radius.
        rivals: How many templates of other people there are.
        at: Where the feature is at first: its angle, and its length where that is moved too.
        strongest: The end of the axis of the bars.
        buttons: Angle, length, temperature and rivals by what they show; rivals that are not
            named are as at first.
    """

    name: str
    title: str
    losses: Mapping[str, Number]
    rivals: int
    at: tuple[Number, Number | None]
    strongest: int
    buttons: Mapping[str, Sequence[Number | None]]

    @cached_property
    def length(self) -> sp.Expr:
        """Of the feature."""
        return sp.Integer(1) if self.at[1] is None else _length

    @cached_property
    def outward(self) -> tuple[sp.Expr, sp.Expr]:
        """The feature's direction."""
        return _on_circle(_angle)

    @cached_property
    def place(self) -> tuple[sp.Expr, sp.Expr]:
        """The feature."""
        return self.length * self.outward[0], self.length * self.outward[1]

    @cached_property
    def negatives(self) -> list[tuple[sp.Expr, sp.Expr]]:
        """The templates of other people."""
        return [_on_circle(rival) for rival in _rivals[: self.rivals]]

    @cached_property
    def cosines(self) -> list[sp.Expr]:
        """Of the feature with each of them."""
        return [
            sum(o * n for o, n in zip(self.outward, one, strict=True)) for one in self.negatives
        ]

    @cached_property
    def costs(self) -> Mapping[str, sp.Expr]:
        """Each loss of the feature."""
        return self._losses_and_pulls[0]

    @cached_property
    def pulls(self) -> Mapping[str, tuple[sp.Expr, sp.Expr]]:
        """Each loss's pull at the feature."""
        return self._losses_and_pulls[1]

    @cached_property
    def _losses_and_pulls(
        self,
    ) -> tuple[dict[str, sp.Expr], dict[str, tuple[sp.Expr, sp.Expr]]]:
        return _of_feature(tuple(self.losses), self.outward, self.length, self.negatives)

    def strength(self, name: str) -> sp.Expr:
        """How long a loss's gradient is."""
        return sp.sqrt(sum(part**2 for part in self.pulls[name]))

    @cached_property
    def along(self) -> Mapping[str, sp.Expr]:
        """Each pull along the radius."""
        return {
            name: sum(p * o for p, o in zip(pull, self.outward, strict=True))
            for name, pull in self.pulls.items()
        }


IDEAS: Mapping[str, Idea] = {
    "length": Idea(
        "feature-length", "Push a feature round its circle, inwards and outwards",
        {"raw L2": 0, "normalised L2": 0}, 0, (0, 1.5), 6,
        {"right length, wrong way": (75, 1)},
    ),
    "margin": Idea(
        "feature-margin", "The same circle, with a rival",
        {"normalised L2": 0, "A": -0.16}, 1, (75, None), 2,
        {"into the green arc": (25,), "rival at 40°": (0, None, None, 40)},
    ),
    "temperature": Idea(
        "feature-temperature", "The same circle, with two rivals",
        {"A": -0.16, "C": -0.32}, 2, (75, None), 20,
        {"between two rivals": (130, None, 1), "rivals on both sides": (0, None, 1, 40, -61)},
    ),
    "all": Idea(
        "feature-circle", "All losses that pull at a feature, and the centre loss",
        {"raw L2": 0, "normalised L2": 0.14, "A": 0, "C": -0.14, "center": 0}, 2, (75, 1.4), 20,
        {"right way, too long": (0, 1.5, 0.1), "margin holds": (25, 1, 0.1)},
    ),
}  # fmt: skip
"""By what they are about."""

_angle, _length = sp.Symbol("angle", real=True), sp.Symbol("r", positive=True)
_rivals = sp.symbols("n1 n2", real=True)
_turned = sp.atan2(pointer_y, pointer_x) * 180 / sp.pi
_tau = symbolic.tau
_AT = (110, 151)
"""The angles of the rivals at first."""


def circle(idea: str) -> Scene:
    """A feature in the plane of its template, which is dragged, and where each loss pulls it.

    Template and rivals have length 1. An arrow is minus the gradient by the feature; those of the
    losses that look at directions alone are tangents, and stand side by side. The arrow of C is
    multiplied by its temperature, so that it can be compared with A's at any and stays in the
    picture; a bar is as long as the gradient itself.

    Args:
        idea: One of `IDEAS`.
    """
    of = IDEAS[idea]
    end = of.strongest
    strengths = bars(
        {_CALLED.get(name, name): of.strength(name) for name in of.pulls},
        Axis(0, end, ticks=[0, end / 2, end]),
        title="Length of the gradient",
        looks={_CALLED.get(name, name): LOOKS[name] for name in of.losses},
        format=".1f" if "C" in of.losses else ".2f",
    )
    buttons = [Button(name, _preset(of, to)) for name, to in of.buttons.items()]
    return Scene(of.name, of.title, _knobs(of), [_picture(of), strengths], _said(idea), buttons)


def _size(name: str) -> sp.Expr:
    """What a loss's arrow is multiplied by."""
    return _tau if name == "C" else sp.Integer(1)


def _picture(of: Idea) -> Panel:
    """The circle with its templates, and the feature with what pulls at it."""
    ring = [(float(np.cos(a)), float(np.sin(a))) for a in np.linspace(0, 2 * np.pi, 73)]
    marks: list[Mark] = [
        Line(ring, look="neutral", width=1, closed=True),
        Line([(0, 0), of.place], look="neutral", width=1, solid=True),
        Dots([(0, 0)], look="neutral", size=2.5),
        Dots([(1, 0)], look="ground truth", size=7),
        Text((1, 0), "t", look="ground truth", anchor="middle", shift=(16, 16)),
    ]
    if of.rivals == 1:
        marks.insert(0, _resting(_rivals[0]))
    if "center" in of.losses:
        marks.append(Dots([CENTER], look="center", size=4))
        marks.append(Text(CENTER, "c", look="center", shift=(8, 8)))
    marks += [*_arrows(of), *_named(of), _feature(of)]
    end, low = (1.4, -1.15) if of.at[1] is None else (1.75, -1.75)
    return view(marks, Axis(-end, end), Axis(low, end))


def _arrows(of: Idea) -> list[Mark]:
    """The pulls, side by side where they would lie on each other."""
    marks: list[Mark] = []
    for name, beside in of.losses.items():
        start = tuple(p + beside * o for p, o in zip(of.place, of.outward, strict=True))
        by = tuple(LENGTHEN * _size(name) * along for along in of.pulls[name])
        marks.append(Arrow(start, by, look=LOOKS[name], label=_called(name), width=3))
    return marks


def _feature(of: Idea) -> Handle:
    """The feature, dragged round its circle or, where its length is moved too, anywhere."""
    moves = {_angle: _turned}
    if of.at[1] is not None:
        moves[_length] = sp.sqrt(pointer_x**2 + pointer_y**2)
    return Handle(*of.place, moves, look="feature", label="feature")


def _knobs(of: Idea) -> dict[sp.Symbol, Control]:
    """What is moved: the feature, its rivals, and the temperature of the line-up."""
    controls: dict[sp.Symbol, Control] = {
        # No feature is as near to one rival as to the other: even, odd, whole degrees.
        _angle: Range(-180, 180, of.at[0], 1, "°", "angle from the template"),
    }
    if of.at[1] is not None:
        controls[_length] = Range(0.4, 1.55, of.at[1], 0.05, "", "length")
    first_last = ((-180, 180), (-179, 179))
    for number, (rival, ends, at) in enumerate(zip(_rivals, first_last, _AT, strict=True), 1):
        if number <= of.rivals:
            controls[rival] = Range(*ends, at, 2, "°", f"rival {number}, angle from the template")
    if "C" in of.losses:
        controls[_tau] = Range(0.05, 1, 0.1, 0.05, label="temperature τ of the line-up")
    return controls


def _preset(of: Idea, to: Sequence[Number | None]) -> dict[sp.Symbol, Number]:
    """What a button sets: its angle, length, τ and rivals, and the other rivals as at first."""
    rivals: dict[sp.Symbol, Number] = dict(zip(_rivals[: of.rivals], _AT, strict=False))
    chosen = zip((_angle, _length, _tau, *_rivals), to, strict=False)
    return rivals | {symbol: value for symbol, value in chosen if value is not None}


def _called(name: str) -> str:
    """What the page calls a loss's arrow, and that C's is multiplied by its temperature."""
    return _CALLED.get(name, name) + " (arrow: × τ)" * (name == "C")


def _on_circle(degrees: sp.Expr) -> tuple[sp.Expr, sp.Expr]:
    turn = degrees * sp.pi / 180
    return sp.cos(turn), sp.sin(turn)


def _resting(rival: sp.Symbol) -> Mark:
    """The arc where A is 0.

    The lead cos(a) - cos(a - n) is 2 sin(n / 2) sin(n / 2 - a): largest a right angle from n / 2.
    """
    widest = sp.Max(2 * sp.Abs(sp.sin(rival * sp.pi / 360)), MARGIN)
    half = sp.acos(MARGIN / widest) * 180 / sp.pi
    middle = rival / 2 - sp.Piecewise((90, rival > 0), (-90, True))
    places = [_on_circle(middle + half * sp.Rational(k, 24)) for k in range(-24, 25)]
    return Line(
        places, look="ground truth", label="where the margin loss is 0", width=5, solid=True
    )


def _named(of: Idea) -> list[Mark]:
    """The rivals, each with its handle and its name and, with C, its part of C's push."""
    shared = "C" in of.losses
    softmax = [sp.exp((one - sp.Max(*of.cosines)) / _tau) for one in of.cosines]
    marks: list[Mark] = []
    for number, (rival, at) in enumerate(zip(_rivals, of.negatives, strict=False), 1):
        name, outside = "n" + "₁₂"[number - 1], tuple(1.25 * along for along in at)
        up = -8 if shared else 0
        marks.append(Text(outside, name, look="neutral", anchor="middle", shift=(0, up)))
        if shared:
            part = {"p": softmax[number - 1] / sp.Add(*softmax)}
            marks.append(
                Text(outside, "{p:.0%}", part, look="InfoNCE", anchor="middle", shift=(0, 8))
            )
        marks.append(
            Handle(at[0], at[1], {rival: _turned}, look="neutral", title=f"rival {number}")
        )
    return marks


_WHOSE = (
    " The percentage at a rival is its share of the rivals' push. The line-up's arrow is its "
    "gradient times τ; its bar is the gradient itself, cut at 20."
)
_PLACED = "The feature is {angle:.0f}° from the template, and its length is {length:.2f}. "
_TEXTS: Mapping[str, Sequence[str]] = {
    "length": (
        _PLACED + "Raw L2 is {raw:.2f raw L2}, normalised L2 is {unit:.2f normalised L2}. Along "
        "the radius, raw L2 pulls with {pull:.2f raw L2} (below 0 means inwards), normalised "
        "L2 with 0.",
    ),
    "margin": (
        "The cosine is {own:.2f} with the template t and {rival:.2f} with the rival n₁, the "
        "template of somebody else. The lead is {lead:.2f}; to the margin of 0.35, "
        "{A:.2f cosine margin} is missing: this is the margin loss. Arrows of one "
        "direction begin side by side.",
    ),
    "temperature": (
        "The feature is {angle:.0f}° from the template. The margin loss is {A:.2f cosine margin}, "
        "the line-up's {C:.2f InfoNCE}. n₁ and n₂ are rivals; both can be dragged." + _WHOSE,
    ),
    "all": (
        _PLACED + "Losses: {raw:.2f raw L2} raw L2, {unit:.2f normalised L2} normalised L2, "
        "{A:.2f cosine margin} margin, {C:.2f InfoNCE} line-up, {center:.2f center} centre.",
        "Along the radius, raw L2 pulls with {pull:.2f raw L2} and the centre loss with "
        "{middle:.2f center} (below 0 means inwards), the other three with 0." + _WHOSE,
    ),
}
"""What stands beneath each of the pictures."""


def _said(idea: str) -> list[Sentence]:
    """What stands beneath the picture, and the numbers that there are in it."""
    of = IDEAS[idea]
    short = {"raw L2": "raw", "normalised L2": "unit"}
    values = {short.get(name, name): cost for name, cost in of.costs.items()}
    values |= {"angle": sp.Abs(_angle), "length": of.length}
    pulls = {"raw L2": "pull", "center": "middle"}
    values |= {pulls[name]: pull for name, pull in of.along.items() if name in pulls}
    if of.negatives:
        own, rival = of.outward[0], of.cosines[0]
        values |= {"own": own, "rival": rival, "lead": own - rival}
    return [(text, values) for text in _TEXTS[idea]]


def _of_feature(
    names: Sequence[str],
    outward: tuple[sp.Expr, sp.Expr],
    length: sp.Expr,
    negatives: Sequence[tuple[sp.Expr, sp.Expr]],
) -> tuple[dict[str, sp.Expr], dict[str, tuple[sp.Expr, sp.Expr]]]:
    """Each loss and its pull, minus the gradient, of a feature with a direction and a length."""
    u, v = sp.symbols("u v", real=True)
    feature, template = np.array([[u, v]]), np.array([[sp.Integer(1), sp.Integer(0)]])
    others, center = np.array(negatives), np.array([[sp.nsimplify(along) for along in CENTER]])
    made = {
        "raw L2": lambda: symbolic.feature_l2(feature, template),
        "normalised L2": lambda: symbolic.feature_l2(feature, template, normalized=True),
        "A": lambda: symbolic.cosine_margin(feature, template, others, margin=MARGIN),
        "C": lambda: symbolic.info_nce(feature, template, others, temperature=_tau),
        "center": lambda: symbolic.center(feature, center),
    }
    losses = {name: made[name]() for name in names}
    ones = {a**2 + b**2: 1 for a, b in negatives}

    def placed(formula: sp.Expr) -> sp.Expr:
        short = formula.subs({u**2 + v**2: length**2, **ones})
        return short.subs({u: length * outward[0], v: length * outward[1]})

    def pull(loss: sp.Expr) -> tuple[sp.Expr, sp.Expr]:
        by_u, by_v = (placed(-derivative(loss.subs(ones), by)) for by in (u, v))
        return by_u, by_v

    return {n: placed(loss) for n, loss in losses.items()}, {n: pull(f) for n, f in losses.items()}
