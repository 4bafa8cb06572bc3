"""Collects the claims of a source note and what came out when each was checked."""

from collections.abc import Mapping
from dataclasses import dataclass

from lossbook.lab.page.tables import Table, table


@dataclass(frozen=True)
class Claim:
    """One claim and its verdict.

    Attributes:
        text: the claim.
        verdict: ``"holds"``, ``"does not hold"`` or ``"holds if ..."``.
        evidence: what was computed.
        by_note: whether the note says it; if not, it is a question that the note leaves open.
    """

    text: str
    verdict: str
    evidence: str
    by_note: bool = True


class Audit:
    """A list of checked claims.

    Example:
        >>> audit = Audit()
        >>> audit.check("squares are positive", {"x is not 0": 2**2 > 0, "x is 0": 0**2 > 0},
        ...             "2**2 = 4, 0**2 = 0")
        >>> audit.claims[0].verdict
        'holds if x is not 0'
    """

    def __init__(self) -> None:
        self.claims: list[Claim] = []

    def check(
        self,
        claim: str,
        outcome: bool | Mapping[str, bool],
        evidence: str,
        *,
        by_note: bool = True,
    ) -> None:
        """Record a claim with a verdict that follows from what was computed.

        Args:
            claim: in one sentence.
            outcome: whether it holds, or whether it does under each of some conditions.
            evidence: the numbers that decide it.
            by_note: False for a statement on a question that the note leaves open.

        Raises:
            ValueError: if there is no condition.
        """
        self.claims.append(Claim(claim, _verdict(outcome), evidence, by_note))

    def verdicts(self) -> dict[str, int]:
        """How many of the note's claims hold, hold under a condition, and do not hold."""
        kinds = [" ".join(c.verdict.split()[:2]) for c in self.claims if c.by_note]
        names = {"holds": "holds", "holds if": "holds if ...", "does not": "does not hold"}
        return {name: kinds.count(kind) for kind, name in names.items()}

    def table(self) -> Table:
        """All claims, numbered, with verdict and evidence."""
        rows = [
            (i, c.text if c.by_note else f"*(left open)* {c.text}", c.verdict, c.evidence)
            for i, c in enumerate(self.claims, start=1)
        ]
        return table(["", "claim", "verdict", "what was computed"], rows)


def _verdict(outcome: bool | Mapping[str, bool]) -> str:
    if not isinstance(outcome, Mapping):
        return "holds" if outcome else "does not hold"
    if not outcome:
        raise ValueError("an outcome by conditions needs at least one condition")
    under = [condition for condition, holds in outcome.items() if holds]
    if len(under) == len(outcome):
        return "holds"
    return f"holds if {' or '.join(under)}" if under else "does not hold"
