"""What needs no network and no loss."""

import math

import pytest
import torch

from lossbook.lab.hands import baselines, experiment
from lossbook.lab.hands.data import OCCLUDED, load_hands, split_by_clip
from lossbook.lab.hands.model import make_scene
from lossbook.lab.run.devices import threads

QUICK = baselines.RECORDED.replace(steps=4, synthetic=200, real=2000, test=60)


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    with threads(1):
        yield


@pytest.fixture(scope="module")
def hands():
    return load_hands()


@pytest.fixture(scope="module")
def known(hands):
    return baselines.library(hands, split_by_clip(hands, 1)[0], 4001, QUICK)


def seen(points, hidden=()):
    confidence = torch.ones(len(points), 21, 1)
    confidence[:, list(hidden)] = 0.05
    return torch.cat([points, confidence], 2)


def test_a_library_has_as_many_hands_as_a_training(hands, known):
    assert len(known.keypoints) == len(known.joints) == 800
    assert len(known.real) == len(split_by_clip(hands, 1)[0])
    assert (known.joints[:, 0] == 0).all()


def test_the_mean_of_many_detections_is_near_the_points(hands):
    training = split_by_clip(hands, 1)[0][:50]
    clean = hands.keypoints[training]
    often = baselines.library(hands, training, 0, QUICK.replace(real=10_000)).real
    once = baselines.library(hands, training, 0, QUICK.replace(real=1)).real
    off = [(points - clean).norm(dim=-1).mean().item() for points in (often, once)]
    assert off[0] < 0.01 < 0.05 < off[1]


def test_a_known_hand_is_its_own_nearest_wherever_it_lies(known):
    chosen = torch.tensor([3, 700, 41])
    moved = 0.6 * known.keypoints[chosen] + torch.tensor([0.1, -0.2])
    moved[:, 4:9] = 7.0  # hidden, so it does not count
    found = baselines.nearest(seen(moved, range(4, 9)), known.keypoints, 2)
    assert found[:, 0].tolist() == chosen.tolist()


def test_chosen_hands_are_laid_over_the_points_that_are_seen(known):
    one = known.keypoints[:1]
    moved = 0.6 * one + torch.tensor([0.1, -0.2])
    hidden = moved.clone()
    hidden[:, 8] = 7.0
    laid = baselines.fit(seen(hidden, [8]), one, torch.zeros(1, 1, dtype=torch.long))
    torch.testing.assert_close(laid, moved, atol=1e-5, rtol=0)
    both = baselines.fit(seen(moved), torch.cat([one, one]), torch.tensor([[0, 1]]))
    torch.testing.assert_close(both, moved, atol=1e-5, rtol=0)


def test_where_only_the_wrist_is_seen_all_is_finite(known):
    alone = seen(known.keypoints[:1], range(1, 21))
    found = baselines.nearest(alone, known.keypoints, 3)
    laid = baselines.fit(alone, known.keypoints, found)
    assert laid.isfinite().all()
    torch.testing.assert_close(laid[:, 0], known.keypoints[:1, 0])


def test_a_hand_is_never_turned_over(known):
    upside_down = seen(-known.keypoints[:1])
    laid = baselines.fit(upside_down, known.keypoints[:1], torch.zeros(1, 1, dtype=torch.long))
    middle = upside_down[..., :2].mean(1, keepdim=True)
    torch.testing.assert_close(laid, middle.expand_as(laid))


def test_hidden_points_are_filled(known):
    detected = seen(torch.zeros(2, 21, 2), [5])
    filled = baselines.blend(detected, torch.ones(2, 21, 2))
    assert (filled[:, 5] == 1).all()
    assert filled.sum() == 4


def test_a_flat_hand_has_no_depth_and_the_scale_of_made_hands(known):
    found = baselines.flat(known.keypoints, known)
    assert (found[..., 2] == 0).all()
    lengths = (found - found[:, :1]).norm(dim=-1).sum()
    assert lengths.item() == pytest.approx(known.joints[..., :2].norm(dim=-1).sum().item())


@pytest.fixture(scope="module")
def found(hands):
    return {arm: baselines.run(arm, 1, QUICK, hands) for arm in baselines.ARMS}


def test_neighbours_beat_constant_hands(found):
    scores = {arm: result.scores for arm, result in found.items()}
    for metric in ("mpjpe", "pa_mpjpe", "error_2d"):
        assert scores["neighbours"][metric] < scores["mean hand"][metric]
    filled = scores["neighbours fill"]
    assert filled["error_2d"] < scores["neighbours"]["error_2d"]
    assert filled["error_2d_occluded"] == scores["neighbours"]["error_2d_occluded"]
    assert scores["mean fills"]["error_2d_occluded"] == scores["mean hand"]["error_2d_occluded"]
    assert {filled["neighbours"], filled["neighbours_2d"]} <= set(map(float, baselines.COUNTS))


def test_a_flat_hand_is_the_detection(hands, found):
    scene = make_scene(hands, split_by_clip(hands, 1)[1], 1001, QUICK)
    off = (scene.real_detected[..., :2] - scene.real).norm(dim=-1)
    scores = found["flat hand"].scores
    assert scores["error_2d"] == pytest.approx(off.mean().item())
    hidden = scene.real_detected[..., 2] < OCCLUDED
    assert scores["error_2d_occluded"] == pytest.approx(off[hidden].mean().item())


def test_clips_are_scored_one_by_one(hands, found):
    tested = hands.clip[split_by_clip(hands, 1)[1]]
    sizes = torch.unique(tested, return_counts=True)[1].tolist()
    for result in found.values():
        each = result.units["error_2d"]
        mean = math.fsum(a * n for a, n in zip(each, sizes, strict=True)) / len(tested)
        assert mean == pytest.approx(result.scores["error_2d"], abs=2e-5)


def test_there_is_no_learning_rate_to_try():
    with pytest.raises(ValueError, match="nothing is trained"):
        baselines.EXPERIMENT.try_rate("neighbours", 0.1, 0, QUICK, None)


def test_the_record_is_that_of_the_code():
    """If not: `python -m lossbook.lab.hands.baselines --record`, or `--refactored "why"`."""
    record = baselines.load_record()
    assert baselines.EXPERIMENT.stale(record) == []
    assert len(record.results) == 25


def test_the_test_hands_are_those_of_the_main_experiment():
    record, other = baselines.load_record(), experiment.load_record()
    assert record.baseline == other.baseline
    assert record.values("flat hand", "error_2d") == [b.error_2d for b in other.baseline]
    for mean, bar in zip(record.values("mean hand"), other.baseline, strict=True):
        assert mean == pytest.approx(bar.mpjpe, rel=0.01)
