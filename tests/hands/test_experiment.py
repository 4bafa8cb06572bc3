import json
import math
from dataclasses import asdict, replace

import pytest
import torch
from lossbook.lab.hands.demo import LIVE, RECORDED, Config

from lossbook.lab.hands import demo, model
from lossbook.lab.hands.data import load_hands, split_by_clip
from lossbook.lab.hands.model import ARMS, BALANCED, Lifter, batches, make_scene, train
from lossbook.lab.run import records
from lossbook.lab.run.devices import threads

QUICK = replace(RECORDED, steps=3, synthetic=8, real=8, test=20, shares=("balanced",))


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


def test_the_baselines_are_the_mean_hand_and_the_bare_detection(hands):
    found = demo.baseline(2, hands, QUICK)
    scene = make_scene(hands, split_by_clip(hands, 2)[1], 1002, QUICK)
    off = (scene.real_detected[..., :2] - scene.real).norm(dim=-1)
    assert found.error_2d == pytest.approx(off.mean().item(), rel=1e-5)
    assert found.error_2d_occluded > 2.5 * found.error_2d
    assert 50 < found.mpjpe < 110
    assert 20 < found.pa_mpjpe < 50


def test_sweeps_never_train_on_the_clips_they_score(hands, monkeypatch):
    seen = {}

    def look(loss, hands, indices, **options):
        seen["train"], seen["rate"] = indices, options["learning_rate"]
        return Lifter(), None

    def scene(hands, indices, seed, config):
        seen["score"], seen["seed"] = indices, seed
        return make_scene(hands, indices, seed, config)

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
    lifter = Lifter()
    batch = next(batches(hands, some, 0, QUICK))
    (BALANCED.w_aux * ARMS["no prior"](lifter(batch.detected), batch).terms["aux"]).backward()
    squares = [p.grad.square().sum() for p in lifter.parameters() if p.grad is not None]
    assert found.norms["aux"][0] == pytest.approx(sum(squares).sqrt().item(), rel=1e-4)


def test_measuring_gradients_does_not_change_the_training(hands, some, monkeypatch):
    logs, fit = [], model.fit
    monkeypatch.setattr(model, "fit", lambda *a, **o: logs.append(fit(*a, **o)) or logs[-1])
    demo.gradient_shares("balanced", hands, QUICK, every=1)
    _, plain = train(ARMS["balanced"], hands, some, settings=QUICK, progress=False)
    assert logs[0].log["total"] == plain.log["total"]


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
