"""The chapter's experiment: the same motion denoiser trained with twelve losses.

Every arm trains the same network, from the same initial weights, on the same stream of windows and
noise, with Adam; only the loss differs. The network and the arms are those of
`lossbook.lab.motion.model`, the data those of `lossbook.lab.motion.windows`. Tested are three sign
languages that were held out, one window of each clip that is long enough, and a woman who talks.

Record the evidence the chapter shows with::

    python -m lossbook.lab.motion.experiment --record
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import torch
from pydantic import model_validator
from torch import Tensor

from lossbook.lab.motion.clips import (
    SIGN_HEADS,
    TALKING_HEAD,
    Heads,
    TalkingHead,
    load_sign_heads,
    load_talking_head,
)
from lossbook.lab.motion.model import (
    AFTERWARDS,
    ARMS,
    ArmLoss,
    Denoiser,
    Generated,
    Settings,
    generate,
    score,
    train,
)
from lossbook.lab.motion.windows import (
    FOLDS,
    Standard,
    Windows,
    clip_windows,
    face,
    split_by_language,
    standard,
    talker_windows,
)
from lossbook.lab.run import records
from lossbook.lab.run.command import main
from lossbook.lab.run.experiment import Experiment, Sweep
from lossbook.lab.run.records import Digits, Model, Score
from lossbook.lab.run.training import History
from lossbook.motion.metrics import MotionMetrics

__all__ = [
    "EXPERIMENT",
    "LIVE",
    "METRICS",
    "RECORDED",
    "Baseline",
    "Config",
    "Fold",
    "Motions",
    "Record",
    "Result",
    "baseline",
    "load_motions",
    "load_record",
    "result",
    "run",
    "scores",
    "trained",
    "try_rate",
    "windows_of",
]

RECORD = Path(__file__).with_name("data") / "record.json"
METRICS = (
    "head_error",
    "head_jitter",
    "head_jump",
    "face_error",
    "face_jitter",
    "face_jump",
    "face_size",
)
"""Measured on every test clip."""


class Motions(NamedTuple):
    """The data of the experiment."""

    heads: Heads
    talker: TalkingHead


def load_motions() -> Motions:
    """Load the signers and the woman who talks."""
    return Motions(load_sign_heads(), load_talking_head())


class Config(Settings, records.Config):
    """Everything that decides the outcome of the experiment, beside the code and the device.

    Attributes:
        arms: names in `ARMS`.
        folds: parts of `split_by_language` that are held out in turn. A fold's number is also the
            seed of the initial weights and of the stream of windows.
        own_rates: arms and the rate they have instead.
    """


RECORDED = Config(
    arms=tuple(ARMS),
    folds=tuple(range(FOLDS)),
    # One rate for all, so that arms differ in one thing. In `SWEEP` the head's error of every arm
    # but V is within 3 % of its best at it.
    learning_rate=4e-3,
    own_rates=(("V", 8e-3),),
)
"""The evidence: every arm on every fold, 72 runs."""

LIVE = RECORDED.replace(arms=("P", "P+V+A"), folds=(0,), steps=400)
"""What the chapter's cells run: about 20 seconds on one CPU core."""


class Result(records.Result):
    """How one trained network did on languages it had never seen.

    ``head`` is pitch, yaw and roll in degrees, ``face`` the 63 coordinates of the face in mm; see
    `lossbook.motion.metrics.motion_metrics`. All are means over clips.

    Attributes:
        arm: name in `ARMS`.
        fold: which languages were held out; also the seed.
        seconds: of training.
        units: the scores of `METRICS` of each test clip, in the order of their numbers.
        head_error: root mean square of the error.
        head_jitter: mean jerk, in degrees/s³.
        head_jump: from the frame before to the first.
        face_error: root mean square of the error.
        face_jitter: mean jerk, in mm/s³.
        face_jump: from the frame before to the first.
        face_size: root mean square of the face itself, around the clips' mean face.
        talker_error: ``head_error`` of the woman who talks, in windows of 80 frames.
        talker_jitter: likewise.
        talker_jump: likewise.
        head_spectrum: power of the error by frequency, from 0 to 12.5 Hz, in degrees squared.
        face_spectrum: likewise in mm squared.
        log: mean of each term over the last hundred steps of training.
    """

    head_error: Score
    head_jitter: Score
    head_jump: Score
    face_error: Score
    face_jitter: Score
    face_jump: Score
    face_size: Score
    talker_error: Score
    talker_jitter: Score
    talker_jump: Score
    head_spectrum: tuple[Digits, ...]
    face_spectrum: tuple[Digits, ...]
    log: Mapping[str, Digits]

    @model_validator(mode="after")
    def _check_means(self) -> Result:
        for name in METRICS:
            values = self.units.get(name, ())
            # Both may be rounded to five decimals, and large scores are float32.
            close = 1e-5 + 1e-6 * getattr(self, name)
            if not values or abs(statistics.fmean(values) - getattr(self, name)) > close:
                raise ValueError(f"{self.arm}, fold {self.fold}: {name} is not the clips' mean")
        return self


