"""Objects to move, in Chromium: from the disk, without a network, with mouse, finger and keys."""

import html
import math
import re
import time

import numpy as np
import pytest
import scenes
import sympy
import torch

from lossbook.lab.page.objects import (
    Axis,
    Button,
    Choice,
    Curve,
    Dots,
    Handle,
    Line,
    Minimum,
    Panel,
    Path,
    Picture,
    Range,
    Recurrence,
    Scene,
    Stems,
    Switch,
    Text,
    Trail,
    pointer_x,
    pointer_y,
)
from lossbook.landmarks import smooth_l1_loss, wing_loss

pytestmark = pytest.mark.browser

x, y, u, v, t = sympy.symbols("x y u v t", real=True)
k = sympy.Symbol("k", integer=True)


def ask(page, name, code):
    return page.evaluate(f"document.querySelector('#scene-{name}').scene.{code}")


def state(page, name):
    return ask(page, name, "state()")


def heights(page, name, mark, points, side=0.0):
    """What a moving curve is at points, asked on one side of them."""
    return [ask(page, name, f"at({mark}, {at}, {at + side})") for at in points]


def wing_in_torch(points, **parameters):
    at = torch.tensor(points, dtype=torch.float64, requires_grad=True)
    value = wing_loss(at, torch.zeros_like(at), reduction="none", **parameters)
    (gradient,) = torch.autograd.grad(value.sum(), at)
    return value.detach().numpy(), gradient.numpy()


WING_VALUE, WING_GRADIENT = 1, 4
"""Places of the two moving curves among the moving marks of the demonstration."""


def assert_wing_is_torch(page):
    now = state(page, "wing")
    grid = [-25, -11.3, -7.02, -0.4, -1e-6, 1e-6, 0.3, 2, 9.99, 17, 25]
    parameters = {"w": now["w"], "epsilon": now["epsilon"]}
    value, gradient = wing_in_torch(grid, **parameters)
    shown = [heights(page, "wing", mark, grid) for mark in (WING_VALUE, WING_GRADIENT)]
    np.testing.assert_allclose(shown[0], value, atol=1e-9, rtol=0)
    np.testing.assert_allclose(shown[1], gradient, atol=1e-9, rtol=0)
    at, value, gradient = ask(page, "wing", "shown()")
    expected = wing_in_torch([at], **parameters)
    np.testing.assert_allclose([value, gradient], np.ravel(expected), atol=1e-9, rtol=0)
    slope = parameters["w"] / parameters["epsilon"]
    for side in (-1e-9, 1e-9):
        (limit,) = heights(page, "wing", WING_GRADIENT, [0], side)
        assert limit == pytest.approx(math.copysign(slope, side), abs=1e-9)


def test_sliders_move_the_curves_to_what_torch_computes(show):
    page = show(scenes.wing())
    assert_wing_is_torch(page)
    for index, value in ((0, "5"), (1, "0.2"), (0, "20"), (1, "10")):
        page.locator("input[type=range]").nth(index).fill(value)
        assert_wing_is_torch(page)
    assert state(page, "wing")["w"] == 20 and state(page, "wing")["epsilon"] == 10


def test_axes_stay_where_they_are_while_the_slope_changes(show):
    page = show(scenes.wing())
    axes = "[...document.querySelectorAll('.axis')].map((axis) => axis.outerHTML)"
    before, path = page.evaluate(axes), page.locator(".clip g path").nth(0).get_attribute("d")
    page.locator("input[type=range]").nth(1).fill("0.2")
    assert page.evaluate(axes) == before
    assert page.locator(".clip g path").nth(0).get_attribute("d") != path


