# Draft of the inversion chapter, in no table of contents yet: text, figures and proofs of the theory.
# What is missing: results, logs, exercises, the end. Its ledger is in `inversion_ledger.py` beside it.

# %% [markdown]
# # The noise that is you: stealing a face from its template
#
# A face recogniser does not keep your photograph. It keeps a *template*, 128 numbers that it made of it, and at the door it makes 128 numbers of the face before it and compares. Here are a photograph and two pictures that were made from its template alone. One of them opens the door.

# %% tags=["remove-cell"]
# The install cell of the other chapters, with `lossbook[book,inversion]`, comes here.
# %% tags=["remove-input"]
import torch

from lossbook.lab.inversion import scenes
from lossbook.lab.inversion.experiment import recognisers
from lossbook.lab.inversion.faces import enlarge, load_faces, split
from lossbook.lab.inversion.model import Denoiser, linear_guess, templates
from lossbook.lab.inversion.noise import accepted_noise
from lossbook.lab.inversion.systems import features, similarity, threshold
from lossbook.lab.page import figures
from lossbook.lab.page.objects import Axis, Panel, Picture
from lossbook.lab.page.questions import predict

faces = load_faces()
sface, judge = recognisers()
part = split(faces, 0)
victim = int(part.unseen[0])
noise, climb = accepted_noise(sface, faces.attacked[victim])
guess_of = Denoiser(*linear_guess(faces, part.training)).guess
plain = enlarge(guess_of(templates(faces)[victim : victim + 1]).clamp(-1, 1))


def seen_by(system, picture):
    with torch.no_grad():
        found = (
            features(sface, picture)
            if system == "attacked"
            else judge(picture)
        )
    return similarity(system, found, getattr(faces, system))[0]


def photograph(picture, title):
    grey = (picture[0, 0].clamp(0, 1) * 255).round().to(torch.uint8).numpy()
    shown = Picture(grey, (0, 112), (0, 112))
    return Panel(
        [shown],
        Axis(0, 112),
        Axis(112, 0),
        title,
        equal=True,
        frame=False,
        small=True,
    )


figures.Chart(
    "A photograph, and two pictures made from its template",
    [
        photograph(faces.pictures[victim : victim + 1], "the person"),
        photograph(noise, "picture 1"),
        photograph(plain, "picture 2"),
    ],
)

# %% tags=["remove-input"]
of_noise, of_plain = seen_by("attacked", noise), seen_by("attacked", plain)
at_door = threshold("attacked", faces, 1e-3)
answer = "Picture 1, the noise."
assert of_noise[victim] > 0.99 > at_door > of_plain[victim]
predict(
    "Which picture does the recogniser accept as the person?",
    (answer, "Picture 2, the face.", "Both.", "Neither."),
    answer=answer,
    why=f"It says {of_noise[victim]:.3f} of the noise, where 1 is the very same face and {at_door:.2f} opens the door; of the face it says {of_plain[victim]:.2f}. Forty steps of gradient descent on the pixels made the noise, and nothing else was asked of them.",
)

# %% [markdown]
# The noise was asked for. A loss said *be near this template, as this network sees it*, and gradient descent found the shortest way, which leads past every face there is. Show the noise to another recogniser, dlib's, which was not asked: it sees nobody. So when a paper reports that its rebuilt faces are accepted, the first question is by whom.
#
# A [working note](#the-note-and-what-is-true) on such an attack proposes five schemes for the loss, A to E. **By the end you will know what each of them pulls at, which of them balance anything, and how to measure an attack so that noise does not win.**
#
# Thirty-five minutes. In a hurry? Push [a feature round its circle](#idea-1-only-the-direction-counts), watch [two weights learn](#idea-4-weights-that-learn), and look at [what was rebuilt](#train-it).

# %% tags=["hide-cell"]
import math
import statistics

import sympy as sp
import torch.nn.functional as F
from IPython.display import Markdown, display

from lossbook.inversion import (
    InversionLoss,
    combined_schedule,
    cosine_margin_loss,
    feature_l2_loss,
    guidance_consistency_loss,
    info_nce_loss,
    symbolic,
)
from lossbook.lab.inversion import experiment
from lossbook.lab.inversion.arms import ARMS
from lossbook.lab.inversion.people import by_person
from lossbook.lab.inversion.training import batches
from lossbook.lab.page.objects import Curve

