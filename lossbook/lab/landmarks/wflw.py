"""The reader of WFLW's annotation files."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["WFLW_ATTRIBUTES", "WFLWAnnotations", "read_wflw"]

WFLW_ATTRIBUTES = ("pose", "expression", "illumination", "make-up", "occlusion", "blur")
"""The six attribute columns of WFLW's annotation files, in their true order."""

_NUMBERS = 196 + 4 + 6

_FLOAT32_MAX = float(torch.finfo(torch.float32).max)


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
