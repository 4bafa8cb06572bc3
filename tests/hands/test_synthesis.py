import math

import pytest
import roma
import torch

from lossbook.lab.hands import synthesis
from lossbook.lab.hands.clips import load_hands
from lossbook.lab.hands.crops import to_crop
from lossbook.lab.hands.kinematics import ABDUCTION_LIMIT, FLEXION_LIMITS, TIPS, Hand, finger_pose
from lossbook.lab.hands.synthesis import OCCLUDED, detect, synthetic


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
    flexion, abduction = synthesis._joint_angles(5000, torch.Generator().manual_seed(0))
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
    torch.testing.assert_close(
        made.pose[:, 3:], finger_pose(*synthesis._joint_angles(50, generator))
    )
    torch.testing.assert_close(made.pose[:, :3], synthesis._orientation(50, generator))


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