figures.use_style()
record = experiment.load_record()
assert len(climb) == 41 and climb[0] < 0.2
of_other = seen_by("judge", noise)
assert of_other[victim] < threshold("judge", faces, 1e-2)

# %% [markdown]
# ## Who looks at what
#
# The attacker has stolen templates and has the recogniser $F$ itself, gradients and all. It trains a network on people of whom it has both, photograph $x_0$ and template $t$: the photograph gets noise, and with the template beside it the network says what it was, $\hat x$.

# %% tags=["remove-input"]
figures.diagram(
    "The attack in training, and what each term looks at",
    {
        "noisy": figures.Box("noisy\nphoto", 0, 0),
        "template": figures.Box("template", 0, 1.15),
        "network": figures.Box("denoiser", 1, 0.55),
        "picture": figures.Box("rebuilt\nface", 2, 0.55, "prediction"),
        "system": figures.Box("recog-\nniser F", 3, 0.55),
        "feature": figures.Box("feature", 4, 0.55, "prediction"),
        "pixel": figures.Box("pixel\nloss", 2, 1.75, "pixel"),
        "feat": figures.Box("feature\nloss", 4, 1.75, "feat"),
    },
    [
        ("noisy", "network"),
        ("template", "network"),
        ("network", "picture"),
        ("picture", "system"),
        ("system", "feature"),
        ("picture", "pixel"),
        ("feature", "feat"),
    ],
)

# %% [markdown]
# The note's baseline adds two terms, with a weight that grows while the training goes on:
#
# $$\mathcal L = \underbrace{\lVert \hat x - x_0\rVert^2}_{\text{pixels}} + \lambda(t)\, \underbrace{\lVert F(\hat x) - t\rVert^2}_{\text{feature}}$$
#
# The pixel term wants the face. The feature term wants the recogniser to say yes. They agree on a perfect face, and on little else. Once it is trained, the network makes faces from templates of people it has never met, starting from pure noise.

# %% [markdown]
# ## Three numbers, by hand
#
# Let a feature have two numbers, $f = (6, 8)$, and a template $t = (1, 0)$.
#
# | | formula | here |
# |:--|:--|--:|
# | raw distance | $\lVert f - t \rVert^2$ | 25 + 64 = **89** |
# | length | $\lVert f\rVert$ | **10** |
# | cosine | $f \cdot t / (\lVert f \rVert \lVert t\rVert)$ | 6 / 10 = **0.6** |
# | distance at length 1 | $\lVert f/\lVert f\rVert - t\rVert^2$ | 0.16 + 0.64 = **0.8** |
# | the same from the cosine | $2 - 2\cos\theta$ | 2 − 1.2 = **0.8** |
#
# A recogniser compares directions, by the cosine. The raw distance spends nearly all of its 89 on the length, which nobody asks for. Divide both by their lengths, and the squared distance *is* the cosine.

# %% tags=["hide-cell"]
f, t = torch.tensor([[6.0, 8.0]]), torch.tensor([[1.0, 0.0]])
assert feature_l2_loss(f, t) == 89
assert math.isclose(feature_l2_loss(f, t, normalized=True), 0.8, rel_tol=1e-6)
assert math.isclose(torch.cosine_similarity(f, t), 0.6, rel_tol=1e-6)
symbols = r"""
| symbol | in code | shape | meaning |
|:--|:--|:--|:--|
| $x_0, \hat x$ | `target`, `input` | `(B, ...)` | photograph and rebuilt face, from −1 to 1 |
| $\hat f = F(\hat x)$ | `features` | `(B, D)` | what the recogniser says of the rebuilt face |
| $t$ | `template` | `(B, D)` | what it said of the photograph |
| $n_k$ | `negatives` | `(B, K, D)` or `(K, D)` | templates of other people |
| $c^+, c^-_k$ | | `(B,)`, `(B, K)` | cosine of $\hat f$ with $t$, with $n_k$ |
| $m, \tau$ | `margin`, `temperature` | | 0.35; 0.05 to 0.1 |
"""
display(
    Markdown(symbols),
    figures.equation(r"\mathcal{L}_{feat}", symbolic.FEATURE_L2),
    figures.equation(r"\mathcal{L}_{A}", symbolic.COSINE_MARGIN),
    figures.equation(r"\mathcal{L}_{C}", symbolic.INFO_NCE),
    figures.equation(r"\mathcal{L}_{D}", symbolic.GUIDANCE),
    figures.equation(r"\mathcal{L}", symbolic.TOTAL),
)

