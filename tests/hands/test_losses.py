"""What the losses of points are, beyond what every loss must do."""

import pytest
import torch

import lossbook
from lossbook.hands import (
    Keypoint3DLoss,
    keypoint_2d_loss,
    keypoint_3d_loss,
    vertex_loss,
)


def points(*shape, seed=0, scale=0.2):
    return scale * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def with_column(target, confidence):
    return torch.cat([target, confidence[..., None]], -1)


KEYPOINT_LOSSES = [(keypoint_2d_loss, 2), (keypoint_3d_loss, 3)]
each_loss = pytest.mark.parametrize(("loss", "d"), KEYPOINT_LOSSES, ids=["2d", "3d"])
each_point_loss = pytest.mark.parametrize(
    ("loss", "d"), [*KEYPOINT_LOSSES, (vertex_loss, 3)], ids=["2d", "3d", "vertices"]
)
REDUCTIONS = ("none", "sum", "mean", "batchmean")


@each_loss
def test_the_last_column_is_the_confidence_where_the_caller_says_so(loss, d):
    input, target = points(3, 21, d), points(3, 21, d, seed=1)
    confidence = torch.rand(3, 21, generator=torch.Generator().manual_seed(2))
    for reduction in REDUCTIONS:
        column = with_column(target, confidence)
        as_column = loss(input, column, confidence="last", reduction=reduction)
        as_argument = loss(input, target, confidence=confidence, reduction=reduction)
        torch.testing.assert_close(as_column, as_argument, rtol=0, atol=0)
    assert as_argument != loss(input, target, reduction="batchmean")


@each_loss
@pytest.mark.own_errors
def test_a_column_that_nobody_named_is_refused_and_a_coordinate_never_taken_for_one(loss, d):
    input, target = points(3, 21, d), points(3, 21, d + 1, seed=1)
    fix = rf"target must have .*\(3, 21, {d + 1}\); if its last column is the confidence, say "
    with pytest.raises(ValueError, match=rf"{fix}confidence='last'.* drop it with .*:{d}\]"):
        loss(input, target)
    with pytest.raises(ValueError, match=rf"target must have shape \(B, N, {d}\)"):
        loss(input, target, confidence=torch.ones(3, 21))
    with pytest.raises(ValueError, match=rf"target must have shape .*{d + 1}\), the confidence la"):
        loss(input, target[..., :d], confidence="last")
    assert loss(input, target[..., :d]) > 0


@each_loss
def test_without_a_confidence_every_point_counts_fully(loss, d):
    input, target = points(3, 21, d), points(3, 21, d, seed=1)
    for everywhere in (torch.ones(3, 21), torch.ones(3, 21, dtype=torch.bool), torch.ones(1, 21)):
        for reduction in REDUCTIONS:
            got = loss(input, target, confidence=everywhere, reduction=reduction)
            torch.testing.assert_close(got, loss(input, target, reduction=reduction))


def test_the_2d_loss_is_the_documented_sum():
    input, target = points(2, 21, 2), points(2, 21, 2, seed=1)
    confidence = torch.rand(2, 21)
    expected = sum(
        confidence[b, n].item() * abs(input[b, n, k].item() - target[b, n, k].item())
        for b in range(2)
        for n in range(21)
        for k in range(2)
    )
    assert keypoint_2d_loss(input, target, confidence=confidence).item() == pytest.approx(expected)


def test_the_3d_loss_measures_each_hand_from_its_own_root():
    input, target = points(2, 21, 3), points(2, 21, 3, seed=1)
    for root in (0, 9, 20):
        expected = ((input - input[:, [root]]) - (target - target[:, [root]])).abs().sum()
        torch.testing.assert_close(keypoint_3d_loss(input, target, root=root), expected)
    assert keypoint_3d_loss(input, target, root=0) != keypoint_3d_loss(input, target, root=9)


