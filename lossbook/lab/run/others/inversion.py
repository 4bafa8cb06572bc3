"""Other people's losses of features, and of several tasks."""

from types import SimpleNamespace

import torch

from lossbook.inversion import feature_l2_loss, pixel_loss
from lossbook.lab.run.others.entry import Entry, Names, Source, Tensors, normal

SOURCES = {
    "pytorch-metric-learning": Source("pytorch-metric-learning", package="pytorch-metric-learning"),
    "libmtl": Source("LibMTL", "median-research-group/LibMTL"),
    "torchjd": Source("TorchJD", package="torchjd"),
}

_LOSSES = "pytorch_metric_learning.losses"
_DISTANCES = {"pytorch_metric_learning.distances": ("CosineSimilarity",)}
_REDUCERS = {"pytorch_metric_learning.reducers": ("MeanReducer",)}


def _faces(batch: int, generator: torch.Generator) -> Tensors:
    template = normal(batch, 512, generator=generator)
    return {
        # As like their template as a trained network's are.
        "features": template + normal(batch, 512, generator=generator),
        "template": template,
        "negatives": normal(16, 512, generator=generator),
    }


def _labelled(given: Tensors) -> Names:
    """What their losses want: labels, and which pairs and triplets count."""
    batch, count = len(given["features"]), len(given["negatives"])
    each = torch.arange(batch)
    anchors = each.repeat_interleave(count)
    negatives = batch + torch.arange(count).repeat(batch)
    return {
        "labels": each,
        "others": torch.cat([given["template"], given["negatives"]]),
        "other_labels": torch.cat([each, torch.full((count,), -1)]),
        "pairs": (each, each, anchors, negatives),
        "triplets": (anchors, anchors, negatives),
    }


def _opposed(given: Tensors) -> Names:
    far = -given["template"].detach()[:1].expand(16, -1)
    return {
        **_labelled(given),
        "far": far,
        "opposed": torch.cat([given["template"].detach(), far]),
    }


def _tasks(batch: int, generator: torch.Generator) -> Tensors:
    del batch  # one number a task, whatever it is a mean of
    return {name: normal(generator=generator).square() for name in ("pixel", "feat")}


def _kept(given: Tensors) -> Names:
    scale = given["pixel"].new_full((2,), -0.5).requires_grad_()
    return {"self": SimpleNamespace(loss_scale=scale), "log_variance": scale}


def _pictures(batch: int, generator: torch.Generator) -> Tensors:
    return {
        "x": normal(batch, 48, generator=generator),
        "target": normal(batch, 48, generator=generator),
        "encoder": normal(48, 16, generator=generator) / 7,
        "template": normal(batch, 16, generator=generator),
    }


def _both(given: Tensors) -> Names:
    return {
        "pixel_loss": pixel_loss,
        "feature_l2_loss": feature_l2_loss,
        "weights": given["x"].new_tensor([1.0, 0.5]),
    }


