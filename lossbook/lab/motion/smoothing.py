"""Smoothing afterwards, from hardly to strongly: a control for the chapter's experiment.

P is trained as in `lossbook.lab.motion.experiment`, once for each fold, and what it makes is
averaged over three frames with different weights. So an amount of smoothing can be found whose
motion is as calm as that of P+V+A, and the errors compared there::

    python -m lossbook.lab.motion.smoothing --record
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import lru_cache, partial

import torch

from lossbook.lab.motion import experiment
from lossbook.lab.motion.experiment import Config, Motions, Result
from lossbook.lab.motion.model import smoothed
from lossbook.lab.run.command import main

__all__ = ["EXPERIMENT", "MIDDLES", "load_record", "run"]

MIDDLES: Mapping[str, int] = {f"1 : {middle} : 1": middle for middle in (22, 10, 6, 4, 2, 1)}
"""Weight of the frame itself, by arm; its neighbours have 1."""


# The arms of a fold share one network.
_trained = lru_cache(maxsize=1)(experiment.trained)


def run(
    arm: str,
    fold: int,
    config: Config,
    motions: Motions,
    *,
    device: torch.device | str = "cpu",
    progress: bool = True,
) -> Result:
    """Smooth what P made of one fold, and score it.

    Args:
        arm: name in `MIDDLES`.
        fold: which languages are held out; also the seed.
        config: see `Config`.
        motions: as `load_motions` gives them.
        device: where to train.
        progress: not used.
    """
    net, history, part = _trained("P", fold, config, motions, device=device, progress=False)
    afterwards = partial(smoothed, middle=MIDDLES[arm])
    found = experiment.scores(net, part, motions, config.calls, afterwards)
    return experiment.result(arm, fold, history, found)


EXPERIMENT = dataclasses.replace(
    experiment.EXPERIMENT,
    module="lossbook.lab.motion.smoothing",
    path=experiment.RECORD.with_name("smoothing.json"),
    config=experiment.RECORDED.replace(arms=tuple(MIDDLES), own_rates=()),
    run=run,
)

load_record = EXPERIMENT.load_record

if __name__ == "__main__":
    main(EXPERIMENT.module)
