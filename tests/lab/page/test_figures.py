import math

import matplotlib.pyplot as plt
import numpy as np
import pytest
import sympy
import torch
from scipy import integrate

from lossbook.lab.page.figures import (
    COLOURS,
    ced,
    colour,
    equation,
    faces,
    history,
    mean_interval,
    paired_interval,
    results_table,
    shares,
    skeletons,
    style,
    styles,
    surface,
    table,
    use_style,
    value_and_gradient,
)

x, y = sympy.symbols("x y")


def lines(axes) -> dict[str, np.ndarray]:
    return {line.get_label(): line.get_xydata() for line in axes.lines}


def test_a_loss_has_one_colour_and_differs_from_the_others_in_grey_too():
    for name in COLOURS:
        assert style(name)["color"] == colour(name) == COLOURS[name]
    compared = ["L1", "L2", "SmoothL1", "Wing"]
    assert len({colour(name) for name in compared}) == 4
    assert len({str(style(name)["linestyle"]) for name in compared}) == 4


def test_unknown_names_get_the_same_style_each_time_and_different_ones_in_one_figure():
    names = ["Wing", *(f"arm {i}" for i in range(6))]
    looks = styles(names)
    assert looks == styles(names) and looks["Wing"] == style("Wing")
    assert len({look["color"] for look in looks.values()}) == 7
    assert styles(["arm 0"])["arm 0"] == style("arm 0")
    many = styles(f"arm {i}" for i in range(28))
    assert len({str(look) for look in many.values()}) == 28


def test_style_puts_pictures_on_opaque_white():
    with plt.rc_context():
        use_style()
        assert plt.rcParams["savefig.facecolor"] == plt.rcParams["axes.facecolor"] == "white"


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


def test_figures_are_closed_so_that_a_notebook_shows_them_once():
    plt.close("all")
    figure = value_and_gradient({"L2": x**2}, x, span=(-1, 1))
    assert plt.get_fignums() == []
    assert repr(figure).startswith("<Figure size")


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


def test_equation_is_typeset_and_has_a_plain_text():
    shown = equation(r"\ell(x)", x**2 / 2)
    assert shown._repr_latex_() == r"$$\ell(x) = \frac{x^{2}}{2}$$"
    assert repr(shown) == r"\ell(x) = x**2/2"


def test_table_text_is_aligned_with_numbers_flush_right():
    shown = table(["loss", "value"], [["L1", 1.5], ["SmoothL1", 12.25]], digits=3)
    assert repr(shown) == "loss      value\n--------  -----\nL1         1.50\nSmoothL1   12.2"


def test_bars_inside_cells_do_not_end_them():
    markdown = table(["$|x|$", "a|b"], [[r"$\|x\|$ or `p|q`", sympy.Abs(x)]])._repr_markdown_()
    header, rule, row = markdown.splitlines()
    assert header == r"| $\vert x\vert $ | a\|b |"
    assert rule == "| --- | --- |"
    assert row == r"| $\Vert x\Vert $ or `p\|q` | $\left\vert {x}\right\vert $ |"
    assert table([r"a\|b"], [])._repr_markdown_().startswith(r"| a\|b |")


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (3, "3"),
        (123456, "123456"),
        (1234.56, "1235"),
        (0.000123456, "0.0001235"),
        (1.23456e-9, "1.235e-09"),
        (1.23456e12, "1.235e+12"),
        (0.99999, "1.000"),
        (-2.5, "-2.500"),
        (-0.0, "0"),
        (float("nan"), "nan"),
        (float("-inf"), "-inf"),
        (np.float32(0.5), "0.5000"),
        (np.int64(7), "7"),
        (torch.tensor(0.25), "0.2500"),
        (sympy.Float(0.25), "0.2500"),
        (sympy.Integer(4), "4"),
        (sympy.Rational(1, 3), r"$\frac{1}{3}$"),
        (True, "yes"),
        (np.bool_(False), "no"),
        (sympy.true, "yes"),
        (None, ""),
        ("two\nlines", "two lines"),
    ],
)
def test_cells_are_formatted_by_what_they_are(cell, text):
    assert table(["c"], [[cell]]).rows == ((text,),)


