"""The cheat sheet: five designs side by side, and one page of paper."""

import re

import pytest
from pages import DESKTOP, PHONE, darken, watch

pytestmark = pytest.mark.browser

DESIGNS = ["Landmarks", "Hands", "Motion", "Inversion", "Translation"]
PAGE = re.compile(rb"/Type\s*/Page\b(?!s)")
"""The object that each page of a PDF is; that of all of them together is of type Pages."""

# A4 across without its margins of 6 mm, in CSS pixels.
PAPER = {"width": 1077, "height": 748}
PLACES = """() => [...document.querySelectorAll("#cheat-sheet > section")].map((design) => ({
  name: design.querySelector("h2").firstChild.textContent,
  left: design.getBoundingClientRect().left,
  tops: [...design.querySelectorAll(":scope > h2, .cell_output > *")]
    .map((part) => Math.round(part.getBoundingClientRect().top)),
  clipped: [...design.querySelectorAll("mjx-container, .pst-scrollable-table-container")]
    .filter((part) => part.scrollWidth > part.clientWidth + 1).length,
}))"""


@pytest.fixture
def sheet(browser, address):
    context = browser.new_context(viewport=DESKTOP, color_scheme="light")
    page = context.new_page()
    problems, _ = watch(page)
    page.goto(f"{address}/book/sheet.html")
    page.wait_for_load_state("networkidle")
    page.evaluate("() => MathJax.startup.promise")
    yield page
    context.close()
    assert problems == []


@pytest.mark.parametrize(
    "paper",
    [{"format": "A4", "landscape": True, "print_background": True}, {"prefer_css_page_size": True}],
    ids=["A4 across", "as the style asks"],
)
@pytest.mark.parametrize("mode", ["light", "dark"])
def test_it_prints_on_one_page(sheet, paper, mode):
    if mode == "dark":
        darken(sheet)
    assert len(PAGE.findall(sheet.pdf(**paper))) == 1


def test_pages_of_a_pdf_are_counted(sheet, address):
    sheet.goto(f"{address}/book/losses.html")
    pdf = sheet.pdf(format="A4")
    assert len(PAGE.findall(pdf)) == max(map(int, re.findall(rb"/Count (\d+)", pdf))) > 1


def test_on_paper_the_designs_stand_side_by_side_without_the_page_around_them(sheet):
    sheet.emulate_media(media="print")
    sheet.set_viewport_size(PAPER)
    designs = sheet.evaluate(PLACES)
    assert [design["name"] for design in designs] == DESIGNS
    lefts = [design["left"] for design in designs]
    assert lefts == sorted(set(lefts))
    # Formulas stand beside formulas, defaults beside defaults.
    assert all(design["tops"] == designs[0]["tops"] for design in designs)
    assert [design["clipped"] for design in designs] == [0] * 5
    for around in (".bd-sidebar-primary", ".bd-header-article", "footer", "#cheat-sheet details"):
        assert not sheet.locator(around).first.is_visible()


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_on_a_screen_each_design_has_all_it_promises(sheet, size):
    sheet.set_viewport_size(size)
    for name in DESIGNS:
        design = sheet.locator(f"#cheat-sheet > section#{name.lower()}")
        assert design.locator("h2 a").first.inner_text() == name
        assert design.locator("mjx-container").count() == 1
        for what in ("Defaults.", "Units.", "Reduction.", "Goes wrong."):
            assert design.locator("p", has_text=what).count() == 1
        assert design.locator("td").count() > 6
        assert design.locator("code", has_text=f"from lossbook.{name.lower()} import").count() == 1
