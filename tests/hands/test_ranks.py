"""What the terms of a hand's total count for on a rank: two ranks are one process."""

import math

import pytest
import torch
import torch.distributed as dist
from ranks import two_ranks_of

from lossbook.hands import HandLoss, HandPrediction, HandTarget, keypoint_3d_loss, rank_shares
from lossbook.hands.losses import keypoint_count

BATCH = 7
SPLITS = {"uneven": (4, 3), "empty": (7, 0)}
TERMS = ("2d", "3d_joint", "3d_vert", "prior", "aux")
LABELLED = torch.tensor([True, False, True, True, False, True, False])


def hands():
    """Hands of which the roots of three are hidden, two of them unknown, all on the first rank."""
    generator = torch.Generator().manual_seed(8)

    def draw(*shape):
        return torch.randn(BATCH, *shape, generator=generator, dtype=torch.float64) / 4

    prediction = {
        "keypoints_2d": draw(21, 2),
        "keypoints_3d": draw(21, 3),
        "vertices": draw(30, 3),
        "betas": draw(10),
        "coarse_pose": draw(48),
        "coarse_shape": draw(10),
    }
    target = {
        "keypoints_2d": draw(21, 2),
        "confidence_2d": torch.rand(BATCH, 21, generator=generator, dtype=torch.float64),
        "keypoints_3d": draw(21, 3),
        "confidence_3d": torch.rand(BATCH, 21, generator=generator, dtype=torch.float64),
        "vertices": draw(30, 3),
        "pose": draw(48),
        "shape": draw(10),
    }
    target["confidence_3d"][:3, 0] = 0
    target["keypoints_3d"][:2, 0] = math.nan
    return prediction, target


MASKS = {
    "nothing": lambda part: None,
    "samples": lambda part: torch.linspace(0, 2, BATCH, dtype=torch.float64)[part],
    "mask": lambda part: LABELLED[part],
    "by term": lambda part: {
        "3d_joint": LABELLED[part],
        "2d": (torch.arange(21) > torch.arange(BATCH)[:, None])[part],
        "aux": LABELLED[part].float(),
    },
    "points": lambda part: {"3d_vert": torch.linspace(0, 1, 30)[None], "3d_joint": LABELLED[part]},
}
REDUCTIONS = ("mean", "batchmean", "sum")
CASES = [
    (reduction, mask, root, split, lacks)
    for reduction in REDUCTIONS
    for mask in MASKS
    for root in (0, None)
    for split in SPLITS
    for lacks in ((), ("vertices", "pose"))
    if root == 0 or reduction == "mean"
]


def gradient(case, rank, shared):
    """Of the total, on a rank as DistributedDataParallel averages it, or on one process."""
    reduction, mask, root, split, lacks = case
    first = SPLITS[split][0]
    part = slice(None) if rank is None else (slice(0, first), slice(first, BATCH))[rank]
    prediction, target = hands()
    if root is None:
        target["keypoints_3d"].nan_to_num_()
    leaves = {name: value[part].clone().requires_grad_() for name, value in prediction.items()}
    known = {name: value[part] for name, value in target.items()}
    weight = MASKS[mask](part)
    if lacks and rank == 1:
        known |= dict.fromkeys(lacks)
        known["shape"] = None
    elif lacks and rank is None:
        # On one process the same labels count: those of the first rank.
        weight = weight if isinstance(weight, dict) else dict.fromkeys(TERMS, weight)
        there = (torch.arange(BATCH) < first).double()
        for term in ("3d_vert", "aux"):
            given = weight.get(term)
            given = torch.ones(BATCH) if given is None else given
            weight[term] = given * (there if given.ndim == 1 else there[:, None])
        weight = {name: value for name, value in weight.items() if value is not None}
    loss = HandLoss(
        use_vertex_loss=True, reduction=reduction, root=root, optional=("3d_vert", "aux")
    )
    terms = loss(leaves, known, weight=weight)
    if shared:
        given = {"weight": weight, "reduction": reduction, "root": root}
        every = rank_shares(leaves, known, **given)
        assert set(every) == set(TERMS)
        shares = loss.rank_shares(leaves, known, weight=weight)
        assert shares == {name: every[name] for name in terms.terms}
        total = terms.rescaled(shares).total / 2
    else:
        total = terms.total
    found = torch.autograd.grad(total, list(leaves.values()), allow_unused=True)
    pairs = zip(found, leaves.values(), strict=True)
    return [(torch.zeros_like(of) if g is None else g).flatten(1).tolist() for g, of in pairs]


