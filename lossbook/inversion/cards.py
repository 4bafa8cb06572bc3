"""The cards of the inversion chapter."""

from typing import Any

import torch
from torch import Tensor

from lossbook.inversion import normal
from lossbook.inversion.examples import (
    FlatInversionLoss,
    everything,
    far_from_negatives,
    gradients,
    in_the_cold,
    inversion_loss,
    no_sample_counts,
    pairs,
    pixels,
    rebuilt,
    with_centers,
    with_negatives,
)
from lossbook.inversion.guidance import consistency, guidance_consistency_loss
from lossbook.inversion.losses import (
    center_loss,
    cosine_margin_loss,
    feature_l2_loss,
    info_nce_loss,
    pixel_loss,
)
from lossbook.inversion.modules import (
    CenterLoss,
    CosineMarginLoss,
    FeatureL2Loss,
    InfoNCELoss,
    PixelLoss,
)
from lossbook.inversion.total import InversionLoss
from lossbook.registry import Card

_NOTE = "Template-inversion design note, without public code (source note)"
_FLOAT64 = torch.float64

Bad = tuple[tuple[dict[str, Any], type[Exception], str], ...]


def _zeros(*shape: int) -> Tensor:
    return torch.zeros(shape, dtype=_FLOAT64)


_BAD_OPTIONS: Bad = (
    ({"reduction": "average"}, ValueError, "none, mean, sum, batchmean; got 'average'"),
)
_BAD_WEIGHTS: Bad = (
    ({"weight": _zeros(4)}, ValueError, r"weight must have the shape of the batch"),
    ({"weight": _zeros(5, 3)}, ValueError, r"got \(5, 3\)"),
    ({"weight": _zeros(5).long()}, TypeError, "weight must be a floating-point or boolean"),
)
_BAD_PAIRS: Bad = (
    ({"features": _zeros(5)}, ValueError, r"features must have shape \(B, D\), got \(5,\)"),
    ({"features": _zeros(5, 1, 3)}, ValueError, r"pass features.flatten\(1\)"),
    ({"features": _zeros(5, 0)}, ValueError, r"\(5, 0\)"),
)
_BAD_NEGATIVES: Bad = (
    *_BAD_PAIRS,
    ({"template": _zeros(5, 4)}, ValueError, "features and template must have the same shape"),
    ({"negatives": _zeros(5, 2, 4)}, ValueError, r"negatives must have shape \(B, K, 3\) or"),
    ({"negatives": _zeros(5, 3, 7)}, ValueError, "transpose it with negatives.mT"),
    ({"negatives": _zeros(5, 0, 3)}, ValueError, "draw at least one negative"),
    ({"negatives": _zeros(0, 3)}, ValueError, "draw at least one negative"),
    ({"negatives": _zeros(4, 2, 3)}, ValueError, "batch size: .* negatives has 4"),
    ({"negatives": _zeros(3)}, ValueError, r"\(3,\)"),
    ({"negatives": None}, Exception, "negatives is missing"),
)
_BAD_MARGIN: Bad = (
    ({"margin": -0.1}, ValueError, "margin must be finite and at least 0"),
    ({"margin": "0.35"}, TypeError, "margin must be a Python number"),
    ({"mining": "easiest"}, ValueError, "hardest, mean, random, all; got 'easiest'"),
    ({"clamp": 1}, TypeError, "clamp must be True or False"),
)
_BAD_TEMPERATURE: Bad = (
    ({"temperature": 0.0}, ValueError, "temperature must be finite and greater than 0"),
    ({"temperature": 1e-310}, ValueError, "inverse is no number of torch.float64"),
    ({"temperature": None}, TypeError, "temperature must be a Python number"),
    ({"tile": 0}, ValueError, "tile must be at least 1"),
    ({"tile": 2.0}, TypeError, "tile must be a Python integer"),
)

