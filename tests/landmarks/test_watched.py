"""PFLD's two values during a training: recorded with the networks of the experiment, and others."""

import pytest
import torch

from lossbook.lab.landmarks import experiment, watched
from lossbook.lab.landmarks.data import load_faces


def test_the_first_networks_are_those_of_the_experiment():
    record, usual = watched.load_record(), experiment.load_record()
    assert not watched.EXPERIMENT.stale(record)
    assert record.values("PFLD") == usual.values("PFLD")
    assert record.units("PFLD") == usual.units("PFLD")
    other = record.values("PFLD, second seed")
    assert len(other) == 5 and not set(other) & set(usual.values("PFLD"))


def test_each_series_has_a_value_for_each_look():
    for result in watched.load_record().results:
        for name in ("weighted", "plain", "held out"):
            series = result.units[name]
            assert len(series) == 1000 // watched.EVERY
            assert series[-1] < 0.5 * series[0]
        assert len(result.units["pose"]) == 80


def test_what_is_watched_changes_no_training():
    faces = load_faces()
    config = watched.RECORDED.replace(steps=20)
    found = watched.run("PFLD", 1, config, faces, progress=False)
    unwatched = experiment.run("PFLD", 1, config, faces, progress=False)
    assert found.nme == unwatched.nme
    # The last look is at the network that is scored: half the root mean square at least.
    rms = (found.units["held out"][-1] / 98) ** 0.5
    assert rms > torch.tensor(found.units["nme"]).mean().item() * 40
    assert found.units["weighted"][0] < found.units["plain"][0]


def test_seeds_differ():
    faces = load_faces()
    config = watched.RECORDED.replace(steps=10)
    of_seeds = [watched.run(arm, 0, config, faces, progress=False) for arm in watched.ARMS]
    assert of_seeds[0].nme != pytest.approx(of_seeds[1].nme, rel=1e-6)
