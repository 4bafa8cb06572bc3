"""The total of the hand losses, and what it is computed from."""

import copy
import dataclasses
import inspect
import math
import warnings

import pytest
import torch
from hand_examples import changed, fields, picked, points, whole

import lossbook
from lossbook.hands import (
    HandLoss,
    HandLossWeights,
    HandPrediction,
    HandTarget,
    auxiliary_loss,
    keypoint_2d_loss,
    keypoint_3d_loss,
    mano_prior_loss,
    vertex_loss,
)
from lossbook.hands.total import TERMS


def raw_terms(prediction, target):
    first_stage = prediction.coarse_pose, prediction.coarse_shape, target.pose, target.shape
    return {
        "2d": keypoint_2d_loss(
            prediction.keypoints_2d, target.keypoints_2d, confidence=target.confidence_2d
        ),
        "3d_joint": keypoint_3d_loss(
            prediction.keypoints_3d, target.keypoints_3d, confidence=target.confidence_3d
        ),
        "3d_vert": vertex_loss(prediction.vertices, target.vertices),
        "prior": mano_prior_loss(prediction.betas).total,
        "aux": auxiliary_loss(*first_stage),
    }


PRESETS = {
    "code": ((1.0, 1.0, 0.5, 0.01, 0.1), HandLossWeights.code),
    "config": ((0.01, 0.05, 0.0, 0.001, 0.001), HandLossWeights.config),
}


@pytest.mark.parametrize("name", PRESETS)
def test_the_presets_are_the_documented_weights_and_each_is_applied_once(name):
    numbers, preset = PRESETS[name]
    prediction, target = whole()
    raw = raw_terms(prediction, target)
    loss = HandLoss(preset(), use_vertex_loss=True)(prediction, target)
    assert list(loss.terms) == list(raw)
    for term, value in raw.items():
        torch.testing.assert_close(loss.terms[term], value)
    assert tuple(loss.weights.values()) == numbers
    expected = sum(weight * value for weight, value in zip(numbers, raw.values(), strict=True))
    torch.testing.assert_close(loss.total, expected)


def test_the_default_weights_are_those_of_the_code():
    assert HandLoss().weights == HandLossWeights.code() == HandLossWeights()
    assert HandLossWeights(w_aux=0.0).by_term() == HandLossWeights.code().by_term() | {"aux": 0.0}
    assert HandLossWeights.code() != HandLossWeights.config()
    assert HandLoss({"w_2d": 3.0}).weights == HandLossWeights(w_2d=3.0)
    with pytest.raises(dataclasses.FrozenInstanceError):
        HandLoss().weights.w_2d = 2.0


def test_by_default_there_is_an_auxiliary_term_and_no_vertex_term():
    prediction, target = whole()
    assert list(HandLoss()(prediction, target).terms) == ["2d", "3d_joint", "prior", "aux"]
    options = inspect.signature(HandLoss).parameters
    assert options["use_vertex_loss"].default is False
    assert options["use_aux_loss"].default is True
    without = HandLoss(use_aux_loss=False)(prediction, target)
    assert list(without.terms) == ["2d", "3d_joint", "prior"]
    # A term that is off needs nothing.
    lacking = changed(prediction, vertices=None, coarse_pose=None)
    assert list(HandLoss(use_aux_loss=False)(lacking, target).terms) == list(without.terms)


NEEDED = {
    "2d": (["keypoints_2d"], ["keypoints_2d"]),
    "3d_joint": (["keypoints_3d"], ["keypoints_3d"]),
    "3d_vert": (["vertices"], ["vertices"]),
    "prior": (["betas"], []),
    "aux": (["coarse_pose", "coarse_shape"], ["pose", "shape"]),
}
EACH_NEED = [
    (term, side, field)
    for term, sides in NEEDED.items()
    for side, names in zip(("prediction", "target"), sides, strict=True)
    for field in names
]


@pytest.mark.parametrize(("term", "side", "field"), EACH_NEED)
@pytest.mark.filterwarnings("ignore:target.confidence_.d counts for nothing:UserWarning")
@pytest.mark.own_errors
def test_a_weighted_term_without_an_input_is_refused_and_never_dropped(term, side, field):
    inputs = dict(zip(("prediction", "target"), whole(), strict=True))
    inputs[side] = changed(inputs[side], **{field: None})
    with pytest.raises(ValueError, match=rf"{term} lacks {side}.{field}\. .*optional="):
        HandLoss(use_vertex_loss=True)(**inputs)
    half_a_pair = term == "aux"
    optional = HandLoss(use_vertex_loss=True, optional=(term,))
    monitor = HandLoss({f"w_{term}": 0.0}, use_vertex_loss=True)
    for loss in (optional, monitor):
        labelled = side == "prediction" and term != "prior" and loss is optional
        if half_a_pair or labelled:
            with pytest.raises(ValueError, match=f"{term} lacks {side}.{field}"):
                loss(**inputs)
        else:
            assert set(loss(**inputs).terms) == set(TERMS) - {term}


