import json
from dataclasses import replace

import joblib
import pytest
import torch

from lossbook.lab.hands import experiment as hands
from lossbook.lab.run import command
from lossbook.lab.run.command import best_rates, main
from lossbook.lab.run.experiment import Experiment, Sweep, Task
from lossbook.lab.run.records import NO_SWEEP, Config, Record, Result, Score, Trial

MODULE = "lossbook.lab.toy.experiment"
CONFIG = Config(arms=("a", "b, c"), folds=(0, 1), steps=3, learning_rate=0.5)
QUICK = hands.RECORDED.replace(
    arms=("balanced", "2D only"), folds=(0, 3), steps=2, synthetic=8, real=8, test=20,
    shares=("balanced",),
)  # fmt: skip


class Toy(Record[Config, Result, Score]):
    headline = "seconds"


@pytest.fixture
def calls():
    return []


@pytest.fixture
def toy(tmp_path, calls):
    """An experiment that runs in no time and lists what it is asked for."""
    file = tmp_path / "numbers"
    file.write_text("1 2 3")

    def run(arm, fold, config, data, *, device, progress):
        calls.append((arm, fold))
        if arm == "broken":
            raise FloatingPointError("NaN")
        # What a seeded run sees of its surroundings.
        assert torch.get_num_threads() == 1
        return Result(arm=arm, fold=fold, seconds=config.rate(arm) + fold)

    def try_rate(arm, rate, fold, config, data, *, device):
        calls.append((arm, rate, fold, config.steps))
        return {"seconds": abs(rate - (2.0 if arm == "a" else 1.0))}

    return Experiment(
        module=MODULE,
        path=tmp_path / "record.json",
        config=CONFIG,
        kind=Toy,
        load=lambda: None,
        files=lambda: [file],
        run=run,
        try_rate=try_rate,
        baseline=lambda fold, data, config: 1 / 3 + fold,
        rates=Sweep(rates=(1.0, 2.0), folds=(1,), steps=2),
        summary=lambda scores: f"{scores['seconds']:.1f}",
    )


@pytest.fixture
def shell(toy, monkeypatch):
    """The command line of the toy."""
    module = type("Module", (), {"EXPERIMENT": toy})
    monkeypatch.setattr(command.importlib, "import_module", lambda name: module)
    return lambda *arguments: main(MODULE, [*arguments, "--device", "cpu"])


def test_a_record_has_every_arm_in_every_fold(toy, capsys):
    found = toy.record()
    assert [(r.fold, r.arm) for r in found.results] == [
        (0, "a"),
        (0, "b, c"),
        (1, "a"),
        (1, "b, c"),
    ]
    assert found.baseline == (0.33333, 1.33333)
    assert found.note == NO_SWEEP
    assert found.command == f"python -m {MODULE} --record"
    assert "1 threads" in found.device
    assert "fold 1  b, c" in capsys.readouterr().out
    toy.save(found)
    assert toy.load_record() == found
    assert toy.stale(found) == []


def test_what_was_done_is_not_done_again(toy, calls):
    first = toy.record()
    assert len(calls) == 4
    assert toy.record() == first
    assert len(calls) == 4


def test_what_a_record_has_is_not_done_again(toy, calls, tmp_path):
    """A record can be extended on a machine that has nothing but the record."""
    toy.sweep(runs=tmp_path / "here")
    toy.save(toy.record(runs=tmp_path / "here"))
    first, done = toy.load_record(), len(calls)
    assert toy.record(runs=tmp_path / "there") == first
    assert len(calls) == done
    longer = toy.config.replace(folds=(0, 1, 2))
    found = toy.record(longer, runs=tmp_path / "elsewhere")
    assert calls[done:] == [("a", 2), ("b, c", 2)]
    assert found.results[:4] == first.results


def test_a_record_of_other_code_is_made_anew(toy, calls, tmp_path):
    toy.save(toy.record(runs=tmp_path / "here").replace(source="0" * 64))
    done = len(calls)
    toy.record(runs=tmp_path / "there")
    assert len(calls) == 2 * done


def test_a_run_that_failed_leaves_the_others_and_is_tried_again(toy, calls):
    bad = toy.config.replace(arms=("a", "broken"))
    for _ in range(2):
        with pytest.raises(FloatingPointError):
            toy.record(bad)
    assert calls == [("a", 0), ("broken", 0), ("broken", 0)]


@pytest.mark.parametrize(
    ("change", "again"),
    [({"steps": 4}, 4), ({"own_rates": (("a", 0.1),)}, 2), ({"arms": ("a",)}, 0)],
)
def test_another_configuration_repeats_the_runs_that_it_changes(change, again, toy, calls):
    toy.record()
    calls.clear()
    toy.record(toy.config.replace(**change))
    assert len(calls) == again


@pytest.mark.parametrize("part", ["source", "data", "torch"])
def test_other_code_other_data_or_another_torch_repeats_all(part, toy, calls, monkeypatch):
    found = toy.record()
    calls.clear()
    other = toy.origin()._replace(**{part: "0" * 64})
    monkeypatch.setattr(Experiment, "origin", lambda self, device="cpu": other)
    assert bool(toy.stale(found)) == (part != "torch")
    toy.record()
    assert len(calls) == 4


def test_a_worker_with_other_code_is_refused(toy, monkeypatch):
    origins = iter([toy.origin(), toy.origin()._replace(source="0" * 64)])
    monkeypatch.setattr(Experiment, "origin", lambda self, device="cpu": next(origins))
    with pytest.raises(RuntimeError, match="a worker has other code"):
        toy.work([Task("results", 0, "a")])


