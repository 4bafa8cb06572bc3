"""Cosines with many negatives, without a copy of them. Nothing is checked here.

A cosine is the dot product with the raw negative over the negative's length: of the negatives there
is never a normalised copy. In eager mode the gradient is worked out by hand, a tile at a time, so
that beside the negatives (and their own gradient, if they have one) there is only one number for
each pair, or with :func:`log_sum_exp` not even that. Where torch traces or transforms, the same
formula in plain operations lets it do so.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from lossbook import checks

# The smallest normal numbers, written out: what is shorter has no direction.
_TINY = {torch.float32: 1.1754943508222875e-38, torch.float64: 2.2250738585072014e-308}
# Lengths whose squares neither overflow nor lose digits in float32.
_SHORT, _LONG = 1e-15, 1e15
# Numbers of a tile at least, and the share of all negatives that it is otherwise.
_TILE, _SHARE = 1 << 18, 16


def unit(vectors: Tensor) -> Tensor:
    """Vectors over their lengths, for any length; 0, with a gradient of 0, for a zero vector."""
    if checks.readable(vectors) and vectors.numel():
        length = torch.linalg.vector_norm(vectors, dim=-1, keepdim=True)
        if _is_plain(length.detach()):
            over: Tensor = vectors / length
            return over
    scale = torch.linalg.vector_norm(vectors.detach(), torch.inf, dim=-1, keepdim=True)
    # Not >=, so that a NaN stays one.
    has_none = scale < _TINY[vectors.dtype]
    scaled = vectors / scale.masked_fill(has_none, 1)
    scaled = scaled.masked_fill(has_none, 0)
    length = torch.linalg.vector_norm(scaled.masked_fill(has_none, 1), dim=-1, keepdim=True)
    found: Tensor = scaled / length
    return found


def length(vectors: Tensor) -> Tensor:
    """The length of vectors, where its square would overflow too; its gradient at 0 is 0."""
    scale = torch.linalg.vector_norm(vectors.detach(), torch.inf, dim=-1, keepdim=True)
    has_none = scale < _TINY[vectors.dtype]
    scaled = (vectors / scale.masked_fill(has_none, 1)).masked_fill(has_none, 0)
    norm = torch.linalg.vector_norm(scaled.masked_fill(has_none, 1), dim=-1, keepdim=True)
    found: Tensor = (norm * scale).masked_fill(has_none, 0).squeeze(-1)
    return found


def cosine(first: Tensor, second: Tensor) -> Tensor:
    """The cosine of each pair of vectors; 0, with a gradient of 0, where one is a zero vector."""
    return (unit(first) * unit(second)).sum(-1)


def cosines(units: Tensor, negatives: Tensor, present: Tensor | None = None) -> Tensor:
    """The cosine of each unit vector with each of its negatives, shape ``(B, K)``.

    Args:
        units: of length 1 or 0, shape ``(B, D)``, float32 or float64.
        negatives: of any length, shape ``(B, K, D)`` or ``(K, D)``, also of half precision.
        present: which samples count, shape ``(B, 1)``; the others' cosines are 0.
    """
    if checks.traced(units, negatives):
        return _traced(units, negatives, present)
    if not (torch.is_grad_enabled() and (units.requires_grad or negatives.requires_grad)):
        return _compare(units, negatives, present)[0]
    inverse = None if negatives.requires_grad else _inverse_lengths(units, negatives, present)
    if inverse is not None:
        # Torch's own gradient needs no more memory either, as it is the units' alone.
        dots = _dots(units, negatives) * inverse
        return dots if present is None else dots.masked_fill(~present, 0)
    found: Tensor = _Cosines.apply(units, negatives, present)  # type: ignore[no-untyped-call]
    return found


def log_sum_exp(
    units: Tensor,
    negatives: Tensor,
    temperature: float,
    *,
    tile: int | None = None,
    present: Tensor | None = None,
) -> Tensor:
    """The logarithm of the sum of exp(cosine / temperature) over the negatives, shape ``(B,)``.

    Args:
        units: as for :func:`cosines`.
        negatives: as for :func:`cosines`.
        temperature: above 0.
        tile: negatives that are held at a time; None for all.
        present: as for :func:`cosines`.
    """
    if tile is None or checks.traced(units, negatives):
        return (cosines(units, negatives, present) / temperature).logsumexp(-1)
    found: Tensor = _LogSumExp.apply(  # type: ignore[no-untyped-call]
        units, negatives, present, temperature, tile
    )
    return found


def hardest(units: Tensor, negatives: Tensor) -> Tensor:
    """Which negative has the largest cosine with each unit vector, shape ``(B,)``.

    Only that one has a gradient, so the loss goes on with that one alone.
    """
    with torch.no_grad():
        return cosines(units, negatives).argmax(-1)


def pick(negatives: Tensor, index: Tensor) -> Tensor:
    """One negative for each sample."""
    if negatives.requires_grad and torch.is_grad_enabled() and not checks.traced(negatives, index):
        found: Tensor = _Pick.apply(negatives, index)  # type: ignore[no-untyped-call]
        return found
    return negatives[_place(negatives, index)]


def _place(negatives: Tensor, index: Tensor) -> tuple[Tensor, ...]:
    if negatives.ndim == 2:
        return (index,)
    return torch.arange(negatives.shape[0], device=index.device), index


def _is_plain(lengths: Tensor) -> bool:
    """Whether squares of these readable lengths are neither too large nor too small."""
    low, high = lengths.aminmax()
    return low.item() > _SHORT and high.item() < _LONG


def _dots(units: Tensor, negatives: Tensor) -> Tensor:
    if negatives.ndim == 2:
        return units @ negatives.mT
    # Not negatives times a column, which takes ten times as long on a CPU.
    return torch.bmm(units.unsqueeze(1), negatives.mT).squeeze(1)


def _traced(units: Tensor, negatives: Tensor, present: Tensor | None) -> Tensor:
    """The cosines in operations that torch can trace, transform and differentiate twice."""
    if present is not None and negatives.ndim == 3:
        negatives = negatives.masked_fill(~present[..., None], 0)
    dots = _dots(units, unit(negatives.to(units.dtype)))
    return dots if present is None else dots.masked_fill(~present, 0)


def _compare(units: Tensor, negatives: Tensor, present: Tensor | None) -> tuple[Tensor, Tensor]:
    """The cosines, and one over the lengths of the negatives, 0 for a zero vector."""
    quick = _inverse_lengths(units, negatives, present)
    if quick is not None:
        found = _dots(units, negatives).mul_(quick)
        return found if present is None else found.masked_fill(~present, 0), quick
    # Scaled, so that no square overflows, in tiles, so that the scaled ones are few.
    found_in, inverse_in = [], []
    for of_units, tile in _tiles(units, negatives):
        wide = tile.to(units.dtype)
        scale = torch.linalg.vector_norm(wide, torch.inf, dim=-1)
        has_none = scale < _TINY[units.dtype]
        wide = wide / scale.masked_fill(has_none, 1).unsqueeze(-1)
        of_scaled = torch.linalg.vector_norm(wide, dim=-1)
        over = (1 / of_scaled).masked_fill(has_none, 0)
        found_in.append(_dots(of_units, wide) * over)
        inverse_in.append((over / scale).masked_fill(has_none, 0))
    found, inverse = _joined(units, negatives, found_in), _joined(units, negatives, inverse_in)
    inverse = inverse.view(negatives.shape[:-1])
    if present is not None:
        found = found.masked_fill(~present, 0)
        inverse = inverse if negatives.ndim == 2 else inverse.masked_fill(~present, 0)
    return found, inverse


def _inverse_lengths(units: Tensor, negatives: Tensor, present: Tensor | None) -> Tensor | None:
    """One over the lengths of negatives that may be read and need no scaling, else None."""
    is_one_dtype = negatives.dtype is units.dtype
    if not (is_one_dtype and negatives.numel() and checks.readable(units, negatives)):
        return None
    lengths = torch.linalg.vector_norm(negatives, dim=-1)
    if present is not None and negatives.ndim == 3:
        lengths = lengths.masked_fill(~present, 1)
    if not _is_plain(lengths):
        return None
    inverse: Tensor = lengths.reciprocal()
    if present is not None and negatives.ndim == 3:
        inverse = inverse.masked_fill(~present, 0)
    return inverse


def _steps(negatives: Tensor) -> tuple[int, int]:
    """How many samples and negatives a tile has."""
    most = max(_TILE, negatives.numel() // _SHARE)
    count, dims = negatives.shape[-2:]
    rows = max(1, most // max(dims, 1))
    if negatives.ndim == 2 or rows < count:
        return 1, min(rows, max(count, 1))
    return max(1, rows // max(count, 1)), max(count, 1)


def _split(tensor: Tensor, size: int, dim: int = 0) -> tuple[Tensor, ...]:
    return torch.split(tensor, size, dim)


def _tiles(units: Tensor, negatives: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    samples, rows = _steps(negatives)
    if negatives.ndim == 2:
        for tile in _split(negatives, rows):
            yield units, tile
        return
    for of_units, of_negatives in zip(
        _split(units, samples), _split(negatives, samples), strict=True
    ):
        for tile in _split(of_negatives, rows, 1):
            yield of_units, tile


def _joined(units: Tensor, negatives: Tensor, parts: list[Tensor]) -> Tensor:
    if len(parts) == 1:
        return parts[0]
    if negatives.ndim == 2:
        return torch.cat(parts, -1)
    across = -(-negatives.shape[1] // _steps(negatives)[1])
    rows = [torch.cat(parts[i : i + across], 1) for i in range(0, len(parts), across)]
    return torch.cat(rows)


def _pull(units: Tensor, negatives: Tensor, factors: Tensor, present: Tensor | None) -> Tensor:
    """The sum of the negatives, each times its factor, shape ``(B, D)``: the gradient of units."""
    total = torch.zeros_like(units)
    if negatives.dtype is units.dtype:
        total = _weigh(factors, negatives)
    elif negatives.ndim == 2:
        rows = _steps(negatives)[1]
        for share, tile in zip(_split(factors, rows, 1), _split(negatives, rows), strict=True):
            total += _weigh(share, tile.to(units.dtype))
    else:
        samples, rows = _steps(negatives)
        parts = (_split(values, samples) for values in (total, factors, negatives))
        for of_total, of_factors, of_negatives in zip(*parts, strict=True):
            pairs = zip(_split(of_factors, rows, 1), _split(of_negatives, rows, 1), strict=True)
            for share, tile in pairs:
                of_total += _weigh(share, tile.to(units.dtype))
    return total if present is None else total.masked_fill(~present, 0)


def _weigh(factors: Tensor, negatives: Tensor) -> Tensor:
    if negatives.ndim == 2:
        return factors @ negatives
    return torch.bmm(factors.unsqueeze(1), negatives).squeeze(1)


def _push(
    units: Tensor,
    negatives: Tensor,
    found: Tensor,
    inverse: Tensor,
    gradient: Tensor,
    present: Tensor | None,
    out: Tensor,
) -> None:
    """Write the gradient of the negatives: what is left of the units beside each of them."""
    if negatives.ndim == 2:
        along = (gradient * found).sum(0)
        rows = _steps(negatives)[1]
        for i in range(0, negatives.shape[0], rows):
            cut = slice(i, i + rows)
            over = inverse[cut, None]
            tile = (negatives[cut] * over).mul_(-along[cut, None])
            tile.addmm_(gradient[:, cut].mT, units).mul_(over)
            out[cut] = tile
        return
    samples, rows = _steps(negatives)
    for i in range(0, negatives.shape[0], samples):
        some = slice(i, i + samples)
        for j in range(0, negatives.shape[1], rows):
            pairs = (some, slice(j, j + rows))
            over = inverse[pairs].unsqueeze(-1)
            tile = (negatives[pairs] * over).mul_(-found[pairs].unsqueeze(-1))
            tile += units[some, None]
            tile *= over * gradient[pairs].unsqueeze(-1)
            if present is not None:
                tile.masked_fill_(~present[some].unsqueeze(-1), 0)
            out[pairs] = tile


class _Pick(torch.autograd.Function):
    """:func:`pick`, whose gradient torch would write into a second copy of all negatives."""

    @staticmethod
    def forward(ctx: Any, negatives: Tensor, index: Tensor) -> Tensor:
        ctx.save_for_backward(negatives, index)
        return negatives[_place(negatives, index)]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        negatives, index = ctx.saved_tensors
        place = _place(negatives, index)
        if torch.is_grad_enabled():
            return torch.zeros_like(negatives).index_put(place, gradient, accumulate=True), None
        return torch.zeros_like(negatives).index_put_(place, gradient, accumulate=True), None


class _Cosines(torch.autograd.Function):
    """:func:`cosines`, which keeps one number for each pair and nothing of the negatives' size."""

    @staticmethod
    def forward(ctx: Any, units: Tensor, negatives: Tensor, present: Tensor | None) -> Tensor:
        found, inverse = _compare(units, negatives, present)
        ctx.save_for_backward(units, negatives, found, inverse)
        ctx.present = present
        return found

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        units, negatives, found, inverse = ctx.saved_tensors
        if torch.is_grad_enabled():
            return *_again(ctx, gradient, lambda: _traced(units, negatives, ctx.present)), None
        with torch.autocast(units.device.type, enabled=False):
            if ctx.present is not None:
                gradient = gradient.masked_fill(~ctx.present, 0)
            of_units = of_negatives = None
            if ctx.needs_input_grad[0]:
                of_units = _pull(units, negatives, gradient * inverse, ctx.present)
            if ctx.needs_input_grad[1]:
                of_negatives = torch.empty_like(negatives)
                _push(units, negatives, found, inverse, gradient, ctx.present, of_negatives)
            return of_units, of_negatives, None


