"""The cards of the hands chapter."""

import inspect
from typing import Any

import torch
from torch import Tensor

from lossbook.hands.containers import HandLossWeights
from lossbook.hands.losses import keypoint_2d_loss, keypoint_3d_loss, vertex_loss
from lossbook.hands.modules import (
    AuxiliaryLoss,
    Keypoint2DLoss,
    Keypoint3DLoss,
    ManoPriorLoss,
    RotationLoss,
    VertexLoss,
)
from lossbook.hands.priors import auxiliary_loss, mano_prior_loss, rotation_loss
from lossbook.hands.total import HandLoss
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
    return {"input": target + scale / 4 * _random(generator, *target.shape), "target": target}


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
        "pose": pose[0],
        "shape": shape[0],
        "pose_target": 0.5 * pose[1],
        "shape_target": shape[1],
    }


def _all_hidden(inputs: Inputs) -> Inputs:
    hidden = torch.full_like(inputs["target"], torch.nan)
    return inputs | {"target": hidden, "confidence": torch.zeros_like(inputs["confidence"])}


def _mean_hand(inputs: Inputs) -> Inputs:
    flat = torch.eye(3, dtype=inputs["hand_pose"].dtype).expand_as(inputs["hand_pose"])
    return inputs | {"betas": torch.zeros_like(inputs["betas"]), "hand_pose": flat.clone()}


def _right_first_stage(inputs: Inputs) -> Inputs:
    truth = {"pose": inputs["pose_target"], "shape": inputs["shape_target"]}
    return inputs | {name: value.clone() for name, value in truth.items()}


def _rotations(batch: int, generator: torch.Generator) -> Inputs:
    turns = torch.linalg.matrix_exp(_skew(_random(generator, 2, batch, 2, 3)))
    return {"input": turns[0], "target": turns[1]}


def _nothing_counts(inputs: Inputs) -> Inputs:
    hidden = torch.full_like(inputs["target"], torch.nan)
    batch = inputs["target"].shape[0]
    return inputs | {"target": hidden, "weight": torch.zeros(batch, dtype=hidden.dtype)}


def _no_sample_counts(inputs: Inputs) -> Inputs:
    name, values = list(inputs.items())[-1]
    weight = torch.zeros(values.shape[0], dtype=values.dtype)
    return inputs | {name: torch.full_like(values, torch.nan), "weight": weight}


_FIELDS = {
    "input_2d": "prediction.keypoints_2d",
    "target_2d": "target.keypoints_2d",
    "confidence_2d": "target.confidence_2d",
    "input_3d": "prediction.keypoints_3d",
    "target_3d": "target.keypoints_3d",
    "confidence_3d": "target.confidence_3d",
    "input_vertices": "prediction.vertices",
    "target_vertices": "target.vertices",
    "betas": "prediction.betas",
    "hand_pose": "prediction.hand_pose",
    "pose": "prediction.coarse_pose",
    "shape": "prediction.coarse_shape",
    "pose_target": "target.pose",
    "shape_target": "target.shape",
}


def _hand(batch: int, generator: torch.Generator) -> Inputs:
    points = {
        "2d": _keypoints_2d(batch, generator),
        "3d": _keypoints_3d(batch, generator),
        "vertices": _vertices(batch, generator),
    }
    named = {f"{role}_{name}": values for name, of in points.items() for role, values in of.items()}
    return named | _prior(batch, generator) | _auxiliary(batch, generator)


def _right_hand(inputs: Inputs) -> Inputs:
    truth = {f"input_{name}": inputs[f"target_{name}"] for name in ("2d", "3d", "vertices")}
    right = inputs | {name: value.clone() for name, value in truth.items()}
    return _right_first_stage(_mean_hand(right))


