"""What a comparison with another project's code is declared by."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

Tensors = dict[str, Tensor]
Names = Mapping[str, Any]


@dataclass(frozen=True)
class Source:
    """Another project.

    Attributes:
        title: what people call it.
        repository: ``owner/name`` on GitHub; empty for a package.
        branch: to clone; empty for the default one.
        package: as pip knows it; empty for a repository.
    """

    title: str
    repository: str = ""
    branch: str = ""
    package: str = ""


@dataclass(frozen=True)
class Entry:
    """One loss of another project, and the call of this package that is to give the same.

    Attributes:
        name: unique, ``"source symbol"`` with what tells apart two entries of one symbol.
        source: a key of the sources, and of ``--clone``.
        symbol: what their users call it.
        code: names that their call needs, by the file of the repository, or the module of the
            package, that defines them; ``"Class.method"`` takes a method out of its class.
        theirs: their call, a Python expression.
        ours: our call, a Python expression whose names are public in the chapter's package.
        inputs: makes the tensors for so many samples, in float64; those of whole numbers stay so.
        wanted: which of them get a gradient.
        differs: what a reader must know, and why; Markdown.
        agrees: whether both calls are to give the same.
        also: further names for both calls, made of the tensors, such as networks.
        stands_in: names that their code needs and that decide nothing here.
        shows: numbers to record beside: under a question, their expression and ours.
    """

    name: str
    source: str
    symbol: str
    code: Mapping[str, tuple[str, ...]]
    theirs: str
    ours: str
    inputs: Callable[[int, torch.Generator], Tensors]
    wanted: tuple[str, ...]
    differs: str
    agrees: bool = True
    also: Callable[[Tensors], Names] = dict
    stands_in: Names = field(default_factory=dict)
    shows: Mapping[str, tuple[str, str]] = field(default_factory=dict)


def normal(*size: int, generator: torch.Generator) -> Tensor:
    """Numbers of variance 1, in float64."""
    return torch.randn(size, generator=generator, dtype=torch.float64)


def shares(*size: int, generator: torch.Generator) -> Tensor:
    """Numbers from 0 to 1, in float64."""
    return torch.rand(size, generator=generator, dtype=torch.float64)
