"""The chapter's experiment: the same two-stage network trained with twelve losses.

Every arm trains the same network, from the same initial weights, on the same stream of batches,
with Adam; only the loss differs. The network and the arms are those of `lossbook.lab.hands.model`.

Record the evidence the chapter shows with::

    python -m lossbook.lab.hands.demo --record
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lossbook.hands.metrics import mpjpe, pa_mpjpe
from lossbook.lab.hands.data import Hands, load_hands, split_by_clip, synthetic
from lossbook.lab.hands.kinematics import Hand
from lossbook.lab.hands.model import (
    ARMS,
    MILLIMETRES,
    Batch,
    Lifted,
    Lifter,
    Settings,
    errors_2d,
    evaluate,
    make_scene,
    train,
)
from lossbook.lab.run.devices import threads
from lossbook.lab.run.records import command_line, rounded, stamp, write_json
from lossbook.lab.run.splits import hold_out, shuffled_groups
from lossbook.lab.run.training import seed_everything
from lossbook.terms import LossTerms

__all__ = [
    "LIVE",
    "RECORDED",
    "Baseline",
    "Config",
    "GradientShares",
    "Record",
    "Result",
    "baseline",
    "gradient_shares",
    "load_record",
    "record",
    "run",
    "save_record",
    "sweep",
]

RECORD = Path(__file__).with_name("data") / "record.json"


@dataclass(frozen=True)
class Config(Settings):
    """Everything that decides the outcome of the experiment, beside the code and the device.

    Attributes:
        arms: names in `ARMS`.
        folds: parts of `split_by_clip` that are held out in turn. A fold's number is also the seed
            of its initial weights, of its stream of batches and of its synthetic test hands.
        own_rates: arms and the rate they have instead. None: in :func:`sweep` on fold 0, the
            MPJPE of each of the first ten arms at the common rate was its best or within 3 % of
            it. The last two were not swept.
        shares: arms whose gradients are measured in the first fold, see `gradient_shares`.
    """

    arms: tuple[str, ...] = tuple(ARMS)
    folds: tuple[int, ...] = (0, 1, 2, 3, 4)
    own_rates: tuple[tuple[str, float], ...] = ()
    shares: tuple[str, ...] = ("balanced", "code, mm", "config, mm")

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Config:
        """Rebuild a configuration from what `dataclasses.asdict` and JSON made of it."""
        own_rates = tuple((arm, rate) for arm, rate in values["own_rates"])
        known = {name: tuple(values[name]) for name in ("arms", "folds", "shares")}
        return cls(**dict(values) | known | {"own_rates": own_rates})

    def rate(self, arm: str) -> float:
        """The learning rate of an arm."""
        return dict(self.own_rates).get(arm, self.learning_rate)


RECORDED = Config()
"""The evidence: every arm on every fold, 60 runs."""

LIVE = replace(RECORDED, arms=("balanced", "code, mm"), folds=(0,), steps=800, shares=())
"""What the chapter's cells run: about 20 seconds on one CPU core.

