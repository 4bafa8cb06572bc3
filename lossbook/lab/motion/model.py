"""The chapter's network, its twelve losses, how it makes motion, and how that is scored.

The network is a denoiser as in motion diffusion: it gets a window of noisy motion, how noisy it is,
the frame before the window and a driving signal, and predicts the clean motion. Every arm trains
the same network on the same stream of windows and noise with Adam; only the loss differs.

The arms are P, V and A alone, sums of them, and

- ``"P+V+A+L"``: the documented total, with the last-frame loss that the note's script turns on;
- ``"P+V+A, equal dims"``: each part weighs as much as it has dimensions;
- ``"P+V+A+R"``: with the documented regularisation, 1e-4;
- ``"P+L"``, ``"P+R, 1000 times"``: one factor each, to see it;
- ``"P, as noise"``: P of the noise that a prediction implies, which weighs P of the motion by the
  signal-to-noise ratio;
- ``"P, smoothed"``: P, whose motion is smoothed *afterwards* over three frames (1 : 2 : 1). A
  control: what V and A have to beat.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from lossbook.lab.motion.windows import Standard, Windows, angles, face
from lossbook.lab.run.records import Model
from lossbook.lab.run.training import History, fit, seed_everything
from lossbook.motion import DITTO_PARTS, Letter, MotionLoss, Parts, last_frame_loss
from lossbook.motion.metrics import MotionMetrics, motion_metrics
from lossbook.terms import LossTerms

__all__ = [
    "AFTERWARDS",
    "ARMS",
    "SETTINGS",
    "ArmLoss",
    "Batch",
    "Denoiser",
    "Generated",
    "Settings",
    "batches",
    "generate",
    "score",
    "signal",
    "smoothed",
    "train",
]

DIMENSIONS = DITTO_PARTS.dimensions
FPS = 25.0


class Settings(Model):
    """The numbers behind a training, whatever its loss and its seed.

    Attributes:
        steps: optimiser steps.
        batch_size: windows a step.
        learning_rate: highest value of a one-cycle schedule, for Adam.
        channels: of the network.
        calls: of the network for each window that is generated.
        lowest_level: of noise that training draws; 1 is nothing but noise.
    """

    steps: int = 1000
    batch_size: int = 32
    learning_rate: float = 2e-3
    channels: int = 96
    calls: int = 10
    lowest_level: float = 0.0


SETTINGS = Settings()
"""Those of the recorded experiment."""


class Batch(NamedTuple):
    """What one step sees; all standardised, see `lossbook.lab.motion.windows`.

    Attributes:
        motion: the truth, ``(B, T, 265)``.
        noisy: the same with noise, ``(B, T, 265)``.
        level: how noisy, from 0 (clean) to 1 (nothing but noise), ``(B,)``.
        cond: the frame before, ``(B, 265)``.
        drive: ``(B, T, 2)``.
    """

    motion: Tensor
    noisy: Tensor
    level: Tensor
    cond: Tensor
    drive: Tensor


ArmLoss = Callable[[Tensor, Batch], LossTerms]


def signal(level: Tensor) -> Tensor:
    """Share of the variance that is motion, at a level of noise: the cosine schedule."""
    return torch.cos(0.5 * math.pi * level).square()


class _Block(nn.Module):
    """Frames talk to their neighbours, then channels to one another."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.frames = nn.Conv1d(
            channels, channels, 3, padding=dilation, dilation=dilation, groups=channels
        )
        self.mix = nn.Sequential(
            nn.GroupNorm(1, channels),
            nn.Conv1d(channels, 2 * channels, 1),
            nn.GELU(),
            nn.Conv1d(2 * channels, channels, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        mixed: Tensor = self.mix(self.frames(x))
        return x + mixed


class Denoiser(nn.Module):
    """Predicts clean motion from noisy motion; windows of any length.

    Args:
        channels: of every layer.
    """

    def __init__(self, channels: int = SETTINGS.channels) -> None:
        super().__init__()
        self.enter = nn.Conv1d(2 * DIMENSIONS + 2 + _CLUES, channels, 1)
        self.blocks = nn.Sequential(*(_Block(channels, dilation) for dilation in (1, 2, 4, 8)))
        self.leave = nn.Conv1d(channels, DIMENSIONS, 1)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(cast(Tensor, self.leave.bias))

    def forward(
        self,
        noisy: Float[Tensor, "batch frames 265"],
        level: Float[Tensor, " batch"],
        cond: Float[Tensor, "batch 265"],
        drive: Float[Tensor, "batch frames 2"],
    ) -> Float[Tensor, "batch frames 265"]:
        """Predict the clean motion.

        Args:
            noisy: motion with noise.
            level: how noisy, from 0 to 1.
            cond: the frame before.
            drive: the driving signal.
        """
        frames = noisy.shape[1]
        before = cond[:, None].expand(-1, frames, -1)
        seen = torch.cat([noisy, before, drive, _clues(level, frames)], 2)
        hidden = self.blocks(self.enter(seen.transpose(1, 2)))
        found: Tensor = self.leave(hidden).transpose(1, 2)
        return found


_CLUES = 10


def _clues(level: Tensor, frames: int) -> Tensor:
    """What a network needs to know of the noise, and of the place in the window."""
    powers = math.pi * level[:, None] * torch.tensor([0.5, 1.0, 2.0], device=level.device)
    noise = torch.cat([powers.sin(), powers.cos()], 1)[:, None].expand(-1, frames, -1)
    at = torch.arange(frames, device=level.device, dtype=level.dtype)
    # The first frames follow the frame before; later ones hardly know it.
    place = torch.stack([torch.exp(-at / reach) for reach in (1.0, 3.0, 9.0, 27.0)], 1)
    return torch.cat([noise, place.expand(len(level), -1, -1)], 2)


# The arms

_EQUAL = Parts(
    {
        name: part._replace(weight=len(DITTO_PARTS) * (part.stop - part.start) / DIMENSIONS)
        for name, part in DITTO_PARTS.items()
    }
)


def _sum(letters: str, *, times_r: float = 1.0, parts: Parts = DITTO_PARTS) -> MotionLoss:
    """The documented terms of these letters; the others of P, V and A stay as monitors."""
    counting: tuple[Letter, ...] = ("P", "V", "A")
    counted: dict[Letter, float] = {letter: float(letter in letters) for letter in counting}
    with_r = "R" in letters
    return MotionLoss(
        parts=parts,
        use_last_frame_loss="L" in letters,
        use_reg_loss=with_r,
        weights=counted | {"R": times_r} if with_r else counted,
    )


def _arm(module: MotionLoss) -> ArmLoss:
    return lambda found, batch: module(found, batch.motion, batch.cond)


_P = _sum("P")


def _p_l(found: Tensor, batch: Batch) -> LossTerms:
    # Not one total of both: it is added up in another order, which changes the last digits.
    return _P(found, batch.motion) | last_frame_loss(found, batch.cond)


def _as_noise(found: Tensor, batch: Batch) -> LossTerms:
    kept = signal(batch.level)
    # Where hardly any noise is left, a hundredth of it stands for less.
    return _P(found, batch.motion, weight=kept / (1 - kept).clamp(min=0.01))


ARMS: Mapping[str, ArmLoss] = {
    "P": _arm(_P),
    "V": _arm(_sum("V")),
    "A": _arm(_sum("A")),
    "P+V": _arm(_sum("PV")),
    "P+V+A": _arm(_sum("PVA")),
    "P+V+A+L": _arm(_sum("PVAL")),
    "P+V+A, equal dims": _arm(_sum("PVA", parts=_EQUAL)),
    "P+V+A+R": _arm(_sum("PVAR")),
    "P+L": _p_l,
    "P+R, 1000 times": _arm(_sum("PR", times_r=1000.0)),
    "P, as noise": _as_noise,
    "P, smoothed": _arm(_P),
}


def smoothed(
    motion: Float[Tensor, "n frames dims"], middle: int = 2
) -> Float[Tensor, "n frames dims"]:
    """Each frame and its neighbours, 1 : 2 : 1; the ends stand for what lies beyond them.

    Args:
        motion: in any unit.
        middle: weight of the frame itself, where a neighbour has 1.
    """
    padded = torch.cat([motion[:, :1], motion, motion[:, -1:]], 1)
    return (padded[:, :-2] + middle * motion + padded[:, 2:]) / (2 + middle)


AFTERWARDS: Mapping[str, Callable[[Tensor], Tensor]] = {"P, smoothed": smoothed}
"""What is done with the motion that an arm makes."""


# Training


def batches(windows: Windows, seed: int, settings: Settings = SETTINGS) -> Iterator[Batch]:
    """Yield windows with noise, without end; the same seed gives the same ones.

    Args:
        windows: to draw from.
        seed: of the order, of the levels and of the noise.
        settings: for the size of a batch and the lowest level.
    """
    lowest = settings.lowest_level
    generator = torch.Generator().manual_seed(seed)
    while True:
        order = torch.randperm(len(windows.motion), generator=generator)
        for some in torch.split(order, settings.batch_size):
            if len(some) < settings.batch_size:
                continue
            motion = windows.motion[some]
            level = lowest + (1 - lowest) * torch.rand(len(some), generator=generator)
            noise = torch.randn(motion.shape, generator=generator)
            noisy = _mixed(motion, noise, level)
            yield Batch(motion, noisy, level, windows.cond[some], windows.drive[some])


def _mixed(motion: Tensor, noise: Tensor, level: Tensor) -> Tensor:
    kept = signal(level)[:, None, None]
    return kept.sqrt() * motion + (1 - kept).sqrt() * noise


def train(
    loss: ArmLoss,
    windows: Windows,
    *,
    seed: int = 0,
    settings: Settings = SETTINGS,
    learning_rate: float | None = None,
    device: torch.device | str = "cpu",
    progress: bool = True,
    description: str = "",
) -> tuple[Denoiser, History]:
    """Train a network with one loss.

    Args:
        loss: a value of `ARMS`, or your own function of prediction and batch.
        windows: to train on.
        seed: of the initial weights, the windows and the noise.
        settings: steps, batch size, learning rate, network.
        learning_rate: instead of that of the settings.
        device: where to train.
        progress: whether to show a progress bar.
        description: label of the bar.

    Returns:
        The network and the log.
    """
    seed_everything(seed)
    model = Denoiser(settings.channels)

    def step(net: nn.Module, batch: Batch) -> LossTerms:
        return loss(net(batch.noisy, batch.level, batch.cond, batch.drive), batch)

    history = fit(
        model,
        step,
        batches(windows, seed, settings),
        steps=settings.steps,
        learning_rate=settings.learning_rate if learning_rate is None else learning_rate,
        schedule="one_cycle",
        clip_norm=1.0,
        device=device,
        progress=progress,
        description=description,
    )
    return model, history


@torch.no_grad()
def generate(
    model: nn.Module, windows: Windows, *, seed: int = 0, calls: int = SETTINGS.calls
) -> Float[Tensor, "n frames 265"]:
    """Make motion out of noise, from the frame before and the driving signal.

    Deterministic steps (DDIM, Song et al., 2021) from pure noise to none. With one call it is what
    the network predicts from noise alone.

    Args:
        model: a `Denoiser`, on any device; left in the mode it was in.
        windows: whose frame before and driving signal are used.
        seed: of the noise; the same for every model.
        calls: of the network.

    Returns:
        Standardised motion, on the CPU.
    """
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    generator = torch.Generator().manual_seed(seed)
    motion = torch.randn(windows.motion.shape, generator=generator).to(device)
    cond, signals = windows.cond.to(device), windows.drive.to(device)
    levels = torch.linspace(1, 0, calls + 1, device=device)
    for now, then in itertools.pairwise(levels.unbind()):
        clean = model(motion, now.expand(len(motion)), cond, signals)
        kept, left = signal(now), signal(then)
        noise = (motion - kept.sqrt() * clean) / (1 - kept).sqrt().clamp(min=1e-4)
        motion = left.sqrt() * clean + (1 - left).sqrt() * noise
    model.train(was_training)
    return motion.cpu()


class Generated(NamedTuple):
    """Scores of generated motion, a row for each window.

    Attributes:
        head: of pitch, yaw and roll, in degrees.
        face: of the 63 coordinates of the face, in mm.
    """

    head: MotionMetrics
    face: MotionMetrics


def score(found: Tensor, windows: Windows, norm: Standard, *, fps: float = FPS) -> Generated:
    """Score motion against the truth, in degrees and millimetres.

    Args:
        found: standardised, as `generate` gives it.
        windows: the truth.
        norm: undoes the standardisation.
        fps: frames a second.
    """
    found, truth, cond = (norm.undo(x) for x in (found, windows.motion, windows.cond))
    return Generated(
        *(
            motion_metrics(read(found), read(truth), cond_frame=read(cond), fps=fps)
            for read in (angles, face)
        )
    )
