import sys
from collections import Counter

import pytest
import torch

CASES = 8
"""Of a test with many, the cases that are run with run-time type checks. The rest differ in values
or in the loss, and each loss is called by its own tests too."""


UNTYPED = ("own_errors", "compiles", "spawns", "long")
"""What is left out with run-time type checks; pyproject.toml says why."""


def pytest_addoption(parser):
    parser.addoption(
        "--typecheck",
        action="store_true",
        help="check every annotation of lossbook at run time with jaxtyping and beartype",
    )


def pytest_configure(config):
    if config.getoption("--typecheck"):
        from jaxtyping import install_import_hook

        install_import_hook("lossbook", "beartype.beartype")


def attributes_are_watched():
    """Whether compiled code notices that an attribute of a module has changed."""
    if sys.version_info[:3] != (3, 13, 0):
        return True
    from torch._dynamo import config

    return not getattr(config, "use_recursive_dict_tags_for_guards", False)


def pytest_collection_modifyitems(config, items):
    if not attributes_are_watched():
        unseen = pytest.mark.xfail(reason="python/cpython#125608, mended in 3.13.1", strict=True)
        for item in items:
            if item.get_closest_marker("reassigns"):
                item.add_marker(unseen)
    if not config.getoption("--typecheck"):
        return
    seen = Counter()
    kept, out = [], []
    for item in items:
        test = item.nodeid.partition("[")[0]
        skipped = any(map(item.get_closest_marker, UNTYPED))
        wanted = not skipped and seen[test] < CASES
        seen[test] += wanted
        (kept if wanted else out).append(item)
    config.hook.pytest_deselected(items=out)
    items[:] = kept


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)


@pytest.fixture
def alone(tmp_path, monkeypatch):
    """A process group of this process alone."""
    from ranks import join

    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "lo")
    join(tmp_path / "rendezvous", 0, 1)
    yield
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
