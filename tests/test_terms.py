import copy
import multiprocessing
import operator
import pickle
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from unittest import mock

import pytest
import torch
from torch._dynamo.testing import CompileCounter
from torch.utils import _pytree as pytree
from translation_networks import batch, networks

from lossbook import LossTerms, check_values
from lossbook.translation import DiscriminatorLoss


def two_terms():
    data = torch.tensor(2.0, requires_grad=True)
    prior = torch.tensor(8.0, requires_grad=True)
    return data, prior, LossTerms({"data": data, "prior": prior}, {"data": 1.0, "prior": 0.25})


def test_the_total_is_the_weighted_sum_and_so_is_its_gradient():
    data, prior, loss = two_terms()
    assert loss.total == 1.0 * 2.0 + 0.25 * 8.0
    loss.total.backward()
    assert (data.grad, prior.grad) == (torch.tensor(1.0), torch.tensor(0.25))


def test_contributions_add_up_to_the_total():
    *_, loss = two_terms()
    assert sum(loss.contributions().values()) == loss.total


def test_a_monitor_of_weight_zero_never_touches_the_total():
    value = torch.tensor(1.0, requires_grad=True)
    monitor = torch.tensor(torch.inf, requires_grad=True)
    loss = LossTerms({"loss": value, "monitor": monitor}, {"loss": 2.0, "monitor": 0.0})
    loss.total.backward()
    assert loss.total == 2
    assert monitor.grad is None
    assert loss.log()["monitor"] == torch.inf


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_with_only_monitors_the_total_is_zero_and_can_be_back_propagated(dtype):
    monitor = torch.tensor(3.0, dtype=dtype, requires_grad=True)
    loss = LossTerms({"m": monitor}, {"m": 0.0})
    loss.total.backward()
    assert loss.total == 0
    assert loss.total.dtype == dtype
    assert monitor.grad == 0


def test_an_infinite_monitor_contributes_nothing_in_print_either():
    loss = LossTerms({"a": torch.tensor(1.0), "m": torch.tensor(torch.inf)}, {"a": 1.0, "m": 0.0})
    assert loss.contributions() == {"a": 1.0, "m": 0.0}
    assert str(loss).splitlines()[2].split() == ["m", "inf", "0", "0", "0", "%"]


def test_a_weight_may_be_learned():
    weight = torch.tensor(0.5, requires_grad=True)
    loss = LossTerms({"a": torch.tensor(3.0)}, {"a": weight})
    loss.total.backward()
    assert loss.total == 1.5
    assert weight.grad == 3
    assert "0.5" in str(loss)


def test_later_changes_of_the_dictionaries_do_not_reach_it():
    terms, weights = {"a": torch.tensor(1.0)}, {"a": 1.0}
    loss = LossTerms(terms, weights)
    terms["a"], weights["a"] = torch.tensor(5.0), 9.0
    assert loss.log() == {"total": 1.0, "a": 1.0}
    assert loss.weights == {"a": 1.0}


ONE = torch.tensor(1.0)


@pytest.mark.own_errors
@pytest.mark.parametrize(
    ("terms", "weights", "error", "message"),
    [
        ([ONE], {"a": 1.0}, TypeError, "terms must be a dictionary, got list"),
        ({"a": ONE}, [1.0], TypeError, "weights must be a dictionary, got list"),
        ({"a": 2.0}, {"a": 1.0}, TypeError, "a must be a torch.Tensor"),
        ({"a": torch.tensor(2)}, {"a": 1.0}, TypeError, "a must be a floating-point"),
        ({"a": torch.ones(3)}, {"a": 1.0}, ValueError, r"'a' must be a scalar, got shape \(3,\)"),
        ({"a": ONE}, {"a": "1"}, TypeError, "the weight of 'a' must be a Python number"),
        ({"a": ONE}, {"a": float("nan")}, ValueError, "the weight of 'a' must be finite, got nan"),
        ({"total": ONE}, {"total": 1.0}, ValueError, "cannot be named 'total'"),
        ({"a": ONE, "b": ONE}, {"a": 1.0}, ValueError, "same names, got terms .* monitor"),
    ],
)
def test_what_cannot_be_meant_is_refused(terms, weights, error, message):
    with pytest.raises(error, match=message):
        LossTerms(terms, weights)


