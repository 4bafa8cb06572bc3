"""Windows of motion: which frames they hold, and in which units."""

from dataclasses import replace

import pytest
import torch

from lossbook.lab.motion.clips import load_face_mesh, load_talking_head
from lossbook.lab.motion.windows import (
    FIRST,
    FOLDS,
    FRAMES,
    Standard,
    angles,
    clip_windows,
    drive,
    encode,
    face,
    split_by_language,
    standard,
    talker_windows,
)
from lossbook.lab.run.devices import threads
from lossbook.motion import DITTO_PARTS

PLAIN = Standard(torch.zeros(265), torch.ones(265), torch.ones(2))


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    with threads(1):
        yield


@pytest.fixture(scope="module")
def talker():
    return load_talking_head()


def motion_of(heads, frames=slice(None)):
    return encode(heads.euler[frames], heads.scale[frames], heads.t[frames], heads.exp[frames])


def each_part(motion):
    return {name: motion[..., p.start : p.stop] for name, p in DITTO_PARTS.items()}


# Splits


def test_no_language_is_in_both_parts_and_each_is_held_out_once(heads):
    held_out = []
    for fold in range(FOLDS):
        train, test = split_by_language(heads, fold)
        assert sorted([*train.tolist(), *test.tolist()]) == list(range(len(heads.language)))
        learnt, tested = ({heads.language[clip] for clip in part} for part in (train, test))
        assert not learnt & tested
        assert len(tested) == 3
        held_out += tested
    assert sorted(held_out) == sorted(set(heads.language))


def test_a_split_depends_on_its_fold_alone(heads):
    torch.manual_seed(1)
    first = split_by_language(heads, 2)
    torch.manual_seed(2)
    assert all(map(torch.equal, first, split_by_language(heads, 2)))
    assert not torch.equal(first[1], split_by_language(heads, 3)[1])


# Windows of clips


@pytest.fixture(scope="module")
def counted(heads):
    """The scale of each frame is its number."""
    return replace(heads, scale=torch.arange(len(heads), dtype=torch.float32))


def numbers(windows):
    """The numbers of the frames of windows, and of the frames before them."""
    return windows.motion[..., 0].long(), windows.cond[:, 0].long()


def test_the_frames_of_a_window_follow_one_another_in_one_clip(counted, parts):
    windows = clip_windows(counted, parts[1], PLAIN)
    at, before = numbers(windows)
    assert at.shape == (len(windows.clip), FRAMES)
    assert (at.diff(dim=1) == 1).all()
    assert torch.equal(before, at[:, 0] - 1)
    assert (counted.clip[at] == windows.clip[:, None]).all()
    assert torch.equal(counted.clip[before], windows.clip)
    assert set(windows.clip.tolist()) <= set(parts[1].tolist())


def test_there_is_every_window_from_the_fourth_frame_of_a_clip_on(counted, parts):
    windows = clip_windows(counted, parts[1], PLAIN)
    first = numbers(windows)[0][:, 0]
    expected = []
    for clip in parts[1]:
        frames = (counted.clip == clip).nonzero().flatten().tolist()
        expected += frames[FIRST : max(0, len(frames) - FRAMES + 1)]
    assert FIRST == 3
    assert first.tolist() == expected
    short = [c for c in parts[1] if (counted.clip == c).sum() < FIRST + FRAMES]
    assert short, "there are clips too short for a window"
    assert not set(windows.clip.tolist()) & set(torch.stack(short).tolist())


def test_the_first_windows_alone_are_one_a_clip(counted, parts):
    every, first = (clip_windows(counted, parts[1], PLAIN, every=e) for e in (True, False))
    assert first.clip.tolist() == every.clip.unique().tolist()
    at = numbers(first)[0][:, 0]
    starts = torch.searchsorted(counted.clip, first.clip)
    assert torch.equal(at, starts + FIRST)


def test_windows_hold_the_standardised_motion_and_drive_of_their_frames(heads, parts, norm):
    windows = clip_windows(heads, parts[1][:9], norm, every=False)
    start = int(torch.searchsorted(heads.clip, windows.clip[-1])) + FIRST
    frames = slice(start, start + FRAMES)
    torch.testing.assert_close(
        windows.motion[-1], (motion_of(heads, frames) - norm.mean) / norm.size
    )
    torch.testing.assert_close(windows.drive[-1], drive(heads.exp[frames]) / norm.drive_size)
    torch.testing.assert_close(norm.undo(windows.cond[-1:]), motion_of(heads, [start - 1]))


# Units


def test_every_part_has_a_mean_square_of_one_where_it_was_trained_on(heads, parts, norm):
    chosen = torch.isin(heads.clip, parts[0])
    found = norm.apply(motion_of(heads, chosen)).double()
    torch.testing.assert_close(
        found.mean(0), torch.zeros(265, dtype=torch.float64), atol=1e-3, rtol=0
    )
    for name, part in each_part(found).items():
        assert part.square().mean().item() == pytest.approx(1, rel=1e-3), name
    signals = (drive(heads.exp[chosen]) / norm.drive_size).square().mean(0)
    torch.testing.assert_close(signals, torch.ones(2), rtol=1e-4, atol=0)


def test_the_dimensions_of_a_part_keep_their_sizes_to_one_another(heads, parts, norm):
    spread = motion_of(heads, torch.isin(heads.clip, parts[0])).std(0)
    for name, sizes in each_part(norm.size).items():
        assert len(sizes.unique()) == 1, name
    chin, brow = (spread[202 + 3 * point + 1] for point in (16, 1))
    scaled = spread / norm.size
    assert chin > 1.5 * brow, "there are sizes to keep"
    assert (scaled[202 + 3 * 16 + 1] / scaled[202 + 3 * 1 + 1]).item() == pytest.approx(
        (chin / brow).item()
    )


