"""The one result type of every loss that has more than one term."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import reduce
from types import MappingProxyType
from typing import Any, NoReturn

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from lossbook import checks
from lossbook.advice import instead_of_name
from lossbook.checks import working_dtype
from lossbook.idle import look_for_idle
from lossbook.several import Several, refuse_merge

_LARGEST = torch.finfo(torch.float32).max


# A dataclass with private fields: DistributedDataParallel finds the tensors in it, and Lightning,
# which assigns the fields of a copy, maps all three alike. What is public is read-only.
@dataclass(init=False, repr=False, eq=False)
class LossTerms(Several):
    r"""What a multi-term loss returns: its total, its raw terms and their weights.

    ``total`` is always :math:`\sum_k \text{weights}_k \cdot \text{terms}_k`. A term of weight 0
    (the Python number) is a monitor: it is logged and never touches the total or its gradient,
    even when it is infinite.

    ``loss["name"]`` is a raw term, ``loss["total"]`` the total. ``loss_1 | loss_2`` has the terms
    of both, which ``prefixed`` tells apart. ``2 * loss`` and ``loss / 2`` scale the weights,
    ``rescaled`` each by a factor of its own, and with them the total; the raw terms stay as they
    are. Two of them are equal if they are one; of numbers compare ``loss.total``.

    Args:
        terms: raw, unweighted scalars under the names that the source's logs use.
        weights: one number a term, under the same names. A weight may be a 0-dimensional
            tensor on the term's device, for weights that are learned.

    Raises:
        TypeError: if a term is not a floating-point tensor, or a weight neither a number nor a
            floating-point tensor.
        ValueError: if there is no term, a term is not a scalar or is named ``total``, a weight is
            not finite or has more than one element, ``terms`` and ``weights`` differ in their
            names, or the tensors are on more than one device.

    Example:
        >>> import torch
        >>> loss = LossTerms({"data": torch.tensor(2.0), "prior": torch.tensor(8.0)},
        ...                  {"data": 1.0, "prior": 0.25})
        >>> loss.total
        tensor(4.)
        >>> loss["prior"]
        tensor(8.)
        >>> loss.log()
        {'total': 4.0, 'data': 2.0, 'prior': 8.0}
        >>> print(loss)
        term   value  weight  contribution  share
        data       2       1             2   50 %
        prior      8    0.25             2   50 %
        total                            4  100 %
        >>> print(loss / 2 | LossTerms({"speed": torch.tensor(0.5)}, {"speed": 0.0}))
        term   value  weight  contribution  share
        data       2     0.5             1   50 %
        prior      8   0.125             1   50 %
        speed    0.5       0             0    0 %
        total                            2  100 %
    """

    _terms: dict[str, Tensor]
    _weights: dict[str, float | Tensor]
    _total: Tensor
    # Set by pytree alone, which also fills a tree with numbers and takes it apart again.
    _learned: tuple[str, ...] = ()
    # Terms that were not computed, and stand at 0: a meter does not count their step.
    _absent: tuple[str, ...] = ()

    def __init__(self, terms: Mapping[str, Tensor], weights: Mapping[str, float | Tensor]) -> None:
        _check(terms, weights)
        # Copies, so that a later change of the caller's dictionaries cannot part them from total.
        self._fill(dict(terms), {name: weights[name] for name in terms})
        look_for_idle(self._terms, self._weights)

    def _fill(self, terms: dict[str, Tensor], weights: dict[str, float | Tensor]) -> None:
        self._terms = terms
        self._weights = weights
        self._total = _apart(weighted_sum(terms, weights), terms)

    @classmethod
    def _trusted(cls, terms: dict[str, Tensor], weights: dict[str, float | Tensor]) -> LossTerms:
        """For our own kernels: no copies, ``weights`` in the order of ``terms``.

        Nothing is checked but, inside ``check_values``, whether all that counts has a graph.
        """
        loss = cls._made(terms, weights)
        look_for_idle(terms, weights)
        return loss

    @classmethod
    def _made(cls, terms: dict[str, Tensor], weights: dict[str, float | Tensor]) -> LossTerms:
        """The same of what was looked at before: no checks at all."""
        loss = cls.__new__(cls)
        loss._fill(terms, weights)
        return loss

    @property
    def total(self) -> Tensor:
        """The weighted sum of the terms, the scalar to back-propagate."""
        return self._total

    @property
    def terms(self) -> Mapping[str, Tensor]:
        """The raw terms, read-only."""
        return MappingProxyType(self._terms)

    @property
    def weights(self) -> Mapping[str, float | Tensor]:
        """The weights, read-only, in the order of the terms."""
        return MappingProxyType(self._weights)

    def keys(self) -> tuple[str, ...]:
        """``"total"`` and the names of the terms; with ``loss[name]`` this makes ``dict(loss)``."""
        return ("total", *self._terms)

    def values(self) -> tuple[Tensor, ...]:
        """The total and the raw terms, in the order of :meth:`keys`."""
        return (self._total, *self._terms.values())

    def items(self) -> tuple[tuple[str, Tensor], ...]:
        """Names and tensors, as ``self.log_dict(loss)`` of Lightning asks for them."""
        return tuple(zip(self.keys(), self.values(), strict=True))

    def __getitem__(self, name: str) -> Tensor:
        if name == "total":
            return self._total
        if name not in self._terms:
            raise KeyError(f"no term named {name!r}; {instead_of_name(name, self.keys())}")
        return self._terms[name]

    def __contains__(self, name: object) -> bool:
        return name == "total" or name in self._terms

    def backward(self, **options: Any) -> None:
        """Back-propagate the total: :meth:`torch.Tensor.backward`, with its options."""
        self._total.backward(**options)  # type: ignore[no-untyped-call]

    def __or__(self, other: LossTerms) -> LossTerms:
        if not isinstance(other, LossTerms):
            refuse_merge(other)
        for name in other._terms:
            if name in self._terms:
                raise ValueError(
                    f"both losses have a term named {name!r}; tell their terms apart: "
                    f"left.prefixed('left/') | right.prefixed('right/')"
                )
        # One of them may be a copy without its graph, as logs keep them.
        terms, weights = self._terms | other._terms, self._weights | other._weights
        _check(terms, weights)
        merged = LossTerms._made(terms, weights)
        merged._absent = self._absent + other._absent
        return merged

    def __mul__(self, factor: int | float | Tensor) -> LossTerms:
        if not isinstance(factor, Tensor):
            checks.number(-math.inf, factor=factor)
        return self._scaled(dict.fromkeys(self._terms, factor))

    __rmul__ = __mul__

    def __truediv__(self, divisor: int | float | Tensor) -> LossTerms:
        if not isinstance(divisor, Tensor):
            checks.number(-math.inf, divisor=divisor)
            if divisor == 0:
                raise ValueError("a loss cannot be divided by 0")
        return self * (1 / divisor)

    def rescaled(self, factors: Mapping[str, Tensor | float]) -> LossTerms:
        """Each weight times a factor of its own: the total changes, the raw terms do not.

        With the ``rank_shares`` of the criterion, ``loss.rescaled(shares).total`` averaged over
        the ranks is the loss of one process.

        Args:
            factors: a number or a 0-dimensional tensor under the name of each term that has a
                weight. A monitor stays one, with or without a factor.

        Raises:
            TypeError: for anything but a mapping to numbers or floating-point tensors.
            ValueError: for a name that is no term, a term with a weight but no factor, or a
                factor that is not finite or no scalar.

        Example:
            >>> data, prior = torch.tensor(2.0), torch.tensor(8.0)
            >>> loss = LossTerms({"data": data, "prior": prior},
            ...                  {"data": 1.0, "prior": 0.25})
            >>> loss.rescaled({"data": 3.0, "prior": torch.tensor(0.5)}).total
            tensor(7.)
        """
        if not isinstance(factors, (dict, Mapping)):
            raise TypeError(
                f"factors must be a mapping from terms to numbers, got {type(factors).__name__}; "
                f"for one factor for all terms write factor * loss"
            )
        for name, factor in factors.items():
            if name not in self._terms:
                raise ValueError(
                    f"factors name {name!r}, which is no term; "
                    f"{instead_of_name(name, tuple(self._terms))}"
                )
            if not isinstance(factor, Tensor):
                called: dict[str, Any] = {f"the factor of {name!r}": factor}
                checks.number(-math.inf, **called)
        for name, weight in self._weights.items():
            if name not in factors and not _is_monitor(weight):
                raise ValueError(
                    f"factors has none for {name!r}, a term with a weight; pass 1.0 to leave it as "
                    f"it is"
                )
        return self._scaled(factors)

    def _scaled(self, factors: Mapping[str, Tensor | float]) -> LossTerms:
        scaled = {
            # A monitor stays the number 0, which a tensor would turn into a weight that counts.
            name: 0.0 if _is_monitor(weight) else weight * factors[name]
            for name, weight in self._weights.items()
        }
        _check(self._terms, scaled)
        product = LossTerms._made(dict(self._terms), scaled)
        product._absent = self._absent
        return product

    def prefixed(self, prefix: str) -> LossTerms:
        """The same terms under longer names, to merge two losses of one kind.

        Args:
            prefix: put before the name of every term.

        Raises:
            TypeError: for anything but a string.
            ValueError: if a term would be named ``total``.

        Example:
            >>> loss = LossTerms({"data": torch.tensor(2.0)}, {"data": 1.0})
            >>> (loss.prefixed("left/") | loss.prefixed("right/")).log()
            {'total': 4.0, 'left/data': 2.0, 'right/data': 2.0}
        """
        if not isinstance(prefix, str):
            raise TypeError(f"prefix must be a string, got {type(prefix).__name__}; write 'left/'")
        loss = LossTerms._made(
            {prefix + name: term for name, term in self._terms.items()},
            {prefix + name: weight for name, weight in self._weights.items()},
        )
        _refuse_total(loss._terms)
        loss._absent = tuple(prefix + name for name in self._absent)
        return loss

    def contributions(self) -> dict[str, Tensor]:
        """Each term as it enters the total: weight times term, 0 for a monitor."""
        return {
            name: torch.zeros_like(term)
            if _is_monitor(self._weights[name])
            else term * self._weights[name]
            for name, term in self._terms.items()
        }

    def detach(self) -> LossTerms:
        """The same numbers without their graph, to keep or to send to another process."""
        loss = LossTerms.__new__(LossTerms)
        loss._terms = {name: term.detach() for name, term in self._terms.items()}
        loss._weights = {
            name: weight.detach() if isinstance(weight, Tensor) else weight
            for name, weight in self._weights.items()
        }
        loss._total = self._total.detach()
        loss._absent = self._absent
        return loss

    def tensors(self, prefix: str = "", *, total: str = "total") -> dict[str, Tensor]:
        """The total and the raw terms in a plain dictionary of 0-dimensional tensors.

        ``loss.detach().tensors()`` is what a distributed mean takes, e.g.
        ``accelerator.reduce(..., "mean")``; ``loss.tensors(total="loss")`` is what Lightning's
        ``training_step`` and a model for the Hugging Face ``Trainer`` return.

        Args:
            prefix: put before every name, e.g. ``"train/"``.
            total: the name of the total.

        Raises:
            ValueError: if a term has that name.

        Example:
            >>> loss = LossTerms({"data": torch.tensor(2.0)}, {"data": 0.5})
            >>> loss.tensors(total="loss")
            {'loss': tensor(1.), 'data': tensor(2.)}
        """
        if total in self._terms:
            raise ValueError(f"the total cannot be named {total!r}: that is a term; name another")
        named = {total: self._total, **self._terms}
        return {prefix + name: value for name, value in named.items()}

    def log(self, prefix: str = "") -> dict[str, float]:
        """Plain numbers for a logger, fetched from the device in one transfer.

        Args:
            prefix: put before every name, e.g. ``"train/"``.

        Returns:
            ``total`` and every raw term.

        Raises:
            ValueError: if the terms are not scalars, as inside or after ``torch.func.vmap``.
        """
        return _fetch(self.tensors(prefix))

    def __repr__(self) -> str:
        return f"LossTerms(terms={self._terms}, weights={self._weights}, total={self._total})"

    def __str__(self) -> str:
        contributions = {f"contribution {k}": v for k, v in self.contributions().items()}
        weights = {
            f"weight {k}": torch.as_tensor(v).to(self._total) for k, v in self._weights.items()
        }
        numbers = _fetch({**self.tensors(), **contributions, **weights})
        total = numbers["total"]

        def share(part: float) -> str:
            return f"{100 * part / total:.0f} %" if total and math.isfinite(total) else "-"

        rows = [("term", "value", "weight", "contribution", "share")]
        for name in self._terms:
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
        if not isinstance(value, (dict, Mapping)):
            raise TypeError(
                f"{name} must be a dictionary, got {type(value).__name__}; "
                f"write {{'name': ...}} with one entry a term"
            )
    if not terms:
        raise ValueError("LossTerms needs at least one term, got none")
    if len(terms) != len(weights) or any(name not in weights for name in terms):
        raise ValueError(
            f"terms and weights must carry the same names, got terms {list(terms)} and weights "
            f"{list(weights)}; a weight of 0 makes a term a monitor"
        )
    _refuse_total(terms)
    device = None
    for name, term in terms.items():
        weight = weights[name]
        if not (isinstance(term, Tensor) and term.is_floating_point() and term.ndim == 0):
            _refuse(term, name, f"the term {name!r}")
        device = term.device if device is None else device
        elsewhere = term.device != device
        if isinstance(weight, Tensor):
            called = f"the weight of {name!r}"
            if not weight.is_floating_point() or weight.ndim:
                _refuse(weight, called, called)
            if checks.checking_values(weight):
                checks.finite(**{called: weight})
            elsewhere = elsewhere or weight.device != device
        elif type(weight) is not float or not -_LARGEST <= weight <= _LARGEST:
            called = f"the weight of {name!r}"
            checks.number(-math.inf, **{called: weight})
            checks.representable(working_dtype(term.dtype), **{called: weight})
        if elsewhere:
            learned = {
                f"the weight of {name!r}": weight
                for name, weight in weights.items()
                if isinstance(weight, Tensor)
            }
            checks.same_dtype(**terms, **learned)


def _refuse(value: Any, name: str, called: str) -> NoReturn:
    checks.floating(**{name: value})
    raise ValueError(
        f"{called} must be a scalar, got shape {tuple(value.shape)}; reduce or index it first"
    )


def _refuse_total(terms: Mapping[str, Tensor]) -> None:
    if "total" in terms:
        raise ValueError("a term cannot be named 'total': that is the weighted sum")


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


def weighted_sum(terms: Mapping[str, Tensor], weights: Mapping[str, float | Tensor]) -> Tensor:
    """The total of some terms; the term itself where there is one, of weight 1."""
    total = None
    # In eager mode without a product by 1. A compiled graph gains nothing by that, and would be
    # made anew for a weight that is warmed up to 1.
    multiplies = torch.compiler.is_compiling()
    for name, weight in weights.items():
        term = terms[name]
        learned = isinstance(weight, Tensor)
        if not learned and weight == 0:
            continue
        if multiplies or learned or weight != 1:
            term = term * weight
        total = term if total is None else total + term
    if total is None:
        # The total still has a gradient, which is 0, so that training goes on.
        nothing = [t.where(torch.zeros_like(t, dtype=torch.bool), 0) for t in terms.values()]
        return reduce(torch.add, nothing)
    return total


def _apart(total: Tensor, terms: Mapping[str, Tensor]) -> Tensor:
    """The total, never the same tensor as a term."""
    for term in terms.values():
        if total is term:
            return total.clone()
    return total


# As a pytree a LossTerms passes through torch.func.vmap and torch.export. Weights that are tensors
# are leaves like the terms; numbers stay in the structure.
def _flatten(loss: LossTerms) -> tuple[list[Any], Any]:
    leaves: list[Any] = [loss._total, *loss._terms.values()]
    numbers: list[float | None] = []
    for name, weight in loss._weights.items():
        if isinstance(weight, Tensor) or name in loss._learned:
            leaves.append(weight)
            numbers.append(None)
        else:
            numbers.append(weight)
    return leaves, (tuple(loss._terms), tuple(numbers), loss._absent)


def _unflatten(leaves: Iterable[Any], context: Any) -> LossTerms:
    names, numbers, *absent = context  # files of older versions have two
    rest = iter(leaves)
    loss = LossTerms.__new__(LossTerms)
    loss._total = next(rest)
    loss._terms = {name: next(rest) for name in names}
    loss._weights = {
        name: next(rest) if number is None else number
        for name, number in zip(names, numbers, strict=True)
    }
    loss._learned = tuple(n for n, number in zip(names, numbers, strict=True) if number is None)
    loss._absent = tuple(absent[0]) if absent else ()
    return loss


pytree.register_pytree_node(
    LossTerms, _flatten, _unflatten, serialized_type_name="lossbook.LossTerms"
)
