"""L2 and attributes that are shuffled once, each with the learning rate of the other."""

from lossbook.lab.landmarks import controls, experiment, factors, rates
from lossbook.lab.landmarks.model import ARMS

SHUFFLED = "attributes, shuffled once"


def test_each_has_the_rate_of_the_other():
    found = rates.load_record().config
    usual, controlled = experiment.load_record().config, controls.load_record().config
    assert found.rate("L2, 0.001") == controlled.rate(SHUFFLED) == 1e-3
    assert found.rate(f"{SHUFFLED}, 0.002") == usual.rate("L2") == 2e-3


def test_nothing_else_differs():
    record = rates.load_record()
    of_rates = {"arms", "learning_rate", "own_rates"}
    for usual in (experiment.load_record(), controls.load_record()):
        assert usual.config.model_dump(exclude=of_rates) == record.config.model_dump(
            exclude=of_rates
        )
    assert rates.ARMS["L2, 0.001"] is ARMS["L2"]
    assert rates.ARMS[f"{SHUFFLED}, 0.002"] is controls.ARMS[SHUFFLED]
    assert {f"{SHUFFLED}, 0.002": controls.TAUGHT[SHUFFLED]} == rates.TAUGHT
    for arm in rates.ARMS:
        assert len(record.values(arm)) == 5
        assert len(record.units(arm)) == 400


def test_no_two_losses_have_the_same_trials():
    """A trial leaves labels as they are: of an arm that changes them it would be another's."""
    trials = {}
    for module in (factors, controls):
        for trial in module.load_record().sweeps:
            trials.setdefault((module.__name__, trial.arm), []).append(trial.scores["nme"])
    assert not set(controls.TAUGHT) & {arm for _, arm in trials}
    assert len(set(map(tuple, trials.values()))) == len(trials) > 8
