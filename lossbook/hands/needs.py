"""What the terms of a hand's total are called, and what each is computed from."""

from collections.abc import Mapping
from typing import Any, Literal, get_args

from lossbook.advice import instead_of_name
from lossbook.hands.containers import HandPrediction, HandTarget
from lossbook.hands.losses import Weight
from lossbook.reduction import check_reduction

Term = Literal["2d", "3d_joint", "3d_vert", "prior", "aux"]
TERMS: tuple[str, ...] = get_args(Term)

# What each term is computed from, under the names that the caller knows.
NEEDS: Mapping[str, tuple[str, ...]] = {
    "2d": ("prediction.keypoints_2d", "target.keypoints_2d"),
    "3d_joint": ("prediction.keypoints_3d", "target.keypoints_3d"),
    "3d_vert": ("prediction.vertices", "target.vertices"),
    "prior": ("prediction.betas",),
    "aux": ("prediction.coarse_pose", "prediction.coarse_shape", "target.pose", "target.shape"),
}
# The same as fields of the target or of the prediction.
_FIELDS = {
    name: tuple((needed.startswith("target."), needed.partition(".")[2]) for needed in needs)
    for name, needs in NEEDS.items()
}


def check_of_terms(reduction: str) -> None:
    """Check the name of the reduction of a total's points.

    Raises:
        ValueError: for an unknown one, or ``"none"``.
    """
    check_reduction(reduction)
    if reduction == "none":
        raise ValueError("reduction must be sum, mean or batchmean: the terms are scalars")


def factors_of(weight: Weight | Mapping[str, Weight] | None) -> dict[str, Weight | None]:
    """The samples' weight of each term."""
    if not isinstance(weight, Mapping):
        return dict.fromkeys(TERMS, weight)
    check_terms(tuple(weight), "weight")
    return {name: weight.get(name) for name in TERMS}


def inputs_of(name: str, prediction: HandPrediction, target: HandTarget) -> list[Any]:
    """What a term is computed from; None for what is not there."""
    return [
        getattr(target if of_target else prediction, field) for of_target, field in _FIELDS[name]
    ]


def options_of(name: str, target: HandTarget, root: int | None) -> dict[str, Any]:
    """How the keypoints of a term are compared: of which dimensions, from where, how surely."""
    flat = name == "2d"
    return {
        "dimensions": 2 if flat else 3,
        "root": None if flat else root,
        "confidence": target.confidence_2d if flat else target.confidence_3d,
        "names": (*NEEDS[name], "target.confidence_2d" if flat else "target.confidence_3d"),
    }


def check_terms(names: tuple[Any, ...], option: str) -> None:
    """Check the names of terms that an option holds.

    Raises:
        ValueError: for a name that is no term.
    """
    unknown = [name for name in names if name not in TERMS]
    if unknown:
        raise ValueError(
            f"{option} names {unknown[0]!r}, which is no term; {instead_of_name(unknown[0], TERMS)}"
        )
