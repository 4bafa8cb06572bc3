"""Scheme D: gradients that are compared inside of a loss, and the graph that this needs."""

import pytest
import torch
from torch import nn

from lossbook.inversion import (
    GuidanceConsistencyLoss,
    feature_l2_loss,
    guidance_consistency_loss,
    info_nce_loss,
)

FORMS = ("documented", "residual", "cosine")


def networks(seed=0):
    """A generator of pictures, and an encoder of them that is twice differentiable."""
    torch.manual_seed(seed)
    generator = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 12), nn.Unflatten(1, (3, 4)))
    encoder = nn.Sequential(nn.Flatten(), nn.Linear(12, 6), nn.Tanh(), nn.Linear(6, 4))
    encoder.requires_grad_(False)
    return generator.double(), encoder.double()


def templates(batch=5):
    return torch.randn(batch, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def rebuilt(seed=0):
    generator, encoder = networks(seed)
    template = templates()
    noise = torch.randn(5, 3, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    picture = generator(noise)
    features = encoder(picture)
    return generator, picture, features, template, torch.cosine_similarity(features, template)


def one_at_a_time(of, picture):
    rows = [
        torch.autograd.grad(each, picture, retain_graph=True)[0][i] for i, each in enumerate(of)
    ]
    return torch.stack(rows).flatten(1)


@pytest.mark.parametrize("form", FORMS)
def test_it_is_the_difference_of_the_gradients_of_each_sample(form):
    _, picture, features, template, similarity = rebuilt()
    losses = feature_l2_loss(features, template, reduction="none")
    first, second = one_at_a_time(losses, picture), one_at_a_time(similarity, picture)
    expected = {
        "documented": (first - second).norm(dim=1),
        "residual": (first + second).norm(dim=1),
        "cosine": 1 + torch.cosine_similarity(first, second),
    }[form]
    got = guidance_consistency_loss(picture, losses, similarity, form=form, reduction="none")
    torch.testing.assert_close(got, expected)
    mean = GuidanceConsistencyLoss(form=form)(picture, losses, similarity)
    torch.testing.assert_close(mean, expected.mean())


def test_for_one_minus_the_similarity_the_documented_form_is_twice_the_guidance():
    _, picture, _, _, similarity = rebuilt()
    guidance = one_at_a_time(similarity, picture).norm(dim=1)
    found = {
        form: guidance_consistency_loss(
            picture, 1 - similarity, similarity, form=form, reduction="none"
        )
        for form in FORMS
    }
    torch.testing.assert_close(found["documented"], 2 * guidance)
    nothing = torch.zeros_like(guidance)
    torch.testing.assert_close(found["residual"], nothing)
    torch.testing.assert_close(found["cosine"], nothing)
    opposed = guidance_consistency_loss(picture, similarity, similarity, form="cosine")
    assert opposed.item() == pytest.approx(2)


def test_minimising_the_documented_form_takes_the_guidance_away_and_the_angle_does_not():
    kept = {}
    for form in ("documented", "cosine"):
        generator, *_ = rebuilt()
        _, encoder = networks()
        noise = torch.randn(5, 3, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
        optimizer = torch.optim.Adam(generator.parameters(), lr=0.03)
        sizes = []
        for _ in range(60):
            picture = generator(noise)
            similarity = torch.cosine_similarity(encoder(picture), templates())
            sizes.append(one_at_a_time(similarity, picture).norm(dim=1).mean().item())
            loss = guidance_consistency_loss(picture, 1 - similarity, similarity, form=form)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        kept[form] = sizes[-1] / sizes[0]
    assert kept["documented"] < 0.5
    assert kept["cosine"] > 0.9


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.long
def test_its_gradient_reaches_the_network_that_made_the_picture(form):
    generator, _ = networks()
    _, encoder = networks()
    noise = torch.randn(2, 3, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    names, values = zip(*generator.named_parameters(), strict=True)
    template = templates(2)

    def loss(*parameters):
        picture = torch.func.functional_call(
            generator, dict(zip(names, parameters, strict=True)), noise
        )
        features = encoder(picture)
        losses = feature_l2_loss(features, template, reduction="none")
        similarity = torch.cosine_similarity(features, template)
        return guidance_consistency_loss(picture, losses, similarity, form=form)

    assert torch.autograd.gradcheck(loss, values)


def test_losses_with_negatives_and_tiles_can_be_guided_too():
    _, picture, features, template, similarity = rebuilt()
    negatives = torch.randn(7, 4, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    found = []
    for tile in (None, 3):
        losses = info_nce_loss(features, template, negatives, tile=tile, reduction="none")
        loss = guidance_consistency_loss(picture, losses, similarity, form="cosine")
        found.append((loss, torch.autograd.grad(loss, picture, retain_graph=True)[0]))
    torch.testing.assert_close(found[1], found[0])
    assert found[0][1].any()


def test_a_masked_sample_contributes_nothing_whatever_it_holds():
    _, picture, features, template, similarity = rebuilt()
    losses = feature_l2_loss(features, template, reduction="none")
    mask = torch.tensor([True, False, True, True, False])
    each = guidance_consistency_loss(picture, losses, similarity, reduction="none")
    got = guidance_consistency_loss(picture, losses, similarity, weight=mask)
    torch.testing.assert_close(got, each[mask].mean())
    spoilt = losses * torch.where(mask, 1.0, torch.nan)
    got = guidance_consistency_loss(picture, spoilt, similarity, weight=mask)
    torch.testing.assert_close(got, each[mask].mean())
    (gradient,) = torch.autograd.grad(got, picture)
    assert gradient[mask].isfinite().all()


def test_a_picture_that_is_a_leaf_and_half_precision():
    template = templates().half()
    picture = torch.randn(5, 4, generator=torch.Generator().manual_seed(0)).half().requires_grad_()
    similarity = torch.cosine_similarity(picture, template)
    loss = guidance_consistency_loss(picture, 1 - similarity, similarity)
    assert loss.dtype == torch.float32
    assert torch.autograd.grad(loss, picture)[0].isfinite().all()


# What is not there ------------------------------------------------------------------------------


@pytest.mark.own_errors
def test_what_lacks_a_graph_is_told_and_what_to_do():
    generator, picture, features, template, similarity = rebuilt()
    losses = feature_l2_loss(features, template, reduction="none")
    with pytest.raises(ValueError, match=r"^input must require .* not detached, or call input"):
        guidance_consistency_loss(picture.detach(), losses, similarity)
    for apart in (similarity.detach(), torch.cosine_similarity(features.detach(), template)):
        with pytest.raises(ValueError, match=r"^similarity must depend on input.*encoder\(input\)"):
            guidance_consistency_loss(picture, losses, apart)
    copied = picture.detach().requires_grad_()
    with pytest.raises(ValueError, match="^feature_losses must depend on input.*from this very"):
        guidance_consistency_loss(copied, losses, similarity)
    other = next(generator.parameters()).sum() + torch.zeros(5, dtype=torch.float64)
    with pytest.raises(ValueError, match="^feature_losses must depend on input"):
        guidance_consistency_loss(picture, other, similarity)
    with torch.no_grad(), pytest.raises(ValueError, match=r"inside torch.enable_grad\(\)"):
        guidance_consistency_loss(picture, losses, similarity)


@pytest.mark.own_errors
def test_a_mean_over_the_batch_is_refused():
    _, picture, features, template, similarity = rebuilt()
    losses = feature_l2_loss(features, template, reduction="none")
    with pytest.raises(
        ValueError, match=r"feature_losses must have shape \(B,\).*got \(\); .*reduction='none'"
    ):
        guidance_consistency_loss(picture, losses.mean(), similarity)
    with pytest.raises(ValueError, match=r"similarity must .*got \(5, 4\).*flatten\(1\)"):
        guidance_consistency_loss(picture, losses, features)
    with pytest.raises(ValueError, match=r"similarity must have shape \(B,\).*got \(4,\)"):
        guidance_consistency_loss(picture, losses, similarity[:4])
    with pytest.raises(ValueError, match="documented, residual, cosine; got 'angle'"):
        guidance_consistency_loss(picture, losses, similarity, form="angle")
    with pytest.raises(TypeError, match="float64"):
        guidance_consistency_loss(picture, losses, similarity.float())
