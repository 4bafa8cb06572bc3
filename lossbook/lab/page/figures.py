"""Figures, tables and equations of the book, in one look.

Only chapters import this module; the losses need none of it.
"""

from lossbook.lab.page.canvas import use_style
from lossbook.lab.page.charts import Chart
from lossbook.lab.page.diagrams import Box, diagram
from lossbook.lab.page.dotplots import Metric, Recorded, dot_plot
from lossbook.lab.page.formulas import Equation, derivative, equation, evaluate, latex
from lossbook.lab.page.palette import COLOURS, colour, style, styles
from lossbook.lab.page.results import (
    Comparison,
    compare,
    mean_interval,
    paired_interval,
)
from lossbook.lab.page.shown import Folded, folded
from lossbook.lab.page.sliders import slider
from lossbook.lab.page.tables import Table, table

__all__ = [
    "COLOURS",
    "Box",
    "Chart",
    "Comparison",
    "Equation",
    "Folded",
    "Metric",
    "Recorded",
    "Table",
    "colour",
    "compare",
    "derivative",
    "diagram",
    "dot_plot",
    "equation",
    "evaluate",
    "folded",
    "latex",
    "mean_interval",
    "paired_interval",
    "slider",
    "style",
    "styles",
    "table",
    "use_style",
]
