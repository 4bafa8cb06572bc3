"""What a reader meets before the first click, counted on the built page and in the notebook."""

import json
import re
from pathlib import Path

import pytest
from budget import FOLDED, MOST_LINES, Measured, measure, only_shows

ROOT = Path(__file__).resolve().parents[2]
HTML = ROOT / "_build" / "html" / "book"
LESSONS = ("hands", "inversion", "landmarks", "motion", "translation")
"""Chapters that are written as lessons; the budget binds them."""

PAGE = """<!doctype html><html><head><meta charset="utf-8"><style>
body {{ margin: 0; font: 16px/20px sans-serif; }} article {{ width: 760px; }}
pre {{ margin: 0; overflow: auto; font: 14px/20px monospace; }} p {{ margin: 0; }}
details > summary {{ height: 20px; }} img {{ display: block; }}
</style></head><body><article>{}</article></body></html>"""


def code(lines, letters=20):
    text = "\n".join(["x" * letters] * lines)
    return f'<div class="cell"><div class="cell_input"><pre>{text}</pre></div></div>'


def image(height=300):
    svg = f"%3Csvg xmlns='http://www.w3.org/2000/svg' width='400' height='{height}'/%3E"
    return f'<img alt="" src="data:image/svg+xml,{svg}" width="400" height="{height}">'


def prose(words):
    return f"<p>{'word ' * words}</p>"


def scene(name):
    return (
        f'<figure class="lossbook-scene" data-scene="{name}" style="margin:0;height:300px">'
        "<p>not prose</p></figure>"
    )


GOOD = scene("a") + prose(500) + code(5) + scene("b") + prose(500) + image()


@pytest.fixture
def measured(browser):
    page = browser.new_page()

    def found(html):
        page.set_content(PAGE.format(html))
        return measure(page)

    yield found
    page.close()


@pytest.mark.browser
def test_a_page_within_the_budget_is_within_it(measured):
    found = measured(GOOD)
    assert found.broken() == []
    assert (found.words, found.objects, found.lines, found.letters) == (1000, 2, 5, 20)
    assert found.first_picture == 0 and found.gap < 1


@pytest.mark.browser
@pytest.mark.parametrize(
    ("html", "sentence"),
    [
        (GOOD + (prose(300) + image()) * 9, "3700 words, at most 3500"),
        ("<div style='height:700px'></div>" + GOOD, "the first picture begins at screen 0.88"),
        (GOOD + "<div style='height:1700px'></div>", "2.1 screens without a picture"),
        (GOOD + code(10) * 8, "code, tables and texts are"),
        (GOOD + "<table><tr><td style='height:2500px'>1</table>", "code, tables and texts are"),
        (GOOD + code(11), "cells of more than 10 lines: xxxx"),
        (GOOD + code(1, 200), "code wider than the page: xxxx"),
        (scene("a") + prose(500) + scene("a"), "1 objects to move, at least 2"),
        (prose(50), "the first picture begins at screen inf"),
    ],
)
def test_each_rule_can_be_broken(measured, html, sentence):
    assert [said for said in measured(html).broken() if said.startswith(sentence)], sentence


@pytest.mark.browser
def test_what_is_folded_does_not_count(measured):
    folded = f"<details><summary>Show</summary>{code(40, 300)}{prose(4000)}</details>"
    found = measured(GOOD + folded)
    assert found.broken() == [] and found.words == 1000 and found.lines == 5
    note = '<div class="admonition toggle toggle-hidden"><p class="admonition-title">A title</p>'
    found = measured(f'{GOOD}{note}<p style="height:0;opacity:0">{"word " * 4000}</p></div>')
    assert found.words == 1002


@pytest.mark.browser
def test_shares_are_of_the_height(measured):
    html = f"<div style='height:800px'></div>{code(10)}"
    assert measured(html).code_share == pytest.approx(200 / 1000, abs=0.01)
    cells = '<div class="cell"><div class="output stream"><pre>a\nb</pre></div></div>'
    assert measured(html + cells).code_share == pytest.approx(240 / 1040, abs=0.01)


@pytest.mark.browser
def test_words_are_those_of_prose_and_of_cards(measured):
    card = '<div class="cell"><section class="lossbook-lesson"><p>two words</p></section></div>'
    text = '<h1>A title</h1><p>It is <code>x</code>, <span class="math">\\(x\\)</span> – so.</p>'
    assert measured(text + card + code(3) + "<table><tr><td>no</table>").words == 2 + 4 + 2


@pytest.mark.browser
@pytest.mark.parametrize("chapter", LESSONS)
def test_a_lesson_keeps_its_budget(browser, chapter, capsys):
    path = HTML / f"{chapter}.html"
    assert path.exists(), f"there is no {path}: run `make book` first"
    page = browser.new_page()
    page.goto(path.as_uri())
    found = measure(page)
    page.close()
    with capsys.disabled():
        print(f"\n{chapter}: {found}")
    assert found.broken() == []


@pytest.mark.browser
@pytest.mark.parametrize("chapter", LESSONS)
def test_a_lesson_says_how_long_it_takes(browser, chapter):
    page = browser.new_page()
    page.goto((HTML / f"{chapter}.html").as_uri())
    before = page.evaluate(
        """() => {
          const range = document.createRange(), article = document.querySelector("article");
          range.setStart(article, 0);
          range.setEndBefore(article.querySelector("h2"));
          return range.toString();
        }"""
    )
    words = measure(page).words
    page.close()
    (minutes,) = re.findall(r"Reading takes about (\d+) minutes", before)
    assert 35 <= int(minutes) <= 40
    # A careful reader, with formulas and objects to move: a hundred words a minute.
    assert words / int(minutes) <= 100


def cells(chapter):
    found = json.loads((ROOT / "book" / f"{chapter}.ipynb").read_text("utf8"))["cells"]
    return [
        ("".join(cell["source"]), set(cell["metadata"].get("tags", [])))
        for cell in found
        if cell["cell_type"] == "code"
    ]


@pytest.mark.parametrize("chapter", LESSONS)
def test_cells_that_only_show_are_folded_and_the_others_are_short(chapter):
    unfolded = [source for source, tags in cells(chapter) if not tags & FOLDED]
    showing = [source for source in unfolded if only_shows(source)]
    long = [source for source in unfolded if len(source.splitlines()) > MOST_LINES]
    assert showing == [] and long == []


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("figures.table(['a'], [(1,)])", True),
        ("figure = figures.Chart(x, y)\nfigure", True),
        ("assert a == 2\nassert b", True),
        ("from lossbook.lab.page.objects import Scene\nScene('a')", True),
        ("audit.decide('a', f(x), 'y')\naudit.card('a')", True),
        ("loss = wing_loss(a, b)\nassert loss > 0", False),
        ("print(wing_loss(a, b))", False),
        ("import torch", False),
        ("%pip install x\nassert a", True),
    ],
)
def test_cells_that_only_show_are_told_from_those_that_do_something(source, expected):
    assert only_shows(source) == expected


def test_a_budget_names_everything_that_is_broken():
    worst = Measured(4000, 9, 3, False, 5, 0.5, 20, 120, ("a",), ("b",), 0)
    assert len(worst.broken()) == 7
