"""PFLD's weights one at a time, wrong labels and few faces, and what is recorded of them."""

import pytest
import torch

from lossbook.lab.landmarks import controls, experiment, factors, large_batches, robust, sgd
from lossbook.lab.landmarks.data import split_by_subject
from lossbook.lab.landmarks.model import ARMS, Batch, Prediction
from lossbook.landmarks import attribute_weight, pose_weight


@pytest.fixture
def batch(generator):
    landmarks = 50 + torch.randn(6, 98, 2, generator=generator)
    angles = 0.3 * torch.randn(6, 3, generator=generator)
    attributes = torch.tensor([[1, 0, 0, 0], [1, 1, 0, 0], [0, 0, 0, 1]] + 3 * [[0, 0, 0, 0]])
    return Batch(torch.zeros(6, 1, 112, 112), landmarks, angles, attributes.float())


@pytest.fixture
def found(batch, generator):
    landmarks = batch.landmarks + torch.randn(6, 98, 2, generator=generator)
    return Prediction(landmarks.requires_grad_(), torch.zeros(6, 3, requires_grad=True))


def weights_of(arm, found, batch, arms=factors.ARMS):
    """The weight of each face: the slope by its points over twice their error, times the batch."""
    (slope,) = torch.autograd.grad(arms[arm](found, batch), found.landmarks)
    ratio = 6 * slope / (2 * (found.landmarks - batch.landmarks).detach())
    assert (ratio.flatten(1).std(1) < 1e-3).all()
    return ratio.flatten(1).mean(1)


def test_each_arm_weighs_as_it_says(found, batch):
    q = attribute_weight(batch.attributes)
    p = pose_weight(found.angles, batch.angles).detach()
    expected = {
        "attributes alone": q,
        "1 + attributes": 1 + q,
        "pose alone": p,
        "1 + pose": 1 + p,
        "weights that do not fade": p * q / (p * q).mean(),
    }
    for arm, weight in expected.items():
        torch.testing.assert_close(weights_of(arm, found, batch), weight, atol=1e-3, rtol=1e-3)
    shuffled = weights_of("attributes, shuffled", found, batch)
    torch.testing.assert_close(shuffled.sort().values, q.sort().values, atol=1e-3, rtol=1e-3)
    assert set(expected) | {"attributes, shuffled"} == set(factors.ARMS)


def test_each_control_weighs_as_it_says(found, batch):
    q = attribute_weight(batch.attributes)
    ordinary = attribute_weight(controls.with_ordinary(batch.attributes))
    p = pose_weight(found.angles, batch.angles).detach()
    expected = {
        "attributes, shuffled once": q,
        "attributes + ordinary": ordinary,
        "PFLD + ordinary": p * ordinary,
        "0.03 + pose": 0.03 + p,
        "pose over its mean": p / p.mean(),
    }
    for arm, weight in expected.items():
        found_weights = weights_of(arm, found, batch, controls.ARMS)
        torch.testing.assert_close(found_weights, weight, atol=1e-3, rtol=1e-3)
    assert set(expected) == set(controls.ARMS)
    # Three of six faces are ordinary, so each weighs two.
    torch.testing.assert_close(ordinary[3:], torch.full((3,), 2.0))
    torch.testing.assert_close(ordinary[:3], q[:3])


def test_shuffled_once_moves_whole_rows_of_the_training_faces(faces):
    indices, test = split_by_subject(faces, 3)
    other, same = controls.shuffled_once(faces, indices, 3)
    assert same is indices
    assert torch.equal(other.attributes[test], faces.attributes[test])
    rows = [sorted(map(tuple, f.attributes[indices].tolist())) for f in (faces, other)]
    assert rows[0] == rows[1]
    assert not torch.equal(other.attributes, faces.attributes)
    again, _ = controls.shuffled_once(faces, indices, 3)
    assert torch.equal(again.attributes, other.attributes)


def test_shuffled_weights_reach_every_face(found, batch):
    torch.manual_seed(0)
    reached = sum(weights_of("attributes, shuffled", found, batch) for _ in range(40))
    assert (reached > 0.1).all()


