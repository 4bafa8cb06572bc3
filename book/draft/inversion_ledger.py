# %% [markdown]
# The complete ledger of the template-inversion note. Rows whose evidence begins with `EXPERIMENT:`
# wait for the recorded run; every other verdict is computed below, or says "read, not computed".

# %% tags=["hide-cell"]
import copy
import math
from collections import Counter

import sympy as sp
import torch
import torch.nn.functional as F
from torch.utils.flop_counter import FlopCounterMode

from lossbook.inversion import (
    InversionLoss,
    LambdaSchedule,
    SigmoidTaskWeights,
    UncertaintyWeights,
    center_loss,
    combined_schedule,
    cosine_margin_loss,
    feature_l2_loss,
    guidance_consistency_loss,
    info_nce_loss,
    linear_schedule,
    sigmoid_schedule,
    staged_schedule,
    symbolic,
)
from lossbook.lab.inversion import faces as photographs
from lossbook.lab.inversion.model import (
    SIGMAS,
    Denoiser,
    linear_guess,
    templates,
)
from lossbook.lab.inversion.sface import load_sface
from lossbook.lab.inversion.systems import features as sface_features
from lossbook.lab.inversion.systems import threshold
from lossbook.lab.page.audit import Audit

torch.set_num_threads(1)
audit = Audit("the note", None)  # it is in no public repository
PENDING = {}


def experiment(name, arms):
    """A row that the recorded run decides; until then it says by which comparison."""
    PENDING[name] = arms
    audit.undecided(name, f"EXPERIMENT: {arms}")


def read(name, outcome, what, advice=""):
    audit.decide(name, outcome, f"read, not computed: {what}", advice=advice)


# %% [markdown]
# ## What the note says, and what would decide it

# %% tags=["hide-cell"]
SURELY = "in the recorded trainings (Holm, p < 0.05)"
claims = [
    # the present loss
    ("hybrid", "The present loss is a pixel term plus λ(t) times a feature term.", "present design", "7-9", "read in the code of the design"),
    ("both", "It holds the picture to the truth in pixels and in features.", "present design", "13", "changes of a picture that leave one term as it was are seen by the other"),
    ("dynamic", "A weight that changes with time avoids the limits of a fixed one.", "present design", "14", f"the baseline's rising λ beats the best of three constants, {SURELY}"),
    ("geometry", "L2 in feature space takes no account of that space's geometry.", "present design", "16", "of two photographs it calls another one nearer to a third than the angle does, by which such systems compare"),
    ("not best", "L2 may therefore not be the best choice of a feature loss.", "present design", "16", f"some feature loss of the note does better, {SURELY}"),
    ("not adaptive", "λ(t) is a simple weighting that cannot adapt to the two goals.", "present design", "17", "a thousandfold feature loss leaves λ as it was"),
    ("hard samples", "It has no mechanism for hard samples.", "present design", "18", "a hard sample has no more weight, and pulls no harder, than an easy one"),
    ("margin unused", "It does not fully use the recogniser's angular margin.", "present design", "19", "the loss is the same whoever the other people are"),
    # scheme A
    ("A structure", "A makes full use of the margin structure that the recogniser has learned.", "scheme A", "28", "something of the recogniser beyond its features enters the loss"),
    ("A formula", "−cos θ_match + cos θ_noise + m, of one random negative, is what the code gives.", "scheme A", "31-41, 54-73", "formula and code agree, once the axis is mended"),
    ("A axis", "The code compares the face with negatives of shape (B, K, 512) by their cosine.", "scheme A, code", "64-68", "a negative that is the face itself gives 1, none gives more"),
    ("A target", "The code compares the face with its template by the cosine.", "scheme A, code", "57-62", "it equals torch's cosine"),
    ("A shapes", "The shapes in the code's comments.", "scheme A, code", "62-68", "shapes of what the code makes"),
    ("A angular", "m is an angular margin.", "scheme A", "28, 39, 70", "the angle that the loss asks for between match and other is the same wherever the other is"),
    ("A range", "m is to be from 0.3 to 0.5.", "scheme A", "39", "trainings within and beyond the range"),
    ("A space", "A's angles agree with the space in which recognisers like ArcFace are trained.", "scheme A, advantage 1", "49", "ranked by A's terms, pairs of photographs are in the recogniser's own order"),
    ("A boundary", "A explicitly takes the decision boundary into account.", "scheme A, advantage 2", "50", "where A's loss is 0 the face is decided for its person"),
    ("A passes", "With it rebuilt faces pass verification more easily.", "scheme A, advantage 2", "50", f"more of A's faces are accepted than of the baseline's, {SURELY}"),
    ("A robust", "A is not sensitive to the length of the features.", "scheme A, advantage 3", "51", "features from a tenth to ten times as long give the same loss, and the same gradient in the picture"),
    ("A aligned", "A is aligned with ArcFace, CosFace and the like.", "scheme A, advantage 4", "52", "it is the limit of that loss, for one other class, as its scale grows"),
    # scheme B
    ("B learned", "The weights of B are parameters that training adjusts.", "scheme B", "84-87", "both have a gradient"),
    ("B balances", "B balances pixels and identity by itself, without a λ_max chosen by hand.", "scheme B, advantage 1", "80, 101", "whichever the two losses' sizes, the contributions w·L approach each other, and a total weight remains"),
    ("B Kendall", "B's weights are the uncertainty weighting of Kendall et al.", "scheme B, advantage 2", "84-85, 102, 107", "for every positive loss there is a best finite weight, as with Kendall's"),
    ("B Bayes", "Uncertainty weighting has a Bayesian foundation and is a standard method.", "scheme B, advantage 2", "102", "it follows from a Gaussian likelihood"),
    ("B difficulty", "The learned weights reflect how hard the tasks are.", "scheme B, advantage 3", "103", "the loss that stays larger gets the smaller weight; a change of unit, which makes nothing harder, changes no weight"),
    ("B third", "A third term is easily added.", "scheme B, advantage 4", "104", "one more name gives a third weight, with a gradient, and leaves the others alone"),
    ("λ steep", "k is the steepness of the sigmoid λ(t), t_mid its middle.", "scheme B", "92-96", "the slope there grows with k alone; λ is symmetric about t_mid, where it is a half"),
    ("λ usual", "k is usually 5 to 10.", "scheme B", "95", "a source"),
    ("λ smooth", "It makes λ change more smoothly than the linear schedule that it replaces, without jumps.", "scheme B", "90, 97", "its slope jumps less at the ends; no step is larger than the linear one's"),
    # scheme C
    ("C pushes", "C also pushes the face away from other people.", "scheme C", "114", "the loss rises with the cosine of every negative, and falls with the template's"),
    ("C range", "τ is to be from 0.05 to 0.1.", "scheme C", "124", "trainings within and beyond the range"),
    ("C centre", "The optional centre loss makes the features of a person more compact.", "scheme C", "134-135", "steps down its gradient shrink the spread of a person's features, by distance and by angle"),
    ("C effective", "Contrast with negatives learns features more effectively.", "scheme C, advantage 1", "139", f"C's faces are nearer to their people than the baseline's, {SURELY}"),
    ("C information", "C maximises mutual information.", "scheme C, advantage 2", "140", "log(K + 1) minus the loss is below the mutual information of a pair for which that is known, or equals it"),
    ("C diversity", "C reduces needless diversity of what is generated.", "scheme C, advantage 2", "140", "faces made of one template from several noises differ less"),
    ("C tasks", "It does excellently in several generative tasks.", "scheme C, advantage 3", "141", "a source, or several tasks"),
    # scheme D
    ("D newest", "D and its sources are the newest.", "scheme D; table; list", "149, 215, 278, 257", "a date of the note"),
    ("D guided", "The design's inference already adds the gradient of the similarity.", "scheme D", "161-164", "read in the code of the design"),
    ("D sources", "Diffusion posterior sampling and Song et al. 2022 support D.", "scheme D, sources", "180-182", "they do what D adds to training and to inference"),
    ("D noisy", "The gradient of sim(F(x_t), t) is what guides a denoising step, as in posterior sampling.", "scheme D", "163, 181", "it points as the gradient of the similarity of the denoised picture does, through the denoiser"),
    ("D aligned", "‖∇L_feat − ∇sim‖ checks whether the gradient that trains agrees with the one that guides.", "scheme D", "168-173", "it is 0 where they agree, as for 1 − sim, and larger where they do not"),
    ("D consistent", "With D, training and inference have the same goal.", "scheme D, advantage 1", "152, 176", "minimising D's term brings −∇L_feat and ∇sim closer in angle"),
    ("D quality", "D makes sure that the guidance has good gradients.", "scheme D, advantage 2", "177", f"guided, D's faces are better than the baseline's, {SURELY}"),
    ("D gain", "D is usually 5 to 15 % better.", "scheme D, advantage 3", "178", "the relative gain of D over the baseline in success rate, with its interval"),
    # scheme E
    ("E stages", "Three stages divide the time.", "scheme E", "193-196", "each time has one λ"),
    ("E low", "The early stage mainly recovers low frequencies.", "scheme E", "194", "where the noise is as in that third, only low frequencies of faces stand above it"),
    ("E focus", "Early on the pixels lead, in between both balance, at the end the features dominate.", "scheme E", "189, 194-196", "the terms' shares of the loss, for the mean face as answer"),
    ("E process", "E suits how diffusion models generate.", "scheme E, advantage 1", "201", f"E beats a linear λ and a constant one, {SURELY}"),
    ("E simple", "E is easier to implement than the others.", "scheme E, advantage 2; table", "202, 216", "the effort of people"),
    ("E ablation", "Its stages can be ablated one by one.", "scheme E, advantage 3", "203", "one level changes λ in one stage alone"),
    # table
    ("complexity", "D is of high complexity, A and C of medium, B and E of low.", "table", "210-216", "arithmetic of a training step, forward and backward"),
    ("effects", "A and D have the largest effect, then B and C, then E.", "table", "212-216", f"that order of the gains over the baseline, {SURELY}"),
    ("efforts", "A, B and E are simple to implement, C is medium, D complex.", "table", "212-216", "the effort of people"),
    ("support", "The literature's support is strong for A, B and C, medium for E.", "table", "212-216", "sources that the note names"),
    ("stars", "A and D deserve five stars, B and C four, E three.", "headings; table", "25, 77, 111, 149, 186, 212-216", "what a star stands for"),
    # recipes
    ("best balance", "A with B's dynamic weights and E's stages is the best balance of quality and effort.", "compromise", "222-224", f"no other arm is better, {SURELY}"),
    ("made of", "The compromise has A's loss, B's dynamic weights and E's stages.", "compromise", "224-234", "all three are in its formula"),
    ("levels", "Its pieces belong to E's levels 0.1, 0.5 and 1.", "compromise", "224, 230-233", "each piece reaches its level in its stage"),
    ("smooth", "Its λ passes smoothly, without spikes.", "compromise", "231, 239", "λ is continuous where stages meet, for some mid-points and widths; it jumps less than E"),
    ("steady", "Its λ is steady in the late stage.", "compromise", "233", "the slope falls there; λ changes less there than in either stage before"),
    ("combined angle", "It has the geometric advantage of angles.", "compromise, advantage 1", "238", "its feature term is the same for features of any length"),
    ("uses stages", "Its stages make full use of what each is like.", "compromise, advantage 3", "240", f"it beats A with a linear λ, {SURELY}"),
    ("reasonable", "Its complexity is reasonable.", "compromise, advantage 4", "241", "the effort of people"),
    ("supported", "Theory and practice fully support it.", "compromise, advantage 5", "242", "a source, and an experiment"),
    ("light schedule", "The light version changes the schedule only.", "light version", "246-248", "it has nothing else to train or to set"),
    ("light L2", "The light version keeps the feature loss as it is.", "light version", "246, 249", "its feature term is the baseline's"),
    ("light better", "Its learned weights improve results.", "light version", "250", f"light beats the baseline, {SURELY}"),
    ("precise", "A with D reaches the best performance.", "high-precision version", "253-255", f"no other arm is better, {SURELY}"),
    ("precise guidance", "It improves the guidance of the inference.", "high-precision version", "258", f"guided, its faces are better than A's, {SURELY}"),
    ("precise gain", "10 to 20 % are to be expected.", "high-precision version", "259", "the relative gain over the baseline, with its interval"),
    ("times", "Half an hour for the light version, two to three days for the high-precision one.", "recipes", "251, 260", "the time of people"),
    # references
    ("Kendall", "Kendall et al. 2018, a classic on weights of tasks, CVPR.", "references", "107, 268-269", "the publication's record"),
    ("ArcFace", "Deng et al., ArcFace, CVPR 2019, the main method of angular margins.", "references", "271-272", "the publication's record"),
    ("Song medical", "Song et al., Solving Inverse Problems in Medical Imaging with Score-Based Generative Models, ICLR 2022.", "scheme D, sources", "182", "the publication's record"),
    ("Song restoration", "Song et al., Score-based Generative Modeling for Image Restoration, ICLR 2022, on diffusion in inverse problems.", "references", "274-275", "the publication's record"),
    ("Chung", "Chung et al., Diffusion Posterior Sampling for General Noisy Inverse Problems, ICLR 2023.", "references", "181, 277-278", "the publication's record"),
    ("MoCo", "He et al., Momentum Contrast, CVPR 2020, a basic framework of contrastive learning.", "references", "144, 280-281", "the publication's record"),
    ("SimCLR", "Chen et al., A Simple Framework for Contrastive Learning, ICML 2020.", "scheme C, sources", "145", "the publication's record"),
    ("NCSN", "Song and Ermon, Generative Modeling by Estimating Gradients, is the foundation of score-based SDEs.", "references", "285", "the publication's record, and what the SDE paper builds on"),
    ("LDM", "Rombach et al., High-Resolution Image Synthesis with Latent Diffusion Models.", "references", "286", "the publication's record"),
    ("ADM", "Dhariwal and Nichol, Diffusion Models Beat GANs on Image Synthesis, has classifier guidance.", "references", "287", "the publication's record"),
    ("C sources", "MoCo and SimCLR support C.", "scheme C, sources", "143-145", "they use C's loss, for what C uses it for"),
    # time table and summary
    ("weeks", "One week for B and E, two for A, three for D.", "time table", "293-306", "the time of people"),
    ("effective", "The present design is effective.", "summary", "312", f"the baseline beats pixels alone, the mean face and the nearest face, {SURELY}"),
    ("room", "It leaves room for improvement.", "summary", "312", f"some other arm beats it, {SURELY}"),
    ("A and B", "A and B together bring a marked gain, of 3 to 8 %, at little cost.", "summary", "312", "the relative gain over the baseline, with its interval"),
    ("extreme", "Adding D's idea serves the highest demands, for more time.", "summary", "314", f"high precision beats A, {SURELY}"),
]  # fmt: skip
for name, claim, section, lines, criterion in claims:
    audit.state(
        name, claim, place=f"{section}, lines {lines}", criterion=criterion
    )

