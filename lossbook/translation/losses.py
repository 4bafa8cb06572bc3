"""The losses of a translation as functions: what a discriminator and a generator are trained by."""

import math
from collections.abc import Callable
from typing import Any, Literal, get_args

import torch
import torch.distributed as dist
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from lossbook import checks
from lossbook.calls import weight_by_name
from lossbook.kernels import absolute
from lossbook.precision import exact
from lossbook.ranks import Group, resolve_group
from lossbook.reduction import Reduction, elementwise_loss, widened
from lossbook.translation.graphs import (
    NO_NAN,
    has_samples,
    look_for_compiled_code,
    look_for_graph,
    one_logit,
    refuse_graph,
    refuse_to_compile,
)

MarginOf = Literal["batch", "sample"]
Weight = Float[Tensor, "..."] | Bool[Tensor, "..."]


# Adversarial ------------------------------------------------------------------------------------


def d_hinge_loss(real_logits: Float[Tensor, "..."], fake_logits: Float[Tensor, "..."]) -> Tensor:
    r"""Hinge of a discriminator = mean(max(0, 1 - real)) + mean(max(0, 1 + fake)).

    .. math::
        \mathcal L_D = \operatorname{mean}\max(0, 1 - D(x))
        + \operatorname{mean}\max(0, 1 + D(\hat x))

    At logits of 0 it is 2, and so it is at *any* constant logit between -1 and 1: a value of 2
    tells that the means of real and fake logits are equal there, not that they are 0. Logits
    beyond their margin have no gradient.

    Args:
        real_logits: :math:`D(x)` of true samples, any shape: one number a sample or a map.
        fake_logits: :math:`D(\hat x)` of generated samples, any shape, also another number of them.

    Returns:
        A scalar, at least 0, in the unit of the logits; float32 for half precision. The mean over
        no logits is 0, with a gradient of 0.

    Raises:
        TypeError: for anything but floating-point tensors, or float64 beside a narrower dtype.
        ValueError: for tensors on different devices.

    Example:
        >>> import torch
        >>> d_hinge_loss(torch.zeros(4, 1), torch.zeros(4, 1))
        tensor(2.)
        >>> d_hinge_loss(torch.full((4,), 0.9), torch.full((6,), 0.9))  # cannot tell them apart
        tensor(2.)
        >>> d_hinge_loss(torch.full((4,), 3.0), torch.full((4,), -1.0))
        tensor(0.)

    References:
        Lim and Ye, *Geometric GAN*, 2017, arXiv:1705.02894. Source note: ``d_hinge_loss``.
    """
    real, fake = _logits(("real_logits", "fake_logits"), real_logits, fake_logits)
    first, second = (1 - real).relu(), (1 + fake).relu()
    if not torch.compiler.is_compiling() and real.shape == fake.shape:
        return _mean(first + second)
    return _mean(first) + _mean(second)


def g_adversarial_loss(fake_logits: Float[Tensor, "..."]) -> Tensor:
    r"""Adversarial loss of a generator under a hinge = -mean(fake).

    .. math::
        \mathcal L_G = -\operatorname{mean} D(\hat x)

    It has no lower bound: its value is where the discriminator's zero happens to lie, and says
    nothing of quality. Its gradient in the logits is the same everywhere.

    Args:
        fake_logits: :math:`D(\hat x)`, any shape, with a graph to what made :math:`\hat x`.

    Returns:
        A scalar, in the unit of the logits; float32 for half precision, 0 for no logits.

    Raises:
        TypeError: for anything but a floating-point tensor.

    Example:
        >>> import torch
        >>> g_adversarial_loss(torch.tensor([[1.0], [2.0]]))
        tensor(-1.5000)

    References:
        Lim and Ye, *Geometric GAN*, 2017, arXiv:1705.02894. Source note: ``g_adversarial_loss``.
    """
    (fake,) = _logits(("fake_logits",), fake_logits)
    # Of a mean the gradient would be divided in another pass.
    return fake.sum() / -max(fake.numel(), 1)


