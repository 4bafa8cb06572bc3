"""One small training loop for the experiments of all chapters.

`fit` takes a model, a function that turns a batch into a loss, and a source of batches. It never
waits for the device inside a step: losses stay on the device and come to the host in one transfer
every `check_every` steps, which is also when a loss that became NaN is noticed.
"""

from __future__ import annotations

import math
import random
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeVar, runtime_checkable

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from lossbook import checks
from lossbook.lab.run.devices import default_device, describe_device
from lossbook.terms import LossTerms

with warnings.catch_warnings():
    # Without ipywidgets, tqdm.auto warns and falls back to text; the warning would be compared
    # as a notebook's output.
    warnings.simplefilter("ignore")
    from tqdm.auto import tqdm

__all__ = [
    "History",
    "Schedule",
    "Writer",
    "default_device",
    "describe_device",
    "fit",
    "seed_everything",
    "tqdm",
]

Batch = TypeVar("Batch")
Schedule = Literal["constant", "cosine", "one_cycle"]


@runtime_checkable
class Writer(Protocol):
    """What `fit` needs of a TensorBoard `SummaryWriter`."""

    def add_scalar(self, tag: str, scalar_value: float, global_step: int, /) -> object:
        """Record one number."""


@dataclass(frozen=True)
class History:
    """What happened during `fit`.

    Attributes:
        log: One list for each name, one number a step: `"total"`, the raw (unweighted) terms of
            the loss, `"learning_rate"`, and `"grad_norm"` (before clipping) if gradients were
            clipped. A term that was absent in a step is NaN there.
        seconds: Wall-clock time of the loop.
    """

    log: dict[str, list[float]] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def steps(self) -> int:
        """Number of recorded steps."""
        return len(self.log.get("total", ()))


def seed_everything(seed: int) -> None:
    """Seed Python's and torch's global random generators, on every device.

    NumPy is left alone: this package draws from `torch.Generator` and `numpy.random.default_rng`
    objects that carry their own seed.

    Args:
        seed: Any integer.
    """
    random.seed(seed)
    torch.manual_seed(seed)


def fit(
    model: nn.Module,
    loss_fn: Callable[[Any, Batch], LossTerms | Tensor],
    batches: Iterable[Batch] | Callable[[int], Batch],
    *,
    steps: int,
    learning_rate: float = 1e-3,
    weight_decay: float = 0.0,
    seed: int | None = None,
    device: torch.device | str | None = None,
    schedule: Schedule = "cosine",
    optimizer: Callable[..., torch.optim.Optimizer] = torch.optim.AdamW,
    clip_norm: float | None = None,
    check_every: int = 25,
    progress: bool = True,
    description: str = "",
    writer: Writer | None = None,
    callback: Callable[[int, nn.Module], object] | None = None,
) -> History:
    """Train a model, by default with AdamW, which is Adam when `weight_decay` is 0.

    On the CPU two runs with the same seed, model and batches are identical. The seed set here
    comes after the model was built: call `seed_everything` before building it.

    Args:
        model: Trained in place; left in training mode.
        loss_fn: `loss_fn(model, batch)` gives a `LossTerms` or a 0-dimensional tensor.
        batches: A data loader or other iterable, which is started again when it ends; an iterator,
            which must not end early; or a function from the step (0, 1, …) to a batch. Tensors in a
            batch (also inside tuples, lists, dicts and registered pytrees such as `HandTarget`)
            are moved to `device`.
        steps: Number of optimiser steps.
        learning_rate: Its highest value; see `schedule`.
        weight_decay: Decoupled weight decay.
        seed: If given, `seed_everything(seed)` is called first.
        device: Where to train; by default where the model already is.
        schedule: `"constant"`; `"cosine"` from `learning_rate` to 0; or `"one_cycle"`, a warm-up to
            `learning_rate` over 30 % of the steps and a cosine down.
        optimizer: Called as `optimizer(parameters, lr=, weight_decay=)`, e.g. `torch.optim.SGD`.
        clip_norm: If given, the gradient's global norm is clipped to this.
        check_every: Steps between two transfers of the log to the host.
        progress: Show a progress bar. `TQDM_DISABLE=1` in the environment hides all bars.
        description: Label of the progress bar.
        writer: Gets every logged number, e.g. `torch.utils.tensorboard.SummaryWriter()`.
        callback: Called as `callback(steps_done, model)` after each step.

    Returns:
        The log and the time it took.

    Raises:
        ValueError: If a number is out of range, the schedule is unknown, the model has nothing to
            train, the loss is not 0-dimensional, or an iterator of batches ended early.
        TypeError: If `loss_fn` returns something else than a `LossTerms` or a tensor.
        FloatingPointError: If the loss became NaN or infinite, at the latest `check_every` steps
            after it happened; the message names the first such step and the terms.
    """
    if clip_norm is not None:
        checks.number(exclusive=True, clip_norm=clip_norm)
    if steps < 1 or check_every < 1:
        raise ValueError(f"steps and check_every must be at least 1, got {steps}, {check_every}")
    if seed is not None:
        seed_everything(seed)
    if device is not None:
        model.to(device)
    parameters = [p for p in model.parameters() if p.requires_grad]
    if not parameters:
        raise ValueError("the model has no parameter that requires a gradient")
    stepper = optimizer(parameters, lr=learning_rate, weight_decay=weight_decay)
    scheduler = _scheduler(stepper, schedule, learning_rate, steps)
    recorder = _Recorder(writer)
    stream = _stream(batches, steps)
    model.train()
    start = time.perf_counter()
    # An explicit disable=False would overrule TQDM_DISABLE.
    bar = tqdm(total=steps, desc=description or None, **({} if progress else {"disable": True}))
    with bar:
        for step in range(steps):
            batch = _to_device(next(stream), parameters[0].device)
            stepper.zero_grad(set_to_none=True)
            terms = _as_dict(loss_fn(model, batch))
            terms["total"].backward()  # type: ignore[no-untyped-call]
            if clip_norm is not None:
                terms["grad_norm"] = nn.utils.clip_grad_norm_(parameters, clip_norm)
            rate = float(stepper.param_groups[0]["lr"])
            stepper.step()
            scheduler.step()
            recorder.add(terms, rate)
            if (step + 1) % check_every == 0 or step + 1 == steps:
                recorder.flush()
                bar.set_postfix(loss=f"{recorder.log['total'][-1]:.4g}", refresh=False)
            bar.update()
            if callback is not None:
                callback(step + 1, model)
    return History(recorder.log, time.perf_counter() - start)


