"""The chapter's experiment: one denoiser, trained further with each of the note's losses.

Every arm starts from the same denoiser of its fold, which was trained with pixels alone, and sees
the same stream of faces and noise; only the loss differs. What it rebuilds from templates is shown
to the system that was attacked and to one that was not.

Record the evidence the chapter shows with::

    python -m lossbook.lab.inversion.experiment --record
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, ClassVar

import torch
from jaxtyping import Float, Int64
from pydantic import Field, PlainSerializer
from torch import Tensor

from lossbook.lab.inversion.arms import ARMS, GUIDED, MATCHED
from lossbook.lab.inversion.faces import (
    Faces,
    Split,
    enlarge,
    files,
    load_faces,
    reduce,
    split,
)
from lossbook.lab.inversion.judge import Judge
from lossbook.lab.inversion.model import Denoiser, linear_guess, rebuild, templates
from lossbook.lab.inversion.sface import SFace, load_sface
from lossbook.lab.inversion.systems import features, units
from lossbook.lab.inversion.training import Attack, Settings, train
from lossbook.lab.run import records
from lossbook.lab.run.command import main
from lossbook.lab.run.experiment import Experiment, Sweep
from lossbook.lab.run.pictures import pack
from lossbook.lab.run.records import Digits, Model, Number, Score
from lossbook.lab.run.training import History

__all__ = [
    "BASELINES",
    "EXPERIMENT",
    "LIVE",
    "PARTS",
    "RECORDED",
    "Baseline",
    "Config",
    "Record",
    "Result",
    "baseline",
    "load_record",
    "means",
    "rebuilt",
    "recognisers",
    "run",
    "scored",
    "shown_row",
    "trained",
    "try_rate",
]

RECORD = Path(__file__).with_name("data") / "record.json"
PARTS = ("seen", "unseen")
"""Other photographs of people who were trained on, and people who were not; see `Split`."""

BASELINES = ("truth", "mean face", "nearest face", "linear")
"""The photograph itself at the size that is rebuilt; the mean of the faces trained on; of them the
one with the nearest template; and the linear guess that every denoiser starts from."""

_SHOWN = (0, 10, 24)
"""Places within each part, of the faces that a record shows."""


def brief(value: int | float) -> int | float:
    """Three digits, and no point where none is needed: a record has 75,000 such numbers.

    Args:
        value: to store.
    """
    short = float(f"{value:.3g}")
    return int(short) if short.is_integer() else short


class Config(Settings, records.Config):
    """Everything that decides the outcome of the experiment, beside the code and the device.

    Attributes:
        arms: names in `ARMS`.
        folds: of `split`, whose ten people are held out in turn. A fold's number is also the seed.
        own_rates: arms and the rate they have instead.
    """


RECORDED = Config(arms=tuple(ARMS), folds=(0, 1, 2, 3))
"""Every arm in all four folds, so that each person is a stranger once."""

LIVE = RECORDED.replace(arms=("pixel", "constant 0.1"), folds=(0,), first_steps=200, steps=40)
"""What the chapter's cells run."""


Brief = Annotated[float, Field(ge=0), PlainSerializer(brief, when_used="json")]
"""A number from 0 on, stored as `brief` says."""


class Result(records.ScoredResult):
    """How the faces that one trained denoiser rebuilt did.

    Attributes:
        arm: name in `ARMS`.
        fold: who was held out; also the seed.
        seconds: of training, without what all arms begin with.
        units: for each of `PARTS`, as in ``"seen rmse"``, the columns of `units` in the order of
            the split.
        scores: their means under the same names.
        guided: the same means of faces that SFace guided while they were made, for some arms, as
            in ``"0.5 seen rmse"``; see `GUIDED`.
        log: mean of each term over the last 25 steps.
        weights: of each term at the end.
        shown: three faces of each part in a row, as a PNG in base64, in the first fold.
    """

    units: Mapping[str, tuple[Brief, ...]]
    guided: Mapping[str, Score] = {}
    log: Mapping[str, Number]
    weights: Mapping[str, Digits]
    shown: str = ""


