"""Guidance without a denoiser: the mean face and the regression, moved along SFace's gradient."""

import pytest
import torch

from lossbook.lab.inversion import controls, experiment, guided
from lossbook.lab.inversion.controls import EXPERIMENT, RECORDED, load_record, moved
from lossbook.lab.inversion.experiment import recognisers
from lossbook.lab.inversion.faces import split
from lossbook.lab.inversion.model import SIGMAS, STEERED, templates
from lossbook.lab.inversion.people import by_person
from lossbook.lab.run.devices import threads


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    with threads(1):
        yield


def test_the_steps_are_those_of_guidance():
    assert len(STEERED) == 4
    assert sum(STEERED) == pytest.approx(SIGMAS[-5])


def test_a_picture_moves_by_the_strength_towards_the_template(faces):
    network, known = recognisers()[0], templates(faces)[:2]
    start = torch.zeros(2, 1, 56, 56)
    assert (moved(start, known, network, 0.0) == start).all()
    found = moved(start, known, network, 0.5)
    way = (found - start).square().mean((1, 2, 3)).sqrt()
    assert (way > 0).all() and (way <= 0.5 * sum(STEERED) + 1e-6).all()


def test_without_guidance_they_are_the_baselines(faces, monkeypatch):
    small = split(faces, 1)
    few = small._replace(seen=small.seen[:1], unseen=small.unseen[:1])
    for module in (controls, experiment, guided):
        monkeypatch.setattr(module, "split", lambda faces, fold: few)
    config = RECORDED.replace(folds=(0, 1), strengths=(0.0,))
    for arm in ("mean face", "regression"):
        name = {"regression": "linear"}.get(arm, arm)
        scores = controls.run(arm, 1, config, faces).scores
        baseline = EXPERIMENT.baseline(1, faces, config).scores[name]
        for column in ("seen rmse", "unseen judge_far"):
            assert scores[f"{column}, 0"] == pytest.approx(baseline[column], rel=1e-4)


def test_the_record_is_that_of_the_code():
    """If not: `python -m lossbook.lab.inversion.controls --record`, or `--refactored "why"`."""
    assert EXPERIMENT.stale(load_record()) == []


def test_by_person_the_mean_face_of_the_controls_is_not_that_of_the_baselines(faces):
    record = load_record()
    column = "unseen attacked_II_0.001, 0.5"
    (shares,) = by_person(record, faces, column, ["mean face"]).values()
    assert len(shares) == 40
    assert sum(shares) / 40 > 0.9
