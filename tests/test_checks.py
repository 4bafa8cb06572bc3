import threading
import warnings
from fractions import Fraction

import pytest
import torch
from matrix import CARDS, each

import lossbook
from lossbook import checks
from lossbook.hands import keypoint_2d_loss, keypoint_3d_loss, mano_prior_loss
from lossbook.kernels import absolute
from lossbook.landmarks import WingLoss, pose_weight
from lossbook.landmarks.shapes import check_landmarks
from lossbook.reduction import elementwise_loss


def l1(input, target, **options):
    return elementwise_loss(absolute, input, target, reduction="sum", **options)


def test_values_are_looked_at_only_inside_the_block():
    bad = torch.tensor([0.0, torch.nan, torch.inf])
    assert l1(bad, torch.zeros(3)).isnan()
    with lossbook.check_values(), pytest.raises(ValueError, match=r"input holds 2 .*index \(1,\)"):
        l1(bad, torch.zeros(3))
    assert l1(bad, torch.zeros(3)).isnan()


def test_the_block_ends_with_an_error_too_and_nests():
    with pytest.raises(KeyError), lossbook.check_values():
        raise KeyError
    assert not checks.checking_values()
    with lossbook.check_values():
        with lossbook.check_values():
            pass
        assert checks.checking_values()


def test_it_works_as_a_decorator():
    @lossbook.check_values()
    def step():
        return l1(torch.tensor([torch.nan]), torch.zeros(1))

    with pytest.raises(ValueError, match="target|input"):
        step()


def test_it_holds_in_other_threads():
    seen = []
    with lossbook.check_values():
        thread = threading.Thread(target=lambda: seen.append(checks.checking_values()))
        thread.start()
        thread.join()
    assert seen == [True]


def test_a_masked_nan_is_no_fault():
    with lossbook.check_values():
        assert (
            l1(torch.ones(2), torch.tensor([0.0, torch.nan]), weight=torch.tensor([1.0, 0.0])) == 1
        )


def test_a_bad_weight_is_located_in_the_weight_as_it_was_given():
    two = torch.ones(2, 2)
    message = r"weight holds 1 NaN.* of 2, the first at index \(1,\)"
    with lossbook.check_values(), pytest.raises(ValueError, match=message):
        l1(two, two, weight=torch.tensor([1.0, torch.nan]))


@pytest.mark.own_errors
def test_a_warning_points_to_the_line_of_the_caller():
    one = torch.ones(2)
    with lossbook.check_values(), pytest.warns(UserWarning) as caught:
        l1(one, one, weight=0 * one)
        WingLoss()(one, one, weight=0 * one)
    assert [warning.filename for warning in caught] == [__file__, __file__]


def test_an_empty_batch_is_nothing_to_warn_of(recwarn):
    with lossbook.check_values():
        l1(torch.ones(0, 2), torch.ones(0, 2), weight=torch.ones(0))
    assert not recwarn


def test_weights_are_looked_at():
    one = torch.ones(2)
    with lossbook.check_values():
        with pytest.raises(ValueError, match="weight must not be negative.*-1"):
            l1(one, one, weight=torch.tensor([1.0, -1.0]))
        with pytest.raises(ValueError, match="weight holds 1 NaN"):
            l1(one, one, weight=torch.tensor([1.0, torch.nan]))
        with pytest.warns(UserWarning, match="every weight is 0"):
            l1(one, one, weight=torch.zeros(2))


def test_it_is_left_out_where_values_cannot_be_read():
    with lossbook.check_values():
        mapped = torch.func.vmap(l1)(torch.tensor([[torch.nan]]), torch.zeros(1, 1))
        assert l1(torch.ones(1, device="meta"), torch.ones(1, device="meta")).is_meta
    assert mapped.isnan().all()


@pytest.mark.compiles
@pytest.mark.parametrize("called_before", [False, True])
def test_it_does_not_break_a_compiled_graph_and_says_that_it_cannot_look(called_before):
    torch.compiler.reset()
    compiled = torch.compile(l1, fullgraph=True, backend="eager")
    if called_before:
        compiled(torch.ones(1), torch.zeros(1))
    message = r"check_values\(\) cannot look into compiled code"
    with lossbook.check_values(), pytest.warns(UserWarning, match=message):
        assert compiled(torch.tensor([torch.nan]), torch.zeros(1)).isnan()


@pytest.mark.parametrize("value", [0, 0.0, -1.0, float("nan"), float("inf"), 10**400])
def test_exclusive_numbers(value):
    with pytest.raises(ValueError, match=f"w must be finite and greater than 0, got {value}"):
        checks.number(exclusive=True, w=value)


