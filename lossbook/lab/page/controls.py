"""What the reader of a scene moves beside its picture: sliders, switches, choices, buttons."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import TypeAlias

import sympy

from lossbook.lab.page.formulas import Number
from lossbook.lab.page.program import Program
from lossbook.lab.page.strokes import plain, write


@dataclass(frozen=True)
class Range:
    """A number between two others: a slider, or a coordinate of a handle.

    Attributes:
        start: Smallest value.
        stop: Largest value.
        at: First value.
        step: Distance of two values; by default a power of ten.
        unit: Shown behind the number.
        label: What it is, in a few words; by default the symbol.
        log: Whether the slider moves by equal ratios; only for sliders.
        fps: Steps a second while it plays; 0 for a slider without a button that plays it.
    """

    start: Number
    stop: Number
    at: Number
    step: Number | None = None
    unit: str = ""
    label: str = ""
    log: bool = False
    fps: Number = 0

    def __post_init__(self) -> None:
        start, stop, at = self.start, self.stop, self.at
        if not (math.isfinite(start) and math.isfinite(stop) and start < stop):
            raise ValueError(f"start must lie below stop, got {start:g} and {stop:g}")
        if not start <= at <= stop:
            raise ValueError(f"initial value {at:g} is not in [{start:g}, {stop:g}]")
        if self.step is not None and not 0 < self.step <= stop - start:
            raise ValueError(f"step must lie in (0, {stop - start:g}], got {self.step:g}")
        if self.log and not start > 0:
            raise ValueError(f"a logarithmic slider must start above 0, got {start:g}")
        if self.fps and (self.log or not 0 < self.fps <= 60):
            raise ValueError(f"a linear slider plays 0 to 60 steps a second, got {self.fps:g}")

    @property
    def value(self) -> float:
        """First value."""
        return float(self.at)

    @property
    def grain(self) -> float:
        """Distance of two values."""
        width = self.stop - self.start
        return float(self.step or 10.0 ** math.floor(math.log10(width / 50)))

    @property
    def how(self) -> str:
        """How a value is written."""
        if self.log:
            return "g3"
        # As many decimals as two steps from the start differ in.
        decimals = next(d for d in range(13) if abs(round(self.grain, d) - self.grain) < 1e-12)
        return f"f{decimals}"

    def javascript(self, symbol: sympy.Symbol) -> str:
        """What ``scene.js`` must know of it."""
        unit = f" {self.unit}" if self.unit else ""
        name = json.dumps(greek(symbol) if not self.label else self.label, ensure_ascii=False)
        return (
            f"{{first:{plain(self.start)},last:{plain(self.stop)},step:{plain(self.grain)},"
            f'how:"{self.how}",unit:{json.dumps(unit, ensure_ascii=False)},name:{name}'
            f"{',log:1' if self.log else ''}{f',fps:{self.fps:g}' if self.fps else ''}}}"
        )

    def html(self, index: int, symbol: sympy.Symbol, scene: str) -> str:
        """A native slider with its name and value."""
        first, last, at, step = self.start, self.stop, self.at, self.grain
        if self.log:
            first, last, at = (math.log10(v) for v in (first, last, at))
            step = 0.01
        unit = f" {escape(self.unit)}" if self.unit else ""
        name = self.label or greek(symbol)
        label = (
            f"<label>{escape(name)} "
            f'<output data-state="{index}" aria-live="off">{write(self.value, self.how)}{unit}'
            f'</output><input type="range" data-state="{index}" min="{plain(first)}" '
            f'max="{plain(last)}" step="{plain(step)}" value="{plain(at)}"></label>'
        )
        if not self.fps:
            return label
        button = f'<button type="button" data-play="{index}" aria-label="Play {escape(name)}">'
        return f'<div class="player">{label}{button}Play</button></div>'


@dataclass(frozen=True)
class Switch:
    """A number that is 0 or 1.

    Attributes:
        label: What is switched on.
        at: Whether it is on at first.
        bare: Whether the label is for screen readers alone. Such switches stand in one row, as wide
            as a wide panel, just above the panels.
    """

    label: str
    at: bool = False
    bare: bool = False

    @property
    def value(self) -> float:
        """First value."""
        return float(self.at)

    def javascript(self, symbol: sympy.Symbol) -> str:
        """What ``scene.js`` must know of it."""
        return '{first:0,last:1,step:1,how:"f0",unit:"",name:""}'

    def html(self, index: int, symbol: sympy.Symbol, scene: str) -> str:
        """A native check box."""
        on = " checked" if self.at else ""
        if self.bare:
            return (
                '<label class="switch" style="flex:1;margin:0;justify-content:center">'
                f'<input type="checkbox" aria-label="{escape(self.label)}" '
                f'data-state="{index}"{on}></label>'
            )
        return (
            f'<label class="switch"><input type="checkbox" data-state="{index}"{on}>'
            f"{escape(self.label)}</label>"
        )


@dataclass(frozen=True)
class Choice:
    """A number that says which of several options is chosen: 0, 1, 2.

    Attributes:
        label: What is chosen.
        options: Their names.
        at: Which is chosen at first.
    """

    label: str
    options: Sequence[str]
    at: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.at < len(self.options):
            raise ValueError(f"{self.label}: there is no option {self.at}")

    @property
    def value(self) -> float:
        """First value."""
        return float(self.at)

    def javascript(self, symbol: sympy.Symbol) -> str:
        """What ``scene.js`` must know of it."""
        last = len(self.options) - 1
        return f'{{first:0,last:{last},step:1,how:"f0",unit:"",name:""}}'

    def html(self, index: int, symbol: sympy.Symbol, scene: str) -> str:
        """Native radio buttons, alone in their form and therefore in their group."""
        buttons = "".join(
            f'<label><input type="radio" name="{scene}-{index}" data-state="{index}" '
            f'value="{number}"{" checked" if number == self.at else ""}>{escape(option)}</label>'
            for number, option in enumerate(self.options)
        )
        return f"<fieldset><legend>{escape(self.label)}</legend>{buttons}</fieldset>"


@dataclass(frozen=True)
class Button:
    """Sets symbols to values.

    Attributes:
        label: What it does.
        sets: New values by symbol. Numbers are a preset; formulas of the present values, which are
            all computed before one is set, are a step, such as one of gradient descent.
        times: How often one press does it.
    """

    label: str
    sets: Mapping[sympy.Symbol, sympy.Expr | Number]
    times: int = 1

    def html(self) -> str:
        """A native button."""
        return f'<button type="button">{escape(self.label)}</button>'

    def javascript(self, program: Program, symbols: Sequence[sympy.Symbol]) -> str:
        """What ``scene.js`` does when it is pressed; with nothing to set, it resets."""
        if not self.sets:
            return "[]"
        values = program.function([sympy.sympify(value) for value in self.sets.values()])
        steps = int(program.moves(*self.sets.values()))
        return f"[{[symbols.index(s) for s in self.sets]},{values},{self.times},{steps}]"


Control: TypeAlias = Range | Switch | Choice


def greek(symbol: sympy.Symbol) -> str:
    """The symbol as a reader writes it, ``epsilon`` as ε."""
    return str(sympy.pretty(symbol, use_unicode=True))
