"""Five losses that people train with: derived, checked claim by claim, and ready for PyTorch."""

import difflib
import importlib
import importlib.util
import sys
from typing import TYPE_CHECKING, Any

from lossbook import registry
from lossbook.checks import check_values
from lossbook.ranks import rank_share
from lossbook.registry import create, list_losses
from lossbook.terms import LossTerms

if TYPE_CHECKING:
    from lossbook import hands, inversion, landmarks, losses, metrics, motion, translation

__all__ = [
    "LossTerms",
    "check_values",
    "create",
    "hands",
    "inversion",
    "landmarks",
    "list_losses",
    "losses",
    "metrics",
    "motion",
    "rank_share",
    "registry",
    "translation",
]
__version__ = "0.2.0"


if not TYPE_CHECKING:  # A type checker would take every misspelt name for one of these.

    def __getattr__(name: str) -> Any:
        """Import a chapter when it is first asked for: the package stays as quick as its core."""
        if name in __all__:
            return importlib.import_module(f"lossbook.{name}")
        written = " or ".join(f"from {home} import {name}" for home in _homes(name))
        fix = f"; write: {written}" if written else _meant(name)
        reason = f"module 'lossbook' has no attribute {name!r}{fix}"
        # Of an AttributeError, `from lossbook import name` would drop the reason.
        if fix and sys._getframe(1).f_code.co_name == "_handle_fromlist":
            raise ImportError(reason, name="lossbook")
        raise AttributeError(reason)

    def _is_no_name(name: str) -> bool:
        """Whether it is private, or a module that Python imports by itself."""
        if name.startswith("_") or not name.isidentifier():
            return True
        return importlib.util.find_spec(f"lossbook.{name}") is not None

    def _meant(name: str) -> str:
        """What to say of a name that is nearly one of the package's."""
        close = difflib.get_close_matches(name, __all__, n=1, cutoff=0.85)
        return f"; did you mean {close[0]!r}?" if close and not _is_no_name(name) else ""

    def _homes(name: str) -> list[str]:
        """The chapters of a public name, if it is one."""
        if _is_no_name(name):
            return []
        homes = (f"lossbook.{chapter}" for chapter in registry.chapters())
        return [home for home in homes if name in importlib.import_module(home).__all__]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
