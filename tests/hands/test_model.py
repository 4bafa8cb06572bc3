import math

import pytest
import torch

from lossbook import check_values
from lossbook.hands import auxiliary_loss
from lossbook.hands.metrics import mpjpe, pa_mpjpe
from lossbook.lab.hands import model as model_module
from lossbook.lab.hands.data import OCCLUDED, load_hands, split_by_clip, synthetic, to_crop
from lossbook.lab.hands.kinematics import Hand
from lossbook.lab.hands.model import (
    ARMS,
    BALANCED,
    SETTINGS,
    Arm,
    Lifted,
    Lifter,
    batches,
    errors_2d,
    evaluate,
    examples,
    make_scene,
    predict,
    shortest,
    solve_camera,
    train,
)
from lossbook.lab.run.devices import threads

QUICK = SETTINGS.replace(steps=3, synthetic=8, real=8, test=20)


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    with threads(1):
        yield


@pytest.fixture(scope="module")
def hands():
    return load_hands()


@pytest.fixture(scope="module")
def some(hands):
    return split_by_clip(hands, 0)[0]


@pytest.fixture
def batch(hands, some):
    return next(batches(hands, some, 0, QUICK))


@pytest.fixture
def model():
    """A network whose last layers are not 0 any more."""
    torch.manual_seed(0)
    model = Lifter()
    for head in (model.coarse, model.correction):
        torch.nn.init.normal_(head.weight, std=0.02)
    return model


def quick(hands, some, arm="balanced", seed=0):
    return train(ARMS[arm], hands, some, seed=seed, settings=QUICK, progress=False)


def perfect(batch):
    """What an all-knowing network would say of a batch of synthetic hands only."""
    keypoints = batch.keypoints[..., :2]
    return Lifted(
        batch.pose,
        torch.zeros_like(batch.shape),
        batch.joints,
        keypoints,
        batch.pose,
        batch.shape,
        batch.joints,
        keypoints,
    )


# The camera and the network


def test_the_camera_is_the_least_squares_fit(generator):
    joints = torch.randn(6, 21, 3, generator=generator).double()
    detected = torch.rand(6, 21, 3, generator=generator).double()
    detected[..., :2] += 3 * joints[..., :2]
    scale, shift = solve_camera(joints, detected)
    for i in range(6):
        root = detected[i, :, 2].sqrt().repeat_interleave(2)
        ones = torch.eye(2).double().repeat(21, 1)
        design = torch.cat([joints[i, :, :2].reshape(-1, 1), ones], 1) * root[:, None]
        wanted = torch.linalg.lstsq(design, detected[i, :, :2].flatten() * root).solution
        torch.testing.assert_close(
            torch.cat([scale[i, 0], shift[i, 0]]), wanted, rtol=1e-6, atol=1e-6
        )


def test_the_camera_never_turns_a_hand_upside_down(generator):
    joints = torch.randn(4, 21, 3, generator=generator)
    detected = torch.cat([-joints[..., :2], torch.ones(4, 21, 1)], 2)
    assert torch.equal(solve_camera(joints, detected)[0], torch.full((4, 1, 1), 0.5))
    scale, shift = solve_camera(torch.zeros_like(joints), detected)
    assert scale.isfinite().all()
    torch.testing.assert_close(shift, detected[..., :2].mean(1, keepdim=True))


def test_the_network_starts_at_the_open_hand(batch):
    found = Lifter()(batch.detected)
    assert not any(v.any() for v in (found.pose, found.shape, found.coarse_pose))
    open_hand = Hand()(torch.zeros(1, 48), torch.zeros(1, 10)).expand(16, 21, 3)
    assert torch.equal(found.joints, open_hand)
    assert torch.equal(found.joints, found.coarse_joints)


def test_both_stages_are_hands_seen_by_their_own_camera(batch, model):
    found = model(batch.detected)
    hand = Hand()
    for pose, shape, joints, keypoints in (found[:4], found[4:]):
        torch.testing.assert_close(hand(pose, shape), joints)
        scale, shift = solve_camera(joints, batch.detected)
        torch.testing.assert_close(scale * joints[..., :2] + shift, keypoints)
    assert not torch.equal(found.pose, found.coarse_pose)


