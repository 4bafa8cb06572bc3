"""PFLD over several ranks."""

import copy
import math
import multiprocessing
import pickle
import time

import pytest
import torch
import torch.distributed as dist
from ranks import on_two_ranks, two_ranks_of

import lossbook
from lossbook import checks
from lossbook.landmarks import PFLDLoss, attribute_weight, pfld_loss
from lossbook.registry import card


def pfld_inputs(batch=8, seed=0):
    return card("pfld_loss").inputs(batch, torch.Generator().manual_seed(seed))


def sample_weight(batch):
    return torch.linspace(0.5, 2, batch, dtype=torch.float64)


CASES = {
    "uneven": ([5, 2], (), {}),
    "weighted": ([4, 3], (), {"weight": sample_weight(7)}),
    "a global batch of one": ([1, 0], (), {}),
    "no attributes": ([2, 3], ("attributes",), {"weight": sample_weight(5)}),
}


def case_inputs(name):
    sizes, without, further = CASES[name]
    inputs = pfld_inputs(sum(sizes)) | further
    return sizes, {k: v for k, v in inputs.items() if k not in without}


def gradients_of_a_shard(rank):
    return {name: gradients_of_a_case(rank, name) for name in CASES}


def gradients_of_a_case(rank, name):
    sizes, whole = case_inputs(name)
    shard = {k: v.split(sizes)[rank].clone() for k, v in whole.items()}
    for trained in ("landmarks", "angles"):
        shard[trained].requires_grad_()
    loss = PFLDLoss(attribute_bias=0.5, group="world")(**shard)
    loss.total.backward()
    with torch.no_grad():  # validation: each rank its own batch, one more of them, none waits
        local = PFLDLoss(attribute_bias=0.5, group="world")(**shard).total.item()
        apart = pfld_loss(**shard, attribute_bias=0.5).total.item()
        if rank == 0:
            PFLDLoss(group="world")(**shard)
            attribute_weight(torch.ones(1, 1), group="world")
    # What DistributedDataParallel does: average over the ranks.
    gradients = [(shard[k].grad / len(sizes)).tolist() for k in ("landmarks", "angles")]
    return [loss.total.item(), loss["l2"].item()], gradients, (local, apart)


two_ranks = two_ranks_of(gradients_of_a_shard)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.spawns
def test_two_ranks_give_the_gradient_of_one(two_ranks, name):
    results = [rank[name] for rank in two_ranks]
    _, whole = case_inputs(name)
    for trained in ("landmarks", "angles"):
        whole[trained].requires_grad_()
    loss = pfld_loss(**whole, attribute_bias=0.5)
    loss.total.backward()
    average = [sum(values) / 2 for values in zip(*(r[0] for r in results), strict=True)]
    assert average == pytest.approx([loss.total.item(), loss["l2"].item()])
    for i, trained in enumerate(("landmarks", "angles")):
        parts = [torch.tensor(r[1][i], dtype=torch.float64) for r in results]
        gathered = torch.cat([part for part in parts if len(part)])
        torch.testing.assert_close(gathered, whole[trained].grad)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.spawns
def test_without_gradients_each_rank_counts_for_itself(two_ranks, name):
    locals_, aparts = zip(*(rank[name][2] for rank in two_ranks), strict=True)
    assert locals_ == aparts


# Ranks that differ ------------------------------------------------------------------------------

# How many attributes each rank has, and what the message says of them; 0 for attributes=None.
DIFFERENT = {
    "one rank without": ((4, 0), "2"),
    "the other rank without": ((0, 1), "0.5"),
    "one more": ((5, 6), "5.5"),
    "more than one message holds": ((6, 300), "153"),
    "both more than that": ((300, 400), "350"),
}


def with_attributes(number, dtype=torch.float64):
    inputs = {k: v.to(dtype) for k, v in pfld_inputs(4).items()}
    inputs["attributes"] = torch.ones(4, number, dtype=dtype) if number else None
    return inputs


def what_it_says(function):
    try:
        function()
    except ValueError as error:
        return str(error)
    return "nothing"


