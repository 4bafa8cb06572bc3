import json
import statistics

import pytest
import torch

from lossbook.lab.hands import alone, balance, experiment, labelled, languages, model
from lossbook.lab.hands.clips import split_by_language
from lossbook.lab.hands.data import load_hands, split_by_clip
from lossbook.lab.hands.experiment import EXPERIMENT, LIVE, RECORDED, Config, load_record
from lossbook.lab.hands.model import ARMS, BALANCED, Lifter, batches, make_scene, train
from lossbook.lab.run.devices import threads

QUICK = RECORDED.replace(steps=3, synthetic=8, real=8, test=20, shares=("balanced",))


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    with threads(1):
        yield


@pytest.fixture(scope="module")
def hands():
    return load_hands()


@pytest.fixture(scope="module")
def some(hands):
    return split_by_clip(hands, 0)[0]


def test_the_baselines_are_the_average_joint_positions_and_the_bare_detection(hands):
    found = experiment.baseline(2, hands, QUICK)
    scene = make_scene(hands, split_by_clip(hands, 2)[1], 1002, QUICK)
    off = (scene.real_detected[..., :2] - scene.real).norm(dim=-1)
    assert found.error_2d == pytest.approx(off.mean().item(), rel=1e-5)
    assert found.error_2d_occluded > 2.5 * found.error_2d
    assert 50 < found.mpjpe < 110
    assert 20 < found.pa_mpjpe < 50


def test_trials_never_train_on_the_clips_they_score(hands, monkeypatch):
    seen = {}

    def look(loss, hands, indices, **options):
        seen["train"], seen["rate"] = indices, options["learning_rate"]
        return Lifter(), None

    def scene(hands, indices, seed, config):
        seen["score"], seen["seed"] = indices, seed
        return make_scene(hands, indices, seed, config)

    monkeypatch.setattr(experiment, "train", look)
    monkeypatch.setattr(experiment, "make_scene", scene)
    found = experiment.try_rate("no 2D", 0.1, 3, QUICK, hands)
    assert set(experiment.Result.model_fields) > set(found)
    assert seen["rate"] == 0.1
    assert seen["seed"] not in {*RECORDED.folds, *(1000 + fold for fold in RECORDED.folds)}
    parts = [set(hands.clip[seen[part]].tolist()) for part in ("train", "score")]
    parts.append(set(hands.clip[split_by_clip(hands, 3)[1]].tolist()))
    assert sum(map(len, parts)) == len(set.union(*parts)) == 553
    assert len(parts[1]) > 80


def test_gradient_shares_measure_each_weighted_term(hands, some):
    found = experiment.gradient_shares("no prior", hands, QUICK, every=2)
    assert found.steps == (0, 2)
    assert set(found.norms) == {"2d", "3d_joint", "aux"}
    for step in range(2):
        assert sum(share[step] for share in found.shares().values()) == pytest.approx(1)
    torch.manual_seed(0)
    lifter = Lifter()
    batch = next(batches(hands, some, 0, QUICK))
    (BALANCED.w_aux * ARMS["no prior"](lifter(batch.detected), batch).terms["aux"]).backward()
    squares = [p.grad.square().sum() for p in lifter.parameters() if p.grad is not None]
    assert found.norms["aux"][0] == pytest.approx(sum(squares).sqrt().item(), rel=1e-4)


def test_measuring_gradients_does_not_change_the_training(hands, some, monkeypatch):
    logs, fit = [], model.fit
    monkeypatch.setattr(model, "fit", lambda *a, **o: logs.append(fit(*a, **o)) or logs[-1])
    experiment.gradient_shares("balanced", hands, QUICK, every=1)
    _, plain = train(ARMS["balanced"], hands, some, settings=QUICK, progress=False)
    assert logs[0].log["total"] == plain.log["total"]


def test_a_configuration_survives_json():
    config = RECORDED.replace(own_rates=(("code, mm", 1e-3),))
    assert Config.model_validate_json(config.model_dump_json()) == config
    assert config.rate("code, mm") == 1e-3
    assert config.rate("balanced") == RECORDED.learning_rate


def test_the_live_run_is_a_smaller_recorded_run():
    assert set(LIVE.arms) < set(RECORDED.arms)
    assert LIVE.steps * len(LIVE.arms) * len(LIVE.folds) <= 2000


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    config = QUICK.replace(arms=("balanced", "2D only"), folds=(0, 3))
    return EXPERIMENT.record(config, runs=tmp_path_factory.mktemp("runs"))


def test_a_record_is_written_and_read(made, tmp_path):
    path = tmp_path / "record.json"
    EXPERIMENT.save(made, path)
    found = load_record(path)
    assert found == made
    assert found.torch == torch.__version__
    assert [share.arm for share in found.shares] == ["balanced"]