def test_one_factor_times_the_other_is_pfld(found, batch):
    documented = ARMS["PFLD"](found, batch).total
    p = pose_weight(found.angles, batch.angles)
    q = attribute_weight(batch.attributes)
    alone = [factors.ARMS[arm](found, batch) for arm in ("pose alone", "attributes alone")]
    squares = (found.landmarks - batch.landmarks).square().flatten(1).sum(1)
    torch.testing.assert_close(alone[0], (p * squares).mean())
    torch.testing.assert_close(alone[1], (q * squares).mean())
    torch.testing.assert_close(documented, (p * q * squares).mean())


def test_the_pose_head_learns_where_the_weights_do_not_fade(found, batch):
    loss = factors.ARMS["weights that do not fade"]
    (slope,) = torch.autograd.grad(loss(found, batch), found.angles)
    assert slope.abs().sum(1).min() > 0  # also of faces without attributes
    right = Prediction(found.landmarks, batch.angles.clone().requires_grad_())
    (slope,) = torch.autograd.grad(loss(right, batch), right.landmarks)
    assert slope.isfinite().all()


@pytest.mark.parametrize(("share", "size"), [(0.1, 0.8), (0.3, 0.2)])
def test_a_share_of_the_points_is_moved_by_a_size(faces, share, size):
    indices, test = split_by_subject(faces, 2)
    wrong, same = robust.contaminated(faces, indices, 2, share=share, size=size)
    moved = (wrong.landmarks - faces.landmarks).norm(dim=-1)
    left, right = (faces.landmarks[indices][:, corner] for corner in robust.OUTER_EYE_CORNERS)
    unit = moved[indices] / (left - right).norm(dim=-1)[:, None]
    assert same is indices
    assert not moved[test].any()
    assert (unit > 0).float().mean().item() == pytest.approx(share, abs=0.01)
    torch.testing.assert_close(
        unit[unit > 0], torch.full_like(unit[unit > 0], size), atol=1e-4, rtol=1e-4
    )
    again, _ = robust.contaminated(faces, indices, 2, share=share, size=size)
    assert torch.equal(again.landmarks, wrong.landmarks)


def test_few_faces_are_those_of_eight_people(faces):
    indices, _ = split_by_subject(faces, 1)
    same, kept = robust.few(faces, indices, 1)
    assert same is faces
    assert len(kept) == 80 and len(faces.subject[kept].unique()) == robust.PEOPLE
    assert torch.isin(kept, indices).all()
    assert not torch.equal(kept, robust.few(faces, indices, 2)[1])


def test_an_arm_of_the_wrong_labels_trains_and_is_scored_on_right_ones(faces):
    quick = robust.RECORDED.replace(steps=2)
    found = robust.EXPERIMENT.run("Wing, 30% by 0.8", 0, quick, faces, progress=False)
    assert found.arm == "Wing, 30% by 0.8" and len(found.units["nme"]) == 80


@pytest.mark.parametrize("module", [factors, controls, robust, large_batches, sgd])
def test_the_record_is_that_of_the_code(module):
    """If not, run the module with `--record`, or with `--refactored "why"`."""
    record = module.load_record()
    assert module.EXPERIMENT.stale(record) == []
    assert record.config == module.RECORDED
    assert all(len(record.values(arm)) == 5 for arm in module.RECORDED.arms)


@pytest.mark.parametrize("arm", ["Wing", "Wing [0,1]"])
def test_plain_steps_see_the_scale_of_a_loss(faces, arm):
    """A loss ten times as large is a rate ten times as large, which Adam would not notice."""
    quick = sgd.RECORDED.replace(steps=3, batch_size=8)
    found = {}
    for name, factor, rate in (("usual", 1, 1e-6), ("scaled", 10, 1e-7)):
        losses = {arm: lambda p, b, k=factor: k * ARMS[arm](p, b)}
        settings = quick.replace(learning_rate=rate)
        result = sgd.EXPERIMENT.run(arm, 0, settings, faces, losses=losses, progress=False)
        found[name] = result.units["nme"]
    assert found["usual"] == pytest.approx(found["scaled"], rel=1e-2)


def test_large_batches_hold_most_of_the_faces_of_a_training_part(faces):
    training, _ = split_by_subject(faces, 0)
    assert len(training) == 320 > large_batches.RECORDED.batch_size == 256
    assert large_batches.RECORDED.rate("PFLD") == experiment.RECORDED.rate("PFLD")
