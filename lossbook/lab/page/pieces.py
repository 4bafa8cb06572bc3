"""A formula piece by piece: where it may bend or jump, and its exact limit from either side.

Two variables make that possible: the formula is evaluated at ``x``, but every condition, sign and
absolute value asks ``m``. With ``m`` inside a piece and ``x`` at its end, that is the limit.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import sympy
from sympy.core.relational import Relational

from lossbook.lab.page.formulas import derivative

_MOST_BRANCHES = 64


@dataclass(frozen=True)
class Pieces:
    """A formula with its breaks; made by :func:`pieces`.

    Attributes:
        formula: In `variable` and `inside`; equal to the original where `inside` equals `variable`.
        variable: Where it is evaluated.
        inside: A point of the piece that is meant.
        breaks: Expressions in the other symbols, some of which may not be real numbers. Between
            two neighbouring breaks the formula is one smooth piece.
    """

    formula: sympy.Expr
    variable: sympy.Symbol
    inside: sympy.Symbol
    breaks: tuple[sympy.Expr, ...]


def pieces(expr: sympy.Expr, variable: sympy.Symbol, breaks: tuple[sympy.Expr, ...] = ()) -> Pieces:
    """Take a formula apart at its kinks and jumps.

    Args:
        expr: An expression in real numbers.
        variable: The symbol along the horizontal axis.
        breaks: Where the formula breaks, beside what is found.

    Returns:
        The formula and its breaks.

    Raises:
        ValueError: If a condition is not polynomial of degree 1 or 2 in `variable`, and no
            `breaks` are given; if a sum counts with `variable`, whose conditions would then not.
    """
    counters = {
        limit[0] for total in sympy.sympify(expr).atoms(sympy.Sum) for limit in total.limits
    }
    if variable in counters:
        raise ValueError(
            f"a sum counts with {variable}, which is drawn along: give it its own symbol"
        )
    expr = sympy.sympify(expr).rewrite([sympy.Max, sympy.Min, sympy.Heaviside], sympy.Piecewise)
    inside = sympy.Dummy("m", real=True)
    found: set[sympy.Expr] = set()
    whole = expr.doit() if expr.has(sympy.Sum) else expr
    for switch in sorted(_switches(whole, variable), key=sympy.default_sort_key):
        roots = _roots(switch, variable)
        if roots is None and not breaks:
            raise ValueError(
                f"{switch} = 0 has no simple solution for {variable}: name the breaks of {expr}"
            )
        found |= set(roots or ())
    for pole in sorted(_poles(whole, variable), key=sympy.default_sort_key):
        found |= set(_roots(pole, variable) or ())
    every = (*breaks, *sorted(found - set(breaks), key=sympy.default_sort_key))
    return Pieces(_split(expr, variable, inside), variable, inside, every)


def gradient_pieces(
    expr: sympy.Expr, variable: sympy.Symbol, breaks: tuple[sympy.Expr, ...] = ()
) -> Pieces:
    """:func:`pieces` of the derivative, which breaks where the formula bends."""
    return pieces(derivative(expr, variable), variable, breaks)


def _split(expr: sympy.Basic, variable: sympy.Symbol, inside: sympy.Symbol) -> sympy.Basic:
    """Let every condition, sign and absolute value ask `inside`."""
    if expr == variable or not expr.has(variable):
        return expr
    if isinstance(expr, (sympy.sign, Relational)):
        return expr.xreplace({variable: inside})
    if isinstance(expr, sympy.Abs):
        (argument,) = expr.args
        turned = _split(argument, variable, inside)
        return sympy.Piecewise((-turned, argument.xreplace({variable: inside}) < 0), (turned, True))
    return expr.func(*(_split(argument, variable, inside) for argument in expr.args))


def _switches(expr: sympy.Basic, variable: sympy.Symbol) -> set[sympy.Expr]:
    """What is 0 where the formula passes from one piece to the next."""
    bent = expr.atoms(sympy.Abs, sympy.sign)
    found = {node.args[0] for node in bent} | {r.lhs - r.rhs for r in expr.atoms(Relational)}
    return {switch for switch in found if switch.has(variable)}


def _poles(expr: sympy.Basic, variable: sympy.Symbol) -> set[sympy.Expr]:
    powers = {power.base for power in expr.atoms(sympy.Pow) if power.exp.is_negative}
    logs = {node.args[0] for node in expr.atoms(sympy.log)}
    return {pole for pole in powers | logs if pole.has(variable)}


def _roots(switch: sympy.Expr, variable: sympy.Symbol) -> list[sympy.Expr] | None:
    # A Dummy without assumptions, which would make sympy drop roots.
    free = sympy.Dummy("x")
    found: list[sympy.Expr] = []
    for index, branch in enumerate(_branches(switch.xreplace({variable: free}), free)):
        polynomial = branch.as_poly(free)
        if index == _MOST_BRANCHES or polynomial is None or polynomial.degree() > 2:
            return None
        if polynomial.degree() == 1:
            slope, constant = polynomial.all_coeffs()
            found.append(sympy.cancel(-constant / slope))
        elif polynomial.degree() == 2:
            a, b, c = polynomial.all_coeffs()
            root = sympy.sqrt(b**2 - 4 * a * c)
            found += [(-b - root) / (2 * a), (-b + root) / (2 * a)]
    return None if any(root.has(free) for root in found) else found


def _branches(expr: sympy.Expr, variable: sympy.Symbol) -> Iterator[sympy.Expr]:
    """The expression with every choice of the signs in it, and of its cases."""
    chosen = [
        node
        for node in expr.atoms(sympy.Abs, sympy.sign, sympy.Piecewise)
        if node.has(variable) and not node.args[0].has(sympy.Abs, sympy.sign, sympy.Piecewise)
    ]
    if not chosen:
        yield expr
        return
    node = min(chosen, key=sympy.default_sort_key)
    if isinstance(node, sympy.Abs):
        options = [-node.args[0], node.args[0]]
    elif isinstance(node, sympy.sign):
        options = [sympy.Integer(-1), sympy.Integer(1)]
    else:
        options = [case for case, _ in node.args]
    for option in options:
        yield from _branches(expr.xreplace({node: option}), variable)