class Baseline(Model):
    """What any arm has to beat, and what none can.

    Attributes:
        fold: who was held out.
        scores: for each of `BASELINES` the means, as in `Result`.
        units: likewise, of each template.
        shown: as in `Result`.
    """

    fold: int
    scores: Mapping[str, Mapping[str, Score]]
    units: Mapping[str, Mapping[str, tuple[Brief, ...]]]
    shown: Mapping[str, str]


class Record(records.ScoredRecord[Config, Result, Baseline]):
    """The recorded experiment."""

    headline: ClassVar[str] = "seen judge_far"


@lru_cache(maxsize=1)
def recognisers() -> tuple[SFace, Judge]:
    """Load the attacked system and the judge, once a process."""
    return load_sface(), Judge(load_faces().points.mean(0))


def scored(
    made: Mapping[str, Float[Tensor, "n 1 56 56"]], faces: Faces, part: Split
) -> dict[str, tuple[float, ...]]:
    """Score faces of both parts, one by one.

    Args:
        made: faces of each of `PARTS`.
        faces: as `load_faces` gives them.
        part: which photographs they were made from.

    Returns:
        By part and column of `units`, as in ``"seen rmse"``.
    """
    columns: dict[str, tuple[float, ...]] = {}
    for name, pictures in made.items():
        found = units(pictures.cpu(), faces, getattr(part, name), *recognisers())
        columns |= {f"{name} {column}": tuple(values.tolist()) for column, values in found.items()}
    return columns


def means(columns: Mapping[str, tuple[float, ...]]) -> dict[str, float]:
    """The mean of each column.

    Args:
        columns: as `scored` gives them.
    """
    return {name: sum(values) / len(values) for name, values in columns.items()}


