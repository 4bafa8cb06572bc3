import json

import pytest
import torch

from lossbook import registry
from lossbook.lab.run import benchmark


@pytest.mark.compiles
def test_every_loss_is_timed_and_written_down(tmp_path, monkeypatch):
    one = [registry.card("wing_loss")]
    monkeypatch.setattr(benchmark, "cards", lambda: one)
    path = tmp_path / "benchmark.json"
    benchmark.main(["--device", "cpu", "--megabytes", "0.1", "--out", str(path)])
    record = json.loads(path.read_text())
    assert {"device", "torch", "date", "command"} <= record.keys()
    (timing,) = record["timings"]
    assert timing["loss"] == "wing_loss"
    assert timing["megabytes"] == 0.1
    assert min(timing[key] for key in ("eager", "compiled", "copy")) > 0
    assert timing["synchronises"] is None


def test_the_shipped_record_is_of_todays_losses():
    record = json.loads(benchmark.RECORD.read_text())
    assert [t["loss"] for t in record["timings"]] == [card.name for card in registry.cards()]


def test_a_synchronisation_would_be_noticed_only_where_it_can_be():
    assert benchmark._synchronises(lambda: None, torch.device("cpu")) is None
