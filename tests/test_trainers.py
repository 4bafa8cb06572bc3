"""Losses, targets and predictions in the hands of trainers."""

import copy
import dataclasses
import pickle

import pytest
import torch
import torch.distributed as dist
from ranks import on_two_ranks
from torch import nn
from torch._dynamo.testing import CompileCounter
from torch.nn.parallel import DistributedDataParallel
from torch.nn.parallel.distributed import _find_tensors
from torch.utils.data import DataLoader, default_collate

from lossbook import LossTerms
from lossbook.hands import HandLoss, HandLossWeights, HandPrediction, HandTarget

POINTS = {"keypoints_2d": (21, 2), "keypoints_3d": (21, 3), "pose": (48,), "shape": (10,)}


def target(*batch):
    known = {name: torch.rand(*batch, *shape) for name, shape in POINTS.items()}
    return HandTarget(confidence_2d=torch.ones(*batch, 21, dtype=torch.bool), **known)


def prediction(batch=2):
    return HandPrediction(
        keypoints_2d=torch.rand(batch, 21, 2, requires_grad=True),
        keypoints_3d=torch.rand(batch, 21, 3, requires_grad=True),
        betas=torch.rand(batch, 10, requires_grad=True),
        coarse_pose=torch.rand(batch, 48, requires_grad=True),
        coarse_shape=torch.rand(batch, 10, requires_grad=True),
    )


def fields(container):
    return {field.name: getattr(container, field.name) for field in dataclasses.fields(container)}


def devices(container):
    return {str(value.device) for value in fields(container).values() if value is not None}


def learned():
    weight = torch.tensor(0.5, requires_grad=True)
    value = torch.tensor(3.0, requires_grad=True)
    return LossTerms({"a": value**2, "m": 2 * value}, {"a": weight, "m": 0.0})


# Data loaders -----------------------------------------------------------------------------------


def test_default_collate_stacks_targets():
    samples = [target() for _ in range(3)]
    batch = default_collate(samples)
    assert type(batch) is HandTarget
    for name, shape in POINTS.items():
        assert getattr(batch, name).shape == (3, *shape)
    assert batch.confidence_2d.dtype == torch.bool
    assert batch.vertices is None
    assert torch.equal(batch.pose[1], samples[1].pose)


def test_a_label_that_some_samples_lack_is_named():
    samples = [target(), dataclasses.replace(target(), keypoints_3d=None)]
    with pytest.raises(ValueError, match="keypoints_3d is missing in 1 of 2 samples.*mask"):
        default_collate(samples)


def test_a_data_loader_gives_batches_from_its_workers():
    samples = [{"target": target(), "index": index} for index in range(4)]
    for batch in DataLoader(samples, batch_size=2, num_workers=1):
        assert batch["target"].keypoints_3d.shape == (2, 21, 3)
        assert batch["index"].shape == (2,)


def test_a_data_loader_pins_it(monkeypatch):
    pinned = []
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda t, *_: pinned.append(t.shape) or t)
    from torch.utils.data._utils.pin_memory import pin_memory

    found = pin_memory({"target": target(2)})["target"]
    assert type(found) is HandTarget
    assert len(pinned) == 5


def test_it_moves_and_a_mask_keeps_its_dtype():
    moved = target(2).to("meta", torch.float64)
    assert devices(moved) == {"meta"}
    assert moved.pose.dtype == torch.float64
    assert moved.confidence_2d.dtype == torch.bool
    assert moved.vertices is None
    assert devices(target(2).to(torch.device("cpu"), non_blocking=True)) == {"cpu"}


def test_it_is_copied_and_pickled():
    hand = target(2)
    for other in (copy.copy(hand), copy.deepcopy(hand), pickle.loads(pickle.dumps(hand))):
        assert torch.equal(other.keypoints_3d, hand.keypoints_3d)


# Trainers ---------------------------------------------------------------------------------------


@pytest.fixture
def lightning():
    return pytest.importorskip("lightning_utilities.core.apply_func")


def test_lightning_moves_containers(lightning):
    for container in (target(2), prediction().to("cpu")):
        moved = lightning.apply_to_collection(container, torch.Tensor, lambda t: t.to("meta"))
        assert type(moved) is type(container)
        assert devices(moved) == {"meta"}
    assert devices(container) == {"cpu"}


def test_lightning_maps_a_loss_as_a_whole(lightning):
    loss = learned()
    detached = lightning.apply_to_collection({"loss": loss}, torch.Tensor, torch.Tensor.detach)
    found = detached["loss"]
    assert type(found) is LossTerms
    assert found.log() == loss.log()
    assert not any(t.requires_grad for t in _find_tensors(found))
    assert loss.total.requires_grad
    doubled = lightning.apply_to_collection(loss, torch.Tensor, lambda t: t.detach().double())
    assert {t.dtype for t in _find_tensors(doubled)} == {torch.float64}


def test_lightning_and_the_trainer_of_hugging_face_find_the_loss():
    outputs = learned().tensors(total="loss")
    assert isinstance(outputs, dict)  # as both of them ask
    outputs["loss"].backward()


