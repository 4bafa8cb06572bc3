"""The chapter's network, what it is trained on, the twelve losses, and how it is scored.

The network lifts noisy 2D keypoints to a hand in space, as UTNet does from pictures:

1. a small perceptron, in the place of UTNet's ViT, gives a coarse pose and shape;
2. a small graph network over the hand's bones looks at the coarse hand, at the keypoints and at
   what is left between them, and corrects pose and shape.

`Hand` turns both into joints. No camera is predicted: scale and translation are those that fit the
projected joints best to the *detected* keypoints, in closed form, so they need no supervision.

A batch has synthetic hands, with exact 3D joints, pose and shape, and real ones with 2D keypoints
only. The network sees one detection of a hand; the target of the 2D loss is a second, independent
one, with its confidence, so the 2D loss never sees clean keypoints. They serve for scoring.

The arms differ in the loss only:

- ``"balanced"``: metres, sums divided by the batch size, and the weights :data:`BALANCED`;
- ``"no 2D"``, ``"no 3D"``, ``"no prior"``, ``"no aux"``: the same without one term;
- ``"2D only"``: the same without any 3D supervision: no 3D term and no auxiliary one;
- ``"confidence ignored"``: the same with every 2D target's confidence set to 1;
- ``"code, mm"``: the note's weights from the code, sums over the batch, 3D in millimetres;
- ``"code, m"``: the same in metres;
- ``"config, mm"``: the note's weights from its configuration file, sums, millimetres;
- ``"3D only"``: the 3D term alone, a control for the two arms in millimetres;
- ``"prior / 10"``: as ``"balanced"``, with a tenth of its prior.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from lossbook.hands import HandLoss, HandLossWeights, HandPrediction, HandTarget
from lossbook.hands.metrics import mpjpe, pa_mpjpe
from lossbook.lab.hands.data import OCCLUDED, Hands, Synthetic, detect, synthetic, to_crop
from lossbook.lab.hands.kinematics import BONES, Hand
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


class Lifted(NamedTuple):
    """What the network says of a hand; keypoints in crop coordinates, joints in metres."""

    pose: Float[Tensor, "batch 48"]
    shape: Float[Tensor, "batch 10"]
    joints: Float[Tensor, "batch 21 3"]
    keypoints: Float[Tensor, "batch 21 2"]
    coarse_pose: Float[Tensor, "batch 48"]
    coarse_shape: Float[Tensor, "batch 10"]
    coarse_joints: Float[Tensor, "batch 21 3"]
    coarse_keypoints: Float[Tensor, "batch 21 2"]


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
"""Weights under which the three data terms pull at the network about equally hard.

