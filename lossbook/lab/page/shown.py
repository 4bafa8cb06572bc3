"""How a page gets what is drawn for it: with its style and script, or for a page that has both."""

from __future__ import annotations

import base64
import io
import os
import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import lru_cache
from html import escape
from importlib.resources import files
from typing import Any

from matplotlib.figure import Figure


class Shown(ABC):
    """What a notebook shows as HTML.

    The pages of the book load style and script once, all others get them with each output.
    """

    @property
    @abstractmethod
    def markup(self) -> str:
        """HTML for a page that loads style and script; the same on every run."""

    @property
    def needs(self) -> tuple[str, ...]:
        """The files that complete it: style sheets and scripts of this folder."""
        return ("scene.css",)

    def html(self) -> str:
        """HTML that brings style and script with it, for any page and any notebook."""
        needs = dict.fromkeys(self.needs)
        styles = "".join(f"<style>{asset(n)}</style>" for n in needs if n.endswith(".css"))
        scripts = "".join(f"<script>{asset(n)}</script>" for n in needs if n.endswith(".js"))
        return f"{styles}{self.markup}{scripts}"

    def _repr_html_(self) -> str:
        return self.markup if os.environ.get("LOSSBOOK_BOOK") == "1" else self.html()


@dataclass(frozen=True)
class Folded(Shown):
    """Things that wait behind a line of text until a reader opens them.

    Attributes:
        summary: The line.
        things: What is behind it, see `picture`.
    """

    summary: str
    things: tuple[Any, ...]

    def __repr__(self) -> str:
        return "\n".join([self.summary, *map(repr, self.things)])

    @property
    def needs(self) -> tuple[str, ...]:
        """The style of the line, and what the things need."""
        return ("lesson.css", *needs_of(*self.things))

    @property
    def markup(self) -> str:
        """HTML for a page that loads style and script; the same on every run."""
        inside = "".join(picture(thing, plainly(self.summary)) for thing in self.things)
        return (
            f'<details class="lossbook-lesson folded"><summary>{prose(self.summary)}</summary>'
            f"{inside}</details>"
        )


def folded(summary: str, *things: Any) -> Folded:
    """Fold figures away behind a line of text.

    Args:
        summary: The line.
        things: What is behind it, see `picture`.

    Returns:
        An object that a notebook shows.
    """
    return Folded(summary, things)


@lru_cache
def asset(name: str) -> str:
    """A style sheet or script without comments and the space between its signs."""
    text = files("lossbook.lab.page").joinpath(name).read_text(encoding="utf-8")
    if name.endswith(".css"):
        text = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
        return re.sub(r"\s*([{};,])\s*", r"\1", text).strip()
    code = re.sub(r"^\s*//.*\n", "", text, flags=re.MULTILINE)
    literal = r'"[^"\n]*"|`[^`\n]*`'
    return re.sub(
        rf"({literal})|\s*([=,{{}}();?:*<>&|])\s*|\s+",
        lambda found: found[1] or found[2] or " ",
        code,
    ).strip()


def style() -> str:
    """The style sheet of everything that a page of the book may show."""
    return asset("scene.css") + asset("lesson.css")


def script() -> str:
    """The script of everything that a page of the book may show."""
    return asset("scene.js") + "\n" + asset("lesson.js")


_MARKS = re.compile(
    r"(?P<math>\$[^$\s](?:[^$]*[^$\s])?\$)|`(?P<code>[^`]+)`|\*\*(?P<strong>[^*]+)\*\*"
    r"|\*(?P<em>[^*\s](?:[^*]*[^*\s])?)\*|\[(?P<text>[^\]]+)\]\((?P<link>[^)\s]+)\)"
)


def prose(text: str) -> str:
    """A sentence as HTML; it may have ``$math$``, code, emphasis and links as in Markdown."""
    parts, end = [], 0
    for found in _MARKS.finditer(text):
        parts.append(escape(text[end : found.start()]))
        end = found.end()
        kind = found.lastgroup
        if kind == "math":
            inside = escape(found["math"][1:-1])
            parts.append(rf'<span class="math notranslate nohighlight">\({inside}\)</span>')
        elif kind == "link":
            parts.append(f'<a href="{escape(found["link"])}">{prose(found["text"])}</a>')
        elif kind:
            inside = escape(found["code"]) if kind == "code" else prose(found[kind])
            parts.append(f"<{kind}>{inside}</{kind}>")
    return "".join([*parts, escape(text[end:])])


def paragraphs(text: str) -> str:
    """Prose whose paragraphs are set apart by an empty line."""
    return "".join(f"<p>{prose(part)}</p>" for part in re.split(r"\n\s*\n", text.strip()))


def plainly(text: str) -> str:
    """Prose without its marks, for a screen reader."""
    return re.sub(r"[*`$]|\]\([^)\s]+\)|\[(?=[^\]]+\]\()", "", text)


def picture(thing: Any, alt: str) -> str:
    """A picture inside something else: an object to move, a plot, a figure, a table, a sentence.

    A figure of matplotlib becomes pixels that may differ between machines; the cell that shows it
    needs the tag ``nbval-ignore-output``.
    """
    if isinstance(thing, str):
        return paragraphs(thing)
    if isinstance(thing, Shown):
        return thing.markup
    if isinstance(thing, Figure):
        pixels = io.BytesIO()
        thing.savefig(pixels, format="png", metadata={"Software": None})
        data = base64.b64encode(pixels.getvalue()).decode()
        return f'<img alt="{escape(alt)}" src="data:image/png;base64,{data}">'
    if callable(table := getattr(thing, "html", None)):
        return str(table())
    raise TypeError(f"cannot show a {type(thing).__name__} inside a card")


def needs_of(*things: Any) -> tuple[str, ...]:
    """The files that complete pictures."""
    return tuple(name for thing in things if isinstance(thing, Shown) for name in thing.needs)
