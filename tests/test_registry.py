"""Walks every card of the registry through what every loss must be able to do."""

import doctest
import importlib
import inspect
import pkgutil

import numpy as np
import pytest
import sympy as sp
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from matrix import (
    BATCH,
    CARDS,
    DTYPES,
    ELEMENTWISE,
    REDUCING,
    SUMMED,
    WITH_GRADIENT,
    WITH_MASK,
    assert_same,
    each,
    examples,
    scalar,
    tensors,
    value_and_gradients,
    with_hyperparameters,
)

import lossbook
from lossbook import registry
from lossbook.reduction import REDUCTIONS

# The formula ------------------------------------------------------------------------------------


def elementwise_twin(card, hyperparameters):
    """Value and slope of the sympy formula as float64 functions of the error."""
    error = sp.Symbol("error", real=True)
    exact = {name: sp.nsimplify(value) for name, value in hyperparameters.items()}
    formula = card.symbolic()(error, sp.Integer(0), **exact)
    return [sp.lambdify(error, f, "numpy") for f in (formula, sp.diff(formula, error))]


def torch_value_and_slope(card, errors, hyperparameters):
    x = torch.as_tensor(errors, dtype=torch.float64).requires_grad_()
    loss = card.function(x, torch.zeros_like(x), reduction="none", **hyperparameters)
    return loss.detach().numpy(), torch.autograd.grad(loss.sum(), x)[0].numpy()


