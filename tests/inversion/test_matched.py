"""Raw L2 with a λ that evens out how hard it pulls."""

import pytest
import torch

from lossbook.inversion import feature_l2_loss
from lossbook.lab.inversion import matched
from lossbook.lab.inversion.arms import LARGEST, MATCHED, RAW_LENGTH


def test_the_record_is_that_of_the_code():
    found = matched.load_record()
    assert matched.EXPERIMENT.stale(found) == []
    assert {result.arm for result in found.results} == set(MATCHED)


def test_templates_are_as_long_as_the_weight_supposes(faces):
    assert faces.attacked.norm(dim=1).mean().item() == pytest.approx(RAW_LENGTH, abs=0.01)


def test_along_the_cosine_it_pulls_as_normalised_l2_does():
    angle = torch.tensor(1.0, dtype=torch.float64, requires_grad=True)
    template = torch.tensor([[1.0, 0.0]], dtype=torch.float64)

    def slope(weight, length, **options):
        feature = length * torch.stack([angle.cos(), angle.sin()])[None]
        loss = weight * feature_l2_loss(feature, length * template, **options)
        return torch.autograd.grad(loss, angle)[0]

    weight = MATCHED["raw, matched"].loss(100).lambda_schedule.step(100)
    expected = slope(LARGEST, 1.0, normalized=True)
    torch.testing.assert_close(slope(weight, RAW_LENGTH), expected)
