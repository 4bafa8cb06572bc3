"""Loss curves that the reader moves in the browser, with no Python behind them.

One sympy expression gives everything: ``lambdify`` the first picture, ``jscode`` the program that
redraws it, ``diff`` the gradient. Import :func:`slider` from :mod:`lossbook.lab.page.figures`.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from importlib.resources import files
from typing import Any, TypeAlias

import numpy as np
import sympy
from bokeh.document import Document
from bokeh.embed import json_item
from bokeh.events import DocumentReady
from bokeh.models import Column, ColumnDataSource, CustomJS, Row
from bokeh.models.annotations import Span
from bokeh.models.ui import UIElement
from bokeh.models.widgets import Div
from bokeh.models.widgets import Slider as BokehSlider
from bokeh.plotting import figure
from bokeh.resources import Resources

from lossbook.lab.page.formulas import Array, Limits, Number, derivative, evaluate, javascript
from lossbook.lab.page.palette import COLOURS, NEUTRAL, colour

ParameterRange: TypeAlias = tuple[Number, Number, Number] | tuple[Number, Number, Number, Number]

_POINTS = 401
_IFRAME_HEIGHT = 480
_CARD = (
    "background:#ffffff;color:#1f2328;border:1px solid #d0d7de;border-radius:6px;"
    "padding:8px;margin:1em 0;overflow:hidden;color-scheme:light"
)
# Plots and sliders stand side by side where there is room and below each other on a phone.
_WRAPPING: dict[str, str | None] = {
    "display": "grid",
    "grid-template-columns": "repeat(auto-fit, minmax(280px, 1fr))",
}

_UPDATE = """
const [%(parameters)s] = inputs.map((input) => input.value);
const formulas = {%(formulas)s};
const isJump = (f, a, b) => {
  const height = Math.abs(f(b) - f(a));
  for (let i = 0; i < 40; i++) {
    const m = (a + b) / 2;
    if (Math.abs(f(m) - f(a)) > Math.abs(f(b) - f(m))) { b = m; } else { a = m; }
  }
  return Math.abs(f(b) - f(a)) > height / 2;
};
const withoutJumps = (x, y, f) => {
  const finite = y.filter(Number.isFinite);
  const large = (Math.max(...finite) - Math.min(...finite)) / 100;
  const jumps = (i) => Math.abs(y[i] - y[i - 1]) > large && isJump(f, x[i - 1], x[i]);
  return y.map((v, i) => (i > 0 && jumps(i) ? NaN : v));
};
const x = Array.from(curve.data.x);
const columns = {x};
const lines = {x};
for (const [key, f] of Object.entries(formulas)) {
  columns[key] = x.map((v) => f(v));
  lines[key] = withoutJumps(x, columns[key], f);
}
curve.data = {x, value: columns.value, gradient: columns.gradient};
drawn.data = lines;
const at = probe.value;
const value = formulas.value(at);
const gradient = formulas.gradient(at);
marker.data = {x: [at], value: [value], gradient: [gradient]};
for (const line of uprights) { line.location = at; }
const show = (v) => String(Number(v.toPrecision(6)));
readout.text = "at " + show(at) + ": value <b>" + show(value)
  + "</b>, gradient <b>" + show(gradient) + "</b>";
