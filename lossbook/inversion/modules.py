"""The inversion losses as modules; their total is :class:`lossbook.inversion.InversionLoss`."""

from jaxtyping import Float
from torch import Tensor

from lossbook import checks
from lossbook.inversion.guidance import (
    GuidanceForm,
    check_guidance_form,
    guidance_consistency_loss,
)
from lossbook.inversion.losses import (
    Mining,
    center_loss,
    check_mining,
    check_temperature,
    check_tile,
    cosine_margin_loss,
    feature_l2_loss,
    info_nce_loss,
    pixel_loss,
)
from lossbook.inversion.shapes import Features, Negatives, Weight
from lossbook.modules import LossModule
from lossbook.reduction import Reduction, check_reduction


class PixelLoss(LossModule):
    """:func:`pixel_loss` as a module.

    Raises:
        ValueError: for an unknown reduction.

    Example:
        >>> import torch
        >>> PixelLoss(reduction="batchmean")(torch.ones(2, 3, 8, 8), torch.zeros(2, 3, 8, 8))
        tensor(192.)
    """

    def __init__(self, *, reduction: Reduction = "mean") -> None:
        super().__init__()
        check_reduction(reduction)
        self.reduction = reduction

    def forward(
        self,
        input: Float[Tensor, "*shape"],
        target: Float[Tensor, "*shape"],
        *,
        weight: Weight | None = None,
    ) -> Tensor:
        """See :func:`pixel_loss`."""
        return pixel_loss(input, target, weight=weight, reduction=self.reduction)


class FeatureL2Loss(LossModule):
    """:func:`feature_l2_loss` as a module.

    Raises:
        TypeError: for options that are no flags.
        ValueError: for an unknown reduction.

    Example:
        >>> import torch
        >>> FeatureL2Loss(squared=False)(torch.tensor([[3.0, 4.0]]), torch.zeros(1, 2))
        tensor(5.)
    """

    def __init__(
        self, *, squared: bool = True, normalized: bool = False, reduction: Reduction = "mean"
    ) -> None:
        super().__init__()
        checks.flag(squared=squared, normalized=normalized)
        check_reduction(reduction)
        self.squared = squared
        self.normalized = normalized
        self.reduction = reduction

    def forward(
        self, features: Features, template: Features, *, weight: Weight | None = None
    ) -> Tensor:
        """See :func:`feature_l2_loss`."""
        return feature_l2_loss(
            features,
            template,
            squared=self.squared,
            normalized=self.normalized,
            weight=weight,
            reduction=self.reduction,
        )


class CenterLoss(LossModule):
    """:func:`center_loss` as a module.

    Raises:
        TypeError: for an option that is no flag.
        ValueError: for an unknown reduction.

    Example:
        >>> import torch
        >>> CenterLoss(normalized=True)(torch.eye(2), 5 * torch.eye(2))
        tensor(0.)
    """

    def __init__(self, *, normalized: bool = False, reduction: Reduction = "mean") -> None:
        super().__init__()
        checks.flag(normalized=normalized)
        check_reduction(reduction)
        self.normalized = normalized
        self.reduction = reduction

    def forward(
        self, features: Features, centers: Features, *, weight: Weight | None = None
    ) -> Tensor:
        """See :func:`center_loss`."""
        return center_loss(
            features,
            centers,
            normalized=self.normalized,
            weight=weight,
            reduction=self.reduction,
        )


class CosineMarginLoss(LossModule):
    """:func:`cosine_margin_loss` as a module.

    Raises:
        TypeError: for a margin that is no number, or a ``clamp`` that is no flag.
        ValueError: for a negative margin, an unknown mining or reduction.

    Example:
        >>> import torch
        >>> faces, other = torch.tensor([[2.0, 0.0]]), torch.tensor([[0.0, 1.0]])
        >>> CosineMarginLoss(clamp=False)(faces, faces, other)
        tensor(-0.6500)
    """

    def __init__(
        self,
        *,
        margin: float = 0.35,
        mining: Mining = "hardest",
        clamp: bool = True,
        reduction: Reduction = "mean",
    ) -> None:
        super().__init__()
        checks.number(margin=margin)
        check_mining(mining)
        checks.flag(clamp=clamp)
        check_reduction(reduction)
        self.margin = margin
        self.mining = mining
        self.clamp = clamp
        self.reduction = reduction

    def forward(
        self,
        features: Features,
        template: Features,
        negatives: Negatives,
        *,
        weight: Weight | None = None,
    ) -> Tensor:
        """See :func:`cosine_margin_loss`."""
        return cosine_margin_loss(
            features,
            template,
            negatives,
            margin=self.margin,
            mining=self.mining,
            clamp=self.clamp,
            weight=weight,
            reduction=self.reduction,
        )


class InfoNCELoss(LossModule):
    """:func:`info_nce_loss` as a module.

    Raises:
        TypeError: for a temperature that is no number, or a tile that is no integer.
        ValueError: for a temperature or a tile that is not above 0, or an unknown reduction.

    Example:
        >>> import torch
        >>> faces, other = torch.tensor([[2.0, 0.0]]), torch.tensor([[0.0, 1.0]])
        >>> InfoNCELoss(temperature=1.0)(faces, faces, other)
        tensor(0.3133)
    """

    def __init__(
        self,
        *,
        temperature: float = 0.07,
        tile: int | None = None,
        reduction: Reduction = "mean",
    ) -> None:
        super().__init__()
        check_temperature(temperature)
        check_tile(tile)
        check_reduction(reduction)
        self.temperature = temperature
        self.tile = tile
        self.reduction = reduction

    def forward(
        self,
        features: Features,
        template: Features,
        negatives: Negatives,
        *,
        weight: Weight | None = None,
    ) -> Tensor:
        """See :func:`info_nce_loss`."""
        return info_nce_loss(
            features,
            template,
            negatives,
            temperature=self.temperature,
            tile=self.tile,
            weight=weight,
            reduction=self.reduction,
        )


class GuidanceConsistencyLoss(LossModule):
    """:func:`guidance_consistency_loss` as a module.

    Raises:
        ValueError: for an unknown form or reduction.

    Example:
        >>> import torch
        >>> input = torch.eye(2).requires_grad_()
        >>> similarity = torch.cosine_similarity(input, torch.ones(2, 2))
        >>> loss = GuidanceConsistencyLoss(form="residual")(input, 1 - similarity, similarity)
        >>> loss.item()
        0.0
    """

    def __init__(self, *, form: GuidanceForm = "documented", reduction: Reduction = "mean") -> None:
        super().__init__()
        check_guidance_form(form)
        check_reduction(reduction)
        self.form = form
        self.reduction = reduction

    def forward(
        self,
        input: Float[Tensor, "batch _ *rest"],
        feature_losses: Float[Tensor, " batch"],
        similarity: Float[Tensor, " batch"],
        *,
        weight: Weight | None = None,
    ) -> Tensor:
        """See :func:`guidance_consistency_loss`."""
        return guidance_consistency_loss(
            input,
            feature_losses,
            similarity,
            form=self.form,
            weight=weight,
            reduction=self.reduction,
        )
