"""What value of a loss is normal: before training, without knowledge, at convergence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from html import escape

from lossbook import registry
from lossbook.lab.page.formulas import Number
from lossbook.lab.page.shown import Shown, prose
from lossbook.lab.page.tables import significant

_COLUMNS = ("term", "unit", "reduction", "untrained", "at chance", "converged")


@dataclass(frozen=True)
class NormalValues(Shown):
    """A chapter's normal values as a notebook shows them; made by `normal_values`."""

    chapter: str
    values: tuple[registry.Normal, ...]

    def __repr__(self) -> str:
        rows = ("; ".join([v.name, *self._cells(v), v.given]) for v in self.values)
        return "\n".join(rows)

    @property
    def needs(self) -> tuple[str, ...]:
        """The style of the table."""
        return ("lesson.css",)

    @cached_property
    def markup(self) -> str:
        """HTML for a page that loads style and script; the same on every run."""
        head = "".join(f'<th scope="col">{name}</th>' for name in self._columns())
        groups: dict[str, list[registry.Normal]] = {}
        for value in self.values:
            groups.setdefault(value.given, []).append(value)
        body = ""
        for given, values in groups.items():
            alike: dict[tuple[str, ...], list[str]] = {}
            for value in values:
                alike.setdefault(tuple(self._cells(value)), []).append(value.name)
            rows = ""
            for cells, names in alike.items():
                terms = ", ".join(f"<code>{escape(name)}</code>" for name in names)
                texts = "".join(f"<td>{escape(cell)}</td>" for cell in cells)
                rows += f'<tr><th scope="row">{terms}</th>{texts}</tr>'
            body += (
                f'<tbody><tr><th scope="rowgroup" colspan="{len(self._columns())}" class="given">'
                f"{prose(given)}</th></tr>{rows}</tbody>"
            )
        name = f"Normal values of the losses of {self.chapter}"
        return (
            f'<div class="lossbook-lesson normal" role="region" tabindex="0" '
            f'aria-label="{escape(name)}"><table><thead><tr>{head}</tr></thead>{body}</table></div>'
        )

    def _columns(self) -> tuple[str, ...]:
        recorded = any(value.converged is not None for value in self.values)
        return _COLUMNS if recorded else _COLUMNS[:-1]

    def _cells(self, value: registry.Normal) -> list[str]:
        numbers = (value.start, value.chance, value.converged)[: len(self._columns()) - 3]
        return [value.unit, value.reduction, *map(_written, numbers)]


def _written(number: Number | None) -> str:
    if number is None:
        return "–"
    text = significant(float(number), 3)
    # Five digits and more are easier to read in threes.
    return f"{int(text):,}".replace(",", "\u202f") if text.isdigit() and len(text) > 4 else text


def normal_values(chapter: str, *, converged: Mapping[str, Number] | None = None) -> NormalValues:
    """The normal values of a chapter's terms, grouped by what is assumed.

    Args:
        chapter: A name from :func:`lossbook.registry.chapters`.
        converged: Ends of a recorded run by term, where the cards have none. A term of which they
            assume several things has its end beside the first.

    Returns:
        An object that a notebook shows as a table.

    Raises:
        ValueError: If the chapter is unknown, none of its cards has normal values, or `converged`
            names a term that has none.
    """
    found = dict.fromkeys(value for card in registry.cards(chapter) for value in card.normal)
    if not found:
        raise ValueError(f"no card of {chapter} says what value is normal")
    ends = dict(converged or {})
    unknown = sorted(set(ends) - {value.name for value in found})
    if unknown:
        names = ", ".join(value.name for value in found)
        raise ValueError(f"{chapter} has no normal value of {', '.join(unknown)}, only of {names}")
    values = [replace(v, converged=float(ends.pop(v.name))) if v.name in ends else v for v in found]
    return NormalValues(chapter, tuple(values))