@pytest.mark.parametrize("value", [True, None, "1", 1j, Fraction(10), torch.tensor(1.0)])
def test_things_that_are_no_numbers(value):
    with pytest.raises(TypeError, match="w must be a Python number"):
        checks.number(w=value)


@pytest.mark.parametrize("value", [1, "no", None, torch.tensor(True)])
def test_flags_are_true_or_false(value):
    checks.flag(degrees=True)
    with pytest.raises(TypeError, match="degrees must be True or False"):
        checks.flag(degrees=value)


def test_numbers_from_zero_on():
    checks.number(w=0)
    checks.number(w=2.5)
    with pytest.raises(ValueError, match="at least 0"):
        checks.number(w=-0.5)


def test_dtypes_of_one_width_promote_and_float64_stands_alone():
    half, single, double = (
        torch.zeros(1, dtype=d) for d in (torch.half, torch.float, torch.double)
    )
    assert checks.same_dtype(a=half, b=single) == torch.float32
    assert checks.same_dtype(a=double, b=double) == torch.float64
    with pytest.raises(TypeError, match="a is torch.float32, b is torch.float64"):
        checks.same_dtype(a=single, b=double)


def test_shapes():
    with pytest.raises(ValueError, match=r"a \(2,\), b \(1,\)"):
        checks.same_shape(a=torch.zeros(2), b=torch.zeros(1))
    with pytest.raises(ValueError, match="a has 2, b has 1"):
        checks.same_batch(a=torch.zeros(2), b=torch.zeros(1))
    with pytest.raises(ValueError, match=r"a must have shape \(B,\), got \(2, 1\)"):
        checks.shape("(B,)", lambda s: len(s) == 1, a=torch.zeros(2, 1))


def test_degrees_and_attributes():
    checks.radians(angles=torch.tensor([6.0, -6.0]))
    checks.radians(angles=torch.zeros(0))
    for angle in (20.0, -20.0):
        with pytest.raises(ValueError, match="looks like degrees"):
            checks.radians(angles=torch.tensor([angle]))
    checks.zero_or_one(attributes=torch.tensor([0.0, 1.0]))
    with pytest.raises(ValueError, match="only 0 and 1, found 0.5"):
        checks.zero_or_one(attributes=torch.tensor([0.0, 0.5]))


@pytest.mark.own_errors
def test_an_index_is_a_python_integer_in_range():
    checks.index(3, root=0)
    checks.index(3, root=2)
    checks.index(None, root=10**9)
    with pytest.raises(ValueError, match="root must be from 0 to 2, got 3"):
        checks.index(3, root=3)
    with pytest.raises(ValueError, match="root must be at least 0, got -1"):
        checks.index(None, root=-1)
    for wrong in (True, 1.0, torch.tensor(1)):
        with pytest.raises(TypeError, match="root must be a Python integer"):
            checks.index(3, root=wrong)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32, torch.float64])
def test_rotations_pass_in_the_precision_they_come_in(dtype):
    turn = torch.linalg.matrix_exp(
        torch.tensor([[0.0, -1.0, 0.5], [1.0, 0.0, 0.2], [-0.5, -0.2, 0.0]])
    )
    checks.rotations(turn=turn.to(dtype))
    with pytest.raises(ValueError, match="turn must hold rotation matrices"):
        checks.rotations(turn=(1.1 * turn).to(dtype))


# Silence, and where it ends ---------------------------------------------------------------------


def quietly(function, *arguments, **options):
    """Call it inside ``check_values``, where a warning is an error."""
    with lossbook.check_values(), warnings.catch_warnings():
        warnings.simplefilter("error")
        return function(*arguments, **options)


def sound(card, batch):
    """The card's inputs as nothing is wrong with them."""
    inputs = card.inputs(batch, torch.Generator().manual_seed(0))
    for name in ("angles", "angles_target", "pose", "pose_target"):
        if name in inputs:
            inputs[name] = inputs[name].clamp(-3, 3)
    return inputs


UNWEIGHTED = {"pose_weight", "attribute_weight"} | {
    card.name for card in CARDS if card.chapter == "translation" and card.masked is None
}
"""What takes no weight: weights themselves, and losses of whole batches of logits or networks."""


@pytest.mark.parametrize("batch", [0, 1, 5])
@each(CARDS)
def test_nothing_is_said_where_nothing_is_wrong(card, batch):
    inputs = sound(card, batch)
    for options in card.hyperparameters:
        quietly(card.function, **inputs, **options)
        for weight in (torch.ones(batch).double(), torch.ones(batch, dtype=torch.bool)):
            if card.name not in UNWEIGHTED:
                quietly(card.function, **inputs, weight=weight, **options)


