"""The cards of the hands chapter."""

from typing import Any

import torch
from torch import Tensor

from lossbook.hands.losses import (
    HandLoss,
    HandLossWeights,
    HandPrediction,
    HandTarget,
    auxiliary_loss,
    keypoint_2d_loss,
    keypoint_3d_loss,
    mano_prior_loss,
    vertex_loss,
)
from lossbook.registry import Card, Inputs
from lossbook.terms import LossTerms

_NOTE = "Eric-Lin-HKUSTGZ/UTNet (source note)"
_HAMER = ("Pavlakos et al. 2024, arXiv:2312.05251", _NOTE)
_MANO = ("Romero et al. 2017, doi:10.1145/3130800.3130883", _NOTE)
_FLOAT64 = torch.float64
_WEIGHTS = HandLossWeights(w_2d=0.25, w_3d_joint=0.5, w_3d_vert=2.0, w_prior=3.0, w_aux=4.0)


def _random(generator: torch.Generator, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=generator, dtype=_FLOAT64)


def _pair(batch: int, generator: torch.Generator, dimensions: int, scale: float) -> Inputs:
    target = scale * _random(generator, batch, 4, dimensions)
    return {"pred": target + scale / 4 * _random(generator, *target.shape), "target": target}


def _keypoints(batch: int, generator: torch.Generator, dimensions: int, scale: float) -> Inputs:
    confidence = torch.rand(batch, 4, generator=generator, dtype=_FLOAT64)
    return _pair(batch, generator, dimensions, scale) | {"confidence": 0.1 + 0.9 * confidence}


def _keypoints_2d(batch: int, generator: torch.Generator) -> Inputs:
    return _keypoints(batch, generator, 2, 0.2)


def _keypoints_3d(batch: int, generator: torch.Generator) -> Inputs:
    return _keypoints(batch, generator, 3, 40.0)


def _vertices(batch: int, generator: torch.Generator) -> Inputs:
    return _pair(batch, generator, 3, 40.0)


def _prior(batch: int, generator: torch.Generator) -> Inputs:
    rotations = torch.linalg.matrix_exp(_skew(_random(generator, batch, 2, 3)))
    return {"betas": _random(generator, batch, 4), "hand_pose": rotations}


def _skew(vectors: Tensor) -> Tensor:
    zero = torch.zeros_like(vectors[..., 0])
    x, y, z = vectors.unbind(-1)
    rows = ((zero, -z, y), (z, zero, -x), (-y, x, zero))
    return torch.stack([torch.stack(row, -1) for row in rows], -2)


def _auxiliary(batch: int, generator: torch.Generator) -> Inputs:
    pose, shape = _random(generator, 2, batch, 6), _random(generator, 2, batch, 4)
    return {
        "coarse_pose": pose[0],
        "coarse_shape": shape[0],
        "pose_gt": 0.5 * pose[1],
        "shape_gt": shape[1],
    }


def _all_hidden(inputs: Inputs) -> Inputs:
    hidden = torch.full_like(inputs["target"], torch.nan)
    return inputs | {"target": hidden, "confidence": torch.zeros_like(inputs["confidence"])}


def _mean_hand(inputs: Inputs) -> Inputs:
    flat = torch.eye(3, dtype=inputs["hand_pose"].dtype).expand_as(inputs["hand_pose"])
    return inputs | {"betas": torch.zeros_like(inputs["betas"]), "hand_pose": flat.clone()}


def _right_first_stage(inputs: Inputs) -> Inputs:
    truth = {"coarse_pose": inputs["pose_gt"], "coarse_shape": inputs["shape_gt"]}
    return inputs | {name: value.clone() for name, value in truth.items()}


def _of_points(inputs: Inputs, name: str) -> Inputs:
    return {f"{role}_{name}": inputs[role] for role in ("pred", "target")}


def _hand(batch: int, generator: torch.Generator) -> Inputs:
    return (
        _of_points(_pair(batch, generator, 2, 0.2), "2d")
        | _of_points(_pair(batch, generator, 3, 40.0), "3d")
        | _of_points(_pair(batch, generator, 3, 40.0), "vertices")
        | _prior(batch, generator)
        | _auxiliary(batch, generator)
    )


def _right_hand(inputs: Inputs) -> Inputs:
    truth = {f"pred_{name}": inputs[f"target_{name}"] for name in ("2d", "3d", "vertices")}
    right = inputs | {name: value.clone() for name, value in truth.items()}
    return _right_first_stage(_mean_hand(right))