def test_a_damaged_store_is_named(toy):
    toy.record()
    file = next((toy.path.parent / "runs").glob("results-0-a-*.json"))
    file.write_text("{")
    with pytest.raises(ValueError, match=r"results-0-a-.*json: not a valid outcome"):
        toy.record()


def test_every_arm_is_swept_by_the_same_rule_and_the_record_takes_it_over(toy, calls):
    trials = toy.sweep()
    assert calls == [(arm, rate, 1, 2) for arm in ("a", "b, c") for rate in (1.0, 2.0)]
    assert best_rates(trials, "seconds") == {"a": 2.0, "b, c": 1.0}
    found = toy.record()
    assert found.sweeps == trials
    assert found.note == ""
    # The rates that a sweep suggests do not make it stale.
    chosen = replace(toy, config=toy.config.replace(own_rates=(("a", 2.0),)))
    assert chosen.record().sweeps == trials
    assert len([call for call in calls if len(call) == 4]) == 4


def test_the_best_rate_is_that_of_the_mean_over_folds():
    trials = [
        Trial(arm="a", fold=fold, rate=rate, steps=1, scores={"nme": score})
        for fold, rate, score in [(0, 1.0, 0.0), (1, 1.0, 5.0), (0, 2.0, 2.0), (1, 2.0, 2.0)]
    ]
    assert best_rates(trials, "nme") == {"a": 2.0}


def test_several_workers_on_a_gpu_need_a_cluster(toy, monkeypatch):
    with pytest.raises(ValueError, match="several workers need the CPU or a cluster, got cuda"):
        toy.work([Task("results", 0, "a")], device="cuda", workers=2)
    with joblib.parallel_config(n_jobs=2), pytest.raises(ValueError, match="several workers"):
        toy.work([Task("results", 0, "a")], device="cuda")


def test_the_command_line_records(shell, toy):
    shell("--record")
    assert toy.load_record().config == toy.config


def test_a_part_is_stored_and_never_called_a_record(shell, toy, calls, capsys):
    shell("--record", "--arms", "b, c")
    shell("--record", "--folds", "1")
    assert not toy.path.exists()
    assert "a record needs all arms and folds" in capsys.readouterr().out
    shell("--record")
    assert sorted(calls) == [("a", 0), ("a", 1), ("b, c", 0), ("b, c", 1)]
    assert toy.path.exists()


def test_a_sweep_goes_into_the_record_of_the_same_code(shell, toy, capsys):
    shell("--record")
    assert toy.load_record().note == NO_SWEEP
    shell("--sweep", "--arms", "b, c")
    some = toy.load_record()
    assert [(trial.arm, trial.rate) for trial in some.sweeps] == [("b, c", 1), ("b, c", 2)]
    assert some.note == "Learning rates were tried for: b, c."
    shell("--sweep", "--arms", "a")
    assert "a                  best rate 2" in capsys.readouterr().out
    trials = toy.load_record().sweeps
    assert [trial.arm for trial in trials] == ["a", "a", "b, c", "b, c"]
    assert toy.load_record().note == ""


def test_what_some_arms_tried_goes_into_a_later_record(shell, toy):
    shell("--sweep", "--arms", "a")
    shell("--record")
    assert {trial.arm for trial in toy.load_record().sweeps} == {"a"}
    assert toy.load_record().note == "Learning rates were tried for: a."


def test_a_sweep_of_other_code_waits_for_the_next_record(shell, toy, capsys):
    shell("--record")
    old = toy.load_record().replace(source="0" * 64)
    toy.save(old)
    shell("--sweep")
    assert "--record will write them down" in capsys.readouterr().out
    assert toy.load_record() == old


def test_a_record_of_refactored_code_says_so(shell, toy):
    shell("--record")
    toy.save(toy.load_record().replace(source="0" * 64))
    shell("--refactored", "names only")
    found = toy.load_record()
    assert found.refactored.endswith(": names only")
    assert toy.stale(found) == []
    toy.save(found.replace(data="0" * 64))
    with pytest.raises(SystemExit, match="other data"):
        shell("--refactored", "names only")


@pytest.mark.parametrize(
    "wrong",
    [[], ["--sweep", "--record"], ["--record", "--arms", "d"], ["--record", "--folds", "7"]],
)
def test_the_command_line_wants_one_task_and_known_names(wrong, shell, calls):
    with pytest.raises(SystemExit):
        shell(*wrong)
    assert calls == []


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """A real experiment, in this process."""
    return outcomes(tmp_path_factory.mktemp("alone"))


def outcomes(runs, **how):
    tasks = hands.EXPERIMENT.tasks(QUICK)
    found = [one.value for one in hands.EXPERIMENT.work(tasks, QUICK, runs=runs, **how)]
    for value in found:
        value.pop("seconds", None)
    return json.dumps(found)


@pytest.mark.spawns
def test_two_processes_find_what_one_does(alone, tmp_path):
    assert outcomes(tmp_path, workers=2) == alone


@pytest.mark.spawns
def test_a_dask_cluster_finds_what_one_process_does(alone, tmp_path):
    distributed = pytest.importorskip("distributed")
    cluster = distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
    )
    with cluster, command._cluster(cluster.scheduler_address):
        assert outcomes(tmp_path) == alone