def crops(*extremes, count=4):
    """2D keypoints of which the first coordinates are these."""
    points = torch.zeros(1, count, 2)
    points.view(-1)[: len(extremes)] = torch.tensor(extremes)
    return points


@pytest.mark.own_errors
def test_limits_of_the_crop():
    for fine in (crops(1.0, -1.0), crops(-0.01, 0.9), crops(0.0, 0.5), crops(0.0, 0.3)):
        quietly(keypoint_2d_loss, crops(), fine)
    quietly(keypoint_2d_loss, crops(10.0, -10.0), crops())
    for target in (crops(1.01), crops(-1.01)):
        with lossbook.check_values(), pytest.raises(ValueError, match="^target reaches 1.01, but"):
            keypoint_2d_loss(crops(), target)
    for input in (crops(10.1), crops(-10.1)):
        with lossbook.check_values(), pytest.raises(ValueError, match="^input reaches 10.1, but"):
            keypoint_2d_loss(input, crops())
    with lossbook.check_values(), pytest.warns(UserWarning, match="target reaches from 0 to 0.51:"):
        keypoint_2d_loss(crops(), crops(0.51))
    # What is hidden is not looked at, whatever it holds.
    hidden = torch.tensor([[0.0, 1.0, 1.0, 1.0]])
    for junk in (500.0, torch.nan, torch.inf):
        quietly(keypoint_2d_loss, crops(junk), crops(junk), confidence=hidden)


def hand(size, count=3):
    """Hands of this extent, twice as far from the origin."""
    joints = torch.full((count, 21, 3), 2 * size)
    joints[:, 1:] += size * torch.linspace(0.05, 1, 20)[:, None]
    return joints


@pytest.mark.own_errors
def test_limits_of_the_units():
    quietly(keypoint_3d_loss, hand(99.0), hand(1.0))
    quietly(keypoint_3d_loss, hand(1.0), hand(99.0))
    quietly(keypoint_3d_loss, hand(1000.0), hand(1.0), root=None)
    for small, large in (("input", "target"), ("target", "input")):
        message = f"^{large} extends 10.* from its root and {small} 1: is one in millimetres"
        arguments = {small: hand(1.0), large: hand(101.0)}
        with lossbook.check_values(), pytest.warns(UserWarning, match=message):
            keypoint_3d_loss(**arguments)
    # The median decides, not one hand; a hand of one visible joint has no size.
    one_of_three = hand(1.0)
    one_of_three[0] *= 1000
    quietly(keypoint_3d_loss, one_of_three, hand(1.0))
    lonely = torch.zeros(3, 21)
    lonely[:, 0] = 1
    quietly(keypoint_3d_loss, hand(1000.0), hand(1.0), confidence=lonely)
    quietly(keypoint_3d_loss, torch.zeros(3, 21, 3), torch.zeros(3, 21, 3))
    spoilt = hand(1.0)
    spoilt[:, 7] = 1e6
    hidden = torch.ones(3, 21)
    hidden[:, 7] = 0
    quietly(keypoint_3d_loss, spoilt, hand(1.0), confidence=hidden)
    flat = hand(1.0)
    flat[1:] = 5.0
    message = "all joints of input lie on its root in 2 of 3 hands"
    with lossbook.check_values(), pytest.warns(UserWarning, match=message):
        keypoint_3d_loss(flat, hand(1.0))


@pytest.mark.parametrize("coordinate", [0, 1, 2])
@pytest.mark.own_errors
def test_a_hidden_root_with_one_bad_coordinate_is_noticed(coordinate):
    target, seen = hand(1.0), torch.ones(3, 21)
    target[1, 0, coordinate], seen[1, 0] = torch.nan, 0
    message = rf"target holds 1 NaN .*, the first at index \(1, 0, {coordinate}\)"
    with (
        lossbook.check_values(),
        pytest.warns(UserWarning, match="the root, point 0, has confidence 0"),
        pytest.raises(ValueError, match=message),
    ):
        keypoint_3d_loss(hand(1.0), target, confidence=seen)
    # A hand of which nothing is seen needs no root.
    seen[1] = 0
    quietly(keypoint_3d_loss, hand(1.0), target, confidence=seen)
    # Without a root there is none to miss.
    seen[1, 1:] = 1
    quietly(keypoint_3d_loss, hand(1.0), target, confidence=seen, root=None)


