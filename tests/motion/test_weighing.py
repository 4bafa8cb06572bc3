"""Weights of clips, lengths, and schedules: what they make of the terms, and of compiled code."""

import pytest
import torch
from matrix import needs_torch

import lossbook
from lossbook.motion import (
    LastFrameLoss,
    MotionL1,
    MotionLoss,
    Part,
    Parts,
    PVALoss,
    last_frame_loss,
    motion_l1,
    motion_metrics,
    pva_loss,
)

PARTS = Parts({"scale": Part(0, 1), "yaw": Part(1, 4, 0.5), "exp": Part(4, 6, 2.0)})
DIM_WEIGHTS = torch.tensor([0.5, 1.0, 0.0, 2.0, 3.0, 0.25], dtype=torch.float64)
LENGTHS = torch.tensor([6, 4, 5])
FRAMES = torch.arange(6) < LENGTHS[:, None]


def clips(frames=6):
    generator = torch.Generator().manual_seed(0)
    target, error = torch.randn(2, 3, frames, 6, generator=generator, dtype=torch.float64)
    return target + error, target, target[:, 0] + 1


def every(**options):
    return MotionLoss(parts=PARTS, dim_weights=DIM_WEIGHTS, use_reg_loss=True, **options)


# Reductions -------------------------------------------------------------------------------------

SNR = torch.tensor([5.0, 0.1, 1.0], dtype=torch.float64)


def test_batchmean_is_the_mean_of_each_clips_loss_times_its_weight():
    given = clips()
    alone = [every()(*(tensor[b : b + 1] for tensor in given)) for b in range(3)]
    leaf = given[0].clone().requires_grad_()
    loss = every(reduction="batchmean")(leaf, *given[1:], weight=SNR)
    added = every(reduction="sum")(*given, weight=SNR)
    for name, term in loss.terms.items():
        expected = sum(w * one[name] for w, one in zip(SNR, alone, strict=True))
        torch.testing.assert_close(added[name], expected)
        torch.testing.assert_close(term, expected / 3)
    # A clip's gradient is its own, whatever the others weigh.
    (found,) = torch.autograd.grad(loss.total, leaf)
    for b in range(3):
        one = given[0][b : b + 1].clone().requires_grad_()
        total = every()(one, *(tensor[b : b + 1] for tensor in given[1:])).total
        torch.testing.assert_close(
            found[b : b + 1], SNR[b] / 3 * torch.autograd.grad(total, one)[0]
        )


def test_by_default_the_weights_are_divided_out():
    given = clips()
    torch.testing.assert_close(
        every()(*given, weight=7 * SNR).total, every()(*given, weight=SNR).total
    )
    thrice = every(reduction="batchmean")
    torch.testing.assert_close(
        thrice(*given, weight=7 * SNR).total, 7 * thrice(*given, weight=SNR).total
    )


def test_without_weights_batchmean_is_the_mean_to_the_last_bit():
    given = clips()
    assert torch.equal(every()(*given).total, every(reduction="batchmean")(*given).total)
    torch.testing.assert_close(every(reduction="sum")(*given).total, 3 * every()(*given).total)


@pytest.mark.parametrize("junk", [0.5, torch.nan])
@pytest.mark.parametrize("form", ["bool", "learned", "full"])
def test_batchmean_hides_what_is_masked_and_divides_by_all_frames(form, junk):
    values, target, _ = clips()
    weight = {
        "bool": FRAMES,
        "learned": FRAMES.double().requires_grad_(),
        "full": FRAMES[..., None].expand(-1, -1, 6),
    }[form]
    spoilt = values.masked_fill(~FRAMES[..., None], junk).requires_grad_()
    loss = pva_loss(spoilt, target, parts=PARTS, weight=weight, reduction="batchmean")
    error = (values - target) * FRAMES[..., None]
    torch.testing.assert_close(loss["yaw_P"], 0.5 * error[..., 1:4].square().mean())
    steps = (values - target).diff(dim=1) * (FRAMES[:, 1:] & FRAMES[:, :-1])[..., None]
    torch.testing.assert_close(loss["exp_V"], 2 * steps[..., 4:].square().mean())
    (gradient,) = torch.autograd.grad(loss.total, spoilt)
    assert not gradient[~FRAMES].any()
    assert gradient.isfinite().all()


def test_each_module_and_function_takes_a_reduction():
    values, target, frame = clips()
    options = {"parts": PARTS, "reduction": "batchmean"}
    for module, function, given in (
        (PVALoss, pva_loss, (values, target)),
        (LastFrameLoss, last_frame_loss, (values, frame)),
        (MotionL1, motion_l1, (values,)),
    ):
        loss = function(*given, weight=SNR, **options)
        assert torch.equal(module(**options)(*given, weight=SNR).total, loss.total)
        mean = function(*given, parts=PARTS, weight=SNR)
        torch.testing.assert_close(loss.total, mean.total * SNR.mean())
        assert "reduction='batchmean'" in repr(module(**options))


