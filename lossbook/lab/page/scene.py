"""Objects to move: declared in Python, drawn as SVG, moved in the page by ``scene.js``.

A scene has symbols that the reader moves, panels with marks whose positions are formulas of those
symbols, and sentences with live numbers. sympy gives each formula twice: as numpy for the picture
that stands where no script runs, as JavaScript for the page. Nothing else is needed: no network, no
kernel, no library. D3 would save a few lines of ``scene.js``, Bokeh weighs a hundred times as much.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from html import escape
from typing import TypeAlias

import numpy.typing as npt
import sympy

from lossbook.lab.page.charts import heading
from lossbook.lab.page.controls import Button, Control, Switch
from lossbook.lab.page.marks import Handle, Mark
from lossbook.lab.page.palette import styles
from lossbook.lab.page.panels import Panel
from lossbook.lab.page.program import Minimum, Program, Recurrence
from lossbook.lab.page.sheet import Formula, Looks, live, looks_of
from lossbook.lab.page.shown import Shown
from lossbook.lab.page.strokes import plain

# In line with the columns of a wide panel without axes, beneath sliders and buttons.
_ROW = (
    '<div style="order:1;flex:1 0 100%;max-width:720px;display:flex;box-sizing:border-box;'
    'padding:0 3.7% 0 1.3%">{}</div>'
)

Sentence: TypeAlias = str | tuple[str, Mapping[str, Formula]]


@dataclass(frozen=True)
class Scene(Shown):
    """An object to move, which a notebook shows.

    Attributes:
        name: Letters, digits and hyphens; unique on its page.
        title: One line; it heads the object and names it for a screen reader.
        controls: What is moved: for each symbol a `Range`, `Switch` or `Choice`. A symbol that a
            handle moves gets no control beside the picture.
        panels: What is drawn, side by side where there is room.
        sentences: Beneath; a template with its formulas, ``("{loss:.1f} px", {"loss": expr})``.
        buttons: Beside the controls; one that resets is always there.
        minima: Symbols that stand for the place where a formula is least.
        arrays: Numbers that indexed symbols stand for; indices count from 1.
        recurrences: Numbers each of which follows from the one before; used like arrays.

    Example:
        >>> x, y = sympy.symbols("x y", real=True)
        >>> axis = Axis(-2, 2)
        >>> Scene("norm", "Distance", {x: Range(-2, 2, 1), y: Range(-2, 2, 0)},
        ...       [Panel([Handle(x, y)], axis, axis)],
        ...       [("{r:.2f} from the middle", {"r": sympy.sqrt(x**2 + y**2)})])
        Scene(norm: Distance; x at 1, y at 0)
    """

    name: str
    title: str
    controls: Mapping[sympy.Symbol, Control]
    panels: Sequence[Panel]
    sentences: Sequence[Sentence] = ()
    buttons: Sequence[Button] = ()
    minima: Mapping[sympy.Symbol, Minimum] = field(default_factory=dict)
    arrays: Mapping[sympy.IndexedBase, npt.ArrayLike] = field(default_factory=dict)
    recurrences: Sequence[Recurrence] = ()

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9-]*", self.name):
            raise ValueError(f"name must be letters, digits and hyphens, got {self.name!r}")
        if not self.controls:
            raise ValueError(f"{self.name}: nothing can be moved, as there are no controls")
        for button in self.buttons:
            unknown = [s.name for s in button.sets if s not in self.controls]
            if unknown:
                raise ValueError(f"{button.label}: {', '.join(unknown)} has no control")
        _ = self.markup  # a mistake shows where it is made

    def __repr__(self) -> str:
        at = ", ".join(f"{s.name} at {c.value:g}" for s, c in self.controls.items())
        return f"Scene({self.name}: {self.title}; {at})"

    @property
    def needs(self) -> tuple[str, ...]:
        """Style and script."""
        return ("scene.css", "scene.js")

    @cached_property
    def markup(self) -> str:
        """HTML for a page that loads ``scene.css`` and ``scene.js``; the same on every run."""
        program = Program(
            {symbol: control.value for symbol, control in self.controls.items()},
            self.minima,
            self.arrays,
            self.recurrences,
        )
        looks = styles(["neutral", *self._looks()])
        drawn = [
            panel.draw(program, number, looks, self.title)
            for number, panel in enumerate(self.panels)
        ]
        texts = "".join(f"<p>{self._sentence(s, program, looks)}</p>" for s in self.sentences)
        buttons = [*self.buttons, Button("Reset", {})]
        ranges = ",".join(c.javascript(symbol) for symbol, c in self.controls.items())
        actions = ",".join(button.javascript(program, list(self.controls)) for button in buttons)
        start = ",".join(plain(control.value) for control in self.controls.values())
        symbols = json.dumps([symbol.name for symbol in self.controls])
        declared = (
            f'name:"{self.name}",start:[{start}],symbols:{symbols},ranges:[{ranges}],'
            f"minima:{program.minima()},{program.recurrences()}"
            f"panels:[{','.join(d.scales for d in drawn)}],"
            f"marks:[{','.join(m for d in drawn for m in d.marks)}],"
            f"handles:[{','.join(h for d in drawn for h in d.handles)}],"
            f"actions:[{actions}],values:{program.values()}"
        )
        program_text = (
            f"(window.lossbook=window.lossbook||[]).push(()=>{{{program.constants()}"
            f"return{{{declared}}}}})"
        ).replace("</", "<\\/")
        return (
            f'<figure class="lossbook-scene" id="scene-{self.name}" data-scene="{self.name}" '
            f'aria-label="{escape(self.title)}">{heading(self.title, self._marks(), looks)}'
            f'<form hidden autocomplete="off">{self._inputs()}'
            f'<div class="buttons">{"".join(button.html() for button in buttons)}</div></form>'
            f'<div class="panels">{"".join(d.svg for d in drawn)}</div>{texts}'
            '<p class="still">With JavaScript this picture can be moved.</p></figure>'
            f"<script>{program_text}</script>"
        )

    def _marks(self) -> Iterator[Mark]:
        return (mark for panel in self.panels for mark in panel.marks)

    def _looks(self) -> Iterator[str]:
        for mark in self._marks():
            yield from mark.names()
        for sentence in self.sentences:
            yield from looks_of(sentence if isinstance(sentence, str) else sentence[0])

    def _sentence(self, sentence: Sentence, program: Program, looks: Looks) -> str:
        template, values = (sentence, {}) if isinstance(sentence, str) else sentence
        return live(template, values, program, looks)

    def _inputs(self) -> str:
        dragged: set[sympy.Symbol] = set()
        for mark in self._marks():
            if isinstance(mark, Handle):
                dragged |= set(mark.moves or {mark.x, mark.y})
        inputs = row = ""
        for index, (symbol, control) in enumerate(self.controls.items()):
            if symbol in dragged:
                continue
            html = control.html(index, symbol, self.name)
            if isinstance(control, Switch) and control.bare:
                row += html
            else:
                inputs += html
        return inputs + (_ROW.format(row) if row else "")
