"""Short trainings with the balanced loss: as it is meant, and with one thing wrong at a time."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import torch

from lossbook.hands import HandLoss, HandPrediction, HandTarget
from lossbook.hands.metrics import mpjpe
from lossbook.lab.hands.data import Hands, split_by_clip
from lossbook.lab.hands.lifter import Lifted, Lifter, solve_camera
from lossbook.lab.hands.model import (
    BALANCED,
    MILLIMETRES,
    SETTINGS,
    Batch,
    batches,
    supervision,
    train,
)
from lossbook.lab.run.logs import smooth, what_checks_say
from lossbook.lab.run.training import seed_everything
from lossbook.terms import LossTerms

__all__ = ["CASES", "HEALTHY", "TRAINED", "failure_batch", "failure_logs", "spoken"]

HEALTHY = "healthy"

TRAINED = (
    HEALTHY,
    "millimetres",
    "2D in pixels",
    "wrong camera",
    "y as confidence",
    "detached",
)
"""Cases that `failure_logs` trains."""

PIXELS = 256
"""Side of the crop in pixels, for the case that forgets to normalise."""

_LOSS = HandLoss(BALANCED, reduction="batchmean")

_SHOWN = ("2d", "3d_joint", "prior", "aux", "mpjpe")

Spoil = Callable[[Lifted, Batch], tuple[HandPrediction, HandTarget]]


def _as_meant(lifted: Lifted, batch: Batch) -> tuple[HandPrediction, HandTarget]:
    return supervision(lifted, batch, millimetres=False, confidence=True)


def _millimetres(lifted: Lifted, batch: Batch) -> tuple[HandPrediction, HandTarget]:
    return supervision(lifted, batch, millimetres=True, confidence=True)


def _pixels(lifted: Lifted, batch: Batch) -> tuple[HandPrediction, HandTarget]:
    prediction, target = _as_meant(lifted, batch)
    return prediction, replace(target, keypoints_2d=PIXELS * (batch.keypoints[..., :2] + 0.5))


def _wrong_camera(lifted: Lifted, batch: Batch) -> tuple[HandPrediction, HandTarget]:
    turned = lifted.keypoints * lifted.keypoints.new_tensor([1.0, -1.0])
    return _as_meant(lifted._replace(keypoints=turned), batch)


def _y_as_confidence(lifted: Lifted, batch: Batch) -> tuple[HandPrediction, HandTarget]:
    # What gt[:, :, -1] reads from a target of (batch, 21, 2).
    prediction, target = _as_meant(lifted, batch)
    return prediction, replace(target, confidence_2d=batch.keypoints[..., 1])


def _detached(lifted: Lifted, batch: Batch) -> tuple[HandPrediction, HandTarget]:
    pose, shape = lifted.coarse_pose.detach(), lifted.coarse_shape.detach()
    return _as_meant(lifted._replace(coarse_pose=pose, coarse_shape=shape), batch)


def _no_hand_model(lifted: Lifted, batch: Batch) -> tuple[HandPrediction, HandTarget]:
    nothing = torch.zeros_like(lifted.joints)
    scale, shift = solve_camera(nothing, batch.detected)
    points = scale * nothing[..., :2] + shift
    return _as_meant(lifted._replace(joints=nothing, keypoints=points), batch)


def _mixed_units(lifted: Lifted, batch: Batch) -> tuple[HandPrediction, HandTarget]:
    prediction, target = _as_meant(lifted, batch)
    return prediction, replace(target, keypoints_3d=MILLIMETRES * batch.joints)


def _nan_pose(lifted: Lifted, batch: Batch) -> tuple[HandPrediction, HandTarget]:
    prediction, target = _as_meant(lifted, batch)
    pose = batch.pose.clone()
    pose[0, 0] = math.nan
    return prediction, replace(target, pose=pose)


CASES: Mapping[str, Spoil] = {
    HEALTHY: _as_meant,
    "millimetres": _millimetres,
    "2D in pixels": _pixels,
    "wrong camera": _wrong_camera,
    "y as confidence": _y_as_confidence,
    "detached": _detached,
    "no hand model": _no_hand_model,
    "metres for millimetres": _mixed_units,
    "NaN pose": _nan_pose,
}
"""What each case makes of what a network says and its batch:

- ``"millimetres"``: the 3D term is in millimetres, and its weight is meant for metres;
- ``"2D in pixels"``: the 2D target is in pixels of a crop of 256, the prediction normalised;
- ``"wrong camera"``: the camera takes y upwards, and the labels have it downwards;
- ``"y as confidence"``: the 2D target has no confidence, and y is taken for it;
- ``"detached"``: the auxiliary loss is computed of a coarse hand without its gradient;
- ``"no hand model"``: all predicted joints are 0, in 3D and before the projection;
- ``"metres for millimetres"``: the predicted joints are metres, their targets millimetres;
- ``"NaN pose"``: the pose of the first hand has a NaN.
"""


def failure_batch(case: str, hands: Hands, *, seed: int = 0) -> tuple[HandPrediction, HandTarget]:
    """Prediction and target of the first training step of a case.

    Args:
        case: a name in :data:`CASES`.
        hands: as `load_hands` gives them.
        seed: of the initial weights and of the batch.

    Returns:
        What a `HandLoss` takes; with gradients.

    Raises:
        ValueError: if there is no such case.
    """
    if case not in CASES:
        raise ValueError(f"case must be one of {', '.join(CASES)}; got {case!r}")
    batch = next(batches(hands, split_by_clip(hands, 0)[0], seed))
    seed_everything(seed)
    return CASES[case](Lifter()(batch.detected), batch)


def failure_logs(
    hands: Hands,
    *,
    cases: Sequence[str] = TRAINED,
    steps: int = 150,
    seed: int = 0,
    device: torch.device | str = "cpu",
) -> dict[str, dict[str, list[float]]]:
    """Train the balanced loss a little, as it is meant and in ways that go wrong.

    Args:
        hands: as `load_hands` gives them.
        cases: which to train.
        steps: optimiser steps of each run.
        seed: of all runs.
        device: where to train.

    Returns:
        For each of the cases, averaged over ten steps: the raw terms of `HandLoss`, and
        ``"mpjpe"`` of the batch's made hands in millimetres, which no loss sees.
    """
    training, _ = split_by_clip(hands, 0)
    settings = SETTINGS.replace(steps=steps)
    found = {}
    for case in cases:

        def loss(lifted: Lifted, batch: Batch, spoil: Spoil = CASES[case]) -> LossTerms:
            terms = _LOSS(*spoil(lifted, batch))
            error = MILLIMETRES * mpjpe(lifted.joints[: len(batch.joints)], batch.joints).mean()
            return LossTerms(
                {**terms.terms, "mpjpe": error.detach()}, {**terms.weights, "mpjpe": 0.0}
            )

        _, history = train(
            loss, hands, training, seed=seed, settings=settings, device=device, progress=False
        )
        found[case] = {name: smooth(history.log[name]) for name in _SHOWN}
    return found


def spoken(hands: Hands, case: str) -> str:
    """What ``check_values()`` says of the first step of a case; empty if it says nothing.

    Args:
        hands: as `load_hands` gives them.
        case: a name in :data:`CASES`.
    """
    given = failure_batch(case, hands)
    return what_checks_say(lambda: _LOSS(*given))
