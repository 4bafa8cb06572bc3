"""One runner for the experiments of all chapters: arms times folds, learning rates, the record.

A chapter's `experiment.py` declares an `Experiment`: its configuration, how one arm is run in one
fold, how one learning rate is tried, its baseline and what else is measured. The loops, the
processes, what is stored on the way and the record are here, and the command line in
`lossbook.lab.run.command`::

    python -m lossbook.lab.<chapter>.experiment --record --workers 4

Each result is stored in the folder ``runs`` beside the record as soon as it is found, and not made
again as long as the configuration, the code, the data, torch and the kind of device are the same.

The runs go through joblib, each on one thread: processes here, or any other of its backends. On a
Dask cluster whose workers have this package it is ``--scheduler tcp://host:8786``, or from Python
one line, which with ``"ray"`` is the same for Ray::

    with joblib.parallel_config(backend="dask"):
        EXPERIMENT.record()
"""

from __future__ import annotations

import hashlib
import itertools
import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

import joblib
import torch

from lossbook.lab.run.devices import describe_device, threads
from lossbook.lab.run.records import (
    Config,
    Model,
    Record,
    Trial,
    read,
    stamp,
    swept,
    write_json,
)
from lossbook.lab.run.source import files_hash, source_hash
from lossbook.lab.run.training import tqdm

__all__ = ["Experiment", "Origin", "Outcome", "Sweep", "Task"]


@dataclass(frozen=True)
class Sweep:
    """Which learning rates are tried, the same for every arm.

    Attributes:
        rates: to try.
        folds: whose training parts they are tried on.
        steps: optimiser steps of a trial.
    """

    rates: tuple[float, ...]
    folds: tuple[int, ...]
    steps: int


class Task(NamedTuple):
    """One piece of work.

    Attributes:
        field: of the record, that the outcome belongs to.
        fold: what is held out.
        arm: empty for a baseline, which has none.
        rate: of a trial.
    """

    field: str
    fold: int
    arm: str = ""
    rate: float | None = None


class Origin(NamedTuple):
    """What results come from; results of different origins do not go into one record.

    Attributes:
        source: hash of the code.
        data: hash of the files that were read.
        torch: its version.
        device: its kind, such as ``"cpu"``.
    """

    source: str
    data: str
    torch: str
    device: str


class Outcome(Model):
    """A stored result.

    Attributes:
        device: on what it was found.
        value: as JSON has it.
    """

    device: str
    value: Any


DataT = TypeVar("DataT")
ConfigT = TypeVar("ConfigT", bound=Config)
# Bare: at run time pydantic's Record[Any, Any, Any] is no base of another Record[...].
RecordT = TypeVar("RecordT", bound=Record)  # type: ignore[type-arg]


