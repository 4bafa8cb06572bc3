"""The one result type of every loss that has more than one term."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree


@dataclass(frozen=True, eq=False)
class LossTerms:
    r"""What a multi-term loss returns: its total, its raw terms and their weights.

    ``total`` is always :math:`\sum_k \text{weights}_k \cdot \text{terms}_k`. A term of weight 0
    is a monitor: it is logged and never touches the total or its gradient, even when it is
    infinite.

    Args:
        terms: raw, unweighted scalars under the names that the source's logs use.
        weights: one number a term, under the same names.

    Attributes:
        total: the scalar to back-propagate.

    Raises:
        ValueError: if there is no term, or ``terms`` and ``weights`` differ in their names.

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
    weights: Mapping[str, float]
    total: Tensor = field(init=False)

    def __post_init__(self) -> None:
        if not self.terms:
            raise ValueError("LossTerms needs at least one term, got none")
        if list(self.terms) != list(self.weights):
            raise ValueError(
                f"terms and weights must carry the same names in the same order, got terms "
                f"{list(self.terms)} and weights {list(self.weights)}"
            )
        object.__setattr__(self, "total", _weighted_sum(self.terms, self.weights))

    def contributions(self) -> dict[str, Tensor]:
        """Each term as it enters the total: weight times term."""
        return {name: self.weights[name] * term for name, term in self.terms.items()}

    def log(self, prefix: str = "") -> dict[str, float]:
        """Plain numbers for a logger, fetched from the device in one transfer.

        Args:
            prefix: put before every name, e.g. ``"train/"``.

        Returns:
            ``total`` and every raw term.

        Raises:
            ValueError: if the terms are not scalars, as inside or after ``torch.func.vmap``.
        """
        scalars = {"total": self.total, **self.terms}
        shapes = {name: tuple(value.shape) for name, value in scalars.items() if value.ndim}
        if shapes:
            raise ValueError(f"log() needs scalar terms, got shapes {shapes}; index one first")
        widest = torch.promote_types(self.total.dtype, torch.float32)
        numbers = torch.stack([value.detach().to(widest) for value in scalars.values()]).tolist()
        return {prefix + name: number for name, number in zip(scalars, numbers, strict=True)}

    def __str__(self) -> str:
        log = self.log()
        total = log.pop("total")
        rows = [("term", "value", "weight", "contribution", "share")]
        for name, value in log.items():
            weight = float(self.weights[name])
            contribution = weight * value if weight else 0.0
            share = f"{contribution / total:.0%}".replace("%", " %") if total else "-"
            rows.append((name, f"{value:.5g}", f"{weight:.5g}", f"{contribution:.5g}", share))
        rows.append(("total", "", "", f"{total:.5g}", "100 %" if total else "-"))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        return "\n".join(
            "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])])
            for row in rows
        )


def _weighted_sum(terms: Mapping[str, Tensor], weights: Mapping[str, float]) -> Tensor:
    contributions = [
        term if weights[name] == 1 else weights[name] * term
        for name, term in terms.items()
        if weights[name] != 0
    ]
    if not contributions:
        return torch.zeros_like(next(iter(terms.values())))
    return reduce(torch.add, contributions)


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
