"""The curves of the source: what is added up in every step, and divided at the end of an epoch."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from inspect import Signature
from typing import TYPE_CHECKING, Any

import torch
import torch.distributed as dist
from torch import Tensor

from lossbook import checks
from lossbook.ranks import Group, resolve_group
from lossbook.terms import LossTerms

if TYPE_CHECKING:
    from typing_extensions import Self

LOG_NAMES = ("d_loss", "r1", "g_loss", "g_adv", "sty", "ds", "cyc", "id")
"""The names of the source's curves, in its order."""


def log_of(d_terms: LossTerms, g_terms: LossTerms) -> dict[str, Tensor]:
    """What the source logs of a step: ``d_loss``, ``r1``, ``g_loss``, ``g_adv``, ``sty``, ...

    ``d_loss`` and ``g_loss`` are the totals, R1 and the diversity included with their weights. All
    others are raw. Monitors of the discriminator come after them, under their own names.

    Args:
        d_terms: of :class:`DiscriminatorLoss`.
        g_terms: of :class:`GeneratorLoss`.

    Returns:
        0-dimensional tensors without a graph.

    Raises:
        TypeError: for anything but :class:`~lossbook.LossTerms`.
        ValueError: for terms of another loss.

    Example:
        >>> import torch
        >>> one = torch.tensor(1.0)
        >>> d = LossTerms({"d_hinge": 2 * one, "r1": one}, {"d_hinge": 1.0, "r1": 16.0})
        >>> g = LossTerms(dict.fromkeys(("adv", "sty", "ds", "cyc", "id"), one),
        ...               {"adv": 1.0, "sty": 1.0, "ds": -1.0, "cyc": 1.0, "id": 0.0})
        >>> {name: value.item() for name, value in log_of(d, g).items()}
        {'d_loss': 18.0, 'r1': 1.0, 'g_loss': 2.0, 'g_adv': 1.0, 'sty': 1.0, 'ds': 1.0, 'cyc': 1.0, 'id': 1.0}
    """  # noqa: E501 (what it prints is one line)
    needed = {
        "d_terms": (d_terms, "DiscriminatorLoss", ("d_hinge", "r1")),
        "g_terms": (g_terms, "GeneratorLoss", ("adv", "sty", "ds", "cyc", "id")),
    }
    for name, (terms, maker, wanted) in needed.items():
        if not isinstance(terms, LossTerms):
            raise TypeError(
                f"{name} must be a LossTerms, got {type(terms).__name__}; pass what {maker} returns"
            )
        if any(one not in terms for one in wanted):
            raise ValueError(
                f"{name} must hold the terms {', '.join(wanted)}, got {', '.join(terms.terms)}; "
                f"pass what {maker} returns"
            )
    d, g = d_terms.detach(), g_terms.detach()
    found = {"d_loss": d.total, "r1": d["r1"], "g_loss": g.total, "g_adv": g["adv"]}
    found |= {name: g[name] for name in LOG_NAMES[4:]}
    return found | {name: d[name] for name in d.terms if name not in ("d_hinge", "r1")}


