"""A heavier cycle: does it keep the letters, as the identity does?

In the record of `lossbook.lab.translation.experiment` the cycle's weight is 1 or 0; CycleGAN's is
10. Here is ``"steady"`` with that weight, in the same folds and from the same first weights.

Record the evidence the chapter shows with::

    python -m lossbook.lab.translation.cycle --record
"""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import torch

from lossbook.lab.run import records
from lossbook.lab.run.command import main
from lossbook.lab.run.experiment import Experiment
from lossbook.lab.run.records import Score
from lossbook.lab.translation import experiment, starts
from lossbook.lab.translation.arms import ARMS, Arm
from lossbook.lab.translation.experiment import Config, Result
from lossbook.lab.translation.letters import Letters, files, load_letters, split
from lossbook.lab.translation.training import Corpus, train

__all__ = ["CYCLES", "EXPERIMENT", "RECORDED", "Record", "baseline", "load_record", "run"]

CYCLES: dict[str, Arm] = {
    f"cycle times {weight}": dataclasses.replace(
        ARMS["steady"], generator={**ARMS["steady"].generator, "w_cyc": float(weight)}
    )
    for weight in (10, 2)
}
"""``"steady"`` with another weight of the cycle."""

RECORDED = experiment.RECORDED.replace(arms=("cycle times 10",))
"""CycleGAN's weight, in five folds."""


class Record(records.ScoredRecord[Config, Result, Score]):
    """The recorded experiment; the baseline is how far unseen letters of a domain lie apart.

    Its results have the scores of `lossbook.lab.translation.starts.probes`, too.
    """

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
        arm: name in `CYCLES`.
        fold: which families are held out; also the seed.
        config: see `Config`.
        letters: as `load_letters` gives them.
        device: where to train.
        progress: whether to show a progress bar.
    """
    shared = experiment.prepare(letters, split(letters, fold), fold, config.autoencoder_steps)
    found = train(
        CYCLES[arm],
        Corpus(shared.latents * shared.scale, letters.domain[shared.part.training]),
        steps=config.steps,
        seed=fold,
        settings=config,
        learning_rate=config.rate(arm),
        device=device,
        progress=progress,
        description=f"{arm}, fold {fold}",
    )
    columns, rows = experiment.scored(found, shared.scale, letters, shared)
    with torch.no_grad():
        probes = starts.probes(found, shared.scale, letters, shared)
    return Result(
        arm=arm,
        fold=fold,
        seconds=found.seconds,
        units=columns,
        scores=experiment.means(columns) | probes,
        log={name: tuple(values) for name, values in found.log.items()},
        shown=experiment.shown_grid(rows) if fold in experiment.SHOWN_FOLDS else "",
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
    module="lossbook.lab.translation.cycle",
    path=experiment.RECORD.with_name("cycle.json"),
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