def shown_row(made: Mapping[str, Float[Tensor, "n 1 56 56"]]) -> str:
    """Three faces of each part in a row, as a PNG in base64.

    Args:
        made: faces of each of `PARTS`.
    """
    row = torch.cat([made[name][at, 0] for name in PARTS for at in _SHOWN], 1)
    grey = ((row.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).cpu()
    return pack(grey.numpy())


def rebuilt(
    model: Denoiser,
    faces: Faces,
    part: Split,
    *,
    network: SFace | None = None,
    strength: float = 0.5,
) -> dict[str, Tensor]:
    """Rebuild the faces of both parts, guided if a network is given.

    Args:
        model: trained.
        faces: as `load_faces` gives them.
        part: whose templates.
        network: SFace.
        strength: of the guidance, see `lossbook.lab.inversion.model.rebuild`.
    """
    device = next(model.parameters()).device
    made = {}
    for name in PARTS:
        known = templates(faces)[getattr(part, name)].to(device)

        def alike(clean: Tensor, known: Tensor = known) -> Tensor:
            assert network is not None
            found = features(network, enlarge(clean))
            return torch.cosine_similarity(found, known)

        guide = alike if network else None
        made[name] = rebuild(model, known, guide=guide, strength=strength)
    return made


def trained(
    arm: str,
    part: Split,
    fold: int,
    config: Config,
    faces: Faces,
    *,
    device: torch.device | str,
    progress: bool,
) -> tuple[Attack, History]:
    """Train one arm; its denoiser takes no gradients any more.

    Args:
        arm: name in `ARMS`.
        part: which photographs to train on.
        fold: the seed.
        config: see `Config`.
        faces: as `load_faces` gives them.
        device: where to train.
        progress: whether to show a progress bar.
    """
    attack, history = train(
        {**ARMS, **MATCHED}[arm],
        faces,
        part,
        recognisers()[0],
        seed=fold,
        settings=config,
        learning_rate=config.rate(arm),
        device=device,
        progress=progress,
        description=f"{arm}, fold {fold}",
    )
    attack.denoiser.requires_grad_(False)
    return attack, history


def run(
    arm: str,
    fold: int,
    config: Config,
    faces: Faces,
    *,
    device: torch.device | str = "cpu",
    progress: bool = True,
) -> Result:
    """Train one arm on the people of a fold and score what it rebuilds.

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
    model = attack.denoiser
    made = rebuilt(model, faces, part)
    guided: dict[str, float] = {}
    for strength in GUIDED.get(arm, ()):
        steered = rebuilt(model, faces, part, network=network, strength=strength)
        network.cpu()
        found = means(scored(steered, faces, part))
        guided |= {f"{strength:g} {name}": value for name, value in found.items()}
        network.to(device)
    network.cpu()
    columns = scored(made, faces, part)
    skipped = ("learning_rate", "total")
    return Result(
        arm=arm,
        fold=fold,
        seconds=history.seconds,
        units=columns,
        scores=means(columns),
        guided=guided,
        log={n: sum(v[-25:]) / len(v[-25:]) for n, v in history.log.items() if n not in skipped},
        weights=attack.weights,
        shown=shown_row(made) if fold == config.folds[0] else "",
    )


def try_rate(
    arm: str,
    rate: float,
    fold: int,
    config: Config,
    faces: Faces,
    *,
    device: torch.device | str = "cpu",
) -> dict[str, float]:
    """Try a learning rate on ten people held out from the training part of a fold.

    Args:
        arm: name in `ARMS`.
        rate: to try.
        fold: trained on twenty of its thirty people, scored on photographs of these that were not
            trained on, and on the other ten.
        config: its steps and sizes are used.
        faces: as `load_faces` gives them.
        device: where to train.

    Returns:
        The means of `Result`.
    """
    part, others = split(faces, fold), split(faces, (fold + 1) % 4)

    def without(indices: Int64[Tensor, " n"]) -> Tensor:
        held = faces.subject[others.unseen]
        return indices[~torch.isin(faces.subject[indices], held)]

    part = Split(without(part.training), without(part.seen), others.unseen)
    own = config.replace(own_rates=((arm, rate),))
    attack, _ = trained(arm, part, fold, own, faces, device=device, progress=False)
    recognisers()[0].cpu()
    return means(scored(rebuilt(attack.denoiser, faces, part), faces, part))


def baseline(fold: int, faces: Faces, config: Settings = RECORDED) -> Baseline:
    """Score what needs no denoiser.

    Args:
        fold: see `run`.
        faces: as `load_faces` gives them.
        config: not used.
    """
    part, known, pictures = split(faces, fold), templates(faces), reduce(faces.pictures)
    guess = Denoiser(*linear_guess(faces, part.training)).guess
    made: dict[str, dict[str, Tensor]] = {name: {} for name in BASELINES}
    for name in PARTS:
        indices = getattr(part, name)
        nearest = (known[indices] @ known[part.training].T).argmax(1)
        mean = pictures[part.training].mean(0, keepdim=True)
        found = (
            pictures[indices],
            mean.expand(len(indices), -1, -1, -1),
            pictures[part.training[nearest]],
            guess(known[indices]),
        )
        for which, faces_made in zip(BASELINES, found, strict=True):
            made[which][name] = faces_made
    columns = {which: scored(parts, faces, part) for which, parts in made.items()}
    return Baseline(
        fold=fold,
        scores={which: means(values) for which, values in columns.items()},
        units=columns,
        shown={which: shown_row(parts) for which, parts in made.items()} if fold == 0 else {},
    )


def _summary(found: Mapping[str, Any]) -> str:
    scores = found.get("scores", found)
    named = {"attacked": "SFace", "judge": "dlib"}
    return f"rmse {scores['seen rmse']:.1f}  " + "  ".join(
        f"{word} {scores[f'seen {system}_II_0.001']:.2f}, {scores[f'unseen {system}_II_0.001']:.2f}"
        for system, word in named.items()
    )


SWEEP = Sweep(rates=(5e-4, 1e-3, 2e-3), folds=(2,), steps=RECORDED.steps)

EXPERIMENT = Experiment(
    module="lossbook.lab.inversion.experiment",
    path=RECORD,
    config=RECORDED,
    kind=Record,
    load=load_faces,
    files=files,
    run=run,
    try_rate=try_rate,
    baseline=baseline,
    rates=SWEEP,
    summary=_summary,
)

load_record = EXPERIMENT.load_record

if __name__ == "__main__":
    main(EXPERIMENT.module)
