"""The letters of the motion losses: what each weighs, and what its terms add up to."""

import copy
import math
import pickle

import pytest
import torch
from matrix import needs_torch

import lossbook
from lossbook.motion import (
    MotionLoss,
    Part,
    Parts,
    PVALoss,
    by_letter,
    last_frame_loss,
    motion_l1,
    pva_loss,
)

PARTS = Parts({"scale": Part(0, 1), "yaw": Part(1, 4, 0.5), "exp": Part(4, 6, 2.0)})
SEEN = torch.arange(6) < torch.tensor([6, 4, 5])[:, None]


def clips(dtype=torch.float64):
    generator = torch.Generator().manual_seed(0)
    target, error = torch.randn(2, 3, 6, 6, generator=generator, dtype=torch.float64)
    return (target + error).to(dtype), target.to(dtype)


def total_and_gradient(module, values, target, **options):
    leaf = values.clone().requires_grad_()
    loss = module(leaf, target, target[:, 0] + 1, **options)
    return loss, torch.autograd.grad(loss.total, leaf)[0]


def test_a_letter_has_a_weight_and_those_left_out_have_one():
    values, target = clips()
    plain, _ = total_and_gradient(MotionLoss(parts=PARTS, use_reg_loss=True), values, target)
    weights = {"V": 0.5, "A": 0.0, "R": 1000}
    module = MotionLoss(parts=PARTS, use_reg_loss=True, weights=weights)
    loss, gradient = total_and_gradient(module, values, target)
    every = {"P": 1, "L": 1, **weights}
    assert list(loss.terms) == list(plain.terms)
    for name, term in plain.terms.items():
        assert torch.equal(loss[name], term)
        assert loss.weights[name] == every[name[-1]]
    leaf = values.clone().requires_grad_()
    parts = pva_loss(leaf, target, parts=PARTS) | last_frame_loss(
        leaf, target[:, 0] + 1, parts=PARTS
    )
    parts = parts | motion_l1(leaf, parts=PARTS)
    expected = sum(every[name[-1]] * term for name, term in parts.terms.items())
    torch.testing.assert_close(loss.total, expected)
    torch.testing.assert_close(gradient, torch.autograd.grad(expected, leaf)[0])


def test_without_weights_the_total_is_the_plain_sum_to_the_last_bit():
    values, target = clips(dtype=torch.float32)
    plain, gradient = total_and_gradient(MotionLoss(parts=PARTS), values, target)
    ones = MotionLoss(parts=PARTS, weights=dict.fromkeys("PVAL", 1.0))
    weighted, same = total_and_gradient(ones, values, target)
    assert torch.equal(plain.total, weighted.total)
    assert torch.equal(gradient, same)


def test_a_letter_of_weight_zero_is_a_monitor():
    values, target = clips()
    module = MotionLoss(parts=PARTS, weights={"P": 1.0, "V": 0.0, "A": 0.0, "L": 0.0})
    loss, gradient = total_and_gradient(module, values, target)
    assert loss["exp_V"] > 0
    assert loss.contributions()["exp_V"] == 0
    leaf = values.clone().requires_grad_()
    error = (leaf - target).square()
    expected = sum(p.weight * error[..., p.start : p.stop].mean() for p in PARTS.values())
    torch.testing.assert_close(loss.total, expected)
    torch.testing.assert_close(gradient, torch.autograd.grad(expected, leaf)[0])
    # As a term of HandLoss, a monitor is there if its inputs are.
    assert list(module(values, target).terms) == list(pva_loss(values, target, parts=PARTS).terms)


@pytest.mark.parametrize("letter", "PVAL")
@pytest.mark.parametrize("junk", [torch.nan, torch.inf])
def test_monitors_too_are_free_of_what_is_masked(letter, junk):
    values, target = clips()
    spoilt = values.clone()
    spoilt[~SEEN] = junk
    weights = {other: float(other == letter) for other in "PVAL"}
    module = MotionLoss(parts=PARTS, weights=weights)
    loss, gradient = total_and_gradient(module, spoilt, target, weight=SEEN)
    clean, expected = total_and_gradient(module, values, target, weight=SEEN)
    for name, term in clean.terms.items():
        torch.testing.assert_close(loss[name], term)
    torch.testing.assert_close(gradient, expected)


