"""The chapter writes the note's functions anew: do they compute the note's formulas?

The chapter's ledger decides by `documented_...` of its appendix. Here these are read from the
notebook and compared with the formulas of the note's code, each a short string.
"""

import json
import math
from pathlib import Path

import pytest
import torch

CHAPTER = Path(__file__).parents[2] / "book" / "landmarks.ipynb"
CELL = "lm000108"

WEIGHT_ANGLE = "torch.sum(1 - torch.cos(angle - euler_angle_gt), axis=1)"
RATIO = "1.0 / (x) if x > 0 else train_batchsize"
WEIGHT_ATTRIBUTE = "torch.sum(attributes_w_n.mul(mat_ratio), axis=1)"
DISTANCE = "torch.sum((landmark_gt - landmarks) * (landmark_gt - landmarks), axis=1)"
LOSS = "torch.mean(weight_angle * weight_attribute * l2_distant)"
SMOOTH_L1 = "torch.where(mae > beta, mae - 0.5 * beta, 0.5 * mae**2 / beta)"
WING_CONSTANT = "w * (1.0 - math.log(1.0 + w / epsilon))"
WING = "torch.where(w > x, w * torch.log(1.0 + x / epsilon), x - c)"


def valued(formula, **names):
    return eval(formula, {"torch": torch, "math": math} | names)


@pytest.fixture(scope="module")
def documented():
    cells = json.loads(CHAPTER.read_text(encoding="utf-8"))["cells"]
    (source,) = ("".join(cell["source"]) for cell in cells if cell["id"] == CELL)
    found = {"torch": torch, "math": math}
    exec(source[: source.index("NOTE = ")], found)
    return {name.removeprefix("documented_"): found[name] for name in found if "docum" in name}


@pytest.mark.parametrize("seed", range(8))
def test_pfld(documented, seed):
    torch.manual_seed(seed)
    size = 1 + 9 * seed
    angle, euler_angle_gt = torch.randn(2, size, 3)
    landmarks, landmark_gt = torch.randn(2, size, 196)
    # Some attributes are frequent, some rare, and in each batch one does not occur.
    attribute_gt = (torch.rand(size, 6) < torch.tensor([0.2, 0.9, 0.5, 0.3, 0.1, 0.0])).float()
    attributes_w_n = attribute_gt[:, 1:6]
    ratios = [valued(RATIO, x=x, train_batchsize=size) for x in attributes_w_n.mean(0)]
    weight_angle = valued(WEIGHT_ANGLE, angle=angle, euler_angle_gt=euler_angle_gt)
    weight_attribute = valued(
        WEIGHT_ATTRIBUTE, attributes_w_n=attributes_w_n, mat_ratio=torch.tensor(ratios)
    )
    l2_distant = valued(DISTANCE, landmark_gt=landmark_gt, landmarks=landmarks)
    loss = valued(
        LOSS, weight_angle=weight_angle, weight_attribute=weight_attribute, l2_distant=l2_distant
    )
    weights = documented["weights"](attribute_gt, euler_angle_gt, angle, size)
    torch.testing.assert_close(weights, (weight_angle, weight_attribute))
    given = (attribute_gt, landmark_gt, euler_angle_gt, angle, landmarks, size)
    torch.testing.assert_close(documented["pfld"](*given), (loss, l2_distant.mean()))


@pytest.mark.parametrize("beta", [0.3, 1, 2.5])
def test_smooth_l1(documented, beta):
    y_true, y_pred = 2 * torch.randn(2, 5, 196)
    each = valued(SMOOTH_L1, mae=torch.abs(y_true - y_pred), beta=beta)
    found = documented["smooth_l1"](y_true, y_pred, beta)
    torch.testing.assert_close(found, each.sum(-1).mean())


@pytest.mark.parametrize(("w", "epsilon"), [(10.0, 2.0), (3.0, 1.0), (1.0, 20.0)])
def test_wing(documented, w, epsilon):
    y_true, y_pred = 8 * torch.randn(2, 5, 196)
    x = torch.abs(y_true - y_pred)
    assert (x < w).any() and (x > w).any()
    each = valued(WING, x=x, w=w, epsilon=epsilon, c=valued(WING_CONSTANT, w=w, epsilon=epsilon))
    found = documented["wing"](y_true, y_pred, w, epsilon, 98)
    torch.testing.assert_close(found, each.sum(1).mean())
