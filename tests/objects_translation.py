"""What torch says to the objects of the translation chapter; see `objects`."""

import math
from collections.abc import Callable, Sequence
from functools import lru_cache

import torch
import torch.nn.functional as F

from lossbook.lab.translation import dirac as gan
from lossbook.lab.translation import scenes
from lossbook.lab.translation.letters import ALPHABET, load_letters
from lossbook.translation import (
    d_hinge_loss,
    diversity_weight,
    g_adversarial_loss,
    r1_penalty,
)


def _one(value):
    return torch.tensor([[float(value)]], dtype=torch.float64, requires_grad=True)


def _kept(number):
    return number.detach().clamp(-gan.MOST, gan.MOST).requires_grad_()


@lru_cache(maxsize=256)
def _orbit(theta, psi, *, weight, interval, eta, alternating):
    """Theta and psi before every step and after the last, and the hinge of every step."""
    theta, psi = _one(theta), _one(psi)
    states, hinges = [(theta.item(), psi.item())], []
    for step in range(1, gan.STEPS + 1):
        data = _one(0)
        hinge = d_hinge_loss(data @ psi, theta.detach() @ psi)
        hinges.append(hinge.item())
        if step % interval == 0:
            hinge = hinge + weight * interval * r1_penalty(data @ psi, data)
        new = psi - eta * torch.autograd.grad(hinge, psi)[0]
        seen = (new if alternating else psi).detach()
        (slope,) = torch.autograd.grad(g_adversarial_loss(theta @ seen), theta)
        theta, psi = _kept(theta - eta * slope), _kept(new)
        states.append((theta.item(), psi.item()))
    return states, hinges


def orbit(at):
    """Of the state of the object: all steps that it can show."""
    return _orbit(
        at["theta_0"],
        at["psi_0"],
        weight=at["on"] * at["w_r1"],
        interval=4 ** round(at["interval"]),
        eta=at["eta"],
        alternating=at["alternating"] > 0,
    )


def largest(weights, interval, eta, alternating):
    """The largest eigenvalue of the steps of an interval within the margin, for many weights."""
    weights = torch.as_tensor(weights, dtype=torch.float64).reshape(-1, 1)
    # A step within the margin is linear: where it takes two starts says it all.
    theta, psi = torch.eye(2, dtype=torch.float64).repeat(len(weights), 1, 1).unbind(1)
    for step in range(1, interval + 1):
        penalty = 2 * weights * interval * psi if step == interval else 0
        new = psi - eta * (theta + penalty)
        theta, psi = theta + eta * (new if alternating else psi), new
    steps = torch.stack([theta, psi], 1)
    size, trace = torch.linalg.det(steps), steps.diagonal(dim1=1, dim2=2).sum(1)
    one = trace.square() - 4 * size < 1e-10  # the two are one, or as large as one another
    found = torch.linalg.eigvals(steps).abs().amax(1)
    return torch.where(one, size.clamp(min=0).sqrt(), found)


@lru_cache(maxsize=1024)
def window(interval, eta, alternating):
    """Between which weights the largest eigenvalue is below 1, found by trying."""

    def settles(weights):
        return largest(weights, interval, eta, alternating) < 1

    tried = torch.logspace(-3.5, 3, 20_000, dtype=torch.float64)
    (inside,) = settles(tried).nonzero(as_tuple=True)
    if not len(inside):
        return math.nan, math.nan
    first, last = inside[0].item(), inside[-1].item()
    assert len(inside) == last - first + 1  # one window

    def edge(good, bad):
        for _ in range(60):
            middle = (good + bad) / 2
            good, bad = (middle, bad) if settles(middle) else (good, middle)
        return good

    lower = edge(tried[first].item(), tried[first - 1].item()) if first else 0.0
    return lower, edge(tried[last].item(), tried[last + 1].item())


_USUAL = {"theta_0": 1, "psi_0": 0, "on": 1, "interval": 0, "eta": 0.1, "alternating": 0}
"""What is set where there is nothing to set it with."""


