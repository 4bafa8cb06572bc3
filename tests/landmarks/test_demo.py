import json
from dataclasses import replace

import pytest
import torch

from lossbook.lab.landmarks import demo
from lossbook.lab.landmarks.data import load_faces, split_by_subject
from lossbook.lab.landmarks.demo import ARMS, LIVE, RECORDED, Config, LandmarkNet, Prediction

QUICK = replace(RECORDED, steps=3)


@pytest.fixture(scope="module")
def faces():
    return load_faces()


@pytest.fixture(scope="module")
def some(faces):
    return split_by_subject(faces, 0)[0]


@pytest.fixture
def batch(faces, some):
    return next(demo.batches(faces, some, 0))


@pytest.fixture
def model(faces, some):
    torch.manual_seed(0)
    return LandmarkNet(demo.mean_shape(faces, some))


def quick(faces, some, arm="SmoothL1", seed=0):
    return demo.train(ARMS[arm], faces, some, seed=seed, config=QUICK, progress=False)


def test_the_network_starts_at_the_mean_shape_looking_ahead(model, batch):
    found = model(batch.images)
    assert torch.equal(found.landmarks, model.mean_shape.expand(32, 98, 2))
    assert torch.equal(found.angles, torch.zeros(32, 3))


def test_every_arm_trains_on_the_same_crops_from_the_same_weights(faces, some):
    first, second, other = (next(demo.batches(faces, some, seed)) for seed in (0, 0, 1))
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
    assert in_units == pytest.approx(5 * ARMS["L1"](guess, batch).item() / demo.SIZE, rel=2e-3)


def test_training_is_reproducible_and_depends_on_the_seed(faces, some):
    (one, log), (two, same), (_, other) = (quick(faces, some, seed=seed) for seed in (0, 0, 1))
    assert log.log == same.log
    assert log.log != other.log
    assert all(map(torch.equal, one.state_dict().values(), two.state_dict().values()))


def test_a_little_training_beats_the_mean_shape(faces, some):
    config = replace(RECORDED, steps=60)
    model, _ = demo.train(ARMS["SmoothL1"], faces, some, config=config, progress=False)
    test = split_by_subject(faces, 0)[1]
    assert demo.evaluate(model, faces, test)["nme"] < 0.75 * demo.baseline(0, faces)


def test_the_result_is_consistent(faces):
    result = demo.run("Wing", 1, QUICK, faces, progress=False)
    errors = torch.tensor(result.errors)
    assert len(errors) == 80
    assert result.nme == pytest.approx(errors.mean().item(), rel=1e-5)
    assert result.failure_rate == pytest.approx((errors > 0.1).float().mean().item())
    test = split_by_subject(faces, 1)[1]
    rare = faces.attributes[test].any(1)
    assert result.nme_rare == pytest.approx(errors[rare].mean().item(), rel=1e-5)
    assert result.nme_common == pytest.approx(errors[~rare].mean().item(), rel=1e-5)


def test_predict_works_in_parts_and_leaves_the_mode_alone(model, batch):
    whole = demo.predict(model, batch.images)
    assert model.training
    parts = demo.predict(model.eval(), batch.images, batch_size=5)
    assert not model.training
    assert not whole.landmarks.requires_grad
    torch.testing.assert_close(parts, whole)


def test_too_few_faces_for_a_batch_are_an_error(faces):
    with pytest.raises(ValueError, match="a batch needs 32 faces, there are 7"):
        next(demo.batches(faces, torch.arange(7), 0))


def test_the_failures_show_in_the_log(faces):
    logs = demo.failure_logs(faces, steps=20)
    assert tuple(logs) == demo.FAILURES
    for case in ("no attributes", "perfect pose"):
        assert logs[case].log["weighted"] == [0.0] * 20
        assert logs[case].log["total"] == [0.0] * 20
    assert logs["no attributes"].log["l2"] == logs["perfect pose"].log["l2"]
    # The mean of 1 - cos over many turns is 1 for each angle; in radians it starts near 0.05.
    documented, degrees = (logs[case].log for case in ("as documented", "degrees"))
    assert documented["l2"][0] == degrees["l2"][0]
    assert sum(documented["weighted"]) / sum(documented["l2"]) < 0.5
    assert sum(degrees["weighted"]) / sum(degrees["l2"]) > 5