class _FlatHandLoss(HandLoss):
    """:class:`HandLoss` for tensors by name: the tests know no dataclasses."""

    def forward(  # type: ignore[override]
        self,
        pred_2d: Tensor,
        target_2d: Tensor,
        pred_3d: Tensor,
        target_3d: Tensor,
        pred_vertices: Tensor,
        target_vertices: Tensor,
        betas: Tensor,
        hand_pose: Tensor,
        coarse_pose: Tensor,
        coarse_shape: Tensor,
        pose_gt: Tensor,
        shape_gt: Tensor,
    ) -> LossTerms:
        prediction = HandPrediction(
            pred_2d, pred_3d, pred_vertices, betas, hand_pose, coarse_pose, coarse_shape
        )
        target = HandTarget(target_2d, target_3d, target_vertices, pose_gt, shape_gt)
        return super().forward(prediction, target)


_OPTIONS = ("weights", "root", "reduction", "shape_weight", "pose_weight")


def _hand_loss(**arguments: Any) -> LossTerms:
    options = {name: arguments.pop(name) for name in _OPTIONS if name in arguments}
    loss: LossTerms = _FlatHandLoss(**options)(**arguments)
    return loss


def _zeros(*shape: int) -> Tensor:
    return torch.zeros(shape, dtype=_FLOAT64)


def _bad_points(d: int) -> tuple[Any, ...]:
    with_column = torch.ones(5, 4, d + 1, dtype=_FLOAT64)
    return (
        ({"pred": _zeros(5, 4, d + 2)}, ValueError, rf"pred must have shape \(B, N, {d}\)"),
        ({"pred": _zeros(5, 4, d + 1)}, ValueError, rf"\(5, 4, {d + 1}\)"),
        ({"target": _zeros(5, 4, d + 2)}, ValueError, rf"\(5, 4, {d + 2}\)"),
        ({"target": _zeros(5, 4, d - 1)}, ValueError, rf"\(5, 4, {d - 1}\)"),
        ({"target": _zeros(5, 3, d)}, ValueError, rf"\(5, 3, {d}\)"),
        ({"pred": _zeros(5, 0, d)}, ValueError, rf"\(5, 0, {d}\)"),
        ({"target": with_column}, ValueError, "confidence is given twice"),
        ({"confidence": _zeros(5)}, ValueError, r"confidence must have shape \(B, N\)"),
        ({"confidence": _zeros(5, 4, 1)}, ValueError, r"\(5, 4, 1\)"),
        ({"confidence": _zeros(5, 3)}, ValueError, r"confidence \(5, 3\)"),
        ({"reduction": "average"}, ValueError, "none, mean, sum, batchmean; got 'average'"),
    )


