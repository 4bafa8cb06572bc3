"""Two functions timed against each other, in one process and in turns."""

import random
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

Step = Callable[[], object]
Clock = Callable[[], float]


def time_in_turns(
    steps: Mapping[str, Step],
    device: torch.device,
    *,
    seconds: float,
    rounds: int,
    clock: Clock = time.perf_counter,
) -> dict[str, list[float]]:
    """Time functions in rounds, each round in a new order, so that all meet the same machine.

    Args:
        steps: what to time, by name.
        device: where it runs; on a GPU a measurement ends when the device has.
        seconds: for all of it, roughly.
        rounds: of each; fewer, but at least five, where the functions are slow.
        clock: that tells seconds. :func:`time.thread_time` counts those alone in which this thread
            works, whatever else the machine does; not for a GPU, nor for several threads.

    Returns:
        Seconds a call, one number a round.
    """
    once = {}
    for name, step in steps.items():
        step()
        once[name] = max(min(_seconds(step, 1, device, clock) for _ in range(2)), 1e-7)
    rounds = max(5, min(rounds, int(3 * seconds / sum(once.values()))))
    share = seconds / rounds / len(steps)
    repeats = {name: max(1, int(share / each)) for name, each in once.items()}
    order = list(steps)
    found: dict[str, list[float]] = {name: [] for name in steps}
    shuffle = random.Random(0).shuffle
    for _ in range(rounds):
        shuffle(order)
        for name in order:
            found[name].append(_seconds(steps[name], repeats[name], device, clock))
    return found


def _seconds(step: Step, repeats: int, device: torch.device, clock: Clock) -> float:
    _wait(device)
    start = clock()
    for _ in range(repeats):
        step()
    _wait(device)
    return (clock() - start) / repeats


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def ratios(times: Mapping[str, list[float]], ours: str, theirs: str) -> tuple[float, float, float]:
    """How many times as fast ours is, round by round: quartile, median, quartile."""
    each = [b / a for a, b in zip(times[ours], times[theirs], strict=True)]
    low, middle, high = statistics.quantiles(each, n=4)
    return low, middle, high


def peak_bytes(step: Step, device: torch.device) -> int:
    """The most memory that a function held at a time, beyond what was there before.

    On the CPU, counted from the storages that its operations make; memory that one operation
    takes and gives back is not seen.
    """
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        step()
        return int(torch.cuda.max_memory_allocated(device)) - before
    storages = _Storages()
    with storages:
        step()
    return storages.peak


class _Storages(TorchDispatchMode):
    """Adds up the storages that are alive."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.peak = 0
        self._alive: dict[int, tuple[Any, int]] = {}

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        given = {_key(value) for value in _tensors((args, kwargs))}
        result = function(*args, **(kwargs or {}))
        self._alive = {key: held for key, held in self._alive.items() if not held[0].expired()}
        for value in _tensors(result):
            if _key(value) not in given:
                storage = value.untyped_storage()
                held = StorageWeakRef(storage)  # type: ignore[no-untyped-call]
                self._alive[_key(value)] = (held, storage.nbytes())
        self.peak = max(self.peak, sum(size for _, size in self._alive.values()))
        return result


def _tensors(tree: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)]


def _key(value: Tensor) -> int:
    return int(value.untyped_storage()._cdata)
