"""The objects to move about waves: what P, V and A hear."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping

import numpy as np
import sympy as sp
from numpy.typing import ArrayLike, NDArray

from lossbook.lab.page.formulas import Number
from lossbook.lab.page.marks import Mark
from lossbook.lab.page.objects import (
    Axis,
    Curve,
    Dots,
    Line,
    Panel,
    Range,
    Scene,
    Stems,
    Switch,
    bars,
    dotted,
    presets,
    series,
    view,
)
from lossbook.lab.page.sheet import Place
from lossbook.motion import symbolic
from lossbook.symbolic import B

__all__ = [
    "GAINS",
    "circle",
    "disturb",
    "filters",
    "noise",
    "rebuild",
    "terms_of",
]

TERMS = {"P": symbolic.POSITION, "V": symbolic.VELOCITY, "A": symbolic.ACCELERATION}
GAINS = {
    "P": symbolic.POSITION_GAIN,
    "V": symbolic.VELOCITY_GAIN,
    "A": symbolic.ACCELERATION_GAIN,
}
LOOKS = {"P": "position", "V": "velocity", "A": "acceleration"}
_WEIGHTS = sp.symbols("w_P w_V w_A", nonnegative=True)
_K = sp.Symbol("k", integer=True)
"""Of a wave: how often it repeats in a clip."""


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


def _hertz(frames: int, fps: float, label: str) -> Axis:
    """The waves of a clip of so many frames, by how often they repeat in a second."""
    ticks: dict[Number, str] = {n * frames / 10: f"{n * fps / 10:g}" for n in range(6)}
    return Axis(-0.5, frames / 2 + 0.5, f"{label} [Hz]", ticks=ticks)


_MANY, _FRAME = sp.symbols("many j", integer=True)
_TONE, _POWER = sp.IndexedBase("c"), sp.IndexedBase("p")
_USED = sp.Piecewise((_POWER[_K + 1], _K <= _MANY), (0, True))
_FEW = (
    "These waves hold {share:.1%} of the power about the mean. See how few slow waves are "
    "enough for most of it."
)


def rebuild(truth: ArrayLike, *, fps: float = 25.0) -> Scene:
    """A clip as a sum of its mean and of waves, the slowest first.

    Args:
        truth: one number for each frame, an even number of frames.
        fps: frames a second.
    """
    motion = np.asarray(truth, dtype=np.float64)
    frames, half = len(motion), len(motion) // 2
    tones, power = _waves(motion)
    found = _slowest(frames)
    lines = [
        series(motion.tolist(), look="ground truth", label="truth"),
        series(found, look="prediction", label="the mean and the waves", solid=True),
    ]
    stems = [
        Stems(_POWER[_K + 1], _K, (1, half), look="neutral", width=2),
        Stems(_USED, _K, (1, half), look="prediction", width=5),
    ]
    across, up = _hertz(frames, fps, "frequency"), Axis(0, 2.5, "power [°²]")
    share = sp.Sum(_USED, (_K, 1, half)) / float(power[1:].sum())
    return Scene(
        "waves",
        "A clip is a sum of waves",
        {_MANY: Range(0, half, 2, 1, label="waves used")},
        [
            Panel(lines, Axis(1, frames, "frame"), Axis(-6, 6, "yaw [°]"), "The clip"),
            Panel(stems, across, up, "Its waves, without the mean"),
        ],
        [(_FEW, {"share": share})],
        arrays={_TONE: np.round(tones, 6), _POWER: power},
    )


def _waves(motion: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Real and imaginary part of each wave in turn, and the power of each, the mean first."""
    frames, half = len(motion), len(motion) // 2
    found = np.fft.rfft(motion)
    sides = np.where(np.isin(np.arange(half + 1), (0, half)), 1, 2)
    tones = np.stack([sides * found.real, sides * found.imag], 1).ravel() / frames
    return tones, sides * np.abs(found) ** 2 / frames**2


