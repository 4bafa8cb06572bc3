"""Hand pose: UTNet's 2D, 3D, prior and auxiliary losses, and the metrics of the field."""

from lossbook.hands.containers import HandLossWeights, HandPrediction, HandTarget
from lossbook.hands.losses import keypoint_2d_loss, keypoint_3d_loss, vertex_loss
from lossbook.hands.metrics import mpjpe, pa_mpjpe, pck_auc
from lossbook.hands.modules import (
    AuxiliaryLoss,
    Keypoint2DLoss,
    Keypoint3DLoss,
    ManoPriorLoss,
    RotationLoss,
    VertexLoss,
)
from lossbook.hands.priors import auxiliary_loss, mano_prior_loss, rotation_loss
from lossbook.hands.ranks import rank_shares
from lossbook.hands.total import HandLoss

__all__ = [
    "AuxiliaryLoss",
    "HandLoss",
    "HandLossWeights",
    "HandPrediction",
    "HandTarget",
    "Keypoint2DLoss",
    "Keypoint3DLoss",
    "ManoPriorLoss",
    "RotationLoss",
    "VertexLoss",
    "auxiliary_loss",
    "keypoint_2d_loss",
    "keypoint_3d_loss",
    "mano_prior_loss",
    "mpjpe",
    "pa_mpjpe",
    "pck_auc",
    "rank_shares",
    "rotation_loss",
    "vertex_loss",
]
