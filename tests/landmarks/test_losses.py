"""What the losses of landmarks are, beyond what every loss must do."""

import math

import pytest
import torch

from lossbook.landmarks import (
    SmoothL1Loss,
    WingLoss,
    smooth_l1_loss,
    wing_constant,
    wing_loss,
)
from lossbook.registry import card


def documented_smooth_l1(y_true, y_pred, beta):
    """The formula of the source note, one number at a time."""
    total = 0.0
    for t, p in zip(y_true.flatten().tolist(), y_pred.flatten().tolist(), strict=True):
        error = abs(t - p)
        total += error - 0.5 * beta if error > beta else 0.5 * error**2 / beta
    return total / len(y_true)


def documented_wing(y_true, y_pred, w, epsilon):
    """The formula of the source note, one number at a time."""
    constant = w * (1 - math.log(1 + w / epsilon))
    total = 0.0
    for t, p in zip(y_true.flatten().tolist(), y_pred.flatten().tolist(), strict=True):
        error = abs(t - p)
        total += w * math.log(1 + error / epsilon) if error < w else error - constant
    return total / len(y_true)


def test_the_defaults_are_the_documented_losses():
    x, y = card("wing_loss").inputs(8, torch.Generator().manual_seed(0)).values()
    assert smooth_l1_loss(x, y).item() == pytest.approx(documented_smooth_l1(y, x, 1.0))
    assert wing_loss(x, y).item() == pytest.approx(documented_wing(y, x, 10.0, 2.0))


def test_smooth_l1_is_torchs_own():
    x, y = torch.randn(2, 4, 10)
    expected = torch.nn.functional.smooth_l1_loss(x, y, beta=0.3)
    torch.testing.assert_close(smooth_l1_loss(x, y, beta=0.3, reduction="mean"), expected)
    expected = torch.nn.functional.l1_loss(x, y)
    torch.testing.assert_close(smooth_l1_loss(x, y, beta=0.0, reduction="mean"), expected)


def test_wing_constant():
    # By hand: 10 (1 - ln 6) = 10 (1 - 1.791759) = -7.91759
    assert wing_constant(10.0, 2.0) == pytest.approx(10 * (1 - math.log(6)), rel=1e-15)
    assert wing_constant(10.0, 2.0) == pytest.approx(-7.91759, abs=1e-5)
    with pytest.raises(ValueError, match="epsilon"):
        wing_constant(1.0, 0.0)


def test_wing_is_continuous_at_w_and_its_slope_is_not():
    def slope(at):
        x = torch.tensor(at, dtype=torch.float64, requires_grad=True)
        loss = wing_loss(x, torch.zeros_like(x))
        return loss.item(), torch.autograd.grad(loss, x)[0].item()

    below, above = slope(10.0 - 1e-9), slope(10.0 + 1e-9)
    assert above[0] - below[0] < 1e-8
    assert below[1] == pytest.approx(10 / 12)
    assert above[1] == slope(10.0)[1] == 1
    assert slope(1e-12)[1] == pytest.approx(5)
    assert slope(0.0)[1] == 0


def test_wing_scales_with_the_unit():
    x, y = torch.randn(2, 3, 8, dtype=torch.float64) * 10
    pixels = wing_loss(x, y, w=10.0, epsilon=2.0)
    millimetres = wing_loss(0.25 * x, 0.25 * y, w=2.5, epsilon=0.5)
    assert millimetres.item() == pytest.approx(0.25 * pixels.item())


def test_wing_approaches_scaled_l1_for_large_epsilon_and_differs_for_small():
    x, y = torch.randn(2, 3, 8, dtype=torch.float64)
    l1 = (x - y).abs().sum().item() / 3
    assert wing_loss(x, y, w=10.0, epsilon=1e9).item() == pytest.approx(l1 * 10 / 1e9, rel=1e-6)
    assert wing_loss(x, y).item() != pytest.approx(l1 * 10 / 2, rel=0.1)


@pytest.mark.parametrize(("w", "epsilon"), [(0.01, 1e4), (10.0, 1e9), (1e-3, 1e-3), (1e3, 1e-3)])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_gradient_of_wing_has_all_digits_of_float32(w, epsilon, weighted):
    errors = w * torch.tensor([-3.0, -1.001, -0.999, -0.5, -1e-3, 1e-3, 0.5, 0.999, 1.001, 3.0])
    errors.requires_grad_()
    weight = torch.ones(10) if weighted else None
    options = {"w": w, "epsilon": epsilon, "reduction": "sum"}
    loss = wing_loss(errors, torch.zeros(10), weight=weight, **options)
    (gradient,) = torch.autograd.grad(loss, errors)
    sizes = errors.detach().double().abs()
    expected = torch.where(sizes < w, w / (epsilon + sizes), 1.0) * errors.detach().sign()
    torch.testing.assert_close(gradient.double(), expected, rtol=3e-7, atol=0)
    value = torch.where(
        sizes < w, w * torch.log1p(sizes / epsilon), sizes - wing_constant(w, epsilon)
    )
    assert loss.item() == pytest.approx(value.sum().item(), rel=1e-6)


