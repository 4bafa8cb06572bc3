import pytest
import torch

from lossbook import LossTerms


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
        ({"a": ONE, "b": ONE}, {"b": 1.0, "a": 1.0}, ValueError, "same order"),
    ],
)
def test_what_cannot_be_meant_is_refused(terms, weights, error, message):
    with pytest.raises(error, match=message):
        LossTerms(terms, weights)


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