def test_the_order_of_the_weights_is_that_of_the_terms():
    loss = LossTerms({"a": ONE, "b": 2 * ONE}, {"b": 10.0, "a": 1.0})
    assert list(loss.weights) == ["a", "b"]
    assert loss.total == 21


@pytest.mark.own_errors
@pytest.mark.parametrize(
    ("weight", "error", "message"),
    [
        (torch.ones(3), ValueError, r"weight of 'a' must be a scalar, got shape \(3,\); reduce"),
        (torch.tensor(1j), TypeError, "weight of 'a' must be a floating-point tensor.*complex"),
        (torch.tensor(1), TypeError, "weight of 'a' must be a floating-point tensor.*int64"),
        (1j, TypeError, "weight of 'a' must be a Python number, got complex"),
        (True, TypeError, "weight of 'a' must be a Python number, got bool"),
        (float("-inf"), ValueError, "weight of 'a' must be finite, got -inf"),
        (10**400, ValueError, "weight of 'a' must be finite"),
        (1e39, ValueError, "weight of 'a' must be at most 3.403e"),
        (
            torch.ones((), device="meta"),
            ValueError,
            "one device: a is on cpu, the weight of 'a' is on meta; move one",
        ),
    ],
)
def test_weights_that_cannot_be_meant_are_refused(weight, error, message):
    with pytest.raises(error, match=message):
        LossTerms({"a": ONE}, {"a": weight})


@pytest.mark.own_errors
def test_terms_on_two_devices_are_refused():
    with pytest.raises(ValueError, match="a is on cpu, b is on meta"):
        LossTerms({"a": ONE, "b": torch.ones((), device="meta")}, {"a": 1.0, "b": 1.0})


def test_a_large_weight_is_welcome_in_float64():
    assert LossTerms({"a": ONE.double()}, {"a": 1e39}).total == 1e39


def test_check_values_looks_at_learned_weights():
    spoilt = torch.tensor(torch.nan)
    assert LossTerms({"a": ONE}, {"a": spoilt}).total.isnan()
    with check_values(), pytest.raises(ValueError, match="the weight of 'a' holds 1 NaN"):
        LossTerms({"a": ONE}, {"a": spoilt})


def test_terms_are_read_by_name():
    data, prior, loss = two_terms()
    assert loss["data"] is data
    assert loss["total"] is loss.total
    assert "prior" in loss
    assert "total" in loss
    assert "speed" not in loss
    named = {"total": loss.total, "data": data, "prior": prior}
    assert dict(loss) == dict(loss.items()) == named
    assert [*loss.values()] == [*named.values()]
    with pytest.raises(KeyError, match="no term named 'l2'; there are total, data, prior"):
        loss["l2"]


@pytest.mark.parametrize("name", ["terms", "weights", "total"])
def test_nothing_is_edited_under_the_total(name):
    *_, loss = two_terms()
    with pytest.raises(AttributeError):
        setattr(loss, name, getattr(loss, name))
    if name != "total":
        with pytest.raises(TypeError):
            getattr(loss, name)["data"] = ONE


def test_the_total_is_never_the_same_tensor_as_a_term():
    loss = LossTerms({"a": ONE.clone(), "m": ONE}, {"a": 1.0, "m": 0.0})
    total = loss.total
    total /= 4
    assert loss["a"] == 1


def test_backward_takes_the_options_of_a_tensor():
    data, prior, loss = two_terms()
    loss.backward(retain_graph=True)
    loss.backward(gradient=torch.tensor(2.0), inputs=[prior])
    assert (data.grad, prior.grad) == (torch.tensor(1.0), torch.tensor(0.75))


def test_two_losses_merge_into_one():
    data, _, loss = two_terms()
    merged = loss | LossTerms({"speed": torch.tensor(3.0), "m": ONE}, {"speed": 2.0, "m": 0.0})
    assert merged.log() == {"total": 10.0, "data": 2.0, "prior": 8.0, "speed": 3.0, "m": 1.0}
    merged.backward()
    assert data.grad == 1