@pytest.mark.own_errors
@pytest.mark.parametrize(
    ("weights", "error", "message"),
    [
        ({"X": 1.0}, ValueError, "weights names 'X', which is no letter; there are P, V, A, L, R"),
        ({"vel": 1.0}, ValueError, "'vel', which is no letter; did you mean 'V'. There are P, V"),
        ({"w_acc": 1.0}, ValueError, "'w_acc', which is no letter; did you mean 'A'"),
        ({"Position": 1.0}, ValueError, "'Position', which is no letter; did you mean 'P'"),
        ({"last_frame": 1.0}, ValueError, "'last_frame', which is no letter; did you mean 'L'"),
        ({"reg_loss": 1.0}, ValueError, "'reg_loss', which is no letter; did you mean 'R'"),
        ({"pitch": 2.0}, ValueError, "'pitch', which is no letter; there are .* a part has its w"),
        ({"exp": 2.0}, ValueError, "'exp', which is no letter.*a part has its weight in parts="),
        ({"P": -0.5}, ValueError, r"weights\['P'\] must be finite and at least 0, got -0.5"),
        ({"V": math.nan}, ValueError, r"weights\['V'\] must be finite .* got nan"),
        ({"V": math.inf}, ValueError, r"weights\['V'\] must be finite .* got inf"),
        ({"A": True}, TypeError, r"weights\['A'\] must be a Python number, got bool"),
        ({"A": torch.tensor(1.0)}, TypeError, r"got Tensor; read it .* float\(weights\['A'\]"),
        ({"A": None}, TypeError, r"weights\['A'\] must be .* got NoneType; leave it out"),
        ((1.0, 1.0, 0.0), TypeError, r"weights must be a mapping .* got tuple; write \{'V': 0.5\}"),
    ],
    ids=str,
)  # fmt: skip
def test_weights_of_letters_are_checked_when_they_are_given_and_when_they_are_used(
    weights, error, message
):
    values, target = clips()
    with pytest.raises(error, match=message):
        MotionLoss(parts=PARTS, weights=weights)
    module = MotionLoss(parts=PARTS)
    with pytest.raises(error, match=message):
        module.weights = weights
    if isinstance(weights, dict):
        module.weights.update(weights)
        with pytest.raises(error, match=message):
            module(values, target, target[:, 0])


def test_a_schedule_may_set_one_letter_of_a_loss_as_it_comes():
    values, target = clips()
    module = MotionLoss(parts=PARTS)
    assert module.weights == {"P": 1, "V": 1, "A": 1, "L": 1, "R": 1} and "weights=None" in repr(
        module
    )
    module.weights["V"] = 0.1
    expected = MotionLoss(parts=PARTS, weights={"V": 0.1})
    found, wanted = (one(values, target, target[:, 0]) for one in (module, expected))
    assert found.log() == wanted.log() and found.weights == wanted.weights
    assert "weights={'V': 0.1}" in repr(module)


def test_a_weight_of_a_letter_that_is_off_is_warned_of():
    with pytest.warns(UserWarning, match="weights name L, and L is off; pass use_last_frame_loss="):
        MotionLoss(use_last_frame_loss=False, weights={"L": 0.5})
    with pytest.warns(UserWarning, match="weights name R, and R is off; pass use_reg_loss=True"):
        MotionLoss(weights={"R": 2.0})


