"""Which way the terms pull, and which of them Adam's step follows."""

import math
import statistics

import pytest
import torch

from lossbook.lab.hands import directions, experiment
from lossbook.lab.hands.data import load_hands


@pytest.fixture(scope="module")
def hands():
    return load_hands()


@pytest.mark.parametrize(
    ("other", "expected"), [((2.0, 0.0), 0), ((0.0, 1e-6), 90), ((-5.0, 0.0), 180), ((1, 1), 45)]
)
def test_angles_are_those_of_the_directions(other, expected):
    one = torch.tensor([3.0, 0.0])
    assert directions.angle(one, torch.tensor(other)) == pytest.approx(expected, abs=1e-6)


def test_a_small_angle_is_not_rounded_away():
    one, other = torch.tensor([1.0, 0.0]), torch.tensor([1.0, 1e-5])
    assert directions.angle(one, other) == pytest.approx(math.degrees(1e-5), rel=1e-4)


def test_gradients_are_divided_as_adam_divides_them():
    torch.manual_seed(0)
    layer = torch.nn.Linear(3, 2)
    parameters = list(layer.parameters())
    usual = directions.Usual(parameters)
    adam = torch.optim.Adam(parameters, lr=0.1)
    for _ in range(5):
        adam.zero_grad()
        layer(torch.randn(4, 3)).square().sum().backward()
        adam.step()
    gradients = [torch.randn_like(p) for p in parameters]
    wanted = [
        g / ((adam.state[p]["exp_avg_sq"] / (1 - 0.999**5)).sqrt() + 1e-8)
        for g, p in zip(gradients, parameters, strict=True)
    ]
    torch.testing.assert_close(usual.divide(gradients), wanted)


def test_measuring_counts_as_no_step():
    layer = torch.nn.Linear(3, 2)
    usual = directions.Usual(list(layer.parameters()))
    torch.autograd.grad(layer(torch.ones(1, 3)).sum(), list(layer.parameters()))
    with pytest.raises(ValueError, match="no gradient was seen yet"):
        usual.divide([])


def test_shares_add_to_one(hands):
    config = directions.RECORDED.replace(steps=51, synthetic=8, real=8, test=20)
    found = directions.run("code, m", 1, config, hands, progress=False).scores
    for kind in ("pull", "step"):
        shares = [value for name, value in found.items() if name.startswith(f"{kind} ")]
        assert len(shares) == 4
        assert sum(shares) == pytest.approx(1)
    assert 0 < found["angle"] < 180
    assert found["opposed"] in (0, 1)


def test_the_record_is_that_of_the_code():
    """If not: `python -m lossbook.lab.hands.directions --record`, or `--refactored "why"`."""
    found = directions.load_record()
    assert directions.EXPERIMENT.stale(found) == []
    assert len(found.results) == 15


def test_in_the_first_fold_the_pulls_are_those_of_the_main_experiment():
    # There every fiftieth step is measured as well, the first one too.
    found = directions.load_record()
    for share in experiment.load_record().shares:
        if share.arm in found.config.arms:
            medians = {name: statistics.median(v[1:]) for name, v in share.shares().items()}
            (result,) = (r for r in found.results if (r.arm, r.fold) == (share.arm, 0))
            for name, median in medians.items():
                assert result.scores[f"pull {name}"] == pytest.approx(median, abs=2e-4)
