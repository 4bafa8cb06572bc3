"""What the shape prior prevents: hands known by heart, and shapes that nobody has.

The balanced loss with its prior and without it, once with all training clips and once with
`CLIPS` of them, so few that the network learns them by heart. A network is scored on the real hands
that it was trained on, newly detected, as well as on held-out ones. The trainings are a third as
long as those of `lossbook.lab.hands.experiment`; all else is as there, with its rate::

    python -m lossbook.lab.hands.prior --record
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from jaxtyping import Int64
from torch import Tensor

from lossbook.lab.hands import experiment
from lossbook.lab.hands.data import Hands, load_hands, split_by_clip
from lossbook.lab.hands.experiment import Baseline, Config
from lossbook.lab.hands.model import ARMS as LOSSES
from lossbook.lab.hands.model import Arm, evaluate, make_scene, predict, train
from lossbook.lab.run import records
from lossbook.lab.run.command import main
from lossbook.lab.run.experiment import Experiment
from lossbook.lab.run.records import ScoredResult
from lossbook.lab.run.splits import hold_out, shuffled_groups

__all__ = ["ARMS", "CLIPS", "EXPERIMENT", "FEW", "RECORDED", "Record", "load_record", "run", "some"]

FEW = ", few clips"
"""What the name of an arm ends with that is trained on the real hands of `CLIPS` clips."""

CLIPS = 20
"""How many those are, of about 440."""

ARMS: Mapping[str, Arm] = {
    name + ending: LOSSES[name] for ending in ("", FEW) for name in ("balanced", "no prior")
}
"""The loss of each arm."""

RECORDED = experiment.RECORDED.replace(arms=tuple(ARMS), steps=1000, shares=())
"""Four arms on every fold, 20 runs."""


def some(hands: Hands, fold: int) -> Int64[Tensor, " n"]:
    """Take the real hands of a few training clips.

    Args:
        hands: as `load_hands` gives them.
        fold: whose clips are left out; also the seed.
    """
    training, _ = split_by_clip(hands, fold)
    clips = shuffled_groups(hands.clip[training], fold)
    return training[hold_out(hands.clip[training], clips[:CLIPS])[1]]


def run(
    arm: str,
    fold: int,
    config: Config,
    hands: Hands,
    *,
    device: torch.device | str = "cpu",
    progress: bool = True,
) -> ScoredResult:
    """Train one arm and score it on training clips and on held-out ones.

    Args:
        arm: a name in `ARMS`.
        fold: which clips are held out; also the seed.
        config: of the record.
        hands: as `load_hands` gives them.
        device: where to train.
        progress: whether to show a progress bar.

    Returns:
        The numbers of `evaluate`; ``"training_2d"``, which is ``"error_2d"`` on the real hands of
        the training; and of the held-out real hands ``"largest_shape"``, the largest mean square of
        a hand's shape.
    """
    training, test = split_by_clip(hands, fold)
    if arm.endswith(FEW):
        training = some(hands, fold)
    model, history = train(
        ARMS[arm],
        hands,
        training,
        seed=fold,
        settings=config,
        learning_rate=config.rate(arm),
        device=device,
        progress=progress,
        description=f"{arm}, fold {fold}",
    )
    scene = make_scene(hands, test, 1000 + fold, config)
    shapes = predict(model, scene.real_detected).shape
    known = make_scene(hands, training, 3000 + fold, config)
    scores = {
        **evaluate(model, scene),
        "training_2d": evaluate(model, known)["error_2d"],
        "largest_shape": shapes.square().mean(1).max().item(),
    }
    return ScoredResult(arm=arm, fold=fold, seconds=history.seconds, scores=scores)


def _summary(scores: Mapping[str, Any]) -> str:
    found = scores.get("scores", scores)
    return (
        f"2D {found['error_2d']:.2%} of held-out hands, {found.get('training_2d', 0):.2%} of those "
        f"of the training; largest shape {found.get('largest_shape', 0):.2f}"
    )


class Record(records.ScoredRecord[Config, ScoredResult, Baseline]):
    """The recorded experiment."""

    headline: ClassVar[str] = "error_2d"


EXPERIMENT = Experiment(
    module="lossbook.lab.hands.prior",
    path=experiment.RECORD.with_name("prior.json"),
    config=RECORDED,
    kind=Record,
    load=load_hands,
    files=experiment.EXPERIMENT.files,
    run=run,
    try_rate=functools.partial(experiment.try_rate, arms=ARMS),
    baseline=experiment.baseline,
    rates=experiment.SWEEP,
    summary=_summary,
)

load_record = EXPERIMENT.load_record

if __name__ == "__main__":
    main(EXPERIMENT.module)