def _slowest(frames: int) -> list[sp.Expr]:
    """The mean and the chosen waves, frame by frame."""
    # Of the k-th wave at frame j: twice the real part, or once for an offset and a flip.
    at = 2 * sp.pi * _K * (_FRAME - 1) / frames
    wave = _TONE[2 * _K + 1] * sp.cos(at) - _TONE[2 * _K + 2] * sp.sin(at)
    whole = sp.Sum(sp.Piecewise((wave, _K <= _MANY), (0, True)), (_K, 0, frames // 2))
    return [whole.subs(_FRAME, n) for n in range(1, frames + 1)]


_COUNT = 13
"""Frames through which the point goes."""
_EDGE = 1.7
"""How far a panel goes beside the circle."""
_LONGER = (
    "It turns by {turn:.0f}° a frame. The chord is {chord:.2f} long: V is {square:.3f} "
    "times P, and A {fourth:.3f} times. The faster the wave, the longer the chord."
)


def circle(*, fps: float = 25.0) -> Scene:
    """A wave as the height of a point on a circle, and its step as that of a chord.

    Args:
        fps: frames a second.
    """
    hertz, frame = sp.Symbol("hertz", nonnegative=True), sp.Symbol("frame", integer=True)
    omega = 2 * sp.pi * hertz / fps
    now, then = _point(omega * (frame - 1)), _point(omega * frame)
    heights = [_point(omega * n)[1] for n in range(_COUNT + 1)]
    chord = [(frame + 1, now[1]), (frame + 1, then[1])]
    wave: list[Mark] = [
        *dotted(heights, look="position", width=1.5),
        Line(chord, look="velocity", solid=True, width=4),
    ]
    across, up = Axis(1, _COUNT + 1, "frame"), Axis(-1.15, 1.15)
    step = symbolic.VELOCITY_GAIN.subs(symbolic.omega, omega)
    turn = {"turn": 360 * hertz / fps, "chord": sp.sqrt(step), "square": step, "fourth": step**2}
    return Scene(
        "circle",
        "A wave is a point that goes round",
        {
            hertz: Range(0.5, fps / 2, 2.5, 0.25, "Hz", "frequency"),
            frame: Range(1, _COUNT, 1, 1, label="frame", fps=2),
        },
        [
            _round(now, then, up),
            # So high that both panels have one scale.
            Panel(wave, across, up, "The height of the point is the wave", height=299),
            _orders(heights, across),
        ],
        [(_LONGER, turn)],
        presets([hertz], {"slow": [1], "flip": [fps / 2]}),
    )


def _point(turned: sp.Expr) -> tuple[sp.Expr, sp.Expr]:
    """From the top, so that a flip goes up and down and does not lie in its zeros."""
    return -sp.sin(turned), sp.cos(turned)


def _round(now: Place, then: Place, up: Axis) -> Panel:
    """The point on its circle in two frames, and the chord between them."""
    ring = [(math.cos(a), math.sin(a)) for a in np.linspace(0, 2 * np.pi, 73)]
    marks: list[Mark] = [
        Line(ring, look="neutral", width=1, closed=True),
        Line([now, (0, 0), then], look="neutral", width=1),
        Line([now, then], look="velocity", solid=True, width=4),
        Dots([now, then], look="position", size=5),
        # To the panel beside it, which has the same scale.
        *(Line([at, (_EDGE, at[1])], look="baseline", width=1) for at in (now, then)),
    ]
    return view(marks, Axis(-_EDGE, _EDGE), up, "This frame, the next, the chord")


def _orders(wave: list[sp.Expr], across: Axis) -> Panel:
    """The wave, its steps and their steps; a step stands between its two frames."""
    marks: list[Mark] = []
    names = ("wave", "its steps", "their steps")
    values, first = wave, sp.Integer(1)
    for name, look in zip(names, LOOKS.values(), strict=True):
        marks += dotted(values, first=first, look=look, label=name)
        values, first = [v - u for u, v in itertools.pairwise(values)], first + sp.Rational(1, 2)
    title = "The wave, its steps, their steps"
    return Panel(marks, across, Axis(-4.3, 4.3), title, height=270, wide=True)


_ALONE, _SIZE, _HERTZ = sp.symbols("alone size hertz")
_RATIOS = "P is {P:.2f}. V is {r:.3f} and A is {s:.3f} times as much."
_BRIEF = (
    "The clip is short, so between offset and flip V and A differ a little from the "
    "formula below; near the flip V can even pass 4 P. A single bad frame holds all "
    "frequencies: its V is about twice its P."
)


def disturb(truth: ArrayLike, *, fps: float = 25.0) -> Scene:
    """Disturb one angle of a clip, always by the same position error, and see P, V and A.

    Args:
        truth: the angle in degrees, one for each frame.
        fps: frames a second.
    """
    motion = np.asarray(truth, dtype=np.float64)
    error = _disturbance(len(motion), fps)
    terms = terms_of(error, symbolic.t, len(motion))
    v, a = (terms[order] / sp.Max(terms["P"], 1e-9) for order in "VA")
    # A drift's and a flip's differ by thousands.
    axis = Axis(0.01, 200, "loss [°²]", log=True)
    angle = sp.IndexedBase("theta")
    return Scene(
        "disturb",
        "Disturb a clip",
        {
            _HERTZ: Range(0, fps / 2, 3, 0.25, "Hz", "frequency"),
            _SIZE: Range(0, 3, 2, 0.1, "°", "rms error"),
            _ALONE: Switch("one frame only"),
        },
        [
            _disturbed(motion, angle, error),
            _spectrum(error, len(motion), fps),
            bars(terms, axis, title="What the loss says", looks=LOOKS, format=".2f"),
        ],
        [(_RATIOS, {"P": terms["P"], "r": v, "s": a}), _BRIEF],
        presets(
            (_ALONE, _HERTZ),
            {"offset": (0, 0), "1 Hz": (0, 1), "2 Hz": (0, 2), "flip": (0, fps / 2)},
        ),
        arrays={angle: np.round(motion, 3)},
    )


def _disturbance(frames: int, fps: float) -> sp.Expr:
    """The error at a frame: a wave, or one frame alone, of the same mean square."""
    t = symbolic.t
    wave = sp.cos(2 * sp.pi * _HERTZ / fps * (t - 1))
    power = sp.Sum(wave**2, (t, 1, frames)) / frames
    one = sp.Piecewise((sp.sqrt(frames), sp.Eq(t, frames // 2)), (0, True))
    return _SIZE * sp.Piecewise((one, _ALONE > 0), (wave / sp.sqrt(power), True))


def _disturbed(motion: NDArray[np.float64], angle: sp.IndexedBase, error: sp.Expr) -> Panel:
    """The clip, and `angle`, which is the same, with the error."""
    frames = len(motion)
    moved = series(
        [angle[n] + error.subs(symbolic.t, n) for n in range(1, frames + 1)],
        look="prediction",
        label="disturbed",
        solid=True,
    )
    true = series(motion.tolist(), look="ground truth", label="truth")
    axes = Axis(1, frames, "frame"), Axis(-12, 12, "yaw [°]")
    marks: list[Mark] = [true, moved, Dots(moved.places, size=2)]
    return Panel(marks, *axes, "The clip", height=270, wide=True)


def _spectrum(error: sp.Expr, frames: int, fps: float) -> Panel:
    """How much of an error's power each wave has."""
    turn = 2 * sp.pi * _K * symbolic.t / frames
    parts = (sp.Sum(error * wave(turn), (symbolic.t, 1, frames)) for wave in (sp.cos, sp.sin))
    sides = sp.Piecewise((1, sp.Eq(_K, 0) | sp.Eq(2 * _K, frames)), (2, True))
    power = sides * sp.Add(*(part**2 for part in parts)) / frames**2
    across = _hertz(frames, fps, "frequency of the error")
    stems = [Stems(power, _K, (0, frames // 2), look="prediction")]
    return Panel(stems, across, Axis(0, 9, "power [°²]"), "Its error by frequency")


def filters(measured: Mapping[str, Number], *, fps: float = 25.0) -> Scene:
    """Three weights, the filter they make, and what they hear of a measured error.

    Args:
        measured: P, V and A of an error.
        fps: frames a second.
    """
    hertz = sp.Symbol("f", nonnegative=True)
    ends = {symbolic.omega: 2 * sp.pi * hertz / fps}
    weights = dict(zip(GAINS, _WEIGHTS, strict=True))
    parts = {name: w * sp.sympify(GAINS[name]).subs(ends) for name, w in weights.items()}
    whole = sp.Add(*parts.values())
    picture = Panel(
        [
            Curve(whole, hertz, label="sum", look="neutral", width=5),
            *(Curve(part, hertz, label=name, look=LOOKS[name]) for name, part in parts.items()),
        ],
        Axis(0, fps / 2, "frequency of the error [Hz]"),
        Axis(0, 44, "weight of the error"),
        "What an error weighs",
    )
    heard = {name: w * sp.Float(measured[name]) for name, w in weights.items()}
    total = sp.Max(sp.Add(*heard.values()), 1e-12)
    of_loss = {name: part / total for name, part in heard.items()}
    title, axis = "Shares for a network trained with P", Axis(0, 1, "share of the loss")
    slow, fast = (whole.subs(hertz, at) for at in (0, fps / 2))
    return Scene(
        "filters",
        "Three weights make a filter",
        {w: Range(0, 2, 1, 0.05, label=f"weight of {name}") for name, w in weights.items()},
        # With a decimal, so that they add up.
        [picture, bars(of_loss, axis, title=title, looks=LOOKS, format=".1%")],
        [(_ENDS, {"slow": slow, "fast": fast})],
        presets(_WEIGHTS, {"only P": (1, 0, 0), "only V": (0, 1, 0), "only A": (0, 0, 1)}),
    )


_ENDS = (
    "An offset has the weight {slow:.2f}, and a flip has the weight {fast:.2f}. Look at the fast "
    "end of the curve, on the right. If all weights are 0, so is the loss."
)


def noise(truth: ArrayLike) -> Scene:
    """A clip under more and more noise, as the network that makes motion gets it.

    Args:
        truth: one number for each frame; it is standardised.
    """
    motion = np.asarray(truth, dtype=np.float64)
    clip = np.round((motion - motion.mean()) / motion.std(), 4)
    level, x, e = sp.Symbol("u", nonnegative=True), sp.IndexedBase("x"), sp.IndexedBase("e")
    # As `signal` of the laboratory's model.
    share = sp.cos(sp.pi * level / 2) ** 2
    every = range(1, len(clip) + 1)
    mixed = [sp.sqrt(share) * x[n] + sp.sqrt(1 - share) * e[n] for n in every]
    marks: list[Mark] = [
        series(clip.tolist(), look="ground truth", label="truth"),
        *dotted(mixed, look="prediction", label="what the network gets", size=2),
    ]
    axes = Axis(1, len(clip), "frame"), Axis(-3.2, 3.2, "yaw [std]")
    drawn = np.random.default_rng(1).standard_normal(len(clip))
    said = "{share:.0%} of its variance is the clip. Watch the clip disappear in the noise."
    return Scene(
        "noise",
        "A clip buried in noise",
        {level: Range(0, 1, 0.5, 0.05, label="level of noise")},
        [Panel(marks, *axes, "The clip", height=270, wide=True)],
        [(said, {"share": share})],
        arrays={x: clip, e: np.round(drawn / drawn.std(), 4)},
    )
