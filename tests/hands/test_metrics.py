import math

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from scipy.spatial.transform import Rotation

import lossbook
from lossbook.hands import mpjpe, pa_mpjpe, pck_auc


def hands(batch=4, n=21, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, n, 3, generator=generator, dtype=dtype)


def rotations(batch, seed=0):
    return torch.from_numpy(Rotation.random(batch, random_state=seed).as_matrix())


def test_mpjpe_is_the_mean_distance_after_moving_the_roots_together():
    pred, target = hands(seed=1), hands(seed=2)
    for root in (0, 5):
        moved = pred - pred[:, [root]] + target[:, [root]]
        expected = (moved - target).norm(dim=-1).mean(-1)
        torch.testing.assert_close(mpjpe(pred, target, root=root), expected)
    absolute = (pred - target).norm(dim=-1).mean(-1)
    torch.testing.assert_close(mpjpe(pred, target, root=None), absolute)


def test_mpjpe_is_in_the_unit_of_the_joints():
    pred, target = hands(seed=1), hands(seed=2)
    torch.testing.assert_close(mpjpe(1000 * pred, 1000 * target), 1000 * mpjpe(pred, target))


def test_alignment_removes_rotation_translation_and_scale():
    target = hands()
    for scale in (1e-3, 1.0, 1e3):
        pred = scale * target @ rotations(4).mT + torch.tensor([5.0, -3.0, 2.0])
        assert pa_mpjpe(pred, target).abs().max() < 1e-9
        assert mpjpe(pred, target).min() > 0.1


def test_alignment_does_not_remove_a_reflection():
    target = hands()
    mirrored = target * torch.tensor([-1.0, 1.0, 1.0], dtype=torch.float64)
    assert pa_mpjpe(mirrored, target).min() > 0.5
    # A flat hand has no handedness: its mirror image is a rotation of it.
    flat = target.clone()
    flat[..., 2] = 0
    mirrored = flat * torch.tensor([-1.0, 1.0, 1.0], dtype=torch.float64)
    assert pa_mpjpe(mirrored, flat).max() < 1e-9


@pytest.mark.parametrize("seed", range(3))
def test_alignment_is_the_best_one_of_least_squares(seed):
    """Against a general optimiser, over rotation vector, log-scale and translation."""
    pred, target = hands(1, seed=seed)[0].numpy(), hands(1, seed=seed + 10)[0].numpy()
    # Half the seeds would have a reflection as best fit; both kinds must agree.
    if seed == 1:
        target = pred * [-1, 1, 1] + 0.1 * target

    def moved(parameters):
        turn = Rotation.from_rotvec(parameters[:3]).as_matrix()
        return math.exp(parameters[3]) * pred @ turn.T + parameters[4:]

    starts = Rotation.random(12, random_state=0).as_rotvec()
    fits = [
        minimize(lambda p: ((moved(p) - target) ** 2).sum(), [*start, -1, 0, 0, 0], tol=1e-12)
        for start in starts
    ]
    best = min(fits, key=lambda fit: fit.fun)
    expected = np.linalg.norm(moved(best.x) - target, axis=1).mean()
    got = pa_mpjpe(torch.from_numpy(pred)[None], torch.from_numpy(target)[None])
    assert got.item() == pytest.approx(expected, abs=1e-5)


def test_degenerate_hands_have_a_finite_error():
    target = hands()
    spread = (target - target.mean(1, keepdim=True)).norm(dim=-1).mean(-1)
    torch.testing.assert_close(pa_mpjpe(torch.zeros_like(target), target), spread)
    torch.testing.assert_close(pa_mpjpe(torch.full_like(target, 7.0), target), spread)
    # A target in one point is reached by scaling to 0.
    assert pa_mpjpe(target, torch.ones_like(target)).abs().max() < 1e-12
    line = torch.linspace(0, 1, 21, dtype=torch.float64)[None, :, None]
    along_x = line * torch.tensor([1.0, 0, 0], dtype=torch.float64)
    along_y = line * torch.tensor([0, -3.0, 0], dtype=torch.float64) + 2
    assert pa_mpjpe(along_x, along_y).item() == pytest.approx(0, abs=1e-9)
    assert pa_mpjpe(hands(2, n=1), hands(2, n=1, seed=1)).abs().max() < 1e-12


def test_a_hand_with_nan_has_nan_and_leaves_the_others_alone():
    pred, target = hands(seed=1), hands(seed=2)
    spoilt = pred.clone()
    spoilt[2, 5, 1] = torch.nan
    keep = [0, 1, 3]
    for metric in (mpjpe, pa_mpjpe):
        for errors in (metric(spoilt, target), metric(target, spoilt)):
            assert errors[2].isnan()
        torch.testing.assert_close(metric(spoilt, target)[keep], metric(pred, target)[keep])
    spoilt[2, 5, 1] = torch.inf
    assert pa_mpjpe(spoilt, target).isnan().tolist() == [False, False, True, False]


