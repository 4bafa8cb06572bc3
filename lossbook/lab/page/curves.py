"""Figures of curves and areas: losses and gradients, training logs, errors, shares, surfaces."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
import numpy.typing as npt
import sympy
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from lossbook.lab.page.canvas import legend, logarithmic, panels
from lossbook.lab.page.formulas import Array, Limits, Number, derivative, evaluate
from lossbook.lab.page.palette import colour, styles
from lossbook.lab.page.pieces import pieces
from lossbook.lab.page.results import Numbers, finite
from lossbook.lab.page.strokes import cuts


def value_and_gradient(
    curves: Mapping[str, sympy.Expr],
    variable: sympy.Symbol,
    *,
    span: Limits,
    xlabel: str = "error",
    value_label: str = "loss",
    gradient_label: str = "gradient",
) -> Figure:
    """Losses on the left, their derivatives on the right; jumps are gaps, not steep lines.

    Args:
        curves: Expressions in `variable` alone, by name.
        variable: The symbol along the horizontal axis.
        span: Its first and last value.
        xlabel: Its name and unit.
        value_label: Name and unit of the value.
        gradient_label: Name and unit of the gradient.

    Returns:
        A figure with two axes.

    Raises:
        ValueError: If there is no curve, the span is empty or a curve has another free symbol
            or is nowhere finite.
    """
    if not curves:
        raise ValueError("no curves to draw")
    if not span[0] < span[1]:
        raise ValueError(f"span must be (first, last) with first < last, got {span!r}")
    figure, axes = panels(2)
    looks = styles(curves)
    for name, expr in curves.items():
        for panel, formula in zip(axes, (expr, derivative(expr, variable)), strict=True):
            x, y = _broken_curve(formula, variable, span)
            panel.plot(x, y, label=name, **looks[name])
    for panel, label in zip(axes, (value_label, gradient_label), strict=True):
        panel.set(xlabel=xlabel, ylabel=label, xlim=span)
    legend(figure, axes[0])
    return figure


def _broken_curve(
    formula: sympy.Expr, variable: sympy.Symbol, span: Limits, points: int = 801
) -> tuple[Array, Array]:
    """Sample a function piece by piece, with the limits at the ends of each; a jump is a NaN."""
    parts = pieces(formula, variable)
    function = evaluate(parts.formula, [parts.variable, parts.inside])
    breaks = [float(at) for at in map(sympy.N, parts.breaks) if at.is_real]
    xs: list[Array] = []
    ys: list[Array] = []
    for start, stop in pairwise(cuts(breaks, *span)):
        count = max(2, round(points * (stop - start) / (span[1] - span[0])))
        x = np.linspace(start, stop, count, dtype=np.float64)
        y = function(x, (start + stop) / 2)
        y[~np.isfinite(y)] = np.nan
        if ys and not np.isclose(ys[-1][-1], y[0], rtol=1e-9, atol=1e-12):
            xs.append(np.array([start]))
            ys.append(np.array([np.nan]))
        xs.append(x)
        ys.append(y)
    x, y = np.concatenate(xs), np.concatenate(ys)
    if np.isnan(y).all():
        raise ValueError(f"a curve is nowhere finite in {list(span)}")
    return x, y


def history(
    logs: Mapping[str, Mapping[str, Numbers]],
    keys: Sequence[str],
    *,
    xlabel: str = "step",
    ylabel: str = "loss",
    logy: bool = False,
) -> Figure:
    """Training logs, one panel for each key and one line for each run.

    Args:
        logs: For each run, the values of each key, one per step.
        keys: What to draw.
        xlabel: What is counted along the horizontal axis.
        ylabel: Name and unit of the values.
        logy: Whether the vertical axes are logarithmic.

    Returns:
        A figure with one axes per key, two in a row.

    Raises:
        ValueError: If there is no run or key, or a run has not logged a key.
    """
    if not logs or not keys:
        raise ValueError(f"nothing to draw: {len(logs)} runs and {len(keys)} keys")
    for run, log in logs.items():
        missing = [key for key in keys if key not in log]
        if missing:
            raise ValueError(f"{run} has no {', '.join(missing)}; it has {', '.join(log)}")
    columns = min(2, len(keys))
    figure, axes = panels(columns, math.ceil(len(keys) / columns), height=3.0)
    looks = styles(logs)
    for index, panel in enumerate(axes):
        if index >= len(keys):
            panel.remove()
            continue
        for run, log in logs.items():
            values = np.asarray(log[keys[index]], dtype=np.float64)
            steps = np.arange(1, values.size + 1)
            panel.plot(steps, values, label=run, linewidth=1.6, **looks[run])
        panel.set(xlabel=xlabel, ylabel=ylabel)
        if logy:
            logarithmic(panel)
        if len(keys) > 1:
            panel.set_title(keys[index])
    legend(figure, axes[0])
    return figure


def ced(
    curves: Mapping[str, Numbers],
    *,
    threshold: Number,
    xlabel: str = "normalised mean error",
    ylabel: str = "images with at most this error (%)",
) -> Figure:
    """Cumulative error distribution: how many images have at most a given error.

    Args:
        curves: Errors, one per image, by name.
        threshold: Right end of the axis, in the unit of the errors; errors beyond it count as
            failures.
        xlabel: Name and unit of the error.
        ylabel: Name of the share, which is drawn in percent.

    Returns:
        A figure with one axes.

    Raises:
        ValueError: If there is no curve, one has no errors or negative or non-finite ones, or
            `threshold` is not positive.
    """
    if not curves:
        raise ValueError("no curves to draw")
    if not (threshold > 0 and math.isfinite(threshold)):
        raise ValueError(f"threshold must be positive, got {threshold:g}")
    figure, (panel,) = panels(1, height=3.8)
    looks = styles(curves)
    for name, errors in curves.items():
        sorted_errors = np.sort(finite(errors))
        if not sorted_errors.size or sorted_errors[0] < 0:
            raise ValueError(f"{name}: expected errors of at least 0, got {list(errors)[:5]}")
        share = 100 * np.arange(sorted_errors.size + 1) / sorted_errors.size
        x = np.concatenate([[0.0], sorted_errors, [max(threshold, sorted_errors[-1])]])
        panel.step(x, np.append(share, share[-1]), where="post", label=name, **looks[name])
    panel.set(xlim=(0, threshold), ylim=(0, 102), xlabel=xlabel, ylabel=ylabel)
    legend(figure, panel)
    return figure


def shares(
    runs: Mapping[str, Mapping[str, Numbers]],
    steps: Numbers,
    *,
    ylabel: str = "share (%)",
    columns: int = 3,
) -> Figure:
    """How a whole is divided over training: one panel for each run, stacked to 100 %.

    Args:
        runs: For each run, the size of each part at each of `steps`; at least 0.
        steps: Where the sizes were taken.
        ylabel: Name of the share.
        columns: Panels in a row.

    Returns:
        A figure with one axes per run.

    Raises:
        ValueError: If there is no run, a length differs from that of `steps`, or a size is
            negative or not finite.
    """
    if not runs:
        raise ValueError("no runs to draw")
    names = list(dict.fromkeys(part for run in runs.values() for part in run))
    columns = min(columns, len(runs))
    figure, axes = panels(columns, math.ceil(len(runs) / columns), height=2.9)
    for panel, (run, parts) in zip(axes, runs.items(), strict=False):
        sizes = {name: finite(parts[name]) for name in names if name in parts}
        for name, size in sizes.items():
            if size.size != len(steps) or (size < 0).any():
                raise ValueError(f"{run}, {name}: expected {len(steps)} sizes of at least 0")
        whole = np.maximum(sum(sizes.values()), np.finfo(np.float64).tiny)
        panel.stackplot(
            np.asarray(steps),
            [100 * size / whole for size in sizes.values()],
            labels=list(sizes),
            colors=[colour(name) for name in sizes],
            edgecolor="white",
            linewidth=0.6,
        )
        panel.set(title=run, xlabel="step", ylim=(0, 100), xlim=(steps[0], steps[-1]))
    axes[0].set_ylabel(ylabel)
    for panel in axes[len(runs) :]:
        panel.remove()
    legend(figure, max(axes[: len(runs)], key=lambda panel: len(panel.collections)), length=1)
    return figure


def surface(
    function: sympy.Expr | Callable[[Array, Array], npt.ArrayLike],
    *,
    xspan: Limits,
    yspan: Limits,
    xlabel: str,
    ylabel: str,
    label: str,
    variables: tuple[sympy.Symbol, sympy.Symbol] | None = None,
    levels: Sequence[Number] | int = 7,
    logy: bool = False,
    logz: bool = False,
) -> Figure:
    """Height of a function of two variables, by colour and labelled contours.

    Args:
        function: A sympy expression in `variables`, or a function of two arrays of one shape.
        xspan: First and last value along the horizontal axis.
        yspan: First and last value along the vertical axis.
        xlabel: Name and unit of the first variable.
        ylabel: Name and unit of the second variable.
        label: Name and unit of the height.
        variables: The symbols along the two axes; needed for an expression only.
        levels: Heights of the contours, or about how many.
        logy: Whether the vertical axis is logarithmic.
        logz: Whether the colour is, over the three decades below the largest height.

    Returns:
        A figure with the map and its colour bar.

    Raises:
        ValueError: If a span is empty or not positive on a logarithmic axis, `variables` is
            missing, the expression has other symbols, the heights have another shape, or `logz`
            finds none above 0.
    """
    if not (xspan[0] < xspan[1] and yspan[0] < yspan[1]) or (logy and yspan[0] <= 0):
        raise ValueError(f"spans must rise, and be positive for logy, got {xspan!r}, {yspan!r}")
    if isinstance(function, sympy.Basic):
        if variables is None:
            raise ValueError("an expression needs variables=(x, y) to say which axis is which")
        function = evaluate(function, list(variables))
    rows = np.geomspace(*yspan, 201) if logy else np.linspace(*yspan, 201)
    x, y = np.meshgrid(np.linspace(*xspan, 201), rows)
    height = np.asarray(function(x, y), dtype=np.float64)
    if height.shape != x.shape:
        raise ValueError(f"expected heights of shape {x.shape}, got {height.shape}")
    if logz and not np.nanmax(height) > 0:
        raise ValueError("logz needs heights above 0")
    figure, (panel,) = panels(1, height=4.0)
    if logy:  # before the contours, whose labels are placed on the axis as it is
        logarithmic(panel)
    largest = float(np.nanmax(height))
    norm = LogNorm(largest / 1000, largest, clip=True) if logz else None
    mesh = panel.pcolormesh(x, y, height, shading="nearest", norm=norm, rasterized=True)
    lines = panel.contour(x, y, height, levels=levels, colors="white", linewidths=1.2)
    outline = [withStroke(linewidth=2.4, foreground="#202020")]
    plt.setp([lines, *panel.clabel(lines, fontsize=11, fmt="%g")], path_effects=outline)
    panel.set(xlabel=xlabel, ylabel=ylabel, xlim=xspan, ylim=yspan)
    panel.grid(visible=False)
    figure.colorbar(mesh, ax=panel, label=label)
    return figure
