"""The weight λ(t) of a feature loss: four schedules, and an object that steps through one."""

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal, get_args, overload

import torch
from torch import Tensor

from lossbook import checks
from lossbook.advice import instead_of_name

Formula = Callable[[Tensor], Tensor]
ScheduleName = Literal["linear", "sigmoid", "staged", "combined"]

# The ends of the first two stages, as shares of the total: as the source has them, not thirds.
STAGES = (0.33, 0.67)
_LEVELS = (0.1, 0.5, 1.0)


@overload
def linear_schedule(t: int | float, total: int | float, *, maximum: int | float = ...) -> float: ...
@overload
def linear_schedule(t: Tensor, total: int | float, *, maximum: int | float = ...) -> Tensor: ...
@overload
def linear_schedule(t: Any, total: int | float, *, maximum: int | float = ...) -> Any: ...
def linear_schedule(t: Any, total: int | float, *, maximum: int | float = 1.0) -> Any:
    r"""λ(t) = maximum * t / total.

    What scheme B of the source says it takes the place of. Before 0 and beyond ``total`` it keeps
    its value there, as all schedules here do.

    Args:
        t: the time: a number, a tensor or a numpy array of any shape. Training counts it upwards;
            in diffusion, where it falls from noise to picture, pass ``total - t``.
        total: where it ends, above 0, in the unit of ``t``.
        maximum: λ there.

    Returns:
        λ, of the type and shape of ``t``, without unit; a float for an integer.

    Raises:
        TypeError: for a ``t`` of another kind, or options that are no numbers.
        ValueError: for a ``t`` that is not finite, or a total that is not above 0.

    Example:
        >>> linear_schedule(25, 100)
        0.25

    References:
        Source note: the baseline.
    """
    checks.number(-math.inf, maximum=maximum)
    return _apply(t, total, lambda share: maximum * share)


@overload
def sigmoid_schedule(
    t: int | float, total: int | float, *, k: int | float = ..., midpoint: float = ...
) -> float: ...
@overload
def sigmoid_schedule(
    t: Tensor, total: int | float, *, k: int | float = ..., midpoint: float = ...
) -> Tensor: ...
@overload
def sigmoid_schedule(
    t: Any, total: int | float, *, k: int | float = ..., midpoint: float = ...
) -> Any: ...
def sigmoid_schedule(
    t: Any, total: int | float, *, k: int | float = 10, midpoint: float = 0.5
) -> Any:
    r"""λ(t) = 1 / (1 + exp(-k (t / total - midpoint))).

    .. math::
        \lambda(t) = \frac{1}{1 + e^{-k (t - t_{mid}) / t_{total}}}

    Scheme B. It neither starts at 0 nor ends at 1: from 0.0067 to 0.9933 for k = 10, from 0.076 to
    0.924 for k = 5.

    Args:
        t: as for :func:`linear_schedule`.
        total: as for :func:`linear_schedule`.
        k: how steep it is, 5 to 10 in the source.
        midpoint: where λ is a half, as a share of the total.

    Returns:
        λ, of the type and shape of ``t``, without unit; a float for an integer.

    Raises:
        TypeError: for a ``t`` of another kind, or options that are no numbers.
        ValueError: for a ``t`` that is not finite, or a total that is not above 0.

    Example:
        >>> sigmoid_schedule(50, 100)
        0.5

    References:
        Source note: scheme B.
    """
    checks.number(-math.inf, k=k, midpoint=midpoint)
    return _apply(t, total, lambda share: torch.sigmoid(k * (share - midpoint)))


@overload
def staged_schedule(
    t: int | float, total: int | float, *, levels: Sequence[float] = ...
) -> float: ...
@overload
def staged_schedule(t: Tensor, total: int | float, *, levels: Sequence[float] = ...) -> Tensor: ...
@overload
def staged_schedule(t: Any, total: int | float, *, levels: Sequence[float] = ...) -> Any: ...
def staged_schedule(t: Any, total: int | float, *, levels: Sequence[float] = _LEVELS) -> Any:
    r"""λ(t) = 0.1, then 0.5 from 0.33 total on, then 1 from 0.67 total on.

    Scheme E. The source gives the end of a stage to both of its neighbours; here a stage is
    half-open and begins with its own value.

    Args:
        t: as for :func:`linear_schedule`.
        total: as for :func:`linear_schedule`.
        levels: λ in each of the three stages.

    Returns:
        λ, of the type and shape of ``t``, without unit; a float for an integer.

    Raises:
        TypeError: for a ``t`` of another kind, or options that are no numbers.
        ValueError: for a ``t`` that is not finite, a total that is not above 0, or another number
            of levels than three.

    Example:
        >>> [staged_schedule(t, 100) for t in (0, 32, 33, 66, 67, 100)]
        [0.1, 0.1, 0.5, 0.5, 1.0, 1.0]

    References:
        Source note: scheme E.
    """
    early, middle, late = _several("levels", levels, 3)
    return _apply(t, total, lambda share: _staged(share, *(
        torch.full_like(share, level) for level in (early, middle, late)
    )))  # fmt: skip