def test_without_a_root_the_joints_are_measured_where_they_are():
    input, target = points(2, 21, 3), points(2, 21, 3, seed=1)
    expected = (input - target).abs().sum()
    torch.testing.assert_close(keypoint_3d_loss(input, target, root=None), expected)
    torch.testing.assert_close(Keypoint3DLoss(root=None)(input, target), expected)
    hidden = torch.ones(2, 21)
    hidden[:, 0], target[:, 0] = 0, torch.nan
    others = (input - target)[:, 1:].abs().sum()
    got = keypoint_3d_loss(input, target, root=None, confidence=hidden)
    torch.testing.assert_close(got, others)


def test_a_translation_of_either_hand_costs_nothing():
    input = points(2, 21, 3).double()
    away = input + torch.tensor([300.0, -200.0, 900.0], dtype=torch.float64)
    assert keypoint_3d_loss(input, away).item() == pytest.approx(0, abs=1e-9)
    assert keypoint_3d_loss(away, input).item() == pytest.approx(0, abs=1e-9)
    assert keypoint_3d_loss(input, away, root=None) > 1000
    assert keypoint_2d_loss(input[..., :2], away[..., :2]) > 1000


def test_the_root_receives_minus_the_sum_of_the_other_gradients_and_its_confidence_is_ignored():
    input = points(2, 21, 3).requires_grad_()
    target = points(2, 21, 3, seed=1)
    confidence = torch.rand(2, 21)
    gradients = []
    for of_root in (0.0, 1.0):
        confidence[:, 4] = of_root
        loss = keypoint_3d_loss(input, target, root=4, confidence=confidence)
        gradients.append(torch.autograd.grad(loss, input)[0])
    torch.testing.assert_close(gradients[0], gradients[1])
    others = [n for n in range(21) if n != 4]
    torch.testing.assert_close(gradients[0][:, 4], -gradients[0][:, others].sum(1))
    assert gradients[0][:, 4].abs().sum() > 0


def test_the_row_of_the_root_is_zero_so_60_numbers_enter_and_not_63():
    losses = keypoint_3d_loss(points(4, 21, 3), points(4, 21, 3, seed=1), reduction="none")
    assert (losses != 0).flatten(1).sum(1).tolist() == [60] * 4


@each_loss
@pytest.mark.parametrize("junk", [torch.nan, torch.inf, -torch.inf])
def test_a_hidden_point_may_hold_anything(loss, d, junk):
    input = points(2, 21, d).requires_grad_()
    target = points(2, 21, d, seed=1)
    confidence = torch.ones(2, 21)
    confidence[0, 7] = 0
    spoilt = target.clone()
    spoilt[0, 7] = junk
    for reduction in ("sum", "mean", "batchmean"):
        options = {"confidence": confidence, "reduction": reduction}
        clean, dirty = (loss(input, t, **options) for t in (target, spoilt))
        torch.testing.assert_close(clean, dirty)
        expected, got = (torch.autograd.grad(v, input)[0] for v in (clean, dirty))
        torch.testing.assert_close(got, expected)


@each_point_loss
@pytest.mark.parametrize("reduction", ["sum", "mean", "batchmean", "none"])
def test_masking_samples_is_leaving_them_out(loss, d, reduction):
    input, target = points(4, 21, d).requires_grad_(), points(4, 21, d, seed=1)
    target[[0, 3]] = torch.nan
    kept = torch.tensor([False, True, True, False])
    for weight in (kept, kept.float(), kept[:, None], kept[:, None, None]):
        masked = loss(input, target, weight=weight, reduction=reduction)
        alone = loss(input[kept], target[kept], reduction=reduction)
        if reduction == "batchmean":  # the batch still has four samples
            alone = alone / 2
        got = masked[kept] if reduction == "none" else masked
        torch.testing.assert_close(got, alone)
        expected = torch.autograd.grad(alone.sum(), input)[0]
        torch.testing.assert_close(torch.autograd.grad(masked.sum(), input)[0], expected)


