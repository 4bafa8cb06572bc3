"""What the motion losses ask of their clips."""

from __future__ import annotations

from pathlib import PurePath
from typing import Any, Literal, get_args

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from lossbook import checks
from lossbook.motion.parts import DITTO_PARTS, Layout

Clips = Float[Tensor, "batch frames dims"]
Weight = Float[Tensor, "..."] | Bool[Tensor, "..."]
ShortClips = Literal["error", "zero"]


def check_short_clips(short_clips: str) -> None:
    """Check the name of what becomes of short clips.

    Raises:
        ValueError: with the known ones.
    """
    if short_clips not in get_args(ShortClips):
        raise ValueError(
            f"short_clips must be one of {', '.join(get_args(ShortClips))}; got {short_clips!r}"
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
    checks.floating(cond_frame=cond_frame)

    def advise(name: str, shape: tuple[int, ...]) -> str:
        return f"pass {name}[:, 0]" if len(shape) == 3 and shape[2] == layout.dimensions else ""

    def fits(shape: tuple[int, ...]) -> bool:
        return len(shape) == 2 and shape[1] == layout.dimensions

    if not fits(tuple(cond_frame.shape)):
        checks.shape(f"(B, {layout.dimensions})", fits, advise, cond_frame=cond_frame)
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
