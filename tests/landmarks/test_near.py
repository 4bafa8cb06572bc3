"""How many coordinates are near their labels: recorded with the networks of the experiment."""

import pytest
import torch

from lossbook.lab.landmarks import experiment, near
from lossbook.lab.landmarks.data import crop, load_faces, split_by_subject
from lossbook.lab.landmarks.model import SIZE, Prediction


def test_the_networks_are_those_of_the_experiment():
    record, usual = near.load_record(), experiment.load_record()
    assert record.config.arms == near.ARMS and not near.EXPERIMENT.stale(record)
    for arm in near.ARMS:
        assert record.values(arm) == usual.values(arm)
        assert record.units(arm) == usual.units(arm)


def test_the_wider_limit_has_more_and_known_faces_fit_better():
    record = near.load_record()
    for arm in near.ARMS:
        half, one = (torch.tensor(record.units(arm, f"within {limit:g}")) for limit in near.LIMITS)
        assert len(half) == len(one) == 400
        assert (half <= one).all() and 0 < half.mean() < one.mean() < 1
        for limit, new in zip(near.LIMITS, (half, one), strict=True):
            known = torch.tensor(record.units(arm, f"trained within {limit:g}"))
            assert len(known) == 5
            assert (known > new.reshape(5, 80).mean(1)).all()


class Shifted(torch.nn.Module):
    """Answers the truth of all faces in turn, and some coordinates of each 0.8 px beside it."""

    def __init__(self, landmarks):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.ones(()))
        self.answers = landmarks.clone()
        self.answers[:, :49, 0] += 0.8
        self.given = 0

    def forward(self, images):
        some = self.answers[self.given : self.given + len(images)]
        self.given += len(images)
        return Prediction(some, torch.zeros(len(images), 3))


def test_shares_are_of_the_coordinates():
    faces = load_faces()
    test = split_by_subject(faces, 0)[1]
    others = torch.ones(len(faces.images), dtype=torch.bool)
    others[test] = False
    # As `scores` asks: faces tested, those trained on, and once more those tested.
    order = torch.cat([test, others.nonzero().flatten(), test])
    views = crop(faces.images[order], faces.landmarks[order], faces.angles[order], size=SIZE)
    units = near.scores(Shifted(views.landmarks), faces, test)["units"]
    assert units["within 0.5"] == pytest.approx([0.75] * len(test))
    assert units["within 1"] == pytest.approx([1.0] * len(test))
    assert units["trained within 0.5"] == pytest.approx([0.75])
    assert units["trained within 1"] == pytest.approx([1.0])
