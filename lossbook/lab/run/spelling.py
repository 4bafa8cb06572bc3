"""The clips of people who spell, in the wheel ``spoken-to-signed`` 0.4.0, that two chapters use.

The wheel carries 600 short clips of people who spell the letters of 18 sign languages, not as
pictures but as the points that MediaPipe Holistic found in them (MIT licence, Copyright 2026
ZurichNLP). It is had by ``pip download spoken-to-signed==0.4.0 --no-deps``; the clips are read with
``pip install pose-format``.

**The points are pseudo-labels**: no human drew them. Before they went into the wheel, its authors
trimmed the clips, scaled the signers to one size, took their looks away (``pose-anonymization``)
and resampled clips that were slow, between MediaPipe's frames; their ``preprocess_files.py`` lies
in the wheel. Looks are taken away from all points but those of the hands: a clip's first frame is
subtracted from all of its frames, and a mean of many people is added. So every clip begins with the
same body and face, and goes on with how far each point has moved since.

**The model** is MediaPipe Holistic with refined faces, 478 points of the face and 21 of a hand. Its
networks come with the package ``mediapipe`` and not as a file of their own, and the wheel does not
say which release was used, so there is no checksum of them to give. The clips are checked.
"""

from __future__ import annotations

import csv
import hashlib
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
from numpy.typing import NDArray

from lossbook.lab.run.files import check_file, package_folder

__all__ = [
    "CLIPS_SHA256",
    "WHEEL_SHA256",
    "WHEEL_SIZE",
    "Track",
    "clip_names",
    "open_clips",
    "read_index",
    "read_track",
]

WHEEL_SIZE = 95_934_858
WHEEL_SHA256 = "10570745f622476c0f890a9715e5376b650fb85bb0d0cef4b7cb031892055367"
CLIPS_SHA256 = "8fe98110cd203cf4ee900ea55bbb039b334d12a26148b51c1b021c33efb42ba2"
"""Of the index and of all clips, one after the other in the order of their names."""

_FOLDER = "spoken_to_signed/assets/fingerspelling_lexicon"
_INDEX = "index.csv"
_Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Track:
    """One component of one clip, such as the right hand.

    Attributes:
        points: ``(frames, points, 3)`` float32. x and y are in pixels of a frame of 500 x 500,
            y downwards; z is in a unit of its own, smaller nearer to the viewer.
        found: ``(frames,)``, whether MediaPipe found all of the points.
        fps: frames a second.
    """

    points: NDArray[Any]
    found: NDArray[Any]
    fps: float


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
    advice = "give the path of the wheel: pip download spoken-to-signed==0.4.0 --no-deps"
    folder = package_folder("spoken_to_signed", advice).parent / _FOLDER
    paths = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*")}
    return {name: paths[name].read_bytes() for name in sorted(paths) if _wanted(name)}


def _wanted(name: str) -> bool:
    return name == _INDEX or name.endswith(".pose")


def clip_names(files: dict[str, bytes]) -> list[str]:
    """Name the clips, sorted.

    Args:
        files: as `open_clips` gives them.
    """
    return [name for name in sorted(files) if name.endswith(".pose")]


def read_index(files: dict[str, bytes]) -> dict[str, tuple[str, str]]:
    """Read the code of the sign language and the word of each clip.

    The index may name a clip twice: the letters of American Sign Language (``ase``) stand in for
    those of the French one (``fsl``). The last line counts, so they are all ``fsl`` here.

    Args:
        files: as `open_clips` gives them.

    Raises:
        ValueError: naming the file: if there is a clip that is not in the index.
    """
    index = csv.DictReader(io.StringIO(files[_INDEX].decode("utf-8")))
    known = {row["path"]: (row["signed_language"], row["glosses"]) for row in index}
    for name in clip_names(files):
        if name not in known:
            raise ValueError(f"{name}: the index does not know this clip")
    return known


def read_track(content: bytes, name: str, component: str, count: int) -> Track:
    """Read one component of one clip.

    Args:
        content: of a file in the format of ``pose-format``.
        name: of the file, for messages.
        component: as the file names it, e.g. ``"RIGHT_HAND_LANDMARKS"``.
        count: of its points.

    Raises:
        ImportError: if ``pose-format`` is not installed.
        ValueError: if the clip cannot be read, or is not of one person with this component.
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
    if sizes.get(component) != count or people != 1:
        raise ValueError(
            f"{name}: expected one person with {count} points of {component}, "
            f"found {people} with {sizes}"
        )
    start = sum(list(sizes.values())[: list(sizes).index(component)])
    own = slice(start, start + count)
    found = (pose.body.confidence[:, 0, own] > 0).all(1)
    points = pose.body.data.data[:, 0, own].astype(np.float32)
    return Track(points, found, float(pose.body.fps))
