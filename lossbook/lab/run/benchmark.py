"""Times every loss of the registry, and on a GPU checks that none waits for the device.

Run ``python -m lossbook.lab.run.benchmark --device cuda``. It writes a JSON file into the package,
from which the status page of the book makes its table.
"""

import argparse
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.benchmark import Timer

from lossbook.lab.run.devices import default_device
from lossbook.lab.run.records import stamp, write_json
from lossbook.registry import Card, cards
from lossbook.terms import LossTerms

RECORD = Path(__file__).with_name("benchmark.json")


@dataclass(frozen=True)
class Timing:
    """How long one loss takes, forward and backward, in milliseconds.

    Attributes:
        loss: its name.
        megabytes: size of the inputs.
        eager: as it is called.
        compiled: through ``torch.compile``.
        copy: reading the inputs and writing as much, the least that memory allows.
        synchronises: whether it waited for the device; None where that cannot be told.
    """

    loss: str
    megabytes: float
    eager: float
    compiled: float
    copy: float
    synchronises: bool | None


def measure(card: Card, device: torch.device, *, megabytes: float) -> Timing:
    """Time one loss on inputs of about a given size.

    Args:
        card: of the loss.
        device: where to run.
        megabytes: of float32 inputs.
    """
    one = sum(value.numel() * 4 for value in card.inputs(1, torch.Generator()).values())
    batch = max(1, round(megabytes * 1e6 / one))
    inputs = {
        name: value.to(device, torch.float32).requires_grad_(name in card.differentiable)
        for name, value in card.inputs(batch, torch.Generator().manual_seed(0)).items()
    }

    def step(loss: Any) -> None:
        result = loss(**inputs)
        value: Tensor = result.total if isinstance(result, LossTerms) else result.sum()
        if card.differentiable:
            wanted = [inputs[name] for name in card.differentiable]
            torch.autograd.grad(value, wanted, materialize_grads=True)

    def milliseconds(statement: str, **names: Any) -> float:
        timer = Timer(statement, globals=names, num_threads=torch.get_num_threads())
        return timer.blocked_autorange(min_run_time=1).median * 1e3

    compiled = torch.compile(card.function, fullgraph=True)
    step(compiled)
    return Timing(
        loss=card.name,
        megabytes=round(batch * one / 1e6, 1),
        eager=milliseconds("step(loss)", step=step, loss=card.function),
        compiled=milliseconds("step(loss)", step=step, loss=compiled),
        copy=milliseconds(
            "for value in values: value.clone()",
            values=[value.detach() for value in inputs.values()],
        ),
        synchronises=_synchronises(lambda: step(card.function), device),
    )


def _synchronises(step: Any, device: torch.device) -> bool | None:
    if device.type != "cuda":
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


def main(arguments: list[str] | None = None) -> None:
    """Time all losses and write the record.

    Args:
        arguments: of the command line.
    """
    parser = argparse.ArgumentParser(prog="python -m lossbook.lab.run.benchmark")
    parser.add_argument("--device", default=default_device())
    parser.add_argument("--megabytes", type=float, help="of inputs; 512 on a GPU, 32 on a CPU")
    parser.add_argument("--out", type=Path, default=RECORD)
    options = parser.parse_args(arguments)
    device = torch.device(options.device)
    megabytes = options.megabytes or (512 if device.type == "cuda" else 32)
    timings = []
    for card in cards():
        timings.append(measure(card, device, megabytes=megabytes))
        print(timings[-1], flush=True)
    command = f"python -m lossbook.lab.run.benchmark --device {device} --megabytes {megabytes:g}"
    write_json(stamp(device, command) | {"timings": list(map(asdict, timings))}, options.out)


if __name__ == "__main__":
    main()
