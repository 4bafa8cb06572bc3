"""What values of the motion losses are normal, and why.

Targets are standardised: each dimension has mean 0 and variance 1. An error of variance v, of which
neighbouring frames correlate by ρ₁ and those two apart by ρ₂, has

    P = v,   V = 2 (1 - ρ₁) v,   A = (6 - 8 ρ₁ + 2 ρ₂) v.

A network that answers 0 errs by the target, v = 1; the motion of another clip errs by the
difference of two independent ones, v = 2.
"""

import functools
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from lossbook.registry import Normal, State

_CLIPS, _FRAMES, _DIMS = 16, 80, 265
_RHO = 0.85
_OF_SMOOTH = {"P": 1.0, "V": 2 * (1 - _RHO), "A": 6 - 8 * _RHO + 2 * _RHO**2}
_OF_NOISE = {"V": 2.0, "A": 6.0}
_PARTS = 6
_UNIT = "variance of a dimension"
_ANSWERS = "The network answers 0, chance the motion of another clip."
_SMOOTH = (
    f"Each dimension standardised, a frame correlated with the next by {_RHO}, as in a real face, "
    f"and with the one after that by {_RHO**2:.2f}. {_ANSWERS}"
)
_NOISE = f"Each dimension standardised, its frames independent. {_ANSWERS}"
_START = (
    f"Each dimension standardised. {_ANSWERS} A perfect clip that the condition precedes by a "
    f"frame, correlated by {_RHO}, keeps {2 * (1 - _RHO):.1f}."
)
_SIZE = "Each dimension standardised and normal. The network answers 0, chance another clip."

Arguments = tuple[tuple[Any, ...], dict[str, Any]]


def _motion(generator: torch.Generator, rho: float) -> Tensor:
    """Standardised clips, in which each frame keeps ``rho`` of the one before."""
    frames = torch.randn(_FRAMES, _CLIPS, _DIMS, generator=generator)
    for t in range(1, _FRAMES):
        frames[t] = rho * frames[t - 1] + math.sqrt(1 - rho**2) * frames[t]
    return frames.transpose(0, 1)


def _answer(state: State, generator: torch.Generator, rho: float) -> Tensor:
    motion = _motion(generator, rho)
    return torch.zeros_like(motion) if state == "start" else motion


def _clips(rho: float, state: State, generator: torch.Generator) -> Arguments:
    return (_answer(state, generator, rho), _motion(generator, rho)), {}


def _beginning(state: State, generator: torch.Generator) -> Arguments:
    return (_answer(state, generator, _RHO), _motion(generator, _RHO)[:, 0]), {}


def _alone(state: State, generator: torch.Generator) -> Arguments:
    return (_answer(state, generator, _RHO),), {}


def _all(state: State, generator: torch.Generator) -> Arguments:
    target = _motion(generator, _RHO)
    values = _answer(state, generator, _RHO)
    return (), {"input": values, "target": target, "cond_frame": _motion(generator, _RHO)[:, 0]}


def _row(
    name: str,
    start: float,
    chance: float,
    given: str,
    inputs: Callable[[State, torch.Generator], Arguments],
    unit: str = _UNIT,
) -> Normal:
    return Normal(name, unit, "mean", given, start, chance, inputs=inputs)


PVA = (
    *(
        _row(f"exp_{letter}", v, 2 * v, _SMOOTH, functools.partial(_clips, _RHO))
        for letter, v in _OF_SMOOTH.items()
    ),
    *(
        _row(f"exp_{letter}", v, 2 * v, _NOISE, functools.partial(_clips, 0.0))
        for letter, v in _OF_NOISE.items()
    ),
)
LAST_FRAME = (_row("exp_L", 1.0, 2.0, _START, _beginning),)
# The mean size of a standard normal variable is the root of 2/π.
L1 = (
    _row(
        "exp_R",
        0.0,
        1e-4 * math.sqrt(2 / math.pi),
        _SIZE,
        _alone,
        "standard deviation of a dimension",
    ),
)
_SUM = _PARTS * (sum(_OF_SMOOTH.values()) + 1)
_TOTAL = f"{_PARTS} parts of weight 1, the condition a frame of yet another clip. {_SMOOTH}"
MOTION = (_row("total", _SUM, 2 * _SUM, _TOTAL, _all),)
