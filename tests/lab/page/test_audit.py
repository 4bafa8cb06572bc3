import pytest

from lossbook.lab.page.audit import Audit


@pytest.mark.parametrize(
    ("outcome", "verdict"),
    [
        (True, "holds"),
        (False, "does not hold"),
        ({"a": True, "b": True}, "holds"),
        ({"a": False, "b": False}, "does not hold"),
        ({"a": True, "b": False}, "holds if a"),
        ({"a": True, "b": False, "c": True}, "holds if a or c"),
    ],
)
def test_the_verdict_follows_from_the_outcome(outcome, verdict):
    audit = Audit()
    audit.check("claim", outcome, "1 = 1")
    assert audit.claims[0].verdict == verdict


def test_verdicts_are_counted_and_the_table_has_a_row_a_claim():
    audit = Audit()
    audit.check("first", True, "x")
    audit.check("second", {"a": True, "b": False}, "y")
    audit.check("third", False, "z")
    audit.check("fourth", False, "z")
    audit.check("fifth", True, "z", by_note=False)
    assert audit.verdicts() == {"holds": 1, "holds if ...": 1, "does not hold": 2}
    text = audit.table()._repr_markdown_()
    assert all(word in text for word in ("first", "third", "holds if a", "*(left open)* fifth"))


def test_no_condition_is_refused():
    with pytest.raises(ValueError, match="at least one condition"):
        Audit().check("claim", {}, "nothing")
