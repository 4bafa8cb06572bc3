"""Results as dots with their intervals, one panel a metric, and the numbers folded beneath."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias, runtime_checkable

import numpy as np

from lossbook.lab.page.charts import Chart
from lossbook.lab.page.formulas import Array, Number
from lossbook.lab.page.marks import Dots, Line, Mark
from lossbook.lab.page.panels import Axis, Panel
from lossbook.lab.page.results import Numbers, finite, mean_interval, written
from lossbook.lab.page.tables import Table, significant

Interval: TypeAlias = Callable[[Numbers], tuple[float, float]]


@runtime_checkable
class Recorded(Protocol):
    """What is needed of a chapter's record."""

    @property
    def config(self) -> Any:
        """With the names of the arms in ``arms``."""

    def values(self, arm: str, metric: str = "") -> list[float]:
        """One number a fold."""


@dataclass(frozen=True)
class Metric:
    """One panel of a dot plot.

    Attributes:
        name: In the record.
        label: For the reader.
        unit: After scaling.
        scale: Factor on every number, 100 for percent.
        better: In which direction; ``""`` for neither.
        mark: A value, after scaling, that a vertical line marks.
        span: From where to where the axis goes, after scaling; by default as far as the results.
    """

    name: str
    label: str
    unit: str = ""
    scale: Number = 1
    better: Literal["lower", "higher", ""] = "lower"
    mark: Number | None = None
    span: tuple[Number, Number] | None = None

    @property
    def axis(self) -> str:
        """Unit and direction."""
        direction = {"lower": "less is better", "higher": "more is better", "": ""}
        return "; ".join(filter(None, (self.unit, direction[self.better])))


def dot_plot(
    results: Recorded | Mapping[str, Mapping[str, Numbers]],
    metrics: Sequence[Metric],
    *,
    title: str,
    arms: Sequence[str] | None = None,
    baseline: str | None = None,
    interval: Interval | None = mean_interval,
    wide: bool = False,
    looks: Mapping[str, str] | None = None,
    joined: bool = False,
) -> Chart:
    """Mean and interval of each arm, one panel a metric; each single result is a faint dot.

    Args:
        results: A chapter's record, or the results by metric and arm, one a fold.
        metrics: The panels.
        title: What is compared, on what, and what the interval is.
        arms: Which, and in what order; by default all.
        baseline: An arm whose mean is a vertical line, and to which the table has the paired
            differences; the folds must be the same, in the same order.
        interval: Mean and half-width of numbers; by default Student's over the folds, at 95 %.
            Without one, where results differ too much for a mean, the median, and a line from the
            least to the most.
        wide: Whether each panel takes the whole width of the page.
        looks: Names in the palette, by arm; by default the arm's own.
        joined: Whether a thin line joins the results of one fold; all arms have the same folds.

    Returns:
        An object that a notebook shows.

    Raises:
        ValueError: If there is no metric or arm, `baseline` is not among the arms, a number is not
            finite, or an arm has fewer than two results or not as many as the baseline.
    """
    names = list(arms or _arms(results))
    if not metrics or not names:
        raise ValueError(f"nothing to draw: {len(metrics)} metrics and {len(names)} arms")
    if baseline is not None and baseline not in names:
        raise ValueError(f"baseline {baseline!r} is not among {', '.join(names)}")
    columns, rows = ["arm"], [[name] for name in names]
    panels = []
    for metric in metrics:
        values = {name: finite(_values(results, name, metric.name)) for name in names}
        values = {name: numbers * metric.scale for name, numbers in values.items()}
        for name, numbers in values.items():
            if baseline is not None and numbers.size != values[baseline].size:
                raise ValueError(f"{name}: {numbers.size} results are not paired with {baseline}'s")
        columns.append(metric.label + (f" [{metric.unit}]" if metric.unit else ""))
        if baseline is not None:
            columns.append(f"difference to {baseline}")
        drawn = {name: _Bar.of(numbers, interval) for name, numbers in values.items()}
        for row, (name, numbers) in zip(rows, values.items(), strict=True):
            row.append(drawn[name].text())
            if baseline is not None:
                difference = _Bar.of(numbers - values[baseline], interval)
                row.append("" if name == baseline else difference.text("+"))
        form = {"wide": wide, "joined": joined}
        panels.append(_panel(metric, values, drawn, baseline, looks or {}, **form))
    table = Table(tuple(columns), tuple(map(tuple, rows)), (False, *(True for _ in columns[1:])))
    return Chart(title, tuple(panels), table)