@each_loss
def test_weight_and_confidence_multiply(loss, d):
    input, target = points(3, 21, d), points(3, 21, d, seed=1)
    weight, confidence = torch.tensor([0.5, 0.0, 2.0]), torch.rand(3, 21)
    confidence[1] = torch.nan  # of a sample without a label
    for reduction in REDUCTIONS:
        got = loss(input, target, weight=weight, confidence=confidence, reduction=reduction)
        product = (weight[:, None] * confidence).nan_to_num()
        expected = loss(input, target, confidence=product, reduction=reduction)
        torch.testing.assert_close(got, expected)


@each_loss
@pytest.mark.parametrize("junk", [None, "label", "confidence"])
def test_a_confidence_in_the_last_column_is_one_beside_it_to_the_last_digit(loss, d, junk):
    input, target, confidence = points(9, 21, d), points(9, 21, d, seed=1), torch.rand(9, 21)
    confidence[2, 4:9] = 0
    mask = torch.arange(9) != 5
    if junk == "label":
        target[2, 4:9] = torch.nan
    elif junk == "confidence":
        confidence[5] = torch.nan
    input.requires_grad_()
    both = (target, confidence), (with_column(target, confidence), "last")
    pair = [loss(input, of, confidence=c, weight=mask) for of, c in both]
    assert pair[0].isfinite() and torch.equal(*pair)
    assert torch.equal(*(torch.autograd.grad(value, input)[0] for value in pair))


@each_loss
@pytest.mark.parametrize("n", [1, 7, 8, 16, 21, 42])
def test_any_number_of_points(loss, d, n):
    input, target = points(3, n, d), points(3, n, d, seed=1)
    assert loss(input, target).isfinite()
    assert loss(input, with_column(target, torch.ones(3, n)), confidence="last").isfinite()


@pytest.mark.compiles
@pytest.mark.parametrize("n", [1, 7, 8, 21, 60])
def test_compiled_the_root_is_repeated_for_every_number_of_points(n):
    torch.compiler.reset()
    input, target = points(3, n, 3).requires_grad_(), points(3, n, 3, seed=1)
    compiled = torch.compile(keypoint_3d_loss, fullgraph=True, backend="aot_eager")
    got, expected = compiled(input, target), keypoint_3d_loss(input, target)
    torch.testing.assert_close(got, expected)
    gradients = [torch.autograd.grad(loss, input)[0] for loss in (got, expected)]
    torch.testing.assert_close(*gradients)


@each_loss
def test_millimetres_weigh_a_thousand_times_metres(loss, d):
    input, target = points(2, 21, d).double(), points(2, 21, d, seed=1).double()
    metres, millimetres = loss(input, target), loss(1000 * input, 1000 * target)
    assert (millimetres / metres).item() == pytest.approx(1000)


def test_the_sum_grows_with_the_batch_and_the_batch_mean_does_not():
    input, target = points(1, 21, 3), points(1, 21, 3, seed=1)
    for copies in (2, 64):
        many = input.repeat(copies, 1, 1), target.repeat(copies, 1, 1)
        one = keypoint_3d_loss(input, target)
        torch.testing.assert_close(keypoint_3d_loss(*many), copies * one)
        torch.testing.assert_close(keypoint_3d_loss(*many, reduction="batchmean"), one)


def test_the_mean_counts_a_confidence_once_for_each_coordinate():
    half = torch.full((1, 21), 0.5)
    loss = keypoint_2d_loss(
        torch.zeros(1, 21, 2), torch.ones(1, 21, 2), confidence=half, reduction="mean"
    )
    assert loss == 1


def test_half_precision_measures_from_the_root_before_it_rounds():
    input = torch.full((1, 3, 3), 1024.0, dtype=torch.float16)
    input[:, 1] = 0.25
    target = input.clone()
    target[:, 1] = 0.0
    loss = keypoint_3d_loss(input, target)
    assert loss == 0.75  # from -1023.75 and -1024, which half precision cannot tell apart
    assert loss.dtype == torch.float32
    assert keypoint_3d_loss(input, target, reduction="none").dtype == torch.float16


