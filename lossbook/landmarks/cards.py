"""The cards of the landmarks chapter."""

import torch

from lossbook.landmarks import normal
from lossbook.landmarks.losses import smooth_l1_loss, wing_loss
from lossbook.landmarks.modules import PFLDLoss, SmoothL1Loss, WingLoss
from lossbook.landmarks.pfld import attribute_weight, pfld_loss, pose_weight
from lossbook.registry import Card, Inputs

_NOTE = "SmlCoke/PFLD (source note)"
_PFLD = ("Guo et al. 2019, arXiv:1902.10859", _NOTE)
_FLOAT64 = torch.float64


def _points(batch: int, generator: torch.Generator) -> Inputs:
    """Errors on both sides of every threshold, none on it."""
    target = torch.rand(batch, 6, 2, generator=generator, dtype=_FLOAT64) * 64
    error = torch.randn(batch, 6, 2, generator=generator, dtype=_FLOAT64) * 8
    return {"input": target + error, "target": target}


def _all_weights_zero(inputs: Inputs) -> Inputs:
    hidden = torch.full_like(inputs["target"], torch.nan)
    return inputs | {"target": hidden, "weight": torch.zeros_like(inputs["input"])}


def _angles(batch: int, generator: torch.Generator) -> Inputs:
    angles = torch.randn(2, batch, 3, generator=generator, dtype=_FLOAT64)
    return {"angles": angles[0], "angles_target": 0.3 * angles[1]}


def _attributes(batch: int, generator: torch.Generator) -> Inputs:
    present = torch.rand(batch, 4, generator=generator, dtype=_FLOAT64) < 0.5
    present[:, 3] = False
    return {"attributes": present.to(_FLOAT64)}


def _pfld(batch: int, generator: torch.Generator) -> Inputs:
    points = _points(batch, generator)
    return (
        {"landmarks": points["input"], "landmarks_target": points["target"]}
        | _angles(batch, generator)
        | _attributes(batch, generator)
    )


def _no_attribute(inputs: Inputs) -> Inputs:
    return inputs | {"attributes": torch.zeros_like(inputs["attributes"])}


def _zeros(*shape: int) -> torch.Tensor:
    return torch.zeros(shape, dtype=_FLOAT64)


