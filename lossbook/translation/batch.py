"""What the totals of a translation take: four networks, and a batch; and what they ask of both."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.utils.data._utils.collate import default_collate_fn_map

from lossbook import checks
from lossbook.advice import instead_of_name
from lossbook.fields import collated, moved, warn_of_passed_over
from lossbook.translation.graphs import one_logit

Latents = Float[Tensor, "batch channels *size"]
Labels = Int64[Tensor, " batch"]
Noise = Float[Tensor, "batch noise"]


class Networks(NamedTuple):
    """The four networks of StarGAN v2, as callables.

    Attributes:
        generator: :math:`G(x, s)`, from a sample and a style to a sample.
        style_encoder: :math:`E(x, y)`, from a sample and a label to a style ``(B, S)``.
        mapping: :math:`F(z, y)`, from noise and a label to a style ``(B, S)``.
        discriminator: :math:`D(x, y)`, from a sample and a label to a logit ``(B,)`` or
            ``(B, 1)``, or to a map of them ``(B, 1, H, W)``.
    """

    generator: Callable[[Tensor, Tensor], Tensor]
    style_encoder: Callable[[Tensor, Tensor], Tensor]
    mapping: Callable[[Tensor, Tensor], Tensor]
    discriminator: Callable[[Tensor, Tensor], Tensor]


class TranslationBatch(NamedTuple):
    """What one step of StarGAN v2 is made from. Data loaders collate it from samples.

    Attributes:
        content: samples to translate, shape ``(B, C, H, W)``; latents multiplied by their scale.
        y_src: their labels, shape ``(B,)``, int64.
        x_ref: samples of the target domain, shape ``(B, C, H, W)``, scaled alike.
        y_trg: their labels, shape ``(B,)``, int64.
        z_trg: noise of the latent path, shape ``(B, Z)``.
        z_2: noise of the second diverse translation, shape ``(B, Z)``.
        z_1: noise of the first; None (default) for ``z_trg``, whose translation is then used.
    """

    content: Tensor
    y_src: Tensor
    x_ref: Tensor
    y_trg: Tensor
    z_trg: Tensor
    z_2: Tensor
    z_1: Tensor | None = None

    @classmethod
    def pick(cls, row: Mapping[str, Any], **more: Tensor) -> TranslationBatch:
        """The fields among the keys of a loader's batch; other keys are passed over.

        Args:
            row: a mapping, of which some keys are names of fields.
            more: fields by name that it does not have, or that replace its own, such as noise.

        Raises:
            TypeError: for anything but a mapping, or another name in ``more``.
            ValueError: if a field other than ``z_1`` is missing.

        Example:
            >>> latents, labels = torch.zeros(2, 4, 8, 8), torch.zeros(2, dtype=torch.int64)
            >>> row = {"content": latents, "y_src": labels, "x_ref": latents, "y_trg": labels,
            ...        "typeface": ["serif", "sans"]}
            >>> batch = TranslationBatch.pick(row, z_trg=torch.zeros(2, 16), z_2=torch.ones(2, 16))
            >>> batch.content.shape
            torch.Size([2, 4, 8, 8])
        """
        if not isinstance(row, Mapping):
            raise TypeError(f"pick takes a mapping, got {type(row).__name__}")
        for name in more:
            if name not in cls._fields:
                raise TypeError(f"pick has no {name!r}; {instead_of_name(name, cls._fields)}")
        found = {name: row[name] for name in cls._fields if name in row} | more
        missing = [n for n in cls._fields if n not in found and n not in cls._field_defaults]
        if missing:
            raise ValueError(
                f"none of the keys {', '.join(map(str, row))} is {' or '.join(missing)}; pass "
                f"TranslationBatch.pick(row, {', '.join(f'{name}=...' for name in missing)})"
            )
        warn_of_passed_over(cls.__name__, row, cls._fields, found)
        return cls(**found)

    def to(self, *args: Any, **options: Any) -> TranslationBatch:
        """The same on another device; a dtype is that of the samples and the noise alone.

        Args:
            args: those of :meth:`torch.Tensor.to`.
            options: likewise: ``device``, ``dtype``, ``non_blocking``, ``copy`` or ``other``.
        """
        labels = ("y_src", "y_trg")
        fields: dict[str, Any] = {
            name: value if value is None else moved(value, args, options, cast=name not in labels)
            for name, value in self._asdict().items()
        }
        return TranslationBatch(**fields)


def _collate(samples: Sequence[TranslationBatch], *, collate_fn_map: Any = None) -> Any:
    """A batch of samples; without ``z_1`` where none has it."""
    fix = "give every sample one, or draw the noise of the whole batch after loading"
    fields = collated(samples, TranslationBatch._fields, fix, collate_fn_map)
    return TranslationBatch(**fields)


default_collate_fn_map[TranslationBatch] = _collate


def check_networks(networks: Networks) -> None:
    """Check that there are four callables.

    Raises:
        TypeError: saying what came.
    """
    if not isinstance(networks, Networks):
        raise TypeError(
            f"networks must be Networks, got {type(networks).__name__}; write "
            f"Networks(generator, style_encoder, mapping, discriminator)"
        )
    # The class's fields: torch 2.8 cannot compile those of an instance.
    for name, network in zip(Networks._fields, networks, strict=True):
        if not callable(network):
            raise TypeError(f"networks.{name} must be callable, got {type(network).__name__}")


def check_batch(batch: TranslationBatch | Mapping[str, Tensor | None]) -> TranslationBatch:
    """Check the shapes, dtypes and devices of a batch.

    Returns:
        The batch itself, or one made of a mapping with the same names.

    Raises:
        TypeError: for another type, samples that are no floating-point tensors, or labels that are
            not int64.
        ValueError: for other names, or shapes, batch sizes or devices that do not fit.
    """
    if isinstance(batch, Mapping):
        batch = _of_mapping(batch)
    if not isinstance(batch, TranslationBatch):
        raise TypeError(
            f"batch must be a TranslationBatch or a mapping, got {type(batch).__name__}; write "
            f"TranslationBatch(content, y_src, x_ref, y_trg, z_trg, z_2)"
        )
    samples = {"content": batch.content, "x_ref": batch.x_ref}
    noise = {"z_trg": batch.z_trg, "z_2": batch.z_2}
    if batch.z_1 is not None:
        noise["z_1"] = batch.z_1
    labels = {"y_src": batch.y_src, "y_trg": batch.y_trg}
    checks.floating(**samples, **noise)
    checks.shape("(B, C, ...)", lambda shape: len(shape) > 1, **samples)
    checks.shape("(B, Z)", lambda shape: len(shape) == 2, **noise)
    for name, label in labels.items():
        _check_labels(name, label)
    checks.same_batch(**samples, **labels, **noise)
    checks.same_shape(**samples)
    checks.same_shape(**noise)
    checks.same_dtype(**samples, **noise)
    checks.same_device(**samples, **labels)
    if checks.checking_values(*samples.values(), *noise.values(), *labels.values()):
        _look(samples, noise, labels)
    return batch


def _of_mapping(row: Mapping[str, Any]) -> TranslationBatch:
    """A batch of exactly the fields; others take a word, as noise is drawn in each step."""
    known, optional = TranslationBatch._fields, TranslationBatch._field_defaults
    missing = [name for name in known if name not in row and name not in optional]
    others = [repr(name) for name in row if name not in known]
    if missing or others:
        faults = [f"has no {', '.join(missing)}"] if missing else []
        faults += [f"holds {', '.join(others)} besides the fields"] if others else []
        given = "".join(f", {name}=..." for name in missing)
        raise ValueError(f"batch {' and '.join(faults)}; pass TranslationBatch.pick(batch{given})")
    return TranslationBatch(**row)


def _check_labels(name: str, label: Any) -> None:
    if not isinstance(label, Tensor):
        raise TypeError(
            f"{name} must be a torch.Tensor, got {type(label).__name__}; convert it with "
            f"torch.as_tensor({name})"
        )
    if label.dtype is not torch.int64:
        raise TypeError(
            f"{name} must hold labels in int64, got {label.dtype} of shape {tuple(label.shape)}; "
            f"{_to_labels(name, tuple(label.shape))}"
        )

    def advise(name: str, shape: tuple[int, ...]) -> str:
        if len(shape) != 2:
            return ""
        return f"pass {name}.squeeze(1)" if shape[1] == 1 else _to_labels(name, shape)

    checks.shape("(B,)", lambda shape: len(shape) == 1, advise, **{name: label})


def _to_labels(name: str, shape: tuple[int, ...]) -> str:
    """How to make labels of what is no int64."""
    if len(shape) == 2 and shape[1] > 1:
        return f"of one-hot labels pass {name}.argmax(1)"
    if len(shape) == 2:
        return f"convert it with {name}.squeeze(1).long()"
    return f"convert it with {name}.long()"


_APART = 2.5
"""Beyond this factor between two deviations, one of two latents is hardly scaled like the other."""

_UNSCALED = 3.0
"""Scaled latents have a standard deviation of about 1, those of Stable Diffusion's encoder 5.5."""


