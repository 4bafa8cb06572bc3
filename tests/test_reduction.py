import pytest
import torch

from lossbook.kernels import squared
from lossbook.landmarks import smooth_l1_loss, wing_loss
from lossbook.reduction import check_reduction, elementwise_loss, reduce_loss, working_dtype
from lossbook.registry import card


def test_batchmean_is_the_sum_over_the_first_dimension_as_in_kl_div():
    losses = torch.rand(4, 3, 2)
    kl_div = torch.nn.functional.kl_div(torch.zeros(4, 6), losses.flatten(1), reduction="batchmean")
    by_hand = torch.nn.functional.kl_div(torch.zeros(4, 6), losses.flatten(1), reduction="none")
    torch.testing.assert_close(reduce_loss(by_hand, "batchmean"), kl_div)
    assert reduce_loss(losses, "batchmean") != reduce_loss(losses, "mean")


def test_a_mean_over_nothing_is_zero_with_zero_gradient():
    losses = torch.rand(3, 2, requires_grad=True)
    for reduction in ("mean", "batchmean", "sum"):
        loss = reduce_loss(losses, reduction, weight=torch.zeros(3, 2))
        (gradient,) = torch.autograd.grad(loss, losses)
        assert loss == 0
        assert not gradient.any()
        assert reduce_loss(torch.zeros(0, 2), reduction) == 0


def test_a_weighted_mean_ignores_the_scale_of_the_weights():
    losses, weight = torch.rand(2, 5, 3)
    torch.testing.assert_close(
        reduce_loss(losses, "mean", weight=weight), reduce_loss(losses, "mean", weight=7 * weight)
    )


def test_half_precision_adds_up_in_float32():
    losses = torch.full((1000, 196), 10.0, dtype=torch.float16)
    assert losses.sum().isinf()
    assert reduce_loss(losses, "batchmean") == 1960
    assert reduce_loss(losses, "mean") == 10
    assert reduce_loss(losses, "sum") == 1_960_000
    assert reduce_loss(losses, "sum").dtype == torch.float32


@pytest.mark.parametrize("scale", [1e-8, 0.01, 1.0])
def test_a_weighted_mean_divides_by_the_sum_of_small_weights_too(scale):
    losses = torch.tensor([1.0, 3.0])
    assert reduce_loss(losses, "mean", weight=torch.full((2,), scale)) == 2


def test_half_weights_add_up_in_float32():
    losses, weight = torch.ones(2, 70_000).half(), torch.ones(2, 70_000).half()
    loss = elementwise_loss(squared, losses, 0 * losses, weight=weight, reduction="mean")
    assert loss == 1


@pytest.mark.parametrize("reduction", ["none", "mean", "sum", "batchmean"])
def test_only_what_is_not_reduced_stays_half(reduction):
    x = torch.ones(2, 3).half()
    dtype = torch.float16 if reduction == "none" else torch.float32
    assert elementwise_loss(squared, x, 0 * x, reduction=reduction).dtype == dtype
    weight = torch.ones(2, dtype=torch.float64)
    x = x.float()
    loss = elementwise_loss(squared, x, 0 * x, weight=weight, reduction=reduction)
    assert loss.dtype == torch.float32


def test_a_negative_weight_multiplies_like_any_other():
    x, weight = torch.tensor([1.0, 2.0]), torch.tensor([1.0, -1.0])
    assert elementwise_loss(squared, x, 0 * x, weight=weight, reduction="sum") == 1 - 4


@pytest.mark.parametrize("learned", [False, True])
@pytest.mark.parametrize(
    ("weight", "expected"),
    [
        ([1.0, -3.0], (1 - 12) / (1 - 3)),
        ([-1.0, -1.0], 2.5),
        ([0.25, 0.25], 2.5),
        ([1.0, -1.0], 1 - 4),
        ([0.0, 0.0], 0.0),
    ],
)
def test_a_mean_is_over_the_sum_of_the_weights_whatever_its_sign(weight, expected, learned):
    x, weight = torch.tensor([1.0, 2.0]), torch.tensor(weight, requires_grad=learned)
    assert elementwise_loss(squared, x, 0 * x, weight=weight, reduction="mean") == expected
    assert reduce_loss(x.square(), "mean", weight=weight) == expected


@pytest.mark.own_errors
def test_a_weight_is_not_broadcast():
    with pytest.raises(ValueError, match=r"losses \(2, 3\), weight \(3,\)"):
        reduce_loss(torch.ones(2, 3), "mean", weight=torch.ones(3))


