"""Face-template inversion: losses of pixels and features, schemes A to E, schedules and weights."""

from lossbook.inversion.guidance import guidance_consistency_loss
from lossbook.inversion.losses import (
    center_loss,
    cosine_margin_loss,
    feature_l2_loss,
    info_nce_loss,
    pixel_loss,
)
from lossbook.inversion.modules import (
    CenterLoss,
    CosineMarginLoss,
    FeatureL2Loss,
    GuidanceConsistencyLoss,
    InfoNCELoss,
    PixelLoss,
)
from lossbook.inversion.schedules import (
    LambdaSchedule,
    combined_schedule,
    linear_schedule,
    sigmoid_schedule,
    staged_schedule,
)
from lossbook.inversion.total import InversionLoss
from lossbook.inversion.weights import SigmoidTaskWeights, UncertaintyWeights

__all__ = [
    "CenterLoss",
    "CosineMarginLoss",
    "FeatureL2Loss",
    "GuidanceConsistencyLoss",
    "InfoNCELoss",
    "InversionLoss",
    "LambdaSchedule",
    "PixelLoss",
    "SigmoidTaskWeights",
    "UncertaintyWeights",
    "center_loss",
    "combined_schedule",
    "cosine_margin_loss",
    "feature_l2_loss",
    "guidance_consistency_loss",
    "info_nce_loss",
    "linear_schedule",
    "pixel_loss",
    "sigmoid_schedule",
    "staged_schedule",
]
