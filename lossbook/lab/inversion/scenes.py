"""The objects to move of inversion: a feature on its circle, learned weights of tasks, λ(t)."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import sympy as sp

from lossbook.inversion import symbolic
from lossbook.lab.page.formulas import Number, derivative
from lossbook.lab.page.marks import Mark
from lossbook.lab.page.objects import (
    Arrow,
    Axis,
    Button,
    Choice,
    Curve,
    Dots,
    Handle,
    Line,
    Minimum,
    Panel,
    Range,
    Scene,
    Text,
    bars,
    pointer_x,
    pointer_y,
)
from lossbook.lab.page.sheet import Place

__all__ = ["CENTER", "LOOKS", "MARGIN", "RATE", "circle", "schedules", "task_weights"]

MARGIN = 0.35
"""Of scheme A, as documented."""
CENTER = (0.65, -0.35)
"""Where the center of the person's features lies, the template being at (1, 0)."""
RATE = 0.1
"""Learning rate of the weights of tasks."""
LOOKS: Mapping[str, str] = {
    "raw L2": "L2",
    "normalised L2": "normalised L2",
    "A": "cosine margin",
    "C": "InfoNCE",
    "center": "center",
}
"""The losses that pull at a feature, and their names in the palette."""

_CALLED = {"A": "A: margin", "C": "C: InfoNCE × τ", "center": "centre"}
_NAMES = {name: _CALLED.get(name, name) for name in LOOKS}
"""What the page calls the losses; of C the pull is shown, times its temperature."""
_PAIR = len(LOOKS) + 1
"""The choice of arrows that a reader meets first: of raw and of normalised L2."""
_LENGTHEN = 0.4
"""How long the arrow of a pull of 1 is."""


