"""By which path PFLD's pose weight acts: the weight itself, or the training of the angles.

The product p D trains the layers that both heads share twice: for the points, by p times the slope
of D, and for the angles, by D times the slope of p. Here each is taken away, beside the factors of
`lossbook.lab.landmarks.factors`, whose rates were taken over::

    python -m lossbook.lab.landmarks.paths --record
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from lossbook.lab.landmarks import experiment, factors, model
from lossbook.lab.landmarks.model import ArmLoss, Batch, LandmarkNet, Prediction
from lossbook.lab.run.command import main
from lossbook.landmarks import pose_weight

__all__ = ["APART", "ARMS", "EXPERIMENT", "PREPARED", "RECORDED", "apart", "load_record"]


def _both(found: Prediction, batch: Batch) -> tuple[Tensor, Tensor]:
    """The pose weight and the sum of the squared errors of each face."""
    squares = (found.landmarks - batch.landmarks).square().flatten(1).sum(1)
    return pose_weight(found.angles, batch.angles), squares


def _beside(found: Prediction, batch: Batch) -> Tensor:
    p, squares = _both(found, batch)
    return squares.mean() + p.mean() * squares.mean().detach()


def _means(found: Prediction, batch: Batch) -> Tensor:
    p, squares = _both(found, batch)
    return p.mean() * squares.mean()


def _shuffled(found: Prediction, batch: Batch) -> Tensor:
    p, squares = _both(found, batch)
    order = torch.randperm(len(p)).to(p.device)
    return (p.detach()[order] * squares).mean() + (p * squares.detach()).mean()


ARMS: Mapping[str, ArmLoss] = {
    "pose alone, apart": factors.ARMS["pose alone"],
    "mean pose": _means,
    "pose, shuffled": _shuffled,
    "PFLD, apart": model.ARMS["PFLD"],
    "L2 + pose": _beside,
    "mean pose, apart": _means,
}
"""With p and D of each face, as in `lossbook.lab.landmarks.factors`:

- ``"pose alone, apart"``: p D; the angles train the pose head and no layer below it;
- ``"mean pose"``: the mean of p in the batch times the mean of D, so all faces weigh the same;
- ``"pose, shuffled"``: the slopes of p D, but D weighted by the p of a random face of the batch;
- ``"PFLD, apart"``: PFLD; the angles train the pose head and no layer below it;
- ``"L2 + pose"``: D, not weighted, and the angles trained as by the second;
- ``"mean pose, apart"``: the second; the angles train the pose head and no layer below it, so that
  of the three causes only the fading is left.
"""

APART = frozenset({"pose alone, apart", "PFLD, apart", "mean pose, apart"})
"""Arms whose angles do not train what both heads share."""


def apart(network: LandmarkNet) -> LandmarkNet:
    """Keep the gradient of the angles in the pose head; what the network says stays.

    Args:
        network: changed in place.
    """

    def cut(_: nn.Module, given: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return tuple(features.detach() for features in given)

    network.angles.register_forward_pre_hook(cut)
    return network


PREPARED = dict.fromkeys(APART, apart)

RECORDED = experiment.RECORDED.replace(arms=tuple(ARMS), own_rates=(("PFLD, apart", 1e-3),))
"""Six arms on every fold, 30 runs."""

EXPERIMENT = dataclasses.replace(
    experiment.EXPERIMENT,
    module="lossbook.lab.landmarks.paths",
    path=experiment.RECORD.with_name("paths.json"),
    config=RECORDED,
    run=functools.partial(experiment.run, losses=ARMS, prepared=PREPARED),
    try_rate=functools.partial(experiment.try_rate, losses=ARMS, prepared=PREPARED),
)

load_record = EXPERIMENT.load_record

if __name__ == "__main__":
    main(EXPERIMENT.module)
