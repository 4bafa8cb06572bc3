"""The motion losses as modules: each by itself, and Ditto's total."""

import inspect
from collections.abc import Iterable, Sequence

from jaxtyping import Float
from torch import Tensor

from lossbook import checks
from lossbook.calls import weight_by_name
from lossbook.modules import LossModule
from lossbook.motion.letters import LetterWeights, as_floats, nothing_counts, weights_of
from lossbook.motion.losses import (
    BEYOND_L1,
    BEYOND_LAST_FRAME,
    BEYOND_PVA,
    Coefficients,
    factors_of,
    last_frame_loss,
    motion_l1,
    motion_terms,
    pva_loss,
)
from lossbook.motion.parts import DITTO_PARTS, Parts, PartsLike, names_of
from lossbook.motion.ranks import rank_shares
from lossbook.motion.shapes import (
    Clips,
    Lengths,
    OfClips,
    ShortClips,
    Weight,
    check_dim_weights,
    check_of_clips,
    check_short_clips,
    refuse_mask,
)
from lossbook.ranks import Group
from lossbook.terms import LossTerms


class _MotionModule(LossModule):
    """What the motion losses share: parts that are checked once, weights that move with it."""

    parts: Parts
    dim_weights: Tensor | None

    def _keep(
        self, parts: PartsLike | None, dim_weights: Tensor | None, reduction: OfClips
    ) -> None:
        check_of_clips(reduction)
        self.reduction: OfClips = reduction
        # Not as a default: the compiler cannot wrap one in code that makes the module itself.
        parts = DITTO_PARTS if parts is None else parts
        self.parts = parts if isinstance(parts, Parts) else Parts(parts)
        if dim_weights is not None:
            check_dim_weights(self.parts.layout, dim_weights)
            if checks.readable(dim_weights):
                checks.weights(dim_weights=dim_weights)
        # They come from a file of their own, not from a checkpoint.
        self.register_buffer("dim_weights", dim_weights, persistent=False)

    @weight_by_name
    def rank_shares(
        self,
        input: Clips,
        *,
        weight: Weight | None = None,
        lengths: Lengths | None = None,
        group: Group = "world",
    ) -> dict[str, Float[Tensor, ""]]:
        """Share of a rank in each term: :func:`rank_shares` with this loss's own options.

        ``loss.rescaled(shares).total`` of each rank, averaged over the ranks, is the total of one
        process, and so is its gradient. Every rank of the group must call it.

        Args:
            input: predicted motion of this rank, shape ``(B, T, D)``; only its shape matters.
            weight: as the loss gets it.
            lengths: as the loss gets them.
            group: ``"world"`` (default), a process group or its name; with None no rank shares.

        Returns:
            From the name of each term of the loss to a scalar. L has none where its weight is 0,
            as it then needs no frame and may be absent.

        Raises:
            TypeError: for other types, or a group that is none.
            ValueError: for shapes or devices that do not fit, or a name that no group has.

        Example:
            >>> import torch
            >>> from lossbook.motion import MotionLoss
            >>> motion, lengths = torch.ones(2, 80, 265), torch.tensor([80, 64])
            >>> criterion = MotionLoss(use_last_frame_loss=False)
            >>> shares = criterion.rank_shares(motion, lengths=lengths)
            >>> loss = criterion(motion, 0 * motion, lengths=lengths)
            >>> loss.rescaled(shares).total  # of six parts, on one process
            tensor(6.)
        """
        shares = rank_shares(
            input,
            parts=self.parts,
            weight=weight,
            lengths=lengths,
            reduction=self.reduction,
            group=group,
        )
        return {
            f"{part}_{letter}": shares[f"{part}_{letter}"]
            for letter in "PVALR"
            for part in self._parts_with(letter)
        }

    def _parts_with(self, letter: str) -> Iterable[str]:
        """The parts of which there is a term of this letter."""
        raise NotImplementedError

    def extra_repr(self) -> str:
        """The options; of many weights only how many there are."""
        options = []
        for name in list(inspect.signature(type(self).__init__).parameters)[1:]:
            value = getattr(self, name)
            many = isinstance(value, Tensor) and value.numel() > 8
            if name == "weights":
                value = {letter: number for letter, number in value.items() if number != 1} or None
            shown = f"{value.numel()} weights" if many else repr(value)
            options.append(f"{name}={shown}")
        return ", ".join(options)


