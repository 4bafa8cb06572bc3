"""What torch says to the objects of the inversion chapter; see `objects`."""

import json
import math
import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from scipy import integrate

from lossbook.inversion import (
    SigmoidTaskWeights,
    UncertaintyWeights,
    center_loss,
    combined_schedule,
    cosine_margin_loss,
    feature_l2_loss,
    info_nce_loss,
    linear_schedule,
    sigmoid_schedule,
    staged_schedule,
)
from lossbook.lab.inversion import guided, scenes
from lossbook.lab.inversion.model import SIGMAS
from lossbook.lab.inversion.noise import CLIMB


def vector(degrees, length=1.0):
    turn = math.radians(degrees)
    return torch.tensor([[math.cos(turn), math.sin(turn)]], dtype=torch.float64) * length


def of_feature(at, names=tuple(scenes.LOOKS)):
    """Each loss of the feature, and minus its gradient."""
    template, center = vector(0), torch.tensor([scenes.CENTER], dtype=torch.float64)
    negatives = torch.cat([vector(at[name]) for name in ("n1", "n2") if name in at] or [template])
    losses = {
        "raw L2": lambda f: feature_l2_loss(f, template),
        "normalised L2": lambda f: feature_l2_loss(f, template, normalized=True),
        "A": lambda f: cosine_margin_loss(f, template, negatives, margin=scenes.MARGIN),
        "C": lambda f: info_nce_loss(f, template, negatives, temperature=float(at["tau"])),
        "center": lambda f: center_loss(f, center),
    }
    values, pulls = {}, {}
    for name in names:
        feature = vector(at["angle"], at.get("r", 1.0)).requires_grad_()
        values[name] = losses[name](feature)
        pulls[name] = -torch.autograd.grad(values[name], feature)[0][0]
    return {name: value.detach() for name, value in values.items()}, pulls


def circle(idea):
    """Shares of C's push, lengths of the pulls, what stands in the sentences."""

    def shown(at):
        values, pulls = of_feature(at, tuple(scenes.IDEAS[idea].losses))
        rivals = [vector(at[name]) for name in ("n1", "n2") if name in at]
        cosines = [(vector(at["angle"]) @ rival.T)[0, 0] for rival in rivals]
        found = [pull.norm() for pull in pulls.values()]
        if "tau" in at:
            found = [*torch.softmax(torch.stack(cosines) / at["tau"], 0), *found]
        if idea == "margin":
            own = vector(at["angle"])[0, 0]
            return [*found, own, *cosines, own - cosines[0], values["A"]]
        if idea == "temperature":
            return [*found, abs(at["angle"]), *values.values()]
        outward = vector(at["angle"])[0]
        along = [pulls[name] @ outward for name in ("raw L2", "center") if name in pulls]
        return [*found, abs(at["angle"]), at["r"], *values.values(), *along]

    return shown


def flowed(weights, losses, times):
    """Weights in a descent in steps so small that it is a flow, by the slopes that torch finds."""
    (parameter,) = weights.parameters()
    weights.double()
    terms = {name: torch.tensor(loss, dtype=torch.float64) for name, loss in losses.items()}

    def pace(_, state):
        parameter.data = torch.from_numpy(state).clone()
        (slope,) = torch.autograd.grad(weights(terms).total, parameter)
        return -scenes.RATE * slope.numpy()

    start = parameter.detach().numpy().copy()
    options = {"method": "DOP853", "rtol": 1e-12, "atol": 1e-13}
    # One time after the other, as what is read between two steps is less exact.
    found, before = [], 0
    for time in times:
        start = integrate.solve_ivp(pace, (before, time), start, **options).y[:, -1]
        parameter.data, before = torch.from_numpy(start.copy()), time
        found.append([weights(terms).weights[name].item() for name in losses])
    return found


def task_weights(at):
    losses = {"pixel": at["L_pixel"], "feat": at["L_feat"]}
    kinds = (SigmoidTaskWeights(), UncertaintyWeights())
    found = [flowed(weights, losses, [at["step"]])[0] for weights in kinds]
    if at["adam"]:
        steps, kept = map(np.log, scenes.under_adam())
        found[0] = [math.exp(np.interp(math.log(at["step"]), steps, kept))] * 2
    counted = [w * loss for pair in found for w, loss in zip(pair, losses.values(), strict=True)]
    return [at["step"], *found[0], *found[1], *(0.5 / loss for loss in losses.values()), *counted]


def schedule(at, t):
    """λ at a share of the training."""
    names = ("linear", "sigmoid", "smooth") if "k" in at else ("staged", "combined")
    name = names[round(at["schedule"])]
    if name == "sigmoid":
        return sigmoid_schedule(t, 1, k=at["k"], midpoint=at["t_mid"])
    if name in ("combined", "smooth"):
        return combined_schedule(t, 1, smooth=name == "smooth", widths=(at["k_width"],) * 2)
    return {"linear": linear_schedule, "staged": staged_schedule}[name](t, 1)


def schedules(at):
    now = schedule(at, at["time"])
    parts = torch.tensor([1, now * at["L_feat"]], dtype=torch.float64)
    # Just left of a jump, no jump and no slope is more than 4e-13 away from the limit.
    sides = [schedule(at, end - left) for end in (0.33, 0.67) for left in (1e-14, 0)]
    return [*(parts / parts.sum()), at["time"], now, *sides]


def climbed(at):
    """What was recorded after a step; a test runs the steps again."""
    recorded = json.loads(CLIMB.read_text(encoding="utf-8"))
    number = round(at["step"])
    return [recorded[name][number] for name in ("steps", "cosine", "distance")]


@lru_cache
def judged_in_the_making():
    """What two systems say of each predicted face, without and with guidance.

    The faces are those of a training that the notebook runs, so the numbers are read there.
    """
    notebook = Path(__file__).resolve().parents[1] / "book" / "inversion.ipynb"
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    shown = [
        "".join(o.get("data", {}).get("text/html", "")) for c in cells for o in c.get("outputs", [])
    ]
    (page,) = (html for html in shown if 'name:"generation"' in html)
    kept = re.findall(r"d\d=\[,([^\]]+)\]", page.split('name:"generation"')[0])
    columns = [list(map(float, numbers.split(","))) for numbers in kept]
    cosines, distances = (c for c in columns if len(c) == 2 * (len(SIGMAS) - 1))
    pairs = list(zip(cosines, distances, strict=True))
    return pairs[: len(SIGMAS) - 1], pairs[len(SIGMAS) - 1 :]


def generation(at):
    step = round(at["step"])
    judged = judged_in_the_making()[round(at["guided"])]
    return [step, SIGMAS[step], *(judged[step - 1] if step else (math.nan, math.nan))]


def guided_counts(at):
    """With how many of nine photographs each system accepts the three strangers."""
    record = guided.load_record()
    units = next(r.units for r in record.results if r.arm == "pixel" and r.shown)
    strength = record.config.strengths[round(at["strength"])]
    systems = ("attacked", "judge")
    columns = [units[f"unseen {system}_II_0.001, {strength:g}"] for system in systems]
    return [round(9 * column[person]) for person in (0, 10, 24) for column in columns]


SHOWN: dict[str, Callable[[dict[str, float]], Sequence[float]]] = {
    **{idea.name: circle(which) for which, idea in scenes.IDEAS.items()},
    "noise-climbs": climbed,
    "generation": generation,
    "guidance": guided_counts,
    "task-weights": task_weights,
    "schedules": schedules,
    "more-schedules": schedules,
}
