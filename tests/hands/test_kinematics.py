import math

import pytest
import torch

from lossbook.lab.hands.kinematics import (
    ABDUCTION_LIMIT,
    BONES,
    FINGERS,
    FLEXION_LIMITS,
    REST,
    SHAPE,
    TIPS,
    Hand,
    finger_pose,
)


@pytest.fixture
def hand():
    return Hand().double()


def zeros(batch=1):
    return torch.zeros(batch, 48).double(), torch.zeros(batch, 10).double()


def lengths(joints):
    parents, children = zip(*BONES, strict=True)
    return (joints[..., children, :] - joints[..., parents, :]).norm(dim=-1)


def close(a, b):
    torch.testing.assert_close(a, b, atol=1e-6, rtol=0)


# The table


def test_the_edges_form_a_tree_in_keypoint_order():
    assert [child for _, child in BONES] == list(range(1, 21))
    assert all(parent < child for parent, child in BONES)
    assert [parent for parent, child in BONES if parent == 0] == [0] * 5
    assert TIPS == (4, 8, 12, 16, 20)
    assert [k for chain in FINGERS.values() for k in chain] == list(range(1, 21))


def test_pose_zero_is_an_open_right_hand_of_an_adult_palm_to_the_viewer(hand):
    joints = hand(*zeros())[0]
    close(joints, REST)
    assert joints[12].norm().item() == pytest.approx(0.19, abs=0.002)
    # y points down, so the fingers are up; the thumb is to the right, as on a right hand.
    assert (joints[1:, 1] < 0).all()
    assert joints[4, 0] > joints[8, 0] > joints[12, 0] > joints[16, 0] > joints[20, 0]
    assert (joints[5:, 2] == 0).all()


# Pose


def test_bones_keep_their_lengths_in_every_pose(hand, generator):
    pose = torch.randn(50, 48, generator=generator).double()
    shape = torch.randn(50, 10, generator=generator).double()
    close(lengths(hand(pose, shape)), lengths(hand(torch.zeros_like(pose), shape)))


def test_the_first_three_numbers_turn_the_whole_hand_about_the_wrist(hand, generator):
    pose = torch.randn(9, 48, generator=generator).double()
    shape = torch.randn(9, 10, generator=generator).double()
    still = pose.clone()
    still[:, :3] = 0
    turns = hand.rotations(pose)[:, 0]
    close(hand(pose, shape), hand(still, shape) @ turns.mT)


def test_a_quarter_turn_about_x_brings_the_fingers_to_the_viewer(hand):
    pose, shape = zeros()
    pose[0, 0] = math.pi / 2
    x, y, z = REST.unbind(1)
    close(hand(pose, shape)[0], torch.stack([x, -z, y], 1))


def test_a_right_angle_at_the_second_joint_of_the_middle_finger(hand):
    """By hand: beyond keypoint 10 the bones of 30 and 23 mm point straight at the viewer."""
    flexion = torch.zeros(1, 5, 3).double()
    flexion[0, 2, 1] = math.pi / 2
    pose, shape = zeros()
    pose[:, 3:] = finger_pose(flexion, torch.zeros(1, 5).double())
    joints = hand(pose, shape)[0]
    towards = torch.tensor([0.0, 0.0, -1.0]).double()
    close(joints[11], REST[10] + 0.030 * towards)
    close(joints[12], REST[10] + 0.053 * towards)
    untouched = [k for k in range(21) if k not in (11, 12)]
    close(joints[untouched], REST[untouched])


def test_a_bent_first_joint_takes_the_outer_ones_along(hand):
    flexion = torch.zeros(1, 5, 3).double()
    flexion[0, 1, :2] = math.pi / 2
    pose, shape = zeros()
    pose[:, 3:] = finger_pose(flexion, torch.zeros(1, 5).double())
    joints = hand(pose, shape)[0]
    towards = torch.tensor([0.0, 0.0, -1.0]).double()
    along = (REST[8] - REST[5]) / (REST[8] - REST[5]).norm()
    close(joints[6], REST[5] + 0.040 * towards)
    # Two right angles: back the way the finger came.
    close(joints[8], joints[6] - 0.047 * along)


@pytest.mark.parametrize("joint", range(15))
def test_a_joint_moves_only_what_lies_beyond_it(hand, joint):
    pose, shape = zeros()
    pose[0, 3 + 3 * joint :][:3] = torch.tensor([0.3, -0.5, 0.4]).double()
    moved = ((hand(pose, shape)[0] - REST).norm(dim=1) > 1e-6).nonzero().flatten().tolist()
    finger, place = divmod(joint, 3)
    assert moved == list(list(FINGERS.values())[finger][place + 1 :])