class _WithR(_MotionModule):
    """Has R, of which a schedule may set other coefficients: they are looked at in each call."""

    @property
    def coefficients(self) -> Coefficients:
        """Of R."""
        return self._coefficients

    @coefficients.setter
    def coefficients(self, coefficients: Coefficients) -> None:
        self._coefficients: Coefficients = as_floats(coefficients)


class PVALoss(_MotionModule):
    """:func:`pva_loss` as a module; the options are its arguments.

    The weights of the dimensions move to a device with the module.

    Raises:
        TypeError: for parts or weights of another form.
        ValueError: for parts that overlap or leave gaps, weights of another shape, negative or not
            finite, or another ``short_clips``.

    Example:
        >>> import torch
        >>> PVALoss()(torch.ones(2, 80, 265), torch.zeros(2, 80, 265)).total  # of six parts
        tensor(6.)
    """

    _beyond = BEYOND_PVA

    def __init__(
        self,
        *,
        parts: PartsLike | None = None,
        dim_weights: Float[Tensor, " dims"] | None = None,
        reduction: OfClips = "mean",
        short_clips: ShortClips = "error",
    ) -> None:
        super().__init__()
        self._keep(parts, dim_weights, reduction)
        check_short_clips(short_clips)
        self.short_clips = short_clips

    def forward(
        self,
        input: Clips,
        target: Clips,
        *,
        weight: Weight | None = None,
        lengths: Lengths | None = None,
    ) -> LossTerms:
        """See :func:`pva_loss`."""
        return pva_loss(
            input,
            target,
            parts=self.parts,
            dim_weights=self.dim_weights,
            weight=weight,
            lengths=lengths,
            reduction=self.reduction,
            short_clips=self.short_clips,
        )

    def _parts_with(self, letter: str) -> Iterable[str]:
        return self.parts.layout.names if letter in "PVA" else ()


class LastFrameLoss(_MotionModule):
    """:func:`last_frame_loss` as a module; the options are its arguments.

    Raises:
        TypeError: for parts or weights of another form.
        ValueError: for parts that overlap or leave gaps, weights of another shape, negative or not
            finite, or a part that there is not.

    Example:
        >>> import torch
        >>> LastFrameLoss(only="exp")(torch.ones(2, 80, 265), torch.zeros(2, 265)).total
        tensor(1.)
    """

    _beyond = BEYOND_LAST_FRAME

    def __init__(
        self,
        *,
        parts: PartsLike | None = None,
        dim_weights: Float[Tensor, " dims"] | None = None,
        only: str | Sequence[str] | None = None,
        reduction: OfClips = "mean",
    ) -> None:
        super().__init__()
        self._keep(parts, dim_weights, reduction)
        names_of(only, self.parts.layout)
        self.only = only

    def forward(
        self,
        input: Clips,
        cond_frame: Float[Tensor, "batch dims"],
        *,
        weight: Weight | None = None,
        lengths: Lengths | None = None,
    ) -> LossTerms:
        """See :func:`last_frame_loss`."""
        return last_frame_loss(
            input,
            cond_frame,
            parts=self.parts,
            dim_weights=self.dim_weights,
            only=self.only,
            weight=weight,
            lengths=lengths,
            reduction=self.reduction,
        )

    def _parts_with(self, letter: str) -> Iterable[str]:
        return names_of(self.only, self.parts.layout) if letter == "L" else ()


