"""A Dirac-GAN to step: its circle alone, with a lazy penalty, and with all that can be set."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import sympy as sp

from lossbook.lab.page.formulas import Number
from lossbook.lab.page.marks import Mark
from lossbook.lab.page.objects import (
    Axis,
    Bar,
    Button,
    Choice,
    Dots,
    Handle,
    Line,
    Panel,
    Path,
    Range,
    Recurrence,
    Scene,
    Switch,
    Text,
)
from lossbook.lab.page.scene import Sentence
from lossbook.translation import symbolic

__all__ = ["circle", "dirac", "either", "lazy"]

STEPS = 600
"""Of a Dirac-GAN."""
EPOCH = 60
"""Steps of a Dirac-GAN of which the log keeps the mean, where that cannot be set."""
BLOWS = 48
"""Steps of a Dirac-GAN with three penalties, if one is due in every sixteenth."""
TURN = 63
"""Steps of a Dirac-GAN in which it turns once, and that are drawn at first."""
MOST = 10**6
"""How far the numbers of a Dirac-GAN go; one that explodes is kept there."""
INTERVALS = tuple(4**k for k in range(3))

# Where it starts, what is chosen, how many steps, and its states so far.
_START = sp.symbols("theta_0 psi_0", real=True)
_ON, _CHOSEN, _LATER = sp.symbols("on interval alternating", integer=True, nonnegative=True)
_SO_FAR, _K = sp.symbols("steps k", integer=True, nonnegative=True)
_EACH = sp.Symbol("each", integer=True, positive=True)
"""Steps of an epoch."""
_THETA, _PSI, _SUM = map(sp.IndexedBase, ("theta", "psi", "sum"))
_WEIGHT = symbolic.w

_USUAL: Mapping[sp.Symbol, Number] = {
    _START[0]: 1,
    _START[1]: 0,
    _CHOSEN: 0,
    _LATER: 0,
    symbolic.eta: sp.Rational(1, 10),
    _EACH: EPOCH,
}
"""What is set where there is nothing to set it with."""


@dataclass(frozen=True)
class _Gan:
    """A Dirac-GAN of which some symbols are fixed.

    The hinge is the true one, which pushes no more where the fake is beyond its margin; the window
    of R1's weight is that of the steps within it.

    Attributes:
        fixed: The values of these symbols.
    """

    fixed: Mapping[sp.Symbol, Number]

    def of(self, formula: Any) -> sp.Expr:
        """A formula with what is fixed."""
        return sp.sympify(formula).subs(self.fixed)

    @cached_property
    def every(self) -> sp.Expr:
        """Steps from one R1 to the next."""
        return self.of(sp.Integer(4) ** _CHOSEN)

    @cached_property
    def fires(self) -> Any:
        """Whether R1 is computed in this step."""
        return sp.Eq(sp.Mod(_K, self.every), 0) & (self.of(_ON) > 0)

    @cached_property
    def hinge(self) -> sp.Expr:
        """The discriminator's loss without R1."""
        return symbolic.DIRAC_D.xreplace(_HERE)

    @cached_property
    def orbit(self) -> Recurrence:
        """Both numbers, and the sum of the hinges so far."""
        times = sp.Piecewise((self.of(_WEIGHT) * self.every, self.fires), (0, True))
        ways = [symbolic.dirac_step(times, alternating=way) for way in (False, True)]
        theta, psi = (
            self.of(either(_LATER, *way).xreplace(_HERE)) for way in zip(*ways, strict=True)
        )
        return Recurrence(
            {_THETA: self.of(_START[0]), _PSI: self.of(_START[1]), _SUM: 0},
            {_THETA: _kept(theta), _PSI: _kept(psi), _SUM: _SUM[_K] + self.hinge},
            _K,
            STEPS + 1,
        )

    @cached_property
    def largest(self) -> sp.Expr:
        """The largest eigenvalue from one R1 to the next, within the margin."""
        given = {symbolic.interval: self.every, _WEIGHT: self.of(_ON * _WEIGHT)}
        matrix = (_of_both(f) for f in (symbolic.dirac_trace, symbolic.dirac_determinant))
        sizes = (symbolic.largest_eigenvalue(*of, slack=1e-10) for of in zip(*matrix, strict=True))
        return self.of(either(_LATER, *(size.subs(given, simultaneous=True) for size in sizes)))

    @cached_property
    def window(self) -> list[sp.Expr]:
        """Between which weights the orbit converges, of any interval."""
        ends = zip(*_of_both(symbolic.dirac_window), strict=True)
        return [self.of(either(_LATER, *end)) for end in ends]

    @cached_property
    def full(self) -> sp.Expr:
        """Epochs so far."""
        return self.of(sp.floor(_SO_FAR / _EACH))

    def mean(self, epoch: sp.Expr) -> sp.Expr:
        """Of the hinge, over an epoch."""
        first, last = (self.of(_EACH * at + 1) for at in (epoch - 1, epoch))
        return (_SUM[last] - _SUM[first]) / self.of(_EACH)

    def told(self) -> list[Sentence]:
        """How far the fake is, what the loss says, and what becomes of the distance."""
        mean, full = self.mean(sp.Max(self.full, 1)), self.full > 0
        mine = [end.subs(symbolic.interval, self.every) for end in self.window]
        there = sp.sqrt(sp.sign(mine[1] - mine[0]))  # no number where there is no such weight
        return [
            (
                "After {n:.0f} steps the fake is {far:.2f generator} away from the data. Over the "
                "last full epoch d_loss was {d:3 discriminator} on average.",
                {
                    "n": _SO_FAR,
                    "far": sp.Abs(_THETA[_SO_FAR + 1]),
                    "d": sp.Piecewise((mean, full), (sp.nan, True)),
                },
            ),
            (
                "Near the goal, a step multiplies the distance from it by {rho:.3f}, on average. "
                "With R1 it shrinks for weights from {low:.2f r1} to {high:.2f r1}.",
                {
                    "rho": self.largest ** (1 / self.every),
                    "low": there * mine[0],
                    "high": there * mine[1],
                },
            ),
        ]

    def game(self) -> Panel:
        """The line that is the discriminator, the data, and the fake on the line."""
        theta, psi = _THETA[_SO_FAR + 1], _PSI[_SO_FAR + 1]
        marks: list[Mark] = [
            Line([(-3, -3 * psi), (3, 3 * psi)], look="discriminator", solid=True),
            Line([(theta, 0), (theta, theta * psi)], look="baseline", width=1.5),
            Dots([(0, 0)], look="ground truth", size=5),
            Text((0, 0), "real", look="ground truth", anchor="end", shift=(-10, 12)),
            Dots([(theta, theta * psi)], look="generator", size=6),
            Text((theta, theta * psi), "fake", look="generator", anchor="middle", shift=(0, -15)),
        ]
        across, up = Axis(-3, 3, "x"), Axis(-3, 3, "logit")
        return Panel(marks, across, up, "The game, now: the line D(x) = ψx", height=270)

    def plane(self, start: Mark, *, computed: bool = True) -> Panel:
        """The orbit, where R1 was computed on it, and what it does near the equilibrium."""
        edge = [0.3333, *(k / 20 for k in range(7, 61))]
        marks: list[Mark] = [
            Line([(sign * at, -sign / at) for at in edge], look="baseline", width=1.5)
            for sign in (1, -1)
        ]
        marks.append(Text((-2.9, 2.65), "beyond the margin"))
        way = (_THETA[_K], _PSI[_K])
        marks.append(Path(way, _K, (1, _SO_FAR + 1), look="neutral", width=1.5))
        if computed:
            here = sp.Piecewise((_THETA[_K], self.fires), (sp.nan, True))
            marks.append(Path((here, _PSI[_K]), _K, (1, _SO_FAR), look="r1", size=2.5))
            marks.append(Text((2.9, 2.65), "● R1 computed", look="r1", anchor="end"))
            marks += self._words()
        marks += [
            Dots([(0, 0)], look="ground truth", size=5),
            Text((0, 0), "goal", look="ground truth", anchor="middle", shift=(0, 15)),
            start,
            Dots([(_THETA[_SO_FAR + 1], _PSI[_SO_FAR + 1])], look="generator", size=5, label="now"),
        ]
        across, up = Axis(-3, 3, "fake θ, the real data being at 0"), Axis(-3, 3, "slope ψ of D")
        return Panel(marks, across, up, "The orbit", equal=True)

    def _words(self) -> list[Text]:
        """What it does near the equilibrium."""
        # The place of a word that is wrong is no number; more than nine digits are not asked for.
        off = sp.Float(1e-9)
        highest = self.window[1].subs(symbolic.interval, self.every)
        strong = self.of(_ON * _WEIGHT) - highest
        words = {
            "near 0 it settles": 1 - self.largest - off,
            "near 0 it circles": off - sp.Abs(self.largest - 1),
            "near 0 it spirals out": sp.Min(self.largest - 1 - off, -strong),
            "the penalty overshoots": sp.Min(self.largest - 1 - off, strong),
        }
        return [Text((-2.9, -2 * sp.sqrt(sp.sign(true))), word) for word, true in words.items()]

    def windows(self) -> Panel:
        """The weights with which it settles near the equilibrium, for each interval."""
        axis, top = Axis(0.001, 100, "weight of R1", log=True), len(INTERVALS) - 1
        bounds: list[Mark] = []
        for row, every in enumerate(INTERVALS):
            lower, upper = (end.subs(symbolic.interval, every) for end in self.window)
            first = sp.Max(lower, sp.Float(axis.start))
            last = sp.Max(first, sp.Min(upper, axis.stop))  # no bar where there is no such weight
            bounds.append(Bar((first, top - row), (last, top - row), look="r1"))
        chosen = sp.Piecewise((_WEIGHT, self.of(_ON) > 0), (sp.nan, True))
        here = self.of(top - _CHOSEN)
        bounds.append(Path((chosen, here), _K, (1, 1), look="discriminator", size=6))
        rows: dict[Number, str] = {top - row: f"{every}" for row, every in enumerate(INTERVALS)}
        up = Axis(-0.6, top + 0.6, "R1 every … steps", ticks=rows)
        return Panel(bounds, axis, up, "Weights for which the orbit converges", height=210)

    def _means(self) -> list[Path]:
        """The mean of the hinge over each epoch so far."""
        epoch = sp.Symbol("epoch", integer=True, positive=True)
        place = (self.of((epoch - sp.Rational(1, 2)) * _EACH), self.mean(epoch))
        look, seen = "discriminator", (1, self.full)
        line = Path(place, epoch, seen, look=look, width=2.5, solid=True)
        return [line, Path(place, epoch, seen, look=look, size=4.5)]

    def steps_and_means(self) -> Panel:
        """The hinge step by step, and what a log keeps of it."""
        marks: list[Mark] = [
            Line([(0, 2), (STEPS, 2)], look="baseline", width=1.5),
            _over(self.hinge, "neutral", 1.25),
            *self._means(),
            Text((8, 3.7), "grey: each step", look="neutral"),
            Text((STEPS, 3.7), "dots: mean of an epoch", look="discriminator", anchor="end"),
        ]
        title = "d_loss, without its penalty (dotted: every logit is 0)"
        return Panel(marks, _ALONG, Axis(0, 4), title, height=270, wide=True)

    def log(self) -> Panel:
        """What the log says, R1 too, and how far the fake is."""
        marks: list[Mark] = [
            _over(sp.Piecewise((_PSI[_K] ** 2, self.fires), (0, True)), "r1", 1.5),
            _over(sp.Abs(_THETA[_K]), "generator", 2),
            _over(self.hinge, "neutral", 1),
            *self._means(),
            Text((8, 4.6), "grey: d_loss minus its penalty", look="neutral"),
            Text((STEPS, 4.6), "dots: mean of an epoch", look="discriminator", anchor="end"),
            Text((8, 3.95), "distance |θ|, which no log shows", look="generator"),
            Text((STEPS, 3.95), "r1 as logged", look="r1", anchor="end"),
        ]
        title = "What the log shows, and what it does not"
        return Panel(marks, _ALONG, Axis(0, 5), title, height=300, wide=True)

    def scene(
        self,
        name: str,
        title: str,
        controls: Mapping[sp.Symbol, Any],
        panels: Sequence[Panel],
        sentences: Sequence[Sentence],
        presets: Mapping[str, Sequence[Number]] | None = None,
        more: Sequence[Button] = (),
        steps: int = STEPS,
    ) -> Scene:
        """An object to move; a preset sets what it has of `_PRESET`, and so many steps."""
        ready = [
            Button(
                label,
                {_SO_FAR: steps}
                | {s: v for s, v in zip(_PRESET, values, strict=False) if s in controls},
            )
            for label, values in (presets or {}).items()
        ]
        buttons = [*more, *ready]
        return Scene(name, title, controls, panels, sentences, buttons, recurrences=[self.orbit])


