"""Guidance while a face is made, template by template: what SFace's gradient does at inference.

The denoisers are those of `lossbook.lab.inversion.experiment`, in all four folds; each makes its
faces several times, guided from not at all to strongly::

    python -m lossbook.lab.inversion.guided --record
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from lossbook.lab.inversion import experiment
from lossbook.lab.inversion.experiment import (
    means,
    rebuilt,
    recognisers,
    scored,
    shown_row,
    trained,
)
from lossbook.lab.inversion.faces import Faces, files, load_faces, split
from lossbook.lab.run import records
from lossbook.lab.run.command import main
from lossbook.lab.run.experiment import Experiment
from lossbook.lab.run.records import Score

__all__ = [
    "EXPERIMENT",
    "RECORDED",
    "Config",
    "Record",
    "Result",
    "at_strengths",
    "load_record",
    "run",
    "summary",
]


class Config(experiment.Config):
    """See `experiment.Config`.

    Attributes:
        strengths: of the guidance, as in `lossbook.lab.inversion.model.rebuild`; 0 is none.
    """

    strengths: tuple[float, ...] = (0.0, 0.1, 0.25, 0.5, 1.0)


RECORDED = Config(arms=("pixel", "baseline"), folds=(0, 1, 2, 3))
"""Pixels alone, and the note's baseline."""


class Result(records.Result):
    """How the faces of one denoiser did.

    Attributes:
        units: of each template, as in ``"unseen rmse, 0.5"``: part, column of `units`, strength.
        scores: their means under the same names.
        shown: by strength, three faces of each part in a row, as a PNG in base64; in the first
            fold.
    """

    scores: Mapping[str, Score]
    shown: Mapping[str, str] = {}


class Record(records.Record[Config, Result, experiment.Baseline]):
    """The recorded guidance."""

    headline: ClassVar[str] = "unseen judge_far, 0.5"


def run(
    arm: str,
    fold: int,
    config: Config,
    faces: Faces,
    *,
    device: torch.device | str = "cpu",
    progress: bool = True,
) -> Result:
    """Train one arm and score what it makes at each strength.

    Args:
        arm: name in `ARMS`.
        fold: who is held out; also the seed.
        config: see `Config`.
        faces: as `load_faces` gives them.
        device: where to train.
        progress: whether to show a progress bar.
    """
    part, network = split(faces, fold), recognisers()[0]
    attack, history = trained(arm, part, fold, config, faces, device=device, progress=progress)

    def make(strength: float) -> dict[str, Tensor]:
        network.to(device)
        steered: Any = {"network": network, "strength": strength} if strength else {}
        made = rebuilt(attack.denoiser, faces, part, **steered)
        network.cpu()
        return made

    return at_strengths(make, arm, fold, config, faces, seconds=history.seconds)


def at_strengths(
    make: Callable[[float], Mapping[str, Tensor]],
    arm: str,
    fold: int,
    config: Config,
    faces: Faces,
    *,
    seconds: float = 0.0,
) -> Result:
    """Score what is made at each strength.

    Args:
        make: faces of each of `PARTS`, from a strength.
        arm: what made them.
        fold: who is held out.
        config: see `Config`.
        faces: as `load_faces` gives them.
        seconds: of training.
    """
    part = split(faces, fold)
    columns: dict[str, tuple[float, ...]] = {}
    shown: dict[str, str] = {}
    for strength in config.strengths:
        made = make(strength)
        found = scored(made, faces, part)
        columns |= {f"{name}, {strength:g}": values for name, values in found.items()}
        if fold == config.folds[0]:
            shown[f"{strength:g}"] = shown_row(made)
    return Result(
        arm=arm,
        fold=fold,
        seconds=seconds,
        units=columns,
        scores=means(columns),
        shown=shown,
    )


def summary(found: Mapping[str, Any]) -> str:
    """How often both systems accept strangers, at each strength.

    Args:
        found: the scores, or a result that has them.
    """
    scores = found.get("scores", found)
    told = []
    for strength in RECORDED.strengths:
        shares = (scores[f"unseen {s}_II_0.001, {strength:g}"] for s in ("attacked", "judge"))
        told.append(f"{strength:g}: " + ", ".join(f"{share:.2f}" for share in shares))
    return "strangers, SFace and dlib at " + "  ".join(told)


EXPERIMENT = Experiment(
    module="lossbook.lab.inversion.guided",
    path=experiment.RECORD.with_name("guided.json"),
    config=RECORDED,
    kind=Record,
    load=load_faces,
    files=files,
    run=run,
    try_rate=experiment.try_rate,
    baseline=experiment.baseline,
    rates=experiment.SWEEP,
    summary=summary,
)

load_record = EXPERIMENT.load_record

if __name__ == "__main__":
    main(EXPERIMENT.module)