def test_a_predicted_camera_changes_nothing_else_of_the_network(batch):
    torch.manual_seed(0)
    fitted = Lifter()
    torch.manual_seed(0)
    predicted = Lifter(predicts_camera=True)
    state = predicted.state_dict()
    assert all(torch.equal(state[name], value) for name, value in fitted.state_dict().items())
    assert {name.partition(".")[0] for name in set(state) - set(fitted.state_dict())} == {"cameras"}
    found = predicted(batch.detected)
    torch.testing.assert_close(found.keypoints, 5.5 * found.joints[..., :2])
    torch.testing.assert_close(found.keypoints, found.coarse_keypoints)
    ARMS["predicted camera"](found, batch).total.backward()
    assert all(part.weight.grad.abs().sum() > 0 for part in predicted.cameras)


def test_points_mix_along_bones_only(model):
    layer = model.graph[0]
    torch.nn.init.ones_(layer.own.weight)
    torch.nn.init.ones_(layer.others.weight)
    base = torch.ones(1, 21, 24)
    changed = base.clone()
    changed[0, 9] += 1
    moved = (layer(changed) - layer(base)).abs().sum(-1)[0].nonzero().flatten().tolist()
    assert moved == [0, 9, 10]


# Batches


def test_a_batch_has_synthetic_hands_first_and_two_detections_of_each(hands, some):
    batch = next(batches(hands, some, 0))
    assert batch.detected.shape == batch.keypoints.shape == (128, 21, 3)
    assert batch.joints.shape == (64, 21, 3)
    torch.testing.assert_close(Hand()(batch.pose, batch.shape), batch.joints)
    seen = (batch.detected[..., 2] > OCCLUDED) & (batch.keypoints[..., 2] > OCCLUDED)
    apart = (batch.detected - batch.keypoints)[..., :2].norm(dim=-1)[seen]
    assert 0 < apart.mean() < 0.06
    # The camera of the true joints explains what was detected of the synthetic hands.
    scale, shift = solve_camera(batch.joints, batch.detected[:64])
    seen = batch.detected[:64, :, 2] > OCCLUDED
    off = (scale * batch.joints[..., :2] + shift - batch.detected[:64, :, :2]).norm(dim=-1)
    assert off[seen].median() < 0.04


def test_real_hands_come_from_the_training_clips_only(hands, some, monkeypatch):
    seen = []
    crop = model_module.to_crop
    monkeypatch.setattr(
        model_module, "to_crop", lambda points, **o: seen.append(points) or crop(points)
    )
    next(batches(hands, some[:5], 0, QUICK))
    allowed = {tuple(hand.flatten().tolist()) for hand in hands.keypoints[some[:5]]}
    assert {tuple(hand.flatten().tolist()) for hand in seen[0]} == allowed


def test_every_arm_trains_on_the_same_batches_from_the_same_weights(hands, some):
    first, second, other = (next(batches(hands, some, seed, QUICK)) for seed in (0, 0, 1))
    assert all(map(torch.equal, first, second))
    assert not torch.equal(first.detected, other.detected)
    logs = [quick(hands, some, arm)[1].log for arm in ("balanced", "no aux", "code, m")]
    assert logs[0]["2d"][0] == logs[1]["2d"][0]
    assert logs[0]["aux"][0] == logs[2]["aux"][0]
    assert logs[2]["2d"][0] == pytest.approx(16 * logs[0]["2d"][0], rel=1e-5)


# Arms


def terms(arm, batch, model):
    found = ARMS[arm](model(batch.detected), batch)
    return {name: value.item() for name, value in found.contributions().items()}


@pytest.mark.parametrize(
    ("arm", "missing"),
    [
        ("no 2D", {"2d"}),
        ("no 3D", {"3d_joint"}),
        ("no prior", {"prior"}),
        ("no aux", {"aux"}),
        ("2D only", {"3d_joint", "aux"}),
    ],
)
def test_an_arm_without_a_term_is_balanced_but_for_it(arm, missing, batch, model):
    balanced, without = terms("balanced", batch, model), terms(arm, batch, model)
    assert all(value > 0 for value in balanced.values())
    assert without == {k: 0.0 if k in missing else v for k, v in balanced.items()}


def test_millimetres_make_the_3d_term_a_thousand_times_larger(batch, model):
    mm, m = terms("code, mm", batch, model), terms("code, m", batch, model)
    assert mm["3d_joint"] == pytest.approx(1000 * m["3d_joint"], rel=1e-4)
    assert {**mm, "3d_joint": 0} == {**m, "3d_joint": 0}
    config = terms("config, mm", batch, model)
    assert config["2d"] == pytest.approx(0.01 * m["2d"], rel=1e-5)
    assert config["3d_joint"] == pytest.approx(50 * m["3d_joint"], rel=1e-4)


