"""The norms of gradients from which the weights `lossbook.lab.hands.model.BALANCED` were chosen.

One short training under the weights from which we started, on the training clips of fold 0::

    python -m lossbook.lab.hands.balance --record
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping

from lossbook.hands import HandLossWeights
from lossbook.lab.hands import experiment
from lossbook.lab.hands.model import Arm
from lossbook.lab.run.command import main

__all__ = ["EXPERIMENT", "RECORDED", "START", "load_record"]

START: Mapping[str, Arm] = {
    "start": Arm(HandLossWeights(w_2d=1.0, w_3d_joint=1.0, w_3d_vert=0.0, w_prior=0.1, w_aux=1.0))
}
"""The first weights of 2D, 3D, prior and auxiliary loss; metres, and means over the batch."""

RECORDED = experiment.RECORDED.replace(
    arms=tuple(START), folds=(0,), steps=1500, shares=tuple(START)
)
"""One training that is scored and one whose gradients are measured."""

EXPERIMENT = dataclasses.replace(
    experiment.EXPERIMENT,
    module="lossbook.lab.hands.balance",
    path=experiment.RECORD.with_name("balance.json"),
    config=RECORDED,
    run=functools.partial(experiment.run, arms=START),
    try_rate=functools.partial(experiment.try_rate, arms=START),
    extras={"shares": functools.partial(experiment.gradient_shares, arms=START)},
)

load_record = EXPERIMENT.load_record

if __name__ == "__main__":
    main(EXPERIMENT.module)