class _FlatHandLoss(HandLoss):
    """:class:`HandLoss` for tensors by name, with every term: the tests know no containers."""

    def __init__(
        self, weights: Any = None, *, use_vertex_loss: bool = True, **options: Any
    ) -> None:
        super().__init__(weights, use_vertex_loss=use_vertex_loss, **options)

    def forward(  # type: ignore[override]
        self,
        input_2d: Tensor,
        target_2d: Tensor,
        confidence_2d: Tensor,
        input_3d: Tensor,
        target_3d: Tensor,
        confidence_3d: Tensor,
        input_vertices: Tensor,
        target_vertices: Tensor,
        betas: Tensor,
        hand_pose: Tensor,
        pose: Tensor,
        shape: Tensor,
        pose_target: Tensor,
        shape_target: Tensor,
        weight: Any = None,
    ) -> LossTerms:
        prediction = {
            "keypoints_2d": input_2d,
            "keypoints_3d": input_3d,
            "vertices": input_vertices,
            "betas": betas,
            "hand_pose": hand_pose,
            "coarse_pose": pose,
            "coarse_shape": shape,
        }
        target = {
            "keypoints_2d": target_2d,
            "confidence_2d": confidence_2d,
            "keypoints_3d": target_3d,
            "confidence_3d": confidence_3d,
            "vertices": target_vertices,
            "pose": pose_target,
            "shape": shape_target,
        }
        return super().forward(prediction, target, weight)

    def extra_repr(self) -> str:
        return HandLoss(**{name: getattr(self, name) for name in _OPTIONS}).extra_repr()


_OPTIONS = tuple(inspect.signature(HandLoss).parameters)


def _hand_loss(**arguments: Any) -> LossTerms:
    options = {name: arguments.pop(name) for name in _OPTIONS if name in arguments}
    loss = _FlatHandLoss(**options)
    return loss(**arguments)


def _zeros(*shape: int) -> Tensor:
    return torch.zeros(shape, dtype=_FLOAT64)


