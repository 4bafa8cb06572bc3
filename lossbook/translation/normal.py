"""What values of the translation losses are normal, and why.

Latents that are multiplied by their scale are taken to be normal numbers of variance 1, and so are
styles. Of two such numbers that are independent the difference has variance 2, and its size the
mean 2/√π = 1.128; from 0 a number is √(2/π) = 0.798 away.
"""

import math
from typing import Any

import torch
from torch import Tensor

from lossbook.registry import Normal, State
from lossbook.translation.batch import Networks

_SAMPLES, _SIZE = 64, (4, 16, 16)
_STYLE = 64
_NUMBERS = math.prod(_SIZE)

_APART = 2 / math.sqrt(math.pi)
_FROM_0 = math.sqrt(2 / math.pi)
_LN_2 = math.log(2)
# The mean of max(0, 1 + v), v normal: of 1 it is the share below 1, and the density there.
_NOISY = math.erfc(-math.sqrt(0.5)) / 2 + math.exp(-0.5) / math.sqrt(2 * math.pi)

_EQUAL = "The same logit for everything: 0 at the start, and by chance any from -1 to 1."
_NOISE = (
    "Logits are normal with variance 1, whatever the sample: it is noise that costs more than 2."
)
_ZERO = "The logit 0 for everything, which is the best of all constants."
_ANY = "The same logit for everything: 0 at the start, and by chance any other."
_FLAT = (
    f"A linear discriminator whose {_NUMBERS} numbers are drawn with variance 1/{_NUMBERS}, so "
    f"that its logits have variance 1. With the half of StarGAN v2 it is 1/2."
)
_LATENT = "Latents of variance 1. The generator answers 0; chance is another sample."
_STYLES = "Styles of variance 1. The encoder answers 0; chance is the style of another sample."
_FAKES = (
    "Latents of variance 1. At the start the style changes nothing; chance is two samples that "
    "have nothing in common. It is no upper bound: two that avoid each other lie further apart."
)
_CLAMPED = f"margin=1.0. {_FAKES}"
_TOTAL = (
    "Latents, styles and noise of variance 1, D = 0. At the start G and E answer 0, F its noise; "
    "by chance G and E answer noise. Sums of both paths, but ds and id."
)

Arguments = tuple[tuple[Any, ...], dict[str, Any]]


def _draw(generator: torch.Generator, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=generator)


def _equal(state: State, generator: torch.Generator) -> Arguments:
    logit = torch.full((_SAMPLES, 1), 0.0 if state == "start" else 0.7)
    return (logit, logit.clone()), {}


def _noise(state: State, generator: torch.Generator) -> Arguments:
    return (_draw(generator, 4096, 1), _draw(generator, 4096, 1)), {}


def _zero(state: State, generator: torch.Generator) -> Arguments:
    return (torch.zeros(_SAMPLES, 1), torch.zeros(_SAMPLES, 1)), {}


def _zero_fake(state: State, generator: torch.Generator) -> Arguments:
    return (torch.zeros(_SAMPLES, 1),), {}


def _gradient(state: State, generator: torch.Generator) -> Arguments:
    return (_draw(generator, _SAMPLES, *_SIZE) / math.sqrt(_NUMBERS),), {}


def _both_ends(state: State, generator: torch.Generator) -> Arguments:
    slope = _draw(generator, 8192)
    return (0.01 * slope, -0.01 * slope), {"sigma": 0.01}


def _pair(state: State, generator: torch.Generator, *shape: int) -> tuple[Tensor, Tensor]:
    found, wanted = _draw(generator, _SAMPLES, *shape), _draw(generator, _SAMPLES, *shape)
    return torch.zeros_like(wanted) if state == "start" else found, wanted


def _latents(state: State, generator: torch.Generator) -> Arguments:
    return _pair(state, generator, *_SIZE), {}


def _styles(state: State, generator: torch.Generator) -> Arguments:
    return _pair(state, generator, _STYLE), {}


def _fakes(state: State, generator: torch.Generator) -> Arguments:
    first, second = _pair("chance", generator, *_SIZE)
    return (second if state == "start" else first, second), {}


