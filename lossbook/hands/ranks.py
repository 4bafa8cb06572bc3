"""What the terms of a hand's total on one rank count for among those of all ranks."""

from collections.abc import Mapping
from typing import Any

from jaxtyping import Float
from torch import Tensor

from lossbook import checks
from lossbook.calls import weight_by_name
from lossbook.hands.containers import HandPrediction, HandTarget
from lossbook.hands.losses import Weight, keypoint_count
from lossbook.hands.needs import (
    NEEDS,
    TERMS,
    check_of_terms,
    factors_of,
    inputs_of,
    options_of,
)
from lossbook.ranks import Group, shares_by_name
from lossbook.reduction import Reduction, count_of


@weight_by_name
def rank_shares(
    prediction: HandPrediction | Mapping[str, Tensor | None],
    target: HandTarget | Mapping[str, Tensor | None],
    *,
    weight: Weight | Mapping[str, Weight] | None = None,
    root: int | None = 0,
    reduction: Reduction = "sum",
    group: Group = "world",
) -> dict[str, Float[Tensor, ""]]:
    r"""Share of a rank in each term = number of ranks * what counts there / what counts on all.

    :meth:`HandLoss.rank_shares` gives them with the root and the reduction of a loss; here both
    are to be repeated. It is :func:`lossbook.rank_share` for :class:`HandLoss`, each of whose terms
    divides by a count of its own: the 2D and the 3D keypoints by their confidences times the
    weight, without the hands whose hidden root is unknown, the vertices by their weight, prior and
    first stage by the samples. Times the shares, the average of the ranks' terms, and of their
    gradients, is that of one process.

    Every rank of the group must call it, as they exchange five numbers once. A term that a rank
    lacks counts for nothing there, and a rank may be without samples. Without gradients no rank
    waits for another, and every share is 1.

    Args:
        prediction: as the loss gets it; only shapes matter.
        target: as the loss gets it.
        weight: as the loss gets it.
        root: as the loss has it, 0 by default.
        reduction: as the loss has it, ``"sum"`` by default: of that the share is the number of
            ranks.
        group: ``"world"`` (default), a process group or its name; with None no rank shares.

    Returns:
        From the name of each term, ``"2d"`` to ``"aux"``, to a scalar.

    Raises:
        TypeError: for other types, or a group that is none.
        ValueError: for unknown names, shapes or devices that do not fit, ``"none"``, or a name
            that no group has.

    Example:
        >>> import torch
        >>> from lossbook.hands import HandLoss
        >>> known = {"keypoints_3d": torch.zeros(2, 21, 3), "confidence_3d": torch.ones(2, 21)}
        >>> hands = {"keypoints_3d": torch.ones(2, 21, 3), "betas": torch.ones(2, 10)}
        >>> hands["keypoints_3d"][:, 0] = 0
        >>> shares = rank_shares(hands, known, reduction="mean")
        >>> loss = HandLoss({"w_2d": 0.0}, use_aux_loss=False, reduction="mean")(hands, known)
        >>> shares = {name: shares[name] for name in loss.terms}  # of all five
        >>> loss.rescaled(shares).total  # 20/21 + 0.01
        tensor(0.9624)
    """
    check_of_terms(reduction)
    prediction = HandPrediction.of(prediction, "prediction")
    target = HandTarget.of(target, "target")
    counts: dict[str, Tensor | int | None] = dict.fromkeys(TERMS, 0)
    like = None
    for name, factor in factors_of(weight).items():
        inputs = inputs_of(name, prediction, target)
        if any(value is None for value in inputs):
            continue
        checks.floating(**dict(zip(NEEDS[name], inputs, strict=True)))
        like = inputs[0]
        counts[name] = _count(name, inputs, target, factor, root, reduction)
    if like is None:
        needed = "; ".join(f"{name}: {', '.join(fields)}" for name, fields in NEEDS.items())
        raise ValueError(f"no term can be computed, as each lacks inputs; pass those of {needed}")
    if reduction == "sum":
        counts |= dict.fromkeys(("2d", "3d_joint", "3d_vert"))
    return shares_by_name(counts, like, group)


def _count(
    name: str,
    inputs: list[Any],
    target: HandTarget,
    weight: Weight | None,
    root: int | None,
    reduction: str,
) -> Tensor | int:
    """What a term divides by, or as much times a constant."""
    of_samples = inputs[0][:, :1]
    if name in ("prior", "aux"):
        # Means whatever the reduction is.
        return len(of_samples) if weight is None else _weighed(weight, of_samples, "the batch")
    if reduction == "batchmean":
        return len(of_samples)
    if name == "3d_vert":
        vertices = inputs[0]
        return vertices.numel() if weight is None else _weighed(weight, vertices, NEEDS[name][0])
    return keypoint_count(*inputs, weight=weight, **options_of(name, target, root))


def _weighed(weight: Weight, of: Tensor, name: str) -> Tensor:
    return count_of(checks.fit_weight(weight, of, of=name), of)
