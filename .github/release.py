"""Check that a commit may be released, and print its notes: python .github/release.py v0.2.0."""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VERSIONS = {
    "lossbook/__init__.py": r'^__version__ = "(.+)"$',
    "lossbook/lab/pyproject.toml": r'^version = "(.+)"$',
    "pyproject.toml": r'"lossbook-data==(.+?)"',
    "CITATION.cff": r"^version: (.+)$",
}
"""Where the version stands, the package's and that of its data, which are released together."""


def found(root, name, pattern):
    """What the pattern's group matches in a file; an empty string if nothing."""
    match = re.search(pattern, (root / name).read_text("utf8"), re.MULTILINE)
    return match[1] if match else ""


def section(root, version):
    """Date and text of a version in the changelog; empty strings if it is not there."""
    heading = rf"^## {re.escape(version)} – (\d{{4}}-\d\d-\d\d)\n(.*?)(?=^## |\Z)"
    changelog = (root / "CHANGELOG.md").read_text("utf8")
    match = re.search(heading, changelog, re.MULTILINE | re.DOTALL)
    return (match[1], match[2].strip()) if match else ("", "")


def disagreements(root, tag):
    """What does not agree with the tag, in sentences."""
    version = tag.removeprefix("v")
    for name, pattern in VERSIONS.items():
        stated = found(root, name, pattern)
        if tag != f"v{stated}":
            yield f"{name}: {stated or 'no version'}, and the tag is {tag}"
    date, text = section(root, version)
    if not text:
        yield f"CHANGELOG.md: nothing under a heading '## {version} – YYYY-MM-DD'"
    cited = found(root, "CITATION.cff", r"^date-released: (.+)$")
    if cited != date:
        yield f"CITATION.cff: released {cited or 'at no date'}, in CHANGELOG.md {date or 'at none'}"


def main(tag):
    """Stop at what does not agree, or print the changelog's section."""
    problems = list(disagreements(ROOT, tag))
    if problems:
        sys.exit("\n".join(problems))
    print(section(ROOT, tag.removeprefix("v"))[1])


if __name__ == "__main__":
    main(*sys.argv[1:])
