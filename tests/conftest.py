import pytest
import torch


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


def pytest_collection_modifyitems(config, items):
    if not config.getoption("--typecheck"):
        return
    out = [
        i for i in items if i.get_closest_marker("own_errors") or i.get_closest_marker("compiles")
    ]
    config.hook.pytest_deselected(items=out)
    items[:] = [item for item in items if item not in out]


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