# %% [markdown]
# ## What is computed once

# %% tags=["hide-cell"]
gen = torch.Generator().manual_seed(0)
known_faces = photographs.load_faces()
network = load_sface()
part = photographs.split(known_faces, 0)
raw, unit = known_faces.attacked, templates(known_faces)
people = known_faces.subject

# Any three photographs.
i, own, other = torch.stack(
    [torch.randperm(400, generator=gen)[:3] for _ in range(20000)]
).T
raw, unit = raw.double(), F.normalize(raw.double())


def disagree(distance):
    """Share of triples that a distance ranks otherwise than SFace's cosine."""
    nearer = distance(i, own) < distance(i, other)
    alike = (unit[i] * unit[own]).sum(1) > (unit[i] * unit[other]).sum(1)
    return (nearer != alike).double().mean().item()


by_raw = disagree(
    lambda a, b: feature_l2_loss(raw[a], raw[b], reduction="none")
)
by_unit = disagree(
    lambda a, b: feature_l2_loss(
        raw[a], raw[b], normalized=True, reduction="none"
    )
)


def small(*shape):
    return torch.randn(*shape, generator=gen, dtype=torch.float64)


class Encoder(torch.nn.Module):
    """A small recogniser: pictures of 36 pixels, features of 16 numbers."""

    def __init__(self, scale=1.0):
        super().__init__()
        made = torch.Generator().manual_seed(5)
        self.first = (
            torch.randn(36, 32, generator=made, dtype=torch.float64) / 6
        )
        self.second = (
            torch.randn(32, 16, generator=made, dtype=torch.float64) / 6
        )
        self.scale = scale

    def forward(self, pictures):
        return self.scale * (
            (pictures.flatten(1) @ self.first).tanh() @ self.second
        )


encoder = Encoder()
truth = small(8, 1, 6, 6)
template = encoder(truth)
others = encoder(small(64, 1, 6, 6))
start = small(8, 1, 6, 6)

# %% [markdown]
# ## The present loss

# %% tags=["hide-cell"]
audit.undecided(
    "hybrid",
    "its code is not public; the formula is InversionLoss with feature='l2'",
)

baseline = InversionLoss.preset("baseline", total=100)
baseline.lambda_schedule.step(50)


def terms_of(pictures, found=None, loss=baseline, negatives=None):
    return loss(
        pictures,
        truth,
        encoder(pictures) if found is None else found,
        template,
        negatives,
    )


