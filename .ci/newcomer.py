"""Walk a newcomer's path, step by step, and record how long each step takes: make newcomer.

From an empty folder to a loss in one's own loop, from a clone to the built book, and from Colab's
button to the last cell of each chapter, with what dist/ and the last commit hold. Colab is
imitated: torch and Jupyter are there before the clock runs. The times go to
lossbook/lab/run/newcomer.json, which the page *Status* shows; those of downloads depend on the
line, or on pip's cache.
"""

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RECORD = ROOT / "lossbook" / "lab" / "run" / "newcomer.json"
MINUTES = 3
"""Within which a loss is to run in one's own loop."""

CHAPTERS = ("landmarks", "hands", "motion", "inversion", "translation")
LOOP = """
import torch
from lossbook.landmarks import WingLoss

network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 196))
criterion = WingLoss()
optimizer = torch.optim.Adam(network.parameters(), lr=0.1)
pictures, points = torch.rand(16, 8, 8), 112 * torch.rand(16, 98, 2)
losses = []
for _ in range(100):
    loss = criterion(network(pictures).view(16, 98, 2), points)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    losses.append(loss.item())
assert losses[-1] < losses[0] / 2, losses
print(f"{losses[0]:.0f} to {losses[-1]:.0f}")
"""


def walk(what, *command, folder):
    """Run one step and say how many seconds it took."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    start = time.perf_counter()
    subprocess.run([str(part) for part in command], cwd=folder, env=own, check=True)
    step = {"what": what, "seconds": round(time.perf_counter() - start, 1)}
    print(step, flush=True)
    return step


def main():
    """Walk both paths and write the record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--torch", help="version of torch, such as one that is built for CPUs")
    torch = parser.parse_args().torch
    (wheel,) = (ROOT / "dist").glob("lossbook-*.whl")
    (data,) = (ROOT / "dist").glob("lossbook_data-*.whl")
    pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    with tempfile.TemporaryDirectory() as folder:
        python = Path(folder) / "own" / "bin" / "python"
        first = [
            walk("make an environment", sys.executable, "-m", "venv", "own", folder=folder),
            walk(
                "`pip install lossbook`, torch included",
                *(python, *pip, wheel),
                *([f"torch=={torch}"] if torch else []),
                folder=folder,
            ),
            walk("100 steps of one's own loop with a loss", python, "-c", LOOP, folder=folder),
        ]
        clone = Path(folder) / "lossbook"
        book = [
            walk("`git clone`", "git", "clone", "--quiet", ROOT, clone, folder=folder),
            walk("`make book`, the environment included", "make", "-s", "book", folder=clone),
        ]
        assert (clone / "_build" / "html" / "index.html").exists()
        subprocess.run([python, *pip, "nbclient", "ipykernel"], check=True)
        colab = [
            walk("the first cell: `pip install lossbook[lab,inversion]` and the chapters' data",
                 python, *pip, f"lossbook[lab,inversion] @ {wheel.as_uri()}", data, folder=folder)
        ]  # fmt: skip
        for chapter in CHAPTERS:
            shutil.copy(clone / "book" / f"{chapter}.ipynb", folder)
            run = [python.with_name("jupyter-execute"), f"{chapter}.ipynb"]
            colab.append(walk(f"*Run all* of {chapter}", *run, folder=folder))
        version = subprocess.check_output(
            [str(python), "-c", "import torch; print(torch.__version__)"], text=True
        )
    record = {
        "command": " ".join(["python .ci/newcomer.py", *sys.argv[1:]]),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "python": platform.python_version(),
        "torch": version.strip(),
        "date": date.today().isoformat(),
        "paths": {"from an empty folder to a loss in one's own loop": first,
                  "from a clone to the built book": book,
                  "from Colab's button to *Run all* (imitated, without a GPU)": colab},
    }  # fmt: skip
    RECORD.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    taken = sum(step["seconds"] for step in first)
    if taken > 60 * MINUTES:
        sys.exit(f"a loss in one's own loop took {taken:.0f} s, more than {MINUTES} minutes")


if __name__ == "__main__":
    main()