def test_a_jump_is_a_gap_between_two_open_ends(show):
    page = show(scenes.wing())
    page.locator("input[type=range]").nth(1).fill("1")
    (gradient,) = page.locator("svg.panel").nth(1).locator("g[data-mark].s").all()
    path, open_ends, filled = (one.get_attribute("d") for one in gradient.locator("path").all())
    parts = [np.array(re.findall(r"(-?[\d.]+),(-?[\d.]+)", part), float)
             for part in re.findall(r"M[^M]*", path)]  # fmt: skip
    size = page.locator(".clip").nth(1)
    wide, high = (float(size.get_attribute(name)) for name in ("width", "height"))
    ends = [row for part in parts for row in part[[0, -1]] if abs(row[0] - wide / 2) < 0.06]
    seen = sorted(12 - 24 * row[1] / high for row in ends)
    assert seen == pytest.approx([-10, 10], abs=0.01)
    assert open_ends.count("M") == 2 and filled.count("M") == 1
    assert not any(abs(np.diff(part[:, 1])).max() > 40 for part in parts)


def test_the_first_picture_is_what_the_script_draws(show):
    made = [scenes.wing(), scenes.landmark(), scenes.total(), scenes.clip(), scenes.head()]
    collect = """[...document.querySelectorAll('.panel path')].map((path) =>
      (path.getAttribute('d') || '').replace(/^M[^LaZ]*$/, '').match(/-?[\\d.]+/g) || [])"""
    texts = "[...document.querySelectorAll('[data-value]')].map((live) => live.textContent)"
    moved, still = (show(*made, java_script_enabled=on) for on in (True, False))
    for ours, theirs in zip(moved.evaluate(collect), still.evaluate(collect), strict=True):
        np.testing.assert_allclose(np.array(ours, float), np.array(theirs, float), atol=0.11)
    assert moved.evaluate(texts) == still.evaluate(texts)


def test_without_javascript_there_are_pictures_and_no_dead_controls(show):
    page = show(scenes.wing(), scenes.landmark(), java_script_enabled=False)
    assert page.locator("form:visible").count() == 0
    assert page.locator("svg.panel[role=img]:visible").count() == 4
    note = "With JavaScript this picture can be moved."
    assert page.get_by_text(note).count() == 2
    assert show(scenes.wing()).locator(f"text={note}").is_hidden()


def centre(locator):
    box = locator.bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def forces_in_torch(error):
    """Pull and loss of each loss, and the distance, as the demonstration shows them."""
    losses = {
        "L2": lambda e: (e**2).sum(),
        "SmoothL1": lambda e: smooth_l1_loss(e, torch.zeros_like(e), reduction="sum"),
        "Wing": lambda e: wing_loss(e, torch.zeros_like(e), reduction="sum"),
    }
    pulls, values = [], []
    for loss in losses.values():
        at = torch.tensor(error, dtype=torch.float64, requires_grad=True)
        value = loss(at)
        (gradient,) = torch.autograd.grad(value, at)
        pulls.append(gradient.norm().item())
        values.append(value.item())
    return values, [math.hypot(*error), *pulls]


def assert_landmark_is_torch(page):
    now = state(page, "landmark")
    values, sentence = forces_in_torch([now["u"], now["v"]])
    np.testing.assert_allclose(
        ask(page, "landmark", "shown()"), values + sentence, atol=1e-9, rtol=0
    )


def test_a_landmark_is_dragged_and_the_forces_are_those_of_torch(show):
    page = show(scenes.landmark())
    assert_landmark_is_torch(page)
    px, py = centre(page.locator("[data-handle] .knob"))
    page.mouse.move(px + 4, py + 4)
    page.mouse.down()
    page.mouse.move(px - 76, py + 44, steps=5)
    assert_landmark_is_torch(page)
    page.mouse.up()
    moved = state(page, "landmark")
    assert moved["u"] < 0 and moved["v"] > 2
    there = centre(page.locator("[data-handle] .knob"))
    assert there == pytest.approx((px - 80, py + 40), abs=2)
    page.mouse.move(px, py)
    assert state(page, "landmark") == moved
    page.mouse.move(*there)
    page.mouse.down()
    page.mouse.move(3000, 3000)
    page.mouse.up()
    assert state(page, "landmark") == {"u": 12, "v": 12}
    assert_landmark_is_torch(page)