# A change of the picture that the small recogniser does not see, and a feature that pixels do not.
null = (
    torch.linalg.svd(encoder.first.T, full_matrices=True)
    .Vh[-1]
    .view(1, 1, 6, 6)
)
before, unseen, twisted = (
    terms_of(start),
    terms_of(start + 3 * null),
    terms_of(start, encoder(start).flip(1)),
)
seen_by_pixels = (
    torch.isclose(unseen["feat"], before["feat"])
    and unseen["pixel"] > before["pixel"]
    and unseen.total > before.total
)
seen_by_features = twisted["pixel"] == before["pixel"] and not torch.isclose(
    twisted.total, before.total
)
audit.decide(
    "both",
    bool(seen_by_pixels and seen_by_features),
    f"a change that the features do not show raises the total by {float(unseen.total - before.total):.3f}, other features of the same picture change it by {float(twisted.total - before.total):.3f}; while λ = 0, at the first step of the linear schedule, pixels count alone",
)
experiment(
    "dynamic",
    "baseline against the best of 'constant 0.01', 'constant 0.1', 'constant 1' (judge_far, judge_II_0.01, seen and unseen). Largest λ is 0.1 in the baseline; with 'constant 1' a larger one is compared, too",
)
audit.decide(
    "geometry",
    {
        "features are as long as the network makes them": by_raw > 0,
        "they are brought to length 1": by_unit > 0,
    },
    f"of 20,000 triples of ORL photographs raw L2 ranks {by_raw:.1%} the other way round than SFace's cosine, at length 1 {by_unit:.1%}: there it is 2 − 2 cos",
    advice="Bring features to length 1 first. L2 is then the cosine.",
)
experiment(
    "not best",
    "baseline and 'baseline, raw' against A and C (all four scores of success, judge_far), seen and unseen",
)
schedule, uncertain = (
    LambdaSchedule("linear", 100),
    UncertaintyWeights(("pixel", "feat")),
)
schedule.step(50)
weights = {}
for factor in (1.0, 1000.0):
    held, learned = (
        InversionLoss(lambda_schedule=schedule),
        copy.deepcopy(uncertain),
    )
    stepper = torch.optim.SGD(learned.parameters(), lr=0.1)
    for _ in range(300):
        stepper.zero_grad()
        found = learned(
            {"pixel": torch.tensor(0.5), "feat": torch.tensor(0.5 * factor)}
        )
        found.total.backward()
        torch.nn.utils.clip_grad_norm_(learned.parameters(), 1.0)
        stepper.step()
    f = factor**0.5 * encoder(start)
    weights[factor] = (
        float(held(start, truth, f, factor**0.5 * template).weights["feat"]),
        learned(
            {"pixel": torch.tensor(0.5), "feat": torch.tensor(0.5 * factor)}
        )
        .weights["feat"]
        .item(),
    )
audit.decide(
    "not adaptive",
    weights[1.0][0] == weights[1000.0][0]
    and weights[1.0][1] != weights[1000.0][1],
    f"λ is {weights[1.0][0]} and {weights[1000.0][0]}; a weight that adapts (uncertainty weighting) goes to {weights[1.0][1]:.2f} and {weights[1000.0][1]:.4f}",
)
levels = torch.tensor([0.5, 1.0], dtype=torch.float64)
f = torch.stack(
    [
        template[0] + level * F.normalize(template[1], dim=0)
        for level in levels
    ]
).requires_grad_()
per_sample = feature_l2_loss(f, template[:1].expand(2, -1), reduction="none")
(pull,) = torch.autograd.grad(per_sample.mean(), f)
leaf = per_sample.detach().requires_grad_()
(share,) = torch.autograd.grad(leaf.mean(), leaf)
harder = float(pull[1].norm() / pull[0].norm())
audit.decide(
    "hard samples",
    {
        "a weight of its own is meant": bool(share[0] == share[1]),
        "a stronger pull is meant": harder <= 1,
    },
    f"each sample has the weight {share[0]:.2f} in the mean; but L2 squared pulls {harder:.1f} times as hard from twice as far",
    advice="Squares attend to hard samples already; a hinge ends attention to easy ones.",
)
with_other = [
    float(terms_of(start, negatives=n).total)
    for n in (others, others.flip(1))
]
audit.decide(
    "margin unused",
    with_other[0] == with_other[1],
    f"{with_other[0]:.4f} whoever the others are; with A {float(cosine_margin_loss(encoder(start), template, others)):.3f} and {float(cosine_margin_loss(encoder(start), template, others.flip(1))):.3f}",
)

# %% [markdown]
# ## Scheme A


# %% tags=["hide-cell"]
def documented_angle(features, wanted, negatives, margin=0.35, axis=1):
    """The steps of the note's code, with its axis or another."""
    f, t, n = (
        F.normalize(features, dim=1),
        F.normalize(wanted, dim=1),
        F.normalize(negatives, dim=axis),
    )
    match = (f * t).sum(1)
    pairs = torch.bmm(f[:, None], n.mT)
    hardest = pairs[:, 0].max(1)[0]
    return (
        torch.clamp(hardest - match + margin, min=0.0).mean(),
        match,
        pairs,
        hardest,
    )


def formula_angle(features, wanted, negative, margin=0.35):
    match, noise = (
        torch.arccos(F.cosine_similarity(features, each))
        for each in (wanted, negative)
    )
    return (-torch.cos(match) + torch.cos(noise) + margin).mean()


read(
    "A structure",
    {
        "the angles between learned features are meant": True,
        "the margin that trained them is meant": False,
    },
    "that margin is in the head, which is thrown away after training; A sees F(x̂), t and negatives and brings an m of its own",
)
f = small(64, 512)
wanted, one = f + 2 * small(64, 512), small(64, 1, 512)
many = torch.cat([one, small(64, 9, 512)], 1)
near, far = wanted, -wanted
agree = {
    "there is one negative and the margin is not met": torch.isclose(
        documented_angle(f, far, one, axis=-1)[0],
        formula_angle(f, far, one[:, 0]),
    ),
    "the margin is met": torch.isclose(
        documented_angle(f, f, one, axis=-1)[0],
        formula_angle(f, f + 1e-3 * far, one[:, 0]),
    ),
    "there are ten negatives": torch.isclose(
        documented_angle(f, far, many, axis=-1)[0],
        formula_angle(f, far, one[:, 0]),
    ),
}
numbers = [
    float(documented_angle(f, f, one, axis=-1)[0]),
    float(formula_angle(f, f + 1e-3 * far, one[:, 0])),
]
ours = cosine_margin_loss(f, far, many)
assert torch.isclose(ours, documented_angle(f, far, many, axis=-1)[0])
assert torch.isclose(
    cosine_margin_loss(f, far, one, clamp=False),
    formula_angle(f, far, one[:, 0]),
)
audit.decide(
    "A formula",
    {k: bool(v) for k, v in agree.items()},
    f"the code cuts off at 0 and takes the hardest negative: with the face at its template {numbers[0]:.2f} by the code, {numbers[1]:.2f} by the formula; with ten negatives {float(ours):.3f} in place of {float(formula_angle(f, far, one[:, 0])):.3f}",
    advice="Choose the code: without the cut the loss never lets go.",
)
exact = torch.eye(2, dtype=torch.float64)[:1].clone().requires_grad_()
(nan,) = torch.autograd.grad(
    formula_angle(
        exact,
        torch.eye(2, dtype=torch.float64)[:1],
        torch.eye(2, dtype=torch.float64)[1:],
    ),
    exact,
)
assert (
    nan.isnan().any()
)  # arccos typed out has no gradient at a perfect match


def is_cosine(axis):
    """Whether a negative that is the face has cosine 1 and none exceeds 1, for several K."""
    found = {}
    for k in (1, 10, 64):
        n = small(64, k, 512)
        n[:, 0] = f
        found[k] = (
            documented_angle(f, wanted, n, axis=axis)[2][:, 0, 0]
            .mean()
            .item()
        )
    return all(abs(v - 1) < 1e-6 for v in found.values()), found


right, found = is_cosine(1)
assert is_cosine(-1)[0]
copies = (
    documented_angle(f, wanted, f[:, None].expand(-1, 10, -1))[2]
    .mean()
    .item()
)
strangers = [
    documented_angle(f, wanted, small(64, 64, 512), axis=axis)[3]
    .mean()
    .item()
    for axis in (1, -1)
]
audit.decide(
    "A axis",
    right,
    "a negative that is the face itself comes out as "
    + ", ".join(f"{v:.1f} for K = {k}" for k, v in found.items())
    + f" ({copies:.1f} if all ten are the face); the hardest of 64 strangers as {strangers[0]:.2f} in place of {strangers[1]:.2f}. dim=1 makes each of the 512 columns 1 long over the K negatives; dim=-1 gives 1",
    advice="dim=-1, always, where a feature is the last dimension. And test a loss with a pair whose answer you know.",
)
value, match, pairs, hardest = documented_angle(f, wanted, many)
audit.decide(
    "A target", torch.allclose(match, F.cosine_similarity(f, wanted)), "equal"
)
audit.decide(
    "A shapes",
    (match.shape, pairs.shape, hardest.shape) == ((64,), (64, 1, 10), (64,)),
    f"{tuple(match.shape)}, {tuple(pairs.shape)}, {tuple(hardest.shape)} for B = 64, K = 10",
)


def asked(theta, margin, kind):
    """The angle between match and other, in degrees, at which the loss is 0."""
    if kind == "cosine":
        cosine = math.cos(math.radians(theta)) + margin
        return (
            theta - math.degrees(math.acos(cosine))
            if cosine <= 1
            else math.nan
        )
    return math.degrees(margin)


def gap(theta):
    """The same, found by sliding a feature to where the library's loss becomes 0."""
    low, high = 0.0, float(theta)
    e = torch.eye(3, dtype=torch.float64)
    for _ in range(60):
        middle = (low + high) / 2
        a, b = math.radians(middle), math.radians(theta)
        t = math.cos(a) * e[0] + math.sin(a) * e[1]
        n = math.cos(b) * e[0] + math.sin(b) * e[2]
        low, high = (
            (middle, high)
            if cosine_margin_loss(e[:1], t[None], n[None, None]) == 0
            else (low, middle)
        )
    return theta - high


