"""The faces that a record shows, in rows."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from lossbook.lab.inversion.faces import SIDE
from lossbook.lab.page.charts import Chart
from lossbook.lab.page.marks import Mark, Picture, Text
from lossbook.lab.page.panels import Axis, Panel
from lossbook.lab.run import pictures

__all__ = ["coarse", "rows", "unpack"]

_GAP, _NAME = 4, 16


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
        for place, face in enumerate(coarse(unpack(row))):
            left = place * (SIDE + _GAP) + (3 * _GAP if place >= known else 0)
            marks.append(Picture(face, (left, left + SIDE), (top, top + SIDE)))
            wide = max(wide, left + SIDE)
        top += SIDE + _GAP
    panel = Panel(marks, Axis(0, wide), Axis(top, 0), equal=True, wide=True, frame=False)
    return Chart(title, [panel])
