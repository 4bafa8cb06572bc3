"""The translation losses: what the source documents, and what is true of it."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import lossbook
from lossbook.translation import (
    R1Penalty,
    approximate_r1_penalty,
    cycle_consistency_loss,
    d_hinge_loss,
    d_logistic_loss,
    d_relativistic_loss,
    diversity_loss,
    diversity_weight,
    g_adversarial_loss,
    g_logistic_loss,
    g_relativistic_loss,
    r1_penalty,
)


def draw(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


# Adversarial ------------------------------------------------------------------------------------


@pytest.mark.parametrize("logit", [-1.0, -0.3, 0.0, 0.7, 1.0])
def test_any_constant_logit_within_the_margins_costs_exactly_two(logit):
    same = torch.full((5, 1), logit)
    assert d_hinge_loss(same, same).item() == pytest.approx(2, abs=1e-6)


@pytest.mark.parametrize("logit", [-1.5, 1.25, 4.0])
def test_a_constant_logit_beyond_a_margin_costs_more(logit):
    same = torch.full((5, 1), logit)
    assert d_hinge_loss(same, same).item() == pytest.approx(1 + abs(logit))


def test_within_the_margins_the_hinge_is_two_minus_the_gap():
    real, fake = draw(2, 50).tanh()
    torch.testing.assert_close(d_hinge_loss(real, fake), 2 - (real.mean() - fake.mean()))


def test_real_and_fake_may_differ_in_number_and_shape():
    real, fake = draw(7, 1, 3, 3), draw(2, seed=1)
    expected = (1 - real).relu().mean() + (1 + fake).relu().mean()
    torch.testing.assert_close(d_hinge_loss(real, fake), expected)
    expected = F.softplus(-real).mean() + F.softplus(fake).mean()
    torch.testing.assert_close(d_logistic_loss(real, fake), expected)


@pytest.mark.own_errors
def test_pairs_may_not():
    with pytest.raises(ValueError, match="real_logits and fake_logits must have the same shape"):
        d_relativistic_loss(draw(7, 1, 3, 3), draw(2))


def test_of_nothing_a_part_is_zero_and_the_other_stays():
    real, nothing = draw(3, 1), draw(0, 1)
    torch.testing.assert_close(d_hinge_loss(real, nothing), (1 - real).relu().mean())
    torch.testing.assert_close(d_logistic_loss(nothing, real), F.softplus(real).mean())


def test_the_logistic_losses_are_torch_s_cross_entropies():
    real, fake = draw(2, 6, 1)
    bce = F.binary_cross_entropy_with_logits
    expected = bce(real, torch.ones_like(real)) + bce(fake, torch.zeros_like(fake))
    torch.testing.assert_close(d_logistic_loss(real, fake), expected)
    torch.testing.assert_close(g_logistic_loss(fake), bce(fake, torch.ones_like(fake)))


def test_of_all_constants_zero_costs_the_logistic_loss_least():
    logits = torch.linspace(-2, 2, 41, dtype=torch.float64)
    values = torch.stack([d_logistic_loss(one[None], one[None]) for one in logits])
    assert logits[values.argmin()].abs() < 1e-12
    assert values.min().item() == pytest.approx(2 * math.log(2))


def test_paired_losses_see_differences_only_and_mirror_each_other():
    real, fake = draw(2, 9, 1)
    torch.testing.assert_close(
        d_relativistic_loss(real + 5, fake + 5), d_relativistic_loss(real, fake)
    )
    torch.testing.assert_close(g_relativistic_loss(real, fake), d_relativistic_loss(fake, real))
    torch.testing.assert_close(d_relativistic_loss(real, fake), F.softplus(fake - real).mean())


@pytest.mark.parametrize("logit", [-800.0, -40.5, -25.0, 0.0, 25.0, 39.5, 41.0, 800.0])
def test_logistic_losses_keep_their_digits_everywhere(logit):
    one = torch.tensor([logit], dtype=torch.float64)
    exact = max(logit, 0) + math.log1p(math.exp(-abs(logit)))
    assert g_logistic_loss(-one).item() == pytest.approx(exact, rel=1e-14)
    both = d_logistic_loss(-one, one).item()
    assert both == pytest.approx(2 * exact, rel=1e-14)
    assert d_logistic_loss(-one, torch.cat([one, one])).item() == pytest.approx(both, rel=1e-14)
    assert d_relativistic_loss(-one / 2, one / 2).item() == pytest.approx(exact, rel=1e-14)


def test_the_generator_s_gradient_is_the_same_everywhere():
    logits = draw(8, 1).requires_grad_()
    (gradient,) = torch.autograd.grad(g_adversarial_loss(logits), logits)
    torch.testing.assert_close(gradient, torch.full_like(gradient, -1 / 8))


# R1 ---------------------------------------------------------------------------------------------


def convolutions(activation=nn.Softplus, gain=1.0):
    torch.manual_seed(0)
    layers = nn.Conv2d(4, 8, 3, 2, 1), activation(), nn.Conv2d(8, 8, 3, 2, 1), activation()
    network = nn.Sequential(*layers, nn.Conv2d(8, 1, 2))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter *= gain
    return network


def leaf(x):
    return x.detach().requires_grad_(True)


def test_r1_of_a_quadratic_and_its_gradient_are_those_of_the_formula():
    matrix, x = draw(3, 3).requires_grad_(), draw(5, 3, seed=1)
    symmetric = matrix + matrix.T
    inputs = leaf(x)
    found = r1_penalty(((inputs @ symmetric) * inputs).sum(1) / 2, inputs)
    expected = (x @ symmetric).square().sum(1).mean()
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(
        torch.autograd.grad(found, matrix, retain_graph=True), torch.autograd.grad(expected, matrix)
    )
    assert r1_penalty(inputs.square().sum(1), inputs, half=True) == (
        r1_penalty(inputs.square().sum(1), inputs) / 2
    )


def test_a_map_of_logits_is_added_up():
    inputs = leaf(draw(2, 4, 8, 8))
    maps = inputs.mean(1, keepdim=True)
    torch.testing.assert_close(r1_penalty(maps, inputs), r1_penalty(maps.sum((1, 2, 3)), inputs))


@pytest.mark.parametrize("name", ["r1", "style"])
def test_r1_scales_as_documented_when_latents_are_scaled(name):
    """Of a fixed network of unscaled latents: L1 as s, R1 as 1 / s²."""
    network, scale, raw = convolutions().double(), 0.18215, draw(3, 4, 8, 8) / 0.18215
    if name == "style":
        found = cycle_consistency_loss(scale * raw, 0 * raw)
        torch.testing.assert_close(found, scale * cycle_consistency_loss(raw, 0 * raw))
        return
    unscaled, scaled = leaf(raw), leaf(scale * raw)
    found = r1_penalty(network(scaled / scale), scaled)
    torch.testing.assert_close(found, r1_penalty(network(unscaled), unscaled) / scale**2)


def test_half_precision_is_squared_in_float32():
    inputs = leaf(torch.ones(2, 64, dtype=torch.float16))
    found = r1_penalty(300 * inputs.sum(1), inputs)
    assert found.dtype is torch.float32
    assert found == 64 * 300**2  # beyond float16


def test_autocast_does_not_round_the_penalty():
    weight, x = draw(16, 1).float(), draw(3, 16, seed=1).float()
    inputs = leaf(x)
    expected = r1_penalty((inputs**2 @ weight)[:, 0], inputs)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        with torch.autocast("cpu", enabled=False):
            logits = (inputs**2 @ weight)[:, 0]
        torch.testing.assert_close(r1_penalty(logits, inputs), expected)


@pytest.mark.own_errors
def test_what_has_no_graph_is_refused_with_the_fix():
    network, x = convolutions(), draw(3, 4, 8, 8).float()
    fix = r"real_inputs.detach\(\).requires_grad_\(True\)"
    with pytest.raises(ValueError, match=rf"real_inputs must require a gradient.*{fix}"):
        r1_penalty(network(x), x)
    inputs = leaf(x)
    with pytest.raises(ValueError, match=rf"real_logits must depend on real_inputs.*{fix}"):
        r1_penalty(network(x), inputs)
    with pytest.raises(ValueError, match="real_logits must depend on real_inputs"):
        r1_penalty(network(inputs).detach(), inputs)
    with torch.no_grad(), pytest.raises(ValueError, match=r"inside torch.enable_grad\(\)"):
        r1_penalty(network(inputs), inputs)
    with pytest.raises(ValueError, match="batch size: real_logits has 1, real_inputs has 3"):
        r1_penalty(network(inputs).sum(0), inputs)
    with pytest.raises(TypeError, match="half must be True or False"):
        r1_penalty(network(inputs), inputs, half=0.5)
    with pytest.raises(TypeError, match="half must be True or False"):
        R1Penalty(half=1)


@pytest.mark.own_errors
def test_check_values_looks_at_logits_and_inputs():
    inputs = leaf(draw(3, 4))
    with lossbook.check_values(), pytest.raises(ValueError, match="real_logits holds 3 NaN"):
        r1_penalty(inputs.sum(1) * torch.nan, inputs)
    with lossbook.check_values(), pytest.raises(ValueError, match="gradient holds"):
        r1_penalty((inputs * 0).sqrt().sum(1), inputs)


def test_a_module_named_half_still_has_its_method():
    assert "half=True" in repr(R1Penalty(half=True))
    assert isinstance(R1Penalty(half=True).half(), R1Penalty)


# What torch.compile makes of it -------------------------------------------------------------------


def plain_r1(logits, inputs):
    (gradient,) = torch.autograd.grad(logits.sum(), inputs, create_graph=True)
    return gradient.square().flatten(1).sum(1).mean()


@pytest.mark.compiles
@pytest.mark.parametrize("backend", ["aot_eager", "inductor"])
def test_torch_refuses_second_derivatives_of_compiled_code_by_an_error(backend):
    """If it drops them silently, or learns them, what the docstring says is to be changed."""
    torch.compiler.reset()
    network, x = convolutions(), draw(3, 4, 8, 8).float()
    compiled, inputs = torch.compile(network, backend=backend), leaf(x)
    found = plain_r1(compiled(inputs), inputs)
    expected_inputs = leaf(x)
    torch.testing.assert_close(found, plain_r1(network(expected_inputs), expected_inputs))
    with pytest.raises(RuntimeError, match="double backward|donated buffers|does not require grad"):
        found.backward()
    whole = torch.compile(lambda x: plain_r1(network(x), x), fullgraph=True, backend=backend)
    with pytest.raises(torch._dynamo.exc.Unsupported, match=r"autograd.grad"):
        whole(leaf(x))


@pytest.mark.compiles
@pytest.mark.own_errors
def test_we_refuse_it_before(recwarn):
    torch.compiler.reset()
    network, inputs = convolutions(), leaf(draw(3, 4, 8, 8).float())
    compiled = torch.compile(network, backend="aot_eager")
    with pytest.raises(RuntimeError, match="real_logits come out of compiled code"):
        r1_penalty(compiled(inputs), inputs)
    with torch.compiler.set_stance("force_eager"):
        r1_penalty(compiled(inputs), inputs).backward()
    assert network[0].weight.grad.any()
    whole = torch.compile(lambda x: r1_penalty(network(x), x), fullgraph=True, backend="eager")
    with pytest.raises(torch._dynamo.exc.Unsupported):
        whole(inputs)
    # What is compiled before the samples does not matter.
    made = torch.compile(lambda x: 2 * x, backend="aot_eager")(leaf(inputs))
    r1_penalty(network(made), made).backward()


@pytest.mark.compiles
def test_the_estimate_compiles_with_the_discriminator_and_its_gradient():
    torch.compiler.reset()
    network, x = convolutions(), draw(6, 4, 8, 8).float()

    def loss(x):
        return approximate_r1_penalty(network, x)

    compiled = torch.compile(loss, fullgraph=True, backend="aot_eager")
    found = []
    for form in (loss, compiled):
        torch.manual_seed(1)
        network.zero_grad()
        value = form(x)
        value.backward()
        found.append((value.detach(), network[0].weight.grad.clone()))
    torch.testing.assert_close(found[1], found[0], rtol=1e-3, atol=1e-5)
    assert found[0][1].any()


# The estimate -------------------------------------------------------------------------------------


def paired_bias(network, x, sigma, draws=2):
    """How far the estimate is off, of the same directions: without what they scatter by."""
    ours = torch.Generator().manual_seed(5)
    with torch.no_grad():
        found = sum(
            approximate_r1_penalty(network, x, sigma=sigma, generator=ours) for _ in range(draws)
        )
    inputs, again = leaf(x), torch.Generator().manual_seed(5)
    (gradient,) = torch.autograd.grad(network(inputs).sum(), inputs)
    exact = torch.zeros(())
    for _ in range(draws):
        v = torch.randn(x.shape, generator=again)
        exact = exact + (gradient * v).flatten(1).sum(1).square().mean()
    return (found / exact - 1).item()


@pytest.mark.parametrize("sigma", [1e-3, 1e-2, 0.1, 1.0])
def test_of_a_quadratic_the_estimate_is_exact_for_every_sigma(sigma):
    x = draw(64, 4, 8, 8).float()
    matrix = draw(256, 256, seed=1).float() / 16

    def quadratic(x):
        flat = x.flatten(1)
        return ((flat @ matrix) * flat).sum(1) + flat.sum(1)

    assert abs(paired_bias(quadratic, x, sigma)) < 1e-3


# Activation, gain, and the bias at sigma 0.01 and 0.1, in percent.
MEASURED = [
    (nn.Softplus, 1.0, 0.0, 0.0),
    (nn.Tanh, 3.0, -0.04, -4.0),
    (lambda: nn.LeakyReLU(0.2), 1.0, -0.4, -5.0),
]


@pytest.mark.parametrize(("activation", "gain", "near", "far"), MEASURED)
def test_of_convolutions_the_estimate_is_too_small_by_what_the_docstring_says(
    activation, gain, near, far
):
    torch.manual_seed(0)
    layers = nn.Conv2d(4, 16, 3, 2, 1), activation(), nn.Conv2d(16, 32, 3, 2, 1), activation()
    network = nn.Sequential(*layers, nn.Conv2d(32, 1, 4))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter *= gain
    x = draw(1024, 4, 16, 16).float()
    assert 100 * paired_bias(network, x, 0.01) == pytest.approx(near, abs=0.4)
    assert 100 * paired_bias(network, x, 0.1) == pytest.approx(far, abs=1.5)


def test_the_estimate_scatters_by_the_root_of_two_over_the_batch():
    x, generator = torch.zeros(50, 16), torch.Generator().manual_seed(0)
    found = torch.stack(
        [approximate_r1_penalty(lambda x: x.sum(1), x, generator=generator) for _ in range(2000)]
    )
    assert found.mean().item() == pytest.approx(16, rel=0.02)
    assert (found.std() / 16).item() == pytest.approx(math.sqrt(2 / 50), rel=0.1)


def test_its_gradient_points_where_that_of_r1_does():
    network, x = convolutions().double(), draw(4096, 4, 8, 8)
    inputs, generator = leaf(x), torch.Generator().manual_seed(0)
    vectors = []
    for loss in (
        r1_penalty(network(inputs), inputs),
        approximate_r1_penalty(network, x, generator=generator),
    ):
        found = torch.autograd.grad(loss, list(network.parameters()), materialize_grads=True)
        vectors.append(torch.cat([g.flatten() for g in found]))
    assert torch.cosine_similarity(*vectors, dim=0) > 0.95


@pytest.mark.own_errors
def test_what_is_no_discriminator_is_refused():
    x = torch.ones(3, 4)
    with pytest.raises(TypeError, match=r"discriminator must be callable, got Tensor.*lambda x"):
        approximate_r1_penalty(x, x)
    with pytest.raises(TypeError, match="the discriminator's result is missing"):
        approximate_r1_penalty(lambda x: None, x)
    with pytest.raises(ValueError, match="batch size"):
        approximate_r1_penalty(lambda x: x.sum(1)[:2], x)
    with pytest.raises(ValueError, match=r"real_inputs must have shape \(B, ...\)"):
        approximate_r1_penalty(lambda x: x, torch.ones(3))


# Diversity ----------------------------------------------------------------------------------------


def fakes():
    """The first pair has collapsed, the second is far apart."""
    fake_1 = torch.zeros(2, 3)
    return fake_1, torch.tensor([[0.1, 0.1, 0.1], [4.0, 4.0, 4.0]], requires_grad=True)


def test_the_margin_of_the_batch_leaves_a_pair_that_collapsed_without_a_gradient():
    fake_1, fake_2 = fakes()
    documented = diversity_loss(fake_1, fake_2, margin=1.5)
    assert documented == 1.5
    assert not torch.autograd.grad(documented, fake_2)[0].any()
    corrected = diversity_loss(fake_1, fake_2, margin=1.5, margin_of="sample")
    assert corrected.item() == pytest.approx((0.1 + 1.5) / 2)
    (gradient,) = torch.autograd.grad(corrected, fake_2)
    torch.testing.assert_close(gradient, torch.tensor([[1 / 6] * 3, [0.0] * 3]))


def test_within_the_margin_both_forms_are_the_mean():
    fake_1, fake_2 = fakes()
    expected = diversity_loss(fake_1, fake_2)
    for form in ("batch", "sample"):
        torch.testing.assert_close(
            diversity_loss(fake_1, fake_2, margin=9.0, margin_of=form), expected
        )


def test_weights_count_the_pairs_in_every_form():
    fake_1, fake_2 = draw(2, 3, 2, 2)
    weight = torch.tensor([2.0, 0.0, 1.0], dtype=torch.float64)
    index = torch.tensor([0, 0, 2])
    for options in ({}, {"margin": 1.0}, {"margin": 1.0, "margin_of": "sample"}):
        found = diversity_loss(fake_1, fake_2, weight=weight, **options)
        torch.testing.assert_close(found, diversity_loss(fake_1[index], fake_2[index], **options))
    elements = torch.ones(3, 2, 2, dtype=torch.bool)
    elements[:, 0] = False
    found = diversity_loss(fake_1, fake_2, weight=elements, margin=1.0, margin_of="sample")
    kept = diversity_loss(fake_1[:, 1:], fake_2[:, 1:], margin=1.0, margin_of="sample")
    torch.testing.assert_close(found, kept)


def documented_weight(epoch, w_ds, total_decay):
    progress = min(max((epoch - 1) / total_decay, 0.0), 1.0)
    return w_ds * (1 - progress)


def test_the_weight_of_the_diversity_is_that_of_the_source():
    for epoch in range(1, 60):
        for decay in (1, 5, 20, 50):
            found = diversity_weight(epoch, 0.7, decay)
            assert found == pytest.approx(documented_weight(epoch, 0.7, decay))
    assert diversity_weight(1, 1.0, 20) == 1
    assert diversity_weight(20, 1.0, 20) == pytest.approx(0.05)
    assert diversity_weight(21, 1.0, 20) == 0
    assert diversity_weight(1.5, 1.0, 1) == 0.5
    assert diversity_weight(1000, 1.0, math.inf) == 1


@pytest.mark.own_errors
@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((0, 1.0, 20), ValueError, r"epoch must be at least 1, got 0; count from 1: epoch \+ 1"),
        ((1, 1.0, 0), ValueError, "decay_epochs must be above 0, got 0; for no diversity"),
        ((1, 1.0, -3), ValueError, "decay_epochs must be finite and at least 0"),
        ((1, -1.0, 20), ValueError, "w_ds must be finite and at least 0"),
        (("1", 1.0, 20), TypeError, "epoch must be a Python number"),
        ((torch.tensor(1), 1.0, 20), TypeError, r"read it once with float\(epoch\)"),
    ],
)
def test_a_weight_of_the_diversity_that_cannot_be_is_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        diversity_weight(*arguments)
