"""Compares losses with other projects' code, in value and gradient, on the same inputs.

Their code is not here: it is read from clones that you have and from packages that are installed.

::

python -m lossbook.lab.run.parity [--record] [--only SOURCE ...] --clone SOURCE=PATH ...

With ``--record`` it writes a JSON file into the package, from which the page *Coming from other
code* makes its tables; without, it prints what it finds. What is compared, and with which call, is
declared in `lossbook.lab.run.others`.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import inspect
import textwrap
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from pydantic import Field
from torch import Tensor

from lossbook.lab.run.devices import threads
from lossbook.lab.run.others import CHAPTERS, SOURCES, Entry, chapter_of
from lossbook.lab.run.others.code import names_of, version_of
from lossbook.lab.run.pairs import ratios, time_in_turns
from lossbook.lab.run.records import Digits, Model, read, stamp, write_json
from lossbook.lab.run.source import canonical
from lossbook.lab.run.training import tqdm
from lossbook.terms import LossTerms

RECORD = Path(__file__).with_name("parity.json")
SEEDS = range(5)
BATCH = 8
TIMED_BATCH = 256
ROUNDS = 101

Side = tuple[Tensor | None, dict[str, Tensor]]
"""The value that a call gives, if it does, and the gradients."""


class Compared(Model):
    """One loss of another project against ours.

    Attributes:
        entry: name of what was declared.
        source: hash of that, and of the code that compares.
        version: commit or version of their code.
        value: largest difference of the values over the larger of them, float32; None where
            theirs gives no value.
        gradient: largest difference of a gradient's numbers over its largest number, float32.
        value_64: as `value`, in float64.
        gradient_64: as `gradient`, in float64.
        ours: our value of the first seed, in float64.
        slope: length of our gradients there.
        times: how many times as fast ours is, forward and backward, in time of the CPU; the
            median over the rounds.
        low: its lower quartile.
        high: its upper quartile.
        error: largest difference of ours in float32 from ours in float64, in value or gradient.
        their_error: the same of theirs.
        shown: under each question their number and ours, as text.
    """

    entry: str
    source: str = Field(pattern="^[0-9a-f]{64}$")
    version: str
    value: Digits | None
    gradient: Digits
    value_64: Digits | None
    gradient_64: Digits
    ours: float
    slope: float
    times: Digits
    low: Digits
    high: Digits
    error: Digits
    their_error: Digits
    shown: Mapping[str, tuple[str, str]] = {}


class Parity(Model):
    """All comparisons, and where and when they were made."""

    device: str
    torch: str
    python: str
    platform: str
    date: str
    command: str
    seeds: int
    batch: int
    timed_batch: int
    compared: tuple[Compared, ...]

    def of(self, entry: Entry) -> Compared:
        """What was found for an entry."""
        return next(found for found in self.compared if found.entry == entry.name)


def difference(first: Tensor, second: Tensor) -> float:
    """The largest difference of two tensors' numbers, over the largest number in them."""
    if first.shape != second.shape:
        raise ValueError(f"shapes differ: {tuple(first.shape)} and {tuple(second.shape)}")
    a, b = first.detach().double(), second.detach().double()
    if not bool(a.isfinite().all() and b.isfinite().all()):
        raise ValueError("there is nothing to compare with NaN or infinity")
    size = max(float(a.abs().max()), float(b.abs().max()))
    return float((a - b).abs().max()) / size if size else 0.0


def library(chapter: str) -> dict[str, Any]:
    """The names that our calls may use: what the chapter's package exports."""
    module = import_module(f"lossbook.{chapter}")
    return {"torch": torch, "LossTerms": LossTerms} | {n: getattr(module, n) for n in dir(module)}


def inputs_of(entry: Entry, seed: int, batch: int, dtype: torch.dtype) -> dict[str, Any]:
    """The names of an entry's inputs, made anew; float32 holds them exactly, in any dtype."""
    made = entry.inputs(batch, torch.Generator().manual_seed(seed))
    given = {
        name: value.float().to(dtype).requires_grad_(name in entry.wanted)
        if value.is_floating_point()
        else value
        for name, value in made.items()
    }
    return {**given, **entry.also(given)}


def call_of(text: str) -> Callable[[dict[str, Any]], Any]:
    """Compile lines of Python whose last one is what they give."""
    *lines, last = ast.parse(text).body
    if not isinstance(last, ast.Expr):
        raise ValueError(f"the last line must be an expression: {text!r}")
    body = compile(ast.Module(lines, []), "<call>", "exec")
    result = compile(ast.Expression(last.value), "<call>", "eval")

    def call(names: dict[str, Any]) -> Any:
        exec(body, names)
        return eval(result, names)

    return call


