r"""The chapter's attacker: a denoiser that rebuilds a face from its template.

It follows the source note: a picture :math:`x_0` gets noise, :math:`x_0 + \sigma\epsilon`, and with
a template beside it the network says what the picture was. Its parts are those of Karras et al.
2022 (arXiv:2206.00364): the network's input and output are scaled so that both have variance 1 at
any :math:`\sigma`. A face is made from noise in twelve steps down to :math:`\sigma = 0`.

Before anything is trained there is a guess: the ridge regression of pictures on templates, a linear
map that is computed in a second. The network learns what the guess lacks.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional

from lossbook.lab.inversion.faces import SIDE, Faces, reduce

__all__ = [
    "SIGMAS",
    "STEERED",
    "Denoiser",
    "Guide",
    "linear_guess",
    "rebuild",
    "steer",
    "templates",
]

_SPREAD = 0.5
"""Standard deviation of a pixel around the guess that the scaling reckons with."""

_CALLS = 12
_STEERED = 4
_LARGEST, _SMALLEST = 10.0, 0.03

SIGMAS: tuple[float, ...] = (
    *(_LARGEST * (_SMALLEST / _LARGEST) ** (i / (_CALLS - 1)) for i in range(_CALLS)),
    0.0,
)
"""The noise that is left before each of the twelve steps, and after the last."""

STEERED: tuple[float, ...] = tuple(
    now - then for now, then in itertools.pairwise(SIGMAS[-1 - _STEERED :])
)
"""The noise that each of the last steps, which guidance steers, takes away."""

Guide = Callable[[Float[Tensor, "batch 1 56 56"]], Float[Tensor, " batch"]]
"""Says how much each rebuilt picture is what it should be."""


def templates(faces: Faces) -> Float[Tensor, "faces 128"]:
    """SFace's templates at length 1, which is how systems store them.

    Args:
        faces: as `load_faces` gives them.
    """
    return functional.normalize(faces.attacked)


def linear_guess(
    faces: Faces, training: Int64[Tensor, " n"], *, ridge: float = 0.3
) -> tuple[Float[Tensor, "pixels 128"], Float[Tensor, " pixels"]]:
    """Ridge regression of pictures on templates.

    Args:
        faces: as `load_faces` gives them.
        training: the faces to learn from.
        ridge: what is added to the templates' covariance, of length 1 and summed over the faces.

    Returns:
        Matrix and constant of the linear map from a template to the picture's pixels.
    """
    known, pictures = templates(faces)[training], reduce(faces.pictures[training]).flatten(1)
    center, mean = known.mean(0), pictures.mean(0)
    rest = known - center
    covariance = rest.T @ rest + ridge * torch.eye(rest.shape[1])
    matrix = torch.linalg.solve(covariance, rest.T @ (pictures - mean)).T
    return matrix, mean - matrix @ center


class _Block(nn.Module):
    """Two convolutions; the template and the noise scale and shift what is between them."""

    def __init__(self, before: int, after: int, condition: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(before, after, 3, padding=1)
        self.norm = nn.GroupNorm(8, after)
        self.condition = nn.Linear(condition, 2 * after)
        self.second = nn.Conv2d(after, after, 3, padding=1)
        self.shortcut = nn.Conv2d(before, after, 1) if before != after else nn.Identity()
        nn.init.zeros_(self.second.weight)
        nn.init.zeros_(self.second.bias)  # type: ignore[arg-type]

    def forward(self, values: Tensor, condition: Tensor) -> Tensor:
        scale, shift = self.condition(condition)[:, :, None, None].chunk(2, 1)
        inner = functional.silu(self.norm(self.first(values)) * (1 + scale) + shift)
        found: Tensor = self.shortcut(values) + self.second(inner)
        return found


class Denoiser(nn.Module):
    """Says what a noisy picture of a person with this template is.

    Args:
        matrix: of the linear guess, see `linear_guess`; it is not trained.
        constant: of the linear guess.
        plain: whether the noisy picture is not looked at: a decoder of templates, as a control.
        widths: channels at 28, 14 and 7 pixels.
    """

    matrix: Tensor
    constant: Tensor
    frequencies: Tensor

    def __init__(
        self,
        matrix: Float[Tensor, "pixels 128"],
        constant: Float[Tensor, " pixels"],
        *,
        plain: bool = False,
        widths: Sequence[int] = (24, 48, 96),
    ) -> None:
        super().__init__()
        fine, middle, coarse = widths
        size, condition = matrix.shape[1], 128
        self.plain = plain
        self.register_buffer("matrix", matrix)
        self.register_buffer("constant", constant)
        self.register_buffer("frequencies", 2.0 ** torch.arange(8) / 4)
        self.condition = nn.Sequential(
            nn.Linear(size + 16, condition), nn.SiLU(), nn.Linear(condition, condition), nn.SiLU()
        )
        self.map = nn.Linear(size, coarse * (SIDE // 8) ** 2)
        self.input = nn.Conv2d(8, fine, 3, padding=1)
        self.down = nn.ModuleList(
            [
                _Block(fine, fine, condition),
                _Block(fine, middle, condition),
                _Block(middle, coarse, condition),
            ]
        )
        self.up = nn.ModuleList(
            [
                _Block(2 * coarse, middle, condition),
                _Block(2 * middle, fine, condition),
                _Block(2 * fine, fine, condition),
            ]
        )
        self.output = nn.Conv2d(fine, 4, 3, padding=1)
        nn.init.zeros_(self.output.weight)
        nn.init.zeros_(self.output.bias)  # type: ignore[arg-type]

    def guess(self, template: Float[Tensor, "batch 128"]) -> Float[Tensor, "batch 1 56 56"]:
        """The linear guess.

        Args:
            template: of length 1.
        """
        pixels = template @ self.matrix.T + self.constant
        return pixels.view(-1, 1, SIDE, SIDE)

    def forward(
        self,
        noisy: Float[Tensor, "batch 1 56 56"],
        sigma: Float[Tensor, " batch"],
        template: Float[Tensor, "batch 128"],
    ) -> Float[Tensor, "batch 1 56 56"]:
        """Rebuild pictures, from -1 to 1 but for errors.

        Args:
            noisy: pictures with noise.
            sigma: the noise's standard deviation.
            template: of length 1.
        """
        guess = self.guess(template)
        width = sigma[:, None, None, None]
        total = (width.square() + _SPREAD**2).sqrt()
        rest = torch.zeros_like(noisy) if self.plain else noisy - guess
        angles = sigma.log()[:, None] / 4 * self.frequencies
        known = template * template.shape[1] ** 0.5
        condition = self.condition(torch.cat([known, angles.sin(), angles.cos()], 1))
        values = self.input(functional.pixel_unshuffle(torch.cat([rest / total, guess], 1), 2))
        kept: list[Tensor] = []
        for block in self.down:
            values = block(values if not kept else functional.avg_pool2d(values, 2), condition)
            kept.append(values)
        values = self.map(known).view_as(values)
        for block, same in zip(self.up, reversed(kept), strict=True):
            if values.shape != same.shape:
                values = functional.interpolate(values, scale_factor=2.0)
            values = block(torch.cat([values, same], 1), condition)
        change = functional.pixel_shuffle(self.output(values), 2)
        if self.plain:
            bare: Tensor = guess + _SPREAD * change
            return bare
        found: Tensor = guess + (_SPREAD / total) ** 2 * rest + width * _SPREAD / total * change
        return found


def steer(
    goal: Float[Tensor, " batch"], picture: Float[Tensor, "batch 1 56 56"], way: float
) -> Float[Tensor, "batch 1 56 56"]:
    """The step by which pictures are moved towards a goal.

    Args:
        goal: of each picture, to become larger.
        picture: that it was computed from.
        way: root mean square of the step over the pixels.
    """
    (pull,) = torch.autograd.grad(goal.sum(), picture)
    length = pull.square().mean((1, 2, 3), keepdim=True).sqrt()
    return way * pull / length.clamp(min=1e-12)


def rebuild(
    model: Denoiser,
    template: Float[Tensor, "batch 128"],
    *,
    seed: int = 0,
    guide: Guide | None = None,
    strength: float = 0.5,
) -> Float[Tensor, "batch 1 56 56"]:
    """Make faces from noise.

    Args:
        model: trained.
        template: of length 1.
        seed: of the noise.
        guide: what the picture should be; its gradient, through the denoiser, steers the last four
            steps.
        strength: root mean square over the pixels by which a step is steered, as a share of the
            noise that the step takes away.

    Returns:
        Pictures, from -1 to 1 but for errors.
    """
    generator = torch.Generator().manual_seed(seed)
    shape = (len(template), 1, SIDE, SIDE)
    picture = (torch.randn(shape, generator=generator) * SIGMAS[0]).to(template.device)
    for step, (now, then) in enumerate(itertools.pairwise(SIGMAS)):
        sigma = torch.full((len(template),), now, device=template.device)
        steered = guide is not None and step >= _CALLS - _STEERED
        with torch.set_grad_enabled(steered):
            start = picture.detach().requires_grad_(steered)
            clean: Tensor = model(start, sigma, template)
            if model.plain:
                return clean
            pull = torch.zeros_like(start)
            if guide is not None and steered:
                pull = steer(guide(clean), start, strength * (now - then))
        clean = clean.detach()
        picture = clean + (start.detach() - clean) * (then / now) + pull
    return picture
