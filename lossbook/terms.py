"""The one result type of every loss that has more than one term."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from lossbook import checks


@dataclass(frozen=True, eq=False)
class LossTerms:
    r"""What a multi-term loss returns: its total, its raw terms and their weights.

    ``total`` is always :math:`\sum_k \text{weights}_k \cdot \text{terms}_k`. A term of weight 0
    is a monitor: it is logged and never touches the total or its gradient, even when it is
    infinite.

    Args:
        terms: raw, unweighted scalars under the names that the source's logs use.
        weights: one number a term, under the same names and in the same order. A weight may be
            a scalar tensor, for weights that are learned.

    Attributes:
        total: the scalar to back-propagate.

    Raises:
        TypeError: if a term is not a floating-point tensor, or a weight not a number.
        ValueError: if there is no term, a term is not a scalar or is named ``total``, a weight is
            not finite, or ``terms`` and ``weights`` differ in their names.

    Example:
        >>> import torch
        >>> loss = LossTerms({"data": torch.tensor(2.0), "prior": torch.tensor(8.0)},
        ...                  {"data": 1.0, "prior": 0.25})
        >>> loss.total
        tensor(4.)
        >>> loss.log()
        {'total': 4.0, 'data': 2.0, 'prior': 8.0}
        >>> print(loss)
        term   value  weight  contribution  share
        data       2       1             2   50 %
        prior      8    0.25             2   50 %
        total                            4  100 %
    """

    terms: Mapping[str, Tensor]
    weights: Mapping[str, float | Tensor]
    total: Tensor = field(init=False)

    def __post_init__(self) -> None:
        _check(self.terms, self.weights)
        # Copies, so that a later change of the caller's dictionaries cannot part them from total.
        object.__setattr__(self, "terms", dict(self.terms))
        object.__setattr__(self, "weights", dict(self.weights))
        object.__setattr__(self, "total", _weighted_sum(self.terms, self.weights))

    def contributions(self) -> dict[str, Tensor]:
        """Each term as it enters the total: weight times term, 0 for a monitor."""
        return {name: _contribution(self.weights[name], term) for name, term in self.terms.items()}

    def log(self, prefix: str = "") -> dict[str, float]:
        """Plain numbers for a logger, fetched from the device in one transfer.

        Args:
            prefix: put before every name, e.g. ``"train/"``.

        Returns:
            ``total`` and every raw term.

        Raises:
            ValueError: if the terms are not scalars, as inside or after ``torch.func.vmap``.
        """
        return {
            prefix + name: number
            for name, number in _fetch({"total": self.total, **self.terms}).items()
        }

    def __str__(self) -> str:
        contributions = {f"contribution {k}": v for k, v in self.contributions().items()}
        weights = {
            f"weight {k}": torch.as_tensor(v).to(self.total) for k, v in self.weights.items()
        }
        numbers = _fetch({"total": self.total, **self.terms, **contributions, **weights})
        total = numbers["total"]

        def share(part: float) -> str:
            return f"{100 * part / total:.0f} %" if total and math.isfinite(total) else "-"

        rows = [("term", "value", "weight", "contribution", "share")]
        for name in self.terms:
            weight, part = numbers[f"weight {name}"], numbers[f"contribution {name}"]
            rows.append((name, f"{numbers[name]:.5g}", f"{weight:.5g}", f"{part:.5g}", share(part)))
        rows.append(("total", "", "", f"{total:.5g}", share(total)))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        return "\n".join(
            "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])])
            for row in rows
        )


def _check(terms: Any, weights: Any) -> None:
    for name, value in (("terms", terms), ("weights", weights)):
        if not isinstance(value, Mapping):
            raise TypeError(f"{name} must be a dictionary, got {type(value).__name__}")
    if not terms:
        raise ValueError("LossTerms needs at least one term, got none")
    if list(terms) != list(weights):
        raise ValueError(
            f"terms and weights must carry the same names in the same order, got terms "
            f"{list(terms)} and weights {list(weights)}"
        )
    if "total" in terms:
        raise ValueError("a term cannot be named 'total': that is the weighted sum")
    for name, term in terms.items():
        checks.floating(**{name: term})
        if term.ndim:
            raise ValueError(f"the term {name!r} must be a scalar, got shape {tuple(term.shape)}")
        if not isinstance(weights[name], Tensor):
            checks.number(-math.inf, **{f"the weight of {name!r}": weights[name]})


def _fetch(scalars: Mapping[str, Tensor]) -> dict[str, float]:
    """The numbers of some scalars, in one transfer from the device."""
    shapes = {name: tuple(value.shape) for name, value in scalars.items() if value.ndim}
    if shapes:
        raise ValueError(f"only scalars can be logged, got shapes {shapes}; index one first")
    widest = reduce(torch.promote_types, [v.dtype for v in scalars.values()], torch.float32)
    numbers = torch.stack([value.detach().to(widest) for value in scalars.values()]).tolist()
    return dict(zip(scalars, numbers, strict=True))


def _is_monitor(weight: float | Tensor) -> bool:
    return not isinstance(weight, Tensor) and weight == 0


def _contribution(weight: float | Tensor, term: Tensor) -> Tensor:
    return torch.zeros_like(term) if _is_monitor(weight) else weight * term


def _weighted_sum(terms: Mapping[str, Tensor], weights: Mapping[str, float | Tensor]) -> Tensor:
    counted = [_contribution(w, terms[n]) for n, w in weights.items() if not _is_monitor(w)]
    if counted:
        return reduce(torch.add, counted)
    # With every weight 0 the total still has a gradient, which is 0, so that training goes on.
    nothing = [term.where(torch.zeros_like(term, dtype=torch.bool), 0) for term in terms.values()]
    return reduce(torch.add, nothing)


# As a pytree a LossTerms passes through torch.func.vmap and torch.export.
def _flatten(loss: LossTerms) -> tuple[list[Any], Any]:
    names = tuple(loss.terms)
    return [loss.total, *loss.terms.values()], (names, tuple(loss.weights.values()))


def _unflatten(leaves: Iterable[Any], context: Any) -> LossTerms:
    names, weights = context
    total, *values = leaves
    loss = object.__new__(LossTerms)
    object.__setattr__(loss, "terms", dict(zip(names, values, strict=True)))
    object.__setattr__(loss, "weights", dict(zip(names, weights, strict=True)))
    object.__setattr__(loss, "total", total)
    return loss


pytree.register_pytree_node(
    LossTerms, _flatten, _unflatten, serialized_type_name="lossbook.LossTerms"
)