class MotionL1(_WithR):
    """:func:`motion_l1` as a module; the options are its arguments.

    Raises:
        TypeError: for parts of another form, or coefficients that are no numbers.
        ValueError: for parts that overlap or leave gaps, a negative coefficient, a part that there
            is not, or no part with a coefficient above 0.

    Example:
        >>> import torch
        >>> MotionL1(coefficients={"exp": 0.5}, only="exp")(torch.ones(2, 80, 265)).total
        tensor(0.5000)
    """

    _beyond = BEYOND_L1

    def __init__(
        self,
        *,
        parts: PartsLike | None = None,
        coefficients: Coefficients = None,
        only: str | Sequence[str] | None = None,
        reduction: OfClips = "mean",
    ) -> None:
        super().__init__()
        self._keep(parts, None, reduction)
        factors_of(coefficients, only, self.parts.layout)
        self.coefficients = coefficients
        self.only = only

    def forward(
        self, input: Clips, *, weight: Weight | None = None, lengths: Lengths | None = None
    ) -> LossTerms:
        """See :func:`motion_l1`."""
        return motion_l1(
            input,
            parts=self.parts,
            coefficients=self.coefficients,
            only=self.only,
            weight=weight,
            lengths=lengths,
            reduction=self.reduction,
        )

    def _parts_with(self, letter: str) -> Iterable[str]:
        return factors_of(self.coefficients, self.only, self.parts.layout) if letter == "R" else ()


