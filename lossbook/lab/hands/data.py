"""Real hands with 21 keypoints in the picture, synthetic hands with everything, and a detector.

**Real hands** (`lossbook.lab.hands.clips`) are right hands of people who spell letters, out of the
PyPI wheel ``spoken-to-signed``. Their keypoints are **pseudo-labels**: no human drew them,
MediaPipe found them. They are 2D only. How they were made stands in `lossbook.lab.hands.make_data`.

**Synthetic hands** (`lossbook.lab.hands.synthesis`) are random poses, shapes and views of a
kinematic hand, with exact 2D and 3D keypoints, pose and shape.

**Crop coordinates** are those of WiLoR and HaMeR: the crop is a square around the hand, its side is
1, its centre the origin; x grows to the right and y downwards, so both lie in [-0.5, 0.5].
"""

from lossbook.lab.hands.clips import Hands, load_hands, split_by_clip
from lossbook.lab.hands.crops import CROP, to_crop
from lossbook.lab.hands.synthesis import OCCLUDED, Synthetic, detect, synthetic

__all__ = [
    "CROP",
    "OCCLUDED",
    "Hands",
    "Synthetic",
    "detect",
    "load_hands",
    "split_by_clip",
    "synthetic",
    "to_crop",
]
