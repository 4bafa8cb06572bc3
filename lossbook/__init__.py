"""Five real training-loss designs, derived, audited and usable as PyTorch functions."""

import importlib
from typing import TYPE_CHECKING, Any

from lossbook import registry
from lossbook.checks import check_values
from lossbook.registry import create, list_losses
from lossbook.terms import LossTerms

if TYPE_CHECKING:
    from lossbook import hands, landmarks, losses, metrics

__all__ = [
    "LossTerms",
    "check_values",
    "create",
    "hands",
    "landmarks",
    "list_losses",
    "losses",
    "metrics",
    "registry",
]
__version__ = "0.2.0"


# Chapters are imported when they are first asked for: the package stays as quick as its core.
def __getattr__(name: str) -> Any:
    if name in __all__:
        return importlib.import_module(f"lossbook.{name}")
    raise AttributeError(f"module 'lossbook' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
