import copy
import math
import pickle

import pytest
import torch

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


def points(*shape, seed=0, scale=0.2):
    return scale * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def with_column(target, confidence):
    return torch.cat([target, confidence[..., None]], -1)


KEYPOINT_LOSSES = [(keypoint_2d_loss, 2), (keypoint_3d_loss, 3)]
each_loss = pytest.mark.parametrize(("loss", "d"), KEYPOINT_LOSSES, ids=["2d", "3d"])


# Keypoints --------------------------------------------------------------------------------------


@each_loss
def test_a_confidence_is_the_same_as_a_column_and_as_an_argument(loss, d):
    pred, target = points(3, 21, d), points(3, 21, d, seed=1)
    confidence = torch.rand(3, 21, generator=torch.Generator().manual_seed(2))
    for reduction in ("none", "sum", "mean", "batchmean"):
        as_column = loss(pred, with_column(target, confidence), reduction=reduction)
        as_argument = loss(pred, target, confidence=confidence, reduction=reduction)
        torch.testing.assert_close(as_column, as_argument, rtol=0, atol=0)
    assert as_argument != loss(pred, target, reduction="batchmean")


@each_loss
def test_without_a_confidence_every_point_counts_fully_and_no_coordinate_is_taken_for_one(loss, d):
    pred, target = points(3, 21, d), points(3, 21, d, seed=1)
    ones = torch.ones(3, 21)
    torch.testing.assert_close(loss(pred, target), loss(pred, target, confidence=ones))
    # The snippet of the note takes the last coordinate for the confidence.
    last = target[..., -1:]
    assert not torch.allclose(loss(pred, target), (last * (pred - target).abs()).sum())


def test_the_2d_loss_is_the_documented_sum():
    pred, target = points(2, 21, 2), points(2, 21, 2, seed=1)
    confidence = torch.rand(2, 21)
    expected = sum(
        confidence[b, n].item() * abs(pred[b, n, k].item() - target[b, n, k].item())
        for b in range(2)
        for n in range(21)
        for k in range(2)
    )
    assert keypoint_2d_loss(pred, target, confidence=confidence).item() == pytest.approx(expected)


def test_the_3d_loss_measures_each_hand_from_its_own_root():
    pred, target = points(2, 21, 3), points(2, 21, 3, seed=1)
    for root in (0, 9, 20):
        expected = ((pred - pred[:, [root]]) - (target - target[:, [root]])).abs().sum()
        torch.testing.assert_close(keypoint_3d_loss(pred, target, root=root), expected)
    assert keypoint_3d_loss(pred, target, root=0) != keypoint_3d_loss(pred, target, root=9)


def test_a_translation_of_either_hand_costs_nothing():
    pred = points(2, 21, 3).double()
    away = pred + torch.tensor([300.0, -200.0, 900.0], dtype=torch.float64)
    assert keypoint_3d_loss(pred, away).item() == pytest.approx(0, abs=1e-9)
    assert keypoint_3d_loss(away, pred).item() == pytest.approx(0, abs=1e-9)
    assert keypoint_2d_loss(pred[..., :2], away[..., :2]) > 1000


def test_the_root_receives_minus_the_sum_of_the_other_gradients_and_its_confidence_is_ignored():
    pred = points(2, 21, 3).requires_grad_()
    target = points(2, 21, 3, seed=1)
    confidence = torch.rand(2, 21)
    gradients = []
    for of_root in (0.0, 1.0):
        confidence[:, 4] = of_root
        loss = keypoint_3d_loss(pred, target, root=4, confidence=confidence)
        gradients.append(torch.autograd.grad(loss, pred)[0])
    torch.testing.assert_close(gradients[0], gradients[1])
    others = [n for n in range(21) if n != 4]
    torch.testing.assert_close(gradients[0][:, 4], -gradients[0][:, others].sum(1))
    assert gradients[0][:, 4].abs().sum() > 0


