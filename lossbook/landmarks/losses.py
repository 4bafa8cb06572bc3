"""Losses of single coordinates as functions: SmoothL1 and Wing."""

import math
import struct

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from lossbook import checks
from lossbook.calls import weight_by_name
from lossbook.kernels import absolute, reduced, smooth
from lossbook.reduction import Reduction, elementwise_loss


@weight_by_name
def smooth_l1_loss(
    input: Float[Tensor, "*shape"],
    target: Float[Tensor, "*shape"],
    *,
    beta: float = 1.0,
    weight: Float[Tensor, "..."] | Bool[Tensor, "..."] | None = None,
    reduction: Reduction = "batchmean",
) -> Tensor:
    r"""Quadratic for errors up to ``beta``, linear beyond.

    .. math::
        \ell(x) = \begin{cases} x^2 / 2\beta & |x| \le \beta \\ |x| - \beta/2 & |x| > \beta
        \end{cases} \qquad x = \text{input} - \text{target}

    This is :func:`torch.nn.functional.smooth_l1_loss` with the shape checks, the weight and the
    ``"batchmean"`` of this package. Value and slope are continuous at ``beta``; the second
    derivative jumps by :math:`1/\beta`.

    Args:
        input: predicted coordinates, any shape; ``(B, 2N)`` or ``(B, N, 2)`` for landmarks.
        target: true coordinates, same shape and unit.
        beta: where the quadratic part ends, in the unit of the coordinates. 0 gives L1.
        weight: multiplies the loss; float, or bool as a mask. Its shape is that of ``input`` or
            a leading part of it, with 1 for a dimension that it does not tell apart: ``(B,)``
            weighs samples, ``(B, N)`` or ``(1, N)`` points of ``(B, N, 2)``. An element of weight
            0 contributes nothing, even where it is NaN.
        reduction: ``"batchmean"`` (default, as in the source: summed over coordinates, averaged
            over the batch, that is the first dimension), ``"sum"``, ``"mean"`` or ``"none"``.

    Returns:
        A scalar, or the shape of ``input`` for ``"none"``; the unit of the coordinates for large
        errors. Its dtype is that of the inputs; reduced, it is float32 for half precision.

    Raises:
        TypeError: for integer tensors, tensors mixed with float64, or a ``beta`` that is no
            Python number.
        ValueError: for different shapes, a negative ``beta``, an unknown reduction.

    Example:
        >>> import torch
        >>> x = torch.tensor([[0.5, 3.0]])
        >>> smooth_l1_loss(x, torch.zeros_like(x))  # 0.5**2 / 2 + 3 - 0.5
        tensor(2.6250)

    References:
        Girshick, *Fast R-CNN*, ICCV 2015. Source note: ``smoothL1`` of SmlCoke/PFLD.
        Derived in :doc:`/book/landmarks`.
    """
    checks.number(beta=beta)

    def kernel(input: Tensor, target: Tensor, reduction: str) -> Tensor:
        checks.representable(input.dtype, beta=beta)
        if beta == 0:
            return absolute(input, target, reduction)
        if torch.compiler.is_compiling():
            # Of torch's own there would be a graph for each beta.
            error = input - target
            near = error.clamp(-beta, beta)
            return reduced(near / beta * (error - near / 2), reduction)
        return smooth(input, target, reduction, beta)

    return elementwise_loss(kernel, input, target, weight=weight, reduction=reduction)


def wing_constant(w: float, epsilon: float) -> float:
    r"""The constant that makes Wing continuous: :math:`C = w\,(1 - \ln(1 + w/\epsilon))`.

    Raises:
        TypeError: if ``w`` or ``epsilon`` is not a Python number.
        ValueError: if one is not positive and finite.

    Example:
        >>> round(wing_constant(10.0, 2.0), 4)
        -7.9176

    References:
        The constant of :func:`wing_loss`. Derived in :doc:`/book/landmarks`.
    """
    checks.number(exclusive=True, w=w, epsilon=epsilon)
    return w * (1.0 - math.log1p(w / epsilon))