@overload
def combined_schedule(
    t: int | float,
    total: int | float,
    *,
    smooth: bool = ...,
    midpoints: Sequence[float] = ...,
    widths: Sequence[float] = ...,
) -> float: ...
@overload
def combined_schedule(
    t: Tensor,
    total: int | float,
    *,
    smooth: bool = ...,
    midpoints: Sequence[float] = ...,
    widths: Sequence[float] = ...,
) -> Tensor: ...
@overload
def combined_schedule(
    t: Any,
    total: int | float,
    *,
    smooth: bool = ...,
    midpoints: Sequence[float] = ...,
    widths: Sequence[float] = ...,
) -> Any: ...
def combined_schedule(
    t: Any,
    total: int | float,
    *,
    smooth: bool = False,
    midpoints: Sequence[float] = (0.165, 0.5),
    widths: Sequence[float] = (0.1, 0.1),
) -> Any:
    r"""λ(t) = a sigmoid up to 0.1, one up to 0.5, then 1 - 0.5 exp(...): a piece for each stage.

    .. math::
        \lambda(t) = \begin{cases}
        0.1\,\sigma\bigl((t - t_1)/k_1\bigr) & t < 0.33\,T \\
        0.5\,\sigma\bigl((t - t_2)/k_2\bigr) & 0.33\,T \le t < 0.67\,T \\
        1 - 0.5\,e^{-(t - 0.67\,T)/(0.33\,T)} & t \ge 0.67\,T
        \end{cases}

    The compromise of the source, which calls it smooth. As documented it jumps at both ends of a
    stage, downwards at the first (from 0.084 to 0.077 here), and ends at 0.816.

    With ``smooth=True`` each piece keeps its form, and is shifted and stretched to begin where the
    one before it ends: continuous and rising, 0 at 0, 0.1 and 0.5 at the ends of the stages, 1 at
    the total.

    Args:
        t: as for :func:`linear_schedule`.
        total: as for :func:`linear_schedule`.
        smooth: False (default, as documented), or True.
        midpoints: :math:`t_1` and :math:`t_2` as shares of the total; the source gives no numbers,
            these are the middles of the stages.
        widths: :math:`k_1` and :math:`k_2` as shares of the total, above 0; not in the source.

    Returns:
        λ, of the type and shape of ``t``, without unit; a float for an integer.

    Raises:
        TypeError: for a ``t`` of another kind, or options of another type.
        ValueError: for a ``t`` that is not finite, a total or a width that is not above 0.

    Example:
        >>> [round(combined_schedule(t, 100), 3) for t in (0, 32.9, 33, 66.9, 67, 100)]
        [0.016, 0.084, 0.077, 0.422, 0.5, 0.816]
        >>> [round(combined_schedule(t, 100, smooth=True), 3) for t in (0, 33, 67, 100)]
        [0.0, 0.1, 0.5, 1.0]

    References:
        Source note: the compromise among its recipes.
    """
    checks.flag(smooth=smooth)
    places = _several("midpoints", midpoints, 2)
    spans = _several("widths", widths, 2)
    for width in spans:
        checks.number(exclusive=True, widths=width)

    def formula(share: Tensor) -> Tensor:
        first, second = (
            torch.sigmoid((share - place) / span) for place, span in zip(places, spans, strict=True)
        )
        fading = torch.exp(-(share - STAGES[1]) / (1 - STAGES[1]))
        if not smooth:
            return _staged(share, 0.1 * first, 0.5 * second, 1 - 0.5 * fading)
        ends = [_sigmoid((end - places[i]) / spans[i]) for i, end in ((0, 0.0), (0, STAGES[0]))]
        ends += [_sigmoid((end - places[1]) / spans[1]) for end in STAGES]
        risen = _staged(
            share,
            0.1 * (first - ends[0]) / (ends[1] - ends[0]),
            0.1 + 0.4 * (second - ends[2]) / (ends[3] - ends[2]),
            0.5 + 0.5 * (1 - fading) / (1 - math.exp(-1)),
        )
        # Rounded, it may leave the range by the last digit.
        return risen.clamp(0, 1)

    return _apply(t, total, formula)


_SCHEDULES: dict[str, Callable[..., Any]] = {
    "linear": linear_schedule,
    "sigmoid": sigmoid_schedule,
    "staged": staged_schedule,
    "combined": combined_schedule,
}


