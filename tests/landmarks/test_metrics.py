import math
import warnings

import numpy as np
import pytest
import torch

import lossbook
from lossbook.landmarks import ced_auc, failure_rate, nme

NAMES = ["inter_ocular", "inter_pupil", "box"]
CORNERS = {
    (98, "inter_ocular"): ([60], [72]),
    (98, "inter_pupil"): ([96], [97]),
    (68, "inter_ocular"): ([36], [45]),
    (68, "inter_pupil"): ([36, 37, 38, 39, 40, 41], [42, 43, 44, 45, 46, 47]),
}


def faces(batch=5, points=98, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, points, 2, generator=generator, dtype=dtype)


def mask(batch=5, points=98, seed=0):
    return torch.rand(batch, points, generator=torch.Generator().manual_seed(seed)) > 0.4


def documented_nme(landmarks, target, normalizer, weight=None):
    """In numpy and float64, one face at a time; hidden points are left out."""
    found = []
    for b in range(len(target)):
        guess, truth = landmarks[b].double().numpy(), target[b].double().numpy()
        w = np.ones(len(truth)) if weight is None else weight[b].double().numpy()
        seen = w > 0
        if not isinstance(normalizer, str):
            size = normalizer[b].item()
        elif normalizer == "box":
            size = math.sqrt(np.prod(truth[seen].max(0) - truth[seen].min(0)))
        else:
            left, right = CORNERS[len(truth), normalizer]
            size = np.linalg.norm(truth[left].mean(0) - truth[right].mean(0))
        distance = np.linalg.norm(guess[seen] - truth[seen], axis=1)
        found.append(np.average(distance, weights=w[seen]) / size)
    return torch.tensor(found, dtype=torch.float64)


@pytest.mark.parametrize("normalizer", NAMES)
@pytest.mark.parametrize("points", [68, 98])
def test_nme_is_the_mean_distance_over_the_size_of_each_face(points, normalizer):
    landmarks, target = faces(points=points, seed=1), faces(points=points, seed=2)
    expected = documented_nme(landmarks, target, normalizer)
    got = nme(landmarks, target, normalizer=normalizer)
    torch.testing.assert_close(got, expected)
    flat = nme(landmarks.flatten(1), target.flatten(1), normalizer=normalizer)
    torch.testing.assert_close(flat, expected)


def test_the_outer_eye_corners_are_the_default():
    torch.testing.assert_close(
        nme(faces(seed=1), faces()), documented_nme(faces(seed=1), faces(), "inter_ocular")
    )


def test_other_schemes_name_their_eyes():
    target = torch.tensor([[[0.0, 0.0], [2.0, 0.0], [10.0, 0.0]]])
    shifted = target + torch.tensor([0.0, 0.9])
    for name in NAMES:
        got = nme(shifted, target, normalizer=name, eyes=([0, 1], range(2, 3)))
        assert got.item() == pytest.approx(0.1)


def test_sizes_may_be_given():
    landmarks, target = faces(seed=1), faces(seed=2)
    sizes = torch.arange(1.0, 6.0, dtype=torch.float64)
    expected = documented_nme(landmarks, target, sizes)
    torch.testing.assert_close(nme(landmarks, target, normalizer=sizes), expected)
    one = nme(landmarks, target, normalizer=2.5)
    torch.testing.assert_close(one, documented_nme(landmarks, target, sizes.new_full((5,), 2.5)))
    # One point a face has no other size.
    got = nme(landmarks[:, :1], target[:, :1], normalizer=2.0)
    torch.testing.assert_close(got, (landmarks - target)[:, 0].norm(dim=-1) / 2)
    narrow = nme(landmarks.float(), target.float(), normalizer=sizes.half())
    assert narrow.dtype == torch.float32
    torch.testing.assert_close(narrow.double(), expected, rtol=1e-6, atol=0)


