"""What the losses of a hand are computed from, by name: weights, prediction and target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, overload

import torch
from torch import Tensor
from torch.utils.data._utils.collate import default_collate_fn_map

from lossbook import checks
from lossbook.advice import meant_by
from lossbook.fields import collated, moved, warn_of_passed_over

Fields = TypeVar("Fields", bound="_Fields")


@dataclass(frozen=True)
class HandLossWeights:
    """The five weights of :class:`HandLoss`; those left out are the source's code's.

    Attributes:
        w_2d: of the 2D keypoints.
        w_3d_joint: of the 3D joints.
        w_3d_vert: of the vertices.
        w_prior: of MANO's prior.
        w_aux: of the first stage.

    Raises:
        TypeError: for a weight that is no Python number.
        ValueError: for a weight that is negative or not finite.

    Example:
        >>> HandLossWeights.config()
        HandLossWeights(w_2d=0.01, w_3d_joint=0.05, w_3d_vert=0.0, w_prior=0.001, w_aux=0.001)
    """

    w_2d: float = 1.0
    w_3d_joint: float = 1.0
    w_3d_vert: float = 0.5
    w_prior: float = 0.01
    w_aux: float = 0.1

    def __post_init__(self) -> None:
        checks.number(
            w_2d=self.w_2d,
            w_3d_joint=self.w_3d_joint,
            w_3d_vert=self.w_3d_vert,
            w_prior=self.w_prior,
            w_aux=self.w_aux,
        )

    @classmethod
    def code(cls) -> HandLossWeights:
        """The defaults of the source's code: 1, 1, 0.5, 0.01 and 0.1."""
        return cls()

    @classmethod
    def config(cls) -> HandLossWeights:
        """The source's configuration file: 0.01, 0.05, 0, 0.001 and 0.001."""
        return cls(w_2d=0.01, w_3d_joint=0.05, w_3d_vert=0.0, w_prior=0.001, w_aux=0.001)

    @classmethod
    def of(cls, value: HandLossWeights | Mapping[str, float]) -> HandLossWeights:
        """The weights themselves, or those of a mapping with the same names.

        Raises:
            TypeError: for anything else.
            ValueError: for unknown names.
        """
        if isinstance(value, cls):
            return value
        if not isinstance(value, Mapping):
            raise TypeError(
                f"weights must be HandLossWeights or a mapping, got {type(value).__name__}; "
                f"use HandLossWeights.code(), .config() or HandLossWeights(w_2d=..., ...)"
            )
        _check_names(cls, value, "weights")
        return cls(**value)

    def by_term(self) -> dict[str, float]:
        """The weights under the names of the terms."""
        return {
            "2d": self.w_2d,
            "3d_joint": self.w_3d_joint,
            "3d_vert": self.w_3d_vert,
            "prior": self.w_prior,
            "aux": self.w_aux,
        }


class _Fields:
    """What both containers can do: come from a mapping, and go to a device."""

    @classmethod
    def of(cls: type[Fields], value: Any, name: str) -> Fields:
        """The container itself, or one made of a mapping with the same names.

        Raises:
            TypeError: for anything else.
            ValueError: for unknown names, listing the known ones.
        """
        if isinstance(value, cls):
            return value
        if isinstance(value, _Fields):
            raise TypeError(
                f"{name} must be a {cls.__name__} or a mapping, got {type(value).__name__}; are "
                f"they swapped? The prediction stands first, then the target"
            )
        if not isinstance(value, Mapping):
            known = ", ".join(_names(cls))
            raise TypeError(
                f"{name} must be a {cls.__name__} or a mapping, got {type(value).__name__}; "
                f"build one with {cls.__name__}(...), its fields are {known}"
            )
        _check_names(cls, value, name)
        return cls(**value)

    @classmethod
    def pick(cls: type[Fields], batch: Mapping[str, Any]) -> Fields:
        """The fields among the keys of a loader's batch; other keys are passed over.

        Args:
            batch: a mapping, of which some keys are names of fields.

        Raises:
            TypeError: for anything but a mapping.
            ValueError: if no key is one of them.

        Example:
            >>> batch = {"image": torch.zeros(2, 3, 64, 64), "keypoints_2d": torch.zeros(2, 21, 2)}
            >>> HandTarget.pick(batch).keypoints_2d.shape
            torch.Size([2, 21, 2])
        """
        if not isinstance(batch, Mapping):
            raise TypeError(f"pick takes a mapping, got {type(batch).__name__}")
        known = _names(cls)
        found = {name: batch[name] for name in known if name in batch}
        if not found:
            raise ValueError(
                f"none of the keys {', '.join(map(str, batch))} is a field of {cls.__name__}; "
                f"rename those that are meant: its fields are {', '.join(known)}"
            )
        warn_of_passed_over(cls.__name__, batch, known, found)
        return cls(**found)

    @overload
    def to(
        self: Fields,
        device: torch.device | str | int | None = None,
        dtype: torch.dtype | None = None,
        non_blocking: bool = False,
        copy: bool = False,
    ) -> Fields: ...
    @overload
    def to(
        self: Fields, dtype: torch.dtype, non_blocking: bool = False, copy: bool = False
    ) -> Fields: ...
    @overload
    def to(
        self: Fields, other: Tensor, non_blocking: bool = False, copy: bool = False
    ) -> Fields: ...

    def to(self: Fields, *args: Any, **options: Any) -> Fields:
        """Move every tensor, by the arguments of :meth:`torch.Tensor.to`.

        A dtype is for the floating-point tensors: a mask of booleans keeps its own.

        Args:
            args: a device, a dtype, both, or a tensor that has them.
            options: ``device``, ``dtype``, ``non_blocking`` or ``copy``.
        """

        def move(value: Tensor) -> Tensor:
            return moved(value, args, options, cast=value.is_floating_point())

        return self._map(move) if args or options else self

    def pin_memory(self: Fields) -> Fields:
        """Copy every tensor to pinned memory, as a data loader asks."""
        return self._map(lambda value: value.pin_memory())

    def _map(self: Fields, function: Any) -> Fields:
        values = {name: getattr(self, name) for name in _names(type(self))}
        return type(self)(
            **{
                name: function(value) if isinstance(value, Tensor) else value
                for name, value in values.items()
            }
        )


