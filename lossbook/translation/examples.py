"""Example inputs of the translation losses, for their cards, and networks for the totals."""

import inspect
from typing import Any

import torch
from torch import Tensor

from lossbook import checks
from lossbook.registry import Inputs
from lossbook.terms import LossTerms
from lossbook.translation.batch import Networks, TranslationBatch
from lossbook.translation.total import DiscriminatorLoss, GeneratorLoss

_FLOAT64 = torch.float64


def _random(generator: torch.Generator, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=generator, dtype=_FLOAT64)


def logits(batch: int, generator: torch.Generator) -> Inputs:
    """Maps of two logits, of true samples and of fakes."""
    real, fake = 1.5 * _random(generator, 2, batch, 1, 2)
    return {"real_logits": real, "fake_logits": fake}


def fake_logits(batch: int, generator: torch.Generator) -> Inputs:
    """Those of fakes alone."""
    return {"fake_logits": logits(batch, generator)["fake_logits"]}


def gradient(batch: int, generator: torch.Generator) -> Inputs:
    """The gradient of the logits in latents of two channels."""
    return {"gradient": _random(generator, batch, 2, 1, 2)}


def both_ends(batch: int, generator: torch.Generator) -> Inputs:
    """Maps of logits, of samples that were moved one way and the other."""
    ahead, behind = 0.02 * _random(generator, 2, batch, 1, 2)
    return {"ahead": ahead, "behind": behind}


def styles(batch: int, generator: torch.Generator) -> Inputs:
    """Styles of four numbers."""
    found, wanted = _random(generator, 2, batch, 4)
    return {"pred_style": found, "target_style": wanted}


def there_and_back(batch: int, generator: torch.Generator) -> Inputs:
    """Latents of two channels, and what they were."""
    found, original = _random(generator, 2, batch, 2, 1, 3)
    return {"reconstructed": found, "original": original}


def into_itself(batch: int, generator: torch.Generator) -> Inputs:
    """The same under the names of the identity."""
    found, original = there_and_back(batch, generator).values()
    return {"output": found, "original": original}


def two_fakes(batch: int, generator: torch.Generator) -> Inputs:
    """Two translations."""
    fake_1, fake_2 = there_and_back(batch, generator).values()
    return {"fake_1": fake_1, "fake_2": fake_2}


def a_batch(batch: int, generator: torch.Generator) -> Inputs:
    """Latents of two channels, styles of two numbers."""
    content, x_ref = _random(generator, 2, batch, 2, 1, 2)
    z_trg, z_2 = _random(generator, 2, batch, 2)
    return {"content": content, "x_ref": x_ref, "z_trg": z_trg, "z_2": z_2}


def with_discriminator(batch: int, generator: torch.Generator) -> Inputs:
    """The same for the discriminator, and the numbers that it weighs its samples with."""
    inputs = a_batch(batch, generator)
    del inputs["z_2"]
    return inputs | {"psi": _random(generator, batch, 2, 1, 2)}


def no_sample_counts(inputs: Inputs) -> Inputs:
    """Every sample of weight 0, its last input NaN."""
    name, values = list(inputs.items())[-1]
    weight = torch.zeros(values.shape[0], dtype=values.dtype)
    return inputs | {name: torch.full_like(values, torch.nan), "weight": weight}


def beyond_doubt(inputs: Inputs) -> Inputs:
    """Logits far beyond every margin, where also the logarithms are 0."""
    sides = {"real_logits": 1e4, "fake_logits": -1e4, "gradient": 0.0}
    return {name: torch.full_like(value, sides[name]) for name, value in inputs.items()}


def fooled(inputs: Inputs) -> Inputs:
    """The other way round: what a generator wants."""
    sides = {"real_logits": -1e4, "fake_logits": 1e4}
    return {name: torch.full_like(value, sides[name]) for name, value in inputs.items()}


def zeros(inputs: Inputs) -> Inputs:
    """Nothing at all."""
    return {name: torch.zeros_like(value) for name, value in inputs.items()}