# %% [markdown]
# ## Idea 1: only the direction counts
#
# Push the feature round its circle, and in and out. Arrows show where each loss would move it.

# %% tags=["remove-input"]
scenes.circle()

# %% [markdown]
# The raw distance pulls along the radius as well. The others never do: what depends on the direction alone does not change along the radius, so its slope there is 0. For the cosine it is
#
# $$\nabla_f \cos\theta = \frac{1}{\lVert f\rVert}\Bigl(\frac{t}{\lVert t\rVert} - \cos\theta\,\frac{f}{\lVert f\rVert}\Bigr), \qquad \lVert \nabla_f \cos\theta\rVert = \frac{\sin\theta}{\lVert f \rVert}.$$
#
# In the bracket stands the template minus its own part along $f$; what is left lies across. Two things follow. The pull fades as the target comes near, and it fades as $\sin\theta$ on the far side too: a feature that points the wrong way altogether is hardly told so. And a longer feature is pulled less. **If the system compares directions, compare directions in the loss.**

# %% tags=["hide-cell"]
radius, angle = sp.symbols("r theta", positive=True)
u, v = sp.symbols("u v", real=True)
cosine = u / sp.sqrt(u**2 + v**2)
slope = sp.Matrix([sp.diff(cosine, u), sp.diff(cosine, v)])
here = {u: radius * sp.cos(angle), v: radius * sp.sin(angle)}
at = sp.simplify(slope.subs(here))
along = sp.Matrix([sp.cos(angle), sp.sin(angle)])
assert sp.simplify(at.dot(along)) == 0
assert sp.simplify(at.dot(at) - sp.sin(angle) ** 2 / radius**2) == 0
claimed = (sp.Matrix([1, 0]) - sp.cos(angle) * along) / radius
assert sp.simplify(at - claimed) == sp.zeros(2, 1)

# %% [markdown]
# ## Idea 2: a margin is a place to stop
#
# Scheme A compares with somebody else. Let $c^+$ be the cosine with the own template and $c^-$ that with the most alike among others. Then
#
# $$\ell_A = \max(0,\; c^- - c^+ + m).$$
#
# As soon as the own template is nearer by the margin, there is no loss and no pull. The note's formula has no $\max$, its code has one, and that is the difference: without it the network is paid for running away from other people for ever. The note calls $m$ an *angular* margin, as in [ArcFace](https://arxiv.org/abs/1801.07698). It is not: it is added to the cosine, as in [CosFace](https://arxiv.org/abs/1801.09414). ArcFace adds it to the angle. Is that a quibble? Here is how near one must be to the own template, depending on how near the other is.

# %% tags=["remove-input"]
phi = sp.Symbol("phi", real=True)
degree = sp.pi / 180
cosface = (
    sp.acos(sp.Min(1, sp.cos(phi * degree) + sp.Rational(35, 100))) / degree
)
arcface = sp.Max(0, phi - sp.Rational(35, 100) / degree)
figures.Chart(
    "Both decision boundaries: below a curve the loss is 0 (margin 0.35)",
    [
        Panel(
            [
                Curve(cosface, phi, look="cosine margin", label="added to the cosine (A, CosFace)", span=(0, 180)),
                Curve(arcface, phi, look="InfoNCE", label="added to the angle (ArcFace)", span=(0, 180)),
                Curve(phi, phi, look="neutral", label="no margin", span=(0, 180)),
            ],
            Axis(0, 180, "angle to the other person [°]"),
            Axis(0, 180, "angle to the own template [°]"),
            height=280,
            wide=True,
        )
    ],
)  # fmt: skip

