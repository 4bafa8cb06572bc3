"""The objects to move that show heads: two that turn, one with its numbers, bins, ten calls."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import numpy as np
import sympy as sp
import torch
from numpy.typing import NDArray
from torch import Tensor

from lossbook.lab.motion.bins import BINS, SPACING, WIDTH
from lossbook.lab.motion.clips import FaceMesh, Heads
from lossbook.lab.motion.heads import LINES, outline, seen
from lossbook.lab.page.formulas import Number
from lossbook.lab.page.marks import Mark
from lossbook.lab.page.objects import (
    Axis,
    Button,
    Clip,
    Dots,
    Line,
    Panel,
    Range,
    Scene,
    Stems,
    Text,
)

__all__ = ["FACE", "anatomy", "bins", "heads", "many_noises", "ten_calls"]

FACE = (Axis(-13, 13), Axis(-13, 13))
"""The axes of a panel in which a head has room to turn."""


def heads(
    name: str,
    title: str,
    faces: Mapping[str, NDArray[np.float64]],
    yaw: Mapping[str, Sequence[float]],
    *,
    truth: NDArray[np.float64],
    fps: int | float,
    span: tuple[Number, Number],
    sentence: str = "",
    steps: bool = False,
    slow: int = 1,
    made: str = "",
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
        steps: whether the steps of the yaw stand beneath it, too.
        slow: how many times as long as it took the clip plays.
        made: before the look in the title of each head, such as ``"trained with "``.
    """
    frame = sp.Symbol("frame", integer=True)
    count = len(truth)
    beneath = Clip(truth, frame, LINES, look="ground truth", label="truth", width=1.5)
    panels = [
        Panel(
            [beneath, Clip(face, frame, LINES, look=look, width=2.5)],
            *FACE,
            f"{made}{look}",
            equal=True,
            frame=False,
        )
        for look, face in faces.items()
    ]
    cursor = Line([(frame, span[0]), (frame, span[1])], look="neutral", width=1)
    lines = [
        Line(
            [(k + 1, float(v)) for k, v in enumerate(values)],
            look=look,
            label="truth" if look == "ground truth" else look,
            solid=True,
            width=2,
        )
        for look, values in yaw.items()
    ]
    across = Axis(1, count, f"frame, {fps:.0f} a second")
    of_frames = {look: np.diff(values).tolist() for look, values in yaw.items()}
    most = 1.1 * max(abs(step) for values in of_frames.values() for step in values)
    up, up_step = Axis(*span, "yaw [°]"), Axis(-most, most, "step of the yaw [°]")
    # Both begin at the same place, so that a step stands beneath its frames.
    letters = max(map(len, [*up.marked().values(), *up_step.marked().values()])) if steps else 0
    panels.append(
        # One head leaves room beside it.
        Panel(
            [cursor, *lines],
            across,
            up,
            "Yaw over time",
            height=270,
            wide=len(faces) > 1,
            letters=letters,
        )
    )
    if steps:
        panels.append(
            Panel(
                [Line([(frame, -most), (frame, most)], look="neutral", width=1)]
                + [
                    Line(
                        [(k + 1.5, v) for k, v in enumerate(values)], look=look, solid=True, width=2
                    )
                    for look, values in of_frames.items()
                ],
                across,
                up_step,
                "Steps of the yaw from frame to frame",
                height=230,
                wide=True,
                letters=letters,
            )
        )
    said = [(sentence, {"frame": frame})] if "{frame" in sentence else [sentence] * bool(sentence)
    control = Range(1, count, 1, 1, label="frame", fps=round(fps / slow))
    return Scene(name, title, {frame: control}, panels, said)


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
        "exp: 63, three of them": (
            10 * exp[:, _SHOWN].T,
            ("brow", "upper lip", "lower lip"),
            Axis(-8, 8, "[mm]"),
        ),
        "t: 3, and scale: 1": (
            torch.cat([10 * t, 100 * (signer.scale[at, None] - 1)], 1).T,
            ("x", "y", "z", "scale"),
            Axis(-12, 12, "x, y, z [mm]; scale [%]"),
        ),
    }
    panels = [Panel(head, *FACE, "The head", equal=True, frame=False)]
    for title, (values, names, axis) in rows.items():
        cursor = Line([(frame, axis.start), (frame, axis.stop)], look="neutral", width=1)
        lines = [
            Line(list(enumerate(line, 1)), look=look, solid=True, width=2)
            for look, line in zip(_HUES, np.round(values.tolist(), 3).tolist(), strict=False)
        ]
        heights = _apart(values[:, -1].tolist(), axis)
        names_at = [
            Text((count, height), name, shift=(4, 0), look=look)
            for look, name, height in zip(_HUES, names, heights, strict=False)
        ]
        across = Axis(1, count + 12, "frame", ticks={at: f"{at}" for at in range(5, count, 10)})
        panels.append(Panel([cursor, *lines, *names_at], across, axis, title))
    control = Range(1, count, 1, 1, label="frame", fps=round(signer.fps))
    said = (
        "Pitch, yaw and roll are drawn as angles. Press Play: heads turn slowly, lips move fast. "
        "So a zigzag is no proof of a fault: compare it with the truth."
    )
    return Scene("anatomy", "A clip: 265 numbers a frame", {frame: control}, panels, [said])


