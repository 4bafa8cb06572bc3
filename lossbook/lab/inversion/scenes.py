"""The objects to move of inversion: a feature on its circle, learned weights of tasks, λ(u)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

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
    cursor,
    pointer_x,
    shares,
)
from lossbook.lab.page.scene import Sentence
from lossbook.lab.page.sheet import Place

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


_STEP = sp.Symbol("step", positive=True)
_ADAM, _KEPT = sp.Symbol("adam", integer=True), sp.IndexedBase("kept")
"""Whether the sigmoid weights are Adam's, and the logarithms of those that are kept."""
_ALONE = sp.Symbol("alone", integer=True)
"""Whether the weights are drawn without their losses."""
_FLOW_RATE = sp.nsimplify(RATE)


@dataclass(frozen=True)
class _Task:
    """A loss that stays as it is, and its two weights as they are learned.

    Attributes:
        name: In the palette and in the names of its symbols.
        called: What the page calls it.
    """

    name: str
    called: str

    @cached_property
    def loss(self) -> sp.Symbol:
        """The constant."""
        return sp.Symbol(f"L_{self.name}", positive=True)

    @cached_property
    def omega(self) -> sp.Symbol:
        """What is learned of the sigmoid weight."""
        return sp.Symbol(f"omega_{self.name}", real=True)

    @cached_property
    def reached(self) -> Minimum:
        """ω after the chosen steps: the slope is 0 where that time has passed."""
        passed = self.omega**2 + 2 * sp.cosh(self.omega)
        return Minimum(passed + _FLOW_RATE * self.loss * _STEP * self.omega, self.omega, -12, 0)

    @cached_property
    def sigmoid(self) -> sp.Expr:
        """The sigmoid weight after the chosen steps."""
        along = _A_DECADE * sp.log(_STEP) / sp.log(10)
        whole = sp.floor(along)
        rise = _KEPT[whole + 2] - _KEPT[whole + 1]
        with_adam = sp.exp(_KEPT[whole + 1] + (along - whole) * rise)
        of_omega = symbolic.SIGMOID_TASK.diff(symbolic.L)
        return _either(of_omega.subs(symbolic.omega, self.omega), with_adam)

    def kendall(self, time: sp.Expr | Number) -> sp.Expr:
        """Kendall's weight after some steps."""
        variance = self.loss + (1 - self.loss) * sp.exp(-_FLOW_RATE * time / 2)
        weight = symbolic.REGRESSION.diff(symbolic.L)
        return weight.subs(symbolic.log_variance, sp.log(variance))

    def falling(self, steps: Sequence[float], weights: Sequence[float]) -> list[Place]:
        """The way of the sigmoid weight; with Adam it is this one, of as many places."""
        # From the start to the end of the longest training: as far as the largest loss goes.
        ways = [0.0001, 0.01, 0.05, *np.arange(0.1, 9.6, 0.2).round(1).tolist()]
        last = len(steps) - 1
        chosen = [round(k * last / (len(ways) - 1)) for k in range(len(ways))]
        return [
            (
                _either(
                    2 * _rounded(way + math.sinh(way)) / (_FLOW_RATE * self.loss),
                    _rounded(steps[at]),
                ),
                _either(_rounded(1 / (1 + math.exp(way))), _rounded(weights[at])),
            )
            for way, at in zip(ways, chosen, strict=True)
        ]

    def settling(self) -> list[Place]:
        """The way of Kendall's weight."""
        times = np.logspace(0, 4, 61).round(3).tolist()
        return [(time, self.kendall(time)) for time in times]


_TASKS = (_Task("pixel", "pixel loss"), _Task("feat", "feature loss"))
_ON_THEIR_WAY = (
    "After {step:.0f} steps the sigmoid weights are {a:2 pixel} and {b:2 feat}, on "
    "their way to 0. Kendall's weights are {c:2 pixel} and {d:2 feat}, on their way to "
    "{e:2 pixel} and {f:2 feat}."
)
_TIMES_LOSS = (
    "Weight times loss: {a:2 pixel} and {b:2 feat} with sigmoid weights, {c:2 pixel} "
    "and {d:2 feat} with Kendall's."
)


