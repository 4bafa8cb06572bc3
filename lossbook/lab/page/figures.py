"""Figures, tables and equations of the book, in one look.

Only chapters import this module; the losses need none of it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, TypeAlias

import matplotlib.pyplot as plt
import numpy as np
import numpy.typing as npt
import sympy
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import LogLocator, NullFormatter
from scipy import stats
from sympy.logic.boolalg import BooleanAtom

from lossbook.lab.page.palette import COLOURS, NEUTRAL, colour, style, styles
from lossbook.lab.page.sliders import Array, Limits, Number, Slider, derivative, evaluate, slider

__all__ = [
    "COLOURS",
    "Equation",
    "Slider",
    "Table",
    "ced",
    "colour",
    "derivative",
    "equation",
    "evaluate",
    "faces",
    "history",
    "latex",
    "mean_interval",
    "paired_interval",
    "results_table",
    "shares",
    "skeletons",
    "slider",
    "style",
    "styles",
    "surface",
    "table",
    "use_style",
    "value_and_gradient",
]

Numbers: TypeAlias = Sequence[Number] | npt.NDArray[Any]

_WIDTH = 7.2
_STYLE: dict[Any, Any] = {
    "figure.dpi": 110,
    "savefig.dpi": 110,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "axes.facecolor": "white",
    "font.size": 12,
    "axes.titlesize": 12,
    "axes.labelsize": 12,
    "legend.fontsize": 11,
    "legend.frameon": False,
    "lines.linewidth": 2.2,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": NEUTRAL,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E6E8EB",
    "grid.linewidth": 0.8,
    "image.cmap": "cividis",
}


def use_style() -> None:
    """Set the book's look for all matplotlib figures of this session."""
    # The background is opaque: the theme's dark mode would otherwise show through the picture.
    plt.rcParams.update(_STYLE)


def _panels(columns: int, rows: int = 1, *, height: Number = 3.2) -> tuple[Figure, list[Axes]]:
    figure, axes = plt.subplots(
        rows, columns, figsize=(_WIDTH, rows * height), layout="constrained", squeeze=False
    )
    # A notebook shows the returned figure; left open in pyplot, it would be shown twice.
    plt.close(figure)
    return figure, list(axes.flat)


def _legend(figure: Figure, axes: Axes, *, length: Number = 2.6, marker: Number = 1) -> None:
    handles, labels = axes.get_legend_handles_labels()
    if labels:
        figure.legend(
            handles, labels, loc="outside upper center", ncols=min(4, len(labels)),
            handlelength=length, markerscale=marker, columnspacing=1.4,
        )  # fmt: skip


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
    figure, axes = _panels(2)
    looks = styles(curves)
    for name, expr in curves.items():
        for panel, formula in zip(axes, (expr, derivative(expr, variable)), strict=True):
            x, y = _broken_curve(evaluate(formula, [variable]), span)
            panel.plot(x, y, label=name, **looks[name])
    for panel, label in zip(axes, (value_label, gradient_label), strict=True):
        panel.set(xlabel=xlabel, ylabel=label, xlim=span)
    _legend(figure, axes[0])
    return figure


def _broken_curve(
    function: Callable[[Array], Array], span: Limits, points: int = 801
) -> tuple[Array, Array]:
    """Sample a function; where it jumps, both sides and a NaN between them are inserted."""
    x = np.linspace(*span, points)
    y = np.where(np.isfinite(function(x)), function(x), np.nan)
    if np.isnan(y).all():
        raise ValueError(f"a curve is nowhere finite in {list(span)}")
    height = np.abs(np.diff(y))
    steep = np.flatnonzero(height > 1e-3 * (np.nanmax(y) - np.nanmin(y)))
    left, right = x[steep], x[steep + 1]
    for _ in range(50):
        middle = (left + right) / 2
        lower = np.abs(function(middle) - function(left)) > np.abs(
            function(right) - function(middle)
        )
        left, right = np.where(lower, left, middle), np.where(lower, middle, right)
    jump = np.abs(function(right) - function(left)) > height[steep] / 2
    left, right, where = left[jump], right[jump], steep[jump] + 1
    ends = np.stack([left, left, right], axis=1)
    values = np.stack([function(left), np.full(left.shape, np.nan), function(right)], axis=1)
    positions = np.repeat(where, 3)
    return np.insert(x, positions, ends.ravel()), np.insert(y, positions, values.ravel())


def latex(expr: sympy.Expr) -> str:
    r"""LaTeX of an expression in the book's notation, where the natural logarithm is ``\ln``.

    Args:
        expr: Any sympy expression.

    Returns:
        LaTeX without dollar signs.
    """
    return str(sympy.latex(expr, ln_notation=True))


