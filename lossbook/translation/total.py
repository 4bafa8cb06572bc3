"""The total losses of StarGAN v2 on latents, as the source trains both sides with them."""

from __future__ import annotations

import contextlib
import functools
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from lossbook import checks
from lossbook.calls import called_with
from lossbook.modules import LossModule
from lossbook.precision import autocasts, exact
from lossbook.ranks import Group, check_group
from lossbook.terms import LossTerms
from lossbook.translation.batch import (
    Networks,
    TranslationBatch,
    called,
    check_answer,
    check_batch,
    check_networks,
)
from lossbook.translation.graphs import refuse_to_compile
from lossbook.translation.losses import (
    check_diversity,
    check_margin,
    cycle_consistency_loss,
    d_hinge_loss,
    diversity_loss,
    diversity_weight,
    g_adversarial_loss,
    identity_loss,
    r1_penalty,
    style_reconstruction_loss,
)


class DiscriminatorLoss(LossModule):
    r"""Total of the discriminator = hinge, mean of both paths + w_r1 * interval * R1, now and then.

    .. math::
        \mathcal L_D = \tfrac12 \bigl(h(D(x), D(\hat x_{ref})) + h(D(x), D(\hat x_{lat}))\bigr)
        + [\,I \mid t\,]\; w_{R1}\, I\, R_1

    with :math:`h` from :func:`d_hinge_loss`, :math:`\hat x_{ref} = G(c, E(x, y))` and
    :math:`\hat x_{lat} = G(c, F(z, y))`. R1 is due in every step t that the interval I divides, and
    I in its weight makes up for the steps between. The source's text calls the contribution to
    the mean loss independent of I: it is, where I divides the steps of an epoch, and for a fixed
    network. Adam's steps are not: see :func:`lazy_adam`.

    The true samples go through D once for both paths, and on a step of R1 for that too. Under
    autocast R1 has a forward pass of its own, in float32. The fakes are made without a graph:
    only D gets a gradient, of every term.

    Args:
        w_r1: weight of R1, at least 0; of 0 it is only logged, on the same steps.
        r1_interval: I, steps from one R1 to the next, at least 1.
        steps_per_epoch: None (default), or the steps of an epoch, after which the count starts
            anew, as in the source: of 37 steps R1 is then due in 2, of fewer than I *never*.
        half: whether R1 has StarGAN v2's factor ½; see :func:`r1_penalty`.
        monitor: whether to log also, with weight 0, ``"logit_gap"`` (mean of the real logits minus
            that of the fakes), ``"real_positive"`` and ``"fake_positive"`` (shares of logits > 0).

    Raises:
        TypeError: for options of another type.
        ValueError: for a negative weight, or an interval or an epoch of no steps.

    Example:
        >>> import torch
        >>> networks = Networks(
        ...     generator=lambda x, s: x + s.mean(),
        ...     style_encoder=lambda x, y: x.flatten(1),
        ...     mapping=lambda z, y: z,
        ...     discriminator=lambda x, y: 2 * x.flatten(1).sum(1),
        ... )
        >>> zero, label = torch.zeros(2, 4, 1, 1), torch.zeros(2, dtype=torch.int64)
        >>> batch = TranslationBatch(zero, label, zero, label, torch.zeros(2, 4), torch.ones(2, 4))
        >>> loss = DiscriminatorLoss(w_r1=0.5)
        >>> print(loss(networks, batch, step=16))
        term     value  weight  contribution  share
        d_hinge      2       1             2    2 %
        r1          16       8           128   98 %
        total                            130  100 %
        >>> loss(networks, batch, step=17).log()
        {'total': 2.0, 'd_hinge': 2.0, 'r1': 0.0}

    References:
        Choi et al., *StarGAN v2*, CVPR 2020, arXiv:1912.01865, with a hinge in place of its
        cross-entropy; Karras et al., *StyleGAN2*, CVPR 2020, arXiv:1912.04958, for the interval.
        Source note: ``d_loss``, ``r1``.
    """

    def __init__(
        self,
        *,
        w_r1: float = 1.0,
        r1_interval: int = 16,
        steps_per_epoch: int | None = None,
        half: bool = False,
        monitor: bool = False,
    ) -> None:
        super().__init__()
        checks.number(w_r1=w_r1)
        checks.index(None, r1_interval=r1_interval)
        if r1_interval == 0:
            raise ValueError(
                "r1_interval must be at least 1, got 0; 1 is every step, for no R1 pass w_r1=0 and "
                "a large interval"
            )
        if steps_per_epoch is not None:
            checks.index(None, steps_per_epoch=steps_per_epoch)
            if steps_per_epoch == 0:
                raise ValueError(
                    "steps_per_epoch must be at least 1, got 0; leave it out to count all steps"
                )
        checks.flag(half=half, monitor=monitor)
        product: dict[str, Any] = {"w_r1 * r1_interval": float(w_r1) * r1_interval}
        checks.number(**product)
        self.w_r1 = w_r1
        self.r1_interval = r1_interval
        self.steps_per_epoch = steps_per_epoch
        self._half = half  # half() is every module's
        self.monitor = monitor

    def computes_r1(self, step: int) -> bool:
        """Whether R1 is due in a step.

        Args:
            step: counted from 1, over the whole training.

        Raises:
            TypeError: if it is no integer.
            ValueError: if it is below 1.

        Example:
            >>> [step for step in range(1, 50) if DiscriminatorLoss().computes_r1(step)]
            [16, 32, 48]
            >>> restarted = DiscriminatorLoss(steps_per_epoch=20)
            >>> [step for step in range(1, 50) if restarted.computes_r1(step)]
            [16, 36]
        """
        _check_step(step)
        if self.steps_per_epoch is not None:
            step = (step - 1) % self.steps_per_epoch + 1
        return step % self.r1_interval == 0

    def extra_repr(self) -> str:
        """The options, for printing."""
        names = ("w_r1", "r1_interval", "steps_per_epoch", "half", "monitor")
        found = {name: getattr(self, "_half" if name == "half" else name) for name in names}
        return ", ".join(f"{name}={value!r}" for name, value in found.items())

    @called_with(step="counted from 1 through the whole training")
    def forward(
        self,
        networks: Networks,
        batch: TranslationBatch | Mapping[str, Tensor | None],
        *,
        step: int,
    ) -> LossTerms:
        """Compute the terms.

        Args:
            networks: the four; of a compiled discriminator the true samples of an R1 step go
                through its eager form, as compiled code has no second derivatives.
            batch: of which ``content``, ``x_ref``, ``y_trg`` and ``z_trg`` are used; a mapping
                with the same names will do.
            step: counted from 1, over the whole training.

        Returns:
            Terms ``"d_hinge"`` of weight 1 and ``"r1"``, raw, whose weight is
            ``w_r1 * r1_interval`` on its steps. On the others both its value and its weight are 0,
            as the source logs it, and :class:`EpochMeter` is told that it was not computed.

        Raises:
            TypeError: for other things than the two tuples, or a step that is no integer.
            ValueError: for a batch or an answer of a network that does not fit, naming the
                network, or a step below 1.
        """
        due = self.computes_r1(step)
        check_networks(networks)
        batch = check_batch(batch)
        content, labels = batch.content, batch.y_trg
        with torch.no_grad(), _uncached(content):
            style = called(networks, "style_encoder", batch.x_ref, labels, content)
            fake_ref = called(networks, "generator", content, style, content)
            style = called(networks, "mapping", batch.z_trg, labels, content)
            fake_lat = called(networks, "generator", content, style, content)
        penalty, real = None, None
        if due:
            penalty, real = self._penalised(networks, batch)
        if real is None:
            real = called(networks, "discriminator", batch.x_ref, labels, content)
        fakes = [
            called(networks, "discriminator", fake, labels, content)
            for fake in (fake_ref, fake_lat)
        ]
        hinge = (d_hinge_loss(real, fakes[0]) + d_hinge_loss(real, fakes[1])) / 2
        terms = {"d_hinge": hinge, "r1": torch.zeros_like(hinge) if penalty is None else penalty}
        weight = float(self.w_r1 * self.r1_interval) if due else 0.0
        weights: dict[str, float | Tensor] = {"d_hinge": 1.0, "r1": weight}
        if self.monitor:
            seen = _monitors(real, fakes, hinge.dtype)
            terms |= seen
            weights |= dict.fromkeys(seen, 0.0)
        loss = LossTerms._trusted(terms, weights)
        if not due:
            loss._absent = ("r1",)
        return loss

    def _penalised(
        self, networks: Networks, batch: TranslationBatch
    ) -> tuple[Tensor, Tensor | None]:
        """R1, and the logits of the true samples, unless autocast wants those in half precision."""
        refuse_to_compile(torch.compiler.is_compiling())
        wanted, x = torch.is_grad_enabled(), batch.x_ref
        cast = autocasts(x)
        # Compiled networks are called as they were before: they have no second derivatives.
        eager: contextlib.AbstractContextManager[Any] = contextlib.nullcontext()
        if "torch._dynamo" in sys.modules:
            try:
                eager = torch.compiler.set_stance("force_eager")
            except RuntimeError:  # what calls this is compiled, in parts
                refuse_to_compile(True)
        # Validation has no gradients, and this is one.
        with _with_gradients(), exact(x), eager:
            x, labels = (v.clone() if v.is_inference() else v for v in (x, batch.y_trg))
            x = (x.detach().float() if cast else x.detach()).requires_grad_()
            logits = called(networks, "discriminator", x, labels, batch.content)
            penalty = r1_penalty(logits, x, half=self._half)
        if not wanted:
            logits = logits.detach()
        if not wanted or self.w_r1 == 0:
            penalty = penalty.detach()
        return penalty, None if cast else logits


