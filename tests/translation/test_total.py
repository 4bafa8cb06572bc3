"""Both totals: who is trained by what, when R1 is due, and that they are the source's."""

import copy
import pickle

import pytest
import torch
from torch._dynamo.testing import CompileCounter
from torch.utils._python_dispatch import TorchDispatchMode
from translation_networks import batch, gradients, networks, parameters, reached

import lossbook
from lossbook.translation import (
    DiscriminatorLoss,
    GeneratorLoss,
    Networks,
    TranslationBatch,
    plain,
    symbolic,
)
from lossbook.translation.total import frozen


class Counted:
    """Networks that count how often they are called."""

    def __init__(self, four):
        self.calls = dict.fromkeys(Networks._fields, 0)
        self.four = Networks(
            *(self.count(n, f) for n, f in zip(Networks._fields, four, strict=True))
        )

    def count(self, name, network):
        def call(a, b):
            self.calls[name] += 1
            return network(a, b)

        return call


# Who is trained by what ---------------------------------------------------------------------------

# As the docstring of GeneratorLoss has it: generator, style encoder, mapping, discriminator.
TRAINED = {
    "adv": [True, True, True, False],
    "sty": [True, True, True, False],
    "ds": [True, False, True, False],
    "cyc": [True, True, True, False],
    "id": [True, True, False, False],
}


@pytest.mark.parametrize("second", [False, True])
def test_each_term_of_the_generator_trains_what_the_table_says(second):
    four = networks()
    found = GeneratorLoss(w_id=1.0)(four, batch(second=second), epoch=1)
    assert {name: reached(term, four) for name, term in found.terms.items()} == TRAINED
    assert reached(found.total, four) == [True, True, True, False]


def test_each_path_trains_its_own_source_of_styles():
    four = networks()
    given = batch()
    style = four.style_encoder(given.x_ref, given.y_trg).detach()
    for name, constant in (("style_encoder", 1), ("mapping", 2)):
        other = four._replace(**{name: lambda a, b: style})
        loss = GeneratorLoss(w_sty=0.0, w_cyc=0.0, w_ds=0.0)(other, given, epoch=1)
        expected = [True, True, True, False]
        expected[constant] = False
        assert reached(loss["adv"], four) == expected


def test_the_discriminator_s_terms_train_the_discriminator_alone():
    four = networks()
    found = DiscriminatorLoss(monitor=True)(four, batch(), step=16)
    for name in ("d_hinge", "r1"):
        assert reached(found[name], four) == [False, False, False, True]
    assert not any(
        found[name].requires_grad for name in found.terms if name not in ("d_hinge", "r1")
    )


def test_frozen_networks_are_as_they_were_also_after_an_error():
    four = networks()
    four.discriminator.out.bias.requires_grad_(False)
    before = [p.requires_grad for p in parameters(four.discriminator)]
    assert before.count(False) == 1
    GeneratorLoss()(four, batch(), epoch=1)
    assert [p.requires_grad for p in parameters(four.discriminator)] == before
    with pytest.raises(ZeroDivisionError), frozen(four.discriminator):
        assert not any(p.requires_grad for p in parameters(four.discriminator))
        raise ZeroDivisionError
    assert [p.requires_grad for p in parameters(four.discriminator)] == before


def test_a_method_of_a_discriminator_is_frozen_too():
    four = networks()
    method = four._replace(discriminator=four.discriminator.forward)
    assert reached(GeneratorLoss()(method, batch(), epoch=1)["adv"], four)[3] is False


def test_a_discriminator_that_is_trained_in_the_same_graph_keeps_its_gradient():
    four, given = networks(), batch()
    d = DiscriminatorLoss()(four, given, step=1)
    GeneratorLoss()(four, given, epoch=1).backward()
    assert all(p.grad is None for p in parameters(four.discriminator))
    d.backward()
    assert four.discriminator.into.weight.grad.any()


# The source's code, literally ---------------------------------------------------------------------