@pytest.mark.parametrize("normalizer", [*NAMES, torch.arange(1.0, 6.0, dtype=torch.float64)])
def test_hidden_points_are_left_out(normalizer):
    landmarks, target, visible = faces(seed=1), faces(seed=2), mask()
    expected = documented_nme(landmarks, target, normalizer, visible)
    corners = [60, 72, 96, 97]
    spoilt, spoilt_target = landmarks.clone(), target.clone()
    spoilt[~visible] = torch.nan
    # The true eyes measure the face, seen or not; the box and given sizes do not need them.
    lost = ~visible
    if normalizer in ("inter_ocular", "inter_pupil"):
        lost[:, corners] = False
        assert not visible[:, corners].all()
    spoilt_target[lost] = torch.nan
    spoilt_target[0, 5], visible[0, 5] = torch.inf, False
    expected[0] = documented_nme(landmarks, target, normalizer, visible)[0]
    for weight in (visible, visible.double(), visible[..., None], visible.to(torch.float16)):
        got = nme(spoilt, spoilt_target, normalizer=normalizer, weight=weight)
        torch.testing.assert_close(got, expected)
    flat = nme(spoilt.flatten(1), spoilt_target.flatten(1), normalizer=normalizer, weight=visible)
    torch.testing.assert_close(flat, expected)


def test_points_may_weigh_more_or_less():
    landmarks, target = faces(seed=1), faces(seed=2)
    weight = torch.rand(5, 98, dtype=torch.float64)
    expected = documented_nme(landmarks, target, "box", weight)
    torch.testing.assert_close(nme(landmarks, target, normalizer="box", weight=weight), expected)
    torch.testing.assert_close(
        nme(landmarks, target, weight=weight[:1]),
        documented_nme(landmarks, target, "inter_ocular", weight[:1].expand(5, 98)),
    )


@pytest.mark.parametrize("normalizer", [*NAMES, 2.0])
def test_a_face_without_a_visible_point_has_nan_and_leaves_the_others_alone(normalizer):
    landmarks, target = faces(seed=1), faces(seed=2)
    keep = torch.tensor([True, True, False, True, True])
    got = nme(landmarks, target, normalizer=normalizer, weight=keep)
    assert got.isnan().tolist() == (~keep).tolist()
    expected = nme(landmarks, target, normalizer=normalizer)
    torch.testing.assert_close(got[keep], expected[keep])


def test_a_true_eye_corner_that_is_nan_leaves_the_face_without_a_size():
    landmarks, target = faces(seed=1), faces(seed=2)
    target[1, 60] = torch.nan
    visible = ~target.isnan().any(-1)
    assert nme(landmarks, target, weight=visible).isnan().tolist() == [False, True, *3 * [False]]
    assert nme(landmarks, target, normalizer="box", weight=visible).isfinite().all()


@pytest.mark.parametrize("normalizer", NAMES)
def test_empty_batches_and_nan(normalizer):
    target = faces()
    assert nme(target[:0], target[:0], normalizer=normalizer).shape == (0,)
    flat = target[:0].flatten(1)
    assert nme(flat, flat, normalizer=normalizer, weight=mask()[:0]).shape == (0,)
    assert nme(target * torch.nan, target, normalizer=normalizer).isnan().all()
    assert nme(target, target * torch.nan, normalizer=normalizer).isnan().all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("normalizer", NAMES)
def test_half_precision_is_scored_in_float32(normalizer, dtype):
    landmarks, target = (300 * faces(seed=seed).to(dtype) for seed in (1, 2))
    for weight in (None, mask()):
        got = nme(landmarks, target, normalizer=normalizer, weight=weight)
        assert got.dtype == torch.float32
        exact = documented_nme(landmarks, target, normalizer, weight)
        torch.testing.assert_close(got.double(), exact, rtol=1e-5, atol=0)


@pytest.mark.parametrize("scale", [1e-36, 1e-30, 1e-20, 1e20, 1e30, 1e36])
@pytest.mark.parametrize("normalizer", NAMES)
def test_nme_does_not_depend_on_the_unit(normalizer, scale):
    landmarks, target = (scale * faces(seed=s, dtype=torch.float32) for s in (1, 2))
    for weight in (None, mask()):
        exact = documented_nme(landmarks, target, normalizer, weight)
        got = nme(landmarks, target, normalizer=normalizer, weight=weight)
        torch.testing.assert_close(got.double(), exact, rtol=1e-5, atol=0)


