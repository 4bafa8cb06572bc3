"""How the claims of an audit look on the page: one as a card, all as a folded table."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from html import escape
from typing import Any

from lossbook.lab.page.claims import Claim, Question
from lossbook.lab.page.palette import NEUTRAL, legible
from lossbook.lab.page.shown import Shown, needs_of, picture, plainly, prose

# By the first two words of a verdict: a sign, and a colour that no loss of the page needs for it.
_KINDS = {
    "holds": ("✓", "#009E73"),
    "holds if": ("◐", "#0072B2"),
    "does not": ("✗", "#D55E00"),
    "cannot be": ("?", NEUTRAL),
}


@dataclass(frozen=True)
class Card(Shown):
    """A claim and its verdict, which opens for place, criterion, evidence and advice.

    Made by `Audit.card`.
    """

    claim: Claim
    shown: Any = None

    def __repr__(self) -> str:
        commit = f", commit {self.claim.commit}" if self.claim.commit else ""
        where = f"{self.claim.place}{commit}"
        return f"{plainly(self.claim.text)} ({where}): {self.claim.verdict}"

    @property
    def needs(self) -> tuple[str, ...]:
        """The style of cards, and what the picture needs."""
        return ("lesson.css", *needs_of(self.shown))

    @cached_property
    def markup(self) -> str:
        """HTML for a page that loads style and script; the same on every run."""
        claim = self.claim
        rows = {
            "The note says so in": _place(claim),
            "What would decide it": prose(claim.criterion),
            "What came out": prose(claim.evidence),
            "What to do": f"<strong>{prose(claim.advice)}</strong>",
        }
        name = plainly(claim.text)
        shown = ""
        if self.shown is not None:
            shown = f'<div class="picture">{picture(self.shown, name)}</div>'
        terms = [f"<div><dt>{term}</dt><dd>{text}</dd></div>" for term, text in rows.items()]
        return (
            f'<details class="lossbook-lesson claimed k" {_hue(claim)}>'
            f'<summary><span class="claim">{prose(claim.text)}</span> '
            f'<span class="verdict">{_said(claim)}</span></summary>'
            f"<dl>{''.join(terms[:2])}</dl>{shown}<dl>{''.join(terms[2:])}</dl></details>"
        )


@dataclass(frozen=True)
class Ledger(Shown):
    """All claims as a notebook shows them; made by `Audit.ledger`."""

    note: str
    claims: tuple[Claim, ...]
    questions: tuple[Question, ...]
    tally: bool = False

    def __repr__(self) -> str:
        lines = [
            f"{number}. {plainly(claim.text)} ({claim.place}): {claim.verdict}; {claim.evidence}"
            for number, claim in enumerate(self.claims, start=1)
        ]
        lines += [f"left open ({q.place}): {plainly(q.text)}" for q in self.questions]
        return "\n".join(lines)

    @property
    def needs(self) -> tuple[str, ...]:
        """The style of the table."""
        return ("lesson.css",)

    @cached_property
    def markup(self) -> str:
        """HTML for a page that loads style and script; the same on every run."""
        heads = ("claim", "what would decide it", "what came out", "verdict")
        rows = ""
        for claim in self.claims:
            cells = (
                f"{prose(claim.text)} <small>{_place(claim)}</small>",
                prose(claim.criterion),
                prose(claim.evidence),
                _verdict(claim),
            )
            row = "".join(
                f'<td data-head="{head}">{cell}</td>'
                for head, cell in zip(heads, cells, strict=True)
            )
            rows += f'<tr class="k" {_hue(claim)}>{row}</tr>'
        head = "".join(f'<th scope="col">{text}</th>' for text in heads)
        count = f"{len(self.claims)} claim{'s' * (len(self.claims) != 1)}"
        read = sum(claim.read for claim in self.claims)
        return (
            '<details class="lossbook-lesson ledger"><summary>The complete ledger: '
            f"{count} of {escape(self.note)}, each with its place, criterion and verdict"
            f"{f'; {read} read, not computed' if read else ''}{self._counted()}</summary>"
            f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
            f"{self._open()}</details>"
        )

    def _counted(self) -> str:
        if not self.tally:
            return ""
        found = Counter(_kind(claim)[0] for claim in self.claims)
        said = ("hold", "hold on conditions", "do not hold", "cannot be decided here")
        signs = (sign for sign, _ in _KINDS.values())
        return ". " + ", ".join(
            f"{found[sign]} {text}" for sign, text in zip(signs, said, strict=True)
        )

    def _open(self) -> str:
        if not self.questions:
            return ""
        items = "".join(
            f"<li>{prose(q.text)} <small>{_linked(q.place, q.link)}</small>"
            f"{' <br>Here: ' + prose(q.answer) if q.answer else ''}</li>"
            for q in self.questions
        )
        return f'<p class="open">What {escape(self.note)} leaves open</p><ul>{items}</ul>'


def _kind(claim: Claim) -> tuple[str, str]:
    return _KINDS[" ".join(claim.verdict.split()[:2])]


def _hue(claim: Claim) -> str:
    hue = _kind(claim)[1]
    light, dark = legible(hue, contrast=4.6), legible(hue, dark=True, contrast=4.6)
    return f'style="--c:{light};--d:{dark}"'


def _verdict(claim: Claim) -> str:
    return f'<p class="verdict">{_said(claim)}</p>'


def _said(claim: Claim) -> str:
    read = " <small>(read)</small>" if claim.read else ""
    if not claim.branches:
        return f"{_sign(_kind(claim)[0])} {prose(claim.verdict)}{read}"
    signs = {"holds": "✓", "not": "✗", "does": "✗", "open": "?"}
    lines = [
        f'<span class="branch">{_sign(signs[branch.split()[0]])} {prose(branch)}'
        for branch in claim.branches
    ]
    return "</span>".join(lines) + f"{read}</span>"


def _sign(sign: str) -> str:
    return f'<span aria-hidden="true">{sign}</span>'


def _place(claim: Claim) -> str:
    commit = f", commit <code>{claim.commit[:7]}</code>" if claim.commit else ""
    return f"{_linked(claim.place, claim.link)}{commit}"


def _linked(place: str, link: str) -> str:
    return f'<a href="{escape(link)}">{prose(place)}</a>' if link else prose(place)