"""


@dataclass(frozen=True)
class Slider:
    """A loss curve with sliders, which a notebook shows; made by :func:`slider`.

    Attributes:
        name: Name of the slider, unique on its page.
        summary: One line for where there is no browser.
        layout: The Bokeh layout. Its models are found by name: the source ``"curve"`` with the
            columns ``x``, ``value`` and ``gradient``, one slider for each parameter under the
            symbol's name, the slider ``"probe"`` and the text ``"readout"``.
        update: The program that redraws the curve.
    """

    name: str
    summary: str
    layout: Column = field(repr=False)
    update: CustomJS = field(repr=False)

    def __repr__(self) -> str:
        return self.summary

    def _repr_html_(self) -> str:
        return self.book_html() if os.environ.get("LOSSBOOK_BOOK") == "1" else self.iframe_html()

    def book_html(self) -> str:
        """HTML for a page that loads BokehJS and ``sliders.js`` itself; the same on every run."""
        content = json.dumps(_renumbered(self._item(), self.name), separators=(",", ":"))
        content = content.replace("<", "\\u003c")
        return (
            f'<div class="lossbook-slider" id="slider-{self.name}" style="{_CARD}">'
            f'<script type="application/json">{content}</script>'
            "<noscript>This figure moves with sliders and needs JavaScript.</noscript></div>"
        )

    def iframe_html(self) -> str:
        """HTML that carries BokehJS with it and needs neither a network nor a kernel."""
        bokeh = Resources(mode="inline", components=["bokeh", "bokeh-widgets"])
        embed = files("lossbook.lab.page").joinpath("sliders.js").read_text(encoding="utf-8")
        # Where the output sits in a frame of the same origin, the height can follow the content.
        fit = (
            "new ResizeObserver(() => { try { frameElement.style.height = "
            'document.documentElement.offsetHeight + "px"; } catch (_) {} })'
            ".observe(document.documentElement);"
        )
        page = (
            '<!doctype html><html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width">'
            "<style>body{margin:0;font-family:sans-serif}</style>"
            f"{bokeh.render_js()}</head><body>{self.book_html()}"
            f"<script>{embed}</script><script>{fit}</script></body></html>"
        )
        source = page.replace("&", "&amp;").replace("'", "&#39;")
        return (
            f'<iframe title="{escape(self.summary)}" width="100%" height="{_IFRAME_HEIGHT}" '
            f"style=\"border:0;width:100%;height:{_IFRAME_HEIGHT}px\" srcdoc='{source}'></iframe>"
        )

    def _item(self) -> dict[str, Any]:
        document = self.layout.document
        if document is None:
            document = Document(title=self.name)
            document.add_root(self.layout)
            document.js_on_event(DocumentReady, self.update)
        return dict(json_item(self.layout, target=f"slider-{self.name}"))  # type: ignore[arg-type]


def slider(
    expr: sympy.Expr,
    variable: sympy.Symbol,
    parameters: Mapping[sympy.Symbol, ParameterRange],
    *,
    name: str,
    span: Limits,
    xlabel: str = "error",
    ylabel: str = "loss",
    title: str = "",
    overlays: Mapping[str, sympy.Expr] | None = None,
) -> Slider:
    """Value and gradient of a loss, with sliders for its hyperparameters and a point to read off.

    Args:
        expr: The loss, an expression in `variable` and `parameters` over real numbers.
        variable: The symbol along the horizontal axis.
        parameters: One to three symbols, each with ``(start, stop, initial)`` or
            ``(start, stop, initial, step)``.
        name: Letters, digits and hyphens; unique on the page.
        span: First and last value of `variable`.
        xlabel: Name and unit of the variable.
        ylabel: Name of the value.
        title: Heading, and the curve's name in the legend.
        overlays: Thin curves to compare with, by name; they may use the same symbols.

    Returns:
        An object that a notebook shows as HTML.

    Raises:
        ValueError: If a symbol is unknown, the number of parameters is not one to three, a range
            is empty or does not hold its initial value, a name is not fit for HTML, or a function
            has no counterpart in JavaScript.

    Example:
        >>> x, beta = sympy.symbols("x beta", real=True)
        >>> slider(sympy.Abs(x) / beta, x, {beta: (0.5, 4, 1)}, name="scaled", span=(-3, 3))
        Slider(scaled: Abs(x)/beta; x from -3 to 3; beta from 0.5 to 4, at 1)
    """
    expr = sympy.sympify(expr)
    ranges = {symbol: _parameter_range(symbol, given) for symbol, given in parameters.items()}
    _check_arguments(variable, ranges, name, span)
    curves = {"": expr, **{k: sympy.sympify(v) for k, v in (overlays or {}).items()}}
    formulas: dict[str, sympy.Expr] = {}
    for index, curve in enumerate(curves.values()):
        prefix = f"overlay{index}_" if index else ""
        formulas[f"{prefix}value"] = curve
        formulas[f"{prefix}gradient"] = derivative(curve, variable)
    program = _program(formulas, variable, ranges)
    data = _initial_data(formulas, variable, ranges, span)
    inputs = [_input(symbol, given) for symbol, given in ranges.items()]
    layout, update = _layout(
        data, inputs, program, list(curves)[1:],
        span=span, xlabel=xlabel, ylabel=ylabel, title=title,
    )  # fmt: skip
    at = "".join(f"; {s.name} from {r[0]:g} to {r[1]:g}, at {r[2]:g}" for s, r in ranges.items())
    summary = f"Slider({name}: {expr}; {variable.name} from {span[0]:g} to {span[1]:g}{at})"
    return Slider(name=name, summary=summary, layout=layout, update=update)


def _parameter_range(
    symbol: sympy.Symbol, given: Sequence[Number]
) -> tuple[float, float, float, float]:
    if len(given) not in (3, 4):
        raise ValueError(f"{symbol}: expected (start, stop, initial[, step]), got {given!r}")
    start, stop, initial = (float(number) for number in given[:3])
    if not (math.isfinite(start) and math.isfinite(stop) and start < stop):
        raise ValueError(f"{symbol}: start must lie below stop, got {start:g} and {stop:g}")
    if not start <= initial <= stop:
        raise ValueError(f"{symbol}: initial value {initial:g} is not in [{start:g}, {stop:g}]")
    step = float(given[3]) if len(given) == 4 else _step(stop - start)
    if not 0 < step <= stop - start:
        raise ValueError(f"{symbol}: step must lie in (0, {stop - start:g}], got {step:g}")
    return start, stop, initial, step


def _step(width: Number) -> float:
    """A power of ten that divides the width into 50 to 500 steps."""
    return float(10.0 ** math.floor(math.log10(width / 50)))


def _check_arguments(
    variable: sympy.Symbol,
    ranges: Mapping[sympy.Symbol, tuple[float, ...]],
    name: str,
    span: Limits,
) -> None:
    if not 1 <= len(ranges) <= 3:
        raise ValueError(f"expected one to three parameters, got {len(ranges)}")
    if variable in ranges:
        raise ValueError(f"{variable} is the variable, so it cannot be a parameter too")
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9-]*", name):
        raise ValueError(f"name must be letters, digits and hyphens, got {name!r}")
    if not (math.isfinite(span[0]) and math.isfinite(span[1]) and span[0] < span[1]):
        raise ValueError(f"span must be (first, last) with first < last, got {span!r}")


def _initial_data(
    formulas: Mapping[str, sympy.Expr],
    variable: sympy.Symbol,
    ranges: Mapping[sympy.Symbol, tuple[float, ...]],
    span: Limits,
) -> dict[str, list[float]]:
    x = np.linspace(span[0], span[1], _POINTS)
    initial = [given[2] for given in ranges.values()]
    data = {"x": x.tolist()}
    for key, formula in formulas.items():
        column = evaluate(formula, [variable, *ranges])(x, *initial)
        if not np.isfinite(column).any():
            raise ValueError(f"{formula} is nowhere finite for {variable} in {list(span)}")
        data[key] = _portable(column)
    return data


def _portable(column: Array) -> list[float]:
    """Round away the last digits, in which one machine's ``log`` differs from another's.

    The stored HTML is compared between machines; the browser computes all digits on loading. For
    the same reason this is a list: Bokeh compresses arrays, and not every zlib does so alike.
    """
    largest = float(np.abs(column[np.isfinite(column)]).max())
    decimals = 8 - math.floor(math.log10(largest)) if largest else 0
    return [round(number, decimals) + 0.0 for number in column.tolist()]


def _program(
    formulas: Mapping[str, sympy.Expr],
    variable: sympy.Symbol,
    ranges: Mapping[sympy.Symbol, tuple[float, ...]],
) -> str:
    # Symbols may be called `lambda` or `in`, so none keeps its own name.
    names = {variable: "x", **{symbol: f"p{i}" for i, symbol in enumerate(ranges)}}
    functions = [f"{key}: (x) => {javascript(e, names)}" for key, e in formulas.items()]
    parameters = ", ".join(names[symbol] for symbol in ranges)
    return _UPDATE.strip() % {"parameters": parameters, "formulas": ",\n  ".join(functions)}


def _input(symbol: sympy.Symbol, given: tuple[float, float, float, float]) -> BokehSlider:
    greek = sympy.pretty(symbol, use_unicode=True)
    return _bokeh_slider(symbol.name, greek, *given)


def _bokeh_slider(
    name: str, title: str, start: Number, stop: Number, initial: Number, step: Number
) -> BokehSlider:
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    return BokehSlider(
        name=name, title=title, start=start, end=stop, value=initial, step=step,
        format="0[.]" + "0" * decimals if decimals else "0",
        bar_color=NEUTRAL, sizing_mode="stretch_width", margin=(4, 14, 4, 14),
    )  # fmt: skip


def _probe(span: Limits, xlabel: str) -> BokehSlider:
    step = _step(span[1] - span[0])
    start = span[0] + 0.75 * (span[1] - span[0])
    initial = min(max(round(start / step) * step, span[0]), span[1])
    return _bokeh_slider("probe", f"read off at {xlabel}", *span, round(initial, 12), step)


def _plot(
    drawn: ColumnDataSource,
    marker: ColumnDataSource,
    quantity: str,
    hues: Sequence[str],
    labels: tuple[str, str],
) -> tuple[figure, Span]:
    plot = figure(
        height=270, min_width=280, sizing_mode="stretch_width", tools="", toolbar_location=None,
        x_axis_label=labels[0], y_axis_label=labels[1], margin=(2, 6, 2, 6),
    )  # fmt: skip
    line = Span(dimension="height", line_color=NEUTRAL, line_dash=[2, 3])
    plot.add_layout(line)
    for index, hue in enumerate(hues[1:], start=1):
        column = f"overlay{index}_{quantity}"
        plot.line("x", column, source=drawn, line_color=hue, line_width=1.5, line_dash=[6, 3])
    plot.line("x", quantity, source=drawn, line_color=hues[0], line_width=3)
    plot.scatter("x", quantity, source=marker, size=9, color=hues[0], line_color="white")
    plot.xaxis.axis_label_text_font_style = plot.yaxis.axis_label_text_font_style = "normal"
    plot.grid.grid_line_color = "#e6e8eb"
    plot.outline_line_color = None
    return plot, line


def _heading(labels: Sequence[str], hues: Sequence[str]) -> Div:
    """Title and legend in HTML, which wraps on a phone where Bokeh's legend is cut off."""
    entries = [
        f'<span style="white-space:nowrap;margin-right:1.2em"><span style="display:inline-block;'
        f"width:1.8em;vertical-align:middle;border-top:{'2px dashed' if index else '3px solid'} "
        f'{hue}"></span> {escape(label) if index else f"<b>{escape(label)}</b>"}</span>'
        for index, (label, hue) in enumerate(zip(labels, hues, strict=True))
    ]
    return Div(text=" ".join(entries), sizing_mode="stretch_width", margin=(0, 14, 4, 14))


