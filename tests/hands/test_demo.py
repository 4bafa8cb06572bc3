import json
import math
from dataclasses import asdict, replace

import pytest
import torch

from lossbook import check_values
from lossbook.hands.losses import HandLoss, HandLossWeights
from lossbook.lab.hands import demo
from lossbook.lab.hands.data import OCCLUDED, load_hands, split_by_clip
from lossbook.lab.hands.demo import (
    ARMS,
    BALANCED,
    FAILURES,
    LIVE,
    RECORDED,
    Arm,
    Config,
    Lifted,
    Lifter,
    solve_camera,
)
from lossbook.lab.run import records

QUICK = replace(RECORDED, steps=3, synthetic=8, real=8, test=20, shares=("balanced",))


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def hands():
    return load_hands()


@pytest.fixture(scope="module")
def some(hands):
    return split_by_clip(hands, 0)[0]


@pytest.fixture
def batch(hands, some):
    return next(demo.batches(hands, some, 0, QUICK))


@pytest.fixture
def model():
    """A network whose last layers are not 0 any more."""
    torch.manual_seed(0)
    model = Lifter()
    for head in (model.coarse, model.correction):
        torch.nn.init.normal_(head.weight, std=0.02)
    return model


def quick(hands, some, arm="balanced", seed=0):
    return demo.train(ARMS[arm], hands, some, seed=seed, config=QUICK, progress=False)


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
    open_hand = demo.Hand()(torch.zeros(1, 48), torch.zeros(1, 10)).expand(16, 21, 3)
    assert torch.equal(found.joints, open_hand)
    assert torch.equal(found.joints, found.coarse_joints)


def test_both_stages_are_hands_seen_by_their_own_camera(batch, model):
    found = model(batch.detected)
    hand = demo.Hand()
    for pose, shape, joints, keypoints in (found[:4], found[4:]):
        torch.testing.assert_close(hand(pose, shape), joints)
        scale, shift = solve_camera(joints, batch.detected)
        torch.testing.assert_close(scale * joints[..., :2] + shift, keypoints)
    assert not torch.equal(found.pose, found.coarse_pose)


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
    batch = next(demo.batches(hands, some, 0))
    assert batch.detected.shape == batch.keypoints.shape == (128, 21, 3)
    assert batch.joints.shape == (64, 21, 3)
    torch.testing.assert_close(demo.Hand()(batch.pose, batch.shape), batch.joints)
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
    crop = demo.to_crop
    monkeypatch.setattr(demo, "to_crop", lambda points, **o: seen.append(points) or crop(points))
    next(demo.batches(hands, some[:5], 0, QUICK))
    allowed = {tuple(hand.flatten().tolist()) for hand in hands.keypoints[some[:5]]}
    assert {tuple(hand.flatten().tolist()) for hand in seen[0]} == allowed


def test_every_arm_trains_on_the_same_batches_from_the_same_weights(hands, some):
    first, second, other = (next(demo.batches(hands, some, seed, QUICK)) for seed in (0, 0, 1))
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


@pytest.mark.parametrize("arm", ARMS)
def test_the_truth_costs_nothing(arm, hands, some):
    batch = next(demo.batches(hands, some, 0, replace(QUICK, real=0)))
    with check_values():
        loss = ARMS[arm](perfect(batch), batch)
    assert loss.total.item() == 0


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


# Training and scoring


def test_training_is_reproducible_and_depends_on_the_seed(hands, some):
    (one, log), (two, same), (_, other) = (quick(hands, some, seed=seed) for seed in (0, 0, 1))
    assert log.log == same.log
    assert log.log != other.log
    assert all(map(torch.equal, one.state_dict().values(), two.state_dict().values()))


