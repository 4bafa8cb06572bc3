"""An object to move is declared in at most thirty lines."""

import ast
import textwrap
from pathlib import Path

import pytest

import lossbook
from lossbook import registry

LAB = Path(lossbook.__file__).parent / "lab"
LONGEST = 30


def declarations(source):
    """How many lines each function has that returns a scene, by its name.

    The signature counts, and comments do; the docstring does not, nor do empty lines.
    """
    lines, found = source.splitlines(), {}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef) and node.returns:
            if ast.unparse(node.returns).strip("'\"").rpartition(".")[2] != "Scene":
                continue
            docstring = range(0)
            if ast.get_docstring(node) is not None:
                docstring = range(node.body[0].lineno, node.body[0].end_lineno + 1)
            numbers = range(node.lineno, node.end_lineno + 1)
            own = [n for n in numbers if n not in docstring and lines[n - 1].strip()]
            found[node.name] = len(own)
    return found


OBJECTS = [
    pytest.param(length, id=f"{chapter}.{path.stem}.{name}")
    for chapter in registry.chapters()
    for path in sorted((LAB / chapter).glob("*.py"))
    for name, length in declarations(path.read_text(encoding="utf-8")).items()
]


def test_every_chapter_has_objects_and_all_are_found():
    chapters = {case.id.partition(".")[0] for case in OBJECTS}
    assert chapters == set(registry.chapters())
    assert len(OBJECTS) >= 30


@pytest.mark.parametrize("length", OBJECTS)
def test_an_object_is_declared_in_at_most_thirty_lines(length):
    assert length <= LONGEST


def test_signature_and_comments_count_docstring_and_empty_lines_do_not():
    source = textwrap.dedent('''
        def longer(
            name: str,
        ) -> objects.Scene:
            """One line.

            And another.
            """
            x = 1  # not a line of its own

            # One of its own.
            return Scene(name, x)

        class Gan:
            def method(self) -> "Scene":
                return Scene()

        def panel() -> Panel:
            return Panel()

        def many() -> list[Scene]:
            return []
    ''')
    assert declarations(source) == {"longer": 6, "method": 2}
