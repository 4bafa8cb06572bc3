"""What wrong labels and few faces do to four losses.

The pseudo-labels have no outliers that we know of, so some are made: a share of the points that are
trained on is moved, once and for all, in a random direction, by a part of the distance of the outer
eye corners. Elsewhere only eight people are trained on. Tests see the labels as they are. All else
is as in `lossbook.lab.landmarks.experiment`::

    python -m lossbook.lab.landmarks.robust --record
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping

import torch
from jaxtyping import Int64
from torch import Tensor

from lossbook.lab.landmarks import experiment
from lossbook.lab.landmarks.data import Faces
from lossbook.lab.landmarks.experiment import Teach
from lossbook.lab.landmarks.model import ARMS as LOSSES
from lossbook.lab.run.command import main
from lossbook.lab.run.splits import hold_out, shuffled_groups

__all__ = ["ARMS", "EXPERIMENT", "OUTER_EYE_CORNERS", "contaminated", "few", "load_record"]

OUTER_EYE_CORNERS = (60, 72)
"""Their numbers among WFLW's 98 points."""
PEOPLE = 8
"""That are trained on where faces are few."""


def contaminated(
    faces: Faces, indices: Int64[Tensor, " n"], seed: int, *, share: float, size: float
) -> tuple[Faces, Int64[Tensor, " n"]]:
    """Move a share of the points in random directions.

    Args:
        faces: as `load_faces` gives them; stay as they are.
        indices: the faces to train on; no other is touched.
        seed: of the choice and of the directions.
        share: probability that a point is moved.
        size: how far, in distances of the outer eye corners of the face.

    Returns:
        The faces and the same indices.
    """
    generator = torch.Generator().manual_seed(seed)
    points = faces.landmarks[indices]
    left, right = (points[:, corner] for corner in OUTER_EYE_CORNERS)
    far = size * (left - right).norm(dim=-1)[:, None]
    moved = torch.rand(points.shape[:2], generator=generator) < share
    angle = 2 * torch.pi * torch.rand(points.shape[:2], generator=generator)
    step = torch.stack([angle.cos(), angle.sin()], -1) * (far * moved)[..., None]
    landmarks = faces.landmarks.clone()
    landmarks[indices] = points + step
    return dataclasses.replace(faces, landmarks=landmarks), indices


def few(
    faces: Faces, indices: Int64[Tensor, " n"], seed: int
) -> tuple[Faces, Int64[Tensor, " few"]]:
    """Keep the faces of `PEOPLE` people.

    Args:
        faces: as `load_faces` gives them.
        indices: the faces to train on.
        seed: decides who stays.
    """
    people = faces.subject[indices]
    _, kept = hold_out(people, shuffled_groups(people, seed)[:PEOPLE])
    return faces, indices[kept]


TAUGHT: Mapping[str, Teach] = {
    f"{share:.0%} by {size:g}": functools.partial(contaminated, share=share, size=size)
    for share in (0.1, 0.3)
    for size in (0.2, 0.8)
} | {f"{PEOPLE} people": few}

ARMS: Mapping[str, tuple[str, str]] = {
    f"{loss}, {taught}": (loss, taught)
    for taught in TAUGHT
    for loss in ("L2", "L1", "SmoothL1", "Wing")
}
"""By name, the loss and what it is taught."""


RECORDED = experiment.RECORDED.replace(arms=tuple(ARMS), own_rates=())
"""Twenty arms on every fold, 100 runs."""

EXPERIMENT = dataclasses.replace(
    experiment.EXPERIMENT,
    module="lossbook.lab.landmarks.robust",
    path=experiment.RECORD.with_name("robust.json"),
    config=RECORDED,
    run=functools.partial(
        experiment.run,
        losses={arm: LOSSES[loss] for arm, (loss, _) in ARMS.items()},
        taught={arm: TAUGHT[taught] for arm, (_, taught) in ARMS.items()},
    ),
)

load_record = EXPERIMENT.load_record

if __name__ == "__main__":
    main(EXPERIMENT.module)