def d_logistic_loss(real_logits: Float[Tensor, "..."], fake_logits: Float[Tensor, "..."]) -> Tensor:
    r"""Cross-entropy of a discriminator = mean(log(1 + exp(-real))) + mean(log(1 + exp(fake))).

    .. math::
        \mathcal L_D = \operatorname{mean}\log(1 + e^{-D(x)})
        + \operatorname{mean}\log(1 + e^{D(\hat x)})

    What StarGAN v2 itself is trained with, where the source has a hinge. At logits of 0, and at no
    other constant, it is 2 ln 2 = 1.386, the least that a discriminator of constant logits reaches.

    Args:
        real_logits: :math:`D(x)` of true samples, any shape.
        fake_logits: :math:`D(\hat x)` of generated samples, any shape, also another number of them.

    Returns:
        A scalar, in nats; float32 for half precision, 0 for no logits.

    Raises:
        TypeError: for anything but floating-point tensors, or float64 beside a narrower dtype.
        ValueError: for tensors on different devices.

    Example:
        >>> import torch
        >>> d_logistic_loss(torch.zeros(4, 1), torch.zeros(4, 1))
        tensor(1.3863)

    References:
        Goodfellow et al., *Generative Adversarial Nets*, NeurIPS 2014; Choi et al., *StarGAN v2*,
        CVPR 2020, arXiv:1912.01865.
    """
    real, fake = _logits(("real_logits", "fake_logits"), real_logits, fake_logits)
    if not torch.compiler.is_compiling() and real.shape == fake.shape:
        return (F.logsigmoid(real) - _softplus(fake)).sum() / -max(real.numel(), 1)
    return _mean(_softplus(fake)) - _mean(F.logsigmoid(real))


def g_logistic_loss(fake_logits: Float[Tensor, "..."]) -> Tensor:
    r"""Non-saturating loss of a generator = mean(log(1 + exp(-fake))).

    .. math::
        \mathcal L_G = \operatorname{mean}\log(1 + e^{-D(\hat x)})

    The partner of :func:`d_logistic_loss`; ln 2 = 0.693 at logits of 0.

    Args:
        fake_logits: :math:`D(\hat x)`, any shape, with a graph to what made :math:`\hat x`.

    Returns:
        A scalar, in nats; float32 for half precision, 0 for no logits.

    Raises:
        TypeError: for anything but a floating-point tensor.

    Example:
        >>> import torch
        >>> g_logistic_loss(torch.zeros(4, 1))
        tensor(0.6931)

    References:
        Goodfellow et al., *Generative Adversarial Nets*, NeurIPS 2014; Choi et al., *StarGAN v2*,
        CVPR 2020, arXiv:1912.01865.
    """
    (fake,) = _logits(("fake_logits",), fake_logits)
    return F.logsigmoid(fake).sum() / -max(fake.numel(), 1)


def d_relativistic_loss(
    real_logits: Float[Tensor, "*shape"], fake_logits: Float[Tensor, "*shape"]
) -> Tensor:
    r"""Paired loss of a discriminator = mean(log(1 + exp(fake - real))), of pairs.

    .. math::
        \mathcal L_D = \operatorname{mean}\log\bigl(1 + e^{-(D(x) - D(\hat x))}\bigr)

    What R3GAN is trained with, beside two gradient penalties. Only differences count: it is
    ln 2 = 0.693 for *any* constant logits.

    Args:
        real_logits: :math:`D(x)`, any shape.
        fake_logits: :math:`D(\hat x)`, same shape: each fake has its real partner.

    Returns:
        A scalar, in nats; float32 for half precision, 0 for no logits.

    Raises:
        TypeError: for anything but floating-point tensors, or float64 beside a narrower dtype.
        ValueError: for different shapes or devices.

    Example:
        >>> import torch
        >>> d_relativistic_loss(torch.full((4, 1), 7.0), torch.full((4, 1), 7.0))
        tensor(0.6931)

    References:
        Huang et al., *The GAN is dead; long live the GAN!* (R3GAN), NeurIPS 2024,
        arXiv:2501.05441; Jolicoeur-Martineau, *The relativistic discriminator*, 2018,
        arXiv:1807.00734.
    """
    real, fake = _pairs(real_logits, fake_logits)
    return F.logsigmoid(real - fake).sum() / -max(real.numel(), 1)


