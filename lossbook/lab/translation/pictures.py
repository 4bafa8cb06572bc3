"""The letters that a record shows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lossbook.lab.run import pictures
from lossbook.lab.translation.letters import SIDE

__all__ = ["unpack"]


def unpack(shown: str) -> NDArray[np.uint8]:
    """Rows of letters, ``(rows, 32, width)``, black on white.

    Args:
        shown: a result's or a baseline's field of this name.

    Raises:
        ValueError: if it is no picture of letters.
    """
    picture = pictures.unpack(shown)
    if picture.ndim != 2 or picture.shape[0] % SIDE or picture.shape[1] % SIDE:
        raise ValueError(f"expected letters of {SIDE} x {SIDE}, got {picture.shape}")
    return picture.reshape(-1, SIDE, picture.shape[1])