@pytest.mark.parametrize("step", [1, 16])
def test_the_discriminator_s_total_and_gradient_are_those_of_the_source(step):
    four, given = networks(), batch()
    found = DiscriminatorLoss(w_r1=0.7)(four, given, step=step)
    expected, penalty = plain.discriminator_total(four, given, step=step, w_r1=0.7)
    torch.testing.assert_close(found.total, expected)
    torch.testing.assert_close(found["r1"], penalty)
    assert found.weights["r1"] == pytest.approx(0.7 * 16 if step == 16 else 0)
    for got, wanted in zip(
        gradients(found.total, four.discriminator),
        gradients(expected, four.discriminator),
        strict=True,
    ):
        torch.testing.assert_close(got, wanted)


SETTINGS = (
    {"epoch": 1},
    {"epoch": 11, "w_id": 0.5},
    {"epoch": 21},
    {"epoch": 3, "ds_margin": 0.01},
    {"epoch": 2, "w_adv": 2.0, "w_sty": 0.3, "w_cyc": 4.0, "w_ds": 0.5, "ds_decay_epochs": 3},
    {"epoch": 1, "w_cyc": 0.0, "w_sty": 0.0},
    {"epoch": 30, "w_adv": 0.0},
)


@pytest.mark.parametrize("second", [False, True])
@pytest.mark.parametrize("options", SETTINGS, ids=str)
def test_the_generator_s_total_and_gradients_are_those_of_the_source(options, second):
    four, given = networks(), batch(second=second)
    expected, logged = plain.generator_total(four, given, **options)
    epoch, rest = options["epoch"], {k: v for k, v in options.items() if k != "epoch"}
    found = GeneratorLoss(**rest)(four, given, epoch=epoch)
    torch.testing.assert_close(found.total, expected)
    for name, value in logged.items():
        torch.testing.assert_close(found[name.removeprefix("g_")], value)
    for network in four[:3]:
        for got, wanted in zip(
            gradients(found.total, network), gradients(expected, network), strict=True
        ):
            torch.testing.assert_close(got, wanted)
    # What is not used is monitored without a graph.
    for name, weight in found.weights.items():
        assert found[name].requires_grad == (weight != 0), name


def test_what_is_not_used_is_skipped_on_demand():
    four, given = networks(), batch()
    options = {"w_cyc": 0.0, "w_sty": 0.0}
    counted = Counted(four)
    found = GeneratorLoss(skip_unused=True, **options)(counted.four, given, epoch=30)
    torch.testing.assert_close(found.total, GeneratorLoss(**options)(four, given, epoch=30).total)
    assert [found[name].item() for name in ("sty", "ds", "cyc", "id")] == [0, 0, 0, 0]
    assert counted.calls == {"generator": 2, "style_encoder": 1, "mapping": 1, "discriminator": 2}


def test_the_identity_can_be_watched_without_a_weight():
    four, given = networks(), batch()
    wanted = GeneratorLoss(w_id=1.0)(four, given, epoch=1)["id"]
    plain_, watched = (
        GeneratorLoss(monitor=monitor)(four, given, epoch=1) for monitor in (False, True)
    )
    assert plain_["id"].item() == 0 != wanted.item()
    torch.testing.assert_close(watched["id"], wanted.detach())
    assert not watched["id"].requires_grad
    torch.testing.assert_close(watched.total, plain_.total)
    for network in four[:3]:
        for got, expected in zip(
            gradients(watched.total, network), gradients(plain_.total, network), strict=True
        ):
            torch.testing.assert_close(got, expected)
    # Also where all that can be left out is, and nothing else asks for the style of the source.
    found = GeneratorLoss(skip_unused=True, w_cyc=0.0, monitor=True)(four, given, epoch=1)
    torch.testing.assert_close(found["id"], wanted.detach())
    counted = Counted(four)
    GeneratorLoss(monitor=True)(counted.four, given, epoch=1)
    assert tuple(counted.calls.values()) == (6, 4, 2, 2)