@with_hyperparameters(ELEMENTWISE)
def test_value_and_slope_are_those_of_the_formula_on_a_grid(card, hyperparameters):
    grid = np.concatenate([np.linspace(-30, 30, 4801), np.linspace(-1, 1, 401), [-1e6, 1e6]])
    value, slope = elementwise_twin(card, hyperparameters)
    got_value, got_slope = torch_value_and_slope(card, grid, hyperparameters)
    np.testing.assert_allclose(got_value, value(grid), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(got_slope, slope(grid), rtol=1e-12, atol=1e-14)


@with_hyperparameters(ELEMENTWISE)
@pytest.mark.long
def test_value_and_slope_are_those_of_the_formula_at_drawn_points(card, hyperparameters):
    value, slope = elementwise_twin(card, hyperparameters)

    @settings(deadline=None, derandomize=True)
    @given(st.floats(-1e6, 1e6, allow_subnormal=False))
    def check(error):
        got_value, got_slope = torch_value_and_slope(card, [error], hyperparameters)
        np.testing.assert_allclose(got_value, value(np.array([error])), rtol=1e-9, atol=1e-14)
        np.testing.assert_allclose(got_slope, slope(np.array([error])), rtol=1e-9, atol=1e-14)

    check()


OVER_A_BATCH = [card for card in CARDS if card.kind != "elementwise"]


@with_hyperparameters(OVER_A_BATCH)
def test_value_and_gradients_are_those_of_the_formula_over_a_batch(card, hyperparameters):
    agrees_over_a_batch(card, hyperparameters, seed=0)


@each(OVER_A_BATCH)
@pytest.mark.parametrize("seed", (1, 2))
@pytest.mark.long
def test_they_are_so_over_other_batches(card, seed):
    agrees_over_a_batch(card, card.hyperparameters[0], seed)


def agrees_over_a_batch(card, hyperparameters, seed):
    inputs = examples(card, batch=3, seed=seed)
    symbols = {
        name: sp.symarray(name, tuple(tensor.shape), real=True)
        if name in card.differentiable
        else np.vectorize(lambda v: sp.nsimplify(v), otypes=[object])(tensor.numpy())
        for name, tensor in inputs.items()
    }
    formula = card.symbolic()(**symbols, **card.small | hyperparameters)
    variables = [s for name in card.differentiable for s in symbols[name].flat]
    numbers = [v for name in card.differentiable for v in inputs[name].flatten().tolist()]
    twin = sp.lambdify(variables, [formula, *(sp.diff(formula, v) for v in variables)], cse=True)
    expected_value, *expected_gradient = twin(*numbers)

    value, grads = value_and_gradients(card, inputs, **hyperparameters)
    assert value.item() == pytest.approx(float(expected_value), rel=1e-10)
    got = [g for grad in grads for g in grad.flatten().tolist()]
    assert got == pytest.approx([float(g) for g in expected_gradient], rel=1e-9, abs=1e-10)


@with_hyperparameters(WITH_GRADIENT)
def test_gradcheck_and_gradgradcheck(card, hyperparameters):
    inputs = examples(card, batch=2)
    wanted = [inputs[name].requires_grad_() for name in card.differentiable]

    def function(*values):
        replaced = inputs | dict(zip(card.differentiable, values, strict=True))
        return scalar(card.function(**replaced, **hyperparameters))

    assert torch.autograd.gradcheck(function, wanted)
    assert torch.autograd.gradgradcheck(function, wanted)


# Reductions and shapes --------------------------------------------------------------------------


@each(REDUCING)
def test_reductions_agree_with_the_elementwise_losses(card):
    inputs = examples(card)
    losses = card.function(**inputs, reduction="none")
    shape = inputs[card.differentiable[0]].shape
    assert losses.shape == shape[: len(shape) - SUMMED.get(card.name, 0)]
    # A confidence counts a point's coordinates as many times as the point has them.
    weight = inputs.get("confidence", torch.ones(BATCH, dtype=torch.float64))
    expected = {
        "none": losses,
        "sum": losses.sum(),
        "mean": losses.sum() / (weight.sum() * losses.numel() / weight.numel()),
        "batchmean": losses.sum() / BATCH,
    }
    assert set(expected) == set(REDUCTIONS)
    for reduction, value in expected.items():
        torch.testing.assert_close(card.function(**inputs, reduction=reduction), value)
    # Of one number a sample both are its mean.
    assert (expected["mean"] != expected["batchmean"]) == (losses.ndim > 1)


@each(ELEMENTWISE)
@pytest.mark.parametrize("shape", [(), (7,), (3, 4), (2, 3, 4, 2), (0, 4), (3, 0)], ids=str)
def test_any_shape_gives_the_same_losses(card, shape):
    generator = torch.Generator().manual_seed(1)
    x, y = 8 * torch.randn(2, *shape, generator=generator, dtype=torch.float64)
    losses = card.function(x, y, reduction="none")
    torch.testing.assert_close(
        losses.flatten(), card.function(x.flatten(), y.flatten(), reduction="none")
    )
    for reduction in ("sum", "mean", "batchmean"):
        reduced = card.function(x, y, reduction=reduction)
        assert reduced.shape == ()
        assert reduced.isfinite()


@each(CARDS)
def test_an_empty_batch_is_zero_with_a_gradient(card):
    for reduction in ("sum", "mean", "batchmean"):
        options = {"reduction": reduction} if card in REDUCING else {}
        value, grads = value_and_gradients(card, examples(card, batch=0), **options)
        assert value == 0
        assert all(g.shape[0] == 0 for g in grads)


@each(ELEMENTWISE)
def test_a_weight_multiplies_the_loss_and_not_its_input(card):
    inputs = examples(card)
    losses = card.function(**inputs, reduction="none")
    per_sample = torch.tensor([0.0, 0.5, 1.0, 2.0, 3.0], dtype=torch.float64)
    per_point = torch.rand(BATCH, 6, dtype=torch.float64)
    per_element = torch.rand_like(losses)
    one_row, visible = per_point[:1], per_point > 0.5
    for weight in (per_sample, per_point, per_point[..., None], per_element, one_row, visible):
        full = weight.double().reshape(weight.shape + (1,) * (losses.ndim - weight.ndim))
        full = full.expand_as(losses)
        expected = {
            "none": full * losses,
            "sum": (full * losses).sum(),
            "mean": (full * losses).sum() / full.sum(),
            "batchmean": (full * losses).sum() / BATCH,
        }
        for reduction, value in expected.items():
            got = card.function(**inputs, weight=weight, reduction=reduction)
            torch.testing.assert_close(got, value)


@each(WITH_MASK)
def test_with_everything_masked_value_and_gradient_are_zero(card):
    reductions = [{"reduction": r} for r in REDUCTIONS] if card in REDUCING else [{}]
    for options in reductions:
        value, grads = value_and_gradients(card, card.masked(examples(card)), **options)
        assert value == 0
        assert all(torch.equal(g, torch.zeros_like(g)) for g in grads)


@each(WITH_MASK)
def test_masked_inputs_that_overflow_do_not_become_nan(card):
    inputs = examples(card, dtype=torch.float32)
    scaled = {k: v * 1e30 if k in card.differentiable else v for k, v in inputs.items()}
    value, grads = value_and_gradients(card, card.masked(scaled))
    assert value == 0
    assert not any(g.isnan().any() for g in grads)


@each(CARDS)
def test_a_batch_of_one(card):
    value, grads = value_and_gradients(card, examples(card, batch=1))
    assert value.isfinite()
    assert all(g.isfinite().all() for g in grads)


# Numbers ----------------------------------------------------------------------------------------


@each(CARDS)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_a_reduced_result_is_float32_at_least_and_close_to_float64(card, dtype):
    inputs = examples(card, dtype=dtype)
    exact = card.function(**{k: v.double() for k, v in inputs.items()})
    result = card.function(**inputs)
    reduced = torch.promote_types(dtype, torch.float32)
    tolerance = {torch.float64: 1e-12}.get(reduced, 1e-5)
    for got, expected in zip(tensors(result), tensors(exact), strict=True):
        assert got.dtype == reduced
        torch.testing.assert_close(got.double(), expected, rtol=tolerance, atol=tolerance)
    if card in REDUCING:
        assert card.function(**inputs, reduction="none").dtype == dtype
    for name, grad in zip(card.differentiable, value_and_gradients(card, inputs)[1], strict=True):
        assert grad.dtype == inputs[name].dtype


@each(CARDS)
def test_autocast_changes_nothing_but_rounding(card):
    inputs = examples(card, dtype=torch.float32)
    plain = card.function(**inputs)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert_same(card.function(**inputs), plain)
        narrow = {k: v.bfloat16() if k in card.differentiable[:1] else v for k, v in inputs.items()}
        mixed = card.function(**narrow)
    exact = card.function(**{k: v.float() for k, v in narrow.items()})
    assert_same(mixed, exact, check_dtype=False, rtol=1e-2, atol=1e-2)


@each(WITH_GRADIENT)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("scale", [0.0, 1e-30, -1e-30, 1e30, -1e30], ids=str)
def test_extreme_inputs_are_finite_where_the_result_can_be_represented(card, dtype, scale):
    inputs = examples(card)
    inputs = {k: v * scale if k in card.differentiable else v for k, v in inputs.items()}
    limit = torch.finfo(dtype).max
    inputs = {k: v.clamp(-limit / 4096, limit / 4096).to(dtype) for k, v in inputs.items()}
    reached = max(inputs[name].abs().max().item() for name in card.differentiable)
    value, grads = value_and_gradients(card, inputs)
    assert not value.isnan()
    assert not any(g.isnan().any() for g in grads)
    if 1000.0 * max(reached, 1) ** card.degree < limit:
        assert value.isfinite()
        assert all(g.isfinite().all() for g in grads)


@each(WITH_GRADIENT)
def test_a_perfect_prediction_has_no_loss_and_a_finite_gradient(card):
    inputs = examples(card)
    if card.perfect:
        perfect = card.perfect(inputs)
    else:
        first, second = card.differentiable[:2]
        perfect = inputs | {first: inputs[second].clone()}
    value, grads = value_and_gradients(card, perfect)
    assert value == 0
    assert all(g.isfinite().all() for g in grads)


# Bad input --------------------------------------------------------------------------------------


@each(CARDS)
@pytest.mark.own_errors
def test_integers_and_other_things_than_tensors_are_refused(card):
    inputs = examples(card)
    for name, tensor in inputs.items():
        called = card.called.get(name, name)
        with pytest.raises(TypeError, match=rf"{called} must be a floating-point .*int64"):
            card.function(**inputs | {name: tensor.long()})
        with pytest.raises(TypeError, match=rf"{called} must be a torch.Tensor, got list"):
            card.function(**inputs | {name: tensor.tolist()})


TOGETHER = [card for card in CARDS if not card.apart]


@each([card for card in TOGETHER if len(card.inputs(1, torch.Generator())) > 1])
@pytest.mark.own_errors
def test_shapes_are_never_broadcast(card):
    inputs = examples(card)
    for name, tensor in inputs.items():
        for other in (tensor[:1], tensor[:-1], tensor[None], tensor[..., :1]):
            if other.shape == tensor.shape:
                continue
            if name in card.factors and other.ndim == tensor.ndim and 1 in other.shape:
                continue
            if name in card.free and other.shape[0] == BATCH and other.ndim == 2:
                continue
            with pytest.raises(
                ValueError, match=rf"\({', '.join(map(str, other.shape))},?\)|batch"
            ):
                card.function(**inputs | {name: other})


@each([card for card in CARDS if card.apart])
def test_inputs_that_need_not_fit_each_other_are_not_broadcast_either(card):
    inputs = examples(card)
    for name, tensor in inputs.items():
        twice = inputs | {name: torch.cat([tensor, tensor]).flatten()}
        torch.testing.assert_close(card.function(**twice), card.function(**inputs))


@each([card for card in CARDS if len(card.differentiable) > 1])
@pytest.mark.own_errors
def test_float64_does_not_slip_in(card):
    inputs = examples(card, dtype=torch.float32)
    for name in card.differentiable:
        with pytest.raises(TypeError, match="float64"):
            card.function(**inputs | {name: inputs[name].double()})


@pytest.mark.parametrize(
    ("card", "replaced", "error", "message"),
    [(card, *bad) for card in CARDS for bad in card.bad],
    ids=lambda value: getattr(value, "name", None),
)
@pytest.mark.own_errors
def test_bad_inputs_and_options_say_what_is_wrong(card, replaced, error, message):
    with pytest.raises(error, match=message):
        card.function(**examples(card) | replaced)
    if card.module:
        public = card.public if isinstance(card.public, type) else card.module
        options = inspect.signature(public).parameters
        known = {name: value for name, value in replaced.items() if name in options}
        others = {name: value for name, value in replaced.items() if name not in options}
        with pytest.raises(error, match=message):
            card.module(**known)(**examples(card) | others)


@each(ELEMENTWISE)
@pytest.mark.own_errors
def test_an_unknown_reduction_lists_the_known_ones(card):
    with pytest.raises(ValueError, match="none, mean, sum, batchmean; got 'average'"):
        card.function(**examples(card), reduction="average")


@each(ELEMENTWISE)
@pytest.mark.own_errors
def test_a_weight_that_does_not_fit_is_refused(card):
    inputs = examples(card)
    for shape in [(4,), (BATCH, 2), (BATCH, 6, 3), (1,), (BATCH, 6, 2, 1), (6, 2)]:
        with pytest.raises(ValueError, match="weight must have the shape of input"):
            card.function(**inputs, weight=torch.ones(shape, dtype=torch.float64))
    with pytest.raises(TypeError, match="visibility > 0"):
        card.function(**inputs, weight=torch.ones(BATCH).long())


# Papers -----------------------------------------------------------------------------------------


@each(CARDS)
def test_the_card_is_complete_and_the_docstring_says_what_a_user_needs(card):
    assert card.summary.endswith(".")
    assert card.units
    assert card.defaults
    assert card.references
    assert card.hyperparameters[0] == {}
    assert sp.latex(card.expression())
    module = importlib.import_module(f"lossbook.{card.chapter}")
    public = card.public or card.function
    assert getattr(module, card.name) is public
    assert card.name in module.__all__
    doc = inspect.getdoc(public)
    sections = ["Args:", "Raises:", "Example:"] + ["Returns:"] * (not isinstance(public, type))
    for section in sections:
        assert section in doc, section
    parameters = inspect.signature(public).parameters
    assert all(f"{name}:" in doc for name in parameters)


NORMAL = [(card, normal) for card in registry.cards() for normal in card.normal]


@pytest.mark.parametrize(
    ("card", "normal"), NORMAL, ids=[f"{card.name}-{normal.name}" for card, normal in NORMAL]
)
def test_normal_values_are_those_of_the_loss_under_their_assumption(card, normal):
    assert normal.given.endswith(".")
    assert normal.unit
    assert normal.reduction in REDUCTIONS
    for state in ("start", "chance"):
        expected = getattr(normal, state)
        if expected is None or normal.inputs is None:
            continue
        found = []
        for seed in range(8):
            arguments, options = normal.inputs(state, torch.Generator().manual_seed(seed))
            result = card.function(*arguments, **options)
            if isinstance(result, lossbook.LossTerms):
                found.append(result.total if normal.name == "total" else result[normal.name])
            else:
                assert normal.name == card.name
                found.append(result.mean())
        draws = torch.stack(found).double()
        sampling = (draws.std() / len(draws) ** 0.5).item()
        # Eight draws tell the expectation to a few percent, or they would not test it.
        assert sampling <= 0.03 * abs(expected)
        assert draws.mean().item() == pytest.approx(expected, rel=1e-4, abs=4 * sampling)


def test_every_public_loss_has_a_card():
    names = {card.name for card in CARDS}
    for chapter in registry.chapters():
        module = importlib.import_module(f"lossbook.{chapter}")
        public = {n for n in module.__all__ if n.endswith(("_loss", "_penalty", "_l1"))}
        assert public <= names


def test_names_are_unique_and_unknown_names_say_what_there_is():
    names = [card.name for card in CARDS]
    assert len(names) == len(set(names))
    assert registry.card("wing_loss").name == "wing_loss"
    with pytest.raises(KeyError, match="wing_loss"):
        registry.card("no_such_loss")
    with pytest.raises(ValueError, match="landmarks"):
        registry.cards("no_such_chapter")


MODULES = [
    module.name
    for module in pkgutil.walk_packages(lossbook.__path__, "lossbook.")
    if not module.name.startswith("lossbook.lab")
]


@pytest.mark.parametrize("name", MODULES)
@pytest.mark.own_errors
def test_doctests(name):
    module = importlib.import_module(name)
    result = doctest.testmod(module)
    assert result.failed == 0
    assert result.attempted == inspect.getsource(module).count(">>> ")


@pytest.mark.own_errors
def test_a_near_name_gets_that_alone_and_a_far_one_all():
    message = (
        r"^there is no loss 'wing'; did you mean wing_loss\? lossbook.list_losses\(\) names all$"
    )
    with pytest.raises(ValueError, match=message):
        lossbook.create("wing")
    with pytest.raises(
        ValueError, match="no loss 'zzz'; there are .*keypoint_2d_loss.*GeneratorLoss"
    ):
        lossbook.create("zzz")
    with pytest.raises(TypeError, match="did you mean epsilon. There are w, epsilon, reduction"):
        lossbook.create("wing_loss", epsilom=1.0)
