"""The total loss and the recipes of the source."""

import copy
import io
import pickle

import pytest
import torch
from torch import nn
from torch._dynamo.testing import CompileCounter

import lossbook
from lossbook import LossTerms
from lossbook.inversion import (
    InversionLoss,
    LambdaSchedule,
    SigmoidTaskWeights,
    UncertaintyWeights,
    center_loss,
    combined_schedule,
    cosine_margin_loss,
    feature_l2_loss,
    guidance_consistency_loss,
    info_nce_loss,
    linear_schedule,
    pixel_loss,
    sigmoid_schedule,
    staged_schedule,
    symbolic,
)
from lossbook.inversion.total import PRESETS

TOTAL = 100


class Inversion(nn.Module):
    """Pictures from templates, and a frozen encoder of them."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.decoder = nn.Sequential(nn.Linear(4, 12), nn.Tanh(), nn.Unflatten(1, (3, 2, 2)))
        self.encoder = nn.Sequential(nn.Flatten(), nn.Linear(12, 4), nn.Tanh())
        self.encoder.requires_grad_(False)

    def forward(self, template):
        pictures = self.decoder(template)
        return pictures, self.encoder(pictures)


def batch(size=6):
    generator = torch.Generator().manual_seed(0)
    template = torch.randn(size, 4, generator=generator)
    return {
        "target": torch.randn(size, 3, 2, 2, generator=generator),
        "template": template,
        "negatives": torch.randn(7, 4, generator=generator),
        "centers": template + 0.1,
    }


def computed(loss, model=None, **options):
    given = batch()
    pictures, features = (model or Inversion())(given["template"])
    return loss(pictures, given.pop("target"), features, **given, **options)


def parts():
    """Every term by itself."""
    given = batch()
    pictures, features = Inversion()(given["template"])
    people = features, given["template"], given["negatives"]
    return {
        "pixel": pixel_loss(pictures, given["target"]),
        "l2": feature_l2_loss(*people[:2]),
        "margin": cosine_margin_loss(*people),
        "nce": info_nce_loss(*people),
        "center": center_loss(features, given["centers"]),
        "guide l2": guidance_consistency_loss(
            pictures,
            feature_l2_loss(*people[:2], reduction="none"),
            torch.cosine_similarity(*people[:2]),
        ),
        "guide margin": guidance_consistency_loss(
            pictures,
            cosine_margin_loss(*people, reduction="none"),
            torch.cosine_similarity(*people[:2]),
        ),
    }


def combined(t):
    return combined_schedule(t, TOTAL)


# λ(t), the feature loss, the guidance, whether the weights are learned: as the note has them.
RECIPES = {
    "baseline": (lambda t: linear_schedule(t, TOTAL), "l2", None, False),
    "A": (lambda t: linear_schedule(t, TOTAL), "margin", None, False),
    "B": (lambda t: 1.0, "l2", None, True),
    "C": (lambda t: linear_schedule(t, TOTAL), "nce", None, False),
    "D": (lambda t: linear_schedule(t, TOTAL), "l2", "guide l2", False),
    "E": (lambda t: staged_schedule(t, TOTAL), "l2", None, False),
    "compromise": (combined, "margin", None, False),
    "light": (lambda t: sigmoid_schedule(t, TOTAL), "l2", None, True),
    "high_precision": (lambda t: linear_schedule(t, TOTAL), "margin", "guide margin", False),
}


def test_every_recipe_of_the_source_has_its_name():
    assert list(RECIPES) == list(PRESETS)


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("t", [0, 20, 50, 100])
def test_a_recipe_is_the_sum_of_its_parts(name, t):
    weight_at, feature, guidance, learned = RECIPES[name]
    expected = parts()
    loss = InversionLoss.preset(name, total=TOTAL)
    if name != "B":
        loss.lambda_schedule.step(t)
    found = computed(loss)
    factor = 0.5 if learned else 1.0
    weights = [torch.as_tensor(found.weights[name]).item() for name in ("pixel", "feat")]
    assert weights == pytest.approx([factor, factor * weight_at(t)])
    torch.testing.assert_close(found["pixel"], expected["pixel"])
    torch.testing.assert_close(found["feat"], expected[feature])
    total = factor * (expected["pixel"] + weight_at(t) * expected[feature])
    if guidance:
        torch.testing.assert_close(found["guidance"], expected[guidance])
        total = total + expected[guidance]
    assert tuple(found.terms) == ("pixel", "feat", *(["guidance"] if guidance else []))
    torch.testing.assert_close(found.total, total)
    found.backward()


@pytest.mark.parametrize("name", RECIPES)
def test_a_network_learns_under_every_recipe(name):
    model, loss = Inversion(), InversionLoss.preset(name, total=40)
    options = {} if name == "B" else {"schedule": loss.lambda_schedule}
    optimizer = torch.optim.Adam([*model.decoder.parameters(), *loss.parameters()], lr=0.02)
    first = computed(loss, model)
    for _ in range(40):
        optimizer.zero_grad()
        computed(loss, model).backward()
        optimizer.step()
        for schedule in options.values():
            schedule.step()
    last = computed(loss, model)
    assert last["pixel"] < first["pixel"]
    assert last.total.isfinite()


def test_options_take_the_place_of_a_recipe_s():
    loss = InversionLoss.preset("C", total=TOTAL, center_weight=0.5, temperature=0.2)
    assert loss.feature == "info_nce"
    found = computed(loss)
    torch.testing.assert_close(found["center"], parts()["center"])
    assert found.weights["center"] == 0.5
    assert InversionLoss.preset("A", lambda_schedule=0.3).lambda_schedule == 0.3
    assert InversionLoss.preset("B", task_weights=None).task_weights is None
    assert InversionLoss.preset("D", total=9, guidance_form="cosine").guidance_form == "cosine"


@pytest.mark.parametrize("form", ["documented", "residual", "cosine"])
def test_the_guidance_has_every_form_and_a_gradient(form):
    model = Inversion()
    loss = InversionLoss(guidance_weight=2.0, guidance_form=form)
    found = computed(loss, model)
    assert found.weights["guidance"] == 2.0
    found["guidance"].backward()
    assert model.decoder[0].weight.grad.any()


@pytest.mark.parametrize("feature", ["l2", "cosine_margin", "info_nce"])
def test_half_precision_is_not_rounded_on_the_way_to_the_guidance(feature):
    loss = InversionLoss(feature=feature, guidance_weight=1.0)
    given = batch()
    found = []
    for dtype in (torch.bfloat16, torch.float64):
        # The same numbers in both, features that are the pictures' own.
        narrow = {name: value.bfloat16().to(dtype) for name, value in given.items()}
        pictures = narrow["target"].flatten(1)[:, :4].clone().requires_grad_()
        target = torch.zeros_like(pictures)
        rest = {name: narrow[name] for name in ("template", "negatives")}
        found.append(loss(pictures, target, pictures * 1, **rest))
    for name, term in found[0].terms.items():
        assert term.dtype == torch.float32
        tolerance = 1e-5 if name != "guidance" else 1e-2  # its gradients are those of bfloat16
        torch.testing.assert_close(term.double(), found[1][name], rtol=tolerance, atol=tolerance)
    found[0].backward()


def test_at_a_lambda_of_zero_the_feature_term_is_a_monitor():
    loss = InversionLoss.preset("baseline", total=TOTAL)
    found = computed(loss)
    assert found.weights["feat"] == 0
    torch.testing.assert_close(found.total, found["pixel"])
    held = InversionLoss.preset("light", total=TOTAL, lambda_schedule=0.0)
    assert computed(held).weights["feat"] == 0


@pytest.mark.parametrize("kind", [SigmoidTaskWeights, UncertaintyWeights])
def test_learned_weights_multiply_those_of_their_terms(kind):
    tasks = ("pixel", "feat", "center")
    weights = kind(tasks, init=0.4)
    loss = InversionLoss(task_weights=weights, lambda_schedule=0.3, center_weight=0.2)
    assert {name for name, _ in loss.named_parameters()} == {
        f"task_weights.{name}" for name, _ in weights.named_parameters()
    }
    found = computed(loss)
    factors = {"pixel": 1.0, "feat": 0.3, "center": 0.2}
    expected = weights({name: factors[name] * found[name] for name in tasks})
    torch.testing.assert_close(found.total, expected.total)
    torch.testing.assert_close(sum(found.contributions().values()), found.total)
    found.backward()
    assert next(weights.parameters()).grad.all()


@pytest.mark.parametrize("guided", [False, True])
def test_a_masked_sample_may_hold_anything_in_every_term(guided):
    loss = InversionLoss(
        feature="info_nce", center_weight=0.5, guidance_weight=0.5 if guided else 0.0
    )
    present = torch.tensor([True, False, True, True, False, True])
    given = {name: v[present] if len(v) == 6 else v for name, v in batch().items()}
    pictures, features = Inversion()(given["template"])
    expected = loss(pictures, given.pop("target"), features, **given)
    model, given = Inversion(), batch()
    given["target"][~present] = torch.nan
    pictures, features = model(given["template"])
    for weight in (present, present.float()):
        found = loss(pictures, given["target"], features, **{
            name: value for name, value in given.items() if name != "target"
        }, weight=weight)  # fmt: skip
        for name, term in expected.terms.items():
            torch.testing.assert_close(found[name], term)


def test_a_checkpoint_knows_where_the_schedule_was():
    loss = InversionLoss.preset("light", total=TOTAL)
    for _ in range(30):
        loss.lambda_schedule.step()
    stored = io.BytesIO()
    torch.save(loss.state_dict(), stored)
    stored.seek(0)
    other = InversionLoss.preset("light", total=TOTAL)
    other.load_state_dict(torch.load(stored, weights_only=True))
    assert other.lambda_schedule.t == 30
    assert computed(other).log() == computed(loss).log()
    plain = InversionLoss()
    plain.load_state_dict(InversionLoss().state_dict())
    for again in (copy.deepcopy(loss), pickle.loads(pickle.dumps(loss))):
        assert computed(again).log() == computed(loss).log()


def test_a_state_of_another_schedule_is_told_of(recwarn):
    saved = InversionLoss.preset("C", total=500)
    saved.step(400)
    state = saved.state_dict()
    for loss, message in (
        (InversionLoss.preset("C", total=200), "'linear' with the total 500, .* t = 400 of 'lin"),
        (InversionLoss.preset("E", total=500), "'linear' with the total 500, .* of 'staged'"),
        (
            InversionLoss(lambda_schedule=LambdaSchedule(by_hand, 500)),
            "'linear' with the total 500, .* of 'by_hand'",
        ),
    ):
        with pytest.warns(UserWarning, match=f"this state is of the schedule {message}"):
            loss.load_state_dict(state)
        assert loss.lambda_schedule.t == 400
    with pytest.warns(UserWarning, match=r"of a loss with a λ\(t\), at t = 400, .* number 1.0"):
        InversionLoss().load_state_dict(state)
    # Of one schedule, and of an older version, nothing is said.
    InversionLoss.preset("A", total=500).load_state_dict(state)
    old = InversionLoss.preset("E", total=200)
    old.load_state_dict({"_extra_state": {"t": 30}})
    assert old.lambda_schedule.t == 30
    assert not recwarn.list


def by_hand(t, total):
    return t / total


def test_a_schedule_in_a_plain_loop_reaches_its_end():
    loss = InversionLoss(lambda_schedule=LambdaSchedule("staged", 3))
    seen = []
    for _ in range(5):
        seen.append(computed(loss).weights["feat"])
        loss.lambda_schedule.step()
    assert seen == [0.1, 0.5, 0.5, 1.0, 1.0]
    loss.lambda_schedule = 0.25
    assert computed(loss).weights["feat"] == 0.25


def test_the_formula_is_the_sum_of_weighted_terms():
    values = dict(zip(symbolic.TERMS, (1, 2, 3, 4), strict=True))
    values |= dict(zip(symbolic.WEIGHTS, (10, 100, 1000), strict=True))
    assert symbolic.TOTAL.subs(values).doit() == 1 + 20 + 300 + 4000


@pytest.mark.compiles
@pytest.mark.reassigns
def test_a_schedule_does_not_recompile_every_step():
    torch.compiler.reset()
    counter = CompileCounter()
    loss = InversionLoss(feature="info_nce", lambda_schedule=LambdaSchedule("sigmoid", 50))
    compiled = torch.compile(loss, fullgraph=True, backend=counter)
    given = batch()
    pictures, features = (each.detach() for each in Inversion()(given["template"]))
    rest = {name: value for name, value in given.items() if name != "target"}
    for _ in range(12):
        found = compiled(pictures, given["target"], features, **rest)
        expected = loss(pictures, given["target"], features, **rest)
        assert type(found) is LossTerms
        assert found.log() == pytest.approx(expected.log(), rel=1e-5)
        loss.lambda_schedule.step()
    assert counter.frame_count <= 2


@pytest.mark.own_errors
def test_what_is_missing_is_named():
    loss = InversionLoss(feature="cosine_margin")
    given = batch()
    pictures, features = Inversion()(given["template"])
    people = pictures, given["target"], features, given["template"]
    with pytest.raises(ValueError, match="negatives is missing, and the feature loss is 'cosine_"):
        loss(*people)
    with pytest.raises(ValueError, match="centers is missing, and center_weight is 0.5"):
        InversionLoss(center_weight=0.5)(*people)
    with pytest.raises(ValueError, match=r"similarity|feature_losses must depend on input"):
        InversionLoss(guidance_weight=1.0)(
            pictures, given["target"], features.detach().requires_grad_(), given["template"]
        )
    with pytest.raises(ValueError, match="total is missing: the preset 'E' has a staged schedule"):
        InversionLoss.preset("E")
    with pytest.raises(ValueError, match="no preset 'high-precision'; did you mean high_precision"):
        InversionLoss.preset("high-precision", total=10)
    with pytest.raises(ValueError, match="'style', which is no term; there are pixel, feat"):
        InversionLoss(task_weights=UncertaintyWeights(("pixel", "style")))
    with pytest.raises(ValueError, match="'center', and that term is off"):
        InversionLoss(task_weights=UncertaintyWeights(("pixel", "center")))(*people)
    with pytest.raises(TypeError, match=r"or a LambdaSchedule.*wrap it"):
        InversionLoss(lambda_schedule=linear_schedule)
    with pytest.raises(ValueError, match="batch size: input has 6, features has 5"):
        InversionLoss()(*people[:2], features[:5], given["template"][:5])


@pytest.mark.own_errors
def test_a_step_goes_on_by_one_or_by_several():
    loss = InversionLoss.preset("A", total=TOTAL)
    assert loss.step() == 0.01
    assert loss.step(49) == 0.5
    assert loss.lambda_schedule.t == 50
    with pytest.raises(TypeError, match="n must be a Python number, got str"):
        loss.step("1")


@pytest.mark.own_errors
def test_a_number_has_no_steps_and_the_error_says_what_has():
    with pytest.raises(
        TypeError, match=r"λ is the number 0.3, .*=LambdaSchedule\('linear', total\)"
    ):
        InversionLoss(lambda_schedule=0.3).step()


def test_a_loss_without_a_schedule_leaves_a_checkpoint_as_it_was():
    decoder = nn.Linear(2, 2)
    old = nn.ModuleDict({"net": decoder}).state_dict()
    model = nn.ModuleDict({"net": decoder, "loss": InversionLoss()})
    assert list(model.state_dict()) == list(old)
    assert InversionLoss().state_dict() == {}
    model.load_state_dict(old)
    # Checkpoints of before have an empty state.
    model.load_state_dict(old | {"loss._extra_state": {}})
    InversionLoss().load_state_dict({"_extra_state": {}})
    learned = InversionLoss.preset("B")
    assert list(learned.state_dict()) == ["task_weights.omega"]
    learned.load_state_dict(learned.state_dict())
    with pytest.raises(RuntimeError, match="Missing key"):
        InversionLoss.preset("A", total=TOTAL).load_state_dict({})
    with pytest.raises(RuntimeError, match="Unexpected key"):
        InversionLoss().load_state_dict({"other": torch.ones(1)})


@pytest.mark.own_errors
def test_a_schedule_that_nobody_steps_is_told_of_once(recwarn):
    loss, message = (
        InversionLoss.preset("A", total=TOTAL),
        r"λ\(t\) is 0 at t = 0: feat is only logged",
    )
    computed(loss)
    with lossbook.check_values():
        with torch.no_grad():
            computed(loss)
        assert not recwarn
        with pytest.warns(UserWarning, match=message):
            computed(loss)
        recwarn.clear()
        computed(loss)
        for other in (
            InversionLoss.preset("A", total=TOTAL),
            InversionLoss.preset("E", total=TOTAL),
        ):
            other.step()
            computed(other)
        computed(InversionLoss(lambda_schedule=0.0))
    assert not recwarn


@pytest.mark.own_errors
def test_features_without_a_graph_are_told_of_while_the_schedule_is_at_0():
    pictures = torch.rand(2, 3, 2, 2, requires_grad=True)
    features = torch.rand(2, 4)
    loss, message = (
        InversionLoss.preset("baseline", total=TOTAL),
        "And features has no graph: compute",
    )
    with lossbook.check_values(), pytest.warns(UserWarning, match=message):
        loss(pictures, pictures.detach(), features, features)
