"""The motion losses as one would type them: what ours are timed against, in the note's way."""

from collections.abc import Mapping
from typing import Any

import torch.nn.functional as F
from torch import Tensor

from lossbook.motion.parts import DITTO_PARTS


def pva(
    input: Tensor,
    target: Tensor,
    *,
    parts: Mapping[str, Any] = DITTO_PARTS,
    dim_weights: Tensor | None = None,
) -> Tensor:
    """A loop over the parts, each cut out of both motions and differenced twice."""
    losses = {}
    for name, (s, e, w) in parts.items():
        weight = w if dim_weights is None else dim_weights[s:e] * w
        x, x_gt = input[..., s:e], target[..., s:e]
        v, v_gt = x[:, 1:] - x[:, :-1], x_gt[:, 1:] - x_gt[:, :-1]
        a, a_gt = v[:, 1:] - v[:, :-1], v_gt[:, 1:] - v_gt[:, :-1]
        losses[f"{name}_P"] = (F.mse_loss(x, x_gt, reduction="none") * weight).mean()
        losses[f"{name}_V"] = (F.mse_loss(v, v_gt, reduction="none") * weight).mean()
        losses[f"{name}_A"] = (F.mse_loss(a, a_gt, reduction="none") * weight).mean()
    return _total(losses)


def last_frame(
    input: Tensor,
    cond_frame: Tensor,
    *,
    parts: Mapping[str, Any] = DITTO_PARTS,
    dim_weights: Tensor | None = None,
) -> Tensor:
    """The first frame of each part against the condition."""
    losses = {}
    for name, (s, e, w) in parts.items():
        weight = w if dim_weights is None else dim_weights[s:e] * w
        first = F.mse_loss(input[:, 0, s:e], cond_frame[:, s:e], reduction="none")
        losses[f"{name}_L"] = (first * weight).mean()
    return _total(losses)


def motion_l1(input: Tensor, *, parts: Mapping[str, Any] = DITTO_PARTS) -> Tensor:
    """The mean size of each part but the scale."""
    losses = {}
    for name, (s, e, _) in parts.items():
        if name != "scale":
            losses[f"{name}_R"] = 1e-4 * input[..., s:e].abs().mean()
    return _total(losses)


def motion(
    input: Tensor,
    target: Tensor,
    cond_frame: Tensor,
    *,
    parts: Mapping[str, Any] = DITTO_PARTS,
    dim_weights: Tensor | None = None,
    use_last_frame_loss: bool = True,
    use_reg_loss: bool = False,
) -> Tensor:
    """All of them, added up."""
    total = pva(input, target, parts=parts, dim_weights=dim_weights)
    if use_last_frame_loss:
        total = total + last_frame(input, cond_frame, parts=parts, dim_weights=dim_weights)
    if use_reg_loss:
        total = total + motion_l1(input, parts=parts)
    return total


def _total(losses: dict[str, Tensor]) -> Tensor:
    total: Any = sum(losses.values())
    return total  # type: ignore[no-any-return]