def circle() -> Scene:
    """A feature in the plane of its template, which is dragged, and where each loss pulls it.

    Template and negatives have length 1. An arrow is minus the gradient by the feature; those of
    the losses that look at directions alone are tangents, and stand side by side where all are
    drawn. Arrow and bar of C are multiplied by its temperature, to be compared with A's.
    """
    angle, length = sp.Symbol("angle", real=True), sp.Symbol("r", positive=True)
    others, tau = sp.symbols("n1 n2", real=True), symbolic.tau
    shown = sp.Symbol("shown", integer=True)
    negatives = [_on_circle(other) for other in others]
    outward = _on_circle(angle)
    place = tuple(length * along for along in outward)
    losses, pulls = _of_feature(outward, length, negatives)

    arrows: list[Mark] = []
    aside = {"normalised L2": 0.14, "C": -0.14}
    for number, (name, look) in enumerate(LOOKS.items(), 1):
        wanted = (shown < 1) | sp.Eq(shown, number)
        if number <= 2:
            wanted |= sp.Eq(shown, _PAIR)
        seen = sp.Piecewise((1, wanted), (0, True))
        beside = sp.Piecewise((aside.get(name, 0), shown < 1), (0, True))
        start = tuple(p + beside * o for p, o in zip(place, outward, strict=True))
        longer = _LENGTHEN * (tau if name == "C" else 1) * seen
        by = tuple(longer * along for along in pulls[name])
        arrows.append(Arrow(start, by, look=look, label=_NAMES[name], width=3))

    cosines = [sum(o * n for o, n in zip(outward, one, strict=True)) for one in negatives]
    softmax = [sp.exp((one - sp.Max(*cosines)) / tau) for one in cosines]
    shares = [each / sp.Add(*softmax) for each in softmax]
    names: list[Mark] = [
        Text((1, 0), "t", look="ground truth", shift=(9, -9)),
        Text(CENTER, "c", look="center", shift=(8, 8)),
    ]
    dragged: list[Mark] = []
    for number, (other, at, share) in enumerate(zip(others, negatives, shares, strict=True), 1):
        name, outside = "n" + "₁₂"[number - 1], tuple(1.4 * along for along in at)
        names.append(Text(outside, name, look="neutral", anchor="middle", shift=(0, -8)))
        names.append(
            Text(outside, "{p:.0%}", {"p": share}, look="InfoNCE", anchor="middle", shift=(0, 8))
        )
        dragged.append(
            Handle(at[0], at[1], {other: _ANGLE}, look="neutral", title=f"negative {number}")
        )
    ring = [(float(np.cos(a)), float(np.sin(a))) for a in np.linspace(0, 2 * np.pi, 73)]
    picture = Panel(
        [
            Line(ring, look="neutral", width=1, closed=True),
            Line([(0, 0), place], look="neutral", width=1, solid=True),
            Dots([(0, 0)], look="neutral", size=2.5),
            Dots([(1, 0)], look="ground truth", size=6),
            Dots([CENTER], look="center", size=4),
            *arrows,
            *names,
            *dragged,
            Handle(
                place[0],
                place[1],
                {angle: _ANGLE, length: sp.sqrt(pointer_x**2 + pointer_y**2)},
                look="feature",
                label="feature",
            ),
        ],
        Axis(-1.9, 1.9),
        Axis(-1.9, 1.9),
        equal=True,
        frame=False,
    )
    strength = {
        name: (tau if name == "C" else 1) * sp.sqrt(a**2 + b**2) for name, (a, b) in pulls.items()
    }
    along = {name: sum(p * o for p, o in zip(pulls[name], outward, strict=True)) for name in LOOKS}
    return Scene(
        "feature-circle",
        "Push a feature round its circle",
        {
            # No feature is as near to one negative as to the other: even, odd, whole degrees.
            angle: Range(-180, 180, 75, 1, "°", "angle from the template"),
            length: Range(0.4, 1.8, 1.4, 0.05, "", "length"),
            others[0]: Range(-180, 180, 110, 2, "°", "negative 1, angle from the template"),
            others[1]: Range(-179, 179, 151, 2, "°", "negative 2, angle from the template"),
            tau: Range(0.05, 1, 0.1, label="temperature τ of C", log=True),
            shown: Choice("arrows of", ("all", *_NAMES.values(), "raw and normalised L2"), _PAIR),
        },
        [
            picture,
            bars(
                {_NAMES[name]: pull for name, pull in strength.items()},
                Axis(0.01, 100, log=True, ticks=[0.01, 0.1, 1, 10, 100]),
                title="Length of the gradient",
                looks={_NAMES[name]: look for name, look in LOOKS.items()},
                format=".2f",
            ),
        ],
        [
            (
                "The feature is {angle:.0f}° from the template, and its length is {length:.2f}. "
                "Losses: {raw:.2f L2} raw L2, {unit:.2f normalised L2} normalised L2, "
                "{A:.2f cosine margin} A, {C:.2f InfoNCE} C, {center:.2f center} centre.",
                {
                    "angle": sp.Abs(angle),
                    "length": length,
                    "raw": losses["raw L2"],
                    "unit": losses["normalised L2"],
                    **{name: losses[name] for name in ("A", "C", "center")},
                },
            ),
            (
                "Along the radius, raw L2 pulls with {raw:.2f L2} and the centre loss with "
                "{center:.2f center} (below 0 means inwards), the other three with 0. n₁ and n₂ "
                "are templates of other people; the percentage is the share of each in C's push. "
                "Arrow and bar of C are both multiplied by τ.",
                {"raw": along["raw L2"], "center": along["center"]},
            ),
        ],
        [
            Button(name, {angle: at, length: r, tau: t, others[0]: 110, others[1]: 151, shown: 0})
            for name, at, r, t in (
                ("margin holds", 25, 1, 0.1),
                ("right way, too long", 0, 1.8, 0.1),
                ("between two negatives", 130, 1, 1),
            )
        ],
    )


_ANGLE = sp.atan2(pointer_y, pointer_x) * 180 / sp.pi


def _on_circle(degrees: sp.Expr) -> tuple[sp.Expr, sp.Expr]:
    turn = degrees * sp.pi / 180
    return sp.cos(turn), sp.sin(turn)


