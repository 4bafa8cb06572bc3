"""How losses are called: tensors by position, a weight and options by name."""

import functools
import inspect
from collections.abc import Callable, Container, Mapping, Sequence
from typing import Any, NoReturn, TypeVar

from lossbook.advice import instead_of_missing, instead_of_option

Called = TypeVar("Called", bound=Callable[..., Any])


def weight_by_name(function: Called, *, beyond: str = "") -> Called:
    """Let a function say ``weight=`` where a mask came by position or by another name.

    Python's own error only counts. Where a tensor is missing that not every loss needs, it says
    which ones do not.

    Args:
        function: a loss, a metric, or the ``forward`` of a module. One that takes no weight by
            name is returned as it is.
        beyond: what to do about a further tensor by position that is no weight.
    """
    options = inspect.signature(function).parameters
    if "weight" not in options or options["weight"].kind is not inspect.Parameter.KEYWORD_ONLY:
        return function
    tensors = [o for o in options.values() if o.kind is o.POSITIONAL_OR_KEYWORD]
    count = len(tensors)
    needed = [option.name for option in tensors if option.default is option.empty]
    has_advice = bool(instead_of_missing(needed))
    known = tuple(options)  # the compiler of torch 2.8 knows tuples, and not what a signature holds

    def call(*args: Any, **named: Any) -> Any:
        if len(args) > count:
            _refuse(function, len(args), beyond)
        if has_advice and len(args) < len(needed):
            _look_for_missing(function, needed[len(args) :], named, known)
        for name in named:
            if name not in known:
                _refuse_name(function, name, known)
        return function(*args, **named)

    # torch.compile counts what it compiles by code object, up to eight times: one for each loss.
    call.__code__ = call.__code__.replace(co_name=function.__qualname__)
    return functools.update_wrapper(call, function)  # type: ignore[return-value]


def called_with(**options: str) -> Callable[[Called], Called]:
    """Let the ``forward`` of a module say what an argument by name is, where it was left out.

    Args:
        options: what to pass for each argument that has to be passed by name.
    """

    def wrap(function: Called) -> Called:
        parameters = inspect.signature(function).parameters.values()
        count = sum(option.kind is option.POSITIONAL_OR_KEYWORD for option in parameters)

        def call(*args: Any, **named: Any) -> Any:
            for name in options:
                if name not in named:
                    _ask_for(function, name, options[name], len(args) > count)
            return function(*args, **named)

        call.__code__ = call.__code__.replace(co_name=function.__qualname__)
        return functools.update_wrapper(call, function)  # type: ignore[return-value]

    return wrap


def _ask_for(function: Callable[..., Any], name: str, what: str, by_position: bool) -> NoReturn:
    came = f"takes {name} by name" if by_position else f"got no {name}"
    raise TypeError(f"{_name(function)} {came}; pass {name}=..., {what}")


def _refuse_name(function: Callable[..., Any], name: str, known: Sequence[str]) -> NoReturn:
    names = [option for option in known if option != "self"]
    raise TypeError(f"{_name(function)} takes no {name!r}; {instead_of_option(name, names)}")


def _refuse(function: Callable[..., Any], came: int, beyond: str) -> NoReturn:
    options = inspect.signature(function).parameters.values()
    taken = [option.name for option in options if option.kind is option.POSITIONAL_OR_KEYWORD]
    named = [option.name for option in options if option.kind is option.KEYWORD_ONLY]
    name = _name(function)
    if taken[0] == "self":
        taken, came = taken[1:], came - 1
    others = [option for option in named if option != "weight"]
    also = f", and by name also {', '.join(others)}" if others else ""
    raise TypeError(
        f"{name} takes {len(taken)} by position, {' and '.join(taken)}, got {came}; pass a mask or "
        f"weight as weight={also}{beyond and '; '}{beyond}"
    )


def _look_for_missing(
    function: Callable[..., Any],
    needed: Sequence[str],
    named: Mapping[str, Any],
    options: Container[str],
) -> None:
    # Loops, as the compiler of torch 2.8 can trace them here.
    missing = []
    for name in needed:
        if name not in named:
            missing.append(name)
    if not missing:
        return
    # A misspelt one is Python's to tell.
    for name in named:
        if name not in options:
            return
    fix = instead_of_missing(missing)
    if fix:
        raise TypeError(f"{_name(function)} got no {' and no '.join(missing)}; {fix}")


def _name(function: Callable[..., Any]) -> str:
    name = function.__qualname__.removesuffix(".forward")
    # A method of several modules is known by its own name.
    return name.rpartition(".")[2] if name.startswith("_") else name