# %% [markdown]
# Other people stand near 90° in 128 dimensions. There both margins ask for about the same, 70°. Where somebody looks very much alike the margin of the cosine cannot be kept at all: for $c^- > 0.65$ it asks for a cosine above 1, and the hinge never closes. **Use the clamped form, and log how often it is silent.**

# %% tags=["hide-cell"]
near = float(cosface.subs(phi, 90)), float(arcface.subs(phi, 90))
assert [round(value) for value in near] == [70, 70]
assert float(cosface.subs(phi, 40)) == 0
assert float(sp.cos(40 * degree)) > 0.65
own, other = torch.tensor([[1.0, 0.0]]), torch.tensor([[-1.0, 0.0]])
turned = torch.tensor([[1.0, 0.1]], requires_grad=True)
for clamp, pulls in ((True, False), (False, True)):
    loss = cosine_margin_loss(turned, own, other, clamp=clamp)
    (slope,) = torch.autograd.grad(loss, turned)
    assert bool(slope.abs().max() > 0) == pulls

# %% [markdown]
# ## Idea 3: a temperature chooses whom to fear
#
# Scheme C asks a harder question: pick the own template out of a line-up. [InfoNCE](https://arxiv.org/abs/1807.03748) is the cross-entropy of that choice,
#
# $$\ell_C = -\ln \frac{e^{c^+/\tau}}{e^{c^+/\tau} + \sum_k e^{c^-_k/\tau}} = \ln\Bigl(1 + \sum_k e^{(c^-_k - c^+)/\tau}\Bigr).$$
#
# Its slopes say who pushes. With $p_k$ the probability that the line-up gives to stranger $k$,
#
# $$\frac{\partial \ell_C}{\partial c^-_k} = \frac{p_k}{\tau}, \qquad \frac{\partial \ell_C}{\partial c^+} = -\frac1\tau \sum_k p_k.$$
#
# Every stranger pushes in proportion to the chance of being taken for you. Three strangers, at cosines of 0.3, 0.2 and 0, and a template at 0.4:

# %% tags=["remove-input"]
tau = symbolic.tau
cosines = {
    "at 0.3": sp.Rational(3, 10),
    "at 0.2": sp.Rational(2, 10),
    "at 0": sp.Integer(0),
}
mine = sp.Rational(4, 10)
odds = {name: sp.exp((c - mine) / tau) for name, c in cosines.items()}
chance = {
    name: value / (1 + sum(odds.values())) for name, value in odds.items()
}
among = {name: value / sum(odds.values()) for name, value in odds.items()}
figures.Chart(
    "Who pushes, and how hard",
    [
        Panel(
            [Curve(among[name], tau, look=look, label=name, span=(0.01, 1)) for name, look in zip(among, ("InfoNCE", "cosine margin", "truth"), strict=True)],
            Axis(0.01, 1, "temperature", log=True),
            Axis(0, 1, "share of the push"),
        ),
        Panel(
            [Curve(sum(chance.values()) / tau, tau, look="neutral", label="all together", span=(0.01, 1))],
            Axis(0.01, 1, "temperature", log=True),
            Axis(0, 7, "push, dℓ/dc⁺"),
        ),
    ],
)  # fmt: skip

# %% [markdown]
# Hot, all strangers count alike. Cold, only the one who looks most like you, and then $\tau\,\ell_C \to \max(0, \max_k c^-_k - c^+)$: scheme A without its margin. Colder still is no better, as the right panel shows: once the template is ahead, the push dies. **A temperature is a soft choice of the hardest negative, and it scales the loss by $1/\tau$ as well: a new $\tau$ needs a new λ.**

# %% tags=["hide-cell"]
c_own, c_1, c_2 = sp.symbols("c_0 c_1 c_2", real=True)
nce = sp.log(1 + sp.exp((c_1 - c_own) / tau) + sp.exp((c_2 - c_own) / tau))
total = sum(sp.exp(c / tau) for c in (c_own, c_1, c_2))
assert sp.simplify(sp.diff(nce, c_1) - sp.exp(c_1 / tau) / total / tau) == 0
rest = (sp.exp(c_1 / tau) + sp.exp(c_2 / tau)) / total
assert sp.simplify(sp.diff(nce, c_own) + rest / tau) == 0
for values, limit in (((0.4, 0.3, 0.2), 0.0), ((0.1, 0.3, 0.2), 0.2)):
    at_cold = {
        c_own: values[0],
        c_1: values[1],
        c_2: values[2],
        tau: sp.Float("1e-3", 30),
    }
    found = (tau * nce).subs(
        {k: sp.Float(str(v), 30) for k, v in at_cold.items()}
    )
    assert abs(float(found) - limit) < 1e-3

