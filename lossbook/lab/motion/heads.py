"""A head drawn as lines: the contours of MediaPipe's face, turned and seen from the front."""

from __future__ import annotations

from itertools import chain

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from lossbook.lab.motion.clips import FaceMesh, head_rotation

__all__ = ["LINES", "POINTS", "outline", "seen"]

_OVAL = (10, 297, 284, 389, 454, 361, 397, 379, 400, 152, 176, 150, 172, 132, 234, 162, 54, 67)
_EYES = (
    (263, 249, 373, 380, 362, 384, 386, 388),
    (33, 7, 144, 153, 133, 157, 159, 161),
)
_BROWS = ((276, 282, 295, 285, 296, 334, 300), (46, 52, 65, 55, 66, 105, 70))
_LIPS = (
    (61, 91, 84, 17, 314, 321, 291, 270, 267, 0, 37, 40),
    (78, 88, 87, 14, 317, 318, 308, 310, 312, 13, 82, 80),
)
_NOSE = ((168, 197, 5, 4, 1), (98, 97, 2, 326, 327))

_CLOSED = (_OVAL, *_EYES, *_BROWS, *_LIPS)
_CONTOURS = (*((*line, line[0]) for line in _CLOSED), *_NOSE)

POINTS: tuple[int, ...] = tuple(dict.fromkeys(chain.from_iterable(_CONTOURS)))
"""The vertices of the mesh that are drawn."""
LINES: tuple[tuple[int, ...], ...] = tuple(
    tuple(POINTS.index(point) for point in line) for line in _CONTOURS
)
"""The contours, as places among `POINTS`."""
_DISTANCE = 60.0
"""From the eye to the head in cm."""


def outline(
    euler: Float[Tensor, "frames 3"], mesh: FaceMesh, *, t: Float[Tensor, "frames 3"] | None = None
) -> NDArray[np.float64]:
    """Where the contours of a turning head are in the picture.

    Args:
        euler: pitch, yaw and roll in degrees.
        mesh: as `load_face_mesh` gives it.
        t: moves the head, in cm.

    Returns:
        ``(frames, points, 2)`` in cm at the distance of the head, y up, for
        `lossbook.lab.page.objects.Clip` with `LINES`.
    """
    return seen(mesh.vertices[list(POINTS)], euler, t=t)


def seen(
    points: Float[Tensor, "*frames points 3"],
    euler: Float[Tensor, "frames 3"],
    *,
    t: Float[Tensor, "frames 3"] | None = None,
) -> NDArray[np.float64]:
    """Where points of a turning head are in the picture.

    Args:
        points: of a head that is not turned, in cm, the same in all frames or not.
        euler: as for `outline`.
        t: as for `outline`.

    Returns:
        As `outline`.
    """
    # About the middle of the head, which lies behind the face.
    centre = torch.tensor([0.0, 0.0, -4.0], dtype=torch.float64)
    turned = (points.double() - centre) @ head_rotation(euler.double()).mT
    if t is not None:
        turned = turned + t.double()[:, None]
    nearer = _DISTANCE / (_DISTANCE - turned[..., 2:])
    picture: NDArray[np.float64] = (turned[..., :2] * nearer).numpy()
    return picture