def _clamped(state: State, generator: torch.Generator) -> Arguments:
    return _fakes(state, generator)[0], {"margin": 1.0}


def _of_generator(state: State, generator: torch.Generator) -> Arguments:
    def answer(like: Tensor, *shape: int) -> Tensor:
        drawn = _draw(generator, like.shape[0], *shape)
        return torch.zeros_like(drawn) if state == "start" else drawn

    networks = Networks(
        generator=lambda x, s: answer(x, *_SIZE),
        style_encoder=lambda x, y: answer(x, _STYLE),
        mapping=lambda z, y: z,
        discriminator=lambda x, y: torch.zeros(x.shape[0], 1),
    )
    samples = {name: _draw(generator, _SAMPLES, *_SIZE) for name in ("content", "x_ref")}
    noise = {name: _draw(generator, _SAMPLES, _STYLE) for name in ("z_trg", "z_2")}
    return (), samples | noise | {"networks": networks, "w_id": 1.0}


def _of_discriminator(state: State, generator: torch.Generator) -> Arguments:
    samples = {name: _draw(generator, _SAMPLES, 2, 1, 2) for name in ("content", "x_ref")}
    psi = torch.zeros(_SAMPLES, 2, 1, 2)
    return (), samples | {"z_trg": _draw(generator, _SAMPLES, 2), "psi": psi}


def _row(
    name: str, unit: str, given: str, start: float | None, chance: float | None, inputs: Any
) -> Normal:
    return Normal(name, unit, "mean", given, start, chance, inputs=inputs)


_SLOPE = "squared logit over that of a latent"
D_HINGE = (
    _row("d_hinge_loss", "logit", _EQUAL, 2.0, 2.0, _equal),
    _row("d_hinge_loss", "logit", _NOISE, 2 * _NOISY, 2 * _NOISY, _noise),
)
G_ADVERSARIAL = (
    _row("g_adversarial_loss", "logit", _ANY.replace("any other", "any"), 0.0, None, _zero_fake),
)
D_LOGISTIC = (_row("d_logistic_loss", "nats", _ZERO, 2 * _LN_2, 2 * _LN_2, _zero),)
G_LOGISTIC = (_row("g_logistic_loss", "nats", _ZERO, _LN_2, _LN_2, _zero_fake),)
D_RELATIVISTIC = (_row("d_relativistic_loss", "nats", _ANY, _LN_2, _LN_2, _equal),)
G_RELATIVISTIC = (_row("g_relativistic_loss", "nats", _ANY, _LN_2, _LN_2, _equal),)
R1 = (_row("r1_penalty", _SLOPE, _FLAT, 1.0, None, _gradient),)
APPROXIMATE_R1 = (_row("approximate_r1_penalty", _SLOPE, _FLAT, 1.0, None, _both_ends),)
STYLE = (
    _row("style_reconstruction_loss", "deviation of a style", _STYLES, _FROM_0, _APART, _styles),
)
CYCLE = (
    _row("cycle_consistency_loss", "deviation of a latent", _LATENT, _FROM_0, _APART, _latents),
)
IDENTITY = (_row("identity_loss", "deviation of a latent", _LATENT, _FROM_0, _APART, _latents),)
DIVERSITY = (
    _row("diversity_loss", "deviation of a latent", _FAKES, 0.0, _APART, _fakes),
    _row("diversity_loss", "deviation of a latent", _CLAMPED, 0.0, 1.0, _clamped),
)
DISCRIMINATOR = (_row("d_hinge", "logit", _ZERO, 2.0, 2.0, _of_discriminator),)
GENERATOR = (
    _row("adv", "logit", _TOTAL, 0.0, 0.0, _of_generator),
    _row("sty", "deviation of a style", _TOTAL, _FROM_0, 2 * _APART, _of_generator),
    _row("ds", "deviation of a latent", _TOTAL, 0.0, _APART, _of_generator),
    _row("cyc", "deviation of a latent", _TOTAL, 2 * _FROM_0, 2 * _APART, _of_generator),
    _row("id", "deviation of a latent", _TOTAL, _FROM_0, _APART, _of_generator),
)
