"""How three losses do on hands of sign languages, cameras and people that training has not seen.

All else is as in `lossbook.lab.hands.experiment`, with its rates::

    python -m lossbook.lab.hands.languages --record
"""

from __future__ import annotations

import dataclasses
import functools

from lossbook.lab.hands import experiment
from lossbook.lab.hands.clips import split_by_language
from lossbook.lab.run.command import main

__all__ = ["EXPERIMENT", "RECORDED", "load_record"]

RECORDED = experiment.RECORDED.replace(arms=("balanced", "code, mm", "code, m"), shares=())
"""Three arms on every fold, 15 runs."""

EXPERIMENT = dataclasses.replace(
    experiment.EXPERIMENT,
    module="lossbook.lab.hands.languages",
    path=experiment.RECORD.with_name("languages.json"),
    config=RECORDED,
    run=functools.partial(experiment.run, split=split_by_language),
    baseline=functools.partial(experiment.baseline, split=split_by_language),
)

load_record = EXPERIMENT.load_record

if __name__ == "__main__":
    main(EXPERIMENT.module)
