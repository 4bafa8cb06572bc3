"""P where nearly all is noise: which levels are drawn, and what is recorded of it."""

import torch

from lossbook.lab.motion import leaks, noisiest, windows
from lossbook.lab.motion.model import SETTINGS, batches, signal


def some_windows():
    generator = torch.Generator().manual_seed(0)
    motion = torch.randn(64, 6, 265, generator=generator)
    return windows.Windows(motion, motion[:, 0], torch.zeros(64, 6, 2), torch.arange(64))


def test_all_levels_are_above_the_lowest_and_all_else_is_the_same():
    usual = batches(some_windows(), 0, SETTINGS)
    noisy = batches(some_windows(), 0, noisiest.EXPERIMENT.config)
    for _ in range(20):
        one, other = next(usual), next(noisy)
        assert (other.level >= noisiest.LEVEL).all() and (other.level <= 1).all()
        torch.testing.assert_close(other.level, 0.9 + 0.1 * one.level)
        torch.testing.assert_close(other.motion, one.motion)
    assert signal(torch.tensor(noisiest.LEVEL)) < 0.025


def test_six_trainings_are_recorded_as_the_leaks_are():
    record = noisiest.load_record()
    usual = leaks.load_record().config
    assert record.config == usual.replace(arms=(noisiest.ARM,), lowest_level=noisiest.LEVEL)
    assert [result.fold for result in record.results] == list(range(6))
    assert all(result.noise_jitter > result.zeros_jitter > 0 for result in record.results)