def test_limits_of_shape_parameters():
    quietly(mano_prior_loss, torch.full((2, 10), 3.0))
    quietly(mano_prior_loss, torch.full((2, 10), -2.9))
    far = torch.full((2, 10), 9.0)
    for betas in (torch.full((2, 10), 3.01), torch.full((2, 10), -3.01)):
        with lossbook.check_values(), pytest.warns(UserWarning, match="betas has a root mean squ"):
            mano_prior_loss(betas)
    far[0] = 0
    quietly(mano_prior_loss, far, weight=torch.tensor([True, False]))
    big = torch.zeros(1, 10, dtype=torch.float16)
    big[0, 0] = 9.0
    quietly(mano_prior_loss, big)


def test_limits_of_angles_confidences_weights_and_rotations():
    quietly(pose_weight, torch.full((1, 3), 6.28), torch.full((1, 3), -6.28))
    quietly(pose_weight, torch.full((1, 3), 90.0), torch.zeros(1, 3), degrees=True)
    checks.confidences(confidence=torch.tensor([0.0, 1.0]))
    for outside in (-0.01, 1.01):
        with pytest.raises(ValueError, match="confidence must lie in"):
            checks.confidences(confidence=torch.tensor([0.5, outside]))
    checks.weights(weight=torch.tensor([0.0, 2.0]))
    checks.weights(weight=torch.tensor([False, True]))
    checks.radians(angles=torch.tensor([2 * 3.14159]))
    with pytest.raises(ValueError, match="looks like degrees: its largest value is 6.29"):
        checks.radians(angles=torch.tensor([-6.29]))
    identity = torch.eye(3)
    checks.rotations(turn=identity * 1.014)
    with pytest.raises(ValueError, match=r"index \(1,\) is not: R R\^T differs"):
        checks.rotations(turn=torch.stack([identity, 1.016 * identity]))


@pytest.mark.own_errors
@pytest.mark.parametrize("shape", [(2, 1, 2), (2, 2), (2, 6), (2, 3, 2)], ids=str)
def test_landmarks_of_one_point_and_more_pass(shape):
    check_landmarks(landmarks=torch.zeros(shape))


@pytest.mark.own_errors
@pytest.mark.parametrize(
    "shape", [(2,), (2, 1), (2, 0), (2, 0, 2), (2, 3, 3), (2, 3, 1), (2, 2, 2, 2)]
)
def test_other_shapes_are_no_landmarks(shape):
    with pytest.raises(
        ValueError, match=r"landmarks must have shape \(B, 2N\) or \(B, N, 2\), got"
    ):
        check_landmarks(landmarks=torch.zeros(shape))


def test_a_weight_is_fitted_on_the_right():
    points = torch.zeros(4, 3, 2)
    for shape in ((), (4,), (4, 3), (4, 1), (1, 3), (4, 3, 1), (1, 1, 2), (4, 3, 2), (1, 1, 1)):
        fitted = checks.fit_weight(torch.ones(shape), points)
        assert fitted.shape == shape + (1,) * (3 - len(shape))
    for shape in ((3,), (1,), (3, 4), (2, 3), (4, 3, 3), (4, 3, 2, 1), (1, 4, 3, 2)):
        with pytest.raises(ValueError, match="weight must have the shape of input"):
            checks.fit_weight(torch.ones(shape), points)
    assert checks.fit_weight(torch.ones(1), points[:1]).shape == (1, 1, 1)
    for dtype, working in ((torch.float16, torch.float32), (torch.float64, torch.float64)):
        fitted = checks.fit_weight(torch.ones(4, dtype=torch.bool), points.to(dtype))
        assert fitted.dtype == working


@pytest.mark.own_errors
@pytest.mark.parametrize(
    ("name", "shape", "of_clips"),
    [("weight", (4,), True), ("weight", (4, 3), False), ("target.confidence_2d", (4,), False)],
)
def test_lengths_of_clips_are_spoken_of_where_they_may_be_meant(name, shape, of_clips):
    whole = torch.ones(shape, dtype=torch.int64)
    with pytest.raises(TypeError, match=rf"^{name} must be .* visibility > 0, .*a count") as raised:
        checks.fit_weight(whole, torch.zeros(4, 3, 2), name=name)
    assert ("clips" in str(raised.value)) == of_clips


def test_a_hyperparameter_may_be_as_large_as_the_dtype():
    largest = torch.finfo(torch.float32).max
    checks.representable(torch.float32, w=largest, v=-largest)
    checks.representable(torch.float64, w=torch.finfo(torch.float64).max)
    with pytest.raises(ValueError, match="w must be at most 3.403e.38"):
        checks.representable(torch.float32, w=1.001 * largest)
