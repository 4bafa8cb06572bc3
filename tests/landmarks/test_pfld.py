"""What PFLD is, beyond what every loss must do."""

import math
import warnings

import pytest
import torch

import lossbook
from lossbook.landmarks import (
    PFLDLoss,
    attribute_weight,
    pfld_loss,
    pose_weight,
)
from lossbook.registry import card


def pfld_inputs(batch=8, seed=0):
    return card("pfld_loss").inputs(batch, torch.Generator().manual_seed(seed))


def documented_pfld(landmarks, landmarks_target, angles, angles_target, attributes):
    """The definition, with loops and Python numbers."""
    batch, kinds = attributes.shape
    frequency = [sum(attributes[b, c].item() for b in range(batch)) / batch for c in range(kinds)]
    total = 0.0
    for b in range(batch):
        pose = sum(1 - math.cos(d) for d in (angles[b] - angles_target[b]).tolist())
        rare = sum(attributes[b, c].item() / frequency[c] for c in range(kinds) if frequency[c])
        total += (
            pose * rare * sum(d**2 for d in (landmarks[b] - landmarks_target[b]).flatten().tolist())
        )
    return total / batch


@pytest.mark.parametrize("factor", [-1.0, -0.5, 0.01])
def test_a_mean_does_not_change_with_the_scale_of_the_weights(factor):
    inputs, weight = pfld_inputs(), torch.linspace(0.5, 2, 8).double()
    expected = pfld_loss(**inputs, weight=weight)
    scaled = pfld_loss(**inputs, weight=factor * weight)
    for name in ("weighted", "l2"):
        torch.testing.assert_close(scaled[name], expected[name])


def test_the_defaults_are_the_documented_loss():
    inputs = pfld_inputs()
    assert pfld_loss(**inputs).total.item() == pytest.approx(documented_pfld(**inputs))


@pytest.mark.parametrize("seed", range(5))
def test_attribute_weight_averages_to_the_number_of_present_attributes(seed):
    generator = torch.Generator().manual_seed(seed)
    rates = torch.tensor([0.02, 0.3, 0.9, 0.0])
    attributes = (torch.rand(40, 4, generator=generator) < rates).double()
    present = attributes.any(0).sum().item()
    assert attribute_weight(attributes).mean().item() == pytest.approx(present)


@pytest.mark.parametrize("weight", [None, torch.linspace(0, 2, 8), torch.arange(8) > 3])
def test_attributes_may_be_booleans_as_masks_are(weight):
    inputs = pfld_inputs()
    known = inputs["attributes"] > 0
    inputs["attributes"] = known.to(inputs["landmarks"].dtype)
    whole = inputs | {"attributes": known}
    with lossbook.check_values():
        pair = [pfld_loss(**given, weight=weight) for given in (inputs, whole)]
    assert pair[0].log() == pair[1].log()
    assert torch.equal(attribute_weight(known), attribute_weight(known.float()))


def test_a_sample_without_attributes_has_weight_zero_unless_there_is_a_bias():
    inputs = pfld_inputs()
    inputs["attributes"][0] = 0
    inputs["landmarks"].requires_grad_()
    (gradient,) = torch.autograd.grad(pfld_loss(**inputs).total, inputs["landmarks"])
    assert not gradient[0].any()
    assert gradient[1:].any()
    loss = pfld_loss(**inputs, attribute_bias=1.0).total
    assert torch.autograd.grad(loss, inputs["landmarks"])[0][0].all()


def test_a_perfect_pose_stops_the_landmarks_unless_there_is_a_bias():
    inputs = pfld_inputs()
    inputs["angles"] = inputs["angles_target"].clone()
    inputs["landmarks"].requires_grad_()
    loss = pfld_loss(**inputs)
    assert loss.total == 0
    assert loss.terms["l2"] > 0
    assert not torch.autograd.grad(loss.total, inputs["landmarks"])[0].any()
    assert pfld_loss(**inputs, pose_bias=1.0).total > 0


def test_with_both_biases_one_and_nothing_else_pfld_is_l2():
    inputs = pfld_inputs()
    inputs["angles"] = inputs["angles_target"]
    inputs["attributes"] = torch.zeros_like(inputs["attributes"])
    loss = pfld_loss(**inputs, pose_bias=1.0, attribute_bias=1.0)
    assert loss.total.item() == pytest.approx(loss.terms["l2"].item())


def test_flat_and_paired_landmarks_are_the_same():
    inputs = pfld_inputs()
    flat = {k: v.flatten(1) if k.startswith("landmarks") else v for k, v in inputs.items()}
    torch.testing.assert_close(pfld_loss(**flat).total, pfld_loss(**inputs).total)


