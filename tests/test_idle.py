"""A term that counts and trains nothing is told of, and nothing else is."""

import warnings

import pytest
import torch
from matrix import CARDS, each

import lossbook
from lossbook import LossTerms
from lossbook.hands import HandLoss
from lossbook.inversion import InversionLoss, SigmoidTaskWeights, UncertaintyWeights
from lossbook.motion import MotionLoss

ONE = torch.tensor(1.0)
TRAINED = torch.tensor(2.0, requires_grad=True)


def said(function, *arguments, **options):
    """The warnings inside ``check_values``."""
    with lossbook.check_values(), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        function(*arguments, **options)
    return [str(one.message) for one in caught]


def two(first, second, weights=(1.0, 0.5)):
    return LossTerms({"a": first, "b": second}, dict(zip("ab", weights, strict=True)))


def test_a_term_without_a_graph_beside_one_that_has_one_is_named():
    (message,) = said(two, TRAINED, ONE)
    assert message.startswith("the term 'b' has the weight 0.5 and no graph, while 'a' has one")
    assert "it counts and trains nothing; compute what it is made from without no_grad" in message
    trusted = said(LossTerms._trusted, {"a": ONE, "b": TRAINED}, {"a": 1.0, "b": 0.5})
    assert trusted[0].startswith("the term 'a'")


def test_several_such_terms_are_one_warning():
    terms = {"a": TRAINED, "b": ONE, "c": 2 * ONE, "d": TRAINED * 2}
    (message,) = said(LossTerms, terms, dict.fromkeys(terms, 1.0))
    assert message.startswith("the terms 'b', 'c' have weights and no graph, while 'a' has one")
    assert message.endswith("compute what they are made from without no_grad or detach, or give "
                            "them the weight 0")  # fmt: skip
    clips, predicted = torch.rand(2, 20, 265), torch.rand(2, 20, 265, requires_grad=True)
    found = said(MotionLoss(), clips, predicted, clips[:, 1])
    idle = [message for message in found if "no graph" in message]
    assert len(idle) == 1
    assert idle[0].startswith("the terms 'scale_L', 'pitch_L', 'yaw_L', 'roll_L', 't_L', 'exp_L'")


@pytest.mark.parametrize(
    ("first", "second", "weights"),
    [
        (TRAINED, TRAINED, (1.0, 1.0)),
        (ONE, ONE, (1.0, 1.0)),
        (TRAINED, ONE, (1.0, 0.0)),
        (TRAINED, ONE, (0.0, 1.0)),
        (TRAINED, ONE, (1.0, torch.tensor(0.5, requires_grad=True))),
    ],
    ids=[
        "all have one",
        "none has one",
        "a monitor",
        "none that counts has one",
        "a learned weight",
    ],
)
def test_it_is_silent_where_nothing_is_lost(first, second, weights):
    assert said(two, first, second, weights) == []


def test_it_is_silent_where_gradients_are_off_and_outside_of_the_block():
    for off in (torch.no_grad(), torch.inference_mode()):
        with off:
            assert said(two, TRAINED, ONE) == []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        two(TRAINED, ONE)


def test_a_log_without_a_graph_may_be_merged_and_scaled():
    loss, kept = LossTerms({"a": TRAINED}, {"a": 1.0}), LossTerms({"b": ONE}, {"b": 1.0})
    assert said(lambda: (loss | kept) / 2) == []


def test_it_is_silent_where_graphs_cannot_be_seen():
    assert said(torch.func.grad(lambda x: two(x, ONE).total), ONE) == []


@each([card for card in CARDS if card.kind == "terms"])
def test_no_total_has_a_term_that_trains_nothing(card):
    inputs = card.inputs(5, torch.Generator().manual_seed(0))
    for name in card.differentiable:
        inputs[name] = inputs[name].detach().requires_grad_()
    for options in card.hyperparameters:
        found = said(card.function, **inputs, **options)
        assert not [message for message in found if "trains nothing" in message]


PEOPLE = {"template": torch.randn(4, 8), "negatives": torch.randn(6, 8)}
PICTURES, TRUTH = torch.rand(4, 3, 2, 2, requires_grad=True), torch.rand(4, 3, 2, 2)


def features(picture):
    return 2 * picture.flatten(1)[:, :8]  # no view: of a leaf, it keeps what the leaf asks for


@pytest.mark.parametrize("kind", ["l2", "cosine_margin", "info_nce"])
@pytest.mark.parametrize("task_weights", [None, SigmoidTaskWeights(), UncertaintyWeights()])
def test_features_made_under_no_grad_are_told_of_once(kind, task_weights):
    loss = InversionLoss(feature=kind, task_weights=task_weights)
    assert said(loss, PICTURES, TRUTH, features(PICTURES), **PEOPLE) == []
    with torch.no_grad():
        lost = features(PICTURES)
    (message,) = said(loss, PICTURES, TRUTH, lost, **PEOPLE)
    assert "the term 'feat' has the weight 1 and no graph, while 'pixel' has one" in message
    assert "compute features from input without no_grad or detach" in message
    # The pictures alone are detached, or all is: a step without training.
    (message,) = said(loss, PICTURES.detach(), TRUTH, features(PICTURES), **PEOPLE)
    assert "the term 'pixel' " in message
    assert said(loss, PICTURES.detach(), TRUTH, lost, **PEOPLE) == []
    logged = InversionLoss(feature=kind, lambda_schedule=0.0)
    assert said(logged, PICTURES, TRUTH, lost, **PEOPLE) == []


@pytest.mark.parametrize("kind", [SigmoidTaskWeights, UncertaintyWeights])
def test_a_task_that_trains_its_weight_alone_is_told_of(kind):
    weights = kind(("a", "b"))
    assert said(weights, {"a": TRAINED, "b": TRAINED}) == []
    assert said(weights, {"a": ONE, "b": ONE}) == []
    (message,) = said(weights, {"a": TRAINED, "b": ONE})
    assert "the term 'b' has the weight 1 and no graph, while 'a' has one" in message


def test_joints_that_are_detached_are_told_of():
    flat = (torch.rand(4, 21, 2) - 0.5).requires_grad_()
    hand = {"keypoints_2d": flat, "keypoints_3d": torch.rand(4, 21, 3)}
    target = {"keypoints_2d": torch.rand(4, 21, 2) - 0.5, "keypoints_3d": torch.rand(4, 21, 3)}
    loss = HandLoss({"w_prior": 0.0}, use_aux_loss=False)
    (message,) = said(loss, hand, target)
    assert "the term '3d_joint' has the weight 1 and no graph, while '2d' has one" in message
