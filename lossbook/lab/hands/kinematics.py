"""A differentiable right hand with 21 keypoints and MANO's kinds of parameters.

The hand is **schematic**: nobody was measured. Its rest pose is a small table of coordinates with
the size of an adult's hand, about 0.19 m from the wrist to the tip of the middle finger; its shape
is ten simple deformations. It has no surface, so it gives joints and no vertices. It stands in for
MANO, whose files may not be passed on, and takes parameters of the same form:

- ``pose`` ``(B, 48)``: a rotation vector (axis times angle, radians) for the whole hand, then one
  for each of 15 joints, three a finger. The fingers come in the order of the keypoints: thumb,
  index, middle, ring, pinky. **MANO's own order is index, middle, pinky, ring, thumb.**
- ``shape`` ``(B, 10)``: coefficients, standard normal among people; see :data:`SHAPE`.

Keypoints come in the order of OpenPose, MediaPipe and FreiHAND: 0 the wrist, then four a finger
from the palm outwards: 1-4 thumb, 5-8 index, 9-12 middle, 13-16 ring, 17-20 pinky. The last one of
a finger is its tip.

Coordinates are metres, as a camera has them: x to the right, y downwards, z away from the viewer.
At pose zero the hand is flat and open, its palm to the viewer, its fingers up and its thumb to the
right; the wrist is the origin, and the hand turns about it.
"""

from __future__ import annotations

import math

import roma
import torch
from jaxtyping import Float
from torch import Tensor, nn

from lossbook import checks

__all__ = [
    "ABDUCTION_LIMIT",
    "BONES",
    "FINGERS",
    "FLEXION_LIMITS",
    "REST",
    "SHAPE",
    "TIPS",
    "Hand",
    "finger_pose",
]

FINGERS = {
    "thumb": (1, 2, 3, 4),
    "index": (5, 6, 7, 8),
    "middle": (9, 10, 11, 12),
    "ring": (13, 14, 15, 16),
    "pinky": (17, 18, 19, 20),
}
"""The keypoints of each finger, from the palm to the tip."""

TIPS = tuple(chain[-1] for chain in FINGERS.values())
"""The keypoints of the five fingertips."""

BONES = tuple(
    (parent, child)
    for chain in FINGERS.values()
    for parent, child in zip((0, *chain[:-1]), chain, strict=True)
)
"""The 20 edges ``(parent, child)`` of the hand; edge ``k`` ends in keypoint ``k + 1``."""

# Base of the finger (x, y, z), lengths of its three outer bones, and the direction they point in:
# degrees from straight up, turning to the right, and degrees out of the palm's plane.
_FINGER_TABLE = (
    ((0.024, -0.022, -0.006), (0.044, 0.033, 0.027), 42.0, 15.0),
    ((0.027, -0.089, 0.0), (0.040, 0.025, 0.022), 5.0, 0.0),
    ((0.004, -0.092, 0.0), (0.045, 0.030, 0.023), 1.0, 0.0),
    ((-0.017, -0.087, 0.0), (0.042, 0.028, 0.023), -4.0, 0.0),
    ((-0.036, -0.077, 0.0), (0.033, 0.021, 0.020), -10.0, 0.0),
)


def _direction(right: float, out: float) -> tuple[float, float, float]:
    a, b = math.radians(right), math.radians(out)
    return math.sin(a) * math.cos(b), -math.cos(a) * math.cos(b), -math.sin(b)


def _rest() -> Tensor:
    points = [[0.0, 0.0, 0.0]]
    for base, lengths, right, out in _FINGER_TABLE:
        points.append(list(base))
        for length in lengths:
            step = (length * part for part in _direction(right, out))
            points.append([a + b for a, b in zip(points[-1], step, strict=True)])
    return torch.tensor(points, dtype=torch.float64)


REST: Float[Tensor, "21 3"] = _rest()
"""The open hand of shape 0 in metres; schematic, float64."""

SHAPE = (
    ("size of the whole hand", 0.06),
    ("length of the thumb", 0.05),
    ("length of the index finger", 0.05),
    ("length of the middle finger", 0.05),
    ("length of the ring finger", 0.05),
    ("length of the pinky", 0.05),
    ("width of the palm", 0.06),
    ("length of the palm", 0.05),
    ("outer bones longer, inner bones shorter", 0.04),
    ("length of the thumb's metacarpal", 0.06),
)
"""What each shape coefficient scales, and by how much a coefficient of 1 scales it.

A coefficient :math:`b` with the number :math:`s` multiplies the length by :math:`1 + s b`, as
MANO's deformations are linear too; several factors on one length are multiplied. The eighth one
scales each finger's last bone by :math:`1 + s b` and its first one beyond the palm by
:math:`1 - s b`. The numbers are rough guesses of how adults differ.
"""


def _bend_axes() -> tuple[Tensor, Tensor]:
    """Axes of flexion and of abduction, each (5, 3), at rest."""
    along = torch.tensor(
        [_direction(right, out) for _, _, right, out in _FINGER_TABLE], dtype=torch.float64
    )
    # Fingers bend out of the palm, towards the viewer; the thumb bends across it.
    towards = torch.tensor([(-0.8, 0.1, -0.6), *4 * [(0.0, 0.0, -1.0)]], dtype=torch.float64)
    flexion = torch.linalg.cross(along, towards)
    flexion = flexion / flexion.norm(dim=1, keepdim=True)
    abduction = torch.linalg.cross(flexion, along)
    return flexion, abduction


_FLEXION, _ABDUCTION = _bend_axes()

FLEXION_LIMITS: tuple[tuple[tuple[float, float], ...], ...] = (
    ((-20.0, 40.0), (-10.0, 55.0), (-15.0, 80.0)),
    *4 * (((-20.0, 90.0), (-5.0, 105.0), (-5.0, 75.0)),),
)
"""How far each joint bends, in degrees: five fingers of three joints, smallest and largest."""

