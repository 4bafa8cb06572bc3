"""Weights that fade, under an Adam that forgets sooner.

Adam divides a slope by its usual size, so a constant factor of the loss cancels. A factor that
falls during the training does not: the usual size is a mean over the past, with a beta2 of 0.999
over about 1000 steps, which is the whole training. With 0.95 it is a mean over about 20 steps. All
else, rates included, is as in the experiment, `lossbook.lab.landmarks.factors` and
`lossbook.lab.landmarks.paths`::

    python -m lossbook.lab.landmarks.memory --record
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping

from lossbook.lab.landmarks import experiment, factors, model, paths
from lossbook.lab.landmarks.model import ArmLoss
from lossbook.lab.run.command import main

__all__ = ["ARMS", "EXPERIMENT", "RECORDED", "load_record"]

ARMS: Mapping[str, ArmLoss] = {
    "L2": model.ARMS["L2"],
    "mean pose": paths.ARMS["mean pose"],
    "mean pose, apart": paths.ARMS["mean pose, apart"],
    "pose alone": factors.ARMS["pose alone"],
    "PFLD": model.ARMS["PFLD"],
}

RECORDED = experiment.RECORDED.replace(
    arms=tuple(ARMS), own_rates=(("PFLD", 1e-3),), optimizer="adam, short"
)
"""Five arms on every fold, 25 runs."""

EXPERIMENT = dataclasses.replace(
    experiment.EXPERIMENT,
    module="lossbook.lab.landmarks.memory",
    path=experiment.RECORD.with_name("memory.json"),
    config=RECORDED,
    run=functools.partial(experiment.run, losses=ARMS, prepared=paths.PREPARED),
)

load_record = EXPERIMENT.load_record

if __name__ == "__main__":
    main(EXPERIMENT.module)