def _look(samples: dict[str, Tensor], noise: dict[str, Tensor], labels: dict[str, Tensor]) -> None:
    checks.finite(**samples, **noise)
    for name, label in labels.items():
        if label.numel() and int(label.min()) < 0:
            raise ValueError(f"{name} must hold labels from 0 on, its least is {int(label.min())}")
    spreads = [s.detach().double().std().item() if s.numel() > 1 else 0 for s in samples.values()]
    if min(spreads) > 0 and max(spreads) > _APART * min(spreads):
        checks.warn(
            f"content has a standard deviation of {spreads[0]:.3g}, x_ref of {spreads[1]:.3g}: is "
            f"one of them multiplied by the scale of the latents, and the other not?"
        )
    elif max(spreads) > _UNSCALED:
        checks.warn(
            f"content has a standard deviation of {spreads[0]:.3g}, x_ref of {spreads[1]:.3g}, and "
            f"scaled latents one of about 1; multiply both by their scale, as load_latents does"
        )
    for name in ("z_2", "z_1"):
        other = noise["z_trg" if name == "z_2" else "z_2"]
        if name in noise and other.numel() and torch.equal(noise[name], other):
            checks.warn(
                f"{name} is the same noise as another: the diversity compares a translation with "
                f"itself; draw it anew"
            )
            return