CARDS = (
    Card(
        name="keypoint_2d_loss",
        chapter="hands",
        summary="L1 between 2D keypoints, weighted by their confidence.",
        function=keypoint_2d_loss,
        formula="lossbook.hands.symbolic:KEYPOINT_2D",
        twin="lossbook.hands.symbolic:keypoint_2d",
        kind="reduced",
        inputs=_keypoints_2d,
        differentiable=("pred", "target"),
        masked=_all_hidden,
        bad=_bad_points(2),
        units="coordinates normalised to the crop, [-0.5, 0.5]; confidence 0 to 1",
        defaults="sum: the source note",
        references=_HAMER,
    ),
    Card(
        name="keypoint_3d_loss",
        chapter="hands",
        summary="L1 between 3D joints, each hand measured from its own root.",
        function=keypoint_3d_loss,
        formula="lossbook.hands.symbolic:KEYPOINT_3D",
        twin="lossbook.hands.symbolic:keypoint_3d",
        kind="reduced",
        inputs=_keypoints_3d,
        differentiable=("pred", "target"),
        hyperparameters=({}, {"root": 2}),
        masked=_all_hidden,
        bad=(
            *_bad_points(3),
            ({"root": 4}, ValueError, "root must be from 0 to 3, got 4"),
            ({"root": -1}, ValueError, "root must be from 0 to 3, got -1"),
            ({"root": 0.0}, TypeError, "root must be a Python integer, got float"),
        ),
        units="joints in millimetres in the source, metres elsewhere; confidence 0 to 1",
        defaults="root 0 (the wrist), sum: the source note",
        references=_HAMER,
    ),
    Card(
        name="vertex_loss",
        chapter="hands",
        summary="L1 between the vertices of two meshes.",
        function=vertex_loss,
        formula="lossbook.hands.symbolic:VERTEX",
        twin="lossbook.hands.symbolic:vertices",
        kind="reduced",
        inputs=_vertices,
        differentiable=("pred", "target"),
        bad=(
            ({"pred": _zeros(5, 4, 2)}, ValueError, r"\(5, 4, 2\)"),
            ({"pred": _zeros(5, 4)}, ValueError, r"\(5, 4\)"),
            ({"target": _zeros(5, 3, 3)}, ValueError, "same shape"),
            ({"reduction": "average"}, ValueError, "got 'average'"),
        ),
        units="vertices in any length unit",
        defaults="sum, as for the joints; the source note has no formula",
        references=(_NOTE,),
    ),
    Card(
        name="mano_prior_loss",
        chapter="hands",
        summary="Pulls MANO's shape and pose towards the mean hand.",
        function=mano_prior_loss,
        formula="lossbook.hands.symbolic:MANO_PRIOR",
        twin="lossbook.hands.symbolic:mano_prior",
        kind="terms",
        inputs=_prior,
        differentiable=("betas", "hand_pose"),
        hyperparameters=({}, {"pose_weight": 0.5}, {"shape_weight": 0.0, "pose_weight": 2.0}),
        perfect=_mean_hand,
        free=("betas",),
        degree=2,
        bad=(
            ({"betas": _zeros(5)}, ValueError, r"\(5,\)"),
            ({"betas": _zeros(4, 4)}, ValueError, "same batch size: betas has 4"),
            ({"hand_pose": _zeros(5, 2, 9)}, ValueError, r"\(5, 2, 9\)"),
            ({"hand_pose": None, "pose_weight": 0.1}, ValueError, "hand_pose is missing"),
            ({"shape_weight": -1.0}, ValueError, "shape_weight"),
            ({"pose_weight": "1"}, TypeError, "pose_weight"),
        ),
        units="shape parameters and rotation matrices, without unit; so is the result",
        defaults="shape weight 1, pose weight 0 (off): the source note",
        references=_MANO,
    ),
    Card(
        name="auxiliary_loss",
        chapter="hands",
        summary="Squared error of the first stage's pose and shape.",
        function=auxiliary_loss,
        formula="lossbook.hands.symbolic:AUXILIARY",
        twin="lossbook.hands.symbolic:auxiliary",
        kind="scalar",
        inputs=_auxiliary,
        differentiable=("coarse_pose", "coarse_shape", "pose_gt", "shape_gt"),
        perfect=_right_first_stage,
        degree=2,
        bad=(
            ({"coarse_pose": _zeros(5, 5)}, ValueError, "coarse_pose and pose_gt"),
            ({"shape_gt": _zeros(5, 3)}, ValueError, "coarse_shape and shape_gt"),
            ({"coarse_pose": _zeros(5, 2, 3)}, ValueError, r"\(5, 2, 3\)"),
            (
                {"coarse_pose": _zeros(4, 6), "pose_gt": _zeros(4, 6)},
                ValueError,
                "batch size: coarse_pose has 4",
            ),
        ),
        units="axis-angles in radians, shape parameters without unit",
        defaults="no parameters",
        references=(_NOTE,),
    ),
    Card(
        name="HandLoss",
        chapter="hands",
        summary="The weighted sum of the five terms.",
        function=_hand_loss,
        public=HandLoss,
        formula="lossbook.hands.symbolic:TOTAL",
        twin="lossbook.hands.symbolic:hand",
        kind="terms",
        inputs=_hand,
        differentiable=tuple(_hand(1, torch.Generator())),
        hyperparameters=(
            {},
            {"weights": _WEIGHTS, "root": 1, "shape_weight": 0.5, "pose_weight": 0.25},
            {"weights": HandLossWeights.config()},
        ),
        module=_FlatHandLoss,
        perfect=_right_hand,
        free=("betas",),
        called={
            "pred_2d": "2d: pred",
            "target_2d": "2d: target",
            "pred_3d": "3d_joint: pred",
            "target_3d": "3d_joint: target",
            "pred_vertices": "3d_vert: pred",
            "target_vertices": "3d_vert: target",
            "betas": "prior: betas",
            "hand_pose": "prior: hand_pose",
            "coarse_pose": "aux: coarse_pose",
            "coarse_shape": "aux: coarse_shape",
            "pose_gt": "aux: pose_gt",
            "shape_gt": "aux: shape_gt",
        },
        degree=2,
        bad=(
            ({"weights": (1, 1, 1, 1, 1)}, TypeError, "weights must be HandLossWeights, got tuple"),
            ({"reduction": "none"}, ValueError, "the terms are scalars"),
            ({"reduction": "average"}, ValueError, "got 'average'"),
            ({"root": -1}, ValueError, "root must be at least 0"),
            ({"pose_weight": -1.0}, ValueError, "pose_weight"),
        ),
        units="those of the terms; one unit for the joints of prediction and target",
        defaults="weights 1, 1, 0.5, 0.01, 0.1: the code of the source; it also documents others",
        references=(_NOTE,),
    ),
)