def g_relativistic_loss(
    real_logits: Float[Tensor, "*shape"], fake_logits: Float[Tensor, "*shape"]
) -> Tensor:
    r"""Paired loss of a generator = mean(log(1 + exp(real - fake))), of pairs.

    .. math::
        \mathcal L_G = \operatorname{mean}\log\bigl(1 + e^{-(D(\hat x) - D(x))}\bigr)

    :func:`d_relativistic_loss` with real and fake exchanged.

    Args:
        real_logits: :math:`D(x)`, any shape.
        fake_logits: :math:`D(\hat x)`, same shape, with a graph to what made :math:`\hat x`.

    Returns:
        A scalar, in nats; float32 for half precision, 0 for no logits.

    Raises:
        TypeError: for anything but floating-point tensors, or float64 beside a narrower dtype.
        ValueError: for different shapes or devices.

    Example:
        >>> import torch
        >>> g_relativistic_loss(torch.tensor([2.0]), torch.tensor([0.0]))
        tensor(2.1269)

    References:
        Huang et al., *The GAN is dead; long live the GAN!* (R3GAN), NeurIPS 2024,
        arXiv:2501.05441.
    """
    real, fake = _pairs(real_logits, fake_logits)
    return F.logsigmoid(fake - real).sum() / -max(real.numel(), 1)


# Penalties --------------------------------------------------------------------------------------


def r1_penalty(
    real_logits: Float[Tensor, " batch *map"],
    real_inputs: Float[Tensor, "batch _ *rest"],
    *,
    half: bool = False,
) -> Tensor:
    r"""R1 = mean over samples of the squared length of d(sum of logits) / d(inputs).

    .. math::
        R_1 = \operatorname{mean}_b \bigl\lVert \nabla_{x_b} \textstyle\sum D(x) \bigr\rVert_2^2

    It keeps the discriminator flat where the true samples are. The result has a graph, so that it
    can be back-propagated into the discriminator: a step costs one pass back, and of that the
    second derivatives. It is added to the loss of the discriminator with a weight, here without
    the factor ½ that StarGAN v2 and Mescheder et al. have.

    ``torch.compile`` has no second derivatives: torch 2.13 refuses them, by an error, and so does
    this function, earlier, inside compiled code and for logits that come out of it. Call the
    discriminator itself here, not its compiled form (as :class:`DiscriminatorLoss` does), or take
    :func:`approximate_r1_penalty`.

    Args:
        real_logits: :math:`D(x)`, shape ``(B,)``, ``(B, 1)`` or a map ``(B, 1, H, W)``, which is
            added up. Computed in float32 where that is affordable: autocast loses digits that
            are squared here. A sample's logit must not depend on other samples, as through batch
            normalisation.
        real_inputs: :math:`x`, shape ``(B, ...)``; the very tensor that the discriminator was
            given, requiring a gradient.
        half: whether to multiply by ½ as StarGAN v2 does. The source does not (default): at the
            same weight its penalty is twice as strong.

    Returns:
        A scalar, at least 0, in the squared unit of the logits over that of the inputs; float32
        for half precision.

    Raises:
        TypeError: for anything but floating-point tensors, or an option that is no flag.
        ValueError: for different batch sizes, inputs that do not require a gradient or are not
            part of the logits' graph, or gradients that are switched off.
        RuntimeError: in compiled code, and for logits from there.

    Example:
        >>> import torch
        >>> real_inputs = torch.ones(4, 3).detach().requires_grad_(True)
        >>> real_logits = 2 * real_inputs.sum(1)  # its gradient is (2, 2, 2) in every sample
        >>> r1_penalty(real_logits, real_inputs)
        tensor(12.)

    References:
        Mescheder et al., *Which Training Methods for GANs do actually Converge?*, ICML 2018,
        arXiv:1801.04406. Source note: ``r1_penalty``.
    """
    checks.flag(half=half)
    refuse_to_compile(torch.compiler.is_compiling())
    look_for_graph(real_logits, real_inputs)
    with exact(real_inputs):
        total = real_logits.sum(dtype=checks.working_dtype(real_logits.dtype))
        (gradient,) = torch.autograd.grad(total, real_inputs, create_graph=True, allow_unused=True)
        if gradient is None:
            refuse_graph()
        look_for_compiled_code(real_logits, real_inputs)
        return squared_length(gradient, half=half)