def task_weights() -> Scene:
    """Two losses that stay as they are, and what becomes of their weights in training.

    On the left the documented sigmoids, on the right those of Kendall's uncertainty, under gradient
    descent with steps so small that it is a flow: from ω = 0, ω + sinh ω = -ηLt/2; from s = 0,
    exp(s) = L + (1 - L) exp(-ηt/2). With Adam the sigmoids are those of `under_adam`, between whose
    places the logarithm of the weight is taken to be straight.
    """
    steps, kept = under_adam()
    # The last place stands twice, as the one after it is asked for there.
    logs = [_rounded(math.log(weight)) for weight in (*kept, kept[-1])]
    pixel, feat = _TASKS
    falling = [task.falling(steps, kept) for task in _TASKS]
    settling = [task.settling() for task in _TASKS]
    sigmoids = [task.sigmoid for task in _TASKS]
    kendalls = [task.kendall(_STEP) for task in _TASKS]
    options = (f"descent, rate {RATE}", f"Adam, rate {ADAM_RATE}")
    return Scene(
        "task-weights",
        "What happens to learned weights",
        {
            pixel.loss: Range(0.01, 10, 0.1, label="pixel loss", log=True),
            feat.loss: Range(0.01, 10, 3, label="feature loss", log=True),
            _STEP: Range(1, _LONGEST, 300, label="step", log=True),
            _ADAM: Choice("sigmoid weights with", options),
            _ALONE: Choice("drawn", ("weight × loss", "weight")),
        },
        [
            _weights("Sigmoid weights: sigmoid(ω)", falling, sigmoids),
            _weights("Kendall: exp(−s) / 2 (descent)", settling, kendalls),
        ],
        _told(sigmoids, kendalls),
        [Button(f"step {at:,}", {_STEP: at}) for at in (300, _LONGEST)],
        minima={task.omega: task.reached for task in _TASKS},
        arrays={_KEPT: logs},
    )


def _either(descent: sp.Expr | Number, adam: sp.Expr | Number) -> sp.Expr:
    return sp.Piecewise((adam, _ADAM > 0), (descent, True))


def _told(sigmoids: Sequence[sp.Expr], kendalls: Sequence[sp.Expr]) -> list[Sentence]:
    """The weights of both tasks after the chosen steps, and what the losses are with them."""
    pixel, feat = (task.loss for task in _TASKS)
    weights = dict(zip("abcd", (*sigmoids, *kendalls), strict=True))
    goals = {"e": 1 / (2 * pixel), "f": 1 / (2 * feat)}
    losses = dict(zip("abcd", (pixel, feat, pixel, feat), strict=True))
    return [
        (_ON_THEIR_WAY, {"step": _STEP, **weights, **goals}),
        (_TIMES_LOSS, {name: weight * losses[name] for name, weight in weights.items()}),
    ]


def _weights(title: str, ways: Sequence[Sequence[Place]], now: Sequence[sp.Expr]) -> Panel:
    """How the weights of the two tasks change, and where they are after the chosen steps."""
    across, up = (
        Axis(1, 10_000, "step", log=True),
        Axis(5e-5, 100, "weight × loss, or weight", log=True),
    )
    marks: list[Mark] = [cursor(_STEP, up)]
    # Under Adam the two lie on each other, so the lower one is the broader.
    for task, way, weight, width in zip(_TASKS, ways, now, (7, 2.5), strict=True):
        factor = sp.Piecewise((1, _ALONE > 0), (task.loss, True))
        drawn = [(x, factor * y) for x, y in way]
        marks.append(Line(drawn, look=task.name, label=task.called, solid=True, width=width))
        marks.append(Dots([(_STEP, factor * weight)], look=task.name, size=5))
    return Panel(marks, across, up, title, height=290)


_TIME, _CHOSEN = sp.Symbol("time", nonnegative=True), sp.Symbol("schedule", integer=True)
_FEAT, _WIDTH = sp.symbols("L_feat k_width", positive=True)
_EITHER_SIDE = (
    "At u = {u:.2f}, λ is {now:.3f p}. At 0.33 it is {a0:.3f} from the left "
    "and {b0:.3f} from the right, at 0.67 {a1:.3f} and {b1:.3f}."
)


