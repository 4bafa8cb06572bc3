"""Objects to move, declared in a few lines: everything that a chapter needs for one.

A formula is written once, in sympy. The page draws it, moves it and computes what torch computes.
"""

from lossbook.lab.page.controls import Button, Choice, Range, Switch
from lossbook.lab.page.formulas import derivative
from lossbook.lab.page.marks import (
    Arrow,
    Bar,
    Clip,
    Curve,
    Dots,
    Handle,
    Line,
    Picture,
    Text,
    Trail,
    pointer_x,
    pointer_y,
)
from lossbook.lab.page.numbered import Path, Stems
from lossbook.lab.page.panels import Axis, Panel, bars
from lossbook.lab.page.program import Minimum, Recurrence
from lossbook.lab.page.scene import Scene
from lossbook.lab.page.shorthand import cursor, dotted, presets, series, shares, view
from lossbook.lab.page.sliders import slider

__all__ = [
    "Arrow",
    "Axis",
    "Bar",
    "Button",
    "Choice",
    "Clip",
    "Curve",
    "Dots",
    "Handle",
    "Line",
    "Minimum",
    "Panel",
    "Path",
    "Picture",
    "Range",
    "Recurrence",
    "Scene",
    "Stems",
    "Switch",
    "Text",
    "Trail",
    "bars",
    "cursor",
    "derivative",
    "dotted",
    "pointer_x",
    "pointer_y",
    "presets",
    "series",
    "shares",
    "slider",
    "view",
]