def squared_length(gradient: Float[Tensor, "batch _ *rest"], *, half: bool = False) -> Tensor:
    """:func:`r1_penalty` of a gradient that is there already."""
    checks.flag(half=half)
    checks.floating(gradient=gradient)
    checks.shape("(B, ...)", has_samples, gradient=gradient)
    if checks.checking_values(gradient):
        checks.finite("the discriminator's gradient overflows", gradient=gradient)
    (wide,) = widened(gradient.dtype, gradient)
    return (wide * wide).sum() / ((2 if half else 1) * max(gradient.shape[0], 1))


def approximate_r1_penalty(
    discriminator: Callable[[Tensor], Tensor],
    real_inputs: Float[Tensor, "batch _ *rest"],
    *,
    sigma: float = 0.01,
    generator: torch.Generator | None = None,
) -> Tensor:
    r"""Estimate of R1 = mean over samples of ((D(x + σv) - D(x - σv)) / 2σ)², v normal.

    .. math::
        \tilde R_1 = \operatorname{mean}_b
        \Bigl(\frac{D(x_b + \sigma v_b) - D(x_b - \sigma v_b)}{2 \sigma}\Bigr)^2,
        \qquad v_b \sim \mathcal N(0, I)

    Along a random direction the slope of :math:`D` is :math:`\nabla D \cdot v`, whose square is
    :math:`\lVert\nabla D\rVert^2` on average. There are no second derivatives in it: it compiles,
    and needs two passes forward and two back. Of a quadratic discriminator the estimate is unbiased
    for every σ; of others it is biased, by order σ² where they are smooth (of x³ at 1 it is 9 +
    18σ² + 15σ⁴, not 9) and σ where they have kinks. Of three small convolutional ones on latents of
    variance 1, in float32, it is too small: by 0.00 % (Softplus), 0.04 % (steep Tanh) and 0.4 %
    (LeakyReLU of slope 0.2) at σ = 0.01, by 0.0, 4 and 5 % at 0.1. Below σ = 0.0001 it is rounding
    that errs, by up to 2 % at 0.00001. What it costs is noise: of one direction the square varies
    by :math:`\sqrt 2` times itself, and over a batch of B by :math:`\sqrt{2/B}`.

    Args:
        discriminator: from inputs to logits; of a conditional one pass
            ``lambda x: discriminator(x, labels)``. It is called twice, in float32 and outside of
            autocast, as both results differ in their last digits only.
        real_inputs: :math:`x`, shape ``(B, ...)``; it needs no gradient.
        sigma: how far to go, in the unit of the inputs; above 0.
        generator: of the directions; torch's global one by default, and in compiled code.

    Returns:
        A scalar, at least 0, as :func:`r1_penalty`; float32 for half precision.

    Raises:
        TypeError: for anything but a floating-point tensor, a discriminator that cannot be called
            or returns none, a sigma that is no number.
        ValueError: for a sigma that is not above 0, or logits of another batch size.

    Example:
        >>> import torch
        >>> inputs = torch.zeros(20_000, 3)
        >>> generator = torch.Generator().manual_seed(0)
        >>> estimate = approximate_r1_penalty(lambda x: 2 * x.sum(1), inputs, generator=generator)
        >>> abs(estimate - 12) < 0.5
        tensor(True)

    References:
        Lin et al., *Diffusion Adversarial Post-Training for One-Step Video Generation*, 2025,
        arXiv:2501.08316, whose form is one-sided, :math:`\lVert D(x) - D(x + \sigma v)\rVert^2`,
        and not divided by :math:`\sigma^2`.
    """
    checks.number(exclusive=True, sigma=sigma)
    if not callable(discriminator):
        raise TypeError(
            f"discriminator must be callable, got {type(discriminator).__name__}; pass the network "
            f"itself, or lambda x: discriminator(x, labels)"
        )
    checks.floating(real_inputs=real_inputs)
    checks.shape("(B, ...)", has_samples, real_inputs=real_inputs)
    if checks.checking_values(real_inputs):
        checks.finite(real_inputs=real_inputs)
    (x,) = widened(real_inputs.dtype, real_inputs)
    with exact(x):
        if generator is None:
            away = torch.randn_like(x) * sigma
        else:
            away = torch.randn(x.shape, generator=generator, dtype=x.dtype, device=x.device) * sigma
        ends = []
        for end in (x + away, x - away):
            logits = discriminator(end)
            checks.floating(**{"the discriminator's result": logits})
            one_logit(**{"the discriminator's result": logits})
            checks.same_batch(real_inputs=x, **{"the discriminator's result": logits})
            ends.append(logits)
        return squared_slope(ends[0], ends[1], sigma=sigma)