def test_a_face_without_size_has_infinite_error():
    target = torch.zeros(3, 98, 2)
    landmarks = torch.stack([target[0], target[1] + 1, target[2] * torch.nan])
    assert nme(landmarks, target).tolist()[:2] == [math.inf, math.inf]
    assert nme(landmarks, target)[2].isnan()
    sizes = torch.tensor([1.0, 0.0, 1.0])
    assert nme(landmarks, target, normalizer=sizes)[:2].tolist() == [0.0, math.inf]


def test_the_gradient_where_a_point_is_met_is_0():
    target = faces(2)
    landmarks = target.clone().requires_grad_()
    with torch.no_grad():
        landmarks[:, :50] += 0.1
    (first,) = torch.autograd.grad(nme(landmarks, target).sum(), landmarks, create_graph=True)
    (second,) = torch.autograd.grad(first.square().sum(), landmarks)
    assert first[:, :50].abs().min() > 0 and first[:, 50:].abs().max() == 0
    assert second.isfinite().all()


def test_hidden_points_have_no_gradient():
    landmarks, visible = faces(seed=1), mask()
    landmarks[~visible] = torch.nan
    landmarks.requires_grad_()
    nme(landmarks, faces(), weight=visible).sum().backward()
    assert landmarks.grad[~visible].abs().max() == 0
    assert landmarks.grad[visible].abs().min() > 0


def test_faces_add_up_over_uneven_batches():
    landmarks, target, visible = faces(seed=1), faces(seed=2), mask()
    whole = nme(landmarks, target, weight=visible)
    parts = [nme(landmarks[s], target[s], weight=visible[s]) for s in (slice(1), slice(1, 5))]
    torch.testing.assert_close(torch.cat(parts).mean(), whole.mean())
    by_size = sum(len(part) * part.mean() for part in parts) / 5
    torch.testing.assert_close(by_size, whole.mean())


@pytest.mark.own_errors
@pytest.mark.parametrize(
    ("eyes", "error", "message"),
    [
        ((60, 72), ValueError, "two lists of indices.*got tuple"),
        (([60], [72], [96]), ValueError, r"two lists.*got \(\[60\], \[72\], \[96\]\)"),
        (([], [72]), ValueError, "two lists"),
        (torch.tensor([[60], [72]]), ValueError, r"two lists.*got Tensor.*\.tolist\(\)"),
        ((np.array([60]), np.array([72])), ValueError, r"two lists.*\.tolist\(\)"),
        (([60], [98]), ValueError, "index in eyes must be from 0 to 97, got 98"),
        (([-1], [72]), ValueError, "index in eyes must be from 0 to 97, got -1"),
        (([0.5], [72.9]), TypeError, "index in eyes must be a Python integer, got float"),
        (([True], [False]), TypeError, "got bool"),
        ((["60"], ["72"]), TypeError, "got str"),
        (([torch.tensor(60)], [72]), TypeError, r"got Tensor; use int\(\.\.\.\)"),
    ],
)
def test_nme_refuses_eyes_that_are_not_there(eyes, error, message):
    with pytest.raises(error, match=message):
        nme(faces(), faces(), eyes=eyes)


@pytest.mark.own_errors
@pytest.mark.parametrize(
    ("normalizer", "error", "message"),
    [
        ("pupil", ValueError, "one of inter_ocular, inter_pupil, box, a number.*got 'pupil'"),
        (None, ValueError, "one of inter_ocular.*got None"),
        (0.0, ValueError, "normalizer must be finite and greater than 0, got 0"),
        (True, TypeError, "normalizer must be a Python number, got bool"),
        ([1.0] * 5, TypeError, r"got list; convert it with torch.as_tensor\(normalizer\)"),
        (torch.ones(5, dtype=torch.long), TypeError, r"normalizer.float\(\)"),
        (torch.ones(5, dtype=torch.float64), TypeError, "float64 and narrower"),
        (torch.ones(4), ValueError, r"normalizer must have shape \(B,\), here \(5,\), got \(4,\)"),
        (torch.tensor(1.0), ValueError, r"here \(5,\), got \(\)"),
        (torch.ones(5, 1), ValueError, r"here \(5,\), got \(5, 1\)"),
        (torch.ones(5, device="meta"), ValueError, "normalizer is on meta"),
        (1e39, ValueError, "largest number of torch.float32"),
    ],
)
def test_nme_refuses_a_normalizer_that_is_none(normalizer, error, message):
    with pytest.raises(error, match=message):
        nme(faces().float(), faces().float(), normalizer=normalizer)


