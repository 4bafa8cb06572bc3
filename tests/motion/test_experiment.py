"""The chapter's experiment: what is trained on, what is scored, and what is recorded."""

import json
from dataclasses import replace

import pytest
import torch

from lossbook.lab.motion import experiment
from lossbook.lab.motion.experiment import (
    EXPERIMENT,
    LIVE,
    METRICS,
    RECORDED,
    Config,
    load_motions,
    load_record,
)
from lossbook.lab.motion.model import ARMS, Denoiser
from lossbook.lab.motion.windows import FIRST, FOLDS, FRAMES, split_by_language
from lossbook.lab.run.devices import threads

# Fast enough that the faces have a size after three steps.
QUICK = RECORDED.replace(steps=3, batch_size=4, channels=8, calls=2, learning_rate=0.1)


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    with threads(1):
        yield


@pytest.fixture(scope="module")
def motions():
    return load_motions()


@pytest.fixture
def used(monkeypatch):
    """Which clips the standard is made of, which are trained on, and which are scored."""
    seen = {}
    standard, clip_windows = experiment.standard, experiment.clip_windows

    def of(heads, clips):
        seen["standard"] = clips.tolist()
        return standard(heads, clips)

    def windows(heads, clips, norm, *, every=True):
        seen["train" if every else "score"] = clips.tolist()
        return clip_windows(heads, clips, norm, every=every)

    monkeypatch.setattr(experiment, "standard", of)
    monkeypatch.setattr(experiment, "clip_windows", windows)
    return seen


def languages(motions, clips):
    return {motions.heads.language[clip] for clip in clips}


def test_no_run_trains_on_what_it_scores(motions, used):
    result = experiment.run("P+V+A", 3, QUICK, motions, progress=False)
    train, test = (part.tolist() for part in split_by_language(motions.heads, 3))
    assert used == {"standard": train, "train": train, "score": test}
    assert not languages(motions, used["train"]) & languages(motions, used["score"])
    assert (result.arm, result.fold) == ("P+V+A", 3)


@pytest.mark.parametrize("fold", [1, 4, 5])
def test_trials_train_neither_on_what_they_score_nor_on_the_test_fold(
    fold, motions, used, monkeypatch
):
    seen = {}

    def look(loss, windows, **options):
        seen.update(options, loss=loss, clips=windows.clip)
        return Denoiser(8), None

    monkeypatch.setattr(experiment, "train", look)
    found = experiment.try_rate("P+V", 0.1, fold, QUICK, motions)
    assert set(found) == set(METRICS)
    assert seen["learning_rate"] == 0.1
    assert seen["loss"] is ARMS["P+V"]
    parts = [languages(motions, used[part]) for part in ("train", "score")]
    parts.append(languages(motions, split_by_language(motions.heads, fold)[1].tolist()))
    assert [len(part) for part in parts] == [12, 3, 3]
    assert len(set.union(*parts)) == 18
    assert used["standard"] == used["train"]
    assert set(seen["clips"].tolist()) <= set(used["train"])


def long_enough(heads, clips):
    """The frames of each clip that has a window."""
    found = [(heads.clip == clip).nonzero().flatten() for clip in clips]
    return [frames for frames in found if len(frames) >= FIRST + FRAMES]


def test_the_baselines_stay_where_they_were_or_are_the_mean(motions):
    heads = motions.heads
    train, test = split_by_language(heads, 2)
    found = experiment.baseline(2, motions, QUICK)
    clips = long_enough(heads, test)
    assert found.clips == len(clips)
    mean_face = heads.exp[torch.isin(heads.clip, train)].mean(0)

    def mean(of):
        scores = [of(frames[FIRST : FIRST + FRAMES], frames[FIRST - 1]) for frames in clips]
        return torch.stack(scores).mean().item()

    def rms(values):
        return values.square().mean().sqrt()

    euler, face = heads.euler, 10 * heads.exp
    assert found.hold_head_error == pytest.approx(
        mean(lambda at, before: rms(euler[at] - euler[before])), rel=1e-3
    )
    assert found.hold_face_error == pytest.approx(
        mean(lambda at, before: rms(face[at] - face[before])), rel=1e-3
    )
    assert found.mean_face_error == pytest.approx(
        mean(lambda at, before: rms(face[at] - 10 * mean_face)), rel=1e-3
    )
    assert found.face_size == pytest.approx(mean(lambda at, before: rms(face[at])), rel=1e-3)
    assert found.head_jump == pytest.approx(
        mean(lambda at, before: rms(euler[at[0]] - euler[before])), rel=1e-3
    )
    assert found.face_jitter == pytest.approx(
        mean(lambda at, before: face[at].diff(n=3, dim=0).abs().mean() * 25**3), rel=1e-3
    )
    # The mean pose of the signers is not quite the mean of their angles.
    pose = euler[torch.isin(heads.clip, train)].mean(0)
    assert found.mean_head_error == pytest.approx(
        mean(lambda at, before: rms(euler[at] - pose)), rel=0.05
    )


