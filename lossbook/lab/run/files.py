"""Checks of the files that data are made from. Needs the standard library only."""

import hashlib
from pathlib import Path

__all__ = ["check_file"]


def check_file(path: Path, size: int, sha256: str) -> None:
    """Refuse a file that is not the one that was used.

    Args:
        path: of the file.
        size: in bytes, looked at first: it tells a broken download from another release.
        sha256: its checksum, in lower-case hexadecimal.

    Raises:
        OSError: if it cannot be read.
        ValueError: if it is another file, with what was expected and what was found.
    """
    found = path.stat().st_size
    if found != size:
        raise ValueError(f"{path}: expected {size} bytes, found {found}")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if digest != sha256:
        raise ValueError(f"{path}: expected the SHA-256 {sha256}, found {digest}")