def test_the_row_of_the_root_is_zero_so_60_numbers_enter_and_not_63():
    losses = keypoint_3d_loss(points(4, 21, 3), points(4, 21, 3, seed=1), reduction="none")
    assert (losses != 0).flatten(1).sum(1).tolist() == [60] * 4


@each_loss
@pytest.mark.parametrize("junk", [torch.nan, torch.inf, -torch.inf])
def test_a_hidden_point_may_hold_anything(loss, d, junk):
    pred = points(2, 21, d).requires_grad_()
    target = points(2, 21, d, seed=1)
    confidence = torch.ones(2, 21)
    confidence[0, 7] = 0
    spoilt = target.clone()
    spoilt[0, 7] = junk
    clean, dirty = (loss(pred, t, confidence=confidence) for t in (target, spoilt))
    torch.testing.assert_close(clean, dirty, rtol=0, atol=0)
    assert torch.autograd.grad(dirty, pred)[0].isfinite().all()
    assert loss(pred, with_column(spoilt, confidence)) == clean


@each_loss
@pytest.mark.parametrize("n", [1, 16, 21, 42])
def test_any_number_of_points(loss, d, n):
    pred, target = points(3, n, d), points(3, n, d, seed=1)
    assert loss(pred, target).isfinite()
    assert loss(pred, with_column(target, torch.ones(3, n))).isfinite()


@each_loss
def test_millimetres_weigh_a_thousand_times_metres(loss, d):
    pred, target = points(2, 21, d).double(), points(2, 21, d, seed=1).double()
    metres, millimetres = loss(pred, target), loss(1000 * pred, 1000 * target)
    assert (millimetres / metres).item() == pytest.approx(1000)


def test_the_sum_grows_with_the_batch_and_the_batch_mean_does_not():
    pred, target = points(1, 21, 3), points(1, 21, 3, seed=1)
    for copies in (2, 64):
        many = pred.repeat(copies, 1, 1), target.repeat(copies, 1, 1)
        one = keypoint_3d_loss(pred, target)
        torch.testing.assert_close(keypoint_3d_loss(*many), copies * one)
        torch.testing.assert_close(keypoint_3d_loss(*many, reduction="batchmean"), one)


def test_half_precision_measures_from_the_root_before_it_rounds():
    pred = torch.full((1, 3, 3), 1024.0, dtype=torch.float16)
    pred[:, 1] = 0.25
    target = pred.clone()
    target[:, 1] = 0.0
    loss = keypoint_3d_loss(pred, target)
    assert loss.dtype == torch.float16
    assert loss == 0.75  # from -1023.75 and -1024, which half precision cannot tell apart


@pytest.mark.parametrize("junk", [torch.nan, torch.inf])
def test_a_hand_whose_hidden_root_is_unknown_counts_nothing_and_the_others_do(junk):
    pred = points(3, 21, 3).requires_grad_()
    target, confidence = points(3, 21, 3, seed=1), torch.ones(3, 21)
    target[1, 0], confidence[1, 0] = junk, 0
    loss = keypoint_3d_loss(pred, target, confidence=confidence)
    others = [0, 2]
    torch.testing.assert_close(loss, keypoint_3d_loss(pred[others], target[others]))
    gradient = torch.autograd.grad(loss, pred)[0]
    assert gradient.isfinite().all()
    assert gradient[1].abs().sum() == 0
    confidence[1, 0] = 1
    assert not keypoint_3d_loss(pred, target, confidence=confidence).isfinite()


def test_the_mean_counts_a_confidence_once_for_each_coordinate():
    half = torch.full((1, 21), 0.5)
    loss = keypoint_2d_loss(
        torch.zeros(1, 21, 2), torch.ones(1, 21, 2), confidence=half, reduction="mean"
    )
    assert loss == 1


# Vertices, prior, first stage -------------------------------------------------------------------


def test_vertices_are_not_moved_onto_a_root():
    pred, target = torch.zeros(2, 778, 3), torch.full((2, 778, 3), 0.5)
    assert vertex_loss(pred, target) == 2 * 778 * 3 * 0.5