class GeneratorLoss(LossModule):
    r"""Total of generator, style encoder and mapping, over a reference and a latent path.

    .. math::
        \mathcal L_G = w_{adv} \mathcal L_{adv} + w_{sty} \mathcal L_{sty}
        - \lambda_{ds}(e)\, \mathcal L_{ds} + w_{cyc} \mathcal L_{cyc} + w_{id} \mathcal L_{id}

    Both paths translate the content c into the domain of y: :math:`\hat x_{ref} = G(c, E(x, y))`
    and :math:`\hat x_{lat} = G(c, F(z, y))`. Each term but the diversity and the identity is the
    *sum* of both paths, where :class:`DiscriminatorLoss` has their mean.

    ========= ======================================================== === === === ===
    term      of each path                                             G   E   F   D
    ========= ======================================================== === === === ===
    ``adv``   :math:`-\operatorname{mean} D(\hat x, y)`                yes yes yes no
    ``sty``   :math:`|E(\hat x, y) - s|`                               yes yes yes no
    ``ds``    :math:`|G(c, F(z_1, y)) - G(c, F(z_2, y))|`, once        yes no  yes no
    ``cyc``   :math:`|G(\hat x, s_{src}) - c|`                         yes yes yes no
    ``id``    :math:`|G(c, s_{src}) - c|`, once                        yes yes no  no
    ========= ======================================================== === === === ===

    The columns tell which networks get a gradient from which term; :math:`s_{src} = E(c, y_{src})`.
    E has one from ``adv`` through the reference path alone, F through the latent one alone. The
    parameters of D get none: they are frozen while its graph is built, and as they were afterwards.
    That is done for a ``torch.nn.Module`` and its methods; freeze what another callable hides. A
    discriminator under activation checkpointing is computed once more in the backward pass: freeze
    it yourself until then.

    A total that falls does not tell that the translations get better: the diversity's weight falls
    with the epochs, and it is subtracted.

    Args:
        w_adv: weight of the adversarial term, at least 0 like the others.
        w_sty: of the style reconstruction.
        w_cyc: of the cycle.
        w_id: of the identity; at 0 (default) it is not computed, as documented, and logged as 0;
            see `monitor`.
        w_ds: of the diversity in epoch 1.
        ds_decay_epochs: epochs in which that falls to 0; see :func:`diversity_weight`.
        ds_margin: None (default), or the distance from which on the diversity has no gradient, as
            documented of the mean over the batch; see :func:`diversity_loss`.
        skip_unused: whether to leave out what has weight 0, and log 0 for it. By default only the
            identity is, unless `monitor` asks for it: the others are computed without a graph, as
            the source logs them.
        group: ranks over which the mean of ``ds_margin`` is taken; see :func:`diversity_loss`.
        monitor: whether to log the identity also where it has weight 0. It is computed without a
            graph then, at the price of one more call of the generator. It tells what the other
            terms cannot: whether a generator that finds the way back keeps the content.

    Raises:
        TypeError: for options of another type.
        ValueError: for a negative weight, a margin that is not above 0 or no epochs to decay in.

    Example:
        >>> import torch
        >>> networks = Networks(
        ...     generator=lambda x, s: x + s[:, :, None, None],
        ...     style_encoder=lambda x, y: x.mean((2, 3)),
        ...     mapping=lambda z, y: z,
        ...     discriminator=lambda x, y: x.flatten(1).sum(1) - 0.5,
        ... )
        >>> zero, label = torch.zeros(2, 4, 1, 1), torch.zeros(2, dtype=torch.int64)
        >>> batch = TranslationBatch(zero, label, zero, label, torch.zeros(2, 4), torch.ones(2, 4))
        >>> print(GeneratorLoss()(networks, batch, epoch=11))
        term   value  weight  contribution   share
        adv        1       1             1   200 %
        sty        0       1             0     0 %
        ds         1    -0.5          -0.5  -100 %
        cyc        0       1             0     0 %
        id         0       0             0     0 %
        total                          0.5   100 %

    References:
        Choi et al., *StarGAN v2*, CVPR 2020, arXiv:1912.01865, which has no identity term, and a
        diversity in each path. Source note: ``g_loss``.
    """

    def __init__(
        self,
        *,
        w_adv: float = 1.0,
        w_sty: float = 1.0,
        w_cyc: float = 1.0,
        w_id: float = 0.0,
        w_ds: float = 1.0,
        ds_decay_epochs: int | float = 20,
        ds_margin: float | None = None,
        skip_unused: bool = False,
        group: Group = None,
        monitor: bool = False,
    ) -> None:
        super().__init__()
        checks.number(w_adv=w_adv, w_sty=w_sty, w_cyc=w_cyc, w_id=w_id)
        check_diversity(w_ds, ds_decay_epochs, "ds_decay_epochs")
        check_margin(ds_margin, "batch", "ds_margin")
        checks.flag(skip_unused=skip_unused, monitor=monitor)
        check_group(group)
        self.w_adv = w_adv
        self.w_sty = w_sty
        self.w_cyc = w_cyc
        self.w_id = w_id
        self.w_ds = w_ds
        self.ds_decay_epochs = ds_decay_epochs
        self.ds_margin = ds_margin
        self.skip_unused = skip_unused
        self.monitor = monitor
        # By name: a process group can neither be pickled nor deep-copied.
        self.group = group if group is None or isinstance(group, str) else group.group_name

    @called_with(epoch="counted from 1, or a fraction such as 1 + step / steps")
    def forward(
        self,
        networks: Networks,
        batch: TranslationBatch | Mapping[str, Tensor | None],
        *,
        epoch: int | float,
    ) -> LossTerms:
        """Compute the terms.

        Args:
            networks: the four; a discriminator inside of ``DistributedDataParallel`` is called
                without it, as it is not trained here.
            batch: see :class:`TranslationBatch`; a mapping with the same names will do.
            epoch: counted from 1; also a fraction, see :func:`diversity_weight`.

        Returns:
            Terms ``"adv"``, ``"sty"``, ``"ds"``, ``"cyc"`` and ``"id"``, raw, with their weights;
            that of ``"ds"`` is at most 0.

        Raises:
            TypeError: for other things than the two tuples, or an epoch that is no number.
            ValueError: for a batch or an answer of a network that does not fit, naming the
                network, or an epoch below 1.
        """
        decayed = diversity_weight(epoch, self.w_ds, self.ds_decay_epochs)
        check_networks(networks)
        batch = check_batch(batch)
        weights: dict[str, float | Tensor] = {
            "adv": float(self.w_adv),
            "sty": float(self.w_sty),
            "ds": -decayed if decayed else 0.0,
            "cyc": float(self.w_cyc),
            "id": float(self.w_id),
        }
        used = {name: bool(weight) for name, weight in weights.items()}
        computed = {name: used[name] or not self.skip_unused for name in weights}
        computed["id"] = used["id"] or self.monitor
        content, y_src, y_trg = batch.content, batch.y_src, batch.y_trg

        def answer(name: str, first: Tensor, second: Tensor) -> Tensor:
            return called(networks, name, first, second, content)

        style_ref = answer("style_encoder", batch.x_ref, y_trg)
        style_lat = answer("mapping", batch.z_trg, y_trg)
        fakes = answer("generator", content, style_ref), answer("generator", content, style_lat)
        nothing = content.new_zeros((), dtype=checks.working_dtype(content.dtype))
        terms = dict.fromkeys(weights, nothing)

        if computed["adv"]:
            with _monitored(used["adv"]), frozen(networks.discriminator) as discriminator:
                logits = [discriminator(fake, y_trg) for fake in fakes]
            for found in logits:
                check_answer("discriminator", found, content)
            terms["adv"] = g_adversarial_loss(logits[0]) + g_adversarial_loss(logits[1])
        if computed["sty"]:
            with _monitored(used["sty"]):
                pairs = zip(fakes, (style_ref, style_lat), strict=True)
                parts = [
                    style_reconstruction_loss(answer("style_encoder", fake, y_trg), style)
                    for fake, style in pairs
                ]
            terms["sty"] = parts[0] + parts[1]
        if computed["ds"]:
            with _monitored(used["ds"]):
                first = fakes[1]
                if batch.z_1 is not None:
                    first = answer("generator", content, answer("mapping", batch.z_1, y_trg))
                second = answer("generator", content, answer("mapping", batch.z_2, y_trg))
                terms["ds"] = diversity_loss(first, second, margin=self.ds_margin, group=self.group)
        if computed["cyc"] or computed["id"]:
            with _monitored(used["cyc"] or used["id"]):
                style_src = answer("style_encoder", content, y_src)
        if computed["cyc"]:
            with _monitored(used["cyc"]):
                parts = [
                    cycle_consistency_loss(answer("generator", fake, style_src), content)
                    for fake in fakes
                ]
            terms["cyc"] = parts[0] + parts[1]
        if computed["id"]:
            with _monitored(used["id"]):
                terms["id"] = identity_loss(answer("generator", content, style_src), content)
        return LossTerms._trusted(terms, weights)


