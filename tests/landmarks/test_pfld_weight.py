"""The weight of PFLD: of samples, and of points."""

import math
import warnings

import pytest
import torch

import lossbook
from lossbook.landmarks import PFLDLoss, attribute_weight, pfld_loss, pose_weight
from lossbook.registry import card


def pfld_inputs(batch=8, seed=0):
    return card("pfld_loss").inputs(batch, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("options", [{}, {"pose_bias": 0.5, "attribute_bias": 0.25}], ids=str)
@pytest.mark.parametrize("with_attributes", [True, False])
def test_a_weight_of_zero_leaves_a_sample_out_and_one_of_two_counts_it_twice(
    options, with_attributes
):
    inputs = pfld_inputs()
    if not with_attributes:
        del inputs["attributes"]
    trained = ["landmarks", "landmarks_target", "angles", "angles_target"]

    def value_and_gradient(index, weight):
        leaves = {k: v.clone().requires_grad_(k in trained) for k, v in inputs.items()}
        picked = {k: v[index] for k, v in leaves.items()}
        loss = pfld_loss(**picked, weight=weight, **options)
        gradients = torch.autograd.grad(loss.total, [leaves[k] for k in trained])
        return loss.total, loss["l2"], *gradients

    everything = slice(None)
    kept = torch.tensor([True, False, True, True, False, True, True, True])
    once = [0, 2, 3, 5, 6, 7]
    for index, weight in (
        (once, kept),
        (once, kept.double()),
        (once, 7 * kept.double()),
        (once, kept[:, None]),
        (once, 7 * kept[:, None, None].double()),
        (once, 7 * kept[:, None].double().expand(8, 6)),
        ([*once, 3], kept.double() + torch.eye(8, dtype=torch.float64)[3]),
    ):
        expected = value_and_gradient(index, None)
        for got, want in zip(value_and_gradient(everything, weight), expected, strict=True):
            torch.testing.assert_close(got, want)


def point_weights():
    weight = torch.rand(8, 6, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    weight[2], weight[5, 1:], weight[6, 0] = 0, 0, 0
    return weight


def documented_point_weights(inputs, weight, pose_bias=0.0, attribute_bias=0.0):
    """The definition over the faces that have a point, one at a time."""
    heaviest = [max(row) for row in weight.tolist()]
    batch, attributes = sum(heaviest), inputs["attributes"].tolist()
    frequency = [
        sum(h * row[c] for h, row in zip(heaviest, attributes, strict=True)) / batch
        for c in range(4)
    ]
    weighted = plain = 0.0
    for b, row in enumerate(weight.tolist()):
        difference = inputs["landmarks"][b] - inputs["landmarks_target"][b]
        distance = sum(
            w * (x**2 + y**2) for w, (x, y) in zip(row, difference.tolist(), strict=True) if w
        )
        angles = (inputs["angles"][b] - inputs["angles_target"][b]).tolist()
        pose = pose_bias + sum(1 - math.cos(d) for d in angles)
        rare = attribute_bias + sum(
            a / f for a, f in zip(attributes[b], frequency, strict=True) if f
        )
        weighted += pose * rare * distance if distance else 0.0
        plain += distance
    return weighted / batch, plain / batch


@pytest.mark.parametrize("options", [{}, {"pose_bias": 0.5, "attribute_bias": 0.25}], ids=str)
@pytest.mark.parametrize("flat", [False, True])
def test_a_weight_of_points_weighs_the_squared_distances(options, flat):
    inputs, weight = pfld_inputs(), point_weights()
    visible = (weight > 0.4, (weight > 0.4).double())
    for given in (weight, weight[..., None], *visible, visible[0][..., None], weight[:1]):
        full = given.double().reshape(len(given), 6).expand(8, 6)
        expected = documented_point_weights(inputs, full, **options)
        shaped = {
            k: v.flatten(1) if flat and k.startswith("landmarks") else v for k, v in inputs.items()
        }
        loss = PFLDLoss(**options)(**shaped, weight=given)
        assert (loss.total.item(), loss["l2"].item()) == pytest.approx(expected)


def test_a_point_pulls_as_hard_among_hidden_points_as_among_visible_ones():
    inputs = pfld_inputs()
    inputs["landmarks"].requires_grad_()
    weight = torch.ones(8, 6, dtype=torch.bool)
    (everywhere,) = torch.autograd.grad(pfld_loss(**inputs).total, inputs["landmarks"])
    weight[:, 2] = False
    loss = pfld_loss(**inputs, weight=weight)
    (gradient,) = torch.autograd.grad(loss.total, inputs["landmarks"])
    torch.testing.assert_close(gradient, everywhere.where(weight[..., None], 0))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_point_of_weight_zero_may_hold_anything(dtype):
    inputs = {k: v.to(dtype) for k, v in pfld_inputs().items()}
    weight = point_weights() > 0.4
    trained = ["landmarks", "landmarks_target", "angles"]

    def value_and_gradients(inputs):
        leaves = {k: v.clone().requires_grad_(k in trained) for k, v in inputs.items()}
        loss = pfld_loss(**leaves, weight=weight, pose_bias=0.5)
        return (
            loss.total,
            loss["l2"],
            *torch.autograd.grad(loss.total, [leaves[k] for k in trained]),
        )

    expected = value_and_gradients(inputs)
    hidden = dict(inputs)
    for name, value in (("landmarks", torch.nan), ("landmarks_target", torch.inf)):
        hidden[name] = inputs[name].where(weight[..., None], value)
    for name in ("angles", "angles_target", "attributes"):
        hidden[name] = inputs[name].where(weight.any(1)[:, None], torch.nan)
    for got, want in zip(value_and_gradients(hidden), expected, strict=True):
        torch.testing.assert_close(got, want)
    with lossbook.check_values(), warnings.catch_warnings():
        warnings.simplefilter("error")
        pfld_loss(**hidden, weight=weight, pose_bias=0.5)
    seen = hidden | {"landmarks": inputs["landmarks"].where(~weight[..., None], torch.nan)}
    with lossbook.check_values(), pytest.raises(ValueError, match="landmarks holds .* NaN"):
        pfld_loss(**seen, weight=weight)


def test_one_weight_for_all_samples_changes_nothing():
    inputs = pfld_inputs()
    expected = pfld_loss(**inputs)
    for weight in (torch.tensor(True), torch.tensor(3.0), torch.ones(1, 6), torch.full((1, 6), 3)):
        loss = pfld_loss(**inputs, weight=weight.to(torch.float64))
        torch.testing.assert_close(loss["l2"], expected["l2"])
        torch.testing.assert_close(loss.total, expected.total)


@pytest.mark.own_errors
def test_a_weight_of_pfld_that_does_not_fit_is_refused():
    inputs = pfld_inputs()
    for shape in [(6,), (1,), (8, 5), (8, 6, 3), (3, 6), (8, 6, 1, 1)]:
        with pytest.raises(ValueError, match="weight must have the shape of landmarks"):
            pfld_loss(**inputs, weight=torch.ones(shape))
    for shape in [(8, 6, 2), (8, 12)]:
        with pytest.raises(ValueError, match="weight must have one value a point"):
            pfld_loss(**inputs, weight=torch.ones(shape))
    with pytest.raises(TypeError, match="visibility > 0"):
        pfld_loss(**inputs, weight=torch.full((8, 6), 2))


def test_check_values_looks_at_the_weight():
    inputs = pfld_inputs()
    with lossbook.check_values():
        with pytest.raises(ValueError, match="weight must not be negative"):
            pfld_loss(**inputs, weight=torch.full((8, 6), -1.0))
        with pytest.warns(UserWarning, match="every weight is 0") as caught:
            pfld_loss(**inputs, weight=torch.zeros(8))
        assert len(caught) == 1


def test_the_gradient_under_a_weight_of_points_is_that_of_the_value():
    inputs, weight = {k: v[:3] for k, v in pfld_inputs().items()}, point_weights()[:3]
    trained = ["landmarks", "landmarks_target", "angles", "angles_target"]

    def function(*values):
        return pfld_loss(**inputs | dict(zip(trained, values, strict=True)), weight=weight).total

    values = [inputs[name].requires_grad_() for name in trained]
    assert torch.autograd.gradcheck(function, values)
    assert torch.autograd.gradgradcheck(function, values)


@pytest.mark.parametrize("form", ["samples", "points", "points of all"])
@pytest.mark.parametrize("with_attributes", [True, False])
def test_a_learned_weight_gets_the_gradient_of_the_value(form, with_attributes):
    inputs = {k: v[:4] for k, v in pfld_inputs().items()}
    inputs = inputs if with_attributes else inputs | {"attributes": None}
    generator = torch.Generator().manual_seed(1)
    shape = {"samples": (4,), "points": (4, 6), "points of all": (1, 6)}[form]
    weight = 0.1 + torch.rand(shape, generator=generator, dtype=torch.float64)

    def terms(weight):
        loss = pfld_loss(**inputs, weight=weight, pose_bias=0.5, attribute_bias=0.25)
        return loss.total, loss["l2"]

    constant = terms(weight)
    learned = weight.clone().requires_grad_()
    torch.testing.assert_close(terms(learned), constant)
    assert torch.autograd.gradcheck(terms, learned)
    assert torch.autograd.gradgradcheck(terms, learned)
    by_function = torch.func.grad(lambda weight: terms(weight)[0])(weight)
    torch.testing.assert_close(by_function, torch.autograd.grad(terms(learned)[0], learned)[0])


@pytest.mark.compiles
def test_a_learned_weight_gets_its_gradient_from_compiled_code():
    torch.compiler.reset()
    inputs, weight = pfld_inputs(), point_weights().requires_grad_()
    compiled = torch.compile(pfld_loss, fullgraph=True, backend="eager")
    got, expected = compiled(**inputs, weight=weight).total, pfld_loss(**inputs, weight=weight)
    torch.testing.assert_close(got, expected.total)
    gradients = [torch.autograd.grad(total, weight)[0] for total in (got, expected.total)]
    assert gradients[0].any()
    torch.testing.assert_close(*gradients)


def test_a_learned_weight_of_zero_may_hide_anything():
    inputs, weight = pfld_inputs(), point_weights()
    hidden = dict(inputs)
    for name in ("landmarks", "landmarks_target"):
        hidden[name] = inputs[name].where((weight != 0)[..., None], torch.nan)
    absent = (weight == 0).all(1)[:, None]
    for name in ("angles", "angles_target", "attributes"):
        hidden[name] = inputs[name].masked_fill(absent, torch.nan)
    weight.requires_grad_()
    (expected,) = torch.autograd.grad(pfld_loss(**inputs, weight=weight).total, weight)
    (got,) = torch.autograd.grad(pfld_loss(**hidden, weight=weight).total, weight)
    torch.testing.assert_close(got, expected)
    assert got.isfinite().all() and got.any()
    with lossbook.check_values():
        pfld_loss(**hidden, weight=weight).total.backward()
    assert weight.grad.any()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_a_learned_weight_in_another_dtype_gets_its_gradient_in_its_own(dtype):
    weight = torch.ones(8, dtype=dtype, requires_grad=True)
    pfld_loss(**pfld_inputs(), weight=weight).backward()
    assert weight.grad.dtype is dtype and weight.grad.any()


@pytest.mark.own_errors
def test_a_learned_weight_beside_a_group_is_refused(alone):
    weight = torch.ones(8, requires_grad=True)
    with pytest.raises(ValueError, match=r"weight must be constant.*pass weight.detach\(\)"):
        pfld_loss(**pfld_inputs(), weight=weight, group="world")
    pfld_loss(**pfld_inputs(), weight=weight.detach(), group="world")
    with torch.no_grad():
        pfld_loss(**pfld_inputs(), weight=weight, group="world")


@pytest.mark.compiles
def test_with_a_weight_of_points_it_compiles_to_one_graph():
    torch.compiler.reset()
    inputs, weight = pfld_inputs(), point_weights()
    compiled = torch.compile(pfld_loss, fullgraph=True, backend="eager")
    for given in (weight, weight > 0.4, weight[..., None], weight[:, 0], weight[:1]):
        torch.testing.assert_close(
            compiled(**inputs, weight=given).total, pfld_loss(**inputs, weight=given).total
        )


def test_a_sample_of_weight_zero_may_hold_anything():
    inputs = pfld_inputs()
    kept = torch.ones(8, dtype=torch.bool)
    kept[2] = False
    alone = pfld_loss(**{k: v[kept] for k, v in inputs.items()})
    for value in inputs.values():
        value[2] = torch.nan
    inputs["landmarks"].requires_grad_()
    inputs["angles"].requires_grad_()
    masked = pfld_loss(**inputs, weight=kept)
    torch.testing.assert_close(masked.total, alone.total)
    torch.testing.assert_close(masked["l2"], alone["l2"])
    for gradient in torch.autograd.grad(masked.total, [inputs["landmarks"], inputs["angles"]]):
        assert gradient.isfinite().all()
        assert not gradient[2].any()
    nothing = pfld_loss(**inputs, weight=0 * kept.float())
    assert nothing.total == 0


def test_many_points_are_weighed_as_a_few_are():
    generator = torch.Generator().manual_seed(0)
    inputs = pfld_inputs(200)
    inputs["landmarks"], inputs["landmarks_target"] = torch.randn(
        2, 200, 98, 2, generator=generator, dtype=torch.float64
    )
    weight = torch.rand(200, 98, generator=generator) < 0.5
    weight[3] = False
    for flat in (False, True):
        shaped = {
            k: v.flatten(1) if flat and k.startswith("landmarks") else v for k, v in inputs.items()
        }
        loss = pfld_loss(**shaped, weight=weight)
        distance = (inputs["landmarks"] - inputs["landmarks_target"]).square().sum(-1) * weight
        present = weight.any(1)
        kept = {k: v[present] for k, v in inputs.items()}
        factor = pose_weight(kept["angles"], kept["angles_target"])
        factor = factor * attribute_weight(kept["attributes"])
        torch.testing.assert_close(loss.total, (factor * distance.sum(1)[present]).mean())
        torch.testing.assert_close(loss["l2"], distance.sum(1)[present].mean())
