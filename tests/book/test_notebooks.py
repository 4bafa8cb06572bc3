"""What every committed notebook and every address in the repository must satisfy."""

import json
import re
import runpy
import sys
from pathlib import Path
from types import ModuleType

import pytest
import yaml
from IPython.core.interactiveshell import InteractiveShell
from verdicts import RECORDED, verdicts_of

ROOT = Path(__file__).resolve().parents[2]
BOOK = ROOT / "book"
NOTEBOOKS = sorted(BOOK.glob("*.ipynb"))
REFERENCE = {"coming", "losses", "sheet", "speed", "status"}
CHAPTERS = [path for path in NOTEBOOKS if path.stem not in REFERENCE]
CONFIG = yaml.safe_load((ROOT / "_config.yml").read_text("utf8"))
URL = CONFIG["repository"]["url"]
runs_in_colab = runpy.run_path(str(BOOK / "_ext" / "offline.py"))["runs_in_colab"]

MACHINE_PATH = re.compile(
    r"(?<![\w.~])/(?:home|root|work|tmp|Users)/|[A-Z]:\\+Users|site-packages|\.\./"
)
COMPARED = {"text/plain", "text/latex", "text/html", "text/markdown", "image/svg+xml"}
NOT_COMPARED_TAGS = {"nbval-ignore-output", "nbval-skip"}
MAX_BYTES = 1_500_000


def _code_cells(path):
    cells = json.loads(path.read_text("utf8"))["cells"]
    return [
        cell for cell in cells if cell["cell_type"] == "code" and "".join(cell["source"]).strip()
    ]


def _outputs(path):
    return [output for cell in _code_cells(path) for output in cell["outputs"]]


def _is_compared(output):
    return output["output_type"] == "stream" or bool(COMPARED & output.get("data", {}).keys())


def _toc_files():
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text("utf8"))
    chapters = [chapter["file"] for part in toc["parts"] for chapter in part["chapters"]]
    return [toc["root"], *chapters]


each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
each_chapter = pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)


def test_there_are_notebooks():
    assert CHAPTERS


def test_toc_and_folder_name_the_same_pages():
    pages = {path.relative_to(ROOT).with_suffix("").as_posix() for path in BOOK.glob("*.[im]*")}
    assert sorted(_toc_files()) == sorted(pages)


@each_notebook
def test_every_code_cell_was_run_in_order(path):
    counts = [cell["execution_count"] for cell in _code_cells(path)]
    assert counts == list(range(1, len(counts) + 1))


@each_notebook
def test_no_cell_wrote_an_error_or_to_stderr(path):
    outputs = _outputs(path)
    assert [output for output in outputs if output["output_type"] == "error"] == []
    assert [output for output in outputs if output.get("name") == "stderr"] == []


@each_notebook
def test_no_output_needs_a_running_kernel(path):
    kinds = {kind for output in _outputs(path) for kind in output.get("data", {})}
    assert not {kind for kind in kinds if "widget" in kind}


@each_notebook
def test_notebook_is_small(path):
    assert path.stat().st_size < MAX_BYTES


@each_notebook
def test_notebook_names_no_path_of_one_machine(path):
    assert MACHINE_PATH.findall(path.read_text("utf8")) == []


@pytest.mark.parametrize("text", ["/home/ada/x", "'/root/.cache'", r"C:\\Users\\a", "../data/x"])
def test_machine_paths_are_recognised(text):
    assert MACHINE_PATH.search(text)


def test_every_ledger_is_on_record():
    recorded = json.loads(RECORDED.read_text("utf8"))
    assert {path.stem for path in CHAPTERS if verdicts_of(path)} == set(recorded)
    assert min(map(len, recorded.values())) > 20


@pytest.mark.parametrize("chapter", json.loads(RECORDED.read_text("utf8")))
def test_a_verdict_changes_only_on_purpose(chapter):
    recorded = json.loads(RECORDED.read_text("utf8"))[chapter]
    assert verdicts_of(BOOK / f"{chapter}.ipynb") == recorded, (
        "if the evidence has changed: python tests/verdicts.py"
    )


@each_notebook
def test_kernel_is_the_default_one(path):
    assert json.loads(path.read_text("utf8"))["metadata"]["kernelspec"]["name"] == "python3"


@each_chapter
def test_chapter_has_an_output_that_nbval_compares(path):
    compared = [
        output
        for cell in _code_cells(path)
        if not NOT_COMPARED_TAGS & set(cell["metadata"].get("tags", []))
        for output in cell["outputs"]
        if _is_compared(output)
    ]
    assert compared


@each_notebook
def test_a_notebook_has_a_colab_button_exactly_if_it_installs_the_package_first(path):
    first, *others = ("".join(cell["source"]) for cell in _code_cells(path))
    assert not [source for source in others if re.search(r"\bpip\b.*\binstall\b", source)]
    assert runs_in_colab(path) == (path in CHAPTERS)
    if path in CHAPTERS:
        guard = first.index('"google.colab" in sys.modules')
        assert guard < first.index(f"git+{URL}") < first.index("%pip install")


@each_chapter
@pytest.mark.parametrize("exit_code", [0, 1])
def test_a_chapter_in_colab_stops_at_a_failed_install(path, exit_code, monkeypatch):
    shell = InteractiveShell()
    run, asked = shell.system, []

    def pip(command):
        asked.append(command)
        run(f"exit {exit_code}")

    monkeypatch.setattr(shell, "system", pip)
    monkeypatch.setitem(sys.modules, "google.colab", ModuleType("google.colab"))
    result = shell.run_cell("".join(_code_cells(path)[0]["source"]))
    assert result.success == (exit_code == 0)
    assert exit_code == 0 or "could not install lossbook" in str(result.error_in_exec)
    (command,) = asked
    assert re.search(rf'"lossbook\[lab[\w,]*\] @ git\+{re.escape(URL)}"', command), command
    assert f'"lossbook-data @ git+{URL}#subdirectory=lossbook/lab"' in command


@each_notebook
def test_photographs_of_people_are_credited_to_their_database(path):
    cells = json.loads(path.read_text("utf8"))["cells"]
    sources = dict.fromkeys(("code", "markdown"), "")
    for cell in cells:
        sources[cell["cell_type"]] += "".join(cell["source"])
    if "load_faces(" in sources["code"]:
        assert "AT&T Laboratories Cambridge" in sources["markdown"]
        assert "[ORL faces](https://doi.org/10.1109/ACV.1994.341300)" in sources["markdown"]


def test_every_address_of_the_repository_is_the_configured_one():
    owner, name = URL.removeprefix("https://github.com/").split("/")
    pages = [
        *ROOT.glob("*.md"),
        ROOT / "pyproject.toml",
        *BOOK.glob("*.md"),
        *NOTEBOOKS,
        *(ROOT / "lossbook").rglob("*.py"),
    ]
    pattern = re.compile(
        rf"github(?:\.com)?/([\w.-]+)/{re.escape(name)}\b|\b([\w-]+)\.github\.io/{re.escape(name)}\b"
    )
    owners = {
        found[1] or found[2]: path.name
        for path in pages
        for found in pattern.finditer(path.read_text("utf8"))
    }
    assert set(owners) == {owner}, owners
    assert f'Repository = "{URL}"' in (ROOT / "pyproject.toml").read_text("utf8")
