"""What the losses and the metrics of hands ask of their joints."""

from collections.abc import Callable

from jaxtyping import Float
from torch import Tensor


def is_points(*columns: int) -> Callable[[tuple[int, ...]], bool]:
    """Test for shapes ``(B, N, columns)`` with at least one point."""
    return lambda shape: len(shape) == 3 and shape[1] > 0 and shape[2] in columns


def from_root(points: Float[Tensor, "batch points 3"], root: int) -> Tensor:
    """Measure the points of each hand from one of them."""
    return points - points[:, root : root + 1]