def test_weights_of_letters_are_shown_copied_and_pickled():
    module = MotionLoss(parts=PARTS, weights={"V": 0.5})
    assert "weights={'V': 0.5}" in repr(module)
    for other in (copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
        assert other.weights == {"P": 1, "V": 0.5, "A": 1, "L": 1, "R": 1}


@pytest.mark.compiles
def test_equal_weights_of_letters_do_not_recompile_and_a_schedule_does_once():
    from torch._dynamo.testing import CompileCounter

    torch.compiler.reset()
    counter = CompileCounter()
    loss = MotionLoss(parts=PARTS, weights={"V": 0.1})
    compiled = torch.compile(loss, fullgraph=True, backend=counter)
    values, target = clips()
    for _ in range(4):
        loss.weights = {"V": 0.1}
        assert compiled(values, target, target[:, 1]).log() == pytest.approx(
            loss(values, target, target[:, 1]).log()
        )
    assert counter.frame_count == 1
    for step in range(6):
        loss.weights = {"V": 0.2 + 0.2 * step}
        assert compiled(values, target, target[:, 1]).log() == pytest.approx(
            loss(values, target, target[:, 1]).log()
        )
    assert counter.frame_count <= 2


@pytest.mark.compiles
def test_a_schedule_in_place_is_compiled_once_more_also_by_backends_that_specialise():
    from torch._dynamo.utils import counters

    torch.compiler.reset()
    counters.clear()
    loss = MotionLoss(parts=PARTS)
    compiled = torch.compile(loss, fullgraph=True, backend="aot_eager")
    values, target = clips()
    for step in range(6):
        loss.weights["V"] = 0.5 - 0.1 * step
        assert compiled(values, target, target[:, 1]).log() == pytest.approx(
            loss(values, target, target[:, 1]).log()
        )
    assert counters["stats"]["unique_graphs"] <= 3


def test_by_letter_is_the_sum_over_the_parts_with_the_same_total():
    values, target = clips()
    weights = {"V": 0.5, "A": 0.0}
    loss = MotionLoss(parts=PARTS, use_reg_loss=True, weights=weights)(
        values, target, target[:, 0] + 1
    )
    found = by_letter(loss)
    assert list(found.terms) == ["P", "V", "A", "L", "R"]
    for letter, term in found.terms.items():
        torch.testing.assert_close(
            term, sum(t for name, t in loss.terms.items() if name[-1] == letter)
        )
        assert found.weights[letter] == {"P": 1, "L": 1, "R": 1, **weights}[letter]
    assert torch.equal(found.total, loss.total)
    torch.testing.assert_close(sum(found.contributions().values()), loss.total)
    assert list(by_letter(motion_l1(values, parts=PARTS)).terms) == ["R"]
    assert by_letter(found).log() == found.log()


def test_by_letter_keeps_gradients_other_terms_and_scales():
    values, target = clips()
    values.requires_grad_()
    other = lossbook.LossTerms({"sync_error": values.square().mean()}, {"sync_error": 0.3})
    whole = 2.0 * pva_loss(values, target, parts=PARTS) | other
    found = by_letter(whole)
    assert dict(found.weights) == {"P": 2, "V": 2, "A": 2, "sync_error": 0.3}
    assert list(found.log("train/")) == ["train/total", *(f"train/{x}" for x in found.terms)]
    got = torch.autograd.grad(sum(found.contributions().values()), values, retain_graph=True)
    torch.testing.assert_close(got, torch.autograd.grad(whole.total, values))


@pytest.mark.own_errors
def test_by_letter_refuses_parts_that_were_weighted_apart():
    values, target = clips()
    loss = pva_loss(values, target, parts=PARTS)
    apart = lossbook.LossTerms(loss.terms, {**loss.weights, "exp_V": 0.5})
    for weighted in (apart, loss * torch.tensor(0.5)):
        with pytest.raises(ValueError, match="terms of '[PV]' must share their weight, and '"):
            by_letter(weighted)


@pytest.mark.compiles
def test_by_letter_compiles_with_the_loss():
    torch.compiler.reset()
    module = MotionLoss(parts=PARTS, weights={"A": 0.0})
    values, target = clips()

    @torch.compile(fullgraph=True, backend="eager")
    def step(values, target):
        return by_letter(module(values, target, target[:, 1]))

    expected = by_letter(module(values, target, target[:, 1]))
    assert step(values, target).log() == pytest.approx(expected.log())


@pytest.mark.compiles
@needs_torch(2, 10, "parts are made outside of what is compiled")
@pytest.mark.parametrize("module", [MotionLoss, PVALoss])
def test_a_module_may_be_made_in_what_is_compiled(module):
    torch.compiler.reset()
    motion = torch.randn(2, 4, 265, generator=torch.Generator().manual_seed(0))
    frame = [motion[:, 1]] if module is MotionLoss else []

    @torch.compile(fullgraph=True, backend="aot_eager")
    def step(motion):
        return module()(motion, 0 * motion, *frame).total

    torch.testing.assert_close(step(motion), module()(motion, 0 * motion, *frame).total)