@pytest.mark.own_errors
def test_what_cannot_be_merged_or_added_says_what_to_do():
    *_, loss = two_terms()
    with pytest.raises(ValueError, match=r"term named 'data'; .*left.prefixed\('left/'\) \|"):
        _ = loss | loss
    for merge in (lambda: loss | {"a": ONE}, lambda: {"a": ONE} | loss):
        with pytest.raises(TypeError, match="merges two LossTerms, got dict; wrap it"):
            merge()
    for add in (lambda: loss + ONE, lambda: ONE + loss, lambda: 1 + loss, lambda: loss - ONE):
        with pytest.raises(TypeError, match=r"no \+ and -.*loss \| LossTerms.*loss.total"):
            add()
    with pytest.raises(TypeError, match=r"sum\(loss.total for loss in losses\).*a \| b"):
        sum([loss, loss])
    with pytest.raises(TypeError, match="factor must be a Python number, got str"):
        _ = loss * "2"
    with pytest.raises(ValueError, match="divided by 0"):
        _ = loss / 0
    with pytest.raises(TypeError, match="not iterable"):
        list(loss)


@pytest.mark.parametrize("factor", [2.0, 0.5, -1.0, torch.tensor(3.0), 0.0])
def test_a_factor_scales_the_weights_and_leaves_the_terms(factor):
    terms = {"a": torch.tensor(2.0), "w": torch.tensor(3.0), "m": torch.tensor(torch.inf)}
    loss = LossTerms(terms, {"a": 1.5, "w": torch.tensor(2.0), "m": 0.0})
    for scaled in (loss * factor, factor * loss):
        assert scaled.terms == terms
        assert scaled.total == factor * loss.total
        assert scaled.weights["m"] == 0
    assert loss.total == 9


def test_division_is_gradient_accumulation():
    data, prior, loss = two_terms()
    (loss / 4.0).backward()
    assert (data.grad, prior.grad) == (torch.tensor(0.25), torch.tensor(0.0625))


def test_each_weight_takes_a_factor_of_its_own():
    data, prior, loss = two_terms()
    monitored = loss | LossTerms({"m": torch.tensor(torch.inf)}, {"m": 0.0})
    rescaled = monitored.rescaled({"data": 3.0, "prior": torch.tensor(0.5)})
    assert rescaled.total == 3 * 2.0 + 0.5 * 0.25 * 8.0
    assert rescaled.weights == {"data": 3, "prior": 0.125, "m": 0.0}
    assert rescaled.terms == monitored.terms
    rescaled.backward()
    assert (data.grad, prior.grad) == (3, 0.125)
    assert monitored.rescaled({"data": 1.0, "prior": 1.0, "m": 5.0}).weights["m"] == 0
    of_step = DiscriminatorLoss()(networks(), batch(), step=1)
    assert of_step.rescaled(dict.fromkeys(of_step.terms, 2.0))._absent == of_step._absent != ()


@pytest.mark.own_errors
@pytest.mark.parametrize(
    ("factors", "error", "message"),
    [
        (2.0, TypeError, r"factors must be a mapping .*, got float; .* write factor \* loss"),
        ({"data": 1.0, "prior": 1.0, "datum": 1.0}, ValueError, "'datum'.*did you mean data"),
        ({"data": 1.0}, ValueError, "none for 'prior', a term with a weight; pass 1.0"),
        ({"data": 1.0, "prior": "1"}, TypeError, "factor of 'prior' must be a Python number"),
        ({"data": 1.0, "prior": float("nan")}, ValueError, "factor of 'prior' must be finite"),
        ({"data": torch.ones(2), "prior": 1.0}, ValueError, r"scalar, got shape \(2,\)"),
        ({"data": torch.tensor(2), "prior": torch.ones(())}, None, ""),
    ],
)
def test_factors_that_cannot_be_meant_are_refused(factors, error, message):
    *_, loss = two_terms()
    if error is None:
        assert loss.rescaled(factors).total == 6
        return
    with pytest.raises(error, match=message):
        loss.rescaled(factors)


