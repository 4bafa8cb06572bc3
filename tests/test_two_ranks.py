"""Every card on two ranks: where DistributedDataParallel has the gradient of one process."""

import inspect
import re
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from matrix import CARDS, REDUCING, each, scalar
from ranks import two_ranks_of
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from lossbook import hands, rank_share
from lossbook.hands.examples import FIELDS
from lossbook.inversion import info_nce_loss
from lossbook.motion import rank_shares

BATCH = 6
SPLITS = {"even": (3, 3), "uneven": (4, 2), "masked": (3, 3)}
VISIBLE = torch.tensor([1.0, 1.0, 0.5, 0.0, 1.0, 0.0], dtype=torch.float64)


def called(card):
    return card.public.forward if isinstance(card.public, type) else card.public or card.function


def has(card, option):
    public = card.public or card.function
    return any(option in inspect.signature(f).parameters for f in (public, called(card)))


def reductions(card):
    if card in REDUCING or has(card, "reduction"):
        return ("mean", "batchmean", "sum")
    return (None,)


def sets(card):
    """The card's hyperparameters, and a margin that the whole batch has not reached yet."""
    if card.name == "diversity_loss":
        fake_1, fake_2 = whole(card).values()
        return *card.hyperparameters, {"margin": 1.01 * (fake_1 - fake_2).abs().mean().item()}
    if card.name == "GeneratorLoss":
        reached = card.function(**whole(card))["ds"].item()
        return *card.hyperparameters, {"ds_margin": 1.01 * reached}
    return card.hyperparameters


def cases(card):
    """Reduction, number of the hyperparameters, and split."""
    splits = [split for split in SPLITS if split != "masked" or has(card, "weight")]
    return [
        (reduction, index, split)
        for reduction in reductions(card)
        for index in range(len(sets(card)) if reduction in (None, "mean") else 1)
        for split in splits
    ]


class Trained(nn.Module):
    """A layer beneath the loss of a card: what it multiplies differs from sample to sample."""

    def __init__(self, card, reduction, index, split, remedied):
        super().__init__()
        self.card, self.split, self.remedied = card, split, remedied
        self.options = dict(sets(card)[index])
        self.options |= {"reduction": reduction} if reduction else {}
        shapes = {name: whole(card)[name].shape[1:] for name in card.differentiable}
        self.layer = nn.ParameterDict({n: torch.ones(s).double() for n, s in shapes.items()})
        self.gain = nn.Parameter(torch.ones((), dtype=torch.float64))

    def forward(self, inputs, weight):
        inputs = {
            name: value * self.layer[name] if name in self.layer else value
            for name, value in inputs.items()
        }
        options = dict(self.options)
        if weight is not None:
            options["weight"] = weight
        if self.remedied and has(self.card, "group"):
            options["group"] = "world"
        result = self.card.function(**inputs, **options)
        if self.card.kind == "weight":  # one number a sample, here of a loss like any other
            result = (result * next(iter(inputs.values())).sum(1)).mean()
        if self.remedied:
            result = remedy(self.card, options, inputs, weight, result)
        # What a monitor alone is made from has the gradient 0.
        unused = 0 * sum(parameter.sum() for parameter in self.layer.values())
        return self.gain * scalar(result) + unused


def remedy(card, options, inputs, weight, result):
    """What the page writes, so that the average over the ranks is the loss of one process."""
    reduction = options.get("reduction", "mean")
    samples = torch.ones(len(next(iter(inputs.values()))), dtype=torch.float64)
    of_batch = rank_share(samples)
    of_mean = rank_share(samples if weight is None else weight)
    if card.name in ("pfld_loss", "diversity_loss"):
        return scalar(result)
    if card.name == "GeneratorLoss":
        return sum(
            term if name == "ds" else of_batch * term
            for name, term in result.contributions().items()
        )
    if card.name == "HandLoss":
        fields = {"prediction": {}, "target": {}}
        for name, value in inputs.items():
            side, _, field = FIELDS[name].partition(".")
            fields[side][field] = value
        shares = hands.rank_shares(**fields, weight=weight, reduction=reduction)
        return sum(shares[name] * term for name, term in result.contributions().items())
    if reduction == "sum":
        return 2 * scalar(result)
    if reduction == "batchmean":
        return of_batch * scalar(result)
    if card.chapter == "motion":
        parts = (card.small | options)["parts"]
        shares = rank_shares(inputs["input"], weight=weight, parts=parts)
        return sum(shares[name] * term for name, term in result.contributions().items())
    if "confidence" in inputs:
        counted = samples if weight is None else weight
        of_mean = rank_share(inputs["confidence"] * counted[:, None])
    return of_mean * scalar(result)


def whole(card):
    return card.inputs(BATCH, torch.Generator().manual_seed(4))


