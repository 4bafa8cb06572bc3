"""The look of the book's figures: one style, one width, one legend."""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lossbook.lab.page.formulas import Number
from lossbook.lab.page.palette import NEUTRAL

WIDTH = 7.2
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


def panels(columns: int, rows: int = 1, *, height: Number = 3.2) -> tuple[Figure, list[Any]]:
    """A figure of the page's width with a grid of axes, row by row; `height` inches a row."""
    figure, axes = plt.subplots(
        rows, columns, figsize=(WIDTH, rows * height), layout="constrained", squeeze=False,
    )  # fmt: skip
    # A notebook shows the returned figure; left open in pyplot, it would be shown twice.
    plt.close(figure)
    return figure, list(axes.flat)


def legend(figure: Figure, axes: Axes, *, length: Number = 2.6, marker: Number = 1) -> None:
    """One legend above the whole figure, made of the labels of one of its axes."""
    handles, labels = axes.get_legend_handles_labels()
    if labels:
        figure.legend(
            handles, labels, loc="outside upper center", ncols=min(4, len(labels)),
            handlelength=length, markerscale=marker, columnspacing=1.4,
        )  # fmt: skip
