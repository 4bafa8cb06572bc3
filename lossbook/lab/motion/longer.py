"""The chapter's experiment with four times the training, for the two arms it compares most.

Whether P and P+V+A come together when the network has more time is asked here. All else, the
learning rate too, is as in `lossbook.lab.motion.experiment`::

    python -m lossbook.lab.motion.longer --record
"""

from __future__ import annotations

import dataclasses

from lossbook.lab.motion import experiment
from lossbook.lab.run.command import main

__all__ = ["EXPERIMENT", "load_record"]

EXPERIMENT = dataclasses.replace(
    experiment.EXPERIMENT,
    module="lossbook.lab.motion.longer",
    path=experiment.RECORD.with_name("longer.json"),
    config=experiment.RECORDED.replace(
        arms=("P", "P+V+A"), own_rates=(), steps=4 * experiment.RECORDED.steps
    ),
)

load_record = EXPERIMENT.load_record

if __name__ == "__main__":
    main(EXPERIMENT.module)
