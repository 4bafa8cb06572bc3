"""The denoiser, its training, the arms and the record."""

import pytest
import torch

from lossbook.inversion import InversionLoss, LambdaSchedule
from lossbook.lab.inversion import experiment, training
from lossbook.lab.inversion.arms import ARMS, GUIDED, LARGEST
from lossbook.lab.inversion.experiment import EXPERIMENT, LIVE, RECORDED, load_record
from lossbook.lab.inversion.faces import reduce, split
from lossbook.lab.inversion.model import SIGMAS, Denoiser, linear_guess, rebuild, templates
from lossbook.lab.inversion.training import batches, first, train
from lossbook.lab.run.devices import threads

QUICK = RECORDED.replace(steps=2, batch_size=2, first_steps=2, first_batch_size=4)


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    with threads(1):
        yield


@pytest.fixture(scope="module")
def part(faces):
    return split(faces, 0)


@pytest.fixture
def denoiser(faces, part):
    torch.manual_seed(0)
    return Denoiser(*linear_guess(faces, part.training))


def test_the_linear_guess_is_the_ridge_regression(faces, part):
    """Of scikit-learn, with its own intercept."""
    from sklearn.linear_model import Ridge

    known, pictures = templates(faces), reduce(faces.pictures).flatten(1)
    fitted = Ridge(alpha=0.3).fit(known[part.training], pictures[part.training])
    matrix, constant = linear_guess(faces, part.training)
    wanted = torch.tensor(fitted.predict(known[part.seen])).float()
    torch.testing.assert_close(known[part.seen] @ matrix.T + constant, wanted, atol=1e-3, rtol=0)


def test_an_untrained_denoiser_answers_its_guess_to_noise_and_the_picture_to_none(faces, denoiser):
    known, picture = templates(faces)[:3], reduce(faces.pictures[:3])
    noise = 1e3 * torch.randn(picture.shape)
    far = denoiser(noise, torch.full((3,), 1e3), known)
    torch.testing.assert_close(far, denoiser.guess(known), atol=2e-3, rtol=0)
    near = denoiser(picture, torch.full((3,), 1e-4), known)
    torch.testing.assert_close(near, picture, atol=1e-3, rtol=0)


def test_a_plain_decoder_does_not_look(faces, part):
    torch.manual_seed(0)
    plain = Denoiser(*linear_guess(faces, part.training), plain=True)
    torch.nn.init.normal_(plain.output.weight)
    known = templates(faces)[:2]
    sigma = torch.ones(2)
    first, second = (plain(torch.randn(2, 1, 56, 56), sigma, known) for _ in range(2))
    assert torch.equal(first, second)
    assert not torch.equal(first, plain.guess(known))


def test_a_denoiser_that_knows_the_answer_ends_at_it(faces, denoiser):
    """Twelve steps of noise that goes down to 0."""
    answer = reduce(faces.pictures[:2])
    assert len(SIGMAS) == 13
    assert SIGMAS[-1] == 0
    denoiser.forward = lambda noisy, sigma, template: answer
    torch.testing.assert_close(rebuild(denoiser, templates(faces)[:2]), answer)


def test_guidance_goes_where_it_is_told(faces, denoiser):
    known = templates(faces)[:2]
    plain = rebuild(denoiser, known)
    bright = rebuild(denoiser, known, guide=lambda clean: clean.mean((1, 2, 3)))
    dark = rebuild(denoiser, known, guide=lambda clean: -clean.mean((1, 2, 3)))
    assert (dark.mean((1, 2, 3)) < plain.mean((1, 2, 3))).all()
    assert (plain.mean((1, 2, 3)) < bright.mean((1, 2, 3))).all()
    assert torch.equal(rebuild(denoiser, known), plain)
    assert not torch.equal(rebuild(denoiser, known, seed=1), plain)


