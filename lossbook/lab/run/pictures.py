"""Grey pictures as text, as records hold them."""

from __future__ import annotations

import base64
import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

__all__ = ["pack", "unpack"]


def pack(pixels: NDArray[np.uint8]) -> str:
    """A grey picture as a PNG in base64; the counterpart of `unpack`.

    Args:
        pixels: ``(height, width)``, from 0 (black) to 255.
    """
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", optimize=True)
    return base64.b64encode(file.getvalue()).decode("ascii")


def unpack(packed: str) -> NDArray[np.uint8]:
    """The pixels of a picture that `pack` wrote.

    Args:
        packed: a PNG in base64.
    """
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(packed))))
