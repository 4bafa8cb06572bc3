"""What a penalty that is computed now and then asks of its optimiser."""

from typing import Any, TypedDict

from lossbook import checks


class AdamOptions(TypedDict):
    """What :func:`lossbook.translation.lazy_adam` returns."""

    lr: float
    betas: tuple[float, float]


def lazy_adam(lr: float, betas: tuple[float, float] = (0.0, 0.99), *, interval: int) -> AdamOptions:
    r"""Options of Adam beside a lazy penalty: lr * c and betas ** c, with c = I / (I + 1).

    .. math::
        c = \frac{I}{I + 1}, \qquad \eta' = c\, \eta, \qquad \beta' = \beta^c

    With :class:`DiscriminatorLoss`, which adds the penalty into the same update, nothing is made up
    for: only the lower learning rate is left.

    In StyleGAN2 a penalty of every I-th step has an update of its own: there are I + 1 updates in
    I steps, and with these options they forget and move as I updates did. The source adds its
    penalty to the loss of that step instead, which stays one update. Either way Adam divides by
    the size of past gradients, among which one of I is large, so that no choice of its options
    makes a lazy penalty the same as one in every step.

    Args:
        lr: the learning rate, at least 0.
        betas: from 0 to below 1; StyleGAN2's by default.
        interval: I, steps from one penalty to the next, at least 1.

    Returns:
        ``lr`` and ``betas``, for ``torch.optim.Adam(parameters, **lazy_adam(...))``.

    Raises:
        TypeError: for other things than numbers.
        ValueError: for numbers out of range.

    Example:
        >>> options = lazy_adam(0.002, (0.0, 0.99), interval=4)  # StyleGAN2's generator
        >>> round(options["lr"], 6), round(options["betas"][1], 6)
        (0.0016, 0.991992)

    References:
        Karras et al., *Analyzing and Improving the Image Quality of StyleGAN* (StyleGAN2), CVPR
        2020, arXiv:1912.04958, appendix B.
    """
    checks.number(lr=lr)
    checks.index(None, interval=interval)
    if interval == 0:
        raise ValueError("interval must be at least 1, got 0; 1 is every step")
    if not isinstance(betas, (tuple, list)) or len(betas) != 2:
        raise TypeError(f"betas must be two numbers, got {betas!r}; write betas=(0.0, 0.99)")
    for name, beta in zip(("betas[0]", "betas[1]"), betas, strict=True):
        named: dict[str, Any] = {name: beta}
        checks.number(**named)
        if beta >= 1:
            raise ValueError(
                f"{name} must be below 1, got {beta}; pass 0.99 for Adam's usual memory"
            )
    c = interval / (interval + 1)
    return {"lr": lr * c, "betas": (betas[0] ** c, betas[1] ** c)}
