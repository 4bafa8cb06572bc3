"""Who says whether a translation is one: two classifiers that never see a generator.

The true translation is known too: the reference's typeface has a letter of its own where the
content's letter would have to come out. No network is ever told which letters belong together.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Int64
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC
from torch import Tensor

__all__ = ["Judges"]

Pictures = Float[Tensor, "n 1 32 32"]


class Judges:
    """Support vector machines that read the letter and the domain off a picture.

    Args:
        pictures: letters, and what the autoencoder makes of them, so that its blur is no evidence.
        letter: from 0 for A to 25 for Z.
        domain: 0 for sans serif, 1 for serif.
    """

    def __init__(
        self, pictures: Pictures, letter: Int64[Tensor, " n"], domain: Int64[Tensor, " n"]
    ) -> None:
        rows = _rows(pictures)
        self._letter = make_pipeline(PCA(60, random_state=0), SVC(C=10)).fit(rows, letter.numpy())
        self._domain = make_pipeline(PCA(60, random_state=0), SVC(C=10)).fit(rows, domain.numpy())

    def letters(self, pictures: Pictures) -> Int64[Tensor, " n"]:
        """Which letters these are.

        Args:
            pictures: ink from 0 to 1.
        """
        return torch.from_numpy(self._letter.predict(_rows(pictures)))

    def domains(self, pictures: Pictures) -> Int64[Tensor, " n"]:
        """Which domains these are of.

        Args:
            pictures: ink from 0 to 1.
        """
        return torch.from_numpy(self._domain.predict(_rows(pictures)))


def _rows(pictures: Tensor) -> NDArray[np.float32]:
    return pictures.flatten(1).cpu().numpy()
