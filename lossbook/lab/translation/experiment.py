"""The chapter's experiment: letters of one domain translated into the other, with each loss.

Every arm starts from the same networks and sees the same stream of letters; only the loss differs.
What it translates are letters of typefaces that it never saw.

Record the evidence the chapter shows with::

    python -m lossbook.lab.translation.experiment --record
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, NamedTuple

import torch
from pydantic import Field, PlainSerializer
from torch import Tensor

from lossbook.lab.run import records
from lossbook.lab.run.command import main
from lossbook.lab.run.experiment import Experiment, Sweep
from lossbook.lab.run.pictures import pack
from lossbook.lab.run.records import Model, Score
from lossbook.lab.translation.arms import ARMS, CONFIGURED
from lossbook.lab.translation.judges import Judges
from lossbook.lab.translation.letters import Letters, Split, files, load_letters, split
from lossbook.lab.translation.model import NOISE
from lossbook.lab.translation.scores import Asked, ask, score, translate
from lossbook.lab.translation.training import Corpus, Settings, Trained, train
from lossbook.lab.translation.vae import Autoencoder, latent_scale, train_autoencoder

__all__ = [
    "BASELINES",
    "EXPERIMENT",
    "LIVE",
    "RECORDED",
    "SHOWN_FOLDS",
    "Baseline",
    "Config",
    "Fold",
    "Record",
    "Result",
    "baseline",
    "load_record",
    "means",
    "prepare",
    "run",
    "shown_grid",
    "trained",
    "try_rate",
]

RECORD = Path(__file__).with_name("data") / "record.json"

BASELINES = ("truth", "copy", "mean")
"""The true letter through the autoencoder; the content as it is; and the mean over the target
domain's styles that are trained on."""

_SHOWN_LETTERS = (0, 6, 17, 18)
"""A, G, R, S."""
_SHOWN_TESTS = (1, 9, 24, 32)
"""Places among what is asked for."""
SHOWN_FOLDS = (0, 2)
"""Whose translations are stored."""


class Config(Settings, records.Config):
    """Everything that decides the outcome of the experiment, beside the code and the device.

    Attributes:
        arms: names in `ARMS` or `CONFIGURED`.
        folds: of `split`, whose families are held out in turn. A fold's number is also the seed.
        steps: of the training, those of all epochs.
    """


RECORDED = Config(arms=tuple(ARMS), folds=(0, 1, 2, 3, 4), steps=960, learning_rate=1e-3)
"""Every arm in five folds, so that each family is unseen once."""

LIVE = RECORDED.replace(arms=("documented",), folds=(0,), steps=240, autoencoder_steps=300)
"""What the chapter's cells run."""


def brief(value: int | float) -> int | float:
    """Four digits, and no point where none is needed.

    Args:
        value: to store.
    """
    short = float(f"{value:.4g}")
    return int(short) if short.is_integer() else short


Brief = Annotated[float, PlainSerializer(brief, when_used="json")]
"""A number, stored as `brief` says."""

BriefScore = Annotated[float, Field(ge=0), PlainSerializer(brief, when_used="json")]
"""The same from 0 on."""


class Result(records.ScoredResult):
    """How the letters that one trained generator translated did.

    Attributes:
        units: the columns of `lossbook.lab.translation.scores.COLUMNS`, one number for each style
            that is asked for.
        scores: their means.
        log: a number an epoch of each curve.
        shown: a grid of translations as a PNG in base64, in the first and the third fold.
    """

    units: Mapping[str, tuple[BriefScore, ...]]
    log: Mapping[str, tuple[Brief, ...]]
    shown: str = ""


class Baseline(Model):
    """What any arm has to beat, and what none can.

    Attributes:
        fold: who was held out.
        scale: of the latents.
        scores: for each of `BASELINES` the means.
        units: likewise, of each style that is asked for.
        shown: as in `Result`: what is asked for, from above contents, references and truth.
    """

    fold: int
    scale: Score
    scores: Mapping[str, Mapping[str, Score]]
    units: Mapping[str, Mapping[str, tuple[BriefScore, ...]]]
    shown: Mapping[str, str]


class Record(records.ScoredRecord[Config, Result, Baseline]):
    """The recorded experiment."""

    headline: ClassVar[str] = "error"


