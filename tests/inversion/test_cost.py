"""How long a training step takes with each loss."""

import statistics

from lossbook.lab.inversion import cost


def test_every_loss_has_its_turn_in_every_round():
    found = cost.load_cost()
    assert set(found) == set(cost.TIMED)
    assert {len(each) for each in found.values()} == {cost.ROUNDS}


def test_second_derivatives_cost_more_than_one_loss_or_another():
    found = cost.seconds(("baseline", "C", "D"), 2, 2)
    least = {arm: min(each) for arm, each in found.items()}
    assert least["D"] > 1.3 * max(least["baseline"], least["C"])
    recorded = {arm: statistics.median(each) for arm, each in cost.load_cost().items()}
    assert recorded["D"] > 2 * recorded["baseline"]
    assert recorded["C"] < 1.2 * recorded["baseline"]
