"""The chapter's experiment: the same two-stage network trained with many losses.

Every arm trains the same network, from the same initial weights, on the same stream of batches,
with Adam; only the loss differs. Network and arms are those of `lossbook.lab.hands.model`.

Record the evidence the chapter shows with::

    python -m lossbook.lab.hands.experiment --record
"""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from jaxtyping import Int64
from pydantic import model_validator
from torch import Tensor

from lossbook.hands.metrics import mpjpe, pa_mpjpe
from lossbook.lab.hands.clips import FILE
from lossbook.lab.hands.data import Hands, load_hands, split_by_clip, synthetic
from lossbook.lab.hands.kinematics import Hand
from lossbook.lab.hands.model import (
    ARMS,
    MILLIMETRES,
    Arm,
    Batch,
    Lifted,
    Lifter,
    Scene,
    Settings,
    errors_2d,
    evaluate,
    make_scene,
    predict,
    train,
)
from lossbook.lab.run import records
from lossbook.lab.run.command import main
from lossbook.lab.run.experiment import Experiment, Sweep
from lossbook.lab.run.records import Digits, Model, Score
from lossbook.lab.run.splits import hold_out, shuffled_groups
from lossbook.lab.run.training import seed_everything
from lossbook.terms import LossTerms

__all__ = [
    "EXPERIMENT",
    "LIVE",
    "RECORDED",
    "Baseline",
    "Config",
    "GradientShares",
    "Record",
    "Result",
    "Split",
    "baseline",
    "gradient_shares",
    "load_record",
    "run",
    "try_rate",
]

Split = Callable[[Hands, int], tuple[Int64[Tensor, " train"], Int64[Tensor, " test"]]]

RECORD = Path(__file__).with_name("data") / "record.json"


class Config(Settings, records.Config):
    """Everything that decides the outcome of the experiment, beside the code and the device.

    Attributes:
        arms: names in `ARMS`.
        folds: parts of `split_by_clip` that are held out in turn. A fold's number is also the seed
            of its initial weights, of its stream of batches and of its synthetic test hands.
        own_rates: arms and the rate they have instead.
        shares: arms whose gradients are measured in the first fold, see `gradient_shares`.
    """

    which: ClassVar[frozenset[str]] = records.Config.which | {"shares"}

    shares: tuple[str, ...] = ()


RECORDED = Config(
    arms=tuple(ARMS),
    folds=(0, 1, 2, 3, 4),
    own_rates=(),
    shares=("balanced", "code, mm", "config, mm", "code, m", "pose prior", "rotations"),
)
"""The evidence: every arm on every fold, 125 runs."""

LIVE = RECORDED.replace(arms=("code, m", "code, mm"), folds=(0,), steps=800, shares=())
"""What the chapter's cells run: about 20 seconds on one CPU core.

Call ``torch.set_num_threads(1)`` first: the network is small, and on a busy machine two threads
that wait for each other were seen to take forty times as long as one.
"""


class Result(records.Result):
    """How one trained network did on hands it had never seen.

    3D errors are millimetres, on synthetic hands. 2D errors are distances in sides of the crop
    (0.01 is 1 % of it), on real hands, against their clean keypoints.

    Attributes:
        arm: name in `ARMS`.
        fold: which clips were held out; also the seed.
        seconds: of training.
        units: ``"error_2d"``: the mean of each test clip, in the order of their numbers.
        terms: each term of the loss, without its weight, over the last hundred steps of training.
        mpjpe: mean distance of joints, both wrists put together.
        pa_mpjpe: the same after the best similarity transform.
        coarse_mpjpe: of the first stage.
        coarse_pa_mpjpe: of the first stage.
        error_2d: over all points.
        error_2d_occluded: over the points that were occluded in what the network saw.
        coarse_error_2d: of the first stage.
        coarse_error_2d_occluded: of the first stage.
        shape_rms: root mean square of the shape coefficients given to real hands; 1 among people.
    """

    mpjpe: Score
    pa_mpjpe: Score
    coarse_mpjpe: Score
    coarse_pa_mpjpe: Score
    error_2d: Score
    error_2d_occluded: Score
    coarse_error_2d: Score
    coarse_error_2d_occluded: Score
    shape_rms: Score
    terms: Mapping[str, Digits]


