"""What a scene computes: its formulas as Python for the first picture, then as JavaScript."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import sympy

from lossbook.lab.page.formulas import Number, evaluate
from lossbook.lab.page.javascript import SUM, javascript, javascript_block
from lossbook.lab.page.pieces import Pieces, gradient_pieces, pieces
from lossbook.lab.page.strokes import Function, minimum, plain


@dataclass(frozen=True)
class Minimum:
    """Where a formula is least: a number of the scene that other formulas may use.

    Attributes:
        expr: What is made small.
        variable: By moving this symbol.
        start: Where the search begins.
        stop: Where it ends.
    """

    expr: sympy.Expr
    variable: sympy.Symbol
    start: Number
    stop: Number


@dataclass(frozen=True)
class Recurrence:
    """Numbers each of which follows from those before it; formulas use them as arrays.

    Attributes:
        start: The first entry of every indexed symbol.
        step: Its entry after the one at `counter`, as a formula of `counter` and of the entries
            there.
        counter: A whole number from 1.
        count: How many entries there are.
    """

    start: Mapping[sympy.IndexedBase, sympy.Expr | Number]
    step: Mapping[sympy.IndexedBase, sympy.Expr | Number]
    counter: sympy.Symbol
    count: int

    def __post_init__(self) -> None:
        if not self.start or set(self.start) != set(self.step):
            raise ValueError("what recurs needs a start and a step for each of its numbers")


@dataclass(frozen=True)
class Curve:
    """A formula of one more variable, ready to be drawn in Python and in the page."""

    f: Function
    breaks: list[float]
    javascript: str
    breaks_javascript: str


class Program:
    """Collects the formulas of a scene.

    Args:
        start: The symbols that the reader moves, with their first values.
        minima: Further symbols, each of which may use those before it.
        arrays: Numbers that indexed symbols stand for; indices count from 1.
        recurrences: Numbers that follow from one another; each may use those before it.
    """

    def __init__(
        self,
        start: Mapping[sympy.Symbol, Number],
        minima: Mapping[sympy.Symbol, Minimum],
        arrays: Mapping[sympy.IndexedBase, npt.ArrayLike],
        recurrences: Sequence[Recurrence] = (),
    ) -> None:
        self.arrays = dict(arrays)
        self.names: dict[sympy.Basic, str] = {base: f"d{i}" for i, base in enumerate(arrays)}
        self.state: dict[sympy.Symbol, float] = {}
        self._numbers: dict[sympy.Expr, int] = {}
        self._minima: list[str] = []
        self._recurring: list[sympy.IndexedBase] = []
        self._recurrences: list[str] = []
        for symbol, value in start.items():
            self._add(symbol, float(value))
        for symbol, least in minima.items():
            span = (float(least.start), float(least.stop))
            height = self.curve(pieces(least.expr, least.variable))
            slope = self.curve(gradient_pieces(least.expr, least.variable))
            self._minima.append(
                f"[{height.javascript},{slope.javascript},{height.breaks_javascript},"
                f"{plain(span[0])},{plain(span[1])}]"
            )
            self._add(symbol, minimum(height.f, slope.f, height.breaks, span))
        for recurrence in recurrences:
            self._recur(recurrence)

    def _add(self, symbol: sympy.Symbol, value: float) -> None:
        self.names[symbol] = f"s[{len(self.state)}]"
        self.state[symbol] = value

    def _recur(self, given: Recurrence) -> None:
        bases = list(given.start)
        starts = [sympy.sympify(given.start[base]) for base in bases]
        steps = [sympy.sympify(given.step[base]) for base in bases]
        here = {base[given.counter]: sympy.Dummy(str(base), real=True) for base in bases}
        symbols = [given.counter, *here.values(), *self.state]
        follow = [evaluate(step.xreplace(here), symbols, self.arrays) for step in steps]
        state = list(self.state.values())
        rows = [[self.value(start) for start in starts]]
        for k in range(1, given.count):
            rows.append([float(entry(k, *rows[-1], *state)) for entry in follow])
        self.names |= {base: f"d{len(self.arrays) + i}" for i, base in enumerate(bases)}
        self.arrays |= dict(zip(bases, np.array(rows).T, strict=True))
        self._recurring += bases
        self._recurrences.append(
            f"[{self.function(starts)},{self.function(steps, {given.counter: 'k'})},"
            f"{given.count},[{','.join(self.names[base] for base in bases)}]]"
        )

    def moves(self, *exprs: sympy.Expr | Number) -> bool:
        """Whether any of the expressions changes when the reader moves something."""
        moved = {*self.state, *(base.label for base in self._recurring)}
        return any(moved & sympy.sympify(expr).free_symbols for expr in exprs)

    def index(self, expr: sympy.Expr | Number) -> int:
        """The place of an expression among the numbers that the page computes."""
        return self._numbers.setdefault(sympy.sympify(expr), len(self._numbers))

    def value(self, expr: sympy.Expr | Number) -> float:
        """Its value in the first picture."""
        expr = sympy.sympify(expr)
        if expr.is_Number:
            return float(expr)
        function = evaluate(expr, list(self.state), self.arrays)
        return float(function(*self.state.values()))

    def places(
        self,
        place: tuple[sympy.Expr | Number, sympy.Expr | Number],
        variable: sympy.Symbol,
        numbers: Iterable[int],
    ) -> list[tuple[float, float]]:
        """Where the numbered places of a formula are in the first picture."""
        at, state = np.array(list(numbers), dtype=np.float64), self.state.values()
        symbols = [variable, *self.state]
        x, y = (evaluate(sympy.sympify(v), symbols, self.arrays)(at, *state) for v in place)
        return list(zip(x.tolist(), y.tolist(), strict=True))

    def curve(self, parts: Pieces) -> Curve:
        """A formula in one more variable."""
        symbols = [parts.variable, parts.inside, *self.state]
        whole = evaluate(parts.formula, symbols, self.arrays)
        state = list(self.state.values())
        edges = [evaluate(e, list(self.state), self.arrays)(*state) for e in parts.breaks]
        names = self.names | {parts.variable: "x", parts.inside: "m"}
        code = javascript(parts.formula, names)
        where = ",".join(javascript(e, self.names) for e in parts.breaks)
        return Curve(
            lambda at, inside: float(whole(at, inside, *state)),
            [float(edge) for edge in edges if np.isfinite(edge)],
            f"(x,m,s)=>{code}",
            f"(s)=>[{where}]",
        )

    def function(
        self, exprs: Sequence[sympy.Expr], arguments: Mapping[sympy.Symbol, str] | None = None
    ) -> str:
        """A JavaScript function that returns the values of expressions."""
        arguments = arguments or {}
        body = javascript_block(exprs, self.names | dict(arguments))
        return f"({','.join([*arguments.values(), 's'])})=>{{{body}}}"

    def constants(self) -> str:
        """What stands before the formulas: the sum and the arrays."""
        arrays = [
            f"const {self.names[base]}={_nested(np.asarray(values, dtype=np.float64))};"
            for base, values in self.arrays.items()
            if base not in self._recurring
        ]
        arrays += [f"const {self.names[base]}=[];" for base in self._recurring]
        return SUM + "".join(arrays)

    def minima(self) -> str:
        """The array of searches."""
        return f"[{','.join(self._minima)}]"

    def recurrences(self) -> str:
        """What recurs, if anything does: its start, its step, how often, and where it is kept."""
        return f"recurrences:[{','.join(self._recurrences)}]," if self._recurrences else ""

    def values(self) -> str:
        """The function that computes every number that was asked for."""
        return self.function(list(self._numbers))


def _nested(values: npt.NDArray[np.float64]) -> str:
    """An array in JavaScript whose entries count from 1."""
    entries = [plain(float(v)) if values.ndim == 1 else _nested(v) for v in values]
    return f"[,{','.join(entries)}]"