def test_what_is_held_out_does_not_enter_the_standard(heads, parts, norm):
    out = torch.isin(heads.clip, parts[1])
    moved = replace(heads, exp=heads.exp + 5.0 * out[:, None], scale=heads.scale + 1.0 * out)
    assert all(map(torch.equal, standard(moved, parts[0]), norm))
    assert not torch.equal(standard(moved, parts[1]).mean, standard(heads, parts[1]).mean)


def test_undo_is_the_inverse_of_apply(heads, norm):
    motion = motion_of(heads, slice(0, 300))
    again = norm.undo(norm.apply(motion))
    torch.testing.assert_close(again, motion, atol=1e-4, rtol=1e-5)
    assert not torch.allclose(norm.apply(motion), motion, atol=0.1)


def test_what_is_encoded_can_be_read_off(heads):
    motion = motion_of(heads)
    assert motion.shape == (len(heads), 265)
    torch.testing.assert_close(angles(motion), heads.euler, atol=1e-3, rtol=0)
    torch.testing.assert_close(face(motion), 10 * heads.exp)
    found = each_part(motion)
    assert torch.equal(found["scale"][:, 0], heads.scale)
    assert torch.equal(found["t"], heads.t)
    assert torch.equal(found["exp"], heads.exp)
    # Also of many windows at once.
    assert torch.equal(angles(motion[:40].view(2, 20, 265)).flatten(0, 1), angles(motion[:40]))


# The driving signal


def test_the_drive_is_the_gap_of_the_lips_and_the_width_of_the_mouth(heads):
    """By the numbers of MediaPipe's face, 13 is above 14, and 61 and 291 are the corners."""
    moves = {13: (0.0, 1.0), 14: (0.0, -1.0), 61: (-1.0, 0.0), 291: (1.0, 0.0)}
    for place, point in enumerate(heads.points):
        for axis in range(3):
            exp = torch.zeros(2, 21, 3)
            exp[1, place, axis] = 0.3
            by_x, by_y = moves.get(point, (0.0, 0.0))
            # A lip counts upwards, a corner sideways.
            expected = [0.3 * by_y * (axis == 1), 0.3 * by_x * (axis == 0)]
            found = drive(exp.flatten(1))
            assert found[0].tolist() == [0, 0]
            assert found[1].tolist() == pytest.approx(expected)


def test_the_face_of_the_mesh_opens_its_mouth_a_little(heads):
    points = load_face_mesh().vertices[list(heads.points)]
    gap, width = drive(points.reshape(1, 63))[0]
    assert 0.3 < gap < 1
    assert 4 < width < 7


# The talker


def test_the_windows_of_the_talker_follow_one_another(talker, norm):
    windows = talker_windows(talker, norm)
    assert windows.motion.shape == (5, 80, 265)
    assert windows.drive.shape == (5, 80, 2)
    assert windows.clip.tolist() == [0] * 5
    # The frame before a window is the last one of the window before.
    assert torch.equal(windows.cond[1:], windows.motion[:-1, -1])
    longer = talker_windows(talker, norm, frames=81)
    assert torch.equal(longer.motion[0, :-1], windows.motion[0])
    assert torch.equal(longer.motion[0, -1], windows.motion[1, 0])


def test_the_talker_turns_as_she_did_around_the_mean_of_the_signers(talker, norm):
    windows = talker_windows(talker, norm)
    motion = norm.undo(torch.cat([windows.cond[:1], windows.motion.flatten(0, 1)]))
    euler, scale = talker.euler[: len(motion)], talker.scale[: len(motion)]
    turned = angles(motion)
    torch.testing.assert_close(
        turned - turned[0], euler - euler[0], atol=5e-3, rtol=0, msg="she turns as she did"
    )
    shift = (turned - euler).mean(0)
    torch.testing.assert_close(talker.euler.mean(0) + shift, angles(norm.mean), atol=5e-3, rtol=0)
    found = each_part(motion)
    torch.testing.assert_close(found["scale"][:, 0], scale, atol=1e-4, rtol=0)
    torch.testing.assert_close(found["t"], talker.t[: len(motion)], atol=1e-3, rtol=0)


def test_the_face_of_the_talker_is_not_known(talker, norm):
    windows = talker_windows(talker, norm)
    for motion in (windows.motion, windows.cond):
        assert not each_part(motion)["exp"].any()
        assert each_part(motion)["yaw"].any()


def test_the_drive_of_the_talker_rises_as_her_jaw_opens_and_she_smiles(talker, norm):
    total = len(talker)
    flat = torch.full_like(talker.blendshapes, 0.5)
    for name, column in (("jawOpen", 0), ("mouthSmileLeft", 1), ("mouthStretchRight", 1)):
        shapes = flat.clone()
        shapes[:, talker.names.index(name)] = torch.linspace(0, 1, total)
        shapes[:, talker.names.index("mouthPucker" if column == 0 else "jawOpen")] = torch.linspace(
            0, 1, total
        ).flip(0)
        signals = talker_windows(replace(talker, blendshapes=shapes), norm).drive.flatten(0, 1)
        assert (signals[:, column].diff() > 0).all(), name
    signals = talker_windows(talker, norm).drive.flatten(0, 1)
    torch.testing.assert_close(signals.square().mean(0), torch.ones(2), atol=0.15, rtol=0)
