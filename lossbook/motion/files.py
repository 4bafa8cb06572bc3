"""Weights from files: of parts from JSON, of dimensions from ``.npy``."""

import ast
import json
import math
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

import torch
from jaxtyping import Float
from torch import Tensor

from lossbook import checks
from lossbook.motion.parts import DITTO_PARTS, Parts, PartsLike, known, layout_of

_MAGIC = b"\x93NUMPY"
# What struct calls the floating-point numbers that numpy writes.
_CODES = {"f2": "e", "f4": "f", "f8": "d"}


def load_parts(
    path: str | Path,
    *,
    defaults: PartsLike = DITTO_PARTS,
    overlap: bool = False,
) -> Parts:
    """Read parts and their weights from a JSON file, as the source's ``--part_w_dict_json``.

    The file holds an object from names to ``[start, stop, weight]``. Where all of its names are
    among ``defaults``, parts that it leaves out keep their default: ``{"exp": [202, 265, 0.5]}``
    is a whole file. With any other name it is a layout of its own and must be complete.

    Args:
        path: of the file.
        defaults: the layout of a file that names only some parts.
        overlap: whether parts may overlap.

    Returns:
        The parts, checked.

    Raises:
        FileNotFoundError: for a missing file.
        ValueError: for a file that is no JSON, an object of another form, a range that is empty,
            reversed or out of range, a weight that is no number, NaN, infinite or negative, a part
            that is named twice, dimensions that belong to no part, or parts that overlap. The
            message names the file, the part and the reason.

    Example:
        >>> import pathlib, tempfile
        >>> folder = tempfile.TemporaryDirectory()
        >>> file = pathlib.Path(folder.name) / "parts.json"
        >>> _ = file.write_text('{"scale": [0, 1, 0.5]}')
        >>> parts = load_parts(file)
        >>> parts["scale"], parts["exp"]
        (Part(start=0, stop=1, weight=0.5), Part(start=202, stop=265, weight=1.0))
        >>> folder.cleanup()

    References:
        Source note: ``--part_w_dict_json`` of Ditto's training code.
    """
    checks.flag(overlap=overlap)
    layout = layout_of(defaults)
    path = Path(path)
    data = _read(path)
    try:
        found = json.loads(data.decode("utf-8-sig"), object_pairs_hook=_without_twins)
    except json.JSONDecodeError as error:
        raise ValueError(
            f"{path} is not JSON: {error.msg} in line {error.lineno}, column {error.colno}"
        ) from None
    except RecursionError:
        raise ValueError(f"{path} must hold [start, stop, weight], it is nested deeper") from None
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not JSON: it is no UTF-8 text") from None
    except _TwinsError as error:
        raise ValueError(f"{path}: the part {error.args[0]!r} is named twice") from None
    except ValueError:  # of Python, for a whole number of thousands of digits
        raise ValueError(f"{path} holds a number that is too long to be read") from None
    if not isinstance(found, Mapping):
        raise ValueError(
            f"{path} must hold an object from names to [start, stop, weight], got "
            f"{type(found).__name__}"
        )
    unknown = [name for name in found if name not in layout.names]
    size = None
    if not unknown:
        found = dict(zip(layout.names, layout.parts, strict=True)) | dict(found)
        size = layout.dimensions
    try:
        return Parts(found, dimensions=size, overlap=overlap)
    except (TypeError, ValueError) as error:
        reason = str(error)
        if unknown and "belong" in reason:
            said = known(unknown[0], layout.names)
            if said.startswith("did you mean"):
                # Under a name of the defaults the rest of them would be there.
                reason = f"it names {unknown[0]!r}, which is no part; {said}"
            elif len(unknown) < len(found):
                reason += f". It names {unknown[0]!r} itself; {said}"
        raise ValueError(f"{path}: {reason}") from None


