"""Whether autocast rounds what is computed of a tensor, and how to keep it from that."""

from __future__ import annotations

import contextlib
from typing import Any

import torch
from torch import Tensor

# torch can say it, too, but up to 2.10 not within compiled code.
_WITHOUT = frozenset({"meta", "vulkan", "lazy", "opengl", "opencl", "ideep", "hip", "ve", "fpga"})
"""Kinds of devices that have no autocast; of them, asking whether it is on is an error."""


def autocasts(tensor: Tensor) -> bool:
    """Say whether autocast is on where a tensor lies.

    Args:
        tensor: of any device.
    """
    kind = tensor.device.type
    return kind not in _WITHOUT and torch.is_autocast_enabled(kind)


def exact(tensor: Tensor) -> contextlib.AbstractContextManager[Any]:
    """Keep autocast from rounding what is computed of a tensor.

    Args:
        tensor: of any device.
    """
    if autocasts(tensor):
        return torch.autocast(tensor.device.type, enabled=False)
    return contextlib.nullcontext()
