"""The kernel of the motion losses: every term from as few passes over the clips as it takes.

Nothing is checked here.
"""

import math
from collections.abc import Mapping, Sequence
from functools import reduce
from typing import NamedTuple

import torch
from torch import Tensor

from lossbook import checks, kernels
from lossbook.masking import cleared, holds_gaps
from lossbook.motion.parts import Layout
from lossbook.terms import LossTerms


class Request(NamedTuple):
    """What to compute, in the dtype to compute in.

    Attributes:
        layout: the parts.
        input: predicted clips, ``(B, T, D)``.
        target: true clips; None leaves out the terms P, V and A.
        cond_frame: the frame that the first is to equal, ``(B, D)``; None leaves out L.
        absolute: the factor of R for each part that has one; none leaves it out.
        only: the parts of L and R.
        dim_weights: shape ``(D,)``.
        weight: of the clips' elements, as many dimensions as they.
        weights: of the letters; None weighs all by 1.
        reduction: over the clips: "mean", "batchmean" or "sum".
    """

    layout: Layout
    input: Tensor
    target: Tensor | None = None
    cond_frame: Tensor | None = None
    absolute: Mapping[str, float] = {}
    only: Sequence[str] = ()
    dim_weights: Tensor | None = None
    weight: Tensor | None = None
    weights: Mapping[str, float] | None = None
    reduction: str = "mean"


def compute(request: Request) -> LossTerms:
    """Compute what is asked for, each term under the weight of its letter.

    What has weight 0 is taken out where it may hold what is not finite: on the CPU from labels that
    hold such, and from the rest only once the total has turned out not to be; elsewhere always.
    """
    factors = [f for f in (request.weight, request.dim_weights) if f is not None]
    # Not bool(): the compiler of torch 2.8 cannot trace it of a list.
    ignored = len(factors) > 0 or any(part.weight == 0 for part in request.layout.parts)
    if ignored:
        learned = any(factor.requires_grad for factor in factors)
        if not learned and checks.readable(request.input, *factors):
            terms = _terms(_without_gaps(request), hide=False)
            loss = _as_loss(terms, request.weights)
            # A monitor is no part of the total, and no less to be kept free of what is masked.
            monitors = 0 in loss.weights.values()
            whole = reduce(torch.add, terms.values()) if monitors else loss.total
            if math.isfinite(whole.detach()):
                return loss
    return _as_loss(_terms(request, hide=ignored), request.weights)


def _without_gaps(request: Request) -> Request:
    """Labels that can be read, without the NaN of what has weight 0; what else has one keeps it."""
    target, frame, weight = request.target, request.cond_frame, request.weight
    if target is not None:
        target = _cleared(target, weight, request)
    if frame is not None:
        frame = _cleared(frame, None if weight is None else weight[:, 0], request)
    return request._replace(target=target, cond_frame=frame)


def _cleared(label: Tensor, weight: Tensor | None, request: Request) -> Tensor:
    if not checks.readable(label) or not holds_gaps(label):
        return label
    unused = hidden_dims(request)
    if unused is not None:
        label = cleared(label, ~unused)
    return label if weight is None else cleared(label, weight.bool())


def hidden_dims(request: Request) -> Tensor | None:
    """Which dimensions count in no term of squares; None for none, as far as that is known."""
    hidden = None if request.dim_weights is None else request.dim_weights == 0
    unused = [part for part in request.layout.parts if part.weight == 0]
    if unused:
        index = torch.arange(request.layout.dimensions, device=request.input.device)
        used = [part for part in request.layout.parts if part.weight != 0]
        counted = [(index >= part.start) & (index < part.stop) for part in used]
        # Of overlapping parts, one that counts is enough.
        seen = reduce(torch.logical_or, counted, torch.zeros_like(index, dtype=torch.bool))
        hidden = ~seen if hidden is None else hidden | ~seen
    return hidden


def _as_loss(terms: dict[str, Tensor], weights: Mapping[str, float] | None) -> LossTerms:
    if weights is None:
        return LossTerms._trusted(terms, dict.fromkeys(terms, 1.0))
    return LossTerms._trusted(terms, {name: weights[name[-1]] for name in terms})


