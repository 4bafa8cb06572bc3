"""For how many *other* people the judge takes a face that was guided towards a stranger's template.

A guided face that dlib accepts for its person says little if dlib accepts it for anybody. The faces
are those of `lossbook.lab.inversion.controls`, of strangers in all four folds, which need no
training. Record it with ``python -m lossbook.lab.inversion.crossed``.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from lossbook.lab.inversion.controls import guess, moved
from lossbook.lab.inversion.experiment import recognisers
from lossbook.lab.inversion.faces import Faces, enlarge, load_faces, split
from lossbook.lab.inversion.model import templates
from lossbook.lab.inversion.systems import similarity, threshold

__all__ = ["CROSSED", "FMR", "STARTS", "STRENGTHS", "accepted", "load_crossed", "made"]

CROSSED = Path(__file__).parent / "data" / "crossed.json"
"""The record: start, strength, and for each of the forty people what share is accepted."""
STARTS = ("mean face", "regression")
STRENGTHS = (0.0, 0.5)
"""Without guidance, and with that of the chapter."""
FMR = 1e-3


def made(
    start: str, strength: float, faces: Faces, fold: int, which: Int64[Tensor, " n"]
) -> Float[Tensor, "n 1 56 56"]:
    """Faces of strangers, from their templates.

    Args:
        start: one of `STARTS`.
        strength: of the guidance; 0 is none.
        faces: as `load_faces` gives them.
        fold: who is held out.
        which: photographs whose templates are attacked.
    """
    part, known = split(faces, fold), templates(faces)[which]
    picture = guess(start, faces, part.training)(known)
    return moved(picture, known, recognisers()[0], strength) if strength else picture


def accepted(
    pictures: Float[Tensor, "n 1 56 56"], faces: Faces, which: Int64[Tensor, " n"]
) -> dict[str, list[float]]:
    """What share of photographs dlib accepts each face with.

    Args:
        pictures: faces that were made.
        faces: as `load_faces` gives them.
        which: the photographs whose templates they were made from.

    Returns:
        ``"own"``: of the person's nine other photographs; ``"others"``: of all photographs of all
        other people; ``"people"``: of the other people, with one of their photographs or more.
    """
    found = recognisers()[1](enlarge(pictures.clamp(-1, 1)))
    taken = similarity("judge", found, faces.judge) > threshold("judge", faces, FMR)
    same = faces.subject == faces.subject[which][:, None]
    itself = torch.arange(len(faces.subject)) == which[:, None]
    everybody = sorted(set(faces.subject.tolist()))
    each = torch.stack(
        [(taken & ~same)[:, faces.subject == person].any(1) for person in everybody], 1
    )
    return {
        "own": ((taken & same & ~itself).sum(1) / (same & ~itself).sum(1)).tolist(),
        "others": ((taken & ~same).sum(1) / (~same).sum(1)).tolist(),
        "people": (each.sum(1) / (len(everybody) - 1)).tolist(),
    }


def load_crossed() -> dict[str, dict[str, list[float]]]:
    """By start and strength, as in ``"mean face, 0.5"``: columns of `accepted`, by person."""
    found: dict[str, dict[str, list[float]]] = json.loads(CROSSED.read_text(encoding="utf-8"))
    return found


def _by_person(values: Sequence[float], people: Sequence[int]) -> list[float]:
    pairs = list(zip(people, values, strict=True))
    return [
        round(statistics.fmean(v for p, v in pairs if p == person), 4)
        for person in sorted(set(people))
    ]


def main() -> None:
    """Record every start at every strength."""
    faces = load_faces()
    recorded: dict[str, Mapping[str, list[float]]] = {}
    for start in STARTS:
        for strength in STRENGTHS:
            columns: dict[str, list[float]] = {}
            people: list[int] = []
            for fold in range(4):
                which = split(faces, fold).unseen
                found = accepted(made(start, strength, faces, fold, which), faces, which)
                people += faces.subject[which].tolist()
                for name, values in found.items():
                    columns.setdefault(name, []).extend(values)
            recorded[f"{start}, {strength:g}"] = {
                name: _by_person(values, people) for name, values in columns.items()
            }
    CROSSED.write_text(json.dumps(recorded) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
