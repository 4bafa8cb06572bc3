"""The reference: every public name has its entry on one page, and a search leads to it."""

import importlib
import pkgutil
import re
from pathlib import Path
from types import ModuleType

import pytest
import yaml
from pages import DESKTOP, watch

import lossbook

ROOT = Path(__file__).resolve().parents[2]
API = ROOT / "book" / "api"
PAGES = sorted(path.stem for path in API.glob("*.md"))
LAB = "lossbook.lab"
DIRECTIVE = re.compile(r"^\.\. auto(\w+):: ([\w.]+)((?:\n   :.*)*)", re.MULTILINE)
TABLE = re.compile(
    r"(?:^\.\. currentmodule:: ([\w.]+)\n\n)?^\.\. autosummary::\n(?:   :.*\n)*\n((?:   \S+\n)+)",
    re.MULTILINE,
)


def entries(page):
    """The full names that a page documents, modules among them."""
    found = []
    for kind, name, options in DIRECTIVE.findall((API / f"{page}.md").read_text("utf8")):
        found.append(name)
        members = re.search(r":members:(.*)", options)
        if kind == "module" and members:
            module = importlib.import_module(name)
            own = [n for n, v in vars(module).items() if getattr(v, "__module__", "") == name]
            listed = members[1].replace(",", " ").split()
            public = listed or getattr(module, "__all__", None) or own
            found += [f"{name}.{n}" for n in public if not n.startswith("_")]
    return found


def library():
    """The names of the library's modules that say what is public."""
    names = [m.name for m in pkgutil.walk_packages(lossbook.__path__, "lossbook.")]
    modules = ["lossbook", *(name for name in names if not name.startswith(LAB))]
    return [name for name in modules if hasattr(importlib.import_module(name), "__all__")]


PUBLIC = [(home, name) for home in library() for name in importlib.import_module(home).__all__]
ENTRIES = [(page, entry) for page in PAGES for entry in entries(page)]


def means(entry, module, name):
    """Whether an entry is that of a public name, which may be imported from several modules."""
    thing = getattr(importlib.import_module(module), name)
    if isinstance(thing, ModuleType):
        return entry == thing.__name__
    return entry.endswith(f".{name}") and pkgutil.resolve_name(entry) is thing


def tabulated():
    """The full names of the tables of the index."""
    found, module = [], ""
    for named, lines in TABLE.findall((ROOT / "book" / "api.md").read_text("utf8")):
        module = named or module
        for line in lines.split():
            name = line.lstrip("~")
            found.append(name if name.startswith("lossbook.") else f"{module}.{name}")
    return found


def test_there_are_names_and_entries():
    assert {"lossbook", "lossbook.hands", "lossbook.losses", "lossbook.reduction"} <= set(library())
    assert len(PUBLIC) > 150
    assert len(ENTRIES) > 150


@pytest.mark.parametrize(("module", "name"), PUBLIC)
def test_a_public_name_has_one_entry_on_one_page(module, name):
    assert len([page for page, entry in ENTRIES if means(entry, module, name)]) == 1


def test_no_entry_stands_twice():
    names = [entry for _, entry in ENTRIES]
    assert sorted(names) == sorted(set(names))


def test_the_index_has_a_line_for_each_name_of_the_library_and_each_module_of_the_laboratory():
    modules = {e for _, e in ENTRIES if isinstance(pkgutil.resolve_name(e), ModuleType)}
    roofs = {"lossbook.losses", "lossbook.metrics"}
    wanted = [e for page, e in ENTRIES if (e in modules) == (page == "lab") or e in roofs]
    assert sorted(tabulated()) == sorted(wanted)


def test_the_contents_name_the_pages_beneath_the_index():
    parts = yaml.safe_load((ROOT / "_toc.yml").read_text("utf8"))["parts"]
    index = next(c for part in parts for c in part["chapters"] if c["file"] == "book/api")
    assert sorted(page["file"] for page in index["sections"]) == [f"book/api/{p}" for p in PAGES]


@pytest.fixture
def page(browser, address):
    context = browser.new_context(viewport=DESKTOP, base_url=address)
    page = context.new_page()
    problems, _ = watch(page)
    yield page
    context.close()
    assert problems == []


@pytest.mark.browser
@pytest.mark.parametrize("hit", ["[href*='#']", ":not([href*='#'])"], ids=["entry", "page"])
@pytest.mark.parametrize(
    "entry",
    [
        "lossbook.LossTerms",
        "lossbook.landmarks.wing_loss",
        "lossbook.motion.parts.DITTO_PARTS",
        "lossbook.translation.ApproximateR1Penalty",
        "lossbook.lab.landmarks.orl.load_faces",
    ],
)
def test_a_search_for_a_name_lands_on_its_entry(page, entry, hit):
    page.goto(f"/search.html?q={entry.rpartition('.')[2]}")
    # The list reads a summary from each page that it names; leaving would cut that off.
    page.wait_for_load_state("networkidle")
    home = next(home for home, named in ENTRIES if named == entry)
    page.locator(f"#search-results li > a[href*='/api/{home}.html']{hit}").first.click()
    page.wait_for_url(f"**/book/api/*.html?*#{entry}")
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(300)
    top = page.evaluate("(id) => document.getElementById(id).getBoundingClientRect().top", entry)
    assert 0 <= top < DESKTOP["height"] / 2
