"""What a rank counts for: masked means over two ranks are those of one process."""

import functools
import pickle

import pytest
import torch
import torch.distributed as dist
from matrix import needs_torch
from ranks import two_ranks_of

from lossbook import rank_share
from lossbook.hands import auxiliary_loss, keypoint_3d_loss
from lossbook.landmarks import wing_loss
from lossbook.motion import (
    LastFrameLoss,
    MotionL1,
    MotionLoss,
    Part,
    Parts,
    PVALoss,
    motion_l1,
    rank_shares,
)

SIZES = (4, 3)
PARTS = Parts({"scale": Part(0, 1), "exp": Part(1, 4, 2.0)})
OVERLAPPING = Parts({"all": Part(0, 4), "exp": Part(2, 4, 2.0)}, overlap=True)
FRAMES = torch.arange(9) < torch.tensor([9, 5, 9, 2, 3, 9, 0])[:, None]
LABELLED = torch.tensor([True, False, True, True, False, True, False])
CONFIDENCE = torch.linspace(0, 0.3, 7 * 5).reshape(7, 5)


def inputs():
    generator = torch.Generator().manual_seed(3)
    shapes = {"faces": (7, 6, 2), "joints": (7, 5, 3), "pose": (7, 6), "clips": (7, 9, 4)}
    return {
        name: torch.randn(2, *shape, generator=generator, dtype=torch.float64)
        for name, shape in shapes.items()
    }


def of_faces(given, part, share):
    weight = LABELLED[part]
    loss = wing_loss(*given["faces"], w=0.5, epsilon=0.2, weight=weight, reduction="mean")
    return share(weight) * loss


def of_joints(given, part, share):
    confidence = CONFIDENCE[part]
    loss = keypoint_3d_loss(*given["joints"], confidence=confidence, reduction="mean")
    return share(confidence) * loss


def of_first_stage(given, part, share):
    pose, target = given["pose"]
    weight = LABELLED[part]
    return share(weight) * auxiliary_loss(pose, 2 * pose, target, target, weight=weight)


ELEMENTS = torch.rand(7, 9, 4, generator=torch.Generator().manual_seed(5))
# In every form that a motion loss takes.
MASKS = {
    "nothing": lambda part: {},
    "frames": lambda part: {"weight": FRAMES[part]},
    "frames_as_floats": lambda part: {"weight": FRAMES[part].float() * 0.3},
    "column": lambda part: {"weight": FRAMES[part][..., None]},
    "clips": lambda part: {"weight": torch.linspace(0, 2, 7)[part]},
    "alike": lambda part: {"weight": torch.linspace(1, 0, 9)[None]},
    "lengths": lambda part: {"lengths": FRAMES.sum(1)[part]},
    "lengths_and_clips": lambda part: {
        "lengths": FRAMES.sum(1)[part],
        "weight": torch.linspace(0, 2, 7)[part],
    },
    "elements": lambda part: {"weight": ELEMENTS[part] * FRAMES[part][..., None]},
    "mask_of_elements": lambda part: {"weight": ELEMENTS[part] > 0.4},
    "dimensions": lambda part: {"weight": torch.linspace(0, 1, 4)[None, None]},
}


def of_motion(form, parts, reduction, given, part, share):
    masks = MASKS[form](part)
    input, target = given["clips"]
    weights = {"V": 0.5, "A": 2.0}
    module = MotionLoss(parts=parts, weights=weights, use_reg_loss=True, reduction=reduction)
    loss = module(input, target, target[:, 3], **masks)
    if share is not rank_share:
        return loss.total
    shares = module.rank_shares(input, **masks)
    every = rank_shares(input, parts=parts, reduction=reduction, **masks)
    assert shares == {name: every[name] for name in loss.terms}
    return loss.rescaled(shares).total


def of_size(given, part, share):
    masks = MASKS["elements"](part)
    terms = motion_l1(given["clips"][0], parts=PARTS, coefficients=0.5, **masks)
    shares = rank_shares(given["clips"][0], parts=PARTS, **masks) if share is rank_share else {}
    return sum(shares.get(name, 1) * term for name, term in terms.terms.items())