class _Recorder:
    """Keeps the terms of each step on the device until `flush`."""

    def __init__(self, writer: Writer | None) -> None:
        self.log: dict[str, list[float]] = {"total": []}
        self._writer = writer
        self._pending: list[tuple[dict[str, Tensor], float]] = []

    def add(self, terms: dict[str, Tensor], learning_rate: float) -> None:
        self._pending.append(({k: v.detach() for k, v in terms.items()}, learning_rate))

    def flush(self) -> None:
        pending = [value for terms, _ in self._pending for value in terms.values()]
        values = iter(torch.stack(pending).tolist())
        for terms, rate in self._pending:
            self._append({name: next(values) for name in terms} | {"learning_rate": rate})
        self._pending.clear()

    def _append(self, row: dict[str, float]) -> None:
        step = len(self.log["total"])
        if not math.isfinite(row["total"]):
            raise FloatingPointError(_not_finite(row, step))
        for name in row:
            self.log.setdefault(name, [math.nan] * step)
        for name, values in self.log.items():
            values.append(row.get(name, math.nan))
            if self._writer is not None and name in row:
                self._writer.add_scalar(name, row[name], step)


def _not_finite(row: dict[str, float], step: int) -> str:
    bad = [
        name
        for name, value in row.items()
        if name not in ("total", "grad_norm") and not math.isfinite(value)
    ]
    blame = f" (not finite: {', '.join(bad)})" if bad else ""
    return (
        f"the loss is {row['total']} at step {step}{blame}; lower the learning rate, clip the "
        "gradient (clip_norm), or run the loss inside lossbook.check_values() to see why"
    )


def _as_dict(loss: LossTerms | Tensor) -> dict[str, Tensor]:
    """Return total and terms under the names they are logged by, all 0-dimensional."""
    if isinstance(loss, LossTerms):
        return {"total": loss.total, **loss.terms}
    if not isinstance(loss, Tensor):
        raise TypeError(f"loss_fn must return LossTerms or a tensor, got {type(loss).__name__}")
    if loss.ndim:
        raise ValueError(f"the loss must be 0-dimensional, got shape {tuple(loss.shape)}")
    return {"total": loss}


def _scheduler(
    optimizer: torch.optim.Optimizer, schedule: str, learning_rate: float, steps: int
) -> torch.optim.lr_scheduler.LRScheduler:
    if schedule == "constant":
        return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1.0)
    if schedule == "cosine":
        return torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: 0.5 * (1 + math.cos(math.pi * step / steps))
        )
    if schedule == "one_cycle":
        # One step more than we take: torch refuses total_steps=1.
        return torch.optim.lr_scheduler.OneCycleLR(
            optimizer, max_lr=learning_rate, total_steps=steps + 1
        )
    raise ValueError(f"schedule must be 'constant', 'cosine' or 'one_cycle', got {schedule!r}")


def _stream(batches: Iterable[Batch] | Callable[[int], Batch], steps: int) -> Iterator[Batch]:
    """Yield exactly `steps` batches, or raise."""
    if not isinstance(batches, Iterable):
        for step in range(steps):
            yield batches(step)
        return
    done = 0
    while True:
        before = done
        for batch in batches:
            yield batch
            done += 1
            if done == steps:
                return
        if done == before or isinstance(batches, Iterator):
            raise ValueError(f"batches ended after {done} of {steps} steps")


def _to_device(batch: Any, device: torch.device) -> Any:
    return pytree.tree_map_only(Tensor, lambda t: t.to(device, non_blocking=True), batch)