class EpochMeter:
    r"""Means over an epoch = sums of all steps / number of steps, zeros included, as in the source.

    A term that is not computed in every step is logged as 0 in the others, and its mean is that
    much smaller: of R1 in every I-th step it is R1 / I. :meth:`means_computed` divides by the steps
    in which it was computed instead. Both take a ``group=`` of ranks. Sums stay on the device, in
    float64 where it has that: no step waits for it.

    Example:
        >>> meter = EpochMeter()
        >>> for step in range(1, 33):
        ...     r1 = 4.0 if step % 16 == 0 else 0.0
        ...     meter.update({"d_loss": 2.0, "r1": r1}, absent=() if r1 else ("r1",))
        >>> meter.means()
        {'d_loss': 2.0, 'r1': 0.25}
        >>> meter.means_computed()
        {'d_loss': 2.0, 'r1': 4.0}

    References:
        Source note: ``running[key] += logs[key]``.
    """

    __signature__ = Signature()

    def __new__(cls, *args: Any, **options: Any) -> Self:
        """Refuse options: those that there are belong to what gives the means."""
        if args or options:
            named = ", ".join([*map(repr, args), *(f"{k}={v!r}" for k, v in options.items())])
            raise TypeError(
                f"EpochMeter takes no options, got {named}; a group goes to means(group='world') "
                f"and means_computed(group='world')"
            )
        return super().__new__(cls)

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Begin an epoch."""
        self._steps = 0
        self._counts: dict[str, int] = {}
        self._numbers: dict[str, float] = {}
        self._sums: dict[tuple[str, ...], Tensor] = {}

    @property
    def steps(self) -> int:
        """Steps since the epoch began."""
        return self._steps

    def update(
        self, loss: LossTerms | Mapping[str, Tensor | float], *, absent: Collection[str] = ()
    ) -> None:
        """Add the numbers of a step.

        Args:
            loss: named scalars, or a :class:`~lossbook.LossTerms` with its total; see
                :func:`log_of` for the source's names. A name that other steps have, and this one
                not, counts as absent.
            absent: names of what was not computed in this step: of a mapping ``()`` if
                ``loss.computes_r1(step)``, else ``("r1",)``. What :class:`DiscriminatorLoss`
                returns tells that by itself, also scaled, merged or detached.

        Raises:
            TypeError: for anything but named numbers.
            ValueError: for a tensor that is no scalar, or an absent name that is not there.
        """
        if isinstance(absent, str):
            raise TypeError(f"absent must hold names, got {absent!r}; write absent=({absent!r},)")
        if not isinstance(loss, (LossTerms, Mapping)):
            raise TypeError(
                f"loss must be a LossTerms or a mapping of numbers, got {type(loss).__name__}; "
                f"write {{'d_loss': loss}}"
            )
        given: dict[str, Tensor | float] = dict(loss.items())
        if isinstance(loss, LossTerms):
            absent = (*absent, *loss._absent)
        for name in absent:
            if name not in given:
                raise ValueError(
                    f"absent names {name!r}, which is not there; there are {', '.join(given)}"
                )
        tensors: dict[str, Tensor] = {}
        numbers: dict[str, float] = {}
        for name, value in given.items():
            if isinstance(value, Tensor):
                checks.floating(**{name: value})
                if value.ndim:
                    raise ValueError(
                        f"{name} must be a scalar, got shape {tuple(value.shape)}; reduce it first"
                    )
                tensors[name] = value
            elif isinstance(value, bool) or not isinstance(value, (int, float)):
                raise TypeError(
                    f"{name} must be a number or a tensor, got {type(value).__name__}; convert it "
                    f"with float({name})"
                )
            else:
                numbers[name] = value
        for name, number in numbers.items():
            self._numbers[name] = self._numbers.get(name, 0.0) + number
        if tensors:
            row = _stacked(tensors.values())
            names = tuple(tensors)
            # One addition a step for all names together.
            self._sums[names] = self._sums[names] + row if names in self._sums else row
        for name in given:
            self._counts[name] = self._counts.get(name, 0) + (name not in absent)
        self._steps += 1

    def update_pair(
        self, d_terms: LossTerms, g_terms: LossTerms, *, absent: Collection[str] = ()
    ) -> None:
        """Add a step under the source's names: :meth:`update` of :func:`log_of`.

        Whether R1 was computed is known from ``d_terms``.

        Args:
            d_terms: of :class:`DiscriminatorLoss`.
            g_terms: of :class:`GeneratorLoss`.
            absent: names of what else was not computed, such as ``("id",)`` at ``w_id=0``.

        Raises:
            TypeError: for anything but :class:`~lossbook.LossTerms`.
            ValueError: for terms of another loss, or an absent name that is not there.
        """
        logged = log_of(d_terms, g_terms)
        if isinstance(absent, str):
            self.update(logged, absent=absent)  # which refuses it
        if "r1" in d_terms._absent:
            absent = (*absent, "r1")
        self.update(logged, absent=absent)

    def means(self, *, group: Group = None) -> dict[str, float]:
        """The mean of each name over all steps, as the source logs it; empty before any step.

        Args:
            group: ranks to take the mean over, which all must call it with the same names:
                ``"world"`` or a process group; by default this rank alone.

        Raises:
            TypeError: for a group that is none.
            RuntimeError: for a group while ``torch.distributed`` is not initialised.
        """
        sums, _, steps = self._gathered(group)
        return {name: value / steps for name, value in sums.items()}

    def means_computed(self, *, group: Group = None) -> dict[str, float]:
        """The mean of each name over the steps where it was computed; NaN if there is none.

        Args:
            group: as in :meth:`means`.
        """
        sums, counts, _ = self._gathered(group)
        return {
            name: value / counts[name] if counts[name] else float("nan")
            for name, value in sums.items()
        }

    def state_dict(self) -> dict[str, Any]:
        """Plain numbers, to go on with in the middle of an epoch."""
        sums, counts, _ = self._gathered(None)
        return {"steps": self._steps, "counts": counts, "sums": sums}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where a :meth:`state_dict` was made.

        Raises:
            TypeError: for anything but a dictionary.
            ValueError: for another dictionary.
        """
        if not isinstance(state, Mapping):
            raise TypeError(f"state must be what state_dict() returned, got {type(state).__name__}")
        if set(state) != {"steps", "counts", "sums"}:
            raise ValueError(
                f"state must hold steps, counts and sums, got {', '.join(map(str, state))}; pass "
                f"what state_dict() returned"
            )
        self.reset()
        self._steps = int(state["steps"])
        self._counts = {str(name): int(count) for name, count in state["counts"].items()}
        self._numbers = {str(name): float(value) for name, value in state["sums"].items()}

    def __repr__(self) -> str:
        return f"EpochMeter(steps={self._steps}, names={list(self._counts)})"

    def _gathered(self, group: Group) -> tuple[dict[str, float], dict[str, int], int]:
        """Sums, counts and steps: of this rank, or of all."""
        sums = dict.fromkeys(self._counts, 0.0)
        for name, value in self._numbers.items():
            sums[name] += value
        for together, row in self._sums.items():
            for name, value in zip(together, row.tolist(), strict=True):
                sums[name] += value
        # A group is one also where nobody asks for gradients.
        with torch.enable_grad():
            ranks = resolve_group(group)
        if ranks is None:
            return sums, dict(self._counts), self._steps
        names = sorted(sums)
        numbers = [*(sums[name] for name in names), *(self._counts[name] for name in names)]
        device = next((row.device for row in self._sums.values()), None)
        message = torch.tensor([*numbers, self._steps], dtype=_widest(device), device=device)
        dist.all_reduce(message, group=ranks)
        found = message.tolist()
        counts = {name: round(found[len(names) + i]) for i, name in enumerate(names)}
        everywhere = dict(zip(names, found, strict=False))
        return {name: everywhere[name] for name in sums}, counts, round(found[-1])


def _widest(device: torch.device | None) -> torch.dtype:
    return torch.float32 if device is not None and device.type == "mps" else torch.float64


def _stacked(values: Iterable[Tensor]) -> Tensor:
    detached = [value.detach() for value in values]
    wide = _widest(detached[0].device)
    return torch.stack([value.to(wide) for value in detached])