def test_buttons_preset_and_reset(show):
    page = show(scenes.landmark())
    page.get_by_role("button", name="nearly right").click()
    assert state(page, "landmark") == {"u": 0.4, "v": -0.3}
    assert_landmark_is_torch(page)
    page.get_by_role("button", name="Reset").click()
    assert state(page, "landmark") == {"u": 3, "v": 2}


def test_a_handle_is_moved_with_the_keys_and_says_where_it_is(show):
    page = show(scenes.landmark())
    handle = page.get_by_role("slider", name="predicted point")
    handle.focus()
    for key in ("ArrowRight", "ArrowDown", "Shift+ArrowLeft"):
        page.keyboard.press(key)
    # Rows of a picture run downwards, so the point goes where the arrow points.
    assert state(page, "landmark") == {"u": 2.1, "v": 2.1}
    assert handle.get_attribute("aria-valuetext") == "error along x 2.1 px, error along y 2.1 px"
    assert [handle.get_attribute(f"aria-value{n}") for n in ("min", "now", "max")] == [
        "-12", "2.1", "12",
    ]  # fmt: skip
    ring = "(g) => getComputedStyle(g.querySelector('.halo')).strokeWidth"
    assert handle.evaluate(ring) == "2.5px"
    page.keyboard.press("End")
    assert state(page, "landmark")["u"] == 12
    assert_landmark_is_torch(page)


def test_everything_that_moves_is_reached_with_the_tab_key_and_has_a_name(show):
    page = show(scenes.wing(), scenes.total())
    names = []
    for _ in range(7):
        page.keyboard.press("Tab")
        names.append(page.evaluate(
            "(document.activeElement.ariaLabel || document.activeElement.closest('label, button')"
            ".textContent).trim()"
        ))  # fmt: skip
    assert names == [
        "w 10.0", "ε 2.0", "Reset", "error [px]", "error [px]",
        "weight of the 3D joints 1.00", "Reset",
    ]  # fmt: skip
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("ArrowRight")
    assert state(page, "total")["w_3D"] > 1
    slider = page.locator("#scene-total input")
    assert slider.get_attribute("aria-valuetext") == "1.02"


def test_two_objects_of_a_page_and_two_copies_of_one_do_not_disturb_each_other(show):
    page = show(scenes.wing(), scenes.landmark(), scenes.wing())
    page.locator("input[type=range]").nth(0).fill("4")
    values = page.evaluate(
        "[...document.querySelectorAll('[data-scene=wing]')].map((f) => f.scene.state().w)"
    )
    assert values == [4, 10] and state(page, "landmark") == {"u": 3, "v": 2}
    ids = page.evaluate("[...document.querySelectorAll('svg [id]')].length")
    assert ids == 0


def test_bars_follow_a_logarithmic_slider(show):
    page = show(scenes.total())
    page.locator("input").fill("-1")
    assert state(page, "total")["w_3D"] == 0.1
    terms = torch.tensor([0.9, 14.0, 6.0, 1.3, 2.4], dtype=torch.float64)
    terms = terms * torch.tensor([1, 0.1, 0.5, 0.01, 0.1], dtype=torch.float64)
    expected = [terms[1], terms.sum(), terms[1] / terms.sum()]
    np.testing.assert_allclose(ask(page, "total", "shown()"), expected, atol=1e-9, rtol=0)
    assert "the 3D joints are 25 % of it" in page.locator("#scene-total p").first.inner_text()


@pytest.mark.parametrize("made", [scenes.wing, scenes.landmark, scenes.total])
def test_a_phone_is_wide_enough_and_its_finger_drags_or_scrolls(show, made):
    page = show(made(), width=390, has_touch=True, is_mobile=True)
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    small = page.evaluate("""[...document.querySelectorAll('svg.panel text')].filter(
      (text) => text.getBoundingClientRect().height < 9).map((text) => text.textContent)""")
    assert small == []
    targets = page.evaluate("""[...document.querySelectorAll('button, input, [data-handle]')].map(
      (element) => element.getBoundingClientRect().height)""")
    assert min(targets) >= 24


