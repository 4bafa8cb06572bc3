"""Which device to run on, and what to call it in a record. Needs torch only."""

import platform
from collections.abc import Iterator
from contextlib import contextmanager

import torch


def default_device() -> torch.device:
    """Return the CUDA device if there is one, else the CPU.

    Apple's MPS is not chosen by itself: it has no float64, which some chapters need.
    """
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def describe_device(device: torch.device) -> str:
    """Name a device for a record: the GPU's name, or the CPU's kind and number of threads.

    Args:
        device: The device that the work runs on.
    """
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"CPU ({platform.machine()}, {torch.get_num_threads()} threads)"


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Let torch use so many CPU threads inside the block.

    Networks of small layers gain nothing from a second thread. On a machine with other work they
    lose a great deal: each layer then waits for the slowest thread.

    Args:
        count: at least 1.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
