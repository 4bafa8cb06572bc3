"""The page In your trainer: its blocks that the dev extra is enough for, and what it warns of.

The other blocks are run by `make trainers`, from tests/trainers_check.py.
"""

import copy
import re
from functools import partial

import pytest
import torch
from torch import nn
from torch._dynamo.testing import CompileCounter
from torch.utils.checkpoint import CheckpointError, checkpoint
from torch.utils.data import default_collate
from trainer_page import (
    BLOCKS,
    CHAPTERS,
    INSTALLED,
    PLAIN,
    STEPS,
    assert_trained,
    reader_of,
    weights,
)
from translation_networks import batch as translation_batch
from translation_networks import networks as translation_networks

from lossbook.translation import DiscriminatorLoss, GeneratorLoss, Networks

steps = pytest.mark.parametrize("chapter", STEPS)
BESIDES = r"# pip install .*\b(lightning|transformers|wandb|torchmetrics)\b"


def test_every_block_is_run_by_one_of_two_files():
    named = {
        (section, index): parts is INSTALLED
        for parts in (PLAIN, INSTALLED)
        for section, indices in parts.items()
        for index in indices
    }
    found = {
        (section, index): re.match(BESIDES, code) is not None
        for section, codes in BLOCKS.items()
        for index, code in enumerate(codes)
    }
    assert named == found


# Plain loops ------------------------------------------------------------------------------------


@steps
def test_a_loop_in_bfloat16(chapter, capsys):
    with reader_of(chapter) as (names, run):
        before = weights(names)
        run("A plain loop", 0)
        assert names["loss"].total.dtype == torch.float32
        assert_trained(names, before)
    assert "contribution" in capsys.readouterr().out


@steps
def test_a_loop_in_float16_skips_as_many_steps_as_the_page_says(chapter):
    said = {"Landmarks": 9, "Hands": 4, "Motion": 1, "Inversion": 0}[chapter]
    taken = []
    with reader_of(chapter) as (names, run):
        run("A plain loop", 0)
        names["optimizer"].register_step_post_hook(lambda *_: taken.append(1))
        before = weights(names)
        run("A plain loop", 1)
        body = BLOCKS["A plain loop"][1].partition("\n")[2]
        for _ in range(9):  # with the scaler of the first round
            exec(body, names)
        assert_trained(names, before)
    assert abs(30 - len(taken) - said) <= min(2, said)


@pytest.mark.parametrize("block", [("A plain loop", 2), ("Metrics over an epoch", 1)])
def test_a_translation_in_a_loop(block, capsys):
    with reader_of("Translation") as (names, run):
        before = weights(names)
        run(*block)
        assert_trained(names, before)
    if block[0].startswith("Metrics"):
        mean, computed = map(float, capsys.readouterr().out.split())
        assert 0 < mean == pytest.approx(computed / 3)  # due in one step of three


@steps
@pytest.mark.compiles
def test_a_compiled_step_has_as_many_graphs_as_the_page_says(chapter, monkeypatch):
    torch.compiler.reset()
    counter = CompileCounter()
    with reader_of(chapter) as (names, run):
        before = weights(names)
        with monkeypatch.context() as patch:
            patch.setattr(torch, "compile", partial(torch.compile, backend=counter))
            run("torch.compile", 0)
        body = BLOCKS["torch.compile"][0].partition("\n")[2]
        for _ in range(3):
            exec(body, names)
        assert_trained(names, before)
    assert counter.frame_count == (3 if chapter == "Inversion" else 2)


@pytest.mark.compiles
def test_compiled_networks_of_a_translation(monkeypatch):
    torch.compiler.reset()
    # No second derivatives, as of every backend but the eager ones.
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="aot_eager"))
    with reader_of("Translation") as (names, run):
        before = weights(names)
        run("torch.compile", 1)
        assert_trained(names, before)


def test_shares_on_one_process():
    with reader_of("Landmarks") as (names, run):
        run("When two ranks have the gradient of one")
        assert names["predicted"].grad.any() and names["points"].grad.any()


