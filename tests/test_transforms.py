"""Walks every card through what torch does to a loss: modules, compilers, transforms."""

import copy
import inspect

import pytest
import torch
from matrix import (
    BATCH,
    CARDS,
    REDUCING,
    WITH_GRADIENT,
    WITH_MODULE,
    assert_same,
    each,
    examples,
    gradients,
    require_grad,
    scalar,
    tensors,
    value_and_gradients,
    with_hyperparameters,
)
from torch._dynamo.testing import CompileCounter

import lossbook
from lossbook.reduction import REDUCTIONS

# Torch ------------------------------------------------------------------------------------------


@with_hyperparameters(WITH_MODULE)
def test_the_module_is_the_function(card, hyperparameters):
    module = card.module(**hyperparameters)
    inputs = examples(card)
    assert_same(module(**inputs), card.function(**inputs, **hyperparameters), rtol=0, atol=0)
    assert_same(copy.deepcopy(module)(**inputs), module(**inputs), rtol=0, atol=0)
    for name, value in hyperparameters.items():
        assert f"{name}={value!r}" in repr(module)
    if card.kind == "elementwise":
        weight = torch.linspace(0, 2, BATCH, dtype=torch.float64)
        for reduction in REDUCTIONS:
            options = hyperparameters | {"reduction": reduction}
            expected = card.function(**inputs, **options, weight=weight)
            assert_same(card.module(**options)(**inputs, weight=weight), expected)
    assert not list(module.parameters())


@each(CARDS)
@pytest.mark.compiles
def test_compiles_to_one_graph_with_the_same_value_and_gradient(card):
    torch.compiler.reset()
    compiled = torch.compile(card.function, fullgraph=True)
    inputs = examples(card, dtype=torch.float32)
    expected_value, expected_grads = value_and_gradients(card, inputs)
    inputs = require_grad(card, inputs)
    result = compiled(**inputs)
    assert type(result) is type(card.function(**inputs))
    torch.testing.assert_close(scalar(result).detach(), expected_value)
    for got, expected in zip(gradients(card, inputs, result), expected_grads, strict=True):
        torch.testing.assert_close(got, expected)


def counted(card, **options):
    torch.compiler.reset()
    counter = CompileCounter()
    return torch.compile(card.function, fullgraph=True, backend=counter, **options), counter


@each(CARDS)
@pytest.mark.compiles
def test_one_compiled_function_serves_changing_batches_and_hyperparameters(card):
    """Sizes that change need two graphs; every set of hyperparameters compiles after another."""
    for dynamic in (None, True):
        compiled, counter = counted(card, dynamic=dynamic)
        for number, hyperparameters in enumerate(card.hyperparameters):
            # Each set meets several sizes, the first one all of them.
            for batch in (2, 3, 4, 5, 7, 9, 12) if not number else (3, 4):
                inputs = examples(card, batch=batch)
                expected = card.function(**inputs, **hyperparameters)
                assert_same(compiled(**inputs, **hyperparameters), expected)
            if not number:
                assert counter.frame_count <= 2
            scaled = {k: v * 1.5 if isinstance(v, float) else v for k, v in hyperparameters.items()}
            if any(isinstance(v, float) for v in hyperparameters.values()):
                expected = card.function(**inputs, **scaled)
                assert_same(compiled(**inputs, **scaled), expected)


@each(WITH_MODULE)
@pytest.mark.compiles
def test_exports_with_a_dynamic_batch(card):
    inputs, other = examples(card), examples(card, batch=9)
    batch = {name: {0: torch.export.Dim("batch")} for name in inputs}
    program = torch.export.export(card.module(), (), inputs, dynamic_shapes=batch)
    assert_same(program.module()(**other), card.function(**other))


@each(CARDS)
def test_vmap_equals_a_loop(card):
    runs = [examples(card, seed=seed) for seed in range(3)]
    stacked = {name: torch.stack([run[name] for run in runs]) for name in runs[0]}
    mapped = torch.func.vmap(lambda inputs: card.function(**inputs))(stacked)
    for i, run in enumerate(runs):
        expected = card.function(**run)
        for got, one in zip(tensors(mapped), tensors(expected), strict=True):
            torch.testing.assert_close(got[i], one)


