import math

import numpy as np
import pytest
import roma
import torch

from lossbook.lab.hands import data
from lossbook.lab.hands.data import (
    OCCLUDED,
    Hands,
    detect,
    load_hands,
    prepare,
    split_by_clip,
    synthetic,
    to_crop,
)
from lossbook.lab.hands.kinematics import (
    ABDUCTION_LIMIT,
    BONES,
    FLEXION_LIMITS,
    TIPS,
    Hand,
    finger_pose,
)


@pytest.fixture(scope="module")
def hands():
    return load_hands()


@pytest.fixture(scope="module")
def made():
    return synthetic(4000, torch.Generator().manual_seed(0), Hand())


def view(keypoints):
    """Turn to the right of upright in degrees, and whether the back of the hand is seen."""
    index, middle, pinky = (keypoints[:, k] - keypoints[:, 0] for k in (5, 9, 17))
    turn = torch.rad2deg(torch.atan2(middle[:, 0], -middle[:, 1]))
    return turn, index[:, 0] * pinky[:, 1] - index[:, 1] * pinky[:, 0] > 0


# Crops


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


# Real hands


def test_the_hands_are_complete_and_typed(hands):
    assert len(hands) == len(hands.language) == len(hands.letter) == 6643
    assert hands.keypoints.shape == (6643, 21, 2)
    assert hands.keypoints.dtype == torch.float32
    assert len(hands.clip.unique()) == 553
    assert len(set(hands.language)) == 18
    by_clip = {}
    for clip, language, letter in zip(
        hands.clip.tolist(), hands.language, hands.letter, strict=True
    ):
        assert by_clip.setdefault(clip, (language, letter)) == (language, letter)
    assert data._FILE.stat().st_size < 700_000


def test_the_hands_fill_their_crops(hands):
    size = hands.keypoints.amax(1) - hands.keypoints.amin(1)
    torch.testing.assert_close(size.amax(1), torch.full((6643,), 0.8), atol=1e-3, rtol=0)


def test_they_are_right_hands_in_keypoint_order(hands):
    """Upright palms have their thumb to the right; fingers are in the order of the table."""
    turn, back = view(hands.keypoints)
    palms = hands.keypoints[(turn.abs() < 30) & ~back].mean(0)
    assert palms[4, 0] > palms[5, 0] > palms[9, 0] > palms[13, 0] > palms[17, 0]
    parents, children = zip(*BONES, strict=True)
    bones = (hands.keypoints[:, children] - hands.keypoints[:, parents]).norm(dim=-1)
    longest = bones.quantile(0.95, dim=0).view(5, 4)
    assert (longest[1:, 0] > longest[1:, 1]).all()
    assert (longest[1:, 1] > longest[1:, 2:].amax(1)).all()


def write(path, **changes):
    arrays = {
        "keypoints": np.zeros((4, 21, 2), np.float16),
        "clip": np.array([1, 1, 2, 5], np.int16),
        "language": np.array(["gsg"] * 4),
        "letter": np.array(list("AABC")),
    } | changes
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})
    return path


def test_a_file_of_hands_is_read(tmp_path):
    found = load_hands(write(tmp_path / "hands.npz"))
    assert found.clip.tolist() == [1, 1, 2, 5]
    assert found.clip.dtype == torch.int64
    assert found.letter == ("A", "A", "B", "C")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"clip": None}, "expected the arrays"),
        ({"more": np.zeros(3)}, "expected the arrays"),
        (
            {"keypoints": np.zeros((4, 20, 2), np.float16)},
            r"keypoints must be float16 of shape \(4",
        ),
        ({"keypoints": np.zeros((4, 21, 2))}, "found float64"),
        ({"language": np.array(["gsg"] * 3)}, r"language must be text of shape \(4,\)"),
        ({"letter": np.zeros(4, np.int16)}, "letter must be text"),
        ({"clip": np.array([1, 1, 5, 2], np.int16)}, "sorted by clip"),
        ({"keypoints": np.full((4, 21, 2), np.nan, np.float16)}, "4 hands .* first is hand 0"),
    ],
)
def test_other_files_are_refused(changes, message, tmp_path):
    with pytest.raises(ValueError, match=rf"hands\.npz: .*{message}"):
        load_hands(write(tmp_path / "hands.npz", **changes))


