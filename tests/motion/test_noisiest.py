"""P where nearly all is noise: which windows count, and what is recorded of it."""

import pytest
import torch

from lossbook.lab.motion import noisiest
from lossbook.lab.motion.model import ARMS, Batch, signal

LEVELS = torch.tensor([0.0, 0.5, 0.9, 0.93, 1.0])


@pytest.fixture
def batch(generator):
    motion, noisy = torch.randn(2, 5, 6, 265, generator=generator)
    cond, drive = torch.randn(5, 265, generator=generator), torch.zeros(5, 6, 2)
    return Batch(motion=motion, noisy=noisy, level=LEVELS, cond=cond, drive=drive)


def test_it_is_p_of_the_windows_above_the_level(batch, generator):
    found = torch.randn(5, 6, 265, generator=generator).requires_grad_()
    loss = noisiest.loss(found, batch)
    above = Batch(*(values[3:] for values in batch))
    torch.testing.assert_close(loss.total, ARMS["P"](found[3:], above).total)
    (slope,) = torch.autograd.grad(loss.total, found)
    assert [bool(window.any()) for window in slope] == [False, False, False, True, True]
    assert signal(torch.tensor(noisiest.LEVEL)) < 0.025


def test_a_batch_without_such_a_window_teaches_nothing(batch):
    found = torch.zeros(5, 6, 265, requires_grad=True)
    noisiest.loss(found, batch._replace(level=LEVELS / 2)).total.backward()
    assert not found.grad.any()


def test_six_trainings_are_recorded_as_the_leaks_are():
    record = noisiest.load_record()
    assert record.config.arms == (noisiest.ARM,)
    assert [result.fold for result in record.results] == list(range(6))
    assert all(result.noise_jitter > result.zeros_jitter > 0 for result in record.results)
