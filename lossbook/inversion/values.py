"""What the inversion losses see inside ``check_values``, and how they say it."""

import torch
from torch import Tensor

from lossbook import checks
from lossbook.inversion import kernel

_SAME = 1 - 1e-6


_APART = 50.0
"""Beyond this factor between two deviations, one of two pictures hardly has the other's unit."""


def look_at_pixels(input: Tensor, target: Tensor, weight: Tensor | None) -> None:
    """Compare how far pixels spread: 255 times apart is another unit. Weight 0 may be anything."""
    spreads = {}
    for name, pixels in (("input", input), ("target", target)):
        seen = pixels.detach()
        if weight is not None:
            seen = seen[(checks.fit_weight(weight, seen) != 0).expand_as(seen)]
        spreads[name] = seen.double().std().item() if seen.numel() > 1 else 0.0
    small, large = sorted(spreads, key=lambda name: spreads[name])
    if spreads[small] > 0 and spreads[large] > _APART * spreads[small]:
        checks.warn(
            f"{large} has a standard deviation of {spreads[large]:.3g}, {small} of "
            f"{spreads[small]:.3g}: is one in 0 to 255 and the other in 0 to 1, or is the network "
            f"untrained? Divide the larger by 255"
        )


def look_at_pair(
    features: Tensor, other: Tensor, name: str, weight: Tensor | None, fitted: Tensor | None
) -> None:
    """Look at features and what they are compared with; what has weight 0 may hold anything.

    Raises:
        ValueError: for weights that are negative, or numbers that count and are not finite.
    """
    _look_at_weight(weight)
    if name == "template":
        checks.not_swapped(("features", name), features, other)
    named = {"features": features, name: other}
    _look_at_numbers(fitted, **named)
    _look_for_zeros(fitted, **named)


def look_at_negatives(
    features: Tensor,
    template: Tensor,
    negatives: Tensor,
    weight: Tensor | None,
    fitted: Tensor | None,
) -> None:
    """The same with negatives, among which a sample's own template is hardly meant.

    Raises:
        ValueError: for weights that are negative, or numbers that count and are not finite.
    """
    _look_at_weight(weight)
    named = {"features": features, "template": template, "negatives": negatives}
    _look_at_numbers(fitted, **named)
    _look_for_zeros(fitted, **named)
    if not len(template):
        return
    present = None if fitted is None else fitted != 0
    template = template.detach().to(checks.working_dtype(template.dtype))
    with torch.autocast(template.device.type, enabled=False):
        found = kernel.cosines(kernel.unit(template), negatives.detach(), present)
    same = (found > _SAME).nonzero()
    if len(same):
        sample, index = same[0].tolist()
        checks.warn(
            f"negatives holds the template of sample {sample} itself, at index {index}: the loss "
            f"pushes away what it pulls; leave each sample's own template out of its negatives"
        )


def look_at_gradients(
    gradients: dict[str, Tensor], weight: Tensor | None, fitted: Tensor | None
) -> None:
    """Look at the gradients of a guidance.

    Raises:
        ValueError: for weights that are negative, or numbers that count and are not finite.
    """
    _look_at_weight(weight)
    _look_at_numbers(fitted, **gradients)


def _look_at_weight(weight: Tensor | None) -> None:
    if weight is not None:
        checks.weights(weight=weight)


def _look_at_numbers(fitted: Tensor | None, **tensors: Tensor) -> None:
    for name, tensor in tensors.items():
        # Negatives of two dimensions are those of every sample.
        if fitted is not None and not (name == "negatives" and tensor.ndim == 2):
            tensor = tensor.masked_fill((fitted == 0).view(-1, *(1,) * (tensor.ndim - 1)), 0)
        checks.finite(checks.MASK, **{name: tensor})


def _look_for_zeros(fitted: Tensor | None, **tensors: Tensor) -> None:
    for name, tensor in tensors.items():
        zero = (tensor.detach() == 0).all(-1)
        if fitted is not None and not (name == "negatives" and tensor.ndim == 2):
            zero = zero & (fitted != 0)[:, 0].view(-1, *(1,) * (zero.ndim - 1))
        if bool(zero.any()):
            checks.warn(
                f"{name} holds a zero vector, which has no direction: its cosine is taken as 0 and "
                f"has no gradient; was a face not found?"
            )
