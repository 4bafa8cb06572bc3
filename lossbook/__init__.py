"""Five real training-loss designs, derived, audited and usable as PyTorch functions."""

from lossbook import registry
from lossbook.checks import check_values
from lossbook.terms import LossTerms

__all__ = ["LossTerms", "check_values", "registry"]
__version__ = "0.2.0"
