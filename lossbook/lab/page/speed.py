"""The picture of the page *Speed*: how many times as fast each loss is as another form of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from lossbook.lab.page.canvas import legend, panels
from lossbook.lab.page.palette import NEUTRAL, colour

_SIZES = (4.5, 7.0, 10.5)
_COLOURS = {1: colour("SmoothL1"), 2: colour("Wing")}


class Comparison(Protocol):
    """What the picture needs of a comparison; the benchmark's record holds such."""

    @property
    def loss(self) -> str:
        """Name of the loss."""

    @property
    def compiled(self) -> bool:
        """Whether both forms were compiled."""

    @property
    def threads(self) -> int:
        """Threads of the CPU."""

    @property
    def batch(self) -> int:
        """Samples."""

    @property
    def ratio(self) -> float:
        """How many times as fast, the median."""

    @property
    def low(self) -> float:
        """Its lower quartile."""

    @property
    def high(self) -> float:
        """Its upper quartile."""


def ratios(comparisons: Sequence[Comparison]) -> Figure:
    """Draw each ratio with its quartiles, one row a loss, eager left and compiled right.

    Small dots are small batches. Right of the line at 1 the loss is faster than the other form.

    Args:
        comparisons: with one other form, at any number of sizes and threads.

    Raises:
        ValueError: if there are none.
    """
    if not comparisons:
        raise ValueError("no comparisons to draw")
    losses = list(dict.fromkeys(c.loss for c in comparisons))
    figure, axes = panels(2, height=1.6 + 0.42 * len(losses))
    for panel, compiled in zip(axes, (False, True), strict=True):
        shown = [c for c in comparisons if c.compiled == compiled]
        _rows(panel, shown, losses)
        panel.set_title("compiled" if compiled else "eager")
        panel.set_xlabel("times as fast")
    axes[1].tick_params(labelleft=False)
    _scale(axes, comparisons)
    _explain(axes[0], sorted({c.threads for c in comparisons}))
    legend(figure, axes[0])
    return figure


def _rows(panel: Axes, comparisons: Iterable[Comparison], losses: Sequence[str]) -> None:
    comparisons = list(comparisons)
    panel.axvline(1, color=NEUTRAL, linewidth=1.4, zorder=1)
    panel.set_yticks(range(len(losses)), losses)
    panel.set_ylim(len(losses) - 0.5, -0.5)
    counts = sorted({c.threads for c in comparisons})
    for row, loss in enumerate(losses):
        of_loss = [c for c in comparisons if c.loss == loss]
        batches = sorted({c.batch for c in of_loss})
        for c in of_loss:
            y = row + 0.3 * (counts.index(c.threads) - (len(counts) - 1) / 2)
            hue = _hue(c.threads)
            panel.plot([c.low, c.high], [y, y], color=hue, linewidth=1, alpha=0.6, zorder=2)
            size = _SIZES[min(batches.index(c.batch), len(_SIZES) - 1)]
            panel.plot(
                c.ratio, y, "o", color=hue, markersize=size, markeredgecolor="white",
                markeredgewidth=0.8, zorder=3,
            )  # fmt: skip


def _scale(axes: Sequence[Axes], comparisons: Sequence[Comparison]) -> None:
    """One logarithmic scale for both panels; what lies outside of it would squeeze the rest."""
    low = max(0.1, min(c.ratio for c in comparisons))
    high = max(c.ratio for c in comparisons)
    for panel in axes:
        panel.set_xscale("log")
        panel.set_xlim(min(low, 0.5) / 1.2, max(high, 2.0) * 1.2)
        panel.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=12))
        panel.xaxis.set_major_formatter("{x:g}")
        panel.xaxis.set_minor_formatter(NullFormatter())


def _explain(panel: Axes, counts: Sequence[int]) -> None:
    for count in counts:
        panel.plot(
            [], [], "o", color=_hue(count), label=f"{count} thread{'s' if count > 1 else ''}"
        )  # fmt: skip


def _hue(count: int) -> str:
    return _COLOURS.get(count, colour("PFLD"))
