"""What a chapter's experiment is made of: configuration, results and record, checked by pydantic.

A chapter adds its own fields to `Config`, `Result` and `Record`; what all have is here. All of them
are frozen, take no unknown field and no NaN, and convert nothing: text is not a number.
"""

from __future__ import annotations

import itertools
import json
import platform
from collections.abc import Collection, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated, Any, ClassVar, Generic, TypeVar

import torch
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    model_validator,
)

from lossbook.lab.run.devices import describe_device

__all__ = [
    "NO_SWEEP",
    "Config",
    "Digits",
    "Model",
    "Number",
    "Record",
    "Result",
    "Score",
    "ScoredRecord",
    "ScoredResult",
    "Trial",
    "explain",
    "read",
    "stamp",
    "swept",
    "write_json",
]

Number = Annotated[float, PlainSerializer(lambda value: round(value, 5), when_used="json")]
"""A number that is stored with five decimals."""

Score = Annotated[Number, Field(ge=0)]
"""A number from 0 on that is stored with five decimals."""

Digits = Annotated[
    float, Field(ge=0), PlainSerializer(lambda value: float(f"{value:.5g}"), when_used="json")
]
"""A number from 0 on that is stored with five significant digits."""

NO_SWEEP = "No learning-rate sweep was recorded."


def swept(tried: Collection[str], arms: Collection[str]) -> str:
    """What the note of a record says of its learning rates, if not all arms tried them.

    Args:
        tried: arms that did.
        arms: all of them.
    """
    if not tried:
        return NO_SWEEP
    some = [arm for arm in arms if arm in tried]
    return "" if len(some) == len(arms) else f"Learning rates were tried for: {'; '.join(some)}."


ModelT = TypeVar("ModelT", bound="Model")