def _apart(heights: Sequence[float], axis: Axis) -> list[float]:
    """Heights that names can stand at without lying on one another, in the order of the lines."""
    gap = 0.09 * abs(axis.stop - axis.start)
    order = sorted(range(len(heights)), key=heights.__getitem__)
    placed = list(heights)
    for _ in range(100):
        for before, now in itertools.pairwise(order):
            lacking = max(0.0, gap - (placed[now] - placed[before]))
            placed[now] += lacking / 2
            placed[before] -= lacking / 2
    return placed


# Heights of a brow and of the inner lips.
_SHOWN = [3 * point + 1 for point in (1, 14, 15)]
_HUES = ("p", "P+R, 1000 times", "P+V", "neutral")  # none of those of P, V and A


_NEAR = (20, 47)
"""Bins that are drawn: those within 40 degrees of 0."""


def bins() -> Scene:
    """66 logits of an angle, disturbed in three ways, and the angle that is read off them.

    The bins in the middle are drawn; all count.
    """
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
    first, last = _NEAR
    ticks: dict[Number, str] = {
        1 + BINS / 2 + angle / SPACING - 0.5: f"{angle}" for angle in (-30, -15, 0, 15, 30)
    }
    across = Axis(first - 1, last + 1, "centre of the bin [°]", ticks=ticks)
    top = 0.3
    # Seen only where the share of the pushed bin is higher than the axis.
    above = top * sp.sqrt(sp.sign((share / mass).subs(k, at) - top))
    return Scene(
        "bins",
        "How 66 bins give one angle",
        {
            # Which bin and by how much stand side by side, also where a row holds two or three.
            at: Range(first, last, 42, 1, label="push bin"),
            push: Range(-2, 2, 2, 0.25, label="by"),
            theta: Range(-15, 15, 12, 1, "°", "true angle"),
            shift: Range(-4, 4, 0, 0.5, label="add to all"),
        },
        [
            Panel(
                [
                    Stems(logit, k, _NEAR, look="position", width=3),
                    Stems(
                        logit * pushed,
                        k,
                        _NEAR,
                        look="acceleration",
                        label="the pushed bin",
                        width=5,
                    ),
                ],
                across,
                Axis(-22, 6),
                "Logits of the middle bins",
            ),
            Panel(
                [
                    Stems(share / mass, k, _NEAR, look="velocity", width=3),
                    Stems(
                        share / mass * pushed,
                        k,
                        _NEAR,
                        look="acceleration",
                        label="the pushed bin",
                        width=5,
                    ),
                    Line([(true_at, 0), (true_at, top)], look="truth", label="true angle"),
                    Line(
                        [(read_at, 0), (read_at, 0.2)],
                        look="prediction",
                        label="decoded angle",
                        width=3,
                    ),
                    Text((at, above), "↑ {p:.2f}", {"p": (share / mass).subs(k, at)}, shift=(5, 8)),
                ],
                across,
                Axis(0, top),
                "Their softmax",
            ),
        ],
        [
            (
                "Bin {k:.0f} stands for {c:.1f}°. The MSE on the logits is {m:.2f}. The decoded "
                "angle is wrong by {d:.2f}°.",
                {"k": at, "c": centre.subs(k, at), "m": error, "d": sp.Abs(read - theta)},
            )
        ],
        [
            Button("all bins by 4", {shift: 4, push: 0}),
            Button("one far bin by 2", {shift: 0, push: 2, at: 22}),
            Button("one bin on the flank by 2", {shift: 0, push: 2, at: 42}),
        ],
    )


