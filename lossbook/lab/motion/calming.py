"""The object to move in which a clip is smoothed more and more, until its head is calm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import sympy as sp
from numpy.typing import NDArray
from torch import Tensor

from lossbook.lab.motion.heads import LINES
from lossbook.lab.motion.scenes import FACE
from lossbook.lab.page.formulas import Number
from lossbook.lab.page.marks import Mark
from lossbook.lab.page.objects import Axis, Choice, Clip, Dots, Line, Panel, Range, Scene, Text

__all__ = ["smoother"]

_LOOK = "P, smoothed"


def smoother(
    middles: Sequence[int],
    yaw: Tensor,
    faces: NDArray[np.float64],
    truth: tuple[Tensor, NDArray[np.float64]],
    jerk: Mapping[str, Number],
    *,
    span: tuple[Number, Number],
    fps: int | float,
    slow: int = 1,
) -> Scene:
    """A clip as P made it, smoothed 1 : n : 1, over the truth; and the jerk of many such clips.

    Args:
        middles: each n, from hardly to strongly.
        yaw: of the clip as it was made, then smoothed with each n, ``(1 + n's, frames)``, degrees.
        faces: the outlines likewise, ``(1 + n's, frames, points, 2)``.
        truth: yaw and outlines of the true clip.
        jerk: over the real one, by what the network was trained with, ``P`` among them, and by n
            as a string, of P's clips smoothed with it.
        span: ends of the axis of the yaw, degrees.
        fps: frames a second.
        slow: how many times as long as it took the clip plays.
    """
    much, frame = sp.symbols("much frame", integer=True)
    count, frames = yaw.shape
    if len(faces) != count or len(middles) != count - 1:
        raise ValueError(f"{len(middles)} n's need {len(middles) + 1} clips, got {count}")
    found, own = sp.IndexedBase("found"), sp.IndexedBase("own")
    across_at, up_at = sp.IndexedBase("across"), sp.IndexedBase("up")
    now = [(n, found[frames * much + n]) for n in range(1, frames + 1)]
    head: list[Mark] = [
        Clip(truth[1], frame, LINES, look="ground truth", label="truth", width=1.5),
        Clip(
            faces.reshape(-1, *faces.shape[2:]),
            frames * much + frame,
            LINES,
            look="P",
            width=2.5,
        ),
    ]
    lines: list[Mark] = [
        Line([(frame, span[0]), (frame, span[1])], look="neutral", width=1),
        Line(list(enumerate(truth[0].tolist(), 1)), look="ground truth", solid=True, width=2),
        Line(
            list(enumerate(yaw[0].tolist(), 1)),
            look="neutral",
            label="as P made it",
            solid=True,
            width=1.5,
        ),
        Line(now, look="P", label="smoothed", solid=True, width=3),
    ]
    arms = [arm for arm in jerk if not arm.isdigit()]
    strip: list[Mark] = [
        Line([(1, -0.6), (1, 1.6)], look="ground truth"),
        Text((1, -0.45), "real", shift=(5, 0)),
    ]
    for n in map(str, middles):
        strip += [Dots([(jerk[n], 0)], look=_LOOK, size=6), _name(n, (jerk[n], 0))]
    for arm in arms:
        strip += [Dots([(jerk[arm], 1)], look=arm, size=6), _name(arm, (jerk[arm], 1))]
    here = (across_at[much + 1], up_at[much + 1])
    strip.append(Dots([here], look="prediction", label="your n", size=10, hollow=True))
    arrays: dict[sp.IndexedBase, npt.ArrayLike] = {
        found: np.round(yaw.flatten().tolist(), 3),
        own: [1.0, *(n / (n + 2) for n in middles)],
        across_at: np.round([float(jerk["P"]), *(float(jerk[str(n)]) for n in middles)], 3),
        up_at: [1, *(0 for _ in middles)],
    }
    rows: dict[Number, str] = {0: "P, smoothed 1 : n : 1", 1: "trained with"}
    return Scene(
        "smoother",
        "P's clip, smoothed afterwards",
        {
            much: Choice("smoothed 1 : n : 1 with n =", ("not smoothed", *map(str, middles))),
            frame: Range(1, frames, 1, 1, label="frame", fps=round(fps / slow)),
        },
        # The ring is seen together with what moves it, also on a phone.
        [
            Panel(
                strip,
                Axis(0, 2, "jerk ÷ real jerk"),
                Axis(-0.6, 1.6, ticks=rows),
                "Mean of six trainings",
                height=168,
                wide=True,
            ),
            Panel(head, *FACE, "The head", equal=True, frame=False),
            Panel(
                lines,
                Axis(1, frames, f"frame, {fps:.0f} a second"),
                Axis(*span, "yaw [°]"),
                "Yaw over time",
                height=270,
            ),
        ],
        [
            (
                "Each frame keeps {own:.0%} of itself and takes the rest from its two neighbours. "
                "See the blue curve calm down, and the ring pass the green line.",
                {"own": own[much + 1]},
            )
        ],
        arrays=arrays,
    )


def _name(name: str, at: tuple[Number, Number]) -> Text:
    """Above its dot; beside it where two dots are near each other."""
    if "+" not in name:
        return Text(at, name, shift=(0, -13), anchor="middle")
    if at[0] < 1:
        return Text(at, name, shift=(-12, 4), anchor="end")
    return Text(at, name, shift=(12, 4))
