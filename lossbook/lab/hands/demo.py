"""The chapter's experiment: the same two-stage network trained with twelve losses.

The network lifts noisy 2D keypoints to a hand in space, as UTNet does from pictures:

1. a small perceptron, in the place of UTNet's ViT, gives a coarse pose and shape;
2. a small graph network over the hand's bones looks at the coarse hand, at the keypoints and at
   what is left between them, and corrects pose and shape.

`Hand` turns both into joints. No camera is predicted: scale and translation are those that fit the
projected joints best to the *detected* keypoints, in closed form, so they need no supervision.

A batch has synthetic hands, with exact 3D joints, pose and shape, and real ones with 2D keypoints
only. The network sees one detection of a hand; the target of the 2D loss is a second, independent
one, with its confidence, so the 2D loss never sees clean keypoints. They serve for scoring.

Every arm trains the same network, from the same initial weights, on the same stream of batches,
with Adam; only the loss differs:

- ``"balanced"``: metres, sums divided by the batch size, and the weights :data:`BALANCED`;
- ``"no 2D"``, ``"no 3D"``, ``"no prior"``, ``"no aux"``: the same without one term;
- ``"2D only"``: the same without any 3D supervision: no 3D term and no auxiliary one;
- ``"confidence ignored"``: the same with every 2D target's confidence set to 1;
- ``"code, mm"``: the note's weights from the code, sums over the batch, 3D in millimetres;
- ``"code, m"``: the same in metres;
- ``"config, mm"``: the note's weights from its configuration file, sums, millimetres;
- ``"3D only"``: the 3D term alone, a control for the two arms in millimetres;
- ``"prior / 10"``: as ``"balanced"``, with a tenth of its prior.

Record the evidence the chapter shows with::

    python -m lossbook.lab.hands.demo --record
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from lossbook.hands import HandLoss, HandLossWeights, HandPrediction, HandTarget
from lossbook.hands.metrics import mpjpe, pa_mpjpe
from lossbook.lab.hands.data import (
    OCCLUDED,
    Hands,
    Synthetic,
    detect,
    load_hands,
    split_by_clip,
    synthetic,
    to_crop,
)
from lossbook.lab.hands.kinematics import BONES, Hand
from lossbook.lab.run.devices import threads
from lossbook.lab.run.records import command_line, rounded, stamp, write_json
from lossbook.lab.run.splits import hold_out, shuffled_groups
from lossbook.lab.run.training import History, fit, seed_everything
from lossbook.terms import LossTerms

__all__ = [
    "ARMS",
    "BALANCED",
    "FAILURES",
    "LIVE",
    "RECORDED",
    "Arm",
    "Baseline",
    "Batch",
    "Config",
    "Examples",
    "GradientShares",
    "Lifted",
    "Lifter",
    "Record",
    "Result",
    "Scene",
    "baseline",
    "batches",
    "evaluate",
    "examples",
    "failure_batch",
    "failure_logs",
    "gradient_shares",
    "load_record",
    "make_scene",
    "predict",
    "record",
    "run",
    "save_record",
    "solve_camera",
    "sweep",
    "train",
]

RECORD = Path(__file__).with_name("data") / "record.json"
MILLIMETRES = 1000.0
PIXELS = 256
"""Side of the crop in pixels, for the failure that forgets to normalise."""

_CHUNK = 16
"""Batches made at a time: making many small ones is slow."""


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

They were chosen on the training clips of fold 0 from the norms that `gradient_shares` measures, and
not from any score. With the weights 1, 1, 0, 0.1 and 1 the median norms over 1500 steps were 1.2
(2D), 1.3 (3D), 0.07 (prior) and 0.22 (auxiliary), so the last two weights were multiplied by 5. The
record's shares are 32 %, 36 %, 2 % and 29 %: the prior's gradient hardly grows with its weight, as
the coefficients shrink.
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
        found: LossTerms = HandLoss(self.weights, reduction=self.reduction)(
            *_supervision(lifted, batch, self.millimetres, self.confidence)
        )
        return found


def _supervision(
    lifted: Lifted, batch: Batch, millimetres: bool, confidence: bool
) -> tuple[HandPrediction, HandTarget]:
    """What `HandLoss` needs: 2D and shapes of all hands, the rest of the synthetic ones."""
    unit = MILLIMETRES if millimetres else 1.0
    known = len(batch.joints)
    keypoints, joints = batch.keypoints, unit * batch.joints
    if not confidence:
        keypoints = torch.cat([keypoints[..., :2], torch.ones_like(keypoints[..., 2:])], 2)
    prediction = HandPrediction(
        keypoints_2d=lifted.keypoints,
        keypoints_3d=unit * lifted.joints[:known],
        betas=lifted.shape,
        coarse_pose=lifted.coarse_pose[:known],
        coarse_shape=lifted.coarse_shape[:known],
    )
    target = HandTarget(
        keypoints_2d=keypoints,
        keypoints_3d=torch.cat([joints, torch.ones_like(joints[..., :1])], 2),
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


@dataclass(frozen=True)
class Config:
    """Everything that decides the outcome of the experiment, beside the code and the device.

    Attributes:
        arms: names in :data:`ARMS`.
        folds: parts of `split_by_clip` that are held out in turn. A fold's number is also the seed
            of its initial weights, of its stream of batches and of its synthetic test hands.
        steps: optimiser steps.
        synthetic: synthetic hands a step.
        real: real hands a step.
        test: synthetic hands to test on.
        learning_rate: highest value of a one-cycle schedule, for Adam.
        own_rates: arms and the rate they have instead. None: in :func:`sweep` on fold 0, the
            MPJPE of each of the first ten arms at the common rate was its best or within 3 % of
            it. The last two were not swept.
        shares: arms whose gradients are measured in the first fold, see `gradient_shares`.
    """

    arms: tuple[str, ...] = tuple(ARMS)
    folds: tuple[int, ...] = (0, 1, 2, 3, 4)
    steps: int = 3000
    synthetic: int = 64
    real: int = 64
    test: int = 1000
    learning_rate: float = 6e-3
    own_rates: tuple[tuple[str, float], ...] = ()
    shares: tuple[str, ...] = ("balanced", "code, mm", "config, mm")

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Config:
        """Rebuild a configuration from what `dataclasses.asdict` and JSON made of it."""
        own_rates = tuple((arm, rate) for arm, rate in values["own_rates"])
        known = {name: tuple(values[name]) for name in ("arms", "folds", "shares")}
        return cls(**dict(values) | known | {"own_rates": own_rates})

    def rate(self, arm: str) -> float:
        """The learning rate of an arm."""
        return dict(self.own_rates).get(arm, self.learning_rate)


RECORDED = Config()
"""The evidence: every arm on every fold, 60 runs."""

LIVE = replace(RECORDED, arms=("balanced", "code, mm"), folds=(0,), steps=800, shares=())
"""What the chapter's cells run: about 20 seconds on one CPU core.

