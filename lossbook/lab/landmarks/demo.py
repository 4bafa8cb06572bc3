"""The chapter's experiment: the same network trained with eight losses on the ORL faces.

Every arm trains the same network, from the same initial weights, on the same stream of augmented
crops, with Adam; only the loss differs, and the learning rate where `sweep` asks for another one.
The network and the arms are those of `lossbook.lab.landmarks.model`.

Record the evidence the chapter shows with::

    python -m lossbook.lab.landmarks.demo --record
"""

from __future__ import annotations

import itertools
import json
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from lossbook.lab.landmarks.data import (
    Augmentation,
    Faces,
    crop,
    load_faces,
    mean_shape,
    split_by_subject,
)
from lossbook.lab.landmarks.model import ARMS, SIZE, Settings, evaluate, train
from lossbook.lab.run.records import command_line, rounded, stamp, write_json
from lossbook.lab.run.splits import hold_out, shuffled_groups
from lossbook.landmarks.metrics import nme

__all__ = [
    "LIVE",
    "RECORDED",
    "Config",
    "Record",
    "Result",
    "baseline",
    "load_record",
    "record",
    "run",
    "save_record",
    "sweep",
]

RECORD = Path(__file__).with_name("data") / "record.json"


@dataclass(frozen=True)
class Config(Settings):
    """Everything that decides the outcome of the experiment, beside the code and the device.

    Attributes:
        arms: names in `ARMS`.
        folds: parts of `split_by_subject` that are held out in turn. A fold's number is also the
            seed of its initial weights and of its stream of crops.
        own_rates: arms and the rate they have instead. It was chosen for PFLD with :func:`sweep`
            on splits 0 and 1, whose own test faces it does not see; they are tested in other
            splits. PFLD with degrees has the same rate, so that the two differ in the unit only.
    """

    arms: tuple[str, ...] = tuple(ARMS)
    folds: tuple[int, ...] = (0, 1, 2, 3, 4)
    own_rates: tuple[tuple[str, float], ...] = (("PFLD", 1e-3), ("PFLD, degrees", 1e-3))

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Config:
        """Rebuild a configuration from what `dataclasses.asdict` and JSON made of it."""
        own_rates = tuple((arm, rate) for arm, rate in values["own_rates"])
        known = {"arms": tuple(values["arms"]), "folds": tuple(values["folds"])}
        augmentation = Augmentation(**values["augmentation"])
        return cls(**dict(values) | known | {"own_rates": own_rates, "augmentation": augmentation})

    def rate(self, arm: str) -> float:
        """The learning rate of an arm."""
        return dict(self.own_rates).get(arm, self.learning_rate)


RECORDED = Config()
"""The evidence: every arm on every fold, 40 runs."""

LIVE = replace(RECORDED, arms=("SmoothL1", "Wing", "PFLD"), folds=(0,), steps=600)
"""What the chapter's cells run: under a minute on two CPU cores."""


@dataclass(frozen=True)
class Result:
    """How one trained network did on the people it had never seen.

    Errors are normalised by the distance of the outer eye corners: 0.04 is 4 % of it.

    Attributes:
        arm: name in :data:`ARMS`.
        fold: which people were held out; also the seed.
        nme: mean error.
        nme_rare: mean over the faces with any attribute.
        nme_pose: mean over the faces with a large pose.
        nme_common: mean over the faces without any attribute.
        failure_rate: share of faces with an error above 0.1.
        auc: area under the cumulative error curve up to 0.1, divided by 0.1.
        pose_error: mean absolute error of the three angles in degrees. Has a meaning for
            ``"PFLD"`` and ``"PFLD + biases"`` only, which train the pose head in radians.
        seconds: of training.
        errors: one a face, in the order of the fold's test indices.
    """

    arm: str
    fold: int
    nme: float
    nme_rare: float
    nme_pose: float
    nme_common: float
    failure_rate: float
    auc: float
    pose_error: float
    seconds: float
    errors: tuple[float, ...]


def run(
    arm: str,
    fold: int,
    config: Config,
    faces: Faces,
    *,
    device: torch.device | str = "cpu",
    progress: bool = True,
) -> Result:
    """Train one arm on all folds but one and score it on that one.

    Args:
        arm: name in :data:`ARMS`.
        fold: which people are held out; also the seed.
        config: see `Config`.
        faces: as `load_faces` gives them.
        device: where to train.
        progress: whether to show a progress bar.
    """
    training, test = split_by_subject(faces, fold)
    model, history = train(
        ARMS[arm],
        faces,
        training,
        seed=fold,
        settings=config,
        learning_rate=config.rate(arm),
        device=device,
        progress=progress,
        description=f"{arm}, fold {fold}",
    )
    return Result(arm, fold, seconds=history.seconds, **evaluate(model, faces, test))


