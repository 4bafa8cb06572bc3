import json
import os
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
import sympy

from lossbook.lab.page.formulas import derivative, evaluate
from lossbook.lab.page.palette import colour
from lossbook.lab.page.sliders import Slider, slider

x, w, epsilon = sympy.symbols("x w epsilon")
WING = sympy.Piecewise(
    (w * sympy.log(1 + sympy.Abs(x) / epsilon), sympy.Abs(x) < w),
    (sympy.Abs(x) - w + w * sympy.log(1 + w / epsilon), True),
)


def wing(**changes) -> Slider:
    arguments = {"name": "wing", "span": (-20, 20), "xlabel": "error (pixels)"}
    parameters = {w: (1, 20, 10), epsilon: (0.5, 5, 2)}
    return slider(WING, x, parameters, **{**arguments, **changes})


def content(html: str) -> dict:
    return json.loads(re.search(r'<script type="application/json">(.*?)</script>', html)[1])


def models(node) -> list[dict]:
    if isinstance(node, list):
        return [model for child in node for model in models(child)]
    if not isinstance(node, dict):
        return []
    below = [model for child in node.values() for model in models(child)]
    return [node, *below] if node.get("type") == "object" else below


def named(html: str) -> dict[str, dict]:
    found = {model["attributes"].get("name"): model for model in models_with_attributes(html)}
    return {name: model["attributes"] for name, model in found.items() if name}


def models_with_attributes(html: str) -> list[dict]:
    return [model for model in models(content(html)) if "attributes" in model]


def column(source: dict, name: str) -> np.ndarray:
    return np.array(dict(source["data"]["entries"])[name])


def test_initial_curve_and_gradient_are_lambdified_from_the_expression():
    source = named(wing().book_html())["curve"]
    grid = column(source, "x")
    assert len(grid) == 401 and grid[0] == -20 and grid[-1] == 20 and 0 in grid
    value = np.where(
        abs(grid) < 10, 10 * np.log(1 + abs(grid) / 2), abs(grid) - 10 + 10 * np.log(6)
    )
    slope = np.sign(grid) * np.where(abs(grid) < 10, 10 / (2 + abs(grid)), 1)
    np.testing.assert_allclose(column(source, "value"), value, rtol=1e-7, atol=1e-7)
    np.testing.assert_allclose(column(source, "gradient"), slope, rtol=1e-7, atol=1e-7)


def test_models_carry_the_names_that_the_page_looks_them_up_by():
    found = named(wing().book_html())
    assert {"curve", "w", "epsilon", "probe", "readout"} <= set(found)
    assert [found["epsilon"][key] for key in ("start", "end", "value", "title")] == [0.5, 5, 2, "ε"]
    assert [found["probe"][key] for key in ("start", "end")] == [-20, 20]


