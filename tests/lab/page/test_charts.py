import numpy as np
import pytest
import sympy

from lossbook.lab.page.figures import Chart, folded, table
from lossbook.lab.page.objects import Axis, Bar, Clip, Curve, Dots, Line, Panel

AXIS = Axis(0, 1, "share")


def chart(**options):
    marks = [Line([(0, 0), (1, 1)], look="P", label="P alone"), Dots([(0, 1)], look="V", label="V")]
    return Chart("Two marks", [Panel(marks, AXIS, AXIS)], **options)


def test_a_chart_has_a_legend_of_what_is_labelled_and_its_numbers_folded():
    html = chart(table=table(["term"], [("one",)])).markup
    assert html.count('class="entry"') == 2 and "P alone</span>" in html
    assert html.index("<svg class") < html.index("<details><summary>The numbers")
    assert "<script" not in html and "<form" not in html


def test_a_chart_says_in_text_what_it_shows():
    assert repr(chart()) == "Two marks"
    assert repr(chart(table=table(["term"], [("one",)]))).startswith("Two marks\nterm")
    assert "details" not in chart().markup


def test_things_are_folded_behind_a_line_and_bring_what_they_need():
    found = folded("More of *this*", chart(), table(["term"], [("one",)]))
    assert found.markup.startswith('<details class="lossbook-lesson folded"><summary>More of <em>')
    assert found.markup.index("<figure") < found.markup.index("<table")
    assert found.needs == ("lesson.css", "scene.css")
    assert repr(found).startswith("More of *this*\nTwo marks\nterm")


ENDS = [(0, 0), (1, 1)]
X = sympy.Symbol("x")


@pytest.mark.parametrize(
    ("mark", "sign"),
    [
        (Line(ENDS, look="V", label="V"), "dashed"),
        (Line(ENDS, look="V", label="V", solid=True), "solid"),
        (Curve(X, X, look="V", label="V"), "dashed"),
        (Bar(*ENDS, look="V", label="V"), "solid"),
        (Dots(ENDS, look="V", label="V"), "dot"),
        (Dots(ENDS, look="V", label="V", hollow=True), "ring"),
        (Clip(np.zeros((2, 3, 2)), 1, look="V", label="V", size=3), "dot"),
        (Clip(np.zeros((2, 3, 2)), 1, [[0, 1]], look="V", label="V"), "dashed"),
    ],
)
def test_a_legend_draws_its_entries_as_the_marks_are_drawn(mark, sign):
    html = Chart("One mark", [Panel([mark], AXIS, AXIS)]).markup
    entry, _, picture = html.partition("</figcaption>")
    round_, filled = "a" in entry.rpartition(' d="')[2].partition('"')[0], 'class="k f"' in entry
    found = {(1, 1): "dot", (1, 0): "ring", (0, 0): "line"}[round_, filled]
    if found == "line":
        found = "dashed" if "stroke-dasharray" in entry else "solid"
        assert ("stroke-dasharray" in picture) == (found == "dashed")
    assert found == sign