CARDS = (
    Card(
        name="smooth_l1_loss",
        chapter="landmarks",
        summary="Quadratic for small errors, linear for large ones.",
        function=smooth_l1_loss,
        formula="lossbook.landmarks.symbolic:SMOOTH_L1",
        twin="lossbook.landmarks.symbolic:smooth_l1",
        plain="lossbook.landmarks.plain:smooth_l1",
        kind="elementwise",
        inputs=_points,
        differentiable=("input", "target"),
        hyperparameters=({}, {"beta": 0.25}, {"beta": 6.0}),
        module=SmoothL1Loss,
        masked=_all_weights_zero,
        bad=(
            ({"beta": -1.0}, ValueError, "beta"),
            ({"beta": "1"}, TypeError, "beta"),
            ({"beta": float("nan")}, ValueError, "beta"),
        ),
        units="coordinates in any length unit; beta in the same",
        defaults="beta = 1: the source note, torch",
        references=("Girshick 2015, arXiv:1504.08083", _NOTE),
        normal=normal.SMOOTH_L1,
    ),
    Card(
        name="wing_loss",
        chapter="landmarks",
        summary="Logarithmic for small errors, linear for large ones.",
        function=wing_loss,
        formula="lossbook.landmarks.symbolic:WING",
        twin="lossbook.landmarks.symbolic:wing",
        plain="lossbook.landmarks.plain:wing",
        kind="elementwise",
        inputs=_points,
        differentiable=("input", "target"),
        hyperparameters=({}, {"w": 5.0, "epsilon": 0.5}, {"w": 3.0, "epsilon": 9.0}),
        module=WingLoss,
        masked=_all_weights_zero,
        bad=(
            ({"w": 0.0}, ValueError, "w must be"),
            ({"w": -1.0}, ValueError, "w must be"),
            ({"epsilon": 0}, ValueError, "epsilon must be"),
            ({"epsilon": float("inf")}, ValueError, "epsilon must be"),
            ({"w": torch.tensor(10.0)}, TypeError, "w must be"),
        ),
        units="coordinates in pixels; w and epsilon in the same unit",
        defaults="w = 10, epsilon = 2: the source note and the paper",
        references=("Feng et al. 2018, arXiv:1711.06753", _NOTE),
        normal=normal.WING,
    ),
    Card(
        name="pose_weight",
        chapter="landmarks",
        summary="PFLD's weight for the error of the head pose.",
        function=pose_weight,
        formula="lossbook.landmarks.symbolic:POSE_WEIGHT",
        twin="lossbook.landmarks.symbolic:pose",
        plain="lossbook.landmarks.plain:pose",
        kind="weight",
        inputs=_angles,
        differentiable=("angles", "angles_target"),
        hyperparameters=({}, {"degrees": True}),
        masked=lambda inputs: inputs | {"angles_target": inputs["angles"].detach().clone()},
        degree=0,
        bad=(
            ({"angles": _zeros(5, 4)}, ValueError, r"\(5, 4\)"),
            ({"angles": _zeros(3)}, ValueError, r"\(3,\)"),
        ),
        units="radians, or degrees with degrees=True; result without unit, 0 to 6",
        defaults="radians: the formula of the paper",
        references=_PFLD,
        normal=normal.POSE,
    ),
    Card(
        name="attribute_weight",
        chapter="landmarks",
        summary="PFLD's weight for rare attributes.",
        function=attribute_weight,
        formula="lossbook.landmarks.symbolic:ATTRIBUTE_WEIGHT",
        twin="lossbook.landmarks.symbolic:rarity",
        plain="lossbook.landmarks.plain:rarity",
        kind="weight",
        inputs=_attributes,
        differentiable=(),
        masked=_no_attribute,
        free=("attributes",),
        degree=0,
        bad=(
            ({"attributes": _zeros(5)}, ValueError, r"\(5,\)"),
            ({"attributes": _zeros(5, 0)}, ValueError, r"\(5, 0\)"),
            ({"attributes": _zeros(5, 2).long()}, TypeError, "attributes.float"),
        ),
        units="attributes 0 or 1; result without unit",
        defaults="no parameters",
        references=_PFLD,
        normal=normal.ATTRIBUTES,
    ),
    Card(
        name="pfld_loss",
        chapter="landmarks",
        summary="Squared error, weighted by pose error and by rarity.",
        function=pfld_loss,
        formula="lossbook.landmarks.symbolic:PFLD",
        twin="lossbook.landmarks.symbolic:pfld",
        plain="lossbook.landmarks.plain:pfld",
        kind="terms",
        inputs=_pfld,
        differentiable=("landmarks", "landmarks_target", "angles", "angles_target"),
        hyperparameters=(
            {},
            {"degrees": True, "pose_bias": 0.5},
            {"pose_bias": 1.0, "attribute_bias": 1.0},
        ),
        module=PFLDLoss,
        masked=_no_attribute,
        free=("attributes",),
        degree=2,
        bad=(
            ({"landmarks": _zeros(5, 11)}, ValueError, r"\(5, 11\)"),
            ({"landmarks": _zeros(5, 6, 3)}, ValueError, r"\(5, 6, 3\)"),
            ({"landmarks": _zeros(5, 12)}, ValueError, "same shape"),
            (
                {"landmarks": _zeros(5, 0), "landmarks_target": _zeros(5, 0)},
                ValueError,
                r"\(5, 0\)",
            ),
            ({"angles": _zeros(4, 3), "angles_target": _zeros(4, 3)}, ValueError, "angles has 4"),
            ({"degrees": 1}, TypeError, "degrees must be True or False"),
            ({"angles": _zeros(5, 4)}, ValueError, r"\(5, 4\)"),
            ({"attributes": _zeros(4, 4)}, ValueError, "batch"),
            ({"pose_bias": -1.0}, ValueError, "pose_bias"),
            ({"attribute_bias": None}, TypeError, "attribute_bias"),
            ({"weight": _zeros(6)}, ValueError, r"weight must have the shape .*\(6,\)"),
            ({"weight": _zeros(5, 5)}, ValueError, r"weight must have the shape .*\(5, 5\)"),
            ({"weight": _zeros(5, 6, 2)}, ValueError, "weight must have one value a point"),
            ({"weight": _zeros(5, 6).long()}, TypeError, "visibility > 0"),
        ),
        units="coordinates in any length unit, angles in radians; result in the unit squared",
        defaults="radians and no biases: the documented formula",
        references=_PFLD,
        normal=normal.PFLD,
    ),
)
