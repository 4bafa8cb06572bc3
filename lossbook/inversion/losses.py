"""The losses of scheme A and C as functions, and those of the baseline: pixels and features."""

from typing import Any, Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from lossbook import checks
from lossbook.calls import weight_by_name
from lossbook.inversion import kernel, values
from lossbook.inversion.shapes import (
    Features,
    Negatives,
    Weight,
    check_negatives,
    check_pair,
    of_samples,
)
from lossbook.kernels import squared as mean_square
from lossbook.precision import exact
from lossbook.reduction import (
    Reduction,
    check_reduction,
    elementwise_loss,
    reduce_loss,
    widened,
    working_dtype,
)

Mining = Literal["hardest", "mean", "random", "all"]


@weight_by_name
def pixel_loss(
    input: Float[Tensor, "*shape"],
    target: Float[Tensor, "*shape"],
    *,
    weight: Weight | None = None,
    reduction: Reduction = "mean",
) -> Tensor:
    r"""Squared error of pixels.

    .. math::
        \ell(\hat x, x) = (\hat x - x)^2

    The source writes :math:`\mathcal L_{pixel}` and no formula; this is what a denoiser that
    predicts the picture itself is trained with.

    Args:
        input: rebuilt pictures, any shape, such as ``(B, C, H, W)``.
        target: true pictures, same shape and unit.
        weight: float, or bool as a mask; ``(B,)`` weighs samples, see
            :func:`lossbook.checks.fit_weight`.
        reduction: ``"mean"`` (default), ``"batchmean"``, ``"sum"`` or ``"none"``.

    Returns:
        A scalar, or the shape of ``input`` for ``"none"``, in the squared unit of the pixels;
        reduced, it is float32 for half precision.

    Raises:
        TypeError: for integer tensors, or tensors mixed with float64.
        ValueError: for different shapes, a weight that does not fit, an unknown reduction.

    Example:
        >>> import torch
        >>> pixel_loss(torch.full((2, 3, 8, 8), 0.5), torch.zeros(2, 3, 8, 8))
        tensor(0.2500)

    References:
        Source note: the hybrid loss of its first section.
    """
    loss = elementwise_loss(mean_square, input, target, weight=weight, reduction=reduction)
    if checks.checking_values(input, target, weight):
        values.look_at_pixels(input, target, weight)
    return loss


@weight_by_name
def feature_l2_loss(
    features: Features,
    template: Features,
    *,
    squared: bool = True,
    normalized: bool = False,
    weight: Weight | None = None,
    reduction: Reduction = "mean",
) -> Tensor:
    r"""Squared distance = sum over dimensions of (features - template)², a number a sample.

    .. math::
        \ell(f, t) = \lVert f - t \rVert_2^2

    The length of the features counts: twice the template in the right direction costs as much as
    a zero. With ``normalized=True`` both are brought to length 1 first, and the loss is
    :math:`2 - 2\cos\theta`, whatever the lengths.

    Args:
        features: of the rebuilt pictures, :math:`f = F(\hat x)`, shape ``(B, D)``.
        template: of the people, shape ``(B, D)``, from the same encoder.
        squared: True (default), or False for the distance itself, which pulls with the same force
            from near and far; its gradient at distance 0 is 0.
        normalized: whether both are divided by their lengths. A zero vector stays one, with a
            gradient of 0.
        weight: of each sample, float, or bool as a mask, shape ``(B,)``.
        reduction: ``"mean"`` (default, over samples), ``"batchmean"`` (the same without weights),
            ``"sum"`` or ``"none"``.

    Returns:
        A scalar, or shape ``(B,)`` for ``"none"``, in the squared unit of the features, or from 0
        to 4 without unit; reduced, it is float32 for half precision.

    Raises:
        TypeError: for integer tensors, tensors mixed with float64, or options that are no flags.
        ValueError: for shapes that do not fit, or an unknown reduction.

    Example:
        >>> import torch
        >>> template = torch.tensor([[3.0, 4.0]])
        >>> feature_l2_loss(2 * template, template)
        tensor(25.)
        >>> feature_l2_loss(2 * template, template, normalized=True)
        tensor(0.)

    References:
        Source note: the hybrid loss of its first section.
    """
    checks.flag(squared=squared, normalized=normalized)
    return _distance(
        features, template, "template", squared=squared, normalized=normalized,
        weight=weight, reduction=reduction,
    )  # fmt: skip