class MotionLoss(_WithR):
    r"""Ditto's total = plain sum of P, V, A of each part, and of L and R where they are used.

    .. math::
        \mathcal L = \sum_{\text{parts}} \bigl( \mathcal L_P + \mathcal L_V + \mathcal L_A
        + \mathcal L_L + \mathcal L_R \bigr)

    With ``weights`` each letter is multiplied by its own. A letter of weight 0 is a monitor: its
    terms are computed and logged, and touch neither the total nor its gradient. For a shorter log
    :func:`by_letter` adds up the terms of each letter.

    The terms are those of :func:`pva_loss`, :func:`last_frame_loss` and :func:`motion_l1`. In the
    source P is the diffusion loss itself, of a model that predicts :math:`x_0`.

    Args:
        parts: see :func:`pva_loss`; None (default) for Ditto's, and :func:`load_parts` reads the
            file of the source's ``--part_w_dict_json``.
        dim_weights: see :func:`pva_loss`; :func:`load_dim_weights` reads the file of the source's
            ``--dim_ws_npy``. They move to a device with the module.
        use_last_frame_loss: whether there is L; the source's ``train.sh`` turns it on.
        use_reg_loss: whether there is R; off in the source.
        weights: of the letters, as ``{"V": 0.5, "A": 0.0}``; those left out are 1, as all are in
            the source. With the weight 0 L also does without ``cond_frame``. With 0 for all, which
            is warned of, the total is 0 and so is its gradient. The module keeps a copy; a
            schedule sets ``loss.weights["V"]``, or another mapping, which is looked at in each
            call. Parts have their weights in ``parts``.
        coefficients: of R, see :func:`motion_l1`; they are part of its terms.
        only: the part or parts of L and R: None (default) for all, as the source's code and its
            logs have it, ``"exp"`` as the table of the source note has it.
        reduction: of the clips, see :func:`pva_loss`.
        short_clips: see :func:`pva_loss`.

    Raises:
        TypeError: for parts or weights of another form, flags that are neither True nor False, or
            weights of letters or coefficients that are no numbers.
        ValueError: for parts that overlap or leave gaps, weights of another shape, negative or not
            finite, a letter or a part that there is not, another reduction or ``short_clips``.

    Example:
        >>> import torch
        >>> parts = {"angles": (0, 3, 1.0), "shift": (3, 6, 0.5)}
        >>> loss = MotionLoss(parts=parts)(
        ...     torch.full((1, 20, 6), 2.0), torch.zeros(1, 20, 6), cond_frame=torch.ones(1, 6)
        ... )
        >>> print(loss)
        term      value  weight  contribution  share
        angles_P      4       1             4   53 %
        angles_V      0       1             0    0 %
        angles_A      0       1             0    0 %
        angles_L      1       1             1   13 %
        shift_P       2       1             2   27 %
        shift_V       0       1             0    0 %
        shift_A       0       1             0    0 %
        shift_L     0.5       1           0.5    7 %
        total                             7.5  100 %

    References:
        Li et al., *Ditto: Motion-Space Diffusion for Controllable Realtime Talking Head
        Synthesis*, 2024, arXiv:2411.19509. Source note: ``LOSS_ANALYSIS.md`` of
        wangjia184/ditto-talkinghead.
    """

    def __init__(
        self,
        *,
        parts: PartsLike | None = None,
        dim_weights: Float[Tensor, " dims"] | None = None,
        use_last_frame_loss: bool = True,
        use_reg_loss: bool = False,
        weights: LetterWeights = None,
        coefficients: Coefficients = None,
        only: str | Sequence[str] | None = None,
        reduction: OfClips = "mean",
        short_clips: ShortClips = "error",
    ) -> None:
        super().__init__()
        self._keep(parts, dim_weights, reduction)
        checks.flag(use_last_frame_loss=use_last_frame_loss, use_reg_loss=use_reg_loss)
        check_short_clips(short_clips)
        every = weights_of(weights)
        letters = "PVA" + "L" * use_last_frame_loss + "R" * use_reg_loss
        said = nothing_counts(every, letters)
        if said:
            checks.warn(said)
        for letter, option, is_on in (
            ("L", "use_last_frame_loss", use_last_frame_loss),
            ("R", "use_reg_loss", use_reg_loss),
        ):
            if weights is not None and letter in weights and every[letter] and not is_on:
                checks.warn(
                    f"weights name {letter}, and {letter} is off; pass {option}=True, or leave "
                    f"{letter} out"
                )
        names_of(only, self.parts.layout)
        if use_reg_loss or coefficients is not None:
            factors_of(coefficients, only, self.parts.layout)
        if coefficients is not None and not use_reg_loss:
            checks.warn(
                "coefficients are given, and R is off; pass use_reg_loss=True, or leave them out"
            )
        self.use_last_frame_loss = use_last_frame_loss
        self.use_reg_loss = use_reg_loss
        self.weights = weights
        self.coefficients = coefficients
        self.only = only
        self.short_clips = short_clips

    # A schedule may set others, as it may of the coefficients: they are looked at in each call.

    @property
    def weights(self) -> dict[str, float]:
        """Of all five letters."""
        return self._weights

    @weights.setter
    def weights(self, weights: LetterWeights) -> None:
        self._weights: dict[str, float] = weights_of(as_floats(weights))

    def forward(
        self,
        input: Clips,
        target: Clips,
        cond_frame: Float[Tensor, "batch dims"] | None = None,
        *,
        weight: Weight | None = None,
        lengths: Lengths | None = None,
    ) -> LossTerms:
        """Compute the terms.

        Args:
            input: predicted motion, shape ``(B, T, D)``.
            target: true motion, same shape and unit.
            cond_frame: the frame before the clip, with which L compares the first predicted one,
                shape ``(B, D)``. Without L it is not used.
            weight: see :func:`pva_loss`.
            lengths: see :func:`pva_loss`. Compiled code cannot raise, and counts those beyond the
                clips as whole clips: check them in the loader.

        Returns:
            Terms ``"scale_P"``, ``"scale_V"``, ``"scale_A"``, ``"scale_L"`` to ``"exp_R"``, part by
            part, each under the weight of its letter.

        Raises:
            TypeError: for integer tensors, tensors mixed with float64, or a mask for a frame.
            ValueError: for a missing frame, or shapes, devices or weights that do not fit.
        """
        if target is None:
            checks.floating(target=target)
        weights = weights_of(self.weights)
        if not self.use_last_frame_loss:
            refuse_mask(self.parts.layout, input, cond_frame)
            cond_frame = None
        elif cond_frame is None and weights["L"] > 0:
            raise ValueError(
                "cond_frame is missing, and use_last_frame_loss is True: pass the frame before "
                "each clip, (B, D), or make MotionLoss(use_last_frame_loss=False)"
            )
        layout = self.parts.layout
        return motion_terms(
            layout,
            input,
            target=target,
            cond_frame=cond_frame,
            absolute=(
                factors_of(self.coefficients, self.only, layout) if self.use_reg_loss else None
            ),
            dim_weights=self.dim_weights,
            only=self.only,
            weight=weight,
            lengths=lengths,
            reduction=self.reduction,
            short_clips=self.short_clips,
            weights=weights,
        )

    def _parts_with(self, letter: str) -> Iterable[str]:
        layout = self.parts.layout
        if letter == "R":
            return factors_of(self.coefficients, self.only, layout) if self.use_reg_loss else ()
        if letter == "L":
            used = self.use_last_frame_loss and weights_of(self.weights)["L"] > 0
            return names_of(self.only, layout) if used else ()
        return layout.names
