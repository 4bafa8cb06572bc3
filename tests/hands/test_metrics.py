import math
import warnings

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from scipy.spatial.transform import Rotation

import lossbook
from lossbook.hands import mpjpe, pa_mpjpe, pck_auc

METRICS = [mpjpe, pa_mpjpe, pck_auc]


def hands(batch=4, n=21, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, n, 3, generator=generator, dtype=dtype)


def mask(batch=4, n=21, seed=0):
    visible = torch.rand(batch, n, generator=torch.Generator().manual_seed(seed)) > 0.4
    visible[:, 0] = True
    return visible


def rotations(batch, seed=0):
    return torch.from_numpy(Rotation.random(batch, random_state=seed).as_matrix())


def documented_errors(input, target, root):
    """Distances in numpy and float64, after moving one joint of both hands together."""
    input, target = input.double().numpy(), target.double().numpy()
    if root is not None:
        input = input - input[:, [root]] + target[:, [root]]
    return np.linalg.norm(input - target, axis=-1)


def documented_pa_mpjpe(input, target, weight):
    """By scipy's best rotation of weighted vectors; one hand at a time, without hidden joints."""
    found = []
    for b in range(len(target)):
        w = weight[b].double().numpy()
        seen = w > 0
        guess, truth, w = input[b].numpy()[seen], target[b].numpy()[seen], w[seen] / w[seen].sum()
        guess, centred = guess - w @ guess, truth - w @ truth
        turned = Rotation.align_vectors(centred, guess, weights=w)[0].apply(guess)
        scale = (w[:, None] * turned * centred).sum() / (w[:, None] * guess**2).sum()
        found.append(w @ np.linalg.norm(scale * turned - centred, axis=1))
    return torch.tensor(found, dtype=torch.float64)


def test_mpjpe_is_the_mean_distance_after_moving_the_roots_together():
    input, target = hands(seed=1), hands(seed=2)
    for root in (0, 5, 20, None):
        expected = torch.from_numpy(documented_errors(input, target, root).mean(1))
        torch.testing.assert_close(mpjpe(input, target, root=root), expected)
    assert torch.equal(mpjpe(input, target), mpjpe(input, target, root=0))


@pytest.mark.parametrize("root", [0, 5, None])
def test_hidden_joints_are_left_out(root):
    input, target, visible = hands(seed=1), hands(seed=2), mask()
    visible[:, 5] = True
    errors = documented_errors(input, target, root)
    seen = visible.numpy()
    spoilt, spoilt_target = input.clone(), target.clone()
    spoilt[~visible], spoilt_target[~visible] = torch.nan, torch.inf
    for weight in (visible, visible.double(), visible[..., None], visible.half()):
        got = mpjpe(spoilt, spoilt_target, root=root, weight=weight)
        assert got.tolist() == pytest.approx([errors[b][seen[b]].mean() for b in range(4)])
        inside = (1 - errors / 3).clip(0)
        area = pck_auc(spoilt, spoilt_target, stop=3.0, root=root, weight=weight)
        assert area.item() == pytest.approx(inside[seen].mean())
        areas = pck_auc(spoilt, spoilt_target, stop=3.0, root=root, weight=weight, reduction="none")
        assert areas.tolist() == pytest.approx([inside[b][seen[b]].mean() for b in range(4)])
    aligned = documented_pa_mpjpe(input, target, visible)
    torch.testing.assert_close(pa_mpjpe(spoilt, spoilt_target, weight=visible), aligned)


