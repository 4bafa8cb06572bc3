"""Times every loss against its plain form, in pairs; on a GPU also checks that none waits for it.

Run ``python -m lossbook.lab.run.benchmark``. It writes a JSON file into the package, from which the
page *Speed* of the book makes its table.
"""

from __future__ import annotations

import argparse
import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lossbook.lab.run.devices import default_device, threads
from lossbook.lab.run.pairs import peak_bytes, ratios, time_in_turns
from lossbook.lab.run.peers import missing, peers
from lossbook.lab.run.records import Model, read, stamp, write_json
from lossbook.lab.run.training import tqdm
from lossbook.registry import Card, cards
from lossbook.terms import LossTerms

RECORD = Path(__file__).with_name("benchmark.json")
BATCHES = (32, 2048, 65536)
THREADS = (1, 2)
LARGEST = 64e6
"""Bytes of inputs beyond which a batch is made smaller."""

# The sizes that networks of these fields have, in place of the small ones of the cards.
_SIZES: Mapping[str, Mapping[str, tuple[int, ...]]] = {
    "smooth_l1_loss": {"input": (98, 2), "target": (98, 2)},
    "wing_loss": {"input": (98, 2), "target": (98, 2)},
    "pose_weight": {"angles": (3,), "angles_target": (3,)},
    "attribute_weight": {"attributes": (6,)},
    "pfld_loss": {
        "landmarks": (98, 2),
        "landmarks_target": (98, 2),
        "angles": (3,),
        "angles_target": (3,),
        "attributes": (6,),
    },
    "keypoint_2d_loss": {"input": (21, 2), "target": (21, 2), "confidence": (21,)},
    "keypoint_3d_loss": {"input": (21, 3), "target": (21, 3), "confidence": (21,)},
    "vertex_loss": {"input": (778, 3), "target": (778, 3)},
    "mano_prior_loss": {"betas": (10,), "hand_pose": (15, 3, 3)},
    "auxiliary_loss": {"pose": (48,), "shape": (10,), "pose_target": (48,), "shape_target": (10,)},
    "rotation_loss": {"input": (15, 3, 3), "target": (15, 3, 3)},
    "HandLoss": {
        "input_2d": (21, 2),
        "target_2d": (21, 2),
        "confidence_2d": (21,),
        "input_3d": (21, 3),
        "target_3d": (21, 3),
        "confidence_3d": (21,),
        "input_vertices": (778, 3),
        "target_vertices": (778, 3),
        "betas": (10,),
        "hand_pose": (15, 3, 3),
        "pose": (48,),
        "shape": (10,),
        "pose_target": (48,),
        "shape_target": (10,),
    },
    "pva_loss": {"input": (80, 265), "target": (80, 265)},
    "last_frame_loss": {"input": (80, 265), "cond_frame": (265,)},
    "motion_l1": {"input": (80, 265)},
    "MotionLoss": {"input": (80, 265), "target": (80, 265), "cond_frame": (265,)},
    "pixel_loss": {"input": (3, 112, 112), "target": (3, 112, 112)},
    "feature_l2_loss": {"features": (512,), "template": (512,)},
    "center_loss": {"features": (512,), "centers": (512,)},
    "cosine_margin_loss": {"features": (512,), "template": (512,), "negatives": (64, 512)},
    "info_nce_loss": {"features": (512,), "template": (512,), "negatives": (64, 512)},
    "guidance_consistency_loss": {
        "loss_gradient": (3, 112, 112),
        "similarity_gradient": (3, 112, 112),
    },
    "InversionLoss": {
        "input": (3, 112, 112),
        "target": (3, 112, 112),
        "features": (512,),
        "template": (512,),
        "negatives": (64, 512),
        "centers": (512,),
    },
    "d_hinge_loss": {"real_logits": (1,), "fake_logits": (1,)},
    "g_adversarial_loss": {"fake_logits": (1,)},
    "d_logistic_loss": {"real_logits": (1,), "fake_logits": (1,)},
    "g_logistic_loss": {"fake_logits": (1,)},
    "d_relativistic_loss": {"real_logits": (1,), "fake_logits": (1,)},
    "g_relativistic_loss": {"real_logits": (1,), "fake_logits": (1,)},
    "r1_penalty": {"gradient": (4, 64, 64)},
    "approximate_r1_penalty": {"ahead": (1,), "behind": (1,)},
    "style_reconstruction_loss": {"pred_style": (64,), "target_style": (64,)},
    "cycle_consistency_loss": {"reconstructed": (4, 64, 64), "original": (4, 64, 64)},
    "identity_loss": {"output": (4, 64, 64), "original": (4, 64, 64)},
    "diversity_loss": {"fake_1": (4, 64, 64), "fake_2": (4, 64, 64)},
    # Their networks are fixed ones of two numbers.
    "DiscriminatorLoss": {
        "content": (2, 1, 2),
        "x_ref": (2, 1, 2),
        "z_trg": (2,),
        "psi": (2, 1, 2),
    },
    "GeneratorLoss": {"content": (2, 1, 2), "x_ref": (2, 1, 2), "z_trg": (2,), "z_2": (2,)},
}
# From 0 to 1 instead of normally distributed.
_SHARES = ("confidence", "confidence_2d", "confidence_3d")
# What is known beside the targets, and takes no gradient.
_GIVEN = ("template", "negatives", "centers", "original")


