"""There and back: what the generator makes of its own translations.

The record of `lossbook.lab.translation.experiment` shows translations, but not what becomes of them
on the way back, which the cycle looks at. This trains the note's losses once more on the letters of
the third fold, where the letters are lost, and reads them after either way.

Record the evidence the chapter shows with::

    python -m lossbook.lab.translation.back --record
"""

from __future__ import annotations

import itertools
from typing import ClassVar

import torch
from torch import Tensor

from lossbook.lab.run import records
from lossbook.lab.run.command import main
from lossbook.lab.run.experiment import Experiment
from lossbook.lab.run.records import Score
from lossbook.lab.translation import experiment
from lossbook.lab.translation.experiment import Config, Fold
from lossbook.lab.translation.letters import ALPHABET, Letters, files, load_letters, split
from lossbook.lab.translation.scores import Asked
from lossbook.lab.translation.training import Trained

__all__ = ["EXPERIMENT", "RECORDED", "Baseline", "Record", "Result", "load_record", "run"]

RECORDED = experiment.RECORDED.replace(arms=("documented",), folds=(2,))
"""One training."""

_SHOWN_TEST = 1
"""Place among what is asked for."""


class Result(records.ScoredResult):
    """What became of the letters.

    Attributes:
        scores: shares of unseen letters that are read as what they were: ``"there"`` of the
            translations, ``"back"`` of what they are translated back to.
        shown: an alphabet, its translation, and that translated back, as a PNG in base64.
    """

    shown: str


class Baseline(records.Model):
    """Of real letters that are not trained on.

    Attributes:
        read: the share that is read right.
        apart: how far a letter is from the same letter in another typeface of its domain, as a mean
            absolute difference of scaled latents.
    """

    read: Score
    apart: Score


class Record(records.ScoredRecord[Config, Result, Baseline]):
    """The recorded experiment."""

    headline: ClassVar[str] = "back"


@torch.no_grad()
def _there_and_back(
    found: Trained, scale: float, letters: Letters, fold: Fold, test: Asked
) -> tuple[Tensor, Tensor, Tensor]:
    """The content, its translation by a reference, and that with the content's own style."""
    networks, model = found.networks, fold.autoencoder
    content, truth = letters.images[test.source], letters.images[test.target]
    into, out_of = (
        torch.full((len(ALPHABET),), int(letters.domain[style]))
        for style in (test.target, test.source)
    )
    latents, reference = (model.encode(rows) * scale for rows in (content, truth[test.reference]))
    there = networks.generator(latents, networks.style_encoder(reference, into))
    back = networks.generator(there, networks.style_encoder(latents, out_of))
    return content, model.decode(there / scale), model.decode(back / scale)


def run(
    arm: str,
    fold: int,
    config: Config,
    letters: Letters,
    *,
    device: torch.device | str = "cpu",
    progress: bool = True,
) -> Result:
    """Train one arm on the families of a fold, and translate there and back.

    Args:
        arm: name in `lossbook.lab.translation.arms.ARMS`.
        fold: which families are held out; also the seed.
        config: see `Config`.
        letters: as `load_letters` gives them.
        device: where to train.
        progress: whether to show a progress bar.
    """
    shared = experiment.prepare(letters, split(letters, fold), fold, config.autoencoder_steps)
    found, scale = experiment.trained(
        arm, letters, shared, fold, config, device=device, progress=progress
    )
    ways = [_there_and_back(found, scale, letters, shared, test) for test in shared.asked]
    right = torch.arange(len(ALPHABET))
    there, back = (
        torch.stack([shared.judge.letters(way[at]) == right for way in ways]).float().mean().item()
        for at in (1, 2)
    )
    return Result(
        arm=arm,
        fold=fold,
        seconds=found.seconds,
        scores={"there": there, "back": back},
        shown=experiment.shown_grid(ways[_SHOWN_TEST], range(len(ALPHABET))),
    )


def baseline(fold: int, letters: Letters, config: Config = RECORDED) -> Baseline:
    """What real letters come to.

    Args:
        fold: see `run`.
        letters: as `load_letters` gives them.
        config: of the autoencoder.
    """
    shared = experiment.prepare(letters, split(letters, fold), fold, config.autoencoder_steps)
    unseen, right = shared.part.unseen, torch.arange(len(ALPHABET))
    read = [shared.judge.letters(letters.images[style]) == right for style in unseen]
    latents = [shared.autoencoder.encode(letters.images[style]) * shared.scale for style in unseen]
    apart = [
        (latents[one] - latents[other]).abs().mean()
        for one, other in itertools.combinations(range(len(unseen)), 2)
        if letters.domain[unseen[one]] == letters.domain[unseen[other]]
        and letters.family[unseen[one]] != letters.family[unseen[other]]
    ]
    return Baseline(
        read=torch.stack(read).float().mean().item(), apart=torch.stack(apart).mean().item()
    )


EXPERIMENT = Experiment(
    module="lossbook.lab.translation.back",
    path=experiment.RECORD.with_name("back.json"),
    config=RECORDED,
    kind=Record,
    load=load_letters,
    files=files,
    run=run,
    try_rate=experiment.try_rate,
    baseline=baseline,
    rates=experiment.SWEEP,
    summary=experiment.EXPERIMENT.summary,
)

load_record = EXPERIMENT.load_record

if __name__ == "__main__":
    main(EXPERIMENT.module)