ENTRIES = (
    Entry(
        "pytorch-metric-learning NTXentLoss",
        "pytorch-metric-learning",
        "NTXentLoss",
        {_LOSSES: ("NTXentLoss",)},
        theirs="loss = NTXentLoss(temperature=0.07)\n"
        "loss(features, labels, pairs, others, other_labels)",
        ours="info_nce_loss(features, template, negatives, temperature=0.07)",
        inputs=_faces,
        wanted=("features", "template"),
        differs="`others` are the templates and the negatives, in one tensor, and `pairs` says "
        "which count. Theirs adds the smallest number of float32 to the quotient, so that no "
        "sample costs more than 87; ours goes on. Theirs works with any labels and distance, and "
        "adds miners, reducers, memories of past batches and data parallelism, which ours lacks.",
        also=_opposed,
        shows={
            "the loss of features opposite to their template, temperature 0.01": (
                "NTXentLoss(temperature=0.01)(-template, labels, pairs, opposed, other_labels)",
                "info_nce_loss(-template, template, far, temperature=0.01)",
            ),
            "the same in float64": (
                "loss = NTXentLoss(temperature=0.01)\n"
                "loss(-template.double(), labels, pairs, opposed.double(), other_labels)",
                "info_nce_loss(-template.double(), template.double(), far.double(), "
                "temperature=0.01)",
            ),
        },
    ),
    Entry(
        "pytorch-metric-learning NTXentLoss, pairs left out",
        "pytorch-metric-learning",
        "NTXentLoss",
        {_LOSSES: ("NTXentLoss",)},
        theirs="loss = NTXentLoss(temperature=0.07)\n"
        "loss(features, labels, ref_emb=others, ref_labels=other_labels)",
        ours="info_nce_loss(features, template, negatives, temperature=0.07)",
        inputs=_faces,
        also=_labelled,
        wanted=("features", "template"),
        agrees=False,
        differs="By labels alone the templates of the other samples are negatives too. Ours takes "
        "those that you pass: `(B, K, D)` may hold them.",
    ),
    Entry(
        "pytorch-metric-learning TripletMarginLoss",
        "pytorch-metric-learning",
        "TripletMarginLoss",
        {_LOSSES: ("TripletMarginLoss",), **_DISTANCES, **_REDUCERS},
        theirs="loss = TripletMarginLoss(\n"
        "    margin=0.7, distance=CosineSimilarity(), reducer=MeanReducer()\n)\n"
        "loss(features, labels, triplets, others, other_labels)",
        ours="cosine_margin_loss(features, template, negatives, margin=0.7, mining='all')",
        inputs=_faces,
        also=_labelled,
        wanted=("features", "template"),
        differs="`mining='all'` is every triplet. Ours has `'hardest'` by default, for which "
        "theirs has miners.",
    ),
    Entry(
        "pytorch-metric-learning TripletMarginLoss, its reducer",
        "pytorch-metric-learning",
        "TripletMarginLoss",
        {_LOSSES: ("TripletMarginLoss",), **_DISTANCES},
        theirs="loss = TripletMarginLoss(margin=0.7, distance=CosineSimilarity())\n"
        "loss(features, labels, triplets, others, other_labels)",
        ours="cosine_margin_loss(features, template, negatives, margin=0.7, mining='all')",
        inputs=_faces,
        also=_labelled,
        wanted=("features", "template"),
        agrees=False,
        differs="By default it averages over the triplets whose hinge is above 0. Its gradient "
        "then does not fade as fewer of them are left; ours does.",
    ),
    Entry(
        "libmtl UW",
        "libmtl",
        "UW",
        {"LibMTL/weighting/UW.py": ("UW.backward",)},
        theirs="backward(self, torch.stack([pixel, feat]))\nNone",
        ours="weighted = UncertaintyWeights(('pixel', 'feat'), init=-0.5)\n"
        "log_variance = weighted.log_variance\n"
        "weighted({'pixel': pixel, 'feat': feat})",
        inputs=_tasks,
        also=_kept,
        wanted=("pixel", "feat", "log_variance"),
        differs="Theirs starts at -0.5, ours at 0. It goes back by itself and returns the "
        "weights, so that gradients alone are compared. LibMTL has some twenty further ways to "
        "weigh tasks.",
    ),
    Entry(
        "torchjd UW",
        "torchjd",
        "UW",
        {"torchjd.scalarization": ("UW",)},
        theirs="weighted = UW(2)\nlog_variance = weighted.log_var\n"
        "weighted(torch.stack([pixel, feat]))",
        ours="weighted = UncertaintyWeights(('pixel', 'feat'))\n"
        "log_variance = weighted.log_variance\n"
        "weighted({'pixel': pixel, 'feat': feat})",
        inputs=_tasks,
        wanted=("pixel", "feat", "log_variance"),
        differs="Tasks are told apart by their place, in ours by name. Ours also has "
        "classifications, whose factor is 1, and a floor.",
    ),
    Entry(
        "torchjd Constant",
        "torchjd",
        "Constant",
        {
            "torchjd.autojac": ("backward", "jac_to_grad"),
            "torchjd.aggregation": ("Constant",),
        },
        theirs="terms = [pixel_loss(x, target), feature_l2_loss(x @ encoder, template)]\n"
        "backward(terms, inputs=[x])\n"
        "jac_to_grad([x], Constant(weights))\nNone",
        ours="terms = {'pixel': pixel_loss(x, target)}\n"
        "terms['feat'] = feature_l2_loss(x @ encoder, template)\n"
        "LossTerms(terms, {'pixel': 1.0, 'feat': 0.5})",
        inputs=_pictures,
        also=_both,
        wanted=("x",),
        differs="With constant weights Jacobian descent is gradient descent on the total. Its "
        "other aggregators, such as `UPGrad`, take conflicts between the gradients out, which "
        "nothing here does; hand them `list(loss.terms.values())`.",
    ),
)