@dataclass(frozen=True)
class _Bar:
    """The large dot of an arm and the line through it."""

    middle: float
    low: float
    high: float
    half: float | None = None

    @classmethod
    def of(cls, numbers: Array, interval: Interval | None) -> _Bar:
        if interval is None:
            return cls(float(np.median(numbers)), float(numbers.min()), float(numbers.max()))
        mean, half = interval(numbers)
        return cls(mean, mean - half, mean + half, half)

    def text(self, sign: str = "") -> str:
        if self.half is not None:
            return written(self.middle, self.half, sign)
        middle, low, high = (significant(v, 3) for v in (self.middle, self.low, self.high))
        return f"{middle} ({low} to {high})"


def _arms(results: Recorded | Mapping[str, Mapping[str, Numbers]]) -> Sequence[str]:
    if isinstance(results, Mapping):
        return list(dict.fromkeys(arm for values in results.values() for arm in values))
    return list(results.config.arms)


def _values(
    results: Recorded | Mapping[str, Mapping[str, Numbers]], arm: str, metric: str
) -> Numbers:
    if not isinstance(results, Mapping):
        return results.values(arm, metric)
    if arm not in results.get(metric, {}):
        raise ValueError(f"no results of {arm} under {metric}")
    return results[metric][arm]


def _panel(
    metric: Metric,
    values: Mapping[str, Numbers],
    bars: Mapping[str, _Bar],
    baseline: str | None,
    looks: Mapping[str, str],
    *,
    wide: bool,
    joined: bool,
) -> Panel:
    seen = [float(number) for numbers in values.values() for number in numbers]
    seen += [end for bar in bars.values() for end in (bar.low, bar.high)]
    if metric.mark is not None:
        seen.append(float(metric.mark))
    room = (max(seen) - min(seen) or abs(seen[0]) or 1.0) / 20
    marks: list[Mark] = []
    last = len(values) - 1
    lines = [metric.mark] if metric.mark is not None else []
    if baseline is not None:
        lines.append(bars[baseline].middle)
    marks += [Line([(at, -0.6), (at, last + 0.6)], look="baseline", width=1.2) for at in lines]
    if joined:
        marks += [
            Line(
                [(float(n), last - row - 0.2) for row, n in enumerate(one)],
                look="neutral",
                width=0.7,
                solid=True,
            )
            for one in zip(*values.values(), strict=True)
        ]
    for row, (name, numbers) in enumerate(values.items()):
        height = last - row
        bar = bars[name]
        look = looks.get(name, name)
        marks += [
            Dots([(float(n), height - 0.2) for n in numbers], look=look, size=2, faint=True),
            Line([(bar.low, height), (bar.high, height)], look=look, width=2.5, solid=True),
            Dots([(bar.middle, height)], look=look, size=4.5),
        ]
    start, stop = metric.span or (min(seen) - room, max(seen) + room)
    if metric.span:
        # A dot at the end of the axis is drawn whole.
        edge = (stop - start) / 33
        start -= edge * (min(seen) < start + edge)
        stop += edge * (max(seen) > stop - edge)
    return Panel(
        marks,
        x=Axis(start, stop, metric.axis),
        y=Axis(-0.7, last + 0.7, ticks={float(last - i): n for i, n in enumerate(values)}),
        title=metric.label,
        height=82 + 28 * len(values),
        wide=wide,
    )