def test_the_talker_who_stays_is_scored_in_degrees(motions):
    found = experiment.baseline(0, motions, QUICK)
    euler = motions.talker.euler[:401]
    errors = [
        (euler[start + 1 : start + 81] - euler[start]).square().mean().sqrt()
        for start in range(0, 400, 80)
    ]
    assert found.hold_talker_error == pytest.approx(torch.stack(errors).mean().item(), rel=1e-3)
    fps = motions.talker.fps
    jerk = [euler[s + 1 : s + 81].diff(n=3, dim=0).abs().mean() * fps**3 for s in range(0, 400, 80)]
    assert found.talker_jitter == pytest.approx(torch.stack(jerk).mean().item(), rel=1e-2)


def test_a_network_at_zero_has_the_face_and_head_of_the_mean(motions):
    """A network that nothing has been learned by says the mean, whatever it is asked."""
    part = experiment.windows_of(motions, *split_by_language(motions.heads, 0))
    found = experiment.scores(Denoiser(8), part, motions, calls=1)
    guess = experiment.baseline(0, motions, QUICK)
    assert found["head_error"] == pytest.approx(guess.mean_head_error, rel=1e-4)
    assert found["face_error"] == pytest.approx(guess.mean_face_error, rel=1e-4)
    assert found["head_jitter"] < 0.01 * guess.head_jitter
    assert found["face_size"] < 0.2 * guess.face_size


def test_a_configuration_survives_json():
    config = RECORDED.replace(own_rates=(("P, as noise", 1e-3),))
    assert Config.model_validate_json(config.model_dump_json()) == config
    assert config.rate("P, as noise") == 1e-3
    assert config.rate("P") == RECORDED.learning_rate


def test_the_live_run_is_a_smaller_recorded_run():
    assert set(LIVE.arms) < set(RECORDED.arms)
    assert set(LIVE.folds) < set(RECORDED.folds)
    assert LIVE.steps < RECORDED.steps
    same = {"arms": RECORDED.arms, "folds": RECORDED.folds, "steps": RECORDED.steps}
    assert LIVE.replace(**same) == RECORDED
    assert LIVE.steps * len(LIVE.arms) * len(LIVE.folds) <= 1000


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    config = QUICK.replace(arms=("P", "P+V+A+R", "P, smoothed"), folds=(0, 3))
    return EXPERIMENT.record(config, runs=tmp_path_factory.mktemp("runs"))


def test_a_record_is_written_and_read(made, tmp_path):
    path = tmp_path / "record.json"
    EXPERIMENT.save(made, path)
    found = load_record(path)
    assert found == made
    assert found.torch == torch.__version__
    assert [result.fold for result in found.results] == [0] * 3 + [3] * 3
    assert [values.fold for values in found.baseline] == [0, 3]
    assert EXPERIMENT.stale(found) == ["made with another configuration"]


def test_every_clip_has_its_scores(motions, made):
    for result in made.results:
        test = split_by_language(motions.heads, result.fold)[1]
        assert set(result.units) == set(METRICS)
        for name, values in result.units.items():
            assert len(values) == len(long_enough(motions.heads, test)), name
            mean = sum(values) / len(values)
            assert mean == pytest.approx(getattr(result, name), rel=1e-4)
            assert len(set(values)) > 0.9 * len(values), name
    assert len(made.units("P", "face_jump")) == sum(values.clips for values in made.baseline)


