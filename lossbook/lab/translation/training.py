"""How the chapter's networks are trained, and what is written down while they are."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from lossbook.lab.run.records import Model
from lossbook.lab.run.training import seed_everything, tqdm
from lossbook.lab.translation.arms import STEPS_PER_EPOCH, Arm
from lossbook.lab.translation.model import (
    NOISE,
    Discriminator,
    Generator,
    Mapping,
    StyleEncoder,
)
from lossbook.terms import LossTerms
from lossbook.translation import (
    DiscriminatorLoss,
    EpochMeter,
    GeneratorLoss,
    Networks,
    TranslationBatch,
    log_of,
)

__all__ = ["SETTINGS", "Corpus", "Settings", "Trained", "batches", "train", "unclipped"]


class Settings(Model):
    """The numbers behind a training, whatever its loss and its seed.

    Attributes:
        batch_size: letters a step.
        learning_rate: of Adam, for all four networks.
        average: how much of the averaged networks is left after a step.
        autoencoder_steps: steps of the autoencoder.
    """

    batch_size: int = 16
    learning_rate: float = 1e-3
    average: float = 0.99
    autoencoder_steps: int = 1000


SETTINGS = Settings()
"""Those of the recorded experiment."""


class Corpus(NamedTuple):
    """Latents of the letters that are trained on, scaled or not.

    Attributes:
        latents: of every letter of every style.
        domain: of each style.
    """

    latents: Float[Tensor, "styles 26 4 4 4"]
    domain: Int64[Tensor, " styles"]


class Trained(NamedTuple):
    """What came of a training.

    Attributes:
        networks: averaged over the last steps, as StarGAN v2 evaluates them.
        log: a row an epoch of each curve.
        seconds: of the loop.
    """

    networks: Networks
    log: dict[str, list[float]]
    seconds: float


def batches(
    corpus: Corpus, seed: int, size: int, *, as_theirs: bool = False
) -> Iterator[TranslationBatch]:
    """Yield batches without end; the same seed gives the same ones.

    Args:
        corpus: to draw from.
        seed: of the draws.
        size: of a batch.
        as_theirs: whether the target's domain is never the content's, and ``z_1`` is a draw of its
            own; else any domain is drawn, and ``z_trg`` is used again.
    """
    generator = torch.Generator().manual_seed(seed)
    counts = torch.bincount(corpus.domain)
    # Of a domain's styles in a row.
    members = corpus.domain.argsort(stable=True)
    first = counts.cumsum(0) - counts

    def draw(of: int) -> Tensor:
        return torch.randint(of, (size,), generator=generator)

    def letters(domain: Tensor) -> Tensor:
        place = (torch.rand(size, generator=generator) * counts[domain]).long()
        return corpus.latents[members[first[domain] + place], draw(corpus.latents.shape[1])]

    def noise() -> Tensor:
        return torch.randn(size, NOISE, generator=generator)

    while True:
        source = draw(len(counts))
        if as_theirs:
            target = (source + 1 + draw(len(counts) - 1)) % len(counts)
        else:
            target = draw(len(counts))
        yield TranslationBatch(
            letters(source),
            source,
            letters(target),
            target,
            noise(),
            noise(),
            noise() if as_theirs else None,
        )


def unclipped(networks: Networks, batch: TranslationBatch) -> LossTerms:
    """A fault: the hinge of the discriminator without its relu, which has no lowest value.

    Args:
        networks: the four.
        batch: as `batches` makes them.
    """
    with torch.no_grad():
        styles = (
            networks.style_encoder(batch.x_ref, batch.y_trg),
            networks.mapping(batch.z_trg, batch.y_trg),
        )
        fakes = [networks.generator(batch.content, style) for style in styles]
    real = networks.discriminator(batch.x_ref, batch.y_trg)
    fake = torch.cat([networks.discriminator(one, batch.y_trg) for one in fakes])
    hinge = (1 - real).mean() + (1 + fake).mean()
    seen = {
        "logit_gap": real.mean() - fake.mean(),
        "real_positive": (real > 0).float().mean(),
        "fake_positive": (fake > 0).float().mean(),
    }
    terms = {"d_hinge": hinge, "r1": torch.zeros_like(hinge)} | seen
    return LossTerms(terms, {"d_hinge": 1.0, "r1": 0.0} | dict.fromkeys(seen, 0.0))


class _Blind(Discriminator):
    """A fault: it is given zeros, whatever the letter."""

    def forward(
        self, latents: Float[Tensor, "batch 4 4 4"], domain: Int64[Tensor, " batch"]
    ) -> Float[Tensor, "batch 1"]:
        return super().forward(latents * 0, domain)


def _norm(networks: nn.Module) -> Tensor:
    """How long the gradient of the parameters is: what clipping returns."""
    gradients = [one.grad for one in networks.parameters() if one.grad is not None]
    return nn.utils.get_total_norm(gradients)


def train(
    arm: Arm,
    corpus: Corpus,
    *,
    steps: int,
    seed: int = 0,
    settings: Settings = SETTINGS,
    learning_rate: float | None = None,
    device: torch.device | str = "cpu",
    progress: bool = True,
    description: str = "",
) -> Trained:
    """Train the four networks with one arm's losses.

    Args:
        arm: what is compared.
        corpus: what is trained on.
        steps: of both optimisers; whole epochs are logged.
        seed: of the initial weights, and of the batches.
        settings: sizes, steps and rates.
        learning_rate: instead of that of the settings.
        device: where to train.
        progress: whether to show a progress bar.
        description: label of the bar.

    Returns:
        The networks, on the CPU, and the log.
    """
    seed_everything(seed)
    judge = _Blind if arm.blind else Discriminator
    # In this order, whatever the arm, as each draws its first weights.
    parts = Generator(), StyleEncoder(), Mapping(), judge()
    networks = Networks(*(part.to(device) for part in parts))
    ours, averaged = nn.ModuleList(parts[:3]), copy.deepcopy(nn.ModuleList(parts[:3]))
    rate = settings.learning_rate if learning_rate is None else learning_rate
    adam: dict[str, Any] = {"betas": (0.0, 0.99), "fused": True}
    groups: list[dict[str, Any]] = [
        {"params": [*parts[0].parameters(), *parts[1].parameters()]},
        {"params": parts[2].parameters(), "lr": rate * arm.rate_of_f},
    ]
    of_g = torch.optim.Adam(groups, lr=rate, **adam)
    of_d = torch.optim.Adam(parts[3].parameters(), lr=rate * arm.rate_of_d, **adam)
    discriminator = DiscriminatorLoss(**arm.discriminator, monitor=True)
    generator = GeneratorLoss(**arm.generator)
    stream = batches(corpus, seed, settings.batch_size, as_theirs=arm.drawn_as_theirs)
    log: dict[str, list[float]] = {}
    meter, start = EpochMeter(), time.perf_counter()
    bar = tqdm(total=steps, desc=description or None, **({} if progress else {"disable": True}))
    with bar:
        for step in range(1, steps + 1):
            batch = next(stream).to(device)
            of_d.zero_grad(set_to_none=True)
            if arm.clipped:
                d = discriminator(networks, batch, step=step)
            else:
                d = unclipped(networks, batch)
            d.backward()
            norms = {"norm of D": _norm(parts[3])}
            of_d.step()
            if not arm.drawn_as_theirs:
                batch = next(stream).to(device)
            of_g.zero_grad(set_to_none=True)
            g = generator(networks, batch, epoch=1 + (step - 1) // STEPS_PER_EPOCH)
            g.backward()
            norms["norm of G, E, F"] = _norm(ours)
            of_g.step()
            with torch.no_grad():
                torch._foreach_lerp_(
                    list(averaged.parameters()), list(ours.parameters()), 1 - settings.average
                )
            due = arm.clipped and discriminator.computes_r1(step)
            meter.update(log_of(d, g) | norms, absent=() if due else ("r1",))
            bar.update()
            if step % STEPS_PER_EPOCH == 0:
                means = meter.means()
                # NaN in an epoch in which it was never due.
                computed = meter.means_computed()["r1"]
                means["r1 when computed"] = computed if math.isfinite(computed) else 0.0
                for name, value in means.items():
                    log.setdefault(name, []).append(value)
                meter.reset()
    trained = [part.cpu().requires_grad_(False) for part in averaged]
    return Trained(
        Networks(trained[0], trained[1], trained[2], parts[3].cpu()),
        log,
        time.perf_counter() - start,
    )
