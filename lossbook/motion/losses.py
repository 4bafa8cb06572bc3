"""Ditto's losses of a motion as functions: position, velocity and acceleration, first frame, size.

A motion is a tensor of clips, frames and dimensions; its dimensions fall into parts.
"""

import functools
from collections.abc import Mapping, Sequence
from typing import Any

from jaxtyping import Float
from torch import Tensor

from lossbook import checks
from lossbook.calls import weight_by_name
from lossbook.motion.parts import DITTO_PARTS, Layout, PartsLike, known, layout_of, names_of
from lossbook.motion.shapes import (
    Clips,
    Lengths,
    OfClips,
    ShortClips,
    Weight,
    check_clips,
    check_cond_frame,
    check_of_clips,
    fit_dim_weights,
    fit_frames,
)
from lossbook.motion.terms import Request, compute
from lossbook.motion.values import look
from lossbook.reduction import widened
from lossbook.terms import LossTerms

Coefficients = float | Mapping[str, float] | None

# What to do about one more tensor by position, for the modules too.
BEYOND_PVA = (
    "the frame before each clip goes to MotionLoss()(input, target, cond_frame), or to "
    "last_frame_loss(input, cond_frame)"
)
BEYOND_LAST_FRAME = (
    "target and cond_frame together go to MotionLoss()(input, target, cond_frame), a target alone "
    "to pva_loss(input, target)"
)
BEYOND_L1 = "a target goes to pva_loss(input, target): R measures the size of input alone"


@functools.partial(weight_by_name, beyond=BEYOND_PVA)
def pva_loss(
    input: Clips,
    target: Clips,
    *,
    parts: PartsLike = DITTO_PARTS,
    dim_weights: Float[Tensor, " dims"] | None = None,
    weight: Weight | None = None,
    lengths: Lengths | None = None,
    reduction: OfClips = "mean",
    short_clips: ShortClips = "error",
) -> LossTerms:
    r"""P, V, A of a part = mean of weight * (error, its first, its second difference)²; summed up.

    .. math::
        \mathcal L_P = \operatorname{mean}_{b,t,d} w_d\, e_{btd}^2 \qquad
        \mathcal L_V = \operatorname{mean}_{b,t,d} w_d\, (e_{b,t+1,d} - e_{btd})^2 \qquad
        \mathcal L_A = \operatorname{mean}_{b,t,d} w_d\, (e_{b,t+2,d} - 2 e_{b,t+1,d} + e_{btd})^2

    for each part by itself, with the error :math:`e = \text{input} - \text{target}` and
    :math:`w_d` the weight of the part times that of the dimension. Parts weigh alike and not
    dimensions: the only one of ``scale`` weighs as much as the 66 of ``pitch`` together. In a
    diffusion model that predicts :math:`x_0`, P is the diffusion loss; there is no further one.

    To an error of angular frequency :math:`\omega` V gives :math:`4\sin^2(\omega/2)` of the weight
    that P gives it, and A the square of that. A constant offset costs nothing in V and A.

    Args:
        input: predicted motion, shape ``(B, T, D)``: clips, frames, dimensions.
        target: true motion, same shape and unit.
        parts: from names to :class:`Part`, or to ``[start, stop, weight]``, covering all D
            dimensions; by default Ditto's 265. :func:`load_parts` reads them from a file. A part
            of weight 0 contributes nothing, NaN included.
        dim_weights: of each dimension, shape ``(D,)``, of any floating-point dtype; see
            :func:`load_dim_weights`. They multiply the squares, and the mean is over all
            dimensions, not over the sum of their weights, as in the source. A dimension of weight
            0 contributes nothing, NaN included.
        weight: float, or bool as a mask of what is no padding: ``(B,)`` weighs clips, ``(B, T)``
            or ``(1, T)`` frames; see :func:`lossbook.checks.fit_weight`. A difference has the
            smallest weight of its frames: one across a masked frame does not count. What has weight
            0 contributes nothing, NaN included.
        lengths: in place of a mask of frames, or beside a weight, the number of frames of each
            padded clip, integers of shape ``(B,)``. Beyond the T frames they are refused on a CPU.
            Elsewhere, and in compiled code, which cannot raise, they count as T, and negative ones
            as 0: check them in the loader.
        reduction: of the clips. ``"mean"`` (default) divides by what the weights add up to.
            ``"batchmean"`` is the same without weights; with them it still divides by all
            elements, padding too, so that a weight of 2 doubles a clip's gradient whatever the
            others weigh: as in diffusion training with min-SNR. ``"sum"`` adds up the clips.
        short_clips: what becomes of T below 3, where there is no acceleration, and for 1 no
            velocity: ``"error"`` (default), or ``"zero"`` for terms of 0 without a gradient. Of
            clips that only a mask shortens the same terms are always 0.

    Returns:
        Terms ``"scale_P"``, ``"scale_V"``, ``"scale_A"`` to ``"exp_A"``, part by part under the
        names of the source's logs, weights of parts and dimensions included, each of weight 1:
        the total is their plain sum. In the squared unit of the motion, V and A in that a frame and
        a frame squared; float32 for half precision.

    Raises:
        TypeError: for integer tensors, tensors mixed with float64, or parts of another form.
        ValueError: for shapes, devices or weights that do not fit, parts that overlap, leave gaps
            or do not have D dimensions, another reduction, or clips of fewer than 3 frames.

    Example:
        >>> import torch
        >>> target = torch.zeros(1, 80, 265)
        >>> offset = target + 0.1
        >>> trembling = target + 0.1 * (-1.0) ** torch.arange(80)[:, None]
        >>> for motion in (offset, trembling):  # the same position error
        ...     loss = pva_loss(motion, target)
        ...     print(*(f"{loss['exp_' + letter]:.2f}" for letter in "PVA"))
        0.01 0.00 0.00
        0.01 0.04 0.16

        Min-SNR weights of clips that were noised to different levels, for a model that predicts
        :math:`x_0`: min(SNR, 5).

        >>> snr = torch.tensor([100.0, 1.0])
        >>> clips = torch.ones(2, 80, 265)
        >>> loss = pva_loss(clips, 0 * clips, weight=snr.clamp(max=5.0), reduction="batchmean")
        >>> loss["exp_P"]  # (5 + 1) / 2
        tensor(3.)

    References:
        Li et al., *Ditto: Motion-Space Diffusion for Controllable Realtime Talking Head
        Synthesis*, 2024, arXiv:2411.19509. Source note: ``LOSS_ANALYSIS.md`` of
        wangjia184/ditto-talkinghead. Min-SNR: Hang et al., 2023, arXiv:2303.09556.
    """
    if target is None:
        checks.floating(target=target)
    return motion_terms(
        layout_of(parts),
        input,
        target=target,
        dim_weights=dim_weights,
        weight=weight,
        lengths=lengths,
        reduction=reduction,
        short_clips=short_clips,
    )


