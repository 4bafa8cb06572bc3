"""How a motion is scored: distance, trembling, the jump at its start, the error by frequency."""

import math
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from lossbook import checks
from lossbook.calls import weight_by_name
from lossbook.motion.shapes import Lengths, within
from lossbook.motion.values import look_at_frame, look_at_lengths
from lossbook.reduction import widened
from lossbook.scoring import Weight, check_points, point_weight, visible_mean
from lossbook.scoring import lengths as norms


class MotionMetrics(NamedTuple):
    """What :func:`motion_metrics` returns, one row a clip.

    Attributes:
        position_error: root mean square of the error, shape ``(B,)``, in the unit of the motion.
        jitter: mean size of the third difference of the prediction times fps³, shape ``(B,)``, in
            the unit of the motion a second cubed.
        jitter_target: the same of the true motion: what the prediction should have.
        first_frame_jump: root mean square of the step from ``cond_frame`` to the first predicted
            frame, shape ``(B,)``, in the unit of the motion; None without ``cond_frame``.
        first_frame_jump_target: the same step to the true first frame.
        frequencies: shape ``(F,)``, from 0 to fps / 2.
        spectrum: power of the error at these frequencies, shape ``(B, F)``, in the squared unit.
            It adds up to the square of ``position_error``.
    """

    position_error: Tensor
    jitter: Tensor
    jitter_target: Tensor
    first_frame_jump: Tensor | None
    first_frame_jump_target: Tensor | None
    frequencies: Tensor
    spectrum: Tensor


@weight_by_name
def motion_metrics(
    input: Float[Tensor, "batch frames dims"],
    target: Float[Tensor, "batch frames dims"],
    *,
    cond_frame: Float[Tensor, "batch dims"] | None = None,
    fps: float = 1.0,
    weight: Weight | None = None,
    lengths: Lengths | None = None,
) -> MotionMetrics:
    r"""Score each clip: position error, jitter, first-frame jump, spectrum of the error.

    .. math::
        \text{position} = \sqrt{\operatorname{mean}_{t,d} e_{td}^2} \qquad
        \text{jitter} = f^3 \operatorname{mean}_{t,d} \lvert x_{t+3} - 3 x_{t+2} + 3 x_{t+1} - x_t
        \rvert

    .. math::
        S_k = \operatorname{mean}_d \frac{c_k}{T^2} \Bigl\lvert \sum_t e_{td}\, \mathrm e^{-2\pi
        \mathrm i k t / T} \Bigr\rvert^2 \qquad \sum_k S_k = \text{position}^2

    with the error :math:`e = \text{input} - \text{target}`, :math:`f` the frames a second, and
    :math:`c_k` 2, or 1 where a frequency has no mirror image. All dimensions count alike: pass
    dimensions of one unit, such as the angles alone.

    Args:
        input: predicted motion, shape ``(B, T, D)``.
        target: true motion, same shape and unit.
        cond_frame: the frame before the clip, shape ``(B, D)``.
        fps: frames a second; 1 measures time in frames.
        weight: mask of what is no padding, or another weight, boolean or at least 0; shape
            ``(B,)``, ``(B, T)``, ``(B, T, 1)`` or ``(1, T)``. What has weight 0 contributes
            nothing, NaN included; a jerk with such a frame does not count. The spectrum is
            that of the frames that are left, filled up with zeros: exact for padding at an end,
            smeared by holes in the middle.
        lengths: in place of a mask, or beside a weight, the number of frames of each padded clip,
            integers of shape ``(B,)``.

    Returns:
        See :class:`MotionMetrics`; float32 for half precision. NaN stands where nothing could be
        measured: the jitter of fewer than four frames, a jump to a masked frame, a clip without a
        frame, or with NaN.

    Raises:
        TypeError: for integer tensors, tensors mixed with float64, or an ``fps`` that is no number.
        ValueError: for other or different shapes, a weight that does not fit, or an ``fps`` that is
            not positive.

    Example:
        >>> import torch
        >>> target = torch.zeros(1, 20, 3)
        >>> trembling = 0.5 * (-1.0) ** torch.arange(20)[None, :, None].expand(1, 20, 3)
        >>> found = motion_metrics(trembling, target, cond_frame=torch.zeros(1, 3), fps=25.0)
        >>> found.position_error, found.first_frame_jump
        (tensor([0.5000]), tensor([0.5000]))
        >>> found.jitter / 25**3  # 0.5 * (1 + 3 + 3 + 1)
        tensor([4.])
        >>> found.frequencies[-1], found.spectrum[0, -1]  # all of it at half the frame rate
        (tensor(12.5000), tensor(0.2500))

    References:
        Jitter as in Yi et al., *Physical Inertial Poser*, CVPR 2022, arXiv:2203.08528.
    """
    dtype = _check(input, target, cond_frame)
    checks.number(exclusive=True, fps=fps)
    given = (input, target) if cond_frame is None else (input, target, cond_frame)
    shares = None if weight is None else point_weight(weight, input, of="input")
    if lengths is not None:
        there = within(lengths, input)
        all_alike = there.to(checks.working_dtype(dtype)) if shares is None else shares
        shares = all_alike.masked_fill(~there, 0)
    if checks.checking_values(*given, weight, lengths):
        if lengths is not None:
            look_at_lengths(lengths, input.shape[1])
        check_points(shares, input=input, target=target)
        if cond_frame is not None:
            checks.finite(cond_frame=cond_frame)
            look_at_frame(cond_frame, target)
    wide = widened(dtype, *given)
    input, target = wide[:2]
    if shares is not None:
        hidden = (shares == 0)[..., None]
        input, target = input.masked_fill(hidden, 0), target.masked_fill(hidden, 0)
    jumps: list[Tensor | None] = [None, None]
    if cond_frame is not None:
        jumps = [_jump(motion[:, 0], wide[2], shares) for motion in (input, target)]
    error = input - target
    frequencies = torch.fft.rfftfreq(
        error.shape[1], 1 / fps, dtype=error.dtype, device=error.device
    )
    return MotionMetrics(
        position_error=_root_mean_square(error, shares),
        jitter=_jitter(input, shares) * fps**3,
        jitter_target=_jitter(target, shares) * fps**3,
        first_frame_jump=jumps[0],
        first_frame_jump_target=jumps[1],
        frequencies=frequencies,
        spectrum=_spectrum(error, shares),
    )