def test_a_finger_on_a_handle_drags_it_and_elsewhere_scrolls_the_page(show):
    page = show(scenes.landmark(), scenes.wing(), width=390, has_touch=True, is_mobile=True)
    session = page.context.new_cdp_session(page)

    def swipe(px, py, dy):
        for kind, at in (("Start", 0), *(("Move", dy * i / 5) for i in range(1, 6)), ("End", None)):
            points = [] if at is None else [{"x": px, "y": py + at}]
            session.send(
                "Input.dispatchTouchEvent", {"type": f"touch{kind}", "touchPoints": points}
            )
        page.wait_for_timeout(200)

    px, py = centre(page.locator("#scene-landmark [data-handle] .knob"))
    swipe(px, py, -60)
    assert page.evaluate("scrollY") == 0 and state(page, "landmark")["v"] < 0
    before = state(page, "landmark")
    swipe(px - 120, py + 60, -150)
    assert page.evaluate("scrollY") > 50 and state(page, "landmark") == before


def luminance(colour):
    parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


SEEN = """[...document.querySelectorAll('.lossbook-scene')].map((figure) => {
  const style = (element) => getComputedStyle(element);
  const text = [...figure.querySelectorAll('text, p, label, figcaption, b')];
  const lines = [...figure.querySelectorAll('.s')];
  const solid = (colour) => colour !== 'rgba(0, 0, 0, 0)';
  let page = figure;
  while (page.parentElement && !solid(style(page).backgroundColor)) page = page.parentElement;
  const own = style(page).backgroundColor;
  return {
    page: solid(own) ? own : 'rgb(255, 255, 255)', boxed: solid(style(figure).backgroundColor),
    texts: text.map((e) => e.tagName === 'text' ? style(e).fill : style(e).color),
    lines: lines.map((line) => style(line).stroke),
  };
})"""


@pytest.mark.parametrize(
    ("attributes", "scheme", "dark", "boxed"),
    [
        ("", "light", False, False),
        (' data-theme="light"', "dark", False, False),
        (' data-theme="dark"', "light", True, False),
        (' data-theme="dark"', "dark", True, False),
        # A page that knows nothing of themes stays white; the object brings its own ground.
        ("", "dark", True, True),
    ],
)
def test_everything_can_be_read_in_light_and_dark(show, attributes, scheme, dark, boxed):
    made = (scenes.wing(), scenes.landmark(), scenes.total())
    page = show(*made, attributes=attributes, color_scheme=scheme)
    for seen in page.evaluate(SEEN):
        assert seen["boxed"] == boxed and (luminance(seen["page"]) < 0.2) == dark
        assert min(contrast(colour, seen["page"]) for colour in seen["texts"]) >= 4.5
        assert min(contrast(colour, seen["page"]) for colour in seen["lines"]) >= 2.9


def test_a_theme_that_is_switched_while_the_page_is_open_is_followed(show):
    page = show(scenes.wing(), attributes=' data-theme="light"')
    before = page.evaluate(SEEN)[0]["lines"]
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    assert page.evaluate(SEEN)[0]["lines"] != before


def test_an_output_that_is_put_into_a_page_later_moves_too(show):
    page = show(scenes.total())
    page.evaluate(
        """(html) => {
          const place = document.createElement("div");
          document.body.append(place);
          place.innerHTML = html;
          for (const script of place.querySelectorAll("script")) {
            const run = document.createElement("script");
            run.textContent = script.textContent;
            script.replaceWith(run);
          }
        }""",
        scenes.landmark().html(),
    )
    assert_landmark_is_torch(page)
    page.get_by_role("button", name="far off").click()
    assert state(page, "landmark") == {"u": -10, "v": 8}


def axes(limit=2):
    return {"x": Axis(-limit, limit), "y": Axis(-limit, limit)}