def test_joints_may_weigh_more_or_less():
    input, target = hands(seed=1), hands(seed=2)
    weight = torch.rand(4, 21, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    errors = documented_errors(input, target, 0)
    expected = np.average(errors, axis=1, weights=weight.numpy())
    assert mpjpe(input, target, weight=weight).tolist() == pytest.approx(expected.tolist())
    torch.testing.assert_close(
        pa_mpjpe(input, target, weight=weight), documented_pa_mpjpe(input, target, weight)
    )
    torch.testing.assert_close(
        pa_mpjpe(input, target, weight=7 * weight), pa_mpjpe(input, target, weight=weight)
    )
    inside = (1 - errors / 3).clip(0)
    area = pck_auc(input, target, stop=3.0, weight=weight)
    assert area.item() == pytest.approx(np.average(inside, weights=weight.numpy()))
    shared = mpjpe(input, target, weight=weight[:1])
    expected = np.average(errors, axis=1, weights=weight[:1].expand(4, 21).numpy())
    assert shared.tolist() == pytest.approx(expected.tolist())


def test_a_hand_without_a_visible_joint_or_root_has_nan_and_does_not_count():
    input, target, visible = hands(seed=1), hands(seed=2), mask()
    visible[1] = False
    assert pa_mpjpe(input, target, weight=visible).isnan().tolist() == [False, True, False, False]
    visible[2, 5], visible[[0, 3], 5] = False, True
    assert visible[2].any()
    input[2, 5], target[2, 5] = torch.nan, torch.inf
    keep = [0, 3]
    areas = pck_auc(input, target, root=5, stop=3.0, weight=visible, reduction="none")
    errors = mpjpe(input, target, root=5, weight=visible)
    for found in (areas, errors):
        assert found.isnan().tolist() == [False, True, True, False]
    expected = mpjpe(input[keep], target[keep], root=5, weight=visible[keep])
    torch.testing.assert_close(errors[keep], expected)
    area = pck_auc(input, target, root=5, stop=3.0, weight=visible)
    torch.testing.assert_close(
        area, pck_auc(input[keep], target[keep], root=5, stop=3.0, weight=visible[keep])
    )
    assert pck_auc(input, target, weight=torch.zeros(4)).isnan()


@pytest.mark.parametrize("masked", [False, True])
def test_areas_add_up_over_uneven_batches(masked):
    input, target = hands(seed=1), hands(seed=2)
    visible = mask() if masked else torch.ones(4, 21, dtype=torch.bool)
    visible[3] = False
    whole = pck_auc(input, target, stop=3.0, weight=visible)
    total, count = 0.0, 0
    for s in (slice(1), slice(1, 4)):
        areas = pck_auc(input[s], target[s], stop=3.0, weight=visible[s], reduction="none")
        seen = ~areas.isnan()
        total += (areas * visible[s].sum(1))[seen].sum().item()
        count += visible[s].sum(1)[seen].sum().item()
    assert total / count == pytest.approx(whole.item())
    errors = mpjpe(input, target, weight=visible)
    parts = [mpjpe(input[s], target[s], weight=visible[s]) for s in (slice(1), slice(1, 4))]
    torch.testing.assert_close(torch.cat(parts), errors, equal_nan=True)


def test_derivatives_are_finite_and_0_where_joints_meet():
    target = hands(seed=2)
    input = target.clone()
    input[:, 8:] += hands(seed=1)[:, 8:]
    input.requires_grad_()
    for metric, slope in ((mpjpe, 1 / 21), (lambda a, b: pck_auc(a, b, stop=9.0), 1 / 9 / 84)):
        (first,) = torch.autograd.grad(metric(input, target).sum(), input, create_graph=True)
        (second,) = torch.autograd.grad(first.square().sum(), input)
        assert first[:, 1:8].abs().max() == 0
        torch.testing.assert_close(first[:, 8:].norm(dim=-1), torch.full((4, 13), slope).double())
        assert second.isfinite().all()
    hidden, visible = input.detach().clone(), mask()
    hidden[~visible] = torch.nan
    hidden.requires_grad_()
    mpjpe(hidden, target, weight=visible).sum().backward()
    assert hidden.grad.isfinite().all() and hidden.grad[~visible].abs().max() == 0


def test_mpjpe_is_in_the_unit_of_the_joints():
    input, target = hands(seed=1), hands(seed=2)
    torch.testing.assert_close(mpjpe(1000 * input, 1000 * target), 1000 * mpjpe(input, target))


def test_alignment_removes_rotation_translation_and_scale():
    target = hands()
    for scale in (1e-3, 1.0, 1e3):
        input = scale * target @ rotations(4).mT + torch.tensor([5.0, -3.0, 2.0])
        assert pa_mpjpe(input, target).abs().max() < 1e-9
        assert mpjpe(input, target).min() > 0.1


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
    input, target = hands(1, seed=seed)[0].numpy(), hands(1, seed=seed + 10)[0].numpy()
    # Half the seeds would have a reflection as best fit; both kinds must agree.
    if seed == 1:
        target = input * [-1, 1, 1] + 0.1 * target

    def moved(parameters):
        turn = Rotation.from_rotvec(parameters[:3]).as_matrix()
        return math.exp(parameters[3]) * input @ turn.T + parameters[4:]

    starts = Rotation.random(12, random_state=0).as_rotvec()
    fits = [
        minimize(lambda p: ((moved(p) - target) ** 2).sum(), [*start, -1, 0, 0, 0], tol=1e-12)
        for start in starts
    ]
    best = min(fits, key=lambda fit: fit.fun)
    expected = np.linalg.norm(moved(best.x) - target, axis=1).mean()
    got = pa_mpjpe(torch.from_numpy(input)[None], torch.from_numpy(target)[None])
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
    input, target = hands(seed=1), hands(seed=2)
    spoilt = input.clone()
    spoilt[2, 5, 1] = torch.nan
    keep = [0, 1, 3]
    for metric in (mpjpe, pa_mpjpe):
        for errors in (metric(spoilt, target), metric(target, spoilt)):
            assert errors[2].isnan()
        torch.testing.assert_close(metric(spoilt, target)[keep], metric(input, target)[keep])
    spoilt[2, 5, 1] = torch.inf
    assert pa_mpjpe(spoilt, target).isnan().tolist() == [False, False, True, False]


@pytest.mark.parametrize("scale", [1e-30, 1e-19, 1e19, 1e37])
def test_alignment_survives_any_size_that_float32_holds(scale):
    input, target = hands(seed=1, dtype=torch.float32), hands(seed=2, dtype=torch.float32)
    expected = pa_mpjpe(input, target)
    torch.testing.assert_close(pa_mpjpe(scale * input, target), expected)
    torch.testing.assert_close(pa_mpjpe(input, scale * target) / scale, expected, rtol=1e-4, atol=0)


@pytest.mark.parametrize("scale", [1e-36, 1e-30, 1e30, 1e36])
def test_joint_errors_survive_any_size_that_float32_holds(scale):
    input, target = (scale * hands(seed=s, dtype=torch.float32) for s in (1, 2))
    expected = torch.from_numpy(documented_errors(input, target, 0).mean(1)) / scale
    torch.testing.assert_close(mpjpe(input, target).double() / scale, expected, rtol=1e-5, atol=0)
    area = pck_auc(input, target, stop=3 * scale).item()
    assert area == pytest.approx(pck_auc(input.double(), target.double(), stop=3 * scale).item())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("metric", METRICS)
def test_autocast_changes_nothing(metric, dtype):
    input, target = hands(seed=1, dtype=torch.float32), hands(seed=2, dtype=torch.float32)
    for weight in (None, mask()):
        expected = metric(input, target, weight=weight)
        with torch.autocast("cpu", dtype=dtype):
            torch.testing.assert_close(metric(input, target, weight=weight), expected)


def test_each_hand_is_aligned_on_its_own():
    input, target = hands(seed=1), hands(seed=2)
    one_by_one = torch.cat([pa_mpjpe(input[[i]], target[[i]]) for i in range(4)])
    torch.testing.assert_close(pa_mpjpe(input, target), one_by_one)
    assert pa_mpjpe(input[:0], target[:0]).shape == (0,)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("metric", METRICS)
def test_half_precision_is_scored_in_float32(metric, dtype):
    input, target = (30 * hands(seed=s, dtype=torch.float32).to(dtype) for s in (1, 2))
    for weight in (None, mask()):
        got = metric(input, target, weight=weight)
        exact = metric(input.double(), target.double(), weight=weight)
        assert got.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
        torch.testing.assert_close(got.double(), exact, rtol=1e-5, atol=1e-6)
    mixed = metric(input.float(), target.half()) if dtype != torch.float64 else got
    assert mixed.dtype == got.dtype


def test_the_area_is_that_of_the_finely_binned_curve():
    input, target = 20 * hands(seed=1), 20 * hands(seed=2)
    for root in (0, 7, None):
        errors = documented_errors(input, target, root).flatten()
        for start, stop in ((0.0, 50.0), (20.0, 50.0), (0.0, 30.0)):
            thresholds = np.linspace(start, stop, 20001)
            pck = (errors[:, None] <= thresholds).mean(0)
            expected = np.trapezoid(pck, thresholds) / (stop - start)
            area = pck_auc(input, target, start=start, stop=stop, root=root)
            assert area.item() == pytest.approx(expected, abs=1e-4)
    assert pck_auc(input, target) == pck_auc(input, target, start=0.0, stop=50.0, root=0)


def test_the_area_takes_metres_with_a_threshold_in_metres():
    input, target = 20 * hands(seed=1), 20 * hands(seed=2)
    metres = pck_auc(input / 1000, target / 1000, stop=0.05)
    torch.testing.assert_close(metres, pck_auc(input, target))
    assert pck_auc(target, target) == 1
    assert pck_auc(target + 1e4, target, root=None) == 0


def test_a_joint_that_is_nan_is_not_correct():
    target = hands()
    spoilt = target.clone()
    spoilt[0, 1] = torch.nan
    assert pck_auc(spoilt, target).item() == pytest.approx(1 - 1 / (4 * 21))


@pytest.mark.own_errors
@pytest.mark.parametrize("metric", METRICS)
def test_bad_joints_say_what_is_wrong(metric):
    target, visible = hands(), mask()
    with pytest.raises(ValueError, match=r"same shape.*\(3, 21, 3\)"):
        metric(target[:3], target)
    with pytest.raises(ValueError, match=r"\(B, N, 3\), got \(4, 21, 2\)"):
        metric(target[..., :2], target[..., :2])
    with pytest.raises(ValueError, match=r"got \(21, 3\); for one hand pass input\[None\]"):
        metric(target[0], target[0])
    with pytest.raises(ValueError, match=r"got \(4, 63\); .*unflatten\(1, \(21, 3\)\)"):
        metric(target.flatten(1), target.flatten(1))
    with pytest.raises(TypeError, match="floating-point"):
        metric(target.long(), target)
    with pytest.raises(TypeError, match="float64"):
        metric(target.float(), target)
    with pytest.raises(TypeError, match="visibility > 0"):
        metric(target, target, weight=visible.long())
    with pytest.raises(ValueError, match=r"one value a point.*got \(4, 21, 3\).*\(-1, 21, 3\)"):
        metric(target, target, weight=visible[..., None].expand(4, 21, 3))
    with pytest.raises(ValueError, match="weight must have the shape of input"):
        metric(target, target, weight=visible[:, 1:])
    with pytest.raises(ValueError, match="weight must have the shape of input"):
        metric(target, target, weight=torch.ones(1))


@pytest.mark.own_errors
def test_bad_options_say_what_is_wrong():
    target = hands()
    for metric in (mpjpe, pck_auc):
        with pytest.raises(ValueError, match="root must be from 0 to 20, got 21"):
            metric(target, target, root=21)
        with pytest.raises(TypeError, match="root must be a Python integer, got float"):
            metric(target, target, root=0.0)
    with pytest.raises(ValueError, match="start must be finite and at least 0, got -1"):
        pck_auc(target, target, start=-1.0)
    for start in (50.0, 60.0):
        with pytest.raises(ValueError, match=f"start must lie below stop, got {start} and 50"):
            pck_auc(target, target, start=start)
    with pytest.raises(TypeError, match="stop must be a Python number"):
        pck_auc(target, target, stop="50")
    with pytest.raises(ValueError, match="stop must be at most 3.403e"):
        pck_auc(target.float(), target.float(), stop=1e39)
    with pytest.raises(ValueError, match="reduction must be one of mean, none; got 'sum'"):
        pck_auc(target, target, reduction="sum")
    with pytest.raises(ValueError, match="at least one hand.*reduction='none'"):
        pck_auc(target[:0], target[:0])
    assert pck_auc(target[:0], target[:0], reduction="none").shape == (0,)
    assert mpjpe(target[:0], target[:0], weight=mask()[:0]).shape == (0,)


@pytest.mark.own_errors
@pytest.mark.parametrize("metric", METRICS)
def test_check_values_looks_at_what_counts(metric):
    input, target, visible = 20 * hands(seed=1), 20 * hands(seed=2), mask()
    visible[:, 3] = False
    spoilt, spoilt_target = input.clone(), target.clone()
    spoilt[:, 3], spoilt_target[:, 3] = torch.nan, torch.inf
    with lossbook.check_values(), warnings.catch_warnings():
        warnings.simplefilter("error")
        metric(input, target)
        metric(spoilt, spoilt_target, weight=visible)
    with lossbook.check_values():
        with pytest.raises(ValueError, match=r"input holds 12 NaN.*index \(0, 3, 0\)"):
            metric(spoilt, target)
        with pytest.raises(ValueError, match="target holds 12 NaN"):
            metric(input, spoilt_target)
        with pytest.raises(ValueError, match="weight must not be negative.* -1; 0 leaves"):
            metric(input, target, weight=torch.tensor([-1.0, 1.0, 1.0, 1.0]))
        with pytest.raises(ValueError, match="weight holds 84 NaN"):
            metric(input, target, weight=torch.full((4,), torch.nan))
        with pytest.warns(UserWarning, match="nothing is visible in 1 of 4 samples") as caught:
            metric(input, target, weight=torch.arange(4) > 0)
        assert len(caught) == 1 and caught[0].filename == __file__


def test_check_values_warns_of_hidden_roots():
    input, target, visible = 20 * hands(seed=1), 20 * hands(seed=2), mask()
    visible[:2, 5], visible[2:, 5] = False, True
    with lossbook.check_values():
        for metric in (mpjpe, pck_auc):
            with pytest.warns(UserWarning, match="joint 5, has weight 0 in 2 of 4 hands"):
                metric(input, target, root=5, weight=visible)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            mpjpe(input, target, root=None, weight=visible)
            mpjpe(input, target, root=5, weight=visible[2:].repeat(2, 1))


def test_check_values_warns_of_thresholds_in_another_unit():
    target = torch.zeros(1, 4, 3)
    target[0, 1, 2], target[0, 2, 0], target[0, 3] = -1.0, 0.25, 1e6
    visible = torch.tensor([[True, True, True, False]])

    def score(stop, joints=target, **options):
        pck_auc(joints, joints, stop=stop, weight=visible, **options)

    with lossbook.check_values():
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            score(20.0)
            score(1 / 500)
            score(50.0, 0 * target)
            score(20.0, target + 100)
            pck_auc(target[:0], target[:0], reduction="none")
        with pytest.warns(UserWarning, match="stop is 20.01.* no further than 1: are they in metr"):
            score(20.01)
        with pytest.warns(UserWarning, match="as far as 1: are they in millimetres"):
            score(1 / 501)
        with pytest.warns(UserWarning, match="as far as 100"):
            score(0.2, target + 100, root=None)