def _check(input: Tensor, target: Tensor, cond_frame: Tensor | None) -> torch.dtype:
    dtype = checks.pair(input, target)

    def fits(shape: tuple[int, ...]) -> bool:
        return len(shape) == 3 and shape[1] > 0 and shape[2] > 0

    checks.shape("(B, T, D) with a frame and a dimension at least", fits, input=input)
    if cond_frame is None:
        return dtype
    checks.floating(cond_frame=cond_frame)
    expected = (input.shape[0], input.shape[2])
    checks.shape(f"(B, D), here {expected}", lambda shape: shape == expected, cond_frame=cond_frame)
    return checks.same_dtype(input=input, target=target, cond_frame=cond_frame)


def _root_mean_square(error: Tensor, shares: Tensor | None) -> Tensor:
    """Over frames and dimensions, without squares that overflow."""
    _, frames, dimensions = error.shape
    if shares is None:
        return norms(error.flatten(1)) / math.sqrt(frames * dimensions)
    total = shares.sum(1)
    size = norms((error * shares.sqrt()[..., None]).flatten(1))
    result: Tensor = size / (total * dimensions).sqrt()
    return result


def _jitter(motion: Tensor, shares: Tensor | None) -> Tensor:
    if motion.shape[1] < 4:
        return motion.new_full(motion.shape[:1], torch.nan)
    sizes = motion.diff(n=3, dim=1).abs().mean(2)
    if shares is not None:
        for _ in range(3):
            shares = torch.minimum(shares[:, 1:], shares[:, :-1])
    return visible_mean(sizes, shares)


def _jump(first: Tensor, before: Tensor, shares: Tensor | None) -> Tensor:
    size: Tensor = norms(first - before) / math.sqrt(first.shape[1])
    return size if shares is None else size.where(shares[:, 0] != 0, torch.nan)


def _spectrum(error: Tensor, shares: Tensor | None) -> Tensor:
    frames = error.shape[1]
    if not error.shape[0]:
        # Not every library of transforms takes none.
        return error.new_zeros(0, frames // 2 + 1)
    count: Tensor | int = frames
    if shares is not None:
        error = error * shares.sqrt()[..., None]
        count = shares.sum(1, keepdim=True)
    power = torch.fft.rfft(error, dim=1).abs().square().mean(2) / (frames * count)
    # Each frequency but the first, and the last of an even number, also stands for its mirror.
    index = torch.arange(power.shape[1], device=power.device)
    alone = (index == 0) | (2 * index == frames)
    return torch.where(alone, power, 2 * power)
