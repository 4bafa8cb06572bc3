"""A browser without network, and pages that hold what a notebook shows."""

import functools
import re
import shutil
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path

import pytest
from pages import HTML, PAGES

NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"]
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--no-first-run",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
]
HEAD = (
    '<!doctype html><html lang="en"{attributes}><head><meta charset="utf-8"><title>Objects</title>'
    '<meta name="viewport" content="width=device-width">'
    "<style>body{{margin:0;padding:8px;font-family:sans-serif}}"
    'html[data-theme="dark"] body{{background:#14181e;color:#ced6dd}}</style></head><body>'
)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """All tests of a page go to the worker that has opened it, of different pages to any worker.

    By file, as elsewhere, one worker would open nearly all of them. xdist's own groups are none
    with pytest 9.2, which does not take their names.
    """
    from xdist.scheduler import LoadScopeScheduling

    class ByPage(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            file, _, test = nodeid.partition("::")
            page = re.search(r"[\w/]+\.html", test)
            return f"{file} {page[0]}" if page else file

    return ByPage(config, log) if config.getvalue("dist") == "loadfile" else None


@pytest.fixture(scope="session")
def browser():
    sync_api = pytest.importorskip("playwright.sync_api")
    executable = next(filter(None, map(shutil.which, NAMES)), None)
    assert executable, f"no browser found; install one of {', '.join(NAMES)}"
    with sync_api.sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=executable, args=ARGUMENTS)
        yield found
        found.close()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


@pytest.fixture(scope="session")
def address():
    assert PAGES, f"there is no book in {HTML}: run `make book` first"
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(HTML)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.fixture
def show(browser, tmp_path):
    """Write a page with what a notebook shows, and open it from the disk.

    No error and no request may occur.
    """
    contexts, problems = [], []

    def open_page(*made, width=900, attributes="", wrap="{}", **options):
        file = tmp_path / f"page{len(contexts)}.html"
        body = "<p>between</p>".join(wrap.format(one.html()) for one in made)
        file.write_text(HEAD.format(attributes=attributes) + f"<main>{body}</main>", "utf-8")
        context = browser.new_context(viewport={"width": width, "height": 900}, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda m: problems.append(m.text) if m.type == "error" else None)
        page.on("request", lambda request: problems.append(request.url) if not
                request.url.startswith("file:") else None)  # fmt: skip
        page.goto(file.as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert problems == []


AXE = Path(find_spec("axe_playwright_python").origin).with_name("axe.min.js")
# Equations, highlighted code and signatures are MathJax's, Pygments' and Sphinx's, and most of a
# page's elements. With preload, axe would ask for the style sheets' imports at wrong places.
#
# A page of the reference has up to some hundred entries, which Sphinx makes alike: of each kind
# (function, class, method, ...) axe sees the first eight, with their lines of the contents. The
# others are taken from the page and put back, as axe reads what it does not judge, too.
RUN_AXE = """async (options) => {
  const parts = {include: [["html"]], exclude: [["mjx-container"], [".highlight pre"], ["dt.sig"]]};
  const seen = {}, away = [];
  const detach = (element) => {
    const place = document.createComment("");
    element.replaceWith(place);
    away.push([place, element]);
  };
  for (const entry of document.querySelectorAll("dl.py")) {
    if (!entry.isConnected) continue;
    seen[entry.className] = (seen[entry.className] || 0) + 1;
    if (seen[entry.className] > 8) detach(entry);
  }
  const names = new Set(away.flatMap(([_, entry]) =>
    [...entry.querySelectorAll("[id]")].map(({id}) => `#${id}`)));
  if (names.size) {
    for (const link of document.querySelectorAll("nav li > a")) {
      if (names.has(link.getAttribute("href"))) detach(link.parentElement);
    }
  }
  const found = await axe.run(parts, {resultTypes: ["violations"], preload: false, ...options})
    .finally(() => away.reverse().forEach(([place, element]) => place.replaceWith(element)));
  return found.violations.flatMap(({id, impact, nodes}) => nodes.map((node) => ({
    id, impact, target: node.target.flat().join(" "), html: node.html.slice(0, 200),
    why: node.failureSummary.split("\\n").slice(1).join(" ").trim(),
  }))).filter(({impact}) => impact === "serious" || impact === "critical");
}"""


@pytest.fixture(scope="session")
def violations():
    """The serious and critical violations that axe-core finds on a page, of all rules or one."""

    def find(page, rule=None):
        if not page.evaluate("Boolean(window.axe)"):
            page.evaluate(AXE.read_text("utf8"))
        return page.evaluate(RUN_AXE, {"runOnly": [rule]} if rule else {})

    return find
