"""Where the tremble comes from: two arms from other seeds, asked once with noise and without.

P and P+V+A are trained as in `lossbook.lab.motion.experiment`, from other initial weights and on
another stream of windows. Each network is scored as there, and then asked once, at the highest
level of noise: with noise, with many noises whose answers are averaged, and with zeros instead::

    python -m lossbook.lab.motion.leaks --record
"""

from __future__ import annotations

import dataclasses

import torch

from lossbook.lab.motion import experiment
from lossbook.lab.motion.calls import first_answer
from lossbook.lab.motion.experiment import Config, Motions
from lossbook.lab.motion.model import ArmLoss, Denoiser, score
from lossbook.lab.motion.windows import Standard, Windows
from lossbook.lab.run.command import main
from lossbook.lab.run.records import Score

__all__ = [
    "EXPERIMENT",
    "NOISES",
    "SEEDS",
    "Record",
    "Result",
    "asked_once",
    "load_record",
    "run",
]

SEEDS = 100
"""Added to the number of a fold to get the seed of its training."""
NOISES = 16
"""Answers that are averaged."""


class Result(experiment.Result):
    """As in the experiment, and what the network answers to nothing but noise.

    Attributes:
        noise_error: root mean square of the head's error, asked once from noise, in degrees.
        noise_jitter: mean jerk of the head in that answer, in degrees/s³.
        mean_error: likewise, of the mean of the answers to `NOISES` noises.
        mean_jitter: likewise.
        zeros_error: likewise, with zeros in place of the noise.
        zeros_jitter: likewise.
    """

    noise_error: Score
    noise_jitter: Score
    mean_error: Score
    mean_jitter: Score
    zeros_error: Score
    zeros_jitter: Score


class Record(experiment.Record):
    """The recorded experiment."""

    results: tuple[Result, ...]


def run(
    arm: str,
    fold: int,
    config: Config,
    motions: Motions,
    *,
    loss: ArmLoss | None = None,
    device: torch.device | str = "cpu",
    progress: bool = True,
) -> Result:
    """Train one arm from another seed, score it, and ask it once.

    Args:
        arm: name in `ARMS`.
        fold: which languages are held out; the seed is `SEEDS` more.
        config: see `Config`.
        motions: as `load_motions` gives them.
        loss: in place of the arm's.
        device: where to train.
        progress: whether to show a progress bar.
    """
    net, history, part = experiment.trained(
        arm, fold, config, motions, seed=fold + SEEDS, loss=loss, device=device, progress=progress
    )
    found = experiment.scores(net, part, motions, config.calls)
    usual = experiment.result(arm, fold, history, found)
    return Result.model_validate(usual.model_dump() | asked_once(net, part.test, part.norm))


def asked_once(net: Denoiser, test: Windows, norm: Standard) -> dict[str, float]:
    """Error and jerk of the head in one answer, from noise, from many noises, and from zeros.

    Args:
        net: trained.
        test: windows whose frame before and driving signal are used.
        norm: undoes the standardisation.
    """
    generator = torch.Generator().manual_seed(0)
    noises = [torch.randn(test.motion.shape, generator=generator) for _ in range(NOISES)]
    answers = [first_answer(net, test, noise) for noise in noises]
    asked = {
        "noise": answers[0],
        "mean": torch.stack(answers).mean(0),
        "zeros": first_answer(net, test, torch.zeros_like(test.motion)),
    }
    found = {}
    for name, answer in asked.items():
        head = score(answer, test, norm).head
        found[f"{name}_error"] = head.position_error.mean().item()
        found[f"{name}_jitter"] = head.jitter.mean().item()
    return found


EXPERIMENT = dataclasses.replace(
    experiment.EXPERIMENT,
    module="lossbook.lab.motion.leaks",
    path=experiment.RECORD.with_name("leaks.json"),
    config=experiment.RECORDED.replace(arms=("P", "P+V+A"), own_rates=()),
    kind=Record,
    run=run,
)

load_record = EXPERIMENT.load_record

if __name__ == "__main__":
    main(EXPERIMENT.module)