def load_dim_weights(path: str | Path, *, parts: PartsLike = DITTO_PARTS) -> Float[Tensor, " dims"]:
    """Read weights of single dimensions from an ``.npy`` file, as the source's ``--dim_ws_npy``.

    Nothing in the file is run: arrays of Python objects (pickles) are refused. numpy is not
    needed.

    Args:
        path: of the file; it holds an array of shape ``(265,)``, of float16, float32 or float64,
            as :func:`numpy.save` writes it.
        parts: the layout that the weights are for, which says how many there must be.

    Returns:
        Shape ``(265,)``, float32 whatever the file holds: a float64 file does not promote a loss.

    Raises:
        FileNotFoundError: for a missing file.
        ValueError: for a file that is no ``.npy`` or is cut off, an array of another shape or
            dtype, or a weight that is NaN, infinite or negative. The message names the file, the
            dimension with its part, and the reason.

    Example:
        >>> import numpy, pathlib, tempfile
        >>> folder = tempfile.TemporaryDirectory()
        >>> file = pathlib.Path(folder.name) / "weights.npy"
        >>> numpy.save(file, numpy.linspace(0, 1, 265))
        >>> load_dim_weights(file)[-1]
        tensor(1.)
        >>> folder.cleanup()

    References:
        Source note: ``--dim_ws_npy`` of Ditto's training code. The format: numpy,
        ``numpy.lib.format``.
    """
    layout = layout_of(parts)
    path = Path(path)
    numbers = _numbers(path, _read(path), layout.dimensions)
    for index, number in enumerate(numbers):
        if not 0 <= number <= checks._LARGEST[torch.float32]:
            of = next(
                name
                for name, part in zip(layout.names, layout.parts, strict=True)
                if part.start <= index < part.stop
            )
            raise ValueError(
                f"{path}: the weight of dimension {index}, in the part {of!r}, must be finite and "
                f"at least 0, got {number:g}"
            )
    return torch.tensor(numbers, dtype=torch.float64).float()


class _TwinsError(Exception):
    """A name that stands twice in a JSON object."""


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise _TwinsError(name)
        found[name] = value
    return found


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise FileNotFoundError(f"there is no file {path}") from None
    except IsADirectoryError:
        raise ValueError(f"{path} is a folder; pass the path of the file in it") from None


def _numbers(path: Path, data: bytes, size: int) -> tuple[float, ...]:
    """The numbers of an array of one dimension."""
    if data[:2] == b"PK":
        _refuse(path, "is an .npz archive; save its one array with numpy.save(path, weights)")
    if data[:6] != _MAGIC:
        _refuse(path, "is not an .npy file; write it with numpy.save(path, weights)")
    # Version 1 gives the length of the header in two bytes, later ones in four.
    start = 10 if data[6:7] == b"\x01" else 12
    if len(data) < start:
        _refuse(path, "is cut off")
    start += int.from_bytes(data[8:start], "little")
    try:
        header = ast.literal_eval(data[10 if data[6] == 1 else 12 : start].decode("utf-8").strip())
        described, shape = header["descr"], tuple(header["shape"])
    except (ValueError, SyntaxError, KeyError, TypeError, UnicodeDecodeError):
        _refuse(path, "is not an .npy file: its header cannot be read, or is cut off")
    if described == "|O":
        _refuse(path, "holds Python objects, which are not loaded; save weights.astype('float32')")
    code = _CODES.get(described[1:]) if isinstance(described, str) else None
    if code is None:
        _refuse(
            path,
            f"must hold float16, float32 or float64, got {described!r}; save "
            f"weights.astype('float32')",
        )
    if shape != (size,):
        fix = f"; save weights.reshape({size})" if math.prod(shape) == size else ""
        _refuse(path, f"must hold an array of shape ({size},), got {shape}{fix}")
    form = f"{'>' if described[0] == '>' else '<'}{size}{code}"
    if len(data) - start != struct.calcsize(form):
        _refuse(path, f"is damaged: it holds {len(data) - start} bytes of numbers for {shape}")
    return struct.unpack(form, data[start:])


def _refuse(path: Path, reason: str) -> NoReturn:
    raise ValueError(f"{path} {reason}")
