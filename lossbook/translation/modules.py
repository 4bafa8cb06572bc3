"""The translation losses as modules; the totals are in :mod:`lossbook.translation.total`."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from lossbook import checks
from lossbook.modules import LossModule
from lossbook.ranks import Group, check_group
from lossbook.reduction import Reduction, check_reduction
from lossbook.translation.losses import (
    MarginOf,
    Weight,
    approximate_r1_penalty,
    check_margin,
    cycle_consistency_loss,
    d_hinge_loss,
    d_logistic_loss,
    d_relativistic_loss,
    diversity_loss,
    g_adversarial_loss,
    g_logistic_loss,
    g_relativistic_loss,
    identity_loss,
    r1_penalty,
    style_reconstruction_loss,
)


class DHingeLoss(LossModule):
    """:func:`d_hinge_loss` as a module.

    Example:
        >>> import torch
        >>> DHingeLoss()(torch.zeros(4, 1), torch.zeros(4, 1))
        tensor(2.)
    """

    def __init__(self) -> None:
        super().__init__()

    def forward(
        self, real_logits: Float[Tensor, "..."], fake_logits: Float[Tensor, "..."]
    ) -> Tensor:
        """See :func:`d_hinge_loss`."""
        return d_hinge_loss(real_logits, fake_logits)


class GAdversarialLoss(LossModule):
    """:func:`g_adversarial_loss` as a module.

    Example:
        >>> import torch
        >>> GAdversarialLoss()(torch.full((4, 1), 0.5))
        tensor(-0.5000)
    """

    def __init__(self) -> None:
        super().__init__()

    def forward(self, fake_logits: Float[Tensor, "..."]) -> Tensor:
        """See :func:`g_adversarial_loss`."""
        return g_adversarial_loss(fake_logits)


class DLogisticLoss(LossModule):
    """:func:`d_logistic_loss` as a module.

    Example:
        >>> import torch
        >>> DLogisticLoss()(torch.zeros(4, 1), torch.zeros(4, 1))
        tensor(1.3863)
    """

    def __init__(self) -> None:
        super().__init__()

    def forward(
        self, real_logits: Float[Tensor, "..."], fake_logits: Float[Tensor, "..."]
    ) -> Tensor:
        """See :func:`d_logistic_loss`."""
        return d_logistic_loss(real_logits, fake_logits)


class GLogisticLoss(LossModule):
    """:func:`g_logistic_loss` as a module.

    Example:
        >>> import torch
        >>> GLogisticLoss()(torch.zeros(4, 1))
        tensor(0.6931)
    """

    def __init__(self) -> None:
        super().__init__()

    def forward(self, fake_logits: Float[Tensor, "..."]) -> Tensor:
        """See :func:`g_logistic_loss`."""
        return g_logistic_loss(fake_logits)


class DRelativisticLoss(LossModule):
    """:func:`d_relativistic_loss` as a module.

    Example:
        >>> import torch
        >>> DRelativisticLoss()(torch.ones(4, 1), torch.ones(4, 1))
        tensor(0.6931)
    """

    def __init__(self) -> None:
        super().__init__()

    def forward(
        self, real_logits: Float[Tensor, "*shape"], fake_logits: Float[Tensor, "*shape"]
    ) -> Tensor:
        """See :func:`d_relativistic_loss`."""
        return d_relativistic_loss(real_logits, fake_logits)


class GRelativisticLoss(LossModule):
    """:func:`g_relativistic_loss` as a module.

    Example:
        >>> import torch
        >>> GRelativisticLoss()(torch.ones(4, 1), torch.ones(4, 1))
        tensor(0.6931)
    """

    def __init__(self) -> None:
        super().__init__()

    def forward(
        self, real_logits: Float[Tensor, "*shape"], fake_logits: Float[Tensor, "*shape"]
    ) -> Tensor:
        """See :func:`g_relativistic_loss`."""
        return g_relativistic_loss(real_logits, fake_logits)


class R1Penalty(LossModule):
    """:func:`r1_penalty` as a module.

    Raises:
        TypeError: for an option that is no flag.

    Example:
        >>> import torch
        >>> real_inputs = torch.ones(4, 3).requires_grad_()
        >>> R1Penalty(half=True)(real_inputs.sum(1), real_inputs)
        tensor(1.5000)
    """

    def __init__(self, *, half: bool = False) -> None:
        super().__init__()
        checks.flag(half=half)
        self._half = half  # half() is every module's

    def forward(
        self,
        real_logits: Float[Tensor, " batch *map"],
        real_inputs: Float[Tensor, "batch _ *rest"],
    ) -> Tensor:
        """See :func:`r1_penalty`."""
        return r1_penalty(real_logits, real_inputs, half=self._half)

    def extra_repr(self) -> str:
        """The option, for printing."""
        return f"half={self._half}"


class ApproximateR1Penalty(LossModule):
    """:func:`approximate_r1_penalty` as a module.

    Raises:
        TypeError: for a sigma that is no number.
        ValueError: for a sigma that is not above 0.

    Example:
        >>> import torch
        >>> ApproximateR1Penalty(sigma=0.5)(lambda x: 0 * x.sum(1), torch.ones(4, 3))
        tensor(0.)
    """

    def __init__(self, *, sigma: float = 0.01) -> None:
        super().__init__()
        checks.number(exclusive=True, sigma=sigma)
        self.sigma = sigma

    def forward(
        self,
        discriminator: Callable[[Tensor], Tensor],
        real_inputs: Float[Tensor, "batch _ *rest"],
        *,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """See :func:`approximate_r1_penalty`."""
        return approximate_r1_penalty(
            discriminator, real_inputs, sigma=self.sigma, generator=generator
        )


class StyleReconstructionLoss(LossModule):
    """:func:`style_reconstruction_loss` as a module.

    Raises:
        ValueError: for an unknown reduction.

    Example:
        >>> import torch
        >>> StyleReconstructionLoss(reduction="sum")(torch.zeros(2, 4), torch.ones(2, 4))
        tensor(8.)
    """

    def __init__(self, *, reduction: Reduction = "mean") -> None:
        super().__init__()
        check_reduction(reduction)
        self.reduction = reduction

    def forward(
        self,
        pred_style: Float[Tensor, "*shape"],
        target_style: Float[Tensor, "*shape"],
        *,
        weight: Weight | None = None,
    ) -> Tensor:
        """See :func:`style_reconstruction_loss`."""
        return style_reconstruction_loss(
            pred_style, target_style, weight=weight, reduction=self.reduction
        )


class CycleConsistencyLoss(LossModule):
    """:func:`cycle_consistency_loss` as a module.

    Raises:
        ValueError: for an unknown reduction.

    Example:
        >>> import torch
        >>> CycleConsistencyLoss()(torch.zeros(2, 4, 8, 8), torch.ones(2, 4, 8, 8))
        tensor(1.)
    """

    def __init__(self, *, reduction: Reduction = "mean") -> None:
        super().__init__()
        check_reduction(reduction)
        self.reduction = reduction

    def forward(
        self,
        reconstructed: Float[Tensor, "*shape"],
        original: Float[Tensor, "*shape"],
        *,
        weight: Weight | None = None,
    ) -> Tensor:
        """See :func:`cycle_consistency_loss`."""
        return cycle_consistency_loss(
            reconstructed, original, weight=weight, reduction=self.reduction
        )


class IdentityLoss(LossModule):
    """:func:`identity_loss` as a module.

    Raises:
        ValueError: for an unknown reduction.

    Example:
        >>> import torch
        >>> IdentityLoss()(torch.zeros(2, 4, 8, 8), torch.ones(2, 4, 8, 8))
        tensor(1.)
    """

    def __init__(self, *, reduction: Reduction = "mean") -> None:
        super().__init__()
        check_reduction(reduction)
        self.reduction = reduction

    def forward(
        self,
        output: Float[Tensor, "*shape"],
        original: Float[Tensor, "*shape"],
        *,
        weight: Weight | None = None,
    ) -> Tensor:
        """See :func:`identity_loss`."""
        return identity_loss(output, original, weight=weight, reduction=self.reduction)


class DiversityLoss(LossModule):
    """:func:`diversity_loss` as a module.

    It can be pickled and deep-copied: a process group is kept by its name, and looked up where
    the module is used.

    Raises:
        TypeError: for a margin that is no number, or a group that is none.
        ValueError: for a margin that is not above 0, an unknown ``margin_of``, or a name that no
            group has.

    Example:
        >>> import torch
        >>> DiversityLoss(margin=0.75)(torch.zeros(2, 3), torch.ones(2, 3))
        tensor(0.7500)
    """

    def __init__(
        self,
        *,
        margin: float | None = None,
        margin_of: MarginOf = "batch",
        group: Group = None,
    ) -> None:
        super().__init__()
        check_margin(margin, margin_of)
        check_group(group)
        self.margin = margin
        self.margin_of = margin_of
        # By name: a process group can neither be pickled nor deep-copied.
        self.group = group if group is None or isinstance(group, str) else group.group_name

    def forward(
        self,
        fake_1: Float[Tensor, "*shape"],
        fake_2: Float[Tensor, "*shape"],
        *,
        weight: Weight | None = None,
    ) -> Tensor:
        """See :func:`diversity_loss`."""
        return diversity_loss(
            fake_1,
            fake_2,
            margin=self.margin,
            margin_of=self.margin_of,
            weight=weight,
            group=self.group,
        )
