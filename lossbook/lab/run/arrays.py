"""Files of arrays that ship with the package: read, and checked before anybody computes with them.

Needs numpy only.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

__all__ = ["read_arrays"]

_Array = NDArray[Any]


def read_arrays(
    path: Path, expected: Mapping[str, tuple[str, tuple[int | str, ...]]]
) -> dict[str, _Array]:
    """Read a ``.npz`` file, and refuse one that holds anything else than expected.

    Args:
        path: of the file.
        expected: for each array its dtype, or ``"text"``, and its shape. A size that is a word
            may be any, but it is the same wherever the word stands: ``("frames", 3)``.

    Returns:
        The arrays by their names. Numbers are finite.

    Raises:
        OSError: if the file cannot be read.
        ValueError: if it is no such file, with its path, the array and what is wrong with it.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            found = {name: file[name] for name in file.files}
    except (AttributeError, BadZipFile, EOFError, ValueError, zlib.error) as error:
        raise ValueError(f"{path}: not a file of arrays that numpy can read ({error})") from error
    if set(found) != set(expected):
        raise ValueError(f"{path}: expected the arrays {list(expected)}, found {list(found)}")
    sizes: dict[str, tuple[int, str]] = {}
    for name, (kind, shape) in expected.items():
        array = found[name]
        is_kind = array.dtype.kind == "U" if kind == "text" else array.dtype.name == kind
        if not (is_kind and _fits(array.shape, shape)):
            wanted = ", ".join(map(str, shape)) + ("," if len(shape) == 1 else "")
            raise ValueError(
                f"{path}: {name} must be {kind} of shape ({wanted}), found {array.dtype} of shape "
                f"{array.shape}"
            )
        for size, word in zip(array.shape, shape, strict=True):
            if isinstance(word, str):
                other, owner = sizes.setdefault(word, (size, name))
                if size != other:
                    raise ValueError(f"{path}: {name} has {size} {word}, {owner} has {other}")
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            place = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
            raise ValueError(
                f"{path}: {name} must be finite, found {array[place]} at {list(place)}"
            )
    return found


def _fits(found: tuple[int, ...], wanted: tuple[int | str, ...]) -> bool:
    return len(found) == len(wanted) and all(
        isinstance(size, str) or size == number for number, size in zip(found, wanted, strict=True)
    )
