"""The formulas of the translation losses, each proved or compared with torch."""

from functools import cache
from itertools import product

import numpy as np
import pytest
import sympy as sp
import torch
import torch.nn.functional as F

from lossbook import translation
from lossbook.translation import symbolic as of

LOGITS = [-3.0, -1.0, -0.4, 0.0, 0.7, 1.0, 2.5]
REAL = torch.tensor([[a, b] for a, b in product(LOGITS, LOGITS)], dtype=torch.float64)
UPDATES = pytest.mark.parametrize("alternating", [False, True])


def number(formula, **values):
    """A formula where its symbols have these values."""
    found = {s: values[s.name] for s in formula.free_symbols}
    return float(formula.subs(found))


@cache
def function(formula, *symbols):
    return sp.lambdify(symbols, formula, ["scipy", "numpy"])


# Logits ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("formula", "loss"),
    [
        (of.HINGE, lambda r, f: F.relu(1 - r) + F.relu(1 + f)),
        (of.GENERATOR_HINGE, lambda r, f: -f),
        (of.NON_SATURATING, lambda r, f: F.softplus(-r) + F.softplus(f)),
        (of.GENERATOR_NON_SATURATING, lambda r, f: F.softplus(-f)),
        (of.PAIRED, lambda r, f: F.softplus(-(r - f))),
        (of.GENERATOR_PAIRED, lambda r, f: F.softplus(-(f - r))),
    ],
)
def test_a_loss_of_two_logits_is_torchs(formula, loss):
    at = sp.lambdify((of.r, of.f), formula, "math")
    found = torch.tensor([at(r, f) for r, f in REAL.tolist()], dtype=torch.float64)
    torch.testing.assert_close(found, loss(*REAL.T), atol=1e-14, rtol=1e-14)


def test_the_non_saturating_loss_is_the_cross_entropy_of_the_labels():
    at = sp.lambdify((of.r, of.f), of.NON_SATURATING, "math")
    for r, f in REAL.tolist():
        logits, labels = (torch.tensor(v, dtype=torch.float64) for v in ([r, f], [1.0, 0.0]))
        entropy = F.binary_cross_entropy_with_logits(logits, labels, reduction="sum")
        assert at(r, f) == pytest.approx(entropy.item(), abs=1e-14)


def test_what_the_losses_are_where_every_logit_is_the_same():
    c, log2 = of.c, sp.log(2)
    losses = (of.HINGE, of.NON_SATURATING, of.PAIRED)
    assert [of.at_equal(loss) for loss in losses] == [2, 2 * log2, log2]
    assert [of.at_equal(-loss) for loss in (of.GENERATOR_HINGE,)] == [0]
    assert of.at_equal(of.GENERATOR_NON_SATURATING) == log2 == of.at_equal(of.GENERATOR_PAIRED)
    # A pair does not see what is added to both; cross-entropy wants 0; the hinge any c within 1.
    assert sp.simplify(of.at_equal(of.PAIRED, c)) == log2
    assert [of.at_equal(of.HINGE, sp.Rational(k, 4)) for k in range(-4, 5)] == [2] * 9
    assert of.at_equal(of.HINGE, sp.Rational(5, 4)) == sp.Rational(9, 4)
    slope = sp.diff(of.at_equal(of.NON_SATURATING, c), c)
    assert sp.solveset(sp.numer(sp.together(slope)), c, sp.S.Reals) == {0}


def test_a_hinge_is_two_minus_the_gap_and_what_lies_beyond_the_margins():
    difference = of.HINGE - (2 - (of.r - of.f) + of.BEYOND)
    for signs in product((1, -1), repeat=2):
        # Both relus either as they are or 0: with a logit on each side of its margin.
        a, b = sp.symbols("a b", positive=True)
        at = {of.r: 1 + signs[0] * a, of.f: -1 + signs[1] * b}
        assert sp.simplify(difference.subs(at)) == 0


