"""The command line of all experiments.

::

python -m lossbook.lab.<chapter>.experiment --record|--sweep|--refactored WHY
[--arms ...] [--folds ...] [--workers N | --scheduler ADDRESS] [--device D] [--out PATH]

What an experiment hands over to another module, such as WFLW, is in `ELSEWHERE`.
"""

from __future__ import annotations

import argparse
import importlib
import statistics
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import joblib

from lossbook.lab.run.devices import default_device
from lossbook.lab.run.experiment import Experiment
from lossbook.lab.run.records import Trial, stamp, swept

__all__ = ["best_rates", "main"]

ELSEWHERE: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "lossbook.lab.landmarks.experiment": {
        "--wflw": (
            "lossbook.lab.landmarks.on_wflw",
            "train on WFLW, unpacked into this folder; add --help for what may follow",
        ),
    },
}
"""Options of an experiment that another module takes, with the value and all that follows."""


def best_rates(trials: Sequence[Trial], metric: str) -> dict[str, float]:
    """For each arm, the learning rate with the lowest mean score over the folds.

    Args:
        trials: of `Experiment.sweep`.
        metric: a name in their scores.
    """
    scores: dict[str, dict[float, list[float]]] = {}
    for trial in trials:
        rates = scores.setdefault(trial.arm, {})
        rates.setdefault(trial.rate, []).append(trial.scores[metric])
    return {
        arm: min(rates, key=lambda rate: statistics.mean(rates[rate]))
        for arm, rates in scores.items()
    }


@contextmanager
def _cluster(scheduler: str | None) -> Iterator[None]:
    """Send joblib's work to a Dask cluster, if an address is given."""
    if scheduler is None:
        yield
        return
    try:
        from distributed import Client
    except ImportError as error:
        raise SystemExit("--scheduler needs Dask: pip install distributed") from error
    client = Client(scheduler)  # type: ignore[no-untyped-call]
    with client, joblib.parallel_config(backend="dask"):
        yield


def _command_line(experiment: Experiment[Any, Any, Any]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"python -m {experiment.module}")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--record", action="store_true", help="run everything and write the record")
    what.add_argument("--sweep", action="store_true", help="try learning rates")
    what.add_argument(
        "--refactored", metavar="WHY", help="say that the record belongs to the code as it is now"
    )
    for option, (_, text) in ELSEWHERE.get(experiment.module, {}).items():
        what.add_argument(option, metavar="PATH", help=text)
    some = "only these; what they find is stored, and the record is not written"
    parser.add_argument(
        "--arms", nargs="+", choices=experiment.config.arms, metavar="ARM", help=some
    )
    parser.add_argument("--folds", nargs="+", type=int, choices=experiment.config.folds, help=some)
    parser.add_argument("--workers", type=int, help="processes, for the CPU; by default 1")
    parser.add_argument("--scheduler", help="address of a Dask cluster, in place of processes")
    parser.add_argument("--device", default=str(default_device()), help="by default a GPU if any")
    parser.add_argument("--out", type=Path, default=experiment.path, help="the record")
    return parser


def main(module: str, arguments: Sequence[str] | None = None) -> None:
    """Run a chapter's experiment from the command line.

    Args:
        module: that declares ``EXPERIMENT``. It is imported by its name, as what ``python -m``
            starts is called ``__main__``, and other processes would not find it.
        arguments: of the command line.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    for option, (other, _) in ELSEWHERE.get(module, {}).items():
        parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
        parser.add_argument(option, dest="path", default=argparse.SUPPRESS)
        found, rest = parser.parse_known_args(given)
        if hasattr(found, "path"):
            importlib.import_module(other).main([found.path, *rest])
            return
    experiment: Experiment[Any, Any, Any] = importlib.import_module(module).EXPERIMENT
    options = _command_line(experiment).parse_args(given)
    if options.refactored:
        _renew(experiment, options.out, options.refactored)
        return
    full = experiment.config
    arms = tuple(arm for arm in full.arms if arm in (options.arms or full.arms))
    folds = tuple(fold for fold in full.folds if fold in (options.folds or full.folds))
    how: dict[str, Any] = {"device": options.device, "workers": options.workers}
    how["runs"] = options.out.parent / "runs"
    partial = (arms, folds) != (full.arms, full.folds)
    with _cluster(options.scheduler):
        if options.sweep:
            trials = experiment.sweep(arms, options.folds or (), **how)
            for arm, rate in best_rates(trials, experiment.kind.headline).items():
                print(f"{arm:18s} best rate {rate:g}")
            if not options.folds:
                _add_sweeps(experiment, trials, options.out)
        elif partial:
            config = full.replace(arms=arms, folds=folds)
            tasks = [task for task in experiment.tasks(config) if task.field == "results"]
            experiment.work(tasks, config, **how)
            print(f"Stored in {how['runs']}; a record needs all arms and folds.")
        else:
            experiment.save(experiment.record(**how), options.out)


def _add_sweeps(
    experiment: Experiment[Any, Any, Any], trials: tuple[Trial, ...], path: Path
) -> None:
    """Put trials into a record that belongs to the same code."""
    found = experiment.load_record(path) if path.exists() else None
    if found is None or {found.source, found.data} != set(experiment.origin()[:2]):
        print("Stored; --record will write them down.")
        return
    arms = found.config.arms
    anew = {trial.arm for trial in trials}
    every = [*(trial for trial in found.sweeps if trial.arm not in anew), *trials]
    every.sort(key=lambda trial: (trial.fold, arms.index(trial.arm), trial.rate))
    before, now = (swept({one.arm for one in all_of}, arms) for all_of in (found.sweeps, every))
    note = " ".join(filter(None, (found.note.replace(before, "").strip(), now)))
    experiment.save(found.replace(sweeps=tuple(every), note=note), path)


def _renew(experiment: Experiment[Any, Any, Any], path: Path, why: str) -> None:
    """Let a record belong to the code as it is now, and say so in it."""
    found, origin = experiment.load_record(path), experiment.origin()
    if found.config != experiment.config or found.data != origin.data:
        raise SystemExit("The record has another configuration or other data: run --record.")
    today = stamp("cpu", "")["date"]
    experiment.save(found.replace(source=origin.source, refactored=f"{today}: {why}"), path)