# %% [markdown]
# ## Idea 4: weights that learn
#
# Nobody likes to choose λ. Scheme B lets the network learn it: each term gets a weight $\sigma(\omega) = 1/(1+e^{-\omega})$, and $\omega$ is trained with all the rest. What would you expect of two weights that may choose themselves, if what they want is a small loss?

# %% tags=["remove-input"]
scenes.task_weights()

# %% [markdown]
# They choose to be small. The slope of $\sigma(\omega)\,L$ along $\omega$ is $\sigma(\omega)(1-\sigma(\omega))\,L$, which is above 0 wherever $\omega$ is, so every step makes every weight smaller, that of the larger loss first. With plain gradient descent in small steps, as drawn, weight times loss even becomes the same for both, while both go to 0; with Adam, which moves all ω alike, not even that. The training is slowly switched off.
#
# The note refers to [Kendall et al.](https://arxiv.org/abs/1705.07115), and they have a second term, for exactly this reason:
#
# $$\ell = \tfrac12 e^{-s} L + \tfrac12 s.$$
#
# Its slope along $s$ is $\tfrac12(1 - e^{-s}L)$, which is 0 at $s = \ln L$. There the weight is $1/(2L)$ and the loss costs $\tfrac12(1 + \ln L)$. So what is minimised is the *sum of the logarithms* of the losses. A factor in front of one of them changes nothing, which is the point; a total below 0 is normal, which surprises people; and a popular mend, *clip s at 0*, forbids all weights above ½ and so takes the balance away again where losses are small. **A weight that multiplies a loss and pays nothing for it goes to 0.**

# %% tags=["hide-cell"]
omega, s, L = symbolic.omega, symbolic.log_variance, symbolic.L
sigmoid = 1 / (1 + sp.exp(-omega))
pull = sp.diff(symbolic.SIGMOID_TASK, omega)
assert sp.simplify(pull - sigmoid * (1 - sigmoid) * L) == 0
cosh = L / (4 * sp.cosh(omega / 2) ** 2)
assert sp.simplify((pull - cosh).rewrite(sp.exp)) == 0
(best,) = sp.solve(sp.diff(symbolic.REGRESSION, s), s)
assert sp.simplify(best - sp.log(L)) == 0
least = sp.expand_log(symbolic.REGRESSION.subs(s, best))
assert sp.simplify(least - (1 + sp.log(L)) / 2) == 0
assert sp.simplify(sp.exp(-best) / 2 - 1 / (2 * L)) == 0

# %% [markdown]
# ## Idea 5: two gradients that should agree
#
# A trained denoiser can be *guided*: while it makes a face, each step is nudged along $\nabla\!\operatorname{sim}$, the way in which the recogniser says yes more loudly. Scheme D wants training and guidance to pull the same way, and adds the length of the difference of two gradients,
#
# $$\ell_D = \lVert \nabla_{\hat x} \mathcal L_{feat} - \nabla_{\hat x} \operatorname{sim} \rVert.$$
#
# Try it with $\mathcal L_{feat} = 1 - \operatorname{sim}$. A loss falls where a similarity rises, so $\nabla\mathcal L = -\nabla\!\operatorname{sim}$, and the two agree perfectly. But $\ell_D$ is then not 0. It is $2\,\lVert\nabla\!\operatorname{sim}\rVert$. The sign is wrong: what it punishes is having a gradient at all.

# %% tags=["remove-input"]
theta = sp.Symbol("theta", real=True)
figures.Chart(
    "What scheme D punishes, for a feature of length 1 at an angle from its template (L = 1 − sim)",
    [
        Panel(
            [
                Curve(2 * sp.Abs(sp.sin(theta * degree)), theta, look="InfoNCE", label="as documented, −", span=(0, 180)),
                Curve(sp.Integer(0) * theta, theta, look="truth", label="with the sign turned, +", span=(0, 180)),
            ],
            Axis(0, 180, "angle to the template [°]"),
            Axis(0, 2.2, "consistency term"),
            height=230,
            wide=True,
        )
    ],
)  # fmt: skip