@pytest.mark.own_errors
def test_terms_of_each_clip_are_refused():
    values, target, _ = clips()
    for name, message in (
        ("none", "reduction must be mean, batchmean or sum: the terms are scalars"),
        ("average", "reduction must be one of none, mean, sum, batchmean; got 'average'"),
    ):
        with pytest.raises(ValueError, match=message):
            pva_loss(values, target, parts=PARTS, reduction=name)
        for module in (PVALoss, LastFrameLoss, MotionL1, MotionLoss):
            with pytest.raises(ValueError, match=message):
                module(parts=PARTS, reduction=name)


# Lengths ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.int64, torch.int32, torch.uint8])
def test_lengths_are_the_mask_that_they_stand_for(dtype):
    given = clips()
    lengths = LENGTHS.to(dtype)
    spoilt = given[0].masked_fill(~FRAMES[..., None], torch.nan), *given[1:]
    assert torch.equal(
        every()(*spoilt, lengths=lengths).total, every()(*given, weight=FRAMES).total
    )
    both = every()(*spoilt, weight=SNR, lengths=lengths)
    torch.testing.assert_close(both.total, every()(*given, weight=SNR[:, None] * FRAMES).total)
    assert torch.equal(
        motion_l1(spoilt[0], parts=PARTS, lengths=lengths).total,
        motion_l1(given[0], parts=PARTS, weight=FRAMES).total,
    )
    values, target, frame = given
    for found, expected in zip(
        motion_metrics(*spoilt[:2], cond_frame=frame, lengths=lengths),
        motion_metrics(values, target, cond_frame=frame, weight=FRAMES),
        strict=True,
    ):
        assert torch.equal(found, expected)
    weighed = motion_metrics(values, target, weight=SNR, lengths=lengths)
    torch.testing.assert_close(
        weighed.jitter, motion_metrics(values, target, weight=SNR[:, None] * FRAMES).jitter
    )


@pytest.mark.own_errors
@pytest.mark.parametrize(
    ("lengths", "error", "message"),
    [
        (LENGTHS.float(), TypeError, r"lengths must be integers.*float32.*with lengths.long\(\)"),
        (FRAMES, TypeError, "lengths must be integers, got torch.bool; pass a mask as weight="),
        ([6, 4, 5], TypeError, r"lengths must be a torch.Tensor, got list.*as_tensor\(lengths\)"),
        (LENGTHS[:, None], ValueError, r"\(B,\), here \(3,\), got \(3, 1\); pass lengths.flatten"),
        (LENGTHS[:2], ValueError, r"lengths must have shape \(B,\), here \(3,\), got \(2,\)"),
        (LENGTHS.to("meta"), ValueError, r"on meta, input on cpu; move it with lengths.to"),
    ],
)
def test_lengths_are_checked(lengths, error, message):
    values, target, _ = clips()
    for function in (pva_loss, motion_metrics):
        options = {"parts": PARTS} if function is pva_loss else {}
        with pytest.raises(error, match=message):
            function(values, target, lengths=lengths, **options)


@pytest.mark.own_errors
def test_lengths_in_the_place_of_a_weight_are_refused_or_noticed():
    values, target, _ = clips()
    with pytest.raises(TypeError, match="the lengths of clips go to lengths="):
        pva_loss(values, target, parts=PARTS, weight=LENGTHS)
    with lossbook.check_values():
        with pytest.warns(UserWarning, match=r"as the lengths of clips.*pass lengths=weight.long"):
            pva_loss(values, target, parts=PARTS, weight=LENGTHS.double())
        for weight in (SNR, torch.ones(3).double(), torch.tensor([1.0, 2.0, 0.0])):
            pva_loss(values, target, parts=PARTS, weight=weight)
        pva_loss(values, target, parts=PARTS, lengths=LENGTHS)
        for wrong in (7, -1):
            with pytest.raises(ValueError, match=f"lengths must lie from 0 to the 6 .* {wrong}"):
                pva_loss(values, target, parts=PARTS, lengths=torch.tensor([6, wrong, 5]))


def test_lengths_beyond_the_clips_are_refused_at_once():
    values, target, _ = clips()
    beyond = torch.tensor([6, 300, 5])
    with pytest.raises(
        ValueError, match=r"0 to the 6 frames, found 300; .* lengths.clamp\(max=6\)"
    ):
        pva_loss(values, target, parts=PARTS, lengths=beyond)
    expected = pva_loss(values, target, parts=PARTS, lengths=beyond.clamp(max=6))
    assert expected.total.isfinite()