def test_tensorboard(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with reader_of("Motion") as (_, run):
        run("Logging", 0)
    assert len(list(tmp_path.glob("runs/tensorboard/events*"))) == 1


# Accelerate -------------------------------------------------------------------------------------


@pytest.fixture
def accelerate():
    """Accelerate keeps its precision for a whole process."""
    from accelerate.state import AcceleratorState

    AcceleratorState._reset_state(True)
    yield
    AcceleratorState._reset_state(True)


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_accelerate(accelerate, chapter, capsys):
    with reader_of(chapter) as (names, run):
        before = weights(names)
        run("Accelerate", int(chapter == "Translation"))
        assert_trained(names, before)
        if chapter == "Inversion":  # two steps of three batches
            assert names["criterion"].lambda_schedule.t == 2
    assert ("total" in capsys.readouterr().out) == (chapter != "Translation")


def test_the_mixed_precision_of_accelerate_reaches_r1(accelerate):
    from accelerate import Accelerator

    four, given = translation_networks(), translation_batch()
    exact = DiscriminatorLoss()(four, given, step=16)["r1"]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert DiscriminatorLoss()(four, given, step=16)["r1"] == exact
    prepared = Networks(*Accelerator(cpu=True, mixed_precision="bf16").prepare(*four))
    rounded = DiscriminatorLoss()(prepared, given, step=16)["r1"]
    assert 1e-4 < abs(rounded / exact - 1) < 0.1


# What goes wrong --------------------------------------------------------------------------------


def batch_of(names):
    return default_collate(names["samples"])


def test_a_face_costs_another_amount_in_another_batch():
    with reader_of("Landmarks") as (names, _):
        network, batch = names["network"], batch_of(names)
        ones = [step_of(names, network, batch, [index]) for index in range(20)]
        assert torch.stack(ones).mean() != pytest.approx(
            step_of(names, network, batch, range(20)).item(), rel=0.01
        )


def step_of(names, network, batch, samples):
    return names["step"](network, {k: v[list(samples)] for k, v in batch.items()}).total.detach()


def test_a_missing_label_needs_its_mask():
    with reader_of("Hands") as (names, _):
        batch = batch_of(names)
        batch["keypoints_3d"][~batch["has_3d"]] = torch.nan
        assert names["step"](names["network"], batch).total.isfinite()
        batch["has_3d"][:] = True
        assert names["step"](names["network"], batch).total.isnan()


def test_padding_counts_as_motion_without_lengths():
    with reader_of("Motion") as (names, _):
        batch = batch_of(names)
        padded = torch.arange(20) >= batch["length"][:, None]
        totals = []
        for lengths in (batch["length"], torch.full((20,), 20)):
            for filler in (0.0, 50.0):
                given = batch | {"length": lengths, "motion": batch["motion"].clone()}
                given["motion"][padded] = filler
                totals.append(names["step"](names["network"], given).total.item())
        assert totals[0] == totals[1] and totals[2] < totals[3]


def test_features_without_a_graph_leave_the_pixels_alone():
    with reader_of("Inversion") as (names, _):
        criterion, batch = names["criterion"], batch_of(names)
        assert criterion.lambda_schedule.value == 0
        criterion.lambda_schedule.step(500)
        rebuilt = names["network"](batch["template"])
        gradients = []
        for graph in (True, False):
            with torch.set_grad_enabled(graph):
                features = names["recogniser"](rebuilt)
            given = rebuilt, batch["photo"], features, batch["template"], names["negatives"]
            loss = criterion(*given)
            gradients.append(torch.autograd.grad(loss.total, rebuilt, retain_graph=True)[0])
        (pixels,) = torch.autograd.grad(loss["pixel"], rebuilt)
        torch.testing.assert_close(gradients[1], pixels)
        assert not torch.allclose(gradients[0], pixels)


def test_a_count_of_steps_that_starts_anew_never_reaches_r1():
    assert not any(DiscriminatorLoss(r1_interval=4).computes_r1(step) for step in (1, 2, 3) * 9)


# Memory -----------------------------------------------------------------------------------------


@steps
def test_a_checkpointed_network_has_the_same_gradient(chapter):
    with reader_of(chapter) as (names, _):
        network, batch = names["network"], batch_of(names)
        gradients = []
        for called in (network, partial(checkpoint, network, use_reentrant=False)):
            network.zero_grad()
            names["step"](called, batch).backward()
            gradients.append(torch.cat([p.grad.flatten() for p in network.parameters()]))
        assert torch.equal(*gradients)


class Checkpointed(nn.Module):
    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, *inputs):
        return checkpoint(self.network, *inputs, use_reentrant=False)


@pytest.mark.parametrize("side", ["D", "G"])
def test_a_checkpointed_discriminator_is_to_be_frozen_by_its_user(side):
    expected, given = translation_networks(), translation_batch()
    four = Networks(*map(Checkpointed, copy.deepcopy(expected)))

    def backward(networks):
        if side == "D":
            DiscriminatorLoss()(networks, given, step=16).backward()
        else:
            GeneratorLoss()(networks, given, epoch=1).backward()

    backward(expected)
    if side == "G":
        with pytest.raises(CheckpointError):
            backward(four)
        for network in four:
            network.zero_grad()
        four.discriminator.requires_grad_(False)
    backward(four)
    trained = slice(3, 4) if side == "D" else slice(3)
    for one, other in zip(expected[trained], four[trained], strict=True):
        for p, q in zip(one.parameters(), other.parameters(), strict=True):
            assert torch.equal(p.grad, q.grad)