# %% [markdown]
# There are two ways to have no gradient. Below 90° the curve leads to the template, and the term happens to help. Above 90° it leads to the point *opposite*, where the recogniser is as sure as can be that it is not you. Untrained features stand near 90°, on top of the hill. With a plus the term is 0 for this loss, as it should be, and for another loss it measures what it was meant to, though it compares sizes too; `form="cosine"` compares directions alone. **Before you make two gradients agree, write down which signs they have when they do.**

# %% tags=["hide-cell"]
similar = sp.cos(theta)
of_loss, of_similarity = sp.diff(1 - similar, theta), sp.diff(similar, theta)
assert sp.simplify(of_loss + of_similarity) == 0
documented = of_loss - of_similarity
assert sp.simplify(documented**2 - (2 * sp.sin(theta)) ** 2) == 0
for degrees, way in ((60, -1), (120, 1)):
    at = torch.tensor(math.radians(degrees), requires_grad=True)
    point = torch.stack([at.cos(), at.sin()])[None]
    alike = torch.cosine_similarity(point, own)
    term = guidance_consistency_loss(point, 1 - alike, alike)
    assert math.isclose(
        term, 2 * math.sin(math.radians(degrees)), rel_tol=1e-5
    )
    (uphill,) = torch.autograd.grad(term, at)
    assert torch.sign(-uphill) == way
    turned = guidance_consistency_loss(
        point, 1 - alike, alike, form="residual"
    )
    assert abs(float(turned)) < 1e-6

# %% [markdown]
# ## Idea 6: a weight that grows
#
# λ(t) starts low, so that pixels come first, and ends high. Scheme E goes up in three stairs; the note's compromise joins three smooth pieces. Compose one:

# %% tags=["remove-input"]
scenes.schedules()

# %% [markdown]
# The compromise is called smooth, and each of its pieces is. At the seams it jumps, once *down*: from 0.084 to 0.077, then from 0.42 to 0.50; and it ends at 0.82. With steeper pieces the first jump goes from 0.096 to 0.016. A note of caution on $t$: in training it counts up towards the end, in a diffusion model it usually counts noise, so "early" and "late" change places. **Evaluate a schedule at both sides of every seam, and at both ends, before you train with it.**


# %% tags=["hide-cell"]
def sides(at, **options):
    tiny = 1e-9
    return [
        round(combined_schedule(at + d, 1.0, **options), 4)
        for d in (-tiny, tiny)
    ]


assert sides(0.33) == [0.0839, 0.0772] and sides(0.67) == [0.4228, 0.5]
assert round(combined_schedule(1.0, 1.0), 3) == 0.816
steep = sides(0.33, widths=(0.05, 0.05))
assert [round(v, 3) for v in steep] == [0.096, 0.016]
many = [i / 1000 for i in range(1001)]
smooth_ones = [combined_schedule(t, 1.0, smooth=True) for t in many]
assert smooth_ones == sorted(smooth_ones) and smooth_ones[0] == 0
assert math.isclose(smooth_ones[-1], 1)

# %% [markdown]
# ## The losses in code


# %%
def angle_loss(f, t, others, margin=0.35):  # scheme A, others: (K, D)
    f, t, others = (F.normalize(x, dim=-1) for x in (f, t, others))
    hardest = (f @ others.T).amax(1)
    return (hardest - (f * t).sum(1) + margin).clamp(min=0).mean()


def line_up(f, t, others, temperature=0.07):  # scheme C
    f, t, others = (F.normalize(x, dim=-1) for x in (f, t, others))
    logits = torch.cat([(f * t).sum(1, keepdim=True), f @ others.T], 1)
    return F.cross_entropy(logits / temperature, torch.zeros(len(f)).long())


# %% [markdown]
# The library takes negatives of each sample, `(B, K, D)`, too, and never makes a normalised copy of them, which for 64 × 4,096 × 512 would be half a gigabyte. A recipe of the note has its name:

