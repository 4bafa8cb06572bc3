import time

import pytest
import torch

from lossbook import registry
from lossbook.lab.run import benchmark, pairs
from lossbook.terms import LossTerms

CPU = torch.device("cpu")
CARDS = registry.cards()


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.name)
def test_the_plain_form_is_the_loss_at_realistic_sizes(card):
    def value_and_gradients(form):
        inputs = benchmark.realistic_inputs(card, 4, CPU)
        found = form(**{name: value.double() for name, value in inputs.items()})
        found = found[0] if isinstance(found, tuple) else found
        value = found.total if isinstance(found, LossTerms) else found.sum()
        wanted = [inputs[name] for name in inputs if inputs[name].requires_grad]
        return value, torch.autograd.grad(value, wanted, materialize_grads=True) if wanted else ()

    ours, plain = value_and_gradients(card.function), value_and_gradients(card.plain_form())
    torch.testing.assert_close(ours, plain)


def test_every_input_of_a_loss_has_a_realistic_size():
    for card in CARDS:
        small = card.inputs(1, torch.Generator())
        assert list(benchmark.realistic_inputs(card, 1, CPU)) == list(small)


def test_a_batch_that_would_be_too_large_is_made_smaller():
    meta = torch.device("meta")
    inputs = benchmark.realistic_inputs(registry.card("vertex_loss"), 65536, meta)
    assert len(inputs["input"]) < 65536
    assert sum(value.nbytes for value in inputs.values()) <= benchmark.LARGEST


def test_turns_give_one_time_a_round_for_each():
    steps = {"fast": lambda: None, "slow": lambda: sum(range(3000))}
    times = pairs.time_in_turns(steps, CPU, seconds=0.05, rounds=5)
    assert [len(each) for each in times.values()] == [5, 5]
    low, middle, high = pairs.ratios(times, "fast", "slow")
    assert 1 < low <= middle <= high


def test_by_the_time_of_its_thread_a_step_that_waits_costs_nothing():
    steps = {"waits": lambda: time.sleep(0.002), "works": lambda: sum(range(3000))}
    times = pairs.time_in_turns(steps, CPU, seconds=0.1, rounds=5, clock=time.thread_time)
    assert max(times["waits"]) < 0.001
    on_the_wall = pairs.time_in_turns(steps, CPU, seconds=0.1, rounds=5)
    assert min(on_the_wall["waits"]) > 0.001


def test_peak_memory_counts_what_is_alive_together():
    x = torch.zeros(1000)

    def one_after_the_other():
        return ((x + 1) + 1) + 1

    def together():
        parts = [x + 1 for _ in range(4)]
        return parts[0]

    assert pairs.peak_bytes(one_after_the_other, CPU) == 2 * x.nbytes
    assert pairs.peak_bytes(together, CPU) == 4 * x.nbytes


@pytest.mark.compiles
def test_a_record_is_written_and_read(tmp_path, capsys):
    path = tmp_path / "record.json"
    options = [
        "--losses",
        "auxiliary_loss",
        "--batches",
        "2",
        "--threads",
        "1",
        "--seconds",
        "0.01",
        "--rounds",
        "3",
    ]
    benchmark.main([*options, "--out", str(path)])
    found = benchmark.load_record(path)
    assert found.command == " ".join(["python -m lossbook.lab.run.benchmark", *options])
    assert {(c.against, c.compiled) for c in found.comparisons} == {
        (against, compiled) for against in ("plain", "torch") for compiled in (False, True)
    }
    assert all(c.ratio > 0 and c.low <= c.ratio <= c.high for c in found.comparisons)
    assert all((c.memory is None) == c.compiled for c in found.comparisons)
    assert "auxiliary_loss" in capsys.readouterr().out


def test_an_unknown_loss_is_refused():
    with pytest.raises(ValueError, match="no loss named 'no_such_loss'; there are"):
        benchmark.run(["no_such_loss"])


def test_what_is_slower_is_listed_the_slowest_first(tmp_path):
    one = {
        "loss": "wing_loss", "against": "plain", "compiled": False, "threads": 1, "batch": 32,
        "megabytes": 1.0, "ours": 1.0, "theirs": 1.0, "low": 0.1, "high": 2.0, "copy_ms": 1.0,
        "eager_plain": 1.0, "memory": None, "synchronises": None,
    }  # fmt: skip
    found = [benchmark.Comparison(**one, ratio=ratio) for ratio in (0.9, 1.0, 0.5, 1.2)]
    assert [c.ratio for c in benchmark.missed(found)] == [0.5, 0.9]
