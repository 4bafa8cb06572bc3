"""What torch says to each object that a reader can move; a test in Chromium compares them.

An object made by `slider` is in `LOSSES`: its curves must be the loss and its gradient. Every other
is in `SHOWN`: the numbers of its sentences, bars and texts, in the order of ``scene.shown()``
in the page, from the values of its symbols. Each chapter adds its own; one that is missing fails.
"""

import math
from collections.abc import Callable, Sequence
from functools import lru_cache

import torch
import torch.nn.functional as F
from objects_inversion import SHOWN as INVERSION
from objects_translation import SHOWN as TRANSLATION
from scipy import integrate, optimize

from lossbook.hands import (
    HandLossWeights,
    auxiliary_loss,
    keypoint_2d_loss,
    keypoint_3d_loss,
    mano_prior_loss,
    rotation_loss,
)
from lossbook.lab.hands.labels import CROP_A_MM, STUCK, TIP_LABELS
from lossbook.lab.hands.scenes import BATCH, LOGGED, some_hand
from lossbook.lab.motion import same_clip, windows
from lossbook.lab.motion.bins import to_degrees, to_logits
from lossbook.lab.motion.clips import load_talking_head
from lossbook.lab.motion.experiment import load_motions, load_record, windows_of
from lossbook.lab.motion.model import signal, smoothed
from lossbook.landmarks import attribute_weight, pose_weight, smooth_l1_loss, wing_loss
from lossbook.motion import pva_loss
from lossbook.motion.metrics import motion_metrics


def _weighted_l1(error, zero, *, c, reduction):
    points, origin = (torch.stack([values, zero], -1)[None] for values in (error, zero))
    confidence = torch.full_like(points[..., 0], c)
    losses = keypoint_2d_loss(points, origin, confidence=confidence, reduction=reduction)
    return losses[0, :, 0]


def _pose_distance(theta, zero, *, theta_gt, reduction):
    """The prior of the rotation between the two, about one axis."""

    def prior(angle):
        cos, sin, one = angle.cos(), angle.sin(), torch.ones_like(angle)
        turn = torch.block_diag(torch.stack([cos, -sin, sin, cos]).reshape(2, 2), one)
        return mano_prior_loss(one.expand(1, 10), turn[None, None]).terms["pose_prior"]

    return torch.stack([prior(angle) for angle in theta - theta_gt])


LOSSES: dict[str, Callable] = {
    "wing": wing_loss,
    "smooth-l1": smooth_l1_loss,
    "pose-distance": _pose_distance,
}
"""Elementwise losses of an error and zero; the other symbols are keyword arguments."""


@lru_cache
def some_yaw():
    """The yaw of the talking head that the motion chapter disturbs, in degrees."""
    yaw = load_talking_head().euler[100:124, 1]
    return yaw - yaw.mean()


@lru_cache
def recorded_terms():
    """P, V and A of the heads' angles at the end of training with P alone, over the folds."""
    logs = [result.log for result in load_record().results if result.arm == "P"]
    angles = ("pitch", "yaw", "roll")
    found = [[sum(log[f"{n}_{letter}"] for n in angles) / 3 for letter in "PVA"] for log in logs]
    return torch.tensor(found, dtype=torch.float64).mean(0)


def _pva(error, target=None):
    """P, V and A of one dimension."""
    target = torch.zeros_like(error) if target is None else target
    clips = ((target + error)[None, :, None], target[None, :, None])
    terms = pva_loss(*clips, parts={"x": (0, 1, 1.0)}).terms
    return torch.stack([terms[f"x_{letter}"] for letter in "PVA"])