def test_degrees_and_radians():
    inputs = pfld_inputs()
    in_degrees = {k: torch.rad2deg(v) if "angles" in k else v for k, v in inputs.items()}
    in_radians = pfld_loss(**inputs).total
    torch.testing.assert_close(pfld_loss(**in_degrees, degrees=True).total, in_radians)
    assert not torch.isclose(pfld_loss(**in_degrees).total, in_radians)
    torch.testing.assert_close(PFLDLoss(degrees=True)(**in_degrees).total, in_radians)


def test_pose_weight_keeps_its_digits_for_small_angles():
    angle = torch.tensor([[1e-4, 0.0, 0.0]])
    assert pose_weight(angle, torch.zeros(1, 3)).item() == pytest.approx(5e-9, rel=1e-6)
    assert (1 - torch.cos(angle)).sum().item() != pytest.approx(5e-9, rel=0.1)


def test_half_angles_neither_vanish_nor_overflow():
    landmarks = torch.zeros(16, 196)
    attributes = torch.zeros(16, 1)
    attributes[0] = 1
    for size in (1e-4, 0.01):
        angles = torch.full((16, 3), size).half().requires_grad_()
        arguments = landmarks, landmarks + 20, angles, torch.zeros(16, 3).half(), attributes
        total = pfld_loss(*arguments).total
        (gradient,) = torch.autograd.grad(total, angles)
        exact = [a.detach().double().requires_grad_(a is angles) for a in arguments]
        exact_total = pfld_loss(*exact).total
        (exact_gradient,) = torch.autograd.grad(exact_total, exact[2])
        assert total.item() == pytest.approx(exact_total.item(), rel=1e-3)
        assert gradient[0].double().tolist() == pytest.approx(exact_gradient[0].tolist(), rel=2e-3)


def test_differences_are_taken_before_digits_are_lost():
    angles = torch.tensor([[180.25, 0, 0]]).half(), torch.tensor([[-179.75, 0, 0]]).half()
    exact = pose_weight(angles[0].double(), angles[1].double(), degrees=True)
    assert pose_weight(*angles, degrees=True).item() == pytest.approx(exact.item(), abs=1e-6)
    far = torch.full((1, 2), 40_000.0).half()
    weightless = pfld_loss(far, -far, *torch.zeros(2, 1, 3), torch.zeros(1, 1))
    assert weightless.total == 0
    near = torch.tensor([[1000.5, 0.0]]).half(), torch.tensor([[0.25, 0.0]]).half()
    turned = [angles.double() for angles in _turned(1)]
    exact = pfld_loss(*(n.double() / 1000 for n in near), *turned, torch.ones(1, 1))
    half = pfld_loss(*(n.float() / 1000 for n in near), *_turned(1), torch.ones(1, 1))
    assert half.total.item() == pytest.approx(exact.total.item(), rel=1e-5)


def _turned(batch):
    return torch.full((batch, 3), 0.5), torch.zeros(batch, 3)


def test_frequencies_of_large_half_batches_are_exact():
    attributes = torch.zeros(3000, 3)
    attributes[:1000, 0] = attributes[:700, 1] = attributes[:333, 2] = 1
    for dtype in (torch.bfloat16, torch.float16):
        got = attribute_weight(attributes.to(dtype)).double()
        torch.testing.assert_close(
            got, attribute_weight(attributes.double()), rtol=torch.finfo(dtype).eps, atol=0
        )


def test_a_nan_target_of_weight_zero_trains_nothing_and_shows_in_the_monitor():
    inputs = pfld_inputs()
    inputs["attributes"][0] = 0
    inputs["landmarks_target"][0] = torch.nan
    inputs["landmarks"].requires_grad_()
    loss = pfld_loss(**inputs)
    (gradient,) = torch.autograd.grad(loss.total, inputs["landmarks"])
    assert loss.total.isfinite()
    assert gradient.isfinite().all()
    assert loss.terms["l2"].isnan()


def test_attributes_are_constants():
    inputs = pfld_inputs()
    inputs["attributes"].requires_grad_()
    assert not attribute_weight(inputs["attributes"]).requires_grad
    assert not pfld_loss(**inputs).total.requires_grad


def test_landmarks_keep_their_dtype_whatever_the_attributes_come_in():
    inputs = {k: v.float() for k, v in pfld_inputs().items()}
    inputs["attributes"] = inputs["attributes"].double()
    assert pfld_loss(**inputs).total.dtype == torch.float32