@dataclass(frozen=True, eq=False)
class Experiment(Generic[DataT, ConfigT, RecordT]):
    """What a chapter declares. Its functions are defined in modules, so that processes find them.

    Attributes:
        module: where the chapter declares it.
        path: of the record that ships with the package.
        config: of this record.
        kind: of record; its fields give the types of all results.
        load: makes the data.
        files: that `load` reads, in a fixed order.
        run: ``run(arm, fold, config, data, device=, progress=)`` gives a result.
        try_rate: ``try_rate(arm, rate, fold, config, data, device=)`` gives scores, measured on
            units held out from the training part of the fold.
        baseline: ``baseline(fold, data, config)`` gives what any arm has to beat.
        rates: which learning rates are tried.
        summary: says a result's or a trial's scores in one line.
        extras: ``measure(arm, data, config, fold=, device=)`` for further fields of the record. It
            is done in the first fold for the arms that ``config`` lists under the same name.
    """

    module: str
    path: Path
    config: ConfigT
    kind: type[RecordT]
    load: Callable[[], DataT]
    files: Callable[[], Sequence[Path]]
    run: Callable[..., Model]
    try_rate: Callable[..., Mapping[str, float]]
    baseline: Callable[[int, DataT, ConfigT], Model | float]
    rates: Sweep
    summary: Callable[[Mapping[str, Any]], str]
    extras: Mapping[str, Callable[..., Model]] = field(default_factory=dict)

    def origin(self, device: torch.device | str = "cpu") -> Origin:
        """Say what results made here and now come from.

        Args:
            device: where to train.
        """
        kind = torch.device(device).type
        return Origin(_source(self.module), _data_hash(self.files), torch.__version__, kind)

    def tasks(self, config: ConfigT) -> list[Task]:
        """List all that a record needs, in its order.

        Args:
            config: what to run.
        """
        runs = itertools.product(config.folds, config.arms)
        found = [Task("results", fold, arm) for fold, arm in runs]
        found += [Task("baseline", fold) for fold in config.folds]
        for name in self.extras:
            found += [Task(name, config.folds[0], arm) for arm in getattr(config, name)]
        return found

    def trials(self, arms: Sequence[str] = (), folds: Sequence[int] = ()) -> list[Task]:
        """List all learning rates that are to be tried.

        Args:
            arms: by default all.
            folds: by default those of `rates`.
        """
        every = itertools.product(
            folds or self.rates.folds, arms or self.config.arms, self.rates.rates
        )
        return [Task("sweeps", *each) for each in every]

    def compute(
        self, task: Task, config: ConfigT, device: torch.device | str = "cpu"
    ) -> Model | float:
        """Do one piece of work.

        Args:
            task: what to do.
            config: see `Config`.
            device: where to train.
        """
        data = _data(self.load)
        if task.field == "results":
            return self.run(task.arm, task.fold, config, data, device=device, progress=False)
        if task.field == "baseline":
            return self.baseline(task.fold, data, config)
        if task.field != "sweeps":
            measure = self.extras[task.field]
            return measure(task.arm, data, config, fold=task.fold, device=device)
        rate = task.rate or config.rate(task.arm)
        scores = self.try_rate(task.arm, rate, task.fold, config, data, device=device)
        return Trial(arm=task.arm, fold=task.fold, rate=rate, steps=config.steps, scores=scores)

    def work(
        self,
        tasks: Sequence[Task],
        config: ConfigT | None = None,
        *,
        device: torch.device | str = "cpu",
        workers: int | None = None,
        runs: Path | None = None,
    ) -> list[Outcome]:
        """Do pieces of work that are not done yet, storing and printing each as it ends.

        Args:
            tasks: what to do.
            config: see `Config`; by default that of the record.
            device: where to train.
            workers: processes that share the work; they change the seconds of a run and nothing
                else. With 1, no process is started. By default what ``joblib.parallel_config``
                says, else 1.
            runs: folder of what is done; by default ``runs`` beside the record.

        Returns:
            The outcomes in the order of the tasks.

        Raises:
            ValueError: if several processes are to share a GPU, unless a backend was chosen.
        """
        config, origin = config or self.config, self.origin(device)
        if torch.device(device).type != "cpu" and _several_processes(workers):
            raise ValueError(f"several workers need the CPU or a cluster, got {device}")
        files = {task: self._file(task, config, origin, runs) for task in tasks}
        waiting = [task for task, file in files.items() if not file.exists()]
        ends = joblib.Parallel(n_jobs=workers, batch_size=1, return_as="generator_unordered")(
            joblib.delayed(_execute)(self, task, config, device, origin) for task in waiting
        )
        name = self.module.split(".")[-2]
        with tqdm(desc=name, total=len(files), initial=len(files) - len(waiting)) as bar:
            for task, outcome in ends:
                write_json(outcome.model_dump(mode="json"), files[task])
                bar.write(self._line(task, outcome.value))
                bar.update()
        return [read(Outcome, file) for file in files.values()]

    def record(
        self,
        config: ConfigT | None = None,
        *,
        device: torch.device | str = "cpu",
        workers: int | None = None,
        runs: Path | None = None,
    ) -> RecordT:
        """Run the whole experiment, or what is missing of it.

        What the record that is there already has, of the same code, data and torch, is not made
        again. Learning rates that were tried with the same code and data go into the record too, of
        those arms that tried all of them.

        Args:
            config: what to run; by default that of the record.
            device: where to train.
            workers: see `work`.
            runs: see `work`.
        """
        config, origin = config or self.config, self.origin(device)
        tasks = self.tasks(config)
        self._unpack(origin, runs)
        found = self.work(tasks, config, device=device, workers=workers, runs=runs)
        content: dict[str, Any] = {name: [] for name in ("results", "baseline", *self.extras)}
        for task, outcome in zip(tasks, found, strict=True):
            content[task.field].append(outcome.value)
        tried = {task: self._file(task, self._short, origin, runs) for task in self.trials()}
        unfinished = {task.arm for task, file in tried.items() if not file.exists()}
        done = {task: file for task, file in tried.items() if task.arm not in unfinished}
        content["sweeps"] = [read(Outcome, file).value for file in done.values()]
        content["note"] = swept({task.arm for task in done}, config.arms)
        content |= stamp("cpu", f"python -m {self.module} --record")
        content |= {
            "config": config.model_dump(mode="json"),
            "device": "; ".join(dict.fromkeys(outcome.device for outcome in found)),
            "source": origin.source,
            "data": origin.data,
        }
        return self.kind.model_validate_json(json.dumps(content))

    def sweep(
        self,
        arms: Sequence[str] = (),
        folds: Sequence[int] = (),
        *,
        device: torch.device | str = "cpu",
        workers: int | None = None,
        runs: Path | None = None,
    ) -> tuple[Trial, ...]:
        """Try learning rates, all arms by the same rule.

        Args:
            arms: by default all.
            folds: by default those of `rates`.
            device: where to train.
            workers: see `work`.
            runs: see `work`.
        """
        tasks = self.trials(arms, folds)
        found = self.work(tasks, self._short, device=device, workers=workers, runs=runs)
        return tuple(Trial.model_validate_json(json.dumps(one.value)) for one in found)

    @property
    def _short(self) -> ConfigT:
        return self.config.replace(steps=self.rates.steps)

    def stale(self, found: RecordT) -> list[str]:
        """Say why a record does not belong to the code and the data, if it does not.

        Args:
            found: the record.
        """
        origin = self.origin()
        reasons = {
            "another configuration": found.config != self.config,
            "other code": found.source != origin.source,
            "other data": found.data != origin.data,
        }
        return [f"made with {reason}" for reason, holds in reasons.items() if holds]

    def save(self, found: RecordT, path: Path | None = None) -> None:
        """Write a record as JSON, numbers rounded as their fields say.

        Args:
            found: the record.
            path: by default that of the record that ships with the package.
        """
        write_json(found.model_dump(mode="json"), path or self.path)

    def load_record(self, path: Path | None = None) -> RecordT:
        """Load the record that ships with the package, or another one.

        Args:
            path: of the JSON file.

        Raises:
            OSError: if it cannot be read.
            ValueError: if it is not a complete record.
        """
        return read(self.kind, path or self.path)

    def _file(self, task: Task, config: ConfigT, origin: Origin, runs: Path | None) -> Path:
        """Where an outcome is stored; the name has a hash of all that decides it."""
        skipped = config.which | {"learning_rate", "own_rates"}
        decides = config.model_dump(mode="json", exclude=set(skipped))
        decides["rate"] = task.rate or (config.rate(task.arm) if task.arm else None)
        text = json.dumps([task, decides, origin], sort_keys=True)
        words = [task.field, task.fold, task.arm, task.rate]
        label = "-".join(str(word) for word in words if word not in ("", None))
        safe = "".join(letter if letter.isalnum() or letter in ".-" else "_" for letter in label)
        digest = hashlib.sha256(text.encode()).hexdigest()[:16]
        return (runs or self.path.parent / "runs") / f"{safe}-{digest}.json"

    def _unpack(self, origin: Origin, runs: Path | None) -> None:
        """Store what the record already has, each where `work` looks for it."""
        if not self.path.exists():
            return
        try:
            old = self.load_record()
        except ValueError:
            return
        devices = old.device.split("; ")
        kind = "cpu" if all(one.startswith("CPU") for one in devices) else "cuda"
        if (old.source, old.data, old.torch, kind) != tuple(origin) or len(devices) > 1:
            return
        content = old.model_dump(mode="json")
        left = {name: iter(content[name]) for name in ("results", "baseline", *self.extras)}
        for task in self.tasks(old.config):
            outcome = Outcome(device=old.device, value=next(left[task.field]))
            self._store(task, outcome, old.config, origin, runs)
        short = old.config.replace(steps=self.rates.steps)
        for trial in content["sweeps"]:
            task = Task("sweeps", trial["fold"], trial["arm"], trial["rate"])
            outcome = Outcome(device=old.device, value=trial)
            self._store(task, outcome, short, origin, runs)

    def _store(
        self, task: Task, outcome: Outcome, config: ConfigT, origin: Origin, runs: Path | None
    ) -> None:
        file = self._file(task, config, origin, runs)
        if not file.exists():
            write_json(outcome.model_dump(mode="json"), file)

    def _line(self, task: Task, value: Any) -> str:
        scores = value if task.field == "results" else value["scores"] if task.rate else None
        parts = [f"fold {task.fold}", f"{task.arm or task.field:18s}"]
        parts += [f"rate {task.rate:g}"] if task.rate else []
        parts += [self.summary(scores)] if scores else [task.field] if task.arm else []
        parts += [f"{value['seconds']:.0f} s"] if task.field == "results" else []
        return "  ".join(parts)


