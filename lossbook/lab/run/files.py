"""Files that data are made from: where packages have them, and whether they are the right ones.

Needs the standard library only.
"""

import hashlib
from importlib.util import find_spec
from pathlib import Path

__all__ = ["check_file", "package_folder"]


def package_folder(module: str, advice: str) -> Path:
    """Find the folder of an installed package without importing it, which may import much more.

    Args:
        module: what the package is imported as.
        advice: how to get it.

    Raises:
        ImportError: with the advice, if it is not installed.
    """
    spec = find_spec(module)
    if spec is None or not spec.submodule_search_locations:
        raise ImportError(advice)
    return Path(spec.submodule_search_locations[0])


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