def test_batches_are_the_same_for_every_loss_and_negatives_are_others(faces, part):
    stream, again = (batches(faces, part.training, 3, size=5, negatives=7) for _ in range(2))
    known = templates(faces)
    for _ in range(3):
        batch, same = next(stream), next(again)
        assert all(torch.equal(a, b) for a, b in zip(batch, same, strict=True))
        for at in range(5):
            own = faces.subject[(known == batch.template[at]).all(1).nonzero()[0, 0]]
            for negative in batch.negatives[at]:
                other = (known == negative).all(1).nonzero()[0, 0]
                assert faces.subject[other] != own
                assert other in part.training
    noise = (batch.noisy - batch.pictures) / batch.sigma[:, None, None, None]
    assert noise.std() == pytest.approx(1, abs=0.05)
    torch.testing.assert_close(batch.centers.norm(dim=1), torch.ones(5))


def test_every_arm_makes_the_loss_that_it_names():
    made = {name: arm.loss and arm.loss(100) for name, arm in ARMS.items()}
    for name, loss in made.items():
        assert loss is None or isinstance(loss, InversionLoss), name
        schedule = getattr(loss, "lambda_schedule", None)
        if isinstance(schedule, LambdaSchedule):
            end = [schedule.step(t) for t in (0, 50, 100)]
            assert end == sorted(end)
            # The documented combined schedule ends at 0.816, a sigmoid at 0.993.
            largest = {"A, λ 1": 1.0, "C, λ 0.01": 0.01}.get(name, LARGEST)
            assert 0.8 * largest < end[-1] <= largest, name
    assert set(GUIDED) <= set(made)
    margin = ("A", "A and B", "compromise", "high precision", "high precision, cosine")
    assert {made[name].feature for name in margin} == {"cosine_margin"}
    assert made["high precision, cosine"].guidance_form == "cosine"
    assert made["C"].feature == "info_nce"
    assert not made["A, unclamped"].clamp
    assert made["D, residual"].guidance_form == "residual"
    assert not made["baseline, raw"].normalized
    assert made["baseline"].normalized


@pytest.mark.parametrize("arm", ["pixel", "B", "C, centre", "D", "decoder, constant 0.1"])
@pytest.mark.long
def test_an_arm_trains(arm, faces, part):
    network = experiment.recognisers()[0]
    attack, history = train(ARMS[arm], faces, part, network, settings=QUICK, progress=False)
    assert history.steps == 2
    terms = set(history.log) - {"total", "learning_rate"}
    assert set(attack.weights) == (terms if ARMS[arm].loss else set())
    start = first(faces, part, ARMS[arm].plain, 0, QUICK)
    moved = [
        not torch.equal(a, b)
        for a, b in zip(start.parameters(), attack.denoiser.parameters(), strict=True)
    ]
    assert any(moved)
    assert all(parameter.grad is None for parameter in network.parameters())


def test_learned_weights_move_at_their_own_rate(faces, part):
    network = experiment.recognisers()[0]
    for arm, rate in (("B", 1e-3), ("B, fast", 0.1)):
        attack, _ = train(ARMS[arm], faces, part, network, settings=QUICK, progress=False)
        # Adam's first steps are as long as its rate, and both weights fall.
        wanted = torch.tensor([-rate, -rate]).sigmoid()
        assert list(attack.weights.values()) == pytest.approx(wanted.tolist(), rel=1e-3)


def test_from_scratch_the_guess_is_the_mean_face(faces, part):
    network = experiment.recognisers()[0]
    settings = QUICK.replace(scratch_steps=1)
    attack, history = train(
        ARMS["scratch, pixel"], faces, part, network, settings=settings, progress=False
    )
    assert history.steps == 1
    mean = reduce(faces.pictures[part.training]).mean(0, keepdim=True)
    found = attack.denoiser.guess(templates(faces)[part.seen][:2])
    torch.testing.assert_close(found, mean.expand(2, -1, -1, -1), atol=1e-5, rtol=0)


