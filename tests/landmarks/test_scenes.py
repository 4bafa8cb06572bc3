"""Where Wing's curve dips, which the chapter's object to move draws as circles."""

import numpy as np
import pytest
import sympy as sp

from lossbook.lab.landmarks.labels import LOSSES, _if_dip, x
from lossbook.lab.page.formulas import evaluate

GIVEN = sp.symbols("l1:8", real=True)
wing = evaluate(LOSSES["Wing"], [x])


@pytest.mark.parametrize(
    ("labels", "dips"),
    [
        ((0, 0, 0, 5, 6, 8, 10), {0, 5, 6}),
        ((-1.5, -1, -0.5, 0, 0.5, 1, 8), {-0.5, 0}),
        ((2, 2, 2, 2, 2, 2, 2), {2}),
        ((-3, -3, -3, 4, 11, 11, 11), {-3, 4, 11}),
    ],
)
def test_a_label_is_circled_where_answers_on_both_sides_cost_more(labels, dips):
    places = [float(evaluate(_if_dip(at, GIVEN), list(GIVEN))(*labels)) for at in GIVEN]
    circled = {place for place in places if place < 100}
    assert circled == dips

    def cost(answer):
        return sum(float(wing(answer - label)) for label in labels)

    for label in labels:
        lowest = cost(label) < min(cost(label - 1e-3), cost(label + 1e-3))
        assert lowest == (label in dips)
    answers = np.linspace(-4, 12, 1601)
    assert min(map(cost, circled)) <= min(map(cost, answers)) + 1e-9