def _bad_points(d: int) -> tuple[Any, ...]:
    with_column = torch.ones(5, 4, d + 1, dtype=_FLOAT64)
    return (
        ({"input": _zeros(5, 4, d + 2)}, ValueError, rf"input must have shape \(B, N, {d}\)"),
        ({"input": _zeros(5, 4, d + 1)}, ValueError, rf"\(5, 4, {d + 1}\)"),
        ({"target": _zeros(5, 4, d + 2)}, ValueError, rf"\(5, 4, {d + 2}\)"),
        ({"target": _zeros(5, 4, d - 1)}, ValueError, rf"\(5, 4, {d - 1}\)"),
        ({"target": _zeros(5, 3, d)}, ValueError, rf"\(5, 3, {d}\)"),
        ({"input": _zeros(5, 0, d)}, ValueError, rf"\(5, 0, {d}\)"),
        ({"target": with_column}, ValueError, "target must have shape"),
        ({"target": with_column, "confidence": None}, ValueError, "confidence='last'"),
        ({"confidence": "last"}, ValueError, rf"\(B, N, {d + 1}\), the confidence last"),
        ({"confidence": "first"}, ValueError, "got 'first'"),
        ({"confidence": _zeros(4)}, ValueError, r"confidence must have the shape of input"),
        ({"confidence": _zeros(5, 3)}, ValueError, r"got \(5, 3\)"),
        ({"confidence": _zeros(5, 4).long()}, TypeError, "visibility > 0"),
        ({"weight": _zeros(4)}, ValueError, "weight must have the shape of input"),
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
        plain="lossbook.hands.plain:keypoint_2d",
        module=Keypoint2DLoss,
        kind="reduced",
        inputs=_keypoints_2d,
        differentiable=("input", "target"),
        masked=_all_hidden,
        factors=("confidence",),
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
        plain="lossbook.hands.plain:keypoint_3d",
        module=Keypoint3DLoss,
        kind="reduced",
        inputs=_keypoints_3d,
        differentiable=("input", "target"),
        hyperparameters=({}, {"root": 2}),
        masked=_all_hidden,
        factors=("confidence",),
        bad=(
            *_bad_points(3),
            ({"root": 4}, ValueError, "root must be from 0 to 3, got 4"),
            ({"root": -1}, ValueError, "root must be (at least 0|from 0 to 3), got -1"),
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
        plain="lossbook.hands.plain:vertices",
        module=VertexLoss,
        kind="reduced",
        inputs=_vertices,
        differentiable=("input", "target"),
        masked=_nothing_counts,
        bad=(
            ({"input": _zeros(5, 4, 2)}, ValueError, r"\(5, 4, 2\)"),
            ({"input": _zeros(5, 4)}, ValueError, r"\(5, 4\)"),
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
        plain="lossbook.hands.plain:mano_prior",
        module=ManoPriorLoss,
        kind="terms",
        inputs=_prior,
        differentiable=("betas", "hand_pose"),
        hyperparameters=({}, {"pose_weight": 0.5}, {"shape_weight": 0.0, "pose_weight": 2.0}),
        masked=_no_sample_counts,
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
        plain="lossbook.hands.plain:auxiliary",
        kind="scalar",
        inputs=_auxiliary,
        differentiable=("pose", "shape", "pose_target", "shape_target"),
        hyperparameters=({}, {"form": "rotation"}),
        module=AuxiliaryLoss,
        masked=_no_sample_counts,
        perfect=_right_first_stage,
        degree=2,
        bad=(
            ({"pose": _zeros(5, 5)}, ValueError, "pose and pose_target"),
            ({"shape_target": _zeros(5, 3)}, ValueError, "shape and shape_target"),
            ({"pose": _zeros(5, 2, 3)}, ValueError, r"\(5, 2, 3\)"),
            ({"form": "rotations"}, ValueError, "documented, rotation; got 'rotations'"),
            (
                {"form": "rotation", "pose": _zeros(5, 5), "pose_target": _zeros(5, 5)},
                ValueError,
                "3 numbers each",
            ),
            (
                {"pose": _zeros(4, 6), "pose_target": _zeros(4, 6)},
                ValueError,
                "batch size: pose has 4",
            ),
        ),
        units="axis-angles in radians, shape parameters without unit",
        defaults="the documented form: the source note",
        references=(_NOTE,),
    ),
    Card(
        name="rotation_loss",
        chapter="hands",
        summary="Distance between rotations: the squared chord, or the angle.",
        function=rotation_loss,
        formula="lossbook.hands.symbolic:CHORDAL",
        twin="lossbook.hands.symbolic:rotations",
        plain="lossbook.hands.plain:rotations",
        kind="reduced",
        inputs=_rotations,
        differentiable=("input", "target"),
        hyperparameters=({}, {"form": "geodesic"}),
        module=RotationLoss,
        masked=_nothing_counts,
        degree=2,
        bad=(
            ({"input": _zeros(5, 2, 9)}, ValueError, r"\(5, 2, 9\)"),
            ({"target": _zeros(5, 3, 3)}, ValueError, "same shape"),
            ({"form": "angle"}, ValueError, "chordal, geodesic; got 'angle'"),
            ({"reduction": "average"}, ValueError, "got 'average'"),
            ({"weight": _zeros(5, 3)}, ValueError, "weight must have the shape of input"),
        ),
        units="rotation matrices; the result without unit, or in radians",
        defaults="the squared chord, which the MANO prior also uses",
        references=("Hartley et al. 2013, doi:10.1007/s11263-012-0601-0",),
    ),
    Card(
        name="HandLoss",
        chapter="hands",
        summary="The weighted sum of the five terms.",
        function=_hand_loss,
        public=HandLoss,
        formula="lossbook.hands.symbolic:TOTAL",
        twin="lossbook.hands.symbolic:hand",
        plain="lossbook.hands.plain:hand",
        kind="terms",
        inputs=_hand,
        differentiable=tuple(name for name in _FIELDS if not name.startswith("confidence")),
        hyperparameters=(
            {},
            {
                "weights": _WEIGHTS,
                "root": 1,
                "shape_weight": 0.5,
                "pose_weight": 0.25,
            },
            {"use_vertex_loss": False, "use_aux_loss": False},
            {"weights": HandLossWeights.config()},
        ),
        module=_FlatHandLoss,
        perfect=_right_hand,
        free=("betas",),
        called=_FIELDS,
        factors=("confidence_2d", "confidence_3d"),
        degree=2,
        bad=(
            ({"weights": (1, 1, 1, 1, 1)}, TypeError, "weights must be HandLossWeights or"),
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