def test_a_hand_outside_of_its_crop_is_named(tmp_path):
    keypoints = np.zeros((4, 21, 2), np.float16)
    keypoints[2, 3, 1] = -0.6
    with pytest.raises(ValueError, match="1 hands .* first is hand 2"):
        load_hands(write(tmp_path / "hands.npz", keypoints=keypoints))


# Splits


def test_no_clip_is_in_both_parts_and_each_hand_is_tested_once(hands):
    tested = []
    for fold in range(5):
        train, test = split_by_clip(hands, fold)
        assert not set(hands.clip[train].tolist()) & set(hands.clip[test].tolist())
        assert len(train) + len(test) == len(hands)
        assert 1100 < len(test) < 1550
        tested += test.tolist()
    assert sorted(tested) == list(range(len(hands)))


def test_a_split_depends_on_its_seed_alone(hands):
    torch.manual_seed(1)
    first = split_by_clip(hands, 2)
    torch.manual_seed(2)
    assert all(map(torch.equal, first, split_by_clip(hands, 2)))
    assert not torch.equal(first[1], split_by_clip(hands, 2, seed=1)[1])


@pytest.mark.parametrize(("fold", "folds"), [(5, 5), (-1, 5), (0, 1), (0, 4)])
def test_splits_that_do_not_exist_are_refused(fold, folds):
    three = Hands(torch.zeros(3, 21, 2), torch.arange(3), ("a",) * 3, ("A",) * 3)
    with pytest.raises(ValueError, match="fold"):
        split_by_clip(three, fold, folds=folds)


# How the file was made


def clips(*lengths, size=100.0):
    """Clips of one good open hand that moves about, in pixels."""
    count = sum(lengths)
    hand = to_crop(Hand()(torch.zeros(1, 48), torch.zeros(1, 10))[..., :2]).numpy()
    shift = np.random.default_rng(0).random((count, 1, 2)) * 200
    points = hand * size / 0.8 + shift
    clip = np.repeat(np.arange(len(lengths)), lengths)
    return points, clip, np.array(["gsg"] * count), np.array(["A"] * count)


def test_every_second_good_frame_is_kept():
    points, clip, language, letter = clips(20, 21)
    arrays, left_out = prepare(points, clip, language, letter)
    assert left_out == {"clip": 0, "size": 0, "bone": 0, "jump": 0}
    assert arrays["clip"].tolist() == clip[::2].tolist()
    assert arrays["keypoints"].dtype == np.float16
    expected = to_crop(torch.from_numpy(points[::2].astype(np.float32)))
    np.testing.assert_allclose(arrays["keypoints"], expected, atol=3e-4)


def test_frames_that_cannot_be_hands_are_left_out_for_the_first_reason():
    points, clip, language, letter = clips(30, 30, 20)
    points[3] *= 1.7
    points[7] = points[7].mean(0) + 0.4 * (points[7] - points[7].mean(0))
    # The index finger's last bone points back and is twice as long; the box keeps its size.
    points[15, 8] = 3 * points[15, 7] - 2 * points[15, 8]
    points[22] = points[22, :, ::-1].copy()
    # Three frames of the last clip, more than a tenth, are too large.
    points[[60, 65, 70]] *= 9.0
    arrays, left_out = prepare(points, clip, language, letter)
    assert left_out == {"clip": 20, "size": 2, "bone": 1, "jump": 1}
    assert len(arrays["clip"]) == 28
    assert 2 not in arrays["clip"]


def test_a_change_that_stays_is_no_jump():
    points, clip, language, letter = clips(20)
    points[10:] = points[10:, :, ::-1]
    assert prepare(points, clip, language, letter)[1]["jump"] == 0


