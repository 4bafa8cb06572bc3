import math

import numpy as np
import pytest
import sympy

from lossbook.lab.page.curves import ced, history, shares, surface, value_and_gradient

x, y = sympy.symbols("x y")


def lines(axes) -> dict[str, np.ndarray]:
    return {line.get_label(): line.get_xydata() for line in axes.lines}


def test_gradient_is_broken_at_its_jumps_and_reaches_both_sides():
    figure = value_and_gradient({"L1": sympy.Abs(x)}, x, span=(-1, 2), xlabel="error (pixels)")
    value, gradient = (lines(axes)["L1"] for axes in figure.axes)
    np.testing.assert_allclose(value[:, 1], abs(value[:, 0]), atol=1e-12)
    gap = np.flatnonzero(np.isnan(gradient[:, 1]))
    assert len(gap) >= 1 and np.abs(gradient[gap, 0]).max() < 1e-12
    drawn = np.abs(np.diff(gradient[:, 1]))
    assert np.nanmax(drawn) == 0, "a line still connects the two sides"
    assert {-1.0, 1.0} <= set(gradient[:, 1])
    assert figure.axes[0].get_xlabel() == "error (pixels)"


def test_jump_between_two_samples_is_found_where_it_is():
    jump = sympy.Rational(1, 7)
    figure = value_and_gradient(
        {"step": sympy.Piecewise((x, x < jump), (x + 3, True))}, x, span=(-1, 1)
    )
    data = lines(figure.axes[0])["step"]
    gap = int(np.flatnonzero(np.isnan(data[:, 1]))[0])
    np.testing.assert_allclose(data[gap - 1], [1 / 7, 1 / 7], atol=1e-12)
    np.testing.assert_allclose(data[gap + 1], [1 / 7, 1 / 7 + 3], atol=1e-12)


def test_steep_but_continuous_gradient_is_not_broken():
    steep = sympy.log(1 + sympy.exp(500 * x))
    figure = value_and_gradient({"soft": steep}, x, span=(-1, 1))
    assert np.isfinite(lines(figure.axes[1])["soft"]).all()


@pytest.mark.parametrize(
    ("curves", "span", "message"),
    [
        ({}, (0, 1), "no curves"),
        ({"a": x}, (1, 0), "first < last"),
        ({"a": x * y}, (0, 1), "unknown symbols y"),
        ({"a": sympy.log(-(x**2) - 1)}, (0, 1), "nowhere finite"),
    ],
)
def test_value_and_gradient_refuses_what_it_cannot_draw(curves, span, message):
    with pytest.raises(ValueError, match=message):
        value_and_gradient(curves, x, span=span)


def test_ced_gives_the_share_of_images_at_or_below_each_error():
    figure = ced({"Wing": [0.03, 0.01, 0.02, 0.5]}, threshold=0.1)
    data = lines(figure.axes[0])["Wing"]
    for error, share in [(0.005, 0), (0.01, 25), (0.025, 50), (0.03, 75), (0.1, 75), (0.5, 100)]:
        assert data[np.searchsorted(data[:, 0], error, side="right") - 1, 1] == share
    assert figure.axes[0].get_xlim() == (0, 0.1)
    assert figure.axes[0].lines[0].get_drawstyle() == "steps-post"


def test_ced_whose_errors_are_all_small_reaches_the_threshold():
    data = lines(ced({"Wing": [0.01]}, threshold=0.1).axes[0])["Wing"]
    assert data[-1].tolist() == [0.1, 100]


@pytest.mark.parametrize(
    ("curves", "threshold", "message"),
    [
        ({}, 0.1, "no curves"),
        ({"a": [0.1]}, 0, "threshold must be positive"),
        ({"a": []}, 0.1, "a: expected errors"),
        ({"a": [-0.1]}, 0.1, "a: expected errors"),
        ({"a": [float("nan")]}, 0.1, "finite"),
    ],
)
def test_ced_refuses_ill_errors(curves, threshold, message):
    with pytest.raises(ValueError, match=message):
        ced(curves, threshold=threshold)