@weight_by_name
def center_loss(
    features: Features,
    centers: Features,
    *,
    normalized: bool = False,
    weight: Weight | None = None,
    reduction: Reduction = "mean",
) -> Tensor:
    r"""Squared distance of features from the centers of their classes, a number a sample.

    .. math::
        \mathcal L_{center} = \operatorname{mean}_b \lVert f_b - c_b \rVert_2^2

    On raw features, as documented, it depends on their length and pulls that towards the center's.
    With ``normalized=True`` it is :math:`2 - 2\cos\theta`. Wen et al. have half of the sum.

    Args:
        features: shape ``(B, D)``.
        centers: the center of each sample's class, shape ``(B, D)``; of one center a class pass
            ``centers[labels]``. How they are updated is the caller's; they may be parameters.
        normalized: whether both are divided by their lengths, as in :func:`feature_l2_loss`.
        weight: of each sample, float, or bool as a mask, shape ``(B,)``.
        reduction: as in :func:`feature_l2_loss`.

    Returns:
        A scalar, or shape ``(B,)`` for ``"none"``, in the squared unit of the features, or from 0
        to 4 without unit; reduced, it is float32 for half precision.

    Raises:
        TypeError: for integer tensors, tensors mixed with float64, or an option that is no flag.
        ValueError: for shapes that do not fit, or an unknown reduction.

    Example:
        >>> import torch
        >>> centers, labels = torch.eye(3), torch.tensor([0, 2, 2, 1])
        >>> center_loss(torch.zeros(4, 3), centers[labels])
        tensor(1.)

    References:
        Wen et al., *A Discriminative Feature Learning Approach for Deep Face Recognition*, ECCV
        2016. Source note: the optional term of scheme C.
    """
    checks.flag(normalized=normalized)
    return _distance(
        features, centers, "centers", squared=True, normalized=normalized,
        weight=weight, reduction=reduction,
    )  # fmt: skip


@weight_by_name
def cosine_margin_loss(
    features: Features,
    template: Features,
    negatives: Negatives,
    *,
    margin: float = 0.35,
    mining: Mining = "hardest",
    clamp: bool = True,
    weight: Weight | None = None,
    reduction: Reduction = "mean",
) -> Tensor:
    r"""Hinge = max(0, cos(features, negative) - cos(features, template) + margin).

    .. math::
        \ell = \max\bigl(0,\; \cos(f, n) - \cos(f, t) + m\bigr)

    Scheme A. The margin is one of cosines, as in CosFace and in a triplet loss; ArcFace adds it to
    the angle. The gradient is tangential: the length of the features neither matters nor changes
    the loss. Where the template is nearer than every negative by the margin, there is no gradient
    any more. The source's formula has no maximum with 0: with ``clamp=False`` the loss goes on
    pushing, down to :math:`m - 2`.

    The negatives are never copied: neither normalised nor, in eager mode, for the gradient. A zero
    vector has the cosine 0 with everything, and a gradient of 0.

    Args:
        features: of the rebuilt pictures, shape ``(B, D)``, of any length.
        template: of the people, shape ``(B, D)``.
        negatives: of other people: ``(B, K, D)``, or ``(K, D)`` for the same in every sample. Two
            dimensions are always shared ones; one negative a sample is ``(B, 1, D)``.
        margin: at least 0; from 0.3 to 0.5 in the source.
        mining: which negative counts: ``"hardest"`` (default), the one most like the features;
            ``"random"``, one drawn for each sample by torch's global generator, which is what the
            source's formula says; ``"mean"``, the mean of all cosines; ``"all"``, each by itself,
            the loss being the mean of the hinges.
        clamp: True (default, as in the source's code), or False for the source's formula.
        weight: of each sample, float, or bool as a mask, shape ``(B,)``.
        reduction: ``"mean"`` (default, over samples), ``"batchmean"`` (the same without weights),
            ``"sum"`` or ``"none"``.

    Returns:
        A scalar, or shape ``(B,)`` for ``"none"``, without unit; reduced, it is float32 for half
        precision.

    Raises:
        TypeError: for integer tensors, tensors mixed with float64, or a margin that is no number.
        ValueError: for shapes that do not fit, no negatives, a negative margin, an unknown mining
            or reduction.

    Example:
        >>> import torch
        >>> template, negatives = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]])
        >>> for features in (template, template + negatives):
        ...     print(cosine_margin_loss(features, template, negatives))
        tensor(0.)
        tensor(0.3500)

    References:
        Wang et al., *CosFace*, CVPR 2018; Schroff et al., *FaceNet*, CVPR 2015. Source note:
        scheme A.
    """
    options = {"margin": margin, "mining": mining, "clamp": clamp}
    return _negative_loss(
        "cosine_margin", features, template, negatives, options, weight, reduction
    )