Call ``torch.set_num_threads(1)`` first: the network is small, and on a busy machine two threads
that wait for each other were seen to take forty times as long as one.
"""


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
    hands: Hands, indices: Int64[Tensor, " n"], seed: int, config: Config = RECORDED
) -> Iterator[Batch]:
    """Yield batches on the CPU without end; the same seed gives the same ones.

    Args:
        hands: as `load_hands` gives them.
        indices: the real hands to draw from, with replacement.
        seed: of everything drawn.
        config: for the numbers of hands.
    """
    generator = torch.Generator().manual_seed(seed)
    hand = Hand()
    while True:
        made = synthetic(_CHUNK * config.synthetic, generator, hand)
        drawn = torch.randint(len(indices), (_CHUNK * config.real,), generator=generator)
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
    config: Config = RECORDED,
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
        config: steps, numbers of hands, learning rate.
        learning_rate: instead of the configuration's, e.g. ``config.rate(arm)``.
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
            batches(hands, indices, seed, config),
            steps=config.steps,
            learning_rate=config.learning_rate if learning_rate is None else learning_rate,
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
    hands: Hands, indices: Int64[Tensor, " n"], seed: int, config: Config = RECORDED
) -> Scene:
    """Make what a network is scored on.

    Args:
        hands: as `load_hands` gives them.
        indices: real hands to score on, each once.
        seed: not one that a network was trained with: use a fold's number plus 1000.
        config: for the number of synthetic hands.
    """
    generator = torch.Generator().manual_seed(seed)
    made = synthetic(config.test, generator, Hand())
    real = to_crop(hands.keypoints[indices], generator=generator)
    return Scene(made, detect(made.keypoints, generator), real, detect(real, generator))


@dataclass(frozen=True)
class Result:
    """How one trained network did on hands it had never seen.

    3D errors are millimetres, on synthetic hands. 2D errors are distances in sides of the crop
    (0.01 is 1 % of it), on real hands, against their clean keypoints.

    Attributes:
        arm: name in :data:`ARMS`.
        fold: which clips were held out; also the seed.
        mpjpe: mean distance of joints, both wrists put together.
        pa_mpjpe: the same after the best similarity transform.
        coarse_mpjpe: of the first stage.
        coarse_pa_mpjpe: of the first stage.
        error_2d: over all points.
        error_2d_occluded: over the points that were occluded in what the network saw.
        coarse_error_2d: of the first stage.
        coarse_error_2d_occluded: of the first stage.
        shape_rms: root mean square of the shape coefficients given to real hands; 1 among people.
        seconds: of training.
    """

    arm: str
    fold: int
    mpjpe: float
    pa_mpjpe: float
    coarse_mpjpe: float
    coarse_pa_mpjpe: float
    error_2d: float
    error_2d_occluded: float
    coarse_error_2d: float
    coarse_error_2d_occluded: float
    shape_rms: float
    seconds: float


def _errors_2d(found: Tensor, truth: Tensor, detected: Tensor) -> tuple[float, float]:
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
        The fields of `Result` that can be measured, under their names.
    """
    made, real = predict(model, scene.made_detected), predict(model, scene.real_detected)
    found = {"shape_rms": real.shape.square().mean().sqrt().item()}
    stages = (
        ("", made.joints, real.keypoints),
        ("coarse_", made.coarse_joints, real.coarse_keypoints),
    )
    for name, joints, keypoints in stages:
        all_points, occluded = _errors_2d(keypoints, scene.real, scene.real_detected)
        found |= {
            name + "mpjpe": MILLIMETRES * mpjpe(joints, scene.made.joints).mean().item(),
            name + "pa_mpjpe": MILLIMETRES * pa_mpjpe(joints, scene.made.joints).mean().item(),
            name + "error_2d": all_points,
            name + "error_2d_occluded": occluded,
        }
    return found