def ten_calls(
    paths: Mapping[str, Sequence[tuple[Tensor, Tensor]]],
    truth: Tensor,
    *,
    span: tuple[Number, Number],
) -> Scene:
    """Step through the calls of the network: what it gets, and what it answers.

    Args:
        paths: by arm, for each call the yaw of what the network got and of its answer, degrees.
        truth: yaw of the true clip.
        span: ends of the axes, degrees.
    """
    call = sp.Symbol("call", integer=True)
    true = truth.tolist()
    frames, count = len(true), len(next(iter(paths.values())))
    panels, arrays = [], {}
    for number, (arm, path) in enumerate(paths.items()):
        given, answer = sp.IndexedBase(f"g_{number}"), sp.IndexedBase(f"a_{number}")
        for symbol, side in ((given, 0), (answer, 1)):
            arrays[symbol] = np.round(torch.cat([step[side] for step in path]).tolist(), 3)
        at = [frames * (call - 1) + n for n in range(1, frames + 1)]
        noisy = [(n, given[place]) for n, place in enumerate(at, 1)]
        clean = [(n, answer[place]) for n, place in enumerate(at, 1)]
        marks: list[Mark] = [
            Line(noisy, look="neutral", label="input of the network", width=1, solid=True),
            Line(list(enumerate(true, 1)), look="ground truth", label="truth"),
            Line(clean, look=arm, label=f"answer of {arm}", solid=True, width=3),
            Dots(clean, look=arm, size=2.5),
        ]
        panels.append(
            Panel(
                marks,
                Axis(1, frames, "frame"),
                Axis(*span, "yaw [°]"),
                f"A network trained with {arm}",
                height=300,
            )
        )
    # As `generate` goes down from nothing but noise, and `signal` says what that leaves.
    level = 1 - (call - 1) / sp.Integer(count)
    share = sp.cos(sp.pi * level / 2) ** 2
    return Scene(
        "calls",
        "Ten calls from noise to motion",
        {call: Range(1, count, 1, 1, label="call", fps=1)},
        panels,
        [
            (
                "At call {n:.0f}, the share of the clip in the network's input is α = {share:.0%}. "
                "Compare the thick line with the ragged input and with the truth.",
                {"n": call, "share": share},
            )
        ],
        arrays=arrays,
    )


def many_noises(
    answers: Tensor, without: Tensor, truth: Tensor, *, arm: str, span: tuple[Number, Number]
) -> Scene:
    """Ask once with one noise after the other, and see the mean of the answers.

    Args:
        answers: yaw of the answer to each noise, ``(noises, frames)``, degrees.
        without: yaw of the answer to zeros in place of noise.
        truth: yaw of the true clip.
        arm: what the network was trained with.
        span: ends of the axis, degrees.
    """
    many = sp.Symbol("noises", integer=True)
    count, frames = answers.shape
    one, mean = sp.IndexedBase("one"), sp.IndexedBase("mean")
    so_far = answers.cumsum(0) / torch.arange(1, count + 1)[:, None]
    at = [(n, frames * (many - 1) + n) for n in range(1, frames + 1)]
    middle = [(n, mean[place]) for n, place in at]
    faint = [
        [(n, one[frames * (sp.Min(nth, many) - 1) + n]) for n in range(1, frames + 1)]
        for nth in range(1, count + 1)
    ]
    marks: list[Mark] = [
        *(Line(earlier, look="neutral", width=0.4, solid=True) for earlier in faint),
        Line(list(enumerate(truth.tolist(), 1)), look="ground truth", label="truth"),
        Line(
            [(n, one[place]) for n, place in at],
            look="neutral",
            label="answer to the newest noise",
            width=1.5,
            solid=True,
        ),
        Line(
            list(enumerate(without.tolist(), 1)),
            look="prediction",
            label="answer to zeros instead of noise",
            width=2,
        ),
        Line(middle, look=arm, label="mean of the answers", solid=True, width=3),
        Dots(middle, look=arm, size=2.5),
    ]
    arrays = {
        symbol: np.round(values.flatten().tolist(), 3)
        for symbol, values in ((one, answers), (mean, so_far))
    }
    across = Axis(1, frames, "frame")
    return Scene(
        "noises",
        "Sixteen answers to different noise",
        # With one the mean is the answer, and hides it.
        {many: Range(1, count, 2, 1, label="noises", fps=3)},
        [Panel(marks, across, Axis(*span, "yaw [°]"), "The first call", wide=True, height=300)],
        [
            (
                "Answers so far: {n:.0f}, in grey. The thick line is their mean. Watch it become "
                "calmer than each of them.",
                {"n": many},
            )
        ],
        arrays=arrays,
    )
