"""Ranks of data-parallel training that share a batch."""

from typing import TypeAlias

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor

from lossbook import checks

# Numbers that ranks exchange at once: a few take as long as one.
_BLOCK = 256

Group: TypeAlias = "torch.distributed.ProcessGroup | str | None"
"""Ranks that share a batch: ``"world"`` for all, a process group or its name, None for one."""


def check_group(group: Group) -> None:
    """Check that an option names a group of ranks, one that there is.

    Raises:
        TypeError: saying what may be passed.
        ValueError: for a name that no group has.
    """
    _check_kind(group)
    if isinstance(group, str) and group != "world" and not _is_registered(group):
        started = dist.is_available() and dist.is_initialized()
        raise ValueError(
            f"group must be None, 'world' or a process group, got {group!r}, which "
            f"{'no process group is called' if started else 'cannot be one yet'}; pass 'world' "
            f"for all ranks"
        )


def _check_kind(group: Group) -> None:
    known = group is None or isinstance(group, str)
    if not known and not (dist.is_available() and isinstance(group, dist.ProcessGroup)):
        raise TypeError(
            f"group must be None, 'world' or a process group, got {type(group).__name__}; "
            f"torch.distributed.group.WORLD is None before init_process_group(): pass 'world'"
        )


def _is_registered(name: str) -> bool:
    if not (dist.is_available() and dist.is_initialized()):
        return False
    return name in dist.distributed_c10d._world.pg_names.values()


def resolve_group(group: Group) -> "dist.ProcessGroup | None":
    """The process group to reduce over; None for none, and where no gradient is wanted."""
    _check_kind(group)
    if group is None or not torch.is_grad_enabled():
        return None
    if not (dist.is_available() and dist.is_initialized()):
        raise RuntimeError(
            "group is given, but torch.distributed is not initialised; call "
            "torch.distributed.init_process_group() first, or leave group out on one process"
        )
    if not isinstance(group, str):
        return group
    if group == "world":
        return dist.group.WORLD
    return dist.distributed_c10d._resolve_process_group(group)  # type: ignore[attr-defined, arg-type]


def share_totals(
    counts: Tensor, samples: Tensor | int, ranks: "dist.ProcessGroup"
) -> tuple[Tensor, Tensor]:
    """Both over all ranks, which must agree on the number of attributes.

    Ranks that send different lengths abort or hang before anybody could say why. So the first
    block has one length and one dtype for all, and holds what shows whether they agree. Where
    looking at it would wait for the device, NaN marks a disagreement on every rank.
    """
    own = counts.shape[0]
    exact = counts.double()
    samples = samples.reshape(1) if isinstance(samples, Tensor) else exact.new_full((1,), samples)
    # The sums of n and n^2 over the ranks tell whether all n are equal, without rounding.
    header = [exact.new_full((1,), number) for number in (own, own * own)]
    message = F.pad(torch.cat([*header, samples, exact]), (0, max(_BLOCK - 3 - own, 0)))
    dist.all_reduce(message[:_BLOCK], group=ranks)
    size = dist.get_world_size(ranks)
    apart = message[1] - 2 * own * message[0] + size * own * own
    if checks.readable(apart) or checks.checking_values(apart):
        if apart.item():
            raise ValueError(
                f"attributes must have as many columns on every rank of the group: this rank has "
                f"{own or 'none'}, the {size} ranks have {message[0].item() / size:g} on average; "
                f"pass the same columns on each of them, or leave attributes out on all"
            )
    else:
        message = message.masked_fill(apart != 0, torch.nan)
    # The rest of more than 253 attributes. Where nobody looked, ranks must agree for this.
    if own > _BLOCK - 3:
        dist.all_reduce(message[_BLOCK:], group=ranks)
    message = message.to(counts.dtype)
    return message[3 : 3 + own], message[2]
