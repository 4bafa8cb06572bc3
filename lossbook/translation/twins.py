"""The formulas of the translation losses over the inputs of their cards, for the tests."""

from typing import Any

from lossbook.symbolic import fill
from lossbook.translation import symbolic
from lossbook.translation.examples import LINEAR, batch_of, networks_with


def style(pred_style: Any, target_style: Any) -> Any:
    """Twin of :func:`lossbook.translation.style_reconstruction_loss`."""
    return symbolic.mean_l1(pred_style, target_style)


def cycle(reconstructed: Any, original: Any) -> Any:
    """Twin of :func:`lossbook.translation.cycle_consistency_loss`."""
    return symbolic.mean_l1(reconstructed, original)


def identity(output: Any, original: Any) -> Any:
    """Twin of :func:`lossbook.translation.identity_loss`."""
    return symbolic.mean_l1(output, original)


def r1(gradient: Any, *, half: bool = False) -> Any:
    """Twin of :func:`lossbook.translation.r1_penalty`, of a gradient."""
    rows = gradient.reshape(len(gradient), -1)
    found = fill(symbolic.R1, {symbolic.gradient_: rows}, B=len(rows), M=rows.shape[1])
    return found / (2 if half else 1)


def approximate_r1(ahead: Any, behind: Any, *, sigma: Any = 0.01) -> Any:
    """Twin of :func:`lossbook.translation.approximate_r1_penalty`, of logits."""
    ends = (each.reshape(len(each), -1).sum(1) for each in (ahead, behind))
    values = dict(zip((symbolic.ahead_, symbolic.behind_), ends, strict=True))
    return fill(symbolic.APPROXIMATE_R1.subs(symbolic.sigma, sigma), values, B=len(ahead))


def generator(
    content: Any,
    x_ref: Any,
    z_trg: Any,
    z_2: Any,
    *,
    w_adv: Any = 1,
    w_sty: Any = 1,
    w_cyc: Any = 1,
    w_id: Any = 0,
    w_ds: Any = 1,
    ds_decay_epochs: Any = 20,
    ds_margin: Any = None,
    skip_unused: bool = False,
    monitor: bool = False,
) -> Any:
    """Twin of the total of :class:`lossbook.translation.GeneratorLoss`, in epoch 3."""
    del skip_unused, monitor
    make, encode, mapping, judge = LINEAR
    batch: Any = batch_of(content, x_ref, z_trg, z_2)
    y = batch.y_trg
    wanted: list[Any] = [encode(x_ref, y), mapping(z_trg, y)]
    fakes: list[Any] = [make(content, one) for one in wanted]
    source = encode(content, y)
    terms = {
        "adv": sum(symbolic.g_adversarial(judge(fake, y)) for fake in fakes),
        "sty": sum(
            symbolic.mean_l1(encode(fake, y), one) for fake, one in zip(fakes, wanted, strict=True)
        ),
        "cyc": sum(symbolic.mean_l1(make(fake, source), content) for fake in fakes),
        "id": symbolic.mean_l1(make(content, source), content),
        "ds": symbolic.diversity(fakes[1], make(content, mapping(z_2, y)), margin=ds_margin),
    }
    decayed = symbolic.diversity_weight(3, w_ds, ds_decay_epochs)
    values = dict(zip(symbolic.TERMS, terms.values(), strict=True))
    values |= dict(zip(symbolic.WEIGHTS, (w_adv, w_sty, w_cyc, w_id, decayed), strict=True))
    return symbolic.GENERATOR.xreplace(values)


def discriminator(content: Any, x_ref: Any, z_trg: Any, psi: Any, **options: Any) -> Any:
    """Twin of the total of :class:`lossbook.translation.DiscriminatorLoss` without R1."""
    del options
    make, encode, mapping, judge = networks_with(psi)
    real = judge(x_ref, content)
    ref, lat = (
        symbolic.d_hinge(real, judge(make(content, one), content))
        for one in (encode(x_ref, content), mapping(z_trg, content))
    )
    values = {symbolic.d_ref: ref, symbolic.d_lat: lat, symbolic.w: 0}
    return symbolic.DISCRIMINATOR.subs(values)
