"""Asking a network call by call: on its way from noise to motion, and once, from noise alone."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from lossbook.lab.motion.model import SETTINGS, generate
from lossbook.lab.motion.windows import Windows

__all__ = ["Call", "first_answer", "watch"]


class Call(NamedTuple):
    """One call of the network on the way from noise to motion.

    Attributes:
        given: what the network got, ``(n, frames, 265)``, standardised.
        answer: the clean motion that it made of it, of the same shape.
    """

    given: Tensor
    answer: Tensor


def watch(
    model: nn.Module, windows: Windows, *, seed: int = 0, calls: int = SETTINGS.calls
) -> list[Call]:
    """Generate as `lossbook.lab.motion.model.generate` does, and keep each call.

    The answer of the last call is what `generate` returns.

    Args:
        model: a `Denoiser`.
        windows: whose frame before and driving signal are used.
        seed: of the noise.
        calls: of the network.
    """
    kept: list[Call] = []

    def keep(_: nn.Module, inputs: tuple[Tensor, ...], answer: Tensor) -> None:
        kept.append(Call(inputs[0].cpu(), answer.cpu()))

    hook = model.register_forward_hook(keep)
    try:
        generate(model, windows, seed=seed, calls=calls)
    finally:
        hook.remove()
    return kept


@torch.no_grad()
def first_answer(model: nn.Module, windows: Windows, noise: Tensor) -> Tensor:
    """What the network answers if nothing of the clip is left, for a noise of your choice.

    Args:
        model: a `Denoiser`, on any device; left in the mode it was in.
        windows: whose frame before and driving signal are used.
        noise: in place of the clip, ``(n, frames, 265)``; zeros for none at all.

    Returns:
        Standardised motion, on the CPU.
    """
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    level = torch.ones(len(noise), device=device)
    given = (noise.to(device), level, windows.cond.to(device), windows.drive.to(device))
    answer: Tensor = model(*given)
    model.train(was_training)
    return answer.cpu()