def test_the_priors_are_means_as_in_the_code_and_not_sums_as_in_the_formula():
    betas = points(7, 10, scale=1).double()
    rotations = torch.linalg.matrix_exp(torch.zeros(7, 15, 3, 3, dtype=torch.float64))
    turned = torch.diag(torch.tensor([-1.0, -1.0, 1.0], dtype=torch.float64))
    rotations[:, 3] = turned
    terms = mano_prior_loss(betas, rotations).terms
    assert terms["shape_prior"].item() == pytest.approx((betas.norm(dim=1) ** 2 / 10).mean().item())
    assert terms["pose_prior"].item() == pytest.approx(8 / 15)


@pytest.mark.parametrize("angle", [0.0, 1e-3, 0.5, math.pi / 2, 3.0, math.pi, 4.0])
def test_the_pose_prior_of_a_rotation_is_four_times_one_minus_its_cosine(angle):
    c, s = math.cos(angle), math.sin(angle)
    rotation = torch.tensor([[c, -s, 0], [s, c, 0], [0, 0, 1]], dtype=torch.float64)
    prior = mano_prior_loss(torch.zeros(1, 10, dtype=torch.float64), rotation[None, None])
    assert prior.terms["pose_prior"].item() == pytest.approx(4 * (1 - c), abs=1e-15)


def test_the_pose_prior_is_a_monitor_until_it_is_switched_on():
    betas = points(2, 10).requires_grad_()
    pose = torch.eye(3).repeat(2, 15, 1, 1).mul(0.5).requires_grad_()
    off = mano_prior_loss(betas, pose)
    assert set(off.terms) == {"shape_prior", "pose_prior"}
    assert off.total == off.terms["shape_prior"]
    assert list(mano_prior_loss(betas).terms) == ["shape_prior"]
    on = mano_prior_loss(betas, pose, pose_weight=0.5)
    assert torch.autograd.grad(on.total, pose)[0].abs().sum() > 0


def test_half_precision_squares_in_float32_and_one_dtype_comes_out():
    betas = torch.zeros(1, 10, dtype=torch.float16)
    betas[0, 0] = 300.0
    assert mano_prior_loss(betas).total == 9000
    terms = mano_prior_loss(betas, torch.eye(3).expand(1, 15, 3, 3)).terms
    assert {term.dtype for term in terms.values()} == {torch.float32}


def test_the_first_stage_is_scored_by_two_means():
    pose, shape = points(4, 48, scale=1), points(4, 10, seed=1, scale=1)
    expected = (pose**2).sum() / (4 * 48) + (shape**2).sum() / (4 * 10)
    loss = auxiliary_loss(pose, shape, torch.zeros(4, 48), torch.zeros(4, 10))
    torch.testing.assert_close(loss, expected)
    assert loss.shape == ()


# The whole --------------------------------------------------------------------------------------


def whole(batch=3):
    prediction = HandPrediction(
        keypoints_2d=points(batch, 21, 2),
        keypoints_3d=points(batch, 21, 3, seed=1, scale=40),
        vertices=points(batch, 778, 3, seed=2, scale=40),
        betas=points(batch, 10, seed=3, scale=1),
        hand_pose=torch.eye(3).repeat(batch, 15, 1, 1) * 0.5,
        coarse_pose=points(batch, 48, seed=4, scale=1),
        coarse_shape=points(batch, 10, seed=5, scale=1),
    )
    target = HandTarget(
        keypoints_2d=with_column(points(batch, 21, 2, seed=6), torch.rand(batch, 21)),
        keypoints_3d=with_column(points(batch, 21, 3, seed=7, scale=40), torch.rand(batch, 21)),
        vertices=points(batch, 778, 3, seed=8, scale=40),
        pose=points(batch, 48, seed=9, scale=1),
        shape=points(batch, 10, seed=10, scale=1),
    )
    return prediction, target


PRESETS = {
    "code": ((1.0, 1.0, 0.5, 0.01, 0.1), HandLossWeights.code),
    "config": ((0.01, 0.05, 0.0, 0.001, 0.001), HandLossWeights.config),
}


