"""What ``optional=`` of the hand losses' total lets through, and what it does not."""

import pytest
from hand_examples import changed, whole

from lossbook.hands import HandLoss

TARGETS = {
    "2d": ["keypoints_2d"],
    "3d_joint": ["keypoints_3d"],
    "3d_vert": ["vertices"],
    "aux": ["pose", "shape"],
}
PREDICTIONS = TARGETS | {"aux": ["coarse_pose", "coarse_shape"]}


def without(container, names):
    return changed(container, **dict.fromkeys(names))


@pytest.mark.parametrize("term", TARGETS)
@pytest.mark.own_errors
def test_a_target_whose_prediction_was_forgotten_is_not_passed_over(term):
    prediction, target = whole()
    loss = HandLoss(use_vertex_loss=True, optional=term)
    lacking = without(prediction, PREDICTIONS[term])
    missing = ", ".join(f"prediction.{name}" for name in PREDICTIONS[term])
    message = (
        rf"{term} in optional=\(...\) may be absent only where all of its target is missing: "
        rf"{term} lacks {missing}\. Pass them, or set the term's weight to 0"
    )
    with pytest.raises(ValueError, match=message):
        loss(lacking, target)
    # Half of a label is one, too.
    if term == "aux":
        with pytest.raises(ValueError, match="aux lacks prediction.coarse_pose, prediction.coa"):
            loss(lacking, changed(target, pose=None))


@pytest.mark.parametrize("term", TARGETS)
def test_an_optional_term_is_absent_without_its_target(term):
    prediction, target = whole()
    loss = HandLoss(use_vertex_loss=True, optional=term)
    unlabelled = without(target, TARGETS[term])
    for some in (prediction, without(prediction, PREDICTIONS[term])):
        assert term not in loss(some, unlabelled).terms


@pytest.mark.parametrize("term", TARGETS)
def test_a_monitor_is_absent_without_any_of_its_inputs(term):
    prediction, target = whole()
    loss = HandLoss({f"w_{term}": 0.0}, use_vertex_loss=True)
    assert term not in loss(without(prediction, PREDICTIONS[term]), target).terms


@pytest.mark.own_errors
def test_the_prior_has_no_target_and_is_absent_without_its_inputs():
    prediction, target = whole()
    lacking = changed(prediction, betas=None)
    assert "prior" not in HandLoss(optional="prior")(lacking, target).terms
    # With a pose prior it has two inputs, of which one alone is a fault.
    loss = HandLoss(pose_weight=0.5, optional="prior")
    message = r"only where all of its inputs are missing: prior lacks prediction.betas\."
    with pytest.raises(ValueError, match=message):
        loss(lacking, target)
    assert "prior" not in loss(changed(lacking, hand_pose=None), target).terms
    assert "prior" in loss(prediction, target).terms


@pytest.mark.own_errors
def test_the_message_tells_required_terms_from_optional_ones():
    prediction, target = whole()
    lacking = changed(prediction, keypoints_2d=None, keypoints_3d=None)
    with pytest.raises(ValueError, match="needs its inputs") as raised:
        HandLoss(optional="3d_joint")(lacking, target)
    assert str(raised.value) == (
        "a term with a weight needs its inputs, and 3d_joint in optional=(...) may be absent only "
        "where all of its target is missing: 2d lacks prediction.keypoints_2d; 3d_joint lacks "
        "prediction.keypoints_3d. Pass them, set the term's weight to 0 and leave its inputs out, "
        "or name it in optional=(...)"
    )