def test_a_little_training_beats_the_baselines(hands, some):
    config = replace(RECORDED, steps=250, synthetic=32, real=32, test=200)
    model, _ = demo.train(ARMS["balanced"], hands, some, config=config, progress=False)
    scene = demo.make_scene(hands, split_by_clip(hands, 0)[1], 1000, config)
    found, mean_hand = demo.evaluate(model, scene), demo.baseline(0, hands, config)
    assert found["mpjpe"] < 0.75 * mean_hand.mpjpe
    assert found["pa_mpjpe"] < 0.85 * mean_hand.pa_mpjpe
    assert found["error_2d_occluded"] < 0.5 * mean_hand.error_2d_occluded


def test_a_scene_is_of_held_out_hands_and_of_its_seed(hands):
    test = split_by_clip(hands, 1)[1]
    scene, same, other = (demo.make_scene(hands, test, seed, QUICK) for seed in (7, 7, 8))
    assert torch.equal(scene.real_detected, same.real_detected)
    assert not torch.equal(scene.made.pose, other.made.pose)
    assert len(scene.real) == len(test)
    assert len(scene.made.pose) == 20
    torch.testing.assert_close(
        demo.to_crop(scene.real), demo.to_crop(hands.keypoints[test]), atol=1e-4, rtol=0
    )


@pytest.mark.parametrize("stage", ["", "coarse_"])
def test_scores_are_measured_where_they_say(stage, hands, model):
    scene = demo.make_scene(hands, split_by_clip(hands, 1)[1][:30], 7, QUICK)
    found = demo.evaluate(model, scene)
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


def test_the_baselines_are_the_mean_hand_and_the_bare_detection(hands):
    found = demo.baseline(2, hands, QUICK)
    scene = demo.make_scene(hands, split_by_clip(hands, 2)[1], 1002, QUICK)
    off = (scene.real_detected[..., :2] - scene.real).norm(dim=-1)
    assert found.error_2d == pytest.approx(off.mean().item(), rel=1e-5)
    assert found.error_2d_occluded > 2.5 * found.error_2d
    assert 50 < found.mpjpe < 110
    assert 20 < found.pa_mpjpe < 50


def test_examples_are_of_both_kinds(hands, model):
    scene = demo.make_scene(hands, split_by_clip(hands, 0)[1], 7, QUICK)
    made, real = demo.examples(model, scene, 3)
    for found in (made, real):
        assert found.detected.shape == found.joints.shape == found.lifted.joints.shape == (3, 21, 3)
        assert not found.lifted.joints.requires_grad
    assert made.joints.isfinite().all()
    assert real.joints.isnan().all()
    assert torch.equal(real.keypoints[-1], scene.real[-1])
    torch.testing.assert_close(real.lifted, demo.predict(model, real.detected))


def test_sweeps_never_train_on_the_clips_they_score(hands, monkeypatch):
    seen = {}

    def look(loss, hands, indices, **options):
        seen["train"], seen["rate"] = indices, options["learning_rate"]
        return Lifter(), None

    def scene(hands, indices, seed, config):
        seen["score"], seen["seed"] = indices, seed
        return make_scene(hands, indices, seed, config)

    make_scene = demo.make_scene
    monkeypatch.setattr(demo, "train", look)
    monkeypatch.setattr(demo, "make_scene", scene)
    found = demo.sweep(hands, replace(QUICK, arms=("no 2D",)), [0.1], fold=3)
    assert list(found) == [("no 2D", 0.1)]
    assert seen["rate"] == 0.1
    assert seen["seed"] not in {*RECORDED.folds, *(1000 + fold for fold in RECORDED.folds)}
    parts = [set(hands.clip[seen[part]].tolist()) for part in ("train", "score")]
    parts.append(set(hands.clip[split_by_clip(hands, 3)[1]].tolist()))
    assert sum(map(len, parts)) == len(set.union(*parts)) == 553
    assert len(parts[1]) > 80


