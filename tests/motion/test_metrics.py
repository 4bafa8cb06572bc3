import math

import pytest
import torch

import lossbook
from lossbook.motion import motion_metrics


def wave(frames, cycles, dims=2, amplitude=1.0):
    t = torch.arange(frames, dtype=torch.float64)
    return (amplitude * torch.cos(2 * math.pi * cycles * t / frames))[None, :, None].expand(
        1, frames, dims
    )


def clips(batch=3, frames=9, dims=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(2, batch, frames, dims, generator=generator, dtype=torch.float64)


def test_position_error_is_the_root_mean_square():
    values, target = clips()
    found = motion_metrics(values, target)
    torch.testing.assert_close(found.position_error, (values - target).square().mean((1, 2)).sqrt())
    assert motion_metrics(target + 3, target).position_error.tolist() == pytest.approx([3.0] * 3)


def test_jitter_is_the_mean_jerk():
    t = torch.arange(10, dtype=torch.float64)
    for motion, jerk in ((t**3, 6), (t**2, 0), (-2 * t**3 + t, 12), ((-1) ** t, 8)):
        values = motion[None, :, None].expand(1, 10, 2)
        found = motion_metrics(values, torch.zeros_like(values), fps=2.0)
        assert found.jitter.item() == pytest.approx(8 * jerk)
        assert found.jitter_target.item() == 0
        assert motion_metrics(0 * values, values).jitter_target.item() == pytest.approx(jerk)


def test_an_offset_does_not_jitter_and_noise_does():
    target = wave(40, 1)
    offset = motion_metrics(target + 0.5, target)
    trembling = motion_metrics(target + 0.5 * (-1.0) ** torch.arange(40)[:, None], target)
    torch.testing.assert_close(offset.position_error, trembling.position_error)
    assert offset.jitter.item() == pytest.approx(offset.jitter_target.item())
    assert trembling.jitter.item() > 100 * offset.jitter.item()


def test_the_jump_is_the_step_from_the_frame_before_the_clip():
    values, target = clips()
    frame = target[:, 0] + 2.0
    found = motion_metrics(values, target, cond_frame=frame)
    expected = (values[:, 0] - frame).square().mean(1).sqrt()
    torch.testing.assert_close(found.first_frame_jump, expected)
    assert found.first_frame_jump_target.tolist() == pytest.approx([2.0] * 3)
    without = motion_metrics(values, target)
    assert without.first_frame_jump is None
    assert without.first_frame_jump_target is None


@pytest.mark.parametrize("frames", [1, 2, 7, 8, 80])
def test_the_spectrum_adds_up_to_the_squared_error(frames):
    values, target = clips(frames=frames)
    found = motion_metrics(values, target)
    assert found.frequencies.shape == (frames // 2 + 1,)
    torch.testing.assert_close(found.spectrum.sum(1), found.position_error.square())


@pytest.mark.parametrize("cycles", [0, 1, 5, 10])
def test_a_wave_stands_at_its_frequency(cycles):
    error = wave(20, cycles, amplitude=0.5)
    found = motion_metrics(error, torch.zeros_like(error), fps=25.0)
    power = error.square().mean().item()
    assert found.frequencies[cycles].item() == pytest.approx(cycles * 25 / 20)
    assert found.spectrum[0, cycles].item() == pytest.approx(power)
    rest = [p for k, p in enumerate(found.spectrum[0].tolist()) if k != cycles]
    assert rest == pytest.approx([0] * 10, abs=1e-12)


def test_padding_at_the_end_is_the_shorter_clip():
    values, target = clips(frames=6)
    frame = target[:, 0] + 1
    alone = motion_metrics(values, target, cond_frame=frame)
    padding = torch.full((3, 6, 4), torch.nan, dtype=torch.float64)
    padded = [torch.cat([motion, padding], 1) for motion in (values, target)]
    for weight in ((torch.arange(12) < 6)[None], (torch.arange(12) < 6).float().expand(3, -1)):
        found = motion_metrics(*padded, cond_frame=frame, weight=weight)
        for name in ("position_error", "jitter", "jitter_target", "first_frame_jump"):
            torch.testing.assert_close(getattr(found, name), getattr(alone, name))
        # Twice as fine a grid of frequencies, half the power at each.
        torch.testing.assert_close(found.spectrum[:, 2:-1:2], alone.spectrum[:, 1:-1] / 2)
        torch.testing.assert_close(found.spectrum.sum(1), found.position_error.square())


def test_a_jerk_with_a_masked_frame_does_not_count():
    values, target = clips(batch=1, frames=9)
    seen = torch.ones(1, 9, dtype=torch.bool)
    seen[0, 4] = False
    values[0, 4] = torch.nan
    found = motion_metrics(values, target, weight=seen)
    parts = [values[:, :4], values[:, 5:]]
    jerks = torch.cat([part.diff(n=3, dim=1).abs().flatten() for part in parts])
    assert found.jitter.item() == pytest.approx(jerks.mean().item())


def test_what_cannot_be_measured_is_nan():
    values, target = clips(frames=3)
    found = motion_metrics(values, target)
    assert found.jitter.isnan().all()
    assert found.position_error.isfinite().all()
    values, target = clips()
    seen = torch.ones(3, 9, dtype=torch.bool)
    seen[1], seen[2, 0] = False, False
    found = motion_metrics(values, target, cond_frame=target[:, 0], weight=seen)
    assert found.position_error.isnan().tolist() == [False, True, False]
    assert found.first_frame_jump.isnan().tolist() == [False, True, True]
    assert found.jitter.isnan().tolist() == [False, True, False]
    assert found.spectrum.isnan().any(1).tolist() == [False, True, False]


def test_half_precision_is_measured_in_float32():
    values, target = clips()
    found = motion_metrics(values.half(), target.half(), cond_frame=target[:, 0].half())
    exact = motion_metrics(values.half().double(), target.half().double())
    for name in ("position_error", "jitter", "spectrum"):
        assert getattr(found, name).dtype == torch.float32
        torch.testing.assert_close(
            getattr(found, name).double(), getattr(exact, name), rtol=1e-5, atol=1e-5
        )


def test_sizes_that_no_square_could_hold():
    values = torch.full((1, 8, 2), 1e30)
    assert motion_metrics(values, -values).position_error.item() == pytest.approx(2e30)


@pytest.mark.own_errors
def test_bad_inputs_say_what_is_wrong():
    values, target = clips()
    for arguments, options, error, message in (
        ((values[0], target[0]), {}, ValueError, r"\(B, T, D\).*pass input\[None\]"),
        ((values, target[:, :-1]), {}, ValueError, "same shape"),
        ((values, target.float()), {}, TypeError, "float64"),
        ((values, target), {"fps": 0}, ValueError, "fps must be finite and greater than 0"),
        ((values, target), {"fps": "25"}, TypeError, "fps must be a Python number"),
        ((values, target), {"cond_frame": target}, ValueError, r"here \(3, 4\), got \(3, 9, 4\)"),
        ((values, target), {"weight": torch.ones(9)}, ValueError, "weight must have the shape"),
        ((values, target), {"weight": torch.ones(3, 9, 4)}, ValueError, "one value a point"),
    ):
        with pytest.raises(error, match=message):
            motion_metrics(*arguments, **options)
    with lossbook.check_values(), pytest.raises(ValueError, match="input holds"):
        motion_metrics(values / 0, target)


def test_no_clip_has_no_score():
    found = motion_metrics(
        torch.zeros(0, 20, 5), torch.zeros(0, 20, 5), cond_frame=torch.zeros(0, 5)
    )
    assert found.spectrum.shape == (0, 11)
    assert found.position_error.shape == found.jitter.shape == found.first_frame_jump.shape == (0,)