@each(WITH_GRADIENT)
def test_func_grad_equals_autograd(card):
    inputs = examples(card)
    _, expected = value_and_gradients(card, inputs)
    first = card.differentiable[0]
    got = torch.func.grad(lambda v: scalar(card.function(**inputs | {first: v})))(inputs[first])
    torch.testing.assert_close(got, expected[0])


@each(CARDS)
def test_strides_do_not_matter(card):
    inputs = examples(card)
    strided = {
        k: torch.stack([v, v], -1)[..., 0].transpose(0, -1).contiguous().transpose(0, -1)
        for k, v in inputs.items()
    }
    assert any(not v.is_contiguous() for v in strided.values())
    assert_same(card.function(**strided), card.function(**inputs))
    expanded = {k: v[:1].expand(BATCH, *v.shape[1:]) for k, v in inputs.items()}
    repeated = {k: v.contiguous() for k, v in expanded.items()}
    assert_same(card.function(**expanded), card.function(**repeated))


@each(CARDS)
@pytest.mark.parametrize("bad", [torch.nan, -torch.inf])
@pytest.mark.own_errors
def test_check_values_names_the_input_that_is_not_finite(card, bad):
    inputs = examples(card)
    for name, tensor in inputs.items():
        spoilt = tensor.clone()
        spoilt.view(-1)[0] = bad
        called = card.called.get(name, name)
        with lossbook.check_values(), pytest.raises(ValueError, match=f"^{called} holds 1 NaN"):
            card.function(**inputs | {name: spoilt})


@each(WITH_GRADIENT)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_half_precision_gradients_are_those_of_float64(card, dtype):
    narrow = examples(card, dtype=dtype)
    _, expected = value_and_gradients(card, {k: v.double() for k, v in narrow.items()})
    _, got = value_and_gradients(card, narrow)
    for left, right in zip(got, expected, strict=True):
        tolerance = 2 * torch.finfo(dtype).eps
        torch.testing.assert_close(left.double(), right, rtol=tolerance, atol=tolerance)


@each(CARDS)
def test_inputs_are_left_as_they_were(card):
    inputs = examples(card)
    before = {name: tensor.clone() for name, tensor in inputs.items()}
    card.function(**inputs)
    assert all(torch.equal(before[name], inputs[name]) for name in inputs)


@each(CARDS)
def test_no_value_is_read_back_from_the_device(card):
    """On the meta device there are no values: any synchronisation would raise."""
    inputs = {name: tensor.to("meta") for name, tensor in examples(card).items()}
    assert all(t.device.type == "meta" for t in tensors(card.function(**inputs)))


# The matrix -------------------------------------------------------------------------------------

# What changes where a loss is computed, or when it is an error, and not what it is.
INERT = {"reduction", "group", "optional", "weight", "confidence", "short_clips", "tile"}
# What tensors by name cannot try: a graph between them, and parameters. tests/inversion does.
INERT |= {"guidance_weight", "guidance_form", "task_weights"}
# Mere factors, and what counts in a step of R1 alone, of which tests/translation.
INERT |= {"half", "sigma", "generator", "w_r1", "r1_interval", "steps_per_epoch", "monitor"}
INERT |= {"skip_unused"}
# Another form of a weight, which tests/motion compares with it.
INERT |= {"lengths"}
# Whose gradient is the same everywhere.
UNIFORM = {"g_adversarial_loss"}
FURTHER = {"auxiliary_form": "rotation"}


def keywords(card):
    parameters = inspect.signature(card.public or card.function).parameters.values()
    options = [p for p in parameters if p.kind is p.KEYWORD_ONLY or isinstance(card.public, type)]
    return {p.name: p.default for p in options}


def takes_weight(card):
    called = card.public.forward if isinstance(card.public, type) else card.public or card.function
    return "weight" in inspect.signature(called).parameters


