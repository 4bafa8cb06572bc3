import pytest

from lossbook.lab.run.logs import smooth


def test_a_mean_is_taken_over_the_steps_before():
    assert smooth([2.0, 4.0, 6.0, 8.0], 2) == [2, 3, 5, 7]
    assert smooth([1.0, 2.0, 3.0]) == pytest.approx([1, 1.5, 2])
    assert smooth([]) == []
