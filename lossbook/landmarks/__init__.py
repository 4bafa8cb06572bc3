"""Facial landmarks: SmoothL1, Wing and PFLD, and the metrics of the field."""

from lossbook.landmarks.losses import smooth_l1_loss, wing_constant, wing_loss
from lossbook.landmarks.metrics import ced_auc, failure_rate, nme
from lossbook.landmarks.modules import PFLDLoss, SmoothL1Loss, WingLoss
from lossbook.landmarks.pfld import attribute_weight, pfld_loss, pose_weight

__all__ = [
    "PFLDLoss",
    "SmoothL1Loss",
    "WingLoss",
    "attribute_weight",
    "ced_auc",
    "failure_rate",
    "nme",
    "pfld_loss",
    "pose_weight",
    "smooth_l1_loss",
    "wing_constant",
    "wing_loss",
]
