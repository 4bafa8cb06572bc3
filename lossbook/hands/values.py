"""What the hand losses see inside ``check_values``, and how they say it."""

from collections.abc import Mapping

import torch
from jaxtyping import Bool
from torch import Tensor

from lossbook import checks
from lossbook.hands.shapes import from_root
from lossbook.reduction import working_dtype


def check_keypoints(
    input: Tensor,
    target: Tensor,
    confidence: Tensor | None,
    weight: Tensor | None,
    factor: Tensor | None,
    root: int | None,
    dimensions: int,
    names: tuple[str, str, str],
) -> None:
    """Look at keypoints: what counts must be finite, in range and of one unit.

    Raises:
        ValueError: for values that cannot be meant.
    """
    checks.not_swapped(names[:2], input, target)
    if confidence is not None and confidence.is_floating_point():
        checks.confidences(**{names[2]: confidence})
    if weight is not None:
        checks.weights(weight=weight)
    counted = _check_visible(input, target, factor, root, names)
    if dimensions == 2:
        _check_normalized(input, target, counted, names)
    elif root is not None:
        _check_sizes(input, target, counted, root, names)


def check_prior(
    betas: Tensor,
    hand_pose: Tensor | None,
    weight: Tensor | None,
    fitted: Tensor | None,
    names: tuple[str, str],
) -> None:
    """Look at MANO's parameters: shapes of people, and rotations.

    Raises:
        ValueError: for values that cannot be meant.
    """
    if weight is not None and fitted is not None:
        checks.weights(weight=weight)
        betas = betas.where(fitted != 0, 0)
    _check_betas(**{names[0]: betas})
    if hand_pose is None:
        return
    if fitted is not None:
        identity = torch.eye(3, dtype=hand_pose.dtype, device=hand_pose.device)
        hand_pose = hand_pose.where((fitted != 0)[..., None, None], identity)
    checks.finite(checks.MASK, **{names[1]: hand_pose})
    checks.rotations(**{names[1]: hand_pose})


def check_first_stage(named: Mapping[str, Tensor], weight: Tensor | None) -> None:
    """Look at pose and shape and their targets, in this order of names.

    Raises:
        ValueError: for values that cannot be meant.
    """
    if weight is not None:
        checks.weights(weight=weight)
        present = weight.reshape(-1, 1) != 0
        named = {name: values.where(present, 0) for name, values in named.items()}
    checks.finite(checks.MASK, **named)
    *_, (pose_name, pose), (shape_name, shape) = named.items()
    checks.radians(**{pose_name: pose})
    _check_betas(**{shape_name: shape})


def check_rotations(input: Tensor, target: Tensor, weight: Tensor | None) -> None:
    """Look at rotation matrices that count.

    Raises:
        ValueError: for values that cannot be meant.
    """
    checks.finite(checks.MASK, input=input, target=target)
    checks.rotations(input=input, target=target)
    if weight is not None:
        checks.weights(weight=weight)


def _check_visible(
    input: Tensor,
    target: Tensor,
    factor: Tensor | None,
    root: int | None,
    names: tuple[str, str, str],
) -> Bool[Tensor, "batch points"]:
    """Look for NaN in points that count and in their roots; return which points count."""
    if factor is None:
        counted = torch.ones(input.shape[:2], dtype=torch.bool, device=input.device)
    else:
        counted = (factor != 0).expand_as(input).any(-1)
        if root is not None:
            _check_hidden_root(target, counted, root, names)
    needed = counted.clone()
    if root is not None:
        needed[:, root] |= counted.any(1)
    needed = needed[..., None]
    points = {names[0]: input.where(needed, 0), names[1]: target.where(needed, 0)}
    checks.finite(checks.MASK, **points)
    return counted


def _check_hidden_root(
    target: Tensor, counted: Bool[Tensor, "batch points"], root: int, names: tuple[str, str, str]
) -> None:
    """A hand is measured from a root of confidence 0, if there is one to measure from."""
    hidden = ~counted[:, root] & counted.any(1)
    if not bool(hidden.any()):
        return
    checks.warn(
        f"the root, point {root}, has confidence 0 in some samples, "
        f"yet every other joint is measured from it"
    )
    roots = target.where(hidden[:, None, None], 0)
    roots = roots.where(torch.arange(roots.shape[1], device=roots.device)[:, None] == root, 0)
    lost = int((~roots.isfinite()).any(2).sum())
    which = "this hand counts" if lost == 1 else f"these {lost} hands count"
    checks.finite(
        f"the root is NaN: {which} for nothing; pass another root=, or root=None",
        **{names[1]: roots},
    )


def _check_normalized(
    input: Tensor, target: Tensor, counted: Tensor, names: tuple[str, str, str]
) -> None:
    """Labels may lie a little outside of the crop, an untrained prediction far more."""
    for name, points, limit in ((names[0], input, 10.0), (names[1], target, 1.0)):
        if not points.numel():
            return
        visible = points.detach().where(counted[..., None], 0)
        low, high = visible.min().item(), visible.max().item()
        largest = max(-low, high)
        if largest > limit:
            raise ValueError(
                f"{name} reaches {largest:.4g}, but 2D keypoints are normalised to [-0.5, 0.5] "
                f"of the crop; divide pixels by the crop's side and subtract 0.5"
            )
        if name == names[1] and low >= 0 and high > 0.5:
            checks.warn(
                f"{name} reaches from {low:.4g} to {high:.4g}: is it normalised to [0, 1]? 2D "
                f"keypoints are expected in [-0.5, 0.5]; subtract 0.5"
            )


def _check_sizes(
    input: Tensor, target: Tensor, counted: Tensor, root: int, names: tuple[str, str, str]
) -> None:
    """Compare the hands' sizes: a thousand apart is a unit, 0 is a hand model not loaded."""
    judged = counted.sum(1) > 1
    if not bool(judged.any()):
        return
    sizes = {}
    for name, points in zip(names[:2], (input, target), strict=True):
        relative = from_root(points.detach(), root).abs().where(counted[..., None], 0)
        sizes[name] = relative.amax((1, 2))[judged]
    for name, other in (names[:2], names[1::-1]):
        empty = int(((sizes[name] == 0) & (sizes[other] > 0)).sum())
        if empty:
            checks.warn(
                f"all joints of {name} lie on its root in {empty} of {len(sizes[name])} hands: was "
                f"the hand model loaded, is there a label?"
            )
            return
    medians = {name: size.median().item() for name, size in sizes.items()}
    small, large = sorted(medians, key=lambda name: medians[name])
    if medians[large] > 100 * medians[small]:
        checks.warn(
            f"{large} extends {medians[large]:.4g} from its root and {small} {medians[small]:.4g}: "
            f"is one in millimetres and the other in metres, or is the network untrained?"
        )


def _check_betas(**tensors: Tensor) -> None:
    for name, betas in tensors.items():
        checks.finite(checks.MASK, **{name: betas})
        if not betas.numel():
            continue
        squares = betas.detach().to(working_dtype(betas.dtype)).square()
        size = squares.mean(1).amax().sqrt().item()
        if size > 3:
            checks.warn(
                f"{name} has a root mean square of {size:.3g} in a sample; MANO's shape parameters "
                f"are standard normal, so this is no hand: lower the learning rate or scale the "
                f"shape head down"
            )
