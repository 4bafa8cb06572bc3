from lossbook.lab.page.figures import Chart, table
from lossbook.lab.page.objects import Axis, Dots, Line, Panel

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