def _layout(
    data: Mapping[str, list[float]],
    inputs: Sequence[BokehSlider],
    program: str,
    overlays: Sequence[str],
    *,
    span: Limits,
    xlabel: str,
    ylabel: str,
    title: str,
) -> tuple[Column, CustomJS]:
    probe = _probe(span, xlabel)
    curve = ColumnDataSource({k: data[k] for k in ("x", "value", "gradient")}, name="curve")
    # A coarse copy gives the axes their first range; the program on loading draws the rest.
    drawn = ColumnDataSource({key: column[::40] for key, column in data.items()}, name="drawn")
    marker = ColumnDataSource({"x": [], "value": [], "gradient": []}, name="marker")
    hues = [COLOURS.get(title.removesuffix(" loss"), "#000000"), *map(colour, overlays)]
    ylabels = {"value": ylabel, "gradient": f"gradient of {ylabel}"}
    plots, uprights = zip(
        *(_plot(drawn, marker, key, hues, (xlabel, y)) for key, y in ylabels.items()), strict=True
    )
    readout = Div(name="readout", text="", styles={"font-size": "15px"}, margin=(6, 14, 6, 14))
    arguments = {
        "curve": curve, "drawn": drawn, "marker": marker, "readout": readout,
        "probe": probe, "inputs": list(inputs), "uprights": uprights,
    }  # fmt: skip
    update = CustomJS(args=arguments, code=program)
    for widget in (*inputs, probe):
        widget.js_on_change("value", update)
    # The sliders stand above the plots, so that a phone shows them and a curve together.
    parts: list[UIElement] = [
        _heading([title or ylabel, *overlays], hues),
        Row(children=[*inputs, probe], sizing_mode="stretch_width", styles=_WRAPPING),
        readout,
        Row(children=list(plots), sizing_mode="stretch_width", styles=_WRAPPING),
    ]
    return Column(children=parts, sizing_mode="stretch_width"), update


def _renumbered(item: dict[str, Any], name: str) -> Any:
    """Replace Bokeh's ids, which count up over the whole session, by ids counted from zero."""
    order: dict[str, str] = {}

    def walk(node: Any) -> Any:
        if isinstance(node, (list, tuple)):
            return [walk(child) for child in node]
        if not isinstance(node, dict):
            return node
        return {
            key: order.setdefault(child, f"{name}-{len(order)}")
            if key in ("id", "root_id") and isinstance(child, str)
            else walk(child)
            for key, child in node.items()
        }

    return walk(item)
