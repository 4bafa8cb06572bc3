"""Ranks of data-parallel training: which of them share a batch, and what part of it one holds."""

from collections.abc import Mapping
from typing import TypeAlias

import torch
import torch.distributed as dist
from jaxtyping import Bool, Float
from torch import Tensor

from lossbook import checks

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


def rank_share(
    weight: Float[Tensor, "..."] | Bool[Tensor, "..."], *, group: Group = "world"
) -> Float[Tensor, ""]:
    r"""Share of a rank = number of ranks * its weights / the weights on all ranks.

    .. math::
        s_r = \frac{R\, W_r}{\sum_{r'} W_{r'}}

    with :math:`R` ranks whose weights add up to :math:`W_r`. A masked mean divides by what counts
    on its own rank, so the average over the ranks, which ``DistributedDataParallel`` takes of the
    gradients, lets a rank with few labels pull too hard. Times the ranks' shares, the average of
    their means is the mean over all ranks. A rank on which nothing counts has share 0.

    Every rank of the group must call it, as they exchange one number. Without gradients (in
    validation, or under :func:`torch.no_grad`) no rank waits for another, as in
    :func:`lossbook.landmarks.pfld_loss`: the share is 1, and the mean that of the rank.

    Args:
        weight: the mask or the weights that the mean divides by, boolean or at least 0, of any
            shape. One that is broadcast over the batch, as ``(1, N)``, counts once: expand it, or
            pass ``torch.ones(batch)``, where batches differ in size. It takes no gradient.
        group: ``"world"`` (default), a process group or its name; with None no rank shares.

    Returns:
        A scalar, float32 for any ``weight`` but float64; 1 on a single process, also before
        ``torch.distributed`` is initialised.

    Raises:
        TypeError: for anything but a boolean or floating-point tensor, or a group that is none.
        ValueError: for a name that no group has.

    Example:
        >>> import torch
        >>> from lossbook.landmarks import wing_loss
        >>> faces, visible = torch.ones(4, 98, 2), torch.ones(4, 98, dtype=torch.bool)
        >>> mean = wing_loss(faces, 0 * faces, weight=visible, reduction="mean")
        >>> loss = rank_share(visible) * mean  # to back-propagate
        >>> rank_share(visible)  # of one process
        tensor(1.)
    """
    own = checks.fit_weight(weight, weight).detach().sum()
    return _shares_of(own, _sharing(group))[0]


def shares_by_name(
    counts: Mapping[str, Tensor | int | None], like: Tensor, group: Group
) -> dict[str, Tensor]:
    """The shares of a rank in what each of some terms counts, all of them by one exchange.

    Args:
        counts: by the names of the terms, which must be the same on every rank: a scalar or a
            number; None for a term that is a sum, whose share is the number of ranks.
        like: on its device, and in the dtype that it is computed in, every rank counts.
        group: as for :func:`rank_share`.
    """
    device, dtype = like.device, checks.working_dtype(like.dtype)
    own = torch.stack(
        [
            count.detach().to(device, dtype)
            if isinstance(count, Tensor)
            else torch.full((), 1.0 if count is None else float(count), device=device, dtype=dtype)
            for count in counts.values()
        ]
    )
    shares, size = _shares_of(own, _sharing(group))
    return {
        name: share * size if count is None else share
        for (name, count), share in zip(counts.items(), shares, strict=True)
    }


def _shares_of(own: Tensor, ranks: "dist.ProcessGroup | None") -> tuple[Tensor, int]:
    """The shares of a rank in some counts, element by element, by one exchange; and of how many."""
    if ranks is None:
        return torch.ones_like(own), 1
    everywhere, size = own.clone(), dist.get_world_size(ranks)
    dist.all_reduce(everywhere, group=ranks)
    return size * own / everywhere.where(everywhere != 0, 1), size


def _sharing(group: Group) -> "dist.ProcessGroup | None":
    """The process group that shares a batch; None where no rank waits for another."""
    check_group(group)
    started = dist.is_available() and dist.is_initialized()
    return resolve_group(group) if started else None
