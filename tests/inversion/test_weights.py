"""Weights that are learned: the documented ones fall, Kendall's come to rest."""

import math

import pytest
import sympy as sp
import torch

from lossbook.inversion import SigmoidTaskWeights, UncertaintyWeights, symbolic

TERMS = {"pixel": torch.tensor(0.25), "feat": torch.tensor(4.0)}


def descended(weights, terms, steps, rate=0.1, kind=torch.optim.SGD):
    optimizer = kind(weights.parameters(), lr=rate)
    for _ in range(steps):
        optimizer.zero_grad()
        weights(terms).backward()
        optimizer.step()
    return weights(terms)


# As documented ----------------------------------------------------------------------------------


def test_the_slope_of_a_sigmoid_weight_is_positive_everywhere():
    slope = sp.diff(symbolic.SIGMOID_TASK, symbolic.omega)
    documented = symbolic.L / (4 * sp.cosh(symbolic.omega / 2) ** 2)
    assert sp.simplify((slope - documented).rewrite(sp.exp)) == 0
    weights = SigmoidTaskWeights(("one", "two"), init=0.7)
    weights({"one": torch.tensor(2.0), "two": torch.tensor(5.0)}).backward()
    expected = [float(documented.subs({symbolic.omega: 0.7, symbolic.L: loss})) for loss in (2, 5)]
    assert weights.omega.grad.tolist() == pytest.approx(expected)


def test_every_sigmoid_weight_decays_to_nothing():
    weights = SigmoidTaskWeights(("one",))
    found, done = [], 0
    for steps in (100, 1000):
        loss = descended(weights, {"one": torch.tensor(1.0)}, steps - done)
        found.append(loss.weights["one"].item())
        done = steps
    assert found == pytest.approx([0.134, 0.0109], rel=0.01)
    by_adam = descended(
        SigmoidTaskWeights(("one",)), {"one": torch.tensor(1.0)}, 100, kind=torch.optim.Adam
    )
    assert by_adam.weights["one"].item() == pytest.approx(0.0105, rel=0.01)


def test_a_sigmoid_weight_is_one_of_its_task():
    weights = SigmoidTaskWeights(("pixel", "feat", "style"), init=-1.0)
    terms = TERMS | {"style": torch.tensor(1.0, requires_grad=True)}
    loss = weights(terms)
    assert tuple(loss.terms) == ("pixel", "feat", "style")
    third = 1 / (1 + math.exp(1))
    assert loss.total.item() == pytest.approx(third * (0.25 + 4 + 1))
    loss.backward()
    assert terms["style"].grad.item() == pytest.approx(third)
    assert weights.omega.grad.shape == (3,)
    assert "tasks=('pixel', 'feat', 'style')" in repr(weights)


# As meant ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("formula", "factor"), [(symbolic.REGRESSION, 1), (symbolic.CLASSIFICATION, 2)]
)
def test_at_the_best_variance_the_logarithm_of_the_loss_is_left(formula, factor):
    s, loss = symbolic.log_variance, symbolic.L
    (best,) = sp.solve(sp.diff(formula, s), s)
    assert sp.simplify(best - sp.log(factor * loss)) == 0
    left = sp.simplify(formula.subs(s, best) - (1 + sp.log(factor * loss)) / 2)
    assert sp.simplify(sp.expand_log(left)) == 0


@pytest.mark.parametrize(("kind", "factor"), [("regression", 1), ("classification", 2)])
@pytest.mark.long
def test_uncertainty_weights_come_to_rest_at_one_over_the_loss(kind, factor):
    weights = UncertaintyWeights(("pixel", "feat"), kinds=kind)
    loss = descended(weights, TERMS, 3000)
    for name, term in TERMS.items():
        assert loss.weights[name].item() == pytest.approx(0.5 / term.item(), rel=1e-3)
    expected = sum((1 + math.log(factor * term.item())) / 2 for term in TERMS.values())
    assert loss.total.item() == pytest.approx(expected, abs=1e-4)
    assert weights.log_variance.tolist() == pytest.approx(
        [math.log(factor * term.item()) for term in TERMS.values()], abs=1e-3
    )


@pytest.mark.long
def test_a_factor_in_front_of_a_loss_changes_nothing_but_the_variance():
    totals = []
    for factor in (1.0, 100.0):
        terms = TERMS | {"feat": factor * TERMS["feat"]}
        loss = descended(UncertaintyWeights(("pixel", "feat")), terms, 5000)
        totals.append(loss.total.item() - math.log(factor) / 2)
        assert loss.contributions()["feat"].item() == pytest.approx(0.5, rel=1e-3)
    assert totals[0] == pytest.approx(totals[1], abs=1e-3)


