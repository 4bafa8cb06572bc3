"""What the unit costs when nearly all hands of a batch have 3D labels.

All else is as in `lossbook.lab.hands.experiment`, with its rates, but the trainings are a third as
long. An arm there is trained with its mixture, half made and half real hands, and twice more with
made hands only but for one real hand a batch: as ``"..., labelled"`` all made hands have their
labels, and as ``"..., masked"``, its control, the labels in space are taken from all but 64. Where
3D is a sum, 127 labels also weigh twice as much as 64 beside 2D; as ``"..., same ratio"`` all made
hands have their labels, and 3D a weight that takes that back. All are scored on held-out hands of
both kinds::

    python -m lossbook.lab.hands.labelled --record
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar

import torch

from lossbook.hands.metrics import mpjpe
from lossbook.lab.hands import experiment
from lossbook.lab.hands.data import Hands, load_hands, split_by_clip
from lossbook.lab.hands.experiment import Config
from lossbook.lab.hands.kinematics import Hand
from lossbook.lab.hands.model import (
    ARMS,
    MILLIMETRES,
    Arm,
    Batch,
    Lifted,
    errors_2d,
    evaluate,
    make_scene,
    predict,
    train,
)
from lossbook.lab.run import records
from lossbook.lab.run.command import main
from lossbook.lab.run.experiment import Experiment
from lossbook.lab.run.records import Score
from lossbook.terms import LossTerms

__all__ = [
    "EXPERIMENT",
    "LABELLED",
    "MASKED",
    "RECORDED",
    "SAME_RATIO",
    "Baseline",
    "Record",
    "Result",
    "baseline",
    "load_record",
    "mixture",
    "run",
    "try_rate",
]

LABELLED = ", labelled"
"""What the name of an arm ends with whose hands nearly all have 3D labels."""

MASKED = ", masked"
"""What the name of an arm ends with that sees the same hands, half of them without such labels."""

SAME_RATIO = ", same ratio"
"""The same as `LABELLED`, with the ratio of 2D to 3D that 64 labels have; for losses that sum."""

RECORDED = experiment.RECORDED.replace(
    arms=(
        *(
            loss + ending
            for ending in (LABELLED, "", MASKED)
            for loss in ("code, mm", "code, m", "balanced")
        ),
        *(loss + SAME_RATIO for loss in ("code, mm", "code, m")),
    ),
    steps=1000,
    shares=(),
)
"""Three losses with each mixture on every fold, and the two sums with the same ratio, 55 runs."""


class Result(experiment.Result):
    """As in the main experiment, with the 2D errors on made hands as well.

    Attributes:
        made_error_2d: as ``error_2d``, on the made hands that ``mpjpe`` is measured on.
        made_error_2d_occluded: as ``error_2d_occluded``, on the same.
    """

    made_error_2d: Score
    made_error_2d_occluded: Score


class Baseline(experiment.Baseline):
    """As in the main experiment, with two more.

    Attributes:
        zero_mpjpe: of always answering the hand whose pose and shape are all 0.
        made_error_2d: of the detection itself, all points of made hands.
    """

    zero_mpjpe: Score
    made_error_2d: Score


@dataclass(frozen=True)
class _Masked(Arm):
    """A loss that sees the labels in space, of pose and of shape of a batch's first hands only.

    Attributes:
        known: how many hands keep them.
    """

    known: int = 0

    def __call__(self, lifted: Lifted, batch: Batch) -> LossTerms:
        """Compute the loss."""
        kept = {name: getattr(batch, name)[: self.known] for name in ("joints", "pose", "shape")}
        return super().__call__(lifted, batch._replace(**kept))


def mixture(arm: str, config: Config) -> tuple[Arm, Config]:
    """Say which loss an arm has, and what its batches are made of.

    Args:
        arm: a name in `ARMS`, with `LABELLED`, `MASKED` or `SAME_RATIO` after it or not.
        config: of the record.
    """
    name = arm.removesuffix(LABELLED).removesuffix(MASKED).removesuffix(SAME_RATIO)
    loss = ARMS[name]
    if name == arm:
        return loss, config
    every = config.synthetic + config.real
    mixed = config.replace(synthetic=every - 1, real=1)
    if arm.endswith(LABELLED):
        return loss, mixed
    if arm.endswith(SAME_RATIO):
        lighter = loss.weights.w_3d_joint * config.synthetic / mixed.synthetic
        return replace(loss, weights=replace(loss.weights, w_3d_joint=lighter)), mixed
    same = {field.name: getattr(loss, field.name) for field in fields(loss)}
    return _Masked(**same, known=config.synthetic), mixed


def run(
    arm: str,
    fold: int,
    config: Config,
    hands: Hands,
    *,
    device: torch.device | str = "cpu",
    progress: bool = True,
) -> Result:
    """Train one arm on all folds but one and score it on that one.

    Args:
        arm: see `mixture`.
        fold: which clips are held out; also the seed.
        config: of the record.
        hands: as `load_hands` gives them.
        device: where to train.
        progress: whether to show a progress bar.
    """
    loss, mixed = mixture(arm, config)
    training, test = split_by_clip(hands, fold)
    model, history = train(
        loss,
        hands,
        training,
        seed=fold,
        settings=mixed,
        learning_rate=config.rate(arm),
        device=device,
        progress=progress,
        description=f"{arm}, fold {fold}",
    )
    scene = make_scene(hands, test, 1000 + fold, config)
    found = predict(model, scene.made_detected).keypoints
    of_made = errors_2d(found, scene.made.keypoints, scene.made_detected)
    return Result(
        arm=arm,
        fold=fold,
        seconds=history.seconds,
        units={},
        terms={
            name: statistics.fmean(history.log[name][-100:])
            for name in history.log
            if name not in ("total", "learning_rate")
        },
        made_error_2d=of_made[0],
        made_error_2d_occluded=of_made[1],
        **evaluate(model, scene),
    )


def try_rate(
    arm: str,
    rate: float,
    fold: int,
    config: Config,
    hands: Hands,
    *,
    device: torch.device | str = "cpu",
) -> dict[str, float]:
    """Try a learning rate, as the main experiment does, with the arm's own mixture.

    Args:
        arm: see `mixture`.
        rate: to try.
        fold: whose training part is parted again.
        config: of the trial.
        hands: as `load_hands` gives them.
        device: where to train.
    """
    loss, mixed = mixture(arm, config)
    return experiment.try_rate(arm, rate, fold, mixed, hands, arms={arm: loss}, device=device)


def baseline(fold: int, hands: Hands, config: Config = RECORDED) -> Baseline:
    """Score two constant hands in 3D and the bare detection in 2D.

    Args:
        fold: see `run`.
        hands: as `load_hands` gives them.
        config: for the number of synthetic test hands.
    """
    known = experiment.baseline(fold, hands, config)
    scene = make_scene(hands, split_by_clip(hands, fold)[1], 1000 + fold, config)
    zero = Hand()(torch.zeros(1, 48), torch.zeros(1, 10)).expand_as(scene.made.joints)
    detected = scene.made_detected
    return Baseline(
        **dict(known),
        zero_mpjpe=MILLIMETRES * mpjpe(zero, scene.made.joints).mean().item(),
        made_error_2d=errors_2d(detected[..., :2], scene.made.keypoints, detected)[0],
    )


def _summary(scores: Mapping[str, Any]) -> str:
    made = scores.get("made_error_2d")  # a trial has none
    return f"MPJPE {scores['mpjpe']:.1f} mm  2D of real hands {scores['error_2d']:.2%}" + (
        "" if made is None else f", of made ones {made:.2%}"
    )


class Record(records.Record[Config, Result, Baseline]):
    """The recorded experiment."""

    headline: ClassVar[str] = "made_error_2d"


EXPERIMENT = Experiment(
    module="lossbook.lab.hands.labelled",
    path=experiment.RECORD.with_name("labelled.json"),
    config=RECORDED,
    kind=Record,
    load=load_hands,
    files=experiment.EXPERIMENT.files,
    run=run,
    try_rate=try_rate,
    baseline=baseline,
    rates=experiment.SWEEP,
    summary=_summary,
)

load_record = EXPERIMENT.load_record

if __name__ == "__main__":
    main(EXPERIMENT.module)