@pytest.mark.parametrize("name", PRESETS)
def test_the_presets_are_the_documented_weights_and_each_is_applied_once(name):
    numbers, preset = PRESETS[name]
    prediction, target = whole()
    raw = {
        "2d": keypoint_2d_loss(prediction.keypoints_2d, target.keypoints_2d),
        "3d_joint": keypoint_3d_loss(prediction.keypoints_3d, target.keypoints_3d),
        "3d_vert": vertex_loss(prediction.vertices, target.vertices),
        "prior": mano_prior_loss(prediction.betas).total,
        "aux": auxiliary_loss(
            prediction.coarse_pose, prediction.coarse_shape, target.pose, target.shape
        ),
    }
    loss = HandLoss(preset())(prediction, target)
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


NEEDED = {
    "2d": (["keypoints_2d"], ["keypoints_2d"]),
    "3d_joint": (["keypoints_3d"], ["keypoints_3d"]),
    "3d_vert": (["vertices"], ["vertices"]),
    "prior": (["betas"], []),
    "aux": (["coarse_pose", "coarse_shape"], ["pose", "shape"]),
}


@pytest.mark.parametrize("term", NEEDED)
def test_a_term_is_there_exactly_if_all_its_inputs_are(term):
    prediction, target = whole()
    of_prediction, of_target = NEEDED[term]
    alone = (
        HandPrediction(**{field: getattr(prediction, field) for field in of_prediction}),
        HandTarget(**{field: getattr(target, field) for field in of_target}),
    )
    assert list(HandLoss()(*alone).terms) == [term]
    for field in of_prediction:
        lacking = HandPrediction(**{**vars(prediction), field: None})
        assert term not in HandLoss()(lacking, target).terms
    for field in of_target:
        lacking = HandTarget(**{**vars(target), field: None})
        assert term not in HandLoss()(prediction, lacking).terms


@pytest.mark.own_errors
def test_if_nothing_can_be_computed_the_error_names_what_each_term_lacks():
    prediction = HandPrediction(keypoints_2d=points(2, 21, 2), coarse_pose=points(2, 48))
    with pytest.raises(ValueError, match="no term can be computed") as raised:
        HandLoss()(prediction, HandTarget(shape=points(2, 10)))
    message = str(raised.value)
    assert "2d lacks target.keypoints_2d;" in message
    assert "aux lacks prediction.coarse_shape, target.pose" in message
    assert "prior lacks prediction.betas" in message


def test_the_dataclasses_can_be_compared_copied_and_pickled():
    prediction, target = whole()
    assert prediction == prediction
    assert prediction != copy.deepcopy(prediction)
    again = pickle.loads(pickle.dumps(target))
    torch.testing.assert_close(
        HandLoss()(copy.deepcopy(prediction), again).total, HandLoss()(prediction, target).total
    )


def test_terms_may_come_from_different_samples():
    prediction, target = whole(batch=6)
    synthetic = slice(0, 2)
    mixed = HandLoss(reduction="batchmean")(
        HandPrediction(
            keypoints_2d=prediction.keypoints_2d, keypoints_3d=prediction.keypoints_3d[synthetic]
        ),
        HandTarget(keypoints_2d=target.keypoints_2d, keypoints_3d=target.keypoints_3d[synthetic]),
    )
    joints = prediction.keypoints_3d[synthetic], target.keypoints_3d[synthetic]
    torch.testing.assert_close(mixed.terms["3d_joint"], keypoint_3d_loss(*joints) / 2)


def test_the_reduction_reaches_the_points_and_not_the_means():
    prediction, target = whole(batch=4)
    total, mean = (HandLoss(reduction=r)(prediction, target) for r in ("sum", "batchmean"))
    for term in ("2d", "3d_joint", "3d_vert"):
        torch.testing.assert_close(total.terms[term], 4 * mean.terms[term])
    for term in ("prior", "aux"):
        torch.testing.assert_close(total.terms[term], mean.terms[term])


