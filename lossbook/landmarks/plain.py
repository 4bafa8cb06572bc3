"""The landmark losses as one would type them: the measure of our speed, without any check."""

import math

import torch
from torch import Tensor


def smooth_l1_loss(input: Tensor, target: Tensor, *, beta: float = 1.0) -> Tensor:
    """The source note's, one face a row."""
    error = torch.abs(target - input)
    losses = torch.where(error > beta, error - 0.5 * beta, 0.5 * error**2 / beta)
    return losses.flatten(1).sum(1).mean()


def wing_loss(input: Tensor, target: Tensor, *, w: float = 10.0, epsilon: float = 2.0) -> Tensor:
    """The source note's."""
    error = torch.abs(target - input)
    c = w * (1.0 - math.log(1.0 + w / epsilon))
    losses = torch.where(w > error, w * torch.log(1.0 + error / epsilon), error - c)
    return losses.flatten(1).sum(1).mean()


def pose_weight(angles: Tensor, angles_target: Tensor, *, degrees: bool = False) -> Tensor:
    """The source note's, one number a face."""
    difference = angles - angles_target
    if degrees:
        difference = torch.deg2rad(difference)
    return torch.sum(1 - torch.cos(difference), dim=1)


def attribute_weight(attributes: Tensor) -> Tensor:
    """The source note's, its loop over the attributes written without a loop."""
    frequency = attributes.mean(0)
    inverse = torch.where(frequency > 0, 1.0 / frequency, attributes.shape[0])
    return (attributes * inverse).sum(1)


def pfld_loss(
    landmarks: Tensor,
    landmarks_target: Tensor,
    angles: Tensor,
    angles_target: Tensor,
    attributes: Tensor,
    *,
    degrees: bool = False,
    pose_bias: float = 0.0,
    attribute_bias: float = 0.0,
) -> Tensor:
    """The source note's product and mean."""
    pose = pose_bias + pose_weight(angles, angles_target, degrees=degrees)
    rarity = attribute_bias + attribute_weight(attributes)
    difference = landmarks_target - landmarks
    distance = (difference * difference).flatten(1).sum(1)
    return torch.mean(pose * rarity * distance)
