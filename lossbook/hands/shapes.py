"""What the losses and the metrics of hands ask of their joints."""

from collections.abc import Callable

from jaxtyping import Float
from torch import Tensor


def is_points(*columns: int) -> Callable[[tuple[int, ...]], bool]:
    """Test for shapes ``(B, N, columns)`` with at least one point."""
    return lambda shape: len(shape) == 3 and shape[1] > 0 and shape[2] in columns


def advise_points(name: str, shape: tuple[int, ...]) -> str:
    """What to do about 2D keypoints where joints in 3D are meant, or the other way round."""
    if len(shape) != 3:
        return ""
    if shape[2] == 2:
        return "2D keypoints go to keypoint_2d_loss, in HandLoss to keypoints_2d"
    if shape[2] == 3:
        return "joints in 3D go to keypoint_3d_loss, in HandLoss to keypoints_3d"
    return f"transpose it with {name}.mT" if shape[1] in (2, 3) else ""


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