def test_the_options_of_the_prior_and_the_root_reach_their_terms():
    prediction, target = whole()
    loss = HandLoss(root=3, shape_weight=0.5, pose_weight=2.0)(prediction, target)
    prior = mano_prior_loss(
        prediction.betas, prediction.hand_pose, shape_weight=0.5, pose_weight=2.0
    )
    torch.testing.assert_close(loss.terms["prior"], prior.total)
    expected = keypoint_3d_loss(prediction.keypoints_3d, target.keypoints_3d, root=3)
    torch.testing.assert_close(loss.terms["3d_joint"], expected)


@pytest.mark.own_errors
def test_an_error_says_which_term_it_is_about():
    prediction, target = whole()
    wrong = HandTarget(keypoints_2d=points(2, 21, 2))
    with pytest.raises(ValueError, match=r"^2d: batch and number of points must agree.*\(2, 21, 2"):
        HandLoss()(prediction, wrong)
    with pytest.raises(ValueError, match=r"^3d_joint: root must be from 0 to 20, got 30"):
        HandLoss(root=30)(prediction, target)
    with pytest.raises(ValueError, match=r"^prior: pose_weight is 0.5 but hand_pose is missing"):
        HandLoss(pose_weight=0.5)(HandPrediction(betas=points(2, 10)), HandTarget())
    only_pose = HandPrediction(hand_pose=torch.eye(3).expand(2, 15, 3, 3))
    with pytest.raises(ValueError, match=r"^prior: pose_weight is 0.5 but prediction.betas"):
        HandLoss(pose_weight=0.5)(only_pose, HandTarget())
    with pytest.raises(ValueError, match="2d") as raised:
        HandLoss()(prediction, wrong)
    assert isinstance(raised.value.__cause__, ValueError)


@pytest.mark.own_errors
def test_one_field_in_float64_does_not_promote_the_total():
    prediction, target = whole()
    wide = HandPrediction(**{**vars(prediction), "keypoints_2d": prediction.keypoints_2d.double()})
    doubled = HandTarget(**{**vars(target), "keypoints_2d": target.keypoints_2d.double()})
    with pytest.raises(TypeError, match=r"prediction.keypoints_2d is torch.float64"):
        HandLoss()(wide, doubled)


@each_loss
@pytest.mark.own_errors
def test_two_devices_are_named(loss, d):
    with pytest.raises(ValueError, match="pred is on cpu, target is on meta"):
        loss(points(2, 21, d), points(2, 21, d).to("meta"))


@pytest.mark.own_errors
def test_other_things_than_the_two_dataclasses_are_refused_with_the_fields():
    prediction, target = whole()
    with pytest.raises(TypeError, match="expected a HandPrediction, got dict.*coarse_shape"):
        HandLoss()({"keypoints_2d": prediction.keypoints_2d}, target)
    with pytest.raises(TypeError, match="expected a HandTarget, got HandPrediction"):
        HandLoss()(prediction, prediction)


@pytest.mark.own_errors
def test_weights_must_be_numbers_from_zero_on():
    with pytest.raises(ValueError, match="w_aux must be finite and at least 0, got -1"):
        HandLossWeights(1.0, 1.0, 1.0, 1.0, -1)
    with pytest.raises(TypeError, match="w_2d must be a Python number, got str"):
        HandLossWeights("1", 1.0, 1.0, 1.0, 1.0)


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


@pytest.mark.own_errors  # stacked for vmap, the fields have one dimension more than annotated
def test_vmap_takes_the_dataclasses():
    runs = [whole(), tuple(type(v)(**{k: 2 * t for k, t in vars(v).items()}) for v in whole())]
    loss = HandLoss()

    def stack(index):
        first, second = runs[0][index], runs[1][index]
        pairs = {k: torch.stack([getattr(first, k), getattr(second, k)]) for k in vars(first)}
        return type(first)(**pairs)

    mapped = torch.func.vmap(lambda p, t: loss(p, t).total)
    torch.testing.assert_close(
        mapped(stack(0), stack(1)), torch.stack([loss(*run).total for run in runs])
    )


# check_values -----------------------------------------------------------------------------------


