"""Other first weights on the same letters: how often does the cycle keep the content?

In `lossbook.lab.translation.experiment` a fold has letters and first weights of its own. Here the
letters are those of its first fold throughout, and only the first weights and the order of the
letters differ. Beside the scores it records what each letter is read as, and two numbers that no
curve of the note has: the identity's distance, also where that term has no weight, and how often
the discriminator gives a real letter more than a translation.

Record the evidence the chapter shows with::

    python -m lossbook.lab.translation.starts --record
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from lossbook.lab.run import records
from lossbook.lab.run.command import main
from lossbook.lab.run.experiment import Experiment
from lossbook.lab.run.records import Score
from lossbook.lab.translation import experiment
from lossbook.lab.translation.experiment import Brief, Config, Fold
from lossbook.lab.translation.letters import ALPHABET, Letters, files, load_letters, split
from lossbook.lab.translation.scores import translate
from lossbook.lab.translation.training import Trained

__all__ = [
    "EXPERIMENT",
    "RECORDED",
    "Record",
    "Result",
    "apart",
    "by_reference",
    "load_record",
    "probes",
    "read_as",
    "run",
]

FOLD = 0
"""Whose letters."""

RECORDED = experiment.RECORDED.replace(arms=("steady", "identity"), folds=tuple(range(6)))
"""Two arms, six times each; a fold's number is that of the first weights."""


class Result(records.ScoredResult):
    """What one training came to.

    Attributes:
        scores: as in `lossbook.lab.translation.experiment.Result`, and ``"id"``, the mean distance
            of unseen letters from what comes out if their own style is asked for, and
            ``"real above fake"``, the share of pairs in which the discriminator agrees.
        read: what each letter of the alphabet is read as most often, into either domain.
        log: a number an epoch of each curve.
    """

    read: tuple[str, str]
    log: Mapping[str, tuple[Brief, ...]]


class Record(records.ScoredRecord[Config, Result, Score]):
    """The recorded experiment; the baseline is how far unseen letters of a domain lie apart."""

    headline: ClassVar[str] = "content"


def by_reference(found: Trained, scale: float, letters: Letters, fold: Fold) -> list[Tensor]:
    """Translate the 26 letters of each test, each with its reference.

    Args:
        found: trained.
        scale: of its latents.
        letters: as `load_letters` gives them.
        fold: of `lossbook.lab.translation.experiment.prepare`.
    """
    return [
        translate(
            found.networks,
            fold.autoencoder,
            scale,
            letters.images[test.source],
            int(letters.domain[test.target]),
            letters.images[test.target][test.reference],
        )
        for test in fold.asked
    ]


def read_as(made: list[Tensor], letters: Letters, fold: Fold) -> tuple[str, str]:
    """Read each letter: what it is read as most often, into the first domain and into the second.

    Args:
        made: of `by_reference`.
        letters: as `load_letters` gives them.
        fold: of `lossbook.lab.translation.experiment.prepare`.
    """
    seen = torch.stack([fold.judge.letters(rows) for rows in made])
    into = letters.domain[torch.tensor([test.target for test in fold.asked])]
    first, second = (
        "".join(ALPHABET[int(column.mode().values)] for column in seen[into == domain].T)
        for domain in (0, 1)
    )
    return first, second


def probes(found: Trained, scale: float, letters: Letters, fold: Fold) -> dict[str, float]:
    """Measure what no curve of the note has on unseen letters: see `Result.scores`.

    Args:
        found: trained.
        scale: of its latents.
        letters: as `load_letters` gives them.
        fold: of `lossbook.lab.translation.experiment.prepare`.
    """
    networks = found.networks
    kept, pairs = [], []
    for test in fold.asked:
        own = torch.full((len(ALPHABET),), int(letters.domain[test.target]))
        real = fold.autoencoder.encode(letters.images[test.target]) * scale
        reference = real[test.reference]
        kept.append((networks.generator(real, networks.style_encoder(real, own)) - real).abs())
        content = fold.autoencoder.encode(letters.images[test.source]) * scale
        fake = networks.generator(content, networks.style_encoder(reference, own))
        of_real, of_fake = (networks.discriminator(x, own).flatten() for x in (real, fake))
        pairs.append((of_real[:, None] > of_fake).float().mean())
    return {
        "id": torch.stack(kept).mean().item(),
        "real above fake": torch.stack(pairs).mean().item(),
    }


@torch.no_grad()
def _result(found: Trained, scale: float, letters: Letters, fold: Fold) -> dict[str, Any]:
    columns, _ = experiment.scored(found, scale, letters, fold)
    made = by_reference(found, scale, letters, fold)
    return {
        "scores": experiment.means(columns) | probes(found, scale, letters, fold),
        "read": read_as(made, letters, fold),
    }


def run(
    arm: str,
    fold: int,
    config: Config,
    letters: Letters,
    *,
    device: torch.device | str = "cpu",
    progress: bool = True,
) -> Result:
    """Train one arm on the letters of the first fold, from first weights of its own.

    Args:
        arm: name in `lossbook.lab.translation.arms.ARMS`.
        fold: number of the first weights, and of the order of the letters.
        config: see `Config`.
        letters: as `load_letters` gives them.
        device: where to train.
        progress: whether to show a progress bar.
    """
    shared = experiment.prepare(letters, split(letters, FOLD), FOLD, config.autoencoder_steps)
    found, scale = experiment.trained(
        arm, letters, shared, fold, config, device=device, progress=progress
    )
    return Result(
        arm=arm,
        fold=fold,
        seconds=found.seconds,
        log={name: tuple(values) for name, values in found.log.items()},
        **_result(found, scale, letters, shared),
    )


def baseline(fold: int, letters: Letters, config: Config = RECORDED) -> float:
    """How far unseen letters of one domain lie apart that were drawn independently.

    Args:
        fold: of the draws.
        letters: as `load_letters` gives them.
        config: of the autoencoder.

    Returns:
        The mean absolute difference of their scaled latents.
    """
    shared = experiment.prepare(letters, split(letters, FOLD), FOLD, config.autoencoder_steps)
    return apart(shared, letters, fold)


def apart(shared: Fold, letters: Letters, seed: int) -> float:
    """How far unseen letters of one domain lie apart that were drawn independently.

    Args:
        shared: of `lossbook.lab.translation.experiment.prepare`.
        letters: as `load_letters` gives them.
        seed: of the draws.

    Returns:
        The mean absolute difference of their scaled latents.
    """
    generator = torch.Generator().manual_seed(seed)
    far = []
    for domain in (0, 1):
        unseen = shared.part.unseen[letters.domain[shared.part.unseen] == domain]
        latents = shared.autoencoder.encode(letters.images[unseen].flatten(0, 1)) * shared.scale
        one, other = torch.randint(len(latents), (2, 4096), generator=generator)
        far.append((latents[one] - latents[other]).abs().mean().item())
    return sum(far) / 2


EXPERIMENT = Experiment(
    module="lossbook.lab.translation.starts",
    path=experiment.RECORD.with_name("starts.json"),
    config=RECORDED,
    kind=Record,
    load=load_letters,
    files=files,
    run=run,
    try_rate=experiment.try_rate,
    baseline=baseline,
    rates=experiment.SWEEP,
    summary=experiment.EXPERIMENT.summary,
)

load_record = EXPERIMENT.load_record

if __name__ == "__main__":
    main(EXPERIMENT.module)
