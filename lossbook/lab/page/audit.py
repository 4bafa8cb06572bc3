"""Collects the claims of a source note, what would decide each, and what came out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from lossbook.lab.page.cards import Card, Ledger
from lossbook.lab.page.claims import Claim, Question


class Audit:
    """Claims that are stated before, and decided after, something is computed.

    Args:
        note: What the source is called.
        commit: Of the note; None if it is not public.
        url: Of its repository; a place such as ``docs/loss.md:41`` then becomes a link.
        tally: Whether the ledger's head counts the verdicts.

    Example:
        >>> audit = Audit("the note", "0a1b2c3")
        >>> audit.state("sign", "Squares are positive.", place="section 2",
        ...             criterion="the squares of -1, 0 and 1 are all above 0")
        >>> audit.decide("sign", {"x is not 0": 1**2 > 0, "x is 0": 0**2 > 0}, "1, 0, 1",
        ...              advice="Do not divide by a square.")
        >>> audit["sign"].verdict
        'holds if x is not 0, not if x is 0'
        >>> audit.card("sign")
        Squares are positive. (section 2, commit 0a1b2c3): holds if x is not 0, not if x is 0
    """

    def __init__(
        self,
        note: str = "the note",
        commit: str | None = "",
        url: str = "",
        *,
        tally: bool = False,
    ) -> None:
        self.note, self.url = note, url.rstrip("/")
        self.commit = commit or ""
        self._public = commit is not None
        self._tally = tally
        self.claims: list[Claim] = []
        self.questions: list[Question] = []

    def __getitem__(self, name: str) -> Claim:
        found = [claim for claim in self.claims if claim.name == name]
        if not name or not found:
            known = ", ".join(claim.name for claim in self.claims if claim.name)
            raise ValueError(f"no claim {name!r} was stated; there are {known or 'none'}")
        return found[0]

    def state(self, name: str, claim: str, *, place: str, criterion: str, commit: str = "") -> None:
        """Enter a claim of the note, before what decides it is computed.

        Args:
            name: For the other methods.
            claim: In one sentence, with the conditions that the note states; paraphrased.
            place: Where the note says it: a section, or a file and line as ``docs/loss.md:41``.
            criterion: What would decide it.
            commit: Of the note, if not the audit's.

        Raises:
            ValueError: If something is missing, or the name stands for another claim.
        """
        commit = commit or self.commit
        parts = {"name": name, "claim": claim, "place": place, "criterion": criterion}
        missing = [part for part, text in parts.items() if not text.strip()]
        if missing:
            raise ValueError(f"{name or claim}: a claim needs its {' and its '.join(missing)}")
        if self._public and not re.fullmatch(r"[0-9a-f]{7,40}", commit):
            raise ValueError(f"{name}: a place needs the note's commit in hexadecimal, "
                             f"got {commit!r}")  # fmt: skip
        new = Claim(claim, name=name, place=place, commit=commit, criterion=criterion,
                    link=self._link(place, commit))  # fmt: skip
        for old in self.claims:
            if old.name == name:
                # A reader may run the cell again.
                if (old.text, old.place, old.criterion) == (claim, place, criterion):
                    return
                raise ValueError(f"{name!r} is stated already: {old.text}")
        self.claims.append(new)

    def decide(
        self,
        name: str,
        outcome: bool | Mapping[str, bool | None] | None,
        evidence: str,
        *,
        advice: str = "",
    ) -> None:
        """Give a stated claim the verdict that follows from what was computed.

        Args:
            name: Of the claim.
            outcome: Whether it holds, or whether it does under each of some conditions. None is
                neither: what was computed shows it no more than the contrary; see `all_of` and
                `any_of`.
            evidence: The numbers that decide it.
            advice: What a reader should do about it.

        Raises:
            ValueError: If the claim was not stated, there is no evidence or no condition.
        """
        if not evidence.strip():
            raise ValueError(f"{name}: a verdict needs evidence")
        verdict = _verdict(outcome)
        if verdict == (_UNDECIDED,):
            evidence = f"nothing is shown either way. {evidence}"
        self._settle(name, verdict, evidence, advice)

    def read(
        self,
        name: str,
        outcome: bool | Mapping[str, bool | None] | None,
        source: str,
        *,
        advice: str = "",
    ) -> None:
        """Give a stated claim a verdict from reading; card and ledger say that it is no more.

        Args:
            name: Of the claim.
            outcome: What the source says of it, or what it says under each of some conditions; None
                for what it says nothing of.
            source: What was read, where, and what it says.
            advice: What a reader should do about it.

        Raises:
            ValueError: If the claim was not stated, no source is named or no condition.
        """
        if not source.strip():
            raise ValueError(f"{name}: say what was read")
        self._settle(name, _verdict(outcome), f"read, not computed: {source}", advice, read=True)

    def undecided(self, name: str, reason: str, *, advice: str = "") -> None:
        """Say of a stated claim that nothing here can decide it, and why.

        Args:
            name: Of the claim.
            reason: What would be needed.
            advice: What a reader should do about it.

        Raises:
            ValueError: If the claim was not stated or there is no reason.
        """
        if not reason.strip():
            raise ValueError(f"{name}: say why it cannot be decided here")
        self._settle(name, (_UNDECIDED,), reason, advice)

    def leave_open(self, question: str, *, place: str, answer: str = "") -> None:
        """Enter what the note leaves open; that is not a claim.

        Args:
            question: What it does not say.
            place: Where it does not say it.
            answer: What was found here.

        Raises:
            ValueError: If the question or the place is missing.
        """
        if not question.strip() or not place.strip():
            raise ValueError(f"what is left open needs a place: {question!r}, {place!r}")
        new = Question(question, place, answer, self._link(place, self.commit))
        self.questions = [q for q in self.questions if q.text != question] + [new]

    def card(self, name: str, picture: Any = None) -> Card:
        """One claim: where it is, what would decide it, what did, the verdict, what to do.

        Args:
            name: Of the claim.
            picture: What decides it, if that is more than a number: an object to move, a plot, a
                figure, a table.

        Raises:
            ValueError: If the claim was not stated or not decided, or has no advice.
        """
        claim = self[name]
        if not claim.verdict:
            raise ValueError(f"{name} has no verdict yet")
        if not claim.advice.strip():
            raise ValueError(f"{name}: a card says what to do; give advice with the verdict")
        return Card(claim, picture)

    def ledger(self) -> Ledger:
        """All claims with place, criterion, evidence and verdict, folded.

        Raises:
            ValueError: If a claim has no verdict, or none was stated.
        """
        stated = [claim for claim in self.claims if claim.name]
        waiting = [claim.name for claim in stated if not claim.verdict]
        if waiting or not stated:
            raise ValueError(f"no verdict on {', '.join(waiting) or 'any claim'}")
        return Ledger(self.note, tuple(stated), tuple(self.questions), self._tally)

    def _settle(
        self,
        name: str,
        verdict: tuple[str, ...],
        evidence: str,
        advice: str,
        *,
        read: bool = False,
    ) -> None:
        claim = self[name]
        at = self.claims.index(claim)
        self.claims[at] = replace(
            claim,
            verdict=", ".join(verdict),
            branches=verdict if len(verdict) > 1 else (),
            evidence=evidence,
            advice=advice,
            read=read,
        )

    def _link(self, place: str, commit: str) -> str:
        if not self.url:
            return ""
        line = re.search(r"([^\s()]+\.\w+):(\d+)(?:[-–](\d+))?", place)
        if not line:
            return f"{self.url}/tree/{commit}"
        last = f"-L{line[3]}" if line[3] else ""
        return f"{self.url}/blob/{commit}/{quote(line[1])}#L{line[2]}{last}"


def all_of(outcomes: Iterable[bool | None]) -> bool | None:
    """Whether all hold; None if none is refuted and some are open.

    Args:
        outcomes: Each True if it is shown, False if the contrary is, None if neither is.
    """
    found = list(outcomes)
    return False if False in found else None if None in found else True


def any_of(outcomes: Iterable[bool | None]) -> bool | None:
    """Whether one of them holds; None if none is shown and some are open.

    Args:
        outcomes: As for `all_of`.
    """
    found = list(outcomes)
    return True if True in found else None if None in found else False


_UNDECIDED = "cannot be decided here"


def _verdict(outcome: bool | Mapping[str, bool | None] | None) -> tuple[str, ...]:
    """One part, or one for the conditions of each kind."""
    if not isinstance(outcome, Mapping):
        return (_UNDECIDED if outcome is None else "holds" if outcome else "does not hold",)
    if not outcome:
        raise ValueError("an outcome by conditions needs at least one condition")
    under: dict[bool | None, list[str]] = {True: [], False: [], None: []}
    for condition, holds in outcome.items():
        under[None if holds is None else bool(holds)].append(condition)
    words = {True: "holds", False: "does not hold", None: _UNDECIDED}
    known = [holds for holds in words if under[holds]]
    if len(known) == 1:
        return (words[known[0]],)
    words = {True: "holds", False: "not" if under[True] else "does not hold", None: "open"}
    return tuple(f"{words[holds]} if {' or '.join(under[holds])}" for holds in known)