def of_nothing(given, part, share):
    weight = torch.zeros(len(LABELLED[part]))
    return share(weight) * wing_loss(*given["faces"], weight=weight, reduction="mean")


def of_one_rank(given, part, share):
    weight = (torch.arange(7) < 3)[part]
    return share(weight) * wing_loss(*given["faces"], weight=weight, reduction="mean")


LOSSES = {
    function.__name__: function
    for function in (of_faces, of_joints, of_first_stage, of_size, of_nothing, of_one_rank)
} | {
    f"of_motion_{form}_{kind}_{reduction}": functools.partial(of_motion, form, parts, reduction)
    for form in MASKS
    for kind, parts in (("parted", PARTS), ("overlapping", OVERLAPPING))
    for reduction in ("mean", "batchmean", "sum")
    if kind == "parted" or reduction == "mean"
}


def gradient(loss, rank, share):
    parts = torch.arange(7).split(SIZES)
    part = slice(None) if rank is None else slice(int(parts[rank][0]), int(parts[rank][-1]) + 1)
    given = {name: pair[:, part].clone().requires_grad_() for name, pair in inputs().items()}
    total = loss(given, part, share)
    found = torch.autograd.grad(total, list(given.values()), allow_unused=True)
    (found,) = (g for g in found if g is not None)
    return total.item(), found


def work(rank):
    found = {}
    for name, loss in LOSSES.items():
        total, slopes = gradient(loss, rank, rank_share)
        # Averaged over the ranks, as DistributedDataParallel does.
        found[name] = total / 2, (slopes / 2).tolist()
    weight = torch.ones(2 + rank)
    pair = dist.new_group([0, 1])
    found["shares"] = [
        rank_share(weight).item(),
        rank_share(weight, group=pair).item(),
        rank_share(weight, group=pair.group_name).item(),
        rank_share(weight, group=None).item(),
    ]
    # Only one rank asks, and none waits.
    with torch.no_grad():
        found["alone"] = rank_share(weight).item() if rank == 0 else 1.0
    found["pickled"] = pickle.loads(pickle.dumps(rank_share))(weight).item()
    return found


two_ranks = two_ranks_of(work)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.spawns
def test_masked_means_of_two_ranks_are_those_of_one_process(two_ranks, name):
    total, expected = gradient(LOSSES[name], None, rank_share)
    assert sum(rank[name][0] for rank in two_ranks) == pytest.approx(total, rel=1e-5, abs=1e-12)
    found = torch.cat([torch.tensor(rank[name][1], dtype=torch.float64) for rank in two_ranks], 1)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-8)
    assert bool(expected.any()) == (name != "of_nothing")


def test_without_the_share_they_are_not():
    """Otherwise the test above would show nothing."""
    motions = [name for name in LOSSES if name.startswith("of_motion")]
    for name in ("of_faces", "of_joints", "of_first_stage", "of_size", "of_one_rank", *motions):
        halves = [gradient(LOSSES[name], rank, lambda weight: 1)[1] / 2 for rank in range(2)]
        expected = gradient(LOSSES[name], None, lambda weight: 1)[1]
        assert (torch.cat(halves, 1) - expected).abs().max() > 1e-3 * expected.abs().max()


@pytest.mark.spawns
def test_shares_of_groups_add_up_to_their_size(two_ranks):
    for rank, expected in zip(two_ranks, (4 / 5, 6 / 5), strict=True):
        assert rank["shares"] == pytest.approx([expected] * 3 + [1.0])
        assert rank["pickled"] == pytest.approx(expected)
        assert rank["alone"] == 1


