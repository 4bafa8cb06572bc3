"""The worst point of each face, for the losses of `lossbook.lab.landmarks.model` without weights.

The networks are those of `lossbook.lab.landmarks.experiment`, trained again, since its record keeps
the mean over the points of a face::

    python -m lossbook.lab.landmarks.points --record
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

from jaxtyping import Int64
from torch import Tensor, nn

from lossbook.lab.landmarks import experiment
from lossbook.lab.landmarks.data import Faces, crop
from lossbook.lab.landmarks.model import SIZE, evaluate, predict
from lossbook.lab.run.command import main

__all__ = ["ARMS", "EXPERIMENT", "RECORDED", "load_record", "scores"]

ARMS = ("L2", "L1", "SmoothL1", "Wing")
OUTER_CORNERS = (60, 72)
"""Of the eyes, among the 98 points."""


def scores(model: nn.Module, faces: Faces, indices: Int64[Tensor, " n"]) -> dict[str, Any]:
    """Score a network on plain crops of some faces, and keep the worst point of each.

    Args:
        model: gives a `Prediction`.
        faces: as `load_faces` gives them.
        indices: the faces to score on.

    Returns:
        As `evaluate`; in ``"units"``, under ``"worst"``, the distance of the point that is
        farthest from its label, over that of the outer eye corners.
    """
    views = crop(faces.images[indices], faces.landmarks[indices], faces.angles[indices], size=SIZE)
    found, true = predict(model, views.images).landmarks.cpu(), views.landmarks
    one, other = (true[:, corner] for corner in OUTER_CORNERS)
    worst = (found - true).norm(dim=-1).amax(1) / (one - other).norm(dim=-1)
    return evaluate(model, faces, indices) | {"units": {"worst": tuple(worst.tolist())}}


RECORDED = experiment.RECORDED.replace(arms=ARMS, own_rates=())
"""Four arms on every fold, 20 runs."""

EXPERIMENT = dataclasses.replace(
    experiment.EXPERIMENT,
    module="lossbook.lab.landmarks.points",
    path=experiment.RECORD.with_name("points.json"),
    config=RECORDED,
    run=functools.partial(experiment.run, scored=scores),
)

load_record = EXPERIMENT.load_record

if __name__ == "__main__":
    main(EXPERIMENT.module)
