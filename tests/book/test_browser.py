"""The built book as a reader without network sees it: every page, in Chromium."""

import functools
import os
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from pages import COLOURS, DESKTOP, HTML, PAGES, PHONE, brightness, darken, text, watch

pytestmark = pytest.mark.browser


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
    .filter((element) => !element.closest("pre, table, mjx-container"))
    .slice(0, 5).map((element) => element.outerHTML.slice(0, 120)),
})"""

UNFOLD = """() => {
  for (const fold of document.querySelectorAll("article details")) fold.open = true;
  for (const note of document.querySelectorAll("article .toggle-hidden")) {
    note.classList.remove("toggle-hidden");
  }
}"""
FOLDED_CODE = """() => [...document.querySelectorAll("article :is(details, .dropdown) pre")]
  .filter((pre) => pre.scrollWidth > pre.clientWidth + 1).map((pre) => pre.innerText.slice(0, 80))
"""


@dataclass
class Visit:
    """What one page did when it was opened, widened, narrowed, darkened and unfolded."""

    problems: list[str]
    requests: list[str]
    facts: dict
    width: dict
    unfolded: dict
    light: dict
    dark: dict
    faults: dict


def _photograph(page, path, kind):
    if folder := os.environ.get("SCREENSHOTS"):
        name = path.removesuffix(".html").replace("/", "-")
        page.screenshot(path=Path(folder) / f"{name}-{kind}.png", full_page=True)


def _settle(page):
    page.wait_for_load_state("networkidle")
    return page.evaluate(FACTS)


@pytest.fixture(scope="module")
def visit(browser, address, violations):
    """Opens a page once and remembers what it did."""

    @functools.cache
    def open_page(path):
        context = browser.new_context(viewport=DESKTOP, color_scheme="light")
        page = context.new_page()
        problems, requests = watch(page)
        page.goto(f"{address}/{path}")
        facts = _settle(page)
        light = page.evaluate(COLOURS)
        faults = {"light": violations(page)}
        _photograph(page, path, "desktop")
        dark = darken(page)
        faults["dark"] = violations(page, "color-contrast")
        _photograph(page, path, "dark")
        page.set_viewport_size(PHONE)
        page.wait_for_timeout(300)
        width = page.evaluate(WIDTH)
        _photograph(page, path, "phone")
        page.evaluate(UNFOLD)
        page.wait_for_timeout(300)
        unfolded = page.evaluate(WIDTH) | {"code": page.evaluate(FOLDED_CODE)}
        context.close()
        return Visit(problems, requests, facts, width, unfolded, light, dark, faults)

    return open_page


@pytest.fixture
def page(browser, address):
    context = browser.new_context(viewport=DESKTOP, base_url=address)
    page = context.new_page()
    problems, _ = watch(page)
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
    tags = re.findall(r"<(?:script|link|img|iframe|source)\b[^>]*>", text(path))
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
def test_page_with_all_folds_open_fits_a_phone(visit, path):
    width = visit(path).unfolded
    assert width["page"] <= width["window"] == PHONE["width"], width["wide"]
    assert width["code"] == []


@each_page
def test_dark_mode_darkens(visit, path):
    seen = visit(path)
    assert seen.light["theme"] == "light"
    assert seen.dark["theme"] == "dark"
    assert brightness(seen.dark["background"]) < 0.3 < 0.7 < brightness(seen.light["background"])


@each_page
@pytest.mark.parametrize("mode", ["light", "dark"])
def test_axe_finds_nothing_serious_of_ours(visit, path, mode):
    found = visit(path).faults[mode]
    assert [fault for fault in found if (fault["id"], fault["target"]) not in THEIRS] == []


def test_only_notebooks_that_install_the_package_have_a_colab_button():
    notebooks = (HTML.parents[1] / "book").glob("*.ipynb")
    installing = {f"book/{n.stem}.html" for n in notebooks if "%pip install" in n.read_text("utf8")}
    assert {path for path in PAGES if "colab.research.google.com" in text(path)} == installing


@pytest.mark.parametrize("path", ["book/landmarks.html"])
def test_chapters_have_equations_and_objects_to_move(visit, path):
    facts = visit(path).facts
    assert facts["scenes"]
    assert facts["equations"]


def test_the_first_page_says_what_the_book_is_on_one_screen(page):
    page.set_viewport_size({"width": 1280, "height": 800})
    page.goto("/book/index.html")
    _settle(page)
    first = page.locator(".first-screen")
    for chapter in ("landmarks", "hands", "motion", "inversion", "translation"):
        assert first.locator(f"li a[href$='{chapter}.html']").count() > 0
    assert first.locator(".lossbook-scene [data-handle]").count() > 0
    assert first.get_by_text("What is different here").is_visible()
    assert first.get_by_text("Three ways to read").is_visible()
    box = first.bounding_box()
    assert box["y"] + box["height"] <= 800


LANDED = """(word) => {
  const section = document.querySelector(location.hash);
  const shown = [...CSS.highlights.get("search")].filter((range) => {
    const {top, bottom} = range.getBoundingClientRect();
    return 0 <= top && bottom <= innerHeight && range.toString().toLowerCase() === word
      && range.startContainer.parentElement.checkVisibility();
  });
  return {
    first: section === document.querySelector("article section"), scrolled: scrollY,
    words: shown.length, inside: shown.some((range) => section.contains(range.startContainer)),
  };
}"""
FOCUSED = """() => {
  const section = document.querySelector(location.hash), focused = document.activeElement;
  return Boolean(section.compareDocumentPosition(focused) & Node.DOCUMENT_POSITION_FOLLOWING);
}"""


def _lands_at_the_word(page, word, chapter):
    page.locator(f"#search-results li a[href*='book/{chapter}.html']:not([href*='#'])").click()
    page.wait_for_url(f"**/book/{chapter}.html?*#*")
    _settle(page)
    page.wait_for_timeout(300)
    found = page.evaluate(LANDED, word)
    assert found["inside"] and found["scrolled"] > PHONE["height"] and not found["first"], found


@pytest.mark.parametrize(
    ("word", "chapter"), [("Wing", "landmarks"), ("seam", "hands"), ("seams", "hands")]
)
def test_search_finds_a_word_and_lands_in_its_section(page, word, chapter):
    page.goto("/search.html")
    box = page.locator("input[name=q]:visible").first
    box.fill(word)
    box.press("Enter")
    page.wait_for_url("**/search.html?q=*")
    # The list reads a summary from each page that it names; leaving would cut that off.
    page.wait_for_load_state("networkidle")
    _lands_at_the_word(page, word.lower().rstrip("s"), chapter)
    page.keyboard.press("Tab")
    assert page.evaluate(FOCUSED)


def test_who_has_moved_on_or_comes_by_another_way_stays(page):
    page.goto("/book/landmarks.html")
    _settle(page)
    assert page.evaluate("[location.hash, scrollY, CSS.highlights.size]") == ["", 0, 0]
    page.goto("/book/landmarks.html?highlight=Wing#exercises")
    _settle(page)
    assert page.evaluate("location.hash") == "#exercises"
    page.goto("/book/landmarks.html?highlight=zzzz")
    _settle(page)
    assert page.evaluate("[location.hash, scrollY]") == ["", 0]


@pytest.mark.parametrize("path", ["index.html", "book/landmarks.html"])
def test_page_opens_from_the_disk(browser, path):
    context = browser.new_context(viewport=DESKTOP)
    page = context.new_page()
    problems, requests = watch(page)
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
    page = browser.new_page(viewport=PHONE)
    page.goto(f"{(HTML / 'search.html').as_uri()}?q=seam")
    _lands_at_the_word(page, "seam", "hands")
    page.close()
