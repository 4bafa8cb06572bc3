"""PFLD's two values during a training, beside the error on people who are held out.

Which of them tells whether the network has converged? The trainings are those with PFLD in
`lossbook.lab.landmarks.experiment`, and one more with another seed for each group of people::

    python -m lossbook.lab.landmarks.watched --record
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import torch
from torch import nn

from lossbook.lab.landmarks import experiment, model
from lossbook.lab.landmarks.data import Faces, crop, mean_shape, split_by_subject
from lossbook.lab.landmarks.experiment import Config, Result
from lossbook.lab.landmarks.model import SIZE, LandmarkNet
from lossbook.lab.run.command import main
from lossbook.lab.run.training import fit, seed_everything
from lossbook.landmarks import pose_weight

__all__ = ["ARMS", "EVERY", "EXPERIMENT", "RECORDED", "load_record", "run"]

ARMS: Mapping[str, int] = {"PFLD": 0, "PFLD, second seed": 100}
"""What is added to a fold's number to make the seed."""
EVERY = 10
"""Steps between two looks at the people held out."""


def run(
    arm: str,
    fold: int,
    config: Config,
    faces: Faces,
    *,
    device: torch.device | str = "cpu",
    progress: bool = True,
) -> Result:
    """Train with PFLD on all folds but one, and watch that one.

    Args:
        arm: name in `ARMS`.
        fold: which people are held out.
        config: see `lossbook.lab.landmarks.experiment.Config`.
        faces: as `load_faces` gives them.
        device: where to train.
        progress: whether to show a progress bar.

    Returns:
        In ``units``, once in `EVERY` steps: ``"weighted"`` and ``"plain"``, the two values of the
        loss, each the mean of these steps, px²; and ``"held out"``, the plain value on the people
        held out. ``"pose"`` is the pose weight of each of their faces at the end, in thousandths.
    """
    training, test = split_by_subject(faces, fold)
    views = crop(faces.images[test], faces.landmarks[test], faces.angles[test], size=SIZE)
    seed = fold + ARMS[arm]
    seed_everything(seed)
    network = LandmarkNet(mean_shape(faces, training, size=SIZE))
    held_out = []

    def look(step: int, net: nn.Module) -> None:
        if step % EVERY == 0:
            found = model.predict(net, views.images).landmarks.cpu()
            squares = (found - views.landmarks).square().sum((1, 2))
            held_out.append(squares.mean().item())

    history = fit(
        network,
        lambda net, batch: model.ARMS["PFLD"](net(batch.images), batch),
        model.batches(faces, training, seed, config, device),
        steps=config.steps,
        learning_rate=config.rate(arm),
        schedule="one_cycle",
        device=device,
        progress=progress,
        description=f"{arm}, fold {fold}",
        callback=look,
    )
    scores = model.evaluate(network, faces, test)
    angles = model.predict(network, views.images).angles.cpu()
    units = {"nme": scores.pop("errors"), "held out": tuple(held_out)}
    for name, term in (("weighted", "weighted"), ("plain", "l2")):
        values = torch.tensor(history.log[term], dtype=torch.float64)
        units[name] = tuple(values.reshape(-1, EVERY).mean(1).tolist())
    units["pose"] = tuple((1000 * pose_weight(angles, views.angles)).tolist())
    return Result(arm=arm, fold=fold, seconds=history.seconds, units=units, **scores)


RECORDED = experiment.RECORDED.replace(
    arms=tuple(ARMS), own_rates=(), learning_rate=experiment.RECORDED.rate("PFLD")
)
"""Two arms on every fold, ten runs."""

EXPERIMENT = dataclasses.replace(
    experiment.EXPERIMENT,
    module="lossbook.lab.landmarks.watched",
    path=experiment.RECORD.with_name("watched.json"),
    config=RECORDED,
    run=run,
)

load_record = EXPERIMENT.load_record

if __name__ == "__main__":
    main(EXPERIMENT.module)
