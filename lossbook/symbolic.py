"""What the chapters' ``symbolic.py`` share: sizes, counters and the writing out of sums."""

from typing import Any

import sympy as sp

B, N = sp.symbols("B N", integer=True, positive=True)
"""Samples in a batch, points of a sample. Counters run from 1."""

b, n, k = sp.symbols("b n k", integer=True, positive=True)
"""Counters of samples, points and coordinates."""


def fill(formula: sp.Expr, values: dict[sp.IndexedBase, Any], **sizes: int) -> sp.Expr:
    """Write out the sums of a formula and put values in place of its indexed symbols.

    Args:
        formula: with indexed symbols and sums over counters from 1.
        values: for each indexed symbol an array of numbers or expressions.
        sizes: values of the integer symbols that are left, such as ``B`` and ``N``, by name.
    """
    written_out = formula.subs(
        {sp.Symbol(s, integer=True, positive=True): v for s, v in sizes.items()}
    )
    written_out = written_out.doit()
    return written_out.xreplace(
        {
            entry: sp.sympify(values[entry.base][tuple(int(i) - 1 for i in entry.indices)])
            for entry in written_out.atoms(sp.Indexed)
        }
    )