_HERE = {symbolic.theta: _THETA[_K], symbolic.psi: _PSI[_K]}
_PRESET = (_ON, _WEIGHT, _CHOSEN, _LATER, symbolic.eta)
_LAZY: Mapping[str, Sequence[Number]] = {
    "w = 1, every step": (1, 1, 0),
    "w = 1, every 16": (1, 1, 2),
    "w = 0.3, every 16": (1, 0.3, 2),
}
_ALL: Mapping[str, Sequence[Number]] = {
    "no R1": (0,),
    "R1 too weak": (1, 0.02, 0, 0, 0.1),
    "w = 1, every step": (1, 1, 0),
    "w = 1, every 16": (1, 1, 2),
}
"""Whether R1 is on, its weight, how often it is computed; the kind of updates, and their size."""


_ALONG = Axis(0, STEPS, "step", ticks=[0, 200, 400, 600])


def _over(height: sp.Expr, look: str, width: Number) -> Path:
    """A curve over the steps so far."""
    return Path((_K, height), _K, (1, _SO_FAR), look=look, width=width, solid=True)


def _steps(at: Number = TURN, fps: Number = 60) -> Range:
    return Range(0, STEPS, at, 1, label="steps", fps=fps)


def _weight(at: Number) -> Range:
    return Range(0.001, 100, at, label="weight w of R1", log=True)


def _every(at: int) -> Choice:
    return Choice("R1 every … steps", tuple(map(str, INTERVALS)), at)


def circle() -> Scene:
    """The smallest GAN, whose R1 is computed in every step: the game, its circle, and its log."""
    gan = _Gan({s: v for s, v in _USUAL.items() if s != _EACH} | {_ON: 1})
    controls = {
        _SO_FAR: _steps(0, fps=0),
        _WEIGHT: Range(0, 1, 0, 0.05, label="weight w of R1"),
        _EACH: Range(10, 200, 100, 10, label="steps of an epoch"),
    }
    start = Dots([(1, 0)], look="neutral", size=5, label="start")
    # What moves stands next to the buttons, what its log says beneath.
    panels = [gan.game(), gan.plane(start, computed=False), gan.steps_and_means()]
    # It rests at the last step, where a slider that plays would begin again.
    onward = {_SO_FAR: sp.Min(_SO_FAR + 1, STEPS)}
    buttons = [
        Button("Play", onward, STEPS),
        Button("Back to step 0", {_SO_FAR: 0}),
        Button("20 steps an epoch", {_SO_FAR: STEPS, _WEIGHT: 0, _EACH: 20}),
        Button("with friction, w = 0.3", {_SO_FAR: STEPS, _WEIGHT: 0.3, _EACH: 100}),
    ]
    title = "Step the smallest GAN"
    return gan.scene("dirac-circle", title, controls, panels, gan.told()[:1], more=buttons)