def squared_slope(
    ahead: Float[Tensor, " batch *map"],
    behind: Float[Tensor, " batch *map"],
    *,
    sigma: float = 0.01,
) -> Tensor:
    """:func:`approximate_r1_penalty` of logits that are there already."""
    checks.number(exclusive=True, sigma=sigma)
    dtype = checks.pair(ahead, behind, ("ahead", "behind"))
    one_logit(ahead=ahead)
    if checks.checking_values(ahead, behind):
        checks.finite(NO_NAN, ahead=ahead, behind=behind)
    first, second = widened(dtype, ahead, behind)
    slope = (first - second) / (2 * sigma)
    slope = slope.flatten(1).sum(1) if slope.ndim > 1 else slope
    return _mean(slope * slope)


# Reconstruction ---------------------------------------------------------------------------------


@weight_by_name
def style_reconstruction_loss(
    pred_style: Float[Tensor, "*shape"],
    target_style: Float[Tensor, "*shape"],
    *,
    weight: Weight | None = None,
    reduction: Reduction = "mean",
) -> Tensor:
    r"""Absolute error of a style that was read back from a generated sample.

    .. math::
        \ell = |E(\hat x) - s|

    The target has a gradient too unless it is detached, which neither the source nor StarGAN v2
    does: E and F are also pulled towards styles that are easy to read back.

    Args:
        pred_style: :math:`E(\hat x, y)`, any shape, such as ``(B, S)``.
        target_style: :math:`s`, with which :math:`\hat x` was generated, same shape.
        weight: float, or bool as a mask; ``(B,)`` weighs samples, see
            :func:`lossbook.checks.fit_weight`.
        reduction: ``"mean"`` (default), ``"batchmean"``, ``"sum"`` or ``"none"``.

    Returns:
        A scalar, or the shape of the styles for ``"none"``, in their unit; reduced, it is float32
        for half precision.

    Raises:
        TypeError: for integer tensors, or tensors mixed with float64.
        ValueError: for different shapes, a weight that does not fit, an unknown reduction.

    Example:
        >>> import torch
        >>> style_reconstruction_loss(torch.zeros(2, 4), torch.full((2, 4), 0.5))
        tensor(0.5000)

    References:
        Choi et al., *StarGAN v2*, CVPR 2020, arXiv:1912.01865, equation 2. Source note: ``sty``.
    """
    names = ("pred_style", "target_style", "weight")
    return elementwise_loss(
        absolute, pred_style, target_style, weight=weight, reduction=reduction, names=names
    )


