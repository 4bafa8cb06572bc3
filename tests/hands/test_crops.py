import pytest
import torch

from lossbook.lab.hands.crops import to_crop


def test_a_crop_fits_the_longer_side_of_the_hand(generator):
    points = torch.randn(5, 21, 2, generator=generator) * torch.tensor([30.0, 90.0]) + 200
    crops = to_crop(points)
    torch.testing.assert_close(crops.amax(1)[:, 1], torch.full((5,), 0.4))
    torch.testing.assert_close(crops.amin(1), -crops.amax(1), atol=1e-5, rtol=0)
    # Nothing but shift and scale: y still points down.
    torch.testing.assert_close(to_crop(3 * points - 70), crops, atol=1e-5, rtol=0)
    assert torch.equal(crops[:, :, 1].argmax(1), points[:, :, 1].argmax(1))
    assert to_crop(points, factor=2.0).amax().item() == pytest.approx(0.25)


def test_jittered_crops_stay_inside_and_differ(generator):
    points = torch.rand(3000, 21, 2, generator=generator)
    crops = to_crop(points, generator=generator)
    assert crops.abs().max() <= 0.5
    assert crops.abs().max() > 0.47
    side = (crops.amax(1) - crops.amin(1)).amax(1)
    assert 0.72 < side.min() < 0.74
    assert 0.87 < side.max() < 0.89
    middle = (crops.amax(1) + crops.amin(1)) / 2
    assert middle.abs().max().item() == pytest.approx(0.05, abs=1e-3)
    with pytest.raises(ValueError, match="factor"):
        to_crop(points, factor=0.0)


def test_a_point_for_a_hand_does_not_give_nan():
    assert torch.equal(to_crop(torch.ones(1, 21, 2)), torch.zeros(1, 21, 2))
