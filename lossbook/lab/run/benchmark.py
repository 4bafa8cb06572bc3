"""Times every loss against its plain form, and on a GPU checks that none waits for the device.

Run ``python -m lossbook.lab.run.benchmark``. It prints a table and writes a JSON record into the
package, from which the page *Speed* of the book is made.
"""

import argparse
import pkgutil
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict
from tabulate import tabulate
from torch import Tensor

from lossbook.lab.run import pairs
from lossbook.lab.run.devices import default_device, threads
from lossbook.lab.run.peers import NO_SUCH_LOSS, PEERS, installed
from lossbook.lab.run.records import stamp, write_json
from lossbook.registry import Card, Inputs, card, cards
from lossbook.terms import LossTerms

RECORD = Path(__file__).with_name("benchmark.json")
BATCHES = (32, 2048, 65536)
LARGEST = 512.0
"""Megabytes of inputs beyond which a batch is made smaller."""

# The second dimension of the inputs, by what they hold: a hand, a mesh, a face.
_SIZES = {
    "hands": {"betas": 10, "hand_pose": 15, "pose": 48, "shape": 10, "vertices": 778, "": 21},
    "landmarks": {"angles": 3, "attributes": 6, "": 98},
}
_INPUTS_OF = {"vertex_loss": {"": 778}, "rotation_loss": {"": 15}}
# With the default of 0 the plain form would leave out what ours returns as a monitor.
_OPTIONS = {"mano_prior_loss": {"pose_weight": 0.1}}


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Cell(_Model):
    """One loss at one batch size on so many threads.

    Attributes:
        loss: its name.
        batch: the batch size asked for.
        samples: the batch size measured, smaller where the inputs would be too large.
        threads: of the CPU.
        megabytes: of the inputs.
        milliseconds: the median time of a call of each form.
        speed: quartiles of how many times as fast ours is: ``"eager"`` and ``"compiled"`` against
            the plain form run the same way, ``"fused"`` ours compiled against the plain form
            eager, and each peer against ours eager.
        memory: the most megabytes that each form takes at a time.
        rounds: that were timed.
        synchronises: whether it waits for the GPU; None where there is none.
    """

    loss: str
    batch: int
    samples: int
    threads: int
    megabytes: float
    milliseconds: dict[str, float]
    speed: dict[str, pairs.Speed]
    memory: dict[str, float]
    rounds: int
    synchronises: bool | None


class Record(_Model):
    """Everything that was measured, where and when."""

    device: str
    torch: str
    date: str
    command: str
    peers: dict[str, str | None]
    cells: list[Cell]


def load(path: Path = RECORD) -> Record:
    """Read a record.

    Raises:
        pydantic.ValidationError: for a file that is no record of this form.
    """
    return Record.model_validate_json(path.read_text(encoding="utf-8"))


def plain_form(of: Card) -> Callable[..., Tensor]:
    """The loss as one would type it."""
    plain: Callable[..., Tensor] = pkgutil.resolve_name(of.plain)
    return plain


def realistic(of: Card, batch: int, *, megabytes: float = LARGEST) -> Inputs:
    """Inputs of the size that training has: 21 joints, 98 points, 778 vertices.

    They are the card's own examples, repeated.

    Args:
        of: the card of the loss.
        batch: samples to make, fewer where the inputs would be too large.
        megabytes: of inputs to make at most.

    Returns:
        float32 tensors on the CPU.
    """
    sizes = _INPUTS_OF.get(of.name) or _SIZES[of.chapter]
    examples = of.inputs(min(batch, 64), torch.Generator().manual_seed(0))
    for name, value in examples.items():
        size = next(n for word, n in sizes.items() if word in name)
        columns = torch.arange(size) % value.shape[1]
        examples[name] = value[:, columns].float()
    one = sum(value[0].nbytes for value in examples.values())
    rows = torch.arange(min(batch, max(1, int(megabytes * 1e6 / one)))) % min(batch, 64)
    return {name: value[rows].contiguous() for name, value in examples.items()}