@pytest.mark.parametrize("scale", [1e-30, 1e-19, 1e19, 1e37])
def test_alignment_survives_any_size_that_float32_holds(scale):
    pred, target = hands(seed=1, dtype=torch.float32), hands(seed=2, dtype=torch.float32)
    expected = pa_mpjpe(pred, target)
    torch.testing.assert_close(pa_mpjpe(scale * pred, target), expected)
    torch.testing.assert_close(pa_mpjpe(pred, scale * target) / scale, expected, rtol=1e-4, atol=0)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast_changes_nothing(dtype):
    pred, target = hands(seed=1, dtype=torch.float32), hands(seed=2, dtype=torch.float32)
    for metric in (mpjpe, pa_mpjpe, pck_auc):
        expected = metric(pred, target)
        with torch.autocast("cpu", dtype=dtype):
            torch.testing.assert_close(metric(pred, target), expected)


def test_each_hand_is_aligned_on_its_own():
    pred, target = hands(seed=1), hands(seed=2)
    one_by_one = torch.cat([pa_mpjpe(pred[[i]], target[[i]]) for i in range(4)])
    torch.testing.assert_close(pa_mpjpe(pred, target), one_by_one)
    assert pa_mpjpe(pred[:0], target[:0]).shape == (0,)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_metrics_keep_the_dtype(dtype):
    pred, target = hands(seed=1, dtype=torch.float32), hands(seed=2, dtype=torch.float32)
    pred, target = pred.to(dtype), target.to(dtype)
    for metric in (mpjpe, pa_mpjpe, pck_auc):
        got, exact = metric(pred, target), metric(pred.double(), target.double())
        assert got.dtype == dtype
        torch.testing.assert_close(got.double(), exact, rtol=0.01, atol=0.01)


def test_the_area_is_that_of_the_finely_binned_curve():
    pred, target = 20 * hands(seed=1), 20 * hands(seed=2)
    errors = ((pred - pred[:, :1]) - (target - target[:, :1])).norm(dim=-1)
    for start, stop in ((0.0, 50.0), (20.0, 50.0), (0.0, 30.0)):
        thresholds = torch.linspace(start, stop, 20001, dtype=torch.float64)
        pck = (errors.flatten()[:, None] <= thresholds).double().mean(0)
        expected = torch.trapezoid(pck, thresholds) / (stop - start)
        area = pck_auc(pred, target, start=start, stop=stop)
        assert area.item() == pytest.approx(expected.item(), abs=1e-4)
        assert 0 < area < 1


def test_the_area_takes_metres_with_a_threshold_in_metres():
    pred, target = 20 * hands(seed=1), 20 * hands(seed=2)
    metres = pck_auc(pred / 1000, target / 1000, stop=0.05)
    torch.testing.assert_close(metres, pck_auc(pred, target))
    assert pck_auc(target, target) == 1
    assert pck_auc(target + 1e4, target, root=None) == 0


def test_a_joint_that_is_nan_is_not_correct():
    target = hands()
    spoilt = target.clone()
    spoilt[0, 1] = torch.nan
    assert pck_auc(spoilt, target).item() == pytest.approx(1 - 1 / (4 * 21))


@pytest.mark.own_errors
def test_bad_input_says_what_is_wrong():
    target = hands()
    for metric in (mpjpe, pa_mpjpe, pck_auc):
        with pytest.raises(ValueError, match=r"same shape.*\(3, 21, 3\)"):
            metric(target[:3], target)
        with pytest.raises(ValueError, match=r"\(B, N, 3\), got \(4, 21, 2\)"):
            metric(target[..., :2], target[..., :2])
        with pytest.raises(TypeError, match="floating-point"):
            metric(target.long(), target)
        with pytest.raises(TypeError, match="float64"):
            metric(target.float(), target)
    with pytest.raises(ValueError, match="root must be from 0 to 20, got 21"):
        mpjpe(target, target, root=21)
    with pytest.raises(ValueError, match="start must be finite and at least 0, got -1"):
        pck_auc(target, target, start=-1.0)
    with lossbook.check_values():
        for metric in (mpjpe, pa_mpjpe, pck_auc):
            with pytest.raises(ValueError, match="pred holds 1 NaN"):
                spoilt = target.clone()
                spoilt[0, 3, 1] = torch.nan
                metric(spoilt, target)
        with pytest.warns(UserWarning, match="thresholds in millimetres"):
            pck_auc(0.05 * target, 0.05 * target)
    with pytest.raises(ValueError, match="start must lie below stop, got 50"):
        pck_auc(target, target, start=50.0)
    with pytest.raises(ValueError, match="at least one hand"):
        pck_auc(target[:0], target[:0])
    with pytest.raises(TypeError, match="stop must be a Python number"):
        pck_auc(target, target, stop="50")
