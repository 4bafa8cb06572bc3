"""What SFace's gradient does to a face that no denoiser made: the controls of `guided`.

The mean face, and the face that the linear regression guesses, are moved by the same steps with
which guidance steers a denoiser. What these come to is no merit of the denoiser::

    python -m lossbook.lab.inversion.controls --record
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from lossbook.lab.inversion import experiment, guided
from lossbook.lab.inversion.experiment import PARTS, recognisers
from lossbook.lab.inversion.faces import SIDE, Faces, enlarge, files, load_faces, reduce, split
from lossbook.lab.inversion.guided import Config, Record, Result, at_strengths
from lossbook.lab.inversion.model import STEERED, linear_guess, steer, templates
from lossbook.lab.inversion.sface import SFace
from lossbook.lab.inversion.systems import features
from lossbook.lab.run.command import main
from lossbook.lab.run.experiment import Experiment

__all__ = ["EXPERIMENT", "RECORDED", "guess", "load_record", "moved", "run"]

RECORDED = guided.RECORDED.replace(arms=("mean face", "regression"))
"""The mean of the faces that are trained on, and the ridge regression on the template."""


def guess(
    arm: str, faces: Faces, training: Int64[Tensor, " n"]
) -> Callable[[Float[Tensor, "batch 128"]], Float[Tensor, "batch 1 56 56"]]:
    """Make a face of a template before anything is moved.

    Args:
        arm: ``"mean face"``, the same for every template, or ``"regression"``.
        faces: as `load_faces` gives them.
        training: the photographs that it is learned from.
    """
    matrix, constant = linear_guess(faces, training)
    if arm == "mean face":
        matrix = torch.zeros_like(matrix)
        constant = reduce(faces.pictures[training]).flatten(1).mean(0)
    return lambda known: (known @ matrix.T + constant).view(-1, 1, SIDE, SIDE)


def moved(
    picture: Float[Tensor, "batch 1 56 56"],
    known: Float[Tensor, "batch 128"],
    network: SFace,
    strength: float,
) -> Float[Tensor, "batch 1 56 56"]:
    """Move pictures along SFace's gradient, as `rebuild` does in its last steps.

    Args:
        picture: to begin with.
        known: templates.
        network: SFace.
        strength: see `lossbook.lab.inversion.model.rebuild`.
    """
    for width in STEERED:
        start = picture.detach().requires_grad_()
        alike = torch.cosine_similarity(features(network, enlarge(start)), known)
        picture = start.detach() + steer(alike, start, strength * width)
    return picture


def run(
    arm: str,
    fold: int,
    config: Config,
    faces: Faces,
    *,
    device: torch.device | str = "cpu",
    progress: bool = True,
) -> Result:
    """Score what one of the two becomes at each strength; nothing is trained.

    Args:
        arm: ``"mean face"`` or ``"regression"``.
        fold: who is held out.
        config: see `Config`.
        faces: as `load_faces` gives them.
        device: where to compute.
        progress: not used.
    """
    part, network = split(faces, fold), recognisers()[0].to(device)
    guessed = guess(arm, faces, part.training)

    def make(strength: float) -> dict[str, Tensor]:
        made = {}
        for name in PARTS:
            known = templates(faces)[getattr(part, name)]
            on_device = moved(guessed(known).to(device), known.to(device), network, strength)
            made[name] = on_device.cpu()
        return made

    return at_strengths(make, arm, fold, config, faces)


EXPERIMENT = Experiment(
    module="lossbook.lab.inversion.controls",
    path=experiment.RECORD.with_name("controls.json"),
    config=RECORDED,
    kind=Record,
    load=load_faces,
    files=files,
    run=run,
    try_rate=experiment.try_rate,
    baseline=experiment.baseline,
    rates=experiment.SWEEP,
    summary=guided.summary,
)

load_record = EXPERIMENT.load_record

if __name__ == "__main__":
    main(EXPERIMENT.module)