@each_point_loss
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_half_hands_in_millimetres_add_up_to_more_than_half_precision_can_hold(loss, d, dtype):
    input, target = (points(64, 21, d, seed=s, scale=120).to(dtype) for s in (0, 1))
    for options in ({}, {"weight": torch.ones(64, dtype=dtype)}):
        total = loss(input, target, **options)
        assert total.dtype == torch.float32
        assert total > 200_000 > torch.finfo(torch.float16).max
        torch.testing.assert_close(
            total.double(), loss(input.double(), target.double()), rtol=1e-6, atol=0
        )


@pytest.mark.parametrize("junk", [torch.nan, torch.inf])
@pytest.mark.parametrize("where", [slice(None), 0, 2])
def test_a_hand_whose_hidden_root_is_unknown_counts_nothing_and_the_others_do(junk, where):
    input = points(3, 21, 3).requires_grad_()
    target, confidence = points(3, 21, 3, seed=1), torch.ones(3, 21)
    target[1, 0, where], confidence[1, 0] = junk, 0
    others = [0, 2]
    for reduction in ("sum", "mean"):
        options = {"reduction": reduction}
        loss = keypoint_3d_loss(input, target, confidence=confidence, **options)
        alone = keypoint_3d_loss(
            input[others], target[others], confidence=confidence[others], **options
        )
        torch.testing.assert_close(loss, alone)
        gradient = torch.autograd.grad(loss, input)[0]
        assert gradient.isfinite().all()
        assert gradient[1].abs().sum() == 0
    confidence[1, 0] = 1
    assert not keypoint_3d_loss(input, target, confidence=confidence).isfinite()


def test_a_hidden_root_that_is_known_is_measured_from_as_ever():
    input, target, confidence = points(2, 21, 3), points(2, 21, 3, seed=1), torch.ones(2, 21)
    confidence[0, 0] = 0
    target[1, 5], confidence[1, 5] = torch.nan, 0  # makes the masks necessary
    losses = keypoint_3d_loss(input, target, confidence=confidence, reduction="none")
    seen = keypoint_3d_loss(input, target, reduction="none")
    torch.testing.assert_close(losses[0], seen[0])


def test_vertices_are_not_moved_onto_a_root():
    input, target = torch.zeros(2, 778, 3), torch.full((2, 778, 3), 0.5)
    assert vertex_loss(input, target) == 2 * 778 * 3 * 0.5


@each_point_loss
@pytest.mark.own_errors
def test_two_devices_are_named(loss, d):
    input = points(2, 21, d)
    with pytest.raises(ValueError, match="input is on cpu, target is on meta; move one with .to"):
        loss(input, input.to("meta"))
    factors = ["weight"] if loss is vertex_loss else ["weight", "confidence"]
    for name in factors:
        there = {name: torch.ones(2, 21, device="meta")}
        with pytest.raises(
            ValueError, match=rf"{name} is on meta, input on cpu; move it with {name}"
        ):
            loss(input, input, **there)


# check_values -----------------------------------------------------------------------------------


def checked(loss, *arguments, **options):
    with lossbook.check_values():
        return loss(*arguments, **options)


@pytest.mark.own_errors
def test_check_values_notices_pixels_where_the_crop_is_the_unit():
    input, target = points(2, 21, 2), 256 * points(2, 21, 2, seed=1)
    with pytest.raises(ValueError, match=r"target reaches .* normalised to \[-0.5, 0.5\]"):
        checked(keypoint_2d_loss, input, target)
    with pytest.raises(ValueError, match="input reaches"):
        checked(keypoint_2d_loss, 1000 * input, input)


