r"""What the chapter's network is trained on, the losses, and how it is scored.

The network, `Lifter`, lifts noisy 2D keypoints to a hand in space, as UTNet does from pictures.

A batch has synthetic hands, with exact 3D joints, pose and shape, and real ones with 2D keypoints
only. The network sees one detection of a hand; the target of the 2D loss is a second, independent
one, with its confidence, so the 2D loss never sees clean keypoints. They serve for scoring.

The arms differ in the loss only, but for one:

- ``"balanced"``: metres, sums divided by the batch size, and the weights :data:`BALANCED`;
- ``"no 2D"``, ``"no 3D"``, ``"no prior"``, ``"no aux"``: the same without one term;
- ``"2D only"``: the same without any 3D supervision: no 3D term and no auxiliary one;
- ``"confidence ignored"``: the same with every 2D target's confidence set to 1, which makes 2D
  1.8 times as heavy; ``"confidence ignored, 2D / 1.8"`` takes that back;
- ``"code, mm"``: the note's weights from the code, sums over the batch, 3D in millimetres;
- ``"code, m"``: the same in metres;
- ``"config, mm"``, ``"config, m"``: the note's weights from its configuration file, sums;
- ``"3D only"``: the 3D term alone, a control for the two arms in millimetres;
- ``"prior / 10"``: as ``"balanced"``, with a tenth of its prior;
- ``"1 : 100"``, ``"1 : 10"``, ``"10 : 1"``, ``"100 : 1"``: the same with this ratio of the weights
  of 2D and 3D, whose product stays 1; ``"..., no aux"`` without the auxiliary loss;
- ``"pose prior"``: the same with the prior on the pose, as heavy as that on the shape;
- ``"aux / 6"``: the same with a sixth of the auxiliary loss;
- ``"rotations"``: the same with an auxiliary loss on matrices. For small angles :math:`2\theta^2`
  a joint is six times the mean of three squares, so its weight is a sixth: pose errors pull as in
  ``"balanced"``, shapes as in ``"aux / 6"``;
- ``"short vectors"``: the same with labels that give the whole hand's rotation as its shortest
  vector, which jumps at half a turn; else they do not jump, see `synthetic`;
- ``"predicted camera"``: the same loss, and a network that gives scale and shift of its camera.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import roma
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from lossbook.hands import HandLoss, HandLossWeights, HandPrediction, HandTarget
from lossbook.hands.metrics import mpjpe, pa_mpjpe
from lossbook.lab.hands.data import OCCLUDED, Hands, Synthetic, detect, synthetic, to_crop
from lossbook.lab.hands.kinematics import Hand
from lossbook.lab.hands.lifter import Lifted, Lifter, solve_camera
from lossbook.lab.run.devices import threads
from lossbook.lab.run.records import Model
from lossbook.lab.run.training import History, fit, seed_everything
from lossbook.terms import LossTerms

__all__ = [
    "ARMS",
    "BALANCED",
    "MILLIMETRES",
    "SETTINGS",
    "Arm",
    "ArmLoss",
    "Batch",
    "Examples",
    "Lifted",
    "Lifter",
    "Scene",
    "Settings",
    "batches",
    "errors_2d",
    "evaluate",
    "examples",
    "make_scene",
    "predict",
    "shortest",
    "solve_camera",
    "supervision",
    "train",
]

MILLIMETRES = 1000.0
"""In a metre."""

_CHUNK = 16
"""Batches made at a time: making many small ones is slow."""


class Settings(Model):
    """The numbers behind a training and its scores, whatever the loss and the seed.

    Attributes:
        steps: optimiser steps.
        synthetic: synthetic hands a step.
        real: real hands a step.
        test: synthetic hands to test on.
        learning_rate: highest value of a one-cycle schedule, for Adam.
    """

    steps: int = 3000
    synthetic: int = 64
    real: int = 64
    test: int = 1000
    learning_rate: float = 6e-3


SETTINGS = Settings()
"""Those of the recorded experiment."""


class Batch(NamedTuple):
    """What the network is trained on: synthetic hands first, then real ones.

    Attributes:
        detected: what the network sees, see `lossbook.lab.hands.data.detect`.
        keypoints: a second detection of the same hands, in the same form.
        joints: of the synthetic hands, metres.
        pose: of the synthetic hands.
        shape: of the synthetic hands.
    """

    detected: Float[Tensor, "batch 21 3"]
    keypoints: Float[Tensor, "batch 21 3"]
    joints: Float[Tensor, "synthetic 21 3"]
    pose: Float[Tensor, "synthetic 48"]
    shape: Float[Tensor, "synthetic 10"]


ArmLoss = Callable[[Lifted, Batch], LossTerms]

BALANCED = HandLossWeights(w_2d=1.0, w_3d_joint=1.0, w_3d_vert=0.0, w_prior=0.5, w_aux=5.0)
"""Weights under which 2D, 3D and the auxiliary loss pull at the network about equally hard.

