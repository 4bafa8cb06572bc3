"""The verdict on every claim of every ledger, so that none changes unnoticed.

A notebook computes its verdicts, and one that runs differently may compute others. Those on
record are in ``verdicts.json``; to record them anew, when evidence has changed:
``python tests/verdicts.py``.
"""

import json
import re
from pathlib import Path

BOOK = Path(__file__).resolve().parents[1] / "book"
RECORDED = Path(__file__).with_name("verdicts.json")
ROW = re.compile(r"\d+\. (?P<claim>.*?) \((?P<place>[^)]*)\): (?P<verdict>[^;\n]+)")


def verdicts_of(notebook):
    """Verdict by claim, as the ledger of a notebook says them; empty without a ledger."""
    ledgers = [
        "".join(output["data"]["text/plain"])
        for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]
        if cell["cell_type"] == "code" and "audit.ledger()" in "".join(cell["source"])
        for output in cell["outputs"]
    ]
    rows = (ROW.match(line) for ledger in ledgers for line in ledger.splitlines())
    return {row["claim"]: row["verdict"] for row in rows if row}


def all_verdicts():
    """Verdicts by claim, for each notebook that has a ledger."""
    found = {path.stem: verdicts_of(path) for path in sorted(BOOK.glob("*.ipynb"))}
    return {chapter: verdicts for chapter, verdicts in found.items() if verdicts}


if __name__ == "__main__":
    text = json.dumps(all_verdicts(), ensure_ascii=False, indent=1)
    RECORDED.write_text(text + "\n", encoding="utf-8")
