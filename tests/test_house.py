"""Who imports whom, what is needed for it, and how long a file may be."""

import ast
import subprocess
import sys
import textwrap
from importlib import metadata
from pathlib import Path

import pytest
from packages import requirements
from packaging.requirements import Requirement

import lossbook
from lossbook import lab, registry

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(lossbook.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))
LIBRARY = [path for path in FILES if "lab" not in path.relative_to(ROOT).parts]
LAB = [path for path in FILES if path not in LIBRARY]
CHAPTERS = registry.chapters()


def name_of(path):
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in FILES}


def under(paths):
    return pytest.mark.parametrize("path", paths, ids=name_of)


def imports(path):
    """The modules that a file imports, those of functions included, those for types left out."""
    tree = ast.parse(path.read_text())
    typing_only = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    found = set()
    for node in ast.walk(tree):
        if node in typing_only:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path} imports by a relative name"
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in MODULES else node.module for name in names}
    return found


def storey(module):
    """The storey of a module in the house, and the room: rooms of one storey do not mix."""
    match module.split(".")[1:]:
        case ["lab"]:
            return 3, "lab"
        case ["lab", ("run" | "page") as room, *_]:
            return 4, room
        case ["lab", room, *_]:
            return 5, room
        case [("losses" | "metrics")]:
            return 2, "roof"
        case [room, *_] if room in CHAPTERS:
            return 1, room
        case _:
            return 0, "core"


@under(FILES)
def test_imports_run_one_way(path):
    above, room = storey(name_of(path))
    for module in imports(path):
        if module in MODULES:
            below, other = storey(module)
            assert below < above or (below, other) == (above, room), (
                f"{name_of(path)} imports {module}: never sideways, never up"
            )


@under(LIBRARY)
def test_the_library_needs_torch_and_jaxtyping_only(path):
    allowed = {"lossbook", "torch", "jaxtyping", *sys.stdlib_module_names}
    if path.name == "symbolic.py":
        allowed.add("sympy")  # which torch itself requires
    assert {module.split(".")[0] for module in imports(path)} <= allowed


