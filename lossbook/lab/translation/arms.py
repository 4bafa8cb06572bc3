"""What is compared: the note's losses, whole, with one thing changed, and broken on purpose."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["ARMS", "CONFIGURED", "KINDS", "STEADY", "STEPS_PER_EPOCH", "Arm"]

STEPS_PER_EPOCH = 40
"""Steps after which the log has another row."""

STEADY = 1e9
"""Epochs in which the weight of the diversity would fall to 0: it does not."""


@dataclass(frozen=True)
class Arm:
    """A way to train.

    Attributes:
        discriminator: options of `lossbook.translation.DiscriminatorLoss`.
        generator: options of `lossbook.translation.GeneratorLoss`.
        rate_of_d: the discriminator's learning rate, in those of the others.
        rate_of_f: the mapping network's, likewise.
        blind: whether the discriminator is given zeros in place of letters.
        scaled: whether latents are brought to a standard deviation of 1.
        clipped: whether the discriminator's hinge has its relu.
        drawn_as_theirs: whether batches are drawn as in the note's code: the target's domain is
            never the content's, both noises of the diversity are draws of their own, and a step
            of the discriminator and the next one of the others share a batch.
    """

    discriminator: Mapping[str, Any] = field(default_factory=dict)
    generator: Mapping[str, Any] = field(default_factory=dict)
    rate_of_d: float = 1.0
    rate_of_f: float = 1.0
    blind: bool = False
    scaled: bool = True
    clipped: bool = True
    drawn_as_theirs: bool = False


def _arm(
    discriminator: Mapping[str, Any] | None = None,
    generator: Mapping[str, Any] | None = None,
    **options: Any,
) -> Arm:
    return Arm(
        {"w_r1": 0.1} | dict(discriminator or {}),
        {"ds_decay_epochs": STEADY} | dict(generator or {}),
        **options,
    )


ARMS: dict[str, Arm] = {
    "documented": _arm(generator={"ds_decay_epochs": 20}),
    "documented, identity": _arm(generator={"ds_decay_epochs": 20, "w_id": 1.0}),
    "documented, slow F": _arm(generator={"ds_decay_epochs": 20}, rate_of_f=0.01),
    "steady": _arm(),
    "steady, twice": _arm(generator={"w_ds": 2.0}),
    "no diversity": _arm(generator={"w_ds": 0.0}),
    "margin": _arm(generator={"ds_margin": 0.3}),
    "no R1": _arm({"w_r1": 0.0}),
    "R1 every step": _arm({"r1_interval": 1}),
    "R1 never due": _arm({"r1_interval": 64, "steps_per_epoch": STEPS_PER_EPOCH}),
    "R1 times 16": _arm({"w_r1": 1.6}),
    "R1 times 100": _arm({"w_r1": 10.0}),
    "no style": _arm(generator={"w_sty": 0.0}),
    "no cycle": _arm(generator={"w_cyc": 0.0}),
    "identity": _arm(generator={"w_id": 1.0}),
    "unscaled": _arm(scaled=False),
    "frozen D": _arm(rate_of_d=0.0),
    "blind D": _arm(blind=True),
    "no relu": _arm(clipped=False),
}
"""All but the first three keep the weight of the diversity, so that what else they change can show:

- ``"documented"``: the note's losses, all weights 1 but R1's, the diversity's falling to 0 in 20
  epochs; ``"documented, identity"`` with that term, ``"documented, slow F"`` with the mapping
  network at a hundredth of the others' rate, as in StarGAN v2;
- ``"steady"``, ``"steady, twice"``: the same without the fall, with a weight of 1 and of 2;
- ``"no ..."``: steady without a term; ``"margin"`` with one of 0.3, ``"identity"`` with that term;
- ``"R1 ..."``: in every step; at an interval longer than an epoch, with the counter that starts
  anew; sixteen times and a hundred times as strong;
- ``"unscaled"``: latents as the autoencoder gives them;
- ``"frozen D"``, ``"blind D"``, ``"no relu"``: a discriminator that is never updated, one that is
  given zeros in place of letters, and one whose hinge has lost its relu.
"""

_YAML: dict[str, Any] = {"ds_decay_epochs": 20, "ds_margin": 1.5}

CONFIGURED: dict[str, Arm] = {
    name: _arm({"w_r1": 2.0}, {"w_id": w_id} | _YAML, rate_of_f=0.01, drawn_as_theirs=True)
    for name, w_id in (("configured", 1.0), ("configured, no identity", 0.0))
}
"""What the note's code trains with, as ``configs/stargan_v2_latent.yaml`` has it at the commit that
the note describes (``lr_mapping`` is a hundredth of ``lr_g``); and the same without identity."""

KINDS: Mapping[str, str] = {
    "identity": "healthy",
    "documented": "collapsed",
    "no cycle": "content lost",
    "R1 times 100": "smothered discriminator",
    "frozen D": "dead discriminator",
    "no relu": "no relu",
}
"""Arms whose logs are to be told apart, and what is to be said of them."""