@lru_cache(maxsize=1)
def _data(load: Callable[[], DataT]) -> DataT:
    return load()


# Cached, so that a process that lives long goes by the code that it loaded.
_source = lru_cache(source_hash)


@lru_cache
def _data_hash(files: Callable[[], Sequence[Path]]) -> str:
    return files_hash(files())


_ALONE = threading.Lock()
"""Runs seed the process: in a worker of several threads they take turns."""


def _execute(
    experiment: Experiment[Any, Any, Any],
    task: Task,
    config: Config,
    device: torch.device | str,
    origin: Origin,
) -> tuple[Task, Outcome]:
    here = experiment.origin(device)
    if here != origin:
        raise RuntimeError(f"a worker has other code, data or torch: {here}, not {origin}")
    # One thread in every process, and without processes too: the results are the same.
    with _ALONE, threads(1):
        value = experiment.compute(task, config, device)
        content = value.model_dump(mode="json") if isinstance(value, Model) else round(value, 5)
        return task, Outcome(device=describe_device(torch.device(device)), value=content)


def _several_processes(workers: int | None) -> bool:
    """Whether joblib would start processes on this machine."""
    backend, jobs = joblib.parallel.get_active_backend()
    usual = joblib.parallel.BACKENDS[joblib.parallel.DEFAULT_BACKEND]
    return isinstance(backend, usual) and (workers or jobs or 1) != 1