@dataclass(frozen=True)
class Equation:
    """An equation that a notebook typesets; made by :func:`equation`."""

    lhs: str
    rhs: sympy.Expr

    def __repr__(self) -> str:
        return f"{self.lhs} = {self.rhs}"

    def _repr_latex_(self) -> str:
        return f"$${self.lhs} = {latex(self.rhs)}$$"


def equation(lhs: str, rhs: sympy.Expr) -> Equation:
    r"""Equation with a typed left side and a computed right side.

    Args:
        lhs: LaTeX, without dollar signs.
        rhs: The expression that it equals.

    Returns:
        An object that a notebook shows as displayed mathematics.

    Example:
        >>> equation(r"\ell(x)", sympy.Abs(sympy.Symbol("x")))
        \ell(x) = Abs(x)
    """
    return Equation(lhs, sympy.sympify(rhs))


@dataclass(frozen=True)
class Table:
    """A table of finished texts; made by :func:`table` and :func:`results_table`.

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
        return _significant(float(cell), digits)
    return " ".join(str(cell).split())


def _significant(number: float, digits: int) -> str:
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


def mean_interval(values: Numbers, confidence: Number = 0.95) -> tuple[float, float]:
    """Mean and half-width of Student's confidence interval for it.

    Args:
        values: At least two independent results, one per seed.
        confidence: Probability in (0, 1).

    Returns:
        The mean and the half-width, in the unit of `values`.

    Raises:
        ValueError: If there are fewer than two values, one is not finite, or `confidence` is not
            in (0, 1).
    """
    numbers = _finite(values)
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie in (0, 1), got {confidence:g}")
    if numbers.size < 2:
        raise ValueError(f"an interval needs at least 2 values, got {numbers.size}")
    error = float(numbers.std(ddof=1)) / math.sqrt(numbers.size)
    quantile = float(stats.t.ppf((1 + confidence) / 2, numbers.size - 1))
    return float(numbers.mean()), quantile * error


def paired_interval(a: Numbers, b: Numbers, confidence: Number = 0.95) -> tuple[float, float]:
    """Mean and half-width of the interval for the difference `a` - `b` of paired results.

    Args:
        a: Results, one per seed.
        b: Results of the same seeds in the same order.
        confidence: Probability in (0, 1).

    Returns:
        The mean difference and the half-width.

    Raises:
        ValueError: As for :func:`mean_interval`, or if the lengths differ.
    """
    first, second = _finite(a), _finite(b)
    if first.size != second.size:
        raise ValueError(f"paired results need equal lengths, got {first.size} and {second.size}")
    return mean_interval(first - second, confidence)


def _finite(values: Numbers) -> Array:
    numbers = np.asarray(values, dtype=np.float64)
    if numbers.ndim != 1:
        raise ValueError(f"expected a flat list of numbers, got shape {numbers.shape}")
    if not np.isfinite(numbers).all():
        raise ValueError(f"every result must be finite, got {numbers.tolist()}")
    return numbers


def results_table(
    results: Mapping[str, Numbers],
    *,
    baseline: str | None = None,
    unit: str = "",
    scale: Number = 1,
) -> Table:
    """Mean ± 95 % interval of each arm and its paired difference to the baseline.

    Args:
        results: One number per seed, by arm; a single seed gives a mean without an interval.
        baseline: The arm to compare with, whose seeds must be the others' in the same order;
            ``None`` leaves the comparison out.
        unit: Unit after scaling, shown in the headings.
        scale: Factor on every number, 100 for percent.

    Returns:
        The table, one row per arm.

    Raises:
        ValueError: If there is no arm, `baseline` is not one of them, a number is not finite, or
            the number of seeds differs from the baseline's.
    """
    if not results:
        raise ValueError("no results to show")
    if baseline is not None and baseline not in results:
        raise ValueError(f"baseline {baseline!r} is not among {', '.join(results)}")
    scaled = {arm: _finite(numbers) * scale for arm, numbers in results.items()}
    for arm, numbers in scaled.items():
        if not numbers.size or (baseline is not None and numbers.size != scaled[baseline].size):
            raise ValueError(f"{arm}: got {numbers.size} results; paired arms need equal lengths")
    suffix = f" [{unit}]" if unit else ""
    columns = ["arm", "runs", f"mean ± 95 % interval{suffix}"]
    rows = [[arm, str(numbers.size), _interval(numbers)] for arm, numbers in scaled.items()]
    if baseline is not None:
        columns.append(f"difference to {baseline}{suffix}")
        for row, (arm, numbers) in zip(rows, scaled.items(), strict=True):
            row.append("" if arm == baseline else _interval(numbers - scaled[baseline], "+"))
    right = (False, *(True for _ in columns[1:]))
    return Table(tuple(columns), tuple(tuple(row) for row in rows), right)


def _interval(numbers: Array, sign: str = "") -> str:
    if numbers.size == 1:
        return _signed(_significant(float(numbers[0]), 3), sign)
    mean, half = mean_interval(numbers)
    if half == 0:
        return f"{_signed(_significant(mean, 3), sign)} ± 0"
    # Two digits of the uncertainty decide how many of the mean mean anything.
    decimals = max(0, 1 - math.floor(math.log10(float(f"{half:.1e}"))))
    return f"{mean:{sign}.{decimals}f} ± {half:.{decimals}f}"


def _signed(number: str, sign: str) -> str:
    return number if number.startswith("-") or not sign else sign + number


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
    figure, (panel,) = _panels(1, height=3.8)
    looks = styles(curves)
    for name, errors in curves.items():
        sorted_errors = np.sort(_finite(errors))
        if not sorted_errors.size or sorted_errors[0] < 0:
            raise ValueError(f"{name}: expected errors of at least 0, got {list(errors)[:5]}")
        share = 100 * np.arange(sorted_errors.size + 1) / sorted_errors.size
        x = np.concatenate([[0.0], sorted_errors, [max(threshold, sorted_errors[-1])]])
        panel.step(x, np.append(share, share[-1]), where="post", label=name, **looks[name])
    panel.set(xlim=(0, threshold), ylim=(0, 102), xlabel=xlabel, ylabel=ylabel)
    _legend(figure, panel)
    return figure


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
    figure, axes = _panels(columns, math.ceil(len(keys) / columns), height=3.0)
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
            _logarithmic(panel)
        if len(keys) > 1:
            panel.set_title(keys[index])
    _legend(figure, axes[0])
    return figure


def _logarithmic(panel: Axes) -> None:
    panel.set_yscale("log")
    low, high = panel.get_ylim()
    # A narrow range holds no power of ten or one only; with the threes there are two labels.
    panel.yaxis.set_major_locator(LogLocator(subs=(1, 3) if high < 1e4 * low else (1,), numticks=8))
    panel.yaxis.set_major_formatter("{x:g}")
    panel.yaxis.set_minor_formatter(NullFormatter())


def faces(
    images: npt.ArrayLike,
    points: Mapping[str, npt.ArrayLike],
    *,
    titles: Sequence[str] | None = None,
    columns: int = 6,
) -> Figure:
    """Grey images in a grid with landmarks drawn over them.

    Args:
        images: (n, height, width), any grey range; each image is stretched from its own black to
            its own white.
        points: By name, (n, points, 2) of x and y in pixels, where the first pixel's centre is 0.
        titles: One for each image.
        columns: Images in a row.

    Returns:
        A figure with one axes per image.

    Raises:
        ValueError: If a shape or the number of titles does not fit the images.
    """
    pictures = np.asarray(images)
    if pictures.ndim != 3 or not len(pictures) or columns < 1:
        raise ValueError(f"expected images (n, height, width), got shape {pictures.shape}")
    clouds = {name: np.asarray(cloud, dtype=np.float64) for name, cloud in points.items()}
    for name, cloud in clouds.items():
        if cloud.ndim != 3 or cloud.shape[0] != len(pictures) or cloud.shape[2] != 2:
            raise ValueError(f"{name}: expected ({len(pictures)}, points, 2), got {cloud.shape}")
    if titles is not None and len(titles) != len(pictures):
        raise ValueError(f"expected {len(pictures)} titles, got {len(titles)}")
    columns = min(columns, len(pictures))
    aspect = pictures.shape[1] / pictures.shape[2]
    height = _WIDTH / columns * aspect + (0.3 if titles is not None else 0)
    figure, axes = _panels(columns, math.ceil(len(pictures) / columns), height=height)
    looks = styles(clouds)
    for index, panel in enumerate(axes):
        panel.axis("off")
        if index < len(pictures):
            shown = {name: cloud[index] for name, cloud in clouds.items()}
            _face(panel, pictures[index], shown, looks, size=5 if columns > 3 else 12)
            if titles is not None:
                panel.set_title(titles[index])
    _legend(figure, axes[0], length=1, marker=2 if columns > 3 else 1.4)
    return figure


def _face(
    panel: Axes,
    picture: npt.NDArray[Any],
    clouds: Mapping[str, Array],
    looks: Mapping[str, Mapping[str, Any]],
    *,
    size: Number,
) -> None:
    # Unsmoothed, a picture is half the size, and notebooks carry many.
    panel.imshow(picture, cmap="gray", interpolation="nearest")
    for index, (name, cloud) in enumerate(clouds.items()):
        marker = "ox^+"[index % 4]
        line = {"edgecolors": "white", "linewidths": 0.4} if marker in "o^" else {"linewidths": 0.8}
        panel.scatter(
            cloud[:, 0], cloud[:, 1], s=size, marker=marker, color=looks[name]["color"],
            label=name, **line,
        )  # fmt: skip
    # A point far outside must not shrink the face.
    panel.set(xlim=(-0.5, picture.shape[1] - 0.5), ylim=(picture.shape[0] - 0.5, -0.5))


def skeletons(
    points: Mapping[str, npt.ArrayLike],
    bones: Sequence[tuple[int, int]],
    *,
    titles: Sequence[str] | None = None,
    columns: int = 4,
    limits: tuple[Limits, Limits] | None = None,
    view: tuple[Number, Number] = (15, -60),
) -> Figure:
    """Skeletons in a grid, several over each other in each panel; y points down as in images.

    The first one, usually the truth, is drawn broad and the others over it.

    Args:
        points: By name, (n, points, 2) or (n, points, 3) with z pointing away, all in one unit.
            A point with NaN is left out, with its bones.
        bones: Pairs of indices to connect.
        titles: One for each panel.
        columns: Panels in a row.
        limits: First and last x and y of every flat panel; by default each panel fits its own.
        view: Elevation and azimuth of panels in three dimensions, in degrees.

    Returns:
        A figure with one axes for each of the n skeletons.

    Raises:
        ValueError: If there is nothing to draw, shapes or the number of titles do not fit, or a
            bone has an index that is not there.
    """
    clouds = {name: np.asarray(cloud, dtype=np.float64) for name, cloud in points.items()}
    shape = next(iter(clouds.values())).shape if clouds else ()
    if len(shape) != 3 or shape[2] not in (2, 3) or not shape[0] or columns < 1:
        raise ValueError(f"expected points (n, points, 2 or 3), got shape {shape}")
    for name, cloud in clouds.items():
        if cloud.shape != shape:
            raise ValueError(f"{name}: expected {shape}, got {cloud.shape}")
    if not all(0 <= end < shape[1] for bone in bones for end in bone):
        raise ValueError(f"a bone has an index outside of 0 to {shape[1] - 1}: {list(bones)}")
    if titles is not None and len(titles) != shape[0]:
        raise ValueError(f"expected {shape[0]} titles, got {len(titles)}")
    columns = min(columns, shape[0])
    rows = math.ceil(shape[0] / columns)
    figure, axes = plt.subplots(
        rows, columns, figsize=(_WIDTH, rows * (_WIDTH / columns + 0.25)), layout="constrained",
        squeeze=False, subplot_kw={"projection": "3d"} if shape[2] == 3 else {},
    )  # fmt: skip
    plt.close(figure)
    for index, panel in enumerate(axes.flat):
        if index >= shape[0] or shape[2] == 3:
            panel.axis("off")
        if index >= shape[0]:
            continue
        for order, (name, cloud) in enumerate(clouds.items()):
            width = 2.2 if len(clouds) == 1 else 1.5 if order else 3.5
            _skeleton(panel, cloud[index], bones, name, width=width)
        panel.set_aspect("equal")
        if shape[2] == 3:
            panel.view_init(*view)
            panel.set_box_aspect(None, zoom=1.5)
        else:
            panel.set(xticks=[], yticks=[])
            panel.spines[:].set(visible=limits is not None, color="#BDC1C6")
            if limits is not None:
                panel.set(xlim=limits[0], ylim=limits[1])
            panel.invert_yaxis()
        if titles is not None:
            panel.set_title(titles[index], fontsize=11)
    if len(clouds) > 1:
        _legend(figure, axes.flat[0])
    return figure


def _skeleton(
    panel: Axes, cloud: Array, bones: Sequence[tuple[int, int]], name: str, *, width: Number
) -> None:
    if cloud.shape[1] == 3:  # depth goes to the back of the box, and up is up
        cloud = cloud[:, [0, 2, 1]] * [1, 1, -1]
    # One line with gaps: a legend then has one entry for each skeleton. Dashes would break bones,
    # so skeletons differ in colour and width.
    gap = np.full(cloud.shape[1], np.nan)
    path = np.array([row for a, b in bones for row in (cloud[a], cloud[b], gap)])
    hue = colour(name)
    panel.plot(*path.T, linewidth=width, label=name, color=hue, solid_capstyle="round")
    panel.plot(*cloud.T, linestyle="none", marker="o", markersize=2 + width / 2, color=hue)


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
    figure, axes = _panels(columns, math.ceil(len(runs) / columns), height=2.9)
    for panel, (run, parts) in zip(axes, runs.items(), strict=False):
        sizes = {name: _finite(parts[name]) for name in names if name in parts}
        for name, size in sizes.items():
            if size.size != len(steps) or size.min() < 0:
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
    _legend(figure, max(axes[: len(runs)], key=lambda panel: len(panel.collections)), length=1)
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
    figure, (panel,) = _panels(1, height=4.0)
    if logy:  # before the contours, whose labels are placed on the axis as it is
        _logarithmic(panel)
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
