"""The built book as a reader without network sees it: every page, in Chromium."""

import functools
import os
import re
import threading
from dataclasses import dataclass
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import torch
from objects import LOSSES, SHOWN, torch_curves

pytestmark = pytest.mark.browser

HTML = Path(__file__).resolve().parents[2] / "_build" / "html"
PAGES = sorted(
    path.relative_to(HTML).as_posix()
    for path in HTML.rglob("*.html")
    if path.relative_to(HTML).parts[0] not in {"_static", "_sources", "vendor"}
)
DESKTOP = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}


# What axe-core finds in other projects' markup, by rule and place.
THEIRS = {
    # sphinxcontrib-bibtex: a list of references whose back links are no list items.
    ("aria-required-children", ".citation-list"),
}

FACTS = r"""async () => {
  if (window.MathJax) await MathJax.startup.promise;
  const article = document.querySelector("article") || document.body;
  const images = [...document.images];
  for (const image of images) image.loading = "eager";
  await Promise.all(images.map((image) => image.decode().catch(() => null)));
  const texts = [];
  const walker = document.createTreeWalker(article, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const parent = walker.currentNode.parentElement;
    if (!parent.closest("pre, code, script, style, mjx-container")) {
      texts.push(walker.currentNode.data);
    }
  }
  return {
    texts,
    images: images.map((image) => ({
      source: image.currentSrc.slice(-80), width: image.naturalWidth, alt: image.alt,
    })),
    equations: article.querySelectorAll("mjx-container").length,
    untypeset: [...article.querySelectorAll(".math")]
      .filter((math) => !math.querySelector("mjx-container"))
      .map((math) => math.textContent),
    mathErrors: [...article.querySelectorAll("mjx-merror, [data-mjx-error]")]
      .map((error) => error.textContent),
    scenes: [...document.querySelectorAll(".lossbook-scene[data-scene]")]
      .map((scene) => scene.dataset.scene),
  };
}"""

WIDTH = """() => ({
  page: Math.max(document.documentElement.scrollWidth, document.body.scrollWidth),
  window: window.innerWidth,
  wide: [...document.querySelectorAll("article *")]
    .filter((element) => element.getBoundingClientRect().right > window.innerWidth + 1)
    .slice(0, 5).map((element) => element.outerHTML.slice(0, 120)),
})"""

COLOURS = """() => ({
  theme: document.documentElement.dataset.theme,
  background: getComputedStyle(document.body).backgroundColor,
})"""

# What an object made by `slider` shows: its two moving curves at many points, and its sentence.
CURVES = """(name) => {
  const figure = document.querySelector(`#scene-${name}`);
  const {scene} = figure;
  const marks = [...figure.querySelectorAll("[data-mark]")];
  const curves = [...figure.querySelectorAll(".panel")].map((panel) =>
    marks.indexOf([...panel.querySelectorAll("g.s[data-mark]")][0]));
  const state = scene.state();
  const [variable] = Object.keys(state).slice(-1);
  const points = Array.from({length: 201}, (_, i) => (i - 100) / 100 * 6.1 + 1e-3);
  return {
    points, state, variable, shown: scene.shown(),
    heights: curves.map((mark) => points.map((point) => scene.at(mark, point))),
  };
}"""


@dataclass
class Visit:
    """What one page did when it was opened, widened, narrowed and darkened."""

    problems: list[str]
    requests: list[str]
    facts: dict
    width: dict
    light: dict
    dark: dict
    faults: dict


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


@pytest.fixture(scope="module")
def address():
    assert PAGES, f"there is no book in {HTML}: run `make book` first"
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(HTML)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def _text(path):
    return (HTML / path).read_text("utf8")


def _watch(page):
    problems, requests = [], []

    def on_console(message):
        if message.type == "error":
            problems.append(f"console: {message.text}")

    def on_response(response):
        if response.status >= 400:
            problems.append(f"{response.status}: {response.url}")

    page.on("console", on_console)
    page.on("response", on_response)
    page.on("pageerror", lambda error: problems.append(f"script: {error}"))
    page.on("requestfailed", lambda request: problems.append(f"failed: {request.url}"))
    page.on("request", lambda request: requests.append(request.url))
    return problems, requests


def _photograph(page, path, kind):
    if folder := os.environ.get("SCREENSHOTS"):
        name = path.removesuffix(".html").replace("/", "-")
        page.screenshot(path=Path(folder) / f"{name}-{kind}.png", full_page=True)


def _settle(page):
    page.wait_for_load_state("networkidle")
    return page.evaluate(FACTS)


def _darken(page):
    for _ in range(3):
        if page.evaluate(COLOURS)["theme"] == "dark":
            break
        page.locator("button.theme-switch-button:visible").first.click()
    # The theme's tooltip fades in and out: caught in between, its contrast is any number.
    page.mouse.move(0, 0)
    page.evaluate("() => document.activeElement.blur()")
    page.wait_for_function("() => !document.querySelector('.tooltip')")
    page.wait_for_timeout(300)
    return page.evaluate(COLOURS)


