"""The blocks of the page In your trainer that the extra `trainers` is for: `make trainers`.

No test of a plain run, which has not these packages; nothing here is ever skipped.
"""

import lightning
import pytest
import torch
import transformers
import wandb
from lightning.fabric.utilities.exceptions import MisconfigurationException
from ranks import on_two_ranks
from torch import nn
from torch.utils.data import DataLoader
from torchmetrics import MeanMetric
from trainer_page import BLOCKS, STEPS, assert_trained, reader_of, weights

from lossbook.landmarks import nme

steps = pytest.mark.parametrize("chapter", STEPS)
QUIET = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    return tmp_path


# Lightning --------------------------------------------------------------------------------------


@steps
def test_lightning(chapter):
    with reader_of(chapter) as (names, run):
        before = weights(names)
        run("Lightning", 0)
        assert_trained(names, before)
        logged = names["trainer"].logged_metrics
        assert logged["train/total"].isfinite() and len(logged) > 1
        if chapter == "Inversion":  # of two epochs of three batches
            assert names["criterion"].lambda_schedule.t == 6


@steps
def test_lightning_refuses_a_table_and_averages_by_samples(chapter):
    with reader_of(chapter) as (names, run):
        run("Lightning", 0)
        samples, step, seen = names["samples"], names["step"], []

        class Logging(names["Module"]):
            def training_step(self, batch, index):
                loss = step(self.network, batch)
                seen.append(loss.total.item())
                self.log("mean", loss.total, on_step=False, on_epoch=True)
                return loss.total

        class Returning(names["Module"]):
            def training_step(self, batch, index):
                return step(self.network, batch)

        trainer, loader = lightning.Trainer(max_epochs=1, **QUIET), DataLoader(samples, 8)
        with pytest.raises(MisconfigurationException, match="must return a Tensor"):
            trainer.fit(Returning(), loader)
        trainer = lightning.Trainer(max_epochs=1, **QUIET)
        trainer.fit(Logging(), loader)
        expected = sum(n * value for n, value in zip((8, 8, 4), seen, strict=True)) / 20
        assert trainer.logged_metrics["mean"].item() == pytest.approx(expected, rel=1e-5)


def test_lightning_with_two_optimisers():
    with reader_of("Translation") as (names, run):
        before = weights(names)
        run("Lightning", 1)
        assert_trained(names, before)
        # Batches, of which the trainer counts each twice.
        assert names["module"].count == 6 and names["trainer"].global_step == 12


# Hugging Face -----------------------------------------------------------------------------------


@steps
def test_the_trainer_of_hugging_face(chapter):
    with reader_of(chapter) as (names, run):
        before = weights(names)
        run("Hugging Face Trainer")
        assert_trained(names, before)
        history = names["trainer"].state.log_history
        assert history[0]["loss"] == pytest.approx(history[0]["terms/total"], rel=1e-4)


def trainer_of(names, **options):
    options = {"use_cpu": True, "report_to": "none", "disable_tqdm": True} | options
    arguments = transformers.TrainingArguments("runs", max_steps=1, logging_steps=1, **options)
    samples = names["samples"][:16]
    model = options.pop("model", names["network"])
    return names["LossTrainer"](model, arguments, train_dataset=samples, eval_dataset=samples)


def test_the_trainer_of_hugging_face_needs_both_of_its_options():
    with reader_of("Motion") as (names, run):
        run("Hugging Face Trainer")
        with pytest.raises(ValueError, match="batch received was empty"):
            trainer_of(names).train()
        with pytest.raises(TypeError, match="unexpected keyword argument"):
            trainer_of(names, remove_unused_columns=False).evaluate()


class Tolerant(nn.Module):
    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, x, **options):
        return self.network(x)


def test_a_network_of_any_arguments_gets_gradients_added_up():
    with reader_of("Motion") as (names, run):
        run("Hugging Face Trainer")
        found = []
        for key in ("target", "labels"):
            for sample in names["samples"]:
                sample[key] = sample["motion"]
            names["network"] = Tolerant(names["network"])
            options = {"learning_rate": 0.0, "max_grad_norm": 0.0, "remove_unused_columns": False}
            trainer = trainer_of(names, gradient_accumulation_steps=2, **options)
            trainer.train()
            found.append(trainer.state.log_history[0]["loss"])
        assert found[1] == pytest.approx(2 * found[0], rel=1e-3)


# Logging and metrics ----------------------------------------------------------------------------


def test_weights_and_biases(folder, monkeypatch):
    monkeypatch.setenv("WANDB_SILENT", "true")
    with reader_of("Hands") as (_, run):
        run("Logging", 1)
    with wandb.init(project="faces", mode="offline") as run:
        run.log({"one": 1.0})
        run.log({"other": 1.0})
        assert run.step == 2  # as many as calls
    assert len(list(folder.glob("wandb/offline-run-*/*.wandb"))) == 2


def test_torchmetrics(capsys):
    with reader_of("Landmarks") as (names, run):
        run("Metrics over an epoch", 0)
        expected = nme(names["faces"], names["truth"]).mean()
        assert names["metric"].compute() == pytest.approx(expected.item(), rel=1e-5)
        batches = MeanMetric()
        for points, target in zip(names["faces"].split(8), names["truth"].split(8), strict=True):
            batches.update(nme(points, target).mean())
        assert batches.compute() != pytest.approx(expected.item(), rel=1e-3)
    assert "tensor" in capsys.readouterr().out


def test_a_face_without_a_size_is_left_out_with_a_warning():
    metric = MeanMetric()
    with pytest.warns(UserWarning, match="nan"):
        metric.update(torch.tensor([torch.nan, 1.0, 2.0]))
    assert metric.compute() == 1.5


def of_rank(rank):
    metric = MeanMetric()
    metric.update(torch.arange(3.0) if rank else torch.tensor([7.0]))
    return metric.compute().item()


def test_a_metric_is_that_of_all_ranks(tmp_path, monkeypatch):
    assert on_two_ranks(tmp_path, monkeypatch, of_rank) == [2.5, 2.5]


def test_these_are_the_packages_that_the_page_names():
    first = [code.partition("\n")[0] for codes in BLOCKS.values() for code in codes]
    named = {name for line in first if line.startswith("# pip") for name in line.split()[3:]}
    assert named == {
        "lightning", "transformers", "accelerate", "tensorboard", "wandb", "torchmetrics",
    }  # fmt: skip