@weight_by_name
def wing_loss(
    input: Float[Tensor, "*shape"],
    target: Float[Tensor, "*shape"],
    *,
    w: float = 10.0,
    epsilon: float = 2.0,
    weight: Float[Tensor, "..."] | Bool[Tensor, "..."] | None = None,
    reduction: Reduction = "batchmean",
) -> Tensor:
    r"""Logarithmic for errors below ``w``, linear beyond.

    .. math::
        \ell(x) = \begin{cases} w \ln(1 + |x|/\epsilon) & |x| < w \\ |x| - C & |x| \ge w
        \end{cases} \qquad C = w\,(1 - \ln(1 + w/\epsilon))

    The slope falls from :math:`w/\epsilon` at 0 to :math:`w/(w+\epsilon)` just below ``w`` and is
    1 from there on: errors below ``w - epsilon`` pull harder than those beyond ``w``. ``w`` and
    ``epsilon`` are lengths. The defaults are meant for pixels; for coordinates in [0, 1] the linear
    part is out of reach and the loss is close to :math:`(w/\epsilon)\,|x|`.

    Args:
        input: predicted coordinates, any shape; ``(B, 2N)`` or ``(B, N, 2)`` for landmarks.
        target: true coordinates, same shape and unit.
        w: where the linear part begins, in the unit of the coordinates.
        epsilon: curvature of the logarithmic part, same unit. Small values make the gradient
            near 0 large.
        weight: multiplies the loss; float, or bool as a mask. Its shape is that of ``input`` or
            a leading part of it, with 1 for a dimension that it does not tell apart: ``(B,)``
            weighs samples, ``(B, N)`` or ``(1, N)`` points of ``(B, N, 2)``. An element of weight
            0 contributes nothing, even where it is NaN.
        reduction: ``"batchmean"`` (default, as in the source: summed over points and
            coordinates, averaged over the batch, that is the first dimension), ``"sum"``,
            ``"mean"`` or ``"none"``.

    Returns:
        A scalar, or the shape of ``input`` for ``"none"``. Its dtype is that of the inputs;
        reduced, it is float32 for half precision. At 0 the gradient is 0, the middle of the
        kink; at ``w`` it is 1, as in the source.

    Raises:
        TypeError: for integer tensors, tensors mixed with float64, or hyperparameters that are
            no Python numbers.
        ValueError: for different shapes, ``w`` or ``epsilon`` not positive, an unknown reduction.

    Example:
        >>> import torch
        >>> x = torch.tensor([[1.0, -20.0]])
        >>> wing_loss(x, torch.zeros_like(x), reduction="none")
        tensor([[ 4.0547, 27.9176]])

    References:
        Feng et al., *Wing Loss for Robust Facial Landmark Localisation with Convolutional Neural
        Networks*, CVPR 2018. Source note: ``wing_loss`` of SmlCoke/PFLD.
        Derived in :doc:`/book/landmarks`.
    """
    checks.number(exclusive=True, w=w, epsilon=epsilon)

    # Near and far add up to |x|, and each has a gradient where the other has none: a difference
    # |x| - near would cancel in the gradient, and a `where` evaluate both branches everywhere.
    def kernel(input: Tensor, target: Tensor, reduction: str) -> Tensor:
        sizes = {"w": w, "epsilon": epsilon, "1 / epsilon": 1 / epsilon, "w / epsilon": w / epsilon}
        checks.representable(input.dtype, **sizes)
        error = (input - target).abs()
        if torch.compiler.is_compiling():
            # Fused, a second branch costs nothing.
            constant = w - w * error.new_full((), w / epsilon).log1p()
            near = w * (error / epsilon).log1p()
            return reduced(torch.where(error < w, near, error - constant), reduction)
        near = torch.log1p(F.hardtanh(error, -w, w).div_(epsilon))
        # Neither has a slope at its own border, so the far part begins one number before w.
        far = F.softshrink(error, _just_below(w, error.dtype))
        return torch.add(reduced(far, reduction), reduced(near, reduction), alpha=w)

    loss = elementwise_loss(kernel, input, target, weight=weight, reduction=reduction)
    if checks.checking_values(input, target, weight):
        _explain_reach(input, target, weight, w, epsilon)
    return loss


def _just_below(number: float, dtype: torch.dtype) -> float:
    """The largest number of float32 or float64 that is smaller than a positive one."""
    if dtype is torch.float64:
        return math.nextafter(number, 0)
    (bits,) = struct.unpack("<i", struct.pack("<f", number))
    below: float = struct.unpack("<f", struct.pack("<i", max(bits - 1, 0)))[0]
    return below


def _explain_reach(
    input: Tensor, target: Tensor, weight: Tensor | None, w: float, epsilon: float
) -> None:
    """Between coordinates within [-1, 1] an error is at most 2."""
    if not input.numel() or w <= 2 or epsilon < 1:
        return
    if weight is not None:
        counted = checks.fit_weight(weight, input) != 0
        input, target = input.where(counted, 0), target.where(counted, 0)
    reach, truth = (points.detach().abs().max().item() for points in (input, target))
    if reach <= 1 and 0 < truth <= 1:
        checks.warn(
            f"input and target lie within [-1, 1], where no error reaches w={w:g} and wing_loss is "
            f"close to {w / epsilon:g} |x|: its defaults are pixels; for normalised coordinates "
            f"divide w and epsilon by the size of the image"
        )