@pytest.fixture(scope="module")
def visit(browser, address, violations):
    """Opens a page once and remembers what it did."""

    @functools.cache
    def open_page(path):
        context = browser.new_context(viewport=DESKTOP, color_scheme="light")
        page = context.new_page()
        problems, requests = _watch(page)
        page.goto(f"{address}/{path}")
        facts = _settle(page)
        light = page.evaluate(COLOURS)
        faults = {"light": violations(page)}
        _photograph(page, path, "desktop")
        dark = _darken(page)
        faults["dark"] = violations(page, "color-contrast")
        _photograph(page, path, "dark")
        page.set_viewport_size(PHONE)
        page.wait_for_timeout(300)
        width = page.evaluate(WIDTH)
        _photograph(page, path, "phone")
        context.close()
        return Visit(problems, requests, facts, width, light, dark, faults)

    return open_page


@pytest.fixture
def page(browser, address):
    context = browser.new_context(viewport=DESKTOP, base_url=address)
    page = context.new_page()
    problems, _ = _watch(page)
    yield page
    context.close()
    assert problems == []


def _visited(pages):
    """Every page, but of the listings of sources, which Sphinx makes alike, four."""
    listings = [path for path in pages if path.startswith("_modules/")]
    return [path for path in pages if path not in listings[4:]]


each_page = pytest.mark.parametrize("path", _visited(PAGES) or ["index.html"])


@each_page
def test_page_opens_without_an_error(visit, path):
    assert visit(path).problems == []


@each_page
def test_page_asks_no_other_host(visit, address, path):
    local = (address, "data:", "blob:")
    assert [url for url in visit(path).requests if not url.startswith(local)] == []


@each_page
def test_page_names_no_script_style_or_image_of_another_host(path):
    tags = re.findall(r"<(?:script|link|img|iframe|source)\b[^>]*>", _text(path))
    addresses = [a for tag in tags for a in re.findall(r'(?:src|href)="([^"]*)"', tag)]
    assert [url for url in addresses if urlsplit(url).netloc] == []


@each_page
def test_equations_are_typeset(visit, path):
    facts = visit(path).facts
    assert facts["untypeset"] == []
    assert facts["mathErrors"] == []
    raw = re.compile(r"\$[^$\n]+\$|\\[(\[]|\\begin\{|\\frac")
    assert [text for text in facts["texts"] if raw.search(text)] == []


@each_page
def test_images_are_shown_and_described(visit, path):
    images = visit(path).facts["images"]
    assert [image for image in images if not (image["width"] and image["alt"].strip())] == []


@each_page
def test_page_fits_a_phone(visit, path):
    width = visit(path).width
    assert width["page"] <= width["window"] == PHONE["width"], width["wide"]


@each_page
def test_dark_mode_darkens(visit, path):
    seen = visit(path)
    assert seen.light["theme"] == "light"
    assert seen.dark["theme"] == "dark"
    assert _brightness(seen.dark["background"]) < 0.3 < 0.7 < _brightness(seen.light["background"])


@each_page
@pytest.mark.parametrize("mode", ["light", "dark"])
def test_axe_finds_nothing_serious_of_ours(visit, path, mode):
    found = visit(path).faults[mode]
    assert [fault for fault in found if (fault["id"], fault["target"]) not in THEIRS] == []


def _brightness(colour):
    return sum(map(int, re.findall(r"\d+", colour)[:3])) / (3 * 255)


def test_only_notebooks_that_install_the_package_have_a_colab_button():
    notebooks = (HTML.parents[1] / "book").glob("*.ipynb")
    installing = {f"book/{n.stem}.html" for n in notebooks if "%pip install" in n.read_text("utf8")}
    assert {path for path in PAGES if "colab.research.google.com" in _text(path)} == installing


def test_chapters_have_equations_and_objects_to_move(visit):
    facts = visit("book/landmarks.html").facts
    assert facts["scenes"]
    assert facts["equations"]


def _scenes():
    place = re.compile(r'class="lossbook-scene" id="scene-([\w-]+)"')
    return [(path, name) for path in PAGES for name in place.findall(_text(path))]


def test_every_object_has_a_name_of_its_own_on_its_page():
    assert len(set(_scenes())) == len(_scenes())


def _assert_is_what_torch_computes(page, name):
    if name in SHOWN:
        figure = f"document.querySelector('#scene-{name}').scene"
        shown, state = page.evaluate(f"[{figure}.shown(), {figure}.state()]")
        expected = torch.as_tensor(SHOWN[name](state), dtype=torch.float64)
        torch.testing.assert_close(
            torch.tensor(shown, dtype=torch.float64),
            expected,
            atol=1e-9,
            rtol=1e-9,
            equal_nan=True,  # a number that there is not
        )
        return
    shown = page.evaluate(CURVES, name)
    parameters = {key: value for key, value in shown["state"].items() if key != shown["variable"]}
    # Beside the breaks, where a limit from one side means the same to everybody.
    value, gradient = torch_curves(name, shown["points"], parameters)
    for ours, theirs in zip(shown["heights"], (value, gradient), strict=True):
        assert (torch.tensor(ours, dtype=torch.float64) - theirs).abs().max() <= 1e-9
    at, *numbers = shown["shown"]
    expected = torch.cat(torch_curves(name, [at], parameters))
    assert (torch.tensor(numbers, dtype=torch.float64) - expected).abs().max() <= 1e-9


