"""The chapter's experiment: the same network trained with eight losses on the ORL faces.

Every arm trains the same network, from the same initial weights, on the same stream of augmented
crops, with Adam; only the loss differs, and the learning rate where `sweep` asks for another one.
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

Record the evidence the chapter shows with::

    python -m lossbook.lab.landmarks.demo --record
"""

from __future__ import annotations

import itertools
import json
import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from lossbook.lab.landmarks.data import (
    ATTRIBUTES,
    Augmentation,
    Faces,
    augment,
    crop,
    load_faces,
    mean_shape,
    split_by_subject,
)
from lossbook.lab.run.records import command_line, rounded, stamp, write_json
from lossbook.lab.run.splits import hold_out, shuffled_groups
from lossbook.lab.run.training import (
    History,
    fit,
    seed_everything,
)
from lossbook.landmarks.losses import pfld_loss, smooth_l1_loss, wing_loss
from lossbook.landmarks.metrics import ced_auc, failure_rate, nme
from lossbook.terms import LossTerms

__all__ = [
    "ARMS",
    "FAILURES",
    "LIVE",
    "RECORDED",
    "Batch",
    "Config",
    "LandmarkNet",
    "Prediction",
    "Record",
    "Result",
    "baseline",
    "batches",
    "evaluate",
    "failure_logs",
    "load_record",
    "predict",
    "record",
    "run",
    "save_record",
    "sweep",
    "train",
]

SIZE = 112
"""Side of the crops in pixels."""

RECORD = Path(__file__).with_name("data") / "record.json"


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


@dataclass(frozen=True)
class Config:
    """Everything that decides the outcome of the experiment, beside the code and the device.

    Attributes:
        arms: names in :data:`ARMS`.
        folds: parts of `split_by_subject` that are held out in turn. A fold's number is also the
            seed of its initial weights and of its stream of crops.
        steps: optimiser steps.
        batch_size: faces a step.
        learning_rate: highest value of a one-cycle schedule, for Adam.
        own_rates: arms and the rate they have instead. It was chosen for PFLD with :func:`sweep`
            on splits 0 and 1, whose own test faces it does not see; they are tested in other
            splits. PFLD with degrees has the same rate, so that the two differ in the unit only.
        augmentation: of the crops trained on; tests see every face once, as it is.
    """

    arms: tuple[str, ...] = tuple(ARMS)
    folds: tuple[int, ...] = (0, 1, 2, 3, 4)
    steps: int = 1000
    batch_size: int = 32
    learning_rate: float = 2e-3
    own_rates: tuple[tuple[str, float], ...] = (("PFLD", 1e-3), ("PFLD, degrees", 1e-3))
    augmentation: Augmentation = field(default_factory=Augmentation)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Config:
        """Rebuild a configuration from what `dataclasses.asdict` and JSON made of it."""
        own_rates = tuple((arm, rate) for arm, rate in values["own_rates"])
        known = {"arms": tuple(values["arms"]), "folds": tuple(values["folds"])}
        augmentation = Augmentation(**values["augmentation"])
        return cls(**dict(values) | known | {"own_rates": own_rates, "augmentation": augmentation})

    def rate(self, arm: str) -> float:
        """The learning rate of an arm."""
        return dict(self.own_rates).get(arm, self.learning_rate)


RECORDED = Config()
"""The evidence: every arm on every fold, 40 runs."""

LIVE = replace(RECORDED, arms=("SmoothL1", "Wing", "PFLD"), folds=(0,), steps=600)
"""What the chapter's cells run: under a minute on two CPU cores."""


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
    config: Config = RECORDED,
    device: torch.device | str = "cpu",
) -> Iterator[Batch]:
    """Yield augmented batches without end; the same seed gives the same ones on every device.

    Args:
        faces: as `load_faces` gives them.
        indices: the faces to draw from; each comes once before any comes again.
        seed: of the order and of the augmentation.
        config: for the size of a batch and the augmentation.
        device: where the crops are made.

    Raises:
        ValueError: if there are fewer faces than a batch holds.
    """
    if len(indices) < config.batch_size:
        raise ValueError(f"a batch needs {config.batch_size} faces, there are {len(indices)}")
    generator = torch.Generator().manual_seed(seed)
    images, landmarks, angles, attributes = (
        values[indices].to(device)
        for values in (faces.images, faces.landmarks, faces.angles, faces.attributes)
    )
    while True:
        order = torch.randperm(len(indices), generator=generator)
        for some in torch.split(order, config.batch_size):
            if len(some) < config.batch_size:
                continue
            views = augment(
                images[some],
                landmarks[some],
                angles[some],
                generator,
                size=SIZE,
                amount=config.augmentation,
            )
            yield Batch(views.images, views.landmarks, views.angles, attributes[some])


