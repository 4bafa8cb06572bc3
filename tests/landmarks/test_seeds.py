"""The plain losses from a second seed, and weights that fade under an Adam that forgets sooner."""

import pytest
import torch

from lossbook.lab.landmarks import experiment, memory, model, seeds
from lossbook.lab.landmarks.data import load_faces


@pytest.mark.parametrize("module", [memory, seeds])
def test_the_record_is_that_of_the_code(module):
    """If not, run the module with `--record`, or with `--refactored "why"`."""
    record = module.load_record()
    assert module.EXPERIMENT.stale(record) == []
    assert len(record.results) == 5 * len(module.RECORDED.arms)


def test_only_the_seed_differs():
    record, usual = seeds.load_record(), experiment.load_record()
    assert record.config == usual.config.replace(arms=record.config.arms)
    for arm in record.config.arms:
        assert not set(record.values(arm)) & set(usual.values(arm))


def test_the_seed_is_the_fold_s_unless_another_is_given():
    faces, quick = load_faces(), experiment.RECORDED.replace(steps=3)
    usual = experiment.run("L2", 1, quick, faces, progress=False)
    other = seeds.run("L2", 1, quick, faces, progress=False)
    same = experiment.run("L2", 1, quick, faces, seed=1, progress=False)
    assert usual.units == same.units != other.units


def test_only_the_memory_differs():
    changed, usual = memory.RECORDED, experiment.RECORDED
    assert changed == usual.replace(
        arms=changed.arms, own_rates=changed.own_rates, optimizer="adam, short"
    )
    assert all(changed.rate(arm) == usual.rate(arm) for arm in changed.arms)
    parameter = torch.nn.Parameter(torch.ones(1))
    usual_one, short = (model.OPTIMIZERS[name]([parameter]) for name in ("adam", "adam, short"))
    assert usual_one.defaults["betas"] == (0.9, 0.999)
    assert short.defaults["betas"] == (0.9, 0.95)
    same = {k: v for k, v in usual_one.defaults.items() if k != "betas"}
    assert same == {k: v for k, v in short.defaults.items() if k != "betas"}