Call ``torch.set_num_threads(1)`` first: the network is small, and on a busy machine two threads
that wait for each other were seen to take forty times as long as one.
"""


@dataclass(frozen=True)
class Result:
    """How one trained network did on hands it had never seen.

    3D errors are millimetres, on synthetic hands. 2D errors are distances in sides of the crop
    (0.01 is 1 % of it), on real hands, against their clean keypoints.

    Attributes:
        arm: name in :data:`ARMS`.
        fold: which clips were held out; also the seed.
        mpjpe: mean distance of joints, both wrists put together.
        pa_mpjpe: the same after the best similarity transform.
        coarse_mpjpe: of the first stage.
        coarse_pa_mpjpe: of the first stage.
        error_2d: over all points.
        error_2d_occluded: over the points that were occluded in what the network saw.
        coarse_error_2d: of the first stage.
        coarse_error_2d_occluded: of the first stage.
        shape_rms: root mean square of the shape coefficients given to real hands; 1 among people.
        seconds: of training.
    """

    arm: str
    fold: int
    mpjpe: float
    pa_mpjpe: float
    coarse_mpjpe: float
    coarse_pa_mpjpe: float
    error_2d: float
    error_2d_occluded: float
    coarse_error_2d: float
    coarse_error_2d_occluded: float
    shape_rms: float
    seconds: float


def run(
    arm: str,
    fold: int,
    config: Config,
    hands: Hands,
    *,
    device: torch.device | str = "cpu",
    progress: bool = True,
) -> Result:
    """Train one arm on all folds but one and score it on that one.

    Args:
        arm: name in :data:`ARMS`.
        fold: which clips are held out; also the seed.
        config: see `Config`.
        hands: as `load_hands` gives them.
        device: where to train.
        progress: whether to show a progress bar.
    """
    training, test = split_by_clip(hands, fold)
    model, history = train(
        ARMS[arm],
        hands,
        training,
        seed=fold,
        settings=config,
        learning_rate=config.rate(arm),
        device=device,
        progress=progress,
        description=f"{arm}, fold {fold}",
    )
    scene = make_scene(hands, test, 1000 + fold, config)
    return Result(arm, fold, seconds=history.seconds, **evaluate(model, scene))


def _validation(hands: Hands, fold: int) -> tuple[Tensor, Tensor]:
    """Split the training part of a fold by clip: four fifths to train on, one to score on."""
    training, _ = split_by_clip(hands, fold)
    clips = shuffled_groups(hands.clip[training], fold)
    kept, held_out = hold_out(hands.clip[training], clips[: len(clips) // 5])
    return training[kept], training[held_out]


def sweep(
    hands: Hands,
    config: Config,
    rates: Sequence[float],
    *,
    fold: int = 0,
    device: torch.device | str = "cpu",
) -> dict[tuple[str, float], dict[str, float]]:
    """Try learning rates on clips held out from the training part of a fold.

    Args:
        hands: as `load_hands` gives them.
        config: its arms, steps and numbers of hands are used.
        rates: learning rates to try.
        fold: trained on four fifths of its training clips, scored on the others and on synthetic
            hands that no test uses.
        device: where to train.

    Returns:
        What `evaluate` gives, for each arm and rate.
    """
    training, validation = _validation(hands, fold)
    scene = make_scene(hands, validation, 2000 + fold, config)
    found = {}
    for arm, rate in itertools.product(config.arms, rates):
        model, _ = train(
            ARMS[arm],
            hands,
            training,
            seed=fold,
            settings=config,
            learning_rate=rate,
            device=device,
            progress=False,
        )
        found[arm, rate] = evaluate(model, scene)
        print(f"fold {fold}  {arm:18s} rate {rate:g}  {_summary(found[arm, rate])}", flush=True)
    return found


def _summary(scores: Mapping[str, Any]) -> str:
    return (
        f"MPJPE {scores['mpjpe']:.1f} mm (coarse {scores['coarse_mpjpe']:.1f})  "
        f"PA {scores['pa_mpjpe']:.1f}  2D {scores['error_2d']:.2%} "
        f"(coarse {scores['coarse_error_2d']:.2%})  occluded {scores['error_2d_occluded']:.2%}  "
        f"shape {scores['shape_rms']:.2f}"
    )


@dataclass(frozen=True)
class Baseline:
    """What it takes to beat, on the test hands of one fold; units as in `Result`.

    Attributes:
        fold: which clips were held out.
        mpjpe: of always answering the mean of the synthetic training hands' joints.
        pa_mpjpe: of the same.
        error_2d: of the detection itself, all points.
        error_2d_occluded: of the detection itself, occluded points.
    """

    fold: int
    mpjpe: float
    pa_mpjpe: float
    error_2d: float
    error_2d_occluded: float


def baseline(fold: int, hands: Hands, config: Settings = RECORDED) -> Baseline:
    """Score the mean hand in 3D and the bare detection in 2D.

    Args:
        fold: see `run`.
        hands: as `load_hands` gives them.
        config: for the number of synthetic test hands.
    """
    scene = make_scene(hands, split_by_clip(hands, fold)[1], 1000 + fold, config)
    known = synthetic(4000, torch.Generator().manual_seed(fold), Hand()).joints
    guess = known.mean(0).expand_as(scene.made.joints)
    all_points, occluded = errors_2d(scene.real_detected[..., :2], scene.real, scene.real_detected)
    return Baseline(
        fold=fold,
        mpjpe=MILLIMETRES * mpjpe(guess, scene.made.joints).mean().item(),
        pa_mpjpe=MILLIMETRES * pa_mpjpe(guess, scene.made.joints).mean().item(),
        error_2d=all_points,
        error_2d_occluded=occluded,
    )


# Gradients


@dataclass(frozen=True)
class GradientShares:
    """How hard each term pulls at the network during training.

    Attributes:
        arm: name in :data:`ARMS`.
        steps: at which it was measured.
        norms: for each term that is not a monitor, one number a measured step: the norm of the
            gradient of weight times term with respect to all parameters.
    """

    arm: str
    steps: tuple[int, ...]
    norms: Mapping[str, tuple[float, ...]]

    def shares(self) -> dict[str, list[float]]:
        """Each term's norm over the sum of all terms' norms, one number a measured step."""
        totals = [sum(values) for values in zip(*self.norms.values(), strict=True)]
        return {
            name: [
                value / total if total else 0.0 for value, total in zip(values, totals, strict=True)
            ]
            for name, values in self.norms.items()
        }


def gradient_shares(
    arm: str,
    hands: Hands,
    config: Config = RECORDED,
    *,
    fold: int = 0,
    every: int = 50,
    device: torch.device | str = "cpu",
) -> GradientShares:
    """Train one arm and measure, now and then, the gradient of each of its terms.

    Args:
        arm: name in :data:`ARMS`.
        hands: as `load_hands` gives them.
        config: see `Config`.
        fold: whose training clips are used; also the seed.
        every: steps between two measurements; the first step is measured.
        device: where to train.
    """
    seed_everything(fold)
    model = Lifter()
    parameters = list(model.parameters())
    steps: list[int] = []
    norms: dict[str, list[float]] = {}
    counter = itertools.count()

    def loss(lifted: Lifted, batch: Batch) -> LossTerms:
        found = ARMS[arm](lifted, batch)
        step = next(counter)
        if step % every == 0:
            steps.append(step)
            for name, part in found.contributions().items():
                if found.weights[name] != 0:
                    norms.setdefault(name, []).append(_gradient_norm(part, parameters))
        return found

    train(
        loss,
        hands,
        split_by_clip(hands, fold)[0],
        seed=fold,
        settings=config,
        learning_rate=config.rate(arm),
        model=model,
        device=device,
        progress=False,
    )
    return GradientShares(arm, tuple(steps), {name: tuple(v) for name, v in norms.items()})


def _gradient_norm(part: Tensor, parameters: Sequence[Tensor]) -> float:
    gradients = torch.autograd.grad(part, parameters, retain_graph=True, allow_unused=True)
    squares = [g.square().sum() for g in gradients if g is not None]
    return torch.stack(squares).sum().sqrt().item()


# The record


@dataclass(frozen=True)
class Record:
    """The recorded experiment.

    Attributes:
        config: what was run.
        results: one for each fold and arm.
        baseline: one for each fold.
        shares: gradients of the arms ``config.shares`` in the first fold.
        device: on what it ran.
        torch: version of torch.
        date: day of the run, UTC.
        command: what repeats it; with more ``--workers`` it is faster.
    """

    config: Config
    results: tuple[Result, ...]
    baseline: tuple[Baseline, ...]
    shares: tuple[GradientShares, ...]
    device: str
    torch: str
    date: str
    command: str

    def values(self, arm: str, metric: str = "mpjpe") -> list[float]:
        """One number a fold, in the order of ``config.folds``."""
        return [getattr(result, metric) for result in self.results if result.arm == arm]


def _timed_run(job: tuple[int, str], config: Config, hands: Hands, device: str) -> Result:
    fold, arm = job
    result = run(arm, fold, config, hands, device=device, progress=False)
    print(f"fold {fold}  {arm:18s} {_summary(asdict(result))}  {result.seconds:.0f} s", flush=True)
    return result


def record(
    hands: Hands,
    config: Config = RECORDED,
    *,
    device: torch.device | str = "cpu",
    workers: int = 1,
) -> Record:
    """Run the whole experiment, printing each result.

    Args:
        hands: as `load_hands` gives them.
        config: what to run.
        device: where to train.
        workers: processes that share the runs, each with one thread, on the CPU only. They change
            the seconds of a run and nothing else. With 1, no process is started.

    Raises:
        ValueError: if several workers are asked for on another device.
    """
    if workers != 1 and torch.device(device).type != "cpu":
        raise ValueError(f"several workers need the CPU, got {device}")
    jobs = list(itertools.product(config.folds, config.arms))
    work = partial(_timed_run, config=config, hands=hands, device=str(device))
    measure = partial(
        gradient_shares, hands=hands, config=config, fold=config.folds[0], device=device
    )
    if workers == 1:
        results, shares = list(map(work, jobs)), list(map(measure, config.shares))
    else:
        with ProcessPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            results = list(pool.map(work, jobs))
            shares = list(pool.map(measure, config.shares))
    return Record(
        config=config,
        results=tuple(results),
        baseline=tuple(baseline(fold, hands, config) for fold in config.folds),
        shares=tuple(shares),
        **stamp(device, "python -m lossbook.lab.hands.demo --record"),
    )


def save_record(found: Record, path: Path = RECORD) -> None:
    """Write a record as JSON, numbers rounded to five decimals, gradients to five digits."""
    content = rounded(asdict(found))
    content["config"] = asdict(found.config)
    for stored, share in zip(content["shares"], found.shares, strict=True):
        stored["norms"] = {
            name: [float(f"{value:.5g}") for value in values]
            for name, values in share.norms.items()
        }
    write_json(content, path)


def load_record(path: Path = RECORD) -> Record:
    """Load the record that ships with the package, or another one.

    Args:
        path: of the JSON file.

    Raises:
        OSError: if it cannot be read.
        ValueError: if it is not a complete record.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        found = Record(
            **content
            | {
                "config": Config.from_json(content["config"]),
                "results": tuple(Result(**result) for result in content["results"]),
                "baseline": tuple(Baseline(**values) for values in content["baseline"]),
                "shares": tuple(_share_from_json(values) for values in content["shares"]),
            }
        )
        _check_record(found)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: not a record of this experiment ({error})") from error
    return found


