"""Short trainings with scheme A of a decoder from scratch, and with one thing wrong at a time.

SFace makes each of them slow, so a page shows what was recorded::

    python -m lossbook.lab.inversion.failures --record
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from lossbook.inversion import InversionLoss, pixel_loss
from lossbook.lab.inversion import experiment
from lossbook.lab.inversion.experiment import recognisers
from lossbook.lab.inversion.faces import Faces, enlarge, files, load_faces, split
from lossbook.lab.inversion.model import Denoiser, linear_guess
from lossbook.lab.inversion.systems import features
from lossbook.lab.inversion.training import Batch, batches, scratch
from lossbook.lab.run import records
from lossbook.lab.run.command import main
from lossbook.lab.run.experiment import Experiment
from lossbook.lab.run.logs import smooth, what_checks_say
from lossbook.lab.run.records import Number
from lossbook.lab.run.training import fit
from lossbook.terms import LossTerms

__all__ = ["CASES", "CURVES", "EXPERIMENT", "HEALTHY", "RECORDED", "load_record", "spoken"]

HEALTHY = "healthy"

CURVES = ("total", "pixel", "feat", "match", "other")
"""What a log has: the loss and its terms, and two that no loss sees, the cosine with the own
template and with the most alike of the negatives."""

_WEIGHT, _MARGIN = 0.3, 0.35

Terms = Callable[[Tensor, Batch, Tensor], LossTerms]


class _Recipe(nn.Module):
    """A loss of the library, as it is called in this chapter's training."""

    def __init__(self, loss: InversionLoss) -> None:
        super().__init__()
        self.loss = loss

    def forward(self, clean: Tensor, batch: Batch, found: Tensor) -> LossTerms:
        """Compute it."""
        terms: LossTerms = self.loss(
            clean, batch.pictures, found, batch.template, batch.negatives, batch.centers
        )
        return terms


def _healthy() -> Terms:
    return _Recipe(InversionLoss(feature="cosine_margin", lambda_schedule=_WEIGHT))


def _collapse() -> Terms:
    return _Recipe(InversionLoss.preset("B", feature="cosine_margin"))


def _silent() -> Terms:
    loss = InversionLoss(
        feature="cosine_margin", lambda_schedule=_WEIGHT, mining="mean", margin=0.1
    )
    return _Recipe(loss)


def _cold() -> Terms:
    return _Recipe(InversionLoss(feature="info_nce", lambda_schedule=_WEIGHT, temperature=0.001))


def _wrong_sign() -> Terms:
    return _Recipe(InversionLoss.preset("D", lambda_schedule=_WEIGHT, total=1, normalized=True))


def _wrong_axis() -> Terms:
    def loss(clean: Tensor, batch: Batch, found: Tensor) -> LossTerms:
        # As in the note's code: along the negatives, not along their numbers.
        negatives = functional.normalize(batch.negatives[:, :10], dim=1)
        own, unit = functional.normalize(batch.template), functional.normalize(found)
        others = torch.einsum("bd,bkd->bk", unit, negatives).amax(1)
        feat = (others - (unit * own).sum(1) + _MARGIN).clamp(min=0).mean()
        return LossTerms(
            {"pixel": pixel_loss(clean, batch.pictures), "feat": feat},
            {"pixel": 1.0, "feat": _WEIGHT},
        )

    return loss


CASES: Mapping[str, Callable[[], Terms]] = {
    HEALTHY: _healthy,
    "collapse": _collapse,
    "silent": _silent,
    "cold": _cold,
    "wrong sign": _wrong_sign,
    "wrong axis": _wrong_axis,
}
"""What each case trains with:

- ``"collapse"``: scheme B, whose weights have a hundred times the network's learning rate;
- ``"silent"``: a margin of 0.1 is asked for, against the mean of the negatives;
- ``"cold"``: InfoNCE at a temperature of 0.001;
- ``"wrong sign"``: scheme D as documented;
- ``"wrong axis"``: ten negatives, normalised along the axis that counts them.
"""


class Config(experiment.Config):
    """See `experiment.Config`; the arms are cases.

    Attributes:
        weight_rate: Adam's, of weights that a loss learns.
        width: steps that a curve is averaged over.
    """

    weight_rate: float = 0.1
    width: int = 10


RECORDED = Config(arms=tuple(CASES), folds=(0,), steps=120, learning_rate=2e-3)
"""Every case once."""