each_scene = pytest.mark.parametrize(("path", "name"), _scenes())


@pytest.fixture
def open_scene(page, path, name):
    assert (name in LOSSES) != (name in SHOWN), f"tests/objects.py says nothing of {name!r}"
    page.goto(f"/{path}")
    page.wait_for_selector(f"#scene-{name}[data-ready]", state="attached")
    # An object may wait behind a question, or in a folded cell.
    page.evaluate("""(name) => {
      let element = document.querySelector(`#scene-${name}`);
      for (; element; element = element.parentElement) {
        element.hidden = false;
        if (element.tagName === "DETAILS") element.open = true;
      }
    }""", name)  # fmt: skip
    return page


@each_scene
def test_object_shows_what_torch_computes(open_scene, path, name):
    _assert_is_what_torch_computes(open_scene, name)
    figure = open_scene.locator(f"#scene-{name}")
    for slider in figure.locator("input[type=range]").all():
        start, stop, step = (float(slider.get_attribute(end)) for end in ("min", "max", "step"))
        for share in (0.0, 0.37, 1.0):
            at = start + round(share * (stop - start) / step) * step
            slider.fill(f"{at:.10g}")
            _assert_is_what_torch_computes(open_scene, name)
    for pressed in figure.locator("input:not([type=range]), .buttons button").all():
        pressed.click()
        _assert_is_what_torch_computes(open_scene, name)


@each_scene
def test_object_is_moved_by_keyboard(open_scene, path, name):
    state = f"document.querySelector('#scene-{name}').scene.state()"
    moved, last = set(), open_scene.evaluate(state)
    for control in open_scene.locator(f"#scene-{name} input, #scene-{name} [data-handle]").all():
        for key in ("ArrowRight", "ArrowUp", "ArrowLeft", "Space"):
            control.press(key)
            _assert_is_what_torch_computes(open_scene, name)
            now = open_scene.evaluate(state)
            moved |= {symbol for symbol in now if now[symbol] != last[symbol]}
            last = now
    assert moved == set(last)


@each_scene
def test_object_is_dragged(open_scene, path, name):
    state = f"document.querySelector('#scene-{name}').scene.state()"
    before = open_scene.evaluate(state)
    knobs = open_scene.locator(f"#scene-{name} .knob")
    for knob in knobs.all()[:1]:
        knob.scroll_into_view_if_needed()
        box = knob.bounding_box()
        open_scene.mouse.move(box["x"] + 6, box["y"] + 6)
        open_scene.mouse.down()
        open_scene.mouse.move(box["x"] - 40, box["y"] + 6, steps=3)
        open_scene.mouse.up()
        assert open_scene.evaluate(state) != before
        _assert_is_what_torch_computes(open_scene, name)


@each_scene
def test_object_has_no_box_of_its_own_in_dark_mode(open_scene, path, name):
    _darken(open_scene)
    grounds = open_scene.evaluate(
        """(name) => {
          const found = [];
          let element = document.querySelector(`#scene-${name}`);
          for (; element.tagName !== "ARTICLE"; element = element.parentElement) {
            found.push(getComputedStyle(element).backgroundColor);
          }
          return found;
        }""",
        name,
    )
    assert set(grounds) == {"rgba(0, 0, 0, 0)"}
    text = open_scene.locator(f"#scene-{name} figcaption").first
    colour = text.evaluate("(element) => getComputedStyle(element).color")
    assert _brightness(colour) > 0.7


def test_search_finds_a_word(page):
    page.goto("/search.html")
    box = page.locator("input[name=q]:visible").first
    box.fill("Wing")
    box.press("Enter")
    page.wait_for_selector("#search-results li a[href*='landmarks']")


@pytest.mark.parametrize("path", ["index.html", "book/landmarks.html"])
def test_page_opens_from_the_disk(browser, path):
    context = browser.new_context(viewport=DESKTOP)
    page = context.new_page()
    problems, requests = _watch(page)
    page.goto((HTML / path).as_uri())
    page.wait_for_selector("article h1")
    facts = _settle(page)
    assert problems == []
    assert facts["untypeset"] == []
    for name in facts["scenes"]:
        page.wait_for_selector(f"#scene-{name}[data-ready]", state="attached")
    assert [url for url in requests if not url.startswith(("file:", "data:", "blob:"))] == []
    context.close()


def test_search_works_from_the_disk(browser):
    page = browser.new_page()
    page.goto(f"{(HTML / 'search.html').as_uri()}?q=Wing")
    page.wait_for_selector("#search-results li a[href*='landmarks']")
    page.close()