@weight_by_name
def cycle_consistency_loss(
    reconstructed: Float[Tensor, "*shape"],
    original: Float[Tensor, "*shape"],
    *,
    weight: Weight | None = None,
    reduction: Reduction = "mean",
) -> Tensor:
    r"""Absolute error of a sample that was translated there and back.

    .. math::
        \ell = |G(G(x, s), s_{src}) - x|

    Args:
        reconstructed: :math:`G(\hat x, s_{src})`, any shape, such as ``(B, C, H, W)``.
        original: :math:`x`, same shape and unit.
        weight: float, or bool as a mask; ``(B,)`` weighs samples, see
            :func:`lossbook.checks.fit_weight`.
        reduction: ``"mean"`` (default), ``"batchmean"``, ``"sum"`` or ``"none"``.

    Returns:
        A scalar, or the shape of the samples for ``"none"``, in their unit: of scaled latents in
        that of scaled latents; reduced, it is float32 for half precision.

    Raises:
        TypeError: for integer tensors, or tensors mixed with float64.
        ValueError: for different shapes, a weight that does not fit, an unknown reduction.

    Example:
        >>> import torch
        >>> cycle_consistency_loss(torch.zeros(2, 4, 8, 8), torch.full((2, 4, 8, 8), 0.25))
        tensor(0.2500)

    References:
        Zhu et al., *CycleGAN*, ICCV 2017, arXiv:1703.10593. Source note: ``cyc``.
    """
    names = ("reconstructed", "original", "weight")
    return elementwise_loss(
        absolute, reconstructed, original, weight=weight, reduction=reduction, names=names
    )


@weight_by_name
def identity_loss(
    output: Float[Tensor, "*shape"],
    original: Float[Tensor, "*shape"],
    *,
    weight: Weight | None = None,
    reduction: Reduction = "mean",
) -> Tensor:
    r"""Absolute error of a sample that was translated into its own style.

    .. math::
        \ell = |G(x, s_{src}) - x|

    Args:
        output: :math:`G(x, s_{src})`, any shape, such as ``(B, C, H, W)``.
        original: :math:`x`, same shape and unit.
        weight: float, or bool as a mask; ``(B,)`` weighs samples, see
            :func:`lossbook.checks.fit_weight`.
        reduction: ``"mean"`` (default), ``"batchmean"``, ``"sum"`` or ``"none"``.

    Returns:
        A scalar, or the shape of the samples for ``"none"``, in their unit; reduced, it is float32
        for half precision.

    Raises:
        TypeError: for integer tensors, or tensors mixed with float64.
        ValueError: for different shapes, a weight that does not fit, an unknown reduction.

    Example:
        >>> import torch
        >>> identity_loss(torch.zeros(2, 4, 8, 8), torch.full((2, 4, 8, 8), 0.25))
        tensor(0.2500)

    References:
        Zhu et al., *CycleGAN*, ICCV 2017, arXiv:1703.10593, section 5.2; StarGAN v2 has no such
        term. Source note: ``id``.
    """
    names = ("output", "original", "weight")
    return elementwise_loss(
        absolute, output, original, weight=weight, reduction=reduction, names=names
    )


# Diversity --------------------------------------------------------------------------------------