def test_forward_passes_are_shared():
    counts = {}
    for name, run in {
        "D": lambda four: DiscriminatorLoss()(four, batch(), step=1),
        "D of the source": lambda four: plain.discriminator_total(four, batch(), step=1),
        "R1": lambda four: DiscriminatorLoss()(four, batch(), step=16),
        "R1 of the source": lambda four: plain.discriminator_total(four, batch(), step=16),
        "G": lambda four: GeneratorLoss(w_id=1.0)(four, batch(), epoch=1),
        "G of the source": lambda four: plain.generator_total(four, batch(), epoch=1, w_id=1.0),
    }.items():
        counted = Counted(networks())
        run(counted.four)
        counts[name] = tuple(counted.calls.values())
    assert counts == {
        "D": (2, 1, 1, 3),
        "D of the source": (2, 1, 1, 4),
        "R1": (2, 1, 1, 3),
        "R1 of the source": (2, 1, 1, 5),
        "G": (6, 4, 2, 2),
        "G of the source": (7, 5, 3, 2),
    }


# When R1 is due -----------------------------------------------------------------------------------


def test_r1_is_due_in_every_step_that_the_interval_divides():
    loss = DiscriminatorLoss(r1_interval=4)
    assert [step for step in range(1, 14) if loss.computes_r1(step)] == [4, 8, 12]
    assert all(DiscriminatorLoss(r1_interval=1).computes_r1(step) for step in range(1, 9))


@pytest.mark.parametrize("steps", [1, 15, 16, 17, 37, 64])
def test_a_count_that_restarts_in_every_epoch_fires_less_often_or_never(steps):
    loss, epochs = DiscriminatorLoss(steps_per_epoch=steps), 5
    fires = sum(loss.computes_r1(step) for step in range(1, epochs * steps + 1))
    assert fires == epochs * (steps // 16)
    formula = symbolic.FIRES_RESTARTED.subs({symbolic.steps: steps, symbolic.interval: 16})
    assert fires == epochs * int(formula)


def test_off_its_steps_r1_is_zero_and_a_monitor():
    found = DiscriminatorLoss()(networks(), batch(), step=15)
    assert found["r1"] == 0
    assert found.weights["r1"] == 0
    torch.testing.assert_close(found.total, found["d_hinge"])


def test_with_weight_0_r1_is_only_logged():
    four = networks()
    found = DiscriminatorLoss(w_r1=0.0)(four, batch(), step=16)
    torch.testing.assert_close(
        found["r1"].detach(), DiscriminatorLoss()(four, batch(), step=16)["r1"].detach()
    )
    assert not found["r1"].requires_grad
    assert found["r1"] > 0
    torch.testing.assert_close(found.total, found["d_hinge"])


def test_half_is_that_of_stargan():
    four = networks()
    whole = DiscriminatorLoss()(four, batch(), step=16)
    halved = DiscriminatorLoss(half=True)(four, batch(), step=16)
    torch.testing.assert_close(2 * halved["r1"], whole["r1"])
    assert "half=True" in repr(DiscriminatorLoss(half=True))
    assert isinstance(DiscriminatorLoss().half(), DiscriminatorLoss)


def test_monitors_tell_what_a_hinge_of_two_does_not():
    given = batch()
    # Logits of one constant, and ones that tell apart within the margins.
    for logits, gap, positive in (((0.9, 0.9), 0.0, (1.0, 1.0)), ((0.5, -0.5), 1.0, (1.0, 0.0))):
        answers = iter([logits[0], logits[1], logits[1]])

        def discriminate(x, y, answers=answers):
            return torch.full((len(x), 1), next(answers))

        four = networks()._replace(discriminator=discriminate)
        found = DiscriminatorLoss(monitor=True)(four, given, step=1)
        assert found["logit_gap"].item() == pytest.approx(gap, abs=1e-6)
        assert found["d_hinge"].item() == pytest.approx(2 - gap)
        assert (found["real_positive"].item(), found["fake_positive"].item()) == positive
        assert found.weights["logit_gap"] == 0


# Where it runs ------------------------------------------------------------------------------------


@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode])
def test_in_validation_all_is_computed_and_nothing_has_a_graph(context):
    four, given = networks(), batch()
    d, g = DiscriminatorLoss(monitor=True), GeneratorLoss(w_id=1.0)
    expected = d(four, given, step=16).log(), g(four, given, epoch=1).log()
    with context():
        inside = TranslationBatch(*(v if v is None else v.clone() for v in given))
        for one in (given, inside):
            found = d(four, one, step=16), g(four, one, epoch=1)
            assert [each.log() for each in found] == [pytest.approx(e) for e in expected]
            assert not any(t.requires_grad for each in found for t in each.values())


