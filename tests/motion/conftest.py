"""Real motion, loaded once for all tests of the chapter."""

import pytest

from lossbook.lab.motion.clips import load_sign_heads
from lossbook.lab.motion.windows import split_by_language, standard


@pytest.fixture(scope="session")
def heads():
    return load_sign_heads()


@pytest.fixture(scope="session")
def parts(heads):
    return split_by_language(heads, 0)


@pytest.fixture(scope="session")
def norm(heads, parts):
    return standard(heads, parts[0])
