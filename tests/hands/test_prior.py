"""What the shape prior is said to prevent."""

import pytest
import torch

from lossbook.lab.hands import labelled, prior
from lossbook.lab.hands.data import load_hands, split_by_clip
from lossbook.lab.hands.model import ARMS, Lifter, make_scene
from lossbook.lab.run.devices import threads


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    with threads(1):
        yield


@pytest.fixture(scope="module")
def hands():
    return load_hands()


def test_few_clips_are_training_clips(hands):
    chosen = prior.some(hands, 2)
    clips, training = hands.clip[chosen].unique(), split_by_clip(hands, 2)[0]
    assert len(clips) == prior.CLIPS
    assert torch.isin(hands.clip[training], clips).sum() == len(chosen)
    assert set(chosen.tolist()) < set(training.tolist())


@pytest.mark.parametrize("arm", ["no prior", "no prior, few clips"])
def test_networks_are_scored_on_the_hands_of_their_training_and_on_others(hands, monkeypatch, arm):
    config = prior.RECORDED.replace(test=20)
    training, test = split_by_clip(hands, 1)
    if "few" in arm:
        training = prior.some(hands, 1)
    seen = []

    class Known(Lifter):
        """Right about the hands of one scene, and by 0.1 wrong about others."""

        def forward(self, detected):
            lifted = super().forward(detected)
            if len(detected) == len(known.real):
                return lifted._replace(keypoints=known.real)
            if len(detected) == len(test):
                shape = torch.zeros_like(lifted.shape)
                shape[5] = 3.0
                return lifted._replace(keypoints=held_out.real + 0.1, shape=shape)
            return lifted

    def train(loss, hands, indices, **options):
        seen.append((loss, indices.tolist(), options["seed"]))
        return Known(), type("History", (), {"seconds": 0.0})

    held_out = make_scene(hands, test, 1001, config)
    known = make_scene(hands, training, 3001, config)
    monkeypatch.setattr(prior, "train", train)
    scores = prior.run(arm, 1, config, hands).scores
    assert seen == [(ARMS["no prior"], training.tolist(), 1)]
    assert scores["training_2d"] == pytest.approx(0, abs=1e-6)
    assert scores["error_2d"] == pytest.approx(0.1 * 2**0.5, rel=1e-4)
    assert scores["largest_shape"] == pytest.approx(9.0)


def test_the_record_is_that_of_the_code():
    """If not: `python -m lossbook.lab.hands.prior --record`, or `--refactored "why"`."""
    found = prior.load_record()
    assert prior.EXPERIMENT.stale(found) == []
    assert len(found.results) == 20


def test_with_all_clips_it_is_a_third_of_the_main_experiment():
    found, other = prior.load_record(), labelled.load_record()
    assert found.values("balanced", "mpjpe") == pytest.approx(other.values("balanced", "mpjpe"))
    assert found.values("balanced") == pytest.approx(other.values("balanced", "error_2d"))
