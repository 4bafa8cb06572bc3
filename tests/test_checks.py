import threading
from fractions import Fraction

import pytest
import torch

import lossbook
from lossbook import checks
from lossbook.kernels import absolute
from lossbook.landmarks import WingLoss
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
        WingLoss()(one, one, 0 * one)
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
