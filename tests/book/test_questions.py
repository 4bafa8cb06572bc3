"""Cards, predictions and logs to judge, in Chromium: from the disk, with mouse and keys."""

import numpy as np
import pytest
import scenes

from lossbook.lab.page.audit import Audit
from lossbook.lab.page.normal import normal_values
from lossbook.lab.page.questions import Log, guess, predict

pytestmark = pytest.mark.browser
CHOICES = ["nothing", "a NaN", "the wrong unit"]


def question(**more):
    return predict("Which way?", ["up", "down"], answer="down", why="It falls.", **more)


def logs():
    curve = np.linspace(3, 1, 40)
    faults = ["nothing", "a NaN", "the wrong unit", "nothing"]
    more = {"mend": "Mend it.", "says": "pose has NaN", "mended": {"2d": curve}}
    made = [
        Log({"2d": curve * 10**i, "prior": curve}, fault, f"Sign {i}.", **more)
        for i, fault in enumerate(faults)
    ]
    return guess(made, CHOICES, hints={"the wrong unit": "Then it would be large."})


def audit():
    found = Audit("the note", "0a1b2c3", "https://github.com/someone/note")
    outcomes = {"a": True, "b": False, "c": {"x": True, "y": False}}
    for name in (*outcomes, "d"):
        found.state(name, f"Claim {name}.", place="section 1", criterion="a number")
    for name, outcome in outcomes.items():
        found.decide(name, outcome, "1", advice="Do it.")
    found.undecided("d", "no data", advice="Measure it.")
    found.leave_open("Which unit?", place="section 1")
    return found


def everything():
    found = audit()
    return [question(), logs(), *map(found.card, "abcd"), found.ledger(), normal_values("hands")]


def test_a_reader_chooses_sees_the_answer_and_may_open_the_why(show):
    page = show(question())
    assert page.locator("summary").is_hidden() and page.locator(".said").inner_text() == ""
    page.get_by_role("button", name="up").click()
    said = page.get_by_role("status").inner_text()
    assert said == "It is another one: down. Why? Say it in one sentence, then open."
    assert page.get_by_role("button", name="up").get_attribute("aria-pressed") == "true"
    assert page.get_by_text("It falls.").is_hidden()
    page.locator("summary").click()
    assert page.get_by_text("It falls.").is_visible()
    page.get_by_role("button", name="down").click(force=True)
    assert page.get_by_role("status").inner_text() == said, "the first choice counts"


def test_a_choice_may_open_the_why(show):
    page = show(question(opens=True))
    page.get_by_role("button", name="up").click()
    assert page.get_by_role("status").inner_text() == "It is another one: down."
    assert page.get_by_text("It falls.").is_visible()


def test_a_right_choice_is_said_to_be_right_and_nothing_is_stored(show):
    page = show(question())
    page.get_by_role("button", name="down").click()
    assert page.get_by_role("status").inner_text().startswith("You are right.")
    stored = "localStorage.length + sessionStorage.length + document.cookie.length"
    assert page.evaluate(stored) == 0
    page.reload()
    assert page.locator("summary").is_hidden()


def test_a_question_is_answered_with_the_keys(show):
    page = show(question())
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.get_by_role("status").inner_text().startswith("You are right.")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.get_by_text("It falls.").is_visible()


def test_each_log_is_judged_by_itself(show):
    page = show(logs())
    assert page.locator(".case:visible").count() == 1
    page.get_by_role("button", name="Log B").click()
    case = page.get_by_role("region", name="Log B")
    assert page.locator(".case:visible").count() == 1
    case.get_by_role("button", name="the wrong unit").click()
    said = "Not that. Then it would be large. Look again, or open the diagnosis."
    assert case.get_by_role("status").inner_text() == said
    assert page.locator("summary:visible").count() == 1
    assert case.locator(".choices [aria-disabled]").count() == 1
    case.get_by_role("button", name="a NaN").click()
    assert case.get_by_role("status").inner_text().startswith("Yes.")
    assert case.locator(".choices button:not([aria-disabled])").count() == 0
    assert page.locator(".tabs").inner_text().split("\n") == ["Log A", "Log B ✓", "Log C", "Log D"]
    case.locator("summary").click()
    for text in ("Sign 1.", "pose has NaN", "Mend it."):
        assert case.get_by_text(text).is_visible()
    assert case.locator("svg.panel:visible").count() == 4


def test_a_log_may_have_hints_of_its_own(show):
    healthy = Log({"2d": np.ones(9)}, "nothing", "", "", hints={"a NaN": "True, but unseen."})
    page = show(guess([healthy] * 4, CHOICES, hints={"the wrong unit": "It would be large."}))
    case = page.get_by_role("region", name="Log A")
    for choice, hint in (
        ("a NaN", "True, but unseen."),
        ("the wrong unit", "Not that. It would be large."),
    ):
        case.get_by_role("button", name=choice).click()
        said = case.get_by_role("status").inner_text()
        assert said == f"{hint} Look again, or open the diagnosis."


def test_a_picture_that_was_folded_moves(show):
    page = show(question(shown=scenes.landmark()))
    page.get_by_role("button", name="down").click()
    page.locator("summary").click()
    page.get_by_role("button", name="far off").click()
    state = page.evaluate("document.querySelector('#scene-landmark').scene.state()")
    assert state == {"u": -10, "v": 8}


def test_on_paper_all_logs_are_there(show):
    page = show(logs())
    page.emulate_media(media="print")
    assert page.locator(".case:visible").count() == 4
    assert page.locator(".tabs:visible").count() == 0


def test_without_javascript_everything_can_be_opened(show):
    page = show(*everything(), java_script_enabled=False)
    # A prediction, four logs, four claims, a ledger.
    assert page.locator("summary:visible").count() == 1 + 4 + 4 + 1
    page.locator("summary").first.click()
    assert page.get_by_text("It falls.").is_visible()
    assert page.locator("button:enabled").count() == 0
    card = page.locator("details.claimed").first
    assert not card.locator("dl").first.is_visible()
    card.locator("summary").first.click()
    assert card.locator("dl").first.is_visible()


@pytest.mark.parametrize("width", [1000, 390])
@pytest.mark.parametrize("attributes", [' data-theme="light"', ' data-theme="dark"', ""])
def test_everything_is_accessible_and_fits(show, violations, width, attributes):
    page = show(*everything(), width=width, attributes=attributes, color_scheme="dark")
    for tab in page.locator(".tabs button").all():
        tab.click()
        for button in page.locator(".choices button:first-child:visible").all():
            button.click(force=True)
        for summary in page.locator("summary:visible").all():
            if not summary.evaluate("summary => summary.parentElement.open"):
                summary.click()
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
        assert violations(page) == []
