"""Five short trainings with PFLD: as it is meant, and four that go wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch

from lossbook.lab.landmarks.data import WFLW98_FLIP, Faces, split_by_subject
from lossbook.lab.landmarks.experiment import RECORDED
from lossbook.lab.landmarks.model import SETTINGS, Batch, Prediction, batches, train
from lossbook.lab.run.logs import smooth, what_checks_say
from lossbook.landmarks import pfld_loss
from lossbook.terms import LossTerms

__all__ = ["CASES", "HEALTHY", "failure_logs", "spoken"]

HEALTHY = "healthy"

Spoil = Callable[[Prediction, Batch], tuple[Prediction, Batch]]


def _as_meant(found: Prediction, batch: Batch) -> tuple[Prediction, Batch]:
    return found, batch


def _degrees(found: Prediction, batch: Batch) -> tuple[Prediction, Batch]:
    return found, batch._replace(angles=torch.rad2deg(batch.angles))


def _no_attributes(found: Prediction, batch: Batch) -> tuple[Prediction, Batch]:
    return found, batch._replace(attributes=torch.zeros_like(batch.attributes))


def _next_face(found: Prediction, batch: Batch) -> tuple[Prediction, Batch]:
    return found, batch._replace(landmarks=batch.landmarks.roll(1, 0))


def _not_renamed(found: Prediction, batch: Batch) -> tuple[Prediction, Batch]:
    """Every second face has left and right exchanged, as after mirroring it without renaming."""
    landmarks = batch.landmarks.clone()
    landmarks[::2] = landmarks[::2][:, WFLW98_FLIP]
    return found, batch._replace(landmarks=landmarks)


CASES: Mapping[str, Spoil] = {
    HEALTHY: _as_meant,
    "degrees": _degrees,
    "no attributes": _no_attributes,
    "next face": _next_face,
    "not renamed": _not_renamed,
}
"""What each case does to a prediction and its batch, before the documented loss is taken:

- ``"degrees"``: the true angles come in degrees, the cosine takes them for radians;
- ``"no attributes"``: no face of any batch has an attribute;
- ``"next face"``: each face has the landmarks of the one before it in the batch;
- ``"not renamed"``: half of the faces were mirrored without renaming left and right.
"""


def _loss(found: Prediction, batch: Batch, spoil: Spoil) -> LossTerms:
    found, batch = spoil(found, batch)
    return pfld_loss(found.landmarks, batch.landmarks, found.angles, batch.angles, batch.attributes)


def failure_logs(
    faces: Faces, *, steps: int = 120, seed: int = 0, device: torch.device | str = "cpu"
) -> dict[str, dict[str, list[float]]]:
    """Train PFLD a little, as it is meant and in four ways that go wrong.

    Args:
        faces: as `load_faces` gives them.
        steps: optimiser steps of each run.
        seed: of all runs.
        device: where to train.

    Returns:
        For each case, averaged over ten steps: ``"weighted"`` and ``"l2"``, the terms of
        `pfld_loss` in px², and ``"weighted / l2"``.
    """
    training, _ = split_by_subject(faces, 0)
    settings = SETTINGS.replace(steps=steps)
    found = {}
    for case, spoil in CASES.items():

        def loss(prediction: Prediction, batch: Batch, spoil: Spoil = spoil) -> LossTerms:
            return _loss(prediction, batch, spoil)

        _, history = train(
            loss,
            faces,
            training,
            seed=seed,
            settings=settings,
            learning_rate=RECORDED.rate("PFLD"),
            device=device,
            progress=False,
        )
        log = {term: smooth(history.log[term]) for term in ("weighted", "l2")}
        ratio = [w / d for w, d in zip(log["weighted"], log["l2"], strict=True)]
        found[case] = log | {"weighted / l2": ratio}
    return found


def spoken(faces: Faces, case: str) -> str:
    """What ``check_values()`` says of one batch of a case; empty if it says nothing.

    Args:
        faces: as `load_faces` gives them.
        case: a name in `CASES`.
    """
    training, _ = split_by_subject(faces, 0)
    batch = next(batches(faces, training, seed=0))
    found = Prediction(batch.landmarks + 1, batch.angles + 0.1)
    return what_checks_say(lambda: _loss(found, batch, CASES[case]))
