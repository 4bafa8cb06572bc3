"""The denoiser, its twelve losses, and how it makes motion."""

import itertools
import math

import pytest
import torch
from torch import nn

from lossbook import check_values
from lossbook.lab.motion.model import (
    AFTERWARDS,
    ARMS,
    SETTINGS,
    Batch,
    Denoiser,
    batches,
    generate,
    score,
    signal,
    smoothed,
    train,
)
from lossbook.lab.motion.windows import (
    Windows,
    angles,
    clip_windows,
    encode,
    face,
)
from lossbook.lab.run.devices import threads
from lossbook.motion import DITTO_PARTS, last_frame_loss, motion_l1, pva_loss

QUICK = SETTINGS.replace(steps=3, batch_size=8, channels=16)
INPUTS = ("noisy", "level", "cond", "drive")


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    with threads(1):
        yield


@pytest.fixture(scope="module")
def windows(heads, parts, norm):
    return clip_windows(heads, parts[0][::6].contiguous(), norm)


@pytest.fixture
def batch(windows):
    return next(batches(windows, 0, QUICK))


@pytest.fixture
def found(batch, generator):
    """A prediction that is wrong."""
    return batch.motion + 0.3 * torch.randn(batch.motion.shape, generator=generator)


def quick(windows, arm="P", seed=0):
    return train(ARMS[arm], windows, seed=seed, settings=QUICK, progress=False)


def some(windows, count):
    return Windows(*(values[:count] for values in windows))


# The network


@pytest.mark.parametrize("frames", [20, 80, 1])
def test_windows_of_any_length_are_denoised(frames, generator):
    noisy = torch.randn(2, frames, 265, generator=generator)
    model = Denoiser(8)
    nn.init.ones_(model.leave.weight)
    found = model(noisy, torch.rand(2), torch.zeros(2, 265), torch.zeros(2, frames, 2))
    assert found.shape == (2, frames, 265)
    assert found.isfinite().all()


def test_the_network_starts_at_zero(batch):
    assert not Denoiser()(*batch[1:]).any()


def test_every_input_matters_after_a_few_steps(windows, batch):
    model, _ = quick(windows)
    given = {name: getattr(batch, name) for name in INPUTS}
    with torch.no_grad():
        before = model(**given)
        for name, values in given.items():
            changed = model(**given | {name: values.flip(0)})
            assert (changed - before).abs().max() > 1e-4, name


def test_frames_see_their_neighbours_and_not_other_windows(windows, batch):
    model, _ = quick(windows)
    noisy = batch.noisy.clone()
    noisy[2, 10] += 10
    with torch.no_grad():
        moved = model(noisy, *batch[2:]) - model(*batch[1:])
    assert moved[2, 9].abs().max() > 1e-3
    assert moved[2, 11].abs().max() > 1e-3
    assert not torch.cat([moved[:2], moved[3:]]).any()


# Batches


def test_batches_are_those_of_their_seed(windows):
    first, same, other = (
        list(itertools.islice(batches(windows, seed, QUICK), 3)) for seed in (0, 0, 1)
    )
    for one, two, three in zip(first, same, other, strict=True):
        assert all(map(torch.equal, one, two))
        assert not any(map(torch.equal, one, three))
    assert not torch.equal(first[0].noisy, first[1].noisy)


def test_each_window_comes_once_before_one_comes_again(windows):
    twenty = some(windows, 20)._replace(cond=torch.arange(20.0)[:, None].expand(20, 265))
    drawn = itertools.islice(batches(twenty, 0, QUICK), 4)
    first, second, third, _ = (batch.cond[:, 0].tolist() for batch in drawn)
    assert len({*first, *second}) == 16
    assert len({*third}) == 8
    # Motion, the frame before and the drive are those of one window.
    batch = next(batches(twenty, 0, QUICK))
    at = batch.cond[:, 0].long()
    assert torch.equal(batch.motion, twenty.motion[at])
    assert torch.equal(batch.drive, twenty.drive[at])


