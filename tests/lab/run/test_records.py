import json
import math

import pytest
import torch

from lossbook.lab.run.records import command_line, rounded, stamp, write_json


def test_numbers_are_rounded_wherever_they_are_and_nothing_else_is_touched():
    value = {"a": (1 / 3, 2), "b": [{"c": 1e-7, "d": "x", "e": None, "f": True}]}
    assert rounded(value) == {"a": [0.33333, 2], "b": [{"c": 0.0, "d": "x", "e": None, "f": True}]}
    assert rounded(1 / 3, digits=2) == 0.33


def test_a_stamp_says_where_with_what_and_how():
    found = stamp("cpu", "python -m something")
    assert set(found) == {"device", "torch", "date", "command"}
    assert found["torch"] == torch.__version__
    assert found["command"] == "python -m something"
    assert "CPU" in found["device"] or "cpu" in found["device"].lower()


def test_what_is_written_can_be_read_and_nan_cannot_be_written(tmp_path):
    path = tmp_path / "new" / "record.json"
    write_json({"a": [1, 2.5]}, path)
    assert json.loads(path.read_text(encoding="utf-8")) == {"a": [1, 2.5]}
    with pytest.raises(ValueError, match="[Nn]a[Nn]|JSON compliant"):
        write_json({"a": math.nan}, path)
    assert json.loads(path.read_text(encoding="utf-8")) == {"a": [1, 2.5]}


def test_the_command_line_wants_one_task_and_knows_where_to_write(tmp_path):
    parser = command_line("lossbook.lab.hands.demo", tmp_path)
    options = parser.parse_args(["--sweep", "--device", "cpu"])
    assert (options.sweep, options.record, options.device) == (True, False, "cpu")
    assert options.out == tmp_path
    for wrong in ([], ["--sweep", "--record"]):
        with pytest.raises(SystemExit):
            parser.parse_args(wrong)
