import itertools
from types import SimpleNamespace

import pytest

from lossbook.lab.page import speed


def _comparison(compiled, threads, batch, ratio=2.0, loss="wing_loss"):
    return SimpleNamespace(
        loss=loss, compiled=compiled, threads=threads, batch=batch,
        ratio=ratio, low=0.9 * ratio, high=1.1 * ratio,
    )  # fmt: skip


def test_eager_is_left_and_compiled_right_with_one_dot_a_comparison():
    cases = itertools.product((False, True), (1, 2), (32, 2048, 65536))
    left, right = speed.ratios([_comparison(*case) for case in cases]).axes
    assert (left.get_title(), right.get_title()) == ("eager", "compiled")
    for panel in (left, right):
        dots = [line for line in panel.lines if line.get_marker() == "o" and len(line.get_xdata())]
        assert len(dots) == 6
        assert {line.get_xdata()[0] for line in dots} == {2.0}


def test_larger_batches_have_larger_dots():
    left, _ = speed.ratios([_comparison(False, 1, n, ratio=n) for n in (1, 10, 100)]).axes
    sizes = {
        line.get_xdata()[0]: line.get_markersize()
        for line in left.lines
        if line.get_marker() == "o" and len(line.get_xdata())
    }
    assert sizes[1] < sizes[10] < sizes[100]


def test_every_loss_has_a_row_and_one_is_inside_the_scale():
    figure = speed.ratios([_comparison(False, 1, 32, 9.0), _comparison(True, 1, 32, 8.0, "other")])
    left, right = figure.axes
    assert [label.get_text() for label in left.get_yticklabels()] == ["wing_loss", "other"]
    assert left.get_xlim() == right.get_xlim()
    assert left.get_xlim()[0] < 1 < 9 < left.get_xlim()[1]


def test_nothing_to_draw_is_refused():
    with pytest.raises(ValueError, match="no comparisons"):
        speed.ratios([])