def test_one_autocast_around_both_trains_every_network():
    """Under it torch keeps the weights it casts, also those it cast without a graph."""
    four, given = networks(), batch()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        d = DiscriminatorLoss()(four, given, step=1)
        g = GeneratorLoss(w_id=1.0)(four, given, epoch=1)
    assert reached(d.total, four) == [False, False, False, True]
    assert reached(g.total, four) == [True, True, True, False]
    assert d.total.dtype is g.total.dtype is torch.float32


def test_under_autocast_r1_is_computed_in_float32():
    four, given = networks(), batch()
    expected = DiscriminatorLoss()(four, given, step=16)["r1"]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = DiscriminatorLoss()(four, given, step=16)
        half = DiscriminatorLoss()(four, given.to(torch.bfloat16), step=16)
    torch.testing.assert_close(found["r1"], expected, rtol=0, atol=0)
    torch.testing.assert_close(half["r1"], expected, rtol=0.02, atol=0)
    assert reached(found["r1"], four) == [False, False, False, True]


def test_float64_stays_float64_and_half_precision_becomes_float32():
    for dtype, expected in ((torch.float64, torch.float64), (torch.bfloat16, torch.float32)):
        four = Networks(*(network.to(dtype) for network in networks()))
        for loss in (
            DiscriminatorLoss(monitor=True)(four, batch(dtype=dtype), step=16),
            GeneratorLoss()(four, batch(dtype=dtype), epoch=1),
        ):
            assert {t.dtype for t in loss.values()} == {expected}


@pytest.mark.compiles
def test_compiled_networks_are_taken_as_they_are_and_r1_too():
    torch.compiler.reset()
    four, given = networks(), batch()
    compiled = Networks(*(torch.compile(network, backend="aot_eager") for network in four))
    for loss, options in (
        (DiscriminatorLoss(), {"step": 1}),
        (DiscriminatorLoss(), {"step": 16}),
        (GeneratorLoss(w_id=1.0), {"epoch": 1}),
    ):
        found, expected = loss(compiled, given, **options), loss(four, given, **options)
        torch.testing.assert_close(found.total, expected.total)
        for network in four:
            for got, wanted in zip(
                gradients(found.total, network), gradients(expected.total, network), strict=True
            ):
                torch.testing.assert_close(got, wanted)
        assert reached(found.total, four) == reached(expected.total, four)


@pytest.mark.compiles
def test_losses_compile_but_for_r1_and_epochs_and_steps_make_no_graphs_of_their_own():
    four, given = networks(), batch()
    for loss, name, values in (
        (GeneratorLoss(), "epoch", range(1, 12)),
        (DiscriminatorLoss(), "step", range(1, 12)),
    ):
        torch.compiler.reset()
        counter = CompileCounter()
        compiled = torch.compile(loss, fullgraph=True, backend=counter)
        for value in values:
            found = compiled(four, given, **{name: value})
            expected = loss(four, given, **{name: value})
            torch.testing.assert_close(found.total, expected.total)
            assert reached(found.total, four) == reached(expected.total, four)
        assert counter.frame_count <= 3
    torch.compiler.reset()
    for full in (True, False):
        compiled = torch.compile(DiscriminatorLoss(), fullgraph=full, backend="aot_eager")
        with pytest.raises(RuntimeError, match="compile the networks|Observed exception"):
            compiled(four, given, step=16)


def test_losses_are_copied_and_pickled():
    four, given = networks(), batch()
    for loss, options in (
        (DiscriminatorLoss(r1_interval=2, half=True), {"step": 2}),
        (GeneratorLoss(ds_margin=0.1, w_id=2.0), {"epoch": 4}),
    ):
        for again in (copy.deepcopy(loss), pickle.loads(pickle.dumps(loss))):
            assert again(four, given, **options).log() == loss(four, given, **options).log()
            assert repr(again) == repr(loss)
        assert not list(loss.parameters())


