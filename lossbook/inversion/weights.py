"""Scheme B: weights of tasks that are learned with the network, as documented and as Kendall's."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from lossbook import checks
from lossbook.advice import instead_of_name
from lossbook.idle import look_for_idle
from lossbook.modules import LossModule
from lossbook.terms import LossTerms

TaskKind = Literal["regression", "classification"]

REGULARIZER = "log_variance"
"""The name of the term that keeps the uncertainties small."""


class _TaskWeights(LossModule):
    """What both have: names of tasks, and one number to learn for each."""

    tasks: tuple[str, ...]

    def _keep(self, tasks: Sequence[str], init: float) -> Tensor:
        if isinstance(tasks, str) or not isinstance(tasks, Sequence):
            raise TypeError(
                f"tasks must be the names of the tasks, got {tasks!r}; write ('pixel', 'feat')"
            )
        self.tasks = tuple(tasks)
        for name in self.tasks:
            if not isinstance(name, str) or name in ("total", REGULARIZER):
                raise ValueError(
                    f"tasks must be names other than 'total' and {REGULARIZER!r}, got {name!r}"
                )
        if not self.tasks or len(set(self.tasks)) < len(self.tasks):
            raise ValueError(f"tasks must be different names, at least one, got {self.tasks}")
        checks.number(-math.inf, init=init)
        self.init = init
        return torch.full((len(self.tasks),), float(init))

    def _given(self, terms: Any) -> dict[str, Tensor]:
        """The losses in the order of the tasks, which they must be those of."""
        if isinstance(terms, LossTerms):
            raise TypeError(
                "terms must be a mapping from tasks to losses, got LossTerms, which has weights of "
                "its own; pass loss.terms to have others learned in their place"
            )
        if not isinstance(terms, Mapping):
            raise TypeError(
                f"terms must be a mapping from tasks to losses, got {type(terms).__name__}; write "
                f"{{{self.tasks[0]!r}: ...}} with one entry a task"
            )
        for name in terms:
            if name not in self.tasks:
                raise ValueError(
                    f"terms names {name!r}, which is no task; {instead_of_name(name, self.tasks)}"
                )
        missing = [name for name in self.tasks if name not in terms]
        if missing:
            raise ValueError(
                f"terms lacks {', '.join(map(repr, missing))}; pass the loss of each of the tasks "
                f"{', '.join(self.tasks)}"
            )
        return {name: terms[name] for name in self.tasks}

    def _looked_at(self, loss: LossTerms) -> LossTerms:
        """The same; each task should train more than its own weight, if one does."""
        look_for_idle(loss.terms, dict.fromkeys(self.tasks, 1.0))
        return loss


class SigmoidTaskWeights(_TaskWeights):
    r"""Total = Σ sigmoid(ω) * loss, with one ω a task that is learned: as documented.

    .. math::
        \mathcal L = \sum_i \frac{1}{1 + e^{-\omega_i}}\, \mathcal L_i

    **Every weight decays to 0.** For a positive loss
    :math:`\partial\mathcal L / \partial\omega_i = \mathcal L_i / (4 \cosh^2(\omega_i/2)) > 0`
    wherever :math:`\omega_i` is, so each step of the optimiser makes every weight smaller, that of
    the largest loss first; the minimum lies at :math:`\omega_i = -\infty`, where nothing is
    trained. Under gradient descent with a rate :math:`\eta` on a constant loss the weight falls as
    :math:`1 / (\eta \mathcal L t)`: 0.134, 0.0109 and 0.0010 after 100, 1,000 and 10,000 steps with
    :math:`\eta = 0.1` and :math:`\mathcal L = 1`; under Adam it takes 100 steps to 0.01. On the way
    plain gradient descent does bring the *ratio* of the weights to the inverse of that of constant
    losses, while Adam moves all :math:`\omega` alike and leaves the ratio. What the source means is
    :class:`UncertaintyWeights`, whose further term holds against the decay.

    Args:
        tasks: their names, one loss each.
        init: every ω before training; 0 for weights of a half.

    Raises:
        TypeError: for tasks that are no names, or an ``init`` that is no number.
        ValueError: for no tasks, or two of one name.

    Example:
        >>> import torch
        >>> weighted = SigmoidTaskWeights(("pixel", "feat"))
        >>> loss = weighted({"pixel": torch.tensor(2.0), "feat": torch.tensor(4.0)})
        >>> print(loss)
        term   value  weight  contribution  share
        pixel      2     0.5             1   33 %
        feat       4     0.5             2   67 %
        total                            3  100 %
        >>> loss.backward()
        >>> weighted.omega.grad  # both positive: both weights fall
        tensor([0.5000, 1.0000])

    References:
        Source note: scheme B, which takes it for Kendall et al.
    """

    def __init__(self, tasks: Sequence[str] = ("pixel", "feat"), *, init: float = 0.0) -> None:
        super().__init__()
        self.omega = nn.Parameter(self._keep(tasks, init))

    def forward(self, terms: Mapping[str, Tensor]) -> LossTerms:
        """Weigh the losses.

        Args:
            terms: from the name of each task to its loss, a scalar.

        Returns:
            The losses as they came, under weights that are tensors with a gradient.

        Raises:
            TypeError: for anything but a mapping to floating-point tensors.
            ValueError: for a task that is missing or unknown, or a loss that is no scalar.
        """
        return self._looked_at(self.weigh(self._given(terms)))

    def weigh(self, given: dict[str, Tensor]) -> LossTerms:
        """What ``forward`` returns, of one loss a task in their order."""
        return LossTerms(given, dict(zip(self.tasks, self.omega.sigmoid().unbind(), strict=True)))


class UncertaintyWeights(_TaskWeights):
    r"""Total = Σ exp(-s) * loss + s / 2 (half of the loss for regression), with one s a task.

    .. math::
        \mathcal L = \sum_i c_i\, e^{-s_i}\, \mathcal L_i + \tfrac12 s_i, \qquad
        c_i = \tfrac12 \text{ (regression)},\; 1 \text{ (classification)}

    where :math:`s = \log\sigma^2` is the logarithm of the variance of a task's errors: of a squared
    error the negative logarithm of a Gaussian likelihood, of a cross-entropy that of a softmax
    which is scaled, by Kendall's approximation. At the best s, which is
    :math:`\log(2 c_i \mathcal L_i)`, a task costs :math:`\tfrac12(1 + \log(2 c_i \mathcal L_i))`:
    what is minimised is the sum of the *logarithms* of the losses. Each task is weighed by one over
    its loss, a total below 0 is normal and has no lower bound, and a factor in front of a loss
    changes nothing but s. Tuned constant weights are as good in the comparisons of Kurin et al. and
    Xin et al., 2022.

    Args:
        tasks: their names, one loss each.
        kinds: ``"regression"`` (default), ``"classification"``, or a mapping from tasks to one of
            them; those left out are regressions. A feature loss that is a squared distance is one.
        init: every s before training; 0 for weights of a half and 1.
        floor: None (default), or the smallest s that counts. It bounds the total, at a price: no
            weight exceeds :math:`c_i e^{-\text{floor}}`. At the popular floor 0 that is a half, or
            1: a task whose loss is below 1 (below a half) is no longer weighed by its uncertainty,
            it just has that constant weight. An s below the floor has a gradient only where it
            leads back up.

    Raises:
        TypeError: for tasks that are no names, or numbers that are none.
        ValueError: for no tasks, two of one name, or an unknown kind or task of ``kinds``.

    Example:
        >>> import torch
        >>> weighted = UncertaintyWeights(("pixel", "feat"), kinds={"feat": "classification"})
        >>> print(weighted({"pixel": torch.tensor(0.01), "feat": torch.tensor(4.0)}))
        term          value  weight  contribution  share
        pixel          0.01     0.5         0.005    0 %
        feat              4       1             4  100 %
        log_variance      0       1             0    0 %
        total                               4.005  100 %

    References:
        Kendall et al., *Multi-Task Learning Using Uncertainty to Weigh Losses*, CVPR 2018,
        arXiv:1705.07115. Kurin et al., *In Defense of the Unitary Scalarization*, NeurIPS 2022.
    """

    def __init__(
        self,
        tasks: Sequence[str] = ("pixel", "feat"),
        *,
        kinds: TaskKind | Mapping[str, TaskKind] = "regression",
        init: float = 0.0,
        floor: float | None = None,
    ) -> None:
        super().__init__()
        self.log_variance = nn.Parameter(self._keep(tasks, init))
        self.kinds = kinds
        self._factors = tuple(self._factor(name) for name in self.tasks)
        if floor is not None:
            checks.number(-math.inf, floor=floor)
        self.floor = floor

    def _factor(self, task: str) -> float:
        kinds = self.kinds
        if isinstance(kinds, Mapping):
            for name in kinds:
                if name not in self.tasks:
                    raise ValueError(
                        f"kinds names {name!r}, which is no task; "
                        f"{instead_of_name(name, self.tasks)}"
                    )
            kinds = kinds.get(task, "regression")
        if kinds not in get_args(TaskKind):
            known = ", ".join(get_args(TaskKind))
            raise ValueError(f"kinds must be one of {known}; got {kinds!r}")
        return 0.5 if kinds == "regression" else 1.0

    def forward(self, terms: Mapping[str, Tensor]) -> LossTerms:
        """Weigh the losses.

        Args:
            terms: from the name of each task to its loss, a scalar.

        Returns:
            The losses as they came, under weights that are tensors with a gradient, and the term
            ``"log_variance"``, half the sum of all s, of weight 1.

        Raises:
            TypeError: for anything but a mapping to floating-point tensors.
            ValueError: for a task that is missing or unknown, or a loss that is no scalar.
        """
        return self._looked_at(self.weigh(self._given(terms)))

    def weigh(self, given: dict[str, Tensor]) -> LossTerms:
        """What ``forward`` returns, of one loss a task in their order."""
        s = self.log_variance
        # At the floor itself s keeps its gradient, which clamp() takes from it since torch 2.14.
        held = s if self.floor is None else s.where(~(s < self.floor), self.floor)
        factors = [c * each for c, each in zip(self._factors, (-held).exp().unbind(), strict=True)]
        weights: dict[str, float | Tensor] = dict(zip(self.tasks, factors, strict=True))
        regularizer = held.sum() / 2
        if self.floor is not None:
            # 0, with the gradient that a clamp does not let through, where that leads back up.
            with torch.no_grad():
                pulls = [
                    given[name].to(each) * each
                    for name, each in zip(self.tasks, factors, strict=True)
                ]
                back = (0.5 - torch.stack(pulls)).clamp(max=0).where(s < self.floor, 0)
            regularizer = regularizer + ((s - s.detach()) * back).sum()
        # Where all the losses are wider, so is this one.
        dtype = torch.promote_types(s.dtype, given[self.tasks[0]].dtype)
        weights[REGULARIZER] = 1.0
        return LossTerms({**given, REGULARIZER: regularizer.to(dtype)}, weights)
