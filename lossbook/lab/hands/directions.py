"""Which way the terms pull, and which of them Adam's step follows, in every fold.

A term's pull is the length of its gradient. Two pulls may be opposed or not, and Adam divides each
parameter's gradient by its usual size before it steps. Here both are measured during trainings that
are otherwise those of `lossbook.lab.hands.experiment`::

    python -m lossbook.lab.hands.directions --record
"""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from lossbook.lab.hands import experiment
from lossbook.lab.hands.data import Hands, load_hands, split_by_clip
from lossbook.lab.hands.experiment import Baseline, Config
from lossbook.lab.hands.model import ARMS, Batch, Lifted, Lifter, train
from lossbook.lab.run import records
from lossbook.lab.run.command import main
from lossbook.lab.run.experiment import Experiment
from lossbook.lab.run.records import ScoredResult
from lossbook.lab.run.training import seed_everything
from lossbook.terms import LossTerms

__all__ = ["EXPERIMENT", "RECORDED", "Record", "Usual", "angle", "load_record", "run"]

EVERY = 50
"""Steps between two measurements; the first is not measured, as Adam has seen no gradient yet."""

RECORDED = experiment.RECORDED.replace(arms=("code, mm", "code, m", "balanced"), shares=())
"""Three losses on every fold, 15 runs."""


class Usual:
    """The usual size of each parameter's gradient, as Adam keeps it.

    Args:
        parameters: watched from now on.
        decay: Adam's second β.
    """

    def __init__(self, parameters: Sequence[nn.Parameter], decay: float = 0.999) -> None:
        self._squares = {p: torch.zeros_like(p) for p in parameters}
        self._decay, self._seen = decay, 0
        for parameter in parameters:
            parameter.register_post_accumulate_grad_hook(self._keep)  # type: ignore[no-untyped-call]

    def _keep(self, parameter: nn.Parameter) -> None:
        gradient = parameter.grad
        assert gradient is not None
        self._squares[parameter].lerp_(gradient.square(), 1 - self._decay)
        self._seen += 1

    def divide(self, gradients: Sequence[Tensor]) -> list[Tensor]:
        """Divide gradients as Adam does before it steps.

        Args:
            gradients: one for each parameter.

        Raises:
            ValueError: before the first step.
        """
        if not self._seen:
            raise ValueError("no gradient was seen yet")
        correction = 1 - self._decay ** (self._seen / len(self._squares))
        return [
            gradient / ((square / correction).sqrt() + 1e-8)
            for gradient, square in zip(gradients, self._squares.values(), strict=True)
        ]


def _flat(tensors: Sequence[Tensor]) -> Tensor:
    return torch.cat([each.flatten() for each in tensors])


def angle(one: Tensor, other: Tensor) -> float:
    """The angle between two pulls in degrees, from 0 (the same way) to 180 (opposed).

    Args:
        one: gradient, flat.
        other: likewise.
    """
    # By the chord: an angle near 0 or 180 is not lost in a cosine near 1.
    a, b = (v.double() / v.double().norm() for v in (one, other))
    return torch.rad2deg(2 * torch.atan2((a - b).norm(), (a + b).norm())).item()


def _measure(
    terms: LossTerms, parameters: Sequence[nn.Parameter], usual: Usual
) -> tuple[dict[str, float], float]:
    """The length of each term's part of gradient and step, and the angle of 2D and 3D."""
    found: dict[str, float] = {}
    gradients = {}
    for name, part in terms.contributions().items():
        if terms.weights[name] == 0:
            continue
        slopes = torch.autograd.grad(
            part, parameters, retain_graph=True, allow_unused=True, materialize_grads=True
        )
        gradients[name] = _flat(slopes)
        found[f"pull {name}"] = gradients[name].norm().item()
        found[f"step {name}"] = _flat(usual.divide(slopes)).norm().item()
    return found, angle(gradients["2d"], gradients["3d_joint"])


def _share(measured: Sequence[dict[str, float]], kind: str, name: str) -> float:
    """The median share of a term among all terms' lengths of one kind."""
    shares = []
    for lengths in measured:
        every = sum(v for key, v in lengths.items() if key.startswith(f"{kind} "))
        shares.append(lengths[f"{kind} {name}"] / every)
    return statistics.median(shares)


def run(
    arm: str,
    fold: int,
    config: Config,
    hands: Hands,
    *,
    device: torch.device | str = "cpu",
    progress: bool = True,
) -> ScoredResult:
    """Train one arm on all folds but one and measure its terms' gradients.

    Args:
        arm: name in `ARMS`.
        fold: whose clips are left out; also the seed.
        config: see `Config`.
        hands: as `load_hands` gives them.
        device: where to train.
        progress: whether to show a progress bar.

    Returns:
        Medians over the measured steps: ``"pull 2d"`` and so on, each term's share of the sum of
        the lengths of all terms' gradients; ``"step 2d"`` and so on, the same of gradients that
        were divided as Adam divides them; ``"angle"`` between the gradients of 2D and 3D, degrees.
        ``"opposed"`` is the share of the measured steps in which it is more than 90°.
    """
    seed_everything(fold)
    model = Lifter()
    model.to(device)
    parameters: list[nn.Parameter] = list(model.parameters())
    usual = Usual(parameters)
    counter = itertools.count()
    measured: list[dict[str, float]] = []
    angles: list[float] = []

    def loss(lifted: Lifted, batch: Batch) -> LossTerms:
        terms = ARMS[arm](lifted, batch)
        step = next(counter)
        if step and step % EVERY == 0:
            lengths, between = _measure(terms, parameters, usual)
            measured.append(lengths)
            angles.append(between)
        return terms

    _, history = train(
        loss,
        hands,
        split_by_clip(hands, fold)[0],
        seed=fold,
        settings=config,
        learning_rate=config.rate(arm),
        model=model,
        device=device,
        progress=progress,
        description=f"{arm}, fold {fold}",
    )
    kinds = [key.split(" ", 1) for key in measured[0]]
    scores = {f"{kind} {name}": _share(measured, kind, name) for kind, name in kinds}
    scores["angle"] = statistics.median(angles)
    scores["opposed"] = statistics.fmean(float(between > 90) for between in angles)
    return ScoredResult(arm=arm, fold=fold, seconds=history.seconds, scores=scores)


def _summary(result: Mapping[str, Any]) -> str:
    scores = result["scores"]
    return (
        f"2D has {scores['pull 2d']:.1%} of the pull and {scores['step 2d']:.1%} of the step, "
        f"{scores['angle']:.0f} degrees from 3D"
    )


class Record(records.ScoredRecord[Config, ScoredResult, Baseline]):
    """The recorded experiment."""

    headline: ClassVar[str] = "step 2d"


EXPERIMENT = Experiment(
    module="lossbook.lab.hands.directions",
    path=experiment.RECORD.with_name("directions.json"),
    config=RECORDED,
    kind=Record,
    load=load_hands,
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