They were chosen on the training clips of fold 0 from the norms that
`lossbook.lab.hands.experiment.gradient_shares` measures, and not from any score. With the weights
1, 1, 0, 0.1 and 1 the median norms over 1500 steps were 1.2 (2D), 1.3 (3D), 0.07 (prior) and 0.22
(auxiliary), so the last two weights were multiplied by 5. The record's shares are 32 %, 36 %, 2 %
and 29 %: the prior's gradient hardly grows with its weight, as the coefficients shrink.
"""


@dataclass(frozen=True)
class Arm:
    """One of the losses that are compared; call it with a prediction and a batch.

    Attributes:
        weights: of the five terms. A weight of 0 leaves the term as a monitor.
        reduction: of the 2D and the 3D term.
        millimetres: whether the 3D term is in millimetres, else in metres.
        confidence: whether the 2D term uses the confidence of its target, else 1.
    """

    weights: HandLossWeights = BALANCED
    reduction: Literal["sum", "batchmean"] = "batchmean"
    millimetres: bool = False
    confidence: bool = True

    def __call__(self, lifted: Lifted, batch: Batch) -> LossTerms:
        """Compute the loss."""
        return HandLoss(self.weights, reduction=self.reduction)(
            *supervision(lifted, batch, self.millimetres, self.confidence)
        )


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
    "code, mm": Arm(HandLossWeights.code(), "sum", millimetres=True),
    "code, m": Arm(HandLossWeights.code(), "sum"),
    "config, mm": Arm(HandLossWeights.config(), "sum", millimetres=True),
    "3D only": Arm(replace(BALANCED, w_2d=0.0, w_prior=0.0, w_aux=0.0)),
    "prior / 10": Arm(replace(BALANCED, w_prior=BALANCED.w_prior / 10)),
}


# The network


def solve_camera(
    joints: Float[Tensor, "batch 21 3"], detected: Float[Tensor, "batch 21 3"]
) -> tuple[Float[Tensor, "batch 1 1"], Float[Tensor, "batch 1 2"]]:
    r"""Find the scaled orthographic camera that fits joints to a detection.

    Minimises :math:`\sum_k c_k \lVert s\,p_k + t - q_k\rVert^2` over :math:`s` and :math:`t`,
    where :math:`p_k` are x and y of the joints and :math:`c_k` the confidences.

    Args:
        joints: metres.
        detected: x, y in crop coordinates, and the confidence.

    Returns:
        The scale, in sides of the crop a metre, and the translation. The scale is at least 0.5, a
        hand of a tenth of the crop: a negative one would turn the hand upside down.
    """
    weight = detected[..., 2:] / detected[..., 2:].sum(1, keepdim=True)
    points, wanted = joints[..., :2], detected[..., :2]
    points_mean = (weight * points).sum(1, keepdim=True)
    wanted_mean = (weight * wanted).sum(1, keepdim=True)
    centred = points - points_mean
    together = (weight * centred * (wanted - wanted_mean)).sum((1, 2), keepdim=True)
    alone = (weight * centred.square()).sum((1, 2), keepdim=True)
    scale = (together / (alone + 1e-8)).clamp_min(0.5)
    return scale, wanted_mean - scale * points_mean


class _GraphLayer(nn.Module):
    """Mix each keypoint's features with the mean of its neighbours' along the bones."""

    neighbours: Tensor

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.own = nn.Linear(before, after)
        self.others = nn.Linear(before, after, bias=False)
        edges = torch.zeros(21, 21)
        for parent, child in BONES:
            edges[parent, child] = edges[child, parent] = 1
        neighbours = edges / edges.sum(1, keepdim=True)
        self.register_buffer("neighbours", neighbours, persistent=False)

    def forward(self, features: Float[Tensor, "batch 21 before"]) -> Tensor:
        return torch.relu(self.own(features) + self.others(self.neighbours @ features))


class Lifter(nn.Module):
    """Lift detected keypoints to a hand: a coarse perceptron, then a graph network.

    Both stages' last layers start at 0: the first prediction of both is the open hand of pose and
    shape 0.

    Args:
        width: of the perceptron.
        channels: of the graph network.
    """

    def __init__(self, width: int = 256, channels: int = 48) -> None:
        super().__init__()
        self.hand = Hand()
        self.features = nn.Sequential(
            nn.Linear(21 * 3, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU()
        )
        self.coarse = nn.Linear(width, 58)
        self.code = nn.Linear(width, 16)
        self.graph = nn.Sequential(
            _GraphLayer(3 + 3 + 2 + 16, channels),
            _GraphLayer(channels, channels),
            nn.Flatten(),
            nn.Linear(21 * channels, 128),
            nn.ReLU(),
        )
        self.correction = nn.Linear(128, 58)
        for head in (self.coarse, self.correction):
            nn.init.zeros_(head.weight)
            nn.init.zeros_(head.bias)

    def forward(self, detected: Float[Tensor, "batch 21 3"]) -> Lifted:
        """Lift a detection; x, y in crop coordinates, and the confidence."""
        # Coordinates times confidence: a point that was hardly seen should hardly be heard.
        confidence = detected[..., 2:]
        heard = torch.cat([confidence * detected[..., :2], confidence], 2)
        features = self.features(heard.flatten(1))
        coarse = self.coarse(features)
        coarse_pose, coarse_shape = coarse[:, :48], coarse[:, 48:]
        coarse_joints, coarse_keypoints = self._look(coarse_pose, coarse_shape, detected)
        nodes = [
            heard,
            # Ten: a hand of 0.1 m becomes 1, as large as the other features.
            10 * coarse_joints,
            10 * confidence * (detected[..., :2] - coarse_keypoints),
            self.code(features)[:, None].expand(-1, 21, -1),
        ]
        final = coarse + self.correction(self.graph(torch.cat(nodes, 2)))
        pose, shape = final[:, :48], final[:, 48:]
        joints, keypoints = self._look(pose, shape, detected)
        return Lifted(
            pose,
            shape,
            joints,
            keypoints,
            coarse_pose,
            coarse_shape,
            coarse_joints,
            coarse_keypoints,
        )

    def _look(self, pose: Tensor, shape: Tensor, detected: Tensor) -> tuple[Tensor, Tensor]:
        joints = self.hand(pose, shape)
        scale, shift = solve_camera(joints, detected)
        return joints, scale * joints[..., :2] + shift


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
        model = Lifter()
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