def test_gradient_shares_measure_each_weighted_term(hands, some):
    found = demo.gradient_shares("no prior", hands, QUICK, every=2)
    assert found.steps == (0, 2)
    assert set(found.norms) == {"2d", "3d_joint", "aux"}
    for step in range(2):
        assert sum(share[step] for share in found.shares().values()) == pytest.approx(1)
    torch.manual_seed(0)
    model = Lifter()
    batch = next(demo.batches(hands, some, 0, QUICK))
    (BALANCED.w_aux * ARMS["no prior"](model(batch.detected), batch).terms["aux"]).backward()
    squares = [p.grad.square().sum() for p in model.parameters() if p.grad is not None]
    assert found.norms["aux"][0] == pytest.approx(sum(squares).sqrt().item(), rel=1e-4)


def test_measuring_gradients_does_not_change_the_training(hands, some, monkeypatch):
    logs, fit = [], demo.fit
    monkeypatch.setattr(demo, "fit", lambda *a, **o: logs.append(fit(*a, **o)) or logs[-1])
    demo.gradient_shares("balanced", hands, QUICK, every=1)
    assert logs[0].log["total"] == quick(hands, some)[1].log["total"]


# Failures


def log(case, hands):
    return HandLoss(HandLossWeights.code())(*demo.failure_batch(case, hands)).log()


def test_failures_change_the_terms_they_should(hands):
    good = log("as documented", hands)
    assert all(math.isfinite(value) and value >= 0 for value in good.values())
    for case, term in {
        "2D in pixels": "2d",
        "no hand model": "3d_joint",
        "metres for millimetres": "3d_joint",
        "y as confidence": "2d",
        "NaN pose": "aux",
    }.items():
        bad = log(case, hands)
        assert bad[term] != good[term]
        same = set(good) - {term, "total"} - ({"2d"} if case == "no hand model" else set())
        assert all(bad[name] == good[name] for name in same), case


def test_failures_are_what_their_names_say(hands):
    good = log("as documented", hands)
    assert log("2D in pixels", hands)["2d"] > 100 * good["2d"]
    assert log("y as confidence", hands)["2d"] < good["2d"]
    assert math.isnan(log("NaN pose", hands)["aux"])
    assert log("exploding prior", hands)["prior"] > 2000
    batch = next(demo.batches(hands, split_by_clip(hands, 0)[0], 0))
    missing = log("no hand model", hands)["3d_joint"]
    # Not 0: it is the size of the true hands.
    assert missing == pytest.approx(1000 * batch.joints.abs().sum().item(), rel=1e-5)
    assert log("metres for millimetres", hands)["3d_joint"] == pytest.approx(missing, rel=0.01)


def test_some_failures_show_in_training(hands):
    logs = demo.failure_logs(hands, steps=25)
    assert tuple(logs) == tuple(case for case in FAILURES if case != "NaN pose")
    good = logs["as documented"].log
    assert good["3d_joint"][-1] < 0.9 * good["3d_joint"][0]
    assert good["mpjpe"][-1] < 0.9 * good["mpjpe"][0]
    # Without a hand model nothing reaches the network through the joints.
    batches = demo.batches(hands, split_by_clip(hands, 0)[0], 0)
    sizes = [1000 * next(batches).joints.abs().sum().item() for _ in range(25)]
    assert logs["no hand model"].log["3d_joint"] == pytest.approx(sizes, rel=1e-4)
    for case in logs:
        expected = log(case, hands)
        assert logs[case].log["total"][0] == pytest.approx(expected["total"], rel=1e-4)


def test_unknown_failures_are_refused(hands):
    with pytest.raises(ValueError, match="case must be one of as documented"):
        demo.failure_batch("bad luck", hands)


# The record


def test_a_configuration_survives_json():
    config = replace(RECORDED, own_rates=(("code, mm", 1e-3),))
    assert Config.from_json(json.loads(json.dumps(asdict(config)))) == config
    assert config.rate("code, mm") == 1e-3
    assert config.rate("balanced") == RECORDED.learning_rate


