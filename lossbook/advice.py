"""What errors advise to pass instead, as code that the caller can type.

Nothing here runs before an error is certain.
"""

import difflib
import math
from collections.abc import Callable, Container, Mapping, Sequence

Shape = tuple[int, ...]

_POSE = ("angles", "angles_target")
_MASKS = ("mask", "valid", "visible", "visibility")


def instead_of_name(name: object, known: Sequence[str]) -> str:
    """What to say of a name that is not among these: those that it is a part of, or close ones."""
    meant = meant_by(name, known, n=3)
    if not meant:
        return f"there are {', '.join(known)}"
    choice = " or ".join(filter(None, [", ".join(meant[:-1]), meant[-1]]))
    return f"did you mean {choice}? There are {', '.join(known)}"


def instead_of_option(name: str, known: Sequence[str]) -> str:
    """What to say of an option by a name that is not among these."""
    if "weight" in known and any(word in name.lower() for word in _MASKS):
        return "pass a mask or weight as weight="
    return instead_of_name(name, known)


def instead_of_missing(names: Sequence[str]) -> str:
    """What to do about arguments that were left out; empty where there is no more to say."""
    if any(name in _POSE for name in names):
        return "pass the pose of each face, or take wing_loss or smooth_l1_loss, which need none"
    return ""


def meant_by(name: object, known: Sequence[str], n: int = 1) -> list[str]:
    """The names that one that is not among them stands for.

    Those that differ in case and underscores alone; else those that it is a part of; else the
    ``n`` closest ones.
    """
    word = str(name)
    whole = spelt_alike(word, known) or [other for other in known if f"_{word}_" in f"_{other}_"]
    return whole or difflib.get_close_matches(word, known, n=n)


def spelt_alike(name: str, known: Sequence[str]) -> list[str]:
    """The names that differ from one in case, underscores and hyphens alone."""
    return [other for other in known if _plain(other) == _plain(name)]


def _plain(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")


_REDUCTIONS = {
    "avg": "mean",
    "average": "mean",
    "add": "sum",
    "total": "sum",
    "batch": "batchmean",
    "elementwise_mean": "mean",
    "None": "none",
}


def instead_of_reduction(name: object, known: Sequence[str]) -> str:
    """Which reduction a name that is none may mean; empty where there is nothing to guess."""
    word = str(name)
    other = {_REDUCTIONS[word]} if word in _REDUCTIONS else set(meant_by(word.lower(), known))
    return f"; did you mean {' or '.join(map(repr, sorted(other)))}?" if other else ""


def instead_of_passed_over(key: object, known: Sequence[str], found: Container[str]) -> str:
    """What to say of a key of a batch that names no field, if one that is missing may be meant.

    Args:
        key: of the batch.
        known: the names of the fields.
        found: those that the batch has.
    """
    word = str(key)
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.7)
    if close and close[0].startswith(f"{word}_"):
        close = [other for other in known if other.startswith(f"{word}_")]
        # A "keypoints" beside "keypoints_2d" is not one of another name.
        if any(other in found for other in close):
            return ""
    close = close or [other for other in known if _abbreviates(word, other)]
    missing = [repr(other) for other in close if other not in found]
    if not missing:
        return ""
    which = "which is" if len(missing) == 1 else "which are"
    return f"did you mean {' or '.join(missing)}, {which} not there?"


def _abbreviates(word: str, name: str) -> bool:
    """Whether it is a name of something in 2D or 3D without some letters, as "kp3d"."""
    stem = word[:-2].rstrip("_")
    if len(stem) < 2 or word[-2:] not in ("2d", "3d") or word[0] != name[0]:
        return False
    letters = iter(name)
    return all(letter in letters for letter in word)


