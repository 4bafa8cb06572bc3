"""When a recogniser accepts a face, and how an attack is scored by it.

**The thresholds** are each system's own: the similarity that one in a hundred, or one in a
thousand, of the pairs of two different people among the ORL photographs exceeds (the *false match
rate*, FMR). **Type I** compares a rebuilt face with the photograph that the template was taken of,
**type II** with the other nine of the same person, which is what an attacker meets at the door.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional

from lossbook.lab.inversion.faces import Faces, enlarge, reduce
from lossbook.lab.inversion.judge import Judge
from lossbook.lab.inversion.sface import SFace

__all__ = ["FMR", "SYSTEMS", "System", "features", "similarity", "threshold", "units"]

System = Literal["attacked", "judge"]
SYSTEMS: tuple[System, ...] = ("attacked", "judge")
"""SFace, whose gradient the attack uses; dlib, which it knows nothing of."""

FMR = (1e-2, 1e-3)

_PART = 4
"""Pictures that SFace sees at a time. On one core 16 at once take 0.14 s each, 4 take 0.09."""


def features(
    network: SFace, pictures: Float[Tensor, "batch 1 112 112"]
) -> Float[Tensor, "batch 128"]:
    """SFace's features, a few pictures at a time.

    Args:
        network: SFace.
        pictures: aligned, from 0 to 1.
    """
    parts = [network(part) for part in torch.split(pictures, _PART)]
    return torch.cat(parts)


def similarity(
    system: System, found: Float[Tensor, "n 128"], enrolled: Float[Tensor, "m 128"]
) -> Float[Tensor, "n m"]:
    """How alike a system finds faces: the cosine for SFace, minus the distance for dlib.

    Args:
        system: whose features they are.
        found: of some faces.
        enrolled: of others.
    """
    if system == "judge":
        return -torch.cdist(found, enrolled)
    return functional.normalize(found) @ functional.normalize(enrolled).T


def threshold(system: System, faces: Faces, fmr: float) -> float:
    """The similarity from which on a system accepts.

    Args:
        system: whose.
        faces: as `load_faces` gives them.
        fmr: share of the pairs of different people that it accepts.
    """
    enrolled = getattr(faces, system)
    first, second = torch.triu_indices(len(enrolled), len(enrolled), 1)
    others = faces.subject[first] != faces.subject[second]
    found = similarity(system, enrolled, enrolled)[first, second][others]
    return found.quantile(1 - fmr).item()


def units(
    rebuilt: Float[Tensor, "n 1 56 56"],
    faces: Faces,
    indices: Int64[Tensor, " n"],
    network: SFace,
    judge: Judge,
) -> Mapping[str, Float[Tensor, " n"]]:
    """Score rebuilt faces one by one.

    Args:
        rebuilt: from -1 to 1; what lies beyond is cut off.
        faces: as `load_faces` gives them.
        indices: of the photographs that their templates were taken of.
        network: the attacked system.
        judge: the other one.

    Returns:
        ``"rmse"`` in grey levels of 255; for each system ``"..._far"``, one minus the mean cosine
        with the person's other photographs, or the mean distance; and ``"..._I_0.01"`` and the
        like: the share of the photographs of that type as which it is accepted.
    """
    rebuilt = rebuilt.clamp(-1, 1)
    large = enlarge(rebuilt)
    with torch.no_grad():
        own = {"attacked": features(network, large), "judge": judge(large)}
    error = rebuilt - reduce(faces.pictures[indices])
    columns = {"rmse": error.square().mean((1, 2, 3)).sqrt() * 127.5}
    is_own = torch.arange(len(faces.subject)) == indices[:, None]
    is_other = (faces.subject == faces.subject[indices][:, None]) & ~is_own
    for system in SYSTEMS:
        alike = similarity(system, own[system], getattr(faces, system))
        mean = (alike * is_other).sum(1) / is_other.sum(1)
        columns[f"{system}_far"] = 1 - mean if system == "attacked" else -mean
        for fmr in FMR:
            taken = alike > threshold(system, faces, fmr)
            columns[f"{system}_I_{fmr:g}"] = (taken & is_own).sum(1).float()
            columns[f"{system}_II_{fmr:g}"] = (taken & is_other).sum(1) / is_other.sum(1)
    return columns
