"""The objects to move about waves: what P, V and A hear, and what a log says of an error."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import sympy as sp
from numpy.typing import ArrayLike

from lossbook.lab.page.formulas import Number
from lossbook.lab.page.marks import Mark
from lossbook.lab.page.objects import (
    Axis,
    Button,
    Curve,
    Dots,
    Line,
    Panel,
    Range,
    Scene,
    Stems,
    Switch,
    Text,
    bars,
)
from lossbook.motion import symbolic
from lossbook.symbolic import B

__all__ = [
    "GAINS",
    "an_error",
    "circle",
    "disturb",
    "filters",
    "noise",
    "reader",
    "rebuild",
    "terms_of",
]

TERMS = {"P": symbolic.POSITION, "V": symbolic.VELOCITY, "A": symbolic.ACCELERATION}
GAINS = {
    "P": symbolic.POSITION_GAIN,
    "V": symbolic.VELOCITY_GAIN,
    "A": symbolic.ACCELERATION_GAIN,
}
_WEIGHTS = sp.symbols("w_P w_V w_A", nonnegative=True)


def terms_of(error: sp.Expr, frame: sp.Symbol, frames: int) -> dict[str, sp.Expr]:
    """P, V and A of one dimension whose error is a formula of the frame, counted from 1.

    Args:
        error: prediction minus truth.
        frame: its symbol for the frame.
        frames: of the clip.
    """
    sizes = {B: 1, symbolic.s: 0, symbolic.q: 1, symbolic.T: frames}

    def put_in(entry: sp.Indexed) -> sp.Expr:
        return error.subs(frame, entry.indices[1]) if entry.base == symbolic.error else sp.S.One

    return {
        name: formula.subs(sizes).replace(lambda node: isinstance(node, sp.Indexed), put_in)
        for name, formula in TERMS.items()
    }


def rebuild(truth: ArrayLike, *, fps: float = 25.0) -> Scene:
    """A clip as a sum of its mean and of waves, the slowest first.

    Args:
        truth: one number for each frame, an even number of frames.
        fps: frames a second.
    """
    motion = np.asarray(truth, dtype=np.float64)
    frames, half = len(motion), len(motion) // 2
    many = sp.Symbol("many", integer=True)
    j, k = sp.Symbol("j", integer=True), sp.Symbol("k", integer=True)
    tone = sp.IndexedBase("c")
    found = np.fft.rfft(motion)
    sides = np.where(np.isin(np.arange(half + 1), (0, half)), 1, 2)
    power = sides * np.abs(found) ** 2 / frames**2
    # Of the k-th wave at frame j: twice the real part, or once for an offset and a tremble.
    at = 2 * sp.pi * k * (j - 1) / frames
    wave = tone[2 * k + 1] * sp.cos(at) - tone[2 * k + 2] * sp.sin(at)
    whole = sp.Sum(sp.Piecewise((wave, k <= many), (0, True)), (k, 0, half))
    parts = np.stack([sides * found.real, sides * found.imag], 1).ravel() / frames
    tones: dict[Number, str] = {n * frames / 10: f"{n * fps / 10:g}" for n in range(6)}
    held = sp.IndexedBase("p")
    used = sp.Piecewise((held[k + 1], k <= many), (0, True))
    share = sp.Sum(used, (k, 1, half)) / float(power[1:].sum())
    return Scene(
        "waves",
        "A clip is a sum of waves",
        {many: Range(0, half, 2, 1, label="waves used")},
        [
            Panel(
                [
                    Line(list(enumerate(motion.tolist(), 1)), look="ground truth", label="truth"),
                    Line(
                        [(n, whole.subs(j, n)) for n in range(1, frames + 1)],
                        look="prediction",
                        label="the mean and the waves",
                        solid=True,
                    ),
                ],
                Axis(1, frames, "frame"),
                Axis(-6, 6, "yaw [°]"),
                "The clip",
            ),
            Panel(
                [
                    Stems(held[k + 1], k, (1, half), look="neutral", width=2),
                    Stems(used, k, (1, half), look="prediction", width=5),
                ],
                Axis(-0.5, half + 0.5, "frequency [Hz]", ticks=tones),
                Axis(0, 2.5, "power [°²]"),
                "Its waves, without the mean",
            ),
        ],
        [("These waves hold {share:.1%} of the motion about the mean.", {"share": share})],
        arrays={tone: np.round(parts, 6), held: power},
    )


def circle(*, fps: float = 25.0) -> Scene:
    """A wave as the height of a point on a circle, and its step as that of a chord.

    Args:
        fps: frames a second.
    """
    hertz, frame = sp.Symbol("hertz", nonnegative=True), sp.Symbol("frame", integer=True)
    omega = 2 * sp.pi * hertz / fps
    count = 13

    def point(at: sp.Expr | int) -> tuple[sp.Expr, sp.Expr]:
        # From the top, so that a tremble goes up and down and does not lie in its zeros.
        return -sp.sin(omega * (at - 1)), sp.cos(omega * (at - 1))

    now, then = point(frame), point(frame + 1)
    ring = [(math.cos(a), math.sin(a)) for a in np.linspace(0, 2 * np.pi, 73)]
    heights = [(n, point(n)[1]) for n in range(1, count + 2)]
    step = symbolic.VELOCITY_GAIN.subs(symbolic.omega, omega)
    up = Axis(-1.15, 1.15)
    return Scene(
        "circle",
        "A wave is a point that goes round",
        {
            hertz: Range(0.5, fps / 2, 2.5, 0.25, "Hz", "frequency"),
            frame: Range(1, count, 1, 1, label="frame", fps=2),
        },
        [
            Panel(
                [
                    Line(ring, look="neutral", width=1, closed=True),
                    Line([now, (0, 0), then], look="neutral", width=1),
                    Line([now, then], look="velocity", label="step", solid=True, width=4),
                    Dots([now, then], look="position", label="wave", size=5),
                ],
                Axis(-1.7, 1.7),
                up,
                "This frame, the next, the chord",
                equal=True,
                frame=False,
            ),
            Panel(
                [
                    Line(heights, look="position", solid=True, width=1.5),
                    Dots(heights, look="position", size=2.5),
                    Line(
                        [(frame + 1, now[1]), (frame + 1, then[1])],
                        look="velocity",
                        solid=True,
                        width=4,
                    ),
                ],
                Axis(1, count + 1, "frame"),
                up,
                "The height of the point is the wave",
                height=299,  # so that both panels have one scale
            ),
        ],
        [
            (
                "It turns by {turn:.0f}° a frame. The chord is {chord:.2f} long, its square "
                "{square:.2f}, the square of that {fourth:.2f}.",
                {
                    "turn": 360 * hertz / fps,
                    "chord": sp.sqrt(step),
                    "square": step,
                    "fourth": step**2,
                },
            )
        ],
        [Button("slow", {hertz: 1}), Button("tremble", {hertz: fps / 2})],
    )


def disturb(truth: ArrayLike, *, fps: float = 25.0) -> Scene:
    """Disturb one angle of a clip, always by the same position error, and see P, V and A.

    Args:
        truth: the angle in degrees, one for each frame.
        fps: frames a second.
    """
    motion = np.asarray(truth, dtype=np.float64)
    frames = len(motion)
    alone, size, hertz = sp.Symbol("alone"), sp.Symbol("size"), sp.Symbol("hertz")
    t, k = symbolic.t, sp.Symbol("k", integer=True)
    wave = sp.cos(2 * sp.pi * hertz / fps * (t - 1))
    power = sp.Sum(wave**2, (t, 1, frames)) / frames
    one = sp.Piecewise((sp.sqrt(frames), sp.Eq(t, frames // 2)), (0, True))
    error = size * sp.Piecewise((one, alone > 0), (wave / sp.sqrt(power), True))
    turn = 2 * sp.pi * k * t / frames
    sums = [sp.Sum(error * wave_of(turn), (t, 1, frames)) for wave_of in (sp.cos, sp.sin)]
    sides = sp.Piecewise((1, sp.Eq(k, 0) | sp.Eq(2 * k, frames)), (2, True))
    spectrum = sides * (sums[0] ** 2 + sums[1] ** 2) / frames**2
    angle = sp.IndexedBase("theta")
    moved = [(j, angle[j] + error.subs(t, j)) for j in range(1, frames + 1)]
    true = Line(list(enumerate(motion.tolist(), 1)), look="ground truth", label="truth")
    time = Panel(
        [true, Line(moved, look="prediction", label="disturbed", solid=True), Dots(moved, size=2)],
        Axis(1, frames, "frame"),
        Axis(-12, 12, "yaw [°]"),
        "The clip",
        height=270,
        wide=True,
    )
    tones: dict[Number, str] = {j * frames / 10: f"{j * fps / 10:g}" for j in range(6)}
    heard = Panel(
        [Stems(spectrum, k, (0, frames // 2), look="prediction")],
        Axis(-0.5, frames / 2 + 0.5, "frequency of the error [Hz]", ticks=tones),
        Axis(0, 9, "power [°²]"),
        "Its error by frequency",
    )
    terms = terms_of(error, t, frames)
    answer = bars(
        terms,
        Axis(0.01, 200, "loss [°²]", log=True),  # a drift's and a tremble's differ by thousands
        title="What the loss says",
        looks=LOOKS,
        format=".2f",
    )
    return Scene(
        "disturb",
        "Disturb a clip",
        {
            hertz: Range(0, fps / 2, 3, 0.25, "Hz", "frequency"),
            size: Range(0, 3, 2, 0.1, "°", "position error (rms)"),
            alone: Switch("one frame only"),
        },
        [time, heard, answer],
        [
            (
                "P is {P:.2f}. V is {r:.2f} and A is {s:.2f} times as much.",
                {
                    "P": terms["P"],
                    "r": terms["V"] / sp.Max(terms["P"], 1e-9),
                    "s": terms["A"] / sp.Max(terms["P"], 1e-9),
                },
            )
        ],
        [
            Button("offset", {alone: 0, hertz: 0}),
            Button("drift", {alone: 0, hertz: 0.5}),
            Button("tremble", {alone: 0, hertz: fps / 2}),
        ],
        arrays={angle: np.round(motion, 3)},
    )


LOOKS = {"P": "position", "V": "velocity", "A": "acceleration"}


def filters(spectrum: ArrayLike, *, fps: float = 25.0) -> Scene:
    """Three weights, the filter they make, and what they hear of a measured error.

    Args:
        spectrum: power of an error at frequencies from 0 to half the frame rate.
        fps: frames a second.
    """
    power = np.asarray(spectrum, dtype=np.float64)
    hertz, j = sp.Symbol("f", nonnegative=True), sp.Symbol("j", integer=True)
    measured = sp.IndexedBase("S")
    ends = {symbolic.omega: 2 * sp.pi * hertz / fps}
    parts = {
        name: weight * sp.sympify(gain).subs(ends)
        for weight, (name, gain) in zip(_WEIGHTS, GAINS.items(), strict=True)
    }
    whole = sp.Add(*parts.values())
    places = hertz, fps / 2 * (j - 1) / (len(power) - 1)
    heard = {
        name: sp.Sum(measured[j] * formula.subs(*places), (j, 1, len(power)))
        for name, formula in parts.items()
    }
    total = sp.Max(sp.Add(*heard.values()), 1e-12)
    curves = [
        Curve(formula, hertz, label=name, look=LOOKS[name]) for name, formula in parts.items()
    ]
    across = Axis(0, fps / 2, "frequency of the error [Hz]")
    picture = Panel(
        [Curve(whole, hertz, label="sum", look="neutral", width=5), *curves],
        across,
        Axis(0, 24, "weight of the error"),
        "What an error weighs",
    )
    shares = bars(
        {name: heard[name] / total for name in heard},
        Axis(0, 1, "share of the loss"),
        title="Shares of a measured error",
        looks=LOOKS,
        format=".0%",
    )
    slow, fast = (whole.subs(hertz, at) for at in (0, fps / 2))
    return Scene(
        "filters",
        "Three weights make a filter",
        {
            weight: Range(0, 2, 1, 0.05, label=f"weight of {name}")
            for weight, name in zip(_WEIGHTS, GAINS, strict=True)
        },
        [picture, shares],
        [
            (
                "An offset weighs {slow:.2f}, a tremble of every other frame {fast:.2f}.",
                {"slow": slow, "fast": fast},
            )
        ],
        [
            Button("P", dict(zip(_WEIGHTS, (1, 0, 0), strict=True))),
            Button("V", dict(zip(_WEIGHTS, (0, 1, 0), strict=True))),
            Button("A", dict(zip(_WEIGHTS, (0, 0, 1), strict=True))),
        ],
        arrays={measured: power},
    )


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


def noise(truth: ArrayLike) -> Scene:
    """A clip under more and more noise, as the network that makes motion gets it.

    Args:
        truth: one number for each frame; it is standardised.
    """
    motion = np.asarray(truth, dtype=np.float64)
    frames = len(motion)
    clip = np.round((motion - motion.mean()) / motion.std(), 4)
    level, x, e = sp.Symbol("u", nonnegative=True), sp.IndexedBase("x"), sp.IndexedBase("e")
    # As `signal` of the laboratory's model.
    share = sp.cos(sp.pi * level / 2) ** 2
    mixed = [(n, sp.sqrt(share) * x[n] + sp.sqrt(1 - share) * e[n]) for n in range(1, frames + 1)]
    return Scene(
        "noise",
        "A clip buried in noise",
        {level: Range(0, 1, 0.5, 0.05, label="level of noise")},
        [
            Panel(
                [
                    Line(list(enumerate(clip.tolist(), 1)), look="ground truth", label="truth"),
                    Line(mixed, look="prediction", label="what the network gets", solid=True),
                    Dots(mixed, look="prediction", size=2),
                ],
                Axis(1, frames, "frame"),
                Axis(-3.2, 3.2, "yaw [std]"),
                "The clip",
                height=270,
                wide=True,
            )
        ],
        [("{share:.0%} of its variance is motion.", {"share": share})],
        arrays={x: clip, e: np.round(np.random.default_rng(1).standard_normal(frames), 4)},
    )
