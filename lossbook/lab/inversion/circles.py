"""A feature on its circle, which is dragged: the same picture for each idea, with what it adds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

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
)
from lossbook.lab.page.scene import Sentence
from lossbook.lab.page.sheet import Place

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

_CALLED = {"A": "margin", "C": "line-up × τ", "center": "centre"}


@dataclass(frozen=True)
class Idea:
    """What one of the pictures has.

    Attributes:
        name: Of the scene.
        title: Of the scene.
        losses: Those that pull, each with where its arrow begins, along the radius.
        rivals: How many templates of other people there are.
        at: Where the feature is at first: its angle, and its length where that is moved too.
        strongest: The end of the axis of the gradients' lengths.
        buttons: Angle, length, temperature and first rival by what they show.
    """

    name: str
    title: str
    losses: Mapping[str, Number]
    rivals: int
    at: tuple[Number, Number | None]
    strongest: int
    buttons: Mapping[str, tuple[Number, Number | None, Number | None, Number | None]]


IDEAS: Mapping[str, Idea] = {
    "length": Idea(
        "feature-length", "Push a feature round its circle, inwards and outwards",
        {"raw L2": 0, "normalised L2": 0}, 0, (0, 1.5), 6,
        {"right length, wrong way": (75, 1, None, None)},
    ),
    "margin": Idea(
        "feature-margin", "The same circle, with a rival",
        {"normalised L2": 0, "A": -0.16}, 1, (75, None), 2,
        {"into the green arc": (25, None, None, 110), "rival at 40°": (0, None, None, 40)},
    ),
    "temperature": Idea(
        "feature-temperature", "The same circle, with two rivals",
        {"A": -0.16, "C": -0.32}, 2, (75, None), 2, {"between two rivals": (130, None, 1, 110)},
    ),
    "all": Idea(
        "feature-circle", "All losses that pull at a feature, and the centre loss",
        {"raw L2": 0, "normalised L2": 0.14, "A": 0, "C": -0.14, "center": 0}, 2, (75, 1.4), 6,
        {"right way, too long": (0, 1.5, 0.1, 110), "margin holds": (25, 1, 0.1, 110)},
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
    losses that look at directions alone are tangents, and stand side by side. Arrow and bar of C
    are multiplied by its temperature, to be compared with A's.

    Args:
        idea: One of `IDEAS`.
    """
    of = IDEAS[idea]
    free = of.at[1] is not None
    length = _length if free else sp.Integer(1)
    negatives = [_on_circle(rival) for rival in _rivals[: of.rivals]]
    outward = _on_circle(_angle)
    place = tuple(length * along for along in outward)
    losses, pulls = _of_feature(tuple(of.losses), outward, length, negatives)
    sizes = {name: _tau if name == "C" else sp.Integer(1) for name in losses}

    arrows: list[Mark] = []
    for name, beside in of.losses.items():
        start = tuple(p + beside * o for p, o in zip(place, outward, strict=True))
        by = tuple(LENGTHEN * sizes[name] * along for along in pulls[name])
        arrows.append(Arrow(start, by, look=LOOKS[name], label=_called(name), width=3))
    moves = {_angle: _turned}
    if free:
        moves[_length] = sp.sqrt(pointer_x**2 + pointer_y**2)
    ring = [(float(np.cos(a)), float(np.sin(a))) for a in np.linspace(0, 2 * np.pi, 73)]
    end = 1.58 if free else 1.4
    picture = Panel(
        [
            *([_resting(_rivals[0])] if idea == "margin" else []),
            Line(ring, look="neutral", width=1, closed=True),
            Line([(0, 0), place], look="neutral", width=1, solid=True),
            Dots([(0, 0)], look="neutral", size=2.5),
            Dots([(1, 0)], look="ground truth", size=6),
            Text((1, 0), "t", look="ground truth", anchor="middle", shift=(16, 16)),
            *([Dots([CENTER], look="center", size=4)] if "center" in losses else []),
            *([Text(CENTER, "c", look="center", shift=(8, 8))] if "center" in losses else []),
            *arrows,
            *_named(outward, negatives, shared="C" in losses),
            Handle(place[0], place[1], moves, look="feature", label="feature"),
        ],
        Axis(-end, end),
        Axis(-end if free else -1.15, end),
        equal=True,
        frame=False,
    )
    strength = {_called(name): sizes[name] * sp.sqrt(a**2 + b**2) for name, (a, b) in pulls.items()}
    along = {
        name: sum(p * o for p, o in zip(pull, outward, strict=True)) for name, pull in pulls.items()
    }
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
    if "C" in losses:
        controls[_tau] = Range(0.01, 1, 0.1, label="temperature τ of the line-up", log=True)
    return Scene(
        of.name,
        of.title,
        controls,
        [
            picture,
            bars(
                strength,
                Axis(0, of.strongest, ticks=[0, of.strongest / 2, of.strongest]),
                title="Length of the gradient",
                looks={_called(name): LOOKS[name] for name in losses},
                format=".2f",
            ),
        ],
        _said(idea, losses, along, outward, negatives),
        [
            Button(name, dict(zip(_rivals[: of.rivals], _AT, strict=False)) | {
                s: v for s, v in zip((_angle, _length, _tau, _rivals[0]), to, strict=True)
                if v is not None})
            for name, to in of.buttons.items()
        ],
    )  # fmt: skip


