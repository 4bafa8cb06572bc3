"""One sympy expression as mathematics, as its derivative, as a numpy function."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import sympy

# Not just `float`: the tests check annotations at run time, where an int is no float.
Number: TypeAlias = float | int
Limits: TypeAlias = tuple[Number, Number]
Array: TypeAlias = npt.NDArray[np.float64]


def latex(expr: sympy.Expr) -> str:
    r"""LaTeX of an expression in the book's notation, where the natural logarithm is ``\ln``.

    Args:
        expr: Any sympy expression.

    Returns:
        LaTeX without dollar signs.
    """
    return str(sympy.latex(expr, ln_notation=True))


@dataclass(frozen=True)
class Equation:
    """An equation that a notebook typesets; made by :func:`equation`."""

    lhs: str
    rhs: sympy.Expr

    def __repr__(self) -> str:
        return f"{self.lhs} = {self.rhs}"

    def _repr_latex_(self) -> str:
        return f"$${self.lhs} = {latex(self.rhs)}$$"


def equation(lhs: str, rhs: sympy.Expr) -> Equation:
    r"""Equation with a typed left side and a computed right side.

    Args:
        lhs: LaTeX, without dollar signs.
        rhs: The expression that it equals.

    Returns:
        An object that a notebook shows as displayed mathematics.

    Example:
        >>> equation(r"\ell(x)", sympy.Abs(sympy.Symbol("x")))
        \ell(x) = Abs(x)
    """
    return Equation(lhs, sympy.sympify(rhs))


def derivative(expr: sympy.Expr, variable: sympy.Symbol) -> sympy.Expr:
    """Derivative almost everywhere: kinks give ``sign``, jumps of the value give nothing.

    Args:
        expr: An expression in real numbers; its symbols need not say that they are real.
        variable: The symbol to differentiate by.

    Returns:
        An expression in the same symbols that can be evaluated.

    Raises:
        ValueError: If sympy cannot differentiate the expression.
    """
    expr = sympy.sympify(expr)
    real = {s: sympy.Dummy(s.name, real=True) for s in expr.free_symbols | {variable}}
    slope = sympy.diff(expr.xreplace(real), real[variable])
    slope = slope.replace(sympy.DiracDelta, lambda *_: sympy.S.Zero).rewrite(
        sympy.Heaviside, sympy.Piecewise
    )
    if slope.has(sympy.Derivative, sympy.Subs):
        raise ValueError(f"sympy has no derivative of {expr} by {variable}")
    return slope.xreplace({new: old for old, new in real.items()})


def evaluate(
    expr: sympy.Expr,
    symbols: Sequence[sympy.Symbol],
    arrays: Mapping[sympy.IndexedBase, npt.ArrayLike] | None = None,
) -> Callable[..., Array]:
    """Float64 function of a sympy expression, without warnings at its singular points.

    Args:
        expr: Expression in `symbols`.
        symbols: The arguments, in order.
        arrays: Values of indexed symbols, whose indices count from 1.

    Returns:
        A function of arrays that broadcast together; a constant is broadcast too.

    Raises:
        ValueError: If the expression has other free symbols.
    """
    expr = sympy.sympify(expr)
    entries: dict[str, Callable[..., Array]] = {}
    for base, values in (arrays or {}).items():
        entry = sympy.Function(f"entry{len(entries)}")
        entries[entry.__name__] = _entries(np.asarray(values, dtype=np.float64))
        found = {i: entry(*i.indices) for i in expr.atoms(sympy.Indexed) if i.base == base}
        expr = expr.xreplace(found)
    unknown = sorted(s.name for s in expr.free_symbols - set(symbols))
    if unknown:
        raise ValueError(
            f"unknown symbols {', '.join(unknown)}: {expr} may use only "
            f"{', '.join(s.name for s in symbols)}; substitute numbers for the others"
        )
    # Where one argument is a Dummy, lambdify would build the expression anew for every argument.
    plain = {
        symbol: sympy.Symbol(f"argument{index}", **symbol.assumptions0)
        for index, symbol in enumerate(symbols)
        if isinstance(symbol, sympy.Dummy)
    }
    function = sympy.lambdify(
        [plain.get(symbol, symbol) for symbol in symbols],
        expr.xreplace(plain),
        [entries, "scipy", "numpy"],
    )

    def call(*arguments: Array | Number) -> Array:
        arrays = np.broadcast_arrays(*(np.asarray(a, dtype=np.float64) for a in arguments))
        with np.errstate(all="ignore"):
            result = np.asarray(function(*arrays), dtype=np.float64)
        return np.array(np.broadcast_to(result, arrays[0].shape if arrays else ()))

    return call


def _entries(values: Array) -> Callable[..., Array]:
    def entry(*indices: Array | float | int) -> Array:
        return np.asarray(values[tuple(np.asarray(i, dtype=np.int64) - 1 for i in indices)])

    return entry
