import re

import matplotlib.pyplot as plt
import pytest
import scenes

from lossbook.lab.page.audit import Audit, all_of, any_of
from lossbook.lab.page.shown import asset
from lossbook.lab.page.tables import table


@pytest.mark.parametrize(
    ("outcome", "verdict"),
    [
        (True, "holds"),
        (False, "does not hold"),
        ({"a": True, "b": True}, "holds"),
        ({"a": False, "b": False}, "does not hold"),
        ({"a": True, "b": False}, "holds if a, not if b"),
        ({"a": True, "b": False, "c": True}, "holds if a or c, not if b"),
        ({"a": False, "b": True, "c": None}, "holds if b, not if a, open if c"),
        ({"a": True, "b": None}, "holds if a, open if b"),
        ({"a": False, "b": None, "c": None}, "does not hold if a, open if b or c"),
        ({"a": None, "b": None}, "cannot be decided here"),
        (None, "cannot be decided here"),
    ],
)
def test_the_verdict_follows_from_the_outcome(outcome, verdict):
    audit = Audit("a note", "0a1b2c3")
    audit.state("claim", "It is so.", place="section 1", criterion="it is")
    audit.decide("claim", outcome, "1 = 1")
    assert audit.claims[0].verdict == verdict


def test_no_condition_is_refused():
    audit = Audit("a note", "0a1b2c3")
    audit.state("claim", "It is so.", place="section 1", criterion="it is")
    with pytest.raises(ValueError, match="at least one condition"):
        audit.decide("claim", {}, "nothing")


def test_what_is_not_decided_says_so_before_its_numbers():
    audit = Audit("a note", "0a1b2c3")
    audit.state("claim", "It is so.", place="section 1", criterion="it is")
    audit.decide("claim", {"a": None}, "0.1 ± 0.3")
    assert audit["claim"].evidence == "nothing is shown either way. 0.1 ± 0.3"


@pytest.mark.parametrize(
    ("outcomes", "all_hold", "one_holds"),
    [
        ((True, True), True, True),
        ((True, False), False, True),
        ((True, None), None, True),
        ((False, None), False, None),
        ((None, None), None, None),
        ((False, False), False, False),
    ],
)
def test_several_outcomes_make_one(outcomes, all_hold, one_holds):
    assert (all_of(outcomes), any_of(outcomes)) == (all_hold, one_holds)


def test_the_head_of_a_ledger_counts_its_verdicts_if_asked():
    audit = Audit("a note", "0a1b2c3", tally=True)
    for name, outcome in (("a", True), ("b", True), ("c", {"x": True, "y": False}), ("d", False)):
        audit.state(name, name, place="section 1", criterion="it is")
        audit.decide(name, outcome, "1")
    said = "2 hold, 1 hold on conditions, 1 do not hold, 0 cannot be decided here"
    assert said in audit.ledger().markup


# Claims with a place and a criterion --------------------------------------------------------------


def stated():
    audit = Audit("the note", "0a1b2c3d4e", "https://github.com/someone/note")
    audit.state(
        "pull",
        "Wing pulls $w/\\epsilon$ times as hard as `L1`.",
        place="section 2 (docs/loss.md:41-45)",
        criterion="its slope at 0 is 5 for 10 and 2",
    )
    return audit  # fmt: skip


@pytest.mark.parametrize("missing", ["name", "claim", "place", "criterion"])
def test_a_claim_without_place_or_criterion_cannot_be_entered(missing):
    parts = {"name": "a", "claim": "b", "place": "c", "criterion": "d"}
    with pytest.raises(ValueError, match=f"a claim needs its {missing}"):
        Audit(commit="0a1b2c3").state(**(parts | {missing: " "}))
    if missing in {"place", "criterion"}:
        del parts[missing]
        with pytest.raises(TypeError, match=missing):
            Audit(commit="0a1b2c3").state(**parts)


def test_a_note_that_is_not_public_has_no_commit():
    audit = Audit("the note", None)
    audit.state("a", "It is so.", place="section 2", criterion="it is")
    audit.decide("a", True, "it is", advice="Do it.")
    assert repr(audit.card("a")) == "It is so. (section 2): holds"
    assert "commit" not in audit.card("a").markup


@pytest.mark.parametrize("commit", ["", "main", "0a1b2c"])
def test_a_place_is_in_a_commit(commit):
    with pytest.raises(ValueError, match="needs the note's commit"):
        Audit(commit=commit).state("a", "b", place="c", criterion="d")