CARDS = (
    Card(
        name="pixel_loss",
        chapter="inversion",
        summary="Squared error of pixels.",
        function=pixel_loss,
        formula="lossbook.inversion.symbolic:PIXEL",
        twin="lossbook.inversion.symbolic:pixel",
        plain="lossbook.inversion.plain:pixel",
        module=PixelLoss,
        kind="elementwise",
        inputs=pixels,
        differentiable=("input", "target"),
        masked=no_sample_counts,
        degree=2,
        bad=(
            ({"target": _zeros(5, 6, 3)}, ValueError, "same shape"),
            ({"target": None}, TypeError, "target is missing"),
        ),
        units="pixels in any unit; result in its square",
        defaults="the mean, as of a denoiser; the source note has no formula",
        references=(_NOTE,),
        normal=normal.PIXEL,
    ),
    Card(
        name="feature_l2_loss",
        chapter="inversion",
        summary="Squared distance of features from a template.",
        function=feature_l2_loss,
        formula="lossbook.inversion.symbolic:FEATURE_L2",
        twin="lossbook.inversion.symbolic:feature_l2",
        plain="lossbook.inversion.plain:feature_l2",
        module=FeatureL2Loss,
        kind="reduced",
        inputs=pairs,
        differentiable=("features", "template"),
        hyperparameters=({}, {"normalized": True}, {"squared": False}),
        masked=no_sample_counts,
        degree=2,
        bad=(
            *_BAD_PAIRS,
            *_BAD_WEIGHTS,
            *_BAD_OPTIONS,
            ({"template": _zeros(5, 4)}, ValueError, "features and template must have the same"),
            ({"template": None}, TypeError, "template is missing"),
            ({"normalized": 1}, TypeError, "normalized must be True or False"),
            ({"squared": "no"}, TypeError, "squared must be True or False"),
        ),
        units="features of any length; result in their square, or without unit",
        defaults="the squared L2 distance of raw features: the source note",
        references=(_NOTE,),
        normal=normal.FEATURE_L2,
    ),
    Card(
        name="center_loss",
        chapter="inversion",
        summary="Squared distance of features from the center of their class.",
        function=center_loss,
        formula="lossbook.inversion.symbolic:CENTER",
        twin="lossbook.inversion.symbolic:center",
        plain="lossbook.inversion.plain:center",
        module=CenterLoss,
        kind="reduced",
        inputs=with_centers,
        differentiable=("features", "centers"),
        hyperparameters=({}, {"normalized": True}),
        masked=no_sample_counts,
        degree=2,
        bad=(
            *_BAD_PAIRS,
            *_BAD_WEIGHTS,
            *_BAD_OPTIONS,
            ({"centers": _zeros(7, 3)}, ValueError, r"pass centers\[labels\]"),
            ({"centers": None}, TypeError, "centers is missing"),
            ({"normalized": 1}, TypeError, "normalized must be True or False"),
        ),
        units="features of any length; result in their square, or without unit",
        defaults="raw features, without Wen's half: the source note",
        references=("Wen et al. 2016, doi:10.1007/978-3-319-46478-7_31", _NOTE),
        normal=normal.CENTER,
    ),
    Card(
        name="cosine_margin_loss",
        chapter="inversion",
        summary="Hinge of cosines: nearer to the template than to a negative, by a margin.",
        function=cosine_margin_loss,
        formula="lossbook.inversion.symbolic:COSINE_MARGIN",
        twin="lossbook.inversion.symbolic:cosine_margin",
        plain="lossbook.inversion.plain:cosine_margin",
        module=CosineMarginLoss,
        kind="reduced",
        inputs=with_negatives,
        differentiable=("features", "template", "negatives"),
        hyperparameters=(
            {},
            {"margin": 0.75, "mining": "all"},
            {"mining": "mean"},
            {"clamp": False},
        ),
        masked=no_sample_counts,
        perfect=far_from_negatives,
        bad=(*_BAD_NEGATIVES, *_BAD_WEIGHTS, *_BAD_OPTIONS, *_BAD_MARGIN),
        units="features of any length; result without unit",
        defaults="margin 0.35, the hardest negative, a hinge: the code of the source note",
        references=(
            "Wang et al. 2018, arXiv:1801.09414",
            "Schroff et al. 2015, arXiv:1503.03832",
            _NOTE,
        ),
        normal=normal.COSINE_MARGIN,
    ),
    Card(
        name="info_nce_loss",
        chapter="inversion",
        summary="Cross-entropy of the template among negatives.",
        function=info_nce_loss,
        formula="lossbook.inversion.symbolic:INFO_NCE",
        twin="lossbook.inversion.symbolic:info_nce",
        plain="lossbook.inversion.plain:info_nce",
        module=InfoNCELoss,
        kind="reduced",
        inputs=with_negatives,
        differentiable=("features", "template", "negatives"),
        hyperparameters=({}, {"temperature": 0.5}, {"temperature": 0.5, "tile": 1}),
        masked=no_sample_counts,
        perfect=in_the_cold,
        bad=(*_BAD_NEGATIVES, *_BAD_WEIGHTS, *_BAD_OPTIONS, *_BAD_TEMPERATURE),
        units="features of any length; result in nats",
        defaults="temperature 0.07, between the 0.05 and 0.1 of the source note: He et al.",
        references=(
            "van den Oord et al. 2018, arXiv:1807.03748",
            "He et al. 2020, arXiv:1911.05722",
            _NOTE,
        ),
        normal=normal.INFO_NCE,
    ),
    Card(
        name="guidance_consistency_loss",
        chapter="inversion",
        summary="Whether the gradient that trains agrees with the one that guides the inference.",
        # Of both gradients: what comes before them needs a graph from picture to feature.
        function=consistency,
        public=guidance_consistency_loss,
        formula="lossbook.inversion.symbolic:GUIDANCE",
        twin="lossbook.inversion.symbolic:guidance",
        plain="lossbook.inversion.plain:guidance",
        kind="reduced",
        inputs=gradients,
        differentiable=("loss_gradient", "similarity_gradient"),
        hyperparameters=({}, {"form": "residual"}, {"form": "cosine"}),
        masked=no_sample_counts,
        bad=(
            *_BAD_WEIGHTS,
            *_BAD_OPTIONS,
            ({"form": "sum"}, ValueError, "documented, residual, cosine; got 'sum'"),
            ({"loss_gradient": _zeros(5, 4)}, ValueError, "same shape"),
        ),
        units="per unit of a pixel, or without unit",
        defaults="the documented form, whose sign is wrong: the source note",
        references=("Chung et al. 2023, arXiv:2209.14687", _NOTE),
        normal=normal.GUIDANCE,
    ),
    Card(
        name="InversionLoss",
        chapter="inversion",
        summary="Pixels, λ(t) times a feature loss, and a center and a guidance term.",
        function=inversion_loss,
        public=InversionLoss,
        formula="lossbook.inversion.symbolic:TOTAL",
        twin="lossbook.inversion.symbolic:inversion",
        plain="lossbook.inversion.plain:inversion",
        kind="terms",
        inputs=everything,
        differentiable=("input", "target", "features", "template", "negatives", "centers"),
        hyperparameters=(
            {},
            {"feature": "l2", "lambda_schedule": 0.25, "normalized": True},
            {"feature": "info_nce", "temperature": 0.5, "center_weight": 2.0},
            {"mining": "mean", "margin": 0.05, "clamp": False},
        ),
        module=FlatInversionLoss,
        masked=no_sample_counts,
        perfect=rebuilt,
        degree=2,
        bad=(
            *_BAD_NEGATIVES,
            *_BAD_WEIGHTS,
            *_BAD_MARGIN,
            *_BAD_TEMPERATURE,
            ({"target": _zeros(5, 2, 3)}, ValueError, "same shape"),
            ({"centers": None}, ValueError, "centers is missing, and center_weight is 0.5"),
            ({"feature": "angle"}, ValueError, "l2, cosine_margin, info_nce; got 'angle'"),
            ({"lambda_schedule": -1.0}, ValueError, "lambda_schedule must be finite and at least"),
            ({"lambda_schedule": "linear"}, TypeError, r"LambdaSchedule\('linear', total\)"),
            ({"guidance_form": "sum"}, ValueError, "guidance_form must be one of documented"),
            ({"guidance_weight": 1.0}, ValueError, "input must require a gradient"),
            ({"task_weights": 0.5}, TypeError, "task_weights must be SigmoidTaskWeights or"),
        ),
        units="those of the terms",
        defaults="L2 features, λ = 1, no center and no guidance; presets for the source note's",
        references=(_NOTE,),
        normal=normal.INVERSION,
    ),
)
