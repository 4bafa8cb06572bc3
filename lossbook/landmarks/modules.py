"""The landmark losses as modules."""

from jaxtyping import Bool, Float
from torch import Tensor

from lossbook import checks
from lossbook.landmarks.losses import smooth_l1_loss, wing_loss
from lossbook.landmarks.pfld import pfld_loss
from lossbook.landmarks.shapes import Landmarks
from lossbook.modules import LossModule
from lossbook.ranks import Group, check_group
from lossbook.reduction import Reduction, check_reduction
from lossbook.terms import LossTerms


class SmoothL1Loss(LossModule):
    """:func:`smooth_l1_loss` as a module; the hyperparameters are its arguments.

    Raises:
        TypeError: if ``beta`` is not a Python number.
        ValueError: if it is negative, or for an unknown reduction.

    Example:
        >>> import torch
        >>> SmoothL1Loss(beta=2.0)(torch.tensor([[1.0]]), torch.tensor([[0.0]]))
        tensor(0.2500)
    """

    def __init__(self, *, beta: float = 1.0, reduction: Reduction = "batchmean") -> None:
        super().__init__()
        checks.number(beta=beta)
        check_reduction(reduction)
        self.beta = beta
        self.reduction = reduction

    def forward(
        self,
        input: Float[Tensor, "*shape"],
        target: Float[Tensor, "*shape"],
        *,
        weight: Float[Tensor, "..."] | Bool[Tensor, "..."] | None = None,
    ) -> Tensor:
        """See :func:`smooth_l1_loss`."""
        return smooth_l1_loss(
            input, target, beta=self.beta, weight=weight, reduction=self.reduction
        )


class WingLoss(LossModule):
    """:func:`wing_loss` as a module; the hyperparameters are its arguments.

    Raises:
        TypeError: if ``w`` or ``epsilon`` is not a Python number.
        ValueError: if one is not positive, or for an unknown reduction.

    Example:
        >>> import torch
        >>> WingLoss(w=5.0)(torch.tensor([[1.0]]), torch.tensor([[0.0]]))
        tensor(2.0273)
    """

    def __init__(
        self, *, w: float = 10.0, epsilon: float = 2.0, reduction: Reduction = "batchmean"
    ) -> None:
        super().__init__()
        checks.number(exclusive=True, w=w, epsilon=epsilon)
        check_reduction(reduction)
        self.w = w
        self.epsilon = epsilon
        self.reduction = reduction

    def forward(
        self,
        input: Float[Tensor, "*shape"],
        target: Float[Tensor, "*shape"],
        *,
        weight: Float[Tensor, "..."] | Bool[Tensor, "..."] | None = None,
    ) -> Tensor:
        """See :func:`wing_loss`."""
        return wing_loss(
            input,
            target,
            w=self.w,
            epsilon=self.epsilon,
            weight=weight,
            reduction=self.reduction,
        )


class PFLDLoss(LossModule):
    """:func:`pfld_loss` as a module; the options are its arguments.

    It can be pickled and deep-copied: a process group is kept by its name, and looked up where
    the module is used.

    Raises:
        TypeError: if a bias is not a Python number, or the group is none.
        ValueError: if a bias is negative, or no group has the name.

    Example:
        >>> import torch
        >>> loss = PFLDLoss(pose_bias=1.0, attribute_bias=1.0)
        >>> points, angles = torch.ones(1, 196), torch.zeros(1, 3)
        >>> loss(points, 0 * points, angles, angles, torch.zeros(1, 6)).total
        tensor(196.)
    """

    def __init__(
        self,
        *,
        degrees: bool = False,
        pose_bias: float = 0.0,
        attribute_bias: float = 0.0,
        group: Group = None,
    ) -> None:
        super().__init__()
        checks.flag(degrees=degrees)
        checks.number(pose_bias=pose_bias, attribute_bias=attribute_bias)
        check_group(group)
        self.degrees = degrees
        self.pose_bias = pose_bias
        self.attribute_bias = attribute_bias
        # By name: a process group can neither be pickled nor deep-copied.
        self.group = group if group is None or isinstance(group, str) else group.group_name

    def forward(
        self,
        landmarks: Landmarks,
        landmarks_target: Landmarks,
        angles: Float[Tensor, "batch 3"],
        angles_target: Float[Tensor, "batch 3"],
        attributes: Float[Tensor, "batch attributes"]
        | Bool[Tensor, "batch attributes"]
        | None = None,
        *,
        weight: Float[Tensor, "..."] | Bool[Tensor, "..."] | None = None,
    ) -> LossTerms:
        """See :func:`pfld_loss`."""
        return pfld_loss(
            landmarks,
            landmarks_target,
            angles,
            angles_target,
            attributes,
            degrees=self.degrees,
            pose_bias=self.pose_bias,
            attribute_bias=self.attribute_bias,
            weight=weight,
            group=self.group,
        )