def test_the_live_run_is_a_smaller_recorded_run():
    assert set(LIVE.arms) < set(RECORDED.arms)
    assert LIVE.steps * len(LIVE.arms) * len(LIVE.folds) <= 2000


SMALL = replace(QUICK, arms=("balanced", "2D only"), folds=(0, 3))


@pytest.fixture(scope="module")
def made(hands):
    return demo.record(hands, SMALL)


def test_a_record_is_written_and_read(made, tmp_path):
    path = tmp_path / "record.json"
    demo.save_record(made, path)
    read = demo.load_record(path)
    assert read.config == SMALL
    assert read.torch == torch.__version__
    assert read.values("2D only", "pa_mpjpe") == pytest.approx(
        made.values("2D only", "pa_mpjpe"), abs=1e-5
    )
    assert read.baseline[1].mpjpe == pytest.approx(made.baseline[1].mpjpe, abs=1e-5)
    assert read.shares[0].norms["aux"] == pytest.approx(made.shares[0].norms["aux"], rel=1e-4)
    again = tmp_path / "again.json"
    demo.save_record(read, again)
    assert again.read_text() == path.read_text()


def test_two_processes_find_what_one_does(hands, made):
    found = demo.record(hands, SMALL, workers=2)
    assert [replace(r, seconds=0.0) for r in found.results] == [
        replace(r, seconds=0.0) for r in made.results
    ]
    assert found.shares == made.shares


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content.pop("device"),
        lambda content: content["results"].pop(),
        lambda content: content["results"].reverse(),
        lambda content: content["results"][0].pop("mpjpe"),
        lambda content: content["results"][0].update(mpjpe=float("nan")),
        lambda content: content["results"][0].update(mpjpe="33"),
        lambda content: content["results"][0].update(mpjpe=-1.0),
        lambda content: content["baseline"].pop(),
        lambda content: content["baseline"][0].update(error_2d=None),
        lambda content: content["shares"].pop(),
        lambda content: content["shares"][0]["norms"]["2d"].pop(),
        lambda content: content["shares"][0].update(norms=3),
        lambda content: content["config"].update(unknown=1),
        lambda content: content["config"].update(own_rates=[["code, mm", 1, 2]]),
    ],
)
def test_a_damaged_record_is_refused(damage, made, tmp_path):
    path = tmp_path / "record.json"
    demo.save_record(made, path)
    content = json.loads(path.read_text())
    damage(content)
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r"record\.json: not a record"):
        demo.load_record(path)
    path.write_text("no JSON")
    with pytest.raises(ValueError, match=r"record\.json: not a record"):
        demo.load_record(path)


def test_records_cannot_hold_nan(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        records.write_json({"mpjpe": math.nan}, tmp_path / "deep" / "record.json")
    assert not (tmp_path / "deep").exists()
    assert records.rounded({"a": (1.123456789, [2, "b"])}) == {"a": [1.12346, [2, "b"]]}


def test_the_record_is_that_of_the_code():
    """After changing RECORDED, run `python -m lossbook.lab.hands.demo --record` again."""
    found = demo.load_record()
    assert found.config == RECORDED
    assert set(RECORDED.arms) == set(ARMS)
    assert all(len(found.values(arm)) == len(RECORDED.folds) >= 5 for arm in ARMS)
    assert demo.RECORD.stat().st_size < 100_000


def test_the_recorded_hands_are_those_of_the_package(hands):
    found = demo.load_record().baseline
    again = demo.baseline(1, hands)
    assert asdict(found[1]) == pytest.approx(asdict(again), abs=2e-4)


def test_the_recorded_networks_beat_the_mean_hand():
    found = demo.load_record()
    for value, guess in zip(found.values("balanced"), found.baseline, strict=True):
        assert value < 0.6 * guess.mpjpe


def test_several_workers_need_the_cpu(hands):
    with pytest.raises(ValueError, match="several workers need the CPU, got cuda"):
        demo.record(hands, SMALL, device="cuda", workers=2)
