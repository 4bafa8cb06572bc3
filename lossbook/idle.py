"""Terms that count in a total and train nothing, as what they are made from lost its graph."""

from collections.abc import Mapping

import torch
from torch import Tensor

from lossbook import checks

_FIX = "compute what it is made from without no_grad or detach, or give it the weight 0"
_FIX_OF_SEVERAL = _FIX.replace("it is", "they are").replace("give it", "give them")


def look_for_idle(
    terms: Mapping[str, Tensor],
    weights: Mapping[str, float | Tensor],
    fixes: Mapping[str, str] | None = None,
) -> None:
    """Warn, inside ``check_values``, of a term with a weight and no graph beside others with one.

    Where gradients are off, or no term has one, nothing is trained at all. A term under a learned
    weight trains that.

    Args:
        terms: of one total.
        weights: of those to compare, under the same names.
        fixes: what to do about some of the terms.
    """
    if not torch.is_grad_enabled() or not checks.checking_values(*terms.values()):
        return
    counted = {
        name: terms[name]
        for name, weight in weights.items()
        if not isinstance(weight, Tensor) and weight != 0
    }
    idle = [name for name, term in counted.items() if not term.requires_grad]
    if not 0 < len(idle) < len(counted):
        return
    other = next(name for name in counted if name not in idle)
    by_fix: dict[str, list[str]] = {}
    for name in idle:
        by_fix.setdefault((fixes or {}).get(name, ""), []).append(name)
    for fix, (name, *more) in by_fix.items():
        if more:
            listed = ", ".join(map(repr, (name, *more)))
            checks.warn(
                f"the terms {listed} have weights and no graph, while {other!r} has one: they "
                f"count and train nothing; {fix or _FIX_OF_SEVERAL}"
            )
        else:
            checks.warn(
                f"the term {name!r} has the weight {weights[name]:.4g} and no graph, while "
                f"{other!r} has one: it counts and trains nothing; {fix or _FIX}"
            )