def _of_feature(
    outward: Place, length: sp.Symbol, negatives: list[tuple[sp.Expr, sp.Expr]]
) -> tuple[dict[str, sp.Expr], dict[str, tuple[sp.Expr, sp.Expr]]]:
    """Each loss and its pull, minus the gradient, of a feature with a direction and a length."""
    u, v = sp.symbols("u v", real=True)
    feature, template = np.array([[u, v]]), np.array([[sp.Integer(1), sp.Integer(0)]])
    others, center = np.array(negatives), np.array([[sp.nsimplify(along) for along in CENTER]])
    losses = {
        "raw L2": symbolic.feature_l2(feature, template),
        "normalised L2": symbolic.feature_l2(feature, template, normalized=True),
        "A": symbolic.cosine_margin(feature, template, others, margin=MARGIN),
        "C": symbolic.info_nce(feature, template, others, temperature=symbolic.tau),
        "center": symbolic.center(feature, center),
    }
    ones = {a**2 + b**2: 1 for a, b in negatives}

    def placed(formula: sp.Expr) -> sp.Expr:
        short = formula.subs({u**2 + v**2: length**2, **ones})
        return short.subs({u: length * outward[0], v: length * outward[1]})

    pulls = {
        name: tuple(placed(-derivative(loss.subs(ones), by)) for by in (u, v))
        for name, loss in losses.items()
    }
    return {name: placed(loss) for name, loss in losses.items()}, pulls


def _rounded(value: float) -> float:
    """To twelve digits; the last ones differ from machine to machine."""
    return float(f"{value:.12g}")


def task_weights() -> Scene:
    """Two losses that stay as they are, and what becomes of their weights in training.

    On the left the documented sigmoids, on the right those of Kendall's uncertainty, under gradient
    descent with steps so small that it is a flow: from ω = 0, ω + sinh ω = -ηLt/2; from s = 0,
    exp(s) = L + (1 - L) exp(-ηt/2).
    """
    step = sp.Symbol("step", positive=True)
    losses = dict(zip(("pixel", "feat"), sp.symbols("L_pixel L_feat", positive=True), strict=True))
    rate = sp.nsimplify(RATE)
    omegas = {name: sp.Symbol(f"omega_{name}", real=True) for name in losses}
    sigmoid = symbolic.SIGMOID_TASK.diff(symbolic.L)
    uncertain = symbolic.REGRESSION.diff(symbolic.L)

    def variance(loss: sp.Expr, time: sp.Expr | Number) -> sp.Expr:
        return loss + (1 - loss) * sp.exp(-rate * time / 2)

    # From the start to the end of the longest training: as far as the largest loss goes.
    ways = [0.0001, 0.01, 0.05, *np.arange(0.1, 9.6, 0.2).round(1).tolist()]
    times = np.logspace(0, 4, 61).round(3).tolist()
    documented: list[Mark] = []
    kendall: list[Mark] = []
    minima, now = {}, {}
    for name, loss in losses.items():
        fallen = [
            (2 * _rounded(way + math.sinh(way)) / (rate * loss), _rounded(1 / (1 + math.exp(way))))
            for way in ways
        ]
        risen = [
            (time, uncertain.subs(symbolic.log_variance, sp.log(variance(loss, time))))
            for time in times
        ]
        # The slope of this is 0 where the time that has passed is that of ω.
        omega = omegas[name]
        passed = omega**2 + 2 * sp.cosh(omega) + rate * loss * step * omega
        minima[omega] = Minimum(passed, omega, -12, 0)
        now[name] = (
            sigmoid.subs(symbolic.omega, omega),
            uncertain.subs(symbolic.log_variance, sp.log(variance(loss, step))),
        )
        for marks, line, weight in zip(
            (documented, kendall), (fallen, risen), now[name], strict=True
        ):
            marks.append(Line(line, look=name, label=_TASKS[name], solid=True, width=2.5))
            marks.append(Dots([(step, weight)], look=name, size=5))
    across, up = Axis(1, 10_000, "step", log=True), Axis(5e-5, 100, "weight", log=True)
    cursor = Line([(step, up.start), (step, up.stop)], look="neutral", width=1)
    first, second = losses
    counted = [now[name][kind] * losses[name] for kind in (0, 1) for name in losses]
    return Scene(
        "task-weights",
        "What happens to learned weights",
        {
            losses[first]: Range(0.01, 10, 0.1, label="pixel loss", log=True),
            losses[second]: Range(0.01, 10, 3, label="feature loss", log=True),
            step: Range(1, 10_000, 300, label="step", log=True),
        },
        [
            Panel([cursor, *documented], across, up, "Scheme B: sigmoid(ω)", height=290),
            Panel([cursor, *kendall], across, up, "Kendall: exp(−s) / 2", height=290),
        ],
        [
            (
                "After {step:.0f} steps the weights of scheme B are {a:2 pixel} and {b:2 feat}, on "
                "their way to 0. Kendall's weights are {c:2 pixel} and {d:2 feat}, on their way to "
                "{e:2 pixel} and {f:2 feat}.",
                {
                    "step": step,
                    "a": now[first][0],
                    "b": now[second][0],
                    "c": now[first][1],
                    "d": now[second][1],
                    "e": 1 / (2 * losses[first]),
                    "f": 1 / (2 * losses[second]),
                },
            ),
            (
                "Weight times loss: {a:2 pixel} and {b:2 feat} in scheme B, {c:2 pixel} and "
                "{d:2 feat} with Kendall's weights.",
                dict(zip("abcd", counted, strict=True)),
            ),
        ],
        minima=minima,
    )


