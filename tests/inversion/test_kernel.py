"""Many negatives: in tiles, by hand and by torch's own gradient the same, and without copies."""

import pytest
import torch

from lossbook.inversion import cosine_margin_loss, info_nce_loss, kernel
from lossbook.lab.run.pairs import peak_bytes

CPU = torch.device("cpu")
SHARED = pytest.mark.parametrize("shared", [False, True], ids=["own", "shared"])
FORMS = {
    "hardest": cosine_margin_loss,
    "random": lambda *a, **k: cosine_margin_loss(*a, mining="random", **k),
    "mean": lambda *a, **k: cosine_margin_loss(*a, mining="mean", **k),
    "all": lambda *a, **k: cosine_margin_loss(*a, mining="all", **k),
    "nce": info_nce_loss,
    "tiled": lambda *a, **k: info_nce_loss(*a, tile=3, **k),
}
EACH = pytest.mark.parametrize("form", FORMS)


def faces(batch=4, count=7, dims=5, shared=False, dtype=torch.float64, seed=0):
    generator = torch.Generator().manual_seed(seed)
    features, template = torch.randn(2, batch, dims, generator=generator, dtype=torch.float64)
    shape = (count, dims) if shared else (batch, count, dims)
    negatives = torch.randn(*shape, generator=generator, dtype=torch.float64)
    return [tensor.to(dtype).requires_grad_() for tensor in (features, template, negatives)]


def normalised(features, template, negatives):
    """Both cosines of a definition: everything normalised, negatives along their last axis."""
    f, t, n = (each / each.norm(dim=-1, keepdim=True) for each in (features, template, negatives))
    n = n.expand(len(f), *n.shape) if n.ndim == 2 else n
    return (f * t).sum(-1), (f[:, None] * n).sum(-1)


def by_definition(form, features, template, negatives):
    match, noise = normalised(features, template, negatives)
    if form in ("nce", "tiled"):
        scores = torch.cat([match[:, None], noise], 1) / 0.07
        return -scores.log_softmax(1)[:, 0].mean()
    noise = {"hardest": noise.amax(1, keepdim=True), "mean": noise.mean(1, keepdim=True)}.get(
        form, noise
    )
    return (noise - match[:, None] + 0.35).clamp(min=0).mean()


def small_tiles(monkeypatch, numbers):
    monkeypatch.setattr(kernel, "_TILE", numbers)
    monkeypatch.setattr(kernel, "_SHARE", 10**9)
    # Nothing may be read: the way in tiles, as on a GPU.
    monkeypatch.setattr(kernel.checks, "readable", lambda *tensors: False)


@SHARED
@pytest.mark.parametrize("form", [form for form in FORMS if form != "random"])
@pytest.mark.parametrize("numbers", [None, 1, 10, 35, 10**6])
def test_value_and_gradients_are_those_of_the_definition_in_any_tiles(
    form, shared, numbers, monkeypatch
):
    given = faces(shared=shared)
    expected = by_definition(form, *given)
    expected_gradients = torch.autograd.grad(expected, given)
    if numbers:
        small_tiles(monkeypatch, numbers)
    value = FORMS[form](*given)
    torch.testing.assert_close(value, expected)
    for got, wanted in zip(torch.autograd.grad(value, given), expected_gradients, strict=True):
        torch.testing.assert_close(got, wanted)


@SHARED
@EACH
def test_of_one_negative_all_minings_agree(form, shared):
    given = faces(count=1, shared=shared)
    if form in ("nce", "tiled"):
        match, noise = normalised(*given)
        expected = torch.log1p(torch.exp((noise[:, 0] - match) / 0.07)).mean()
    else:
        expected = cosine_margin_loss(*given)
    torch.testing.assert_close(FORMS[form](*given), expected)