class Comparison(Model):
    """One loss against another form of it, at one size.

    Attributes:
        loss: its name.
        against: ``"plain"``, or the package of a peer.
        compiled: whether both went through ``torch.compile``, else eager.
        threads: of the CPU.
        batch: samples; fewer than asked for where the inputs would be too large.
        megabytes: of the inputs.
        ours: milliseconds a call, forward and backward, the median.
        theirs: the same of the other form.
        ratio: how many times as fast ours is, the median over the rounds.
        low: its lower quartile.
        high: its upper quartile.
        copy_ms: milliseconds to copy the inputs.
        eager_plain: how many times as fast ours is as the plain form without compiling.
        memory: peak memory of ours over that of the other form, eager; None where not measured.
        synchronises: whether ours waits for the device; None where that cannot be told.
    """

    loss: str
    against: str
    compiled: bool
    threads: int
    batch: int
    megabytes: float
    ours: float
    theirs: float
    ratio: float
    low: float
    high: float
    copy_ms: float
    eager_plain: float
    memory: float | None
    synchronises: bool | None


class Benchmark(Model):
    """All comparisons, where and when they were made, and the peers that were not there."""

    device: str
    torch: str
    platform: str = ""
    date: str
    command: str
    not_installed: tuple[str, ...] = ()
    comparisons: tuple[Comparison, ...]


def realistic_inputs(card: Card, batch: int, device: torch.device) -> dict[str, Tensor]:
    """Make float32 inputs of the sizes that networks have.

    Args:
        card: of the loss.
        batch: samples; fewer are made where they would take more than :data:`LARGEST`.
        device: where they go.
    """
    sizes = _SIZES[card.name]
    numbers = sum(math.prod(size) for size in sizes.values())
    batch = max(1, min(batch, int(LARGEST / 4 / numbers)))
    generator = torch.Generator().manual_seed(0)
    inputs = {}
    for name, size in sizes.items():
        if name in _SHARES:
            value = torch.rand(batch, *size, generator=generator)
        elif name == "attributes":
            value = (torch.rand(batch, *size, generator=generator) < 0.2).float()
        else:
            value = torch.randn(batch, *size, generator=generator)
        # Gradients go where a network is: to predictions, not to labels.
        wanted = name in card.differentiable and not name.startswith("target")
        wanted = wanted and not name.endswith("_target") and name not in _GIVEN
        inputs[name] = value.to(device).requires_grad_(wanted)
    return inputs


