"""The translation losses as one would type them from the note: what ours are timed against."""

import torch
import torch.nn.functional as F
from torch import Tensor

from lossbook.translation.batch import Networks, TranslationBatch
from lossbook.translation.examples import LINEAR, batch_of, networks_with


def d_hinge(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """Both hinges."""
    return torch.relu(1 - real_logits).mean() + torch.relu(1 + fake_logits).mean()


def g_adversarial(fake_logits: Tensor) -> Tensor:
    """Minus the mean."""
    return -fake_logits.mean()


def d_logistic(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """Two cross-entropies, as in StarGAN v2."""
    real = F.binary_cross_entropy_with_logits(real_logits, torch.ones_like(real_logits))
    return real + F.binary_cross_entropy_with_logits(fake_logits, torch.zeros_like(fake_logits))


def g_logistic(fake_logits: Tensor) -> Tensor:
    """One of them."""
    return F.binary_cross_entropy_with_logits(fake_logits, torch.ones_like(fake_logits))


def d_relativistic(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """Of the pairs, as in R3GAN."""
    return F.softplus(-(real_logits - fake_logits)).mean()


def g_relativistic(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """The other way round."""
    return F.softplus(-(fake_logits - real_logits)).mean()


def r1(gradient: Tensor) -> Tensor:
    """The mean of the squared lengths, of a gradient that is there."""
    return gradient.reshape(gradient.shape[0], -1).pow(2).sum(1).mean()


def r1_penalty(real_logits: Tensor, real_inputs: Tensor) -> Tensor:
    """The same, gradient included."""
    (gradient,) = torch.autograd.grad(
        outputs=real_logits.sum(), inputs=real_inputs, create_graph=True, retain_graph=True
    )
    return r1(gradient)


def approximate_r1(ahead: Tensor, behind: Tensor, *, sigma: float = 0.01) -> Tensor:
    """The square of a difference quotient."""
    slope = (ahead.reshape(len(ahead), -1) - behind.reshape(len(behind), -1)).sum(1) / (2 * sigma)
    return (slope**2).mean()


def style(pred_style: Tensor, target_style: Tensor) -> Tensor:
    """L1."""
    return torch.mean(torch.abs(pred_style - target_style))


def cycle(reconstructed: Tensor, original: Tensor) -> Tensor:
    """L1."""
    return torch.mean(torch.abs(reconstructed - original))


def identity(output: Tensor, original: Tensor) -> Tensor:
    """L1."""
    return torch.mean(torch.abs(output - original))


def diversity(fake_1: Tensor, fake_2: Tensor, *, margin: float | None = None) -> Tensor:
    """L1, clamped."""
    distance = torch.mean(torch.abs(fake_1 - fake_2))
    return distance if margin is None else torch.clamp(distance, max=margin)


def discriminator_total(
    networks: Networks,
    batch: TranslationBatch,
    *,
    step: int,
    w_r1: float = 1.0,
    r1_interval: int = 16,
) -> tuple[Tensor, Tensor]:
    """The note's step of the discriminator, literally: the loss and R1."""
    generator, encoder, mapping, discriminator = networks
    x_ref, y = batch.x_ref, batch.y_trg
    fake_ref = generator(batch.content, encoder(x_ref, y))
    loss_ref = d_hinge(discriminator(x_ref, y), discriminator(fake_ref.detach(), y))
    fake_lat = generator(batch.content, mapping(batch.z_trg, y))
    loss_lat = d_hinge(discriminator(x_ref, y), discriminator(fake_lat.detach(), y))
    loss = 0.5 * (loss_ref + loss_lat)
    penalty = torch.zeros((), device=loss.device)
    if step % r1_interval == 0:
        real = x_ref.detach().requires_grad_(True)
        with torch.autocast(real.device.type, enabled=False):
            penalty = r1_penalty(discriminator(real.float(), y), real)
        loss = loss + (w_r1 * r1_interval) * penalty
    return loss, penalty


def generator_total(
    networks: Networks,
    batch: TranslationBatch,
    *,
    epoch: int,
    w_adv: float = 1.0,
    w_sty: float = 1.0,
    w_cyc: float = 1.0,
    w_id: float = 0.0,
    w_ds: float = 1.0,
    ds_decay_epochs: int = 20,
    ds_margin: float | None = None,
) -> tuple[Tensor, dict[str, Tensor]]:
    """The note's step of the generator, literally: the loss, and what is logged."""
    generator, encoder, mapping, discriminator = networks
    content, y = batch.content, batch.y_trg
    z_1 = batch.z_trg if batch.z_1 is None else batch.z_1
    s_ref = encoder(batch.x_ref, y)
    fake_ref = generator(content, s_ref)
    s_lat = mapping(batch.z_trg, y)
    fake_lat = generator(content, s_lat)
    adv = g_adversarial(discriminator(fake_ref, y)) + g_adversarial(discriminator(fake_lat, y))
    sty = style(encoder(fake_ref, y), s_ref) + style(encoder(fake_lat, y), s_lat)
    fake_1, fake_2 = (generator(content, mapping(z, y)) for z in (z_1, batch.z_2))
    ds = diversity(fake_1, fake_2, margin=ds_margin)
    s_src = encoder(content, batch.y_src)
    cyc = cycle(generator(fake_ref, s_src), content) + cycle(generator(fake_lat, s_src), content)
    same = torch.zeros((), device=content.device)
    if w_id > 0:
        same = identity(generator(content, encoder(content, batch.y_src)), content)
    progress = min(max((epoch - 1) / ds_decay_epochs, 0.0), 1.0)
    total = w_adv * adv + w_sty * sty + w_cyc * cyc + w_id * same - w_ds * (1 - progress) * ds
    return total, {"g_adv": adv, "sty": sty, "ds": ds, "cyc": cyc, "id": same}


def flat_generator(content: Tensor, x_ref: Tensor, z_trg: Tensor, z_2: Tensor) -> Tensor:
    """The same with the networks of the card."""
    return generator_total(LINEAR, batch_of(content, x_ref, z_trg, z_2), epoch=3)[0]


def flat_discriminator(content: Tensor, x_ref: Tensor, z_trg: Tensor, psi: Tensor) -> Tensor:
    """The same with the networks of the card."""
    return discriminator_total(networks_with(psi), batch_of(content, x_ref, z_trg), step=1)[0]
