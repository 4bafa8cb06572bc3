"""Latents from files, in the scale that training needs."""

from __future__ import annotations

import functools
import importlib
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from lossbook import checks

SCALE = 0.18215
"""Of the latents of Stable Diffusion 1.x and 2.x: one over their standard deviation."""


def load_latents(
    path: str | Path,
    *,
    scale: float = SCALE,
    scaled: bool = False,
    channels: int = 4,
    key: str | None = None,
) -> Float[Tensor, "samples channels height width"]:
    r"""Latents of a file, multiplied by their scale: what the losses of the source are taken of.

    The source stores latents as the encoder gives them, of a standard deviation of about
    1 / 0.18215 = 5.5, and multiplies by the scale as it trains. All its L1 terms are in the unit of
    scaled latents.

    Args:
        path: a file of ``torch.save`` (``.pt``, ``.pth``, ``.bin``), or ``.safetensors``.
        scale: what to multiply by, above 0; Stable Diffusion 1.5's by default.
        scaled: whether the file holds scaled latents already, which are then left as they are.
        channels: C, which the latents must have.
        key: of the tensor in a file that holds several.

    Returns:
        float32, shape ``(N, C, H, W)``, on the CPU, without a graph.

    Raises:
        TypeError: for options of another type, or a file that holds no floating-point tensors.
        ValueError: for a file that is damaged or holds more than tensors, another shape, numbers
            that are not finite, an unknown ending or key, or latents whose standard deviation is
            that of scaled ones, or of ones that are not.
        ImportError: for ``.safetensors`` without that package.

    Example:
        >>> import tempfile, torch
        >>> from pathlib import Path
        >>> latents = torch.linspace(-9.5, 9.5, 8192).reshape(8, 4, 16, 16)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = Path(folder) / "latents.pt"
        ...     torch.save(latents, file)
        ...     found = load_latents(file)
        >>> round(found.std().item(), 1)
        1.0

    References:
        Source note: ``training.latent_scale``; Rombach et al., *High-Resolution Image Synthesis
        with Latent Diffusion Models*, CVPR 2022, arXiv:2112.10752.
    """
    checks.number(exclusive=True, scale=scale)
    checks.flag(scaled=scaled)
    checks.index(None, channels=channels)
    file = Path(path)
    latents = _as_tensor(_read(file), file, key).detach().float()
    _check(latents, file, channels)
    _check_scale(latents, file, scale, scaled)
    return latents if scaled else latents * scale


def _read(file: Path) -> Any:
    ending = file.suffix.lower()
    if ending == ".safetensors":
        try:
            reader = importlib.import_module("safetensors.torch")
        except ImportError as error:
            raise ImportError(
                "reading .safetensors needs safetensors, which is missing: pip install safetensors",
                name="safetensors",
            ) from error
        return _opened(reader.load_file, file, "safetensors")
    if ending not in (".pt", ".pth", ".bin"):
        raise ValueError(
            f"path must end in .pt, .pth, .bin or .safetensors, got {file.name!r}; store "
            f"an array by torch.save(torch.as_tensor(array), 'latents.pt')"
        )
    try:
        load = functools.partial(torch.load, map_location="cpu", weights_only=True)
        return _opened(load, file, "torch.save")
    except pickle.UnpicklingError as error:
        if "numpy" in str(error):
            raise ValueError(
                f"{file.name} holds an array of numpy, which is not read; store a tensor: "
                f"torch.save(torch.as_tensor(array), {file.name!r})"
            ) from error
        raise ValueError(
            f"{file.name} holds more than tensors, which is not read, as it could run any code; "
            f"store a tensor: torch.save(latents, {file.name!r})"
        ) from error


def _opened(load: Callable[[Path], Any], file: Path, maker: str) -> Any:
    try:
        return load(file)
    except (FileNotFoundError, IsADirectoryError, PermissionError, MemoryError):
        raise
    except Exception as error:  # of many types, by where the file is damaged
        if isinstance(error, pickle.UnpicklingError) and "Unsupported global" in str(error):
            raise
        raise ValueError(
            f"{file.name} cannot be read: it is damaged, or no file of {maker}; store or copy it "
            f"again"
        ) from error


