"""What a scene's first picture is drawn from: paths, arrows and texts as ``scene.js`` makes them.

Each function has its twin in that file, and a test in Chromium compares what the two draw.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

from lossbook.lab.page.formulas import Number
from lossbook.lab.page.tables import significant

Point: TypeAlias = tuple[Number, Number]
Function: TypeAlias = Callable[[Number, Number], float]
"""Of the place and of a point inside the piece that is meant, as in `pieces`."""


@dataclass(frozen=True)
class Scale:
    """One direction of a panel: the value at its first and last pixel."""

    first: Number
    last: Number
    pixels: Number
    log: bool = False

    def __call__(self, value: Number) -> float:
        """Pixels from the left or upper edge."""
        if self.log and not value > 0:
            return -math.inf
        first, last, at = (math.log10(v) if self.log else v for v in (self.first, self.last, value))
        return (at - first) / (last - first) * self.pixels

    def javascript(self) -> str:
        """The array that ``scene.js`` reads."""
        log = ",1" if self.log else ""
        return f"[{plain(self.first)},{plain(self.last)},{plain(self.pixels)}{log}]"


def base_of(scale: Scale) -> float:
    """Where bars begin: at zero, or at the end of the axis that is nearest to it."""
    low, high = sorted((scale.first, scale.last))
    return min(high, max(low, 0.0))


def plain(number: Number) -> str:
    """A number in JavaScript, as short as it can be."""
    return f"{number:.12g}"


def pixel(position: Number) -> str:
    """A position to a tenth of a pixel, which is the same on every machine."""
    return f"{round(max(-1e4, min(1e4, position)), 1) + 0.0:g}"


def write(value: Number, how: str) -> str:
    """A number for a reader; ``g3``: three significant digits, ``f1``: one decimal, ``p0``: %."""
    if not math.isfinite(value):
        return "–" if math.isnan(value) else "∞" if value > 0 else "−∞"
    digits = int(how[1:])
    if how[0] == "g":
        text = significant(float(value), digits) if value else f"{0:.0f}"
    else:
        text = f"{100 * value if how[0] == 'p' else value:.{digits}f}"
    if float(text) == 0:
        text = text.lstrip("-")
    return text.replace("-", "−") + (" %" if how[0] == "p" else "")


def line(points: Iterable[Point | None], *, closed: bool = False) -> str:
    """A path through points, with a gap at each that is missing or not finite."""
    parts, pen = [], "M"
    for point in points:
        if point is None or not all(map(math.isfinite, point)):
            pen = "M"
        else:
            parts.append(f"{pen}{pixel(point[0])},{pixel(point[1])}")
            pen = "L"
    return "".join(parts) + ("Z" if closed and parts else "")


def circle(x: Number, y: Number, radius: Number) -> str:
    """A circle as a path; nothing where there is no such point."""
    if not (math.isfinite(x) and math.isfinite(y)):
        return ""
    r, width = plain(radius), plain(2 * radius)
    return f"M{pixel(x - radius)},{pixel(y)}a{r},{r} 0 1 0 {width},0a{r},{r} 0 1 0 -{width},0Z"


def arrow(start: Point, tip: Point) -> str:
    """A line with a head, or nothing where it is shorter than a pixel."""
    (x, y), (u, v) = start, tip
    length = math.hypot(u - x, v - y)
    if not (1 < length < math.inf):
        return ""
    head = min(9.0, length)
    a, b = (u - x) / length * head, (v - y) / length * head
    wings = [(u - a - b / 2, v - b + a / 2), (u, v), (u - a + b / 2, v - b - a / 2)]
    return line([start, tip, None, *wings])


@dataclass(frozen=True)
class Drawn:
    """A curve: its path, the ends that do not belong to it, and those that do."""

    path: str
    open_ends: str
    filled_ends: str


def cuts(breaks: Iterable[Number], first: Number, last: Number) -> list[Number]:
    """The ends of the pieces, in order."""
    found: list[Number] = [first]
    for cut in [*sorted(b for b in breaks if first < b < last), last]:
        if cut - found[-1] > 1e-9 * (last - first):
            found.append(cut)
    return found


def curve(f: Function, breaks: Iterable[Number], span: Point, x: Scale, y: Scale) -> Drawn:
    """Draw one smooth piece after the other, with more points where it bends."""
    first, last = span
    points: list[Point | None] = []
    ends: list[tuple[Number, Number, bool]] = []
    edges = cuts(breaks, first, last)

    def seen(value: Number) -> str:
        return pixel(y(value)) if math.isfinite(value) else ""

    def bend(
        g: Callable[[Number], float],
        start: Number,
        low: Number,
        stop: Number,
        high: Number,
        depth: int,
    ) -> None:
        half = (start + stop) / 2
        value = g(half)
        straight = abs(y(value) - (y(low) + y(high)) / 2) < 0.15
        if depth < 9 and not straight and math.isfinite(value):
            bend(g, start, low, half, value, depth + 1)
            bend(g, half, value, stop, high, depth + 1)
        else:
            points.append((x(stop), y(high)))

    left: Number = math.nan
    for a, b in pairwise(edges):
        middle = (a + b) / 2

        def piece(at: Number, inside: Number = middle) -> float:
            return f(at, inside)

        low = piece(a)
        if points and seen(left) != seen(low):
            at = f(a, a)
            # The ends of a jump that the eye takes for none would only hide it.
            if not abs(y(left) - y(low)) < 8:
                jump = [(a, end, seen(end) == seen(at)) for end in (left, low)]
                ends += jump if any(full for *_, full in jump) else [*jump, (a, at, True)]
            points.append(None)
        points.append((x(a), y(low)))
        parts = max(2, math.floor(40 * (b - a) / (last - first) + 0.5))
        start = a
        for step in range(1, parts + 1):
            stop = b if step == parts else a + (b - a) * step / parts
            high = piece(stop)
            bend(piece, start, low, stop, high, 0)
            start, low = stop, high
        left = low
    drawn = [
        "".join(
            circle(x(u), y(v), 3 if full else 3.5)
            for u, v, filled in ends
            if filled == full and math.isfinite(v)
        )
        for full in (False, True)
    ]
    return Drawn(line(points), *drawn)


def minimum(f: Function, slope: Function, breaks: Sequence[Number], span: Point) -> float:
    """Where the slope changes its sign next to the lowest of many points; of a flat, its middle."""
    first, last = span
    grid = sorted(
        [first + (last - first) * i / 128 for i in range(129)] + cuts(breaks, first, last)[1:-1]
    )
    heights = [f(u, u) for u in grid]
    best = min(range(len(grid)), key=lambda i: heights[i])

    low = high = best
    while low > 0 and not slope(grid[low], grid[low]) < 0:
        low -= 1
    while high < len(grid) - 1 and not slope(grid[high], grid[high]) > 0:
        high += 1

    def edge(flat: bool) -> float:
        a, b = grid[low], grid[high]
        for _ in range(60):
            m = (a + b) / 2
            rise = slope(m, m)
            if rise > 0 or (flat and rise == 0):
                b = m
            else:
                a = m
        return (a + b) / 2

    return (edge(True) + edge(False)) / 2


_SIGNS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_TOP = 4094


def pack(pixels: Iterable[Number], length: Number) -> str:
    """Positions along an axis of so many pixels, two letters each; not finite ones have their own.

    ``scene.js`` unpacks them; a hundred points cost 400 bytes a frame.
    """
    text = ""
    for position in pixels:
        level = round(position / length * _TOP) if math.isfinite(position) else _TOP + 1
        text += _SIGNS[level // 64] + _SIGNS[level % 64]
    return text


def unpack(text: str, length: Number) -> list[float]:
    """Positions that were packed, to a four-thousandth of the axis."""
    pairs = zip(text[::2], text[1::2], strict=True)
    levels = [64 * _SIGNS.index(a) + _SIGNS.index(b) for a, b in pairs]
    return [level / _TOP * length if level <= _TOP else math.nan for level in levels]
