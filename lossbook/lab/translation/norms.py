"""How long the gradients are, in a training of each kind: a curve that the note's log lacks.

These are trainings of `lossbook.lab.translation.experiment` once more, with two more curves in
their log: the length of the gradient of the discriminator's parameters, and of those of the other
three networks, the number that a clipping of gradients returns.

Record the evidence the chapter shows with::

    python -m lossbook.lab.translation.norms --record
"""

from __future__ import annotations

import dataclasses

from lossbook.lab.run.command import main
from lossbook.lab.translation import experiment
from lossbook.lab.translation.arms import KINDS

__all__ = ["EXPERIMENT", "RECORDED", "load_record"]

RECORDED = experiment.RECORDED.replace(arms=tuple(KINDS), folds=(0,))
"""An arm of each kind."""

EXPERIMENT = dataclasses.replace(
    experiment.EXPERIMENT,
    module="lossbook.lab.translation.norms",
    path=experiment.RECORD.with_name("norms.json"),
    config=RECORDED,
)

load_record = EXPERIMENT.load_record

if __name__ == "__main__":
    main(EXPERIMENT.module)
