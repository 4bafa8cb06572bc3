"""The landmark losses as one would type them: what ours are timed against, in the notes' way."""

import math

import torch
from torch import Tensor


def smooth_l1(input: Tensor, target: Tensor, *, beta: float = 1.0) -> Tensor:
    """SmoothL1, from two finished branches."""
    error = torch.abs(target - input)
    near, far = 0.5 * error**2 / beta, error - 0.5 * beta
    return torch.where(error > beta, far, near).flatten(1).sum(1).mean()


def wing(input: Tensor, target: Tensor, *, w: float = 10.0, epsilon: float = 2.0) -> Tensor:
    """Wing, from two finished branches."""
    error = torch.abs(target - input)
    constant = w * (1 - math.log(1 + w / epsilon))
    losses = torch.where(error < w, w * torch.log(1 + error / epsilon), error - constant)
    return losses.flatten(1).sum(1).mean()


def pose(angles: Tensor, angles_target: Tensor, *, degrees: bool = False) -> Tensor:
    """The pose weight, from the cosine."""
    turn = angles - angles_target
    return torch.sum(1 - torch.cos(torch.deg2rad(turn) if degrees else turn), dim=1)


def rarity(attributes: Tensor) -> Tensor:
    """The attribute weight, without the note's Python loop over the attributes."""
    frequency = attributes.mean(0)
    inverse = torch.where(frequency > 0, 1 / frequency, torch.zeros_like(frequency))
    return torch.sum(attributes * inverse, dim=1)


def pfld(
    landmarks: Tensor,
    landmarks_target: Tensor,
    angles: Tensor,
    angles_target: Tensor,
    attributes: Tensor,
    *,
    degrees: bool = False,
    pose_bias: float = 0.0,
    attribute_bias: float = 0.0,
) -> tuple[Tensor, Tensor]:
    """The weighted loss, and the mean squared distance to log."""
    weight = pose_bias + pose(angles, angles_target, degrees=degrees)
    rare = attribute_bias + rarity(attributes)
    error = landmarks_target - landmarks
    distance = torch.sum((error * error).flatten(1), dim=1)
    return torch.mean(weight * rare * distance), torch.mean(distance)