@dataclass(eq=False)
class HandPrediction(_Fields):
    """What a hand network says. Every field is optional: a loss needs only its own.

    Data loaders collate it, and ``.to(device)`` moves it.

    Attributes:
        keypoints_2d: ``(B, N, 2)``, normalised to the crop, [-0.5, 0.5].
        keypoints_3d: ``(B, N, 3)``, in the unit of the target.
        vertices: ``(B, V, 3)``, in the unit of the target.
        betas: ``(B, 10)``, MANO's shape parameters.
        hand_pose: ``(B, 15, 3, 3)``, rotation matrices.
        coarse_pose: ``(B, 48)``, axis-angles of the first stage, radians.
        coarse_shape: ``(B, 10)``, shape parameters of the first stage.
    """

    keypoints_2d: Tensor | None = None
    keypoints_3d: Tensor | None = None
    vertices: Tensor | None = None
    betas: Tensor | None = None
    hand_pose: Tensor | None = None
    coarse_pose: Tensor | None = None
    coarse_shape: Tensor | None = None


@dataclass(eq=False)
class HandTarget(_Fields):
    """What is known of the true hand. Every field is optional.

    Data loaders collate it, and ``.to(device)`` moves it.

    Attributes:
        keypoints_2d: ``(B, N, 2)``.
        confidence_2d: ``(B, N)``, from 0 to 1; without it every confidence is 1.
        keypoints_3d: ``(B, N, 3)``; millimetres in the source.
        confidence_3d: ``(B, N)``, from 0 to 1; without it every confidence is 1.
        vertices: ``(B, V, 3)``.
        pose: ``(B, 48)``, axis-angles in radians.
        shape: ``(B, 10)``.
    """

    keypoints_2d: Tensor | None = None
    confidence_2d: Tensor | None = None
    keypoints_3d: Tensor | None = None
    confidence_3d: Tensor | None = None
    vertices: Tensor | None = None
    pose: Tensor | None = None
    shape: Tensor | None = None


def _names(kind: type[Any]) -> tuple[str, ...]:
    # What dataclasses.fields() gives, in a form that torch.compile can read.
    names: tuple[str, ...] = kind.__match_args__
    return names


# The fields that only one of the two containers has.
_OF_THE_OTHER = {
    name: kind
    for kind, other in ((HandPrediction, HandTarget), (HandTarget, HandPrediction))
    for name in _names(kind)
    if name not in _names(other)
}


def _check_names(kind: type[Any], given: Mapping[str, Any], name: str) -> None:
    known = _names(kind)
    for key in given:
        if key not in known:
            close = meant_by(key, known)
            meant = f"; did you mean {' or '.join(map(repr, close))}?" if close else ""
            other = _OF_THE_OTHER.get(key) if issubclass(kind, _Fields) else None
            if other is not None:
                meant = (
                    f"; it is a field of {other.__name__}: are they swapped? The prediction stands "
                    f"first, then the target"
                )
            if not meant and issubclass(kind, _Fields):
                meant = f"; of a batch with other keys pass {kind.__name__}.pick({name})"
            raise ValueError(f"{name} has no {key!r}; it knows {', '.join(known)}{meant}")


def _collate(batch: Sequence[Any], *, collate_fn_map: Any = None) -> Any:
    """A batch of samples."""
    kind = type(batch[0])
    fix = (
        "give every sample one (of NaN, say) and pass the mask of those that have a label as "
        "weight="
    )
    return kind(**collated(batch, _names(kind), fix, collate_fn_map))


for _kind in (HandPrediction, HandTarget):
    torch.export.register_dataclass(_kind, serialized_type_name=f"lossbook.hands.{_kind.__name__}")
    default_collate_fn_map[_kind] = _collate
