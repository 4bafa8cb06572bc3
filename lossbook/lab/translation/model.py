"""The chapter's networks: generator, style encoder, mapping network and discriminator.

They are StarGAN v2's, made small for latents of 4 x 4 x 4: the generator normalises what it is
given, so that the old style goes, and takes the new one in through adaptive instance norms.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["NOISE", "STYLE", "Discriminator", "Generator", "Mapping", "StyleEncoder"]

_DOMAINS = 2

NOISE = 8
"""Numbers of a z."""

STYLE = 16
"""Numbers of a style."""

Latents = Float[Tensor, "batch 4 4 4"]
Labels = Int64[Tensor, " batch"]


class _Block(nn.Module):
    """Two convolutions beside a shortcut; a style decides scale and shift of their norms."""

    def __init__(self, channels: int, *, styled: bool) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Conv2d(channels, channels, 3, padding=1) for _ in range(2))
        self.norm = nn.GroupNorm(channels, channels, affine=False)
        self.affine = nn.Linear(STYLE, 4 * channels) if styled else None

    def forward(self, features: Tensor, style: Tensor | None = None) -> Tensor:
        found, parts = features, None
        if self.affine is not None:
            parts = self.affine(style)[:, :, None, None].chunk(4, 1)
        for number, layer in enumerate(self.layers):
            found = self.norm(found)
            if parts is not None:
                found = torch.addcmul(parts[2 * number], 1 + parts[2 * number + 1], found)
            found = layer(functional.leaky_relu(found, 0.2))
        return features + found


class Generator(nn.Module):
    """``G(content, style)``: latents of the same letter in another style.

    Args:
        width: channels.
    """

    def __init__(self, width: int = 48) -> None:
        super().__init__()
        self.inward = nn.Conv2d(4, width, 3, padding=1)
        self.encode = _Block(width, styled=False)
        self.decode = nn.ModuleList(_Block(width, styled=True) for _ in range(2))
        self.norm = nn.GroupNorm(width, width)
        self.outward = nn.Conv2d(width, 4, 1)

    def forward(self, content: Latents, style: Float[Tensor, "batch style"]) -> Latents:
        """Translate.

        Args:
            content: what to say.
            style: and how.
        """
        found = self.encode(self.inward(content))
        for block in self.decode:
            found = block(found, style)
        out: Tensor = self.outward(functional.leaky_relu(self.norm(found), 0.2))
        return out


class _Trunk(nn.Module):
    """Latents in, one row of numbers for each domain out, of which the label picks one."""

    def __init__(self, width: int, out: int) -> None:
        super().__init__()
        self.out = out
        self.layers = nn.Sequential(
            nn.Conv2d(4, width, 3, padding=1), nn.LeakyReLU(0.2),
            nn.Conv2d(width, width, 3, padding=1), nn.LeakyReLU(0.2),
            nn.Flatten(), nn.Linear(16 * width, 128), nn.LeakyReLU(0.2),
            nn.Linear(128, _DOMAINS * out),
        )  # fmt: skip

    def forward(self, latents: Latents, domain: Labels) -> Float[Tensor, "batch out"]:
        return _of(self.layers(latents), domain, self.out)


def _of(rows: Tensor, domain: Tensor, out: int) -> Tensor:
    return rows.view(-1, _DOMAINS, out)[torch.arange(len(rows), device=rows.device), domain]


class StyleEncoder(_Trunk):
    """``E(latents, domain)``: the style of a letter."""

    def __init__(self, width: int = 32) -> None:
        super().__init__(width, STYLE)


class Discriminator(_Trunk):
    """``D(latents, domain)``: one logit, above 0 for "real, and of this domain"."""

    def __init__(self, width: int = 48) -> None:
        super().__init__(width, 1)


class Mapping(nn.Module):
    """``F(z, domain)``: a style from noise."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(NOISE, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(),
            nn.Linear(width, _DOMAINS * STYLE),
        )  # fmt: skip

    def forward(
        self, z: Float[Tensor, "batch noise"], domain: Labels
    ) -> Float[Tensor, "batch style"]:
        """Make styles.

        Args:
            z: standard normal numbers.
            domain: whose styles.
        """
        return _of(self.layers(z), domain, STYLE)
