"""Where the page says that a fingertip goes which is let go."""

import pytest
import sympy as sp
import torch

from lossbook.lab.hands.labels import CROP_A_MM, LET_GO_MM, TIP_LABELS, pulls


@pytest.mark.parametrize("metres", [0, 1])
def test_a_fingertip_that_is_let_go_ends_where_descent_ends(metres):
    unit = 0.001 if metres else 1.0
    tip = torch.tensor(3.0, requires_grad=True)
    stepper = torch.optim.Adam([tip], lr=0.01)
    for _ in range(1500):
        loss = unit * (tip - TIP_LABELS["3d"]).abs() + CROP_A_MM * (tip - TIP_LABELS["2d"]).abs()
        stepper.zero_grad()
        loss.backward()
        stepper.step()
    (button,) = pulls().buttons
    ((symbol, step),) = button.sets.items()
    assert symbol.name == "x"
    (unit_symbol,) = step.free_symbols - {symbol}
    assert unit_symbol.name == "metres"
    follow = sp.lambdify(symbol, step.subs(unit_symbol, metres))
    shown = 11.0  # the farthest from either label
    for _ in range(button.times):
        shown = float(follow(shown))
    assert abs(shown - tip.item()) < LET_GO_MM + 0.05
    between = sorted(TIP_LABELS.values())
    assert between[0] < shown < between[1]