def test_a_single_frame_is_kept():
    assert prepare(*clips(1))[1] == {"clip": 0, "size": 0, "bone": 0, "jump": 0}


def test_the_command_writes_what_is_loaded(tmp_path, capsys):
    points, clip, language, letter = clips(20, 20)
    xyz = np.concatenate([points, 99 * np.ones_like(points[..., :1])], 2).astype(np.float16)
    np.savez(tmp_path / "raw.npz", xyz=xyz, clip=clip, language=language, letter=letter)
    data.main([str(tmp_path / "raw.npz"), "--out", str(tmp_path / "made.npz")])
    assert "40 frames" in capsys.readouterr().out
    assert len(load_hands(tmp_path / "made.npz")) == 20


# Synthetic hands


def test_synthetic_hands_fit_together(made):
    hand = Hand()
    torch.testing.assert_close(hand(made.pose, made.shape), made.joints)
    # Keypoints are x and y of the joints, but for shift and scale.
    torch.testing.assert_close(
        to_crop(made.joints[..., :2]), to_crop(made.keypoints), atol=1e-4, rtol=0
    )
    assert made.keypoints.abs().max() <= 0.5
    assert made.shape.mean().abs() < 0.03
    assert made.shape.std().item() == pytest.approx(1, abs=0.03)


def test_joints_stay_within_their_limits():
    flexion, abduction = data._joint_angles(5000, torch.Generator().manual_seed(0))
    limits = torch.deg2rad(torch.tensor(FLEXION_LIMITS))
    assert (flexion >= limits[..., 0] - 1e-6).all()
    assert (flexion <= limits[..., 1] + 1e-6).all()
    assert (abduction.abs() <= torch.deg2rad(torch.tensor(ABDUCTION_LIMIT)) + 1e-6).all()
    # The whole range is used, by every finger.
    span = (flexion.amax(0) - flexion.amin(0)) / (limits[..., 1] - limits[..., 0])
    assert span.min() > 0.95
    bent = (flexion[..., 1] > math.radians(50)).float()
    assert 0.15 < (bent[:, 1:].sum(1) == 4).float().mean() < 0.45
    assert 0.15 < (bent[:, 1:].sum(1) == 0).float().mean() < 0.45


def test_pose_is_orientation_then_finger_pose():
    generator = torch.Generator().manual_seed(3)
    made = synthetic(50, generator, Hand())
    generator.manual_seed(3)
    torch.testing.assert_close(made.pose[:, 3:], finger_pose(*data._joint_angles(50, generator)))
    torch.testing.assert_close(made.pose[:, :3], data._orientation(50, generator))


def test_the_views_are_roughly_those_of_the_real_hands(hands, made):
    (real_turn, real_back), (turn, back) = view(hands.keypoints), view(made.keypoints)
    assert abs(real_back.float().mean() - back.float().mean()) < 0.08
    quantiles = torch.tensor([0.05, 0.25, 0.5, 0.75, 0.95])
    assert (real_turn.quantile(quantiles) - turn.quantile(quantiles)).abs().max() < 20


def test_hands_that_show_their_back_have_similar_rotation_vectors(made):
    """Taken at their shortest, about half of these vectors would point the other way."""
    turn, back = view(made.keypoints)
    vectors = made.pose[back & (turn.abs() < 60), :3]
    assert (vectors[:, 1] > 0).float().mean() > 0.97
    shortest = roma.rotmat_to_rotvec(roma.rotvec_to_rotmat(vectors))
    assert 0.2 < (shortest[:, 1] < 0).float().mean() < 0.8
    assert made.pose[:, :3].norm(dim=1).max() < 2 * math.pi + 1e-4


def test_synthetic_hands_depend_on_the_generator_alone():
    one, two, other = (
        synthetic(5, torch.Generator().manual_seed(seed), Hand()) for seed in (1, 1, 2)
    )
    assert all(torch.equal(value, getattr(two, name)) for name, value in vars(one).items())
    assert not torch.equal(one.pose, other.pose)


