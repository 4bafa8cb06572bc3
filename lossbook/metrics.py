"""Every public metric of every chapter under one roof: ``from lossbook.metrics import nme``."""

from lossbook.hands import mpjpe, pa_mpjpe, pck_auc
from lossbook.landmarks import ced_auc, failure_rate, nme

__all__ = ["ced_auc", "failure_rate", "mpjpe", "nme", "pa_mpjpe", "pck_auc"]