def test_an_optional_term_is_there_if_its_inputs_are():
    prediction, target = whole()
    everything = HandLoss(use_vertex_loss=True)(prediction, target)
    optional = HandLoss(use_vertex_loss=True, optional=TERMS)
    assert optional(prediction, target).total == everything.total
    for term, (of_prediction, of_target) in NEEDED.items():
        alone = (
            HandPrediction(**{name: getattr(prediction, name) for name in of_prediction}),
            HandTarget(**{name: getattr(target, name) for name in of_target}),
        )
        assert list(optional(*alone).terms) == [term]
        assert list(HandLoss(use_vertex_loss=True, optional=term)(prediction, target).terms) == [
            *TERMS
        ]
    unlabelled = changed(target, pose=None, shape=None)
    assert "aux" not in HandLoss(optional=("aux",))(prediction, unlabelled).terms


def test_a_term_of_weight_zero_is_a_monitor():
    prediction, target = whole()
    loss = HandLoss({"w_2d": 0.0})(prediction, target)
    assert loss.weights["2d"] == 0
    assert loss.terms["2d"] > 0
    assert loss.total < HandLoss()(prediction, target).total


@pytest.mark.own_errors
def test_the_error_lists_everything_that_every_term_lacks():
    prediction = HandPrediction(keypoints_2d=points(2, 21, 2), coarse_pose=points(2, 48))
    with pytest.raises(ValueError, match="a term with a weight needs its inputs") as raised:
        HandLoss()(prediction, HandTarget(shape=points(2, 10)))
    message = str(raised.value)
    assert "2d lacks target.keypoints_2d;" in message
    assert "3d_joint lacks prediction.keypoints_3d, target.keypoints_3d;" in message
    assert "prior lacks prediction.betas;" in message
    assert "aux lacks prediction.coarse_shape, target.pose." in message
    with pytest.raises(ValueError, match="no term can be computed: every term is off or lacks"):
        HandLoss(optional=TERMS)({}, {})


@pytest.mark.own_errors
def test_a_pose_weight_needs_a_pose():
    prediction, target = whole()
    lacking = changed(prediction, hand_pose=None)
    with pytest.raises(ValueError, match="prior lacks prediction.hand_pose"):
        HandLoss(pose_weight=0.5)(lacking, target)
    with pytest.raises(ValueError, match="prior lacks prediction.hand_pose"):
        HandLoss(pose_weight=0.5, optional="prior")(lacking, target)
    neither = changed(lacking, betas=None)
    assert "prior" not in HandLoss(pose_weight=0.5, optional="prior")(neither, target).terms
    assert HandLoss()(lacking, target).terms["prior"] > 0


# Masks ------------------------------------------------------------------------------------------


def spoilt(container, samples):
    """NaN in some samples of everything."""
    container = copy.deepcopy(container)
    for _, value in fields(container):
        value[samples] = torch.nan
    return container


@pytest.mark.parametrize("form", ["documented", "rotation"])
@pytest.mark.parametrize("dtype", [torch.bool, torch.float32], ids=str)
def test_masking_samples_is_leaving_them_out(form, dtype):
    prediction, target = whole(4)
    prediction, target = spoilt(prediction, [1]), spoilt(target, [1, 3])
    for _, value in fields(prediction):
        value.requires_grad_()
    leaves = [value for _, value in fields(prediction)]
    kept = torch.tensor([True, False, True, False])
    loss = HandLoss(use_vertex_loss=True, auxiliary_form=form, pose_weight=0.5)
    masked = loss(prediction, target, weight=kept.to(dtype))
    alone = loss(picked(prediction, kept), picked(target, kept))
    for name in TERMS:
        torch.testing.assert_close(masked[name], alone[name])
        got, expected = (
            torch.autograd.grad(
                result[name], leaves, allow_unused=True, materialize_grads=True, retain_graph=True
            )
            for result in (masked, alone)
        )
        for left, right in zip(got, expected, strict=True):
            torch.testing.assert_close(left, right)


