"""What the losses of a hand model's parameters are, beyond what every loss must do."""

import math

import pytest
import torch

import lossbook
from lossbook.hands import auxiliary_loss, mano_prior_loss, priors, rotation_loss


def points(*shape, seed=0, scale=1.0):
    return scale * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def turns(axes):
    """Rotation matrices of axis-angles (..., 3)."""
    x, y, z = axes.unbind(-1)
    zero = torch.zeros_like(x)
    rows = ((zero, -z, y), (z, zero, -x), (-y, x, zero))
    return torch.linalg.matrix_exp(torch.stack([torch.stack(row, -1) for row in rows], -2))


def checked(loss, *arguments, **options):
    with lossbook.check_values():
        return loss(*arguments, **options)


# MANO's prior -----------------------------------------------------------------------------------


def test_the_priors_are_means_as_in_the_code_and_not_sums_as_in_the_formula():
    betas = points(7, 10).double()
    rotations = torch.eye(3, dtype=torch.float64).repeat(7, 15, 1, 1)
    rotations[:, 3] = torch.diag(torch.tensor([-1.0, -1.0, 1.0], dtype=torch.float64))
    terms = mano_prior_loss(betas, rotations).terms
    assert terms["shape_prior"].item() == pytest.approx((betas.norm(dim=1) ** 2 / 10).mean().item())
    assert terms["pose_prior"].item() == pytest.approx(8 / 15)


@pytest.mark.parametrize("angle", [0.0, 1e-3, 0.5, math.pi / 2, 3.0, math.pi, 4.0])
def test_the_pose_prior_of_a_rotation_is_four_times_one_minus_its_cosine(angle):
    c, s = math.cos(angle), math.sin(angle)
    rotation = torch.tensor([[c, -s, 0], [s, c, 0], [0, 0, 1]], dtype=torch.float64)
    prior = mano_prior_loss(torch.zeros(1, 10, dtype=torch.float64), rotation[None, None])
    assert prior.terms["pose_prior"].item() == pytest.approx(4 * (1 - c), abs=1e-15)


def test_the_pose_prior_is_a_monitor_until_it_is_switched_on():
    betas = points(2, 10).requires_grad_()
    pose = torch.eye(3).repeat(2, 15, 1, 1).mul(0.5).requires_grad_()
    off = mano_prior_loss(betas, pose)
    assert set(off.terms) == {"shape_prior", "pose_prior"}
    assert off.total == off.terms["shape_prior"]
    assert list(mano_prior_loss(betas).terms) == ["shape_prior"]
    on = mano_prior_loss(betas, pose, pose_weight=0.5)
    assert torch.autograd.grad(on.total, pose)[0].abs().sum() > 0


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_half_precision_squares_in_float32_and_one_dtype_comes_out(dtype):
    betas = torch.zeros(1, 10, dtype=dtype)
    betas[0, 0] = 300.0
    assert mano_prior_loss(betas).total == 9000
    terms = mano_prior_loss(betas, torch.eye(3).expand(1, 15, 3, 3)).terms
    assert {term.dtype for term in terms.values()} == {torch.float32}
    weighted = mano_prior_loss(betas, torch.eye(3, dtype=dtype)[None, None], weight=torch.ones(1))
    assert weighted.total == 9000
    assert weighted.total.dtype == torch.float32


# The first stage --------------------------------------------------------------------------------


def first_stage(batch=4):
    return tuple(points(batch, n, seed=s) for s, n in enumerate((48, 10, 48, 10)))


def test_the_first_stage_is_scored_by_two_means():
    pose, shape, *_ = first_stage()
    expected = (pose**2).sum() / (4 * 48) + (shape**2).sum() / (4 * 10)
    loss = auxiliary_loss(pose, shape, torch.zeros(4, 48), torch.zeros(4, 10))
    torch.testing.assert_close(loss, expected)
    assert loss.shape == ()


def test_the_form_of_rotations_is_the_chordal_loss_of_the_rotations_meant():
    pose, shape, pose_target, shape_target = (t.double() for t in first_stage())
    expected = (shape - shape_target).square().mean() + rotation_loss(
        turns(pose.reshape(4, 16, 3)), turns(pose_target.reshape(4, 16, 3))
    )
    got = auxiliary_loss(pose, shape, pose_target, shape_target, form="rotation")
    torch.testing.assert_close(got, expected)


