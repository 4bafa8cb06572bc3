"""Translation between domains of latents: the losses of StarGAN v2, and how they are logged."""

from lossbook.translation.batch import Networks, TranslationBatch
from lossbook.translation.files import load_latents
from lossbook.translation.losses import (
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
    identity_loss,
    r1_penalty,
    style_reconstruction_loss,
)
from lossbook.translation.meter import EpochMeter, log_of
from lossbook.translation.modules import (
    ApproximateR1Penalty,
    CycleConsistencyLoss,
    DHingeLoss,
    DiversityLoss,
    DLogisticLoss,
    DRelativisticLoss,
    GAdversarialLoss,
    GLogisticLoss,
    GRelativisticLoss,
    IdentityLoss,
    R1Penalty,
    StyleReconstructionLoss,
)
from lossbook.translation.schedules import lazy_adam
from lossbook.translation.total import DiscriminatorLoss, GeneratorLoss

__all__ = [
    "ApproximateR1Penalty",
    "CycleConsistencyLoss",
    "DHingeLoss",
    "DLogisticLoss",
    "DRelativisticLoss",
    "DiscriminatorLoss",
    "DiversityLoss",
    "EpochMeter",
    "GAdversarialLoss",
    "GLogisticLoss",
    "GRelativisticLoss",
    "GeneratorLoss",
    "IdentityLoss",
    "Networks",
    "R1Penalty",
    "StyleReconstructionLoss",
    "TranslationBatch",
    "approximate_r1_penalty",
    "cycle_consistency_loss",
    "d_hinge_loss",
    "d_logistic_loss",
    "d_relativistic_loss",
    "diversity_loss",
    "diversity_weight",
    "g_adversarial_loss",
    "g_logistic_loss",
    "g_relativistic_loss",
    "identity_loss",
    "lazy_adam",
    "load_latents",
    "log_of",
    "r1_penalty",
    "style_reconstruction_loss",
]