def test_the_noise_is_as_loud_as_the_level_says(windows):
    batch = next(batches(windows, 0, QUICK.replace(batch_size=200)))
    assert batch.level.min() >= 0 and batch.level.max() <= 1
    assert batch.level.std().item() == pytest.approx(1 / math.sqrt(12), rel=0.1)
    kept = signal(batch.level)[:, None, None]
    noise = (batch.noisy - kept.sqrt() * batch.motion)[batch.level > 0.1]
    sizes = noise.square().mean((1, 2)).sqrt()
    torch.testing.assert_close(
        sizes, (1 - kept).sqrt().flatten()[batch.level > 0.1], rtol=0.05, atol=0
    )


def test_the_signal_goes_from_all_to_nothing():
    found = signal(torch.linspace(0, 1, 11))
    assert found[0] == 1
    assert found[-1].item() == pytest.approx(0, abs=1e-12)
    assert found[5].item() == pytest.approx(0.5)
    assert (found.diff() < 0).all()


# Arms

COUNTED = {
    "P": "P",
    "V": "V",
    "A": "A",
    "P+V": "PV",
    "P+V+A": "PVA",
    "P+V+A+L": "PVAL",
    "P+V+A, equal dims": "PVA",
    "P+V+A+R": "PVAR",
    "P+L": "PL",
    "P+R, 1000 times": "PR",
    "P, as noise": "P",
    "P, smoothed": "P",
}


@pytest.mark.parametrize("arm", ARMS)
def test_an_arm_counts_the_terms_of_its_name(arm, batch, found):
    loss = ARMS[arm](found, batch)
    with_r = [name for name in DITTO_PARTS if name != "scale"]
    expected = {
        f"{name}_{letter}"
        for letter in COUNTED[arm]
        for name in (with_r if letter == "R" else DITTO_PARTS)
    }
    counted = {name: weight for name, weight in loss.weights.items() if weight}
    assert set(counted) == expected
    for name, weight in counted.items():
        assert weight == (1000 if (arm, name[-1]) == ("P+R, 1000 times", "R") else 1), name
        assert loss[name] > 0
    # The others of P, V and A are there to be looked at.
    assert {f"{name}_{letter}" for name in DITTO_PARTS for letter in "PVA"} <= set(loss.terms)


def test_the_arms_are_the_documented_losses(batch, found):
    total = {arm: loss(found, batch).total for arm, loss in ARMS.items()}
    documented = pva_loss(found, batch.motion)
    last = last_frame_loss(found, batch.cond).total
    size = motion_l1(found).total
    for letters in ("P", "P+V", "P+V+A", "V", "A"):
        expected = sum(t for name, t in documented.terms.items() if name[-1] in letters)
        torch.testing.assert_close(total[letters], expected)
    torch.testing.assert_close(total["P+V+A+L"], documented.total + last)
    torch.testing.assert_close(total["P+V+A+R"], documented.total + size)
    torch.testing.assert_close(total["P+L"], total["P"] + last)
    torch.testing.assert_close(total["P+R, 1000 times"], total["P"] + 1000 * size)
    assert total["P, smoothed"] == total["P"]
    assert set(AFTERWARDS) == {"P, smoothed"}


@pytest.mark.parametrize("arm", ARMS)
def test_the_truth_costs_nothing_but_what_l_and_r_ask(arm, batch):
    with check_values():
        parts = ARMS[arm](batch.motion, batch).contributions()
    for name, value in parts.items():
        assert (value > 0) == (name[-1] in "LR" and name[-1] in COUNTED[arm]), name


def sizes_of_gradients(arm, batch):
    """What P pulls each dimension with, for the same error in all."""
    found = (batch.motion + 0.5).requires_grad_()
    ARMS[arm](found, batch).total.backward()
    return found.grad.abs().sum((0, 1))


def test_equal_dims_pull_every_dimension_alike(batch):
    """An offset costs nothing in V and A: only P pulls."""
    equal = sizes_of_gradients("P+V+A, equal dims", batch)
    torch.testing.assert_close(equal, equal.mean().expand(265), rtol=1e-4, atol=0)
    documented = sizes_of_gradients("P+V+A", batch)
    assert (documented[0] / documented[67]).item() == pytest.approx(66, rel=1e-3)
    assert equal.sum().item() == pytest.approx(documented.sum().item(), rel=1e-4)