def test_each_term_may_have_its_own_mask():
    prediction, target = whole(4)
    has_joints, has_mano = torch.tensor([True, False, True, True]), torch.tensor([1.0, 0, 0, 0])
    target.keypoints_3d[1] = torch.nan
    target.pose[1:] = torch.nan
    loss = HandLoss()(prediction, target, weight={"3d_joint": has_joints, "aux": has_mano})
    joints = HandLoss()(prediction, target, weight=has_joints)
    mano = HandLoss()(prediction, target, weight=has_mano)
    torch.testing.assert_close(loss["3d_joint"], joints["3d_joint"])
    torch.testing.assert_close(loss["aux"], mano["aux"])
    for name in ("2d", "prior"):
        torch.testing.assert_close(loss[name], raw_terms(prediction, target)[name])
    meant = "which is no term; did you mean 3d_joint or 3d_vert. There are 2d, 3d_j"
    with pytest.raises(ValueError, match=f"weight names '3d', {meant}"):
        HandLoss()(prediction, target, weight={"3d": has_joints})


# Options ----------------------------------------------------------------------------------------


def test_terms_may_come_from_different_samples():
    prediction, target = whole(batch=6)
    for container in (prediction, target):
        container.keypoints_3d = container.keypoints_3d[:2]
    target.confidence_3d = None
    mixed = HandLoss(reduction="batchmean")(prediction, target)
    joints = keypoint_3d_loss(prediction.keypoints_3d, target.keypoints_3d) / 2
    torch.testing.assert_close(mixed.terms["3d_joint"], joints)


def test_the_reduction_reaches_the_points_and_not_the_means():
    prediction, target = whole(batch=4)
    total, mean = (
        HandLoss(reduction=r, use_vertex_loss=True)(prediction, target)
        for r in ("sum", "batchmean")
    )
    for term in ("2d", "3d_joint", "3d_vert"):
        torch.testing.assert_close(total.terms[term], 4 * mean.terms[term])
    for term in ("prior", "aux"):
        torch.testing.assert_close(total.terms[term], mean.terms[term])


def test_the_options_of_the_terms_reach_them():
    prediction, target = whole()
    options = {"root": 3, "shape_weight": 0.5, "pose_weight": 2.0, "auxiliary_form": "rotation"}
    loss = HandLoss(**options)(prediction, target)
    prior = mano_prior_loss(
        prediction.betas, prediction.hand_pose, shape_weight=0.5, pose_weight=2.0
    )
    torch.testing.assert_close(loss["prior"], prior.total)
    joints = prediction.keypoints_3d, target.keypoints_3d
    confidence = {"confidence": target.confidence_3d}
    torch.testing.assert_close(loss["3d_joint"], keypoint_3d_loss(*joints, root=3, **confidence))
    stage = prediction.coarse_pose, prediction.coarse_shape, target.pose, target.shape
    torch.testing.assert_close(loss["aux"], auxiliary_loss(*stage, form="rotation"))
    without = HandLoss(root=None)(prediction, target)["3d_joint"]
    torch.testing.assert_close(without, keypoint_3d_loss(*joints, root=None, **confidence))


@pytest.mark.own_errors
def test_unknown_options_are_refused_when_the_loss_is_made():
    for options, error, message in (
        (
            {"optional": ("2D",)},
            ValueError,
            "optional names '2D', which is no term; did you mean 2d",
        ),
        ({"auxiliary_form": "euler"}, ValueError, "auxiliary_form must be one of documented, rota"),
        ({"use_aux_loss": 1}, TypeError, "use_aux_loss must be True or False, got 1"),
        ({"use_vertex_loss": None}, TypeError, "use_vertex_loss must be True or False, got None"),
        ({"reduction": "none"}, ValueError, "reduction must be sum, mean or batchmean"),
        ({"root": -1}, ValueError, "root must be at least 0, got -1"),
        ({"shape_weight": -1}, ValueError, "shape_weight must be finite and at least 0, got -1"),
    ):
        with pytest.raises(error, match=message):
            HandLoss(**options)


@pytest.mark.own_errors
def test_errors_name_the_fields_as_the_caller_knows_them():
    prediction, target = whole()
    for replaced, message in (
        ({"keypoints_2d": points(2, 21, 2)}, "prediction.keypoints_2d and target.keypoints_2d"),
        ({"keypoints_2d": points(3, 21, 3)}, "target.keypoints_2d must have shape"),
        ({"confidence_2d": torch.ones(3, 20)}, "target.confidence_2d must have the shape of pre"),
        ({"confidence_3d": torch.ones(3, 20)}, "target.confidence_3d must have the shape of pre"),
        ({"vertices": points(3, 2, 3)}, "prediction.vertices and target.vertices"),
        ({"pose": points(3, 45)}, "prediction.coarse_pose and target.pose must have the same"),
        ({"shape": points(3, 11)}, "prediction.coarse_shape and target.shape must have the same"),
    ):
        with pytest.raises(ValueError, match=message):
            HandLoss(use_vertex_loss=True)(prediction, changed(target, **replaced))
    with pytest.raises(ValueError, match="root must be from 0 to 20, got 30"):
        HandLoss(root=30)(prediction, target)