def exchanged(rank):
    """How many tensors a rank sends for all its shares."""
    sent, reduce_all = [], dist.all_reduce

    def counted(tensor, **options):
        sent.append(tensor.numel())
        return reduce_all(tensor, **options)

    dist.all_reduce = counted
    try:
        rank_shares(*hands(), reduction="mean")
    finally:
        dist.all_reduce = reduce_all
    return sent


def work(rank):
    torch.set_num_threads(1)
    found = {case: gradient(case, rank, True) for case in CASES}
    found["exchanged"] = exchanged(rank)
    with torch.no_grad():
        found["alone"] = rank == 1 or [
            share.item() for share in rank_shares(*hands(), reduction="sum").values()
        ]
    # A rank whose labels are all of another kind takes part in the same exchange.
    prediction, target = hands()
    lone = ({"keypoints_2d": prediction["keypoints_2d"]}, {"keypoints_2d": target["keypoints_2d"]})
    one = lone if rank else ({"betas": prediction["betas"].float()}, {})
    one = [{name: value.float() for name, value in fields.items()} for fields in one]
    found["apart"] = {n: s.item() for n, s in rank_shares(*one, reduction="mean").items()}
    return found


two_ranks = two_ranks_of(work)


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.spawns
def test_with_its_shares_a_total_on_two_ranks_is_that_of_one_process(two_ranks, reduction, split):
    for case in CASES:
        if case[0] != reduction or case[3] != split or (case[4] and reduction == "batchmean"):
            continue
        expected = gradient(case, None, False)
        sides = zip(*(rank[case] for rank in two_ranks), expected, strict=True)
        for index, (first, second, whole) in enumerate(sides):
            found = torch.tensor(first + second, dtype=torch.float64)
            wanted = torch.tensor(whole, dtype=torch.float64)
            close = torch.allclose(found, wanted, rtol=1e-6, atol=1e-12)
            assert close, (case, list(hands()[0])[index])
            assert wanted.any()


@pytest.mark.spawns
def test_all_shares_of_a_hand_are_one_exchange(two_ranks):
    for rank in two_ranks:
        assert rank["exchanged"] == [5]
    assert two_ranks[0]["alone"] == [1] * 5
    expected = {"2d": 0.0, "prior": 2.0}
    for rank, flip in zip(two_ranks, (1, 0), strict=True):
        counted = {name: rank["apart"][name] for name in expected}
        assert counted == ({"2d": 0, "prior": 2} if flip else {"2d": 2, "prior": 0})
        assert all(rank["apart"][name] == 0 for name in ("3d_joint", "3d_vert", "aux"))


@pytest.mark.parametrize("mask", [None, LABELLED, torch.linspace(0, 1, 21)[None]])
def test_what_a_share_counts_is_what_the_mean_divides_by(mask):
    """Without the hands whose hidden root is unknown, which the confidences alone would count."""
    prediction, target = hands()
    pair = prediction["keypoints_3d"], target["keypoints_3d"]
    options = {"confidence": target["confidence_3d"], "weight": mask}
    counted = keypoint_count(*pair, 3, root=0, **options, names=("input", "target", "confidence"))
    total, mean = (keypoint_3d_loss(*pair, **options, reduction=r) for r in ("sum", "mean"))
    torch.testing.assert_close(total / counted, mean)
    assert counted < 3 * options["confidence"].sum()


def test_of_one_process_every_share_is_one():
    prediction, target = hands()
    for reduction in REDUCTIONS:
        shares = rank_shares(
            HandPrediction(**prediction), HandTarget(**target), reduction=reduction
        )
        assert list(shares) == list(TERMS)
        assert all(share == 1 and not share.requires_grad for share in shares.values())


@pytest.mark.own_errors
def test_what_no_total_takes_is_refused_here_too():
    prediction, target = hands()
    for given, options, error, message in (
        ((prediction, target), {"reduction": "none"}, ValueError, "sum, mean or batchmean"),
        ((prediction, target), {"reduction": "avg"}, ValueError, "reduction must be one of"),
        ((prediction, target), {"weight": {"3d": LABELLED}}, ValueError, "'3d', which is no term"),
        ((prediction, target), {"weight": LABELLED[:3]}, ValueError, "weight must have the shape"),
        ((prediction, target), {"root": 21}, ValueError, "root must be from 0 to 20"),
        ((prediction, target), {"group": "wrold"}, ValueError, "got 'wrold'"),
        (({}, target), {}, ValueError, "no term can be computed.*pass those of 2d: prediction"),
        (({"joints": 0}, target), {}, ValueError, "prediction has no 'joints'"),
        (
            (prediction, target | {"keypoints_3d": None, "vertices": torch.ones(7, 30, 3).long()}),
            {},
            TypeError,
            "target.vertices must be a floating-point tensor",
        ),
    ):
        with pytest.raises(error, match=message):
            rank_shares(*given, **options)