@pytest.mark.own_errors
def test_nme_refuses_what_does_not_fit():
    face, visible = faces(), mask()
    with pytest.raises(ValueError, match=r"got \(98, 2\); for one face pass landmarks\[None\]"):
        nme(face[0], face[0])
    with pytest.raises(ValueError, match=r"one point landmarks\[:, None\]"):
        nme(face[:, 0], face[:, 0])
    with pytest.raises(ValueError, match="same shape"):
        nme(face, face[:2])
    with pytest.raises(ValueError, match=r"\(B, 2N\) or \(B, N, 2\), got \(5, 97\)"):
        nme(face[:, :97, 0], face[:, :97, 0])
    with pytest.raises(TypeError, match="landmarks must be a floating-point"):
        nme(face.long(), face)
    with pytest.raises(TypeError, match="landmarks_target is torch.float64"):
        nme(face.float(), face)
    for name in ("inter_ocular", "inter_pupil"):
        with pytest.raises(ValueError, match=f"{name} is known for 98 and 68 points, got 3"):
            nme(face[:, :3], face[:, :3], normalizer=name)
    with pytest.raises(ValueError, match="normalizer must be"):
        nme(face, face, normalizer="pupil", eyes=([60], [72]))
    with pytest.raises(ValueError, match="leave one out"):
        nme(face, face, normalizer=1.0, eyes=([60], [72]))
    with pytest.raises(TypeError, match="visibility > 0"):
        nme(face, face, weight=visible.long())
    with pytest.raises(TypeError, match="weight must be a torch.Tensor, got list"):
        nme(face, face, weight=visible.tolist())
    for weight in (visible[..., None].expand(5, 98, 2), visible.repeat(1, 2)):
        with pytest.raises(ValueError, match=r"one value a point.*reshape\(-1, 98, 2\)"):
            nme(face.flatten(1), face.flatten(1), weight=weight)
    with pytest.raises(ValueError, match="weight must have the shape of landmarks"):
        nme(face, face, weight=visible[:, :97])


@pytest.mark.own_errors
def test_check_values_looks_at_what_counts():
    landmarks, target, visible = faces(seed=1), faces(seed=2), mask()
    visible[:, 0] = False
    spoilt, spoilt_target = landmarks.clone(), target.clone()
    spoilt[:, 0], spoilt_target[:, 0] = torch.nan, torch.inf
    with lossbook.check_values(), warnings.catch_warnings():
        warnings.simplefilter("error")
        for normalizer in (*NAMES, 2.0, torch.ones(5, dtype=torch.float64)):
            nme(landmarks, target, normalizer=normalizer)
            nme(spoilt, spoilt_target, normalizer=normalizer, weight=visible)
            nme(spoilt[:0], target[:0], normalizer="box", weight=visible[:0])
    with lossbook.check_values():
        with pytest.raises(ValueError, match=r"landmarks holds 10 NaN.*index \(0, 0, 0\)"):
            nme(spoilt, target)
        with pytest.raises(ValueError, match="landmarks_target holds 10 NaN"):
            nme(landmarks, spoilt_target)
        with pytest.raises(ValueError, match="weight must not be negative.* -0.5; 0 leaves"):
            nme(landmarks, target, weight=torch.full((5,), -0.5))
        with pytest.raises(ValueError, match="weight holds 490 NaN"):
            nme(landmarks, target, weight=torch.full((5,), torch.nan))
        with pytest.raises(ValueError, match="normalizer must not be negative.* -1"):
            nme(landmarks, target, normalizer=target.new_full((5,), -1.0))
        with pytest.warns(UserWarning, match="nothing is visible in 1 of 5 samples") as caught:
            nme(landmarks, target, weight=torch.arange(5) > 0)
        assert caught[0].filename == __file__
        with pytest.warns(UserWarning, match="0 or NaN in 2 of 5 faces"):
            hidden = target.clone()
            hidden[0, 60], hidden[1, 60] = torch.nan, hidden[1, 72]
            nme(landmarks, hidden, weight=~hidden.isnan().any(-1))