def sweep(
    faces: Faces,
    config: Config,
    rates: Sequence[float],
    *,
    fold: int = 0,
    device: torch.device | str = "cpu",
) -> dict[tuple[str, float], float]:
    """Try learning rates on people held out from the training part of a fold.

    Args:
        faces: as `load_faces` gives them.
        config: its arms, steps, batch size and augmentation are used.
        rates: learning rates to try.
        fold: trained on 24 of its 32 training people, scored on the other 8.
        device: where to train.

    Returns:
        Mean error for each arm and rate.
    """
    training, _ = split_by_subject(faces, fold)
    people = faces.subject[training]
    kept, held_out = hold_out(people, shuffled_groups(people, fold)[:8])
    found = {}
    for arm, rate in itertools.product(config.arms, rates):
        model, _ = train(
            ARMS[arm],
            faces,
            training[kept],
            seed=fold,
            settings=config,
            learning_rate=rate,
            device=device,
            progress=False,
        )
        found[arm, rate] = evaluate(model, faces, training[held_out])["nme"]
        print(f"fold {fold}  {arm:14s} rate {rate:g}  NME {found[arm, rate]:.2%}", flush=True)
    return found


def baseline(fold: int, faces: Faces) -> float:
    """Mean error, on the people held out, of always answering the mean shape of the others."""
    training, test = split_by_subject(faces, fold)
    views = crop(faces.images[test], faces.landmarks[test], faces.angles[test], size=SIZE)
    guess = mean_shape(faces, training, size=SIZE).expand_as(views.landmarks)
    return nme(guess, views.landmarks).mean().item()


@dataclass(frozen=True)
class Record:
    """The recorded experiment.

    Attributes:
        config: what was run.
        results: one for each arm and fold.
        baseline: error of the mean shape, one a fold.
        device: on what it ran.
        torch: version of torch.
        date: day of the run, UTC.
        command: what started it.
    """

    config: Config
    results: tuple[Result, ...]
    baseline: tuple[float, ...]
    device: str
    torch: str
    date: str
    command: str

    def values(self, arm: str, metric: str = "nme") -> list[float]:
        """One number a fold, in the order of ``config.folds``."""
        return [getattr(result, metric) for result in self.results if result.arm == arm]

    def errors(self, arm: str) -> list[float]:
        """Errors of all test faces of all folds, each face once."""
        return [error for result in self.results if result.arm == arm for error in result.errors]


def record(
    faces: Faces, config: Config = RECORDED, *, device: torch.device | str = "cpu"
) -> Record:
    """Run the whole experiment, printing each result.

    Args:
        faces: as `load_faces` gives them.
        config: what to run.
        device: where to train.
    """
    results = []
    for fold in config.folds:
        for arm in config.arms:
            result = run(arm, fold, config, faces, device=device, progress=sys.stderr.isatty())
            print(
                f"fold {fold}  {arm:14s} NME {result.nme:.2%}  rare {result.nme_rare:.2%}  "
                f"common {result.nme_common:.2%}  {result.seconds:.0f} s",
                flush=True,
            )
            results.append(result)
    return Record(
        config=config,
        results=tuple(results),
        baseline=tuple(baseline(fold, faces) for fold in config.folds),
        **stamp(device, "python -m lossbook.lab.landmarks.demo --record"),
    )


def save_record(found: Record, path: Path = RECORD) -> None:
    """Write a record as JSON, numbers rounded to five decimals."""
    content = rounded(asdict(found))
    content["config"] = asdict(found.config)
    write_json(content, path)


def load_record(path: Path = RECORD) -> Record:
    """Load the record that ships with the package, or another one.

    Args:
        path: of the JSON file.

    Raises:
        OSError: if it cannot be read.
        ValueError: if it is not a complete record.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        results = tuple(
            Result(**result | {"errors": tuple(result["errors"])}) for result in content["results"]
        )
        found = Record(
            **content
            | {
                "config": Config.from_json(content["config"]),
                "results": results,
                "baseline": tuple(content["baseline"]),
            }
        )
        for result in results:
            _check_result(result)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: not a record of this experiment ({error})") from error
    wanted = [(arm, fold) for fold in found.config.folds for arm in found.config.arms]
    if [(result.arm, result.fold) for result in results] != wanted:
        raise ValueError(f"{path}: expected one result for each fold and arm, in this order")
    if len(found.baseline) != len(found.config.folds):
        raise ValueError(f"{path}: expected one baseline a fold, got {len(found.baseline)}")
    return found


def _check_result(result: Result) -> None:
    numbers = [result.nme, result.failure_rate, result.auc, *result.errors]
    if not all(isinstance(n, (int, float)) and math.isfinite(n) for n in numbers):
        raise ValueError(f"{result.arm}, fold {result.fold}: not all results are finite numbers")
    # Both are rounded to five digits.
    if not result.errors or abs(sum(result.errors) / len(result.errors) - result.nme) > 2e-5:
        raise ValueError(f"{result.arm}, fold {result.fold}: nme is not the mean of the errors")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the recorded experiment and write it down.

    Args:
        arguments: of the command line.
    """
    options = command_line("lossbook.lab.landmarks.demo", RECORD).parse_args(arguments)
    if options.sweep:
        short = replace(RECORDED, steps=600)
        for fold in (0, 1):
            sweep(load_faces(), short, (5e-4, 1e-3, 2e-3, 4e-3), fold=fold, device=options.device)
        return
    save_record(record(load_faces(), device=options.device), options.out)


if __name__ == "__main__":
    main()
