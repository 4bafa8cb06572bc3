import ast

import pytest

from lossbook.lab.run.source import canonical, files_hash, source_hash, sources

CODE = '''
"""Doc."""
STEPS = 3
RECORDED = Config(own_rates=())

def loss(x):
    """Doc."""
    # Why.
    if x < 0:
        raise ValueError(f"bad {x}")
    return x * 2
'''


def text(code):
    return canonical(ast.parse(code))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"""Doc."""', '"""Other words."""'),
        ("# Why.", "# Because."),
        ("x * 2", "(\n        x  *  2\n    )"),
        ("bad {x}", "{x} is bad"),
        ("own_rates=()", 'own_rates=(("a", 1.0),)'),
    ],
)
def test_words_layout_and_the_recorded_configuration_do_not_count(old, new):
    assert text(CODE.replace(old, new)) == text(CODE)


@pytest.mark.parametrize(
    ("old", "new"),
    [("x * 2", "x * 3"), ("x * 2", "x * 2.0"), ("x < 0", "x <= 0"), ("STEPS = 3", "STEPS = 4")],
)
def test_what_the_code_does_counts(old, new):
    assert text(CODE.replace(old, new)) != text(CODE)


def test_the_hash_is_of_the_chapters_modules_its_losses_and_the_training_loop():
    found = sources("lossbook.lab.hands.experiment")
    wanted = {"lossbook.lab.hands." + name for name in ("experiment", "model", "kinematics")}
    wanted |= {"lossbook.lab.run.training", "lossbook.lab.run.splits", "lossbook.hands.losses"}
    assert wanted <= set(found)
    assert not any("landmarks" in name or "failures" in name for name in found)
    assert source_hash("lossbook.lab.hands.experiment") != source_hash(
        "lossbook.lab.landmarks.experiment"
    )


def test_files_are_told_apart_by_what_is_in_them(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_bytes(b"ab")
    two.write_bytes(b"c")
    before = files_hash([one, two])
    assert before != files_hash([two, one])
    one.write_bytes(b"a")
    two.write_bytes(b"bc")
    assert files_hash([one, two]) != before