def test_history_draws_each_key_for_each_run():
    logs = {"PFLD": {"total": [3, 2], "l2": [1, 1]}, "L2": {"total": [4, 3], "l2": [2, 2]}}
    figure = history(logs, ["total", "l2"], logy=True)
    assert [axes.get_title() for axes in figure.axes] == ["total", "l2"]
    assert lines(figure.axes[0])["L2"].tolist() == [[1, 4], [2, 3]]
    assert figure.axes[1].get_yscale() == "log"
    assert len(history(logs, ["total"]).axes) == 1


@pytest.mark.parametrize("values", [[1.0, 2.0], [2.0, 5e1], [1e-3, 1e6]])
def test_a_logarithmic_axis_has_labels_whatever_its_range(values):
    figure = history({"a": {"k": values}}, ["k"], logy=True)
    figure.canvas.draw()
    low, high = figure.axes[0].get_ylim()
    labels = [
        label.get_text()
        for label, at in zip(
            figure.axes[0].get_yticklabels(), figure.axes[0].get_yticks(), strict=True
        )
        if low <= at <= high
    ]
    assert 1 <= sum(bool(label) for label in labels) <= 10


def test_history_names_the_run_that_lacks_a_key():
    with pytest.raises(ValueError, match="PFLD has no l2; it has total"):
        history({"PFLD": {"total": [1]}}, ["l2"])
    with pytest.raises(ValueError, match="nothing to draw"):
        history({}, ["l2"])


def test_shares_add_up_to_the_whole_at_every_step():
    runs = {"a": {"2d": [1, 3], "3d_joint": [3, 1]}, "b": {"2d": [0, 5], "3d_joint": [0, 5]}}
    figure = shares(runs, [0, 100])
    first, second = figure.axes[0].collections
    assert first.get_label() == "2d"
    assert first.get_paths()[0].vertices[:, 1].max() == pytest.approx(75)
    assert second.get_paths()[0].vertices[:, 1].max() == pytest.approx(100)
    assert figure.axes[1].get_title() == "b"
    with pytest.raises(ValueError, match="a, 2d: expected 3 sizes"):
        shares(runs, [0, 1, 2])
    with pytest.raises(ValueError, match="sizes of at least 0"):
        shares({"a": {"2d": [-1, 1]}}, [0, 1])


SPANS = {"xspan": (0, 90), "yspan": (0.1, 1), "xlabel": "x", "ylabel": "y", "label": "weight"}


def test_surface_puts_the_first_variable_along_the_horizontal_axis():
    drawn = surface(x / y, variables=(x, y), **SPANS)
    same = surface(lambda a, b: a / b, **SPANS)
    heights = [figure.axes[0].collections[0].get_array() for figure in (drawn, same)]
    np.testing.assert_allclose(*heights)
    grid = np.asarray(heights[0]).reshape(201, 201)
    assert grid[0, -1] == pytest.approx(900) and grid[-1, 0] == 0
    assert drawn.axes[1].get_ylabel() == "weight"


def test_surface_on_logarithmic_scales_has_rows_at_equal_ratios():
    figure = surface(x * y + 1, variables=(x, y), logy=True, logz=True, **SPANS)
    grid = np.asarray(figure.axes[0].collections[0].get_array()).reshape(201, 201)
    assert grid[100, -1] == pytest.approx(90 * math.sqrt(0.1) + 1)
    assert figure.axes[0].get_yscale() == "log"


@pytest.mark.parametrize(
    ("function", "change", "message"),
    [
        (x * y, {}, "needs variables"),
        (x * y * sympy.Symbol("z"), {"variables": (x, y)}, "unknown symbols z"),
        (x, {"variables": (x, y), "xspan": (1, 0)}, "spans must rise"),
        (x, {"variables": (x, y), "yspan": (0, 1), "logy": True}, "positive for logy"),
        (-x, {"variables": (x, y), "logz": True}, "logz needs heights above 0"),
        (lambda a, b: a[0], {}, "expected heights of shape"),
    ],
)
def test_surface_refuses_what_it_cannot_draw(function, change, message):
    with pytest.raises(ValueError, match=message):
        surface(function, **{**SPANS, **change})
