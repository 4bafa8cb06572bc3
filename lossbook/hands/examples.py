"""Example inputs of the hand losses, for their cards."""

import inspect
from typing import Any

import torch
from torch import Tensor

from lossbook.hands.total import HandLoss
from lossbook.registry import Inputs
from lossbook.terms import LossTerms

_FLOAT64 = torch.float64


def _random(generator: torch.Generator, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=generator, dtype=_FLOAT64)


def _pair(batch: int, generator: torch.Generator, dimensions: int, scale: float) -> Inputs:
    target = scale * _random(generator, batch, 4, dimensions)
    return {"input": target + scale / 4 * _random(generator, *target.shape), "target": target}


def _keypoints(batch: int, generator: torch.Generator, dimensions: int, scale: float) -> Inputs:
    confidence = torch.rand(batch, 4, generator=generator, dtype=_FLOAT64)
    return _pair(batch, generator, dimensions, scale) | {"confidence": 0.1 + 0.9 * confidence}


def keypoints_2d(batch: int, generator: torch.Generator) -> Inputs:
    """Keypoints in a crop, with confidences."""
    return _keypoints(batch, generator, 2, 0.2)


def keypoints_3d(batch: int, generator: torch.Generator) -> Inputs:
    """Joints in millimetres, with confidences."""
    return _keypoints(batch, generator, 3, 40.0)


def vertices(batch: int, generator: torch.Generator) -> Inputs:
    """Vertices in millimetres."""
    return _pair(batch, generator, 3, 40.0)


def prior(batch: int, generator: torch.Generator) -> Inputs:
    """Shape parameters and rotations."""
    rotations = torch.linalg.matrix_exp(_skew(_random(generator, batch, 2, 3)))
    return {"betas": _random(generator, batch, 4), "hand_pose": rotations}


def _skew(vectors: Tensor) -> Tensor:
    zero = torch.zeros_like(vectors[..., 0])
    x, y, z = vectors.unbind(-1)
    rows = ((zero, -z, y), (z, zero, -x), (-y, x, zero))
    return torch.stack([torch.stack(row, -1) for row in rows], -2)


def auxiliary(batch: int, generator: torch.Generator) -> Inputs:
    """Pose and shape of the first stage, and their targets."""
    pose, shape = _random(generator, 2, batch, 6), _random(generator, 2, batch, 4)
    return {
        "pose": pose[0],
        "shape": shape[0],
        "pose_target": 0.5 * pose[1],
        "shape_target": shape[1],
    }


def all_hidden(inputs: Inputs) -> Inputs:
    """Every point hidden, its label NaN."""
    hidden = torch.full_like(inputs["target"], torch.nan)
    return inputs | {"target": hidden, "confidence": torch.zeros_like(inputs["confidence"])}


def mean_hand(inputs: Inputs) -> Inputs:
    """The hand that MANO's prior asks for."""
    flat = torch.eye(3, dtype=inputs["hand_pose"].dtype).expand_as(inputs["hand_pose"])
    return inputs | {"betas": torch.zeros_like(inputs["betas"]), "hand_pose": flat.clone()}


def right_first_stage(inputs: Inputs) -> Inputs:
    """A first stage without an error."""
    truth = {"pose": inputs["pose_target"], "shape": inputs["shape_target"]}
    return inputs | {name: value.clone() for name, value in truth.items()}


def rotations(batch: int, generator: torch.Generator) -> Inputs:
    """Two rotations for each joint."""
    turns = torch.linalg.matrix_exp(_skew(_random(generator, 2, batch, 2, 3)))
    return {"input": turns[0], "target": turns[1]}


def nothing_counts(inputs: Inputs) -> Inputs:
    """Every sample of weight 0, its target NaN."""
    hidden = torch.full_like(inputs["target"], torch.nan)
    batch = inputs["target"].shape[0]
    return inputs | {"target": hidden, "weight": torch.zeros(batch, dtype=hidden.dtype)}


def no_sample_counts(inputs: Inputs) -> Inputs:
    """Every sample of weight 0, its last input NaN."""
    name, values = list(inputs.items())[-1]
    weight = torch.zeros(values.shape[0], dtype=values.dtype)
    return inputs | {name: torch.full_like(values, torch.nan), "weight": weight}


FIELDS = {
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


def hand(batch: int, generator: torch.Generator) -> Inputs:
    """The inputs of every term."""
    points = {
        "2d": keypoints_2d(batch, generator),
        "3d": keypoints_3d(batch, generator),
        "vertices": vertices(batch, generator),
    }
    named = {f"{role}_{name}": values for name, of in points.items() for role, values in of.items()}
    return named | prior(batch, generator) | auxiliary(batch, generator)


def right_hand(inputs: Inputs) -> Inputs:
    """A prediction without an error."""
    truth = {f"input_{name}": inputs[f"target_{name}"] for name in ("2d", "3d", "vertices")}
    right = inputs | {name: value.clone() for name, value in truth.items()}
    return right_first_stage(mean_hand(right))


class FlatHandLoss(HandLoss):
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
        """See :class:`HandLoss`."""
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
        return super().forward(prediction, target, weight=weight)

    def extra_repr(self) -> str:
        """As :class:`HandLoss` prints its options."""
        return HandLoss(**{name: getattr(self, name) for name in _OPTIONS}).extra_repr()


_OPTIONS = tuple(inspect.signature(HandLoss).parameters)


def hand_loss(**arguments: Any) -> LossTerms:
    """The total loss as a function of everything by name."""
    options = {name: arguments.pop(name) for name in _OPTIONS if name in arguments}
    loss = FlatHandLoss(**options)
    return loss(**arguments)