@weight_by_name
def diversity_loss(
    fake_1: Float[Tensor, "*shape"],
    fake_2: Float[Tensor, "*shape"],
    *,
    margin: float | None = None,
    margin_of: MarginOf = "batch",
    weight: Weight | None = None,
    group: Group = None,
) -> Tensor:
    r"""Distance of two translations of one sample = mean(abs(fake_1 - fake_2)), to be made large.

    .. math::
        d = \operatorname{mean} |\hat x_1 - \hat x_2| \qquad
        d_{margin} = \min(d, m)

    It enters a total with a *negative* weight, :func:`diversity_weight`. Two independent Gaussians
    of variance 1 are 2/√π = 1.128 apart. Without a margin it has no upper bound, and its gradient
    pushes as hard as ever.

    The margin as documented looks at the mean of the batch: beyond it nothing has a gradient, not
    even a pair that collapsed to one and the same. ``margin_of="sample"`` clamps each pair's
    distance instead, and averages then: a pair that is far apart rests, and the others go on.

    Args:
        fake_1: :math:`G(x, F(z_1))`, shape ``(B, ...)``.
        fake_2: :math:`G(x, F(z_2))`, same shape.
        margin: None (default) for none, or above 0: the distance beyond which there is no gradient.
        margin_of: ``"batch"`` (default, as documented) or ``"sample"``.
        weight: float, or bool as a mask; ``(B,)`` weighs samples, see
            :func:`lossbook.checks.fit_weight`.
        group: ranks of data-parallel training, ``"world"`` or a process group, by default none. The
            margin is then one of the global batch's mean, and gradients that are averaged over
            the ranks are those of one process. Without gradients no rank waits for another.

    Returns:
        A scalar, at least 0, in the unit of the samples; float32 for half precision.

    Raises:
        TypeError: for integer tensors, tensors mixed with float64, a margin that is no number or a
            group that is none.
        ValueError: for different shapes, a weight that does not fit, a margin that is not above 0,
            an unknown ``margin_of``.
        RuntimeError: for a group while ``torch.distributed`` is not initialised.

    Example:
        >>> import torch
        >>> fake_1, fake_2 = torch.zeros(2, 3), torch.tensor([[0.0] * 3, [4.0] * 3])
        >>> diversity_loss(fake_1, fake_2)
        tensor(2.)
        >>> diversity_loss(fake_1, fake_2, margin=1.0)  # no gradient for the pair that collapsed
        tensor(1.)
        >>> diversity_loss(fake_1, fake_2, margin=1.0, margin_of="sample")
        tensor(0.5000)

    References:
        Mao et al., *Mode Seeking GANs*, CVPR 2019, arXiv:1903.05628; Choi et al., *StarGAN v2*,
        CVPR 2020, arXiv:1912.01865, equation 3. Source note: ``ds``, ``ds_margin``.
    """
    check_margin(margin, margin_of)
    ranks = resolve_group(group)
    if margin is None or margin_of == "batch":
        names = ("fake_1", "fake_2", "weight")
        own = elementwise_loss(
            absolute, fake_1, fake_2, weight=weight, reduction="mean", names=names
        )
        if ranks is None:
            return own if margin is None else own.clamp(max=margin)
        share, mean = _among_ranks(own, _counted(fake_1, weight), ranks)
        return share * own if margin is None else (share * own).where(mean <= margin, margin)
    distances, counted = _distances(fake_1, fake_2, weight)
    clamped = distances.clamp(max=margin)
    if counted is None:
        own = _mean(clamped)
        counts = own.new_full((), fake_1.numel())
    else:
        counts = counted.sum()
        own = (clamped * counted).sum() / counts.where(counts != 0, 1)
    return own if ranks is None else _among_ranks(own, counts, ranks)[0] * own


def diversity_weight(epoch: int | float, w_ds: float, decay_epochs: int | float) -> float:
    r"""Weight of the diversity = w_ds * (1 - clamp((epoch - 1) / decay_epochs, 0, 1)).

    .. math::
        \lambda_{ds}(e) = w_{ds} \bigl(1 - \operatorname{clamp}(\tfrac{e - 1}{N}, 0, 1)\bigr)

    From :math:`w_{ds}` in epoch 1 it falls in a straight line, and is 0 from epoch N + 1 on.

    Args:
        epoch: counted from 1; also a fraction, such as ``1 + step / steps``, as StarGAN v2 decays
            by the iteration.
        w_ds: the weight in epoch 1, at least 0.
        decay_epochs: N, above 0. Of 0 the source's code divides by 0; for no diversity pass
            ``w_ds=0``, and for a weight that stays ``math.inf``.

    Raises:
        TypeError: for anything but Python numbers.
        ValueError: for an epoch below 1, a negative weight, or no epochs to decay in.

    Example:
        >>> [diversity_weight(epoch, 1.0, 20) for epoch in (1, 11, 21, 100)]
        [1.0, 0.5, 0.0, 0.0]

    References:
        Source note: ``lambda_ds``.
    """
    check_diversity(w_ds, decay_epochs)
    checks.number(epoch=epoch)
    if epoch < 1:
        raise ValueError(f"epoch must be at least 1, got {epoch}; count from 1: epoch + 1")
    progress = (epoch - 1) / decay_epochs
    return w_ds * (1 - progress) if progress < 1 else 0.0


