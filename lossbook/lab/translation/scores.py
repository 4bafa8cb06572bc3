"""How well a generator translates letters of typefaces that it never saw.

Of each unseen style one style of the other domain, unseen too, provides the content: its 26
letters. The style comes from one letter of the style that is asked for, another than the content's,
or from noise. The true answers are the 26 letters of that style.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from lossbook.lab.translation.judges import Judges
from lossbook.lab.translation.letters import ALPHABET, Letters
from lossbook.lab.translation.model import NOISE
from lossbook.lab.translation.vae import Autoencoder
from lossbook.translation import Networks

__all__ = ["COLUMNS", "Asked", "ask", "score", "translate"]

COLUMNS = ("content", "domain", "error", "nearer", "spread", "noise content", "noise domain")
"""Of each style that is asked for: share of letters that are read as what they are; that are taken
for letters of the domain; root mean square error from the true ones, of a full range of 100; share
that is nearer to the letter asked for than to that of another style of the domain; how far two
translations with two styles from noise lie apart, like the error; and the first two of these."""

_LETTERS = len(ALPHABET)


class Asked(NamedTuple):
    """What is asked of a generator for one style.

    Attributes:
        target: number of the style that is asked for.
        source: of the style that provides the content.
        other: of another style of the target's domain.
        reference: which letter shows the style, for each letter of the content; never the same.
    """

    target: int
    source: int
    other: int
    reference: Int64[Tensor, " letters"]


def ask(letters: Letters, unseen: Int64[Tensor, " n"], seed: int) -> list[Asked]:
    """Decide what is asked for.

    Args:
        letters: as `load_letters` gives them.
        unseen: styles that were not trained on.
        seed: of the draws.
    """
    generator = torch.Generator().manual_seed(seed)

    def pick(some: Tensor) -> int:
        return int(some[torch.randint(len(some), (1,), generator=generator)])

    found = []
    for target in unseen.tolist():
        is_own = letters.domain[unseen] == letters.domain[target]
        is_family = letters.family[unseen] == letters.family[target]
        shift = torch.randint(1, _LETTERS, (_LETTERS,), generator=generator)
        found.append(
            Asked(
                target,
                pick(unseen[~is_own]),
                pick(unseen[is_own & ~is_family]),
                (torch.arange(_LETTERS) + shift) % _LETTERS,
            )
        )
    return found


def translate(
    networks: Networks,
    autoencoder: Autoencoder,
    scale: float,
    content: Float[Tensor, "letters 1 32 32"],
    domain: int,
    style_of: Float[Tensor, "letters 1 32 32"] | Float[Tensor, "letters noise"],
) -> Float[Tensor, "letters 1 32 32"]:
    """Translate letters.

    Args:
        networks: trained.
        autoencoder: that they were trained with.
        scale: of their latents.
        content: letters.
        domain: into which.
        style_of: letters of the style that is asked for, or noise.
    """
    label = torch.full((len(content),), domain)
    if style_of.ndim == 2:
        style = networks.mapping(style_of, label)
    else:
        style = networks.style_encoder(autoencoder.encode(style_of) * scale, label)
    made = networks.generator(autoencoder.encode(content) * scale, style)
    return autoencoder.decode(made / scale)


def _error(made: Tensor, true: Tensor) -> Tensor:
    return 100 * (made - true).square().mean((1, 2, 3)).sqrt()


def score(
    letters: Letters,
    asked: list[Asked],
    judge: Judges,
    by_reference: Callable[[Asked], Tensor],
    by_noise: Callable[[Asked, Tensor], Tensor] | None = None,
    seed: int = 0,
) -> dict[str, tuple[float, ...]]:
    """Score translations.

    Args:
        letters: as `load_letters` gives them.
        asked: what is asked for.
        judge: who reads letters and domains.
        by_reference: makes the 26 letters of one test.
        by_noise: makes them from noise ``(26, NOISE)``; None for what takes none.
        seed: of the noise.

    Returns:
        The columns of `COLUMNS`, one number a test.
    """
    generator = torch.Generator().manual_seed(seed)
    names = torch.arange(_LETTERS)
    columns: dict[str, list[float]] = {}

    def add(**values: float) -> None:
        for name, value in values.items():
            columns.setdefault(name.replace("_", " "), []).append(value)

    for test in asked:
        domain = int(letters.domain[test.target])
        true, other = letters.images[test.target], letters.images[test.other]
        made = by_reference(test)
        error = _error(made, true)
        add(
            content=_share(judge.letters(made) == names),
            domain=_share(judge.domains(made) == domain),
            error=error.mean().item(),
            nearer=_share(error < _error(made, other)),
        )
        if by_noise is not None:
            # One z for all 26 letters: a style is one of an alphabet.
            first, second = (
                by_noise(test, torch.randn(1, NOISE, generator=generator).expand(_LETTERS, -1))
                for _ in range(2)
            )
            add(
                spread=_error(first, second).mean().item(),
                noise_content=_share(judge.letters(first) == names),
                noise_domain=_share(judge.domains(first) == domain),
            )
    return {name: tuple(values) for name, values in columns.items()}


def _share(right: Tensor) -> float:
    return right.float().mean().item()
