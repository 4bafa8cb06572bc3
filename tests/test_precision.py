"""Whether autocast is on where a tensor lies, also asked within compiled code."""

import pytest
import torch

from lossbook import precision
from lossbook.precision import autocasts, exact

KINDS = ("cpu", "cuda", "xpu", "opengl", "opencl", "ideep", "hip", "ve", "fpga", "maia", "xla",
         "lazy", "vulkan", "mps", "meta", "hpu", "mtia", "privateuseone", "ipu")  # fmt: skip


def test_the_kinds_without_autocast_are_torchs():
    without = {kind for kind in KINDS if not torch.amp.is_autocast_available(kind)}
    assert set(precision._WITHOUT) == without


def test_autocast_is_seen_where_the_tensor_lies():
    tensor = torch.ones(2, 2)
    assert not autocasts(tensor)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert autocasts(tensor)
        assert not autocasts(tensor.to("meta"))
        assert (tensor @ tensor).dtype is torch.bfloat16
        with exact(tensor):
            assert not autocasts(tensor)
            assert (tensor @ tensor).dtype is torch.float32


@pytest.mark.parametrize("on", [False, True])
def test_compiled_code_may_ask(on):
    def product(tensor):
        with exact(tensor):
            return tensor @ tensor

    compiled = torch.compile(product, fullgraph=True, backend="eager")
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=on):
        assert compiled(torch.ones(2, 2)).dtype is torch.float32