def ranks_that_differ(rank):
    found = {}
    for name, (numbers, _) in DIFFERENT.items():
        inputs = with_attributes(numbers[rank])
        found[name] = [what_it_says(lambda i=inputs: pfld_loss(**i, group="world"))]
        if all(numbers):
            attributes = inputs["attributes"]
            found[name].append(
                what_it_says(lambda a=attributes: attribute_weight(a, group="world"))
            )
    found["equal again"] = pfld_loss(**with_attributes(300), group="world").total.item()
    narrow = with_attributes(3, (torch.float32, torch.float64)[rank])
    found["dtypes"] = pfld_loss(**narrow, group="world").total.item()

    # As on a GPU, where looking would wait.
    compiled = torch.compile(pfld_loss, fullgraph=True, backend="eager")
    found["compiled"] = compiled(**with_attributes(3), group="world").total.item()
    loss = compiled(**with_attributes((4, 0)[rank]), group="world")
    found["unread"] = [loss.log()]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checks, "readable", lambda *tensors: False)
        for numbers in ((4, 0), (5, 6)):
            inputs = with_attributes(numbers[rank])
            found["unread"].append(pfld_loss(**inputs, group="world").log())
        found["equal, unread"] = pfld_loss(**with_attributes(3), group="world").total.item()
        with lossbook.check_values():
            found["checked"] = what_it_says(lambda: pfld_loss(**inputs, group="world"))
    return found


@pytest.mark.compiles
@pytest.mark.own_errors
def test_ranks_that_differ_in_their_attributes_all_say_so(tmp_path, monkeypatch):
    both = on_two_ranks(tmp_path, monkeypatch, ranks_that_differ)
    for rank, found in enumerate(both):
        for name, (numbers, mean) in DIFFERENT.items():
            expected = (
                f"this rank has {numbers[rank] or 'none'}, the 2 ranks have {mean} on average"
            )
            for said in found[name]:
                assert expected in said
        assert "this rank has" in found["checked"]
        for log in found["unread"]:
            assert all(math.isnan(value) for value in log.values())
        one = pfld_loss(**with_attributes(1)).total.item()
        assert found["equal again"] == pytest.approx(300 * one)
        for name in ("dtypes", "compiled", "equal, unread"):
            assert found[name] == pytest.approx(3 * one, rel=1e-6)


def dies_on_the_second_rank(rank):
    if rank:
        raise SystemExit(3)
    time.sleep(100)


@pytest.mark.spawns
def test_a_rank_that_dies_does_not_hang_the_other(tmp_path, monkeypatch):
    start, others = time.monotonic(), set(multiprocessing.active_children())
    with pytest.raises(AssertionError, match="a rank died with"):
        on_two_ranks(tmp_path, monkeypatch, dies_on_the_second_rank)
    assert time.monotonic() - start < 60
    assert set(multiprocessing.active_children()) <= others


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_a_module_with_a_group_is_copied_and_pickled(alone, copied):
    inputs = pfld_inputs()
    expected = pfld_loss(**inputs).total
    for group in ("world", dist.group.WORLD, dist.new_group([0])):
        module = PFLDLoss(group=group)
        again = copied(module)
        assert again.group == module.group
        for loss in (module, again):
            torch.testing.assert_close(loss(**inputs).total, expected)
        weight = attribute_weight(inputs["attributes"], group=group)
        torch.testing.assert_close(weight, attribute_weight(inputs["attributes"]))


@pytest.mark.own_errors
def test_a_name_that_no_group_has_is_refused_when_the_module_is_made(alone):
    name = dist.new_group([0]).group_name
    assert PFLDLoss(group=name).group == name
    with pytest.raises(
        ValueError, match=r"'wrold', which no process group is called; pass 'world'"
    ):
        PFLDLoss(group="wrold")


@pytest.mark.own_errors
def test_before_the_groups_are_there_only_the_name_of_all_ranks_is_known():
    assert PFLDLoss(group="world").group == "world"
    for name in ("wrold", "World", "0", ""):
        with pytest.raises(
            ValueError, match=f"{name!r}, which cannot be one yet; pass 'world' for"
        ):
            PFLDLoss(group=name)


def test_a_module_whose_group_is_gone_still_validates(alone):
    module = PFLDLoss(group=dist.new_group([0]))
    dist.destroy_process_group()
    inputs = pfld_inputs()
    with torch.no_grad():
        torch.testing.assert_close(module(**inputs).total, pfld_loss(**inputs).total)


@pytest.mark.own_errors
def test_a_group_is_refused_where_there_is_none():
    inputs = pfld_inputs()
    attributes = inputs["attributes"]
    message = "group is given, but torch.distributed is not initialised; call torch.distributed.in"
    for call in (
        lambda: pfld_loss(**inputs, group="world"),
        lambda: PFLDLoss(group="world")(**inputs),
        lambda: attribute_weight(attributes, group="world"),
    ):
        with pytest.raises(RuntimeError, match=message):
            call()
    for wrong in (0, [0, 1], True):
        with pytest.raises(TypeError, match="group must be None, 'world' or a process group, got"):
            pfld_loss(**inputs, group=wrong)
        with pytest.raises(TypeError, match="WORLD is None before init_process_group"):
            PFLDLoss(group=wrong)
    with torch.no_grad():
        torch.testing.assert_close(
            pfld_loss(**inputs, group="world").total, pfld_loss(**inputs).total
        )