class Baseline(Model):
    """What it takes to beat, and what is true, on the test clips of one fold; as in `Result`.

    Attributes:
        fold: which languages were held out.
        clips: number of test clips.
        hold_head_error: of a head that stays as it was in the frame before.
        hold_face_error: of such a face.
        mean_head_error: of the mean pose of the clips trained on.
        mean_face_error: of their mean face.
        head_jitter: of the truth.
        head_jump: of the truth.
        face_jitter: of the truth.
        face_jump: of the truth.
        face_size: of the truth.
        hold_talker_error: as `hold_head_error`, of the woman who talks.
        talker_jitter: of the truth.
    """

    fold: int
    clips: int
    hold_head_error: Score
    hold_face_error: Score
    mean_head_error: Score
    mean_face_error: Score
    head_jitter: Score
    head_jump: Score
    face_jitter: Score
    face_jump: Score
    face_size: Score
    hold_talker_error: Score
    talker_jitter: Score


class Record(records.Record[Config, Result, Baseline]):
    """The recorded experiment."""

    headline: ClassVar[str] = "head_error"


class Fold(NamedTuple):
    """The windows of one fold, and what standardises them."""

    norm: Standard
    training: Windows
    test: Windows
    talker: Windows


def windows_of(motions: Motions, training: Tensor, test: Tensor) -> Fold:
    """Cut the windows of a fold.

    Args:
        motions: as `load_motions` gives them.
        training: numbers of the clips to train on.
        test: numbers of the clips to test with.
    """
    norm = standard(motions.heads, training)
    return Fold(
        norm,
        clip_windows(motions.heads, training, norm),
        clip_windows(motions.heads, test, norm, every=False),
        talker_windows(motions.talker, norm),
    )


def _columns(scored: Generated, found: Tensor, norm: Standard) -> dict[str, Tensor]:
    """The scores of each clip."""
    columns: dict[str, Tensor] = {}
    for name, values in scored._asdict().items():
        columns[f"{name}_error"] = values.position_error
        columns[f"{name}_jitter"] = values.jitter
        columns[f"{name}_jump"] = values.first_frame_jump
    columns["face_size"] = _size(found, norm)
    return columns


def _size(motion: Tensor, norm: Standard) -> Tensor:
    """Root mean square of the face of each clip, in mm."""
    return face(norm.undo(motion)).square().mean((1, 2)).sqrt()


def scores(
    model: Denoiser,
    part: Fold,
    motions: Motions,
    calls: int,
    afterwards: Callable[[Tensor], Tensor] | None = None,
) -> dict[str, Any]:
    """Let a network make motion for the test clips and the talker, and score it.

    Args:
        model: trained.
        part: the windows of a fold.
        motions: for the frame rates.
        calls: of the network for each window.
        afterwards: what is done with the motion.

    Returns:
        The fields of `Result` that are measured, under their names.
    """
    found, talks = (generate(model, windows, calls=calls) for windows in (part.test, part.talker))
    if afterwards is not None:
        found, talks = (afterwards(motion) for motion in (found, talks))
    scored = score(found, part.test, part.norm, fps=motions.heads.fps)
    columns = _columns(scored, found, part.norm)
    talker: MotionMetrics = score(talks, part.talker, part.norm, fps=motions.talker.fps).head
    return {
        **{name: values.mean().item() for name, values in columns.items()},
        "talker_error": talker.position_error.mean().item(),
        "talker_jitter": talker.jitter.mean().item(),
        "talker_jump": _mean(talker.first_frame_jump),
        "head_spectrum": _numbers(scored.head.spectrum.mean(0)),
        "face_spectrum": _numbers(scored.face.spectrum.mean(0)),
        "units": {name: _numbers(values) for name, values in columns.items()},
    }


def _numbers(values: Tensor) -> tuple[float, ...]:
    return tuple(float(value) for value in values)


def _mean(values: Tensor | None) -> float:
    return float("nan") if values is None else values.mean().item()


def run(
    arm: str,
    fold: int,
    config: Config,
    motions: Motions,
    *,
    device: torch.device | str = "cpu",
    progress: bool = True,
) -> Result:
    """Train one arm on all folds but one and score it on that one.

    Args:
        arm: name in `ARMS`.
        fold: which languages are held out; also the seed.
        config: see `Config`.
        motions: as `load_motions` gives them.
        device: where to train.
        progress: whether to show a progress bar.
    """
    model, history, part = trained(arm, fold, config, motions, device=device, progress=progress)
    found = scores(model, part, motions, config.calls, AFTERWARDS.get(arm))
    return result(arm, fold, history, found)