def to_one_shape(shapes: Mapping[str, Shape]) -> str:
    """What to do about tensors, by name, whose shapes should be equal."""
    first, *others = shapes.values()
    if all(sorted(shape) == sorted(first) for shape in others):
        return "transpose one, reshaping would mix its elements"
    flat = {name: shape for name, shape in shapes.items() if len(shape) == 2}
    parted = [shape for shape in shapes.values() if len(shape) > 2]
    for name, (batch, count) in flat.items():
        for shape in parted:
            if (batch, count) == (shape[0], math.prod(shape[1:])):
                return f"pass {name}.unflatten(1, {shape[1:]})"
    return "reshape or expand one explicitly"


def instead_of_integers(name: str, own: Shape) -> str:
    """What to do about a weight of integers; one of samples may be lengths of clips."""
    clips = "the lengths of clips one by torch.arange(frames) < lengths[:, None], "
    return (
        f"a visibility of 0, 1 or 2 becomes a mask by visibility > 0, "
        f"{clips if name == 'weight' and len(own) == 1 else ''}a count a weight by {name}.float()"
    )


def instead_of_weight(
    name: str, own: Shape, of: str, other: Shape, fits: Callable[[Shape, Shape], bool]
) -> str:
    """What to do about a weight that does not fit a tensor. Code stands last, after "pass".

    Args:
        name: of the weight, as the caller types it.
        own: its shape.
        of: what the errors call the tensor.
        other: the shape of that.
        fits: whether a weight of one shape fits a tensor of another.
    """
    if math.prod(own) == 1:
        return f"for one number for all pass {name}[{_zeros(own)}]"
    if fits((1, *own), other):
        return f"for the same weights in every sample pass {name}[None]"
    if own[0] == 1 and fits(own[1:], other):
        return f"it has a dimension too many, pass {name}[0]"
    extra = own[len(other) :]
    if extra and fits(own[: len(other)], other):
        if math.prod(extra) == 1:
            return f"it has dimensions too many, pass {name}[..., {_zeros(extra)}]"
        if math.prod(own[1:]) != math.prod(other[1:]):
            last = len(other)
            parts = name if len(extra) == 1 else f"{name}.flatten({last})"
            return f"of what counts only as a whole pass {parts}.amin({last})"
    if len(own) > 1 and fits((*own[:-2], own[-1], own[-2]), other):
        return f"it looks transposed, pass {name}.mT"
    if math.prod(own[1:]) == math.prod(other[1:]) and fits((own[0], *other[1:]), other):
        sizes = ", ".join(str(size) for size in (-1, *other[1:]))
        return f"for the dimensions of {of} pass {name}.reshape({sizes})"
    of_points = _instead_of_points(name, own, of, other)
    if of_points:
        return of_points
    if other[1:] == (1,) and own[:1] == other[:1]:
        return (
            f"there is one weight a sample here; in HandLoss weights of points go to their terms, "
            f"as {{'2d': {name}}}"
        )
    if fits((other[0], *own[1:]), other):
        return f"it has {own[0]} samples, {of} has {other[0]}; give one row for each of these"
    for index, (size, wanted) in enumerate(zip(own, other, strict=False)):
        if size not in (1, wanted):
            return f"its dimension {index} is {size}, that of {of} is {wanted}"
    return f"it has {len(own)} dimensions, {of} has {len(other)}"


def _zeros(shape: Shape) -> str:
    return ", ".join("0" for _ in shape)


def _instead_of_points(name: str, own: Shape, of: str, other: Shape) -> str:
    """Weights of points, where the points' coordinates stand in one row."""
    rows = {name: own, f"{name}[None]": (1, *own)}
    if own[-1] == 1:
        rows[f"{name}[..., 0]"] = own[:-1]
    for code, shape in rows.items():
        for d in (2, 3):
            if len(shape) == len(other) == 2 and (shape[0], d * shape[1]) in (other, (1, other[1])):
                return (
                    f"if each sample holds {shape[1]} points, reshape {of} and its target to "
                    f"(B, {shape[1]}, {d}), or pass {code}.repeat_interleave({d}, dim=1)"
                )
    return ""
