import math
import os
import subprocess
import sys

import pytest
import torch
from torch import nn

from lossbook import LossTerms
from lossbook.lab.run.devices import threads
from lossbook.lab.run.training import default_device, describe_device, fit, seed_everything


class Noisy(nn.Module):
    """Has random numbers of its own, so that the seed of `fit` matters."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 1)
        self.drop = nn.Dropout(0.5)

    def forward(self, x):
        return self.layer(self.drop(x))


def make_model(seed=0):
    seed_everything(seed)
    return Noisy()


def batch_of(step):
    generator = torch.Generator().manual_seed(step)
    x = torch.rand(8, 3, generator=generator)
    return x, x.sum(1, keepdim=True)


def squared_error(model, batch):
    x, y = batch
    return (model(x) - y).square().mean()


def two_terms(model, batch):
    x, y = batch
    error = model(x) - y
    return LossTerms(
        {"square": error.square().mean(), "absolute": error.abs().mean()},
        {"square": 2.0, "absolute": 0.0},
    )


def run(loss_fn=squared_error, batches=batch_of, *, model=None, **options):
    options = {"steps": 30, "progress": False, "seed": 0} | options
    return fit(model or make_model(), loss_fn, batches, **options)


def test_training_reduces_the_loss():
    seed_everything(0)
    model = nn.Linear(3, 1)
    log = run(model=model, steps=300, learning_rate=0.2).log["total"]
    assert log[0] > 0.1
    assert log[-1] < 1e-3


def test_the_same_seed_gives_the_same_run_and_another_seed_another():
    first, second, other = run(seed=1), run(seed=1), run(seed=2)
    assert first.log == second.log
    assert first.log["total"] != other.log["total"]


def test_the_log_has_every_raw_term_of_every_step():
    history = run(two_terms, steps=7, check_every=3)
    log = history.log
    assert set(log) == {"total", "square", "absolute", "learning_rate"}
    assert {len(values) for values in log.values()} == {7} == {history.steps}
    assert log["total"] == pytest.approx([2 * value for value in log["square"]])
    assert history.seconds > 0


def test_the_log_is_what_a_loop_by_hand_gives():
    history = run(steps=5, learning_rate=0.1, schedule="constant")
    model = make_model()
    seed_everything(0)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    by_hand = []
    for step in range(5):
        loss = squared_error(model, batch_of(step))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        by_hand.append(loss.item())
    assert history.log["total"] == pytest.approx(by_hand, rel=1e-6)


def test_another_optimizer_may_be_given():
    history = run(steps=3, learning_rate=0.1, schedule="constant", optimizer=torch.optim.SGD)
    model = make_model()
    seed_everything(0)
    by_hand = []
    for step in range(3):
        loss = squared_error(model, batch_of(step))
        model.zero_grad()
        loss.backward()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter -= 0.1 * parameter.grad
        by_hand.append(loss.item())
    assert history.log["total"] == pytest.approx(by_hand, rel=1e-6)


def test_a_term_that_comes_and_goes_is_nan_where_it_was_absent():
    calls = iter(range(4))

    def sometimes(model, batch):
        loss = squared_error(model, batch)
        terms = {"data": loss} | ({"penalty": loss} if next(calls) % 2 else {})
        return LossTerms(terms, dict.fromkeys(terms, 1.0))

    penalty = run(sometimes, steps=4).log["penalty"]
    assert [math.isnan(value) for value in penalty] == [True, False, True, False]


@pytest.mark.parametrize(
    ("schedule", "first", "largest"),
    [("constant", 1.0, 1.0), ("cosine", 1.0, 1.0), ("one_cycle", 0.04, 1.0)],
)
def test_schedules(schedule, first, largest):
    rates = run(schedule=schedule, learning_rate=1.0, steps=100).log["learning_rate"]
    assert rates[0] == pytest.approx(first)
    assert max(rates) == pytest.approx(largest, rel=1e-2)
    assert (rates[-1] == 1.0) if schedule == "constant" else (rates[-1] < 0.01)


@pytest.mark.parametrize("schedule", ["constant", "cosine", "one_cycle"])
def test_one_step_is_enough(schedule):
    assert run(steps=1, schedule=schedule).steps == 1


@pytest.mark.parametrize("check_every", [1, 4, 100])
def test_a_loss_that_becomes_nan_names_its_step_and_term(check_every):
    def breaks(model, batch):
        loss = two_terms(model, batch)
        factor = math.nan if batch[0] is poison else 1.0
        return LossTerms(
            {"fine": loss.terms["square"], "broken": loss.terms["square"] * factor},
            {"fine": 1.0, "broken": 1.0},
        )

    poison = batch_of(0)[0]
    stream = [batch_of(0)] * 5 + [(poison, batch_of(0)[1])] + [batch_of(0)] * 4
    with pytest.raises(FloatingPointError, match=r"nan at step 5 .*broken") as error:
        run(breaks, stream, steps=10, check_every=check_every)
    assert "fine" not in str(error.value)


def test_a_monitor_may_be_infinite():
    def with_monitor(model, batch):
        loss = squared_error(model, batch)
        return LossTerms({"data": loss, "monitor": loss / 0.0}, {"data": 1.0, "monitor": 0.0})

    log = run(with_monitor, steps=3).log
    assert log["monitor"] == [math.inf] * 3
    assert all(map(math.isfinite, log["total"]))


def test_the_gradient_is_clipped_and_its_norm_logged():
    def steep(model, batch):
        return 1e6 * squared_error(model, batch)

    assert min(run(steep, clip_norm=1.0).log["grad_norm"]) > 1.0
    model = make_model()
    start = model.layer.weight.detach().clone()
    run(steep, model=model, clip_norm=1e-12, steps=1, learning_rate=1.0)
    # Adam divides by the gradient's size plus 1e-8: only a tiny gradient moves less than the rate.
    assert (model.layer.weight - start).abs().max() < 1e-3


@pytest.mark.parametrize("clip_norm", [0.0, -1.0, float("nan")])
def test_a_clip_norm_that_would_stop_or_reverse_training_is_refused(clip_norm):
    with pytest.raises(ValueError, match="clip_norm must be finite and greater than 0"):
        run(squared_error, clip_norm=clip_norm)


def test_batches_may_be_a_loader_that_starts_again():
    assert run(batches=[batch_of(0), batch_of(1)], steps=5).steps == 5


def test_batches_may_be_a_function_or_an_iterator():
    from_function = run(batches=batch_of, steps=5).log
    assert run(batches=map(batch_of, range(5)), steps=5).log == from_function
    assert run(batches=[batch_of(step) for step in range(5)], steps=5).log == from_function


@pytest.mark.parametrize("batches", [[], map(batch_of, range(3))])
def test_batches_that_end_early_are_an_error(batches):
    with pytest.raises(ValueError, match=r"batches ended after \d of 5 steps"):
        run(batches=batches, steps=5)


def test_nested_batches_reach_the_loss_whole():
    seen = []

    def look(model, batch):
        seen.append(batch)
        return squared_error(model, batch["pair"])

    run(look, lambda step: {"pair": batch_of(step), "names": ["a"], "number": 3}, steps=1)
    assert seen[0]["names"] == ["a"]
    assert seen[0]["number"] == 3
    assert isinstance(seen[0]["pair"], tuple)


def test_the_writer_gets_every_number_and_the_callback_every_step():
    class Writer(list):
        def add_scalar(self, tag, value, step):
            self.append((tag, value, step))

    writer, done = Writer(), []
    log = run(two_terms, steps=4, writer=writer, callback=lambda step, model: done.append(step)).log
    assert done == [1, 2, 3, 4]
    assert [value for tag, value, _ in writer if tag == "square"] == log["square"]
    assert [step for tag, _, step in writer if tag == "total"] == [0, 1, 2, 3]


def test_the_progress_bar_says_what_it_is_and_obeys_the_environment(capfd):
    run(steps=2, progress=True, description="my run")
    assert "my run" in capfd.readouterr().err
    run(steps=2, progress=False, description="my run")
    assert capfd.readouterr().err == ""


@pytest.mark.spawns
def test_tqdm_disable_hides_the_bar():
    script = (
        "import torch; from lossbook.lab.run.training import fit\n"
        "fit(torch.nn.Linear(1, 1), lambda m, b: m(b).sum(), lambda s: torch.ones(1, 1), steps=2)"
    )
    environment = os.environ | {"TQDM_DISABLE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stderr == ""


@pytest.mark.own_errors
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": 0}, "steps"),
        ({"check_every": 0}, "check_every"),
        ({"schedule": "linear"}, "schedule must be"),
        ({"model": nn.ReLU()}, "no parameter"),
        ({"loss_fn": lambda m, b: m(b[0])}, r"0-dimensional, got shape \(8, 1\)"),
    ],
)
def test_wrong_use_is_a_value_error(options, message):
    with pytest.raises(ValueError, match=message):
        run(**options)


@pytest.mark.own_errors
def test_a_loss_that_is_no_tensor_is_a_type_error():
    with pytest.raises(TypeError, match="got float"):
        run(lambda model, batch: 1.0)


def test_terms_of_different_dtypes_share_a_log():
    def mixed(model, batch):
        loss = squared_error(model, batch)
        return LossTerms({"a": loss, "b": loss.double().detach()}, {"a": 1.0, "b": 0.0})

    log = run(mixed, steps=2).log
    assert log["a"] == pytest.approx(log["b"])


def test_the_cpu_is_described_by_its_threads():
    assert describe_device(torch.device("cpu")).endswith(f"{torch.get_num_threads()} threads)")


def test_the_default_device_exists():
    assert torch.zeros(1, device=default_device()).device.type == default_device().type


def test_the_log_keeps_the_order_of_the_terms():
    def loss_fn(model, batch):
        terms = {name: model(batch).mean() ** 2 for name in ("z", "a", "m", "b", "y")}
        return LossTerms(terms, dict.fromkeys(terms, 1.0))

    history = fit(nn.Linear(2, 1), loss_fn, [torch.ones(3, 2)], steps=2, progress=False)
    assert list(history.log) == ["total", "z", "a", "m", "b", "y", "learning_rate"]


def test_threads_are_set_inside_the_block_and_put_back_even_after_an_error():
    before = torch.get_num_threads()
    with pytest.raises(RuntimeError), threads(before + 1):
        assert torch.get_num_threads() == before + 1
        raise RuntimeError
    assert torch.get_num_threads() == before