def test_kinds_may_differ_and_the_formula_holds():
    weights = UncertaintyWeights(
        ("pixel", "feat"), kinds={"feat": "classification"}, init=0.3
    ).double()
    terms = {name: term.double().requires_grad_() for name, term in TERMS.items()}
    loss = weights(terms)
    values = {symbolic.log_variance: 0.3}
    expected = symbolic.REGRESSION.subs(values | {symbolic.L: 0.25})
    expected += symbolic.CLASSIFICATION.subs(values | {symbolic.L: 4})
    assert loss.total.item() == pytest.approx(float(expected))
    assert loss["log_variance"].item() == pytest.approx(0.3)
    assert loss.weights["log_variance"] == 1.0

    def total(s, pixel, feat):
        given = {"log_variance": s}
        return torch.func.functional_call(weights, given, {"pixel": pixel, "feat": feat}).total

    s = torch.tensor([0.3, -1.2], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(total, (s, terms["pixel"], terms["feat"]))


@pytest.mark.long
def test_a_floor_bounds_the_total_and_caps_the_weight_at_its_price():
    tiny = {"pixel": torch.tensor(1e-4), "feat": torch.tensor(4.0)}
    free = descended(UncertaintyWeights(("pixel", "feat")), tiny, 4000)
    assert free.total < -2.5
    assert free.weights["pixel"] > 1000
    held = descended(UncertaintyWeights(("pixel", "feat"), floor=0.0), tiny, 4000)
    # Below 1 a loss is no longer weighed by what it is.
    assert held.weights["pixel"].item() == pytest.approx(0.5)
    assert held.weights["feat"].item() == pytest.approx(0.5 / 4, rel=1e-3)
    assert held["log_variance"] >= 0


@pytest.mark.parametrize("kind", [torch.optim.SGD, torch.optim.Adam])
@pytest.mark.long
def test_from_below_the_floor_a_variance_comes_back_when_the_loss_grows(kind):
    weights = UncertaintyWeights(("pixel",), floor=0.0)
    descended(weights, {"pixel": torch.tensor(1e-3)}, 200, kind=kind)
    below = weights.log_variance.item()
    assert -2 < below <= 0.0
    weights({"pixel": torch.tensor(1e-3)}).backward()
    loss = descended(weights, {"pixel": torch.tensor(9.0)}, 3000, kind=kind)
    assert loss.weights["pixel"].item() == pytest.approx(0.5 / 9, rel=0.01)


def test_the_value_below_the_floor_is_that_of_the_floor():
    weights = UncertaintyWeights(("pixel", "feat"), floor=-1.0, init=-3.0)
    at = UncertaintyWeights(("pixel", "feat"), init=-1.0)
    assert weights(TERMS).total.item() == pytest.approx(at(TERMS).total.item())
    weights(TERMS).backward()
    # Down is held; up, where the loss asks for less weight, is let through.
    slopes = [0.5 - 0.5 * math.e * term.item() for term in TERMS.values()]
    expected = [min(slope, 0.0) for slope in slopes]
    assert weights.log_variance.grad.tolist() == pytest.approx(expected, rel=1e-5)
    assert expected[0] == 0 > expected[1]


@pytest.mark.parametrize("make", [SigmoidTaskWeights, UncertaintyWeights])
def test_checkpoints_half_precision_and_the_compiler(make):
    weights = make(("pixel", "feat"), init=0.5)
    other = make(("pixel", "feat"))
    other.load_state_dict(weights.state_dict())
    assert other(TERMS).log() == weights(TERMS).log()
    wide = {name: term.double() for name, term in TERMS.items()}
    assert weights(wide).total.dtype == torch.float64


@pytest.mark.parametrize("make", [SigmoidTaskWeights, UncertaintyWeights])
@pytest.mark.compiles
def test_they_compile_to_one_graph(make):
    torch.compiler.reset()
    weights = make(("pixel", "feat"), init=0.5)
    compiled = torch.compile(weights, fullgraph=True, backend="aot_eager")
    loss = compiled(TERMS)
    assert loss.log() == pytest.approx(weights(TERMS).log())
    loss.total.backward()
    assert next(weights.parameters()).grad.any()


@pytest.mark.parametrize("make", [SigmoidTaskWeights, UncertaintyWeights])
@pytest.mark.own_errors
def test_tasks_that_do_not_fit_are_refused(make):
    weights = make(("pixel", "feat"))
    with pytest.raises(ValueError, match="terms lacks 'feat'; pass the loss of each"):
        weights({"pixel": torch.tensor(1.0)})
    with pytest.raises(ValueError, match="'pixels', which is no task; did you mean pixel"):
        weights(TERMS | {"pixels": torch.tensor(1.0)})
    with pytest.raises(TypeError, match="got LossTerms.*pass loss.terms"):
        weights(make(("pixel", "feat"))(TERMS))
    with pytest.raises(TypeError, match="terms must be a mapping.*got Tensor"):
        weights(torch.ones(2))
    with pytest.raises(ValueError, match=r"must be a scalar, got shape \(3,\)"):
        weights(TERMS | {"feat": torch.ones(3)})
    with pytest.raises(TypeError, match="tasks must be the names of the tasks, got 'pixel'"):
        make("pixel")
    with pytest.raises(ValueError, match="different names, at least one"):
        make(("pixel", "pixel"))
    with pytest.raises(ValueError, match="different names, at least one"):
        make(())
    with pytest.raises(ValueError, match="names other than 'total' and 'log_variance'"):
        make(("pixel", "log_variance"))
    with pytest.raises(TypeError, match="init must be a Python number"):
        make(("pixel",), init="0")
    with pytest.raises(TypeError, match="takes its options by keyword"):
        make(("pixel",), 0.5)


@pytest.mark.own_errors
def test_kinds_that_there_are_not_are_refused():
    with pytest.raises(ValueError, match="regression, classification; got 'gaussian'"):
        UncertaintyWeights(("pixel",), kinds="gaussian")
    with pytest.raises(ValueError, match="kinds names 'feat', which is no task"):
        UncertaintyWeights(("pixel",), kinds={"feat": "regression"})
    with pytest.raises(TypeError, match="floor must be a Python number"):
        UncertaintyWeights(("pixel",), floor=torch.tensor(0.0))