class LambdaSchedule:
    """Steps through a schedule λ(t), as a learning-rate scheduler does: ``step()`` once a step.

    In a plain loop call :meth:`step` after the optimiser's; in Lightning in
    ``on_train_batch_end``, or wherever the epochs count. :class:`InversionLoss` reads its
    ``value``, goes on with it by a ``step()`` of its own, and keeps where it is in its
    ``state_dict``.

    Args:
        schedule: ``"linear"``, ``"sigmoid"``, ``"staged"``, ``"combined"``, or a function of a
            time and the total that returns a number.
        total: how many steps it takes, above 0. Beyond them λ keeps its last value.
        options: of the schedule, by name.

    Attributes:
        t: how many steps were taken.
        value: λ now, a float.

    Raises:
        TypeError: for a schedule of another kind, options that it does not have, or a total that is
            no number.
        ValueError: for an unknown name, or a total that is not above 0.

    Example:
        >>> schedule = LambdaSchedule("linear", 4, maximum=0.5)
        >>> schedule.value
        0.0
        >>> [schedule.step() for _ in range(5)]
        [0.125, 0.25, 0.375, 0.5, 0.5]
    """

    def __init__(
        self,
        schedule: ScheduleName | Callable[..., int | float],
        total: int | float,
        **options: Any,
    ) -> None:
        if isinstance(schedule, str):
            if schedule not in _SCHEDULES:
                known = list(get_args(ScheduleName))
                raise ValueError(
                    f"there is no schedule {schedule!r}; {instead_of_name(schedule, known)}"
                )
        elif not callable(schedule):
            raise TypeError(
                f"schedule must be a name or a function of t and total, got "
                f"{type(schedule).__name__}; of one number pass lambda_schedule=0.5 instead"
            )
        checks.number(exclusive=True, total=total)
        self.schedule = schedule
        self.total = total
        self.options = options
        self.t: int | float = 0
        self.value = self._at(0)

    def step(self, t: int | float | None = None) -> float:
        """Go one step on, or to a time.

        Args:
            t: the time to go to; by default the next.

        Returns:
            λ there.
        """
        if t is not None:
            checks.number(-math.inf, t=t)
        self.t = self.t + 1 if t is None else t
        self.value = self._at(self.t)
        return self.value

    def _at(self, t: int | float) -> float:
        of = _SCHEDULES[self.schedule] if isinstance(self.schedule, str) else self.schedule
        found: Any = of(t, self.total, **self.options)
        checks.number(schedule=found)
        return float(found)

    def state_dict(self) -> dict[str, Any]:
        """Where it is, for a checkpoint, and of which schedule."""
        return {"t": self.t, "schedule": self._called(), "total": self.total}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go to where it was; a state of another schedule or total is warned of."""
        self.step(state_dict["t"])
        # States of older versions have the time alone.
        was = {"schedule": self._called(), "total": self.total} | state_dict
        if was["schedule"] != self._called() or was["total"] != self.total:
            checks.warn(
                f"this state is of the schedule {was['schedule']!r} with the total {was['total']}, "
                f"and goes on at t = {self.t} of {self._called()!r} with the total {self.total}; "
                f"make both alike, or go to the time that is meant: LambdaSchedule.step(t)"
            )

    def _called(self) -> str:
        name = self.schedule
        return name if isinstance(name, str) else getattr(name, "__name__", type(name).__name__)

    def __repr__(self) -> str:
        named = "".join(f", {name}={value!r}" for name, value in self.options.items())
        return f"LambdaSchedule({self.schedule!r}, {self.total!r}{named})"


def _staged(share: Tensor, early: Tensor, middle: Tensor, late: Tensor) -> Tensor:
    return early.where(share < STAGES[0], middle.where(share < STAGES[1], late))


def _sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def _several(name: str, numbers: Sequence[float], count: int) -> list[float]:
    if isinstance(numbers, str) or not isinstance(numbers, Sequence):
        raise TypeError(f"{name} must be {count} numbers, got {type(numbers).__name__}")
    if len(numbers) != count:
        raise ValueError(f"{name} must be {count} numbers, got {len(numbers)}")
    for number in numbers:
        called: dict[str, Any] = {f"each of {name}": number}
        checks.number(-math.inf, **called)
    return list(numbers)


def _apply(t: Any, total: int | float, formula: Formula) -> Any:
    """A formula of the share of the total that has passed, for what is a time."""
    checks.number(exclusive=True, total=total)
    found: Any
    if isinstance(t, Tensor):
        time = t if t.is_floating_point() else t.to(torch.get_default_dtype())
        found = formula((time / total).clamp(0, 1))
    elif hasattr(t, "__array__") and not isinstance(t, float):
        array: Any = t
        time = torch.as_tensor(array)
        time = time if time.is_floating_point() else time.double()
        # A number of numpy comes back as one.
        found = formula((time / total).clamp(0, 1)).numpy()[()]
    else:
        checks.number(-math.inf, t=t)
        share: Any = t
        found = formula(torch.tensor(share / total, dtype=torch.float64).clamp(0, 1)).item()
    result: Any = found
    return result
