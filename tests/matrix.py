"""The cards, and what the tests that walk them share."""

import dataclasses
import functools

import pytest
import torch

from lossbook import LossTerms, registry


def needs_torch(major, minor, why):
    """Skip a test on a torch before this one, whose fault is known.

    Args:
        major: of the first version without it.
        minor: likewise.
        why: the fault.
    """
    found = tuple(map(int, torch.__version__.split(".")[:2]))
    return pytest.mark.skipif(found < (major, minor), reason=f"torch before {major}.{minor}: {why}")


def in_small(card):
    """The card of a loss whose defaults take no small inputs: with the options that do."""
    if not card.small:
        return card

    def function(**arguments):
        return card.function(**card.small | arguments)

    class Module(card.module):
        @functools.wraps(card.module.__init__)
        def __init__(self, **options):
            super().__init__(**card.small | options)

    return dataclasses.replace(
        card,
        function=function,
        module=Module,
        public=card.public or card.function,
    )


CARDS = [in_small(card) for card in registry.cards()]
ELEMENTWISE = [card for card in CARDS if card.kind == "elementwise"]
REDUCING = [card for card in CARDS if card.kind in ("elementwise", "reduced")]
WITH_GRADIENT = [card for card in CARDS if card.differentiable]
WITH_MODULE = [card for card in CARDS if card.module]
WITH_MASK = [card for card in CARDS if card.masked]
BATCH = 5
# Dimensions that a loss adds up before it has any reduction.
SUMMED = {"rotation_loss": 2, "feature_l2_loss": 1, "center_loss": 1, "cosine_margin_loss": 1}
SUMMED |= {"info_nce_loss": 1, "guidance_consistency_loss": 2}
DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


def named(card):
    return card.name


def each(cards, argument="card"):
    return pytest.mark.parametrize(argument, cards, ids=named)


def with_hyperparameters(cards):
    pairs = [(card, h) for card in cards for h in card.hyperparameters]
    ids = [f"{card.name}-{'-'.join(f'{k}={v}' for k, v in h.items())}" for card, h in pairs]
    return pytest.mark.parametrize(("card", "hyperparameters"), pairs, ids=ids)


def examples(card, batch=BATCH, seed=0, dtype=torch.float64, grad=False):
    inputs = card.inputs(batch, torch.Generator().manual_seed(seed))
    inputs = {name: tensor.to(dtype) for name, tensor in inputs.items()}
    if grad:
        inputs = require_grad(card, inputs)
    return inputs


def require_grad(card, inputs):
    return {
        name: tensor.detach().clone().requires_grad_() if name in card.differentiable else tensor
        for name, tensor in inputs.items()
    }


def scalar(result):
    return result.total if isinstance(result, LossTerms) else result.sum()


def tensors(result):
    return [result.total, *result.terms.values()] if isinstance(result, LossTerms) else [result]


def gradients(card, inputs, result):
    wanted = [inputs[name] for name in card.differentiable]
    # An input of a monitor alone is not part of the total's graph: its gradient is 0.
    return torch.autograd.grad(scalar(result), wanted, materialize_grads=True) if wanted else ()


def value_and_gradients(card, inputs, **options):
    inputs = require_grad(card, inputs)
    result = card.function(**inputs, **options)
    return scalar(result).detach(), gradients(card, inputs, result)


def assert_same(a, b, **tolerance):
    for left, right in zip(tensors(a), tensors(b), strict=True):
        torch.testing.assert_close(left, right, **tolerance)
