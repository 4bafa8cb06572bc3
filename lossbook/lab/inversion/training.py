"""How the chapter's denoiser is trained with one of the losses."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional

from lossbook.inversion import InversionLoss, LambdaSchedule, pixel_loss
from lossbook.lab.inversion.arms import Arm
from lossbook.lab.inversion.faces import SIDE, Faces, Split, enlarge, reduce
from lossbook.lab.inversion.model import Denoiser, linear_guess, templates
from lossbook.lab.inversion.sface import SFace
from lossbook.lab.inversion.systems import features
from lossbook.lab.run.records import Model
from lossbook.lab.run.training import History, fit, seed_everything
from lossbook.terms import LossTerms

__all__ = ["SETTINGS", "Attack", "Batch", "Settings", "batches", "scratch", "train"]


class Settings(Model):
    """The numbers behind a training, whatever its loss and its seed.

    Attributes:
        steps: optimiser steps with the loss that is compared.
        batch_size: faces a step.
        learning_rate: highest value of a one-cycle schedule, of Adam.
        negatives: templates of other people that a face is compared with.
        first_steps: steps with pixels alone, before; the same for every loss.
        first_batch_size: faces in each of them.
        first_rate: highest learning rate of them.
        scratch_steps: optimiser steps of an arm that starts from scratch.
    """

    steps: int = 100
    batch_size: int = 6
    learning_rate: float = 1e-3
    negatives: int = 64
    first_steps: int = 400
    first_batch_size: int = 16
    first_rate: float = 2e-3
    scratch_steps: int = 400


SETTINGS = Settings()
"""Those of the recorded experiment."""


class Batch(NamedTuple):
    """What the network is trained on.

    Attributes:
        pictures: from -1 to 1.
        noisy: the same with noise.
        sigma: the noise's standard deviation.
        template: of length 1.
        raw: the same template as long as SFace made it.
        negatives: templates of other people who are trained on, of length 1.
        centers: the mean template of the person's photographs that are trained on, at length 1.
    """

    pictures: Float[Tensor, "batch 1 56 56"]
    noisy: Float[Tensor, "batch 1 56 56"]
    sigma: Float[Tensor, " batch"]
    template: Float[Tensor, "batch 128"]
    raw: Float[Tensor, "batch 128"]
    negatives: Float[Tensor, "batch others 128"]
    centers: Float[Tensor, "batch 128"]


def batches(
    faces: Faces,
    training: Int64[Tensor, " n"],
    seed: int,
    *,
    size: int = SETTINGS.batch_size,
    negatives: int = SETTINGS.negatives,
) -> Iterator[Batch]:
    """Yield batches without end; the same seed gives the same ones.

    Args:
        faces: as `load_faces` gives them.
        training: the faces to draw from; each comes once before any comes again.
        seed: of the order, the noise and the negatives.
        size: of a batch.
        negatives: for each face.
    """
    generator = torch.Generator().manual_seed(seed)
    pictures, known = reduce(faces.pictures[training]), templates(faces)[training]
    raw, people = faces.attacked[training], faces.subject[training]
    same = people[:, None] == people
    centers = functional.normalize(same.float() @ known)
    while True:
        order = torch.randperm(len(training), generator=generator)
        for some in torch.split(order, size):
            if len(some) < size:
                continue
            # Most of the noise that matters to a face made from noise is large.
            sigma = (torch.randn(len(some), generator=generator) * 1.4 + 0.3).exp()
            noise = torch.randn(len(some), 1, SIDE, SIDE, generator=generator)
            others = torch.multinomial((~same[some]).float(), negatives, generator=generator)
            yield Batch(
                pictures[some],
                pictures[some] + sigma[:, None, None, None] * noise,
                sigma,
                known[some],
                raw[some],
                known[others],
                centers[some],
            )


class Attack(nn.Module):
    """The denoiser with its loss, which is no part of it: what the loss learns has its own rate.

    Args:
        denoiser: to be trained.
        loss: None for pixels alone.
        network: the attacked system, whose own weights stay as they are.
        raw: see `Arm`.
    """

    def __init__(
        self,
        denoiser: Denoiser,
        loss: InversionLoss | None = None,
        network: SFace | None = None,
        *,
        raw: bool = False,
    ) -> None:
        super().__init__()
        self.denoiser = denoiser
        self.network = network
        self.raw = raw
        self._loss = (loss,)
        self._weights: Mapping[str, float | Tensor] = {}

    @property
    def loss(self) -> InversionLoss | None:
        """What it was made with."""
        return self._loss[0]

    @property
    def weights(self) -> dict[str, float]:
        """The terms' weights in the last step."""
        return {
            name: float(torch.as_tensor(weight).detach()) for name, weight in self._weights.items()
        }

    def forward(self, batch: Batch) -> LossTerms:
        """Compute the loss of a batch.

        Args:
            batch: as `batches` makes them.
        """
        clean = self.denoiser(batch.noisy, batch.sigma, batch.template)
        if self.loss is None or self.network is None:
            return LossTerms({"pixel": pixel_loss(clean, batch.pictures)}, {"pixel": 1.0})
        found = features(self.network, enlarge(clean))
        terms: LossTerms = self.loss(
            clean,
            batch.pictures,
            found,
            batch.raw if self.raw else batch.template,
            batch.negatives,
            batch.centers,
        )
        self._weights = terms.weights
        return terms


