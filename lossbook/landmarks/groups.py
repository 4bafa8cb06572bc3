"""What the ranks of data-parallel training tell each other of their attributes."""

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor

from lossbook import checks

# Numbers that ranks exchange at once: a few take as long as one.
_BLOCK = 256


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