class Model(BaseModel):
    """Values that are checked when they are made or read, and do not change."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    def replace(self: ModelT, **changes: Any) -> ModelT:
        """Return a copy with some fields changed, and checked: pydantic's own copy is not.

        Args:
            **changes: new values under the fields' names.
        """
        return type(self)(**dict(self) | changes)


class Config(Model):
    """Everything that decides the outcome of an experiment, beside code, data and device.

    Attributes:
        arms: names of what is compared.
        folds: parts of the data that are held out in turn. A fold's number is also its seed.
        steps: optimiser steps.
        learning_rate: of all arms that have no own.
        own_rates: arms and the rate they have instead.
    """

    which: ClassVar[frozenset[str]] = frozenset({"arms", "folds"})
    """Fields that say what is run, and change no result of what is."""

    arms: tuple[str, ...] = Field(min_length=1)
    folds: tuple[int, ...] = Field(min_length=1)
    steps: PositiveInt
    learning_rate: PositiveFloat
    own_rates: tuple[tuple[str, PositiveFloat], ...] = ()

    @model_validator(mode="after")
    def _check_names(self) -> Config:
        rates = [arm for arm, _ in self.own_rates]
        for name, values in (("arms", self.arms), ("folds", self.folds), ("own_rates", rates)):
            if len(set(values)) < len(values):
                raise ValueError(f"{name} must name each once, got {values}")
        return self

    def rate(self, arm: str) -> float:
        """The learning rate of an arm."""
        return dict(self.own_rates).get(arm, self.learning_rate)


class Result(Model):
    """How one arm did in one fold.

    Attributes:
        arm: its name.
        fold: what was held out; also the seed.
        seconds: of training.
        units: scores of the single units that were tested (faces, clips), under the metric's name.
    """

    arm: str
    fold: int
    seconds: Score
    units: Mapping[str, tuple[Score, ...]] = {}


class Trial(Model):
    """How one arm did with one learning rate, on units held out from a fold's training part.

    Attributes:
        arm: its name.
        fold: whose training part was parted again; also the seed.
        rate: learning rate.
        steps: optimiser steps.
        scores: under the metrics' names.
    """

    arm: str
    fold: int
    rate: PositiveFloat
    steps: PositiveInt
    scores: Mapping[str, Score]


ConfigT = TypeVar("ConfigT", bound=Config)


class ScoredResult(Result):
    """The same, with its numbers by name.

    Attributes:
        scores: one for each metric.
    """

    scores: Mapping[str, Score]


ResultT = TypeVar("ResultT", bound=Result)
ScoredT = TypeVar("ScoredT", bound=ScoredResult)
BaselineT = TypeVar("BaselineT")


class Record(Model, Generic[ConfigT, ResultT, BaselineT]):
    """A complete experiment.

    Attributes:
        config: what was run.
        results: one for each fold and arm.
        baseline: one for each fold.
        sweeps: learning rates that were tried, every arm by the same rule; empty if none were.
        note: what a reader must know, such as that no rates were tried.
        source: hash of the code that decides the results, see `lossbook.lab.run.source`.
        data: hash of the files that the experiment reads.
        refactored: when and why `source` was renewed without running again; empty if it was not.
        device: on what it ran.
        torch: its version.
        python: its version.
        platform: operating system and processor.
        date: day of the last run, UTC.
        command: what repeats it; with more ``--workers`` it is faster.
    """

    headline: ClassVar[str]
    """The metric that comes first."""

    config: ConfigT
    results: tuple[ResultT, ...]
    baseline: tuple[BaselineT, ...]
    sweeps: tuple[Trial, ...] = ()
    note: str = ""
    source: str = Field(pattern="^[0-9a-f]{64}$")
    data: str = Field(pattern="^[0-9a-f]{64}$")
    refactored: str = ""
    device: str
    torch: str
    python: str
    platform: str
    date: str = Field(pattern=r"^\d{4}-\d{2}-\d{2}$")
    command: str

    @model_validator(mode="after")
    def _check_complete(self) -> Record[ConfigT, ResultT, BaselineT]:
        wanted = list(itertools.product(self.config.folds, self.config.arms))
        if [(result.fold, result.arm) for result in self.results] != wanted:
            raise ValueError("results: expected one for each fold and arm, in this order")
        folds = list(self.config.folds)
        named = zip(self.baseline, folds, strict=False)
        if [getattr(values, "fold", fold) for values, fold in named] != folds:
            raise ValueError("baseline: expected one for each fold, in this order")
        if len(self.baseline) != len(folds):
            raise ValueError(f"baseline: expected one for each fold, got {len(self.baseline)}")
        if not self.sweeps and not self.note:
            raise ValueError("note: must say why there are no sweeps")
        return self

    def values(self, arm: str, metric: str = "") -> list[float]:
        """One number a fold, in the order of ``config.folds``.

        Args:
            arm: its name.
            metric: a field of the results; by default the headline.
        """
        name = metric or self.headline
        return [getattr(result, name) for result in self.results if result.arm == arm]

    def units(self, arm: str, metric: str = "") -> list[float]:
        """The scores of all tested units of all folds, in the order of ``config.folds``.

        Args:
            arm: its name.
            metric: a name in the results' `units`; by default the headline.

        Raises:
            KeyError: if the record has no such scores of single units.
        """
        name = metric or self.headline
        return [
            value for result in self.results if result.arm == arm for value in result.units[name]
        ]


class ScoredRecord(Record[ConfigT, ScoredT, BaselineT]):
    """A record whose results have their numbers by name, in `scores`."""

    def values(self, arm: str, metric: str = "") -> list[float]:
        """One number a fold, in the order of ``config.folds``.

        Args:
            arm: its name.
            metric: a name in the results' `scores`; by default the headline.
        """
        name = metric or self.headline
        return [result.scores[name] for result in self.results if result.arm == arm]


def read(kind: type[ModelT], path: Path) -> ModelT:
    """Read a model from a JSON file.

    Args:
        kind: of the model.
        path: of the file.

    Raises:
        OSError: if it cannot be read.
        ValueError: if it does not hold such a model; the message names file and fields.
    """
    try:
        return kind.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise ValueError(
            f"{path}: not a valid {kind.__name__.lower()}: {explain(error)}"
        ) from error


def explain(error: ValidationError, most: int = 3) -> str:
    """Say in one line which fields are wrong, and how.

    Args:
        error: of pydantic.
        most: fields to name.
    """
    found = [
        ": ".join(filter(None, [".".join(map(str, one["loc"])), one["msg"]]))
        for one in error.errors(include_url=False)
    ]
    rest = [f"and {len(found) - most} more"] if len(found) > most else []
    return "; ".join(found[:most] + rest)


def stamp(device: torch.device | str, command: str) -> dict[str, str]:
    """Say where, with what and when a record was made.

    Args:
        device: on which the experiment ran.
        command: that started it.

    Returns:
        The names ``device``, ``torch``, ``python``, ``platform``, ``date`` (UTC) and ``command``.
    """
    return {
        "device": describe_device(torch.device(device)),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "date": datetime.now(timezone.utc).date().isoformat(),
        "command": command,
    }


def write_json(content: Mapping[str, Any], path: Path) -> None:
    """Write JSON in one line, making the folder if need be; the file is never half written.

    Raises:
        ValueError: if a number is NaN or infinite, which JSON cannot say.
    """
    text = json.dumps(content, allow_nan=False) + "\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)