They were chosen on the training clips of fold 0 from the norms that
`lossbook.lab.hands.experiment.gradient_shares` measures, and not from any score. With the weights
1, 1, 0, 0.1 and 1 the median norms over 1500 steps are 1.1 (2D), 1.3 (3D), 0.07 (prior) and 0.21
(auxiliary), as recorded by `lossbook.lab.hands.balance`; so the last two weights were multiplied by
5. With them the record's median shares are 33 %, 36 %, 2 % and 30 %: the prior's gradient hardly
grows with its weight, as the coefficients shrink.
"""


@dataclass(frozen=True)
class Arm:
    """One of the losses that are compared; call it with a prediction and a batch.

    Attributes:
        weights: of the five terms. A weight of 0 leaves the term as a monitor.
        reduction: of the 2D and the 3D term.
        millimetres: whether the 3D term is in millimetres, else in metres.
        confidence: whether the 2D term uses the confidence of its target, else 1.
        pose_weight: of the pose prior, inside the prior.
        auxiliary_form: see `auxiliary_loss`.
        shortest: whether the whole hand's rotation is labelled with its shortest vector.
        predicts_camera: whether the network does.
    """

    weights: HandLossWeights = BALANCED
    reduction: Literal["sum", "batchmean"] = "batchmean"
    millimetres: bool = False
    confidence: bool = True
    pose_weight: float = 0.0
    auxiliary_form: Literal["documented", "rotation"] = "documented"
    shortest: bool = False
    predicts_camera: bool = False

    def __call__(self, lifted: Lifted, batch: Batch) -> LossTerms:
        """Compute the loss."""
        prediction, target = supervision(lifted, batch, self.millimetres, self.confidence)
        if self.pose_weight:
            prediction = replace(
                prediction, hand_pose=roma.rotvec_to_rotmat(lifted.pose[:, 3:].view(-1, 15, 3))
            )
        if self.shortest:
            target = replace(target, pose=shortest(batch.pose))
        return HandLoss(
            self.weights,
            reduction=self.reduction,
            pose_weight=self.pose_weight,
            auxiliary_form=self.auxiliary_form,
        )(prediction, target)


def shortest(pose: Float[Tensor, "batch 48"]) -> Float[Tensor, "batch 48"]:
    """Write the rotation of the whole hand as its shortest vector, of half a turn at most.

    Args:
        pose: rotation vectors, radians.
    """
    whole = pose[:, :3]
    angle = whole.norm(dim=1, keepdim=True)
    other = whole * (1 - 2 * math.pi / angle.clamp_min(1e-6))
    return torch.cat([torch.where(angle > math.pi, other, whole), pose[:, 3:]], 1)


def supervision(
    lifted: Lifted, batch: Batch, millimetres: bool, confidence: bool
) -> tuple[HandPrediction, HandTarget]:
    """What `HandLoss` needs: 2D and shapes of all hands, the rest of the synthetic ones."""
    unit = MILLIMETRES if millimetres else 1.0
    known = len(batch.joints)
    prediction = HandPrediction(
        keypoints_2d=lifted.keypoints,
        keypoints_3d=unit * lifted.joints[:known],
        betas=lifted.shape,
        coarse_pose=lifted.coarse_pose[:known],
        coarse_shape=lifted.coarse_shape[:known],
    )
    target = HandTarget(
        keypoints_2d=batch.keypoints[..., :2],
        confidence_2d=batch.keypoints[..., 2] if confidence else None,
        keypoints_3d=unit * batch.joints,
        pose=batch.pose,
        shape=batch.shape,
    )
    return prediction, target


ARMS: Mapping[str, Arm] = {
    "balanced": Arm(),
    "no 2D": Arm(replace(BALANCED, w_2d=0.0)),
    "no 3D": Arm(replace(BALANCED, w_3d_joint=0.0)),
    "no prior": Arm(replace(BALANCED, w_prior=0.0)),
    "no aux": Arm(replace(BALANCED, w_aux=0.0)),
    "2D only": Arm(replace(BALANCED, w_3d_joint=0.0, w_aux=0.0)),
    "confidence ignored": Arm(confidence=False),
    "confidence ignored, 2D / 1.8": Arm(replace(BALANCED, w_2d=1 / 1.8), confidence=False),
    "code, mm": Arm(HandLossWeights.code(), "sum", millimetres=True),
    "code, m": Arm(HandLossWeights.code(), "sum"),
    "config, mm": Arm(HandLossWeights.config(), "sum", millimetres=True),
    "config, m": Arm(HandLossWeights.config(), "sum"),
    "3D only": Arm(replace(BALANCED, w_2d=0.0, w_prior=0.0, w_aux=0.0)),
    "prior / 10": Arm(replace(BALANCED, w_prior=BALANCED.w_prior / 10)),
    "1 : 100": Arm(replace(BALANCED, w_2d=0.1, w_3d_joint=10.0)),
    "1 : 10": Arm(replace(BALANCED, w_2d=math.sqrt(0.1), w_3d_joint=math.sqrt(10.0))),
    "10 : 1": Arm(replace(BALANCED, w_2d=math.sqrt(10.0), w_3d_joint=math.sqrt(0.1))),
    "100 : 1": Arm(replace(BALANCED, w_2d=10.0, w_3d_joint=0.1)),
    "1 : 10, no aux": Arm(
        replace(BALANCED, w_2d=math.sqrt(0.1), w_3d_joint=math.sqrt(10.0), w_aux=0.0)
    ),
    "10 : 1, no aux": Arm(
        replace(BALANCED, w_2d=math.sqrt(10.0), w_3d_joint=math.sqrt(0.1), w_aux=0.0)
    ),
    "pose prior": Arm(pose_weight=1.0),
    "aux / 6": Arm(replace(BALANCED, w_aux=BALANCED.w_aux / 6)),
    "rotations": Arm(replace(BALANCED, w_aux=BALANCED.w_aux / 6), auxiliary_form="rotation"),
    "short vectors": Arm(shortest=True),
    "predicted camera": Arm(predicts_camera=True),
}


# Training


def batches(
    hands: Hands, indices: Int64[Tensor, " n"], seed: int, settings: Settings = SETTINGS
) -> Iterator[Batch]:
    """Yield batches on the CPU without end; the same seed gives the same ones.

    Args:
        hands: as `load_hands` gives them.
        indices: the real hands to draw from, with replacement.
        seed: of everything drawn.
        settings: for the numbers of hands.
    """
    generator = torch.Generator().manual_seed(seed)
    hand = Hand()
    while True:
        made = synthetic(_CHUNK * settings.synthetic, generator, hand)
        drawn = torch.randint(len(indices), (_CHUNK * settings.real,), generator=generator)
        real = to_crop(hands.keypoints[indices[drawn]], generator=generator)
        # The synthetic and the real hands of one batch, one after the other.
        clean = torch.cat([_in_batches(made.keypoints), _in_batches(real)], 1).flatten(0, 1)
        parts = (
            detect(clean, generator),
            detect(clean, generator),
            made.joints,
            made.pose,
            made.shape,
        )
        yield from map(Batch, *map(_in_batches, parts))


def _in_batches(values: Tensor) -> Tensor:
    return values.reshape(_CHUNK, -1, *values.shape[1:])


def train(
    loss: ArmLoss,
    hands: Hands,
    indices: Int64[Tensor, " n"],
    *,
    seed: int = 0,
    settings: Settings = SETTINGS,
    learning_rate: float | None = None,
    model: Lifter | None = None,
    device: torch.device | str = "cpu",
    progress: bool = True,
    description: str = "",
) -> tuple[Lifter, History]:
    """Train a network with one loss.

    Args:
        loss: a value of :data:`ARMS`, or your own function of prediction and batch.
        hands: as `load_hands` gives them.
        indices: the real hands to train on.
        seed: of the initial weights and of the batches.
        settings: steps, numbers of hands, learning rate.
        learning_rate: instead of that of the settings, e.g. ``config.rate(arm)``.
        model: to start from instead of a new one.
        device: where to train.
        progress: whether to show a progress bar.
        description: label of the bar.

    Returns:
        The network and the log.
    """
    if model is None:
        seed_everything(seed)
        model = Lifter(predicts_camera=isinstance(loss, Arm) and loss.predicts_camera)
    with threads(1):
        history = fit(
            model,
            lambda net, batch: loss(net(batch.detected), batch),
            batches(hands, indices, seed, settings),
            steps=settings.steps,
            learning_rate=settings.learning_rate if learning_rate is None else learning_rate,
            schedule="one_cycle",
            device=device,
            progress=progress,
            description=description,
        )
    return model, history


# Scoring


class Scene(NamedTuple):
    """Hands to score on, of a fixed seed.

    Attributes:
        made: synthetic hands.
        made_detected: what the network sees of them.
        real: clean keypoints of real hands, in jittered crops.
        real_detected: what the network sees of them.
    """

    made: Synthetic
    made_detected: Float[Tensor, "made 21 3"]
    real: Float[Tensor, "real 21 2"]
    real_detected: Float[Tensor, "real 21 3"]


def make_scene(
    hands: Hands, indices: Int64[Tensor, " n"], seed: int, settings: Settings = SETTINGS
) -> Scene:
    """Make what a network is scored on.

    Args:
        hands: as `load_hands` gives them.
        indices: real hands to score on, each once.
        seed: not one that a network was trained with: use a fold's number plus 1000.
        settings: for the number of synthetic hands.
    """
    generator = torch.Generator().manual_seed(seed)
    made = synthetic(settings.test, generator, Hand())
    real = to_crop(hands.keypoints[indices], generator=generator)
    return Scene(made, detect(made.keypoints, generator), real, detect(real, generator))


def errors_2d(found: Tensor, truth: Tensor, detected: Tensor) -> tuple[float, float]:
    """Mean distance over all points, and over those that were occluded."""
    distance = (found - truth).norm(dim=-1)
    return distance.mean().item(), distance[detected[..., 2] < OCCLUDED].mean().item()


@torch.no_grad()
def predict(model: Lifter, detected: Float[Tensor, "batch 21 3"]) -> Lifted:
    """Run a network without gradients.

    Args:
        model: the network.
        detected: x, y in crop coordinates, and the confidence; on any device.

    Returns:
        Everything on the CPU.
    """
    device = next(model.parameters()).device
    return Lifted(*(values.cpu() for values in model(detected.to(device))))


def evaluate(model: Lifter, scene: Scene) -> dict[str, float]:
    """Score a network.

    Args:
        model: the network.
        scene: as `make_scene` makes it.

    Returns:
        The fields of `lossbook.lab.hands.experiment.Result` that can be measured, under their
        names.
    """
    made, real = predict(model, scene.made_detected), predict(model, scene.real_detected)
    found = {"shape_rms": real.shape.square().mean().sqrt().item()}
    stages = (
        ("", made.joints, real.keypoints),
        ("coarse_", made.coarse_joints, real.coarse_keypoints),
    )
    for name, joints, keypoints in stages:
        all_points, occluded = errors_2d(keypoints, scene.real, scene.real_detected)
        found |= {
            name + "mpjpe": MILLIMETRES * mpjpe(joints, scene.made.joints).mean().item(),
            name + "pa_mpjpe": MILLIMETRES * pa_mpjpe(joints, scene.made.joints).mean().item(),
            name + "error_2d": all_points,
            name + "error_2d_occluded": occluded,
        }
    return found


class Examples(NamedTuple):
    """A few held-out hands, for pictures.

    Attributes:
        detected: what the network saw.
        keypoints: true ones, crop coordinates.
        joints: true ones in metres; NaN for real hands, whose depth nobody knows.
        lifted: what the network says.
    """

    detected: Float[Tensor, "hands 21 3"]
    keypoints: Float[Tensor, "hands 21 2"]
    joints: Float[Tensor, "hands 21 3"]
    lifted: Lifted


def examples(model: Lifter, scene: Scene, count: int = 4) -> tuple[Examples, Examples]:
    """Lift the first synthetic hands of a scene, and real ones spread evenly over it.

    Args:
        model: the network.
        scene: as `make_scene` makes it.
        count: how many of each.

    Returns:
        Synthetic and real hands.
    """
    spread = torch.linspace(0, len(scene.real) - 1, count).long()
    made, real = scene.made_detected[:count], scene.real_detected[spread]
    unknown = torch.full((count, 21, 3), math.nan)
    return (
        Examples(
            made, scene.made.keypoints[:count], scene.made.joints[:count], predict(model, made)
        ),
        Examples(real, scene.real[spread], unknown, predict(model, real)),
    )