# %%
loss_fn = InversionLoss.preset("A", total=1000)
pictures, found = torch.rand(2, 8, 1, 56, 56), torch.randn(8, 128)
stolen, others = torch.randn(8, 128), torch.randn(32, 128)
loss_fn.lambda_schedule.step(500)
print(loss_fn(*pictures, found, stolen, others))

# %% tags=["hide-cell"]
torch.testing.assert_close(
    angle_loss(found, stolen, others),
    cosine_margin_loss(found, stolen, others),
)
torch.testing.assert_close(
    line_up(found, stolen, others), info_nce_loss(found, stolen, others)
)

# %% [markdown]
# ## Train it
#
# The faces are the 40 people of the [ORL database](https://doi.org/10.1109/ACV.1994.341300), ten photographs each. The attacked system is [SFace](https://doi.org/10.1109/TIP.2020.3048632), with its gradient. The judge is [dlib's recogniser](https://github.com/davisking/dlib-models), which no loss ever sees. Thirty people are trained on, with eight photographs each; what is rebuilt are faces from templates of their other photographs (*known people*), and of ten people whom the network has never met (*strangers*).
#
# ```{admonition} How it is measured
# :class: dropdown
# A rebuilt face counts as accepted if the system takes it for one of the person's *other* photographs (an attack of type II), at the similarity that one in a thousand pairs of different people of ORL reaches: a cosine of 0.411 for SFace, a distance of 0.504 for dlib. Real photographs, at the 56 × 56 pixels that are rebuilt, are accepted in 99 and 97 % of cases. A denoiser of 1.4 million numbers starts from the ridge regression of pictures on templates, is trained for 400 steps with pixels alone, and then for 100 steps with each loss, on the same faces and the same noise. Largest λ: 0.1, for all schemes that have one; features are compared at length 1 except where a row says *raw*. Faces are made from noise in twelve steps.
# ```
#
# One step of it, with scheme A:

# %%
batch = next(iter(batches(faces, part.training, 0, size=6)))
denoiser = Denoiser(*linear_guess(faces, part.training))
clean = denoiser(batch.noisy, batch.sigma, batch.template)
seen = features(sface, enlarge(clean))  # through SFace, gradient and all
loss = loss_fn(clean, batch.pictures, seen, batch.template, batch.negatives)
loss.total.backward()

# %% tags=["hide-cell"]
SCORES = {
    "seen attacked_II_0.001": ("SFace, known people", "% accepted", 100, "higher"),
    "seen judge_II_0.001": ("dlib, known people", "% accepted", 100, "higher"),
    "unseen attacked_II_0.001": ("SFace, strangers", "% accepted", 100, "higher"),
    "unseen judge_II_0.001": ("dlib, strangers", "% accepted", 100, "higher"),
    "seen rmse": ("pixels, known people", "grey levels", 1, "lower"),
    "seen attacked_far": ("1 − cosine, known people", "", 1, "lower"),
    "seen judge_far": ("dlib's distance, known people", "", 1, "lower"),
    "unseen attacked_far": ("1 − cosine, strangers", "", 1, "lower"),
    "unseen judge_far": ("dlib's distance, strangers", "", 1, "lower"),
    "unseen rmse": ("pixels, strangers", "grey levels", 1, "lower"),
}  # fmt: skip
results = {name: by_person(record, faces, name) for name in SCORES}
LOOKS = dict.fromkeys(ARMS, "feat") | {
    "pixel": "pixel",
    "decoder, pixel": "pixel",
    "linear": "neutral",
    "truth": "truth",
    "nearest face": "neutral",
    "mean face": "neutral",
}


def mean(arm, metric):
    return statistics.fmean(results[metric][arm])


def dots(chosen, title, names):
    metrics = [figures.Metric(name, *SCORES[name]) for name in names]
    return figures.dot_plot(results, metrics, title=title, arms=chosen, looks=LOOKS)  # fmt: skip


DATA = ("seen attacked_II_0.001", "seen judge_II_0.001", "seen rmse")
STRANGERS = ("unseen attacked_far", "unseen judge_far", "unseen rmse")