def schedules(*, documented: bool = True) -> Scene:
    """A schedule λ(u) that is chosen, and what it makes of two losses at a time that is moved.

    The time u is the share of the training that has passed. The pixel loss is taken as 1. Of
    `combined` both sigmoids have one width, and stand in the middle of their stages, as in the
    library.

    Args:
        documented: Whether those of scheme E and of the compromise are shown, or the others.
    """
    names, (early, middle, late) = _stages(documented=documented)
    share, ends = symbolic.share, symbolic.STAGES
    value = sp.Piecewise((early, share < ends[0]), (middle, share < ends[1]), (late, True))
    here = value.subs(share, _TIME)
    sides = {
        "a0": early.subs(share, ends[0]),
        "b0": middle.subs(share, ends[0]),
        "a1": middle.subs(share, ends[1]),
        "b1": late.subs(share, ends[1]),
    }
    parts = {"pixel": sp.S.One, "λ · feature": here * _FEAT}
    looks = {"pixel": "pixel", "λ · feature": "feat"}
    widths = {f"combined, k = {k}": {_CHOSEN: 1, _WIDTH: k} for k in (0.05, 0.1)}
    return Scene(
        "schedules" if documented else "more-schedules",
        "Compose a schedule" if documented else "Three schedules without jumps",
        _knobs(names, documented=documented),
        [_schedule(value, here), shares(parts, "Share of the total loss", looks=looks)],
        [(_EITHER_SIDE, {"u": _TIME, "now": here, **sides})],
        [Button(label, sets) for label, sets in widths.items() if documented],
    )


def _stages(*, documented: bool) -> tuple[tuple[str, ...], list[sp.Expr]]:
    """The names of the schedules, and in each of the three stages the one that is chosen."""
    pieces = symbolic.combined_pieces(_WIDTH)
    stages: Mapping[str, Sequence[sp.Expr]] = {
        "linear": (symbolic.LINEAR_SCHEDULE,) * 3,
        "sigmoid": (symbolic.SIGMOID_SCHEDULE,) * 3,
        "smooth": symbolic.joined_pieces(pieces),
    }
    if documented:
        staged = tuple(case for case, _ in symbolic.STAGED_SCHEDULE.args)
        stages = {"staged": staged, "combined": pieces}
    *others, last = stages.values()
    return tuple(stages), [
        sp.Piecewise(*((of[n], k > _CHOSEN) for k, of in enumerate(others, 1)), (last[n], True))
        for n in range(3)
    ]


def _knobs(names: tuple[str, ...], *, documented: bool) -> dict[sp.Symbol, Control]:
    """What is moved: the schedule, what shapes it, the losses' ratio and the time."""
    controls: dict[sp.Symbol, Control] = {_CHOSEN: Choice("schedule", names, len(names) - 1)}
    if not documented:
        controls[symbolic.steepness] = Range(1, 20, 10, 0.5, label="steepness of the sigmoid")
        controls[symbolic.midpoint] = Range(0.1, 0.9, 0.5, 0.01, label="its midpoint")
    controls[_WIDTH] = Range(0.02, 0.3, 0.05, 0.01, label=f"width k of {names[-1]}")
    controls[_FEAT] = Range(0.01, 1000, 10, label="feature loss / pixel loss", log=True)
    controls[_TIME] = Range(0, 1, 0.5, 0.01, label="time u")
    return controls


def _schedule(value: sp.Expr, here: sp.Expr) -> Panel:
    """λ over the training, beside a straight line, and the time on it that is dragged."""
    marks: list[Mark] = [
        Line([(0, 0), (1, 1)], look="baseline", label="linear", width=1.5),
        Curve(value, symbolic.share, look="p", label="λ", width=3),
        Line([(_TIME, 0), (_TIME, 1)], look="neutral", width=1),
        Handle(_TIME, here, {_TIME: pointer_x}, look="p", title="time u"),
    ]
    up = Axis(0, 1.05, "λ", ticks=[0, 0.25, 0.5, 0.75, 1])
    return Panel(marks, Axis(0, 1, "u = step / T"), up, height=290)