def _terms(request: Request, hide: bool) -> dict[str, Tensor]:
    layout, input, weight = request.layout, request.input, request.weight
    reduction = request.reduction
    absent = weight == 0 if hide and weight is not None else None
    unused = hidden_dims(request) if hide else None
    pieces: dict[str, list[Tensor]] = {}
    if request.target is not None:
        error = _without(input - request.target, absent, unused)
        for letter in "PVA":
            whole = letter == "P" and absent is None and unused is None
            # torch's own, whose gradient is one pass; where nothing has to be hidden from it.
            squares = (
                kernels.squared(request.input, request.target, "none") if whole else error * error
            )
            pieces[letter] = _by_part(squares, weight, layout, request.dim_weights, reduction)
            if letter != "A":
                # The difference of the errors is the error of the differences.
                error, weight = error[:, 1:] - error[:, :-1], of_both(weight)
    first = slice(0, 1)
    if request.cond_frame is not None:
        start = None if absent is None else absent[:, first]
        error = _without(input[:, first] - request.cond_frame[:, None], start, unused)
        weight = None if request.weight is None else request.weight[:, first]
        pieces["L"] = _by_part(error * error, weight, layout, request.dim_weights, reduction)
    if request.absolute:
        size = _without(input, absent, None).abs()
        pieces["R"] = _by_part(size, request.weight, layout, None, reduction)

    terms: dict[str, Tensor] = {}
    for index, (name, part) in enumerate(zip(layout.names, layout.parts, strict=True)):
        for letter in "PVA":
            if letter in pieces:
                terms[f"{name}_{letter}"] = _times(pieces[letter][index], part.weight)
        if "L" in pieces and name in request.only:
            terms[f"{name}_L"] = _times(pieces["L"][index], part.weight)
        if "R" in pieces and name in request.absolute:
            terms[f"{name}_R"] = _times(pieces["R"][index], request.absolute[name])
    return terms


def _without(values: Tensor, absent: Tensor | None, unused: Tensor | None) -> Tensor:
    """The values with 0 for what does not count."""
    if unused is not None:
        absent = unused if absent is None else absent | unused
    return values if absent is None else values.masked_fill(absent, 0)


def of_both(weight: Tensor | None) -> Tensor | None:
    """The weight of a difference: the smaller one of its two frames."""
    if weight is None or weight.shape[1] == 1:
        return weight
    return torch.minimum(weight[:, 1:], weight[:, :-1])


def _times(term: Tensor, factor: float) -> Tensor:
    """As for the weights of a total: a product by 1 is spared, unless it would be a new graph."""
    if torch.compiler.is_compiling() or factor != 1:
        return term * factor
    return term


def _by_part(
    losses: Tensor,
    weight: Tensor | None,
    layout: Layout,
    dim_weights: Tensor | None,
    reduction: str,
) -> list[Tensor]:
    """The (weighted) mean of each part, in the order of the layout."""
    if weight is not None:
        losses = losses * weight
    # Over the frames first: a clip fits the cache, and the compiler makes long vectors of it.
    sums = losses.sum(1).sum(0)
    if dim_weights is not None:
        sums = sums * dim_weights
    if weight is None or reduction != "mean":
        # Of each clip the mean over all of its frames, whatever they weigh.
        clips = 1 if reduction == "sum" else losses.shape[0]
        return [p.mean() for p in _cut(sums / max(clips * losses.shape[1], 1), layout)]
    frames = losses.shape[0] * losses.shape[1] // max(weight.shape[0] * weight.shape[1], 1)
    counts = weight.sum((0, 1)) * frames
    if counts.shape[0] == 1:
        return [piece.mean() for piece in _cut(sums / counts.where(counts != 0, 1), layout)]
    found = []
    for piece, of_piece in zip(_cut(sums, layout), _cut(counts, layout), strict=True):
        count = of_piece.sum()
        found.append(piece.sum() / count.where(count != 0, 1))
    return found


def _cut(columns: Tensor, layout: Layout) -> list[Tensor]:
    """The columns of each part.

    The gradient of a split is put together once. That of slices the compiler would work out again
    for every element of the clips.
    """
    if layout.sizes:
        pieces = columns.split_with_sizes(layout.sizes)
        return [pieces[place] for place in layout.places]
    return [columns[part.start : part.stop] for part in layout.parts]
