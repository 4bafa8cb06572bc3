"""The inversion losses: limits, margins, what the source documents and what is true of it."""

import copy
import math
import pickle
import re

import pytest
import sympy as sp
import torch

import lossbook
from lossbook.inversion import (
    CosineMarginLoss,
    InfoNCELoss,
    center_loss,
    cosine_margin_loss,
    feature_l2_loss,
    info_nce_loss,
    pixel_loss,
    symbolic,
)


def faces(batch=6, count=5, dims=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    features, template = torch.randn(2, batch, dims, generator=generator, dtype=torch.float64)
    negatives = torch.randn(batch, count, dims, generator=generator, dtype=torch.float64)
    return features, template, negatives


def cosines(features, template, negatives):
    match = torch.cosine_similarity(features, template)
    return match, torch.cosine_similarity(features[:, None], negatives, dim=-1)


# Scheme A ---------------------------------------------------------------------------------------


def test_normalised_along_the_wrong_axis_a_cosine_is_larger_than_one():
    # The source's snippet normalises (B, K, D) with dim=1. Here the negative is the feature itself.
    features = torch.ones(1, 512, dtype=torch.float64)
    negatives = features[:, None].expand(-1, 10, -1)
    unit = features / features.norm()
    wrong = (unit[:, None] * torch.nn.functional.normalize(negatives, dim=1)).sum(-1)
    assert wrong.max().item() == pytest.approx(math.sqrt(512 / 10))
    match, noise = cosines(features, features, negatives)
    value = cosine_margin_loss(features, features, negatives)
    assert value.item() == pytest.approx(0.35)
    assert noise.max().item() == pytest.approx(match.item())


def test_a_gradient_is_tangential_and_the_length_drops_out():
    features, template, negatives = faces()
    features.requires_grad_()
    for form in (cosine_margin_loss, info_nce_loss):
        losses = form(features, template, negatives, reduction="none")
        (gradient,) = torch.autograd.grad(losses.sum(), features)
        assert gradient.any()
        radial = (gradient * features).sum(-1)
        torch.testing.assert_close(radial, torch.zeros_like(radial), rtol=0, atol=1e-12)
        longer = form(3 * features, 0.2 * template, 7 * negatives, reduction="none")
        torch.testing.assert_close(longer, losses)


def test_the_clamp_stops_where_the_margin_is_kept_and_the_formula_never_does():
    features, template, negatives = faces()
    features = template.clone().requires_grad_()
    negatives = -negatives.abs() * template[:, None].sign()
    clamped = cosine_margin_loss(features, template, negatives)
    documented = cosine_margin_loss(features, template, negatives, clamp=False)
    assert clamped == 0
    assert not torch.autograd.grad(clamped, features)[0].any()
    assert documented < 0
    assert torch.autograd.grad(documented, features)[0].any()
    opposed = -template[:, None]
    assert cosine_margin_loss(template, template, opposed, clamp=False).item() == pytest.approx(
        0.35 - 2
    )


def test_where_the_hinge_is_active_it_is_the_documented_formula():
    features, template, negatives = faces()
    match, noise = cosines(features, template, negatives)
    expected = (-match + noise.amax(1) + 0.5).clamp(min=0)
    got = cosine_margin_loss(features, template, negatives, margin=0.5, reduction="none")
    torch.testing.assert_close(got, expected)
    free = cosine_margin_loss(
        features, template, negatives, margin=0.5, clamp=False, reduction="none"
    )
    torch.testing.assert_close(free, -match + noise.amax(1) + 0.5)


def test_random_mining_draws_each_negative_by_the_global_generator():
    features, template, negatives = faces(batch=4000, count=3)
    match, noise = cosines(features, template, negatives)
    torch.manual_seed(0)
    options = {"mining": "random", "clamp": False, "reduction": "none"}
    first = cosine_margin_loss(features, template, negatives, **options)
    torch.manual_seed(0)
    assert torch.equal(cosine_margin_loss(features, template, negatives, **options), first)
    assert not torch.equal(cosine_margin_loss(features, template, negatives, **options), first)
    chosen = ((first + match - 0.35)[:, None] - noise).abs().argmin(1)
    torch.testing.assert_close(first, noise.gather(1, chosen[:, None])[:, 0] - match + 0.35)
    assert (chosen.bincount() / len(chosen)).tolist() == pytest.approx([1 / 3] * 3, abs=0.03)
    shared = cosine_margin_loss(features, template, negatives[0], **options)
    assert len(shared.unique()) > 100


def test_minings_are_ordered():
    features, template, negatives = faces()
    by = {
        mining: cosine_margin_loss(features, template, negatives, mining=mining, reduction="none")
        for mining in ("hardest", "mean", "all")
    }
    # The hinge is convex, and the largest is no smaller than the mean.
    assert (by["hardest"] >= by["all"] - 1e-12).all()
    assert (by["all"] >= by["mean"] - 1e-12).all()


def test_the_margin_is_one_of_cosines_and_not_of_angles():
    # At 60 degrees from the template a margin of 0.35 asks for cos <= 0.15, which is 81.4 degrees;
    # ArcFace's of 0.35 rad would ask for 80.1.
    angles = torch.deg2rad(torch.tensor([60.0, 81.37, 81.38], dtype=torch.float64))
    directions = torch.stack([angles.cos(), angles.sin()], 1)
    feature, template = torch.tensor([[1.0, 0.0]], dtype=torch.float64), directions[:1]
    active = [
        cosine_margin_loss(feature, template, other[None]).item() > 0 for other in directions[1:]
    ]
    assert active == [True, False]


# Scheme C ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("shift", [-1.0, 0.0, 1.0])
def test_as_the_temperature_falls_it_is_the_hardest_negative_without_a_margin(shift):
    features, template, negatives = faces()
    features = features + shift * template
    expected = cosine_margin_loss(features, template, negatives, margin=0.0, reduction="none")
    for temperature in (1e-2, 1e-4, 1e-8, 1e-30, 1e-300):
        value = info_nce_loss(
            features, template, negatives, temperature=temperature, reduction="none"
        )
        assert value.isfinite().all()
        bound = temperature * math.log(1 + negatives.shape[1])
        assert ((temperature * value - expected).abs() <= bound + 1e-12).all()


def test_the_limit_of_cold_is_that_of_the_formula():
    t, gap = sp.symbols("t gap", positive=True)
    one = symbolic.INFO_NCE.subs({symbolic.B: 1, symbolic.K: 1, symbolic.tau: t}).doit()
    for sign, expected in ((1, gap), (-1, 0)):
        pair = {symbolic.noise[1, 1]: sign * gap, symbolic.match[1]: 0}
        assert sp.limit(t * one.xreplace(pair).doit().subs(gap, 2), t, 0, "+") == (
            expected.subs(gap, 2) if sign > 0 else 0
        )


def test_at_a_high_temperature_it_asks_for_nothing():
    features, template, negatives = faces()
    features.requires_grad_()
    value = info_nce_loss(features, template, negatives, temperature=1e9)
    assert value.item() == pytest.approx(math.log(1 + negatives.shape[1]))
    assert torch.autograd.grad(value, features)[0].abs().max() < 1e-8


def test_the_gradient_is_a_softmax_pull():
    features, template, negatives = faces(batch=1)
    features = (features / features.norm()).requires_grad_()
    value = info_nce_loss(features, template, negatives, temperature=0.2)
    (gradient,) = torch.autograd.grad(value, features)
    match, noise = cosines(features, template, negatives)
    share = torch.softmax(torch.cat([match[:, None], noise], 1) / 0.2, 1).detach()
    units = torch.cat([template[:, None], negatives], 1)
    units = units / units.norm(dim=-1, keepdim=True)
    pull = ((share[..., None] * units).sum(1) - units[:, 0]) / 0.2
    tangential = pull - (pull * features).sum(-1, keepdim=True) * features
    torch.testing.assert_close(gradient, tangential.detach())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("temperature", [1e-37, 1e-20, 1e-3, 1.0, 1e20, 1e37])
@pytest.mark.parametrize("tile", [None, 2])
def test_at_any_temperature_nothing_is_nan(dtype, temperature, tile):
    given = [tensor.to(dtype).requires_grad_() for tensor in faces()]
    value = info_nce_loss(*given, temperature=temperature, tile=tile)
    assert not value.isnan()
    for gradient in torch.autograd.grad(value, given):
        assert not gradient.isnan().any()


@pytest.mark.own_errors
def test_a_temperature_whose_inverse_is_no_number_is_refused():
    given = [tensor.float() for tensor in faces()]
    with pytest.raises(ValueError, match=r"inverse is no number of torch.float32, got 1e-40"):
        info_nce_loss(*given, temperature=1e-40)
    assert info_nce_loss(*faces(), temperature=1e-40).isfinite()


# Distances --------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", [feature_l2_loss, center_loss])
def test_normalised_a_distance_is_two_minus_two_cosines_and_raw_it_is_not(form):
    features, template, _ = faces()
    match = torch.cosine_similarity(features, template)
    got = form(features, template, normalized=True, reduction="none")
    torch.testing.assert_close(got, 2 - 2 * match)
    torch.testing.assert_close(form(5 * features, template, normalized=True), got.mean())
    assert not torch.isclose(form(5 * features, template), form(features, template))
    zero = form(0 * features, template, normalized=True, reduction="none")
    torch.testing.assert_close(zero, torch.ones_like(zero))


def test_a_distance_that_is_not_squared_pulls_alike_from_near_and_far():
    template = torch.zeros(3, 2)
    features = torch.tensor([[3e20, 4e20], [3e-30, 4e-30], [0.0, 0.0]], requires_grad=True)
    losses = feature_l2_loss(features, template, squared=False, reduction="none")
    torch.testing.assert_close(losses, torch.tensor([5e20, 5e-30, 0.0]))
    (gradient,) = torch.autograd.grad(losses.sum(), features)
    torch.testing.assert_close(gradient, torch.tensor([[0.6, 0.8], [0.6, 0.8], [0.0, 0.0]]))


def test_a_perfect_reconstruction_costs_no_pixel():
    pictures = torch.rand(2, 3, 4, 4)
    assert pixel_loss(pictures, pictures.clone()) == 0
    torch.testing.assert_close(
        pixel_loss(pictures, 0 * pictures, weight=torch.tensor([1.0, 0.0])),
        pictures[0].square().mean(),
    )


# Values, weights, pickles -----------------------------------------------------------------------


def test_check_values_says_what_is_hardly_meant():
    features, template, negatives = faces()
    own = negatives.clone()
    own[2, 1] = 3 * template[2]
    for form in (cosine_margin_loss, info_nce_loss):
        with lossbook.check_values(), pytest.warns(UserWarning, match="sample 2 .* at index 1"):
            form(features, template, own)
        in_batch = r"sample 0 itself, at index 0: the loss pushes away what it pulls"
        with lossbook.check_values(), pytest.warns(UserWarning, match=in_batch):
            form(features, template, template)
        with lossbook.check_values(), pytest.warns(UserWarning, match="features holds a zero"):
            form(0 * features, template, negatives)
    features.requires_grad_(False)
    swapped = "template requires a gradient and features does not"
    with lossbook.check_values(), pytest.warns(UserWarning, match=swapped):
        feature_l2_loss(features, template.requires_grad_())


def test_a_weight_of_two_is_two_samples():
    features, template, negatives = faces(batch=3)
    twice = [torch.cat([each, each[:1]]) for each in (features, template, negatives)]
    weight = torch.tensor([2.0, 1.0, 1.0], dtype=torch.float64)
    for form in (cosine_margin_loss, info_nce_loss):
        torch.testing.assert_close(form(features, template, negatives, weight=weight), form(*twice))


@pytest.mark.parametrize("module", [CosineMarginLoss(mining="all"), InfoNCELoss(tile=2)])
def test_a_module_can_be_copied_and_pickled(module):
    given = faces()
    for other in (copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
        assert torch.equal(other(*given), module(*given))
        assert re.fullmatch(r"\w+\(.*\)", repr(other))


@pytest.mark.parametrize("mining", ["hardest", "mean", "random", "all"])
@pytest.mark.compiles
def test_every_mining_compiles_to_one_graph(mining):
    torch.compiler.reset()
    compiled = torch.compile(CosineMarginLoss(mining=mining), fullgraph=True, backend="aot_eager")
    for batch in (3, 4):
        given = [tensor.requires_grad_() for tensor in faces(batch=batch, count=1)]
        value, expected = compiled(*given), CosineMarginLoss(mining=mining)(*given)
        torch.testing.assert_close(value, expected)
        for got, wanted in zip(
            torch.autograd.grad(value, given), torch.autograd.grad(expected, given), strict=True
        ):
            torch.testing.assert_close(got, wanted)


@pytest.mark.compiles
def test_compiled_under_autocast_nothing_is_rounded():
    torch.compiler.reset()
    given = [tensor.float() for tensor in faces(dims=64)]
    expected = info_nce_loss(*given)
    compiled = torch.compile(info_nce_loss, fullgraph=True, backend="aot_eager")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(compiled(*given), expected)


@pytest.mark.own_errors
def test_pixels_of_another_range_are_told_of(recwarn):
    picture = torch.rand(4, 3, 8, 8)
    other = picture.flip(0)
    with lossbook.check_values():
        for input, target in ((255 * picture, other), (picture, 255 * other)):
            with pytest.warns(
                UserWarning, match="deviation of 7.*0 to 255 and the other in 0 to 1"
            ):
                pixel_loss(input, target)
        recwarn.clear()
        pixel_loss(49 * picture, other)
        pixel_loss(picture, torch.zeros_like(other))
        pixel_loss(picture[:0], other[:0])
        hidden = torch.tensor([0.0, 1.0, 1.0, 1.0])
        spoilt = torch.cat([1000 * picture[:1], picture[1:]])
        for weight in (hidden, hidden > 0):
            pixel_loss(spoilt, other, weight=weight)
        spoilt[0] = torch.nan
        pixel_loss(spoilt, other, weight=hidden)
    assert not recwarn