@each_loss
@pytest.mark.own_errors
def test_check_values_notices_a_coordinate_taken_for_the_confidence(loss, d):
    target = points(2, 21, d)
    with pytest.raises(ValueError, match="confidence must lie in .0, 1.*was a coordinate taken"):
        checked(loss, target, target, confidence=target[..., -1])
    column = with_column(target, torch.full((2, 21), 255.0))
    with pytest.raises(ValueError, match="confidence must lie in"):
        checked(loss, target, column, confidence="last")
    for inside in (0.0, 1.0):
        confidence = torch.full((2, 21), 0.5)
        confidence[0, 3] = inside
        checked(loss, target, target, confidence=confidence)


def test_check_values_warns_if_the_root_is_hidden_or_nothing_counts():
    target = points(2, 21, 3)
    hidden = torch.ones(2, 21)
    hidden[1, 5] = 0
    with pytest.warns(UserWarning, match="the root, point 5, has confidence 0"):
        checked(keypoint_3d_loss, 2 * target, target, root=5, confidence=hidden)
    with pytest.warns(UserWarning, match="every weight is 0: .* trains nothing"):
        checked(vertex_loss, target, target, weight=torch.zeros(2))


def test_check_values_warns_of_a_hand_model_that_was_not_loaded():
    metres = points(3, 21, 3, scale=0.05)
    with pytest.warns(UserWarning, match="all joints of input lie on its root in 3 of 3 hands"):
        checked(keypoint_3d_loss, torch.zeros(3, 21, 3), metres)
    unlabelled = metres.clone()
    unlabelled[1] = 7.0
    with pytest.warns(UserWarning, match="all joints of target lie on its root in 1 of 3 hands"):
        checked(keypoint_3d_loss, metres, unlabelled)


@each_loss
@pytest.mark.own_errors
def test_check_values_looks_at_doubtful_points_and_at_hidden_roots(loss, d):
    input, target = points(2, 21, d), points(2, 21, d)
    doubtful = torch.full((2, 21), 0.3)
    target[1, 4, 1] = torch.nan
    with pytest.raises(ValueError, match=r"target holds 1 NaN .* index \(1, 4, 1\)"):
        checked(loss, input, target, confidence=doubtful)
    target = points(2, 21, d)
    target[1, 0] = torch.nan
    doubtful[1, 0] = 0
    if d == 3:
        with (
            pytest.warns(UserWarning, match="the root, point 0"),
            pytest.raises(
                ValueError,
                match=r"target holds 3 NaN .* index \(1, 0, 0\); the root is NaN: this hand counts "
                r"for nothing; pass another root=, or root=None$",
            ),
        ):
            checked(loss, input, target, confidence=doubtful)
        # What it says: 20 joints are seen, and none of them trains.
        loss(input.requires_grad_(), target, confidence=doubtful).backward()
        assert not input.grad[1].any()
    else:
        checked(loss, input, target, confidence=doubtful)


@pytest.mark.own_errors
def test_check_values_says_the_other_fix_of_a_seen_root_and_of_a_hand_without_one():
    input, target, confidence = points(2, 21, 3), points(2, 21, 3), torch.ones(2, 21)
    target[0, 0] = torch.nan
    with pytest.raises(ValueError, match=r"index \(0, 0, 0\); mask what is missing with weight=$"):
        checked(keypoint_3d_loss, input, target, confidence=confidence)
    confidence[0] = 0
    checked(keypoint_3d_loss, input, target, confidence=confidence)
    confidence[0, 1:] = 1
    checked(keypoint_3d_loss, input, target, confidence=confidence, root=None)
    with pytest.warns(UserWarning, match="point 0"), pytest.raises(ValueError, match="root=None$"):
        checked(keypoint_3d_loss, input, target, confidence=confidence)


@each_loss
def test_check_values_leaves_vmap_alone(loss, d):
    input, target = points(2, 21, d), points(2, 21, d, seed=1)
    confidences = torch.rand(3, 2, 21)
    with lossbook.check_values():
        mapped = torch.func.vmap(lambda c: loss(input, target, confidence=c))(confidences)
    expected = [loss(input, target, confidence=c) for c in confidences]
    torch.testing.assert_close(mapped, torch.stack(expected))
