"""The inversion losses as one would type them: what ours are timed against, in the note's way."""

import torch
import torch.nn.functional as F
from torch import Tensor


def pixel(input: Tensor, target: Tensor) -> Tensor:
    """Mean squared error."""
    return ((input - target) ** 2).mean()


def feature_l2(
    features: Tensor, template: Tensor, *, squared: bool = True, normalized: bool = False
) -> Tensor:
    """Squared distances, or distances, on average."""
    if normalized:
        features, template = F.normalize(features, dim=1), F.normalize(template, dim=1)
    square = ((features - template) ** 2).sum(dim=1)
    return (square if squared else square.sqrt()).mean()


def center(features: Tensor, centers: Tensor, *, normalized: bool = False) -> Tensor:
    """The same from the centers."""
    return feature_l2(features, centers, normalized=normalized)


def cosine_margin(
    features: Tensor,
    template: Tensor,
    negatives: Tensor,
    *,
    margin: float = 0.35,
    mining: str = "hardest",
    clamp: bool = True,
) -> Tensor:
    """Everything normalised, then products; the negatives along their last dimension."""
    match, noise = _cosines(features, template, negatives)
    if mining == "hardest":
        noise = noise.max(dim=1, keepdim=True)[0]
    elif mining == "mean":
        noise = noise.mean(dim=1, keepdim=True)
    losses = noise - match[:, None] + margin
    return (torch.clamp(losses, min=0.0) if clamp else losses).mean()


def info_nce(
    features: Tensor, template: Tensor, negatives: Tensor, *, temperature: float = 0.07
) -> Tensor:
    """Cross-entropy of the template among all."""
    match, noise = _cosines(features, template, negatives)
    logits = torch.cat([match[:, None], noise], dim=1) / temperature
    labels = torch.zeros(len(logits), dtype=torch.long, device=logits.device)
    return F.cross_entropy(logits, labels)


def guidance(
    loss_gradient: Tensor, similarity_gradient: Tensor, *, form: str = "documented"
) -> Tensor:
    """Of two gradients: the length of their difference or sum, or one plus their cosine."""
    first, second = loss_gradient.flatten(1), similarity_gradient.flatten(1)
    if form == "cosine":
        return (1 + F.cosine_similarity(first, second)).mean()
    either = first - second if form == "documented" else first + second
    lengths: Tensor = torch.linalg.vector_norm(either, dim=1)
    return lengths.mean()


def inversion(
    input: Tensor,
    target: Tensor,
    features: Tensor,
    template: Tensor,
    negatives: Tensor,
    centers: Tensor,
    *,
    center_weight: float = 0.5,
) -> Tensor:
    """Pixels, the cosine margin and the centers, added up."""
    total = pixel(input, target) + cosine_margin(features, template, negatives)
    return total + center_weight * center(features, centers)


def _cosines(features: Tensor, template: Tensor, negatives: Tensor) -> tuple[Tensor, Tensor]:
    f, t, n = (F.normalize(each, dim=-1) for each in (features, template, negatives))
    match = (f * t).sum(dim=1)
    if n.ndim == 2:
        return match, f @ n.T
    return match, torch.bmm(f.unsqueeze(1), n.transpose(1, 2)).squeeze(1)