@pytest.mark.own_errors
def test_one_field_in_float64_does_not_promote_the_total():
    prediction, target = whole()
    wide = changed(prediction, keypoints_2d=prediction.keypoints_2d.double())
    doubled = changed(target, keypoints_2d=target.keypoints_2d.double())
    with pytest.raises(TypeError, match=r"prediction.keypoints_2d is torch.float64"):
        HandLoss()(wide, doubled)


# Torch ------------------------------------------------------------------------------------------


@pytest.mark.compiles
def test_the_module_compiles_and_exports_with_its_dataclasses():
    prediction, target = whole()
    module = HandLoss(HandLossWeights.config())
    expected = module(prediction, target)
    torch.compiler.reset()
    compiled = torch.compile(module, fullgraph=True, backend="eager")(prediction, target)
    torch.testing.assert_close(compiled.total, expected.total)
    exported = torch.export.export(module, (prediction, target)).module()(prediction, target)
    torch.testing.assert_close(exported.total, expected.total)


@pytest.mark.compiles
def test_equal_but_new_weights_and_modules_share_one_graph():
    torch.compiler.reset()
    counter = torch._dynamo.testing.CompileCounter()
    prediction, target = whole()

    @torch.compile(fullgraph=True, backend=counter)
    def step(weights, prediction, target):
        return HandLoss(weights)(prediction, target).total

    for _ in range(6):
        step(HandLossWeights(w_2d=0.5), prediction, target)
    assert counter.frame_count == 1
    for step_number in range(12):
        weights = HandLossWeights(w_2d=0.5 + step_number / 10)
        got = step(weights, prediction, target)
        torch.testing.assert_close(got, HandLoss(weights)(prediction, target).total)
    assert counter.frame_count <= 3


@pytest.mark.own_errors  # stacked for vmap, the fields have one dimension more than annotated
def test_vmap_takes_the_dataclasses():
    runs = [whole(), tuple(type(v)(**{k: 2 * t for k, t in fields(v)}) for v in whole())]
    loss = HandLoss()

    def stack(index):
        first, second = runs[0][index], runs[1][index]
        pairs = {k: torch.stack([value, getattr(second, k)]) for k, value in fields(first)}
        return type(first)(**pairs)

    mapped = torch.func.vmap(lambda p, t: loss(p, t).total)
    torch.testing.assert_close(
        mapped(stack(0), stack(1)), torch.stack([loss(*run).total for run in runs])
    )


def test_half_hands_give_a_float32_total():
    prediction, target = whole(64)
    prediction, target = prediction.to(dtype=torch.float16), target.to(dtype=torch.float16)
    loss = HandLoss()(prediction, target)
    assert loss["3d_joint"] > torch.finfo(torch.float16).max
    assert {term.dtype for term in (loss.total, *loss.terms.values())} == {torch.float32}


# check_values -----------------------------------------------------------------------------------


def proper(batch=3):
    """Hands that nothing is wrong with."""
    prediction, target = whole(batch)
    prediction.hand_pose = torch.eye(3).repeat(batch, 15, 1, 1)
    return prediction, target


def test_check_values_is_silent_about_good_hands():
    with lossbook.check_values(), warnings.catch_warnings():
        warnings.simplefilter("error")
        HandLoss(use_vertex_loss=True)(*proper())
        mask = torch.tensor([True, False, True])
        HandLoss(use_vertex_loss=True)(*proper(), weight=mask)


@pytest.mark.own_errors
@pytest.mark.parametrize(
    ("side", "field", "bad", "message"),
    [
        ("prediction", "keypoints_2d", 1000.0, "prediction.keypoints_2d reaches"),
        ("target", "confidence_2d", 2.0, "target.confidence_2d must lie in"),
        ("target", "confidence_3d", 2.0, "target.confidence_3d must lie in"),
        ("target", "vertices", math.inf, "target.vertices holds"),
        ("prediction", "hand_pose", 2.0, "prediction.hand_pose must hold rotation matrices"),
        ("target", "pose", 90.0, "target.pose looks like degrees"),
        ("target", "pose", math.nan, r"target.pose holds 1 NaN .*index \(0, 0\)"),
    ],
)
def test_check_values_names_the_field(side, field, bad, message):
    inputs = dict(zip(("prediction", "target"), proper(), strict=True))
    getattr(inputs[side], field).view(-1)[0] = bad
    with lossbook.check_values(), pytest.raises(ValueError, match=f"^{message}"):
        HandLoss(use_vertex_loss=True)(**inputs)