ABDUCTION_LIMIT: tuple[float, ...] = (25.0, 15.0, 10.0, 12.0, 18.0)
"""How far the first joint of each finger turns to either side, in degrees."""


def finger_pose(
    flexion: Float[Tensor, "batch 5 3"], abduction: Float[Tensor, "batch 5"]
) -> Float[Tensor, "batch 45"]:
    """Turn joint angles into the rotation vectors of the 15 joints.

    Args:
        flexion: radians, for each finger and joint; positive closes the hand.
        abduction: radians, of each finger's first joint. Positive turns an open finger to the
            viewer's left at pose zero, towards the pinky.

    Returns:
        ``pose[:, 3:]`` of :class:`Hand`. Flexion and abduction of a first joint are added as
        rotation vectors, which is one rotation about an axis between theirs.

    Raises:
        ValueError: for any other shape.
    """
    if flexion.shape[1:] != (5, 3) or abduction.shape != flexion.shape[:2]:
        raise ValueError(
            f"flexion must have shape (batch, 5, 3) and abduction (batch, 5), got "
            f"{tuple(flexion.shape)} and {tuple(abduction.shape)}"
        )
    joints = flexion[..., None] * _FLEXION.to(flexion)[:, None]
    first = joints[:, :, :1] + (abduction[..., None] * _ABDUCTION.to(flexion))[:, :, None]
    return torch.cat([first, joints[:, :, 1:]], 2).flatten(1)


class Hand(nn.Module):
    """Turn pose and shape into 21 joints, differentiably, also at pose zero.

    All five fingers are computed together. The numbers are kept in float64 or float32, as
    ``.double()`` or ``.float()`` (the default) say, and nothing of them is trained.

    Example:
        >>> import torch
        >>> hand = Hand()
        >>> joints = hand(torch.zeros(1, 48), torch.zeros(1, 10))
        >>> joints.shape
        torch.Size([1, 21, 3])
        >>> round(joints[0, 12].norm().item(), 2)
        0.19
    """

    bones: Tensor
    size: Tensor

    def __init__(self) -> None:
        super().__init__()
        fingers = REST[1:].view(5, 4, 3)
        bones = torch.cat([fingers[:, :1], fingers.diff(dim=1)], 1)
        self.register_buffer("bones", bones.float(), persistent=False)
        self.register_buffer("size", torch.tensor([s for _, s in SHAPE]), persistent=False)

    def forward(
        self, pose: Float[Tensor, "batch 48"], shape: Float[Tensor, "batch 10"]
    ) -> Float[Tensor, "batch 21 3"]:
        """Compute the joints.

        Args:
            pose: rotation vectors, radians.
            shape: coefficients of :data:`SHAPE`.

        Returns:
            Metres; the wrist is the origin.

        Raises:
            TypeError: if an input is not a floating-point tensor.
            ValueError: if a shape is wrong or the batches differ.
        """
        checks.floating(pose=pose, shape=shape)
        checks.shape("(batch, 10)", lambda s: len(s) == 2 and s[1] == 10, shape=shape)
        rotations = self.rotations(pose)
        checks.same_batch(pose=pose, shape=shape)
        checks.same_dtype(pose=pose, shape=shape, hand=self.bones)
        bones = self._bones(shape)
        turn = rotations[:, :1]
        points = [(turn @ bones[:, :, 0, :, None]).squeeze(-1)]
        joints = rotations[:, 1:].reshape(-1, 5, 3, 3, 3)
        for k in range(3):
            turn = turn @ joints[:, :, k]
            points.append(points[-1] + (turn @ bones[:, :, k + 1, :, None]).squeeze(-1))
        wrist = torch.zeros_like(points[0][:, :1])
        return torch.cat([wrist, torch.stack(points, 2).flatten(1, 2)], 1)

    def rotations(self, pose: Float[Tensor, "batch 48"]) -> Float[Tensor, "batch 16 3 3"]:
        """Turn rotation vectors into matrices: the whole hand's, then the 15 joints'.

        Each joint's matrix is relative to its parent; at pose zero all are the identity, so
        ``rotations(pose)[:, 1:]`` is what a prior on the pose compares with it.

        Args:
            pose: rotation vectors, radians.

        Raises:
            TypeError: if ``pose`` is not a floating-point tensor.
            ValueError: if its shape is wrong.
        """
        checks.floating(pose=pose)
        checks.shape("(batch, 48)", lambda s: len(s) == 2 and s[1] == 48, pose=pose)
        matrices: Tensor = roma.rotvec_to_rotmat(pose.reshape(-1, 16, 3))
        return matrices

    def _bones(self, shape: Tensor) -> Tensor:
        """Each bone as a vector at pose zero, (batch, 5, 4, 3)."""
        change = shape * self.size
        factor = 1 + change
        whole, finger, width, length = factor[:, 0], factor[:, 1:6], factor[:, 6], factor[:, 7]
        one = torch.ones_like(whole)
        palm = torch.stack([width, length, one], 1)[:, None, None].expand(-1, 5, 1, 3)
        taper = torch.stack([1 - change[:, 8], one, factor[:, 8]], 1)
        outer = (finger[:, :, None] * taper[:, None])[..., None].expand(-1, 5, 3, 3)
        thumb = torch.stack([one, factor[:, 9], one, one], 1)[:, None, :, None]
        others = torch.ones_like(thumb).expand(-1, 4, 4, 1)
        scale = torch.cat([palm, outer], 2) * torch.cat([thumb, others], 1)
        return whole[:, None, None, None] * scale * self.bones
