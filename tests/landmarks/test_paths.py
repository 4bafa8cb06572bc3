"""By which path PFLD's pose weight acts, and longer trainings."""

import pytest
import torch

from lossbook.lab.landmarks import experiment, factors, longer, model, paths
from lossbook.lab.landmarks.data import mean_shape, split_by_subject
from lossbook.lab.landmarks.model import Batch, LandmarkNet, Prediction
from lossbook.landmarks import pose_weight


@pytest.fixture
def batch(generator):
    landmarks = 50 + torch.randn(6, 98, 2, generator=generator)
    angles = 0.3 * torch.randn(6, 3, generator=generator)
    attributes = torch.eye(4).repeat(2, 1)[:6]
    return Batch(torch.zeros(6, 1, 112, 112), landmarks, angles, attributes)


@pytest.fixture
def found(batch, generator):
    landmarks = batch.landmarks + torch.randn(6, 98, 2, generator=generator)
    return Prediction(landmarks.requires_grad_(), torch.zeros(6, 3, requires_grad=True))


def slopes(arm, found, batch, arms=paths.ARMS):
    loss = arms[arm](found, batch)
    return torch.autograd.grad(getattr(loss, "total", loss), [found.landmarks, found.angles])


def of_each(found, batch):
    """The slopes of the pose weight and of the squares of each face, and both themselves."""
    squares = (found.landmarks - batch.landmarks).square().flatten(1).sum(1)
    p = pose_weight(found.angles, batch.angles)
    return (
        torch.autograd.grad(p.sum(), found.angles)[0],
        torch.autograd.grad(squares.sum(), found.landmarks)[0],
        p.detach(),
        squares.detach(),
    )


def test_points_and_angles_are_pulled_as_each_arm_says(found, batch):
    of_p, of_squares, p, squares = of_each(found, batch)
    everywhere = torch.ones(6)
    expected = {
        "L2 + pose": (everywhere, squares.mean().expand(6)),
        "mean pose": (p.mean().expand(6), squares.mean().expand(6)),
        "mean pose, apart": (p.mean().expand(6), squares.mean().expand(6)),
        "pose alone, apart": (p, squares),
    }
    for arm, (of_points, of_angles) in expected.items():
        for_points, for_angles = slopes(arm, found, batch)
        torch.testing.assert_close(for_points, of_points[:, None, None] * of_squares / 6)
        torch.testing.assert_close(for_angles, of_angles[:, None] * of_p / 6)
    torch.testing.assert_close(
        slopes("PFLD, apart", found, batch), slopes("PFLD", found, batch, model.ARMS)
    )
    assert set(expected) | {"pose, shuffled", "PFLD, apart"} == set(paths.ARMS)


def test_shuffled_weights_are_those_of_the_batch_and_the_angles_learn_their_own(found, batch):
    of_p, of_squares, p, squares = of_each(found, batch)
    torch.manual_seed(0)
    orders = set()
    for _ in range(5):
        for_points, for_angles = slopes("pose, shuffled", found, batch)
        weight = (6 * for_points / of_squares).flatten(1).median(1).values
        torch.testing.assert_close(weight.sort().values, p.sort().values, atol=1e-4, rtol=1e-3)
        torch.testing.assert_close(for_angles, squares[:, None] * of_p / 6)
        orders.add(tuple(weight.argsort().tolist()))
    assert len(orders) > 1


def test_apart_the_angles_train_their_head_alone_and_say_the_same(faces):
    indices, _ = split_by_subject(faces, 0)
    network = LandmarkNet(mean_shape(faces, indices))
    torch.nn.init.normal_(network.angles.weight)
    torch.nn.init.normal_(network.landmarks.weight)
    batch = next(model.batches(faces, indices, 0))
    before = network(batch.images)
    assert torch.autograd.grad(before.angles.sum(), [*network.features.parameters()])
    after = paths.apart(network)(batch.images)
    torch.testing.assert_close(after, before)
    grads = torch.autograd.grad(
        after.angles.sum() + 0 * after.landmarks.sum(), [*network.parameters()]
    )
    each = zip(network.named_parameters(), grads, strict=True)
    assert {name for (name, _), grad in each if grad.any()} == {"angles.weight", "angles.bias"}
    (reached,) = torch.autograd.grad(
        network(batch.images).landmarks.sum(), [network.features[0].weight]
    )
    assert reached.any()


def test_apart_is_all_that_differs_from_the_factors(faces):
    quick = paths.RECORDED.replace(steps=3)
    arm, losses = "pose alone, apart", paths.ARMS
    usual = factors.EXPERIMENT.run("pose alone", 1, quick, faces, progress=False)
    together = experiment.run(arm, 1, quick, faces, losses=losses, progress=False)
    assert together.units == usual.units
    assert paths.EXPERIMENT.run(arm, 1, quick, faces, progress=False).units != usual.units
    tried = factors.EXPERIMENT.try_rate("pose alone", 1e-3, 1, quick, faces)
    assert tried == experiment.try_rate(arm, 1e-3, 1, quick, faces, losses=losses)
    assert tried != paths.EXPERIMENT.try_rate(arm, 1e-3, 1, quick, faces)


@pytest.mark.parametrize("module", [paths, longer])
def test_the_record_is_that_of_the_code(module):
    """If not, run the module with `--record`, or with `--refactored "why"`."""
    record = module.load_record()
    assert module.EXPERIMENT.stale(record) == []
    assert record.config == module.RECORDED


def test_rates_are_those_of_the_nearest_factor():
    of_factors, usual = factors.RECORDED, experiment.RECORDED
    for arm in paths.RECORDED.arms:
        nearest = usual.rate("PFLD") if arm.startswith("PFLD") else of_factors.rate("pose alone")
        assert paths.RECORDED.rate(arm) == nearest


def test_more_training_is_all_that_differs():
    changed, usual = (one.RECORDED.model_dump() for one in (longer, experiment))
    differing = {name for name in usual if usual[name] != changed[name]}
    assert differing <= {"arms", "folds", "own_rates", "steps"}
    assert changed["steps"] == 4 * usual["steps"]
    assert longer.EXPERIMENT.run is experiment.EXPERIMENT.run
    for arm in longer.RECORDED.arms:
        assert longer.RECORDED.rate(arm) == experiment.RECORDED.rate(arm)