@pytest.mark.parametrize(
    ("dtype", "working"),
    [
        (torch.float16, torch.float32),
        (torch.bfloat16, torch.float32),
        (torch.float32, torch.float32),
        (torch.float64, torch.float64),
    ],
)
def test_working_dtype(dtype, working):
    assert working_dtype(dtype) == working


@pytest.mark.own_errors
@pytest.mark.parametrize("reduction", ["average", "", None, "MEAN"])
def test_an_unknown_reduction_is_refused(reduction):
    with pytest.raises(ValueError, match="none, mean, sum, batchmean"):
        reduce_loss(torch.zeros(2), reduction)


@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
@pytest.mark.parametrize("where", ["input", "target"])
def test_a_masked_nan_stays_out_of_value_and_gradient(bad, where):
    values = {"input": [[1.0, 2.0]], "target": [[0.0, 0.0]]}
    values[where][0][1] = bad
    prediction = torch.tensor(values["input"], requires_grad=True)
    weight = torch.tensor([[1.0, 0.0]])
    loss = elementwise_loss(
        squared, prediction, torch.tensor(values["target"]), weight=weight, reduction="sum"
    )
    (gradient,) = torch.autograd.grad(loss, prediction)
    assert loss == 1
    assert gradient.tolist() == [[2.0, 0.0]]


def test_a_nan_that_counts_is_not_hidden():
    target = torch.tensor([[0.0, torch.nan]])
    loss = elementwise_loss(squared, torch.zeros(1, 2), target, reduction="sum")
    assert loss.isnan()


def test_half_meets_float32_as_under_autocast():
    loss = elementwise_loss(
        squared, torch.ones(2, dtype=torch.float16), torch.zeros(2), reduction="sum"
    )
    assert loss.dtype == torch.float32


@pytest.mark.compiles
@pytest.mark.parametrize("form", [(), (6,), (6, 1), (None, 6), (6, 2)], ids=str)
def test_a_weight_compiles_in_every_form_for_changing_batches(form):
    torch.compiler.reset()
    compiled = torch.compile(smooth_l1_loss, fullgraph=True, backend="eager")
    for batch in (4, 5, 6):
        x, y = torch.rand(2, batch, 6, 2)
        weight = torch.rand((1, 6) if None in form else (batch, *form))
        expected = smooth_l1_loss(x, y, weight=weight)
        torch.testing.assert_close(compiled(x, y, weight=weight), expected)


@pytest.mark.parametrize("name", ["keypoint_2d_loss", "vertex_loss", "smooth_l1_loss"])
def test_the_second_derivative_of_l1_is_zero_also_where_there_is_no_error(name):
    # Of torch's SmoothL1 with a beta next to 0 it would be 1 / beta.
    loss = card(name).function
    options = {"beta": 0.0} if name == "smooth_l1_loss" else {}
    points = torch.zeros(1, 2, 3 if name == "vertex_loss" else 2)
    for error in (0.0, 1.0):
        second = torch.func.hessian(lambda x: loss(x, points, **options))(points + error)
        assert not second.any()


@pytest.mark.parametrize("holds", [0.0, torch.nan, torch.inf])
@pytest.mark.parametrize("d", [2, 3])
@pytest.mark.long
def test_many_points_are_weighed_as_a_few_are(holds, d):
    """From some thousand numbers on, weights are written out for both coordinates."""
    generator = torch.Generator().manual_seed(0)
    input, target = torch.randn(2, 200, 98, d, generator=generator)
    weight = (torch.rand(200, 98, generator=generator) - 0.2).clamp(min=0)
    target = target.where(weight[..., None] > 0, holds)
    for given in (weight, weight > 0):
        few, many = input.clone().requires_grad_(), input.clone().requires_grad_()
        loss = wing_loss(many, target, weight=given, reduction="sum")
        parts = zip(few.split(2), target.split(2), given.split(2), strict=True)
        expected = sum(wing_loss(a, b, weight=w, reduction="sum") for a, b, w in parts)
        torch.testing.assert_close(loss, expected)
        (got,) = torch.autograd.grad(loss, many)
        torch.testing.assert_close(got, torch.autograd.grad(expected, few)[0])


@pytest.mark.own_errors
@pytest.mark.parametrize(
    ("name", "meant"),
    [("avg", "'mean'"), ("batch_mean", "'batchmean'"), ("Mean", "'mean'"), (None, "'none'")],
)
def test_a_reduction_of_another_name_is_told_which_is_meant(name, meant):
    with pytest.raises(ValueError, match=rf"got {name!r}; did you mean {meant}\?$"):
        check_reduction(name)
