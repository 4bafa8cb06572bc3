"""The built book as a reader without network sees it: every page, in Chromium."""

import functools
import os
import re
import shutil
import threading
import time
from dataclasses import dataclass
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import torch
from playwright.sync_api import sync_playwright

from lossbook.hands import keypoint_2d_loss, mano_prior_loss
from lossbook.landmarks import smooth_l1_loss, wing_loss

pytestmark = pytest.mark.browser

HTML = Path(__file__).resolve().parents[2] / "_build" / "html"
PAGES = sorted(
    path.relative_to(HTML).as_posix()
    for path in HTML.rglob("*.html")
    if path.relative_to(HTML).parts[0] not in {"_static", "_sources", "vendor"}
)
CHROMIUM = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"]
DESKTOP = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}


def _weighted_l1(error, zero, *, c, reduction):
    points, origin = (torch.stack([values, zero], -1)[None] for values in (error, zero))
    confidence = torch.full_like(points[..., 0], c)
    losses = keypoint_2d_loss(points, origin, confidence=confidence, reduction=reduction)
    return losses[0, :, 0]


def _pose_distance(theta, zero, *, theta_gt, reduction):
    """The prior of the rotation between the two, about one axis."""

    def prior(angle):
        cos, sin, one = angle.cos(), angle.sin(), torch.ones_like(angle)
        turn = torch.block_diag(torch.stack([cos, -sin, sin, cos]).reshape(2, 2), one)
        return mano_prior_loss(one.expand(1, 10), turn[None, None]).terms["pose_prior"]

    return torch.stack([prior(angle) for angle in theta - theta_gt])


