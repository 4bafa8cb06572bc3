"""The letters of the terms, P, V, A, L and R: their weights, and the terms of each added up."""

from collections.abc import Iterable, Mapping
from functools import reduce
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from lossbook import checks
from lossbook.terms import LossTerms

Letter = Literal["P", "V", "A", "L", "R"]
"""What ``weights=`` and ``by_letter`` call the terms of all parts together."""
LETTERS: tuple[Letter, ...] = get_args(Letter)

LetterWeights = Mapping[str, int | float] | Mapping[Letter, int | float] | None
"""From letters to numbers; those left out are 1. Of any strings, as configurations have them."""


def as_floats(value: Any) -> Any:
    """A number, or the numbers of a mapping, as floats; what else there is stays, for the checks.

    An integer that is an attribute of a module would be a constant to the compiler, and a number of
    numpy an array.
    """
    if isinstance(value, Mapping):
        return {name: as_floats(number) for name, number in value.items()}
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if is_number and abs(value) <= checks._LARGEST[torch.float64] else value


def nothing_counts(weights: Mapping[str, float], letters: Iterable[str]) -> str:
    """What to say where every letter that is computed is a monitor; empty where one counts."""
    if any(weights[letter] != 0 for letter in letters):
        return ""
    return (
        f"weights are 0 for all of {', '.join(letters)}: the total is exactly 0 and trains "
        f"nothing; give one of them a weight above 0, unless they are only logged"
    )


def weights_of(weights: Mapping[Any, int | float] | None) -> dict[str, float]:
    """The weight of every letter; 1 for those that a mapping leaves out, as in the source.

    Raises:
        TypeError: for anything but a mapping to Python numbers.
        ValueError: for a name that is no letter, or a weight that is negative or not finite.
    """
    found: dict[str, float] = dict.fromkeys(LETTERS, 1.0)
    if weights is None:
        return found
    if not isinstance(weights, Mapping):
        raise TypeError(
            f"weights must be a mapping from letters to numbers, got {type(weights).__name__}; "
            f"write {{'V': 0.5}}, the others of {', '.join(LETTERS)} are 1"
        )
    for letter, weight in weights.items():
        if letter not in LETTERS:
            meant = _meant_by(str(letter))
            meant = f"did you mean {meant!r}? There" if meant else "there"
            raise ValueError(
                f"weights names {letter!r}, which is no letter; {meant} are {', '.join(LETTERS)}, "
                f"and a part has its weight in parts="
            )
        called: dict[str, Any] = {f"weights[{letter!r}]": weight}
        checks.number(**called)
        # A float stays the object that it is: a copy would be a constant to the compiler.
        found[letter] = weight if type(weight) is float else float(weight)
    return found


# What a letter may be called, by the beginnings of its words.
_WORDS = {
    "P": ("pos",),
    "V": ("vel",),
    "A": ("acc",),
    "L": ("last", "first", "cond"),
    "R": ("reg", "l1"),
}


def _meant_by(name: str) -> str:
    """The letter that a name stands for; empty where it stands for none, as that of a part."""
    word = name.lower().removeprefix("w_").removesuffix("_loss")
    for letter, words in _WORDS.items():
        if word == letter.lower() or word.startswith(words):
            return letter
    return ""


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
        TypeError: for anything but a :class:`lossbook.LossTerms`.
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
    if not isinstance(loss, LossTerms):
        raise TypeError(
            f"loss must be the LossTerms that a motion loss returns, got {type(loss).__name__}; "
            f"pass it whole, and take by_letter(loss).log() or .terms of the result"
        )
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
