"""What torch says to each object that a reader can move; a test in Chromium compares them.

An object made by `slider` is in `LOSSES`: its curves must be the loss and its gradient. Every other
is in `SHOWN`: the numbers of its sentences, bars and texts, in the order of ``scene.shown()``
in the page, from the values of its symbols. Each chapter adds its own; one that is missing fails.
"""

from collections.abc import Callable, Sequence

import torch

from lossbook.hands import keypoint_2d_loss, mano_prior_loss
from lossbook.landmarks import smooth_l1_loss, wing_loss


def _weighted_l1(error, zero, *, c, reduction):
    points, origin = (torch.stack([values, zero], -1)[None] for values in (error, zero))
    confidence = torch.full_like(points[..., 0], c)
    losses = keypoint_2d_loss(points, origin, confidence=confidence, reduction=reduction)
    return losses[0, :, 0]


def _pose_distance(theta, zero, *, theta_gt, reduction):
    """The prior of the rotation between the two, about one axis."""

    def prior(angle):
        cos, sin, one = angle.cos(), angle.sin(), torch.ones_like(angle)
        turn = torch.block_diag(torch.stack([cos, -sin, sin, cos]).reshape(2, 2), one)
        return mano_prior_loss(one.expand(1, 10), turn[None, None]).terms["pose_prior"]

    return torch.stack([prior(angle) for angle in theta - theta_gt])


LOSSES: dict[str, Callable] = {
    "wing": wing_loss,
    "smooth-l1": smooth_l1_loss,
    "weighted-l1": _weighted_l1,
    "pose-distance": _pose_distance,
}
"""Elementwise losses of an error and zero; the other symbols are keyword arguments."""

SHOWN: dict[str, Callable[[dict[str, float]], Sequence[float]]] = {}
"""From the symbols' values to the numbers shown."""


def torch_curves(name, x, parameters):
    """Value and gradient of a loss at many points."""
    points = torch.tensor(x, dtype=torch.float64, requires_grad=True)
    value = LOSSES[name](points, torch.zeros_like(points), reduction="none", **parameters)
    (gradient,) = torch.autograd.grad(value.sum(), points)
    return value.detach(), gradient
