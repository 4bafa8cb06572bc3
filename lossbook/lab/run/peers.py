"""What well-known packages have of the same losses, as far as they are installed."""

from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch.nn.functional as F
from torch import Tensor


def _torch_smooth_l1(input: Tensor, target: Tensor) -> Tensor:
    return F.smooth_l1_loss(input, target, reduction="sum") / input.shape[0]


def _torch_l1(input: Tensor, target: Tensor) -> Tensor:
    return F.l1_loss(input, target, reduction="sum")


def _torch_mse(pose: Tensor, shape: Tensor, pose_target: Tensor, shape_target: Tensor) -> Tensor:
    return F.mse_loss(pose, pose_target) + F.mse_loss(shape, shape_target)


def _toolbelt_wing(input: Tensor, target: Tensor) -> Tensor:
    from pytorch_toolbelt.losses.functional import wing_loss

    loss: Tensor = wing_loss(input, target, width=10.0, curvature=2.0, reduction="sum")
    return loss / input.shape[0]


PEERS: Mapping[str, Mapping[str, Callable[..., Any]]] = {
    "smooth_l1_loss": {"torch": _torch_smooth_l1},
    "vertex_loss": {"torch": _torch_l1},
    "auxiliary_loss": {"torch": _torch_mse},
    "wing_loss": {"pytorch-toolbelt": _toolbelt_wing},
}
"""Of each loss the same function in other packages, named by the distribution it comes in."""

NO_SUCH_LOSS = ("kornia", "pytorch-metric-learning")
"""Well-known packages that were looked through and have none of the losses."""


def installed(name: str) -> str | None:
    """The version of a package, or None where it is not installed."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None