def test_html_is_the_same_on_every_run_and_every_hash_seed():
    program = (
        f"import runpy; this = runpy.run_path({__file__!r}); wing, x = this['wing'], this['x'];"
        "wing(name='earlier'); print(wing(overlays={'L1': abs(x)}).book_html())"
    )
    pages = [
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert pages[0] == pages[1]
    assert pages[0].strip() == wing(overlays={"L1": sympy.Abs(x)}).book_html()


def test_every_reference_is_to_a_model_of_the_same_slider():
    html = wing(overlays={"L1": sympy.Abs(x)}).book_html()
    ids = set(re.findall(r'"id":"([^"]*)"', html))
    defined = {model["id"] for model in models(content(html))}
    assert ids == defined and all(re.fullmatch(r"wing-\d+", one) for one in ids)
    assert content(html)["root_id"] in defined


def test_two_sliders_of_a_page_share_no_id():
    ids = [
        set(re.findall(r'id="?"?:?"([^"]*)"', wing(name=name).book_html())) for name in ("a", "b")
    ]
    assert ids[0] and not ids[0] & ids[1]


def test_book_html_is_small_and_asks_nobody_for_anything(monkeypatch):
    monkeypatch.setenv("LOSSBOOK_BOOK", "1")
    html = wing(overlays={"L1": sympy.Abs(x), "SmoothL1": x**2})._repr_html_()
    assert len(html) < 60_000
    assert html.startswith('<div class="lossbook-slider" id="slider-wing"')
    assert "<noscript>" in html and "http" not in html and "src=" not in html


def test_text_cannot_end_the_script_element():
    evil = "</script><img src=x onerror=alert(1)>"
    html = wing(title=evil, xlabel=evil, overlays={evil: x}).book_html()
    assert html.count("</script>") == 1 and "<img" not in html
    texts = [model["attributes"].get("text", "") for model in models_with_attributes(html)]
    assert any("&lt;/script&gt;" in text for text in texts)
    assert not any("<img" in text for text in texts if isinstance(text, str))


def test_plain_jupyter_gets_a_frame_with_bokeh_inside(monkeypatch):
    monkeypatch.delenv("LOSSBOOK_BOOK", raising=False)
    html = wing()._repr_html_()
    start, page = re.fullmatch(r"(<iframe [^']*srcdoc=')([^']*)'></iframe>", html).groups()
    assert 'width="100%"' in start and "Bokeh" in page and "embed_item" in page
    assert not re.search(r"<script[^>]* src=|<link", page)


def test_repr_is_short_and_says_what_moves():
    shown = repr(slider(x**2 / w, x, {w: (1, 20, 10)}, name="square", span=(-3, 3)))
    assert shown == "Slider(square: x**2/w; x from -3 to 3; w from 1 to 20, at 10)"


def test_curves_have_the_colours_of_the_book():
    html = wing(title="Wing loss", overlays={"L1": sympy.Abs(x)}).book_html()
    assert colour("Wing") in html and colour("L1") in html


def test_symbols_may_be_reserved_words_of_javascript():
    symbol, other = sympy.symbols("lambda in")
    made = slider(symbol * other, other, {symbol: (0, 1, 0.5)}, name="reserved", span=(0, 1))
    assert "value: (x) => p0*x" in made.update.code
    assert "lambda" in named(made.book_html())


def test_step_is_a_power_of_ten_unless_it_is_given():
    found = named(wing().book_html())
    assert found["w"]["step"] == pytest.approx(0.1)
    assert found["epsilon"]["step"] == pytest.approx(0.01)
    coarse = slider(w * x, x, {w: (1, 20, 10, 0.5)}, name="coarse", span=(0, 1))
    assert named(coarse.book_html())["w"]["step"] == 0.5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"parameters": {w: (1, 20, 10)}}, "unknown symbols epsilon"),
        ({"parameters": {}}, "one to three parameters, got 0"),
        ({"parameters": dict.fromkeys(sympy.symbols("a:d"), (0, 1, 0))}, "three parameters, got 4"),
        ({"parameters": {x: (0, 1, 0)}}, "cannot be a parameter"),
        ({"parameters": {w: (1, 20, 21)}}, r"initial value 21 is not in \[1, 20\]"),
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
def test_ill_arguments_are_refused_with_the_reason(change, message):
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


READ = """() => {
  const [curve, drawn] = ["curve", "drawn"].map((n) => Bokeh.documents[0].get_model_by_name(n));
  return [curve.data.x, curve.data.value, curve.data.gradient, drawn.data.gradient].map(
    (column) => Array.from(column));
}"""


@pytest.mark.browser
@pytest.mark.parametrize("width", [1280, 390])
def test_frame_follows_its_sliders_without_a_network(tmp_path, width):
    sync_api = pytest.importorskip("playwright.sync_api")
    page_file = tmp_path / "page.html"
    page_file.write_text(f"<!doctype html><meta charset=utf-8>{wing().iframe_html()}", "utf-8")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(viewport={"width": width, "height": 800})
        requests, errors = [], []
        page.on("request", lambda request: requests.append(request.url))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(page_file.as_uri())
        frame = page.frames[-1]
        frame.wait_for_function("() => window.Bokeh && Bokeh.documents.length")
        page.wait_for_timeout(1000)
        frame.evaluate("() => { Bokeh.documents[0].get_model_by_name('w').value = 5 }")
        frame.locator(".noUi-handle").nth(1).press("ArrowRight")
        page.wait_for_timeout(500)
        grid, value, gradient, drawn = map(np.array, frame.evaluate(READ))
        moved = frame.evaluate("() => Bokeh.documents[0].get_model_by_name('epsilon').value")
        overflow = frame.evaluate("() => document.documentElement.scrollWidth - innerWidth")
        browser.close()
    assert moved == pytest.approx(2.01) and overflow <= 0 and not errors
    assert not [url for url in requests if not url.startswith(("file:", "about:", "data:"))]
    np.testing.assert_allclose(value, evaluate(WING, [x, w, epsilon])(grid, 5, moved), rtol=1e-12)
    slope = evaluate(derivative(WING, x), [x, w, epsilon])(grid, 5, moved)
    np.testing.assert_allclose(gradient, slope, rtol=1e-12)
    gaps = grid[np.isnan(drawn.astype(float))]
    np.testing.assert_allclose(gaps[np.argsort(abs(gaps))], [0, 0.1, -4.9, 5], atol=0.11)