def run(
    arm: str,
    fold: int,
    config: Config,
    hands: Hands,
    *,
    device: torch.device | str = "cpu",
    progress: bool = True,
) -> Result:
    """Train one arm on all folds but one and score it on that one.

    Args:
        arm: name in :data:`ARMS`.
        fold: which clips are held out; also the seed.
        config: see `Config`.
        hands: as `load_hands` gives them.
        device: where to train.
        progress: whether to show a progress bar.
    """
    training, test = split_by_clip(hands, fold)
    model, history = train(
        ARMS[arm],
        hands,
        training,
        seed=fold,
        config=config,
        learning_rate=config.rate(arm),
        device=device,
        progress=progress,
        description=f"{arm}, fold {fold}",
    )
    scene = make_scene(hands, test, 1000 + fold, config)
    return Result(arm, fold, seconds=history.seconds, **evaluate(model, scene))


def _validation(hands: Hands, fold: int) -> tuple[Tensor, Tensor]:
    """Split the training part of a fold by clip: four fifths to train on, one to score on."""
    training, _ = split_by_clip(hands, fold)
    clips = shuffled_groups(hands.clip[training], fold)
    kept, held_out = hold_out(hands.clip[training], clips[: len(clips) // 5])
    return training[kept], training[held_out]


def sweep(
    hands: Hands,
    config: Config,
    rates: Sequence[float],
    *,
    fold: int = 0,
    device: torch.device | str = "cpu",
) -> dict[tuple[str, float], dict[str, float]]:
    """Try learning rates on clips held out from the training part of a fold.

    Args:
        hands: as `load_hands` gives them.
        config: its arms, steps and numbers of hands are used.
        rates: learning rates to try.
        fold: trained on four fifths of its training clips, scored on the others and on synthetic
            hands that no test uses.
        device: where to train.

    Returns:
        What `evaluate` gives, for each arm and rate.
    """
    training, validation = _validation(hands, fold)
    scene = make_scene(hands, validation, 2000 + fold, config)
    found = {}
    for arm, rate in itertools.product(config.arms, rates):
        model, _ = train(
            ARMS[arm],
            hands,
            training,
            seed=fold,
            config=config,
            learning_rate=rate,
            device=device,
            progress=False,
        )
        found[arm, rate] = evaluate(model, scene)
        print(f"fold {fold}  {arm:18s} rate {rate:g}  {_summary(found[arm, rate])}", flush=True)
    return found


def _summary(scores: Mapping[str, Any]) -> str:
    return (
        f"MPJPE {scores['mpjpe']:.1f} mm (coarse {scores['coarse_mpjpe']:.1f})  "
        f"PA {scores['pa_mpjpe']:.1f}  2D {scores['error_2d']:.2%} "
        f"(coarse {scores['coarse_error_2d']:.2%})  occluded {scores['error_2d_occluded']:.2%}  "
        f"shape {scores['shape_rms']:.2f}"
    )


@dataclass(frozen=True)
class Baseline:
    """What it takes to beat, on the test hands of one fold; units as in `Result`.

    Attributes:
        fold: which clips were held out.
        mpjpe: of always answering the mean of the synthetic training hands' joints.
        pa_mpjpe: of the same.
        error_2d: of the detection itself, all points.
        error_2d_occluded: of the detection itself, occluded points.
    """

    fold: int
    mpjpe: float
    pa_mpjpe: float
    error_2d: float
    error_2d_occluded: float


def baseline(fold: int, hands: Hands, config: Config = RECORDED) -> Baseline:
    """Score the mean hand in 3D and the bare detection in 2D.

    Args:
        fold: see `run`.
        hands: as `load_hands` gives them.
        config: for the number of synthetic test hands.
    """
    scene = make_scene(hands, split_by_clip(hands, fold)[1], 1000 + fold, config)
    known = synthetic(4000, torch.Generator().manual_seed(fold), Hand()).joints
    guess = known.mean(0).expand_as(scene.made.joints)
    all_points, occluded = _errors_2d(scene.real_detected[..., :2], scene.real, scene.real_detected)
    return Baseline(
        fold=fold,
        mpjpe=MILLIMETRES * mpjpe(guess, scene.made.joints).mean().item(),
        pa_mpjpe=MILLIMETRES * pa_mpjpe(guess, scene.made.joints).mean().item(),
        error_2d=all_points,
        error_2d_occluded=occluded,
    )


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


# Gradients


@dataclass(frozen=True)
class GradientShares:
    """How hard each term pulls at the network during training.

    Attributes:
        arm: name in :data:`ARMS`.
        steps: at which it was measured.
        norms: for each term that is not a monitor, one number a measured step: the norm of the
            gradient of weight times term with respect to all parameters.
    """

    arm: str
    steps: tuple[int, ...]
    norms: Mapping[str, tuple[float, ...]]

    def shares(self) -> dict[str, list[float]]:
        """Each term's norm over the sum of all terms' norms, one number a measured step."""
        totals = [sum(values) for values in zip(*self.norms.values(), strict=True)]
        return {
            name: [
                value / total if total else 0.0 for value, total in zip(values, totals, strict=True)
            ]
            for name, values in self.norms.items()
        }


def gradient_shares(
    arm: str,
    hands: Hands,
    config: Config = RECORDED,
    *,
    fold: int = 0,
    every: int = 50,
    device: torch.device | str = "cpu",
) -> GradientShares:
    """Train one arm and measure, now and then, the gradient of each of its terms.

    Args:
        arm: name in :data:`ARMS`.
        hands: as `load_hands` gives them.
        config: see `Config`.
        fold: whose training clips are used; also the seed.
        every: steps between two measurements; the first step is measured.
        device: where to train.
    """
    seed_everything(fold)
    model = Lifter()
    parameters = list(model.parameters())
    steps: list[int] = []
    norms: dict[str, list[float]] = {}
    counter = itertools.count()

    def loss(lifted: Lifted, batch: Batch) -> LossTerms:
        found = ARMS[arm](lifted, batch)
        step = next(counter)
        if step % every == 0:
            steps.append(step)
            for name, part in found.contributions().items():
                if found.weights[name] != 0:
                    norms.setdefault(name, []).append(_gradient_norm(part, parameters))
        return found

    train(
        loss,
        hands,
        split_by_clip(hands, fold)[0],
        seed=fold,
        config=config,
        learning_rate=config.rate(arm),
        model=model,
        device=device,
        progress=False,
    )
    return GradientShares(arm, tuple(steps), {name: tuple(v) for name, v in norms.items()})


def _gradient_norm(part: Tensor, parameters: Sequence[Tensor]) -> float:
    gradients = torch.autograd.grad(part, parameters, retain_graph=True, allow_unused=True)
    squares = [g.square().sum() for g in gradients if g is not None]
    return torch.stack(squares).sum().sqrt().item()


# Failures

FAILURES = (
    "as documented",
    "2D in pixels",
    "no hand model",
    "metres for millimetres",
    "exploding prior",
    "y as confidence",
    "NaN pose",
)

_DOCUMENTED = ARMS["code, mm"]


def _spoilt(case: str, lifted: Lifted, batch: Batch) -> tuple[HandPrediction, HandTarget]:
    """Prediction and target of the documented loss, with one thing wrong."""
    if case == "no hand model":
        nothing = torch.zeros_like(lifted.joints)
        scale, shift = solve_camera(nothing, batch.detected)
        lifted = lifted._replace(joints=nothing, keypoints=scale * nothing[..., :2] + shift)
    prediction, target = _supervision(lifted, batch, millimetres=True, confidence=True)
    if case == "2D in pixels":
        pixels = PIXELS * (batch.keypoints[..., :2] + 0.5)
        target = replace(target, keypoints_2d=torch.cat([pixels, batch.keypoints[..., 2:]], 2))
    elif case == "metres for millimetres":
        prediction = replace(prediction, keypoints_3d=lifted.joints[: len(batch.joints)])
    elif case == "y as confidence":
        # What gt[:, :, -1] reads from a target of (batch, 21, 2).
        target = replace(target, keypoints_2d=batch.keypoints[..., [0, 1, 1]])
    elif case == "NaN pose":
        pose = batch.pose.clone()
        pose[0, 0] = math.nan
        target = replace(target, pose=pose)
    return prediction, target


def _new_lifter(case: str, seed: int) -> Lifter:
    seed_everything(seed)
    model = Lifter()
    if case == "exploding prior":
        nn.init.normal_(model.coarse.bias[48:], std=70.0)
    return model


def failure_batch(case: str, hands: Hands, *, seed: int = 0) -> tuple[HandPrediction, HandTarget]:
    """Prediction and target of the first training step of one case of :data:`FAILURES`.

    Args:
        case: see :func:`failure_logs`; ``"NaN pose"`` has a NaN in the pose of its first hand.
        hands: as `load_hands` gives them.
        seed: of the initial weights and of the batch.

    Returns:
        What ``HandLoss(HandLossWeights.code())`` takes; with gradients.

    Raises:
        ValueError: if there is no such case.
    """
    if case not in FAILURES:
        raise ValueError(f"case must be one of {', '.join(FAILURES)}; got {case!r}")
    batch = next(batches(hands, split_by_clip(hands, 0)[0], seed))
    return _spoilt(case, _new_lifter(case, seed)(batch.detected), batch)


def failure_logs(
    hands: Hands, *, steps: int = 150, seed: int = 0, device: torch.device | str = "cpu"
) -> dict[str, History]:
    """Train the documented loss a little, as it is and in ways that go wrong.

    The loss is that of the arm ``"code, mm"``.

    - ``"as documented"``: for comparison.
    - ``"2D in pixels"``: the 2D target is in pixels of a crop of 256, the prediction normalised.
    - ``"no hand model"``: all predicted joints are 0, in 3D and before the projection.
    - ``"metres for millimetres"``: the predicted joints are metres, their targets millimetres.
    - ``"exploding prior"``: the first shapes have coefficients of about 70.
    - ``"y as confidence"``: the 2D target has no confidence, and y is taken for it.

    ``"NaN pose"`` is left out, as it ends training at once; see :func:`failure_batch`.

    Args:
        hands: as `load_hands` gives them.
        steps: optimiser steps of each run.
        seed: of all runs.
        device: where to train.

    Returns:
        Logs with the terms of `HandLoss`, and ``"mpjpe"`` in millimetres as a monitor.
    """
    training, _ = split_by_clip(hands, 0)
    config = replace(RECORDED, steps=steps)

    def loss(lifted: Lifted, batch: Batch, *, case: str) -> LossTerms:
        prediction, target = _spoilt(case, lifted, batch)
        found = HandLoss(_DOCUMENTED.weights, reduction=_DOCUMENTED.reduction)(prediction, target)
        error = MILLIMETRES * mpjpe(lifted.joints[: len(batch.joints)], batch.joints).mean()
        return LossTerms({**found.terms, "mpjpe": error.detach()}, {**found.weights, "mpjpe": 0.0})

    return {
        case: train(
            partial(loss, case=case),
            hands,
            training,
            seed=seed,
            config=config,
            learning_rate=config.rate("code, mm"),
            model=_new_lifter(case, seed),
            device=device,
            progress=False,
        )[1]
        for case in FAILURES
        if case != "NaN pose"
    }


# The record


@dataclass(frozen=True)
class Record:
    """The recorded experiment.

    Attributes:
        config: what was run.
        results: one for each fold and arm.
        baseline: one for each fold.
        shares: gradients of the arms ``config.shares`` in the first fold.
        device: on what it ran.
        torch: version of torch.
        date: day of the run, UTC.
        command: what repeats it; with more ``--workers`` it is faster.
    """

    config: Config
    results: tuple[Result, ...]
    baseline: tuple[Baseline, ...]
    shares: tuple[GradientShares, ...]
    device: str
    torch: str
    date: str
    command: str

    def values(self, arm: str, metric: str = "mpjpe") -> list[float]:
        """One number a fold, in the order of ``config.folds``."""
        return [getattr(result, metric) for result in self.results if result.arm == arm]


def _timed_run(job: tuple[int, str], config: Config, hands: Hands, device: str) -> Result:
    fold, arm = job
    result = run(arm, fold, config, hands, device=device, progress=False)
    print(f"fold {fold}  {arm:18s} {_summary(asdict(result))}  {result.seconds:.0f} s", flush=True)
    return result


def record(
    hands: Hands,
    config: Config = RECORDED,
    *,
    device: torch.device | str = "cpu",
    workers: int = 1,
) -> Record:
    """Run the whole experiment, printing each result.

    Args:
        hands: as `load_hands` gives them.
        config: what to run.
        device: where to train.
        workers: processes that share the runs, each with one thread, on the CPU only. They change
            the seconds of a run and nothing else. With 1, no process is started.

    Raises:
        ValueError: if several workers are asked for on another device.
    """
    if workers != 1 and torch.device(device).type != "cpu":
        raise ValueError(f"several workers need the CPU, got {device}")
    jobs = list(itertools.product(config.folds, config.arms))
    work = partial(_timed_run, config=config, hands=hands, device=str(device))
    measure = partial(
        gradient_shares, hands=hands, config=config, fold=config.folds[0], device=device
    )
    if workers == 1:
        results, shares = list(map(work, jobs)), list(map(measure, config.shares))
    else:
        with ProcessPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            results = list(pool.map(work, jobs))
            shares = list(pool.map(measure, config.shares))
    return Record(
        config=config,
        results=tuple(results),
        baseline=tuple(baseline(fold, hands, config) for fold in config.folds),
        shares=tuple(shares),
        **stamp(device, "python -m lossbook.lab.hands.demo --record"),
    )


def save_record(found: Record, path: Path = RECORD) -> None:
    """Write a record as JSON, numbers rounded to five decimals, gradients to five digits."""
    content = rounded(asdict(found))
    content["config"] = asdict(found.config)
    for stored, share in zip(content["shares"], found.shares, strict=True):
        stored["norms"] = {
            name: [float(f"{value:.5g}") for value in values]
            for name, values in share.norms.items()
        }
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
        found = Record(
            **content
            | {
                "config": Config.from_json(content["config"]),
                "results": tuple(Result(**result) for result in content["results"]),
                "baseline": tuple(Baseline(**values) for values in content["baseline"]),
                "shares": tuple(_share_from_json(values) for values in content["shares"]),
            }
        )
        _check_record(found)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: not a record of this experiment ({error})") from error
    return found


def _share_from_json(values: Mapping[str, Any]) -> GradientShares:
    norms = {name: tuple(numbers) for name, numbers in values["norms"].items()}
    return GradientShares(**dict(values) | {"steps": tuple(values["steps"]), "norms": norms})


def _check_record(found: Record) -> None:
    wanted = list(itertools.product(found.config.folds, found.config.arms))
    if [(result.fold, result.arm) for result in found.results] != wanted:
        raise ValueError("expected one result for each fold and arm, in this order")
    if [values.fold for values in found.baseline] != list(found.config.folds):
        raise ValueError("expected one baseline for each fold, in this order")
    if [share.arm for share in found.shares] != list(found.config.shares):
        raise ValueError("expected gradients of the arms in config.shares, in this order")
    rows = [asdict(result) for result in found.results]
    rows += [asdict(values) | {"arm": "baseline"} for values in found.baseline]
    for row in rows:
        name = f"{row.pop('arm')}, fold {row.pop('fold')}"
        _check_numbers(name, list(row.values()))
    for share in found.shares:
        for name, norms in share.norms.items():
            _check_numbers(f"gradients of {share.arm}, {name}", norms)
            if len(norms) != len(share.steps):
                raise ValueError(f"gradients of {share.arm}, {name}: expected one a step")


def _check_numbers(name: str, numbers: Sequence[object]) -> None:
    if not all(isinstance(n, (int, float)) and math.isfinite(n) and n >= 0 for n in numbers):
        raise ValueError(f"{name}: not all results are finite numbers from 0 on")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the recorded experiment and write it down.

    Args:
        arguments: of the command line.
    """
    parser = command_line("lossbook.lab.hands.demo", RECORD)
    parser.add_argument("--workers", type=int, default=1, help="processes, for the CPU")
    options = parser.parse_args(arguments)
    hands = load_hands()
    if options.sweep:
        sweep(hands, replace(RECORDED, steps=1500), (3e-3, 6e-3, 1.2e-2), device=options.device)
        return
    with threads(1):
        save_record(record(hands, device=options.device, workers=options.workers), options.out)


if __name__ == "__main__":
    main()
