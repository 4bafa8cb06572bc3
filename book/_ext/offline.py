"""Make the built book self-contained: every script and font is served from the book itself.

It also takes Colab's button from pages that Colab could not run.
"""

import shutil
from importlib.util import find_spec
from pathlib import Path

from lossbook.lab.page import shown

SHOWN = 'class="lossbook-'
VENDOR = "vendor"

# The redirect that sphinx-external-toc writes names no icon, so browsers ask for a missing one.
INDEX = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{title}</title>
<link rel="icon" href="data:,">
<meta http-equiv="refresh" content="0; url={page}">
</head>
<body><article><h1><a href="{page}">{title}</a></h1></article></body>
</html>
"""

# The parts of MathJax that tex-chtml.js does not contain and requests when a page or a reader
# of its context menu needs them.
MATHJAX_PARTS = [
    "tex-chtml.js",
    "a11y",
    "input/tex/extensions",
    "output/chtml/fonts/woff-v2",
    "output/svg.js",
    "output/svg/fonts",
    "sre/mathmaps/base.json",
    "sre/mathmaps/en.json",
    "ui",
]


def _package_folder(name):
    return Path(find_spec(name).submodule_search_locations[0])


def _copy(source, target):
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)


def copy_vendor_files(app):
    """Copy MathJax, and style and script of the objects to move, into the output."""
    if app.builder.format != "html":
        return
    vendor = Path(app.outdir) / VENDOR
    mathjax_root = _package_folder("mathjax") / "static" / "mathjax"
    for part in MATHJAX_PARTS:
        _copy(mathjax_root / "es5" / part, vendor / "mathjax" / part)
    _copy(mathjax_root / "LICENSE", vendor / "mathjax" / "LICENSE")

    (vendor / "scene.css").write_text(shown.style(), "utf8")
    (vendor / "scene.js").write_text(shown.script(), "utf8")


def use_local_mathjax(app, config):
    """Sphinx resolves script names against _static, where every page would load them."""
    config.mathjax_path = f"../{VENDOR}/mathjax/tex-chtml.js"


def write_index(app, exception):
    """Write the entry page, which leads to the first page of the book."""
    if exception or app.builder.format != "html":
        return
    text = INDEX.format(
        title=app.config.html_title,
        page=app.builder.get_target_uri(app.config.root_doc),
    )
    (Path(app.outdir) / "index.html").write_text(text, "utf8")


def _is_thebe(script):
    return "thebe" in str(
        script.filename
    ) or "THEBE" in script.attributes.get("body", "")


def runs_in_colab(page):
    """Whether a page's source is a notebook that installs the package in Colab."""
    return page.suffix == ".ipynb" and "google.colab" in page.read_text(
        "utf8"
    )


def drop_colab_button(app, pagename, templatename, context, doctree):
    """The theme offers Colab for every notebook, also where it could only fail."""
    buttons = context.get("header_buttons", [])
    buttons[:] = [
        button
        for button in buttons
        if button.get("label") != "launch-buttons"
        or runs_in_colab(Path(app.env.doc2path(pagename)))
    ]


def adjust_page(app, pagename, templatename, context, doctree):
    """Drop Thebe, which needs a remote host; load what moves objects where there is one."""
    if SHOWN in context.get("body", ""):
        app.add_css_file(f"../{VENDOR}/scene.css")
        app.add_js_file(f"../{VENDOR}/scene.js", loading_method="defer")
    scripts = context["script_files"]
    scripts[:] = [script for script in scripts if not _is_thebe(script)]


def setup(app):
    """Register with Sphinx."""
    app.connect("builder-inited", copy_vendor_files)
    app.connect("html-page-context", adjust_page, priority=900)
    app.connect("html-page-context", drop_colab_button, priority=900)
    app.connect("config-inited", use_local_mathjax)
    app.connect("build-finished", write_index, priority=900)
    return {
        "version": "1",
        "parallel_read_safe": True,
        "parallel_write_safe": True,
    }