def test_equal_dims_are_six_times_the_mean_over_all_dimensions(batch, found):
    error = found - batch.motion
    means = [error.diff(n=order, dim=1).square().mean() for order in range(3)]
    torch.testing.assert_close(ARMS["P+V+A, equal dims"](found, batch).total, 6 * sum(means))


def implied_noise(motion, batch):
    kept = signal(batch.level)[:, None, None]
    return (batch.noisy - kept.sqrt() * motion) / (1 - kept).sqrt()


def test_as_noise_is_the_error_of_the_noise_that_a_prediction_implies(windows, generator):
    """Up to one factor a batch, by which the losses of the library, weighted means, differ."""
    batch = next(batches(windows, 0, QUICK.replace(batch_size=40)))
    batch = Batch(*(values[1 - signal(batch.level) >= 0.01] for values in batch))
    assert 30 < len(batch.level) < 40
    truth = implied_noise(batch.motion, batch)
    kept = signal(batch.level)
    factor = (kept / (1 - kept)).mean()
    for size in (0.1, 1.0):
        found = batch.motion + size * torch.randn(batch.motion.shape, generator=generator)
        off = (implied_noise(found, batch) - truth).square()
        loss = ARMS["P, as noise"](found, batch)
        for name, part in DITTO_PARTS.items():
            expected = off[..., part.start : part.stop].mean() / factor
            torch.testing.assert_close(loss[f"{name}_P"], expected, rtol=1e-3, atol=0)


def test_as_noise_a_clean_window_weighs_a_hundred_times_one_of_even_noise(batch):
    level = torch.full((8,), 0.5)
    level[0] = 0.0
    errors = []
    for wrong in (0, 1):
        found = batch.motion.clone()
        found[wrong] += 1
        errors.append(ARMS["P, as noise"](found, batch._replace(level=level)).total)
    assert (errors[0] / errors[1]).item() == pytest.approx(100, rel=1e-3)


# Training


def test_training_is_reproducible_and_depends_on_the_seed(windows):
    (one, log), (two, same), (_, other) = (quick(windows, seed=seed) for seed in (0, 0, 1))
    assert log.log == same.log
    assert log.log != other.log
    assert all(map(torch.equal, one.state_dict().values(), two.state_dict().values()))


def test_every_arm_trains_on_the_same_windows_from_the_same_weights(windows):
    logs = [quick(windows, arm)[1].log for arm in ("P", "P+V+A+L", "P, smoothed")]
    for name in ("exp_P", "yaw_V", "scale_A"):
        assert logs[0][name][0] == logs[1][name][0]
    assert logs[0]["exp_P"] != logs[1]["exp_P"]
    assert {**logs[0], "seconds": 0} == {**logs[2], "seconds": 0}


def test_the_learning_rate_may_be_given(windows):
    _, history = train(ARMS["P"], windows, settings=QUICK, learning_rate=0.1, progress=False)
    usual = quick(windows)[1].log["learning_rate"]
    assert history.log["learning_rate"] == pytest.approx([50 * rate for rate in usual])


@pytest.mark.long
def test_a_little_training_beats_the_mean_head_and_who_stays(heads, parts, norm):
    settings = SETTINGS.replace(steps=100, channels=64)
    model, _ = train(
        ARMS["P"], clip_windows(heads, parts[0], norm), settings=settings, progress=False
    )
    test = clip_windows(heads, parts[1], norm, every=False)
    made = score(generate(model, test), test, norm)
    mean = score(torch.zeros_like(test.motion), test, norm)
    hold = score(test.cond[:, None].expand_as(test.motion), test, norm)

    def error(found):
        return found.position_error.mean()

    assert error(made.head) < 0.9 * error(mean.head)
    assert error(made.head) < 0.97 * error(hold.head)
    assert error(made.face) < 0.8 * error(hold.face)


# Generating and scoring


class Knowing(nn.Module):
    """Always gives the same answer, and remembers what it was asked."""

    def __init__(self, answer):
        super().__init__()
        self.anything = nn.Parameter(torch.zeros(1))
        self.answer, self.asked = answer, []

    def forward(self, noisy, level, cond, drive):
        self.asked.append((noisy, level, cond, drive, self.training))
        return self.answer