def test_a_short_training_learns_to_translate():
    torch.manual_seed(0)
    four, given = networks(), batch(16)
    sides = parameters(four.discriminator), [p for n in four[:3] for p in parameters(n)]
    optimizers = [torch.optim.Adam(side, lr=2e-3, betas=(0.0, 0.99)) for side in sides]
    losses = DiscriminatorLoss(r1_interval=4), GeneratorLoss()
    first = losses[1](four, given, epoch=1)["cyc"].item()
    for step in range(1, 61):
        for loss, optimizer, option in zip(
            losses, optimizers, ({"step": step}, {"epoch": 1 + step // 20}), strict=True
        ):
            optimizer.zero_grad()
            loss(four, given, **option).backward()
            optimizer.step()
    assert losses[1](four, given, epoch=4)["cyc"].item() < 0.9 * first


# What is refused ----------------------------------------------------------------------------------

WRONG = [
    ({"y_trg": torch.ones(4)}, TypeError, r"y_trg must hold labels in int64.*y_trg.long\(\)"),
    ({"y_src": [0, 0, 0, 0]}, TypeError, "y_src must be a torch.Tensor, got list"),
    ({"y_src": torch.eye(4).long()}, ValueError, r"of one-hot labels pass y_src.argmax\(1\)"),
    ({"y_trg": torch.ones(4, 1).long()}, ValueError, r"\(4, 1\); pass y_trg.squeeze\(1\)"),
    ({"y_src": torch.zeros(3).long()}, ValueError, "y_src has 3"),
    (
        {"content": torch.zeros(4, 3, 6, 6)},
        ValueError,
        "content and x_ref must have the same shape",
    ),
    ({"content": torch.zeros(4)}, ValueError, r"content must have shape \(B, C, ...\)"),
    ({"z_2": torch.zeros(4, 7)}, ValueError, "z_trg and z_2 must have the same shape"),
    ({"z_1": torch.zeros(2, 6)}, ValueError, "z_1 has 2"),
    ({"z_trg": torch.zeros(4, 6).double()}, TypeError, "z_trg is torch.float64"),
]


@pytest.mark.own_errors
@pytest.mark.parametrize(("wrong", "error", "message"), WRONG, ids=lambda v: str(v)[:30])
def test_a_batch_that_does_not_fit_is_refused_at_the_door(wrong, error, message):
    calls = Counted(networks())
    for loss, options in ((DiscriminatorLoss(), {"step": 1}), (GeneratorLoss(), {"epoch": 1})):
        with pytest.raises(error, match=message):
            loss(calls.four, batch()._replace(**wrong), **options)
    assert not any(calls.calls.values())


ANSWERS = [
    (
        "generator",
        lambda a, b: a[:, :3],
        r"the shape of content \(4, 4, 6, 6\), got \(4, 3, 6, 6\)",
    ),
    ("generator", lambda a, b: (a, b), "must be one tensor, got a tuple of 2"),
    ("style_encoder", lambda a, b: a.mean(), "must have one row for each of the 4"),
    ("mapping", lambda a, b: None, "is missing"),
    ("mapping", lambda a, b: a.long(), "must be a floating-point"),
    (
        "discriminator",
        lambda a, b: a.new_zeros(4, 2),
        "of one logit a domain pick that of the label",
    ),
    ("discriminator", lambda a, b: a.new_zeros(()), "must have one row"),
]


@pytest.mark.own_errors
@pytest.mark.parametrize(("name", "answer", "message"), ANSWERS)
def test_an_answer_that_does_not_fit_names_the_network(name, answer, message):
    four = networks()._replace(**{name: answer})
    for loss, options in ((DiscriminatorLoss(), {"step": 16}), (GeneratorLoss(), {"epoch": 1})):
        wrong = rf"what networks.{name} returned.*{message}"
        with pytest.raises((TypeError, ValueError), match=wrong):
            loss(four, batch(), **options)


@pytest.mark.own_errors
def test_other_things_than_networks_and_batches_are_refused():
    four, given = networks(), batch()
    for loss, options in ((DiscriminatorLoss(), {"step": 1}), (GeneratorLoss(), {"epoch": 1})):
        with pytest.raises(TypeError, match=r"networks must be Networks, got tuple.*Networks\("):
            loss(tuple(four), given, **options)
        with pytest.raises(TypeError, match="networks.mapping must be callable, got NoneType"):
            loss(four._replace(mapping=None), given, **options)
        with pytest.raises(
            TypeError, match="batch must be a TranslationBatch or a mapping, got tuple"
        ):
            loss(four, tuple(given), **options)
    with pytest.raises(
        ValueError, match=r"step must be at least 1, got 0; count from 1: step \+ 1"
    ):
        DiscriminatorLoss()(four, given, step=0)
    with pytest.raises(TypeError, match="step must be a Python integer"):
        DiscriminatorLoss()(four, given, step=1.0)
    with pytest.raises(ValueError, match="epoch must be at least 1"):
        GeneratorLoss()(four, given, epoch=0)
    with pytest.raises(TypeError, match="takes no option 'w_div'"):
        GeneratorLoss(w_div=1.0)
    with pytest.raises(ValueError, match=r"w_r1 \* r1_interval must be finite"):
        DiscriminatorLoss(w_r1=1e308)


@pytest.mark.own_errors
def test_check_values_sees_scales_that_differ_labels_below_0_and_the_same_noise_twice():
    four, given = networks(), batch()
    g = GeneratorLoss()
    with lossbook.check_values(), pytest.warns(UserWarning, match="content has a standard.*scale"):
        g(four, given._replace(content=given.content / 0.18215), epoch=1)
    with lossbook.check_values(), pytest.warns(UserWarning, match="z_2 is the same noise"):
        g(four, given._replace(z_2=given.z_trg), epoch=1)
    with lossbook.check_values(), pytest.warns(UserWarning, match="z_1 is the same noise"):
        g(four, given._replace(z_1=given.z_2), epoch=1)
    with lossbook.check_values(), pytest.raises(ValueError, match="y_src must hold labels from 0"):
        g(four, given._replace(y_src=given.y_src - 1), epoch=1)
    with lossbook.check_values(), pytest.raises(ValueError, match="x_ref holds 576 NaN"):
        g(four, given._replace(x_ref=given.x_ref * torch.nan), epoch=1)


def test_a_batch_is_moved_without_its_labels_becoming_numbers():
    moved = batch(second=True).to(torch.float64)
    assert moved.content.dtype is moved.z_1.dtype is torch.float64
    assert moved.y_src.dtype is moved.y_trg.dtype is torch.int64
    assert batch().to("meta").y_trg.is_meta
    assert batch().to("cpu").z_1 is None


class Copies(TorchDispatchMode):
    def __init__(self):
        super().__init__()
        self.blocking = []

    def __torch_dispatch__(self, operator, types, args=(), kwargs=None):
        if operator is torch.ops.aten._to_copy.default:
            self.blocking.append(not kwargs.get("non_blocking", False))
        return operator(*args, **(kwargs or {}))


def test_a_batch_is_moved_once_and_waits_for_no_label():
    given, half = batch(), torch.zeros((), dtype=torch.half, device="meta")
    for arguments, options in (
        (("meta",), {"non_blocking": True}),
        (("meta", torch.half, True), {}),
        ((half, True), {}),
        ((), {"other": half, "non_blocking": True}),
        ((), {"device": "meta", "dtype": torch.half, "non_blocking": True}),
    ):
        with Copies() as copies:
            moved = given.to(*arguments, **options)
        assert copies.blocking == [False] * 6
        assert moved.y_trg.is_meta
        assert moved.y_trg.dtype is torch.int64


def test_a_batch_is_picked_from_a_row_with_other_keys():
    given = batch(second=True)
    row = {**given._asdict(), "image": torch.zeros(4, 3, 8, 8), "id": ["a"] * 4, 0: 1}
    assert all(a is b for a, b in zip(TranslationBatch.pick(row), given, strict=True))
    noise = {name: row.pop(name) for name in ("z_trg", "z_2")}
    del row["z_1"]
    picked = TranslationBatch.pick(row, **noise)
    assert type(picked) is TranslationBatch
    assert picked.z_1 is None
    assert picked.z_2 is given.z_2
    assert TranslationBatch.pick(row | noise, z_2=given.z_1).z_2 is given.z_1


@pytest.mark.own_errors
def test_a_row_that_lacks_a_field_says_which():
    row = batch()._asdict()
    del row["z_trg"], row["z_2"], row["z_1"]
    with pytest.raises(ValueError, match=r"pick\(row, z_trg=..., z_2=...\)"):
        TranslationBatch.pick(row)
    with pytest.raises(TypeError, match="pick has no 'z_3'"):
        TranslationBatch.pick(row, z_3=torch.zeros(4, 6))
    with pytest.raises(TypeError, match="pick takes a mapping, got TranslationBatch"):
        TranslationBatch.pick(batch())
    with pytest.warns(UserWarning, match="passes over 'z1'; did you mean 'z_1'"):
        TranslationBatch.pick({**row, "z1": 0}, z_trg=batch().z_trg, z_2=batch().z_2)


def test_a_discriminator_without_parameters_will_do():
    four = networks()._replace(discriminator=lambda x, y: x.flatten(1).sum(1))
    term = GeneratorLoss()(four, batch(), epoch=1)["adv"]
    assert reached(term, four[:3]) == [True, True, True]


@pytest.mark.own_errors
@pytest.mark.parametrize(
    ("labels", "fix"),
    [
        (torch.eye(6), r"float32 of shape \(6, 6\); of one-hot labels pass y_trg.argmax\(1\)$"),
        (torch.zeros(6, 1), r"convert it with y_trg.squeeze\(1\).long\(\)$"),
        (torch.zeros(6), r"convert it with y_trg.long\(\)$"),
    ],
)
def test_labels_of_another_kind_are_told_how_to_become_labels(labels, fix):
    with pytest.raises(TypeError, match=f"y_trg must hold labels in int64, got torch.{fix}|{fix}"):
        DiscriminatorLoss()(networks(), batch()._replace(y_trg=labels), step=1)


def test_a_mapping_of_the_fields_will_do():
    given, four = batch(), networks()
    row = given._asdict()
    del row["z_1"]
    for found, expected in (
        (DiscriminatorLoss()(four, row, step=1), DiscriminatorLoss()(four, given, step=1)),
        (GeneratorLoss()(four, row, epoch=1), GeneratorLoss()(four, given, epoch=1)),
    ):
        assert found.log() == expected.log()


@pytest.mark.own_errors
def test_a_loader_s_row_is_told_to_be_picked_with_its_noise():
    row = batch()._asdict()
    del row["z_trg"], row["z_2"]
    message = r"batch has no z_trg, z_2; pass TranslationBatch.pick\(batch, z_trg=..., z_2=...\)$"
    with pytest.raises(ValueError, match=message):
        DiscriminatorLoss()(networks(), row, step=1)
    message = r"holds 'typeface' besides the fields; pass TranslationBatch.pick\(batch\)$"
    with pytest.raises(ValueError, match=message):
        GeneratorLoss()(networks(), batch()._asdict() | {"typeface": ["serif"]}, epoch=1)


def test_samples_are_collated_with_and_without_a_second_noise():
    given = batch(second=True)
    for whole in (given, given._replace(z_1=None)):
        samples = [
            TranslationBatch(*(None if field is None else field[i] for field in whole))
            for i in range(len(given.content))
        ]
        found = torch.utils.data.default_collate(samples)
        assert type(found) is TranslationBatch
        assert (found.z_1 is None) == (whole.z_1 is None)
        for field, expected in zip(found, whole, strict=True):
            assert field is None or torch.equal(field, expected)
    uneven = [samples[0], samples[1]._replace(z_1=samples[1].z_2)]
    with pytest.raises(ValueError, match="z_1 is missing in 1 of 2 samples; give every sample one"):
        torch.utils.data.default_collate(uneven)


@pytest.mark.own_errors
def test_latents_that_are_not_scaled_are_told_of(recwarn):
    given = batch()
    latents = torch.randn(given.content.shape, generator=torch.Generator().manual_seed(0))
    with lossbook.check_values():
        for scale in (1.0, 2.5):
            four = given._replace(content=scale * latents, x_ref=scale * latents.flip(0))
            DiscriminatorLoss()(networks(), four, step=1)
        assert not recwarn
        four = given._replace(content=5.5 * latents, x_ref=5.5 * latents.flip(0))
        message = "standard deviation of 5.*scaled latents one of about 1; multiply both by their"
        with pytest.warns(UserWarning, match=message):
            DiscriminatorLoss()(networks(), four, step=1)
