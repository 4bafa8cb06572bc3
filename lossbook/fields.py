"""What batches of named tensors share: how they move, and which of a loader's keys they miss."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.data._utils.collate import collate

from lossbook import checks
from lossbook.advice import instead_of_passed_over

__all__ = ["collated", "moved", "warn_of_passed_over"]


def collated(
    samples: Sequence[Any], names: Sequence[str], fix: str, collate_fn_map: Any
) -> dict[str, Any]:
    """Stack samples field by field, as a data loader does with dictionaries.

    Args:
        samples: objects of one type.
        names: of their fields.
        fix: what to do about a field that some samples have.
        collate_fn_map: of :func:`torch.utils.data.default_collate`.

    Returns:
        What all samples have, by name; a field that is None in each is left out.

    Raises:
        ValueError: for a field that some samples have and others have not.
    """
    stacked = {}
    for name in names:
        values = [getattr(sample, name) for sample in samples]
        absent = sum(value is None for value in values)
        if 0 < absent < len(values):
            raise ValueError(f"{name} is missing in {absent} of {len(values)} samples; {fix}")
        if not absent:
            stacked[name] = collate(values, collate_fn_map=collate_fn_map)
    return stacked


def moved(value: Tensor, args: tuple[Any, ...], options: dict[str, Any], *, cast: bool) -> Tensor:
    """A tensor after :meth:`torch.Tensor.to`.

    Args:
        value: any shape.
        args: a device, a dtype, both, or a tensor that has them.
        options: ``device``, ``dtype``, ``non_blocking``, ``copy`` or ``other``.
        cast: whether a dtype is meant for it; otherwise it keeps its own.
    """
    # By its name, torch takes another tensor only where nothing else is asked.
    if "other" in options:
        args = (options["other"], *args)
        options = {name: option for name, option in options.items() if name != "other"}
    if cast:
        return value.to(*args, **options)
    kept: list[Any] = []
    for argument in args:
        if isinstance(argument, Tensor):
            kept += [argument.device, value.dtype]
        else:
            kept.append(value.dtype if isinstance(argument, torch.dtype) else argument)
    rest = {name: option for name, option in options.items() if name != "dtype"}
    return value.to(*kept, **rest) if kept or rest else value


def warn_of_passed_over(
    kind: str, row: Iterable[str], known: Sequence[str], found: Container[str]
) -> None:
    """Warn of keys that are close to the name of a field which is missing.

    Args:
        kind: the batch's type.
        row: the keys that came.
        known: the names of its fields.
        found: those that were found.
    """
    # The compiler cannot trace how close names are.
    if torch.compiler.is_compiling():
        return
    for key in row:
        meant = "" if key in found else instead_of_passed_over(key, known, found)
        if meant:
            checks.warn(f"{kind}.pick passes over {key!r}; {meant}")