def far(at):
    """Steps, distance, mean of the hinge."""
    states, hinges = orbit(at)
    steps, each = round(at["steps"]), round(at.get("each", gan.EPOCH))
    full = steps // each
    last = hinges[each * (full - 1) : each * full]
    return [steps, abs(states[steps][0]), sum(last) / each if full else math.nan]


def factor(at):
    """What a step does to the distance, on average, and the window of weights."""
    interval, alternating = 4 ** round(at["interval"]), at["alternating"] > 0
    rho = largest(at["on"] * at["w_r1"], interval, at["eta"], alternating).item()
    return [rho ** (1 / interval), *window(interval, at["eta"], alternating)]


def dirac(at):
    at = _USUAL | at
    return [*far(at), *factor(at)]


def circle(at):
    return dirac(at)[:3]


def lazy(at):
    """Beside the window, what one penalty does to the slope."""
    at = _USUAL | at
    every, slope = 4 ** round(at["interval"]), _one(1)
    data = _one(0)
    paid = at["w_r1"] * every * r1_penalty(data @ slope, data)
    (steep,) = torch.autograd.grad(paid, slope)
    return [every, at["w_r1"], (slope - at["eta"] * steep).item(), *factor(at)]


def epochs(at):
    """The log of a trainer of fixed networks: means of an epoch of g_loss, d_loss and r1."""
    logit = torch.zeros(1, dtype=torch.float64)
    raw, counted, rows = scenes.RAW, 0, []
    hinge = d_hinge_loss(logit, logit).item()
    rest = 2 * g_adversarial_loss(logit).item() + raw["sty"] + raw["cyc"] + raw["id"]
    many, every = round(at["N"]), scenes.INTERVAL
    for epoch in range(1, scenes.EPOCHS + 1):
        counted = counted if at["counter"] else 0
        fired = 0
        for _ in range(many):
            counted += 1
            fired += counted % every == 0
        g_loss = rest - diversity_weight(epoch, float(at["w_ds"]), scenes.DECAY) * raw["ds"]
        rows.append((g_loss, hinge + every * raw["r1"] * fired / many, raw["r1"] * fired / many))
    return rows, hinge


def log_terms(at):
    rows, _ = epochs(at)
    mean = sum(r1 for *_, r1 in rows) / len(rows)
    steps = len(rows) * round(at["N"])
    computed = round(mean * steps / scenes.RAW["r1"])
    # The last g_loss is the same whatever is set.
    return [mean, rows[0][0], scenes.INTERVAL * mean, computed, steps, mean]


def two_logits(at):
    spread = torch.tensor(scenes.SPREAD, dtype=torch.float64)
    real, fake = (
        (at[name] + at[f"spread_{name}"] * spread).requires_grad_() for name in ("real", "fake")
    )
    loss = d_hinge_loss(real, fake)
    gap = real.mean() - fake.mean()
    pulls = torch.cat(torch.autograd.grad(loss, (real, fake)))
    right = torch.cat([real > 0, fake <= 0]).double().mean()
    shown = [-gap, loss - 2 + gap, loss, loss, right, gap, (pulls != 0).double().mean()]
    return [value.item() for value in shown]


@lru_cache(maxsize=1)
def _faces():
    letters = load_letters()
    return [letters.images[letters.names.index(name)] for name in scenes.FACES]


def cipher(at):
    """Differences of two letters in percent, as the page has them: to a hundredth."""
    sans, serif = _faces()
    letter = ALPHABET.index(scenes.OFFERED[round(at["letter"])])
    made = (letter + round(at["there"])) % 26
    again = (made - round(at["back"])) % 26
    pairs = ((sans, again), (serif, made), (sans, made))
    off = [F.mse_loss(face[other], face[letter]).sqrt().item() for face, other in pairs]
    return [100 * round(each, 4) for each in off]


SHOWN: dict[str, Callable[[dict[str, float]], Sequence[float]]] = {
    "cipher": cipher,
    "dirac": dirac,
    "dirac-circle": circle,
    "dirac-lazy": lazy,
    "log-terms": log_terms,
    "two-logits": two_logits,
}
