"""Four times the training for L2 and PFLD, whose points learn slowly: does it catch up?

All else, the learning rates too, is as in `lossbook.lab.landmarks.experiment`::

    python -m lossbook.lab.landmarks.longer --record
"""

from __future__ import annotations

import dataclasses

from lossbook.lab.landmarks import experiment
from lossbook.lab.run.command import main

__all__ = ["EXPERIMENT", "RECORDED", "load_record"]

RECORDED = experiment.RECORDED.replace(arms=("L2", "PFLD"), own_rates=(("PFLD", 1e-3),), steps=4000)
"""Two arms on every fold, ten runs."""

EXPERIMENT = dataclasses.replace(
    experiment.EXPERIMENT,
    module="lossbook.lab.landmarks.longer",
    path=experiment.RECORD.with_name("longer.json"),
    config=RECORDED,
)

load_record = EXPERIMENT.load_record

if __name__ == "__main__":
    main(EXPERIMENT.module)