def test_where_the_loss_is_a_function_of_the_similarity_scheme_d_is_a_price_on_gradients(faces):
    """2 - 2 sim: three times the slope as documented, once as a residual, nothing by direction."""
    from lossbook.inversion import feature_l2_loss, guidance_consistency_loss
    from lossbook.lab.inversion.faces import enlarge
    from lossbook.lab.inversion.systems import features

    network, known = experiment.recognisers()[0], templates(faces)[:2]
    clean = reduce(faces.pictures[5:7]).requires_grad_()
    found = features(network, enlarge(clean))
    alike = torch.cosine_similarity(found, known)
    (slope,) = torch.autograd.grad(alike.sum(), clean, retain_graph=True)
    size = slope.flatten(1).norm(dim=1).mean()
    loss = feature_l2_loss(found, known, normalized=True, reduction="none")
    terms = {
        form: guidance_consistency_loss(clean, loss, alike, form=form)
        for form in ("documented", "residual", "cosine")
    }
    torch.testing.assert_close(terms["documented"], 3 * size, rtol=1e-4, atol=0)
    torch.testing.assert_close(terms["residual"], size, rtol=1e-4, atol=0)
    assert terms["cosine"].abs() < 1e-5
    (moved,) = torch.autograd.grad(terms["cosine"], clean)
    assert moved.abs().max() < 1e-5


def test_what_all_begin_with_is_made_once(faces, part, monkeypatch):
    network = experiment.recognisers()[0]
    one = first(faces, part, False, 5, QUICK)
    monkeypatch.setattr(training, "Denoiser", None)
    for arm in ("pixel", "constant 0.1"):
        train(ARMS[arm], faces, part, network, seed=5, settings=QUICK, progress=False)
    assert first(faces, part, False, 5, QUICK) is one
    with pytest.raises(TypeError):
        first(faces, part, False, 6, QUICK)


def test_trials_never_score_what_they_train_on(faces, monkeypatch):
    seen = {}

    def look(arm, faces, part, network, **options):
        seen["part"], seen["rate"] = part, options["learning_rate"]
        raise StopIteration

    monkeypatch.setattr(experiment, "train", look)
    with pytest.raises(StopIteration):
        experiment.try_rate("A", 0.1, 1, QUICK, faces)
    people = [set(faces.subject[each].tolist()) for each in seen["part"]]
    held_out = set(faces.subject[split(faces, 1).unseen].tolist())
    assert seen["rate"] == 0.1
    assert [len(each) for each in people] == [20, 20, 10]
    assert people[0] == people[1]
    assert not people[0] & people[2]
    assert not held_out & (people[0] | people[2])


def test_the_live_run_is_a_smaller_recorded_run():
    assert set(LIVE.arms) < set(RECORDED.arms)
    assert LIVE.steps <= 60


@pytest.mark.long
def test_a_result_is_made_and_read(faces, monkeypatch):
    monkeypatch.setattr(experiment, "GUIDED", {})
    config = QUICK.replace(arms=("pixel",), folds=(0,))
    made = experiment.run("pixel", 0, config, faces, progress=False)
    found = experiment.Result.model_validate_json(made.model_dump_json())
    # Numbers are stored rounded, once.
    assert experiment.Result.model_validate_json(found.model_dump_json()) == found
    assert found.scores == pytest.approx(made.scores, abs=1e-5)
    assert len(found.units["seen rmse"]) == 60
    assert len(found.units["unseen judge_II_0.001"]) == 30
    assert set(found.units) == set(found.scores)
    assert not found.guided
    assert found.shown


def test_the_record_is_that_of_the_code():
    assert EXPERIMENT.stale(load_record()) == []
    assert set(RECORDED.arms) == set(ARMS)
    assert experiment.RECORD.stat().st_size < 1_600_000


def test_recorded_baselines_stand_where_they_must():
    for found in load_record().baseline:
        truth, mean = found.scores["truth"], found.scores["mean face"]
        assert truth["seen rmse"] == truth["unseen rmse"] == 0
        assert min(truth["seen attacked_II_0.001"], truth["unseen judge_II_0.001"]) > 0.95
        assert max(mean["seen attacked_II_0.001"], mean["unseen judge_II_0.001"]) < 0.05
