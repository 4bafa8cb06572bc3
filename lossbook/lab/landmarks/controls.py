"""Controls for what PFLD's weights do, beside the factors of `lossbook.lab.landmarks.factors`.

All else is as there. Rates are those of the nearest factor; others were tried afterwards,
but for the attributes that are shuffled once, which a trial would leave in their place::

    python -m lossbook.lab.landmarks.controls --record
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from lossbook.lab.landmarks import experiment, factors
from lossbook.lab.landmarks.data import Faces
from lossbook.lab.landmarks.experiment import Teach
from lossbook.lab.landmarks.model import ArmLoss, Batch, Prediction
from lossbook.lab.run.command import main
from lossbook.landmarks import attribute_weight, pose_weight

__all__ = ["ARMS", "EXPERIMENT", "RECORDED", "load_record", "shuffled_once", "with_ordinary"]

USUAL = 0.03
"""About the mean pose weight of an untrained head."""


def with_ordinary(attributes: Float[Tensor, "batch kinds"]) -> Float[Tensor, "batch more"]:
    """Add a column for the faces without any attribute, as the paper's class of frontal faces is.

    Args:
        attributes: 0 or 1.
    """
    return torch.cat([attributes, 1 - attributes.amax(1, keepdim=True)], 1)


def shuffled_once(
    faces: Faces, indices: Int64[Tensor, " n"], seed: int
) -> tuple[Faces, Int64[Tensor, " n"]]:
    """Give the attributes of each face to a random other one, once and for all.

    Args:
        faces: as `load_faces` gives them; stay as they are.
        indices: the faces to train on; no other is touched.
        seed: of the order.
    """
    order = torch.randperm(len(indices), generator=torch.Generator().manual_seed(seed))
    attributes = faces.attributes.clone()
    attributes[indices] = faces.attributes[indices[order]]
    return dataclasses.replace(faces, attributes=attributes), indices


def _distance(found: Prediction, batch: Batch) -> Float[Tensor, " batch"]:
    return (found.landmarks - batch.landmarks).square().flatten(1).sum(1)


def _ordinary(found: Prediction, batch: Batch) -> Tensor:
    q = attribute_weight(with_ordinary(batch.attributes))
    return (q * _distance(found, batch)).mean()


def _pfld_ordinary(found: Prediction, batch: Batch) -> Tensor:
    q = attribute_weight(with_ordinary(batch.attributes))
    return (pose_weight(found.angles, batch.angles) * q * _distance(found, batch)).mean()


def _small_bias(found: Prediction, batch: Batch) -> Tensor:
    p = pose_weight(found.angles, batch.angles)
    return ((USUAL + p) * _distance(found, batch)).mean()


def _over_mean(found: Prediction, batch: Batch) -> Tensor:
    p = pose_weight(found.angles, batch.angles)
    mean = p.mean().detach().clamp(min=torch.finfo(p.dtype).tiny)
    return (p / mean * _distance(found, batch)).mean()


ARMS: Mapping[str, ArmLoss] = {
    "attributes, shuffled once": factors.ARMS["attributes alone"],
    "attributes + ordinary": _ordinary,
    "PFLD + ordinary": _pfld_ordinary,
    "0.03 + pose": _small_bias,
    "pose over its mean": _over_mean,
}
"""The squared error of a face, times

- ``"attributes, shuffled once"``: PFLD's attribute weight, of attributes that belong to other
  faces, the same ones throughout the training;
- ``"attributes + ordinary"``: the attribute weight, with a column for faces without any attribute;
- ``"PFLD + ordinary"``: the same, and the pose weight;
- ``"0.03 + pose"``: the pose weight, with a bias of its own size;
- ``"pose over its mean"``: the pose weight, divided by its mean in the batch, so it cannot fade.
"""

TAUGHT: Mapping[str, Teach] = {"attributes, shuffled once": shuffled_once}

RECORDED = experiment.RECORDED.replace(
    arms=tuple(ARMS),
    own_rates=(
        ("attributes, shuffled once", 1e-3),
        ("attributes + ordinary", 1e-3),
        ("PFLD + ordinary", 1e-3),
    ),
)
"""Five arms on every fold, 25 runs."""

EXPERIMENT = dataclasses.replace(
    experiment.EXPERIMENT,
    module="lossbook.lab.landmarks.controls",
    path=experiment.RECORD.with_name("controls.json"),
    config=RECORDED,
    run=functools.partial(experiment.run, losses=ARMS, taught=TAUGHT),
    try_rate=functools.partial(
        experiment.try_rate, losses={arm: loss for arm, loss in ARMS.items() if arm not in TAUGHT}
    ),
)

load_record = EXPERIMENT.load_record

if __name__ == "__main__":
    main(EXPERIMENT.module)
