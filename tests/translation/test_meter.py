"""The curves of the source, and what Adam is given beside a lazy penalty."""

import copy
import pickle

import pytest
import torch
from ranks import two_ranks_of
from torch.utils import _pytree as pytree
from translation_networks import batch, networks

from lossbook import LossTerms
from lossbook.translation import DiscriminatorLoss, EpochMeter, GeneratorLoss, lazy_adam, log_of
from lossbook.translation.meter import LOG_NAMES


def test_a_pair_has_the_names_and_numbers_of_the_source():
    four, given = networks(), batch()
    d = DiscriminatorLoss()(four, given, step=16)
    g = GeneratorLoss(w_id=2.0)(four, given, epoch=1)
    found = log_of(d, g)
    assert tuple(found) == LOG_NAMES
    assert found["d_loss"] == d.total
    assert found["d_loss"].item() == pytest.approx((d["d_hinge"] + 16 * d["r1"]).item())
    assert found["g_loss"] == g.total
    assert found["g_adv"] == g["adv"]
    assert found["ds"] > 0
    assert not any(value.requires_grad for value in found.values())
    monitored = DiscriminatorLoss(monitor=True)(four, given, step=1)
    assert tuple(log_of(monitored, g)) == (
        *LOG_NAMES,
        "logit_gap",
        "real_positive",
        "fake_positive",
    )


@pytest.mark.own_errors
def test_a_group_goes_to_the_means():
    for make in (lambda: EpochMeter(group="world"), lambda: EpochMeter("world")):
        with pytest.raises(TypeError, match=r"takes no options, got .*means\(group='world'\)"):
            make()


def test_means_are_the_source_s_running_sums():
    four, d_loss, g_loss = networks(), DiscriminatorLoss(r1_interval=4), GeneratorLoss()
    meter, running, computed = EpochMeter(), dict.fromkeys(LOG_NAMES, 0.0), []
    for step in range(1, 11):
        given = batch(seed=step)
        d, g = d_loss(four, given, step=step), g_loss(four, given, epoch=1)
        due = d_loss.computes_r1(step)
        meter.update_pair(d, g, absent=("id",) if due else ("r1", "id"))
        for name, value in log_of(d, g).items():
            running[name] += value.item()
        computed += [d["r1"].item()] * due
    assert meter.steps == 10
    assert meter.means() == pytest.approx({n: v / 10 for n, v in running.items()})
    found = meter.means_computed()
    assert found["r1"] == pytest.approx(sum(computed) / 2)
    assert found["r1"] == pytest.approx(meter.means()["r1"] * 10 / 2)
    assert found["d_loss"] == meter.means()["d_loss"]
    assert found["id"] != found["id"]
    meter.reset()
    assert (meter.steps, meter.means(), meter.means_computed()) == (0, {}, {})


@pytest.mark.parametrize("w_r1", [0.0, 1.0])
def test_whether_r1_was_computed_need_not_be_said(w_r1):
    four, given = networks(), batch()
    d_loss, g = DiscriminatorLoss(w_r1=w_r1, r1_interval=4), GeneratorLoss()(four, given, epoch=1)
    merged = LossTerms({"more": torch.tensor(1.0)}, {"more": 1.0})
    pair, alone, said = EpochMeter(), EpochMeter(), EpochMeter()
    for step in range(1, 9):
        d = d_loss(four, given, step=step)
        pair.update_pair(d, g)
        said.update_pair(d, g, absent=("id",) if d_loss.computes_r1(step) else ("r1", "id"))
        leaves, spec = pytree.tree_flatten(d)
        for again in (
            d / 2,
            d | merged,
            merged | d,
            d.detach(),
            copy.deepcopy(d.detach()),
            pytree.tree_unflatten(leaves, spec),
        ):
            alone.update(again)
        last = d["r1"].item() if d_loss.computes_r1(step) else 0.0
    for meter in (pair, alone, said):
        assert meter.means_computed()["r1"] == pytest.approx(last)
        assert meter.means()["r1"] == pytest.approx(last / 4)
    assert pair.means_computed()["id"] == 0


def test_numbers_tensors_and_terms_may_be_mixed():
    meter = EpochMeter()
    meter.update({"a": 1.0, "b": torch.tensor(2.0, requires_grad=True)})
    meter.update({"a": torch.tensor(3.0), "b": 4})
    meter.update({"b": torch.tensor(6.0)})
    assert meter.means() == {"a": pytest.approx(4 / 3), "b": 4.0}
    assert meter.means_computed() == {"a": 2.0, "b": 4.0}
    meter.update(LossTerms({"data": torch.tensor(2.0)}, {"data": 0.5}))
    assert meter.means_computed()["total"] == 1


def test_many_small_steps_are_added_up_in_float64():
    meter = EpochMeter()
    for _ in range(3000):
        meter.update({"a": torch.tensor(0.1)})
    assert meter.means()["a"] == pytest.approx(torch.tensor(0.1).item(), rel=1e-12)


def test_no_step_waits_for_the_device():
    """On the meta device there are no values: any synchronisation would raise."""
    meter = EpochMeter()
    for _ in range(3):
        meter.update({"a": torch.ones((), device="meta")})
    assert meter.steps == 3


def test_an_epoch_goes_on_where_its_state_was_stored(tmp_path):
    meter = EpochMeter()
    meter.update({"a": torch.tensor(1.0), "r1": 0.0}, absent=("r1",))
    torch.save(meter.state_dict(), tmp_path / "meter.pt")
    other = EpochMeter()
    other.load_state_dict(torch.load(tmp_path / "meter.pt", weights_only=True))
    for one in (meter, other, copy.deepcopy(meter), pickle.loads(pickle.dumps(meter))):
        one.update({"a": torch.tensor(3.0), "r1": 8.0})
        assert one.means() == {"a": 2.0, "r1": 4.0}
        assert one.means_computed() == {"a": 2.0, "r1": 8.0}
        assert repr(one) == "EpochMeter(steps=2, names=['a', 'r1'])"


