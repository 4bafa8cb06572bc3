"""Use what was built as a stranger would: outside the repository, with nothing else of ours."""

import ast
import os
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

import nbformat
from packages import lend

ROOT = Path(__file__).resolve().parents[1]
SHARED = ["conftest.py", "matrix.py", "translation_networks.py"]
TESTS = ["test_terms.py", "test_reduction.py", "test_checks.py", "hands/test_losses.py"]
HEAVY = {"numpy", "sympy", "matplotlib", "scipy", "pandas", "sklearn", "IPython"}
# Twice what is promised, for a slow machine. Time on the CPU: other work beside it does not count.
MAX_IMPORT_SECONDS = 2 * 0.020
REPEATS = 5
MAX_WHEEL_BYTES = 1_000_000
OTHERS = {"__pycache__", "runs", "pyproject.toml"}
"""Folders and files of the checkout that belong to no wheel."""
WHOLE = ("losses", "speed")
"""The notebooks that are run: those that do not train. Of the chapters the imports are, and all of
their data is read. Each is run whole from a checkout by the README's test command, and the wheel
holds the same files."""

IMPORT = """
import sys, time
import torch
before = {name.partition(".")[0] for name in sys.modules}
start = time.process_time()
import lossbook
seconds = time.process_time() - start
import lossbook.hands, lossbook.inversion, lossbook.landmarks, lossbook.motion
import lossbook.translation
added = {name.partition(".")[0] for name in sys.modules} - before
print(seconds, *sorted(added))
"""

IMPORT_EACH = """
import importlib, sys
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
    except ImportError as error:
        print(name, error)
    else:
        print(name)
"""

USE = """
import torch
from lossbook.hands import HandLoss
from lossbook.landmarks import wing_loss
points = torch.ones(2, 21, 2)
criterion = HandLoss(optional=("3d_joint", "prior", "aux"))
print(criterion({"keypoints_2d": points}, {"keypoints_2d": 0 * points}))
loss = wing_loss(torch.ones(2, 5, 2, requires_grad=True), torch.zeros(2, 5, 2))
loss.backward()
print("wing_loss", loss.item())
"""

WITHOUT_DATA = """
try:
    import lossbook.lab
except ImportError as error:
    print(error)
"""

LOAD_ALL = """
import importlib, inspect, pkgutil
import lossbook.lab

for found in pkgutil.walk_packages(lossbook.lab.__path__, "lossbook.lab."):
    module = importlib.import_module(found.name)
    for name, function in vars(module).items():
        if name.startswith("load_") and getattr(function, "__module__", "") == module.__name__:
            parameters = inspect.signature(function).parameters.values()
            if all(p.default is not p.empty for p in parameters):
                function()
                print(f"{found.name}.{name}")
"""

RUN_NOTEBOOK = """
import nbformat
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell

WHERE = '''
import lossbook, numpy, torch
for module in (lossbook, numpy, torch):
    print(module.__file__, getattr(module, "__version__", ""))
'''
notebook = nbformat.read("chapter.ipynb", as_version=4)
notebook.cells.append(new_code_cell(WHERE))
NotebookClient(notebook, timeout=None, kernel_name="python3").execute()
print("".join(output.text for output in notebook.cells[-1].outputs), end="")
"""


def say(text):
    print(f"wheel check: {text}", flush=True)


