"""The total loss of an inversion, and the recipes of the source under their names."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from lossbook import checks
from lossbook.advice import instead_of_name
from lossbook.idle import look_for_idle
from lossbook.inversion import kernel
from lossbook.inversion.guidance import (
    GuidanceForm,
    check_guidance_form,
    guidance_consistency_loss,
)
from lossbook.inversion.losses import (
    Mining,
    center_loss,
    check_mining,
    check_temperature,
    check_tile,
    cosine_margin_loss,
    feature_l2_loss,
    info_nce_loss,
    pixel_loss,
)
from lossbook.inversion.schedules import LambdaSchedule
from lossbook.inversion.shapes import Features, Negatives, Weight, of_samples
from lossbook.inversion.weights import REGULARIZER, SigmoidTaskWeights, UncertaintyWeights
from lossbook.modules import LossModule
from lossbook.reduction import Reduction, reduce_loss, widened
from lossbook.terms import LossTerms

if TYPE_CHECKING:
    from typing_extensions import Self

Feature = Literal["l2", "cosine_margin", "info_nce"]
TERMS = ("pixel", "feat", "center", "guidance")

# What to do about a term without a graph beside others that have one.
_OF_FEATURES = "compute features from input without no_grad or detach"
_FIXES = {
    "pixel": "pass input as the network made it, without no_grad or detach",
    "feat": _OF_FEATURES,
    "center": _OF_FEATURES,
}

# What makes each recipe of the source, beside the defaults: "schedule" is the name of its λ(t), and
# "learned" stands for the documented weights of scheme B.
PRESETS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "baseline": {"schedule": "linear"},
        "A": {"schedule": "linear", "feature": "cosine_margin"},
        "B": {"learned": True},
        "C": {"schedule": "linear", "feature": "info_nce"},
        "D": {"schedule": "linear", "guidance_weight": 1.0},
        "E": {"schedule": "staged"},
        "compromise": {"schedule": "combined", "feature": "cosine_margin"},
        "light": {"schedule": "sigmoid", "learned": True},
        "high_precision": {
            "schedule": "linear",
            "feature": "cosine_margin",
            "guidance_weight": 1.0,
        },
    }
)
"""The names that :meth:`InversionLoss.preset` knows, and what each stands for."""


_EXTRA = "_extra_state"  # as torch calls it in a state_dict


class InversionLoss(LossModule):
    r"""Total = pixel + λ(t) * feature, and a center and a guidance term where they have a weight.

    .. math::
        \mathcal L = \mathcal L_{pixel} + \lambda(t)\, \mathcal L_{feat}
        + \lambda_{center} \mathcal L_{center} + \lambda_{guidance} \mathcal L_{guidance}

    The terms are those of :func:`pixel_loss`, of the feature loss that ``feature`` names,
    :func:`center_loss` and :func:`guidance_consistency_loss`, all means over the batch. With the
    defaults it is the sum of the pixel and the raw L2 feature loss; :meth:`preset` makes each
    scheme and each recipe of the source.

    Args:
        feature: ``"l2"`` (default), ``"cosine_margin"`` or ``"info_nce"``; see
            :func:`feature_l2_loss`, :func:`cosine_margin_loss`, :func:`info_nce_loss`.
        lambda_schedule: λ, a number at least 0 (1 by default), or a :class:`LambdaSchedule`, with
            which the training goes on by :meth:`step`. At λ = 0 the feature term is only logged.
        center_weight: of the center term, at least 0; 0 (off) by default: the source calls it
            optional and gives no number. It needs ``centers``.
        guidance_weight: of the guidance term, at least 0; 0 (off) by default. Above 0 the features
            must have been computed from ``input`` itself.
        guidance_form: see :func:`guidance_consistency_loss`.
        task_weights: None (default), or :class:`SigmoidTaskWeights` or :class:`UncertaintyWeights`
            over some of the terms, whose weights then multiply those above. Its parameters are
            this module's: give them to the optimiser.
        margin: of ``"cosine_margin"``.
        mining: of ``"cosine_margin"``.
        clamp: of ``"cosine_margin"``.
        temperature: of ``"info_nce"``.
        tile: of ``"info_nce"``.
        normalized: whether ``"l2"`` and the center term divide by the lengths.

    Raises:
        TypeError: for options of another type.
        ValueError: for an unknown feature loss, mining or form, or a number out of range.

    Example:
        >>> import torch
        >>> loss = InversionLoss.preset("E", total=100)
        >>> pictures, features = torch.ones(2, 3, 8, 8), torch.eye(2)
        >>> print(loss(pictures, 0 * pictures, features, 0 * features))
        term   value  weight  contribution  share
        pixel      1       1             1   91 %
        feat       1     0.1           0.1    9 %
        total                          1.1  100 %
        >>> loss.step(50)
        0.5

    References:
        Source note: the hybrid loss, schemes A to E, and three recipes.
    """

    lambda_schedule: float | LambdaSchedule
    _said = False  # that λ(t) is 0

    def __init__(
        self,
        *,
        feature: Feature = "l2",
        lambda_schedule: float | LambdaSchedule = 1.0,
        center_weight: float = 0.0,
        guidance_weight: float = 0.0,
        guidance_form: GuidanceForm = "documented",
        task_weights: SigmoidTaskWeights | UncertaintyWeights | None = None,
        margin: float = 0.35,
        mining: Mining = "hardest",
        clamp: bool = True,
        temperature: float = 0.07,
        tile: int | None = None,
        normalized: bool = False,
    ) -> None:
        super().__init__()
        if feature not in get_args(Feature):
            known = ", ".join(get_args(Feature))
            raise ValueError(f"feature must be one of {known}; got {feature!r}")
        if not isinstance(lambda_schedule, LambdaSchedule):
            if isinstance(lambda_schedule, str) or callable(lambda_schedule):
                raise TypeError(
                    f"lambda_schedule must be a number or a LambdaSchedule, got "
                    f"{lambda_schedule!r}; wrap it: LambdaSchedule({lambda_schedule!r}, total)"
                )
            checks.number(lambda_schedule=lambda_schedule)
        checks.number(center_weight=center_weight, guidance_weight=guidance_weight)
        check_guidance_form(guidance_form, "guidance_form")
        _check_task_weights(task_weights)
        checks.number(margin=margin)
        check_mining(mining)
        checks.flag(clamp=clamp, normalized=normalized)
        check_temperature(temperature)
        check_tile(tile)
        self.feature = feature
        self.lambda_schedule = lambda_schedule
        self.center_weight = center_weight
        self.guidance_weight = guidance_weight
        self.guidance_form = guidance_form
        self.task_weights = task_weights
        self.margin = margin
        self.mining = mining
        self.clamp = clamp
        self.temperature = temperature
        self.tile = tile
        self.normalized = normalized

    @classmethod
    def preset(cls, name: str, *, total: int | float | None = None, **options: Any) -> Self:
        """Make a recipe of the source by its name.

        ================== ====================================================================
        name               recipe
        ================== ====================================================================
        ``baseline``       L2 features, a linear λ(t)
        ``A``              the cosine margin, a linear λ(t)
        ``B``              L2 features, both terms under learned sigmoid weights, without λ(t)
        ``C``              InfoNCE, a linear λ(t); ``center_weight=`` for its optional center
        ``D``              L2 features, a linear λ(t), guidance consistency as documented
        ``E``              L2 features, λ(t) in three stages
        ``compromise``     the cosine margin, the combined λ(t) as documented
        ``light``          L2 features, a sigmoid λ(t), learned sigmoid weights
        ``high_precision`` the cosine margin, a linear λ(t), guidance consistency
        ================== ====================================================================

        Where the source leaves open which feature loss or λ(t) a scheme is used with, it is the
        baseline's; the weight of the guidance is 1, of which it gives no number.

        Args:
            name: of the recipe.
            total: steps of the training, which λ(t) is a function of. Only ``B`` needs none.
            options: of this class, in place of the recipe's.

        Raises:
            ValueError: for an unknown name, or a missing total.

        Example:
            >>> InversionLoss.preset("A", total=1000, margin=0.5).lambda_schedule
            LambdaSchedule('linear', 1000)
        """
        if name not in PRESETS:
            raise ValueError(f"there is no preset {name!r}; {instead_of_name(name, list(PRESETS))}")
        recipe = dict(PRESETS[name])
        schedule, learned = recipe.pop("schedule", None), recipe.pop("learned", False)
        if schedule is not None and "lambda_schedule" not in options:
            if total is None:
                raise ValueError(
                    f"total is missing: the preset {name!r} has a {schedule} schedule; pass the "
                    f"steps of the training as total=, or another λ as lambda_schedule="
                )
            recipe["lambda_schedule"] = LambdaSchedule(schedule, total)
        if learned and "task_weights" not in options:
            recipe["task_weights"] = SigmoidTaskWeights(("pixel", "feat"))
        return cls(**recipe | options)

    def forward(
        self,
        input: Float[Tensor, "batch _ *rest"],
        target: Float[Tensor, "batch _ *rest"],
        features: Features,
        template: Features,
        negatives: Negatives | None = None,
        centers: Features | None = None,
        *,
        weight: Weight | None = None,
    ) -> LossTerms:
        """Compute the terms.

        Args:
            input: rebuilt pictures, shape ``(B, ...)``.
            target: true pictures, same shape and unit.
            features: of the rebuilt pictures, shape ``(B, D)``; with a guidance term computed from
                ``input``, which must require a gradient.
            template: of the people, shape ``(B, D)``.
            negatives: of other people, ``(B, K, D)`` or ``(K, D)``; ``"l2"`` does without.
            centers: of the people's classes, shape ``(B, D)``; only for the center term.
            weight: of each sample, float, or bool as a mask, shape ``(B,)``, in every term.

        Returns:
            Terms ``"pixel"``, ``"feat"``, ``"center"`` and ``"guidance"``, raw, as far as they are
            used, with their weights; with :class:`UncertaintyWeights` also ``"log_variance"``.

        Raises:
            TypeError: for integer tensors, or tensors mixed with float64.
            ValueError: for missing negatives or centers, shapes or weights that do not fit, or
                a guidance term without a graph from ``input`` to ``features``.
        """
        checks.floating(input=input, target=target, features=features, template=template)
        checks.shape("(B, ...)", lambda shape: len(shape) > 1, input=input)
        checks.same_batch(input=input, features=features)
        checks.same_dtype(input=input, features=features)
        fitted = of_samples(weight, features)
        if checks.checking_values(input, features) and torch.is_grad_enabled():
            self._look_at_lambda(input.requires_grad and not features.requires_grad)
        terms = {"pixel": pixel_loss(input, target, weight=weight)}
        weights: dict[str, float | Tensor] = {"pixel": 1.0, "feat": self._lambda()}
        if self.guidance_weight > 0:
            # Widened first: numbers of each sample would come back in half precision.
            first, second = widened(features.dtype, features, template)
            losses = self._feature_loss(first, second, negatives, weight, "none")
            own = None if fitted is None else fitted[:, 0]
            terms["feat"] = reduce_loss(losses, "mean", weight=own)
            present = first if fitted is None else first.masked_fill(fitted == 0, 0)
            similarity = kernel.cosine(present, second)
        else:
            terms["feat"] = self._feature_loss(features, template, negatives, weight, "mean")
        if self.center_weight > 0:
            if centers is None:
                raise ValueError(
                    f"centers is missing, and center_weight is {self.center_weight}; pass the "
                    f"center of each sample's class (B, D), or center_weight=0"
                )
            terms["center"] = center_loss(
                features, centers, normalized=self.normalized, weight=weight
            )
            weights["center"] = self.center_weight
        if self.guidance_weight > 0:
            terms["guidance"] = guidance_consistency_loss(
                input, losses, similarity, form=self.guidance_form, weight=weight
            )
            weights["guidance"] = self.guidance_weight
        look_for_idle(terms, weights, _FIXES)
        if self.task_weights is None:
            return LossTerms._made(terms, weights)
        return _learned(self.task_weights, terms, weights)

    def step(self, n: int | float = 1) -> float:
        """Go on with λ(t), once after each step of the optimiser.

        Args:
            n: how many steps to go on.

        Returns:
            λ there.

        Raises:
            TypeError: if λ is a number, which has no steps, or ``n`` is none.
        """
        now = self.lambda_schedule
        if not isinstance(now, LambdaSchedule):
            raise TypeError(
                f"λ is the number {now}, which has no steps; leave step() out, or make the loss "
                f"with lambda_schedule=LambdaSchedule('linear', total)"
            )
        checks.number(-math.inf, n=n)
        return now.step(now.t + n)

    def _lambda(self) -> float:
        now = self.lambda_schedule
        if isinstance(now, LambdaSchedule):
            return now.value
        checks.number(lambda_schedule=now)
        return now

    def _feature_loss(
        self,
        features: Tensor,
        template: Tensor,
        negatives: Tensor | None,
        weight: Weight | None,
        reduction: Reduction,
    ) -> Tensor:
        options: dict[str, Any] = {"weight": weight, "reduction": reduction}
        if reduction == "none":
            # The guidance has the weight in its mean.
            options["weight"] = None if weight is None else weight != 0
        if self.feature == "l2":
            return feature_l2_loss(features, template, normalized=self.normalized, **options)
        if negatives is None:
            raise ValueError(
                f"negatives is missing, and the feature loss is {self.feature!r}; pass templates "
                f"of other people, (B, K, D) or (K, D), or feature='l2', which needs none"
            )
        if self.feature == "info_nce":
            return info_nce_loss(
                features,
                template,
                negatives,
                temperature=self.temperature,
                tile=self.tile,
                **options,
            )
        return cosine_margin_loss(
            features,
            template,
            negatives,
            margin=self.margin,
            mining=self.mining,
            clamp=self.clamp,
            **options,
        )

    def _look_at_lambda(self, lost: bool) -> None:
        """Say once, inside ``check_values``, that the schedule is where it began, if that is 0.

        Args:
            lost: whether the features have no graph, which would not show until λ grows.
        """
        now = self.lambda_schedule
        if self._said or not isinstance(now, LambdaSchedule) or now.t > 0 or now.value != 0:
            return
        self._said = True
        checks.warn(
            "λ(t) is 0 at t = 0: feat is only logged; call step() of this loss after each step of "
            "the optimiser, or it stays so"
            + (f". And features has no graph: {_OF_FEATURES}" if lost else "")
        )

    def get_extra_state(self) -> dict[str, Any]:
        """Where λ(t) is, for the ``state_dict``."""
        now = self.lambda_schedule
        return now.state_dict() if isinstance(now, LambdaSchedule) else {}

    def set_extra_state(self, state: Any) -> None:
        """Go on with λ(t) where the ``state_dict`` left it; one of another is warned of."""
        now = self.lambda_schedule
        if isinstance(now, LambdaSchedule):
            if state:
                now.load_state_dict(state)
        elif state:
            checks.warn(
                f"this state is of a loss with a λ(t), at t = {state.get('t')}, and λ here is the "
                f"number {now}; make the loss as the one that was saved"
            )

    # torch keeps an extra state, and asks for it, whether there is one or not.
    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        if not isinstance(self.lambda_schedule, LambdaSchedule):
            del destination[prefix + _EXTRA]

    def _load_from_state_dict(
        self, state_dict: Any, prefix: str, metadata: Any, strict: bool, missing: Any, *lists: Any
    ) -> None:
        super()._load_from_state_dict(state_dict, prefix, metadata, strict, missing, *lists)
        if prefix + _EXTRA in missing and not isinstance(self.lambda_schedule, LambdaSchedule):
            missing.remove(prefix + _EXTRA)


def _check_task_weights(task_weights: Any) -> None:
    if task_weights is None:
        return
    if not isinstance(task_weights, (SigmoidTaskWeights, UncertaintyWeights)):
        raise TypeError(
            f"task_weights must be SigmoidTaskWeights or UncertaintyWeights, got "
            f"{type(task_weights).__name__}; make one: UncertaintyWeights(('pixel', 'feat'))"
        )
    for name in task_weights.tasks:
        if name not in TERMS:
            raise ValueError(
                f"task_weights has a task {name!r}, which is no term; "
                f"{instead_of_name(name, TERMS)}"
            )


def _learned(
    task_weights: SigmoidTaskWeights | UncertaintyWeights,
    terms: dict[str, Tensor],
    weights: dict[str, float | Tensor],
) -> LossTerms:
    """The same terms, some of them under learned weights times their own."""
    missing = [name for name in task_weights.tasks if name not in terms]
    if missing:
        raise ValueError(
            f"task_weights has a task {missing[0]!r}, and that term is off; give it a weight, or "
            f"leave the task out"
        )
    found = task_weights.weigh({name: weights[name] * terms[name] for name in task_weights.tasks})
    for name in task_weights.tasks:
        # A monitor stays one.
        weights[name] = weights[name] * found.weights[name] if weights[name] != 0 else 0.0
    if REGULARIZER in found:
        terms = terms | {REGULARIZER: found[REGULARIZER]}
        weights[REGULARIZER] = 1.0
    return LossTerms._made(terms, weights)