def test_training_with_wing_stays_with_the_many_where_a_few_outliers_draw_the_mean_away():
    generator = torch.Generator().manual_seed(0)
    target = torch.randn(101, 1, generator=generator)
    target[:5] += 500.0
    guess = torch.full((1,), 30.0, requires_grad=True)
    optimizer = torch.optim.Adam([guess], lr=0.3)
    start = wing_loss(guess.expand_as(target), target).item()
    for _ in range(400):
        optimizer.zero_grad()
        wing_loss(guess.expand_as(target), target).backward()
        optimizer.step()
    assert wing_loss(guess.expand_as(target), target).item() < 0.7 * start
    assert abs(guess.item() - target.median().item()) < 0.5
    assert abs(target.mean().item()) > 10


@pytest.mark.parametrize(
    ("labels", "median"), [((0, 0, 0, 4, 5, 6, 7), 4), ((0, 0, 0, 5, 6, 8, 10), 5)]
)
def test_the_optimum_of_wing_need_not_be_the_median(labels, median):
    target = torch.tensor(labels, dtype=torch.float64)
    guesses = torch.arange(-200, 1201, dtype=torch.float64) / 100

    def best(loss, **options):
        losses = loss(guesses[:, None].expand(-1, 7), target.expand(1401, 7), **options)
        return guesses[losses.sum(1).argmin()].item(), losses.sum(1)

    assert target.median() == median
    assert best(smooth_l1_loss, beta=0.0, reduction="none")[0] == median
    optimum, losses = best(wing_loss, reduction="none")
    assert optimum == 0
    at = dict(zip(guesses.tolist(), losses.tolist(), strict=True))
    assert at[0] < at[median] - 0.5
    # Two labels with a higher loss between them: Wing is not convex.
    assert max(at[0], at[median]) < at[2]


@pytest.mark.own_errors
def test_hyperparameters_that_float32_cannot_hold_are_refused_in_float32_only():
    x = torch.tensor([0.0, 1.0, -3.0])
    for loss, module, options, named in (
        (wing_loss, WingLoss, {"w": 1e39}, "w"),
        (wing_loss, WingLoss, {"epsilon": 1e39}, "epsilon"),
        (wing_loss, WingLoss, {"epsilon": 1e-46}, "1 / epsilon"),
        (wing_loss, WingLoss, {"w": 1e-10, "epsilon": 1e-46}, "1 / epsilon"),
        (wing_loss, WingLoss, {"w": 1e20, "epsilon": 1e-20}, "w / epsilon"),
        (smooth_l1_loss, SmoothL1Loss, {"beta": 1e39}, "beta"),
    ):
        fix = f"^{named} must be at most .* of torch.float32, got .*compute in float64"
        for dtype in (torch.float32, torch.float16):
            with pytest.raises(ValueError, match=fix):
                loss(x.to(dtype), 0 * x.to(dtype), **options)
        with pytest.raises(ValueError, match=fix):
            module(**options)(x, 0 * x)
        wide = x.double().requires_grad_()
        value = loss(wide, 0 * wide.detach(), **options)
        assert value.isfinite()
        assert torch.autograd.grad(value, wide)[0].isfinite().all()


@pytest.mark.own_errors
@pytest.mark.parametrize("loss", [smooth_l1_loss, wing_loss])
def test_a_weight_on_another_device_is_named(loss):
    x = torch.ones(2, 3)
    with pytest.raises(ValueError, match="weight is on meta, input on cpu; move it with weight.to"):
        loss(x, x, weight=torch.ones(2, device="meta"))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("w", [10.0, 0.1, 3.7, 1e-30])
def test_wing_has_the_outer_slope_from_w_on(dtype, w):
    border = torch.tensor(w, dtype=dtype)
    below = torch.nextafter(border, torch.zeros_like(border))
    x = torch.stack([below, border, 2 * border]).requires_grad_()
    losses = wing_loss(x, torch.zeros_like(x), w=w, epsilon=2.0, reduction="none")
    (slope,) = torch.autograd.grad(losses.sum(), x)
    torch.testing.assert_close(slope, torch.tensor([w / (w + 2.0), 1.0, 1.0], dtype=dtype))
    torch.testing.assert_close(losses[2] - losses[1], border)
