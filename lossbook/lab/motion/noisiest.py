"""Does noise leak because the same weights must let detail through where little noise is left?

Here they need not: P counts only where the level of noise is above 0.9, so that at most 2.4 % of
the variance that the network gets is motion. All else is as for P in `lossbook.lab.motion.leaks`,
and the network is asked once, as there::

    python -m lossbook.lab.motion.noisiest --record
"""

from __future__ import annotations

import dataclasses
import functools

from torch import Tensor

from lossbook.lab.motion import experiment, leaks
from lossbook.lab.motion.model import Batch
from lossbook.lab.run.command import main
from lossbook.motion import MotionLoss
from lossbook.terms import LossTerms

__all__ = ["ARM", "EXPERIMENT", "LEVEL", "load_record", "loss"]

LEVEL = 0.9
"""The level of noise above which P counts."""
ARM = "P, nearly all noise"

_P = MotionLoss(use_last_frame_loss=False, weights={"P": 1.0, "V": 0.0, "A": 0.0})


def loss(found: Tensor, batch: Batch) -> LossTerms:
    """P of the windows of a batch that are nearly all noise.

    Args:
        found: what the network answers.
        batch: what it was given.
    """
    terms: LossTerms = _P(found, batch.motion, weight=batch.level > LEVEL)
    return terms


EXPERIMENT = dataclasses.replace(
    leaks.EXPERIMENT,
    module="lossbook.lab.motion.noisiest",
    path=experiment.RECORD.with_name("noisiest.json"),
    config=experiment.RECORDED.replace(arms=(ARM,), own_rates=()),
    run=functools.partial(leaks.run, loss=loss),
)

load_record = EXPERIMENT.load_record

if __name__ == "__main__":
    main(EXPERIMENT.module)
