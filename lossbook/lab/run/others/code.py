"""The code of another project, taken out of a clone that the reader has, or out of a package.

Few of these repositories can be imported whole: they ask for models, for data, for a GPU. So only
the functions and classes that a call needs are compiled, out of the text of their files.
"""

from __future__ import annotations
import __future__

import ast
import math
import subprocess
from collections.abc import Mapping
from functools import partial
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from lossbook.lab.run.others.entry import Entry, Source

# What the files of such projects import under these names.
_COMMON: Mapping[str, Any] = {
    "torch": torch,
    "th": torch,
    "nn": nn,
    "F": F,
    "np": np,
    "math": math,
    "partial": partial,
}


def commit_of(clone: Path) -> str:
    """The commit that is checked out in a clone.

    Raises:
        ValueError: if there is none.
    """
    return _git(clone, "rev-parse", "HEAD").strip()


def version_of(source: Source, clone: Path | None) -> str:
    """The commit of a clone, or the version of an installed package."""
    return version(source.package) if clone is None else commit_of(clone)


def names_of(entry: Entry, clone: Path | None) -> dict[str, Any]:
    """The names that their call needs.

    Args:
        entry: whose code is wanted.
        clone: of its repository; None for a package.

    Raises:
        ValueError: if a file or a name is not there.
    """
    names: dict[str, Any] = {**_COMMON, **entry.stands_in}
    for place, wanted in entry.code.items():
        if clone is None:
            module = import_module(place)
            names |= {name: getattr(module, name) for name in wanted}
        else:
            # Some files begin with a byte order mark.
            text = _git(clone, "show", f"HEAD:{place}").lstrip("\ufeff")
            exec(compiled(text, wanted, place), names)
    return names


def compiled(text: str, wanted: tuple[str, ...], file: str = "<text>") -> Any:
    """Compile some functions and classes of a file, without what else it does.

    Args:
        text: of the file.
        wanted: names at its top; ``"Class.method"`` for a method as a function.
        file: its name, for messages.

    Raises:
        ValueError: for a name that the file does not define.
    """
    found = [_definition(ast.parse(text), name, file) for name in wanted]
    for node in found:
        # They register classes in a framework, which is not there.
        node.decorator_list = []
    # The types in annotations are not there either.
    flags = __future__.annotations.compiler_flag
    return compile(ast.Module(list(found), []), file, "exec", flags=flags, dont_inherit=True)


def _definition(tree: ast.Module, name: str, file: str) -> ast.FunctionDef | ast.ClassDef:
    body: list[ast.stmt] = tree.body
    found: ast.FunctionDef | ast.ClassDef | None = None
    for part in name.split("."):
        found = None
        for node in body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and node.name == part:
                found = node
        if found is None:
            raise ValueError(f"{file} defines no {name}")
        body = found.body
    assert found is not None
    return found


def _git(clone: Path, *arguments: str) -> str:
    command = ["git", "-C", str(clone), *arguments]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
    if done.returncode:
        raise ValueError(f"{clone}: git {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout
