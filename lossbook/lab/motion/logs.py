"""The object to move about a log: what its ratios say of an error, and such an error."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import sympy as sp

from lossbook.lab.page.formulas import Number
from lossbook.lab.page.marks import Mark
from lossbook.lab.page.objects import (
    Arrow,
    Axis,
    Curve,
    Dots,
    Line,
    Panel,
    Range,
    Scene,
    Stems,
    Text,
    presets,
)
from lossbook.motion import symbolic

__all__ = ["an_error", "reader", "ruler"]

_TONES = 24
_PERIOD = 2 * _TONES
# Of the waves that an error is drawn with: any will do, and it should stay the same. The fastest
# is up in one frame and down in the next; with another phase it would be less.
_PHASES = np.append(np.round(2 * np.pi * np.random.default_rng(4).random(_TONES - 1), 4), 0)


def an_error(rho_1: sp.Expr, rho_2: sp.Expr, frame: sp.Symbol) -> sp.Expr:
    """An error of mean square 1 whose neighbours correlate as said, as a sum of waves.

    It repeats after 48 frames. The powers of its waves are those of an autoregressive process of
    second order, the simplest that has these two correlations; where there is none, those of the
    nearest. With 24 waves and an offset the correlations are met within a few percent.

    Args:
        rho_1: correlation of neighbours.
        rho_2: correlation two frames apart.
        frame: its symbol for the frame.
    """
    k = sp.Symbol("k", integer=True)
    most = sp.Float(0.9999)
    one = sp.Max(sp.Min(rho_1, most), -most)
    bound = sp.Float(0.999)
    # What two frames apart have in common beyond what the frame between them explains.
    partial = sp.Max(sp.Min((rho_2 - one**2) / (1 - one**2), bound), -bound)
    first, second = one * (1 - partial), partial
    turn = sp.pi * k / _TONES
    real = 1 - first * sp.cos(turn) - second * sp.cos(2 * turn)
    imaginary = first * sp.sin(turn) + second * sp.sin(2 * turn)
    # The fastest has one of the two sides that the others have.
    sides = sp.Piecewise((1, sp.Eq(k, _TONES)), (2, True))
    power = sides / (real**2 + imaginary**2)
    twice = sp.Piecewise((1, sp.Eq(k, _TONES)), (sp.sqrt(2), True))
    ends = (k, 1, _TONES)
    waves = sp.Sum(twice * sp.sqrt(power) * sp.cos(turn * frame + _PHASE[k]), ends)
    # An offset costs no V: there is as much of it as makes V / P right.
    steps = sp.Sum(power * symbolic.VELOCITY_GAIN.subs(symbolic.omega, turn), ends)
    wanted = sp.Max(symbolic.VELOCITY_RATIO.subs(symbolic.rho_1, rho_1), sp.Float(1e-9))
    moving = sp.Sum(power, ends)
    offset = sp.Max(steps / wanted - moving, 0)
    return (sp.sqrt(offset) + waves) / sp.sqrt(offset + moving)


_PHASE = sp.IndexedBase("phase")
_FRAME = sp.Symbol("frame", integer=True)
_V, _A = sp.symbols("V_P A_P", nonnegative=True)
"""The ratios V / P and A / P."""
_RHO_1 = 1 - _V / 2
(_SOLVED,) = sp.solve(symbolic.ACCELERATION_RATIO - _A, symbolic.rho_2)
_RHO_2 = _SOLVED.subs(symbolic.rho_1, _RHO_1)
# Of a wave A / V is V / P, and no mixture of waves has less; and none has more than a flip.
# Where there is such an error the root is 1, elsewhere it is no number, and nothing is drawn.
_ROOM = sp.Min(_A - _V**2, 4 * _V - _A) + sp.Float(1e-9)
_STEADY, _NONE = sp.sqrt(sp.sign(_ROOM)), sp.sqrt(sp.sign(-_ROOM))
_HERE = (_RHO_1 * _STEADY, _RHO_2 * _STEADY)
# V / P and A / P are mean and mean square of a weight that for a flip is 4: Cantelli's inequality
# says how much of it there can be. What is added is so small that it says 1 of a flip, of which
# spread and distance are 0, and nothing of any other error.
_SPREAD = _A - _V**2 + sp.Float(1e-13)
_FLIP = symbolic.VELOCITY_GAIN.subs(symbolic.omega, sp.pi)
_MOST_FLIP = _STEADY * _SPREAD / (_SPREAD + (_FLIP - _V) ** 2)
_KINDS = {0: "offset", 2: "dice", 4: "flip"}
"""Errors by their V / P."""
_CORNER = ((0.78, 0.6), (1.0, 1.0))
_ACROSS, _UP = "correlation of neighbours ρ₁", "two frames apart ρ₂"

Ratios = tuple[Number, Number]


def _drawn(error: sp.Expr, *marks: Mark) -> Panel:
    """An error over one period, and what else is to stand there."""
    return Panel(
        [Stems(error, _FRAME, (1, _PERIOD), look="position", width=3), *marks],
        Axis(0, _PERIOD + 1, "frame"),
        Axis(-3.2, 3.2, "error"),
        "An error that would log this",
        height=240,
        wide=True,
    )


def ruler(
    log: Mapping[str, Number],
    ours: Mapping[str, Number] | None = None,
) -> Scene:
    """Move V / P between an error that stays and one that flips, and see such an error.

    The error remembers one frame: what two frames apart have in common is the square of what
    neighbours have.

    Args:
        log: by the name on its button and at its dot, V / P of the face in a public log, at one
            epoch after the other; arrows lead from each to the next.
        ours: likewise of our own motion and networks, without arrows.
    """
    ours = ours or {}
    dots = [Dots([(at, 0) for at in log.values()], look="P+V+A+L", label="Ditto's face", size=3)]
    if ours:
        dots.append(Dots([(at, 0) for at in ours.values()], look="p", label="ours", size=3))
    said = (
        "V/P is {v:.2f}. From one frame to the next the error changes by {step:.2f} times its own "
        "size (both as root mean squares)."
    )
    kinds = {kind: at for at, kind in _KINDS.items()}
    return Scene(
        "ruler",
        "What V/P says of an error",
        {_V: Range(0, 4, 2, 0.01, label="V / P")},
        [
            _from_0_to_4(dots),
            _from_0_to_1(dots, log, ours),
            _drawn(an_error(_RHO_1, _RHO_1**2, _FRAME)),
        ],
        [(said, {"v": _V, "step": sp.sqrt(_V)})],
        presets([_V], {name: [at] for name, at in (kinds | {**log, **ours}).items()}),
        arrays={_PHASE: _PHASES},
    )


def _from_0_to_4(dots: Sequence[Dots]) -> Panel:
    """All ratios that an error can have, with dots on them and your own."""
    marks: list[Mark] = [
        Line([(0, 0), (4, 0)], look="neutral", width=1),
        *dots,
        Dots([(_V, 0)], look="position", label="chosen V/P", size=6.5, hollow=True),
        *(Line([(at, -0.12), (at, 0.12)], look="neutral", width=1) for at in _KINDS),
        *(Text((at, 0.62), kind, anchor="middle") for at, kind in _KINDS.items()),
    ]
    across = Axis(-0.25, 4.25, ticks={at: f"{at}" for at in range(5)})
    return Panel(
        marks, across, Axis(-0.8, 0.9, ticks={}), "V / P from 0 to 4", height=120, wide=True
    )


def _from_0_to_1(
    dots: Sequence[Dots], log: Mapping[str, Number], ours: Mapping[str, Number]
) -> Panel:
    """The first quarter, larger, with names; your own dot only while it is there."""
    here = _V * sp.sqrt(sp.sign(sp.Float(1.000001) - _V))
    marks: list[Mark] = [
        Line([(0, 0), (1, 0)], look="neutral", width=1),
        *(dataclasses.replace(mark, label="") for mark in dots),
        Dots([(here, 0)], look="position", size=6.5, hollow=True),
        *(
            Arrow((at, 0.3), (then - at, 0), look="P+V+A+L", width=1.5)
            for at, then in itertools.pairwise(log.values())
        ),
        *_named(log, 0.72),
        *(Text((at, -0.85), name, anchor="middle") for name, at in ours.items()),
    ]
    across = Axis(-0.0625, 1.0625, ticks={at / 4: f"{at / 4:g}" for at in range(5)})
    up = Axis(-1.1, 1.1, ticks={})
    return Panel(marks, across, up, "From 0 to 1, enlarged", height=145, wide=True)


def _named(log: Mapping[str, Number], height: float) -> list[Text]:
    """The names of places that may lie close together: the last to the right of its place."""
    *before, last = log.items()
    if not before:
        return [Text((last[1], height), last[0], anchor="middle")]
    names = [Text((at, height), name, anchor="end") for name, at in before]
    return [*names, Text((last[1], height), last[0])]


def reader(
    log: Mapping[str, Ratios],
    motion: Mapping[str, Ratios] | None = None,
    others: Iterable[Ratios] = (),
) -> Scene:
    """Read from two ratios of a log how the errors of neighbouring frames hang together.

    Args:
        log: by the name on its button and at its dot, the ratios V / P and A / P of parts of a
            public log.
        motion: likewise of the motion itself.
        others: ratios of its other parts, which have neither name nor button.
    """
    motion = motion or {}
    parts = _placed([*log.values(), *others])
    dots = [Dots(parts, look="P+V+A+L", label="Ditto's parts", size=3)]
    if motion:
        own = _placed(motion.values())
        dots.append(Dots(own, look="ground truth", label="the motion itself", size=3))
    error = _STEADY * an_error(_RHO_1, _RHO_2, _FRAME)
    gone = ((_PERIOD + 1) / 2 * _NONE, 0.6 * _NONE)
    none = Text(gone, "no steady error logs this", anchor="middle")
    said = (
        "ρ₁ is {one:.2f}, ρ₂ is {two:.2f}. At most {share:.0%} of the power of such an error can "
        "be a flip."
    )
    return Scene(
        "reader",
        "Read a log by V and A",
        {_V: Range(0, 4, 2, 0.01, label="V / P"), _A: Range(0, 16, 6, 0.01, label="A / P")},
        [_all_places(dots), _corner(dots, log, motion), _drawn(error, none)],
        [(said, {"one": _HERE[0], "two": _HERE[1], "share": _MOST_FLIP})],
        presets((_V, _A), {"dice": (2, 6), "flip": (4, 16), **log, **motion}),
        arrays={_PHASE: _PHASES},
    )


def _placed(ratios: Iterable[Ratios]) -> list[tuple[float, float]]:
    """The two correlations of each pair of ratios."""
    ends = ({_V: x, _A: y} for x, y in ratios)
    return [(float(_RHO_1.subs(at)), float(_RHO_2.subs(at))) for at in ends]


def _curves() -> list[Curve]:
    """What the correlations of a steady error cannot pass, and those that remember one frame."""
    x = sp.Symbol("x", real=True)
    return [
        Curve(2 * x**2 - 1, x, label="no steady error lies below", look="neutral", width=1.5),
        Curve(x**2, x, label="memory of one frame: ρ₂ = ρ₁²", look="velocity"),
    ]


def _all_places(dots: Sequence[Dots]) -> Panel:
    """All pairs of correlations, with dots at some of them and your own."""
    here = Dots([_HERE], look="position", label="chosen", size=6.5, hollow=True)
    marks: list[Mark] = [*_curves(), *dots, here]
    return Panel(marks, Axis(-1.05, 1.05, _ACROSS), Axis(-1.05, 1.05, _UP), "Its place", height=300)


def _corner(dots: Sequence[Dots], log: Mapping[str, Ratios], motion: Mapping[str, Ratios]) -> Panel:
    """Where a public log lies, larger, with names; your own dot only while it is there."""
    low, high = _CORNER
    near = sp.sqrt(sp.sign(sp.Min(_HERE[0] - low[0], _HERE[1] - low[1]) + sp.Float(1e-9)))
    here = (_HERE[0] * near, _HERE[1])
    marks: list[Mark] = [
        *(dataclasses.replace(curve, label="") for curve in _curves()),
        *(dataclasses.replace(mark, label="") for mark in dots),
        Dots([here], look="position", size=6.5, hollow=True),
    ]
    for names, shift, anchor in ((log, (-9, 4), "end"), (motion, (9, 4), "start")):
        for name, place in zip(names, _placed(names.values()), strict=True):
            marks.append(Text(place, name, shift=shift, anchor=anchor))
    across, up = Axis(low[0], high[0], _ACROSS), Axis(low[1], high[1], _UP)
    return Panel(marks, across, up, "The upper right corner, enlarged", height=300)