class Fold(NamedTuple):
    """What all arms of a fold share.

    Attributes:
        part: styles to train on, and not to.
        autoencoder: trained on the former.
        latents: of their letters, unscaled.
        scale: what brings these to a standard deviation of 1.
        judge: trained on the same letters.
        asked: what is asked of a generator.
    """

    part: Split
    autoencoder: Autoencoder
    latents: Tensor
    scale: float
    judge: Judges
    asked: list[Asked]


_FOLD: dict[str, Fold] = {}
"""The last one: a process that goes through the losses of a fold makes it once."""


def prepare(letters: Letters, part: Split, seed: int, steps: int) -> Fold:
    """Train autoencoder and judges of a fold.

    Args:
        letters: as `load_letters` gives them.
        part: which styles to train on.
        seed: of the autoencoder and of what is asked for.
        steps: of the autoencoder.
    """
    key = repr((part.training.tolist(), part.unseen.tolist(), seed, steps))
    if key not in _FOLD:
        pictures = letters.images[part.training].flatten(0, 1)
        autoencoder = train_autoencoder(pictures, seed=seed, steps=steps)
        latents = autoencoder.encode(pictures)
        judge = Judges(
            torch.cat([pictures, autoencoder.decode(latents)]),
            torch.arange(26).repeat(2 * len(part.training)),
            letters.domain[part.training].repeat_interleave(26).repeat(2),
        )
        _FOLD.clear()
        _FOLD[key] = Fold(
            part,
            autoencoder,
            latents.view(-1, 26, *latents.shape[1:]),
            latent_scale(latents),
            judge,
            ask(letters, part.unseen, seed),
        )
    return _FOLD[key]


def means(columns: Mapping[str, tuple[float, ...]]) -> dict[str, float]:
    """The mean of each column.

    Args:
        columns: as `score` gives them.
    """
    return {name: sum(values) / len(values) for name, values in columns.items()}


def shown_grid(rows: Sequence[Tensor], shown: Sequence[int] = _SHOWN_LETTERS) -> str:
    """Letters of some tests in rows, as a PNG in base64, black on white.

    Args:
        rows: the 26 letters of each test.
        shown: which of them.
    """
    grid = torch.cat([torch.cat([row[at, 0] for at in shown], 1) for row in rows])
    grey = (255 - grid.clamp(0, 1) * 255).round().to(torch.uint8)
    return pack(grey.numpy())


def trained(
    arm: str,
    letters: Letters,
    fold: Fold,
    seed: int,
    config: Config,
    *,
    device: torch.device | str,
    progress: bool,
) -> tuple[Trained, float]:
    """Train one arm.

    Args:
        arm: name in `ARMS` or `CONFIGURED`.
        letters: as `load_letters` gives them.
        fold: of `prepare`.
        seed: of the networks and the batches.
        config: see `Config`.
        device: where to train.
        progress: whether to show a progress bar.

    Returns:
        What came of it, and the scale of its latents.
    """
    chosen = (ARMS | CONFIGURED)[arm]
    scale = fold.scale if chosen.scaled else 1.0
    corpus = Corpus(fold.latents * scale, letters.domain[fold.part.training])
    found = train(
        chosen,
        corpus,
        steps=config.steps,
        seed=seed,
        settings=config,
        learning_rate=config.rate(arm),
        device=device,
        progress=progress,
        description=f"{arm}, fold {seed}",
    )
    return found, scale


def scored(found: Trained, scale: float, letters: Letters, fold: Fold) -> tuple[Any, list[Tensor]]:
    def made(test: Asked, style_of: Tensor) -> Tensor:
        content, domain = letters.images[test.source], int(letters.domain[test.target])
        return translate(found.networks, fold.autoencoder, scale, content, domain, style_of)

    def by_reference(test: Asked) -> Tensor:
        return made(test, letters.images[test.target][test.reference])

    columns = score(letters, fold.asked, fold.judge, by_reference, made)
    generator = torch.Generator().manual_seed(0)
    rows = []
    for at in _SHOWN_TESTS:
        rows.append(by_reference(fold.asked[at]))
        for _ in range(2):
            z = torch.randn(1, NOISE, generator=generator).expand(26, -1)
            rows.append(made(fold.asked[at], z))
    return columns, rows


