"""How `fingerspelling.npz` was made: right hands out of the wheel ``spoken-to-signed`` 0.4.0.

The wheel carries 600 short clips of people who spell the letters of 18 sign languages, not as
pictures but as the points that MediaPipe Holistic found in them; `lossbook.lab.run.spelling` says
what happened to them before (MIT licence, Copyright 2026 ZurichNLP; the notice lies beside the
file). `prepare` says which hands the file holds. With ``pip install pose-format``, which reads the
clips, it is written by::

    pip download spoken-to-signed==0.4.0 --no-deps
    python -m lossbook.lab.hands.make_data spoken_to_signed-0.4.0-py3-none-any.whl

Without a path, the command looks for the installed package. It refuses any other release.

**The points are pseudo-labels**: no human drew them, and errors measured against them are errors
against MediaPipe. Its depth is rough and left out.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from lossbook.lab.hands.clips import FILE, load_hands
from lossbook.lab.hands.crops import to_crop
from lossbook.lab.hands.kinematics import BONES
from lossbook.lab.run.spelling import clip_names, open_clips, read_index, read_track

__all__ = ["Frames", "main", "prepare", "read_clips", "right_hands"]

_Array = NDArray[Any]


class Frames(NamedTuple):
    """Right hands of all clips, sorted by clip and time.

    Attributes:
        points: ``(frames, 21, 2)`` in pixels of a frame of 500 x 500, y downwards.
        clip: ``(frames,)``, the number of the clip in the order of the files' names.
        language: ``(frames,)``, the code of the sign language.
        letter: ``(frames,)``.
    """

    points: _Array
    clip: _Array
    language: _Array
    letter: _Array


def read_clips(files: dict[str, bytes]) -> Frames:
    """Take the right hands out of all clips.

    Args:
        files: as `lossbook.lab.run.spelling.open_clips` gives them.

    Raises:
        ImportError: if ``pose-format`` is not installed.
        ValueError: naming the file: if a clip cannot be read, has no right hand, or is not in the
            index.
    """
    known = read_index(files)
    points, clip, language, letter = [], [], [], []
    for number, name in enumerate(clip_names(files)):
        hands = right_hands(files[name], name)
        points.append(hands)
        clip += [number] * len(hands)
        language += [known[name][0]] * len(hands)
        letter += [known[name][1]] * len(hands)
    return Frames(np.concatenate(points), np.array(clip), np.array(language), np.array(letter))


def right_hands(content: bytes, name: str) -> _Array:
    """Read the right hands of one clip.

    Args:
        content: of a file in the format of ``pose-format``.
        name: of the file, for messages.

    Returns:
        ``(frames, 21, 2)`` float16, the frames in which all points of the hand were found.

    Raises:
        ImportError: if ``pose-format`` is not installed.
        ValueError: if the clip cannot be read, or is not of one person with a right hand.
    """
    track = read_track(content, name, "RIGHT_HAND_LANDMARKS", 21)
    # Half a pixel at most: the shipped file was made from points rounded so.
    hands: _Array = track.points[track.found, :, :2].astype(np.float16)
    return hands


def prepare(
    points: NDArray[np.floating], clip: _Array, language: _Array, letter: _Array
) -> tuple[dict[str, _Array], dict[str, int]]:
    """Choose the good frames of the clips, and express them in crop coordinates.

    The source has 14405 frames of 559 clips in which MediaPipe found a right hand. In some of them
    the hand it drew cannot be one. A frame is left out for the first of these reasons that holds:

    - **clip**: more than a tenth of its clip's frames have a bounding box with a longer side
      outside of 45 to 160 pixels (half of all boxes are between 75 and 107). In two clips of Greek
      letters, far longer than all others, boxes swell up to 10696 pixels.
    - **size**: its own box is outside of these limits.
    - **bone**: a bone is longer than 1.5 times the 95th percentile of that bone in the clips of
      its language. A picture can only shorten a bone.
    - **jump**: the hand is unlike the one before and the one after: in crops that fit tightly,
      the keypoints moved by more than 0.25 of the side on average, towards both neighbours it has.
      Hands do move that fast; these frames are blurred.

    Of the good frames every second one is kept.

    Args:
        points: ``(frames, 21, 2)`` in pixels, y downwards, sorted by clip and time.
        clip: ``(frames,)`` numbers.
        language: ``(frames,)`` codes.
        letter: ``(frames,)``.

    Returns:
        The arrays of the file, and the number of frames left out for each reason, in this order.
    """
    points = points.astype(np.float32)
    side = np.ptp(points, axis=1).max(1)
    size = (side < 45) | (side > 160)
    share = {number: size[clip == number].mean() for number in np.unique(clip)}
    reasons = {"clip": np.array([share[number] > 0.1 for number in clip]), "size": size}
    reasons["bone"] = _too_long(points, language, reasons["clip"] | size)
    reasons["jump"] = _jumps(points, side, clip)
    bad, left_out = np.zeros(len(points), bool), {}
    for reason, holds in reasons.items():
        left_out[reason] = int((holds & ~bad).sum())
        bad |= holds
    chosen = np.flatnonzero(~bad)[::2]
    crops = to_crop(torch.from_numpy(points[chosen])).numpy()
    arrays = {
        "keypoints": crops.astype(np.float16),
        "clip": clip[chosen].astype(np.int16),
        "language": language[chosen],
        "letter": letter[chosen],
    }
    return arrays, left_out


def _too_long(points: _Array, language: _Array, ignored: _Array) -> _Array:
    """Frames in which a bone is longer than it can be."""
    parents, children = (list(ends) for ends in zip(*BONES, strict=True))
    lengths = np.linalg.norm(points[:, children] - points[:, parents], axis=-1)
    result = np.zeros(len(points), bool)
    for name in np.unique(language):
        own = language == name
        usual = lengths[own & ~ignored]
        if len(usual):
            result |= own & (lengths > 1.5 * np.percentile(usual, 95, axis=0)).any(1)
    return result


def _jumps(points: _Array, side: _Array, clip: _Array) -> _Array:
    """Frames unlike both neighbours; the first and last one of a clip have one only."""
    centre = (points.max(1, keepdims=True) + points.min(1, keepdims=True)) / 2
    tight = (points - centre) / side[:, None, None]
    moved = np.linalg.norm(np.diff(tight, axis=0), axis=-1).mean(1)
    moved = np.where(clip[1:] == clip[:-1], moved, np.inf)
    nearer = np.minimum(np.append(np.inf, moved), np.append(moved, np.inf))
    found: _Array = np.isfinite(nearer) & (nearer > 0.25)
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the file that ships with the package.

    Args:
        arguments: of the command line: the path of the wheel, or nothing for the installed package.
    """
    parser = argparse.ArgumentParser(prog="python -m lossbook.lab.hands.make_data")
    parser.add_argument("wheel", type=Path, nargs="?", help="of spoken-to-signed 0.4.0")
    parser.add_argument("--out", type=Path, default=FILE)
    options = parser.parse_args(arguments)
    frames = read_clips(open_clips(options.wheel))
    arrays, left_out = prepare(*frames)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    named: dict[str, Any] = dict(arrays)
    np.savez_compressed(options.out, **named)
    # So that a mistake shows here and not when a reader loads the file.
    kept = len(load_hands(options.out))
    print(f"{len(frames.clip)} frames, left out {left_out}, kept {kept}")


if __name__ == "__main__":
    main()
