"""Small networks and batches that several tests of the translation chapter train."""

import torch
from torch import nn

from lossbook.translation import Networks, TranslationBatch


class Generator(nn.Module):
    def __init__(self):
        super().__init__()
        self.into = nn.Conv2d(4, 8, 3, padding=1)
        self.style = nn.Linear(5, 8)
        self.out = nn.Conv2d(8, 4, 3, padding=1)

    def forward(self, x, style):
        return self.out(torch.tanh(self.into(x) + self.style(style)[:, :, None, None]))


class Encoder(nn.Module):
    def __init__(self, size=5):
        super().__init__()
        self.into = nn.Conv2d(4, 8, 3, padding=1)
        self.label = nn.Embedding(2, 8)
        self.out = nn.Linear(8, size)

    def forward(self, x, y):
        return self.out(torch.tanh(self.into(x)).mean((2, 3)) * 3 + self.label(y))


class Mapping(nn.Module):
    def __init__(self):
        super().__init__()
        self.into = nn.Linear(6, 8)
        self.label = nn.Embedding(2, 8)
        self.out = nn.Linear(8, 5)

    def forward(self, z, y):
        return self.out(torch.tanh(self.into(z) + self.label(y)))


def networks(seed=0):
    torch.manual_seed(seed)
    return Networks(Generator(), Encoder(), Mapping(), Encoder(size=1))


def batch(size=4, *, seed=0, dtype=torch.float32, second=False):
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape):
        return torch.randn(size, *shape, generator=generator).to(dtype)

    zero, one = torch.zeros(size, dtype=torch.int64), torch.ones(size, dtype=torch.int64)
    given = TranslationBatch(draw(4, 6, 6), zero, draw(4, 6, 6), one, draw(6), draw(6))
    return given._replace(z_1=draw(6)) if second else given


def parameters(network):
    return list(network.parameters())


def gradients(loss, network):
    """Of all parameters of a network, 0 where there is none."""
    return torch.autograd.grad(
        loss, parameters(network), retain_graph=True, materialize_grads=True, allow_unused=True
    )


def reached(loss, four):
    """Which of the networks a loss has a gradient in."""
    if not loss.requires_grad:
        return [False] * 4
    return [any(bool(g.any()) for g in gradients(loss, network)) for network in four]
