import json

import pytest
import torch

from lossbook.lab.landmarks import experiment
from lossbook.lab.landmarks.data import split_by_subject
from lossbook.lab.landmarks.experiment import EXPERIMENT, LIVE, RECORDED, Config, load_record
from lossbook.lab.landmarks.model import ARMS

QUICK = RECORDED.replace(steps=3)


def test_the_result_is_consistent(faces):
    result = experiment.run("Wing", 1, QUICK, faces, progress=False)
    errors = torch.tensor(result.units["nme"])
    assert len(errors) == 80
    assert result.nme == pytest.approx(errors.mean().item(), rel=1e-5)
    assert result.failure_rate == pytest.approx((errors > 0.1).float().mean().item())
    test = split_by_subject(faces, 1)[1]
    rare = faces.attributes[test].any(1)
    assert result.nme_rare == pytest.approx(errors[rare].mean().item(), rel=1e-5)
    assert result.nme_common == pytest.approx(errors[~rare].mean().item(), rel=1e-5)


def test_trials_never_train_on_the_people_they_score(faces, monkeypatch):
    seen = {}

    def look(loss, faces, indices, **options):
        seen["train"] = indices
        seen["rate"] = options["learning_rate"]
        return None, None

    def score(model, faces, indices):
        seen["score"] = indices
        return {"nme": 0.5}

    monkeypatch.setattr(experiment, "train", look)
    monkeypatch.setattr(experiment, "evaluate", score)
    assert experiment.try_rate("L2", 0.1, 3, QUICK, faces) == {"nme": 0.5}
    assert seen["rate"] == 0.1
    parts = [set(faces.subject[seen[part]].tolist()) for part in ("train", "score")]
    parts.append(set(faces.subject[split_by_subject(faces, 3)[1]].tolist()))
    assert [len(part) for part in parts] == [24, 8, 8]
    assert len(set.union(*parts)) == 40


def test_a_configuration_survives_json():
    assert Config.model_validate_json(RECORDED.model_dump_json()) == RECORDED


def test_the_live_run_is_a_smaller_recorded_run():
    assert set(LIVE.arms) < set(RECORDED.arms)
    assert LIVE.steps * len(LIVE.arms) * len(LIVE.folds) <= 1800


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    config = QUICK.replace(arms=("L2", "Wing"), folds=(0, 3), steps=1)
    return EXPERIMENT.record(config, runs=tmp_path_factory.mktemp("runs"))


def test_a_record_is_written_and_read(made, tmp_path):
    path = tmp_path / "record.json"
    EXPERIMENT.save(made, path)
    found = load_record(path)
    assert found == made
    assert found.torch == torch.__version__
    assert len(found.units("L2")) == 160


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content.pop("device"),
        lambda content: content["results"].pop(),
        lambda content: content["results"][0].pop("nme"),
        lambda content: content["baseline"].pop(),
        lambda content: content["config"].update(unknown=1),
        lambda content: content["config"].update(own_rates=[["PFLD", 1, 2]]),
        lambda content: content["config"]["augmentation"].update(rotation="15"),
        lambda content: content["results"][0].update(nme=float("nan")),
        lambda content: content["results"][0].update(nme="0.04"),
        lambda content: content["results"][0].update(nme=0.5),
        lambda content: content["results"][0]["units"].clear(),
        lambda content: content["results"][0]["units"]["nme"].pop(),
    ],
)
def test_a_damaged_record_is_refused(damage, made, tmp_path):
    path = tmp_path / "record.json"
    EXPERIMENT.save(made, path)
    content = json.loads(path.read_text())
    damage(content)
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r"record\.json: not a valid record: "):
        load_record(path)


def test_the_record_is_that_of_the_code():
    """If not, run the experiment again; after mere refactoring, renew it.

    `python -m lossbook.lab.landmarks.experiment --record`, or `--refactored "why"`.
    """
    found = load_record()
    assert EXPERIMENT.stale(found) == []
    assert set(RECORDED.arms) == set(ARMS)
    assert all(len(found.values(arm)) == 5 for arm in ARMS)
    assert all(len(found.units(arm)) == 400 for arm in ARMS)
    assert experiment.RECORD.stat().st_size < 100_000


def test_the_recorded_faces_are_those_of_the_package(faces):
    assert load_record().baseline == pytest.approx(
        [experiment.baseline(fold, faces) for fold in RECORDED.folds], abs=1e-5
    )