def test_a_spectrum_has_the_power_of_the_error(made):
    for result in made.results:
        for name in ("head", "face"):
            power = sum(getattr(result, f"{name}_spectrum"))
            squares = [error**2 for error in result.units[f"{name}_error"]]
            assert power == pytest.approx(sum(squares) / len(squares), rel=1e-3)
            assert len(getattr(result, f"{name}_spectrum")) == FRAMES // 2 + 1


def test_a_log_has_every_term_and_nothing_else(made):
    pva = {
        f"{part}_{letter}"
        for part in ("scale", "pitch", "yaw", "roll", "t", "exp")
        for letter in "PVA"
    }
    for result in made.results:
        extra = {name for name in result.log if name.endswith("_R")}
        assert set(result.log) == {"total"} | pva | extra
        assert len(extra) == (5 if result.arm == "P+V+A+R" else 0)


def test_smoothing_changes_what_is_made_and_not_what_is_learned(made):
    for plain, smooth in (made.results[::2][:2], (made.results[3], made.results[5])):
        assert (plain.arm, smooth.arm) == ("P", "P, smoothed")
        assert smooth.log == plain.log
        for name in ("head_jitter", "face_jitter", "talker_jitter"):
            assert getattr(smooth, name) < 0.5 * getattr(plain, name)


def test_the_talkers_frames_come_faster_or_slower(motions):
    """Her jitter is in degrees a second cubed, by her own frame rate."""
    slower = motions._replace(talker=replace(motions.talker, fps=motions.talker.fps / 2))
    usual, slow = (experiment.baseline(0, m, QUICK) for m in (motions, slower))
    assert slow.talker_jitter == pytest.approx(usual.talker_jitter / 8, rel=1e-4)
    assert slow.head_jitter == usual.head_jitter


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content.pop("device"),
        lambda content: content["results"].pop(),
        lambda content: content["results"].reverse(),
        lambda content: content["results"][0].pop("face_jump"),
        lambda content: content["results"][0].update(talker_error=float("nan")),
        lambda content: content["results"][0].update(talker_error="33"),
        lambda content: content["results"][0].update(talker_error=-1.0),
        lambda content: content["results"][0].update(head_error=1.1),
        lambda content: content["results"][0]["units"].pop("head_jump"),
        lambda content: content["results"][0]["units"]["face_error"].pop(),
        lambda content: content["results"][0].update(log=3),
        lambda content: content["baseline"].pop(),
        lambda content: content["baseline"][0].update(head_jump=None),
        lambda content: content["config"].update(unknown=1),
        lambda content: content["config"].update(own_rates=[["P", 1, 2]]),
    ],
)
def test_a_damaged_record_is_refused(damage, made, tmp_path):
    path = tmp_path / "record.json"
    EXPERIMENT.save(made, path)
    content = json.loads(path.read_text())
    damage(content)
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r"record\.json: not a valid record: "):
        load_record(path)


def test_every_arm_is_recorded_on_every_fold_and_every_rate_is_tried_on_all():
    assert set(RECORDED.arms) == set(ARMS)
    assert RECORDED.folds == tuple(range(FOLDS))
    tasks = EXPERIMENT.tasks(RECORDED)
    assert sum(task.field == "results" for task in tasks) == 72
    assert {trial.arm for trial in EXPERIMENT.trials()} == set(ARMS)


recorded = pytest.mark.skipif(
    not experiment.RECORD.exists(), reason="the motion experiment has not been recorded yet"
)


@recorded
def test_the_record_is_that_of_the_code():
    """If not, run the experiment again; after mere refactoring, renew it.

    `python -m lossbook.lab.motion.experiment --record`, or `--refactored "why"`.
    """
    found = load_record()
    assert EXPERIMENT.stale(found) == []
    assert all(len(found.values(arm)) == len(RECORDED.folds) == FOLDS for arm in ARMS)


@recorded
def test_the_recorded_motion_is_that_of_the_package(motions):
    again = experiment.baseline(1, motions)
    assert dict(load_record().baseline[1]) == pytest.approx(dict(again), rel=1e-3, abs=2e-4)
