"""Work on two ranks, which cannot hang: a deadline ends it, and so does a rank that dies."""

import multiprocessing
import queue
import time
from datetime import timedelta

import pytest
import torch.distributed as dist


def join(path, rank, ranks):
    wait = timedelta(seconds=60)
    dist.init_process_group(
        "gloo", init_method=f"file://{path}", rank=rank, world_size=ranks, timeout=wait
    )


def rank_runs(rank, path, ranks, results, work, *arguments):
    join(path, rank, ranks)
    results.put((rank, work(rank, *arguments)))
    dist.barrier()
    dist.destroy_process_group()


def two_ranks_of(work):
    """A fixture of what ``work(rank)`` returns on each rank, done once for a module."""

    @pytest.fixture(scope="module")
    def two_ranks(tmp_path_factory):
        with pytest.MonkeyPatch.context() as patch:
            return on_two_ranks(tmp_path_factory.mktemp("ranks"), patch, work)

    return two_ranks


def on_two_ranks(path, monkeypatch, work, *arguments, deadline=240):
    """What ``work(rank, *arguments)`` returns on each rank; a rank that dies ends the other."""
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "lo")
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    shared = path / "rendezvous", 2, results, work, *arguments
    ranks = [context.Process(target=rank_runs, args=(rank, *shared)) for rank in range(2)]
    for process in ranks:
        process.start()
    found, end = {}, time.monotonic() + deadline
    try:
        while len(found) < len(ranks):
            try:
                rank, result = results.get(timeout=0.2)
                found[rank] = result
            except queue.Empty:
                dead = [process.exitcode for process in ranks if process.exitcode]
                assert not dead, f"a rank died with {dead}"
                assert time.monotonic() < end, f"only {sorted(found)} ended within {deadline} s"
        for process in ranks:
            process.join(60)
            assert process.exitcode == 0
    finally:
        for process in ranks:
            if process.is_alive():
                process.kill()
            process.join(10)
    return [found[rank] for rank in sorted(found)]
