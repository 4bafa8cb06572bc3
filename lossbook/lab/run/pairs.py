"""Compare functions in one process, in many short rounds of random order. Needs torch only.

On a machine with other work, times of two runs say little about each other. Here every round times
every function once, and only the times of one round are compared.
"""

import gc
import math
import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch.profiler import ProfilerActivity, profile

Step = Callable[[], object]
Times = Mapping[str, list[float]]

_FEWEST, _MOST = 5, 201


def interleave(
    steps: Mapping[str, Step],
    *,
    seconds: float = 1.0,
    device: torch.device | str = "cpu",
    block: float = 1e-3,
    seed: int = 0,
) -> dict[str, list[float]]:
    """Time every step in every round, in random order.

    Args:
        steps: to be compared.
        seconds: to spend in all; at least 5 and at most 201 rounds are made.
        device: waited for after each block of calls.
        block: seconds that a step is repeated for within a round. Short steps need it: a clock
            costs time too.
        seed: of the order.

    Returns:
        Milliseconds a call, one number a round: those at the same place belong together.
    """
    wait = torch.cuda.synchronize if torch.device(device).type == "cuda" else _no_wait

    def timed(step: Step, calls: int) -> float:
        wait()
        start = time.perf_counter()
        for _ in range(calls):
            step()
        wait()
        return (time.perf_counter() - start) / calls

    order = random.Random(seed)
    times: dict[str, list[float]] = {name: [] for name in steps}
    with _no_collection():
        guess = {name: min(timed(step, 1) for _ in range(3)) for name, step in steps.items()}
        calls = {name: math.ceil(block / once) for name, once in guess.items()}
        cost = sum(calls[name] * guess[name] for name in steps)
        for _ in range(min(max(round(seconds / cost), _FEWEST), _MOST)):
            for name in order.sample(list(steps), len(steps)):
                times[name].append(1e3 * timed(steps[name], calls[name]))
    return times


class Speed(NamedTuple):
    """How many times as fast one step is as another; above 1 it is faster.

    Attributes:
        low: lower quartile of the ratios of each round.
        median: of the ratios of each round.
        high: upper quartile.
        best: ratio of the shortest times of either, which other work on the machine disturbs least.
    """

    low: float
    median: float
    high: float
    best: float


def speed(times: Times, ours: str, other: str) -> Speed:
    """How many times as fast one step is as another; above 1, ``ours`` is faster.

    Args:
        times: from :func:`interleave`.
        ours: the name of a step.
        other: the name of the step that it is compared with.
    """
    ratios = torch.tensor(times[other], dtype=torch.float64) / torch.tensor(times[ours], dtype=torch.float64)
    quarters = torch.tensor([0.25, 0.5, 0.75], dtype=torch.float64)
    return Speed(*ratios.quantile(quarters).tolist(), min(times[other]) / min(times[ours]))


def peak_megabytes(step: Step, device: torch.device | str = "cpu") -> float:
    """How much memory a step takes at most, beyond what was there before.

    On the CPU the allocations are those that torch's profiler reports, which sees compiled code
    and the backward pass too.
    """
    step()
    if torch.device(device).type == "cuda":
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        step()
        return (torch.cuda.max_memory_allocated() - before) / 1e6
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled:
        step()
    assert profiled.profiler is not None and profiled.profiler.kineto_results is not None
    events = [e for e in profiled.profiler.kineto_results.events() if e.name() == "[memory]"]
    held = peak = 0
    for event in sorted(events, key=lambda e: e.start_ns()):
        held += event.nbytes()
        peak = max(peak, held)
    return peak / 1e6


def synchronises(step: Step, device: torch.device | str = "cpu") -> bool | None:
    """Whether a step waits for the GPU; None where there is none to wait for."""
    if torch.device(device).type != "cuda":
        return None
    step()
    torch.cuda.set_sync_debug_mode("error")
    try:
        step()
    except RuntimeError:
        return True
    finally:
        torch.cuda.set_sync_debug_mode("default")
    return False


def _no_wait() -> None:
    pass


@contextmanager
def _no_collection() -> Iterator[None]:
    """Python's garbage collector would fall on one step or the other."""
    enabled = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
