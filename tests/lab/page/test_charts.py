import base64
import io
import re

import numpy as np
import pytest
import sympy
from PIL import Image

from lossbook.lab.page.figures import Chart, folded, table
from lossbook.lab.page.objects import Axis, Bar, Clip, Curve, Dots, Line, Panel, Picture

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


def test_a_photograph_lies_beneath_the_marks_where_its_edges_say():
    grey = np.arange(12, dtype=np.uint8).reshape(3, 4)
    html = Chart(
        "A photograph", [Panel([Picture(grey, (0.5, 1), (1, 0.25)), Dots([(0, 0)])], AXIS, AXIS)]
    ).markup
    found = re.search(r'<image x="([^"]+)" y="([^"]+)" width="([^"]+)" height="([^"]+)"', html)
    across, high = map(
        float, re.search(r'class="clip" width="(.*?)" height="(.*?)"', html).groups()
    )
    expected = [across / 2, 0, across / 2, 0.75 * high]
    assert list(map(float, found.groups())) == pytest.approx(expected, abs=0.11)
    packed = base64.b64decode(re.search(r'base64,([^"]+)"', html)[1])
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(packed))), grey)
    assert html.index("<image") < html.rindex("<path") and 'class="entry"' not in html


@pytest.mark.parametrize("wrong", [np.zeros((2, 2)), np.zeros((2, 2, 3), np.uint8)])
def test_a_photograph_is_grey_and_of_whole_numbers(wrong):
    with pytest.raises(ValueError, match=r"expected a picture \(height, width\) of uint8"):
        _ = Chart("Wrong", [Panel([Picture(wrong, (0, 1), (0, 1))], AXIS, AXIS)]).markup


def test_of_many_photographs_the_one_that_is_chosen_is_seen():
    many = np.zeros((3, 2, 2), np.uint8)
    for frame, at in ((1, 0), (2.6, 2), (9, 2), (-1, 0)):
        picture = Picture(many, (0, 1), (0, 1), frame=frame)
        html = Chart("Film", [Panel([picture], AXIS, AXIS)]).markup
        images = re.findall(r"<image [^>]*>", html)
        assert ['visibility="hidden"' not in image for image in images] == [
            k == at for k in range(3)
        ]
    with pytest.raises(ValueError, match=r"expected pictures \(number, height, width\)"):
        _ = Chart("Film", [Panel([Picture(many[0], (0, 1), (0, 1), frame=1)], AXIS, AXIS)]).markup


def test_a_chart_may_have_a_formula_with_a_fixed_break():
    step = sympy.Piecewise((0, X < 0.5), (1, True))
    html = Chart("A step", [Panel([Curve(step, X)], AXIS, AXIS)]).markup
    assert 'class="open"' in html
