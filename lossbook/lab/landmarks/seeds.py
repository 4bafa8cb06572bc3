"""The losses once more, from other first weights and on other crops.

Each loss of `lossbook.lab.landmarks.experiment` has one training for each group of people that is
held out, so a difference of two losses may be a matter of the seed. Here is a second one, with all
else as there; PFLD's is in `lossbook.lab.landmarks.watched`::

    python -m lossbook.lab.landmarks.seeds --record
"""

from __future__ import annotations

import dataclasses
from typing import Any

from lossbook.lab.landmarks import experiment
from lossbook.lab.landmarks.data import Faces
from lossbook.lab.landmarks.experiment import Config, Result
from lossbook.lab.run.command import main

__all__ = ["ADDED", "EXPERIMENT", "RECORDED", "load_record", "run"]

ADDED = 100
"""To a fold's number, which is the first seed."""


def run(arm: str, fold: int, config: Config, faces: Faces, **how: Any) -> Result:
    """Train as the experiment does, with another seed.

    Args:
        arm: see `lossbook.lab.landmarks.experiment.run`.
        fold: which people are held out.
        config: see there.
        faces: see there.
        how: see there.
    """
    return experiment.run(arm, fold, config, faces, seed=fold + ADDED, **how)


RECORDED = experiment.RECORDED.replace(arms=("L2", "L1", "SmoothL1", "Wing"))
"""Four arms on every fold, 20 runs."""

EXPERIMENT = dataclasses.replace(
    experiment.EXPERIMENT,
    module="lossbook.lab.landmarks.seeds",
    path=experiment.RECORD.with_name("seeds.json"),
    config=RECORDED,
    run=run,
)

load_record = EXPERIMENT.load_record

if __name__ == "__main__":
    main(EXPERIMENT.module)
