"""The objects to move that show heads: two that turn, one with its numbers, bins, ten calls."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace

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
    Line,
    Panel,
    Range,
    Scene,
    Stems,
    Text,
    cursor,
    dotted,
    series,
    view,
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
    across, up = Axis(1, len(truth), f"frame, {fps:.0f} a second"), Axis(*span, "yaw [°]")
    beneath = Clip(truth, frame, LINES, look="ground truth", label="truth", width=1.5)
    panels = []
    for look, face in faces.items():
        turning = Clip(face, frame, LINES, look=look, width=2.5)
        panels.append(view([beneath, turning], *FACE, f"{made}{look}"))
    lines = [cursor(frame, up), *_yaws(yaw)]
    # One head leaves room beside it.
    wide = len(faces) > 1
    panels.append(Panel(lines, across, up, "Yaw over time", height=270, wide=wide))
    if steps:
        panels[-1:] = _with_steps(panels[-1], yaw, frame)
    said = [(sentence, {"frame": frame})] if "{frame" in sentence else [sentence] * bool(sentence)
    control = Range(1, len(truth), 1, 1, label="frame", fps=round(fps / slow))
    return Scene(name, title, {frame: control}, panels, said)


def _yaws(yaw: Mapping[str, Sequence[float]]) -> list[Line]:
    """A line for each look."""
    labels = {look: "truth" if look == "ground truth" else look for look in yaw}
    return [
        series(map(float, values), look=look, label=labels[look], solid=True)
        for look, values in yaw.items()
    ]


def _with_steps(
    above: Panel, yaw: Mapping[str, Sequence[float]], frame: sp.Symbol
) -> tuple[Panel, Panel]:
    """The yaw and, between the frames that it leads from and to, each step of it."""
    of_frames = {look: np.diff(values).tolist() for look, values in yaw.items()}
    most = 1.1 * max(abs(step) for values in of_frames.values() for step in values)
    up = Axis(-most, most, "step of the yaw [°]")
    lines = [series(v, first=1.5, look=look, solid=True) for look, v in of_frames.items()]
    marks = [cursor(frame, up), *lines]
    # Both begin at the same place, so that a step stands beneath its frames.
    letters = max(map(len, [*above.y.marked().values(), *up.marked().values()]))
    title = "Steps of the yaw from frame to frame"
    beneath = Panel(marks, above.x, up, title, height=230, wide=True, letters=letters)
    return replace(above, letters=letters), beneath


def anatomy(signer: Heads, mesh: FaceMesh, clip: int) -> Scene:
    """One clip: the head with its 21 points, and what its 265 dimensions say.

    Args:
        signer: as `load_sign_heads` gives them.
        mesh: as `load_face_mesh` gives it.
        clip: its number.
    """
    at = (signer.clip == clip).nonzero().flatten()
    frame = sp.Symbol("frame", integer=True)
    euler, t, exp = signer.euler[at], signer.t[at], signer.exp[at]
    points = mesh.vertices[list(signer.points)] + exp.reshape(len(at), -1, 3)
    head = [
        Clip(outline(euler, mesh, t=t), frame, LINES, look="neutral", width=1.5),
        Clip(seen(points, euler, t=t), frame, look="velocity", size=3, label="21 points"),
    ]
    place = torch.cat([10 * t, 100 * (signer.scale[at, None] - 1)], 1)
    values = zip(_DIMENSIONS, (euler, 10 * exp[:, _SHOWN], place), strict=True)
    panels = [view(head, *FACE, "The head"), *(_lines(title, v, frame) for title, v in values)]
    control = Range(1, len(at), 1, 1, label="frame", fps=round(signer.fps))
    title = "A clip: 265 numbers a frame"
    return Scene("anatomy", title, {frame: control}, panels, [_NO_PROOF])


_DIMENSIONS: Mapping[str, tuple[Sequence[str], Axis]] = {
    "pitch, yaw, roll: 3 × 66": (("pitch", "yaw", "roll"), Axis(-16, 16, "[°]")),
    "exp: 63, three of them": (("brow", "upper lip", "lower lip"), Axis(-8, 8, "[mm]")),
    "t: 3, and scale: 1": (("x", "y", "z", "scale"), Axis(-12, 12, "x, y, z [mm]; scale [%]")),
}
"""The lines of each panel and their axis, by its title."""
_NO_PROOF = (
    "Pitch, yaw and roll are drawn as angles. Press Play: heads turn slowly, lips move fast. "
    "So a zigzag is no proof of a fault: compare it with the truth."
)


def _lines(title: str, values: Tensor, frame: sp.Symbol) -> Panel:
    """Some dimensions over the frames, ``(frames, dimensions)``, with their names at the end."""
    count, (names, up) = len(values), _DIMENSIONS[title]
    marks: list[Mark] = [cursor(frame, up)]
    for look, line in zip(_HUES, np.round(values.T.tolist(), 3).tolist(), strict=False):
        marks.append(series(line, look=look, solid=True))
    heights = _apart(values[-1].tolist(), up)
    for look, name, height in zip(_HUES, names, heights, strict=False):
        marks.append(Text((count, height), name, shift=(4, 0), look=look))
    across = Axis(1, count + 12, "frame", ticks={at: f"{at}" for at in range(5, count, 10)})
    return Panel(marks, across, up, title)


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


_ANGLE, _SHIFT, _PUSH = sp.symbols("theta shift push", real=True)
_AT, _K, _J = sp.symbols("bin k j", integer=True)
"""The bin that is pushed, and counters of all."""
_CENTRE = SPACING * (_K - sp.Rational(BINS + 1, 2))
_PUSHED = sp.Piecewise((1, sp.Eq(_K, _AT)), (0, True))
# As in lab/motion/bins.py; a constant in all logits would change nothing, and is left out.
_LOGIT = -((_CENTRE - _ANGLE) ** 2) / (2 * WIDTH**2) + _SHIFT + _PUSH * _PUSHED
_MASS = sp.exp(_LOGIT - _SHIFT)


def _of_all(formula: sp.Expr) -> sp.Expr:
    """The sum over all bins."""
    return sp.Sum(formula.subs(_K, _J), (_J, 1, BINS))


_SHARE = _MASS / _of_all(_MASS)
_DECODED = _of_all(_CENTRE * _MASS) / _of_all(_MASS)
_ERROR = _of_all((_SHIFT + _PUSH * _PUSHED) ** 2) / BINS


def bins() -> Scene:
    """66 logits of an angle, disturbed in three ways, and the angle that is read off them.

    The bins in the middle are drawn; all count.
    """
    first, last = _NEAR
    ticks = {1 + BINS / 2 + angle / SPACING - 0.5: f"{angle}" for angle in range(-30, 31, 15)}
    across = Axis(first - 1, last + 1, "centre of the bin [°]", ticks=ticks)
    said = (
        "Bin {k:.0f} stands for {c:.1f}°. The MSE on the logits is {m:.2f}. The decoded "
        "angle is wrong by {d:.2f}°."
    )
    off = sp.Abs(_DECODED - _ANGLE)
    return Scene(
        "bins",
        "How 66 bins give one angle",
        {
            # Which bin and by how much stand side by side, also where a row holds two or three.
            _AT: Range(first, last, 42, 1, label="push bin"),
            _PUSH: Range(-2, 2, 0, 0.25, label="by"),
            _ANGLE: Range(-15, 15, 12, 1, "°", "true angle"),
            _SHIFT: Range(-4, 4, 0, 0.5, label="add to all"),
        },
        [
            Panel(_stems(_LOGIT, "position"), across, Axis(-22, 6), "Logits of the middle bins"),
            _softmax(across, Axis(0, 0.3)),
        ],
        [(said, {"k": _AT, "c": _CENTRE.subs(_K, _AT), "m": _ERROR, "d": off})],
        [
            Button("all bins by 4", {_SHIFT: 4, _PUSH: 0}),
            Button("one far bin by 2", {_SHIFT: 0, _PUSH: 2, _AT: 22}),
            Button("one bin on the flank by 2", {_SHIFT: 0, _PUSH: 2, _AT: 42}),
        ],
    )


def _stems(formula: sp.Expr, look: str) -> list[Stems]:
    """A number of each bin, and over it that of the pushed bin."""
    every = Stems(formula, _K, _NEAR, look=look, width=3)
    one = formula * _PUSHED
    pushed = Stems(one, _K, _NEAR, look="acceleration", label="the pushed bin", width=5)
    return [every, pushed]


def _softmax(across: Axis, up: Axis) -> Panel:
    """The shares of the bins, with the true angle, and the one that is read off them."""
    true, read = (BINS / 2 + 0.5 + angle / SPACING for angle in (_ANGLE, _DECODED))
    pushed, top = _SHARE.subs(_K, _AT), up.stop
    # Seen only where the share of the pushed bin is higher than the axis.
    above = top * sp.sqrt(sp.sign(pushed - top))
    marks: list[Mark] = [
        *_stems(_SHARE, "velocity"),
        Line([(true, 0), (true, top)], look="truth", label="true angle"),
        Line([(read, 0), (read, 0.2)], look="prediction", label="decoded angle", width=3),
        Text((_AT, above), "↑ {p:.2f}", {"p": pushed}, shift=(5, 8)),
    ]
    return Panel(marks, across, up, "Their softmax")


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
    frames, count = len(truth), len(next(iter(paths.values())))
    across, up = Axis(1, frames, "frame"), Axis(*span, "yaw [°]")
    places = [frames * (call - 1) + n for n in range(1, frames + 1)]
    true = series(truth.tolist(), look="ground truth", label="truth")
    panels, arrays = [], {}
    for number, (arm, path) in enumerate(paths.items()):
        given, answer = sp.IndexedBase(f"g_{number}"), sp.IndexedBase(f"a_{number}")
        for symbol, parts in zip((given, answer), zip(*path, strict=True), strict=True):
            arrays[symbol] = np.round(torch.cat(parts).tolist(), 3)
        label = "input of the network"
        noisy = series([given[p] for p in places], look="neutral", label=label, width=1, solid=True)
        clean = dotted([answer[p] for p in places], look=arm, label=f"answer of {arm}", width=3)
        title = f"A network trained with {arm}"
        panels.append(Panel([noisy, true, *clean], across, up, title, height=300))
    # As `generate` goes down from nothing but noise, and `signal` says what that leaves.
    level = 1 - (call - 1) / sp.Integer(count)
    share = sp.cos(sp.pi * level / 2) ** 2
    control = Range(1, count, 1, 1, label="call", fps=1)
    said = [(_COMPARE, {"n": call, "share": share})]
    title = "Ten calls from noise to motion"
    return Scene("calls", title, {call: control}, panels, said, arrays=arrays)


_COMPARE = (
    "At call {n:.0f}, the share of the clip in the network's input is α = {share:.0%}. "
    "Compare the thick line with the ragged input and with the truth."
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

    def of(base: sp.IndexedBase, nth: sp.Expr) -> list[sp.Expr]:
        return [base[frames * (nth - 1) + n] for n in range(1, frames + 1)]

    newest, zeros = "answer to the newest noise", "answer to zeros instead of noise"
    earlier = [of(one, sp.Min(nth, many)) for nth in range(1, count + 1)]
    marks: list[Mark] = [
        *(series(values, look="neutral", width=0.4) for values in earlier),
        series(truth.tolist(), look="ground truth", label="truth"),
        series(of(one, many), look="neutral", label=newest, width=1.5),
        series(without.tolist(), look="prediction", label=zeros),
        *dotted(of(mean, many), look=arm, label="mean of the answers", width=3),
    ]
    tables = {one: answers, mean: so_far}
    axes = Axis(1, frames, "frame"), Axis(*span, "yaw [°]")
    return Scene(
        "noises",
        "Sixteen answers to different noise",
        # With one the mean is the answer, and hides it.
        {many: Range(1, count, 2, 1, label="noises", fps=3)},
        [Panel(marks, *axes, "The first call", wide=True, height=300)],
        [(_CALMER, {"n": many, "kept": 1 / sp.sqrt(many)})],
        arrays={base: np.round(v.flatten().tolist(), 3) for base, v in tables.items()},
    )


_CALMER = (
    "Answers so far: {n:.0f}, in grey. The thick line is their mean. If all their jerk were noise, "
    "it would keep {kept:.0%} of it."
)
