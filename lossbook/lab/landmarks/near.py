"""How many coordinates are near their labels, on new people and on the faces that were trained on.

The networks are those of `lossbook.lab.landmarks.experiment`, trained again, since its record keeps
the mean over the points of a face, which does not tell how exactly most of them fit::

    python -m lossbook.lab.landmarks.near --record
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from lossbook.lab.landmarks import experiment
from lossbook.lab.landmarks.data import Faces, crop
from lossbook.lab.landmarks.model import SIZE, evaluate, predict
from lossbook.lab.run.command import main

__all__ = ["ARMS", "EXPERIMENT", "LIMITS", "RECORDED", "load_record", "scores"]

ARMS = ("L1", "SmoothL1", "Wing")
LIMITS = (0.5, 1.0)
"""Up to which a coordinate is near its label, in pixels of the crop."""


def _errors(model: nn.Module, faces: Faces, indices: Int64[Tensor, " n"]) -> Float[Tensor, "n 196"]:
    views = crop(faces.images[indices], faces.landmarks[indices], faces.angles[indices], size=SIZE)
    found = predict(model, views.images).landmarks.cpu()
    return (found - views.landmarks).abs().flatten(1)


def scores(model: nn.Module, faces: Faces, indices: Int64[Tensor, " n"]) -> dict[str, Any]:
    """Score a network on plain crops, and keep the share of the coordinates near their labels.

    Args:
        model: gives a `Prediction`.
        faces: as `load_faces` gives them.
        indices: the faces to score on; it was trained on all others.

    Returns:
        As `evaluate`; in ``"units"``, for each of `LIMITS`, under ``"within 0.5"`` the share of
        each face, and under ``"trained within 0.5"`` one number, that of all other faces.
    """
    others = torch.ones(len(faces.images), dtype=torch.bool)
    others[indices] = False
    new = _errors(model, faces, indices)
    known = _errors(model, faces, others.nonzero().flatten())
    units = {}
    for limit in LIMITS:
        units[f"within {limit:g}"] = tuple((new <= limit).float().mean(1).tolist())
        units[f"trained within {limit:g}"] = ((known <= limit).float().mean().item(),)
    return evaluate(model, faces, indices) | {"units": units}


RECORDED = experiment.RECORDED.replace(arms=ARMS, own_rates=())
"""Three arms on every fold, 15 runs."""

EXPERIMENT = dataclasses.replace(
    experiment.EXPERIMENT,
    module="lossbook.lab.landmarks.near",
    path=experiment.RECORD.with_name("near.json"),
    config=RECORDED,
    run=functools.partial(experiment.run, scored=scores),
)

load_record = EXPERIMENT.load_record

if __name__ == "__main__":
    main(EXPERIMENT.module)
