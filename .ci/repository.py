"""Change the repository's address everywhere: python .ci/repository.py https://github.com/you/fork."""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CONFIG = ROOT / "_config.yml"
ADDRESS = re.compile(r"https://github\.com/([\w.-]+)/([\w.-]+)")
PLACES = ["*.md", "*.toml", "*.cff", "book/*.md", "book/*.ipynb", "lossbook/**/*.py"]
PLACES += ["lossbook/lab/*.toml", ".github/**/*.yml"]


def current():
    """The address in _config.yml, from which all others follow."""
    return re.search(r"^  url: (\S+)$", CONFIG.read_text("utf8"), re.MULTILINE)[1]


def spellings(url):
    """The ways in which text refers to the repository: its page, its Colab path, its website."""
    owner, name = ADDRESS.fullmatch(url).groups()
    return (
        f"github.com/{owner}/{name}",
        f"github/{owner}/{name}",
        f"{owner}.github.io/{name}",
        f"raw.githubusercontent.com/{owner}/{name}",
    )


def main(url):
    """Rewrite every file that names the current address."""
    url = url.rstrip("/").removesuffix(".git")
    if not ADDRESS.fullmatch(url):
        sys.exit("usage: make repository URL=https://github.com/OWNER/NAME")
    pairs = list(zip(spellings(current()), spellings(url), strict=True))
    for path in [CONFIG, *(path for place in PLACES for path in sorted(ROOT.glob(place)))]:
        before = after = path.read_text("utf8")
        for old, new in pairs:
            after = re.sub(rf"{re.escape(old)}(?![\w-])", new, after)
        if after != before:
            path.write_text(after, "utf8")
            print(path.relative_to(ROOT))


if __name__ == "__main__":
    main(" ".join(sys.argv[1:]))
