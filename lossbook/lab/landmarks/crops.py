"""Square crops of faces, plain or randomly turned, scaled, shifted, mirrored and re-lit."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64, UInt8
from torch import Tensor

from lossbook.lab.landmarks.orl import Faces
from lossbook.lab.landmarks.scheme import WFLW98_FLIP

__all__ = ["Augmentation", "Views", "augment", "crop", "mean_shape"]


@dataclass(frozen=True)
class Augmentation:
    """How far :func:`augment` goes; each is drawn evenly from its range.

    Attributes:
        rotation: up to this many degrees either way.
        scale: the face becomes larger or smaller by up to this fraction.
        shift: up to this fraction of the crop's side, in x and y.
        flip: probability of mirroring.
        brightness: up to this much is added to or taken from values between 0 and 1.
        contrast: values are stretched around 0.5 by up to this fraction either way.
    """

    rotation: float = 15.0
    scale: float = 0.10
    shift: float = 0.05
    flip: float = 0.5
    brightness: float = 0.15
    contrast: float = 0.3


@dataclass(frozen=True, eq=False)
class Views:
    """Square crops of faces with everything that moved along.

    Attributes:
        images: ``(B, 1, S, S)`` between 0 and 1.
        landmarks: ``(B, 98, 2)`` in pixels of the crop, (0, 0) its top-left corner.
        angles: ``(B, 3)``: pitch, yaw, roll in radians.
    """

    images: Float[Tensor, "batch 1 side side"]
    landmarks: Float[Tensor, "batch 98 2"]
    angles: Float[Tensor, "batch 3"]


def crop(
    images: UInt8[Tensor, "batch height width"],
    landmarks: Float[Tensor, "batch 98 2"],
    angles: Float[Tensor, "batch 3"],
    *,
    size: int = 112,
    rotation: Float[Tensor, " batch"] | None = None,
    scale: Float[Tensor, " batch"] | None = None,
    shift: Float[Tensor, "batch 2"] | None = None,
    flip: Float[Tensor, " batch"] | None = None,
) -> Views:
    """Cut the square around the picture's centre whose side is the picture's height.

    No face detector and no landmark decides where the square lies: ORL's pictures are already
    crops of faces. Outside the picture its edge is repeated. With ``size`` equal to the picture's
    height and no transformation, a pixel of the crop is a pixel of the picture.

    Args:
        images: uint8 pictures.
        landmarks: in pixels of the picture.
        angles: pitch, yaw, roll in radians.
        size: side of the crop in pixels.
        rotation: radians, counter-clockwise in the picture, around its centre; added to roll.
        scale: above 1 makes the face larger.
        shift: moves the face right and down, as a fraction of the crop's side.
        flip: 1 mirrors left and right, after the rotation: landmarks change places, yaw and roll
            their sign. 0 does not.

    Returns:
        The crops, on the device of ``images``.
    """
    batch, height, width = images.shape
    zero = angles.new_zeros(batch)
    rotation = zero if rotation is None else rotation
    scale = zero + 1 if scale is None else scale
    shift = landmarks.new_zeros(batch, 2) if shift is None else shift
    flip = zero if flip is None else flip
    mirror = 1 - 2 * flip

    cos, sin = torch.cos(rotation), torch.sin(rotation)
    # y points down, so this turns counter-clockwise for the viewer.
    turn = torch.stack([torch.stack([cos, sin], -1), torch.stack([-sin, cos], -1)], 1)
    middle = landmarks.new_tensor([width / 2, height / 2])
    moved = (landmarks - middle) @ turn.mT * (scale / height)[:, None, None] + shift[:, None]
    moved = torch.stack([moved[..., 0] * mirror[:, None], moved[..., 1]], -1)
    swapped = moved[:, WFLW98_FLIP]
    moved = torch.where(flip[:, None, None] > 0, swapped, moved)

    pixels = _sample(images, turn, scale, shift, mirror, size)
    pitch, yaw, roll = angles.unbind(-1)
    angles = torch.stack([pitch, mirror * yaw, mirror * (roll + rotation)], -1)
    return Views(pixels, (moved + 0.5) * size, angles)


def _sample(
    images: Tensor, turn: Tensor, scale: Tensor, shift: Tensor, mirror: Tensor, size: int
) -> Tensor:
    """Resample pictures bilinearly with the inverse of `crop`'s map of the landmarks."""
    batch, height, width = images.shape
    unmirror = torch.stack([mirror, torch.ones_like(mirror)], -1)
    back = turn.mT / scale[:, None, None]
    # torch counts from -1 to 1 over crop and picture: half a side is 1.
    matrix = back * unmirror[:, None, :]
    offset = -2 * (back @ shift[:, :, None])
    aspect = matrix.new_tensor([[height / width], [1.0]])
    theta = torch.cat([matrix, offset], -1) * aspect
    grid = F.affine_grid(theta, [batch, 1, size, size], align_corners=False)
    values = images[:, None].to(theta.dtype) / 255
    return F.grid_sample(values, grid, padding_mode="border", align_corners=False)


def augment(
    images: UInt8[Tensor, "batch height width"],
    landmarks: Float[Tensor, "batch 98 2"],
    angles: Float[Tensor, "batch 3"],
    generator: torch.Generator,
    *,
    size: int = 112,
    amount: Augmentation | None = None,
) -> Views:
    """Cut randomly turned, scaled, shifted, mirrored and re-lit crops.

    Args:
        images: uint8 pictures.
        landmarks: in pixels of the picture.
        angles: pitch, yaw, roll in radians.
        generator: of the CPU, on whatever device the pictures are: the same seed gives the same
            crops everywhere.
        size: side of the crop in pixels.
        amount: how far to go, by default ``Augmentation()``.

    Returns:
        The crops, on the device of ``images``; see :func:`crop`.
    """
    amount = amount or Augmentation()
    drawn = torch.rand(len(images), 7, generator=generator).to(landmarks)
    even = 2 * drawn - 1
    views = crop(
        images,
        landmarks,
        angles,
        size=size,
        rotation=math.radians(amount.rotation) * even[:, 0],
        scale=1 + amount.scale * even[:, 1],
        shift=amount.shift * even[:, 2:4],
        flip=(drawn[:, 4] < amount.flip).to(landmarks.dtype),
    )
    brightness = amount.brightness * even[:, 5, None, None, None]
    contrast = 1 + amount.contrast * even[:, 6, None, None, None]
    pixels = ((views.images - 0.5) * contrast + 0.5 + brightness).clamp(0, 1)
    return Views(pixels, views.landmarks, views.angles)


def mean_shape(faces: Faces, indices: Int64[Tensor, " n"], *, size: int = 112) -> Tensor:
    """Mean landmarks of some faces and of their mirror images, in pixels of the crop.

    Args:
        faces: as `load_faces` gives them.
        indices: which faces.
        size: side of the crop in pixels.

    Returns:
        ``(98, 2)``.
    """
    picked = (faces.images[indices], faces.landmarks[indices], faces.angles[indices])
    plain = crop(*picked, size=size).landmarks
    mirrored = crop(*picked, size=size, flip=torch.ones(len(indices))).landmarks
    return torch.cat([plain, mirrored]).mean(0)
