"""What the landmark losses are, beyond what every loss must do."""

import math
import multiprocessing
import warnings

import pytest
import torch
import torch.distributed as dist

import lossbook
from lossbook.landmarks import (
    PFLDLoss,
    attribute_weight,
    pfld_loss,
    pose_weight,
    smooth_l1_loss,
    wing_constant,
    wing_loss,
)
from lossbook.registry import card


def pfld_inputs(batch=8, seed=0):
    return card("pfld_loss").inputs(batch, torch.Generator().manual_seed(seed))


def documented_smooth_l1(y_true, y_pred, beta):
    """The formula of the source note, one number at a time."""
    total = 0.0
    for t, p in zip(y_true.flatten().tolist(), y_pred.flatten().tolist(), strict=True):
        error = abs(t - p)
        total += error - 0.5 * beta if error > beta else 0.5 * error**2 / beta
    return total / len(y_true)


def documented_wing(y_true, y_pred, w, epsilon):
    """The formula of the source note, one number at a time."""
    constant = w * (1 - math.log(1 + w / epsilon))
    total = 0.0
    for t, p in zip(y_true.flatten().tolist(), y_pred.flatten().tolist(), strict=True):
        error = abs(t - p)
        total += w * math.log(1 + error / epsilon) if error < w else error - constant
    return total / len(y_true)


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


def test_the_defaults_are_the_documented_losses():
    inputs = pfld_inputs()
    x, y = inputs["landmarks"], inputs["landmarks_target"]
    assert smooth_l1_loss(x, y).item() == pytest.approx(documented_smooth_l1(y, x, 1.0))
    assert wing_loss(x, y).item() == pytest.approx(documented_wing(y, x, 10.0, 2.0))
    assert pfld_loss(**inputs).total.item() == pytest.approx(documented_pfld(**inputs))


def test_smooth_l1_is_torchs_own():
    x, y = torch.randn(2, 4, 10)
    expected = torch.nn.functional.smooth_l1_loss(x, y, beta=0.3)
    torch.testing.assert_close(smooth_l1_loss(x, y, beta=0.3, reduction="mean"), expected)
    expected = torch.nn.functional.l1_loss(x, y)
    torch.testing.assert_close(smooth_l1_loss(x, y, beta=0.0, reduction="mean"), expected)


def test_wing_constant():
    # By hand: 10 (1 - ln 6) = 10 (1 - 1.791759) = -7.91759
    assert wing_constant(10.0, 2.0) == pytest.approx(10 * (1 - math.log(6)), rel=1e-15)
    assert wing_constant(10.0, 2.0) == pytest.approx(-7.91759, abs=1e-5)
    with pytest.raises(ValueError, match="epsilon"):
        wing_constant(1.0, 0.0)


def test_wing_is_continuous_at_w_and_its_slope_is_not():
    def slope(at):
        x = torch.tensor(at, dtype=torch.float64, requires_grad=True)
        loss = wing_loss(x, torch.zeros_like(x))
        return loss.item(), torch.autograd.grad(loss, x)[0].item()

    below, above = slope(10.0 - 1e-9), slope(10.0 + 1e-9)
    assert above[0] - below[0] < 1e-8
    assert below[1] == pytest.approx(10 / 12)
    assert above[1] == slope(10.0)[1] == 1
    assert slope(1e-12)[1] == pytest.approx(5)
    assert slope(0.0)[1] == 0


def test_wing_scales_with_the_unit():
    x, y = torch.randn(2, 3, 8, dtype=torch.float64) * 10
    pixels = wing_loss(x, y, w=10.0, epsilon=2.0)
    millimetres = wing_loss(0.25 * x, 0.25 * y, w=2.5, epsilon=0.5)
    assert millimetres.item() == pytest.approx(0.25 * pixels.item())


def test_wing_approaches_scaled_l1_for_large_epsilon_and_differs_for_small():
    x, y = torch.randn(2, 3, 8, dtype=torch.float64)
    l1 = (x - y).abs().sum().item() / 3
    assert wing_loss(x, y, w=10.0, epsilon=1e9).item() == pytest.approx(l1 * 10 / 1e9, rel=1e-6)
    assert wing_loss(x, y).item() != pytest.approx(l1 * 10 / 2, rel=0.1)


@pytest.mark.parametrize("seed", range(5))
def test_attribute_weight_averages_to_the_number_of_present_attributes(seed):
    generator = torch.Generator().manual_seed(seed)
    rates = torch.tensor([0.02, 0.3, 0.9, 0.0])
    attributes = (torch.rand(40, 4, generator=generator) < rates).double()
    present = attributes.any(0).sum().item()
    assert attribute_weight(attributes).mean().item() == pytest.approx(present)


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


def _rank(rank, path, sizes, queue):
    dist.init_process_group("gloo", init_method=f"file://{path}", rank=rank, world_size=len(sizes))
    shard = {k: v.split(sizes)[rank] for k, v in pfld_inputs(sum(sizes)).items()}
    shard["landmarks"] = shard["landmarks"].clone().requires_grad_()
    shard["angles"] = shard["angles"].clone().requires_grad_()
    loss = PFLDLoss(attribute_bias=0.5, group=dist.group.WORLD)(**shard)
    loss.total.backward()
    # What DistributedDataParallel does: average over the ranks.
    values = [loss.total.item(), loss.terms["l2"].item()]
    gradients = [shard[k].grad.numpy() / len(sizes) for k in ("landmarks", "angles")]
    queue.put((rank, values, gradients))
    dist.barrier()
    dist.destroy_process_group()


@pytest.mark.parametrize("sizes", [[4, 4], [5, 2]], ids=str)
def test_two_ranks_give_the_gradient_of_one(tmp_path, sizes, monkeypatch):
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "lo")
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    ranks = [
        context.Process(target=_rank, args=(r, tmp_path / "rendezvous", sizes, queue))
        for r in range(2)
    ]
    for process in ranks:
        process.start()
    results = sorted(queue.get(timeout=120) for _ in ranks)
    for process in ranks:
        process.join(60)
        assert process.exitcode == 0

    whole = pfld_inputs(sum(sizes))
    whole["landmarks"].requires_grad_()
    whole["angles"].requires_grad_()
    loss = pfld_loss(**whole, attribute_bias=0.5)
    loss.total.backward()
    average = [sum(values) / 2 for values in zip(*(r[1] for r in results), strict=True)]
    assert average == pytest.approx([loss.total.item(), loss.terms["l2"].item()])
    for i, name in enumerate(("landmarks", "angles")):
        gathered = torch.cat([torch.as_tensor(r[2][i]) for r in results])
        torch.testing.assert_close(gathered, whole[name].grad)

    without_group = [
        pfld_loss(**{k: v.split(sizes)[r] for k, v in whole.items()}) for r in range(2)
    ]
    local = sum(loss.total.item() for loss in without_group) / 2
    assert local != pytest.approx(pfld_loss(**whole).total.item(), rel=1e-3)


def test_training_with_wing_finds_the_median():
    generator = torch.Generator().manual_seed(0)
    target = torch.randn(101, 1, generator=generator)
    target[:5] += 500.0
    guess = torch.full((1,), 30.0, requires_grad=True)
    optimizer = torch.optim.Adam([guess], lr=0.3)
    start = wing_loss(guess.expand_as(target), target).item()
    for _ in range(400):
        optimizer.zero_grad()
        wing_loss(guess.expand_as(target), target).backward()
        optimizer.step()
    assert wing_loss(guess.expand_as(target), target).item() < 0.7 * start
    assert abs(guess.item() - target.median().item()) < 0.5
    assert abs(target.mean().item()) > 10
