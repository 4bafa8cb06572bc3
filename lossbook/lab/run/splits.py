"""Splits of data by whom or what it shows, so that nobody is in both parts. Needs torch only."""

# Not scikit-learn's GroupKFold and GroupShuffleSplit: they shuffle in another order, and the
# recorded results belong to these folds. Ours also take and give torch's indices.

import torch
from jaxtyping import Int64
from torch import Tensor


def shuffled_groups(groups: Int64[Tensor, " n"], seed: int) -> Int64[Tensor, " groups"]:
    """Each group once, in an order that the seed decides.

    Args:
        groups: the group of each sample.
        seed: any integer.
    """
    names = torch.unique(groups)
    order = torch.randperm(len(names), generator=torch.Generator().manual_seed(seed))
    shuffled: Tensor = names[order]
    return shuffled


def hold_out(
    groups: Int64[Tensor, " n"], held_out: Int64[Tensor, " groups"]
) -> tuple[Int64[Tensor, " kept"], Int64[Tensor, " left"]]:
    """Part samples by whether their group is held out.

    Args:
        groups: the group of each sample.
        held_out: groups.

    Returns:
        Indices of the samples that are kept and of those held out, ascending.
    """
    out = torch.isin(groups, held_out)
    return (~out).nonzero().flatten(), out.nonzero().flatten()
