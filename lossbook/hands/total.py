"""UTNet's total loss for hand pose."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from lossbook import checks
from lossbook.calls import weight_by_name
from lossbook.hands.containers import HandLossWeights, HandPrediction, HandTarget
from lossbook.hands.losses import Weight, keypoint_loss, mesh_loss
from lossbook.hands.needs import (
    NEEDS,
    TERMS,
    Term,
    check_of_terms,
    check_terms,
    factors_of,
    inputs_of,
    options_of,
)
from lossbook.hands.priors import AuxiliaryForm, check_form, first_stage_loss, prior_terms
from lossbook.hands.ranks import rank_shares
from lossbook.modules import LossModule
from lossbook.ranks import Group
from lossbook.reduction import Reduction
from lossbook.terms import LossTerms, weighted_sum


class HandLoss(LossModule):
    r"""UTNet's total loss for hand pose: the weighted sum of up to five terms.

    .. math::
        \mathcal L = w_{2D} \mathcal L_{2D} + w_{3D} \mathcal L_{3D} + w_{vert} \mathcal L_{vert}
        + w_{prior} \mathcal L_{prior} + w_{aux} \mathcal L_{aux}

    The terms are those of :func:`keypoint_2d_loss`, :func:`keypoint_3d_loss`,
    :func:`vertex_loss`, :func:`mano_prior_loss` and :func:`auxiliary_loss`. A term that has a
    weight needs its inputs; where its target may be missing, name it in ``optional``. A term of
    weight 0 is a monitor if its inputs are there. Where only some samples have a label, mask the
    others: ``loss(prediction, target, weight={"3d_joint": has_joints, "aux": has_mano})``.

    On a CPU in eager mode, checking the inputs of its terms takes 0.07 to 0.09 ms a call, which
    shows in small batches. Of three terms of 32 hands, with their gradient, it makes 0.3 ms: 40 %
    more than the shortest way to type their formulas, 28 % more than with ``F.l1_loss``; of 128
    hands 30 % and 22 %. Compiled code spends nothing on it.

    Args:
        weights: :meth:`HandLossWeights.code` (the default), :meth:`HandLossWeights.config`, or
            your own; a mapping with the same names will do. The source documents both sets, and
            they differ.
        use_vertex_loss: whether there is a vertex term; off in the source's configuration,
            though its code has a weight for it. Off, that weight counts for nothing.
        use_aux_loss: the same for the auxiliary term; on in the source's configuration.
        optional: names of terms that are absent where their target is missing. A target without
            its prediction is an error. The prior has no target: it is absent without its inputs.
        root: index of the root joint; None measures 3D joints where they are.
        reduction: of the 2D, 3D and vertex terms: ``"sum"`` (default, as in the source),
            ``"batchmean"`` (recommended: with a sum, the batch size shifts the balance to the
            other two terms, which are means) or ``"mean"``.
        shape_weight: of the shape prior, inside the prior.
        pose_weight: of the pose prior, inside the prior; it then needs ``hand_pose``.
        auxiliary_form: see :func:`auxiliary_loss`.

    Raises:
        TypeError: for weights of another type, or options that are no numbers.
        ValueError: for an unknown reduction, form or term, ``"none"``, or a negative weight.

    Example:
        >>> import torch
        >>> loss = HandLoss(HandLossWeights.config(), optional=("3d_joint", "aux"))(
        ...     HandPrediction(keypoints_2d=torch.zeros(2, 21, 2), betas=torch.ones(2, 10)),
        ...     HandTarget(keypoints_2d=torch.full((2, 21, 2), 0.25)),
        ... )
        >>> print(loss)
        term   value  weight  contribution  share
        2d        21    0.01          0.21  100 %
        prior      1   0.001         0.001    0 %
        total                        0.211  100 %

    References:
        Source note: ``src/losses/loss.py`` of Eric-Lin-HKUSTGZ/UTNet.
        Derived in :doc:`/book/hands`.
    """

    def __init__(
        self,
        weights: HandLossWeights | Mapping[str, float] | None = None,
        *,
        use_vertex_loss: bool = False,
        use_aux_loss: bool = True,
        optional: Term | Sequence[Term] = (),
        root: int | None = 0,
        reduction: Reduction = "sum",
        shape_weight: float = 1.0,
        pose_weight: float = 0.0,
        auxiliary_form: AuxiliaryForm = "documented",
    ) -> None:
        super().__init__()
        # A schedule may set others, also as a mapping: they are looked at in each call.
        self.weights: HandLossWeights | Mapping[str, float] = (
            HandLossWeights.code() if weights is None else HandLossWeights.of(weights)
        )
        checks.flag(use_vertex_loss=use_vertex_loss, use_aux_loss=use_aux_loss)
        if isinstance(weights, Mapping) and weights.get("w_3d_vert") and not use_vertex_loss:
            checks.warn(
                "weights name w_3d_vert, and the vertex term is off; pass use_vertex_loss=True, or "
                "leave w_3d_vert out"
            )
        check_of_terms(reduction)
        if root is not None:
            checks.index(None, root=root)
        checks.number(shape_weight=shape_weight, pose_weight=pose_weight)
        check_form(auxiliary_form, AuxiliaryForm, "auxiliary_form")
        self.use_vertex_loss = use_vertex_loss
        self.use_aux_loss = use_aux_loss
        self.optional = (optional,) if isinstance(optional, str) else tuple(optional)
        check_terms(self.optional, "optional")
        self.root = root
        self.reduction = reduction
        self.shape_weight = shape_weight
        self.pose_weight = pose_weight
        self.auxiliary_form = auxiliary_form

    def forward(
        self,
        prediction: HandPrediction | Mapping[str, Tensor | None],
        target: HandTarget | Mapping[str, Tensor | None],
        *,
        weight: Weight | Mapping[str, Weight] | None = None,
    ) -> LossTerms:
        """Compute the terms.

        Args:
            prediction: what the network says; a mapping with the same names will do.
            target: what is known; a mapping with the same names will do.
            weight: of each sample, float, or bool as a mask, shape ``(B,)``; or a mapping from
                names of terms to such weights, in which those of ``"2d"``, ``"3d_joint"`` and
                ``"3d_vert"`` may also tell points apart, ``(B, N)``.

        Returns:
            Terms ``"2d"``, ``"3d_joint"``, ``"3d_vert"``, ``"prior"`` and ``"aux"``, raw, as far
            as they are used, with their weights.

        Raises:
            TypeError: for other types, or float64 beside narrower tensors.
            ValueError: for a term without its inputs, naming them, for unknown names, or for
                shapes that do not fit.
        """
        prediction = HandPrediction.of(prediction, "prediction")
        target = HandTarget.of(target, "target")
        factors = factors_of(weight)
        weights = HandLossWeights.of(self.weights).by_term()
        given = self._given(weights, prediction, target)
        _look_for_points(target)
        _check_dtypes(given)
        terms = {}
        for name, inputs in given.items():
            terms[name] = self._term(name, inputs, prediction, target, factors[name])
        return LossTerms._trusted(terms, {name: weights[name] for name in terms})

    @weight_by_name
    def rank_shares(
        self,
        prediction: HandPrediction | Mapping[str, Tensor | None],
        target: HandTarget | Mapping[str, Tensor | None],
        *,
        weight: Weight | Mapping[str, Weight] | None = None,
        group: Group = "world",
    ) -> dict[str, Float[Tensor, ""]]:
        """Share of a rank in each term: :func:`rank_shares` with this loss's own options.

        ``loss.rescaled(shares).total`` of each rank, averaged over the ranks, is the total of one
        process, and so is its gradient. Every rank of the group must call it.

        Args:
            prediction: as the loss gets it; only shapes matter.
            target: as the loss gets it.
            weight: as the loss gets it.
            group: ``"world"`` (default), a process group or its name; with None no rank shares.

        Returns:
            From the name of each term that the loss has here to a scalar.

        Raises:
            TypeError: for other types, or a group that is none.
            ValueError: for a term without its inputs, unknown names, shapes or devices that do
                not fit, or a name that no group has.

        Example:
            >>> import torch
            >>> criterion = HandLoss({"w_3d_joint": 0.0}, use_aux_loss=False, reduction="mean")
            >>> hands = {"keypoints_2d": torch.ones(2, 21, 2), "betas": torch.ones(2, 10)}
            >>> known = {"keypoints_2d": torch.zeros(2, 21, 2), "confidence_2d": torch.ones(2, 21)}
            >>> shares = criterion.rank_shares(hands, known)
            >>> criterion(hands, known).rescaled(shares).total  # 1 + 0.01, on one process
            tensor(1.0100)
        """
        prediction = HandPrediction.of(prediction, "prediction")
        target = HandTarget.of(target, "target")
        weights = HandLossWeights.of(self.weights).by_term()
        shares = rank_shares(
            prediction,
            target,
            weight=weight,
            root=self.root,
            reduction=self.reduction,
            group=group,
        )
        return {name: shares[name] for name in self._given(weights, prediction, target)}

    def _given(
        self, weights: Mapping[str, float], prediction: HandPrediction, target: HandTarget
    ) -> dict[str, list[Any]]:
        """The terms to compute, each with its inputs."""
        given: dict[str, list[Any]] = {}
        faults: list[tuple[str, list[str]]] = []
        for name in TERMS:
            if (name == "3d_vert" and not self.use_vertex_loss) or (
                name == "aux" and not self.use_aux_loss
            ):
                continue
            inputs = inputs_of(name, prediction, target)
            missing, torn = _missing(name, inputs)
            if name == "prior" and self.pose_weight > 0:
                if prediction.hand_pose is None:
                    missing, torn = [*missing, "prediction.hand_pose"], not missing
                else:
                    torn = bool(missing)
            if not missing:
                given[name] = inputs
            elif torn or (
                weights[name] > 0 and (name not in self.optional or _is_labelled(name, inputs))
            ):
                faults.append((name, missing))
        if faults:
            raise ValueError(_what_is_missing(faults, self.optional))
        if not given:
            raise ValueError("no term can be computed: every term is off or lacks its inputs")
        return given

    def _term(
        self,
        name: str,
        inputs: list[Any],
        prediction: HandPrediction,
        target: HandTarget,
        weight: Weight | None,
    ) -> Tensor:
        names: Any = NEEDS[name]
        if name == "aux":
            return first_stage_loss(*inputs, form=self.auxiliary_form, weight=weight, names=names)
        if name == "prior":
            terms, weights = prior_terms(
                inputs[0],
                prediction.hand_pose,
                shape_weight=self.shape_weight,
                pose_weight=self.pose_weight,
                weight=weight,
                names=(*names, "prediction.hand_pose"),
                monitor=False,
            )
            return weighted_sum(terms, weights)
        if name == "3d_vert":
            return mesh_loss(
                *inputs, weight=weight, reduction=self.reduction, names=(*names, "weight")
            )
        options = options_of(name, target, self.root)
        return keypoint_loss(*inputs, weight=weight, reduction=self.reduction, **options)


def _missing(name: str, inputs: list[Any]) -> tuple[list[str], bool]:
    """The inputs that a term lacks, and whether a part of one side is there without the rest."""
    for value in inputs:
        if value is None:
            break
    else:
        return [], False
    wanted = NEEDS[name]
    missing = [field for field, value in zip(wanted, inputs, strict=True) if value is None]
    torn = False
    for side in ("prediction.", "target."):
        absent = sum(field.startswith(side) for field in missing)
        torn = torn or 0 < absent < sum(field.startswith(side) for field in wanted)
    return missing, torn


def _is_labelled(name: str, inputs: list[Any]) -> bool:
    """Whether a part of the target is there."""
    fields = zip(NEEDS[name], inputs, strict=True)
    return any(field.startswith("target.") and value is not None for field, value in fields)


def _what_is_missing(faults: list[tuple[str, list[str]]], optional: tuple[str, ...]) -> str:
    listed = "; ".join(f"{name} lacks {', '.join(missing)}" for name, missing in faults)
    fixes = ["Pass them", "set the term's weight to 0 and leave its inputs out"]
    if any(name not in optional for name, _ in faults):
        fixes.append("name it in optional=(...)")
    reason = "a term with a weight needs its inputs"
    left_out = [name for name, _ in faults if name in optional]
    if left_out:
        reason += (
            f", and {', '.join(left_out)} in optional=(...) may be absent only where all of its "
            f"{'inputs are' if left_out == ['prior'] else 'target is'} missing"
        )
    return f"{reason}: {listed}. {', '.join(fixes[:-1])}, or {fixes[-1]}"


def _look_for_points(target: HandTarget) -> None:
    """Warn of confidences without their keypoints, which count for nothing."""
    for of_points, name, points in (
        (target.confidence_2d, "2d", target.keypoints_2d),
        (target.confidence_3d, "3d", target.keypoints_3d),
    ):
        if of_points is not None and points is None and not torch.compiler.is_compiling():
            checks.warn(
                f"target.confidence_{name} counts for nothing without target.keypoints_{name}; "
                f"pass these too, or leave it out"
            )


def _check_dtypes(given: Mapping[str, list[Any]]) -> None:
    """The total adds all terms up: a float64 field would promote it."""
    tensors = [value for inputs in given.values() for value in inputs]
    if checks.alike(*tensors):
        return
    floating = {}
    for name, inputs in given.items():
        for field, value in zip(NEEDS[name], inputs, strict=True):
            if isinstance(value, Tensor) and value.is_floating_point():
                floating[field] = value
    if floating:
        checks.same_dtype(**floating)
