"""Names of a chapter that are looked for in the package itself."""

import importlib
import re
import subprocess
import sys

import pytest

import lossbook
from lossbook import registry

PUBLIC = [
    (chapter, name)
    for chapter in registry.chapters()
    for name in importlib.import_module(f"lossbook.{chapter}").__all__
]


@pytest.mark.parametrize(("chapter", "name"), PUBLIC)
@pytest.mark.own_errors
def test_an_error_says_where_a_public_name_is(chapter, name):
    fix = f"from lossbook.{chapter} import {name}"
    with pytest.raises(ImportError) as raised:
        exec(f"from lossbook import {name}")
    written = " or ".join(f"from lossbook.{c} import {n}" for c, n in PUBLIC if n == name)
    assert fix in written
    assert str(raised.value) == f"module 'lossbook' has no attribute {name!r}; write: {written}"
    with pytest.raises(AttributeError, match=re.escape(fix)):
        getattr(lossbook, name)
    assert not hasattr(lossbook, name)
    exec(fix)


@pytest.mark.parametrize(
    ("name", "meant"),
    [("landmark", "landmarks"), ("hand", "hands"), ("list_loss", "list_losses")],
)
@pytest.mark.own_errors
def test_a_name_that_is_nearly_one_is_met_with_that(name, meant):
    reason = f"^module 'lossbook' has no attribute {name!r}; did you mean {meant!r}\\?$"
    with pytest.raises(AttributeError, match=reason):
        getattr(lossbook, name)
    with pytest.raises(ImportError, match=reason):
        exec(f"from lossbook import {name}")
    assert not hasattr(lossbook, name)


@pytest.mark.parametrize("name", ["wing_los", "_wing_loss", "_hands", "numpy"])
def test_of_other_names_nothing_is_said_but_that_they_are_not_there(name):
    with pytest.raises(ImportError, match=f"^cannot import name {name!r} from 'lossbook'"):
        exec(f"from lossbook import {name}")
    with pytest.raises(AttributeError, match=f"^module 'lossbook' has no attribute {name!r}$"):
        getattr(lossbook, name)
    assert not hasattr(lossbook, name)
    assert not hasattr(lossbook, f"{name}.{name}")


@pytest.mark.spawns
def test_submodules_are_imported_as_ever():
    names = ["lab", "symbolic", "scoring", "kernels", "losses", "hands"]
    # Each in a process where nothing of the package has been imported, but torch has.
    code = f"""
import os, sys, torch
for name in {names}:
    child = os.fork()
    if not child:
        exec(f"from lossbook import {{name}}; print({{name}}.__name__, flush=True)")
        os._exit(0)
    os.waitpid(child, 0)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.stdout.splitlines() == [f"lossbook.{name}" for name in names], done.stderr


@pytest.mark.spawns
def test_looking_for_a_private_name_imports_no_chapter():
    code = """
import sys, lossbook
assert not hasattr(lossbook, "__wrapped__")
assert not hasattr(lossbook, "_anything")
print([name for name in sys.modules if name.startswith(("lossbook.hands", "lossbook.landmarks"))])
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.stdout == "[]\n", done.stderr
