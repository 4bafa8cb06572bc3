"""The objects to move of inversion: a feature on its circle, learned weights of tasks, λ(u)."""

from __future__ import annotations

import math

import numpy as np
import sympy as sp

from lossbook.inversion import symbolic
from lossbook.lab.inversion.circles import CENTER, IDEAS, LENGTHEN, LOOKS, MARGIN, circle
from lossbook.lab.page.controls import Control
from lossbook.lab.page.formulas import Number
from lossbook.lab.page.marks import Mark
from lossbook.lab.page.objects import (
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
    bars,
    pointer_x,
)

__all__ = [
    "CENTER",
    "IDEAS",
    "LENGTHEN",
    "LOOKS",
    "MARGIN",
    "RATE",
    "circle",
    "schedules",
    "task_weights",
]

RATE = 0.1
"""Learning rate of the weights of tasks."""


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


def schedules(*, documented: bool = True) -> Scene:
    """A schedule λ(u) that is chosen, and what it makes of two losses at a time that is moved.

    The time u is the share of the training that has passed. The pixel loss is taken as 1. Of
    `combined` both sigmoids have one width, and stand in the middle of their stages, as in the
    library.

    Args:
        documented: Whether those of scheme E and of the compromise are shown, or the others.
    """
    time, chosen = sp.Symbol("time", nonnegative=True), sp.Symbol("schedule", integer=True)
    feat, width = sp.symbols("L_feat k_width", positive=True)
    share = symbolic.share
    pieces = symbolic.combined_pieces(width)
    stages = {
        "staged": tuple(case for case, _ in symbolic.STAGED_SCHEDULE.args),
        "combined": pieces,
    } if documented else {
        "linear": (symbolic.LINEAR_SCHEDULE,) * 3,
        "sigmoid": (symbolic.SIGMOID_SCHEDULE,) * 3,
        "smooth": symbolic.joined_pieces(pieces),
    }  # fmt: skip
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
    controls: dict[sp.Symbol, Control] = {chosen: Choice("schedule", tuple(stages), last - 1)}
    if not documented:
        controls[symbolic.steepness] = Range(1, 20, 10, 0.5, label="steepness of the sigmoid")
        controls[symbolic.midpoint] = Range(0.1, 0.9, 0.5, 0.01, label="its midpoint")
    of_width = "width k of combined" if documented else "width k of smooth"
    controls[width] = Range(0.02, 0.3, 0.05, 0.01, label=of_width)
    controls[feat] = Range(0.01, 1000, 10, label="feature loss / pixel loss", log=True)
    controls[time] = Range(0, 1, 0.5, 0.01, label="time u")
    return Scene(
        "schedules" if documented else "more-schedules",
        "Compose a schedule" if documented else "Three schedules without jumps",
        controls,
        [
            Panel(
                [
                    Line([(0, 0), (1, 1)], look="baseline", label="linear", width=1.5),
                    Curve(value, share, look="p", label="λ", width=3),
                    Line([(time, 0), (time, 1)], look="neutral", width=1),
                    Handle(time, here, {time: pointer_x}, look="p", title="time u"),
                ],
                Axis(0, 1, "u = step / T"),
                Axis(0, 1.05, "λ", ticks=[0, 0.25, 0.5, 0.75, 1]),
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
                "At u = {u:.2f}, λ is {now:.3f p}. At 0.33 it is {a0:.3f} from the left "
                "and {b0:.3f} from the right, at 0.67 {a1:.3f} and {b1:.3f}.",
                {"u": time, "now": here, **sides},
            )
        ],
        [
            Button(f"combined, k = {k}", {chosen: 1, width: k}) for k in (0.05, 0.1)
        ] if documented else [],
    )  # fmt: skip
