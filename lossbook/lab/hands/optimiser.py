"""What the unit costs when the network is trained with UTNet's optimiser.

UTNet decays the weights (AdamW) and clips the gradient's norm to 1 before each step. The four arms
in its weights are trained so; all else is as in `lossbook.lab.hands.experiment`, with its rate and
its schedule::

    python -m lossbook.lab.hands.optimiser --record
"""

from __future__ import annotations

import functools
import statistics
from collections.abc import Mapping
from typing import Any, ClassVar

import torch

from lossbook.lab.hands import experiment
from lossbook.lab.hands.data import Hands, load_hands, split_by_clip
from lossbook.lab.hands.experiment import Baseline
from lossbook.lab.hands.lifter import Lifter
from lossbook.lab.hands.model import ARMS as LOSSES
from lossbook.lab.hands.model import Arm, batches, evaluate, make_scene, predict
from lossbook.lab.run import records
from lossbook.lab.run.command import main
from lossbook.lab.run.devices import threads
from lossbook.lab.run.experiment import Experiment
from lossbook.lab.run.records import ScoredResult
from lossbook.lab.run.training import fit, seed_everything

__all__ = ["ARMS", "EXPERIMENT", "RECORDED", "Config", "Record", "load_record", "run"]

ARMS: Mapping[str, Arm] = {
    name: LOSSES[name] for name in ("code, mm", "code, m", "config, mm", "config, m")
}
"""The loss of each arm."""


class Config(experiment.Config):
    """As in the main experiment, with the two numbers that UTNet's training has besides.

    Attributes:
        weight_decay: decoupled, of all parameters; its configuration file says 0.0001.
        clip_norm: the largest norm of the gradient over all parameters; its code says 1.
    """

    weight_decay: float = 1e-4
    clip_norm: float = 1.0


RECORDED = Config(arms=tuple(ARMS), folds=(0, 1, 2, 3, 4), own_rates=(), shares=())
"""Four arms on every fold, 20 runs."""


def run(
    arm: str,
    fold: int,
    config: Config,
    hands: Hands,
    *,
    device: torch.device | str = "cpu",
    progress: bool = True,
) -> ScoredResult:
    """Train one arm on all folds but one and score it on that one.

    Args:
        arm: a name in `ARMS`.
        fold: which clips are held out; also the seed.
        config: see `Config`.
        hands: as `load_hands` gives them.
        device: where to train.
        progress: whether to show a progress bar.

    Returns:
        The numbers of `evaluate`; ``"clipped"``, the share of the steps whose gradient was longer
        than ``config.clip_norm``; and ``"norm"``, the median length before it was clipped. In its
        ``units`` ``"error_2d"`` of each clip.
    """
    training, test = split_by_clip(hands, fold)
    seed_everything(fold)
    model = Lifter()
    with threads(1):
        history = fit(
            model,
            lambda net, batch: ARMS[arm](net(batch.detected), batch),
            batches(hands, training, fold, config),
            steps=config.steps,
            learning_rate=config.rate(arm),
            weight_decay=config.weight_decay,
            clip_norm=config.clip_norm,
            schedule="one_cycle",
            device=device,
            progress=progress,
            description=f"{arm}, fold {fold}",
        )
    norms = history.log["grad_norm"]
    scene = make_scene(hands, test, 1000 + fold, config)
    off = (predict(model, scene.real_detected).keypoints - scene.real).norm(dim=-1).mean(1)
    clips = hands.clip[test]
    scores = {
        **evaluate(model, scene),
        "clipped": statistics.fmean(float(norm > config.clip_norm) for norm in norms),
        "norm": statistics.median(norms),
    }
    return ScoredResult(
        arm=arm,
        fold=fold,
        seconds=history.seconds,
        units={"error_2d": tuple(off[clips == one].mean().item() for one in torch.unique(clips))},
        scores=scores,
    )


def _summary(scores: Mapping[str, Any]) -> str:
    found = scores.get("scores", scores)
    return (
        f"MPJPE {found['mpjpe']:.1f} mm  PA {found['pa_mpjpe']:.1f}  2D {found['error_2d']:.2%}  "
        f"{found.get('clipped', 0):.0%} of the steps clipped"
    )


class Record(records.ScoredRecord[Config, ScoredResult, Baseline]):
    """The recorded experiment."""

    headline: ClassVar[str] = "mpjpe"


EXPERIMENT = Experiment(
    module="lossbook.lab.hands.optimiser",
    path=experiment.RECORD.with_name("optimiser.json"),
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