def directions(card, inputs, **options):
    """All gradients as one vector of length 1: a mere factor does not change it."""
    _, grads = value_and_gradients(card, inputs, **options)
    vector = torch.cat([grad.flatten() for grad in grads])
    return vector / vector.norm().clamp(min=1e-30)


def differ(card, inputs, first, second):
    left, right = directions(card, inputs, **first), directions(card, inputs, **second)
    return not torch.allclose(left, right, rtol=1e-4, atol=1e-6)


@each(WITH_GRADIENT)
def test_no_hyperparameter_is_inert(card):
    known = {key: value for options in card.hyperparameters for key, value in options.items()}
    known |= {key: value for key, value in FURTHER.items() if key in keywords(card)}
    assert set(keywords(card)) - INERT <= set(known), "a hyperparameter that no card set tries"
    inputs = examples(card)
    for name, value in known.items():
        if name in INERT:
            continue
        others = [{k: v for k, v in o.items() if k != name} for o in card.hyperparameters]
        assert any(differ(card, inputs, o, o | {name: value}) for o in others), name


@each([card for card in WITH_GRADIENT if card.name not in UNIFORM])
def test_no_input_is_inert(card):
    inputs, other = examples(card), examples(card, seed=1)
    for name in inputs:
        moved = inputs | {name: other[name]}
        assert any(
            not torch.allclose(directions(card, inputs, **o), directions(card, moved, **o))
            for o in card.hyperparameters
        ), name
    if takes_weight(card):
        weight = torch.linspace(0.5, 2, BATCH, dtype=torch.float64)
        assert differ(card, inputs, {}, {"weight": weight})


def partners(card):
    """Which input is the truth of which."""
    names = card.differentiable
    pairs = {name: f"{name}_target" for name in names if f"{name}_target" in names}
    inputs = [name for name in names if name.startswith("input")]
    truths = {name: name.replace("input", "target") for name in inputs}
    return pairs | {name: truth for name, truth in truths.items() if truth in names}


SAME = [card for card in WITH_GRADIENT if partners(card)]


def check_the_same_tensor_twice(card, function):
    inputs = examples(card)
    inputs = card.perfect(inputs) if card.perfect else inputs
    truths = partners(card)
    leaves = {name: inputs[truth].clone().requires_grad_() for name, truth in truths.items()}
    same = inputs | leaves | {truth: leaves[name] for name, truth in truths.items()}
    value = scalar(function(**same))
    assert value == 0
    for grad in torch.autograd.grad(value, list(leaves.values()), materialize_grads=True):
        assert not grad.any()


@each(SAME)
def test_the_same_tensor_as_input_and_target_has_no_loss_and_no_gradient(card):
    check_the_same_tensor_twice(card, card.function)


@each(SAME)
@pytest.mark.compiles
def test_the_same_tensor_as_input_and_target_compiled(card):
    torch.compiler.reset()
    check_the_same_tensor_twice(
        card, torch.compile(card.function, fullgraph=True, backend="aot_eager")
    )


@with_hyperparameters(WITH_GRADIENT)
def test_jacrev_equals_autograd(card, hyperparameters):
    inputs = examples(card)
    _, expected = value_and_gradients(card, inputs, **hyperparameters)
    for name, gradient in zip(card.differentiable, expected, strict=True):

        def loss(value, name=name):
            return scalar(card.function(**inputs | {name: value}, **hyperparameters))

        torch.testing.assert_close(torch.func.jacrev(loss)(inputs[name]), gradient)


@with_hyperparameters(WITH_GRADIENT)
def test_second_derivatives_are_finite_and_symmetric(card, hyperparameters):
    inputs = examples(card, batch=2)
    first = card.differentiable[0]

    def loss(value):
        return scalar(card.function(**inputs | {first: value}, **hyperparameters))

    size = inputs[first].numel()
    expected = torch.autograd.functional.hessian(loss, inputs[first])
    nested = torch.func.jacrev(torch.func.jacrev(loss))(inputs[first])
    for hessian in (expected, nested):
        square = hessian.reshape(size, size)
        assert square.isfinite().all()
        torch.testing.assert_close(square, square.T)
    torch.testing.assert_close(nested, expected)