@weight_by_name
def info_nce_loss(
    features: Features,
    template: Features,
    negatives: Negatives,
    *,
    temperature: float = 0.07,
    tile: int | None = None,
    weight: Weight | None = None,
    reduction: Reduction = "mean",
) -> Tensor:
    r"""InfoNCE = log(1 + Σ exp((cos(features, negative) - cos(features, template)) / temperature)).

    .. math::
        \ell = -\log \frac{e^{\cos(f, t)/\tau}}
        {e^{\cos(f, t)/\tau} + \sum_k e^{\cos(f, n_k)/\tau}}

    Scheme C. Its gradient pulls towards the template and away from the negatives, from each by its
    softmax weight. As :math:`\tau \to 0`, :math:`\tau\,\ell` becomes
    :math:`\max(0, \max_k \cos(f, n_k) - \cos(f, t))`, scheme A without a margin; for large
    :math:`\tau` it is :math:`\log(1 + K)` and asks for nothing. It is right at any temperature
    whose inverse can be represented.

    Args:
        features: of the rebuilt pictures, shape ``(B, D)``, of any length.
        template: of the people, shape ``(B, D)``.
        negatives: as in :func:`cosine_margin_loss`. If they hold a sample's own template, the loss
            pushes away what it pulls.
        temperature: above 0; from 0.05 to 0.1 in the source.
        tile: None (default) to hold one number for each sample and negative; or how many negatives
            to hold at a time, in eager mode: memory then does not grow with their number, and the
            cosines are computed twice. Of second derivatives they are held all the same.
        weight: of each sample, float, or bool as a mask, shape ``(B,)``.
        reduction: as in :func:`cosine_margin_loss`.

    Returns:
        A scalar, or shape ``(B,)`` for ``"none"``, in nats; reduced, it is float32 for half
        precision.

    Raises:
        TypeError: for integer tensors, tensors mixed with float64, a temperature that is no number
            or a tile that is no integer.
        ValueError: for shapes that do not fit, no negatives, a temperature or a tile that is not
            above 0, a temperature whose inverse cannot be represented, an unknown reduction.

    Example:
        >>> import torch
        >>> template, negatives = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]])
        >>> info_nce_loss(template + negatives, template, negatives)  # as like one as the other
        tensor(0.6931)

    References:
        van den Oord et al., *Representation Learning with Contrastive Predictive Coding*, 2018;
        He et al., *Momentum Contrast*, CVPR 2020. In tiles as Cheng et al., *Breaking the Memory
        Barrier* (Inf-CL), 2024, arXiv:2410.17243. Source note: scheme C.
    """
    options = {"temperature": temperature, "tile": tile}
    return _negative_loss("info_nce", features, template, negatives, options, weight, reduction)


def check_mining(mining: str) -> None:
    """Check the name of a way to choose negatives.

    Raises:
        ValueError: with the known ones.
    """
    if mining not in get_args(Mining):
        raise ValueError(f"mining must be one of {', '.join(get_args(Mining))}; got {mining!r}")


def check_tile(tile: int | None) -> None:
    """Check how many negatives to hold at a time.

    Raises:
        TypeError: if it is no integer.
        ValueError: if it is not above 0.
    """
    if tile is None:
        return
    checks.index(None, tile=tile)
    if tile == 0:
        raise ValueError("tile must be at least 1, got 0; leave it out to hold all negatives")


def check_temperature(temperature: float, dtype: torch.dtype = torch.float64) -> None:
    """Check a temperature, whose inverse must be a number of a dtype.

    Raises:
        TypeError: if it is no number.
        ValueError: if it is too small.
    """
    checks.number(exclusive=True, temperature=temperature)
    # Half of the largest number, as two cosines may differ by 2.
    least = 1.2e-38 if dtype is torch.float32 else 2.3e-308
    if temperature < least:
        raise ValueError(
            f"temperature must be at least {least:.2g}, as its inverse is no number of {dtype}, "
            f"got {temperature:.4g}; choose a larger one"
        )


