"""What the losses of hands are computed from, by name."""

import copy
import dataclasses
import pickle

import pytest
import torch
from hand_examples import fields, whole
from torch.utils.data import default_collate

from lossbook.hands import HandLoss, HandLossWeights, HandPrediction, HandTarget


@pytest.mark.parametrize(
    ("kind", "known"),
    [
        (
            HandPrediction,
            "keypoints_2d keypoints_3d vertices betas hand_pose coarse_pose coarse_shape",
        ),
        (
            HandTarget,
            "keypoints_2d confidence_2d keypoints_3d confidence_3d vertices pose shape",
        ),
    ],
)
def test_containers(kind, known):
    assert [field.name for field in dataclasses.fields(kind)] == known.split()
    assert all(value is None for _, value in fields(kind()))
    one = kind(keypoints_2d=torch.ones(2, 21, 2))
    assert one == one  # by identity: tensors have no truth value
    assert one != copy.deepcopy(one)
    one.keypoints_2d = torch.zeros(2, 21, 2)  # not frozen: trainers move what is in it
    assert one.to(dtype=torch.float64).keypoints_2d.dtype == torch.float64
    assert one.to("meta").keypoints_2d.is_meta
    assert one.to("meta").keypoints_3d is None
    again = pickle.loads(pickle.dumps(one))
    torch.testing.assert_close(again.keypoints_2d, one.keypoints_2d)
    stacked = default_collate([kind(keypoints_2d=torch.full((21, 2), float(i))) for i in range(3)])
    assert type(stacked) is kind
    assert stacked.keypoints_2d[:, 0, 0].tolist() == [0, 1, 2]
    with pytest.raises(ValueError, match="keypoints_2d is missing in 1 of 2 samples.*weight="):
        default_collate([kind(keypoints_2d=torch.ones(21, 2)), kind()])
    name = torch.utils._pytree.SUPPORTED_SERIALIZED_TYPES[kind].serialized_type_name
    assert name == f"lossbook.hands.{kind.__name__}"


def test_mappings_are_taken_in_place_of_the_dataclasses():
    prediction, target = whole()
    expected = HandLoss()(prediction, target)
    got = HandLoss()(dict(fields(prediction)), dict(fields(target)))
    assert got.total == expected.total
    assert list(got.terms) == list(expected.terms)


@pytest.mark.own_errors
def test_unknown_keys_are_refused_with_the_known_ones():
    prediction, target = whole()
    misspelt = {"keypoint_2d": target.keypoints_2d}
    known = "keypoints_2d, confidence_2d, keypoints_3d, confidence_3d, vertices, pose, shape"
    with pytest.raises(
        ValueError, match=rf"target has no 'keypoint_2d'; it knows {known}; did you"
    ):
        HandLoss()(prediction, misspelt)
    with pytest.raises(ValueError, match="prediction has no 'zzz'; it knows .*coarse_shape; of a"):
        HandLoss()({"zzz": 1}, target)
    with pytest.raises(ValueError, match="weights has no 'w_3d'; it knows w_2d, .*w_3d_joint"):
        HandLoss({"w_3d": 1.0})
    with pytest.raises(TypeError, match="target must be a HandTarget or a mapping, got HandPred"):
        HandLoss()(prediction, prediction)


@pytest.mark.own_errors
def test_weights_must_be_numbers_from_zero_on():
    for index, name in enumerate(("w_2d", "w_3d_joint", "w_3d_vert", "w_prior", "w_aux")):
        numbers = [1.0] * 5
        numbers[index] = -1
        with pytest.raises(ValueError, match=f"{name} must be finite and at least 0, got -1"):
            HandLossWeights(*numbers)
    with pytest.raises(TypeError, match="w_2d must be a Python number, got str"):
        HandLossWeights("1", 1.0, 1.0, 1.0, 1.0)


def hand():
    return HandTarget(
        keypoints_2d=torch.ones(2, 21, 2), confidence_2d=torch.ones(2, 21, dtype=torch.bool)
    )


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        ((torch.float64,), {}),
        ((torch.float64, True), {}),
        ((torch.float64, False, True), {}),
        (("cpu", torch.float64), {}),
        (("cpu", torch.float64, True, True), {}),
        ((None, torch.float64), {}),
        ((), {"dtype": torch.float64}),
        ((), {"dtype": torch.float64, "non_blocking": True, "copy": True}),
        (("meta",), {"dtype": torch.float64}),
        ((torch.device("meta"), torch.float64, True), {}),
        ((torch.zeros(1, dtype=torch.float64),), {}),
        ((torch.zeros(1, dtype=torch.float64, device="meta"), True), {}),
        (("meta",), {}),
        ((), {"device": "meta"}),
        ((torch.ones(1).to("meta"),), {"copy": True}),
        ((torch.float32,), {}),
    ],
    ids=str,
)
def test_it_moves_by_the_arguments_of_a_tensor(arguments, options):
    before = hand()
    moved = before.to(*arguments, **options)
    expected = before.keypoints_2d.to(*arguments, **options)
    assert moved.keypoints_2d.dtype == expected.dtype
    assert moved.keypoints_2d.device == moved.confidence_2d.device == expected.device
    assert moved.confidence_2d.dtype == torch.bool
    assert moved.vertices is None
    same = expected is before.keypoints_2d
    assert (moved.keypoints_2d is before.keypoints_2d) == same
    if expected.device == before.confidence_2d.device:
        copied = options.get("copy") or (arguments[-1:] == (True,) and len(arguments) > 2)
        assert (moved.confidence_2d is before.confidence_2d) == (not copied)
    assert before.keypoints_2d.dtype == torch.float32


def test_it_moves_nowhere_without_an_argument():
    before = hand()
    assert before.to().keypoints_2d is before.keypoints_2d


def test_fields_are_picked_from_a_batch_with_other_keys():
    target = hand()
    batch = {**dict(fields(target)), "image": torch.zeros(2, 3, 8, 8), "id": ["a", "b"]}
    picked = HandTarget.pick(batch)
    assert type(picked) is HandTarget
    assert all(value is getattr(target, name) for name, value in fields(picked))
    assert HandPrediction.pick(batch).keypoints_2d is target.keypoints_2d
    loss = HandLoss(optional=("3d_joint", "prior", "aux"))
    prediction = {"keypoints_2d": torch.zeros(2, 21, 2)}
    assert loss(prediction, picked).total == loss(prediction, target).total
