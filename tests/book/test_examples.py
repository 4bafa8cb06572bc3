"""The examples of README and index run as they stand there."""

import re
import textwrap
from pathlib import Path

import pytest
import torch
from ranks import two_ranks_of
from torch.nn.parallel import DistributedDataParallel

from lossbook.hands import HandLoss
from lossbook.landmarks import wing_loss
from lossbook.motion import MotionLoss

ROOT = Path(__file__).resolve().parents[2]


def blocks(page):
    """The Python of a page, block by block."""
    text = (ROOT / page).read_text(encoding="utf-8")
    found = re.findall(r"^( *)```python\n(.*?)^\1```", text, re.MULTILINE | re.DOTALL)
    assert len(found) == text.count("```python")
    return [textwrap.dedent(code) for _, code in found]


def test_the_index_runs():
    (example,) = blocks("book/index.md")
    exec(example, {})


class Stub:
    """What a training step needs of its LightningModule."""

    def __init__(self, network, criterion):
        self.network, self.criterion, self.logged = network, criterion, {}

    def __call__(self, image):
        return self.network(image)

    def log_dict(self, numbers):
        self.logged |= numbers


@pytest.mark.compiles
def test_the_readme_runs(alone, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    torch.compiler.reset()
    torch.manual_seed(0)
    names = {}
    for code in blocks("README.md"):
        exec(code, names)
    assert "weighted" in capsys.readouterr().out
    assert names["scaler"].get_scale() > 0
    assert all(p.grad.isfinite().all() for p in names["network"].parameters())
    given = names["hands"]["keypoints_3d"].grad
    assert given[:4].any() and not given[4:].any()
    written = list(tmp_path.glob("runs/hands/events*"))
    assert len(written) == 1
    assert len(names["errors"]) == 8

    labels = names["labels"] | {"keypoints_3d": torch.zeros(8, 21, 3)}
    module = Stub(lambda image: names["hands"], HandLoss({"w_2d": 1.0}, use_aux_loss=False))
    total = names["training_step"](module, {"image": None, "target": labels}, 0)
    assert total.requires_grad
    assert set(module.logged) == {"train/total", "train/2d", "train/3d_joint", "train/prior"}
    assert not any(value.requires_grad for value in module.logged.values())


# The recipe for masked means --------------------------------------------------------------------

SIZES = (4, 3)
MASKS = {
    "uneven": lambda: torch.arange(7 * 98).reshape(7, 98) % 7 > torch.arange(7)[:, None] - 1,
    "weighted": lambda: torch.linspace(0, 0.1, 7 * 98).reshape(7, 98),
    "a rank without labels": lambda: (torch.arange(7) < 4)[:, None].expand(7, 98),
    "no labels": lambda: torch.zeros(7, 98, dtype=torch.bool),
}


def whole_batch():
    torch.manual_seed(1)
    return torch.rand(7, 5), torch.rand(7, 98, 2), torch.nn.Linear(5, 196)


def train_as_the_readme_does(rank, name):
    images, truth, network = whole_batch()
    visible = MASKS[name]().split(SIZES)[rank]
    model = DistributedDataParallel(network)
    faces = model(images.split(SIZES)[rank]).reshape(-1, 98, 2)
    (recipe,) = (code for code in blocks("README.md") if "rank_share(visible)" in code)
    names = {"torch": torch, "faces": faces, "truth": truth.split(SIZES)[rank], "visible": visible}
    exec(recipe, names)
    names["loss"].backward()
    return network.weight.grad.tolist()


def both_recipes(rank):
    masks = {name: train_as_the_readme_does(rank, name) for name in MASKS}
    recipes = {"motion": motion_as_the_readme_does, "hands": hands_as_the_readme_does}
    return masks | {name: recipe(rank) for name, recipe in recipes.items()}


two_ranks = two_ranks_of(both_recipes)


@pytest.mark.spawns
def test_the_recipe_for_masked_means_gives_the_gradient_of_one_process(two_ranks):
    for name, mask in MASKS.items():
        images, truth, network = whole_batch()
        faces = network(images).reshape(-1, 98, 2)
        loss = wing_loss(faces, truth, weight=mask(), reduction="mean")
        (expected,) = torch.autograd.grad(loss, network.weight)
        for found in two_ranks:
            torch.testing.assert_close(torch.tensor(found[name]), expected)


def motion_as_the_readme_does(rank):
    """The gradient of the mean over both ranks, each with its part of the clips."""
    torch.manual_seed(2)
    clips = {name: torch.rand(7, 20, 265) for name in ("predicted", "motion")}
    lengths = torch.tensor([20, 20, 9, 5, 20, 3, 12])
    given = clips | {"cond": torch.rand(7, 265), "lengths": lengths}
    if rank is None:
        predicted = given["predicted"].requires_grad_()
        MotionLoss()(predicted, given["motion"], given["cond"], lengths=lengths).total.backward()
        return predicted.grad
    names = {name: value.split(SIZES)[rank] for name, value in given.items()}
    names |= {"torch": torch, "motion_loss": MotionLoss()}
    leaf = names["predicted"] = names["predicted"].clone().requires_grad_()
    (recipe,) = (code for code in blocks("README.md") if "rank_shares(predicted" in code)
    exec(recipe, names)
    names["total"].backward()
    # Averaged over the ranks, as DistributedDataParallel does.
    return (leaf.grad / 2).tolist()


@pytest.mark.spawns
def test_the_recipe_for_motion_gives_the_gradient_of_one_process(two_ranks):
    found = torch.cat([torch.tensor(rank["motion"]) for rank in two_ranks])
    torch.testing.assert_close(found, motion_as_the_readme_does(None), atol=1e-7, rtol=1e-4)


def hands_as_the_readme_does(rank):
    """The same of hands, of which the first rank has all labels in 3D."""
    torch.manual_seed(3)
    shapes = {"keypoints_2d": (7, 21, 2), "keypoints_3d": (7, 21, 3), "betas": (7, 10)}
    hands = {name: torch.rand(shape) - 0.5 for name, shape in shapes.items()}
    labels = {name: torch.rand(shapes[name]) for name in ("keypoints_2d", "keypoints_3d")}
    labels["confidence_3d"] = torch.rand(7, 21)
    labels["confidence_3d"][:2, 0] = 0
    labels["keypoints_3d"][:2, 0] = torch.nan
    has_3d = torch.tensor([True, True, True, True, False, False, False])
    hand_loss = HandLoss(use_aux_loss=False, reduction="batchmean")
    if rank is not None:
        hands, labels = ({n: v.split(SIZES)[rank] for n, v in f.items()} for f in (hands, labels))
        has_3d = has_3d.split(SIZES)[rank]
    leaves = {name: value.clone().requires_grad_() for name, value in hands.items()}
    names = {"hands": leaves, "labels": labels, "has_3d": has_3d, "hand_loss": hand_loss}
    if rank is None:
        hand_loss(leaves, labels, weight={"3d_joint": has_3d}).backward()
        return [leaf.grad for leaf in leaves.values()]
    (recipe,) = (code for code in blocks("README.md") if "rank_shares(hands" in code)
    exec(recipe, names)
    names["total"].backward()
    return [(leaf.grad / 2).tolist() for leaf in leaves.values()]


@pytest.mark.spawns
def test_the_recipe_for_hands_gives_the_gradient_of_one_process(two_ranks):
    pairs = zip(*(rank["hands"] for rank in two_ranks), strict=True)
    for parts, expected in zip(pairs, hands_as_the_readme_does(None), strict=True):
        found = torch.cat([torch.tensor(part) for part in parts])
        torch.testing.assert_close(found, expected, atol=1e-7, rtol=1e-4)