def run(call: Callable[[dict[str, Any]], Any], names: dict[str, Any], entry: Entry) -> Side:
    """Call and go back, unless the call has done that itself."""
    found = call(names)
    found = found[0] if isinstance(found, tuple) else found
    value: Tensor | None = found.total if isinstance(found, LossTerms) else found
    if value is not None and value.requires_grad:
        torch.autograd.backward([value])
    gradients = {name: names[name].grad for name in entry.wanted}
    missing = [name for name, gradient in gradients.items() if gradient is None]
    if missing or not any(bool(gradient.any()) for gradient in gradients.values()):
        reached = ", ".join(missing) or "anything: all are 0"
        raise ValueError(f"{entry.name}: no gradient reached {reached}")
    return value, gradients


def ours_at(entry: Entry, seed: int, dtype: torch.dtype = torch.float64) -> Side:
    """Our side of an entry alone, which needs nobody's code."""
    names = library(chapter_of(entry)) | inputs_of(entry, seed, BATCH, dtype)
    return run(call_of(entry.ours), names, entry)


def sides_of(
    entry: Entry, theirs: Mapping[str, Any], ours: Mapping[str, Any], dtype: torch.dtype
) -> tuple[list[Side], list[Side]]:
    """Their side and ours, one a seed.

    Args:
        entry: what to compare.
        theirs: names that their call needs.
        ours: names that our call needs.
        dtype: of the inputs.
    """
    first, second = (
        [
            run(call_of(text), {**names, **inputs_of(entry, seed, BATCH, dtype)}, entry)
            for seed in SEEDS
        ]
        for text, names in ((entry.theirs, theirs), (entry.ours, ours))
    )
    return first, second


def differences(first: Sequence[Side], second: Sequence[Side]) -> tuple[float | None, float]:
    """The largest differences of the values, where both have some, and of the gradients."""
    values, gradients = [], []
    for (a, slopes), (b, others) in zip(first, second, strict=True):
        if a is not None and b is not None:
            values.append(difference(a, b))
        gradients += [difference(slopes[name], others[name]) for name in slopes]
    return max(values, default=None), max(gradients)


def fingerprint(entry: Entry) -> str:
    """Hash what an entry declares but its prose, and the code that compares."""
    said = [entry.name, entry.source, entry.theirs, entry.ours, *entry.wanted, str(entry.agrees)]
    said += [f"{place}: {names}" for place, names in entry.code.items()]
    said += [f"{question}: {texts}" for question, texts in entry.shows.items()]
    for function in (
        entry.inputs,
        entry.also,
        difference,
        inputs_of,
        call_of,
        run,
        sides_of,
        differences,
    ):
        if inspect.isfunction(function):
            said.append(canonical(ast.parse(textwrap.dedent(inspect.getsource(function)))))
    return hashlib.sha256("\n".join(said).encode()).hexdigest()


def compare(
    entry: Entry, chapter: str, clone: Path | None, version: str, *, seconds: float
) -> Compared:
    """Compare one loss with ours.

    Args:
        entry: what to compare.
        chapter: whose losses are ours.
        clone: of their repository; None for a package.
        version: of their code.
        seconds: for timing, roughly.
    """
    theirs, ours = names_of(entry, clone), library(chapter)
    narrow, wide = (sides_of(entry, theirs, ours, d) for d in (torch.float32, torch.float64))
    value, gradient = differences(*narrow)
    value_64, gradient_64 = differences(*wide)
    # Of each side by itself: how far float32 is from what float64 makes of the same numbers.
    their_error, error = (
        max(found or 0.0 for found in differences(a, b)) for a, b in zip(narrow, wide, strict=True)
    )
    own, slopes = wide[1][0]
    shown = {}
    for question, texts in entry.shows.items():
        pair = zip(texts, (theirs, ours), strict=True)
        first, second = (
            call_of(text)({**names, **inputs_of(entry, 0, BATCH, torch.float32)})
            for text, names in pair
        )
        shown[question] = (f"{first.item():.4g}", f"{second.item():.4g}")
    steps = {"ours": _step(entry, entry.ours, ours), "theirs": _step(entry, entry.theirs, theirs)}
    # In short turns and by the thread's own time, so that what else runs meets neither alone.
    cpu = torch.device("cpu")
    times = time_in_turns(steps, cpu, seconds=seconds, rounds=ROUNDS, clock=time.thread_time)
    low, middle, high = ratios(times, "ours", "theirs")
    return Compared(
        entry=entry.name,
        source=fingerprint(entry),
        version=version,
        value=value,
        gradient=gradient,
        value_64=value_64,
        gradient_64=gradient_64,
        ours=0.0 if own is None else own.item(),
        slope=float(torch.stack([slope.double().norm() for slope in slopes.values()]).norm()),
        times=middle,
        low=low,
        high=high,
        error=error,
        their_error=their_error,
        shown=shown,
    )


