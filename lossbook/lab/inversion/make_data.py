"""How ``data/orl_templates.npz`` was made: points to align the faces by, and their templates.

::

    python -m lossbook.lab.inversion.make_data orl_wflw98.npz

The points are ten of the 98 that MediaPipe found in the photographs, in WFLW's order; the file is
that of `lossbook.lab.landmarks.make_data`. The templates are those of SFace and of dlib.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lossbook.lab.inversion.faces import FILE, align, load_faces
from lossbook.lab.inversion.judge import Judge
from lossbook.lab.inversion.sface import load_sface
from lossbook.lab.inversion.systems import features
from lossbook.lab.run.arrays import read_arrays
from lossbook.lab.run.orl import load_images

__all__ = ["main"]

_POINTS = (96, 97, 54, 76, 82, 60, 64, 68, 72, 57)
"""Of WFLW's 98: pupils, tip of the nose, corners of the mouth and of the eyes, base of the nose."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the file; it takes two minutes.

    Args:
        arguments: of the command line, the path of the 98 points.

    Raises:
        ImportError: if a recogniser is not installed.
        OSError: if a file cannot be read.
        ValueError: if a file is not what it should be.
    """
    parser = argparse.ArgumentParser(prog="python -m lossbook.lab.inversion.make_data")
    parser.add_argument("landmarks", type=Path, help="orl_wflw98.npz")
    parser.add_argument("--out", type=Path, default=FILE)
    options = parser.parse_args(arguments)
    labels = read_arrays(
        options.landmarks,
        {
            "landmarks": ("float32", ("faces", 98, 2)),
            "rotation": ("float32", ("faces", 3, 3)),
            "subject": ("uint8", ("faces",)),
            "shot": ("uint8", ("faces",)),
        },
    )
    points = labels["landmarks"][:, _POINTS]
    pictures, placed = align(load_images(labels["subject"], labels["shot"]), points)
    attacked, judge = load_sface(), Judge(placed.mean(0))
    np.savez_compressed(
        options.out,
        points=points,
        attacked=features(attacked, pictures).half().numpy(),
        judge=judge(pictures).half().numpy(),
        subject=labels["subject"],
        shot=labels["shot"],
    )
    # So that a mistake shows here and not when a reader loads the file.
    load_faces()


if __name__ == "__main__":
    main()
