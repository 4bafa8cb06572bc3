"""Angles as 66 logits and back."""

import pytest
import torch
import torch.nn.functional as F

from lossbook.lab.motion.bins import BINS, centres, sensitivity, to_degrees, to_logits


@pytest.fixture
def angles():
    return torch.linspace(-60, 60, 481, dtype=torch.float64)


def test_the_centres_are_those_of_liveportrait(generator):
    """Its code reads an angle off as ``(softmax(pred) * arange(66)).sum(1) * 3 - 97.5``."""
    assert centres().tolist() == [-97.5 + 3 * k for k in range(66)]
    logits = 3 * torch.randn(50, BINS, generator=generator, dtype=torch.float64)
    theirs = (logits.softmax(1) * torch.arange(66)).sum(1) * 3 - 97.5
    torch.testing.assert_close(to_degrees(logits), theirs)


def test_an_angle_comes_back_from_its_logits(angles):
    off = (to_degrees(to_logits(angles)) - angles).abs()
    assert off.max() < 2e-3
    assert off[angles.abs() <= 57].max() < 1e-3
    # Around the middle hardly anything of the density is cut off.
    assert off[angles.abs() <= 30].max() < 1e-8


def test_beyond_sixty_degrees_an_angle_is_pulled_back():
    angles = torch.tensor([-90.0, 70, 90], dtype=torch.float64)
    pulled = angles.abs() - to_degrees(to_logits(angles)).abs()
    assert (pulled > 0.01).all()
    assert pulled[0] == pytest.approx(pulled[2].item())
    assert pulled[2] > 2


@pytest.mark.parametrize("width", [4.0, 10.0, 15.0])
def test_many_logits_say_the_same_angle(width):
    angles = torch.linspace(-30, 30, 61, dtype=torch.float64)
    logits = to_logits(angles, width=width)
    torch.testing.assert_close(to_degrees(logits), angles, atol=1e-2, rtol=0)
    spread = (logits.softmax(-1) @ centres(angles).square() - angles.square()).sqrt()
    torch.testing.assert_close(spread, torch.full_like(spread, width), atol=0.02 * width, rtol=0)


def test_the_logits_are_those_of_a_normal_density_and_their_mean_is_zero(angles):
    logits = to_logits(angles)
    density = torch.distributions.Normal(angles[:, None], 10.0).log_prob(centres(angles))
    torch.testing.assert_close(
        logits.diff(dim=1), density.diff(dim=1), msg="up to a constant they are the same"
    )
    torch.testing.assert_close(logits.mean(1), torch.zeros_like(angles), atol=1e-12, rtol=0)


def test_a_constant_in_all_logits_changes_no_angle_and_costs(angles):
    logits = to_logits(angles)
    torch.testing.assert_close(to_degrees(logits + 4), to_degrees(logits))
    assert F.mse_loss(logits + 4, logits).item() == pytest.approx(16)


def test_the_sensitivity_is_the_gradient_of_the_angle(generator):
    logits = 2 * torch.randn(7, 3, BINS, generator=generator, dtype=torch.float64)
    logits.requires_grad_()
    (gradient,) = torch.autograd.grad(to_degrees(logits).sum(), logits)
    torch.testing.assert_close(sensitivity(logits.detach()), gradient)
    assert gradient.abs().max() > 1
    torch.testing.assert_close(
        gradient.sum(-1), torch.zeros(7, 3, dtype=torch.float64), atol=1e-10, rtol=0
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_dtype_and_shape_are_those_of_the_angles(dtype):
    angles = torch.tensor([[10.0, -20.0, 30.0]], dtype=dtype)
    logits = to_logits(angles)
    assert logits.shape == sensitivity(logits).shape == (1, 3, BINS)
    assert to_degrees(logits).shape == (1, 3)
    kinds = (centres(angles), logits, to_degrees(logits), sensitivity(logits))
    assert {found.dtype for found in kinds} == {dtype}
