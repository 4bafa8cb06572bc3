"""Objects to move that show one clip in several versions, over the true one.

The reader chooses the version: smoothed more and more until the head is calm, or made by networks
that were trained with other losses.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import sympy as sp
from numpy.typing import NDArray
from torch import Tensor

from lossbook.lab.motion.heads import LINES
from lossbook.lab.motion.scenes import FACE
from lossbook.lab.page.formulas import Number
from lossbook.lab.page.marks import Mark
from lossbook.lab.page.objects import (
    Axis,
    Choice,
    Clip,
    Dots,
    Line,
    Panel,
    Range,
    Scene,
    Text,
    cursor,
    series,
    view,
)

__all__ = ["Versions", "by_loss", "smoother"]

_WHICH, _FRAME = sp.symbols("which frame", integer=True)
_FOUND, _SAID = sp.IndexedBase("found"), sp.IndexedBase("said")
_ACROSS, _UP = sp.IndexedBase("across"), sp.IndexedBase("up")
_LOOK = "P, smoothed"


@dataclass(frozen=True)
class Versions:
    """A clip in several versions.

    Attributes:
        yaw: of each version, ``(versions, frames)``, degrees.
        faces: their outlines, ``(versions, frames, points, 2)``.
        truth: yaw and outlines of the true clip.
        span: ends of the axis of the yaw, degrees.
        fps: frames a second.
        slow: how many times as long as it took the clip plays.
    """

    yaw: Tensor
    faces: NDArray[np.float64]
    truth: tuple[Tensor, NDArray[np.float64]]
    span: tuple[Number, Number]
    fps: int | float
    slow: int = 1

    def __post_init__(self) -> None:
        if self.faces.shape[:2] != self.yaw.shape:
            raise ValueError(
                f"yaw and faces must be of the same versions and frames, got "
                f"{tuple(self.yaw.shape)} and {self.faces.shape[:2]}"
            )

    @property
    def frames(self) -> int:
        """Of each version."""
        return self.yaw.shape[1]

    def player(self) -> Range:
        """What moves the frame."""
        return Range(1, self.frames, 1, 1, label="frame", fps=round(self.fps / self.slow))

    def head(self, look: str) -> Panel:
        """The chosen version's head over the true one.

        Args:
            look: of its outline.
        """
        every = self.faces.reshape(-1, *self.faces.shape[2:])
        true = Clip(self.truth[1], _FRAME, LINES, look="ground truth", label="truth", width=1.5)
        chosen = Clip(every, self.frames * _WHICH + _FRAME, LINES, look=look, width=2.5)
        return view([true, chosen], *FACE, "The head")

    def curve(self, look: str, label: str, *beneath: Mark) -> Panel:
        """The chosen version's yaw over the true one.

        Args:
            look: of its line.
            label: of its line.
            *beneath: drawn before it.
        """
        up = Axis(*self.span, "yaw [°]")
        chosen = [_FOUND[self.frames * _WHICH + n] for n in range(1, self.frames + 1)]
        marks = [
            cursor(_FRAME, up),
            series(self.truth[0].tolist(), look="ground truth", solid=True),
            *beneath,
            series(chosen, look=look, label=label, solid=True, width=3),
        ]
        across = Axis(1, self.frames, f"frame, {self.fps:.0f} a second")
        return Panel(marks, across, up, "Yaw over time", height=270)

    def arrays(self) -> dict[sp.IndexedBase, npt.ArrayLike]:
        """What the curve reads."""
        return {_FOUND: np.round(self.yaw.flatten().tolist(), 3)}


def smoother(middles: Sequence[int], clip: Versions, jerk: Mapping[str, Number]) -> Scene:
    """A clip as P made it, smoothed 1 : n : 1, over the truth; and the jerk of many such clips.

    Args:
        middles: each n, from hardly to strongly.
        clip: as it was made, then smoothed with each n.
        jerk: over the real one, by what the network was trained with, ``P`` among them, and by n
            as a string, of P's clips smoothed with it.
    """
    names = tuple(map(str, middles))
    if len(clip.yaw) != len(names) + 1:
        raise ValueError(f"{len(names)} n's need {len(names) + 1} clips, got {len(clip.yaw)}")
    made = series(clip.yaw[0].tolist(), look="P", label="as P made it", solid=True, width=1.5)
    arrays = clip.arrays() | {
        _SAID: [1.0, *(n / (n + 2) for n in middles)],
        _ACROSS: np.round([float(jerk[n]) for n in ("P", *names)], 3),
        _UP: [1, *(0 for _ in names)],
    }
    said = (
        "Each frame keeps {own:.0%} of itself and takes the rest from its two neighbours. "
        "See the thick curve calm down, and the ring pass the green line."
    )
    choice = Choice("smoothed 1 : n : 1 with n =", ("not smoothed", *names))
    # The ring is seen together with what moves it, also on a phone.
    return Scene(
        "smoother",
        "P's clip, smoothed afterwards",
        {_WHICH: choice, _FRAME: clip.player()},
        [_strip(names, jerk), clip.head(_LOOK), clip.curve(_LOOK, "smoothed", made)],
        [(said, {"own": _SAID[_WHICH + 1]})],
        arrays=arrays,
    )


def by_loss(arms: Sequence[str], clip: Versions, jerk: Sequence[Number]) -> Scene:
    """A clip as networks made it that were trained with other losses.

    Args:
        arms: the losses.
        clip: as each of them made it.
        jerk: of each version, over that of the true clip.
    """
    if not len(arms) == len(jerk) == len(clip.yaw):
        raise ValueError(f"{len(arms)} losses, {len(jerk)} jerks and {len(clip.yaw)} clips")
    said = "Here the jerk of the head is {jerk:.1f} times that of the true clip."
    return Scene(
        "by-loss",
        "The same clip under each loss",
        {_WHICH: Choice("trained with", tuple(arms)), _FRAME: clip.player()},
        [clip.head("P"), clip.curve("P", "generated")],
        [(said, {"jerk": _SAID[_WHICH + 1]})],
        arrays=clip.arrays() | {_SAID: [float(value) for value in jerk]},
    )


def _strip(names: Sequence[str], jerk: Mapping[str, Number]) -> Panel:
    """The jerk of each n and of each loss, and a ring around the chosen one."""
    marks: list[Mark] = [
        Line([(1, -0.6), (1, 1.6)], look="ground truth"),
        Text((1, -0.45), "real", shift=(5, 0)),
    ]
    for name in (*names, *(arm for arm in jerk if arm not in names)):
        at = (jerk[name], 0 if name in names else 1)
        marks += [Dots([at], look=_LOOK if name in names else name, size=6), _name(name, at)]
    ring = [(_ACROSS[_WHICH + 1], _UP[_WHICH + 1])]
    marks.append(Dots(ring, look="prediction", label="your n", size=10, hollow=True))
    rows: dict[Number, str] = {0: "P, smoothed 1 : n : 1", 1: "trained with"}
    return Panel(
        marks,
        Axis(0, 2, "jerk ÷ real jerk"),
        Axis(-0.6, 1.6, ticks=rows),
        "Mean of six trainings",
        height=168,
        wide=True,
    )


def _name(name: str, at: tuple[Number, Number]) -> Text:
    """Above its dot; beside it where two dots are near each other."""
    if "+" not in name:
        return Text(at, name, shift=(0, -13), anchor="middle")
    if at[0] < 1:
        return Text(at, name, shift=(-12, 4), anchor="end")
    return Text(at, name, shift=(12, 4))
