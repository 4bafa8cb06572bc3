"""What several tests of the chapter need."""

import pytest

from lossbook.lab.translation.letters import load_letters


@pytest.fixture(scope="module")
def letters():
    return load_letters()
