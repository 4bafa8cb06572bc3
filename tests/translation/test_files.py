"""Latents from files: what training needs of them, and what is said of others."""

import importlib
import sys

import pytest
import torch

from lossbook.translation import load_latents

SCALE = 0.18215


def latents(count=6, channels=4):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(count, channels, 8, 8, generator=generator) / SCALE


def stored(folder, content, name="latents.pt"):
    torch.save(content, folder / name)
    return folder / name


def test_latents_are_multiplied_by_the_scale(tmp_path):
    found = load_latents(stored(tmp_path, latents()))
    torch.testing.assert_close(found, latents() * SCALE)
    assert found.dtype is torch.float32
    assert found.std().item() == pytest.approx(1, abs=0.1)
    half = load_latents(str(stored(tmp_path, latents().half(), "half.pth")))
    torch.testing.assert_close(half, found, rtol=2e-3, atol=2e-3)
    assert half.dtype is torch.float32


def test_the_graph_of_an_encoder_stays_in_the_file(tmp_path):
    found = load_latents(stored(tmp_path, latents().requires_grad_()))
    assert not found.requires_grad and found.grad_fn is None


def test_scaled_latents_are_left_as_they_are(tmp_path):
    file = stored(tmp_path, latents() * SCALE)
    torch.testing.assert_close(load_latents(file, scaled=True), latents() * SCALE)


@pytest.mark.parametrize(
    ("content", "key"),
    [
        ({"latents": latents()}, None),
        ({"latents": latents(), "labels": torch.zeros(6)}, "latents"),
        (list(latents()), None),
        (list(latents().split(1)), None),
        ({"latents": list(latents())}, "latents"),
    ],
)
def test_dictionaries_and_lists_are_opened(tmp_path, content, key):
    found = load_latents(stored(tmp_path, content), key=key)
    torch.testing.assert_close(found, latents() * SCALE)


def test_other_encoders_have_other_channels_and_scales(tmp_path):
    file = stored(tmp_path, latents(channels=16))
    assert load_latents(file, channels=16).shape == (6, 16, 8, 8)
    # Where the scale is near 1, nobody can tell.
    torch.testing.assert_close(
        load_latents(stored(tmp_path, 0.1 * latents()), scale=1.0), 0.1 * latents()
    )


