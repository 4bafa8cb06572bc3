"""What the motion losses ask of their clips."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any, Literal, get_args

import torch
from jaxtyping import Bool, Float, Integer
from torch import Tensor

from lossbook import checks
from lossbook.motion.parts import DITTO_PARTS, Layout
from lossbook.reduction import check_reduction

Clips = Float[Tensor, "batch frames dims"]
Weight = Float[Tensor, "..."] | Bool[Tensor, "..."]
Lengths = Integer[Tensor, " batch"]
ShortClips = Literal["error", "zero"]
OfClips = Literal["mean", "batchmean", "sum"]


def check_short_clips(short_clips: str) -> None:
    """Check the name of what becomes of short clips.

    Raises:
        ValueError: with the known ones.
    """
    if short_clips not in get_args(ShortClips):
        raise ValueError(
            f"short_clips must be one of {', '.join(get_args(ShortClips))}; got {short_clips!r}"
        )


def check_of_clips(reduction: str) -> None:
    """Check the name of a reduction over clips.

    Raises:
        ValueError: for an unknown one, or ``"none"``.
    """
    check_reduction(reduction)
    if reduction == "none":
        raise ValueError(
            f"reduction must be {', '.join(get_args(OfClips)[:-1])} or sum: the terms are scalars, "
            f"got 'none'; clips are weighed by weight=, of shape (B,)"
        )


def fit_frames(weight: Any, lengths: Any, input: Tensor) -> Tensor | None:
    """The weight of clips, frames or elements, 0 behind the end of each clip.

    Raises:
        TypeError: for anything but a floating-point or boolean weight, and integer lengths.
        ValueError: for a shape or device that does not fit.
    """
    fitted = None
    if weight is not None:
        _refuse_others(weight)
        if isinstance(weight, Tensor) and not checks._fits(weight.shape, input.shape):
            own, other = tuple(weight.shape[:2]), tuple(input.shape[:2])
            if own == other[::-1]:
                raise ValueError(
                    f"weight must have the shape of input {tuple(input.shape)} or a leading part "
                    f"of it, got {tuple(weight.shape)}; if the clips are (T, B, D), transpose "
                    f"input and target by .transpose(0, 1); if only the weight is transposed, pass "
                    f"weight.transpose(0, 1)"
                )
        fitted = checks.fit_weight(weight, input)
    if lengths is None:
        return fitted
    there = within(lengths, input)[..., None]
    if fitted is None:
        return there.to(checks.working_dtype(input.dtype))
    return fitted.masked_fill(~there, 0)


def within(lengths: Any, input: Tensor) -> Bool[Tensor, "batch frames"]:
    """Which frames are no padding.

    Raises:
        TypeError: for anything but integers.
        ValueError: for a shape or device that does not fit, or, where values can be read at once, a
            length above the frames that there are.
    """
    if not isinstance(lengths, Tensor):
        raise TypeError(checks._not_a_tensor("lengths", lengths))
    if lengths.dtype is torch.bool:
        raise TypeError("lengths must be integers, got torch.bool; pass a mask as weight=")
    if lengths.is_floating_point() or lengths.is_complex():
        raise TypeError(
            f"lengths must be integers, the frames of each clip, got {lengths.dtype}; convert them "
            f"with lengths.long()"
        )
    batch, frames = input.shape[:2]
    if lengths.ndim != 1 or lengths.shape[0] != batch:
        fix = "; pass lengths.flatten()" if lengths.numel() == batch else ""
        raise ValueError(
            f"lengths must have shape (B,), here ({batch},), got {tuple(lengths.shape)}{fix}"
        )
    if lengths.device != input.device:
        raise ValueError(
            f"lengths must be on the device of input: lengths is on {lengths.device}, input on "
            f"{input.device}; move it with lengths.to(input.device)"
        )
    if checks.readable(lengths) and batch and int(lengths.max()) > frames:
        raise ValueError(
            f"lengths must lie from 0 to the {frames} frames, found {int(lengths.max())}; if clips "
            f"were cropped after their lengths were taken, pass lengths.clamp(max={frames})"
        )
    return torch.arange(frames, device=input.device) < lengths[:, None]


def _refuse_others(weight: Any) -> None:
    """Say where weights by name and lengths belong."""
    if isinstance(weight, Mapping):
        raise TypeError(
            f"weight must be a torch.Tensor, got {type(weight).__name__} with the keys "
            f"{', '.join(map(str, weight))}; weights of P, V, A, L and R go to "
            f"MotionLoss(weights=...), those of parts to parts="
        )
    whole = isinstance(weight, Tensor) and not weight.is_floating_point()
    if whole and weight.ndim == 1 and weight.dtype is not torch.bool:
        raise TypeError(
            f"weight must be a floating-point or boolean tensor, got {weight.dtype}; the lengths "
            f"of clips go to lengths=, a count becomes a weight by weight.float()"
        )


def _refuse_parts(layout: Layout, clips: Mapping[str, Any]) -> None:
    """Say how clips become one tensor that came part by part."""
    for name, value in clips.items():
        if isinstance(value, Mapping) and set(layout.names) <= set(value):
            order = sorted(layout.names, key=lambda n: layout.parts[layout.names.index(n)].start)
            raise TypeError(
                f"{name} must be one torch.Tensor of all parts, got {type(value).__name__} with "
                f"the keys {', '.join(map(str, value))}; join them with "
                f"torch.cat([{name}[part] for part in {order}], -1)"
            )


def check_clips(
    layout: Layout, input: Tensor, target: Tensor | None, short_clips: str
) -> torch.dtype:
    """Check clips, and that there are enough frames for what is made of two of them.

    Returns:
        The dtype of a result in their shape.

    Raises:
        TypeError: for anything but floating-point tensors, or float64 beside a narrower dtype.
        ValueError: for shapes or devices that do not fit, or clips that are too short.
    """
    check_short_clips(short_clips)
    given = (input,) if target is None else (input, target)
    fits = checks.alike(*given) and all(
        clips.ndim == 3
        and clips.shape == input.shape
        and clips.shape[2] == layout.dimensions
        and clips.shape[1] > 0
        for clips in given
    )
    dtype = input.dtype if fits else _check_shapes(layout, input, target)
    if target is not None and short_clips == "error" and input.shape[1] < 3:
        raise ValueError(
            f"input must have at least 3 frames, as an acceleration is made of 3, got "
            f"{tuple(input.shape)}; leave such clips out, or pass short_clips='zero' for terms of 0"
        )
    return dtype


def _check_shapes(layout: Layout, input: Tensor, target: Tensor | None) -> torch.dtype:
    named = {"input": input} if target is None else {"input": input, "target": target}
    _refuse_parts(layout, named)
    checks.floating(**named)

    def fits(shape: tuple[int, ...]) -> bool:
        return len(shape) == 3 and shape[1] > 0 and shape[2] == layout.dimensions

    def advise(name: str, shape: tuple[int, ...]) -> str:
        if len(shape) == 3 and shape[1] == layout.dimensions:
            return f"transpose it with {name}.mT"
        if len(shape) == 3 and shape[1] > 0:
            ditto = "those of Ditto" if layout is DITTO_PARTS.layout else "these"
            return f"the parts, {ditto}, have {layout.dimensions} dimensions; pass others as parts="
        return ""

    if not all(fits(tuple(clips.shape)) for clips in named.values()):
        checks.shape(f"(B, T, {layout.dimensions})", fits, advise, **named)
    checks.same_shape(**named)
    return checks.same_dtype(**named)


def check_cond_frame(layout: Layout, input: Tensor, cond_frame: Tensor) -> None:
    """Check the frame that the first predicted one is compared with.

    Raises:
        TypeError: for anything but a floating-point tensor, or float64 beside a narrower dtype.
        ValueError: for a shape or device that does not fit.
    """
    if (
        checks.alike(input, cond_frame)
        and cond_frame.ndim == 2
        and cond_frame.shape[0] == input.shape[0]
        and cond_frame.shape[1] == layout.dimensions
    ):
        return
    refuse_mask(layout, input, cond_frame)
    _refuse_parts(layout, {"cond_frame": cond_frame})
    checks.floating(cond_frame=cond_frame)

    def advise(name: str, shape: tuple[int, ...]) -> str:
        if len(shape) != 3 or shape[2] != layout.dimensions:
            return ""
        if shape[1] == 1:
            return f"pass {name}[:, 0]"
        return (
            f"it is the one frame before each clip, no frame of target; cut the clips a frame "
            f"longer, and of these pass clips[:, 0] as {name}, clips[:, 1:] as target"
        )

    def fits(shape: tuple[int, ...]) -> bool:
        return len(shape) == 2 and shape[1] == layout.dimensions

    if not fits(tuple(cond_frame.shape)):
        checks.shape(f"(B, {layout.dimensions})", fits, advise, cond_frame=cond_frame)
    if input.shape[0] != cond_frame.shape[0] == input.shape[1]:
        raise ValueError(
            f"input must have shape (B, T, {layout.dimensions}) with the batch of cond_frame, got "
            f"input {tuple(input.shape)}, cond_frame {tuple(cond_frame.shape)}; it looks like "
            f"(T, B, D), pass input.transpose(0, 1), and a target alike"
        )
    checks.same_batch(input=input, cond_frame=cond_frame)
    checks.same_dtype(input=input, cond_frame=cond_frame)


def refuse_mask(layout: Layout, input: Tensor, cond_frame: Any) -> None:
    """Say ``weight=`` of a mask that came in the place of a frame.

    Raises:
        TypeError: for a mask.
    """
    if not isinstance(cond_frame, Tensor):
        return
    shape, frames = cond_frame.shape, input.shape[:2]
    of_frames = shape in (frames, (*frames, 1)) and shape[-1] != layout.dimensions
    if cond_frame.dtype is torch.bool or of_frames:
        raise TypeError(
            f"cond_frame must be a frame, (B, {layout.dimensions}), got what looks like a mask, "
            f"{cond_frame.dtype} of shape {tuple(shape)}; pass it as weight="
        )


def fit_dim_weights(layout: Layout, input: Tensor, dim_weights: Tensor | None) -> Tensor | None:
    """Check weights of dimensions, and bring them into the dtype that ``input`` is computed in.

    Raises:
        TypeError: for anything but a floating-point tensor.
        ValueError: for a shape or device that does not fit.
    """
    if dim_weights is None:
        return None
    check_dim_weights(layout, dim_weights)
    if dim_weights.device != input.device:
        raise ValueError(
            f"dim_weights must be on the device of input: dim_weights is on {dim_weights.device}, "
            f"input on {input.device}; move it with dim_weights.to(input.device)"
        )
    return dim_weights.to(checks.working_dtype(input.dtype))


def check_dim_weights(layout: Layout, dim_weights: Any) -> None:
    """Check that there is one weight a dimension.

    Raises:
        TypeError: for anything but a floating-point tensor.
        ValueError: for another shape.
    """
    if isinstance(dim_weights, (str, PurePath)):
        raise TypeError(
            f"dim_weights must be a torch.Tensor, got {type(dim_weights).__name__}; of a file pass "
            f"load_dim_weights(path)"
        )
    checks.floating(dim_weights=dim_weights)
    expected = (layout.dimensions,)
    # No text of a size before an error is certain: the compiler cannot make it of a symbol.
    if dim_weights.shape == expected:
        return

    def advise(name: str, shape: tuple[int, ...]) -> str:
        return f"pass {name}.flatten()" if shape in ((1, *expected), (1, 1, *expected)) else ""

    checks.shape(
        f"({layout.dimensions},)", lambda shape: shape == expected, advise, dim_weights=dim_weights
    )
