"""A small variational autoencoder of letters, which stands in for Stable Diffusion's.

Like that one it turns eight by eight pixels into one place of four channels, a letter of 32 x 32
into latents of 4 x 4 x 4, and its latents have no particular size: `latent_scale` measures what
they are to be multiplied with, as 0.18215 was measured for Stable Diffusion's.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from lossbook.lab.run.training import fit, seed_everything
from lossbook.terms import LossTerms

__all__ = ["Autoencoder", "latent_scale", "train_autoencoder"]

Pictures = Float[Tensor, "batch 1 32 32"]
Latents = Float[Tensor, "batch 4 4 4"]

_KL = 1e-4
"""Weight of the prior: small, as that of latent diffusion."""


def _leaky(*layers: nn.Module) -> list[nn.Module]:
    return [part for layer in layers for part in (layer, nn.LeakyReLU(0.2))]


class Autoencoder(nn.Module):
    """Letters to latents and back."""

    def __init__(self) -> None:
        super().__init__()
        down = [nn.Conv2d(a, b, 4, 2, 1) for a, b in ((1, 16), (16, 32), (32, 64))]
        up = [nn.ConvTranspose2d(a, b, 4, 2, 1) for a, b in ((64, 32), (32, 24))]
        self.encoder = nn.Sequential(
            *_leaky(*down, nn.Conv2d(64, 64, 3, 1, 1)), nn.Conv2d(64, 8, 1)
        )
        self.decoder = nn.Sequential(
            *_leaky(nn.Conv2d(4, 64, 3, 1, 1), nn.Conv2d(64, 64, 3, 1, 1), *up),
            nn.ConvTranspose2d(24, 1, 4, 2, 1),
        )

    def encode(self, pictures: Pictures) -> Latents:
        """The means of the latents, unscaled.

        Args:
            pictures: ink from 0 to 1.
        """
        means: Tensor = self.encoder(pictures)[:, :4]
        return means

    def decode(self, latents: Latents) -> Pictures:
        """The pictures of latents.

        Args:
            latents: unscaled.
        """
        ink: Tensor = self.decoder(latents).sigmoid()
        return ink

    def forward(self, pictures: Pictures) -> LossTerms:
        """The negative evidence bound: what the pictures lose, and how far from the prior they lie.

        Args:
            pictures: ink from 0 to 1.
        """
        mean, log_variance = self.encoder(pictures).chunk(2, 1)
        log_variance = log_variance.clamp(-12, 4)
        latents = mean + (log_variance / 2).exp() * torch.randn_like(mean)
        lost = nn.functional.binary_cross_entropy_with_logits(self.decoder(latents), pictures)
        prior = (mean**2 + log_variance.exp() - 1 - log_variance).mean() / 2
        return LossTerms({"picture": lost, "prior": prior}, {"picture": 1.0, "prior": _KL})


def train_autoencoder(
    pictures: Float[Tensor, "n 1 32 32"],
    *,
    seed: int,
    steps: int,
    batch_size: int = 32,
    device: torch.device | str = "cpu",
    progress: bool = False,
) -> Autoencoder:
    """Train it.

    Args:
        pictures: of the typefaces to train on.
        seed: of the initial weights and the batches.
        steps: of the optimiser.
        batch_size: letters a step.
        device: where to train.
        progress: whether to show a progress bar.

    Returns:
        The autoencoder, on the CPU, which takes no gradients any more.
    """
    seed_everything(seed)
    model = Autoencoder()
    generator = torch.Generator().manual_seed(seed)
    fit(
        model,
        lambda network, batch: network(batch),
        lambda _: pictures[torch.randint(len(pictures), (batch_size,), generator=generator)],
        steps=steps,
        learning_rate=4e-3,
        schedule="one_cycle",
        device=device,
        progress=progress,
        description="autoencoder",
    )
    return model.cpu().eval().requires_grad_(False)


def latent_scale(latents: Float[Tensor, "n 4 4 4"]) -> float:
    """What brings latents to a standard deviation of 1.

    Args:
        latents: those that are trained on.
    """
    return 1 / latents.std().item()
