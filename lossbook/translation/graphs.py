"""What R1 needs of the discriminator: one logit a sample, whose graph leads to the inputs."""

import sys
from typing import NoReturn

import torch
from torch import Tensor

from lossbook import checks

NO_NAN = "a discriminator that overflows in half precision does so in float32 later; look at it"


def look_for_graph(real_logits: Tensor, real_inputs: Tensor) -> None:
    """Check what R1 is made of: one logit a sample, with a graph that leads to the inputs."""
    checks.floating(real_logits=real_logits, real_inputs=real_inputs)
    checks.shape("(B, ...)", has_samples, real_inputs=real_inputs)
    one_logit(real_logits=real_logits)
    checks.same_batch(real_logits=real_logits, real_inputs=real_inputs)
    checks.same_device(real_logits=real_logits, real_inputs=real_inputs)
    if not torch.is_grad_enabled():
        raise ValueError(
            "r1_penalty is made of a gradient, and there is none under torch.no_grad(); compute "
            "the logits and the penalty inside torch.enable_grad()"
        )
    if not real_inputs.requires_grad:
        raise ValueError(
            "real_inputs must require a gradient, got a tensor without a graph; before the "
            "discriminator write real_inputs = real_inputs.detach().requires_grad_(True), and give "
            "it that very tensor"
        )
    if not real_logits.requires_grad:
        refuse_graph()
    if checks.checking_values(real_logits, real_inputs):
        checks.finite(NO_NAN, real_logits=real_logits)
        checks.finite(real_inputs=real_inputs)


def one_logit(**logits: Tensor) -> None:
    """Check that each sample has one logit, or a map of them.

    Raises:
        ValueError: with what to do about one logit a domain.
    """
    for name, found in logits.items():
        shape = tuple(found.shape)
        if not shape or (len(shape) > 1 and shape[1] != 1):
            raise ValueError(
                f"{name} must be a logit a sample, (B,) or (B, 1), or a map (B, 1, H, W), got "
                f"{shape}; of one logit a domain pick that of the label: "
                f"logits.gather(1, y[:, None])"
            )


def refuse_to_compile(compiles: bool) -> None:
    """Raise where torch compiles what calls this, as it cannot differentiate twice.

    Raises:
        RuntimeError: saying what to do.
    """
    if compiles:
        raise RuntimeError(
            "R1 has second derivatives, which torch.compile does not support; compile the networks "
            "and not what calls this loss, or take approximate_r1_penalty"
        )


def refuse_graph() -> NoReturn:
    """Raise where logits do not depend on the inputs."""
    raise ValueError(
        "real_logits must depend on real_inputs, got logits without a graph that leads there; "
        "compute them from this very tensor, real_logits = discriminator(real_inputs), after "
        "real_inputs = real_inputs.detach().requires_grad_(True), with gradients enabled and "
        "without .detach() or a copy between them"
    )


def look_for_compiled_code(real_logits: Tensor, real_inputs: Tensor) -> None:
    """Say now what ``backward()`` would say in torch's words."""
    if "torch._dynamo" not in sys.modules:
        return
    seen, left = {real_inputs.grad_fn}, [real_logits.grad_fn]
    while left:
        node = left.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if "CompiledFunction" in node.name():
            raise RuntimeError(
                "real_logits come out of compiled code, which has no second derivatives, and R1 "
                "needs them; call the discriminator itself for them, or with "
                "torch.compiler.set_stance('force_eager'), or take approximate_r1_penalty"
            )
        left.extend(other for other, _ in node.next_functions)


def has_samples(shape: tuple[int, ...]) -> bool:
    """Whether a shape has samples that have numbers."""
    return len(shape) > 1
