"""The hand losses as one would type them: the measure of our speed, without any check."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lossbook.hands.containers import HandLossWeights


def keypoint_2d_loss(input: Tensor, target: Tensor, confidence: Tensor) -> Tensor:
    """The source note's."""
    losses = nn.L1Loss(reduction="none")(input, target)
    return (confidence.unsqueeze(-1) * losses).sum(dim=(1, 2)).sum()


def keypoint_3d_loss(
    input: Tensor, target: Tensor, confidence: Tensor, *, root: int = 0
) -> Tensor:
    """The source note's: both hands measured from their roots, then compared."""
    input = input - input[:, root : root + 1, :]
    target = target - target[:, root : root + 1, :]
    losses = nn.L1Loss(reduction="none")(input, target)
    return (confidence.unsqueeze(-1) * losses).sum(dim=(1, 2)).sum()


def vertex_loss(input: Tensor, target: Tensor) -> Tensor:
    """As its own code for the joints has it, and as torch has it."""
    return nn.L1Loss(reduction="sum")(input, target)


def mano_prior_loss(
    betas: Tensor, hand_pose: Tensor, *, shape_weight: float = 1.0, pose_weight: float = 0.0
) -> Tensor:
    """The source note's, which leaves the pose out where it has no weight."""
    loss = shape_weight * (betas**2).mean()
    if pose_weight > 0:
        identity = torch.eye(3, dtype=hand_pose.dtype, device=hand_pose.device)
        deviation = ((hand_pose - identity) ** 2).sum(dim=(-2, -1)).mean()
        loss = loss + pose_weight * deviation
    return loss


def auxiliary_loss(
    pose: Tensor,
    shape: Tensor,
    pose_target: Tensor,
    shape_target: Tensor,
    *,
    form: str = "documented",
) -> Tensor:
    """The source note's; for the rotation form torch's matrix exponential."""
    if form == "rotation":
        of_pose = rotation_loss(_matrices(pose), _matrices(pose_target))
    else:
        of_pose = F.mse_loss(pose, pose_target)
    return of_pose + F.mse_loss(shape, shape_target)


def rotation_loss(input: Tensor, target: Tensor, *, form: str = "chordal") -> Tensor:
    """The squared distance of the matrices, or the arc cosine of their trace."""
    if form == "chordal":
        return ((input - target) ** 2).sum(dim=(-2, -1)).mean()
    trace = (input * target).sum(dim=(-2, -1))
    return torch.acos(((trace - 1) / 2).clamp(-1, 1)).mean()


def hand_loss(
    input_2d: Tensor,
    target_2d: Tensor,
    confidence_2d: Tensor,
    input_3d: Tensor,
    target_3d: Tensor,
    confidence_3d: Tensor,
    input_vertices: Tensor,
    target_vertices: Tensor,
    betas: Tensor,
    hand_pose: Tensor,
    pose: Tensor,
    shape: Tensor,
    pose_target: Tensor,
    shape_target: Tensor,
    *,
    weights: HandLossWeights | None = None,
    use_vertex_loss: bool = True,
    use_aux_loss: bool = True,
    root: int = 0,
    shape_weight: float = 1.0,
    pose_weight: float = 0.0,
) -> Tensor:
    """The five terms, weighed and added up."""
    w = weights or HandLossWeights()
    total = w.w_2d * keypoint_2d_loss(input_2d, target_2d, confidence_2d)
    total = total + w.w_3d_joint * keypoint_3d_loss(input_3d, target_3d, confidence_3d, root=root)
    if use_vertex_loss:
        total = total + w.w_3d_vert * vertex_loss(input_vertices, target_vertices)
    total = total + w.w_prior * mano_prior_loss(
        betas, hand_pose, shape_weight=shape_weight, pose_weight=pose_weight
    )
    if use_aux_loss:
        total = total + w.w_aux * auxiliary_loss(pose, shape, pose_target, shape_target)
    return total


def _matrices(axis_angles: Tensor) -> Tensor:
    x, y, z = axis_angles.unflatten(1, (-1, 3)).unbind(-1)
    zero = torch.zeros_like(x)
    cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], dim=-1)
    return torch.linalg.matrix_exp(cross.unflatten(-1, (3, 3)))
