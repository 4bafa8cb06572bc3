"""Tables that a notebook shows as Markdown and a terminal as aligned text."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from numbers import Integral, Real

import sympy
from sympy.logic.boolalg import BooleanAtom

from lossbook.lab.page.formulas import latex


# Not tabulate, which pandas uses too: its Markdown lets a `|` in mathematics or code end the cell
# and pads every column to its longest cell: the 34 tables of the book grew from 25 to 47 kB.
@dataclass(frozen=True)
class Table:
    """A table of finished texts; made by :func:`table`.

    Attributes:
        columns: Headings.
        rows: Texts, as many in each row as there are columns.
        numeric: Whether each column is set flush right.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: tuple[bool, ...]

    def __repr__(self) -> str:
        lines = [self.columns, *self.rows]
        widths = [max(len(line[i]) for line in lines) for i in range(len(self.columns))]
        texts = [
            "  ".join(
                cell.rjust(width) if right else cell.ljust(width)
                for cell, width, right in zip(line, widths, self.numeric, strict=True)
            ).rstrip()
            for line in lines
        ]
        texts.insert(1, "  ".join("-" * width for width in widths))
        return "\n".join(texts)

    def html(self) -> str:
        """The table as HTML, without Markdown and mathematics in its cells."""

        def row(cells: Sequence[str], tag: str) -> str:
            return "".join(
                f'<{tag} style="text-align:{"right" if right else "left"}">{escape(cell)}</{tag}>'
                for cell, right in zip(cells, self.numeric, strict=True)
            )

        body = "".join(f"<tr>{row(cells, 'td')}</tr>" for cells in self.rows)
        head = f"<thead><tr>{row(self.columns, 'th')}</tr></thead>"
        return f"<table>{head}<tbody>{body}</tbody></table>"

    def _repr_markdown_(self) -> str:
        rule = ["---:" if right else "---" for right in self.numeric]
        lines = [self.columns, *self.rows]
        texts = ["| " + " | ".join(_markdown_cell(c) for c in line) + " |" for line in lines]
        texts.insert(1, "| " + " | ".join(rule) + " |")
        return "\n".join(texts)


def table(columns: Sequence[str], rows: Sequence[Sequence[object]], *, digits: int = 4) -> Table:
    """Table that a notebook shows as Markdown and a terminal as aligned text.

    Args:
        columns: Headings; Markdown and ``$...$`` are kept.
        rows: Cells, as many in each row as there are columns. Numbers are formatted, sympy
            expressions become mathematics, ``None`` an empty cell, truth values yes or no.
        digits: Significant digits of numbers that are not integers.

    Returns:
        The table.

    Raises:
        ValueError: If a row has another length than `columns`, or `digits` is below 1.
    """
    if digits < 1:
        raise ValueError(f"digits must be at least 1, got {digits}")
    for row in rows:
        if len(row) != len(columns):
            raise ValueError(f"expected {len(columns)} cells in each row, got {len(row)}: {row!r}")
    texts = tuple(tuple(_cell(cell, digits) for cell in row) for row in rows)
    numeric = tuple(
        bool(rows) and all(_is_number(row[i]) or row[i] is None for row in rows)
        for i in range(len(columns))
    )
    return Table(tuple(columns), texts, numeric)


def _is_number(cell: object) -> bool:
    return isinstance(_plain(cell), Real) and not isinstance(_plain(cell), bool)


def _plain(cell: object) -> object:
    """The Python object inside a scalar of numpy, torch or sympy."""
    if isinstance(cell, sympy.Integer):
        return int(cell)
    if isinstance(cell, sympy.Float):
        return float(cell)
    if isinstance(cell, BooleanAtom):
        return bool(cell)
    if isinstance(cell, (str, sympy.Basic)):
        return cell
    item = getattr(cell, "item", None)
    return item() if callable(item) and getattr(cell, "ndim", 0) == 0 else cell


def _cell(cell: object, digits: int) -> str:
    cell = _plain(cell)
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, sympy.Basic):
        return f"${latex(cell)}$"
    if isinstance(cell, Real) and not isinstance(cell, Integral):
        return significant(float(cell), digits)
    return " ".join(str(cell).split())


def significant(number: float, digits: int) -> str:
    """A number to so many significant digits, in exponents only where it would be long."""
    if not math.isfinite(number) or number == 0:
        return f"{number:g}".lstrip("-") if number == 0 else f"{number:g}"
    rounded = float(f"{number:.{digits - 1}e}")
    exponent = math.floor(math.log10(abs(rounded)))
    if -5 <= exponent < 7:
        return f"{rounded:.{max(0, digits - 1 - exponent)}f}"
    return f"{number:.{digits - 1}e}"


def _markdown_cell(text: str) -> str:
    """Keep a cell's vertical bars from ending the cell."""
    parts = re.split(r"(\$[^$]+\$)", text)
    for i, part in enumerate(parts):
        if i % 2:
            # Markdown's own escape would turn | into a norm's double bar inside mathematics.
            parts[i] = part.replace(r"\|", r"\Vert ").replace("|", r"\vert ")
        else:
            parts[i] = re.sub(r"(?<!\\)\|", r"\\|", part)
    return "".join(parts)
