import sys
from types import ModuleType

import pytest
import torch

from lossbook import registry
from lossbook.lab.run import benchmark, peers


@pytest.mark.parametrize("loss", [name for name, found in peers.PEERS.items() if "torch" in found])
def test_a_peer_is_the_same_loss(loss):
    card = registry.card(loss)
    inputs = benchmark.realistic_inputs(card, 4, torch.device("cpu"))
    torch.testing.assert_close(peers.PEERS[loss]["torch"](**inputs), card.function(**inputs))


def test_a_package_that_cannot_be_imported_is_left_out_and_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pytorch_toolbelt", None)
    assert peers.peers("wing_loss") == {}
    assert peers.missing() == ("pytorch_toolbelt",)


def test_a_package_that_can_be_imported_is_measured(monkeypatch):
    monkeypatch.setitem(sys.modules, "pytorch_toolbelt", ModuleType("pytorch_toolbelt"))
    assert list(peers.peers("wing_loss")) == ["pytorch_toolbelt"]
    assert peers.missing() == ()