@pytest.mark.parametrize("shape", [(1,), (5,), (3, 2)])
def test_twins_of_batches_are_the_losses(generator, shape):
    real, fake = 2 * torch.randn(2, *shape, generator=generator, dtype=torch.float64)
    both = [np.vectorize(sp.Float, otypes=[object])(each.numpy()) for each in (real, fake)]
    pairs = [
        (of.d_hinge, translation.d_hinge_loss),
        (of.d_logistic, translation.d_logistic_loss),
        (of.d_relativistic, translation.d_relativistic_loss),
        (of.g_relativistic, translation.g_relativistic_loss),
        (of.mean_l1, translation.cycle_consistency_loss),
        (of.diversity, translation.diversity_loss),
    ]
    for twin, loss in pairs:
        assert float(twin(*both)) == pytest.approx(loss(real, fake).item(), abs=1e-13)
    for twin, loss in ((of.g_adversarial, translation.g_adversarial_loss),
                       (of.g_logistic, translation.g_logistic_loss)):  # fmt: skip
        assert float(twin(both[1])) == pytest.approx(loss(fake).item(), abs=1e-13)
    for margin, whose in product((0.1, 1.5, 10.0), ("batch", "sample")):
        options = {"margin": margin, "margin_of": whose}
        expected = translation.diversity_loss(real, fake, **options).item()
        assert float(of.diversity(*both, **options)) == pytest.approx(expected, abs=1e-13)
    logits = {
        base[k]: rows.flat[k - 1]
        for base, rows in zip((of.real_logit, of.fake_logit), both, strict=True)
        for k in range(1, real.numel() + 1)
    }
    for formula, twin in (
        (of.D_HINGE, of.d_hinge(*both)),
        (of.G_ADVERSARIAL, of.g_adversarial(both[1])),
    ):
        written = formula.subs(of.B, real.numel()).doit().xreplace(logits)
        assert float(written - twin) == pytest.approx(0, abs=1e-13)


def test_batches_of_real_and_of_fake_logits_may_differ_in_size():
    real, fake = (np.array(values, dtype=object) for values in ([sp.S(2)], [sp.S(1), sp.S(-3)]))
    assert of.d_hinge(real, fake) == 1


# Distances ---------------------------------------------------------------------------------------


def test_two_independent_normal_numbers_are_two_sigma_over_root_pi_apart(generator):
    expected = 2 * of.sigma / sp.sqrt(sp.pi)
    assert sp.simplify(of.expected_l1() - expected) == 0
    assert float(expected.subs(of.sigma, 1)) == pytest.approx(1.128379, abs=1e-6)
    drawn = 0.7 * torch.randn(2, 400_000, generator=generator, dtype=torch.float64)
    assert F.l1_loss(*drawn).item() == pytest.approx(number(expected, sigma=0.7), rel=0.005)


def test_a_distance_is_multiplied_by_s():
    scaled = of.L1.subs({of.x: of.s * of.x, of.y: of.s * of.y}, simultaneous=True)
    assert sp.simplify(scaled - of.s * of.L1) == 0


def test_a_margin_holds_the_diversity_and_takes_its_gradient():
    below, above = ({of.d: value, of.m: 1} for value in (0.5, 1.5))
    assert of.CLAMPED.subs(above) == 1 and of.CLAMPED.subs(below) == 0.5
    slope = sp.diff(of.CLAMPED, of.d)
    assert slope.subs(below) == 1 and slope.subs(above) == 0
    for value in (0.5, 1.5):
        d = torch.tensor(value, requires_grad=True)
        d.clamp(max=1.0).backward()
        assert d.grad.item() == float(slope.subs({of.d: value, of.m: 1}))


def test_the_weight_of_the_diversity_is_full_at_epoch_1_and_0_after_t_epochs():
    weight = of.DIVERSITY_WEIGHT
    assert weight.subs(of.e, 1) == of.weight_ds
    assert sp.simplify(weight.subs(of.e, of.decay + 1)) == 0
    assert of.diversity_weight(11, 2, 20) == 1 and of.diversity_weight(20, 1, 20) == sp.Rational(
        1, 20
    )
    for epoch in (0, 1, 7, 20, 21, 40):
        found = float(of.diversity_weight(epoch, 0.5, 20))
        progress = torch.tensor((epoch - 1) / 20).clamp(0, 1).item()
        assert found == pytest.approx(0.5 * (1 - progress), abs=1e-7)
        if epoch:
            assert found == pytest.approx(translation.diversity_weight(epoch, 0.5, 20), abs=1e-15)


# R1 ----------------------------------------------------------------------------------------------


def test_r1_of_a_linear_discriminator_is_its_slope_squared():
    assert of.r1(of.LOGIT, of.x) == of.psi**2
    weights, inputs = torch.tensor([0.3, -2.0]), torch.randn(5, 2, requires_grad=True)
    (slope,) = torch.autograd.grad((inputs @ weights).sum(), inputs)
    u, v = sp.symbols("u v")
    expected = float(of.r1(0.3 * u - 2 * v, u, v))
    torch.testing.assert_close(slope.square().sum(1).mean(), torch.tensor(expected))
    penalty = translation.r1_penalty(inputs @ weights, inputs)
    torch.testing.assert_close(penalty, torch.tensor(expected))


