"""The code that errors advise, done to the letter, makes the call work."""

import re

import pytest
import torch

from lossbook import checks
from lossbook.hands import (
    HandLoss,
    HandPrediction,
    HandTarget,
    auxiliary_loss,
    keypoint_2d_loss,
    mano_prior_loss,
    mpjpe,
    rotation_loss,
    vertex_loss,
)
from lossbook.landmarks import nme, pfld_loss, wing_loss

POINTS, FLAT, JOINTS = torch.ones(4, 3, 2), torch.ones(4, 6), torch.ones(4, 5, 3)
ANGLES, POSES = torch.zeros(4, 3), torch.eye(3).repeat(4, 5, 1, 1)


def wing(weight, points=POINTS):
    return wing_loss(points, points, weight=weight)


def flat_wing(weight):
    return wing(weight, FLAT)


def pfld(weight, points=POINTS):
    return pfld_loss(points, points, ANGLES, ANGLES, weight=weight).total


def keypoints(weight):
    return keypoint_2d_loss(POINTS, POINTS, confidence=weight)


def vertices(weight):
    return vertex_loss(JOINTS, JOINTS, weight=weight)


def rotations(weight):
    return rotation_loss(POSES, POSES, weight=weight)


def prior(weight):
    return mano_prior_loss(FLAT, weight=weight).total


def first_stage(weight):
    return auxiliary_loss(FLAT, ANGLES, FLAT, ANGLES, weight=weight)


def total(weight):
    hand = {"keypoints_2d": POINTS}
    return HandLoss(optional=("3d_joint", "prior", "aux"))(hand, hand, weight=weight).total


def scored(weight):
    return mpjpe(JOINTS, JOINTS, weight=weight)


def scored_flat(weight):
    return nme(FLAT, FLAT, normalizer=1.0, weight=weight)


# The loss, the weight's shape, and what to pass instead.
MISFITS = [
    (wing, (3,), "weight[None]"),
    (wing, (3, 1), "weight[None]"),
    (wing, (3, 2), "weight[None]"),
    (wing, (1,), "weight[0]"),
    (wing, (1, 1, 1, 1), "weight[0, 0, 0, 0]"),
    (wing, (3, 4), "weight.mT"),
    (wing, (1, 4), "weight[0]"),
    (wing, (4, 2, 3), "weight.mT"),
    (wing, (4, 1, 3), "weight.mT"),
    (wing, (4, 6), "weight.reshape(-1, 3, 2)"),
    (wing, (1, 6), "weight.reshape(-1, 3, 2)"),
    (wing, (1, 4, 3, 2), "weight[0]"),
    (wing, (1, 4, 3, 1), "weight[0]"),
    (wing, (4, 3, 2, 1), "weight[..., 0]"),
    (wing, (4, 3, 1, 1, 1), "weight[..., 0, 0]"),
    (wing, (4, 3, 2, 7), "weight.amin(3)"),
    (flat_wing, (4, 3), "weight.repeat_interleave(2, dim=1)"),
    (flat_wing, (1, 3), "weight.repeat_interleave(2, dim=1)"),
    (flat_wing, (4, 3, 1), "weight[..., 0].repeat_interleave(2, dim=1)"),
    (flat_wing, (3,), "weight[None].repeat_interleave(2, dim=1)"),
    (flat_wing, (4, 2), "weight.repeat_interleave(3, dim=1)"),
    (flat_wing, (4, 3, 2), "weight.reshape(-1, 6)"),
    (flat_wing, (6,), "weight[None]"),
    (pfld, (1, 4), "weight[0]"),
    (pfld, (1,), "weight[0]"),
    (keypoints, (3,), "confidence[None]"),
    (keypoints, (4, 1, 3), "confidence.mT"),
    (vertices, (5,), "weight[None]"),
    (rotations, (5,), "weight[None]"),
    (rotations, (4, 5, 3, 3), "weight.flatten(2).amin(2)"),
    (first_stage, (1,), "weight[0]"),
    (total, (3,), "weight[None]"),
    (scored, (5,), "weight[None]"),
    (scored, (5, 4), "weight.mT"),
    (scored_flat, (3,), "weight[None]"),
]
# As above, and what is said of a weight for which no code is known.
STRANGERS = [
    (wing, (5,), "it has 5 samples, input has 4; give one row for each of these"),
    (wing, (2, 3), "it has 2 samples, input has 4; give one row for each of these"),
    (wing, (2, 3, 2), "it has 2 samples, input has 4; give one row for each of these"),
    (flat_wing, (5,), "it has 5 samples, input has 4; give one row for each of these"),
    (pfld, (5,), "it has 5 samples, landmarks has 4; give one row for each of these"),
    (keypoints, (8, 3), "it has 8 samples, input has 4; give one row for each of these"),
    (keypoints, (4, 5), "its dimension 1 is 5, that of input is 3"),
    (wing, (4, 3, 3), "its dimension 2 is 3, that of input is 2"),
    (flat_wing, (4, 5), "its dimension 1 is 5, that of input is 6"),
    (flat_wing, (1, 3, 5, 1), "its dimension 1 is 3, that of input is 6"),
    (wing, (1, 3, 1, 7), "of what counts only as a whole pass weight.amin(3)"),
    (wing, (0, 3), "it has 0 samples, input has 4; give one row for each of these"),
]