def test_only_the_documented_form_jumps_at_half_a_turn():
    shape = torch.zeros(1, 10, dtype=torch.float64)
    before, after = (
        torch.tensor([[0.0, angle, 0.0]], dtype=torch.float64)
        for angle in (math.pi - 1e-4, -math.pi + 1e-4)
    )
    documented = auxiliary_loss(before, shape, after, shape)
    assert documented.item() == pytest.approx((2 * math.pi - 2e-4) ** 2 / 3)
    rotation = auxiliary_loss(before, shape, after, shape, form="rotation")
    assert rotation.item() == pytest.approx(4 * (1 - math.cos(2e-4)), rel=1e-5)


@pytest.mark.parametrize("size", [0.0, 1e-20, 1e-4, 0.0099, 0.0101, 0.3, math.pi, 2 * math.pi])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_the_form_of_rotations_has_the_right_gradient_at_every_angle(size, dtype):
    axis = torch.tensor([[0.48, -0.6, 0.64]], dtype=torch.float64) * size
    truth = torch.tensor([[0.3, 0.2, -0.4]], dtype=torch.float64)
    exact_axis = axis.clone().requires_grad_()
    exact = (turns(exact_axis) - turns(truth)).square().sum()
    pose = axis.to(dtype).requires_grad_()
    shape = torch.zeros(1, 10, dtype=dtype)
    loss = auxiliary_loss(pose, shape, truth.to(dtype), shape, form="rotation")
    (gradient,) = torch.autograd.grad(loss, pose)
    tolerance = 1e-5 if dtype == torch.float32 else 1e-10
    torch.testing.assert_close(loss.double(), exact, rtol=tolerance, atol=tolerance)
    expected = torch.autograd.grad(exact, exact_axis)[0]
    torch.testing.assert_close(gradient.double(), expected, rtol=tolerance, atol=tolerance)


# Rotations --------------------------------------------------------------------------------------

ANGLES = [0.0, 1e-6, 1e-3, 0.5, math.pi / 2, 3.0, math.pi - 1e-6, math.pi]


@pytest.mark.parametrize("angle", ANGLES)
def test_the_two_forms_are_the_squared_chord_and_the_angle(angle):
    axis = torch.tensor([0.48, -0.6, 0.64], dtype=torch.float64)
    first = turns(points(1, 3).double())
    second = first @ turns(angle * axis)[None]
    chordal = rotation_loss(first, second)
    assert chordal.item() == pytest.approx(4 * (1 - math.cos(angle)), abs=1e-14)
    assert rotation_loss(first, second, form="geodesic").item() == pytest.approx(angle, abs=1e-14)


