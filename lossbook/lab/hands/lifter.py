"""The chapter's network: it lifts noisy 2D keypoints to a hand in space, in two stages.

1. A small perceptron, in the place of UTNet's ViT, gives a coarse pose and shape;
2. a small graph network over the hand's bones looks at the coarse hand, at the keypoints and at
   what is left between them, and corrects pose and shape.

`Hand` turns both into joints, and a scaled orthographic camera projects them. The camera is fitted
to the *detected* keypoints in closed form, so it needs no supervision; or it is predicted, too.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from lossbook.lab.hands.kinematics import BONES, Hand

__all__ = ["Lifted", "Lifter", "solve_camera"]

_SCALE = 5.5
"""Of a predicted camera before training, in sides of the crop a metre: the made hands' median."""


class Lifted(NamedTuple):
    """What the network says of a hand; keypoints in crop coordinates, joints in metres."""

    pose: Float[Tensor, "batch 48"]
    shape: Float[Tensor, "batch 10"]
    joints: Float[Tensor, "batch 21 3"]
    keypoints: Float[Tensor, "batch 21 2"]
    coarse_pose: Float[Tensor, "batch 48"]
    coarse_shape: Float[Tensor, "batch 10"]
    coarse_joints: Float[Tensor, "batch 21 3"]
    coarse_keypoints: Float[Tensor, "batch 21 2"]


def solve_camera(
    joints: Float[Tensor, "batch 21 3"], detected: Float[Tensor, "batch 21 3"]
) -> tuple[Float[Tensor, "batch 1 1"], Float[Tensor, "batch 1 2"]]:
    r"""Find the scaled orthographic camera that fits joints to a detection.

    Minimises :math:`\sum_k c_k \lVert s\,p_k + t - q_k\rVert^2` over :math:`s` and :math:`t`,
    where :math:`p_k` are x and y of the joints and :math:`c_k` the confidences.

    Args:
        joints: metres.
        detected: x, y in crop coordinates, and the confidence.

    Returns:
        The scale, in sides of the crop a metre, and the translation. The scale is at least 0.5, a
        hand of a tenth of the crop: a negative one would turn the hand upside down.
    """
    weight = detected[..., 2:] / detected[..., 2:].sum(1, keepdim=True)
    points, wanted = joints[..., :2], detected[..., :2]
    points_mean = (weight * points).sum(1, keepdim=True)
    wanted_mean = (weight * wanted).sum(1, keepdim=True)
    centred = points - points_mean
    together = (weight * centred * (wanted - wanted_mean)).sum((1, 2), keepdim=True)
    alone = (weight * centred.square()).sum((1, 2), keepdim=True)
    scale = (together / (alone + 1e-8)).clamp_min(0.5)
    return scale, wanted_mean - scale * points_mean


class _GraphLayer(nn.Module):
    """Mix each keypoint's features with the mean of its neighbours' along the bones."""

    neighbours: Tensor

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.own = nn.Linear(before, after)
        self.others = nn.Linear(before, after, bias=False)
        edges = torch.zeros(21, 21)
        for parent, child in BONES:
            edges[parent, child] = edges[child, parent] = 1
        neighbours = edges / edges.sum(1, keepdim=True)
        self.register_buffer("neighbours", neighbours, persistent=False)

    def forward(self, features: Float[Tensor, "batch 21 before"]) -> Tensor:
        return torch.relu(self.own(features) + self.others(self.neighbours @ features))


class Lifter(nn.Module):
    """Lift detected keypoints to a hand: a coarse perceptron, then a graph network.

    Both stages' last layers start at 0: the first prediction of both is the open hand of pose and
    shape 0.

    Args:
        width: of the perceptron.
        channels: of the graph network.
        predicts_camera: whether both stages give scale and shift of the camera as well; else they
            are those that fit the detection best, see :func:`solve_camera`.
    """

    def __init__(
        self, width: int = 256, channels: int = 48, *, predicts_camera: bool = False
    ) -> None:
        super().__init__()
        self.hand = Hand()
        self.features = nn.Sequential(
            nn.Linear(21 * 3, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU()
        )
        self.coarse = nn.Linear(width, 58)
        self.code = nn.Linear(width, 16)
        self.graph = nn.Sequential(
            _GraphLayer(3 + 3 + 2 + 16, channels),
            _GraphLayer(channels, channels),
            nn.Flatten(),
            nn.Linear(21 * channels, 128),
            nn.ReLU(),
        )
        self.correction = nn.Linear(128, 58)
        # Made last, so that all else starts from the same numbers with and without.
        self.cameras = nn.ModuleList()
        if predicts_camera:
            self.cameras.extend([nn.Linear(width, 3), nn.Linear(128, 3)])
        for head in (self.coarse, self.correction, *self.cameras):
            nn.init.zeros_(head.weight)
            nn.init.zeros_(head.bias)

    def forward(self, detected: Float[Tensor, "batch 21 3"]) -> Lifted:
        """Lift a detection; x, y in crop coordinates, and the confidence."""
        # Coordinates times confidence: a point that was hardly seen should hardly be heard.
        confidence = detected[..., 2:]
        heard = torch.cat([confidence * detected[..., :2], confidence], 2)
        features = self.features(heard.flatten(1))
        coarse = self.coarse(features)
        coarse_camera = self.cameras[0](features) if self.cameras else None
        coarse_pose, coarse_shape = coarse[:, :48], coarse[:, 48:]
        coarse_joints, coarse_keypoints = self._look(
            coarse_pose, coarse_shape, detected, coarse_camera
        )
        nodes = [
            heard,
            # Ten: a hand of 0.1 m becomes 1, as large as the other features.
            10 * coarse_joints,
            10 * confidence * (detected[..., :2] - coarse_keypoints),
            self.code(features)[:, None].expand(-1, 21, -1),
        ]
        mixed = self.graph(torch.cat(nodes, 2))
        final = coarse + self.correction(mixed)
        camera = coarse_camera + self.cameras[1](mixed) if self.cameras else None
        pose, shape = final[:, :48], final[:, 48:]
        joints, keypoints = self._look(pose, shape, detected, camera)
        return Lifted(
            pose,
            shape,
            joints,
            keypoints,
            coarse_pose,
            coarse_shape,
            coarse_joints,
            coarse_keypoints,
        )

    def _look(
        self, pose: Tensor, shape: Tensor, detected: Tensor, camera: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        joints = self.hand(pose, shape)
        if camera is None:
            scale, shift = solve_camera(joints, detected)
        else:
            scale, shift = _SCALE * camera[:, None, :1].exp(), camera[:, None, 1:]
        return joints, scale * joints[..., :2] + shift
