"""The hand losses as modules; their total is :class:`lossbook.hands.HandLoss`."""

from jaxtyping import Float
from torch import Tensor

from lossbook import checks
from lossbook.hands.losses import (
    Confidence,
    Weight,
    keypoint_2d_loss,
    keypoint_3d_loss,
    vertex_loss,
)
from lossbook.hands.priors import (
    AuxiliaryForm,
    RotationForm,
    auxiliary_loss,
    check_form,
    mano_prior_loss,
    rotation_loss,
)
from lossbook.modules import LossModule
from lossbook.reduction import Reduction, check_reduction
from lossbook.terms import LossTerms


class Keypoint2DLoss(LossModule):
    """:func:`keypoint_2d_loss` as a module.

    Raises:
        ValueError: for an unknown reduction.

    Example:
        >>> import torch
        >>> Keypoint2DLoss(reduction="mean")(torch.ones(1, 21, 2), torch.zeros(1, 21, 2))
        tensor(1.)
    """

    def __init__(self, *, reduction: Reduction = "sum") -> None:
        super().__init__()
        check_reduction(reduction)
        self.reduction = reduction

    def forward(
        self,
        input: Float[Tensor, "batch points 2"],
        target: Float[Tensor, "batch points _"],
        *,
        confidence: Confidence | None = None,
        weight: Weight | None = None,
    ) -> Tensor:
        """See :func:`keypoint_2d_loss`."""
        return keypoint_2d_loss(
            input, target, confidence=confidence, weight=weight, reduction=self.reduction
        )


class Keypoint3DLoss(LossModule):
    """:func:`keypoint_3d_loss` as a module.

    Raises:
        TypeError: for a root that is no integer.
        ValueError: for a negative root, or an unknown reduction.

    Example:
        >>> import torch
        >>> Keypoint3DLoss()(torch.ones(1, 21, 3), torch.zeros(1, 21, 3))
        tensor(0.)
    """

    def __init__(self, *, root: int | None = 0, reduction: Reduction = "sum") -> None:
        super().__init__()
        if root is not None:
            checks.index(None, root=root)
        check_reduction(reduction)
        self.root = root
        self.reduction = reduction

    def forward(
        self,
        input: Float[Tensor, "batch points 3"],
        target: Float[Tensor, "batch points _"],
        *,
        confidence: Confidence | None = None,
        weight: Weight | None = None,
    ) -> Tensor:
        """See :func:`keypoint_3d_loss`."""
        return keypoint_3d_loss(
            input,
            target,
            root=self.root,
            confidence=confidence,
            weight=weight,
            reduction=self.reduction,
        )


class VertexLoss(LossModule):
    """:func:`vertex_loss` as a module.

    Raises:
        ValueError: for an unknown reduction.

    Example:
        >>> import torch
        >>> VertexLoss()(torch.ones(1, 778, 3), torch.zeros(1, 778, 3))
        tensor(2334.)
    """

    def __init__(self, *, reduction: Reduction = "sum") -> None:
        super().__init__()
        check_reduction(reduction)
        self.reduction = reduction

    def forward(
        self,
        input: Float[Tensor, "batch vertices 3"],
        target: Float[Tensor, "batch vertices 3"],
        *,
        weight: Weight | None = None,
    ) -> Tensor:
        """See :func:`vertex_loss`."""
        return vertex_loss(input, target, weight=weight, reduction=self.reduction)


class ManoPriorLoss(LossModule):
    """:func:`mano_prior_loss` as a module.

    Raises:
        TypeError: for weights that are no numbers.
        ValueError: for a negative weight.

    Example:
        >>> import torch
        >>> ManoPriorLoss(shape_weight=0.5)(torch.full((2, 10), 2.0)).total
        tensor(2.)
    """

    def __init__(self, *, shape_weight: float = 1.0, pose_weight: float = 0.0) -> None:
        super().__init__()
        checks.number(shape_weight=shape_weight, pose_weight=pose_weight)
        self.shape_weight = shape_weight
        self.pose_weight = pose_weight

    def forward(
        self,
        betas: Float[Tensor, "batch betas"],
        hand_pose: Float[Tensor, "batch joints 3 3"] | None = None,
        *,
        weight: Weight | None = None,
    ) -> LossTerms:
        """See :func:`mano_prior_loss`."""
        return mano_prior_loss(
            betas,
            hand_pose,
            shape_weight=self.shape_weight,
            pose_weight=self.pose_weight,
            weight=weight,
        )


class AuxiliaryLoss(LossModule):
    """:func:`auxiliary_loss` as a module.

    Raises:
        ValueError: for an unknown form.

    Example:
        >>> import torch
        >>> pose, shape = torch.ones(1, 48), torch.ones(1, 10)
        >>> AuxiliaryLoss()(pose, shape, 0 * pose, 0 * shape)
        tensor(2.)
    """

    def __init__(self, *, form: AuxiliaryForm = "documented") -> None:
        super().__init__()
        check_form(form, AuxiliaryForm)
        self.form = form

    def forward(
        self,
        pose: Float[Tensor, "batch pose"],
        shape: Float[Tensor, "batch shape"],
        pose_target: Float[Tensor, "batch pose"],
        shape_target: Float[Tensor, "batch shape"],
        *,
        weight: Weight | None = None,
    ) -> Float[Tensor, ""]:
        """See :func:`auxiliary_loss`."""
        return auxiliary_loss(pose, shape, pose_target, shape_target, form=self.form, weight=weight)


class RotationLoss(LossModule):
    """:func:`rotation_loss` as a module.

    Raises:
        ValueError: for an unknown form or reduction.

    Example:
        >>> import torch
        >>> RotationLoss(form="geodesic")(torch.eye(3)[None], torch.eye(3)[None])
        tensor(0.)
    """

    def __init__(self, *, form: RotationForm = "chordal", reduction: Reduction = "mean") -> None:
        super().__init__()
        check_form(form, RotationForm)
        check_reduction(reduction)
        self.form = form
        self.reduction = reduction

    def forward(
        self,
        input: Float[Tensor, "batch *joints 3 3"],
        target: Float[Tensor, "batch *joints 3 3"],
        *,
        weight: Weight | None = None,
    ) -> Tensor:
        """See :func:`rotation_loss`."""
        return rotation_loss(input, target, form=self.form, weight=weight, reduction=self.reduction)
