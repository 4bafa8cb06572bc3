"""How the dimensions of a motion are divided into parts, each with a weight."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import torch

from lossbook import checks


class Part(NamedTuple):
    """A part of the dimensions, as ``[start, stop)``, and the weight of its terms.

    Attributes:
        start: its first dimension, counted from 0.
        stop: the dimension after its last.
        weight: multiplies the terms of the part; finite, at least 0.
    """

    start: int
    stop: int
    weight: float = 1.0


# From names to Part, or to [start, stop, weight].
PartsLike = Mapping[str, Sequence[int | float]]


class Layout(NamedTuple):
    """Checked parts, in the form that the kernels want."""

    names: tuple[str, ...]
    parts: tuple[Part, ...]
    dimensions: int
    sizes: tuple[int, ...]
    """Of the parts from the first dimension on; empty where parts overlap."""
    places: tuple[int, ...]
    """Of each part, which of these sizes is its own."""


class Parts(Mapping[str, Part]):
    """Named parts that cover all dimensions, each once: a mapping that is checked when it is made.

    Wherever a loss takes parts it also takes a plain mapping, which it then checks in each call.

    Args:
        parts: from names to :class:`Part`, or to ``[start, stop, weight]``, in the order in which
            their terms are listed.
        dimensions: how many there must be; by default as far as the last part reaches.
        overlap: whether parts may overlap. A dimension of two parts then counts in both.

    Raises:
        TypeError: for anything but a mapping to three numbers, the first two of them integers.
        ValueError: for a range that is empty, reversed or out of range, a weight that is negative
            or not finite, dimensions that belong to no part, or parts that overlap; naming the
            parts.

    Example:
        >>> head = Parts({"angles": Part(0, 3), "shift": Part(3, 6, weight=0.5)})
        >>> head["shift"].stop, head.dimensions
        (6, 6)
        >>> Parts({**DITTO_PARTS, "exp": Part(202, 265, weight=2.0)})["exp"].weight
        2.0
        >>> Parts({"angles": Part(0, 3), "shift": Part(4, 6)})  # doctest: +ELLIPSIS
        Traceback (most recent call last):
            ...
        ValueError: dimension 3 belongs to no part: 'angles' stops at 3, 'shift' starts at 4; ...
    """

    def __init__(
        self,
        parts: PartsLike,
        *,
        dimensions: int | None = None,
        overlap: bool = False,
    ) -> None:
        self.layout = _check(parts, dimensions, overlap)
        self._parts = dict(zip(self.layout.names, self.layout.parts, strict=True))

    @property
    def dimensions(self) -> int:
        """How many dimensions the parts cover."""
        return self.layout.dimensions

    def __getitem__(self, name: str) -> Part:
        return self._parts[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._parts)

    def __len__(self) -> int:
        return len(self._parts)

    def __repr__(self) -> str:
        listed = ", ".join(f"{name!r}: {list(part)}" for name, part in self.items())
        return f"Parts({{{listed}}})"


def layout_of(parts: Any) -> Layout:
    """The layout of some parts; those of a plain mapping are checked."""
    if isinstance(parts, Parts):
        return parts.layout
    return _check(parts, None, False)


def names_of(only: str | Sequence[str] | None, layout: Layout) -> tuple[str, ...]:
    """The parts that an option picks; None picks all.

    Raises:
        TypeError: for anything but a name or some names.
        ValueError: for a name that no part has, or no name.
    """
    if only is None:
        return layout.names
    picked = (only,) if isinstance(only, str) else only
    if not isinstance(picked, (tuple, list)):
        raise TypeError(
            f"only must be the name of a part, or several, got {type(only).__name__}; there are "
            f"{', '.join(layout.names)}"
        )
    if not picked:
        raise ValueError(f"only names no part; there are {', '.join(layout.names)}")
    for name in picked:
        if name not in layout.names:
            raise ValueError(f"only names {name!r}, which is no part; {known(name, layout.names)}")
    return tuple(picked)


def known(name: object, names: Sequence[str]) -> str:
    """What to say of a name that is not among these."""
    word = str(name)
    close = [other for other in names if other.lower() == word.lower()]
    close = close or difflib.get_close_matches(word, names, n=1)
    meant = f"did you mean {close[0]!r}? There" if close else "there"
    return f"{meant} are {', '.join(names)}"


def _check(parts: Any, dimensions: int | None, overlap: bool) -> Layout:
    if not isinstance(parts, Mapping):
        raise TypeError(
            f"parts must be a mapping from names to Part(start, stop, weight), got "
            f"{type(parts).__name__}; {_to_mapping(parts)}"
        )
    if not parts:
        raise ValueError("parts must name at least one part, got none; leave it out for Ditto's")
    found = {name: _part(name, part) for name, part in parts.items()}
    last = max(part.stop for part in found.values())
    size = last if dimensions is None else dimensions
    for name, part in found.items():
        if part.stop > size:
            raise ValueError(
                f"the part {name!r} is out of range: it stops at {part.stop}, and there are "
                f"{size} dimensions"
            )
    # By the range alone: the compiler cannot sort by a weight that a schedule changes.
    order = sorted(found, key=lambda name: found[name][:2])
    overlaps = _check_cover(order, found, size, overlap)
    sizes = () if overlaps else tuple(found[name].stop - found[name].start for name in order)
    places = tuple(order.index(name) for name in found)
    return Layout(tuple(found), tuple(found.values()), size, sizes, places)


def _to_mapping(parts: Any) -> str:
    """What to do about parts that are no mapping."""
    if isinstance(parts, str) and parts in DITTO_PARTS:
        parts = [parts]
    if not isinstance(parts, (list, tuple)):
        return "of a file pass load_parts(path)"
    if parts and all(isinstance(part, str) for part in parts):
        return (
            "to leave some of Ditto's out give those the weight 0, as in {**DITTO_PARTS, 'scale': "
            "Part(0, 1, weight=0.0)}"
        )
    if parts and all(isinstance(part, (list, tuple)) and len(part) == 2 for part in parts):
        return "of pairs pass dict(parts)"
    return "give each a name, as in {'exp': Part(202, 265)}"


def _check_cover(order: list[str], parts: dict[str, Part], size: int, overlap: bool) -> bool:
    """Check that the parts in the order of their starts leave no gap; whether they overlap."""
    reached, before, overlaps = 0, "", False
    for name in order:
        start, stop, _ = parts[name]
        if start > reached:
            said = f"{before!r} stops at {reached}, {name!r}" if before else f"{name!r}, the first,"
            raise ValueError(
                f"{_belongs(reached, start)}: {said} starts at {start}; {_fill(reached, start)}"
            )
        if start < reached:
            if not overlap:
                raise ValueError(
                    f"the parts {before!r} and {name!r} overlap: {before!r} stops at {reached}, "
                    f"{name!r} starts at {start}; mend one, or pass overlap=True"
                )
            overlaps = True
        if stop > reached:
            reached, before = stop, name
    if reached < size:
        raise ValueError(
            f"{_belongs(reached, size)}: {before!r}, the last, stops at {reached}; "
            f"{_fill(reached, size)}"
        )
    return overlaps


def _belongs(start: int, stop: int) -> str:
    if stop - start == 1:
        return f"dimension {start} belongs to no part"
    return f"dimensions {start} to {stop - 1} belong to no part"


def _fill(start: int, stop: int) -> str:
    also = "" if start else "; of clips that were cut to these parts, count from 0"
    return (
        f"extend a part, or add Part({start}, {stop}, weight=0.0) under a name of its own if they "
        f"are not to count{also}"
    )


def _part(name: Any, part: Any) -> Part:
    """One part, checked by itself."""
    if not isinstance(name, str) or not name:
        raise TypeError(f"the name of a part must be a word, got {name!r}")
    if isinstance(part, str) or not isinstance(part, Sequence) or len(part) != 3:
        two = isinstance(part, (list, tuple)) and len(part) == 2
        fix = f"; for a weight of 1 pass Part({part[0]!r}, {part[1]!r})" if two else ""
        raise TypeError(f"the part {name!r} must be [start, stop, weight], got {part!r}{fix}")
    start, stop, weight = part
    for what, value in (("start", start), ("stop", stop)):
        if isinstance(value, bool) or not isinstance(value, int):
            raise TypeError(f"the {what} of the part {name!r} must be an integer, got {value!r}")
    if isinstance(weight, bool) or not isinstance(weight, (int, float)):
        raise TypeError(f"the weight of the part {name!r} must be a number, got {weight!r}")
    if start < 0 or stop < 0:
        raise ValueError(
            f"the part {name!r} is out of range: it goes from {start} to {stop}, dimensions are "
            f"counted from 0; for a part that goes to the end write their number as its stop"
        )
    if stop < start:
        raise ValueError(
            f"the part {name!r} is reversed: it starts at {start} and stops at {stop}; swap them"
        )
    if stop == start:
        raise ValueError(
            f"the part {name!r} is empty: it starts and stops at {start}; stop is the dimension "
            f"after its last"
        )
    # Comparisons only, as in lossbook.checks: torch.compile can trace them.
    if not 0 <= weight <= checks._LARGEST[torch.float64]:
        shown = "a number beyond float64" if isinstance(weight, int) and weight > 0 else weight
        raise ValueError(
            f"the weight of the part {name!r} must be finite and at least 0, got {shown}"
        )
    return Part(start, stop, float(weight))


DITTO_PARTS = Parts(
    {
        "scale": Part(0, 1),
        "pitch": Part(1, 67),
        "yaw": Part(67, 133),
        "roll": Part(133, 199),
        "t": Part(199, 202),
        "exp": Part(202, 265),
    }
)
"""Ditto's 265 dimensions. Scale has 1, pitch, yaw and roll 66 bins each, ``t`` 3, ``exp`` 63."""