def called(networks: Networks, name: str, first: Tensor, second: Tensor, like: Tensor) -> Tensor:
    """What a network answers, checked.

    Args:
        networks: the four.
        name: of the one to call.
        first: its first argument.
        second: its second.
        like: the content: of its shape is what the generator makes.

    Raises:
        TypeError: for an answer that is no floating-point tensor.
        ValueError: for one of another shape or batch size than is asked for.
    """
    found = getattr(networks, name)(first, second)
    check_answer(name, found, like)
    answer: Tensor = found
    return answer


def check_answer(name: str, found: Any, like: Tensor) -> None:
    """Check what a network answered.

    Raises:
        TypeError: for anything but a floating-point tensor.
        ValueError: for a shape that does not fit.
    """
    what = f"what networks.{name} returned"
    if isinstance(found, (tuple, list)):
        raise TypeError(
            f"{what} must be one tensor, got a {type(found).__name__} of {len(found)}; wrap the "
            f"network: lambda a, b: network(a, b)[0]"
        )
    checks.floating(**{what: found})
    shape = tuple(found.shape)
    if name == "generator":
        if found.shape != like.shape:
            raise ValueError(
                f"{what} must have the shape of content {tuple(like.shape)}, got {shape}; a "
                f"translation is as large as its sample"
            )
        return
    if not shape or found.shape[0] != like.shape[0]:
        raise ValueError(
            f"{what} must have one row for each of the {like.shape[0]} samples of the batch, got "
            f"{shape}"
        )
    if name == "discriminator":
        one_logit(**{what: found})
