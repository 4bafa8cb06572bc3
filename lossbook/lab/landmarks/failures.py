"""Four short trainings with PFLD: as documented, and three that go wrong."""

from __future__ import annotations

from functools import partial

import torch

from lossbook.lab.landmarks.data import Faces, split_by_subject
from lossbook.lab.landmarks.model import SETTINGS, Batch, Prediction, train
from lossbook.lab.run.training import History
from lossbook.landmarks import pfld_loss
from lossbook.terms import LossTerms

__all__ = ["FAILURES", "failure_logs"]

FAILURES = ("as documented", "degrees", "no attributes", "perfect pose")

_RATE = 1e-3
"""Of the arm ``"PFLD"`` in the recorded experiment."""


def failure_logs(
    faces: Faces, *, steps: int = 120, seed: int = 0, device: torch.device | str = "cpu"
) -> dict[str, History]:
    """Train PFLD a little, as documented and in three ways that go wrong.

    - ``"as documented"``: for comparison.
    - ``"degrees"``: the true angles come in degrees, the cosine takes them for radians.
    - ``"no attributes"``: no face of any batch has an attribute.
    - ``"perfect pose"``: the predicted angles are the true ones.

    Args:
        faces: as `load_faces` gives them.
        steps: optimiser steps of each run.
        seed: of all four runs.
        device: where to train.

    Returns:
        Logs with the terms ``"weighted"`` and ``"l2"`` of `pfld_loss`, and ``"pose_error"``, the
        mean absolute error of the predicted angles in degrees, as a monitor.
    """
    training, _ = split_by_subject(faces, 0)
    settings = SETTINGS.replace(steps=steps)

    def loss(prediction: Prediction, batch: Batch, *, case: str) -> LossTerms:
        angles, truth, attributes = prediction.angles, batch.angles, batch.attributes
        if case == "degrees":
            truth = torch.rad2deg(truth)
        elif case == "no attributes":
            attributes = torch.zeros_like(attributes)
        elif case == "perfect pose":
            angles = truth
        found = pfld_loss(prediction.landmarks, batch.landmarks, angles, truth, attributes)
        error = (angles - truth).detach().abs().mean()
        error = error if case == "degrees" else torch.rad2deg(error)
        return LossTerms({**found.terms, "pose_error": error}, {**found.weights, "pose_error": 0.0})

    return {
        case: train(
            partial(loss, case=case),
            faces,
            training,
            seed=seed,
            settings=settings,
            learning_rate=_RATE,
            device=device,
            progress=False,
        )[1]
        for case in FAILURES
    }
