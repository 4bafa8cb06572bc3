import json
from dataclasses import replace

import pytest
import torch
from lossbook.lab.landmarks.demo import LIVE, RECORDED, Config

from lossbook.lab.landmarks import demo
from lossbook.lab.landmarks.data import load_faces, split_by_subject
from lossbook.lab.landmarks.model import ARMS

QUICK = replace(RECORDED, steps=3)


@pytest.fixture(scope="module")
def faces():
    return load_faces()


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
