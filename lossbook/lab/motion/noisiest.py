"""Does noise leak because the same weights must let detail through where little noise is left?

Here they need not: training draws levels of noise above 0.9 only, so that at most 2.4 % of the
variance that the network gets is motion. All else is as for P in `lossbook.lab.motion.leaks`,
and the network is asked once, as there::

    python -m lossbook.lab.motion.noisiest --record
"""

from __future__ import annotations

import dataclasses
import functools

from lossbook.lab.motion import experiment, leaks
from lossbook.lab.motion.model import ARMS
from lossbook.lab.run.command import main

__all__ = ["ARM", "EXPERIMENT", "LEVEL", "load_record"]

LEVEL = 0.9
"""The lowest level of noise in training."""
ARM = "P, nearly all noise"

EXPERIMENT = dataclasses.replace(
    leaks.EXPERIMENT,
    module="lossbook.lab.motion.noisiest",
    path=experiment.RECORD.with_name("noisiest.json"),
    config=experiment.RECORDED.replace(arms=(ARM,), own_rates=(), lowest_level=LEVEL),
    run=functools.partial(leaks.run, loss=ARMS["P"]),
)

load_record = EXPERIMENT.load_record

if __name__ == "__main__":
    main(EXPERIMENT.module)
