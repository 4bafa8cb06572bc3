"""Results by person: photographs of one person are no independent tests."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from lossbook.lab.inversion import guided
from lossbook.lab.inversion.experiment import BASELINES, PARTS, Record
from lossbook.lab.inversion.faces import Faces, split

__all__ = ["by_person"]


def by_person(
    record: Record | guided.Record, faces: Faces, column: str, arms: Sequence[str] = ()
) -> dict[str, list[float]]:
    """The mean of each person's results, over photographs and folds.

    Args:
        record: of `lossbook.lab.inversion.experiment`, of `lossbook.lab.inversion.guided`, or of
            `lossbook.lab.inversion.controls`.
        faces: as `load_faces` gives them.
        column: a name in the results' units, as ``"seen rmse"`` or ``"seen rmse, 0.5"``.
        arms: by default all of the record, and `BASELINES`.

    Returns:
        By arm, one person after another.

    Raises:
        ValueError: if the column belongs to neither part.
    """
    part = column.split(" ")[0]
    if part not in PARTS:
        raise ValueError(f"column must begin with one of {', '.join(PARTS)}; got {column!r}")
    people = [
        faces.subject[getattr(split(faces, fold), part)].tolist() for fold in record.config.folds
    ]
    tested = [person for each in people for person in each]
    found = {}
    for arm in arms or (*record.config.arms, *BASELINES):
        if arm in BASELINES and arm not in record.config.arms:
            values = [v for one in record.baseline for v in one.units[arm][column]]
        else:
            values = record.units(arm, column)
        of_each: dict[int, list[float]] = {person: [] for person in sorted(set(tested))}
        for person, value in zip(tested, values, strict=True):
            of_each[person].append(value)
        found[arm] = [statistics.fmean(each) for each in of_each.values()]
    return found