@dataclass(frozen=True)
class Forms:
    """The steps to compare for one loss: each a forward and a backward pass to the predictions."""

    card: Card
    inputs: Inputs
    options: dict[str, Any]

    @classmethod
    def of(cls, card: Card, batch: int, device: torch.device, *, megabytes: float) -> "Forms":
        """Make realistic inputs on a device."""
        inputs = {
            name: value.to(device).requires_grad_(
                name in card.differentiable and "target" not in name
            )
            for name, value in realistic(card, batch, megabytes=megabytes).items()
        }
        return cls(card, inputs, _OPTIONS.get(card.name, {}))

    def step(self, loss: Callable[..., Any], options: dict[str, Any] | None = None) -> pairs.Step:
        """A training step's share of a loss: its value and the predictions' gradients."""
        options = self.options if options is None else options
        wanted = [value for value in self.inputs.values() if value.requires_grad]

        def run() -> object:
            result = loss(**self.inputs, **options)
            value = result.total if isinstance(result, LossTerms) else result
            value = value.sum() if value.ndim else value
            return torch.autograd.grad(value, wanted, allow_unused=True) if wanted else value

        return run

    def ours(self) -> pairs.Step:
        """Our loss; the module, made once, where that is what users import."""
        if self.card.public is not None and self.card.module is not None:
            return self.step(self.card.module(**self.options), {})
        return self.step(self.card.function)

    def compiled(self) -> tuple[pairs.Step, pairs.Step]:
        """Ours and the plain form, compiled for this size."""
        loss = self.card.function
        options: dict[str, Any] | None = None
        if self.card.public is not None and self.card.module is not None:
            loss, options = self.card.module(**self.options), {}
        fast = [
            torch.compile(f, fullgraph=True, dynamic=False) for f in (loss, plain_form(self.card))
        ]
        return self.step(fast[0], options), self.step(fast[1])


def measure(
    of: Card,
    batch: int,
    device: torch.device,
    *,
    seconds: float = 1.0,
    compile: bool = True,
    megabytes: float = LARGEST,
) -> Cell:
    """Time one loss against its plain form, the peers and a copy of its inputs.

    Args:
        of: the card of the loss.
        batch: samples; fewer where the inputs would be larger than ``megabytes``.
        device: where to run, with the threads that torch has at the moment.
        seconds: to measure for, compiling not counted.
        compile: whether to measure the compiled forms too.
        megabytes: of inputs at most.
    """
    forms = Forms.of(of, batch, device, megabytes=megabytes)
    values = [value.detach() for value in forms.inputs.values()]
    steps: dict[str, pairs.Step] = {"ours": forms.ours(), "plain": forms.step(plain_form(of))}
    if compile:
        torch.compiler.reset()
        steps["ours compiled"], steps["plain compiled"] = forms.compiled()
    peers = {name: peer for name, peer in PEERS.get(of.name, {}).items() if installed(name)}
    steps |= {name: forms.step(peer) for name, peer in peers.items()}
    steps["copy"] = lambda: [value.clone() for value in values]
    for step in steps.values():
        step()
    times = pairs.interleave(steps, seconds=seconds, device=device)
    speed = {"eager": pairs.speed(times, "ours", "plain")}
    if compile:
        speed["compiled"] = pairs.speed(times, "ours compiled", "plain compiled")
        speed["fused"] = pairs.speed(times, "ours compiled", "plain")
    speed |= {name: pairs.speed(times, "ours", name) for name in peers}
    return Cell(
        loss=of.name,
        batch=batch,
        samples=values[0].shape[0],
        threads=torch.get_num_threads(),
        megabytes=sum(value.nbytes for value in values) / 1e6,
        milliseconds={name: statistics.median(found) for name, found in times.items()},
        speed=speed,
        memory={name: pairs.peak_megabytes(step, device) for name, step in steps.items()},
        rounds=len(times["ours"]),
        synchronises=pairs.synchronises(steps["ours"], device),
    )


