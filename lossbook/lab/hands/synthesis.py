"""Synthetic hands with everything known, and a detector that finds keypoints in doubt.

The hands come from `lossbook.lab.hands.kinematics`: random poses, shapes and views, with exact 2D
and 3D keypoints, pose and shape.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import roma
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from lossbook import checks
from lossbook.lab.hands.crops import to_crop
from lossbook.lab.hands.kinematics import ABDUCTION_LIMIT, FLEXION_LIMITS, Hand, finger_pose

__all__ = ["OCCLUDED", "Synthetic", "detect", "synthetic"]

OCCLUDED = 0.1
"""`detect` gives points it cannot see a confidence below this, and others one of 0.5 or more."""

_PALM = (0, 5, 9, 13, 17)


@dataclass(frozen=True, eq=False)
class Synthetic:
    """Hands made up, with everything known exactly.

    Attributes:
        keypoints: ``(n, 21, 2)``, crop coordinates.
        joints: ``(n, 21, 3)``, metres, as `Hand` gives them.
        pose: ``(n, 48)``, rotation vectors.
        shape: ``(n, 10)``, coefficients.
    """

    keypoints: Float[Tensor, "hands 21 2"]
    joints: Float[Tensor, "hands 21 3"]
    pose: Float[Tensor, "hands 48"]
    shape: Float[Tensor, "hands 10"]


def synthetic(n: int, generator: torch.Generator, hand: Hand) -> Synthetic:
    r"""Make up hands and look at them from random sides.

    - **Fingers**: a fifth of the hands are open and a fifth are fists; in a quarter each finger is
      stretched or curled; in the others all joints are drawn for themselves. Angles stay within
      `FLEXION_LIMITS` and `ABDUCTION_LIMIT`; fingers that bend spread less.
    - **Shape**: ten standard normal numbers.
    - **View**: the hand is turned about its own length, palm (60 %) or back to the viewer, with a
      spread of 45 degrees; tilted forwards or backwards by about 25 degrees; and turned in the
      picture, mostly upright but for a third that lies to the right or hangs. These are roughly
      the views of the real hands. The camera is scaled orthographic: depth is left out.

    Rotation vectors of lengths :math:`a` and :math:`2\pi - a` stand for the same rotation. Of the
    two the one is given that is nearer to the drawn angles: hands that show their back are turned
    by about half a turn, and the shorter vector would jump between :math:`\pi` and :math:`-\pi`.

    Args:
        n: how many.
        generator: of the CPU, on whatever device the hand is: the same seed gives the same hands.
        hand: makes the joints, on its own device.

    Returns:
        Crops are jittered, as :func:`~lossbook.lab.hands.crops.to_crop` says.
    """
    flexion, abduction = _joint_angles(n, generator)
    pose = torch.cat([_orientation(n, generator), finger_pose(flexion, abduction)], 1)
    shape = torch.randn(n, 10, generator=generator)
    pose, shape = pose.to(hand.bones), shape.to(hand.bones)
    with torch.no_grad():
        joints = hand(pose, shape)
    return Synthetic(to_crop(joints[..., :2], generator=generator), joints, pose, shape)


def _joint_angles(n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Flexion (n, 5, 3) and abduction (n, 5) in radians."""
    kind = torch.rand(n, 1, generator=generator)
    drawn = torch.rand(n, 5, generator=generator)
    curl = torch.where(kind < 0.2, 0.2 * drawn, 1 - 0.2 * drawn)
    stretched = torch.where(drawn < 0.5, 0.3 * drawn, 1.15 - 0.3 * drawn)
    curl = torch.where(kind < 0.4, curl, stretched)[..., None].expand(n, 5, 3)
    curl = curl + 0.08 * torch.randn(n, 5, 3, generator=generator)
    free = torch.rand(n, 5, 3, generator=generator)
    # The outer two joints of a finger share their tendon.
    free[..., 2] = 0.7 * free[..., 1] + 0.3 * free[..., 2]
    part = torch.where(kind[..., None] < 0.65, curl, free).clamp(0, 1)
    limits = torch.deg2rad(torch.tensor(FLEXION_LIMITS))
    flexion = limits[..., 0] + part * (limits[..., 1] - limits[..., 0])
    limit = torch.deg2rad(torch.tensor(ABDUCTION_LIMIT))
    spread = (torch.randn(n, 5, generator=generator) / 2).clamp(-1, 1)
    return flexion, limit * spread * (1 - 0.7 * part[..., 0])


