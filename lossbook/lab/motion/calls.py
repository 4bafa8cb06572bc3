"""How motion comes out of noise, call by call, and how much of the noise stays in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import sympy as sp
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from lossbook.lab.motion.model import SETTINGS, generate
from lossbook.lab.motion.windows import Windows
from lossbook.lab.page.marks import Mark
from lossbook.lab.page.objects import Axis, Dots, Line, Panel, Range, Scene

__all__ = ["Call", "first_answer", "ten_calls", "watch"]


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


def ten_calls(
    paths: Mapping[str, Sequence[tuple[ArrayLike, ArrayLike]]],
    truth: ArrayLike,
    *,
    span: tuple[float, float],
) -> Scene:
    """Step through the calls of the network: what it gets, and what it answers.

    Args:
        paths: by arm, for each call the yaw of what the network got and of its answer, degrees.
        truth: yaw of the true clip.
        span: ends of the axes, degrees.
    """
    call = sp.Symbol("call", integer=True)
    true = np.asarray(truth, dtype=np.float64)
    frames, count = len(true), len(next(iter(paths.values())))
    panels, arrays = [], {}
    for number, (arm, path) in enumerate(paths.items()):
        given, answer = sp.IndexedBase(f"g_{number}"), sp.IndexedBase(f"a_{number}")
        for symbol, side in ((given, 0), (answer, 1)):
            values = np.concatenate([np.asarray(step[side], dtype=np.float64) for step in path])
            arrays[symbol] = np.round(values, 3)
        at = [frames * (call - 1) + n for n in range(1, frames + 1)]
        noisy = [(n, given[place]) for n, place in enumerate(at, 1)]
        clean = [(n, answer[place]) for n, place in enumerate(at, 1)]
        marks: list[Mark] = [
            Line(noisy, look="neutral", label="what the network gets", width=1, solid=True),
            Line(list(enumerate(true.tolist(), 1)), look="ground truth", label="truth"),
            Line(clean, look=arm, label=f"answer of {arm}", solid=True, width=3),
            Dots(clean, look=arm, size=2.5),
        ]
        panels.append(Panel(marks, Axis(1, frames, "frame"), Axis(*span, "yaw [°]"), arm))
    # As `generate` goes down from nothing but noise, and `signal` says what that leaves.
    level = 1 - (call - 1) / sp.Integer(count)
    share = sp.cos(sp.pi * level / 2) ** 2
    return Scene(
        "calls",
        "Ten calls from noise to motion",
        {call: Range(1, count, 1, 1, label="call", fps=1)},
        panels,
        [
            (
                "At call {n:.0f}, {share:.0%} of what the network gets is its own last answer.",
                {"n": call, "share": share},
            )
        ],
        arrays=arrays,
    )
