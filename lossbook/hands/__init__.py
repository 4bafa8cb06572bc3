"""Hand pose: UTNet's 2D, 3D, prior and auxiliary losses, and the metrics of the field."""

from lossbook.hands.losses import (
    HandLoss,
    HandLossWeights,
    HandPrediction,
    HandTarget,
    auxiliary_loss,
    keypoint_2d_loss,
    keypoint_3d_loss,
    mano_prior_loss,
    vertex_loss,
)
from lossbook.hands.metrics import mpjpe, pa_mpjpe, pck_auc

__all__ = [
    "HandLoss",
    "HandLossWeights",
    "HandPrediction",
    "HandTarget",
    "auxiliary_loss",
    "keypoint_2d_loss",
    "keypoint_3d_loss",
    "mano_prior_loss",
    "mpjpe",
    "pa_mpjpe",
    "pck_auc",
    "vertex_loss",
]
