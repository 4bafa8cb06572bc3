"""L2 on wrong labels at a lower learning rate: recorded beside the usual one."""

import statistics

from lossbook.lab.landmarks import gentler, robust


def test_only_the_rate_differs_from_the_usual_record():
    record = gentler.load_record()
    assert not gentler.EXPERIMENT.stale(record)
    assert record.config.arms == tuple(gentler.ARMS) and len(record.results) == 10
    assert record.config == robust.RECORDED.replace(
        arms=record.config.arms, learning_rate=gentler.RATE
    )
    assert robust.RECORDED.learning_rate > gentler.RATE


def test_the_lower_rate_takes_a_part_of_the_harm():
    record, usual = gentler.load_record(), robust.load_record()
    for arm, taught in gentler.ARMS.items():
        slow, fast = (
            statistics.fmean(found.values(name))
            for found, name in ((record, arm), (usual, f"L2, {taught}"))
        )
        bounded = statistics.fmean(usual.values(f"SmoothL1, {taught}"))
        assert bounded < slow < fast
