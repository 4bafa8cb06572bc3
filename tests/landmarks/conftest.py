"""What several tests of the chapter need."""

import pytest

from lossbook.lab.landmarks.data import load_faces


@pytest.fixture(scope="module")
def faces():
    return load_faces()
