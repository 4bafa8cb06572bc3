import math
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import scenes
import sympy

from lossbook.lab.page import strokes
from lossbook.lab.page.objects import (
    Arrow,
    Axis,
    Button,
    Choice,
    Clip,
    Curve,
    Dots,
    Handle,
    Line,
    Minimum,
    Panel,
    Range,
    Scene,
    Stems,
    Switch,
    Text,
    bars,
    slider,
)
from lossbook.lab.page.palette import colour, legible
from lossbook.lab.page.shown import asset

x, w, epsilon, u, v = sympy.symbols("x w epsilon u v", real=True)
k = sympy.Symbol("k", integer=True)
WING = sympy.Piecewise(
    (w * sympy.log(1 + sympy.Abs(x) / epsilon), sympy.Abs(x) < w),
    (sympy.Abs(x) - w + w * sympy.log(1 + w / epsilon), True),
)
SQUARE = Axis(-2, 2)


def wing(name="wing", **changes):
    parameters = {w: (1, 20, 10), epsilon: (0.5, 5, 2)}
    arguments = {"name": name, "span": (-20, 20), "title": "Wing", **changes}
    return slider(WING, x, parameters, **arguments)


def small(marks, controls=None, **more):
    panels = [Panel(marks, SQUARE, SQUARE)]
    return Scene("small", "Small", controls or {u: Range(-2, 2, 1)}, panels, **more)


def paths(html):
    return re.findall(r' d="([^"]*)"', html)


def corners(path):
    """The points of a path, one list for each part of it."""
    parts = re.findall(r"M[^M]*", path)
    return [np.array(re.findall(r"(-?[\d.]+),(-?[\d.]+)", part), dtype=float) for part in parts]


def test_the_picture_of_a_gradient_reaches_both_limits_at_the_jump():
    html = scenes.wing().markup
    gradient = html[html.index("gradient of loss") :]
    (scale,) = re.findall(r'class="clip" width="([\d.]+)" height="([\d.]+)"', gradient)
    width, height = map(float, scale)
    curve = max(paths(gradient), key=len)
    across, up = strokes.Scale(-25, 25, width), strokes.Scale(12, -12, height)
    at_zero = [
        row[1] for part in corners(curve) for row in part[[0, -1]] if abs(row[0] - across(0)) < 0.06
    ]
    assert sorted(at_zero) == pytest.approx([up(5), up(-5)], abs=0.06)


def test_a_scene_declares_where_everything_is_at_first():
    html = scenes.landmark().markup
    assert '"u", "v"' in html and "start:[3,2]" in html
    assert html.count("data-handle") == 1 and html.count("data-mark") == 8
    assert "<b" in html and ">3.6</b> px from the truth" in html
    assert repr(scenes.landmark()) == "Scene(landmark: Drag the predicted point; u at 3, v at 2)"


def test_objects_are_small():
    for made in (scenes.wing, scenes.landmark, scenes.total):
        assert len(made().markup.encode()) < 12_000
    assert len(asset("scene.js").encode()) < 13_500 and len(asset("scene.css").encode()) < 5_000
    assert len(scenes.wing().html().encode()) < 28_000


def test_html_asks_nobody_for_anything():
    html = scenes.landmark().html()
    assert "http" not in html and "src=" not in html and "@import" not in html
    assert "eval(" not in html and "new Function" not in html


def test_a_page_of_the_book_gets_the_declaration_and_any_other_page_all_of_it(monkeypatch):
    monkeypatch.setenv("LOSSBOOK_BOOK", "1")
    assert wing()._repr_html_() == wing().markup
    assert asset("scene.js") not in wing().markup
    monkeypatch.delenv("LOSSBOOK_BOOK")
    assert all(asset(f"scene.{kind}") in wing()._repr_html_() for kind in ("js", "css"))


