"""WFLW's scheme of 98 points: which of MediaPipe's they are, and how a mirrored face has them.

"Left" and "right" are those of the picture, not of the person.
"""

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "FACE_CONTOUR_FROM_MEDIAPIPE",
    "WFLW98_FLIP",
    "WFLW98_FROM_MEDIAPIPE",
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
