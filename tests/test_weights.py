"""Weights and coordinates that are legal and hardly meant, inside ``check_values``."""

import warnings

import pytest
import torch

import lossbook
from lossbook.hands import (
    HandLoss,
    keypoint_2d_loss,
    keypoint_3d_loss,
    mano_prior_loss,
    mpjpe,
    pck_auc,
    rotation_loss,
    vertex_loss,
)
from lossbook.landmarks import WingLoss, nme, pfld_loss, smooth_l1_loss, wing_loss

FACES, HANDS = 40 * torch.rand(2, 4, 2), torch.rand(2, 4, 3)
TURNS = torch.eye(3).repeat(2, 4, 1, 1)
# COCO's visibility: not labelled, hidden, visible.
COCO = torch.tensor([[0.0, 1.0, 2.0, 2.0], [2.0, 2.0, 2.0, 2.0]])

TAKE_WEIGHTS = {
    "wing_loss": lambda weight: wing_loss(FACES, FACES, weight=weight),
    "smooth_l1_loss": lambda weight: smooth_l1_loss(FACES, FACES, weight=weight),
    "keypoint_2d_loss": lambda weight: keypoint_2d_loss(
        HANDS[..., :2] / 2 - 0.3, HANDS[..., :2] / 2 - 0.3, weight=weight
    ),
    "keypoint_3d_loss": lambda weight: keypoint_3d_loss(HANDS, HANDS, root=3, weight=weight),
    "vertex_loss": lambda weight: vertex_loss(HANDS, HANDS, weight=weight),
    "rotation_loss": lambda weight: rotation_loss(TURNS, TURNS, weight=weight),
    "nme": lambda weight: nme(FACES, FACES, normalizer=1.0, weight=weight),
    "mpjpe": lambda weight: mpjpe(HANDS, HANDS, root=3, weight=weight),
    "pck_auc": lambda weight: pck_auc(HANDS, HANDS, root=3, stop=0.5, weight=weight),
}
each = pytest.mark.parametrize("loss", TAKE_WEIGHTS.values(), ids=TAKE_WEIGHTS)


def said(function, *arguments, **options):
    """What it warns of inside ``check_values``."""
    with lossbook.check_values(), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        function(*arguments, **options)
    assert all(warning.filename == __file__ for warning in caught)
    return [str(warning.message) for warning in caught]


@each
@pytest.mark.own_errors
def test_a_visibility_of_coco_for_a_weight_is_noticed(loss):
    message = (
        "weight holds 0 and 2 as the visibility of COCO does, where 2 is a visible point: it "
        "counts twice; pass weight > 0"
    )
    assert said(loss, COCO) == [message]
    assert said(loss, COCO.half()) == [message]
    assert said(loss, COCO.where(COCO != 1, 2)) == [message]
    assert said(loss, COCO[:1].expand(2, -1)) == [message]
    assert said(loss, COCO > 0) == []


@each
@pytest.mark.own_errors
def test_weights_that_may_be_meant_pass(loss):
    for samples in (torch.tensor([0.0, 2.0]), torch.tensor([[0.0], [2.0]])):
        assert not any("COCO" in message for message in said(loss, samples))
    for other in (
        COCO.where(COCO != 0, 1),  # 1 and 2: some points matter more
        COCO.clamp(max=1),  # 0 and 1: a mask
        COCO.where(COCO != 1, 0.5),
        COCO.where(COCO != 1, 3),
        2 * torch.ones(2, 4),
        torch.tensor([[2.0], [2.0]]).expand(2, 4),
    ):
        assert said(loss, other) == []


@pytest.mark.own_errors
def test_samples_may_count_twice_or_not_at_all():
    for loss in (TAKE_WEIGHTS["wing_loss"], TAKE_WEIGHTS["keypoint_3d_loss"]):
        assert said(loss, torch.tensor([[0.0], [2.0]])) == []
        assert said(loss, torch.tensor([[0.0] * 4, [2.0] * 4])) == []
    assert said(mano_prior_loss, torch.ones(2, 10), weight=torch.tensor([0.0, 2.0])) == []
    angles = torch.tensor([[0.1, 0.0, 0.0]] * 2)
    faces = (FACES, FACES, angles, 0 * angles)
    assert said(pfld_loss, *faces, weight=torch.tensor([0.0, 2.0])) == []


@pytest.mark.own_errors
def test_the_weight_of_keypoints_is_looked_at_beside_their_confidence():
    points, confidence = torch.zeros(2, 4, 2), torch.ones(2, 4)
    for loss, input in ((keypoint_2d_loss, points), (keypoint_3d_loss, HANDS)):
        for bad, message in ((-1.0, "weight must not be negative"), (torch.nan, "weight holds 1")):
            weight = torch.tensor([1.0, bad])
            with lossbook.check_values(), pytest.raises(ValueError, match=message):
                loss(input, input, confidence=confidence, weight=weight)
        assert said(loss, input, input, weight=torch.zeros(2)) == [
            "every weight is 0: the loss is exactly 0 and trains nothing"
        ]
    hand = {"keypoints_2d": points}
    optional = HandLoss(optional=("3d_joint", "prior", "aux"))
    with lossbook.check_values(), pytest.raises(ValueError, match="must not be negative"):
        optional(hand, hand, weight={"2d": -torch.ones(2)})


# Wing, whose defaults are pixels -----------------------------------------------------------------

UNIT = torch.tensor([[0.0, 0.25, -0.5, 1.0]])
OUT_OF_REACH = (
    "input and target lie within [-1, 1], where no error reaches w=10 and wing_loss is close to "
    "5 |x|: its defaults are pixels; for normalised coordinates divide w and epsilon by the size "
    "of the image"
)


@pytest.mark.own_errors
def test_wing_says_that_normalised_coordinates_are_out_of_its_reach():
    assert said(wing_loss, UNIT, -UNIT) == [OUT_OF_REACH]
    assert said(WingLoss(), UNIT.half(), UNIT.half()) == [OUT_OF_REACH]
    assert said(wing_loss, 0 * UNIT, UNIT) == [OUT_OF_REACH]
    assert "w=2.1 and wing_loss is close to 2.1 |x|" in said(
        wing_loss, UNIT, UNIT, w=2.1, epsilon=1.0
    )[0]  # fmt: skip
    # What is hidden does not lie anywhere.
    far = UNIT.clone()
    far[0, 1], seen = torch.nan, torch.tensor([[1.0, 0.0, 1.0, 1.0]])
    assert said(wing_loss, far, UNIT, weight=seen) == [OUT_OF_REACH]
    assert said(wing_loss, UNIT, far, weight=seen > 0) == [OUT_OF_REACH]
    assert said(wing_loss, UNIT, UNIT, weight=torch.ones(1)) == [OUT_OF_REACH]


def test_wing_is_silent_where_its_reach_may_be_meant():
    assert wing_loss(UNIT, -UNIT).isfinite()
    for input, target in (
        (1.01 * UNIT, UNIT),
        (UNIT, 1.01 * UNIT),
        (UNIT, 0 * UNIT),  # errors, not coordinates
        (UNIT[:0], UNIT[:0]),
        (100 * UNIT, 100 * UNIT),
    ):
        assert said(wing_loss, input, target) == []
    for options in ({"w": 10 / 256, "epsilon": 2 / 256}, {"w": 2.0}, {"epsilon": 0.9}):
        assert said(wing_loss, UNIT, UNIT, **options) == []
    assert said(smooth_l1_loss, UNIT, UNIT) == []