@SHARED
@EACH
@pytest.mark.parametrize("wanted", [(0,), (2,), (0, 2)])
def test_gradcheck_twice_whichever_gradient_is_asked_for(form, shared, wanted):
    if form == "random":
        pytest.skip("it draws anew")
    given = [tensor.detach() for tensor in faces(batch=2, count=4, dims=3, shared=shared)]
    for index in wanted:
        given[index].requires_grad_()

    def function(*values):
        chosen = list(given)
        for index, value in zip(wanted, values, strict=True):
            chosen[index] = value
        return FORMS[form](*chosen)

    values = [given[index] for index in wanted]
    assert torch.autograd.gradcheck(function, values)
    assert torch.autograd.gradgradcheck(function, values)


@SHARED
@EACH
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_float32(form, shared, dtype):
    narrow = faces(shared=shared, dtype=dtype)
    exact = [tensor.detach().double().requires_grad_() for tensor in narrow]
    results = []
    for given in (narrow, exact):
        torch.manual_seed(0)
        value = FORMS[form](*given)
        results.append((value, torch.autograd.grad(value, given)))
    (value, gradients), (expected, expected_gradients) = results
    assert value.dtype == torch.float32
    torch.testing.assert_close(value.double(), expected, rtol=1e-5, atol=1e-5)
    for got, wanted in zip(gradients, expected_gradients, strict=True):
        assert got.dtype == dtype
        eps = torch.finfo(dtype).eps
        torch.testing.assert_close(got.double(), wanted, rtol=2 * eps, atol=2 * eps)


@EACH
def test_back_propagated_under_autocast_nothing_is_rounded(form):
    given = faces(dtype=torch.float32, dims=64)
    torch.manual_seed(0)
    expected = torch.autograd.grad(FORMS[form](*given), given)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.manual_seed(0)
        found = torch.autograd.grad(FORMS[form](*given), given[2:])
    torch.testing.assert_close(found[0], expected[2])


@SHARED
@EACH
@pytest.mark.parametrize("junk", [torch.nan, torch.inf, 1e30])
def test_a_masked_sample_may_hold_anything(form, shared, junk):
    present = torch.tensor([True, False, True, True])
    given = faces(shared=shared)
    alone = [tensor.detach()[present].requires_grad_() for tensor in given[:2]]
    own = given[2].detach() if shared else given[2].detach()[present]
    alone.append(own.clone().requires_grad_())
    spoilt = [tensor.detach().clone() for tensor in given]
    for tensor in spoilt[: 2 if shared else 3]:
        tensor[1] = junk
    spoilt = [tensor.requires_grad_() for tensor in spoilt]
    if form == "random":
        pytest.skip("it draws anew")
    expected = FORMS[form](*alone)
    for weight in (present, present.double(), 2.0 * present.double()[:, None]):
        value = FORMS[form](*spoilt, weight=weight)
        torch.testing.assert_close(value, expected)
        gradients = torch.autograd.grad(value, spoilt)
        wanted = torch.autograd.grad(expected, alone, retain_graph=True)
        for got, of_alone, name in zip(gradients, wanted, "ftn", strict=True):
            kept = got if shared and name == "n" else got[present]
            torch.testing.assert_close(kept, of_alone)
            if not (shared and name == "n"):
                assert not got[1].any()


@SHARED
@EACH
def test_a_nan_that_counts_stays(form, shared):
    given = [tensor.detach() for tensor in faces(count=1, shared=shared)]
    for spoilt in range(3):
        chosen = [tensor.clone() for tensor in given]
        chosen[spoilt].view(-1)[0] = torch.nan
        assert FORMS[form](*chosen).isnan()


