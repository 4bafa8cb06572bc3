import json
import math

import pytest
import torch
from pydantic import ValidationError

from lossbook.lab.run.records import (
    NO_SWEEP,
    Config,
    Digits,
    Model,
    Number,
    Record,
    Result,
    Score,
    read,
    stamp,
    write_json,
)

CONFIG = Config(arms=("a", "b"), folds=(0, 2), steps=3, learning_rate=0.1, own_rates=(("b", 1.0),))


class Toy(Record[Config, Result, Score]):
    headline = "seconds"


def results(config=CONFIG):
    return tuple(
        Result(arm=arm, fold=fold, seconds=1.0 + fold, units={"seconds": (0.5, 1.5 + 2 * fold)})
        for fold in config.folds
        for arm in config.arms
    )


def toy(**changes):
    values = {"config": CONFIG, "results": results(), "baseline": (1.0, 2.0), "note": NO_SWEEP}
    hashes = {"source": "0" * 64, "data": "1" * 64}
    return Toy(**values | hashes | stamp("cpu", "python -m something") | changes)


class Numbers(Model):
    score: Score
    number: Number
    digits: Digits


def test_numbers_are_rounded_where_they_are_stored_and_only_there():
    value = Numbers(score=1 / 3, number=-2 / 3, digits=1e-6 / 3)
    assert (value.score, value.number, value.digits) == (1 / 3, -2 / 3, 1e-6 / 3)
    assert value.model_dump(mode="json") == {
        "score": 0.33333,
        "number": -0.66667,
        "digits": 3.3333e-7,
    }


@pytest.mark.parametrize("bad", [math.nan, math.inf, -0.1, "0.5", None, True])
def test_a_score_is_a_finite_number_from_0_on(bad):
    with pytest.raises(ValidationError, match="score"):
        Numbers(score=bad, number=0.0, digits=0.0)


def test_models_do_not_change_and_their_copies_are_checked():
    with pytest.raises(ValidationError, match="frozen"):
        CONFIG.steps = 4
    assert CONFIG.replace(steps=4).steps == 4
    assert CONFIG.steps == 3
    for wrong in ({"steps": 0}, {"stesp": 4}, {"arms": ("a", "a")}, {"folds": ()}):
        with pytest.raises(ValidationError):
            CONFIG.replace(**wrong)


def test_an_arm_has_its_own_rate_or_the_common_one():
    assert (CONFIG.rate("a"), CONFIG.rate("b")) == (0.1, 1.0)


def test_a_record_gives_one_number_a_fold_and_all_units():
    found = toy()
    assert found.values("a") == found.values("b", "seconds") == [1.0, 3.0]
    assert found.units("a") == [0.5, 1.5, 0.5, 5.5]
    with pytest.raises(KeyError):
        found.units("a", "nme")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"results": results()[:-1]}, "results: expected one for each fold and arm"),
        ({"results": results()[::-1]}, "results: expected one for each fold and arm"),
        ({"baseline": (1.0,)}, "baseline: expected one for each fold"),
        ({"baseline": (1.0, 2.0, 3.0)}, "baseline: expected one for each fold, got 3"),
        ({"note": ""}, "note: must say why there are no sweeps"),
        ({"source": "unknown"}, "source"),
        ({"date": "today"}, "date"),
    ],
)
def test_an_incomplete_record_is_refused(changes, message):
    with pytest.raises(ValidationError, match=message):
        toy(**changes)


def test_a_record_survives_its_file_and_errors_name_file_and_field(tmp_path):
    path = tmp_path / "record.json"
    write_json(toy().model_dump(mode="json"), path)
    assert read(Toy, path) == toy()
    content = json.loads(path.read_text())
    content["results"][1]["seconds"] = "fast"
    content["unknown"] = 1
    path.write_text(json.dumps(content))
    with pytest.raises(
        ValueError, match=r"record\.json: not a valid toy: results\.1\.seconds: .*number"
    ):
        read(Toy, path)
    path.write_text("no JSON")
    with pytest.raises(ValueError, match=r"record\.json: not a valid toy: Invalid JSON"):
        read(Toy, path)
    with pytest.raises(OSError, match="missing"):
        read(Toy, tmp_path / "missing.json")


def test_a_stamp_says_where_with_what_and_how():
    found = stamp("cpu", "python -m something")
    assert set(found) == {"device", "torch", "python", "platform", "date", "command"}
    assert found["torch"] == torch.__version__
    assert found["command"] == "python -m something"
    assert "cpu" in found["device"].lower()


def test_what_is_written_can_be_read_and_nan_cannot_be_written(tmp_path):
    path = tmp_path / "new" / "record.json"
    write_json({"a": [1, 2.5]}, path)
    assert json.loads(path.read_text(encoding="utf-8")) == {"a": [1, 2.5]}
    with pytest.raises(ValueError, match="[Nn]a[Nn]|JSON compliant"):
        write_json({"a": math.nan}, path)
    assert json.loads(path.read_text(encoding="utf-8")) == {"a": [1, 2.5]}
    assert [file.name for file in path.parent.iterdir()] == ["record.json"]
