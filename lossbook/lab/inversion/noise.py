"""Pictures that SFace accepts and nobody else would: the first screen of the chapter.

What the page shows of the steps in between is recorded: ``python -m lossbook.lab.inversion.noise``.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from lossbook.lab.inversion.experiment import recognisers
from lossbook.lab.inversion.faces import load_faces, split
from lossbook.lab.inversion.sface import SFace
from lossbook.lab.inversion.systems import similarity
from lossbook.lab.run.pictures import pack

__all__ = ["CLIMB", "STEPS", "accepted_noise", "greys"]

CLIMB = Path(__file__).parent / "data" / "noise.json"
"""The recorded steps: pictures, and how alike each system finds them to the photograph."""
STEPS = (0, 1, 2, 3, 4, 5, 10, 20, 40)
"""After which steps they were recorded: the first ones all, as SFace accepts after the third."""
_LEVELS = 15


def accepted_noise(
    network: SFace,
    template: Float[Tensor, " 128"],
    *,
    steps: int = 40,
    rate: float = 0.02,
    seed: int = 0,
) -> tuple[Float[Tensor, "1 1 112 112"], list[float]]:
    """Move the pixels of a noisy picture until SFace takes it for a person.

    Args:
        network: SFace.
        template: of the person.
        steps: of Adam.
        rate: of Adam.
        seed: of the noise to begin with.

    Returns:
        The picture, from 0 to 1, and the cosine with the template before each step and at the end.
    """
    generator = torch.Generator().manual_seed(seed)
    picture = torch.rand(1, 1, 112, 112, generator=generator).requires_grad_()
    stepper = torch.optim.Adam([picture], lr=rate)
    cosines = []
    for step in range(steps + 1):
        alike = torch.cosine_similarity(network(picture), template[None]).sum()
        cosines.append(alike.item())
        if step == steps:
            break
        stepper.zero_grad()
        (-alike).backward()  # type: ignore[no-untyped-call]
        stepper.step()
        with torch.no_grad():
            picture.clamp_(0, 1)
    return picture.detach(), cosines


def greys(picture: Float[Tensor, "1 1 112 112"]) -> NDArray[np.uint8]:
    """A picture in sixteen shades of grey, in which noise takes half the space."""
    shades = (picture[0, 0].clamp(0, 1) * _LEVELS).round() * (255 / _LEVELS)
    return shades.to(torch.uint8).numpy()


def main() -> None:
    """Record the steps in between."""
    faces = load_faces()
    network, judge = recognisers()
    person = int(split(faces, 0).unseen[0])
    runs = [accepted_noise(network, faces.attacked[person], steps=s) for s in STEPS]
    pictures = [picture for picture, _ in runs]
    with torch.no_grad():
        found = {"attacked": network(torch.cat(pictures)), "judge": judge(torch.cat(pictures))}
    alike = {
        "cosine": similarity("attacked", found["attacked"], faces.attacked[person : person + 1]),
        "distance": -similarity("judge", found["judge"], faces.judge[person : person + 1]),
    }
    numbers = {name: [round(v, 4) for v in one[:, 0].tolist()] for name, one in alike.items()}
    every = [round(cosine, 4) for cosine in runs[-1][1]]
    shown = pack(np.concatenate(list(map(greys, pictures)), axis=1))
    recorded = {"steps": list(STEPS), **numbers, "every cosine": every, "shown": shown}
    CLIMB.write_text(json.dumps(recorded) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
