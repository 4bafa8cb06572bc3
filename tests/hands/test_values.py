"""Where the looks inside ``check_values`` begin and end, for hands of which only some count."""

import warnings

import pytest
import torch

import lossbook
from lossbook.hands import auxiliary_loss, keypoint_3d_loss, mano_prior_loss

FIRST = torch.tensor([True, False])


def quietly(function, *arguments, **options):
    with lossbook.check_values(), warnings.catch_warnings():
        warnings.simplefilter("error")
        return function(*arguments, **options)


@pytest.mark.parametrize("weight", [FIRST, FIRST.float(), 0.5 * FIRST])
@pytest.mark.own_errors
def test_a_pose_is_looked_at_where_its_sample_counts(weight):
    betas, poses = torch.zeros(2, 10), torch.eye(3).repeat(2, 15, 1, 1)
    poses[1] = 2.0
    quietly(mano_prior_loss, betas, poses, pose_weight=1.0, weight=weight)
    poses[1] = torch.nan
    quietly(mano_prior_loss, betas, poses, pose_weight=1.0, weight=weight)
    poses[0, 3] = 2.0
    with pytest.raises(ValueError, match=r"hand_pose must hold .* index \(0, 3\)"):
        quietly(mano_prior_loss, betas, poses, pose_weight=1.0, weight=weight)
    with pytest.raises(ValueError, match="hand_pose holds 135 NaN"):
        quietly(mano_prior_loss, betas, poses, pose_weight=1.0)


@pytest.mark.parametrize("form", ["documented", "rotation"])
@pytest.mark.parametrize("weight", [None, FIRST, FIRST.float(), 0.5 * FIRST])
@pytest.mark.own_errors
def test_a_first_stage_is_looked_at_where_its_sample_counts(form, weight):
    pose, shape = torch.zeros(2, 48), torch.zeros(2, 10)
    options = {"form": form, "weight": weight}
    if weight is not None:
        for junk in (90.0, torch.nan):
            hidden = pose.clone()
            hidden[1] = junk
            quietly(auxiliary_loss, hidden, shape, hidden, shape, **options)
            quietly(auxiliary_loss, pose, hidden[:, :10], pose, hidden[:, :10], **options)
    for bad, message in ((90.0, "^pose_target looks like deg"), (torch.nan, "^pose_target holds")):
        spoilt = pose.clone()
        spoilt[0, 7] = bad
        with pytest.raises(ValueError, match=message):
            quietly(auxiliary_loss, pose, shape, spoilt, shape, **options)
    far = shape.clone()
    far[0] = 4.0
    with pytest.raises(UserWarning, match="^shape_target has a root mean square of 4"):
        quietly(auxiliary_loss, pose, shape, pose, far, **options)


def hands(size, count=3):
    """Hands of this extent from a root at 1."""
    joints = torch.ones(count, 21, 3)
    joints[:, 1:] += size * torch.linspace(0.05, 1, 20)[:, None]
    return joints


@pytest.mark.own_errors
def test_the_size_of_a_hand_is_judged_from_two_visible_joints_on():
    seen = torch.zeros(3, 21)
    seen[:, 0] = 1
    quietly(keypoint_3d_loss, hands(1000.0), hands(1.0), confidence=seen)
    # One hand with two visible joints: those with the root alone do not outvote it.
    seen[1, 20] = 1
    with pytest.raises(UserWarning, match="input extends 1000 from its root and target 1: is one"):
        quietly(keypoint_3d_loss, hands(1000.0), hands(1.0), confidence=seen)
