"""Windows of motion in Ditto's 265 dimensions, with the frame before each and what drives them.

**Dimensions.** Scale 1; pitch, yaw and roll as 66 logits each (`lossbook.lab.motion.bins`);
translation 3, in cm; face 63, the three coordinates of 21 points, in cm. `Standard` subtracts the
mean of each dimension and divides each *part* by one number, so that a network that answers 0 has
P = 1 in each part, and so that the dimensions of a part keep their sizes to one another.

**The driving signal.** There is no sound in the data. What stands in for it are two numbers a
frame that are measured on the true face: how far the lips are apart, and how wide the mouth is. As
sound would, they say what the mouth does and nothing of where the head turns; unlike sound they are
exact, and they give away a part of the answer.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from lossbook.lab.motion.bins import to_degrees, to_logits
from lossbook.lab.motion.clips import Heads, TalkingHead
from lossbook.lab.run.splits import shuffled_groups
from lossbook.motion import DITTO_PARTS

__all__ = [
    "FIRST",
    "FOLDS",
    "FRAMES",
    "Standard",
    "Windows",
    "angles",
    "clip_windows",
    "drive",
    "encode",
    "face",
    "split_by_language",
    "standard",
    "talker_windows",
]

FRAMES = 20
"""Of a window: 0.8 seconds of the signers."""
FIRST = 3
"""First frame of a clip that a window begins with, counted from 0. All clips begin with the same
face in the same pose (see `Heads`), and a condition that is the same everywhere says nothing."""
FOLDS = 6
_FOLD_SEED = 0
_LIPS = (14, 15)
"""Inner middle of the upper and of the lower lip, among the 21 points."""
_CORNERS = (10, 11)
"""Corners of the mouth."""


def encode(
    euler: Float[Tensor, "frames 3"],
    scale: Float[Tensor, " frames"],
    t: Float[Tensor, "frames 3"],
    exp: Float[Tensor, "frames 63"],
) -> Float[Tensor, "frames 265"]:
    """Write motion in the 265 dimensions.

    Args:
        euler: pitch, yaw and roll in degrees.
        scale: of the head, 1 for its mean.
        t: translation in cm.
        exp: the face, in cm.
    """
    return torch.cat([scale[:, None], to_logits(euler).flatten(1), t, exp], 1)


def angles(motion: Float[Tensor, "*shape 265"]) -> Float[Tensor, "*shape 3"]:
    """Pitch, yaw and roll of motion in degrees.

    Args:
        motion: in the units of `encode`.
    """
    parts = [DITTO_PARTS[name] for name in ("pitch", "yaw", "roll")]
    return torch.stack([to_degrees(motion[..., p.start : p.stop]) for p in parts], -1)


def face(motion: Float[Tensor, "*shape 265"]) -> Float[Tensor, "*shape 63"]:
    """The points of the face in mm.

    Args:
        motion: in the units of `encode`.
    """
    part = DITTO_PARTS["exp"]
    return 10 * motion[..., part.start : part.stop]


def drive(exp: Float[Tensor, "frames 63"]) -> Float[Tensor, "frames 2"]:
    """How far the lips are apart and how wide the mouth is, in cm from the clip's mean.

    Args:
        exp: the face, in cm.
    """
    points = exp.reshape(len(exp), 21, 3)
    upper, lower = (points[:, lip, 1] for lip in _LIPS)
    right, left = (points[:, corner, 0] for corner in _CORNERS)
    return torch.stack([upper - lower, left - right], 1)


class Standard(NamedTuple):
    """What makes motion and driving signal comparable; of the frames trained on.

    Attributes:
        mean: of each dimension, ``(265,)``.
        size: root mean square around it over the part that a dimension belongs to, ``(265,)``.
        drive_size: root mean square of the driving signals, ``(2,)``.
    """

    mean: Tensor
    size: Tensor
    drive_size: Tensor

    def apply(self, motion: Tensor) -> Tensor:
        """From the units of `encode` to standardised ones."""
        return (motion - self.mean) / self.size

    def undo(self, motion: Tensor) -> Tensor:
        """From standardised units to those of `encode`."""
        return motion * self.size + self.mean


class Windows(NamedTuple):
    """Standardised motion that a network is trained on or asked for.

    Attributes:
        motion: ``(n, frames, 265)``.
        cond: the frame before each window, ``(n, 265)``.
        drive: ``(n, frames, 2)``.
        clip: the number of the clip, ``(n,)``.
    """

    motion: Tensor
    cond: Tensor
    drive: Tensor
    clip: Tensor


def split_by_language(heads: Heads, fold: int) -> tuple[Int64[Tensor, " n"], Int64[Tensor, " m"]]:
    """Clips to train on and clips of three sign languages that are held out.

    Args:
        heads: as `load_sign_heads` gives them.
        fold: 0 to 5; each language is held out in one of them.

    Returns:
        Numbers of clips, ascending.
    """
    names = sorted(set(heads.language))
    languages = torch.tensor([names.index(name) for name in heads.language])
    order = shuffled_groups(languages, _FOLD_SEED)
    size = len(order) // FOLDS
    out = torch.isin(languages, order[fold * size : (fold + 1) * size])
    return (~out).nonzero().flatten(), out.nonzero().flatten()


def standard(heads: Heads, clips: Int64[Tensor, " n"]) -> Standard:
    """Mean and size of the motion in some clips.

    Args:
        heads: as `load_sign_heads` gives them.
        clips: their numbers.
    """
    chosen = torch.isin(heads.clip, clips)
    motion = encode(
        heads.euler[chosen], heads.scale[chosen], heads.t[chosen], heads.exp[chosen]
    ).double()
    mean = motion.mean(0)
    squares = (motion - mean).square().mean(0)
    size = torch.cat(
        [squares[p.start : p.stop].mean().expand(p.stop - p.start) for p in DITTO_PARTS.values()]
    )
    signals = drive(heads.exp[chosen]).double().square().mean(0)
    return Standard(mean.float(), size.sqrt().float(), signals.sqrt().float())


def clip_windows(
    heads: Heads, clips: Int64[Tensor, " n"], norm: Standard, *, every: bool = True
) -> Windows:
    """Windows of 20 frames; clips that are too short for one have none.

    Args:
        heads: as `load_sign_heads` gives them.
        clips: their numbers.
        norm: see `standard`.
        every: whether to take all windows of a clip, or the first only.
    """
    starts = torch.searchsorted(heads.clip, clips)
    stops = torch.searchsorted(heads.clip, clips, right=True)
    first: list[int] = []
    clip: list[int] = []
    for number, start, stop in zip(clips.tolist(), starts.tolist(), stops.tolist(), strict=True):
        found = list(range(start + FIRST, stop - FRAMES + 1))
        found = found if every else found[:1]
        first += found
        clip += [number] * len(found)
    begin = torch.tensor(first)
    frames = begin[:, None] + torch.arange(FRAMES)
    motion = norm.apply(encode(heads.euler, heads.scale, heads.t, heads.exp))
    signals = drive(heads.exp) / norm.drive_size
    return Windows(motion[frames], motion[begin - 1], signals[frames], torch.tensor(clip))


def talker_windows(talker: TalkingHead, norm: Standard, *, frames: int = 80) -> Windows:
    """Windows of one woman who talks, one after the other, with the frame before each.

    Her face is known as 52 blend shapes and not as 21 points: the face of the motion is 0, and
    scores of it mean nothing. Her lips and the width of her mouth, from the blend shapes, are
    brought to the size of the signers'. Her head is turned, moved and scaled around the mean of the
    signers' in place of her own.

    Args:
        talker: as `load_talking_head` gives it.
        norm: of the signers.
        frames: of a window.
    """
    total = len(talker.euler)
    euler = talker.euler - talker.euler.mean(0) + angles(norm.mean)
    t = talker.t - talker.t.mean(0)
    scale = talker.scale / talker.scale.mean()
    motion = norm.apply(encode(euler, scale, t, torch.zeros(total, 63)))
    part = DITTO_PARTS["exp"]
    motion[:, part.start : part.stop] = 0
    shapes = dict(zip(talker.names, talker.blendshapes.unbind(1), strict=True))
    opening = shapes["jawOpen"] - shapes["mouthClose"]
    width = sum(shapes[f"mouth{what}{side}"] for what in ("Smile", "Stretch") for side in _SIDES)
    width = width - shapes["mouthPucker"] - shapes["mouthFunnel"]
    signals = torch.stack([opening, width], 1)
    signals = (signals - signals.mean(0)) / signals.std(0)
    begin = torch.arange(1, total - frames + 1, frames)
    at = begin[:, None] + torch.arange(frames)
    return Windows(motion[at], motion[begin - 1], signals[at], torch.zeros_like(begin))


_SIDES = ("Left", "Right")