def test_weights_can_be_scheduled_as_a_mapping():
    loss, pair = HandLoss(), whole()
    loss.weights = {"w_2d": 2.0}
    expected = HandLoss(HandLossWeights(w_2d=2.0))(*pair)
    assert loss(*pair).weights == expected.weights
    assert loss(*pair).total == expected.total
    loss.weights = {"w_two": 2.0}
    with pytest.raises(ValueError, match="w_two"):
        loss(*pair)


@pytest.mark.own_errors
def test_a_named_weight_of_a_term_that_is_off_is_pointed_out():
    with pytest.warns(UserWarning, match="use_vertex_loss=True") as found:
        HandLoss({"w_3d_vert": 5.0})
    assert found[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        HandLoss({"w_3d_vert": 0.0})
        HandLoss(HandLossWeights.code())
        HandLoss({"w_3d_vert": 5.0}, use_vertex_loss=True)


POINTS = torch.zeros(2, 21, 2)
HAND_ONLY_2D = {"w_3d_joint": 0, "w_prior": 0, "w_aux": 0}


def test_a_misspelt_field_of_a_batch_is_pointed_out():
    points, sure = torch.zeros(2, 21, 2), torch.ones(2, 21)
    with pytest.warns(UserWarning, match="did you mean 'confidence_2d'"):
        HandTarget.pick({"keypoints_2d": points, "conf_2d": sure, "image": points})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        HandTarget.pick({"keypoints_2d": points, "confidence_2d": sure, "keypoints": points})
        HandTarget.pick({"keypoints_2d": points, "has_3d": sure, "has_2d": sure, "id": 1, 0: 1})
        HandTarget.pick({"keypoints_2d": points, "kp2d": points, "c_3d": sure})
        HandPrediction.pick({"keypoints_2d": points, "pose": points, "shape": points})


@pytest.mark.compiles
@pytest.mark.parametrize("kind", [HandTarget, HandPrediction])
def test_fields_of_a_batch_with_other_keys_are_picked_in_one_graph(kind):
    torch.compiler.reset()

    def total(batch):
        return HandLoss(optional=("3d_joint", "prior", "aux"))(
            HandPrediction.pick(batch) if kind is HandPrediction else {"keypoints_2d": POINTS},
            HandTarget.pick(batch) if kind is HandTarget else {"keypoints_2d": POINTS},
        ).total

    batch = {"keypoints_2d": POINTS + 1, "image": torch.zeros(2, 3), "has_3d": torch.ones(2)}
    batch |= {"confidence": torch.ones(2, 21), "kp3d": torch.ones(2, 21, 3)}
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        got = torch.compile(total, fullgraph=True, backend="eager")(batch)
    assert not [warning for warning in found if "passes over" in str(warning.message)]
    assert got == 2 * 21 * 2


@pytest.mark.own_errors
def test_a_confidence_without_its_keypoints_is_pointed_out():
    loss = HandLoss({"w_3d_joint": 0.0}, optional=("2d", "3d_joint", "aux"))
    prediction = {"keypoints_2d": POINTS, "betas": torch.zeros(2, 10)}
    target = {"keypoints_2d": POINTS, "confidence_2d": torch.ones(2, 21)}
    without = loss(prediction, target)
    with pytest.warns(UserWarning, match="target.confidence_3d counts for nothing") as found:
        got = loss(prediction, target | {"confidence_3d": torch.ones(2, 21)})
    assert len(found) == 1 and found[0].filename == __file__
    assert got.total == without.total
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loss(prediction, target)
        loss(prediction, target | {"keypoints_3d": torch.zeros(2, 21, 3)} | {"confidence_3d": None})


@pytest.mark.compiles
def test_a_confidence_without_its_keypoints_leaves_one_graph():
    torch.compiler.reset()
    loss = torch.compile(HandLoss(HAND_ONLY_2D), fullgraph=True, backend="eager")
    target = {"keypoints_2d": POINTS, "confidence_3d": torch.ones(2, 21)}
    assert loss({"keypoints_2d": POINTS + 1}, target).total == 2 * 21 * 2
