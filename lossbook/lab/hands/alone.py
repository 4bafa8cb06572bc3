"""The 2D loss with no other term beside it, not even the prior.

The arm ``"2D only"`` of `lossbook.lab.hands.experiment` keeps the prior of the balanced weights.
All else is as there, with its rate::

    python -m lossbook.lab.hands.alone --record
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping

from lossbook.lab.hands import experiment
from lossbook.lab.hands.model import BALANCED, Arm
from lossbook.lab.run.command import main

__all__ = ["ARMS", "EXPERIMENT", "RECORDED", "load_record"]

ARMS: Mapping[str, Arm] = {
    "2D alone": Arm(dataclasses.replace(BALANCED, w_3d_joint=0.0, w_prior=0.0, w_aux=0.0))
}
"""One loss with one term."""

RECORDED = experiment.RECORDED.replace(arms=tuple(ARMS), shares=())
"""One arm on every fold, 5 runs."""

EXPERIMENT = dataclasses.replace(
    experiment.EXPERIMENT,
    module="lossbook.lab.hands.alone",
    path=experiment.RECORD.with_name("alone.json"),
    config=RECORDED,
    run=functools.partial(experiment.run, arms=ARMS),
    try_rate=functools.partial(experiment.try_rate, arms=ARMS),
)

load_record = EXPERIMENT.load_record

if __name__ == "__main__":
    main(EXPERIMENT.module)