gaps = {theta: gap(theta) for theta in (90, 75, 60, 50)}
assert all(
    abs(v - asked(theta, 0.35, "cosine")) < 1e-6 for theta, v in gaps.items()
)
audit.decide(
    "A angular",
    max(gaps.values()) - min(gaps.values()) < 1e-6,
    "a margin of 0.35 asks for "
    + ", ".join(
        f"{v:.0f}° from a negative at {theta}°" for theta, v in gaps.items()
    )
    + f"; an angular one of 0.35 for {asked(90, 0.35, 'angle'):.0f}° everywhere. Below {math.degrees(math.acos(0.65)):.0f}° the cosine would have to exceed 1",
    advice="Call it a margin of cosines; take its size from CosFace (0.35), not from ArcFace (0.5 rad).",
)
others_of = people[:, None] != people
hardest_real = (unit @ unit.T).masked_fill(~others_of, -1).max(1)[0]
audit.undecided(
    "A range",
    f"only m = 0.35 is trained here. The photographs themselves can meet it: the most similar of all 390 others has a cosine of up to {hardest_real.max():.2f}, so that a perfect face costs 0 up to m = {1 - hardest_real.max():.2f}",
)


def loss_order(i, j):
    """A's terms are minus cosines: the order of its loss at the same negatives, unclamped."""
    others = unit[:1].expand(len(i), 1, -1)
    return cosine_margin_loss(
        raw[i], raw[j], others, clamp=False, reduction="none"
    )


by_a = disagree(loss_order)
audit.decide(
    "A space",
    by_a == 0,
    f"of 20,000 triples A ranks {by_a:.1%} otherwise than SFace does, raw L2 {by_raw:.1%}, L2 at length 1 {by_unit:.1%}: L2 has this advantage too, as soon as features are normalised",
    advice="The normalisation is what counts. Give it to L2 before you compare.",
)
accept = threshold("attacked", known_faces, 1e-3)
cosines = torch.rand(100000, 2, generator=gen) * 2 - 1
no_loss = (cosines[:, 1] - cosines[:, 0] + 0.35) <= 0
decided = {
    "the boundary between two people is meant": (
        cosines[:, 0] > cosines[:, 1]
    )[no_loss].all(),
    "the threshold of a verification is meant": (cosines[:, 0] > accept)[
        no_loss
    ].all(),
}
# The library's loss agrees on a face at cosine 0.3 from its template, −0.1 from the other person.
angle = [math.acos(0.3), math.acos(-0.1)]
e = torch.eye(3)
t, n = (
    math.cos(a) * e[0] + math.sin(a) * e[k]
    for k, a in zip((1, 2), angle, strict=True)
)
costs = float(cosine_margin_loss(e[:1], t[None], n[None, None]))
decided["the threshold of a verification is meant"] &= not (
    costs == 0 and F.cosine_similarity(e[0], t, dim=0) <= accept
)
audit.decide(
    "A boundary",
    {k: bool(v) for k, v in decided.items()},
    f"a face whose cosine is 0.3 with its own template and −0.1 with another costs {costs:.0f}, and SFace, which accepts from {accept:.2f} on at a false match rate of 1e-3, rejects it. The formula, without the cut, has no boundary at all",
    advice="If a threshold decides, put it into the loss: the loss of A knows rivals, not thresholds.",
)
experiment(
    "A passes",
    "A against baseline: attacked_I and attacked_II at 0.01 and 0.001, then judge_I and judge_II, which alone say that it is not adversarial; seen and unseen",
)


def of_length(loss):
    values, pulls = [], []
    for scale in (0.1, 1.0, 10.0):
        leaf = start.clone().requires_grad_()
        value = loss(Encoder(scale)(leaf))
        values.append(float(value))
        pulls.append(torch.autograd.grad(value, leaf)[0])
    return values, all(torch.allclose(p, pulls[1], rtol=1e-6) for p in pulls)


of_a, same_pull = of_length(lambda f: cosine_margin_loss(f, template, others))
of_l2, same_l2 = of_length(lambda f: feature_l2_loss(f, template))
assert not same_l2
audit.decide(
    "A robust",
    same_pull and max(of_a) - min(of_a) < 1e-9,
    f"{of_a[1]:.4f} for features a tenth, once and ten times as long, with one gradient in the picture; raw L2 goes from {of_l2[0]:.2f} to {of_l2[2]:.1f}",
)
theta = torch.linspace(0.05, 3.0, 200, dtype=torch.float64)
noise, m, scale = math.cos(1.2), 0.35, 1e5
hinge = torch.relu(noise - theta.cos() + m)
zero = torch.zeros_like(theta)
cosface = torch.logaddexp(scale * (noise - (theta.cos() - m)), zero) / scale
arcface = torch.logaddexp(scale * (noise - (theta + m).cos()), zero) / scale
apart = [float((hinge - each).abs().max()) for each in (cosface, arcface)]
audit.decide(
    "A aligned",
    {
        "CosFace's margin is meant": apart[0] < 1e-4,
        "ArcFace's is meant": apart[1] < 1e-4,
    },
    f"as its scale grows, CosFace's loss of two classes, over the scale, comes within {apart[0]:.0e} of A's hinge; ArcFace's stays {apart[1]:.2f} away, for it adds m to the angle",
    advice="Cite CosFace, or the triplet loss, for A.",
)

# %% [markdown]
# ## Scheme B

# %% tags=["hide-cell"]
slope = sp.diff(symbolic.SIGMOID_TASK, symbolic.omega)
assert (
    sp.simplify(
        (slope - symbolic.L / (4 * sp.cosh(symbolic.omega / 2) ** 2)).rewrite(
            sp.exp
        )
    )
    == 0
)
best_kendall = sp.solve(
    sp.diff(symbolic.REGRESSION, symbolic.log_variance), symbolic.log_variance
)


def settle(make, optimiser, losses, steps, rate=0.1):
    """Weights and contributions of two losses that do not change."""
    learned = make(("pixel", "feat"))
    stepper = optimiser(learned.parameters(), lr=rate)
    given = dict(
        zip(("pixel", "feat"), map(torch.tensor, losses), strict=True)
    )
    first = None
    for _ in range(steps):
        stepper.zero_grad()
        found = learned(given)
        found.total.backward()
        if first is None:
            first = next(learned.parameters()).grad.clone()
        stepper.step()
    found = learned(given)
    w = torch.stack(
        [torch.as_tensor(found.weights[n]) for n in given]
    ).detach()
    return w, w * torch.tensor(losses), first


SGD, ADAM = torch.optim.SGD, torch.optim.Adam
_, _, first = settle(SigmoidTaskWeights, SGD, (0.1, 2.0), 1)
audit.decide(
    "B learned",
    bool((first != 0).all()),
    f"their first gradients are {first[0]:.3f} and {first[1]:.3f}",
)
unequal = (0.1, 2.0)
steps = 5000
of_sigmoid = {
    kind: settle(SigmoidTaskWeights, opt, unequal, steps)
    for kind, opt in (("plain gradient descent", SGD), ("Adam", ADAM))
}
of_kendall = settle(UncertaintyWeights, SGD, unequal, steps)


def balanced(result):
    return abs(math.log(float(result[1][1] / result[1][0]))) < 0.5 * math.log(
        unequal[1] / unequal[0]
    )


def remains(make, opt):
    """Whether the weights stop changing: 10 times the steps, the same weights."""
    return all(
        torch.isclose(a, b, rtol=0.05)
        for a, b in zip(
            settle(make, opt, unequal, 500)[0],
            settle(make, opt, unequal, 5000)[0],
            strict=True,
        )
    )