def _share_from_json(values: Mapping[str, Any]) -> GradientShares:
    norms = {name: tuple(numbers) for name, numbers in values["norms"].items()}
    return GradientShares(**dict(values) | {"steps": tuple(values["steps"]), "norms": norms})


def _check_record(found: Record) -> None:
    wanted = list(itertools.product(found.config.folds, found.config.arms))
    if [(result.fold, result.arm) for result in found.results] != wanted:
        raise ValueError("expected one result for each fold and arm, in this order")
    if [values.fold for values in found.baseline] != list(found.config.folds):
        raise ValueError("expected one baseline for each fold, in this order")
    if [share.arm for share in found.shares] != list(found.config.shares):
        raise ValueError("expected gradients of the arms in config.shares, in this order")
    rows = [asdict(result) for result in found.results]
    rows += [asdict(values) | {"arm": "baseline"} for values in found.baseline]
    for row in rows:
        name = f"{row.pop('arm')}, fold {row.pop('fold')}"
        _check_numbers(name, list(row.values()))
    for share in found.shares:
        for name, norms in share.norms.items():
            _check_numbers(f"gradients of {share.arm}, {name}", norms)
            if len(norms) != len(share.steps):
                raise ValueError(f"gradients of {share.arm}, {name}: expected one a step")


def _check_numbers(name: str, numbers: Sequence[object]) -> None:
    if not all(isinstance(n, (int, float)) and math.isfinite(n) and n >= 0 for n in numbers):
        raise ValueError(f"{name}: not all results are finite numbers from 0 on")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the recorded experiment and write it down.

    Args:
        arguments: of the command line.
    """
    parser = command_line("lossbook.lab.hands.demo", RECORD)
    parser.add_argument("--workers", type=int, default=1, help="processes, for the CPU")
    options = parser.parse_args(arguments)
    hands = load_hands()
    if options.sweep:
        sweep(hands, replace(RECORDED, steps=1500), (3e-3, 6e-3, 1.2e-2), device=options.device)
        return
    with threads(1):
        save_record(record(hands, device=options.device, workers=options.workers), options.out)


if __name__ == "__main__":
    main()
