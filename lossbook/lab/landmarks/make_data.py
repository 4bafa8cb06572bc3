"""How `orl_wflw98.npz` was made: MediaPipe on the ORL photographs.

**The landmarks are pseudo-labels**: no human drew them. MediaPipe's FaceLandmarker 1.2.2 was run on
each photograph, enlarged four times and padded at the edges, and found all 400 faces. The file
holds 98 of its 478 points, chosen to follow WFLW's annotation scheme, and its head rotation. Errors
measured against it are errors against MediaPipe. With mediapipe installed, and the model as
`lossbook.lab.run.landmarker` says, it is written by::

    python -m lossbook.lab.landmarks.make_data face_landmarker_v2.task

The command refuses any other model.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lossbook.lab.landmarks.orl import FILE, load_labels
from lossbook.lab.landmarks.scheme import wflw98_from_mediapipe
from lossbook.lab.run.landmarker import check_model, open_landmarker
from lossbook.lab.run.orl import load_images

__all__ = ["main"]

_Array = NDArray[np.float32]


def _run_mediapipe(images: NDArray[np.uint8], model: Path) -> tuple[_Array, _Array]:
    """Return MediaPipe's points (n, 478, 2) in pixels of the picture and rotations (n, 3, 3)."""
    landmarker = open_landmarker(model, output_facial_transformation_matrixes=True)
    import mediapipe  # type: ignore[import-not-found]

    zoom, margin = 4, 100
    points, rotations = [], []
    with landmarker:
        for image in images:
            large = np.pad(np.kron(image, np.ones((zoom, zoom), np.uint8)), margin, mode="edge")
            rgb = np.repeat(large[:, :, None], 3, axis=2)
            found = landmarker.detect(
                mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=rgb)
            )
            relative = np.array([[point.x, point.y] for point in found.face_landmarks[0]])
            points.append((relative * large.shape[::-1] - margin) / zoom)
            rotations.append(found.facial_transformation_matrixes[0][:3, :3])
    # The nearest rotations in the least-squares sense: MediaPipe's are some 1e-6 off.
    u, _, vt = np.linalg.svd(np.stack(rotations).astype(np.float64))
    return np.stack(points).astype(np.float32), (u @ vt).astype(np.float32)


def main(arguments: Sequence[str] | None = None) -> None:
    """Write `orl_wflw98.npz` by running MediaPipe, which must be installed, on all photographs.

    Args:
        arguments: of the command line, the path of ``face_landmarker_v2.task``.

    Raises:
        OSError: if the model cannot be read.
        ValueError: if it is another file, with the sizes or the checksums.
    """
    parser = argparse.ArgumentParser(prog="python -m lossbook.lab.landmarks.make_data")
    parser.add_argument("model", type=Path, help="MediaPipe's face_landmarker_v2.task")
    parser.add_argument("--out", type=Path, default=FILE)
    options = parser.parse_args(arguments)
    check_model(options.model)
    subject = np.repeat(np.arange(1, 41, dtype=np.uint8), 10)
    shot = np.tile(np.arange(1, 11, dtype=np.uint8), 40)
    points, rotation = _run_mediapipe(load_images(subject, shot), options.model)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(
        options.out,
        landmarks=wflw98_from_mediapipe(points),
        rotation=rotation,
        subject=subject,
        shot=shot,
    )
    # So that a mistake shows here and not when a reader loads the file.
    load_labels(options.out)


if __name__ == "__main__":
    main()