def test_a_point_on_a_circle_follows_the_pointer_round_it(show):
    moves = {t: sympy.atan2(pointer_y, pointer_x)}
    made = Scene(
        "sphere", "A feature on its circle", {t: Range(-3.2, 3.2, 0, 0.01)},
        [Panel([Dots([(0, 0)]), Handle(sympy.cos(t), sympy.sin(t), moves, title="feature")],
               equal=True, **axes())],
        [("{c:.4f}", {"c": sympy.cos(t)})],
    )  # fmt: skip
    page = show(made)
    px, py = centre(page.locator(".knob"))
    middle = centre(page.locator(".clip path"))
    page.mouse.move(px, py)
    page.mouse.down()
    page.mouse.move(middle[0] + 5, middle[1] - 200, steps=4)
    page.mouse.up()
    assert state(page, "sphere")["t"] == pytest.approx(math.pi / 2, abs=0.05)
    page.locator("[data-handle]").press("ArrowUp")
    assert state(page, "sphere")["t"] > 1.5


def test_an_optimum_is_followed_also_where_it_lies_on_a_step(show):
    least, mean, point = *sympy.symbols("least mean"), sympy.IndexedBase("p")
    others = [-1.0, -0.5, 0.25, 1.5]
    rest = (sympy.Sum(f(x - point[k]), (k, 1, 4)) for f in (sympy.Abs, lambda e: e**2))
    first, second = rest
    made = Scene(
        "outlier", "Drag the outlier", {u: Range(-2, 2, 0.5, 0.01)},
        [Panel([Dots([(least, 0)]), Handle(u, 0)], **axes())],
        [("{a} {b}", {"a": least, "b": mean})],
        minima={least: Minimum(first + sympy.Abs(x - u), x, -2, 2),
                mean: Minimum(second + (x - u) ** 2, x, -2, 2)},
        arrays={point: others},
    )  # fmt: skip
    page = show(made)
    for at in (0.5, -2, 0.1, 2):
        ask(page, "outlier", f"set([[0, {at}]])")
        shown = ask(page, "outlier", "shown()")
        expected = [np.median([*others, at]), np.mean([*others, at])]
        np.testing.assert_allclose(shown, expected, atol=1e-9, rtol=0)


def test_a_step_of_descent_is_a_button_and_leaves_a_trail(show):
    rate = sympy.Float(0.2)
    made = Scene(
        "dirac", "Dirac-GAN", {u: Range(-2, 2, 1), v: Range(-2, 2, 0)},
        [Panel([Trail((u, v)), Handle(u, v)], **axes())],
        [("{u} {v}", {"u": u, "v": v})],
        [Button("step", {u: u - rate * v, v: v + rate * u}, times=10)],
    )  # fmt: skip
    page = show(made)
    page.get_by_role("button", name="step").click()
    a, b = 1.0, 0.0
    for _ in range(10):
        a, b = max(-2, min(2, a - 0.2 * b)), max(-2, min(2, b + 0.2 * a))
    np.testing.assert_allclose(ask(page, "dirac", "shown()"), [a, b], atol=1e-9)
    trail = page.locator(".clip path")
    assert trail.get_attribute("d").count("L") == 10
    page.get_by_role("button", name="Reset").click()
    assert trail.get_attribute("d").count("L") == 0


@pytest.mark.parametrize("motion", ["no-preference", "reduce"])
def test_many_steps_are_shown_as_a_motion_unless_somebody_wants_none(show, motion):
    made = Scene(
        "walk", "Walk", {u: Range(-2, 2, -2)}, [Panel([Handle(u, 0)], **axes())],
        [("{u}", {"u": u})], [Button("go", {u: u + 0.03}, times=100)],
    )  # fmt: skip
    page = show(made, reduced_motion=motion)
    page.get_by_role("button", name="go").click()
    if motion == "no-preference":
        assert state(page, "walk")["u"] < 0.7, "it does not jump to its end"
        page.wait_for_function("document.querySelector('#scene-walk').scene.state().u > 0.9999")
    assert state(page, "walk")["u"] == pytest.approx(1)
    page.get_by_role("button", name="Reset").click()
    page.wait_for_timeout(100)
    assert state(page, "walk")["u"] == -2


