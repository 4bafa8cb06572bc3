"""Labels that are NaN behind a mask are cleared beforehand, and the loss is worked out once."""

import pytest
import torch
from torch.profiler import ProfilerActivity, profile

from lossbook.hands import auxiliary_loss, keypoint_2d_loss, keypoint_3d_loss, vertex_loss
from lossbook.landmarks import pfld_loss, smooth_l1_loss, wing_loss
from lossbook.masking import cleared, holds_gaps


def points(*shape, seed=0, dtype=torch.float32):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def mask(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed)) > 0.3


def spread(weight, shape):
    return weight.reshape(*weight.shape, *(1,) * (len(shape) - weight.ndim)).expand(shape)


# The building block ------------------------------------------------------------------------------

LAYOUTS = {
    "whole": lambda values: values,
    "odd offset": lambda values: torch.cat([values.new_zeros(1), values.flatten()])[1:].view(
        values.shape
    ),
    "odd strides": lambda values: torch.cat([values, values[..., :1]], -1)[..., : values.shape[-1]],
    "transposed": lambda values: values.transpose(0, 1).contiguous().transpose(0, 1),
    "every second": lambda values: values.repeat_interleave(2, -1)[..., ::2],
    "one row of odd stride": lambda values: values[:1].as_strided(
        (1, *values.shape[1:]), (7, *values.stride()[1:])
    ),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("shape", [(50, 98, 2), (40, 778, 3), (5, 3, 2), (9000,)], ids=str)
def test_what_is_hidden_becomes_zero_in_every_layout(shape, dtype, layout):
    values = points(*shape, dtype=dtype)
    if len(shape) == 1 and layout in ("transposed", "one row of odd stride"):
        return
    values = LAYOUTS[layout](values)
    forms = (
        [values.shape] if len(shape) == 1 else [values.shape[:1], values.shape[:2], values.shape]
    )
    for form in forms:
        present = mask(*form).reshape(*form, *(1,) * (len(shape) - len(form)))
        for junk in (torch.nan, torch.inf, 1.0):
            spoilt = values.where(present, junk)
            assert torch.equal(cleared(spoilt, present), torch.where(present, values, 0))


def test_clearing_has_derivatives():
    values, present = points(40, 98, 2).requires_grad_(), mask(40, 98, 1)
    (slope,) = torch.autograd.grad(cleared(values, present).sum(), values)
    assert torch.equal(slope, present.expand_as(values).float())
    with torch.autograd.forward_ad.dual_level():
        dual = torch.autograd.forward_ad.make_dual(values.detach(), torch.ones(40, 98, 2))
        moved = torch.autograd.forward_ad.unpack_dual(cleared(dual, present)).tangent
    assert torch.equal(moved, present.expand_as(values).float())


@pytest.mark.parametrize("junk", [torch.nan, torch.inf, -torch.inf])
def test_gaps_are_seen_in_any_of_a_few_samples(junk):
    for place in ((0, 0), (99, 3)):
        values = points(100, 4)
        assert not holds_gaps(values)
        values[place] = junk
        assert holds_gaps(values)
    assert not holds_gaps(points(0, 4))


# Losses -------------------------------------------------------------------------------------------

B, N = 40, 98
FACES, HANDS, MESHES = (N, 2), (21, 3), (778, 3)
ANGLES = 0.3 * points(B, 3), 0.3 * points(B, 3, seed=1)
# The loss of a prediction, a label and a weight, and the operation that it is made of.
LOSSES = {
    "smooth_l1": (
        lambda *given: smooth_l1_loss(*given[:2], weight=given[2]),
        FACES,
        "smooth_l1_loss",
    ),
    "wing": (lambda *given: wing_loss(*given[:2], weight=given[2]), FACES, "log1p"),
    "2d": (lambda *given: keypoint_2d_loss(*given[:2], confidence=given[2]), (21, 2), "abs"),
    "3d": (lambda *given: keypoint_3d_loss(*given[:2], weight=given[2]), HANDS, "abs"),
    "vertices": (lambda *given: vertex_loss(*given[:2], weight=given[2]), MESHES, "abs"),
    "pfld": (
        lambda *given: pfld_loss(*given[:2], *ANGLES, weight=given[2]).total,
        FACES,
        "mse_loss",
    ),
}


def calls(function, operation):
    function()
    with profile(activities=[ProfilerActivity.CPU]) as record:
        function()
    return sum(event.count for event in record.key_averages() if event.key == f"aten::{operation}")


@pytest.mark.parametrize("form", ["samples", "points"])
@pytest.mark.parametrize("name", LOSSES)
def test_a_label_of_nan_behind_a_mask_costs_no_second_evaluation(name, form):
    loss, size, operation = LOSSES[name]
    input, target = points(B, *size).requires_grad_(), points(B, *size, seed=1)
    weight = mask(B) if form == "samples" else mask(B, size[0])
    spoilt = target.where(spread(weight, target.shape), torch.nan)
    if name == "3d" and form == "points":
        # A hand without a root is left out.
        weight[:, 0] = True
        spoilt[:, 0] = target[:, 0]
    once = calls(lambda: loss(input, target, weight), operation)
    assert calls(lambda: loss(input, spoilt, weight), operation) == once
    for given in (weight, weight.float()):
        results = [loss(input, label, given) for label in (target, spoilt)]
        torch.testing.assert_close(*results)
        torch.testing.assert_close(*(torch.autograd.grad(result, input)[0] for result in results))


def test_the_label_of_a_first_stage_is_worked_out_once_too():
    pose, shape = points(B, 48), points(B, 10)
    weight = mask(B)
    spoilt = [label.where(weight[:, None], torch.nan) for label in (pose, shape)]

    def loss(*targets):
        return auxiliary_loss(pose + 1, shape + 1, *targets, weight=weight)

    assert calls(lambda: loss(*spoilt), "mse_loss") == calls(lambda: loss(pose, shape), "mse_loss")
    torch.testing.assert_close(loss(*spoilt), loss(pose, shape))


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("junk", [torch.nan, torch.inf])
def test_a_prediction_that_is_hidden_may_hold_anything_beside_its_label(name, junk):
    loss, size, _ = LOSSES[name]
    input, target, weight = points(B, *size), points(B, *size, seed=1), mask(B)
    shown = spread(weight, target.shape)
    clean = input.clone().requires_grad_()
    spoilt = input.where(shown, junk).requires_grad_()
    expected = loss(clean, target, weight)
    found = loss(spoilt, target.where(shown, -junk), weight)
    torch.testing.assert_close(found, expected)
    slopes = [
        torch.autograd.grad(value, of)[0] for value, of in ((found, spoilt), (expected, clean))
    ]
    torch.testing.assert_close(*slopes)


@pytest.mark.parametrize("name", LOSSES)
def test_a_label_of_nan_that_counts_stays(name):
    loss, size, _ = LOSSES[name]
    input, target, weight = points(B, *size), points(B, *size, seed=1), torch.ones(B)
    weight[3], target[3], target[5, 0, 0] = 0, torch.nan, torch.nan
    assert loss(input, target, weight).isnan()


def test_of_a_large_batch_a_gap_anywhere_is_hidden():
    input, target = points(1000, 98, 2).requires_grad_(), points(1000, 98, 2, seed=1)
    for row in (0, 1, 500, 999):
        weight = torch.ones(1000)
        weight[row] = 0
        spoilt = target.clone()
        spoilt[row] = torch.nan
        results = [smooth_l1_loss(input, label, weight=weight) for label in (target, spoilt)]
        torch.testing.assert_close(*results)


# Hands whose root is not known --------------------------------------------------------------------


def hands(seed=0):
    """Labels of NaN where a confidence is 0, roots among them, and one that is known and hidden."""
    target, confidence = points(12, 21, 3, seed=seed), mask(12, 21).float() * 0.5
    confidence[0] = torch.tensor([0.0] + [1.0] * 20)
    spoilt = target.where(confidence[..., None] > 0, torch.nan)
    spoilt[0] = target[0]
    return points(12, 21, 3, seed=1).requires_grad_(), spoilt, confidence


@pytest.mark.parametrize("root", [0, 20, None])
@pytest.mark.parametrize(
    "form", ["plain", "weight", "nan confidence", "columns", "all coordinates"]
)
def test_the_quick_way_to_a_hand_is_the_careful_one(form, root):
    input, target, confidence = hands()
    options = {"root": root}
    if form in ("weight", "nan confidence", "columns"):
        options["weight"] = mask(12, seed=1)
    if form == "nan confidence":
        confidence = confidence.where(options["weight"][:, None], torch.nan)
    if form == "columns":
        confidence = confidence.t().contiguous().t()
    if form == "all coordinates":
        confidence = confidence[..., None].expand(12, 21, 3).contiguous()
        confidence[4, :, 1:] = 0
    quick = keypoint_3d_loss(input, target, confidence=confidence, **options)
    # A confidence that is learned is looked at by no other way.
    careful = keypoint_3d_loss(
        input, target, confidence=confidence.clone().requires_grad_(), **options
    )
    assert quick.isfinite()
    torch.testing.assert_close(quick, careful)
    slopes = [torch.autograd.grad(value, input)[0] for value in (quick, careful)]
    torch.testing.assert_close(*slopes)


@pytest.mark.compiles
@pytest.mark.parametrize("form", ["plain", "weight", "columns"])
def test_compiled_hands_whose_root_is_not_known_count_nothing(form):
    input, target, confidence = hands()
    weight = None if form == "plain" else mask(12, seed=1)
    confidence = confidence.t().contiguous().t() if form == "columns" else confidence
    torch.compiler.reset()
    compiled = torch.compile(keypoint_3d_loss, fullgraph=True)
    options = {"confidence": confidence, "weight": weight}
    found, expected = (loss(input, target, **options) for loss in (compiled, keypoint_3d_loss))
    torch.testing.assert_close(found, expected)
    slopes = [torch.autograd.grad(value, input)[0] for value in (found, expected)]
    torch.testing.assert_close(*slopes)
    seen = confidence.clone()
    seen[1, 0], target[1, 0] = 1, torch.nan
    options = {"confidence": seen}
    assert compiled(input, target, **options).isnan()
    assert keypoint_3d_loss(input, target, **options).isnan()


# Compiled -----------------------------------------------------------------------------------------


@pytest.mark.compiles
@pytest.mark.parametrize("dtype", [torch.bool, torch.float32], ids=str)
@pytest.mark.parametrize("name", ["wing", "smooth_l1", "2d", "vertices"])
def test_compiled_points_are_weighed_as_eager_ones(name, dtype):
    torch.compiler.reset()
    loss, size, _ = LOSSES[name]
    compiled = torch.compile(loss, fullgraph=True, backend="aot_eager")
    for batch in (3, 4):
        weight = mask(batch, size[0]).to(dtype)
        input, target = points(batch, *size), points(batch, *size, seed=1)
        for tensor, junk in ((input, torch.inf), (target, torch.nan)):
            tensor.masked_fill_(spread(weight == 0, tensor.shape), junk)
        input.requires_grad_()
        results = [way(input, target, weight) for way in (loss, compiled)]
        slopes = [torch.autograd.grad(result, input)[0] for result in results]
        torch.testing.assert_close(*results)
        torch.testing.assert_close(*slopes)
        assert not slopes[1][weight == 0].any()