@pytest.mark.own_errors
def test_what_cannot_be_added_is_refused():
    meter = EpochMeter()
    for loss, options, error, message in (
        (torch.tensor(1.0), {}, TypeError, "loss must be a LossTerms or a mapping"),
        ({"a": "1"}, {}, TypeError, "a must be a number or a tensor, got str"),
        ({"a": True}, {}, TypeError, "a must be a number or a tensor, got bool"),
        ({"a": torch.ones(2)}, {}, ValueError, r"a must be a scalar, got shape \(2,\)"),
        ({"a": torch.tensor(1)}, {}, TypeError, "a must be a floating-point tensor"),
        ({"a": 1.0}, {"absent": "r1"}, TypeError, r"write absent=\('r1',\)"),
        ({"a": 1.0}, {"absent": ("r1",)}, ValueError, "absent names 'r1', which is not there"),
    ):
        with pytest.raises(error, match=message):
            meter.update(loss, **options)
    assert meter.steps == 0
    with pytest.raises(ValueError, match="state must hold steps, counts and sums, got a"):
        meter.load_state_dict({"a": 1})
    d, g = DiscriminatorLoss(), GeneratorLoss()
    pair = d(networks(), batch(), step=1), g(networks(), batch(), epoch=1)
    with pytest.raises(TypeError, match=r"write absent=\('id',\)"):
        meter.update_pair(*pair, absent="id")
    with pytest.raises(TypeError, match=r"got LossTerms; merge both with d \| g.*g.backward"):
        _ = pair[0] + pair[1]
    terms = LossTerms({"data": torch.tensor(2.0)}, {"data": 0.5})
    with pytest.raises(ValueError, match="d_terms must hold the terms d_hinge, r1, got data"):
        log_of(terms, terms)
    with pytest.raises(TypeError, match="d_terms must be a LossTerms, got float"):
        log_of(1.0, terms)
    with pytest.raises(RuntimeError, match="torch.distributed is not initialised"):
        meter.means(group="world")


def of_a_rank(rank):
    meter = EpochMeter()
    for step in range(2 + rank):
        r1 = float(step) if step == 1 else 0.0
        meter.update({"a": torch.tensor(10.0 * rank), "r1": r1}, absent=() if r1 else ("r1",))
    with torch.no_grad():
        return meter.means(group="world"), meter.means_computed(group="world"), meter.means()


def of_a_rank_in_order(rank):
    meter = EpochMeter()
    meter.update(dict.fromkeys(LOG_NAMES, 1.0 + rank))
    with torch.no_grad():
        return meter.means(group="world"), meter.means_computed(group="world")


def both_of_a_rank(rank):
    return of_a_rank(rank), of_a_rank_in_order(rank)


two_ranks = two_ranks_of(both_of_a_rank)


@pytest.mark.spawns
def test_means_over_ranks_count_every_step_once(two_ranks):
    for rank, ((means, computed, own), _) in enumerate(two_ranks):
        assert means == pytest.approx({"a": 30 / 5, "r1": 2 / 5})
        assert computed == pytest.approx({"a": 30 / 5, "r1": 1.0})
        assert own == pytest.approx({"a": 10 * rank, "r1": 1 / (2 + rank)})


@pytest.mark.spawns
def test_means_over_ranks_keep_the_order_of_the_source(two_ranks):
    for _, found in two_ranks:
        for means in found:
            assert tuple(means) == LOG_NAMES
            assert means == dict.fromkeys(LOG_NAMES, 1.5)


# lazy_adam --------------------------------------------------------------------------------------


def test_lazy_adam_warns_first_of_what_it_does_beside_the_discriminator_s_loss():
    above = lazy_adam.__doc__.split("In StyleGAN2")[0]
    assert "DiscriminatorLoss" in above
    assert "only the lower learning rate is left" in above


@pytest.mark.parametrize(
    ("interval", "lr", "beta"),
    [(4, 0.0016, 0.991992), (16, 0.002 * 16 / 17, 0.99 ** (16 / 17)), (1, 0.001, 0.99**0.5)],
)
def test_lazy_adam_is_that_of_stylegan2(interval, lr, beta):
    """Its generator has an interval of 4 and its discriminator of 16, at 0.002 and (0, 0.99)."""
    found = lazy_adam(0.002, interval=interval)
    assert found["lr"] == pytest.approx(lr)
    assert found["betas"] == (0.0, pytest.approx(beta, abs=1e-6))
    torch.optim.Adam([torch.zeros(1, requires_grad=True)], **found)


@pytest.mark.own_errors
@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        ((0.002,), {"interval": 0}, ValueError, "interval must be at least 1, got 0"),
        ((0.002,), {"interval": 2.0}, TypeError, "interval must be a Python integer"),
        ((-1.0,), {"interval": 2}, ValueError, "lr must be finite and at least 0"),
        ((0.1, 0.99), {"interval": 2}, TypeError, "betas must be two numbers, got 0.99"),
        ((0.1, (0.0, 1.0)), {"interval": 2}, ValueError, r"betas\[1\] must be below 1, got 1.0"),
    ],
)
def test_lazy_adam_refuses_what_adam_would(arguments, options, error, message):
    with pytest.raises(error, match=message):
        lazy_adam(*arguments, **options)
