"""Questions that a reader answers with a click: what will happen, and what is wrong in a log."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from html import escape
from string import ascii_uppercase
from typing import Any

import numpy as np

from lossbook.lab.page.formulas import Array, Number
from lossbook.lab.page.marks import Line, Mark, Text
from lossbook.lab.page.palette import styles
from lossbook.lab.page.panels import Axis, Panel
from lossbook.lab.page.program import Program
from lossbook.lab.page.results import Numbers
from lossbook.lab.page.shown import Shown, needs_of, paragraphs, picture, plainly, prose

_MOST_POINTS = 160


@dataclass(frozen=True)
class Prediction(Shown):
    """A question with its answer, which a notebook shows; made by `predict`."""

    question: str
    choices: tuple[str, ...]
    answer: str
    why: str
    shown: Any = None
    opens: bool = False

    def __repr__(self) -> str:
        return f"{plainly(self.question)} {' / '.join(map(plainly, self.choices))}"

    @property
    def needs(self) -> tuple[str, ...]:
        """Style and script of questions, and what the picture needs."""
        return ("lesson.css", *needs_of(self.shown), "lesson.js")

    @cached_property
    def markup(self) -> str:
        """HTML for a page that loads style and script; the same on every run."""
        shown = "" if self.shown is None else picture(self.shown, plainly(self.question))
        return (
            f'<section class="lossbook-lesson ask predict{" opens" * self.opens}" '
            'aria-label="Predict">'
            f'<p class="question"><b>Predict.</b> {prose(self.question)}</p>'
            + _choices(self.choices, self.answer, "Your prediction")
            + _said(
                "You are right.", f"It is another one: {_bold(self.answer)}", asks=not self.opens
            )
            + f"<details><summary>The answer and why</summary>"
            f'<p class="told"><b>{prose(self.answer)}</b></p>{shown}{paragraphs(self.why)}'
            "</details></section>"
        )


def predict(
    question: str,
    choices: Sequence[str],
    *,
    answer: str,
    why: str,
    shown: Any = None,
    opens: bool = False,
) -> Prediction:
    """Ask a reader for a prediction before the result is shown.

    Args:
        question: What will happen.
        choices: At least two; ``$math$``, code and emphasis are kept.
        answer: The one that is right; better computed than typed.
        why: What the reader opens afterwards; an empty line begins a new paragraph.
        shown: A picture to open with it.
        opens: Whether a choice opens it, too, without a second click.

    Returns:
        An object that a notebook shows.

    Raises:
        ValueError: If `answer` is not among the choices, two are alike or there is only one.
    """
    _check_choices(choices, answer)
    return Prediction(question, tuple(choices), answer, why, shown, opens)


@dataclass(frozen=True)
class Log:
    """The log of one training run, and what is wrong in it.

    Attributes:
        curves: Values by term, one per step.
        fault: What is wrong; one of the choices.
        shows: How one sees it in the log.
        mend: What to do.
        says: What ``check_values()`` says, word by word.
        mended: The log after the mend.
        notes: Words at the foot of a term's picture, such as how far below it the values are.
        beside: Another run, drawn dotted behind it once there is an answer.
        hints: By choice, what is said of it here, in place of "Not that." and the hint of all logs.
    """

    curves: Mapping[str, Numbers]
    fault: str
    shows: str
    mend: str
    says: str = ""
    mended: Mapping[str, Numbers] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)
    beside: Mapping[str, Numbers] = field(default_factory=dict)
    hints: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Guess(Shown):
    """Logs without names, which a notebook shows; made by `guess`."""

    logs: tuple[Log, ...]
    choices: tuple[str, ...]
    axes: Mapping[str, Axis]
    xlabel: str
    names: Sequence[str] = ascii_uppercase
    reading: str = ""
    hints: Mapping[str, str] = field(default_factory=dict)
    levels: Mapping[str, Number] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"{len(self.logs)} logs of {', '.join(self.axes)}: {' / '.join(self.choices)}"

    @property
    def needs(self) -> tuple[str, ...]:
        """Styles and script of questions, and the style of panels."""
        return ("scene.css", "lesson.css", "lesson.js")

    @cached_property
    def markup(self) -> str:
        """HTML for a page that loads style and script; the same on every run."""
        cases = zip(self.names, self.logs, strict=False)
        inside = "".join(self._case(f"Log {name}", log) for name, log in cases)
        return f'<div class="lossbook-lesson guess">{inside}</div>'

    def _case(self, name: str, log: Log) -> str:
        says = mended = ""
        reading = f" <small>{prose(self.reading)}</small>" if self.reading else ""
        hints, wrong = self.hints, "Not that." + ' <span class="hint"></span>' * bool(self.hints)
        if log.hints:
            usual = {
                choice: f"Not that. {hints.get(choice, '')}".strip() for choice in self.choices
            }
            hints, wrong = usual | dict(log.hints), '<span class="hint"></span>'
        if log.says:
            says = f"<p><code>check_values()</code> says:</p><blockquote>{escape(log.says)}"
            says += "</blockquote>"
        if log.mended:
            drawn = self._panels(log.mended, f"{name}, mended", log.curves)
            mended = f"{drawn}<p><small>The run after the mend; dotted, the log above.</small></p>"
        return (
            f'<section class="ask case again" aria-label="{name}">'
            f'<p class="question"><b>{name}.</b>{reading}</p>'
            f"{self._panels(log.curves, name, log.beside, log.notes, self.levels)}"
            + _choices(self.choices, log.fault, f"What is wrong in {name}?", hints)
            + _said("Yes.", f"{wrong} Look again, or open the diagnosis.")
            + f"<details><summary>The diagnosis</summary>"
            f'<p class="told"><b>{prose(log.fault)}</b></p>{paragraphs(log.shows)}{says}'
            f"<p><b>Mend:</b> {prose(log.mend)}</p>{mended}</details></section>"
        )

    def _panels(
        self,
        curves: Mapping[str, Numbers],
        name: str,
        before: Mapping[str, Numbers] | None = None,
        notes: Mapping[str, str] | None = None,
        levels: Mapping[str, Number] | None = None,
    ) -> str:
        looks = styles([*self.axes, "neutral", "baseline"])
        steps = max(len(values) for log in self.logs for values in log.curves.values())
        drawn = ""
        for term, axis in self.axes.items():
            marks: list[Mark] = []
            if levels and term in levels:
                ends = [(0, levels[term]), (steps, levels[term])]
                marks.append(Line(ends, look="neutral", width=1.5, solid=True))
            if before and term in before:
                marks += _curve(before[term], axis, "baseline", 1.4)
            if term in curves:
                marks += _curve(curves[term], axis, term, 2, solid=True)
            if notes and term in notes:
                foot = (steps / 2, axis.start)
                marks.append(Text(foot, notes[term], anchor="middle", shift=(0, -12)))
            across = Axis(0, steps, self.xlabel, ticks=[0, steps])
            panel = Panel(marks, across, axis, title=term, height=168, small=True)
            drawn += panel.draw(Program({}, {}, {}), 0, looks, term).svg
        thirds = "" if len(self.axes) % 3 else " thirds"
        return (
            f'<figure class="lossbook-scene logs{thirds}" aria-label="{name}">'
            f'<div class="panels">{drawn}</div></figure>'
        )


def guess(
    logs: Sequence[Log],
    choices: Sequence[str],
    *,
    axes: Mapping[str, Axis] | None = None,
    xlabel: str = "step",
    names: Sequence[str] = ascii_uppercase,
    reading: str = "",
    hints: Mapping[str, str] | None = None,
    levels: Mapping[str, Number] | None = None,
) -> Guess:
    """Show logs without their names, and let a reader say what is wrong in each.

    Args:
        logs: Four to six runs; one of them should be healthy.
        choices: What may be wrong, for all logs; one is that nothing is.
        axes: Vertical axes by term, in order; by default all terms, each with one axis for all
            logs, logarithmic where the values are positive and range over a decade and more.
        xlabel: What is counted along the horizontal axis.
        names: What the logs are called, after the word "Log".
        reading: How to read the curves; it stands above those of each log.
        hints: By choice, what its log would look like; said where it is chosen and wrong.
        levels: By term, a value that its curve can be compared with: a thin grey line.

    Returns:
        An object that a notebook shows.

    Raises:
        ValueError: If there are not four to six logs, there are fewer names, a fault or a hint is
            of none of the choices, or a level of no term.
    """
    if not 4 <= len(logs) <= 6:
        raise ValueError(f"expected four to six logs, got {len(logs)}")
    if len(names) < len(logs):
        raise ValueError(f"expected a name for each of {len(logs)} logs, got {len(names)}")
    for log in logs:
        _check_choices(choices, log.fault)
    for choice in [*(hints or {}), *(choice for log in logs for choice in log.hints)]:
        _check_choices(choices, choice)
    if axes is None:
        runs = [run for log in logs for run in (log.curves, log.mended)]
        terms = dict.fromkeys(term for log in logs for term in log.curves)
        axes = {term: _axis([run[term] for run in runs if term in run]) for term in terms}
    known, told = dict(levels or {}), dict(hints or {})
    if strange := [term for term in known if term not in axes]:
        raise ValueError(f"no log has {', '.join(strange)}, only {', '.join(axes)}")
    return Guess(tuple(logs), tuple(choices), dict(axes), xlabel, names, reading, told, known)


def _check_choices(choices: Sequence[str], answer: str) -> None:
    if len(choices) < 2 or len(set(choices)) < len(choices):
        raise ValueError(f"expected at least two different choices, got {list(choices)}")
    if answer not in choices:
        raise ValueError(f"{answer!r} is not among the choices: {', '.join(choices)}")


def _choices(
    choices: Sequence[str], answer: str, name: str, hints: Mapping[str, str] | None = None
) -> str:
    """Buttons that the script wakes up; without it they are the items of a list."""

    def known(choice: str) -> str:
        """What the script is to know of a choice."""
        if choice == answer:
            return " data-right"
        hint = (hints or {}).get(choice)
        return f' data-hint="{escape(hint)}"' if hint else ""

    items = "".join(
        f'<button type="button" disabled{known(choice)}>{prose(choice)}</button>'
        for choice in choices
    )
    return f'<div class="choices" role="group" aria-label="{escape(name)}">{items}</div>'


def _said(right: str, wrong: str, *, asks: bool = True) -> str:
    then = '<span class="then" hidden> Why? Say it in one sentence, then open.</span>'
    return (
        f'<p class="said" role="status"><span class="right" hidden>{right}</span>'
        f'<span class="wrong" hidden>{wrong}</span>'
        f"{then if asks else ''}</p>"
    )


def _bold(answer: str) -> str:
    return f"<b>{prose(answer.rstrip('.'))}</b>."


def _axis(runs: Sequence[Numbers]) -> Axis:
    """One vertical axis for all runs of a term."""
    values = np.concatenate([np.asarray(run, dtype=np.float64) for run in runs])
    values = values[np.isfinite(values)]
    low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 1.0)
    if low > 0 and high > 10 * low:
        low, high = low / 1.3, high * 1.3
        powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        every = max(1, math.ceil(len(powers) / 5))
        factors = (1, 3) if len(powers) < 4 else (1,)
        ticks = [k * 10.0**power for power in powers[::every] for k in factors]
        return Axis(low, high, log=True, ticks=[at for at in ticks if low <= at <= high])
    low, high = min(0.0, low), max(0.0, high)
    room = 0.06 * (high - low or 1.0)
    return Axis(low - room * (low < 0), high + room)


def _curve(
    values: Numbers, axis: Axis, look: str, width: Number, *, solid: bool = False
) -> list[Mark]:
    """A line with gaps where there is no number; the first of them is named."""
    numbers = np.asarray(values, dtype=np.float64)
    places = [(float(step), float(value)) for step, value in _thinned(numbers)]
    marks: list[Mark] = [Line(places, look=look, width=width, solid=solid)]
    lost = np.flatnonzero(~np.isfinite(numbers))
    if lost.size and solid:
        word = "NaN" if np.isnan(numbers[lost[0]]) else "∞"
        middle = math.sqrt(axis.start * axis.stop) if axis.log else (axis.start + axis.stop) / 2
        words = f"{word} from step {lost[0] + 1} on"
        marks.append(Text((numbers.size / 2, middle), words, anchor="middle"))
    return marks


def _thinned(values: Array) -> list[tuple[int, float]]:
    """Steps and values; of a long log the smallest and largest in each of many bins."""
    if values.size <= _MOST_POINTS:
        return [(int(step) + 1, float(value)) for step, value in enumerate(values)]
    kept: list[tuple[int, float]] = []
    for bin_ in np.array_split(np.arange(values.size), _MOST_POINTS // 2):
        part = values[bin_]
        inside = {0, part.size - 1} if np.isnan(part).all() else {
            int(np.nanargmin(part)), int(np.nanargmax(part))
        }  # fmt: skip
        kept += [(int(bin_[i]) + 1, float(part[i])) for i in sorted(inside)]
    return kept
