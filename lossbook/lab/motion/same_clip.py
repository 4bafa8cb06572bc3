"""One clip as every arm makes it, for the reader's eye.

The networks are those of the first fold of `lossbook.lab.motion.experiment`, trained again, since
its record keeps their scores and not their motion::

    python -m lossbook.lab.motion.same_clip --record
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch

from lossbook.lab.motion import experiment
from lossbook.lab.motion.experiment import Baseline, Config, Motions
from lossbook.lab.motion.model import AFTERWARDS, generate, score
from lossbook.lab.motion.windows import angles
from lossbook.lab.run import records
from lossbook.lab.run.command import main
from lossbook.lab.run.experiment import Experiment
from lossbook.lab.run.records import Number, Score

__all__ = ["CLIP", "EXPERIMENT", "Record", "Result", "load_record", "run"]

CLIP = 60
"""Its place among the test clips of the fold. Of these, its fall of the head's jerk from P to P+V+A
is the median, so that it shows what V and A usually do."""


class Result(records.Result):
    """The clip as one network makes it.

    Attributes:
        head_error: as in the experiment's scores of this clip.
        head_jitter: likewise.
        euler: pitch, yaw and roll in each frame, in degrees.
    """

    head_error: Score
    head_jitter: Score
    euler: tuple[tuple[Number, ...], ...]


class Record(records.Record[Config, Result, Baseline]):
    """The recorded clips."""

    headline: ClassVar[str] = "head_error"


def run(
    arm: str,
    fold: int,
    config: Config,
    motions: Motions,
    *,
    device: torch.device | str = "cpu",
    progress: bool = True,
) -> Result:
    """Train one arm as in the experiment, and keep the clip.

    Args:
        arm: name in `ARMS`.
        fold: which languages are held out; also the seed.
        config: see `Config`.
        motions: as `load_motions` gives them.
        device: where to train.
        progress: whether to show a progress bar.
    """
    net, history, part = experiment.trained(
        arm, fold, config, motions, device=device, progress=progress
    )
    made = generate(net, part.test, calls=config.calls)
    if arm in AFTERWARDS:
        made = AFTERWARDS[arm](made)
    head = score(made, part.test, part.norm, fps=motions.heads.fps).head
    return Result(
        arm=arm,
        fold=fold,
        seconds=history.seconds,
        head_error=head.position_error[CLIP].item(),
        head_jitter=head.jitter[CLIP].item(),
        euler=tuple(map(tuple, angles(part.norm.undo(made[CLIP])).tolist())),
    )


def _summary(found: Mapping[str, Any]) -> str:
    return f"head {found['head_error']:.3f}°, jitter {found['head_jitter']:.0f}"


EXPERIMENT = Experiment(
    module="lossbook.lab.motion.same_clip",
    path=experiment.RECORD.with_name("same_clip.json"),
    config=experiment.RECORDED.replace(folds=(0,)),
    kind=Record,
    load=experiment.load_motions,
    files=experiment.EXPERIMENT.files,
    run=run,
    try_rate=experiment.try_rate,
    baseline=experiment.baseline,
    rates=experiment.SWEEP,
    summary=_summary,
)

load_record = EXPERIMENT.load_record

if __name__ == "__main__":
    main(EXPERIMENT.module)
