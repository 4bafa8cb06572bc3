"""The smaller experiments beside the chapter's: more training, smoothing, other seeds."""

import pytest
import torch

from lossbook.lab.motion import experiment, leaks, longer, noisiest, smoothing, windows
from lossbook.lab.motion.model import ARMS, generate, score, smoothed, train

TINY = {"steps": 2, "channels": 8, "calls": 1}


@pytest.mark.parametrize("module", [leaks, longer, noisiest, smoothing])
def test_the_record_is_that_of_the_code(module):
    """If not, run it again; after mere refactoring, renew it with `--refactored "why"`."""
    found = module.load_record()
    assert module.EXPERIMENT.stale(found) == []
    assert len(found.results) == len(found.config.arms) * len(found.config.folds)


def test_more_training_is_all_that_differs():
    changed = longer.load_record().config.model_dump()
    usual = experiment.load_record().config.model_dump()
    differing = {name for name in usual if usual[name] != changed[name]}
    assert differing == {"arms", "own_rates", "steps"}
    assert changed["steps"] == 4 * usual["steps"]


def test_the_usual_smoothing_is_that_of_the_experiment():
    """P was trained again for it, and said the same to the last digit."""
    for name in experiment.METRICS:
        again = smoothing.load_record().values("1 : 2 : 1", name)
        assert again == experiment.load_record().values("P, smoothed", name)


def test_more_smoothing_makes_less_jerk_of_the_same_motion():
    found = smoothing.load_record()
    arms = ("1 : 22 : 1", "1 : 10 : 1", "1 : 6 : 1", "1 : 4 : 1", "1 : 2 : 1")
    for fold in found.config.folds:
        jerks = [found.values(arm, "head_jitter")[fold] for arm in arms]
        assert jerks == sorted(jerks, reverse=True)


@pytest.mark.parametrize("middle", [1, 2, 22])
def test_neighbours_weigh_one(middle):
    motion = torch.zeros(1, 5, 1, dtype=torch.float64)
    motion[0, 2] = 1
    expected = torch.tensor([0, 1, middle, 1, 0], dtype=torch.float64) / (2 + middle)
    torch.testing.assert_close(smoothed(motion, middle)[0, :, 0], expected)


def test_arms_of_a_fold_share_one_network():
    config = smoothing.EXPERIMENT.config.replace(**TINY)
    motions = experiment.load_motions()
    mild, strong = (smoothing.run(arm, 1, config, motions) for arm in ("1 : 22 : 1", "1 : 1 : 1"))
    assert mild.log == strong.log
    assert mild.head_jitter > strong.head_jitter


def test_other_seeds_are_all_that_differs_where_noise_is_asked_for():
    usual, other = experiment.load_record(), leaks.load_record()
    differing = {
        name
        for name, value in usual.config.model_dump().items()
        if value != other.config.model_dump()[name]
    }
    assert differing == {"arms", "own_rates"}
    for arm in other.config.arms:
        assert not set(usual.values(arm, "head_error")) & set(other.values(arm, "head_error"))


def test_a_network_is_asked_once_with_noise_and_without():
    config = leaks.EXPERIMENT.config.replace(**TINY)
    motions = experiment.load_motions()
    found = leaks.run("P", 1, config, motions, progress=False)
    # One call from the same noise is what is generated in one call.
    part = experiment.windows_of(motions, *windows.split_by_language(motions.heads, 1))
    net, _ = train(
        ARMS["P"],
        part.training,
        seed=1 + leaks.SEEDS,
        settings=config,
        learning_rate=config.rate("P"),
        progress=False,
    )
    head = score(generate(net, part.test, seed=0, calls=1), part.test, part.norm).head
    assert found.noise_error == pytest.approx(head.position_error.mean().item(), abs=1e-5)
    assert found.noise_jitter == pytest.approx(head.jitter.mean().item(), rel=1e-5)
    assert found.zeros_jitter < found.mean_jitter < found.noise_jitter