def test_every_clip_has_its_error(hands, made):
    test = split_by_clip(hands, 3)[1]
    clips = hands.clip[test]
    for result in made.results[2:]:
        errors = result.units["error_2d"]
        assert len(errors) == len(clips.unique())
        counts = [(clips == clip).sum().item() for clip in clips.unique()]
        total = sum(error * count for error, count in zip(errors, counts, strict=True))
        assert total / len(test) == pytest.approx(result.error_2d, abs=2e-5)


def test_every_term_is_recorded_over_the_last_steps(made):
    first = made.results[0]
    assert set(first.terms) == {"2d", "3d_joint", "prior", "aux"}
    assert 0 < first.terms["aux"] < 5


def test_languages_are_held_out_whole(hands):
    config = QUICK.replace(arms=("balanced",), folds=(1,), shares=())
    found = languages.EXPERIMENT.compute(languages.EXPERIMENT.tasks(config)[0], config)
    clips = hands.clip[split_by_language(hands, 1)[1]].unique()
    assert len(found.units["error_2d"]) == len(clips)
    assert set(languages.RECORDED.arms) <= set(ARMS)


def test_the_record_of_languages_is_that_of_the_code():
    """If not: `python -m lossbook.lab.hands.languages --record`, or `--refactored "why"`."""
    found = languages.load_record()
    assert languages.EXPERIMENT.stale(found) == []
    assert len(found.results) == 15


def test_the_record_of_the_first_weights_is_that_of_the_code():
    """If not: `python -m lossbook.lab.hands.balance --record`, or `--refactored "why"`."""
    found = balance.load_record()
    assert balance.EXPERIMENT.stale(found) == []
    assert len(found.shares[0].steps) == 30


def test_from_the_first_weights_the_balanced_ones_follow():
    (start,), (share,) = balance.START.values(), balance.load_record().shares
    found = {name: statistics.median(norms) for name, norms in share.norms.items()}
    assert found == pytest.approx({"2d": 1.1, "3d_joint": 1.3, "prior": 0.07, "aux": 0.21}, rel=0.1)
    before, after = start.weights.by_term(), BALANCED.by_term()
    assert {name: after[name] / before[name] for name in found} == pytest.approx(
        {"2d": 1, "3d_joint": 1, "prior": 5, "aux": 5}
    )


def test_of_a_labelled_batch_all_hands_but_one_have_3d_labels(hands, some):
    loss, mixed = labelled.mixture("code, mm, labelled", RECORDED)
    assert loss == ARMS["code, mm"]
    batch = next(batches(hands, some, 0, mixed))
    assert (len(batch.keypoints), len(batch.joints)) == (128, 127)
    assert labelled.mixture("code, mm", RECORDED) == (ARMS["code, mm"], RECORDED)


@pytest.mark.parametrize("name", ["code, mm", "balanced"])
def test_the_control_sees_the_same_hands_and_half_of_their_labels(hands, some, name):
    loss, mixed = labelled.mixture(f"{name}, masked", RECORDED)
    assert mixed == labelled.mixture(f"{name}, labelled", RECORDED)[1]
    batch = next(batches(hands, some, 0, mixed))
    lifted = Lifter()(batch.detected)
    found, every = loss(lifted, batch), ARMS[name](lifted, batch)
    first = {field: getattr(batch, field)[:64] for field in ("joints", "pose", "shape")}
    half = ARMS[name](lifted, batch._replace(**first))
    assert found.terms == half.terms
    assert found.terms["2d"] == every.terms["2d"]
    assert found.terms["3d_joint"] != every.terms["3d_joint"]
    spoilt = {field: getattr(batch, field).clone() for field in first}
    for values in spoilt.values():
        values[64:] = 1e3
    assert loss(lifted, batch._replace(**spoilt)).total == found.total


def test_with_the_same_ratio_the_labels_weigh_as_half_of_them(hands, some):
    loss, mixed = labelled.mixture("code, m, same ratio", RECORDED)
    assert mixed == labelled.mixture("code, m, labelled", RECORDED)[1]
    batch = next(batches(hands, some, 0, mixed))
    lifted = Lifter()(batch.detected)
    found, usual = loss(lifted, batch), ARMS["code, m"](lifted, batch)
    assert found.terms == usual.terms
    lighter = found.contributions()["3d_joint"] / usual.contributions()["3d_joint"]
    assert lighter.item() == pytest.approx(64 / 127)
    assert found.contributions()["2d"] == usual.contributions()["2d"]


def test_with_the_usual_mixture_it_is_the_main_experiment(hands):
    config = QUICK.replace(arms=("code, m",), folds=(1,), shares=())
    (run,) = (t for t in labelled.EXPERIMENT.tasks(config) if t.field == "results")
    found = dict(labelled.EXPERIMENT.compute(run, config))
    usual = dict(EXPERIMENT.compute(run, config))
    for name in ("arm", "seconds", "units", "terms"):
        usual.pop(name), found.pop(name)
    off = {name: found.pop(name) for name in ("made_error_2d", "made_error_2d_occluded")}
    assert found == pytest.approx(usual, rel=1e-6)
    assert 0 < off["made_error_2d"] < off["made_error_2d_occluded"] < 0.5