def test_r1_of_scaled_inputs_is_divided_by_the_square_of_the_scale():
    any_logit = sp.Function("D")(of.x)
    ratio = of.r1_of_scaled(any_logit, of.x) / of.r1(any_logit, of.x)
    assert sp.simplify(ratio) == 1 / of.s**2
    assert of.r1_of_scaled(of.LOGIT, of.x) == of.psi**2 / of.s**2
    assert number(1 / of.s**2, s=0.18215) == pytest.approx(30.14, abs=0.01)


@pytest.mark.parametrize(("every", "many"), [(16, 12), (16, 16), (16, 40), (1, 7), (4, 9)])
def test_r1_fires_as_often_as_the_formulas_say(every, many):
    values = {"I": every, "N": many}
    from_one = [step % every == 0 for step in range(1, 3 * many + 1)]
    assert number(of.FIRES_RESTARTED, **values) == sum(from_one[:many])
    assert number(of.FIRES_FROM_ZERO, **values) == sum(k % every == 0 for k in range(many))
    for epoch in (1, 2, 3):
        fired = sum(from_one[(epoch - 1) * many : epoch * many])
        assert number(of.FIRES_GLOBAL, e=epoch, **values) == fired
        log = of.logged(of.FIRES_GLOBAL)
        assert number(log, e=epoch, R_1=0.3, **values) == pytest.approx(0.3 * fired / many)
    if many < every:
        assert number(of.FIRES_RESTARTED, **values) == 0
    elif many % every == 0:
        # What the interval takes it gives back: the loss pays w·R1 an epoch.
        assert number(of.paid(of.FIRES_RESTARTED), w_r1=2, R_1=0.3, **values) == pytest.approx(0.6)


# The Dirac-GAN -----------------------------------------------------------------------------------