@EACH
@pytest.mark.parametrize("zero", [(0,), (1,), (2,), (0, 1, 2)])
def test_a_zero_vector_has_the_cosine_zero_and_no_gradient(form, zero):
    given = [tensor.detach() for tensor in faces(count=1)]
    for index in zero:
        given[index] = torch.zeros_like(given[index])
    given = [tensor.requires_grad_() for tensor in given]
    value = FORMS[form](*given)
    gradients = torch.autograd.grad(value, given)
    assert value.isfinite()
    for index, gradient in enumerate(gradients):
        assert gradient.isfinite().all()
        if index in zero:
            assert not gradient.any()
    if zero == (0, 1, 2):
        nothing = 2.0 if form in ("nce", "tiled") else None
        expected = torch.tensor(nothing).log() if nothing else torch.tensor(0.35)
        torch.testing.assert_close(value, expected.double())


@EACH
@pytest.mark.parametrize("signs", [(1, -1), (-1, 1), (1, 1), (-1, -1)])
def test_next_to_a_cosine_of_one_and_minus_one_value_and_gradient_are_exact(form, signs):
    features, _, _ = faces(count=1)
    template = signs[0] * 3 * features.detach()
    negatives = signs[1] * 0.5 * features.detach()[:, None]
    value = FORMS[form](features, template, negatives)
    difference = float(signs[1] - signs[0])
    if form in ("nce", "tiled"):
        expected = torch.logaddexp(torch.tensor(difference / 0.07), torch.tensor(0.0))
    else:
        expected = torch.tensor(difference + 0.35).clamp(min=0)
    torch.testing.assert_close(value, expected.double(), rtol=1e-6, atol=1e-12)
    (gradient,) = torch.autograd.grad(value, features)
    # Tangential, and on the axis there is no tangent to prefer.
    torch.testing.assert_close(gradient, torch.zeros_like(gradient), rtol=0, atol=1e-12)


@EACH
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("scale", [1e-30, 1e-10, 1e10, 1e30])
def test_lengths_do_not_count(form, dtype, scale):
    given = [tensor.detach() for tensor in faces(dtype=dtype)]
    torch.manual_seed(0)
    expected = FORMS[form](*given)
    for index in range(3):
        scaled = list(given)
        scaled[index] = given[index] * scale
        torch.manual_seed(0)
        torch.testing.assert_close(FORMS[form](*scaled), expected)
    mixed = given[2].clone()
    mixed[:, ::2] *= scale
    torch.manual_seed(0)
    torch.testing.assert_close(FORMS[form](*given[:2], mixed), expected)


@SHARED
@EACH
@pytest.mark.parametrize("wanted", [(0,), (0, 2)], ids=["features", "negatives too"])
@pytest.mark.long
def test_peak_memory_is_not_that_of_a_copy_of_the_negatives(form, shared, wanted, monkeypatch):
    # A tile is a sixteenth of the negatives, beside what is as large as B x K and B x D. For that
    # they need not be as many as where tiles begin.
    monkeypatch.setattr(kernel, "_TILE", 1 << 15)
    given = faces(*((4, 2048, 256) if shared else (16, 128, 256)), shared, torch.float32)
    given = [tensor.detach().requires_grad_(i in wanted) for i, tensor in enumerate(given)]
    leaves = [given[index] for index in wanted]
    held = peak_bytes(lambda: torch.autograd.grad(FORMS[form](*given), leaves), CPU)
    size = given[2].numel() * given[2].element_size()
    # Their own gradient, where it is asked for, is as large as they are.
    allowed = 1.2 if 2 in wanted else 0.2
    assert held <= allowed * size, held / size


@pytest.mark.long
def test_in_tiles_memory_does_not_grow_with_the_number_of_negatives():
    held = {}
    for count in (2048, 32768):
        given = faces(64, count, 32, True, torch.float32)
        features = given[0]
        given = [features, *(tensor.detach() for tensor in given[1:])]
        for tile in (None, 256):
            held[count, tile] = peak_bytes(
                lambda given=given, tile=tile: torch.autograd.grad(
                    info_nce_loss(*given, tile=tile), given[:1]
                ),
                CPU,
            )
    assert held[32768, None] > 8 * held[2048, None]
    assert held[32768, 256] <= 1.1 * held[2048, 256]
