"""What the losses and the metrics of hands ask of their joints."""

from collections.abc import Callable

from jaxtyping import Float
from torch import Tensor

Advice = Callable[[str, tuple[int, ...]], str]
"""From a name and a shape that will not do to the fix, which may be empty."""


def is_points(*columns: int) -> Callable[[tuple[int, ...]], bool]:
    """Test for shapes ``(B, N, columns)`` with at least one point."""
    return lambda shape: len(shape) == 3 and shape[1] > 0 and shape[2] in columns


def advise_points(columns: int) -> Advice:
    """What to do about keypoints of another number of coordinates, or arranged in another way."""
    arrange = advise_arranged(columns)

    def advise(name: str, shape: tuple[int, ...]) -> str:
        if len(shape) == 3 and shape[2] == 2:
            return "2D keypoints go to keypoint_2d_loss, in HandLoss to keypoints_2d"
        if len(shape) == 3 and shape[2] == 3:
            return "joints in 3D go to keypoint_3d_loss, in HandLoss to keypoints_3d"
        return arrange(name, shape)

    return advise


def advise_arranged(columns: int) -> Advice:
    """What to do about points whose coordinates stand in one row, or in the wrong dimension."""

    def advise(name: str, shape: tuple[int, ...]) -> str:
        if len(shape) == 2 and shape[1] > columns and shape[1] % columns == 0:
            return f"unfold the rows with {name}.unflatten(1, ({shape[1] // columns}, {columns}))"
        return f"transpose it with {name}.mT" if len(shape) == 3 and shape[1] in (2, 3) else ""

    return advise


def advise_matrices(name: str, shape: tuple[int, ...]) -> str:
    """What to do about rotations in another form."""
    if shape[-1:] == (9,):
        return f"unfold the matrices with {name}.unflatten(-1, (3, 3))"
    if shape[-1:] == (4,):
        return "convert quaternions first, for instance with roma.unitquat_to_rotmat"
    return (
        "convert axis-angles to rotation matrices first, for instance with roma.rotvec_to_rotmat, "
        "pairs of columns (6D) with roma.special_gramschmidt"
    )


def from_root(points: Float[Tensor, "batch points 3"], root: int) -> Tensor:
    """Measure the points of each hand from one of them."""
    return points - points[:, root : root + 1]
