"""The letters of the terms, P, V, A, L and R: their weights, and the terms of each added up."""

from collections.abc import Mapping
from functools import reduce
from typing import Any

import torch
from torch import Tensor

from lossbook import checks
from lossbook.terms import LossTerms

LETTERS = ("P", "V", "A", "L", "R")

# From letters to numbers; those left out are 1.
LetterWeights = Mapping[str, float] | None


def weights_of(weights: LetterWeights) -> dict[str, float]:
    """The weight of every letter; 1 for those that a mapping leaves out, as in the source.

    Raises:
        TypeError: for anything but a mapping to Python numbers.
        ValueError: for a name that is no letter, or a weight that is negative or not finite.
    """
    found = dict.fromkeys(LETTERS, 1.0)
    if weights is None:
        return found
    if not isinstance(weights, Mapping):
        raise TypeError(
            f"weights must be a mapping from letters to numbers, got {type(weights).__name__}; "
            f"write {{'V': 0.5}}, the others of {', '.join(LETTERS)} are 1"
        )
    for letter, weight in weights.items():
        if letter not in LETTERS:
            raise ValueError(
                f"weights names {letter!r}, which is no letter; there are {', '.join(LETTERS)}, "
                f"and a part has its weight in parts="
            )
        called: dict[str, Any] = {f"weights[{letter!r}]": weight}
        checks.number(**called)
        found[letter] = float(weight)
    return found


def by_letter(loss: LossTerms) -> LossTerms:
    """P, V, A, L and R = the sum of the terms of that letter, over the parts.

    Of Ditto's 24 terms and more this leaves at most five to log, under the weights of their
    letters and with the same total.

    Args:
        loss: of :class:`MotionLoss`, :func:`pva_loss`, :func:`last_frame_loss` or
            :func:`motion_l1`, also merged or scaled by a number. Terms of other names stay as they
            are.

    Returns:
        Terms ``"P"``, ``"V"``, ``"A"``, ``"L"`` and ``"R"``, as far as they are there: raw sums,
        which :meth:`lossbook.LossTerms.log`, ``print`` and ``|`` take as ever.

    Raises:
        ValueError: if the terms of a letter have several weights, or weights that are tensors of
            their own.

    Example:
        >>> import torch
        >>> from lossbook.motion import MotionLoss
        >>> loss = MotionLoss(weights={"V": 2.0, "A": 0.0})(
        ...     torch.ones(1, 80, 265), torch.zeros(1, 80, 265), torch.zeros(1, 265)
        ... )
        >>> by_letter(loss).log()  # six parts
        {'total': 12.0, 'P': 6.0, 'V': 0.0, 'A': 0.0, 'L': 6.0}
        >>> by_letter(loss).weights["V"]
        2.0
    """
    groups: dict[str, list[Tensor]] = {}
    weights: dict[str, float | Tensor] = {}
    for name, term in loss.terms.items():
        part, _, letter = name.rpartition("_")
        group = letter if part and letter in LETTERS else name
        own = loss.weights[name]
        common = weights.setdefault(group, own)
        if own is not common and (
            isinstance(own, Tensor) or isinstance(common, Tensor) or own != common
        ):
            raise ValueError(
                f"the terms of {group!r} must share their weight, and {name!r} has one of its own; "
                f"take by_letter(loss) first and scale it then"
            )
        groups.setdefault(group, []).append(term)
    found = LossTerms._trusted(
        {group: reduce(torch.add, terms) for group, terms in groups.items()}, weights
    )
    # To the last digit, so that two logs of one loss agree.
    found._total = loss.total
    return found
