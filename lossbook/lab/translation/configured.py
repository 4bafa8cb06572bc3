"""The note as its own code configures it: does the cycle keep the content there?

The arms of `lossbook.lab.translation.experiment` are the note's losses with one thing changed at a
time. Here all that the code's configuration says of the losses is as it is there, and the batches
are drawn as there; see `lossbook.lab.translation.arms.CONFIGURED`. What stays ours are letters,
networks, batch size, learning rate, and the number of steps, in epochs of 40: the fall of the
diversity's weight over 20 epochs would not end in epochs of 96. Folds, and the first weights of
each, are those of the experiment.

Record the evidence the chapter shows with::

    python -m lossbook.lab.translation.configured --record
"""

from __future__ import annotations

from typing import ClassVar

import torch

from lossbook.lab.run import records
from lossbook.lab.run.command import main
from lossbook.lab.run.experiment import Experiment
from lossbook.lab.run.records import Score
from lossbook.lab.translation import experiment, starts
from lossbook.lab.translation.arms import CONFIGURED
from lossbook.lab.translation.experiment import Config
from lossbook.lab.translation.letters import Letters, files, load_letters, split

__all__ = ["EXPERIMENT", "RECORDED", "Record", "Result", "baseline", "load_record", "run"]

RECORDED = experiment.RECORDED.replace(arms=tuple(CONFIGURED))
"""With identity, as configured, and without."""


class Result(experiment.Result):
    """What one training came to.

    Attributes:
        scores: also those of `lossbook.lab.translation.starts.Result`.
        read: as there.
    """

    read: tuple[str, str]


class Record(records.ScoredRecord[Config, Result, Score]):
    """The recorded experiment; the baseline is how far unseen letters of a domain lie apart."""

    headline: ClassVar[str] = "content"


def run(
    arm: str,
    fold: int,
    config: Config,
    letters: Letters,
    *,
    device: torch.device | str = "cpu",
    progress: bool = True,
) -> Result:
    """Train one arm on the families of a fold, and score it on the others.

    Args:
        arm: name in `lossbook.lab.translation.arms.CONFIGURED`.
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
    columns, rows = experiment.scored(found, scale, letters, shared)
    with torch.no_grad():
        probes = starts.probes(found, scale, letters, shared)
        made = starts.by_reference(found, scale, letters, shared)
        read = starts.read_as(made, letters, shared)
    return Result(
        arm=arm,
        fold=fold,
        seconds=found.seconds,
        units=columns,
        scores=experiment.means(columns) | probes,
        log={name: tuple(values) for name, values in found.log.items()},
        shown=experiment.shown_grid(rows) if fold in experiment.SHOWN_FOLDS else "",
        read=read,
    )


def baseline(fold: int, letters: Letters, config: Config = RECORDED) -> float:
    """How far unseen letters of one domain lie apart that were drawn independently.

    Args:
        fold: see `run`; also of the draws.
        letters: as `load_letters` gives them.
        config: of the autoencoder.

    Returns:
        The mean absolute difference of their scaled latents.
    """
    shared = experiment.prepare(letters, split(letters, fold), fold, config.autoencoder_steps)
    return starts.apart(shared, letters, fold)


EXPERIMENT = Experiment(
    module="lossbook.lab.translation.configured",
    path=experiment.RECORD.with_name("configured.json"),
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