_TASKS = {"pixel": "weight of the pixel loss", "feat": "weight of the feature loss"}


def schedules() -> Scene:
    """A schedule λ(t) that is chosen, and what it makes of two losses at a time that is moved.

    The pixel loss is taken as 1. Of `combined` both sigmoids have one width, and stand in the
    middle of their stages, as in the library.
    """
    time, chosen = sp.Symbol("time", nonnegative=True), sp.Symbol("schedule", integer=True)
    feat, width = sp.symbols("L_feat k_width", positive=True)
    share = symbolic.share
    pieces = symbolic.combined_pieces(width)
    stages = {
        "linear": (symbolic.LINEAR_SCHEDULE,) * 3,
        "sigmoid": (symbolic.SIGMOID_SCHEDULE,) * 3,
        "staged": tuple(case for case, _ in symbolic.STAGED_SCHEDULE.args),
        "combined": pieces,
        "smooth": symbolic.joined_pieces(pieces),
    }
    last = len(stages)
    every = [
        sp.Piecewise(
            *((of[n], chosen < k if k < last else True) for k, of in enumerate(stages.values(), 1))
        )
        for n in range(3)
    ]
    ends = symbolic.STAGES
    value = sp.Piecewise((every[0], share < ends[0]), (every[1], share < ends[1]), (every[2], True))
    here = value.subs(share, time)
    total = 1 + here * feat
    sides = {
        f"{side}{n}": every[n + k].subs(share, end)
        for n, end in enumerate(ends)
        for k, side in enumerate("ab")
    }
    return Scene(
        "schedules",
        "Compose a schedule",
        {
            chosen: Choice("schedule", tuple(stages), 3),
            symbolic.steepness: Range(1, 20, 10, 0.5, label="k of the sigmoid"),
            symbolic.midpoint: Range(0.1, 0.9, 0.5, 0.01, "T", "its midpoint"),
            width: Range(0.02, 0.3, 0.05, 0.01, "T", "k₁ = k₂ of combined and smooth"),
            feat: Range(0.01, 1000, 10, label="feature loss / pixel loss", log=True),
            time: Range(0, 1, 0.5, 0.01, "T", "time t"),
        },
        [
            Panel(
                [
                    Line([(0, 0), (1, 1)], look="baseline", label="linear", width=1.5),
                    Curve(value, share, look="p", label="λ", width=3),
                    Line([(time, 0), (time, 1)], look="neutral", width=1),
                    Handle(time, here, {time: pointer_x}, look="p", title="time t"),
                ],
                Axis(0, 1, "share of the training, t / T"),
                Axis(0, 1.05, "λ(t)", ticks=[0, 0.25, 0.5, 0.75, 1]),
                height=290,
            ),
            bars(
                {"pixel": 1 / total, "λ · feature": here * feat / total},
                Axis(0, 1),
                title="Share of the total loss",
                looks={"pixel": "pixel", "λ · feature": "feat"},
                format=".1%",
            ),
        ],
        [
            (
                "At t = {t:.2f} T, λ is {now:.3f p}. At 0.33 T it is {a0:.3f} from the left "
                "and {b0:.3f} from the right, at 0.67 T {a1:.3f} and {b1:.3f}.",
                {"t": time, "now": here, **sides},
            )
        ],
        [
            Button("staged", {chosen: 2}),
            Button("combined, k₁ = 0.1 T", {chosen: 3, width: 0.1}),
            Button("combined, k₁ = 0.05 T", {chosen: 3, width: 0.05}),
        ],
    )
