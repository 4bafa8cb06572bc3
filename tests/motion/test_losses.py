"""The motion losses against their definitions, written out number by number."""

import copy
import itertools
import math
import pickle

import pytest
import torch
from matrix import needs_torch

import lossbook
from lossbook.motion import (
    DITTO_PARTS,
    LastFrameLoss,
    MotionLoss,
    Part,
    Parts,
    PVALoss,
    last_frame_loss,
    motion_l1,
    pva_loss,
    terms,
)
from lossbook.motion.plain import motion as plain_motion

PARTS = Parts({"scale": Part(0, 1), "yaw": Part(1, 4, 0.5), "exp": Part(4, 6, 2.0)})
SHUFFLED = Parts({"exp": Part(4, 6, 2.0), "scale": Part(0, 1), "yaw": Part(1, 4, 0.5)})
OVERLAPPING = Parts({"head": Part(0, 4), "all": Part(0, 6, 0.25)}, overlap=True)
DIM_WEIGHTS = torch.tensor([0.5, 1.0, 0.0, 2.0, 3.0, 0.25], dtype=torch.float64)
LAYOUTS = pytest.mark.parametrize(
    "parts", [PARTS, SHUFFLED, OVERLAPPING], ids=["in order", "shuffled", "overlapping"]
)


def clips(batch=3, frames=6, dims=6, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    target = torch.randn(batch, frames, dims, generator=generator, dtype=torch.float64).cumsum(1)
    error = torch.randn(batch, frames, dims, generator=generator, dtype=torch.float64)
    return (target + error).to(dtype), target.to(dtype)


def differences(row, order):
    """Differences of neighbours, `order` times."""
    for _ in range(order):
        row = [after - before for before, after in itertools.pairwise(row)]
    return row


def by_hand(values, target, part, order, dim_weights=None, seen=None):
    """One term as the note defines it: loops over clips, dimensions and frames."""
    total, count = 0.0, 0
    for b in range(len(values)):
        for d in range(part.start, part.stop):
            own = differences([values[b, t, d] for t in range(values.shape[1])], order)
            true = differences([target[b, t, d] for t in range(values.shape[1])], order)
            factor = part.weight * (1 if dim_weights is None else dim_weights[d])
            for t, (x, y) in enumerate(zip(own, true, strict=True)):
                if seen is None or all(seen[b][t : t + order + 1]):
                    total = total + factor * (x - y) ** 2
                    count += 1
    return total / count if count else torch.tensor(0.0, dtype=torch.float64)


def check_terms(loss, leaf, names_and_values):
    assert list(loss.terms) == [name for name, _ in names_and_values]
    for name, expected in names_and_values:
        torch.testing.assert_close(loss[name], expected)
        assert loss.weights[name] == 1
        got = torch.autograd.grad(loss[name], leaf, retain_graph=True)[0]
        if expected.requires_grad:
            torch.testing.assert_close(got, torch.autograd.grad(expected, leaf)[0])
        else:
            assert not got.any()
    torch.testing.assert_close(loss.total, sum(loss.terms.values()))


@LAYOUTS
@pytest.mark.parametrize("dim_weights", [None, DIM_WEIGHTS], ids=["alike", "weighted"])
def test_each_term_and_its_gradient_is_that_of_its_definition(parts, dim_weights):
    values, target = clips()
    values.requires_grad_()
    loss = pva_loss(values, target, parts=parts, dim_weights=dim_weights)
    expected = [
        (f"{name}_{letter}", by_hand(values, target, part, order, dim_weights))
        for name, part in parts.items()
        for order, letter in enumerate("PVA")
    ]
    check_terms(loss, values, expected)


def test_the_default_has_the_eighteen_documented_terms():
    values, target = clips(batch=2, frames=5, dims=265)
    loss = pva_loss(values, target)
    parts = ("scale", "pitch", "yaw", "roll", "t", "exp")
    assert list(loss.terms) == [f"{part}_{letter}" for part in parts for letter in "PVA"]
    for name, (start, stop, _) in DITTO_PARTS.items():
        error = (values - target)[..., start:stop]
        for letter, of in zip(
            "PVA", (error, error.diff(dim=1), error.diff(n=2, dim=1)), strict=True
        ):
            torch.testing.assert_close(loss[f"{name}_{letter}"], of.square().mean())


def test_a_public_log_of_ditto_adds_up_to_its_total():
    # antgroup/ditto-talkinghead, issue 83, epoch 9: P, V, A, L of each part.
    log = {
        "scale": (0.017112, 0.004612, 0.010059, 0.002739),
        "pitch": (0.016806, 0.004801, 0.010147, 0.001199),
        "yaw": (0.019747, 0.005004, 0.010716, 0.001525),
        "roll": (0.016587, 0.004200, 0.009271, 0.001255),
        "t": (0.037762, 0.003841, 0.006722, 0.002037),
        "exp": (0.072293, 0.021780, 0.048507, 0.027511),
    }
    assert sum(map(sum, log.values())) == pytest.approx(0.356230, abs=12e-6)
    values, target = clips(batch=1, frames=3, dims=265)
    loss = MotionLoss()(values, target, target[:, 0])
    assert list(loss.terms) == [f"{part}_{letter}" for part in log for letter in "PVAL"]


# Filters ----------------------------------------------------------------------------------------


def test_an_offset_costs_nothing_in_velocity_and_acceleration():
    _, target = clips()
    loss = pva_loss(target + 3.0, target, parts=PARTS)
    for name, part in PARTS.items():
        assert loss[f"{name}_P"].item() == pytest.approx(9 * part.weight)
        assert loss[f"{name}_V"].item() == pytest.approx(0, abs=1e-24)
        assert loss[f"{name}_A"].item() == pytest.approx(0, abs=1e-24)


@pytest.mark.parametrize("cycles", [1, 3, 7, 10])
def test_velocity_and_acceleration_are_the_filters_of_the_formula(cycles):
    from lossbook.motion import symbolic

    # Whole periods, and two frames more, so that each mean is over the same phases.
    frames = 20
    omega = 2 * math.pi * cycles / frames
    t = torch.arange(frames + 2, dtype=torch.float64)
    phases = torch.arange(8, dtype=torch.float64)[:, None] * math.pi / 4
    error = torch.cos(omega * t + phases)[..., None]
    loss = pva_loss(error, torch.zeros_like(error), parts={"x": Part(0, 1)})
    gains = (symbolic.VELOCITY_GAIN, symbolic.ACCELERATION_GAIN)
    for letter, gain in zip("VA", gains, strict=True):
        expected = float(gain.subs(symbolic.omega, omega))
        assert (loss[f"x_{letter}"] / loss["x_P"]).item() == pytest.approx(expected)


def test_the_formulas_of_frequency_and_autocorrelation_agree():
    import sympy as sp

    from lossbook.motion import symbolic as s

    wave = sp.exp(sp.I * s.omega)
    of_one_wave = {s.rho_1: sp.cos(s.omega), s.rho_2: sp.cos(2 * s.omega)}
    for gain, ratio, order in (
        (s.VELOCITY_GAIN, s.VELOCITY_RATIO, 1),
        (s.ACCELERATION_GAIN, s.ACCELERATION_RATIO, 2),
    ):
        response = sp.expand((wave - 1) ** order * (1 / wave - 1) ** order, func=True)
        for form in (ratio.subs(of_one_wave), sp.expand(response.rewrite(sp.cos))):
            assert sp.simplify((gain - form).rewrite(sp.exp)) == 0


def test_large_motions_keep_the_digits_of_small_errors():
    error = torch.tensor([0.25, -0.5, 0.125, 0.5])[None, :, None]
    target = torch.full_like(error, 4096.0)
    loss = pva_loss(target + error, target, parts={"x": Part(0, 1)})
    exact = pva_loss(error.double(), 0 * error.double(), parts={"x": Part(0, 1)})
    for name in loss.terms:
        assert loss[name].item() == pytest.approx(exact[name].item(), rel=1e-6)


# Short clips ------------------------------------------------------------------------------------


@pytest.mark.parametrize("frames", [1, 2])
@pytest.mark.own_errors
def test_a_clip_too_short_for_an_acceleration_is_refused(frames):
    values, target = clips(frames=frames)
    for form in (
        pva_loss,
        PVALoss(parts=PARTS),
        MotionLoss(parts=PARTS, use_last_frame_loss=False),
    ):
        options = {"parts": PARTS} if form is pva_loss else {}
        with pytest.raises(ValueError, match=rf"at least 3 frames.*\(3, {frames}, 6\).*'zero'"):
            form(values, target, **options)


@pytest.mark.parametrize("frames", [1, 2])
@pytest.mark.parametrize("weight", [None, torch.ones(3), torch.ones(3, 1), torch.ones(1, 1, 6)])
def test_or_has_terms_of_zero_where_asked_for(frames, weight):
    values, target = clips(frames=frames)
    values.requires_grad_()
    loss = pva_loss(values, target, parts=PARTS, weight=weight, short_clips="zero")
    for name, part in PARTS.items():
        torch.testing.assert_close(loss[f"{name}_P"], by_hand(values, target, part, 0))
        for order, letter in ((1, "V"), (2, "A")):
            torch.testing.assert_close(
                loss[f"{name}_{letter}"], by_hand(values, target, part, order)
            )
            if frames <= order:
                assert loss[f"{name}_{letter}"] == 0
    assert torch.autograd.grad(loss.total, values)[0].isfinite().all()


def test_first_frame_and_size_need_no_second_frame():
    values, target = clips(frames=1)
    assert last_frame_loss(values, target[:, 0], parts=PARTS).total > 0
    assert motion_l1(values, parts=PARTS).total > 0


# Masks ------------------------------------------------------------------------------------------

SEEN = [
    [True, True, True, True, True, True],
    [True, True, True, True, False, False],
    [True, False, True, True, True, False],
]


@LAYOUTS
@pytest.mark.parametrize("dim_weights", [None, DIM_WEIGHTS], ids=["alike", "weighted"])
@pytest.mark.parametrize("junk", [0.5, torch.nan, torch.inf])
@pytest.mark.parametrize("form", ["bool", "float", "column", "learned", "full"])
def test_a_difference_across_a_masked_frame_does_not_count(parts, dim_weights, junk, form):
    values, target = clips()
    seen = torch.tensor(SEEN)
    weight = {
        "bool": seen,
        "float": seen.float(),
        "column": seen[..., None],
        "learned": seen.double().requires_grad_(),
        "full": seen[..., None].expand(-1, -1, 6),
    }[form]
    expected = {
        f"{name}_{letter}": by_hand(values, target, part, order, dim_weights, SEEN)
        for name, part in parts.items()
        for order, letter in enumerate("PVA")
    }
    spoilt = [motion.clone() for motion in (values, target)]
    for motion in spoilt:
        motion[~seen] = junk
    spoilt[0].requires_grad_()
    loss = pva_loss(*spoilt, parts=parts, dim_weights=dim_weights, weight=weight)
    for name, value in expected.items():
        torch.testing.assert_close(loss[name], value)
    (gradient,) = torch.autograd.grad(loss.total, spoilt[0])
    assert gradient.isfinite().all()
    assert not gradient[~seen].any()
    assert gradient[seen].any()


def test_a_padded_batch_is_the_mean_over_the_frames_that_there_are():
    long, short = clips(batch=1, frames=9), clips(batch=1, frames=5, seed=1)
    padded = [
        torch.cat([a, torch.cat([b, torch.full((1, 4, 6), torch.nan, dtype=b.dtype)], 1)])
        for a, b in zip(long, short, strict=True)
    ]
    lengths = torch.tensor([9, 5])
    loss = pva_loss(*padded, parts=PARTS, weight=torch.arange(9) < lengths[:, None])
    for order, letter in enumerate("PVA"):
        alone = [pva_loss(*pair, parts=PARTS)[f"yaw_{letter}"] for pair in (long, short)]
        counts = [9 - order, 5 - order]
        expected = (alone[0] * counts[0] + alone[1] * counts[1]) / sum(counts)
        torch.testing.assert_close(loss[f"yaw_{letter}"], expected)


@pytest.mark.parametrize("form", ["frames", "column", "dimensions", "both"])
def test_a_label_of_nan_behind_a_mask_is_worked_out_once(form, monkeypatch):
    ways = []
    original = terms._terms
    monkeypatch.setattr(
        terms, "_terms", lambda asked, hide: ways.append(hide) or original(asked, hide)
    )
    values, target = clips(batch=40, frames=30)
    seen = torch.rand(40, 30, generator=torch.Generator().manual_seed(0)) > 0.3
    weight = None if form == "dimensions" else seen[..., None] if form == "column" else seen
    dim_weights = DIM_WEIGHTS if form in ("dimensions", "both") else None
    hidden = torch.zeros(40, 30, 6, dtype=torch.bool)
    if weight is not None:
        hidden |= ~seen[..., None]
    if dim_weights is not None:
        hidden |= dim_weights == 0
    labels = [target, target[:, 0] + 1]
    spoilt = [target.masked_fill(hidden, torch.nan), labels[1].masked_fill(hidden[:, 0], torch.inf)]
    loss = MotionLoss(parts=PARTS, dim_weights=dim_weights)
    found = []
    for given in (labels, spoilt):
        input = values.clone().requires_grad_()
        total = loss(input, *given, weight=weight).total
        found.append((total, torch.autograd.grad(total, input)[0]))
    assert ways == [False, False]
    assert torch.equal(found[0][0], found[1][0])
    assert torch.equal(found[0][1], found[1][1])


def test_a_label_of_nan_that_counts_stays():
    values, target = clips()
    target[0, 0], target[1, 2, 0] = torch.nan, torch.nan
    assert pva_loss(values, target, parts=PARTS, weight=torch.tensor([0.0, 1, 1])).total.isnan()


def test_clips_that_only_a_mask_shortens_have_terms_of_zero():
    values, target = clips()
    loss = pva_loss(values, target, parts=PARTS, weight=(torch.arange(6) < 2)[None])
    assert loss["yaw_V"] > 0
    assert loss["yaw_A"] == 0


def test_a_weight_of_two_is_two_clips():
    values, target = clips()
    frame = target[:, 0] + 1
    loss = MotionLoss(parts=PARTS, use_reg_loss=True)
    twice = [torch.cat([motion, motion[:1]]) for motion in (values, target, frame)]
    weighted = loss(values, target, frame, weight=torch.tensor([2.0, 1.0, 1.0]))
    for name, term in loss(*twice).terms.items():
        torch.testing.assert_close(weighted[name], term)


def test_a_dimension_or_a_part_of_weight_zero_may_hold_anything():
    values, target = clips()
    silent = Parts({**PARTS, "exp": Part(4, 6, 0.0)})
    spoilt = values.clone()
    spoilt[..., 2] = torch.nan
    spoilt[0, 0, 4] = torch.inf
    spoilt.requires_grad_()
    frame = target[:, 0] + 1
    loss = MotionLoss(parts=silent, dim_weights=DIM_WEIGHTS)
    found = loss(spoilt, target, frame)
    for name, term in loss(values, target, frame).terms.items():
        torch.testing.assert_close(found[name], term)
    assert found["exp_P"] == found["exp_L"] == 0
    (gradient,) = torch.autograd.grad(found.total, spoilt)
    assert gradient.isfinite().all()
    assert not gradient[..., 4:].any()


def test_of_overlapping_parts_one_that_counts_is_enough():
    values, target = clips()
    parts = Parts({"off": Part(0, 6, 0.0), "on": Part(0, 3)}, overlap=True)
    spoilt = values.clone()
    spoilt[..., 3:] = torch.nan
    loss = pva_loss(spoilt, target, parts=parts)
    torch.testing.assert_close(loss["on_P"], (values - target)[..., :3].square().mean())
    assert loss["off_P"] == 0


# First frame and size ---------------------------------------------------------------------------


@LAYOUTS
@pytest.mark.parametrize("dim_weights", [None, DIM_WEIGHTS], ids=["alike", "weighted"])
def test_the_first_predicted_frame_is_compared_with_the_condition(parts, dim_weights):
    values, target = clips()
    values.requires_grad_()
    frame = target[:, 0] + 1
    loss = last_frame_loss(values, frame, parts=parts, dim_weights=dim_weights)
    start = values[:, :1]
    expected = [
        (f"{name}_L", by_hand(start, frame[:, None], part, 0, dim_weights))
        for name, part in parts.items()
    ]
    check_terms(loss, values, expected)


def test_only_some_parts_may_have_a_first_frame():
    values, target = clips()
    loss = last_frame_loss(values, target[:, 0], parts=PARTS)
    assert list(loss.terms) == ["scale_L", "yaw_L", "exp_L"]
    for only, names in (("exp", ["exp_L"]), (["exp", "scale"], ["scale_L", "exp_L"])):
        some = last_frame_loss(values, target[:, 0], parts=PARTS, only=only)
        assert list(some.terms) == names
        assert all(torch.equal(some[name], loss[name]) for name in names)


def test_the_first_frame_weighs_a_clips_length_times_what_position_gives_it():
    values, target = clips(frames=80)
    values.requires_grad_()
    of_start = last_frame_loss(values, target[:, 0], parts=PARTS).total
    of_all = pva_loss(values, target, parts=PARTS)
    position = sum(of_all[f"{name}_P"] for name in PARTS)
    (pull,) = torch.autograd.grad(of_start, values)
    (part,) = torch.autograd.grad(position, values)
    torch.testing.assert_close(pull[:, 0], 80 * part[:, 0])
    assert not pull[:, 1:].any()


def test_the_size_of_each_part_is_pulled_to_zero_but_the_scale():
    values, _ = clips()
    loss = motion_l1(values, parts=PARTS)
    assert list(loss.terms) == ["yaw_R", "exp_R"]
    for name in ("yaw", "exp"):
        start, stop, _ = PARTS[name]
        expected = 1e-4 * values[..., start:stop].abs().mean()
        torch.testing.assert_close(loss[f"{name}_R"], expected)
    assert list(motion_l1(clips(dims=265)[0]).terms) == [
        "pitch_R", "yaw_R", "roll_R", "t_R", "exp_R",
    ]  # fmt: skip


def test_coefficients_are_a_number_for_all_or_a_number_each():
    values, _ = clips()
    sizes = {name: values[..., s:e].abs().mean() for name, (s, e, _) in PARTS.items()}
    for coefficients, expected in (
        (0.5, {"scale": 0.5, "yaw": 0.5, "exp": 0.5}),
        ({"scale": 0.5}, {"scale": 0.5, "yaw": 1e-4, "exp": 1e-4}),
        ({"yaw": 0.0}, {"exp": 1e-4}),
    ):
        loss = motion_l1(values, parts=PARTS, coefficients=coefficients)
        assert list(loss.terms) == [f"{name}_R" for name in expected]
        for name, factor in expected.items():
            torch.testing.assert_close(loss[f"{name}_R"], factor * sizes[name])


def test_size_knows_no_weights_of_parts_and_dimensions():
    values, target = clips()
    loss = MotionLoss(
        parts=PARTS, dim_weights=DIM_WEIGHTS, use_last_frame_loss=False, use_reg_loss=True
    )
    expected = motion_l1(values, parts={name: (s, e, 1.0) for name, (s, e, _) in PARTS.items()})
    for name, term in expected.terms.items():
        torch.testing.assert_close(loss(values, target)[name], term)


# The total --------------------------------------------------------------------------------------

FLAGS = list(itertools.product((True, False), repeat=2))


@pytest.mark.parametrize(("start", "size"), FLAGS)
@pytest.mark.parametrize(
    "dim_weights", [None, torch.linspace(0, 2, 265)], ids=["alike", "weighted"]
)
def test_the_total_is_the_plain_sum_that_the_flags_ask_for(start, size, dim_weights):
    values, target = clips(frames=4, dims=265)
    frame = target[:, 0] + 1
    options = {"use_last_frame_loss": start, "use_reg_loss": size, "dim_weights": dim_weights}
    loss = MotionLoss(**options)(values, target, frame)
    letters = "PVA" + "L" * start + "R" * size
    expected = [
        f"{part}_{x}" for part in DITTO_PARTS for x in letters if (part, x) != ("scale", "R")
    ]
    assert list(loss.terms) == expected
    torch.testing.assert_close(loss.total, sum(loss.terms.values()))
    torch.testing.assert_close(loss.total, plain_motion(values, target, frame, **options))


def test_the_reading_of_the_notes_table_has_first_frame_and_size_on_exp_alone():
    values, target = clips()
    loss = MotionLoss(parts=PARTS, use_reg_loss=True, only="exp")(values, target, target[:, 1])
    assert [name for name in loss.terms if name[-1] in "LR"] == ["exp_L", "exp_R"]


def test_weights_of_any_dtype_never_promote_the_loss():
    for dtype in (torch.float16, torch.bfloat16, torch.float32, torch.float64):
        values, target = clips(dtype=dtype)
        for weights in (torch.float16, torch.float64):
            loss = pva_loss(values, target, parts=PARTS, dim_weights=DIM_WEIGHTS.to(weights))
            assert loss.total.dtype == torch.promote_types(dtype, torch.float32)


@pytest.mark.own_errors
def test_float64_beside_narrower_clips_is_refused():
    values, target = clips()
    for given in (
        (values.float(), target, target[:, 0]),
        (values, target.float(), target[:, 0]),
        (values.float(), target.float(), target[:, 0]),
    ):
        with pytest.raises(TypeError, match="float64 and narrower inputs do not mix"):
            MotionLoss(parts=PARTS)(*given)


@pytest.mark.own_errors
def test_a_module_checks_its_weights_once_when_it_is_made():
    for bad, message in (
        (torch.tensor([1.0, -1, 1, 1, 1, 1]), "dim_weights must not be negative"),
        (torch.tensor([1.0, torch.nan, 1, 1, 1, 1]), "dim_weights holds 1 NaN"),
        (torch.ones(5), r"dim_weights must have shape \(6,\), got \(5,\)"),
    ):
        for module in (PVALoss, LastFrameLoss, MotionLoss):
            with pytest.raises(ValueError, match=message):
                module(parts=PARTS, dim_weights=bad)


def test_the_weights_move_with_the_module_and_are_in_no_checkpoint():
    module = MotionLoss(parts=PARTS, dim_weights=DIM_WEIGHTS)
    assert not module.state_dict()
    values, target = clips()
    for other in (copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
        assert other.parts == module.parts
        expected = module(values, target, target[:, 0])
        torch.testing.assert_close(other(values, target, target[:, 0]).total, expected.total)
    assert module.to("meta").dim_weights.is_meta


def test_a_printed_module_counts_its_weights_and_does_not_list_them():
    shown = repr(MotionLoss(dim_weights=torch.ones(265)))
    assert "dim_weights=265 weights, use_last_frame_loss=True" in shown
    assert "dim_weights=None" in repr(MotionLoss())


def test_a_first_frame_that_is_not_used_may_be_passed():
    values, target = clips()
    module = MotionLoss(parts=PARTS, use_last_frame_loss=False)
    with_frame, without = module(values, target, target[:, 0]), module(values, target)
    assert torch.equal(with_frame.total, without.total)


@pytest.mark.own_errors
def test_check_values_passes_over_what_does_not_count():
    values, target = clips()
    frame = target[:, 0] + 1
    spoilt, seen = values.clone(), torch.tensor(SEEN)
    spoilt[~seen] = torch.nan
    spoilt[..., 2] = torch.inf
    loss = MotionLoss(parts=PARTS, dim_weights=DIM_WEIGHTS)
    with lossbook.check_values():
        assert loss(spoilt, target, frame, weight=seen).total.isfinite()
        with pytest.raises(ValueError, match="input holds 20 NaN"):
            loss(spoilt, target, frame)
        with pytest.raises(ValueError, match="weight must not be negative"):
            loss(values, target, frame, weight=-torch.ones(3))
        with pytest.raises(ValueError, match="dim_weights must not be negative"):
            pva_loss(values, target, parts=PARTS, dim_weights=-DIM_WEIGHTS)
        later = values.clone()
        later[:, 1:] = torch.nan
        assert last_frame_loss(later, frame, parts=PARTS).total.isfinite()


# Compilers --------------------------------------------------------------------------------------


@pytest.mark.compiles
def test_equal_parts_do_not_recompile_and_a_schedule_of_weights_does_once():
    from torch._dynamo.testing import CompileCounter

    torch.compiler.reset()
    counter = CompileCounter()

    @torch.compile(fullgraph=True, backend=counter)
    def step(values, target, parts):
        return pva_loss(values, target, parts=parts).total

    values, target = clips()
    plain = {name: tuple(part) for name, part in PARTS.items()}
    for _ in range(3):
        expected = pva_loss(values, target, parts=PARTS).total
        torch.testing.assert_close(step(values, target, Parts(plain)), expected)
    assert counter.frame_count == 1
    for index in range(6):
        parts = Parts({**PARTS, "exp": Part(4, 6, 0.1 * (index + 1))})
        expected = pva_loss(values, target, parts=parts).total
        torch.testing.assert_close(step(values, target, parts), expected)
    assert counter.frame_count <= 3


@needs_torch(2, 9, "a dictionary of tuples does not compile")
@pytest.mark.compiles
def test_a_plain_mapping_of_parts_and_masked_nan_compile():
    torch.compiler.reset()
    plain = {name: tuple(part) for name, part in PARTS.items()}
    seen = torch.tensor(SEEN)
    compiled = torch.compile(
        lambda values, target: pva_loss(values, target, parts=plain, weight=seen).total,
        fullgraph=True,
        backend="aot_eager",
    )
    values, target = clips()
    expected = pva_loss(values, target, parts=PARTS, weight=seen).total
    values[~seen] = torch.nan
    values.requires_grad_()
    found = compiled(values, target)
    torch.testing.assert_close(found, expected)
    assert torch.autograd.grad(found, values)[0].isfinite().all()


def test_coefficients_without_r_are_warned_of():
    with pytest.warns(UserWarning, match="coefficients are given, and R is off"):
        MotionLoss(coefficients=0.1)
