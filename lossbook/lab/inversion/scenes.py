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
    "ADAM_RATE",
    "CENTER",
    "IDEAS",
    "LENGTHEN",
    "LOOKS",
    "MARGIN",
    "RATE",
    "circle",
    "schedules",
    "task_weights",
    "under_adam",
]

RATE = 0.1
"""Learning rate of the weights of tasks under gradient descent."""
ADAM_RATE = 1e-3
"""Under Adam: that of the chapter's networks."""
_LONGEST = 10_000
_A_DECADE = 40
"""Places at which Adam's weights are kept, for each factor of 10 in steps."""


def _rounded(value: float) -> float:
    """To twelve digits; the last ones differ from machine to machine."""
    return float(f"{value:.12g}")


def under_adam(loss: float = 1.0) -> tuple[list[float], list[float]]:
    """Steps, and the weight σ(ω) of a constant loss after them, with Adam on ω.

    Adam divides the slope by its own size, so the weight hardly depends on the loss.

    Args:
        loss: the constant.
    """
    omega = first = second = 0.0
    weights = [0.5]
    for step in range(1, _LONGEST + 1):
        here = 1 / (1 + math.exp(-omega))
        slope = here * (1 - here) * loss
        first, second = 0.9 * first + 0.1 * slope, 0.999 * second + 0.001 * slope**2
        size = math.sqrt(second / (1 - 0.999**step)) + 1e-8
        omega -= ADAM_RATE * first / (1 - 0.9**step) / size
        weights.append(1 / (1 + math.exp(-omega)))
    decades = round(math.log10(_LONGEST))
    steps = [10 ** (k / _A_DECADE) for k in range(decades * _A_DECADE + 1)]
    kept = np.interp(steps, range(_LONGEST + 1), weights)
    return steps, kept.tolist()


def task_weights() -> Scene:
    """Two losses that stay as they are, and what becomes of their weights in training.

    On the left the documented sigmoids, on the right those of Kendall's uncertainty, under gradient
    descent with steps so small that it is a flow: from ω = 0, ω + sinh ω = -ηLt/2; from s = 0,
    exp(s) = L + (1 - L) exp(-ηt/2). With Adam the sigmoids are those of `under_adam`, between whose
    places the logarithm of the weight is taken to be straight.
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
    adam, kept = sp.Symbol("adam", integer=True), sp.IndexedBase("kept")
    slow, light = under_adam()
    # The last place stands twice, as the one after it is asked for there.
    logs = [_rounded(math.log(weight)) for weight in (*light, light[-1])]
    along = _A_DECADE * sp.log(step) / sp.log(10)
    whole = sp.floor(along)
    with_adam = sp.exp(kept[whole + 1] + (along - whole) * (kept[whole + 2] - kept[whole + 1]))
    # As many places as the curve of gradient descent has, of which it takes the place.
    chosen = [round(k * (len(slow) - 1) / (len(ways) - 1)) for k in range(len(ways))]

    def either(descent: sp.Expr | Number, other: sp.Expr | Number) -> sp.Expr:
        return sp.Piecewise((other, adam > 0), (descent, True))

    for name, loss in losses.items():
        fallen = [
            (
                either(2 * _rounded(way + math.sinh(way)) / (rate * loss), _rounded(slow[at])),
                either(_rounded(1 / (1 + math.exp(way))), _rounded(light[at])),
            )
            for way, at in zip(ways, chosen, strict=True)
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
            either(sigmoid.subs(symbolic.omega, omega), with_adam),
            uncertain.subs(symbolic.log_variance, sp.log(variance(loss, step))),
        )
        for marks, line, weight in zip(
            (documented, kendall), (fallen, risen), now[name], strict=True
        ):
            marks.append(Line(line, look=name, label=_TASKS[name], solid=True, width=2.5))
            marks.append(Dots([(step, weight)], look=name, size=5))
    options = (f"descent, rate {RATE}", f"Adam, rate {ADAM_RATE}")
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
            step: Range(1, _LONGEST, 300, label="step", log=True),
            adam: Choice("sigmoid weights with", options),
        },
        [
            Panel([cursor, *documented], across, up, "Sigmoid weights: sigmoid(ω)", height=290),
            Panel([cursor, *kendall], across, up, "Kendall: exp(−s) / 2 (descent)", height=290),
        ],
        [
            (
                "After {step:.0f} steps the sigmoid weights are {a:2 pixel} and {b:2 feat}, on "
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
                "Weight times loss: {a:2 pixel} and {b:2 feat} with sigmoid weights, {c:2 pixel} "
                "and {d:2 feat} with Kendall's.",
                dict(zip("abcd", counted, strict=True)),
            ),
        ],
        minima=minima,
        arrays={kept: logs},
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
