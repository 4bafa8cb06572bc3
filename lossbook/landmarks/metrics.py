"""How landmark detectors are scored: normalised mean error and what is read off it."""

from collections.abc import Sequence
from typing import Any, Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from lossbook import checks
from lossbook.calls import weight_by_name
from lossbook.landmarks.shapes import Landmarks, check_landmarks
from lossbook.reduction import widened
from lossbook.scoring import Weight, check_points, lengths, passed, point_weight, visible_mean

Eyes = tuple[Sequence[int], Sequence[int]]
Normalizer = Literal["inter_ocular", "inter_pupil", "box"]

# Left and right end of the normalising distance, as points to average, per annotation scheme.
_EYES: dict[tuple[str, int], Eyes] = {
    ("inter_ocular", 98): ([60], [72]),
    ("inter_pupil", 98): ([96], [97]),
    ("inter_ocular", 68): ([36], [45]),
    ("inter_pupil", 68): (range(36, 42), range(42, 48)),
}


@weight_by_name
def nme(
    landmarks: Landmarks,
    landmarks_target: Landmarks,
    *,
    normalizer: Normalizer | Float[Tensor, " batch"] | float = "inter_ocular",
    eyes: Eyes | None = None,
    weight: Weight | None = None,
) -> Float[Tensor, " batch"]:
    r"""Normalised mean error of each face: the mean point distance over a size of the face.

    .. math::
        e_b = \frac{1}{d_b \sum_n w_{bn}} \sum_n w_{bn} \,\lVert p_{bn} - \hat p_{bn} \rVert_2

    Args:
        landmarks: predicted points, shape ``(B, 2N)`` or ``(B, N, 2)``; one point a face only as
            ``(B, 1, 2)``, because ``(N, 2)`` looks like a face without its batch.
        landmarks_target: true points, same shape and unit.
        normalizer: ``"inter_ocular"`` (distance of the outer eye corners), ``"inter_pupil"``
            (distance of the pupils; for 68 points, of the eyes' centres), ``"box"``
            (:math:`\sqrt{w h}` of the box around the true points that are visible), or the sizes
            :math:`d_b` themselves, in the unit of the points: a tensor ``(B,)``, or a number for
            all faces.
        eyes: for other schemes than the 98 points of WFLW and the 68 of 300W: the indices of
            the left and the right eye's points, each averaged. Overrides a ``normalizer`` given
            by name.
        weight: visibility of the points or another weight, boolean or at least 0; shape ``(B,)``,
            ``(B, N)``, ``(B, N, 1)`` or ``(1, N)``, also for points given as ``(B, 2N)``. What
            has weight 0 contributes nothing to the mean, NaN included. True eye corners and
            pupils still measure the face where their weight is 0, since hidden points are often
            annotated all the same.

    Returns:
        Shape ``(B,)``, a fraction (0.05 is 5 %), float32 for half precision. A face whose
        normalising size is 0 has inf. One with NaN has NaN, also in a hidden eye corner that
        measures it (then pass the sizes), and so has one without a visible point.

        Over uneven batches add up faces, not batch means:
        ``torchmetrics.MeanMetric(nan_strategy="ignore").update(nme(landmarks,
        landmarks_target))`` does, and passes over faces without an error. Of batch means that
        are there already, each goes in with the size of its batch: ``update(mean,
        weight=len(batch))``.

    Raises:
        TypeError: for integer tensors, tensors mixed with float64, or indices of eyes that are
            no integers.
        ValueError: for other shapes, a face without its batch, an unknown normaliser or one that
            is not positive, an unknown scheme without ``eyes``, ``eyes`` beside given sizes, or a
            weight that does not fit.

    Example:
        >>> import torch
        >>> target = torch.zeros(1, 98, 2)
        >>> target[0, 72] = torch.tensor([40.0, 0.0])
        >>> landmarks = target.clone()
        >>> landmarks[0, :49, 1] = 2.0  # half of the points are off by 2 of 40 pixels
        >>> nme(landmarks, target)
        tensor([0.0250])
        >>> nme(landmarks, target, weight=landmarks[..., 1] > 0)
        tensor([0.0500])

    References:
        Normalisers as in WFLW (Wu et al., CVPR 2018) and 300W (Sagonas et al., ICCVW 2013).
    """
    check_landmarks(landmarks=landmarks, landmarks_target=landmarks_target)
    if landmarks.ndim == 2 and landmarks.shape[1] == 2:
        raise ValueError(
            f"landmarks must have shape (B, 2N) or (B, N, 2), got {tuple(landmarks.shape)}; for "
            f"one face pass landmarks[None] and landmarks_target[None], for faces of one point "
            f"landmarks[:, None]"
        )
    dtype = checks.same_dtype(landmarks=landmarks, landmarks_target=landmarks_target)
    points = landmarks.shape[1] if landmarks.ndim == 3 else landmarks.shape[1] // 2
    landmarks, landmarks_target = (
        values.reshape(values.shape[0], points, 2)
        for values in widened(dtype, landmarks, landmarks_target)
    )
    if weight is not None:
        weight = point_weight(weight, landmarks, of="landmarks")
    if checks.checking_values(landmarks, landmarks_target, weight):
        check_points(weight, landmarks=landmarks, landmarks_target=landmarks_target)
    size = _size(landmarks_target, normalizer, eyes, weight)
    if checks.checking_values(size):
        _check_size(size)
    error = landmarks - landmarks_target
    if weight is not None:
        error = error.where((weight != 0)[..., None], 0)
    distance = visible_mean(lengths(error), weight)
    return (distance / size).where((size != 0) | distance.isnan(), torch.inf)