def test_a_claim_is_stated_before_it_is_decided_and_then_has_a_card():
    audit = stated()
    with pytest.raises(ValueError, match="no claim 'other' was stated; there are pull"):
        audit.decide("other", True, "x")
    with pytest.raises(ValueError, match="pull has no verdict yet"):
        audit.card("pull")
    with pytest.raises(ValueError, match="no verdict on pull"):
        audit.ledger()
    with pytest.raises(ValueError, match="needs evidence"):
        audit.decide("pull", True, " ")
    audit.decide("pull", True, "5")
    with pytest.raises(ValueError, match="a card says what to do"):
        audit.card("pull")
    audit.decide("pull", True, "5", advice="Let the rate decay.")
    html = audit.card("pull").markup
    for text in ("its slope at 0", "Let the rate decay.", "holds", "<code>0a1b2c3</code>"):
        assert text in html
    assert 'href="https://github.com/someone/note/blob/0a1b2c3d4e/docs/loss.md#L41-L45"' in html
    assert r'<span class="math notranslate nohighlight">\(w/\epsilon\)</span>' in html
    assert "<code>L1</code>" in html
    # Closed it says claim and verdict, and no more.
    head, rest = html.split("</summary>")
    assert head.startswith("<details ") and " open>" not in head
    assert "Wing pulls" in head and "holds" in head
    assert "its slope at 0" in rest and "Let the rate decay." in rest


def test_the_criterion_cannot_be_changed_afterwards_but_a_cell_may_run_twice():
    audit = stated()
    audit.decide("pull", True, "5")
    audit.state("pull", audit["pull"].text, place=audit["pull"].place,
                criterion=audit["pull"].criterion)  # fmt: skip
    assert audit["pull"].verdict == "holds" and len(audit.claims) == 1
    with pytest.raises(ValueError, match="stated already"):
        audit.state("pull", audit["pull"].text, place="section 2", criterion="something easier")


def test_what_cannot_be_decided_says_why():
    audit = stated()
    with pytest.raises(ValueError, match="say why"):
        audit.undecided("pull", "")
    audit.undecided("pull", "The pictures are not public.", advice="Try it.")
    assert audit["pull"].verdict == "cannot be decided here"
    assert "The pictures are not public." in audit.card("pull").markup


def test_what_was_read_is_not_taken_for_computed():
    audit = stated()
    with pytest.raises(ValueError, match="say what was read"):
        audit.read("pull", True, " ")
    audit.read("pull", {"a": True, "b": False}, "loss.py at 0a1b2c3", advice="Read it, too.")
    assert audit["pull"].verdict == "holds if a, not if b"
    for shown in (audit.card("pull"), audit.ledger()):
        assert "read, not computed: loss.py at 0a1b2c3" in shown.markup
        lines = re.findall(r'<span class="branch">(.*?)</span>(?=<span class|</)', shown.markup)
        assert [re.sub("<.*?>", "", line) for line in lines] == [
            "✓ holds if a",
            "✗ not if b (read)",
        ]
    assert "verdict; 1 read, not computed<" in audit.ledger().markup
    audit.decide("pull", True, "5", advice="Decay.")
    assert "read" not in audit.ledger().markup
    audit.read("pull", {"a": True, "b": None}, "loss.py, which does not say b", advice="Ask.")
    assert audit["pull"].verdict == "holds if a, open if b"


def test_the_ledger_is_folded_and_complete_and_what_is_open_is_no_claim():
    audit = stated()
    audit.state("<b>", "a < b", place="section 3", criterion="c & d")
    audit.decide("pull", {"w = 10": True, "w = 1": False}, "5 and 0.5")
    audit.decide("<b>", False, "no")
    audit.leave_open("Which unit?", place="section 1", answer="pixels")
    ledger = audit.ledger()
    html = ledger.markup
    assert html.startswith("<details") and "<details open" not in html
    assert html.count("<tr class") == 2 and "2 claims of the note" in html
    assert "holds if w = 10" in html and "a &lt; b" in html and "c &amp; d" in html
    (rest,) = html.split("What the note leaves open")[1:]
    assert "Which unit?" in rest and "pixels" in rest
    assert 'href="https://github.com/someone/note/tree/0a1b2c3d4e"' in html
    assert len(repr(ledger).splitlines()) == 3
    with pytest.raises(ValueError, match="needs a place"):
        audit.leave_open("Which unit?", place="")


def test_a_card_holds_a_picture_and_brings_what_it_needs():
    audit = stated()
    audit.decide("pull", True, "5", advice="Decay.")
    card = audit.card("pull", scenes.wing())
    assert scenes.wing().markup in card.markup
    assert all(asset(name) in card.html() for name in ("scene.css", "scene.js", "lesson.css"))
    assert asset("scene.js") not in audit.card("pull").html()
    figure, axes = plt.subplots()
    axes.plot([0, 1])
    plt.close(figure)
    assert '<img alt="Wing pulls w/\\epsilon' in audit.card("pull", figure).markup
    assert "<table>" in audit.card("pull", table(["a"], [(1,)])).markup
    assert "<p>just <em>so</em></p>" in audit.card("pull", "just *so*").markup
    with pytest.raises(TypeError, match="cannot show a int"):
        _ = audit.card("pull", 3).markup


def test_no_class_of_a_card_is_one_of_bootstrap():
    audit = stated()
    audit.decide("pull", True, "5", advice="Decay.")
    html = audit.card("pull").markup + audit.ledger().markup
    used = {name for names in re.findall(r'class="([^"]*)"', html) for name in names.split()}
    assert not used & {"card", "alert", "badge", "row", "col", "container", "table", "hidden"}