def checked(loss, *arguments, **options):
    with lossbook.check_values():
        return loss(*arguments, **options)


def test_check_values_lets_good_hands_pass():
    prediction, target = whole()
    rotations = torch.eye(3).repeat(3, 15, 1, 1)
    prediction = HandPrediction(**{**vars(prediction), "hand_pose": rotations})
    checked(HandLoss(), prediction, target)


@pytest.mark.own_errors
def test_check_values_notices_pixels_where_the_crop_is_the_unit():
    pred, target = points(2, 21, 2), 256 * points(2, 21, 2, seed=1)
    with pytest.raises(ValueError, match=r"target reaches .* normalised to \[-0.5, 0.5\]"):
        checked(keypoint_2d_loss, pred, target)
    with pytest.raises(ValueError, match="pred reaches"):
        checked(keypoint_2d_loss, 1000 * pred, pred)
    hidden = torch.ones(2, 21)
    pred, target = pred.clone(), pred.clone()
    target[0, 3], hidden[0, 3] = 500.0, 0.0
    checked(keypoint_2d_loss, pred, target, confidence=hidden)


@each_loss
@pytest.mark.own_errors
def test_check_values_notices_a_coordinate_taken_for_the_confidence(loss, d):
    target = points(2, 21, d)
    with pytest.raises(ValueError, match="confidence must lie in .0, 1.*was a coordinate taken"):
        checked(loss, target, target, confidence=target[..., -1])
    with pytest.raises(ValueError, match="confidence must lie in"):
        checked(loss, target, with_column(target, torch.full((2, 21), 255.0)))


def test_check_values_warns_if_no_point_is_visible_or_the_root_is_hidden():
    target = points(2, 21, 3)
    with pytest.warns(UserWarning, match="every confidence is 0: .* trains nothing"):
        checked(keypoint_3d_loss, 2 * target, target, confidence=torch.zeros(2, 21))
    hidden = torch.ones(2, 21)
    hidden[1, 5] = 0
    with pytest.warns(UserWarning, match="the root, point 5, has confidence 0"):
        checked(keypoint_3d_loss, 2 * target, target, root=5, confidence=hidden)


def test_check_values_warns_of_units_and_of_a_hand_model_that_was_not_loaded():
    metres = points(3, 21, 3, scale=0.05)
    with pytest.warns(UserWarning, match="target extends .* and pred .*millimetres"):
        checked(keypoint_3d_loss, metres, 1000 * metres)
    with pytest.warns(UserWarning, match="pred extends .* and target .*millimetres"):
        checked(keypoint_3d_loss, 200 * metres, metres)
    with pytest.warns(UserWarning, match="all joints of pred lie on its root in 3 of 3 hands"):
        checked(keypoint_3d_loss, torch.zeros(3, 21, 3), metres)
    unlabelled = metres.clone()
    unlabelled[1] = 7.0
    with pytest.warns(UserWarning, match="all joints of target lie on its root in 1 of 3 hands"):
        checked(keypoint_3d_loss, metres, unlabelled)


def test_check_values_is_silent_where_nothing_is_wrong():
    metres = points(3, 21, 3, scale=0.05)
    checked(keypoint_3d_loss, 50 * metres, metres)
    checked(keypoint_3d_loss, metres[:, :1], metres[:, :1])
    checked(keypoint_3d_loss, metres[:0], metres[:0])
    checked(keypoint_2d_loss, 10 * points(3, 21, 2), points(3, 21, 2))
    hidden = torch.ones(3, 21)
    hidden[0, 5], hidden[2] = 0, 0
    for loss, d in KEYPOINT_LOSSES:
        spoilt = points(3, 21, d)
        spoilt[0, 5] = torch.nan
        spoilt[2] = torch.inf
        checked(loss, spoilt, spoilt, confidence=hidden)
        far = points(3, 21, d)
        far[0, 5] = 1e6
        checked(loss, points(3, 21, d), far, confidence=hidden)


