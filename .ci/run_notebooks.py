"""Run notebooks of the book in place; the status page, which reads run times, comes last."""

import argparse
import os
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient

BOOK = Path(__file__).resolve().parents[1] / "book"
LAST = "status"


def run(path, *, store=True):
    """Execute one notebook; store its outputs, without what differs between machines."""
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(
        notebook,
        timeout=None,
        kernel_name="python3",
        coalesce_streams=True,
        resources={"metadata": {"path": str(path.parent)}},
    ).execute()
    if not store:
        return
    notebook.metadata.kernelspec = {
        "display_name": "Python 3",
        "language": "python",
        "name": "python3",
    }
    notebook.metadata.language_info.pop("version", None)
    nbformat.write(notebook, path)


def main():
    """Run the notebooks named on the command line, such as ``hands``, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="notebook")
    parser.add_argument("--check", action="store_true", help="run only, and store nothing")
    given = parser.parse_args()
    wanted = given.names or [path.stem for path in BOOK.glob("*.ipynb")]
    os.environ["TQDM_DISABLE"] = "1"
    os.environ.setdefault("LOSSBOOK_BOOK", "1")
    for name in sorted(wanted, key=lambda name: (name == LAST, name)):
        path = BOOK / f"{name}.ipynb"
        start = time.perf_counter()
        run(path, store=not given.check)
        print(f"{path.name}: {time.perf_counter() - start:.1f} s", flush=True)


if __name__ == "__main__":
    main()
