"""What a rank counts for: masked means over two ranks are those of one process."""

import pickle

import pytest
import torch
import torch.distributed as dist
from ranks import two_ranks_of

from lossbook import rank_share
from lossbook.hands import auxiliary_loss, keypoint_3d_loss
from lossbook.landmarks import wing_loss
from lossbook.motion import MotionLoss, Part, Parts, by_letter

SIZES = (4, 3)
PARTS = Parts({"scale": Part(0, 1), "exp": Part(1, 4, 2.0)})
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


def of_motion(given, part, share):
    frames = FRAMES[part]
    steps = frames[:, 1:] & frames[:, :-1]
    counted = {"P": frames, "V": steps, "A": steps[:, 1:] & steps[:, :-1], "L": frames[:, 0]}
    module = MotionLoss(parts=PARTS, weights={"V": 0.5, "A": 2.0})
    terms = by_letter(module(*given["clips"], given["clips"][1, :, 3], weight=frames))
    return sum(share(counted[name]) * term for name, term in terms.contributions().items())


def of_nothing(given, part, share):
    weight = torch.zeros(len(LABELLED[part]))
    return share(weight) * wing_loss(*given["faces"], weight=weight, reduction="mean")


def of_one_rank(given, part, share):
    weight = (torch.arange(7) < 3)[part]
    return share(weight) * wing_loss(*given["faces"], weight=weight, reduction="mean")


LOSSES = {
    function.__name__: function
    for function in (of_faces, of_joints, of_first_stage, of_motion, of_nothing, of_one_rank)
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
    for name in ("of_faces", "of_joints", "of_first_stage", "of_motion", "of_one_rank"):
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