def test_table_refuses_ragged_rows():
    with pytest.raises(ValueError, match="expected 2 cells in each row, got 1"):
        table(["a", "b"], [["only"]])
    with pytest.raises(ValueError, match="digits"):
        table(["a"], [], digits=0)


def student_probability(quantile: float, freedom: int) -> float:
    factor = math.gamma((freedom + 1) / 2) / (
        math.sqrt(freedom * math.pi) * math.gamma(freedom / 2)
    )
    density = lambda t: factor * (1 + t * t / freedom) ** (-(freedom + 1) / 2)  # noqa: E731
    return 2 * integrate.quad(density, 0, quantile)[0]


@pytest.mark.parametrize("confidence", [0.5, 0.95, 0.99])
def test_interval_is_students(confidence):
    values = [4.8, 5.1, 5.0, 4.6, 5.3]
    mean, half = mean_interval(values, confidence)
    assert mean == pytest.approx(sum(values) / 5)
    deviation = math.sqrt(sum((v - mean) ** 2 for v in values) / 4)
    quantile = half / (deviation / math.sqrt(5))
    assert student_probability(quantile, 4) == pytest.approx(confidence)


def test_pairing_removes_what_the_seeds_share():
    a, b = [1.0, 5.0, 9.0], [0.9, 4.8, 8.7]
    mean, half = paired_interval(a, b)
    assert mean == pytest.approx(0.2)
    assert half == pytest.approx(mean_interval([0.1, 0.2, 0.3])[1])
    assert half < mean_interval(a)[1] / 10


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mean_interval([1.0]), "at least 2 values, got 1"),
        (lambda: mean_interval([1.0, float("nan")]), "finite"),
        (lambda: mean_interval(np.ones((1, 2))), "flat"),
        (lambda: mean_interval([1.0, 2.0], 1.0), "confidence"),
        (lambda: paired_interval([1.0, 2.0], [1.0]), "equal lengths, got 2 and 1"),
        (lambda: results_table({}), "no results"),
        (lambda: results_table({"a": [1.0, 2.0]}, baseline="b"), "'b' is not among a"),
        (lambda: results_table({"a": [1.0, 2.0], "b": [1.0]}, baseline="a"), "b: got 1 results"),
        (lambda: results_table({"a": []}), "a: got 0 results"),
    ],
)
def test_statistics_refuse_what_has_no_interval(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_results_have_intervals_and_paired_differences_in_the_unit():
    results = {"L1": [0.050, 0.052, 0.051], "Wing": [0.048, 0.051, 0.049]}
    shown = results_table(results, baseline="L1", unit="%", scale=100)
    mean, half = mean_interval([4.8, 5.1, 4.9])
    assert shown.columns == ("arm", "runs", "mean ± 95 % interval [%]", "difference to L1 [%]")
    assert shown.rows[0][3] == ""
    assert shown.rows[1] == ("Wing", "3", f"{mean:.2f} ± {half:.2f}", "-0.17 ± 0.14")


def test_one_seed_gives_a_mean_without_an_interval():
    shown = results_table({"a": [2.0], "b": [2.5]}, baseline="a")
    assert shown.rows == (("a", "1", "2.00", ""), ("b", "1", "2.50", "+0.500"))


def test_equal_seeds_give_an_interval_of_zero():
    assert results_table({"a": [2.0, 2.0]}).rows == (("a", "2", "2.00 ± 0"),)


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


def test_faces_show_every_image_with_its_own_points():
    images = torch.rand(3, 8, 6)
    points = {"ground truth": np.arange(24.0).reshape(3, 4, 2), "prediction": np.zeros((3, 4, 2))}
    figure = faces(images, points, titles=["a", "b", "c"], columns=2)
    third = figure.axes[2]
    assert third.get_title() == "c"
    np.testing.assert_allclose(third.images[0].get_array(), images[2].numpy())
    np.testing.assert_array_equal(third.collections[0].get_offsets(), points["ground truth"][2])
    assert third.get_xlim() == (-0.5, 5.5) and third.get_ylim() == (7.5, -0.5)
    assert len(figure.legends) == 1 and len(figure.legends[0].get_texts()) == 2


@pytest.mark.parametrize(
    ("images", "points", "titles", "message"),
    [
        (np.zeros((8, 6)), {}, None, r"got shape \(8, 6\)"),
        (np.zeros((2, 8, 6)), {"a": np.zeros((1, 4, 2))}, None, r"a: expected \(2, points, 2\)"),
        (np.zeros((2, 8, 6)), {"a": np.zeros((2, 4, 3))}, None, r"got \(2, 4, 3\)"),
        (np.zeros((2, 8, 6)), {}, ["one"], "expected 2 titles, got 1"),
    ],
)
def test_faces_refuse_shapes_that_do_not_fit(images, points, titles, message):
    with pytest.raises(ValueError, match=message):
        faces(images, points, titles=titles)


BONES = [(0, 1), (1, 2)]


@pytest.mark.parametrize("dimensions", [2, 3])
def test_skeletons_connect_the_points_of_each_hand_in_its_own_panel(dimensions):
    points = np.arange(2 * 3 * dimensions, dtype=float).reshape(2, 3, dimensions)
    figure = skeletons({"coarse": points, "refined": points + 1}, BONES, titles=["a", "b"])
    second = figure.axes[1]
    assert second.get_title() == "b"
    lines = [line for line in second.lines if line.get_label() in ("coarse", "refined")]
    drawn = lines[1].get_data_3d() if dimensions == 3 else lines[1].get_data()
    path = np.array(drawn).T
    expected = points[1] + 1
    if dimensions == 3:  # x, depth, height
        expected = np.stack([expected[:, 0], expected[:, 2], -expected[:, 1]], 1)
    np.testing.assert_array_equal(path[[0, 1, 3, 4]], expected[[0, 1, 1, 2]])
    assert np.isnan(path[2]).all()
    assert dimensions == 3 or second.get_ylim()[0] > second.get_ylim()[1]
    assert len(figure.legends[0].get_texts()) == 2


@pytest.mark.parametrize(
    ("points", "options", "message"),
    [
        ({}, {}, r"got shape \(\)"),
        ({"a": np.zeros((2, 3, 4))}, {}, r"got shape \(2, 3, 4\)"),
        ({"a": np.zeros((2, 3, 2)), "b": np.zeros((1, 3, 2))}, {}, r"b: expected \(2, 3, 2\)"),
        ({"a": np.zeros((2, 2, 2))}, {}, "index outside of 0 to 1"),
        ({"a": np.zeros((2, 3, 2))}, {"titles": ["one"]}, "expected 2 titles, got 1"),
    ],
)
def test_skeletons_refuse_what_does_not_fit(points, options, message):
    with pytest.raises(ValueError, match=message):
        skeletons(points, BONES, **options)


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


def test_every_figure_draws_without_a_warning(recwarn, tmp_path):
    figures = [
        value_and_gradient({"L1": sympy.Abs(x), "L2": x**2}, x, span=(-1, 1)),
        ced({"Wing": [0.01, 0.02]}, threshold=0.1),
        history({"a": {"k": [1, 2]}}, ["k"]),
        faces(np.zeros((2, 8, 6)), {"prediction": np.ones((2, 4, 2))}),
        surface(x * y, variables=(x, y), **SPANS),
        skeletons({"coarse": np.random.default_rng(0).random((2, 3, 2))}, BONES),
        skeletons({"coarse": np.random.default_rng(0).random((2, 3, 3))}, BONES),
        shares({"a": {"2d": [1, 0], "aux": [1, 0]}}, [0, 1]),
    ]
    for index, figure in enumerate(figures):
        figure.savefig(tmp_path / f"{index}.png")
    assert not [str(warning.message) for warning in recwarn]