@pytest.mark.own_errors
@pytest.mark.parametrize(
    ("content", "options", "error", "message"),
    [
        (SCALE * latents(), {}, ValueError, r"deviation of 1.03,.*about 5.5\); pass scaled=True"),
        (latents(), {"scaled": True}, ValueError, "leave out scaled=True"),
        (latents()[0], {}, ValueError, r"must have shape \(N, 4, H, W\), got \(4, 8, 8\)"),
        (latents().permute(0, 2, 3, 1), {}, ValueError, "channels come last"),
        (latents(), {"channels": 16}, ValueError, r"pass channels=4"),
        (latents().long(), {}, TypeError, "what latents.pt holds must be a floating-point"),
        (latents() * torch.nan, {}, ValueError, "latents.pt holds 1536 NaN"),
        ({"a": latents(), "b": latents()}, {}, ValueError, "holds a, b; key must name one"),
        ({"a": latents(), "y": torch.zeros(6).long()}, {"key": "y"}, TypeError,
         "'y' in latents.pt must be a floating-point tensor.*is 'a': pass it as key"),
        ({"a": latents()}, {"key": "b"}, ValueError, "key must name one of them, got 'b'"),
        (latents(), {"key": "b"}, ValueError, "one tensor without a name; leave out key='b'"),
        ([latents()[0], latents()[0, :2]], {}, ValueError, "must have the same shape"),
        ([1, 2], {}, TypeError, "number 0 in latents.pt must be a torch.Tensor"),
        ("text", {}, TypeError, "what latents.pt holds must be a torch.Tensor"),
        (latents().double() * 1e300, {}, ValueError, "latents.pt holds 1536 NaN or infinite"),
        (torch.zeros(6, 4, 8, 8), {}, ValueError, "holds the same number 1536 times"),
        (latents().to_sparse(), {}, TypeError, r"must be dense, got torch.sparse_coo"),
        ([torch.tensor(1.0)], {}, ValueError, r"number 0 in .* must have shape \(C, H, W\)"),
        ({}, {}, ValueError, "latents.pt holds nothing"),
        (latents(), {"scale": 0.0}, ValueError, "scale must be finite and greater than 0"),
        (latents(), {"scaled": 1}, TypeError, "scaled must be True or False"),
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_what_is_hardly_meant_is_refused(tmp_path, content, options, error, message):
    with pytest.raises(error, match=message):
        load_latents(stored(tmp_path, content), **options)


class Code:
    """What a file of tensors should not hold."""


@pytest.mark.own_errors
def test_no_code_of_a_file_is_run(tmp_path):
    with pytest.raises(ValueError, match="holds more than tensors, which is not read"):
        load_latents(stored(tmp_path, {"latents": Code()}))


@pytest.mark.own_errors
def test_an_array_of_numpy_is_to_be_made_a_tensor(tmp_path):
    with pytest.raises(ValueError, match=r"array of numpy.*torch.as_tensor\(array\)"):
        load_latents(stored(tmp_path, latents().numpy()))


@pytest.mark.own_errors
@pytest.mark.parametrize("kept", [0, 4, 1000, -200])
def test_a_damaged_file_is_not_taken_for_code(tmp_path, kept):
    file = stored(tmp_path, latents())
    file.write_bytes(file.read_bytes()[:kept])
    with pytest.raises(ValueError, match="latents.pt cannot be read: it is damaged"):
        load_latents(file)
    file.write_text("no tensors at all")
    with pytest.raises(ValueError, match="latents.pt cannot be read: it is damaged"):
        load_latents(file)


@pytest.mark.own_errors
@pytest.mark.parametrize("content", [b"", b"no tensors", bytes(100)])
def test_a_damaged_file_of_safetensors_is_named(tmp_path, content):
    pytest.importorskip("safetensors.torch")
    (tmp_path / "a.safetensors").write_bytes(content)
    with pytest.raises(ValueError, match="a.safetensors cannot be read: it is damaged"):
        load_latents(tmp_path / "a.safetensors")
    with pytest.raises(FileNotFoundError):
        load_latents(tmp_path / "b.safetensors")


@pytest.mark.own_errors
@pytest.mark.parametrize("content", [latents().long(), [latents().long()], {"a": latents().long()}])
def test_names_of_files_are_not_pasted_into_code(tmp_path, content):
    with pytest.raises(TypeError) as caught:
        load_latents(stored(tmp_path, content))
    assert ".float()" not in str(caught.value)
    assert "latents.pt must be" in str(caught.value) or "latents.pt holds must" in str(caught.value)


@pytest.mark.own_errors
def test_other_endings_and_missing_files_are_named(tmp_path):
    with pytest.raises(
        ValueError, match=r"must end in .pt, .pth, .bin or .safetensors, got 'a.npy'"
    ):
        load_latents(tmp_path / "a.npy")
    with pytest.raises(FileNotFoundError, match="a.pt"):
        load_latents(tmp_path / "a.pt")


def test_safetensors_are_read_where_the_package_is(tmp_path):
    package = pytest.importorskip("safetensors.torch")
    package.save_file({"latents": latents()}, tmp_path / "a.safetensors")
    torch.testing.assert_close(load_latents(tmp_path / "a.safetensors"), latents() * SCALE)


@pytest.mark.own_errors
def test_without_the_package_its_name_is_said(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "safetensors", None)
    monkeypatch.setitem(sys.modules, "safetensors.torch", None)
    with pytest.raises(ImportError, match="pip install safetensors"):
        load_latents(tmp_path / "a.safetensors")
    assert importlib.import_module("lossbook.translation.files")