def _distance(
    features: Tensor,
    other: Tensor,
    name: str,
    *,
    squared: bool,
    normalized: bool,
    weight: Weight | None,
    reduction: Reduction,
) -> Tensor:
    """The gate and the kernel of a distance to one row for each sample."""
    dtype = check_pair(features, other, name)
    check_reduction(reduction)
    fitted = of_samples(weight, features)
    if checks.checking_values(features, other, weight):
        values.look_at_pair(features, other, name, weight, fitted)
    first, second = widened(dtype, features, other)
    is_plain = fitted is None and squared and not normalized and reduction == "mean"
    if is_plain and not torch.compiler.is_compiling() and len(first):
        # A mean over all numbers, times those of a row, in torch's own fused operation.
        return mean_square(first, second, "mean") * first.shape[1]
    if fitted is not None:
        absent = fitted == 0
        first, second = first.masked_fill(absent, 0), second.masked_fill(absent, 0)
    if normalized:
        first, second = kernel.unit(first), kernel.unit(second)
    error = first - second
    losses = (error * error).sum(-1) if squared else kernel.length(error)
    return _reduced(losses, fitted, reduction, dtype)


def _negative_loss(
    form: str,
    features: Tensor,
    template: Tensor,
    negatives: Tensor,
    options: dict[str, Any],
    weight: Weight | None,
    reduction: Reduction,
) -> Tensor:
    """The gate of a loss with negatives; then its kernel and the reduction."""
    dtype = check_negatives(features, template, negatives)
    check_reduction(reduction)
    if form == "cosine_margin":
        checks.number(margin=options["margin"])
        check_mining(options["mining"])
        checks.flag(clamp=options["clamp"])
    else:
        check_temperature(options["temperature"], working_dtype(dtype))
        check_tile(options["tile"])
    fitted = of_samples(weight, features)
    if checks.checking_values(features, template, negatives, weight):
        values.look_at_negatives(features, template, negatives, weight, fitted)
    first, second = widened(dtype, features, template)
    present = None if fitted is None else fitted != 0
    if present is not None:
        first, second = first.masked_fill(~present, 0), second.masked_fill(~present, 0)
    compute = _margin if form == "cosine_margin" else _info_nce
    with exact(first):
        losses = compute(kernel.unit(first), kernel.unit(second), negatives, present, **options)
    return _reduced(losses, fitted, reduction, dtype)


def _margin(
    units: Tensor,
    wanted: Tensor,
    negatives: Tensor,
    present: Tensor | None,
    *,
    margin: float,
    mining: Mining,
    clamp: bool,
) -> Tensor:
    match = (units * wanted).sum(-1)
    if mining in ("hardest", "random"):
        if mining == "hardest":
            index = kernel.hardest(units, negatives)
        else:
            index = torch.randint(negatives.shape[-2], (len(units),), device=units.device)
        chosen = kernel.pick(negatives, index)
        if present is not None:
            chosen = chosen.masked_fill(~present, 0)
        noise = (units * kernel.unit(chosen.to(units.dtype))).sum(-1)
    else:
        noise = kernel.cosines(units, negatives, present)
        noise = noise.mean(-1) if mining == "mean" else noise
    excess = noise + margin - (match[:, None] if noise.ndim == 2 else match)
    losses = excess.relu() if clamp else excess
    return losses.mean(-1) if losses.ndim == 2 else losses


def _info_nce(
    units: Tensor,
    wanted: Tensor,
    negatives: Tensor,
    present: Tensor | None,
    *,
    temperature: float,
    tile: int | None,
) -> Tensor:
    match = (units * wanted).sum(-1)
    noise = kernel.log_sum_exp(units, negatives, temperature, tile=tile, present=present)
    return -torch.nn.functional.logsigmoid(match / temperature - noise)


def _reduced(
    losses: Tensor, fitted: Tensor | None, reduction: Reduction, dtype: torch.dtype
) -> Tensor:
    weight = None if fitted is None else fitted[:, 0]
    result = reduce_loss(losses, reduction, weight=weight)
    return result.to(dtype) if reduction == "none" else result