stays = {
    kind: remains(SigmoidTaskWeights, opt)
    for kind, opt in (("plain gradient descent", SGD), ("Adam", ADAM))
}
assert balanced(of_kendall) and remains(
    UncertaintyWeights, SGD
)  # the mended scheme passes both
only_ratio = {
    f"only the ratio counts, and ω follows {kind}": balanced(r)
    for kind, r in of_sigmoid.items()
}
audit.decide(
    "B balances",
    only_ratio | {"a total weight must remain": all(stays.values())},
    "losses of 0.1 and 2, after 5,000 steps: "
    + "; ".join(
        f"with {kind} the weights are {r[0][0]:.1e} and {r[0][1]:.1e}, contributions 1 to {float(r[1][1] / r[1][0]):.1f}"
        for kind, r in of_sigmoid.items()
    )
    + f"; at the start contributions are 1 to {unequal[1] / unequal[0]:.0f}. Kendall's: {of_kendall[0][0]:.2f} and {of_kendall[0][1]:.2f}",
    advice="Use UncertaintyWeights, or two constants that you tuned; give ω a learning rate of its own, or it will not move in your training at all.",
)
falls = {
    n: float(settle(SigmoidTaskWeights, SGD, (1.0, 1.0), n)[0][0])
    for n in (100, 1000, 5000)
}
is_flat = {
    "sigmoid": bool(sp.solve(slope, symbolic.omega)),
    "Kendall": len(best_kendall) == 1
    and best_kendall[0].subs(symbolic.L, 2).is_finite,
}
assert is_flat["Kendall"]
audit.decide(
    "B Kendall",
    is_flat["sigmoid"],
    f"dJ/dω = L / (4 cosh²(ω/2)) is above 0 everywhere: no best ω, and every weight goes to 0 ({', '.join(f'{v:.3g} after {n:,} steps' for n, v in falls.items())} for L = 1, rate 0.1). Kendall's e^(−s) L/2 + s/2 has its best weight at s = {best_kendall[0]}: what the note left out is the further term s/2",
    advice="Add the term, and you have Kendall's.",
)
sigma, residual, two_pi = sp.symbols("sigma r c", positive=True)
likelihood = -sp.log(sp.exp(-(residual**2) / (2 * sigma**2)) / sigma)
derived = symbolic.REGRESSION.subs(
    {symbolic.L: residual**2, symbolic.log_variance: sp.log(sigma**2)}
)
follows = sp.simplify(sp.expand_log(likelihood - derived, force=True)) == 0
audit.decide(
    "B Bayes",
    bool(follows),
    "minus the logarithm of a Gaussian with an unknown variance is Kendall's loss of a regression, up to a constant. (A likelihood is maximised, no prior is put on σ.) That it is a standard one, its citations say; that it beats tuned constants, Kurin et al. and Xin et al. 2022 deny",
)
scaled = settle(SigmoidTaskWeights, SGD, (0.1, 200.0), steps)[0]
reflects = {
    "ω follows plain gradient descent": bool(
        of_sigmoid["plain gradient descent"][0][1]
        < 0.9 * of_sigmoid["plain gradient descent"][0][0]
    ),
    "ω follows Adam": bool(
        of_sigmoid["Adam"][0][1] < 0.9 * of_sigmoid["Adam"][0][0]
    ),
    "the unit may change": bool(
        torch.isclose(
            scaled[1] / scaled[0],
            of_sigmoid["plain gradient descent"][0][1]
            / of_sigmoid["plain gradient descent"][0][0],
            rtol=0.1,
        )
    ),
}
audit.decide(
    "B difficulty",
    reflects,
    f"weights of losses 0.1 and 2 stand 1 to {float(of_sigmoid['plain gradient descent'][0][1] / of_sigmoid['plain gradient descent'][0][0]):.3f} after gradient descent, 1 to {float(of_sigmoid['Adam'][0][1] / of_sigmoid['Adam'][0][0]):.3f} after Adam; the second in a unit a hundred times smaller: 1 to {float(scaled[1] / scaled[0]):.5f}",
    advice="Read a learned weight as one over the size of a loss, not as a difficulty.",
)
three = SigmoidTaskWeights(("pixel", "feat", "perceptual"))
found = three(
    {
        "pixel": torch.tensor(1.0),
        "feat": torch.tensor(2.0),
        "perceptual": torch.tensor(3.0),
    }
)
found.total.backward()
two = SigmoidTaskWeights(("pixel", "feat"))(
    {"pixel": torch.tensor(1.0), "feat": torch.tensor(2.0)}
)
audit.decide(
    "B third",
    bool((three.omega.grad != 0).all())
    and torch.isclose(found.total - two.total, torch.tensor(1.5)).item(),
    f"three gradients, {', '.join(f'{v:.2f}' for v in three.omega.grad)}; the total grows by half of the third loss",
)
mids = (0.3, 0.5, 0.7)
slopes = {
    k: [
        (
            sigmoid_schedule(mid + 1e-5, 1, k=k, midpoint=mid)
            - sigmoid_schedule(mid - 1e-5, 1, k=k, midpoint=mid)
        )
        / 2e-5
        for mid in mids
    ]
    for k in (5, 10)
}
middle = all(
    abs(
        sigmoid_schedule(mid + d, 1, k=k, midpoint=mid)
        + sigmoid_schedule(mid - d, 1, k=k, midpoint=mid)
        - 1
    )
    < 1e-12
    for k in (5, 10)
    for mid in mids
    for d in (0, 0.1, 0.3)
)
audit.decide(
    "λ steep",
    middle
    and all(max(v) - min(v) < 1e-6 for v in slopes.values())
    and slopes[10][0] > slopes[5][0],
    f"slope {slopes[5][1]:.2f} for k = 5, {slopes[10][1]:.2f} for k = 10, wherever t_mid is: k/4 of the training's length",
)
ends = {
    k: (sigmoid_schedule(0, 1, k=k), sigmoid_schedule(1, 1, k=k))
    for k in (5, 10)
}
audit.undecided(
    "λ usual",
    "the note names no source. "
    + "; ".join(
        f"k = {k} goes from {a:.4f} to {b:.4f}" for k, (a, b) in ends.items()
    ),
)
grid = torch.linspace(-0.2, 1.2, 14001, dtype=torch.float64)
largest, kink = {}, {}
for name, curve in {
    "linear": linear_schedule(grid, 1),
    "k = 5": sigmoid_schedule(grid, 1, k=5),
    "k = 10": sigmoid_schedule(grid, 1, k=10),
}.items():
    rates = curve.diff() / 1e-4
    largest[name], kink[name] = (
        float(rates.max()),
        float(rates.diff().abs().max()),
    )
audit.decide(
    "λ smooth",
    {
        "fewer kinks are meant": max(kink["k = 5"], kink["k = 10"])
        < kink["linear"],
        "smaller steps are meant": max(largest["k = 5"], largest["k = 10"])
        <= largest["linear"],
    },
    f"at the ends the slope jumps by {kink['linear']:.2f} (linear), {kink['k = 5']:.2f} (k = 5), {kink['k = 10']:.2f} (k = 10); in the middle the sigmoid is {largest['k = 5']:.2f} and {largest['k = 10']:.2f} times as steep. The linear schedule has no jump to avoid",
    advice="Either will do. Mind that the sigmoid starts above 0, and that it has no λ_max.",
)

# %% [markdown]
# ## Scheme C

# %% tags=["hide-cell"]
match = small(32, 1).tanh().requires_grad_()
noise = small(32, 64).tanh().requires_grad_()
formula = torch.log1p(((noise - match) / 0.07).exp().sum(1)).mean()
by_match, by_noise = torch.autograd.grad(formula, (match, noise))
leaf = encoder(start).requires_grad_()
(toward,) = torch.autograd.grad(info_nce_loss(leaf, template, others), leaf)
moved = leaf - 1e-3 * toward / toward.norm()
assert info_nce_loss(moved, template, others) < info_nce_loss(
    leaf, template, others
)
audit.decide(
    "C pushes",
    bool((by_match < 0).all() and (by_noise > 0).all()),
    f"all {by_noise.numel():,} gradients of negatives are above 0, each by its softmax weight; the largest of 64 has {float((by_noise.max(1)[0] / by_noise.sum(1)).mean()):.0%} of the push on average",
)
numbers = {}
for tau in (0.05, 0.07, 0.1):
    p = torch.softmax(
        (unit @ unit.T / tau).masked_fill(~others_of, -torch.inf), 1
    )
    numbers[tau] = float((1 / p.square().sum(1)).mean())
audit.undecided(
    "C range",
    "only τ = 0.07 is trained here, which is MoCo's (SimCLR's best on ImageNet is 0.1; read). Of the 390 other ORL photographs "
    + ", ".join(f"{v:.0f}" for v in numbers.values())
    + " share the push at τ = 0.05, 0.07, 0.1 on average",
    advice="Take 0.07; sweep before you believe in a range.",
)
cloud = template[0] + 0.5 * small(20, 16)


def spread(features):
    u = F.normalize(features, dim=1)
    return float((features - features.mean(0)).square().sum(1).mean()), float(
        1 - (u @ u.T).mean()
    )


spreads = {}
for normalized in (False, True):
    points = cloud.clone()
    for _ in range(50):
        leaf = points.clone().requires_grad_()
        (g,) = torch.autograd.grad(
            center_loss(
                leaf,
                template[:1].expand(20, -1),
                normalized=normalized,
                reduction="sum",
            ),
            leaf,
        )
        points = points - 0.02 * g
    spreads[normalized] = spread(points)
before = spread(cloud)
lengths = [
    float(center_loss(c * template[:1], template[:1])) for c in (0.5, 1, 2)
]
audit.decide(
    "C centre",
    all(
        v < b
        for s in (spreads[False],)
        for v, b in zip(s, before, strict=True)
    ),
    f"50 steps on raw features: spread {before[0]:.2f} to {spreads[False][0]:.3f}, by angle {before[1]:.3f} to {spreads[False][1]:.4f}; at length 1, {before[1]:.3f} to {spreads[True][1]:.4f}. On raw features the length counts too: in the right direction, half as long {lengths[0]:.2f}, twice as long {lengths[2]:.2f}. With the template for a centre it is the L2 loss once more. Whether it does so to faces: EXPERIMENT: 'C, centre' against C (attacked_far)",
    advice="Normalise it. It then is 2 − 2 cos with the person's mean.",
)
assert torch.equal(
    center_loss(cloud, template[:1].expand(20, -1)),
    feature_l2_loss(cloud, template[:1].expand(20, -1)),
)
experiment(
    "C effective",
    "C against baseline (attacked_far, judge_far, judge_II). The recogniser is frozen: what can be better is the face, no feature is learned",
)
rho, d, k = 0.95, 8, 64
bounds = {}
for rho in (0.3, 0.95):
    t = torch.randn(8192, d, generator=gen)
    f = rho * t + math.sqrt(1 - rho**2) * torch.randn(8192, d, generator=gen)
    n = torch.randn(8192, k, d, generator=gen)
    known = -d / 2 * math.log(1 - rho**2)
    bounds[rho] = (
        known,
        max(
            math.log(k + 1) - float(info_nce_loss(f, t, n, temperature=tau))
            for tau in (0.05, 0.1, 0.2, 0.5, 1.0)
        ),
    )
