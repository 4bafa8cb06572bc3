"""How landmark detectors are scored: normalised mean error and what is read off it."""

from collections.abc import Sequence
from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from lossbook import checks
from lossbook.landmarks.shapes import Landmarks, check_landmarks
from lossbook.reduction import working_dtype

Eyes = tuple[Sequence[int], Sequence[int]]
Normalizer = Literal["inter_ocular", "inter_pupil", "box"]

# Left and right end of the normalising distance, as points to average, per annotation scheme.
_EYES: dict[tuple[str, int], Eyes] = {
    ("inter_ocular", 98): ([60], [72]),
    ("inter_pupil", 98): ([96], [97]),
    ("inter_ocular", 68): ([36], [45]),
    ("inter_pupil", 68): (range(36, 42), range(42, 48)),
}


def nme(
    landmarks: Landmarks,
    landmarks_gt: Landmarks,
    *,
    normalizer: Normalizer = "inter_ocular",
    eyes: Eyes | None = None,
) -> Float[Tensor, " batch"]:
    r"""Normalised mean error of each face: the mean point distance over a size of the face.

    Args:
        landmarks: predicted points, shape ``(B, 2N)`` or ``(B, N, 2)``.
        landmarks_gt: true points, same shape and unit.
        normalizer: ``"inter_ocular"`` (distance of the outer eye corners), ``"inter_pupil"``
            (distance of the pupils; for 68 points, of the eyes' centres) or ``"box"``
            (:math:`\sqrt{w h}` of the box around the true points).
        eyes: for other schemes than the 98 points of WFLW and the 68 of 300W: the indices of
            the left and the right eye's points, each averaged. Overrides ``normalizer``.

    Returns:
        Shape ``(B,)``, a fraction (0.05 is 5 %). A face whose normalising size is 0
        has inf, one with NaN has NaN.

    Raises:
        TypeError: for integer tensors, or tensors mixed with float64.
        ValueError: for other shapes, an unknown normaliser, or an unknown scheme without
            ``eyes``.

    Example:
        >>> import torch
        >>> truth = torch.zeros(1, 98, 2)
        >>> truth[0, 72] = torch.tensor([40.0, 0.0])
        >>> nme(truth + torch.tensor([0.0, 2.0]), truth)
        tensor([0.0500])

    References:
        Normalisers as in WFLW (Wu et al., CVPR 2018) and 300W (Sagonas et al., ICCVW 2013).
    """
    check_landmarks(landmarks=landmarks, landmarks_gt=landmarks_gt)
    dtype = checks.same_dtype(landmarks=landmarks, landmarks_gt=landmarks_gt)
    points = landmarks.shape[1] if landmarks.ndim == 3 else landmarks.shape[1] // 2
    prediction, truth = (
        values.to(working_dtype(dtype)).reshape(values.shape[0], points, 2)
        for values in (landmarks, landmarks_gt)
    )
    distance = torch.linalg.vector_norm(prediction - truth, dim=-1).mean(-1)
    size = _size(truth, normalizer, eyes)
    return torch.where(size == 0, torch.inf, distance / size).to(dtype)


def failure_rate(errors: Float[Tensor, " faces"], *, threshold: float = 0.10) -> Float[Tensor, ""]:
    """Share of faces whose error is above a threshold. A NaN error is a failure.

    Args:
        errors: one error a face, shape ``(B,)``, as :func:`nme` gives them.
        threshold: in the errors' unit.

    Returns:
        A scalar between 0 and 1.

    Raises:
        TypeError: for integer errors.
        ValueError: for other shapes, no faces, or a threshold that is not positive.

    Example:
        >>> import torch
        >>> failure_rate(torch.tensor([0.04, 0.08, 0.10, 0.25]))
        tensor(0.2500)
    """
    _check_errors(errors, threshold)
    return (~(errors <= threshold)).to(errors.dtype).mean()


def ced_auc(errors: Float[Tensor, " faces"], *, threshold: float = 0.10) -> Float[Tensor, ""]:
    r"""Area under the cumulative error distribution up to a threshold, divided by it.

    The area is exact, without bins: a face adds :math:`\max(0, 1 - e/\text{threshold})`. A NaN
    error adds nothing.

    Args:
        errors: one error a face, shape ``(B,)``, as :func:`nme` gives them.
        threshold: in the errors' unit.

    Returns:
        A scalar between 0 (all faces beyond the threshold) and 1 (no error at all).

    Raises:
        TypeError: for integer errors.
        ValueError: for other shapes, no faces, or a threshold that is not positive.

    Example:
        >>> import torch
        >>> ced_auc(torch.tensor([0.0, 0.05, 0.30]))
        tensor(0.5000)
    """
    _check_errors(errors, threshold)
    return torch.where(errors <= threshold, 1 - errors / threshold, 0).clamp(max=1).mean()


def _size(truth: Tensor, normalizer: str, eyes: Eyes | None) -> Tensor:
    if normalizer not in get_args(Normalizer):
        raise ValueError(
            f"normalizer must be one of {', '.join(get_args(Normalizer))}; got {normalizer!r}"
        )
    if eyes is None and normalizer == "box":
        extent = truth.amax(1) - truth.amin(1)
        return extent.sqrt().prod(-1)
    points = truth.shape[1]
    if eyes is None:
        eyes = _EYES.get((normalizer, points))
    if eyes is None:
        raise ValueError(
            f"{normalizer} is known for 98 and 68 points, got {points}; "
            f"pass eyes=(left indices, right indices) or normalizer='box'"
        )
    _check_eyes(eyes, points)
    left, right = (truth[:, list(indices)].mean(1) for indices in eyes)
    distance: Tensor = torch.linalg.vector_norm(left - right, dim=-1)
    return distance


def _check_eyes(eyes: Eyes, points: int) -> None:
    lists = isinstance(eyes, Sequence) and all(isinstance(eye, Sequence) for eye in eyes)
    if not lists or len(eyes) != 2 or not all(len(eye) for eye in eyes):
        raise ValueError(f"eyes must be two lists of indices, left and right; got {eyes!r}")
    wrong = [i for eye in eyes for i in eye if not 0 <= i < points]
    if wrong:
        raise ValueError(f"eyes has the index {wrong[0]}, but there are {points} points")


def _check_errors(errors: Tensor, threshold: float) -> None:
    checks.floating(errors=errors)
    checks.shape("(B,) with at least one face", lambda s: len(s) == 1 and s[0] > 0, errors=errors)
    checks.number(exclusive=True, threshold=threshold)