@pytest.mark.parametrize("calls", [1, 2, 10])
def test_who_knows_the_truth_generates_it(calls, windows):
    few = some(windows, 4)
    model = Knowing(few.motion)
    torch.testing.assert_close(generate(model, few, calls=calls), few.motion)
    assert len(model.asked) == calls


def test_from_call_to_call_there_is_less_of_the_same_noise(windows):
    few = some(windows, 4)
    model = Knowing(few.motion)
    generate(model, few, calls=5)
    noise = model.asked[0][0]
    assert noise.std().item() == pytest.approx(1, abs=0.02)
    for number, (noisy, level, cond, drive, training) in enumerate(model.asked):
        torch.testing.assert_close(level, torch.full((4,), 1 - number / 5))
        kept = signal(level)[:, None, None]
        expected = kept.sqrt() * few.motion + (1 - kept).sqrt() * noise
        torch.testing.assert_close(noisy, expected, atol=1e-4, rtol=1e-4)
        assert torch.equal(cond, few.cond) and torch.equal(drive, few.drive)
        assert not training


def test_one_call_is_what_the_network_says_of_noise_alone(windows):
    model, _ = quick(windows)
    few = some(windows, 4)
    noise = torch.randn(few.motion.shape, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        expected = model(noise, torch.ones(4), few.cond, few.drive)
    found = generate(model, few, seed=3, calls=1)
    torch.testing.assert_close(found, expected)
    assert found.any()
    assert not torch.equal(generate(model, few, seed=4, calls=1), found)
    assert torch.equal(generate(model, few, seed=3, calls=1), found)


@pytest.mark.parametrize("training", [True, False])
def test_a_network_is_left_in_its_mode(training, windows):
    few = some(windows, 2)
    model = Knowing(few.motion).train(training)
    generate(model, few)
    assert model.training == training


def test_the_truth_has_no_error_and_its_own_jitter(windows, norm):
    few = some(windows, 30)
    for found in score(few.motion, few, norm):
        assert torch.equal(found.position_error, torch.zeros(30))
        assert torch.equal(found.jitter, found.jitter_target)
        assert torch.equal(found.first_frame_jump, found.first_frame_jump_target)
        assert not found.spectrum.any()
        assert found.jitter.min() > 0


def test_scores_are_in_degrees_and_millimetres(windows, norm):
    few = some(windows, 6)
    motion = norm.undo(few.motion)
    euler = angles(motion)
    part = {name: motion[..., p.start : p.stop] for name, p in DITTO_PARTS.items()}
    turned = encode(
        (euler + torch.tensor([0.0, 2.0, 0.0])).flatten(0, 1),
        part["scale"].flatten(),
        part["t"].flatten(0, 1),
        (part["exp"] + 0.03).flatten(0, 1),
    ).view(6, 20, 265)
    found = score(norm.apply(turned), few, norm, fps=25.0)
    expected = torch.full((6,), 2 / math.sqrt(3))
    torch.testing.assert_close(found.head.position_error, expected, rtol=1e-3, atol=0)
    torch.testing.assert_close(found.face.position_error, torch.full((6,), 0.3), rtol=1e-3, atol=0)
    jerk = face(motion).diff(n=3, dim=1).abs().mean((1, 2)) * 25**3
    torch.testing.assert_close(found.face.jitter_target, jerk, rtol=1e-3, atol=0)
    assert found.head.frequencies[-1] == 12.5
    # An offset has no frequency but the first.
    torch.testing.assert_close(found.head.spectrum[:, 0], expected.square(), rtol=1e-3, atol=0)


def test_smoothing_keeps_what_stays_and_takes_the_tremble_of_every_other_frame():
    still = torch.full((2, 8, 3), 0.7)
    torch.testing.assert_close(smoothed(still), still)
    tremble = ((-1.0) ** torch.arange(8))[None, :, None].expand(2, 8, 3)
    found = smoothed(tremble)
    assert not found[:, 1:-1].any()
    # At the ends half of it stays, as nothing is known beyond them.
    assert torch.equal(found[:, 0], torch.full((2, 3), 0.5))
    assert torch.equal(found[:, -1], torch.full((2, 3), -0.5))
    line = torch.arange(8.0)[None, :, None].expand(2, 8, 3)
    torch.testing.assert_close(smoothed(line)[:, 1:-1], line[:, 1:-1])