@pytest.mark.compiles
def test_lengths_compile_once_for_batches_of_several_sizes():
    from torch._dynamo.testing import CompileCounter

    torch.compiler.reset()
    counter = CompileCounter()
    module = every(reduction="batchmean")
    compiled = torch.compile(module, fullgraph=True, backend=counter)
    given = clips()
    for batch in (3, 2, 3):
        few = [tensor[:batch] for tensor in given]
        options = {"weight": SNR[:batch], "lengths": LENGTHS[:batch]}
        expected = module(*few, **options).total
        torch.testing.assert_close(compiled(*few, **options).total, expected)
    assert counter.frame_count <= 2


# Schedules --------------------------------------------------------------------------------------


def graphs_of(function, call, steps):
    """How many graphs the calls need, each equal to the one without a compiler."""
    from torch._dynamo.testing import CompileCounter

    torch.compiler.reset()
    counter = CompileCounter()
    compiled = torch.compile(function, fullgraph=True, backend=counter)
    for step in steps:
        torch.testing.assert_close(call(compiled, step).total, call(function, step).total)
    return counter.frame_count


@pytest.mark.compiles
@pytest.mark.parametrize("backward", [False, True], ids=["forward", "and backward"])
@pytest.mark.parametrize("kind", [int, float])
def test_a_schedule_on_the_module_does_not_recompile_every_step(kind, backward):
    """An integer that is an attribute of a module would be a constant of its graph."""
    values, target, frame = clips()
    values.requires_grad_(backward)
    module = every()

    def of_letters(function, step):
        module.weights = {"V": kind(step), "A": 1}
        return function(values, target, frame)

    def of_size(function, step):
        module.weights, module.coefficients = None, kind(step)
        return function(values, target, frame)

    def of_sizes(function, step):
        module.coefficients = {"exp": kind(step)}
        return function(values, target, frame)

    for call in (of_letters, of_size, of_sizes):
        assert graphs_of(module, call, range(2, 12)) <= 3


@needs_torch(2, 10, "dict() of a dictionary does not compile")
@pytest.mark.compiles
@pytest.mark.parametrize("form", [dict, Parts])
@pytest.mark.parametrize("where", ["made inside", "passed"])
def test_a_scheduled_weight_of_a_part_compiles_in_every_form(form, where):
    values, target, _ = clips()

    def with_parts(parts):
        return pva_loss(values, target, parts=parts)

    def inside(weight):
        return with_parts(form({**PARTS, "exp": (4, 6, weight)}))

    def call(function, step):
        weight = 0.25 * step
        if where == "passed":
            return function(form({**PARTS, "exp": (4, 6, weight)}))
        return function(weight)

    function = with_parts if where == "passed" else inside
    assert graphs_of(function, call, range(5, 15)) <= 3


def test_a_module_keeps_its_own_weights():
    weights = {"V": 2}
    module = MotionLoss(parts=PARTS, weights=weights)
    weights["V"] = 5
    assert module.weights == {"P": 1.0, "V": 2.0, "A": 1.0, "L": 1.0, "R": 1.0}
    module.weights["V"] = 0.5
    assert module(*clips()).weights["exp_V"] == 0.5


def test_numbers_of_numpy_are_numbers():
    import numpy

    module = MotionLoss(parts=PARTS, weights={"V": numpy.float64(0.5)}, use_reg_loss=True)
    alone = MotionL1(parts=PARTS)
    module.coefficients = alone.coefficients = numpy.float64(0.5)
    assert type(module.weights["V"]) is type(module.coefficients) is float
    assert type(alone.coefficients) is float


# Nothing counts ---------------------------------------------------------------------------------


def test_letters_that_all_weigh_nothing_are_warned_of_and_give_zero():
    values, target, frame = clips()
    values.requires_grad_()
    zero = dict.fromkeys("PVA", 0.0)
    with pytest.warns(UserWarning, match="weights are 0 for all of P, V, A: .* trains nothing"):
        module = MotionLoss(parts=PARTS, weights=zero, use_last_frame_loss=False)
    loss = module(values, target)
    assert loss.total == 0
    assert not torch.autograd.grad(loss.total, values)[0].any()
    # L counts, so nothing is said.
    module = MotionLoss(parts=PARTS, weights=zero)
    with lossbook.check_values():
        assert module(values, target, frame).total > 0
        module.weights = {**zero, "L": 0.0}
        with pytest.warns(UserWarning, match="weights are 0 for all of P, V, A, L"):
            module(values, target, frame)
        with pytest.warns(UserWarning, match="weights are 0 for all of P, V, A: "):
            module(values, target)
