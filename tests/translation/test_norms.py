"""How long the gradients of a training are."""

import pytest
import torch

from lossbook.lab.translation import norms
from lossbook.lab.translation.arms import KINDS
from lossbook.lab.translation.training import _norm


def test_the_record_is_that_of_the_code():
    found = norms.load_record()
    assert norms.EXPERIMENT.stale(found) == []
    assert [result.arm for result in found.results] == list(KINDS)
    for result in found.results:
        assert len(result.log["norm of D"]) == len(result.log["norm of G, E, F"]) == 24


def test_a_length_is_what_clipping_returns():
    network = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Linear(4, 1))
    network(torch.ones(2, 3)).sum().backward()
    network[1].bias.grad = None
    expected = torch.nn.utils.clip_grad_norm_(network.parameters(), float("inf"))
    assert expected > 0
    assert _norm(network).item() == pytest.approx(expected.item())
