"""Example inputs of the inversion losses, for their cards."""

import inspect
from typing import Any

import torch
from torch import Tensor

from lossbook.inversion.total import InversionLoss
from lossbook.registry import Inputs
from lossbook.terms import LossTerms

_FLOAT64 = torch.float64


def _random(generator: torch.Generator, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=generator, dtype=_FLOAT64)


def pixels(batch: int, generator: torch.Generator) -> Inputs:
    """Numbers of a picture, six rows of two."""
    input, target = _random(generator, 2, batch, 6, 2)
    return {"input": input, "target": target}


def pairs(batch: int, generator: torch.Generator) -> Inputs:
    """Features and templates."""
    features, template = _random(generator, 2, batch, 3)
    return {"features": features, "template": template}


def with_centers(batch: int, generator: torch.Generator) -> Inputs:
    """Features and the centers of their classes."""
    features, centers = _random(generator, 2, batch, 3)
    return {"features": features, "centers": centers}


def with_negatives(batch: int, generator: torch.Generator) -> Inputs:
    """Features, templates and two negatives for each."""
    return pairs(batch, generator) | {"negatives": _random(generator, batch, 2, 3)}


def gradients(batch: int, generator: torch.Generator) -> Inputs:
    """Two gradients in a picture of two rows."""
    loss_gradient, similarity_gradient = _random(generator, 2, batch, 2, 2)
    return {"loss_gradient": loss_gradient, "similarity_gradient": similarity_gradient}


def everything(batch: int, generator: torch.Generator) -> Inputs:
    """The inputs of every term but the guidance."""
    input, target = _random(generator, 2, batch, 2, 2)
    named = {"input": input, "target": target} | with_negatives(batch, generator)
    return named | {"centers": _random(generator, batch, 3)}


def no_sample_counts(inputs: Inputs) -> Inputs:
    """Every sample of weight 0, its last input NaN."""
    name, values = list(inputs.items())[-1]
    weight = torch.zeros(values.shape[0], dtype=values.dtype)
    return inputs | {name: torch.full_like(values, torch.nan), "weight": weight}


def far_from_negatives(inputs: Inputs) -> Inputs:
    """Features along their template, and negatives that point the other way."""
    template = inputs["template"]
    others = -template[:, None].expand_as(inputs["negatives"])
    return inputs | {"features": template.clone(), "negatives": others.clone()}


def in_the_cold(inputs: Inputs) -> Inputs:
    """The same at a temperature at which a difference of cosines of 2 is all there is."""
    cold: dict[str, Any] = {"temperature": 1e-3}
    return far_from_negatives(inputs) | cold


def rebuilt(inputs: Inputs) -> Inputs:
    """Pictures and features without an error."""
    found = far_from_negatives(inputs)
    found |= {"input": inputs["target"].clone(), "centers": inputs["template"].clone()}
    return found


class FlatInversionLoss(InversionLoss):
    """:class:`InversionLoss` with a term for every input."""

    def __init__(
        self, *, feature: Any = "cosine_margin", center_weight: float = 0.5, **options: Any
    ) -> None:
        super().__init__(feature=feature, center_weight=center_weight, **options)

    def extra_repr(self) -> str:
        """As :class:`InversionLoss` prints its options."""
        return InversionLoss(**{name: getattr(self, name) for name in _OPTIONS}).extra_repr()


_OPTIONS = tuple(inspect.signature(InversionLoss).parameters)


def inversion_loss(**arguments: Any) -> LossTerms:
    """The total loss as a function of everything by name."""
    options = {name: arguments.pop(name) for name in _OPTIONS if name in arguments}
    loss: LossTerms = FlatInversionLoss(**options)(**arguments)
    return loss
