"""The scripts of the page In your trainer under torchrun, and sharded networks: two processes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from torch.utils.data import DistributedSampler
from trainer_page import BLOCKS, CHAPTERS, STEPS, reader_of, setup, weights

TESTS = Path(__file__).resolve().parents[1]

SHARDED = """
import torch.distributed as dist
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.utils.data import default_collate

dist.init_process_group("gloo")
mesh, rank = init_device_mesh("cpu", (2,)), dist.get_rank()
"""
OF_STEP = """
import copy
whole, samples = copy.deepcopy(network), samples[:8]
for sample in samples:
    sample |= {"length": torch.tensor(20)} if "length" in sample else {}
if hasattr(criterion, "group"):
    criterion.group = "world"
fully_shard(network, mesh=mesh)
step(network, default_collate(samples[4 * rank : 4 * rank + 4])).backward()
if hasattr(criterion, "group"):
    criterion.group = None
step(whole, default_collate(samples)).backward()
pairs = list(zip(network.parameters(), whole.parameters()))
"""
OF_TRANSLATION = """
import sys
sys.path.insert(0, TESTS)
from translation_networks import batch, networks as make

pairs, given = [], batch(8)
part = TranslationBatch(*(v if v is None else v[4 * rank : 4 * rank + 4] for v in given))
for criterion, when in ((of_d, {"step": 1}), (of_d, {"step": 2}), (of_g, {"epoch": 1})):
    four, whole = make(), make()
    for network in four:
        fully_shard(network, mesh=mesh)
    criterion(four, part, **when).backward()
    criterion(whole, given, **when).backward()
    trained = slice(3, 4) if criterion is of_d else slice(3)
    for one, other in zip(four[trained], whole[trained]):
        pairs += zip(one.parameters(), other.parameters())
"""
FARTHEST = """
farthest = 0.0
for shard, parameter in pairs:
    gradient = shard.grad.full_tensor() - parameter.grad
    farthest = max(farthest, (gradient.abs().max() / parameter.grad.abs().max()).item())
dist.destroy_process_group()
"""
DRIVER = """
import functools, json, os, runpy, torch
import torch.distributed as dist

found, init, rank = {}, dist.init_process_group, int(os.environ["RANK"])
for number, chapter in enumerate(CHAPTERS):
    torch.manual_seed(0)
    names = runpy.run_path(chapter + ".py")
    trained = names["networks"] if "networks" in names else [names["network"]]
    moved = [p.double().sum().item() for network in trained for p in network.parameters()]
    # The store of torchrun holds the first group, whose names are those of all others.
    place = f"file://{os.getcwd()}/"
    again = functools.partial(init, rank=rank, world_size=2)
    dist.init_process_group = functools.partial(again, init_method=f"{place}sharded{number}")
    torch.manual_seed(0)
    found[chapter] = moved, runpy.run_path(chapter + "_sharded.py")["farthest"]
    dist.init_process_group = functools.partial(again, init_method=f"{place}{number + 1}")
with open(f"{rank}.json", "w") as file:
    json.dump(found, file)
"""


@pytest.fixture(scope="module")
def two_processes(tmp_path_factory):
    """What the page's scripts leave on two ranks of torchrun: all chapters in one start."""
    folder = tmp_path_factory.mktemp("torchrun")
    for chapter in CHAPTERS:
        translates = chapter == "Translation"
        block = BLOCKS["Several processes"][int(translates)]
        (folder / f"{chapter}.py").write_text(setup(chapter) + "\n" + block)
        parts = [setup(chapter), f"TESTS = {str(TESTS)!r}", SHARDED]
        parts += [OF_TRANSLATION if translates else OF_STEP, FARTHEST]
        (folder / f"{chapter}_sharded.py").write_text("\n".join(parts))
    (folder / "driver.py").write_text(f"CHAPTERS = {CHAPTERS}\n{DRIVER}")
    # Whichever copy of the package these tests import.
    path = os.pathsep.join([str(TESTS.parent), os.environ.get("PYTHONPATH", "")])
    torchrun = [sys.executable, "-m", "torch.distributed.run"]
    process = subprocess.Popen(
        # On a port of its own: other tests may start ranks at the same time.
        [*torchrun, "--standalone", "--nproc-per-node=2", "driver.py"],
        cwd=folder,
        env=os.environ | {"GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1", "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        output, errors = process.communicate(timeout=240)
    finally:
        process.terminate()  # which ends both ranks
    assert process.returncode == 0, errors[-4000:]
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in range(2)], output


@pytest.mark.parametrize("chapter", CHAPTERS)
@pytest.mark.spawns
def test_two_processes_of_torchrun_train_one_network(two_processes, chapter):
    (first, second), output = two_processes
    assert first[chapter][0] == second[chapter][0]
    assert first[chapter][0] != started(chapter)
    assert output.count("'total'") == len(STEPS)


def started(chapter):
    with reader_of(chapter) as (names, _):
        return [w.double().sum().item() for w in weights(names)]


@pytest.mark.parametrize("chapter", CHAPTERS)
@pytest.mark.spawns
def test_sharded_networks_have_the_gradient_of_one_process(two_processes, chapter):
    for rank in two_processes[0]:
        assert 0 < rank[chapter][1] <= 3e-6


def test_a_sampler_repeats_samples_until_all_ranks_have_as_many():
    drawn = [list(DistributedSampler(range(5), num_replicas=2, rank=rank)) for rank in range(2)]
    assert sorted(len(part) for part in drawn) == [3, 3]
