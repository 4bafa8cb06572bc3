import math

import pytest

from lossbook.lab.landmarks.failures import CASES, HEALTHY, failure_logs, spoken


@pytest.mark.long
def test_the_failures_show_in_the_log(faces):
    logs = failure_logs(faces, steps=20)
    assert tuple(logs) == tuple(CASES)
    assert logs["no attributes"]["weighted"] == [0.0] * 20
    assert logs["no attributes"]["weighted / l2"] == [0.0] * 20
    # The mean of 1 - cos over many turns is 1 for each angle; in radians it starts near 0.05.
    healthy, degrees = logs[HEALTHY], logs["degrees"]
    assert healthy["l2"][0] == degrees["l2"][0]
    assert max(healthy["weighted / l2"]) < 0.5
    assert min(degrees["weighted / l2"]) > 5
    # Each value is the mean of ten steps.
    assert math.isclose(
        healthy["weighted / l2"][9], healthy["weighted"][9] / healthy["l2"][9], rel_tol=1e-9
    )
    assert logs["not renamed"]["l2"][0] > 2 * healthy["l2"][0]
    assert 0.5 < logs["next face"]["l2"][-1] / healthy["l2"][0] < 1.5


@pytest.mark.parametrize(
    ("case", "said"),
    [
        (HEALTHY, ""),
        ("degrees", "degrees"),
        ("no attributes", "attribute"),
        ("next face", ""),
        ("not renamed", ""),
    ],
)
def test_what_the_library_says_of_each(faces, case, said):
    found = spoken(faces, case)
    assert said in found and bool(found) == bool(said)
