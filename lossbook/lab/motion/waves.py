"""The objects to move about waves: what P, V and A hear."""

from __future__ import annotations

import itertools
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
    bars,
)
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
    # Of the k-th wave at frame j: twice the real part, or once for an offset and a flip.
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
        [
            (
                "These waves hold {share:.1%} of the power about the mean. See how few slow waves "
                "are enough for most of it.",
                {"share": share},
            )
        ],
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
        # From the top, so that a flip goes up and down and does not lie in its zeros.
        return -sp.sin(omega * (at - 1)), sp.cos(omega * (at - 1))

    now, then = point(frame), point(frame + 1)
    ring = [(math.cos(a), math.sin(a)) for a in np.linspace(0, 2 * np.pi, 73)]
    heights = [(n, point(n)[1]) for n in range(1, count + 2)]
    step = symbolic.VELOCITY_GAIN.subs(symbolic.omega, omega)
    up, edge = Axis(-1.15, 1.15), 1.7
    # Wave, steps and their steps; a step stands between its two frames.
    orders = [heights]
    drawn: list[Mark] = []
    while len(orders) < len(TERMS):
        pairs = itertools.pairwise(orders[-1])
        orders.append([((a + b) / sp.Integer(2), v - u) for (a, u), (b, v) in pairs])
    names = ("wave", "its steps", "their steps")
    for values, name, look in zip(orders, names, LOOKS.values(), strict=True):
        drawn.append(Line(values, look=look, label=name, solid=True, width=2))
        drawn.append(Dots(values, look=look, size=2.5))
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
                    Line([now, then], look="velocity", solid=True, width=4),
                    Dots([now, then], look="position", size=5),
                    # To the panel beside it, which has the same scale.
                    *(Line([at, (edge, at[1])], look="baseline", width=1) for at in (now, then)),
                ],
                Axis(-edge, edge),
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
            Panel(
                drawn,
                Axis(1, count + 1, "frame"),
                Axis(-4.3, 4.3),
                "The wave, its steps, their steps",
                height=270,
                wide=True,
            ),
        ],
        [
            (
                "It turns by {turn:.0f}° a frame. The chord is {chord:.2f} long: V is {square:.3f} "
                "times P, and A {fourth:.3f} times. The faster the wave, the longer the chord.",
                {
                    "turn": 360 * hertz / fps,
                    "chord": sp.sqrt(step),
                    "square": step,
                    "fourth": step**2,
                },
            )
        ],
        [Button("slow", {hertz: 1}), Button("flip", {hertz: fps / 2})],
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
        Axis(0.01, 200, "loss [°²]", log=True),  # a drift's and a flip's differ by thousands
        title="What the loss says",
        looks=LOOKS,
        format=".2f",
    )
    return Scene(
        "disturb",
        "Disturb a clip",
        {
            hertz: Range(0, fps / 2, 3, 0.25, "Hz", "frequency"),
            size: Range(0, 3, 2, 0.1, "°", "rms error"),
            alone: Switch("one frame only"),
        },
        [time, heard, answer],
        [
            (
                "P is {P:.2f}. V is {r:.3f} and A is {s:.3f} times as much.",
                {
                    "P": terms["P"],
                    "r": terms["V"] / sp.Max(terms["P"], 1e-9),
                    "s": terms["A"] / sp.Max(terms["P"], 1e-9),
                },
            ),
            "The clip is short, so between offset and flip V and A differ a little from the "
            "formula below; near the flip V can even pass 4 P. A single bad frame holds all "
            "frequencies: its V is about twice its P.",
        ],
        [
            Button("offset", {alone: 0, hertz: 0}),
            Button("1 Hz", {alone: 0, hertz: 1}),
            Button("2 Hz", {alone: 0, hertz: 2}),
            Button("flip", {alone: 0, hertz: fps / 2}),
        ],
        arrays={angle: np.round(motion, 3)},
    )


LOOKS = {"P": "position", "V": "velocity", "A": "acceleration"}


def filters(measured: Mapping[str, Number], *, fps: float = 25.0) -> Scene:
    """Three weights, the filter they make, and what they hear of a measured error.

    Args:
        measured: P, V and A of an error.
        fps: frames a second.
    """
    hertz = sp.Symbol("f", nonnegative=True)
    ends = {symbolic.omega: 2 * sp.pi * hertz / fps}
    parts = {
        name: weight * sp.sympify(gain).subs(ends)
        for weight, (name, gain) in zip(_WEIGHTS, GAINS.items(), strict=True)
    }
    whole = sp.Add(*parts.values())
    heard = {
        name: weight * sp.Float(measured[name])
        for weight, name in zip(_WEIGHTS, GAINS, strict=True)
    }
    total = sp.Max(sp.Add(*heard.values()), 1e-12)
    curves = [
        Curve(formula, hertz, label=name, look=LOOKS[name]) for name, formula in parts.items()
    ]
    across = Axis(0, fps / 2, "frequency of the error [Hz]")
    picture = Panel(
        [Curve(whole, hertz, label="sum", look="neutral", width=5), *curves],
        across,
        Axis(0, 44, "weight of the error"),
        "What an error weighs",
    )
    shares = bars(
        {name: heard[name] / total for name in heard},
        Axis(0, 1, "share of the loss"),
        title="Shares for a network trained with P",
        looks=LOOKS,
        format=".1%",  # so that they add up
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
                "An offset has the weight {slow:.2f}, and a flip has the weight {fast:.2f}. Look "
                "at the fast end of the curve, on the right. If all weights are 0, so is the loss.",
                {"slow": slow, "fast": fast},
            )
        ],
        [
            Button("only P", dict(zip(_WEIGHTS, (1, 0, 0), strict=True))),
            Button("only V", dict(zip(_WEIGHTS, (0, 1, 0), strict=True))),
            Button("only A", dict(zip(_WEIGHTS, (0, 0, 1), strict=True))),
        ],
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
    drawn = np.random.default_rng(1).standard_normal(frames)
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
        [
            (
                "{share:.0%} of its variance is the clip. Watch the clip disappear in the noise.",
                {"share": share},
            )
        ],
        arrays={x: clip, e: np.round(drawn / drawn.std(), 4)},
    )
