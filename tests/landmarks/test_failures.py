from lossbook.lab.landmarks import experiment, failures
from lossbook.lab.landmarks.data import load_faces
from lossbook.lab.landmarks.failures import FAILURES, failure_logs


def test_the_failures_train_at_the_rate_of_the_arm():
    assert experiment.RECORDED.rate("PFLD") == failures._RATE


def test_the_failures_show_in_the_log():
    logs = failure_logs(load_faces(), steps=20)
    assert tuple(logs) == FAILURES
    for case in ("no attributes", "perfect pose"):
        assert logs[case].log["weighted"] == [0.0] * 20
        assert logs[case].log["total"] == [0.0] * 20
    assert logs["no attributes"].log["l2"] == logs["perfect pose"].log["l2"]
    # The mean of 1 - cos over many turns is 1 for each angle; in radians it starts near 0.05.
    documented, degrees = (logs[case].log for case in ("as documented", "degrees"))
    assert documented["l2"][0] == degrees["l2"][0]
    assert sum(documented["weighted"]) / sum(documented["l2"]) < 0.5
    assert sum(degrees["weighted"]) / sum(degrees["l2"]) > 5