def run(
    arm: str,
    fold: int,
    config: Config,
    hands: Hands,
    *,
    arms: Mapping[str, Arm] = ARMS,
    split: Split = split_by_clip,
    device: torch.device | str = "cpu",
    progress: bool = True,
) -> Result:
    """Train one arm on all folds but one and score it on that one.

    Args:
        arm: name in ``arms``.
        fold: which clips are held out; also the seed.
        config: see `Config`.
        hands: as `load_hands` gives them.
        arms: losses by name.
        split: what is held out in a fold.
        device: where to train.
        progress: whether to show a progress bar.
    """
    training, test = split(hands, fold)
    model, history = train(
        arms[arm],
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
    return Result(
        arm=arm,
        fold=fold,
        seconds=history.seconds,
        units={"error_2d": _clip_errors(model, scene, hands.clip[test])},
        terms={
            name: statistics.fmean(history.log[name][-100:])
            for name in history.log
            if name not in ("total", "learning_rate")
        },
        **evaluate(model, scene),
    )


def _clip_errors(model: Lifter, scene: Scene, clips: Tensor) -> tuple[float, ...]:
    """Mean 2D error of each clip, over the real hands of a scene."""
    errors = (predict(model, scene.real_detected).keypoints - scene.real).norm(dim=-1).mean(1)
    return tuple(errors[clips == clip].mean().item() for clip in torch.unique(clips))


def _validation(hands: Hands, fold: int) -> tuple[Tensor, Tensor]:
    """Split the training part of a fold by clip: four fifths to train on, one to score on."""
    training, _ = split_by_clip(hands, fold)
    clips = shuffled_groups(hands.clip[training], fold)
    kept, held_out = hold_out(hands.clip[training], clips[: len(clips) // 5])
    return training[kept], training[held_out]


def try_rate(
    arm: str,
    rate: float,
    fold: int,
    config: Config,
    hands: Hands,
    *,
    arms: Mapping[str, Arm] = ARMS,
    device: torch.device | str = "cpu",
) -> dict[str, float]:
    """Try a learning rate on clips held out from the training part of a fold.

    Args:
        arm: name in ``arms``.
        rate: to try.
        fold: trained on four fifths of its training clips, scored on the others and on synthetic
            hands that no test uses.
        config: its steps and numbers of hands are used.
        hands: as `load_hands` gives them.
        arms: losses by name.
        device: where to train.

    Returns:
        What `evaluate` gives.
    """
    training, validation = _validation(hands, fold)
    model, _ = train(
        arms[arm],
        hands,
        training,
        seed=fold,
        settings=config,
        learning_rate=rate,
        device=device,
        progress=False,
    )
    return evaluate(model, make_scene(hands, validation, 2000 + fold, config))


def _summary(scores: Mapping[str, Any]) -> str:
    return (
        f"MPJPE {scores['mpjpe']:.1f} mm (coarse {scores['coarse_mpjpe']:.1f})  "
        f"PA {scores['pa_mpjpe']:.1f}  2D {scores['error_2d']:.2%} "
        f"(coarse {scores['coarse_error_2d']:.2%})  occluded {scores['error_2d_occluded']:.2%}  "
        f"shape {scores['shape_rms']:.2f}"
    )


class Baseline(Model):
    """What it takes to beat, on the test hands of one fold; units as in `Result`.

    Attributes:
        fold: which clips were held out.
        mpjpe: of always answering the average joint positions of synthetic hands, over all views.
        pa_mpjpe: of the same.
        error_2d: of the detection itself, all points.
        error_2d_occluded: of the detection itself, occluded points.
    """

    fold: int
    mpjpe: Score
    pa_mpjpe: Score
    error_2d: Score
    error_2d_occluded: Score


def baseline(
    fold: int, hands: Hands, config: Settings = RECORDED, *, split: Split = split_by_clip
) -> Baseline:
    """Score the average joint positions in 3D and the bare detection in 2D.

    Args:
        fold: see `run`.
        hands: as `load_hands` gives them.
        config: for the number of synthetic test hands.
        split: see `run`.
    """
    scene = make_scene(hands, split(hands, fold)[1], 1000 + fold, config)
    known = synthetic(4000, torch.Generator().manual_seed(fold), Hand()).joints
    guess = known.mean(0).expand_as(scene.made.joints)
    all_points, occluded = errors_2d(scene.real_detected[..., :2], scene.real, scene.real_detected)
    return Baseline(
        fold=fold,
        mpjpe=MILLIMETRES * mpjpe(guess, scene.made.joints).mean().item(),
        pa_mpjpe=MILLIMETRES * pa_mpjpe(guess, scene.made.joints).mean().item(),
        error_2d=all_points,
        error_2d_occluded=occluded,
    )


# Gradients


class GradientShares(Model):
    """How hard each term pulls at the network during training.

    Attributes:
        arm: name in `ARMS`.
        steps: at which it was measured.
        norms: for each term that is not a monitor, one number a measured step: the norm of the
            gradient of weight times term with respect to all parameters.
    """

    arm: str
    steps: tuple[int, ...]
    norms: Mapping[str, tuple[Digits, ...]]

    @model_validator(mode="after")
    def _check_lengths(self) -> GradientShares:
        for name, norms in self.norms.items():
            if len(norms) != len(self.steps):
                raise ValueError(f"gradients of {self.arm}, {name}: expected one a step")
        return self

    def shares(self) -> dict[str, list[float]]:
        """Each term's norm over the sum of all terms' norms, one number a measured step."""
        totals = [sum(values) for values in zip(*self.norms.values(), strict=True)]
        return {
            name: [
                value / total if total else 0.0 for value, total in zip(values, totals, strict=True)
            ]
            for name, values in self.norms.items()
        }


def gradient_shares(
    arm: str,
    hands: Hands,
    config: Config = RECORDED,
    *,
    arms: Mapping[str, Arm] = ARMS,
    fold: int = 0,
    every: int = 50,
    device: torch.device | str = "cpu",
) -> GradientShares:
    """Train one arm and measure, now and then, the gradient of each of its terms.

    Args:
        arm: name in ``arms``.
        hands: as `load_hands` gives them.
        config: see `Config`.
        arms: losses by name.
        fold: whose training clips are used; also the seed.
        every: steps between two measurements; the first step is measured.
        device: where to train.
    """
    seed_everything(fold)
    model = Lifter()
    parameters = list(model.parameters())
    steps: list[int] = []
    norms: dict[str, list[float]] = {}
    counter = itertools.count()

    def loss(lifted: Lifted, batch: Batch) -> LossTerms:
        found = arms[arm](lifted, batch)
        step = next(counter)
        if step % every == 0:
            steps.append(step)
            for name, part in found.contributions().items():
                if found.weights[name] != 0:
                    norms.setdefault(name, []).append(_gradient_norm(part, parameters))
        return found

    train(
        loss,
        hands,
        split_by_clip(hands, fold)[0],
        seed=fold,
        settings=config,
        learning_rate=config.rate(arm),
        model=model,
        device=device,
        progress=False,
    )
    return GradientShares(
        arm=arm, steps=tuple(steps), norms={name: tuple(v) for name, v in norms.items()}
    )


def _gradient_norm(part: Tensor, parameters: Sequence[Tensor]) -> float:
    gradients = torch.autograd.grad(part, parameters, retain_graph=True, allow_unused=True)
    squares = [g.square().sum() for g in gradients if g is not None]
    return torch.stack(squares).sum().sqrt().item()


# The record


class Record(records.Record[Config, Result, Baseline]):
    """The recorded experiment.

    Attributes:
        shares: gradients of the arms ``config.shares`` in the first fold.
    """

    headline: ClassVar[str] = "mpjpe"

    shares: tuple[GradientShares, ...]

    @model_validator(mode="after")
    def _check_shares(self) -> Record:
        if [share.arm for share in self.shares] != list(self.config.shares):
            raise ValueError("shares: expected those of the arms in config.shares, in this order")
        return self


SWEEP = Sweep(rates=(3e-3, 6e-3, 1.2e-2), folds=(0,), steps=750)


def _files() -> list[Path]:
    return [FILE]


EXPERIMENT = Experiment(
    module="lossbook.lab.hands.experiment",
    path=RECORD,
    config=RECORDED,
    kind=Record,
    load=load_hands,
    files=_files,
    run=run,
    try_rate=try_rate,
    baseline=baseline,
    rates=SWEEP,
    summary=_summary,
    extras={"shares": gradient_shares},
)

load_record = EXPERIMENT.load_record

if __name__ == "__main__":
    main(EXPERIMENT.module)
