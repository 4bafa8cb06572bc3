"""What needs no network and no loss: constant hands, and the nearest of the hands of a training.

- ``"mean hand"``: the average joint positions of made hands; in 2D the average of the real hands;
- ``"flat hand"``: the detection itself, in space at one scale for all hands and with a depth of 0;
- ``"mean fills"``: as that, but occluded points are those of the mean hand;
- ``"neighbours"``: the mean of the nearest hands, in space of made ones and in 2D of real ones;
- ``"neighbours fill"``: as ``"flat hand"``, but occluded points are those of ``"neighbours"``.

They know what a network of `lossbook.lab.hands.experiment` sees of the same training clips: as many
made hands, and of each real one as many detections, of which they take the mean, weighted with the
confidences. Hands are near if the points that the detection sees lie near theirs, after the best
scale and shift. How many are averaged is chosen on made hands and on training clips that no test
uses. Folds, test hands, noise and scores are those of the experiment::

    python -m lossbook.lab.hands.baselines --record
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from lossbook.hands.metrics import mpjpe, pa_mpjpe
from lossbook.lab.hands import experiment
from lossbook.lab.hands.data import OCCLUDED, Hands, detect, load_hands, split_by_clip, synthetic
from lossbook.lab.hands.experiment import Baseline, Config
from lossbook.lab.hands.kinematics import Hand
from lossbook.lab.hands.model import MILLIMETRES, errors_2d, make_scene
from lossbook.lab.run import records
from lossbook.lab.run.command import main
from lossbook.lab.run.experiment import Experiment
from lossbook.lab.run.records import ScoredResult
from lossbook.lab.run.splits import hold_out, shuffled_groups

__all__ = [
    "ARMS",
    "COUNTS",
    "EXPERIMENT",
    "RECORDED",
    "Library",
    "Record",
    "blend",
    "fit",
    "flat",
    "library",
    "load_record",
    "nearest",
    "run",
]

ARMS = ("mean hand", "flat hand", "mean fills", "neighbours", "neighbours fill")

COUNTS = (1, 3, 5, 10, 20, 50)
"""Of how many neighbours the mean may be taken."""

_CHUNK = 50
"""Detections compared at a time."""

RECORDED = experiment.RECORDED.replace(arms=ARMS, shares=())
"""Five answers on every fold, 25 rows; the steps say how many hands are known."""


class Library(NamedTuple):
    """The hands of a training.

    Attributes:
        keypoints: of made hands, crop coordinates.
        joints: of the same, metres from the wrist.
        real: real hands, each the mean of its detections; crop coordinates.
    """

    keypoints: Float[Tensor, "made 21 2"]
    joints: Float[Tensor, "made 21 3"]
    real: Float[Tensor, "real 21 2"]


def library(hands: Hands, indices: Int64[Tensor, " n"], seed: int, config: Config) -> Library:
    """Collect what a network sees in a training.

    Args:
        hands: as `load_hands` gives them.
        indices: the real hands of the training.
        seed: of the made hands and of the detections.
        config: as many made hands, and detections of real ones, as its steps have.
    """
    generator = torch.Generator().manual_seed(seed)
    made = synthetic(config.steps * config.synthetic, generator, Hand())
    clean = hands.keypoints[indices]
    points, heard = torch.zeros_like(clean), clean.new_zeros(len(clean), 21, 1)
    for _ in range(max(1, config.steps * config.real // len(clean))):
        detected = detect(clean, generator)
        points += detected[..., 2:] * detected[..., :2]
        heard += detected[..., 2:]
    return Library(made.keypoints, made.joints - made.joints[:, :1], points / heard)


class _Match(NamedTuple):
    """What is left between detections and hands after the best scale and shift of the hands."""

    rest: Float[Tensor, "queries hands"]
    scale: Float[Tensor, "queries hands"]
    middle: Float[Tensor, "queries hands 2"]
    wanted: Float[Tensor, "queries 1 2"]


def _match(detected: Float[Tensor, "queries 21 3"], known: Float[Tensor, "hands 21 2"]) -> _Match:
    seen = (detected[..., 2] >= OCCLUDED).to(known)
    seen = seen / seen.sum(1, keepdim=True)
    points = detected[..., :2]
    wanted = (seen[..., None] * points).sum(1, keepdim=True)
    off = seen[..., None] * (points - wanted)
    x, y = known[..., 0].T, known[..., 1].T
    middle = torch.stack([seen @ x, seen @ y], -1)
    spread = seen @ (x.square() + y.square()) - middle.square().sum(-1)
    together = (off[..., 0] @ x + off[..., 1] @ y).clamp_min(0)
    scale = together / spread.clamp_min(1e-9)
    alone = (off * (points - wanted)).sum((1, 2))[:, None]
    return _Match(alone - scale * together, scale, middle, wanted)


def nearest(
    detected: Float[Tensor, "queries 21 3"], known: Float[Tensor, "hands 21 2"], count: int
) -> Int64[Tensor, "queries count"]:
    """Find the hands whose points lie nearest to those that a detection sees, the best one first.

    Args:
        detected: x, y in crop coordinates, and the confidence. Where it sees the wrist alone, all
            hands are as near.
        known: to choose from.
        count: how many.
    """
    chunks = (detected[at : at + _CHUNK] for at in range(0, len(detected), _CHUNK))
    return torch.cat([_match(d, known).rest.topk(count, largest=False).indices for d in chunks])


def fit(
    detected: Float[Tensor, "queries 21 3"],
    known: Float[Tensor, "hands 21 2"],
    chosen: Int64[Tensor, "queries count"],
) -> Float[Tensor, "queries 21 2"]:
    """Average the chosen hands, each laid over the points that the detection sees.

    Args:
        detected: see `nearest`.
        known: see `nearest`.
        chosen: the hands of each detection.
    """
    laid = []
    for one, hands in zip(detected, chosen, strict=True):
        match = _match(one[None], known[hands])
        moved = known[hands] - match.middle[0][:, None]
        laid.append((match.scale[0][:, None, None] * moved).mean(0) + match.wanted[0])
    return torch.stack(laid)


def blend(
    detected: Float[Tensor, "queries 21 3"], filled: Float[Tensor, "queries 21 2"]
) -> Float[Tensor, "queries 21 2"]:
    """Keep the points that a detection sees, and fill the others.

    Args:
        detected: see `nearest`.
        filled: a guess of all points.
    """
    return torch.where(detected[..., 2:] >= OCCLUDED, detected[..., :2], filled)


def flat(keypoints: Float[Tensor, "queries 21 2"], known: Library) -> Float[Tensor, "queries 21 3"]:
    """Put points into space at the scale that fits all made hands, with a depth of 0.

    Args:
        keypoints: crop coordinates.
        known: the hands of the training.
    """
    from_wrist = (known.keypoints - known.keypoints[:, :1]).norm(dim=-1)
    scale = known.joints[..., :2].norm(dim=-1).sum() / from_wrist.sum()
    return torch.nn.functional.pad(scale * keypoints, (0, 1))


def _counts(hands: Hands, training: Tensor, fold: int, config: Config, known: Library) -> list[int]:
    """How many neighbours do best in space and in 2D, on hands that no test uses."""
    clips = shuffled_groups(hands.clip[training], fold)
    kept, left = hold_out(hands.clip[training], clips[: len(clips) // 5])
    scene = make_scene(hands, training[left], 2000 + fold, config)
    deep = nearest(scene.made_detected, known.keypoints, max(COUNTS))
    wide = nearest(scene.real_detected, known.real[kept], max(COUNTS))
    errors: list[dict[int, float]] = [{}, {}]
    for count in COUNTS:
        joints = known.joints[deep[:, :count]].mean(1)
        errors[0][count] = mpjpe(joints, scene.made.joints).mean().item()
        points = fit(scene.real_detected, known.real[kept], wide[:, :count])
        errors[1][count] = (points - scene.real).norm(dim=-1).mean().item()
    return [min(found, key=found.__getitem__) for found in errors]


def run(
    arm: str,
    fold: int,
    config: Config,
    hands: Hands,
    *,
    device: torch.device | str = "cpu",
    progress: bool = True,
) -> ScoredResult:
    """Score one answer on the clips that a fold leaves out, and on its made test hands.

    Args:
        arm: a name in `ARMS`.
        fold: which clips are held out; also the seed.
        config: of the record.
        hands: as `load_hands` gives them.
        device: the CPU does the work, whichever it is.
        progress: no bar is shown.

    Returns:
        The scores ``"mpjpe"``, ``"pa_mpjpe"``, ``"error_2d"`` and ``"error_2d_occluded"`` of
        `lossbook.lab.hands.experiment.Result`, and where neighbours are asked, how many:
        ``"neighbours"`` in space and ``"neighbours_2d"``. In its ``units`` ``"error_2d"``.
    """
    del device, progress
    start = time.perf_counter()
    training, test = split_by_clip(hands, fold)
    scene = make_scene(hands, test, 1000 + fold, config)
    known = library(hands, training, 4000 + fold, config)
    made, real = scene.made_detected, scene.real_detected
    scores: dict[str, float] = {}
    if arm.startswith("neighbours"):
        deep, wide = _counts(hands, training, fold, config, known)
        scores = {"neighbours": float(deep), "neighbours_2d": float(wide)}
        of_made = nearest(made, known.keypoints, deep)
        joints = known.joints[of_made].mean(1)
        points_made = fit(made, known.keypoints, of_made)
        points = fit(real, known.real, nearest(real, known.real, wide))
    else:
        joints = known.joints.mean(0).expand(len(made), 21, 3)
        points_made, points = (
            fit(detected, of_kind.mean(0, keepdim=True), torch.zeros(len(detected), 1).long())
            for detected, of_kind in ((made, known.keypoints), (real, known.real))
        )
    if arm == "flat hand":
        joints, points = flat(made[..., :2], known), real[..., :2]
    elif arm.endswith("fill") or arm.endswith("fills"):
        joints, points = flat(blend(made, points_made), known), blend(real, points)
    all_points, occluded = errors_2d(points, scene.real, real)
    scores |= {
        "mpjpe": MILLIMETRES * mpjpe(joints, scene.made.joints).mean().item(),
        "pa_mpjpe": MILLIMETRES * pa_mpjpe(joints, scene.made.joints).mean().item(),
        "error_2d": all_points,
        "error_2d_occluded": occluded,
    }
    each, clips = (points - scene.real).norm(dim=-1).mean(1), hands.clip[test]
    units = tuple(each[clips == clip].mean().item() for clip in torch.unique(clips))
    return ScoredResult(
        arm=arm,
        fold=fold,
        seconds=time.perf_counter() - start,
        units={"error_2d": units},
        scores=scores,
    )


def _try_rate(*_: object, **__: object) -> Mapping[str, float]:
    raise ValueError("there is no learning rate to try: nothing is trained")


def _summary(result: Mapping[str, Any]) -> str:
    scores = result["scores"]
    return (
        f"MPJPE {scores['mpjpe']:.1f} mm  PA {scores['pa_mpjpe']:.1f}  "
        f"2D {scores['error_2d']:.2%}  occluded {scores['error_2d_occluded']:.2%}"
    )


class Record(records.ScoredRecord[Config, ScoredResult, Baseline]):
    """The recorded scores."""

    headline: ClassVar[str] = "mpjpe"


EXPERIMENT = Experiment(
    module="lossbook.lab.hands.baselines",
    path=experiment.RECORD.with_name("baselines.json"),
    config=RECORDED,
    kind=Record,
    load=load_hands,
    files=experiment.EXPERIMENT.files,
    run=run,
    try_rate=_try_rate,
    baseline=experiment.baseline,
    rates=experiment.SWEEP,
    summary=_summary,
)

load_record = EXPERIMENT.load_record

if __name__ == "__main__":
    main(EXPERIMENT.module)