def trained(
    arm: str,
    fold: int,
    config: Config,
    motions: Motions,
    *,
    seed: int | None = None,
    loss: ArmLoss | None = None,
    device: torch.device | str = "cpu",
    progress: bool = True,
) -> tuple[Denoiser, History, Fold]:
    """Train one arm on all folds but one; the arguments are those of `run`.

    The seed is the number of the fold, and the loss that of the arm, unless others are given.

    Returns:
        The network, its log, and the windows of the fold.
    """
    part = windows_of(motions, *split_by_language(motions.heads, fold))
    model, history = train(
        ARMS[arm] if loss is None else loss,
        part.training,
        seed=fold if seed is None else seed,
        settings=config,
        learning_rate=config.rate(arm),
        device=device,
        progress=progress,
        description=f"{arm}, fold {fold}",
    )
    return model, history, part


def result(arm: str, fold: int, history: History, found: Mapping[str, Any]) -> Result:
    """Put together what a network did.

    Args:
        arm: its name in the record.
        fold: which languages were held out.
        history: of its training.
        found: as `scores` gives it.
    """
    skipped = ("learning_rate", "grad_norm")
    log = {n: statistics.fmean(v[-100:]) for n, v in history.log.items() if n not in skipped}
    return Result(arm=arm, fold=fold, seconds=history.seconds, log=log, **found)


def try_rate(
    arm: str,
    rate: float,
    fold: int,
    config: Config,
    motions: Motions,
    *,
    device: torch.device | str = "cpu",
) -> dict[str, float]:
    """Try a learning rate on languages held out from the training part of a fold.

    Args:
        arm: name in `ARMS`.
        rate: to try.
        fold: trained on twelve of its fifteen languages, scored on those of the fold after next.
        config: its steps, batch size and network are used.
        motions: as `load_motions` gives them.
        device: where to train.

    Returns:
        The scores of `METRICS`.
    """
    training, _ = split_by_language(motions.heads, fold)
    _, validation = split_by_language(motions.heads, (fold + 2) % FOLDS)
    kept = training[~torch.isin(training, validation)]
    part = windows_of(motions, kept, validation)
    model, _ = train(
        ARMS[arm],
        part.training,
        seed=fold,
        settings=config,
        learning_rate=rate,
        device=device,
        progress=False,
    )
    found = scores(model, part, motions, config.calls, AFTERWARDS.get(arm))
    return {name: found[name] for name in METRICS}


def baseline(fold: int, motions: Motions, config: Settings = RECORDED) -> Baseline:
    """Score a head that stays where it was, and the mean; and measure the truth.

    Args:
        fold: see `run`.
        motions: as `load_motions` gives them.
        config: not used.
    """
    part = windows_of(motions, *split_by_language(motions.heads, fold))

    def scored(found: Tensor, windows: Windows, fps: float) -> Generated:
        return score(found.expand_as(windows.motion), windows, part.norm, fps=fps)

    test, talker = part.test, part.talker
    hold = scored(test.cond[:, None], test, motions.heads.fps)
    mean = scored(torch.zeros_like(test.motion), test, motions.heads.fps)
    talks = scored(talker.cond[:, None], talker, motions.talker.fps).head
    return Baseline(
        fold=fold,
        clips=len(test.clip),
        hold_head_error=hold.head.position_error.mean().item(),
        hold_face_error=hold.face.position_error.mean().item(),
        mean_head_error=mean.head.position_error.mean().item(),
        mean_face_error=mean.face.position_error.mean().item(),
        head_jitter=hold.head.jitter_target.mean().item(),
        head_jump=_mean(hold.head.first_frame_jump_target),
        face_jitter=hold.face.jitter_target.mean().item(),
        face_jump=_mean(hold.face.first_frame_jump_target),
        face_size=_size(test.motion, part.norm).mean().item(),
        hold_talker_error=talks.position_error.mean().item(),
        talker_jitter=talks.jitter_target.mean().item(),
    )


def _summary(found: Mapping[str, Any]) -> str:
    return (
        f"head {found['head_error']:.3f}°, jitter {found['head_jitter']:.0f}, jump "
        f"{found['head_jump']:.2f}°; face {found['face_error']:.3f} mm, jitter "
        f"{found['face_jitter']:.0f}, jump {found['face_jump']:.2f}"
    )


SWEEP = Sweep(rates=(1e-3, 2e-3, 4e-3, 8e-3, 1.6e-2, 3.2e-2), folds=(0,), steps=500)


def _files() -> list[Path]:
    return [SIGN_HEADS, TALKING_HEAD]


EXPERIMENT = Experiment(
    module="lossbook.lab.motion.experiment",
    path=RECORD,
    config=RECORDED,
    kind=Record,
    load=load_motions,
    files=_files,
    run=run,
    try_rate=try_rate,
    baseline=baseline,
    rates=SWEEP,
    summary=_summary,
)

load_record = EXPERIMENT.load_record

if __name__ == "__main__":
    main(EXPERIMENT.module)
