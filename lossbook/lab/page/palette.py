"""The book's colours: colour-blind safe, one for each loss, the same in every chapter."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from zlib import crc32

# Okabe and Ito's palette without its yellow, which vanishes on white.
_HUES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_DASHES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (1, 1.2)), (0, (5, 1.5, 1, 1.5)))

NEUTRAL = "#5F6368"

_STYLES: dict[str, tuple[str, Any]] = {
    "neutral": (NEUTRAL, _DASHES[0]),
    "L1": ("#E69F00", _DASHES[1]),
    "L2": ("#000000", _DASHES[2]),
    "SmoothL1": ("#0072B2", _DASHES[3]),
    "Wing": ("#D55E00", _DASHES[0]),
    "Wing [0,1]": ("#CC79A7", _DASHES[1]),
    "PFLD": ("#009E73", _DASHES[0]),
    "PFLD, degrees": ("#5F6368", _DASHES[2]),
    "PFLD + biases": ("#000000", _DASHES[1]),
    "p": ("#332288", _DASHES[0]),
    "q": ("#AA4499", _DASHES[0]),
    "ground truth": ("#009E73", _DASHES[0]),
    "prediction": ("#D55E00", _DASHES[1]),
    "baseline": (NEUTRAL, _DASHES[2]),
    "pseudo-labels": ("#0072B2", _DASHES[0]),
    "exact": ("#0072B2", _DASHES[0]),
    "detected": ("#CC79A7", _DASHES[2]),
    "coarse": ("#E69F00", _DASHES[2]),
    "refined": ("#D55E00", _DASHES[1]),
    "2d": ("#0072B2", _DASHES[0]),
    "3d_joint": ("#D55E00", _DASHES[0]),
    "3d_vert": ("#E69F00", _DASHES[1]),
    "prior": ("#009E73", _DASHES[1]),
    "aux": ("#CC79A7", _DASHES[2]),
    # In the hands chapter a colour is a loss, so hands are grey and black.
    "label": (NEUTRAL, _DASHES[0]),
    "predicted hand": ("#000000", _DASHES[0]),
    "noisy input": ("#332288", _DASHES[2]),
    "weighted L1": ("#882255", _DASHES[2]),
    "Laplace": ("#E69F00", _DASHES[1]),
    "rotation matrix": ("#999933", _DASHES[0]),
    "axis-angle": ("#CC79A7", _DASHES[1]),
    "geodesic": ("#56B4E9", _DASHES[2]),
    "mpjpe [mm]": ("#000000", _DASHES[0]),
    "position": ("#0072B2", _DASHES[0]),
    "velocity": ("#E69F00", _DASHES[1]),
    "acceleration": ("#CC79A7", _DASHES[2]),
    "shifted head": ("#0072B2", _DASHES[0]),
    "shaking head": ("#D55E00", _DASHES[0]),
    "P": ("#0072B2", _DASHES[0]),
    "V": ("#E69F00", _DASHES[1]),
    "A": ("#CC79A7", _DASHES[2]),
    "P+V": ("#882255", _DASHES[1]),
    "P+V+A": ("#000000", _DASHES[0]),
    "P+V+A+L": ("#D55E00", _DASHES[1]),
    "P, smoothed": ("#56B4E9", _DASHES[1]),
    "P, as noise": ("#AA4499", _DASHES[3]),
    "P+L": ("#8C564B", _DASHES[1]),
    "P+V+A+R": ("#5F6368", _DASHES[2]),
    "P+V+A, equal dims": ("#332288", _DASHES[2]),
    "P+R, 1000 times": ("#999933", _DASHES[2]),
    "truth": ("#009E73", _DASHES[0]),
    "cosine margin": ("#0072B2", _DASHES[0]),
    "InfoNCE": ("#D55E00", _DASHES[1]),
    "rival 1": ("#D55E00", _DASHES[0]),
    "rival 2": ("#7A3600", _DASHES[0]),
    "rival 3": ("#F0A878", _DASHES[0]),
    "normalised L2": ("#E69F00", _DASHES[1]),
    "raw L2": ("#56B4E9", _DASHES[2]),
    "two gradients": ("#332288", _DASHES[0]),
    "center": ("#CC79A7", _DASHES[2]),
    "feature": ("#000000", _DASHES[0]),
    "pixel": ("#CC79A7", _DASHES[0]),
    "feat": ("#0072B2", _DASHES[0]),
    "discriminator": ("#0072B2", _DASHES[0]),
    "generator": ("#D55E00", _DASHES[1]),
    "real": ("#009E73", _DASHES[0]),
    "fake": ("#AA4499", _DASHES[1]),
    "r1": ("#E69F00", _DASHES[0]),
}

COLOURS: dict[str, str] = {name: hue for name, (hue, _) in _STYLES.items()}
"""Hexadecimal colour of every loss and role that the book draws by name."""


def _fallback(name: str) -> int:
    return crc32(name.encode()) % (len(_HUES) * len(_DASHES))


def _slot(index: int) -> tuple[str, Any]:
    return _HUES[index % len(_HUES)], _DASHES[index % len(_DASHES)]


def colour(name: str) -> str:
    """Colour of a loss, the same in every chapter.

    Args:
        name: A key of ``COLOURS``, or any other name, which then always gets the same
            colour of the palette.

    Returns:
        A hexadecimal colour.
    """
    return COLOURS[name] if name in COLOURS else _slot(_fallback(name))[0]


def style(name: str) -> dict[str, Any]:
    """Matplotlib line style of a loss; lines also differ by dashes, for readers in grey.

    Args:
        name: As in :func:`colour`.

    Returns:
        The keywords ``color`` and ``linestyle``.
    """
    hue, dashes = _STYLES.get(name) or _slot(_fallback(name))
    return {"color": hue, "linestyle": dashes}


def styles(names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Line styles for the curves of one figure, no two alike while the palette lasts.

    Args:
        names: Names of the curves. Those in ``COLOURS`` keep their own style; the others
            start from theirs and move on to the next colour that is free in this figure.

    Returns:
        :func:`style` keywords of each name, in the order given.
    """
    names = list(dict.fromkeys(names))
    chosen = {name: _STYLES[name] for name in names if name in _STYLES}
    for name in names:
        if name in chosen:
            continue
        start, size = _fallback(name), len(_HUES) * len(_DASHES)
        slots = [_slot((start + step) % size) for step in range(size)]
        hues = {hue for hue, _ in chosen.values()}
        new_hue = [slot for slot in slots if slot[0] not in hues]
        unused = [slot for slot in slots if slot not in chosen.values()]
        chosen[name] = (new_hue or unused or slots)[0]
    return {name: {"color": chosen[name][0], "linestyle": chosen[name][1]} for name in names}


def legible(hue: str, *, dark: bool = False, contrast: float | int = 3.0) -> str:
    """The nearest shade of a colour that can be told from the page.

    Args:
        hue: A hexadecimal colour.
        dark: Whether the page is dark.
        contrast: Ratio to reach, as WCAG defines it; 3 is enough for lines, 4.5 for text.

    Returns:
        A hexadecimal colour.
    """
    paper, ink = ("#14181e", 255) if dark else ("#ffffff", 0)
    if dark and _luminance(hue) < 0.01:
        return "#e6e6e6"  # black turns over; the nearest grey may be another curve's
    parts = [int(hue[i : i + 2], 16) for i in (1, 3, 5)]
    for step in range(101):
        mixed = [round(part + (ink - part) * step / 100) for part in parts]
        shade = "#" + "".join(f"{part:02x}" for part in mixed)
        low, high = sorted((_luminance(shade), _luminance(paper)))
        if (high + 0.05) / (low + 0.05) >= contrast:
            return shade
    raise ValueError(f"no shade of {hue} reaches a contrast of {contrast:g}")


def _luminance(hue: str) -> float:
    parts = [int(hue[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