# What each slider must show; its parameters are the function's keyword arguments.
TORCH_LOSSES = {
    "wing": wing_loss,
    "smooth-l1": smooth_l1_loss,
    "weighted-l1": _weighted_l1,
    "pose-distance": _pose_distance,
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
    sliders: [...document.querySelectorAll(".lossbook-slider")]
      .map((slider) => slider.id.replace(/^slider-/, "")),
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

FIND = """window.lossbookDocument = (name) => {
  const item = document.querySelector(`#slider-${name} > script[type="application/json"]`);
  const {root_id} = JSON.parse(item.textContent);
  return Bokeh.documents.find((found) => found.roots().some(({id}) => id === root_id));
}"""

STATE = """(name) => {
  const found = lossbookDocument(name);
  const curve = found.get_model_by_name("curve").data;
  const sliders = [...found._all_models.values()].filter((model) => model.type === "Slider");
  return {
    x: Array.from(curve.x), value: Array.from(curve.value), gradient: Array.from(curve.gradient),
    sliders: Object.fromEntries(
      sliders.map(({name, value, start, end}) => [name, {value, start, end}])),
  };
}"""

SET = """([name, parameter, value]) => {
  lossbookDocument(name).get_model_by_name(parameter).value = value;
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


@pytest.fixture(scope="module")
def browser():
    executable = next(filter(None, map(shutil.which, CHROMIUM)), None)
    assert executable, f"no browser found; install one of {', '.join(CHROMIUM)}"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=executable,
            args=[
                "--no-sandbox",
                "--disable-gpu",
                "--disable-background-networking",
                "--no-first-run",
                "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
            ],
        )
        yield browser
        browser.close()


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
    page.wait_for_timeout(300)
    return page.evaluate(COLOURS)


@pytest.fixture(scope="module")
def visit(browser, address):
    """Opens a page once and remembers what it did."""

    @functools.cache
    def open_page(path):
        context = browser.new_context(viewport=DESKTOP, color_scheme="light")
        page = context.new_page()
        problems, requests = _watch(page)
        page.goto(f"{address}/{path}")
        facts = _settle(page)
        light = page.evaluate(COLOURS)
        _photograph(page, path, "desktop")
        dark = _darken(page)
        _photograph(page, path, "dark")
        page.set_viewport_size(PHONE)
        page.wait_for_timeout(300)
        width = page.evaluate(WIDTH)
        _photograph(page, path, "phone")
        context.close()
        return Visit(problems, requests, facts, width, light, dark)

    return open_page


@pytest.fixture
def page(browser, address):
    context = browser.new_context(viewport=DESKTOP, base_url=address)
    page = context.new_page()
    page.add_init_script(FIND)
    problems, _ = _watch(page)
    yield page
    context.close()
    assert problems == []


each_page = pytest.mark.parametrize("path", PAGES or ["index.html"])


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


def _brightness(colour):
    return sum(map(int, re.findall(r"\d+", colour)[:3])) / (3 * 255)


def test_only_notebooks_that_install_the_package_have_a_colab_button():
    notebooks = (HTML.parents[1] / "book").glob("*.ipynb")
    installing = {f"book/{n.stem}.html" for n in notebooks if "%pip install" in n.read_text("utf8")}
    assert {path for path in PAGES if "colab.research.google.com" in _text(path)} == installing


def test_chapters_have_equations_and_sliders(visit):
    facts = visit("book/landmarks.html").facts
    assert facts["sliders"]
    assert facts["equations"]


def _sliders():
    place = re.compile(r'class="lossbook-slider" id="slider-([\w-]+)"')
    return [(path, name) for path in PAGES for name in place.findall(_text(path))]


def _expected(name, x, parameters):
    points = torch.tensor(x, dtype=torch.float64, requires_grad=True)
    value = TORCH_LOSSES[name](points, torch.zeros_like(points), reduction="none", **parameters)
    (gradient,) = torch.autograd.grad(value.sum(), points)
    return value.detach(), gradient


def _smooth_points(name, x, parameters):
    """Where the gradient does not jump, so that it means the same to everybody."""
    step = 1e-7
    left = _expected(name, [point - step for point in x], parameters)[1]
    right = _expected(name, [point + step for point in x], parameters)[1]
    return (left - right).abs() < 1e-3


def _differences(page, name):
    state = page.evaluate(STATE, name)
    parameters = {
        key: slider["value"] for key, slider in state["sliders"].items() if key != "probe"
    }
    value, gradient = _expected(name, state["x"], parameters)
    smooth = _smooth_points(name, state["x"], parameters)
    assert smooth.sum() >= len(state["x"]) - 5
    shown = {key: torch.tensor(state[key], dtype=torch.float64) for key in ("value", "gradient")}
    return max(
        (shown["value"] - value).abs().max().item(),
        (shown["gradient"] - gradient)[smooth].abs().max().item(),
    )


def _assert_curve_is_what_torch_computes(page, name):
    deadline = time.monotonic() + 5
    while (difference := _differences(page, name)) > 1e-9 and time.monotonic() < deadline:
        page.wait_for_timeout(50)
    assert difference <= 1e-9


each_slider = pytest.mark.parametrize(("path", "name"), _sliders())


@pytest.fixture
def open_slider(page, path, name):
    assert name in TORCH_LOSSES, f"no torch function is named for the slider {name!r}"
    page.goto(f"/{path}")
    page.wait_for_selector(f"#slider-{name} .noUi-handle")
    return page


@each_slider
def test_slider_shows_what_torch_computes(open_slider, path, name):
    _assert_curve_is_what_torch_computes(open_slider, name)
    for parameter, slider in open_slider.evaluate(STATE, name)["sliders"].items():
        for share in (0.0, 0.37, 1.0):
            value = slider["start"] + share * (slider["end"] - slider["start"])
            open_slider.evaluate(SET, [name, parameter, value])
            _assert_curve_is_what_torch_computes(open_slider, name)


@each_slider
def test_slider_moves_by_keyboard(open_slider, path, name):
    before = open_slider.evaluate(STATE, name)
    handles = open_slider.locator(f"#slider-{name} .noUi-handle")
    for index in range(handles.count()):
        handles.nth(index).focus()
        open_slider.keyboard.press("ArrowRight")
        open_slider.keyboard.press("ArrowRight")
    after = open_slider.evaluate(STATE, name)
    moved = {key for key, slider in after["sliders"].items() if slider != before["sliders"][key]}
    assert moved == set(before["sliders"])
    _assert_curve_is_what_torch_computes(open_slider, name)
    assert open_slider.evaluate(STATE, name)["value"] != before["value"]


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
    for name in facts["sliders"]:
        page.wait_for_selector(f"#slider-{name} .noUi-handle")
    assert [url for url in requests if not url.startswith(("file:", "data:", "blob:"))] == []
    context.close()


def test_search_works_from_the_disk(browser):
    page = browser.new_page()
    page.goto(f"{(HTML / 'search.html').as_uri()}?q=Wing")
    page.wait_for_selector("#search-results li a[href*='landmarks']")
    page.close()