audit.decide(
    "C information",
    {
        "a lower bound is meant": all(
            b <= known for known, b in bounds.values()
        ),
        "the information itself is meant": all(
            math.isclose(b, known, rel_tol=0.05)
            for known, b in bounds.values()
        ),
    },
    "; ".join(
        f"information {known:.2f} nats, log 65 − loss at the best of five temperatures {b:.2f}"
        for known, b in bounds.values()
    )
    + f". It cannot exceed log 65 = {math.log(65):.2f}",
    advice="More negatives raise the ceiling of the bound, by their logarithm.",
)
experiment(
    "C diversity",
    "not among the recorded scores: rebuild() each template from several seeds with C and with baseline, and compare the spread between them (pixels, and the judge's features)",
)
audit.undecided(
    "C tasks",
    "the note names no task, and both of its sources are about representations, not generation; here is one task",
)

# %% [markdown]
# ## Scheme D

# %% tags=["hide-cell"]
audit.undecided(
    "D newest", "the note has no date; its newest source is of 2023"
)
audit.undecided("D guided", "its code is not public")
read(
    "D sources",
    {
        "guidance in the inference is meant": True,
        "a term of consistency in training is meant": False,
    },
    "both condition a network at inference that was trained without a condition; neither trains with a consistency of gradients",
)
denoiser = Denoiser(*linear_guess(known_faces, part.training)).requires_grad_(
    False
)
some = part.seen[::10][:4]
pictures, wanted = (
    photographs.reduce(known_faces.pictures[some]),
    unit[some].float(),
)


def pulls(sigma):
    """Both gradients at noisy pictures; and what a small step along each does to what is made."""
    x = (
        pictures + sigma * torch.randn(pictures.shape, generator=gen)
    ).requires_grad_()
    width = torch.full((len(x),), sigma)
    clean = denoiser(x, width, wanted)
    of_noisy, of_clean = (
        F.cosine_similarity(
            sface_features(network, photographs.enlarge(p)), wanted
        )
        for p in (x, clean)
    )
    at = [(of_noisy, x), (of_clean, x), (of_clean, clean)]
    return tuple(
        torch.autograd.grad(s.sum(), where, retain_graph=True)[0].flatten(1)
        for s, where in at
    )


levels = (0.1, 1.0, 10.0)
found = {sigma: pulls(sigma) for sigma in levels}
same_way = {
    sigma: F.cosine_similarity(a, b) for sigma, (a, b, _) in found.items()
}
at_clean = {
    sigma: F.cosine_similarity(c, b) for sigma, (_, b, c) in found.items()
}
audit.decide(
    "D noisy",
    {
        "x_t stands for the denoised picture": all(
            bool(v.min() > 0.9) for v in at_clean.values()
        ),
        "it is the noisy picture itself": all(
            bool(v.min() > 0.9) for v in same_way.values()
        ),
    },
    "cosine between SFace's gradient at the noisy face and through the denoiser: "
    + ", ".join(
        f"{v.mean():.2f} at σ = {sigma:g}" for sigma, v in same_way.items()
    )
    + " (four ORL faces, our denoiser before it is trained, which is linear; sampling starts at σ = 10). At the denoised face and through the denoiser: "
    + ", ".join(f"{v.mean():.2f}" for v in at_clean.values())
    + ". SFace has never seen noise: its gradient there is noise. The note itself writes sim(F(x̂), t) in line 172",
    advice="Denoise, then ask the recogniser, and differentiate through both.",
)


def checks_agreement(form):
    """Whether a form is 0 where descent of the loss is ascent of the similarity, and not elsewhere."""
    leaf = start.clone().requires_grad_()
    s = F.cosine_similarity(encoder(leaf), template)
    o = F.cosine_similarity(encoder(leaf), others[:8])
    at = {
        name: float(guidance_consistency_loss(leaf, loss, s, form=form))
        for name, loss in (
            ("1 − sim", 1 - s),
            ("2 − 2 sim", 2 - 2 * s),
            ("another", 1 - o),
        )
    }
    (g,) = torch.autograd.grad(s.sum(), leaf)
    return (
        abs(at["1 − sim"]) < 1e-9 < at["another"],
        at,
        float(g.flatten(1).norm(dim=1).mean()),
    )


verdict, at, length = checks_agreement("documented")
mended, at_mended, _ = checks_agreement("residual")
by_angle, at_angle, _ = checks_agreement("cosine")
assert mended and by_angle
audit.decide(
    "D aligned",
    verdict,
    f"for 1 − sim, whose gradient agrees perfectly, it is {at['1 − sim']:.3f}, twice the length {length:.3f} of ∇sim. With + in place of −, {at_mended['1 − sim']:.0e}; but for L2 at length 1, which is 2 − 2 sim, + gives {at_mended['2 − 2 sim']:.3f} again. The angle gives {at_angle['2 − 2 sim']:.0e} for both",
    advice="A loss falls where a similarity rises. Compare angles of −∇L and ∇sim, with create_graph.",
)


def minimised(form, kind):
    """Angle between −∇L and ∇sim, and length of ∇sim, before and after steps on D's term alone."""
    picture, trace = start.clone(), []
    for _step in range(201):
        leaf = picture.clone().requires_grad_()
        found = encoder(leaf)
        s = F.cosine_similarity(found, template)
        loss = (
            feature_l2_loss(
                found,
                template,
                reduction="none",
                normalized=kind == "unit L2",
            )
            if "L2" in kind
            else cosine_margin_loss(
                found, template, others, clamp=False, reduction="none"
            )
        )
        gl, gs = (
            torch.autograd.grad(v.sum(), leaf, retain_graph=True)[0].flatten(
                1
            )
            for v in (loss, s)
        )
        trace.append(
            (
                float(F.cosine_similarity(-gl, gs).mean()),
                float(gs.norm(dim=1).mean()),
                float(s.mean()),
            )
        )
        term = guidance_consistency_loss(leaf, loss, s, form=form)
        (g,) = torch.autograd.grad(term * len(leaf), leaf)
        picture = picture - 0.05 * g
    return trace[0], trace[-1]


runs = {
    (form, kind): minimised(form, kind)
    for form in ("documented", "residual", "cosine")
    for kind in ("raw L2", "unit L2", "A")
}
closer = {
    f"the loss is {kind}": runs["documented", kind][1][0]
    > runs["documented", kind][0][0] + 1e-6
    for kind in ("raw L2", "unit L2", "A")
}
audit.decide(
    "D consistent",
    closer,
    "cosine of −∇L_feat and ∇sim before and after 200 steps on D's term alone, small network: "
    + "; ".join(
        f"{kind} {a[0]:.2f} to {b[0]:.2f}, ‖∇sim‖ {a[1]:.2f} to {b[1]:.2f}"
        for (form, kind), (a, b) in runs.items()
        if form == "documented"
    )
    + ". By the angle instead: "
    + "; ".join(
        f"{kind} {a[0]:.2f} to {b[0]:.2f}"
        for (form, kind), (a, b) in runs.items()
        if form == "cosine"
    )
    + ". With L2 at length 1 both goals are the same without any such term",
    advice="Train with the similarity that guides, and there is nothing to align.",
)
experiment(
    "D quality",
    "guided scores (Result.guided) of D, and of 'D, residual', against those of baseline and pixel (attacked_far, judge_far). 'D, residual' is no mend here: with L2 at length 1 its term is ‖∇sim‖, as it is 3‖∇sim‖ in D; 'D, cosine' is, and there its term is 0 from the start",
)
experiment(
    "D gain",
    "D against baseline, relative gain of attacked_II_0.01, attacked_II_0.001, judge_II_0.01, judge_II_0.001, with interval; the note says neither in what, nor over which method, nor by whom it was measured",
)

# %% [markdown]
# ## Scheme E, and the table

