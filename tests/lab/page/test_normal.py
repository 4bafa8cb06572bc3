import re
from dataclasses import replace
from html import escape

import pytest

from lossbook import registry
from lossbook.lab.page.normal import NormalValues, normal_values
from lossbook.lab.page.tables import significant


@pytest.mark.parametrize("chapter", registry.chapters())
def test_every_normal_value_of_a_chapter_is_in_its_table(chapter):
    html = normal_values(chapter).markup
    rows = {}
    for row in re.findall(r"<tr>(.*?)</tr>", html):
        for name in re.findall(r"<code>([^<]*)", row):
            rows.setdefault(name, []).append(re.findall(r"<td>([^<]*)", row))
    for card in registry.cards(chapter):
        for value in card.normal:
            numbers = ["–" if n is None else significant(n, 3) for n in (value.start, value.chance)]
            found = [[cell.replace("\u202f", "") for cell in row] for row in rows[value.name]]
            assert [value.unit, value.reduction, *numbers] in found
            assert html.count(f">{escape(value.given)}<") == 1


def test_convergence_is_a_column_if_anything_converged():
    assert "converged" not in normal_values("landmarks").markup
    values = normal_values("landmarks", converged={"wing_loss": 0.1234})
    assert "<td>0.123</td>" in values.markup and "<td>–</td>" in values.markup
    assert "0.123" in repr(values)


def test_a_term_of_which_several_things_are_assumed_converges_once():
    html = normal_values("motion", converged={"exp_V": 0.1234}).markup
    assert html.count("<code>exp_V</code>") == 2 and html.count("0.123") == 1
    assert html.index("0.123") < html.rindex("<code>exp_V</code>")


def test_unknown_terms_and_chapters_without_values_are_refused(monkeypatch):
    with pytest.raises(ValueError, match="no normal value of wing, only of"):
        normal_values("landmarks", converged={"wing": 1})
    with pytest.raises(ValueError, match="unknown chapter"):
        normal_values("feet")
    bare = [replace(card, normal=()) for card in registry.cards("landmarks")]
    monkeypatch.setattr(registry, "cards", lambda chapter: bare)
    with pytest.raises(ValueError, match="no card of landmarks"):
        normal_values("landmarks")


def test_what_is_undefined_is_a_dash():
    value = registry.Normal("a", "px", "mean", "Given.", None, 2.0)
    assert "<td>–</td><td>2.00</td>" in NormalValues("x", (value,)).markup
