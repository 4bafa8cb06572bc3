"""The hand losses as one would type them: what ours are timed against, in the notes' way."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from lossbook.hands.containers import HandLossWeights


def keypoint_2d(input: Tensor, target: Tensor, confidence: Tensor) -> Tensor:
    """Confidence times L1, summed."""
    losses = F.l1_loss(input, target, reduction="none")
    return (confidence.unsqueeze(-1) * losses).sum(dim=(1, 2)).sum()


def keypoint_3d(input: Tensor, target: Tensor, confidence: Tensor, *, root: int = 0) -> Tensor:
    """The same of both hands' joints, each measured from its own root."""
    relative = input - input[:, root : root + 1]
    relative_target = target - target[:, root : root + 1]
    return keypoint_2d(relative, relative_target, confidence)


def vertices(input: Tensor, target: Tensor) -> Tensor:
    """L1, summed."""
    return (input - target).abs().sum()


def mano_prior(
    betas: Tensor, hand_pose: Tensor, *, shape_weight: float = 1.0, pose_weight: float = 0.0
) -> Tensor:
    """Mean of the squares, and of the squared distances to the identity."""
    identity = torch.eye(3, dtype=hand_pose.dtype, device=hand_pose.device)
    of_shape = (betas**2).mean()
    of_pose = ((hand_pose - identity) ** 2).sum(dim=(-2, -1)).mean()
    return shape_weight * of_shape + pose_weight * of_pose


def auxiliary(pose: Tensor, shape: Tensor, pose_target: Tensor, shape_target: Tensor) -> Tensor:
    """Two mean squared errors."""
    return F.mse_loss(pose, pose_target) + F.mse_loss(shape, shape_target)


def rotations(input: Tensor, target: Tensor) -> Tensor:
    """Mean of the squared distances."""
    return ((input - target) ** 2).sum(dim=(-2, -1)).mean()


def hand(
    *, weights: HandLossWeights | None = None, use_vertex_loss: bool = True, **inputs: Any
) -> Tensor:
    """The weighted sum of the five terms."""
    weights = HandLossWeights() if weights is None else weights
    prior = mano_prior(inputs["betas"], inputs["hand_pose"])
    auxiliary_inputs = (inputs[name] for name in ("pose", "shape", "pose_target", "shape_target"))
    total = (
        weights.w_2d * keypoint_2d(inputs["input_2d"], inputs["target_2d"], inputs["confidence_2d"])
        + weights.w_3d_joint
        * keypoint_3d(inputs["input_3d"], inputs["target_3d"], inputs["confidence_3d"])
        + weights.w_prior * prior
        + weights.w_aux * auxiliary(*auxiliary_inputs)
    )
    if use_vertex_loss:
        mesh = vertices(inputs["input_vertices"], inputs["target_vertices"])
        total = total + weights.w_3d_vert * mesh
    return total
