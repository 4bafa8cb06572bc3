"""Other people's losses of a translation, and of networks that generate."""

from contextlib import nullcontext
from types import SimpleNamespace

import torch
from torch import Tensor

from lossbook.lab.run.others.entry import Entry, Names, Source, Tensors, normal

SOURCES = {
    "stargan-v2": Source("StarGAN v2", "clovaai/stargan-v2"),
    "stylegan2-ada": Source("StyleGAN2-ADA", "NVlabs/stylegan2-ada-pytorch"),
    "r3gan": Source("R3GAN", "brownvc/R3GAN"),
}

_SOLVER = "core/solver.py"
_STYLEGAN = {"training/loss.py": ("Loss", "StyleGAN2Loss")}
_R3GAN = {"R3GAN/Trainer.py": ("AdversarialTraining",)}
_REPORTED: dict[str, Tensor] = {}


def _logits(batch: int, generator: torch.Generator) -> Tensors:
    return {name: 3 * normal(batch, 1, generator=generator) for name in ("real", "fake")}


def _pictures(batch: int, generator: torch.Generator) -> Tensors:
    """Pictures, noise, and the weights of small networks with a bend in each."""
    return {
        "x": normal(batch, 3, 8, 8, generator=generator),
        "x_ref": normal(batch, 3, 8, 8, generator=generator),
        "z": normal(batch, 4, generator=generator),
        "z_2": normal(batch, 4, generator=generator),
        "w_critic": normal(192, 8, generator=generator) / 14,
        "w_encoder": normal(192, 3, generator=generator) / 14,
        "w_mapping": normal(4, 3, generator=generator) / 2,
        "w_generator": normal(3, 8, 8, generator=generator),
    }


def _critic(given: Tensors, x: Tensor) -> Tensor:
    return (x.flatten(1) @ given["w_critic"]).tanh().sum(1, keepdim=True)


def _generated(given: Tensors, x: Tensor, style: Tensor) -> Tensor:
    return (x * given["w_generator"] + style[:, :, None, None]).tanh()


def _star(given: Tensors) -> Names:
    def discriminator(x: Tensor, y: Tensor) -> Tensor:
        return _critic(given, x).squeeze(1)

    def generator(x: Tensor, s: Tensor, masks: Tensor | None = None) -> Tensor:
        return _generated(given, x, s)

    def encoder(x: Tensor, y: Tensor) -> Tensor:
        return x.flatten(1) @ given["w_encoder"]

    def mapping(z: Tensor, y: Tensor) -> Tensor:
        return z @ given["w_mapping"]

    return {
        "nets": SimpleNamespace(
            discriminator=discriminator,
            generator=generator,
            style_encoder=encoder,
            mapping_network=mapping,
        ),
        "D": discriminator,
        "G": generator,
        "E": encoder,
        "F": mapping,
        "args": SimpleNamespace(
            lambda_reg=1.0, lambda_sty=1.0, lambda_ds=1.0, lambda_cyc=1.0, w_hpf=0
        ),
        "y": torch.zeros(len(given["x"]), dtype=torch.int64),
    }


def _style(given: Tensors) -> Names:
    _REPORTED.clear()

    def mapping(z: Tensor, c: Tensor | None, skip_w_avg_update: bool = False) -> Tensor:
        return (z @ given["w_mapping"])[:, None]

    def synthesis(ws: Tensor) -> Tensor:
        return _generated(given, torch.ones_like(given["x"]), ws[:, 0])

    def run(loss: SimpleNamespace, phase: str) -> Tensor:
        """The phase, which goes back by itself and returns nothing: what it reports of it."""
        none = torch.zeros(len(given["x"]), 0)
        loss.accumulate_gradients(phase, given["x"], none, given["z"], none, True, 1)
        names = {"Gmain": ("G/loss",), "Dboth": ("D/loss", "D/reg")}[phase]
        return torch.stack([_REPORTED[f"Loss/{name}"].mean() for name in names]).sum()

    return {
        "G_mapping": mapping,
        "G_synthesis": synthesis,
        "D": lambda x, c: _critic(given, x),
        "run": run,
        "z": given["z"],
        "c": None,
        "x": given["x"].detach().requires_grad_(),
    }


def _report(name: str, value: Tensor) -> None:
    _REPORTED[name] = value.detach()


_STANDS_IN = {
    "misc": SimpleNamespace(ddp_sync=lambda module, sync: nullcontext()),
    "training_stats": SimpleNamespace(report=_report),
    "conv2d_gradfix": SimpleNamespace(no_weight_gradients=nullcontext),
}


def _pairs(given: Tensors) -> Names:
    return {
        "G": lambda z, c: _generated(given, torch.ones_like(given["x"]), z @ given["w_mapping"]),
        "D": lambda x, c: _critic(given, x),
        "c": None,
        "gamma": 2.0,
        "x": given["x"].detach().requires_grad_(),
    }


