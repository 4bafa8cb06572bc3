"""By which path PFLD's pose weight acts: the weight itself, or the training of the angles.

The product p D trains the layers that both heads share twice: for the points, by p times the slope
of D, and for the angles, by D times the slope of p. Here each is taken away, beside the factors of
`lossbook.lab.landmarks.factors`, whose rates were taken over::

    python -m lossbook.lab.landmarks.paths --record
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import torch
from jaxtyping import Int64
from torch import Tensor, nn

from lossbook.lab.landmarks import experiment, factors, model
from lossbook.lab.landmarks.data import Faces, mean_shape, split_by_subject
from lossbook.lab.landmarks.experiment import Config, Result
from lossbook.lab.landmarks.model import SIZE, ArmLoss, Batch, LandmarkNet, Prediction
from lossbook.lab.run.command import main
from lossbook.lab.run.splits import hold_out, shuffled_groups
from lossbook.lab.run.training import fit, seed_everything
from lossbook.landmarks import pose_weight

__all__ = ["APART", "ARMS", "EXPERIMENT", "RECORDED", "apart", "load_record", "run", "try_rate"]


def _both(found: Prediction, batch: Batch) -> tuple[Tensor, Tensor]:
    """The pose weight and the sum of the squared errors of each face."""
    squares = (found.landmarks - batch.landmarks).square().flatten(1).sum(1)
    return pose_weight(found.angles, batch.angles), squares


def _beside(found: Prediction, batch: Batch) -> Tensor:
    p, squares = _both(found, batch)
    return squares.mean() + p.mean() * squares.mean().detach()


def _means(found: Prediction, batch: Batch) -> Tensor:
    p, squares = _both(found, batch)
    return p.mean() * squares.mean()


def _shuffled(found: Prediction, batch: Batch) -> Tensor:
    p, squares = _both(found, batch)
    order = torch.randperm(len(p)).to(p.device)
    return (p.detach()[order] * squares).mean() + (p * squares.detach()).mean()


ARMS: Mapping[str, ArmLoss] = {
    "pose alone, apart": factors.ARMS["pose alone"],
    "mean pose": _means,
    "pose, shuffled": _shuffled,
    "PFLD, apart": model.ARMS["PFLD"],
    "L2 + pose": _beside,
    "mean pose, apart": _means,
}
"""With p and D of each face, as in `lossbook.lab.landmarks.factors`:

- ``"pose alone, apart"``: p D; the angles train the pose head and no layer below it;
- ``"mean pose"``: the mean of p in the batch times the mean of D, so all faces weigh the same;
- ``"pose, shuffled"``: the slopes of p D, but D weighted by the p of a random face of the batch;
- ``"PFLD, apart"``: PFLD; the angles train the pose head and no layer below it;
- ``"L2 + pose"``: D, not weighted, and the angles trained as by the second;
- ``"mean pose, apart"``: the second; the angles train the pose head and no layer below it, so that
  of the three causes only the fading is left.
"""

APART = frozenset({"pose alone, apart", "PFLD, apart", "mean pose, apart"})
"""Arms whose angles do not train what both heads share."""


def apart(network: LandmarkNet) -> LandmarkNet:
    """Keep the gradient of the angles in the pose head; what the network says stays.

    Args:
        network: changed in place.
    """

    def cut(_: nn.Module, given: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return tuple(features.detach() for features in given)

    network.angles.register_forward_pre_hook(cut)
    return network


def _trained(
    arm: str,
    faces: Faces,
    indices: Int64[Tensor, " n"],
    seed: int,
    config: Config,
    rate: float,
    device: torch.device | str,
    progress: bool,
) -> tuple[LandmarkNet, float]:
    """As `lossbook.lab.landmarks.model.train`; gives the network and the seconds."""
    seed_everything(seed)
    network = LandmarkNet(mean_shape(faces, indices, size=SIZE))
    if arm in APART:
        apart(network)
    loss = ARMS[arm]
    history = fit(
        network,
        lambda net, batch: loss(net(batch.images), batch),
        model.batches(faces, indices, seed, config, device),
        steps=config.steps,
        learning_rate=rate,
        schedule="one_cycle",
        device=device,
        progress=progress,
        description=f"{arm}, fold {seed}",
    )
    return network, history.seconds


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
        arm: name in `ARMS`.
        fold: which people are held out; also the seed.
        config: see `lossbook.lab.landmarks.experiment.Config`.
        faces: as `load_faces` gives them.
        device: where to train.
        progress: whether to show a progress bar.
    """
    training, test = split_by_subject(faces, fold)
    rate = config.rate(arm)
    network, seconds = _trained(arm, faces, training, fold, config, rate, device, progress)
    scores = model.evaluate(network, faces, test)
    units = {"nme": scores.pop("errors")}
    return Result(arm=arm, fold=fold, seconds=seconds, units=units, **scores)


def try_rate(
    arm: str,
    rate: float,
    fold: int,
    config: Config,
    faces: Faces,
    *,
    device: torch.device | str = "cpu",
) -> dict[str, float]:
    """Try a learning rate on people held out from the training part of a fold.

    Args:
        arm: name in `ARMS`.
        rate: to try.
        fold: as in `lossbook.lab.landmarks.experiment.try_rate`.
        config: its steps, batch size and augmentation are used.
        faces: as `load_faces` gives them.
        device: where to train.

    Returns:
        The mean error, under ``"nme"``.
    """
    training, _ = split_by_subject(faces, fold)
    people = faces.subject[training]
    kept, held_out = hold_out(people, shuffled_groups(people, fold)[:8])
    network, _ = _trained(arm, faces, training[kept], fold, config, rate, device, False)
    return {"nme": model.evaluate(network, faces, training[held_out])["nme"]}


RECORDED = experiment.RECORDED.replace(arms=tuple(ARMS), own_rates=(("PFLD, apart", 1e-3),))
"""Six arms on every fold, 30 runs."""

EXPERIMENT = dataclasses.replace(
    experiment.EXPERIMENT,
    module="lossbook.lab.landmarks.paths",
    path=experiment.RECORD.with_name("paths.json"),
    config=RECORDED,
    run=run,
    try_rate=try_rate,
)

load_record = EXPERIMENT.load_record

if __name__ == "__main__":
    main(EXPERIMENT.module)