def train(
    loss: ArmLoss,
    faces: Faces,
    indices: Int64[Tensor, " n"],
    *,
    seed: int = 0,
    config: Config = RECORDED,
    learning_rate: float | None = None,
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
        config: steps, batch size, learning rate, augmentation.
        learning_rate: instead of the configuration's, e.g. ``config.rate(arm)``.
        device: where to train.
        progress: whether to show a progress bar.
        description: label of the bar.

    Returns:
        The network and the log.
    """
    seed_everything(seed)
    model = LandmarkNet(mean_shape(faces, indices, size=SIZE))
    history = fit(
        model,
        lambda net, batch: loss(net(batch.images), batch),
        batches(faces, indices, seed, config, device),
        steps=config.steps,
        learning_rate=config.learning_rate if learning_rate is None else learning_rate,
        schedule="one_cycle",
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


@dataclass(frozen=True)
class Result:
    """How one trained network did on the people it had never seen.

    Errors are normalised by the distance of the outer eye corners: 0.04 is 4 % of it.

    Attributes:
        arm: name in :data:`ARMS`.
        fold: which people were held out; also the seed.
        nme: mean error.
        nme_rare: mean over the faces with any attribute.
        nme_pose: mean over the faces with a large pose.
        nme_common: mean over the faces without any attribute.
        failure_rate: share of faces with an error above 0.1.
        auc: area under the cumulative error curve up to 0.1, divided by 0.1.
        pose_error: mean absolute error of the three angles in degrees. Has a meaning for
            ``"PFLD"`` and ``"PFLD + biases"`` only, which train the pose head in radians.
        seconds: of training.
        errors: one a face, in the order of the fold's test indices.
    """

    arm: str
    fold: int
    nme: float
    nme_rare: float
    nme_pose: float
    nme_common: float
    failure_rate: float
    auc: float
    pose_error: float
    seconds: float
    errors: tuple[float, ...]


def evaluate(model: nn.Module, faces: Faces, indices: Int64[Tensor, " n"]) -> dict[str, Any]:
    """Score a network on plain crops of some faces.

    Args:
        model: gives a `Prediction`.
        faces: as `load_faces` gives them.
        indices: the faces to score on.

    Returns:
        The fields of `Result` that can be measured, under their names.
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


def run(
    arm: str,
    fold: int,
    config: Config,
    faces: Faces,
    *,
    device: torch.device | str = "cpu",
    progress: bool = True,
) -> Result:
    """Train one arm on all folds but one and score it on that one.

    Args:
        arm: name in :data:`ARMS`.
        fold: which people are held out; also the seed.
        config: see `Config`.
        faces: as `load_faces` gives them.
        device: where to train.
        progress: whether to show a progress bar.
    """
    training, test = split_by_subject(faces, fold)
    model, history = train(
        ARMS[arm],
        faces,
        training,
        seed=fold,
        config=config,
        learning_rate=config.rate(arm),
        device=device,
        progress=progress,
        description=f"{arm}, fold {fold}",
    )
    return Result(arm, fold, seconds=history.seconds, **evaluate(model, faces, test))


def sweep(
    faces: Faces,
    config: Config,
    rates: Sequence[float],
    *,
    fold: int = 0,
    device: torch.device | str = "cpu",
) -> dict[tuple[str, float], float]:
    """Try learning rates on people held out from the training part of a fold.

    Args:
        faces: as `load_faces` gives them.
        config: its arms, steps, batch size and augmentation are used.
        rates: learning rates to try.
        fold: trained on 24 of its 32 training people, scored on the other 8.
        device: where to train.

    Returns:
        Mean error for each arm and rate.
    """
    training, _ = split_by_subject(faces, fold)
    people = faces.subject[training]
    kept, held_out = hold_out(people, shuffled_groups(people, fold)[:8])
    found = {}
    for arm, rate in itertools.product(config.arms, rates):
        model, _ = train(
            ARMS[arm],
            faces,
            training[kept],
            seed=fold,
            config=config,
            learning_rate=rate,
            device=device,
            progress=False,
        )
        found[arm, rate] = evaluate(model, faces, training[held_out])["nme"]
        print(f"fold {fold}  {arm:14s} rate {rate:g}  NME {found[arm, rate]:.2%}", flush=True)
    return found


def baseline(fold: int, faces: Faces) -> float:
    """Mean error, on the people held out, of always answering the mean shape of the others."""
    training, test = split_by_subject(faces, fold)
    views = crop(faces.images[test], faces.landmarks[test], faces.angles[test], size=SIZE)
    guess = mean_shape(faces, training, size=SIZE).expand_as(views.landmarks)
    return nme(guess, views.landmarks).mean().item()


FAILURES = ("as documented", "degrees", "no attributes", "perfect pose")


def failure_logs(
    faces: Faces, *, steps: int = 120, seed: int = 0, device: torch.device | str = "cpu"
) -> dict[str, History]:
    """Train PFLD a little, as documented and in three ways that go wrong.

    - ``"as documented"``: for comparison.
    - ``"degrees"``: the true angles come in degrees, the cosine takes them for radians.
    - ``"no attributes"``: no face of any batch has an attribute.
    - ``"perfect pose"``: the predicted angles are the true ones.

    Args:
        faces: as `load_faces` gives them.
        steps: optimiser steps of each run.
        seed: of all four runs.
        device: where to train.

    Returns:
        Logs with the terms ``"weighted"`` and ``"l2"`` of `pfld_loss`, and ``"pose_error"``, the
        mean absolute error of the predicted angles in degrees, as a monitor.
    """
    training, _ = split_by_subject(faces, 0)
    config = replace(RECORDED, steps=steps)

    def loss(prediction: Prediction, batch: Batch, *, case: str) -> LossTerms:
        angles, truth, attributes = prediction.angles, batch.angles, batch.attributes
        if case == "degrees":
            truth = torch.rad2deg(truth)
        elif case == "no attributes":
            attributes = torch.zeros_like(attributes)
        elif case == "perfect pose":
            angles = truth
        found = pfld_loss(prediction.landmarks, batch.landmarks, angles, truth, attributes)
        error = (angles - truth).detach().abs().mean()
        error = error if case == "degrees" else torch.rad2deg(error)
        return LossTerms({**found.terms, "pose_error": error}, {**found.weights, "pose_error": 0.0})

    return {
        case: train(
            partial(loss, case=case),
            faces,
            training,
            seed=seed,
            config=config,
            learning_rate=config.rate("PFLD"),
            device=device,
            progress=False,
        )[1]
        for case in FAILURES
    }


@dataclass(frozen=True)
class Record:
    """The recorded experiment.

    Attributes:
        config: what was run.
        results: one for each arm and fold.
        baseline: error of the mean shape, one a fold.
        device: on what it ran.
        torch: version of torch.
        date: day of the run, UTC.
        command: what started it.
    """

    config: Config
    results: tuple[Result, ...]
    baseline: tuple[float, ...]
    device: str
    torch: str
    date: str
    command: str

    def values(self, arm: str, metric: str = "nme") -> list[float]:
        """One number a fold, in the order of ``config.folds``."""
        return [getattr(result, metric) for result in self.results if result.arm == arm]

    def errors(self, arm: str) -> list[float]:
        """Errors of all test faces of all folds, each face once."""
        return [error for result in self.results if result.arm == arm for error in result.errors]


def record(
    faces: Faces, config: Config = RECORDED, *, device: torch.device | str = "cpu"
) -> Record:
    """Run the whole experiment, printing each result.

    Args:
        faces: as `load_faces` gives them.
        config: what to run.
        device: where to train.
    """
    results = []
    for fold in config.folds:
        for arm in config.arms:
            result = run(arm, fold, config, faces, device=device, progress=sys.stderr.isatty())
            print(
                f"fold {fold}  {arm:14s} NME {result.nme:.2%}  rare {result.nme_rare:.2%}  "
                f"common {result.nme_common:.2%}  {result.seconds:.0f} s",
                flush=True,
            )
            results.append(result)
    return Record(
        config=config,
        results=tuple(results),
        baseline=tuple(baseline(fold, faces) for fold in config.folds),
        **stamp(device, "python -m lossbook.lab.landmarks.demo --record"),
    )


def save_record(found: Record, path: Path = RECORD) -> None:
    """Write a record as JSON, numbers rounded to five decimals."""
    content = rounded(asdict(found))
    content["config"] = asdict(found.config)
    write_json(content, path)


def load_record(path: Path = RECORD) -> Record:
    """Load the record that ships with the package, or another one.

    Args:
        path: of the JSON file.

    Raises:
        OSError: if it cannot be read.
        ValueError: if it is not a complete record.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        results = tuple(
            Result(**result | {"errors": tuple(result["errors"])}) for result in content["results"]
        )
        found = Record(
            **content
            | {
                "config": Config.from_json(content["config"]),
                "results": results,
                "baseline": tuple(content["baseline"]),
            }
        )
        for result in results:
            _check_result(result)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: not a record of this experiment ({error})") from error
    wanted = [(arm, fold) for fold in found.config.folds for arm in found.config.arms]
    if [(result.arm, result.fold) for result in results] != wanted:
        raise ValueError(f"{path}: expected one result for each fold and arm, in this order")
    if len(found.baseline) != len(found.config.folds):
        raise ValueError(f"{path}: expected one baseline a fold, got {len(found.baseline)}")
    return found


def _check_result(result: Result) -> None:
    numbers = [result.nme, result.failure_rate, result.auc, *result.errors]
    if not all(isinstance(n, (int, float)) and math.isfinite(n) for n in numbers):
        raise ValueError(f"{result.arm}, fold {result.fold}: not all results are finite numbers")
    # Both are rounded to five digits.
    if not result.errors or abs(sum(result.errors) / len(result.errors) - result.nme) > 2e-5:
        raise ValueError(f"{result.arm}, fold {result.fold}: nme is not the mean of the errors")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the recorded experiment and write it down.

    Args:
        arguments: of the command line.
    """
    options = command_line("lossbook.lab.landmarks.demo", RECORD).parse_args(arguments)
    if options.sweep:
        short = replace(RECORDED, steps=600)
        for fold in (0, 1):
            sweep(load_faces(), short, (5e-4, 1e-3, 2e-3, 4e-3), fold=fold, device=options.device)
        return
    save_record(record(load_faces(), device=options.device), options.out)


if __name__ == "__main__":
    main()