@functools.partial(weight_by_name, beyond=BEYOND_LAST_FRAME)
def last_frame_loss(
    input: Clips,
    cond_frame: Float[Tensor, "batch dims"],
    *,
    parts: PartsLike = DITTO_PARTS,
    dim_weights: Float[Tensor, " dims"] | None = None,
    only: str | Sequence[str] | None = None,
    weight: Weight | None = None,
    lengths: Lengths | None = None,
    reduction: OfClips = "mean",
) -> LossTerms:
    r"""L of a part = mean of weight * (first predicted frame - cond_frame)²; summed up.

    .. math::
        \mathcal L_L = \operatorname{mean}_{b,d} w_d\, (x_{b1d} - c_{bd})^2

    for each part by itself, with :math:`w_d` as in :func:`pva_loss`. It is called after the frame
    that the condition is taken from, the last one before the clip, and it constrains the *first*
    predicted frame. Where the clip's true first frame differs from the condition, it pulls against
    ``P``; as a mean over one frame of T it weighs that frame T times as much as ``P`` does.

    Args:
        input: predicted motion, shape ``(B, T, D)``. Only its first frame enters.
        cond_frame: the frame that it is to equal, the one before the clip, shape ``(B, D)``, in
            the same unit.
        parts: as for :func:`pva_loss`.
        dim_weights: as for :func:`pva_loss`.
        only: the part or parts to compute: None (default) for all, as the source's code and its
            logs have it, ``"exp"`` as the table of the source note has it.
        weight: as for :func:`pva_loss`; a clip counts as much as its first frame.
        lengths: as for :func:`pva_loss`.
        reduction: as for :func:`pva_loss`.

    Returns:
        Terms ``"scale_L"`` to ``"exp_L"``, each of weight 1, in the squared unit of the motion;
        float32 for half precision.

    Raises:
        TypeError: for integer tensors, tensors mixed with float64, or parts of another form.
        ValueError: for shapes, devices or weights that do not fit, parts that overlap, leave gaps
            or do not have D dimensions, or a part that there is not.

    Example:
        >>> import torch
        >>> loss = last_frame_loss(torch.ones(2, 80, 265), torch.zeros(2, 265))
        >>> loss.total  # 1 for each part
        tensor(6.)
        >>> last_frame_loss(torch.ones(2, 80, 265), torch.zeros(2, 265), only="exp").log()
        {'total': 1.0, 'exp_L': 1.0}

    References:
        As for :func:`pva_loss`; ``--use_last_frame_loss`` of the source.
    """
    if cond_frame is None:
        checks.floating(cond_frame=cond_frame)
    return motion_terms(
        layout_of(parts),
        input,
        cond_frame=cond_frame,
        dim_weights=dim_weights,
        only=only,
        weight=weight,
        lengths=lengths,
        reduction=reduction,
    )


