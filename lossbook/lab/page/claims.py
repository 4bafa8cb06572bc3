"""A claim of a source note, and a question that the note leaves open."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Claim:
    """One claim and its verdict.

    Attributes:
        text: The claim.
        verdict: ``"holds"``, ``"does not hold"``, ``"holds if ..."``, ``"cannot be decided here"``;
            empty before it is decided.
        evidence: What was computed, or why nothing could be.
        name: For the audit.
        place: Where the note says it.
        commit: Of the note.
        criterion: What would decide it, stated before the computation.
        advice: What a reader should do about it.
        link: To the place.
        read: Whether the verdict is from reading a text or code, and nothing was computed.
        branches: What the verdict says under each condition, if it depends on one.
    """

    text: str
    verdict: str = ""
    evidence: str = ""
    name: str = ""
    place: str = ""
    commit: str = ""
    criterion: str = ""
    advice: str = ""
    link: str = ""
    read: bool = False
    branches: tuple[str, ...] = ()


@dataclass(frozen=True)
class Question:
    """What the note leaves open.

    Attributes:
        text: The question.
        place: Where the note does not answer it.
        answer: What was found here, if anything was.
        link: To the place.
    """

    text: str
    place: str
    answer: str = ""
    link: str = ""