def test_two_losses_of_one_kind_merge_under_longer_names():
    data, _, loss = two_terms()
    merged = loss.prefixed("left/") | (2.0 * loss).prefixed("right/")
    names = ["left/data", "left/prior", "right/data", "right/prior"]
    assert list(merged.terms) == list(merged.weights) == names
    assert merged.total == 3 * loss.total
    merged.backward()
    assert data.grad == 3
    of_step = DiscriminatorLoss()(networks(), batch(), step=1).prefixed("d/")
    assert of_step._absent == ("d/r1",)
    with pytest.raises(ValueError, match="cannot be named 'total'"):
        LossTerms({"al": ONE}, {"al": 1.0}).prefixed("tot")


@pytest.mark.own_errors
def test_a_prefix_is_a_string():
    *_, loss = two_terms()
    with pytest.raises(TypeError, match="prefix must be a string, got int; write 'left/'"):
        loss.prefixed(1)


def test_a_loss_is_equal_to_itself_alone():
    *_, loss = two_terms()
    other = copy.copy(loss)
    assert loss == loss and (loss != loss) is False
    assert loss != other and loss != None and loss != "loss"  # noqa: E711
    assert {loss, other, loss} == {other, loss} and [other, loss].index(loss) == 1
    assert loss == mock.ANY

    @dataclass
    class Step:
        count: int
        loss: LossTerms

    assert Step(1, loss) == Step(1, loss) != Step(1, other)


def test_detach_keeps_the_numbers_and_drops_the_graph():
    weight = torch.tensor(0.5, requires_grad=True)
    value = torch.tensor(3.0, requires_grad=True)
    loss = LossTerms({"a": value**2}, {"a": weight})
    detached = loss.detach()
    assert detached.log() == loss.log()
    for tensor in (detached.total, detached["a"], detached.weights["a"]):
        assert not tensor.requires_grad
    assert loss.total.requires_grad


def test_tensors_are_a_plain_dictionary_whose_total_is_named_as_a_trainer_wants():
    *_, loss = two_terms()
    assert loss.tensors() == {"total": loss.total, **loss.terms}
    found = loss.tensors(total="loss")
    assert type(found) is dict
    assert list(found) == ["loss", "data", "prior"]
    assert found["loss"] is loss.total
    with pytest.raises(ValueError, match="cannot be named 'data': that is a term"):
        loss.tensors(total="data")


def test_it_is_copied_pickled_and_torn_apart_by_pytree():
    weight = torch.tensor(0.5)
    loss = LossTerms({"a": ONE, "b": 2 * ONE}, {"a": weight, "b": 3.0})
    copies = [copy.copy(loss), copy.deepcopy(loss), pickle.loads(pickle.dumps(loss))]
    copies.append(pytree.tree_map(torch.clone, loss))
    for other in copies:
        assert other.log() == loss.log()
        assert str(other) == str(loss)
        assert dict(other.weights) == {"a": weight, "b": 3.0}
    assert len(pytree.tree_leaves(loss)) == 4


@pytest.mark.spawns
def test_it_crosses_processes():
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        assert pool.submit(operator.mul, two_terms()[2].detach(), 2).result().log()["total"] == 8


def test_a_learned_weight_passes_through_vmap():
    def loss(x, w):
        return LossTerms({"a": x}, {"a": w})

    mapped = torch.func.vmap(loss, in_dims=(0, 0))(torch.ones(2), torch.tensor([2.0, 3.0]))
    assert mapped.total.tolist() == mapped.weights["a"].tolist() == [2.0, 3.0]
    gradient = torch.func.grad(lambda w: LossTerms({"a": ONE}, {"a": w}).total)(ONE)
    assert gradient == 1


class Weighted(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.tensor(0.5))

    def forward(self, x):
        return LossTerms({"a": x.sum(), "m": x.mean()}, {"a": self.weight, "m": 0.0})


@pytest.mark.compiles
def test_a_learned_weight_passes_through_export_and_its_file(tmp_path):
    x = torch.ones(3)
    exported = torch.export.export(Weighted(), (x,))
    torch.export.save(exported, tmp_path / "loss.pt2")
    for program in (exported, torch.export.load(tmp_path / "loss.pt2")):
        loss = program.module()(x)
        assert type(loss) is LossTerms
        assert "0.5" in str(loss)
        assert loss.log() == {"total": 1.5, "a": 3.0, "m": 1.0}


