"""What the modules of all losses share: options by keyword, printed as they were given."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from torch import nn

from lossbook.calls import weight_by_name

if TYPE_CHECKING:
    from typing import ParamSpec, Protocol, TypeVar

    from typing_extensions import Self

    Inputs = ParamSpec("Inputs")
    Result_co = TypeVar("Result_co", covariant=True)

    class Forward(Protocol[Inputs, Result_co]):
        """What has a ``forward``."""

        def forward(self, *args: Inputs.args, **kwargs: Inputs.kwargs) -> Result_co:
            """Compute."""


class LossModule(nn.Module):
    """A loss as a module, whose options are attributes of the same names.

    Raises:
        TypeError: for options, or in a call for a weight, that are not passed by keyword.
    """

    def __init_subclass__(cls, **options: Any) -> None:
        """Let a mask by position be refused in words."""
        super().__init_subclass__(**options)
        if "forward" in vars(cls):
            cls.forward = weight_by_name(cls.forward)

    def __new__(cls, *args: Any, **_: Any) -> Self:
        """Refuse options by position, naming them."""
        if args:
            known = list(inspect.signature(cls.__init__).parameters.values())[1:]
            if len(args) > sum(option.kind is option.POSITIONAL_OR_KEYWORD for option in known):
                raise TypeError(
                    f"{cls.__name__} takes its options by keyword, got {args!r}; they are "
                    f"{', '.join(option.name for option in known)}"
                )
        return super().__new__(cls)

    if TYPE_CHECKING:

        def __call__(
            self: Forward[Inputs, Result_co], *args: Inputs.args, **kwargs: Inputs.kwargs
        ) -> Result_co:
            """What ``forward`` takes and returns; torch's own would return anything."""

    def extra_repr(self) -> str:
        """The options, for printing."""
        names = list(inspect.signature(type(self).__init__).parameters)[1:]
        return ", ".join(f"{name}={getattr(self, name)!r}" for name in names)
