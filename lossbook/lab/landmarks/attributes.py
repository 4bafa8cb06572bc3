"""The attributes of a face, in WFLW's spirit, computed from its picture and its labels."""

import math
from typing import cast

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "ATTRIBUTES",
    "BLUR_THRESHOLD",
    "ILLUMINATION_THRESHOLD",
    "MOUTH_CORNER_THRESHOLD",
    "MOUTH_OPENING_THRESHOLD",
    "POSE_THRESHOLD",
    "attributes_of",
]

ATTRIBUTES = ("pose", "expression", "illumination", "blur")
"""Their names; `lossbook.lab.landmarks.orl.load_faces` says what they mean."""

POSE_THRESHOLD = math.radians(15.0)
MOUTH_OPENING_THRESHOLD = 0.05
MOUTH_CORNER_THRESHOLD = 0.04
ILLUMINATION_THRESHOLD = 0.15
BLUR_THRESHOLD = 0.25

_Array = NDArray[np.float32]


def attributes_of(
    images: NDArray[np.uint8], landmarks: _Array, angles: _Array, subject: NDArray[np.uint8]
) -> _Array:
    """Compute the columns of `ATTRIBUTES` as `lossbook.lab.landmarks.orl.load_faces` says.

    Args:
        images: ``(n, 112, 92)``.
        landmarks: ``(n, 98, 2)`` in pixels.
        angles: ``(n, 3)`` in radians.
        subject: ``(n,)``.

    Returns:
        ``(n, 4)``, 0 or 1.
    """
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


def _pixel_centres(shape: tuple[int, ...]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    y, x = np.mgrid[: shape[0], : shape[1]] + 0.5
    return x, y


def _face_box(landmarks: _Array, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """The pixels within each face's bounding box, (faces, height, width)."""
    x, y = _pixel_centres(shape)
    low, high = (corner[:, :, None, None] for corner in (landmarks.min(1), landmarks.max(1)))
    inside = (x > low[:, 0]) & (x < high[:, 0]) & (y > low[:, 1]) & (y < high[:, 1])
    return cast("NDArray[np.bool_]", inside)


def _side_light(images: NDArray[np.uint8], landmarks: _Array) -> NDArray[np.float64]:
    x, y = _pixel_centres(images.shape[1:])
    root, chin = (landmarks[:, i, :, None, None] for i in (51, 16))
    axis = chin - root
    left = axis[:, 0] * (y - root[:, 1]) - axis[:, 1] * (x - root[:, 0]) > 0
    face = _face_box(landmarks, images.shape[1:])
    light, dark = (images.mean((1, 2), where=face & side) for side in (left, ~left))
    return cast("NDArray[np.float64]", (light - dark) / (light + dark))


def _sharpness(images: NDArray[np.uint8], landmarks: _Array) -> NDArray[np.float64]:
    padded = np.pad(images.astype(np.float64), ((0, 0), (1, 1), (1, 1)), mode="edge")
    centre = padded[:, 1:-1, 1:-1]
    neighbours = (
        padded[:, :-2, 1:-1] + padded[:, 2:, 1:-1] + padded[:, 1:-1, :-2] + padded[:, 1:-1, 2:]
    )
    face = _face_box(landmarks, images.shape[1:])
    laplacian = (neighbours - 4 * centre).var((1, 2), where=face)
    return cast("NDArray[np.float64]", laplacian / centre.var((1, 2), where=face))