@each_loss
@pytest.mark.own_errors
def test_check_values_looks_at_doubtful_points_and_at_hidden_roots(loss, d):
    pred, target = points(2, 21, d), points(2, 21, d)
    doubtful = torch.full((2, 21), 0.3)
    target[1, 4, 1] = torch.nan
    with pytest.raises(ValueError, match=r"target holds 1 NaN .* index \(1, 4, 1\)"):
        checked(loss, pred, target, confidence=doubtful)
    target = points(2, 21, d)
    target[1, 0] = torch.nan
    doubtful[1, 0] = 0
    if d == 3:
        with (
            pytest.warns(UserWarning, match="the root, point 0"),
            pytest.raises(ValueError, match=r"target holds 3 NaN .* index \(1, 0, 0\)"),
        ):
            checked(loss, pred, target, confidence=doubtful)
    else:
        checked(loss, pred, target, confidence=doubtful)


def test_check_values_warns_of_crops_from_zero_to_one():
    target = torch.rand(2, 21, 2)
    with pytest.warns(UserWarning, match="is it normalised to .0, 1."):
        checked(keypoint_2d_loss, target, target)


@each_loss
def test_check_values_leaves_vmap_alone(loss, d):
    pred, target = points(2, 21, d), points(2, 21, d, seed=1)
    confidences = torch.rand(3, 2, 21)
    with lossbook.check_values():
        mapped = torch.func.vmap(lambda c: loss(pred, target, confidence=c))(confidences)
    expected = [loss(pred, target, confidence=c) for c in confidences]
    torch.testing.assert_close(mapped, torch.stack(expected))


@pytest.mark.own_errors
def test_check_values_notices_matrices_that_are_no_rotations():
    betas, pose = torch.zeros(2, 10), torch.eye(3).repeat(2, 15, 1, 1)
    checked(mano_prior_loss, betas, pose)
    for wrong, reason in ((2 * torch.eye(3), "R R"), (-torch.eye(3), "determinant is -1")):
        spoilt = pose.clone()
        spoilt[1, 4] = wrong
        with pytest.raises(ValueError, match=rf"hand_pose.*\(1, 4\).*{reason}"):
            checked(mano_prior_loss, betas, spoilt)
    turn = torch.linalg.matrix_exp(torch.tensor([[0, -1.0, 0.5], [1, 0, 0.2], [-0.5, -0.2, 0]]))
    turned = turn.expand(2, 15, 3, 3)
    checked(mano_prior_loss, betas, turned.bfloat16().float())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        checked(mano_prior_loss, betas, turned)


def test_check_values_warns_of_a_shape_that_is_no_hand():
    with pytest.warns(UserWarning, match="betas has a root mean square of 8.39"):
        checked(mano_prior_loss, torch.full((2, 10), math.sqrt(70.4138)))
    one_of_many = torch.zeros(64, 10)
    one_of_many[5] = 3.1
    with pytest.warns(UserWarning, match="betas has a root mean square of 3.1"):
        checked(mano_prior_loss, one_of_many)
    checked(mano_prior_loss, torch.full((2, 10), 2.9))
    pose, shape = points(2, 48), points(2, 10)
    with pytest.warns(UserWarning, match="shape_gt has a root mean square of 20"):
        checked(auxiliary_loss, pose, shape, pose, torch.full((2, 10), 20.0))
    checked(auxiliary_loss, 10 + pose, shape, pose, shape)


@pytest.mark.own_errors
def test_check_values_notices_degrees_and_nan_in_the_first_stage():
    pose, shape = points(2, 48), points(2, 10)
    with pytest.raises(ValueError, match="pose_gt looks like degrees"):
        checked(auxiliary_loss, pose, shape, pose + 90, shape)
    spoilt = pose.clone()
    spoilt[1, 30] = torch.nan
    with pytest.raises(ValueError, match=r"aux: pose_gt holds 1 NaN .* index \(1, 30\)"):
        checked(
            HandLoss(),
            HandPrediction(coarse_pose=pose, coarse_shape=shape),
            HandTarget(pose=spoilt, shape=shape),
        )
