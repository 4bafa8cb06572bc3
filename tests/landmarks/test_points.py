"""The worst point of each face: recorded with the networks of the experiment."""

import pytest
import torch

from lossbook.lab.landmarks import experiment, points
from lossbook.lab.landmarks.data import crop, load_faces, split_by_subject
from lossbook.lab.landmarks.model import SIZE, Prediction
from lossbook.landmarks.metrics import nme


def test_the_networks_are_those_of_the_experiment():
    record, usual = points.load_record(), experiment.load_record()
    for arm in points.ARMS:
        assert record.values(arm) == usual.values(arm)
        assert record.units(arm) == usual.units(arm)
        worst = torch.tensor(record.units(arm, "worst"))
        assert len(worst) == 400
        # No face's mean is above its worst point.
        assert (worst > torch.tensor(usual.units(arm))).all()


class Shifted(torch.nn.Module):
    """Answers the truth, and one point of each face 3 px beside it."""

    def __init__(self, landmarks):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.ones(()))
        self.landmarks = landmarks.clone()
        self.landmarks[:, 7, 0] += 3

    def forward(self, images):
        return Prediction(self.landmarks[: len(images)], torch.zeros(len(images), 3))


def test_the_worst_point_is_measured_by_the_outer_eye_corners():
    faces = load_faces()
    test = split_by_subject(faces, 0)[1][:6]
    views = crop(faces.images[test], faces.landmarks[test], faces.angles[test], size=SIZE)
    scored = points.scores(Shifted(views.landmarks), faces, test)
    worst = torch.tensor(scored["units"]["worst"])
    # One of 98 points is off, so the mean over the points is a 98th of the worst.
    assert (worst / 98).tolist() == pytest.approx(scored["errors"], rel=1e-4)
    found = nme(views.landmarks + 3, views.landmarks)
    torch.testing.assert_close(worst, found / 2**0.5, rtol=1e-4, atol=0)