@functools.partial(weight_by_name, beyond=BEYOND_L1)
def motion_l1(
    input: Clips,
    *,
    parts: PartsLike = DITTO_PARTS,
    coefficients: Coefficients = None,
    only: str | Sequence[str] | None = None,
    weight: Weight | None = None,
    lengths: Lengths | None = None,
    reduction: OfClips = "mean",
) -> LossTerms:
    r"""R of a part = λ * mean of \|input\|; summed up.

    .. math::
        \mathcal L_R = \lambda \operatorname{mean}_{b,t,d} \lvert x_{btd} \rvert

    for each part by itself. Weights of parts and dimensions do not enter.

    Args:
        input: predicted motion, shape ``(B, T, D)``.
        parts: as for :func:`pva_loss`.
        coefficients: λ, at least 0: None for the source's, 0 for a part named ``scale`` and 1e-4
            for any other; one number for every part; or a mapping from names of parts, where those
            left out keep the source's. A part of λ = 0 has no term.
        only: the part or parts to compute, as for :func:`last_frame_loss`.
        weight: as for :func:`pva_loss`.
        lengths: as for :func:`pva_loss`.
        reduction: as for :func:`pva_loss`.

    Returns:
        Terms ``"pitch_R"`` to ``"exp_R"``, λ included, each of weight 1, in the unit of the motion;
        float32 for half precision.

    Raises:
        TypeError: for integer tensors, parts of another form, or coefficients that are no numbers.
        ValueError: for shapes, devices or weights that do not fit, parts that overlap, leave gaps
            or do not have D dimensions, a negative coefficient, a part that there is not, or no
            part with a coefficient above 0.

    Example:
        >>> import torch
        >>> motion_l1(torch.ones(2, 80, 265)).total  # 1e-4 for each of five parts
        tensor(0.0005)
        >>> motion_l1(torch.full((2, 80, 265), 3.0), coefficients=0.5, only="scale").log()
        {'total': 1.5, 'scale_R': 1.5}

    References:
        As for :func:`pva_loss`; ``--use_reg_loss`` of the source.
    """
    layout = layout_of(parts)
    return motion_terms(
        layout,
        input,
        absolute=factors_of(coefficients, only, layout),
        weight=weight,
        lengths=lengths,
        reduction=reduction,
    )


def factors_of(
    coefficients: Coefficients, only: str | Sequence[str] | None, layout: Layout
) -> dict[str, float]:
    """The factor of R for each part that has one.

    Raises:
        TypeError: for coefficients that are no numbers.
        ValueError: for a negative one, a part that there is not, or no part with a factor above 0.
    """
    found = {name: 0.0 if name == "scale" else 1e-4 for name in layout.names}
    if isinstance(coefficients, Mapping):
        for name, value in coefficients.items():
            if name not in layout.names:
                raise ValueError(
                    f"coefficients names {name!r}, which is no part; {known(name, layout.names)}"
                )
            called: dict[str, Any] = {f"the coefficient of {name!r}": value}
            checks.number(**called)
        found |= coefficients
    elif coefficients is not None:
        checks.number(coefficients=coefficients)
        found = dict.fromkeys(layout.names, coefficients)
    picked = names_of(only, layout)
    found = {name: value for name, value in found.items() if name in picked and value > 0}
    if not found:
        raise ValueError(
            f"coefficients must be above 0 for a part at least, and is 0 for {', '.join(picked)}; "
            f"leave the loss out instead"
        )
    return found


def motion_terms(
    layout: Layout,
    input: Tensor,
    *,
    target: Tensor | None = None,
    cond_frame: Tensor | None = None,
    absolute: Mapping[str, float] | None = None,
    dim_weights: Tensor | None = None,
    only: str | Sequence[str] | None = None,
    weight: Weight | None = None,
    lengths: Lengths | None = None,
    reduction: OfClips = "mean",
    short_clips: ShortClips = "error",
    weights: Mapping[str, float] | None = None,
) -> LossTerms:
    """The gate of all motion losses: those whose inputs are there."""
    dtype = check_clips(layout, input, target, short_clips)
    picked = names_of(only, layout)
    given: dict[str, Any] = {"input": input, "target": target, "cond_frame": cond_frame}
    given = {name: value for name, value in given.items() if value is not None}
    if cond_frame is not None:
        check_cond_frame(layout, input, cond_frame)
        dtype = dtype if checks.alike(*given.values()) else checks.same_dtype(**given)
    check_of_clips(reduction)
    fitted = None
    if weight is not None or lengths is not None:
        fitted = fit_frames(weight, lengths, input)
    wide = dict(zip(given, widened(dtype, *given.values()), strict=True))
    request = Request(
        layout,
        **wide,
        absolute=absolute or {},
        only=picked,
        dim_weights=fit_dim_weights(layout, input, dim_weights),
        weight=fitted,
        weights=weights,
        reduction=reduction,
    )
    if checks.checking_values(*given.values(), weight, dim_weights, lengths):
        look(request, weight, dim_weights, lengths)
    return compute(request)