def test_sweeps_never_train_on_the_people_they_score(faces, monkeypatch):
    seen = {}

    def look(loss, faces, indices, **options):
        seen["train"] = indices
        seen["rate"] = options["learning_rate"]
        return None, None

    def score(model, faces, indices):
        seen["score"] = indices
        return {"nme": 0.5}

    monkeypatch.setattr(demo, "train", look)
    monkeypatch.setattr(demo, "evaluate", score)
    config = replace(QUICK, arms=("L2",))
    assert demo.sweep(faces, config, [0.1], fold=3) == {("L2", 0.1): 0.5}
    parts = [set(faces.subject[seen[part]].tolist()) for part in ("train", "score")]
    parts.append(set(faces.subject[split_by_subject(faces, 3)[1]].tolist()))
    assert [len(part) for part in parts] == [24, 8, 8]
    assert len(set.union(*parts)) == 40


def test_a_configuration_survives_json():
    assert Config.from_json(json.loads(json.dumps(demo.asdict(RECORDED)))) == RECORDED


def test_the_live_run_is_a_smaller_recorded_run():
    assert set(LIVE.arms) < set(RECORDED.arms)
    assert LIVE.steps * len(LIVE.arms) * len(LIVE.folds) <= 1800


def test_a_record_is_written_and_read(faces, tmp_path, capsys):
    config = replace(QUICK, arms=("L2", "Wing"), folds=(0, 3))
    made = demo.record(faces, config)
    assert "NME" in capsys.readouterr().out
    path = tmp_path / "record.json"
    demo.save_record(made, path)
    read = demo.load_record(path)
    assert read.config == config
    assert read.torch == torch.__version__
    assert read.values("Wing") == pytest.approx(made.values("Wing"), abs=1e-5)
    assert len(read.errors("L2")) == 160


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content.pop("device"),
        lambda content: content["results"].pop(),
        lambda content: content["results"][0].pop("nme"),
        lambda content: content["baseline"].pop(),
        lambda content: content["config"].update(unknown=1),
        lambda content: content["config"].update(own_rates=[["PFLD", 1, 2]]),
        lambda content: content["results"][0].update(nme=float("nan")),
        lambda content: content["results"][0].update(nme="0.04"),
        lambda content: content["results"][0].update(nme=0.5),
        lambda content: content["results"][0]["errors"].pop(),
    ],
)
def test_a_damaged_record_is_refused(damage, faces, tmp_path):
    path = tmp_path / "record.json"
    demo.save_record(demo.record(faces, replace(QUICK, arms=("L2",), folds=(0,), steps=1)), path)
    content = json.loads(path.read_text())
    damage(content)
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r"record\.json"):
        demo.load_record(path)
    path.write_text("no JSON")
    with pytest.raises(ValueError, match=r"record\.json: not a record"):
        demo.load_record(path)


def test_the_record_is_that_of_the_code():
    """After changing RECORDED, run `python -m lossbook.lab.landmarks.demo --record` again."""
    found = demo.load_record()
    assert found.config == RECORDED
    assert set(RECORDED.arms) == set(ARMS)
    assert all(len(found.values(arm)) == 5 for arm in ARMS)
    assert all(len(found.errors(arm)) == 400 for arm in ARMS)
    assert demo.RECORD.stat().st_size < 100_000


def test_the_recorded_faces_are_those_of_the_package(faces):
    found = demo.load_record()
    assert found.baseline == pytest.approx(
        [demo.baseline(fold, faces) for fold in RECORDED.folds], abs=1e-5
    )
