import re

import numpy as np
import pytest

from lossbook.lab.landmarks.experiment import load_record
from lossbook.lab.page.figures import Metric, dot_plot, mean_interval
from lossbook.lab.page.marks import Dots, Line

RESULTS = {"nme": {"L2": [0.04, 0.05, 0.06], "Wing": [0.03, 0.05, 0.04]}}
NME = Metric("nme", "mean error", unit="%", scale=100)


def test_each_metric_is_a_panel_with_a_dot_and_an_interval_for_each_arm():
    record = load_record()
    metrics = [NME, Metric("auc", "area under the curve", better="higher")]
    plot = dot_plot(record, metrics, title="Eight losses", baseline="SmoothL1")
    html = plot.markup
    assert html.count('<svg class="panel"') == 2
    assert "%; less is better" in html and ">more is better<" in html
    for arm in record.config.arms:
        assert html.count(f">{arm}</text>") == 2
    assert html.count('fill-opacity="0.7"') == 2 * len(record.config.arms)


def test_dots_stand_at_the_means_and_lines_reach_the_ends_of_the_intervals():
    (panel,) = dot_plot(RESULTS, [NME], title="Two losses").panels
    mean, half = mean_interval(100 * np.array(RESULTS["nme"]["Wing"]))
    singles, line, dot = panel.marks[3:6]
    assert [x for x, _ in singles.places] == pytest.approx([3, 5, 4])
    assert [x for x, _ in line.places] == pytest.approx([mean - half, mean + half])
    assert dot.places == [(pytest.approx(mean), 0)]
    assert panel.x.start < mean - half and mean + half < panel.x.stop


def test_a_value_is_marked_by_a_line_that_is_on_the_axis():
    marked = Metric("nme", "mean error", unit="%", scale=100, mark=9)
    (panel,) = dot_plot(RESULTS, [marked], title="Two losses").panels
    assert [x for x, _ in panel.marks[0].places] == [9, 9] and panel.x.stop > 9
    (other,) = dot_plot(RESULTS, [NME], title="Two losses").panels
    assert len(other.marks) == len(panel.marks) - 1


def test_a_dot_at_the_end_of_a_given_axis_is_drawn_whole():
    given = {"score": {"none": [0, 0], "some": [50, 50]}}
    (panel,) = dot_plot(given, [Metric("score", "score", span=(0, 100))], title="Two").panels
    assert panel.x.start == pytest.approx(-100 / 33) and panel.x.stop == 100


def test_the_table_is_folded_beneath_with_paired_differences():
    html = dot_plot(RESULTS, [NME], title="Two losses", baseline="L2").markup
    (table,) = re.findall(
        "<details><summary>The numbers</summary><table>(.*)</table></details>", html
    )
    assert re.findall("<t[hd][^>]*>([^<]*)</t[hd]>", table) == [
        "arm", "mean error [%]", "difference to L2",
        "L2", "5.0 ± 2.5", "",
        "Wing", "4.0 ± 2.5", "-1.0 ± 2.5",
    ]  # fmt: skip


def test_another_interval_may_be_given_and_another_order_of_arms():
    plot = dot_plot(
        RESULTS, [NME], title="Two", arms=["Wing"], interval=lambda n: (float(np.mean(n)), 0.5)
    )
    assert [row[1] for row in plot.table.rows] == ["4.00 ± 0.50"]


def test_without_an_interval_the_median_is_drawn_and_a_line_over_all_results():
    results = {"nme": {"L2": [0.01, 0.98, 0.96], "Wing": [0.02, 0.02, 0.02]}}
    plot = dot_plot(results, [NME], title="Two", baseline="L2", interval=None)
    assert plot.table.rows[0][1] == "96.0 (1.00 to 98.0)"
    assert plot.table.rows[1][1:] == ("2.00 (2.00 to 2.00)", "-94.0 (-96.0 to 1.00)")
    (panel,) = plot.panels
    lines = [mark.places for mark in panel.marks if isinstance(mark, Line) and mark.solid]
    assert np.allclose(lines, [[(1, 1), (98, 1)], [(2, 0), (2, 0)]])


def test_it_brings_its_style_where_the_page_has_none(monkeypatch):
    monkeypatch.delenv("LOSSBOOK_BOOK", raising=False)
    plot = dot_plot(RESULTS, [NME], title="Two losses")
    assert "<style>" in plot._repr_html_() and "<script" not in plot._repr_html_()
    monkeypatch.setenv("LOSSBOOK_BOOK", "1")
    assert plot._repr_html_() == plot.markup
    assert repr(plot).startswith("Two losses\narm")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"metrics": []}, "0 metrics"),
        ({"baseline": "L1"}, "'L1' is not among L2, Wing"),
        ({"arms": ["L2", "Huber"]}, "no results of Huber"),
        ({"results": {"nme": {"L2": [1.0]}}}, "at least 2 values"),
        ({"results": {"nme": {"L2": [1, 2], "Wing": [1]}}, "baseline": "L2"}, "not paired"),
        ({"results": {"nme": {"L2": [1, float("nan")]}}}, "finite"),
    ],
)
def test_ill_results_are_refused(change, message):
    arguments = {"results": RESULTS, "metrics": [NME], "title": "Two losses", **change}
    with pytest.raises(ValueError, match=message):
        dot_plot(**arguments)


def test_a_line_joins_the_results_of_one_fold():
    (panel,) = dot_plot(RESULTS, [NME], title="Two losses", joined=True).panels
    (bare,) = dot_plot(RESULTS, [NME], title="Two losses").panels
    lines = [mark for mark in panel.marks if mark not in bare.marks]
    shares = zip(*RESULTS[NME.name].values(), strict=True)
    expected = [[100 * share for share in one] for one in shares]
    assert [[x for x, _ in line.places] for line in lines] == expected
    # Through the small dots.
    small = [mark for mark in bare.marks if isinstance(mark, Dots) and mark.faint]
    joined = {at for line in lines for at in line.places}
    assert joined == {at for mark in small for at in mark.places}
