"""Short trainings with the loss as documented, and with six things that go wrong around it."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial

import torch
from torch import nn

from lossbook.hands import HandLoss, HandPrediction, HandTarget
from lossbook.hands.metrics import mpjpe
from lossbook.lab.hands.data import Hands, split_by_clip
from lossbook.lab.hands.model import (
    ARMS,
    MILLIMETRES,
    SETTINGS,
    Batch,
    Lifted,
    Lifter,
    batches,
    solve_camera,
    supervision,
    train,
)
from lossbook.lab.run.training import History, seed_everything
from lossbook.terms import LossTerms

__all__ = ["FAILURES", "failure_batch", "failure_logs"]

FAILURES = (
    "as documented",
    "2D in pixels",
    "no hand model",
    "metres for millimetres",
    "exploding prior",
    "y as confidence",
    "NaN pose",
)

PIXELS = 256
"""Side of the crop in pixels, for the failure that forgets to normalise."""

_DOCUMENTED = ARMS["code, mm"]


def _spoilt(case: str, lifted: Lifted, batch: Batch) -> tuple[HandPrediction, HandTarget]:
    """Prediction and target of the documented loss, with one thing wrong."""
    if case == "no hand model":
        nothing = torch.zeros_like(lifted.joints)
        scale, shift = solve_camera(nothing, batch.detected)
        lifted = lifted._replace(joints=nothing, keypoints=scale * nothing[..., :2] + shift)
    prediction, target = supervision(lifted, batch, millimetres=True, confidence=True)
    if case == "2D in pixels":
        pixels = PIXELS * (batch.keypoints[..., :2] + 0.5)
        target = replace(target, keypoints_2d=pixels)
    elif case == "metres for millimetres":
        prediction = replace(prediction, keypoints_3d=lifted.joints[: len(batch.joints)])
    elif case == "y as confidence":
        # What gt[:, :, -1] reads from a target of (batch, 21, 2).
        target = replace(target, confidence_2d=batch.keypoints[..., 1])
    elif case == "NaN pose":
        pose = batch.pose.clone()
        pose[0, 0] = math.nan
        target = replace(target, pose=pose)
    return prediction, target


def _new_lifter(case: str, seed: int) -> Lifter:
    seed_everything(seed)
    model = Lifter()
    if case == "exploding prior":
        nn.init.normal_(model.coarse.bias[48:], std=70.0)
    return model


def failure_batch(case: str, hands: Hands, *, seed: int = 0) -> tuple[HandPrediction, HandTarget]:
    """Prediction and target of the first training step of one case of :data:`FAILURES`.

    Args:
        case: see :func:`failure_logs`; ``"NaN pose"`` has a NaN in the pose of its first hand.
        hands: as `load_hands` gives them.
        seed: of the initial weights and of the batch.

    Returns:
        What ``HandLoss(HandLossWeights.code())`` takes; with gradients.

    Raises:
        ValueError: if there is no such case.
    """
    if case not in FAILURES:
        raise ValueError(f"case must be one of {', '.join(FAILURES)}; got {case!r}")
    batch = next(batches(hands, split_by_clip(hands, 0)[0], seed))
    return _spoilt(case, _new_lifter(case, seed)(batch.detected), batch)


def failure_logs(
    hands: Hands, *, steps: int = 150, seed: int = 0, device: torch.device | str = "cpu"
) -> dict[str, History]:
    """Train the documented loss a little, as it is and in ways that go wrong.

    The loss is that of the arm ``"code, mm"``.

    - ``"as documented"``: for comparison.
    - ``"2D in pixels"``: the 2D target is in pixels of a crop of 256, the prediction normalised.
    - ``"no hand model"``: all predicted joints are 0, in 3D and before the projection.
    - ``"metres for millimetres"``: the predicted joints are metres, their targets millimetres.
    - ``"exploding prior"``: the first shapes have coefficients of about 70.
    - ``"y as confidence"``: the 2D target has no confidence, and y is taken for it.

    ``"NaN pose"`` is left out, as it ends training at once; see :func:`failure_batch`.

    Args:
        hands: as `load_hands` gives them.
        steps: optimiser steps of each run.
        seed: of all runs.
        device: where to train.

    Returns:
        Logs with the terms of `HandLoss`, and ``"mpjpe"`` in millimetres as a monitor.
    """
    training, _ = split_by_clip(hands, 0)
    settings = SETTINGS.replace(steps=steps)

    def loss(lifted: Lifted, batch: Batch, *, case: str) -> LossTerms:
        prediction, target = _spoilt(case, lifted, batch)
        found = HandLoss(_DOCUMENTED.weights, reduction=_DOCUMENTED.reduction)(prediction, target)
        error = MILLIMETRES * mpjpe(lifted.joints[: len(batch.joints)], batch.joints).mean()
        return LossTerms({**found.terms, "mpjpe": error.detach()}, {**found.weights, "mpjpe": 0.0})

    return {
        case: train(
            partial(loss, case=case),
            hands,
            training,
            seed=seed,
            settings=settings,
            model=_new_lifter(case, seed),
            device=device,
            progress=False,
        )[1]
        for case in FAILURES
        if case != "NaN pose"
    }
