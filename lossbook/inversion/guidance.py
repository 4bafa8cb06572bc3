"""Scheme D: the gradient that trains against the gradient that guides the inference."""

from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from lossbook import checks
from lossbook.calls import weight_by_name
from lossbook.inversion import kernel, values
from lossbook.inversion.shapes import Weight, of_samples
from lossbook.reduction import Reduction, check_reduction, reduce_loss, widened

GuidanceForm = Literal["documented", "residual", "cosine"]


@weight_by_name
def guidance_consistency_loss(
    input: Float[Tensor, "batch _ *rest"],
    feature_losses: Float[Tensor, " batch"],
    similarity: Float[Tensor, " batch"],
    *,
    form: GuidanceForm = "documented",
    weight: Weight | None = None,
    reduction: Reduction = "mean",
) -> Tensor:
    r"""Documented: length of (gradient of the loss - gradient of the similarity), in the picture.

    .. math::
        \ell_{documented} = \lVert \nabla_{\hat x} \mathcal L - \nabla_{\hat x} s \rVert_2 \qquad
        \ell_{residual} = \lVert \nabla_{\hat x} \mathcal L + \nabla_{\hat x} s \rVert_2 \qquad
        \ell_{cosine} = 1 + \cos(\nabla_{\hat x} \mathcal L, \nabla_{\hat x} s)

    Scheme D. A loss falls where a similarity rises: what trains goes along
    :math:`-\nabla\mathcal L`, what guides the inference along :math:`+\nabla s`. The documented
    form has the sign wrong. For :math:`\mathcal L = 1 - s` it is :math:`2 \lVert\nabla s\rVert`, so
    that minimising it takes the guidance away, and ``"residual"`` is 0. For another loss the two
    differ in size, too, and ``"cosine"`` compares directions alone: 0 where both point the same
    way, 2 where they are opposed, 1 where one of them is 0.

    Both gradients are computed here, with a graph of their own, so that the result can be
    back-propagated into the network that made ``input`` and, unless it is frozen, into the encoder.
    A step costs two more passes back through the encoder, and both again for the second
    derivatives. It runs in eager mode: neither ``torch.compile`` nor ``torch.func`` follows a
    gradient inside of a loss.

    Args:
        input: rebuilt pictures :math:`\hat x`, shape ``(B, ...)``, from which the features were
            computed; the output of a network, or a leaf that requires a gradient.
        feature_losses: of each sample, shape ``(B,)``, as with ``reduction="none"``. A mean over
            the batch would make its gradient B times too small.
        similarity: of each sample with its template, shape ``(B,)``, such as
            ``torch.cosine_similarity(features, template)``. A sample must not depend on the
            pictures of others, as it does through batch normalisation in training mode.
        form: ``"documented"`` (default), ``"residual"`` or ``"cosine"``.
        weight: of each sample, float, or bool as a mask, shape ``(B,)``.
        reduction: ``"mean"`` (default, over samples), ``"batchmean"`` (the same without weights),
            ``"sum"`` or ``"none"``.

    Returns:
        A scalar, or shape ``(B,)`` for ``"none"``, per unit of the pixels, or without unit;
        reduced, it is float32 for half precision.

    Raises:
        TypeError: for integer tensors, or tensors mixed with float64.
        ValueError: for shapes that do not fit, an unknown form or reduction, or a loss or
            similarity without a graph that leads to ``input``.

    Example:
        >>> import torch
        >>> template = torch.tensor([[1.0, 0.0]])
        >>> input = torch.tensor([[1.0, 1.0]], requires_grad=True)  # its own features
        >>> similarity = torch.cosine_similarity(input, template)
        >>> for form in ("documented", "residual", "cosine"):
        ...     loss = guidance_consistency_loss(input, 1 - similarity, similarity, form=form)
        ...     print(f"{form} {loss:.2f}")
        documented 1.00
        residual 0.00
        cosine 0.00

    References:
        Chung et al., *Diffusion Posterior Sampling*, ICLR 2023, arXiv:2209.14687, which
        differentiates through the denoiser. Source note: scheme D.
    """
    check_guidance_form(form)
    _look_for_graph(input, feature_losses, similarity)
    gradients = [
        _gradient(input, name, of)
        for name, of in (("feature_losses", feature_losses), ("similarity", similarity))
    ]
    return consistency(gradients[0], gradients[1], form=form, weight=weight, reduction=reduction)


