"""On two ranks the losses have the gradients of one process."""

import copy
import pickle

import pytest
import torch
from ranks import two_ranks_of
from torch.nn.parallel import DistributedDataParallel
from translation_networks import batch, networks, parameters

from lossbook.translation import (
    DiscriminatorLoss,
    DiversityLoss,
    GeneratorLoss,
    d_hinge_loss,
    diversity_loss,
)
from lossbook.translation.batch import TranslationBatch

SIZE = 6
PARTS = (slice(0, 4), slice(4, 6))
EVEN = (slice(0, 3), slice(3, 6))
# Of the whole batch the mean distance is 2: half of it nearer, and half of it further away.
MARGINS = (1.0, 1.9, 2.1, 3.0)
FORMS = [{"margin": m, "margin_of": of} for m in MARGINS for of in ("batch", "sample")] + [{}]


def fakes():
    generator = torch.Generator().manual_seed(0)
    fake_1 = torch.randn(SIZE, 3, 2, generator=generator, dtype=torch.float64)
    away = torch.tensor([0.5, 3.5, 1.0, 3.0, 2.5, 1.5], dtype=torch.float64)
    return fake_1, fake_1 + away[:, None, None]


def diversity_of(part, options, **more):
    fake_1, fake_2 = (each[part] for each in fakes())
    fake_2 = fake_2.clone().requires_grad_()
    loss = diversity_loss(fake_1, fake_2, **options, **more)
    return loss.item(), torch.autograd.grad(loss, fake_2)[0]


def cut(given, part):
    return TranslationBatch(*(None if value is None else value[part] for value in given))


def work(rank):
    found = {}
    for parts, name in ((PARTS, "uneven"), (EVEN, "even")):
        found[name] = []
        for options in FORMS:
            value, gradient = diversity_of(parts[rank], options, group="world")
            # Averaged over the ranks, as DistributedDataParallel does.
            found[name].append((value / 2, (gradient / 2).tolist()))
    weight = torch.linspace(0, 2, SIZE, dtype=torch.float64)[PARTS[rank]]
    found["weighted"] = []
    for options in FORMS:
        value, gradient = diversity_of(PARTS[rank], options, group="world", weight=weight)
        found["weighted"].append((value / 2, (gradient / 2).tolist()))
    with torch.no_grad():  # only one rank asks, and none waits
        if rank == 0:
            diversity_loss(*fakes(), group="world")
    four = networks()
    wrapped = type(four)(*(DistributedDataParallel(n, broadcast_buffers=False) for n in four))
    part = cut(batch(SIZE), EVEN[rank])
    for step in (1, 16):
        wrapped.discriminator.zero_grad()
        DiscriminatorLoss()(wrapped, part, step=step).backward()
        found[step] = [p.grad.tolist() for p in parameters(four.discriminator)]
    for _ in range(2):  # a second step waits for nothing of the first
        for network in wrapped:
            network.zero_grad()
        # Between the distances of both ranks.
        GeneratorLoss(ds_margin=0.02, group="world")(wrapped, part, epoch=1).backward()
    found["G"] = [p.grad.tolist() for network in four[:3] for p in parameters(network)]
    found["D untouched"] = all(
        p.grad is None or not p.grad.any() for p in parameters(four.discriminator)
    )
    real, fake = torch.linspace(-3, 3, 8, dtype=torch.float64).reshape(2, 4)[:, 2 * rank :][:, :2]
    real = real.clone().requires_grad_()
    hinge = d_hinge_loss(real, fake)
    found["hinge"] = hinge.item() / 2, (torch.autograd.grad(hinge, real)[0] / 2).tolist()
    return found


two_ranks = two_ranks_of(work)


@pytest.mark.parametrize("kind", ["uneven", "even", "weighted"])
@pytest.mark.parametrize("index", range(len(FORMS)), ids=[str(form) for form in FORMS])
@pytest.mark.spawns
def test_the_diversity_of_two_ranks_is_that_of_one(two_ranks, kind, index):
    more = {"weight": torch.linspace(0, 2, SIZE, dtype=torch.float64)} if kind == "weighted" else {}
    value, gradient = diversity_of(slice(None), FORMS[index], **more)
    assert sum(rank[kind][index][0] for rank in two_ranks) == pytest.approx(value)
    parts = [torch.tensor(rank[kind][index][1], dtype=torch.float64) for rank in two_ranks]
    torch.testing.assert_close(torch.cat(parts), gradient)


def test_without_the_group_a_margin_of_the_batch_is_not():
    """Otherwise the test above would show nothing."""
    options = {"margin": 2.1}
    _, expected = diversity_of(slice(None), options)
    halves = [diversity_of(part, options)[1] / 2 for part in PARTS]
    assert (torch.cat(halves) - expected).abs().max() > 0.01


@pytest.mark.parametrize("step", [1, 16])
@pytest.mark.spawns
def test_the_hinge_and_r1_under_data_parallel_have_the_gradient_of_one_process(two_ranks, step):
    four = networks()
    DiscriminatorLoss()(four, batch(SIZE), step=step).backward()
    for rank in two_ranks:
        for got, parameter in zip(rank[step], parameters(four.discriminator), strict=True):
            torch.testing.assert_close(torch.tensor(got), parameter.grad, rtol=1e-4, atol=1e-6)


@pytest.mark.spawns
def test_the_generator_under_data_parallel_has_the_gradient_of_one_process(two_ranks):
    four = networks()
    GeneratorLoss(ds_margin=0.02)(four, batch(SIZE), epoch=1).backward()
    expected = [p.grad for network in four[:3] for p in parameters(network)]
    for rank in two_ranks:
        assert rank["D untouched"]
        for got, gradient in zip(rank["G"], expected, strict=True):
            torch.testing.assert_close(torch.tensor(got), gradient, rtol=1e-4, atol=1e-6)


@pytest.mark.spawns
def test_a_hinge_of_two_ranks_is_that_of_one(two_ranks):
    real, fake = torch.linspace(-3, 3, 8, dtype=torch.float64).reshape(2, 4)
    real.requires_grad_()
    expected = d_hinge_loss(real, fake)
    assert sum(rank["hinge"][0] for rank in two_ranks) == pytest.approx(expected.item())
    (gradient,) = torch.autograd.grad(expected, real)
    found = torch.cat([torch.tensor(rank["hinge"][1]) for rank in two_ranks])
    torch.testing.assert_close(found.double(), gradient)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_modules_with_a_group_are_copied_and_pickled(alone, copied):
    for group in ("world", torch.distributed.group.WORLD, torch.distributed.new_group([0])):
        module = copied(DiversityLoss(margin=1.9, group=group))
        assert module(*fakes()) == diversity_loss(*fakes(), margin=1.9)
        total = copied(GeneratorLoss(ds_margin=0.02, group=group))
        assert isinstance(total.group, str)
        four = networks()
        expected = GeneratorLoss(ds_margin=0.02)(four, batch(), epoch=1)
        assert total(four, batch(), epoch=1).log() == pytest.approx(expected.log())


@pytest.mark.own_errors
def test_a_group_is_refused_where_there_is_none():
    with pytest.raises(RuntimeError, match="torch.distributed is not initialised"):
        diversity_loss(*(f.requires_grad_() for f in fakes()), group="world")
    for module in (DiversityLoss, GeneratorLoss):
        with pytest.raises(ValueError, match="'wrold', which cannot be one yet"):
            module(group="wrold")
