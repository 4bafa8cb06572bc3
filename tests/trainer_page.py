"""The blocks of the page In your trainer, and which file of tests runs each of them."""

from contextlib import contextmanager
from pathlib import Path

import torch

STEPS = ("Landmarks", "Hands", "Motion", "Inversion")
CHAPTERS = (*STEPS, "Translation")
SETUP = "A step of each chapter"
# From a section to the blocks that the dev extra is enough for, and those for `make trainers`.
PLAIN = {
    SETUP: range(7),
    "A plain loop": range(3),
    "torch.compile": range(2),
    "Several processes": range(2),
    "When two ranks have the gradient of one": range(1),
    "Accelerate": range(2),
    "Logging": range(1),
    "Metrics over an epoch": range(1, 2),
}
INSTALLED = {
    "Lightning": range(2),
    "Hugging Face Trainer": range(1),
    "Logging": range(1, 2),
    "Metrics over an epoch": range(1),
}


def blocks():
    """The Python of the page by section."""
    page = (Path(__file__).parents[1] / "book" / "trainer.md").read_text(encoding="utf-8")
    found, heading, fenced = {}, None, False
    for line in page.splitlines(keepends=True):
        if line.startswith("```"):
            fenced = line.startswith("```python")
            if fenced:
                found.setdefault(heading, []).append("")
        elif fenced:
            found[heading][-1] += line
        elif line.startswith("#"):
            heading = line.lstrip("#").strip()
    return found


BLOCKS = blocks()


def setup(chapter):
    """What a chapter's reader has before any other block."""
    imports, *tabs, loader = BLOCKS[SETUP]
    return "\n".join([imports, tabs[CHAPTERS.index(chapter)], loader])


@contextmanager
def reader_of(chapter, seed=0):
    """The names of a chapter's reader, and a function that runs a block with them."""
    torch.manual_seed(seed)
    names = {}
    exec(setup(chapter), names)

    def run(section, index=0):
        exec(BLOCKS[section][index], names)

    yield names, run


def weights(names):
    """Of all that a chapter trains, copied."""
    trained = names["networks"] if "networks" in names else [names["network"]]
    return [p.detach().cpu().clone() for network in trained for p in network.parameters()]


def assert_trained(names, before):
    for now, then in zip(weights(names), before, strict=True):
        assert now.isfinite().all()
        assert not torch.equal(now, then)