def test_flexion_closes_the_hand_and_abduction_turns_towards_the_pinky(hand):
    pose, shape = zeros(5)
    pose[:, 3:] = finger_pose(torch.full((5, 5, 3), 1.2).double(), torch.zeros(5, 5).double())
    fist = hand(pose, shape)[0]
    palm = REST[[0, 5, 9, 13, 17]].mean(0)
    for tip in TIPS[1:]:
        assert (fist[tip] - palm).norm() < 0.6 * (REST[tip] - palm).norm()
    assert (fist[4] - REST[17]).norm() < (REST[4] - REST[17]).norm()
    pose[:, 3:] = finger_pose(torch.zeros(5, 5, 3).double(), 0.2 * torch.eye(5).double())
    spread = hand(pose, shape)
    for finger, tip in enumerate(TIPS):
        assert spread[finger, tip, 0] < REST[tip, 0] - 0.003


def test_rotations_are_proper_and_the_identity_at_zero(hand, generator):
    found = hand.rotations(3 * torch.randn(7, 48, generator=generator).double())
    assert found.shape == (7, 16, 3, 3)
    close(found @ found.mT, torch.eye(3).double().expand_as(found))
    close(torch.linalg.det(found), torch.ones(7, 16).double())
    close(hand.rotations(zeros()[0])[0], torch.eye(3).double().expand(16, 3, 3))


# Shape


def test_each_shape_coefficient_changes_what_it_says(hand):
    pose, _ = zeros(10)
    ratio = lengths(hand(pose, torch.eye(10).double())) / lengths(REST)
    scale = [1 + s for _, s in SHAPE]
    close(ratio[0], torch.full((20,), scale[0]).double())
    for finger in range(5):
        changed = torch.ones(20).double()
        changed[4 * finger + 1 : 4 * finger + 4] = scale[1 + finger]
        close(ratio[1 + finger], changed)
    joints = hand(pose, torch.eye(10).double())
    bases = [1, 5, 9, 13, 17]
    close(joints[6, bases], REST[bases] * torch.tensor([scale[6], 1, 1]).double())
    close(joints[7, bases], REST[bases] * torch.tensor([1, scale[7], 1]).double())
    close(ratio[8].view(5, 4), torch.tensor([1, 0.96, 1, 1.04]).double().expand(5, 4))
    metacarpal = torch.ones(20).double()
    metacarpal[1] = scale[9]
    close(ratio[9], metacarpal)


def test_shapes_of_adults_keep_plausible_sizes(hand, generator):
    shape = torch.randn(2000, 10, generator=generator).double()
    length = hand(torch.zeros(2000, 48).double(), shape)[:, 12].norm(dim=1)
    assert length.mean().item() == pytest.approx(0.19, abs=0.002)
    assert 0.012 < length.std().item() < 0.018


# Gradients, limits and inputs


@pytest.mark.parametrize("size", [0.0, 0.7])
def test_the_gradient_is_right_also_at_pose_zero(hand, generator, size):
    pose = (size * torch.randn(2, 48, generator=generator).double()).requires_grad_()
    shape = (size * torch.randn(2, 10, generator=generator).double()).requires_grad_()
    assert torch.autograd.gradcheck(hand, (pose, shape))
    gradient = torch.autograd.grad(hand(pose, shape).square().sum(), pose)[0]
    assert gradient.isfinite().all()


def test_limits_are_those_of_a_hand():
    assert len(FLEXION_LIMITS) == len(ABDUCTION_LIMIT) == 5
    assert all(len(joints) == 3 for joints in FLEXION_LIMITS)
    assert all(low <= 0 < high <= 120 for joints in FLEXION_LIMITS for low, high in joints)


def test_the_hand_trains_nothing_and_follows_its_dtype():
    assert not list(Hand().parameters())
    assert not Hand().state_dict()
    assert Hand()(torch.zeros(3, 48), torch.zeros(3, 10)).dtype == torch.float32
    assert Hand().double()(*zeros(0)).shape == (0, 21, 3)


@pytest.mark.own_errors
@pytest.mark.parametrize(
    ("pose", "shape", "message"),
    [
        ((2, 45), (2, 10), r"pose must have shape \(batch, 48\), got \(2, 45\)"),
        ((2, 16, 3), (2, 10), "pose must have shape"),
        ((2, 48), (2, 11), "shape must have shape"),
        ((2, 48), (1, 10), "same batch size"),
    ],
)
def test_other_shapes_are_refused(pose, shape, message):
    with pytest.raises(ValueError, match=message):
        Hand()(torch.zeros(pose), torch.zeros(shape))
    with pytest.raises(ValueError, match="flexion"):
        finger_pose(torch.zeros(2, 15), torch.zeros(2, 5))
    with pytest.raises(TypeError, match="floating"):
        Hand()(torch.zeros(2, 48, dtype=torch.long), torch.zeros(2, 10))
