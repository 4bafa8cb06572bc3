"""How long a training step takes with each loss, by turns, so that a busy machine disturbs all.

What is counted is the processor's time of this process on one thread, not the time on the clock.
Record it with ``python -m lossbook.lab.inversion.cost``.
"""

from __future__ import annotations

import json
import time
from pathlib import Path

import torch

from lossbook.inversion import LambdaSchedule
from lossbook.lab.inversion.arms import ARMS
from lossbook.lab.inversion.experiment import RECORDED, recognisers
from lossbook.lab.inversion.faces import load_faces, split
from lossbook.lab.inversion.training import Attack, batches, scratch
from lossbook.lab.run.devices import threads

__all__ = ["COST", "ROUNDS", "TIMED", "load_cost", "seconds"]

COST = Path(__file__).parent / "data" / "cost.json"
"""The record: by arm, the seconds of one step in each round."""
TIMED = (
    *("baseline", "A", "B", "C", "D", "E"),
    *("A and B", "compromise", "light", "high precision"),
)
ROUNDS = 9


def seconds(
    arms: tuple[str, ...] = TIMED, rounds: int = ROUNDS, size: int = RECORDED.batch_size
) -> dict[str, list[float]]:
    """Time one step in the middle of a training; a first one of each arm is not counted.

    Args:
        arms: names in `ARMS`.
        rounds: how often all arms have their turn.
        size: of a batch.
    """
    faces, network = load_faces(), recognisers()[0]
    part = split(faces, 0)
    batch = next(batches(faces, part.training, 0, size=size, negatives=RECORDED.negatives))
    attacks = {}
    for arm in arms:
        made, steps = ARMS[arm].loss, RECORDED.steps
        assert made is not None
        loss = made(steps)
        if isinstance(loss.lambda_schedule, LambdaSchedule):
            # At the very start some λ are 0, and the gradient does not go through the recogniser.
            loss.lambda_schedule.step(steps // 2)
        attacks[arm] = Attack(scratch(faces, part, ARMS[arm].plain, 0), loss, network)
    steppers = {arm: torch.optim.Adam(one.denoiser.parameters()) for arm, one in attacks.items()}
    found: dict[str, list[float]] = {arm: [] for arm in arms}
    with threads(1):
        for number in range(rounds + 1):
            for arm, attack in attacks.items():
                start = time.process_time()
                steppers[arm].zero_grad()
                attack(batch).total.backward()
                steppers[arm].step()
                if number:
                    found[arm].append(time.process_time() - start)
    return found


def load_cost() -> dict[str, list[float]]:
    """Seconds by arm, as `seconds` gave them."""
    found: dict[str, list[float]] = json.loads(COST.read_text(encoding="utf-8"))
    return found


if __name__ == "__main__":
    timed = {arm: [round(s, 4) for s in each] for arm, each in seconds().items()}
    COST.write_text(json.dumps(timed) + "\n", encoding="utf-8")
