"""Motion of a talking head: Ditto's position, velocity and acceleration losses, and metrics."""

from lossbook.motion.files import load_dim_weights, load_parts
from lossbook.motion.letters import Letter, by_letter
from lossbook.motion.losses import last_frame_loss, motion_l1, pva_loss
from lossbook.motion.metrics import MotionMetrics, motion_metrics
from lossbook.motion.modules import LastFrameLoss, MotionL1, MotionLoss, PVALoss
from lossbook.motion.parts import DITTO_PARTS, Part, Parts
from lossbook.motion.ranks import rank_shares

__all__ = [
    "DITTO_PARTS",
    "LastFrameLoss",
    "Letter",
    "MotionL1",
    "MotionLoss",
    "MotionMetrics",
    "PVALoss",
    "Part",
    "Parts",
    "by_letter",
    "last_frame_loss",
    "load_dim_weights",
    "load_parts",
    "motion_l1",
    "motion_metrics",
    "pva_loss",
    "rank_shares",
]