# %% tags=["hide-cell"]
BOUNDS = ((0.0, 0.33), (0.33, 0.67), (0.67, 1.0))
total = 300
stages_of = [
    sum(a * total - 1e-9 <= t <= b * total + 1e-9 for a, b in BOUNDS)
    for t in range(total + 1)
]
twice = [t for t, n in enumerate(stages_of) if n > 1]
audit.decide(
    "E stages",
    {
        "it is not the end of one": all(
            n == 1 for t, n in enumerate(stages_of) if t not in (99, 201)
        ),
        "it is": not twice,
    },
    f"of 301 times, {', '.join(map(str, twice))} belong to two stages; the compromise, further down, has this right",
    advice="Half-open stages.",
)
small_faces = photographs.reduce(known_faces.pictures)
rest = (small_faces - small_faces.mean(0))[:, 0]
power = torch.fft.fft2(rest, norm="ortho").abs().square().mean(0)
f1 = torch.fft.fftfreq(56) * 56
radius = (f1[:, None] ** 2 + f1**2).sqrt()
# The noise of each third of the twelve steps, the geometric mean of its levels.
thirds = [
    math.exp(sum(map(math.log, SIGMAS[a : a + 4])) / 4) for a in (0, 4, 8)
]
above = [
    float((power[(radius >= 8) & (radius < 28)] > sigma**2).double().mean())
    for sigma in thirds
]
low = [
    float((power[radius < 4] > sigma**2).double().mean()) for sigma in thirds
]
audit.decide(
    "E low",
    {
        "t counts the steps of generation, from noise to picture": low[0]
        > above[0]
        == 0,
        "t counts the noise, from picture to noise": low[2] > above[2] == 0,
    },
    f"spectrum of 400 ORL faces against noise of the first, second and last third of our twelve steps (σ = {', '.join(f'{s:.2g}' for s in thirds)}): of frequencies below 4 a face {', '.join(f'{v:.0%}' for v in low)} stand above it, of those from 8 on {', '.join(f'{v:.0%}' for v in above)}. In training time, which λ(t) elsewhere in the note seems to mean, there are no such stages: every σ is drawn all the time",
    advice="Say which time you mean. A λ of the noise level is not a λ of the training step.",
)
mean = small_faces[part.training].mean(0, keepdim=True)
pixel_term = float((small_faces[part.seen] - mean).square().mean())
of_mean = sface_features(network, photographs.enlarge(mean)).detach().double()
feature_terms = {
    "features have length 1": float(
        feature_l2_loss(
            of_mean.expand(len(part.seen), -1),
            raw[part.seen],
            normalized=True,
        )
    ),
    "they are as long as SFace makes them": float(
        feature_l2_loss(of_mean.expand(len(part.seen), -1), raw[part.seen])
    ),
}
shares = {
    k: [lam * v / (lam * v + pixel_term) for lam in (0.1, 0.5, 1.0)]
    for k, v in feature_terms.items()
}
shares["features have length 1 and pixels variance 1"] = [
    lam
    * feature_terms["features have length 1"]
    / (
        lam * feature_terms["features have length 1"]
        + pixel_term / float(small_faces.var())
    )
    for lam in (0.1, 0.5, 1.0)
]
audit.decide(
    "E focus",
    {k: v[0] < 0.5 < v[2] for k, v in shares.items()},
    "the features' share of the loss of the mean face, in the three stages: "
    + "; ".join(
        f"{', '.join(f'{s:.0%}' for s in v)} if {k}"
        for k, v in shares.items()
    )
    + f" (pixels from −1 to 1: {pixel_term:.3f})",
    advice="A λ has a unit. Print the shares before you call a stage one of pixels.",
)
experiment(
    "E process",
    "E against baseline and 'constant 0.1' (judge_far, attacked_II, rmse). Arm E has its stages in training time; if the note means stages of generation, as 'generation stage' says, only an arm with λ by σ decides it",
)
audit.undecided(
    "E simple",
    "the effort of people is not measured here; a schedule is one line either way",
)
plain_levels, changed = (
    torch.tensor([staged_schedule(t, 100, levels=v) for t in range(101)])
    for v in ((0.1, 0.5, 1.0), (0.1, 0.0, 1.0))
)
differ = (plain_levels != changed).nonzero()[:, 0].tolist()
audit.decide(
    "E ablation",
    differ == list(range(33, 67)),
    f"another middle level changes λ at {differ[0]} to {differ[-1]} of 100 and nowhere else",
)


def arithmetic(name, **options):
    """Multiply-adds of a step with a small encoder of convolutions."""
    made = torch.nn.Sequential(
        torch.nn.Conv2d(1, 8, 3, padding=1),
        torch.nn.Tanh(),
        torch.nn.Flatten(),
        torch.nn.Linear(8 * 144, 32),
    ).requires_grad_(False)
    body = torch.nn.Conv2d(1, 1, 3, padding=1)
    loss = InversionLoss.preset(name, total=10, **options)
    if isinstance(loss.lambda_schedule, LambdaSchedule):
        loss.lambda_schedule.step(5)
    x, t, n = (
        torch.randn(4, 1, 12, 12),
        torch.randn(4, 32),
        torch.randn(4, 64, 32),
    )
    with FlopCounterMode(display=False) as counter:
        made_pictures = body(x)
        loss(made_pictures, x, made(made_pictures), t, n).total.backward()
    return counter.get_total_flops()


flops = {name: arithmetic(name) for name in "ABCDE"}
ordered = (
    max(flops["B"], flops["E"]) < min(flops["A"], flops["C"])
    and max(flops["A"], flops["C"]) < flops["D"]
)
audit.decide(
    "complexity",
    ordered,
    "multiply-adds of a step with a small encoder, E = 1: "
    + ", ".join(
        f"{name} {v / flops['E']:.2f}"
        for name, v in sorted(flops.items(), key=lambda kv: kv[1])
    )
    + ". D goes back through the encoder twice more, and once through that",
)
experiment(
    "effects",
    "A, B, C, D, E each against baseline (judge_far; attacked_II_0.001, judge_II_0.01), seen and unseen. B has λ = 1 at first, not 0.1: compare it with 'constant 1'",
)
audit.undecided("efforts", "the effort of people is not measured here")
audit.undecided(
    "support",
    "strong and medium are opinions. The note names two sources under C, one under B, none under E, and ArcFace for A in its list",
)
audit.undecided(
    "stars",
    "the note does not say what a star counts; headings and table agree, see 'effects' for the one part that can be tried",
)

# %% [markdown]
# ## The recipes

# %% tags=["hide-cell"]
experiment(
    "best balance",
    "compromise against every other arm, above all A and E (judge_far, judge_II_0.01, rmse); the effort is not measured",
)
learned_numbers = {
    name: sum(
        p.numel() for p in InversionLoss.preset(name, total=100).parameters()
    )
    for name in ("compromise", "B")
}
compromise = InversionLoss.preset("compromise", total=100)
levels_differ = (
    len({round(compromise.lambda_schedule.step(t), 3) for t in (10, 50, 90)})
    == 3
)
audit.decide(
    "made of",
    {
        "B's sigmoid of time is meant": compromise.feature == "cosine_margin"
        and levels_differ,
        "B's learned weights are meant": learned_numbers["compromise"]
        >= learned_numbers["B"],
    },
    f"the formula has sigmoids of t and no ω; typed out, {learned_numbers['compromise']} numbers to learn against {learned_numbers['B']} in B",
)
T = sp.Symbol("T", positive=True)
MIDS = (0.165, 0.5)


def ends_of(width, mids=MIDS):
    """Both limits at both joints, and the end."""

    def lam(t):
        return combined_schedule(t, 1, widths=(width, width), midpoints=mids)

    return [
        lam(0.33 - 1e-12),
        lam(0.33),
        lam(0.67 - 1e-12),
        lam(0.67),
        lam(1.0),
    ]


tabled = {w: ends_of(w) for w in (0.01, 0.025, 0.05, 0.1, 0.2)}
tops = {w: [max(v[0], v[1] * 0), v[2], v[4]] for w, v in tabled.items()}
reaches = [
    all(
        abs(v - level) < 0.01
        for v, level in zip(top, (0.1, 0.5, 1.0), strict=True)
    )
    for top in tops.values()
]
audit.decide(
    "levels",
    {
        "bounds are meant": all(
            v <= level + 1e-9
            for top in tops.values()
            for v, level in zip(top, (0.1, 0.5, 1.0), strict=True)
        ),
        "values that are reached are meant": any(reaches),
    },
    f"with widths of 0.01, 0.05, 0.1 and 0.2 T the pieces end at {'; '.join(', '.join(f'{v:.3f}' for v in tops[w]) for w in (0.01, 0.05, 0.1, 0.2))}. The last is 1 − 1/(2e) for every width",
)
s2 = sp.Symbol("k_2", positive=True)
mid = sp.Symbol("t_2", real=True)
left = sp.Rational(1, 2) / (1 + sp.exp(-(sp.Rational(67, 100) - mid) / s2))
right_limit = 1 - sp.Rational(1, 2)
x = sp.Symbol("x", real=True)
assert (
    sp.simplify(
        right_limit
        - left
        - 1 / (2 * (1 + sp.exp(x))).subs(x, (sp.Rational(67, 100) - mid) / s2)
    )
    == 0
)
jumps = {w: (v[1] - v[0], v[3] - v[2]) for w, v in tabled.items()}
widths = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2)


def worst(mids, *pair):
    """The larger of the two jumps."""
    lam = [
        combined_schedule(t, 1, midpoints=mids, widths=pair)
        for t in (0.33 - 1e-12, 0.33, 0.67 - 1e-12, 0.67)
    ]
    return max(abs(lam[1] - lam[0]), abs(lam[3] - lam[2]))


middles = {(a, b): worst(MIDS, a, b) for a in widths for b in widths}
chosen, narrow = (0.352, 0.36), 0.005
of_chosen = [
    combined_schedule(t, 1, midpoints=chosen, widths=(narrow, narrow))
    for t in (0.33, 0.35, 0.38)
]
steepest = float(
    combined_schedule(
        torch.linspace(0.33, 0.67, 10001, dtype=torch.float64),
        1,
        midpoints=chosen,
        widths=(narrow, narrow),
    )
    .diff()
    .max()
    / 0.34e-4
)


