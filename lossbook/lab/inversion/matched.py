"""Raw L2 once more, with a λ that makes it pull along the cosine as hard as normalised L2 does.

In `lossbook.lab.inversion.experiment` both have the same λ. As SFace's templates are about 12 long,
raw L2 then pulls about 156 times as hard along the cosine, and nobody could tell the length of the
features from too large a weight.

Record the evidence the chapter shows with::

    python -m lossbook.lab.inversion.matched --record
"""

from __future__ import annotations

import dataclasses

from lossbook.lab.inversion import experiment
from lossbook.lab.inversion.arms import MATCHED
from lossbook.lab.run.command import main

__all__ = ["EXPERIMENT", "RECORDED", "load_record"]

RECORDED = experiment.RECORDED.replace(arms=tuple(MATCHED))
"""All four folds."""

EXPERIMENT = dataclasses.replace(
    experiment.EXPERIMENT,
    module="lossbook.lab.inversion.matched",
    path=experiment.RECORD.with_name("matched.json"),
    config=RECORDED,
)

load_record = EXPERIMENT.load_record

if __name__ == "__main__":
    main(EXPERIMENT.module)