def test_a_motion_that_is_pressed_again_stops_and_at_its_end_begins_anew(show):
    made = Scene(
        "walk", "Walk", {u: Range(-2, 2, -2)}, [Panel([Handle(u, 0)], **axes())],
        [("{u}", {"u": u})], [Button("go", {u: u + 0.01}, times=600)],
    )  # fmt: skip
    page = show(made)
    go = page.get_by_role("button", name="go")

    def moved(ms):
        before = state(page, "walk")["u"]
        page.wait_for_timeout(ms)
        return state(page, "walk")["u"] - before

    go.click()
    assert moved(400) > 0.05
    go.click()
    assert moved(300) == 0, "a second press stops it"
    go.click()
    # A step takes 12 ms: going on it is no faster than at first.
    assert 0.05 < moved(500) < 0.7
    page.wait_for_function("document.querySelector('#scene-walk').scene.state().u === 2")
    page.wait_for_timeout(100)
    assert state(page, "walk")["u"] == 2, "there it stays"
    go.click()
    page.wait_for_function("document.querySelector('#scene-walk').scene.state().u < 0")
    assert moved(300) > 0.05, "and then it goes once more from its start"


def test_a_path_follows_numbers_that_follow_from_one_another(show):
    a, b = map(sympy.IndexedBase, "ab")
    swing = Recurrence({a: u, b: v}, {a: a[k] + b[k] / 5, b: b[k] - a[k] / 5}, k, 41)
    made = Scene(
        "orbit", "Orbit", {u: Range(-1, 1, 1), v: Range(-1, 1, 0), t: Range(0, 40, 40, 1)},
        [Panel([Path((a[k], b[k]), k, (1, t + 1)), Path((a[k], b[k]), k, (1, t), size=2),
                Handle(u, v)], **axes())],
        [("{a} {b}", {"a": a[t + 1], "b": b[t + 1]})],
        recurrences=[swing],
    )  # fmt: skip
    page = show(made)
    for start, steps in (((1, 0), 40), ((0.5, -0.4), 13), ((-1, 1), 0)):
        ask(page, "orbit", f"set([[0, {start[0]}], [1, {start[1]}], [2, {steps}]])")
        place = np.array(start, dtype=float)
        for _ in range(steps):
            place = place + np.array([place[1], -place[0]]) / 5
        np.testing.assert_allclose(ask(page, "orbit", "shown()"), place, atol=1e-12, rtol=1e-12)
        line, dots = (page.locator(".clip path").nth(i).get_attribute("d") for i in (0, 1))
        assert line.count("L") == steps and dots.count("M") == steps
        drawn = np.array(re.findall(r"(-?[\d.]+),(-?[\d.]+)", line), float)[-1]
        wide, high = (float(page.locator(".clip").get_attribute(n)) for n in ("width", "height"))
        np.testing.assert_allclose(drawn, [(place[0] + 2) / 4 * wide, (2 - place[1]) / 4 * high],
                                   atol=0.06)  # fmt: skip


def test_frames_switches_and_choices_move_stems_and_texts(show):
    made = Scene(
        "clip", "A clip", {u: Switch("with noise"), v: Choice("term", ["P", "V"])},
        [Panel([Stems(k * (1 + u) - v, k, (0, 8)), Text((1, 1), "{n:.0f} frames", {"n": 9 + v}),
                Line([(0, 0), (1, v)]), Curve(u * x, x)], x=Axis(-1, 9), y=Axis(-1, 17))],
    )  # fmt: skip
    page = show(made)
    before = page.locator(".clip path").first.get_attribute("d")
    page.get_by_label("with noise").check()
    page.get_by_role("radio", name="V").check()
    assert state(page, "clip") == {"u": 1, "v": 1}
    assert page.locator(".clip path").first.get_attribute("d") != before
    assert page.locator("tspan").text_content() == "10"
    page.get_by_role("button", name="Reset").click()
    assert page.locator(".clip path").first.get_attribute("d") == before
    assert not page.get_by_label("with noise").is_checked()
    assert page.get_by_role("radio", name="P").is_checked()