def told_apart(inputs: Inputs) -> Inputs:
    """True samples of ones, fakes far below 0, and a discriminator that adds up."""
    sides = {"content": -20.0, "x_ref": 1.0, "z_trg": 0.0, "psi": 1.0}
    return {name: torch.full_like(value, sides[name]) for name, value in inputs.items()}


# Linear networks, written so that they also take arrays of sympy's expressions. ------------------


def _wide(values: Any) -> Any:
    return values.to(checks.working_dtype(values.dtype)) if isinstance(values, Tensor) else values


def _generate(x: Any, style: Any) -> Any:
    return 0.5 * _wide(x) + 1.5 * style[:, :, None, None]


def _encode(x: Any, y: Any) -> Any:
    del y
    return 0.75 * _wide(x).mean((2, 3)) - 0.25 * _wide(x)[:, :, 0, 0]


def _map(z: Any, y: Any) -> Any:
    del y
    return 1.25 * _wide(z)


def _discriminate(x: Any, y: Any) -> Any:
    del y
    return 0.5 * _wide(x).sum((1, 2, 3)) + _wide(x)[:, 0, 0, 0]


LINEAR = Networks(_generate, _encode, _map, _discriminate)


def networks_with(psi: Any) -> Networks:
    """The same with a discriminator of numbers that are an input, a row for each sample."""

    def discriminate(x: Any, y: Any) -> Any:
        del y
        if isinstance(psi, Tensor):
            checks.same_shape(psi=psi, content=x)
        return (_wide(psi) * _wide(x)).sum((1, 2, 3))

    return Networks(_generate, _encode, _map, discriminate)


def batch_of(content: Any, x_ref: Any, z_trg: Any, z_2: Any = None) -> TranslationBatch:
    """Both domains have the label 0."""
    labels: Any = None
    if isinstance(content, Tensor):
        labels = torch.zeros(content.shape[0], dtype=torch.int64, device=content.device)
    if z_2 is None:
        z_2 = z_trg + 1 if isinstance(z_trg, Tensor) else z_trg
    return TranslationBatch(content, labels, x_ref, labels, z_trg, z_2)


class FlatGeneratorLoss(GeneratorLoss):
    """:class:`GeneratorLoss` of fixed networks, in epoch 3."""

    def forward(  # type: ignore[override]
        self,
        content: Tensor,
        x_ref: Tensor,
        z_trg: Tensor,
        z_2: Tensor,
        *,
        networks: Networks = LINEAR,
    ) -> LossTerms:
        """Of everything by name."""
        return super().forward(networks, batch_of(content, x_ref, z_trg, z_2), epoch=3)


class FlatDiscriminatorLoss(DiscriminatorLoss):
    """:class:`DiscriminatorLoss` of fixed networks but for the discriminator, in step 1."""

    def forward(  # type: ignore[override]
        self, content: Tensor, x_ref: Tensor, z_trg: Tensor, psi: Tensor
    ) -> LossTerms:
        """Of everything by name."""
        checks.floating(psi=psi)
        if checks.checking_values(psi):
            checks.finite(psi=psi)
        return super().forward(networks_with(psi), batch_of(content, x_ref, z_trg), step=1)


_OF_GENERATOR = tuple(inspect.signature(GeneratorLoss).parameters)
_OF_DISCRIMINATOR = tuple(inspect.signature(DiscriminatorLoss).parameters)


def generator_loss(**arguments: Any) -> LossTerms:
    """The total of the generator as a function of everything by name."""
    options = {name: arguments.pop(name) for name in _OF_GENERATOR if name in arguments}
    loss: LossTerms = FlatGeneratorLoss(**options)(**arguments)
    return loss


def discriminator_loss(**arguments: Any) -> LossTerms:
    """The total of the discriminator as a function of everything by name."""
    options = {name: arguments.pop(name) for name in _OF_DISCRIMINATOR if name in arguments}
    loss: LossTerms = FlatDiscriminatorLoss(**options)(**arguments)
    return loss