@pytest.mark.compiles
def test_all_of_it_compiles_to_one_graph():
    @torch.compile(fullgraph=True, backend="eager")
    def step(x, w):
        loss = LossTerms({"a": x.sum(), "m": x.mean()}, {"m": 0.0, "a": w})
        more = LossTerms._trusted({"b": x.amax()}, {"b": 2.0})
        return loss, loss["a"] + more.terms["b"], loss.detach(), loss.tensors()

    loss, both, detached, tensors = step(torch.ones(4), torch.tensor(3.0))
    assert loss.log() == {"total": 12.0, "a": 4.0, "m": 1.0}
    assert both == 5
    assert detached.log() == {name: value.item() for name, value in tensors.items()}


@pytest.mark.compiles
@pytest.mark.skipif(
    torch.__version__ < (2, 12), reason="older torch does not trace a class's own operators"
)
def test_operators_compile_to_one_graph():
    @torch.compile(fullgraph=True, backend="eager")
    def step(x):
        loss = (LossTerms({"a": x}, {"a": 3.0}) | LossTerms({"b": x}, {"b": 1.0})) * 0.5 / 2
        return loss.rescaled({"a": x, "b": 5.0}).prefixed("c/")

    assert step(ONE).log() == {"total": 2.0, "c/a": 1.0, "c/b": 1.0}


@pytest.mark.compiles
def test_a_scheduled_weight_recompiles_once():
    counter = CompileCounter()

    @torch.compile(fullgraph=True, backend=counter)
    def step(x, w):
        return LossTerms({"a": x.sum(), "b": x.mean()}, {"a": 1.0, "b": w}).total

    for w in (0.1, 0.2, 0.5, 1.0, 1.5):
        assert step(torch.ones(4), w) == pytest.approx(4 + w)
    assert counter.frame_count <= 2


def test_a_float64_monitor_and_a_weight_of_one_do_not_change_the_bits():
    a, b = torch.tensor(0.1), torch.tensor(0.2)
    for w in (1.0, 0.3):
        assert LossTerms({"a": a, "b": b}, {"a": 0.7, "b": w}).total == a * 0.7 + b * w


def test_a_weight_may_be_negative():
    assert LossTerms({"a": ONE}, {"a": -2.0}).total == -2


def test_log_is_plain_floats_with_an_optional_prefix():
    *_, loss = two_terms()
    assert loss.log() == {"total": 4.0, "data": 2.0, "prior": 8.0}
    assert loss.log("train/") == {"train/total": 4.0, "train/data": 2.0, "train/prior": 8.0}
    assert all(type(value) is float for value in loss.log().values())


def test_log_moves_all_numbers_in_one_transfer(monkeypatch):
    *_, loss = two_terms()
    transfers = []
    tolist = torch.Tensor.tolist
    monkeypatch.setattr(torch.Tensor, "tolist", lambda t: transfers.append(t.shape) or tolist(t))
    monkeypatch.setattr(torch.Tensor, "item", lambda t: transfers.append("item"))
    loss.log()
    assert transfers == [(3,)]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_log_keeps_the_digits_of_the_dtype(dtype):
    value = torch.tensor(1 / 3, dtype=dtype)
    assert LossTerms({"a": value}, {"a": 1.0}).log()["a"] == value.item()


def test_printing_aligns_term_weight_contribution_and_share():
    *_, loss = two_terms()
    lines = str(loss).splitlines()
    assert lines[0].split() == ["term", "value", "weight", "contribution", "share"]
    assert lines[2].split() == ["prior", "8", "0.25", "2", "50", "%"]
    assert lines[3].split() == ["total", "4", "100", "%"]
    assert len({len(line) for line in lines}) == 1


def test_printing_survives_a_total_of_zero_and_nan():
    assert "-" in str(LossTerms({"a": torch.tensor(0.0)}, {"a": 1.0}))
    for value in (torch.nan, torch.inf):
        text = str(LossTerms({"a": torch.tensor(value)}, {"a": 1.0}))
        assert str(value) in text
        assert "%" not in text