def missed(record: Record) -> list[tuple[Cell, str]]:
    """The cells in which ours is slower, with what it is slower than.

    A cell is listed if even the upper quartile of the ratios is below 1: of one on both sides of 1
    the measurement cannot say.
    """
    return [
        (cell, name)
        for cell in record.cells
        for name, found in cell.speed.items()
        if name != "fused" and found.high < 1
    ]


def line(cell: Cell) -> dict[str, str]:
    """One row of the table on the terminal."""
    shown = {name: f"{q.median:.2f} ({q.low:.2f}–{q.high:.2f}) {q.best:.2f}" for name, q in cell.speed.items()}
    times = {f"{name} [ms]": f"{value:.3g}" for name, value in cell.milliseconds.items()}
    megabytes = {f"{n} [MB]": f"{cell.memory[n]:.3g}" for n in ("ours", "plain")}
    start = {"loss": cell.loss, "batch": str(cell.samples), "threads": str(cell.threads)}
    return start | shown | times | megabytes


def run(
    losses: Sequence[Card],
    batches: Sequence[int],
    counts: Sequence[int],
    device: torch.device,
    *,
    seconds: float,
    compile: bool,
    megabytes: float = LARGEST,
) -> Iterator[Cell]:
    """Measure each loss at each batch size and number of threads."""
    for of in losses:
        for batch in batches:
            for count in counts:
                with threads(count):
                    yield measure(
                        of, batch, device, seconds=seconds, compile=compile, megabytes=megabytes
                    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure all losses, print the table and write the record.

    Args:
        arguments: of the command line.
    """
    parser = argparse.ArgumentParser(prog="python -m lossbook.lab.run.benchmark")
    parser.add_argument("--device", default=default_device())
    parser.add_argument("--losses", nargs="+", metavar="NAME", help="by default all")
    parser.add_argument("--batches", nargs="+", type=int, default=BATCHES)
    parser.add_argument("--threads", nargs="+", type=int, default=(1, 2))
    parser.add_argument("--seconds", type=float, default=1.5, help="for each cell; 0.3 if quick")
    parser.add_argument("--megabytes", type=float, default=LARGEST, help="of inputs at most")
    parser.add_argument("--eager", action="store_true", help="leave out the compiled forms")
    parser.add_argument("--quick", action="store_true", help="measure shortly")
    parser.add_argument("--out", type=Path, help="a file; by default, of all losses, the package's")
    options = parser.parse_args(arguments)
    device = torch.device(options.device)
    chosen = [card(name) for name in options.losses] if options.losses else cards()
    counts = options.threads if device.type == "cpu" else [torch.get_num_threads()]
    seconds = 0.3 if options.quick else options.seconds
    start, found = time.monotonic(), []
    for cell in run(
        chosen,
        options.batches,
        counts,
        device,
        seconds=seconds,
        compile=not options.eager,
        megabytes=options.megabytes,
    ):
        found.append(cell)
        shown = "  ".join(f"{name} {q.median:.2f}/{q.best:.2f}" for name, q in cell.speed.items())
        name = f"{cell.loss}, {cell.samples} samples, {cell.threads} threads"
        print(f"{time.monotonic() - start:4.0f} s  {name}: {shown}", flush=True)
    print(tabulate(map(line, found), headers="keys", disable_numparse=True))
    complete = not (options.losses or options.eager or options.quick)
    if options.out is None and not complete:
        return
    command = "python -m lossbook.lab.run.benchmark" + ("" if arguments is None else "")
    peers = {name: installed(name) for of in chosen for name in PEERS.get(of.name, {})}
    record = Record(
        **stamp(device, command),
        peers=peers | {name: None for name in NO_SUCH_LOSS},
        cells=found,
    )
    write_json(record.model_dump(), options.out or RECORD)


if __name__ == "__main__":
    main()