def test_many_points_are_one_stop_of_the_tab_key_and_the_nearest_is_taken(show):
    names = sympy.symbols("a:6", real=True)
    made = Scene(
        "points", "Six points", {s: Range(-2, 2, i / 10, 0.01) for i, s in enumerate(names)},
        [Panel([Handle(s, 0, title=f"point {i}") for i, s in enumerate(names)], **axes())],
    )  # fmt: skip
    page = show(made)
    assert page.locator("[data-handle][tabindex='0']").count() == 1
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("PageDown")
    page.keyboard.press("ArrowRight")
    assert state(page, "points")["a1"] == pytest.approx(0.11)
    px, py = centre(page.locator(".knob").nth(3))
    page.mouse.move(px + 1, py)
    page.mouse.down()
    page.mouse.move(px + 1, py - 30)
    page.mouse.move(px + 41, py - 30)
    page.mouse.up()
    moved = state(page, "points")
    assert moved["a3"] > 0.5 and moved["a2"] == 0.2 and moved["a4"] == 0.4


# Playing -----------------------------------------------------------------------------------------


def outline_of(page):
    """The points that are drawn, in cm."""
    path = page.locator("#scene-clip .clip g path").first.get_attribute("d")
    points = np.array(re.findall(r"(-?[\d.]+),(-?[\d.]+)", path), float)
    width = float(page.locator("#scene-clip .clip").first.get_attribute("width"))
    return (points[:-1] / width * 24 - [12, 16]) * [1, -1]


def test_every_frame_of_a_clip_is_what_the_table_holds(show):
    page = show(scenes.clip())
    table = scenes.nodding()
    for frame in (1, 2, 41, 80):
        page.locator("input[type=range]").fill(str(frame))
        np.testing.assert_allclose(outline_of(page), table[frame - 1], atol=0.012)
        shown = ask(page, "clip", "shown()")
        assert shown[-1] == pytest.approx(table[frame - 1, 0, 1], abs=6e-4)


def test_a_head_turns_as_its_formula_says(show):
    page = show(scenes.head())
    page.locator("input[type=range]").fill("30")
    path = page.locator(".clip path").first.get_attribute("d")
    (x, _), *_ = re.findall(r"(-?[\d.]+),(-?[\d.]+)", path)
    width = float(page.locator(".clip").get_attribute("width"))
    turned = 8 * math.cos(math.pi / 6) + 6 * math.sin(math.pi / 6)
    assert float(x) / width * 24 - 12 == pytest.approx(turned, abs=0.01)


def test_a_clip_is_played_round_and_round_and_paused(show):
    page = show(scenes.clip(), reduced_motion="no-preference")
    assert state(page, "clip")["frame"] == 1, "nothing moves before it is asked to"
    page.locator("input[type=range]").fill("78")
    begun = time.monotonic()
    page.get_by_role("button", name="Play frame").click()
    page.wait_for_function("document.querySelector('#scene-clip').scene.state().frame < 78")
    page.wait_for_function("document.querySelector('#scene-clip').scene.state().frame > 4")
    assert time.monotonic() - begun > 0.6 + 6 / 25, "it rests on the last frame"
    frame = int(state(page, "clip")["frame"])
    np.testing.assert_allclose(
        outline_of(page)[:, 1].mean(), scenes.nodding()[frame - 1 : frame + 3, :, 1].mean(1).max(),
        atol=1,
    )  # fmt: skip
    page.get_by_role("button", name="Pause frame").click()
    held = state(page, "clip")
    page.wait_for_timeout(200)
    assert state(page, "clip") == held
    assert page.get_by_role("button", name="Play frame").inner_text() == "Play"


@pytest.mark.parametrize("by", ["slider", "reset"])
def test_who_takes_hold_of_a_clip_stops_it(show, by):
    page = show(scenes.clip(), reduced_motion="no-preference")
    page.get_by_role("button", name="Play frame").click()
    page.wait_for_function("document.querySelector('#scene-clip').scene.state().frame > 3")
    if by == "slider":
        page.locator("input[type=range]").fill("40")
    else:
        page.get_by_role("button", name="Reset").click()
    page.wait_for_timeout(200)
    assert state(page, "clip")["frame"] == (40 if by == "slider" else 1)
    assert page.get_by_role("button", name="Play frame").is_visible()


