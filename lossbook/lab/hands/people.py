"""Results by sign language: the clips of one language share their camera and their signer."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

import torch

from lossbook.lab.hands.clips import Hands, split_by_clip
from lossbook.lab.hands.experiment import Record, Split

__all__ = ["by_language"]


def by_language(
    record: Record, hands: Hands, arms: Sequence[str] = (), *, split: Split = split_by_clip
) -> dict[str, list[float]]:
    """The mean 2D error of each language's clips, every clip tested once.

    Args:
        record: of `lossbook.lab.hands.experiment` or of one beside it; all five folds.
        hands: as `load_hands` gives them.
        arms: by default all of the record.
        split: what the record held out in a fold.

    Returns:
        By arm, one language after another, in alphabetical order; sides of the crop.

    Raises:
        ValueError: if the record does not test every clip once.
    """
    spoken = dict(zip(hands.clip.tolist(), hands.language, strict=True))
    tested = [
        clip
        for fold in record.config.folds
        for clip in torch.unique(hands.clip[split(hands, fold)[1]]).tolist()
    ]
    if sorted(tested) != sorted(spoken):
        raise ValueError(f"the record tests {len(tested)} of {len(spoken)} clips")
    found = {}
    for arm in arms or record.config.arms:
        errors: dict[str, list[float]] = {name: [] for name in sorted(set(spoken.values()))}
        for clip, error in zip(tested, record.units(arm, "error_2d"), strict=True):
            errors[spoken[clip]].append(error)
        found[arm] = [statistics.fmean(each) for each in errors.values()]
    return found