def compare(
    card: Card,
    batch: int,
    device: torch.device,
    *,
    compiled: bool,
    seconds: float = 1.0,
    rounds: int = 21,
) -> Iterator[Comparison]:
    """Time one loss at one size against its plain form and its peers.

    Args:
        card: of the loss.
        batch: samples.
        device: where to run.
        compiled: whether to compile all of them.
        seconds: for one comparison, roughly.
        rounds: of each comparison.
    """
    inputs = realistic_inputs(card, batch, device)
    size = next(iter(inputs.values())).shape[0]
    forms = {"ours": _ours(card), "plain": card.plain_form(), **peers(card.name)}
    steps = {name: _step(form, inputs, compiled) for name, form in forms.items()}
    steps["eager plain"] = _step(card.plain_form(), inputs, compiled=False)
    values = [value.detach() for value in inputs.values()]
    steps["copy"] = lambda: [value.clone() for value in values]
    times = time_in_turns(steps, device, seconds=seconds, rounds=rounds)
    median = {name: sorted(each)[len(each) // 2] for name, each in times.items()}
    waits = _synchronises(steps["ours"], device)
    for against in list(forms)[1:]:
        low, middle, high = ratios(times, "ours", against)
        memory = None
        if not compiled:
            held = [peak_bytes(steps[name], device) for name in ("ours", against)]
            memory = held[0] / max(held[1], 1)
        yield Comparison(
            loss=card.name,
            against=against,
            compiled=compiled,
            threads=torch.get_num_threads(),
            batch=size,
            megabytes=round(sum(value.numel() for value in values) * 4e-6, 2),
            ours=round(median["ours"] * 1e3, 5),
            theirs=round(median[against] * 1e3, 5),
            ratio=round(middle, 3),
            low=round(low, 3),
            high=round(high, 3),
            copy_ms=round(median["copy"] * 1e3, 5),
            eager_plain=round(ratios(times, "ours", "eager plain")[1], 3),
            memory=None if memory is None else round(memory, 3),
            synchronises=waits,
        )


def _ours(card: Card) -> Callable[..., Any]:
    """What users call: the function, or the module, made once."""
    return card.function if card.public is None or card.module is None else card.module()


def _step(form: Any, inputs: dict[str, Tensor], compiled: bool) -> Callable[[], object]:
    """One forward and backward pass."""
    if compiled:
        form = torch.compile(form, fullgraph=True, dynamic=False)
    wanted = [value for value in inputs.values() if value.requires_grad]

    def step() -> object:
        found = form(**inputs)
        found = found[0] if isinstance(found, tuple) else found
        value = found.total if isinstance(found, LossTerms) else found.sum()
        return torch.autograd.grad(value, wanted, materialize_grads=True) if wanted else value

    return step


def _synchronises(step: Callable[[], object], device: torch.device) -> bool | None:
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


def run(
    losses: Sequence[str] = (),
    *,
    batches: Sequence[int] = BATCHES,
    compiled_batches: Sequence[int] | None = None,
    thread_counts: Sequence[int] = THREADS,
    device: torch.device | str = "cpu",
    seconds: float = 1.0,
    rounds: int = 21,
) -> list[Comparison]:
    """Make all comparisons, with a progress bar.

    Args:
        losses: names; all by default.
        batches: sizes.
        compiled_batches: sizes of compiled code, which takes a while to make; the same by default.
        thread_counts: of the CPU.
        device: where to run.
        seconds: for one comparison, roughly.
        rounds: of each comparison.

    Raises:
        ValueError: for a loss that there is not.
    """
    device = torch.device(device)
    known = {card.name: card for card in cards()}
    unknown = [name for name in losses if name not in known]
    if unknown:
        raise ValueError(f"no loss named {unknown[0]!r}; there are {', '.join(known)}")
    wanted = [known[name] for name in losses] if losses else list(known.values())
    sizes = {False: batches, True: batches if compiled_batches is None else compiled_batches}
    cells = [
        (count, compiled, card, batch)
        for count, compiled in itertools.product(thread_counts, sizes)
        for card, batch in itertools.product(wanted, sizes[compiled])
    ]
    found: list[Comparison] = []
    for count, compiled, card, batch in tqdm(cells):
        torch.compiler.reset()
        with threads(count):
            found += compare(card, batch, device, compiled=compiled, seconds=seconds, rounds=rounds)
    return found


def load_record(path: Path = RECORD) -> Benchmark:
    """Load the record that ships with the package, or another one."""
    return read(Benchmark, path)


def missed(comparisons: Sequence[Comparison]) -> list[Comparison]:
    """Where ours is not as fast as the other form, the slowest first."""
    return sorted((c for c in comparisons if c.ratio < 1), key=lambda c: c.ratio)


def table(comparisons: Sequence[Comparison]) -> str:
    """The comparisons as lines of text."""
    lines = [f"{'loss':18s} against  mode     threads   batch      ours    theirs  ratio"]
    for c in comparisons:
        mode = "compiled" if c.compiled else "eager"
        lines.append(
            f"{c.loss:18s} {c.against:8s} {mode:8s} {c.threads:7d} {c.batch:7d} "
            f"{c.ours:8.3f}  {c.theirs:8.3f}  {c.ratio:5.2f}"
        )
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Make the comparisons, print them and write the record.

    Args:
        arguments: of the command line.
    """
    parser = argparse.ArgumentParser(prog="python -m lossbook.lab.run.benchmark")
    parser.add_argument("--losses", nargs="*", default=[], help="names; all by default")
    parser.add_argument("--batches", nargs="*", type=int, default=list(BATCHES))
    parser.add_argument(
        "--compiled-batches", nargs="*", type=int, help="of compiled code; as --batches by default"
    )
    parser.add_argument("--threads", nargs="*", type=int, default=list(THREADS))
    parser.add_argument("--device", default=default_device(), help="by default a GPU if any")
    parser.add_argument("--seconds", type=float, default=1.0, help="for one comparison")
    parser.add_argument("--rounds", type=int, default=21, help="of one comparison")
    parser.add_argument("--out", type=Path, default=RECORD)
    options = parser.parse_args(arguments)
    found = run(
        options.losses,
        batches=options.batches,
        compiled_batches=options.compiled_batches,
        thread_counts=options.threads,
        device=options.device,
        seconds=options.seconds,
        rounds=options.rounds,
    )
    print(table(found))
    made = stamp(options.device, _command(parser, options))
    content: dict[str, Any] = {"not_installed": missing()}
    content |= {key: made[key] for key in Benchmark.model_fields if key in made}
    write_json(content | {"comparisons": [c.model_dump() for c in found]}, options.out)


def _command(parser: argparse.ArgumentParser, options: argparse.Namespace) -> str:
    """What to type for the same record; where it was written to is no part of that."""
    words = [parser.prog]
    for name, value in vars(options).items():
        if name != "out" and value != parser.get_default(name):
            option = "--" + name.replace("_", "-")
            words += [option, *map(str, value if isinstance(value, list) else [value])]
    return " ".join(words)


if __name__ == "__main__":
    main()