def _disturb(at):
    truth = some_yaw().double()
    frames = torch.arange(len(truth), dtype=torch.float64)
    error = (2 * math.pi * at["hertz"] / 25 * frames).cos()
    if at["alone"]:
        error = (frames == len(truth) // 2 - 1).double()
    p, v, a = _pva(at["size"] * error / error.square().mean().sqrt(), truth).tolist()
    least = max(p, 1e-9)
    return [p, v, a, p, v / least, a / least]


def _repeated(wave):
    """P, V and A of a wave that goes on as it began, and what its neighbours have in common.

    With its first two frames at its end there are as many differences as frames.
    """
    period = len(wave)
    longer = torch.cat([wave, wave[:2]])
    terms = torch.stack([_pva(longer[: period + order])[order] for order in range(3)])
    alike = [(wave * wave.roll(-apart)).mean() / terms[0] for apart in (1, 2)]
    return terms, torch.stack(alike)


def _filters(at):
    """Of the recorded error, and of an offset and a flip."""
    frames = torch.arange(24, dtype=torch.float64)
    weights = torch.tensor([at[f"w_{letter}"] for letter in "PVA"], dtype=torch.float64)
    heard = weights * recorded_terms()
    ends = [weights @ _repeated(sign**frames)[0] for sign in (1.0, -1.0)]
    return [*(heard / heard.sum().clamp(min=1e-12)), *ends]


def _reader(at):
    """Of three waves with powers that make the two ratios; NaN where no steady error does."""
    frames = torch.arange(8, dtype=torch.float64)
    waves = [(angle * frames).cos() for angle in (0, math.pi / 2, math.pi)]
    terms, alike = map(torch.stack, zip(*map(_repeated, waves), strict=True))
    log = torch.tensor([1, at["V_P"], at["A_P"]], dtype=torch.float64)
    power = torch.linalg.solve((terms / terms[:, :1]).T, log)
    one, two = (power @ alike).tolist()
    # What is correlated like this can be only if no mixture of three frames has less than no power.
    mixed = torch.tensor([[1, one, two], [one, 1, one], [two, one, 1]], dtype=torch.float64)
    if torch.linalg.eigvalsh(mixed)[0] < -1e-9:
        return [math.nan] * 3
    return [one, two, _most_tremble(at["V_P"], at["A_P"])]


def _most_tremble(v, a):
    """The largest share of a tremble beside one other wave that makes both ratios."""
    low, high = 0.0, 1.0
    for _ in range(45):
        share = (low + high) / 2
        other = (v - 4 * share) / (1 - share)
        fits = 16 * share + (1 - share) * other**2 <= a + 1e-12
        low, high = (share, high) if fits else (low, share)
    return low


def _ruler(at):
    """Of an offset and a tremble with the powers that make the ratio."""
    frames = torch.arange(8, dtype=torch.float64)
    terms = torch.stack([_repeated(sign**frames)[0] for sign in (1.0, -1.0)])
    log = torch.tensor([1, at["V_P"]], dtype=torch.float64)
    power = torch.linalg.solve(terms[:, :2].T, log)
    return [(power @ terms)[1], (power @ terms)[1].sqrt()]


def _noise(at):
    return [signal(torch.tensor(at["u"], dtype=torch.float64))]


def _calls(at):
    """Of ten."""
    level = torch.tensor(1 - (at["call"] - 1) / 10, dtype=torch.float64)
    return [at["call"], signal(level)]


def _smoother(at):
    """What is left in its place of a clip that is 0 but for one frame."""
    alone = (torch.arange(5) == 2).double()[None, :, None]
    clips = [alone, *(smoothed(alone, middle) for middle in (22, 10, 6, 4, 2))]
    return [clips[round(at["which"])][0, 2, 0]]


def _by_loss(at):
    """The recorded jerk of the head over that of the true clip."""
    motions = load_motions()
    part = windows_of(motions, *windows.split_by_language(motions.heads, 0))
    true = windows.angles(part.norm.undo(part.test.motion[same_clip.CLIP]))[None]
    real = motion_metrics(true, true, fps=motions.heads.fps).jitter.item()
    return [same_clip.load_record().results[round(at["which"])].head_jitter / real]


def _bins(at):
    angle = torch.tensor(at["theta"], dtype=torch.float64)
    true = to_logits(angle)
    logits = true + at["shift"]
    logits[round(at["bin"]) - 1] += at["push"]
    error, off = F.mse_loss(logits, true), (to_degrees(logits) - angle).abs()
    pushed = logits.softmax(0)[round(at["bin"]) - 1]
    return [pushed, at["bin"], 3 * (at["bin"] - 33.5), error, off]


def _waves(at):
    """The share of a clip's motion in its slowest waves, an offset aside."""
    motion = some_yaw().double()
    tones = torch.fft.rfft(motion - motion.mean())
    tones[round(at["many"]) + 1 :] = 0
    return [torch.fft.irfft(tones, n=len(motion)).square().mean() / motion.var(correction=0)]


def _circle(at):
    """V and A of a point that goes round, in its two coordinates; any three frames will do."""
    angle = 2 * math.pi * at["hertz"] / 25 * torch.arange(3, dtype=torch.float64)
    point = torch.stack([angle.cos(), angle.sin()], 1)[None]
    p, v, a = pva_loss(point, torch.zeros_like(point), parts={"x": (0, 2, 1.0)}).terms.values()
    return [360 * at["hertz"] / 25, (v / p).sqrt(), v / p, a / p]


ELEMENTWISE = {
    "L2": lambda x: x.square(),
    "L1": torch.abs,
    "SmoothL1": lambda x: smooth_l1_loss(x, torch.zeros_like(x), reduction="none"),
    "Wing": lambda x: wing_loss(x, torch.zeros_like(x), reduction="none"),
}


def _spread(at):
    """Of 98 points that err by 1.5 px, and of some that err by as much together."""
    many = round(at["many"])
    gathered = torch.zeros(98, dtype=torch.float64)
    gathered[:many] = 98 * 1.5 / many
    alike = torch.full_like(gathered, 1.5)
    ratios = [loss(gathered).sum() / loss(alike).sum() for loss in ELEMENTWISE.values()]
    return [*ratios, many, gathered[0]]


def _landmark(at):
    error = torch.tensor(at["u"], dtype=torch.float64, requires_grad=True)
    pulls = [torch.autograd.grad(loss(error), error)[0].abs() for loss in ELEMENTWISE.values()]
    return [*pulls, error.detach().abs()]


def _labels(at):
    """The best of very many answers."""
    labels = torch.tensor([at[f"l{n}"] for n in range(1, 8)], dtype=torch.float64)
    answers = torch.cat([torch.linspace(-4, 21, 25_001, dtype=torch.float64), labels])
    apart = answers[:, None] - labels
    best = {name: answers[ELEMENTWISE[name](apart).sum(1).argmin()] for name in ("L1", "Wing")}
    # SmoothL1's is between the labels, where its pulls, each at most 1, balance: by halving.
    low, high = labels.min(), labels.max()
    for _ in range(60):
        middle = (low + high) / 2
        over = (middle - labels).clamp(-1, 1).sum() > 0
        low, high = (low, middle) if over else (middle, high)
    return [labels.mean(), best["L1"], low, best["Wing"]]


def _weights(at):
    """Of six faces, the first with a large pose, the fourth and the last with an expression."""
    has = torch.tensor([[1.0, 0, 0], [0, 0, 1], [0, 0, 1], [0, 1, 0], [0, 0, 1], [0, 1, 0]])
    counted = torch.tensor([at["pose"], at["expression"], at["ordinary"]])
    marked = (has * counted).double()
    turned = torch.tensor([[0.0, at["angle"], 0.0]], dtype=torch.float64)
    p = pose_weight(turned, torch.zeros_like(turned), degrees=True)
    weights = p * attribute_weight(marked)
    return [*weights, p, weights.mean()]


def _product(at):
    """Where both go under small steps of gradient descent, by the slopes that torch finds."""
    angle, square = math.radians(at["angle"]), at["D"]

    def pace(theta):
        """How fast D changes with the angle."""
        turned = torch.tensor([[theta, 0.0, 0.0]], dtype=torch.float64, requires_grad=True)
        d = torch.ones((), dtype=torch.float64, requires_grad=True)
        loss = (pose_weight(turned, torch.zeros_like(turned)) * d.square()).sum()
        of_angle, of_d = torch.autograd.grad(loss, (turned, d))
        return (2 * d * of_d / of_angle[0, 0]).item()

    def lost(end):
        return integrate.quad(pace, end, angle, epsabs=1e-12, epsrel=1e-12)[0] if angle else 0.0

    theta, d = (torch.tensor(v, dtype=torch.float64, requires_grad=True)
                for v in (angle, math.sqrt(square)))  # fmt: skip
    turned = torch.stack([theta, *torch.zeros(2, dtype=torch.float64)])[None]
    product = (pose_weight(turned, torch.zeros_like(turned)) * d.square()).sum()
    pulls = [slope.item() for slope in torch.autograd.grad(product, (theta, d))]
    rest = [*pulls, at["angle"], square, product.item()]
    nearly = 1e-12  # at 0 the pace is 0 / 0
    left = square - lost(nearly)
    if left >= 0:
        return [0.0, left, *rest]
    still = optimize.brentq(lambda end: lost(end) - square, nearly, angle, xtol=1e-14)
    return [math.degrees(still), 0.0, *rest]


def _mixer(at):
    weights = HandLossWeights(at["w_2D"], at["w_3D"], 0.0, at["w_prior"], 0.0).by_term()
    terms = dict(LOGGED)
    if at["metres"]:
        terms["3d_joint"] /= 1000
    if at["averaged"]:
        terms |= {name: terms[name] / BATCH for name in ("2d", "3d_joint")}
    parts = [weights[name] * value for name, value in terms.items()]
    whole = sum(parts)
    return [*parts, *(part / whole for part in parts), whole, parts[0] / parts[1]]


def _own_confidence(at):
    error, c = (torch.tensor(at[name], dtype=torch.float64) for name in ("at", "c"))
    return [_weighted_l1(error[None], 0 * error[None], c=c, reduction="none")[0],
            -torch.distributions.Laplace(0.0, 1 / c).log_prob(error)]  # fmt: skip


def _pulls(at):
    x = torch.tensor(at["x"], dtype=torch.float64, requires_grad=True)
    tip = torch.stack([torch.zeros_like(x), x])[None, :, None] * torch.eye(3, dtype=x.dtype)[0]

    def label(name):
        where = torch.zeros_like(tip)
        where[0, 1, 0] = TIP_LABELS[name]
        return where

    unit = 0.001 if at["metres"] else 1.0
    terms = [
        keypoint_3d_loss(unit * tip, unit * label("3d")),
        keypoint_2d_loss(CROP_A_MM * tip[..., :2], CROP_A_MM * label("2d")[..., :2]),
        torch.tensor(STUCK if at["stuck"] else 0.0, dtype=torch.float64),
    ]
    slopes = [torch.autograd.grad(term, x, retain_graph=True)[0].abs() for term in terms[:2]]
    shares = [term / sum(terms) for term in terms]
    pulls = [slope / sum(slopes) for slope in slopes]
    times = slopes[0] / slopes[1]
    return [times.item(), *(v.item() for v in (*shares, *pulls)), *(v.item() for v in slopes)]


def _depth(at):
    true = torch.tensor(some_hand())[None]
    found = true.clone()
    found[..., 2] *= at["k"]
    assert keypoint_2d_loss(found[..., :2], true[..., :2]) == 0  # the page's 0 does not move
    return [keypoint_3d_loss(found, true)]


def _root(at):
    right = torch.tensor(some_hand(0.2))[None]
    label = right.clone()
    label[:, 0, 0] += at["u"]
    return [keypoint_3d_loss(right, label, root=joint) for joint in (0, 9)]


def _rotations(at):
    """About one axis; a label's axis-angle is at most half a turn long."""
    no_shape = torch.zeros(1, 10, dtype=torch.float64)
    found, true = (
        torch.tensor(math.radians(at[n]), dtype=torch.float64) for n in ("found", "true")
    )
    stored = true - 2 * math.pi * torch.ceil(true / (2 * math.pi) - 0.5 - 1e-12)
    vectors, matrices = [], []
    for angle in (found, stored):
        zero = torch.zeros_like(angle)
        vectors.append(torch.stack([zero, zero, angle, *45 * [zero]])[None])
        cos, sin = angle.cos(), angle.sin()
        rows = torch.stack([cos, -sin, zero, sin, cos, zero, zero, zero, zero + 1])
        matrices.append(rows.reshape(1, 1, 3, 3))
    squares = 48 * auxiliary_loss(vectors[0], no_shape, vectors[1], no_shape)
    of_matrices = [rotation_loss(*matrices, form=form) for form in ("chordal", "geodesic")]
    return [torch.rad2deg(stored), at["found"], squares, *of_matrices]


SHOWN: dict[str, Callable[[dict[str, float]], Sequence[float]]] = (
    {
        "anatomy": lambda at: [],
        "bins": _bins,
        "by-loss": _by_loss,
        "calls": _calls,
        "circle": _circle,
        "confidence": lambda at: [1 / at["c"]],
        "depth": _depth,
        "disturb": _disturb,
        "few-labels": _labels,
        "filters": _filters,
        "labels": _labels,
        "landmark": _landmark,
        "mixer": _mixer,
        "made-by-p": lambda at: [],
        "noise": _noise,
        "noises": lambda at: [at["noises"], at["noises"] ** -0.5],
        "own-confidence": _own_confidence,
        "product": _product,
        "pulls": _pulls,
        "puzzle": lambda at: [],
        "reader": _reader,
        "root": _root,
        "rotations": _rotations,
        "ruler": _ruler,
        "smoother": _smoother,
        "spread": _spread,
        "turning": lambda at: [],
        "waves": _waves,
        "weights": _weights,
    }
    | INVERSION
    | TRANSLATION
)
"""From the symbols' values to the numbers shown."""


def torch_curves(name, x, parameters):
    """Value and gradient of a loss at many points."""
    points = torch.tensor(x, dtype=torch.float64, requires_grad=True)
    value = LOSSES[name](points, torch.zeros_like(points), reduction="none", **parameters)
    (gradient,) = torch.autograd.grad(value.sum(), points)
    return value.detach(), gradient