def _check_step(step: int) -> None:
    checks.index(None, step=step)
    if step == 0:
        raise ValueError("step must be at least 1, got 0; count from 1: step + 1")


def _monitors(real: Tensor, fakes: list[Tensor], dtype: torch.dtype) -> dict[str, Tensor]:
    """What to log beside the hinge, without a graph."""
    true = real.detach().to(dtype).flatten()
    fake = torch.cat([each.detach().to(dtype).flatten() for each in fakes])
    return {
        "logit_gap": _mean(true) - _mean(fake),
        "real_positive": _mean((true > 0).to(dtype)),
        "fake_positive": _mean((fake > 0).to(dtype)),
    }


def _mean(values: Tensor) -> Tensor:
    return values.sum() / max(values.numel(), 1)


@contextlib.contextmanager
def frozen(network: Any) -> Iterator[Any]:
    """Keep the parameters of a network from a gradient while a graph is built with it.

    Args:
        network: a module, or a method of one; of other callables nothing can be frozen.

    Yields:
        The network to call: what is inside of ``DistributedDataParallel``, which waits for the
        gradients of all that goes through it.
    """
    if isinstance(network, nn.parallel.DistributedDataParallel):
        network = network.module
    owner = network if isinstance(network, nn.Module) else getattr(network, "__self__", None)
    parameters = list(owner.parameters()) if isinstance(owner, nn.Module) else []
    if torch.compiler.is_compiling() and owner is network and parameters:
        # The compiler cannot see that a tensor no longer requires a gradient.
        constants = {name: value.detach() for name, value in owner.named_parameters()}
        yield functools.partial(_with_constants, owner, constants)
        return
    parameters = [parameter for parameter in parameters if parameter.requires_grad]
    try:
        for parameter in parameters:
            parameter.requires_grad_(False)
        yield network
    finally:
        for parameter in parameters:
            parameter.requires_grad_(True)


def _with_constants(network: nn.Module, constants: dict[str, Tensor], *arguments: Tensor) -> Any:
    return torch.func.functional_call(network, constants, arguments)


def _monitored(trains: bool) -> contextlib.AbstractContextManager[Any]:
    """Without a graph unless it trains something."""
    return contextlib.nullcontext() if trains else torch.no_grad()


def _with_gradients() -> contextlib.AbstractContextManager[Any]:
    """Gradients, also within what has none."""
    if torch.is_inference_mode_enabled():
        return torch.inference_mode(False)
    return contextlib.nullcontext() if torch.is_grad_enabled() else torch.enable_grad()


def _uncached(tensor: Tensor) -> contextlib.AbstractContextManager[Any]:
    """Keep autocast from storing weights without a graph, which a later loss would train in vain.

    What it casts it keeps until its outermost block ends.
    """
    if not autocasts(tensor):
        return contextlib.nullcontext()
    kind = tensor.device.type
    dtype = torch.get_autocast_dtype(kind)
    return torch.autocast(kind, dtype=dtype, cache_enabled=False)