def consistency(
    loss_gradient: Float[Tensor, "batch _ *rest"],
    similarity_gradient: Float[Tensor, "batch _ *rest"],
    *,
    form: GuidanceForm = "documented",
    weight: Weight | None = None,
    reduction: Reduction = "mean",
) -> Tensor:
    """:func:`guidance_consistency_loss` of two gradients that are there already."""
    check_guidance_form(form)
    names = ("loss_gradient", "similarity_gradient")
    dtype = checks.pair(loss_gradient, similarity_gradient, names)
    checks.shape("(B, ...)", lambda shape: len(shape) > 1, **{names[0]: loss_gradient})
    check_reduction(reduction)
    fitted = of_samples(weight, loss_gradient)
    if checks.checking_values(loss_gradient, similarity_gradient, weight):
        named = dict(zip(names, (loss_gradient, similarity_gradient), strict=True))
        values.look_at_gradients(named, weight, fitted)
    first, second = (each.flatten(1) for each in widened(dtype, loss_gradient, similarity_gradient))
    if fitted is not None:
        absent = fitted == 0
        first, second = first.masked_fill(absent, 0), second.masked_fill(absent, 0)
    if form == "cosine":
        first, second = kernel.unit(first), kernel.unit(second)
        # As a square it is never below 0, and keeps its digits there.
        half = (first + second).square().sum(-1) / 2
        losses = half.where((first.detach() != 0).any(-1) & (second.detach() != 0).any(-1), 1)
    else:
        losses = kernel.length(first - second if form == "documented" else first + second)
    own = None if fitted is None else fitted[:, 0]
    result = reduce_loss(losses, reduction, weight=own)
    return result.to(dtype) if reduction == "none" else result


def check_guidance_form(form: str, name: str = "form") -> None:
    """Check the name of a form.

    Raises:
        ValueError: with the known ones.
    """
    if form not in get_args(GuidanceForm):
        raise ValueError(f"{name} must be one of {', '.join(get_args(GuidanceForm))}; got {form!r}")


def _look_for_graph(input: Tensor, feature_losses: Tensor, similarity: Tensor) -> None:
    """Check the shapes, and that there is something to differentiate."""
    checks.floating(input=input, feature_losses=feature_losses, similarity=similarity)
    checks.shape("(B, ...)", lambda shape: len(shape) > 1, input=input)

    def advise(name: str, shape: tuple[int, ...]) -> str:
        if shape and len(shape) != 1:
            return f"pass {name}.flatten(1).mean(1)"
        return "pass one number a sample, as with reduction='none'"

    expected = (input.shape[0],)
    for name, of in (("feature_losses", feature_losses), ("similarity", similarity)):
        checks.shape(
            f"(B,) with B = {expected[0]}", lambda shape: shape == expected, advise, **{name: of}
        )
    checks.same_dtype(input=input, feature_losses=feature_losses, similarity=similarity)
    if not torch.is_grad_enabled():
        raise ValueError(
            "guidance_consistency_loss compares gradients, and there are none under "
            "torch.no_grad(); compute the features and the loss inside torch.enable_grad()"
        )
    if not input.requires_grad:
        raise ValueError(
            "input must require a gradient, got a tensor without a graph; pass the network's "
            "output itself, not detached, or call input.requires_grad_() before the features are "
            "computed from it"
        )


def _gradient(input: Tensor, name: str, of: Tensor) -> Tensor:
    """The gradient of a number a sample in the pictures, with a graph."""
    found = None
    if of.requires_grad:
        (found,) = torch.autograd.grad(of.sum(), input, create_graph=True, allow_unused=True)
    if found is None:
        raise ValueError(
            f"{name} must depend on input, got one without a graph that leads there; compute the "
            f"features from this very tensor, features = encoder(input), with gradients enabled "
            f"and without .detach() or a copy between them"
        )
    return found