def refusal(function, weight):
    with pytest.raises(ValueError, match="must have the shape of") as raised:
        function(weight)
    return str(raised.value)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bool], ids=str)
@pytest.mark.parametrize(("function", "shape", "code"), MISFITS)
@pytest.mark.own_errors
def test_the_advised_weight_fits(function, shape, code, dtype):
    weight = torch.ones(shape, dtype=dtype)
    message = refusal(function, weight)
    name, advised = re.search(r"pass ((?:weight|confidence))(.*)$", message).groups()
    assert name + advised == code
    assert function(eval(code, {name: weight})).isfinite().all()


@pytest.mark.parametrize(("function", "shape", "said"), STRANGERS)
@pytest.mark.own_errors
def test_a_weight_of_something_else_is_not_reshaped(function, shape, said):
    assert refusal(function, torch.ones(shape)).endswith(f"got {shape}; {said}")


@pytest.mark.own_errors
def test_points_in_one_row_may_be_reshaped_instead():
    message = refusal(flat_wing, torch.ones(4, 3))
    assert (
        "holds 3 points, reshape input and its target to (B, 3, 2), or pass weight.rep" in message
    )
    points = FLAT.reshape(4, 3, 2)
    assert wing(torch.ones(4, 3), points) == flat_wing(torch.ones(4, 3).repeat_interleave(2, dim=1))


@pytest.mark.own_errors
def test_what_is_repeated_weighs_both_coordinates_of_its_point():
    hidden = torch.tensor([1.0, 0.0, 1.0])
    points = torch.arange(24.0).reshape(4, 3, 2)
    flat = points.flatten(1)
    repeated = hidden[None].repeat_interleave(2, dim=1)
    expected = wing_loss(points, 0 * points, weight=hidden[None])
    torch.testing.assert_close(wing_loss(flat, 0 * flat, weight=repeated), expected)


def test_every_shape_that_fits_is_taken():
    sizes = (1, 2, 3, 4, 6)
    shapes = [(), *((a,) for a in sizes), *((a, b) for a in sizes for b in sizes)]
    shapes += [(a, b, c) for a in sizes for b in sizes for c in (1, 2, 3)]
    for other in ((4, 3, 2), (4, 6), (4,), (1, 3, 2)):
        for shape in shapes:
            weight = torch.ones(shape)
            fits = len(shape) <= len(other) and all(
                a in (1, b) for a, b in zip(shape, other, strict=False)
            )
            fits = (fits and shape != (1,)) or shape == other[: len(shape)]
            if fits:
                checks.fit_weight(weight, torch.ones(other))
                continue
            with pytest.raises(ValueError, match="must have the shape of input") as raised:
                checks.fit_weight(weight, torch.ones(other))
            code = re.search(r"pass (weight.*)$", str(raised.value))
            if code:
                checks.fit_weight(eval(code.group(1), {"weight": weight}), torch.ones(other))


@pytest.mark.own_errors
def test_a_weight_of_shape_parameters_does_not_weigh_a_pose():
    weight = torch.ones(4, 6)
    for hand in ((FLAT,), (FLAT, POSES)):
        assert "there is one weight a sample here" in refusal(
            lambda weight, hand=hand: mano_prior_loss(*hand, weight=weight), weight
        )
    assert mano_prior_loss(FLAT, POSES, weight=weight.amin(1)).total == 1
    assert mano_prior_loss(FLAT, POSES, weight=weight[:, :1]).total == 1


def test_a_weight_of_points_goes_to_its_term_of_the_hand_loss():
    weight = torch.tensor([[1.0, 0.0, 0.0]]).expand(4, -1)
    hand = HandPrediction(keypoints_2d=POINTS, betas=FLAT)
    target = HandTarget(keypoints_2d=POINTS + 1)
    loss = HandLoss(optional=("3d_joint", "aux"))
    with pytest.raises(ValueError, match="as {'2d': weight}$") as raised:
        loss(hand, target, weight=weight)
    advised = eval(str(raised.value).rpartition(" as ")[2], {"weight": weight})
    assert loss(hand, target, weight=advised)["2d"] == 8
