"""The object to move about a log: what its ratios say of an error, and such an error."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import sympy as sp

from lossbook.lab.page.formulas import Number
from lossbook.lab.page.marks import Mark
from lossbook.lab.page.objects import Axis, Button, Curve, Dots, Panel, Range, Scene, Stems, Text
from lossbook.motion import symbolic

__all__ = ["an_error", "reader"]

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


def reader(
    log: Mapping[str, tuple[Number, Number]],
    motion: Mapping[str, tuple[Number, Number]] | None = None,
) -> Scene:
    """Read from two ratios of a log how the errors of neighbouring frames hang together.

    Args:
        log: by part, the ratios V / P and A / P of a public log.
        motion: by the name on its button, the ratios of the motion itself.
    """
    v, a = sp.symbols("V_P A_P", nonnegative=True)
    rho = {symbolic.rho_1: 1 - v / 2}
    # What A / P says, solved for the correlation two frames apart.
    (second,) = sp.solve(symbolic.ACCELERATION_RATIO - a, symbolic.rho_2)
    first, second = rho[symbolic.rho_1], second.subs(rho)

    def placed(ratios: Mapping[str, tuple[Number, Number]]) -> list[tuple[float, float]]:
        ends = ({v: x, a: y} for x, y in ratios.values())
        return [(float(first.subs(at)), float(second.subs(at))) for at in ends]

    # Of a wave A / V is V / P, and no mixture of waves has less; and none has more than a tremble.
    # Where there is such an error the root is 1, elsewhere it is no number, and nothing is drawn.
    room = sp.Min(a - v**2, 4 * v - a) + sp.Float(1e-9)
    steady, none = sp.sqrt(sp.sign(room)), sp.sqrt(sp.sign(-room))
    x = sp.Symbol("x", real=True)
    frame = sp.Symbol("frame", integer=True)
    across = Axis(-1.05, 1.05, "correlation of neighbours ρ₁")
    marks: list[Mark] = [
        Curve(2 * x**2 - 1, x, label="no steady error lies below", look="neutral", width=1.5),
        Curve(x**2, x, label="memory of one frame: ρ₂ = ρ₁²", look="velocity"),
        Dots(placed(log), look="P+V+A+L", label="Ditto's six parts", size=3),
    ]
    if motion:
        marks.append(Dots(placed(motion), look="ground truth", label="the motion itself", size=3))
    here = (first * steady, second * steady)
    marks.append(Dots([here], look="position", label="your log", size=6.5, hollow=True))
    drawn = steady * an_error(first, second, frame)
    gone = ((_PERIOD + 1) / 2 * none, 0.6 * none)
    return Scene(
        "reader",
        "Read a log",
        {
            v: Range(0, 4, 2, 0.01, label="V / P"),
            a: Range(0, 16, 6, 0.01, label="A / P"),
        },
        [
            Panel(marks, across, Axis(-1.05, 1.05, "two frames apart ρ₂"), "Its place", height=300),
            Panel(
                [
                    Stems(drawn, frame, (1, _PERIOD), look="position", width=3),
                    Text(gone, "no steady error logs this", anchor="middle"),
                ],
                Axis(0, _PERIOD + 1, "frame"),
                Axis(-3.2, 3.2, "error"),
                "An error that would log this",
                height=300,
            ),
        ],
        [
            (
                "Neighbouring frames err alike to {one:.2f}, frames two apart to {two:.2f}; "
                "at most {share:.0%} of its power trembles.",
                {
                    "one": first * steady,
                    "two": second * steady,
                    # A weighs a tremble with 16, so that there cannot be more of it than that.
                    "share": steady
                    * sp.Min(1, a / symbolic.ACCELERATION_GAIN.subs(symbolic.omega, sp.pi)),
                },
            )
        ],
        [
            Button("noise", {v: 2, a: 6}),
            Button("tremble", {v: 4, a: 16}),
            *(
                Button(name, dict(zip((v, a), at, strict=True)))
                for name, at in (*log.items(), *(motion or {}).items())
            ),
        ],
        arrays={_PHASE: _PHASES},
    )
