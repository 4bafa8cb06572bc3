"""The real hands that ship with the package, and splits of them by clip and by language.

Where they come from stands in `lossbook.lab.hands.make_data`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int64
from numpy.typing import NDArray
from torch import Tensor

from lossbook.lab.run.splits import hold_out, shuffled_groups

__all__ = ["FILE", "Hands", "load_hands", "split_by_clip", "split_by_language"]

FILE = Path(__file__).with_name("data") / "fingerspelling.npz"
"""What `lossbook.lab.hands.make_data` writes."""

_Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Hands:
    """Right hands of people who spell, sorted by clip and, within a clip, by time.

    Attributes:
        keypoints: ``(n, 21, 2)``, crop coordinates; pseudo-labels.
        clip: ``(n,)``, the number of the clip.
        language: ``(n,)``, the code of the sign language, e.g. ``"gsg"``.
        letter: ``(n,)``, the letter that the clip spells. A clip also shows the hand on its way
            there and back, so a frame need not show the letter. Nothing here uses it; it stays,
            because every record names the file by its checksum.
    """

    keypoints: Float[Tensor, "hands 21 2"]
    clip: Int64[Tensor, " hands"]
    language: tuple[str, ...]
    letter: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.keypoints)


def load_hands(path: Path = FILE) -> Hands:
    """Load the hands that ship with the package.

    Args:
        path: of a file that `lossbook.lab.hands.make_data` writes.

    Raises:
        OSError: if it cannot be read.
        ValueError: if it is not such a file, saying what is wrong and where.
    """
    expected = {"keypoints": "float16", "clip": "int16", "language": "U", "letter": "U"}
    with np.load(path, allow_pickle=False) as file:
        found = {name: file[name] for name in file.files}
    if set(found) != set(expected):
        raise ValueError(f"{path}: expected the arrays {list(expected)}, found {list(found)}")
    count = len(found["clip"])
    for name, kind in expected.items():
        shape = (count, 21, 2) if name == "keypoints" else (count,)
        _check_array(path, name, found[name], shape, kind)
    keypoints = found["keypoints"].astype(np.float32)
    bad = ~(np.abs(keypoints) <= 0.5).all((1, 2))
    if bad.any():
        raise ValueError(
            f"{path}: {bad.sum()} hands have keypoints outside of the crop, or not finite, the "
            f"first is hand {int(bad.argmax())}"
        )
    if (np.diff(found["clip"]) < 0).any():
        raise ValueError(f"{path}: the hands must be sorted by clip")
    return Hands(
        keypoints=torch.from_numpy(keypoints),
        clip=torch.from_numpy(found["clip"].astype(np.int64)),
        language=tuple(found["language"].tolist()),
        letter=tuple(found["letter"].tolist()),
    )


def _check_array(path: Path, name: str, array: _Array, shape: tuple[int, ...], kind: str) -> None:
    is_kind = array.dtype.kind == "U" if kind == "U" else array.dtype.name == kind
    if array.shape != shape or not is_kind:
        wanted = "text" if kind == "U" else kind
        raise ValueError(
            f"{path}: {name} must be {wanted} of shape {shape}, found {array.dtype} of shape "
            f"{array.shape}"
        )


def split_by_clip(
    hands: Hands, fold: int, *, folds: int = 5, seed: int = 0
) -> tuple[Int64[Tensor, " train"], Int64[Tensor, " test"]]:
    """Split the hands so that no clip is in both parts.

    Frames of one clip look alike, so splitting frames would test on what was trained. Clips of the
    same language still look alike: they share their camera and probably their signer.

    Args:
        hands: as `load_hands` gives them.
        fold: which part is held out, from 0.
        folds: number of parts; each clip is held out in exactly one.
        seed: of the shuffled order of clips.

    Returns:
        Indices of training and test hands, ascending.

    Raises:
        ValueError: if there is no such fold.
    """
    return _split(hands.clip, "clips", fold, folds, seed)


def split_by_language(
    hands: Hands, fold: int, *, folds: int = 5, seed: int = 0
) -> tuple[Int64[Tensor, " train"], Int64[Tensor, " test"]]:
    """Split the hands so that no sign language, with its camera and signers, is in both parts.

    Args:
        hands: as `load_hands` gives them.
        fold: which part is held out, from 0.
        folds: number of parts; each language is held out in exactly one.
        seed: of the shuffled order of languages.

    Returns:
        Indices of training and test hands, ascending.

    Raises:
        ValueError: if there is no such fold.
    """
    names = sorted(set(hands.language))
    numbers = torch.tensor([names.index(language) for language in hands.language])
    return _split(numbers, "languages", fold, folds, seed)


def _split(
    groups: Int64[Tensor, " n"], name: str, fold: int, folds: int, seed: int
) -> tuple[Int64[Tensor, " train"], Int64[Tensor, " test"]]:
    shuffled = shuffled_groups(groups, seed)
    if not (2 <= folds <= len(shuffled) and 0 <= fold < folds):
        raise ValueError(f"fold {fold} of {folds} does not exist with {len(shuffled)} {name}")
    return hold_out(groups, shuffled[fold::folds])