def test_failure_rate_counts_what_is_above_the_threshold_and_nan():
    errors = torch.tensor([0.05, 0.10, 0.11, torch.nan, torch.inf])
    assert failure_rate(errors).item() == pytest.approx(3 / 5)
    assert failure_rate(errors, threshold=0.2).item() == pytest.approx(2 / 5)


def test_auc_is_the_area_under_the_cumulative_error_distribution():
    errors = 0.2 * torch.rand(500, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for threshold in (0.1, 0.15):
        thresholds = np.linspace(0, threshold, 20001)
        shares = (errors.numpy()[None] <= thresholds[:, None]).mean(1)
        area = np.trapezoid(shares, thresholds) / threshold
        assert ced_auc(errors, threshold=threshold).item() == pytest.approx(area, abs=1e-4)
    default = ced_auc(errors, threshold=0.1)
    assert ced_auc(errors) == default


def test_auc_extremes():
    assert ced_auc(torch.zeros(3)) == 1
    assert ced_auc(torch.full((3,), 0.2)) == 0
    assert ced_auc(torch.tensor([0.0, torch.nan])) == 0.5
    assert ced_auc(torch.tensor([0.0, torch.inf])) == 0.5
    assert ced_auc(torch.tensor([-0.1])) == 1


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_errors_have_any_threshold(dtype):
    errors = torch.tensor([20000.0, 60000.0, torch.inf]).to(dtype)
    for metric in (failure_rate, ced_auc):
        for threshold in (30000.0, 80000.0):
            got = metric(errors, threshold=threshold)
            assert got.dtype == torch.float32
            exact = metric(errors.double(), threshold=threshold)
            assert got.item() == pytest.approx(exact.item(), rel=1e-6)
    assert failure_rate(errors, threshold=80000.0).item() == pytest.approx(1 / 3)
    # A share of many faces is not one of the 2,048 that float16 can tell apart.
    many = torch.zeros(4001, dtype=dtype)
    many[0] = 1
    assert failure_rate(many).item() == pytest.approx(1 / 4001, rel=1e-6)


@pytest.mark.own_errors
@pytest.mark.parametrize("metric", [failure_rate, ced_auc])
def test_metrics_refuse_nothing_and_nonsense(metric):
    with pytest.raises(ValueError, match=r"at least one face, got \(0,\)"):
        metric(torch.zeros(0))
    with pytest.raises(ValueError, match=r"\(B,\) with.*got \(2, 1\)"):
        metric(torch.zeros(2, 1))
    with pytest.raises(ValueError, match="threshold must be finite and greater than 0"):
        metric(torch.zeros(2), threshold=0.0)
    with pytest.raises(ValueError, match="largest number of torch.float32"):
        metric(torch.zeros(2, dtype=torch.float16), threshold=1e39)
    with pytest.raises(TypeError, match="threshold must be a Python number"):
        metric(torch.zeros(2), threshold="0.1")
    with pytest.raises(TypeError, match="errors must be a floating-point"):
        metric(torch.zeros(2, dtype=torch.long))


@pytest.mark.own_errors
@pytest.mark.parametrize("metric", [failure_rate, ced_auc])
def test_a_threshold_in_percent_is_told_of(metric, recwarn):
    errors = torch.tensor([0.04, 0.08, 0.25])
    with lossbook.check_values():
        with pytest.warns(UserWarning, match="threshold is 10 .* For 10 % pass threshold=0.1"):
            metric(errors, threshold=10)
        recwarn.clear()
        metric(errors, threshold=0.1)
        metric(100 * errors, threshold=10)
    assert not recwarn