def run(
    arm: str,
    fold: int,
    config: Config,
    letters: Letters,
    *,
    device: torch.device | str = "cpu",
    progress: bool = True,
) -> Result:
    """Train one arm on the families of a fold and score what it translates.

    Args:
        arm: name in `ARMS`.
        fold: which families are held out; also the seed.
        config: see `Config`.
        letters: as `load_letters` gives them.
        device: where to train.
        progress: whether to show a progress bar.
    """
    shared = prepare(letters, split(letters, fold), fold, config.autoencoder_steps)
    found, scale = trained(arm, letters, shared, fold, config, device=device, progress=progress)
    columns, rows = scored(found, scale, letters, shared)
    return Result(
        arm=arm,
        fold=fold,
        seconds=found.seconds,
        units=columns,
        scores=means(columns),
        log={name: tuple(values) for name, values in found.log.items()},
        shown=shown_grid(rows) if fold in SHOWN_FOLDS else "",
    )


def try_rate(
    arm: str,
    rate: float,
    fold: int,
    config: Config,
    letters: Letters,
    *,
    device: torch.device | str = "cpu",
) -> dict[str, float]:
    """Try a learning rate on families held out from the training part of a fold.

    Args:
        arm: name in `ARMS`.
        rate: to try.
        fold: trained on three of its four fifths, scored on the other.
        config: its steps and sizes are used.
        letters: as `load_letters` gives them.
        device: where to train.

    Returns:
        The means of `Result`.
    """
    part, others = split(letters, fold), split(letters, (fold + 1) % 5)
    kept = part.training[~torch.isin(part.training, others.unseen)]
    shared = prepare(letters, Split(kept, others.unseen), fold, config.autoencoder_steps)
    own = config.replace(own_rates=((arm, rate),))
    found, scale = trained(arm, letters, shared, fold, own, device=device, progress=False)
    return means(scored(found, scale, letters, shared)[0])


def baseline(fold: int, letters: Letters, config: Config = RECORDED) -> Baseline:
    """Score what needs no generator.

    Args:
        fold: see `run`.
        letters: as `load_letters` gives them.
        config: of the autoencoder.
    """
    shared = prepare(letters, split(letters, fold), fold, config.autoencoder_steps)
    model, training = shared.autoencoder, shared.part.training

    def truth(test: Asked) -> Tensor:
        return model.decode(model.encode(letters.images[test.target]))

    def copy(test: Asked) -> Tensor:
        return letters.images[test.source]

    def mean(test: Asked) -> Tensor:
        domain = letters.domain[test.target]
        return letters.images[training[letters.domain[training] == domain]].mean(0)

    makers = dict(zip(BASELINES, (truth, copy, mean), strict=True))
    columns = {
        name: score(letters, shared.asked, shared.judge, maker) for name, maker in makers.items()
    }
    shown: dict[str, str] = {}
    if fold in SHOWN_FOLDS:
        tests = [shared.asked[at] for at in _SHOWN_TESTS]
        images = letters.images
        shown = {
            "content": shown_grid([images[t.source] for t in tests]),
            "reference": shown_grid([images[t.target][t.reference] for t in tests]),
            "truth": shown_grid([images[t.target] for t in tests]),
        }
    return Baseline(
        fold=fold,
        scale=shared.scale,
        scores={name: means(values) for name, values in columns.items()},
        units=columns,
        shown=shown,
    )


def _summary(found: Mapping[str, Any]) -> str:
    scores = found.get("scores", found)
    return "  ".join(f"{name} {value:.3g}" for name, value in scores.items())


SWEEP = Sweep(rates=(5e-4, 1e-3, 2e-3), folds=(3,), steps=RECORDED.steps)

EXPERIMENT = Experiment(
    module="lossbook.lab.translation.experiment",
    path=RECORD,
    config=RECORDED,
    kind=Record,
    load=load_letters,
    files=files,
    run=run,
    try_rate=try_rate,
    baseline=baseline,
    rates=SWEEP,
    summary=_summary,
)

load_record = EXPERIMENT.load_record

if __name__ == "__main__":
    main(EXPERIMENT.module)