def test_ignoring_confidence_changes_the_2d_term_only(batch, model):
    balanced, ignored = terms("balanced", batch, model), terms("confidence ignored", batch, model)
    found = model(batch.detected).keypoints
    plain = (found - batch.keypoints[..., :2]).abs().sum() / len(found)
    assert ignored["2d"] == pytest.approx(BALANCED.w_2d * plain.item(), rel=1e-5)
    assert balanced["2d"] < 0.8 * ignored["2d"]
    assert {**balanced, "2d": 0} == {**ignored, "2d": 0}
    lighter = terms("confidence ignored, 2D / 1.8", batch, model)
    assert lighter["2d"] == pytest.approx(ignored["2d"] / 1.8, rel=1e-5)
    assert {**lighter, "2d": 0} == {**ignored, "2d": 0}


@pytest.mark.parametrize("arm", ARMS)
def test_the_truth_costs_nothing_but_where_a_prior_or_the_seam_says_so(arm, hands, some):
    batch = next(batches(hands, some, 0, QUICK.replace(real=0)))
    with check_values():
        loss = ARMS[arm](perfect(batch), batch)
    costs = {name for name, value in loss.contributions().items() if value.item() > 0}
    assert costs == {"pose prior": {"prior"}, "short vectors": {"aux"}}.get(arm, set())


def test_real_hands_have_no_3d_target(batch, model):
    """Moving the real hands' joints, poses and coarse shapes changes nothing."""
    lifted = model(batch.detected)
    moved = lifted._replace(
        joints=torch.cat([lifted.joints[:8], lifted.joints[8:] + 1]),
        coarse_pose=torch.cat([lifted.coarse_pose[:8], lifted.coarse_pose[8:] + 1]),
        coarse_shape=torch.cat([lifted.coarse_shape[:8], lifted.coarse_shape[8:] + 1]),
    )
    loss = Arm()
    assert loss(moved, batch).log() == loss(lifted, batch).log()
    moved = lifted._replace(
        keypoints=torch.cat([lifted.keypoints[:8], lifted.keypoints[8:] + 1]),
        shape=torch.cat([lifted.shape[:8], lifted.shape[8:] + 1]),
    )
    changed, before = loss(moved, batch).log(), loss(lifted, batch).log()
    assert changed["2d"] > before["2d"]
    assert changed["prior"] > before["prior"]


@pytest.mark.parametrize(("arm", "alone"), [("balanced", False), ("no aux", True)])
def test_the_first_stage_learns_through_the_second_also_without_aux(arm, alone, batch, model):
    ARMS[arm](model(batch.detected), batch).total.backward()
    assert model.coarse.weight.grad.abs().sum() > 0
    assert model.correction.weight.grad.abs().sum() > 0
    assert (ARMS[arm].weights.w_aux == 0) == alone


def test_the_shortest_vector_is_the_same_rotation_and_jumps_at_half_a_turn(generator):
    vectors = torch.randn(500, 48, generator=generator).double()
    vectors[:, :3] = (
        math.pi
        * torch.nn.functional.normalize(vectors[:, :3])
        * torch.linspace(0.01, 1.99, 500)[:, None].double()
    )
    found = shortest(vectors)
    hand = Hand().double()
    torch.testing.assert_close(hand.rotations(found), hand.rotations(vectors))
    assert (found[:, :3].norm(dim=1) <= math.pi + 1e-9).all()
    assert torch.equal(found[:250], vectors[:250])
    assert torch.equal(found[:, 3:], vectors[:, 3:])


def test_many_made_hands_are_turned_by_more_than_half_a_turn(generator):
    """So that the arm with the shortest vectors has other labels than the balanced one."""
    pose = synthetic(1000, generator, Hand()).pose
    changed = (shortest(pose) != pose).any(1).float().mean()
    assert 0.05 < changed < 0.5


def test_arms_with_one_thing_more_differ_in_the_term_they_name(batch, model):
    balanced = terms("balanced", batch, model)
    for arm, term in {"pose prior": "prior", "rotations": "aux", "short vectors": "aux"}.items():
        found = terms(arm, batch, model)
        assert found[term] != balanced[term], arm
        assert {**found, term: 0} == {**balanced, term: 0}, arm
    lifted = model(batch.detected)
    angles = lifted.pose[:, 3:].reshape(-1, 15, 3).norm(dim=-1)
    extra = terms("pose prior", batch, model)["prior"] - balanced["prior"]
    weight = BALANCED.w_prior
    assert extra == pytest.approx(weight * (4 * (1 - angles.cos())).mean().item(), rel=1e-4)


