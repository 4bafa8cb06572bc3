"""The examples of README and index run as they stand there."""

import re
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("page", ["README.md", "book/index.md"])
def test_the_example_runs(page, capsys):
    text = (ROOT / page).read_text(encoding="utf-8")
    (example,) = re.findall(r"^( *)```python\n(.*?)^\1```", text, re.MULTILINE | re.DOTALL)
    exec(textwrap.dedent(example[1]), {})
    assert "weighted" in capsys.readouterr().out or page != "README.md"
