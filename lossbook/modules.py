"""What the modules of all losses share: options by keyword, printed as they were given."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from torch import Tensor, nn

from lossbook.advice import instead_of_option
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


def _refuse_positions(loss: str, args: Sequence[Any], known: Sequence[str]) -> NoReturn:
    if any(isinstance(value, Tensor) for value in args):
        came = ", ".join(
            f"a tensor {tuple(value.shape)}" if isinstance(value, Tensor) else repr(value)
            for value in args
        )
        raise TypeError(
            f"{loss} takes its options by keyword, got {came}; make the loss first, then call it: "
            f"{loss}()(...). Its options are {', '.join(known)}"
        )
    raise TypeError(
        f"{loss} takes its options by keyword, got {tuple(args)!r}; they are {', '.join(known)}"
    )


class _OfTheClass:
    """The options of a class for help and documentation, which would show those of ``__new__``.

    What is called of an instance is its ``forward``.
    """

    def __init__(self, signature: inspect.Signature) -> None:
        self.signature = signature

    def __get__(self, instance: Any, owner: type) -> inspect.Signature:
        if instance is not None:
            raise AttributeError("__signature__")
        return self.signature


class LossModule(nn.Module):
    """A loss as a module, whose options are attributes of the same names.

    Raises:
        TypeError: for options, or in a call for a weight, that are not passed by keyword.
    """

    __signature__: ClassVar[Any]
    _known: tuple[str, ...] = ()
    _by_position = 0
    _any_name = True
    _beyond = ""

    def __init_subclass__(cls, **options: Any) -> None:
        """Let a mask by position be refused in words, and options that it does not have."""
        super().__init_subclass__(**options)
        if "forward" in vars(cls):
            cls.forward = weight_by_name(cls.forward, beyond=cls._beyond)
        known = list(inspect.signature(cls.__init__).parameters.values())[1:]
        cls.__signature__ = _OfTheClass(inspect.Signature(known))
        cls._known = tuple(option.name for option in known)
        cls._by_position = sum(option.kind is option.POSITIONAL_OR_KEYWORD for option in known)
        cls._any_name = any(option.kind is option.VAR_KEYWORD for option in known)

    def __new__(cls, *args: Any, **options: Any) -> Self:
        """Refuse options by position or of another name, naming those that there are."""
        if len(args) > cls._by_position:
            _refuse_positions(cls.__name__, args, cls._known)
        for name in options:
            if name not in cls._known and not cls._any_name:
                advice = instead_of_option(name, cls._known)
                raise TypeError(f"{cls.__name__} takes no option {name!r}; {advice}")
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