def test_rotations_weigh_small_errors_of_the_pose_as_the_documented_form_does(generator):
    pose = 1e-3 * torch.randn(64, 48, generator=generator).double()
    shape = torch.zeros(64, 10).double()
    documented = auxiliary_loss(pose, shape, 0 * pose, shape)
    rotation = auxiliary_loss(pose, shape, 0 * pose, shape, form="rotation")
    wanted = ARMS["balanced"].weights.w_aux * documented
    torch.testing.assert_close(
        ARMS["rotations"].weights.w_aux * rotation, wanted, rtol=1e-4, atol=0
    )


def test_ratios_of_weights_are_what_their_names_say():
    for arm in ("1 : 100", "1 : 10", "10 : 1", "100 : 1", "1 : 10, no aux", "10 : 1, no aux"):
        flat, deep = map(float, arm.removesuffix(", no aux").split(" : "))
        weights = ARMS[arm].weights
        assert weights.w_2d / weights.w_3d_joint == pytest.approx(flat / deep)
        assert weights.w_2d * weights.w_3d_joint == pytest.approx(1)


# Training and scoring


def test_training_is_reproducible_and_depends_on_the_seed(hands, some):
    (one, log), (two, same), (_, other) = (quick(hands, some, seed=seed) for seed in (0, 0, 1))
    assert log.log == same.log
    assert log.log != other.log
    assert all(map(torch.equal, one.state_dict().values(), two.state_dict().values()))


@pytest.mark.long
def test_a_little_training_beats_the_mean_hand_and_the_bare_detection(hands, some, generator):
    settings = SETTINGS.replace(steps=250, synthetic=32, real=32, test=200)
    trained, _ = train(ARMS["balanced"], hands, some, settings=settings, progress=False)
    scene = make_scene(hands, split_by_clip(hands, 0)[1], 1000, settings)
    found, truth = evaluate(trained, scene), scene.made.joints
    guess = synthetic(2000, generator, Hand()).joints.mean(0).expand_as(truth)
    assert found["mpjpe"] < 0.75 * 1000 * mpjpe(guess, truth).mean()
    assert found["pa_mpjpe"] < 0.85 * 1000 * pa_mpjpe(guess, truth).mean()
    _, occluded = errors_2d(scene.real_detected[..., :2], scene.real, scene.real_detected)
    assert found["error_2d_occluded"] < 0.5 * occluded


def test_a_scene_is_of_held_out_hands_and_of_its_seed(hands):
    test = split_by_clip(hands, 1)[1]
    scene, same, other = (make_scene(hands, test, seed, QUICK) for seed in (7, 7, 8))
    assert torch.equal(scene.real_detected, same.real_detected)
    assert not torch.equal(scene.made.pose, other.made.pose)
    assert len(scene.real) == len(test)
    assert len(scene.made.pose) == 20
    torch.testing.assert_close(
        to_crop(scene.real), to_crop(hands.keypoints[test]), atol=1e-4, rtol=0
    )


@pytest.mark.parametrize("stage", ["", "coarse_"])
def test_scores_are_measured_where_they_say(stage, hands, model):
    scene = make_scene(hands, split_by_clip(hands, 1)[1][:30], 7, QUICK)
    found = evaluate(model, scene)
    with torch.no_grad():
        made, real = model(scene.made_detected), model(scene.real_detected)
    joints = made.coarse_joints if stage else made.joints
    # The wrist is the origin of both.
    distance = (joints - scene.made.joints).norm(dim=-1).mean().item()
    assert found[stage + "mpjpe"] == pytest.approx(1000 * distance, rel=1e-5)
    assert 0 < found[stage + "pa_mpjpe"] < found[stage + "mpjpe"]
    off = ((real.coarse_keypoints if stage else real.keypoints) - scene.real).norm(dim=-1)
    assert found[stage + "error_2d"] == pytest.approx(off.mean().item(), rel=1e-5)
    occluded = scene.real_detected[..., 2] < OCCLUDED
    assert found[stage + "error_2d_occluded"] == pytest.approx(
        off[occluded].mean().item(), rel=1e-5
    )
    assert found["shape_rms"] == pytest.approx(real.shape.square().mean().sqrt().item(), rel=1e-5)


def test_examples_are_of_both_kinds(hands, model):
    scene = make_scene(hands, split_by_clip(hands, 0)[1], 7, QUICK)
    made, real = examples(model, scene, 3)
    for found in (made, real):
        assert found.detected.shape == found.joints.shape == found.lifted.joints.shape == (3, 21, 3)
        assert not found.lifted.joints.requires_grad
    assert made.joints.isfinite().all()
    assert real.joints.isnan().all()
    assert torch.equal(real.keypoints[-1], scene.real[-1])
    torch.testing.assert_close(real.lifted, predict(model, real.detected))