@pytest.mark.parametrize(
    "weight",
    [
        torch.ones(4, 98, dtype=torch.bool),
        torch.zeros(3),
        torch.full((2, 5, 1), 0.25, dtype=torch.bfloat16),
        torch.tensor(2.0, requires_grad=True),
    ],
    ids=["mask", "nothing", "half", "learned"],
)
def test_one_process_has_share_one(weight):
    share = rank_share(weight)
    assert share == 1
    assert share.dtype is torch.float32
    assert not share.requires_grad
    assert rank_share(weight.double()).dtype is torch.float64


def test_a_group_of_one_has_share_one(alone):
    assert rank_share(torch.full((3,), 0.1)) == 1
    # Where nothing counts, nothing is trained.
    assert rank_share(torch.zeros(3)) == 0


@needs_torch(2, 10, "a sum over ranks has no form for meta tensors")
def test_a_share_of_nothing_but_shapes_is_one_as_well(alone):
    assert rank_share(torch.ones(2, device="meta")).is_meta


@pytest.mark.own_errors
def test_other_things_than_masks_and_groups_are_refused():
    for weight, message in (
        (3, "weight must be a torch.Tensor, got int"),
        (torch.ones(3).long(), "visibility > 0"),
    ):
        with pytest.raises(TypeError, match=message):
            rank_share(weight)
    with pytest.raises(TypeError, match="group must be None, 'world' or a process group, got int"):
        rank_share(torch.ones(3), group=0)
    with pytest.raises(ValueError, match="got 'wrold'"):
        rank_share(torch.ones(3), group="wrold")


def test_shares_of_a_motion_on_one_process_are_one():
    motion = torch.randn(7, 9, 4)
    shares = rank_shares(motion, parts=PARTS, weight=FRAMES)
    assert set(shares) == {f"{part}_{letter}" for part in PARTS for letter in "PVALR"}
    assert all(share == 1 for share in shares.values())
    assert set(rank_shares(motion[:, :1], parts=PARTS)) == set(shares)


def test_a_module_has_the_shares_of_its_own_terms():
    motion = torch.randn(7, 9, 4)
    options = {"parts": PARTS}
    for module, inputs in (
        (PVALoss(**options), (motion,)),
        (LastFrameLoss(only="exp", **options), (motion[:, 0],)),
        (MotionL1(coefficients={"exp": 1.0}, **options), ()),
        (MotionLoss(only="exp", use_reg_loss=True, **options), (motion, motion[:, 0])),
        (MotionLoss(weights={"L": 0.0}, **options), (motion,)),
    ):
        shares = module.rank_shares(motion)
        assert set(shares) == set(module(motion, *inputs).terms)
        assert module(motion, *inputs).rescaled(shares).total == module(motion, *inputs).total


@pytest.mark.own_errors
def test_other_reductions_and_masks_by_position_are_refused():
    motion = torch.randn(7, 9, 4)
    with pytest.raises(ValueError, match="the terms are scalars, got 'none'"):
        rank_shares(motion, parts=PARTS, reduction="none")
    with pytest.raises(TypeError, match="^rank_shares takes 1 by position.*weight="):
        MotionLoss(parts=PARTS).rank_shares(motion, FRAMES)


def test_of_what_a_group_of_one_counts_nowhere_the_share_is_zero(alone):
    motion = torch.randn(7, 9, 4)
    shares = rank_shares(motion, parts=PARTS, lengths=torch.full((7,), 2))
    assert {name: share.item() for name, share in shares.items() if name[-1] != "A"} == {
        f"{part}_{letter}": 1 for part in PARTS for letter in "PVLR"
    }
    assert shares["exp_A"] == 0


@pytest.mark.compiles
def test_a_share_compiles_with_its_loss(alone):
    torch.compiler.reset()

    @torch.compile(fullgraph=True, backend="aot_eager")
    def step(faces, target, weight):
        loss = wing_loss(faces, target, weight=weight, reduction="mean")
        return rank_share(weight) * loss

    faces, target = inputs()["faces"]
    faces.requires_grad_()
    expected = wing_loss(faces, target, weight=LABELLED, reduction="mean")
    torch.testing.assert_close(step(faces, target, LABELLED), expected)