def stepped(theta, psi, *, eta, weight, alternating):
    """A step of plain torch."""
    theta, psi = (torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in (theta, psi))
    real = torch.zeros((), dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(psi * real, real, create_graph=True)
    loss = F.relu(1 - psi * real) + F.relu(1 + psi * theta.detach()) + weight * slope.square()
    new = (psi - eta * torch.autograd.grad(loss, psi)[0]).detach()
    seen = new if alternating else psi.detach()
    (by_theta,) = torch.autograd.grad(-seen * theta, theta)
    return (theta - eta * by_theta).item(), new.item()


@UPDATES
def test_a_step_is_torchs_inside_and_outside_the_margin(alternating):
    for theta, psi, weight in product((-3, -0.5, 0, 2), (-2, -0.4, 0, 1.5), (0, 0.7)):
        formulas = of.dirac_step(weight, alternating=alternating)
        found = [number(sp.sympify(one), theta=theta, psi=psi, eta=0.1) for one in formulas]
        expected = stepped(
            float(theta), float(psi), eta=0.1, weight=weight, alternating=alternating
        )
        assert found == pytest.approx(expected, abs=1e-14)


@UPDATES
def test_inside_the_margin_a_step_is_a_matrix(alternating):
    weight = of.w * of.interval
    linear = of.dirac_matrix(weight, alternating=alternating) * sp.Matrix([of.theta, of.psi])
    inside = sp.Matrix(of.dirac_step(weight, alternating=alternating, inside=True))
    assert sp.simplify(linear - inside) == sp.zeros(2, 1)
    true = sp.Matrix(of.dirac_step(weight, alternating=alternating))
    values = {of.theta: 0.6, of.psi: -0.9, of.eta: 0.1, of.w: 2, of.interval: 4}
    assert (true - inside).subs(values).norm() == 0


def test_the_matrices_are_those_of_the_page():
    eta, damped = of.eta, 1 - 2 * of.eta * of.w * of.interval
    assert of.dirac_matrix() == sp.Matrix([[1, eta], [-eta, 1]])
    assert sp.simplify(
        of.dirac_matrix(of.w * of.interval) - sp.Matrix([[1, eta], [-eta, damped]])
    ) == sp.zeros(2)
    both = of.dirac_matrix(alternating=True)
    assert both == sp.Matrix([[1 - eta**2, eta], [-eta, 1]]) and sp.simplify(both.det()) == 1


@UPDATES
@pytest.mark.parametrize("every", [1, 2, 3, 4])
def test_trace_and_determinant_are_those_of_the_product_of_the_steps(alternating, every):
    product_ = of.dirac_map(every, alternating=alternating)
    closed = of.dirac_determinant(alternating=alternating), of.dirac_trace(alternating=alternating)
    determinant, trace = (one.subs(of.interval, every) for one in closed)
    assert sp.simplify(product_.det() - determinant) == 0
    trace = sp.expand(sp.expand_trig(trace) if not alternating else trace)
    if not alternating:
        assert sp.simplify(product_.trace() - trace) == 0
    for eta, weight in product((0.01, 0.3, 1.5), (0, 0.2, 5)):
        values = {"eta": eta, "w_r1": weight}
        assert number(trace, **values) == pytest.approx(
            number(product_.trace(), **values), abs=1e-9
        )


def matrices(eta, weight, every, alternating):
    """The map of an interval, by numpy."""

    def step(damped):
        if alternating:
            return np.array([[1 - eta**2, eta * damped], [-eta, damped]])
        return np.array([[1, eta], [-eta, damped]])

    return step(1 - 2 * eta * weight * every) @ np.linalg.matrix_power(step(1), every - 1)


GRID = list(product((0.01, 0.05, 0.1, 0.2, 0.3, 0.7), (1, 2, 4, 8, 16, 32)))


@UPDATES
def test_the_largest_eigenvalue_is_numpys_for_every_interval(alternating):
    trace, determinant = (
        g(alternating=alternating) for g in (of.dirac_trace, of.dirac_determinant)
    )
    symbols = (of.eta, of.w, of.interval)
    largest = function(of.largest_eigenvalue(trace, determinant), *symbols)
    jury = function(of.settles(trace, determinant), *symbols)
    for (eta, every), weight in product(GRID, (0, 0.02, 0.3, 1, 4, 60)):
        roots = np.linalg.eigvals(matrices(eta, weight, every, alternating))
        size = abs(roots).max()
        with np.errstate(invalid="ignore"):  # numpy works out both cases
            assert largest(eta, weight, every) == pytest.approx(size, rel=1e-6)
        if abs(size - 1) > 1e-9:
            assert jury(eta, weight, every) == (size < 1)


@UPDATES
@pytest.mark.parametrize(("eta", "every"), GRID)
def test_the_orbit_settles_between_the_ends_of_the_window_and_nowhere_else(alternating, eta, every):
    symbols = (of.eta, of.interval)
    with np.errstate(all="ignore"):
        lower, upper = (
            float(function(one, *symbols)(eta, every))
            for one in of.dirac_window(alternating=alternating)
        )
    weights = np.logspace(-4, 3, 1500)
    sizes = [abs(np.linalg.eigvals(matrices(eta, w, every, alternating))).max() for w in weights]
    inside = (weights > lower) & (weights < upper)
    clear = abs(weights / max(lower, 1e-9) - 1) > 1e-6
    assert ((np.array(sizes) < 1) == inside)[clear].all()


def test_the_window_shrinks_with_the_interval():
    lower, upper = (one.subs(of.eta, sp.Rational(1, 100)) for one in of.dirac_window())
    found = [[float(end.subs(of.interval, k)) for end in (lower, upper)] for k in (1, 4, 16)]
    assert np.ravel(found) == pytest.approx(
        [0.005, 100.0025, 0.00499925, 24.99500, 0.00499625, 6.243107], rel=1e-6
    )
    alternating = [
        float(of.dirac_window(alternating=True)[1].subs({of.eta: 0.01, of.interval: k}))
        for k in (1, 4, 16)
    ]
    assert alternating == pytest.approx([99.9975, 24.9975, 6.2475], rel=1e-6)
    # About eta / 2 and 1 / (eta I), for small steps.
    lower = of.dirac_window()[0].subs(of.interval, 4)
    assert sp.limit(lower / of.eta, of.eta, 0) == sp.Rational(1, 2)
    assert of.dirac_window(alternating=True)[0] == 0


def test_of_large_lazy_steps_no_weight_settles():
    ends = [float(one.subs({of.eta: 0.2, of.interval: 16})) for one in of.dirac_window()]
    assert ends[0] > ends[1]
    assert float(of.dirac_window(alternating=True)[1].subs({of.eta: 0.2, of.interval: 16})) > 0.3


# Totals ------------------------------------------------------------------------------------------


def test_the_generators_total_takes_the_diversity_off():
    values = dict(zip((*of.TERMS, *of.WEIGHTS), (1, 2, 3, 4, 5, 1, 10, 100, 1000, 7), strict=True))
    assert of.GENERATOR.subs(values) == 1 + 20 + 300 + 4000 - 35
    assert sp.diff(of.GENERATOR, of.TERMS[-1]) == -of.WEIGHTS[-1]


def test_the_discriminators_total_averages_both_ways():
    values = {of.d_ref: 3, of.d_lat: 1, of.w: 2, of.interval: 16, of.r1_value: 1}
    assert of.DISCRIMINATOR.subs(values).doit() == 34
