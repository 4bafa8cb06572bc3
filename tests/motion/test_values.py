"""What ``check_values`` says of motions that are hardly meant, and of which it says nothing."""

import warnings

import pytest
import torch

import lossbook
from lossbook.motion import DITTO_PARTS, MotionLoss, Part, Parts, pva_loss

pytestmark = pytest.mark.own_errors


def moving(batch=4, frames=20, dims=265, seed=0):
    """Smooth motion: each frame keeps nine tenths of the one before."""
    generator = torch.Generator().manual_seed(seed)
    motion = torch.randn(batch, frames, dims, generator=generator)
    for t in range(1, frames):
        motion[:, t] = 0.9 * motion[:, t - 1] + 0.19**0.5 * motion[:, t]
    return motion


def said(target, **options):
    """The warnings about this target."""
    with lossbook.check_values(), warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        pva_loss(torch.zeros_like(target), target, **options)
    return [str(warning.message) for warning in found]


def test_nothing_is_said_of_standardised_motion_in_order():
    motion = moving()
    for target in (motion, 100 * motion, motion + 50, motion[:, :3], motion[:1], motion[:0]):
        assert not said(target)
    assert not said(torch.zeros_like(motion))
    assert not said(motion.half())
    assert not said(motion.double() * 1e200)


def test_shuffled_frames_are_noticed():
    motion = moving()
    order = torch.randperm(20, generator=torch.Generator().manual_seed(0))
    (message,) = said(motion[:, order])
    assert "are the frames shuffled" in message
    assert "2 is chance" in message


def test_clips_with_time_first_are_noticed():
    motion = moving(batch=32, frames=16)
    (message,) = said(motion.transpose(0, 1))
    assert "it may be noise, or" in message
    assert "(T, B, D)? If so, sort them, or pass target.transpose(0, 1)" in message


def test_padding_is_no_reason_to_call_frames_shuffled():
    motion = moving()
    seen = torch.ones(4, 20, dtype=torch.bool)
    seen[:, 12:] = False
    motion[:, 12::2] = 9.0
    assert said(motion)
    assert not said(motion, weight=seen)


LENGTHS = torch.tensor([20, 14, 9, 20])
FRAMES = torch.arange(20) < LENGTHS[:, None]


@pytest.mark.parametrize("form", ["bool", "float", "column", "full"])
def test_a_mask_of_padding_for_one_of_frames_is_noticed(form):
    forms = {
        "bool": lambda mask: mask,
        "float": lambda mask: mask.float(),
        "column": lambda mask: mask[..., None],
        "full": lambda mask: mask[..., None].expand(-1, -1, 265),
    }
    (message,) = said(moving(), weight=forms[form](~FRAMES))
    assert message.startswith(
        "weight counts the end of clips and no beginning, as a mask of padding"
    )
    assert "pass ~weight" in message
    assert not said(moving(), weight=forms[form](FRAMES))


def test_padding_in_front_holes_and_weights_of_clips_are_no_inverted_mask():
    in_front = FRAMES.flip(1)
    holes = FRAMES.clone()
    holes[:, 0] = False
    weights = (in_front, holes, torch.tensor([True, False, True, True]), FRAMES[1:2], FRAMES[:, :1])
    for weight in weights:
        assert not said(moving(), weight=weight)


def test_of_an_inverted_mask_of_full_clips_nothing_counts():
    (message,) = said(moving(), weight=torch.zeros(4, 20, dtype=torch.bool))
    assert "a mask is True where something counts, of padding pass ~weight" in message
    (message,) = said(moving(), weight=torch.zeros(4, 20))
    assert message.endswith("trains nothing")


def test_angles_in_degrees_beside_standardised_values_are_noticed():
    motion = moving()
    motion[..., 1:67] *= 1500
    (message,) = said(motion)
    assert "in the part 'pitch'" in message
    assert "are angles in degrees?" in message
    # With a weight that makes up for it, nothing is wrong.
    parts = Parts({**DITTO_PARTS, "pitch": Part(1, 67, 1500.0**-2)})
    assert not said(motion, parts=parts)
    weights = torch.ones(265)
    weights[1:67] = 1500.0**-2
    assert not said(motion, dim_weights=weights)
    assert not said(motion, parts=Parts({**DITTO_PARTS, "pitch": Part(1, 67, 0.0)}))


def test_a_dimension_that_drowns_its_part_is_noticed():
    motion = moving()
    motion[..., 210] *= 1000
    (message,) = said(motion)
    assert "in the part 'exp' dimension 210 of target spreads" in message
    # A constant is no small dimension.
    motion = moving()
    motion[..., 205:240] = 7.0
    assert not said(motion)


def test_the_total_looks_at_its_target_too():
    motion = moving()
    with lossbook.check_values(), pytest.warns(UserWarning, match="degrees"):
        MotionLoss()(motion, motion * torch.where(torch.arange(265) < 1, 1e4, 1), motion[:, 0])
