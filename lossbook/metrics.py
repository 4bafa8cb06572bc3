"""Every public metric of every chapter under one roof: ``from lossbook.metrics import nme``."""

from lossbook.hands import mpjpe, pa_mpjpe, pck_auc
from lossbook.landmarks import ced_auc, failure_rate, nme
from lossbook.motion import MotionMetrics, motion_metrics

__all__ = [
    "MotionMetrics",
    "ced_auc",
    "failure_rate",
    "motion_metrics",
    "mpjpe",
    "nme",
    "pa_mpjpe",
    "pck_auc",
]