def failure_rate(errors: Float[Tensor, " faces"], *, threshold: float = 0.10) -> Float[Tensor, ""]:
    """Share of faces whose error is above a threshold. A NaN error is a failure.

    Over several batches give it all errors at once, ``failure_rate(torch.cat(errors))``, or
    average with the sizes of the batches as weights.

    Args:
        errors: one error a face, shape ``(B,)``, as :func:`nme` gives them. Faces without a
            visible point, which have NaN, are left out by ``errors[~errors.isnan()]``.
        threshold: in the errors' unit.

    Returns:
        A scalar between 0 and 1, float32 for half precision.

    Raises:
        TypeError: for integer errors.
        ValueError: for other shapes, no faces, or a threshold that is not positive or beyond what
            the dtype holds.

    Example:
        >>> import torch
        >>> failure_rate(torch.tensor([0.04, 0.08, 0.10, 0.25]))
        tensor(0.2500)
    """
    errors = _prepare(errors, threshold)
    return (~(errors <= threshold)).to(errors.dtype).mean()


def ced_auc(errors: Float[Tensor, " faces"], *, threshold: float = 0.10) -> Float[Tensor, ""]:
    r"""Area under the cumulative error distribution up to a threshold, divided by it.

    The area is exact, without bins: a face adds :math:`\max(0, 1 - e/\text{threshold})`. A NaN
    error adds nothing, but counts as a face. For several batches see :func:`failure_rate`.

    Args:
        errors: one error a face, shape ``(B,)``, as :func:`nme` gives them.
        threshold: in the errors' unit.

    Returns:
        A scalar between 0 (all faces beyond the threshold) and 1 (no error at all), float32 for
        half precision.

    Raises:
        TypeError: for integer errors.
        ValueError: for other shapes, no faces, or a threshold that is not positive or beyond what
            the dtype holds.

    Example:
        >>> import torch
        >>> ced_auc(torch.tensor([0.0, 0.05, 0.30]))
        tensor(0.5000)
    """
    errors = _prepare(errors, threshold)
    return passed(errors, 0.0, threshold).mean()


def _size(target: Tensor, normalizer: Any, eyes: Eyes | None, weight: Tensor | None) -> Tensor:
    """The size of each face, shape ``(B,)``."""
    points = target.shape[1]
    if not (normalizer is None or isinstance(normalizer, str)):
        if eyes is not None:
            raise ValueError("eyes measures the faces, and so does normalizer; leave one out")
        return _given_size(target, normalizer)
    if normalizer not in get_args(Normalizer):
        raise ValueError(
            f"normalizer must be one of {', '.join(get_args(Normalizer))}, a number, or a tensor "
            f"of sizes (B,); got {normalizer!r}"
        )
    if eyes is None and normalizer == "box":
        low = high = target
        if weight is not None:
            visible = (weight != 0)[..., None]
            low, high = target.where(visible, torch.inf), target.where(visible, -torch.inf)
        return (high.amax(1) - low.amin(1)).sqrt().prod(-1)
    if eyes is None:
        eyes = _EYES.get((str(normalizer), points))
        if eyes is None:
            raise ValueError(
                f"{normalizer} is known for 98 and 68 points, got {points}; "
                f"pass eyes=(left indices, right indices) or normalizer='box'"
            )
    else:
        _check_eyes(eyes, points)
    left, right = (target[:, list(indices)].mean(1) for indices in eyes)
    return lengths(left - right)


def _given_size(target: Tensor, normalizer: Any) -> Tensor:
    if isinstance(normalizer, (int, float)):
        checks.number(exclusive=True, normalizer=normalizer)
        checks.representable(target.dtype, normalizer=normalizer)
        return target.new_full(target.shape[:1], normalizer)
    checks.floating(normalizer=normalizer)
    dtype = checks.same_dtype(landmarks=target, normalizer=normalizer)
    faces = target.shape[:1]
    checks.shape(f"(B,), here {tuple(faces)}", lambda shape: shape == faces, normalizer=normalizer)
    size: Tensor = normalizer.to(dtype)
    return size


def _check_eyes(eyes: Any, points: int) -> None:
    lists = isinstance(eyes, Sequence) and all(isinstance(eye, Sequence) for eye in eyes)
    if not lists or len(eyes) != 2 or not all(len(eye) for eye in eyes):
        got = repr(eyes) if lists else type(eyes).__name__
        raise ValueError(
            f"eyes must be two lists of indices, left and right, such as ([60], [72]), got {got}; "
            f"of tensors and arrays pass .tolist()"
        )
    for eye in eyes:
        for index in eye:
            checks.index(points, **{"an index in eyes": index})


def _prepare(errors: Tensor, threshold: float) -> Tensor:
    """Check the errors; return them in the dtype to compute in."""
    checks.floating(errors=errors)
    checks.shape("(B,) with at least one face", lambda s: len(s) == 1 and s[0] > 0, errors=errors)
    checks.number(exclusive=True, threshold=threshold)
    (errors,) = widened(errors.dtype, errors)
    checks.representable(errors.dtype, threshold=threshold)
    if checks.checking_values(errors) and threshold >= 1 and bool((errors < 1).all()):
        checks.warn(
            f"threshold is {threshold:g} and every error is below 1: is it in percent, and the "
            f"errors shares of the size? For {threshold:g} % pass threshold={threshold / 100:g}"
        )
    return errors


# Inside check_values ----------------------------------------------------------------------------


def _check_size(size: Tensor) -> None:
    if bool((size < 0).any()):
        raise ValueError(f"normalizer must not be negative, its smallest value is {size.min():.4g}")
    lost = int((~(size > 0)).sum())
    if lost:
        checks.warn(
            f"the size to normalise by is 0 or NaN in {lost} of {len(size)} faces, and their error "
            f"inf or NaN; are the eye corners annotated? normalizer also takes sizes"
        )
