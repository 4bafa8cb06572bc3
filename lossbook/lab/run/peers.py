"""The same losses in other packages, as far as these are installed.

kornia 0.9 has none of these losses, and pytorch-metric-learning compares embeddings. What is
not installed is left out; to measure it too, ``pip install pytorch-toolbelt``.
"""

from collections.abc import Callable, Mapping
from importlib import import_module

import torch.nn.functional as F
from torch import Tensor

Peer = Callable[..., Tensor]


def _smooth_l1(input: Tensor, target: Tensor) -> Tensor:
    return F.smooth_l1_loss(input, target, reduction="sum") / len(input)


def _l1(input: Tensor, target: Tensor) -> Tensor:
    return F.l1_loss(input, target, reduction="sum")


def _mse(pose: Tensor, shape: Tensor, pose_target: Tensor, shape_target: Tensor) -> Tensor:
    return F.mse_loss(pose, pose_target) + F.mse_loss(shape, shape_target)


def _toolbelt_wing(input: Tensor, target: Tensor) -> Tensor:
    wing = import_module("pytorch_toolbelt.losses.functional").wing_loss
    total: Tensor = wing(input, target, width=10.0, curvature=2.0, reduction="sum")
    return total / len(input)


PEERS: Mapping[str, Mapping[str, Peer]] = {
    "smooth_l1_loss": {"torch": _smooth_l1},
    "vertex_loss": {"torch": _l1},
    "auxiliary_loss": {"torch": _mse},
    "wing_loss": {"pytorch_toolbelt": _toolbelt_wing},
}
"""Under a loss's name what computes the same from the same inputs, by the module it comes in."""


def peers(loss: str) -> dict[str, Peer]:
    """The peers of a loss that can be imported here.

    Args:
        loss: its name.
    """
    return {name: peer for name, peer in PEERS.get(loss, {}).items() if _can_import(name)}


def missing() -> tuple[str, ...]:
    """The packages that have a peer and cannot be imported here."""
    names = {name for of_one in PEERS.values() for name in of_one}
    return tuple(sorted(name for name in names if not _can_import(name)))


def _can_import(name: str) -> bool:
    # Not find_spec: a package whose own requirements are missing is there and does not import.
    try:
        import_module(name)
    except (ImportError, RuntimeError):
        return False
    return True
