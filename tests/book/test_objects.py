"""Every object of the built book in Chromium: moved, and compared with torch.

In a file of its own, so that it runs beside the pages' other tests.
"""

import functools
import re

import pytest
import torch
from objects import LOSSES, SHOWN, torch_curves
from pages import DESKTOP, PAGES, brightness, darken, text, watch

pytestmark = pytest.mark.browser

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


def _scenes():
    place = re.compile(r'class="lossbook-scene" id="scene-([\w-]+)"')
    return [(path, name) for path in PAGES for name in place.findall(text(path))]


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


@pytest.fixture(scope="module")
def read(browser, address):
    """Opens a page once, for all of its objects."""

    @functools.cache
    def open_page(path):
        page = browser.new_context(viewport=DESKTOP, base_url=address).new_page()
        problems, _ = watch(page)
        page.goto(f"/{path}")
        return page, problems

    return open_page


@pytest.fixture
def open_scene(read, path, name):
    """The page, with an object as it is at first."""
    assert (name in LOSSES) != (name in SHOWN), f"tests/objects.py says nothing of {name!r}"
    page, problems = read(path)
    page.wait_for_selector(f"#scene-{name}[data-ready]", state="attached")
    # An object may wait behind a question, or in a folded cell.
    page.evaluate("""(name) => {
      let element = document.querySelector(`#scene-${name}`);
      for (; element; element = element.parentElement) {
        element.hidden = false;
        if (element.tagName === "DETAILS") element.open = true;
      }
    }""", name)  # fmt: skip
    page.locator(f"#scene-{name} .buttons button", has_text="Reset").click()
    yield page
    assert problems == []


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
    darken(open_scene)
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
    assert brightness(colour) > 0.7