def check_margin(margin: float | None, margin_of: str, name: str = "margin") -> None:
    """Check a margin, and of what it is one.

    Raises:
        TypeError: for a margin that is no number.
        ValueError: for one that is not above 0, or an unknown name.
    """
    if margin is not None:
        named: dict[str, Any] = {name: margin}
        checks.number(exclusive=True, **named)
    if margin_of not in get_args(MarginOf):
        known = ", ".join(get_args(MarginOf))
        raise ValueError(f"margin_of must be one of {known}; got {margin_of!r}")


def check_diversity(w_ds: float, decay_epochs: int | float, name: str = "decay_epochs") -> None:
    """Check a weight and in how many epochs it decays.

    Raises:
        TypeError: for anything but Python numbers.
        ValueError: for a negative weight, or no epochs.
    """
    checks.number(w_ds=w_ds)
    if decay_epochs == math.inf:
        return
    named: dict[str, Any] = {name: decay_epochs}
    checks.number(**named)
    if decay_epochs == 0:
        raise ValueError(
            f"{name} must be above 0, got 0; for no diversity pass w_ds=0, for a weight that "
            f"does not decay {name}=math.inf"
        )


def _pairs(real: Tensor, fake: Tensor) -> tuple[Tensor, ...]:
    names = ("real_logits", "fake_logits")
    checks.pair(real, fake, names)
    return _logits(names, real, fake)


def _logits(names: tuple[str, ...], *logits: Tensor) -> tuple[Tensor, ...]:
    """Logits, checked, in the dtype to compute in."""
    if checks.alike(*logits):
        dtype = logits[0].dtype
    else:
        named = dict(zip(names, logits, strict=True))
        checks.floating(**named)
        dtype = checks.same_dtype(**named)
    if checks.checking_values(*logits):
        checks.finite(NO_NAN, **dict(zip(names, logits, strict=True)))
    return widened(dtype, *logits)


def _softplus(values: Tensor) -> Tensor:
    """The logarithm of 1 + e^x: torch takes x for it from 20 on, where float64 sees the rest."""
    return F.softplus(values, threshold=40)


def _mean(losses: Tensor) -> Tensor:
    """Of nothing it is 0. Of a mean the gradient would be divided in another pass."""
    return losses.sum() / max(losses.numel(), 1)


def _distances(
    fake_1: Tensor, fake_2: Tensor, weight: Weight | None
) -> tuple[Tensor, Tensor | None]:
    """The mean distance of each pair, and by how much the pairs count; None where all alike."""
    losses = elementwise_loss(
        absolute,
        *widened(checks.pair(fake_1, fake_2, ("fake_1", "fake_2")), fake_1, fake_2),
        weight=weight,
        reduction="none",
        names=("fake_1", "fake_2", "weight"),
    )
    rows = _rows(losses)
    if weight is None:
        return rows.sum(1) / max(rows.shape[1], 1), None
    fitted = checks.fit_weight(weight, fake_1)
    counted = _rows(fitted.expand_as(losses)).sum(1)
    return rows.sum(1) / counted.where(counted != 0, 1), counted


def _rows(values: Tensor) -> Tensor:
    # Not reshape(B, -1), which an empty batch has no answer to.
    return values.flatten(1) if values.ndim > 1 else values.reshape(-1, 1)


def _counted(fake: Tensor, weight: Weight | None) -> Tensor:
    """The numbers of this rank that count, in a tensor."""
    if weight is None:
        return fake.new_full((), fake.numel(), dtype=checks.working_dtype(fake.dtype))
    fitted = checks.fit_weight(weight, fake)
    return fitted.sum() * (fake.numel() // max(fitted.numel(), 1))


def _among_ranks(own: Tensor, counted: Tensor, ranks: "dist.ProcessGroup") -> tuple[Tensor, Tensor]:
    """The factor with which the ranks' means average to the mean over all ranks; and that mean."""
    counted = counted.detach()
    sums = torch.stack([own.detach() * counted, counted])
    dist.all_reduce(sums, group=ranks)
    everything = sums[1].where(sums[1] != 0, 1)
    return dist.get_world_size(ranks) * counted / everything, sums[0] / everything
