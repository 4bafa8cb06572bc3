"""How losses are called: tensors by position, a weight and options by name."""

import functools
import inspect
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

Called = TypeVar("Called", bound=Callable[..., Any])


def weight_by_name(function: Called) -> Called:
    """Let a function say ``weight=`` where a mask came by position; Python's own error only counts.

    Args:
        function: a loss, a metric, or the ``forward`` of a module. One that takes no weight by
            name is returned as it is.
    """
    options = inspect.signature(function).parameters
    if "weight" not in options or options["weight"].kind is not inspect.Parameter.KEYWORD_ONLY:
        return function
    count = sum(option.kind is option.POSITIONAL_OR_KEYWORD for option in options.values())

    @functools.wraps(function)
    def call(*args: Any, **named: Any) -> Any:
        if len(args) > count:
            _refuse(function, len(args))
        return function(*args, **named)

    return call  # type: ignore[return-value]


def _refuse(function: Callable[..., Any], came: int) -> NoReturn:
    options = inspect.signature(function).parameters.values()
    taken = [option.name for option in options if option.kind is option.POSITIONAL_OR_KEYWORD]
    named = [option.name for option in options if option.kind is option.KEYWORD_ONLY]
    name = function.__qualname__.removesuffix(".forward")
    if taken[0] == "self":
        taken, came = taken[1:], came - 1
    others = [option for option in named if option != "weight"]
    also = f", and by name also {', '.join(others)}" if others else ""
    raise TypeError(
        f"{name} takes {len(taken)} by position, {' and '.join(taken)}, got {came}; pass a mask or "
        f"weight as weight={also}"
    )
