"""Loss curves that the reader moves: value and gradient, with sliders for the hyperparameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import numpy as np
import sympy

from lossbook.lab.page.controls import Control, Range
from lossbook.lab.page.formulas import Limits, Number, derivative, evaluate
from lossbook.lab.page.marks import Curve, Handle, Line, Mark
from lossbook.lab.page.panels import Axis, Panel
from lossbook.lab.page.scene import Scene

ParameterRange: TypeAlias = (
    Range | tuple[Number, Number, Number] | tuple[Number, Number, Number, Number]
)


def slider(
    expr: sympy.Expr,
    variable: sympy.Symbol,
    parameters: Mapping[sympy.Symbol, ParameterRange],
    *,
    name: str,
    span: Limits,
    values: Limits | None = None,
    gradients: Limits | None = None,
    xlabel: str = "error",
    ylabel: str = "loss",
    title: str = "",
    look: str = "",
    unit: str = "",
    overlays: Mapping[str, sympy.Expr] | None = None,
    at: Number | None = None,
) -> Scene:
    """Value and gradient of a loss, with sliders for its hyperparameters and a point to read off.

    Args:
        expr: The loss, an expression in `variable` and `parameters` over real numbers.
        variable: The symbol along the horizontal axis.
        parameters: One to three symbols, each with ``(start, stop, initial)`` or
            ``(start, stop, initial, step)``, or a `Range`, which has a unit and a label too.
        name: Letters, digits and hyphens; unique on the page.
        span: First and last value of `variable`.
        values: Lower and upper end of the value's axis; by default what is drawn at first fits.
        gradients: Those of the gradient's axis.
        xlabel: Name and unit of the variable.
        ylabel: Name of the value.
        title: Heading, and the curve's name in the legend.
        look: Its name in the palette; by default the title.
        unit: Of the variable, behind its number.
        overlays: Thin curves to compare with, by name; they may use the same symbols.
        at: Where the point is at first; by default three quarters of the way.

    Returns:
        An object that a notebook shows as HTML.

    Raises:
        ValueError: If a symbol is unknown, the number of parameters is not one to three, a range
            is empty or does not hold its initial value, a name is not fit for HTML, or a function
            has no counterpart in JavaScript.

    Example:
        >>> x, beta = sympy.symbols("x beta", real=True)
        >>> slider(sympy.Abs(x) / beta, x, {beta: (0.5, 4, 1)}, name="scaled", span=(-3, 3))
        Scene(scaled: loss; beta at 1, x at 1.5)
    """
    if not 1 <= len(parameters) <= 3:
        raise ValueError(f"expected one to three parameters, got {len(parameters)}")
    if variable in parameters:
        raise ValueError(f"{variable} is the variable, so it cannot be a parameter too")
    controls: dict[sympy.Symbol, Control] = {s: _range(s, p) for s, p in parameters.items()}
    # The curve runs over the variable, and the reader's point along it has a symbol of its own.
    point = sympy.Dummy(variable.name, real=True)
    first, last = span
    if not first < last:
        raise ValueError(f"span must be (first, last) with first < last, got {span!r}")
    probe = Range(first, last, first, unit=unit, label=xlabel)
    if at is None:
        at = round(first + round(0.75 * (last - first) / probe.grain) * probe.grain, 12)
    controls[point] = Range(first, last, at, unit=unit, label=xlabel)
    label, curves = title or ylabel, {title or ylabel: sympy.sympify(expr)}
    curves |= {k: sympy.sympify(v) for k, v in (overlays or {}).items()}
    start = {symbol: control.value for symbol, control in controls.items()}
    drawn: list[Panel] = []
    formulas: list[sympy.Expr] = []
    for quantity, limits in ((ylabel, values), (f"gradient of {ylabel}", gradients)):
        shown = curves if quantity == ylabel else {
            k: derivative(c, variable) for k, c in curves.items()
        }  # fmt: skip
        main = shown[label]
        at_point = main.xreplace({variable: point})
        bottom, top = limits or _limits(main, variable, span, start)
        marks: list[Mark] = [Line([(point, bottom), (point, top)], width=1, look="neutral")]
        marks.append(Curve(main, variable, label=label, look=look or label))
        marks += [Curve(c, variable, label=k, width=1.6) for k, c in shown.items() if k != label]
        marks.append(Handle(point, at_point, look=look or label, title=xlabel))
        drawn.append(Panel(marks, Axis(first, last, xlabel), Axis(bottom, top, quantity)))
        formulas.append(at_point)
    hue = look or label
    sentence = (
        f"At {xlabel.partition(' [')[0]} {{x:4}}{' ' + unit if unit else ''} the {ylabel} is "
        f"{{value:4 {hue}}} and its gradient {{gradient:4 {hue}}}."
    )
    numbers = {"x": point, "value": formulas[0], "gradient": formulas[1]}
    return Scene(name, label, controls, drawn, [(sentence, numbers)])


def _range(symbol: sympy.Symbol, given: ParameterRange) -> Range:
    if isinstance(given, Range):
        return given
    if len(given) not in (3, 4):
        raise ValueError(f"{symbol}: expected (start, stop, initial[, step]), got {given!r}")
    try:
        return Range(*given)
    except ValueError as error:
        raise ValueError(f"{symbol}: {error}") from error


def _limits(
    expr: sympy.Expr, variable: sympy.Symbol, span: Limits, start: Mapping[sympy.Symbol, float]
) -> Limits:
    """What the curve needs at first, and a third more, as the reader will change it."""
    function = evaluate(expr, [variable, *start])
    heights = function(np.linspace(span[0], span[1], 401), *start.values())
    heights = heights[np.isfinite(heights)]
    if not heights.size:
        raise ValueError(f"{expr} is nowhere finite for {variable} in {list(span)}")
    low, high = min(0.0, float(np.min(heights))), max(0.0, float(np.max(heights)))
    room = (high - low or 1.0) / 3
    return float(f"{low - room * (low < 0):.2g}"), float(f"{high + room * (high > 0):.2g}")
