"""What the terms of a motion loss on one rank count for among those of all ranks."""

from jaxtyping import Float
from torch import Tensor

from lossbook.calls import weight_by_name
from lossbook.motion.parts import DITTO_PARTS, PartsLike, layout_of
from lossbook.motion.shapes import (
    Clips,
    Lengths,
    OfClips,
    Weight,
    check_clips,
    check_of_clips,
    fit_frames,
)
from lossbook.motion.terms import of_both
from lossbook.ranks import Group, shares_by_name


@weight_by_name
def rank_shares(
    input: Clips,
    *,
    parts: PartsLike = DITTO_PARTS,
    weight: Weight | None = None,
    lengths: Lengths | None = None,
    reduction: OfClips = "mean",
    group: Group = "world",
) -> dict[str, Float[Tensor, ""]]:
    r"""Share of a rank in each term = number of ranks * what counts there / what counts on all.

    :meth:`MotionLoss.rank_shares` gives them with the parts and the reduction of a loss; here both
    are to be repeated. It is :func:`lossbook.rank_share` for the motion losses. In their ``"mean"``
    P, V, A, L and R each divide by a count of their own: of frames, of pairs and triples of them,
    of first frames; for a weight that tells dimensions apart, also part by part. Times the shares,
    the average of the ranks' terms, and of their gradients, is that of one process. A
    ``"batchmean"`` and a ``"sum"`` also divide by the frames, padding included: pad the clips of
    all ranks to one length.

    Every rank of the group must call it, as they exchange some numbers once. Without gradients no
    rank waits for another, and every share is 1.

    Args:
        input: predicted motion of this rank, shape ``(B, T, D)``; only its shape matters.
        parts: as the loss got them.
        weight: as the loss got it.
        lengths: as the loss got them.
        reduction: as the loss has it: of a ``"batchmean"`` the share counts the clips, of a
            ``"sum"`` it is the number of ranks.
        group: ``"world"`` (default), a process group or its name; with None no rank shares.

    Returns:
        From the name of each term, ``"scale_P"`` to ``"exp_R"``, to a scalar.

    Raises:
        TypeError: for other types, or a group that is none.
        ValueError: for shapes or devices that do not fit, an unknown reduction, ``"none"``, or a
            name that no group has.

    Example:
        >>> import torch
        >>> from lossbook.motion import pva_loss
        >>> motion, lengths = torch.ones(2, 80, 265), torch.tensor([80, 64])
        >>> shares = rank_shares(motion, lengths=lengths)
        >>> loss = pva_loss(motion, 0 * motion, lengths=lengths)
        >>> shares = {name: shares[name] for name in loss.terms}  # without L and R
        >>> loss.rescaled(shares).total  # of one process
        tensor(6.)
    """
    check_of_clips(reduction)
    layout = layout_of(parts)
    check_clips(layout, input, None, "zero")
    fitted = None
    if weight is not None or lengths is not None:
        fitted = fit_frames(weight, lengths, input)
    fitted = None if fitted is None else fitted.detach()
    batch, frames = input.shape[:2]
    counts = {"P": _counts(fitted, batch, frames)}
    counts["R"] = counts["P"]
    first = None if fitted is None else fitted[:, :1]
    counts["L"] = _counts(first, batch, min(frames, 1))
    for letter, order in (("V", 1), ("A", 2)):
        fitted = of_both(fitted)
        counts[letter] = _counts(fitted, batch, max(frames - order, 0))
    by_name: dict[str, Tensor | int | None] = {
        f"{name}_{letter}": count
        if isinstance(count, int)
        else count.expand(layout.dimensions)[part.start : part.stop].sum()
        / (part.stop - part.start)
        for letter, count in counts.items()
        for name, part in zip(layout.names, layout.parts, strict=True)
    }
    if reduction != "mean":
        by_name = dict.fromkeys(by_name, batch if reduction == "batchmean" else None)
    return shares_by_name(by_name, input, group)


def _counts(weight: Tensor | None, batch: int, frames: int) -> Tensor | int:
    """What a mean over this many frames divides by: of each dimension, or of all alike."""
    if weight is None:
        return batch * frames
    return weight.sum((0, 1)) * (batch * frames // max(weight.shape[0] * weight.shape[1], 1))
