"""A hash of the code that decides an experiment's results, to tell when a record is out of date.

It covers the modules of the chapter, in the library and in the laboratory, that the experiment
imports, the kernels that losses share, the training loop and the splits. It does not change with
comments, docstrings, layout or the text of messages, nor with the version of Python. The constants
in :data:`CONFIGURED` are left out: the record holds what they say. So are the library's other
shared modules (reductions, checks): what they do to a loss is tested there.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import lossbook

__all__ = ["CONFIGURED", "canonical", "files_hash", "source_hash", "sources"]

CONFIGURED = frozenset({"LIVE", "RECORDED", "SETTINGS", "SWEEP", "__all__"})
"""Constants of a module that can change without changing a result of the same configuration."""

_ROOT = Path(lossbook.__file__).parent.parent
_SHARED = ("lossbook.kernels", "lossbook.lab.run.splits", "lossbook.lab.run.training")


def source_hash(module: str) -> str:
    """Hash the code behind a chapter's experiment.

    Args:
        module: such as ``"lossbook.lab.hands.experiment"``.

    Returns:
        SHA-256, hexadecimal.
    """
    digest = hashlib.sha256()
    for name in sources(module):
        digest.update(f"{name}\n{canonical(_parse(name))}\n".encode())
    return digest.hexdigest()


def sources(module: str) -> list[str]:
    """Name the modules that decide the results of a chapter's experiment, sorted.

    Args:
        module: such as ``"lossbook.lab.hands.experiment"``.
    """
    chapter = module.split(".")[-2]
    homes = (f"lossbook.lab.{chapter}", f"lossbook.{chapter}")
    found: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name not in found and _path(name).is_file():
            found.add(name)
            waiting += [other for other in _imports(_parse(name)) if _is_within(other, homes)]
    return sorted(found)


def files_hash(files: Iterable[Path]) -> str:
    """Hash the contents of files, in the order in which they come.

    Args:
        files: their names do not matter.

    Returns:
        SHA-256, hexadecimal.
    """
    digest = hashlib.sha256()
    for file in files:
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def canonical(node: object) -> str:
    """Write a syntax tree so that only what the code does shows.

    `ast.dump` would do, if it wrote the same in every version of Python.

    Args:
        node: a tree, or a value in one.
    """
    if isinstance(node, list):
        return "[" + ",".join(canonical(item) for item in node if not _is_silent(item)) + "]"
    if isinstance(node, ast.JoinedStr):
        # The text of an f-string; how it is parted differs between versions of Python.
        node = [part.value for part in node.values if isinstance(part, ast.FormattedValue)]
        return "f" + canonical(node)
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = [
        f"{name}={canonical(value)}"
        for name, value in ast.iter_fields(node)
        if name not in ("ctx", "kind", "type_comment") and value is not None and value != []
    ]
    return f"{type(node).__name__}({','.join(fields)})"


def _is_silent(node: object) -> bool:
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    targets: Sequence[ast.expr] = ()
    if isinstance(node, ast.Assign):
        targets = node.targets
    elif isinstance(node, ast.AnnAssign):
        targets = [node.target]
    return any(isinstance(target, ast.Name) and target.id in CONFIGURED for target in targets)


def _imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _is_within(name: str, homes: Sequence[str]) -> bool:
    return name in _SHARED or any(name == home or name.startswith(f"{home}.") for home in homes)


def _path(name: str) -> Path:
    base = _ROOT.joinpath(*name.split("."))
    module = base.with_suffix(".py")
    return module if module.is_file() else base / "__init__.py"


def _parse(name: str) -> ast.Module:
    return ast.parse(_path(name).read_text(encoding="utf-8"))
