"""The clip that the reader sees under each loss: it belongs to the recorded trainings."""

import torch

from lossbook.lab.motion import experiment, same_clip, windows
from lossbook.lab.motion.same_clip import CLIP
from lossbook.motion.metrics import motion_metrics


def usual():
    return {
        result.arm: result.units for result in experiment.load_record().results if result.fold == 0
    }


def test_each_arm_made_the_clip_that_the_experiment_scored():
    record, scored = same_clip.load_record(), usual()
    motions = experiment.load_motions()
    part = experiment.windows_of(motions, *windows.split_by_language(motions.heads, 0))
    true = windows.angles(part.norm.undo(part.test.motion[CLIP : CLIP + 1])).double()
    assert [result.arm for result in record.results] == list(experiment.RECORDED.arms)
    for result in record.results:
        euler = torch.tensor([result.euler], dtype=torch.float64)
        found = motion_metrics(euler, true, fps=motions.heads.fps)
        for name, value in (
            ("head_error", found.position_error),
            ("head_jitter", found.jitter),
        ):
            recorded = scored[result.arm][name][CLIP]
            assert abs(getattr(result, name) / recorded - 1) < 1e-6
            assert abs(value.item() / recorded - 1) < 1e-3


def test_it_shows_what_v_and_a_usually_do():
    scored = usual()
    p, pva = (torch.tensor(scored[arm]["head_jitter"]) for arm in ("P", "P+V+A"))
    # The lower of the two in the middle of an even number.
    assert (pva / p).argsort()[(len(p) - 1) // 2] == CLIP