def _as_tensor(content: Any, file: Path, key: str | None) -> Tensor:
    what, advice = f"what {file.name} holds", ""
    if isinstance(content, dict):
        if not content:
            raise ValueError(f"{file.name} holds nothing; store the latents again")
        if key is None and len(content) == 1:
            key = next(iter(content))
        if key not in content:
            asked = "" if key is None else f", got {key!r}"
            raise ValueError(
                f"{file.name} holds {', '.join(map(str, content))}; key must name one of "
                f"them{asked}"
            )
        floating = [name for name, value in content.items() if _is_floating(value)]
        content = content[key]
        if floating:
            advice = f"; floating-point is {' and '.join(map(repr, floating))}: pass it as key="
        what = f"{key!r} in {file.name}"
    elif key is not None:
        raise ValueError(f"{file.name} holds one tensor without a name; leave out key={key!r}")
    if isinstance(content, (list, tuple)) and content:
        for i, one in enumerate(content):
            _check_floating(one, f"number {i} in {file.name}", advice)
            if one.ndim not in (3, 4):
                raise ValueError(
                    f"number {i} in {file.name} must have shape (C, H, W) or (N, C, H, W), got "
                    f"{tuple(one.shape)}"
                )
        checks.same_shape(**{f"number {i} in {file.name}": one for i, one in enumerate(content)})
        content = torch.stack(list(content)) if content[0].ndim == 3 else torch.cat(list(content))
    _check_floating(content, what, advice)
    found: Tensor = content
    return found


def _is_floating(value: Any) -> bool:
    first = value[0] if isinstance(value, (list, tuple)) and value else value
    return isinstance(first, Tensor) and first.is_floating_point()


def _check_floating(value: Any, what: str, advice: str) -> None:
    if not isinstance(value, Tensor):
        kind = type(value).__name__
        raise TypeError(f"{what} must be a torch.Tensor, got {kind}{advice}")
    if not value.is_floating_point():
        raise TypeError(f"{what} must be a floating-point tensor, got {value.dtype}{advice}")
    if value.layout != torch.strided:
        raise TypeError(f"{what} must be dense, got {value.layout}; store latents.to_dense()")


def _check(latents: Tensor, file: Path, channels: int) -> None:
    def advise(name: str, shape: tuple[int, ...]) -> str:
        if len(shape) == 4 and shape[-1] == channels:
            return "the channels come last: store latents.permute(0, 3, 1, 2)"
        if len(shape) == 4:
            return f"pass channels={shape[1]} if that is what the encoder has"
        return ""

    checks.shape(
        f"(N, {channels}, H, W)",
        lambda shape: len(shape) == 4 and shape[1] == channels,
        advise,
        **{f"what {file.name} holds": latents},
    )
    checks.finite(**{file.name: latents})


def _check_scale(latents: Tensor, file: Path, scale: float, scaled: bool) -> None:
    """Tell by the standard deviation whether the latents were scaled: about 1, or 1 / scale."""
    if latents.numel() < 2 or scale > 0.5:
        return
    spread = latents.std().item()
    if spread == 0:
        raise ValueError(
            f"{file.name} holds the same number {latents.numel()} times, which is no latent; store "
            f"what the encoder returned"
        )
    looks_scaled = spread < scale**-0.5
    if looks_scaled and not scaled:
        raise ValueError(
            f"{file.name} has a standard deviation of {spread:.3g}, as latents that were "
            f"multiplied by {scale:g} already (others have about {1 / scale:.2g}); pass scaled=True"
        )
    if scaled and not looks_scaled:
        raise ValueError(
            f"{file.name} has a standard deviation of {spread:.3g}, as latents that were not "
            f"multiplied by {scale:g} (scaled ones have about 1); leave out scaled=True"
        )
