"""Which factor of PFLD changes what: its weights one at a time, beside the arms of the experiment.

All else is as in `lossbook.lab.landmarks.experiment`::

    python -m lossbook.lab.landmarks.factors --record
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from lossbook.lab.landmarks import experiment
from lossbook.lab.landmarks.model import ArmLoss, Batch, Prediction
from lossbook.lab.run.command import main
from lossbook.landmarks import attribute_weight, pose_weight

__all__ = ["ARMS", "EXPERIMENT", "RECORDED", "load_record"]


def _weighted(weight: Float[Tensor, " batch"], found: Prediction, batch: Batch) -> Tensor:
    """Mean over the batch of each face's weight times the sum of its squared errors, px²."""
    return (weight * _distance(found, batch)).mean()


def _distance(found: Prediction, batch: Batch) -> Float[Tensor, " batch"]:
    return (found.landmarks - batch.landmarks).square().flatten(1).sum(1)


def _attributes(found: Prediction, batch: Batch, more: int = 0) -> Tensor:
    return _weighted(more + attribute_weight(batch.attributes), found, batch)


def _shuffled(found: Prediction, batch: Batch) -> Tensor:
    weight = attribute_weight(batch.attributes)
    order = torch.randperm(len(weight)).to(weight.device)
    return _weighted(weight[order], found, batch)


def _pose(found: Prediction, batch: Batch, more: int = 0) -> Tensor:
    return _weighted(more + pose_weight(found.angles, batch.angles), found, batch)


def _steady(found: Prediction, batch: Batch) -> Tensor:
    pose = pose_weight(found.angles, batch.angles)
    weight = (attribute_weight(batch.attributes) * pose).detach()
    weight = weight / weight.mean().clamp(min=torch.finfo(weight.dtype).tiny)
    distance = _distance(found, batch).mean().detach()
    return _weighted(weight, found, batch) + pose.mean() * distance


ARMS: Mapping[str, ArmLoss] = {
    "attributes alone": _attributes,
    "attributes, shuffled": _shuffled,
    "1 + attributes": functools.partial(_attributes, more=1),
    "pose alone": _pose,
    "1 + pose": functools.partial(_pose, more=1),
    "weights that do not fade": _steady,
}
"""The squared error of a face, times

- ``"attributes alone"``: PFLD's attribute weight;
- ``"attributes, shuffled"``: the same weights, each given to a random face of the batch;
- ``"1 + attributes"``: one more, so that every face counts;
- ``"pose alone"``: PFLD's pose weight, trained through the product;
- ``"1 + pose"``: one more;
- ``"weights that do not fade"``: PFLD's weights without gradient and with a mean of 1 in each
  batch. The angles have a loss of their own, the mean pose weight, without attributes, times the
  mean squared error. So three things differ from PFLD: no fading, no attribute weight in the
  angles' loss, and points that pull more strongly. In the layers that both share the angles' pull
  is about 0.05 of the points' in the first ten steps, and with PFLD nearly 6 times it.
"""


RECORDED = experiment.RECORDED.replace(
    arms=tuple(ARMS),
    # The best of four for each, on people held out from the training parts of folds 0 and 1.
    own_rates=(
        ("attributes alone", 1e-3),
        ("attributes, shuffled", 1e-3),
        ("1 + attributes", 1e-3),
        ("1 + pose", 4e-3),
        ("weights that do not fade", 1e-3),
    ),
)
"""Six arms on every fold, 30 runs."""

EXPERIMENT = dataclasses.replace(
    experiment.EXPERIMENT,
    module="lossbook.lab.landmarks.factors",
    path=experiment.RECORD.with_name("factors.json"),
    config=RECORDED,
    run=functools.partial(experiment.run, losses=ARMS),
    try_rate=functools.partial(experiment.try_rate, losses=ARMS),
)

load_record = EXPERIMENT.load_record

if __name__ == "__main__":
    main(EXPERIMENT.module)
