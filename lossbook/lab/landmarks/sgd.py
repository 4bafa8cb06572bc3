"""The unit trap of Wing with plain gradient steps, which see the scale of a loss; Adam does not.

Wing on pixels and Wing on coordinates between 0 and 1 are trained with SGD, each at the best of
five rates; the trials say what the rate of one does to the other. All else is as in
`lossbook.lab.landmarks.experiment`::

    python -m lossbook.lab.landmarks.sgd --record
"""

from __future__ import annotations

import dataclasses

from lossbook.lab.landmarks import experiment
from lossbook.lab.run.command import main
from lossbook.lab.run.experiment import Sweep

__all__ = ["EXPERIMENT", "RECORDED", "load_record"]

SWEEP = Sweep(rates=(1e-5, 1e-4, 1e-3, 1e-2, 1e-1), folds=(0,), steps=600)

RECORDED = experiment.RECORDED.replace(
    arms=("Wing", "Wing [0,1]"),
    learning_rate=1e-4,
    own_rates=(("Wing [0,1]", 1e-3),),
    optimizer="sgd",
)
"""Two arms on every fold, ten runs."""

EXPERIMENT = dataclasses.replace(
    experiment.EXPERIMENT,
    module="lossbook.lab.landmarks.sgd",
    path=experiment.RECORD.with_name("sgd.json"),
    config=RECORDED,
    rates=SWEEP,
)

load_record = EXPERIMENT.load_record

if __name__ == "__main__":
    main(EXPERIMENT.module)
