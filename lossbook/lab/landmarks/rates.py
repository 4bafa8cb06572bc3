"""Controls for two learning rates, beside those of `lossbook.lab.landmarks.controls`.

Attributes that are shuffled once were recorded with half the rate of L2, the loss that they are
compared with. Here each is trained with the rate of the other; all else is as there::

    python -m lossbook.lab.landmarks.rates --record
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping

from lossbook.lab.landmarks import controls, experiment, model
from lossbook.lab.landmarks.experiment import Teach
from lossbook.lab.landmarks.model import ArmLoss
from lossbook.lab.run.command import main

__all__ = ["ARMS", "EXPERIMENT", "RECORDED", "load_record"]

SHUFFLED = "attributes, shuffled once"

ARMS: Mapping[str, ArmLoss] = {
    "L2, 0.001": model.ARMS["L2"],
    f"{SHUFFLED}, 0.002": controls.ARMS[SHUFFLED],
}
TAUGHT: Mapping[str, Teach] = {f"{SHUFFLED}, 0.002": controls.TAUGHT[SHUFFLED]}

RECORDED = experiment.RECORDED.replace(
    arms=tuple(ARMS), learning_rate=2e-3, own_rates=(("L2, 0.001", 1e-3),)
)
"""Two arms on every fold, ten runs."""

EXPERIMENT = dataclasses.replace(
    experiment.EXPERIMENT,
    module="lossbook.lab.landmarks.rates",
    path=experiment.RECORD.with_name("rates.json"),
    config=RECORDED,
    run=functools.partial(experiment.run, losses=ARMS, taught=TAUGHT),
    try_rate=functools.partial(experiment.try_rate, losses=ARMS),
)

load_record = EXPERIMENT.load_record

if __name__ == "__main__":
    main(EXPERIMENT.module)
