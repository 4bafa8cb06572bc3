"""The chapter's network, what it is trained on, the eight losses, and how it is scored.

Coordinates are pixels of the 112 x 112 crop, PFLD's own input size; angles are radians.

The network has a head for the landmarks and one for the pose. Only the PFLD arms look at the pose
head: as in the public code, it has no loss of its own and learns through the product alone. In the
other arms it stays untrained.

The arms are L2, L1, SmoothL1 (beta of 1 pixel), Wing (w of 10, epsilon of 2 pixels) and

- ``"Wing [0,1]"``: the same w and epsilon on coordinates divided by the crop's side, a trap;
- ``"PFLD"``: as documented, angles in radians;
- ``"PFLD + biases"``: both biases 1, so that no face is left out;
- ``"PFLD, degrees"``: as documented, but the true angles come in degrees and the cosine takes them
  for radians, as in popular code.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, Literal, NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from lossbook.lab.landmarks.data import ATTRIBUTES, Augmentation, Faces, augment, crop, mean_shape
from lossbook.lab.run.records import Model
from lossbook.lab.run.training import History, fit, seed_everything
from lossbook.landmarks import pfld_loss, smooth_l1_loss, wing_loss
from lossbook.landmarks.metrics import ced_auc, failure_rate, nme
from lossbook.terms import LossTerms

__all__ = [
    "ARMS",
    "SETTINGS",
    "SIZE",
    "ArmLoss",
    "Batch",
    "LandmarkNet",
    "Prediction",
    "Settings",
    "batches",
    "evaluate",
    "predict",
    "train",
]

SIZE = 112
"""Side of the crops in pixels."""


class Settings(Model):
    """The numbers behind a training, whatever its loss and its seed.

    Attributes:
        steps: optimiser steps.
        batch_size: faces a step.
        learning_rate: highest value of a one-cycle schedule.
        optimizer: ``"adam"``; ``"adam, short"``, whose second moment remembers 20 steps in place of
            1000; or ``"sgd"`` with momentum.
        augmentation: of the crops trained on; tests see every face once, as it is.
    """

    steps: int = 1000
    batch_size: int = 32
    learning_rate: float = 2e-3
    optimizer: Literal["adam", "adam, short", "sgd"] = "adam"
    augmentation: Augmentation = Augmentation()


OPTIMIZERS: Mapping[str, Callable[..., torch.optim.Optimizer]] = {
    "adam": torch.optim.AdamW,
    "adam, short": partial(torch.optim.AdamW, betas=(0.9, 0.95)),
    "sgd": partial(torch.optim.SGD, momentum=0.9),
}

SETTINGS = Settings()
"""Those of the recorded experiment."""


class Prediction(NamedTuple):
    """What the network says: landmarks in pixels of the crop, angles in radians."""

    landmarks: Float[Tensor, "batch 98 2"]
    angles: Float[Tensor, "batch 3"]


class Batch(NamedTuple):
    """What the network is trained on; see `lossbook.lab.landmarks.data.Views` and `Faces`."""

    images: Float[Tensor, "batch 1 112 112"]
    landmarks: Float[Tensor, "batch 98 2"]
    angles: Float[Tensor, "batch 3"]
    attributes: Float[Tensor, "batch 4"]


ArmLoss = Callable[[Prediction, Batch], "LossTerms | Tensor"]


def _l2(prediction: Prediction, batch: Batch) -> Tensor:
    return (prediction.landmarks - batch.landmarks).square().flatten(1).sum(1).mean()


def _l1(prediction: Prediction, batch: Batch) -> Tensor:
    return (prediction.landmarks - batch.landmarks).abs().flatten(1).sum(1).mean()


def _smooth_l1(prediction: Prediction, batch: Batch) -> Tensor:
    return smooth_l1_loss(prediction.landmarks, batch.landmarks)


def _wing(prediction: Prediction, batch: Batch) -> Tensor:
    return wing_loss(prediction.landmarks, batch.landmarks)


def _wing_unit(prediction: Prediction, batch: Batch) -> Tensor:
    return wing_loss(prediction.landmarks / SIZE, batch.landmarks / SIZE)


def _pfld(prediction: Prediction, batch: Batch, *, bias: float = 0.0) -> LossTerms:
    return pfld_loss(
        prediction.landmarks,
        batch.landmarks,
        prediction.angles,
        batch.angles,
        batch.attributes,
        pose_bias=bias,
        attribute_bias=bias,
    )


def _pfld_degrees(prediction: Prediction, batch: Batch) -> LossTerms:
    return _pfld(prediction, batch._replace(angles=torch.rad2deg(batch.angles)))


ARMS: Mapping[str, ArmLoss] = {
    "L2": _l2,
    "L1": _l1,
    "SmoothL1": _smooth_l1,
    "Wing": _wing,
    "Wing [0,1]": _wing_unit,
    "PFLD": _pfld,
    "PFLD + biases": partial(_pfld, bias=1.0),
    "PFLD, degrees": _pfld_degrees,
}


class LandmarkNet(nn.Module):
    """A small convolutional network with a landmark head and a pose head.

    Both heads start at 0: the first prediction is the mean shape, looking straight ahead.

    Args:
        mean_shape: ``(98, 2)``, pixels of the crop.
    """

    mean_shape: Tensor

    def __init__(self, mean_shape: Float[Tensor, "98 2"]) -> None:
        super().__init__()
        widths = (1, 16, 32, 48, 64, 96)
        layers: list[nn.Module] = []
        for before, after in itertools.pairwise(widths):
            kernel = 5 if before == 1 else 3
            layers += [
                nn.Conv2d(before, after, kernel, stride=2, padding=kernel // 2, bias=False),
                nn.BatchNorm2d(after),
                nn.ReLU(),
            ]
        side = math.ceil(SIZE / 2 ** (len(widths) - 1))
        hidden = nn.Linear(widths[-1] * side * side, 256)
        self.features = nn.Sequential(*layers, nn.Flatten(), hidden, nn.ReLU())
        self.landmarks = nn.Linear(256, 98 * 2)
        self.angles = nn.Linear(256, 3)
        for head in (self.landmarks, self.angles):
            nn.init.zeros_(head.weight)
            nn.init.zeros_(head.bias)
        self.register_buffer("mean_shape", mean_shape)

    def forward(self, images: Float[Tensor, "batch 1 112 112"]) -> Prediction:
        """Find landmarks, in pixels of the crop, and angles, in radians."""
        features = self.features(images)
        # Ten pixels: about the spread of the landmarks around their mean.
        offset = 10 * self.landmarks(features).unflatten(1, (98, 2))
        return Prediction(self.mean_shape + offset, self.angles(features))


def batches(
    faces: Faces,
    indices: Int64[Tensor, " n"],
    seed: int,
    settings: Settings = SETTINGS,
    device: torch.device | str = "cpu",
) -> Iterator[Batch]:
    """Yield augmented batches without end; the same seed gives the same ones on every device.

    Args:
        faces: as `load_faces` gives them.
        indices: the faces to draw from; each comes once before any comes again.
        seed: of the order and of the augmentation.
        settings: for the size of a batch and the augmentation.
        device: where the crops are made.

    Raises:
        ValueError: if there are fewer faces than a batch holds.
    """
    if len(indices) < settings.batch_size:
        raise ValueError(f"a batch needs {settings.batch_size} faces, there are {len(indices)}")
    generator = torch.Generator().manual_seed(seed)
    images, landmarks, angles, attributes = (
        values[indices].to(device)
        for values in (faces.images, faces.landmarks, faces.angles, faces.attributes)
    )
    while True:
        order = torch.randperm(len(indices), generator=generator)
        for some in torch.split(order, settings.batch_size):
            if len(some) < settings.batch_size:
                continue
            views = augment(
                images[some],
                landmarks[some],
                angles[some],
                generator,
                size=SIZE,
                amount=settings.augmentation,
            )
            yield Batch(views.images, views.landmarks, views.angles, attributes[some])


def train(
    loss: ArmLoss,
    faces: Faces,
    indices: Int64[Tensor, " n"],
    *,
    seed: int = 0,
    settings: Settings = SETTINGS,
    learning_rate: float | None = None,
    prepare: Callable[[LandmarkNet], LandmarkNet] | None = None,
    device: torch.device | str = "cpu",
    progress: bool = True,
    description: str = "",
) -> tuple[LandmarkNet, History]:
    """Train a network with one loss.

    Args:
        loss: a value of :data:`ARMS`, or your own function of prediction and batch.
        faces: as `load_faces` gives them.
        indices: the faces to train on.
        seed: of the initial weights and of the crops.
        settings: steps, batch size, learning rate, augmentation.
        learning_rate: instead of that of the settings, e.g. ``config.rate(arm)``.
        prepare: changes the network before it is trained.
        device: where to train.
        progress: whether to show a progress bar.
        description: label of the bar.

    Returns:
        The network and the log.
    """
    seed_everything(seed)
    model = LandmarkNet(mean_shape(faces, indices, size=SIZE))
    if prepare is not None:
        model = prepare(model)
    history = fit(
        model,
        lambda net, batch: loss(net(batch.images), batch),
        batches(faces, indices, seed, settings, device),
        steps=settings.steps,
        learning_rate=settings.learning_rate if learning_rate is None else learning_rate,
        schedule="one_cycle",
        optimizer=OPTIMIZERS[settings.optimizer],
        device=device,
        progress=progress,
        description=description,
    )
    return model, history


@torch.no_grad()
def predict(
    model: nn.Module, images: Float[Tensor, "batch 1 112 112"], *, batch_size: int = 100
) -> Prediction:
    """Run a network over many crops, in evaluation mode and without gradients.

    Args:
        model: left in the mode it was in.
        images: crops between 0 and 1, on any device.
        batch_size: crops at a time.

    Returns:
        Landmarks and angles, on the device of the model.
    """
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    parts = [model(part.to(device)) for part in torch.split(images, batch_size)]
    model.train(was_training)
    return Prediction(*(torch.cat(values) for values in zip(*parts, strict=True)))


def evaluate(model: nn.Module, faces: Faces, indices: Int64[Tensor, " n"]) -> dict[str, Any]:
    """Score a network on plain crops of some faces.

    Args:
        model: gives a `Prediction`.
        faces: as `load_faces` gives them.
        indices: the faces to score on.

    Returns:
        The fields of `lossbook.lab.landmarks.experiment.Result` that can be measured, under their
        names; ``"errors"`` are those of the single faces.
    """
    views = crop(faces.images[indices], faces.landmarks[indices], faces.angles[indices], size=SIZE)
    found = Prediction(*(values.cpu() for values in predict(model, views.images)))
    errors = nme(found.landmarks, views.landmarks)
    attributes = faces.attributes[indices] > 0
    rare = attributes.any(1)
    large_pose = attributes[:, ATTRIBUTES.index("pose")]
    return {
        "nme": errors.mean().item(),
        "nme_rare": errors[rare].mean().item(),
        "nme_pose": errors[large_pose].mean().item(),
        "nme_common": errors[~rare].mean().item(),
        "failure_rate": failure_rate(errors).item(),
        "auc": ced_auc(errors).item(),
        "pose_error": torch.rad2deg((found.angles - views.angles).abs().mean()).item(),
        "errors": tuple(errors.tolist()),
    }