# The detector


def test_confidence_tells_occluded_points_from_seen_ones(made, generator):
    confidence = detect(made.keypoints, generator)[..., 2]
    occluded = confidence < OCCLUDED
    assert confidence[occluded].min() >= 0.03
    assert confidence[occluded].max() <= 0.07
    assert confidence[~occluded].min() >= 0.5
    assert confidence[~occluded].max() <= 1
    assert occluded.float().mean().item() == pytest.approx(0.274, abs=0.01)
    assert not occluded[:, 0].any()
    # Fingers are occluded as a whole, or only their tip is.
    fingers = occluded[:, 1:].view(-1, 5, 4)
    assert torch.equal(fingers[..., 0], fingers[..., 1])
    assert torch.equal(fingers[..., 0], fingers[..., 2])
    assert (fingers[..., 3] >= fingers[..., 0]).all()
    assert fingers[..., 0].float().mean().item() == pytest.approx(0.25, abs=0.01)
    assert occluded[:, TIPS].float().mean().item() == pytest.approx(0.4, abs=0.01)


def test_noise_is_laplace_of_the_scale_that_confidence_says(generator):
    middle = torch.full((4000, 21, 2), 0.1)
    found = detect(middle, generator, noise=0.01, finger=0.0, tip=0.0)
    scaled = (found[..., :2] - middle) * found[..., 2:] / 0.01
    # A Laplace distribution of scale 1 has mean 0, E|x| = 1 and E x^2 = 2.
    assert scaled.mean().abs() < 0.02
    assert scaled.abs().mean().item() == pytest.approx(1, abs=0.02)
    assert scaled.square().mean().item() == pytest.approx(2, abs=0.08)
    assert scaled.abs().median().item() == pytest.approx(math.log(2), abs=0.02)


def test_occluded_points_are_drawn_towards_the_palm(made, generator):
    found = detect(made.keypoints, generator, noise=0.0, finger=1.0)
    torch.testing.assert_close(found[:, 0, :2], made.keypoints[:, 0])
    palm = made.keypoints[:, (0, 5, 9, 13, 17)].mean(1, keepdim=True)
    away = (made.keypoints - palm)[:, list(TIPS)]
    left = (found[..., :2] - palm)[:, list(TIPS)]
    fraction = (left * away).sum(-1) / away.square().sum(-1)
    torch.testing.assert_close(left, fraction[..., None] * away, atol=1e-5, rtol=0)
    assert fraction.min().item() == pytest.approx(0.2, abs=0.01)
    assert fraction.max().item() == pytest.approx(0.8, abs=0.01)


def test_without_noise_or_occlusion_the_detector_is_perfect(made, generator):
    found = detect(made.keypoints, generator, noise=0.0, finger=0.0, tip=0.0)
    assert torch.equal(found[..., :2], made.keypoints)


def test_detections_stay_within_the_crop(made, generator):
    found = detect(made.keypoints, generator)
    assert found[..., :2].abs().max() == 0.5
    occluded = found[..., 2] < OCCLUDED
    at_edge = found[..., :2].abs().amax(-1) == 0.5
    assert 0.05 < at_edge[occluded].float().mean() < 0.35
    assert at_edge[~occluded].float().mean() < 0.01


def test_two_detections_are_independent(made, generator):
    one, two = (detect(made.keypoints, generator) for _ in range(2))
    assert not torch.equal(one, two)
    agree = ((one[..., 2] < OCCLUDED) & (two[..., 2] < OCCLUDED)).float().mean()
    assert agree.item() == pytest.approx(0.274**2, abs=0.03)


@pytest.mark.parametrize("options", [{"noise": -1.0}, {"finger": 1.5}, {"tip": -0.1}])
def test_impossible_detectors_are_refused(options, generator):
    with pytest.raises(ValueError, match=r"noise|finger|tip"):
        detect(torch.zeros(1, 21, 2), generator, **options)