def lazy() -> Scene:
    """The same with a lazy R1: how often it is computed decides which weights are stable.

    It opens after three penalties that are too strong, each of which is seen.
    """
    gan = _Gan({s: v for s, v in _USUAL.items() if s != _CHOSEN} | {_ON: 1})
    controls = {_WEIGHT: _weight(1), _CHOSEN: _every(2), _SO_FAR: _steps(BLOWS)}
    start = Dots([(1, 0)], look="neutral", size=5, label="start")
    panels = [gan.plane(start), gan.windows()]
    times = {"every": gan.every, "w": _WEIGHT, "psi": 1 - 2 * symbolic.eta * gan.every * _WEIGHT}
    blow: Sentence = (
        "Each penalty multiplies the slope ψ by 1 − 2 · 0.1 · {every:.0f} · {w} = {psi:.2f r1}.",
        {name: gan.of(formula) for name, formula in times.items()},
    )
    said = [blow, *gan.told()[1:]]
    title = "R1 in every step, or now and then"
    return gan.scene("dirac-lazy", title, controls, panels, said, _LAZY, steps=BLOWS)


def dirac() -> Scene:
    """All of it, in the plane of its two numbers, with what its log says."""
    gan = _Gan({_EACH: EPOCH})
    controls = {
        _START[0]: Range(-3, 3, 1, 0.05, label="start at θ"),
        _START[1]: Range(-3, 3, 0, 0.05, label="ψ"),
        _ON: Switch("R1", False),
        _WEIGHT: _weight(0.3),
        _CHOSEN: _every(1),
        symbolic.eta: Range(0.02, 0.3, 0.1, 0.01, label="step size η"),
        _LATER: Choice("updates", ("simultaneous", "alternating")),
        _SO_FAR: _steps(),
    }
    start = Handle(*_START, look="neutral", label="start")
    panels = [gan.plane(start), gan.windows(), gan.log()]
    return gan.scene("dirac", "Step a Dirac-GAN", controls, panels, gan.told(), _ALL)


def _kept(number: sp.Expr) -> sp.Expr:
    return sp.Max(-MOST, sp.Min(MOST, number))


def _of_both(formula: Callable[..., Any]) -> list[Any]:
    """Of simultaneous updates, and of alternating ones."""
    return [formula(alternating=way) for way in (False, True)]


def either(which: sp.Symbol, first: sp.Expr, second: sp.Expr) -> sp.Expr:
    """The first where a switch is off, else the second.

    Args:
        which: the switch, 0 or 1.
        first: if it is 0.
        second: if it is 1.
    """
    return sp.Piecewise((first, which < 1), (second, True))
