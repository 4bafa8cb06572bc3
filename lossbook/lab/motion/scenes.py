"""The chapter's objects to move; their formulas are those of `lossbook.motion.symbolic`."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import numpy as np
import sympy as sp
import torch
from numpy.typing import ArrayLike, NDArray

from lossbook.lab.motion.bins import BINS, SPACING, WIDTH
from lossbook.lab.motion.clips import FaceMesh, Heads
from lossbook.lab.motion.heads import LINES, outline, seen
from lossbook.lab.page.formulas import Number
from lossbook.lab.page.marks import Mark
from lossbook.lab.page.objects import (
    Axis,
    Button,
    Choice,
    Clip,
    Curve,
    Dots,
    Line,
    Panel,
    Range,
    Scene,
    Stems,
    Text,
    bars,
)
from lossbook.motion import symbolic
from lossbook.symbolic import B

__all__ = ["anatomy", "bins", "disturb", "filters", "heads", "reader", "terms_of"]

TERMS = {"P": symbolic.POSITION, "V": symbolic.VELOCITY, "A": symbolic.ACCELERATION}
GAINS = {
    "P": symbolic.POSITION_GAIN,
    "V": symbolic.VELOCITY_GAIN,
    "A": symbolic.ACCELERATION_GAIN,
}
_FACE = (Axis(-13, 13), Axis(-13, 13))
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


def heads(
    name: str,
    title: str,
    faces: Mapping[str, NDArray[np.float64]],
    yaw: Mapping[str, Sequence[float]],
    *,
    truth: NDArray[np.float64],
    fps: float,
    span: tuple[Number, Number],
    sentence: str = "",
) -> Scene:
    """Heads that turn side by side over the truth, and their yaw beneath.

    Args:
        name: of the scene.
        title: of the scene.
        faces: by look, the outlines, ``(frames, points, 2)``.
        yaw: by look, degrees for each frame; the truth is ``"ground truth"``.
        truth: outline of the true head, drawn beneath each.
        fps: frames a second.
        span: ends of the axis of the yaw.
        sentence: beneath; may hold ``{frame}``.
    """
    frame = sp.Symbol("frame", integer=True)
    count = len(truth)
    beneath = Clip(truth, frame, LINES, look="ground truth", label="truth", width=1.5)
    panels = [
        Panel(
            [beneath, Clip(face, frame, LINES, look=look, width=2.5)],
            *_FACE,
            look,
            equal=True,
            frame=False,
        )
        for look, face in faces.items()
    ]
    cursor = Line([(frame, span[0]), (frame, span[1])], look="neutral", width=1)
    lines = [
        Line([(k + 1, float(v)) for k, v in enumerate(values)], look=look, solid=True, width=2)
        for look, values in yaw.items()
    ]
    across = Axis(1, count, f"frame, {fps:.0f} a second")
    below = Panel(
        [cursor, *lines], across, Axis(*span, "yaw [°]"), "Yaw over time", height=230, wide=True
    )
    said = [(sentence, {"frame": frame})] if "{frame" in sentence else [sentence] * bool(sentence)
    control = Range(1, count, 1, 1, label="frame", fps=round(fps))
    return Scene(name, title, {frame: control}, [*panels, below], said)


def anatomy(signer: Heads, mesh: FaceMesh, clip: int) -> Scene:
    """One clip: the head with its 21 points, and what its 265 dimensions say.

    Args:
        signer: as `load_sign_heads` gives them.
        mesh: as `load_face_mesh` gives it.
        clip: its number.
    """
    at = (signer.clip == clip).nonzero().flatten()
    frame = sp.Symbol("frame", integer=True)
    count = len(at)
    euler, t, exp = signer.euler[at], signer.t[at], signer.exp[at]
    points = mesh.vertices[list(signer.points)] + exp.reshape(count, -1, 3)
    head = [
        Clip(outline(euler, mesh, t=t), frame, LINES, look="neutral", width=1.5),
        Clip(seen(points, euler, t=t), frame, look="velocity", size=3, label="21 points"),
    ]
    rows = {
        "pitch, yaw, roll: 3 × 66": (euler.T, ("pitch", "yaw", "roll"), Axis(-16, 16, "[°]")),
        "exp: 63, four of them": (
            10 * exp[:, _SHOWN].T,
            ("brow", "upper lip", "lower lip", "chin"),
            Axis(-8, 8, "[mm]"),
        ),
        "t: 3, and scale: 1": (
            torch.cat([10 * t, 100 * (signer.scale[at, None] - 1)], 1).T,
            ("x", "y", "z", "scale"),
            Axis(-12, 12, "[mm], [%]"),
        ),
    }
    panels = [Panel(head, *_FACE, "The head", equal=True, frame=False)]
    for title, (values, names, axis) in rows.items():
        cursor = Line([(frame, axis.start), (frame, axis.stop)], look="neutral", width=1)
        lines = [
            Line(list(enumerate(line, 1)), look=look, solid=True, width=2)
            for look, line in zip(_HUES, np.round(values.tolist(), 3).tolist(), strict=False)
        ]
        names_at = [
            Text((count, height), name, anchor="end", shift=(0, -8))
            for name, height in zip(names, _apart(values[:, -1].tolist(), axis), strict=True)
        ]
        panels.append(Panel([cursor, *lines, *names_at], Axis(1, count, "frame"), axis, title))
    control = Range(1, count, 1, 1, label="frame", fps=round(signer.fps))
    return Scene("anatomy", "A clip: 265 numbers a frame", {frame: control}, panels)


def _apart(heights: Sequence[float], axis: Axis) -> list[float]:
    """Heights that names can stand at without lying on one another."""
    gap = 0.075 * abs(axis.stop - axis.start)
    order = sorted(range(len(heights)), key=heights.__getitem__)
    placed = list(heights)
    for before, now in itertools.pairwise(order):
        placed[now] = max(placed[now], placed[before] + gap)
    return placed


# Heights of a brow, of the inner lips and of the chin.
_SHOWN = [3 * point + 1 for point in (1, 14, 15, 16)]
_HUES = ("position", "velocity", "acceleration", "neutral")


def disturb(truth: ArrayLike, *, fps: float = 25.0) -> Scene:
    """Disturb one angle of a clip, always by the same position error, and see P, V and A.

    Args:
        truth: the angle in degrees, one for each frame.
        fps: frames a second.
    """
    motion = np.asarray(truth, dtype=np.float64)
    frames = len(motion)
    kind, size, hertz = sp.Symbol("kind"), sp.Symbol("size"), sp.Symbol("hertz")
    t, k = symbolic.t, sp.Symbol("k", integer=True)
    wave = sp.cos(2 * sp.pi * hertz / fps * (t - 1))
    power = sp.Sum(wave**2, (t, 1, frames)) / frames
    error = size * sp.Piecewise(
        (1, sp.Eq(kind, 0)),
        (sp.Piecewise((sp.sqrt(frames), sp.Eq(t, frames // 2)), (0, True)), sp.Eq(kind, 1)),
        (wave / sp.sqrt(power), True),
    )
    turn = 2 * sp.pi * k * t / frames
    sums = [sp.Sum(error * wave_of(turn), (t, 1, frames)) for wave_of in (sp.cos, sp.sin)]
    alone = sp.Piecewise((1, sp.Eq(k, 0) | sp.Eq(2 * k, frames)), (2, True))
    spectrum = alone * (sums[0] ** 2 + sums[1] ** 2) / frames**2
    angle = sp.IndexedBase("theta")
    moved = [(j, angle[j] + error.subs(t, j)) for j in range(1, frames + 1)]
    true = Line(list(enumerate(motion.tolist(), 1)), look="ground truth", label="truth")
    time = Panel(
        [true, Line(moved, look="prediction", label="disturbed", solid=True), Dots(moved, size=2)],
        Axis(1, frames, "frame"),
        Axis(-12, 12, "yaw [°]"),
        "The clip",
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
        Axis(0, 64, "loss [°²]"),
        title="What the loss says",
        looks=LOOKS,
        format=".2f",
        wide=True,
    )
    return Scene(
        "disturb",
        "Disturb a clip",
        {
            kind: Choice("Disturb", ("all frames alike", "one frame", "a wave"), 2),
            size: Range(0, 3, 2, 0.1, "°", "position error (rms)"),
            hertz: Range(0.5, fps / 2, 3, 0.25, "Hz", "frequency of the wave"),
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
            Button("drift", {kind: 2, hertz: 0.5}),
            Button("tremble", {kind: 2, hertz: fps / 2}),
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


def bins() -> Scene:
    """66 logits of an angle, disturbed in three ways, and the angle that is read off them."""
    theta, shift, push = sp.symbols("theta shift push", real=True)
    at, k = sp.Symbol("bin", integer=True), sp.Symbol("k", integer=True)
    centre = SPACING * (k - sp.Rational(BINS + 1, 2))
    pushed = sp.Piecewise((1, sp.Eq(k, at)), (0, True))
    # As in lab/motion/bins.py; a constant in all logits would change nothing, and is left out.
    logit = -((centre - theta) ** 2) / (2 * WIDTH**2) + shift + push * pushed
    share = sp.exp(logit - shift)
    j = sp.Symbol("j", integer=True)
    mass = sp.Sum(share.subs(k, j), (j, 1, BINS))
    read = sp.Sum((centre * share).subs(k, j), (j, 1, BINS)) / mass
    error = sp.Sum((shift + push * pushed.subs(k, j)) ** 2, (j, 1, BINS)) / BINS
    true_at, read_at = (BINS / 2 + 0.5 + angle / SPACING for angle in (theta, read))
    ticks: dict[Number, str] = {
        1 + BINS / 2 + angle / SPACING - 0.5: f"{angle}" for angle in (-90, -45, 0, 45, 90)
    }
    across = Axis(0, BINS + 1, "bin [°]", ticks=ticks)
    return Scene(
        "bins",
        "Read an angle off 66 bins",
        {
            theta: Range(-45, 45, 12, 1, "°", "true angle"),
            shift: Range(-4, 4, 0, 0.5, label="add to all logits"),
            at: Range(1, BINS, 42, 1, label="push bin number"),
            push: Range(-6, 6, 0, 0.5, label="by"),
        },
        [
            Panel(
                [Stems(logit, k, (1, BINS), look="position", width=3)],
                across,
                Axis(-100, 10),
                "66 logits",
            ),
            Panel(
                [
                    Stems(share / mass, k, (1, BINS), look="velocity", width=3),
                    Line([(true_at, 0), (true_at, 1)], look="truth", label="true angle"),
                    Line([(read_at, 0), (read_at, 1)], look="prediction", label="angle read"),
                ],
                across,
                Axis(0, 1),
                "Their softmax",
            ),
        ],
        [
            (
                "MSE on the logits {m:.2f}; the angle read off is wrong by {d:.2f}°.",
                {"m": error, "d": sp.Abs(read - theta)},
            )
        ],
        [
            Button("all bins by 4", {shift: 4, push: 0}),
            Button("one far bin by 6", {shift: 0, push: 6, at: 3}),
            Button("one near bin by 6", {shift: 0, push: 6, at: 42}),
        ],
    )


def reader(log: Mapping[str, tuple[Number, Number]]) -> Scene:
    """Read from two ratios of a log how the errors of neighbouring frames hang together.

    Args:
        log: by part, the ratios V / P and A / P of a public log.
    """
    v, a = sp.symbols("V_P A_P", nonnegative=True)
    rho = {symbolic.rho_1: 1 - v / 2}
    # What A / P says, solved for the correlation two frames apart.
    (second,) = sp.solve(symbolic.ACCELERATION_RATIO - a, symbolic.rho_2)
    first, second = rho[symbolic.rho_1], second.subs(rho)
    numbers = [(float(first.subs(v, x)), float(second.subs({v: x, a: y}))) for x, y in log.values()]
    x = sp.Symbol("x", real=True)
    across = Axis(-1.05, 1.05, "correlation of neighbours ρ₁")
    marks: list[Mark] = [
        Curve(2 * x**2 - 1, x, label="no steady error lies below", look="neutral", width=1.5),
        Curve(x**2, x, label="memory of one frame: ρ₂ = ρ₁²", look="velocity"),
        Dots(numbers, look="acceleration", label="Ditto's six parts", size=4),
        Dots([(first, second)], look="position", label="your log", size=7),
    ]
    return Scene(
        "reader",
        "Read a log",
        {
            v: Range(0, 4, 2, 0.01, label="V / P"),
            a: Range(0, 16, 6, 0.01, label="A / P"),
        },
        [Panel(marks, across, Axis(-1.05, 1.05, "two frames apart ρ₂"), height=330)],
        [
            (
                "Neighbouring frames err alike to {one:.2f}, frames two apart to {two:.2f}.",
                {"one": first, "two": second},
            )
        ],
        [
            Button("noise", {v: 2, a: 6}),
            Button("tremble", {v: 4, a: 16}),
            *(Button(name, dict(zip((v, a), at, strict=True))) for name, at in log.items()),
        ],
    )
