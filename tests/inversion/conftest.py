"""What several tests of the chapter need."""

import pytest

from lossbook.lab.inversion.faces import load_faces


@pytest.fixture(scope="module")
def faces():
    return load_faces()