def largest_jump(schedule):
    fine = torch.linspace(0, 1, 200001, dtype=torch.float64)
    return float(schedule(fine, 1).diff().abs().max())


of_e, of_smooth = (
    largest_jump(staged_schedule),
    largest_jump(lambda t, n: combined_schedule(t, n, smooth=True)),
)
assert of_smooth < 1e-4  # the mended one passes the same check
audit.decide(
    "smooth",
    {
        "smaller jumps than E's are meant": max(middles.values()) < of_e,
        "there is to be none, with mid-points in the middle of the stages": min(
            middles.values()
        )
        < 1e-4,
        "there is to be none, with mid-points chosen for that": worst(
            chosen, narrow, narrow
        )
        < 1e-4,
    },
    "jumps where the stages meet, with mid-points in the middle: "
    + "; ".join(
        f"{a:+.4f} and {b:+.4f} for a width of {w:g} T"
        for w, (a, b) in jumps.items()
    )
    + f". Of 36 pairs of widths the best has a jump of {min(middles.values()):.3f}, the worst of {max(middles.values()):.3f}; E's is {of_e:.2f}. With mid-points at 0.352 T and 0.36 T and widths of 0.005 T the jumps are below 1e-4, but λ then goes from {of_chosen[0]:.4f} to {of_chosen[2]:.2f} within 0.05 T, {steepest:.0f} times as steep as the linear schedule",
    advice="Join the pieces: combined_schedule(smooth=True). Or take one sigmoid.",
)
late = torch.linspace(0.67, 1, 1000, dtype=torch.float64)
rates = combined_schedule(late, 1).diff()
rises = {
    w: (
        abs(v[0] - combined_schedule(0, 1, widths=(w, w))),
        abs(v[2] - v[1]),
        abs(v[4] - v[3]),
    )
    for w, v in tabled.items()
}
audit.decide(
    "steady",
    {
        "a slope that falls is meant": bool((rates.diff() < 0).all()),
        "a level is meant": all(r[2] < min(r[:2]) for r in rises.values()),
    },
    f"it rises by {rises[0.1][2]:.2f} in the late stage, by {rises[0.1][0]:.2f} and {rises[0.1][1]:.2f} in those before (width 0.1 T); the slope falls from {float(rates[0] / (late[1] - late[0])):.2f} to {float(rates[-1] / (late[1] - late[0])):.2f}, not to 0",
)
feats = [
    float(
        compromise(start, truth, c * encoder(start), template, others)["feat"]
    )
    for c in (0.1, 1, 10)
]
audit.decide(
    "combined angle",
    max(feats) - min(feats) < 1e-9,
    f"{feats[1]:.4f} for features a tenth, once and ten times as long",
)
experiment(
    "uses stages",
    "compromise against A (linear λ) and A's like; both have the largest λ of 0.1, which the compromise never reaches: 0.082. Stages in training time only, see 'E process'",
)
audit.undecided("reasonable", "the effort of people; its arithmetic is A's")
audit.undecided(
    "supported",
    "no source has this combination; its parts have rows of their own, and so has practice ('best balance')",
)
of_light = InversionLoss.preset("light", total=100)
audit.decide(
    "light schedule",
    {
        "λ(t) alone is replaced": sum(
            p.numel()
            for p in InversionLoss(
                lambda_schedule=LambdaSchedule("sigmoid", 100)
            ).parameters()
        )
        == 0,
        "the weights are learned, as the line after next says": sum(
            p.numel() for p in of_light.parameters()
        )
        == 0,
    },
    f"learned weights are {sum(p.numel() for p in of_light.parameters())} numbers that the optimiser must be given",
)
audit.decide(
    "light L2",
    bool(
        torch.equal(
            terms_of(start, loss=of_light)["feat"], terms_of(start)["feat"]
        )
    ),
    "equal",
)
experiment(
    "light better",
    "light against baseline (judge_far, attacked_II). Its ω move by about 0.05 in 100 steps of Adam at 1e-3: the weights in the record say whether they were learned at all",
)
experiment(
    "precise",
    "'high precision' against every other arm (judge_far, judge_II_0.01, attacked_II_0.001)",
)
experiment(
    "precise guidance",
    "guided scores of 'high precision' against guided A: neither is in GUIDED yet",
)
experiment(
    "precise gain",
    "'high precision' against baseline, relative gain of attacked_II and judge_II at both rates, with interval; as in 'D gain' the note says neither in what nor over what",
)
audit.undecided("times", "the time of people is not measured here")

# %% [markdown]
# ## References, time table, summary

# %% tags=["hide-cell"]
read(
    "Kendall",
    True,
    "CVPR 2018; the title goes on '... for Scene Geometry and Semantics'",
)
read(
    "ArcFace",
    True,
    "CVPR 2019; the title goes on '... for Deep Face Recognition'",
)
read(
    "Song medical",
    True,
    "Song, Shen, Xing and Ermon, ICLR 2022, arXiv:2111.08005",
)
read(
    "Song restoration",
    {
        "the paper of line 182 is meant": True,
        "a paper of this title is meant": False,
    },
    "we know of no ICLR paper of this title; that of line 182 is by Song et al., of that year and venue, and on inverse problems",
    advice="Cite arXiv:2111.08005 by its own title.",
)
read(
    "Chung", True, "ICLR 2023, arXiv:2209.14687; the list has the short title"
)
read(
    "MoCo",
    True,
    "CVPR 2020; the title has '... Visual Representation Learning', as in line 144",
)
read(
    "SimCLR",
    True,
    "ICML 2020; the title goes on '... of Visual Representations'",
)
read(
    "NCSN",
    True,
    "NeurIPS 2019; the title goes on '... of the Data Distribution'. It is not the SDE paper (Song et al., ICLR 2021), nor does the note say so: that one generalises it",
)
read("LDM", True, "CVPR 2022")
read("ADM", True, "NeurIPS 2021; it introduced classifier guidance")
read(
    "C sources",
    {"the loss is meant": True, "its use in generation is meant": False},
    "MoCo has InfoNCE with a queue of negatives, SimCLR the same with a batch's; both learn representations",
)
audit.undecided("weeks", "the time of people is not measured here")
experiment(
    "effective",
    "baseline against pixel, and the baselines 'mean face', 'nearest face', 'linear' (attacked_II, judge_II at both rates, rmse), seen and unseen",
)
experiment(
    "room",
    "any arm against baseline (judge_far, judge_II_0.01); 'truth' is the ceiling",
)
experiment(
    "A and B",
    "no arm has A and B alone: add InversionLoss.preset('B', feature='cosine_margin'), against baseline, relative gain with interval. The compromise is near, but with stages and without learned weights",
)
experiment(
    "extreme", "'high precision' against A (judge_far, attacked_II_0.001)"
)

audit.leave_open(
    "What is t: the training step, the generation step or the noise level?",
    place="lines 8, 92, 189-198, 230-234",
    answer="λ(t) with t_total suggests training, 'generation stage' generation; our arms step λ through the training. In generation the noise level runs the other way. And in scheme A, C and D t is the template",
)
audit.leave_open(
    "Between which values does B's sigmoid λ(t) run, and what of λ_max?",
    place="lines 92, 101",
    answer="; ".join(
        f"{a:.4f} to {b:.4f} for k = {k}" for k, (a, b) in ends.items()
    )
    + ", with t_mid in the middle; the formula has no λ_max",
)
audit.leave_open(
    "Are the learned weights and λ(t) used together?",
    place="lines 84-98",
    answer="the light version has both, the compromise λ alone",
)
audit.leave_open(
    "Which norm, unit and reduction have L_pixel and L_feat?",
    place="lines 8, 16",
    answer="λ means nothing without; see the row on stages",
)
audit.leave_open(
    "What are t_mid1, t_mid2, k1 and k2?",
    place="lines 231-232",
    answer="nowhere; k multiplies in B (line 92) and divides here",
)
audit.leave_open(
    "How large are λ_center and λ_guidance?",
    place="lines 132, 168",
    answer="we took 0.1 and 1",
)
audit.leave_open(
    "Where does an attacker get the centre c_t of a person of whom there is one template?",
    place="line 135",
    answer="with the template for it the term is the L2 loss once more",
)
audit.leave_open(
    "How many negatives, from where, and may one be the person's own?",
    place="lines 38, 126",
)
audit.leave_open(
    "What do the percentages measure, on which data?",
    place="lines 178, 259, 312",
    answer="they are of different combinations, and do not contradict each other",
)
audit.leave_open(
    "What may D's term change, with F frozen?",
    place="line 172",
    answer="both gradients are functions of the picture alone: it moves the picture to where they agree, or vanish",
)
audit.leave_open(
    "Which recogniser is attacked, and which decides whether an attack works?",
    place="nowhere",
    answer="SFace, and dlib which no loss sees",
)

# %% tags=["remove-input"]
audit.ledger()

# %% tags=["hide-cell"]
tally = Counter(
    "EXPERIMENT" if c.name in PENDING else " ".join(c.verdict.split()[:2])
    for c in audit.claims
)
if __name__ == "__main__":
    for c in audit.claims:
        print(
            f"[{c.verdict if c.name not in PENDING else 'EXPERIMENT'}] {c.name}: {c.evidence}\n"
        )
    print(len(audit.claims), dict(tally), len(audit.questions), "left open")
