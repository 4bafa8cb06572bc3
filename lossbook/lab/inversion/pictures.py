"""The faces that a record shows, in rows."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lossbook.lab.inversion.faces import SIDE
from lossbook.lab.page.charts import Chart
from lossbook.lab.page.marks import Mark, Picture, Text
from lossbook.lab.page.panels import Axis, Panel

__all__ = ["rows", "unpack"]

_GAP, _NAME = 4, 16


def unpack(shown: str) -> NDArray[np.uint8]:
    """The faces of one arm, ``(faces, 56, 56)``.

    Args:
        shown: a result's or a baseline's field of this name.

    Raises:
        ValueError: if it is no row of faces.
    """
    picture = np.asarray(Image.open(io.BytesIO(base64.b64decode(shown))))
    if picture.ndim != 2 or picture.shape[0] != SIDE or picture.shape[1] % SIDE:
        raise ValueError(f"expected faces of {SIDE} x {SIDE} in a row, got {picture.shape}")
    return picture.reshape(SIDE, -1, SIDE).swapaxes(0, 1)


def rows(title: str, shown: Mapping[str, str], known: int = 3) -> Chart:
    """Faces above each other, one row an arm, with its name above it.

    Args:
        title: of the picture.
        shown: by name, a record's field ``shown``.
        known: how many of each row are of people who were trained on; a gap follows them.
    """
    marks: list[Mark] = []
    top = 0.0
    wide = 0.0
    for name, row in shown.items():
        marks.append(Text((0, top + _NAME - 5), name))
        top += _NAME
        for place, face in enumerate(unpack(row)):
            left = place * (SIDE + _GAP) + (3 * _GAP if place >= known else 0)
            marks.append(Picture(face, (left, left + SIDE), (top, top + SIDE)))
            wide = max(wide, left + SIDE)
        top += SIDE + _GAP
    panel = Panel(marks, Axis(0, wide), Axis(top, 0), equal=True, wide=True, frame=False)
    return Chart(title, [panel])