class Result(records.Result):
    """The log of one case.

    Attributes:
        curves: one number a step, under the names of `CURVES`.
    """

    curves: Mapping[str, tuple[Number, ...]]


class Record(records.Record[Config, Result, float]):
    """Recorded logs; the baseline is the cosine with the own template before the first step."""

    headline = "match"


def _with_cosines(terms: LossTerms, batch: Batch, found: Tensor) -> LossTerms:
    """Log what no loss sees."""
    unit = functional.normalize(found.detach())
    match = (unit * batch.template).sum(1).mean()
    other = torch.einsum("bd,bkd->bk", unit, batch.negatives).amax(1).mean()
    return LossTerms(
        {**terms.terms, "match": match, "other": other},
        {**terms.weights, "match": 0.0, "other": 0.0},
    )


def run(
    case: str,
    fold: int,
    config: Config,
    faces: Faces,
    *,
    device: torch.device | str = "cpu",
    progress: bool = True,
) -> Result:
    """Train one case.

    Args:
        case: a name in `CASES`.
        fold: whose people are trained on; also the seed.
        config: see `Config`.
        faces: as `load_faces` gives them.
        device: where to train.
        progress: whether to show a progress bar.
    """
    part, network = split(faces, fold), recognisers()[0].to(device)
    decoder = scratch(faces, part, True, fold)
    terms = CASES[case]()
    learned = list(terms.parameters()) if isinstance(terms, nn.Module) else []
    stepper = torch.optim.Adam(learned, lr=config.weight_rate) if learned else None

    def loss(model: nn.Module, batch: Batch) -> LossTerms:
        clean = model(batch.noisy, batch.sigma, batch.template)
        found = features(network, enlarge(clean))
        return _with_cosines(terms(clean, batch, found), batch, found)

    def after(done: int, model: nn.Module) -> None:
        if stepper is not None:
            stepper.step()
            stepper.zero_grad(set_to_none=True)

    stream = batches(faces, part.training, fold, size=config.batch_size, negatives=config.negatives)
    history = fit(
        decoder,
        loss,
        stream,
        steps=config.steps,
        learning_rate=config.learning_rate,
        schedule="constant",
        device=device,
        progress=progress,
        description=case,
        callback=after,
    )
    network.cpu()
    curves = {name: tuple(smooth(history.log[name], config.width)) for name in CURVES}
    return Result(arm=case, fold=fold, seconds=history.seconds, curves=curves)


def baseline(fold: int, faces: Faces, config: Config) -> float:
    """The cosine with the own template of what the decoder makes before these steps.

    Args:
        fold: see `run`.
        faces: as `load_faces` gives them.
        config: of the steps before.
    """
    part, network = split(faces, fold), recognisers()[0]
    decoder = scratch(faces, part, True, fold)
    stream = batches(faces, part.training, fold, size=config.batch_size, negatives=1)
    found = []
    with torch.no_grad():
        for batch, _ in zip(stream, range(config.steps), strict=False):
            clean = decoder(batch.noisy, batch.sigma, batch.template)
            unit = functional.normalize(features(network, enlarge(clean)))
            found.append((unit * batch.template).sum(1).mean().item())
    return statistics.fmean(found)


def spoken(faces: Faces, case: str) -> str:
    """What ``check_values()`` says of the first step of a case; empty if it says nothing.

    Args:
        faces: as `load_faces` gives them.
        case: a name in `CASES`.
    """
    part, network = split(faces, 0), recognisers()[0]
    batch = next(batches(faces, part.training, 0, size=RECORDED.batch_size))
    guess = Denoiser(*linear_guess(faces, part.training)).guess
    clean = guess(batch.template).requires_grad_()
    found = features(network, enlarge(clean))
    return what_checks_say(lambda: CASES[case]()(clean, batch, found))


def _summary(found: Mapping[str, object]) -> str:
    curves = found["curves"]
    assert isinstance(curves, Mapping)
    return "  ".join(f"{n} {v[9]:.3f} to {v[-1]:.3f}" for n, v in curves.items())


EXPERIMENT = Experiment(
    module="lossbook.lab.inversion.failures",
    path=experiment.RECORD.with_name("failures.json"),
    config=RECORDED,
    kind=Record,
    load=load_faces,
    files=files,
    run=run,
    try_rate=experiment.try_rate,
    baseline=baseline,
    rates=experiment.SWEEP,
    summary=_summary,
)

load_record = EXPERIMENT.load_record

if __name__ == "__main__":
    main(EXPERIMENT.module)