@pytest.mark.parametrize("form", ["chordal", "geodesic"])
@pytest.mark.parametrize("angle", ANGLES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_value_and_gradient_of_rotations_are_finite_at_every_angle(form, angle, dtype):
    turned = turns(torch.tensor([[angle, 0.0, 0.0]], dtype=torch.float64)).to(dtype)
    turned.requires_grad_()
    loss = rotation_loss(turned, torch.eye(3, dtype=dtype)[None], form=form)
    (gradient,) = torch.autograd.grad(loss, turned)
    assert loss.isfinite()
    assert gradient.isfinite().all()


@pytest.mark.parametrize("half_turn", [(1.0, -1.0, -1.0), (-1.0, 1.0, -1.0), (-1.0, -1.0, 1.0)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_the_angle_has_gradient_0_between_equal_matrices_and_at_exactly_half_a_turn(
    half_turn, dtype
):
    truth = torch.eye(3, dtype=dtype)[None]
    for matrix, angle in (
        (truth, 0),
        (torch.tensor([half_turn], dtype=dtype).diag_embed(), math.pi),
    ):
        turned = matrix.clone().requires_grad_()
        loss = rotation_loss(turned, truth, form="geodesic")
        (gradient,) = torch.autograd.grad(loss, turned)
        assert loss.item() == pytest.approx(angle, abs=1e-6)
        assert gradient.isfinite().all()
        assert gradient.norm() == 0  # it has no direction there


def test_the_angle_pulls_the_shorter_way_on_either_side_of_half_a_turn():
    truth = torch.eye(3, dtype=torch.float64)[None]
    for past, slope in ((-1e-3, 1), (1e-3, -1)):
        along = torch.tensor(math.pi + past, dtype=torch.float64, requires_grad=True)
        turned = turns(torch.stack([along, 0 * along, 0 * along]))[None]
        loss = rotation_loss(turned, truth, form="geodesic")
        assert torch.autograd.grad(loss, along)[0].item() == pytest.approx(slope)


def test_the_angle_pulls_with_the_same_force_all_the_way_and_the_chord_does_not():
    for angle in (1e-3, 1.0, 3.0):
        along = torch.tensor(angle, dtype=torch.float64, requires_grad=True)
        axis = torch.stack([along, 0 * along, 0 * along])
        turned = turns(axis)[None]
        truth = torch.eye(3, dtype=torch.float64)[None]
        geodesic = torch.autograd.grad(rotation_loss(turned, truth, form="geodesic"), along)[0]
        assert geodesic.item() == pytest.approx(1)
        turned = turns(torch.stack([along, 0 * along, 0 * along]))[None]
        chordal = torch.autograd.grad(rotation_loss(turned, truth), along)[0]
        assert chordal.item() == pytest.approx(4 * math.sin(angle))


@pytest.mark.parametrize("angle", ANGLES)
def test_the_ways_to_an_angle_agree(angle):
    axis = torch.tensor([0.48, -0.6, 0.64], dtype=torch.float64)
    first = turns(points(4, 3).double())
    second = first @ turns(angle * axis)[None]
    ways = {
        "rows": lambda first: rotation_loss(first, second, form="geodesic", reduction="none"),
        "entries": lambda first: priors._angle_by_entries(first, second),
    }
    found = {}
    for name, way in ways.items():
        one = first.clone().requires_grad_()
        value = way(one)
        (slope,) = torch.autograd.grad(value.sum(), one)
        found[name] = value.detach(), slope
    for value, slope in found.values():
        assert torch.allclose(value, torch.full((4,), angle, dtype=value.dtype), atol=1e-14)
        if 1e-6 < angle < 3.1:
            assert torch.allclose(slope, found["entries"][1], atol=1e-10)


@pytest.mark.parametrize("scale", [1.0, 1.1])
def test_an_angle_does_not_depend_on_what_stands_beside_it(scale, monkeypatch):
    angles = torch.tensor(
        [[0.0, 0.0, 0.02], [0.3, 0.2, -0.4], [0.0, 2.7, 0.0], [math.pi, 0.0, 0.0]]
    )
    target = turns(points(4, 3).double())
    input = scale * (target @ turns(angles.double()))

    def values_and_slopes(rows):
        one = input[rows].requires_grad_()
        value = rotation_loss(one, target[rows], form="geodesic", reduction="none")
        return value.detach(), torch.autograd.grad(value.sum(), one)[0]

    together = values_and_slopes(slice(0, 4))
    # At half a turn the gradient has no direction.
    for row in range(4):
        value, slope = values_and_slopes(slice(row, row + 1))
        torch.testing.assert_close(value[0], together[0][row], rtol=0, atol=1e-14)
        if row < 3:
            torch.testing.assert_close(slope[0], together[1][row])
    monkeypatch.setattr(priors, "_MANY", 1)
    value, slope = values_and_slopes(slice(0, 4))
    torch.testing.assert_close(value, together[0], rtol=0, atol=1e-14)
    torch.testing.assert_close(slope[:3], together[1][:3])


@pytest.mark.compiles
@pytest.mark.parametrize("shape", [(5,), (5, 3)], ids=str)
@pytest.mark.parametrize("scale", [1.0, 1.1])
def test_a_compiled_angle_is_the_eager_one(shape, scale):
    torch.compiler.reset()
    input, target = scale * turns(points(*shape, 3)), turns(points(*shape, 3, seed=1))
    compiled = torch.compile(rotation_loss, fullgraph=True, backend="aot_eager")
    found = []
    for way in (rotation_loss, compiled):
        one = input.clone().requires_grad_()
        value = way(one, target, form="geodesic", reduction="none")
        found.append((value.detach(), torch.autograd.grad(value.sum(), one)[0]))
    torch.testing.assert_close(*found)


def test_rotations_may_come_with_or_without_joints():
    first, second = turns(points(3, 2, 3)), turns(points(3, 2, 3, seed=1))
    together = rotation_loss(first, second, reduction="none")
    assert together.shape == (3, 2)
    alone = rotation_loss(first.flatten(0, 1), second.flatten(0, 1), reduction="none")
    torch.testing.assert_close(together.flatten(), alone)


# All reductions of the chord in one place ---------------------------------------------------------


@pytest.mark.parametrize("reduction", ["sum", "mean", "batchmean"])
@pytest.mark.parametrize(
    "weight",
    [None, torch.tensor([[0.5], [0.0], [2.0]]), torch.rand(3, 4), torch.rand(3, 4) > 0.4],
    ids=["none", "samples", "rotations", "mask"],
)
@pytest.mark.parametrize("junk", [None, "label", "prediction"])
def test_reduced_chords_are_the_single_ones_reduced(reduction, weight, junk):
    first, second = turns(points(3, 4, 3)), turns(points(3, 4, 3, seed=1))
    weights = torch.ones(3, 4) if weight is None else weight.expand(3, 4).to(first.dtype)
    single = rotation_loss(first, second, reduction="none") * weights
    count = {"sum": 1, "mean": weights.sum(), "batchmean": 3}[reduction]
    if weight is not None and junk:
        hidden = (weights == 0)[..., None, None]
        spoilt = (second if junk == "label" else first).masked_fill(hidden, torch.nan)
        first, second = (first, spoilt) if junk == "label" else (spoilt, second)
    first.requires_grad_()
    reduced = rotation_loss(first, second, weight=weight, reduction=reduction)
    torch.testing.assert_close(reduced, single.sum() / count)
    (gradient,) = torch.autograd.grad(reduced, first)
    wanted = 2 * (first - second).detach() * weights[..., None, None] / count
    torch.testing.assert_close(gradient, wanted.nan_to_num().to(gradient.dtype))


@pytest.mark.parametrize("reduction", ["sum", "mean", "batchmean"])
@pytest.mark.parametrize("weight", [None, torch.tensor([1.0, 0.0, 2.0])])
def test_rotations_without_a_gap_are_neither_replaced_nor_looked_for(
    monkeypatch, reduction, weight
):
    first, second = turns(points(3, 4, 3)), turns(points(3, 4, 3, seed=1))
    expected = rotation_loss(first, second, weight=weight, reduction=reduction)
    monkeypatch.setattr(torch.Tensor, "where", None)
    monkeypatch.setattr(torch, "where", None)
    assert rotation_loss(first, second, weight=weight, reduction=reduction) == expected
    if weight is None:
        monkeypatch.setattr(priors, "_chordal", None)
        assert rotation_loss(first, second, reduction=reduction) == expected


# Masks ------------------------------------------------------------------------------------------


def mano(input, kept):
    betas, pose = input
    return mano_prior_loss(betas, turns(pose), pose_weight=0.5, weight=kept).total


def documented(input, kept):
    return auxiliary_loss(*input, torch.zeros_like(input[0]), input[1].detach() + 1, weight=kept)


def rotation(input, kept):
    target = torch.full_like(input[0], 0.2)
    form = {"form": "rotation", "weight": kept}
    return auxiliary_loss(*input, target, input[1].detach() + 1, **form)


SCORES = {
    "prior": (mano, 10, (2, 3)),
    "documented": (documented, 6, (10,)),
    "rotation": (rotation, 6, (10,)),
}


@pytest.mark.parametrize("name", SCORES)
def test_masking_samples_is_leaving_them_out_and_a_weight_of_two_is_a_sample_twice(name):
    score, first, second = SCORES[name]
    inputs = [points(4, first).requires_grad_(), points(4, *second, seed=1).requires_grad_()]

    def both(index, weight):
        loss = score([value[index] for value in inputs], weight)
        return loss.detach(), *torch.autograd.grad(loss, inputs, materialize_grads=True)

    everything = slice(None)
    for index, weight in (
        ([1, 2], torch.tensor([False, True, True, False])),
        ([1, 2], torch.tensor([0.0, 1.0, 1.0, 0.0])),
        ([0, 1, 2, 2, 3], torch.tensor([1.0, 1.0, 2.0, 1.0])),
    ):
        alone = both(index, None)
        weighted = both(everything, weight)
        for got, expected in zip(weighted, alone, strict=True):
            torch.testing.assert_close(got, expected)


@pytest.mark.parametrize("form", ["documented", "rotation"])
def test_a_masked_sample_of_the_first_stage_may_hold_anything(form):
    pose, shape, pose_target, shape_target = first_stage()
    pose.requires_grad_()
    shape.requires_grad_()
    pose_target[1], shape_target[1] = torch.nan, torch.inf
    kept = torch.tensor([True, False, True, True])
    masked = auxiliary_loss(pose, shape, pose_target, shape_target, form=form, weight=kept)
    alone = auxiliary_loss(
        pose[kept], shape[kept], pose_target[kept], shape_target[kept], form=form
    )
    torch.testing.assert_close(masked, alone)
    for got, expected in zip(
        torch.autograd.grad(masked, [pose, shape]),
        torch.autograd.grad(alone, [pose, shape]),
        strict=True,
    ):
        torch.testing.assert_close(got, expected)


@pytest.mark.parametrize("form", ["chordal", "geodesic"])
@pytest.mark.parametrize("reduction", ["none", "sum", "mean", "batchmean"])
def test_a_masked_rotation_may_hold_anything(form, reduction):
    input, target = turns(points(4, 2, 3)), turns(points(4, 2, 3, seed=1))
    input[1], target[0] = torch.inf, torch.nan
    input.requires_grad_()
    kept = torch.tensor([False, False, True, True])
    options = {"form": form, "reduction": reduction}
    masked = rotation_loss(input, target, weight=kept, **options)
    alone = rotation_loss(input[kept], target[kept], **options)
    if reduction == "batchmean":
        alone = alone / 2
    torch.testing.assert_close(masked[kept] if reduction == "none" else masked, alone)
    gradients = [torch.autograd.grad(loss.sum(), input)[0] for loss in (masked, alone)]
    torch.testing.assert_close(*gradients)
    one_joint = rotation_loss(input[2:], target[2:], weight=torch.tensor([[1.0, 0.0]]), form=form)
    torch.testing.assert_close(one_joint, rotation_loss(input[2:, 0], target[2:, 0], form=form))


def test_a_masked_hand_of_the_prior_may_hold_anything():
    betas, pose = points(3, 10), turns(points(3, 15, 3))
    betas[1], pose[1] = torch.nan, torch.inf
    kept = torch.tensor([True, False, True])
    masked = mano_prior_loss(betas, pose, pose_weight=0.5, weight=kept)
    alone = mano_prior_loss(betas[kept], pose[kept], pose_weight=0.5)
    torch.testing.assert_close(masked.total, alone.total)
    checked(mano_prior_loss, betas, pose, weight=kept)


# check_values -----------------------------------------------------------------------------------


@pytest.mark.own_errors
def test_check_values_notices_matrices_that_are_no_rotations():
    betas, pose = torch.zeros(2, 10), torch.eye(3).repeat(2, 15, 1, 1)
    for wrong, reason in ((2 * torch.eye(3), "R R"), (-torch.eye(3), "determinant is -1")):
        spoilt = pose.clone()
        spoilt[1, 4] = wrong
        with pytest.raises(ValueError, match=rf"hand_pose.*\(1, 4\).*{reason}"):
            checked(mano_prior_loss, betas, spoilt)
        with pytest.raises(ValueError, match=rf"input must hold .*\(1, 4\).*{reason}"):
            checked(rotation_loss, spoilt, pose)
        with pytest.raises(ValueError, match=rf"target must hold .*\(1, 4\).*{reason}"):
            checked(rotation_loss, pose, spoilt)
        checked(rotation_loss, pose, spoilt, weight=torch.tensor([True, False]))


def test_check_values_takes_rotations_that_were_rounded():
    betas = torch.zeros(2, 10)
    turned = turns(torch.tensor([0.2, -0.5, 1.0])).expand(2, 15, 3, 3)
    checked(mano_prior_loss, betas, turned.bfloat16().float())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        checked(mano_prior_loss, betas, turned)


def test_check_values_warns_of_a_shape_that_is_no_hand():
    with pytest.warns(UserWarning, match="betas has a root mean square of 8.39"):
        checked(mano_prior_loss, torch.full((2, 10), math.sqrt(70.4138)))
    one_of_many = torch.zeros(64, 10)
    one_of_many[5] = 3.1
    with pytest.warns(UserWarning, match="betas has a root mean square of 3.1"):
        checked(mano_prior_loss, one_of_many)
    pose, shape = points(2, 48, scale=0.2), points(2, 10)
    with pytest.warns(UserWarning, match="shape_target has a root mean square of 20"):
        checked(auxiliary_loss, pose, shape, pose, torch.full((2, 10), 20.0))


@pytest.mark.own_errors
def test_check_values_notices_degrees_in_the_first_stage():
    pose, shape = points(2, 48, scale=0.2), points(2, 10)
    with pytest.raises(ValueError, match="pose_target looks like degrees"):
        checked(auxiliary_loss, pose, shape, pose + 90, shape)
    with pytest.raises(ValueError, match="weight must not be negative"):
        checked(auxiliary_loss, pose, shape, pose, shape, weight=torch.tensor([1.0, -1.0]))
    half = torch.tensor([True, False])
    degrees = torch.cat([pose[:1], pose[1:] + 90])
    checked(auxiliary_loss, pose, shape, degrees, shape, weight=half)
    checked(auxiliary_loss, 10 + pose, shape, pose, shape)