def _called(name: str) -> str:
    """What the page calls a loss; of C the pull is shown, times its temperature."""
    return _CALLED.get(name, name)


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
        places, look="ground truth", label="where the margin loss is 0", width=11, solid=True
    )


def _named(
    outward: Place, negatives: Sequence[tuple[sp.Expr, sp.Expr]], *, shared: bool
) -> list[Mark]:
    """The rivals, each with its handle, its name and, if it is `shared`, its part of C's push."""
    cosines = [sum(o * n for o, n in zip(outward, one, strict=True)) for one in negatives]
    softmax = [sp.exp((one - sp.Max(*cosines)) / _tau) for one in cosines]
    marks: list[Mark] = []
    for number, (rival, at) in enumerate(zip(_rivals, negatives, strict=False), 1):
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


def _said(
    idea: str,
    losses: Mapping[str, sp.Expr],
    along: Mapping[str, sp.Expr],
    outward: Place,
    negatives: Sequence[tuple[sp.Expr, sp.Expr]],
) -> list[Sentence]:
    """What stands beneath the picture."""
    whose = (
        "The percentage at a rival is its share of the line-up's push, whose arrow and bar are "
        "both multiplied by τ. Arrows of one direction begin side by side."
    )
    far, values = (
        {"angle": sp.Abs(_angle), "length": _length},
        {
            {"raw L2": "raw", "normalised L2": "unit"}.get(name, name): v
            for name, v in losses.items()
        },
    )
    if idea == "margin":
        rival = sum(o * n for o, n in zip(outward, negatives[0], strict=True))
        return [(
            "The cosine is {own:.2f} with the template t and {rival:.2f} with the rival n₁, the "
            "template of somebody else. The lead is {lead:.2f}; to the margin of 0.35, "
            "{missing:.2f cosine margin} is missing: this is the margin loss. Arrows of one "
            "direction begin side by side.",
            {"own": outward[0], "rival": rival, "lead": outward[0] - rival, "missing": losses["A"]},
        )]  # fmt: skip
    if idea == "temperature":
        return [(
            "The margin loss is {A:.2f cosine margin}, the line-up's {C:.2f InfoNCE}. n₁ and n₂ "
            f"are rivals: templates of other people. {whose}", values,
        )]  # fmt: skip
    placed = "The feature is {angle:.0f}° from the template, and its length is {length:.2f}. "
    if idea == "length":
        return [(
            placed + "Raw L2 is {raw:.2f raw L2}, normalised L2 is {unit:.2f normalised L2}. Along "
            "the radius, raw L2 pulls with {pull:.2f raw L2} (below 0 means inwards), normalised "
            "L2 with 0.",
            {**far, **values, "pull": along["raw L2"]},
        )]  # fmt: skip
    return [
        (
            placed + "Losses: {raw:.2f raw L2} raw L2, {unit:.2f normalised L2} normalised L2, "
            "{A:.2f cosine margin} margin, {C:.2f InfoNCE} line-up, {center:.2f center} centre.",
            {**far, **values},
        ),
        (
            "Along the radius, raw L2 pulls with {pull:.2f raw L2} and the centre loss with "
            f"{{middle:.2f center}} (below 0 means inwards), the other three with 0. {whose}",
            {"pull": along["raw L2"], "middle": along["center"]},
        ),
    ]


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
