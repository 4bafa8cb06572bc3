"""A weight by position is refused in words, and nothing else about a function changes."""

import importlib
import inspect
import pickle

import pytest
import torch

import lossbook
from lossbook import registry
from lossbook.hands import Keypoint2DLoss, Keypoint3DLoss, VertexLoss
from lossbook.landmarks import SmoothL1Loss, WingLoss, pfld_loss, wing_loss
from lossbook.translation import DiscriminatorLoss, EpochMeter, GeneratorLoss


def with_a_weight():
    """Every public function and module that takes a weight by name."""
    for chapter in registry.chapters():
        package = importlib.import_module(f"lossbook.{chapter}")
        for name in package.__all__:
            public = getattr(package, name)
            called = getattr(public, "forward", public)
            if callable(called) and "weight" in inspect.signature(called).parameters:
                kind = inspect.signature(called).parameters["weight"].kind
                if kind is inspect.Parameter.KEYWORD_ONLY:
                    yield name, public


FOUND = dict(with_a_weight())


def test_they_are_all_found():
    assert {"wing_loss", "WingLoss", "HandLoss", "MotionLoss", "nme", "pck_auc"} <= set(FOUND)
    assert len(FOUND) >= 28


@pytest.mark.parametrize("name", FOUND)
@pytest.mark.own_errors
def test_a_weight_by_position_is_refused_with_its_name(name):
    public = FOUND[name]
    taken = public().forward if isinstance(public, type) else public
    count = sum(
        parameter.kind is parameter.POSITIONAL_OR_KEYWORD
        for parameter in inspect.signature(taken).parameters.values()
    )
    with pytest.raises(TypeError, match=rf"^{name} takes {count} by position, .* got {count + 1};"):
        taken(*[torch.ones(2, 3, 3)] * (count + 1))
    with pytest.raises(TypeError, match="pass a mask or weight as weight="):
        taken(*[torch.ones(2, 3, 3)] * (count + 1))


def test_a_function_keeps_its_name_its_signature_and_its_pickle():
    assert wing_loss.__name__ == "wing_loss"
    assert wing_loss.__doc__.startswith("Logarithmic")
    assert list(inspect.signature(wing_loss).parameters)[:2] == ["input", "target"]
    assert pickle.loads(pickle.dumps(wing_loss)) is wing_loss


@pytest.mark.own_errors
def test_help_shows_the_options_of_a_module_and_of_an_instance_its_call():
    assert list(inspect.signature(WingLoss).parameters) == ["w", "epsilon", "reduction"]
    assert list(inspect.signature(WingLoss()).parameters) == ["args", "kwargs"]
    assert not inspect.signature(EpochMeter).parameters


@pytest.mark.own_errors
def test_other_wrong_arguments_are_python_s():
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'target'"):
        wing_loss(torch.ones(2))
    with pytest.raises(TypeError, match="multiple values for argument 'target'"):
        wing_loss(torch.ones(2), torch.ones(2), target=torch.ones(2))


@pytest.mark.own_errors
def test_a_name_that_there_is_not_is_refused_with_the_one_that_is_meant():
    two = torch.ones(2, 3, 2)
    with pytest.raises(TypeError, match="pfld_loss takes no 'angle'; did you mean angles"):
        pfld_loss(two, two, angle=torch.ones(2, 3))
    with pytest.raises(TypeError, match="WingLoss takes no 'wait'; did you mean weight"):
        WingLoss()(two, two, wait=torch.ones(2))
    for name in ("mask", "padding_mask", "visible", "valid"):
        with pytest.raises(TypeError, match=f"takes no {name!r}; pass a mask or weight as weight="):
            wing_loss(two, two, **{name: torch.ones(2)})


@pytest.mark.compiles
def test_every_loss_may_be_compiled_as_often_as_if_it_were_alone():
    # torch allows eight of one code object, which five losses of two sizes would share.
    torch._dynamo.reset()
    shapes = {WingLoss: 2, SmoothL1Loss: 2, Keypoint2DLoss: 2, Keypoint3DLoss: 3, VertexLoss: 3}
    losses = {
        torch.compile(kind(), fullgraph=True, backend="eager"): d for kind, d in shapes.items()
    }
    for batch in (4, 5):
        for trains in (True, False):
            for loss, dimensions in losses.items():
                input = torch.rand(batch, 21, dimensions, requires_grad=trains)
                assert loss(input, torch.rand(batch, 21, dimensions)).requires_grad == trains


def test_a_module_of_one_s_own_without_a_weight_is_left_alone():
    class Sum(lossbook.modules.LossModule):
        def forward(self, *terms):
            return sum(terms)

    assert Sum()(1, 2, 3) == 6


@pytest.mark.own_errors
@pytest.mark.parametrize(("kind", "name"), [(DiscriminatorLoss, "step"), (GeneratorLoss, "epoch")])
def test_a_count_that_is_left_out_or_comes_by_position_is_asked_for(kind, name):
    with pytest.raises(
        TypeError, match=f"^{kind.__name__} got no {name}; pass {name}=..., counted"
    ):
        kind()(None, None)
    with pytest.raises(TypeError, match=f"^{kind.__name__} takes {name} by name; pass {name}=..."):
        kind()(None, None, 1)
    assert inspect.signature(kind.forward).parameters[name].kind is inspect.Parameter.KEYWORD_ONLY