def test_accelerate_moves_targets_and_back_propagates_a_loss():
    accelerate = pytest.importorskip("accelerate")
    from accelerate.utils import send_to_device

    batch = {"target": target(2), "prediction": prediction()}
    moved = send_to_device(batch, torch.device("meta"), non_blocking=True)
    assert devices(moved["target"]) == devices(moved["prediction"]) == {"meta"}
    accelerator = accelerate.Accelerator(cpu=True, gradient_accumulation_steps=4)
    loader = accelerator.prepare(DataLoader([target() for _ in range(4)], batch_size=2))
    assert [batch.pose.shape for batch in loader] == [(2, 48)] * 2
    value = torch.tensor(2.0, requires_grad=True)
    accelerator.backward(LossTerms({"a": value}, {"a": 2.0}))
    assert value.grad == 0.5
    mean = accelerator.reduce(learned().detach().tensors(), "mean")
    assert mean == {"total": 4.5, "a": 9.0, "m": 6.0}


def test_a_gradient_scaler_refuses_a_loss_and_takes_its_total():
    scaler = torch.amp.GradScaler("cpu", init_scale=4.0)
    with pytest.raises(TypeError, match=r"scaler.scale\(loss.total\)"):
        scaler.scale(learned())
    assert scaler.scale(learned().total) == 18


# Several processes ------------------------------------------------------------------------------


class Halves(nn.Module):
    """A network that computes its loss, and does not use all of its parameters."""

    def __init__(self):
        super().__init__()
        self.used = nn.Linear(2, 1)
        self.unused = nn.Linear(2, 1)
        self.weight = nn.Parameter(torch.tensor(0.5))

    def forward(self, x):
        return LossTerms({"a": self.used(x).square().mean()}, {"a": self.weight})


def train(rank):
    torch.manual_seed(0)
    model = DistributedDataParallel(Halves(), find_unused_parameters=True)
    for step in range(2):
        torch.manual_seed(10 * step + rank)
        model.zero_grad()
        loss = model(torch.rand(4, 2))
        loss.backward()
    gradients = {
        name: None if p.grad is None else p.grad.sum().item()
        for name, p in model.named_parameters()
    }
    mean = torch.stack(list(loss.detach().tensors().values()))
    dist.all_reduce(mean)
    return gradients, (mean / 2).tolist()


def test_ddp_finds_the_tensors_of_a_loss():
    loss = learned()
    found = list(_find_tensors(loss))
    for tensor in (loss.total, loss["a"], loss["m"], loss.weights["a"]):
        assert any(tensor is other for other in found)


@pytest.mark.spawns
def test_ddp_trains_a_network_that_returns_a_loss(tmp_path, monkeypatch):
    (first, mean), (second, _) = on_two_ranks(tmp_path, monkeypatch, train)
    torch.manual_seed(0)
    model = Halves()
    losses = []
    for rank in range(2):
        torch.manual_seed(10 + rank)
        losses.append(model(torch.rand(4, 2)))
    ((losses[0].total + losses[1].total) / 2).backward()
    for name, parameter in model.named_parameters():
        for gradients in (first, second):
            got = gradients[f"module.{name}"]
            expected = 0.0 if parameter.grad is None else parameter.grad.sum().item()
            assert (got or 0.0) == pytest.approx(expected, abs=1e-7)
    expected = [(losses[0][name] + losses[1][name]).item() / 2 for name in ("total", "a")]
    assert mean == pytest.approx(expected)


# Compilers --------------------------------------------------------------------------------------


@pytest.mark.compiles
@pytest.mark.reassigns
def test_equal_weights_do_not_recompile_and_a_schedule_does_once():
    counter = CompileCounter()
    loss = HandLoss()
    compiled = torch.compile(loss, fullgraph=True, backend=counter)
    hand, truth = prediction(), target(2)
    for _ in range(4):
        loss.weights = HandLossWeights(w_aux=0.1)
        assert compiled(hand, truth).log() == pytest.approx(loss(hand, truth).log(), rel=1e-5)
    assert counter.frame_count == 1
    for step in range(6):
        loss.weights = dataclasses.replace(loss.weights, w_aux=0.2 + 0.1 * step)
        assert compiled(hand, truth).log() == pytest.approx(loss(hand, truth).log(), rel=1e-5)
    assert counter.frame_count <= 2


@pytest.mark.compiles
def test_new_modules_with_equal_weights_share_a_graph():
    counter = CompileCounter()

    @torch.compile(fullgraph=True, backend=counter)
    def step(weights, hand, truth):
        return HandLoss(weights)(hand, truth).total

    for _ in range(4):
        assert step(HandLossWeights(), prediction(), target(2)) > 0
    assert counter.frame_count == 1


@pytest.mark.own_errors
def test_mappings_stand_in_for_the_containers():
    hand, truth = prediction(), target(2)
    by_mapping = HandLoss({"w_aux": 0.0})(fields(hand), fields(truth))
    assert by_mapping.log() == HandLoss(HandLossWeights(w_aux=0.0))(hand, truth).log()
    with pytest.raises(ValueError, match="'keypoint_3d'.*betas.*did you mean 'keypoints_3d'"):
        HandLoss()({"keypoint_3d": hand.keypoints_3d}, truth)
    with pytest.raises(ValueError, match="'w_3d'.*w_3d_joint"):
        HandLoss({"w_3d": 1.0})
