"""What a batch of 256 faces does to PFLD, whose attribute weights depend on the batch.

PFLD and L2 are trained for a quarter of the steps, with their rates of the experiment. All else is
as in `lossbook.lab.landmarks.experiment`::

    python -m lossbook.lab.landmarks.large_batches --record
"""

from __future__ import annotations

import dataclasses

from lossbook.lab.landmarks import experiment
from lossbook.lab.run.command import main

__all__ = ["EXPERIMENT", "RECORDED", "load_record"]

RECORDED = experiment.RECORDED.replace(
    arms=("L2", "PFLD"), own_rates=(("PFLD", 1e-3),), batch_size=256, steps=250
)
"""Two arms on every fold, ten runs."""

EXPERIMENT = dataclasses.replace(
    experiment.EXPERIMENT,
    module="lossbook.lab.landmarks.large_batches",
    path=experiment.RECORD.with_name("large_batches.json"),
    config=RECORDED,
)

load_record = EXPERIMENT.load_record

if __name__ == "__main__":
    main(EXPERIMENT.module)