def run(python, *arguments, folder, site=None):
    """Run a Python in `folder` with nothing but `site` on its path, and return what it printed."""
    environment = {name: v for name, v in os.environ.items() if not name.startswith("PYTHON")}
    if site:
        environment |= {"PYTHONPATH": str(site), "TQDM_DISABLE": "1", "LOSSBOOK_BOOK": "1"}
        environment["OMP_NUM_THREADS"] = "1"
    done = subprocess.run(
        [str(python), *map(str, arguments)],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    if done.returncode:
        sys.exit(f"{done.stdout}\nwheel check: a command failed in {folder}")
    return done.stdout


def module_names(files):
    """The dotted names of the modules among the files of a wheel."""
    names = (
        name.removesuffix(".py").removesuffix("/__init__") for name in files if name.endswith(".py")
    )
    return sorted(name.replace("/", ".") for name in names)


def check_contents(files):
    """The two wheels hold every file of the package, the second the data, and nothing else.

    Neither caches nor the stored results of experiments that are under way belong to them.
    """
    package = ROOT / "lossbook"
    expected = {
        path.relative_to(ROOT).as_posix()
        for path in package.rglob("*")
        if path.is_file() and not OTHERS & set(path.relative_to(package).parts)
    }
    for held, apart in zip(files, (False, True), strict=True):
        packed = {name for name in held if name.startswith("lossbook/")}
        wanted = {name for name in expected if ("/data/" in name) == apart}
        assert packed == wanted, f"missing or not ours: {sorted(packed ^ wanted)}"
        assert any("dist-info/licenses/" in name for name in held)
    say(f"the wheels hold all {len(expected)} files of the package")


def check_source(archive):
    """The source distribution holds every file of the repository."""
    with tarfile.open(archive) as file:
        names = {name.partition("/")[2] for name in file.getnames()}
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    missing = {name for name in listed if (ROOT / name).exists()} - names
    assert not missing, f"not in the source distribution: {sorted(missing)}"
    say(f"the source distribution holds all {len(listed)} files of the repository")


def check_imports(python, modules, folder):
    """The library imports with torch and jaxtyping; the lab names the extra it needs."""
    reports = run(python, "-c", IMPORT_EACH, *modules, folder=folder).splitlines()
    for module, report in zip(modules, reports, strict=True):
        if module.startswith("lossbook.lab"):
            assert "pip install" in report, f"{module} does not say what to install: {report}"
            assert "lossbook[book]" in report, report
        else:
            assert report == module, f"needs more than torch and jaxtyping: {report}"
    say(f"{len(modules)} modules import, or name the extra that they need")


def check_empty_environment(wheel, modules, temporary):
    """Install the wheel beside torch alone; import it, use it, run the tests that need no more.

    torch and jaxtyping are those of this environment. Nothing else is there, and pip, which may
    look nowhere, refuses a wheel that asks for more.
    """
    run(sys.executable, "-m", "venv", "--without-pip", temporary / "venv", folder=temporary)
    python = temporary / "venv" / "bin" / "python"
    (site,) = (temporary / "venv").glob("lib/python*/site-packages")
    lend(["torch", "jaxtyping"], site)
    pip = [sys.executable, "-m", "pip", "--isolated", "--python", python]
    run(*pip, "install", "-q", "--no-index", wheel, folder=temporary)
    empty = temporary / "empty"
    empty.mkdir()

    check_imports(python, modules, empty)
    say(run(python, "-c", USE, folder=empty).strip())

    reports = [run(python, "-c", IMPORT, folder=empty).split() for _ in range(REPEATS)]
    added = {name for _, *names in reports for name in names}
    assert not added & HEAVY, f"import lossbook also imports {sorted(added & HEAVY)}"
    seconds = statistics.median(float(report[0]) for report in reports)
    say(f"importing lossbook takes {seconds * 1e3:.0f} ms more than torch")
    assert seconds <= MAX_IMPORT_SECONDS, f"that is more than {MAX_IMPORT_SECONDS * 1e3:.0f} ms"

    lend(["pytest"], site)
    copied = [shutil.copy(ROOT / "tests" / name, empty) for name in [*SHARED, *TESTS]]
    say(
        run(python, "-m", "pytest", "-q", *copied[len(SHARED) :], folder=empty)
        .strip()
        .splitlines()[-1]
    )


def versions(text):
    """Path and version of lossbook, numpy and torch, one a line."""
    return [line.split(" ", 1) for line in text.strip().splitlines()]


def imports_of(notebook):
    """The import statements of a notebook's cells, but for those that install the package."""
    sources = [cell.source for cell in nbformat.read(notebook, as_version=4).cells
               if cell.cell_type == "code" and "google.colab" not in cell.source]  # fmt: skip
    nodes = [node for source in sources for node in ast.walk(ast.parse(source))]
    return "\n".join(ast.unparse(n) for n in nodes if isinstance(n, (ast.Import, ast.ImportFrom)))


def check_chapters(wheels, temporary):
    """In this environment, with lossbook from the wheel, run notebooks and load what all load."""
    site = temporary / "site"
    pip = ["-m", "pip", "install", "-q", "--no-deps", "--target", site]
    run(sys.executable, *pip, wheels[0], folder=temporary)
    refused = run(sys.executable, "-c", WITHOUT_DATA, folder=temporary, site=site)
    assert "pip install lossbook-data" in refused, refused
    with zipfile.ZipFile(wheels[1]) as data:  # pip leaves a folder alone that is there already
        data.extractall(site)
    script = "import numpy, torch\nfor m in (numpy, torch): print(m.__file__, m.__version__)"
    expected = versions(run(sys.executable, "-c", script, folder=temporary))
    notebooks = sorted((ROOT / "book").glob("*.ipynb"))
    script = "\n".join([*map(imports_of, notebooks), LOAD_ALL])
    loaded = run(sys.executable, "-c", script, folder=temporary, site=site).split()
    say(f"what {len(notebooks)} notebooks import is in the wheel")

    read = {name.split(".")[2] for name in loaded}
    chapters = {path.parent.name for path in (ROOT / "lossbook" / "lab").glob("*/data")}
    assert chapters <= read, f"nothing is read of {sorted(chapters - read)}"
    say(f"{len(loaded)} loaders of the chapters find their data in the wheel")

    for whole in WHOLE:
        shutil.copy(ROOT / "book" / f"{whole}.ipynb", temporary / "chapter.ipynb")
        text = run(sys.executable, "-c", RUN_NOTEBOOK, folder=temporary, site=site)
        (lossbook, _), *others = versions(text)
        assert Path(lossbook).is_relative_to(site), f"{whole} used {lossbook}"
        assert others == expected, f"{whole} changed the environment: {others}"
        say(f"{whole} runs from the wheel")


def main():
    wheels = [next((ROOT / "dist").glob(f"{name}-*.whl")) for name in ("lossbook", "lossbook_data")]
    size = wheels[0].stat().st_size
    assert size <= MAX_WHEEL_BYTES, f"the library's wheel has {size} bytes"
    files = [zipfile.ZipFile(wheel).namelist() for wheel in wheels]
    check_contents(files)
    check_source(next((ROOT / "dist").glob("lossbook-*.tar.gz")))
    with tempfile.TemporaryDirectory() as name:
        temporary = Path(name).resolve()
        check_empty_environment(wheels[0], module_names(files[0]), temporary)
        check_chapters(wheels, temporary)


if __name__ == "__main__":
    main()
