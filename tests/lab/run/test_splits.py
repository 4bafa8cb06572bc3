import torch

from lossbook.lab.run.splits import hold_out, shuffled_groups

GROUPS = torch.tensor([7, 3, 3, 9, 7, 5])


def test_each_group_comes_once_in_an_order_that_the_seed_decides():
    orders = {tuple(shuffled_groups(GROUPS, seed).tolist()) for seed in range(20)}
    assert {frozenset(order) for order in orders} == {frozenset({3, 5, 7, 9})}
    assert all(len(order) == 4 for order in orders)
    assert len(orders) > 1
    torch.testing.assert_close(shuffled_groups(GROUPS, 3), shuffled_groups(GROUPS, 3))


def test_a_group_is_kept_whole_or_held_out_whole():
    kept, left = hold_out(GROUPS, torch.tensor([3, 5]))
    assert kept.tolist() == [0, 3, 4]
    assert left.tolist() == [1, 2, 5]
