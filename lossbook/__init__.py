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


if not TYPE_CHECKING:  # A type checker would take every misspelt name for one of these.

    def __getattr__(name: str) -> Any:
        """Import a chapter when it is first asked for: the package stays as quick as its core."""
        if name in __all__:
            return importlib.import_module(f"lossbook.{name}")
        raise AttributeError(f"module 'lossbook' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