ENTRIES = (
    Entry(
        "stargan-v2 adv_loss of D",
        "stargan-v2",
        "adv_loss",
        {_SOLVER: ("adv_loss",)},
        theirs="adv_loss(real, 1) + adv_loss(fake, 0)",
        ours="d_logistic_loss(real, fake)",
        inputs=_logits,
        wanted=("real", "fake"),
        differs="Our chapter's `d_hinge_loss` is the source note's; StarGAN v2 itself has this.",
    ),
    Entry(
        "stargan-v2 adv_loss of G",
        "stargan-v2",
        "adv_loss",
        {_SOLVER: ("adv_loss",)},
        theirs="adv_loss(fake, 1)",
        ours="g_logistic_loss(fake)",
        inputs=_logits,
        wanted=("fake",),
        differs="Nothing but the name.",
    ),
    Entry(
        "stargan-v2 compute_d_loss",
        "stargan-v2",
        "compute_d_loss",
        {_SOLVER: ("adv_loss", "r1_reg", "compute_d_loss")},
        theirs="compute_d_loss(nets, args, x, y, y, z_trg=z)[0]",
        ours="with torch.no_grad():\n    fake = G(x, F(z, y))\n"
        "x.requires_grad_()\nreal_logits = D(x, y)\n"
        "r1 = r1_penalty(real_logits, x, half=True)\n"
        "d_logistic_loss(real_logits, D(fake, y)) + args.lambda_reg * r1",
        inputs=_pictures,
        also=_star,
        wanted=("w_critic",),
        stands_in={"Munch": dict},
        differs="Its R1 has the factor ½, our default has not: `half=True`. It is called twice in "
        "an iteration, by noise and by reference; `DiscriminatorLoss` has the mean of both in one "
        "call, with the hinge and R1 only every 16th step.",
    ),
    Entry(
        "stargan-v2 compute_g_loss",
        "stargan-v2",
        "compute_g_loss",
        {_SOLVER: ("adv_loss", "compute_g_loss")},
        theirs="compute_g_loss(nets, args, x, y, y, z_trgs=[z, z_2])[0]",
        ours="style = F(z, y)\nfake = G(x, style)\nother = G(x, F(z_2, y)).detach()\n"
        "adv = g_logistic_loss(D(fake, y))\n"
        "sty = style_reconstruction_loss(E(fake, y), style)\n"
        "ds = diversity_loss(fake, other)\n"
        "cyc = cycle_consistency_loss(G(fake, E(x, y)), x)\n"
        "adv + args.lambda_sty * sty - args.lambda_ds * ds + args.lambda_cyc * cyc",
        inputs=_pictures,
        also=_star,
        wanted=("w_generator", "w_encoder", "w_mapping"),
        stands_in={"Munch": dict},
        differs="It detaches the second picture of the diversity. `GeneratorLoss` does not, adds "
        "up both paths in one call, and has an identity. Theirs has heat maps of a face aligner "
        "(`w_hpf`), which ours has not.",
    ),
    Entry(
        "stylegan2-ada Dboth",
        "stylegan2-ada",
        "StyleGAN2Loss",
        _STYLEGAN,
        theirs="run(StyleGAN2Loss('cpu', G_mapping, G_synthesis, D, style_mixing_prob=0, "
        "r1_gamma=10), 'Dboth')",
        ours="with torch.no_grad():\n    fake = G_synthesis(G_mapping(z, c))\n"
        "real_logits = D(x, c)\n"
        "r1 = r1_penalty(real_logits, x, half=True)\n"
        "d_logistic_loss(real_logits, D(fake, c)) + 10 * r1",
        inputs=_pictures,
        also=_style,
        wanted=("w_critic",),
        stands_in=_STANDS_IN,
        differs="Theirs goes back by itself and returns nothing; compared are its gradients and "
        "what it reports. Its penalty comes every 16th step, as in `DiscriminatorLoss` with "
        "`r1_interval=16`. `lazy_adam` corrects the optimiser as its training loop does.",
    ),
    Entry(
        "stylegan2-ada Gmain",
        "stylegan2-ada",
        "StyleGAN2Loss",
        _STYLEGAN,
        theirs="run(StyleGAN2Loss('cpu', G_mapping, G_synthesis, D, style_mixing_prob=0), 'Gmain')",
        ours="g_logistic_loss(D(G_synthesis(G_mapping(z, c)), c))",
        inputs=_pictures,
        also=_style,
        wanted=("w_generator", "w_mapping"),
        stands_in=_STANDS_IN,
        differs="Its path length penalty, style mixing and adaptive augmentation have no "
        "counterpart here.",
    ),
    Entry(
        "r3gan D",
        "r3gan",
        "AdversarialTraining",
        _R3GAN,
        theirs="training = AdversarialTraining(G, D)\n"
        "adv, _, r1, r2 = training.AccumulateDiscriminatorGradients(z, x, c, gamma)\n"
        "(adv + gamma / 2 * (r1 + r2)).mean()",
        ours="fake = G(z, c).detach().requires_grad_()\n"
        "real_logits, fake_logits = D(x, c), D(fake, c)\n"
        "r1 = r1_penalty(real_logits, x, half=True)\n"
        "r2 = r1_penalty(fake_logits, fake, half=True)\n"
        "d_relativistic_loss(real_logits, fake_logits) + gamma * (r1 + r2)",
        inputs=_pictures,
        also=_pairs,
        wanted=("w_critic",),
        differs="Theirs goes back by itself. It has the penalty at the fakes too, in every step.",
    ),
    Entry(
        "r3gan G",
        "r3gan",
        "AdversarialTraining",
        _R3GAN,
        theirs="AdversarialTraining(G, D).AccumulateGeneratorGradients(z, x, c)[0].mean()",
        ours="g_relativistic_loss(D(x, c), D(G(z, c), c))",
        inputs=_pictures,
        also=_pairs,
        wanted=("w_generator", "w_mapping"),
        differs="Ours takes the real logits first, as the discriminator's does.",
    ),
)
