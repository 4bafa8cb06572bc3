"""Real motion of heads and faces that ships with the package, and a face to draw it with.

All of it is in one convention, that of the mesh: **x to the right in the picture, y up, z towards
the viewer**, lengths in cm. A head is turned by three angles in degrees, in this order:

- **pitch**, about x: positive looks **down**;
- **yaw**, about y: positive turns the face to the **right of the picture**, which is the head's
  own left;
- **roll**, about z: positive tilts the top of the head to the **left of the picture**, which is
  counter-clockwise for the viewer, and towards the head's own right shoulder.

The rotation applies pitch first, then yaw, then roll, each about an axis that stays where it is:
``R = R_z(roll) @ R_y(yaw) @ R_x(pitch)``, scipy's ``"xyz"``. `head_rotation` computes it.

Where the files come from stands in `lossbook.lab.motion.make_data`, that of the signers, and
`lossbook.lab.motion.make_face`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import roma
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from lossbook.lab.run.arrays import read_arrays

__all__ = [
    "FACE_MESH",
    "SIGN_HEADS",
    "TALKING_HEAD",
    "FaceMesh",
    "Heads",
    "TalkingHead",
    "head_rotation",
    "load_face_mesh",
    "load_sign_heads",
    "load_talking_head",
]

_DATA = Path(__file__).with_name("data")
SIGN_HEADS = _DATA / "sign_heads.npz"
"""What `lossbook.lab.motion.make_data` writes."""
TALKING_HEAD = _DATA / "talking_head.npz"
FACE_MESH = _DATA / "face_mesh.npz"
"""What `lossbook.lab.motion.make_face` writes, as it does `TALKING_HEAD`."""

_POINTS = 21
_BLENDSHAPES = 52


@dataclass(frozen=True, eq=False)
class Heads:
    """Heads and faces of people who sign, sorted by clip and, within a clip, by time.

    **Every clip begins with the same face in the same pose.** The authors of the clips took the
    signers' looks away: they subtracted the points of a clip's first frame from those of all of its
    frames, and added the mean face of many people. So a clip's first frame is no frame of its own:
    it shows that mean face, at angles of (-4.48, -0.39, 1.07) degrees. The later angles say how far
    a head has turned *since the first frame*, not where it looks. ``exp``, ``t`` and ``scale`` are
    about the clip's mean, so their first frames differ from clip to clip.

    The first frame is left out by ``load_sign_heads(skip=1)``. It is the 575 first frames that have
    exactly these angles. Of the other 13782 frames 24 come within 0.1 degrees of them and 1054
    within 0.5 degrees; half of the second frames are farther than 0.57 degrees, where heads turn by
    0.38 degrees from frame to frame (both medians, of the angle that differs most).

    Attributes:
        euler: ``(n, 3)``, pitch, yaw and roll in degrees.
        scale: ``(n,)``, size in the picture over its mean in the clip.
        t: ``(n, 3)``, position in cm minus its mean in the clip. z is rough.
        exp: ``(n, 63)``, the ``points`` in cm, x, y and z of one after the other, in the frame of
            a head that is not turned, minus their mean in the clip.
        clip: ``(n,)``, the number of the clip.
        language: of each clip, the code of its sign language, e.g. ``"gsg"``.
        word: of each clip, what it spells: mostly one letter.
        points: the numbers of the 21 points in MediaPipe's face and in the mesh.
        fps: frames a second.
    """

    euler: Float[Tensor, "frames 3"]
    scale: Float[Tensor, " frames"]
    t: Float[Tensor, "frames 3"]
    exp: Float[Tensor, "frames 63"]
    clip: Int64[Tensor, " frames"]
    language: tuple[str, ...]
    word: tuple[str, ...]
    points: tuple[int, ...]
    fps: float = 25.0

    def __len__(self) -> int:
        return len(self.clip)


@dataclass(frozen=True, eq=False)
class TalkingHead:
    """One take of an actress, frame by frame.

    Attributes:
        euler: ``(n, 3)``, pitch, yaw and roll in degrees.
        scale: ``(n,)``, size in the picture over its mean: depth goes into it inversely.
        t: ``(n, 3)``, position in cm minus its mean.
        blendshapes: ``(n, 52)``, how much of each movement of the face there is, in [0, 1].
        names: of the blendshapes, e.g. ``"jawOpen"``.
        fps: frames a second.
    """

    euler: Float[Tensor, "frames 3"]
    scale: Float[Tensor, " frames"]
    t: Float[Tensor, "frames 3"]
    blendshapes: Float[Tensor, "frames 52"]
    names: tuple[str, ...]
    fps: float = 23.976

    def __len__(self) -> int:
        return len(self.euler)


@dataclass(frozen=True, eq=False)
class FaceMesh:
    """MediaPipe's canonical face, not turned: it looks along z, at the viewer.

    Attributes:
        vertices: ``(468, 3)`` in cm.
        triangles: ``(898, 3)``, numbers of vertices, counter-clockwise when seen from outside.
    """

    vertices: Float[Tensor, "vertices 3"]
    triangles: Int64[Tensor, "triangles 3"]


def load_sign_heads(path: Path = SIGN_HEADS, *, skip: int = 0) -> Heads:
    """Load the heads of people who sign.

    Args:
        path: of a file that `lossbook.lab.motion.make_data` writes.
        skip: number of frames to leave out at the beginning of every clip. 1 leaves out the frame
            that is the same in all of them; clips keep their numbers.

    Raises:
        OSError: if it cannot be read.
        ValueError: if it is not such a file, saying what is wrong and where; if a clip has no frame
            left.
    """
    found = read_arrays(
        path,
        {
            "euler": ("float32", ("frames", 3)),
            "scale": ("float32", ("frames",)),
            "t": ("float32", ("frames", 3)),
            "exp": ("float16", ("frames", 3 * _POINTS)),
            "clip": ("int16", ("frames",)),
            "language": ("text", ("clips",)),
            "word": ("text", ("clips",)),
            "points": ("int16", (_POINTS,)),
        },
    )
    clip = torch.from_numpy(found["clip"].astype(np.int64))
    numbers, lengths = torch.unique_consecutive(clip, return_counts=True)
    if not torch.equal(numbers, torch.arange(len(found["language"]))):
        raise ValueError(f"{path}: clip must count the {len(found['language'])} clips up from 0")
    if not (found["scale"] > 0).all():
        raise ValueError(f"{path}: scale must be positive")
    heads = Heads(
        euler=torch.from_numpy(found["euler"]),
        scale=torch.from_numpy(found["scale"]),
        t=torch.from_numpy(found["t"]),
        exp=torch.from_numpy(found["exp"].astype(np.float32)),
        clip=clip,
        language=tuple(found["language"].tolist()),
        word=tuple(found["word"].tolist()),
        points=tuple(found["points"].tolist()),
    )
    if not 0 <= skip < lengths.min():
        raise ValueError(
            f"skip must be between 0 and {lengths.min() - 1}, as the shortest clip has "
            f"{lengths.min()} frames; it is {skip}"
        )
    starts = lengths.cumsum(0) - lengths
    kept = torch.arange(len(clip)) - starts.repeat_interleave(lengths) >= skip
    return replace(
        heads,
        euler=heads.euler[kept],
        scale=heads.scale[kept],
        t=heads.t[kept],
        exp=heads.exp[kept],
        clip=clip[kept],
    )


def load_talking_head(path: Path = TALKING_HEAD) -> TalkingHead:
    """Load the take of an actress.

    Args:
        path: of a file that `lossbook.lab.motion.make_face` writes.

    Raises:
        OSError: if it cannot be read.
        ValueError: if it is not such a file, saying what is wrong and where.
    """
    found = read_arrays(
        path,
        {
            "pose": ("float32", ("frames", 4, 4)),
            "blendshapes": ("float32", ("frames", _BLENDSHAPES)),
            "names": ("text", (_BLENDSHAPES,)),
        },
    )
    pose = torch.from_numpy(found["pose"])
    rotation, t = pose[:, :3, :3], pose[:, :3, 3]
    if not roma.is_rotation_matrix(rotation, epsilon=1e-4):
        raise ValueError(f"{path}: pose must hold rotations, without a scale, and translations")
    blendshapes = torch.from_numpy(found["blendshapes"])
    if not ((blendshapes >= 0) & (blendshapes <= 1)).all():
        raise ValueError(f"{path}: blendshapes must be in [0, 1]")
    if not (t[:, 2] < 0).all():
        raise ValueError(f"{path}: heads must be before the camera, which looks along -z")
    size = 1 / -t[:, 2]
    euler: Tensor = roma.rotmat_to_euler("xyz", rotation, degrees=True)
    return TalkingHead(
        euler=euler,
        scale=size / size.mean(),
        t=t - t.mean(0),
        blendshapes=blendshapes,
        names=tuple(found["names"].tolist()),
    )


def load_face_mesh(path: Path = FACE_MESH) -> FaceMesh:
    """Load the face that the motion can be drawn with.

    Args:
        path: of a file that `lossbook.lab.motion.make_face` writes.

    Raises:
        OSError: if it cannot be read.
        ValueError: if it is not such a file, saying what is wrong and where.
    """
    found = read_arrays(
        path,
        {"vertices": ("float32", (468, 3)), "triangles": ("int16", ("triangles", 3))},
    )
    triangles = torch.from_numpy(found["triangles"].astype(np.int64))
    if not ((triangles >= 0) & (triangles < 468)).all():
        raise ValueError(f"{path}: triangles must name vertices, from 0 to 467")
    return FaceMesh(torch.from_numpy(found["vertices"]), triangles)


def head_rotation(euler: Float[Tensor, "frames 3"]) -> Float[Tensor, "frames 3 3"]:
    """Rotations of heads; multiplied from the left they turn the mesh's vertices.

    Args:
        euler: pitch, yaw and roll in degrees.
    """
    rotation: Tensor = roma.euler_to_rotmat("xyz", euler, degrees=True)
    return rotation