def test_check_values_explains_what_trains_nothing_and_what_is_wrong():
    inputs = pfld_inputs()
    none = torch.zeros_like(inputs["attributes"])
    cases = [
        ({"attributes": none}, {}, UserWarning, "no sample of this batch has an attribute"),
        ({"angles": inputs["angles_target"]}, {}, UserWarning, "estimated pose is perfect"),
    ]
    with lossbook.check_values():
        for replaced, options, warning, message in cases:
            with pytest.warns(warning, match=message):
                pfld_loss(**inputs | replaced, **options)
        with pytest.raises(ValueError, match="angles_target looks like degrees"):
            pfld_loss(**inputs | {"angles_target": inputs["angles_target"] + 30})
        with pytest.raises(ValueError, match="only 0 and 1"):
            pfld_loss(**inputs | {"attributes": inputs["attributes"] * 0.5})
        with pytest.raises(ValueError, match="landmarks holds"):
            pfld_loss(**inputs | {"landmarks": inputs["landmarks"] * torch.nan})
        half = inputs["attributes"].clone()
        half[::2] = 0
        perfect_where_present = torch.where(half.any(1)[:, None], 0, inputs["angles"])
        truth = torch.where(half.any(1)[:, None], 0, inputs["angles_target"])
        with pytest.warns(UserWarning, match="a perfect pose or no attribute"):
            pfld_loss(
                **inputs
                | {"attributes": half, "angles": perfect_where_present, "angles_target": truth}
            )
    with lossbook.check_values(), warnings.catch_warnings():
        warnings.simplefilter("error")
        pfld_loss(**{k: v[:0] for k, v in inputs.items()})
        pfld_loss(**inputs | {"angles": inputs["angles_target"]}, pose_bias=1.0)
        pfld_loss(**inputs | {"attributes": none}, attribute_bias=1.0)
        pfld_loss(**inputs | {"angles_target": inputs["angles_target"] + 30}, degrees=True)


@pytest.mark.own_errors
def test_biases_that_float32_cannot_hold_are_refused_in_float32_only():
    for name in ("pose_bias", "attribute_bias"):
        inputs = {k: v.float() for k, v in pfld_inputs().items()}
        with pytest.raises(ValueError, match=f"^{name} must be at most"):
            pfld_loss(**inputs, **{name: 1e39})
        assert pfld_loss(**pfld_inputs(), **{name: 1e39}).total.isfinite()


def test_pfld_without_attributes_has_no_such_factor():
    inputs = pfld_inputs()
    del inputs["attributes"]
    loss = pfld_loss(**inputs)
    pose = pose_weight(inputs["angles"], inputs["angles_target"])
    distance = (inputs["landmarks"] - inputs["landmarks_target"]).square().flatten(1).sum(1)
    torch.testing.assert_close(loss.total, (pose * distance).mean())
    torch.testing.assert_close(loss["l2"], distance.mean())
    everyone = pfld_loss(**inputs, attributes=torch.ones(8, 1))
    torch.testing.assert_close(loss.total, everyone.total)
    # Without attributes their factor is 1, whatever its bias.
    assert pfld_loss(**inputs, attribute_bias=3.0).total == loss.total


@pytest.mark.own_errors
def test_pfld_refuses_tensors_that_do_not_belong_together():
    inputs = {k: v.float() for k, v in pfld_inputs().items()}
    wide = {k: inputs[k].double() for k in ("landmarks", "landmarks_target")}
    with pytest.raises(TypeError, match="landmarks is torch.float64.*angles is torch.float32"):
        pfld_loss(**inputs | wide)
    with pytest.raises(ValueError, match="weight is on meta, landmarks on cpu; move it"):
        pfld_loss(**inputs, weight=torch.ones(8, device="meta"))
    for name in ("attributes", "landmarks", "angles"):
        with pytest.raises(ValueError, match=f"{name} is on meta.*move one with .to"):
            pfld_loss(**inputs | {name: inputs[name].to("meta")})


def test_check_values_lets_landmarks_pass_that_do_not_count():
    with lossbook.check_values(), warnings.catch_warnings():
        warnings.simplefilter("error")
        inputs = pfld_inputs()
        inputs["attributes"][0] = 0
        inputs["landmarks_target"][0] = torch.nan
        pfld_loss(**inputs)
        weight = torch.ones(8)
        weight[0] = 0
        pfld_loss(**inputs | {"attributes": torch.ones(8, 2)}, weight=weight)
        del inputs["attributes"]
        pfld_loss(**inputs, weight=weight > 0)
    with lossbook.check_values(), pytest.raises(ValueError, match="landmarks_target holds 12 NaN"):
        pfld_loss(**inputs)
