"""How `fingerspelling.npz` was made: right hands out of the wheel ``spoken-to-signed`` 0.4.0.

The wheel carries 600 short clips of people who spell the letters of 18 sign languages, not as
pictures but as the points that MediaPipe Holistic found in them (MIT licence, Copyright 2026
ZurichNLP; the notice lies beside the file). `prepare` says which hands the file holds. With
``pip install pose-format``, which reads the clips, it is written by::

    pip download spoken-to-signed==0.4.0 --no-deps
    python -m lossbook.lab.hands.make_data spoken_to_signed-0.4.0-py3-none-any.whl

Without a path, the command looks for the installed package. It refuses any other release.

**The points are pseudo-labels**: no human drew them, and errors measured against them are errors
against MediaPipe. Its depth is rough and left out. Before they went into the wheel, its authors
trimmed the clips, scaled the signers to one size, took their looks away (``pose-anonymization``)
and resampled clips that were slow, between MediaPipe's frames; their ``preprocess_files.py`` lies
in the wheel.

**The model** is MediaPipe Holistic with refined faces, 478 points of the face and 21 of a hand. Its
networks come with the package ``mediapipe`` and not as a file of their own, and the wheel does not
say which release was used, so there is no checksum of them to give. The clips are checked.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import io
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple
from zipfile import ZipFile

import numpy as np
import torch
from numpy.typing import NDArray

from lossbook.lab.hands.clips import FILE, load_hands
from lossbook.lab.hands.crops import to_crop
from lossbook.lab.hands.kinematics import BONES
from lossbook.lab.run.files import check_file

__all__ = [
    "CLIPS_SHA256",
    "WHEEL_SHA256",
    "WHEEL_SIZE",
    "Frames",
    "main",
    "open_clips",
    "prepare",
    "read_clips",
    "right_hands",
]

WHEEL_SIZE = 95_934_858
WHEEL_SHA256 = "10570745f622476c0f890a9715e5376b650fb85bb0d0cef4b7cb031892055367"
CLIPS_SHA256 = "8fe98110cd203cf4ee900ea55bbb039b334d12a26148b51c1b021c33efb42ba2"
"""Of the index and of all clips, one after the other in the order of their names."""

_FOLDER = "spoken_to_signed/assets/fingerspelling_lexicon"
_INDEX = "index.csv"
_COMPONENT = "RIGHT_HAND_LANDMARKS"
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


def open_clips(source: Path | None = None) -> dict[str, bytes]:
    """Read the index and the clips, and check that they are those that were used.

    Args:
        source: the wheel; None for the installed package.

    Returns:
        The contents of the files by their names, sorted.

    Raises:
        ImportError: if no wheel is given and the package is not installed.
        OSError: if a file cannot be read.
        ValueError: if it is another release, with the sizes or the checksums.
    """
    files = _unpack(source) if source else _installed()
    digest = hashlib.sha256(b"".join(files.values())).hexdigest()
    if digest != CLIPS_SHA256:
        where = source or "the installed package spoken-to-signed"
        raise ValueError(
            f"{where}: expected clips with the SHA-256 {CLIPS_SHA256}, those of release 0.4.0; "
            f"found {len(files)} files with {digest}"
        )
    return files


def _unpack(wheel: Path) -> dict[str, bytes]:
    check_file(wheel, WHEEL_SIZE, WHEEL_SHA256)
    with ZipFile(wheel) as archive:
        inside = (name for name in archive.namelist() if name.startswith(_FOLDER))
        names = {name.removeprefix(_FOLDER + "/"): name for name in inside}
        return {name: archive.read(names[name]) for name in sorted(names) if _wanted(name)}


def _installed() -> dict[str, bytes]:
    # find_spec, because importing the package imports what it needs to translate.
    spec = find_spec("spoken_to_signed")
    if spec is None or not spec.submodule_search_locations:
        raise ImportError(
            "give the path of the wheel: pip download spoken-to-signed==0.4.0 --no-deps"
        )
    folder = Path(spec.submodule_search_locations[0]).parent / _FOLDER
    paths = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*")}
    return {name: paths[name].read_bytes() for name in sorted(paths) if _wanted(name)}


def _wanted(name: str) -> bool:
    return name == _INDEX or name.endswith(".pose")


def read_clips(files: dict[str, bytes]) -> Frames:
    """Take the right hands out of all clips.

    The index may name a clip twice: the letters of American Sign Language (``ase``) stand in for
    those of the French one (``fsl``). The last line counts, so they are all ``fsl`` here.

    Args:
        files: as `open_clips` gives them.

    Raises:
        ImportError: if ``pose-format`` is not installed.
        ValueError: naming the file: if a clip cannot be read, has no right hand, or is not in the
            index.
    """
    index = csv.DictReader(io.StringIO(files[_INDEX].decode("utf-8")))
    known = {row["path"]: (row["signed_language"], row["glosses"]) for row in index}
    points, clip, language, letter = [], [], [], []
    clips = [name for name in sorted(files) if name.endswith(".pose")]
    for number, name in enumerate(clips):
        if name not in known:
            raise ValueError(f"{name}: the index does not know this clip")
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
    try:
        from pose_format import Pose
    except ImportError:
        raise ImportError("clips are read with pose-format: pip install pose-format") from None
    try:
        pose = Pose.read(content)
    except Exception as error:  # whatever pose-format meets in bytes that are no clip
        raise ValueError(f"{name}: not a clip that pose-format can read ({error!r})") from error
    sizes = {part.name: len(part.points) for part in pose.header.components}
    people = pose.body.data.shape[1]
    if sizes.get(_COMPONENT) != 21 or people != 1:
        raise ValueError(
            f"{name}: expected one person with 21 points of {_COMPONENT}, "
            f"found {people} with {sizes}"
        )
    start = sum(list(sizes.values())[: list(sizes).index(_COMPONENT)])
    own = slice(start, start + 21)
    found = (pose.body.confidence[:, 0, own] > 0).all(1)
    # Half a pixel at most: the shipped file was made from points rounded so.
    hands: _Array = pose.body.data.data[found, 0, own, :2].astype(np.float16)
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
