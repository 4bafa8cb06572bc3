"""What the losses and the metrics of landmarks ask of their points."""

from jaxtyping import Float
from torch import Tensor

from lossbook import checks

Landmarks = Float[Tensor, "batch *points"]


def is_landmarks(shape: tuple[int, ...]) -> bool:
    """Whether this is ``(B, 2N)`` or ``(B, N, 2)`` with at least one point."""
    if len(shape) == 2:
        return shape[1] > 0 and shape[1] % 2 == 0
    return len(shape) == 3 and shape[1] > 0 and shape[2] == 2


def check_landmarks(**landmarks: Tensor) -> None:
    """Check for floating-point points of one shape, ``(B, 2N)`` or ``(B, N, 2)``.

    Raises:
        TypeError: for other tensors.
        ValueError: for other or different shapes.
    """
    checks.floating(**landmarks)
    checks.shape("(B, 2N) or (B, N, 2)", is_landmarks, **landmarks)
    checks.same_shape(**landmarks)