_FIRST: dict[str, Denoiser] = {}
"""The last one: a process that goes through the losses of a fold makes it once."""


def first(faces: Faces, part: Split, plain: bool, seed: int, settings: Settings) -> Denoiser:
    """Train a denoiser with pixels alone, which every loss then starts from.

    Args:
        faces: as `load_faces` gives them.
        part: whose ``training`` faces are trained on.
        plain: see `Denoiser`.
        seed: of the initial weights, and of the batches.
        settings: steps, size and rate.
    """
    key = repr((part.training.tolist(), plain, seed, settings))
    if key not in _FIRST:
        seed_everything(seed)
        denoiser = Denoiser(*linear_guess(faces, part.training), plain=plain)
        fit(
            Attack(denoiser),
            lambda model, batch: model(batch),
            batches(faces, part.training, seed, size=settings.first_batch_size, negatives=1),
            steps=settings.first_steps,
            learning_rate=settings.first_rate,
            schedule="one_cycle",
            progress=False,
        )
        _FIRST.clear()
        _FIRST[key] = denoiser
    return _FIRST[key]


def scratch(faces: Faces, part: Split, plain: bool, seed: int) -> Denoiser:
    """A denoiser that has learned nothing: its guess is the mean face.

    Args:
        faces: as `load_faces` gives them.
        part: whose ``training`` faces the mean is taken over.
        plain: see `Denoiser`.
        seed: of the initial weights.
    """
    seed_everything(seed)
    matrix, constant = linear_guess(faces, part.training)
    mean = constant + matrix @ templates(faces)[part.training].mean(0)
    return Denoiser(torch.zeros_like(matrix), mean, plain=plain)


def train(
    arm: Arm,
    faces: Faces,
    part: Split,
    network: SFace,
    *,
    seed: int = 0,
    settings: Settings = SETTINGS,
    learning_rate: float | None = None,
    device: torch.device | str = "cpu",
    progress: bool = True,
    description: str = "",
    watch: Callable[[int, nn.Module], object] | None = None,
) -> tuple[Attack, History]:
    """Train a denoiser with one loss.

    Args:
        arm: what is compared.
        faces: as `load_faces` gives them.
        part: whose ``training`` faces are trained on.
        network: the attacked system.
        seed: of the initial weights, and of the batches.
        settings: sizes, steps and rates.
        learning_rate: instead of that of the settings.
        device: where to train.
        progress: whether to show a progress bar.
        description: label of the bar.
        watch: called as ``watch(steps_done, attack)`` after each step.

    Returns:
        The denoiser with its loss, and the log.
    """
    if arm.scratch:
        denoiser, steps = scratch(faces, part, arm.plain, seed), settings.scratch_steps
    else:
        denoiser = copy.deepcopy(first(faces, part, arm.plain, seed, settings))
        steps = settings.steps
    loss = None if arm.loss is None else arm.loss(steps).to(device)
    learned = [] if loss is None else list(loss.parameters())
    stepper = torch.optim.Adam(learned, lr=arm.weight_rate) if learned else None
    attack = Attack(denoiser, loss, network.to(device), raw=arm.raw)
    schedule = None if loss is None else loss.lambda_schedule

    def after(done: int, model: nn.Module) -> None:
        if stepper is not None:
            stepper.step()
            stepper.zero_grad(set_to_none=True)
        if isinstance(schedule, LambdaSchedule):
            schedule.step()
        if watch is not None:
            watch(done, model)

    history = fit(
        attack,
        lambda model, batch: model(batch),
        batches(
            faces,
            part.training,
            seed,
            size=settings.batch_size,
            negatives=settings.negatives,
        ),
        steps=steps,
        learning_rate=settings.learning_rate if learning_rate is None else learning_rate,
        schedule="one_cycle",
        device=device,
        progress=progress,
        description=description,
        callback=after,
    )
    return attack.eval(), history
