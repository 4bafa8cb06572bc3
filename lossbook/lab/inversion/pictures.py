"""The faces that a record shows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lossbook.lab.inversion.faces import SIDE
from lossbook.lab.run import pictures

__all__ = ["coarse", "unpack"]


def unpack(shown: str, side: int = SIDE) -> NDArray[np.uint8]:
    """The faces of one arm, ``(faces, 56, 56)``.

    Args:
        shown: a result's or a baseline's field of this name.
        side: of each picture.

    Raises:
        ValueError: if it is no row of faces.
    """
    picture = pictures.unpack(shown)
    if picture.ndim != 2 or picture.shape[0] != side or picture.shape[1] % side:
        raise ValueError(f"expected faces of {side} x {side} in a row, got {picture.shape}")
    return picture.reshape(side, -1, side).swapaxes(0, 1)


def coarse(greys: NDArray[np.uint8], levels: int = 32) -> NDArray[np.uint8]:
    """Faces with fewer grey levels, which a page keeps in half the space.

    Args:
        greys: from 0 to 255.
        levels: how many are left.
    """
    step = 255 / (levels - 1)
    return np.rint(np.rint(greys / step) * step).astype(np.uint8)