class _LogSumExp(torch.autograd.Function):
    """:func:`log_sum_exp`, which keeps one number a sample and works the cosines out again."""

    @staticmethod
    def forward(
        ctx: Any,
        units: Tensor,
        negatives: Tensor,
        present: Tensor | None,
        temperature: float,
        tile: int,
    ) -> Tensor:
        total: Tensor | None = None
        for of_negatives in _split(negatives, tile, -2):
            found, _ = _compare(units, of_negatives, present)
            part = (found / temperature).logsumexp(-1)
            total = part if total is None else torch.logaddexp(total, part)
        assert total is not None
        ctx.save_for_backward(units, negatives, total)
        ctx.present, ctx.temperature, ctx.tile = present, temperature, tile
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        units, negatives, total = ctx.saved_tensors
        present, temperature = ctx.present, ctx.temperature

        def whole() -> Tensor:
            logits: Tensor = _traced(units, negatives, present) / temperature
            return logits.logsumexp(-1)

        if torch.is_grad_enabled():
            return *_again(ctx, gradient, whole), None, None, None
        if present is not None:
            gradient = gradient.masked_fill(~present[:, 0], 0)
        of_units = torch.zeros_like(units) if ctx.needs_input_grad[0] else None
        of_negatives = torch.empty_like(negatives) if ctx.needs_input_grad[1] else None
        with torch.autocast(units.device.type, enabled=False):
            for i in range(0, negatives.shape[-2], ctx.tile):
                cut = negatives.narrow(-2, i, min(ctx.tile, negatives.shape[-2] - i))
                found, inverse = _compare(units, cut, present)
                share = (found / temperature - total[:, None]).exp_()
                share *= gradient[:, None] / temperature
                if of_units is not None:
                    of_units += _pull(units, cut, share * inverse, present)
                if of_negatives is not None:
                    out = of_negatives.narrow(-2, i, cut.shape[-2])
                    _push(units, cut, found, inverse, share, present, out)
        return of_units, of_negatives, None, None, None


def _again(ctx: Any, gradient: Tensor, compute: Any) -> tuple[Tensor | None, Tensor | None]:
    """Both gradients with a graph of their own, for who differentiates twice."""
    wanted = [
        tensor
        for tensor, needed in zip(ctx.saved_tensors[:2], ctx.needs_input_grad[:2], strict=True)
        if needed
    ]
    with torch.autocast(gradient.device.type, enabled=False):
        found = iter(torch.autograd.grad(compute(), wanted, gradient, create_graph=True))
    of_units, of_negatives = (
        next(found) if needed else None for needed in ctx.needs_input_grad[:2]
    )
    return of_units, of_negatives
