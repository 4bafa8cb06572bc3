"""How ``data/letters.npz`` was made: capitals drawn with fonts of the npm packages ``@fontsource``.

``data/letters.json`` lists the styles: package and version, the font's file in it with its size and
its SHA-256, domain, family, licence and copyright. The packages are fetched, and the file written,
by::

    python -m lossbook.lab.translation.make_data --packages > packages.txt
    mkdir fonts && cd fonts && xargs npm pack < ../packages.txt && cd ..
    python -m lossbook.lab.translation.make_data fonts

The command refuses any other font. It was run with Pillow 13.0.0; another FreeType may draw some
pixels a shade darker or lighter.

**How the fonts were chosen.** By hand: sans serifs and serifs (slab serifs too) with plain upright
capitals, under the SIL Open Font License 1.1. Left out were fonts with flared stems or spurs, which
are neither, and those whose widest or deepest letter does not fit. Most have one style here, some
two, of different weights; then of the two most alike in a domain one was left out, again and again,
until there were 100 styles in each. No two differ by less than 0.028 a pixel on average.
"""

from __future__ import annotations

import argparse
import json
import tarfile
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from lossbook.lab.run.files import check_file
from lossbook.lab.translation.letters import ALPHABET, DOMAINS, FILE, SIDE, load_letters

__all__ = ["STYLES", "Style", "draw_letters", "main", "read_styles"]

STYLES = FILE.with_name("letters.json")
"""The styles, in the order of the file."""

_ZOOM = 8
"""Letters are drawn so much larger, and averaged."""

_HEIGHT = 20
"""Of a capital H, in pixels."""

_BASELINE = 24
"""The letters stand on the upper edge of this row."""


class Style(NamedTuple):
    """One weight of a typeface, and the font that it was drawn with.

    Attributes:
        domain: of `lossbook.lab.translation.letters.DOMAINS`.
        family: the typeface, with those that were drawn from it.
        font: the package's name, without ``@fontsource/``.
        weight: 200 (light) to 900 (black).
        version: of the package.
        file: the font's path in the package.
        size: of that file, in bytes.
        sha256: its checksum.
        licence: as the package says.
        copyright: as the font says.
    """

    domain: str
    family: str
    font: str
    weight: int
    version: str
    file: str
    size: int
    sha256: str
    licence: str
    copyright: str


def read_styles() -> list[Style]:
    """Read the list of the styles."""
    return [Style(**style) for style in json.loads(STYLES.read_text("utf-8"))]


def draw_letters(path: Path) -> NDArray[np.uint8]:
    """Draw the capitals: so large that H fills the rows 4 to 23, each in the middle.

    Args:
        path: of a font.

    Returns:
        ``(26, 32, 32)``, from 0 (paper) to 255 (ink).

    Raises:
        OSError: if it is no font that FreeType can read.
        ValueError: if a letter does not fit.
    """
    _, (_, top, _, bottom) = _draw(path, 1000.0, "H")
    size = 1000.0 * _HEIGHT * _ZOOM / (bottom - top)
    _, (_, _, _, baseline) = _draw(path, size, "H")
    side = SIDE * _ZOOM
    first = baseline - _BASELINE * _ZOOM
    pictures = []
    for letter in ALPHABET:
        image, (left, top, right, bottom) = _draw(path, size, letter)
        if right - left > side or top < first or bottom > first + side:
            raise ValueError(f"{path.name}: {letter} does not fit into {SIDE} x {SIDE} pixels")
        start = (left + right - side) // 2
        fine = np.asarray(image.crop((start, first, start + side, first + side)), np.float64)
        pictures.append(fine.reshape(SIDE, _ZOOM, SIDE, _ZOOM).mean((1, 3)).round())
    return np.stack(pictures).astype(np.uint8)


def _draw(path: Path, size: float, letter: str) -> tuple[Image.Image, tuple[int, int, int, int]]:
    """Draw a letter on a large sheet, and tell the box of its ink."""
    # The basic layout does without Raqm, which not every Pillow has.
    font = ImageFont.truetype(path, size, layout_engine=ImageFont.Layout.BASIC)
    image = Image.new("L", (int(4 * size), int(3 * size)))
    ImageDraw.Draw(image).text((int(size), int(2 * size)), letter, 255, font, anchor="ls")
    # Not the box that the font tells: that one holds the origin and the advance too.
    box = image.getbbox()
    if box is None:
        raise ValueError(f"{path.name}: {letter} is empty")
    return image, box


def _draw_style(style: Style, folder: Path) -> NDArray[np.uint8]:
    with (
        tarfile.open(folder / f"fontsource-{style.font}-{style.version}.tgz") as package,
        TemporaryDirectory() as temporary,
    ):
        found = package.extractfile(f"package/{style.file}")
        if found is None:
            raise ValueError(f"{style.font}: {style.file} is no file")
        path = Path(temporary) / Path(style.file).name
        path.write_bytes(found.read())
        check_file(path, style.size, style.sha256)
        return draw_letters(path)


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the file; it takes a minute.

    Args:
        arguments: of the command line, the folder of the packages.

    Raises:
        KeyError: if a package has no such font.
        OSError: if a package cannot be read.
        ValueError: if a font is another one, with the sizes or the checksums.
    """
    parser = argparse.ArgumentParser(prog="python -m lossbook.lab.translation.make_data")
    parser.add_argument("folder", type=Path, nargs="?", help="of the .tgz files of npm pack")
    parser.add_argument("--packages", action="store_true", help="only say what to fetch")
    parser.add_argument("--out", type=Path, default=FILE)
    options = parser.parse_args(arguments)
    styles = read_styles()
    if options.packages:
        packages = dict.fromkeys(f"@fontsource/{style.font}@{style.version}" for style in styles)
        print(*packages, sep="\n")
        return
    if options.folder is None:
        parser.error("the folder of the packages is missing")
    options.out.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(
        options.out,
        images=np.stack([_draw_style(style, options.folder) for style in styles]),
        domain=np.array([DOMAINS.index(style.domain) for style in styles], np.uint8),
        family=np.array([style.family for style in styles]),
        font=np.array([style.font for style in styles]),
        weight=np.array([style.weight for style in styles], np.uint16),
    )
    # So that a mistake shows here and not when a reader loads the file.
    load_letters(options.out)


if __name__ == "__main__":
    main()
