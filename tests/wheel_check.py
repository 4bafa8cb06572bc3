"""Use the built wheel as a stranger would: outside the repository, with nothing else of ours."""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TORCH = "torch==2.13.0"
TESTS = ["test_terms.py", "test_reduction.py", "test_checks.py", "hands/test_losses.py"]
HEAVY = {"numpy", "sympy", "matplotlib", "bokeh", "scipy", "pandas", "sklearn", "IPython"}
MAX_IMPORT_SECONDS = 0.1
REPEATS = 5

IMPORT = """
import sys, time
import torch
before = {name.partition(".")[0] for name in sys.modules}
start = time.perf_counter()
import lossbook, lossbook.hands, lossbook.landmarks
seconds = time.perf_counter() - start
added = {name.partition(".")[0] for name in sys.modules} - before
print(seconds, *sorted(added))
"""

USE = """
import torch
from lossbook.hands import HandLoss, HandPrediction, HandTarget
from lossbook.landmarks import wing_loss
points = torch.ones(2, 21, 2)
print(HandLoss()(HandPrediction(keypoints_2d=points), HandTarget(keypoints_2d=0 * points)))
loss = wing_loss(torch.ones(2, 5, 2, requires_grad=True), torch.zeros(2, 5, 2))
loss.backward()
print("wing_loss", loss.item())
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


def check_empty_environment(wheel, temporary):
    """Install torch and the wheel only; import it, use it, and run the tests that need no more."""
    run(sys.executable, "-m", "venv", temporary / "venv", folder=temporary)
    python = temporary / "venv" / "bin" / "python"
    run(python, "-m", "pip", "install", "-q", TORCH, "pytest", wheel, folder=temporary)
    empty = temporary / "empty"
    empty.mkdir()

    say(run(python, "-c", USE, folder=empty).strip())

    reports = [run(python, "-c", IMPORT, folder=empty).split() for _ in range(REPEATS)]
    added = {name for _, *names in reports for name in names}
    assert not added & HEAVY, f"import lossbook also imports {sorted(added & HEAVY)}"
    seconds = statistics.median(float(report[0]) for report in reports)
    say(f"importing lossbook takes {seconds * 1e3:.0f} ms more than torch")
    assert seconds <= MAX_IMPORT_SECONDS, f"that is more than {MAX_IMPORT_SECONDS * 1e3:.0f} ms"

    copied = [shutil.copy(ROOT / "tests" / name, empty) for name in ["conftest.py", *TESTS]]
    say(run(python, "-m", "pytest", "-q", *copied[1:], folder=empty).strip().splitlines()[-1])


def versions(text):
    """Path and version of lossbook, numpy and torch, one a line."""
    return [line.split(" ", 1) for line in text.strip().splitlines()]


def check_chapters(wheel, temporary):
    """Run every chapter in this environment, with lossbook taken from the wheel."""
    site = temporary / "site"
    pip = ["-m", "pip", "install", "-q", "--no-deps", "--target", site, wheel]
    run(sys.executable, *pip, folder=temporary)
    script = "import numpy, torch\nfor m in (numpy, torch): print(m.__file__, m.__version__)"
    expected = versions(run(sys.executable, "-c", script, folder=temporary))
    for chapter in sorted((ROOT / "book").glob("*.ipynb")):
        if chapter.stem in {"losses", "status"}:
            continue
        folder = temporary / chapter.stem
        folder.mkdir()
        shutil.copy(chapter, folder / "chapter.ipynb")
        text = run(sys.executable, "-c", RUN_NOTEBOOK, folder=folder, site=site)
        (lossbook, _), *others = versions(text)
        assert Path(lossbook).is_relative_to(site), f"{chapter.stem} used {lossbook}"
        assert others == expected, f"{chapter.stem} changed the environment: {others}"
        say(f"{chapter.stem} runs from the wheel")


def main():
    (wheel,) = (ROOT / "dist").glob("*.whl")
    with tempfile.TemporaryDirectory() as name:
        temporary = Path(name).resolve()
        check_empty_environment(wheel, temporary)
        check_chapters(wheel, temporary)


if __name__ == "__main__":
    main()