def test_2d_errors_of_made_hands_are_measured_on_them(hands, monkeypatch):
    class Perfect(Lifter):
        def forward(self, detected):
            lifted = super().forward(detected)
            return lifted._replace(keypoints=true[: len(detected)])

    config = QUICK.replace(arms=("balanced",), folds=(1,), shares=())
    true = make_scene(hands, split_by_clip(hands, 1)[1], 1001, config).made.keypoints + 0.03
    history = type("History", (), {"seconds": 0.0, "log": {}})
    monkeypatch.setattr(labelled, "train", lambda *_, **__: (Perfect(), history))
    given = {"arm", "fold", "seconds", "units", "terms", "made_error_2d", "made_error_2d_occluded"}
    others = dict.fromkeys(set(labelled.Result.model_fields) - given, 0.0)
    monkeypatch.setattr(labelled, "evaluate", lambda *_: others)
    found = labelled.run("balanced", 1, config, hands)
    assert found.made_error_2d == pytest.approx(0.03 * 2**0.5, rel=1e-4)


def test_trials_of_labelled_hands_have_their_mixture(hands, monkeypatch):
    seen = []
    monkeypatch.setattr(
        experiment, "try_rate", lambda *given, **more: seen.append((*given, more)) or {}
    )
    labelled.try_rate("code, m, labelled", 0.1, 2, RECORDED, hands)
    ((name, rate, fold, config, _, more),) = seen
    assert (rate, fold, config.real, config.synthetic) == (0.1, 2, 1, 127)
    assert more["arms"][name] == ARMS["code, m"]


def test_the_hand_of_zeros_errs_more_than_the_average_joint_positions(hands):
    found = labelled.baseline(2, hands, QUICK)
    usual = dict(experiment.baseline(2, hands, QUICK))
    assert {name: dict(found)[name] for name in usual} == usual
    assert found.zero_mpjpe > 1.1 * found.mpjpe
    assert found.made_error_2d == pytest.approx(found.error_2d, rel=0.1)


def test_alone_is_one_term_and_its_record_that_of_the_code():
    """If not: `python -m lossbook.lab.hands.alone --record`, or `--refactored "why"`."""
    weights = alone.ARMS["2D alone"].weights.by_term()
    assert {name for name, weight in weights.items() if weight} == {"2d"}
    found = alone.load_record()
    assert alone.EXPERIMENT.stale(found) == []
    assert [trial.rate for trial in found.sweeps] == list(experiment.SWEEP.rates)


def test_the_record_of_labelled_hands_is_that_of_the_code():
    """If not: `python -m lossbook.lab.hands.labelled --record`, or `--refactored "why"`."""
    found = labelled.load_record()
    assert labelled.EXPERIMENT.stale(found) == []
    assert len(found.results) == 55


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content.pop("device"),
        lambda content: content["results"].pop(),
        lambda content: content["results"].reverse(),
        lambda content: content["results"][0].pop("mpjpe"),
        lambda content: content["results"][0].update(mpjpe=float("nan")),
        lambda content: content["results"][0].update(mpjpe="33"),
        lambda content: content["results"][0].update(mpjpe=-1.0),
        lambda content: content["baseline"].pop(),
        lambda content: content["baseline"][0].update(error_2d=None),
        lambda content: content["shares"].pop(),
        lambda content: content["shares"][0]["norms"]["2d"].pop(),
        lambda content: content["shares"][0].update(norms=3),
        lambda content: content["config"].update(unknown=1),
        lambda content: content["config"].update(own_rates=[["code, mm", 1, 2]]),
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


def test_the_record_is_that_of_the_code():
    """If not, run the experiment again; after mere refactoring, renew it.

    `python -m lossbook.lab.hands.experiment --record`, or `--refactored "why"`.
    """
    found = load_record()
    assert EXPERIMENT.stale(found) == []
    assert set(RECORDED.arms) == set(ARMS)
    assert all(len(found.values(arm)) == len(RECORDED.folds) >= 5 for arm in ARMS)
    assert experiment.RECORD.stat().st_size < 250_000


def test_the_recorded_hands_are_those_of_the_package(hands):
    found = load_record().baseline
    again = experiment.baseline(1, hands)
    assert dict(found[1]) == pytest.approx(dict(again), abs=2e-4)


def test_the_recorded_networks_beat_the_average_joint_positions():
    found = load_record()
    for value, guess in zip(found.values("balanced"), found.baseline, strict=True):
        assert value < 0.6 * guess.mpjpe