def run(code):
    """Run a script in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.mark.spawns
def test_every_module_of_the_library_imports_with_torch_and_jaxtyping_alone():
    packages = requirements("jaxtyping", requirements("torch", set()))
    # Not packages_distributions(): that of Python 3.10 does not know all of them.
    owned: dict[str, set[str]] = {}
    for distribution in metadata.distributions():
        for file in distribution.files or ():
            if file.suffix in {".py", ".so", ".pyd"}:
                module = file.parts[0].partition(".")[0]
                owned.setdefault(module, set()).add(distribution.metadata["Name"])
    others = {
        module
        for module, owners in owned.items()
        if not any(owner.lower().replace("_", "-") in packages for owner in owners)
        and module != "lossbook"
        and module.isidentifier()
    }
    assert "numpy" in others
    result = run(f"""
        import importlib, sys

        sys.modules.update(dict.fromkeys({sorted(others)}))
        for name in {[name_of(path) for path in LIBRARY]}:
            importlib.import_module(name)
        assert not [name for name in sys.modules if name.startswith("lossbook.lab")]
    """)
    assert result.returncode == 0, result.stderr


def test_the_laboratory_asks_for_what_the_extra_installs():
    project = tomllib.loads((ROOT.parent / "pyproject.toml").read_text())["project"]
    extra = {Requirement(line).name for line in project["optional-dependencies"]["lab"]}
    assert set(lab.REQUIRED) == extra


@pytest.mark.spawns
def test_the_laboratory_says_how_to_install_what_is_missing():
    result = run(f"""
        import importlib, sys

        import lossbook

        for package, module in {lab.REQUIRED}.items():
            sys.modules[module] = None
            for name in {[name_of(path) for path in LAB]}:
                try:
                    importlib.import_module(name)
                except ImportError as error:
                    print(error)
            del sys.modules[module]
    """)
    assert result.returncode == 0, result.stderr
    said = 'lossbook.lab needs {}, which is missing: pip install "lossbook[book]"'
    expected = [said.format(package) for package in lab.REQUIRED for _ in LAB]
    assert result.stdout.splitlines() == expected


@pytest.mark.spawns
def test_importing_the_library_does_not_import_the_compiler():
    result = run("""
        import sys

        import lossbook, lossbook.losses, lossbook.metrics

        print([name for name in ("torch._dynamo", "torch._inductor") if name in sys.modules])
    """)
    assert result.stdout == "[]\n", result.stderr


def lines_without_docstrings(path):
    text = path.read_text()
    count = len(text.splitlines())
    for node in ast.walk(ast.parse(text)):
        documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
        if isinstance(node, documented) and ast.get_docstring(node) is not None:
            count -= node.body[0].end_lineno - node.body[0].lineno + 1
    return count


@under(FILES)
def test_no_file_is_longer_than_400_lines(path):
    assert lines_without_docstrings(path) <= 400


# What is found without being known ---------------------------------------------------------------


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_every_public_loss_and_metric_is_under_one_roof(chapter):
    package = getattr(lossbook, chapter)
    for name in package.__all__:
        public = getattr(package, name)
        roof = "metrics" if public.__module__.endswith(".metrics") else "losses"
        assert name in getattr(lossbook, roof).__all__, f"lossbook.{roof} lacks {name}"
        if (chapter, name) != ("hands", "rank_shares"):  # as the roof says, its is that of motion
            assert getattr(getattr(lossbook, roof), name) is public


@pytest.mark.spawns
def test_chapters_come_when_they_are_asked_for():
    result = run(f"""
        import sys

        import lossbook

        chapters = {[f"lossbook.{chapter}" for chapter in CHAPTERS]}
        assert not [name for name in sys.modules if name in chapters]
        assert set(dir(lossbook)) >= set(lossbook.__all__)
        for name in [*{CHAPTERS}, "losses", "metrics"]:
            assert name in lossbook.__all__
            assert getattr(lossbook, name).__name__ == f"lossbook.{{name}}"
        lossbook.list_losses()
        lossbook.create("wing_loss")
        assert not [name for name in sys.modules if name.startswith("lossbook.lab")]
        assert "lossbook.symbolic" not in sys.modules
        try:
            lossbook.hand
        except AttributeError as error:
            print(error)
    """)
    assert result.returncode == 0, result.stderr
    assert result.stdout == "module 'lossbook' has no attribute 'hand'; did you mean 'hands'?\n"


def test_all_places_describe_the_package_in_the_same_words():
    """Where the package stands in its repository, as it does not in a wheel."""
    root = ROOT.parent
    said = tomllib.loads((root / "pyproject.toml").read_text())["project"]["description"]
    for name in ("README.md", "CITATION.cff", "book/index.md"):
        assert f"{said}." in (root / name).read_text("utf8"), name


def test_the_data_have_the_version_of_the_package():
    root = ROOT.parent
    extra = tomllib.loads((root / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    data = tomllib.loads((ROOT / "lab" / "pyproject.toml").read_text())["project"]
    assert data["version"] == lossbook.__version__
    assert f"{data['name']}=={data['version']}" in extra["book"]
    packed = {f"lossbook.lab.{path.parent.name}.data" for path in ROOT.glob("lab/*/data")}
    listed = tomllib.loads((ROOT / "lab" / "pyproject.toml").read_text())["tool"]["setuptools"]
    assert set(listed["packages"]) == packed


def test_the_version_is_the_newest_of_the_changelog_and_that_of_the_citation():
    """Where the package stands in its repository, as it does not in a wheel."""
    changelog = ROOT.parent / "CHANGELOG.md"
    if not changelog.exists():
        pytest.skip("an installed package has no changelog")
    newest = next(line for line in changelog.read_text().splitlines() if line.startswith("## "))
    assert newest.split()[1] == lossbook.__version__
    citation = (ROOT.parent / "CITATION.cff").read_text().splitlines()
    assert f"version: {lossbook.__version__}" in citation
    assert f"date-released: {newest.split()[-1]}" in citation