def _orientation(n: int, generator: torch.Generator) -> Tensor:
    """Rotation vectors of whole hands, (n, 3)."""
    uniform = torch.rand(n, 2, generator=generator)
    normal = torch.randn(n, 3, generator=generator)
    pitch = math.radians(25) * normal[:, 0]
    yaw = math.radians(45) * normal[:, 1] + math.pi * (uniform[:, 0] > 0.6)
    upright = math.radians(8) + math.radians(20) * normal[:, 2]
    lying = math.radians(80) + math.radians(50) * normal[:, 2]
    roll = torch.where(uniform[:, 1] < 0.67, upright, lying)
    rotation = roma.euler_to_rotmat("ZXY", [roll, pitch, yaw])
    vector = roma.rotmat_to_rotvec(rotation)
    other = vector * (1 - 2 * math.pi / vector.norm(dim=1, keepdim=True).clamp_min(1e-6))
    drawn = torch.stack([pitch, yaw, roll], 1)
    nearer = (vector - drawn).norm(dim=1) <= (other - drawn).norm(dim=1)
    return torch.where(nearer[:, None], vector, other)


def detect(
    keypoints: Float[Tensor, "batch 21 2"],
    generator: torch.Generator,
    *,
    noise: float = 0.01,
    finger: float = 0.25,
    tip: float = 0.2,
) -> Float[Tensor, "batch 21 3"]:
    r"""Find keypoints as a detector would: noisily, some of them occluded, with a confidence.

    A point that is seen has a confidence :math:`c` drawn evenly from 0.5 to 1; one that is occluded
    from 0.03 to 0.07. Either is found off its place by Laplace noise of scale ``noise / c`` in x
    and y. So the likelihood of a true point :math:`p` given the found one :math:`q` is
    proportional to :math:`\exp(-c\,|p-q|_1/\text{noise})`: weighting L1 with the confidence is
    maximum likelihood, but for a bias. An occluded point is guessed: before the noise, it is drawn
    towards the middle of the palm by 20 % to 80 % of the way, as trained detectors do in doubt. A
    detector sees the crop only: what would be found outside is found at its edge.

    Args:
        keypoints: true ones, crop coordinates.
        generator: of the CPU, on whatever device the keypoints are.
        noise: scale at a confidence of 1, crop coordinates.
        finger: how probable it is that all four points of a finger are occluded.
        tip: how probable it is that a tip is, where its finger is not. With ``finger`` 0.25 and
            ``tip`` 0.2, 27 % of all points are. The wrist never is.

    Returns:
        x, y and the confidence.

    Raises:
        ValueError: if ``noise`` is negative or a probability is not within 0 and 1.
    """
    checks.number(noise=noise, finger=finger, tip=tip)
    if max(finger, tip) > 1:
        raise ValueError(f"finger and tip are probabilities, got {finger} and {tip}")
    n = len(keypoints)
    occluded = _occluded(n, generator, finger, tip).to(keypoints.device)
    drawn = torch.rand(n, 21, 2, generator=generator).to(keypoints)
    confidence = torch.where(occluded, 0.03 + 0.04 * drawn[..., 0], 0.5 + 0.5 * drawn[..., 0])
    pull = torch.where(occluded, 0.2 + 0.6 * drawn[..., 1], 0)[..., None]
    palm = keypoints[:, _PALM].mean(1, keepdim=True)
    even = torch.rand(n, 21, 2, generator=generator, dtype=torch.float64).to(keypoints) - 0.5
    laplace = -even.sign() * torch.log1p((-2 * even.abs()).clamp_min(-1 + 1e-7))
    found = keypoints + pull * (palm - keypoints) + noise / confidence[..., None] * laplace
    return torch.cat([found.clamp(-0.5, 0.5), confidence[..., None]], 2)


def _occluded(
    n: int, generator: torch.Generator, finger: float, tip: float
) -> Bool[Tensor, "batch 21"]:
    drawn = torch.rand(n, 5, 2, generator=generator)
    fingers = (drawn[..., :1] < finger).expand(n, 5, 4).clone()
    fingers[..., 3] |= drawn[..., 1] < tip
    return torch.cat([torch.zeros(n, 1, dtype=torch.bool), fingers.flatten(1)], 1)
