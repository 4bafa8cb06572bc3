import pytest
import torch

from lossbook.lab.landmarks.data import mean_shape, split_by_subject
from lossbook.lab.landmarks.model import (
    ARMS,
    SETTINGS,
    SIZE,
    LandmarkNet,
    Prediction,
    batches,
    evaluate,
    predict,
    train,
)

QUICK = SETTINGS.replace(steps=3)


@pytest.fixture(scope="module")
def some(faces):
    return split_by_subject(faces, 0)[0]


@pytest.fixture
def batch(faces, some):
    return next(batches(faces, some, 0))


@pytest.fixture
def model(faces, some):
    torch.manual_seed(0)
    return LandmarkNet(mean_shape(faces, some))


def quick(faces, some, arm="SmoothL1", seed=0):
    return train(ARMS[arm], faces, some, seed=seed, settings=QUICK, progress=False)


def test_the_network_starts_at_the_mean_shape_looking_ahead(model, batch):
    found = model(batch.images)
    assert torch.equal(found.landmarks, model.mean_shape.expand(32, 98, 2))
    assert torch.equal(found.angles, torch.zeros(32, 3))


def test_every_arm_trains_on_the_same_crops_from_the_same_weights(faces, some):
    first, second, other = (next(batches(faces, some, seed)) for seed in (0, 0, 1))
    assert all(map(torch.equal, first, second))
    assert not torch.equal(first.images, other.images)
    firsts = {arm: quick(faces, some, arm)[1].log["total"][0] for arm in ("L2", "PFLD")}
    assert firsts["L2"] == pytest.approx(quick(faces, some, "PFLD")[1].log["l2"][0], rel=1e-5)


@pytest.mark.parametrize("arm", ARMS)
def test_only_the_pfld_arms_train_the_pose_head(arm, model, batch):
    torch.nn.init.normal_(model.landmarks.weight)
    loss = ARMS[arm](model(batch.images), batch)
    (loss if isinstance(loss, torch.Tensor) else loss.total).backward()
    assert model.landmarks.weight.grad.abs().sum() > 0
    trained = model.angles.weight.grad is not None and model.angles.weight.grad.abs().sum() > 0
    assert trained == arm.startswith("PFLD")


@pytest.mark.parametrize("arm", ARMS)
def test_perfect_landmarks_cost_nothing(arm, batch):
    loss = ARMS[arm](Prediction(batch.landmarks, batch.angles + 0.1), batch)
    assert (loss if isinstance(loss, torch.Tensor) else loss.total).item() == 0


def test_wing_on_unit_coordinates_is_five_times_l1_per_side(batch):
    guess = Prediction(batch.landmarks + 0.5, batch.angles)
    in_units = ARMS["Wing [0,1]"](guess, batch).item()
    assert in_units == pytest.approx(5 * ARMS["L1"](guess, batch).item() / SIZE, rel=2e-3)


def test_training_is_reproducible_and_depends_on_the_seed(faces, some):
    (one, log), (two, same), (_, other) = (quick(faces, some, seed=seed) for seed in (0, 0, 1))
    assert log.log == same.log
    assert log.log != other.log
    assert all(map(torch.equal, one.state_dict().values(), two.state_dict().values()))


def test_predict_works_in_parts_and_leaves_the_mode_alone(model, batch):
    whole = predict(model, batch.images)
    assert model.training
    parts = predict(model.eval(), batch.images, batch_size=5)
    assert not model.training
    assert not whole.landmarks.requires_grad
    torch.testing.assert_close(parts, whole)


def test_too_few_faces_for_a_batch_are_an_error(faces):
    with pytest.raises(ValueError, match="a batch needs 32 faces, there are 7"):
        next(batches(faces, torch.arange(7), 0))


@pytest.mark.long
def test_a_little_training_beats_the_mean_shape(faces, some):
    settings = SETTINGS.replace(steps=60)
    model, _ = train(ARMS["SmoothL1"], faces, some, settings=settings, progress=False)
    test = split_by_subject(faces, 0)[1]
    guess = LandmarkNet(mean_shape(faces, some))
    assert evaluate(model, faces, test)["nme"] < 0.75 * evaluate(guess, faces, test)["nme"]


def test_scores_are_consistent(faces, model):
    test = split_by_subject(faces, 1)[1]
    found = evaluate(model, faces, test)
    errors, rare = torch.tensor(found["errors"]), faces.attributes[test].any(1)
    assert len(errors) == len(test)
    assert found["nme"] == pytest.approx(errors.mean().item(), rel=1e-5)
    assert found["failure_rate"] == pytest.approx((errors > 0.1).float().mean().item())
    assert found["nme_rare"] == pytest.approx(errors[rare].mean().item(), rel=1e-5)
    assert found["nme_common"] == pytest.approx(errors[~rare].mean().item(), rel=1e-5)
