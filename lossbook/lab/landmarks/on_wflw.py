"""The losses of the chapter on WFLW, for who has it.

WFLW's files have no angles of the head, so the arms are those that need none: the losses of single
coordinates, and PFLD's attribute weights. Its folder is the one that holds ``WFLW_images`` and
``WFLW_annotations``, as its two archives unpack::

    python -m lossbook.lab.landmarks.on_wflw PATH --out wflw.json

Nothing in the book was made with it.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from lossbook.lab.landmarks import factors
from lossbook.lab.landmarks.model import ARMS as LOSSES
from lossbook.lab.landmarks.model import SETTINGS, ArmLoss, Settings, evaluate, train
from lossbook.lab.landmarks.orl import Faces
from lossbook.lab.landmarks.wflw import WFLWAnnotations, read_wflw
from lossbook.lab.run.devices import default_device, describe_device
from lossbook.lab.run.records import write_json
from lossbook.lab.run.training import tqdm

__all__ = ["ARMS", "SIDE", "load_wflw", "main"]

SIDE = 144
"""Side of the pictures that crops are taken from, in pixels."""
MARGIN = 1.25
"""Side of a picture over the longer side of the face's box."""

ARMS: Mapping[str, ArmLoss] = {
    **{name: LOSSES[name] for name in ("L2", "L1", "SmoothL1", "Wing", "Wing [0,1]")},
    **{
        name: factors.ARMS[name]
        for name in ("attributes alone", "attributes, shuffled", "1 + attributes")
    },
}

_LISTS = Path("WFLW_annotations", "list_98pt_rect_attr_train_test")


def load_wflw(folder: Path) -> tuple[Faces, int]:
    """Read the photographs and annotations of WFLW, the training faces first.

    Args:
        folder: that holds ``WFLW_images`` and ``WFLW_annotations``.

    Returns:
        Faces as `load_faces` gives them, with six attributes, angles of 0 and every face its own
        person; and how many are for training.

    Raises:
        OSError: naming a file that is missing or no picture.
        ValueError: as `read_wflw` does.
    """
    parts = [
        read_wflw(folder / _LISTS / f"list_98pt_rect_attr_{part}.txt") for part in ("train", "test")
    ]
    images, landmarks = zip(
        *(_pictures(folder / "WFLW_images", part) for part in parts), strict=True
    )
    count = sum(map(len, parts))
    faces = Faces(
        images=torch.cat(images),
        landmarks=torch.cat(landmarks),
        angles=torch.zeros(count, 3),
        attributes=torch.cat([part.attributes for part in parts]),
        subject=torch.arange(count),
        shot=torch.ones(count, dtype=torch.int64),
    )
    return faces, len(parts[0])


def _pictures(folder: Path, part: WFLWAnnotations) -> tuple[torch.Tensor, torch.Tensor]:
    """Grey squares around the boxes, and the points in their pixels."""
    images = np.empty((len(part), SIDE, SIDE), np.uint8)
    first, last = part.boxes[:, :2], part.boxes[:, 2:]
    centre, side = (first + last) / 2, MARGIN * (last - first).amax(1)
    start = centre - side[:, None] / 2
    places = zip(part.names, start.tolist(), side.tolist(), strict=True)
    for index, (name, (left, top), wide) in enumerate(tqdm(places, total=len(part), desc="WFLW")):
        with Image.open(folder / name) as picture:
            cut = (left, top, left + wide, top + wide)
            square = picture.convert("L").transform(
                (SIDE, SIDE), Image.Transform.EXTENT, cut, Image.Resampling.BILINEAR
            )
        images[index] = np.asarray(square)
    points = (part.landmarks - start[:, None]) * (SIDE / side)[:, None, None]
    return torch.from_numpy(images), points


def main(arguments: Sequence[str] | None = None) -> None:
    """Train and test each arm once, print its errors and write them down.

    Args:
        arguments: of the command line.
    """
    parser = argparse.ArgumentParser(prog="python -m lossbook.lab.landmarks.on_wflw")
    parser.add_argument("folder", type=Path, help="holds WFLW_images and WFLW_annotations")
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=list(ARMS), metavar="ARM")
    parser.add_argument("--steps", type=int, default=20 * SETTINGS.steps)
    parser.add_argument("--batch-size", type=int, default=SETTINGS.batch_size)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default=str(default_device()), help="by default a GPU if any")
    parser.add_argument("--out", type=Path, help="where the scores are written to, as JSON")
    options = parser.parse_args(arguments)
    faces, many = load_wflw(options.folder)
    training, test = torch.arange(many), torch.arange(many, len(faces))
    settings = Settings(steps=options.steps, batch_size=options.batch_size)
    found = {}
    for arm in options.arms:
        model, history = train(
            ARMS[arm],
            faces,
            training,
            seed=options.seed,
            settings=settings,
            device=options.device,
            description=arm,
        )
        scores = evaluate(model, faces, test)
        del scores["errors"], scores["pose_error"]
        found[arm] = scores | {"seconds": history.seconds}
        print(f"{arm:20s} NME {scores['nme']:.2%}  rare {scores['nme_rare']:.2%}")
        if options.out is not None:
            how = {"steps": options.steps, "seed": options.seed}
            how |= {
                "batch_size": options.batch_size,
                "device": describe_device(torch.device(options.device)),
            }
            write_json({"settings": how, "scores": found}, options.out)


if __name__ == "__main__":
    main()