def test_who_wants_no_motion_goes_on_frame_by_frame(show):
    page = show(scenes.clip(), reduced_motion="reduce")
    button = page.get_by_role("button", name="Next frame")
    button.click()
    page.wait_for_timeout(200)
    assert state(page, "clip")["frame"] == 2
    button.press("Enter")
    assert state(page, "clip")["frame"] == 3
    page.locator("input[type=range]").fill("80")
    button.click()
    assert state(page, "clip")["frame"] == 1


# As outputs of notebooks --------------------------------------------------------------------------

COLAB = '<iframe sandbox="allow-scripts" width="900" height="700" srcdoc="{}"></iframe>'
# What JupyterLab puts round an output: contained layout, and shortcuts that are asked first.
LAB = """<div class="jp-Notebook jp-mod-commandMode" tabindex="-1" style="contain: strict;
  height: 800px; overflow: auto"><div class="jp-OutputArea-output" style="overflow: auto;
  display: flex; flex-direction: column">{}</div></div><script>
  window.stolen = [];
  document.addEventListener("keydown", (event) => {{
    if (event.target.closest("[data-lm-suppress-shortcuts]")) return;
    if (!event.target.closest(".jp-mod-commandMode") || !/^Arrow/.test(event.key)) return;
    window.stolen.push(event.key);
    event.preventDefault();
    event.stopPropagation();
  }}, true);</script>"""


def test_an_object_moves_in_the_sandboxed_frame_of_an_output(show):
    class Framed:
        def __init__(self, made):
            self.made = made

        def html(self):
            return COLAB.format(html.escape(self.made.html()))

    page = show(Framed(scenes.landmark()), Framed(scenes.clip()))
    first, second = (frame for frame in page.frames if frame.parent_frame)
    assert first.evaluate("origin") == "null", "the frame shares nothing with its page"
    first.get_by_role("button", name="far off").click()
    handle = first.get_by_role("slider", name="predicted point")
    assert handle.get_attribute("aria-valuetext").startswith("error along x −10.0 px")
    px, py = centre(handle.locator(".knob"))
    page.mouse.move(px, py)
    page.mouse.down()
    page.mouse.move(px + 60, py, steps=3)
    page.mouse.up()
    moved = first.evaluate("document.querySelector('#scene-landmark').scene.state()")
    assert moved["u"] > -8
    values, sentence = forces_in_torch([moved["u"], moved["v"]])
    shown = first.evaluate("document.querySelector('#scene-landmark').scene.shown()")
    np.testing.assert_allclose(shown, values + sentence, atol=1e-9, rtol=0)
    second.get_by_role("button", name=re.compile("(Play|Next) frame")).click()
    second.wait_for_function("document.querySelector('#scene-clip').scene.state().frame > 1")


def test_an_object_keeps_its_keys_in_jupyterlab(show):
    page = show(scenes.landmark(), wrap=LAB)
    page.get_by_role("slider", name="predicted point").press("ArrowDown")
    page.get_by_role("slider", name="predicted point").press("ArrowRight")
    assert state(page, "landmark") == {"u": 3.1, "v": 2.1}
    assert page.evaluate("stolen") == []
    assert_landmark_is_torch(page)


def test_a_slider_chooses_one_of_many_pictures(show):
    films = Picture(np.zeros((3, 2, 2), np.uint8), (0, 1), (0, 1), frame=k + 1)
    panel = Panel([films], Axis(0, 1), Axis(1, 0))
    page = show(Scene("film", "Film", {k: Range(0, 2, 1, 1)}, [panel]))
    seen = """() => [...document.querySelectorAll("image")]
      .map((image) => getComputedStyle(image).visibility === "visible")"""
    assert page.evaluate(seen) == [False, True, False]
    for value in (2, 0):
        page.locator("input[type=range]").fill(str(value))
        assert page.evaluate(seen) == [at == value for at in range(3)]