def part_of(tensors, sizes, rank):
    start = sum(sizes[:rank])
    return {name: value[start : start + sizes[rank]] for name, value in tensors.items()}


def gradients(card, case, rank, remedied):
    """Of the layer, on a rank, or with the whole batch in one process."""
    *_, split = case
    module, inputs = Trained(card, *case, remedied), whole(card)
    weight = {"weight": VISIBLE} if split == "masked" else {}
    if rank is not None:
        sizes = SPLITS[split]
        inputs, weight = part_of(inputs, sizes, rank), part_of(weight, sizes, rank)
        module = DistributedDataParallel(module)
    module(inputs, weight.get("weight")).backward()
    return torch.cat([parameter.grad.flatten() for parameter in module.parameters()])


def negatives_of_the_batch(rank, gathered):
    """The gradient of InfoNCE whose negatives are the other templates: of this rank, or of all."""
    generator = torch.Generator().manual_seed(5)
    features, templates = torch.randn(2, BATCH, 3, generator=generator, dtype=torch.float64)
    mine = torch.arange(BATCH) if rank is None else torch.arange(BATCH).chunk(2)[rank]
    known, first = templates[mine], 0
    if gathered and rank is not None:
        every = [torch.empty_like(known) for _ in range(2)]
        dist.all_gather(every, known)
        known = torch.cat(every)
        first = mine[0]
    samples = torch.arange(len(mine))
    others = torch.stack([known[torch.arange(len(known)) != first + sample] for sample in samples])
    layer = nn.Linear(3, 3, bias=False, dtype=torch.float64)
    nn.init.eye_(layer.weight)
    module = layer if rank is None else DistributedDataParallel(layer)
    info_nce_loss(module(features[mine]), templates[mine], others).backward()
    return layer.weight.grad


def work(rank):
    torch.set_num_threads(1)
    found = {"in-batch negatives": [negatives_of_the_batch(rank, g).tolist() for g in (0, 1)]}
    for card in CARDS:
        for case in cases(card):
            both = [gradients(card, case, rank, remedied) for remedied in (False, True)]
            found[card.name, case] = [gradient.tolist() for gradient in both]
    return found


two_ranks = two_ranks_of(work)


def same(found, expected):
    return torch.allclose(found, expected, rtol=1e-6, atol=1e-10)


@each(CARDS)
@pytest.mark.spawns
def test_with_its_remedy_a_card_has_the_gradient_of_one_process(two_ranks, card):
    for case in cases(card):
        expected = gradients(card, case, None, False)
        assert expected.any()
        for rank in two_ranks:
            found = torch.tensor(rank[card.name, case][1], dtype=torch.float64)
            assert same(found, expected), case


def as_they_are(two_ranks, card):
    """From reduction and split to whether every set of hyperparameters needs no remedy."""
    verdicts = {}
    for case in cases(card):
        reduction, _, split = case
        expected = gradients(card, case, None, False)
        found = torch.tensor(two_ranks[0][card.name, case][0], dtype=torch.float64)
        if reduction == "sum" and card.name != "HandLoss":
            assert same(2 * found, expected), case
        verdicts.setdefault((reduction, split), []).append(same(found, expected))
    return {key: all(found) for key, found in verdicts.items()}


def table():
    """The page's: from a loss to what it says of the three splits."""
    page = (Path(__file__).parents[1] / "book" / "trainer.md").read_text(encoding="utf-8")
    (lines,) = re.findall(r"^\| losses \|.*\n\|[-:| ]+\n((?:\|.*\n)+)", page, re.MULTILINE)
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines.splitlines()]
    named = [(name, row[1:]) for row in rows for name in re.findall(r"`(\w+)`", row[0])]
    assert len(dict(named)) == len(named)
    return dict(named)


@each(CARDS)
@pytest.mark.spawns
def test_the_page_says_which_cards_need_a_remedy(two_ranks, card):
    said = dict(zip(SPLITS, table()[card.name], strict=True))
    verdicts = as_they_are(two_ranks, card)
    for reduction in {"mean", None} & set(reductions(card)):
        for split in SPLITS:
            verdict = verdicts.get((reduction, split))
            assert (said[split] == "as it is") == (verdict is True), split
            assert (said[split] == "takes none") == (verdict is None), split
    if "batchmean" in reductions(card):
        assert verdicts["batchmean", "even"]
        assert not verdicts["batchmean", "uneven"]
        # Its prior and its first stage are means all the same.
        assert verdicts["batchmean", "masked"] == (card.name != "HandLoss")


@pytest.mark.spawns
def test_negatives_of_the_batch_have_to_be_gathered(two_ranks):
    expected = negatives_of_the_batch(None, False)
    for rank in two_ranks:
        apart, gathered = (torch.tensor(g, dtype=torch.float64) for g in rank["in-batch negatives"])
        assert same(gathered, expected)
        assert not torch.allclose(apart, expected, rtol=0.1)
