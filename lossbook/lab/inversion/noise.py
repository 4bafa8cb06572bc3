"""Pictures that SFace accepts and nobody else would: the first screen of the chapter."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from lossbook.lab.inversion.sface import SFace

__all__ = ["accepted_noise"]


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
