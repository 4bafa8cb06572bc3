"""The chapter's letters: capitals of real typefaces, in two domains, sans serif and serif.

A **style** is one weight of a typeface, and what it shows is one of 26 letters. No picture has a
partner in the other domain, as in StarGAN v2's data; but unlike there, the true translation is
known: the same letter in the style that was asked for. The pictures were made by
`lossbook.lab.translation.make_data`; ``data/letters.json`` names the fonts.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from lossbook.lab.run.arrays import read_arrays
from lossbook.lab.run.splits import hold_out, shuffled_groups

__all__ = [
    "ALPHABET",
    "DOMAINS",
    "FILE",
    "FOLDS",
    "SIDE",
    "Letters",
    "Split",
    "files",
    "load_letters",
    "split",
]

FILE = Path(__file__).with_name("data") / "letters.npz"
"""What `lossbook.lab.translation.make_data` writes."""

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

DOMAINS = ("sans serif", "serif")

SIDE = 32
"""Width and height of a picture."""

FOLDS = 5
"""Each holds a fifth of the families of each domain back."""


class Letters(NamedTuple):
    """The 26 capitals in each style; styles are sorted by domain, family, font and weight.

    Attributes:
        images: ``(styles, 26, 1, 32, 32)``, from 0 (paper) to 1 (ink). Capitals are 20 pixels high
            and stand on the bottom of row 23; each is in the middle of its picture's width.
        domain: ``(styles,)``, 0 for sans serif, 1 for serif.
        family: ``(styles,)``, the number of the family, from 0. Fonts that were drawn from one
            another, as a condensed one is, are of one family. A family is of one domain.
        weight: ``(styles,)``, 200 (light) to 900 (black); 400 is regular.
        names: of the styles, such as ``archivo-narrow 400``.
    """

    images: Float[Tensor, "styles 26 1 32 32"]
    domain: Int64[Tensor, " styles"]
    family: Int64[Tensor, " styles"]
    weight: Int64[Tensor, " styles"]
    names: list[str]


class Split(NamedTuple):
    """Numbers of styles, ascending.

    Attributes:
        training: all styles of four fifths of the families.
        unseen: all styles of the others.
    """

    training: Int64[Tensor, " training"]
    unseen: Int64[Tensor, " unseen"]


def load_letters(path: Path = FILE) -> Letters:
    """Load the letters.

    Args:
        path: of the file.

    Raises:
        OSError: if the file cannot be read.
        ValueError: if it is not what it should be.
    """
    found = read_arrays(
        path,
        {
            "images": ("uint8", ("styles", len(ALPHABET), SIDE, SIDE)),
            "domain": ("uint8", ("styles",)),
            "family": ("text", ("styles",)),
            "font": ("text", ("styles",)),
            "weight": ("uint16", ("styles",)),
        },
    )
    names = [
        f"{font} {weight}" for font, weight in zip(found["font"], found["weight"], strict=True)
    ]
    return Letters(
        torch.from_numpy(found["images"][:, :, None] / np.float32(255)),
        torch.from_numpy(found["domain"]).long(),
        torch.from_numpy(np.unique(found["family"], return_inverse=True)[1]).long(),
        torch.from_numpy(found["weight"].astype(np.int64)),
        names,
    )


def files() -> list[Path]:
    """List what `load_letters` reads."""
    return [FILE]


def split(letters: Letters, fold: int) -> Split:
    """Part the styles: families that are trained on, and families that are not.

    Args:
        letters: as `load_letters` gives them.
        fold: 0 to 4; over the five, each family is unseen once.

    Raises:
        ValueError: if there is no such fold.
    """
    if not 0 <= fold < FOLDS:
        raise ValueError(f"fold must be from 0 to {FOLDS - 1}, got {fold}")
    held_out = [
        shuffled_groups(letters.family[letters.domain == domain], 0)[fold::FOLDS]
        for domain in range(len(DOMAINS))
    ]
    return Split(*hold_out(letters.family, torch.cat(held_out)))
