import numpy as np
import pytest
import sympy
import torch

from lossbook.lab.page.tables import table

x = sympy.Symbol("x")


def test_table_text_is_aligned_with_numbers_flush_right():
    shown = table(["loss", "value"], [["L1", 1.5], ["SmoothL1", 12.25]], digits=3)
    assert repr(shown) == "loss      value\n--------  -----\nL1         1.50\nSmoothL1   12.2"


def test_bars_inside_cells_do_not_end_them():
    markdown = table(["$|x|$", "a|b"], [[r"$\|x\|$ or `p|q`", sympy.Abs(x)]])._repr_markdown_()
    header, rule, row = markdown.splitlines()
    assert header == r"| $\vert x\vert $ | a\|b |"
    assert rule == "| --- | --- |"
    assert row == r"| $\Vert x\Vert $ or `p\|q` | $\left\vert {x}\right\vert $ |"
    assert table([r"a\|b"], [])._repr_markdown_().startswith(r"| a\|b |")


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (3, "3"),
        (123456, "123456"),
        (1234.56, "1235"),
        (0.000123456, "0.0001235"),
        (1.23456e-9, "1.235e-09"),
        (1.23456e12, "1.235e+12"),
        (0.99999, "1.000"),
        (-2.5, "-2.500"),
        (-0.0, "0"),
        (float("nan"), "nan"),
        (float("-inf"), "-inf"),
        (np.float32(0.5), "0.5000"),
        (np.int64(7), "7"),
        (torch.tensor(0.25), "0.2500"),
        (sympy.Float(0.25), "0.2500"),
        (sympy.Integer(4), "4"),
        (sympy.Rational(1, 3), r"$\frac{1}{3}$"),
        (True, "yes"),
        (np.bool_(False), "no"),
        (sympy.true, "yes"),
        (None, ""),
        ("two\nlines", "two lines"),
    ],
)
def test_cells_are_formatted_by_what_they_are(cell, text):
    assert table(["c"], [[cell]]).rows == ((text,),)


def test_table_refuses_ragged_rows():
    with pytest.raises(ValueError, match="expected 2 cells in each row, got 1"):
        table(["a", "b"], [["only"]])
    with pytest.raises(ValueError, match="digits"):
        table(["a"], [], digits=0)
