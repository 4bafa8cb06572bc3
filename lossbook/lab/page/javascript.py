"""Sympy expressions as JavaScript: one expression, or many that share their common parts."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import sympy
from sympy.printing.jscode import JavascriptCodePrinter

Names: TypeAlias = Mapping[sympy.Basic, str]

_PLAIN = {
    "log1p": "Math.log1p",
    "expm1": "Math.expm1",
    "log10": "Math.log10",
    "hypot": "Math.hypot",
}

SUM = "const S=(a,b,f)=>{let t=0;for(let i=a;i<=b;i++)t+=f(i);return t};"
"""What a printed sum calls."""


class _Printer(JavascriptCodePrinter):  # type: ignore[misc]
    """Knows sums, NaN, and arrays whose indices count from 1 as in the book's formulas."""

    def __init__(self, arrays: Mapping[sympy.IndexedBase, str]) -> None:
        super().__init__({"user_functions": _PLAIN, "human": False, "contract": False})
        self.arrays = arrays

    def _print_Float(self, expr: sympy.Float) -> str:  # noqa: N802
        return repr(float(expr)).removesuffix(".0")

    def _print_NaN(self, expr: sympy.Basic) -> str:  # noqa: N802
        return "NaN"

    def _print_Infinity(self, expr: sympy.Basic) -> str:  # noqa: N802
        return "Infinity"

    def _print_Indexed(self, expr: sympy.Indexed) -> str:  # noqa: N802
        indices = "".join(f"[{self._print(index)}]" for index in expr.indices)
        return f"{self.arrays[expr.base]}{indices}"

    def _print_Sum(self, expr: sympy.Sum) -> str:  # noqa: N802
        code = str(self._print(expr.function))
        for counter, first, last in expr.limits:
            code = f"S({self._print(first)},{self._print(last)},({counter})=>{code})"
        return code


def javascript(expr: sympy.Basic, names: Names) -> str:
    """One JavaScript expression for a sympy expression.

    Args:
        expr: Expression or condition in the symbols of `names`; it may have sums over integers
            and indexed symbols.
        names: What each symbol, and each array, is called in JavaScript.

    Returns:
        Code on one line. A sum calls ``S``, see :data:`SUM`; the index 1 of an array is the 1 of
        JavaScript, so its entry 0 is not used.

    Raises:
        ValueError: If a function has no counterpart in JavaScript, or a ``Piecewise`` leaves out
            a case.
    """
    expr = sympy.sympify(expr)
    counters = {limit[0] for total in expr.atoms(sympy.Sum) for limit in total.limits}
    # A counter may be called `in`, and one sum may stand in another.
    arrays = {base: name for base, name in names.items() if isinstance(base, sympy.IndexedBase)}
    renamed = {s: sympy.Symbol(n) for s, n in names.items() if s not in arrays} | {
        counter: sympy.Symbol(f"i{index}")
        for index, counter in enumerate(sorted(counters, key=_named))
        if counter not in names
    }
    constants, unsupported, code = _Printer(arrays).doprint(expr.xreplace(renamed))
    if unsupported:
        missing = ", ".join(sorted(str(f) for f in unsupported))
        raise ValueError(f"JavaScript has no {missing}, so {expr} cannot be put on a slider")
    code = " ".join(code.split())
    for symbol, digits in sorted(constants, key=str):
        code = re.sub(rf"\b{symbol}\b", digits, code)
    return code


def javascript_block(exprs: Sequence[sympy.Basic], names: Names) -> str:
    """Statements that return an array of all values, where common parts are computed once.

    Args:
        exprs: Expressions, as for :func:`javascript`.
        names: What each symbol, and each array, is called in JavaScript.

    Returns:
        The body of a function.

    Raises:
        ValueError: As for :func:`javascript`.
    """
    # A part of a sum's inside may hold its counter, so sums are taken out before and left whole.
    totals: dict[Any, sympy.Symbol] = {}
    known = dict(names)

    def taken_out(expr: sympy.Expr) -> sympy.Expr:
        for total in sorted(_outermost_sums(expr), key=sympy.default_sort_key):
            if total not in totals:
                totals[total] = sympy.Dummy("total", real=True)
                known[totals[total]] = f"t{len(totals)}"
            expr = expr.xreplace({total: totals[total]})
        return expr

    whole = [taken_out(sympy.sympify(expr)) for expr in exprs]
    statements = [f"const {known[s]}={javascript(total, names)};" for total, s in totals.items()]
    shared, reduced = sympy.cse(whole, symbols=sympy.numbered_symbols("common", sympy.Dummy))
    for index, (symbol, expr) in enumerate(shared):
        statements.append(f"const c{index}={javascript(expr, known)};")
        known[symbol] = f"c{index}"
    values = ",".join(javascript(expr, known) for expr in reduced)
    return f"{''.join(statements)}return[{values}]"


def _named(counter: sympy.Symbol) -> tuple[str, str]:
    """Orders counters; those of one name differ in what is assumed of them."""
    return str(counter), str(sorted(counter.assumptions0.items()))


def _outermost_sums(expr: sympy.Basic) -> set[sympy.Sum]:
    if isinstance(expr, sympy.Sum):
        return {expr}
    return {total for argument in expr.args for total in _outermost_sums(argument)}
