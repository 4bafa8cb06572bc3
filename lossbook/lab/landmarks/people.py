"""Results by person: the ten photographs of one person are not ten independent results."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from lossbook.lab.landmarks.experiment import Record
from lossbook.lab.landmarks.orl import Faces, split_by_subject

__all__ = ["KINDS", "by_person"]

KINDS = ("all", "rare", "common")
"""Of faces: all, those with an attribute, those without."""


def by_person(
    record: Record, faces: Faces, kind: str = "all", arms: Sequence[str] = ()
) -> dict[str, list[float]]:
    """The mean error of each person's faces, every person tested once.

    Args:
        record: of `lossbook.lab.landmarks.experiment` or of one beside it; all five folds.
        faces: as `load_faces` gives them.
        kind: of the faces that count, in `KINDS`; who has none is left out, for all arms alike.
        arms: by default all of the record.

    Returns:
        By arm, NME of one person after another, in one order.

    Raises:
        ValueError: if the kind is unknown, or the record has not all folds.
    """
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}, got {kind!r}")
    tested = torch.cat([split_by_subject(faces, fold)[1] for fold in record.config.folds])
    if len(tested) != len(faces):
        raise ValueError(f"the record tests {len(tested)} of {len(faces)} faces")
    rare = faces.attributes[tested].any(1)
    counted = {"all": torch.ones_like(rare), "rare": rare, "common": ~rare}[kind]
    subject = faces.subject[tested][counted]
    found = {}
    for arm in arms or record.config.arms:
        errors = torch.tensor(record.units(arm), dtype=torch.float64)[counted]
        found[arm] = [errors[subject == person].mean().item() for person in torch.unique(subject)]
    return found