def _step(entry: Entry, text: str, names: Mapping[str, Any]) -> Callable[[], object]:
    """One pass forward and back, always on the same inputs."""
    call, given = call_of(text), inputs_of(entry, 0, TIMED_BATCH, torch.float32)
    leaves = [given[name] for name in entry.wanted if name in given]

    def step() -> object:
        for leaf in leaves:
            leaf.grad = None
        return run(call, {**names, **given}, entry)

    return step


def load_record(path: Path = RECORD) -> Parity:
    """Load the record that ships with the package, or another one."""
    return read(Parity, path)


def missing(wanted: Sequence[str], clones: Mapping[str, Path]) -> Iterator[str]:
    """What to type for the sources that are not there."""
    for name in wanted:
        source = SOURCES[name]
        if source.package and find_spec(source.package.replace("-", "_")) is None:
            yield f"pip install {source.package}"
        if source.repository and name not in clones:
            branch = f"--branch {source.branch} " if source.branch else ""
            yield f"git clone {branch}https://github.com/{source.repository} {name}"


def compare_all(
    wanted: Sequence[str], clones: Mapping[str, Path], seconds: float
) -> list[Compared]:
    """Compare all entries of some sources, on one thread.

    Args:
        wanted: names of sources.
        clones: of their repositories.
        seconds: for timing one of them, roughly.
    """
    versions = {name: version_of(SOURCES[name], clones.get(name)) for name in wanted}
    cells = [
        (entry, chapter)
        for chapter, entries in CHAPTERS.items()
        for entry in entries
        if entry.source in wanted
    ]
    with threads(1):
        return [
            compare(
                entry,
                chapter,
                clones.get(entry.source),
                versions[entry.source],
                seconds=seconds,
            )
            for entry, chapter in tqdm(cells)
        ]


def table(compared: Sequence[Compared]) -> str:
    """The comparisons as lines of text."""
    lines = [f"{'loss':55s}    value gradient  float64 gradient times as fast  rounding theirs"]
    for c in compared:
        values = ["-" if v is None else f"{v:.1e}" for v in (c.value, c.value_64)]
        lines.append(
            f"{c.entry:55s} {values[0]:>8s} {c.gradient:8.1e} {values[1]:>8s} "
            f"{c.gradient_64:8.1e} {c.times:8.2f}      {c.error:8.1e} {c.their_error:8.1e}"
        )
        lines += [f"    {question}: {a}, ours {b}" for question, (a, b) in c.shown.items()]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Compare, print, and write the record if asked to.

    Args:
        arguments: of the command line.
    """
    parser = argparse.ArgumentParser(prog="python -m lossbook.lab.run.parity")
    parser.add_argument("--record", action="store_true", help="write the record, of all sources")
    parser.add_argument("--only", nargs="+", default=list(SOURCES), choices=SOURCES)
    parser.add_argument(
        "--clone", nargs="+", default=[], metavar="SOURCE=PATH", help="clones that you have"
    )
    parser.add_argument("--seconds", type=float, default=1.5, help="for timing one of them")
    parser.add_argument("--out", type=Path, default=RECORD)
    options = parser.parse_args(arguments)
    clones = {name: Path(path) for name, _, path in (c.partition("=") for c in options.clone)}
    unknown = [name for name in clones if name not in SOURCES]
    if unknown:
        parser.error(f"no source named {unknown[0]!r}; there are {', '.join(SOURCES)}")
    if options.record and set(options.only) != set(SOURCES):
        parser.error("--record is of all sources; leave --only out")
    absent = list(missing(options.only, clones))
    if absent:
        parser.error("not there yet:\n" + "\n".join(absent))
    found = compare_all(options.only, clones, options.seconds)
    print(table(found))
    if options.record:
        # Where a clone lies is of no account.
        places = " ".join(f"{name}={name}" for name in clones)
        with threads(1):
            made = stamp("cpu", f"{parser.prog} --record --clone {places}")
        content: dict[str, Any] = dict(made)
        content |= {"seeds": len(SEEDS), "batch": BATCH, "timed_batch": TIMED_BATCH}
        write_json(content | {"compared": [c.model_dump(mode="json") for c in found]}, options.out)


if __name__ == "__main__":
    main()
