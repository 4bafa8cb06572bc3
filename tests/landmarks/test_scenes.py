"""Where Wing's curve dips, and which faces the picture of PFLD's weights can show."""

import numpy as np
import pytest
import sympy as sp

from lossbook.lab.landmarks import scenes
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


def test_faces_are_weighed_by_the_attributes_that_they_have(faces):
    made = scenes.weights(faces, [39, 236, 112, 61, 52, 252])
    words = [mark.template for mark in made.panels[0].marks if hasattr(mark, "template")]
    assert words[1::2] == [
        "large pose", "ordinary", "ordinary", "expression", "ordinary", "expression",
    ]  # fmt: skip


def test_a_face_with_another_attribute_is_not_shown(faces):
    alone = faces.attributes.sum(1) == 1
    blurred = int((alone & (faces.attributes[:, 3] > 0)).nonzero()[0])
    with pytest.raises(ValueError, match=f"face {blurred} has blur"):
        scenes.weights(faces, [blurred, 236])