@each(CARDS)
def test_inference_mode_changes_nothing(card):
    inputs = examples(card)
    expected = card.function(**inputs)
    with torch.inference_mode():
        assert_same(card.function(**inputs), expected, rtol=0, atol=0)
        made_inside = {name: tensor.clone() for name, tensor in inputs.items()}
        result = card.function(**made_inside)
        assert scalar(result).is_inference()
        assert_same(result, expected, rtol=0, atol=0)


@each([card for card in CARDS if any(card.hyperparameters)])
@pytest.mark.compiles
def test_a_schedule_does_not_recompile_every_step(card):
    floats = {
        key: value
        for options in card.hyperparameters
        for key, value in options.items()
        if isinstance(value, float) and value > 0
    }
    if not floats:
        pytest.skip("no number among its hyperparameters")
    inputs = examples(card)
    compiled, counter = counted(card)
    frames = []
    for step in range(12):
        # All at once: one that recompiles every step would be seen among the others.
        compiled(**inputs, **{name: value * (1 + step / 10) for name, value in floats.items()})
        frames.append(counter.frame_count)
    assert frames[-1] <= 3, frames
    assert frames[-1] == frames[3], frames


# Weights ----------------------------------------------------------------------------------------

WITH_WEIGHT = [card for card in CARDS if takes_weight(card)]


@with_hyperparameters(WITH_WEIGHT)
@pytest.mark.parametrize("kind", ["mask", "floats", "requires grad"])
def test_a_weight_of_zero_is_leaving_the_sample_out_whatever_it_holds(card, hyperparameters, kind):
    options = dict(hyperparameters)
    if card in REDUCING or card.name == "HandLoss":
        options["reduction"] = "mean"
    inputs = examples(card)
    kept = torch.tensor([True, False, True, False, True])
    alone_value, alone = value_and_gradients(
        card, {name: tensor[kept] for name, tensor in inputs.items()}, **options
    )
    weight = kept if kind == "mask" else kept.double().requires_grad_(kind == "requires grad")
    for junk in (0.5, torch.nan):
        spoilt = {name: tensor.clone() for name, tensor in inputs.items()}
        for tensor in spoilt.values():
            tensor[~kept] = junk
        value, grads = value_and_gradients(card, spoilt, weight=weight, **options)
        torch.testing.assert_close(value, alone_value)
        for got, expected in zip(grads, alone, strict=True):
            torch.testing.assert_close(got[kept], expected)
            assert not got[~kept].any()


@each([card for card in WITH_WEIGHT if card in REDUCING])
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_the_quick_and_the_masked_way_agree_and_a_weight_has_a_gradient(card, reduction):
    inputs = examples(card)
    weight = torch.linspace(0, 2, BATCH, dtype=torch.float64)
    options = {"reduction": reduction}
    quick_value, quick = value_and_gradients(card, inputs, weight=weight, **options)
    learned = weight.clone().requires_grad_()
    value, grads = value_and_gradients(card, inputs, weight=learned, **options)
    torch.testing.assert_close(value, quick_value)
    for got, expected in zip(grads, quick, strict=True):
        torch.testing.assert_close(got, expected)
    mapped = torch.func.vmap(lambda w: card.function(**inputs, weight=w, **options))(weight[None])
    torch.testing.assert_close(mapped.sum(), quick_value)
    if reduction == "sum":
        counted_weight = learned.clone().detach().add(0.5).requires_grad_()
        (gradient,) = torch.autograd.grad(
            card.function(**inputs, weight=counted_weight, **options), counted_weight
        )
        losses = card.function(**inputs, reduction="none").reshape(BATCH, -1).sum(1)
        torch.testing.assert_close(gradient, losses)


@each(WITH_WEIGHT)
def test_weights_are_not_read_back_from_the_device_either(card):
    inputs = {name: tensor.to("meta") for name, tensor in examples(card).items()}
    weight = torch.ones(BATCH, device="meta")
    assert all(t.is_meta for t in tensors(card.function(**inputs, weight=weight)))