@pytest.mark.spawns
def test_html_is_the_same_on_every_run_and_every_hash_seed():
    program = "import scenes; print(scenes.wing().markup, scenes.landmark().markup)"
    pages = [
        subprocess.run(
            [sys.executable, "-c", program],
            cwd=Path(scenes.__file__).parent,
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert pages[0] == pages[1]


def test_text_cannot_end_the_script_element():
    evil = '</script><img src=x onerror=alert(1)>"'
    html = wing(title=evil, xlabel=evil, unit=evil, overlays={evil + "2": x}).markup
    assert html.count("</script>") == 1 and "<img" not in html.partition("<script>")[0]


def test_without_a_script_there_is_a_picture_and_no_control():
    html = wing().markup
    assert html.count("<form hidden") == 1 and html.count('role="img"') == 2
    assert "tabindex" not in html and 'role="slider"' not in html
    assert min(len(path) for path in paths(html) if path.startswith("M")) > 0


def test_what_does_not_move_is_only_drawn():
    html = small([Curve(x**2, x), Dots([(1, 1)]), Line([(0, 0), (u, 1)])]).markup
    assert html.count("data-mark") == 1


def test_the_point_of_a_slider_begins_where_it_is_told_to():
    assert repr(wing(at=0.5)).endswith("x at 0.5)") and repr(wing()).endswith("x at 10)")


def test_a_symbol_that_a_handle_moves_needs_no_slider():
    both = {u: Range(-2, 2, 1), v: Range(-2, 2, 0)}
    assert small([Handle(u, v)], both).markup.count('type="range"') == 0
    assert small([Handle(u, u**2)], both).markup.count('type="range"') == 1


def test_controls_are_native_and_named():
    html = small(
        [],
        {
            epsilon: Range(0.1, 10, 1, label="sharpness", unit="px", log=True),
            u: Switch("with the mask", True),
            v: Choice("reduction", ["mean", "sum"], 1),
        },
    ).markup
    assert re.search(r"<label>sharpness <output[^>]*>1.00 px</output><input type=\"range\"", html)
    assert 'type="checkbox" data-state="1" checked>with the mask</label>' in html
    assert '<legend>reduction</legend><label><input type="radio"' in html
    assert 'value="1" checked>sum' in html


def test_bare_switches_stand_in_one_row_and_are_named_for_screen_readers():
    switches = {u: Switch("left & right", bare=True), v: Switch("none", True, bare=True)}
    html = small([], {epsilon: Range(0.1, 10, 1), **switches}).markup
    row = re.search(r'<div style="order:1[^>]*>(.*?)</div>', html)[1]
    assert row.count('class="switch"') == 2 and row.endswith("</label>")
    assert 'aria-label="left &amp; right" data-state="1"></label>' in row
    assert 'aria-label="none" data-state="2" checked></label>' in row
    assert html.index('type="range"') < html.index("order:1") and "order:1" not in wing().markup


def test_buttons_set_numbers_or_take_a_step():
    html = small(
        [],
        buttons=[Button("far", {u: 2}), Button("step", {u: u - u / 2}, times=5)],
    ).markup
    assert html.count("<button") == 3 and ">Reset</button>" in html
    assert re.search(r"actions:\[\[\[0\],\(s\)=>\{return\[2\]\},1,0\],", html)
    assert re.search(r"\[\[0\],\(s\)=>\{return\[\(1/2\)\*s\[0\]\]\},5,1\],\[\]\]", html)


def test_bars_have_names_and_numbers_and_begin_at_zero():
    html = small([], {u: Range(0, 9, 2)}).markup
    panel = bars({"2d": u, "prior": 3 * u + 0.125}, Axis(0, 10, "term"), format=".2f")
    html = Scene("bars", "Bars", {u: Range(0, 9, 2)}, [panel]).markup
    assert ">2d</text>" in html and ">2.00</tspan>" in html
    assert re.search(r">6\.1[23]</tspan>", html)
    assert 'd="M0,' in html


def test_a_minimum_is_a_number_that_formulas_use():
    least, point = sympy.Symbol("least"), sympy.IndexedBase("p")
    total = sympy.Sum(sympy.Abs(x - point[k]), (k, 1, 3)) + sympy.Abs(x - u)
    html = small(
        [Dots([(least, 0)])],
        sentences=[("{a:.3f}", {"a": least})],
        minima={least: Minimum(total, x, -2, 2)},
        arrays={point: [-1, 0.25, 1.5]},
    ).markup
    # Four points: the sum of distances is least between the second and the third.
    assert ">0.625</b>" in html and "const d0=[,-1,0.25,1.5];" in html


def test_words_have_the_colour_of_their_look_and_hide_where_their_place_is_no_number():
    nowhere = sympy.sqrt(sympy.sign(u - 2))
    html = small([Text((0, 0), "named", look="Wing"), Text((nowhere, 0), "hidden")]).markup
    shade = legible(colour("Wing"), contrast=4.5)
    assert re.search(rf'<text class="k f" style="--c:{shade};[^>]*fill="{shade}"[^>]*>named', html)
    assert re.search(r'visibility="hidden"><text text-anchor[^>]*>hidden', html)


def test_stems_stand_on_zero_at_whole_numbers():
    html = small([Stems(u * k, k, (-2, 2))]).markup
    (path,) = [p for p in paths(html) if p.count("M") == 5 and "L" in p]
    assert len({part[0][1] for part in corners(path)}) == 1


def test_an_arrow_shorter_than_a_pixel_is_not_drawn():
    drawn = strokes.arrow((10, 10), (40, 10))
    assert drawn.startswith("M10,10L40,10M") and strokes.arrow((10, 10), (10.5, 10)) == ""
    assert "data-mark" in small([Arrow((0, 0), (u, u))]).markup


@pytest.mark.parametrize(
    ("number", "how", "text"),
    [
        (0.012345, "g3", "0.0123"),
        (-3, "g3", "−3.00"),
        (0, "g3", "0"),
        (12345678, "g3", "1.23e+07"),
        (-0.0001, "f2", "0.00"),
        (0.774, "p0", "77 %"),
        (float("nan"), "g3", "–"),
        (-float("inf"), "f1", "−∞"),
    ],
)
def test_numbers_are_written_for_readers(number, how, text):
    assert strokes.write(number, how) == text


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("look", ["L1", "L2", "Wing", "PFLD", "aux"])
def test_every_colour_can_be_told_from_the_page(look, dark):
    shade = legible(colour(look), dark=dark)
    assert shade in small([Dots([(u, 0)], look=look)]).markup
    light = legible("#ffffff" if dark else "#000000", dark=dark)
    assert light == ("#ffffff" if dark else "#000000")


def test_curves_have_the_colours_of_the_book():
    html = wing(overlays={"L1": sympy.Abs(x)}).markup
    assert colour("Wing").lower() in html and legible(colour("L1")) in html


def test_symbols_may_be_reserved_words_of_javascript():
    symbol, other = sympy.symbols("lambda in")
    made = slider(symbol * other, other, {symbol: (0, 1, 0.5)}, name="reserved", span=(0, 1))
    assert "(x,m,s)=>s[0]*x" in made.markup and '"lambda", "in"' in made.markup


def test_step_is_a_power_of_ten_unless_it_is_given():
    html = wing().markup
    assert re.search(r"first:1,last:20,step:0\.1,", html)
    assert re.search(r"first:0\.5,last:5,step:0\.01,", html)
    assert Range(1, 20, 10, 0.5).how == "f1" and Range(0, 1, 0, 0.25).how == "f2"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"parameters": {w: (1, 20, 10)}}, "unknown symbols epsilon"),
        ({"parameters": {}}, "one to three parameters, got 0"),
        ({"parameters": dict.fromkeys(sympy.symbols("a:d"), (0, 1, 0))}, "three parameters, got 4"),
        ({"parameters": {x: (0, 1, 0)}}, "cannot be a parameter"),
        ({"parameters": {w: (1, 20, 21)}}, r"w: initial value 21 is not in \[1, 20\]"),
        ({"parameters": {w: (20, 1, 10)}}, "start must lie below stop"),
        ({"parameters": {w: (1, float("inf"), 10)}}, "start must lie below stop"),
        pytest.param(
            {"parameters": {w: (1, 20)}},
            "expected .start, stop, initial",
            marks=pytest.mark.own_errors,
        ),
        ({"parameters": {w: (1, 20, 10, 0)}}, "step must lie"),
        ({"span": (1, 1)}, "first < last"),
        ({"name": "a b"}, "letters, digits and hyphens"),
        ({"expr": sympy.erf(x) * w / epsilon}, "JavaScript has no erf"),
        ({"expr": sympy.Piecewise((x, x < w))}, "default condition"),
        ({"expr": sympy.log(-(x**2) - w)}, "nowhere finite"),
        ({"overlays": {"other": sympy.Symbol("q")}}, "unknown symbols q"),
    ],
)
def test_ill_sliders_are_refused_with_the_reason(change, message):
    arguments = {
        "expr": WING,
        "variable": x,
        "parameters": {w: (1, 20, 10), epsilon: (0.5, 5, 2)},
        "name": "wing",
        "span": (-20, 20),
        **change,
    }
    with pytest.raises(ValueError, match=message):
        slider(**arguments)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Axis(1, 1), "two different ends"),
        (lambda: Axis(0, 1, log=True), "ends above 0"),
        (lambda: Choice("a", ["b"], 1), "no option 1"),
        (lambda: Range(0, 1, 0, log=True), "must start above 0"),
        (lambda: Scene("a", "A", {}, []), "nothing can be moved"),
        (lambda: small([], buttons=[Button("far", {v: 1})]), "far: v has no control"),
        (lambda: small([Handle(1, 2)]), "one or two symbols"),
        (lambda: small([], sentences=[("{b}", {"a": u})]), "no value for 'b'"),
        (lambda: small([Dots([(v, 0)])]), "unknown symbols v"),
    ],
)
def test_ill_scenes_are_refused_with_the_reason(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_clip_is_packed_and_its_first_picture_is_its_first_frame():
    html = scenes.clip().markup
    assert len(html.encode()) < 30_000 < scenes.nodding().size * 4
    outline = max((path for path in paths(html) if path.count("L") == scenes.POINTS), key=len)
    (points,) = corners(outline)
    width = 360 - 8 - 14
    expected = (scenes.nodding()[0] * [1, -1] + [12, 16]) / 24 * width
    np.testing.assert_allclose(points[:-1], expected, atol=0.15)


def test_packed_positions_come_back_to_a_four_thousandth():
    at = np.linspace(0, 338, 1000)
    text = strokes.pack([*at, math.nan], 338)
    assert len(text) == 2 * 1001 and re.fullmatch(r"[\w-]+", text)
    *back, none = strokes.unpack(text, 338)
    assert math.isnan(none) and np.abs(back - at).max() <= 338 / 4094 / 2 + 1e-9


@pytest.mark.parametrize(
    ("table", "lines", "message"),
    [
        (np.zeros((3, 2)), [], "frames, points, 2"),
        (np.zeros((3, 4, 2)), [[0, 4]], "lines join points 0 to 3"),
        (np.full((3, 4, 2), 2.1), [], "must stay between the ends"),
    ],
)
def test_a_clip_that_cannot_be_drawn_is_refused(table, lines, message):
    with pytest.raises(ValueError, match=message):
        small([Clip(table, u, lines)])


def test_a_slider_that_plays_has_a_button_and_others_have_none():
    assert "data-play" not in small([], {u: Range(0, 9, 2)}).markup
    html = small([], {u: Range(0, 9, 2, label="frame", fps=25)}).markup
    assert 'aria-label="Play frame"' in html and "fps:25" in html
    for wrong in ({"fps": 61}, {"fps": -1}, {"fps": 5, "log": True}):
        with pytest.raises(ValueError, match="0 to 60 steps a second"):
            Range(1, 9, 2, **wrong)
