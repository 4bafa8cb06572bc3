"""Test the source distribution on other Pythons and torches: make compat.

For each pair uv makes an environment (.venv-compat/, several gigabytes each), installs the source
distribution of dist/ with its extra "test" there, and the library's tests run in a folder of its
own. What came of it goes to lossbook/lab/run/compat.json, which the page *Status* shows.
"""

import argparse
import json
import platform
import subprocess
import sys
import tarfile
import tempfile
import xml.etree.ElementTree as ET
from datetime import date
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RECORD = ROOT / "lossbook" / "lab" / "run" / "compat.json"
PAIRS = {
    "oldest torch, oldest Python": ("3.10", "2.8.0"),
    "newest torch, newest Python": ("3.13", "2.14.1"),
    "Colab's, by its list of 19 August 2026": ("3.13", "2.11.0"),
}
VERSIONS = """
import json, platform
from importlib.metadata import version
found = {name: version(name) for name in ("torch", "numpy")}
print(json.dumps({"python": platform.python_version()} | found))
"""


def call(*command, **options):
    """Run a command, and stop at its failure."""
    subprocess.run([str(part) for part in command], check=True, **options)


def tried(name, python, torch, archive, interpreter):
    """Versions and counts of one pair's tests."""
    environment = ROOT / ".venv-compat" / f"{python}-{torch}"
    uv = [sys.executable, "-m", "uv"]
    if not environment.exists():
        call(*uv, "venv", "--quiet", "--python", interpreter or python, environment)
    own = environment / "bin" / "python"
    wanted = f"lossbook[test] @ {archive.as_uri()}"
    call(*uv, "pip", "install", "--quiet", "--python", own, f"torch=={torch}", wanted,
         "--reinstall-package", "lossbook")  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(archive) as file:
            file.extractall(folder, filter="data")
        (source,) = Path(folder).iterdir()
        report = Path(folder) / "report.xml"
        # The library's; those of the laboratory and the book belong to the book's own environment.
        tests = sorted(source.glob("tests/test_*.py")) + [
            source / "tests" / path.parent.name for path in source.glob("lossbook/*/cards.py")
        ]
        pytest = [own, "-m", "pytest", "-q", "-n", "2", "--dist", "loadfile", *tests]
        done = subprocess.run([*map(str, pytest), f"--junitxml={report}"], cwd=source, check=False)
        (suite,) = ET.parse(report).getroot().iter("testsuite")
    versions = json.loads(subprocess.check_output([str(own), "-c", VERSIONS], text=True))
    failed = int(suite.get("failures")) + int(suite.get("errors"))
    skipped = int(suite.get("skipped"))
    if bool(failed) != bool(done.returncode):
        sys.exit(f"{name}: pytest ended with {done.returncode} and {failed} failures")
    passed = int(suite.get("tests")) - failed - skipped
    return {
        "name": name,
        **versions,
        "passed": passed,
        "failed": failed,
        "skipped": skipped,
        "seconds": round(float(suite.get("time"))),
        "date": date.today().isoformat(),
    }


def main():
    """Test the pairs that were asked for, and keep what is known of the others."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", metavar="TORCH", help="the pairs with this torch")
    parser.add_argument("--python", help="path of the interpreter, where uv does not find it")
    options = parser.parse_args()
    (archive,) = (ROOT / "dist").glob("lossbook-*.tar.gz")
    kept = (
        {row["name"]: row for row in json.loads(RECORD.read_text())["rows"]}
        if RECORD.exists()
        else {}
    )
    for name, (python, torch) in PAIRS.items():
        if options.only in (None, torch):
            kept[name] = tried(name, python, torch, archive, options.python)
            text = {
                "command": "make compat",
                "machine": platform.platform(),
                "rows": list(kept.values()),
            }
            RECORD.write_text(json.dumps(text, indent=1) + "\n")
            print(kept[name], flush=True)
    if any(row["failed"] for row in kept.values()):
        sys.exit("some tests failed")


if __name__ == "__main__":
    main()
