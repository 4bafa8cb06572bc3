"""L2 on wrong labels at a quarter of its learning rate.

The rates of `lossbook.lab.landmarks.robust` were chosen on labels as they are. Where a tenth or
three tenths of the points are far off, is it the loss that fails, or its rate? All else is as
there::

    python -m lossbook.lab.landmarks.gentler --record
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping

from lossbook.lab.landmarks import experiment, robust
from lossbook.lab.landmarks.model import ARMS as LOSSES
from lossbook.lab.run.command import main

__all__ = ["ARMS", "EXPERIMENT", "RATE", "RECORDED", "load_record"]

RATE = 5e-4

ARMS: Mapping[str, str] = {
    f"L2, {taught}, {RATE}": taught for taught in ("10% by 0.8", "30% by 0.8")
}
"""By name, what is taught."""

RECORDED = robust.RECORDED.replace(arms=tuple(ARMS), learning_rate=RATE)
"""Two arms on every fold, ten runs."""

EXPERIMENT = dataclasses.replace(
    robust.EXPERIMENT,
    module="lossbook.lab.landmarks.gentler",
    path=robust.EXPERIMENT.path.with_name("gentler.json"),
    config=RECORDED,
    run=functools.partial(
        experiment.run,
        losses=dict.fromkeys(ARMS, LOSSES["L2"]),
        taught={arm: robust.TAUGHT[taught] for arm, taught in ARMS.items()},
    ),
)

load_record = EXPERIMENT.load_record

if __name__ == "__main__":
    main(EXPERIMENT.module)