def test_log_keeps_a_float64_monitor():
    third = torch.tensor(1 / 3, dtype=torch.float64)
    assert LossTerms({"a": ONE, "m": third}, {"a": 1.0, "m": 0.0}).log()["m"] == 1 / 3


def test_names_must_match():
    with pytest.raises(ValueError, match="same names"):
        LossTerms({"a": torch.tensor(0.0)}, {"b": 1.0})
    with pytest.raises(ValueError, match="at least one term"):
        LossTerms({}, {})


def test_it_passes_through_vmap_and_says_why_it_cannot_be_logged_there():
    def loss(x):
        return LossTerms({"square": x**2, "monitor": x}, {"square": 3.0, "monitor": 0.0})

    mapped = torch.func.vmap(loss)(torch.tensor([1.0, 2.0]))
    assert mapped.total.tolist() == [3.0, 12.0]
    assert mapped.weights == {"square": 3.0, "monitor": 0.0}
    with pytest.raises(ValueError, match=r"only scalars.*\(2,\)"):
        mapped.log()


@pytest.mark.compiles
def test_it_comes_out_of_a_compiled_function():
    @torch.compile(fullgraph=True, backend="eager")
    def loss(x):
        return LossTerms({"square": x**2, "monitor": x}, {"square": 3.0, "monitor": 0.0})

    result = loss(torch.tensor(2.0))
    assert type(result) is LossTerms
    assert result.log() == {"total": 12.0, "square": 4.0, "monitor": 2.0}


def test_autocast_leaves_the_terms_alone():
    with torch.autocast("cpu", dtype=torch.bfloat16):
        *_, loss = two_terms()
    assert loss.total.dtype == torch.float32


@pytest.mark.parametrize(
    ("slip", "error", "message"),
    [
        (lambda loss: loss.data_2, AttributeError, "has no attribute 'data_2'$"),
        (lambda loss: loss.prior, AttributeError, r"no attribute 'prior'; write loss\['prior'\]"),
        (lambda loss: loss.mean(), AttributeError, r"'mean', .*; write loss.total.mean\(\)$"),
        (
            lambda loss: loss.cpu(),
            AttributeError,
            r"more than one number; write loss.total.cpu\(\)$",
        ),
        (lambda loss: loss.dtype, AttributeError, "'dtype', .*; write loss.total.dtype$"),
        (lambda loss: loss > 5, TypeError, "compare its total, as in loss.total > 5"),
        (lambda loss: operator.ge(5, loss), TypeError, "compare its total, as in loss.total > 5"),
        (
            lambda loss: operator.lt(ONE, loss),
            TypeError,
            "compare its total, as in loss.total > 5",
        ),
        (lambda loss: loss == 5, TypeError, r"loss.total > 5.*loss.total.isfinite\(\)"),
        (lambda loss: loss != 0.5, TypeError, "compare its total, as in loss.total > 5"),
        (lambda loss: loss == ONE, TypeError, "compare its total, as in loss.total > 5"),
        (lambda loss: operator.ne(ONE, loss), TypeError, "compare its total"),
        (operator.neg, TypeError, r"no sign; write -loss.total, or -1 \* loss"),
        (len, TypeError, r"count its terms with len\(loss.terms\)"),
        (bool, TypeError, "neither true nor false; ask .* loss is not None"),
    ],
)
def test_what_is_done_to_one_number_says_what_to_do_instead(slip, error, message):
    *_, loss = two_terms()
    with pytest.raises(error, match=message):
        slip(loss)


def test_what_is_not_there_is_not_there():
    *_, loss = two_terms()
    for name in ("prior", "mean", "dtype", "__array__", "__torch_function__", "_terms_"):
        assert not hasattr(loss, name)
        assert getattr(loss, name, None) is None
    half_made = LossTerms.__new__(LossTerms)
    with pytest.raises(AttributeError, match="has no attribute '_terms'$"):
        half_made.total_  # noqa: B018


@pytest.mark.compiles
def test_asking_whether_there_is_a_loss_compiles():
    @torch.compile(fullgraph=True, backend="eager")
    def step(x):
        loss = LossTerms({"a": x}, {"a": 3.0})
        return loss.total * 2 if loss is not None and hasattr(loss, "total") else x

    assert step(ONE) == 6
